/* Dictionaries, ids, indexes, days, maps, views of a whole store, and what a restore must notice. */
#include "../crew.h"
#include "base/mem.h"
#include "model/id.h"

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pat_store *store_new(void) {
    struct pat_store *store = NULL;
    struct pat_store_options options = {.base_currency = "EUR", .entropy = "fixed", .entropy_bytes = 5};
    assert_int_equal(pat_store_open(&store, &options, NULL), PAT_OK);
    return store;
}

static void store_free(struct pat_store *store) {
    pat_store_close(&store);
    assert_null(store);
    assert_int_equal(pat_mem_used_total(), 0);
}

static struct pat_id_key key_of(const char *text) {
    struct pat_text id = pat_text_of(text);
    return (struct pat_id_key){pat_id_number(id), id};
}

static void a_base_currency_must_exist(void **state) {
    (void)state;
    struct pat_store *store = NULL;
    struct pat_store_options options = {.base_currency = "EURO", .entropy = "x", .entropy_bytes = 1};
    struct pat_error error;
    assert_int_equal(pat_store_open(&store, &options, &error), PAT_ERR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "EURO"));
    assert_int_equal(pat_mem_used_total(), 0);
}

/* ---- dictionaries
 * ------------------------------------------------------------------------------------------------------ */

static void dictionaries_grow_past_every_width(void **state) {
    (void)state;
    struct pat_store *store = store_new();
    struct pat_dict *dict = store->table[PAT_ORDERS].dict[PAT_ORDER_COUNTRY];
    char text[300];
    for (uint32_t i = 0; i < 70000; i++) {
        (void)snprintf(text, sizeof text, "value %u", i);
        assert_int_equal(pat_dict_add(dict, pat_text_of(text)), i);
    }
    for (uint32_t i = 0; i < 70000; i += 7) {
        (void)snprintf(text, sizeof text, "value %u", i);
        assert_int_equal(pat_dict_find(dict, pat_text_of(text)), i);
        assert_int_equal(pat_dict_add(dict, pat_text_of(text)), i);
        assert_true(pat_text_is(pat_dict_text(dict, i), text));
    }
    assert_int_equal(dict->count, 70000);
    assert_int_equal(pat_dict_find(dict, PAT_TEXT("nobody")), UINT32_MAX);
    assert_int_equal(pat_dict_add(dict, PAT_TEXT("")), 70000);
    memset(text, 'x', 255);
    assert_int_equal(pat_dict_add(dict, (struct pat_text){text, 255}), 70001);
    assert_int_equal(pat_dict_text(dict, 70001).length, 255);
    store_free(store);
}

static void texts_never_cross_a_segment(void **state) {
    (void)state;
    struct pat_heap heap;
    pat_heap_init(&heap);
    char text[255];
    memset(text, 'y', sizeof text);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t place = pat_heap_add(&heap, (struct pat_text){text, i % 256});
        assert_int_equal(place >> PAT_HEAP_SEGMENT_SHIFT, (place + i % 256) >> PAT_HEAP_SEGMENT_SHIFT);
        assert_true(pat_heap_holds(&heap, place));
        assert_int_equal(pat_heap_get(&heap, place).length, i % 256);
    }
    assert_false(pat_heap_holds(&heap, heap.end));
    assert_false(pat_heap_holds(&heap, UINT64_MAX));
    uint64_t last = pat_heap_add(&heap, PAT_TEXT("abc"));
    heap.segment[last >> PAT_HEAP_SEGMENT_SHIFT][last & ((1u << PAT_HEAP_SEGMENT_SHIFT) - 1)] = 200;
    assert_false(pat_heap_holds(&heap, last)); /* longer than what was written */
    pat_heap_deinit(&heap);
    assert_int_equal(pat_mem_used_total(), 0);
}

/* ---- ids
 * --------------------------------------------------------------------------------------------------------------- */

