/* Filter text: grammar, canonical form, errors with their positions, limits. */
#include "base/mem.h"
#include "model/filter.h"
#include "model/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pat_arena arena;

static int setup(void **state) {
    (void)state;
    pat_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    pat_arena_deinit(&arena);
    return pat_mem_used(PAT_MEM_QUERY) == 0 ? 0 : -1;
}

static const struct pat_filter *parse(const char *text) {
    const struct pat_filter *filter = NULL;
    struct pat_error error = {.message = ""};
    enum pat_status status = pat_filter_parse(&filter, pat_text_of(text), NULL, &arena, &error);
    if (status != PAT_OK) fail_msg("%s: %s", text, error.message);
    return filter;
}

/* Canonical text of `text`, checked to read back as the same filter. */
static const char *canonical(const char *text) {
    const struct pat_filter *filter = parse(text);
    const char *printed = pat_filter_print(filter, &arena).data;
    assert_true(pat_filter_equal(filter, parse(printed)));
    return printed;
}

static struct pat_error refused_with(const char *text, const struct pat_value *args) {
    const struct pat_filter *filter = NULL;
    struct pat_error error = {.message = ""};
    enum pat_status status = pat_filter_parse(&filter, pat_text_of(text), args, &arena, &error);
    if (status == PAT_OK) fail_msg("%s was taken as %s", text, pat_filter_print(filter, &arena).data);
    assert_int_equal(status, error.status);
    return error;
}

static void check_refused(const char *text, int offset, const char *message) {
    const struct pat_error error = refused_with(text, NULL);
    if (strstr(error.message, message) == NULL)
        fail_msg("%s\n  gave:   %s\n  wanted: %s", text, error.message, message);
    assert_int_equal(error.offset, offset);
    assert_string_equal(error.field, "where");
}

static void every_condition_has_a_canonical_text(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"", "TRUE"},
        {" \n-- everybody\n ", "TRUE"},
        {"true", "TRUE"},
        {"country='BR'", "country = 'BR'"},
        {"country = BR", "country = 'BR'"},
        {"country != 'BR'", "country <> 'BR'"},
        {"name = 'O''Brien'", "name = 'O''Brien'"},
        {"name = ''", "name = ''"},
        {"name = ''''''", "name = ''''''"},
        {"orders>=2", "orders >= 2"},
        {"orders < 1e3", "orders < 1000"},
        {"p_alive < .40", "p_alive < 0.4"},
        {"net > -3.50", "net > -3.5"},
        {"net > 500EUR", "net > 500 EUR"},
        {"net > 500 EUR", "net > 500 EUR"},
        {"net <= -0.5 JPY", "net <= -0.5 JPY"},
        {"last_order < -90d", "last_order < -90d"},
        {"last_order < -12w", "last_order < -84d"},
        {"last_order = 0d", "last_order = 0d"},
        {"created = date '2010-12-09'", "created = DATE '2010-12-09'"},
        {"created = '2010-12-09'", "created = '2010-12-09'"},
        {"a = date", "a = 'date'"},
        {"test = true", "test = TRUE"},
        {"test <> False", "test <> FALSE"},
        {"country in ('BR','MX' , PT)", "country IN ('BR', 'MX', 'PT')"},
        {"country Not In (BR)", "country NOT IN ('BR')"},
        {"NOT country IN (BR)", "country NOT IN ('BR')"},
        {"last_order BETWEEN -180d AND -91d", "last_order BETWEEN -180d AND -91d"},
        {"orders NOT BETWEEN 1 AND 2 AND a = 1", "orders NOT BETWEEN 1 AND 2 AND a = 1"},
        {"region IS NULL", "region IS NULL"},
        {"region is not null", "region IS NOT NULL"},
        {"NOT region IS NOT NULL", "NOT region IS NOT NULL"},
        {"consent HAS email", "consent HAS 'email'"},
        {"rfm.group = at_risk AND attr.color = 'red'", "rfm.group = 'at_risk' AND attr.color = 'red'"},
        {"NOT NOT a = 1", "NOT NOT a = 1"},
        {"(((a = 1)))", "a = 1"},
        {"a = 1 OR b = 2 AND c = 3", "a = 1 OR b = 2 AND c = 3"},
        {"a = 1 OR (b = 2 AND c = 3)", "a = 1 OR b = 2 AND c = 3"},
        {"(a = 1 OR b = 2) AND c = 3", "(a = 1 OR b = 2) AND c = 3"},
        {"(a = 1 AND b = 2) AND (c = 3 AND d = 4)", "a = 1 AND b = 2 AND c = 3 AND d = 4"},
        {"NOT (a = 1 OR NOT (b = 2 AND TRUE))", "NOT (a = 1 OR NOT (b = 2 AND TRUE))"},
        {"a = 1 -- the first\nAND b = 2 -- the last", "a = 1 AND b = 2"},
        {"country IN ('BR','MX') AND orders >= 2 AND NOT (net < 100 EUR OR last_order < -90d)",
         "country IN ('BR', 'MX') AND orders >= 2 AND NOT (net < 100 EUR OR last_order < -90d)"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_string_equal(canonical(pairs[i][0]), pairs[i][1]);
    }
}

