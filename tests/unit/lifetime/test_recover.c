/* Customers drawn from a model with known parameters: the fit finds them again within its standard errors.
 * PATRON_LIFETIME_CUSTOMERS sets how many (20000); PATRON_SEED which. The times of the fits are printed. */
#include "base/clock.h"
#include "base/mem.h"
#include "lifetime/btyd.h"
#include "lifetime/fit.h"
#include "lifetime/predict.h"
#include "lifetime/spend.h"
#include "near.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static size_t customers;
static uint64_t seed;

static double normal(uint64_t *random) {
    return sqrt(-2 * log(random_uniform(random))) * cos(6.283185307179586 * random_uniform(random));
}

/* Marsaglia, Tsang 2000. */
static double gamma_of(uint64_t *random, double shape) {
    if (shape < 1) return gamma_of(random, shape + 1) * pow(random_uniform(random), 1 / shape);
    const double d = shape - 1. / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = normal(random), v = pow(1 + c * x, 3);
        if (v > 0 && log(random_uniform(random)) < x * x / 2 + d - d * v + d * log(v)) return d * v;
    }
}

/* One customer in weeks: first purchase up to two years ago; `grid` rounds times (0: not at all). */
static struct pat_btyd_pattern customer(uint64_t *random, const double *params, bool leaves_at_first, double grid) {
    const double T = floor(random_uniform(random) * 730) / 7, rate = gamma_of(random, params[0]) / params[1];
    const double a = gamma_of(random, params[2]), b = gamma_of(random, params[3]), leaving = a / (a + b);
    struct pat_btyd_pattern of = {.T = T, .weight = 1};
    if (leaves_at_first && random_uniform(random) < leaving) return of;
    for (double t = -log(random_uniform(random)) / rate; t < T; t -= log(random_uniform(random)) / rate) {
        of.x++;
        of.t_x = grid > 0 ? floor(t / grid) * grid : t;
        if (random_uniform(random) < leaving) break;
    }
    return of;
}

static double seconds(void) {
    return (double)pat_clock_monotonic_ns() / 1e9;
}

static void recover(const char *model, const double *truth, double grid) {
    uint64_t random = seed;
    const size_t bytes = customers * sizeof(struct pat_btyd_pattern);
    struct pat_btyd_pattern *pattern = pat_mem_alloc(PAT_MEM_QUERY, bytes);
    assert_non_null(pattern);
    for (size_t i = 0; i < customers; i++) {
        pattern[i] = customer(&random, truth, model[0] == 'm', grid);
    }
    struct pat_btyd_fit fit;
    double loglik;
    const double start = seconds();
    assert_int_equal(pat_btyd_fit(&fit, pat_btyd_model_find(model), pattern, customers, NULL, NULL), PAT_OK);
    print_message("%s, %zu patterns, grid %.3g: %.3f s, %u iterations, %u evaluations, log-likelihood %.6f\n", model,
                  customers, grid, seconds() - start, fit.iterations, fit.evaluations, fit.loglik);
    assert_int_equal(pat_btyd_loglik(pat_btyd_model_find(model), truth, pattern, customers, &loglik, NULL, NULL),
                     PAT_OK);
    pat_mem_free(PAT_MEM_QUERY, pattern);
    assert_true(fit.converged);
    assert_true(fit.loglik >= loglik);
    for (size_t k = 0; k < 4 && !(grid > 0); k++) {
        print_message("  %s %.5f (true %.5f), standard error %.5f\n", pat_btyd_model_find(model)->param_names[k],
                      fit.params[k], truth[k], fit.se[k]);
        if (fabs(fit.params[k] - truth[k]) <= 4.5 * fit.se[k]) continue;
        fail_msg("seed %llu: %s is more than 4.5 standard errors off", (unsigned long long)seed,
                 pat_btyd_model_find(model)->param_names[k]);
    }
}

static void bg_nbd_is_recovered(void **state) {
    (void)state;
    recover("bg_nbd", (const double[]){0.4, 6, 0.8, 2.4}, 0);
}

