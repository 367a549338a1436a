#include "ingest/ingest_private.h"

static enum row_fate customer_apply(struct apply *apply, const struct pat_batch_column *version, uint32_t row,
                                    pat_row customer) {
    struct pat_table *customers = &apply->store->table[PAT_CUSTOMERS];
    bool fresh = pat_table_get(customers, PAT_CUSTOMER_PROFILED, customer) != 1;
    if (pat_apply__stale(apply, version, row, customers, PAT_CUSTOMER_VERSION, customer)) return ROW_STALE;
    bool changed = false;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        if (column->field == PAT_CUSTOMER_ID) continue;
        int64_t value = pat_apply__value(apply, column, row);
        if (column->field == PAT_CUSTOMER_VERSION && value == PAT_NULL) continue;
        if (column->field == PAT_CUSTOMER_DELETED && value == 0) value = PAT_NULL;
        if (pat_table_get(customers, (unsigned)column->field, customer) == value) continue;
        pat_table_set(customers, (unsigned)column->field, customer, value);
        changed = true;
    }
    pat_table_set(customers, PAT_CUSTOMER_PROFILED, customer, 1);
    if (fresh) pat_table_set(customers, PAT_CUSTOMER_PRODUCER, customer, pat_apply__producer(apply, PAT_CUSTOMERS));
    return fresh ? ROW_FRESH : changed ? ROW_UPDATED : ROW_DUPLICATE;
}

static void apply_known(struct apply *apply, const struct pat_batch_column *version, uint32_t row, pat_row customer) {
    const struct pat_table *customers = &apply->store->table[PAT_CUSTOMERS];
    apply->store->counts.customers -= pat_customer_exists(customers, customer);
    pat_apply__count(apply, customer_apply(apply, version, row, customer));
    apply->store->counts.customers += pat_customer_exists(customers, customer);
}

/* New customers of a block first, as new orders are. */
void pat_apply__customers(struct apply *apply) {
    const struct pat_batch_column *version = pat_batch_find(apply->batch, PAT_CUSTOMER_VERSION);
    for (uint32_t first = 0, rows; first < apply->batch->rows; first += rows) {
        rows = apply->batch->rows - first < BLOCK_ROWS ? apply->batch->rows - first : BLOCK_ROWS;
        const struct appended appended = pat_apply__append_customers(apply, first, rows);
        for (uint32_t i = 0; i < appended.known_count; i++) {
            const uint32_t row = appended.known[i];
            apply_known(apply, version, first + row, appended.row[row]);
        }
    }
}
