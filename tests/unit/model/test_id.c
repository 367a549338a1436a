/* Which ids are numbers, which are refused, and why. */
#include "model/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void canonical_decimals_are_numbers_and_print_back(void **state) {
    (void)state;
    static const int64_t numbers[] = {0, 1, 9, 10, 12345, 999999999999999999, 1000000000000000000, INT64_MAX};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        char text[21];
        const size_t length = pat_id_print(numbers[i], text);
        assert_int_equal(strlen(text), length);
        assert_int_equal(pat_id_number((struct pat_text){text, length}), numbers[i]);
    }
}

static void everything_else_stays_text(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "00",
                                        "01",
                                        "-1",
                                        "+1",
                                        "1 ",
                                        " 1",
                                        "1a",
                                        "1.0",
                                        "9223372036854775808",
                                        "9999999999999999999",
                                        "10000000000000000000",
                                        "C123",
                                        "\xd9\xa1"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (pat_id_number(pat_text_of(texts[i])) != -1) fail_msg("\"%s\" is taken as a number", texts[i]);
    }
}

static void ids_out_of_the_rules_are_refused_with_a_reason(void **state) {
    (void)state;
    char longest[66];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(pat_id_check((struct pat_text){longest, 64}), PAT_ID_FINE);
    assert_int_equal(pat_id_check((struct pat_text){longest, 65}), PAT_ID_LONG);
    assert_int_equal(pat_id_check((struct pat_text){NULL, 0}), PAT_ID_EMPTY);
    assert_int_equal(pat_id_check(PAT_TEXT("a\nb")), PAT_ID_CONTROL);
    assert_int_equal(pat_id_check(PAT_TEXT("a\0b")), PAT_ID_CONTROL);
    assert_int_equal(pat_id_check(PAT_TEXT("a\x7f")), PAT_ID_CONTROL);
    assert_int_equal(pat_id_check(PAT_TEXT("a\xff")), PAT_ID_UTF8);
    assert_int_equal(pat_id_check(PAT_TEXT("Z\xc3\xbcrich 7")), PAT_ID_FINE);
    assert_int_equal(pat_id_check(PAT_TEXT("0")), PAT_ID_FINE);
    for (int fault = PAT_ID_EMPTY; fault <= PAT_ID_UTF8; fault++) {
        assert_true(strncmp(pat_id_fault_text((enum pat_id_fault)fault), "an id ", 6) == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_decimals_are_numbers_and_print_back),
        cmocka_unit_test(everything_else_stays_text),
        cmocka_unit_test(ids_out_of_the_rules_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
