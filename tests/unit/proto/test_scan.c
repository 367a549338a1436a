/* The bounded scanner: what it passes, what it refuses and at which byte, and that slow arrival costs nothing. */
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct pat_scan_limits limits = {PAT_FRAME_BYTES_MAX, PAT_FRAME_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX};

static int end(void **state) {
    (void)state;
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static enum pat_status scan_limited(struct pat_scan_limits with, const void *data, size_t length, size_t *frame_bytes,
                                    struct pat_error *error) {
    struct pat_scan scan;
    pat_scan_init(&scan, with);
    error->offset = -2;
    return pat_scan_run(&scan, data, length, frame_bytes, error);
}

#define BYTES(literal) (literal), sizeof(literal) - 1

static void expect(enum pat_status status, int64_t offset, const void *data, size_t length) {
    size_t frame_bytes = 0;
    struct pat_error error;
    assert_int_equal(scan_limited(limits, data, length, &frame_bytes, &error), status);
    if (status == PAT_OK) {
        assert_int_equal(frame_bytes, length);
    } else if (status != PAT_ERR_MORE) {
        assert_int_equal(error.offset, offset);
        assert_true(error.message[0] != '\0');
    }
}

static void append(struct pat_buf *buf, const void *data, size_t length) {
    assert_int_equal(pat_buf_append(buf, data, length), PAT_OK);
}

static void append_u16(struct pat_buf *buf, unsigned value) {
    append(buf, (unsigned char[]){(unsigned char)(value >> 8), (unsigned char)value}, 2);
}

/* [2, "x", [ ...: one value is still to come. */
static void begin_notify(struct pat_buf *buf) {
    pat_buf_init(buf, PAT_MEM_OTHER);
    append(buf, BYTES("\x93\x02\xa1x\x91"));
}

static void whole_messages_pass(void **state) {
    (void)state;
    expect(PAT_OK, 0, BYTES("\x94\x00\x01\xa4ping\x90"));
    expect(PAT_OK, 0, BYTES("\x94\x00\xce\xff\xff\xff\xff\xc4\x04ping\x91\x80")); /* method as bin */
    expect(PAT_OK, 0, BYTES("\x93\x02\xa1x\x90"));
    expect(PAT_OK, 0,
           BYTES("\x94\x01\x01\xc0\x82\xa1"
                 "a\xc3\xa1"
                 "b\x93\xff\xcb\0\0\0\0\0\0\0\0\xc4\x02\xff\xfe"));
    expect(PAT_OK, 0, BYTES("\xdc\x00\x04\x00\x01\xa4ping\x90")); /* a roundabout head is legal */
    expect(PAT_OK, 0, BYTES("\x93\xca\0\0\0\0\xd0\x01\xd3\0\0\0\0\0\0\0\0"));
}

static void what_follows_a_message_is_not_looked_at(void **state) {
    (void)state;
    size_t frame_bytes = 0;
    struct pat_error error;
    assert_int_equal(scan_limited(limits, BYTES("\x93\x02\xa1x\x90\xc1\xc1"), &frame_bytes, &error), PAT_OK);
    assert_int_equal(frame_bytes, 5);
}

static void what_starts_no_message_is_refused_at_its_first_byte(void **state) {
    (void)state;
    expect(PAT_ERR_PROTO, 0, BYTES("GET / HTTP/1.1\r\n"));
    expect(PAT_ERR_PROTO, 0, BYTES("{"));
    expect(PAT_ERR_PROTO, 0, BYTES("\xc0"));
    expect(PAT_ERR_PROTO, 0, BYTES("\x84"));
    expect(PAT_ERR_PROTO, 0, BYTES("\x92\x00\x01"));
    expect(PAT_ERR_PROTO, 0, BYTES("\x95\x00\x01"));
    expect(PAT_ERR_PROTO, 0, BYTES("\xdd\xff\xff\xff\xff"));
    expect(PAT_ERR_MORE, 0, BYTES(""));
    expect(PAT_ERR_MORE, 0, BYTES("\xdd\xff"));
}

static void a_few_bytes_cannot_claim_much(void **state) {
    (void)state;
    expect(PAT_ERR_TOO_LARGE, 1, BYTES("\x94\xdd\xff\xff\xff\xff"));
    expect(PAT_ERR_TOO_LARGE, 1, BYTES("\x94\xdf\xff\xff\xff\xff"));
    expect(PAT_ERR_TOO_LARGE, 1, BYTES("\x94\xdb\xff\xff\xff\xff"));
    expect(PAT_ERR_TOO_LARGE, 1, BYTES("\x94\xc6\xff\xff\xff\xff"));
    expect(PAT_ERR_MORE, 0, BYTES("\x94\xdd\xff\xff\xff"));
}

static void claims_are_added_up_over_the_levels(void **state) {
    (void)state;
    /* 15 nested arrays, each of which would fit alone: 1 Mi values announced by each. */
    struct pat_buf buf;
    begin_notify(&buf);
    for (unsigned i = 0; i < 13; i++) append(&buf, BYTES("\xdd\x00\x10\x00\x00"));
    expect(PAT_ERR_TOO_LARGE, 10, buf.data, buf.length); /* the second one */
    pat_buf_deinit(&buf);
}

static void bytes_announced_must_fit_beside_values_announced(void **state) {
    (void)state;
    struct pat_scan_limits small = {.bytes_max = 20, .objects_max = 100, .depth_max = 16};
    size_t frame_bytes = 0;
    struct pat_error error;
    /* Behind the head of the str stand 15 bytes, and three values (the last of the root among them) are still to come.
     */
    assert_int_equal(scan_limited(small, BYTES("\x93\x93\xac"), &frame_bytes, &error), PAT_ERR_MORE);
    assert_int_equal(scan_limited(small, BYTES("\x93\x93\xad"), &frame_bytes, &error), PAT_ERR_MORE);
    assert_int_equal(scan_limited(small, BYTES("\x93\x93\xae"), &frame_bytes, &error), PAT_ERR_TOO_LARGE);
    assert_int_equal(error.offset, 2);
    assert_int_equal(scan_limited(small, BYTES("\x93\x9f\x01\xcf"), &frame_bytes, &error), PAT_ERR_TOO_LARGE);
    assert_int_equal(error.offset, 3);
}

static void a_message_of_just_the_limit_passes(void **state) {
    (void)state;
    struct pat_scan_limits small = {.bytes_max = 8, .objects_max = 4, .depth_max = 16};
    size_t frame_bytes = 0;
    struct pat_error error;
    assert_int_equal(scan_limited(small,
                                  BYTES("\x93\xa4"
                                        "abcd\x00\x00"),
                                  &frame_bytes, &error),
                     PAT_OK);
    assert_int_equal(scan_limited(small, BYTES("\x93\xa5"), &frame_bytes, &error), PAT_ERR_TOO_LARGE);
    assert_int_equal(scan_limited(small, BYTES("\x93\x91\x00\x00\x00"), &frame_bytes, &error), PAT_ERR_TOO_LARGE);
    assert_int_equal(error.offset, 1); /* a fifth value */
}

static void sixteen_levels_pass_and_seventeen_do_not(void **state) {
    (void)state;
    struct pat_buf buf;
    begin_notify(&buf); /* two levels */
    for (unsigned i = 0; i < 13; i++) append(&buf, BYTES("\x91"));
    append(&buf, BYTES("\x90"));
    expect(PAT_OK, 0, buf.data, buf.length);
    buf.data[buf.length - 1] = 0x91;
    append(&buf, BYTES("\x90"));
    expect(PAT_ERR_PROTO, (int64_t)buf.length - 1, buf.data, buf.length);
    pat_buf_deinit(&buf);
}

static void the_reserved_byte_is_refused(void **state) {
    (void)state;
    expect(PAT_ERR_PROTO, 2, BYTES("\x93\x02\xc1"));
    expect(PAT_ERR_PROTO, 2, BYTES("\x93\x02\xc1\x01\x01\x01"));
}

/* Each form of an ext as the last value of a message, whole and byte by byte. */
static void extension_types_pass_by_their_form(void **state) {
    (void)state;
    static const struct {
        unsigned char head[6];
        size_t head_bytes, payload;
    } forms[] = {{{0xd4, 1}, 2, 1},         {{0xd5, 1}, 2, 2},         {{0xd6, 0xff}, 2, 4}, /* a timestamp */
                 {{0xd7, 0xff}, 2, 8},      {{0xd8, 1}, 2, 16},        {{0xc7, 0, 1}, 3, 0},
                 {{0xc7, 12, 0xff}, 3, 12}, {{0xc8, 1, 2, 5}, 4, 258}, {{0xc9, 0, 0, 1, 2, 5}, 6, 258}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct pat_buf buf;
        begin_notify(&buf);
        append(&buf, forms[i].head, forms[i].head_bytes);
        for (size_t n = 0; n < forms[i].payload; n++) append(&buf, BYTES("\xc1"));
        for (size_t length = 0; length < buf.length; length++) expect(PAT_ERR_MORE, 0, buf.data, length);
        expect(PAT_OK, 0, buf.data, buf.length);
        pat_buf_deinit(&buf);
    }
    expect(PAT_ERR_TOO_LARGE, 5, BYTES("\x93\x02\xa1x\x91\xc9\xff\xff\xff\xff\x01"));
    expect(PAT_ERR_PROTO, 0, BYTES("\xd4\x01\x00"));
}

static void strings_are_utf8_and_bins_are_not_looked_at(void **state) {
    (void)state;
    expect(PAT_ERR_PROTO, 5, BYTES("\x93\x02\x91\xa3o\xc3\xff\x90"));    /* where the character starts */
    expect(PAT_ERR_PROTO, 4, BYTES("\x93\x02\x91\xa3\xed\xa0\x80\x90")); /* a surrogate */
    expect(PAT_OK, 0, BYTES("\x93\x02\x91\xa3o\xc3\xa9\x90"));
    expect(PAT_OK, 0, BYTES("\x93\x02\x91\xc4\x03o\xc3\xff\x90"));
}

static void keys_may_be_anything_whole(void **state) {
    (void)state;
    expect(PAT_OK, 0, BYTES("\x93\x02\x81\xc4\x01k\x01\x90"));
    expect(PAT_ERR_PROTO, 5, BYTES("\x93\x02\x81\xc4\x01\xff\x01\x90"));
    expect(PAT_OK, 0, BYTES("\x93\x02\x81\x01\x01\x90"));
    expect(PAT_OK, 0, BYTES("\x93\x02\x82\xc0\x01\xca\x3f\x80\x00\x00\x02\x90"));
    expect(PAT_OK, 0, BYTES("\x93\x02\x82\x90\x01\x81\x91\x05\x06\xd4\x01\xff\x90"));
    expect(PAT_OK, 0, BYTES("\x93\x02\x82\xd4\x01\xff\x01\xa1k\x02\x90"));
    /* Texts among other keys are still there once, also in a map within a key. */
    expect(PAT_ERR_PROTO, 8, BYTES("\x93\x02\x83\xa1k\x01\x02\x03\xa1k\x02\x90"));
    expect(PAT_ERR_PROTO, 6, BYTES("\x93\x02\x81\x82\xa0\x01\xa0\x02\x01\x90"));
}

/* More keys than are remembered, texts and numbers by turns, one text twice. */
static void big_maps_of_mixed_keys_are_walked_again(void **state) {
    (void)state;
    for (int twin = 0; twin < 2; twin++) {
        struct pat_buf buf;
        begin_notify(&buf);
        append(&buf, BYTES("\xde\x00\x64"));
        size_t last = 0;
        for (unsigned i = 0; i < 100; i++) {
            last = i % 2 == 0 ? buf.length : last;
            unsigned char text[] = {0xa1, (unsigned char)('!' + (twin == 1 && i == 98 ? 4 : i) / 2), 0xc0};
            append(&buf, i % 2 == 0 ? text : (unsigned char[]){0xd5, 0x01, 0x02, 0x03, 0xc0}, i % 2 == 0 ? 3 : 5);
        }
        expect(twin == 1 ? PAT_ERR_PROTO : PAT_OK, (int64_t)last, buf.data, buf.length);
        pat_buf_deinit(&buf);
    }
}

static void a_key_is_once_in_its_map(void **state) {
    (void)state;
    expect(PAT_ERR_PROTO, 6, BYTES("\x93\x02\x82\xa1k\x01\xa1k\x02\x90"));
    expect(PAT_ERR_PROTO, 6, BYTES("\x93\x02\x82\xa1k\x01\xc4\x01k\x02\x90")); /* str or bin is no difference */
    expect(PAT_ERR_PROTO, 5, BYTES("\x93\x02\x82\xa0\x01\xa0\x02\x90"));
    expect(PAT_ERR_PROTO, 6, BYTES("\x93\x02\x82\xa1k\x01\xd9\x01k\x02\x90"));
    /* The same key inside and beside a map within. */
    expect(PAT_OK, 0, BYTES("\x93\x02\x82\xa1k\x81\xa1k\x01\xa1j\x81\xa1k\x02\x90"));
}

/* A map of `count` keys "kNNNN" whose values are nil or, with `inner`, maps of their own; key `twin` is `count` - 1
 * again. */
static void append_map(struct pat_buf *buf, unsigned count, unsigned inner, int twin) {
    append(buf, BYTES("\xde"));
    append_u16(buf, count);
    for (unsigned i = 0; i < count; i++) {
        /* Spread, so that the keys come in no order. */
        unsigned name = (int)i == twin ? count - 1 : i;
        char key[7] = {(char)0xa5, 'k'};
        for (int place = 5; place >= 2; place--, name /= 10) key[place] = (char)('0' + name % 10);
        append(buf, key, 6);
        if (inner == 0) {
            append(buf, BYTES("\xc0"));
        } else {
            append_map(buf, inner, 0, -1);
        }
    }
}

static void big_maps_are_checked_too(void **state) {
    (void)state;
    static const unsigned counts[] = {1, 2, 63, 64, 65, 200, 4096};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct pat_buf buf;
        begin_notify(&buf);
        append_map(&buf, counts[i], 0, -1);
        expect(PAT_OK, 0, buf.data, buf.length);
        pat_buf_deinit(&buf);
        if (counts[i] < 2) continue;
        begin_notify(&buf);
        append_map(&buf, counts[i], 0, (int)counts[i] / 3);
        expect(PAT_ERR_PROTO, (int64_t)buf.length - 7, buf.data, buf.length); /* the later one of the two is named */
        pat_buf_deinit(&buf);
    }
    struct pat_buf buf;
    begin_notify(&buf);
    append(&buf, BYTES("\xde\x10\x01"));
    expect(PAT_ERR_TOO_LARGE, 5, buf.data, buf.length);
    pat_buf_deinit(&buf);
}

