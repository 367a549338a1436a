/* Scanner, decoder and encoder against msgpack-c: what the scanner passes msgpack-c decodes, with every text once among
 * the keys of its map and no level too deep, and our decoder to the same values; ext types and keys that are no texts
 * are never decoded to a good message; pieces get the verdict of the whole; what is decoded encodes to the bytes that
 * msgpack-c writes. */
#include "proto/wire.h"

#include <msgpack.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pat_scan_limits limits = {1u << 20, 1u << 16, PAT_FRAME_DEPTH_MAX};

/* A copy of just these bytes, so that a sanitizer sees one byte too far. */
static unsigned char *copy_of(const uint8_t *data, size_t bytes) {
    unsigned char *copy = malloc(bytes > 0 ? bytes : 1);
    PAT_ASSERT(copy != NULL);
    if (bytes > 0) memcpy(copy, data, bytes);
    return copy;
}

static enum pat_status scan_whole(const uint8_t *data, size_t size, size_t *frame_bytes, struct pat_error *error) {
    struct pat_scan scan;
    pat_scan_init(&scan, limits);
    return pat_scan_run(&scan, data, size, frame_bytes, error);
}

static void check_pieces(const uint8_t *data, size_t size, size_t cut, enum pat_status expected, size_t expected_bytes,
                         const struct pat_error *expected_error) {
    struct pat_scan scan;
    pat_scan_init(&scan, limits);
    size_t frame_bytes = 0;
    struct pat_error error = {.offset = -1};
    unsigned char *first = copy_of(data, cut);
    enum pat_status status = pat_scan_run(&scan, first, cut, &frame_bytes, &error);
    free(first);
    if (status == PAT_ERR_MORE) status = pat_scan_run(&scan, data, size, &frame_bytes, &error);
    PAT_ASSERT(status == expected);
    if (status == PAT_OK) PAT_ASSERT(frame_bytes == expected_bytes);
    if (status != PAT_OK && status != PAT_ERR_MORE) PAT_ASSERT(error.offset == expected_error->offset);
}

static bool is_text(const msgpack_object *key) {
    return key->type == MSGPACK_OBJECT_STR || key->type == MSGPACK_OBJECT_BIN;
}

static void check_keys(const msgpack_object_map *map) {
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        if (!is_text(key)) continue;
        for (uint32_t j = 0; j < i && map->size <= 1000; j++) {
            const msgpack_object *other = &map->ptr[j].key;
            PAT_ASSERT(!is_text(other) || key->via.str.size != other->via.str.size ||
                       memcmp(key->via.str.ptr, other->via.str.ptr, key->via.str.size) != 0);
        }
    }
}

/* Gives whether there is nothing in it but values of ours. */
static bool check_object(const msgpack_object *object, unsigned depth) {
    bool ours = object->type != MSGPACK_OBJECT_EXT;
    PAT_ASSERT(depth <= PAT_FRAME_DEPTH_MAX ||
               (object->type != MSGPACK_OBJECT_ARRAY && object->type != MSGPACK_OBJECT_MAP));
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < object->via.array.size; i++)
            ours = check_object(&object->via.array.ptr[i], depth + 1) && ours;
    } else if (object->type == MSGPACK_OBJECT_MAP) {
        check_keys(&object->via.map);
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            ours = is_text(&object->via.map.ptr[i].key) && ours;
            (void)check_object(&object->via.map.ptr[i].key, depth + 1);
            ours = check_object(&object->via.map.ptr[i].val, depth + 1) && ours;
        }
    }
    return ours;
}

/* Where nothing is, msgpack-c points wherever its parser stood. */
static bool is_same_place(const void *ours, const void *theirs, size_t bytes) {
    return bytes == 0 || ours == theirs;
}

