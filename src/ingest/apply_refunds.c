#include "ingest/ingest_private.h"

struct refund_columns {
    const struct pat_batch_column *version, *order, *customer;
};

static bool refund_set(struct apply *apply, pat_row refund, const struct pat_batch_column *column, uint32_t row) {
    struct pat_table *refunds = &apply->store->table[PAT_REFUNDS];
    int64_t value = pat_apply__value(apply, column, row);
    if (column->field == PAT_REFUND_VERSION && value == PAT_NULL) return false;
    if (column->field == PAT_REFUND_DELETED && value == 0) value = PAT_NULL;
    if (pat_table_get(refunds, (unsigned)column->field, refund) == value) return false;
    pat_table_set(refunds, (unsigned)column->field, refund, value);
    return true;
}

/* Order row that the batch names for this refund, the stored one when it names none; PAT_NULL for no order. */
static int64_t refund_order(struct apply *apply, const struct refund_columns *columns, uint32_t row, pat_row refund) {
    if (columns->order == NULL) return pat_table_get(&apply->store->table[PAT_REFUNDS], PAT_REFUND_ORDER, refund);
    if (columns->order->value[row] == PAT_NULL) return PAT_NULL;
    return pat_order__find_or_add(apply->store, pat_apply__key(columns->order, row));
}

/* The order's customer where there is an order (nobody while it is awaited), else the one named, else the one it had.
 */
static int64_t refund_customer(struct apply *apply, const struct refund_columns *columns, uint32_t row, pat_row refund,
                               int64_t order) {
    const struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    if (order != PAT_NULL) {
        bool awaited = pat_table_get(orders, PAT_ORDER_STATE, (pat_row)order) == PAT_ORDER_AWAITED;
        return awaited ? PAT_NULL : pat_table_get(orders, PAT_ORDER_CUSTOMER, (pat_row)order);
    }
    if (columns->customer != NULL && columns->customer->value[row] != PAT_NULL) {
        return pat_apply__customer(apply, pat_apply__key(columns->customer, row));
    }
    return pat_table_get(&apply->store->table[PAT_REFUNDS], PAT_REFUND_CUSTOMER, refund);
}

static enum row_fate refund_apply(struct apply *apply, const struct refund_columns *columns, uint32_t row,
                                  pat_row refund) {
    struct pat_table *refunds = &apply->store->table[PAT_REFUNDS];
    if (pat_apply__stale(apply, columns->version, row, refunds, PAT_REFUND_VERSION, refund)) return ROW_STALE;
    bool changed = false;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        if (column->field == PAT_REFUND_ID || column->field == PAT_REFUND_ORDER ||
            column->field == PAT_REFUND_CUSTOMER) {
            continue;
        }
        if (refund_set(apply, refund, column, row)) changed = true;
    }
    int64_t order = refund_order(apply, columns, row, refund);
    int64_t customer = refund_customer(apply, columns, row, refund, order);
    if (order != pat_table_get(refunds, PAT_REFUND_ORDER, refund)) changed = true;
    if (customer != pat_table_get(refunds, PAT_REFUND_CUSTOMER, refund)) changed = true;
    if (!changed) return ROW_DUPLICATE;
    /* Named by a row of its own from now on: lines that change their sign no longer withdraw it. */
    pat_table_set(refunds, PAT_REFUND_FROM_LINES, refund, PAT_NULL);
    pat_refund__derive(apply->store, refund);
    if (order != pat_table_get(refunds, PAT_REFUND_ORDER, refund))
        pat_link__move(apply, LINK_ORDER_REFUNDS, refund, order);
    pat_refund__give(apply, refund, customer);
    if (customer != PAT_NULL) pat_apply__touch(apply, (pat_row)customer);
    return ROW_UPDATED;
}

static void apply_known(struct apply *apply, const struct refund_columns *columns, uint32_t row, pat_row refund) {
    pat_refund__forget(apply->store, refund);
    enum row_fate fate = refund_apply(apply, columns, row, refund);
    pat_refund__remember(apply->store, refund);
    pat_apply__count(apply, fate);
}

/* New refunds of a block first, as new orders are. */
void pat_apply__refunds(struct apply *apply) {
    struct refund_columns columns = {
        .version = pat_batch_find(apply->batch, PAT_REFUND_VERSION),
        .order = pat_batch_find(apply->batch, PAT_REFUND_ORDER),
        .customer = pat_batch_find(apply->batch, PAT_REFUND_CUSTOMER),
    };
    for (uint32_t first = 0, rows; first < apply->batch->rows; first += rows) {
        rows = apply->batch->rows - first < BLOCK_ROWS ? apply->batch->rows - first : BLOCK_ROWS;
        const struct appended appended = pat_apply__append_refunds(apply, first, rows);
        for (uint32_t i = 0; i < appended.known_count; i++) {
            const uint32_t row = appended.known[i];
            apply_known(apply, &columns, first + row, appended.row[row]);
        }
    }
}
