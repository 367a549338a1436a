/* Values of one field, brought together group by group: rows are cut into one stripe for each thread, which is counted
 * first, so that each stripe knows where its values go, and then filled in. */
#include "analytics/group_private.h"

#include <string.h>

/* Groups of one part, when what was brought together is sorted or counted. */
#define GROUPS_OF_PART 64u

struct stripes {
    struct pat_grouping *grouping;
    struct pat_lists *list;
    uint32_t count;
    uint64_t *next; /* [count][groups] how many values; then where the next one goes */
    bool place;
    struct outcome {
        enum pat_status status;
        struct pat_error error;
    } outcome[PAT_SPREAD_LANES_MAX];
};

/* Parts of the pass over the rows that the stripe has. */
static uint32_t first_part(const struct stripes *stripes, uint32_t stripe) {
    return (uint32_t)((uint64_t)pat_run__parts(stripes->grouping->of.rows) * stripe / stripes->count);
}

static enum pat_status walk_stripe(struct stripes *stripes, uint32_t stripe, struct pat_error *error) {
    const struct pat_grouping *grouping = stripes->grouping;
    const struct pat_run *run = grouping->run;
    struct pat_lists *list = stripes->list;
    uint64_t *const next = stripes->next + (size_t)stripe * grouping->table.count;
    const uint32_t part = first_part(stripes, stripe);
    const uint64_t end = (uint64_t)first_part(stripes, stripe + 1) * PAT_PART_ROWS;
    const uint64_t rows = end < grouping->of.rows ? end : grouping->of.rows;
    int64_t value[PAT_BLOCK_ROWS];
    uint64_t at = grouping->part_start[part];
    for (uint64_t first = (uint64_t)part * PAT_PART_ROWS; first < rows; first += PAT_BLOCK_ROWS) {
        const uint64_t left = rows - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        PAT_TRY(pat_run__stopped(run, error));
        pat_source__read(run, &list->source, (pat_row)first, count, value);
        for (uint32_t i = 0; i < count; i++) {
            if (!pat_bits__get(grouping->of.bits, first + i)) continue;
            const uint32_t group = grouping->group_of[at++];
            if (value[i] == PAT_NULL) continue;
            if (stripes->place) list->value[next[group]] = value[i];
            next[group]++;
        }
    }
    return PAT_OK;
}

static void run_stripe(void *context, uint32_t stripe, unsigned lane) {
    struct stripes *stripes = context;
    (void)lane;
    struct outcome *outcome = &stripes->outcome[stripe];
    outcome->status = walk_stripe(stripes, stripe, &outcome->error);
}

/* A stripe is one thread's at a time, and there are no more of them than threads. */
static enum pat_status walk_stripes(struct stripes *stripes, bool place) {
    struct pat_run *run = stripes->grouping->run;
    stripes->place = place;
    pat_spread_run(run->job->spread, run_stripe, stripes, stripes->count);
    for (uint32_t i = 0; i < stripes->count; i++) {
        const struct outcome *outcome = &stripes->outcome[i];
        if (outcome->status == PAT_OK) continue;
        if (run->error != NULL) *run->error = outcome->error;
        return outcome->status;
    }
    return PAT_OK;
}

/* Counts become places: groups one after the other, in each the stripes. */
static void place_groups(const struct stripes *stripes) {
    const uint32_t groups = stripes->grouping->table.count;
    uint64_t at = 0;
    for (uint32_t group = 0; group < groups; group++) {
        stripes->list->start[group] = at;
        for (uint32_t stripe = 0; stripe < stripes->count; stripe++) {
            uint64_t *const next = &stripes->next[(size_t)stripe * groups + group];
            const uint64_t count = *next;
            *next = at;
            at += count;
        }
    }
    stripes->list->start[groups] = at;
}

/* ---- each group -------------------------------------------------------------------------------------------------- */

uint64_t pat_lists__mark(const struct pat_lists *list, uint64_t *seen, uint32_t group) {
    uint64_t fresh = 0;
    for (uint64_t i = list->start[group]; i < list->start[group + 1]; i++) {
        const uint64_t row = (uint64_t)list->value[i];
        fresh += !pat_bits__get(seen, row);
        pat_bits__set(seen, row);
    }
    return fresh;
}

void pat_lists__unmark(const struct pat_lists *list, uint64_t *seen, uint32_t group) {
    for (uint64_t i = list->start[group]; i < list->start[group + 1]; i++) seen[(uint64_t)list->value[i] / 64] = 0;
}

/* Sorts groups, or counts the customers in them. */
static void finish_groups(void *context, uint32_t part, unsigned lane) {
    const struct stripes *stripes = context;
    const struct pat_lists *list = stripes->list;
    const uint32_t groups = stripes->grouping->table.count, first = part * GROUPS_OF_PART;
    const uint32_t end = groups - first < GROUPS_OF_PART ? groups : first + GROUPS_OF_PART;
    for (uint32_t group = first; group < end; group++) {
        const uint64_t start = list->start[group];
        if (!list->distinct) {
            pat_measure__sort(&list->source, list->value + start, list->scratch + start,
                              list->start[group + 1] - start);
            continue;
        }
        uint64_t *const seen = list->seen + lane * pat_bits__words(stripes->grouping->run->customers);
        list->customers[group] = pat_lists__mark(list, seen, group);
        pat_lists__unmark(list, seen, group);
    }
}

static enum pat_status make_arrays(struct stripes *stripes) {
    struct pat_run *run = stripes->grouping->run;
    struct pat_lists *list = stripes->list;
    const uint64_t values = list->start[stripes->grouping->table.count];
    void *memory;
    PAT_TRY(pat_run__array_big(run, values, sizeof(int64_t), &memory));
    list->value = memory;
    if (!list->distinct) {
        PAT_TRY(pat_run__array_big(run, values, sizeof(int64_t), &memory));
        list->scratch = memory;
        return PAT_OK;
    }
    PAT_TRY(pat_run__array(run, pat_run__lanes(run) * pat_bits__words(run->customers), sizeof(uint64_t), &memory));
    list->seen = memory;
    PAT_TRY(pat_run__array(run, stripes->grouping->table.count, sizeof(uint64_t), &memory));
    list->customers = memory;
    return PAT_OK;
}

enum pat_status pat_lists__build(struct pat_grouping *grouping, struct pat_lists *list) {
    struct pat_run *run = grouping->run;
    struct stripes stripes = {.grouping = grouping, .list = list, .count = pat_run__lanes(run)};
    const uint32_t groups = grouping->table.count;
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)groups + 1, sizeof(uint64_t), &memory));
    list->start = memory;
    PAT_TRY(pat_run__array(run, (uint64_t)groups * stripes.count, sizeof(uint64_t), &memory));
    stripes.next = memory;
    PAT_TRY(walk_stripes(&stripes, false));
    place_groups(&stripes);
    PAT_TRY(make_arrays(&stripes));
    PAT_TRY(walk_stripes(&stripes, true));
    pat_spread_run(run->job->spread, finish_groups, &stripes, (groups + GROUPS_OF_PART - 1) / GROUPS_OF_PART);
    return PAT_OK;
}
