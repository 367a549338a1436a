/* Decimals and money: exactness against 128-bit arithmetic, on numbers from a printed seed. */
#include "model/decimal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ROUNDS       200000

static uint64_t seed;

static uint64_t random_next(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Any size, small ones as often as great ones. */
static int64_t random_below(uint64_t *state, unsigned bits) {
    const uint64_t value = random_next(state) >> (64 - 1 - random_next(state) % bits);
    return random_next(state) & 1 ? (int64_t)value : -(int64_t)value;
}

static pat_decimal random_decimal(uint64_t *state, unsigned bits) {
    pat_decimal value = 0;
    assert_true(pat_decimal_make(random_below(state, bits), (int)(random_next(state) % 16), &value));
    return value;
}

static pat_int128 power(int exponent) {
    pat_int128 value = 1;
    while (exponent-- > 0) value *= 10;
    return value;
}

static pat_decimal decimal_of(const char *text) {
    pat_decimal value = 0;
    if (!pat_decimal_parse(pat_text_of(text), false, &value)) fail_msg("\"%s\" was not read", text);
    return value;
}

struct text_case {
    const char *text;
    const char *printed; /* NULL: refused */
};

static void check_texts(const struct text_case *cases, size_t count, bool comma) {
    for (size_t i = 0; i < count; i++) {
        pat_decimal value;
        const bool read = pat_decimal_parse(pat_text_of(cases[i].text), comma, &value);
        if (read != (cases[i].printed != NULL)) fail_msg("\"%s\" %s", cases[i].text, read ? "was read" : "was refused");
        if (!read) continue;
        char printed[24];
        pat_decimal_print(value, printed);
        if (strcmp(printed, cases[i].printed) != 0) fail_msg("\"%s\" was read as %s", cases[i].text, printed);
    }
}

static void decimals_are_read_exactly_or_not_at_all(void **state) {
    (void)state;
    static const struct text_case cases[] = {
        {"12", "12"},
        {"-12.50", "-12.5"},
        {".5", "0.5"},
        {"+3", "3"},
        {"1e3", "1000"},
        {"1E-3", "0.001"},
        {"12.5e+1", "125"},
        {"0", "0"},
        {"-0", "0"},
        {"-0.000", "0"},
        {"0e99999999999999999999", "0"},
        {"000012", "12"},
        {"1.500000000000000000000000000000", "1.5"},
        {"0.000000000000001", "0.000000000000001"},
        {"576460752303423487", "576460752303423487"},
        {"-576460752303423487", "-576460752303423487"},
        {"576.460752303423487", "576.460752303423487"},
        {"100000000000000000", "100000000000000000"},
        {"576460752303423488", NULL},
        {"9223372036854775809", NULL},
        {"9223372036854775808", NULL},
        {"92233720368547758009", NULL},
        {"1000000000000000000000001", NULL},
        {"0.0000000000000001", NULL},
        {"1e18", NULL},
        {"1e-16", NULL},
        {"1e99999999999999999999", NULL},
        {"", NULL},
        {"-", NULL},
        {".", NULL},
        {"5.", NULL},
        {"1e", NULL},
        {"1e+", NULL},
        {"e5", NULL},
        {" 1", NULL},
        {"1 ", NULL},
        {"--1", NULL},
        {"1,5", NULL},
        {"1.2.3", NULL},
        {"0x10", NULL},
        {"nan", NULL},
        {"inf", NULL},
        {"1_000", NULL},
    };
    check_texts(cases, COUNT(cases), false);
}

static void decimals_with_a_comma_group_by_points(void **state) {
    (void)state;
    static const struct text_case cases[] = {
        {"1.234,50", "1234.5"}, {"1234,5", "1234.5"}, {"1.234.567", "1234567"}, {"-0,5", "-0.5"},
        {",5", "0.5"},          {"12.345", "12345"},  {"1,5e2", "150"},         {"1.5", NULL},
        {"1.2345", NULL},       {"1234.567", NULL},   {"1.234.56", NULL},       {".234", NULL},
        {"1..234", NULL},       {"1,", NULL},         {"1,234.5", NULL},
    };
    check_texts(cases, COUNT(cases), true);
}

static void a_decimal_prints_as_it_is_read(void **state) {
    (void)state;
    uint64_t random = seed;
    for (int i = 0; i < ROUNDS; i++) {
        const pat_decimal value = random_decimal(&random, 59);
        char text[24];
        pat_decimal_print(value, text);
        pat_decimal again = 0;
        assert_true(pat_decimal_parse(pat_text_of(text), false, &again));
        if (again != value) fail_msg("%s came back as another word", text);
        const double real = pat_decimal_to_double(value);
        if (real != strtod(text, NULL)) fail_msg("%s as a double is %.17g", text, real);
    }
}

static void decimals_compare_as_their_numbers(void **state) {
    (void)state;
    uint64_t random = seed;
    for (int i = 0; i < ROUNDS; i++) {
        const pat_decimal a = random_decimal(&random, 59), b = random_decimal(&random, 59);
        const pat_int128 left = (pat_int128)pat_decimal_mantissa(a) * power(15 - pat_decimal_scale(a));
        const pat_int128 right = (pat_int128)pat_decimal_mantissa(b) * power(15 - pat_decimal_scale(b));
        assert_int_equal(pat_decimal_compare(a, b), (left > right) - (left < right));
        assert_int_equal(pat_decimal_compare(a, a), 0);
        assert_int_equal(pat_decimal_compare(a, b) == 0, a == b);
    }
    assert_true(pat_decimal_compare(decimal_of("-2"), decimal_of("-1.5")) < 0);
}

static void a_double_means_its_shortest_decimal(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *printed;
    } cases[] = {{0.1, "0.1"},
                 {-12.5, "-12.5"},
                 {2.675, "2.675"},
                 {0.1 + 0.2, NULL},
                 {1e3, "1000"},
                 {0.30000000000000, "0.3"},
                 {1e-15, "0.000000000000001"},
                 {1e15, "1000000000000000"},
                 {123456.789012345, "123456.789012345"},
                 {-0.0, "0"},
                 {2251799813685249.5, "2251799813685249.5"},
                 {1e18, NULL},
                 {1e300, NULL},
                 {1e-16, NULL},
                 {(double)NAN, NULL},
                 {(double)INFINITY, NULL}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        pat_decimal value;
        const bool taken = pat_decimal_from_double(cases[i].value, &value);
        if (taken != (cases[i].printed != NULL)) fail_msg("%.17g", cases[i].value);
        if (taken && value != decimal_of(cases[i].printed))
            fail_msg("%.17g was not taken as %s", cases[i].value, cases[i].printed);
    }
    uint64_t random = seed;
    for (int i = 0; i < ROUNDS; i++) {
        /* Up to 15 digits come back as written. */
        pat_decimal value = 0, again = 0;
        assert_true(pat_decimal_make(random_below(&random, 49), (int)(random_next(&random) % 16), &value));
        char text[24];
        pat_decimal_print(value, text);
        assert_true(pat_decimal_from_double(strtod(text, NULL), &again));
        if (again != value) fail_msg("%s came back as another word", text);
    }
}

