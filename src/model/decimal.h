/* Exact decimals and money.
 *
 * A decimal is packed into an int64: mantissa * 16 + scale, value = mantissa / 10^scale, scale 0..15, |mantissa| <
 * 2^59, canonical (no trailing zeros in the fraction, zero is 0). Equal numbers are equal words, so columns compare by
 * word; order needs pat_decimal_compare. */
#ifndef PAT_MODEL_DECIMAL_H
#define PAT_MODEL_DECIMAL_H

#include "base/text.h"
#include "model/types.h"

#include <stdbool.h>

typedef int64_t pat_decimal;

#define PAT_DECIMAL_SCALE_MAX 15

/* False when it does not fit. */
bool pat_decimal_make(int64_t mantissa, int scale, pat_decimal *out);
static inline int64_t pat_decimal_mantissa(pat_decimal value) {
    return value >> 4;
}
static inline int pat_decimal_scale(pat_decimal value) {
    return (int)(value & 15);
}

/* "12", "-12.50", ".5", "+3", "1e3"; optional surrounding blanks are an error. `comma`: the decimal mark is ',' and '.'
 * groups thousands ("1.234,50"). False for anything else, NaN, or when it does not fit. */
bool pat_decimal_parse(struct pat_text text, bool comma, pat_decimal *out);
/* A number in plain digits that pat_decimal_parse refuses for having more than PAT_DECIMAL_SCALE_MAX decimals. */
bool pat_decimal_too_fine(struct pat_text text);
/* The shortest decimal that reads back as `value` (RULES: a floating number means its shortest decimal).
 * False for NaN, infinities and what does not fit. */
bool pat_decimal_from_double(double value, pat_decimal *out);
/* Writes the plain form, e.g. "-12.5"; at most 24 bytes with the NUL. */
void pat_decimal_print(pat_decimal value, char out[24]);
int pat_decimal_compare(pat_decimal a, pat_decimal b);
double pat_decimal_to_double(pat_decimal value);

/* Minor units of a currency with `digits`. False when the value has more digits than the currency, or does not fit. */
bool pat_decimal_to_minor(pat_decimal value, unsigned digits, pat_minor *out);
/* The same, rounded half away from zero instead of refused; false only when it does not fit. */
bool pat_decimal_to_minor_rounded(pat_decimal value, unsigned digits, pat_minor *out);
/* "12.50" from 1250 and 2 digits; at most 24 bytes with the NUL. */
void pat_minor_print(pat_minor value, unsigned digits, char out[24]);

/* Exact sums of quantity x price: an accumulator at scale 2 * PAT_DECIMAL_SCALE_MAX in 256 bits, or anything as exact.
 */
struct pat_decimal_sum {
    uint64_t limb[4]; /* two's complement, little-endian limbs, unit 10^-30 */
};
void pat_decimal_sum_init(struct pat_decimal_sum *sum);
void pat_decimal_sum_add_product(struct pat_decimal_sum *sum, pat_decimal a, pat_decimal b);
/* Rounds once, half away from zero, to minor units. False when it does not fit an int64. */
bool pat_decimal_sum_to_minor(const struct pat_decimal_sum *sum, unsigned digits, pat_minor *out);

/* Rounds the quotient of money half away from zero: sum / n, n > 0. */
pat_minor pat_minor_divide(pat_int128 sum, int64_t n);

#endif
