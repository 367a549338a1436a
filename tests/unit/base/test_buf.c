/* Growable bytes and the bounded reader. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int end(void **state) {
    (void)state;
    (void)pat_mem_fail_at(0);
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static void what_is_appended_is_read_back(void **state) {
    (void)state;
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_NET);
    assert_int_equal(pat_buf_append_u8(&buf, 0xFE), PAT_OK);
    assert_int_equal(pat_buf_append_u32(&buf, UINT32_C(0x01020304)), PAT_OK);
    assert_int_equal(pat_buf_append_u64(&buf, UINT64_C(0xF1F2F3F4F5F6F7F8)), PAT_OK);
    assert_int_equal(pat_buf_append(&buf, "tail", 4), PAT_OK);
    assert_int_equal(pat_buf_append(&buf, NULL, 0), PAT_OK);
    assert_memory_equal(buf.data, "\xFE\x04\x03\x02\x01\xF8\xF7", 7);
    struct pat_reader reader = {.at = buf.data, .end = buf.data + buf.length};
    assert_int_equal(pat_read_u8(&reader), 0xFE);
    assert_int_equal(pat_read_u32(&reader), UINT32_C(0x01020304));
    assert_true(pat_read_u64(&reader) == UINT64_C(0xF1F2F3F4F5F6F7F8));
    assert_memory_equal(pat_read_bytes(&reader, 4), "tail", 4);
    assert_int_equal(pat_reader_left(&reader), 0);
    assert_false(reader.bad);
    pat_buf_deinit(&buf);
    assert_null(buf.data);
}

static void a_short_read_is_bad_for_good(void **state) {
    (void)state;
    const unsigned char bytes[6] = {1, 2, 3, 4, 5, 6};
    struct pat_reader reader = {.at = bytes, .end = bytes + sizeof bytes};
    assert_int_equal(pat_read_u32(&reader), UINT32_C(0x04030201));
    assert_int_equal(pat_read_u32(&reader), 0);
    assert_true(reader.bad);
    assert_int_equal(pat_read_u8(&reader), 0);
    assert_int_equal(pat_read_u64(&reader), 0);
    assert_null(pat_read_bytes(&reader, 1));
    struct pat_reader whole = {.at = bytes, .end = bytes + sizeof bytes};
    assert_null(pat_read_bytes(&whole, SIZE_MAX));
    assert_true(whole.bad);
}

static void consuming_moves_the_rest_to_the_front(void **state) {
    (void)state;
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_NET);
    for (int i = 0; i < 1000; i++) assert_int_equal(pat_buf_printf(&buf, "%03d,", i), PAT_OK);
    assert_int_equal(buf.length, 4000);
    pat_buf_consume(&buf, 0);
    pat_buf_consume(&buf, 3988);
    assert_int_equal(buf.length, 12);
    assert_memory_equal(buf.data, "997,998,999,", 12);
    pat_buf_clear(&buf);
    assert_int_equal(buf.length, 0);
    pat_buf_deinit(&buf);
}

static void no_memory_leaves_the_bytes_as_they_were(void **state) {
    (void)state;
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_JOURNAL);
    assert_int_equal(pat_buf_append(&buf, "kept", 4), PAT_OK);
    size_t capacity = buf.capacity;
    (void)pat_mem_fail_at(1);
    assert_int_equal(pat_buf_reserve(&buf, capacity), PAT_ERR_NO_MEMORY);
    assert_int_equal(pat_buf_reserve(&buf, SIZE_MAX), PAT_ERR_NO_MEMORY);
    assert_int_equal(pat_buf_reserve(&buf, SIZE_MAX - 10), PAT_ERR_NO_MEMORY);
    assert_int_equal(buf.length, 4);
    assert_int_equal(buf.capacity, capacity);
    assert_memory_equal(buf.data, "kept", 4);
    pat_buf_deinit(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_appended_is_read_back, end),
        cmocka_unit_test_teardown(a_short_read_is_bad_for_good, end),
        cmocka_unit_test_teardown(consuming_moves_the_rest_to_the_front, end),
        cmocka_unit_test_teardown(no_memory_leaves_the_bytes_as_they_were, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
