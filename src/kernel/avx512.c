/* Eight rows at a time, with mask registers instead of compare vectors. The edges go to the scalar table as in avx2.c.
 */
#include "kernel/kernel.h"

#include <immintrin.h>
#include <stdbool.h>

#define PAT_SMOOTH_LANES 8
#define PAT_SMOOTH_PAIRS load_pairs

static inline __m512d four_pairs(const double (*pair)[2], const uint32_t *at) {
    const __m256d low =
        _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(pair[at[0]])), _mm_loadu_pd(pair[at[2]]), 1);
    const __m256d high =
        _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(pair[at[4]])), _mm_loadu_pd(pair[at[6]]), 1);
    return _mm512_insertf64x4(_mm512_castpd256_pd512(low), high, 1);
}

/* Entries `at` of a table of pairs. Half the loads of gathers, which also wait for their target's old value. */
static inline void load_pairs(const double (*pair)[2], const uint32_t *at, __m512d *first, __m512d *second) {
    const __m512d even = four_pairs(pair, at), odd = four_pairs(pair, at + 1);
    *first = _mm512_unpacklo_pd(even, odd);
    *second = _mm512_unpackhi_pd(even, odd);
}

#include "kernel/place_private.h"
#include "kernel/smooth_private.h"
#include "kernel/window_private.h"

__extension__ typedef unsigned __int128 wide; /* two\'s complement */

static inline __m512i rebase(__m512i value, __m512i ones, __m512i base) {
    const __m512i null = _mm512_set1_epi64(PAT_KERNEL_NULL);
    return _mm512_mask_mov_epi64(_mm512_add_epi64(value, base), _mm512_cmpeq_epi64_mask(value, ones), null);
}

static void widen_u8(const uint8_t *in, size_t n, int64_t base, int64_t *out) {
    const __m512i bases = _mm512_set1_epi64(base);
    const __m512i ones = _mm512_set1_epi64(UINT8_MAX);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)(in + i));
        _mm512_storeu_si512(out + i, rebase(_mm512_cvtepu8_epi64(eight), ones, bases));
    }
    pat_kernels_scalar.widen_u8(in + i, n - i, base, out + i);
}

static void widen_u16(const uint16_t *in, size_t n, int64_t base, int64_t *out) {
    const __m512i bases = _mm512_set1_epi64(base);
    const __m512i ones = _mm512_set1_epi64(UINT16_MAX);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i eight = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        _mm512_storeu_si512(out + i, rebase(_mm512_cvtepu16_epi64(eight), ones, bases));
    }
    pat_kernels_scalar.widen_u16(in + i, n - i, base, out + i);
}

static void widen_u32(const uint32_t *in, size_t n, int64_t base, int64_t *out) {
    const __m512i bases = _mm512_set1_epi64(base);
    const __m512i ones = _mm512_set1_epi64(UINT32_MAX);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i eight = _mm256_loadu_si256((const __m256i *)(const void *)(in + i));
        _mm512_storeu_si512(out + i, rebase(_mm512_cvtepu32_epi64(eight), ones, bases));
    }
    pat_kernels_scalar.widen_u32(in + i, n - i, base, out + i);
}

/* Eight values less the base, all ones where they are null. */
static inline __m512i debase(const int64_t *in, __m512i base) {
    const __m512i value = _mm512_loadu_si512(in);
    const __mmask8 null = _mm512_cmpeq_epi64_mask(value, _mm512_set1_epi64(PAT_KERNEL_NULL));
    return _mm512_mask_mov_epi64(_mm512_sub_epi64(value, base), null, _mm512_set1_epi64(-1));
}

static void narrow_u8(const int64_t *in, size_t n, int64_t base, unsigned char *out) {
    const __m512i bases = _mm512_set1_epi64(base);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storel_epi64((__m128i *)(void *)(out + i), _mm512_cvtepi64_epi8(debase(in + i, bases)));
    pat_kernels_scalar.narrow_u8(in + i, n - i, base, out + i);
}