static void maps_in_big_maps_keep_their_keys_apart(void **state) {
    (void)state;
    for (unsigned outer = 20; outer <= 100; outer += 40) {
        for (unsigned inner = 20; inner <= 100; inner += 40) {
            struct pat_buf buf;
            begin_notify(&buf);
            append_map(&buf, outer, inner, -1);
            expect(PAT_OK, 0, buf.data, buf.length);
            pat_buf_deinit(&buf);
            begin_notify(&buf);
            append_map(&buf, outer, inner, 3);
            expect(PAT_ERR_PROTO, (int64_t)(buf.length - 3 - inner * 7 - 6), buf.data, buf.length);
            pat_buf_deinit(&buf);
        }
    }
}

/* A load as it is usual: parameters, and columns as arrays. */
static void append_load(struct pat_buf *buf, unsigned rows) {
    append(buf, BYTES("\x94\x00\x07\xabload.orders\x91\x83\xa8producer\xa1p\xa3seq\x01\xa7"
                      "columns\x82\xa5order\xdc"));
    append_u16(buf, rows);
    for (unsigned i = 0; i < rows; i++) append(buf, BYTES("\xa9order-123"));
    append(buf, BYTES("\xa6"
                      "amount\xdc"));
    append_u16(buf, rows);
    for (unsigned i = 0; i < rows; i++) append(buf, BYTES("\xcd\x12\x34"));
}

