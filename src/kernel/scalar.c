/* The definition of every kernel: one row at a time, in plain C. The other tables must give the same bits. */
#include "kernel/kernel.h"

#include <stdbool.h>

#define PAT_SMOOTH_LANES 2
#include "kernel/smooth_private.h"
#include "kernel/window_private.h"

static inline uint64_t reach_u32(const uint32_t *in, uint32_t flip, uint32_t least) {
    uint64_t word = 0;
    for (unsigned i = 0; i < 64; i++) word |= (uint64_t)(in[i] != UINT32_MAX && (in[i] ^ flip) >= least) << i;
    return word;
}

static inline uint64_t reach_i64(const int64_t *in, int64_t flip, int64_t least) {
    uint64_t word = 0;
    for (unsigned i = 0; i < 64; i++) word |= (uint64_t)(in[i] != PAT_KERNEL_NULL && (in[i] ^ flip) >= least) << i;
    return word;
}

#include "kernel/top_private.h"

__extension__ typedef __int128 wide;

static void widen_u8(const uint8_t *in, size_t n, int64_t base, int64_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = in[i] == UINT8_MAX ? PAT_KERNEL_NULL : (int64_t)((uint64_t)base + in[i]);
}

static void widen_u16(const uint16_t *in, size_t n, int64_t base, int64_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = in[i] == UINT16_MAX ? PAT_KERNEL_NULL : (int64_t)((uint64_t)base + in[i]);
}

static void widen_u32(const uint32_t *in, size_t n, int64_t base, int64_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = in[i] == UINT32_MAX ? PAT_KERNEL_NULL : (int64_t)((uint64_t)base + in[i]);
}

#define DEFINE_NARROW(name, type)                                                                                      \
    static void name(const int64_t *in, size_t n, int64_t base, unsigned char *out) {                                  \
        for (size_t i = 0; i < n; i++) {                                                                               \
            const type narrow = in[i] == PAT_KERNEL_NULL ? (type)-1 : (type)((uint64_t)in[i] - (uint64_t)base);        \
            memcpy(out + i * sizeof narrow, &narrow, sizeof narrow);                                                   \
        }                                                                                                              \
    }
DEFINE_NARROW(narrow_u8, uint8_t)
DEFINE_NARROW(narrow_u16, uint16_t)
DEFINE_NARROW(narrow_u32, uint32_t)

static bool range(const int64_t *in, size_t n, int64_t *least, int64_t *greatest) {
    int64_t low = INT64_MAX, high = INT64_MIN;
    bool has_null = false;
    for (size_t i = 0; i < n; i++) {
        const bool null = in[i] == PAT_KERNEL_NULL;
        has_null |= null;
        /* Null is the least integer: it never raises `high`, and must not lower `low`. */
        low = !null && in[i] < low ? in[i] : low;
        high = in[i] > high ? in[i] : high;
    }
    *least = low;
    *greatest = high;
    return has_null;
}

static void fill(int64_t value, size_t n, int64_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = value;
}

static void fill_null(int64_t value, size_t n, int64_t *values) {
    for (size_t i = 0; i < n; i++) {
        if (values[i] == PAT_KERNEL_NULL) values[i] = value;
    }
}

/* Appends row i's bit; a word is cleared when its first row arrives, so tail bits are zero. */
static inline void bit_put(uint64_t *out, size_t i, bool on) {
    if (i % 64 == 0) out[i / 64] = 0;
    out[i / 64] |= (uint64_t)on << (i % 64);
}