static void narrow_u16(const int64_t *in, size_t n, int64_t base, unsigned char *out) {
    const __m512i bases = _mm512_set1_epi64(base);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(out + i * 2), _mm512_cvtepi64_epi16(debase(in + i, bases)));
    pat_kernels_scalar.narrow_u16(in + i, n - i, base, out + i * 2);
}

static void narrow_u32(const int64_t *in, size_t n, int64_t base, unsigned char *out) {
    const __m512i bases = _mm512_set1_epi64(base);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_si256((__m256i *)(void *)(out + i * 4), _mm512_cvtepi64_epi32(debase(in + i, bases)));
    pat_kernels_scalar.narrow_u32(in + i, n - i, base, out + i * 4);
}

static bool range(const int64_t *in, size_t n, int64_t *least, int64_t *greatest) {
    const __m512i null = _mm512_set1_epi64(PAT_KERNEL_NULL);
    __m512i low = _mm512_set1_epi64(INT64_MAX), high = null;
    __mmask8 nulls = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m512i value = _mm512_loadu_si512(in + i);
        const __mmask8 here = _mm512_cmpeq_epi64_mask(value, null);
        nulls = (__mmask8)(nulls | here);
        low = _mm512_mask_min_epi64(low, (__mmask8)~here, low, value);
        high = _mm512_max_epi64(high, value);
    }
    const bool edge = pat_kernels_scalar.range(in + i, n - i, least, greatest);
    const int64_t low_here = _mm512_reduce_min_epi64(low), high_here = _mm512_reduce_max_epi64(high);
    if (low_here < *least) *least = low_here;
    if (high_here > *greatest) *greatest = high_here;
    return edge || nulls != 0;
}

static void fill(int64_t value, size_t n, int64_t *out) {
    const __m512i values = _mm512_set1_epi64(value);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm512_storeu_si512(out + i, values);
    pat_kernels_scalar.fill(value, n - i, out + i);
}

static void fill_null(int64_t value, size_t n, int64_t *values) {
    const __m512i null = _mm512_set1_epi64(PAT_KERNEL_NULL);
    const __m512i fresh = _mm512_set1_epi64(value);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m512i old = _mm512_loadu_si512(values + i);
        _mm512_storeu_si512(values + i, _mm512_mask_mov_epi64(old, _mm512_cmpeq_epi64_mask(old, null), fresh));
    }
    pat_kernels_scalar.fill_null(value, n - i, values + i);
}

static void select_range(const int64_t *in, size_t n, int64_t low, int64_t high, uint64_t *out) {
    const __m512i lows =
        _mm512_set1_epi64(low > PAT_KERNEL_NULL ? low : PAT_KERNEL_NULL + 1); /* null is below every low */
    const __m512i highs = _mm512_set1_epi64(high);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 8) {
            const __m512i value = _mm512_loadu_si512(in + i + j);
            const __mmask8 above = _mm512_cmp_epi64_mask(lows, value, _MM_CMPINT_LE);
            word |= (uint64_t)_mm512_mask_cmp_epi64_mask(above, value, highs, _MM_CMPINT_LE) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_range(in + i, n - i, low, high, out + i / 64);
}

static void select_null(const int64_t *in, size_t n, uint64_t *out) {
    const __m512i null = _mm512_set1_epi64(PAT_KERNEL_NULL);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 8)
            word |= (uint64_t)_mm512_cmpeq_epi64_mask(_mm512_loadu_si512(in + i + j), null) << j;
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_null(in + i, n - i, out + i / 64);
}