static void ids_are_what_they_read(void **state) {
    (void)state;
    struct pat_store *store = store_new();
    static const char *const ids[] = {"123", "0123", "9223372036854775807", "9223372036854775808", "0", "-1",
                                      "abc", "a"};
    pat_row rows[8];
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, key_of(ids[i])), PAT_ROW_NONE);
        rows[i] = pat_table_add_id(store, PAT_CUSTOMERS, key_of(ids[i]));
    }
    assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, (struct pat_id_key){.number = 123}), rows[0]);
    struct pat_view *view;
    assert_int_equal(pat_view_open(&view, store), PAT_OK);
    for (size_t i = 0; i < 8; i++) {
        char buffer[21];
        assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, key_of(ids[i])), rows[i]);
        assert_true(pat_text_is(pat_view_id(view, PAT_CUSTOMERS, rows[i], buffer), ids[i]));
        assert_int_equal(pat_table_find_id(store, PAT_ORDERS, key_of(ids[i])), PAT_ROW_NONE);
    }
    /* The eight bytes of a number are not the text of the same bytes. */
    int64_t number = 0x6867666564636261;
    (void)pat_table_add_id(store, PAT_ORDERS, (struct pat_id_key){.number = number});
    assert_int_equal(pat_table_find_id(store, PAT_ORDERS, key_of("abcdefgh")), PAT_ROW_NONE);
    pat_view_close(&view);
    store_free(store);
}

static void indexes_find_all_of_many(void **state) {
    (void)state;
    struct pat_store *store = store_new();
    char text[32];
    for (int64_t i = 0; i < 60000; i++) {
        (void)snprintf(text, sizeof text, i % 2 == 0 ? "%lld" : "c-%lld", (long long)i);
        assert_int_equal(pat_table_add_id(store, PAT_CUSTOMERS, key_of(text)), i);
    }
    for (int64_t i = 0; i < 60000; i++) {
        (void)snprintf(text, sizeof text, i % 2 == 0 ? "%lld" : "c-%lld", (long long)i);
        assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, key_of(text)), i);
        (void)snprintf(text, sizeof text, i % 2 != 0 ? "%lld" : "c-%lld", (long long)i);
        assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, key_of(text)), PAT_ROW_NONE);
    }
    assert_true(pat_index_probe_max(&store->table[PAT_CUSTOMERS].index) < 200);
    store_free(store);
}

/* Blocks of ids, some of them known, some there twice, against the same looked up and added one by one; by one thread
 * and by several. */
static void ids_are_claimed_in_order(void **state) {
    const struct pat_spread *spread = *state;
    enum { COUNT_IDS = 9000, BLOCKS = 12 };
    struct pat_store *store = store_new(), *single = store_new();
    static int64_t word[COUNT_IDS];
    static struct pat_text text[COUNT_IDS];
    static char room[COUNT_IDS][16];
    static pat_row row[COUNT_IDS];
    static uint32_t fresh[COUNT_IDS];
    const struct pat_ids ids = {word, text};
    struct pat_table *table = &store->table[PAT_CUSTOMERS];
    for (uint64_t block = 0, next = 1; block < BLOCKS; block++) {
        for (uint32_t i = 0; i < COUNT_IDS; i++) {
            next = next * UINT64_C(6364136223846793005) + 1442695040888963407;
            const unsigned id = (unsigned)(next >> 33) % 40000;
            (void)snprintf(room[i], sizeof room[i], "c-%u", id);
            text[i] = pat_text_of(room[i]);
            word[i] = id % 3 == 0 ? ~(int64_t)i : (int64_t)id;
        }
        const uint32_t count = block == 0 ? 1 : COUNT_IDS;
        const uint32_t added = pat_table_claim_ids(store, PAT_CUSTOMERS, ids, count, row, fresh, spread);
        pat_table_append_ids(store, PAT_CUSTOMERS, ids, fresh, added);
        for (unsigned c = 1; c < table->schema->columns; c++)
            pat_column_append_same(&table->column[c], PAT_NULL, added);
        pat_table_grow(table, added);
        for (uint32_t i = 0; i < count; i++) {
            const struct pat_id_key key = {word[i] >= 0 ? word[i] : -1, text[i]};
            pat_row expected = pat_table_find_id(single, PAT_CUSTOMERS, key);
            if (expected == PAT_ROW_NONE) expected = pat_table_add_id(single, PAT_CUSTOMERS, key);
            assert_int_equal(row[i], expected);
            assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, key), expected);
        }
        assert_int_equal(table->rows, single->table[PAT_CUSTOMERS].rows);
    }
    assert_true(spread == NULL || crew.runs > 0);
    pat_store_close(&single);
    store_free(store);
}

