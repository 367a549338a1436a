/* Ids of a whole batch. Those of spans come first, in one walk over the batch (spans.h); what is left over is hashed:
 * places in the index are asked for well before they are looked at, so that the misses of many rows overlap. Where
 * there are threads to share with, these rows are put in the order of their shards first, and each takes shards of its
 * own.
 *
 * A new id is entered with the number that it has if all are new, and renumbered when they are not: so the order in
 * which ids are looked for does not matter. */
#include "store/store.h"
#include "store/store_private.h"

#include "base/mem.h"

#include <string.h>

/* Rows between asking for a slot and reading it, and again between asking for the id of its row and comparing: so many
 * that what was asked for first has come from memory, and few enough to be still in the nearest cache. Half of it was
 * a tenth slower. */
#define AHEAD 32u
/* Hashes on their way; a power of two above twice AHEAD. */
#define RING 128u
/* Ids that are looked for together where nothing is entered. */
#define FIND_ROWS 512u
/* Of the ids of a batch, those for each span that may begin with it: bounds what beginning may cost. */
#define BEGIN_IDS 256u
/* Lists up to this length stand on the stack. */
#define FEW_ROWS 256u

struct claim {
    struct pat_store *store;
    struct pat_table *table;
    struct pat_ids ids;
    uint32_t count;
    pat_row *row;   /* [count] the row of each id; of a new one, the number it has if all are new */
    uint32_t *left; /* those that no span has, ascending */
    uint32_t left_count;
};

/* An id on its way through the index. */
struct sought {
    const struct claim *claim;
    uint32_t i;
};

static struct pat_id_key key_at(struct pat_ids ids, uint32_t row) {
    const int64_t word = ids.word[row];
    if (word >= 0) return (struct pat_id_key){.number = word};
    return (struct pat_id_key){-1, ids.text[~word]};
}

static uint64_t hash_at(const struct claim *claim, uint32_t i) {
    return pat_store__id_hash(claim->store, key_at(claim->ids, i));
}

/* Two ids of the batch; equal texts have equal words but where somebody built the batch by hand. */
static bool same_in_batch(struct pat_ids ids, uint32_t a, uint32_t b) {
    const int64_t x = ids.word[a], y = ids.word[b];
    return x == y || (x < 0 && y < 0 && pat_text_equal(ids.text[~x], ids.text[~y]));
}

static bool is_sought(const void *context, uint32_t value) {
    const struct sought *sought = context;
    const struct claim *claim = sought->claim;
    if (value >= claim->table->rows) return same_in_batch(claim->ids, value - claim->table->rows, sought->i);
    const int64_t word = pat_column_get(&claim->table->column[0], value);
    const int64_t own = claim->ids.word[sought->i];
    if (own >= 0 || word >= 0) return word == own;
    return pat_text_equal(pat_heap_get(&claim->store->heap, (uint64_t)~word), claim->ids.text[~own]);
}

/* The id of the row that a search will compare with, on its way into the cache. */
static void prefetch_candidate(const struct pat_table *table, uint64_t hash) {
    const uint32_t value = pat_index_peek(&table->index, hash);
    if (value < table->rows) pat_column_prefetch(&table->column[0], value);
}

/* Hashes the k-th id that is left and asks for its slot; asks for the candidate of the one AHEAD before. */
static void stage(const struct claim *claim, uint32_t k, uint64_t ring[RING]) {
    if (k < claim->left_count) {
        ring[k % RING] = hash_at(claim, claim->left[k]);
        pat_index_prefetch(&claim->table->index, ring[k % RING]);
    }
    if (k >= AHEAD && k - AHEAD < claim->left_count) prefetch_candidate(claim->table, ring[(k - AHEAD) % RING]);
}

/* Looks for all that are left. */
static void find_left(const struct claim *claim) {
    uint64_t ring[RING];
    for (uint32_t k = 0; k < claim->left_count + 2 * AHEAD; k++) {
        stage(claim, k, ring);
        if (k < 2 * AHEAD) continue;
        const struct sought sought = {claim, claim->left[k - 2 * AHEAD]};
        claim->row[sought.i] = pat_index_find(&claim->table->index, ring[(k - 2 * AHEAD) % RING], is_sought, &sought);
    }
}

