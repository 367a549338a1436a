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

/* Patterns that take part, sorted by x, and what an evaluation needs of each:
 *   log f = [lgamma(px+q) - lgamma(px) - lgamma(q)] - log m - px log(1 + v/(xm)) - q log(1 + xm/v) */
struct spend_run {
    double x, weight;
    size_t first, end;
    double ways, by_p, by_q; /* the bracket, its derivatives in log p, log q */
};

struct spend_data {
    const struct pat_kernels *kernels;
    const struct pat_spread *spread; /* may be NULL */
    size_t count;
    double *log_total; /* log of x * mean */
    double *weight;
    size_t runs; /* by distinct x, rising */
    struct spend_run *run;
    double *block_sums;  /* [PAT_KERNEL_SUMS][blocks of the longest run] */
    double *run_sums;    /* [1 + SPEND_PARAMS][runs] */
    double log_mean_sum; /* weighted; no parameter changes it */
    double mean_average;
    double customers, left_out, correlation;
};

static void spend_data_deinit(struct spend_data *data) {
    pat_mem_free(PAT_MEM_QUERY, data->log_total);
    pat_mem_free(PAT_MEM_QUERY, data->weight);
    pat_mem_free(PAT_MEM_QUERY, data->run);
    pat_mem_free(PAT_MEM_QUERY, data->block_sums);
    pat_mem_free(PAT_MEM_QUERY, data->run_sums);
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
    return pat_size_mul(count, size, &bytes) ? pat_mem_alloc_big(PAT_MEM_QUERY, bytes) : NULL;
}

static enum pat_status take_tables(struct spend_data *data) {
    size_t longest = 0;
    for (size_t i = 0; i < data->runs; i++) {
        const size_t length = data->run[i].end - data->run[i].first;
        if (length > longest) longest = length;
    }
    data->block_sums = new_array(PAT_KERNEL_SUMS * pat_blocks(longest), sizeof *data->block_sums);
    data->run_sums = new_array((1 + SPEND_PARAMS) * data->runs, sizeof *data->run_sums);
    return data->block_sums == NULL || data->run_sums == NULL ? PAT_ERR_NO_MEMORY : PAT_OK;
}

/* Runs of those who take part, x rising, and where each of them goes. `x` holds theirs. */
static enum pat_status find_runs(struct spend_data *data, const double *x, uint32_t *index, uint32_t *place) {
    double *distinct = NULL;
    size_t *start = NULL;
    PAT_TRY(pat_distinct__find(x, data->count, 1, index, &distinct, &data->runs));
    enum pat_status status = pat_distinct__sort(distinct, data->runs, index, data->count);
    if (status == PAT_OK) status = pat_order__by_key(index, data->count, data->runs, &start, place);
    data->run = new_array(data->runs, sizeof *data->run);
    if (data->run == NULL) status = PAT_ERR_NO_MEMORY;
    for (size_t i = 0; i < data->runs && status == PAT_OK; i++) {
        data->run[i] = (struct spend_run){.x = distinct[i], .first = start[i], .end = start[i + 1]};
    }
    pat_mem_free(PAT_MEM_QUERY, distinct);
    pat_mem_free(PAT_MEM_QUERY, start);
    return status;
}

/* Patterns into their places; place[] counts those who take part. */
static void place_patterns(struct spend_data *data, const struct pat_spend_pattern *patterns, size_t count,
                           const uint32_t *place) {
    for (size_t i = 0, at = 0; i < count; i++) {
        if (!takes_part(&patterns[i])) continue;
        const size_t to = place[at++];
        data->weight[to] = patterns[i].weight;
        data->log_total[to] = log(patterns[i].x) + log(patterns[i].mean);
    }
    for (size_t i = 0; i < data->runs; i++) {
        struct spend_run *const run = &data->run[i];
        for (size_t k = run->first; k < run->end; k++) run->weight += data->weight[k];
    }
}

static enum pat_status take_patterns(struct spend_data *data, size_t count) {
    data->count = count;
    data->log_total = new_array(count, sizeof *data->log_total);
    data->weight = new_array(count, sizeof *data->weight);
    return data->log_total == NULL || data->weight == NULL ? PAT_ERR_NO_MEMORY : PAT_OK;
}

