/* exp, log1p and what models of customers make of them, on vectors of doubles.
 *
 * Written once and compiled by each table for its own vectors: additions, multiplications, divisions and integer
 * operations on whole lanes, in the order of the source, without contraction. IEEE 754 leaves them one result each, so
 * every table gives the same bits by construction; sums have eight lanes however many of them a vector holds.
 *
 * Included by scalar.c, avx2.c and avx512.c only, behind PAT_SMOOTH_LANES, the doubles of a vector: 2, 4 or 8. Each
 * takes PAT_SMOOTH_KERNELS into its table. */
#ifndef PAT_KERNEL_SMOOTH_PRIVATE_H
#define PAT_KERNEL_SMOOTH_PRIVATE_H

#include "kernel/kernel.h"

#include <stdint.h>
#include <string.h>

#define SMOOTH_LANES  8u /* of a sum */
#define SMOOTH_WIDTH  PAT_SMOOTH_LANES
#define SMOOTH_PARTS  (SMOOTH_LANES / SMOOTH_WIDTH)
#define SMOOTH_INLINE static inline __attribute__((always_inline))

typedef double smooth_real __attribute__((vector_size(8 * SMOOTH_WIDTH)));
typedef uint64_t smooth_bits __attribute__((vector_size(8 * SMOOTH_WIDTH)));
typedef int64_t smooth_mask __attribute__((vector_size(8 * SMOOTH_WIDTH))); /* lanes all ones or all zeros */

/* Four sums of eight lanes. */
struct smooth_sums {
    smooth_real lane[SMOOTH_PARTS][4];
};

SMOOTH_INLINE smooth_real smooth_all(double value) {
    return (smooth_real){0} + value;
}

SMOOTH_INLINE smooth_real smooth_load(const double *in) {
    smooth_real out;
    memcpy(&out, in, sizeof out);
    return out;
}

SMOOTH_INLINE smooth_real smooth_choose(smooth_mask mask, smooth_real yes, smooth_real no) {
    return (smooth_real)((mask & (smooth_mask)yes) | (~mask & (smooth_mask)no));
}

SMOOTH_INLINE smooth_real smooth_magnitude(smooth_real value) {
    return (smooth_real)((smooth_bits)value & (uint64_t)INT64_MAX);
}

