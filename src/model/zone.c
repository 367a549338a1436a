/* The file's transitions and its footer rule become one sorted table at open: the rule is written out for 400 years,
 * after which the calendar, weekdays included, repeats, and later instants are moved back by whole cycles. So every
 * question is one binary search, without caches and without calendar arithmetic, for instants of any year alike.
 *
 *     offset[0]   at[0]   offset[1]   at[1]   offset[2] ...        at: UTC instants at which the offset changes
 *                 local_at[0]         local_at[1]                  local_at: the same as local clock readings
 *
 * RULES: a repeated hour is the first, a missing one moves forward by the gap. Both mean: read with the offset before
 * the change. A reading is before change i when it is below at[i] + max(offset before, offset after). */
#include "model/zone.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/date.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_SECONDS   INT64_C(86400)
#define CYCLE_YEARS   400
#define CYCLE_SECONDS (INT64_C(146097) * DAY_SECONDS)
/* Years of the rule written out: a cycle and enough around it for rules that reach over the turn of a year. */
#define RULE_YEARS       (CYCLE_YEARS + 4)
#define HEADER_BYTES     44u
#define ZONE_BYTES_MAX   (1u << 20) /* the greatest zone file has 4 KB */
#define ZONE_NAME_MAX    255u
#define OFFSET_MAX       93599 /* RFC 8536: 25:59:59 */
#define RULE_HOURS_MAX   167
#define INSTANT_MIN      (-(INT64_C(1) << 59)) /* older zic writes a first transition at the Big Bang */
#define INSTANT_MAX      ((PAT_DAY_MAX + INT64_C(1)) * DAY_SECONDS)
#define DEFAULT_ZONE_DIR "/usr/share/zoneinfo"

/* Ascending seconds, and how many of them are below the start of each stretch of 2^22 seconds from 1970 to 2106. */
#define STRETCH_BITS 22
#define STRETCHES    1024

struct timeline {
    int64_t *value;
    size_t count;
    uint32_t below[STRETCHES + 1];
};

struct pat_zone {
    size_t changes;
    struct timeline at;       /* strictly ascending */
    struct timeline local_at; /* ascending */
    int32_t *offset;          /* [changes + 1] */
    bool cyclic;              /* instants from cycle_end on repeat those of the 400 years before it */
    int64_t cycle_end;
    char name[ZONE_NAME_MAX + 1];
};

/* ---- questions -----------------------------------------------------------------------------------------------------
 */

