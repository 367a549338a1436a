#include "model/exchange.h"

#include "base/status.h"

/* Greatest power of ten below: 15 digits of an amount and 15 of a rate. */
#define POWER_MAX           (2 * PAT_DECIMAL_SCALE_MAX)
#define CURRENCY_DIGITS_MAX 4u

bool pat_rate_per(struct pat_text word, bool *per_base) {
    *per_base = pat_text_is(word, PAT_RATE_PER_BASE);
    return *per_base || pat_text_is(word, PAT_RATE_PER_UNIT);
}

static pat_uint128 power_of_ten(int exponent) {
    PAT_ASSERT(exponent >= 0 && exponent <= POWER_MAX);
    pat_uint128 power = 1;
    for (; exponent > 0; exponent--) power *= 10;
    return power;
}

bool pat_rate_convert(struct pat_rate rate, int64_t amount, unsigned from_digits, unsigned to_digits, int64_t *out) {
    PAT_ASSERT(rate.value > 0 && from_digits <= PAT_EXCHANGE_DIGITS_MAX && to_digits <= CURRENCY_DIGITS_MAX);
    const pat_uint128 mantissa = (pat_uint128)pat_decimal_mantissa(rate.value);
    const int scale = pat_decimal_scale(rate.value), shift = (int)to_digits - (int)from_digits;
    /* worth = amount * mantissa * 10^(shift - scale), or amount / mantissa * 10^(shift + scale) */
    const int exponent = rate.per_base ? shift + scale : shift - scale;
    const pat_uint128 power = power_of_ten(exponent < 0 ? -exponent : exponent);
    pat_uint128 over = amount < 0 ? 0 - (pat_uint128)amount : (pat_uint128)amount, under = 1;
    /* Below 2^127 on either side: 2^63 * 2^59 over 10^30, or 2^63 * 10^19 over 2^59 * 10^15. */
    if (rate.per_base) {
        under *= mantissa;
    } else {
        over *= mantissa;
    }
    if (exponent < 0) {
        under *= power;
    } else if (!rate.per_base && over > (pat_uint128)INT64_MAX) {
        return false; /* nothing divides it any more */
    } else {
        over *= power;
    }
    pat_uint128 worth = over / under;
    const pat_uint128 rest = over % under;
    if (rest >= under - rest) worth++;
    if (worth > (pat_uint128)INT64_MAX) return false;
    *out = amount < 0 ? -(int64_t)worth : (int64_t)worth;
    return true;
}
