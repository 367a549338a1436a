/* Every table that this processor runs gives the same bits as the scalar one. The seed is printed; PATRON_SEED replays.
 */
#include "../random.h"
#include "kernel/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX  400u
#define WORDS_MAX ((ROWS_MAX + 63) / 64 + 2)
#define CANARY    UINT64_C(0xa5a5a5a5a5a5a5a5)

/* Mixes extremes, nulls, small numbers and anything. */
static int64_t any_value(void) {
    static const int64_t special[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, -1, 0, 1, 63, 64,
                                      65,        UINT32_MAX,    INT32_MIN};
    switch (next() % 4) {
    case 0: return special[next() % (sizeof special / sizeof *special)];
    case 1: return PAT_KERNEL_NULL;
    case 2: return (int64_t)(next() % 300) - 50;
    default: return (int64_t)next();
    }
}

static uint64_t any_word(void) {
    switch (next() % 4) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    default: return next();
    }
}

/* Input that is `offset` elements away from alignment. */
struct input {
    int64_t values[ROWS_MAX + 8];
    uint64_t bits[WORDS_MAX];
    union {
        uint8_t u8[(ROWS_MAX + 8) * 4];
        uint16_t u16[(ROWS_MAX + 8) * 2];
        uint32_t u32[ROWS_MAX + 8];
    } narrow;
};

static void input_make(struct input *input) {
    const bool nulls_only = next() % 16 == 0;
    for (size_t i = 0; i < ROWS_MAX + 8; i++) input->values[i] = nulls_only ? PAT_KERNEL_NULL : any_value();
    for (size_t i = 0; i < WORDS_MAX; i++) input->bits[i] = any_word();
    for (size_t i = 0; i < sizeof input->narrow; i++)
        input->narrow.u8[i] = next() % 3 == 0 ? 0xff : (unsigned char)next();
}

static void same_bytes(const void *a, const void *b, size_t bytes, const char *what, const char *table, size_t n) {
    if (memcmp(a, b, bytes) == 0) return;
    fail_msg("%s of table %s differs from scalar at %zu rows", what, table, n);
}

static void check_widen(const struct pat_kernels *k, const struct input *input, size_t n, size_t offset) {
    int64_t want[ROWS_MAX + 1], got[ROWS_MAX + 1];
    const int64_t base = any_value();
    const uint16_t *u16 = input->narrow.u16 + offset;
    const uint32_t *u32 = input->narrow.u32 + offset;
    memset(want, 0x5a, sizeof want);
    memset(got, 0x5a, sizeof got);
    pat_kernels_scalar.widen_u8(input->narrow.u8 + offset, n, base, want);
    k->widen_u8(input->narrow.u8 + offset, n, base, got);
    same_bytes(want, got, sizeof want, "widen_u8", k->name, n);
    pat_kernels_scalar.widen_u16(u16, n, base, want);
    k->widen_u16(u16, n, base, got);
    same_bytes(want, got, sizeof want, "widen_u16", k->name, n);
    pat_kernels_scalar.widen_u32(u32, n, base, want);
    k->widen_u32(u32, n, base, got);
    same_bytes(want, got, sizeof want, "widen_u32", k->name, n);
    pat_kernels_scalar.fill(base, n, want);
    k->fill(base, n, got);
    same_bytes(want, got, sizeof want, "fill", k->name, n);
    memcpy(want, input->values + offset, n * sizeof *want);
    memcpy(got, input->values + offset, n * sizeof *got);
    pat_kernels_scalar.fill_null(base, n, want);
    k->fill_null(base, n, got);
    same_bytes(want, got, sizeof want, "fill_null", k->name, n);
}

typedef void narrow_kernel(const int64_t *in, size_t n, int64_t base, unsigned char *out);

static void check_narrow_to(narrow_kernel *scalar, narrow_kernel *own, const char *what, const char *table,
                            const int64_t *in, size_t n) {
    unsigned char want[4 * ROWS_MAX + 1], got[4 * ROWS_MAX + 1];
    const int64_t base = any_value();
    memset(want, 0x5a, sizeof want);
    memset(got, 0x5a, sizeof got);
    scalar(in, n, base, want + 1); /* no width is aligned there */
    own(in, n, base, got + 1);
    same_bytes(want, got, sizeof want, what, table, n);
}

