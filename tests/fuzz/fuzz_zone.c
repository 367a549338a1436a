/* Any bytes as a zone file: refused, or a zone whose answers keep to the limits. */
#include "base/mem.h"
#include "base/status.h"
#include "model/zone.h"

#include <stddef.h>
#include <stdint.h>

#define DAY_SECONDS INT64_C(86400)
#define OFFSET_MAX  (26 * 3600)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct pat_zone *zone, int64_t seconds) {
    const int32_t offset = pat_zone_offset_at(zone, seconds);
    PAT_ASSERT(offset >= -OFFSET_MAX && offset <= OFFSET_MAX);
    const int64_t utc = pat_zone_from_local(zone, seconds);
    PAT_ASSERT(utc - seconds >= -OFFSET_MAX && utc - seconds <= OFFSET_MAX);
    const pat_day day = pat_zone_day_at(zone, seconds);
    if (day < PAT_DAY_MIN || day > PAT_DAY_MAX) return;
    const int64_t start = pat_zone_day_start(zone, day);
    PAT_ASSERT(start - day * DAY_SECONDS >= -OFFSET_MAX && start - day * DAY_SECONDS <= OFFSET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const size_t used = pat_mem_used_total();
    struct pat_zone *zone;
    struct pat_error error;
    if (pat_zone_parse(&zone, "Fuzz/Zone", data, size, &error) != PAT_OK) {
        PAT_ASSERT(zone == NULL && error.message[0] != '\0');
        PAT_ASSERT(error.offset >= 0 && (size_t)error.offset <= size);
    } else {
        /* Steps that fall on other days and hours each time. */
        const int64_t last = (PAT_DAY_MAX + INT64_C(1)) * DAY_SECONDS;
        for (int64_t seconds = PAT_DAY_MIN * DAY_SECONDS; seconds <= last; seconds += 777777777) ask(zone, seconds);
        for (int64_t seconds = -DAY_SECONDS; seconds < INT64_C(4300000000); seconds += 7777777) ask(zone, seconds);
        pat_zone_close(&zone);
    }
    PAT_ASSERT(pat_mem_used_total() == used);
    return 0;
}