static void check_same(const struct pat_value *value, const msgpack_object *object) {
    switch (object->type) {
    case MSGPACK_OBJECT_NIL: PAT_ASSERT(value->type == PAT_VALUE_NIL); break;
    case MSGPACK_OBJECT_BOOLEAN:
        PAT_ASSERT(value->type == PAT_VALUE_BOOL && value->as.boolean == object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        PAT_ASSERT(value->type == (object->via.u64 <= INT64_MAX ? PAT_VALUE_INT : PAT_VALUE_UINT));
        PAT_ASSERT(value->as.uinteger == object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        PAT_ASSERT(value->type == PAT_VALUE_INT && value->as.integer == object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        PAT_ASSERT(value->type == PAT_VALUE_FLOAT);
        PAT_ASSERT(memcmp(&value->as.real, &object->via.f64, sizeof value->as.real) == 0);
        break;
    case MSGPACK_OBJECT_STR:
        PAT_ASSERT(value->type == PAT_VALUE_TEXT && value->count == object->via.str.size);
        PAT_ASSERT(is_same_place(value->as.text, object->via.str.ptr, value->count));
        break;
    case MSGPACK_OBJECT_BIN:
        PAT_ASSERT(value->type == PAT_VALUE_BIN && value->count == object->via.bin.size);
        PAT_ASSERT(is_same_place(value->as.bin, object->via.bin.ptr, value->count));
        break;
    case MSGPACK_OBJECT_ARRAY:
        PAT_ASSERT(value->type == PAT_VALUE_ARRAY && value->count == object->via.array.size);
        for (uint32_t i = 0; i < value->count; i++) check_same(&value->as.items[i], &object->via.array.ptr[i]);
        break;
    case MSGPACK_OBJECT_MAP:
        PAT_ASSERT(value->type == PAT_VALUE_MAP && value->count == object->via.map.size);
        for (uint32_t i = 0; i < value->count; i++) {
            const struct pat_text key = value->as.members[i].key;
            PAT_ASSERT(key.length == object->via.map.ptr[i].key.via.str.size);
            PAT_ASSERT(is_same_place(key.data, object->via.map.ptr[i].key.via.str.ptr, key.length));
            check_same(&value->as.members[i].value, &object->via.map.ptr[i].val);
        }
        break;
    case MSGPACK_OBJECT_EXT: PAT_ASSERT(object->type != MSGPACK_OBJECT_EXT); /* none is decoded to a value */
    }
}

static int buf_write(void *data, const char *bytes, size_t length) {
    return pat_buf_append(data, bytes, length) == PAT_OK ? 0 : -1;
}

/* Nothing that we write in another form: a float is a double with us, and a key a str. */
static bool has_one_form(const msgpack_object *object) {
    bool one = object->type != MSGPACK_OBJECT_FLOAT32;
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < object->via.array.size; i++) one = has_one_form(&object->via.array.ptr[i]) && one;
    } else if (object->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            one = object->via.map.ptr[i].key.type == MSGPACK_OBJECT_STR && one;
            one = has_one_form(&object->via.map.ptr[i].val) && one;
        }
    }
    return one;
}

static void check_packed(const struct pat_value *value, const msgpack_object *object) {
    struct pat_buf ours, theirs;
    msgpack_packer packer;
    if (!has_one_form(object)) return;
    pat_buf_init(&ours, PAT_MEM_OTHER);
    pat_buf_init(&theirs, PAT_MEM_OTHER);
    msgpack_packer_init(&packer, &theirs, buf_write);
    PAT_ASSERT(msgpack_pack_object(&packer, *object) == 0);
    PAT_ASSERT(pat_wire_value(&ours, value) == PAT_OK);
    PAT_ASSERT(ours.length == theirs.length && memcmp(ours.data, theirs.data, ours.length) == 0);
    pat_buf_deinit(&ours);
    pat_buf_deinit(&theirs);
}

/* What the message has is what msgpack-c found. */
static void check_parts(const struct pat_message *message, const msgpack_object_array *parts) {
    if (message->kind == PAT_MESSAGE_RESPONSE) {
        check_same(&message->error, &parts->ptr[2]);
        check_same(&message->result, &parts->ptr[3]);
        check_packed(&message->result, &parts->ptr[3]);
    } else {
        check_same(&message->params, &parts->ptr[parts->size - 1]);
        check_packed(&message->params, &parts->ptr[parts->size - 1]);
    }
}

/* `ours`: there is nothing in the frame that the decoder has no value for. */
static enum pat_status decode(struct pat_message *out, const unsigned char *frame, size_t bytes, bool ours,
                              struct pat_arena *arena) {
    struct pat_error error;
    enum pat_status status = pat_wire_decode(out, frame, bytes, arena, &error);
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_BAD_REQUEST || status == PAT_ERR_PROTO);
    if (status == PAT_ERR_BAD_REQUEST) PAT_ASSERT(out->kind == PAT_MESSAGE_NOTIFY || out->has_msgid);
    if (status != PAT_OK) out->result = pat_value_nil();
    PAT_ASSERT(ours || status != PAT_OK);
    return status;
}

static void decode_both(struct pat_message *out, const unsigned char *frame, size_t bytes, struct pat_arena *arena) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    PAT_ASSERT(msgpack_unpack_next(&unpacked, (const char *)frame, bytes, &offset) == MSGPACK_UNPACK_SUCCESS);
    PAT_ASSERT(offset == bytes);
    const bool ours = check_object(&unpacked.data, 1);
    if (decode(out, frame, bytes, ours, arena) == PAT_OK) check_parts(out, &unpacked.data.via.array);
    msgpack_unpacked_destroy(&unpacked);
}