static void parts_know_where_they_stood(void **state) {
    (void)state;
    const struct pat_filter *filter = parse("a = 1 AND country IN ('BR', MX)");
    assert_int_equal(filter->op, PAT_FILTER_AND);
    assert_int_equal(filter->children, 2);
    const struct pat_filter *in = filter->child[1];
    assert_int_equal(in->op, PAT_FILTER_IN);
    assert_int_equal(in->name_offset, 10);
    assert_int_equal(in->literal[0].offset, 22);
    assert_int_equal(in->literal[1].offset, 28);
    assert_false(in->literal[0].bare);
    assert_true(in->literal[1].bare);
}

static void days_and_money_are_typed(void **state) {
    (void)state;
    const struct pat_filter *days = parse("last_order < -12w");
    assert_int_equal(days->literal[0].kind, PAT_LITERAL_DAYS);
    assert_int_equal(days->literal[0].number, -84);
    const struct pat_filter *money = parse("net < 12.50 EUR");
    assert_int_equal(money->literal[0].kind, PAT_LITERAL_MONEY);
    assert_int_equal(pat_decimal_mantissa(money->literal[0].number), 125);
    assert_true(pat_text_is(money->literal[0].text, "EUR"));
    const struct pat_filter *day = parse("created = DATE '1970-01-11'");
    assert_int_equal(day->literal[0].kind, PAT_LITERAL_DAY);
    assert_int_equal(day->literal[0].number, 10);
}