static void check_narrow(const struct pat_kernels *k, const struct input *input, size_t n, size_t offset) {
    const int64_t *in = input->values + offset;
    int64_t want[2], got[2];
    check_narrow_to(pat_kernels_scalar.narrow_u8, k->narrow_u8, "narrow_u8", k->name, in, n);
    check_narrow_to(pat_kernels_scalar.narrow_u16, k->narrow_u16, "narrow_u16", k->name, in, n);
    check_narrow_to(pat_kernels_scalar.narrow_u32, k->narrow_u32, "narrow_u32", k->name, in, n);
    const bool null = pat_kernels_scalar.range(in, n, &want[0], &want[1]);
    assert_int_equal(k->range(in, n, &got[0], &got[1]), null);
    same_bytes(want, got, sizeof want, "range", k->name, n);
}

static void check_select(const struct pat_kernels *k, const struct input *input, size_t n, size_t offset) {
    uint64_t want[WORDS_MAX], got[WORDS_MAX];
    const int64_t *in = input->values + offset;
    const int64_t low = any_value();
    const int64_t high = any_value();
    const size_t set_bits = next() % (64 * WORDS_MAX + 1);
    for (size_t i = 0; i < WORDS_MAX; i++) want[i] = got[i] = CANARY;
    pat_kernels_scalar.select_range(in, n, low, high, want);
    k->select_range(in, n, low, high, got);
    same_bytes(want, got, sizeof want, "select_range", k->name, n);
    pat_kernels_scalar.select_null(in, n, want);
    k->select_null(in, n, got);
    same_bytes(want, got, sizeof want, "select_null", k->name, n);
    if (n % 64 != 0) assert_int_equal(0, want[n / 64] >> (n % 64));
    pat_kernels_scalar.select_member(in, n, input->bits, set_bits, want);
    k->select_member(in, n, input->bits, set_bits, got);
    same_bytes(want, got, sizeof want, "select_member", k->name, n);
    pat_kernels_scalar.select_member(in, n, NULL, 0, want);
    k->select_member(in, n, NULL, 0, got);
    same_bytes(want, got, sizeof want, "select_member of nothing", k->name, n);
}

static void check_select_codes(const struct pat_kernels *k, const struct input *input, size_t n, size_t offset) {
    uint64_t want[WORDS_MAX], got[WORDS_MAX];
    const uint8_t *u8 = input->narrow.u8 + offset;
    const uint16_t *u16 = input->narrow.u16 + offset;
    const uint32_t *u32 = input->narrow.u32 + offset;
    const uint32_t low = next() % 4 == 0 ? 0 : (uint32_t)next();
    const uint32_t high = next() % 4 == 0 ? UINT32_MAX - 1 : (uint32_t)next();
    for (size_t i = 0; i < WORDS_MAX; i++) want[i] = got[i] = CANARY;
    pat_kernels_scalar.select_range_u8(u8, n, (uint8_t)low, (uint8_t)high, want);
    k->select_range_u8(u8, n, (uint8_t)low, (uint8_t)high, got);
    same_bytes(want, got, sizeof want, "select_range_u8", k->name, n);
    pat_kernels_scalar.select_range_u16(u16, n, (uint16_t)low, (uint16_t)high, want);
    k->select_range_u16(u16, n, (uint16_t)low, (uint16_t)high, got);
    same_bytes(want, got, sizeof want, "select_range_u16", k->name, n);
    pat_kernels_scalar.select_range_u32(u32, n, low, high, want);
    k->select_range_u32(u32, n, low, high, got);
    same_bytes(want, got, sizeof want, "select_range_u32", k->name, n);
    pat_kernels_scalar.select_member_u8(u8, n, input->bits, want);
    k->select_member_u8(u8, n, input->bits, got);
    same_bytes(want, got, sizeof want, "select_member_u8", k->name, n);
    if (n % 64 != 0) assert_int_equal(0, want[n / 64] >> (n % 64));
}

