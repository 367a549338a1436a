/* Odd facts of a run: how they are put into columns. */
#include "store/run_private.h"

#define WIDE_MIN 64u

bool pat_run__take_odds(struct pat_run_odd_writer *writer, uint32_t odd_max) {
    struct pat_fact_run *run = writer->run;
    struct pat_run_odds *odds = &run->odd;
    odds->base = pat_run__odd_base(run->day_base);
    odds->customer = writer->customer = pat_run__take_array(run, odd_max, sizeof *odds->customer, 0);
    odds->day = writer->day = pat_run__take_array(run, odd_max, sizeof *odds->day, 0);
    odds->from = writer->from = pat_run__take_array(run, odd_max, sizeof *odds->from, 0);
    odds->until = writer->until = pat_run__take_array(run, odd_max, sizeof *odds->until, 0);
    odds->net = writer->net = pat_run__take_array(run, odd_max, sizeof *odds->net, 0);
    odds->refers = writer->refers = pat_run__take_array(run, odd_max, sizeof *odds->refers, 0);
    odds->unpaid = writer->unpaid = pat_run__take_array(run, odd_max, sizeof *odds->unpaid, 0);
    return odds->customer != NULL && odds->day != NULL && odds->from != NULL && odds->until != NULL &&
           odds->net != NULL && odds->refers != NULL && odds->unpaid != NULL;
}

/* Whether a day has a code below `end`, which is it. */
static bool code_of(const struct pat_run_odds *odds, int32_t day, uint32_t end, uint16_t *out) {
    const int64_t above = (int64_t)day - odds->base;
    *out = (uint16_t)above;
    return above >= 0 && above < (int64_t)end;
}

/* Whether the fact fits the columns. A purchase that one refers to is of a day that is no word of its own. */
static bool put_narrow(struct pat_run_odd_writer *writer, uint32_t place, const struct pat_run_odd *odd) {
    const struct pat_run_odds *odds = &writer->run->odd;
    const bool forever = odd->until == INT32_MAX, order = odd->orders != 0, refers = odd->refers != INT32_MIN;
    bool fits = code_of(odds, odd->day, PAT_RUN_ODD_NONE, &writer->day[place]);
    fits = code_of(odds, odd->from, PAT_RUN_ODD_NONE, &writer->from[place]) && fits;
    fits = (code_of(odds, odd->until, PAT_RUN_ODD_NONE, &writer->until[place]) || forever) && fits;
    fits = (code_of(odds, odd->refers, PAT_RUN_ODD_ORDER, &writer->refers[place]) || !refers) && fits;
    if (forever) writer->until[place] = PAT_RUN_ODD_NONE;
    if (!refers) writer->refers[place] = order ? PAT_RUN_ODD_ORDER : PAT_RUN_ODD_NONE;
    writer->unpaid[place] = (uint16_t)odd->unpaid;
    writer->net[place] = (int32_t)odd->net; /* no null has such a value */
    return fits && odd->unpaid <= UINT16_MAX && odd->net == (int32_t)odd->net && !(order && refers);
}

static bool reserve_wide(struct pat_run_odd_writer *writer) {
    struct pat_fact_run *run = writer->run;
    struct pat_run_odds *odds = &run->odd;
    const size_t width = sizeof *odds->wide;
    if (odds->wide_count < writer->wide_capacity) return true;
    const uint64_t capacity = writer->wide_capacity == 0 ? WIDE_MIN : 2 * (uint64_t)writer->wide_capacity;
    if (capacity > INT32_MAX) return false; /* places are nets */
    void *const wide = (void *)(uintptr_t)odds->wide;
    void *bigger = pat_mem_grow(PAT_MEM_RUNS, wide, odds->wide_count * width, (size_t)capacity * width);
    if (bigger == NULL) return false;
    run->bytes += ((size_t)capacity - writer->wide_capacity) * width;
    odds->wide = bigger;
    writer->wide_capacity = (uint32_t)capacity;
    return true;
}

bool pat_run__put_odd(struct pat_run_odd_writer *writer, uint32_t place, const struct pat_run_odd *odd) {
    struct pat_run_odds *odds = &writer->run->odd;
    writer->customer[place] = odd->customer;
    if (put_narrow(writer, place, odd)) return true;
    if (!reserve_wide(writer)) return false;
    struct pat_run_odd *const wide = (struct pat_run_odd *)(uintptr_t)odds->wide;
    wide[odds->wide_count] = *odd;
    writer->from[place] = UINT16_MAX;
    writer->until[place] = 0;
    writer->net[place] = (int32_t)odds->wide_count++;
    return true;
}
