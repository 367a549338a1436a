#include "ingest/append_private.h"

#define DIGIT_BITS 11u
#define DIGITS     (1u << DIGIT_BITS)
/* Below this, clearing and adding up the counts of a radix sort takes longer than an insertion sort. */
#define RADIX_FROM 128u

struct owners pat_owners__open(struct append *append) {
    struct owners owners = {.items = 0};
    owners.item = pat_append__array(append, sizeof *owners.item);
    owners.spare = pat_append__array(append, sizeof *owners.spare);
    owners.row = pat_append__array(append, sizeof *owners.row);
    owners.end = pat_append__array(append, sizeof *owners.end);
    return owners;
}

static void sort_few(uint64_t *item, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        const uint64_t own = item[i];
        uint32_t to = i;
        for (; to > 0 && item[to - 1] > own; to--) item[to] = item[to - 1];
        item[to] = own;
    }
}

/* By the digit that starts at bit `shift`; equal digits keep their order. */
static void sort_by_digit(const uint64_t *from, uint64_t *to, uint32_t count, unsigned shift) {
    uint32_t start[DIGITS] = {0};
    for (uint32_t i = 0; i < count; i++) start[(from[i] >> shift) & (DIGITS - 1)]++;
    for (uint32_t digit = 0, before = 0; digit < DIGITS; digit++) {
        const uint32_t here = start[digit];
        start[digit] = before;
        before += here;
    }
    for (uint32_t i = 0; i < count; i++) to[start[(from[i] >> shift) & (DIGITS - 1)]++] = from[i];
}

uint64_t *pat_owners__sort(uint64_t *item, uint64_t *spare, uint32_t count, pat_row rows) {
    if (count < RADIX_FROM) {
        sort_few(item, count);
        return item;
    }
    for (unsigned shift = 0; shift < 32 && (rows - 1) >> shift != 0; shift += DIGIT_BITS) {
        sort_by_digit(item, spare, count, 32 + shift);
        uint64_t *const sorted = spare;
        spare = item;
        item = sorted;
    }
    return item;
}

/* The facts of one owner came in order, and stay so: the digits are those of the owner. */
static void sort_items(struct owners *owners, pat_row rows) {
    uint64_t *const sorted = pat_owners__sort(owners->item, owners->spare, owners->items, rows);
    if (sorted == owners->item) return;
    owners->spare = owners->item;
    owners->item = sorted;
}

void pat_owners__settle(struct owners *owners, pat_row rows) {
    sort_items(owners, rows);
    owners->count = 0;
    for (uint32_t i = 0; i < owners->items; i++) {
        const pat_row row = (pat_row)(owners->item[i] >> 32);
        if (owners->count == 0 || owners->row[owners->count - 1] != row) owners->row[owners->count++] = row;
        owners->end[owners->count - 1] = i + 1;
    }
}
