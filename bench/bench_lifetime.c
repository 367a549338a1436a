/* W11: BG/NBD and MBG/NBD fits at day resolution, over the distinct patterns of a simulated shop. W12: P(alive),
 * expected orders, expected spend and 12-month discounted value of every pattern, one by one; and all of them of every
 * customer by way of a sheet.
 *
 * The orders of the options are not used: customers come from the story of the BG/NBD itself, with the parameters
 * below. */
#include "base/clock.h"
#include "base/mem.h"
#include "lib/report.h"
#include "lib/shop.h"
#include "lifetime/fit.h"
#include "lifetime/predict.h"
#include "lifetime/sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEARS_DAYS 1096.0
/* r, alpha (days), a, b: a purchase in about 50 days, dropout after one in 14. */
static const double truth[] = {0.8, 40, 0.9, 12};
static const struct pat_spend_params spend = {4, 4, 4000};

struct customers {
    struct pat_btyd_pattern *of; /* sorted, one for each customer, weight 1 */
    size_t count;
    struct pat_btyd_pattern *pattern; /* the distinct ones */
    size_t patterns;
};

/* ---- a shop by the book ---------------------------------------------------------------------------------------------
 */

struct dice {
    uint64_t seed, next;
};

static double roll(struct dice *dice) { /* in (0, 1) */
    return ((double)(bench_random(dice->seed, 6, dice->next++) >> 12) + .5) / 4503599627370496.0;
}

static double roll_normal(struct dice *dice) {
    const double radius = sqrt(-2 * log(roll(dice)));
    return radius * cos(6.283185307179586 * roll(dice));
}

/* Marsaglia and Tsang; shapes below 1 by a power of a roll. */
static double roll_gamma(struct dice *dice, double shape) {
    if (shape < 1) return roll_gamma(dice, shape + 1) * pow(roll(dice), 1 / shape);
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = roll_normal(dice), v = pow(1 + c * x, 3);
        if (v > 0 && log(roll(dice)) < x * x / 2 + d - d * v + d * log(v)) return d * v;
    }
}

/* Days with a purchase: two on one day are one. */
static struct pat_btyd_pattern roll_customer(struct dice *dice) {
    struct pat_btyd_pattern out = {.T = 1 + floor(roll(dice) * (YEARS_DAYS - 1)), .weight = 1};
    const double rate = roll_gamma(dice, truth[0]) / truth[1];
    const double left = roll_gamma(dice, truth[2]), stays = roll_gamma(dice, truth[3]), leaves = left / (left + stays);
    for (double at = 0;;) {
        at += -log(roll(dice)) / rate;
        if (floor(at) > out.T) return out;
        if (floor(at) == out.t_x) continue;
        out.t_x = floor(at);
        out.x++;
        if (roll(dice) < leaves) return out;
    }
}

static int compare_patterns(const void *a, const void *b) {
    const struct pat_btyd_pattern *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    if (p->t_x != q->t_x) return p->t_x < q->t_x ? -1 : 1;
    return (p->T > q->T) - (p->T < q->T);
}

static void customers_open(struct customers *out, const struct bench_options *options) {
    struct dice dice = {.seed = options->seed};
    *out = (struct customers){.count = options->customers};
    out->of = pat_mem_alloc(PAT_MEM_OTHER, out->count * sizeof *out->of);
    out->pattern = pat_mem_alloc(PAT_MEM_OTHER, out->count * sizeof *out->pattern);
    bench_must(out->of != NULL && out->pattern != NULL, "no memory for customers");
    for (size_t i = 0; i < out->count; i++) out->of[i] = roll_customer(&dice);
    qsort(out->of, out->count, sizeof *out->of, compare_patterns);
    for (size_t i = 0; i < out->count; i++) {
        if (i > 0 && compare_patterns(&out->of[i], &out->of[i - 1]) == 0) {
            out->pattern[out->patterns - 1].weight++;
        } else {
            out->pattern[out->patterns++] = out->of[i];
        }
    }
}

static void customers_close(struct customers *customers) {
    pat_mem_free(PAT_MEM_OTHER, customers->of);
    pat_mem_free(PAT_MEM_OTHER, customers->pattern);
}

/* ---- fits -----------------------------------------------------------------------------------------------------------
 */

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A fit is at least as likely as what made the data. */
static void check_fit(const struct pat_btyd_fit *fit, const struct pat_btyd_model *model,
                      const struct customers *customers) {
    double loglik;
    bench_must(fit->converged, "the fit did not converge");
    if (strcmp(model->name, "bg_nbd") != 0) return;
    bench_must(pat_btyd_loglik(model, truth, customers->pattern, customers->patterns, &loglik, NULL, NULL) == PAT_OK,
               "no likelihood");
    if (fit->loglik < loglik)
        bench_die("the fit's likelihood %.3f is below %.3f, of the parameters that made the data", fit->loglik, loglik);
}