/* ---- spans ------------------------------------------------------------------------------------------------------- */

/* Begins a span with the ids of it that the hash index has. Columns are complete. */
static struct pat_id_span *begin_span(struct pat_store *store, struct pat_table *table, uint64_t number) {
    struct pat_id_span *span = pat_spans_begin(&table->spans, &store->secret, number);
    int64_t word[FIND_ROWS];
    pat_row row[FIND_ROWS];
    uint32_t left[FIND_ROWS];
    const struct claim claim = {store, table, {word, NULL}, FIND_ROWS, row, left, FIND_ROWS};
    if (table->index.count == 0) return span;
    for (uint32_t first = 0; first < PAT_SPAN_IDS; first += FIND_ROWS) {
        for (uint32_t i = 0; i < FIND_ROWS; i++) {
            word[i] = (int64_t)((number << PAT_SPAN_SHIFT) + first + i);
            left[i] = i;
        }
        find_left(&claim);
        for (uint32_t i = 0; i < FIND_ROWS; i++) {
            if (row[i] == PAT_ROW_NONE) continue;
            span->row[first + i] = row[i] + 1;
            span->used++;
        }
    }
    return span;
}

static void begin_due(struct pat_store *store, struct pat_table *table) {
    struct pat_spans *spans = &table->spans;
    while (spans->dues > 0) {
        const uint64_t number = spans->due[--spans->dues];
        if (pat_spans_find(spans, &store->secret, number) == NULL) (void)begin_span(store, table, number);
    }
}

static void note_due(struct pat_spans *spans, uint64_t number) {
    for (uint32_t i = 0; i < spans->dues; i++) {
        if (spans->due[i] == number) return;
    }
    if (spans->dues < PAT_SPANS_DUE_MAX) spans->due[spans->dues++] = number;
}

/* A walk over a batch. */
struct walk {
    struct claim *claim;
    struct pat_id_span *span; /* of the last row that had one, or NULL */
    uint64_t number;          /* its number */
    uint32_t begins_left;
    uint32_t look_from; /* the first row that is worth a look at those behind it */
    bool begun;
};

/* Whether the ids from `i` on are as many of one span as make it dense, each of them once. Each row is looked at once
 * in all, whatever comes of it. */
static bool comes_dense(struct walk *walk, uint32_t i, uint64_t number) {
    const int64_t *word = walk->claim->ids.word + i;
    if (i < walk->look_from || walk->claim->count - i < PAT_SPAN_DENSE) return false;
    if (word[PAT_SPAN_DENSE - 1] < 0 || pat_span_of(word[PAT_SPAN_DENSE - 1]) != number) return false;
    uint64_t seen[PAT_SPAN_IDS / 64] = {0};
    walk->look_from = i + PAT_SPAN_DENSE;
    for (uint32_t k = 0; k < PAT_SPAN_DENSE; k++) {
        const uint32_t at = (uint32_t)((uint64_t)word[k] % PAT_SPAN_IDS);
        if (word[k] < 0 || pat_span_of(word[k]) != number || (seen[at / 64] >> at % 64 & 1) != 0) return false;
        seen[at / 64] |= UINT64_C(1) << at % 64;
    }
    return true;
}

/* The span of row `i`, begun if it is worth it; or NULL. */
static struct pat_id_span *walk_span(struct walk *walk, uint32_t i) {
    struct claim *claim = walk->claim;
    struct pat_spans *spans = &claim->table->spans;
    const struct pat_hash_secret *secret = &claim->store->secret;
    const uint64_t number = pat_span_of(claim->ids.word[i]);
    if (walk->span != NULL && walk->number == number) return walk->span;
    struct pat_id_span *span = pat_spans_find(spans, secret, number);
    if (span == NULL && walk->begins_left > 0 &&
        (pat_spans_goes_on(spans, secret, number) || comes_dense(walk, i, number))) {
        span = begin_span(claim->store, claim->table, number);
        walk->begins_left--;
        walk->begun = true;
    }
    if (span != NULL) {
        walk->span = span;
        walk->number = number;
    }
    return span;
}