static void a_mistake_is_named_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int offset;
        const char *message;
    } cases[] = {
        {"= 'BR'", 0, "expected a field name, NOT, TRUE, FALSE or \"(\", found \"=\""},
        {"contry == 'BR'", 7, "expected \"=\", found \"==\""},
        {"country = BR'", 12, "a quote without a partner, did you mean 'BR'?"},
        {"country = 'BR", 10, "never closed"},
        {"country = \"BR\"", 10, "single quotes"},
        {"country =", 9, "expected a value after \"=\", found the end of the text"},
        {"country", 7, "after \"country\", found the end of the text"},
        {"country = 'BR' 'MX'", 15, "expected AND, OR or the end of the filter, found 'MX'"},
        {"country = IN", 10, "found the keyword IN: as a text it is written 'IN'"},
        {"country = NULL", 10, "IS NULL"},
        {"country NULL", 8, "found \"NULL\""},
        {"country IS 'BR'", 11, "expected NULL or NOT NULL, found 'BR'"},
        {"country IS NOT 5", 15, "expected NULL, found \"5\""},
        {"country NOT = 5", 12, "expected IN or BETWEEN after NOT"},
        {"country IN 'BR'", 11, "expected \"(\""},
        {"country IN ()", 12, "expected a value after \"(\", found \")\""},
        {"country IN ('BR',)", 17, "expected a value after \",\""},
        {"country IN ('BR' 'MX')", 17, "expected \",\" or \")\""},
        {"orders BETWEEN 1", 16, "expected AND and the upper end of BETWEEN"},
        {"orders BETWEEN 1 OR 2", 17, "expected AND and the upper end of BETWEEN"},
        {"orders BETWEEN 1 AND", 20, "expected a value after \"AND\""},
        {"(a = 1", 6, "for the \"(\" at byte 0, found the end"},
        {"a = 1)", 5, "no \"(\" is open"},
        {"a = 1 AND", 9, "expected a field name"},
        {"a = 1 && b = 2", 6, "expected AND, found \"&&\""},
        {"a = 1 || b = 2", 6, "expected OR, found \"||\""},
        {"!a = 1", 0, "write NOT"},
        {"a => 1", 2, "expected \">=\""},
        {"count(orders WITHIN 365d) >= 2", 0,
         "expected a field name, NOT, TRUE, FALSE or \"(\", found a call \"count(\""},
        {"a = 1 AND EXISTS(lines)", 10, "found a call \"EXISTS(\""},
        {"WAS(lifecycle = active) AT -90d", 0, "found a call \"WAS(\""},
        {"IN SEGMENT vip", 0, "expected a field name, NOT, TRUE, FALSE or \"(\", found \"IN\""},
        {"NOT IN SEGMENT vip", 4, "expected a field name, NOT, TRUE, FALSE or \"(\", found \"IN\""},
        {"category UNDER 'baby'", 9, "expected =, <>, <, <=, >, >=, IN, BETWEEN, IS or HAS after \"category\""},
        {"net > 500 EUT", 10, "unknown currency \"EUT\", did you mean EU"},
        {"net > 500 apples", 10, "expected a currency code such as EUR"},
        {"sku = 85123A", 11, "a text that starts with digits is written in quotes"},
        {"last_order < 2010-12-09", 17, "'2010-12-09'"},
        {"last_order < -1.5d", 13, "whole number of days"},
        {"last_order < -99999999999d", 13, "whole number of days"},
        {"created = DATE '2023-02-29'", 15, "there is no such day"},
        {"created = DATE '2023-2-2'", 15, "expected a date such as '2010-12-09', found '2023-2-2'"},
        {"net > 5.", 6, "a number ends with a digit"},
        {"net > 5.e3", 6, "a number ends with a digit"},
        {"customer = 12345678901234567890", 11, "long ids are written in quotes"},
        {"a = b.c", 4, "fields compare with values only"},
        {"a = :x", 4, "args has no value for :x"},
        {"a = : x", 4, "expected a name right after \":\""},
        {"a = 1; DROP", 5, "unexpected character \";\""},
        {"a = \xE2\x82\xAC 5", 4, "unexpected character \"\xE2\x82\xAC\""},
        {"a = '\xC0'", 5, "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_refused(cases[i].text, cases[i].offset, cases[i].message);
    }
}

static struct pat_value args_map(struct pat_builder *builder) {
    return pat_build_map(builder, 4);
}

static void arguments_stand_for_values(void **state) {
    (void)state;
    struct pat_builder builder = {.arena = &arena};
    struct pat_value args = args_map(&builder), list = pat_build_array(&builder, 2);
    pat_build_push(&builder, &list, pat_value_string("BR"));
    pat_build_push(&builder, &list, pat_value_string("it's"));
    pat_build_put(&builder, &args, "list", list);
    pat_build_put(&builder, &args, "n", pat_value_real(2.5));
    pat_build_put(&builder, &args, "t", pat_value_string(":n"));
    const struct pat_filter *filter = NULL;
    struct pat_error error;
    const char *text = "a IN :list AND b IN (MX, :list) AND c >= :n AND d BETWEEN :n AND 3 AND e = :t";
    assert_int_equal(pat_filter_parse(&filter, pat_text_of(text), &args, &arena, &error), PAT_OK);
    assert_string_equal(pat_filter_print(filter, &arena).data,
                        "a IN ('BR', 'it''s') AND b IN ('MX', 'BR', 'it''s') AND c >= 2.5 AND d BETWEEN 2.5 AND 3 AND "
                        "e = ':n'");
}

