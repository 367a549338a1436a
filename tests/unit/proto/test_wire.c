/* Messages there and back: what is encoded decodes to the same, mistakes are told apart, memory is accounted. */
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(literal) (const unsigned char *)(literal), sizeof(literal) - 1

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

static void assert_value_equal(const struct pat_value *a, const struct pat_value *b) {
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->count, b->count);
    switch ((enum pat_value_type)a->type) {
    case PAT_VALUE_NIL: break;
    case PAT_VALUE_BOOL: assert_int_equal(a->as.boolean, b->as.boolean); break;
    case PAT_VALUE_INT:
    case PAT_VALUE_UINT: assert_true(a->as.uinteger == b->as.uinteger); break;
    case PAT_VALUE_FLOAT: assert_memory_equal(&a->as.real, &b->as.real, sizeof a->as.real); break;
    case PAT_VALUE_TEXT: assert_memory_equal(a->as.text, b->as.text, a->count); break;
    case PAT_VALUE_BIN: assert_memory_equal(a->as.bin, b->as.bin, a->count); break;
    case PAT_VALUE_ARRAY:
        for (uint32_t i = 0; i < a->count; i++) assert_value_equal(&a->as.items[i], &b->as.items[i]);
        break;
    case PAT_VALUE_MAP:
        for (uint32_t i = 0; i < a->count; i++) {
            assert_true(pat_text_equal(a->as.members[i].key, b->as.members[i].key));
            assert_value_equal(&a->as.members[i].value, &b->as.members[i].value);
        }
        break;
    }
}

static void scanned(const unsigned char *data, size_t length) {
    struct pat_scan scan;
    pat_scan_init(&scan, (struct pat_scan_limits){PAT_FRAME_BYTES_MAX, PAT_FRAME_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX});
    size_t frame_bytes = 0;
    struct pat_error error;
    assert_int_equal(pat_scan_run(&scan, data, length, &frame_bytes, &error), PAT_OK);
    assert_int_equal(frame_bytes, length);
}

static enum pat_status decode(struct pat_message *out, const unsigned char *data, size_t length) {
    scanned(data, length);
    struct pat_error error = {.message = ""};
    enum pat_status status = pat_wire_decode(out, data, length, &arena, &error);
    if (status != PAT_OK) assert_true(error.message[0] != '\0');
    return status;
}

static struct pat_value everything(void) {
    struct pat_builder builder = {.arena = &arena};
    struct pat_value map = pat_build_map(&builder, 8);
    static const int64_t integers[] = {0,          127,       128,       255,       256,       65535,        65536,
                                       UINT32_MAX, -1,        -32,       -33,       -128,      -129,         -32768,
                                       -32769,     INT32_MIN, 1LL << 33, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    struct pat_value array = pat_build_array(&builder, 4);
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++)
        pat_build_push(&builder, &array, pat_value_int(integers[i]));
    pat_build_push(&builder, &array, pat_value_uint(UINT64_MAX));
    pat_build_push(&builder, &array, pat_value_uint((uint64_t)INT64_MAX + 1));
    pat_build_put(&builder, &map, "integers", array);
    pat_build_put(&builder, &map, "nil", pat_value_nil());
    pat_build_put(&builder, &map, "yes", pat_value_bool(true));
    pat_build_put(&builder, &map, "no", pat_value_bool(false));
    pat_build_put(&builder, &map, "real", pat_value_real(0.1));
    pat_build_put(&builder, &map, "text", pat_value_string("caf\xc3\xa9"));
    pat_build_put(&builder, &map, "empty", pat_value_string(""));
    pat_build_put(&builder, &map, "bin",
                  (struct pat_value){.type = PAT_VALUE_BIN, .count = 3, .as.bin = (const unsigned char *)"\xff\0\xfe"});
    pat_build_put(&builder, &map, "no items", pat_build_array(&builder, 0));
    pat_build_put(&builder, &map, "no members", pat_build_map(&builder, 0));
    assert_false(builder.failed);
    return map;
}