static bool is_value(const void *context, uint32_t value) {
    return *(const uint32_t *)context == value;
}

/* Past the size from which shards lie side by side, and back to nothing. */
static void large_indexes_give_their_pages_back(void **state) {
    (void)state;
    const size_t before = pat_mem_used(PAT_MEM_INDEX);
    struct pat_index index;
    struct pat_hash_secret secret;
    pat_hash_secret_init(&secret, "fixed", 5);
    pat_index_init(&index);
    for (uint32_t i = 0; i < 1000000; i++) {
        const uint64_t hash = pat_hash_word(&secret, i);
        const size_t may = i % 1000 == 0 ? pat_mem_used(PAT_MEM_INDEX) + pat_index_growth(&index, 1000) : SIZE_MAX;
        pat_index_prefetch(&index, hash);
        assert_true(pat_index_peek(&index, hash) != i);
        pat_index_add(&index, hash, i);
        assert_int_equal(pat_index_find(&index, hash, is_value, &i), i);
        assert_true(pat_mem_used(PAT_MEM_INDEX) <= may);
        /* Eight bytes an entry, right after growing by a half seven twelfths full, and what is not given back yet. */
        if (i >= 500000) assert_in_range(pat_mem_used(PAT_MEM_INDEX) - before, (size_t)i * 9, (size_t)i * 15);
    }
    for (uint32_t i = 0; i < 1000000; i++) {
        assert_int_equal(pat_index_find(&index, pat_hash_word(&secret, i), is_value, &i), i);
        const uint32_t first = pat_index_peek(&index, pat_hash_word(&secret, i));
        assert_true(first == i || first == UINT32_MAX);
    }
    assert_true(pat_index_probe_max(&index) < 200);
    pat_index_deinit(&index);
    assert_int_equal(pat_mem_used(PAT_MEM_INDEX), before);
}

/* What is reserved for rows is what they take, at the most. */
static void reservations_hold(void **state) {
    (void)state;
    struct pat_store *store = store_new();
    int64_t values[PAT_COLUMNS_MAX];
    int64_t id = 0;
    for (unsigned round = 0; round < 400; round++) {
        size_t rows = round % 7 == 0 ? 1500 : round % 3 == 0 ? 100 : 1;
        size_t may = pat_store_bytes_for(store, PAT_ORDERS, rows, 0, 0);
        size_t before = pat_mem_used_total();
        for (size_t i = 0; i < rows; i++) {
            for (unsigned c = 0; c < PAT_COLUMNS_MAX; c++) values[c] = (int64_t)round << (c % 50);
            (void)pat_table_add_id_values(store, PAT_ORDERS, (struct pat_id_key){.number = id++}, values);
        }
        assert_true(pat_mem_used_total() <= before + may);
    }
    store_free(store);
}

/* ---- days
 * ---------------------------------------------------------------------------------------------------------------- */

static void the_newest_day_is_exact(void **state) {
    (void)state;
    struct pat_day_counts counts;
    pat_day_counts_init(&counts);
    uint32_t model[2000] = {0};
    uint32_t random = 12345;
    assert_int_equal(pat_day_counts_newest(&counts), PAT_DAY_NONE);
    for (unsigned step = 0; step < 30000; step++) {
        random = random * 1664525 + 1013904223;
        unsigned at = (random >> 8) % 2000;
        pat_day day = (pat_day)at - 1000;
        if (model[at] > 0 && (random >> 4) % 3 != 0) {
            pat_day_counts_remove(&counts, day);
            model[at]--;
        } else if ((random >> 20) % 8 == 0 || step < 50) {
            pat_day_counts_add(&counts, day);
            model[at]++;
        }
        if (step % 7 != 0) continue;
        int newest = 1999;
        while (newest >= 0 && model[newest] == 0) newest--;
        assert_int_equal(pat_day_counts_newest(&counts), newest < 0 ? PAT_DAY_NONE : newest - 1000);
    }
    pat_day_counts_deinit(&counts);
    pat_day_counts_add(&counts, PAT_DAY_MAX);
    pat_day_counts_add(&counts, PAT_DAY_MIN);
    assert_int_equal(pat_day_counts_newest(&counts), PAT_DAY_MAX);
    pat_day_counts_remove(&counts, PAT_DAY_MAX);
    assert_int_equal(pat_day_counts_newest(&counts), PAT_DAY_MIN);
    pat_day_counts_remove(&counts, PAT_DAY_MIN);
    assert_int_equal(pat_day_counts_newest(&counts), PAT_DAY_NONE);
    pat_day_counts_add(&counts, 0);
    assert_int_equal(pat_day_counts_newest(&counts), 0);
    pat_day_counts_deinit(&counts);
    assert_int_equal(pat_mem_used_total(), 0);
}

