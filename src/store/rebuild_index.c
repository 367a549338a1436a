/* The id index of a restored table, all rows at once and on several threads.
 *
 *   rows ─► count the ids of each span; the dense ones begin
 *        ─► parts of 64 Ki: what spans have goes there; hash the rest, sort by shard
 *        ─► shard by shard, part after part: look and add in one probe
 *
 * Adding row by row misses the cache at every step; here hashing reads and writes in order, and a shard stays in the
 * second-level cache while it is filled. Entries come to a shard in the order of rows whoever brings them, so that the
 * index does not depend on the number of threads. */
#include "store/store_private.h"

#include "base/mem.h"

/* Offsets within a part fit 16 bits and some; its hashes fit the second-level cache. */
#define PART_ROWS 65536u
/* Sorted entries in memory at a time: 32 MiB of 4 Mi rows, whatever the table. */
#define ROUND_PARTS 64u

struct entry {
    uint32_t tag;
    pat_row row;
};

struct hashed {
    uint64_t hash;
    pat_row row;
};

struct bulk {
    const struct pat_store *store;
    enum pat_table_id id;
    const struct pat_column *ids;
    struct pat_index *index;
    struct pat_spans *spans;
    pat_row first, end; /* rows of this round */
    uint32_t parts;
    uint32_t stride;                         /* PART_ROWS, or all rows of a table that has fewer */
    struct entry *entry;                     /* [ROUND_PARTS][stride] by part, then by shard */
    uint32_t (*start)[PAT_INDEX_SHARDS + 1]; /* [ROUND_PARTS] where each shard's begin in its part */
    struct hashed *hashed;                   /* [lanes][stride] */
    bool twice;                              /* atomic: an id is there twice */
};

static pat_row part_rows(const struct bulk *bulk, uint32_t part) {
    const pat_row left = bulk->end - bulk->first - part * PART_ROWS;
    return left < PART_ROWS ? left : PART_ROWS;
}

/* Begins the spans that are dense. Whoever counts up comes through each of them once, so what is counted are mostly
 * whole spans. */
static void begin_spans(const struct bulk *bulk, pat_row rows) {
    const struct pat_hash_secret *secret = &bulk->store->secret;
    uint64_t number = UINT64_MAX;
    uint32_t ids = 0;
    for (pat_row row = 0; row <= rows; row++) {
        const int64_t word = row < rows ? pat_column_get(bulk->ids, row) : -1;
        const uint64_t here = word < 0 ? UINT64_MAX : pat_span_of(word);
        if (here == number && row < rows) {
            ids++;
            continue;
        }
        if (number != UINT64_MAX && pat_spans_find(bulk->spans, secret, number) == NULL &&
            pat_spans_note(bulk->spans, secret, number, ids, rows))
            (void)pat_spans_begin(bulk->spans, secret, number);
        number = here;
        ids = 1;
    }
}

/* Ids of spans on the way from their rows; those of one span together. */
struct entering {
    struct pat_id_span *span;
    uint64_t number;
    uint32_t ids;
};

static void entering_end(struct entering *entering) {
    if (entering->ids > 0) (void)__atomic_fetch_add(&entering->span->used, entering->ids, __ATOMIC_RELAXED);
    entering->ids = 0;
}

/* False when no span has the id of the row. */
static bool enter_span(struct bulk *bulk, struct entering *entering, pat_row row) {
    const int64_t word = pat_column_get(bulk->ids, row);
    if (word < 0 || bulk->spans->count == 0) return false;
    const uint64_t number = pat_span_of(word);
    if (entering->span == NULL || entering->number != number) {
        struct pat_id_span *span = pat_spans_find(bulk->spans, &bulk->store->secret, number);
        if (span == NULL) return false;
        entering_end(entering);
        entering->span = span;
        entering->number = number;
    }
    entering->ids++;
    /* Relaxed is enough: nobody reads it before all parts have come back. */
    uint32_t *slot = &entering->span->row[(uint64_t)word % PAT_SPAN_IDS];
    if (__atomic_exchange_n(slot, row + 1, __ATOMIC_RELAXED) != 0)
        __atomic_store_n(&bulk->twice, true, __ATOMIC_RELAXED);
    return true;
}

