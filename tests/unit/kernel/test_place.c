/* Counts and sums by place, and cohorts: every table gives the same bits as the scalar one, and that one what it says.
 * The seed is printed; PATRON_SEED replays. */
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

#define ROWS_MAX  300u
#define CELLS     40u
#define STRIDE    41u /* not a multiple of anything */
#define ENTRIES   6000u
#define BEHIND    32u /* 64 bytes of days */
#define DAYS      65536u
#define COLUMNS   70u
#define OFFSET_OF 7u /* elements away from alignment at the most */

static void same(const void *want, const void *got, size_t bytes, const char *what, const char *table, size_t n) {
    if (memcmp(want, got, bytes) != 0) fail_msg("%s of table %s differs from scalar at %zu rows", what, table, n);
}

/* ---- by place ---------------------------------------------------------------------------------------------------- */

struct rows {
    uint16_t cell[ROWS_MAX + OFFSET_OF], bucket[ROWS_MAX + OFFSET_OF];
    int64_t value[ROWS_MAX + OFFSET_OF];
    uint64_t bits[ROWS_MAX + OFFSET_OF];
};

/* Everything in one cell, in neighbours of the same, or anywhere. */
static void rows_make(struct rows *rows) {
    static const int64_t special[] = {INT64_MIN, INT64_MAX, -1, 0, 1};
    const unsigned kind = (unsigned)(next() % 3);
    for (size_t i = 0; i < ROWS_MAX + OFFSET_OF; i++) {
        const uint64_t any = next();
        rows->cell[i] = kind == 0 ? CELLS - 1 : (uint16_t)((kind == 1 ? i / 5 : any) % CELLS);
        rows->bucket[i] =
            any >> 32 & 1 ? (uint16_t)(any >> 40 & 1 ? 0 : PAT_BUCKETS - 1) : (uint16_t)((any >> 41) % PAT_BUCKETS);
        rows->value[i] = any >> 33 & 1 ? special[(any >> 42) % 5] : (int64_t)next();
        rows->bits[i] = any >> 34 & 1 ? next() & next() & next() : any >> 35 & 1 ? UINT64_MAX : next();
    }
}