static void check_sum_codes(const struct pat_kernels *k, const struct input *input, size_t n, size_t offset) {
    uint64_t want[2], got[2];
    pat_kernels_scalar.sum_u8(input->narrow.u8 + offset, input->bits, n, &want[0], &want[1]);
    k->sum_u8(input->narrow.u8 + offset, input->bits, n, &got[0], &got[1]);
    same_bytes(want, got, sizeof want, "sum_u8", k->name, n);
    pat_kernels_scalar.sum_u16(input->narrow.u16 + offset, input->bits, n, &want[0], &want[1]);
    k->sum_u16(input->narrow.u16 + offset, input->bits, n, &got[0], &got[1]);
    same_bytes(want, got, sizeof want, "sum_u16", k->name, n);
    pat_kernels_scalar.sum_u32(input->narrow.u32 + offset, input->bits, n, &want[0], &want[1]);
    k->sum_u32(input->narrow.u32 + offset, input->bits, n, &got[0], &got[1]);
    same_bytes(want, got, sizeof want, "sum_u32", k->name, n);
}

static void check_bucket(const struct pat_kernels *k, const struct input *input, size_t n, size_t offset) {
    uint16_t want[ROWS_MAX + 1], got[ROWS_MAX + 1];
    memset(want, 0x5a, sizeof want);
    memset(got, 0x5a, sizeof got);
    pat_kernels_scalar.bucket(input->values + offset, n, want);
    k->bucket(input->values + offset, n, got);
    same_bytes(want, got, sizeof want, "bucket", k->name, n);
}

/* ---- the greatest ------------------------------------------------------------------------------------------------ */

/* Values of one kind each: all equal, ascending, descending, few different ones, anything. */
static void top_make(int64_t *values, uint32_t *codes) {
    const unsigned kind = (unsigned)(next() % 6);
    const int64_t start = any_value();
    for (size_t i = 0; i < ROWS_MAX; i++) {
        const uint64_t step = kind == 0 ? 0 : kind == 1 ? i : kind == 2 ? 0 - (uint64_t)i : next() % 4;
        values[i] = kind < 4 ? (int64_t)((uint64_t)start + step) : any_value();
        codes[i] = kind < 5 ? (uint32_t)values[i] : (uint32_t)next() | (next() % 3 == 0 ? UINT32_MAX : 0);
    }
}

static void check_top(const struct pat_kernels *k, const struct input *input, size_t n) {
    int64_t values[ROWS_MAX];
    uint32_t codes[ROWS_MAX];
    uint64_t want[WORDS_MAX], got[WORDS_MAX];
    const size_t most = next() % 4 == 0 ? 1 : 1 + next() % (ROWS_MAX + 10);
    const int64_t least = next() % 2 == 0 ? INT64_MIN : any_value(), flip = -(int64_t)(next() % 2);
    const uint32_t code = next() % 2 == 0 ? 0 : (uint32_t)any_value();
    const size_t words = (n + 63) / 64;
    top_make(values, codes);
    for (size_t i = 0; i < WORDS_MAX; i++) want[i] = i < words ? input->bits[i] : CANARY;
    if (n % 64 != 0) want[n / 64] &= ((uint64_t)1 << n % 64) - 1;
    memcpy(got, want, sizeof got);
    assert_int_equal(pat_kernels_scalar.top_i64(values, n, most, least, flip, want),
                     k->top_i64(values, n, most, least, flip, got));
    same_bytes(want, got, sizeof want, "top_i64", k->name, n);
    const uint64_t tail = n % 64 != 0 ? ((uint64_t)1 << n % 64) - 1 : UINT64_MAX;
    for (size_t i = 0; i < words; i++) want[i] = got[i] = any_word() & (i + 1 == words ? tail : UINT64_MAX);
    assert_int_equal(pat_kernels_scalar.top_u32(codes, n, most, code, (uint32_t)flip, want),
                     k->top_u32(codes, n, most, code, (uint32_t)flip, got));
    same_bytes(want, got, sizeof want, "top_u32", k->name, n);
}

