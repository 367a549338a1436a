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

/* ---- by several threads ------------------------------------------------------------------------------------------ */

/* Buckets by the highest bits in which values differ: what a bucket holds fits a cache, and there are enough of them to
 * share out. */
#define BUCKET_BITS 11u
#define BUCKETS     (1u << BUCKET_BITS)

struct buckets {
    const struct pat_run *run;
    int64_t *values, *scratch;
    unsigned shift;
    uint32_t (*of_part)[BUCKETS]; /* how many; then where the next one goes */
    uint64_t start[BUCKETS + 1];
};

static inline unsigned bucket_of(const struct buckets *buckets, int64_t value) {
    return (unsigned)(((uint64_t)value ^ (uint64_t)1 << 63) >> buckets->shift) & (BUCKETS - 1);
}

static enum pat_status count_part(void *context, const struct pat_part *part) {
    const struct buckets *buckets = context;
    uint32_t *const count = buckets->of_part[part->number];
    for (uint64_t i = part->first; i < part->end; i++) count[bucket_of(buckets, buckets->values[i])]++;
    return PAT_OK;
}

static enum pat_status place_part(void *context, const struct pat_part *part) {
    const struct buckets *buckets = context;
    uint32_t *const next = buckets->of_part[part->number];
    for (uint64_t i = part->first; i < part->end; i++) {
        const int64_t value = buckets->values[i];
        buckets->scratch[next[bucket_of(buckets, value)]++] = value;
    }
    return PAT_OK;
}

static void sort_bucket(void *context, uint32_t bucket, unsigned lane) {
    const struct buckets *buckets = context;
    const uint64_t start = buckets->start[bucket], n = buckets->start[bucket + 1] - start;
    (void)lane;
    if (n == 0 || pat_run__stopped(buckets->run, NULL) != PAT_OK) return;
    pat_sort_int64(buckets->scratch + start, buckets->values + start, n);
    memcpy(buckets->values + start, buckets->scratch + start, n * sizeof *buckets->values);
}

enum pat_status pat_run__sort(struct pat_run *run, int64_t *values, int64_t *scratch, uint64_t n) {
    const uint32_t parts = pat_run__parts(n);
    uint64_t differ = 0;
    void *memory;
    if (parts <= 1 || n > UINT32_MAX) {
        pat_sort_int64(values, scratch, n);
        return PAT_OK;
    }
    for (uint64_t i = 1; i < n; i++) differ |= (uint64_t)values[i] ^ (uint64_t)values[0];
    const unsigned bits = differ == 0 ? 0 : 64 - (unsigned)__builtin_clzll(differ);
    PAT_TRY(pat_run__array(run, 1, sizeof(struct buckets), &memory));
    struct buckets *buckets = memory;
    PAT_TRY(pat_run__array(run, parts, sizeof *buckets->of_part, &memory));
    *buckets = (struct buckets){.run = run,
                                .values = values,
                                .scratch = scratch,
                                .shift = bits > BUCKET_BITS ? bits - BUCKET_BITS : 0,
                                .of_part = memory};
    PAT_TRY(pat_run__spread(run, n, count_part, buckets));
    uint32_t at = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        buckets->start[bucket] = at;
        for (uint32_t part = 0; part < parts; part++) {
            const uint32_t count = buckets->of_part[part][bucket];
            buckets->of_part[part][bucket] = at;
            at += count;
        }
    }
    buckets->start[BUCKETS] = at;
    PAT_TRY(pat_run__spread(run, n, place_part, buckets));
    pat_spread_run(run->job == NULL ? NULL : run->job->spread, sort_bucket, buckets, BUCKETS);
    return pat_run__stop(run);
}
