/* Predictions with given parameters against high-precision values.
 *
 * The values come from mpmath with 60 digits, from other formulas than the code's. With k = x (BG/NBD) or x + 1
 * (MBG/NBD), s = r + x, A = alpha + T, B = b + k, F the Gauss hypergeometric function: log-likelihood  log
 * [Gamma(s)/Gamma(r) alpha^r A^-s B(a,B)/B(a,b) (1 + odds)], odds = a/(B-1) (A/(alpha+t_x))^s if k > 0 P(alive) 1 / (1
 * + odds) E(0, t]         P(alive) (a+B-1)/(a-1) (1 - (A/(A+t))^s F(s, B; a+B-1; t/(A+t))); E(from, to] by difference,
 * a = 1 as a = 1 + 1e-25 discounted      sum over months of 365.25/84 weeks within 400/7 weeks, each
 * times 1.1^(-month/12) residual        P(alive) s/A int_0^inf exp(-d t) F(s+1, a; a+B; -t/A) dt */
#include "lifetime/btyd.h"
#include "lifetime/fit.h"
#include "lifetime/predict.h"
#include "lifetime/spend.h"
#include "near.h"

#include <math.h>
#include <stddef.h>

#define TOLERANCE 1e-9

static const struct {
    const char *model;
    double params[4];
    struct pat_btyd_pattern of;
    double from, to;
    double discount; /* continuous, per unit of time */
    double loglik, alive, expected, discounted, residual;
} cases[] = {
    {"bg_nbd",
     {0.2425945, 4.4136019, 0.7929199, 2.4258881},
     {2, 30.43, 38.86, 1},
     0,
     39,
     0.00268773,
     -9.4596932679454234,
     0.72660861076820813,
     1.2259057045100396,
     1.5978430823815605,
     5.16953364117372},
    {"mbg_nbd",
     {0.52484, 6.18308, 0.89136, 1.61400},
     {2, 30.43, 38.86, 1},
     0,
     39,
     0.00268773,
     -9.4858586728309238,
     0.70612553873662814,
     1.2626674766861476,
     1.6346156013615344,
     4.92238864040862},
    {"bg_nbd",
     {0.2425945, 4.4136019, 0.7929199, 2.4258881},
     {0, 0, 38.86, 1},
     0,
     52,
     0.00268773,
     -0.55380726182068665,
     1.0,
     0.25166714904326344,
     0.25916581337825539,
     1.01725216571441},
    {"mbg_nbd",
     {0.52484, 6.18308, 0.89136, 1.61400},
     {0, 0, 0, 1},
     0,
     52,
     0.00268773,
     0,
     0.64421879490372641,
     1.4188766913154598,
     1.4358181754794588,
     3.28382642270026},
    {"bg_nbd",
     {0.2425945, 4.4136019, 0.7929199, 2.4258881},
     {26, 30.857142857142857, 31, 1},
     52,
     104,
     0.00268773,
     -37.728328349406704,
     0.96885450141371214,
     15.606504427065105,
     26.247894097287508,
     71.0675555949188},
    {"mbg_nbd",
     {0.52484, 6.18308, 0.89136, 1.61400},
     {29, 30.857142857142857, 38.857142857142857, 1},
     0,
     0.1428571428571428,
     0.5,
     -42.67272666489229,
     0.096462559956021397,
     0.0090213587869686862,
     2.3636444370075952,
     0.122098564617192},
    {"bg_nbd",
     {0.3, 5, 1, 2.5},
     {4, 20, 30, 1},
     0,
     52,
     0.01,
     -14.102973008700914,
     0.56412429223979483,
     2.4773740907997675,
     2.5220374672051221,
     3.22708724388221},
    {"mbg_nbd",
     {0.3, 5, 1, 2.5},
     {0, 0, 30, 1},
     0,
     52,
     0.01,
     -0.37959915073806214,
     0.5823718425142427,
     0.21900071815395228,
     0.22522206935916048,
     0.334734338611181},
    {"bg_nbd",
     {0.2, 3, 0.3, 0.4},
     {0, 0, 10, 1},
     0,
     100,
     0.001,
     -0.29326741375868541,
     1.0,
     0.82785491471786043,
     0.5203566796208436,
     3.78276615177532},
    {"mbg_nbd",
     {0.2, 3, 0.05, 0.04},
     {1, 4, 10, 1},
     0,
     100,
     0.001,
     -5.2292745018694813,
     0.90822114244218027,
     7.7858141502493917,
     4.2912470428437994,
     69.1376128951666},
    {"bg_nbd",
     {0.5, 7, 1e-7, 2},
     {5, 50, 70, 1},
     0,
     52,
     0.002,
     -19.532525778829882,
     0.9999999128563003,
     3.7142852930150229,
     3.8603319060118976,
     35.7142768013814},
    {"mbg_nbd",
     {0.5, 7, 1e-9, 0.5},
     {0, 0, 70, 1},
     0,
     1000,
     0.002,
     -1.1989476317659357,
     0.99999999336675046,
     6.4935064384771771,
     0.35093930216027915,
     3.24675321975597},
    {"bg_nbd",
     {0.25, 4, 0.8, 2.5},
     {200, 38, 40, 1},
     0,
     39,
     0.00268773,
     100.79569309270645,
     0.022167737073085943,
     3.0103216827790063,
     3.8339921016759464,
     10.7038225923898},
    {"mbg_nbd",
     {0.25, 4, 0.8, 2.5},
     {10000, 3650, 3652, 1},
     0,
     365,
     0.000383,
     51.130990730398615,
     0.98132358450106694,
     942.81441945704533,
     144.18456133398055,
     NAN},
    {"bg_nbd", {0.25, 4, 0.8, 2.5}, {10000, 3000, 3652, 1}, 0, 30, 0.000383, 2005.9768869031162, 0, 0, 0, NAN},
    {"mbg_nbd",
     {2, 0.01, 0.8, 2.5},
     {0, 0, 0, 1},
     0,
     1000,
     0.01,
     0,
     0.75757575757575758,
     98.706668237851994,
     48.932007667702026,
     51.9355982733994},
    {"bg_nbd",
     {2, 0.01, 0.8, 2.5},
     {3, 0.2, 0.3, 1},
     10,
     1000,
     0.01,
     -0.014242749579844198,
     0.44519535234232041,
     35.134686279931996,
     20.667470511837204,
     22.2433226100461},
    {"bg_nbd",
     {12, 900, 35, 210},
     {6, 300, 500, 1},
     100,
     465,
     0.0001,
     -32.395695148944658,
     0.27699388090528859,
     0.78522213279180473,
     0.18262749816899984,
     1.91815202448348},
    {"mbg_nbd",
     {1e5, 1e6, 3e4, 2e5},
     {6, 50, 80, 1},
     0,
     39,
     0.002,
     -21.404377382120388,
     0.24920907462299775,
     0.76178990142022896,
     0.95553207064383724,
     1.65666561443337},
    {"bg_nbd",
     {0.0003, 6, 2, 3},
     {0, 0, 30, 1},
     0,
     39,
     0.002,
     -0.0005375278407684165,
     1.0,
     0.0002722311502538086,
     0.0003550501412354531,
     0.00131823792563686},
    {"mbg_nbd",
     {0.9, 12, 4, 0.02},
     {1, 3, 1000000, 1},
     0,
     39,
     0.002,
     -8.5446803934114258,
     1.7422227108378486e-10,
     1.2909230314722251e-14,
     1.7888803660271133e-14,
     1.65349933732377e-13},
    {"bg_nbd",
     {0.16, 1.86, 1.85, 3.18},
     {3, 100, 180, 1},
     0,
     30,
     0.0004,
     -17.214840623258047,
     0.30959013444747399,
     0.14966725695789845,
     0.25386197080964256,
     1.71232421010959},
    {"nbd",
     {0.384766, 12.07202, 1, 1},
     {2, 30.43, 38.86, 1},
     13,
     52,
     0.00268773,
     -9.0444820357534168,
     1.0,
     1.82607864365089,
     2.5305073455779947,
     17.4208455925193},
    {"nbd",
     {0.384766, 12.07202, 1, 1},
     {10000, 3650, 3652, 1},
     0,
     365,
     0.000383,
     36.921824591349045,
     1.0,
     996.19778750691696,
     147.50455795295753,
     7126.13317720174},
};