/* Feeds one byte more per call, from a copy of just the bytes that came. Gives the heads that were read. */
static size_t feed_by_bytes(const unsigned char *data, size_t length, enum pat_status *status,
                            struct pat_error *error) {
    struct pat_scan scan;
    pat_scan_init(&scan, limits);
    size_t frame_bytes = 0;
    *status = PAT_ERR_MORE;
    for (size_t have = 0; have <= length && *status == PAT_ERR_MORE; have++)
        *status = pat_scan_run(&scan, data, have, &frame_bytes, error);
    return scan.heads_read;
}

static void byte_by_byte_the_work_is_linear(void **state) {
    (void)state;
    for (unsigned rows = 1000; rows <= 32000; rows *= 32) {
        struct pat_buf buf;
        pat_buf_init(&buf, PAT_MEM_OTHER);
        append_load(&buf, rows);
        struct pat_error error;
        enum pat_status status;
        size_t heads = feed_by_bytes(buf.data, buf.length, &status, &error);
        assert_int_equal(status, PAT_OK);
        /* Once when its first byte comes, once when its head is whole, once when its bytes are. */
        assert_in_range(heads, 2 * rows, 3 * (2 * rows + 20));
        pat_buf_deinit(&buf);
    }
}

static void walking_big_maps_again_is_linear_too(void **state) {
    (void)state;
    /* 13 levels of maps, each with more keys than are remembered, one inside the other. */
    struct pat_buf buf;
    begin_notify(&buf);
    unsigned values = 0;
    for (unsigned level = 0; level < 13; level++) {
        append(&buf, BYTES("\xde"));
        append_u16(&buf, 101);
        for (unsigned i = 0; i < 100; i++) {
            append(&buf, (unsigned char[]){0xa2, 'k', (unsigned char)(i + 20), 0xc0}, 4);
            values += 2;
        }
        append(&buf, BYTES("\xa0"));
    }
    append(&buf, BYTES("\xc0"));
    struct pat_error error;
    enum pat_status status;
    size_t heads = feed_by_bytes(buf.data, buf.length, &status, &error);
    assert_int_equal(status, PAT_OK);
    assert_in_range(heads, values, (size_t)values * (3 + 13));
    pat_buf_deinit(&buf);
}

