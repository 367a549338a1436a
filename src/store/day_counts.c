#include "store/day_counts.h"

#include "base/mem.h"
#include "base/status.h"

#include <string.h>

/* Grown by at least a year at a time, and at least doubled, on the side that was too short. */
#define DAYS_SLACK_MIN 366

void pat_day_counts_init(struct pat_day_counts *counts) {
    *counts = (struct pat_day_counts){.at_most = PAT_DAY_NONE};
}

void pat_day_counts_deinit(struct pat_day_counts *counts) {
    pat_mem_free(PAT_MEM_OTHER, counts->count);
    pat_day_counts_init(counts);
}

static void day_counts_cover(struct pat_day_counts *counts, pat_day day) {
    PAT_DEBUG_ASSERT(day >= PAT_DAY_MIN && day <= PAT_DAY_MAX);
    if (counts->days > 0 && day >= counts->first && day - counts->first < (pat_day)counts->days) return;
    pat_day first = counts->days > 0 ? counts->first : day;
    pat_day end = counts->days > 0 ? counts->first + (pat_day)counts->days : day + 1;
    pat_day slack = counts->days > DAYS_SLACK_MIN ? (pat_day)counts->days : DAYS_SLACK_MIN;
    if (day < first) first = day > PAT_DAY_MIN + slack ? day - slack : PAT_DAY_MIN;
    if (day >= end) end = day < PAT_DAY_MAX - slack ? day + slack : PAT_DAY_MAX + 1;
    uint32_t days = (uint32_t)(end - first);
    uint32_t *bigger = pat_mem_alloc_must(PAT_MEM_OTHER, days * sizeof *bigger);
    if (counts->days > 0) memcpy(bigger + (counts->first - first), counts->count, counts->days * sizeof *bigger);
    pat_mem_free(PAT_MEM_OTHER, counts->count);
    counts->count = bigger;
    counts->first = first;
    counts->days = days;
}

void pat_day_counts_add(struct pat_day_counts *counts, pat_day day) {
    pat_day_counts_add_many(counts, day, 1);
}

void pat_day_counts_add_many(struct pat_day_counts *counts, pat_day day, uint32_t facts) {
    if (facts == 0) return;
    day_counts_cover(counts, day);
    counts->count[day - counts->first] += facts;
    if (counts->at_most == PAT_DAY_NONE || day > counts->at_most) counts->at_most = day;
}

void pat_day_counts_remove(struct pat_day_counts *counts, pat_day day) {
    uint32_t at = (uint32_t)(day - counts->first);
    PAT_ASSERT(at < counts->days);
    PAT_ASSERT(counts->count[at] > 0);
    counts->count[at]--;
}

pat_day pat_day_counts_newest(struct pat_day_counts *counts) {
    if (counts->at_most == PAT_DAY_NONE) return PAT_DAY_NONE;
    uint32_t at = (uint32_t)(counts->at_most - counts->first);
    while (counts->count[at] == 0 && at > 0) at--;
    counts->at_most = counts->count[at] > 0 ? counts->first + (pat_day)at : PAT_DAY_NONE;
    return counts->at_most;
}
