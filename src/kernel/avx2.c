/* Four rows at a time. What does not fill a vector (or, for bitmaps, a word) goes to the scalar table, so that the
 * edges have one definition. */
#include "kernel/kernel.h"

#include <immintrin.h>
#include <string.h>

#define PAT_SMOOTH_LANES 4
#define PAT_SMOOTH_PAIRS load_pairs

static inline __m256d two_pairs(const double (*pair)[2], const uint32_t *at) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(pair[at[0]])), _mm_loadu_pd(pair[at[2]]), 1);
}

/* Entries `at` of a table of pairs. */
static inline void load_pairs(const double (*pair)[2], const uint32_t *at, __m256d *first, __m256d *second) {
    const __m256d even = two_pairs(pair, at), odd = two_pairs(pair, at + 1);
    *first = _mm256_unpacklo_pd(even, odd);
    *second = _mm256_unpackhi_pd(even, odd);
}

#include "kernel/place_private.h"
#include "kernel/smooth_private.h"
#include "kernel/window_private.h"

__extension__ typedef unsigned __int128 wide; /* two\'s complement */

static inline __m256i load4(const int64_t *in) {
    return _mm256_loadu_si256((const __m256i *)(const void *)in);
}
static inline void store4(int64_t *out, __m256i value) {
    _mm256_storeu_si256((__m256i *)(void *)out, value);
}
static inline unsigned lanes(__m256i mask) {
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(mask));
}

/* base + value, null where value is `ones`. */
static inline __m256i rebase(__m256i value, __m256i ones, __m256i base) {
    const __m256i null = _mm256_set1_epi64x(PAT_KERNEL_NULL);
    return _mm256_blendv_epi8(_mm256_add_epi64(value, base), null, _mm256_cmpeq_epi64(value, ones));
}

static void widen_u8(const uint8_t *in, size_t n, int64_t base, int64_t *out) {
    const __m256i bases = _mm256_set1_epi64x(base);
    const __m256i ones = _mm256_set1_epi64x(UINT8_MAX);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        int32_t four;
        memcpy(&four, in + i, 4);
        store4(out + i, rebase(_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four)), ones, bases));
    }
    pat_kernels_scalar.widen_u8(in + i, n - i, base, out + i);
}

static void widen_u16(const uint16_t *in, size_t n, int64_t base, int64_t *out) {
    const __m256i bases = _mm256_set1_epi64x(base);
    const __m256i ones = _mm256_set1_epi64x(UINT16_MAX);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m128i four = _mm_loadl_epi64((const __m128i *)(const void *)(in + i));
        store4(out + i, rebase(_mm256_cvtepu16_epi64(four), ones, bases));
    }
    pat_kernels_scalar.widen_u16(in + i, n - i, base, out + i);
}

static void widen_u32(const uint32_t *in, size_t n, int64_t base, int64_t *out) {
    const __m256i bases = _mm256_set1_epi64x(base);
    const __m256i ones = _mm256_set1_epi64x(UINT32_MAX);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m128i four = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        store4(out + i, rebase(_mm256_cvtepu32_epi64(four), ones, bases));
    }
    pat_kernels_scalar.widen_u32(in + i, n - i, base, out + i);
}

/* Low words of eight values less the base, all ones where they are null. */
static inline __m256i debase8(const int64_t *in, __m256i base) {
    const __m256i null = _mm256_set1_epi64x(PAT_KERNEL_NULL);
    const __m256i a = load4(in), b = load4(in + 4);
    const __m256i low = _mm256_or_si256(_mm256_sub_epi64(a, base), _mm256_cmpeq_epi64(a, null));
    const __m256i high = _mm256_or_si256(_mm256_sub_epi64(b, base), _mm256_cmpeq_epi64(b, null));
    const __m256 words =
        _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), _MM_SHUFFLE(2, 0, 2, 0));
    return _mm256_permute4x64_epi64(_mm256_castps_si256(words), _MM_SHUFFLE(3, 1, 2, 0));
}

