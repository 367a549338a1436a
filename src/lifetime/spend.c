#include "lifetime/spend.h"

#include "base/mem.h"
#include "base/size.h"
#include "base/status.h"
#include "lifetime/data_private.h"
#include "lifetime/search_private.h"
#include "lifetime/special_private.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { P, Q, V, SPEND_PARAMS };

/* Patterns that take part, and what an evaluation needs of each:
 *   log f = [lgamma(px+q) - lgamma(px) - lgamma(q)] - log m - px log(1 + v/(xm)) - q log(1 + xm/v) */
struct spend_data {
    size_t count;
    uint32_t *x;       /* index into x_value */
    double *log_total; /* log of x * mean */
    double *weight;
    double *x_value, *ways, *by_p, *by_q; /* by distinct x: the value, the bracket, its derivatives in log p, log q */
    size_t x_count;
    double *block_sums;  /* [1 + SPEND_PARAMS][blocks] */
    double log_mean_sum; /* weighted; no parameter changes it */
    double mean_average;
    double customers, left_out, correlation;
};

static void spend_data_deinit(struct spend_data *data) {
    pat_mem_free(PAT_MEM_QUERY, data->x);
    pat_mem_free(PAT_MEM_QUERY, data->log_total);
    pat_mem_free(PAT_MEM_QUERY, data->weight);
    pat_mem_free(PAT_MEM_QUERY, data->x_value);
    pat_mem_free(PAT_MEM_QUERY, data->ways);
    pat_mem_free(PAT_MEM_QUERY, data->by_p);
    pat_mem_free(PAT_MEM_QUERY, data->by_q);
    pat_mem_free(PAT_MEM_QUERY, data->block_sums);
    *data = (struct spend_data){0};
}

static bool takes_part(const struct pat_spend_pattern *pattern) {
    return pattern->x > 0 && pattern->mean > 0;
}

static enum pat_status check(const struct pat_spend_pattern *patterns, size_t count, struct pat_error *error) {
    if (count > UINT32_MAX / 2) return pat_error_set(error, PAT_ERR_TOO_LARGE, "too many patterns for one fit");
    for (size_t i = 0; i < count; i++) {
        const double x = patterns[i].x, mean = patterns[i].mean, weight = patterns[i].weight;
        if (x >= 0 && isfinite(x) && x == floor(x) && isfinite(mean) && weight > 0 && isfinite(weight)) continue;
        return pat_error_set_at(
            error, PAT_ERR_BAD_REQUEST, NULL, (int64_t)i, -1,
            "no customer looks like x = %g, mean = %g (weight %g): x is a whole number >= 0, the mean "
            "is finite, the weight is above 0",
            x, mean, weight);
    }
    return PAT_OK;
}

/* Weighted correlation of x and mean, in two passes so that nothing cancels. */
static void describe(struct spend_data *data, const struct pat_spend_pattern *patterns, size_t count) {
    double x_sum = 0, mean_sum = 0, xx = 0, mm = 0, xm = 0;
    for (size_t i = 0; i < count; i++) {
        const double weight = patterns[i].weight;
        if (!takes_part(&patterns[i])) {
            data->left_out += weight;
            continue;
        }
        data->customers += weight;
        x_sum += weight * patterns[i].x;
        mean_sum += weight * patterns[i].mean;
        data->log_mean_sum += weight * log(patterns[i].mean);
    }
    data->mean_average = mean_sum / data->customers;
    for (size_t i = 0; i < count; i++) {
        if (!takes_part(&patterns[i])) continue;
        const double weight = patterns[i].weight;
        const double dx = patterns[i].x - x_sum / data->customers, dm = patterns[i].mean - data->mean_average;
        xx += weight * dx * dx;
        mm += weight * dm * dm;
        xm += weight * dx * dm;
    }
    data->correlation = xx > 0 && mm > 0 ? xm / sqrt(xx * mm) : NAN;
}

static void *new_array(size_t count, size_t size) {
    size_t bytes;
    return pat_size_mul(count, size, &bytes) ? pat_mem_alloc(PAT_MEM_QUERY, bytes) : NULL;
}

