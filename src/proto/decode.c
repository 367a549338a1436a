#include "proto/wire.h"

#include "base/text.h"
#include "proto/wire_private.h"

#include <string.h>

/* ---- bytes to values -------------------------------------------------------------------------------------------- */

/* The scanner has seen to it that the bytes are whole, and no deeper than this stack; who comes without it gets
 * PAT_ERR_PROTO, never a byte read that is not there nor memory for values that cannot be. */
struct decoder {
    const unsigned char *at, *end;
    struct pat_arena *arena;
    const char *foreign; /* what stands in the message that is MessagePack and no value of ours; NULL: nothing */
};

static enum pat_status value_take(struct decoder *decoder, struct pat_value *out, unsigned depth);

static struct pat_value float_of(uint64_t bits, unsigned width) {
    if (width == 4) {
        const uint32_t narrow = (uint32_t)bits;
        float single;
        memcpy(&single, &narrow, sizeof single);
        return pat_value_real((double)single);
    }
    double real;
    memcpy(&real, &bits, sizeof real);
    return pat_value_real(real);
}

/* nil, bool and numbers: a head of one byte, or of one and as many as the number has. */
static struct pat_value scalar_of(const unsigned char *at, unsigned width) {
    const unsigned char byte = at[0];
    const uint64_t bits = pat_wire__big_endian(at + 1, width);
    if (byte <= 0x7f) return pat_value_int(byte);
    if (byte >= 0xe0) return pat_value_int((int8_t)byte);
    switch (byte) {
    case 0xc2:
    case 0xc3: return pat_value_bool(byte == 0xc3);
    case 0xca:
    case 0xcb: return float_of(bits, width);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: return pat_value_uint(bits);
    case 0xd0: return pat_value_int((int8_t)bits);
    case 0xd1: return pat_value_int((int16_t)bits);
    case 0xd2: return pat_value_int((int32_t)bits);
    case 0xd3: return pat_value_int((int64_t)bits);
    default: return pat_value_nil();
    }
}

_Static_assert(PAT_VALUE_NIL == 0, "zeroed memory is nils");

static enum pat_status array_take(struct decoder *decoder, struct pat_value *out, uint32_t count, unsigned depth) {
    struct pat_value *items = pat_arena_array(decoder->arena, count, sizeof *items);
    if (items == NULL) return PAT_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        /* The arena's zeros are nils. */
        const size_t left = (size_t)(decoder->end - decoder->at);
        const size_t nils = pat_wire__nils(decoder->at, count - i < left ? count - i : left);
        decoder->at += nils;
        i += (uint32_t)nils;
        if (i < count) PAT_TRY(value_take(decoder, &items[i], depth));
    }
    *out = (struct pat_value){.type = PAT_VALUE_ARRAY, .count = count, .as.items = items};
    return PAT_OK;
}

/* Texts of up to 31 bytes, which most keys and texts are; false for anything else. */
static inline bool short_text_take(struct decoder *decoder, struct pat_text *out) {
    const size_t left = (size_t)(decoder->end - decoder->at);
    if (left == 0 || (decoder->at[0] & 0xe0) != 0xa0) return false;
    const size_t length = decoder->at[0] & 0x1f;
    if (length > left - 1) return false;
    *out = (struct pat_text){(const char *)decoder->at + 1, length};
    decoder->at += 1 + length;
    return true;
}

/* Keys are str or, from clients that know no better, bin. */
static enum pat_status key_take(struct decoder *decoder, struct pat_text *out, unsigned depth) {
    struct pat_value key;
    if (short_text_take(decoder, out)) return PAT_OK;
    PAT_TRY(value_take(decoder, &key, depth));
    if (key.type == PAT_VALUE_TEXT || key.type == PAT_VALUE_BIN) {
        *out = (struct pat_text){key.type == PAT_VALUE_TEXT ? key.as.text : (const char *)key.as.bin, key.count};
        return PAT_OK;
    }
    decoder->foreign = "keys of maps are strings, and here is one that is none";
    *out = PAT_TEXT("");
    return PAT_OK;
}

static enum pat_status map_take(struct decoder *decoder, struct pat_value *out, uint32_t count, unsigned depth) {
    struct pat_member *members = pat_arena_array(decoder->arena, count, sizeof *members);
    if (members == NULL) return PAT_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        PAT_TRY(key_take(decoder, &members[i].key, depth));
        PAT_TRY(value_take(decoder, &members[i].value, depth));
    }
    *out = (struct pat_value){.type = PAT_VALUE_MAP, .count = count, .as.members = members};
    return PAT_OK;
}

/* Texts and bins are borrowed where they stand. `depth`: levels that the value may still have. */
static enum pat_status value_take(struct decoder *decoder, struct pat_value *out, unsigned depth) {
    const size_t left = (size_t)(decoder->end - decoder->at);
    struct pat_text text;
    if (left == 0) return PAT_ERR_PROTO;
    if (short_text_take(decoder, &text)) {
        *out = pat_value_text(text);
        return PAT_OK;
    }
    const unsigned char *const at = decoder->at;
    const struct pat_wire__head head = pat_wire__head_read(at, left);
    if (head.bytes > left || pat_wire__payload(&head) > left - head.bytes) return PAT_ERR_PROTO;
    /* Each value takes a byte at least. */
    if (pat_wire__children(&head) > left - head.bytes) return PAT_ERR_PROTO;
    decoder->at = at + head.bytes + pat_wire__payload(&head);
    switch (head.kind) {
    case PAT_WIRE__SCALAR: *out = scalar_of(at, head.bytes - 1); return PAT_OK;
    case PAT_WIRE__STR:
        *out =
            (struct pat_value){.type = PAT_VALUE_TEXT, .count = head.count, .as.text = (const char *)at + head.bytes};
        return PAT_OK;
    case PAT_WIRE__BIN:
        *out = (struct pat_value){.type = PAT_VALUE_BIN, .count = head.count, .as.bin = at + head.bytes};
        return PAT_OK;
    case PAT_WIRE__ARRAY: return depth == 0 ? PAT_ERR_PROTO : array_take(decoder, out, head.count, depth - 1);
    case PAT_WIRE__MAP: return depth == 0 ? PAT_ERR_PROTO : map_take(decoder, out, head.count, depth - 1);
    case PAT_WIRE__EXT:
        decoder->foreign = "MessagePack extension types, such as timestamps, are not taken";
        *out = pat_value_nil();
        return PAT_OK;
    case PAT_WIRE__RESERVED: break;
    }
    return PAT_ERR_PROTO;
}

static enum pat_status frame_take(struct decoder *decoder, struct pat_value *out, struct pat_error *error) {
    const size_t length = (size_t)(decoder->end - decoder->at);
    enum pat_status status = value_take(decoder, out, PAT_FRAME_DEPTH_MAX);
    if (status == PAT_OK && decoder->at != decoder->end) status = PAT_ERR_PROTO;
    if (status == PAT_ERR_NO_MEMORY)
        return pat_error_set(error, status, "no memory to decode a message of %zu bytes", length);
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "the message is not whole");
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
    struct decoder decoder = {.at = data, .end = data + length, .arena = arena};
    PAT_TRY(frame_take(&decoder, &root, error));
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
    if (decoder.foreign != NULL) return pat_error_set(error, PAT_ERR_BAD_REQUEST, "%s", decoder.foreign);
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