static struct pat_btyd_fit run_fit(const struct customers *customers, const struct bench_options *options,
                                   const struct pat_kernels *kernels, const char *name) {
    const struct pat_btyd_model *model = pat_btyd_model_find(name);
    const struct pat_fit_options with = {.kernels = kernels};
    struct bench_samples samples = {.count = 0};
    struct pat_btyd_fit fit;
    struct pat_error error;
    while (bench_again(&samples, options)) {
        const uint64_t start = pat_clock_monotonic_ns();
        if (pat_btyd_fit(&fit, model, customers->pattern, customers->patterns, &with, &error) != PAT_OK)
            bench_die("%s", error.message);
        bench_samples_add(&samples, pat_clock_monotonic_ns() - start);
    }
    check_fit(&fit, model, customers);
    char label[64];
    (void)snprintf(label, sizeof label, "%s fit, days", name);
    struct bench_case test = {.work = "W11",
                              .name = label,
                              .cpu = kernels->name,
                              .samples = &samples,
                              .rows = customers->count,
                              .row = "customer",
                              .hash = bits_of(fit.loglik)};
    bench_case_extra(&test, "patterns", (double)customers->patterns);
    bench_case_extra(&test, "evaluations", fit.evaluations);
    bench_case_extra(&test, "ns_per_pattern_and_evaluation",
                     (double)bench_figures_of(&samples).median_ns / fit.evaluations / (double)customers->patterns);
    bench_case_extra(&test, "loglik", fit.loglik);
    bench_case_print(&test, options);
    bench_samples_free(&samples);
    return fit;
}

/* ---- scores ---------------------------------------------------------------------------------------------------------
 */

struct score {
    const char *name;
    double (*of)(struct pat_scorer *scorer, const struct pat_btyd_pattern *pattern);
};

static const struct pat_clv_terms terms = {.unit_days = 1, .horizon_days = 365.25, .discount_annual = .1, .margin = 1};

static double p_alive(struct pat_scorer *scorer, const struct pat_btyd_pattern *pattern) {
    return pat_scorer_p_alive(scorer, pattern);
}

static double expected(struct pat_scorer *scorer, const struct pat_btyd_pattern *pattern) {
    return pat_scorer_expected(scorer, pattern, 0, 365);
}

static double mean_spend(struct pat_scorer *scorer, const struct pat_btyd_pattern *pattern) {
    (void)scorer;
    return pat_spend_expected(&spend, pattern->x, 4000 + 10 * pattern->t_x);
}

static double clv(struct pat_scorer *scorer, const struct pat_btyd_pattern *pattern) {
    return pat_scorer_clv(scorer, &spend, pattern, 4000 + 10 * pattern->t_x, &terms);
}

static const struct score scores[] = {{"P(alive)", p_alive},
                                      {"expected orders, 365 days", expected},
                                      {"expected spend", mean_spend},
                                      {"12-month discounted value", clv}};

static void run_score(const struct pat_btyd_pattern *pattern, size_t count, const struct pat_btyd_fit *fit,
                      const struct score *score, const char *row, const struct bench_options *options) {
    struct bench_samples samples = {.count = 0};
    double total = 0;
    while (bench_again(&samples, options)) {
        struct pat_scorer scorer;
        const uint64_t start = pat_clock_monotonic_ns();
        pat_scorer_init(&scorer, pat_btyd_model_find("bg_nbd"), fit->params);
        total = 0;
        for (size_t i = 0; i < count; i++) total += score->of(&scorer, &pattern[i]) * pattern[i].weight;
        bench_samples_add(&samples, pat_clock_monotonic_ns() - start);
    }
    bench_must(isfinite(total) && total > 0, "a sum of scores makes no sense");
    struct bench_case test = {.work = "W12",
                              .name = score->name,
                              .cpu = "any",
                              .samples = &samples,
                              .rows = count,
                              .row = row,
                              .hash = bits_of(total)};
    bench_case_extra(&test, "total", total);
    bench_case_print(&test, options);
    bench_samples_free(&samples);
}

/* ---- a whole base ---------------------------------------------------------------------------------------------------
 */

/* Customers as a store has them. */
struct base {
    size_t count;
    uint32_t *x, *t_x, *T;
    double *mean; /* of a repeat day */
};

static void base_open(struct base *base, const struct customers *customers) {
    const size_t n = customers->count;
    *base = (struct base){.count = n,
                          .x = pat_mem_alloc(PAT_MEM_OTHER, n * sizeof *base->x),
                          .t_x = pat_mem_alloc(PAT_MEM_OTHER, n * sizeof *base->t_x),
                          .T = pat_mem_alloc(PAT_MEM_OTHER, n * sizeof *base->T),
                          .mean = pat_mem_alloc(PAT_MEM_OTHER, n * sizeof *base->mean)};
    bench_must(base->x != NULL && base->t_x != NULL && base->T != NULL && base->mean != NULL,
               "no memory for customers");
    for (size_t i = 0; i < n; i++) {
        /* Sorted customers in an order that no store would have asked for: every 7919th, round and round. */
        const struct pat_btyd_pattern *of = &customers->of[i * 7919 % n];
        base->x[i] = (uint32_t)of->x;
        base->t_x[i] = (uint32_t)of->t_x;
        base->T[i] = (uint32_t)of->T;
        base->mean[i] = 4000 + 10 * of->t_x;
    }
}