static enum pat_status load(struct spend_data *data, const struct pat_spend_pattern *patterns, size_t count) {
    for (size_t i = 0; i < count; i++) data->count += takes_part(&patterns[i]);
    const size_t n = data->count;
    data->x = new_array(n, sizeof *data->x);
    data->log_total = new_array(n, sizeof *data->log_total);
    data->weight = new_array(n, sizeof *data->weight);
    data->block_sums = new_array((1 + SPEND_PARAMS) * pat_blocks(n), sizeof *data->block_sums);
    if (data->x == NULL || data->log_total == NULL || data->weight == NULL || data->block_sums == NULL) {
        return PAT_ERR_NO_MEMORY;
    }
    /* log_total holds x until its distinct values are known. */
    for (size_t i = 0, at = 0; i < count; i++) {
        if (takes_part(&patterns[i])) data->log_total[at++] = patterns[i].x;
    }
    PAT_TRY(pat_distinct__find(data->log_total, n, 1, data->x, &data->x_value, &data->x_count));
    data->ways = new_array(data->x_count, sizeof *data->ways);
    data->by_p = new_array(data->x_count, sizeof *data->by_p);
    data->by_q = new_array(data->x_count, sizeof *data->by_q);
    if (data->ways == NULL || data->by_p == NULL || data->by_q == NULL) return PAT_ERR_NO_MEMORY;
    for (size_t i = 0, at = 0; i < count; i++) {
        if (!takes_part(&patterns[i])) continue;
        data->weight[at] = patterns[i].weight;
        data->log_total[at++] = log(patterns[i].x) + log(patterns[i].mean);
    }
    describe(data, patterns, count);
    return PAT_OK;
}

static enum pat_status spend_data_init(struct spend_data *data, const struct pat_spend_pattern *patterns, size_t count,
                                       struct pat_error *error) {
    PAT_TRY(check(patterns, count, error));
    *data = (struct spend_data){0};
    const enum pat_status status = load(data, patterns, count);
    if (status == PAT_OK) return PAT_OK;
    spend_data_deinit(data);
    return pat_error_set(error, status, "no memory to fit the spend of %zu patterns", count);
}

static void tables(const double *params, struct spend_data *data) {
    const double p = params[P], q = params[Q];
    for (size_t i = 0; i < data->x_count; i++) {
        const double px = p * data->x_value[i];
        /* From the larger of the two, so that little is left to cancel. */
        data->ways[i] = px > q ? pat_special__lgamma_diff(px, q) - pat_special__lgamma(q)
                               : pat_special__lgamma_diff(q, px) - pat_special__lgamma(px);
        data->by_p[i] = px * pat_special__digamma_diff(px, q);
        data->by_q[i] = q * pat_special__digamma_diff(q, px);
    }
}

static void block(const double *params, const struct spend_data *data, size_t first, size_t n,
                  double term[1 + SPEND_PARAMS][PAT_BLOCK]) {
    const double p = params[P], q = params[Q], log_v = log(params[V]);
    for (size_t i = 0; i < n; i++) {
        const size_t x = data->x[first + i];
        const double w = data->weight[first + i], px = p * data->x_value[x], u = data->log_total[first + i] - log_v;
        double share, rest;
        const double log_q = pat_special__softplus(u, &share); /* log(1 + xm/v), and xm/(v + xm) */
        const double log_p = pat_special__softplus(-u, &rest); /* log(1 + v/(xm)) */
        term[0][i] = w * (data->ways[x] - px * log_p - q * log_q);
        term[1 + P][i] = w * (data->by_p[x] - px * log_p);
        term[1 + Q][i] = w * (data->by_q[x] - q * log_q);
        term[1 + V][i] = w * (q * share - px * rest);
    }
}

static double spend_loglik(void *context, const double *params, double *gradient) {
    struct spend_data *data = context;
    const size_t blocks = pat_blocks(data->count);
    double term[1 + SPEND_PARAMS][PAT_BLOCK];
    tables(params, data);
    for (size_t i = 0; i < blocks; i++) {
        const size_t first = i * PAT_BLOCK, left = data->count - first, n = left < PAT_BLOCK ? left : PAT_BLOCK;
        block(params, data, first, n, term);
        for (size_t k = 0; k <= SPEND_PARAMS; k++) data->block_sums[k * blocks + i] = pat_sum__lanes(term[k], n);
    }
    for (size_t k = 0; k < SPEND_PARAMS && gradient != NULL; k++) {
        gradient[k] = pat_sum__pairwise(data->block_sums + (k + 1) * blocks, blocks);
    }
    return pat_sum__pairwise(data->block_sums, blocks) - data->log_mean_sum;
}

