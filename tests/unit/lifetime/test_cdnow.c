/* Fits and totals of real logs: the CDNOW sample in weeks, and the example log of lifetimes in days. */
#include "cdnow.h"
#include "lifetime/btyd.h"
#include "lifetime/fit.h"
#include "lifetime/predict.h"
#include "lifetime/spend.h"
#include "near.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static struct cdnow cdnow; /* 300 KB: not for the stack */

static struct pat_btyd_fit fit_of(const char *model) {
    struct pat_btyd_fit fit;
    struct pat_error error = {0};
    if (pat_btyd_fit(&fit, pat_btyd_model_find(model), cdnow.pattern, cdnow.customers, NULL, &error) != PAT_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(fit.converged);
    assert_null(fit.boundary);
    return fit;
}

static struct pat_scorer scorer_of(const char *model, const double *params) {
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find(model), params);
    return scorer;
}

static void days_merge_and_the_calibration_is_that_of_the_papers(void **state) {
    (void)state;
    double x = 0, repeaters = 0, later = 0, shortest = 1e9, longest = 0;
    for (size_t i = 0; i < cdnow.customers; i++) {
        x += cdnow.pattern[i].x;
        repeaters += cdnow.pattern[i].x > 0;
        later += cdnow.later_days[i];
        shortest = fmin(shortest, cdnow.pattern[i].T);
        longest = fmax(longest, cdnow.pattern[i].T);
    }
    assert_int_equal(cdnow.customers, CDNOW_CUSTOMERS);
    assert_int_equal(cdnow.lines, 6919);
    assert_int_equal(cdnow.days, 6696);
    near_absolute(x, 2457, 0);
    near_absolute(repeaters, 946, 0);
    near_absolute(later, 1882, 0);
    near_absolute(shortest, 27, 1e-12);
    near_absolute(longest, 38.857, 5e-4);
}

static void parameters_are_those_of_the_papers(void **state) {
    (void)state;
    static const struct {
        const char *model;
        double params[4];
        double loglik;
    } published[] = {
        {"nbd", {.384766, 12.07202}, -9763.6577},
        {"bg_nbd", {.2425945, 4.4136019, .7929199, 2.4258881}, -9582.429},
        {"mbg_nbd", {.52484, 6.18308, .89136, 1.61400}, -9582.1357},
    };
    for (size_t i = 0; i < COUNT(published); i++) {
        const struct pat_btyd_fit fit = fit_of(published[i].model);
        near_absolute(fit.loglik, published[i].loglik, 1e-3);
        near_absolute(fit.nbd_loglik, -9763.6577, 1e-3);
        near_absolute(fit.customers, 2357, 0);
        near_absolute(fit.repeaters, 946, 0);
        for (size_t k = 0; k < pat_btyd_model_find(published[i].model)->param_count; k++) {
            near_relative(fit.params[k], published[i].params[k], 1e-4);
            assert_true(fit.se[k] > 0 && fit.se[k] < fit.params[k]);
        }
    }
}

static void spend_is_that_of_the_papers(void **state) {
    (void)state;
    struct pat_spend_fit fit;
    assert_int_equal(pat_spend_fit(&fit, cdnow.spend, cdnow.customers, NULL, NULL), PAT_OK);
    assert_true(fit.converged);
    assert_null(fit.boundary);
    assert_false(fit.mean_infinite);
    near_absolute(fit.customers, 946, 0);
    near_absolute(fit.left_out, 1411, 0);
    near_relative(fit.params.p, 6.24957, 1e-4);
    near_relative(fit.params.q, 3.74422, 1e-4);
    near_relative(fit.params.v, 15.44352, 1e-4);
    near_absolute(fit.loglik, -4055.9177, 1e-3);
    near_absolute(fit.correlation, 0.11, 5e-3); /* as in the documentation of lifetimes */
    static const struct {
        size_t customer;
        double mean;
    } sheet[] = {{1, 24.65}, {2, 18.91}, {3, 35.17}, {6, 71.46}, {9, 27.28}};
    for (size_t i = 0; i < COUNT(sheet); i++) {
        const struct pat_spend_pattern *of = &cdnow.spend[sheet[i].customer - 1];
        near_absolute(pat_spend_expected(&fit.params, of->x, of->mean), sheet[i].mean, 6e-3);
    }
}

static void totals_of_the_hold_out(void **state) {
    (void)state;
    static const struct {
        const char *model;
        double expected, alive, error, residual, residual_first;
    } totals[] = {{"bg_nbd", 1653.4, 1917.3, .785, 6735.8, 5.16981},
                  {"mbg_nbd", 1576.7, 1057.6, .765, 5863.3, 4.92265}};
    for (size_t i = 0; i < COUNT(totals); i++) {
        const struct pat_btyd_fit fit = fit_of(totals[i].model);
        struct pat_scorer scorer = scorer_of(totals[i].model, fit.params);
        const double discount = log(1.15) / 52;
        double expected = 0, alive = 0, error = 0, residual = 0;
        for (size_t k = 0; k < cdnow.customers; k++) {
            const double purchases = pat_scorer_expected(&scorer, &cdnow.pattern[k], 0, 39);
            expected += purchases;
            error += fabs(purchases - cdnow.later_days[k]) / (double)cdnow.customers;
            alive += pat_scorer_p_alive(&scorer, &cdnow.pattern[k]);
            residual += pat_scorer_residual(&scorer, &cdnow.pattern[k], discount);
        }
        near_absolute(expected, totals[i].expected, .05);
        near_absolute(alive, totals[i].alive, .05);
        near_absolute(error, totals[i].error, 6e-4);
        near_absolute(residual, totals[i].residual, .05);
        near_absolute(pat_scorer_residual(&scorer, &cdnow.pattern[0], discount), totals[i].residual_first, 1e-5);
    }
}