/* ---- maps and views
 * ---------------------------------------------------------------------------------------------------------- */

static void views_keep_their_maps(void **state) {
    (void)state;
    struct pat_store *store = store_new();
    struct pat_rfm_map map = *pat_rfm_map_builtin();
    assert_int_equal(pat_store_save_map(store, &map, NULL), PAT_ERR_BAD_REQUEST);
    strcpy(map.name, "mine");
    assert_int_equal(pat_store_save_map(store, &map, NULL), PAT_OK);
    struct pat_view *before, *after;
    assert_int_equal(pat_view_open(&before, store), PAT_OK);
    strcpy(map.group[0], "other");
    assert_int_equal(pat_store_save_map(store, &map, NULL), PAT_OK);
    assert_int_equal(pat_view_open(&after, store), PAT_OK);
    assert_string_equal(pat_view_map(before, PAT_TEXT("mine"))->group[0], "champions");
    assert_string_equal(pat_view_map(after, PAT_TEXT("mine"))->group[0], "other");
    assert_string_equal(pat_view_map(after, PAT_TEXT(""))->name, "default");
    assert_null(pat_view_map(after, PAT_TEXT("nobody's")));
    pat_view_close(&before);
    pat_view_close(&after);
    for (unsigned i = 2; i < PAT_RFM_MAPS_MAX; i++) {
        (void)snprintf(map.name, sizeof map.name, "map_%u", i);
        assert_int_equal(pat_store_save_map(store, &map, NULL), PAT_OK);
    }
    strcpy(map.name, "one_too_many");
    assert_int_equal(pat_store_save_map(store, &map, NULL), PAT_ERR_TOO_LARGE);
    strcpy(map.name, "mine");
    assert_int_equal(pat_store_save_map(store, &map, NULL), PAT_OK);
    store_free(store);
}

static void a_view_sees_its_rows_and_texts(void **state) {
    (void)state;
    struct pat_store *store = store_new();
    struct pat_table *customers = &store->table[PAT_CUSTOMERS];
    pat_row first = pat_table_add_id(store, PAT_CUSTOMERS, key_of("a"));
    pat_table_set(customers, PAT_CUSTOMER_COUNTRY, first,
                  pat_dict_add(customers->dict[PAT_CUSTOMER_COUNTRY], PAT_TEXT("DE")));
    struct pat_view *view;
    assert_int_equal(pat_view_open(&view, store), PAT_OK);
    (void)pat_table_add_id(store, PAT_CUSTOMERS, key_of("b"));
    pat_table_set(customers, PAT_CUSTOMER_COUNTRY, first,
                  pat_dict_add(customers->dict[PAT_CUSTOMER_COUNTRY], PAT_TEXT("FR")));
    assert_int_equal(view->table[PAT_CUSTOMERS].rows, 1);
    int64_t code = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_COUNTRY, first);
    assert_true(pat_text_is(pat_view_dict_text(view, PAT_CUSTOMERS, PAT_CUSTOMER_COUNTRY, code), "DE"));
    assert_true(pat_view_dict_code(view, PAT_CUSTOMERS, PAT_CUSTOMER_COUNTRY, PAT_TEXT("FR")) == PAT_NULL);
    assert_int_equal(pat_view_dict_text(view, PAT_CUSTOMERS, PAT_CUSTOMER_COUNTRY, PAT_NULL).length, 0);
    struct pat_view *views[PAT_VIEWS_MAX], *refused = NULL;
    for (unsigned i = 1; i < PAT_VIEWS_MAX; i++) assert_int_equal(pat_view_open(&views[i], store), PAT_OK);
    assert_int_equal(pat_view_open(&refused, store), PAT_ERR_BUSY);
    assert_null(refused);
    for (unsigned i = 1; i < PAT_VIEWS_MAX; i++) pat_view_close(&views[i]);
    (void)pat_mem_fail_at(1);
    assert_int_equal(pat_view_open(&refused, store), PAT_ERR_NO_MEMORY);
    (void)pat_mem_fail_at(0);
    pat_view_close(&view);
    store_free(store);
}

