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

void pat_apply__customers(struct apply *apply) {
    struct pat_table *customers = &apply->store->table[PAT_CUSTOMERS];
    const struct pat_batch_column *ids = pat_batch_find(apply->batch, PAT_CUSTOMER_ID);
    const struct pat_batch_column *version = pat_batch_find(apply->batch, PAT_CUSTOMER_VERSION);
    for (uint32_t row = 0; row < apply->batch->rows; row++) {
        pat_row customer = pat_apply__customer(apply, pat_apply__key(ids, row));
        apply->store->counts.customers -= pat_customer_exists(customers, customer);
        pat_apply__count(apply, customer_apply(apply, version, row, customer));
        apply->store->counts.customers += pat_customer_exists(customers, customer);
    }
}
