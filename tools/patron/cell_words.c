#include "cell_words.h"

#include "model/date.h"

#include <string.h>

/* ---- eight characters as a word ------------------------------------------------------------------------------- */

/* The first character is the lowest byte: this is a little-endian house (base/buf.h). */
static inline uint64_t eight_at(const char *at) {
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    return eight;
}

#define ZEROS UINT64_C(0x3030303030303030)
#define HIGHS UINT64_C(0x8080808080808080)

/* The digits of the first `length` (1 to 8) characters, one in a byte, as if zeros stood before them. */
static inline uint64_t digits_at(const char *at, uint32_t length) {
    return (eight_at(at) ^ ZEROS) << (64 - 8 * length);
}

/* Each byte is 9 at the most: adding 118 to more reaches the highest bit. */
static inline bool are_digits(uint64_t digits) {
    return (((digits + UINT64_C(0x7676767676767676)) | digits) & HIGHS) == 0;
}

/* Neighbours join: digits to numbers of two, of four, of eight. */
static inline uint64_t number_of(uint64_t digits) {
    const uint64_t two = (digits * (1 + (10 << 8)) >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    const uint64_t four = (two * (1 + (100 << 16)) >> 16) & UINT64_C(0x0000ffff0000ffff);
    return four * (1 + (UINT64_C(10000) << 32)) >> 32;
}

/* ---- columns -------------------------------------------------------------------------------------------------- */

/* No canonical number begins with a zero but 0 itself. */
static inline bool is_padded(const char *at, uint32_t length) {
    return *at == '0' && length > 1;
}

unsigned pat_cells_ids(const struct pat_cells *cells, unsigned count, int64_t *word) {
    const char *const text = cells->text;
    const uint32_t *end = cells->end;
    for (unsigned row = 0; row < count; row++, end += cells->stride) {
        const uint32_t start = end[-1] + 1, length = end[0] - start;
        const char *const at = text + start;
        if (length == 0) {
            word[row] = PAT_NULL;
            continue;
        }
        if (length > 16 || is_padded(at, length)) return row;
        uint64_t number = 0, low;
        if (length > 8) {
            const uint64_t high = digits_at(at, length - 8);
            if (!are_digits(high)) return row;
            number = number_of(high) * 100000000;
            low = digits_at(at + length - 8, 8);
        } else {
            low = digits_at(at, length);
        }
        if (!are_digits(low)) return row;
        word[row] = (int64_t)(number + number_of(low));
    }
    return count;
}

/* "HH:MM:SS" in seconds; -1 for anything else, and for a leap second. */
static inline int64_t clock_of(const char *at) {
    const uint64_t digits = eight_at(at) ^ UINT64_C(0x30303a30303a3030);
    /* As are_digits, but colons must have become nothing. */
    if (((digits + UINT64_C(0x76767f76767f7676)) | digits) & HIGHS) return -1;
    const uint64_t two = digits * 10 + (digits >> 8);
    const unsigned hours = two & 0xff, minutes = two >> 24 & 0xff, seconds = two >> 48 & 0xff;
    return hours > 23 || minutes > 59 || seconds > 59 ? -1 : (int64_t)hours * 3600 + minutes * 60 + seconds;
}

#define DAY_CHARACTERS 10u
#define DAY_MS         INT64_C(86400000)
/* "2022-01-31T12:30:00", and a Z behind it. */
#define MOMENT_CHARACTERS 19u

/* Neighbours are often of one day. */
struct day_before {
    char text[DAY_CHARACTERS];
    int64_t ms; /* at its beginning */
};

static inline bool is_day_before(const struct day_before *before, const char *at) {
    return eight_at(at) == eight_at(before->text) && memcmp(at + 8, before->text + 8, 2) == 0;
}

unsigned pat_cells_times(const struct pat_cells *cells, unsigned count, bool utc, int64_t *word) {
    const uint32_t *end = cells->end;
    struct day_before before = {"", 0};
    for (unsigned row = 0; row < count; row++, end += cells->stride) {
        const uint32_t start = end[-1] + 1, length = end[0] - start;
        const char *const at = cells->text + start;
        if (length == 0) {
            word[row] = PAT_NULL;
            continue;
        }
        const bool zulu = length == MOMENT_CHARACTERS + 1 && at[MOMENT_CHARACTERS] == 'Z';
        if (!zulu && !(utc && length == MOMENT_CHARACTERS)) return row;
        if (!is_day_before(&before, at)) {
            pat_day day;
            if (!pat_day_parse((struct pat_text){at, DAY_CHARACTERS}, &day)) return row;
            memcpy(before.text, at, DAY_CHARACTERS);
            before.ms = day * DAY_MS;
        }
        const int64_t seconds = clock_of(at + DAY_CHARACTERS + 1);
        if (seconds < 0 || (at[DAY_CHARACTERS] != 'T' && at[DAY_CHARACTERS] != ' ')) return row;
        word[row] = before.ms + seconds * 1000;
    }
    return count;
}

unsigned pat_cells_amounts(const struct pat_cells *cells, unsigned count, bool decimal_comma, int64_t *word) {
    const uint64_t mark = (uint64_t)(decimal_comma ? ',' : '.') ^ '0';
    const uint32_t *end = cells->end;
    for (unsigned row = 0; row < count; row++, end += cells->stride) {
        const uint32_t start = end[-1] + 1, length = end[0] - start;
        if (length == 0) {
            word[row] = PAT_NULL;
            continue;
        }
        if (length > 8) return row;
        uint64_t digits = digits_at(cells->text + start, length);
        /* A mark with two digits behind it and one before it at the least: what is before it moves up. */
        const bool cents = length >= 4 && (digits >> 40 & 0xff) == mark;
        if (cents) digits = (digits & UINT64_C(0xffff000000000000)) | (digits & UINT64_C(0x000000ffffffffff)) << 8;
        if (!are_digits(digits)) return row;
        word[row] = (int64_t)(number_of(digits) << 4 | (cents ? 2 : 0));
    }
    return count;
}