/* How many of `count` ascending values are at or below `key`. */
static size_t count_up_to(const int64_t *values, size_t count, int64_t key) {
    size_t first = 0;
    while (count > 0) {
        const size_t half = count / 2;
        if (values[first + half] <= key) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

static size_t timeline_count_up_to(const struct timeline *line, int64_t key) {
    const uint64_t stretch = (uint64_t)key >> STRETCH_BITS;
    if (stretch >= STRETCHES) return count_up_to(line->value, line->count, key);
    const size_t first = line->below[stretch];
    return first + count_up_to(line->value + first, line->below[stretch + 1] - first, key);
}

static void timeline_finish(struct timeline *line, size_t count) {
    line->count = count;
    for (int64_t i = 0; i <= STRETCHES; i++) {
        line->below[i] = (uint32_t)count_up_to(line->value, count, (i << STRETCH_BITS) - 1);
    }
}

/* What to take off `seconds` to come into the table; the same for instants and local readings, because the table holds
 * more than a year before and behind the cycle. */
static int64_t cycles_beyond(const struct pat_zone *zone, int64_t seconds) {
    if (!zone->cyclic || seconds < zone->cycle_end) return 0;
    return ((seconds - zone->cycle_end) / CYCLE_SECONDS + 1) * CYCLE_SECONDS;
}

int32_t pat_zone_offset_at(const struct pat_zone *zone, int64_t utc_seconds) {
    const int64_t key = utc_seconds - cycles_beyond(zone, utc_seconds);
    return zone->offset[timeline_count_up_to(&zone->at, key)];
}

int64_t pat_zone_from_local(const struct pat_zone *zone, int64_t local_seconds) {
    const int64_t key = local_seconds - cycles_beyond(zone, local_seconds);
    return local_seconds - zone->offset[timeline_count_up_to(&zone->local_at, key)];
}

pat_day pat_zone_day_at(const struct pat_zone *zone, int64_t utc_seconds) {
    /* Instants out of all years give the day before the first or after the last, so that a check of the day finds them.
     */
    const int64_t margin = 2 * DAY_SECONDS;
    if (utc_seconds < PAT_DAY_MIN * DAY_SECONDS - margin) return PAT_DAY_MIN - 1;
    if (utc_seconds > INSTANT_MAX + margin) return PAT_DAY_MAX + 1;
    const int64_t local = utc_seconds + pat_zone_offset_at(zone, utc_seconds);
    return (pat_day)((local >= 0 ? local : local - (DAY_SECONDS - 1)) / DAY_SECONDS);
}

/* Instants from .. until - 1 have one offset; none before the first is asked for. */
struct stretch {
    int64_t from, until, offset;
};

/* The stretch around an instant, as far as the table says it: instants beyond its cycle are asked for one by one. */
static struct stretch stretch_around(const struct pat_zone *zone, int64_t utc_seconds) {
    if (utc_seconds < PAT_DAY_MIN * DAY_SECONDS || utc_seconds >= INSTANT_MAX) return (struct stretch){1, 0, 0};
    if (cycles_beyond(zone, utc_seconds) != 0) return (struct stretch){1, 0, 0};
    const size_t change = timeline_count_up_to(&zone->at, utc_seconds);
    struct stretch stretch = {PAT_DAY_MIN * DAY_SECONDS, zone->cyclic ? zone->cycle_end : INSTANT_MAX,
                              zone->offset[change]};
    if (change > 0 && zone->at.value[change - 1] > stretch.from) stretch.from = zone->at.value[change - 1];
    if (change < zone->changes && zone->at.value[change] < stretch.until) stretch.until = zone->at.value[change];
    return stretch;
}

void pat_zone_days_at(const struct pat_zone *zone, const int64_t *utc_seconds, size_t count, int64_t *day) {
    struct stretch stretch = {1, 0, 0};
    for (size_t i = 0; i < count; i++) {
        const int64_t at = utc_seconds[i];
        if (at < stretch.from || at >= stretch.until) stretch = stretch_around(zone, at);
        if (at < stretch.from || at >= stretch.until) {
            day[i] = pat_zone_day_at(zone, at);
            continue;
        }
        const int64_t local = at + stretch.offset;
        day[i] = (local >= 0 ? local : local - (DAY_SECONDS - 1)) / DAY_SECONDS;
    }
}

int64_t pat_zone_day_start(const struct pat_zone *zone, pat_day day) {
    const int64_t local = day * DAY_SECONDS;
    const int64_t cycles = cycles_beyond(zone, local);
    const size_t change = timeline_count_up_to(&zone->local_at, local - cycles);
    const int64_t utc = local - cycles - zone->offset[change];
    /* Midnight, or the whole day, is missing: the day begins with the change. */
    if (change < zone->changes && utc > zone->at.value[change]) return zone->at.value[change] + cycles;
    return utc + cycles;
}

const char *pat_zone_name(const struct pat_zone *zone) {
    return zone->name;
}

/* ---- the footer: a POSIX TZ rule
 * ------------------------------------------------------------------------------------- */

struct rule_date {
    char kind;             /* 'J': day 1..365 without leap days, 'n': day 0..365, 'M': weekday of a month */
    int day;               /* of the year, or weekday with Sunday 0 */
    int month, week;       /* 'M': week 5 is the last */
    int32_t clock_seconds; /* local time of the change, may be negative or beyond a day */
};

struct rule {
    int32_t standard, daylight; /* seconds east of UTC */
    bool changes;
    struct rule_date start, end; /* of daylight time */
};

struct footer {
    const char *at;
    const char *end;
};

static bool footer_take(struct footer *footer, char c) {
    if (footer->at == footer->end || *footer->at != c) return false;
    footer->at++;
    return true;
}

static bool footer_number(struct footer *footer, int low, int high, int *out) {
    int value = 0, digits = 0;
    for (; footer->at < footer->end && *footer->at >= '0' && *footer->at <= '9' && digits < 3; digits++) {
        value = value * 10 + (*footer->at++ - '0');
    }
    *out = value;
    return digits > 0 && value >= low && value <= high;
}

/* [+-]hh[:mm[:ss]] */
static bool footer_clock(struct footer *footer, int hours_max, int32_t *out) {
    const bool negative = footer_take(footer, '-');
    if (!negative) (void)footer_take(footer, '+');
    int hours, minutes = 0, seconds = 0;
    if (!footer_number(footer, 0, hours_max, &hours)) return false;
    if (footer_take(footer, ':')) {
        if (!footer_number(footer, 0, 59, &minutes)) return false;
        if (footer_take(footer, ':') && !footer_number(footer, 0, 59, &seconds)) return false;
    }
    const int32_t value = hours * 3600 + minutes * 60 + seconds;
    *out = negative ? -value : value;
    return true;
}

/* A name of three or more letters, or of anything alphanumeric, + and - in angle brackets. */
static bool footer_name(struct footer *footer) {
    const bool quoted = footer_take(footer, '<');
    size_t length = 0;
    for (; footer->at < footer->end; footer->at++, length++) {
        const char c = *footer->at;
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool more = (c >= '0' && c <= '9') || c == '+' || c == '-';
        if (!letter && !(quoted && more)) break;
    }
    return length >= 3 && (!quoted || footer_take(footer, '>'));
}

static bool footer_date(struct footer *footer, struct rule_date *date) {
    *date = (struct rule_date){.clock_seconds = 2 * 3600};
    if (!footer_take(footer, ',')) return false;
    if (footer_take(footer, 'M')) {
        date->kind = 'M';
        if (!footer_number(footer, 1, 12, &date->month) || !footer_take(footer, '.')) return false;
        if (!footer_number(footer, 1, 5, &date->week) || !footer_take(footer, '.')) return false;
        if (!footer_number(footer, 0, 6, &date->day)) return false;
    } else if (footer_take(footer, 'J')) {
        date->kind = 'J';
        if (!footer_number(footer, 1, 365, &date->day)) return false;
    } else {
        date->kind = 'n';
        if (!footer_number(footer, 0, 365, &date->day)) return false;
    }
    return !footer_take(footer, '/') || footer_clock(footer, RULE_HOURS_MAX, &date->clock_seconds);
}

/* POSIX counts offsets west of UTC. */
static bool footer_parse(struct footer *footer, struct rule *rule) {
    *rule = (struct rule){0};
    if (!footer_name(footer) || !footer_clock(footer, 24, &rule->standard)) return false;
    rule->standard = -rule->standard;
    if (footer->at == footer->end) return true;

    rule->changes = true;
    if (!footer_name(footer)) return false;
    rule->daylight = rule->standard + 3600;
    if (footer->at < footer->end && *footer->at != ',') {
        if (!footer_clock(footer, 24, &rule->daylight)) return false;
        rule->daylight = -rule->daylight;
    }
    return footer_date(footer, &rule->start) && footer_date(footer, &rule->end) && footer->at == footer->end;
}

/* The day of `year` on which a rule falls. */
static pat_day rule_day(const struct rule_date *date, int year) {
    const pat_day new_year = pat_day_from_civil(year, 1, 1);
    if (date->kind == 'n') return new_year + date->day;
    if (date->kind == 'J') {
        const bool leap = pat_day_from_civil(year + 1, 1, 1) - new_year == 366;
        return new_year + date->day - 1 + (leap && date->day >= 60);
    }
    const pat_day first = pat_day_from_civil(year, date->month, 1);
    const pat_day next =
        date->month == 12 ? pat_day_from_civil(year + 1, 1, 1) : pat_day_from_civil(year, date->month + 1, 1);
    const int first_weekday = (pat_day_weekday(first) + 1) % 7; /* Sunday 0 */
    pat_day day = first + (date->day - first_weekday + 7) % 7 + (date->week - 1) * 7;
    while (day >= next) day -= 7;
    return day;
}

/* ---- building the table
 * ---------------------------------------------------------------------------------------------- */

/* Changes must come in order. One that changes nothing (a new name for the same offset) is left out; of two at one
 * instant the second holds. */
static void zone_add(struct pat_zone *zone, int64_t at, int32_t offset) {
    if (zone->changes > 0 && zone->at.value[zone->changes - 1] == at) zone->changes--;
    if (zone->offset[zone->changes] == offset) return;
    zone->at.value[zone->changes++] = at;
    zone->offset[zone->changes] = offset;
}

struct rule_change {
    int64_t at;
    int32_t offset;
    int order; /* a start holds over an end at the same instant: daylight time all year */
};

static int rule_change_compare(const void *left, const void *right) {
    const struct rule_change *a = left, *b = right;
    if (a->at != b->at) return a->at < b->at ? -1 : 1;
    return a->order - b->order;
}

/* The year of an instant, within what the calendar takes. */
static int year_of(int64_t seconds) {
    if (seconds < PAT_DAY_MIN * DAY_SECONDS) return 1;
    return pat_day_to_civil((pat_day)(seconds / DAY_SECONDS)).year;
}

/* The rule holds after the file's last transition `last`. */
static enum pat_status zone_add_rule(struct pat_zone *zone, const struct rule *rule, int64_t last) {
    const size_t count = (size_t)RULE_YEARS * 2;
    struct rule_change *changes = pat_mem_alloc(PAT_MEM_OTHER, count * sizeof *changes);
    if (changes == NULL) return PAT_ERR_NO_MEMORY;
    const int first_year = year_of(last);
    struct rule_change *change = changes;
    for (int year = first_year; year < first_year + RULE_YEARS; year++) {
        const int64_t start = rule_day(&rule->start, year) * DAY_SECONDS + rule->start.clock_seconds;
        const int64_t end = rule_day(&rule->end, year) * DAY_SECONDS + rule->end.clock_seconds;
        *change++ = (struct rule_change){start - rule->standard, rule->daylight, 1};
        *change++ = (struct rule_change){end - rule->daylight, rule->standard, 0};
    }
    qsort(changes, count, sizeof *changes, rule_change_compare);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].at > last) zone_add(zone, changes[i].at, changes[i].offset);
    }
    pat_mem_free(PAT_MEM_OTHER, changes);
    zone->cyclic = true;
    zone->cycle_end = pat_day_from_civil(first_year + 2 + CYCLE_YEARS, 1, 1) * DAY_SECONDS;
    return PAT_OK;
}

