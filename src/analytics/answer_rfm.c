/* rfm.grid and rfm.groups. */
#include "analytics/answers_private.h"

#include "analytics/explain_private.h"
#include "analytics/scores_private.h"

/* Sums over the shown customers of one cell or group, or without a score. */
struct bucket {
    uint64_t count;
    uint64_t one_time; /* one eligible order up to D */
    pat_int128 net;    /* M */
    pat_int128 orders; /* F */
    pat_int128 days;   /* R; of scored ones */
};

struct tally {
    struct bucket cell[PAT_RFM_CELLS]; /* by pat_rfm_cell, for the mean split with scores 1 and 2 */
    struct bucket scored, unscored;
};

static void merge(struct bucket *into, const struct bucket *from) {
    into->count += from->count;
    into->one_time += from->one_time;
    into->net += from->net;
    into->orders += from->orders;
    into->days += from->days;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* What one thread counts: `sums` of the blocks of a part, `bucket` of all parts. */
struct lane {
    struct pat_kernel_sums sums[PAT_WINDOW_TURNS * PAT_WINDOW_CELLS];
    struct bucket bucket[PAT_WINDOW_CELLS];
    uint8_t cell[PAT_WINDOW_ROWS];
};

struct counting {
    struct pat_cells cells;
    const uint64_t *shown;
    bool one_time;
    struct lane *of_lane;
};

_Static_assert(PAT_PART_ROWS <= 32768, "sums of a part keep their halves apart");

static void take_sums(struct lane *lane) {
    for (unsigned i = 0; i < PAT_WINDOW_TURNS * PAT_WINDOW_CELLS; i++) {
        const struct pat_kernel_sums *sums = &lane->sums[i];
        const int64_t count = sums->net_count & 0xffff;
        struct bucket *bucket = &lane->bucket[i % PAT_WINDOW_CELLS];
        bucket->count += (uint64_t)count;
        bucket->net += (sums->net_count - count) / 65536;
        bucket->days += sums->age_orders >> 32;
        bucket->orders += sums->age_orders & UINT32_MAX;
    }
    memset(lane->sums, 0, sizeof lane->sums);
}

static void count_wide(const struct counting *counting, const struct pat_window_part *here, struct lane *lane) {
    const struct pat_window_wide *wide = here->block->wide;
    for (uint32_t i = 0; i < here->count; i++) {
        struct bucket *bucket = &lane->bucket[lane->cell[i]];
        bucket->count++;
        bucket->net += wide->net[i];
        bucket->orders += wide->orders[i];
        if (wide->last[i] != PAT_FACT_NO_DAY) bucket->days += (int64_t)counting->cells.day - wide->last[i];
    }
}

static void count_one_time(const struct pat_window_part *here, struct lane *lane) {
    const uint64_t *once = pat_window__once(here->block);
    for (uint32_t word = 0; word < pat_bits__words(here->count); word++) {
        for (uint64_t rest = once[word]; rest != 0; rest &= rest - 1) {
            lane->bucket[lane->cell[word * 64 + (uint32_t)__builtin_ctzll(rest)]].one_time++;
        }
    }
}

static void count_block(void *context, const struct pat_window_part *here) {
    const struct counting *counting = context;
    const struct pat_window_narrow *narrow = here->block->narrow;
    struct lane *lane = &counting->of_lane[here->part->lane];
    pat_cells__read(&counting->cells, here, counting->shown + here->first / 64, lane->cell);
    if (narrow == NULL) {
        count_wide(counting, here, lane);
    } else {
        here->part->run->kernels->window_sums(lane->cell, narrow->orders, narrow->net, narrow->age, here->count,
                                              lane->sums);
    }
    if (counting->one_time) count_one_time(here, lane);
    if (here->last) take_sums(lane);
}

static enum pat_status count_shown(struct pat_run *run, bool one_time, struct tally **out) {
    void *memory;
    run->scores_needed = run->money_of_window = true;
    PAT_TRY(pat_run__where(run));
    PAT_TRY(pat_run__array(run, pat_run__lanes(run), sizeof(struct lane), &memory));
    struct counting counting = {pat_cells__of(run, run->scores), run->shown, one_time, memory};
    PAT_TRY(pat_window__each(run, run->scores->window, count_block, &counting));
    PAT_TRY(pat_run__array(run, 1, sizeof **out, &memory));
    struct tally *const tally = memory;
    for (unsigned lane = 0; lane < pat_run__lanes(run); lane++) {
        const struct bucket *bucket = counting.of_lane[lane].bucket;
        for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) merge(&tally->cell[cell], &bucket[cell]);
        merge(&tally->unscored, &bucket[PAT_WINDOW_UNSCORED]);
    }
    for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) merge(&tally->scored, &tally->cell[cell]);
    pat_explain__step(run, "cells", run->customers);
    *out = tally;
    return PAT_OK;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static struct pat_value thresholds_of(struct pat_run *run, const struct pat_threshold *thresholds) {
    const unsigned count = run->scores->thresholds.levels - 1;
    struct pat_value list = pat_build_array(&run->builder, count);
    for (unsigned i = 0; i < count; i++) {
        pat_build_push(&run->builder, &list, thresholds[i].set ? pat_value_int(thresholds[i].value) : pat_value_nil());
    }
    return list;
}