static void arguments_that_do_not_fit_are_named(void **state) {
    (void)state;
    struct pat_builder builder = {.arena = &arena};
    struct pat_value args = args_map(&builder);
    pat_build_put(&builder, &args, "list", pat_build_array(&builder, 1));
    pat_build_put(&builder, &args, "none", pat_value_nil());
    pat_build_put(&builder, &args, "wide", pat_value_uint(UINT64_MAX));
    static const char *const cases[][2] = {
        {"a IN :list", "argument :list: expected at least one value, got an array of 0"},
        {"a = :list", "argument :list: expected one value"},
        {"a = :none", "is_null"},
        {"a = :wide", "argument :wide: expected a number of at most 17 digits"},
        {"a = 1", "args has a value for \"list\", but no filter asks for :list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pat_error error = refused_with(cases[i][0], &args);
        if (strstr(error.message, cases[i][1]) == NULL) fail_msg("%s gave %s", cases[i][0], error.message);
    }
    const struct pat_value wrong = pat_value_int(5);
    assert_non_null(strstr(refused_with("a = 1", &wrong).message, "expected a map of names and values, got 5"));
}

static void repeated(char *out, const char *part, size_t count, const char *last) {
    out[0] = '\0';
    const size_t length = strlen(part);
    for (size_t i = 0; i < count; i++) memcpy(out + i * length, part, length + 1);
    strcat(out, last);
}

static char long_text[2 * PAT_FILTER_BYTES_MAX];

static void check_too_large(const char *text) {
    assert_int_equal(refused_with(text, NULL).status, PAT_ERR_TOO_LARGE);
}

static void limits_hold_and_just_below_them_all_is_well(void **state) {
    (void)state;
    repeated(long_text, "(", PAT_FILTER_BYTES_MAX, "");
    check_too_large(long_text);
    repeated(long_text, "NOT ", PAT_FILTER_BYTES_MAX / 4, "");
    check_too_large(long_text);
    repeated(long_text, "NOT ", PAT_FILTER_DEPTH_MAX, "a = 1");
    check_too_large(long_text);
    repeated(long_text, "NOT ", PAT_FILTER_DEPTH_MAX - 1, "a = 1");
    (void)canonical(long_text);
    repeated(long_text, " ", PAT_FILTER_BYTES_MAX, "");
    (void)canonical(long_text);
    repeated(long_text, " ", PAT_FILTER_BYTES_MAX + 1, "");
    check_too_large(long_text);
    repeated(long_text, "a=1 OR ", PAT_FILTER_NODES_MAX / 2, "a=1");
    check_too_large(long_text);
    repeated(long_text, "a=1 OR ", PAT_FILTER_NODES_MAX / 3, "a=1");
    (void)canonical(long_text);
    /* Within the limit as written, over it with its quotes and blanks. */
    repeated(long_text, "a=b OR ", PAT_FILTER_NODES_MAX / 2 - 2, "a=b");
    check_too_large(long_text);
}

static void without_memory_it_says_so_and_leaks_nothing(void **state) {
    (void)state;
    const char *text = "a IN (1, 2, 3, 4, 5, 6, 7, 8, 9) AND NOT (b = 'it''s' OR c < -90d)";
    for (uint64_t nth = 1; nth < 100; nth++) {
        pat_arena_deinit(&arena);
        (void)pat_mem_fail_at(nth);
        const struct pat_filter *filter = NULL;
        struct pat_error error;
        enum pat_status status = pat_filter_parse(&filter, pat_text_of(text), NULL, &arena, &error);
        (void)pat_mem_fail_at(0);
        if (status == PAT_OK) return;
        assert_int_equal(status, PAT_ERR_NO_MEMORY);
    }
    fail_msg("never enough memory");
}

static void fields_come_once_in_their_order(void **state) {
    (void)state;
    struct pat_builder builder = {.arena = &arena};
    struct pat_value fields = pat_filter_fields(parse("b = 1 AND (a = 2 OR NOT b = 3) AND attr.c IS NULL"), &builder);
    assert_int_equal(fields.count, 3);
    assert_true(pat_value_is_text(&fields.as.items[0], "b"));
    assert_true(pat_value_is_text(&fields.as.items[1], "a"));
    assert_true(pat_value_is_text(&fields.as.items[2], "attr.c"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_condition_has_a_canonical_text, setup, teardown),
        cmocka_unit_test_setup_teardown(parts_know_where_they_stood, setup, teardown),
        cmocka_unit_test_setup_teardown(days_and_money_are_typed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mistake_is_named_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(arguments_stand_for_values, setup, teardown),
        cmocka_unit_test_setup_teardown(arguments_that_do_not_fit_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_hold_and_just_below_them_all_is_well, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so_and_leaks_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_come_once_in_their_order, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
