/* How many facts each day has, so that the newest fact's day is exact when facts are withdrawn or move.
 *
 * The newest day is looked for when it is asked, once a batch: a batch that withdraws and adds the newest fact again
 * and again, years ahead of the one before it, must not walk those years each time. */
#ifndef PAT_STORE_DAY_COUNTS_H
#define PAT_STORE_DAY_COUNTS_H

#include "model/types.h"

#include <stdint.h>

struct pat_day_counts {
    pat_day first; /* day of count[0] */
    uint32_t days;
    uint32_t *count;
    pat_day at_most; /* no day after this one has facts; PAT_DAY_NONE when there was never one */
};

void pat_day_counts_init(struct pat_day_counts *counts);
void pat_day_counts_deinit(struct pat_day_counts *counts);
void pat_day_counts_add(struct pat_day_counts *counts, pat_day day);
/* The same `facts` times. */
void pat_day_counts_add_many(struct pat_day_counts *counts, pat_day day, uint32_t facts);
/* `day` must have been added. */
void pat_day_counts_remove(struct pat_day_counts *counts, pat_day day);
/* The newest day that has a fact, PAT_DAY_NONE without any. */
pat_day pat_day_counts_newest(struct pat_day_counts *counts);

#endif