/* Twelve real months at 1 % a month. */
static void value_of_twelve_months(void **state) {
    (void)state;
    static const double published[] = {36.30, 4.64, 8.35};
    const struct pat_btyd_fit fit = fit_of("bg_nbd");
    const struct pat_clv_terms terms = {
        .unit_days = 7, .horizon_days = 365.25, .discount_annual = pow(1.01, 12) - 1, .margin = 1};
    struct pat_scorer scorer = scorer_of("bg_nbd", fit.params);
    struct pat_spend_fit spend;
    assert_int_equal(pat_spend_fit(&spend, cdnow.spend, cdnow.customers, NULL, NULL), PAT_OK);
    double total = 0;
    for (size_t i = 0; i < cdnow.customers; i++) {
        const double value = pat_scorer_clv(&scorer, &spend.params, &cdnow.pattern[i], cdnow.spend[i].mean, &terms);
        if (i < COUNT(published)) near_absolute(value, published[i], 5e-3);
        total += value;
    }
    near_absolute(total, 71550, 1);
}

static void cumulative_repeats_of_the_walkthrough(void **state) {
    (void)state;
    static const double params[] = {.2425967, 4.413659, .7929869, 2.426164};
    static const double published[] = {1312.458, 1387.346, 1460.392, 1531.713, 1601.418, 1669.6};
    struct pat_scorer scorer = scorer_of("bg_nbd", params);
    for (size_t week = 20; week <= 25; week++) {
        double sum = 0;
        for (size_t i = 0; i < cdnow.customers; i++) {
            const double since_first = (double)week - (272. / 7 - cdnow.pattern[i].T);
            sum += since_first > 0 ? pat_scorer_expected_new(&scorer, since_first) : 0;
        }
        near_relative(sum, published[week - 20], 1e-6);
    }
}

static void hold_out_by_calibration_frequency(void **state) {
    (void)state;
    static const double params[] = {.2425967, 4.413659, .7929869, 2.426164};
    static const double actual[] = {.2367, .6970, 1.3925, 1.5600, 2.5323, 2.9474, 3.8621, 6.3594};
    static const double published[] = {.2251, .5231, 1.0440, 1.5203, 2.1638, 2.6538, 3.5040, 6.1570};
    double customers[8] = {0}, later[8] = {0}, expected[8] = {0};
    struct pat_scorer scorer = scorer_of("bg_nbd", params);
    for (size_t i = 0; i < cdnow.customers; i++) {
        const size_t group = cdnow.pattern[i].x < 7 ? (size_t)cdnow.pattern[i].x : 7;
        customers[group]++;
        later[group] += cdnow.later_days[i];
        expected[group] += pat_scorer_expected(&scorer, &cdnow.pattern[i], 0, 39);
    }
    for (size_t group = 0; group < 8; group++) {
        near_absolute(later[group] / customers[group], actual[group], 1e-4);
        /* Exactly the printed digits, but for x = 2: 1.04413 here, 1.0440 there. */
        near_absolute(expected[group] / customers[group], published[group], group == 2 ? 1.5e-4 : 5e-5);
    }
}

/* Weeks or days: the same model, other numbers. Spend in cents likewise. */
static void units_change_no_answer(void **state) {
    (void)state;
    static struct pat_btyd_pattern in_days[CDNOW_CUSTOMERS];
    for (size_t i = 0; i < cdnow.customers; i++) {
        in_days[i] = cdnow.pattern[i];
        in_days[i].t_x = round(in_days[i].t_x * 7);
        in_days[i].T = round(in_days[i].T * 7);
    }
    const struct pat_btyd_fit weeks = fit_of("mbg_nbd");
    struct pat_btyd_fit days;
    assert_int_equal(pat_btyd_fit(&days, pat_btyd_model_find("mbg_nbd"), in_days, cdnow.customers, NULL, NULL), PAT_OK);
    near_absolute(days.loglik, weeks.loglik - 2457 * log(7), 1e-6);
    near_relative(days.params[0], weeks.params[0], 1e-5);
    near_relative(days.params[1], 7 * weeks.params[1], 1e-5);
    near_relative(days.params[2], weeks.params[2], 1e-5);
    struct pat_scorer in_week = scorer_of("mbg_nbd", weeks.params), in_day = scorer_of("mbg_nbd", days.params);
    const struct pat_clv_terms week_terms = {.unit_days = 7, .horizon_days = 365, .discount_annual = .1, .margin = 1};
    const struct pat_clv_terms day_terms = {.unit_days = 1, .horizon_days = 365, .discount_annual = .1, .margin = 1};
    near_relative(pat_scorer_discounted(&in_day, &in_days[0], &day_terms),
                  pat_scorer_discounted(&in_week, &cdnow.pattern[0], &week_terms), 1e-5);
}