static enum pat_status load(struct spend_data *data, const struct pat_spend_pattern *patterns, size_t count) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) n += takes_part(&patterns[i]);
    PAT_TRY(take_patterns(data, n));
    uint32_t *const index = new_array(n, sizeof *index), *const place = new_array(n, sizeof *place);
    enum pat_status status = index == NULL || place == NULL ? PAT_ERR_NO_MEMORY : PAT_OK;
    for (size_t i = 0, at = 0; i < count; i++) { /* until its own values come it holds x */
        if (takes_part(&patterns[i])) data->log_total[at++] = patterns[i].x;
    }
    if (status == PAT_OK) status = find_runs(data, data->log_total, index, place);
    if (status == PAT_OK) place_patterns(data, patterns, count, place);
    pat_mem_free(PAT_MEM_QUERY, index);
    pat_mem_free(PAT_MEM_QUERY, place);
    PAT_TRY(status);
    describe(data, patterns, count);
    return take_tables(data);
}

static enum pat_status spend_data_init(struct spend_data *data, const struct pat_spend_pattern *patterns, size_t count,
                                       const struct pat_fit_options *options, struct pat_error *error) {
    PAT_TRY(check(patterns, count, error));
    const bool kernels = options != NULL && options->kernels != NULL;
    *data = (struct spend_data){.kernels = kernels ? options->kernels : &pat_kernels_scalar,
                                .spread = options == NULL ? NULL : options->spread};
    const enum pat_status status = load(data, patterns, count);
    if (status == PAT_OK) return PAT_OK;
    spend_data_deinit(data);
    return pat_error_set(error, status, "no memory to fit the spend of %zu patterns", count);
}

/* Every step-th customer of a run, each with weight `step`; *before counts customers so far. */
static void sample_run(struct spend_data *out, const struct spend_data *data, const struct spend_run *run, double step,
                       double *before) {
    struct spend_run *const into = &out->run[out->runs];
    *into = (struct spend_run){.x = run->x, .first = out->count};
    for (size_t i = run->first; i < run->end; i++) {
        const double after = *before + data->weight[i], taken = floor(after / step) - floor(*before / step);
        *before = after;
        if (!(taken > 0)) continue;
        out->log_total[out->count] = data->log_total[i];
        out->weight[out->count++] = taken * step;
        into->weight += taken * step;
        out->log_mean_sum += taken * step * (data->log_total[i] - log(run->x));
    }
    into->end = out->count;
    out->customers += into->weight;
    if (into->end > into->first) out->runs++;
}

static enum pat_status spend_data_sample(struct spend_data *out, const struct spend_data *data, double step) {
    const size_t most = (size_t)fmin((double)data->count, data->customers / step + 1);
    double before = 0;
    *out = (struct spend_data){.kernels = data->kernels, .spread = data->spread};
    enum pat_status status = take_patterns(out, most);
    out->run = new_array(data->runs, sizeof *out->run);
    if (out->run == NULL) status = PAT_ERR_NO_MEMORY;
    out->count = 0;
    for (size_t i = 0; i < data->runs && status == PAT_OK; i++) sample_run(out, data, &data->run[i], step, &before);
    if (status == PAT_OK) status = take_tables(out);
    if (status != PAT_OK) spend_data_deinit(out);
    return status;
}

static void tables(const double *params, struct spend_data *data) {
    const double p = params[P], q = params[Q];
    for (size_t i = 0; i < data->runs; i++) {
        struct spend_run *const run = &data->run[i];
        const double px = p * run->x;
        /* From the larger of the two, so that little is left to cancel. */
        run->ways = px > q ? pat_special__lgamma_diff(px, q) - pat_special__lgamma(q)
                           : pat_special__lgamma_diff(q, px) - pat_special__lgamma(px);
        run->by_p = px * pat_special__digamma_diff(px, q);
        run->by_q = q * pat_special__digamma_diff(q, px);
    }
}

struct balance_of {
    const struct spend_data *data;
    double log_v;
};

static void balance_of_block(const void *context, size_t first, size_t n, double sums[PAT_KERNEL_SUMS]) {
    const struct balance_of *of = context;
    of->data->kernels->balance_sums(of->data->log_total + first, of->data->weight + first, n, -of->log_v, sums);
}

