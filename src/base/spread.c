#include "base/spread.h"

#include "base/status.h"

unsigned pat_spread_lanes(const struct pat_spread *spread) {
    if (spread == NULL) return 1;
    PAT_DEBUG_ASSERT(spread->lanes > 0 && spread->lanes <= PAT_SPREAD_LANES_MAX);
    return spread->lanes;
}

void pat_spread_run(const struct pat_spread *spread, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    if (parts > 1 && pat_spread_lanes(spread) > 1) {
        spread->run_cb(spread->context, part_cb, part_context, parts);
        return;
    }
    for (uint32_t part = 0; part < parts; part++) part_cb(part_context, part, 0);
}