static int downwards(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Against sorting: who reaches the k-th of those that reach `least`. */
static void expect_top(const int64_t *value, const bool *on, size_t n, size_t k, int64_t least, const uint64_t *bits,
                       size_t count) {
    int64_t sorted[ROWS_MAX];
    size_t reach = 0, expected = 0;
    for (size_t i = 0; i < n; i++) {
        if (on[i] && value[i] >= least) sorted[reach++] = value[i];
    }
    qsort(sorted, reach, sizeof *sorted, downwards);
    const int64_t t = reach >= k ? sorted[k - 1] : least;
    for (size_t i = 0; i < n; i++) {
        const bool stays = on[i] && value[i] >= t;
        assert_int_equal(stays, bits[i / 64] >> i % 64 & 1);
        expected += stays;
    }
    assert_int_equal(expected, count);
}

/* The scalar table against the words of kernel.h. */
static void the_greatest_are_those_that_sorting_finds(void **state) {
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        int64_t values[ROWS_MAX], of[ROWS_MAX];
        uint32_t codes[ROWS_MAX];
        bool on[ROWS_MAX];
        uint64_t bits[WORDS_MAX], narrow[WORDS_MAX];
        const size_t n = next() % (ROWS_MAX + 1), k = 1 + next() % (n + 2);
        const int64_t least = next() % 2 == 0 ? INT64_MIN : any_value(), flip = -(int64_t)(next() % 2);
        const uint32_t code = next() % 2 == 0 ? 0 : (uint32_t)any_value();
        top_make(values, codes);
        for (size_t i = 0; i < WORDS_MAX; i++) bits[i] = any_word();
        if (n % 64 != 0) bits[n / 64] &= ((uint64_t)1 << n % 64) - 1;
        memcpy(narrow, bits, sizeof bits);
        for (size_t i = 0; i < n; i++) {
            on[i] = (bits[i / 64] >> i % 64 & 1) != 0 && values[i] != PAT_KERNEL_NULL;
            of[i] = values[i] ^ flip;
        }
        const size_t count = pat_kernels_scalar.top_i64(values, n, k, least, flip, bits);
        expect_top(of, on, n, k, least, bits, count);
        for (size_t i = 0; i < n; i++) {
            on[i] = (narrow[i / 64] >> i % 64 & 1) != 0 && codes[i] != UINT32_MAX;
            of[i] = codes[i] ^ (uint32_t)flip;
        }
        const size_t count_narrow = pat_kernels_scalar.top_u32(codes, n, k, code, (uint32_t)flip, narrow);
        expect_top(of, on, n, k, code, narrow, count_narrow);
    }
}

static void check_bits(const struct pat_kernels *k, const struct input *input, size_t words) {
    uint64_t want[WORDS_MAX], got[WORDS_MAX], other[WORDS_MAX];
    for (size_t i = 0; i < WORDS_MAX; i++) {
        want[i] = got[i] = input->bits[i];
        other[i] = any_word();
    }
    pat_kernels_scalar.bits_and(want, other, words);
    k->bits_and(got, other, words);
    same_bytes(want, got, sizeof want, "bits_and", k->name, words);
    pat_kernels_scalar.bits_or(want, input->bits, words);
    k->bits_or(got, input->bits, words);
    same_bytes(want, got, sizeof want, "bits_or", k->name, words);
    pat_kernels_scalar.bits_andnot(want, other, words);
    k->bits_andnot(got, other, words);
    same_bytes(want, got, sizeof want, "bits_andnot", k->name, words);
    assert_int_equal(pat_kernels_scalar.bits_count(want, words), k->bits_count(got, words));
}

