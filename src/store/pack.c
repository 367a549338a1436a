/* Which chunks are packed, and when: whole ones of facts that have not changed between two sweeps. Chosen and taken by
 * the owner of the store, made by anybody. They are held meanwhile, one by one: a view would keep them as they are,
 * too, and all else, so that each would cost the next batch a copy of nearly every chunk of customers. */
#include "store/store.h"
#include "store/store_private.h"

#include "base/mem.h"

struct packable {
    enum pat_table_id table;
    unsigned column;
};

/* Columns that are read for one row, or by few questions. What questions read of every fact (days, codes, customers,
 * base values) stays as it is: comparing codes as they lie there is ten times as fast as unpacking them. */
static const struct packable packables[] = {
    {PAT_ORDERS, PAT_ORDER_ID},          {PAT_ORDERS, PAT_ORDER_VERSION},       {PAT_ORDERS, PAT_ORDER_TIME},
    {PAT_ORDERS, PAT_ORDER_AMOUNT},      {PAT_ORDERS, PAT_ORDER_PAID},          {PAT_ORDERS, PAT_ORDER_CANCELLED},
    {PAT_ORDERS, PAT_ORDER_TEST},        {PAT_ORDERS, PAT_ORDER_DISCOUNT},      {PAT_ORDERS, PAT_ORDER_SHIPPING},
    {PAT_ORDERS, PAT_ORDER_TAX},         {PAT_ORDERS, PAT_ORDER_DUTY},          {PAT_ORDERS, PAT_ORDER_COST},
    {PAT_ORDERS, PAT_ORDER_PAID_DAY},    {PAT_ORDERS, PAT_ORDER_NEXT},          {PAT_ORDERS, PAT_ORDER_LINE_HEAD},
    {PAT_ORDERS, PAT_ORDER_REFUND_HEAD}, {PAT_ORDERS, PAT_ORDER_LINES_VERSION}, {PAT_ORDERS, PAT_ORDER_AMOUNT_GIVEN},
    {PAT_LINES, PAT_LINE_NUMBER},        {PAT_LINES, PAT_LINE_VERSION},         {PAT_LINES, PAT_LINE_COST},
    {PAT_LINES, PAT_LINE_NEXT},          {PAT_REFUNDS, PAT_REFUND_ID},          {PAT_REFUNDS, PAT_REFUND_VERSION},
    {PAT_REFUNDS, PAT_REFUND_ORDER},     {PAT_REFUNDS, PAT_REFUND_TIME},        {PAT_REFUNDS, PAT_REFUND_AMOUNT},
    {PAT_REFUNDS, PAT_REFUND_NEXT},      {PAT_REFUNDS, PAT_REFUND_ORDER_NEXT},
};
#define PACKABLES (sizeof packables / sizeof packables[0])

bool pat_store_pack_choose(struct pat_store *store, struct pat_pack *pack, struct pat_pack_cursor *cursor,
                           uint32_t looks) {
    pack->count = pack->cold_count = 0;
    for (uint32_t i = 0; i < store->cold_count && pack->cold_count < PAT_PACK_CHUNKS;) {
        if (store->cold[i].version > store->pins.oldest) {
            i++;
            continue;
        }
        pack->cold[pack->cold_count++] = store->cold[i];
        store->cold[i] = store->cold[--store->cold_count];
    }
    while (cursor->packable < PACKABLES && looks > 0 && pack->count < PAT_PACK_CHUNKS) {
        const struct packable *packable = &packables[cursor->packable];
        struct pat_column *column = &store->table[packable->table].column[packable->column];
        if (cursor->chunk >= column->rows >> column->shift) {
            cursor->packable++;
            cursor->chunk = 0;
            continue;
        }
        looks--;
        struct pat_chunk *chunk = pat_column_pack_choose(column, cursor->chunk);
        if (chunk != NULL) {
            pack->job[pack->count++] = (struct pat_pack_job){column, cursor->chunk, chunk, NULL};
        }
        cursor->chunk++;
    }
    if (cursor->packable < PACKABLES) return true;
    *cursor = (struct pat_pack_cursor){0, 0};
    return false;
}

static void free_cold(struct pat_pack *pack) {
    for (uint32_t i = 0; i < pack->cold_count; i++) {
        if (pack->reuse) {
            pat_mem_free(pack->cold[i].purpose, pack->cold[i].chunk);
        } else {
            pat_mem_free_pages(pack->cold[i].purpose, pack->cold[i].chunk);
        }
    }
    pack->cold_count = 0;
}

void pat_pack_make(struct pat_pack *pack, bool (*stop_cb)(void *context), void *context) {
    free_cold(pack);
    pack->made = 0;
    if (pack->count == 0) return;
    const uint32_t rows = 1u << pack->job[0].column->shift; /* of facts, as all are */
    void *scratch = pat_mem_alloc_big(PAT_MEM_OTHER, pat_chunk_pack_scratch(rows));
    while (scratch != NULL && pack->made < pack->count && (stop_cb == NULL || !stop_cb(context))) {
        struct pat_pack_job *job = &pack->job[pack->made++];
        PAT_DEBUG_ASSERT(rows == 1u << job->column->shift);
        job->packed = pat_chunk_pack(job->was, rows, job->column->purpose, scratch);
    }
    pat_mem_free(PAT_MEM_OTHER, scratch);
}

static void keep_cold(struct pat_store *store, struct pat_chunk *chunk, enum pat_mem_purpose purpose) {
    if (store->cold_count == sizeof store->cold / sizeof store->cold[0]) {
        pat_pins_retire(&store->pins, purpose, chunk);
    } else {
        store->cold[store->cold_count++] = (struct pat_cold){chunk, purpose, store->pins.version};
    }
}

uint32_t pat_store_pack_take(struct pat_store *store, struct pat_pack *pack) {
    uint32_t taken = 0;
    for (uint32_t i = pack->made; i < pack->count; i++)
        pat_column_pack_leave(pack->job[i].column, pack->job[i].chunk, pack->job[i].was);
    for (uint32_t i = 0; i < pack->made; i++) {
        struct pat_pack_job *job = &pack->job[i];
        struct pat_chunk *was = pat_column_pack_take(job->column, job->chunk, job->was, job->packed);
        if (was == NULL) continue;
        keep_cold(store, was, job->column->purpose);
        taken++;
    }
    free_cold(pack); /* unless that is done */
    pack->count = pack->made = 0;
    return taken;
}

void pat_store__free_cold(struct pat_store *store) {
    for (uint32_t i = 0; i < store->cold_count; i++) pat_mem_free(store->cold[i].purpose, store->cold[i].chunk);
}
