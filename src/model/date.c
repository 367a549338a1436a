#include "model/date.h"

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DAY_SECONDS 86400
/* The instants of years 1 to 9999: what four digits can hold. */
#define SECONDS_MIN ((int64_t)PAT_DAY_MIN * DAY_SECONDS)
#define SECONDS_MAX (((int64_t)PAT_DAY_MAX + 1) * DAY_SECONDS - 1)

/* ---- days ----------------------------------------------------------------------------------------------------------
 */

/* Years begin in March here, so that the leap day is the last of its year and month lengths follow one line; eras are
 * the 400 years after which the calendar repeats. */
#define ERA_DAYS   146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static bool year_is_leap(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_length(int year, int month) {
    static const unsigned char length[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && year_is_leap(year) ? 29 : length[month];
}

static bool civil_valid(int year, int month, int day) {
    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= month_length(year, month);
}

static int floor_divide(int value, int divisor) {
    return (value >= 0 ? value : value - (divisor - 1)) / divisor;
}

pat_day pat_day_from_civil(int year, int month, int day) {
    const int march_year = month <= 2 ? year - 1 : year;
    const int era = floor_divide(march_year, 400);
    const int year_of_era = march_year - era * 400;
    const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_DAYS;
}

struct pat_civil pat_day_to_civil(pat_day day) {
    const int since_march = day + EPOCH_DAYS;
    const int era = floor_divide(since_march, ERA_DAYS);
    const int day_of_era = since_march - era * ERA_DAYS;
    const int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int march_month = (5 * day_of_year + 2) / 153;
    const int month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct pat_civil){
        .year = era * 400 + year_of_era + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
    };
}

int pat_day_weekday(pat_day day) {
    /* 1970-01-01 was a Thursday. */
    const int weekday = (day % 7 + 3) % 7;
    return weekday < 0 ? weekday + 7 : weekday;
}

int32_t pat_day_to_month(pat_day day) {
    const struct pat_civil civil = pat_day_to_civil(day);
    return (civil.year - 1970) * 12 + civil.month - 1;
}