/* The row of an id that spans have; a later row of the batch that took it before gets this one's. */
static void take(const struct claim *claim, struct pat_id_span *span, uint32_t i) {
    uint32_t *const slot = &span->row[(uint64_t)claim->ids.word[i] % PAT_SPAN_IDS];
    const pat_row rows = claim->table->rows, own = rows + i, known = *slot - 1;
    span->used += *slot == 0;
    claim->row[i] = own;
    if (*slot != 0 && known < own) {
        claim->row[i] = known;
        return;
    }
    if (*slot != 0) claim->row[known - rows] = own;
    *slot = own + 1;
}

/* Rows whose places are asked for together, before they are looked at. */
#define WALK_ROWS 64u

static void walk_rows(struct walk *walk, uint32_t first, uint32_t rows) {
    struct claim *claim = walk->claim;
    struct pat_id_span *span[WALK_ROWS];
    for (uint32_t k = 0; k < rows; k++) {
        const int64_t word = claim->ids.word[first + k];
        span[k] = word < 0 ? NULL : walk_span(walk, first + k);
        if (span[k] != NULL) __builtin_prefetch(&span[k]->row[(uint64_t)word % PAT_SPAN_IDS]);
    }
    for (uint32_t k = 0; k < rows; k++) {
        if (span[k] != NULL) {
            take(claim, span[k], first + k);
        } else {
            claim->left[claim->left_count++] = first + k;
        }
    }
}

/* Rows that came before their span began. */
static void take_left(struct claim *claim) {
    const uint32_t listed = claim->left_count;
    claim->left_count = 0;
    for (uint32_t k = 0; k < listed; k++) {
        const uint32_t i = claim->left[k];
        const int64_t word = claim->ids.word[i];
        struct pat_id_span *span =
            word < 0 ? NULL : pat_spans_find(&claim->table->spans, &claim->store->secret, pat_span_of(word));
        if (span != NULL) {
            take(claim, span, i);
        } else {
            claim->left[claim->left_count++] = i;
        }
    }
}

/* Takes all rows whose ids spans have; lists the others. */
static void claim_spans(struct claim *claim) {
    struct walk walk = {.claim = claim, .begins_left = claim->count / BEGIN_IDS + 1};
    for (uint32_t first = 0; first < claim->count; first += WALK_ROWS)
        walk_rows(&walk, first, claim->count - first < WALK_ROWS ? claim->count - first : WALK_ROWS);
    if (walk.begun && claim->left_count > 0) take_left(claim);
}

/* ---- the hash index, by one thread ------------------------------------------------------------------------------- */

static void claim_alone(const struct claim *claim) {
    struct pat_index *index = &claim->table->index;
    uint64_t ring[RING];
    for (uint32_t k = 0; k < claim->left_count + 2 * AHEAD; k++) {
        stage(claim, k, ring);
        if (k < 2 * AHEAD) continue;
        const struct sought sought = {claim, claim->left[k - 2 * AHEAD]};
        const uint64_t hash = ring[(k - 2 * AHEAD) % RING];
        pat_row *row = &claim->row[sought.i];
        *row = pat_index_find(index, hash, is_sought, &sought);
        if (*row != PAT_ROW_NONE) continue;
        *row = claim->table->rows + sought.i;
        pat_index_add(index, hash, *row);
    }
}

/* Nobody's number rises, and rows come in their order: whoever had the number that a row is given has another one by
 * then. */
static void renumber_alone(const struct claim *claim, const uint32_t *fresh, uint32_t found) {
    for (uint32_t k = 0, next = 0; k < claim->left_count && next < found; k++) {
        const uint32_t i = claim->left[k];
        while (next < found && fresh[next] < i) next++;
        if (next == found || fresh[next] != i || claim->row[i] == claim->table->rows + i) continue;
        pat_index_renumber(&claim->table->index, hash_at(claim, i), claim->table->rows + i, claim->row[i]);
    }
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
    const struct claim *claim;
    uint32_t count, parts;               /* ids that are left; parts of them that are hashed at a time */
    uint64_t *hash;                      /* [count] of the rows by shard, those of a shard in their order */
    uint32_t *from;                      /* [count] which row that is; KNOWN: its id was there */
    uint32_t (*place)[PAT_INDEX_SHARDS]; /* [parts] how many rows of a shard; then, where the next of them goes */
    uint32_t start[PAT_INDEX_SHARDS + 1];
    bool moves[PAT_INDEX_SHARDS];
    struct pat_index_move move[PAT_INDEX_SHARDS]; /* of those that do */
};

