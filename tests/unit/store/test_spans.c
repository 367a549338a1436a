/* Ids that stand close together, scattered ones and texts, in any mixture and order: found where a plain table of the
 * test's own says, in no more memory than was announced; and what spans may cost, whoever chooses the ids. */
#include "../crew.h"
#include "base/mem.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define BATCH_IDS 12000u
#define TEXTS     3000u

static uint64_t state_of_random;

static uint64_t below(uint64_t bound) {
    state_of_random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = state_of_random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % bound;
}

static void seed_choose(void) {
    const char *given = getenv("PATRON_SEED");
    state_of_random = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("PATRON_SEED=%llu\n", (unsigned long long)state_of_random);
}

static struct pat_store *store_new(void) {
    struct pat_store *store = NULL;
    const struct pat_store_options options = {.base_currency = "EUR", .entropy = "fixed", .entropy_bytes = 5};
    assert_int_equal(pat_store_open(&store, &options, NULL), PAT_OK);
    return store;
}

static void store_free(struct pat_store *store) {
    pat_store_close(&store);
    assert_int_equal(pat_mem_used_total(), 0);
}

/* ---- the table of the test's own --------------------------------------------------------------------------------- */

#define MODEL_PLACES (1u << 20)

static struct model {
    int64_t word[MODEL_PLACES];
    pat_row row[MODEL_PLACES]; /* + 1; 0: free */
    pat_row rows;
} model;

/* The row of an id, which gets the next one when it is new. */
static pat_row model_row(int64_t word) {
    uint32_t at = (uint32_t)((uint64_t)word * UINT64_C(0x9e3779b97f4a7c15) >> 44);
    while (model.row[at] != 0 && model.word[at] != word) at = (at + 1) % MODEL_PLACES;
    if (model.row[at] == 0) {
        model.word[at] = word;
        model.row[at] = ++model.rows;
        assert_in_range(model.rows, 1, MODEL_PLACES / 2);
    }
    return model.row[at] - 1;
}

/* ---- ids ----------------------------------------------------------------------------------------------------------
 */

static int64_t word[BATCH_IDS];
static struct pat_text text[TEXTS];
static char room[TEXTS][8];

static void texts_make(void) {
    for (unsigned i = 0; i < TEXTS; i++) {
        (void)snprintf(room[i], sizeof room[i], "t%u", i);
        text[i] = pat_text_of(room[i]);
    }
}

/* Where streams that count are by now. */
struct streams {
    int64_t up, down, wide, pairs;
};

static int64_t next_id(struct streams *streams, unsigned kind) {
    switch (kind) {
    case 0: return streams->up++;
    case 1: return streams->down--;
    case 2: return streams->wide += 10; /* never dense */
    case 3: return streams->pairs += 1 + (int64_t)below(3);
    case 4: return (int64_t)below(20000); /* gets dense by and by */
    case 5: return (int64_t)(below(UINT64_MAX) >> 1);
    case 6: return 40000 + (int64_t)below(3); /* the same ones again and again */
    case 7: return streams->up - (int64_t)below(5000);
    default: return ~(int64_t)below(TEXTS);
    }
}

static uint32_t batch_make(struct streams *streams) {
    const uint32_t count = below(3) == 0 ? 1 + (uint32_t)below(5) : 1 + (uint32_t)below(BATCH_IDS);
    unsigned kind = (unsigned)below(9), other = (unsigned)below(9);
    for (uint32_t i = 0; i < count; i++) {
        if (below(2000) == 0) kind = (unsigned)below(9);
        word[i] = next_id(streams, below(100) == 0 ? other : kind);
    }
    return count;
}

/* ---- claiming -----------------------------------------------------------------------------------------------------
 */

/* Claims and appends a batch; all get the rows that the model says. */
static void batch_claim(struct pat_store *store, uint32_t count, const struct pat_spread *spread) {
    static pat_row row[BATCH_IDS];
    static uint32_t fresh[BATCH_IDS];
    struct pat_table *table = &store->table[PAT_CUSTOMERS];
    const struct pat_ids ids = {word, text};
    const size_t before = pat_mem_used(PAT_MEM_INDEX), may = pat_table_ids_growth(table, count);
    const uint32_t added = pat_table_claim_ids(store, PAT_CUSTOMERS, ids, count, row, fresh, spread);
    assert_true(pat_mem_used(PAT_MEM_INDEX) <= before + may);
    pat_table_append_ids(store, PAT_CUSTOMERS, ids, fresh, added);
    for (unsigned c = 1; c < table->schema->columns; c++) pat_column_append_same(&table->column[c], PAT_NULL, added);
    pat_table_grow(table, added);
    for (uint32_t i = 0; i < count; i++) assert_int_equal(row[i], model_row(word[i]));
    assert_int_equal(table->rows, model.rows);
}

/* One at a time, as patches do. */
static void batch_add(struct pat_store *store, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const struct pat_id_key key = {word[i] < 0 ? -1 : word[i], word[i] < 0 ? text[~word[i]] : PAT_TEXT("")};
        pat_row row = pat_table_find_id(store, PAT_CUSTOMERS, key);
        if (row == PAT_ROW_NONE) row = pat_table_add_id(store, PAT_CUSTOMERS, key);
        assert_int_equal(row, model_row(word[i]));
    }
}