static void check_reduce(const struct pat_kernels *k, const struct input *input, size_t n, size_t offset) {
    const int64_t *in = input->values + offset;
    uint64_t want[3], got[3];
    int64_t want_high, got_high;
    pat_kernels_scalar.sum(in, input->bits, n, &want[0], &want[1], &want_high);
    k->sum(in, input->bits, n, &got[0], &got[1], &got_high);
    want[2] = (uint64_t)want_high;
    got[2] = (uint64_t)got_high;
    same_bytes(want, got, sizeof want, "sum", k->name, n);
    int64_t want_bounds[2] = {7, 9}, got_bounds[2] = {7, 9};
    pat_kernels_scalar.bounds(in, input->bits, n, &want_bounds[0], &want_bounds[1]);
    k->bounds(in, input->bits, n, &got_bounds[0], &got_bounds[1]);
    same_bytes(want_bounds, got_bounds, sizeof want_bounds, "bounds", k->name, n);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

#define RUN_CUSTOMERS 60u
#define RUN_ENTRIES   20000u
#define RUN_BEHIND    32u /* 64 bytes of days */

struct run {
    uint32_t offset[RUN_CUSTOMERS + 1];
    uint16_t day[RUN_ENTRIES + RUN_BEHIND];
    int32_t net[RUN_ENTRIES + RUN_BEHIND];
};

static int by_day(const void *a, const void *b) {
    const uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    return (x > y) - (x < y);
}

static uint32_t any_entries(void) {
    switch (next() % 8) {
    case 0: return 0;
    case 1: return 1;
    case 2: return 15 + (uint32_t)(next() % 3);
    case 3: return 31 + (uint32_t)(next() % 3);
    case 4: return 63 + (uint32_t)(next() % 3);
    case 5: return next() % 8 == 0 ? 3000 : 5;
    default: return (uint32_t)(next() % 20);
    }
}

static uint16_t any_day(unsigned kind) {
    static const uint16_t special[] = {0, 1, 32767, 32768, 65534, 65535};
    switch (kind) {
    case 0: return special[next() % 6];
    case 1: return 20000;
    case 2: return (uint16_t)(1000 + next() % 1100);
    default: return (uint16_t)next();
    }
}

static int32_t any_net(void) {
    static const int32_t special[] = {INT32_MIN, INT32_MAX, INT32_MIN + 1, 0, -1, 1};
    return next() % 3 == 0 ? special[next() % 6] : (int32_t)next();
}

/* What stands behind the last entry must not matter. */
static void run_make(struct run *run) {
    uint32_t at = 0;
    for (size_t i = 0; i < RUN_CUSTOMERS; i++) {
        uint32_t entries = any_entries();
        if (entries > RUN_ENTRIES - at) entries = RUN_ENTRIES - at;
        const unsigned kind = (unsigned)(next() % 4);
        run->offset[i] = at;
        for (uint32_t j = 0; j < entries; j++) {
            run->day[at + j] = any_day(kind);
            run->net[at + j] = any_net();
        }
        qsort(run->day + at, entries, sizeof *run->day, by_day);
        at += entries;
    }
    run->offset[RUN_CUSTOMERS] = at;
    for (uint32_t i = at; i < at + RUN_BEHIND; i++) {
        run->day[i] = any_day(0);
        run->net[i] = any_net();
    }
}

struct windows {
    uint32_t all[RUN_CUSTOMERS + 1];
    uint32_t count[RUN_CUSTOMERS + 1];
    int64_t sum[RUN_CUSTOMERS + 1];
    int32_t last[RUN_CUSTOMERS + 1];
};

static void check_window(const struct pat_kernels *k, const struct run *run, uint32_t low, uint32_t high) {
    struct windows want, got;
    const size_t first = next() % RUN_CUSTOMERS, n = next() % (RUN_CUSTOMERS - first + 1);
    const uint32_t *offset = run->offset + first;
    const int32_t base = (int32_t)(next() % 100000) - 50000;
    memset(&want, 0x5a, sizeof want);
    memset(&got, 0x5a, sizeof got);
    pat_kernels_scalar.run_window(offset, n, run->day, run->net, low, high, base, want.all, want.count, want.sum,
                                  want.last);
    k->run_window(offset, n, run->day, run->net, low, high, base, got.all, got.count, got.sum, got.last);
    same_bytes(&want, &got, sizeof want, "run_window", k->name, n);
    k->run_window(offset, n, run->day, run->net, low, high, base, NULL, got.count, NULL, NULL);
    same_bytes(&want, &got, sizeof want, "run_window of counts", k->name, n);
}

static void check_runs(const struct pat_kernels *k) {
    static const uint32_t bounds[] = {0, 1, 1500, 20000, 20001, 32768, 65535, 65536};
    static struct run run;
    for (unsigned round = 0; round < 40; round++) {
        run_make(&run);
        for (size_t low = 0; low < 8; low++) {
            for (size_t high = low; high < 8; high++) check_window(k, &run, bounds[low], bounds[high]);
        }
        const uint32_t from = (uint32_t)(next() % 65537);
        check_window(k, &run, from, from + (uint32_t)(next() % (65537 - from)));
    }
}

/* ---- windows ----------------------------------------------------------------------------------------------------- */

struct narrow {
    uint16_t orders[ROWS_MAX + 1], age[ROWS_MAX + 1];
    int32_t net[ROWS_MAX + 1];
};

static uint16_t any_u16(void) {
    static const uint16_t special[] = {0, 1, 2, 4094, 4095, 4096, 32767, 32768, 65534, 65535};
    return next() % 2 == 0 ? special[next() % 10] : (uint16_t)next();
}

static void narrow_make(struct narrow *narrow) {
    const bool few = next() % 2 == 0; /* the same cell again and again */
    for (size_t i = 0; i <= ROWS_MAX; i++) {
        narrow->orders[i] = few ? (uint16_t)(next() % 3) : any_u16();
        narrow->age[i] = few ? (uint16_t)(next() % 300) : any_u16();
        narrow->net[i] = any_net();
    }
}

static void check_pack(const struct pat_kernels *k, size_t n) {
    static struct narrow want, got;
    static const int32_t days[] = {19000, 19001, -46534, -46535, -46536, INT32_MIN, 0};
    static const int64_t nets[] = {INT32_MIN, INT32_MAX, 0, -1};
    static const int64_t far_nets[] = {(int64_t)INT32_MIN - 1, (int64_t)INT32_MAX + 1, INT64_MIN, INT64_MAX};
    uint32_t orders[ROWS_MAX] = {0};
    int64_t net[ROWS_MAX] = {0};
    int32_t last[ROWS_MAX] = {0};
    const int32_t day = 19000;
    for (size_t i = 0; i < n; i++) {
        orders[i] = any_u16();
        net[i] = nets[next() % 4];
        last[i] = next() % 2 == 0 ? INT32_MIN : day - (int32_t)(next() % 65535);
    }
    if (n > 0 && next() % 2 == 0) orders[next() % n] = 65536u << next() % 16;
    if (n > 0 && next() % 4 == 0) net[next() % n] = far_nets[next() % 4];
    if (n > 0 && next() % 4 == 0) last[next() % n] = days[next() % 7];
    memset(&want, 0x5a, sizeof want);
    memset(&got, 0x5a, sizeof got);
    const bool fits = pat_kernels_scalar.window_pack(orders, net, last, n, day, want.orders, want.net, want.age);
    assert_int_equal(fits, k->window_pack(orders, net, last, n, day, got.orders, got.net, got.age));
    if (fits) same_bytes(&want, &got, sizeof want, "window_pack", k->name, n);
    bool expected = true;
    for (size_t i = 0; i < n; i++) {
        const int64_t age = (int64_t)day - last[i];
        expected = expected && orders[i] <= UINT16_MAX && net[i] == (int32_t)net[i] &&
                   (last[i] == INT32_MIN || (age >= 0 && age < PAT_WINDOW_NO_AGE));
    }
    assert_int_equal(expected, fits);
}

static void check_cells(const struct pat_kernels *k, const struct input *input, const struct narrow *narrow, size_t n) {
    static uint32_t want_hits[PAT_WINDOW_HISTOGRAMS][PAT_WINDOW_BINS], got_hits[PAT_WINDOW_HISTOGRAMS][PAT_WINDOW_BINS];
    static struct pat_kernel_sums want_sums[PAT_WINDOW_TURNS * PAT_WINDOW_CELLS],
        got_sums[PAT_WINDOW_TURNS * PAT_WINDOW_CELLS];
    uint8_t want[ROWS_MAX + 1], got[ROWS_MAX + 1];
    const uint64_t *scored = input->bits, *shown = input->bits + 1;
    struct pat_kernel_ladder ladder = {.first = (uint8_t)(next() % 2)};
    for (unsigned i = 0; i < 4; i++) {
        ladder.age_below[i] = any_u16();
        ladder.orders_above[i] = any_u16();
        ladder.net_above[i] = i < ladder.first ? INT32_MAX : any_net();
    }
    memset(want, 0x5a, sizeof want);
    memset(got, 0x5a, sizeof got);
    pat_kernels_scalar.window_hits(narrow->orders, narrow->net, narrow->age, scored, n, want_hits);
    k->window_hits(narrow->orders, narrow->net, narrow->age, scored, n, got_hits);
    same_bytes(want_hits, got_hits, sizeof want_hits, "window_hits", k->name, n);
    pat_kernels_scalar.window_cells(narrow->orders, narrow->net, narrow->age, n, &ladder, scored, shown, want);
    k->window_cells(narrow->orders, narrow->net, narrow->age, n, &ladder, scored, shown, got);
    same_bytes(want, got, sizeof want, "window_cells", k->name, n);
    memset(want_sums, 0, sizeof want_sums);
    memset(got_sums, 0, sizeof got_sums);
    pat_kernels_scalar.window_sums(want, narrow->orders, narrow->net, narrow->age, n, want_sums);
    k->window_sums(want, narrow->orders, narrow->net, narrow->age, n, got_sums);
    same_bytes(want_sums, got_sums, sizeof want_sums, "window_sums", k->name, n);
}

/* The scalar table against the words of kernel.h, value by value. */
static void windows_mean_what_the_header_says(void **state) {
    (void)state;
    static struct narrow narrow;
    static struct input input;
    static uint32_t hits[PAT_WINDOW_HISTOGRAMS][PAT_WINDOW_BINS], expected[PAT_WINDOW_HISTOGRAMS][PAT_WINDOW_BINS];
    const struct pat_kernel_ladder ladder = {{400, 200, 100, 50}, {1, 2, 3, 4}, {-5, 0, 1000, 100000}, 0};
    uint8_t cell[ROWS_MAX];
    narrow_make(&narrow);
    input_make(&input);
    pat_kernels_scalar.window_hits(narrow.orders, narrow.net, narrow.age, input.bits, ROWS_MAX, hits);
    pat_kernels_scalar.window_cells(narrow.orders, narrow.net, narrow.age, ROWS_MAX, &ladder, input.bits,
                                    input.bits + 1, cell);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        const bool scored = (input.bits[i / 64] >> i % 64 & 1) != 0,
                   shown = (input.bits[1 + i / 64] >> i % 64 & 1) != 0;
        const uint32_t aside = PAT_BUCKETS + (uint32_t)(i % 16), most = PAT_BUCKETS - 1;
        expected[PAT_WINDOW_AGE][scored ? most - (narrow.age[i] < most ? narrow.age[i] : most) : aside]++;
        expected[PAT_WINDOW_NET][scored ? pat_kernel_bucket(narrow.net[i]) : aside]++;
        expected[PAT_WINDOW_ORDERS + i % 4][scored ? (narrow.orders[i] < most ? narrow.orders[i] : most) : aside]++;
        unsigned of = 0;
        for (unsigned j = 0; j < 4; j++) {
            of += 25u * (narrow.age[i] < ladder.age_below[j]) + 5u * (narrow.orders[i] > ladder.orders_above[j]) +
                  (unsigned)(narrow.net[i] > ladder.net_above[j]);
        }
        if (!scored) of = PAT_WINDOW_UNSCORED;
        assert_int_equal(shown ? of : PAT_WINDOW_UNSEEN, cell[i]);
    }
    assert_memory_equal(expected, hits, sizeof hits);
}

