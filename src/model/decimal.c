#include "model/decimal.h"

#include "base/status.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANTISSA_LIMIT ((int64_t)1 << 59) /* what four bits of scale leave of an int64, sign included */
#define POWER_MAX      18                 /* 10^18 is the greatest power of ten in an int64 */

static const int64_t power10[POWER_MAX + 1] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

static uint64_t magnitude(int64_t value) {
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

bool pat_decimal_make(int64_t mantissa, int scale, pat_decimal *out) {
    if (mantissa == 0) {
        *out = 0;
        return true;
    }
    while (scale > 0 && mantissa % 10 == 0) {
        mantissa /= 10;
        scale--;
    }
    if (scale < 0) {
        if (scale < -POWER_MAX || __builtin_mul_overflow(mantissa, power10[-scale], &mantissa)) return false;
        scale = 0;
    }
    if (scale > PAT_DECIMAL_SCALE_MAX || mantissa <= -MANTISSA_LIMIT || mantissa >= MANTISSA_LIMIT) return false;
    *out = mantissa * 16 + scale;
    return true;
}

/* ---- text ---------------------------------------------------------------------------------------------------------
 */

struct digits {
    int64_t mantissa;
    int64_t zeros;    /* zeros behind the mantissa that were read but not yet multiplied in */
    int64_t fraction; /* digits read behind the mark */
};

/* Zeros wait until a digit follows them: "1.50000000000000000000" is 1.5 and fits. */
static bool digits_add(struct digits *digits, unsigned digit, bool in_fraction) {
    if (in_fraction) digits->fraction++;
    if (digit == 0) {
        if (digits->mantissa != 0) digits->zeros++;
        return true;
    }
    if (digits->mantissa != 0) {
        if (digits->zeros >= POWER_MAX) return false;
        if (__builtin_mul_overflow(digits->mantissa, power10[digits->zeros + 1], &digits->mantissa)) return false;
    }
    if (digits->mantissa >= MANTISSA_LIMIT) return false;
    digits->zeros = 0;
    digits->mantissa += digit;
    return digits->mantissa < MANTISSA_LIMIT;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads the whole part up to the mark, the exponent or the end. With `grouped`, '.' may stand before every third digit
 * from the right, and then must everywhere. Gives the number of digits, or -1. */
static int64_t parse_whole(const char **at, const char *end, bool grouped, struct digits *digits) {
    int64_t count = 0;
    int64_t in_group = 0;
    bool dots = false;
    for (; *at < end; (*at)++) {
        const char c = **at;
        if (grouped && c == '.') {
            if (dots ? in_group != 3 : in_group < 1 || in_group > 3) return -1;
            dots = true;
            in_group = 0;
            continue;
        }
        if (!is_digit(c)) break;
        if (!digits_add(digits, (unsigned)(c - '0'), false)) return -1;
        count++;
        in_group++;
    }
    return dots && in_group != 3 ? -1 : count;
}

/* An exponent's value; far more than fits anyway is cut, so that it cannot overflow. */
static bool parse_exponent(const char *at, const char *end, int64_t *exponent) {
    bool negative = false;
    if (at < end && (*at == '-' || *at == '+')) negative = *at++ == '-';
    if (at == end) return false;
    int64_t value = 0;
    for (; at < end; at++) {
        if (!is_digit(*at)) return false;
        if (value < 1000000) value = value * 10 + (*at - '0');
    }
    *exponent = negative ? -value : value;
    return true;
}

/* What most amounts are: digits, a mark, digits, few enough for any mantissa. False: read it with care. */
#define SHORT_BYTES_MAX 17u

static bool parse_short(struct pat_text text, pat_decimal *out) {
    if (text.length > SHORT_BYTES_MAX) return false;
    int64_t mantissa = 0;
    size_t mark = text.length;
    for (size_t i = 0; i < text.length; i++) {
        const unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit <= 9) {
            mantissa = mantissa * 10 + digit;
        } else if (text.data[i] == '.' && mark == text.length) {
            mark = i;
        } else {
            return false;
        }
    }
    const bool whole = mark == text.length;
    if (!whole && (mark == 0 || mark + 1 == text.length)) return false;
    return pat_decimal_make(mantissa, whole ? 0 : (int)(text.length - mark - 1), out);
}

bool pat_decimal_parse(struct pat_text text, bool comma, pat_decimal *out) {
    if (text.length == 0) return false;
    if (!comma && parse_short(text, out)) return true;
    const char *at = text.data;
    const char *const end = text.data + text.length;
    bool negative = false;
    if (*at == '-' || *at == '+') negative = *at++ == '-';

    struct digits digits = {0};
    const int64_t whole = parse_whole(&at, end, comma, &digits);
    if (whole < 0) return false;
    if (at < end && *at == (comma ? ',' : '.')) {
        at++;
        const char *const first = at;
        for (; at < end && is_digit(*at); at++) {
            if (!digits_add(&digits, (unsigned)(*at - '0'), true)) return false;
        }
        if (at == first) return false;
    } else if (whole == 0) {
        return false;
    }
    int64_t exponent = 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        if (!parse_exponent(at + 1, end, &exponent)) return false;
        at = end;
    }
    if (at != end) return false;

    if (digits.mantissa == 0) {
        *out = 0;
        return true;
    }
    const int64_t scale = digits.fraction - exponent - digits.zeros;
    if (scale > PAT_DECIMAL_SCALE_MAX || scale < -POWER_MAX) return false;
    return pat_decimal_make(negative ? -digits.mantissa : digits.mantissa, (int)scale, out);
}

