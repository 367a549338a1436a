/* The list of currencies: order, digits, misspellings, and every code that a country of the shared list uses. */
#include "model/currency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define CELLS_MAX    100

static void codes_are_sorted_and_found(void **state) {
    (void)state;
    for (size_t i = 0; i < pat_currency_count; i++) {
        assert_int_equal(strlen(pat_currencies[i].code), 3);
        assert_true(pat_currencies[i].digits <= 4);
        if (i > 0) assert_true(strcmp(pat_currencies[i - 1].code, pat_currencies[i].code) < 0);
        assert_int_equal(pat_currency_find(pat_text_of(pat_currencies[i].code)), i);
    }
}

static void digits_are_those_of_iso_4217(void **state) {
    (void)state;
    static const struct {
        const char *code;
        int digits;
    } cases[] = {{"EUR", 2}, {"USD", 2}, {"JPY", 0}, {"KRW", 0}, {"ISK", 0}, {"UGX", 0}, {"CLP", 0}, {"CLF", 4},
                 {"UYW", 4}, {"KWD", 3}, {"BHD", 3}, {"TND", 3}, {"HUF", 2}, {"TWD", 2}, {"MGA", 2}, {"HRK", 2},
                 {"BGN", 2}, {"DEM", 2}, {"ITL", 0}, {"TRL", 0}, {"BYR", 0}, {"ROL", 2}, {"VEF", 2}, {"STD", 2}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const int index = pat_currency_find(pat_text_of(cases[i].code));
        if (index < 0 || pat_currencies[index].digits != cases[i].digits) fail_msg("%s", cases[i].code);
    }
}

static void what_is_no_code_is_not_found(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "usd", "US", "USDD", "XXX", "XAU", "ZZZ", "AAA", "   ", "EURODOLLAR"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        if (pat_currency_find(pat_text_of(wrong[i])) != -1) fail_msg("\"%s\" was found", wrong[i]);
    }
}

static void misspellings_find_what_was_meant(void **state) {
    (void)state;
    static const struct {
        const char *written;
        const char *meant;
    } cases[] = {{"usd", "USD"},    {"US$", "USD"},    {"EURO", "EUR"}, {"euros", "EUR"},        {"US", "USD"},
                 {"\u20ac", "EUR"}, {"\u00a3", "GBP"}, {"RMB", "CNY"},  {"Jpy ", "JPY"},         {"GPB", "GBP"},
                 {"$", "USD"},      {"yen", "JPY"},    {"UDS", "USD"},  {"chf (francs)", "CHF"}, {"brl", "BRL"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const int index = pat_currency_nearest(pat_text_of(cases[i].written));
        if (index < 0 || strcmp(pat_currencies[index].code, cases[i].meant) != 0) {
            fail_msg("\"%s\" gave %s", cases[i].written, index < 0 ? "nothing" : pat_currencies[index].code);
        }
    }
    assert_int_equal(pat_currency_nearest(PAT_TEXT("")), -1);
    assert_int_equal(pat_currency_nearest(PAT_TEXT("0123456789")), -1);
}

/* Cuts a CSV record in place at commas outside quotes. */
static size_t cut_cells(char *record, char *cells[CELLS_MAX]) {
    size_t count = 1;
    bool quoted = false;
    cells[0] = record;
    for (char *at = record; *at != '\0'; at++) {
        if (*at == '"') quoted = !quoted;
        if (*at != ',' || quoted || count == CELLS_MAX) continue;
        *at = '\0';
        cells[count++] = at + 1;
    }
    return count;
}

static size_t cell_named(char *cells[CELLS_MAX], size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(cells[i], name) == 0) return i;
    }
    fail_msg("the list has no column %s", name);
    return 0;
}

/* "USD,PAB" with "2,2": codes and digits in pairs. */
static unsigned check_codes(const char *codes, const char *digits) {
    unsigned checked = 0;
    for (codes += *codes == '"', digits += *digits == '"'; strlen(codes) >= 3; codes += 4, digits += 2) {
        const int index = pat_currency_find((struct pat_text){codes, 3});
        if (index < 0) fail_msg("%.3s is missing", codes);
        if (pat_currencies[index].digits != *digits - '0') fail_msg("%.3s has %c digits", codes, *digits);
        checked++;
        if (codes[3] != ',') break;
    }
    return checked;
}

static void every_country_can_be_paid_in(void **state) {
    (void)state;
    char path[1024];
    const char *shared = getenv("SHARED");
    (void)snprintf(path, sizeof path, "%s/data/country_codes/country-codes.csv", shared != NULL ? shared : "../shared");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        print_message("no list of countries at %s: set SHARED to check against it\n", path);
        skip();
    }
    char record[16384];
    char *cells[CELLS_MAX];
    assert_non_null(fgets(record, sizeof record, file));
    const size_t columns = cut_cells(record, cells);
    const size_t code = cell_named(cells, columns, "ISO4217-currency_alphabetic_code");
    const size_t digits = cell_named(cells, columns, "ISO4217-currency_minor_unit");
    unsigned checked = 0;
    while (fgets(record, sizeof record, file) != NULL) {
        if (cut_cells(record, cells) == columns) checked += check_codes(cells[code], cells[digits]);
    }
    (void)fclose(file);
    assert_true(checked > 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_sorted_and_found),   cmocka_unit_test(digits_are_those_of_iso_4217),
        cmocka_unit_test(what_is_no_code_is_not_found), cmocka_unit_test(misspellings_find_what_was_meant),
        cmocka_unit_test(every_country_can_be_paid_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