static uint32_t part_end(const struct shared_claim *shared, uint32_t part) {
    const uint32_t end = (part + 1) * HASHED_ROWS;
    return end < shared->count ? end : shared->count;
}

static void count_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *shared = context;
    uint32_t *place = shared->place[part];
    (void)lane;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) place[s] = 0;
    for (uint32_t k = part * HASHED_ROWS; k < part_end(shared, part); k++)
        place[pat_index_shard_of(hash_at(shared->claim, shared->claim->left[k]))]++;
}

/* Where the rows of each shard go, part after part; and room for them in the index. */
static void make_room(struct shared_claim *shared) {
    uint32_t at = 0;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        shared->start[s] = at;
        for (uint32_t part = 0; part < shared->parts; part++) {
            const uint32_t here = shared->place[part][s];
            shared->place[part][s] = at;
            at += here;
        }
        shared->moves[s] =
            pat_index_move_begin(&shared->claim->table->index, s, at - shared->start[s], &shared->move[s]);
    }
    shared->start[PAT_INDEX_SHARDS] = at;
}

/* Hashing once more costs less than keeping hashes in the order of rows. */
static void order_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *shared = context;
    uint32_t *place = shared->place[part];
    (void)lane;
    for (uint32_t k = part * HASHED_ROWS; k < part_end(shared, part); k++) {
        const uint64_t hash = hash_at(shared->claim, shared->claim->left[k]);
        const uint32_t to = place[pat_index_shard_of(hash)]++;
        shared->hash[to] = hash;
        shared->from[to] = shared->claim->left[k];
    }
}

static void claim_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *shared = context;
    const struct claim *claim = shared->claim;
    struct pat_index *index = &claim->table->index;
    const uint32_t begin = shared->start[part * PART_SHARDS], end = shared->start[(part + 1) * PART_SHARDS];
    (void)lane;
    for (uint32_t s = part * PART_SHARDS; s < (part + 1) * PART_SHARDS; s++) {
        if (shared->moves[s]) pat_index_move_run(index, &shared->move[s]);
    }
    for (uint32_t k = begin; k < end + 2 * AHEAD; k++) {
        if (k < end) pat_index_prefetch(index, shared->hash[k]);
        if (k >= begin + AHEAD && k < end + AHEAD) prefetch_candidate(claim->table, shared->hash[k - AHEAD]);
        if (k < begin + 2 * AHEAD) continue;
        const uint32_t at = k - 2 * AHEAD;
        const uint64_t hash = shared->hash[at];
        const struct sought sought = {claim, shared->from[at]};
        const uint32_t own = claim->table->rows + sought.i;
        const uint32_t known =
            pat_index_put(index, pat_index_shard_of(hash), pat_index_tag_of(hash), own, is_sought, &sought);
        claim->row[sought.i] = known == PAT_ROW_NONE ? own : known;
        if (known != PAT_ROW_NONE) shared->from[at] |= KNOWN;
    }
}

/* As renumber_alone; rows of a shard come in their order. */
static void renumber_part(void *context, uint32_t part, unsigned lane) {
    struct shared_claim *shared = context;
    const struct claim *claim = shared->claim;
    const pat_row rows = claim->table->rows;
    (void)lane;
    for (uint32_t k = shared->start[part * PART_SHARDS]; k < shared->start[(part + 1) * PART_SHARDS]; k++) {
        const uint32_t own = shared->from[k];
        if ((own & KNOWN) == 0 && claim->row[own] != rows + own)
            pat_index_renumber(&claim->table->index, shared->hash[k], rows + own, claim->row[own]);
    }
}

static size_t shared_bytes(uint32_t count) {
    const size_t parts = (count + HASHED_ROWS - 1) / HASHED_ROWS;
    return count * (sizeof(uint64_t) + sizeof(uint32_t)) + parts * PAT_INDEX_SHARDS * sizeof(uint32_t);
}

static void shared_open(struct shared_claim *shared, const struct claim *claim, unsigned char *memory) {
    shared->claim = claim;
    shared->count = claim->left_count;
    shared->parts = (claim->left_count + HASHED_ROWS - 1) / HASHED_ROWS;
    shared->hash = (void *)memory;
    shared->place = (void *)(shared->hash + shared->count);
    shared->from = (void *)(shared->place + shared->parts);
}