bool pat_decimal_too_fine(struct pat_text text) {
    size_t at = text.length > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    while (at < text.length && is_digit(text.data[at])) at++;
    if (at == text.length || text.data[at] != '.') return false;
    size_t decimals = 0;
    const size_t first = at + 1;
    for (at = first; at < text.length && is_digit(text.data[at]); at++) {
        if (text.data[at] != '0') decimals = at - first + 1;
    }
    return at == text.length && decimals > PAT_DECIMAL_SCALE_MAX;
}

/* Up to 15 significant digits survive the way through a double, so a quotient of exact integers that gives `value` is
 * its only such decimal and the shortest. Most prices end here, without printing. */
static bool decimal_from_short_double(double value, pat_decimal *out) {
    for (int scale = 0; scale <= 4; scale++) {
        const double power = (double)power10[scale];
        const double mantissa = nearbyint(value * power);
        if (fabs(mantissa) >= 1e15) return false;
        if (mantissa / power == value) return pat_decimal_make((int64_t)mantissa, scale, out);
    }
    return false;
}

bool pat_decimal_from_double(double value, pat_decimal *out) {
    if (!isfinite(value)) return false;
    if (decimal_from_short_double(value, out)) return true;
    /* The program never calls setlocale: the mark is always '.'. */
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value) break;
    }
    return pat_decimal_parse(pat_text_of(text), false, out);
}

