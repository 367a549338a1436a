#include "analytics/strip_private.h"

#include <string.h>

static uint32_t words_of(uint32_t count) {
    return (count + 63) / 64;
}

static void set_all(uint32_t count, bool on, uint64_t *out) {
    memset(out, 0, words_of(count) * sizeof *out);
    if (on) pat_bits__fill(out, count);
}

/* Greatest code that is a value: all ones is null. */
static uint64_t code_max(uint8_t width) {
    return (UINT64_C(1) << (8 * width)) - 2;
}

bool pat_strip__bounds(const struct pat_strip *strip, int64_t *low, int64_t *high, bool *any_null) {
    const struct pat_column_part *part = &strip->part;
    if (!part->bounded) return false;
    *low = part->low;
    *high = part->high;
    *any_null = part->has_null && !strip->null_is_zero;
    if (strip->mirrored && part->low <= part->high) {
        if (__builtin_sub_overflow((int64_t)strip->from, part->high, low)) return false;
        if (__builtin_sub_overflow((int64_t)strip->from, part->low, high)) return false;
    }
    if (part->has_null && strip->null_is_zero) {
        if (*low > 0) *low = 0;
        if (*high < 0) *high = 0;
    }
    return true;
}

/* The part as kernels read it: what is packed is read into `values`, which has `count`. */
static struct pat_column_part open_part(const struct pat_column_part *part, uint32_t count, int64_t *values) {
    struct pat_column_part plain = *part;
    if (part->width != PAT_WIDTH_PACKED) return plain;
    pat_packed_read(part->data, part->start, count, values);
    plain.data = (const unsigned char *)values;
    plain.base = 0;
    plain.width = sizeof *values;
    return plain;
}

/* ---- nulls ------------------------------------------------------------------------------------------------------- */

static void stored_null(const struct pat_kernels *kernels, const struct pat_column_part *part, uint32_t count,
                        uint64_t *out) {
    if (part->width == 0 || !part->has_null) {
        set_all(count, part->width == 0 && part->base == PAT_NULL, out);
        return;
    }
    switch (part->width) {
    case 1: kernels->select_range_u8(part->data, count, UINT8_MAX, UINT8_MAX, out); return;
    case 2: kernels->select_range_u16((const void *)part->data, count, UINT16_MAX, UINT16_MAX, out); return;
    case 4: kernels->select_range_u32((const void *)part->data, count, UINT32_MAX, UINT32_MAX, out); return;
    default: kernels->select_null((const void *)part->data, count, out); return;
    }
}

