/* Ids of a whole batch: the places in the index are asked for well before they are looked at, so that the misses of
 * many rows overlap. Where there are threads to share with, rows are put in the order of their shards first, and each
 * takes shards of its own. */
#include "store/store.h"
#include "store/store_private.h"

#include "base/mem.h"

/* Rows between asking for a slot and reading it, and again between asking for the id of its row and comparing: so many
 * that what was asked for first has come from memory, and few enough to be still in the nearest cache. Half of it was
 * a tenth slower. */
#define AHEAD 32u
/* Hashes on their way; a power of two above twice AHEAD. */
#define RING 128u

struct claim {
    const struct pat_store *store;
    struct pat_table *table;
    struct pat_ids ids;
    const uint32_t *fresh; /* rows of the batch that are new so far; the i-th becomes row table->rows + i */
    uint32_t row;          /* of the batch, the one looked for */
};

static struct pat_id_key key_at(struct pat_ids ids, uint32_t row) {
    const int64_t word = ids.word[row];
    if (word >= 0) return (struct pat_id_key){.number = word};
    return (struct pat_id_key){-1, ids.text[~word]};
}

/* Two ids of the batch; equal texts have equal words but where somebody built the batch by hand. */
static bool same_in_batch(struct pat_ids ids, uint32_t a, uint32_t b) {
    const int64_t x = ids.word[a], y = ids.word[b];
    return x == y || (x < 0 && y < 0 && pat_text_equal(ids.text[~x], ids.text[~y]));
}

static bool claim_match(const void *context, uint32_t value) {
    const struct claim *claim = context;
    if (value >= claim->table->rows) {
        return same_in_batch(claim->ids, claim->fresh[value - claim->table->rows], claim->row);
    }
    const int64_t word = pat_column_get(&claim->table->column[0], value);
    const int64_t own = claim->ids.word[claim->row];
    if (own >= 0 || word >= 0) return word == own;
    return pat_text_equal(pat_heap_get(&claim->store->heap, (uint64_t)~word), claim->ids.text[~own]);
}

/* The id of the row that a search will compare with, on its way into the cache. */
static void prefetch_candidate(const struct pat_table *table, uint64_t hash) {
    const uint32_t value = pat_index_peek(&table->index, hash);
    if (value < table->rows) pat_column_prefetch(&table->column[0], value);
}

/* Hashes row `i` and asks for its slot; asks for the candidate of the row AHEAD before. */
static void stage(struct pat_store *store, const struct pat_table *table, struct pat_ids ids, uint32_t count,
                  uint32_t i, uint64_t ring[RING]) {
    if (i < count) {
        ring[i % RING] = pat_store__id_hash(store, key_at(ids, i));
        pat_index_prefetch(&table->index, ring[i % RING]);
    }
    if (i >= AHEAD && i - AHEAD < count) prefetch_candidate(table, ring[(i - AHEAD) % RING]);
}

static uint32_t claim_alone(struct pat_store *store, struct pat_table *table, struct pat_ids ids, uint32_t count,
                            pat_row *row, uint32_t *fresh) {
    struct claim claim = {.store = store, .table = table, .ids = ids, .fresh = fresh};
    uint64_t ring[RING];
    uint32_t found = 0;
    for (uint32_t i = 0; i < count + 2 * AHEAD; i++) {
        stage(store, table, ids, count, i, ring);
        if (i < 2 * AHEAD) continue;
        claim.row = i - 2 * AHEAD;
        const uint64_t hash = ring[claim.row % RING];
        row[claim.row] = pat_index_find(&table->index, hash, claim_match, &claim);
        if (row[claim.row] != PAT_ROW_NONE) continue;
        row[claim.row] = table->rows + found;
        pat_index_add(&table->index, hash, row[claim.row]);
        fresh[found++] = claim.row;
    }
    return found;
}

/* ---- by several threads ------------------------------------------------------------------------------------------ */

/* Fewer rows are not worth waking anybody for. */
#define SHARED_FROM 8192u
/* Rows that one thread hashes at a time, and shards that it searches: some hundred microseconds each. */
#define HASHED_ROWS 8192u
#define PART_SHARDS 16u
#define CLAIM_PARTS (PAT_INDEX_SHARDS / PART_SHARDS)
#define KNOWN       (UINT32_C(1) << 31)

