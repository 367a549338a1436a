#include "store/lane.h"

#include "base/status.h"
#include "kernel/kernel.h"

#include <string.h>

static const struct pat_kernels *or_scalar(const struct pat_kernels *kernels) {
    return kernels == NULL ? &pat_kernels_scalar : kernels;
}

struct pat_range pat_lane_range(const struct pat_kernels *kernels, const int64_t *value, uint32_t count) {
    struct pat_range range;
    range.has_null = or_scalar(kernels)->range(value, count, &range.low, &range.high);
    return range;
}

void pat_lane_narrow(const struct pat_kernels *kernels, const int64_t *value, uint32_t count, uint8_t width,
                     int64_t base, unsigned char *out) {
    switch (width) {
    case 0: return;
    case 1: or_scalar(kernels)->narrow_u8(value, count, base, out); return;
    case 2: or_scalar(kernels)->narrow_u16(value, count, base, out); return;
    case 4: or_scalar(kernels)->narrow_u32(value, count, base, out); return;
    default: PAT_DEBUG_ASSERT(width == 8); memcpy(out, value, (size_t)count * 8);
    }
}
