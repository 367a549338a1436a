/* The msgid of a frame that cannot be decoded. */
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define UNTOUCHED 77u

static uint32_t peek(const char *bytes, size_t length) {
    /* Exactly as long as it claims, so that a sanitizer sees a step too far. */
    unsigned char *copy = pat_mem_alloc(PAT_MEM_OTHER, length);
    uint32_t msgid = UNTOUCHED;
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    bool found = pat_wire_peek_msgid(copy, length, &msgid);
    pat_mem_free(PAT_MEM_OTHER, copy);
    assert_true(found || msgid == UNTOUCHED);
    return msgid;
}

#define PEEK(literal) peek((literal), sizeof(literal) - 1)

static void every_form_of_a_msgid_is_read(void **state) {
    (void)state;
    assert_int_equal(PEEK("\x94\x00\x05"), 5);
    assert_int_equal(PEEK("\x94\x00\xcc\xff\xa4pi"), 255);
    assert_int_equal(PEEK("\x94\x00\xcd\x12\x34\xa4ping\x90"), 0x1234);
    assert_int_equal(PEEK("\xdc\x00\x04\x00\xce\xff\xff\xff\xff"), UINT32_MAX);
    assert_int_equal(PEEK("\xdd\x00\x00\x00\x04\x00\x7f"), 127);
}

static void what_shows_none_gives_none(void **state) {
    (void)state;
    assert_int_equal(PEEK("\x94"), UNTOUCHED);
    assert_int_equal(PEEK("\x94\x00"), UNTOUCHED);
    assert_int_equal(PEEK("\x94\x00\xce\x01\x02\x03"), UNTOUCHED);
    assert_int_equal(PEEK("\x94\x00\xcf\x00\x00\x00\x00\x00\x00\x00\x01"), UNTOUCHED);
    assert_int_equal(PEEK("\x94\x00\xa1x"), UNTOUCHED);
    assert_int_equal(PEEK("\x94\x00\xff"), UNTOUCHED);
    assert_int_equal(PEEK("\x94\x01\x05"), UNTOUCHED);
    assert_int_equal(PEEK("\x93\x02\x05"), UNTOUCHED);
    assert_int_equal(PEEK("\xdc\x00"), UNTOUCHED);
    assert_int_equal(PEEK("\xc1"), UNTOUCHED);
    assert_int_equal(PEEK("GET / HTTP/1.1"), UNTOUCHED);
    uint32_t msgid = UNTOUCHED;
    assert_false(pat_wire_peek_msgid(NULL, 0, &msgid));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_a_msgid_is_read),
        cmocka_unit_test(what_shows_none_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
