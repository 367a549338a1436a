/* What `explain_plan` tells: the steps that a question took, one after the other, each with the rows it looked at, the
 * bytes of columns, runs and arrays that it read for them (what zone maps settled is not read), and its time. */
#ifndef PAT_ANALYTICS_EXPLAIN_PRIVATE_H
#define PAT_ANALYTICS_EXPLAIN_PRIVATE_H

#include "analytics/strip_private.h"

/* Starts the clock, if the question is to be explained. */
void pat_explain__begin(struct pat_run *run);
/* The step that ends here. Thread: the asking one. */
void pat_explain__step(struct pat_run *run, const char *step, uint64_t rows);
/* Puts `plan` into the result. */
void pat_explain__finish(struct pat_run *run);

/* Bytes read on the way, by any thread. */
static inline void pat_explain__read(const struct pat_run *run, uint64_t bytes) {
    /* Relaxed is enough: the step is told after the pass. */
    if (run->bytes_read != NULL) (void)__atomic_fetch_add(run->bytes_read, bytes, __ATOMIC_RELAXED);
}
/* The rows of a block of one column. */
static inline void pat_explain__part(const struct pat_run *run, const struct pat_column_part *part, uint32_t count) {
    const bool packed = part->width == PAT_WIDTH_PACKED; /* `base` bytes for all of its rows */
    pat_explain__read(run, packed ? (uint64_t)part->base * count >> part->shift : (uint64_t)part->width * count);
}
/* Reads rows first .. first + count - 1 of a column, and counts them. */
void pat_explain__column(const struct pat_run *run, const struct pat_column_view *column, pat_row first, uint32_t count,
                         int64_t *out);

#endif
