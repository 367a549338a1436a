/* rfm.grid and rfm.groups. */
#include "analytics/answers_private.h"

#include "analytics/scores_private.h"

/* Sums over the shown customers of one cell or group, or without a score. */
struct bucket {
    uint64_t count;
    uint64_t one_time; /* one eligible order up to D */
    pat_int128 net;    /* M */
    pat_int128 orders; /* F */
    pat_int128 days;   /* R */
};

struct tally {
    struct bucket cell[PAT_RFM_CELLS]; /* by pat_rfm_cell, for the mean split with scores 1 and 2 */
    struct bucket scored, unscored;
};

static void add_customer(const struct pat_run *run, uint64_t row, struct bucket *bucket) {
    const struct pat_facts *facts = run->facts;
    bucket->count++;
    bucket->net += facts->window_net[row];
    bucket->orders += facts->window_orders[row];
    if (facts->orders != NULL && facts->orders[row] == 1) bucket->one_time++;
    if (facts->last[row] != PAT_FACT_NO_DAY) bucket->days += (int64_t)run->day - facts->last[row];
}

static void merge(struct bucket *into, const struct bucket *from) {
    into->count += from->count;
    into->one_time += from->one_time;
    into->net += from->net;
    into->orders += from->orders;
    into->days += from->days;
}

struct counting {
    struct tally *of_lane;
};

static enum pat_status count_part(void *context, const struct pat_part *part) {
    const struct counting *counting = context;
    const struct pat_run *run = part->run;
    const struct pat_scores *scores = run->scores;
    struct tally *tally = &counting->of_lane[part->lane];
    for (uint64_t word = part->first / 64; word < pat_bits__words(part->end); word++) {
        for (uint64_t rest = run->shown[word]; rest != 0; rest &= rest - 1) {
            const uint64_t row = word * 64 + (uint64_t)__builtin_ctzll(rest);
            struct bucket *bucket = &tally->unscored;
            if (scores->r[row] != 0)
                bucket = &tally->cell[pat_rfm_cell(scores->r[row], scores->f[row], scores->m[row])];
            add_customer(run, row, bucket);
        }
    }
    return PAT_OK;
}

static enum pat_status count_shown(struct pat_run *run, struct tally **out) {
    void *memory;
    run->scores_needed = run->money_of_window = true;
    PAT_TRY(pat_run__where(run));
    PAT_TRY(pat_run__array(run, pat_run__lanes(run), sizeof **out, &memory));
    struct tally *const tally = memory;
    struct counting counting = {tally};
    PAT_TRY(pat_run__spread(run, run->customers, count_part, &counting));
    for (unsigned lane = 1; lane < pat_run__lanes(run); lane++) {
        for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) merge(&tally->cell[cell], &tally[lane].cell[cell]);
        merge(&tally->unscored, &tally[lane].unscored);
    }
    for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) merge(&tally->scored, &tally->cell[cell]);
    *out = tally;
    return PAT_OK;
}

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

/* The group that the cell of these scores belongs to. */
static uint32_t group_of_cell(const struct pat_scores *scores, unsigned cell) {
    if (scores->names.map != NULL) return scores->names.map->of_cell[cell];
    return (uint32_t)(cell / 25 * 4 + cell / 5 % 5 * 2 + cell % 5);
}

static enum pat_status put_cell(struct pat_run *run, struct pat_value *cells, unsigned r, unsigned f, unsigned m,
                                const struct bucket *bucket) {
    if (bucket->count == 0) return PAT_OK;
    struct pat_builder *builder = &run->builder;
    struct pat_value net;
    PAT_TRY(pat_run__total(run, "net_minor", bucket->net, &net));
    const char *group = pat_group__name(&run->scores->names, group_of_cell(run->scores, pat_rfm_cell(r, f, m)));
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
    PAT_TRY(count_shown(run, &tally));
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
    run->facts_needed |= PAT_FACT_BIT(PAT_FACT_ORDERS); /* one_time */
    PAT_TRY(count_shown(run, &tally));
    const uint32_t count = run->scores->names.count;
    void *memory;
    PAT_TRY(pat_run__array(run, count, sizeof(struct bucket), &memory));
    struct bucket *bucket = memory;
    for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) {
        if (tally->cell[cell].count > 0) merge(&bucket[group_of_cell(run->scores, cell)], &tally->cell[cell]);
    }
    struct pat_value groups = pat_build_array(&run->builder, count);
    for (uint32_t i = 0; i < count; i++) PAT_TRY(put_group(run, &groups, i, &bucket[i], tally->scored.count));
    pat_run__put(run, "groups", groups);
    return put_scoring(run, tally);
}