struct shared_claim {
    struct pat_store *store;
    struct pat_table *table;
    struct pat_ids ids;
    uint32_t count, parts; /* rows; parts of them that are hashed at a time */
    pat_row *row;
    uint64_t *hash;                      /* [count] of the rows by shard, those of a shard in their order */
    uint32_t *from;                      /* [count] which row that is; KNOWN: its id was there */
    uint32_t (*place)[PAT_INDEX_SHARDS]; /* [parts] how many rows of a shard; then, where the next of them goes */
    uint32_t start[PAT_INDEX_SHARDS + 1];
    bool moves[PAT_INDEX_SHARDS];
    struct pat_index_move move[PAT_INDEX_SHARDS]; /* of those that do */
};

static uint32_t part_end(const struct shared_claim *claim, uint32_t part) {
    const uint32_t end = (part + 1) * HASHED_ROWS;
    return end < claim->count ? end : claim->count;
}

static void count_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *claim = context;
    uint32_t *place = claim->place[part];
    (void)lane;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) place[s] = 0;
    for (uint32_t i = part * HASHED_ROWS; i < part_end(claim, part); i++)
        place[pat_index_shard_of(pat_store__id_hash(claim->store, key_at(claim->ids, i)))]++;
}

/* Where the rows of each shard go, part after part; and room for them in the index. */
static void make_room(struct shared_claim *claim) {
    uint32_t at = 0;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        claim->start[s] = at;
        for (uint32_t part = 0; part < claim->parts; part++) {
            const uint32_t here = claim->place[part][s];
            claim->place[part][s] = at;
            at += here;
        }
        claim->moves[s] = pat_index_move_begin(&claim->table->index, s, at - claim->start[s], &claim->move[s]);
    }
    claim->start[PAT_INDEX_SHARDS] = at;
}

/* Hashing once more costs less than keeping hashes in the order of rows. */
static void order_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *claim = context;
    uint32_t *place = claim->place[part];
    (void)lane;
    for (uint32_t i = part * HASHED_ROWS; i < part_end(claim, part); i++) {
        const uint64_t hash = pat_store__id_hash(claim->store, key_at(claim->ids, i));
        const uint32_t to = place[pat_index_shard_of(hash)]++;
        claim->hash[to] = hash;
        claim->from[to] = i;
    }
}

static bool shared_match(const void *context, uint32_t value) {
    const struct claim *claim = context;
    if (value >= claim->table->rows) return same_in_batch(claim->ids, value - claim->table->rows, claim->row);
    return claim_match(context, value);
}

/* A new id gets the number that it has when all are new. */
static void claim_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *shared = context;
    struct claim claim = {.store = shared->store, .table = shared->table, .ids = shared->ids};
    struct pat_index *index = &shared->table->index;
    const uint32_t begin = shared->start[part * PART_SHARDS], end = shared->start[(part + 1) * PART_SHARDS];
    (void)lane;
    for (uint32_t s = part * PART_SHARDS; s < (part + 1) * PART_SHARDS; s++) {
        if (shared->moves[s]) pat_index_move_run(index, &shared->move[s]);
    }
    for (uint32_t i = begin; i < end + 2 * AHEAD; i++) {
        if (i < end) pat_index_prefetch(index, shared->hash[i]);
        if (i >= begin + AHEAD && i < end + AHEAD) prefetch_candidate(shared->table, shared->hash[i - AHEAD]);
        if (i < begin + 2 * AHEAD) continue;
        const uint32_t at = i - 2 * AHEAD;
        const uint64_t hash = shared->hash[at];
        claim.row = shared->from[at];
        const uint32_t own = shared->table->rows + claim.row;
        const uint32_t known =
            pat_index_put(index, pat_index_shard_of(hash), pat_index_tag_of(hash), own, shared_match, &claim);
        shared->row[claim.row] = known == PAT_ROW_NONE ? own : known;
        if (known != PAT_ROW_NONE) shared->from[at] |= KNOWN;
    }
}

/* Gives new rows the numbers that they have when not all are new; lists them. */
static uint32_t number_rows(const struct shared_claim *claim, uint32_t *fresh) {
    const pat_row rows = claim->table->rows;
    uint32_t found = 0;
    for (uint32_t i = 0; i < claim->count; i++) {
        if (claim->row[i] == rows + i) {
            claim->row[i] = rows + found;
            fresh[found++] = i;
        } else if (claim->row[i] >= rows) {
            claim->row[i] = claim->row[claim->row[i] - rows];
        }
    }
    return found;
}