static void pieces_give_the_verdict_of_the_whole(void **state) {
    (void)state;
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    append_load(&buf, 20);
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned char copy[1024];
        assert_in_range(buf.length, 1, sizeof copy);
        memcpy(copy, buf.data, buf.length);
        for (int flips = rand() % 4; flips > 0; flips--) copy[(size_t)rand() % buf.length] = (unsigned char)rand();
        struct pat_error whole = {.offset = -2}, pieces = {.offset = -2};
        size_t frame_bytes = 0;
        enum pat_status expected = scan_limited(limits, copy, buf.length, &frame_bytes, &whole);
        enum pat_status status;
        (void)feed_by_bytes(copy, buf.length, &status, &pieces);
        assert_int_equal(status, expected);
        if (expected != PAT_OK && expected != PAT_ERR_MORE) assert_int_equal(pieces.offset, whole.offset);
    }
    pat_buf_deinit(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_pass),
        cmocka_unit_test(what_follows_a_message_is_not_looked_at),
        cmocka_unit_test(what_starts_no_message_is_refused_at_its_first_byte),
        cmocka_unit_test(a_few_bytes_cannot_claim_much),
        cmocka_unit_test(claims_are_added_up_over_the_levels),
        cmocka_unit_test(bytes_announced_must_fit_beside_values_announced),
        cmocka_unit_test(a_message_of_just_the_limit_passes),
        cmocka_unit_test(sixteen_levels_pass_and_seventeen_do_not),
        cmocka_unit_test(the_reserved_byte_is_refused),
        cmocka_unit_test(extension_types_pass_by_their_form),
        cmocka_unit_test(strings_are_utf8_and_bins_are_not_looked_at),
        cmocka_unit_test(keys_may_be_anything_whole),
        cmocka_unit_test(big_maps_of_mixed_keys_are_walked_again),
        cmocka_unit_test(a_key_is_once_in_its_map),
        cmocka_unit_test(big_maps_are_checked_too),
        cmocka_unit_test(maps_in_big_maps_keep_their_keys_apart),
        cmocka_unit_test(byte_by_byte_the_work_is_linear),
        cmocka_unit_test(walking_big_maps_again_is_linear_too),
        cmocka_unit_test(pieces_give_the_verdict_of_the_whole),
    };
    return cmocka_run_group_tests_name("proto/scan", tests, NULL, end);
}
