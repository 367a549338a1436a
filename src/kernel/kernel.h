/* Loops over plain arrays: the table of kernels, and what each means. scalar.c is the definition; every other table
 * gives the same bits. Pure: no allocation, no clock, no status.
 *
 * Bitmaps: bit i of word i / 64 is row i; a bitmap for n rows has (n + 63) / 64 words and its tail bits are zero.
 * PAT_KERNEL_NULL (INT64_MIN) in an int64 array is null: it compares false, and sums, minima and maxima pass it over.
 */
#ifndef PAT_KERNEL_KERNEL_H
#define PAT_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PAT_KERNEL_NULL INT64_MIN

/* Steps of one call of decay: two years of months, and their sums fit the first cache. */
#define PAT_KERNEL_STEPS_MAX 24u

/* Copies of counts and sums by place: an addition to memory takes some five cycles until the next one to the same place
 * can begin. */
#define PAT_KERNEL_COPIES 4u

/* From one histogram to the next in an array of them: three cache lines more than its buckets, so that the same bucket
 * of different ones does not lie in one set of the first cache, 16 KiB apart. */
#define PAT_BUCKETS_STRIDE (PAT_BUCKETS + 48u)

/* The odds that a customer has left by `to` who bought at `from`: exp(shift + scale (time[to][0] - time[from][0])). */
struct pat_kernel_odds {
    const double (*time)[2]; /* of each distinct time: a logarithm, and a number whose differences are summed */
    double shift, scale;
};

/* Buckets of a histogram of int64 values: 32 to each power of two, so that one is at most a thirty-second of its values
 * wide, and greater values are in greater buckets. 0 is null; PAT_BUCKET_ZERO is 0 alone. */
#define PAT_BUCKETS     4096u
#define PAT_BUCKET_ZERO 2048u

/* ---- windows: orders, net and days since the last order (age) of a block of customers, in 2, 4 and 2 bytes ---- */

/* Age of who never ordered. */
#define PAT_WINDOW_NO_AGE UINT16_MAX
/* Cells are 0 .. 124 (25 r + 5 f + m), and then who is shown without scores, and who is not shown. */
#define PAT_WINDOW_UNSCORED 125u
#define PAT_WINDOW_UNSEEN   126u
#define PAT_WINDOW_CELLS    128u
/* Counters of the same thing that rows take in turn: an addition to what the row before has just written waits for it.
 */
#define PAT_WINDOW_TURNS 4u
/* Bins of a histogram, and what is counted aside: rows whose bit is off. */
#define PAT_WINDOW_ASIDE 16u
#define PAT_WINDOW_BINS  (PAT_BUCKETS + PAT_WINDOW_ASIDE)
/* Histograms: one of ages, one of nets, PAT_WINDOW_TURNS of orders. */
enum { PAT_WINDOW_AGE, PAT_WINDOW_NET, PAT_WINDOW_ORDERS, PAT_WINDOW_HISTOGRAMS = PAT_WINDOW_ORDERS + 4 };

/* What earns scores: a cell is first + 25 (age below how many) + 5 (orders above how many) + (net above how many). All
 * of them together stay below 125 for every row whose bit is on. */
struct pat_kernel_ladder {
    uint16_t age_below[4], orders_above[4];
    int32_t net_above[4];
    uint8_t first;
};

/* Sums of a cell over at most 32,768 rows: 65,536 net + count, and 2^32 age + orders. */
struct pat_kernel_sums {
    int64_t net_count;
    uint64_t age_orders;
};

/* Places that cell_ends may write behind those that it gives: a vector of them. */
#define PAT_CELL_ENDS_SLACK 16u

struct pat_kernels {
    const char *name; /* "scalar", "avx2", "avx512" */

