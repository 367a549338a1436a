#include "proto/wire.h"

#include "base/text.h"

#include <msgpack.h>

#include <stdio.h>

/* msgpack-c's packer on a pat_buf: it chooses the smallest form of every number. A write that finds no memory gives -1,
 * and every pack function hands that up. */
static int buf_write(void *data, const char *bytes, size_t length) {
    return pat_buf_append(data, bytes, length) == PAT_OK ? 0 : -1;
}

static int pack_text(msgpack_packer *packer, struct pat_text text) {
    int failed = msgpack_pack_str(packer, text.length);
    return failed != 0 || text.length == 0 ? failed : msgpack_pack_str_body(packer, text.data, text.length);
}

static int pack_string(msgpack_packer *packer, const char *string) {
    return pack_text(packer, pat_text_of(string));
}

static int pack_bin(msgpack_packer *packer, const struct pat_value *value) {
    int failed = msgpack_pack_bin(packer, value->count);
    return failed != 0 || value->count == 0 ? failed : msgpack_pack_bin_body(packer, value->as.bin, value->count);
}

static int pack_value(msgpack_packer *packer, const struct pat_value *value);

static int pack_array(msgpack_packer *packer, const struct pat_value *value) {
    int failed = msgpack_pack_array(packer, value->count);
    for (uint32_t i = 0; i < value->count && failed == 0; i++) failed = pack_value(packer, &value->as.items[i]);
    return failed;
}

static int pack_map(msgpack_packer *packer, const struct pat_value *value) {
    int failed = msgpack_pack_map(packer, value->count);
    for (uint32_t i = 0; i < value->count && failed == 0; i++) {
        failed = pack_text(packer, value->as.members[i].key);
        if (failed == 0) failed = pack_value(packer, &value->as.members[i].value);
    }
    return failed;
}

static int pack_value(msgpack_packer *packer, const struct pat_value *value) {
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_NIL: break;
    case PAT_VALUE_BOOL: return value->as.boolean ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    case PAT_VALUE_INT: return msgpack_pack_int64(packer, value->as.integer);
    case PAT_VALUE_UINT: return msgpack_pack_uint64(packer, value->as.uinteger);
    case PAT_VALUE_FLOAT: return msgpack_pack_double(packer, value->as.real);
    case PAT_VALUE_TEXT: return pack_text(packer, pat_value_as_text(value));
    case PAT_VALUE_BIN: return pack_bin(packer, value);
    case PAT_VALUE_ARRAY: return pack_array(packer, value);
    case PAT_VALUE_MAP: return pack_map(packer, value);
    }
    return msgpack_pack_nil(packer);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

struct frame {
    msgpack_packer packer;
    struct pat_buf *buf;
    size_t start;
};

static void frame_begin(struct frame *frame, struct pat_buf *out) {
    msgpack_packer_init(&frame->packer, out, buf_write);
    frame->buf = out;
    frame->start = out->length;
}

/* Whole frames only: a frame that ran out of memory leaves nothing behind. */
static enum pat_status frame_end(struct frame *frame, int failed) {
    if (failed == 0) return PAT_OK;
    frame->buf->length = frame->start;
    return PAT_ERR_NO_MEMORY;
}

static int pack_head(msgpack_packer *packer, enum pat_message_kind kind, uint32_t msgid) {
    int failed = msgpack_pack_array(packer, 4);
    if (failed == 0) failed = msgpack_pack_int(packer, (int)kind);
    return failed == 0 ? msgpack_pack_uint32(packer, msgid) : failed;
}

enum pat_status pat_wire_request(struct pat_buf *out, uint32_t msgid, const char *method,
                                 const struct pat_value *params) {
    struct frame frame;
    frame_begin(&frame, out);
    int failed = pack_head(&frame.packer, PAT_MESSAGE_REQUEST, msgid);
    if (failed == 0) failed = pack_string(&frame.packer, method);
    if (failed == 0) failed = msgpack_pack_array(&frame.packer, params != NULL ? 1 : 0);
    if (failed == 0 && params != NULL) failed = pack_value(&frame.packer, params);
    return frame_end(&frame, failed);
}

enum pat_status pat_wire_result(struct pat_buf *out, uint32_t msgid, const struct pat_value *result) {
    struct frame frame;
    frame_begin(&frame, out);
    int failed = pack_head(&frame.packer, PAT_MESSAGE_RESPONSE, msgid);
    if (failed == 0) failed = msgpack_pack_nil(&frame.packer);
    if (failed == 0) failed = pack_value(&frame.packer, result);
    return frame_end(&frame, failed);
}

/* Milliseconds after which sending the same again may help; -1 when it will not. A queue drains in moments, room for
 * data does not come back that fast. */
static int retry_after_ms(enum pat_status status) {
    switch (status) {
    case PAT_ERR_BUSY: return 100;
    case PAT_ERR_READONLY:
    case PAT_ERR_NO_MEMORY:
    case PAT_ERR_NO_SPACE: return 1000;
    default: return -1;
    }
}

static struct pat_value number_or_nil(int64_t number) {
    return number >= 0 ? pat_value_int(number) : pat_value_nil();
}

static int pack_error_map(msgpack_packer *packer, const struct pat_error *error, const char *message,
                          const char *field) {
    int retry_ms = retry_after_ms(error->status);
    struct pat_member members[] = {
        {PAT_TEXT("code"), pat_value_string(pat_status_code(error->status))},
        {PAT_TEXT("message"), pat_value_string(message)},
        {PAT_TEXT("field"), field[0] != '\0' ? pat_value_string(field) : pat_value_nil()},
        {PAT_TEXT("row"), number_or_nil(error->row)},
        {PAT_TEXT("offset"), number_or_nil(error->offset)},
        {PAT_TEXT("retryable"), pat_value_bool(retry_ms >= 0)},
        {PAT_TEXT("retry_after_ms"), number_or_nil(retry_ms)},
    };
    struct pat_value map = {.type = PAT_VALUE_MAP, .count = sizeof members / sizeof members[0], .as.members = members};
    return pack_value(packer, &map);
}

static int pack_error_string(msgpack_packer *packer, const char *code, const char *message) {
    char text[PAT_ERROR_MESSAGE_BYTES + 32];
    (void)snprintf(text, sizeof text, "%s: %s", code, message);
    return pack_string(packer, text);
}

/* Messages quote what came in and may be cut anywhere, so they are made printable here: a str on the wire is UTF-8. */
static int pack_error(msgpack_packer *packer, const struct pat_error *error, bool map) {
    char message[PAT_ERROR_MESSAGE_BYTES];
    char field[PAT_ERROR_FIELD_BYTES];
    (void)pat_text_printable(pat_text_of(error->message), message, sizeof message);
    (void)pat_text_printable(pat_text_of(error->field), field, sizeof field);
    if (map) return pack_error_map(packer, error, message, field);
    return pack_error_string(packer, pat_status_code(error->status), message);
}

enum pat_status pat_wire_error(struct pat_buf *out, uint32_t msgid, const struct pat_error *error, bool map) {
    struct frame frame;
    frame_begin(&frame, out);
    int failed = pack_head(&frame.packer, PAT_MESSAGE_RESPONSE, msgid);
    if (failed == 0) failed = pack_error(&frame.packer, error, map);
    if (failed == 0) failed = msgpack_pack_nil(&frame.packer);
    return frame_end(&frame, failed);
}

enum pat_status pat_wire_value(struct pat_buf *out, const struct pat_value *value) {
    struct frame frame;
    frame_begin(&frame, out);
    return frame_end(&frame, pack_value(&frame.packer, value));
}
