/* Ids of a whole batch: the places in the index are asked for well before they are looked at, so that the misses of
 * many rows overlap. */
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

uint32_t pat_table_claim_ids(struct pat_store *store, enum pat_table_id id, struct pat_ids ids, uint32_t count,
                             pat_row *row, uint32_t *fresh) {
    struct pat_table *table = &store->table[id];
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
        PAT_ASSERT(table->rows < PAT_TABLE_ROWS_MAX - found);
        row[claim.row] = table->rows + found;
        pat_index_add(&table->index, hash, row[claim.row]);
        fresh[found++] = claim.row;
    }
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
