/* Checked arithmetic for sizes that come from outside. */
#ifndef PAT_BASE_SIZE_H
#define PAT_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* False when the result does not fit; *out is then unchanged. */
static inline bool pat_size_add(size_t a, size_t b, size_t *out) {
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) return false;
    *out = sum;
    return true;
}

static inline bool pat_size_mul(size_t a, size_t b, size_t *out) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) return false;
    *out = product;
    return true;
}

static inline size_t pat_size_round_up(size_t value, size_t power_of_two) {
    return (value + power_of_two - 1) & ~(power_of_two - 1);
}

#endif
