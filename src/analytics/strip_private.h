/* Strips: a block of a source as it lies in its column, so that conditions and sums work on codes of one, two or four
 * bytes instead of int64 values, and often on what the chunk says of itself alone. */
#ifndef PAT_ANALYTICS_STRIP_PRIVATE_H
#define PAT_ANALYTICS_STRIP_PRIVATE_H

#include "analytics/run_private.h"
#include "store/column.h"

struct pat_strip {
    struct pat_column_part part;
    bool null_is_zero; /* what is not set reads as 0 */
    bool mirrored;     /* the value is `from` less what is stored */
    pat_day from;
};

/* All functions: count rows, at most PAT_BLOCK_ROWS; bitmaps as kernels have them. */

/* The least and the greatest value that may be there. False: not known. *any_null: some may be not set. */
bool pat_strip__bounds(const struct pat_strip *strip, int64_t *low, int64_t *high, bool *any_null);
/* Bit i = row i is set and low <= value <= high. False: the bounds told, and no row was read. */
bool pat_strip__range(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count, int64_t low,
                      int64_t high, uint64_t *out);
/* Of `bits`, those on whose rows are set and at least as good as `worst`, and among the best k of them; rows as good as
 * the last of these stay, too. More is better, or less. *left is how many stay. False: the bounds told, and no row was
 * read. */
struct pat_strip_best {
    size_t k;
    int64_t worst;
    bool descending; /* more is better */
};
bool pat_strip__top(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count,
                    const struct pat_strip_best *best, uint64_t *bits, uint64_t *left);
/* Bit i = row i is not set. */
void pat_strip__null(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count, uint64_t *out);
/* Bit i = row i is set and its bit in `set` is on. */
void pat_strip__member(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count,
                       const uint64_t *set, size_t set_bits, uint64_t *out);
/* How many rows of `bits` are set, and the sum of their values. */
void pat_strip__sum(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count,
                    const uint64_t *bits, uint64_t *rows, pat_int128 *sum);
/* The values. */
void pat_strip__read(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count, int64_t *out);

/* Those of `rows` rows of the block. */
void pat_strip__gather(const struct pat_strip *strip, const uint16_t *row, uint32_t rows, int64_t *out);

#endif
