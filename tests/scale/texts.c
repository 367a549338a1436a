/* Texts by number, ids and their order, days, decimals. */
#include "naive.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- texts by number -----------------------------------------------------------------------------------------------
 */

static struct {
    char **text;
    int32_t count, capacity;
    int32_t *slot; /* -1 empty */
    uint32_t slots;
    char *piece; /* where texts are put one after the other */
    size_t left;
} known;

#define PIECE_BYTES ((size_t)1 << 20)

static uint32_t hash_of(const char *text) {
    uint64_t hash = 14695981039346656037u;
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t place_of(const char *text) {
    uint32_t at = hash_of(text) & (known.slots - 1);
    while (known.slot[at] >= 0 && strcmp(known.text[known.slot[at]], text) != 0) at = (at + 1) & (known.slots - 1);
    return at;
}

static void make_room(void) {
    known.capacity = known.capacity == 0 ? 1 << 16 : known.capacity * 2;
    known.text = grown(known.text, (size_t)known.capacity, sizeof *known.text);
    known.slots = (uint32_t)known.capacity * 2;
    known.slot = grown(known.slot, known.slots, sizeof *known.slot);
    for (uint32_t at = 0; at < known.slots; at++) known.slot[at] = -1;
    for (int32_t number = 0; number < known.count; number++) known.slot[place_of(known.text[number])] = number;
}

int32_t text_number(const char *text) {
    if (known.count == known.capacity) make_room();
    const uint32_t at = place_of(text);
    if (known.slot[at] >= 0) return known.slot[at];
    const size_t bytes = strlen(text) + 1;
    if (known.left < bytes) {
        known.piece = grown(NULL, PIECE_BYTES, 1);
        known.left = PIECE_BYTES;
    }
    if (known.left < bytes) die("a text of %zu bytes", bytes);
    memcpy(known.piece, text, bytes);
    known.text[known.count] = known.piece;
    known.piece += bytes;
    known.left -= bytes;
    known.slot[at] = known.count;
    return known.count++;
}

const char *text_of(int64_t number) {
    return known.text[number];
}

int text_order(int64_t a, int64_t b) {
    return strcmp(known.text[a], known.text[b]);
}

static bool is_number(const char *id) {
    if (strcmp(id, "0") == 0) return true;
    if (*id < '1' || *id > '9' || strlen(id) > 18) return false;
    while (isdigit((unsigned char)*id)) id++;
    return *id == '\0';
}

int id_order(int64_t a, int64_t b) {
    const char *left = known.text[a], *right = known.text[b];
    const bool left_number = is_number(left), right_number = is_number(right);
    if (left_number != right_number) return left_number ? -1 : 1;
    const size_t left_bytes = strlen(left), right_bytes = strlen(right);
    if (left_number && left_bytes != right_bytes) return left_bytes < right_bytes ? -1 : 1;
    return strcmp(left, right);
}

void print_text(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

/* ---- numbers -------------------------------------------------------------------------------------------------------
 */

int128 power_of_ten(int exponent) {
    int128 power = 1;
    while (exponent-- > 0) power *= 10;
    return power;
}

struct decimal decimal_of(const char *text) {
    struct decimal number = {0, 0};
    bool fraction = false;
    const bool negative = *text == '-';
    for (const char *at = text + (negative ? 1 : 0); *at != '\0'; at++) {
        if (*at == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (!isdigit((unsigned char)*at)) die("no number: %s", text);
        number.mantissa = number.mantissa * 10 + (*at - '0');
        if (fraction) number.scale++;
    }
    if (negative) number.mantissa = -number.mantissa;
    return number;
}

int128 divided(int128 value, int128 by) {
    const int128 size = value < 0 ? -value : value;
    const int128 whole = (2 * size + by) / (2 * by);
    return value < 0 ? -whole : whole;
}

void print_whole(int128 value) {
    char text[48];
    size_t at = sizeof text;
    int128 rest = value < 0 ? -value : value;
    text[--at] = '\0';
    do {
        text[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0);
    if (value < 0) putchar('-');
    fputs(text + at, stdout);
}

int digits_of(const char *currency) {
    static const char none[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND";
    if (strstr(none, currency) != NULL) return 0;
    return strstr(three, currency) != NULL ? 3 : 2;
}

/* ---- days ----------------------------------------------------------------------------------------------------------
 */

/* Days before the first of March of a year, where a year begins in March, so that the odd day comes last. */
static int64_t days_before_year(int64_t year) {
    return year * 365 + year / 4 - year / 100 + year / 400;
}

/* Days before the first of a month, counted from March. */
static int64_t days_before_month(int64_t month) {
    return (month * 153 + 2) / 5;
}

#define DAYS_BEFORE_1970 719468

static int64_t day_from(int year, int month, int day) {
    const int64_t of_year = month > 2 ? year : year - 1, of_month = month > 2 ? month - 3 : month + 9;
    return days_before_year(of_year) + days_before_month(of_month) + day - 1 - DAYS_BEFORE_1970;
}

void civil_of(int64_t day, int *year, int *month) {
    const int64_t days = day + DAYS_BEFORE_1970;
    int64_t of_year = days / 365;
    while (days_before_year(of_year) > days) of_year--;
    int64_t of_month = 11;
    while (days_before_month(of_month) > days - days_before_year(of_year)) of_month--;
    *month = (int)(of_month < 10 ? of_month + 3 : of_month - 9);
    *year = (int)(of_month < 10 ? of_year : of_year + 1);
}

/* Asked for every fact of a cohort: days of this century are looked up. */
int month_of(int64_t day) {
    static int of_day[36525 * 2];
    int year, month;
    if (day >= 0 && day < (int64_t)(sizeof of_day / sizeof *of_day) && of_day[day] != 0) return of_day[day];
    civil_of(day, &year, &month);
    if (day >= 0 && day < (int64_t)(sizeof of_day / sizeof *of_day)) of_day[day] = year * 12 + month - 1;
    return year * 12 + month - 1;
}

int32_t day_of(const char *text) {
    int year, month, day;
    if (sscanf(text, "%d-%d-%d", &year, &month, &day) != 3) die("no day: %s", text);
    return (int32_t)day_from(year, month, day);
}

void print_day(int64_t day) {
    int year, month;
    civil_of(day, &year, &month);
    printf("\"%04d-%02d-%02d\"", year, month, (int)(day - day_from(year, month, 1) + 1));
}

int64_t time_of(const char *text) {
    int year, month, day, hour, minute, second;
    char zone;
    if (sscanf(text, "%d-%d-%dT%d:%d:%d%c", &year, &month, &day, &hour, &minute, &second, &zone) != 7 || zone != 'Z') {
        die("no time: %s", text);
    }
    return day_from(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

/* Since 1970 zones change day and offset at full quarters of an hour, so one look-up does for a quarter: each quarter
 * up to 2060 is looked up once. */
#define QUARTERS (90 * 366 * 96)

int32_t local_day(int64_t seconds) {
    static int32_t looked_up[QUARTERS]; /* day + 1 */
    const int64_t quarter = seconds < 0 ? -1 : seconds / 900;
    if (quarter >= 0 && quarter < QUARTERS && looked_up[quarter] != 0) return looked_up[quarter] - 1;
    const time_t instant = (time_t)seconds;
    struct tm clock;
    if (localtime_r(&instant, &clock) == NULL) die("no clock at %lld", (long long)seconds);
    const int32_t day = (int32_t)day_from(clock.tm_year + 1900, clock.tm_mon + 1, clock.tm_mday);
    if (quarter >= 0 && quarter < QUARTERS) looked_up[quarter] = day + 1;
    return day;
}
