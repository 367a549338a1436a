#include "store/day_counts.h"

#include "base/mem.h"
#include "base/status.h"

#include <string.h>

/* Grown by about a year at a time on either side. */
#define DAYS_SLACK 366

void pat_day_counts_init(struct pat_day_counts *counts) { *counts = (struct pat_day_counts){.newest = PAT_DAY_NONE}; }

void pat_day_counts_deinit(struct pat_day_counts *counts) {
    pat_mem_free(PAT_MEM_OTHER, counts->count);
    pat_day_counts_init(counts);
}

static void day_counts_cover(struct pat_day_counts *counts, pat_day day) {
    if (counts->days > 0 && day >= counts->first && day - counts->first < (pat_day)counts->days) return;
    pat_day first = counts->days > 0 ? counts->first : day;
    pat_day end = counts->days > 0 ? counts->first + (pat_day)counts->days : day + 1;
    if (day < first) first = day - DAYS_SLACK;
    if (day >= end) end = day + DAYS_SLACK;
    uint32_t days = (uint32_t)(end - first);
    uint32_t *bigger = pat_mem_alloc_must(PAT_MEM_OTHER, days * sizeof *bigger);
    if (counts->days > 0) memcpy(bigger + (counts->first - first), counts->count, counts->days * sizeof *bigger);
    pat_mem_free(PAT_MEM_OTHER, counts->count);
    counts->count = bigger;
    counts->first = first;
    counts->days = days;
}

void pat_day_counts_add(struct pat_day_counts *counts, pat_day day) {
    day_counts_cover(counts, day);
    counts->count[day - counts->first]++;
    if (counts->newest == PAT_DAY_NONE || day > counts->newest) counts->newest = day;
}

void pat_day_counts_remove(struct pat_day_counts *counts, pat_day day) {
    uint32_t at = (uint32_t)(day - counts->first);
    PAT_ASSERT(at < counts->days);
    PAT_ASSERT(counts->count[at] > 0);
    counts->count[at]--;
    if (day != counts->newest) return;
    while (counts->count[at] == 0 && at > 0) at--;
    counts->newest = counts->count[at] > 0 ? counts->first + (pat_day)at : PAT_DAY_NONE;
}
