/* Filter trees: both forms mean the same, errors name their path, random filters survive both. */
#include "base/mem.h"
#include "model/date.h"
#include "model/filter.h"
#include "model/limits.h"
#include "notation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static const struct pat_filter *from_value(const struct pat_value *value, const struct pat_value *args) {
    const struct pat_filter *filter = NULL;
    struct pat_error error = {.message = ""};
    if (pat_filter_from_value(&filter, value, args, &arena, &error) != PAT_OK) fail_msg("%s", error.message);
    return filter;
}

static void a_tree_and_its_text_are_the_same_filter(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"true", "TRUE"},
        {"false", "FALSE"},
        {"['=', 'country', 'BR']", "country = 'BR'"},
        {"['!=', 'country', 'BR']", "country <> 'BR'"},
        {"['<', 'net', {'money': '100', 'currency': 'EUR'}]", "net < 100 EUR"},
        {"['<', 'net', {'currency': 'EUR', 'money': 12.5}]", "net < 12.5 EUR"},
        {"['<=', 'last_order', {'days': -90}]", "last_order <= -90d"},
        {"['>', 'created', {'date': '2010-12-09'}]", "created > DATE '2010-12-09'"},
        {"['>=', 'orders', 2]", "orders >= 2"},
        {"['=', 'p', 0.1]", "p = 0.1"},
        {"['=', 'p', {'number': '0.123456789012345'}]", "p = 0.123456789012345"},
        {"['=', 't', {'text': ':x'}]", "t = ':x'"},
        {"['=', 'test', true]", "test = TRUE"},
        {"['in', 'country', ['BR', 'MX', 5]]", "country IN ('BR', 'MX', 5)"},
        {"['between', 'orders', 1, 5]", "orders BETWEEN 1 AND 5"},
        {"['is_null', 'region']", "region IS NULL"},
        {"['has', 'consent', 'email']", "consent HAS 'email'"},
        {"['not', ['in', 'country', ['BR']]]", "country NOT IN ('BR')"},
        {"['and', ['=', 'a', 1]]", "a = 1"},
        {"['and', ['and', ['=', 'a', 1], ['=', 'b', 2]], true]", "a = 1 AND b = 2 AND TRUE"},
        {"['or', ['=', 'a', 1], ['or', ['=', 'b', 2], ['and', true, false]]]", "a = 1 OR b = 2 OR TRUE AND FALSE"},
        {"['and', ['in', 'country', ['BR','MX']], ['>=', 'orders', 2], ['not', ['or', ['<', 'net', {'money': '100', "
         "'currency': 'EUR'}], ['<', 'last_order', {'days': -90}]]]]",
         "country IN ('BR', 'MX') AND orders >= 2 AND NOT (net < 100 EUR OR last_order < -90d)"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct pat_filter *filter = from_value(notation(&arena, pairs[i][0]), NULL);
        assert_string_equal(pat_filter_print(filter, &arena).data, pairs[i][1]);
        const struct pat_value text = pat_value_string(pairs[i][1]);
        assert_true(pat_filter_equal(filter, from_value(&text, NULL)));
    }
}

static void nothing_is_everybody(void **state) {
    (void)state;
    const struct pat_value nil = pat_value_nil();
    assert_int_equal(from_value(NULL, NULL)->op, PAT_FILTER_TRUE);
    assert_int_equal(from_value(&nil, NULL)->op, PAT_FILTER_TRUE);
}

static void names_with_a_colon_are_arguments(void **state) {
    (void)state;
    const struct pat_value *args = notation(&arena, "{'list': ['BR', ':n'], 'n': {'days': -5}}");
    const struct pat_value *tree =
        notation(&arena, "['and', ['in', 'a', ':list'], ['=', 'b', ':n'], ['in', 'c', [1, ':n']]]");
    assert_string_equal(pat_filter_print(from_value(tree, args), &arena).data,
                        "a IN ('BR', ':n') AND b = -5d AND c IN (1, -5d)");
}

