#include "proto/wire.h"

#include "base/text.h"
#include "proto/wire_private.h"

#include <string.h>

/* Keys of one map: our widest (the columns of a load) has PAT_BATCH_COLUMNS_MAX. Bounds the sort that looks for
 * duplicates, whose place for the offsets is on the stack. */
#define MAP_KEYS_MAX 4096u

void pat_scan_init(struct pat_scan *scan, struct pat_scan_limits limits) {
    PAT_ASSERT(limits.depth_max <= PAT_FRAME_DEPTH_MAX);
    PAT_ASSERT(limits.bytes_max > 0 && limits.bytes_max <= UINT32_MAX); /* key offsets are 32 bits */
    PAT_ASSERT(limits.objects_max > 0);
    scan->limits = limits;
    scan->at = 0;
    scan->objects = 1;
    scan->depth = 0;
    scan->pending = 1;
    scan->wait_for = 1;
    scan->keys = 0;
    scan->heads_read = 0;
}

static enum pat_status refuse(struct pat_error *error, enum pat_status status, size_t offset, const char *what) {
    return pat_error_set_at(error, status, NULL, -1, (int64_t)offset, "%s", what);
}

static enum pat_status refuse_size(const struct pat_scan *scan, struct pat_error *error) {
    return pat_error_set_at(error, PAT_ERR_TOO_LARGE, NULL, -1, (int64_t)scan->at,
                            "a message may have %zu bytes and this one claims more; send it in parts",
                            scan->limits.bytes_max);
}

/* ---- keys of a map ---------------------------------------------------------------------------------------------- */

/* Only keys that are texts are remembered and compared: a map with any other is no parameter of anything, which the
 * decoder says. */
static bool is_text(enum pat_wire__kind kind) {
    return kind == PAT_WIRE__STR || kind == PAT_WIRE__BIN;
}

static struct pat_text key_text(const unsigned char *data, uint32_t offset) {
    /* The key was passed before, so its head and bytes are all there. */
    struct pat_wire__head head = pat_wire__head_read(data + offset, SIZE_MAX);
    return (struct pat_text){(const char *)data + offset + head.bytes, head.count};
}

/* Any total order serves; by length first, most pairs need no look at the bytes. */
static int key_compare(const unsigned char *data, uint32_t a, uint32_t b) {
    struct pat_text x = key_text(data, a);
    struct pat_text y = key_text(data, b);
    if (x.length != y.length) return x.length < y.length ? -1 : 1;
    return x.length == 0 ? 0 : memcmp(x.data, y.data, x.length);
}

static void keys_sift(const unsigned char *data, uint32_t *key, size_t root, size_t count) {
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && key_compare(data, key[child], key[child + 1]) < 0) child++;
        if (key_compare(data, key[root], key[child]) >= 0) return;
        uint32_t swap = key[root];
        key[root] = key[child];
        key[child] = swap;
        root = child;
    }
}

/* Heap sort: no memory, and no input that makes it slow. */
static void keys_sort(const unsigned char *data, uint32_t *key, size_t count) {
    for (size_t root = count / 2; root-- > 0;) keys_sift(data, key, root, count);
    for (size_t last = count; last-- > 1;) {
        uint32_t swap = key[0];
        key[0] = key[last];
        key[last] = swap;
        keys_sift(data, key, 0, last);
    }
}

/* Of the maps of a small request. */
#define FEW_KEYS 16u

/* Each against each: for a few that is less than a sort. */
static bool keys_few_differ(const unsigned char *data, const uint32_t *key, size_t count) {
    struct pat_text text[FEW_KEYS];
    for (size_t i = 0; i < count; i++) {
        text[i] = key_text(data, key[i]);
        for (size_t j = 0; j < i; j++) {
            if (text[j].length == text[i].length && memcmp(text[j].data, text[i].data, text[i].length) == 0)
                return false;
        }
    }
    return true;
}

static enum pat_status keys_check(const unsigned char *data, uint32_t *key, size_t count, struct pat_error *error) {
    if (count <= FEW_KEYS && keys_few_differ(data, key, count)) return PAT_OK;
    keys_sort(data, key, count);
    for (size_t i = 1; i < count; i++) {
        if (key_compare(data, key[i - 1], key[i]) != 0) continue;
        char name[PAT_ERROR_FIELD_BYTES];
        (void)pat_text_printable(key_text(data, key[i]), name, sizeof name);
        uint32_t later = key[i - 1] > key[i] ? key[i - 1] : key[i];
        return pat_error_set_at(error, PAT_ERR_PROTO, NULL, -1, (int64_t)later, "key \"%s\" is twice in one map", name);
    }
    return PAT_OK;
}