static void mbg_nbd_is_recovered(void **state) {
    (void)state;
    recover("mbg_nbd", (const double[]){0.6, 7, 0.9, 2.0}, 0);
}

static void days_share_their_logarithms(void **state) {
    (void)state;
    recover("mbg_nbd", (const double[]){0.6, 7, 0.9, 2.0}, 1. / 7);
}

static void spend_is_recovered(void **state) {
    (void)state;
    const struct pat_spend_params truth = {.p = 6, .q = 4, .v = 1500};
    uint64_t random = seed;
    struct pat_spend_pattern *pattern = pat_mem_alloc(PAT_MEM_QUERY, customers * sizeof *pattern);
    struct pat_spend_fit fit;
    assert_non_null(pattern);
    for (size_t i = 0; i < customers; i++) {
        const double x = floor(-4 * log(random_uniform(&random))), rate = gamma_of(&random, truth.q) / truth.v;
        pattern[i] = (struct pat_spend_pattern){.x = x, .weight = 1};
        if (x > 0) pattern[i].mean = gamma_of(&random, truth.p * x) / (x * rate);
    }
    const double start = seconds();
    assert_int_equal(pat_spend_fit(&fit, pattern, customers, NULL, NULL), PAT_OK);
    print_message("spend, %zu patterns: %.3f s, %u iterations, %u evaluations, p %.4f q %.4f v %.3f\n", customers,
                  seconds() - start, fit.iterations, fit.evaluations, fit.params.p, fit.params.q, fit.params.v);
    pat_mem_free(PAT_MEM_QUERY, pattern);
    assert_true(fit.converged);
    near_absolute(fit.params.p, truth.p, 4.5 * fit.se.p);
    near_absolute(fit.params.q, truth.q, 4.5 * fit.se.q);
    near_absolute(fit.params.v, truth.v, 4.5 * fit.se.v);
    near_absolute(fit.correlation, 0, 4.5 / sqrt(fit.customers));
}