static void check_table(const struct pat_kernels *k) {
    static struct input input;
    static struct narrow narrow;
    for (unsigned round = 0; round < 12; round++) {
        for (size_t n = 0; n <= ROWS_MAX; n += n < 200 ? 1 : 37) {
            const size_t offset = next() % 8;
            input_make(&input);
            check_widen(k, &input, n, offset);
            check_narrow(k, &input, n, offset);
            check_select(k, &input, n, offset);
            check_bits(k, &input, n % WORDS_MAX);
            check_reduce(k, &input, n, offset);
            check_select_codes(k, &input, n, offset);
            check_sum_codes(k, &input, n, offset);
            check_bucket(k, &input, n, offset);
            check_top(k, &input, n);
            narrow_make(&narrow);
            check_pack(k, n);
            check_cells(k, &input, &narrow, n);
        }
    }
    check_runs(k);
}

static void every_table_equals_scalar(void **state) {
    (void)state;
    static const char *const names[] = {"scalar", "avx2", "avx512", "auto"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct pat_kernels *k = pat_kernels_find(names[i]);
        if (k == NULL) continue;
        print_message("table %s as \"%s\"\n", k->name, names[i]);
        check_table(k);
    }
}

static void an_unknown_table_is_not_given(void **state) {
    (void)state;
    assert_null(pat_kernels_find("sse9"));
    assert_null(pat_kernels_find(""));
    assert_non_null(pat_kernels_find("auto"));
}