/* `least`: what counts as nothing, where the value is 0 or too small for a double. */
static void close_to(const char *what, size_t at, double actual, double expected, double least) {
    if (fabs(actual - expected) <= TOLERANCE * fabs(expected) + least) return;
    fail_msg("case %zu: %s is %.17g, expected %.17g (%.2g)", at, what, actual, expected, actual / expected - 1);
}

static void predictions_are_those_of_high_precision(void **state) {
    (void)state;
    const struct pat_clv_terms terms = {.unit_days = 7, .horizon_days = 400, .discount_annual = 0.1, .margin = 1};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pat_scorer scorer;
        pat_scorer_init(&scorer, pat_btyd_model_find(cases[i].model), cases[i].params);
        close_to("P(alive)", i, pat_scorer_p_alive(&scorer, &cases[i].of), cases[i].alive, 1e-300);
        close_to("E", i, pat_scorer_expected(&scorer, &cases[i].of, cases[i].from, cases[i].to), cases[i].expected,
                 1e-300);
        close_to("discounted", i, pat_scorer_discounted(&scorer, &cases[i].of, &terms), cases[i].discounted, 1e-300);
        if (isnan(cases[i].residual)) continue;
        close_to("residual", i, pat_scorer_residual(&scorer, &cases[i].of, cases[i].discount), cases[i].residual,
                 1e-300);
    }
}

