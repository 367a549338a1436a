/* Exchange rates: what one amount is worth in another currency, exact until it is rounded once. */
#ifndef PAT_MODEL_EXCHANGE_H
#define PAT_MODEL_EXCHANGE_H

#include "base/text.h"
#include "model/decimal.h"
#include "model/types.h"

#include <stdbool.h>

/* How a rate is written down: base currency for one unit, or with `per_base` units for one of the base currency. The
 * latter is kept as it is and divided by, since a reciprocal would have to be rounded. */
struct pat_rate {
    pat_decimal value; /* above zero */
    bool per_base;
};

/* The two words of the field `per`. */
#define PAT_RATE_PER_UNIT "unit"
#define PAT_RATE_PER_BASE "base"
/* False for any other word. */
bool pat_rate_per(struct pat_text word, bool *per_base);

/* The most digits that either side of a conversion has: a decimal's, and more than any currency's. */
#define PAT_EXCHANGE_DIGITS_MAX ((unsigned)PAT_DECIMAL_SCALE_MAX)

/* `amount` / 10^from_digits at `rate`, in units of 10^-to_digits (at most 4, as currencies have), rounded half away
 * from zero. False when it does not fit an int64 (INT64_MIN is left out, since it stands for null). */
bool pat_rate_convert(struct pat_rate rate, int64_t amount, unsigned from_digits, unsigned to_digits, int64_t *out);

#endif