static size_t number_from(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

static int compare_patterns(const void *a, const void *b) {
    const struct pat_btyd_pattern *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    if (p->t_x != q->t_x) return p->t_x < q->t_x ? -1 : 1;
    return (p->T > q->T) - (p->T < q->T);
}

/* Sorts, and makes weights of those that are the same; gives how many are left. */
static size_t merge_patterns(struct pat_btyd_pattern *pattern, size_t count) {
    size_t left = 0;
    qsort(pattern, count, sizeof *pattern, compare_patterns);
    for (size_t i = 0; i < count; i++) {
        if (left > 0 && compare_patterns(&pattern[left - 1], &pattern[i]) == 0) {
            pattern[left - 1].weight += pattern[i].weight;
        } else {
            pattern[left++] = pattern[i];
        }
    }
    return left;
}

#define CROWD 100000u

/* Parts from the last to the first, as if other threads had been quicker. */
static void run_backwards(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    ++*(unsigned *)context;
    while (parts-- > 0) part_cb(part_context, parts, parts % 2);
}

/* So many patterns are climbed by way of a sample; merged by whole weeks they are few and are not. */
static void a_sample_leads_to_the_same_maximum(void **state) {
    (void)state;
    static const double truth[] = {.8, 6, .9, 4};
    static const char *const tables[] = {"avx2", "avx512"};
    const struct pat_btyd_model *model = pat_btyd_model_find("bg_nbd");
    struct pat_btyd_pattern *pattern = pat_mem_alloc(PAT_MEM_QUERY, CROWD * sizeof *pattern);
    struct pat_btyd_fit sampled, whole, other;
    unsigned shared = 0;
    const struct pat_spread backwards = {.lanes = 2, .run_cb = run_backwards, .context = &shared};
    uint64_t random = seed;
    assert_non_null(pattern);
    for (size_t i = 0; i < CROWD; i++) {
        pattern[i] = customer(&random, truth, false, 1);
        pattern[i].T = floor(pattern[i].T);
    }
    assert_int_equal(pat_btyd_fit(&sampled, model, pattern, CROWD, NULL, NULL), PAT_OK);
    for (size_t i = 0; i < 2; i++) {
        const struct pat_fit_options options = {.kernels = pat_kernels_find(tables[i]), .spread = &backwards};
        if (options.kernels == NULL) continue;
        assert_int_equal(pat_btyd_fit(&other, model, pattern, CROWD, &options, NULL), PAT_OK);
        assert_memory_equal(&sampled, &other, sizeof sampled);
        assert_true(shared > 0);
    }
    const size_t count = merge_patterns(pattern, CROWD);
    assert_true(count < 50000);
    assert_int_equal(pat_btyd_fit(&whole, model, pattern, count, NULL, NULL), PAT_OK);
    pat_mem_free(PAT_MEM_QUERY, pattern);
    assert_true(sampled.converged && whole.converged && sampled.boundary == NULL);
    near_absolute(sampled.loglik, whole.loglik, 1e-6);
    for (size_t k = 0; k < 4; k++) {
        near_relative(sampled.params[k], whole.params[k], 1e-4 * whole.se[k] / whole.params[k]);
        near_relative(sampled.se[k], whole.se[k], 1e-5);
    }
}

/* Likewise of spend: half of a crowd twice, which is sampled, and once with double weights, which is not. */
static void a_sample_leads_to_the_same_spend(void **state) {
    (void)state;
    struct pat_spend_pattern *pattern = pat_mem_alloc(PAT_MEM_QUERY, CROWD * sizeof *pattern);
    struct pat_spend_fit sampled, whole, other;
    unsigned shared = 0;
    const struct pat_spread backwards = {.lanes = 2, .run_cb = run_backwards, .context = &shared};
    const struct pat_fit_options options = {.spread = &backwards};
    uint64_t random = seed;
    assert_non_null(pattern);
    for (size_t i = 0; i < CROWD; i++) {
        const double x = 1 + floor(4 * random_uniform(&random));
        const double total = gamma_of(&random, 5 * x) * 30 / gamma_of(&random, 4);
        pattern[i] = (struct pat_spend_pattern){.x = x, .mean = total / x, .weight = 1};
    }
    const size_t half = CROWD / 2;
    for (size_t i = 0; i < half; i++) pattern[i].weight = 2;
    assert_int_equal(pat_spend_fit(&whole, pattern, half, NULL, NULL), PAT_OK);
    for (size_t i = 0; i < half; i++) pattern[half + i] = pattern[i];
    for (size_t i = 0; i < CROWD; i++) pattern[i].weight = 1;
    assert_int_equal(pat_spend_fit(&sampled, pattern, CROWD, NULL, NULL), PAT_OK);
    assert_int_equal(pat_spend_fit(&other, pattern, CROWD, &options, NULL), PAT_OK);
    assert_true(shared > 0);
    assert_memory_equal(&sampled.params, &other.params, sizeof sampled.params);
    assert_memory_equal(&sampled.se, &other.se, sizeof sampled.se);
    assert_memory_equal(&sampled.loglik, &other.loglik, sizeof sampled.loglik);
    pat_mem_free(PAT_MEM_QUERY, pattern);
    assert_true(sampled.converged && whole.converged && sampled.boundary == NULL);
    near_absolute(sampled.loglik, whole.loglik, 1e-5);
    near_absolute(sampled.params.p, whole.params.p, 1e-4 * whole.se.p);
    near_absolute(sampled.params.q, whole.params.q, 1e-4 * whole.se.q);
    near_absolute(sampled.params.v, whole.params.v, 1e-4 * whole.se.v);
}

int main(void) {
    customers = number_from("PATRON_LIFETIME_CUSTOMERS", 20000);
    seed = number_from("PATRON_SEED", 20240229); /* fixed: one seed in tens of thousands may be far off by chance */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bg_nbd_is_recovered),
        cmocka_unit_test(mbg_nbd_is_recovered),
        cmocka_unit_test(days_share_their_logarithms),
        cmocka_unit_test(spend_is_recovered),
        cmocka_unit_test(a_sample_leads_to_the_same_maximum),
        cmocka_unit_test(a_sample_leads_to_the_same_spend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