static inline bool bit_get(const uint64_t *bits, size_t i) {
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static void select_range(const int64_t *in, size_t n, int64_t low, int64_t high, uint64_t *out) {
    for (size_t i = 0; i < n; i++) bit_put(out, i, in[i] != PAT_KERNEL_NULL && low <= in[i] && in[i] <= high);
}

static void select_null(const int64_t *in, size_t n, uint64_t *out) {
    for (size_t i = 0; i < n; i++) bit_put(out, i, in[i] == PAT_KERNEL_NULL);
}

static void select_member(const int64_t *in, size_t n, const uint64_t *set, size_t set_bits, uint64_t *out) {
    for (size_t i = 0; i < n; i++)
        bit_put(out, i, in[i] >= 0 && (uint64_t)in[i] < set_bits && bit_get(set, (size_t)in[i]));
}

static void select_range_u8(const uint8_t *in, size_t n, uint8_t low, uint8_t high, uint64_t *out) {
    for (size_t i = 0; i < n; i++) bit_put(out, i, low <= in[i] && in[i] <= high);
}

static void select_range_u16(const uint16_t *in, size_t n, uint16_t low, uint16_t high, uint64_t *out) {
    for (size_t i = 0; i < n; i++) bit_put(out, i, low <= in[i] && in[i] <= high);
}

static void select_range_u32(const uint32_t *in, size_t n, uint32_t low, uint32_t high, uint64_t *out) {
    for (size_t i = 0; i < n; i++) bit_put(out, i, low <= in[i] && in[i] <= high);
}

static void select_member_u8(const uint8_t *in, size_t n, const uint64_t set[4], uint64_t *out) {
    for (size_t i = 0; i < n; i++) bit_put(out, i, bit_get(set, in[i]));
}

static void bits_and(uint64_t *a, const uint64_t *b, size_t words) {
    for (size_t i = 0; i < words; i++) a[i] &= b[i];
}

static void bits_or(uint64_t *a, const uint64_t *b, size_t words) {
    for (size_t i = 0; i < words; i++) a[i] |= b[i];
}

static void bits_andnot(uint64_t *a, const uint64_t *b, size_t words) {
    for (size_t i = 0; i < words; i++) a[i] &= ~b[i];
}

static uint64_t bits_count(const uint64_t *a, size_t words) {
    uint64_t count = 0;
    for (size_t i = 0; i < words; i++) count += (uint64_t)__builtin_popcountll(a[i]);
    return count;
}

static void sum(const int64_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum_low,
                int64_t *sum_high) {
    uint64_t rows = 0;
    wide total = 0;
    for (size_t i = 0; i < n; i++) {
        if (!bit_get(bits, i) || in[i] == PAT_KERNEL_NULL) continue;
        rows++;
        total += in[i];
    }
    *count = rows;
    *sum_low = (uint64_t)total;
    *sum_high = (int64_t)(total >> 64);
}

static void bounds(const int64_t *in, const uint64_t *bits, size_t n, int64_t *least, int64_t *greatest) {
    bool any = false;
    int64_t low = INT64_MAX;
    int64_t high = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        if (!bit_get(bits, i) || in[i] == PAT_KERNEL_NULL) continue;
        any = true;
        if (in[i] < low) low = in[i];
        if (in[i] > high) high = in[i];
    }
    if (!any) return;
    *least = low;
    *greatest = high;
}

static void run_window(const uint32_t *offset, size_t n, const uint16_t *day, const int32_t *net, uint32_t low,
                       uint32_t high, int32_t base, uint32_t *all, uint32_t *count, int64_t *sums, int32_t *last) {
    for (size_t i = 0; i < n; i++) {
        uint32_t inside = 0, until = 0;
        int64_t total = 0;
        int32_t latest = INT32_MIN;
        for (uint32_t j = offset[i]; j < offset[i + 1] && day[j] < high; j++) {
            until++;
            latest = base + day[j];
            if (day[j] < low) continue;
            inside++;
            total += net[j];
        }
        count[i] = inside;
        if (all != NULL) all[i] = until;
        if (sums != NULL) sums[i] = total;
        if (last != NULL) last[i] = latest;
    }
}

static void sum_u8(const uint8_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    *count = *sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!bit_get(bits, i) || in[i] == UINT8_MAX) continue;
        ++*count;
        *sum += in[i];
    }
}

static void sum_u16(const uint16_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    *count = *sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!bit_get(bits, i) || in[i] == UINT16_MAX) continue;
        ++*count;
        *sum += in[i];
    }
}

static void sum_u32(const uint32_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    *count = *sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!bit_get(bits, i) || in[i] == UINT32_MAX) continue;
        ++*count;
        *sum += in[i];
    }
}

static void bucket(const int64_t *in, size_t n, uint16_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = pat_kernel_bucket(in[i]);
}

