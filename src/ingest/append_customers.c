/* New customers with a profile. */
#include "ingest/append_private.h"

size_t pat_apply__append_customers_bytes(const struct pat_batch *batch, const struct pat_store *store) {
    return pat_store_scratch_growth(store, pat_append__bytes(batch->rows, sizeof(int64_t)));
}

static uint32_t count_existing(struct append *append) {
    const int64_t *deleted = pat_append__lane(append, PAT_CUSTOMER_DELETED, pat_append__array(append, sizeof(int64_t)));
    if (deleted == NULL) return append->count;
    uint32_t count = 0;
    for (uint32_t i = 0; i < append->count; i++) count += deleted[i] != 1;
    return count;
}

struct appended pat_apply__append_customers(struct apply *apply, uint32_t first, uint32_t count) {
    struct append append = pat_append__open(apply, first, count, sizeof(int64_t));
    if (append.count > 0) {
        apply->store->counts.customers += count_existing(&append);
        pat_append__sent(&append);
        pat_append__constant(&append, PAT_CUSTOMER_PROFILED, 1);
        pat_append__constant(&append, PAT_CUSTOMER_PRODUCER, pat_apply__producer(apply, PAT_CUSTOMERS));
        pat_append__close(&append);
        apply->outcome->fresh += append.count;
    }
    return (struct appended){append.row, append.known, append.known_count};
}
