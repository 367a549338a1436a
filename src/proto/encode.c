#include "proto/wire.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- values to bytes -------------------------------------------------------------------------------------------- */

/* A frame being appended. Every number, count and length takes the smallest form there is. Whole frames only: one that
 * ran out of memory leaves nothing behind. Written where `at` is, which `out` learns of when the frame ends. */
struct packer {
    struct pat_buf *out;
    size_t start;
    unsigned char *at, *end;
    bool failed;
};

static struct packer frame_begin(struct pat_buf *out) {
    struct packer packer = {.out = out, .start = out->length};
    if (out->data == NULL) return packer; /* there is no room, and nothing to point to */
    packer.at = out->data + out->length;
    packer.end = out->data + out->capacity;
    return packer;
}

static enum pat_status frame_end(const struct packer *packer) {
    packer->out->length = packer->failed ? packer->start : (size_t)(packer->at - packer->out->data);
    return packer->failed ? PAT_ERR_NO_MEMORY : PAT_OK;
}

static bool grow(struct packer *packer, size_t bytes) {
    struct pat_buf *out = packer->out;
    if (packer->failed) return false;
    out->length = (size_t)(packer->at - out->data);
    packer->failed = pat_buf_reserve(out, bytes) != PAT_OK;
    if (packer->failed) return false;
    packer->at = out->data + out->length;
    packer->end = out->data + out->capacity;
    return true;
}

/* The longest head, and as much again: numbers are stored eight bytes at a time, whatever they take. */
#define HEAD_ROOM 16u

/* Room for a head and `bytes` behind it; false without memory. */
static inline bool has_room(struct packer *packer, size_t bytes) {
    return (size_t)(packer->end - packer->at) >= bytes + HEAD_ROOM || grow(packer, bytes + HEAD_ROOM);
}

/* `byte` and the last `width` bytes of `bits`, 0 to 8. There must be room. */
static inline void put_head(struct packer *packer, unsigned byte, uint64_t bits, unsigned width) {
    const uint64_t turned = __builtin_bswap64(width > 0 ? bits << (64 - 8 * width) : 0);
    packer->at[0] = (unsigned char)byte;
    memcpy(packer->at + 1, &turned, sizeof turned);
    packer->at += 1 + width;
}

/* The smallest of 1, 2, 4 and 8 bytes that hold `bits`, numbered from 0. */
static inline unsigned step_of(uint64_t bits) {
    return (unsigned)(bits > UINT8_MAX) + (unsigned)(bits > UINT16_MAX) + (unsigned)(bits > UINT32_MAX);
}

static inline void put_unsigned(struct packer *packer, uint64_t value) {
    if (value <= 0x7f) {
        *packer->at++ = (unsigned char)value;
        return;
    }
    const unsigned step = step_of(value);
    put_head(packer, 0xcc + step, value, 1u << step);
}

static inline void put_signed(struct packer *packer, int64_t value) {
    if (value >= 0) {
        put_unsigned(packer, (uint64_t)value);
    } else if (value >= -32) {
        *packer->at++ = (unsigned char)value;
    } else {
        const unsigned step =
            (unsigned)(value < INT8_MIN) + (unsigned)(value < INT16_MIN) + (unsigned)(value < INT32_MIN);
        put_head(packer, 0xd0 + step, (uint64_t)value, 1u << step);
    }
}

static inline void put_real(struct packer *packer, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_head(packer, 0xcb, bits, 8);
}

/* Counts of up to `fix_max` stand in the byte `fix` itself; greater ones behind `byte` and those after it, in one byte
 * or, with `from` 1, in two at least. */
struct count_form {
    unsigned fix, fix_max, byte, from;
};
static const struct count_form str_form = {0xa0, 31, 0xd9, 0}, bin_form = {0, 0, 0xc4, 0},
                               array_form = {0x90, 15, 0xdc, 1}, map_form = {0x80, 15, 0xde, 1};

static inline void put_count(struct packer *packer, const struct count_form *form, uint32_t count) {
    if (form->fix != 0 && count <= form->fix_max) {
        *packer->at++ = (unsigned char)(form->fix | count);
        return;
    }
    unsigned step = step_of(count);
    if (step < form->from) step = form->from;
    put_head(packer, form->byte + step - form->from, count, 1u << step);
}

/* Most keys and texts have 4 to 16 bytes, and a call would cost more than the copy: two halves that may overlap. */
static inline void put_short(unsigned char *at, const void *data, size_t length) {
    const unsigned char *from = data;
    if (length >= 8 && length <= 16) {
        uint64_t head, tail;
        memcpy(&head, from, sizeof head);
        memcpy(&tail, from + length - sizeof tail, sizeof tail);
        memcpy(at, &head, sizeof head);
        memcpy(at + length - sizeof tail, &tail, sizeof tail);
    } else if (length >= 4 && length < 8) {
        uint32_t head, tail;
        memcpy(&head, from, sizeof head);
        memcpy(&tail, from + length - sizeof tail, sizeof tail);
        memcpy(at, &head, sizeof head);
        memcpy(at + length - sizeof tail, &tail, sizeof tail);
    } else if (length > 16) {
        memcpy(at, from, length);
    } else {
        for (size_t i = 0; i < length; i++) at[i] = from[i];
    }
}