    /* out[i] = in[i] is all ones ? null : base + in[i]. */
    void (*widen_u8)(const uint8_t *in, size_t n, int64_t base, int64_t *out);
    void (*widen_u16)(const uint16_t *in, size_t n, int64_t base, int64_t *out);
    void (*widen_u32)(const uint32_t *in, size_t n, int64_t base, int64_t *out);
    /* And back: out[i] = in[i] is null ? all ones : in[i] - base, cut to its width. `out` may lie anywhere. */
    void (*narrow_u8)(const int64_t *in, size_t n, int64_t base, unsigned char *out);
    void (*narrow_u16)(const int64_t *in, size_t n, int64_t base, unsigned char *out);
    void (*narrow_u32)(const int64_t *in, size_t n, int64_t base, unsigned char *out);
    /* Least and greatest of what is not null, INT64_MAX and INT64_MIN without any; gives whether there is a null. */
    bool (*range)(const int64_t *in, size_t n, int64_t *least, int64_t *greatest);
    /* out[i] = value. */
    void (*fill)(int64_t value, size_t n, int64_t *out);
    /* values[i] = values[i] is null ? value : values[i]. */
    void (*fill_null)(int64_t value, size_t n, int64_t *values);

    /* Bit i = low <= in[i] <= high and in[i] is not null. */
    void (*select_range)(const int64_t *in, size_t n, int64_t low, int64_t high, uint64_t *out);
    /* Bit i = in[i] is null. */
    void (*select_null)(const int64_t *in, size_t n, uint64_t *out);
    /* Bit i = in[i] is not null, 0 <= in[i] < set_bits and bit in[i] of `set` is on. */
    void (*select_member)(const int64_t *in, size_t n, const uint64_t *set, size_t set_bits, uint64_t *out);

    /* The same on codes as columns keep them: bit i = low <= in[i] <= high. */
    void (*select_range_u8)(const uint8_t *in, size_t n, uint8_t low, uint8_t high, uint64_t *out);
    void (*select_range_u16)(const uint16_t *in, size_t n, uint16_t low, uint16_t high, uint64_t *out);
    void (*select_range_u32)(const uint32_t *in, size_t n, uint32_t low, uint32_t high, uint64_t *out);
    /* Bit i = bit in[i] of the 256 of `set` is on. */
    void (*select_member_u8)(const uint8_t *in, size_t n, const uint64_t set[4], uint64_t *out);

    /* The greatest: with t the greatest value that at least k rows whose bit is on reach (k >= 1), or `least` where
     * fewer than k rows reach that, bits of rows that do not reach t go off; gives how many stay on. Values count as
     * in[i] ^ flip, which with all ones turns their order round; null (as a code all ones) reaches nothing. */
    size_t (*top_u32)(const uint32_t *in, size_t n, size_t k, uint32_t least, uint32_t flip, uint64_t *bits);
    size_t (*top_i64)(const int64_t *in, size_t n, size_t k, int64_t least, int64_t flip, uint64_t *bits);

    /* Words of bitmaps: a = a op b. */
    void (*bits_and)(uint64_t *a, const uint64_t *b, size_t words);
    void (*bits_or)(uint64_t *a, const uint64_t *b, size_t words);
    void (*bits_andnot)(uint64_t *a, const uint64_t *b, size_t words); /* a & ~b */
    uint64_t (*bits_count)(const uint64_t *a, size_t words);

    /* Over rows whose bit is on and whose value is not null: *count of them, *sum wrapping modulo 2^64 in `low` with
     * the exact carry in `high` (two's complement 128 bits), least and greatest (untouched when there is none). */
    void (*sum)(const int64_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum_low,
                int64_t *sum_high);
    void (*bounds)(const int64_t *in, const uint64_t *bits, size_t n, int64_t *least, int64_t *greatest);
    /* Codes whose bit is on and that are not all ones: how many, and their sum. */
    void (*sum_u8)(const uint8_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum);
    void (*sum_u16)(const uint16_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum);
    void (*sum_u32)(const uint32_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum);

    /* out[i] = pat_kernel_bucket(in[i]). */
    void (*bucket)(const int64_t *in, size_t n, uint16_t *out);

