/* A sheet says of every customer what a scorer says of one, in every kernel table the same to the bit. */
#include "base/mem.h"
#include "lifetime/quadrature_private.h"
#include "lifetime/sheet.h"
#include "near.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CUSTOMERS 100u

static uint64_t seed = 5;

static uint32_t roll(uint32_t below) {
    return (uint32_t)(random_next(&seed) % below);
}

struct base {
    uint32_t x[CUSTOMERS], t_x[CUSTOMERS], T[CUSTOMERS];
};

struct scores {
    double p_alive[CUSTOMERS], expected[CUSTOMERS], discounted[CUSTOMERS];
};

static void base_make(struct base *base) {
    for (unsigned i = 0; i < CUSTOMERS; i++) {
        base->T[i] = roll(i % 10 == 0 ? 12000 : 400);
        base->x[i] = base->T[i] == 0 ? 0 : roll(1 + (i % 7 == 0 ? base->T[i] : roll(6) + 1));
        base->t_x[i] = base->x[i] == 0 ? 0 : base->x[i] + roll(base->T[i] - base->x[i] + 1);
    }
}

/* Cells are filled backwards in odd pieces: who fills what must not matter. */
static void use_sheet(const struct pat_sheet_ask *ask, const struct base *base, struct scores *out) {
    struct pat_sheet sheet;
    struct pat_sheet_lane lane;
    assert_int_equal(pat_sheet_init(&sheet, ask), PAT_OK);
    for (unsigned i = 0; i < CUSTOMERS; i++) {
        assert_int_equal(pat_sheet_note(&sheet, base->x[i], base->T[i]), PAT_OK);
    }
    assert_int_equal(pat_sheet_close_up(&sheet), PAT_OK);
    pat_sheet_lane_init(&lane);
    for (size_t end = sheet.count; end > 0;) {
        const size_t first = end > 7 ? end - 7 : 0;
        pat_sheet_fill(&sheet, &lane, first, end);
        end = first;
    }
    for (size_t i = 0, n; i < CUSTOMERS; i += n) {
        n = CUSTOMERS - i < 100 ? CUSTOMERS - i : 100 + i % 3;
        if (n > CUSTOMERS - i) n = CUSTOMERS - i;
        pat_sheet_score(&sheet, n, base->x + i, base->t_x + i, base->T + i, out->p_alive + i, out->expected + i,
                        out->discounted + i);
    }
    pat_sheet_deinit(&sheet);
}

static void check(const struct pat_sheet_ask *ask, const struct base *base) {
    struct scores plain, other;
    struct pat_sheet_ask with = *ask;
    struct pat_scorer scorer;
    use_sheet(ask, base, &plain);
    for (unsigned i = 0; i < 2; i++) {
        with.kernels = pat_kernels_find(i == 0 ? "avx2" : "avx512");
        if (with.kernels == NULL) continue;
        use_sheet(&with, base, &other);
        assert_memory_equal(&plain, &other, sizeof plain);
    }
    pat_scorer_init(&scorer, ask->model, ask->params);
    const double unit = ask->terms->unit_days;
    for (unsigned i = 0; i < CUSTOMERS; i++) {
        const struct pat_btyd_pattern of = {
            .x = base->x[i], .t_x = base->t_x[i] / unit, .T = base->T[i] / unit, .weight = 1};
        /* Numbers below 1e-290 have no use and lose their digits. */
        const double alive = pat_scorer_p_alive(&scorer, &of);
        near_absolute(plain.p_alive[i], alive, 1e-10 * alive + 1e-290);
        const double expected = pat_scorer_expected(&scorer, &of, 0, ask->terms->horizon_days / unit);
        near_absolute(plain.expected[i], expected, 1e-10 * expected + 1e-290);
        const double discounted = pat_scorer_discounted(&scorer, &of, ask->terms);
        near_absolute(plain.discounted[i], discounted, 1e-10 * discounted + 1e-290);
    }
}

static void a_sheet_says_what_a_scorer_says(void **state) {
    (void)state;
    static const double params[][4] = {{.2426, 30.9, .793, 2.426}, {.8, 40, .9, 12},    {.25, 4, 1, 2.5},
                                       {.5, 70, 1e-3, 1e3},        {3, 400, 1e9, 3e10}, {1e6, 4e7, .3, 1.2},
                                       {.7, .5, 20, 1e-2},         {20, 3e5, 1e-9, 1}};
    static const struct pat_clv_terms terms[] = {
        {.unit_days = 7, .horizon_days = 365.25, .discount_annual = .1, .margin = 1},
        {.unit_days = 1, .horizon_days = 800, .discount_annual = .05, .margin = 1},
        {.unit_days = 1, .horizon_days = 20, .discount_annual = 0, .margin = 1},
        {.unit_days = 7, .horizon_days = 12 * PAT_MONTH_DAYS * 2, .discount_annual = -.2, .margin = 1},
    };
    struct base base;
    base_make(&base);
    for (size_t m = 0; m < pat_btyd_model_count; m++) {
        for (size_t p = 0; p < COUNT(params); p++) {
            const struct pat_sheet_ask ask = {.model = &pat_btyd_models[m],
                                              .params = params[p],
                                              .terms = &terms[(m + p) % COUNT(terms)],
                                              .kernels = &pat_kernels_scalar};
            check(&ask, &base);
        }
    }
}

static double falling(const void *context, double p) {
    return 1 / (1 + *(const double *)context * p);
}

static void a_long_rule_is_the_mean_that_it_stands_for(void **state) {
    (void)state;
    static const double shapes[][2] = {{1, 1}, {1e-12, 1}, {1e-9, 1e-5}, {.3, 1e-12}, {1e9, 3e10}, {1e-3, 1e6}};
    double node[PAT_BETA_LONG_MAX], share[PAT_BETA_LONG_MAX];
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const size_t count = pat_beta__nodes(shapes[i][0], shapes[i][1], node, share);
        assert_int_equal(count % 8, 0);
        for (double scale = 1e-3; scale < 1e12; scale *= 1e3) {
            double sum = 0;
            for (size_t k = 0; k < count; k++) sum += share[k] * falling(&scale, node[k]);
            near_relative(sum, pat_beta__mean(shapes[i][0], shapes[i][1], falling, &scale), 1e-12);
        }
    }
}

static void a_sheet_of_nobody_is_one(void **state) {
    (void)state;
    static const double params[] = {.5, 7, .3, 2};
    static const struct pat_clv_terms terms = {.unit_days = 7, .horizon_days = 0, .margin = 1};
    const struct pat_sheet_ask ask = {
        .model = pat_btyd_model_find("bg_nbd"), .params = params, .terms = &terms, .kernels = &pat_kernels_scalar};
    struct pat_sheet sheet;
    assert_int_equal(pat_sheet_init(&sheet, &ask), PAT_OK);
    assert_int_equal(pat_sheet_close_up(&sheet), PAT_OK);
    pat_sheet_score(&sheet, 0, NULL, NULL, NULL, NULL, NULL, NULL);
    pat_sheet_deinit(&sheet);
    assert_int_equal(pat_mem_used(PAT_MEM_QUERY), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sheet_says_what_a_scorer_says),
        cmocka_unit_test(a_long_rule_is_the_mean_that_it_stands_for),
        cmocka_unit_test(a_sheet_of_nobody_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
