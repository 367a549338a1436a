/* How many facts each day has, so that the newest fact's day is exact when facts are withdrawn or move. */
#ifndef PAT_STORE_DAY_COUNTS_H
#define PAT_STORE_DAY_COUNTS_H

#include "model/types.h"

#include <stdint.h>

struct pat_day_counts {
    pat_day first; /* day of count[0] */
    uint32_t days;
    uint32_t *count;
    pat_day newest; /* PAT_DAY_NONE when there is no fact */
};

void pat_day_counts_init(struct pat_day_counts *counts);
void pat_day_counts_deinit(struct pat_day_counts *counts);
void pat_day_counts_add(struct pat_day_counts *counts, pat_day day);
/* `day` must have been added. */
void pat_day_counts_remove(struct pat_day_counts *counts, pat_day day);

#endif
