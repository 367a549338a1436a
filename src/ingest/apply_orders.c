#include "ingest/ingest_private.h"

struct order_columns {
    const struct pat_batch_column *id, *version, *customer;
};

static int64_t order_value(const struct apply *apply, const struct pat_batch_column *column, uint32_t row) {
    int64_t value = pat_apply__value(apply, column, row);
    bool flag = column->field == PAT_ORDER_DELETED || column->field == PAT_ORDER_TEST;
    return flag && value == 0 ? PAT_NULL : value;
}

/* A column of the order's own: not its id, and not its customer, which moves chains. */
static bool order_set(struct apply *apply, pat_row order, const struct pat_batch_column *column, uint32_t row) {
    struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    int64_t value = order_value(apply, column, row);
    if (column->field == PAT_ORDER_VERSION && value == PAT_NULL) return false;
    bool changed = pat_table_get(orders, (unsigned)column->field, order) != value;
    if (column->field == PAT_ORDER_AMOUNT && pat_table_get(orders, PAT_ORDER_AMOUNT_GIVEN, order) != 1) {
        pat_table_set(orders, PAT_ORDER_AMOUNT_GIVEN, order, 1);
        changed = true;
    }
    if (changed) pat_table_set(orders, (unsigned)column->field, order, value);
    return changed;
}

/* The refund that stood for an order whose lines summed below zero goes when the order gets an amount of its own. */
static void order_becomes_present(struct apply *apply, pat_row order) {
    struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    int64_t state = pat_table_get(orders, PAT_ORDER_STATE, order);
    bool given = pat_table_get(orders, PAT_ORDER_AMOUNT_GIVEN, order) == 1;
    if (state == PAT_ORDER_NEGATIVE && given) pat_order__withdraw_refund(apply, order);
    if (state == PAT_ORDER_AWAITED || given) pat_table_set(orders, PAT_ORDER_STATE, order, PAT_ORDER_PRESENT);
}

static enum row_fate order_apply(struct apply *apply, const struct order_columns *columns, uint32_t row,
                                 pat_row order) {
    struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    bool fresh = pat_table_get(orders, PAT_ORDER_STATE, order) == PAT_ORDER_AWAITED;
    if (pat_apply__stale(apply, columns->version, row, orders, PAT_ORDER_VERSION, order)) return ROW_STALE;
    int64_t before = pat_table_get(orders, PAT_ORDER_CUSTOMER, order);
    bool changed = false;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        if (column->field == PAT_ORDER_ID || column->field == PAT_ORDER_CUSTOMER) continue;
        if (order_set(apply, order, column, row)) changed = true;
    }
    int64_t customer = columns->customer != NULL
                           ? (int64_t)pat_apply__customer(apply, pat_apply__key(columns->customer, row))
                           : before;
    if (!fresh && !changed && customer == before) return ROW_DUPLICATE;
    order_becomes_present(apply, order);
    if (fresh) pat_table_set(orders, PAT_ORDER_PRODUCER, order, pat_apply__producer(apply, PAT_ORDERS));
    pat_order__derive(apply->store, order);
    if (pat_table_get(orders, PAT_ORDER_STATE, order) == PAT_ORDER_NEGATIVE)
        pat_order__stand_refund(apply, order, customer);
    if (customer != before) {
        pat_order__give(apply, order, customer);
    } else {
        pat_apply__touch(apply, (pat_row)customer);
    }
    pat_order__lead_refunds(apply, order);
    return fresh ? ROW_FRESH : ROW_UPDATED;
}

/* A new order with nothing waiting for it: most rows of most loads. Adds the row at once, and adds to the aggregates
 * without walking the customer's chain. */
static void order_append(struct apply *apply, const struct order_columns *columns, uint32_t row) {
    struct pat_store *store = apply->store;
    struct pat_table *orders = &store->table[PAT_ORDERS], *customers = &store->table[PAT_CUSTOMERS];
    pat_row customer = pat_apply__customer(apply, pat_apply__key(columns->customer, row));
    int64_t values[PAT_COLUMNS_MAX];
    for (unsigned c = 0; c < orders->schema->columns; c++) values[c] = PAT_NULL;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        values[column->field] = order_value(apply, column, row);
    }
    values[PAT_ORDER_CUSTOMER] = customer;
    values[PAT_ORDER_STATE] = PAT_ORDER_PRESENT;
    values[PAT_ORDER_AMOUNT_GIVEN] = 1;
    values[PAT_ORDER_PRODUCER] = pat_apply__producer(apply, PAT_ORDERS);
    values[PAT_ORDER_NEXT] = pat_table_get(customers, PAT_CUSTOMER_ORDER_HEAD, customer);
    pat_order__derive_values(store, values);
    pat_row order = pat_table_add_id_values(store, PAT_ORDERS, pat_apply__key(columns->id, row), values);
    pat_table_set(customers, PAT_CUSTOMER_ORDER_HEAD, customer, order);
    pat_order__remember(store, order);
    bool gained = pat_order_counts(orders, order) && pat_customer__gain_order(store, customer, order);
    if (!gained) pat_apply__touch(apply, customer);
    pat_apply__count(apply, ROW_FRESH);
}

void pat_apply__orders(struct apply *apply) {
    struct order_columns columns = {
        .id = pat_batch_find(apply->batch, PAT_ORDER_ID),
        .version = pat_batch_find(apply->batch, PAT_ORDER_VERSION),
        .customer = pat_batch_find(apply->batch, PAT_ORDER_CUSTOMER),
    };
    for (uint32_t row = 0; row < apply->batch->rows; row++) {
        pat_row order = pat_table_find_id(apply->store, PAT_ORDERS, pat_apply__key(columns.id, row));
        if (order == PAT_ROW_NONE) {
            order_append(apply, &columns, row);
            continue;
        }
        pat_order__forget(apply->store, order);
        enum row_fate fate = order_apply(apply, &columns, row, order);
        pat_order__remember(apply->store, order);
        pat_apply__count(apply, fate);
    }
}