/* The low halves of eight words. */
static inline __m128i halves(__m256i words) {
    const __m256i low = _mm256_and_si256(words, _mm256_set1_epi32(UINT16_MAX));
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), _MM_SHUFFLE(3, 1, 2, 0)));
}

static void narrow_u8(const int64_t *in, size_t n, int64_t base, unsigned char *out) {
    const __m256i bases = _mm256_set1_epi64x(base);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i low = _mm_and_si128(halves(debase8(in + i, bases)), _mm_set1_epi16(UINT8_MAX));
        _mm_storel_epi64((__m128i *)(void *)(out + i), _mm_packus_epi16(low, low));
    }
    pat_kernels_scalar.narrow_u8(in + i, n - i, base, out + i);
}

static void narrow_u16(const int64_t *in, size_t n, int64_t base, unsigned char *out) {
    const __m256i bases = _mm256_set1_epi64x(base);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm_storeu_si128((__m128i *)(void *)(out + i * 2), halves(debase8(in + i, bases)));
    pat_kernels_scalar.narrow_u16(in + i, n - i, base, out + i * 2);
}

static void narrow_u32(const int64_t *in, size_t n, int64_t base, unsigned char *out) {
    const __m256i bases = _mm256_set1_epi64x(base);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_si256((__m256i *)(void *)(out + i * 4), debase8(in + i, bases));
    pat_kernels_scalar.narrow_u32(in + i, n - i, base, out + i * 4);
}

static bool range(const int64_t *in, size_t n, int64_t *least, int64_t *greatest) {
    const __m256i null = _mm256_set1_epi64x(PAT_KERNEL_NULL);
    __m256i low = _mm256_set1_epi64x(INT64_MAX), high = null, nulls = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256i value = load4(in + i), here = _mm256_cmpeq_epi64(value, null);
        nulls = _mm256_or_si256(nulls, here);
        low = _mm256_blendv_epi8(low, value, _mm256_andnot_si256(here, _mm256_cmpgt_epi64(low, value)));
        high = _mm256_blendv_epi8(high, value, _mm256_cmpgt_epi64(value, high));
    }
    const bool has_null = pat_kernels_scalar.range(in + i, n - i, least, greatest) || lanes(nulls) != 0;
    int64_t lows[4], highs[4];
    store4(lows, low);
    store4(highs, high);
    for (unsigned k = 0; k < 4; k++) {
        if (lows[k] < *least) *least = lows[k];
        if (highs[k] > *greatest) *greatest = highs[k];
    }
    return has_null;
}

static void fill(int64_t value, size_t n, int64_t *out) {
    const __m256i values = _mm256_set1_epi64x(value);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) store4(out + i, values);
    pat_kernels_scalar.fill(value, n - i, out + i);
}

static void fill_null(int64_t value, size_t n, int64_t *values) {
    const __m256i null = _mm256_set1_epi64x(PAT_KERNEL_NULL);
    const __m256i fresh = _mm256_set1_epi64x(value);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256i old = load4(values + i);
        store4(values + i, _mm256_blendv_epi8(old, fresh, _mm256_cmpeq_epi64(old, null)));
    }
    pat_kernels_scalar.fill_null(value, n - i, values + i);
}

static void select_range(const int64_t *in, size_t n, int64_t low, int64_t high, uint64_t *out) {
    const __m256i lows = _mm256_set1_epi64x(low);
    const __m256i highs = _mm256_set1_epi64x(high);
    const __m256i null = _mm256_set1_epi64x(PAT_KERNEL_NULL);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 4) {
            const __m256i value = load4(in + i + j);
            const __m256i out_of =
                _mm256_or_si256(_mm256_or_si256(_mm256_cmpgt_epi64(lows, value), _mm256_cmpgt_epi64(value, highs)),
                                _mm256_cmpeq_epi64(value, null));
            word |= (uint64_t)(lanes(out_of) ^ 15u) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_range(in + i, n - i, low, high, out + i / 64);
}

