/* Analytic gradients against differences of the likelihood, and the bits of sums. */
#include "lifetime/btyd.h"
#include "lifetime/data_private.h"
#include "lifetime/spend.h"
#include "near.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#define PATTERNS 40u
#define POINTS   300u
#define STEP     1e-4

static uint64_t seed;

static double random_log(uint64_t *state, double low, double high) {
    return exp(log(low) + random_uniform(state) * (log(high) - log(low)));
}

static void random_patterns(uint64_t *state, struct pat_btyd_pattern *pattern, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const double T = floor(random_uniform(state) * 1000) / 7;
        const double x = T > 0 ? floor(random_log(state, 1, 3000)) - 1 : 0;
        pattern[i] = (struct pat_btyd_pattern){.x = x,
                                               .t_x = x > 0 ? floor(T * 7 * random_uniform(state)) / 7 : 0,
                                               .T = T,
                                               .weight = 1 + floor(3 * random_uniform(state))};
    }
}

static double loglik_at(const struct pat_btyd_model *model, const double *log_params,
                        const struct pat_btyd_pattern *pattern, double *gradient) {
    double params[PAT_BTYD_PARAMS_MAX], loglik;
    for (size_t k = 0; k < model->param_count; k++) params[k] = exp(log_params[k]);
    assert_int_equal(pat_btyd_loglik(model, params, pattern, PATTERNS, &loglik, gradient, NULL), PAT_OK);
    assert_true(isfinite(loglik));
    return loglik;
}

/* Fourth-order difference of f around `at` in variable k. */
#define DIFFERENCE(f_at) ((8 * (f_at(STEP) - f_at(-STEP)) - (f_at(2 * STEP) - f_at(-2 * STEP))) / (12 * STEP))

static double moved(const struct pat_btyd_model *model, const double *at, size_t k, double by,
                    const struct pat_btyd_pattern *pattern) {
    double params[PAT_BTYD_PARAMS_MAX];
    for (size_t i = 0; i < model->param_count; i++) params[i] = at[i] + (i == k ? by : 0);
    return loglik_at(model, params, pattern, NULL);
}

/* The likelihood is a small sum of large terms, log Gamma(x + ...) and the like, up to 8 (x + 1) each and four of them:
 * their rounding, divided by the step, is what a difference cannot see below. */
static double difference_noise(const struct pat_btyd_pattern *pattern) {
    double terms = 0;
    for (size_t i = 0; i < PATTERNS; i++) terms += pattern[i].weight * 32 * (pattern[i].x + 1);
    return terms * 0x1p-53 / STEP;
}

static void gradients_are_those_of_differences(void **state) {
    (void)state;
    uint64_t random = seed;
    for (size_t point = 0; point < POINTS; point++) {
        const struct pat_btyd_model *model = &pat_btyd_models[point % pat_btyd_model_count];
        struct pat_btyd_pattern pattern[PATTERNS];
        double at[PAT_BTYD_PARAMS_MAX], gradient[PAT_BTYD_PARAMS_MAX];
        random_patterns(&random, pattern, PATTERNS);
        for (size_t k = 0; k < model->param_count; k++) at[k] = log(random_log(&random, 1e-3, 1e3));
        (void)loglik_at(model, at, pattern, gradient);
        const double noise = difference_noise(pattern);
        for (size_t k = 0; k < model->param_count; k++) {
#define MOVED(by) moved(model, at, k, (by), pattern)
            const double difference = DIFFERENCE(MOVED);
#undef MOVED
            const double allowed = 1e-7 * fabs(difference) + noise + 1e-7;
            if (fabs(gradient[k] - difference) <= allowed) continue;
            fail_msg("seed %llu point %zu: d/d log %s of %s is %.15g, by difference %.15g (allowed %.2g)",
                     (unsigned long long)seed, point, model->param_names[k], model->name, gradient[k], difference,
                     allowed);
        }
    }
}

static double spend_moved(const double *at, size_t k, double by, const struct pat_spend_pattern *pattern) {
    double value[3], loglik;
    for (size_t i = 0; i < 3; i++) value[i] = exp(at[i] + (i == k ? by : 0));
    const struct pat_spend_params params = {.p = value[0], .q = value[1], .v = value[2]};
    assert_int_equal(pat_spend_loglik(&params, pattern, PATTERNS, &loglik, NULL, NULL), PAT_OK);
    return loglik;
}

static void spend_gradients_are_those_of_differences(void **state) {
    (void)state;
    uint64_t random = seed;
    for (size_t point = 0; point < POINTS; point++) {
        struct pat_spend_pattern pattern[PATTERNS];
        double at[3], gradient[3], loglik;
        for (size_t i = 0; i < PATTERNS; i++) {
            pattern[i] = (struct pat_spend_pattern){.x = floor(random_log(&random, 1, 3000)) - 1,
                                                    .mean = 100 * random_uniform(&random) - 5,
                                                    .weight = 1 + floor(3 * random_uniform(&random))};
        }
        for (size_t k = 0; k < 3; k++) at[k] = log(random_log(&random, 1e-2, 1e2));
        const struct pat_spend_params params = {.p = exp(at[0]), .q = exp(at[1]), .v = exp(at[2])};
        assert_int_equal(pat_spend_loglik(&params, pattern, PATTERNS, &loglik, gradient, NULL), PAT_OK);
        for (size_t k = 0; k < 3; k++) {
#define MOVED(by) spend_moved(at, k, (by), pattern)
            const double difference = DIFFERENCE(MOVED);
#undef MOVED
            const double allowed = 1e-7 * fabs(difference) + 1e-14 * fabs(loglik) / STEP + 1e-7;
            if (fabs(gradient[k] - difference) <= allowed) continue;
            fail_msg("seed %llu point %zu: derivative %zu is %.15g, by difference %.15g (allowed %.2g)",
                     (unsigned long long)seed, point, k, gradient[k], difference, allowed);
        }
    }
}

/* What a vector unit of eight lanes and a tree of threads would do, spelled out. */
static void sums_run_in_lanes_and_pairs(void **state) {
    (void)state;
    uint64_t random = seed;
    double value[PAT_BLOCK], lane[8];
    for (size_t n = 0; n <= PAT_BLOCK; n += 37) {
        for (size_t i = 0; i < n; i++) value[i] = random_log(&random, 1e-9, 1e9);
        for (size_t k = 0; k < 8; k++) {
            lane[k] = 0;
            for (size_t i = k; i < n; i += 8) lane[k] += value[i];
        }
        const double sum = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
        assert_true(pat_sum__lanes(value, n) == sum);
    }
    const double five[] = {1e16, 1, 1, -1e16, 1};
    assert_true(pat_sum__pairwise(five, 5) == ((1e16 + 1) + 1) + (-1e16 + 1));
    assert_true(pat_sum__pairwise(five, 0) == 0);
}

int main(void) {
    const char *given = getenv("PATRON_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("PATRON_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(spend_gradients_are_those_of_differences),
        cmocka_unit_test(sums_run_in_lanes_and_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