static const struct pat_fit_limit limits[] = {
    {.up = 1u << P,
     .down = 1u << V,
     .lost = 1u << P | 1u << V,
     .parameter = "p",
     .direction = "infinity",
     .meaning = "a customer spends the same every time: p grows while p v stays"},
    {.up = 1u << Q | 1u << V,
     .lost = 1u << Q | 1u << V,
     .parameter = "q",
     .direction = "infinity",
     .meaning = "all customers spend alike: q and v grow together and only p v / q means something"},
};

/* From spend that varies within a customer to spend that varies between them; v such that the mean fits. */
static size_t spend_starts(double mean, double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX]) {
    static const double shapes[][2] = {{6, 4}, {1, 3}, {2, 10}, {20, 3}, {1, 1.5}, {50, 50}};
    const size_t count = sizeof shapes / sizeof shapes[0];
    for (size_t i = 0; i < count; i++) {
        start[i][P] = shapes[i][0];
        start[i][Q] = shapes[i][1];
        start[i][V] = mean * (shapes[i][1] - 1) / shapes[i][0];
    }
    return count;
}

static struct pat_spend_params params_of(const double *values) {
    return (struct pat_spend_params){.p = values[P], .q = values[Q], .v = values[V]};
}

static enum pat_status fit_data(struct spend_data *data, const struct pat_fit_options *options,
                                struct pat_spend_fit *out) {
    double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX] = {{0}};
    struct pat_found found = {.params = {NAN, NAN, NAN}, .se = {NAN, NAN, NAN}, .loglik = NAN};
    if (data->count > 0) {
        struct pat_search search = {.dim = SPEND_PARAMS,
                                    .loglik_cb = spend_loglik,
                                    .context = data,
                                    .customers = data->customers,
                                    .options = options};
        const size_t count = spend_starts(data->mean_average, start);
        pat_search__climb(&search, (const double(*)[PAT_BTYD_PARAMS_MAX])start, count, limits,
                          sizeof limits / sizeof limits[0], &found);
        if (!search.stopped) pat_search__judge(&search, &found);
        if (search.stopped) return PAT_ERR_CANCELLED;
    }
    *out = (struct pat_spend_fit){.params = params_of(found.params),
                                  .se = params_of(found.se),
                                  .loglik = found.loglik,
                                  .customers = data->customers,
                                  .left_out = data->left_out,
                                  .correlation = data->correlation,
                                  .mean_infinite = found.params[Q] <= 1,
                                  .iterations = found.iterations,
                                  .evaluations = found.evaluations,
                                  .converged = found.converged,
                                  .boundary = found.boundary};
    return PAT_OK;
}

enum pat_status pat_spend_fit(struct pat_spend_fit *out, const struct pat_spend_pattern *patterns, size_t count,
                              const struct pat_fit_options *options, struct pat_error *error) {
    struct spend_data data;
    PAT_TRY(spend_data_init(&data, patterns, count, error));
    const enum pat_status status = fit_data(&data, options, out);
    spend_data_deinit(&data);
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "the fit was cancelled");
}

enum pat_status pat_spend_loglik(const struct pat_spend_params *params, const struct pat_spend_pattern *patterns,
                                 size_t count, double *loglik, double *gradient, struct pat_error *error) {
    const double values[] = {params->p, params->q, params->v};
    struct spend_data data;
    PAT_ASSERT(params->p > 0);
    PAT_ASSERT(params->q > 0);
    PAT_ASSERT(params->v > 0);
    PAT_TRY(spend_data_init(&data, patterns, count, error));
    *loglik = spend_loglik(&data, values, gradient);
    spend_data_deinit(&data);
    return PAT_OK;
}

double pat_spend_expected(const struct pat_spend_params *params, double x, double mean) {
    const double shape = params->p * x + params->q - 1;
    if (shape <= 0) return HUGE_VAL;
    return params->p * (params->v + (x > 0 && mean > 0 ? x * mean : 0)) / shape;
}