    /* Customer i of n has the entries offset[i] .. offset[i + 1] - 1 of `day`, which ascend, and of `net`. Of those
     * with low <= day < high (low <= high <= 65,536) count[i] is the number and sum[i] the sum of net; all[i] is the
     * number of those below high, on whichever side of low, and last[i] base + the greatest day of them, INT32_MIN
     * without one. `all`, `sum` and `last` may be NULL. 64 bytes behind the last entry of either may be read. */
    void (*run_window)(const uint32_t *offset, size_t n, const uint16_t *day, const int32_t *net, uint32_t low,
                       uint32_t high, int32_t base, uint32_t *all, uint32_t *count, int64_t *sum, int32_t *last);

    /* Narrows a block: age[i] = day - last[i], PAT_WINDOW_NO_AGE where last[i] is INT32_MIN. False when a value does
     * not fit (orders above 65,535, net beyond 32 bits, age not within 0 .. 65,534); the narrow ones mean nothing then.
     */
    bool (*window_pack)(const uint32_t *orders, const int64_t *net, const int32_t *last, size_t n, int32_t day,
                        uint16_t *orders_out, int32_t *net_out, uint16_t *age_out);
    /* Counts rows whose bit is on: in hits[PAT_WINDOW_AGE] at 4,095 - age (0 for all from 4,095 on), in
     * [PAT_WINDOW_NET] at pat_kernel_bucket(net), in [PAT_WINDOW_ORDERS + i % 4] at orders (4,095 for all from there
     * on). Those whose bit is off at PAT_BUCKETS + i % 16. */
    void (*window_hits)(const uint16_t *orders, const int32_t *net, const uint16_t *age, const uint64_t *bits, size_t n,
                        uint32_t (*hits)[PAT_WINDOW_BINS]);
    /* cell[i]: by the ladder when scored and shown, else PAT_WINDOW_UNSCORED or PAT_WINDOW_UNSEEN. */
    void (*window_cells)(const uint16_t *orders, const int32_t *net, const uint16_t *age, size_t n,
                         const struct pat_kernel_ladder *ladder, const uint64_t *scored, const uint64_t *shown,
                         uint8_t *cell);
    /* Adds row i to sums[(i % 4) PAT_WINDOW_CELLS + cell[i]]. */
    void (*window_sums)(const uint8_t *cell, const uint16_t *orders, const int32_t *net, const uint16_t *age, size_t n,
                        struct pat_kernel_sums *sums);

    /* ---- by place: what is counted or summed lies in an array by the row's place (place_private.h) ---- */

    /* count[copy * stride + cell[i]] grows by one, copy = i % PAT_KERNEL_COPIES: neighbours of one cell do not wait for
     * each other. With stride 0 there is one copy. */
    void (*place_count)(const uint16_t *cell, size_t n, size_t stride, uint32_t *count);
    /* The same of sums, wrapping modulo 2^64: null is no special value here. */
    void (*place_sum)(const uint16_t *cell, const int64_t *value, size_t n, size_t stride, int64_t *sum);
    /* hits[cell[i] * PAT_BUCKETS_STRIDE + bucket[i]] grows by one; bucket[i] < PAT_BUCKETS. */
    void (*place_hits)(const uint16_t *cell, const uint16_t *bucket, size_t n, uint32_t *hits);

    /* hash[i] = pat_kernel_hash(hash[i], key[i]). */
    void (*hash)(const int64_t *key, size_t n, uint64_t *hash);

    /* ---- cohorts: entries of customer i as in run_window, in any order; `bit` and `column` have 65,536 entries ----
     */

    /* out[i] = bit[day] of all its entries, ored. 64 bytes behind the last entry may be read. */
    void (*run_bits)(const uint32_t *offset, size_t n, const uint16_t *day, const uint64_t *bit, uint64_t *out);
    /* cell[row[i] * stride + k] grows by one for each bit k of bits[i] that is on and below `columns`, which is at the
     * most 64. */
    void (*count_bits)(const uint64_t *bits, const uint16_t *row, size_t n, size_t columns, size_t stride,
                       uint32_t *cell);
    /* cell[row[i] * stride + column[day]] grows by one for each of its entries, or by its net where that is not NULL.
     */
    void (*run_cells)(const uint32_t *offset, const uint16_t *row, size_t n, const uint16_t *day, const int32_t *net,
                      const uint16_t *column, size_t stride, int64_t *cell);