static void what_is_sent_arrives(void **state) {
    (void)state;
    struct pat_value sent = everything();
    struct pat_message message;
    assert_int_equal(pat_wire_request(&buf, UINT32_MAX, "count", &sent), PAT_OK);
    assert_int_equal(decode(&message, buf.data, buf.length), PAT_OK);
    assert_int_equal(message.kind, PAT_MESSAGE_REQUEST);
    assert_true(message.has_msgid);
    assert_true(message.msgid == UINT32_MAX);
    assert_true(pat_text_is(message.method, "count"));
    const struct pat_value *argument;
    assert_int_equal(pat_wire_argument(&message, &argument, NULL), PAT_OK);
    assert_value_equal(argument, &sent);

    pat_buf_clear(&buf);
    assert_int_equal(pat_wire_result(&buf, 9, &sent), PAT_OK);
    assert_int_equal(decode(&message, buf.data, buf.length), PAT_OK);
    assert_int_equal(message.kind, PAT_MESSAGE_RESPONSE);
    assert_int_equal(message.msgid, 9);
    assert_int_equal(message.error.type, PAT_VALUE_NIL);
    assert_value_equal(&message.result, &sent);
}

static void numbers_take_their_smallest_form(void **state) {
    (void)state;
    struct pat_value value = pat_value_int(5);
    assert_int_equal(pat_wire_value(&buf, &value), PAT_OK);
    value = pat_value_int(-1);
    assert_int_equal(pat_wire_value(&buf, &value), PAT_OK);
    value = pat_value_int(300);
    assert_int_equal(pat_wire_value(&buf, &value), PAT_OK);
    value = pat_value_uint(UINT64_MAX);
    assert_int_equal(pat_wire_value(&buf, &value), PAT_OK);
    static const char expected[] = "\x05\xff\xcd\x01\x2c\xcf\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_int_equal(buf.length, sizeof expected - 1);
    assert_memory_equal(buf.data, expected, sizeof expected - 1);
}

static void texts_and_bins_stay_in_the_frame(void **state) {
    (void)state;
    static const unsigned char frame[] = "\x93\x02\xc4\x03get\x92\xa2hi\xc4\x01\xff";
    struct pat_message message;
    assert_int_equal(decode(&message, frame, sizeof frame - 1), PAT_OK);
    assert_int_equal(message.kind, PAT_MESSAGE_NOTIFY);
    assert_false(message.has_msgid);
    assert_true(pat_text_is(message.method, "get"));
    assert_ptr_equal(message.method.data, frame + 4);
    assert_ptr_equal(message.params.as.items[0].as.text, frame + 9);
    assert_ptr_equal(message.params.as.items[1].as.bin, frame + 13);
}

static void other_forms_of_numbers_are_read(void **state) {
    (void)state;
    struct pat_message message;
    assert_int_equal(decode(&message, BYTES("\x94\x01\xcd\x00\x07\xc0\x94\xca\x3f\x80\x00\x00\xd3\0\0\0\0\0\0\0\x05"
                                            "\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xd0\x80")),
                     PAT_OK);
    assert_int_equal(message.msgid, 7);
    const struct pat_value *items = message.result.as.items;
    assert_int_equal(items[0].type, PAT_VALUE_FLOAT);
    assert_true(items[0].as.real == 1.0);
    assert_int_equal(items[1].type, PAT_VALUE_INT);
    assert_int_equal(items[1].as.integer, 5);
    assert_int_equal(items[2].type, PAT_VALUE_UINT);
    assert_int_equal(items[3].as.integer, -128);
}