/* Sums over a run of log(1 + xm/v), log(1 + v/(xm)), xm/(v + xm), v/(v + xm). */
static void run_balance(struct spend_data *data, const struct spend_run *run, double log_v,
                        double out[PAT_KERNEL_SUMS]) {
    const struct balance_of of = {data, log_v};
    pat_blocks__sum(data->spread, run->first, run->end, balance_of_block, &of, data->block_sums, out);
}

static double spend_loglik(void *context, const double *params, double *gradient) {
    struct spend_data *data = context;
    const double q = params[Q], log_v = log(params[V]);
    const size_t runs = data->runs;
    double *const sums = data->run_sums;
    tables(params, data);
    for (size_t i = 0; i < runs; i++) {
        const struct spend_run *run = &data->run[i];
        const double px = params[P] * run->x;
        double of[PAT_KERNEL_SUMS];
        run_balance(data, run, log_v, of);
        sums[i] = run->weight * run->ways - px * of[1] - q * of[0];
        sums[(1 + P) * runs + i] = run->weight * run->by_p - px * of[1];
        sums[(1 + Q) * runs + i] = run->weight * run->by_q - q * of[0];
        sums[(1 + V) * runs + i] = q * of[2] - px * of[3];
    }
    for (size_t k = 0; k < SPEND_PARAMS && gradient != NULL; k++) {
        gradient[k] = pat_sum__pairwise(sums + (k + 1) * runs, runs);
    }
    return pat_sum__pairwise(sums, runs) - data->log_mean_sum;
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

static struct pat_search search_of(struct spend_data *data, const struct pat_fit_options *options) {
    return (struct pat_search){.dim = SPEND_PARAMS,
                               .loglik_cb = spend_loglik,
                               .context = data,
                               .customers = data->customers,
                               .options = options};
}

static enum pat_status climb(struct pat_search *search, struct spend_data *data, const struct pat_search_map *map,
                             struct pat_found *found) {
    if (data->count < PAT_SAMPLE_FROM) {
        pat_search__climb(search, map, found);
        return PAT_OK;
    }
    struct spend_data part;
    PAT_TRY(spend_data_sample(&part, data, PAT_SAMPLE_STEP));
    struct pat_search sample = search_of(&part, search->options);
    pat_search__climb_sampled(search, &sample, map, found);
    spend_data_deinit(&part);
    return PAT_OK;
}

static enum pat_status fit_data(struct spend_data *data, const struct pat_fit_options *options,
                                struct pat_spend_fit *out) {
    double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX] = {{0}};
    struct pat_found found = {.params = {NAN, NAN, NAN}, .se = {NAN, NAN, NAN}, .loglik = NAN};
    if (data->count > 0) {
        struct pat_search search = search_of(data, options);
        const struct pat_search_map map = {.start = (const double(*)[PAT_BTYD_PARAMS_MAX])start,
                                           .start_count = spend_starts(data->mean_average, start),
                                           .limit = limits,
                                           .limit_count = sizeof limits / sizeof limits[0]};
        PAT_TRY(climb(&search, data, &map, &found));
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
    PAT_TRY(spend_data_init(&data, patterns, count, options, error));
    const enum pat_status status = fit_data(&data, options, out);
    spend_data_deinit(&data);
    if (status == PAT_ERR_NO_MEMORY) return pat_error_set(error, status, "no memory to fit %zu patterns", count);
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "the fit was cancelled");
}

enum pat_status pat_spend_loglik(const struct pat_spend_params *params, const struct pat_spend_pattern *patterns,
                                 size_t count, double *loglik, double *gradient, struct pat_error *error) {
    const double values[] = {params->p, params->q, params->v};
    struct spend_data data;
    PAT_ASSERT(params->p > 0);
    PAT_ASSERT(params->q > 0);
    PAT_ASSERT(params->v > 0);
    PAT_TRY(spend_data_init(&data, patterns, count, NULL, error));
    *loglik = spend_loglik(&data, values, gradient);
    spend_data_deinit(&data);
    return PAT_OK;
}

double pat_spend_expected(const struct pat_spend_params *params, double x, double mean) {
    const double shape = params->p * x + params->q - 1;
    if (shape <= 0) return HUGE_VAL;
    return params->p * (params->v + (x > 0 && mean > 0 ? x * mean : 0)) / shape;
}
