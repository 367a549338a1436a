/* The traps of SCIENCE: overflow, boundaries, data without information, hostile values, memory that runs out. */
#include "base/mem.h"
#include "lifetime/btyd.h"
#include "lifetime/fit.h"
#include "lifetime/predict.h"
#include "lifetime/spend.h"
#include "near.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define CUSTOMERS 400u

static struct pat_btyd_fit fit_of(const char *model, const struct pat_btyd_pattern *pattern, size_t count) {
    struct pat_btyd_fit fit;
    struct pat_error error = {0};
    if (pat_btyd_fit(&fit, pat_btyd_model_find(model), pattern, count, NULL, &error) != PAT_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(isfinite(fit.loglik));
    assert_true(pat_btyd_params_valid(pat_btyd_model_find(model), fit.params));
    assert_true(fit.loglik >= fit.nbd_loglik - 1e-9);
    return fit;
}

/* Every prediction of every pattern is a number, and a probability is one. */
static void check_predictions(const char *model, const struct pat_btyd_fit *fit, const struct pat_btyd_pattern *pattern,
                              size_t count) {
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find(model), fit->params);
    for (size_t i = 0; i < count; i++) {
        const double alive = pat_scorer_p_alive(&scorer, &pattern[i]);
        const double expected = pat_scorer_expected(&scorer, &pattern[i], 0, 52);
        if (!(alive >= 0 && alive <= 1 && expected >= 0 && isfinite(expected))) {
            fail_msg("%s: pattern %zu has P(alive) %g, E %g", model, i, alive, expected);
        }
    }
}

static double random_exponential(uint64_t *random) {
    return -log(random_uniform(random));
}

/* Customers of T weeks who buy at rate `rate` and leave after a repeat purchase with chance `leaving`. */
static void shop(struct pat_btyd_pattern *pattern, size_t count, double rate_mean, double leaving, bool one_rate) {
    uint64_t random = 42;
    for (size_t i = 0; i < count; i++) {
        const double T = 26 + floor(random_uniform(&random) * 182) / 7;
        const double rate = one_rate ? rate_mean : rate_mean * random_exponential(&random);
        pattern[i] = (struct pat_btyd_pattern){.T = T, .weight = 1};
        double t = random_exponential(&random) / rate;
        while (t < T) {
            pattern[i].x++;
            pattern[i].t_x = t;
            if (random_uniform(&random) < leaving) break;
            t += random_exponential(&random) / rate;
        }
    }
}

static void a_shop_that_nobody_leaves_is_an_nbd(void **state) {
    (void)state;
    struct pat_btyd_pattern pattern[CUSTOMERS];
    shop(pattern, CUSTOMERS, 0.2, 0, false);
    /* All who came back were seen on the last day: there is no trace of anybody leaving. */
    for (size_t i = 0; i < CUSTOMERS; i++) pattern[i].t_x = pattern[i].x > 0 ? pattern[i].T : 0;
    const char *const models[] = {"bg_nbd", "mbg_nbd"};
    for (size_t i = 0; i < COUNT(models); i++) {
        const struct pat_btyd_fit fit = fit_of(models[i], pattern, CUSTOMERS);
        assert_true(fit.converged);
        assert_non_null(fit.boundary);
        assert_string_equal(fit.boundary->parameter, "a");
        assert_string_equal(fit.boundary->direction, "zero");
        near_absolute(fit.loglik, fit.nbd_loglik, 1e-4);
        assert_true(fit.se[0] > 0 && fit.se[1] > 0);
        assert_true(isnan(fit.se[2]) && isnan(fit.se[3]));
        check_predictions(models[i], &fit, pattern, CUSTOMERS);
        struct pat_scorer scorer;
        pat_scorer_init(&scorer, pat_btyd_model_find(models[i]), fit.params);
        near_absolute(pat_scorer_p_alive(&scorer, &pattern[0]), 1, 1e-3);
    }
}