static void a_mistaken_request_can_be_answered(void **state) {
    (void)state;
    static const struct {
        const char *frame;
        size_t length;
    } cases[] = {
        {"\x94\x00\x2a\x01\x90", 5},         /* the method is a number */
        {"\x94\x00\x2a\xc4\x01\xff\x90", 7}, /* or no text */
        {"\x94\x00\x2a\xa1x\x80", 6},        /* params are a map */
        {"\x94\x00\x2a\xa1x\xc0", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pat_message message;
        assert_int_equal(decode(&message, (const unsigned char *)cases[i].frame, cases[i].length), PAT_ERR_BAD_REQUEST);
        assert_int_equal(message.kind, PAT_MESSAGE_REQUEST);
        assert_true(message.has_msgid);
        assert_int_equal(message.msgid, 42);
    }
    struct pat_message message;
    assert_int_equal(decode(&message, BYTES("\x93\x02\x01\x90")), PAT_ERR_BAD_REQUEST);
    assert_int_equal(message.kind, PAT_MESSAGE_NOTIFY);
    assert_false(message.has_msgid);
}

static void what_is_messagepack_and_no_value_is_a_mistake(void **state) {
    (void)state;
    static const struct {
        const char *params;
        size_t length;
    } cases[] = {
        {"\x91\x81\x01\x02", 4},                              /* {1: 2} */
        {"\x91\x81\xa1k\x81\xc0\xd4\x01\x00", 9},             /* {"k": {nil: ext}} */
        {"\x91\xd6\xff\x00\x00\x00\x01", 7},                  /* a timestamp */
        {"\x91\xc7\x00\x05", 4},                              /* an ext of nothing */
        {"\x91\x82\x90\x01\x81\xd5\x01\x00\x00\x02\x03", 11}, /* {[]: 1, {ext: 2}: 3} */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int notify = 0; notify < 2; notify++) {
            struct pat_message message;
            pat_buf_clear(&buf);
            assert_int_equal(
                pat_buf_append(&buf, notify == 1 ? "\x93\x02\xa1x" : "\x94\x00\x07\xa1x", notify == 1 ? 4 : 5), PAT_OK);
            assert_int_equal(pat_buf_append(&buf, cases[i].params, cases[i].length), PAT_OK);
            assert_int_equal(decode(&message, buf.data, buf.length), PAT_ERR_BAD_REQUEST);
            assert_int_equal(message.kind, notify == 1 ? PAT_MESSAGE_NOTIFY : PAT_MESSAGE_REQUEST);
            assert_int_equal(message.has_msgid, notify == 0);
            if (notify == 0) assert_int_equal(message.msgid, 7);
        }
    }
    struct pat_message message;
    assert_int_equal(decode(&message, BYTES("\x94\x01\x07\xc0\xd4\x01\x00")), PAT_ERR_BAD_REQUEST); /* an answer */
    assert_int_equal(decode(&message, BYTES("\x94\x00\xd4\x01\x00\xa1x\x90")), PAT_ERR_PROTO);      /* as msgid */
}

static void what_is_no_rpc_ends_the_connection(void **state) {
    (void)state;
    struct pat_message message;
    assert_int_equal(decode(&message, BYTES("\x94\x03\x01\xa1x\x90")), PAT_ERR_PROTO);
    assert_int_equal(decode(&message, BYTES("\x94\xff\x01\xa1x\x90")), PAT_ERR_PROTO);
    assert_int_equal(decode(&message, BYTES("\x94\xa1x\x01\xa1x\x90")), PAT_ERR_PROTO);
    assert_int_equal(decode(&message, BYTES("\x93\x00\x01\x90")), PAT_ERR_PROTO);       /* a request of three */
    assert_int_equal(decode(&message, BYTES("\x94\x02\xa1x\x90\x90")), PAT_ERR_PROTO);  /* a notification of four */
    assert_int_equal(decode(&message, BYTES("\x94\x00\xff\xa1x\x90")), PAT_ERR_PROTO);  /* msgid -1 */
    assert_int_equal(decode(&message, BYTES("\x94\x00\xa1i\xa1x\x90")), PAT_ERR_PROTO); /* msgid "i" */
    assert_int_equal(decode(&message, BYTES("\x94\x00\xcf\0\0\0\1\0\0\0\0\xa1x\x90")), PAT_ERR_PROTO); /* 2^32 */
    assert_false(message.has_msgid);
}