/* Words of `set` for the wanted lanes, zero for the others, which are not read. Without optimization the intrinsic is a
 * macro with a conversion of its own that gcc warns of. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static inline __m512i gather(const uint64_t *set, __m512i word, __mmask8 wanted) {
    return _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), wanted, word, set, 8);
}
#pragma GCC diagnostic pop

static void select_member(const int64_t *in, size_t n, const uint64_t *set, size_t set_bits, uint64_t *out) {
    const __m512i end = _mm512_set1_epi64((int64_t)set_bits);
    const __m512i one = _mm512_set1_epi64(1);
    const __m512i low6 = _mm512_set1_epi64(63);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 8) {
            const __m512i value = _mm512_loadu_si512(in + i + j);
            /* Unsigned, so that null and other negatives are outside. */
            const __mmask8 inside = _mm512_cmplt_epu64_mask(value, end);
            const __m512i words = gather(set, _mm512_srli_epi64(value, 6), inside);
            const __m512i bit = _mm512_sllv_epi64(one, _mm512_and_si512(value, low6));
            word |= (uint64_t)_mm512_mask_test_epi64_mask(inside, words, bit) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_member(in + i, n - i, set, set_bits, out + i / 64);
}

static void select_range_u8(const uint8_t *in, size_t n, uint8_t low, uint8_t high, uint64_t *out) {
    const __m512i lows = _mm512_set1_epi8((char)low);
    const __m512i highs = _mm512_set1_epi8((char)high);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i code = _mm512_loadu_si512(in + i);
        out[i / 64] = _mm512_mask_cmple_epu8_mask(_mm512_cmple_epu8_mask(lows, code), code, highs);
    }
    pat_kernels_scalar.select_range_u8(in + i, n - i, low, high, out + i / 64);
}

static void select_range_u16(const uint16_t *in, size_t n, uint16_t low, uint16_t high, uint64_t *out) {
    const __m512i lows = _mm512_set1_epi16((short)low);
    const __m512i highs = _mm512_set1_epi16((short)high);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 32) {
            const __m512i code = _mm512_loadu_si512(in + i + j);
            word |= (uint64_t)_mm512_mask_cmple_epu16_mask(_mm512_cmple_epu16_mask(lows, code), code, highs) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_range_u16(in + i, n - i, low, high, out + i / 64);
}

static void select_range_u32(const uint32_t *in, size_t n, uint32_t low, uint32_t high, uint64_t *out) {
    const __m512i lows = _mm512_set1_epi32((int)low);
    const __m512i highs = _mm512_set1_epi32((int)high);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 64; j += 16) {
            const __m512i code = _mm512_loadu_si512(in + i + j);
            word |= (uint64_t)_mm512_mask_cmple_epu32_mask(_mm512_cmple_epu32_mask(lows, code), code, highs) << j;
        }
        out[i / 64] = word;
    }
    pat_kernels_scalar.select_range_u32(in + i, n - i, low, high, out + i / 64);
}

static inline uint64_t reach_u32(const uint32_t *in, uint32_t flip, uint32_t least) {
    const __m512i flips = _mm512_set1_epi32((int)flip), leasts = _mm512_set1_epi32((int)least);
    const __m512i null = _mm512_set1_epi32(-1);
    uint64_t word = 0;
    for (unsigned j = 0; j < 64; j += 16) {
        const __m512i code = _mm512_loadu_si512(in + j);
        const __mmask16 known = _mm512_cmpneq_epu32_mask(code, null);
        word |= (uint64_t)_mm512_mask_cmpge_epu32_mask(known, _mm512_xor_si512(code, flips), leasts) << j;
    }
    return word;
}

static inline uint64_t reach_i64(const int64_t *in, int64_t flip, int64_t least) {
    const __m512i flips = _mm512_set1_epi64(flip), leasts = _mm512_set1_epi64(least);
    const __m512i null = _mm512_set1_epi64(PAT_KERNEL_NULL);
    uint64_t word = 0;
    for (unsigned j = 0; j < 64; j += 8) {
        const __m512i own = _mm512_loadu_si512(in + j);
        const __mmask8 known = _mm512_cmpneq_epi64_mask(own, null);
        word |= (uint64_t)_mm512_mask_cmpge_epi64_mask(known, _mm512_xor_si512(own, flips), leasts) << j;
    }
    return word;
}