static void customers_of_one_rate_run_r_to_infinity(void **state) {
    (void)state;
    struct pat_btyd_pattern pattern[CUSTOMERS];
    /* More regular than Poisson, so that no spread of rates can help. */
    for (size_t i = 0; i < CUSTOMERS; i++) {
        const double T = 20 + (double)(i % 20), x = floor(T / 4);
        pattern[i] = (struct pat_btyd_pattern){.x = x, .t_x = 4 * x - 1, .T = T, .weight = 1};
    }
    for (size_t model = 0; model < pat_btyd_model_count; model++) {
        const struct pat_btyd_fit fit = fit_of(pat_btyd_models[model].name, pattern, CUSTOMERS);
        assert_true(fit.converged);
        assert_non_null(fit.boundary);
        check_predictions(pat_btyd_models[model].name, &fit, pattern, CUSTOMERS);
    }
    const struct pat_btyd_fit fit = fit_of("nbd", pattern, CUSTOMERS);
    assert_string_equal(fit.boundary->parameter, "r");
    assert_string_equal(fit.boundary->direction, "infinity");
    double x = 0, T = 0, poisson = 0;
    for (size_t i = 0; i < CUSTOMERS; i++) {
        x += pattern[i].x;
        T += pattern[i].T;
    }
    for (size_t i = 0; i < CUSTOMERS; i++) poisson += pattern[i].x * log(x / T) - pattern[i].T * x / T;
    near_absolute(fit.loglik, poisson, 1e-3);
    near_relative(fit.params[0] / fit.params[1], x / T, 1e-6);
}

static void one_time_buyers_alone_can_be_fitted(void **state) {
    (void)state;
    struct pat_btyd_pattern pattern[CUSTOMERS];
    for (size_t i = 0; i < CUSTOMERS; i++) pattern[i] = (struct pat_btyd_pattern){.T = (double)(i % 60), .weight = 1};
    for (size_t model = 0; model < pat_btyd_model_count; model++) {
        const struct pat_btyd_fit fit = fit_of(pat_btyd_models[model].name, pattern, CUSTOMERS);
        assert_true(fit.converged);
        assert_non_null(fit.boundary);
        near_absolute(fit.loglik, 0, 1e-4); /* "nobody buys again" is certain */
        near_absolute(fit.repeaters, 0, 0);
        check_predictions(pat_btyd_models[model].name, &fit, pattern, CUSTOMERS);
    }
}

static void first_purchases_on_the_last_day_say_nothing(void **state) {
    (void)state;
    struct pat_btyd_pattern pattern[] = {{.T = 0, .weight = 1000}, {.x = 3, .t_x = 10, .T = 12, .weight = 1}};
    for (size_t model = 0; model < pat_btyd_model_count; model++) {
        const char *name = pat_btyd_models[model].name;
        const struct pat_btyd_fit nothing = fit_of(name, pattern, 1);
        assert_true(nothing.converged);
        near_absolute(nothing.loglik, 0, 1e-9);
        const struct pat_btyd_fit with = fit_of(name, pattern, 2), without = fit_of(name, pattern + 1, 1);
        if (strcmp(name, "mbg_nbd") != 0) near_absolute(with.loglik, without.loglik, 1e-3);
        check_predictions(name, &with, pattern, 2);
    }
}

static void everybody_leaves_at_once_or_after_one_purchase(void **state) {
    (void)state;
    struct pat_btyd_pattern pattern[CUSTOMERS];
    shop(pattern, CUSTOMERS, 0.5, 1, false);
    const char *const models[] = {"bg_nbd", "mbg_nbd"};
    for (size_t i = 0; i < COUNT(models); i++) {
        const struct pat_btyd_fit fit = fit_of(models[i], pattern, CUSTOMERS);
        check_predictions(models[i], &fit, pattern, CUSTOMERS);
        assert_true(fit.converged);
    }
}

/* exp of these overflows a thousand times over. */
static void thousands_of_purchases_do_not_overflow(void **state) {
    (void)state;
    struct pat_btyd_pattern pattern[CUSTOMERS];
    shop(pattern, CUSTOMERS, 0.3, 0.1, false);
    pattern[0] = (struct pat_btyd_pattern){.x = 10000, .t_x = 38, .T = 40, .weight = 1};
    pattern[1] = (struct pat_btyd_pattern){.x = 10000, .t_x = 0.1, .T = 40, .weight = 1};
    pattern[2] = (struct pat_btyd_pattern){.x = 3650000, .t_x = 3651, .T = 3652, .weight = 1};
    for (size_t model = 0; model < pat_btyd_model_count; model++) {
        const struct pat_btyd_fit fit = fit_of(pat_btyd_models[model].name, pattern, CUSTOMERS);
        assert_true(fit.converged);
        check_predictions(pat_btyd_models[model].name, &fit, pattern, CUSTOMERS);
    }
}

static void a_plus_b_below_one_and_a_at_one_are_ordinary(void **state) {
    (void)state;
    const struct pat_btyd_pattern once = {.T = 30}, often = {.x = 7, .t_x = 28, .T = 30};
    static const double a[] = {1e-6, 0.1, 1 - 1e-9, 1, 1 + 1e-9};
    double before[2] = {0};
    for (size_t i = 0; i < COUNT(a); i++) {
        const double params[] = {0.3, 4, a[i], 0.2};
        struct pat_scorer scorer;
        pat_scorer_init(&scorer, pat_btyd_model_find("bg_nbd"), params);
        const double expected[] = {pat_scorer_expected(&scorer, &once, 0, 52),
                                   pat_scorer_expected(&scorer, &often, 0, 52)};
        for (size_t k = 0; k < 2; k++) {
            assert_true(expected[k] > 0 && isfinite(expected[k]));
            if (i == 3 || i == 4) near_relative(expected[k], before[k], 1e-8);
            before[k] = expected[k];
        }
    }
}

