#include "base/text.h"

#include "base/status.h"

#include <limits.h>
#include <string.h>

/* The longest text that pat_text_distance measures: names of fields and methods are shorter, and the rows fit the
 * stack. */
#define DISTANCE_BYTES_MAX 64u

bool pat_text_equal(struct pat_text a, struct pat_text b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

bool pat_text_is_whole(struct pat_text text, const char *string) {
    for (size_t i = 0; i < text.length; i++) {
        if (string[i] == '\0' || string[i] != text.data[i]) return false;
    }
    return string[text.length] == '\0';
}

int pat_text_compare(struct pat_text a, struct pat_text b) {
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) return order;
    return (a.length > b.length) - (a.length < b.length);
}

/* Bytes of the well-formed character at `at` (Unicode 15, table 3-7), 0 when there is none. `left` >= 1. */
static size_t utf8_character(const unsigned char *at, size_t left) {
    unsigned char first = at[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || length > left) return 0;
    /* The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF. */
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
    }
    return length;
}

bool pat_text_utf8_valid(struct pat_text text, size_t *bad_offset) {
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t i = 0;
    while (i < text.length) {
        /* Nearly all ids and names are ASCII: eight bytes at a time. */
        if (text.length - i >= sizeof(uint64_t)) {
            uint64_t word;
            memcpy(&word, bytes + i, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof word;
                continue;
            }
        }
        size_t length = utf8_character(bytes + i, text.length - i);
        if (length == 0) {
            if (bad_offset != NULL) *bad_offset = i;
            return false;
        }
        i += length;
    }
    return true;
}

static bool is_control(unsigned char byte) {
    return byte < 0x20 || byte == 0x7F;
}

bool pat_text_has_control(struct pat_text text) {
    for (size_t i = 0; i < text.length; i++) {
        if (is_control((unsigned char)text.data[i])) return true;
    }
    return false;
}

const char *pat_text_printable(struct pat_text text, char *out, size_t capacity) {
    PAT_ASSERT(capacity >= 4);
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t used = 0;
    size_t fits = 0; /* where the text can be cut so that "..." and the NUL still have room */
    for (size_t i = 0; i < text.length;) {
        size_t length = utf8_character(bytes + i, text.length - i);
        /* U+0080..U+009F steer terminals just as the ASCII controls do. */
        bool steers = length == 1 ? is_control(bytes[i]) : length == 2 && bytes[i] == 0xC2 && bytes[i + 1] < 0xA0;
        size_t shown = length == 0 || steers ? 1 : length;
        if (used + shown + 1 > capacity) {
            memcpy(out + fits, "...", 4);
            return out;
        }
        if (length == 0 || steers) {
            out[used] = '?';
        } else {
            memcpy(out + used, bytes + i, length);
        }
        used += shown;
        if (used + 4 <= capacity) fits = used;
        i += length == 0 ? 1 : length;
    }
    out[used] = '\0';
    return out;
}

static unsigned char fold(char letter) {
    unsigned char byte = (unsigned char)letter;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

unsigned pat_text_distance(struct pat_text a, struct pat_text b) {
    if (a.length > DISTANCE_BYTES_MAX || b.length > DISTANCE_BYTES_MAX) return DISTANCE_BYTES_MAX;
    /* Rows i - 2, i - 1 and i of the table, of which row i is filled. */
    unsigned rows[3][DISTANCE_BYTES_MAX + 1] = {{0}};
    for (unsigned j = 0; j <= b.length; j++) rows[0][j] = j;
    for (unsigned i = 1; i <= a.length; i++) {
        const unsigned *before = rows[(i + 1) % 3];
        const unsigned *above = rows[(i - 1) % 3];
        unsigned *row = rows[i % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.length; j++) {
            unsigned char mine = fold(a.data[i - 1]);
            unsigned char other = fold(b.data[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (mine != other));
            bool swapped = i > 1 && j > 1 && mine == fold(b.data[j - 2]) && fold(a.data[i - 2]) == other;
            if (swapped) row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a.length % 3][b.length];
}

bool pat_text_is_near(struct pat_text name, struct pat_text candidate, unsigned distance) {
    /* Short names: a letter or two of difference is most of them. */
    const size_t longer = name.length > candidate.length ? name.length : candidate.length;
    return distance <= (name.length / 3 > 2 ? name.length / 3 : 2) && 2 * (size_t)distance <= longer;
}

int pat_text_nearest(struct pat_text name, const char *const *candidates, size_t count) {
    unsigned best_distance = UINT_MAX;
    int best = -1;
    for (size_t i = 0; i < count; i++) {
        struct pat_text candidate = pat_text_of(candidates[i]);
        unsigned distance = pat_text_distance(name, candidate);
        if (!pat_text_is_near(name, candidate, distance)) continue;
        if (distance >= best_distance) continue;
        best = (int)i;
        best_distance = distance;
    }
    return best;
}