/* Offset behind the value at `at`; the value was passed before. */
static size_t value_skip(struct pat_scan *scan, const unsigned char *data, size_t at) {
    for (uint64_t pending = 1; pending > 0; pending--) {
        struct pat_wire__head head = pat_wire__head_read(data + at, SIZE_MAX);
        scan->heads_read++;
        at += head.bytes + (size_t)pat_wire__payload(&head);
        pending += pat_wire__children(&head);
    }
    return at;
}

/* A map with more keys than could be remembered: walks it again. At most depth_max times for any byte. */
static enum pat_status keys_check_again(struct pat_scan *scan, const unsigned char *data, size_t start,
                                        struct pat_error *error) {
    uint32_t key[MAP_KEYS_MAX];
    struct pat_wire__head head = pat_wire__head_read(data + start, SIZE_MAX);
    size_t at = start + head.bytes;
    size_t keys = 0;
    for (uint32_t i = 0; i < head.count; i++) {
        struct pat_wire__head key_head = pat_wire__head_read(data + at, SIZE_MAX);
        if (is_text(key_head.kind)) key[keys++] = (uint32_t)at;
        at = value_skip(scan, data, at);
        at = value_skip(scan, data, at);
    }
    return keys_check(data, key, keys, error);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static bool at_key(const struct pat_scan *scan) {
    return scan->depth > 0 && scan->level[scan->depth - 1].map && scan->level[scan->depth - 1].left % 2 == 0;
}

static enum pat_status wait_until(struct pat_scan *scan, size_t length) {
    scan->wait_for = length;
    return PAT_ERR_MORE;
}

/* Leaves every level whose last value has been passed. */
static enum pat_status levels_close(struct pat_scan *scan, const unsigned char *data, struct pat_error *error) {
    while (scan->depth > 0 && scan->level[scan->depth - 1].left == 0) {
        uint32_t from = scan->level[scan->depth - 1].keys_from;
        if (scan->level[scan->depth - 1].keys_dropped) {
            PAT_TRY(keys_check_again(scan, data, scan->level[scan->depth - 1].start, error));
        } else if (scan->level[scan->depth - 1].map) {
            PAT_TRY(keys_check(data, scan->key + from, scan->keys - from, error));
            scan->keys = from;
        }
        scan->depth--;
    }
    return PAT_OK;
}

/* A value that is no container was found good: the state moves behind it. */
static enum pat_status value_pass(struct pat_scan *scan, const unsigned char *data, const struct pat_wire__head *head,
                                  struct pat_error *error) {
    if (is_text(head->kind) && at_key(scan) && !scan->level[scan->depth - 1].keys_dropped)
        scan->key[scan->keys++] = (uint32_t)scan->at;
    if (scan->depth > 0) scan->level[scan->depth - 1].left--;
    scan->at += head->bytes + (size_t)pat_wire__payload(head);
    scan->pending--;
    return levels_close(scan, data, error);
}

/* Nils of an array that follow each other, as those of a field that nobody filled in, are passed together: a byte each.
 */
static enum pat_status nils_pass(struct pat_scan *scan, const unsigned char *data, size_t length,
                                 struct pat_error *error) {
    uint32_t *const left = &scan->level[scan->depth - 1].left;
    const size_t most = *left < length - scan->at ? *left : length - scan->at;
    const size_t count = pat_wire__nils(data + scan->at, most);
    *left -= (uint32_t)count;
    scan->at += count;
    scan->pending -= count;
    return levels_close(scan, data, error);
}

static enum pat_status container_check(const struct pat_scan *scan, const struct pat_wire__head *head,
                                       struct pat_error *error) {
    if (scan->at == 0 && head->count != 3 && head->count != 4)
        return refuse(error, PAT_ERR_PROTO, 0, "a MessagePack-RPC message is an array of 3 or 4 values");
    uint64_t children = pat_wire__children(head);
    /* Each value announced takes a byte at least. */
    if (children + scan->pending - 1 > scan->limits.bytes_max - scan->at - head->bytes) return refuse_size(scan, error);
    if (children > scan->limits.objects_max - scan->objects)
        return pat_error_set_at(
            error, PAT_ERR_TOO_LARGE, NULL, -1, (int64_t)scan->at,
            "a message may have %zu values and this one claims more; send it in parts, or columns as bin",
            scan->limits.objects_max);
    if (head->kind == PAT_WIRE__MAP && head->count > MAP_KEYS_MAX)
        return refuse(error, PAT_ERR_TOO_LARGE, scan->at, "a map may have 4096 keys and this one claims more");
    if (scan->depth >= scan->limits.depth_max)
        return pat_error_set_at(error, PAT_ERR_PROTO, NULL, -1, (int64_t)scan->at,
                                "values are nested deeper than %u levels", scan->limits.depth_max);
    return PAT_OK;
}

static enum pat_status container_enter(struct pat_scan *scan, const unsigned char *data,
                                       const struct pat_wire__head *head, struct pat_error *error) {
    PAT_TRY(container_check(scan, head, error));
    uint32_t children = (uint32_t)pat_wire__children(head);
    bool map = head->kind == PAT_WIRE__MAP;
    size_t start = scan->at;
    scan->objects += children;
    scan->pending += children;
    /* The container counts as passed on the level around it before its own level opens. */
    if (scan->depth > 0) scan->level[scan->depth - 1].left--;
    scan->at += head->bytes;
    scan->pending--;
    scan->level[scan->depth].left = children;
    scan->level[scan->depth].map = map;
    scan->level[scan->depth].keys_dropped = map && head->count > PAT_SCAN_KEYS_KEPT - scan->keys;
    scan->level[scan->depth].keys_from = scan->keys;
    scan->level[scan->depth].start = start;
    scan->depth++;
    return levels_close(scan, data, error);
}

static enum pat_status bytes_pass(struct pat_scan *scan, const unsigned char *data, size_t length,
                                  const struct pat_wire__head *head, struct pat_error *error) {
    size_t start = scan->at + head->bytes;
    if ((uint64_t)head->count + scan->pending - 1 > scan->limits.bytes_max - start) return refuse_size(scan, error);
    if (head->count > length - start) return wait_until(scan, start + head->count);
    struct pat_text text = {(const char *)data + start, head->count};
    size_t bad = 0;
    if ((head->kind == PAT_WIRE__STR || (head->kind == PAT_WIRE__BIN && at_key(scan))) &&
        !pat_text_utf8_valid(text, &bad))
        return refuse(error, PAT_ERR_PROTO, start + bad, "a string is not UTF-8");
    return value_pass(scan, data, head, error);
}

static enum pat_status head_check(const struct pat_scan *scan, const struct pat_wire__head *head, unsigned char byte,
                                  struct pat_error *error) {
    if (scan->at == 0 && head->kind != PAT_WIRE__ARRAY)
        return pat_error_set_at(
            error, PAT_ERR_PROTO, NULL, -1, 0,
            "this port speaks MessagePack-RPC, where a message is an array of 3 or 4 values; byte 0x%02x "
            "starts none",
            byte);
    if (head->kind == PAT_WIRE__RESERVED) return refuse(error, PAT_ERR_PROTO, scan->at, "byte 0xc1 is no MessagePack");
    /* pending <= bytes left holds between values, so one byte is always within the limit; a longer head may not be. */
    if (head->bytes + scan->pending - 1 > scan->limits.bytes_max - scan->at) return refuse_size(scan, error);
    return PAT_OK;
}

/* Passes one value (of a container: its head), or changes nothing but wait_for. */
static enum pat_status value_scan(struct pat_scan *scan, const unsigned char *data, size_t length,
                                  struct pat_error *error) {
    if (length <= scan->at) return wait_until(scan, scan->at + 1);
    if (data[scan->at] == PAT_WIRE__NIL && scan->depth > 0 && !scan->level[scan->depth - 1].map)
        return nils_pass(scan, data, length, error);
    struct pat_wire__head head = pat_wire__head_read(data + scan->at, length - scan->at);
    scan->heads_read++;
    PAT_TRY(head_check(scan, &head, data[scan->at], error));
    if (head.bytes > length - scan->at) return wait_until(scan, scan->at + head.bytes);
    switch (head.kind) {
    case PAT_WIRE__STR:
    case PAT_WIRE__BIN:
    case PAT_WIRE__EXT: return bytes_pass(scan, data, length, &head, error);
    case PAT_WIRE__ARRAY:
    case PAT_WIRE__MAP: return container_enter(scan, data, &head, error);
    case PAT_WIRE__SCALAR:
    case PAT_WIRE__RESERVED: break;
    }
    return value_pass(scan, data, &head, error);
}

/* All of a frame at once. Of one that comes in pieces this is tried with the first, so that a head is read twice at
 * most. */
static bool frame_pass(struct pat_scan *scan, const unsigned char *data, size_t length) {
    size_t values = 0;
    const size_t bytes = pat_scan__quick(&scan->limits, data, length, &values);
    if (bytes == 0) return false;
    scan->at = bytes;
    scan->objects = values;
    scan->heads_read += values;
    scan->pending = 0;
    return true;
}

enum pat_status pat_scan_run(struct pat_scan *scan, const unsigned char *data, size_t length, size_t *frame_bytes,
                             struct pat_error *error) {
    if (length < scan->wait_for) return PAT_ERR_MORE;
    if (scan->at == 0 && frame_pass(scan, data, length)) {
        *frame_bytes = scan->at;
        return PAT_OK;
    }
    while (scan->pending > 0) PAT_TRY(value_scan(scan, data, length, error));
    *frame_bytes = scan->at;
    return PAT_OK;
}