static void select_null(const int64_t *in, size_t n, uint64_t *out) {
    const __m256i null = _mm256_set1_epi64x(PAT_KERNEL_NULL);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 4) word |= (uint64_t)lanes(_mm256_cmpeq_epi64(load4(in + i + j), null)) << j;
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_null(in + i, n - i, out + i / 64);
}

static void select_member(const int64_t *in, size_t n, const uint64_t *set, size_t set_bits, uint64_t *out) {
    const __m256i end = _mm256_set1_epi64x((int64_t)set_bits);
    const __m256i before = _mm256_set1_epi64x(-1);
    const __m256i low6 = _mm256_set1_epi64x(63);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 4) {
            const __m256i value = load4(in + i + j);
            const __m256i inside = _mm256_and_si256(_mm256_cmpgt_epi64(value, before), _mm256_cmpgt_epi64(end, value));
            /* Lanes outside are masked off, so the gather never reads behind the set. */
            const __m256i words = _mm256_mask_i64gather_epi64(
                _mm256_setzero_si256(), (const long long *)(const void *)set, _mm256_srli_epi64(value, 6), inside, 8);
            const __m256i bit = _mm256_srlv_epi64(words, _mm256_and_si256(value, low6));
            word |= (uint64_t)lanes(_mm256_slli_epi64(bit, 63)) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_member(in + i, n - i, set, set_bits, out + i / 64);
}

static inline __m256i load_codes(const void *in) {
    return _mm256_loadu_si256((const __m256i *)in);
}

static inline uint64_t reach_u32(const uint32_t *in, uint32_t flip, uint32_t least) {
    const __m256i flips = _mm256_set1_epi32((int)flip), leasts = _mm256_set1_epi32((int)least);
    const __m256i null = _mm256_set1_epi32(-1);
    uint64_t word = 0;
    for (unsigned j = 0; j < 64; j += 8) {
        const __m256i code = load_codes(in + j), value = _mm256_xor_si256(code, flips);
        const __m256i reaches = _mm256_cmpeq_epi32(_mm256_max_epu32(value, leasts), value);
        const __m256i known = _mm256_andnot_si256(_mm256_cmpeq_epi32(code, null), reaches);
        word |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(known)) << j;
    }
    return word;
}

static inline uint64_t reach_i64(const int64_t *in, int64_t flip, int64_t least) {
    const __m256i flips = _mm256_set1_epi64x(flip), leasts = _mm256_set1_epi64x(least);
    const __m256i null = _mm256_set1_epi64x(PAT_KERNEL_NULL);
    uint64_t word = 0;
    for (unsigned j = 0; j < 64; j += 4) {
        const __m256i own = load4(in + j);
        const __m256i out_of =
            _mm256_or_si256(_mm256_cmpgt_epi64(leasts, _mm256_xor_si256(own, flips)), _mm256_cmpeq_epi64(own, null));
        word |= (uint64_t)(lanes(out_of) ^ 15u) << j;
    }
    return word;
}

#include "kernel/top_private.h"

/* x within low..high, unsigned: neither limit moves it. */
static void select_range_u8(const uint8_t *in, size_t n, uint8_t low, uint8_t high, uint64_t *out) {
    const __m256i lows = _mm256_set1_epi8((char)low);
    const __m256i highs = _mm256_set1_epi8((char)high);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 32) {
            const __m256i code = load_codes(in + i + j);
            const __m256i inside = _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_max_epu8(code, lows), code),
                                                    _mm256_cmpeq_epi8(_mm256_min_epu8(code, highs), code));
            word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(inside) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_range_u8(in + i, n - i, low, high, out + i / 64);
}

