/* Time zones against the C library on the same files: random instants and all around every change from 1970 to 2100,
 * and local readings by their definition. */
#include "model/zone.h"

#include "base/mem.h"
#include "model/date.h"

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
#define DAY          INT64_C(86400)
#define SPAN_END     (INT64_C(47847) * DAY) /* 2101-01-01 */
#define RANDOM_TESTS 20000

static uint64_t seed;

static uint64_t random_next(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int64_t libc_offset(int64_t utc) {
    const time_t instant = (time_t)utc;
    struct tm tm;
    assert_non_null(localtime_r(&instant, &tm));
    return tm.tm_gmtoff;
}

/* The least instant that reads `local`; where none does, the reading with the offset that held before. */
static int64_t libc_from_local(int64_t local) {
    const int64_t before = libc_offset(local - 36 * 3600), after = libc_offset(local + 36 * 3600);
    const int64_t first = local - before, second = local - after;
    if (libc_offset(first) == before) return first;
    if (libc_offset(second) == after) return second;
    return first;
}

static void check_instant(const struct pat_zone *zone, int64_t utc) {
    const int64_t offset = pat_zone_offset_at(zone, utc);
    if (offset != libc_offset(utc)) {
        fail_msg("%s at %lld: %lld, the C library says %lld", pat_zone_name(zone), (long long)utc, (long long)offset,
                 (long long)libc_offset(utc));
    }
}

static void check_local(const struct pat_zone *zone, int64_t local) {
    const int64_t utc = pat_zone_from_local(zone, local);
    if (utc != libc_from_local(local)) {
        fail_msg("%s reads %lld: %lld, the C library says %lld", pat_zone_name(zone), (long long)local, (long long)utc,
                 (long long)libc_from_local(local));
    }
}

static void check_day(const struct pat_zone *zone, int64_t utc) {
    const int64_t local = utc + libc_offset(utc);
    const pat_day day = (pat_day)((local - (local % DAY + DAY) % DAY) / DAY);
    assert_int_equal(pat_zone_day_at(zone, utc), day);
    const int64_t start = pat_zone_day_start(zone, day);
    assert_int_equal(pat_zone_day_at(zone, start), day);
    if (start > utc) fail_msg("%s day %d starts behind %lld", pat_zone_name(zone), day, (long long)utc);
    assert_true(pat_zone_day_at(zone, start - 1) < day);
    const int64_t instants[] = {utc, start, utc, start - 1, utc + 3600, INT64_MIN, utc, INT64_MAX, utc - 86400};
    int64_t days[COUNT(instants)];
    pat_zone_days_at(zone, instants, COUNT(instants), days);
    for (size_t i = 0; i < COUNT(instants); i++) assert_int_equal(days[i], pat_zone_day_at(zone, instants[i]));
}

/* Around the change in (low, high]. */
static void check_change(const struct pat_zone *zone, int64_t low, int64_t high) {
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (libc_offset(middle) == libc_offset(low)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    for (int64_t around = -3 * 3600; around <= 3 * 3600; around += 450) {
        for (int64_t by = -1; by <= 1; by++) {
            check_instant(zone, high + around + by);
            check_local(zone, high + libc_offset(low) + around + by);
            check_local(zone, high + libc_offset(high) + around + by);
        }
    }
}

static void check_zone(const char *name) {
    struct pat_zone *zone;
    struct pat_error error;
    if (pat_zone_open(&zone, name, &error) != PAT_OK) fail_msg("%s: %s", name, error.message);
    assert_int_equal(setenv("TZ", name, 1), 0);
    tzset();
    uint64_t random = seed;
    for (int i = 0; i < RANDOM_TESTS; i++) {
        const int64_t instant = (int64_t)(random_next(&random) % (uint64_t)SPAN_END);
        check_instant(zone, instant);
        check_local(zone, instant);
        check_day(zone, instant);
    }
    unsigned changes = 0;
    for (int64_t utc = 0; utc < SPAN_END; utc += DAY) {
        if (libc_offset(utc) == libc_offset(utc + DAY)) continue;
        check_change(zone, utc, utc + DAY);
        changes++;
    }
    print_message("%s: %u changes\n", name, changes);
    /* The rule goes on for ever; the C library's years end where its int does. */
    for (int i = 0; i < RANDOM_TESTS; i++)
        check_instant(zone, (int64_t)(random_next(&random) % (10000u * 365u * 86400u)));
    pat_zone_close(&zone);
    assert_null(zone);
}

static void skip_without_zones(void) {
    struct pat_zone *zone;
    if (pat_zone_open(&zone, "Europe/London", NULL) == PAT_OK) {
        pat_zone_close(&zone);
        return;
    }
    print_message("no time-zone data here: install tzdata to run this test\n");
    skip();
}

static void zones_agree_with_the_c_library(void **state) {
    (void)state;
    skip_without_zones();
    static const char *const names[] = {"Europe/London",       "America/Sao_Paulo", "Asia/Kolkata",
                                        "Australia/Lord_Howe", "Pacific/Apia",      "America/New_York",
                                        "Europe/Dublin",       "America/Godthab",   "Africa/Casablanca",
                                        "Asia/Gaza",           "America/Santiago",  "UTC"};
    for (size_t i = 0; i < COUNT(names); i++) check_zone(names[i]);
    assert_int_equal(pat_mem_used(PAT_MEM_OTHER), 0);
}

static int64_t instant_of(const char *text) {
    struct pat_stamp stamp;
    assert_true(pat_stamp_parse(pat_text_of(text), &stamp));
    return stamp.local_seconds;
}

static void a_missing_hour_moves_forward_and_a_repeated_one_is_the_first(void **state) {
    (void)state;
    skip_without_zones();
    struct pat_zone *zone;
    assert_int_equal(pat_zone_open(&zone, "Europe/London", NULL), PAT_OK);
    /* 01:30 was missing and is 02:30 summer time. */
    assert_int_equal(pat_zone_from_local(zone, instant_of("2010-03-28T01:30")), instant_of("2010-03-28T01:30"));
    assert_int_equal(pat_zone_offset_at(zone, instant_of("2010-03-28T01:30")), 3600);
    assert_int_equal(pat_zone_from_local(zone, instant_of("2010-10-31T01:30")), instant_of("2010-10-31T00:30"));
    assert_int_equal(pat_zone_from_local(zone, instant_of("2010-10-31T02:00")), instant_of("2010-10-31T02:00"));
    pat_zone_close(&zone);
    /* Midnight was missing in Brazil, a whole day in Samoa. */
    assert_int_equal(pat_zone_open(&zone, "America/Sao_Paulo", NULL), PAT_OK);
    assert_int_equal(pat_zone_day_start(zone, pat_day_from_civil(2018, 11, 4)), instant_of("2018-11-04T03:00"));
    assert_int_equal(pat_zone_day_start(zone, pat_day_from_civil(2018, 2, 18)), instant_of("2018-02-18T03:00"));
    pat_zone_close(&zone);
    assert_int_equal(pat_zone_open(&zone, "Pacific/Apia", NULL), PAT_OK);
    const int64_t line = instant_of("2011-12-30T10:00");
    assert_int_equal(pat_zone_day_start(zone, pat_day_from_civil(2011, 12, 30)), line);
    assert_int_equal(pat_zone_day_start(zone, pat_day_from_civil(2011, 12, 31)), line);
    assert_int_equal(pat_zone_day_at(zone, line - 1), pat_day_from_civil(2011, 12, 29));
    assert_int_equal(pat_zone_from_local(zone, instant_of("2011-12-30T12:00")), instant_of("2011-12-30T22:00"));
    pat_zone_close(&zone);
}

static void utc_needs_no_file_and_bad_names_are_refused(void **state) {
    (void)state;
    struct pat_zone *zone;
    assert_int_equal(setenv("TZDIR", "/nonexistent", 1), 0);
    assert_int_equal(pat_zone_open(&zone, "UTC", NULL), PAT_OK);
    assert_string_equal(pat_zone_name(zone), "UTC");
    assert_int_equal(pat_zone_from_local(zone, 1291924865), 1291924865);
    assert_int_equal(pat_zone_day_at(zone, -1), -1);
    assert_int_equal(pat_zone_day_at(zone, INT64_MIN), PAT_DAY_MIN - 1);
    assert_int_equal(pat_zone_day_at(zone, INT64_MAX), PAT_DAY_MAX + 1);
    assert_int_equal(pat_zone_day_start(zone, 1), DAY);
    pat_zone_close(&zone);
    assert_int_equal(unsetenv("TZDIR"), 0);
    static const char *const wrong[] = {"",       "/etc/passwd",   "../etc/passwd", "Europe/../UTC", "Europe",
                                        "Mars/1", "Europe London", "zone.tab",      "a\nb"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct pat_error error;
        assert_int_equal(pat_zone_open(&zone, wrong[i], &error), PAT_ERR_BAD_REQUEST);
        assert_null(zone);
        assert_true(strlen(error.message) > 0);
    }
}

/* A file with one type of `offset`, no transitions and a footer. */
static size_t make_file(unsigned char *out, const char *footer) {
    static const unsigned char header[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 1};
    size_t count = 0;
    for (int block = 0; block < 2; block++) {
        memcpy(out + count, header, sizeof header);
        memset(out + count + sizeof header, 0, 7);
        count += sizeof header + 7;
    }
    return count + (size_t)sprintf((char *)out + count, "\n%s\n", footer);
}

static int32_t offset_by(const char *footer, const char *instant) {
    unsigned char bytes[256];
    struct pat_zone *zone;
    struct pat_error error;
    if (pat_zone_parse(&zone, "Test", bytes, make_file(bytes, footer), &error) != PAT_OK) fail_msg("%s", error.message);
    const int32_t offset = pat_zone_offset_at(zone, instant_of(instant));
    pat_zone_close(&zone);
    return offset;
}

static void footers_of_every_form_are_followed(void **state) {
    (void)state;
    assert_int_equal(offset_by("", "2020-07-01"), 0);
    assert_int_equal(offset_by("<+0530>-5:30", "2020-07-01"), 19800);
    assert_int_equal(offset_by("ABC-1DEF,J60/0,J300/0", "2020-02-29T22:59:59"), 3600);
    assert_int_equal(offset_by("ABC-1DEF,J60/0,J300/0", "2020-02-29T23:00:00"), 7200); /* J60 is 1 March */
    assert_int_equal(offset_by("ABC-1DEF,59/0,300/0", "2020-02-28T23:00:00"), 7200);   /* 59 is 29 February */
    assert_int_equal(offset_by("ABC-1DEF,59/0,300/0", "2021-02-28T23:00:00"), 7200);   /* or 1 March */
    assert_int_equal(offset_by("ABC-1DEF,59/0,300/0", "2021-02-28T22:59:59"), 3600);
    assert_int_equal(offset_by("EST5EDT,0/0,J365/25", "2020-01-01"), -4 * 3600); /* daylight time all year */
    assert_int_equal(offset_by("EST5EDT,0/0,J365/25", "2020-07-01"), -4 * 3600);
    assert_int_equal(offset_by("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2024-03-31T00:59:59"), -7200);
    assert_int_equal(offset_by("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2024-03-31T01:00:00"), -3600);
    /* Southern summer goes over the turn of the year, and the years of 400 years later are the same. */
    static const char *const southern = "AEST-10AEDT,M10.1.0,M4.1.0/3";
    assert_int_equal(offset_by(southern, "2023-12-31T23:00"), 39600);
    assert_int_equal(offset_by(southern, "2024-06-01"), 36000);
    assert_int_equal(offset_by(southern, "0031-12-31"), 39600);
    assert_int_equal(offset_by(southern, "9999-12-31"), 39600);
    assert_int_equal(offset_by(southern, "9999-06-30"), 36000);
}

static void damaged_files_are_refused_with_an_offset(void **state) {
    (void)state;
    static const char *const footers[] = {"A",
                                          "AB-1",
                                          "ABC",
                                          "ABC-25",
                                          "<ABC-1",
                                          "ABC-1DEF",
                                          "ABC-1DEF,1",
                                          "ABC-1DE,1,2",
                                          "ABC-1DEF,J0,1",
                                          "ABC-1DEF,366,1",
                                          "ABC1x",
                                          "ABC-1DEF,M13.1.0,1",
                                          "ABC-1DEF,M1.6.0,1",
                                          "ABC-1DEF,M1.1.7,1",
                                          "ABC-1DEF,1/168,2",
                                          "ABC-1DEF,1,2,3",
                                          "ABC-1:60",
                                          "12"};
    unsigned char bytes[256];
    struct pat_zone *zone;
    struct pat_error error;
    for (size_t i = 0; i < COUNT(footers); i++) {
        const size_t count = make_file(bytes, footers[i]);
        if (pat_zone_parse(&zone, "Test", bytes, count, &error) != PAT_ERR_CORRUPT) fail_msg("\"%s\"", footers[i]);
        assert_true(error.offset >= 0 && error.offset <= (int64_t)count);
    }
    /* Every shorter file. */
    const size_t whole = make_file(bytes, "ABC-1DEF,J60/0,J300/0");
    for (size_t count = 0; count < whole; count++) {
        unsigned char *exact = malloc(count + (count == 0));
        assert_non_null(exact);
        memcpy(exact, bytes, count);
        assert_int_equal(pat_zone_parse(&zone, "Test", exact, count, &error), PAT_ERR_CORRUPT);
        assert_null(zone);
        free(exact);
    }
}

static void a_failed_allocation_leaves_nothing_behind(void **state) {
    (void)state;
    unsigned char bytes[256];
    const size_t count = make_file(bytes, "ABC-1DEF,J60/0,J300/0");
    const size_t used = pat_mem_used_total();
    struct pat_zone *zone;
    for (uint64_t nth = 1;; nth++) {
        (void)pat_mem_fail_at(nth);
        const enum pat_status status = pat_zone_parse(&zone, "Test", bytes, count, NULL);
        (void)pat_mem_fail_at(0);
        if (status == PAT_OK) {
            assert_true(nth > 1);
            break;
        }
        assert_int_equal(status, PAT_ERR_NO_MEMORY);
        assert_null(zone);
        assert_int_equal(pat_mem_used_total(), used);
    }
    pat_zone_close(&zone);
    assert_int_equal(pat_mem_used_total(), used);
}

int main(void) {
    const char *given = getenv("PATRON_SEED");
    seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("PATRON_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_agree_with_the_c_library),
        cmocka_unit_test(a_missing_hour_moves_forward_and_a_repeated_one_is_the_first),
        cmocka_unit_test(utc_needs_no_file_and_bad_names_are_refused),
        cmocka_unit_test(footers_of_every_form_are_followed),
        cmocka_unit_test(damaged_files_are_refused_with_an_offset),
        cmocka_unit_test(a_failed_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
