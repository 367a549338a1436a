/* The store's time zone, from the system's time-zone data (TZif files, version 2 or later, and their POSIX footer).
 * Immutable after open; any thread may read. */
#ifndef PAT_MODEL_ZONE_H
#define PAT_MODEL_ZONE_H

#include "base/status.h"
#include "model/types.h"

#include <stddef.h>

struct pat_zone;

/* Builds a zone from the bytes of a TZif file. `name` is kept for messages and settings.
 * Fails: PAT_ERR_CORRUPT with an offset, PAT_ERR_NO_MEMORY. */
enum pat_status pat_zone_parse(struct pat_zone **out, const char *name, const unsigned char *bytes, size_t count,
                               struct pat_error *error) PAT_MUST_CHECK;
/* Finds `name` ("Europe/London", "UTC") under $TZDIR or /usr/share/zoneinfo and parses it. Names with "..", a leading
 * slash or characters outside [A-Za-z0-9_+/-] are PAT_ERR_BAD_REQUEST, as are unknown ones. "UTC" works without any
 * file. */
enum pat_status pat_zone_open(struct pat_zone **out, const char *name, struct pat_error *error) PAT_MUST_CHECK;
void pat_zone_close(struct pat_zone **zone);
const char *pat_zone_name(const struct pat_zone *zone);

/* Seconds east of UTC at an instant. */
int32_t pat_zone_offset_at(const struct pat_zone *zone, int64_t utc_seconds);
/* Instant of a local clock reading: a repeated hour is the first, a missing one moves forward (RULES). */
int64_t pat_zone_from_local(const struct pat_zone *zone, int64_t local_seconds);
/* Local day of an instant. */
pat_day pat_zone_day_at(const struct pat_zone *zone, int64_t utc_seconds);
/* Local days of many instants; neighbours between the same two changes of the clock cost a division each. */
void pat_zone_days_at(const struct pat_zone *zone, const int64_t *utc_seconds, size_t count, int64_t *day);
/* First instant of a local day (the first that exists, where midnight is skipped). */
int64_t pat_zone_day_start(const struct pat_zone *zone, pat_day day);

#endif
