/* Scanner and decoder against msgpack-c: what the scanner passes msgpack-c decodes, with every text once among the keys
 * of its map and no level too deep; ext types and keys that are no texts are never decoded to a good message; pieces
 * get the verdict of the whole; what is decoded encodes to a message that decodes to the same. */
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

static bool check_msgpack(const unsigned char *frame, size_t bytes) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    PAT_ASSERT(msgpack_unpack_next(&unpacked, (const char *)frame, bytes, &offset) == MSGPACK_UNPACK_SUCCESS);
    PAT_ASSERT(offset == bytes);
    const bool ours = check_object(&unpacked.data, 1);
    msgpack_unpacked_destroy(&unpacked);
    return ours;
}

/* `ours`: there is nothing in the frame that the decoder has no value for. */
static void decode(struct pat_message *out, const unsigned char *frame, size_t bytes, bool ours,
                   struct pat_arena *arena) {
    struct pat_error error;
    enum pat_status status = pat_wire_decode(out, frame, bytes, arena, &error);
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_BAD_REQUEST || status == PAT_ERR_PROTO);
    if (status == PAT_ERR_BAD_REQUEST) PAT_ASSERT(out->kind == PAT_MESSAGE_NOTIFY || out->has_msgid);
    if (status != PAT_OK) out->result = pat_value_nil();
    PAT_ASSERT(ours || status != PAT_OK);
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
    decode(&message, once.data, once.length, true, arena);
    PAT_ASSERT(pat_wire_result(&twice, 7, &message.result) == PAT_OK);
    PAT_ASSERT(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
    pat_buf_deinit(&once);
    pat_buf_deinit(&twice);
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
        const bool ours = check_msgpack(frame, frame_bytes);
        decode(&message, frame, frame_bytes, ours, &arena);
        check_round_trip(&message.result, &arena);
        check_round_trip(&message.params, &arena);
    } else {
        /* The decoder relies on the scanner for the answer, not for its memory's sake. */
        (void)!pat_wire_decode(&message, frame, size, &arena, &error);
    }
    free(frame);
    pat_arena_deinit(&arena);
    return 0;
}
