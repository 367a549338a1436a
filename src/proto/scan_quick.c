/* Frames that are there whole, small and plain, as nearly all requests are: one walk over them with all state at hand.
 * Passes nothing that the scanner does not pass; whatever it does not pass itself, be it unfinished, wrong or merely
 * large, it leaves to the scanner, which says why. */
#include "proto/wire.h"
#include "proto/wire_private.h"

#include <string.h>

/* Requests and answers about one row nest to four. */
#define LEVELS_MAX 8u
/* Of all open maps: a customer's answer has some thirty. */
#define KEYS_MAX   64u
#define VALUES_MAX 1024u

struct level {
    uint32_t left; /* values still to come; of a map, an even number stands before a key */
    bool map;
    uint32_t keys_from;
    uint64_t seen; /* a bit clear: no key of this map hashes to it */
};

struct walk {
    const unsigned char *data;
    size_t length, at;
    size_t values, values_max;
    unsigned depth, depth_max;
    uint32_t keys;
    struct level level[LEVELS_MAX];
    struct pat_text key[KEYS_MAX];
};

/* Nearly all keys and texts are ASCII and short: two words that may overlap say so of up to 16 bytes. */
static inline bool is_text(struct pat_text text) {
    static const uint64_t high_bits = UINT64_C(0x8080808080808080);
    if (text.length >= 8 && text.length <= 16) {
        uint64_t head, tail;
        memcpy(&head, text.data, sizeof head);
        memcpy(&tail, text.data + text.length - sizeof tail, sizeof tail);
        if (((head | tail) & high_bits) == 0) return true;
    } else if (text.length >= 4 && text.length < 8) {
        uint32_t head, tail;
        memcpy(&head, text.data, sizeof head);
        memcpy(&tail, text.data + text.length - sizeof tail, sizeof tail);
        if (((head | tail) & (uint32_t)high_bits) == 0) return true;
    }
    return pat_text_utf8_valid(text, NULL);
}

static bool key_is_new(struct walk *walk, struct level *level, struct pat_text key) {
    if (key.length == 0 || walk->keys == KEYS_MAX) return false;
    const unsigned first = (unsigned char)key.data[0], last = (unsigned char)key.data[key.length - 1];
    const uint64_t bit = UINT64_C(1) << ((first + 5 * last + 11 * key.length) % 64);
    for (uint32_t i = level->keys_from; (level->seen & bit) != 0 && i < walk->keys; i++) {
        const struct pat_text other = walk->key[i];
        if (other.length == key.length && memcmp(other.data, key.data, key.length) == 0) return false;
    }
    level->seen |= bit;
    walk->key[walk->keys++] = key;
    return true;
}

static bool pass_text(struct walk *walk, const struct pat_wire__head *head, bool is_key) {
    const size_t start = walk->at + head->bytes;
    if (head->count > walk->length - start) return false;
    const struct pat_text text = {(const char *)walk->data + start, head->count};
    if ((is_key || head->kind == PAT_WIRE__STR) && !is_text(text)) return false;
    if (is_key && !key_is_new(walk, &walk->level[walk->depth - 1], text)) return false;
    walk->at = start + head->count;
    return true;
}

static bool enter(struct walk *walk, const struct pat_wire__head *head) {
    const uint64_t children = pat_wire__children(head);
    if (children > walk->values_max - walk->values || walk->depth == walk->depth_max) return false;
    walk->values += children;
    walk->at += head->bytes;
    walk->level[walk->depth++] =
        (struct level){.left = (uint32_t)children, .map = head->kind == PAT_WIRE__MAP, .keys_from = walk->keys};
    return true;
}

static bool pass_value(struct walk *walk, bool is_key) {
    if (walk->at >= walk->length) return false;
    const unsigned char byte = walk->data[walk->at];
    if (byte <= 0x7f || byte >= 0xe0) {
        walk->at++;
        return !is_key;
    }
    const struct pat_wire__head head = pat_wire__head_read(walk->data + walk->at, walk->length - walk->at);
    if (head.bytes > walk->length - walk->at) return false;
    switch (head.kind) {
    case PAT_WIRE__STR:
    case PAT_WIRE__BIN: return pass_text(walk, &head, is_key);
    case PAT_WIRE__SCALAR: walk->at += head.bytes; return !is_key;
    case PAT_WIRE__ARRAY:
    case PAT_WIRE__MAP: return !is_key && enter(walk, &head);
    case PAT_WIRE__EXT:
    case PAT_WIRE__RESERVED: break;
    }
    return false;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t pat_scan__quick(const struct pat_scan_limits *limits, const unsigned char *data, size_t length, size_t *values) {
    struct walk walk; /* levels and keys are written before they are read */
    walk.data = data;
    walk.length = least(length, limits->bytes_max);
    walk.at = 0;
    walk.values = 1;
    walk.values_max = least(VALUES_MAX, limits->objects_max);
    walk.depth = 0;
    walk.depth_max = (unsigned)least(LEVELS_MAX, limits->depth_max);
    walk.keys = 0;
    /* An array of three or four. */
    if (length == 0 || (data[0] != 0x93 && data[0] != 0x94) || !pass_value(&walk, false)) return 0;
    while (walk.depth > 0) {
        struct level *const level = &walk.level[walk.depth - 1];
        if (level->left == 0) {
            walk.keys = level->keys_from;
            walk.depth--;
            continue;
        }
        const bool is_key = level->map && level->left % 2 == 0;
        level->left--;
        if (!pass_value(&walk, is_key)) return 0;
    }
    *values = walk.values;
    return walk.at;
}
