/* Comparisons of doubles that fail with both values. */
#ifndef PAT_TESTS_LIFETIME_NEAR_H
#define PAT_TESTS_LIFETIME_NEAR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static inline void near_absolute_at(const char *what, double actual, double expected, double tolerance,
                                    const char *file, int line) {
    const double off = actual - expected;
    if (fabs(off) <= tolerance) return;
    print_error("%s: %.15g, expected %.15g, off by %.3g (allowed %.3g)\n", what, actual, expected, off, tolerance);
    _fail(file, line);
}

#define near_absolute(actual, expected, tolerance)                                                                     \
    near_absolute_at(#actual, (actual), (expected), (tolerance), __FILE__, __LINE__)
/* Relative to the expected value. */
#define near_relative(actual, expected, tolerance)                                                                     \
    near_absolute_at(#actual, (actual), (expected), (tolerance)*fabs((double)(expected)), __FILE__, __LINE__)

/* A small generator, the same everywhere (SplitMix64). */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in (0, 1). */
static inline double random_uniform(uint64_t *state) {
    return ((double)(random_next(state) >> 11) + 0.5) * 0x1p-53;
}

#endif
