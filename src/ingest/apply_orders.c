#include "ingest/ingest_private.h"

#include "base/mem.h"

struct order_columns {
    const struct pat_batch_column *version, *customer;
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

/* Rows that name an order which is there already: known before the batch, awaited by refunds, or made by a row before.
 */
static void apply_known(struct apply *apply, const struct order_columns *columns, uint32_t row, pat_row order) {
    pat_order__forget(apply->store, order);
    enum row_fate fate = order_apply(apply, columns, row, order);
    pat_order__remember(apply->store, order);
    pat_apply__count(apply, fate);
}

/* A row that names an order which is there already. */
struct known_row {
    uint32_t row; /* of the batch */
    pat_row order;
};

/* What appending lent, but for rows that are new. */
static struct known_row *keep_known(const struct appended *appended) {
    struct known_row *known = pat_mem_alloc_raw_must(PAT_MEM_OTHER, appended->known_count * sizeof *known);
    for (uint32_t i = 0; i < appended->known_count; i++)
        known[i] = (struct known_row){appended->known[i], appended->row[appended->known[i]]};
    return known;
}

size_t pat_apply__known_orders_bytes(const struct pat_batch *batch) {
    return batch->rows * sizeof(struct known_row);
}

/* The new orders of a batch come first, all at once: what the other rows do, they do to other orders, or to one of
 * these after the row that made it. So do those of batches before it, which have no other rows. */
unsigned pat_apply__orders(struct apply *apply, unsigned batches, const struct pat_spread *spread) {
    unsigned taken;
    const struct appended appended = pat_apply__append_orders(apply, batches, spread, &taken);
    struct apply *last = &apply[taken - 1];
    if (appended.known_count == 0) return taken;
    struct known_row *known = keep_known(&appended);
    const struct order_columns columns = {
        .version = pat_batch_find(last->batch, PAT_ORDER_VERSION),
        .customer = pat_batch_find(last->batch, PAT_ORDER_CUSTOMER),
    };
    pat_ingest_settle(last->store, spread);
    for (uint32_t i = 0; i < appended.known_count; i++) apply_known(last, &columns, known[i].row, known[i].order);
    pat_mem_free(PAT_MEM_OTHER, known);
    return taken;
}
