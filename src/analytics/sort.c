#include "analytics/scores_private.h"

#include <string.h>

/* Up to here moving neighbours beats eight passes of counting. */
#define SMALL 64u

static void sort_small(int64_t *values, uint64_t n) {
    for (uint64_t i = 1; i < n; i++) {
        const int64_t value = values[i];
        uint64_t at = i;
        for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
        values[at] = value;
    }
}

/* The sign bit turned, so that unsigned bytes order as signed numbers do. */
static inline unsigned byte_of(int64_t value, unsigned shift) {
    return (unsigned)(((uint64_t)value ^ (uint64_t)1 << 63) >> shift & 0xff);
}

/* Bytes from the least significant; one that is the same everywhere costs nothing, so days take two passes. */
void pat_sort_int64(int64_t *values, int64_t *scratch, uint64_t n) {
    if (n <= SMALL) {
        sort_small(values, n);
        return;
    }
    uint64_t differ = 0;
    for (uint64_t i = 1; i < n; i++) differ |= (uint64_t)values[i] ^ (uint64_t)values[0];
    int64_t *from = values;
    int64_t *to = scratch;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if ((differ >> shift & 0xff) == 0) continue;
        uint64_t start[256] = {0};
        for (uint64_t i = 0; i < n; i++) start[byte_of(from[i], shift)]++;
        uint64_t total = 0;
        for (unsigned b = 0; b < 256; b++) {
            const uint64_t count = start[b];
            start[b] = total;
            total += count;
        }
        for (uint64_t i = 0; i < n; i++) to[start[byte_of(from[i], shift)]++] = from[i];
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != values) memcpy(values, from, n * sizeof *values);
}