static void likelihoods_are_those_of_high_precision(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double loglik;
        assert_int_equal(
            pat_btyd_loglik(pat_btyd_model_find(cases[i].model), cases[i].params, &cases[i].of, 1, &loglik, NULL, NULL),
            PAT_OK);
        close_to("log-likelihood", i, loglik, cases[i].loglik, 1e-14);
    }
}

/* Derivatives of the log-likelihoods of `cases` in the logarithms of the parameters: differences with a step of 1e-18
 * and 90 digits. What differences in double can tell is a million times coarser (test_gradient.c). */
static const double gradients[COUNT(cases)][4] = {
    {0.65579544641528558, -0.0012633074038764905, -0.16089701822967821, 0.18583729268757177},
    {0.33392478035098611, 0.15480316182471831, -0.51403595583910901, 0.46990128465006373},
    {-0.55380726182068665, 0.2178515736172172, 0, 0},
    {0, 0, 0, 0},
    {1.340187315150318, -3.0284361158874613, -1.8337208085499118, 0.75305256365747045},
    {1.7870982740615313, -4.3192624850483963, -1.5567609947018439, 0.82318439568193553},
    {0.91233808185410246, -0.42138660247822184, -0.40772513584063843, 0.41725929367543121},
    {-0.33997298366175223, 0.14975275950366241, 0.13191387177147159, -0.13191387177147159},
    {-0.29326741375868541, 0.15384615384615385, 0, 0},
    {0.71809552850751864, -0.098707948607130836, -0.50964825763076335, 0.55378989025075586},
    {0.58835396400681687, -1.5288368367927872e-8, -5.785629538892243e-8, 6.922987407288165e-8},
    {-1.1989476284462664, 0.45454545153034112, 4.6332495407108e-9, -4.6332495407108e-9},
    {1.7930286654137715, -18.802211734420409, -2.4440867736765732, 0.80715129141525734},
    {1.6549871384138848, -10.691304405965042, -6.5220418334220242, 0.82896002107600369},
    {1.7040908134231239, -13.065912117177097, -5.5406382753122482, 0.82871470651886497},
    {0, 0, 0, 0},
    {-4.2691540169069894, 1.7960979533289033, -0.024609502620884909, 0.15094724596648936},
    {1.0715317231450953, -0.96579751539694343, -0.12551913263900714, 0.13245125775804702},
    {0.25239637001924201, -0.25237510872394008, -0.16224064384548007, 0.16224947180013019},
    {-0.0005375278407684165, 0.00025, 0, 0},
    {0.79917080207555907, -0.61999999973518612, -0.79183762480009688, 0.99104081188028675},
    {0.54280943012658109, 0.11015570943187807, -0.24734060639105905, 0.33890578679469504},
    {0.72394664937718532, -0.1804765104545235, 0, 0},
    {2.3743878194836198, -32.56350691709384, 0, 0},
};