void pat_strip__null(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count, uint64_t *out) {
    if (strip->null_is_zero) {
        set_all(count, false, out);
    } else {
        int64_t values[PAT_BLOCK_ROWS];
        const struct pat_column_part part = open_part(&strip->part, count, values);
        stored_null(kernels, &part, count, out);
    }
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* low <= high; both in what is stored. */
static void stored_range(const struct pat_kernels *kernels, const struct pat_column_part *part, uint32_t count,
                         int64_t low, int64_t high, uint64_t *out) {
    if (part->width == 0) {
        set_all(count, part->base != PAT_NULL && low <= part->base && part->base <= high, out);
        return;
    }
    if (part->width == 8) {
        kernels->select_range((const void *)part->data, count, low, high, out);
        return;
    }
    /* Codes start at the base; what lies beside them selects nothing. */
    const uint64_t most = code_max(part->width);
    const uint64_t first = low <= part->base ? 0 : (uint64_t)low - (uint64_t)part->base;
    const uint64_t above = (uint64_t)high - (uint64_t)part->base;
    const uint64_t last = above < most ? above : most;
    if (high < part->base || first > most) {
        set_all(count, false, out);
        return;
    }
    switch (part->width) {
    case 1: kernels->select_range_u8(part->data, count, (uint8_t)first, (uint8_t)last, out); return;
    case 2: kernels->select_range_u16((const void *)part->data, count, (uint16_t)first, (uint16_t)last, out); return;
    default: kernels->select_range_u32((const void *)part->data, count, (uint32_t)first, (uint32_t)last, out); return;
    }
}

/* `value` reads as from - value in what is stored; ends beyond 64 bits are ends of them. */
static int64_t mirror(pat_day from, int64_t value) {
    int64_t stored;
    if (!__builtin_sub_overflow((int64_t)from, value, &stored)) return stored;
    return value < 0 ? INT64_MAX : INT64_MIN + 1;
}

bool pat_strip__range(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count, int64_t low,
                      int64_t high, uint64_t *out) {
    int64_t least, greatest;
    bool any_null;
    const bool known = pat_strip__bounds(strip, &least, &greatest, &any_null);
    if (low > high || (known && (greatest < low || least > high))) {
        set_all(count, false, out);
        return false;
    }
    if (known && !any_null && low <= least && greatest <= high) {
        set_all(count, true, out);
        return false;
    }
    int64_t values[PAT_BLOCK_ROWS];
    const struct pat_column_part part = open_part(&strip->part, count, values);
    if (strip->mirrored) {
        stored_range(kernels, &part, count, mirror(strip->from, high), mirror(strip->from, low), out);
        return true;
    }
    stored_range(kernels, &part, count, low, high, out);
    if (!strip->null_is_zero || low > 0 || high < 0) return true;
    uint64_t unset[PAT_BLOCK_WORDS];
    stored_null(kernels, &part, count, unset);
    kernels->bits_or(out, unset, words_of(count));
    return true;
}

/* ---- the best ---------------------------------------------------------------------------------------------------- */

/* Whether codes of four bytes order as the values do, and `worst` is one of them or beyond their better end. */
static bool codes_say(const struct pat_strip *strip, const struct pat_strip_best *best) {
    const struct pat_column_part *part = &strip->part;
    const uint64_t above = (uint64_t)best->worst - (uint64_t)part->base;
    if (part->width != 4 || strip->mirrored) return false;
    if (part->has_null && strip->null_is_zero && !(best->descending && best->worst > 0)) return false;
    return best->descending ? best->worst <= part->base || above <= code_max(4) : best->worst >= part->base;
}

static uint64_t top_of_codes(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count,
                             const struct pat_strip_best *best, uint64_t *bits) {
    const struct pat_column_part *part = &strip->part;
    const uint64_t most = code_max(4), above = (uint64_t)best->worst - (uint64_t)part->base;
    const uint32_t flip = best->descending ? 0 : UINT32_MAX;
    const uint64_t code = best->worst < part->base ? 0 : above < most ? above : most;
    return kernels->top_u32((const void *)part->data, count, best->k, (uint32_t)code ^ flip, flip, bits);
}

bool pat_strip__top(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count,
                    const struct pat_strip_best *best, uint64_t *bits, uint64_t *left) {
    const struct pat_column_part *part = &strip->part;
    const int64_t flip = best->descending ? 0 : -1;
    int64_t low, high;
    bool any_null;
    if (pat_strip__bounds(strip, &low, &high, &any_null) &&
        (low > high || (best->descending ? high < best->worst : low > best->worst))) {
        set_all(count, false, bits);
        *left = 0;
        return false;
    }
    if (codes_say(strip, best)) {
        *left = top_of_codes(kernels, strip, count, best, bits);
    } else if (part->width == 8 && !strip->mirrored && !(part->has_null && strip->null_is_zero)) {
        *left = kernels->top_i64((const void *)part->data, count, best->k, best->worst ^ flip, flip, bits);
    } else {
        int64_t values[PAT_BLOCK_ROWS];
        pat_strip__read(kernels, strip, count, values);
        *left = kernels->top_i64(values, count, best->k, best->worst ^ flip, flip, bits);
    }
    return true;
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

void pat_strip__member(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count,
                       const uint64_t *set, size_t set_bits, uint64_t *out) {
    const struct pat_column_part *part = &strip->part;
    if (part->width == 0) {
        const bool inside = part->base >= 0 && (uint64_t)part->base < set_bits;
        set_all(count, inside && pat_bits__get(set, (uint64_t)part->base), out);
        return;
    }
    if (part->width == 1 && part->base == 0) {
        uint64_t codes[4] = {0};
        const size_t bits = set_bits < UINT8_MAX ? set_bits : UINT8_MAX; /* 255 is null */
        memcpy(codes, set, pat_bits__words(bits) * sizeof *codes);
        if (bits % 64 != 0) codes[bits / 64] &= ((uint64_t)1 << (bits % 64)) - 1;
        kernels->select_member_u8(part->data, count, codes, out);
        return;
    }
    int64_t values[PAT_BLOCK_ROWS];
    pat_strip__read(kernels, strip, count, values);
    kernels->select_member(values, count, set, set_bits, out);
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static void stored_sum(const struct pat_kernels *kernels, const struct pat_column_part *part, uint32_t count,
                       const uint64_t *bits, uint64_t *rows, pat_int128 *sum) {
    uint64_t low = 0;
    int64_t high = 0;
    *rows = 0;
    *sum = 0;
    switch (part->width) {
    case 0:
        if (part->base != PAT_NULL) *rows = kernels->bits_count(bits, words_of(count));
        break;
    case 1: kernels->sum_u8(part->data, bits, count, rows, &low); break;
    case 2: kernels->sum_u16((const void *)part->data, bits, count, rows, &low); break;
    case 4: kernels->sum_u32((const void *)part->data, bits, count, rows, &low); break;
    default:
        kernels->sum((const void *)part->data, bits, count, rows, &low, &high);
        *sum = (pat_int128)((pat_uint128)(uint64_t)high << 64 | low);
        return;
    }
    *sum = (pat_int128)low;
    if (*rows > 0) *sum += (pat_int128)part->base * (int64_t)*rows;
}

void pat_strip__sum(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count,
                    const uint64_t *bits, uint64_t *rows, pat_int128 *sum) {
    int64_t values[PAT_BLOCK_ROWS];
    const struct pat_column_part part = open_part(&strip->part, count, values);
    stored_sum(kernels, &part, count, bits, rows, sum);
    if (strip->mirrored) *sum = (pat_int128)strip->from * (int64_t)*rows - *sum;
    if (strip->null_is_zero) *rows = kernels->bits_count(bits, words_of(count));
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

void pat_strip__read(const struct pat_kernels *kernels, const struct pat_strip *strip, uint32_t count, int64_t *out) {
    const struct pat_column_part *part = &strip->part;
    switch (part->width) {
    case 0: kernels->fill(part->base, count, out); break;
    case 1: kernels->widen_u8(part->data, count, part->base, out); break;
    case 2: kernels->widen_u16((const void *)part->data, count, part->base, out); break;
    case 4: kernels->widen_u32((const void *)part->data, count, part->base, out); break;
    case PAT_WIDTH_PACKED: pat_packed_read(part->data, part->start, count, out); break;
    default: memcpy(out, part->data, count * sizeof *out); break;
    }
    if (part->has_null && strip->null_is_zero) kernels->fill_null(0, count, out);
    if (strip->mirrored) {
        for (uint32_t i = 0; i < count; i++) out[i] = out[i] == PAT_NULL ? PAT_NULL : strip->from - out[i];
    }
}

static int64_t stored_get(const struct pat_column_part *part, uint32_t i) {
    switch (part->width) {
    case 0: return part->base;
    case 1: return part->data[i] == UINT8_MAX ? PAT_NULL : part->base + part->data[i];
    case 2: {
        const uint16_t code = ((const uint16_t *)(const void *)part->data)[i];
        return code == UINT16_MAX ? PAT_NULL : part->base + code;
    }
    case 4: {
        const uint32_t code = ((const uint32_t *)(const void *)part->data)[i];
        return code == UINT32_MAX ? PAT_NULL : part->base + (int64_t)code;
    }
    case PAT_WIDTH_PACKED: return pat_packed_get(part->data, part->start + i);
    default: return ((const int64_t *)(const void *)part->data)[i];
    }
}

void pat_strip__gather(const struct pat_strip *strip, const uint16_t *row, uint32_t rows, int64_t *out) {
    for (uint32_t i = 0; i < rows; i++) {
        int64_t value = stored_get(&strip->part, row[i]);
        if (value == PAT_NULL && strip->null_is_zero) value = 0;
        out[i] = value == PAT_NULL || !strip->mirrored ? value : strip->from - value;
    }
}