static void a_sum_carries_exactly_past_64_bits(void **state) {
    (void)state;
    int64_t values[128];
    const uint64_t bits[2] = {UINT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < 128; i++) values[i] = INT64_MAX;
    uint64_t count, low;
    int64_t high;
    pat_kernels_find("auto")->sum(values, bits, 128, &count, &low, &high);
    assert_int_equal(128, count);
    assert_int_equal(63, high); /* 128 * (2^63 - 1) = 2^70 - 128 */
    assert_true(low == UINT64_MAX - 127);
    for (size_t i = 0; i < 128; i++) values[i] = INT64_MIN + 1;
    pat_kernels_find("auto")->sum(values, bits, 128, &count, &low, &high);
    assert_int_equal(-64, high);
    assert_true(low == 128);
}

/* Greater values never lie in lesser buckets, whatever their doubles round to. */
static void buckets_keep_the_order_of_values(void **state) {
    (void)state;
    assert_int_equal(0, pat_kernel_bucket(INT64_MIN));
    assert_int_equal(PAT_BUCKET_ZERO, pat_kernel_bucket(0));
    assert_int_equal(PAT_BUCKET_ZERO + 1, pat_kernel_bucket(1));
    assert_int_equal(PAT_BUCKET_ZERO - 1, pat_kernel_bucket(-1));
    assert_true(pat_kernel_bucket(INT64_MAX) < PAT_BUCKETS);
    assert_true(pat_kernel_bucket(INT64_MIN + 1) > 0);
    for (int i = 0; i < 200000; i++) {
        const int64_t a = any_value(), b = next() % 2 == 0 ? any_value() : a >> 1;
        if (a == PAT_KERNEL_NULL || b == PAT_KERNEL_NULL) continue;
        const uint16_t of_a = pat_kernel_bucket(a), of_b = pat_kernel_bucket(b);
        if (a <= b ? of_a > of_b : of_a < of_b) fail_msg("%lld and %lld", (long long)a, (long long)b);
    }
}

int main(void) {
    seed_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_equals_scalar),
        cmocka_unit_test(windows_mean_what_the_header_says),
        cmocka_unit_test(an_unknown_table_is_not_given),
        cmocka_unit_test(buckets_keep_the_order_of_values),
        cmocka_unit_test(a_sum_carries_exactly_past_64_bits),
        cmocka_unit_test(the_greatest_are_those_that_sorting_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