static void gradients_are_those_of_high_precision(void **state) {
    (void)state;
    static const char *const what[] = {"d/d log r", "d/d log alpha", "d/d log a", "d/d log b"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct pat_btyd_model *model = pat_btyd_model_find(cases[i].model);
        double loglik, gradient[PAT_BTYD_PARAMS_MAX];
        assert_int_equal(pat_btyd_loglik(model, cases[i].params, &cases[i].of, 1, &loglik, gradient, NULL), PAT_OK);
        /* x purchases are x terms that may cancel. */
        for (size_t k = 0; k < model->param_count; k++) {
            close_to(what[k], i, gradient[k], gradients[i][k], 1e-14 * (1 + cases[i].of.x));
        }
    }
}

/* log Gamma(px+q)/(Gamma(px) Gamma(q)) + q log v + (px-1) log m + px log x - (px+q) log(xm + v), and its gradient in
 * log p, log q, log v, likewise. */
static void spend_is_that_of_high_precision(void **state) {
    (void)state;
    static const struct {
        struct pat_spend_params params;
        struct pat_spend_pattern of;
        double loglik, gradient[3];
    } spends[] = {
        {{6.24957, 3.74422, 15.44352},
         {2.0, 22.35, 1},
         -3.5504778966816742,
         {-0.31619758125942135, 0.80976806134784595, -0.42671404288940853}},
        {{0.5, 0.4, 10},
         {1.0, 300.0, 1},
         -8.3964387887534959,
         {0.58789662662569061, -0.6510118439388326, 0.37096774193548387}},
        {{100, 1e3, 25e3},
         {2000.0, 250.0, 1},
         -6504.731160260668,
         {-8760.5220441122612, 2259.280066104726, -8571.4285714285714}},
        {{1e6, 4, 1e-4},
         {3.0, 20.0, 1},
         -3.3497405930454963,
         {-0.9999978333364074, 1.4132789760120515, -0.99999833333611111}},
        {{3, 1e7, 1e9},
         {7.0, 310.0, 1},
         -5.1486323122569533,
         {1.1925511143948871, -0.69999745550536103, 0.69999848100329622}},
    };
    for (size_t i = 0; i < COUNT(spends); i++) {
        double loglik, gradient[3];
        assert_int_equal(pat_spend_loglik(&spends[i].params, &spends[i].of, 1, &loglik, gradient, NULL), PAT_OK);
        close_to("spend log-likelihood", i, loglik, spends[i].loglik, 1e-14);
        for (size_t k = 0; k < 3; k++) close_to("spend gradient", i, gradient[k], spends[i].gradient[k], 1e-14);
    }
}

/* The rule of an x is kept: what was asked before must not show in an answer. */
static void answers_do_not_depend_on_the_questions_before(void **state) {
    (void)state;
    const double params[] = {0.5, 6, 0.9, 1.6};
    struct pat_scorer used, fresh;
    pat_scorer_init(&used, pat_btyd_model_find("mbg_nbd"), params);
    for (double x = 0; x < 50; x++) {
        const struct pat_btyd_pattern of = {.x = fmod(x * 7, 12), .t_x = fmod(x * 7, 12) > 0 ? 20 : 0, .T = 25 + x};
        pat_scorer_init(&fresh, used.model, params);
        assert_true(pat_scorer_expected(&used, &of, 0, 30) == pat_scorer_expected(&fresh, &of, 0, 30));
    }
}