static void zone_finish(struct pat_zone *zone) {
    for (size_t i = 0; i < zone->changes; i++) {
        const int32_t before = zone->offset[i], after = zone->offset[i + 1];
        const int64_t local = zone->at.value[i] + (before > after ? before : after);
        /* Two changes nearer to each other than they are great: the later one keeps its place in the order. */
        zone->local_at.value[i] = i > 0 && local < zone->local_at.value[i - 1] ? zone->local_at.value[i - 1] : local;
    }
    timeline_finish(&zone->at, zone->changes);
    timeline_finish(&zone->local_at, zone->changes);
}

static enum pat_status zone_make(struct pat_zone **out, const char *name, size_t changes_max) {
    PAT_ASSERT(strlen(name) <= ZONE_NAME_MAX);
    struct pat_zone *zone = pat_mem_alloc(PAT_MEM_OTHER, sizeof *zone);
    if (zone == NULL) return PAT_ERR_NO_MEMORY;
    (void)snprintf(zone->name, sizeof zone->name, "%s", name);
    zone->at.value = pat_mem_alloc(PAT_MEM_OTHER, changes_max * sizeof *zone->at.value);
    zone->local_at.value = pat_mem_alloc(PAT_MEM_OTHER, changes_max * sizeof *zone->local_at.value);
    zone->offset = pat_mem_alloc(PAT_MEM_OTHER, (changes_max + 1) * sizeof *zone->offset);
    if (zone->at.value == NULL || zone->local_at.value == NULL || zone->offset == NULL) {
        pat_zone_close(&zone);
        return PAT_ERR_NO_MEMORY;
    }
    *out = zone;
    return PAT_OK;
}

