/* Texts: comparison, UTF-8, showing, the nearest name. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void texts_compare_bytewise(void **state) {
    (void)state;
    struct pat_text empty = pat_text_of(NULL);
    assert_int_equal(empty.length, 0);
    assert_true(pat_text_equal(empty, PAT_TEXT("")));
    assert_true(pat_text_is(PAT_TEXT("country"), "country"));
    assert_false(pat_text_is(PAT_TEXT("country"), "countr"));
    assert_false(pat_text_is(PAT_TEXT("Country"), "country"));
    assert_int_equal(pat_text_compare(empty, PAT_TEXT("")), 0);
    assert_true(pat_text_compare(PAT_TEXT("a"), PAT_TEXT("ab")) < 0);
    assert_true(pat_text_compare(PAT_TEXT("b"), PAT_TEXT("ab")) > 0);
    assert_true(pat_text_compare(PAT_TEXT("\xC3\xA9"), PAT_TEXT("z")) > 0);
    assert_true(pat_text_equal((struct pat_text){"a\0b", 3}, (struct pat_text){"a\0b", 3}));
    assert_false(pat_text_equal((struct pat_text){"a\0b", 3}, (struct pat_text){"a\0c", 3}));
}

static size_t encode(uint32_t point, char *out) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (char)((0xF00 >> length) | point);
    return length;
}

static void every_character_and_no_surrogate_is_valid(void **state) {
    (void)state;
    for (uint32_t point = 0; point < 0x200000; point++) {
        char bytes[4];
        struct pat_text text = {bytes, encode(point, bytes)};
        bool wanted = point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
        if (pat_text_utf8_valid(text, NULL) != wanted) fail_msg("U+%04X", point);
    }
}

static void broken_utf8_is_found_where_it_is(void **state) {
    (void)state;
    static const char *const broken[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC3",
        "\xC3(",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xE2\x82",
        "\xE2(\xA1",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF0\x9F\x98",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        /* At every distance from the start, so that the eight-byte steps meet it everywhere. */
        for (size_t before = 0; before < 20; before++) {
            char bytes[64];
            memset(bytes, 'a', sizeof bytes);
            memcpy(bytes + before, broken[i], strlen(broken[i]));
            struct pat_text text = {bytes, before + strlen(broken[i])};
            size_t offset = 999;
            assert_false(pat_text_utf8_valid(text, &offset));
            assert_int_equal(offset, before);
            text.length = sizeof bytes;
            offset = 999;
            assert_false(pat_text_utf8_valid(text, &offset));
            assert_int_equal(offset, before);
        }
    }
    size_t untouched = 999;
    assert_true(pat_text_utf8_valid(PAT_TEXT("Gr\xC3\xBC\xC3\x9F dich, \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x99\x82"),
                                    &untouched));
    assert_true(pat_text_utf8_valid((struct pat_text){NULL, 0}, &untouched));
    assert_int_equal(untouched, 999);
}

static void control_characters_are_seen(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[3] = {'a', (char)byte, 'b'};
        assert_int_equal(pat_text_has_control((struct pat_text){text, 3}), byte < 0x20 || byte == 0x7F);
    }
    assert_false(pat_text_has_control((struct pat_text){NULL, 0}));
}

