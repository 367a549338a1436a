/* Counts and sums by place, and cohorts, for the tables with vectors: these loops are loads and additions to memory
 * that no vector unit does at once, so what counts is that neighbours do not wait for each other and that few branches
 * are guessed wrong. Each table compiles them for its own processor; scalar.c says what they mean. */
#ifndef PAT_KERNEL_PLACE_PRIVATE_H
#define PAT_KERNEL_PLACE_PRIVATE_H

#include "kernel/kernel.h"

_Static_assert(PAT_KERNEL_COPIES == 4, "the loops below take four rows at a time");

static void place_count(const uint16_t *cell, size_t n, size_t stride, uint32_t *count) {
    uint32_t *const second = count + stride, *const third = second + stride, *const fourth = third + stride;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        count[cell[i]]++;
        second[cell[i + 1]]++;
        third[cell[i + 2]]++;
        fourth[cell[i + 3]]++;
    }
    pat_kernels_scalar.place_count(cell + i, n - i, stride, count);
}

static inline void add_wrapping(int64_t *to, int64_t value) {
    *to = (int64_t)((uint64_t)*to + (uint64_t)value);
}

static void place_sum(const uint16_t *cell, const int64_t *value, size_t n, size_t stride, int64_t *sum) {
    int64_t *const second = sum + stride, *const third = second + stride, *const fourth = third + stride;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        add_wrapping(&sum[cell[i]], value[i]);
        add_wrapping(&second[cell[i + 1]], value[i + 1]);
        add_wrapping(&third[cell[i + 2]], value[i + 2]);
        add_wrapping(&fourth[cell[i + 3]], value[i + 3]);
    }
    pat_kernels_scalar.place_sum(cell + i, value + i, n - i, stride, sum);
}

static void place_hits(const uint16_t *cell, const uint16_t *bucket, size_t n, uint32_t *hits) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        hits[(size_t)cell[i] * PAT_BUCKETS_STRIDE + bucket[i]]++;
        hits[(size_t)cell[i + 1] * PAT_BUCKETS_STRIDE + bucket[i + 1]]++;
        hits[(size_t)cell[i + 2] * PAT_BUCKETS_STRIDE + bucket[i + 2]]++;
        hits[(size_t)cell[i + 3] * PAT_BUCKETS_STRIDE + bucket[i + 3]]++;
    }
    pat_kernels_scalar.place_hits(cell + i, bucket + i, n - i, hits);
}

static inline uint64_t four_bits(const uint16_t *day, const uint64_t *bit) {
    return (bit[day[0]] | bit[day[1]]) | (bit[day[2]] | bit[day[3]]);
}

/* Most customers have few entries, and how many nobody guesses: so many are looked up, and those that are there count.
 */
static inline uint64_t up_to_four(const uint16_t *day, uint32_t entries, const uint64_t *bit) {
    const uint64_t first = bit[day[0]] & (0 - (uint64_t)(entries > 0));
    const uint64_t second = bit[day[1]] & (0 - (uint64_t)(entries > 1));
    const uint64_t third = bit[day[2]] & (0 - (uint64_t)(entries > 2));
    const uint64_t fourth = bit[day[3]] & (0 - (uint64_t)(entries > 3));
    return (first | second) | (third | fourth);
}

/* The last four may be looked up twice: a bit is on once. */
static void run_bits(const uint32_t *offset, size_t n, const uint16_t *day, const uint64_t *bit, uint64_t *out) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t *const own = day + offset[i];
        const uint32_t entries = offset[i + 1] - offset[i];
        if (entries <= 4) {
            out[i] = up_to_four(own, entries, bit);
            continue;
        }
        uint64_t bits = four_bits(own, bit) | four_bits(own + entries - 4, bit);
        for (uint32_t j = 4; j + 4 < entries; j += 4) bits |= four_bits(own + j, bit);
        out[i] = bits;
    }
}

static void run_cells(const uint32_t *offset, const uint16_t *row, size_t n, const uint16_t *day, const int32_t *net,
                      const uint16_t *column, size_t stride, int64_t *cell) {
    for (size_t i = 0; i < n; i++) {
        int64_t *const cells = cell + row[i] * stride;
        const uint32_t end = offset[i + 1];
        uint32_t j = offset[i];
        /* Days ascend, so that neighbours are of one month more often than not, which is added once. */
        while (j < end) {
            const uint16_t own = column[day[j]];
            int64_t total = 0;
            do {
                total += net == NULL ? 1 : net[j];
                j++;
            } while (j < end && column[day[j]] == own);
            cells[own] += total;
        }
    }
}

#define PAT_PLACE_KERNELS                                                                                              \
    .place_count = place_count, .place_sum = place_sum, .place_hits = place_hits, .run_bits = run_bits,                \
    .count_bits = count_bits, .run_cells = run_cells

#endif
