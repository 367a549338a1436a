/* clv.dist: how predicted value spreads over customers. */
#include "analytics/answers_private.h"

#include "analytics/lifetime_private.h"
#include "analytics/scores_private.h"

#include <math.h>

/* As the curves and tables of SCIENCE are drawn: tenths of the customers, and a point for each hundredth. */
#define DECILES       10u
#define LORENZ_POINTS 100u

/* Values of the shown customers, rising. */
struct spread {
    struct pat_run *run;
    int64_t *value;
    uint64_t count;
    pat_int128 total;
};

static enum pat_status gather(struct spread *spread) {
    struct pat_run *run = spread->run;
    const uint64_t shown = run->kernels->bits_count(run->shown, pat_bits__words(run->customers));
    void *memory, *scratch;
    PAT_TRY(pat_run__array(run, shown, sizeof *spread->value, &memory));
    PAT_TRY(pat_run__array(run, shown, sizeof *spread->value, &scratch));
    spread->value = memory;
    for (uint64_t row = 0; row < run->customers; row++) {
        const int64_t value = run->lifetime->clv[row];
        if (value == PAT_NULL || !pat_bits__get(run->shown, row)) continue;
        spread->value[spread->count++] = value;
        spread->total += value;
    }
    pat_sort_int64(spread->value, scratch, spread->count);
    return pat_run__stop(run);
}

/* How many values are below `edge`. */
static uint64_t below(const struct spread *spread, int64_t edge) {
    uint64_t low = 0, high = spread->count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (spread->value[middle] < edge) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static pat_int128 sum_of(const struct spread *spread, uint64_t first, uint64_t end) {
    pat_int128 sum = 0;
    for (uint64_t i = first; i < end; i++) sum += spread->value[i];
    return sum;
}

/* ---- histogram --------------------------------------------------------------------------------------------------- */

/* The least of 1, 2, 5, 10, 20, 50 ... that is at least `width`. */
static int64_t nice_width(int64_t width) {
    static const int64_t steps[] = {1, 2, 5};
    for (int64_t decade = 1; decade <= INT64_MAX / 100; decade *= 10) {
        for (unsigned i = 0; i < 3; i++) {
            if (steps[i] * decade >= width) return steps[i] * decade;
        }
    }
    return INT64_MAX / 100;
}

static int64_t floor_to(int64_t value, int64_t width) {
    const int64_t rest = value % width;
    return rest < 0 ? value - rest - width : value - rest;
}

/* Bars of one round width from the least value to the 98th percentile or a little further; the last one takes what is
 * above, since a few customers are worth many times the others. */
static uint32_t make_edges(const struct spread *spread, uint32_t bins, int64_t *edge) {
    const int64_t least = spread->value[0], most = spread->value[spread->count - 1];
    const int64_t high = spread->value[(spread->count - 1) * 98 / 100];
    const uint32_t wanted = bins > 1 ? bins - 1 : 1;
    int64_t width = nice_width((high - least) / wanted + 1), first = floor_to(least, width);
    while ((high - first) / width >= (int64_t)wanted) {
        width = nice_width(width + 1);
        first = floor_to(least, width);
    }
    uint32_t count = 0;
    while (count < bins) {
        edge[count] = first + (int64_t)count * width;
        if (edge[count] > most) break;
        count++;
    }
    return count;
}

static enum pat_status given_edges(struct pat_run *run, const struct pat_value *list, int64_t *edge) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct pat_value *item = &list->as.items[i];
        edge[i] = pat_run__minor_of(run, item->type == PAT_VALUE_INT ? (double)item->as.integer : item->as.real);
        if (edge[i] != PAT_NULL && (i == 0 || edge[i] > edge[i - 1])) continue;
        return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "bins", -1, -1,
                                "bins must rise by whole minor units of %s", run->view->base_currency);
    }
    return PAT_OK;
}

static enum pat_status push_bar(struct spread *spread, struct pat_value *list, const int64_t *from, const int64_t *to,
                                uint64_t first, uint64_t end) {
    struct pat_builder *builder = &spread->run->builder;
    struct pat_value bar = pat_build_map(builder, 4), sum;
    PAT_TRY(pat_run__total(spread->run, "sum_minor", sum_of(spread, first, end), &sum));
    pat_build_put(builder, &bar, "from_minor", from != NULL ? pat_value_int(*from) : pat_value_nil());
    pat_build_put(builder, &bar, "to_minor", to != NULL ? pat_value_int(*to) : pat_value_nil());
    pat_build_put(builder, &bar, "count", pat_value_uint(end - first));
    pat_build_put(builder, &bar, "sum_minor", sum);
    pat_build_push(builder, list, bar);
    return PAT_OK;
}