void pat_zone_close(struct pat_zone **zone) {
    if (*zone == NULL) return;
    pat_mem_free(PAT_MEM_OTHER, (*zone)->at.value);
    pat_mem_free(PAT_MEM_OTHER, (*zone)->local_at.value);
    pat_mem_free(PAT_MEM_OTHER, (*zone)->offset);
    pat_mem_free(PAT_MEM_OTHER, *zone);
    *zone = NULL;
}

/* ---- the file: RFC 8536
 * ---------------------------------------------------------------------------------------------- */

/* The second block of a file, found and measured; all within the bytes. */
struct tzif {
    const unsigned char *bytes;
    size_t count;
    uint32_t times, types;
    size_t times_at;   /* 8 bytes each */
    size_t indexes_at; /* 1 byte each */
    size_t types_at;   /* 6 bytes each */
    size_t footer_at;  /* behind its first newline */
    size_t footer_bytes;
};

static uint32_t read_u32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_i64(const unsigned char *at) {
    return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

static enum pat_status corrupt(struct pat_error *error, const char *name, size_t offset, const char *what) {
    return pat_error_set_at(error, PAT_ERR_CORRUPT, "", -1, (int64_t)offset, "time zone file %s: %s", name, what);
}

/* Reads the header at `at` and gives the size of the block behind it. 32-bit counts cannot overflow 64-bit sums. */
static bool tzif_header(const struct tzif *tzif, size_t at, unsigned time_bytes, uint64_t *block_bytes,
                        const unsigned char **counts) {
    if (tzif->count - at < HEADER_BYTES || memcmp(tzif->bytes + at, "TZif", 4) != 0) return false;
    const unsigned char *c = tzif->bytes + at + 20; /* isut, isstd, leap, time, type, char */
    *counts = c;
    *block_bytes = (uint64_t)read_u32(c + 12) * (time_bytes + 1) + (uint64_t)read_u32(c + 16) * 6 + read_u32(c + 20) +
                   (uint64_t)read_u32(c + 8) * (time_bytes + 4) + read_u32(c + 4) + read_u32(c);
    return *block_bytes <= tzif->count - at - HEADER_BYTES;
}

static enum pat_status tzif_find(struct tzif *tzif, const char *name, struct pat_error *error) {
    uint64_t block_bytes;
    const unsigned char *counts;
    if (!tzif_header(tzif, 0, 4, &block_bytes, &counts)) return corrupt(error, name, 0, "not a whole TZif file");
    if (tzif->bytes[4] < '2') return corrupt(error, name, 4, "version 1; version 2 or later is needed");
    const size_t second = HEADER_BYTES + (size_t)block_bytes;
    if (!tzif_header(tzif, second, 8, &block_bytes, &counts)) {
        return corrupt(error, name, second, "its 64-bit block is not whole");
    }
    if (read_u32(counts + 8) != 0)
        return corrupt(error, name, second + 28, "it counts leap seconds; take one that does not");
    tzif->times = read_u32(counts + 12);
    tzif->types = read_u32(counts + 16);
    if (tzif->types == 0 || tzif->types > 256) return corrupt(error, name, second + 36, "it has no types, or over 256");
    tzif->times_at = second + HEADER_BYTES;
    tzif->indexes_at = tzif->times_at + (size_t)tzif->times * 8;
    tzif->types_at = tzif->indexes_at + tzif->times;

    const size_t footer = second + HEADER_BYTES + (size_t)block_bytes;
    if (footer == tzif->count || tzif->bytes[footer] != '\n') return corrupt(error, name, footer, "it has no footer");
    tzif->footer_at = footer + 1;
    const unsigned char *stop = memchr(tzif->bytes + tzif->footer_at, '\n', tzif->count - tzif->footer_at);
    if (stop == NULL) return corrupt(error, name, tzif->footer_at, "its footer has no end");
    tzif->footer_bytes = (size_t)(stop - tzif->bytes) - tzif->footer_at;
    return PAT_OK;
}

static bool tzif_offset(const struct tzif *tzif, uint32_t type, int32_t *out) {
    *out = (int32_t)read_u32(tzif->bytes + tzif->types_at + (size_t)type * 6);
    return *out >= -OFFSET_MAX && *out <= OFFSET_MAX;
}

static enum pat_status zone_add_transitions(struct pat_zone *zone, const struct tzif *tzif, struct pat_error *error) {
    if (!tzif_offset(tzif, 0, &zone->offset[0])) return corrupt(error, zone->name, tzif->types_at, "impossible offset");
    int64_t previous = INT64_MIN;
    for (uint32_t i = 0; i < tzif->times; i++) {
        const size_t time_at = tzif->times_at + (size_t)i * 8;
        const int64_t at = read_i64(tzif->bytes + time_at);
        if ((i > 0 && at <= previous) || at >= INSTANT_MAX) {
            return corrupt(error, zone->name, time_at, "transitions out of order or out of range");
        }
        previous = at;
        const unsigned type = tzif->bytes[tzif->indexes_at + i];
        int32_t offset;
        if (type >= tzif->types || !tzif_offset(tzif, type, &offset)) {
            return corrupt(error, zone->name, tzif->indexes_at + i, "impossible offset");
        }
        zone_add(zone, at < INSTANT_MIN ? INSTANT_MIN : at, offset);
    }
    return PAT_OK;
}

static enum pat_status zone_add_footer(struct pat_zone *zone, const struct tzif *tzif, struct pat_error *error) {
    if (tzif->footer_bytes == 0) return PAT_OK;
    struct rule rule;
    const char *text = (const char *)tzif->bytes + tzif->footer_at;
    struct footer footer = {text, text + tzif->footer_bytes};
    if (!footer_parse(&footer, &rule)) {
        return corrupt(error, zone->name, (size_t)((const unsigned char *)footer.at - tzif->bytes),
                       "its footer is no POSIX time-zone rule");
    }
    if (!rule.changes) {
        if (tzif->times == 0) zone->offset[0] = rule.standard;
        return PAT_OK;
    }
    const int64_t last = tzif->times > 0 ? read_i64(tzif->bytes + tzif->indexes_at - 8) : INT64_MIN;
    if (zone_add_rule(zone, &rule, last) == PAT_OK) return PAT_OK;
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for time zone %s", zone->name);
}

enum pat_status pat_zone_parse(struct pat_zone **out, const char *name, const unsigned char *bytes, size_t count,
                               struct pat_error *error) {
    *out = NULL;
    struct tzif tzif = {.bytes = bytes, .count = count};
    PAT_TRY(tzif_find(&tzif, name, error));
    struct pat_zone *zone;
    if (zone_make(&zone, name, (size_t)tzif.times + (size_t)RULE_YEARS * 2) != PAT_OK) {
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for time zone %s", name);
    }
    enum pat_status status = zone_add_transitions(zone, &tzif, error);
    if (status == PAT_OK) status = zone_add_footer(zone, &tzif, error);
    if (status != PAT_OK) {
        pat_zone_close(&zone);
        return status;
    }
    zone_finish(zone);
    *out = zone;
    return PAT_OK;
}

/* ---- finding the file
 * ------------------------------------------------------------------------------------------------ */

static bool zone_name_valid(const char *name) {
    size_t length = 0;
    for (; name[length] != '\0'; length++) {
        const char c = name[length];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool other = (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || (c == '/' && length > 0);
        if (!letter && !other) return false;
    }
    return length > 0 && length <= ZONE_NAME_MAX;
}

static enum pat_status zone_unknown(struct pat_error *error, const char *name) {
    char shown[64];
    return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "timezone", -1, -1,
                            "\"%s\" is no time zone of this system: use a name like Europe/London or UTC",
                            pat_text_printable(pat_text_of(name), shown, sizeof shown));
}

static enum pat_status zone_read(FILE *file, const char *name, unsigned char *bytes, size_t *count,
                                 struct pat_error *error) {
    *count = fread(bytes, 1, ZONE_BYTES_MAX, file);
    /* A directory ("Europe") opens, but does not read. */
    if (ferror(file) != 0 || *count == 0) return zone_unknown(error, name);
    return PAT_OK;
}

enum pat_status pat_zone_open(struct pat_zone **out, const char *name, struct pat_error *error) {
    *out = NULL;
    if (!zone_name_valid(name)) return zone_unknown(error, name);
    if (strcmp(name, "UTC") == 0) {
        if (zone_make(out, name, 0) == PAT_OK) return PAT_OK;
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for time zone UTC");
    }
    const char *directory = getenv("TZDIR");
    if (directory == NULL || directory[0] == '\0') directory = DEFAULT_ZONE_DIR;
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof path) return zone_unknown(error, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return zone_unknown(error, name);

    size_t count = 0;
    enum pat_status status = PAT_ERR_NO_MEMORY;
    unsigned char *bytes = pat_mem_alloc(PAT_MEM_OTHER, ZONE_BYTES_MAX);
    if (bytes == NULL) {
        (void)pat_error_set(error, status, "no memory for time zone %s", name);
    } else {
        status = zone_read(file, name, bytes, &count, error);
        if (status == PAT_OK) status = pat_zone_parse(out, name, bytes, count, error);
    }
    pat_mem_free(PAT_MEM_OTHER, bytes);
    (void)fclose(file);
    return status;
}