/* What both methods say of the scoring. */
static enum pat_status put_scoring(struct pat_run *run, const struct tally *tally) {
    static const char *const scorings[] = {
        [PAT_RFM_QUINTILE] = "quintile", [PAT_RFM_CUTS] = "cuts", [PAT_RFM_MEAN] = "mean"};
    struct pat_builder *builder = &run->builder;
    struct pat_value net;
    PAT_TRY(pat_run__total(run, "net_minor", tally->unscored.net, &net));
    struct pat_value unscored = pat_build_map(builder, 2);
    pat_build_put(builder, &unscored, "count", pat_value_uint(tally->unscored.count));
    pat_build_put(builder, &unscored, "net_minor", net);
    struct pat_value thresholds = pat_build_map(builder, 3);
    pat_build_put(builder, &thresholds, "r", thresholds_of(run, run->scores->thresholds.r_days));
    pat_build_put(builder, &thresholds, "f", thresholds_of(run, run->scores->thresholds.f_orders));
    pat_build_put(builder, &thresholds, "m_minor", thresholds_of(run, run->scores->thresholds.m_minor));
    pat_run__put(run, "scored", pat_value_uint(tally->scored.count));
    pat_run__put(run, "unscored", unscored);
    pat_run__put(run, "thresholds", thresholds);
    pat_run__put(run, "scoring", pat_value_string(scorings[run->rfm->scoring]));
    if (run->rfm->window_days == 0) {
        pat_run__put(run, "window", pat_value_string("all"));
    } else {
        pat_run__put(run, "window", pat_build_printf(builder, "%dd", (int)run->rfm->window_days));
    }
    if (run->scores->names.map != NULL) {
        pat_run__put(run, "map", pat_build_text(builder, pat_text_of(run->scores->names.map->name)));
    }
    pat_run__put_currency(run, &run->result);
    return PAT_OK;
}

static enum pat_status put_cell(struct pat_run *run, struct pat_value *cells, unsigned r, unsigned f, unsigned m,
                                const struct bucket *bucket) {
    if (bucket->count == 0) return PAT_OK;
    struct pat_builder *builder = &run->builder;
    struct pat_value net;
    PAT_TRY(pat_run__total(run, "net_minor", bucket->net, &net));
    const char *group =
        pat_group__name(&run->scores->names, pat_scores__group_of_cell(&run->scores->names, pat_rfm_cell(r, f, m)));
    struct pat_value cell = pat_build_map(builder, 6);
    pat_build_put(builder, &cell, "r", pat_value_int(r));
    pat_build_put(builder, &cell, "f", pat_value_int(f));
    pat_build_put(builder, &cell, "m", pat_value_int(m));
    pat_build_put(builder, &cell, "count", pat_value_uint(bucket->count));
    pat_build_put(builder, &cell, "net_minor", net);
    pat_build_put(builder, &cell, "group", pat_build_text(builder, pat_text_of(group)));
    pat_build_push(builder, cells, cell);
    return PAT_OK;
}

enum pat_status pat_answer__rfm_grid(struct pat_run *run) {
    struct tally *tally;
    PAT_TRY(count_shown(run, false, &tally));
    PAT_TRY(put_scoring(run, tally));
    struct pat_value cells = pat_build_array(&run->builder, 32);
    const unsigned levels = run->scores->thresholds.levels;
    for (unsigned r = 1; r <= levels; r++) {
        for (unsigned f = 1; f <= levels; f++) {
            for (unsigned m = 1; m <= levels; m++) {
                PAT_TRY(put_cell(run, &cells, r, f, m, &tally->cell[pat_rfm_cell(r, f, m)]));
            }
        }
    }
    pat_run__put(run, "cells", cells);
    return PAT_OK;
}

static double ratio(pat_int128 sum, uint64_t count) {
    return (double)sum / (double)count;
}

static enum pat_status put_group(struct pat_run *run, struct pat_value *groups, uint32_t number,
                                 const struct bucket *bucket, uint64_t scored) {
    struct pat_builder *builder = &run->builder;
    struct pat_value net, orders;
    PAT_TRY(pat_run__total(run, "net_minor", bucket->net, &net));
    PAT_TRY(pat_run__total(run, "orders", bucket->orders, &orders));
    const char *name = pat_group__name(&run->scores->names, number);
    const bool any = bucket->count > 0;
    struct pat_value group = pat_build_map(builder, 9);
    pat_build_put(builder, &group, "name", pat_build_text(builder, pat_text_of(name)));
    pat_build_put(builder, &group, "count", pat_value_uint(bucket->count));
    pat_build_put(builder, &group, "share", pat_value_real(scored > 0 ? ratio((pat_int128)bucket->count, scored) : 0));
    pat_build_put(builder, &group, "net_minor", net);
    pat_build_put(builder, &group, "one_time", pat_value_uint(bucket->one_time));
    pat_build_put(builder, &group, "orders", orders);
    pat_build_put(builder, &group, "avg_r", any ? pat_value_real(ratio(bucket->days, bucket->count)) : pat_value_nil());
    pat_build_put(builder, &group, "avg_f",
                  any ? pat_value_real(ratio(bucket->orders, bucket->count)) : pat_value_nil());
    pat_build_put(builder, &group, "avg_m_minor",
                  any ? pat_value_int(pat_minor_divide(bucket->net, (int64_t)bucket->count)) : pat_value_nil());
    pat_build_push(builder, groups, group);
    return PAT_OK;
}

enum pat_status pat_answer__rfm_groups(struct pat_run *run) {
    struct tally *tally;
    PAT_TRY(count_shown(run, true, &tally));
    const uint32_t count = run->scores->names.count;
    void *memory;
    PAT_TRY(pat_run__array(run, count, sizeof(struct bucket), &memory));
    struct bucket *bucket = memory;
    for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) {
        if (tally->cell[cell].count > 0)
            merge(&bucket[pat_scores__group_of_cell(&run->scores->names, cell)], &tally->cell[cell]);
    }
    struct pat_value groups = pat_build_array(&run->builder, count);
    for (uint32_t i = 0; i < count; i++) PAT_TRY(put_group(run, &groups, i, &bucket[i], tally->scored.count));
    pat_run__put(run, "groups", groups);
    return put_scoring(run, tally);
}
