/* Figures that others published for given parameters, to the digits they printed. */
#include "lifetime/btyd.h"
#include "lifetime/predict.h"
#include "lifetime/spend.h"
#include "near.h"

#include <stddef.h>

static const double fader_hardie_lee[] = {.2425945, 4.4136019, .7929199, 2.4258881};
static const double btyd_walkthrough[] = {.2425967, 4.413659, .7929869, 2.426164};
static const double btyd_manual[] = {.243, 4.414, .793, 2.426};
static const double batislam[] = {.52484, 6.18308, .89136, 1.61400};

static void bg_nbd_sheet_of_fader_hardie_lee(void **state) {
    (void)state;
    static const double t[] = {.1429, 1, 3, 31.8571, 32}, expected[] = {.0078, .0532, .1506, 1.0405, 1.0437};
    const struct pat_btyd_pattern of = {.x = 2, .t_x = 30.43, .T = 38.86};
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find("bg_nbd"), fader_hardie_lee);
    near_absolute(pat_scorer_expected(&scorer, &of, 0, 39), 1.22591, 5e-6);
    near_absolute(pat_scorer_p_alive(&scorer, &of), .726609, 5e-7);
    for (size_t i = 0; i < COUNT(t); i++) near_absolute(pat_scorer_expected_new(&scorer, t[i]), expected[i], 5.1e-5);
    /* The sheet cuts its hypergeometric series short and shows 1.8576; the exact value is 1.857956 (mpmath). */
    near_absolute(pat_scorer_expected_new(&scorer, 78), 1.858, 5e-4);
}

static void bg_nbd_walkthrough_of_btyd(void **state) {
    (void)state;
    static const double x[] = {10, 15, 20, 25}, expected[] = {.3474606, .04283391, .004158973, .0003583685};
    const struct pat_btyd_pattern customer_1516 = {.x = 26, .t_x = 216. / 7, .T = 31};
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find("bg_nbd"), btyd_walkthrough);
    /* The parameters are printed with seven digits, and so good are the answers. */
    near_relative(pat_scorer_expected_new(&scorer, 52), 1.444004, 1e-6);
    near_relative(pat_scorer_expected(&scorer, &customer_1516, 0, 52), 25.75659, 1e-6);
    near_relative(pat_scorer_p_alive(&scorer, &customer_1516), .9688523, 1e-6);
    for (size_t i = 0; i < COUNT(x); i++) {
        const struct pat_btyd_pattern of = {.x = x[i], .t_x = 20, .T = 39};
        near_relative(pat_scorer_expected(&scorer, &of, 0, 52), expected[i], 1e-5);
    }
}

static void bg_nbd_counts_of_the_btyd_manual(void **state) {
    (void)state;
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find("bg_nbd"), btyd_manual);
    near_relative(pat_scorer_pmf(&scorer, 2, 10), 1.07869e-7, 1e-5);
    near_relative(pat_scorer_pmf(&scorer, 39, 0), .5737864, 1e-7);
    near_relative(pat_scorer_pmf(&scorer, 30, 11), .0019995214, 1e-7);
    near_relative(pat_scorer_pmf(&scorer, 30, 15), .0007023638, 1e-7);
    near_relative(pat_scorer_pmf(&scorer, 30, 20), .0002222260, 1e-6);
}

static double loglik(const char *model, double x, double t_x) {
    static const double params[] = {.25, 4, .8, 2.5};
    const struct pat_btyd_pattern of = {.x = x, .t_x = t_x, .T = 40, .weight = 1};
    double value;
    assert_int_equal(pat_btyd_loglik(pat_btyd_model_find(model), params, &of, 1, &value, NULL, NULL), PAT_OK);
    return value;
}

static void likelihoods_of_pymc_marketing(void **state) {
    (void)state;
    near_absolute(loglik("bg_nbd", 0, 0), -.59947382, 5e-9);
    near_absolute(loglik("bg_nbd", 200, 38), 100.7957, 5e-5);
    near_absolute(loglik("mbg_nbd", 0, 0), -.41792826, 5e-9);
    near_absolute(loglik("mbg_nbd", 200, 38), 100.7869, 5e-5);
}

static void mbg_nbd_figures(void **state) {
    (void)state;
    const struct pat_btyd_pattern of = {.x = 2, .t_x = 30.43, .T = 38.86}, once = {.T = 38.857};
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find("mbg_nbd"), batislam);
    near_absolute(pat_scorer_expected(&scorer, &of, 0, 39), 1.26267, 6e-6);
    near_absolute(pat_scorer_p_alive(&scorer, &of), .706126, 1e-6);
    near_absolute(pat_scorer_p_alive(&scorer, &once), .389723, 2e-6); /* five digits of parameters */
}

/* Plain BG/NBD believes in every one-time buyer; that is why it is not the default. */
static void one_time_buyers_are_alive_for_bg_nbd_only(void **state) {
    (void)state;
    const struct pat_btyd_pattern once = {.T = 3650};
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find("bg_nbd"), fader_hardie_lee);
    near_absolute(pat_scorer_p_alive(&scorer, &once), 1, 0);
    pat_scorer_init(&scorer, pat_btyd_model_find("mbg_nbd"), batislam);
    assert_true(pat_scorer_p_alive(&scorer, &once) < 0.1);
}

static void spend_of_hardies_sheet(void **state) {
    (void)state;
    const struct pat_spend_params spend = {.p = 6.24957, .q = 3.74422, .v = 15.44352};
    near_absolute(pat_spend_expected(&spend, 2, 22.35), 24.65, 0.0105); /* means are printed with two digits */
    near_absolute(pat_spend_expected(&spend, 1, 11.77), 18.91, 0.005);
    near_absolute(pat_spend_expected(&spend, 0, 0), 35.17, 0.005);
    near_absolute(pat_spend_expected(&spend, 7, 73.74), 71.46, 0.01);
    near_absolute(pat_spend_expected(&spend, 2, 25.55), 27.28, 0.01);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bg_nbd_sheet_of_fader_hardie_lee),
        cmocka_unit_test(bg_nbd_walkthrough_of_btyd),
        cmocka_unit_test(bg_nbd_counts_of_the_btyd_manual),
        cmocka_unit_test(likelihoods_of_pymc_marketing),
        cmocka_unit_test(mbg_nbd_figures),
        cmocka_unit_test(one_time_buyers_are_alive_for_bg_nbd_only),
        cmocka_unit_test(spend_of_hardies_sheet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