/* Equal customers as one weighted pattern, or each for itself. */
static void weights_stand_for_customers(void **state) {
    (void)state;
    static struct pat_btyd_pattern merged[CDNOW_CUSTOMERS];
    size_t count = 0;
    for (size_t i = 0; i < cdnow.customers; i++) {
        const struct pat_btyd_pattern *of = &cdnow.pattern[i];
        size_t at = 0;
        while (at < count && !(merged[at].x == of->x && merged[at].t_x == of->t_x && merged[at].T == of->T)) at++;
        if (at == count) merged[count++] = (struct pat_btyd_pattern){.x = of->x, .t_x = of->t_x, .T = of->T};
        merged[at].weight++;
    }
    assert_true(count < cdnow.customers);
    const struct pat_btyd_fit each = fit_of("bg_nbd");
    struct pat_btyd_fit fit;
    assert_int_equal(pat_btyd_fit(&fit, pat_btyd_model_find("bg_nbd"), merged, count, NULL, NULL), PAT_OK);
    near_absolute(fit.loglik, each.loglik, 1e-8);
    for (size_t k = 0; k < 4; k++) near_relative(fit.params[k], each.params[k], 1e-6);
}

static void the_same_data_give_the_same_bits(void **state) {
    (void)state;
    const struct pat_btyd_fit first = fit_of("bg_nbd"), second = fit_of("bg_nbd");
    assert_memory_equal(first.params, second.params, sizeof first.params);
    assert_memory_equal(first.se, second.se, sizeof first.se);
    assert_true(first.loglik == second.loglik);
}

#define EXAMPLE_CUSTOMERS 5000

/* id, first, last, days of data/synthetic_btyd: lines are sorted by id, not by date within one. */
static bool read_example(struct pat_btyd_pattern *pattern) {
    static bool bought[EXAMPLE_CUSTOMERS][366];
    const char *shared = getenv("SHARED");
    char path[4096];
    snprintf(path, sizeof path, "%s/data/synthetic_btyd/example_transactions.csv",
             shared != NULL ? shared : "../shared");
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    long y, m, d, id;
    assert_int_equal(fscanf(file, "%*[^\n]"), 0);
    while (fscanf(file, "%ld-%ld-%ld %*[^,],%ld", &y, &m, &d, &id) == 4) {
        const long day = cdnow_day(y * 10000 + m * 100 + d) - cdnow_day(20140101);
        if (id >= 0 && id < EXAMPLE_CUSTOMERS && day >= 0 && day < 366) bought[id][day] = true;
    }
    fclose(file);
    for (size_t i = 0; i < EXAMPLE_CUSTOMERS; i++) {
        int first = -1, last = -1, days = 0;
        for (int day = 0; day < 366; day++) {
            if (!bought[i][day]) continue;
            if (first < 0) first = day;
            last = day;
            days++;
        }
        pattern[i] = (struct pat_btyd_pattern){.x = days - 1, .t_x = last - first, .T = 364 - first, .weight = 1};
    }
    return true;
}

static void thirty_days_of_the_example_log_of_lifetimes(void **state) {
    (void)state;
    static struct pat_btyd_pattern pattern[EXAMPLE_CUSTOMERS];
    static const double published[] = {.016053, .021171, .030461, .031686, .001607};
    static const double params[] = {.16, 1.86, 1.85, 3.18};
    if (!read_example(pattern)) skip();
    struct pat_btyd_fit fit;
    assert_int_equal(pat_btyd_fit(&fit, pat_btyd_model_find("bg_nbd"), pattern, EXAMPLE_CUSTOMERS, NULL, NULL), PAT_OK);
    assert_true(fit.converged);
    for (size_t k = 0; k < COUNT(params); k++) near_absolute(fit.params[k], params[k], 5e-3);
    struct pat_scorer scorer = scorer_of("bg_nbd", fit.params);
    for (size_t i = 0; i < COUNT(published); i++) {
        near_absolute(pat_scorer_expected(&scorer, &pattern[i], 0, 30), published[i], 5e-6);
    }
}

int main(void) {
    if (!cdnow_read(&cdnow)) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_merge_and_the_calibration_is_that_of_the_papers),
        cmocka_unit_test(parameters_are_those_of_the_papers),
        cmocka_unit_test(spend_is_that_of_the_papers),
        cmocka_unit_test(totals_of_the_hold_out),
        cmocka_unit_test(value_of_twelve_months),
        cmocka_unit_test(cumulative_repeats_of_the_walkthrough),
        cmocka_unit_test(hold_out_by_calibration_frequency),
        cmocka_unit_test(units_change_no_answer),
        cmocka_unit_test(weights_stand_for_customers),
        cmocka_unit_test(the_same_data_give_the_same_bits),
        cmocka_unit_test(thirty_days_of_the_example_log_of_lifetimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