static void minor_units_refuse_digits_and_round_when_asked(void **state) {
    (void)state;
    pat_minor minor = 0;
    assert_true(pat_decimal_to_minor(decimal_of("12.5"), 2, &minor));
    assert_int_equal(minor, 1250);
    assert_true(pat_decimal_to_minor(decimal_of("12.500"), 2, &minor));
    assert_false(pat_decimal_to_minor(decimal_of("12.505"), 2, &minor));
    assert_false(pat_decimal_to_minor(decimal_of("12.5"), 0, &minor));
    assert_false(pat_decimal_to_minor(decimal_of("100000000000000000"), 2, &minor));
    assert_false(pat_decimal_to_minor_rounded(decimal_of("100000000000000000"), 2, &minor));
    static const struct {
        const char *text;
        pat_minor rounded;
    } cases[] = {{"12.505", 1251}, {"-12.505", -1251}, {"12.5049999", 1250}, {"-0.005", -1}, {"0.0049", 0}, {"3", 300}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(pat_decimal_to_minor_rounded(decimal_of(cases[i].text), 2, &minor));
        assert_int_equal(minor, cases[i].rounded);
    }
}

static void money_prints_with_the_digits_of_its_currency(void **state) {
    (void)state;
    static const struct {
        pat_minor value;
        unsigned digits;
        const char *printed;
    } cases[] = {{1250, 2, "12.50"},
                 {-5, 2, "-0.05"},
                 {0, 2, "0.00"},
                 {1250, 0, "1250"},
                 {0, 0, "0"},
                 {-1, 3, "-0.001"},
                 {INT64_MAX, 2, "92233720368547758.07"},
                 {INT64_MIN, 2, "-92233720368547758.08"},
                 {INT64_MIN, 0, "-9223372036854775808"},
                 {7, 15, "0.000000000000007"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[24];
        pat_minor_print(cases[i].value, cases[i].digits, text);
        assert_string_equal(text, cases[i].printed);
    }
}

/* Half away from zero, written another way than the code has it. */
static pat_int128 round_quotient(pat_int128 sum, pat_int128 divisor) {
    const pat_int128 twice = sum < 0 ? -2 * sum : 2 * sum;
    const pat_int128 quotient = (twice + divisor) / (2 * divisor);
    return sum < 0 ? -quotient : quotient;
}

static void quotients_round_half_away_from_zero(void **state) {
    (void)state;
    assert_int_equal(pat_minor_divide(5, 2), 3);
    assert_int_equal(pat_minor_divide(-5, 2), -3);
    assert_int_equal(pat_minor_divide(4, 3), 1);
    assert_int_equal(pat_minor_divide(-7, INT64_MAX), 0);
    assert_int_equal(pat_minor_divide((pat_int128)INT64_MAX * 1000, 1000), INT64_MAX);
    uint64_t random = seed;
    for (int i = 0; i < ROUNDS; i++) {
        const int64_t sum = random_below(&random, 63);
        int64_t n = random_below(&random, 63);
        n = n < 0 ? -n : n + (n == 0);
        assert_true(pat_minor_divide(sum, n) == round_quotient(sum, n));
    }
}

static void sums_of_products_are_exact(void **state) {
    (void)state;
    uint64_t random = seed;
    for (int i = 0; i < ROUNDS / 10; i++) {
        struct pat_decimal_sum sum;
        pat_decimal_sum_init(&sum);
        pat_int128 expected = 0; /* at scale 8 */
        for (unsigned terms = (unsigned)(random_next(&random) % 20); terms > 0; terms--) {
            pat_decimal a = 0, b = 0;
            assert_true(pat_decimal_make(random_below(&random, 40), (int)(random_next(&random) % 5), &a));
            assert_true(pat_decimal_make(random_below(&random, 40), (int)(random_next(&random) % 5), &b));
            pat_decimal_sum_add_product(&sum, a, b);
            expected += (pat_int128)pat_decimal_mantissa(a) * pat_decimal_mantissa(b) *
                        power(8 - pat_decimal_scale(a) - pat_decimal_scale(b));
        }
        const unsigned digits = (unsigned)(random_next(&random) % 5);
        const pat_int128 rounded = round_quotient(expected, power(8 - (int)digits));
        pat_minor minor = 0;
        const bool fits = rounded >= -INT64_MAX && rounded <= INT64_MAX;
        assert_int_equal(pat_decimal_sum_to_minor(&sum, digits, &minor), fits);
        if (fits) assert_true(minor == rounded);
    }
}

static void sums_at_the_ends_of_the_range_stay_exact(void **state) {
    (void)state;
    struct pat_decimal_sum sum;
    pat_minor minor = 0;
    const pat_decimal great = decimal_of("576460752303423487"), tiny = decimal_of("0.000000000000001");
    pat_decimal_sum_init(&sum);
    for (int i = 0; i < 1000; i++) pat_decimal_sum_add_product(&sum, great, great);
    assert_false(pat_decimal_sum_to_minor(&sum, 2, &minor));
    for (int i = 0; i < 1000; i++) pat_decimal_sum_add_product(&sum, great, -(great & ~(int64_t)15));
    assert_true(pat_decimal_sum_to_minor(&sum, 2, &minor));
    assert_int_equal(minor, 0);
    /* 0.5 less 10^-30 rounds down, 0.5 rounds up: nothing is lost at the small end. */
    pat_decimal_sum_add_product(&sum, decimal_of("0.5"), decimal_of("1"));
    assert_true(pat_decimal_sum_to_minor(&sum, 0, &minor));
    assert_int_equal(minor, 1);
    pat_decimal_sum_add_product(&sum, tiny, decimal_of("-0.000000000000001"));
    assert_true(pat_decimal_sum_to_minor(&sum, 0, &minor));
    assert_int_equal(minor, 0);
    assert_true(pat_decimal_sum_to_minor(&sum, 15, &minor));
    assert_int_equal(minor, 500000000000000);
}

int main(void) {
    const char *given = getenv("PATRON_SEED");
    seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("PATRON_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_read_exactly_or_not_at_all),
        cmocka_unit_test(decimals_with_a_comma_group_by_points),
        cmocka_unit_test(a_decimal_prints_as_it_is_read),
        cmocka_unit_test(decimals_compare_as_their_numbers),
        cmocka_unit_test(a_double_means_its_shortest_decimal),
        cmocka_unit_test(minor_units_refuse_digits_and_round_when_asked),
        cmocka_unit_test(money_prints_with_the_digits_of_its_currency),
        cmocka_unit_test(quotients_round_half_away_from_zero),
        cmocka_unit_test(sums_of_products_are_exact),
        cmocka_unit_test(sums_at_the_ends_of_the_range_stay_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