static void a_mistake_is_named_with_its_path(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"5", "where: expected a filter as text or as a tree of arrays, got 5"},
        {"[]", "where: expected a condition, got an empty array"},
        {"[5]", "where[0]: expected an operator"},
        {"['==', 'a', 1]", "where[0]: expected \"=\", got \"==\""},
        {"['isnull', 'a']", "where[0]: unknown operator \"isnull\", did you mean \"is_null\"?"},
        {"['within the year', 'a']", "where[0]: unknown operator \"within the year\", there are and, or"},
        {"['and']", "where: expected [\"and\", condition, ...], got an array of 1"},
        {"['not', true, true]", "where: expected [\"not\", condition], got an array of 3"},
        {"['and', true, ['=', 5, 1]]", "where[2][1]: expected a field name such as \"country\", got 5"},
        {"['and', true, ['=', 'a']]", "where[2]: expected [\"=\", field, value], got an array of 2"},
        {"['=', 'and', 1]", "where[1]: expected a field name such as \"country\", got \"and\""},
        {"['=', 'a b', 1]", "where[1]: expected a field name"},
        {"['=', '', 1]", "where[1]: expected a field name"},
        {"['>=', ['count', 'orders', {'within': '365d'}], 2]",
         "where[1]: expected a field name such as \"country\", got an array of 3"},
        {"['=', 'a', null]", "where[2]: expected a value (whether a field is unset is asked with is_null), got nil"},
        {"['=', 'a', [1]]", "where[2]: expected one value"},
        {"['=', 'a', 600000000000000000]", "where[2]: expected a number of at most 17 digits"},
        {"['=', 'a', 1e300]", "where[2]: expected a number of at most 17 digits"},
        {"['=', 'a', {'days': 1.5}]", "where[2]: expected days as an integer such as -90, got 1.5"},
        {"['=', 'a', {'days': 99999999}]", "where[2]: expected days as an integer"},
        {"['=', 'a', {'date': '2023-02-29'}]", "where[2]: expected a day that is in the calendar, got \"2023-02-29\""},
        {"['=', 'a', {'money': '5'}]", "where[2]: expected {\"money\": \"500\", \"currency\": \"EUR\"}"},
        {"['=', 'a', {'money': 'x', 'currency': 'EUR'}]", "where[2]: expected an amount such as \"500\", got \"x\""},
        {"['=', 'a', {'money': '5', 'currency': 'eur'}]",
         "where[2]: expected a currency code such as \"EUR\", got \"eur\""},
        {"['=', 'a', {'weeks': 5}]", "where[2]: expected a value, or a map with one of money, days, date"},
        {"['in', 'a', []]", "where[2]: expected an array of at least one value, got an array of 0"},
        {"['in', 'a', 5]", "where[2]: expected an array of at least one value, got 5"},
        {"['in', 'a', [1, [2]]]", "where[2][1]: expected one value: a text, a number or a bool, got an array of 1"},
        {"['between', 'a', 1]", "where: expected [\"between\", field, low, high]"},
        {"['=', 'a', ':x']", "where[2]: args has no value for \":x\""},
        {"['not', 'country = 5']", "where[1]: expected a condition such as"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pat_filter *filter = NULL;
        struct pat_error error = {.message = ""};
        const struct pat_value *tree = notation(&arena, cases[i][0]);
        assert_int_equal(pat_filter_from_value(&filter, tree, NULL, &arena, &error), PAT_ERR_BAD_REQUEST);
        if (strncmp(error.message, cases[i][1], strlen(cases[i][1])) != 0) {
            fail_msg("%s\n  gave:   %s\n  wanted: %s", cases[i][0], error.message, cases[i][1]);
        }
        assert_string_equal(error.field, "where");
    }
}

static const struct pat_value *nested(const char *word, unsigned depth) {
    struct pat_builder builder = {.arena = &arena};
    struct pat_value *tree = pat_arena_alloc(&arena, sizeof *tree);
    *tree = pat_value_bool(true);
    for (unsigned i = 1; i < depth; i++) {
        struct pat_value outer = pat_build_array(&builder, 3);
        pat_build_push(&builder, &outer, pat_value_string(word));
        pat_build_push(&builder, &outer, *tree);
        *tree = outer;
    }
    return tree;
}