static void what_is_shown_is_harmless_and_fits(void **state) {
    (void)state;
    char out[32];
    assert_string_equal(pat_text_printable(PAT_TEXT("plain"), out, sizeof out), "plain");
    assert_string_equal(pat_text_printable((struct pat_text){NULL, 0}, out, sizeof out), "");
    assert_string_equal(pat_text_printable((struct pat_text){"a\0\x1B[2Jb", 7}, out, sizeof out), "a??[2Jb");
    assert_string_equal(pat_text_printable(PAT_TEXT("x\xC2\x9Bz\xC2\xA0"), out, sizeof out), "x?z\xC2\xA0");
    assert_string_equal(pat_text_printable(PAT_TEXT("\xFFok\xC3"), out, sizeof out), "?ok?");
    assert_string_equal(pat_text_printable(PAT_TEXT("123"), out, 4), "123");
    assert_string_equal(pat_text_printable(PAT_TEXT("1234"), out, 4), "...");
    assert_string_equal(pat_text_printable(PAT_TEXT("12345678"), out, 8), "1234...");
    assert_string_equal(pat_text_printable(PAT_TEXT("1234567"), out, 8), "1234567");
    /* A character is never cut in two. */
    assert_string_equal(pat_text_printable(PAT_TEXT("123\xC3\xA9"
                                                    "567890"),
                                           out, 8),
                        "123...");
    for (size_t capacity = 4; capacity < sizeof out; capacity++) {
        struct pat_text text =
            PAT_TEXT("\xE4\xBD\xA0\xC3\xA9\xF0\x9F\x99\x82-\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xBD\xA0\xE5\xA5\xBD");
        const char *shown = pat_text_printable(text, out, capacity);
        assert_true(strlen(shown) < capacity);
        assert_true(pat_text_utf8_valid(pat_text_of(shown), NULL));
    }
}

static void distance_counts_edits(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},
        {"abc", "", 3},
        {"", "abc", 3},
        {"country", "country", 0},
        {"Country", "cOUNTRY", 0},
        {"contry", "country", 1},
        {"countries", "country", 3},
        {"cuontry", "country", 1},
        {"kitten", "sitting", 3},
        {"ab", "ba", 1},
        {"abcd", "badc", 2},
        {"last_ordre", "last_order", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pat_text a = pat_text_of(cases[i].a), b = pat_text_of(cases[i].b);
        assert_int_equal(pat_text_distance(a, b), cases[i].distance);
        assert_int_equal(pat_text_distance(b, a), cases[i].distance);
    }
    char full[65];
    memset(full, 'x', sizeof full);
    struct pat_text longest = {full, 64}, longer = {full, 65};
    assert_int_equal(pat_text_distance(longest, (struct pat_text){full, 60}), 4);
    assert_int_equal(pat_text_distance(longest, longer), 64);
}

static void the_nearest_name_is_offered_only_when_near(void **state) {
    (void)state;
    static const char *const names[] = {"country", "currency", "customer", "r", "f", "m", "net", "orders", "order"};
    size_t count = sizeof names / sizeof names[0];
    assert_int_equal(pat_text_nearest(PAT_TEXT("contry"), names, count), 0);
    assert_int_equal(pat_text_nearest(PAT_TEXT("CURENCY"), names, count), 1);
    assert_int_equal(pat_text_nearest(PAT_TEXT("custmoer"), names, count), 2);
    assert_int_equal(pat_text_nearest(PAT_TEXT("order"), names, count), 8);
    assert_int_equal(pat_text_nearest(PAT_TEXT("nett"), names, count), 6);
    assert_int_equal(pat_text_nearest(PAT_TEXT("zzzzzzzz"), names, count), -1);
    assert_int_equal(pat_text_nearest(PAT_TEXT("x"), names, count), -1);
    /* More letters differ than agree. */
    static const char *const others[] = {"DE", "time", "red"};
    assert_int_equal(pat_text_nearest(PAT_TEXT("FR"), others, 3), -1);
    assert_int_equal(pat_text_nearest(PAT_TEXT("Nope"), others, 3), -1);
    assert_int_equal(pat_text_nearest(PAT_TEXT("bad"), others, 3), -1);
    assert_int_equal(pat_text_nearest(PAT_TEXT("tmie"), others, 3), 1);
    assert_int_equal(pat_text_nearest(PAT_TEXT(""), names, count), -1);
    assert_int_equal(pat_text_nearest(PAT_TEXT("country"), names, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_compare_bytewise),
        cmocka_unit_test(every_character_and_no_surrogate_is_valid),
        cmocka_unit_test(broken_utf8_is_found_where_it_is),
        cmocka_unit_test(control_characters_are_seen),
        cmocka_unit_test(what_is_shown_is_harmless_and_fits),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(the_nearest_name_is_offered_only_when_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
