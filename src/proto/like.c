/* Requests that are like the one before them, byte for byte but for msgid and id. MessagePack says the same with the
 * same bytes wherever they stand, so nothing has to be scanned or decoded again but the two that differ. */
#include "proto/wire.h"
#include "proto/wire_private.h"

#include "model/id.h"
#include "model/limits.h"

#include <string.h>

/* Longer ones are rare, and comparing them would be work, too; and with the longest id they are far below any limit of
 * a frame. */
#define LIKE_BYTES_MAX 512u

/* Passes the value at `at` with all that it contains; NULL when it is not whole. */
static const unsigned char *value_pass(const unsigned char *at, const unsigned char *end) {
    for (uint64_t left = 1; left > 0; left--) {
        if (at >= end) return NULL;
        const struct pat_wire__head head = pat_wire__head_read(at, (size_t)(end - at));
        const size_t there = (size_t)(end - at);
        if (head.bytes > there || pat_wire__payload(&head) > there - head.bytes) return NULL;
        left += pat_wire__children(&head);
        at += head.bytes + pat_wire__payload(&head);
    }
    return at;
}

/* The head at `*at`, passed if it is of this kind. */
static bool head_pass(const unsigned char **at, const unsigned char *end, enum pat_wire__kind kind, uint32_t *count) {
    if (*at == NULL || *at >= end) return false;
    const struct pat_wire__head head = pat_wire__head_read(*at, (size_t)(end - *at));
    if (head.kind != kind || head.bytes > (size_t)(end - *at)) return false;
    *at += head.bytes;
    *count = head.count;
    return true;
}

/* Where the value of `key` stands in a map; NULL without it. */
static const unsigned char *member_find(const unsigned char *at, const unsigned char *end, const char *key) {
    uint32_t members;
    if (!head_pass(&at, end, PAT_WIRE__MAP, &members)) return NULL;
    for (; members > 0 && at != NULL && at < end; members--) {
        const struct pat_wire__head head = pat_wire__head_read(at, (size_t)(end - at));
        const unsigned char *const value = value_pass(at, end);
        if (value == NULL) return NULL;
        const struct pat_text text = {(const char *)at + head.bytes, pat_wire__payload(&head)};
        if (pat_text_is(text, key)) return value;
        at = value_pass(value, end);
    }
    return NULL;
}

/* [0, msgid, ...: where the msgid ends; NULL for other messages and other forms of these. */
static const unsigned char *msgid_pass(const unsigned char *data, size_t bytes, uint32_t *msgid) {
    if (bytes < 3 || data[0] != 0x94 || data[1] != 0) return NULL;
    *msgid = data[2];
    if (data[2] <= 0x7f) return data + 3;
    if (data[2] < 0xcc || data[2] > 0xce) return NULL;
    const unsigned width = 1u << (data[2] - 0xcc);
    if (bytes < 3 + width) return NULL;
    *msgid = (uint32_t)pat_wire__big_endian(data + 3, width);
    return data + 3 + width;
}

bool pat_wire_like_open(struct pat_wire_like *out, const unsigned char *frame, size_t bytes, const char *key) {
    const unsigned char *const end = frame + bytes;
    uint32_t msgid, arguments;
    if (bytes > LIKE_BYTES_MAX) return false;
    const unsigned char *const front = msgid_pass(frame, bytes, &msgid);
    if (front == NULL) return false;
    const unsigned char *at = value_pass(front, end); /* the method */
    if (!head_pass(&at, end, PAT_WIRE__ARRAY, &arguments) || arguments != 1) return false;
    const unsigned char *const id = member_find(at, end, key);
    const unsigned char *const back = id != NULL ? value_pass(id, end) : NULL;
    if (back == NULL) return false;
    *out = (struct pat_wire_like){front, back, (size_t)(id - front), (size_t)(end - back)};
    return true;
}

static bool is_plain(struct pat_text text) {
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte > 0x7e) return false;
    }
    return text.length > 0 && text.length <= PAT_ID_BYTES_MAX;
}

/* The id at `at`; NULL when it is not there, or has to be looked at more closely. */
static const unsigned char *id_take(const unsigned char *at, const unsigned char *end, int64_t *number,
                                    struct pat_text *text) {
    if (at >= end) return NULL;
    const struct pat_wire__head head = pat_wire__head_read(at, (size_t)(end - at));
    const size_t there = (size_t)(end - at);
    if (head.bytes > there || pat_wire__payload(&head) > there - head.bytes) return NULL;
    *text = (struct pat_text){NULL, 0};
    if (head.kind == PAT_WIRE__STR) {
        *text = (struct pat_text){(const char *)at + head.bytes, head.count};
        if (!is_plain(*text)) return NULL;
        *number = pat_id_number(*text);
        if (*number >= 0) *text = (struct pat_text){NULL, 0};
        return at + head.bytes + head.count;
    }
    const bool small = at[0] <= 0x7f, wide = at[0] >= 0xcc && at[0] <= 0xcf;
    if (!small && !wide) return NULL;
    const uint64_t value = small ? at[0] : pat_wire__big_endian(at + 1, head.bytes - 1);
    *number = (int64_t)value;
    return value <= INT64_MAX ? at + head.bytes : NULL;
}

size_t pat_wire_like_take(const struct pat_wire_like *like, const unsigned char *data, size_t bytes, uint32_t *msgid,
                          int64_t *number, struct pat_text *text) {
    const unsigned char *const end = data + bytes;
    const unsigned char *at = msgid_pass(data, bytes, msgid);
    if (at == NULL || (size_t)(end - at) < like->front_bytes || memcmp(at, like->front, like->front_bytes) != 0)
        return 0;
    at = id_take(at + like->front_bytes, end, number, text);
    if (at == NULL || (size_t)(end - at) < like->back_bytes || memcmp(at, like->back, like->back_bytes) != 0) return 0;
    return (size_t)(at - data) + like->back_bytes;
}
