#include "lifetime/special_private.h"

#include <math.h>
#include <stddef.h>

/* From here on the first six terms of Stirling's series are exact in a double (the seventh is below 2e-18). */
#define STIRLING_FROM 16.0
/* Half of log(2 pi). */
#define LOG_ROOT_2PI 0.91893853320467274178
/* A continued fraction that has not settled by then will not; each one here needs far fewer. */
#define FRACTION_STEPS_MAX 100000u
#define FRACTION_TINY      1e-300
#define FRACTION_SETTLED   4e-16 /* a factor may stay one rounding off 1 for ever */

/* log Gamma(z) - ((z - 1/2) log z - z + log sqrt(2 pi)). */
static double stirling_rest(double z) {
    const double y = 1 / z, y2 = y * y;
    return y * (1.0 / 12 + y2 * (-1.0 / 360 +
                                 y2 * (1.0 / 1260 + y2 * (-1.0 / 1680 + y2 * (1.0 / 1188 + y2 * (-691.0 / 360360))))));
}

/* digamma(z) - (log z - 1/(2z)). */
static double digamma_rest(double z) {
    const double y2 = 1 / (z * z);
    return y2 * (-1.0 / 12 +
                 y2 * (1.0 / 120 + y2 * (-1.0 / 252 + y2 * (1.0 / 240 + y2 * (-1.0 / 132 + y2 * (691.0 / 32760))))));
}

double pat_special__lgamma_diff(double z, double d) {
    double product = 1; /* of (z + d + i) / (z + i) over the steps up to STIRLING_FROM */
    while (z < STIRLING_FROM) {
        product *= 1 + d / z;
        z += 1;
    }
    return (z + d - 0.5) * log1p(d / z) + d * (log(z) - 1) + (stirling_rest(z + d) - stirling_rest(z)) - log(product);
}

double pat_special__digamma_diff(double z, double d) {
    double sum = 0;
    while (z < STIRLING_FROM) {
        sum += d / (z * (z + d));
        z += 1;
    }
    return sum + (log1p(d / z) + d / (2 * z * (z + d)) + (digamma_rest(z + d) - digamma_rest(z)));
}

double pat_special__lgamma(double z) {
    double product = 1;
    while (z < STIRLING_FROM) {
        product *= z;
        z += 1;
    }
    return (z - 0.5) * log(z) - z + LOG_ROOT_2PI + stirling_rest(z) - log(product);
}

double pat_special__softplus(double u, double *share) {
    const double e = exp(-fabs(u)); /* never above 1 */
    *share = u < 0 ? e / (1 + e) : 1 / (1 + e);
    return (u > 0 ? u : 0) + log1p(e);
}

static double away_from_zero(double value) {
    return fabs(value) < FRACTION_TINY ? FRACTION_TINY : value;
}

/* The continued fraction of I_z(a, b) (DLMF 8.17.22) by Lentz's method; quick for z < (a + 1) / (a + b + 2). */
static double beta_fraction(double z, double a, double b) {
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * z / (a + 1)), h = d;
    for (unsigned m = 1; m < FRACTION_STEPS_MAX; m++) {
        const double k = m;
        const double even = k * (b - k) * z / ((a + 2 * k - 1) * (a + 2 * k));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        h *= d * c;
        const double odd = -(a + k) * (a + b + k) * z / ((a + 2 * k) * (a + 2 * k + 1));
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        h *= d * c;
        if (fabs(d * c - 1) < FRACTION_SETTLED) break;
    }
    return h;
}

double pat_special__beta_share(double z, double a, double b) {
    if (z <= 0) return 0;
    if (z >= 1) return 1;
    const double log_beta = pat_special__lgamma(b) - pat_special__lgamma_diff(a, b);
    const double front = exp(a * log(z) + b * log1p(-z) - log_beta);
    if (z < (a + 1) / (a + b + 2)) return front * beta_fraction(z, a, b) / a;
    return 1 - front * beta_fraction(1 - z, b, a) / b;
}

/* exp(z) E_nu(z) by its continued fraction (DLMF 8.19.17, even part); quick for z >= 1. */
static double expint_fraction(double nu, double z) {
    double b = z + nu, c = 1 / FRACTION_TINY, d = 1 / b, h = d;
    for (unsigned i = 1; i < FRACTION_STEPS_MAX; i++) {
        const double a = -(double)i * (nu - 1 + i);
        b += 2;
        d = 1 / (a * d + b);
        c = b + a / c;
        h *= c * d;
        if (fabs(c * d - 1) < FRACTION_SETTLED) break;
    }
    return h;
}

double pat_special__expint(double nu, double z, const double *node, const double *share, size_t nodes) {
    if (z >= 1) return expint_fraction(nu, z);
    /* Below 1 the fraction is slow: from z (1 + v) = 1 on it is exp(z - 1) z^(nu-1) times the same function at 1; the
     * part before is smooth in w = log(1 + v). Nothing is left of it after e^-45. */
    const double s = nu - 1, whole = -log(z), width = s * whole > 45 ? 45 / s : whole;
    double head = 0;
    for (size_t i = 0; i < nodes; i++) {
        const double w = width * node[i];
        head += share[i] * exp(-z * expm1(w) - s * w);
    }
    return width * head + exp(z - 1 - s * whole) * expint_fraction(nu, 1);
}