/* Every id of the model, and some that it does not have. */
static void check_all(const struct pat_store *store) {
    pat_row seen = 0;
    for (uint32_t at = 0; at < MODEL_PLACES; at++) {
        if (model.row[at] == 0) continue;
        const int64_t id = model.word[at];
        const struct pat_id_key key = {id < 0 ? -1 : id, id < 0 ? text[~id] : PAT_TEXT("")};
        assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, key), model.row[at] - 1);
        seen++;
    }
    assert_int_equal(seen, model.rows);
    for (int64_t id = INT64_C(1) << 40; id < (INT64_C(1) << 40) + 100; id++)
        assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, (struct pat_id_key){.number = id}), PAT_ROW_NONE);
}

static void any_ids_are_found(void **state) {
    const struct pat_spread *spread = *state;
    seed_choose();
    texts_make();
    unsigned shared = 0; /* by claims */
    for (unsigned round = 0; round < 3; round++) {
        memset(&model, 0, sizeof model);
        struct pat_store *store = store_new();
        /* Kind 7 goes back by up to 5,000, and ids below zero are texts. */
        struct streams streams = {5000 + (int64_t)below(100000), 5000000 + (int64_t)below(100000), 10000000, 20000000};
        const unsigned runs = crew.runs;
        for (unsigned batch = 0; batch < 40; batch++) {
            const uint32_t count = batch_make(&streams);
            if (count < 300 && below(3) == 0) {
                batch_add(store, count);
            } else {
                batch_claim(store, count, spread);
            }
        }
        shared += crew.runs - runs;
        check_all(store);
        assert_true(store->table[PAT_CUSTOMERS].spans.count > 0);
        pat_table_forget_ids(&store->table[PAT_CUSTOMERS]);
        assert_int_equal(pat_store_rebuild(store, spread, NULL), PAT_OK);
        check_all(store);
        batch_claim(store, batch_make(&streams), spread);
        check_all(store);
        store_free(store);
    }
    assert_true(spread == NULL || shared > 0);
}

/* ---- what they cost ---------------------------------------------------------------------------------------------- */

static void claim_of(struct pat_store *store, int64_t (*id)(uint64_t i), uint64_t ids, uint32_t batch) {
    memset(&model, 0, sizeof model);
    for (uint64_t done = 0; done < ids; done += batch) {
        for (uint32_t i = 0; i < batch; i++) word[i] = id(done + i);
        batch_claim(store, batch, NULL);
    }
}

static int64_t counting_up(uint64_t i) {
    return (int64_t)(1000 + i);
}
static int64_t counting_down(uint64_t i) {
    return (int64_t)(3000000 - i);
}
/* All below 200,000, each once, in an order of their own. */
static int64_t shuffled(uint64_t i) {
    return (int64_t)(i * 77773 % 200000);
}
static int64_t one_a_span(uint64_t i) {
    return (int64_t)(i * PAT_SPAN_IDS);
}
/* As many as a span needs, then one in each of its neighbours. */
static int64_t beside_dense_ones(uint64_t i) {
    const uint64_t each = PAT_SPAN_DENSE + 2, group = i / each * 4, at = i % each;
    if (at < PAT_SPAN_DENSE) return (int64_t)((group + 1) * PAT_SPAN_IDS + at);
    return (int64_t)((group + (at == PAT_SPAN_DENSE ? 0 : 2)) * PAT_SPAN_IDS);
}

static size_t bytes_of(int64_t (*id)(uint64_t i), uint64_t ids, uint32_t batch, uint32_t *spans) {
    struct pat_store *store = store_new();
    const size_t before = pat_mem_used(PAT_MEM_INDEX);
    claim_of(store, id, ids, batch);
    const size_t bytes = pat_mem_used(PAT_MEM_INDEX) - before;
    *spans = store->table[PAT_CUSTOMERS].spans.count;
    store_free(store);
    return bytes;
}

static void spans_cost_what_they_are_worth(void **state) {
    (void)state;
    uint32_t spans;
    /* All of them at once in their spans, but for what the first and the last one have free. */
    assert_true(bytes_of(counting_up, 500000, 10000, &spans) < 500000 * 5);
    assert_true(bytes_of(counting_down, 500000, 10000, &spans) < 500000 * 5);
    /* Some are in the hash index first. */
    assert_true(bytes_of(counting_up, 500000, 100, &spans) < 500000 * 5);
    assert_int_equal(spans, (500000 + 1000 + PAT_SPAN_IDS - 1) / PAT_SPAN_IDS);
    assert_true(bytes_of(shuffled, 200000, 10000, &spans) < 200000 * 12);
    assert_int_equal(spans, (200000 + PAT_SPAN_IDS - 1) / PAT_SPAN_IDS);
    (void)bytes_of(one_a_span, 300000, 10000, &spans);
    assert_int_equal(spans, 0);
    const uint64_t ids = 390 * (PAT_SPAN_DENSE + 2);
    assert_true(bytes_of(beside_dense_ones, ids, 1026, &spans) < ids * 56);
    assert_int_equal(spans, 390 * 3); /* the neighbours, too */
    assert_true(bytes_of(beside_dense_ones, ids, 10, &spans) < ids * 70);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_ids_are_found),
        cmocka_unit_test_prestate(any_ids_are_found, &crew.spread),
        cmocka_unit_test(spans_cost_what_they_are_worth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
