/* Special functions and quadrature against mpmath with 40 digits. */
#include "lifetime/quadrature_private.h"
#include "lifetime/special_private.h"
#include "near.h"

#include <math.h>
#include <stddef.h>

static void differences_of_log_gamma_and_digamma(void **state) {
    (void)state;
    static const struct {
        double z, d, lgamma, digamma;
    } cases[] = {
        {.25, 3, -0.3522205935893521, 5.2444444444444444},        {1e-9, 1, -20.723265836946411, 1000000000.0},
        {12.5, 1e4, 82196.119588206864, 6.7263440016924212},      {1e12, 7, 193.41714781152084, 6.999999999979e-12},
        {3e5, 1e-3, 0.012611536088637415, 3.3333388833394877e-9}, {.7, 3650000, 51502371.378407987, 16.330261334051131},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        near_absolute(pat_special__lgamma_diff(cases[i].z, cases[i].d), cases[i].lgamma,
                      1e-14 + 2e-15 * fabs(cases[i].lgamma));
        near_relative(pat_special__digamma_diff(cases[i].z, cases[i].d), cases[i].digamma, 1e-14);
    }
    near_absolute(pat_special__lgamma(0.5), log(3.14159265358979323846) / 2, 1e-14);
    near_relative(pat_special__lgamma(101), 363.73937555556349, 1e-15);
}

static void the_softplus_neither_overflows_nor_vanishes(void **state) {
    (void)state;
    double share;
    near_absolute(pat_special__softplus(1e6, &share), 1e6, 0);
    near_absolute(share, 1, 0);
    near_relative(pat_special__softplus(-100, &share), exp(-100), 1e-15);
    near_relative(share, exp(-100), 1e-15);
    near_absolute(pat_special__softplus(-HUGE_VAL, &share), 0, 0);
    near_absolute(share, 0, 0);
    near_relative(pat_special__softplus(0, &share), log(2), 1e-15);
    near_absolute(share, 0.5, 0);
}

static void incomplete_beta(void **state) {
    (void)state;
    static const struct {
        double z, a, b, share;
    } cases[] = {
        {.5, 3, .25, 0.021144016618722915},       {.999, 200, .4, 0.44009009585025716},
        {1e-3, 2, 5, 1.4960044976005e-5},         {.9, 11, .243, 0.055035303689954956},
        {.99999, 5, 1e-3, 0.0093860172620033992}, {.2, 300, 900, 1.3522318397518208e-5},
        {.3, 300, 900, 0.99994249235145733},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        near_relative(pat_special__beta_share(cases[i].z, cases[i].a, cases[i].b), cases[i].share, 5e-12);
    }
    near_absolute(pat_special__beta_share(0, 2, 3), 0, 0);
    near_absolute(pat_special__beta_share(1, 2, 3), 1, 0);
}

static void exponential_integral(void **state) {
    (void)state;
    static const struct {
        double nu, z, value;
    } cases[] = {
        {1.25, .01, 2.4880178687882369},  {1.25, 1e-8, 3.9509833847445598},  {1.0003, .5, 0.92273345041486177},
        {3.5, .999, 0.26254957429418479}, {3.5, 1.001, 0.26238685155321537}, {201, .3, 0.0049924737149324425},
        {1e4, 2, 9.998999900030007e-5},   {1.5, 1e6, 9.9999850000374999e-7}, {2, .2, 0.70133025061355208},
    };
    double node[32], share[32];
    pat_beta__rule(1, 1, 32, node, share);
    for (size_t i = 0; i < COUNT(cases); i++) {
        near_relative(pat_special__expint(cases[i].nu, cases[i].z, node, share, 32), cases[i].value, 1e-13);
    }
}

/* E p^k of Beta(a, b) is a product; a rule of n nodes knows it exactly for k < 2 n. */
static void rules_know_the_moments(void **state) {
    (void)state;
    static const double shapes[][2] = {{.8, 2.4}, {1, 1}, {.3, .2}, {1e-6, 2}, {40, 3}, {.8, 10002.4}, {3e4, 2e5}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const double a = shapes[i][0], b = shapes[i][1];
        double node[32], share[32], moment = 1;
        pat_beta__rule(a, b, 32, node, share);
        for (size_t k = 0; k < 64; k++) {
            double sum = 0;
            for (size_t n = 0; n < 32; n++) sum += share[n] * pow(node[n], (double)k);
            near_relative(sum, moment, 1e-11);
            moment *= (a + (double)k) / (a + b + (double)k);
        }
    }
}

struct lost {
    double t, s;
};

static double lost_at(const void *context, double p) {
    const struct lost *lost = context;
    return p < 1e-290 ? lost->s * lost->t : -expm1(-lost->s * log1p(p * lost->t)) / p;
}

static void means_hold_from_short_to_endless_horizons(void **state) {
    (void)state;
    static const struct {
        double a, b;
        struct lost lost;
        double mean;
    } cases[] = {
        {.8, 2.4, {.5, .25}, 0.11653006252464027}, {1e-6, 3, {1, 2}, 1.9999992274116813},
        {30, 200, {2, 12}, 7.3196998957042446},    {.8, 2.4, {1e5, .25}, 42.393943036486092},
        {.3, 1e4, {4, 1e4}, 29787.775583151071},   {5, 7, {1e3, 3}, 2.749999695538501},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        near_relative(pat_beta__mean(cases[i].a, cases[i].b, lost_at, &cases[i].lost), cases[i].mean, 1e-12);
    }
}

/* Both ways agree where the first is used, over all sizes of parameters. */
static void rule_and_trapezoid_agree(void **state) {
    (void)state;
    uint64_t random = 1;
    for (size_t i = 0; i < 2000; i++) {
        const double a = exp(random_uniform(&random) * 27 - 18), x = floor(exp(random_uniform(&random) * 9) - 1);
        const double b = exp(random_uniform(&random) * 16 - 7) + x, s = exp(random_uniform(&random) * 13 - 7) + x;
        const struct lost lost = {.t = 3 * random_uniform(&random) / fmax(1, s / b), .s = s};
        double node[32], share[32], sum = 0;
        pat_beta__rule(a, b, 32, node, share);
        for (size_t k = 0; k < 32; k++) sum += share[k] * lost_at(&lost, node[k]);
        near_relative(sum, pat_beta__mean(a, b, lost_at, &lost), 1e-11);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_of_log_gamma_and_digamma),
        cmocka_unit_test(the_softplus_neither_overflows_nor_vanishes),
        cmocka_unit_test(incomplete_beta),
        cmocka_unit_test(exponential_integral),
        cmocka_unit_test(rules_know_the_moments),
        cmocka_unit_test(means_hold_from_short_to_endless_horizons),
        cmocka_unit_test(rule_and_trapezoid_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
