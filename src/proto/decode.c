#include "proto/wire.h"

#include "base/mem.h"
#include "base/text.h"
#include "proto/wire_private.h"

#include <msgpack.h>

/* msgpack-c's own stack has 32 levels (MSGPACK_EMBED_STACK_SIZE, not in its public header). */
_Static_assert(PAT_FRAME_DEPTH_MAX < 32, "msgpack-c must be able to follow what the scanner passes");

/* Counts the values inside `data`, which must be one whole value. The scanner saw to that; looking again costs little
 * and says how much memory msgpack-c will want, to the byte. */
static bool values_count(const unsigned char *data, size_t length, size_t *count) {
    size_t at = 0;
    uint64_t pending = 1;
    size_t seen = 0;
    for (; pending > 0; pending--) {
        if (at >= length) return false;
        struct pat_wire__head head = pat_wire__head_read(data + at, length - at);
        if (head.kind == PAT_WIRE__RESERVED) return false;
        if (head.bytes > length - at || pat_wire__payload(&head) > length - at - head.bytes) return false;
        at += head.bytes + (size_t)pat_wire__payload(&head);
        pending += pat_wire__children(&head);
        if (pending > length - at + 1) return false;
        seen++;
    }
    *count = seen;
    return at == length;
}

/* ---- msgpack-c's objects to values ------------------------------------------------------------------------------ */

struct converter {
    struct pat_arena *arena;
    const char *foreign; /* what stands in the message that is MessagePack and no value of ours; NULL: nothing */
};

static bool convert(struct converter *converter, struct pat_value *out, const msgpack_object *object);

static bool convert_array(struct converter *converter, struct pat_value *out, const msgpack_object_array *array) {
    struct pat_value *items = pat_arena_array(converter->arena, array->size, sizeof *items);
    if (items == NULL) return false;
    for (uint32_t i = 0; i < array->size; i++) {
        if (!convert(converter, &items[i], &array->ptr[i])) return false;
    }
    *out = (struct pat_value){.type = PAT_VALUE_ARRAY, .count = array->size, .as.items = items};
    return true;
}

/* str and bin have the same layout. */
static struct pat_text convert_key(struct converter *converter, const msgpack_object *key) {
    if (key->type == MSGPACK_OBJECT_BIN) return (struct pat_text){key->via.bin.ptr, key->via.bin.size};
    if (key->type == MSGPACK_OBJECT_STR) return (struct pat_text){key->via.str.ptr, key->via.str.size};
    converter->foreign = "keys of maps are strings, and here is one that is none";
    return PAT_TEXT("");
}

static bool convert_map(struct converter *converter, struct pat_value *out, const msgpack_object_map *map) {
    struct pat_member *members = pat_arena_array(converter->arena, map->size, sizeof *members);
    if (members == NULL) return false;
    for (uint32_t i = 0; i < map->size; i++) {
        members[i].key = convert_key(converter, &map->ptr[i].key);
        if (!convert(converter, &members[i].value, &map->ptr[i].val)) return false;
    }
    *out = (struct pat_value){.type = PAT_VALUE_MAP, .count = map->size, .as.members = members};
    return true;
}

/* False when there is no memory. Recursion is as deep as the frame: PAT_FRAME_DEPTH_MAX. */
static bool convert(struct converter *converter, struct pat_value *out, const msgpack_object *object) {
    *out = pat_value_nil();
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN: *out = pat_value_bool(object->via.boolean); return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: *out = pat_value_uint(object->via.u64); return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: *out = pat_value_int(object->via.i64); return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: *out = pat_value_real(object->via.f64); return true;
    case MSGPACK_OBJECT_STR:
        *out =
            (struct pat_value){.type = PAT_VALUE_TEXT, .count = object->via.str.size, .as.text = object->via.str.ptr};
        return true;
    case MSGPACK_OBJECT_BIN:
        *out = (struct pat_value){
            .type = PAT_VALUE_BIN, .count = object->via.bin.size, .as.bin = (const unsigned char *)object->via.bin.ptr};
        return true;
    case MSGPACK_OBJECT_ARRAY: return convert_array(converter, out, &object->via.array);
    case MSGPACK_OBJECT_MAP: return convert_map(converter, out, &object->via.map);
    case MSGPACK_OBJECT_EXT:
        converter->foreign = "MessagePack extension types, such as timestamps, are not taken";
        return true;
    case MSGPACK_OBJECT_NIL: break;
    }
    return true;
}

/* Of a small request: they fit the stack. */
#define FEW_VALUES 128u

/* The zone that msgpack-c fills is laid over memory of the accountant, of exactly the size that it will need: it never
 * asks malloc, so the budget holds for decoding too. Texts stay where they are, in `data`. */