static void claim_shared(struct shared_claim *shared, const struct pat_spread *spread) {
    struct pat_index *index = &shared->claim->table->index;
    pat_spread_run(spread, count_part, shared, shared->parts);
    make_room(shared);
    pat_spread_run(spread, order_part, shared, shared->parts);
    pat_spread_run(spread, claim_part, shared, CLAIM_PARTS);
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        if (shared->moves[s]) pat_index_move_end(index, &shared->move[s]);
    }
    pat_index_settle(index);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* Gives new rows the numbers that they have when not all are new; lists them. */
static uint32_t number_rows(const struct claim *claim, uint32_t *fresh) {
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

static void renumber_spans(const struct claim *claim, const uint32_t *fresh, uint32_t found) {
    for (uint32_t k = 0; k < found; k++) {
        const uint32_t i = fresh[k];
        if (claim->row[i] == claim->table->rows + i || claim->ids.word[i] < 0) continue;
        uint32_t *slot = pat_spans_at(&claim->table->spans, &claim->store->secret, claim->ids.word[i]);
        if (slot != NULL) *slot = claim->row[i] + 1;
    }
}

/* Spans that are noted together: their tallies lie anywhere. */
#define NOTED 64u

struct noting {
    const struct claim *claim;
    uint64_t number[NOTED];
    uint32_t count;
};

static void note_all(struct noting *noting) {
    const struct claim *claim = noting->claim;
    struct pat_spans *spans = &claim->table->spans;
    for (uint32_t k = 0; k < noting->count; k++) {
        const uint64_t number = noting->number[k];
        if (pat_spans_note(spans, &claim->store->secret, number, 1, claim->table->index.count)) note_due(spans, number);
    }
    noting->count = 0;
}

/* Decimal ids that are new to the hash index may have made a span dense. */
static void note_left(const struct claim *claim, const uint32_t *fresh, uint32_t found) {
    struct noting noting = {.claim = claim};
    for (uint32_t k = 0, next = 0; k < claim->left_count && next < found; k++) {
        const uint32_t i = claim->left[k];
        while (next < found && fresh[next] < i) next++;
        if (next == found || fresh[next] != i || claim->ids.word[i] < 0) continue;
        const uint64_t number = pat_span_of(claim->ids.word[i]);
        pat_spans_note_prefetch(&claim->table->spans, &claim->store->secret, number);
        noting.number[noting.count++] = number;
        if (noting.count == NOTED) note_all(&noting);
    }
    note_all(&noting);
}

static uint32_t claim_left(const struct claim *claim, uint32_t *fresh, const struct pat_spread *spread) {
    if (claim->left_count < SHARED_FROM || pat_spread_lanes(spread) == 1) {
        claim_alone(claim);
        const uint32_t found = number_rows(claim, fresh);
        if (found < claim->count) renumber_alone(claim, fresh, found);
        return found;
    }
    unsigned char *memory = pat_mem_alloc_raw_must(PAT_MEM_OTHER, shared_bytes(claim->left_count));
    struct shared_claim shared;
    shared_open(&shared, claim, memory);
    claim_shared(&shared, spread);
    const uint32_t found = number_rows(claim, fresh);
    if (found < claim->count) pat_spread_run(spread, renumber_part, &shared, CLAIM_PARTS);
    pat_mem_free(PAT_MEM_OTHER, memory);
    return found;
}

static uint32_t claim_all(struct claim *claim, uint32_t *fresh, const struct pat_spread *spread) {
    begin_due(claim->store, claim->table);
    claim_spans(claim);
    const uint32_t found = claim->left_count == 0 ? number_rows(claim, fresh) : claim_left(claim, fresh, spread);
    if (found < claim->count && claim->table->spans.count > 0) renumber_spans(claim, fresh, found);
    note_left(claim, fresh, found);
    return found;
}

size_t pat_table_claim_bytes(uint32_t count) {
    return count * sizeof(uint32_t) + shared_bytes(count);
}

size_t pat_table_ids_growth(const struct pat_table *table, size_t count) {
    const size_t begun = (count < 2 ? count : count / BEGIN_IDS + 1) + table->spans.dues;
    return pat_index_growth(&table->index, count) + pat_spans_growth(&table->spans, begun, table->index.count + count);
}

uint32_t pat_table_claim_ids(struct pat_store *store, enum pat_table_id id, struct pat_ids ids, uint32_t count,
                             pat_row *row, uint32_t *fresh, const struct pat_spread *spread) {
    struct pat_table *table = &store->table[id];
    uint32_t few[FEW_ROWS];
    PAT_ASSERT(count <= PAT_TABLE_ROWS_MAX - table->rows);
    uint32_t *const many = count <= FEW_ROWS ? NULL : pat_mem_alloc_raw_must(PAT_MEM_OTHER, count * sizeof *many);
    struct claim claim = {store, table, ids, count, row, many != NULL ? many : few, 0};
    const uint32_t found = claim_all(&claim, fresh, spread);
    pat_mem_free(PAT_MEM_OTHER, many);
    return found;
}

/* ---- one id ------------------------------------------------------------------------------------------------------ */

struct single {
    const struct pat_store *store;
    const struct pat_column *ids;
    struct pat_id_key key;
};

static bool is_single(const void *context, uint32_t row) {
    const struct single *single = context;
    const int64_t word = pat_column_get(single->ids, row);
    if (single->key.number >= 0 || word >= 0) return word == single->key.number;
    return pat_text_equal(pat_heap_get(&single->store->heap, (uint64_t)~word), single->key.text);
}

pat_row pat_table_find_id(const struct pat_store *store, enum pat_table_id id, struct pat_id_key key) {
    PAT_DEBUG_ASSERT(pat_table_has_id(id));
    const struct pat_table *table = &store->table[id];
    const uint32_t *slot = key.number < 0 ? NULL : pat_spans_at(&table->spans, &store->secret, key.number);
    if (slot != NULL) return *slot == 0 ? PAT_ROW_NONE : *slot - 1;
    const struct single single = {store, &table->column[0], key};
    return pat_index_find(&table->index, pat_store__id_hash(store, key), is_single, &single);
}

void pat_table_prefetch_id(const struct pat_store *store, enum pat_table_id id, struct pat_id_key key) {
    const struct pat_table *table = &store->table[id];
    const uint32_t *slot = key.number < 0 ? NULL : pat_spans_at(&table->spans, &store->secret, key.number);
    if (slot != NULL) {
        __builtin_prefetch(slot);
    } else {
        pat_index_prefetch(&table->index, pat_store__id_hash(store, key));
    }
}

/* Begins no span: how many there may be is bounded batch by batch. */
void pat_store__enter_id(struct pat_store *store, enum pat_table_id id, struct pat_id_key key, pat_row row) {
    struct pat_table *table = &store->table[id];
    struct pat_spans *spans = &table->spans;
    const uint64_t number = pat_span_of(key.number);
    struct pat_id_span *span = key.number < 0 ? NULL : pat_spans_find(spans, &store->secret, number);
    if (span != NULL) {
        span->row[(uint64_t)key.number % PAT_SPAN_IDS] = row + 1;
        span->used++;
        return;
    }
    pat_index_add(&table->index, pat_store__id_hash(store, key), row);
    if (key.number >= 0 && (pat_spans_goes_on(spans, &store->secret, number) ||
                            pat_spans_note(spans, &store->secret, number, 1, table->index.count)))
        note_due(spans, number);
}

void pat_table_forget_ids(struct pat_table *table) {
    pat_index_deinit(&table->index);
    pat_spans_deinit(&table->spans);
}

/* ---- the column of ids ------------------------------------------------------------------------------------------- */

void pat_table_append_ids(struct pat_store *store, enum pat_table_id id, struct pat_ids ids, const uint32_t *fresh,
                          uint32_t count) {
    int64_t word[FIND_ROWS];
    for (uint32_t done = 0, here; done < count; done += here) {
        here = count - done < FIND_ROWS ? count - done : FIND_ROWS;
        for (uint32_t i = 0; i < here; i++) {
            const struct pat_id_key key = key_at(ids, fresh[done + i]);
            word[i] = key.number >= 0 ? key.number : ~(int64_t)pat_heap_add(&store->heap, key.text);
        }
        pat_column_append_all(&store->table[id].column[0], word, here);
    }
}