static enum pat_status put_histogram(struct spread *spread) {
    struct pat_run *run = spread->run;
    const struct pat_clv_ask *ask = &run->job->request->clv;
    struct pat_value list = pat_build_array(&run->builder, ask->bins);
    uint32_t edges = ask->edges != NULL ? ask->edges->count : ask->bins;
    void *memory;
    PAT_TRY(pat_run__array(run, edges, sizeof(int64_t), &memory));
    int64_t *const edge = memory;
    if (ask->edges != NULL) {
        PAT_TRY(given_edges(run, ask->edges, edge));
    } else {
        edges = spread->count > 0 ? make_edges(spread, ask->bins, edge) : 0;
    }
    uint64_t first = edges > 0 ? below(spread, edge[0]) : 0;
    if (first > 0) PAT_TRY(push_bar(spread, &list, NULL, &edge[0], 0, first));
    for (uint32_t i = 0; i < edges; i++) {
        const bool last = i + 1 == edges;
        const uint64_t end = last ? spread->count : below(spread, edge[i + 1]);
        PAT_TRY(push_bar(spread, &list, &edge[i], last ? NULL : &edge[i + 1], first, end));
        first = end;
    }
    pat_run__put(run, "histogram", list);
    return PAT_OK;
}

/* ---- shares ------------------------------------------------------------------------------------------------------ */

static struct pat_value share_of(const struct spread *spread, pat_int128 sum) {
    if (spread->total <= 0) return pat_value_nil(); /* shares of nothing */
    return pat_value_real((double)sum / (double)spread->total);
}

/* Decile 1 holds the most valuable tenth. */
static enum pat_status put_deciles(struct spread *spread) {
    struct pat_run *run = spread->run;
    struct pat_builder *builder = &run->builder;
    struct pat_value list = pat_build_array(builder, DECILES);
    for (unsigned d = 0; d < DECILES && spread->count > 0; d++) {
        const uint64_t end = spread->count - spread->count * d / DECILES;
        const uint64_t first = spread->count - spread->count * (d + 1) / DECILES;
        const pat_int128 sum = sum_of(spread, first, end);
        struct pat_value decile = pat_build_map(builder, 6), total;
        PAT_TRY(pat_run__total(run, "sum_minor", sum, &total));
        pat_build_put(builder, &decile, "decile", pat_value_int(d + 1));
        pat_build_put(builder, &decile, "count", pat_value_uint(end - first));
        pat_build_put(builder, &decile, "least_minor",
                      end > first ? pat_value_int(spread->value[first]) : pat_value_nil());
        pat_build_put(builder, &decile, "sum_minor", total);
        pat_build_put(builder, &decile, "share", share_of(spread, sum));
        pat_build_push(builder, &list, decile);
    }
    pat_run__put(run, "deciles", list);
    return PAT_OK;
}

/* Points (share of customers, share of value), the least valuable first. */
static void put_lorenz(struct spread *spread) {
    struct pat_builder *builder = &spread->run->builder;
    struct pat_value list = pat_build_array(builder, LORENZ_POINTS + 1);
    pat_int128 sum = 0;
    uint64_t done = 0;
    for (unsigned i = 0; i <= LORENZ_POINTS && spread->total > 0; i++) {
        const uint64_t end = spread->count * i / LORENZ_POINTS;
        sum += sum_of(spread, done, end);
        done = end;
        struct pat_value point = pat_build_array(builder, 2);
        pat_build_push(builder, &point, pat_value_real((double)end / (double)spread->count));
        pat_build_push(builder, &point, share_of(spread, sum));
        pat_build_push(builder, &list, point);
    }
    pat_run__put(spread->run, "lorenz", list);
}

/* Sum of (2 i - n - 1) v_i over n times the sum: exact until the division. */
static struct pat_value gini_of(const struct spread *spread) {
    if (spread->total <= 0) return pat_value_nil();
    pat_int128 sum = 0;
    for (uint64_t i = 0; i < spread->count; i++) {
        sum += ((pat_int128)(2 * (i + 1)) - (pat_int128)spread->count - 1) * spread->value[i];
    }
    return pat_value_real((double)sum / (double)spread->count / (double)spread->total);
}

enum pat_status pat_answer__clv_dist(struct pat_run *run) {
    struct spread spread = {.run = run};
    struct pat_value total;
    run->lifetime_needed = run->money_of_shown = true;
    run->facts_needed |= PAT_FACT_BIT(PAT_FACT_UNPRICED);
    PAT_TRY(pat_run__where(run));
    PAT_TRY(gather(&spread));
    PAT_TRY(pat_run__total(run, "total_minor", spread.total, &total));
    const bool any = spread.count > 0;
    pat_run__put(run, "customers", pat_value_uint(spread.count));
    pat_run__put(run, "total_minor", total);
    pat_run__put(run, "mean_minor",
                 any ? pat_value_int(pat_minor_divide(spread.total, (int64_t)spread.count)) : pat_value_nil());
    pat_run__put(run, "median_minor", any ? pat_value_int(spread.value[(spread.count - 1) / 2]) : pat_value_nil());
    pat_run__put(run, "gini", gini_of(&spread));
    PAT_TRY(put_histogram(&spread));
    PAT_TRY(put_deciles(&spread));
    put_lorenz(&spread);
    pat_run__put_currency(run, &run->result);
    return PAT_OK;
}