static void long_times_and_horizons_stay_numbers(void **state) {
    (void)state;
    const struct pat_btyd_pattern of[] = {
        {.T = 1e9}, {.x = 5, .t_x = 1, .T = 1e9}, {.x = 5, .t_x = 1e9, .T = 1e9}, {.T = 0}};
    const double params[] = {0.3, 1e-3, 0.8, 2.4};
    for (size_t model = 0; model < pat_btyd_model_count; model++) {
        struct pat_scorer scorer;
        pat_scorer_init(&scorer, &pat_btyd_models[model], params);
        for (size_t i = 0; i < COUNT(of); i++) {
            const double expected = pat_scorer_expected(&scorer, &of[i], 0, 1e9);
            const double residual = pat_scorer_residual(&scorer, &of[i], 1e-9);
            assert_true(expected >= 0 && isfinite(expected));
            assert_true(residual >= 0 && isfinite(residual));
        }
    }
}

static void impossible_patterns_are_refused_by_row(void **state) {
    (void)state;
    static const struct pat_btyd_pattern bad[] = {
        {.x = -1, .T = 1, .weight = 1},           {.x = 0.5, .t_x = 1, .T = 2, .weight = 1},
        {.x = 1, .t_x = 3, .T = 2, .weight = 1},  {.x = 0, .t_x = 1, .T = 2, .weight = 1},
        {.x = NAN, .T = 1, .weight = 1},          {.x = 1, .t_x = 1, .T = INFINITY, .weight = 1},
        {.x = 1, .t_x = -1, .T = 1, .weight = 1}, {.x = 0, .T = 1, .weight = 0},
        {.x = 0, .T = 1, .weight = NAN},
    };
    const struct pat_btyd_model *model = pat_btyd_model_find("bg_nbd");
    struct pat_btyd_fit fit;
    struct pat_error error = {0};
    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct pat_btyd_pattern patterns[] = {{.T = 1, .weight = 1}, bad[i]};
        assert_int_equal(pat_btyd_fit(&fit, model, patterns, 2, NULL, &error), PAT_ERR_BAD_REQUEST);
        assert_int_equal(error.row, 1);
    }
    assert_int_equal(pat_btyd_fit(&fit, model, NULL, 0, NULL, &error), PAT_ERR_BAD_REQUEST);
    assert_null(pat_btyd_model_find("bg_bb_nbd"));
}

static bool stop_at_third(void *context) {
    unsigned *asked = context;
    return ++*asked >= 3;
}

static void a_fit_stops_when_told(void **state) {
    (void)state;
    struct pat_btyd_pattern pattern[CUSTOMERS];
    shop(pattern, CUSTOMERS, 0.3, 0.1, false);
    unsigned asked = 0;
    const struct pat_fit_options options = {.stop_cb = stop_at_third, .context = &asked};
    struct pat_btyd_fit fit;
    assert_int_equal(pat_btyd_fit(&fit, pat_btyd_model_find("bg_nbd"), pattern, CUSTOMERS, &options, NULL),
                     PAT_ERR_CANCELLED);
    assert_int_equal(asked, 3);
    const struct pat_spend_pattern spend[] = {{.x = 1, .mean = 2, .weight = 1}, {.x = 2, .mean = 3, .weight = 1}};
    struct pat_spend_fit spend_fit;
    asked = 0;
    assert_int_equal(pat_spend_fit(&spend_fit, spend, COUNT(spend), &options, NULL), PAT_ERR_CANCELLED);
}

static void memory_that_runs_out_is_given_back(void **state) {
    (void)state;
    const struct pat_btyd_pattern pattern[] = {{.x = 2, .t_x = 3, .T = 9, .weight = 1}, {.T = 9, .weight = 1}};
    const struct pat_spend_pattern spend[] = {{.x = 2, .mean = 3, .weight = 1}, {.x = 1, .mean = 7, .weight = 1}};
    const size_t before = pat_mem_used(PAT_MEM_QUERY);
    double loglik;
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        const double params[] = {1, 1, 1, 1};
        pat_mem_fail_at(nth);
        const enum pat_status status =
            pat_btyd_loglik(pat_btyd_model_find("bg_nbd"), params, pattern, 2, &loglik, NULL, NULL);
        failed = status != PAT_OK;
        if (failed) assert_int_equal(status, PAT_ERR_NO_MEMORY);
        assert_int_equal(pat_mem_used(PAT_MEM_QUERY), before);
        assert_true(nth < 100);
    }
    failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        const struct pat_spend_params params = {1, 2, 3};
        pat_mem_fail_at(nth);
        failed = pat_spend_loglik(&params, spend, 2, &loglik, NULL, NULL) != PAT_OK;
        assert_int_equal(pat_mem_used(PAT_MEM_QUERY), before);
        assert_true(nth < 100);
    }
    pat_mem_fail_at(0);
}

