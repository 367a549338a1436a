/* Values of one column side by side, eight bytes each, as batches have them: what they are together, and how they lie
 * in fewer bytes. The loops are kernels, scalar ones for NULL; persist gets at them here. Thread: any. */
#ifndef PAT_STORE_LANE_H
#define PAT_STORE_LANE_H

#include <stdbool.h>
#include <stdint.h>

struct pat_kernels;

/* What many values are together. */
struct pat_range {
    int64_t low, high; /* of what is not null; low > high: nothing */
    bool has_null;
};

struct pat_range pat_lane_range(const struct pat_kernels *kernels, const int64_t *value, uint32_t count);

/* Writes `count` values of `width` bytes (0, 1, 2, 4: above the base, all ones for null; 8: as they are). All of them
 * fit. */
void pat_lane_narrow(const struct pat_kernels *kernels, const int64_t *value, uint32_t count, uint8_t width,
                     int64_t base, unsigned char *out);

#endif
