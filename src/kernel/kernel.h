/* Loops over plain arrays: the table of kernels, and what each means. scalar.c is the definition; every other table
 * gives the same bits. Pure: no allocation, no clock, no status.
 *
 * Bitmaps: bit i of word i / 64 is row i; a bitmap for n rows has (n + 63) / 64 words and its tail bits are zero.
 * PAT_KERNEL_NULL (INT64_MIN) in an int64 array is null: it compares false, and sums, minima and maxima pass it over.
 */
#ifndef PAT_KERNEL_KERNEL_H
#define PAT_KERNEL_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define PAT_KERNEL_NULL INT64_MIN

struct pat_kernels {
    const char *name; /* "scalar", "avx2", "avx512" */

    /* out[i] = in[i] is all ones ? null : base + in[i]. */
    void (*widen_u8)(const uint8_t *in, size_t n, int64_t base, int64_t *out);
    void (*widen_u16)(const uint16_t *in, size_t n, int64_t base, int64_t *out);
    void (*widen_u32)(const uint32_t *in, size_t n, int64_t base, int64_t *out);
    /* out[i] = value. */
    void (*fill)(int64_t value, size_t n, int64_t *out);

    /* Bit i = low <= in[i] <= high and in[i] is not null. */
    void (*select_range)(const int64_t *in, size_t n, int64_t low, int64_t high, uint64_t *out);
    /* Bit i = in[i] is null. */
    void (*select_null)(const int64_t *in, size_t n, uint64_t *out);
    /* Bit i = in[i] is not null, 0 <= in[i] < set_bits and bit in[i] of `set` is on. */
    void (*select_member)(const int64_t *in, size_t n, const uint64_t *set, size_t set_bits, uint64_t *out);

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
};

extern const struct pat_kernels pat_kernels_scalar;
extern const struct pat_kernels pat_kernels_avx2;
extern const struct pat_kernels pat_kernels_avx512;

/* The table called "auto" (best of this processor), "scalar", "avx2" or "avx512"; NULL when the name is unknown or the
 * processor cannot run it. */
const struct pat_kernels *pat_kernels_find(const char *name);

#endif
