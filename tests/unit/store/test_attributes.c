/* Columns that are added while the store is open. */
#include "base/mem.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pat_store *store;

static int store_open(void **state) {
    (void)state;
    struct pat_store_options options = {.base_currency = "EUR", .entropy = "fixed", .entropy_bytes = 5};
    return pat_store_open(&store, &options, NULL) == PAT_OK ? 0 : -1;
}

static int store_shut(void **state) {
    (void)state;
    pat_store_close(&store);
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static struct pat_attribute attribute_of(enum pat_table_id table, const char *word, enum pat_type type) {
    struct pat_attribute attribute = {.table = table, .type = type};
    assert_true(pat_attribute_set_name(&attribute, pat_text_of(word)));
    return attribute;
}

static unsigned add(enum pat_table_id table, const char *word, enum pat_type type) {
    const struct pat_attribute attribute = attribute_of(table, word, type);
    bool known = true;
    const size_t may = pat_mem_used_total() + pat_store_attribute_bytes(store, table);
    assert_int_equal(pat_store_judge_attribute(store, &attribute, &known, NULL), PAT_OK);
    assert_false(known);
    pat_store_add_attribute(store, &attribute);
    assert_true(pat_mem_used_total() <= may);
    return store->table[table].schema->columns - 1;
}

static void judged(enum pat_table_id table, const char *word, enum pat_type type, enum pat_status status,
                   const char *hint) {
    const struct pat_attribute attribute = attribute_of(table, word, type);
    struct pat_error error = {.message = ""};
    bool known;
    assert_int_equal(pat_store_judge_attribute(store, &attribute, &known, &error), status);
    if (status == PAT_OK) assert_int_equal(known, strcmp(hint, "known") == 0);
    if (status != PAT_OK && strstr(error.message, hint) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, hint);
}

static void new_columns_are_null_and_take_values(void **state) {
    (void)state;
    struct pat_table *customers = &store->table[PAT_CUSTOMERS];
    const pat_row rows = 3 * 4096 + 7; /* whole chunks and a piece of one */
    for (pat_row row = 0; row < rows; row++)
        (void)pat_table_add_id(store, PAT_CUSTOMERS, (struct pat_id_key){.number = row});
    const unsigned vip = add(PAT_CUSTOMERS, "vip", PAT_TYPE_BOOL), city = add(PAT_CUSTOMERS, "city", PAT_TYPE_TEXT);
    assert_int_equal(vip, PAT_CUSTOMER_COLUMNS);
    assert_int_equal(city, PAT_CUSTOMER_COLUMNS + 1);
    assert_null(customers->dict[vip]);
    assert_true(pat_column_is_blank(&customers->column[vip]));
    for (pat_row row = 0; row < rows; row += 5) {
        pat_table_set(customers, vip, row, row % 2);
        pat_table_set(customers, city, row,
                      pat_dict_add(customers->dict[city], row % 3 == 0 ? PAT_TEXT("Porto") : PAT_TEXT("Faro")));
    }
    const pat_row last = pat_table_add_id(store, PAT_CUSTOMERS, (struct pat_id_key){.number = rows});
    for (pat_row row = 0; row <= last; row++) {
        const bool set = row % 5 == 0 && row < rows;
        assert_true(pat_table_get(customers, vip, row) == (set ? (int64_t)(row % 2) : PAT_NULL));
        assert_true((pat_table_get(customers, city, row) != PAT_NULL) == set);
    }
    const char *why = NULL;
    if (!pat_store_check(store, &why)) fail_msg("%s", why);
}

static void views_keep_the_columns_they_opened_with(void **state) {
    (void)state;
    struct pat_view *before, *after;
    (void)pat_table_add_id(store, PAT_ORDERS, (struct pat_id_key){.number = 1});
    assert_int_equal(pat_view_open(&before, store), PAT_OK);
    const unsigned gift = add(PAT_ORDERS, "gift", PAT_TYPE_SET);
    pat_table_set(&store->table[PAT_ORDERS], gift, 0,
                  pat_dict_add(store->table[PAT_ORDERS].dict[gift], PAT_TEXT("card")));
    assert_int_equal(pat_view_open(&after, store), PAT_OK);
    assert_int_equal(before->table[PAT_ORDERS].schema->columns, PAT_ORDER_COLUMNS);
    assert_int_equal(after->table[PAT_ORDERS].schema->columns, PAT_ORDER_COLUMNS + 1);
    (void)add(PAT_ORDERS, "late", PAT_TYPE_INT);
    pat_table_set(&store->table[PAT_ORDERS], gift, 0, PAT_NULL);
    assert_true(
        pat_text_is(pat_view_dict_text(after, PAT_ORDERS, gift, pat_view_get(after, PAT_ORDERS, gift, 0)), "card"));
    assert_string_equal(after->table[PAT_ORDERS].schema->field[gift].name, "attr.gift");
    pat_view_close(&before);
    pat_view_close(&after);
}

static void names_are_judged(void **state) {
    (void)state;
    (void)add(PAT_LINES, "margin", PAT_TYPE_MONEY);
    (void)add(PAT_LINES, "weight_minor", PAT_TYPE_INT);
    judged(PAT_LINES, "margin", PAT_TYPE_MONEY, PAT_OK, "known");
    judged(PAT_LINES, "margin", PAT_TYPE_DECIMAL, PAT_ERR_CONFLICT, "is of type money");
    judged(PAT_LINES, "margin_minor", PAT_TYPE_INT, PAT_ERR_CONFLICT, "in minor units");
    judged(PAT_LINES, "weight", PAT_TYPE_MONEY, PAT_ERR_CONFLICT, "in minor units");
    judged(PAT_LINES, "weight", PAT_TYPE_DECIMAL, PAT_OK, "new");
    judged(PAT_ORDERS, "margin", PAT_TYPE_DECIMAL, PAT_OK, "new");
    for (unsigned i = 2; i < PAT_ATTRIBUTES_MAX; i++) {
        char word[8];
        (void)snprintf(word, sizeof word, "x%u", i);
        (void)add(PAT_LINES, word, pat_attribute_type(i % 8));
    }
    judged(PAT_LINES, "more", PAT_TYPE_INT, PAT_ERR_TOO_LARGE, "64 attributes");
    judged(PAT_LINES, "x2", pat_attribute_type(2), PAT_OK, "known");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_columns_are_null_and_take_values, store_open, store_shut),
        cmocka_unit_test_setup_teardown(views_keep_the_columns_they_opened_with, store_open, store_shut),
        cmocka_unit_test_setup_teardown(names_are_judged, store_open, store_shut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
