/* Requests that are like the one before: what is taken by its bytes is what scanner and decoder make of it. */
#include "../random.h"
#include "proto/wire.h"

#include "model/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct pat_scan_limits limits = {PAT_FRAME_BYTES_MAX, PAT_FRAME_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX};

static uint64_t random_below(uint64_t below) {
    return next() % below;
}

static int begin(void **state) {
    (void)state;
    seed_choose();
    return 0;
}

static int end(void **state) {
    (void)state;
    return pat_mem_used_total() == 0 ? 0 : -1;
}

/* An id of any kind, more often than not a good one. */
static struct pat_value random_id(struct pat_builder *builder) {
    static const char *const odd[] = {
        "", "0", "007", "-5", "a\tb", "caf\xc3\xa9", "9223372036854775807", "9223372036854775808"};
    switch (random_below(8)) {
    case 0: return pat_value_string(odd[random_below(sizeof odd / sizeof odd[0])]);
    case 1: return pat_value_uint(UINT64_MAX - random_below(3));
    case 2: return pat_value_int(-(int64_t)random_below(100000));
    case 3: return pat_value_real(1.5);
    case 4: {
        char text[81];
        const size_t length = random_below(sizeof text);
        for (size_t i = 0; i < length; i++) text[i] = (char)(' ' + random_below(95));
        return pat_build_text(builder, (struct pat_text){text, length});
    }
    default: return pat_value_int((int64_t)(random_below(UINT64_C(1) << random_below(31)) << random_below(32)));
    }
}

/* {as_of?, customer: `id`, rfm?}, as `words` says. */
static struct pat_value params_of(struct pat_builder *builder, struct pat_value id, unsigned words) {
    struct pat_value params = pat_build_map(builder, 3), rfm = pat_build_map(builder, 1);
    pat_build_put(builder, &rfm, "window", pat_value_string("52w"));
    if ((words & 1) != 0) pat_build_put(builder, &params, "as_of", pat_value_int(19000 + words));
    if ((words & 2) == 0) pat_build_put(builder, &params, "customer", id);
    if ((words & 4) != 0) pat_build_put(builder, &params, "rfm", rfm);
    if ((words & 2) != 0) pat_build_put(builder, &params, "customer", id);
    return params;
}

static void put_frame(struct pat_buf *out, uint32_t msgid, unsigned words, struct pat_arena *arena) {
    struct pat_builder builder = {.arena = arena};
    const struct pat_value params = params_of(&builder, random_id(&builder), words);
    assert_false(builder.failed);
    assert_int_equal(pat_wire_request(out, msgid, (words & 8) != 0 ? "order" : "customer", &params), PAT_OK);
}

static const struct pat_value *id_of(const struct pat_message *message) {
    return pat_value_get(&message->params.as.items[0], "customer");
}

/* The same id as the decoder's value. */
static void expect_id(const struct pat_value *value, int64_t number, struct pat_text text) {
    if (value->type == PAT_VALUE_TEXT && number < 0) {
        assert_true(pat_text_equal(pat_value_as_text(value), text));
        assert_int_equal(pat_id_check(text), PAT_ID_FINE);
        assert_int_equal(pat_id_number(text), -1);
    } else if (value->type == PAT_VALUE_TEXT) {
        assert_int_equal(pat_id_number(pat_value_as_text(value)), number);
    } else {
        assert_int_equal(value->type, PAT_VALUE_INT);
        assert_int_equal(value->as.integer, number);
    }
}

/* `frame` was taken as like `first`: then it is a whole frame, and the parameters are those of the first but for the
 * id.
 */