pat_day pat_month_first_day(int32_t month) {
    const int year = floor_divide(month, 12);
    return pat_day_from_civil(1970 + year, month - year * 12 + 1, 1);
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Two digits, or something far out of any range. */
static int two_digits(const char *at) {
    return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + (at[1] - '0') : 10000;
}

/* Ten bytes "YYYY-MM-DD". */
static bool read_day(const char *at, pat_day *out) {
    if (at[4] != '-' || at[7] != '-') return false;
    const int year = two_digits(at) * 100 + two_digits(at + 2);
    const int month = two_digits(at + 5), day = two_digits(at + 8);
    if (!civil_valid(year, month, day)) return false;
    *out = pat_day_from_civil(year, month, day);
    return true;
}

bool pat_day_parse(struct pat_text text, pat_day *out) {
    return text.length == 10 && read_day(text.data, out);
}

bool pat_day_impossible(struct pat_text text) {
    static const char form[] = "0000-00-00";
    if (text.length < 10) return false;
    for (size_t i = 0; i < 10; i++) {
        const bool digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (form[i] == '0' ? !digit : text.data[i] != form[i]) return false;
    }
    pat_day day;
    return !read_day(text.data, &day);
}

/* "Z", "z", or a sign and hours, minutes with or without a colon or not at all; nothing else up to `end`. */
static bool read_offset(const char *at, const char *end, int32_t *seconds) {
    if (end - at == 1 && (*at == 'Z' || *at == 'z')) {
        *seconds = 0;
        return true;
    }
    if (end - at < 3 || (*at != '+' && *at != '-')) return false;
    const int sign = *at == '-' ? -1 : 1;
    const int hours = two_digits(at + 1);
    int minutes = 0;
    at += 3;
    if (at < end) {
        if (*at == ':') at++;
        if (end - at != 2) return false;
        minutes = two_digits(at);
    }
    if (hours > 23 || minutes > 59) return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

/* ":SS" and a fraction when they are there; moves `at` behind them. */
static bool read_seconds(const char **at, const char *end, int *second) {
    *second = 0;
    if (*at == end || **at != ':') return true;
    if (end - *at < 3) return false;
    *second = two_digits(*at + 1);
    if (*second > 60) return false;
    if (*second == 60) *second = 59;
    *at += 3;
    if (*at == end || (**at != '.' && **at != ',')) return true;
    const char *const first = ++*at;
    while (*at < end && is_digit(**at)) (*at)++;
    return *at > first;
}

bool pat_stamp_parse(struct pat_text text, struct pat_stamp *out) {
    if (text.length < 10) return false;
    const char *at = text.data;
    const char *const end = at + text.length;
    pat_day day;
    if (!read_day(at, &day)) return false;
    *out = (struct pat_stamp){.local_seconds = (int64_t)day * DAY_SECONDS};
    if (text.length == 10) return true;

    if (text.length < 16 || (at[10] != 'T' && at[10] != 't' && at[10] != ' ') || at[13] != ':') return false;
    const int hour = two_digits(at + 11), minute = two_digits(at + 14);
    if (hour > 23 || minute > 59) return false;
    at += 16;
    int second;
    if (!read_seconds(&at, end, &second)) return false;
    out->local_seconds += hour * 3600 + minute * 60 + second;
    if (at == end) return true;
    out->has_offset = true;
    return read_offset(at, end, &out->offset_seconds);
}

/* ---- writing -------------------------------------------------------------------------------------------------------
 */

static void write_two(char *at, int value) {
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

void pat_day_print(pat_day day, char out[11]) {
    PAT_ASSERT(day >= PAT_DAY_MIN && day <= PAT_DAY_MAX);
    const struct pat_civil civil = pat_day_to_civil(day);
    write_two(out, civil.year / 100);
    write_two(out + 2, civil.year % 100);
    out[4] = '-';
    write_two(out + 5, civil.month);
    out[7] = '-';
    write_two(out + 8, civil.day);
    out[10] = '\0';
}

static int64_t clamp_seconds(int64_t seconds) {
    if (seconds < SECONDS_MIN) return SECONDS_MIN;
    return seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
}

void pat_stamp_print(int64_t utc_seconds, int32_t offset_seconds, char out[26]) {
    /* Offsets with seconds (local mean times before 1900) have no form here: the clock is written with the minutes that
     * can be, so that the text still names the same instant. */
    const int offset_minutes = offset_seconds / 60;
    const int64_t local = clamp_seconds(clamp_seconds(utc_seconds) + offset_minutes * INT64_C(60));
    const pat_day day = (pat_day)((local - SECONDS_MIN) / DAY_SECONDS + PAT_DAY_MIN);
    const int second_of_day = (int)((local - SECONDS_MIN) % DAY_SECONDS);
    pat_day_print(day, out);
    out[10] = 'T';
    write_two(out + 11, second_of_day / 3600);
    out[13] = ':';
    write_two(out + 14, second_of_day / 60 % 60);
    out[16] = ':';
    write_two(out + 17, second_of_day % 60);
    if (offset_minutes == 0) {
        memcpy(out + 19, "Z", 2);
        return;
    }
    const int minutes = offset_minutes < 0 ? -offset_minutes : offset_minutes;
    out[19] = offset_minutes < 0 ? '-' : '+';
    write_two(out + 20, minutes / 60 % 100);
    out[22] = ':';
    write_two(out + 23, minutes % 60);
    out[25] = '\0';
}

/* ---- formats -------------------------------------------------------------------------------------------------------
 */

struct format_state {
    const char *at;
    const char *end;
    int year, month, day; /* 0 = not read */
    int hour, minute, second;
    int half; /* %p: 0 AM, 1 PM, -1 not read */
    bool hour_of_half;
    bool has_epoch;
    struct pat_stamp stamp;
};

/* One to `width` digits. */
static bool format_number(struct format_state *state, int width, int low, int high, int *out) {
    int value = 0, digits = 0;
    while (digits < width && state->at < state->end && is_digit(*state->at)) {
        value = value * 10 + (*state->at++ - '0');
        digits++;
    }
    *out = value;
    return digits > 0 && value >= low && value <= high;
}

static bool format_word(struct format_state *state, const char *word, size_t length) {
    if ((size_t)(state->end - state->at) < length) return false;
    for (size_t i = 0; i < length; i++) {
        const char c = state->at[i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != word[i]) return false;
    }
    state->at += length;
    return true;
}

/* English names, short or full. */
static bool format_month_name(struct format_state *state) {
    static const char *const names[12] = {"january", "february", "march",     "april",   "may",      "june",
                                          "july",    "august",   "september", "october", "november", "december"};
    for (int i = 0; i < 12; i++) {
        if (format_word(state, names[i], strlen(names[i])) || format_word(state, names[i], 3)) {
            state->month = i + 1;
            return true;
        }
    }
    return false;
}

static bool format_half(struct format_state *state) {
    state->half = format_word(state, "am", 2) ? 0 : format_word(state, "pm", 2) ? 1 : -1;
    return state->half >= 0;
}

/* An offset ends where its characters end. */
static bool format_offset(struct format_state *state) {
    const char *stop = state->at;
    if (stop < state->end && (*stop == 'Z' || *stop == 'z' || *stop == '+' || *stop == '-')) stop++;
    while (stop < state->end && stop - state->at < 6 && (is_digit(*stop) || *stop == ':')) stop++;
    if (!read_offset(state->at, stop, &state->stamp.offset_seconds)) return false;
    state->stamp.has_offset = true;
    state->at = stop;
    return true;
}

static bool format_epoch(struct format_state *state) {
    bool negative = false;
    if (state->at < state->end && *state->at == '-') {
        negative = true;
        state->at++;
    }
    int64_t value = 0;
    int digits = 0;
    for (; state->at < state->end && is_digit(*state->at); state->at++) {
        if (++digits > 12) return false; /* past the year 9999 */
        value = value * 10 + (*state->at - '0');
    }
    if (negative) value = -value;
    state->stamp = (struct pat_stamp){.local_seconds = value, .has_offset = true};
    state->has_epoch = true;
    return digits > 0 && value >= SECONDS_MIN && value <= SECONDS_MAX;
}

static bool format_conversion(struct format_state *state, char conversion) {
    switch (conversion) {
    case 'Y': return format_number(state, 4, 1, 9999, &state->year);
    case 'm': return format_number(state, 2, 1, 12, &state->month);
    case 'd': return format_number(state, 2, 1, 31, &state->day);
    case 'H': state->hour_of_half = false; return format_number(state, 2, 0, 23, &state->hour);
    case 'I': state->hour_of_half = true; return format_number(state, 2, 1, 12, &state->hour);
    case 'M': return format_number(state, 2, 0, 59, &state->minute);
    case 'S': return format_number(state, 2, 0, 60, &state->second);
    case 'y':
        if (!format_number(state, 2, 0, 99, &state->year)) return false;
        state->year += state->year < 69 ? 2000 : 1900; /* as POSIX has it */
        return true;
    case 'b': return format_month_name(state);
    case 'p': return format_half(state);
    case 'z': return format_offset(state);
    case 's': return format_epoch(state);
    case '%': return format_word(state, "%", 1);
    default: return false;
    }
}

static bool format_finish(struct format_state *state, struct pat_stamp *out) {
    *out = state->stamp;
    if (state->has_epoch) return true;
    if (!civil_valid(state->year, state->month, state->day)) return false;
    if (state->hour_of_half) state->hour = state->hour % 12 + (state->half == 1 ? 12 : 0);
    if (state->second == 60) state->second = 59;
    out->local_seconds = (int64_t)pat_day_from_civil(state->year, state->month, state->day) * DAY_SECONDS +
                         state->hour * INT64_C(3600) + state->minute * INT64_C(60) + state->second;
    return true;
}

bool pat_stamp_parse_format(struct pat_text text, const char *format, struct pat_stamp *out) {
    if (text.length == 0) return false;
    struct format_state state = {.at = text.data, .end = text.data + text.length, .half = -1};
    for (; *format != '\0'; format++) {
        if (*format == '%') {
            if (!format_conversion(&state, *++format)) return false;
            continue;
        }
        if (state.at == state.end || *state.at++ != *format) return false;
    }
    return state.at == state.end && format_finish(&state, out);
}