static void select_range_u16(const uint16_t *in, size_t n, uint16_t low, uint16_t high, uint64_t *out) {
    const __m256i lows = _mm256_set1_epi16((short)low);
    const __m256i highs = _mm256_set1_epi16((short)high);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 32) {
            __m256i inside[2];
            for (unsigned half = 0; half < 2; half++) {
                const __m256i code = load_codes(in + i + j + (size_t)half * 16);
                inside[half] = _mm256_and_si256(_mm256_cmpeq_epi16(_mm256_max_epu16(code, lows), code),
                                                _mm256_cmpeq_epi16(_mm256_min_epu16(code, highs), code));
            }
            /* Packing works within halves of a register: the quarters come out as 0 2 1 3. */
            const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(inside[0], inside[1]), 0xd8);
            word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(bytes) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_range_u16(in + i, n - i, low, high, out + i / 64);
}

static void select_range_u32(const uint32_t *in, size_t n, uint32_t low, uint32_t high, uint64_t *out) {
    const __m256i lows = _mm256_set1_epi32((int)low);
    const __m256i highs = _mm256_set1_epi32((int)high);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 8) {
            const __m256i code = load_codes(in + i + j);
            const __m256i inside = _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_max_epu32(code, lows), code),
                                                    _mm256_cmpeq_epi32(_mm256_min_epu32(code, highs), code));
            word |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(inside)) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_range_u32(in + i, n - i, low, high, out + i / 64);
}

/* A code's upper five bits name a byte of the set, its lower three a bit of that. */
static void select_member_u8(const uint8_t *in, size_t n, const uint64_t set[4], uint64_t *out) {
    const __m256i first = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)set));
    const __m256i second = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(set + 2)));
    const __m256i bits = _mm256_set1_epi64x((int64_t)UINT64_C(0x8040201008040201));
    const __m256i low3 = _mm256_set1_epi8(7);
    const __m256i low4 = _mm256_set1_epi8(15);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 32) {
            const __m256i code = load_codes(in + i + j);
            const __m256i byte = _mm256_and_si256(_mm256_srli_epi16(code, 3), low4);
            const __m256i row =
                _mm256_blendv_epi8(_mm256_shuffle_epi8(first, byte), _mm256_shuffle_epi8(second, byte), code);
            const __m256i bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(code, low3));
            const __m256i inside = _mm256_cmpeq_epi8(_mm256_and_si256(row, bit), bit);
            word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(inside) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_member_u8(in + i, n - i, set, out + i / 64);
}

static inline __m256i load_words(const uint64_t *words) {
    return _mm256_loadu_si256((const __m256i *)(const void *)words);
}
static inline void store_words(uint64_t *words, __m256i value) {
    _mm256_storeu_si256((__m256i *)(void *)words, value);
}

static void bits_and(uint64_t *a, const uint64_t *b, size_t words) {
    size_t i = 0;
    for (; i + 4 <= words; i += 4) store_words(a + i, _mm256_and_si256(load_words(a + i), load_words(b + i)));
    pat_kernels_scalar.bits_and(a + i, b + i, words - i);
}

static void bits_or(uint64_t *a, const uint64_t *b, size_t words) {
    size_t i = 0;
    for (; i + 4 <= words; i += 4) store_words(a + i, _mm256_or_si256(load_words(a + i), load_words(b + i)));
    pat_kernels_scalar.bits_or(a + i, b + i, words - i);
}

static void bits_andnot(uint64_t *a, const uint64_t *b, size_t words) {
    size_t i = 0;
    for (; i + 4 <= words; i += 4) store_words(a + i, _mm256_andnot_si256(load_words(b + i), load_words(a + i)));
    pat_kernels_scalar.bits_andnot(a + i, b + i, words - i);
}

static uint64_t bits_count(const uint64_t *a, size_t words) {
    uint64_t count = 0;
    for (size_t i = 0; i < words; i++) count += (uint64_t)_mm_popcnt_u64(a[i]);
    return count;
}

/* The lanes of `in` whose bit (0..3 of `four`) is on and that are not null, as a mask. */
static inline __m256i wanted(__m256i value, unsigned four) {
    const __m256i bit = _mm256_set_epi64x(8, 4, 2, 1);
    const __m256i on = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((int64_t)four), bit), bit);
    return _mm256_andnot_si256(_mm256_cmpeq_epi64(value, _mm256_set1_epi64x(PAT_KERNEL_NULL)), on);
}