static void expect_like(const struct pat_message *first, const struct pat_buf *frame, size_t taken, uint32_t msgid,
                        int64_t number, struct pat_text text, struct pat_arena *arena) {
    struct pat_scan scan;
    struct pat_error error;
    struct pat_message message;
    size_t frame_bytes = 0;
    pat_scan_init(&scan, limits);
    assert_int_equal(pat_scan_run(&scan, frame->data, frame->length, &frame_bytes, &error), PAT_OK);
    assert_int_equal(frame_bytes, taken);
    assert_int_equal(pat_wire_decode(&message, frame->data, frame_bytes, arena, &error), PAT_OK);
    assert_int_equal(message.kind, PAT_MESSAGE_REQUEST);
    assert_int_equal(message.msgid, msgid);
    assert_true(pat_text_equal(message.method, first->method));
    expect_id(id_of(&message), number, text);
    *(struct pat_value *)(uintptr_t)id_of(&message) = *id_of(first);
    struct pat_buf a, b;
    pat_buf_init(&a, PAT_MEM_OTHER);
    pat_buf_init(&b, PAT_MEM_OTHER);
    assert_int_equal(pat_wire_value(&a, &message.params), PAT_OK);
    assert_int_equal(pat_wire_value(&b, &first->params), PAT_OK);
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.data, b.data, a.length);
    pat_buf_deinit(&a);
    pat_buf_deinit(&b);
}

static void what_is_taken_by_its_bytes_is_what_is_decoded(void **state) {
    unsigned taken_count = 0;
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct pat_arena arena;
        struct pat_buf first, second;
        struct pat_message message;
        struct pat_error error;
        struct pat_wire_like like;
        pat_arena_init(&arena, 0);
        pat_buf_init(&first, PAT_MEM_OTHER);
        pat_buf_init(&second, PAT_MEM_OTHER);
        const unsigned words = (unsigned)random_below(16);
        put_frame(&first, (uint32_t)random_below(3) * 1000, words, &arena);
        put_frame(&second, (uint32_t)(random_below(UINT64_C(1) << random_below(33))),
                  random_below(4) == 0 ? (unsigned)random_below(16) : words, &arena);
        assert_int_equal(pat_wire_decode(&message, first.data, first.length, &arena, &error), PAT_OK);
        assert_true(pat_wire_like_open(&like, first.data, first.length, "customer"));
        assert_false(pat_wire_like_open(&(struct pat_wire_like){0}, first.data, first.length, "nobody"));
        uint32_t msgid;
        int64_t number;
        struct pat_text text;
        /* Exactly as long as it is, so that a sanitizer sees a step too far. */
        unsigned char *copy = malloc(second.length);
        assert_non_null(copy);
        memcpy(copy, second.data, second.length);
        const size_t taken = pat_wire_like_take(&like, copy, second.length, &msgid, &number, &text);
        if (taken > 0) {
            taken_count++;
            assert_int_equal(taken, second.length);
            expect_like(&message, &second, taken, msgid, number, text, &arena);
        }
        assert_int_equal(pat_wire_like_take(&like, copy, random_below(second.length), &msgid, &number, &text), 0);
        free(copy);
        pat_buf_deinit(&first);
        pat_buf_deinit(&second);
        pat_arena_deinit(&arena);
    }
    assert_in_range(taken_count, 5000, 19000);
}

/* One byte of a frame that is like the first is changed: it is taken only where it says the same, or has another id. */
static void a_changed_byte_is_seen(void **state) {
    static const char first[] = "\x94\x00\x05\xa8"
                                "customer\x91\x82\xa8"
                                "customer\xcd\x01\x02\xa5"
                                "as_of\xa3"
                                "now";
    struct pat_wire_like like;
    (void)state;
    assert_true(pat_wire_like_open(&like, (const unsigned char *)first, sizeof first - 1, "customer"));
    for (size_t at = 0; at < sizeof first - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            unsigned char frame[sizeof first - 1];
            uint32_t msgid;
            int64_t number;
            struct pat_text text;
            memcpy(frame, first, sizeof frame);
            frame[at] = (unsigned char)byte;
            const size_t taken = pat_wire_like_take(&like, frame, sizeof frame, &msgid, &number, &text);
            const bool is_msgid = at == 2 && byte <= 0x7f, is_id = at == 24 || at == 25;
            if (is_msgid || is_id || frame[at] == (unsigned char)first[at]) {
                assert_int_equal(taken, sizeof frame);
                assert_int_equal(msgid, frame[2]);
                assert_int_equal(number, frame[24] << 8 | frame[25]);
            } else {
                assert_int_equal(taken, 0);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_taken_by_its_bytes_is_what_is_decoded, begin, end),
        cmocka_unit_test(a_changed_byte_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