#include "kernel/top_private.h"

/* As in avx2.c: a code's upper five bits name a byte of the set, its lower three a bit of that. */
static void select_member_u8(const uint8_t *in, size_t n, const uint64_t set[4], uint64_t *out) {
    const __m512i first = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)set));
    const __m512i second = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(set + 2)));
    const __m512i bits = _mm512_set1_epi64((int64_t)UINT64_C(0x8040201008040201));
    const __m512i low3 = _mm512_set1_epi8(7);
    const __m512i low4 = _mm512_set1_epi8(15);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i code = _mm512_loadu_si512(in + i);
        const __m512i byte = _mm512_and_si512(_mm512_srli_epi16(code, 3), low4);
        const __m512i row =
            _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(first, byte), _mm512_movepi8_mask(code), second, byte);
        out[i / 64] = _mm512_test_epi8_mask(row, _mm512_shuffle_epi8(bits, _mm512_and_si512(code, low3)));
    }
    pat_kernels_scalar.select_member_u8(in + i, n - i, set, out + i / 64);
}

static void bits_and(uint64_t *a, const uint64_t *b, size_t words) {
    size_t i = 0;
    for (; i + 8 <= words; i += 8)
        _mm512_storeu_si512(a + i, _mm512_and_si512(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i)));
    pat_kernels_scalar.bits_and(a + i, b + i, words - i);
}

static void bits_or(uint64_t *a, const uint64_t *b, size_t words) {
    size_t i = 0;
    for (; i + 8 <= words; i += 8)
        _mm512_storeu_si512(a + i, _mm512_or_si512(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i)));
    pat_kernels_scalar.bits_or(a + i, b + i, words - i);
}

static void bits_andnot(uint64_t *a, const uint64_t *b, size_t words) {
    size_t i = 0;
    for (; i + 8 <= words; i += 8)
        _mm512_storeu_si512(a + i, _mm512_andnot_si512(_mm512_loadu_si512(b + i), _mm512_loadu_si512(a + i)));
    pat_kernels_scalar.bits_andnot(a + i, b + i, words - i);
}

static uint64_t bits_count(const uint64_t *a, size_t words) {
    uint64_t count = 0;
    for (size_t i = 0; i < words; i++) count += (uint64_t)_mm_popcnt_u64(a[i]);
    return count;
}

/* Halves of the biased value, as in avx2.c. */
static void sum(const int64_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum_low,
                int64_t *sum_high) {
    const __m512i bias = _mm512_set1_epi64(INT64_MIN);
    const __m512i low32 = _mm512_set1_epi64(UINT32_MAX);
    __m512i low = _mm512_setzero_si512();
    __m512i high = _mm512_setzero_si512();
    uint64_t rows = 0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 8) {
            const __m512i value = _mm512_loadu_si512(in + i + j);
            const __mmask8 mask = _mm512_mask_cmpneq_epi64_mask((__mmask8)(word >> j), value, bias);
            const __m512i part = _mm512_xor_si512(value, bias);
            low = _mm512_mask_add_epi64(low, mask, low, _mm512_and_si512(part, low32));
            high = _mm512_mask_add_epi64(high, mask, high, _mm512_srli_epi64(part, 32));
            rows += (uint64_t)_mm_popcnt_u32(mask);
        }
    }
    uint64_t lows[8], highs[8], tail_rows, tail_low;
    int64_t tail_high;
    _mm512_storeu_si512(lows, low);
    _mm512_storeu_si512(highs, high);
    pat_kernels_scalar.sum(in + i, bits + i / 64, n - i, &tail_rows, &tail_low, &tail_high);
    wide total = (wide)(uint64_t)tail_high << 64 | tail_low;
    for (unsigned k = 0; k < 8; k++) total += (wide)lows[k] + ((wide)highs[k] << 32);
    total -= (wide)rows << 63;
    *count = rows + tail_rows;
    *sum_low = (uint64_t)total;
    *sum_high = (int64_t)(total >> 64);
}