static void sort_part(void *context, uint32_t part, unsigned lane) {
    struct bulk *bulk = context;
    const pat_row first = bulk->first + part * PART_ROWS, rows = part_rows(bulk, part);
    struct hashed *const hashed = bulk->hashed + (size_t)lane * bulk->stride;
    struct entry *const entry = bulk->entry + (size_t)part * bulk->stride;
    uint32_t *const start = bulk->start[part];
    uint32_t next[PAT_INDEX_SHARDS] = {0}, count = 0;
    struct entering entering = {.span = NULL};
    for (pat_row row = first; row < first + rows; row++) {
        if (enter_span(bulk, &entering, row)) continue;
        const uint64_t hash = pat_store__id_hash(bulk->store, pat_table_key(bulk->store, bulk->id, row));
        hashed[count++] = (struct hashed){hash, row};
        next[pat_index_shard_of(hash)]++;
    }
    entering_end(&entering);
    start[0] = 0;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        start[s + 1] = start[s] + next[s];
        next[s] = start[s];
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t hash = hashed[i].hash;
        entry[next[pat_index_shard_of(hash)]++] = (struct entry){pat_index_tag_of(hash), hashed[i].row};
    }
}

struct same {
    const struct bulk *bulk;
    pat_row row;
};

/* Asked only where the hashes agree: for nearly no row. */
static bool same_id(const void *context, uint32_t other) {
    const struct same *same = context;
    const int64_t a = pat_column_get(same->bulk->ids, same->row), b = pat_column_get(same->bulk->ids, other);
    if (a >= 0 || b >= 0) return a == b;
    const struct pat_heap *heap = &same->bulk->store->heap;
    return pat_text_equal(pat_heap_get(heap, (uint64_t)~a), pat_heap_get(heap, (uint64_t)~b));
}

static void fill_shard(void *context, uint32_t shard, unsigned lane) {
    (void)lane;
    struct bulk *bulk = context;
    for (uint32_t part = 0; part < bulk->parts; part++) {
        const struct entry *entry = bulk->entry + (size_t)part * bulk->stride;
        for (uint32_t i = bulk->start[part][shard]; i < bulk->start[part][shard + 1]; i++) {
            const struct same same = {bulk, entry[i].row};
            if (pat_index_put(bulk->index, shard, entry[i].tag, entry[i].row, same_id, &same) == PAT_ROW_NONE) continue;
            __atomic_store_n(&bulk->twice, true, __ATOMIC_RELAXED);
            return;
        }
    }
}

static void reserve_round(const struct bulk *bulk) {
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        uint32_t fresh = 0;
        for (uint32_t part = 0; part < bulk->parts; part++) fresh += bulk->start[part][s + 1] - bulk->start[part][s];
        pat_index_reserve(bulk->index, s, fresh);
    }
}

static void fill(struct bulk *bulk, pat_row rows, const struct pat_spread *spread) {
    for (uint64_t first = 0; first < rows && !bulk->twice; first += (uint64_t)ROUND_PARTS * PART_ROWS) {
        const uint64_t left = rows - first;
        const pat_row here = left < ROUND_PARTS * PART_ROWS ? (pat_row)left : ROUND_PARTS * PART_ROWS;
        bulk->first = (pat_row)first;
        bulk->end = (pat_row)first + here;
        bulk->parts = (here + PART_ROWS - 1) / PART_ROWS;
        pat_spread_run(spread, sort_part, bulk, bulk->parts);
        reserve_round(bulk);
        pat_spread_run(spread, fill_shard, bulk, PAT_INDEX_SHARDS);
    }
    pat_index_settle(bulk->index);
}

bool pat_store__index_table(struct pat_store *store, enum pat_table_id id, const struct pat_spread *spread) {
    struct pat_table *table = &store->table[id];
    const uint32_t parts_all = (table->rows + PART_ROWS - 1) / PART_ROWS;
    const uint32_t parts = parts_all < ROUND_PARTS ? parts_all : ROUND_PARTS;
    struct bulk bulk = {
        .store = store, .id = id, .ids = &table->column[0], .index = &table->index, .spans = &table->spans};
    bulk.stride = table->rows < PART_ROWS ? table->rows : PART_ROWS;
    bulk.entry = pat_mem_alloc_raw_must(PAT_MEM_INDEX, (size_t)parts * bulk.stride * sizeof *bulk.entry);
    bulk.start = pat_mem_alloc_must(PAT_MEM_INDEX, (size_t)parts * sizeof *bulk.start);
    bulk.hashed =
        pat_mem_alloc_raw_must(PAT_MEM_INDEX, pat_spread_lanes(spread) * (size_t)bulk.stride * sizeof *bulk.hashed);
    begin_spans(&bulk, table->rows);
    fill(&bulk, table->rows, spread);
    pat_mem_free(PAT_MEM_INDEX, bulk.hashed);
    pat_mem_free(PAT_MEM_INDEX, bulk.start);
    pat_mem_free(PAT_MEM_INDEX, bulk.entry);
    return !bulk.twice;
}
