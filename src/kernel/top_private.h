/* The k greatest rows of a block, ties included. Each table says how 64 rows are compared (reach_u32, reach_i64) before
 * it includes this.
 *
 * The value that so many rows reach is found by halving the range of values, with a count of all rows each time: no
 * heap, no branch on a value, and rows that ascend cost no more than any others. Most blocks of a long column have
 * fewer rows above what is known already, and end with the first count. */
#ifndef PAT_KERNEL_TOP_PRIVATE_H
#define PAT_KERNEL_TOP_PRIVATE_H

#include "kernel/kernel.h"

/* Rows of one word of a bitmap. */
#define TOP_STEP 64u

/* The last rows are copied, and nulls put behind them, so that all words have 64 rows. */
#define PAT_TOP_KERNEL(suffix, type, unsigned_type, null, greatest)                                                    \
    struct top_##suffix {                                                                                              \
        const type *in;                                                                                                \
        const uint64_t *bits;                                                                                          \
        size_t whole, words;                                                                                           \
        type rest[TOP_STEP], flip;                                                                                     \
    };                                                                                                                 \
                                                                                                                       \
    static inline uint64_t top_word_##suffix(const struct top_##suffix *top, size_t word, type least) {                \
        const type *in = word < top->whole ? top->in + word * TOP_STEP : top->rest;                                    \
        return top->bits[word] & reach_##suffix(in, top->flip, least);                                                 \
    }                                                                                                                  \
                                                                                                                       \
    static size_t top_count_##suffix(const struct top_##suffix *top, type least, size_t enough) {                      \
        size_t rows = 0;                                                                                               \
        for (size_t word = 0; word < top->words && rows < enough; word++) {                                            \
            rows += (size_t)__builtin_popcountll(top_word_##suffix(top, word, least));                                 \
        }                                                                                                              \
        return rows;                                                                                                   \
    }                                                                                                                  \
                                                                                                                       \
    static size_t top_##suffix(const type *in, size_t n, size_t k, type least, type flip, uint64_t *bits) {            \
        struct top_##suffix top = {                                                                                    \
            .in = in, .bits = bits, .whole = n / TOP_STEP, .words = (n + TOP_STEP - 1) / TOP_STEP, .flip = flip};      \
        const size_t left = n % TOP_STEP;                                                                              \
        for (size_t i = 0; i < TOP_STEP; i++) top.rest[i] = i < left ? in[n - left + i] : (null);                      \
        type low = least, high = greatest;                                                                             \
        if (top_count_##suffix(&top, least, k + 1) <= k) high = least;                                                 \
        while (low < high) {                                                                                           \
            const unsigned_type half = ((unsigned_type)high - (unsigned_type)low) / 2;                                 \
            const type middle = (type)((unsigned_type)low + half + 1);                                                 \
            if (top_count_##suffix(&top, middle, k) >= k) {                                                            \
                low = middle;                                                                                          \
            } else {                                                                                                   \
                high = (type)((unsigned_type)middle - 1);                                                              \
            }                                                                                                          \
        }                                                                                                              \
        size_t rows = 0;                                                                                               \
        for (size_t word = 0; word < top.words; word++) {                                                              \
            bits[word] = top_word_##suffix(&top, word, low);                                                           \
            rows += (size_t)__builtin_popcountll(bits[word]);                                                          \
        }                                                                                                              \
        return rows;                                                                                                   \
    }

PAT_TOP_KERNEL(u32, uint32_t, uint32_t, UINT32_MAX, UINT32_MAX)
PAT_TOP_KERNEL(i64, int64_t, uint64_t, PAT_KERNEL_NULL, INT64_MAX)

#define PAT_TOP_KERNELS .top_u32 = top_u32, .top_i64 = top_i64

#endif