static void bounds(const int64_t *in, const uint64_t *bits, size_t n, int64_t *least, int64_t *greatest) {
    const __m512i null = _mm512_set1_epi64(PAT_KERNEL_NULL);
    __m512i low = _mm512_set1_epi64(INT64_MAX);
    __m512i high = _mm512_set1_epi64(INT64_MIN);
    bool any = false;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 8) {
            const __m512i value = _mm512_loadu_si512(in + i + j);
            const __mmask8 mask = _mm512_mask_cmpneq_epi64_mask((__mmask8)(word >> j), value, null);
            any = any || mask != 0;
            low = _mm512_mask_min_epi64(low, mask, low, value);
            high = _mm512_mask_max_epi64(high, mask, high, value);
        }
    }
    int64_t tail_least = INT64_MAX;
    int64_t tail_greatest = INT64_MIN;
    pat_kernels_scalar.bounds(in + i, bits + i / 64, n - i, &tail_least, &tail_greatest);
    const bool tail = tail_greatest != INT64_MIN; /* null itself is never a greatest value */
    if (!any && !tail) return;
    const int64_t body_least = _mm512_reduce_min_epi64(low);
    const int64_t body_greatest = _mm512_reduce_max_epi64(high);
    *least = body_least < tail_least ? body_least : tail_least;
    *greatest = body_greatest > tail_greatest ? body_greatest : tail_greatest;
}

/* ---- runs ---- */

/* The nets are read as they lie, and only then masked: a load whose unwanted lanes are masked off does not fault, so
 * that a page which the processor has no translation of is looked up in vain, in microcode, again and again (in a
 * virtual machine a hundred nanoseconds each; W2 of a past day took three times as long). The empty statement keeps
 * compilers from making one masked load of both. 64 bytes behind the run may be read. */
static inline __m512i load_wanted(const int32_t *net, __mmask16 wanted) {
    __m512i nets = _mm512_loadu_si512(net);
    __asm__("" : "+v"(nets));
    return _mm512_maskz_mov_epi32(wanted, nets);
}

static inline __m512i add_nets(__m512i sums, const int32_t *net, __mmask16 wanted) {
    const __m512i nets = load_wanted(net, wanted);
    sums = _mm512_add_epi64(sums, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(nets)));
    return _mm512_add_epi64(sums, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(nets, 1)));
}

/* Which days a window wants. */
struct days {
    __m512i highest, lows;
    __mmask32 any_high, any_low;
};

/* What a customer's entries come to: days below high, days of the window, nets of these in eight lanes. */
struct windowed {
    uint32_t until, inside;
    __m512i nets;
};

/* Sixteen entries at the most. */
static inline struct windowed take_few(const struct days *days, const uint16_t *day, const int32_t *net,
                                       uint32_t entries) {
    const __m256i value = _mm256_loadu_si256((const __m256i *)(const void *)day);
    const __mmask16 here = (__mmask16)_bzhi_u32((uint32_t)days->any_high, entries);
    const __mmask16 below = _mm256_mask_cmple_epu16_mask(here, value, _mm512_castsi512_si256(days->highest));
    const __mmask16 wanted =
        _mm256_mask_cmpge_epu16_mask(below & (__mmask16)days->any_low, value, _mm512_castsi512_si256(days->lows));
    return (struct windowed){(uint32_t)_mm_popcnt_u32(below), (uint32_t)_mm_popcnt_u32(wanted),
                             add_nets(_mm512_setzero_si512(), net, wanted)};
}