static void limits_hold_for_trees_too(void **state) {
    (void)state;
    const struct pat_filter *filter = NULL;
    struct pat_error error;
    (void)from_value(nested("not", PAT_FILTER_DEPTH_MAX), NULL);
    assert_int_equal(pat_filter_from_tree(&filter, nested("not", PAT_FILTER_DEPTH_MAX + 1), NULL, &arena, &error),
                     PAT_ERR_TOO_LARGE);
    assert_int_equal(pat_filter_from_tree(&filter, nested("and", 100000), NULL, &arena, &error), PAT_ERR_TOO_LARGE);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value args = pat_build_map(&builder, 1), list = pat_build_array(&builder, 4);
    for (unsigned i = 0; i < PAT_FILTER_NODES_MAX; i++) pat_build_push(&builder, &list, pat_value_int(1));
    pat_build_put(&builder, &args, "l", list);
    const struct pat_value *tree = notation(&arena, "['in', 'a', ':l']");
    assert_int_equal(pat_filter_from_tree(&filter, tree, &args, &arena, &error), PAT_ERR_TOO_LARGE);
    struct pat_value many = pat_build_map(&builder, 4);
    for (unsigned i = 0; i <= PAT_FILTER_ARGS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "a%u", i);
        pat_build_put_text_key(&builder, &many, pat_arena_text(&arena, pat_text_of(name)), pat_value_int(1));
    }
    assert_int_equal(pat_filter_from_tree(&filter, tree, &many, &arena, &error), PAT_ERR_TOO_LARGE);
    /* One long text: short as a tree of nodes, too long as a text. */
    char *big = pat_arena_alloc(&arena, PAT_FILTER_BYTES_MAX + 1);
    memset(big, 'x', PAT_FILTER_BYTES_MAX);
    struct pat_value one = pat_build_map(&builder, 1);
    pat_build_put(&builder, &one, "x", pat_value_string(big));
    assert_int_equal(pat_filter_from_tree(&filter, notation(&arena, "['=', 'a', ':x']"), &one, &arena, &error),
                     PAT_ERR_TOO_LARGE);
}

/* ---- random filters --------------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_next(void) {
    random_state += 0x9E3779B97F4A7C15u;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static unsigned random_below(unsigned n) {
    return (unsigned)(random_next() % n);
}

static struct pat_literal random_literal(void) {
    static const char *const texts[] = {"BR",  "", "'", "''", "it's", ":name", "null", "2010-12-09", "\xC3\xA9\n\t\"",
                                        "-- x"};
    static const char *const codes[] = {"EUR", "JPY", "KWD"};
    struct pat_literal literal = {.kind = (enum pat_literal_kind)random_below(PAT_LITERAL_NULL), .offset = -1};
    const int64_t mantissa = (int64_t)(random_next() >> (5 + random_below(58))) * (random_below(2) == 0 ? 1 : -1);
    switch (literal.kind) {
    case PAT_LITERAL_TEXT: literal.text = pat_text_of(texts[random_below(10)]); break;
    case PAT_LITERAL_MONEY: literal.text = pat_text_of(codes[random_below(3)]); /* fall through */
    case PAT_LITERAL_NUMBER:
        if (!pat_decimal_make(mantissa, (int)random_below(PAT_DECIMAL_SCALE_MAX + 1), &literal.number))
            literal.number = 0;
        break;
    case PAT_LITERAL_DAYS: literal.number = mantissa % (PAT_FILTER_DAYS_MAX + 1); break;
    case PAT_LITERAL_DAY:
        literal.number = PAT_DAY_MIN + (int64_t)(random_next() % (PAT_DAY_MAX - PAT_DAY_MIN + 1));
        break;
    default: literal.number = (int64_t)random_below(2); break;
    }
    return literal;
}