static inline wide lanes_sum(__m256i low, __m256i high) {
    uint64_t lows[4], highs[4];
    store_words(lows, low);
    store_words(highs, high);
    wide total = 0;
    for (unsigned k = 0; k < 4; k++) total += (wide)lows[k] + ((wide)highs[k] << 32);
    return total;
}

/* Biased by 2^63 a value is unsigned; its halves of 32 bits are summed apart, which 2^32 rows cannot overflow. The bias
 * makes null zero, too. */
static void sum(const int64_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum_low,
                int64_t *sum_high) {
    const __m256i bias = _mm256_set1_epi64x(INT64_MIN);
    const __m256i low32 = _mm256_set1_epi64x(UINT32_MAX);
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    uint64_t rows = 0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 4) {
            const __m256i value = load4(in + i + j);
            const __m256i mask = wanted(value, (unsigned)(word >> j) & 15u);
            const __m256i part = _mm256_and_si256(_mm256_xor_si256(value, bias), mask);
            low = _mm256_add_epi64(low, _mm256_and_si256(part, low32));
            high = _mm256_add_epi64(high, _mm256_srli_epi64(part, 32));
            rows += (uint64_t)_mm_popcnt_u32(lanes(mask));
        }
    }
    uint64_t tail_rows, tail_low;
    int64_t tail_high;
    pat_kernels_scalar.sum(in + i, bits + i / 64, n - i, &tail_rows, &tail_low, &tail_high);
    const wide tail = (wide)(uint64_t)tail_high << 64 | tail_low;
    const wide total = (wide)lanes_sum(low, high) - ((wide)rows << 63) + tail;
    *count = rows + tail_rows;
    *sum_low = (uint64_t)total;
    *sum_high = (int64_t)(total >> 64);
}

static void bounds(const int64_t *in, const uint64_t *bits, size_t n, int64_t *least, int64_t *greatest) {
    __m256i low = _mm256_set1_epi64x(INT64_MAX);
    __m256i high = _mm256_set1_epi64x(INT64_MIN);
    unsigned any = 0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 4) {
            const __m256i value = load4(in + i + j);
            const __m256i mask = wanted(value, (unsigned)(word >> j) & 15u);
            any |= lanes(mask);
            low = _mm256_blendv_epi8(low, value, _mm256_and_si256(mask, _mm256_cmpgt_epi64(low, value)));
            high = _mm256_blendv_epi8(high, value, _mm256_and_si256(mask, _mm256_cmpgt_epi64(value, high)));
        }
    }
    /* The lanes and the tail are few rows more for the scalar table; lanes that saw nothing must not take part. */
    int64_t rest[64 + 8];
    size_t rest_rows = n - i;
    uint64_t on[2] = {rest_rows > 0 ? bits[i / 64] & (((uint64_t)1 << rest_rows) - 1) : 0, 0};
    memcpy(rest, in + i, rest_rows * sizeof *rest);
    if (any != 0) {
        store4(rest + rest_rows, low);
        store4(rest + rest_rows + 4, high);
        for (unsigned k = 0; k < 8; k++) {
            const unsigned lane = k % 4;
            if ((any >> lane & 1) != 0) on[(rest_rows + k) / 64] |= (uint64_t)1 << (rest_rows + k) % 64;
        }
        rest_rows += 8;
    }
    pat_kernels_scalar.bounds(rest, on, rest_rows, least, greatest);
}

/* How many of n ascending days are below `bound`, 16 at a time. What is read behind the last one is masked off. */
static inline uint32_t days_below(const uint16_t *day, uint32_t n, uint32_t bound) {
    if (bound == 0) return 0;
    const __m256i most = _mm256_set1_epi16((short)(uint16_t)(bound - 1));
    uint32_t below = 0;
    for (uint32_t i = 0; i < n; i += 16) {
        const __m256i days = _mm256_loadu_si256((const __m256i *)(const void *)(day + i));
        const __m256i within = _mm256_cmpeq_epi16(_mm256_min_epu16(days, most), days);
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(within);
        if (n - i < 16) mask &= ((uint32_t)1 << (2 * (n - i))) - 1;
        below += (uint32_t)_mm_popcnt_u32(mask) / 2;
        if (below < i + 16) break;
    }
    return below;
}

