/* Civil dates against a calendar that is counted day by day, and what is and is not read as a date or an instant. */
#include "model/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int month_days(int year, int month) {
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static void every_day_of_ten_thousand_years_is_counted(void **state) {
    (void)state;
    pat_day day = PAT_DAY_MIN;
    int weekday = 0; /* 0001-01-01 was a Monday */
    for (int year = 1; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            const int32_t months = (year - 1970) * 12 + month - 1;
            assert_int_equal(pat_month_first_day(months), day);
            for (int d = 1; d <= month_days(year, month); d++, day++) {
                const struct pat_civil civil = pat_day_to_civil(day);
                if (civil.year != year || civil.month != month || civil.day != d ||
                    pat_day_from_civil(year, month, d) != day || pat_day_to_month(day) != months ||
                    pat_day_weekday(day) != weekday) {
                    fail_msg("%04d-%02d-%02d is day %d", year, month, d, day);
                }
                weekday = (weekday + 1) % 7;
            }
        }
    }
    assert_int_equal(day - 1, PAT_DAY_MAX);
    assert_int_equal(pat_day_from_civil(1970, 1, 1), 0);
}

static void a_day_prints_as_it_is_read(void **state) {
    (void)state;
    for (int64_t day = PAT_DAY_MIN; day <= PAT_DAY_MAX; day += 97) {
        char text[11];
        pat_day_print((pat_day)day, text);
        pat_day again = PAT_DAY_NONE;
        assert_true(pat_day_parse(pat_text_of(text), &again));
        assert_int_equal(again, day);
    }
}

static void impossible_days_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",           "2010-13-01",  "2010-00-10",  "2010-02-30", "2023-02-29",
                                        "1900-02-29", "2010-04-31",  "2010-1-01",   "2010/01/01", "20100101",
                                        "0000-01-01", "2010-01-01 ", " 2010-01-01", "2010-01-00", "2010-01-32",
                                        "-010-01-01", "2010-01-0x",  "2010-+1-01",  "20 0-01-01", "12010-01-01"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        pat_day day;
        if (pat_day_parse(pat_text_of(wrong[i]), &day)) fail_msg("\"%s\" was read as a day", wrong[i]);
    }
    pat_day day = 0;
    assert_true(pat_day_parse(PAT_TEXT("2000-02-29"), &day));
    assert_int_equal(day, 11016);
}

struct stamp_case {
    const char *text;
    int64_t local;
    bool has_offset;
    int32_t offset;
};

static void instants_are_read_with_their_habits(void **state) {
    (void)state;
    static const struct stamp_case right[] = {
        {"2010-12-09", 1291852800, false, 0},
        {"2010-12-09 20:01", 1291924860, false, 0},
        {"2010-12-09T20:01:05", 1291924865, false, 0},
        {"2010-12-09t20:01:05.999999", 1291924865, false, 0},
        {"2010-12-09T20:01:05Z", 1291924865, true, 0},
        {"2010-12-09T20:01:05z", 1291924865, true, 0},
        {"2010-12-09T20:01Z", 1291924860, true, 0},
        {"2010-12-09 20:01:05.5+01:00", 1291924865, true, 3600},
        {"2010-12-09 20:01:05-0330", 1291924865, true, -12600},
        {"2010-12-09 20:01:05+05", 1291924865, true, 18000},
        {"2016-12-31T23:59:60Z", 1483228799, true, 0},
        {"1969-12-31T23:59:59.9Z", -1, true, 0},
        {"0001-01-01T00:00:00", (int64_t)PAT_DAY_MIN * 86400, false, 0},
        {"9999-12-31T23:59:59", ((int64_t)PAT_DAY_MAX + 1) * 86400 - 1, false, 0},
    };
    for (size_t i = 0; i < COUNT(right); i++) {
        struct pat_stamp stamp;
        if (!pat_stamp_parse(pat_text_of(right[i].text), &stamp)) fail_msg("\"%s\" was not read", right[i].text);
        if (stamp.local_seconds != right[i].local || stamp.has_offset != right[i].has_offset ||
            stamp.offset_seconds != right[i].offset) {
            fail_msg("\"%s\" was read as %lld, offset %d", right[i].text, (long long)stamp.local_seconds,
                     stamp.offset_seconds);
        }
    }
}

static void impossible_instants_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"2010-13-01T00:00:00",
                                        "2010-02-30 10:00",
                                        "2010-12-09 24:00:00",
                                        "2010-12-09 20:60",
                                        "2010-12-09 20:01:61",
                                        "2010-12-09  20:01",
                                        "2010-12-09 20",
                                        "2010-12-09T",
                                        "2010-12-09Z",
                                        "2010-12-09 20:01:",
                                        "2010-12-09 20:01:5",
                                        "2010-12-09 20:01:05.",
                                        "2010-12-09 20:01:05.Z",
                                        "2010-12-09 20:01:05 Z",
                                        "2010-12-09 20:01:05+24:00",
                                        "2010-12-09 20:01:05+1",
                                        "2010-12-09 20:01:05+01:",
                                        "2010-12-09 20:01:05+01:60",
                                        "2010-12-09 20:01:05ZZ",
                                        "2010-12-09 20:01 PM",
                                        "2010-12-09_20:01",
                                        "2010-12-09 20:01:05+010",
                                        "12/9/2010 20:01",
                                        "now"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct pat_stamp stamp;
        if (pat_stamp_parse(pat_text_of(wrong[i]), &stamp)) fail_msg("\"%s\" was read as an instant", wrong[i]);
    }
}