static void slices_add_up_to_the_whole(void **state) {
    (void)state;
    const double params[] = {0.2425945, 4.4136019, 0.7929199, 2.4258881};
    for (size_t model = 0; model < pat_btyd_model_count; model++) {
        struct pat_scorer scorer;
        const struct pat_btyd_pattern of = {.x = 2, .t_x = 30.43, .T = 38.86};
        double sum = 0;
        pat_scorer_init(&scorer, &pat_btyd_models[model], params);
        for (double year = 0; year < 10; year++) {
            sum += pat_scorer_expected(&scorer, &of, 52 * year, 52 * (year + 1));
        }
        near_relative(sum, pat_scorer_expected(&scorer, &of, 0, 520), 1e-11);
        near_absolute(pat_scorer_expected(&scorer, &of, 5, 5), 0, 0);
    }
}

/* With no discount the months add up to the plain expectation, also where the last one is cut. */
static void months_add_up_without_a_discount(void **state) {
    (void)state;
    const double params[] = {0.52484, 6.18308, 0.89136, 1.61400}, horizons[] = {30.4375, 365, 365.25, 366, 1, 0};
    const struct pat_btyd_pattern of = {.x = 2, .t_x = 30.43, .T = 38.86};
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find("mbg_nbd"), params);
    for (size_t i = 0; i < COUNT(horizons); i++) {
        const struct pat_clv_terms terms = {.unit_days = 7, .horizon_days = horizons[i], .margin = 1};
        near_relative(pat_scorer_discounted(&scorer, &of, &terms),
                      pat_scorer_expected(&scorer, &of, 0, horizons[i] / 7), 1e-11);
    }
}

static void chances_of_counts_sum_to_one_and_to_the_mean(void **state) {
    (void)state;
    const double params[] = {0.52484, 6.18308, 0.89136, 1.61400};
    for (size_t model = 0; model < pat_btyd_model_count; model++) {
        struct pat_scorer scorer;
        double sum = 0, mean = 0;
        pat_scorer_init(&scorer, &pat_btyd_models[model], params);
        for (double n = 0; n < 600; n++) {
            const double chance = pat_scorer_pmf(&scorer, 39, n);
            sum += chance;
            mean += n * chance;
        }
        near_absolute(sum, 1, 1e-12);
        near_relative(mean, pat_scorer_expected_new(&scorer, 39), 1e-10);
        near_absolute(pat_scorer_pmf(&scorer, 0, 0), 1, 1e-14);
        near_absolute(pat_scorer_pmf(&scorer, 0, 3), 0, 0);
    }
}

static void the_margin_and_the_spend_multiply(void **state) {
    (void)state;
    const double params[] = {0.52484, 6.18308, 0.89136, 1.61400};
    const struct pat_spend_params spend = {.p = 6.24957, .q = 3.74422, .v = 15.44352};
    const struct pat_btyd_pattern of = {.x = 2, .t_x = 30.43, .T = 38.86};
    const struct pat_clv_terms terms = {.unit_days = 7, .horizon_days = 365, .discount_annual = 0.1, .margin = -0.25};
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, pat_btyd_model_find("mbg_nbd"), params);
    near_relative(pat_scorer_clv(&scorer, &spend, &of, 22.35, &terms),
                  -0.25 * pat_scorer_discounted(&scorer, &of, &terms) * pat_spend_expected(&spend, 2, 22.35), 1e-15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_are_those_of_high_precision),
        cmocka_unit_test(likelihoods_are_those_of_high_precision),
        cmocka_unit_test(gradients_are_those_of_high_precision),
        cmocka_unit_test(spend_is_that_of_high_precision),
        cmocka_unit_test(answers_do_not_depend_on_the_questions_before),
        cmocka_unit_test(slices_add_up_to_the_whole),
        cmocka_unit_test(months_add_up_without_a_discount),
        cmocka_unit_test(chances_of_counts_sum_to_one_and_to_the_mean),
        cmocka_unit_test(the_margin_and_the_spend_multiply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