/* ---- by place, and cohorts --------------------------------------------------------------------------------------- */

static void place_count(const uint16_t *cell, size_t n, size_t stride, uint32_t *count) {
    for (size_t i = 0; i < n; i++) count[i % PAT_KERNEL_COPIES * stride + cell[i]]++;
}

static void place_sum(const uint16_t *cell, const int64_t *value, size_t n, size_t stride, int64_t *sum) {
    for (size_t i = 0; i < n; i++) {
        int64_t *const to = &sum[i % PAT_KERNEL_COPIES * stride + cell[i]];
        *to = (int64_t)((uint64_t)*to + (uint64_t)value[i]);
    }
}

static void place_hits(const uint16_t *cell, const uint16_t *bucket, size_t n, uint32_t *hits) {
    for (size_t i = 0; i < n; i++) hits[(size_t)cell[i] * PAT_BUCKETS_STRIDE + bucket[i]]++;
}

static void hash(const int64_t *key, size_t n, uint64_t *hash) {
    for (size_t i = 0; i < n; i++) hash[i] = pat_kernel_hash(hash[i], key[i]);
}

static void run_bits(const uint32_t *offset, size_t n, const uint16_t *day, const uint64_t *bit, uint64_t *out) {
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        for (uint32_t j = offset[i]; j < offset[i + 1]; j++) bits |= bit[day[j]];
        out[i] = bits;
    }
}

static void count_bits(const uint64_t *bits, const uint16_t *row, size_t n, size_t columns, size_t stride,
                       uint32_t *cell) {
    const uint64_t wanted = columns < 64 ? ((uint64_t)1 << columns) - 1 : UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        for (uint64_t rest = bits[i] & wanted; rest != 0; rest &= rest - 1) {
            cell[row[i] * stride + (size_t)__builtin_ctzll(rest)]++;
        }
    }
}

static void run_cells(const uint32_t *offset, const uint16_t *row, size_t n, const uint16_t *day, const int32_t *net,
                      const uint16_t *column, size_t stride, int64_t *cell) {
    for (size_t i = 0; i < n; i++) {
        int64_t *const cells = cell + row[i] * stride;
        for (uint32_t j = offset[i]; j < offset[i + 1]; j++) cells[column[day[j]]] += net == NULL ? 1 : net[j];
    }
}

static size_t cell_ends(const uint8_t *text, size_t n, uint8_t delimiter, uint32_t *out, size_t *others) {
    size_t count = 0;
    *others = 0;
    for (size_t i = 0; i < n; i++) {
        const bool other = text[i] == '\n' || text[i] == '\r' || text[i] == '"' || text[i] == 0;
        *others += other;
        if (other || text[i] == delimiter) out[count++] = (uint32_t)i;
    }
    return count;
}

const struct pat_kernels pat_kernels_scalar = {
    .name = "scalar",
    .widen_u8 = widen_u8,
    .widen_u16 = widen_u16,
    .widen_u32 = widen_u32,
    .narrow_u8 = narrow_u8,
    .narrow_u16 = narrow_u16,
    .narrow_u32 = narrow_u32,
    .range = range,
    .fill = fill,
    .fill_null = fill_null,
    .select_range = select_range,
    .select_null = select_null,
    .select_member = select_member,
    .select_range_u8 = select_range_u8,
    .select_range_u16 = select_range_u16,
    .select_range_u32 = select_range_u32,
    .select_member_u8 = select_member_u8,
    .bits_and = bits_and,
    .bits_or = bits_or,
    .bits_andnot = bits_andnot,
    .bits_count = bits_count,
    .sum = sum,
    .bounds = bounds,
    .run_window = run_window,
    .sum_u8 = sum_u8,
    .sum_u16 = sum_u16,
    .sum_u32 = sum_u32,
    .bucket = bucket,
    .place_count = place_count,
    .place_sum = place_sum,
    .place_hits = place_hits,
    .hash = hash,
    .run_bits = run_bits,
    .count_bits = count_bits,
    .run_cells = run_cells,
    .cell_ends = cell_ends,
    PAT_TOP_KERNELS,
    PAT_WINDOW_KERNELS,
    PAT_SMOOTH_KERNELS,
};