    /* Writes the places of the bytes that are `delimiter`, '\n', '\r', '"' or 0, ascending, and gives how many there
     * are; *others of them are not `delimiter`, which is none of the other four. n < 2^32; out has room for n +
     * PAT_CELL_ENDS_SLACK. */
    size_t (*cell_ends)(const uint8_t *text, size_t n, uint8_t delimiter, uint32_t *out, size_t *others);

    /* Doubles: good to a few units in the last place, not NaN. Sums run in eight lanes (lane i takes i, i + 8, ...),
     * which are added pairwise at the end: ((0+4)+(2+6))+((1+5)+(3+7)). */

    /* out[i] = e^u / (1 + e^u); out may be u. */
    void (*share)(const double *u, size_t n, double *out);
    /* With gap = time[to][0] - time[from][0], step = time[to][1] - time[from][1], u = shift + scale gap and
     * dead = e^u / (1 + e^u): weighted sums of log(1 + e^u), dead, dead gap, dead step. shift may be -inf. */
    void (*odds_sums)(const uint32_t *to, const uint32_t *from, const double *weight, size_t n,
                      const struct pat_kernel_odds *odds, double out[4]);
    /* With u = value + shift: weighted sums of log(1 + e^u), log(1 + e^-u), e^u / (1 + e^u), 1 / (1 + e^u). */
    void (*balance_sums)(const double *value, const double *weight, size_t n, double shift, double out[4]);
    /* out[j] = sum over i of share[i] ((1 + node[i] time[j])^-shape - (1 + node[i] time[j + 1])^-shape) / node[i], each
     * difference from its factors. n is a multiple of 8; node > 0; steps <= PAT_KERNEL_STEPS_MAX, time[0 .. steps]
     * rise from 0 or later. */
    void (*decay)(const double *node, const double *share, size_t n, const double *time, size_t steps, double shape,
                  double *out);
};

/* The top bits of the value as a double, which rounds but never changes the order: exponent and 5 bits. */
static inline uint32_t pat_kernel_magnitude(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint32_t)(bits >> 47) - ((1023u << 5) - 1);
}

/* Hashes of keys of several words begin with this, and take one word after the other. */
#define PAT_HASH_SEED   UINT64_C(0x9e3779b97f4a7c15)
#define PAT_HASH_FACTOR UINT64_C(0xbf58476d1ce4e5b9) /* odd, its bits half on: splitmix64's */

static inline uint64_t pat_kernel_hash(uint64_t hash, int64_t key) {
    hash = (hash ^ (uint64_t)key) * PAT_HASH_FACTOR;
    return hash ^ hash >> 29;
}

static inline uint16_t pat_kernel_bucket(int64_t value) {
    if (value == PAT_KERNEL_NULL) return 0;
    if (value == 0) return PAT_BUCKET_ZERO;
    if (value > 0) return (uint16_t)(PAT_BUCKET_ZERO + pat_kernel_magnitude((double)value));
    return (uint16_t)(PAT_BUCKET_ZERO - pat_kernel_magnitude(-(double)value));
}

extern const struct pat_kernels pat_kernels_scalar;
extern const struct pat_kernels pat_kernels_avx2;
extern const struct pat_kernels pat_kernels_avx512;

/* cell_ends of [i, n), with places that go on: what is left when the vectors are through. */
static inline size_t pat_kernel_cell_ends_edge(const uint8_t *text, size_t i, size_t n, uint8_t delimiter,
                                               uint32_t *out, size_t *others) {
    size_t more;
    const size_t count = pat_kernels_scalar.cell_ends(text + i, n - i, delimiter, out, &more);
    for (size_t k = 0; k < count; k++) out[k] += (uint32_t)i;
    *others += more;
    return count;
}

/* The table called "auto" (best of this processor), "scalar", "avx2" or "avx512"; NULL when the name is unknown or the
 * processor cannot run it. */
const struct pat_kernels *pat_kernels_find(const char *name);

#endif