static void check_round_trip(const struct pat_value *value, struct pat_arena *arena) {
    struct pat_buf once, twice;
    pat_buf_init(&once, PAT_MEM_OTHER);
    pat_buf_init(&twice, PAT_MEM_OTHER);
    PAT_ASSERT(pat_wire_result(&once, 7, value) == PAT_OK);
    size_t frame_bytes = 0;
    struct pat_error error;
    /* Smallest forms of everything: but a float may have become a double, and the whole longer than the limit. */
    enum pat_status status = scan_whole(once.data, once.length, &frame_bytes, &error);
    PAT_ASSERT(status == PAT_OK || once.length > limits.bytes_max);
    struct pat_message message;
    (void)decode(&message, once.data, once.length, true, arena);
    PAT_ASSERT(pat_wire_result(&twice, 7, &message.result) == PAT_OK);
    PAT_ASSERT(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
    pat_buf_deinit(&once);
    pat_buf_deinit(&twice);
}

static const char *const like_keys[] = {"customer", "where", "producer", "x"};

/* What is taken as like the request before it, by its bytes, is what scanner and decoder make of it. */
static void check_like(const struct pat_message *first, const uint8_t *frame, size_t frame_bytes, const uint8_t *rest,
                       size_t left, struct pat_arena *arena) {
    for (size_t k = 0; k < sizeof like_keys / sizeof like_keys[0]; k++) {
        struct pat_wire_like like;
        uint32_t msgid;
        int64_t number;
        struct pat_text text;
        if (!pat_wire_like_open(&like, frame, frame_bytes, like_keys[k])) continue;
        unsigned char *next = copy_of(rest, left);
        const size_t taken = pat_wire_like_take(&like, next, left, &msgid, &number, &text);
        size_t next_bytes = 0;
        struct pat_error error;
        struct pat_message message;
        if (taken > 0) {
            PAT_ASSERT(scan_whole(next, left, &next_bytes, &error) == PAT_OK && next_bytes == taken);
            PAT_ASSERT(pat_wire_decode(&message, next, taken, arena, &error) == PAT_OK);
            PAT_ASSERT(message.kind == PAT_MESSAGE_REQUEST && message.msgid == msgid);
            PAT_ASSERT(pat_text_equal(message.method, first->method) && message.params.count == 1);
            const struct pat_value *id = pat_value_get(&message.params.as.items[0], like_keys[k]);
            PAT_ASSERT(id != NULL && (id->type == PAT_VALUE_INT || id->type == PAT_VALUE_TEXT));
            PAT_ASSERT(id->type == PAT_VALUE_TEXT || (id->as.integer == number && number >= 0));
            PAT_ASSERT(number >= 0 || pat_text_equal(pat_value_as_text(id), text));
            PAT_ASSERT(pat_value_get(&first->params.as.items[0], like_keys[k]) != NULL);
            PAT_ASSERT(first->params.as.items[0].count == message.params.as.items[0].count);
        }
        free(next);
    }
}

/* Only a request that is no mistake leads others. */
static void check_good(const uint8_t *frame, size_t frame_bytes, const uint8_t *rest, size_t left,
                       struct pat_arena *arena) {
    struct pat_message message;
    struct pat_error error;
    if (pat_wire_decode(&message, frame, frame_bytes, arena, &error) != PAT_OK) return;
    if (message.kind == PAT_MESSAGE_REQUEST && message.params.count == 1 &&
        message.params.as.items[0].type == PAT_VALUE_MAP)
        check_like(&message, frame, frame_bytes, rest, left, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t frame_bytes = 0;
    struct pat_error error = {.offset = -1};
    enum pat_status status = scan_whole(data, size, &frame_bytes, &error);
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_MORE || status == PAT_ERR_PROTO || status == PAT_ERR_TOO_LARGE);
    /* Three cuts that depend on nothing but the input. */
    check_pieces(data, size, size / 2, status, frame_bytes, &error);
    check_pieces(data, size, size > 0 ? (data[size - 1] * 31u + data[0]) % size : 0, status, frame_bytes, &error);
    check_pieces(data, size, size > 0 ? size - 1 : 0, status, frame_bytes, &error);
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_message message = {.kind = PAT_MESSAGE_REQUEST};
    unsigned char *frame = copy_of(data, status == PAT_OK ? frame_bytes : size);
    if (status == PAT_OK) {
        decode_both(&message, frame, frame_bytes, &arena);
        check_round_trip(&message.result, &arena);
        check_round_trip(&message.params, &arena);
        check_good(frame, frame_bytes, data + frame_bytes, size - frame_bytes, &arena);
    } else {
        /* The decoder relies on the scanner for the answer, not for its memory's sake. */
        (void)!pat_wire_decode(&message, frame, size, &arena, &error);
    }
    free(frame);
    pat_arena_deinit(&arena);
    return 0;
}
