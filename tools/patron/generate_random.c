#include "generate_random.h"

#include <math.h>
#include <string.h>

#define LN2_HIGH 0x1.62e42fee00000p-1 /* ends in zeros, so that k * LN2_HIGH is exact */
#define LN2_LOW  0x1.a39ef35793c76p-33
#define SQRT2    0x1.6a09e667f3bcdp+0

double pat_random_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);
    double mantissa;
    memcpy(&mantissa, &bits, sizeof mantissa);
    if (mantissa > SQRT2) {
        mantissa *= 0.5;
        exponent++;
    }
    /* log m = 2 atanh s, and s^2 is below .03. */
    const double s = (mantissa - 1) / (mantissa + 1), z = s * s;
    double sum = 1.0 / 21;
    for (int k = 19; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
    return exponent * LN2_HIGH + (2 * s * sum + exponent * LN2_LOW);
}

double pat_random_exp(double x) {
    if (x < -700) return 0;
    const int k = (int)(x / (LN2_HIGH + LN2_LOW) + (x < 0 ? -0.5 : 0.5));
    const double r = x - k * LN2_HIGH - k * LN2_LOW;
    double sum = 1;
    for (int n = 14; n >= 1; n--) sum = 1 + sum * r / n;
    const uint64_t bits = (uint64_t)(k + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double pat_random_normal(struct pat_random *random) {
    if (random->has_spare) {
        random->has_spare = false;
        return random->spare;
    }
    double u, v, s;
    do {
        u = 2 * pat_random_unit(random) - 1;
        v = 2 * pat_random_unit(random) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s < 0x1p-100);
    /* A square root is exact to the last bit everywhere. */
    const double factor = sqrt(-2 * pat_random_log(s) / s);
    random->spare = v * factor;
    random->has_spare = true;
    return u * factor;
}

double pat_random_exponential(struct pat_random *random) {
    return -pat_random_log(pat_random_unit(random));
}

/* Marsaglia and Tsang 2000; a shape below one is drawn one higher and multiplied by U^(1/shape). */
double pat_random_gamma(struct pat_random *random, double shape) {
    double boost = 1;
    if (shape < 1) {
        boost = pat_random_exp(pat_random_log(pat_random_unit(random)) / shape);
        shape += 1;
    }
    const double d = shape - 1.0 / 3, c = 1 / (3 * sqrt(d));
    for (;;) {
        const double x = pat_random_normal(random);
        double v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        const double u = pat_random_unit(random), square = x * x;
        if (u < 1 - 0.0331 * square * square) return boost * d * v;
        if (pat_random_log(u) < 0.5 * square + d * (1 - v + pat_random_log(v))) return boost * d * v;
    }
}

double pat_random_beta(struct pat_random *random, double a, double b) {
    const double x = pat_random_gamma(random, a), y = pat_random_gamma(random, b);
    return x + y > 0 ? x / (x + y) : a / (a + b);
}