static inline void pack_bytes(struct packer *packer, const struct count_form *form, const void *data, size_t length) {
    PAT_ASSERT(length <= UINT32_MAX);
    if (!has_room(packer, length)) return;
    put_count(packer, form, (uint32_t)length);
    put_short(packer->at, data, length);
    packer->at += length;
}

static inline void pack_text(struct packer *packer, struct pat_text text) {
    pack_bytes(packer, &str_form, text.data, text.length);
}

static void pack_string(struct packer *packer, const char *string) {
    pack_text(packer, pat_text_of(string));
}

static void pack_items(struct packer *packer, const struct pat_value *value);
static void pack_members(struct packer *packer, const struct pat_value *value);

static inline void pack_value(struct packer *packer, const struct pat_value *value) {
    if (!has_room(packer, 0)) return;
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_NIL: *packer->at++ = 0xc0; break;
    case PAT_VALUE_BOOL: *packer->at++ = value->as.boolean ? 0xc3 : 0xc2; break;
    case PAT_VALUE_INT: put_signed(packer, value->as.integer); break;
    case PAT_VALUE_UINT: put_unsigned(packer, value->as.uinteger); break;
    case PAT_VALUE_FLOAT: put_real(packer, value->as.real); break;
    case PAT_VALUE_TEXT: pack_text(packer, pat_value_as_text(value)); break;
    case PAT_VALUE_BIN: pack_bytes(packer, &bin_form, value->as.bin, value->count); break;
    case PAT_VALUE_ARRAY: pack_items(packer, value); break;
    case PAT_VALUE_MAP: pack_members(packer, value); break;
    }
}

static void pack_items(struct packer *packer, const struct pat_value *value) {
    put_count(packer, &array_form, value->count);
    for (uint32_t i = 0; i < value->count && !packer->failed; i++) pack_value(packer, &value->as.items[i]);
}

static void pack_members(struct packer *packer, const struct pat_value *value) {
    put_count(packer, &map_form, value->count);
    for (uint32_t i = 0; i < value->count && !packer->failed; i++) {
        pack_text(packer, value->as.members[i].key);
        pack_value(packer, &value->as.members[i].value);
    }
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static void pack_head(struct packer *packer, enum pat_message_kind kind, uint32_t msgid) {
    if (!has_room(packer, HEAD_ROOM)) return;
    put_count(packer, &array_form, 4);
    put_unsigned(packer, (unsigned)kind);
    put_unsigned(packer, msgid);
}

enum pat_status pat_wire_request(struct pat_buf *out, uint32_t msgid, const char *method,
                                 const struct pat_value *params) {
    struct packer packer = frame_begin(out);
    pack_head(&packer, PAT_MESSAGE_REQUEST, msgid);
    pack_string(&packer, method);
    if (has_room(&packer, 0)) put_count(&packer, &array_form, params != NULL ? 1 : 0);
    if (params != NULL) pack_value(&packer, params);
    return frame_end(&packer);
}

enum pat_status pat_wire_result(struct pat_buf *out, uint32_t msgid, const struct pat_value *result) {
    const struct pat_value none = pat_value_nil();
    struct packer packer = frame_begin(out);
    pack_head(&packer, PAT_MESSAGE_RESPONSE, msgid);
    pack_value(&packer, &none);
    pack_value(&packer, result);
    return frame_end(&packer);
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

static void pack_error_map(struct packer *packer, const struct pat_error *error, const char *message,
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
    pack_value(packer, &map);
}

static void pack_error_string(struct packer *packer, const char *code, const char *message) {
    char text[PAT_ERROR_MESSAGE_BYTES + 32];
    (void)snprintf(text, sizeof text, "%s: %s", code, message);
    pack_string(packer, text);
}

/* Messages quote what came in and may be cut anywhere, so they are made printable here: a str on the wire is UTF-8. */
static void pack_error(struct packer *packer, const struct pat_error *error, bool map) {
    char message[PAT_ERROR_MESSAGE_BYTES];
    char field[PAT_ERROR_FIELD_BYTES];
    (void)pat_text_printable(pat_text_of(error->message), message, sizeof message);
    (void)pat_text_printable(pat_text_of(error->field), field, sizeof field);
    if (map) {
        pack_error_map(packer, error, message, field);
    } else {
        pack_error_string(packer, pat_status_code(error->status), message);
    }
}

enum pat_status pat_wire_error(struct pat_buf *out, uint32_t msgid, const struct pat_error *error, bool map) {
    const struct pat_value none = pat_value_nil();
    struct packer packer = frame_begin(out);
    pack_head(&packer, PAT_MESSAGE_RESPONSE, msgid);
    pack_error(&packer, error, map);
    pack_value(&packer, &none);
    return frame_end(&packer);
}

enum pat_status pat_wire_value(struct pat_buf *out, const struct pat_value *value) {
    struct packer packer = frame_begin(out);
    pack_value(&packer, value);
    return frame_end(&packer);
}
