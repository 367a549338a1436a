/* Civil dates and instants as text. Pure; no zone data here (model/zone.h). */
#ifndef PAT_MODEL_DATE_H
#define PAT_MODEL_DATE_H

#include "base/text.h"
#include "model/types.h"

#include <stdbool.h>

struct pat_civil {
    int year, month, day; /* proleptic Gregorian; month and day from 1 */
};

pat_day pat_day_from_civil(int year, int month, int day);
struct pat_civil pat_day_to_civil(pat_day day);
/* Monday = 0. */
int pat_day_weekday(pat_day day);
/* Months since 1970-01 of a day; and the first day of such a month. */
int32_t pat_day_to_month(pat_day day);
pat_day pat_month_first_day(int32_t month);

/* "YYYY-MM-DD", and nothing else; false for impossible dates (2023-02-29). */
bool pat_day_parse(struct pat_text text, pat_day *out);
/* A text that begins with four digits, two and two as a day does, and is none: 2010-02-30, for messages. */
bool pat_day_impossible(struct pat_text text);
/* Writes "YYYY-MM-DD" and a NUL: 11 bytes. `day` within PAT_DAY_MIN..MAX. */
void pat_day_print(pat_day day, char out[11]);

/* An instant as written: local civil seconds (as if UTC) and, when the text had one, its offset from UTC. */
struct pat_stamp {
    int64_t local_seconds; /* seconds since 1970-01-01T00:00:00 of the written clock */
    bool has_offset;
    int32_t offset_seconds; /* east of UTC */
};

/* RFC 3339 with habits: "2010-12-09T20:01:00Z", "2010-12-09 20:01:00+01:00", seconds may be missing, fractions are
 * dropped (towards the past), 'T', 't' or one space, and a bare date (midnight). A leap second :60 counts as :59. */
bool pat_stamp_parse(struct pat_text text, struct pat_stamp *out);
/* "2010-12-09T20:01:00+00:00" style: local time with offset ("Z" when 0); 26 bytes with the NUL. */
void pat_stamp_print(int64_t utc_seconds, int32_t offset_seconds, char out[26]);

/* strptime-like formats of `patron load --time-format`: %Y %m %d %H %M %S %y %b %p %I %z %s %%, literal rest. */
bool pat_stamp_parse_format(struct pat_text text, const char *format, struct pat_stamp *out);

#endif