static void bytes_that_were_not_scanned_do_no_harm(void **state) {
    (void)state;
    struct pat_message message;
    struct pat_error error;
    assert_int_equal(pat_wire_decode(&message, BYTES("\x94\xdd\xff\xff\xff\xff"), &arena, &error), PAT_ERR_PROTO);
    assert_int_equal(pat_wire_decode(&message, BYTES("\x94\xdb\xff\xff\xff\xff"), &arena, &error), PAT_ERR_PROTO);
    assert_int_equal(pat_wire_decode(&message, BYTES("\x93\x02\xa1x\x90\x90"), &arena, &error), PAT_ERR_PROTO);
    assert_int_equal(pat_wire_decode(&message, BYTES("\x93\x02\xc1\x90"), &arena, &error), PAT_ERR_PROTO);
    assert_int_equal(pat_wire_decode(&message, BYTES("\x05"), &arena, &error), PAT_ERR_PROTO);
    assert_int_equal(pat_wire_decode(&message, BYTES(""), &arena, &error), PAT_ERR_PROTO);
}

static void one_argument_is_a_map_or_none(void **state) {
    (void)state;
    static const struct {
        const char *frame;
        size_t length;
        enum pat_status status;
        bool given;
    } cases[] = {
        {"\x94\x00\x01\xa1x\x90", 6, PAT_OK, false},
        {"\x94\x00\x01\xa1x\x91\xc0", 7, PAT_OK, false},
        {"\x94\x00\x01\xa1x\x91\x80", 7, PAT_OK, true},
        {"\x94\x00\x01\xa1x\x91\x01", 7, PAT_ERR_BAD_REQUEST, false},
        {"\x94\x00\x01\xa1x\x91\x90", 7, PAT_ERR_BAD_REQUEST, false},
        {"\x94\x00\x01\xa1x\x92\x80\x80", 8, PAT_ERR_BAD_REQUEST, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pat_message message;
        assert_int_equal(decode(&message, (const unsigned char *)cases[i].frame, cases[i].length), PAT_OK);
        const struct pat_value *argument;
        struct pat_error error;
        assert_int_equal(pat_wire_argument(&message, &argument, &error), cases[i].status);
        assert_int_equal(argument != NULL, cases[i].given);
    }
}

static struct pat_message decode_error(const struct pat_error *error, bool map) {
    pat_buf_clear(&buf);
    assert_int_equal(pat_wire_error(&buf, 3, error, map), PAT_OK);
    struct pat_message message;
    assert_int_equal(decode(&message, buf.data, buf.length), PAT_OK);
    assert_int_equal(message.msgid, 3);
    assert_int_equal(message.result.type, PAT_VALUE_NIL);
    return message;
}

static void errors_come_as_string_or_map(void **state) {
    (void)state;
    struct pat_error error;
    (void)pat_error_set_at(&error, PAT_ERR_BAD_REQUEST, "amount", 12, -1, "not an amount");
    struct pat_message message = decode_error(&error, false);
    assert_true(pat_value_is_text(&message.error, "BAD_REQUEST: not an amount"));
    message = decode_error(&error, true);
    assert_int_equal(message.error.count, 7);
    assert_true(pat_value_is_text(pat_value_get(&message.error, "code"), "BAD_REQUEST"));
    assert_true(pat_value_is_text(pat_value_get(&message.error, "message"), "not an amount"));
    assert_true(pat_value_is_text(pat_value_get(&message.error, "field"), "amount"));
    assert_int_equal(pat_value_get(&message.error, "row")->as.integer, 12);
    assert_int_equal(pat_value_get(&message.error, "offset")->type, PAT_VALUE_NIL);
    assert_false(pat_value_get(&message.error, "retryable")->as.boolean);
    assert_int_equal(pat_value_get(&message.error, "retry_after_ms")->type, PAT_VALUE_NIL);

    (void)pat_error_set(&error, PAT_ERR_BUSY, "try again");
    message = decode_error(&error, true);
    assert_true(pat_value_get(&message.error, "retryable")->as.boolean);
    assert_true(pat_value_get(&message.error, "retry_after_ms")->as.integer > 0);
    assert_int_equal(pat_value_get(&message.error, "field")->type, PAT_VALUE_NIL);
}

static void a_message_cut_within_a_character_is_still_utf8(void **state) {
    (void)state;
    char text[PAT_ERROR_MESSAGE_BYTES * 2];
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof text - 1] = '\0';
    struct pat_error error;
    (void)pat_error_set(&error, PAT_ERR_BAD_REQUEST, "x%s", text);
    (void)decode_error(&error, false); /* scans */
    (void)pat_error_set(&error, PAT_ERR_BAD_REQUEST, "%s", text);
    (void)decode_error(&error, true);
}

