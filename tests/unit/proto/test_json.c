/* JSON to values and back. */
#include "proto/json.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pat_arena arena;
static struct pat_buf buf;

static int setup(void **state) {
    (void)state;
    pat_arena_init(&arena, 0);
    pat_buf_init(&buf, PAT_MEM_OTHER);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    (void)pat_mem_fail_at(0);
    pat_arena_deinit(&arena);
    pat_buf_deinit(&buf);
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static const char *printed(const struct pat_value *value, bool pretty) {
    pat_buf_clear(&buf);
    assert_int_equal(pat_json_print(&buf, value, pretty), PAT_OK);
    assert_int_equal(pat_buf_append_u8(&buf, 0), PAT_OK);
    return (const char *)buf.data;
}

static struct pat_value parsed(const char *text) {
    struct pat_value value;
    struct pat_error error = {.message = ""};
    enum pat_status status = pat_json_parse(&value, pat_text_of(text), &arena, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, PAT_OK);
    return value;
}

static void compact_json_comes_back_as_it_was(void **state) {
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.1",
        "1.0",
        "-0.0",
        "1e+300",
        "5e-324",
        "1.7976931348623157e+308",
        "\"\"",
        "[]",
        "{}",
        "[1,[2,[3]],{\"a\":null}]",
        "{\"a\":1,\"c\":[true,false],\"b\":{\"x\":\"y\"}}",
        "\"\\\"\\\\\\n\\r\\t\\u0001\\u0000\xc3\xa9\xf0\x9f\x8e\x81\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct pat_value value = parsed(texts[i]);
        assert_string_equal(printed(&value, false), texts[i]);
    }
}

static void pretty_json_indents_by_two(void **state) {
    (void)state;
    struct pat_value value = parsed("{\"a\":[1,{\"b\":[]}],\"c\":{}}");
    assert_string_equal(printed(&value, true),
                        "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}");
}

static void integers_up_to_uint64_are_kept(void **state) {
    (void)state;
    struct pat_value value = parsed("[9223372036854775807, 9223372036854775808, 1, \"9223372036854775809\", -5, 2.5,"
                                    " {\"k18446744073709551615\": 18446744073709551615}, 7]");
    assert_int_equal(value.as.items[0].type, PAT_VALUE_INT);
    assert_int_equal(value.as.items[1].type, PAT_VALUE_UINT);
    assert_string_equal(printed(&value, false),
                        "[9223372036854775807,9223372036854775808,1,\"9223372036854775809\",-5,2.5,"
                        "{\"k18446744073709551615\":18446744073709551615},7]");
    struct pat_error error;
    assert_int_equal(pat_json_parse(&value, pat_text_of("[18446744073709551616]"), &arena, &error),
                     PAT_ERR_BAD_REQUEST);
    assert_int_equal(pat_json_parse(&value, pat_text_of("-9223372036854775809"), &arena, &error), PAT_ERR_BAD_REQUEST);
}

static void doubles_print_in_their_shortest_form(void **state) {
    (void)state;
    static const double reals[] = {0.1, 1.0 / 3, 2.0 / 3, 1e15, 1e22, 123456789.125, 4.35, 1e-7, 3.0, 5e-324};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        struct pat_value value = pat_value_real(reals[i]);
        assert_true(strtod(printed(&value, false), NULL) == reals[i]);
    }
    struct pat_value value = pat_value_real(4.35);
    assert_string_equal(printed(&value, false), "4.35");
    value = pat_value_real(1e15);
    assert_string_equal(printed(&value, false), "1e+15");
    value = pat_value_real(100000.0);
    assert_string_equal(printed(&value, false), "100000.0");
    value = pat_value_real(NAN);
    assert_string_equal(printed(&value, false), "null");
    value = pat_value_real(-INFINITY);
    assert_string_equal(printed(&value, false), "null");
}

static void a_locale_with_a_comma_changes_nothing(void **state) {
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "de_DE") == NULL) skip();
    struct pat_value value = parsed("[0.5,1e3]");
    char text[32];
    (void)snprintf(text, sizeof text, "%s", printed(&value, false));
    (void)setlocale(LC_NUMERIC, "C");
    assert_string_equal(text, "[0.5,1000.0]");
}

static void bytes_print_as_base64(void **state) {
    (void)state;
    static const char *const expected[] = {"\"\"", "\"/w==\"", "\"/wA=\"", "\"/wCq\"", "\"/wCqVQ==\""};
    for (uint32_t count = 0; count < 5; count++) {
        struct pat_value value = {
            .type = PAT_VALUE_BIN, .count = count, .as.bin = (const unsigned char *)"\xff\x00\xaa\x55"};
        assert_string_equal(printed(&value, false), expected[count]);
    }
}

static void expect_bad(const char *text, int64_t offset) {
    struct pat_value value;
    struct pat_error error = {.offset = -2};
    assert_int_equal(pat_json_parse(&value, pat_text_of(text), &arena, &error), PAT_ERR_BAD_REQUEST);
    if (offset >= 0) assert_int_equal(error.offset, offset);
    assert_in_range(error.offset, 0, strlen(text));
}

static void mistakes_name_their_byte(void **state) {
    (void)state;
    expect_bad("", 0);
    expect_bad("{\"a\": 1, \"a\": 2}", -1);
    expect_bad("{} x", -1);
    expect_bad("[1,]", -1);
    expect_bad("{\"a\"", -1);
    expect_bad("\"abc", -1);
    expect_bad("\"\\", -1);
    expect_bad("[\"a\xff\"]", 3);
    expect_bad("[NaN]", -1);
    expect_bad("[01]", -1);
    expect_bad("[1e999]", -1);
    expect_bad("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 16);
    (void)parsed("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");
    (void)parsed("[\"[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"]");
}

static void no_memory_is_an_answer(void **state) {
    (void)state;
    static const char text[] = "{\"a\":[1,2.5,\"x\",18446744073709551615],\"b\":{\"c\":null}}";
    for (uint64_t nth = 1;; nth++) {
        struct pat_arena own;
        pat_arena_init(&own, 0);
        struct pat_value value;
        struct pat_error error;
        (void)pat_mem_fail_at(nth);
        enum pat_status status = pat_json_parse(&value, pat_text_of(text), &own, &error);
        (void)pat_mem_fail_at(0);
        if (status == PAT_OK) assert_string_equal(printed(&value, false), text);
        pat_arena_deinit(&own);
        if (status == PAT_OK) break;
        assert_int_equal(status, PAT_ERR_NO_MEMORY);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(compact_json_comes_back_as_it_was),
        TEST(pretty_json_indents_by_two),
        TEST(integers_up_to_uint64_are_kept),
        TEST(doubles_print_in_their_shortest_form),
        TEST(a_locale_with_a_comma_changes_nothing),
        TEST(bytes_print_as_base64),
        TEST(mistakes_name_their_byte),
        TEST(no_memory_is_an_answer),
    };
    return cmocka_run_group_tests_name("proto/json", tests, NULL, NULL);
}