static void check_rows(const struct pat_kernels *k, const struct rows *rows, size_t n) {
    static uint32_t want_hits[CELLS * PAT_BUCKETS_STRIDE], got_hits[CELLS * PAT_BUCKETS_STRIDE];
    const size_t at = next() % (OFFSET_OF + 1), stride = next() % 2 * STRIDE, columns = next() % 65;
    uint32_t want_count[STRIDE * 4], got_count[STRIDE * 4], want_bits[CELLS * COLUMNS], got_bits[CELLS * COLUMNS];
    int64_t want_sum[STRIDE * 4], got_sum[STRIDE * 4];
    memset(want_count, 0xfe, sizeof want_count); /* some wrap */
    memset(got_count, 0xfe, sizeof got_count);
    memset(want_sum, 0x7f, sizeof want_sum);
    memset(got_sum, 0x7f, sizeof got_sum);
    memset(want_bits, 0xff, sizeof want_bits);
    memset(got_bits, 0xff, sizeof got_bits);
    pat_kernels_scalar.place_count(rows->cell + at, n, stride, want_count);
    k->place_count(rows->cell + at, n, stride, got_count);
    same(want_count, got_count, sizeof want_count, "place_count", k->name, n);
    pat_kernels_scalar.place_sum(rows->cell + at, rows->value + at, n, stride, want_sum);
    k->place_sum(rows->cell + at, rows->value + at, n, stride, got_sum);
    same(want_sum, got_sum, sizeof want_sum, "place_sum", k->name, n);
    pat_kernels_scalar.count_bits(rows->bits + at, rows->cell + at, n, columns, COLUMNS, want_bits);
    k->count_bits(rows->bits + at, rows->cell + at, n, columns, COLUMNS, got_bits);
    same(want_bits, got_bits, sizeof want_bits, "count_bits", k->name, n);
    uint64_t want_hash[ROWS_MAX + OFFSET_OF], got_hash[ROWS_MAX + OFFSET_OF];
    memcpy(want_hash, rows->bits, sizeof want_hash);
    memcpy(got_hash, rows->bits, sizeof got_hash);
    pat_kernels_scalar.hash(rows->value + at, n, want_hash);
    k->hash(rows->value + at, n, got_hash);
    same(want_hash, got_hash, sizeof want_hash, "hash", k->name, n);
    if (n % 16 != 0) return; /* the array is big */
    memset(want_hits, 0, sizeof want_hits);
    memset(got_hits, 0, sizeof got_hits);
    pat_kernels_scalar.place_hits(rows->cell + at, rows->bucket + at, n, want_hits);
    k->place_hits(rows->cell + at, rows->bucket + at, n, got_hits);
    same(want_hits, got_hits, sizeof want_hits, "place_hits", k->name, n);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

struct run {
    uint32_t offset[ROWS_MAX + 1];
    uint16_t row[ROWS_MAX];
    uint16_t day[ENTRIES + BEHIND];
    int32_t net[ENTRIES + BEHIND];
    uint64_t bit[DAYS];
    uint16_t column[DAYS];
};

static int by_day(const void *a, const void *b) {
    const uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    return (x > y) - (x < y);
}

/* Days that ascend, of few months or of many; what lies behind the last entry must not matter. */
static void run_make(struct run *run) {
    const uint64_t spread = next() % 2 == 0 ? 1100 : DAYS;
    uint32_t at = 0;
    for (size_t day = 0; day < DAYS; day++) {
        run->column[day] = (uint16_t)(day / 30 % COLUMNS);
        run->bit[day] = day % 97 == 0 ? 0 : (uint64_t)1 << (day / 30 % 64);
    }
    for (size_t i = 0; i < ROWS_MAX; i++) {
        uint32_t entries = next() % 4 == 0 ? (uint32_t)(next() % 130) : (uint32_t)(next() % 10);
        if (entries > ENTRIES - at) entries = ENTRIES - at;
        run->offset[i] = at;
        run->row[i] = (uint16_t)(next() % CELLS);
        for (uint32_t j = 0; j < entries; j++) {
            run->day[at + j] = (uint16_t)(next() % spread);
            run->net[at + j] = next() % 4 == 0 ? (next() % 2 == 0 ? INT32_MIN : INT32_MAX) : (int32_t)next();
        }
        qsort(run->day + at, entries, sizeof *run->day, by_day);
        at += entries;
    }
    run->offset[ROWS_MAX] = at;
    for (uint32_t i = at; i < at + BEHIND; i++) run->day[i] = (uint16_t)next();
}

static void check_run(const struct pat_kernels *k, const struct run *run) {
    const size_t first = next() % ROWS_MAX, n = next() % (ROWS_MAX - first + 1);
    const uint32_t *offset = run->offset + first;
    uint64_t want[ROWS_MAX + 1], got[ROWS_MAX + 1];
    static int64_t want_cell[CELLS * COLUMNS], got_cell[CELLS * COLUMNS];
    memset(want, 0x5a, sizeof want);
    memset(got, 0x5a, sizeof got);
    pat_kernels_scalar.run_bits(offset, n, run->day, run->bit, want);
    k->run_bits(offset, n, run->day, run->bit, got);
    same(want, got, sizeof want, "run_bits", k->name, n);
    for (unsigned money = 0; money < 2; money++) {
        const int32_t *net = money == 1 ? run->net : NULL;
        memset(want_cell, 0, sizeof want_cell);
        memset(got_cell, 0, sizeof got_cell);
        pat_kernels_scalar.run_cells(offset, run->row + first, n, run->day, net, run->column, COLUMNS, want_cell);
        k->run_cells(offset, run->row + first, n, run->day, net, run->column, COLUMNS, got_cell);
        same(want_cell, got_cell, sizeof want_cell, "run_cells", k->name, n);
    }
}

static void every_table_equals_scalar(void **state) {
    (void)state;
    static const char *const names[] = {"scalar", "avx2", "avx512"};
    static struct rows rows;
    static struct run run;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct pat_kernels *k = pat_kernels_find(names[i]);
        if (k == NULL) continue;
        for (size_t n = 0; n <= ROWS_MAX; n++) {
            rows_make(&rows);
            check_rows(k, &rows, n);
        }
        for (unsigned round = 0; round < 60; round++) {
            if (round % 6 == 0) run_make(&run);
            check_run(k, &run);
        }
    }
}

/* ---- what the words of kernel.h come to ----------------------------------------------------------------------------
 */

static void neighbours_count_in_different_copies(void **state) {
    (void)state;
    const struct pat_kernels *k = pat_kernels_find("auto");
    const uint16_t cell[6] = {1, 1, 1, 1, 1, 0};
    const int64_t value[6] = {10, 20, 30, 40, 50, -7};
    uint32_t count[8] = {0}, one[2] = {0};
    int64_t sum[8] = {0};
    k->place_count(cell, 6, 2, count);
    k->place_count(cell, 6, 0, one);
    k->place_sum(cell, value, 6, 2, sum);
    const uint32_t want[8] = {0, 2, 1, 1, 0, 1, 0, 1};
    const int64_t want_sum[8] = {0, 60, -7, 20, 0, 30, 0, 40};
    assert_memory_equal(want, count, sizeof want);
    assert_memory_equal(want_sum, sum, sizeof want_sum);
    assert_int_equal(1, one[0]);
    assert_int_equal(5, one[1]);
}

static void a_month_counts_once_for_each_customer(void **state) {
    (void)state;
    static uint64_t bit[DAYS];
    const struct pat_kernels *k = pat_kernels_find("auto");
    const uint32_t offset[4] = {0, 5, 5, 6};
    const uint16_t day[6 + BEHIND] = {0, 1, 1, 2, 9, 2}, row[3] = {1, 0, 1};
    uint64_t bits[3];
    uint32_t cell[4] = {0};
    bit[0] = bit[1] = 1;
    bit[2] = 2;
    k->run_bits(offset, 3, day, bit, bits);
    assert_int_equal(3, bits[0]);
    assert_int_equal(0, bits[1]);
    assert_int_equal(2, bits[2]);
    k->count_bits(bits, row, 3, 2, 2, cell);
    const uint32_t want[4] = {0, 0, 1, 2};
    assert_memory_equal(want, cell, sizeof want);
}

int main(void) {
    seed_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_equals_scalar),
        cmocka_unit_test(neighbours_count_in_different_copies),
        cmocka_unit_test(a_month_counts_once_for_each_customer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