/* ---- restores
 * ------------------------------------------------------------------------------------------------------------- */

/* Two customers, three orders of the first, a line, a refund: consistent, and then damaged in one place. */
static struct pat_store *small_store(void) {
    struct pat_store *store = store_new();
    struct pat_table *customers = &store->table[PAT_CUSTOMERS], *orders = &store->table[PAT_ORDERS];
    struct pat_table *refunds = &store->table[PAT_REFUNDS];
    pat_row a = pat_table_add_id(store, PAT_CUSTOMERS, key_of("a"));
    (void)pat_table_add_id(store, PAT_CUSTOMERS, key_of("b"));
    int64_t currency = pat_dict_add(orders->dict[PAT_ORDER_CURRENCY], PAT_TEXT("EUR"));
    for (int64_t id = 0; id < 3; id++) {
        pat_row order = pat_table_add_id(store, PAT_ORDERS, (struct pat_id_key){.number = id});
        pat_table_set(orders, PAT_ORDER_STATE, order, PAT_ORDER_PRESENT);
        pat_table_set(orders, PAT_ORDER_CUSTOMER, order, a);
        pat_table_set(orders, PAT_ORDER_DAY, order, 19000 + id);
        pat_table_set(orders, PAT_ORDER_BASE, order, 100);
        pat_table_set(orders, PAT_ORDER_CURRENCY, order, currency);
        pat_table_set(orders, PAT_ORDER_NEXT, order, pat_table_get(customers, PAT_CUSTOMER_ORDER_HEAD, a));
        pat_table_set(customers, PAT_CUSTOMER_ORDER_HEAD, a, order);
    }
    pat_table_set(customers, PAT_CUSTOMER_FIRST_FACT, a, 19000);
    int64_t line[PAT_COLUMNS_MAX];
    for (unsigned c = 0; c < PAT_COLUMNS_MAX; c++) line[c] = PAT_NULL;
    line[PAT_LINE_ORDER] = 1;
    line[PAT_LINE_NUMBER] = 1;
    pat_table_set(orders, PAT_ORDER_LINE_HEAD, 1, pat_table_add(store, PAT_LINES, line));
    pat_row refund = pat_table_add_id(store, PAT_REFUNDS, key_of("r"));
    pat_table_set(refunds, PAT_REFUND_ORDER, refund, 2);
    pat_table_set(orders, PAT_ORDER_REFUND_HEAD, 2, refund);
    pat_table_set(refunds, PAT_REFUND_CUSTOMER, refund, a);
    pat_table_set(customers, PAT_CUSTOMER_REFUND_HEAD, a, refund);
    pat_table_set(refunds, PAT_REFUND_DAY, refund, 19010);
    return store;
}

/* As a restore does it: columns as they are, everything derived from nothing. */
static enum pat_status rebuild(struct pat_store *store, struct pat_error *error) {
    for (int id = 0; id < PAT_TABLES; id++) {
        pat_table_forget_ids(&store->table[id]);
        store->table[id].rows = 0;
    }
    return pat_store_rebuild(store, NULL, error);
}

static void a_restore_counts_and_finds(void **state) {
    (void)state;
    struct pat_store *store = small_store();
    struct pat_error error;
    assert_int_equal(rebuild(store, &error), PAT_OK);
    assert_int_equal(store->counts.customers, 1);
    assert_int_equal(store->counts.orders, 3);
    assert_int_equal(store->counts.lines, 1);
    assert_int_equal(store->counts.refunds, 1);
    assert_int_equal(store->counts.unpriced, 1);
    assert_int_equal(store->counts.newest_fact, 19010);
    assert_int_equal(pat_day_counts_newest(&store->fact_days), 19010);
    assert_int_equal(pat_table_find_id(store, PAT_CUSTOMERS, key_of("b")), 1);
    assert_int_equal(pat_table_find_id(store, PAT_ORDERS, key_of("2")), 2);
    store_free(store);
}