static void base_close(struct base *base) {
    pat_mem_free(PAT_MEM_OTHER, base->x);
    pat_mem_free(PAT_MEM_OTHER, base->t_x);
    pat_mem_free(PAT_MEM_OTHER, base->T);
    pat_mem_free(PAT_MEM_OTHER, base->mean);
}

/* Sums of P(alive), expected orders, expected spend and value of everybody. */
static double score_block(const struct pat_sheet *sheet, const struct base *base, size_t first, size_t n) {
    double alive[PAT_SHEET_BLOCK], orders[PAT_SHEET_BLOCK], discounted[PAT_SHEET_BLOCK], sum = 0;
    pat_sheet_score(sheet, n, base->x + first, base->t_x + first, base->T + first, alive, orders, discounted);
    for (size_t i = 0; i < n; i++) {
        const double mean = pat_spend_expected(&spend, base->x[first + i], base->mean[first + i]);
        sum += alive[i] + orders[i] + mean + discounted[i] * mean;
    }
    return sum;
}

static double score_base(const struct pat_sheet_ask *ask, const struct base *base, size_t *cells) {
    struct pat_sheet sheet;
    struct pat_sheet_lane lane;
    double total = 0;
    bench_must(pat_sheet_init(&sheet, ask) == PAT_OK, "no memory for a sheet");
    for (size_t i = 0; i < base->count; i++) {
        bench_must(pat_sheet_note(&sheet, base->x[i], base->T[i]) == PAT_OK, "no memory for a sheet");
    }
    bench_must(pat_sheet_close_up(&sheet) == PAT_OK, "no memory for a sheet");
    pat_sheet_lane_init(&lane);
    pat_sheet_fill(&sheet, &lane, 0, sheet.count);
    for (size_t i = 0; i < base->count; i += PAT_SHEET_BLOCK) {
        total += score_block(&sheet, base, i, base->count - i < PAT_SHEET_BLOCK ? base->count - i : PAT_SHEET_BLOCK);
    }
    *cells = sheet.count;
    pat_sheet_deinit(&sheet);
    return total;
}

static void check_base(const struct pat_btyd_fit *fit, const struct base *base, double total) {
    struct pat_scorer scorer;
    double slow = 0;
    if (base->count > 50000) return; /* one by one they take 17 us each */
    pat_scorer_init(&scorer, pat_btyd_model_find("bg_nbd"), fit->params);
    for (size_t i = 0; i < base->count; i++) {
        const struct pat_btyd_pattern of = {.x = base->x[i], .t_x = base->t_x[i], .T = base->T[i], .weight = 1};
        const double mean = pat_spend_expected(&spend, of.x, base->mean[i]);
        slow += pat_scorer_p_alive(&scorer, &of) + pat_scorer_expected(&scorer, &of, 0, terms.horizon_days) + mean +
                pat_scorer_discounted(&scorer, &of, &terms) * mean;
    }
    if (fabs(total - slow) > 1e-10 * slow) bench_die("a sheet adds up to %.15g, one by one it is %.15g", total, slow);
}

static void run_base(const struct base *base, const struct pat_btyd_fit *fit, const struct pat_kernels *kernels,
                     const struct bench_options *options) {
    const struct pat_sheet_ask ask = {
        .model = pat_btyd_model_find("bg_nbd"), .params = fit->params, .terms = &terms, .kernels = kernels};
    struct bench_samples samples = {.count = 0};
    double total = 0;
    size_t cells = 0;
    while (bench_again(&samples, options)) {
        const uint64_t start = pat_clock_monotonic_ns();
        total = score_base(&ask, base, &cells);
        bench_samples_add(&samples, pat_clock_monotonic_ns() - start);
    }
    check_base(fit, base, total);
    struct bench_case test = {.work = "W12",
                              .name = "all four of every customer",
                              .cpu = kernels->name,
                              .samples = &samples,
                              .rows = base->count,
                              .row = "customer",
                              .hash = bits_of(total)};
    bench_case_extra(&test, "cells", (double)cells);
    bench_case_print(&test, options);
    bench_samples_free(&samples);
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    struct customers customers;
    customers_open(&customers, &options);
    struct pat_btyd_fit fit = {.loglik = 0};
    for (unsigned i = 0; i < options.cpus; i++) {
        const struct pat_kernels *kernels = pat_kernels_find(options.cpu[i]);
        const double before = fit.loglik;
        fit = run_fit(&customers, &options, kernels, "bg_nbd");
        bench_must(i == 0 || fit.loglik == before, "kernel tables give different fits");
        (void)run_fit(&customers, &options, kernels, "mbg_nbd");
    }
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        run_score(customers.pattern, customers.patterns, &fit, &scores[i], "pattern", &options);
    }
    struct base base;
    base_open(&base, &customers);
    for (unsigned i = 0; i < options.cpus; i++) run_base(&base, &fit, pat_kernels_find(options.cpu[i]), &options);
    base_close(&base);
    customers_close(&customers);
    return 0;
}