/* Nobody's number rises, and rows of a shard come in their order: whoever had the number that a row is given has
 * another one by then. */
static void renumber_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *claim = context;
    const pat_row rows = claim->table->rows;
    (void)lane;
    for (uint32_t i = claim->start[part * PART_SHARDS]; i < claim->start[(part + 1) * PART_SHARDS]; i++) {
        const uint32_t own = claim->from[i];
        if ((own & KNOWN) == 0 && claim->row[own] != rows + own)
            pat_index_renumber(&claim->table->index, claim->hash[i], rows + own, claim->row[own]);
    }
}

static uint32_t claim_shared(struct shared_claim *claim, uint32_t *fresh, const struct pat_spread *spread) {
    pat_spread_run(spread, count_part, claim, claim->parts);
    make_room(claim);
    pat_spread_run(spread, order_part, claim, claim->parts);
    pat_spread_run(spread, claim_part, claim, CLAIM_PARTS);
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        if (claim->moves[s]) pat_index_move_end(&claim->table->index, &claim->move[s]);
    }
    const uint32_t found = number_rows(claim, fresh);
    if (found < claim->count) pat_spread_run(spread, renumber_part, claim, CLAIM_PARTS);
    pat_index_settle(&claim->table->index);
    return found;
}

size_t pat_table_claim_bytes(uint32_t count) {
    const size_t parts = (count + HASHED_ROWS - 1) / HASHED_ROWS;
    return count * (sizeof(uint64_t) + sizeof(uint32_t)) + parts * PAT_INDEX_SHARDS * sizeof(uint32_t);
}

uint32_t pat_table_claim_ids(struct pat_store *store, enum pat_table_id id, struct pat_ids ids, uint32_t count,
                             pat_row *row, uint32_t *fresh, const struct pat_spread *spread) {
    struct pat_table *table = &store->table[id];
    PAT_ASSERT(count <= PAT_TABLE_ROWS_MAX - table->rows);
    if (count < SHARED_FROM || pat_spread_lanes(spread) == 1) return claim_alone(store, table, ids, count, row, fresh);
    unsigned char *memory = pat_mem_alloc_raw_must(PAT_MEM_OTHER, pat_table_claim_bytes(count));
    struct shared_claim claim = {.store = store,
                                 .table = table,
                                 .ids = ids,
                                 .count = count,
                                 .parts = (count + HASHED_ROWS - 1) / HASHED_ROWS,
                                 .row = row,
                                 .hash = (void *)memory};
    claim.place = (void *)(claim.hash + count);
    claim.from = (void *)(claim.place + claim.parts);
    const uint32_t found = claim_shared(&claim, fresh, spread);
    pat_mem_free(PAT_MEM_OTHER, memory);
    return found;
}

void pat_table_find_ids(const struct pat_store *store, enum pat_table_id id, struct pat_ids ids, uint32_t count,
                        pat_row *row) {
    /* Only read, here and in what is called. */
    struct pat_store *unchanged = (struct pat_store *)(uintptr_t)store;
    struct claim claim = {.store = store, .table = &unchanged->table[id], .ids = ids};
    uint64_t ring[RING];
    for (uint32_t i = 0; i < count + 2 * AHEAD; i++) {
        stage(unchanged, claim.table, ids, count, i, ring);
        if (i < 2 * AHEAD) continue;
        claim.row = i - 2 * AHEAD;
        row[claim.row] = pat_index_find(&claim.table->index, ring[claim.row % RING], claim_match, &claim);
    }
}

void pat_table_append_ids(struct pat_store *store, enum pat_table_id id, struct pat_ids ids, const uint32_t *fresh,
                          uint32_t count) {
    int64_t word[512];
    for (uint32_t done = 0, here; done < count; done += here) {
        here = count - done < 512 ? count - done : 512;
        for (uint32_t i = 0; i < here; i++) {
            const struct pat_id_key key = key_at(ids, fresh[done + i]);
            word[i] = key.number >= 0 ? key.number : ~(int64_t)pat_heap_add(&store->heap, key.text);
        }
        pat_column_append_all(&store->table[id].column[0], word, here);
    }
}