static inline int64_t sum_nets(const int32_t *net, uint32_t n) {
    __m256i sums = _mm256_setzero_si256();
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m128i four = _mm_loadu_si128((const __m128i *)(const void *)(net + i));
        sums = _mm256_add_epi64(sums, _mm256_cvtepi32_epi64(four));
    }
    const __m128i halves = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    int64_t total = _mm_cvtsi128_si64(halves) + _mm_extract_epi64(halves, 1);
    for (; i < n; i++) total += net[i];
    return total;
}

/* The sum of net[from .. until - 1], until <= 16. */
static inline int64_t sum_few(const int32_t *net, uint32_t from, uint32_t until) {
    const __m256i place = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i sums = _mm256_setzero_si256();
    for (uint32_t i = 0; i < 16; i += 8) {
        const __m256i at = _mm256_add_epi32(place, _mm256_set1_epi32((int)i));
        const __m256i wanted = _mm256_and_si256(_mm256_cmpgt_epi32(at, _mm256_set1_epi32((int)from - 1)),
                                                _mm256_cmpgt_epi32(_mm256_set1_epi32((int)until), at));
        /* Not a masked load, which is slow where it must not fault (avx512.c). */
        const __m256i nets = _mm256_and_si256(load_codes(net + i), wanted);
        sums = _mm256_add_epi64(sums, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(nets)));
        sums = _mm256_add_epi64(sums, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(nets, 1)));
    }
    const __m128i halves = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return _mm_cvtsi128_si64(halves) + _mm_extract_epi64(halves, 1);
}

/* Customers ahead whose entries are asked for: some thousand bytes, which hide the time that memory takes. */
#define AHEAD 32u

static inline void ask_ahead(uint32_t offset, const uint16_t *day, const int32_t *net) {
    _mm_prefetch((const char *)(day + offset), _MM_HINT_T0);
    _mm_prefetch((const char *)(net + offset), _MM_HINT_T0);
    _mm_prefetch((const char *)(net + offset + 16), _MM_HINT_T0);
}

static void run_window(const uint32_t *offset, size_t n, const uint16_t *day, const int32_t *net, uint32_t low,
                       uint32_t high, int32_t base, uint32_t *all, uint32_t *count, int64_t *sums, int32_t *last) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t first = offset[i], entries = offset[i + 1] - first;
        if (i + AHEAD < n) ask_ahead(offset[i + AHEAD], day, net);
        const uint32_t until = days_below(day + first, entries, high);
        const uint32_t from = days_below(day + first, until, low);
        count[i] = until - from;
        if (all != NULL) all[i] = until;
        if (sums != NULL) {
            sums[i] = entries <= 16 ? sum_few(net + first, from, until) : sum_nets(net + first + from, until - from);
        }
        if (last != NULL) last[i] = until == 0 ? INT32_MIN : base + day[first + until - 1];
    }
}

/* The halves of 32 bits of each lane, summed in 64. */
static inline __m256i add_halves(__m256i sum, __m256i value) {
    const __m256i low32 = _mm256_set1_epi64x(UINT32_MAX);
    return _mm256_add_epi64(_mm256_add_epi64(sum, _mm256_and_si256(value, low32)), _mm256_srli_epi64(value, 32));
}