static void random_condition(struct pat_filter *filter) {
    static const char *const names[] = {"country", "rfm.group", "attr.color", "_x9", "date", "d"};
    filter->name = pat_text_of(names[random_below(6)]);
    filter->literals = filter->op == PAT_FILTER_IN        ? 1 + random_below(5)
                       : filter->op == PAT_FILTER_BETWEEN ? 2
                       : filter->op == PAT_FILTER_IS_NULL ? 0
                                                          : 1;
    struct pat_literal *literal = pat_arena_array(&arena, filter->literals, sizeof *literal);
    for (uint32_t i = 0; i < filter->literals; i++) literal[i] = random_literal();
    filter->literal = literal;
}

static const struct pat_filter *random_filter(unsigned depth) {
    struct pat_filter *filter = pat_arena_alloc(&arena, sizeof *filter);
    *filter = (struct pat_filter){.op = (enum pat_filter_op)random_below(PAT_FILTER_HAS + 1), .offset = -1};
    if (depth > 0 && random_below(2) == 0) filter->op = (enum pat_filter_op)random_below(PAT_FILTER_NOT + 1);
    if (depth == 0 && filter->op <= PAT_FILTER_NOT) filter->op = PAT_FILTER_EQ;
    if (filter->op > PAT_FILTER_FALSE) random_condition(filter);
    if (filter->op > PAT_FILTER_NOT) return filter;
    const uint32_t wanted = filter->op == PAT_FILTER_NOT ? 1 : 2 + random_below(3);
    const struct pat_filter **child = pat_arena_array(&arena, wanted, sizeof *child);
    while (filter->children < wanted) {
        const struct pat_filter *part = random_filter(depth - 1);
        /* Parsers flatten: AND has no AND among its parts. */
        if (part->op == filter->op && part->op != PAT_FILTER_NOT) continue;
        child[filter->children++] = part;
    }
    filter->child = child;
    return filter;
}

static void random_filters_read_back_from_both_forms(void **state) {
    (void)state;
    const char *given = getenv("PATRON_SEED");
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("seed %llu (PATRON_SEED)\n", (unsigned long long)seed);
    random_state = seed;
    for (unsigned i = 0; i < 3000; i++) {
        const struct pat_filter *filter = random_filter(i % 6);
        const struct pat_text text = pat_filter_print(filter, &arena);
        const struct pat_value as_text = pat_value_text(text);
        if (!pat_filter_equal(filter, from_value(&as_text, NULL))) fail_msg("text: %s", text.data);
        struct pat_builder builder = {.arena = &arena};
        const struct pat_value tree = pat_filter_to_tree(filter, &builder);
        assert_false(builder.failed);
        const struct pat_filter *again = from_value(&tree, NULL);
        if (!pat_filter_equal(filter, again))
            fail_msg("tree of: %s\nreads: %s", text.data, pat_filter_print(again, &arena).data);
        if (i % 100 == 0) pat_arena_deinit(&arena);
    }
}

static void different_filters_are_not_equal(void **state) {
    (void)state;
    static const char *const texts[] = {
        "a = 1",     "a <> 1",    "b = 1",          "a = 2",         "a = '1'",        "a = 1 EUR", "a = 1 USD",
        "a = 1d",    "a = TRUE",  "NOT a = 1",      "a IN (1)",      "a IN (1, 1)",    "TRUE",      "FALSE",
        "a IS NULL", "b IS NULL", "a = 1 AND TRUE", "a = 1 OR TRUE", "TRUE AND a = 1",
    };
    const size_t count = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            const struct pat_value a = pat_value_string(texts[i]), b = pat_value_string(texts[k]);
            assert_int_equal(pat_filter_equal(from_value(&a, NULL), from_value(&b, NULL)), i == k);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_and_its_text_are_the_same_filter, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_everybody, setup, teardown),
        cmocka_unit_test_setup_teardown(names_with_a_colon_are_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mistake_is_named_with_its_path, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_hold_for_trees_too, setup, teardown),
        cmocka_unit_test_setup_teardown(random_filters_read_back_from_both_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(different_filters_are_not_equal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