static void smooth_total(const struct smooth_sums *sums, double out[4]) {
    for (unsigned k = 0; k < 4; k++) {
        double lane[SMOOTH_LANES];
        for (unsigned i = 0; i < SMOOTH_LANES; i++) lane[i] = sums->lane[i / SMOOTH_WIDTH][k][i % SMOOTH_WIDTH];
        out[k] = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    }
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

/* Added and taken away, it leaves the nearest whole number, and that number stands in the low bits meanwhile. */
#define SMOOTH_ROUND 6755399441055744.0
/* log 2 in two parts: products of the first with exponents are exact. */
#define SMOOTH_LN2_HIGH 6.93147180369123816490e-01
#define SMOOTH_LN2_LOW  1.90821492927058770002e-10
/* exp of less is below the normal numbers; nothing here can tell it from 0. */
#define SMOOTH_EXP_LEAST (-708.0)

/* (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2: the series up to r^13 / 13!, which leaves 4e-18. */
SMOOTH_INLINE smooth_real smooth_exp_rest(smooth_real r) {
    const smooth_real r2 = r * r, r4 = r2 * r2;
    const smooth_real low = (1.0 / 2 + r * (1.0 / 6)) + r2 * (1.0 / 24 + r * (1.0 / 120));
    const smooth_real middle = (1.0 / 720 + r * (1.0 / 5040)) + r2 * (1.0 / 40320 + r * (1.0 / 362880));
    const smooth_real high = (1.0 / 3628800 + r * (1.0 / 39916800)) + r2 * (1.0 / 479001600 + r * (1.0 / 6227020800.0));
    return low + r4 * (middle + r4 * high);
}

/* Splits x <= 0 into n log 2 + r; *power is 2^n, and *part exp(r) - 1. */
SMOOTH_INLINE void smooth_exp_parts(smooth_real x, smooth_real *power, smooth_real *part) {
    const smooth_real within = smooth_choose(x < SMOOTH_EXP_LEAST, smooth_all(SMOOTH_EXP_LEAST), x);
    const smooth_real shifted = within * 1.44269504088896338700 + SMOOTH_ROUND, n = shifted - SMOOTH_ROUND;
    const smooth_real r = (within - n * SMOOTH_LN2_HIGH) - n * SMOOTH_LN2_LOW;
    *power = (smooth_real)(((smooth_bits)shifted + 1023) << 52);
    *part = r + (r * r) * smooth_exp_rest(r);
}

/* exp(x), x <= 0; 0 below SMOOTH_EXP_LEAST. Within 2 units in the last place. */
SMOOTH_INLINE smooth_real smooth_exp(smooth_real x) {
    smooth_real power, part;
    smooth_exp_parts(x, &power, &part);
    return smooth_choose(x < SMOOTH_EXP_LEAST, smooth_all(0), power + power * part);
}

/* exp(x) - 1, x <= 0, likewise. */
SMOOTH_INLINE smooth_real smooth_expm1(smooth_real x) {
    smooth_real power, part;
    smooth_exp_parts(x, &power, &part);
    return power * part + (power - 1);
}

/* log(1 + y), y >= 0 and finite, given 1 / (1 + y). After fdlibm: 1 + y is 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2),
 * and what adding 1 rounded away is made good; for k = 0 f is y itself. Within 2 units in the last place. */
SMOOTH_INLINE smooth_real smooth_log1p_of(smooth_real y, smooth_real inverse) {
    const smooth_real u = 1 + y, back = u - 1;
    const smooth_bits k = ((smooth_bits)u - UINT64_C(0x3fe6a09e667f3bcd)) >> 52; /* from sqrt(1/2) on */
    const smooth_mask small = (smooth_mask)(k == 0);
    const smooth_real exponent = (smooth_real)(k | UINT64_C(0x4330000000000000)) - 4503599627370496.0;
    const smooth_real lost = ((1 - (u - back)) + (y - back)) * inverse;
    const smooth_real f = smooth_choose(small, y, (smooth_real)((smooth_bits)u - (k << 52)) - 1);
    const smooth_real low = smooth_choose(small, smooth_all(0), exponent * SMOOTH_LN2_LOW + lost);
    const smooth_real s = f / (2 + f), z = s * s, w = z * z, half = 0.5 * f * f;
    const smooth_real odd =
        w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const smooth_real even =
        z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    return exponent * SMOOTH_LN2_HIGH + (f - (half - (s * (half + (odd + even)) + low)));
}

SMOOTH_INLINE smooth_real smooth_log1p(smooth_real y) {
    return smooth_log1p_of(y, 1 / (1 + y));
}

/* exp(u) / (1 + exp(u)), its complement, and log(1 + exp(-|u|)), the part that both logarithms of them share. */
SMOOTH_INLINE void smooth_logistic(smooth_real u, smooth_real *yes, smooth_real *no, smooth_real *rest) {
    const smooth_real e = smooth_exp(-smooth_magnitude(u)), likely = 1 / (1 + e), unlikely = e * likely;
    const smooth_mask below = u < 0;
    *yes = smooth_choose(below, unlikely, likely);
    *no = smooth_choose(below, likely, unlikely);
    *rest = smooth_log1p_of(e, likely);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

SMOOTH_INLINE smooth_real smooth_share_of(smooth_real u) {
    const smooth_real e = smooth_exp(-smooth_magnitude(u)), likely = 1 / (1 + e);
    return smooth_choose(u < 0, e * likely, likely);
}

static void smooth_share(const double *u, size_t n, double *out) {
    size_t i = 0;
    for (; i + SMOOTH_WIDTH <= n; i += SMOOTH_WIDTH) {
        const smooth_real share = smooth_share_of(smooth_load(u + i));
        memcpy(out + i, &share, sizeof share);
    }
    if (i == n) return;
    double rest[SMOOTH_WIDTH] = {0};
    memcpy(rest, u + i, (n - i) * sizeof *u);
    const smooth_real share = smooth_share_of(smooth_load(rest));
    memcpy(out + i, &share, (n - i) * sizeof *out);
}

#ifndef PAT_SMOOTH_PAIRS
/* Entries `at` of a table of pairs. */
#define PAT_SMOOTH_PAIRS smooth_pairs
SMOOTH_INLINE void smooth_pairs(const double (*pair)[2], const uint32_t *at, smooth_real *first, smooth_real *second) {
    for (unsigned i = 0; i < SMOOTH_WIDTH; i++) {
        (*first)[i] = pair[at[i]][0];
        (*second)[i] = pair[at[i]][1];
    }
}
#endif

SMOOTH_INLINE void smooth_odds_add(const uint32_t *to, const uint32_t *from, smooth_real weight,
                                   const double (*time)[2], smooth_real shift, smooth_real scale, smooth_real sum[4]) {
    smooth_real log_to, log_from, share_to, share_from, yes, no, rest;
    PAT_SMOOTH_PAIRS(time, to, &log_to, &share_to);
    PAT_SMOOTH_PAIRS(time, from, &log_from, &share_from);
    const smooth_real gap = log_to - log_from, u = shift + scale * gap;
    smooth_logistic(u, &yes, &no, &rest);
    const smooth_real dead = weight * yes;
    sum[0] += weight * (smooth_choose(u > 0, u, smooth_all(0)) + rest);
    sum[1] += dead;
    sum[2] += dead * gap;
    sum[3] += dead * (share_to - share_from);
}

static void smooth_odds_sums(const uint32_t *to, const uint32_t *from, const double *weight, size_t n,
                             const struct pat_kernel_odds *odds, double out[4]) {
    const double(*const time)[2] = odds->time;
    const smooth_real shift = smooth_all(odds->shift), scale = smooth_all(odds->scale);
    struct smooth_sums sums = {{{{0}}}};
    size_t i = 0;
    for (; i + SMOOTH_LANES <= n; i += SMOOTH_LANES) {
        for (unsigned part = 0; part < SMOOTH_PARTS; part++) {
            const size_t at = i + part * SMOOTH_WIDTH;
            smooth_odds_add(to + at, from + at, smooth_load(weight + at), time, shift, scale, sums.lane[part]);
        }
    }
    if (i < n) {
        uint32_t last_to[SMOOTH_LANES] = {0}, last_from[SMOOTH_LANES] = {0};
        double last[SMOOTH_LANES] = {0};
        memcpy(last_to, to + i, (n - i) * sizeof *to);
        memcpy(last_from, from + i, (n - i) * sizeof *from);
        memcpy(last, weight + i, (n - i) * sizeof *weight);
        for (unsigned part = 0; part < SMOOTH_PARTS; part++) {
            const size_t at = part * SMOOTH_WIDTH;
            smooth_odds_add(last_to + at, last_from + at, smooth_load(last + at), time, shift, scale, sums.lane[part]);
        }
    }
    smooth_total(&sums, out);
}

SMOOTH_INLINE void smooth_balance_add(smooth_real u, smooth_real weight, smooth_real sum[4]) {
    smooth_real yes, no, rest;
    smooth_logistic(u, &yes, &no, &rest);
    sum[0] += weight * (smooth_choose(u > 0, u, smooth_all(0)) + rest);
    sum[1] += weight * (smooth_choose(u < 0, -u, smooth_all(0)) + rest);
    sum[2] += weight * yes;
    sum[3] += weight * no;
}

static void smooth_balance_sums(const double *value, const double *weight, size_t n, double shift, double out[4]) {
    struct smooth_sums sums = {{{{0}}}};
    size_t i = 0;
    for (; i + SMOOTH_LANES <= n; i += SMOOTH_LANES) {
        for (unsigned part = 0; part < SMOOTH_PARTS; part++) {
            const size_t at = i + part * SMOOTH_WIDTH;
            smooth_balance_add(smooth_load(value + at) + shift, smooth_load(weight + at), sums.lane[part]);
        }
    }
    if (i < n) {
        double last_value[SMOOTH_LANES] = {0}, last[SMOOTH_LANES] = {0};
        memcpy(last_value, value + i, (n - i) * sizeof *value);
        memcpy(last, weight + i, (n - i) * sizeof *weight);
        for (unsigned part = 0; part < SMOOTH_PARTS; part++) {
            const size_t at = part * SMOOTH_WIDTH;
            smooth_balance_add(smooth_load(last_value + at) + shift, smooth_load(last + at), sums.lane[part]);
        }
    }
    smooth_total(&sums, out);
}

/* Lanes of `lane`, eight apart, over `n` chances: what is still there at each time. */
SMOOTH_INLINE void smooth_decay_add(smooth_real p, smooth_real part, const double *time, size_t steps, double shape,
                                    smooth_real *lane) {
    smooth_real before = smooth_log1p(p * time[0]), still = part / p * smooth_exp(-shape * before);
    for (size_t j = 0; j < steps; j++) {
        const smooth_real after = smooth_log1p(p * time[j + 1]);
        const smooth_real leaves = still * smooth_expm1(-shape * (after - before)); /* below zero */
        lane[j] -= leaves;
        still += leaves;
        before = after;
    }
}

static void smooth_decay(const double *node, const double *share, size_t n, const double *time, size_t steps,
                         double shape, double *out) {
    smooth_real lane[SMOOTH_PARTS][PAT_KERNEL_STEPS_MAX];
    for (unsigned part = 0; part < SMOOTH_PARTS; part++) {
        for (size_t j = 0; j < steps; j++) lane[part][j] = smooth_all(0);
        for (size_t i = part * SMOOTH_WIDTH; i < n; i += SMOOTH_LANES) {
            smooth_decay_add(smooth_load(node + i), smooth_load(share + i), time, steps, shape, lane[part]);
        }
    }
    for (size_t j = 0; j < steps; j++) {
        struct smooth_sums sums = {{{{0}}}};
        double total[4];
        for (unsigned part = 0; part < SMOOTH_PARTS; part++) sums.lane[part][0] = lane[part][j];
        smooth_total(&sums, total);
        out[j] = total[0];
    }
}

#define PAT_SMOOTH_KERNELS                                                                                             \
    .share = smooth_share, .odds_sums = smooth_odds_sums, .balance_sums = smooth_balance_sums, .decay = smooth_decay

#endif