static void sum_u8(const uint8_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    const __m256i ones = _mm256_set1_epi8(-1);
    const __m256i bit = _mm256_set1_epi64x((int64_t)UINT64_C(0x8040201008040201));
    /* Byte k of the mask is spread over bytes 8 k to 8 k + 7. */
    const __m256i spread =
        _mm256_set_epi64x(INT64_C(0x0303030303030303), INT64_C(0x0202020202020202), INT64_C(0x0101010101010101), 0);
    __m256i total = _mm256_setzero_si256();
    uint64_t rows = 0, tail_rows, tail_sum;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        if (bits[i / 64] == 0) continue;
        for (unsigned j = 0; j < 64; j += 32) {
            const __m256i code = load_codes(in + i + j);
            const __m256i word = _mm256_set1_epi32((int)(uint32_t)(bits[i / 64] >> j));
            const __m256i on = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(word, spread), bit), bit);
            const __m256i mask = _mm256_andnot_si256(_mm256_cmpeq_epi8(code, ones), on);
            total = _mm256_add_epi64(total, _mm256_sad_epu8(_mm256_and_si256(code, mask), _mm256_setzero_si256()));
            rows += (uint64_t)_mm_popcnt_u32((uint32_t)_mm256_movemask_epi8(mask));
        }
    }
    pat_kernels_scalar.sum_u8(in + i, bits + i / 64, n - i, &tail_rows, &tail_sum);
    *count = rows + tail_rows;
    *sum = (uint64_t)lanes_sum(total, _mm256_setzero_si256()) + tail_sum;
}

static void sum_u16(const uint16_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    const __m256i ones = _mm256_set1_epi16(-1);
    const __m256i low16 = _mm256_set1_epi32(UINT16_MAX);
    const __m256i bit = _mm256_set_epi16(INT16_MIN, 1 << 14, 1 << 13, 1 << 12, 1 << 11, 1 << 10, 1 << 9, 1 << 8, 1 << 7,
                                         1 << 6, 1 << 5, 1 << 4, 1 << 3, 1 << 2, 1 << 1, 1);
    __m256i total = _mm256_setzero_si256();
    uint64_t rows = 0, tail_rows, tail_sum;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 16) {
            const __m256i code = load_codes(in + i + j);
            const __m256i words = _mm256_set1_epi16((short)(uint16_t)(word >> j));
            const __m256i on = _mm256_cmpeq_epi16(_mm256_and_si256(words, bit), bit);
            const __m256i mask = _mm256_andnot_si256(_mm256_cmpeq_epi16(code, ones), on);
            const __m256i part = _mm256_and_si256(code, mask);
            total = add_halves(total, _mm256_add_epi32(_mm256_and_si256(part, low16), _mm256_srli_epi32(part, 16)));
            rows += (uint64_t)_mm_popcnt_u32((uint32_t)_mm256_movemask_epi8(mask)) / 2;
        }
    }
    pat_kernels_scalar.sum_u16(in + i, bits + i / 64, n - i, &tail_rows, &tail_sum);
    *count = rows + tail_rows;
    *sum = (uint64_t)lanes_sum(total, _mm256_setzero_si256()) + tail_sum;
}

static void sum_u32(const uint32_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    const __m256i ones = _mm256_set1_epi32(-1);
    const __m256i bit = _mm256_set_epi32(128, 64, 32, 16, 8, 4, 2, 1);
    __m256i total = _mm256_setzero_si256();
    uint64_t rows = 0, tail_rows, tail_sum;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 8) {
            const __m256i code = load_codes(in + i + j);
            const __m256i words = _mm256_set1_epi32((int)(uint32_t)(word >> j));
            const __m256i on = _mm256_cmpeq_epi32(_mm256_and_si256(words, bit), bit);
            const __m256i mask = _mm256_andnot_si256(_mm256_cmpeq_epi32(code, ones), on);
            total = add_halves(total, _mm256_and_si256(code, mask));
            rows += (uint64_t)_mm_popcnt_u32((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(mask)));
        }
    }
    pat_kernels_scalar.sum_u32(in + i, bits + i / 64, n - i, &tail_rows, &tail_sum);
    *count = rows + tail_rows;
    *sum = (uint64_t)lanes_sum(total, _mm256_setzero_si256()) + tail_sum;
}

/* Doubles of 64-bit integers are not in this table's instructions, four at a time; one at a time they are. */
static void bucket(const int64_t *in, size_t n, uint16_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = pat_kernel_bucket(in[i]);
}