static void decoding_takes_accounted_memory_only_and_stays_in_the_limit(void **state) {
    (void)state;
    struct pat_builder builder = {.arena = &arena};
    struct pat_value array = pat_build_array(&builder, 65536);
    for (int i = 0; i < 65536; i++) pat_build_push(&builder, &array, pat_value_string("customer-17"));
    assert_int_equal(pat_wire_request(&buf, 1, "x", &array), PAT_OK);
    struct pat_message message;
    struct pat_error error;
    struct pat_arena small;
    pat_arena_init(&small, 65536);
    assert_int_equal(pat_wire_decode(&message, buf.data, buf.length, &small, &error), PAT_ERR_NO_MEMORY);
    pat_arena_deinit(&small);
    pat_mem_set_budget(pat_mem_used_total() + 500000); /* the values take a megabyte */
    assert_int_equal(pat_wire_decode(&message, buf.data, buf.length, &arena, &error), PAT_ERR_NO_MEMORY);
    pat_mem_set_budget(0);
    assert_int_equal(decode(&message, buf.data, buf.length), PAT_OK);
    assert_int_equal(message.params.as.items[0].count, 65536);
    assert_true(pat_value_is_text(&message.params.as.items[0].as.items[65535], "customer-17"));
}

static void every_failed_allocation_leaves_whole_frames(void **state) {
    (void)state;
    struct pat_value value = everything();
    for (uint64_t nth = 1;; nth++) {
        pat_buf_deinit(&buf);
        (void)pat_mem_fail_at(nth);
        enum pat_status status = pat_wire_result(&buf, 1, &value);
        (void)pat_mem_fail_at(0);
        if (status == PAT_OK) break;
        assert_int_equal(status, PAT_ERR_NO_MEMORY);
        assert_int_equal(buf.length, 0);
    }
    for (uint64_t nth = 1;; nth++) {
        struct pat_arena own;
        pat_arena_init(&own, 0);
        struct pat_message message;
        struct pat_error error;
        (void)pat_mem_fail_at(nth);
        enum pat_status status = pat_wire_decode(&message, buf.data, buf.length, &own, &error);
        (void)pat_mem_fail_at(0);
        pat_arena_deinit(&own);
        if (status == PAT_OK) break;
        assert_int_equal(status, PAT_ERR_NO_MEMORY);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_sent_arrives),
        TEST(numbers_take_their_smallest_form),
        TEST(texts_and_bins_stay_in_the_frame),
        TEST(other_forms_of_numbers_are_read),
        TEST(a_mistaken_request_can_be_answered),
        TEST(what_is_messagepack_and_no_value_is_a_mistake),
        TEST(what_is_no_rpc_ends_the_connection),
        TEST(bytes_that_were_not_scanned_do_no_harm),
        TEST(one_argument_is_a_map_or_none),
        TEST(errors_come_as_string_or_map),
        TEST(a_message_cut_within_a_character_is_still_utf8),
        TEST(decoding_takes_accounted_memory_only_and_stays_in_the_limit),
        TEST(every_failed_allocation_leaves_whole_frames),
    };
    return cmocka_run_group_tests_name("proto/wire", tests, NULL, NULL);
}
