/* Attributes: their names, their types, and schemas that have them. */
#include "model/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names_are_lower_case_words(void **state) {
    (void)state;
    struct pat_attribute attribute = {.table = PAT_ORDERS};
    char longest[65];
    memset(longest, 'a', sizeof longest);
    assert_true(pat_attribute_set_name(&attribute, PAT_TEXT("a")));
    assert_string_equal(attribute.name, "attr.a");
    assert_true(pat_attribute_set_name(&attribute, PAT_TEXT("gift_wrap2_")));
    assert_string_equal(pat_attribute_word(&attribute), "gift_wrap2_");
    assert_true(pat_attribute_set_name(&attribute, (struct pat_text){longest, 63}));
    assert_int_equal(strlen(attribute.name), 68);
    assert_false(pat_attribute_set_name(&attribute, (struct pat_text){longest, 64}));
    static const char *const bad[] = {"", "_a", "1a", "A", "a.b", "a b", "a-b", "ä", "attr.a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (pat_attribute_set_name(&attribute, pat_text_of(bad[i]))) fail_msg("%s", bad[i]);
    }
}

static void types_have_names(void **state) {
    (void)state;
    unsigned count = 0;
    for (; pat_attribute_types[count] != NULL; count++) {
        assert_string_equal(pat_attribute_type_name(pat_attribute_type(count)), pat_attribute_types[count]);
    }
    assert_int_equal(count, 8);
    assert_int_equal(pat_attribute_type(4), PAT_TYPE_DAY);
    assert_null(pat_attribute_type_name(PAT_TYPE_REF));
    assert_null(pat_attribute_type_name((enum pat_type)99));
}

static void extended(enum pat_table_id table) {
    static struct pat_table_schema schema[PAT_ATTRIBUTES_MAX];
    static struct pat_field field[PAT_ATTRIBUTES_MAX][PAT_COLUMNS_MAX];
    static struct pat_attribute attribute[PAT_ATTRIBUTES_MAX];
    const struct pat_table_schema *before = &pat_schema[table];
    const unsigned own = before->columns;
    for (unsigned i = 0; i < PAT_ATTRIBUTES_MAX; i++) {
        const char word[] = {'x', (char)('a' + i / 26), (char)('a' + i % 26)};
        attribute[i] = (struct pat_attribute){.table = table, .type = pat_attribute_type(i % 8)};
        assert_true(pat_attribute_set_name(&attribute[i], (struct pat_text){word, sizeof word}));
        pat_schema_extend(&schema[i], field[i], before, &attribute[i]);
        assert_int_equal(before->columns, own + i);
        before = &schema[i];
        assert_int_equal(before->own_columns, own);
        assert_int_equal(pat_schema_find(before, pat_text_of(attribute[i].name)), own + i);
        assert_int_equal(pat_schema_field(before, (int)(own + i))->dict_as, own + i);
    }
    assert_true(before->columns <= PAT_COLUMNS_MAX);
    assert_int_equal(pat_schema_find(before, PAT_TEXT("attr.xaa")), own);
    assert_int_equal(pat_schema_find(&pat_schema[table], PAT_TEXT("attr.xaa")), -1);
    assert_int_equal(pat_schema_find(before, PAT_TEXT("version")), pat_field_find(table, PAT_TEXT("version")));
    assert_string_equal(pat_schema_nearest(before, PAT_TEXT("attr.xa")), "attr.xaa");
    /* Kept columns stand between a table's own fields and its attributes, and have no name to be found by. */
    if (before->loaded_columns < own) assert_false(pat_schema_loadable(before, before->loaded_columns));
    assert_true(pat_schema_loadable(before, own));
}

static void schemas_grow_by_one_attribute_at_a_time(void **state) {
    (void)state;
    for (int table = 0; table < PAT_TABLES; table++) extended((enum pat_table_id)table);
}

static void money_says_whose_currency_it_is_in(void **state) {
    (void)state;
    struct pat_attribute attribute = {.table = PAT_CUSTOMERS, .type = PAT_TYPE_MONEY};
    struct pat_table_schema schema;
    struct pat_field field[PAT_COLUMNS_MAX];
    assert_true(pat_attribute_set_name(&attribute, PAT_TEXT("wallet")));
    pat_schema_extend(&schema, field, &pat_schema[PAT_CUSTOMERS], &attribute);
    assert_non_null(strstr(schema.field[schema.own_columns].unit, "base currency"));
    attribute.table = PAT_LINES;
    pat_schema_extend(&schema, field, &pat_schema[PAT_LINES], &attribute);
    assert_non_null(strstr(schema.field[schema.own_columns].unit, "row's currency"));
    assert_int_equal(pat_schema_find(&schema, PAT_TEXT("customer")), PAT_LINE_OF_CUSTOMER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_lower_case_words),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(schemas_grow_by_one_attribute_at_a_time),
        cmocka_unit_test(money_says_whose_currency_it_is_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