/* Days ascend, so those of the window lie together. */
static struct windowed take_many(const struct days *days, const uint16_t *day, const int32_t *net, uint32_t entries) {
    struct windowed to = {0, 0, _mm512_setzero_si512()};
    for (uint32_t j = 0; j < entries; j += 32) {
        const __mmask32 here = _bzhi_u32(days->any_high, entries - j < 32 ? entries - j : 32);
        const __m512i value = _mm512_loadu_si512(day + j);
        const __mmask32 below = _mm512_mask_cmple_epu16_mask(here, value, days->highest);
        const __mmask32 wanted = _mm512_mask_cmpge_epu16_mask(below & days->any_low, value, days->lows);
        to.until += (uint32_t)_mm_popcnt_u32(below);
        to.inside += (uint32_t)_mm_popcnt_u32(wanted);
    }
    net += to.until - to.inside;
    for (uint32_t j = 0; j < to.inside; j += 16) {
        const uint32_t left = to.inside - j < 16 ? to.inside - j : 16;
        to.nets = add_nets(to.nets, net + j, (__mmask16)_bzhi_u32(UINT16_MAX, left));
    }
    return to;
}

/* Lane i is the sum of the lanes of total[i]. */
static inline __m512i sums_of_eight(const __m512i total[8]) {
    __m512i two[4], four[2];
    for (unsigned k = 0; k < 4; k++) {
        two[k] = _mm512_add_epi64(_mm512_unpacklo_epi64(total[2 * k], total[2 * k + 1]),
                                  _mm512_unpackhi_epi64(total[2 * k], total[2 * k + 1]));
    }
    for (unsigned k = 0; k < 2; k++) {
        four[k] = _mm512_add_epi64(_mm512_shuffle_i64x2(two[2 * k], two[2 * k + 1], 0x88),
                                   _mm512_shuffle_i64x2(two[2 * k], two[2 * k + 1], 0xdd));
    }
    return _mm512_add_epi64(_mm512_shuffle_i64x2(four[0], four[1], 0x88), _mm512_shuffle_i64x2(four[0], four[1], 0xdd));
}

/* Customers ahead whose entries are asked for: some thousand bytes, which hide the time that memory takes. */
#define AHEAD 32u

static inline void ask_ahead(const uint32_t *offset, const uint16_t *day, const int32_t *net) {
    for (unsigned k = 0; k < 8; k++) {
        _mm_prefetch((const char *)(day + offset[k]), _MM_HINT_T0);
        _mm_prefetch((const char *)(net + offset[k]), _MM_HINT_T0);
        _mm_prefetch((const char *)(net + offset[k] + 16), _MM_HINT_T0);
    }
}

/* Eight customers at a time, whose sums are reduced together: one by one that costs as much as the rest. */
static void run_window(const uint32_t *offset, size_t n, const uint16_t *day, const int32_t *net, uint32_t low,
                       uint32_t high, int32_t base, uint32_t *all, uint32_t *count, int64_t *sums, int32_t *last) {
    const struct days days = {_mm512_set1_epi16((short)(uint16_t)(high - 1)), _mm512_set1_epi16((short)(uint16_t)low),
                              high == 0 ? 0 : UINT32_MAX, low > UINT16_MAX ? 0 : UINT32_MAX};
    for (size_t i = 0; i < n; i += 8) {
        const size_t here = n - i < 8 ? n - i : 8;
        __m512i total[8];
        for (size_t k = here; k < 8; k++) total[k] = _mm512_setzero_si512();
        if (i + AHEAD + 8 <= n) ask_ahead(offset + i + AHEAD, day, net);
        for (size_t k = 0; k < here; k++) {
            const uint32_t first = offset[i + k], entries = offset[i + k + 1] - first;
            const struct windowed to = entries <= 16 ? take_few(&days, day + first, net + first, entries)
                                                     : take_many(&days, day + first, net + first, entries);
            total[k] = to.nets;
            count[i + k] = to.inside;
            if (all != NULL) all[i + k] = to.until;
            /* Behind the run are bytes that may be read. */
            const uint16_t latest = day[first + to.until - (to.until != 0)];
            if (last != NULL) last[i + k] = to.until == 0 ? INT32_MIN : base + latest;
        }
        if (sums == NULL) continue;
        _mm512_mask_storeu_epi64(sums + i, (__mmask8)_bzhi_u32(UINT8_MAX, (uint32_t)here), sums_of_eight(total));
    }
}