static enum pat_status frame_unpack(struct converter *converter, struct pat_value *out, const unsigned char *data,
                                    size_t length, struct pat_error *error) {
    size_t values;
    if (!values_count(data, length, &values)) return pat_error_set(error, PAT_ERR_PROTO, "the message is not whole");
    size_t bytes = values * sizeof(msgpack_object);
    msgpack_object few[FEW_VALUES];
    char *const taken = values <= FEW_VALUES ? NULL : pat_mem_alloc(PAT_MEM_QUERY, bytes);
    char *const block = values <= FEW_VALUES ? (char *)few : taken;
    if (block == NULL)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to decode a message of %zu bytes", length);
    msgpack_zone zone = {.chunk_list = {.free = bytes, .ptr = block}, .chunk_size = MSGPACK_ZONE_CHUNK_SIZE};
    msgpack_object object;
    size_t offset = 0;
    enum pat_status status = PAT_OK;
    if (msgpack_unpack((const char *)data, length, &offset, &zone, &object) != MSGPACK_UNPACK_SUCCESS) {
        status = pat_error_set(error, PAT_ERR_PROTO, "the message cannot be decoded");
    } else if (!convert(converter, out, &object)) {
        status = pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to decode a message of %zu bytes", length);
    }
    PAT_ASSERT(zone.chunk_list.head == NULL);
    pat_mem_free(PAT_MEM_QUERY, taken);
    return status;
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static enum pat_status msgid_read(struct pat_message *out, const struct pat_value *value, struct pat_error *error) {
    if (value->type != PAT_VALUE_INT || value->as.integer < 0 || value->as.integer > UINT32_MAX)
        return pat_error_set(error, PAT_ERR_PROTO, "msgid is %s; expected an integer from 0 to 4294967295",
                             pat_value_type_name(value));
    out->msgid = (uint32_t)value->as.integer;
    out->has_msgid = true;
    return PAT_OK;
}

/* Method names come as str or, from clients that know no better, as bin. */
static bool method_read(struct pat_text *out, const struct pat_value *value) {
    if (value->type != PAT_VALUE_TEXT && value->type != PAT_VALUE_BIN) return false;
    *out =
        (struct pat_text){value->type == PAT_VALUE_TEXT ? value->as.text : (const char *)value->as.bin, value->count};
    return pat_text_utf8_valid(*out, NULL);
}

/* `method` and `params` of a request or notification stand at items[at]. */
static enum pat_status call_read(struct pat_message *out, const struct pat_value *items, struct pat_error *error) {
    if (!method_read(&out->method, &items[0]))
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "the method is %s; expected its name as a string",
                             pat_value_type_name(&items[0]));
    if (items[1].type != PAT_VALUE_ARRAY)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "params are %s; expected an array: [] or [{...}]",
                             pat_value_type_name(&items[1]));
    out->params = items[1];
    return PAT_OK;
}

enum pat_status pat_wire_decode(struct pat_message *out, const unsigned char *data, size_t length,
                                struct pat_arena *arena, struct pat_error *error) {
    *out = (struct pat_message){.kind = PAT_MESSAGE_REQUEST};
    struct pat_value root;
    struct converter converter = {.arena = arena};
    PAT_TRY(frame_unpack(&converter, &root, data, length, error));
    if (root.type != PAT_VALUE_ARRAY || root.count < 3)
        return pat_error_set(error, PAT_ERR_PROTO, "a MessagePack-RPC message is an array of 3 or 4 values");
    const struct pat_value *items = root.as.items;
    if (items[0].type != PAT_VALUE_INT || items[0].as.integer < PAT_MESSAGE_REQUEST ||
        items[0].as.integer > PAT_MESSAGE_NOTIFY)
        return pat_error_set(error, PAT_ERR_PROTO,
                             "a message starts with 0 (request), 1 (response) or 2 (notification)");
    out->kind = (enum pat_message_kind)items[0].as.integer;
    uint32_t expected = out->kind == PAT_MESSAGE_NOTIFY ? 3 : 4;
    if (root.count != expected)
        return pat_error_set(error, PAT_ERR_PROTO, "a message of type %d has %u values, not %u", (int)out->kind,
                             expected, root.count);
    if (out->kind != PAT_MESSAGE_NOTIFY) PAT_TRY(msgid_read(out, &items[1], error));
    if (converter.foreign != NULL) return pat_error_set(error, PAT_ERR_BAD_REQUEST, "%s", converter.foreign);
    if (out->kind != PAT_MESSAGE_RESPONSE) return call_read(out, &items[expected - 2], error);
    out->error = items[2];
    out->result = items[3];
    return PAT_OK;
}

enum pat_status pat_wire_argument(const struct pat_message *message, const struct pat_value **out,
                                  struct pat_error *error) {
    const struct pat_value *params = &message->params;
    *out = NULL;
    if (params->count == 0) return PAT_OK;
    const struct pat_value *first = &params->as.items[0];
    if (params->count > 1)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "%u arguments; expected one map of named parameters: [{...}]",
                             params->count);
    if (first->type == PAT_VALUE_NIL) return PAT_OK;
    if (first->type != PAT_VALUE_MAP)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "the argument is %s; expected a map of named parameters: [{...}]",
                             pat_value_type_name(first));
    *out = first;
    return PAT_OK;
}