/* Products of 64 bits from those of 32: the two that cross count above, the upper ones nowhere. */
static void hash(const int64_t *key, size_t n, uint64_t *out) {
    const __m256i factor = _mm256_set1_epi64x((int64_t)PAT_HASH_FACTOR);
    const __m256i factor_high = _mm256_srli_epi64(factor, 32);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256i *const to = (__m256i *)(void *)(out + i);
        const __m256i mixed = _mm256_xor_si256(_mm256_loadu_si256(to), load4(key + i));
        const __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(mixed, 32), factor),
                                               _mm256_mul_epu32(mixed, factor_high));
        const __m256i product = _mm256_add_epi64(_mm256_mul_epu32(mixed, factor), _mm256_slli_epi64(cross, 32));
        _mm256_storeu_si256(to, _mm256_xor_si256(product, _mm256_srli_epi64(product, 29)));
    }
    pat_kernels_scalar.hash(key + i, n - i, out + i);
}

/* A customer in few months is a loop of few steps; one in many has eight columns compared at a time. */
static void count_bits(const uint64_t *bits, const uint16_t *row, size_t n, size_t columns, size_t stride,
                       uint32_t *cell) {
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const uint64_t wanted = _bzhi_u64(UINT64_MAX, (unsigned)columns);
    for (size_t i = 0; i < n; i++) {
        uint32_t *const cells = cell + row[i] * stride;
        uint64_t rest = bits[i] & wanted;
        size_t k = 0;
        for (; _mm_popcnt_u64(rest) > 4 && k + 8 <= columns; k += 8, rest >>= 8) {
            __m256i *const eight = (__m256i *)(void *)(cells + k);
            const __m256i on = _mm256_and_si256(_mm256_set1_epi32((int)(rest & 0xff)), bit);
            const __m256i grown = _mm256_cmpeq_epi32(on, bit); /* minus one */
            _mm256_storeu_si256(eight, _mm256_sub_epi32(_mm256_loadu_si256(eight), grown));
        }
        for (; rest != 0; rest &= rest - 1) cells[k + (size_t)_tzcnt_u64(rest)]++;
    }
}

/* Bits of 32 bytes: what ends a cell, or a plain one, and is no delimiter. */
static inline uint32_t other_ends(__m256i bytes) {
    const __m256i lines = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\n')),
                                          _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\r')));
    const __m256i odd = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"')),
                                        _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256()));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(lines, odd));
}

/* Places of the bits in fours: how many fours there are is foretold more often than how many bits. */
static size_t cell_ends(const uint8_t *text, size_t n, uint8_t delimiter, uint32_t *out, size_t *others) {
    const __m256i delimiters = _mm256_set1_epi8((char)delimiter);
    size_t i = 0, count = 0;
    *others = 0;
    for (; i + 64 <= n; i += 64) {
        const __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(text + i));
        const __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(text + i + 32));
        const uint64_t other = other_ends(low) | (uint64_t)other_ends(high) << 32;
        const uint32_t own_low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, delimiters));
        const uint32_t own_high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, delimiters));
        uint64_t bits = other | own_low | (uint64_t)own_high << 32;
        const size_t found = (size_t)_mm_popcnt_u64(bits);
        for (size_t k = 0; k < found; k += 4) {
            for (size_t j = 0; j < 4; j++, bits = _blsr_u64(bits)) {
                out[count + k + j] = (uint32_t)(i + (size_t)_tzcnt_u64(bits));
            }
        }
        *others += (size_t)_mm_popcnt_u64(other);
        count += found;
    }
    return count + pat_kernel_cell_ends_edge(text, i, n, delimiter, out + count, others);
}

const struct pat_kernels pat_kernels_avx2 = {
    .name = "avx2",
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
    .hash = hash,
    .cell_ends = cell_ends,
    PAT_PLACE_KERNELS,
    PAT_TOP_KERNELS,
    PAT_WINDOW_KERNELS,
    PAT_SMOOTH_KERNELS,
};