/* The halves of 32 bits of each lane, summed in 64. */
static inline __m512i add_halves(__m512i sum, __m512i value) {
    const __m512i low32 = _mm512_set1_epi64(UINT32_MAX);
    return _mm512_add_epi64(_mm512_add_epi64(sum, _mm512_and_si512(value, low32)), _mm512_srli_epi64(value, 32));
}

static inline uint64_t lanes_sum(__m512i sum) {
    uint64_t lane[8], total = 0;
    _mm512_storeu_si512(lane, sum);
    for (unsigned k = 0; k < 8; k++) total += lane[k];
    return total;
}

static void sum_u8(const uint8_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    const __m512i ones = _mm512_set1_epi8(-1);
    __m512i total = _mm512_setzero_si512();
    uint64_t rows = 0, tail_rows, tail_sum;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i code = _mm512_loadu_si512(in + i);
        const __mmask64 mask = _mm512_mask_cmpneq_epu8_mask(bits[i / 64], code, ones);
        total = _mm512_add_epi64(total, _mm512_sad_epu8(_mm512_maskz_mov_epi8(mask, code), _mm512_setzero_si512()));
        rows += (uint64_t)_mm_popcnt_u64(mask);
    }
    pat_kernels_scalar.sum_u8(in + i, bits + i / 64, n - i, &tail_rows, &tail_sum);
    *count = rows + tail_rows;
    *sum = lanes_sum(total) + tail_sum;
}

static void sum_u16(const uint16_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    const __m512i ones = _mm512_set1_epi16(-1);
    const __m512i low16 = _mm512_set1_epi32(UINT16_MAX);
    __m512i total = _mm512_setzero_si512();
    uint64_t rows = 0, tail_rows, tail_sum;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 32) {
            const __m512i code = _mm512_loadu_si512(in + i + j);
            const __mmask32 mask = _mm512_mask_cmpneq_epu16_mask((__mmask32)(word >> j), code, ones);
            const __m512i part = _mm512_maskz_mov_epi16(mask, code);
            total = add_halves(total, _mm512_add_epi32(_mm512_and_si512(part, low16), _mm512_srli_epi32(part, 16)));
            rows += (uint64_t)_mm_popcnt_u32(mask);
        }
    }
    pat_kernels_scalar.sum_u16(in + i, bits + i / 64, n - i, &tail_rows, &tail_sum);
    *count = rows + tail_rows;
    *sum = lanes_sum(total) + tail_sum;
}

static void sum_u32(const uint32_t *in, const uint64_t *bits, size_t n, uint64_t *count, uint64_t *sum) {
    const __m512i ones = _mm512_set1_epi32(-1);
    __m512i total = _mm512_setzero_si512();
    uint64_t rows = 0, tail_rows, tail_sum;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint64_t word = bits[i / 64];
        if (word == 0) continue;
        for (unsigned j = 0; j < 64; j += 16) {
            const __m512i code = _mm512_loadu_si512(in + i + j);
            const __mmask16 mask = _mm512_mask_cmpneq_epu32_mask((__mmask16)(word >> j), code, ones);
            total = add_halves(total, _mm512_maskz_mov_epi32(mask, code));
            rows += (uint64_t)_mm_popcnt_u32(mask);
        }
    }
    pat_kernels_scalar.sum_u32(in + i, bits + i / 64, n - i, &tail_rows, &tail_sum);
    *count = rows + tail_rows;
    *sum = lanes_sum(total) + tail_sum;
}

