/* The id index of a restored table, all rows at once and on several threads.
 *
 *   rows ─► parts of 64 Ki: hash, sort by shard ─► shard by shard, part after part: look and add in one probe
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

struct bulk {
    const struct pat_store *store;
    enum pat_table_id id;
    const struct pat_column *ids;
    struct pat_index *index;
    pat_row first, end; /* rows of this round */
    uint32_t parts;
    uint32_t stride;                         /* PART_ROWS, or all rows of a table that has fewer */
    struct entry *entry;                     /* [ROUND_PARTS][stride] by part, then by shard */
    uint32_t (*start)[PAT_INDEX_SHARDS + 1]; /* [ROUND_PARTS] where each shard's begin in its part */
    uint64_t *hash;                          /* [lanes][stride] */
    bool twice;                              /* atomic: an id is there twice */
};

static pat_row part_rows(const struct bulk *bulk, uint32_t part) {
    const pat_row left = bulk->end - bulk->first - part * PART_ROWS;
    return left < PART_ROWS ? left : PART_ROWS;
}

static void sort_part(void *context, uint32_t part, unsigned lane) {
    struct bulk *bulk = context;
    const pat_row first = bulk->first + part * PART_ROWS, rows = part_rows(bulk, part);
    uint64_t *const hash = bulk->hash + (size_t)lane * bulk->stride;
    struct entry *const entry = bulk->entry + (size_t)part * bulk->stride;
    uint32_t *const start = bulk->start[part];
    uint32_t next[PAT_INDEX_SHARDS] = {0};
    for (pat_row i = 0; i < rows; i++) {
        hash[i] = pat_store__id_hash(bulk->store, pat_table_key(bulk->store, bulk->id, first + i));
        next[pat_index_shard_of(hash[i])]++;
    }
    start[0] = 0;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        start[s + 1] = start[s] + next[s];
        next[s] = start[s];
    }
    for (pat_row i = 0; i < rows; i++) {
        entry[next[pat_index_shard_of(hash[i])]++] = (struct entry){pat_index_tag_of(hash[i]), first + i};
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
    struct bulk bulk = {.store = store, .id = id, .ids = &table->column[0], .index = &table->index};
    bulk.stride = table->rows < PART_ROWS ? table->rows : PART_ROWS;
    bulk.entry = pat_mem_alloc_must(PAT_MEM_INDEX, (size_t)parts * bulk.stride * sizeof *bulk.entry);
    bulk.start = pat_mem_alloc_must(PAT_MEM_INDEX, (size_t)parts * sizeof *bulk.start);
    bulk.hash = pat_mem_alloc_must(PAT_MEM_INDEX, (size_t)pat_spread_lanes(spread) * bulk.stride * sizeof *bulk.hash);
    fill(&bulk, table->rows, spread);
    pat_mem_free(PAT_MEM_INDEX, bulk.hash);
    pat_mem_free(PAT_MEM_INDEX, bulk.start);
    pat_mem_free(PAT_MEM_INDEX, bulk.entry);
    return !bulk.twice;
}