static void spend_that_never_varies_is_a_boundary(void **state) {
    (void)state;
    struct pat_spend_pattern pattern[60];
    struct pat_spend_fit fit;
    uint64_t random = 7;
    /* Each customer an own price, always the same, whatever x is: p runs to infinity. */
    for (size_t i = 0; i < COUNT(pattern); i++) {
        pattern[i] = (struct pat_spend_pattern){
            .x = 1 + (double)(i % 5), .mean = 20 * exp(random_uniform(&random)), .weight = 1};
    }
    assert_int_equal(pat_spend_fit(&fit, pattern, COUNT(pattern), NULL, NULL), PAT_OK);
    assert_true(isfinite(fit.loglik));
    /* All the same amount: the likelihood has no bound at all, and the fit ends all the same. */
    for (size_t i = 0; i < COUNT(pattern); i++) pattern[i].mean = 25;
    assert_int_equal(pat_spend_fit(&fit, pattern, COUNT(pattern), NULL, NULL), PAT_OK);
    assert_non_null(fit.boundary);
    assert_true(isnan(fit.correlation));
    near_relative(pat_spend_expected(&fit.params, 0, 0), 25, 1e-3);
    near_relative(pat_spend_expected(&fit.params, 3, 25), 25, 1e-3);
}

static void spend_takes_whom_it_can(void **state) {
    (void)state;
    const struct pat_spend_pattern nobody[] = {
        {.x = 0, .mean = 0, .weight = 5}, {.x = 2, .mean = 0, .weight = 2}, {.x = 1, .mean = -3, .weight = 1}};
    struct pat_spend_fit fit;
    assert_int_equal(pat_spend_fit(&fit, nobody, COUNT(nobody), NULL, NULL), PAT_OK);
    near_absolute(fit.customers, 0, 0);
    near_absolute(fit.left_out, 8, 0);
    assert_true(isnan(fit.params.p) && isnan(fit.loglik) && isnan(fit.correlation));
    assert_false(fit.converged);
    assert_int_equal(pat_spend_fit(&fit, NULL, 0, NULL, NULL), PAT_OK);
    const struct pat_spend_pattern bad[] = {{.x = 1, .mean = NAN, .weight = 1}};
    assert_int_equal(pat_spend_fit(&fit, bad, 1, NULL, NULL), PAT_ERR_BAD_REQUEST);
}

static void a_mean_that_is_infinite_says_so(void **state) {
    (void)state;
    const struct pat_spend_params wild = {.p = 0.5, .q = 0.4, .v = 10};
    assert_true(pat_spend_expected(&wild, 0, 0) == HUGE_VAL);
    assert_true(pat_spend_expected(&wild, 1, 5) == HUGE_VAL);
    near_relative(pat_spend_expected(&wild, 2, 5), 0.5 * (10 + 10) / 0.4, 1e-14);
    const struct pat_spend_params tame = {.p = 6, .q = 4, .v = 15};
    near_relative(pat_spend_expected(&tame, 2, -8), pat_spend_expected(&tame, 2, 0), 1e-15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shop_that_nobody_leaves_is_an_nbd),
        cmocka_unit_test(customers_of_one_rate_run_r_to_infinity),
        cmocka_unit_test(one_time_buyers_alone_can_be_fitted),
        cmocka_unit_test(first_purchases_on_the_last_day_say_nothing),
        cmocka_unit_test(everybody_leaves_at_once_or_after_one_purchase),
        cmocka_unit_test(thousands_of_purchases_do_not_overflow),
        cmocka_unit_test(a_plus_b_below_one_and_a_at_one_are_ordinary),
        cmocka_unit_test(long_times_and_horizons_stay_numbers),
        cmocka_unit_test(impossible_patterns_are_refused_by_row),
        cmocka_unit_test(a_fit_stops_when_told),
        cmocka_unit_test(memory_that_runs_out_is_given_back),
        cmocka_unit_test(spend_that_never_varies_is_a_boundary),
        cmocka_unit_test(spend_takes_whom_it_can),
        cmocka_unit_test(a_mean_that_is_infinite_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