static void a_restore_notices_damage(void **state) {
    (void)state;
    static const struct {
        enum pat_table_id table;
        unsigned column;
        pat_row row;
        int64_t value;
    } damage[] = {
        {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, 0, 3}, /* outside the table */
        {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, 0, -1},
        {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, 0, 1}, /* one order falls out of its chain */
        {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, 0, PAT_NULL},
        {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, 1, 0}, /* somebody else's order */
        {PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, 0, PAT_NULL},
        {PAT_CUSTOMERS, PAT_CUSTOMER_COUNTRY, 0, 0}, /* no such code */
        {PAT_CUSTOMERS, PAT_CUSTOMER_ID, 0, PAT_NULL},
        {PAT_CUSTOMERS, PAT_CUSTOMER_ID, 0, -1000000},    /* outside the heap */
        {PAT_CUSTOMERS, PAT_CUSTOMER_ID, 1, ~INT64_C(0)}, /* "a" twice */
        {PAT_ORDERS, PAT_ORDER_ID, 2, 1},                 /* 1 twice */
        {PAT_ORDERS, PAT_ORDER_NEXT, 0, 2},               /* a circle */
        {PAT_ORDERS, PAT_ORDER_NEXT, 2, 0},
        {PAT_ORDERS, PAT_ORDER_CUSTOMER, 1, 1},
        {PAT_ORDERS, PAT_ORDER_CUSTOMER, 1, 2},
        {PAT_ORDERS, PAT_ORDER_DAY, 1, PAT_NULL},
        {PAT_ORDERS, PAT_ORDER_DAY, 1, PAT_DAY_MAX + 1},
        {PAT_ORDERS, PAT_ORDER_LINE_HEAD, 1, 5},
        {PAT_ORDERS, PAT_ORDER_LINE_HEAD, 0, 0}, /* another order's line */
        {PAT_ORDERS, PAT_ORDER_CURRENCY, 0, 7},
        {PAT_LINES, PAT_LINE_ORDER, 0, 3},
        {PAT_LINES, PAT_LINE_NEXT, 0, 0},
        {PAT_REFUNDS, PAT_REFUND_DAY, 0, PAT_NULL},
        {PAT_REFUNDS, PAT_REFUND_ORDER, 0, PAT_NULL},
        {PAT_REFUNDS, PAT_REFUND_NEXT, 0, 0},
    };
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        struct pat_store *store = small_store();
        struct pat_error error;
        pat_table_set(&store->table[damage[i].table], damage[i].column, damage[i].row, damage[i].value);
        enum pat_status status = rebuild(store, &error);
        if (status != PAT_ERR_CORRUPT) print_message("damage %zu was not noticed\n", i);
        assert_int_equal(status, PAT_ERR_CORRUPT);
        assert_true(strlen(error.message) > 0);
        store_free(store);
    }
    struct pat_store *store = small_store();
    pat_column_append(&store->table[PAT_ORDERS].column[PAT_ORDER_TAX], 1);
    assert_int_equal(rebuild(store, NULL), PAT_ERR_CORRUPT); /* one column longer than the others */
    store_free(store);
    store = small_store();
    (void)pat_dict_add(store->table[PAT_ORDERS].dict[PAT_ORDER_CURRENCY], PAT_TEXT("EURO"));
    assert_int_equal(rebuild(store, NULL), PAT_ERR_CORRUPT);
    store_free(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_currency_must_exist),
        cmocka_unit_test(dictionaries_grow_past_every_width),
        cmocka_unit_test(texts_never_cross_a_segment),
        cmocka_unit_test(ids_are_what_they_read),
        cmocka_unit_test(ids_are_claimed_in_order),
        cmocka_unit_test_prestate(ids_are_claimed_in_order, &crew.spread),
        cmocka_unit_test(large_indexes_give_their_pages_back),
        cmocka_unit_test(indexes_find_all_of_many),
        cmocka_unit_test(reservations_hold),
        cmocka_unit_test(the_newest_day_is_exact),
        cmocka_unit_test(views_keep_their_maps),
        cmocka_unit_test(a_view_sees_its_rows_and_texts),
        cmocka_unit_test(a_restore_counts_and_finds),
        cmocka_unit_test(a_restore_notices_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
