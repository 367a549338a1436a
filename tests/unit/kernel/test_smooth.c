/* Kernels on doubles: every table gives the bits of the scalar one, and those are good to a few units in the last
 * place. The seed is printed; PATRON_SEED replays. */
#include "../random.h"
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 100u
#define TIMES    300u
#define ROUNDS   3000u

/* In (0, 1). */
static double roll(void) {
    return ((double)(next() >> 12) + .5) / 4503599627370496.0;
}

/* Of any size, mostly of those where functions turn. */
static double any_odds(void) {
    static const double special[] = {0, -0.0, -HUGE_VAL, HUGE_VAL, 708, -708, 709, -746, 1e300, -1e300, 5e-324, -1e-17};
    switch (next() % 4) {
    case 0: return special[next() % (sizeof special / sizeof *special)];
    case 1: return (roll() - .5) * exp((roll() - .5) * 80);
    case 2: return (roll() - .5) * 1500;
    default: return (roll() - .5) * 20;
    }
}

struct input {
    double value[ROWS_MAX], weight[ROWS_MAX];
    uint32_t to[ROWS_MAX], from[ROWS_MAX];
    double time[TIMES][2];
    struct pat_kernel_odds odds;
    double step[PAT_KERNEL_STEPS_MAX + 1], node[64], share[64], shape;
};

static void input_make(struct input *input) {
    const double alpha = exp((roll() - .5) * 20);
    for (size_t i = 0; i < TIMES; i++) {
        input->time[i][0] = log1p((double)i / alpha);
        input->time[i][1] = (double)i / (alpha + (double)i);
    }
    for (size_t i = 0; i < ROWS_MAX; i++) {
        input->value[i] = any_odds();
        input->weight[i] = next() % 3 == 0 ? (double)(next() % 1000) : 1;
        input->to[i] = (uint32_t)(next() % TIMES);
        input->from[i] = (uint32_t)(next() % (input->to[i] + 1));
    }
    input->odds = (struct pat_kernel_odds){.time = (const double(*)[2])input->time,
                                           .shift = next() % 8 == 0 ? -HUGE_VAL : (roll() - .5) * 60,
                                           .scale = exp((roll() - .5) * 20)};
    for (size_t i = 0; i < 64; i++) {
        input->node[i] = exp(-roll() * 60);
        input->share[i] = roll();
    }
    input->step[0] = next() % 2 == 0 ? 0 : roll() * 10;
    for (size_t i = 1; i <= PAT_KERNEL_STEPS_MAX; i++) input->step[i] = input->step[i - 1] + exp((roll() - .5) * 12);
    input->shape = exp((roll() - .5) * 16);
}

static void same(const double *a, const double *b, size_t count, const char *what, const struct pat_kernels *k) {
    if (memcmp(a, b, count * sizeof *a) == 0) return;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&a[i], &b[i], sizeof *a) == 0) continue;
        fail_msg("%s of table %s: %.17g at %zu, scalar gives %.17g", what, k->name, b[i], i, a[i]);
    }
}

static void check_table(const struct pat_kernels *k) {
    struct input in;
    for (unsigned round = 0; round < ROUNDS; round++) {
        const size_t n = next() % (ROWS_MAX + 1), steps = next() % (PAT_KERNEL_STEPS_MAX + 1);
        double want[ROWS_MAX + 1], got[ROWS_MAX + 1];
        input_make(&in);
        memset(want, 0x5a, sizeof want);
        memset(got, 0x5a, sizeof got);
        pat_kernels_scalar.share(in.value, n, want);
        k->share(in.value, n, got);
        same(want, got, ROWS_MAX + 1, "share", k);
        pat_kernels_scalar.odds_sums(in.to, in.from, in.weight, n, &in.odds, want);
        k->odds_sums(in.to, in.from, in.weight, n, &in.odds, got);
        same(want, got, 4, "odds_sums", k);
        for (size_t i = 0; i < ROWS_MAX; i++) in.value[i] = isfinite(in.value[i]) ? in.value[i] : 3;
        const double shift = any_odds();
        pat_kernels_scalar.balance_sums(in.value, in.weight, n, isfinite(shift) ? shift : 0, want);
        k->balance_sums(in.value, in.weight, n, isfinite(shift) ? shift : 0, got);
        same(want, got, 4, "balance_sums", k);
        const size_t nodes = next() % 9 * 8;
        pat_kernels_scalar.decay(in.node, in.share, nodes, in.step, steps, in.shape, want);
        k->decay(in.node, in.share, nodes, in.step, steps, in.shape, got);
        same(want, got, steps, "decay", k);
    }
}

static void every_table_gives_the_bits_of_scalar(void **state) {
    (void)state;
    static const char *const names[] = {"avx2", "avx512"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct pat_kernels *k = pat_kernels_find(names[i]);
        if (k != NULL) check_table(k);
    }
}

static void near(double got, long double want, double relative, const char *what, double at) {
    const long double off = fabsl((long double)got - want);
    if (off <= (long double)relative * fabsl(want) || off < 1e-300L) return;
    fail_msg("%s at %.17g: got %.17g, expected %.17Lg", what, at, got, want);
}

static void functions_are_good_to_a_few_units_in_the_last_place(void **state) {
    (void)state;
    const struct pat_kernels *k = &pat_kernels_scalar;
    for (unsigned round = 0; round < 10 * ROUNDS; round++) {
        const double u = any_odds(), one = 1;
        double got[4];
        if (!isfinite(u)) continue;
        k->share(&u, 1, got);
        near(got[0], u < 0 ? expl(u) / (1 + expl(u)) : 1 / (1 + expl(-u)), 1e-15, "share", u);
        k->balance_sums(&u, &one, 1, 0, got);
        const long double rest = log1pl(expl(-fabsl((long double)u)));
        near(got[0], (u > 0 ? u : 0) + rest, 1e-15, "log(1 + e^u)", u);
        near(got[1], (u < 0 ? -(long double)u : 0) + rest, 1e-15, "log(1 + e^-u)", u);
    }
}

/* A step loses what is rounded of the logarithms at its ends, times the shape. */
static void decay_keeps_small_differences(void **state) {
    (void)state;
    for (unsigned round = 0; round < 10 * ROUNDS; round++) {
        const double shape = exp(roll() * 6 - 2), p = exp(-roll() * 40);
        const double node[8] = {p, .5, .5, .5, .5, .5, .5, .5}, share[8] = {1, 0, 0, 0, 0, 0, 0, 0};
        const double time[2] = {0, exp(roll() * 20 - 15)};
        double got;
        pat_kernels_scalar.decay(node, share, 8, time, 1, shape, &got);
        near(got, -expm1l(-shape * log1pl((long double)p * time[1])) / p, 2e-15, "decay", p * time[1]);
    }
}

int main(void) {
    seed_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_gives_the_bits_of_scalar),
        cmocka_unit_test(functions_are_good_to_a_few_units_in_the_last_place),
        cmocka_unit_test(decay_keeps_small_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