static void an_instant_prints_with_its_offset(void **state) {
    (void)state;
    char text[26];
    pat_stamp_print(1291924865, 0, text);
    assert_string_equal(text, "2010-12-09T20:01:05Z");
    pat_stamp_print(1291924865, 19800, text);
    assert_string_equal(text, "2010-12-10T01:31:05+05:30");
    pat_stamp_print(-1, -12600, text);
    assert_string_equal(text, "1969-12-31T20:29:59-03:30");
    pat_stamp_print(-3000000000, -75, text); /* Greenwich before railways: a minute is what can be written */
    assert_string_equal(text, "1874-12-07T18:39:00-00:01");
    pat_stamp_print(INT64_MAX, 3600, text);
    assert_string_equal(text, "9999-12-31T23:59:59+01:00");
    pat_stamp_print(INT64_MIN, -3600, text);
    assert_string_equal(text, "0001-01-01T00:00:00-01:00");
}

struct format_case {
    const char *text;
    const char *format;
    const char *same; /* NULL: refused */
};

static void formats_read_what_they_say(void **state) {
    (void)state;
    static const struct format_case cases[] = {
        {"12/1/2009 8:26", "%m/%d/%Y %H:%M", "2009-12-01T08:26"},
        {"01.12.09 08:26:07", "%d.%m.%y %H:%M:%S", "2009-12-01T08:26:07"},
        {"20091201", "%Y%m%d", "2009-12-01"},
        {"1-Dec-1999", "%d-%b-%Y", "1999-12-01"},
        {"MAY 3, 70", "%b %d, %y", "1970-05-03"},
        {"december 3, 2010", "%b %d, %Y", "2010-12-03"},
        {"12/1/2009 12:05 AM", "%m/%d/%Y %I:%M %p", "2009-12-01T00:05"},
        {"12/1/2009 12:05 pm", "%m/%d/%Y %I:%M %p", "2009-12-01T12:05"},
        {"12/1/2009 11:05 PM", "%m/%d/%Y %I:%M %p", "2009-12-01T23:05"},
        {"2009-12-01 08:26 +0530", "%Y-%m-%d %H:%M %z", "2009-12-01T08:26+05:30"},
        {"2009-12-01 08:26Z", "%Y-%m-%d %H:%M%z", "2009-12-01T08:26Z"},
        {"1259655960", "%s", "2009-12-01T08:26Z"},
        {"-1", "%s", "1969-12-31T23:59:59Z"},
        {"100% 2009-12-01", "100%% %Y-%m-%d", "2009-12-01"},
        {"2009-13-01", "%Y-%m-%d", NULL},
        {"2009-02-29", "%Y-%m-%d", NULL},
        {"2009-12-01 24:00", "%Y-%m-%d %H:%M", NULL},
        {"2009-12-01x", "%Y-%m-%d", NULL},
        {"2009-12", "%Y-%m", NULL},
        {"2009-12-01", "%Y-%m-%d %H", NULL},
        {"2009-12-01", "%Q", NULL},
        {"2009-12-01", "%Y-%m-%", NULL},
        {"12 Foo 2009", "%d %b %Y", NULL},
        {"", "", NULL},
        {"-99999999999", "%s", NULL},
        {"9999999999999", "%s", NULL},
        {"-", "%s", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pat_stamp stamp, same;
        const bool read = pat_stamp_parse_format(pat_text_of(cases[i].text), cases[i].format, &stamp);
        if (read != (cases[i].same != NULL)) fail_msg("\"%s\" with \"%s\"", cases[i].text, cases[i].format);
        if (!read) continue;
        assert_true(pat_stamp_parse(pat_text_of(cases[i].same), &same));
        if (stamp.local_seconds != same.local_seconds || stamp.has_offset != same.has_offset ||
            stamp.offset_seconds != same.offset_seconds) {
            fail_msg("\"%s\" with \"%s\" gave %lld", cases[i].text, cases[i].format, (long long)stamp.local_seconds);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_ten_thousand_years_is_counted),
        cmocka_unit_test(a_day_prints_as_it_is_read),
        cmocka_unit_test(impossible_days_are_refused),
        cmocka_unit_test(instants_are_read_with_their_habits),
        cmocka_unit_test(impossible_instants_are_refused),
        cmocka_unit_test(an_instant_prints_with_its_offset),
        cmocka_unit_test(formats_read_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