/* Writes value / 10^scale, always `scale` digits behind the mark. */
static void print_scaled(uint64_t value, bool negative, unsigned scale, char out[24]) {
    char reversed[24];
    size_t length = 0;
    for (; length < scale; value /= 10) reversed[length++] = (char)('0' + value % 10);
    if (scale > 0) reversed[length++] = '.';
    do {
        reversed[length++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (negative) reversed[length++] = '-';
    for (size_t i = 0; i < length; i++) out[i] = reversed[length - 1 - i];
    out[length] = '\0';
}

void pat_decimal_print(pat_decimal value, char out[24]) {
    const int64_t mantissa = pat_decimal_mantissa(value);
    print_scaled(magnitude(mantissa), mantissa < 0, (unsigned)pat_decimal_scale(value), out);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------
 */

int pat_decimal_compare(pat_decimal a, pat_decimal b) {
    /* 2^59 * 10^15 < 2^109: both sides fit. */
    const pat_int128 left = (pat_int128)pat_decimal_mantissa(a) * power10[pat_decimal_scale(b)];
    const pat_int128 right = (pat_int128)pat_decimal_mantissa(b) * power10[pat_decimal_scale(a)];
    return (left > right) - (left < right);
}

double pat_decimal_to_double(pat_decimal value) {
    const int64_t mantissa = pat_decimal_mantissa(value);
    /* Both exact in a double: the quotient is rounded once. */
    if (magnitude(mantissa) <= (uint64_t)1 << 53) return (double)mantissa / (double)power10[pat_decimal_scale(value)];
    char text[24];
    pat_decimal_print(value, text);
    return strtod(text, NULL);
}

bool pat_decimal_to_minor(pat_decimal value, unsigned digits, pat_minor *out) {
    PAT_ASSERT(digits <= PAT_DECIMAL_SCALE_MAX);
    const unsigned scale = (unsigned)pat_decimal_scale(value);
    if (scale > digits) return false;
    return !__builtin_mul_overflow(pat_decimal_mantissa(value), power10[digits - scale], out);
}

bool pat_decimal_to_minor_rounded(pat_decimal value, unsigned digits, pat_minor *out) {
    PAT_ASSERT(digits <= PAT_DECIMAL_SCALE_MAX);
    const unsigned scale = (unsigned)pat_decimal_scale(value);
    if (scale <= digits) return pat_decimal_to_minor(value, digits, out);
    *out = pat_minor_divide(pat_decimal_mantissa(value), power10[scale - digits]);
    return true;
}

void pat_minor_print(pat_minor value, unsigned digits, char out[24]) {
    PAT_ASSERT(digits <= PAT_DECIMAL_SCALE_MAX);
    print_scaled(magnitude(value), value < 0, digits, out);
}

pat_minor pat_minor_divide(pat_int128 sum, int64_t n) {
    PAT_ASSERT(n > 0);
    const pat_uint128 value = sum < 0 ? 0 - (pat_uint128)sum : (pat_uint128)sum;
    const pat_uint128 divisor = (pat_uint128)n;
    pat_uint128 quotient = value / divisor;
    const pat_uint128 rest = value % divisor;
    if (rest >= divisor - rest) quotient++;
    PAT_ASSERT(quotient <= INT64_MAX);
    return sum < 0 ? -(int64_t)quotient : (int64_t)quotient;
}

/* ---- exact sums ----------------------------------------------------------------------------------------------------
 */

/* Each product is below 2^118 * 10^30 < 2^218: 2^37 of them fit. */

static void wide_add(uint64_t limb[4], const uint64_t other[4]) {
    pat_uint128 carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (pat_uint128)limb[i] + other[i];
        limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static void wide_negate(uint64_t limb[4]) {
    for (int i = 0; i < 4; i++) limb[i] = ~limb[i];
    wide_add(limb, (const uint64_t[4]){1, 0, 0, 0});
}

static void wide_multiply(uint64_t limb[4], pat_uint128 a, pat_uint128 b) {
    const uint64_t a_part[2] = {(uint64_t)a, (uint64_t)(a >> 64)};
    const uint64_t b_part[2] = {(uint64_t)b, (uint64_t)(b >> 64)};
    memset(limb, 0, 4 * sizeof limb[0]);
    for (int i = 0; i < 2; i++) {
        pat_uint128 carry = 0;
        for (int j = 0; j < 2; j++) {
            carry += (pat_uint128)a_part[i] * b_part[j] + limb[i + j];
            limb[i + j] = (uint64_t)carry;
            carry >>= 64;
        }
        limb[i + 2] = (uint64_t)carry;
    }
}

/* Divides in place, the rest is dropped. */
static void wide_divide(uint64_t limb[4], uint64_t divisor) {
    pat_uint128 rest = 0;
    for (int i = 3; i >= 0; i--) {
        rest = rest << 64 | limb[i];
        limb[i] = (uint64_t)(rest / divisor);
        rest %= divisor;
    }
}

void pat_decimal_sum_init(struct pat_decimal_sum *sum) {
    *sum = (struct pat_decimal_sum){{0}};
}

/* The magnitude in units of 10^-15. */
static pat_uint128 decimal_in_units(pat_decimal value) {
    return (pat_uint128)magnitude(pat_decimal_mantissa(value)) *
           (uint64_t)power10[PAT_DECIMAL_SCALE_MAX - pat_decimal_scale(value)];
}

void pat_decimal_sum_add_product(struct pat_decimal_sum *sum, pat_decimal a, pat_decimal b) {
    uint64_t product[4];
    wide_multiply(product, decimal_in_units(a), decimal_in_units(b));
    if ((pat_decimal_mantissa(a) < 0) != (pat_decimal_mantissa(b) < 0)) wide_negate(product);
    wide_add(sum->limb, product);
}

bool pat_decimal_sum_to_minor(const struct pat_decimal_sum *sum, unsigned digits, pat_minor *out) {
    PAT_ASSERT(digits <= PAT_DECIMAL_SCALE_MAX);
    uint64_t limb[4];
    memcpy(limb, sum->limb, sizeof limb);
    const bool negative = limb[3] >> 63 != 0;
    if (negative) wide_negate(limb);

    /* Half of 10^(30 - digits) added to the magnitude makes the dropped rest round half away from zero. */
    const uint64_t low_power = (uint64_t)power10[PAT_DECIMAL_SCALE_MAX - digits];
    const pat_uint128 half = (pat_uint128)power10[PAT_DECIMAL_SCALE_MAX] * low_power / 2;
    wide_add(limb, (const uint64_t[4]){(uint64_t)half, (uint64_t)(half >> 64), 0, 0});
    wide_divide(limb, (uint64_t)power10[PAT_DECIMAL_SCALE_MAX]);
    wide_divide(limb, low_power);
    if ((limb[1] | limb[2] | limb[3]) != 0 || limb[0] > INT64_MAX) return false;
    *out = negative ? -(int64_t)limb[0] : (int64_t)limb[0];
    return true;
}