/* -value as a double is the double of value with its sign turned, so the magnitude comes from the bits without it. */
static void bucket(const int64_t *in, size_t n, uint16_t *out) {
    const __m512i null = _mm512_set1_epi64(PAT_KERNEL_NULL);
    const __m512i zero = _mm512_setzero_si512();
    const __m512i first = _mm512_set1_epi64((1023 << 5) - 1);
    const __m512i middle = _mm512_set1_epi64(PAT_BUCKET_ZERO);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m512i value = _mm512_loadu_si512(in + i);
        const __m512i bits = _mm512_castpd_si512(_mm512_cvtepi64_pd(value));
        const __m512i top = _mm512_srli_epi64(_mm512_slli_epi64(bits, 1), 48);
        const __mmask8 set = _mm512_cmpneq_epi64_mask(value, zero);
        const __m512i size = _mm512_maskz_sub_epi64(set, top, first);
        const __m512i signs = _mm512_srai_epi64(value, 63);
        const __m512i signed_size = _mm512_sub_epi64(_mm512_xor_si512(size, signs), signs);
        const __m512i place = _mm512_add_epi64(middle, signed_size);
        const __mmask8 known = _mm512_cmpneq_epi64_mask(value, null);
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm512_cvtepi64_epi16(_mm512_maskz_mov_epi64(known, place)));
    }
    pat_kernels_scalar.bucket(in + i, n - i, out + i);
}

static void hash(const int64_t *key, size_t n, uint64_t *out) {
    const __m512i factor = _mm512_set1_epi64((int64_t)PAT_HASH_FACTOR);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m512i mixed = _mm512_xor_si512(_mm512_loadu_si512(out + i), _mm512_loadu_si512(key + i));
        const __m512i product = _mm512_mullo_epi64(mixed, factor);
        _mm512_storeu_si512(out + i, _mm512_xor_si512(product, _mm512_srli_epi64(product, 29)));
    }
    pat_kernels_scalar.hash(key + i, n - i, out + i);
}

/* Sixteen columns at a time: the bits are the mask. */
static void count_bits(const uint64_t *bits, const uint16_t *row, size_t n, size_t columns, size_t stride,
                       uint32_t *cell) {
    const __m512i one = _mm512_set1_epi32(1);
    const uint64_t wanted = _bzhi_u64(UINT64_MAX, (unsigned)columns);
    for (size_t i = 0; i < n; i++) {
        uint32_t *const cells = cell + row[i] * stride;
        const uint64_t own = bits[i] & wanted;
        for (size_t k = 0; k < columns; k += 16) {
            const __mmask16 on = (__mmask16)(own >> k);
            const __m512i old = _mm512_maskz_loadu_epi32(on, cells + k);
            _mm512_mask_storeu_epi32(cells + k, on, _mm512_add_epi32(old, one));
        }
    }
}

/* Sixteen places at a time are packed by their bits. */
static size_t cell_ends(const uint8_t *text, size_t n, uint8_t delimiter, uint32_t *out, size_t *others) {
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i delimiters = _mm512_set1_epi8((char)delimiter);
    size_t i = 0, count = 0;
    *others = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i bytes = _mm512_loadu_si512(text + i);
        const __mmask64 lines = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n')) |
                                _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r'));
        const __mmask64 other =
            lines | _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')) | _mm512_testn_epi8_mask(bytes, bytes);
        uint64_t bits = other | _mm512_cmpeq_epi8_mask(bytes, delimiters);
        for (size_t k = 0; k < 64; k += 16, bits >>= 16) {
            const __m512i place = _mm512_add_epi32(first, _mm512_set1_epi32((int)(i + k)));
            _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32((__mmask16)bits, place));
            count += (size_t)_mm_popcnt_u64(bits & 0xffff);
        }
        *others += (size_t)_mm_popcnt_u64(other);
    }
    return count + pat_kernel_cell_ends_edge(text, i, n, delimiter, out + count, others);
}

const struct pat_kernels pat_kernels_avx512 = {
    .name = "avx512",
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
