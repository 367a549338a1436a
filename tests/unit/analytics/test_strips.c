/* Strips against the values that they stand for: every width, chunks that are full and one that is not, every table of
 * kernels. PATRON_SEED repeats a run. */
#include "../random.h"
#include "analytics/strip_private.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHIFT 12u
#define ROWS  (2u * PAT_BLOCK_ROWS + 777u)

/* Values of a column: around `center`, `span` wide, one in `nulls` not set (0: all are). */
struct shape {
    int64_t center;
    uint64_t span;
    unsigned nulls;
};

static const struct shape shapes[] = {
    {0, 1, 0},
    {7, 1, 0},
    {0, 1, 1},
    {3, 1, 5},
    {0, 40, 0},
    {0, 250, 3},
    {-100, 200, 0},
    {19000, 900, 0},
    {19000, 900, 4},
    {-5, 60000, 6},
    {0, 4000000, 0},
    {-999, 4000000, 2},
    {0, UINT64_MAX, 7},
    {1, UINT64_MAX, 0},
    {INT64_MAX - 300, 300, 3},
    {INT64_MIN + 1, 100, 3},
};

static int64_t value_of(const struct shape *shape) {
    if (shape->nulls > 0 && next() % shape->nulls == 0) return PAT_NULL;
    return (int64_t)((uint64_t)shape->center + next() % shape->span);
}

/* A limit near the values, or anywhere. */
static int64_t any_limit(const struct shape *shape) {
    switch (next() % 8) {
    case 0: return INT64_MAX;
    case 1: return INT64_MIN + 1;
    case 2: return 0;
    case 3: return (int64_t)next();
    default: return (int64_t)((uint64_t)shape->center + next() % shape->span);
    }
}

static bool same_bit(const uint64_t *bits, uint32_t i, bool expected) {
    return pat_bits__get(bits, i) == expected;
}

static void check_selections(const struct pat_kernels *kernels, const struct pat_strip *strip,
                             const struct shape *shape, const int64_t *value, uint32_t count) {
    uint64_t got[PAT_BLOCK_WORDS], set[16];
    const int64_t low = any_limit(shape), high = any_limit(shape);
    const size_t set_bits = next() % 1025;
    for (size_t i = 0; i < 16; i++) set[i] = next();
    pat_strip__range(kernels, strip, count, low, high, got);
    for (uint32_t i = 0; i < count; i++) {
        if (!same_bit(got, i, value[i] != PAT_NULL && low <= value[i] && value[i] <= high))
            fail_msg("%s: range of row %u", kernels->name, i);
    }
    if (count % 64 != 0) assert_int_equal(0, got[count / 64] >> (count % 64));
    pat_strip__null(kernels, strip, count, got);
    for (uint32_t i = 0; i < count; i++) assert_true(same_bit(got, i, value[i] == PAT_NULL));
    if (strip->null_is_zero || strip->mirrored) return;
    pat_strip__member(kernels, strip, count, set, set_bits, got);
    for (uint32_t i = 0; i < count; i++) {
        const bool inside = value[i] >= 0 && (uint64_t)value[i] < set_bits && pat_bits__get(set, (uint64_t)value[i]);
        if (!same_bit(got, i, inside)) fail_msg("%s: member of row %u", kernels->name, i);
    }
}

static void check_sums(const struct pat_kernels *kernels, const struct pat_strip *strip, const int64_t *value,
                       uint32_t count) {
    uint64_t bits[PAT_BLOCK_WORDS] = {0}, rows = 0, got_rows;
    pat_int128 sum = 0, got_sum;
    for (uint32_t i = 0; i < count; i++) {
        if (next() % 3 == 0) continue;
        pat_bits__set(bits, i);
        if (value[i] == PAT_NULL) continue;
        rows++;
        sum += value[i];
    }
    pat_strip__sum(kernels, strip, count, bits, &got_rows, &got_sum);
    assert_int_equal(rows, got_rows);
    assert_true(sum == got_sum);
}

static void check_strip(const struct pat_kernels *kernels, const struct pat_strip *strip, const struct shape *shape,
                        const int64_t *stored, uint32_t count) {
    static int64_t value[PAT_BLOCK_ROWS], got[PAT_BLOCK_ROWS];
    int64_t low, high;
    bool any_null;
    for (uint32_t i = 0; i < count; i++) {
        value[i] = stored[i] == PAT_NULL && strip->null_is_zero ? 0 : stored[i];
        if (strip->mirrored && value[i] != PAT_NULL) value[i] = strip->from - value[i];
    }
    pat_strip__read(kernels, strip, count, got);
    assert_memory_equal(value, got, count * sizeof *value);
    uint16_t row[PAT_BLOCK_ROWS];
    uint32_t rows = 0;
    for (uint32_t i = (uint32_t)(next() % 9); i < count; i += 1 + (uint32_t)(next() % 9)) row[rows++] = (uint16_t)i;
    pat_strip__gather(strip, row, rows, got);
    for (uint32_t i = 0; i < rows; i++) assert_true(got[i] == value[row[i]]);
    if (pat_strip__bounds(strip, &low, &high, &any_null)) {
        for (uint32_t i = 0; i < count; i++) {
            if (value[i] == PAT_NULL) assert_true(any_null);
            if (value[i] != PAT_NULL) assert_true(low <= value[i] && value[i] <= high);
        }
    }
    for (int again = 0; again < 8; again++) check_selections(kernels, strip, shape, value, count);
    check_sums(kernels, strip, value, count);
}

static void check_column(const struct pat_column *column, const struct shape *shape, const int64_t *stored) {
    static const char *const names[] = {"scalar", "avx2", "avx512"};
    const struct pat_column_view view = pat_column_view_of(column);
    /* Days, as what is mirrored is. */
    const bool days = shape->center > -100000 && shape->center < 100000 && shape->span < 100000;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const struct pat_kernels *kernels = pat_kernels_find(names[k]);
        if (kernels == NULL) continue;
        for (uint32_t first = 0; first < ROWS; first += PAT_BLOCK_ROWS) {
            const uint32_t count = ROWS - first < PAT_BLOCK_ROWS ? ROWS - first : PAT_BLOCK_ROWS;
            struct pat_strip strip = {.part = pat_column_view_part(&view, first)};
            assert_int_equal(strip.part.bounded, count == PAT_BLOCK_ROWS);
            check_strip(kernels, &strip, shape, stored + first, count);
            strip.null_is_zero = true;
            check_strip(kernels, &strip, shape, stored + first, count);
            strip = (struct pat_strip){.part = strip.part, .mirrored = true, .from = 19500};
            if (days) check_strip(kernels, &strip, shape, stored + first, count);
        }
    }
}

/* Row by row, or many at a time. */
static void fill(struct pat_column *column, const struct shape *shape, int64_t *stored, bool together) {
    for (uint32_t i = 0; i < ROWS; i++) stored[i] = value_of(shape);
    for (uint32_t i = 0; i < ROWS;) {
        const uint32_t wanted = together ? (uint32_t)(next() % 3000) + 1 : 1;
        const uint32_t count = wanted < ROWS - i ? wanted : ROWS - i;
        pat_column_append_all(column, stored + i, count);
        i += count;
    }
}

/* Values of another shape here and there. */
static void change(struct pat_column *column, const struct shape *shape, int64_t *stored, bool together) {
    for (uint32_t again = 0; again < 500; again++) {
        pat_row row[8];
        int64_t old[8], value[8];
        const uint32_t count = together ? 8 : 1;
        row[0] = (pat_row)(next() % (ROWS - 8 * 40));
        for (uint32_t k = 0; k < count; k++) {
            if (k > 0) row[k] = row[k - 1] + 1 + (pat_row)(next() % 39);
            old[k] = stored[row[k]];
            value[k] = stored[row[k]] = value_of(shape);
        }
        if (together) {
            pat_column_scatter(column, row, count, old, value);
        } else {
            pat_column_set(column, row[0], value[0]);
        }
    }
}

/* Packs the chunks that may take less room so. Values of this spread do. */
static void pack(struct pat_column *column, struct pat_pins *pins, const struct shape *shape) {
    const uint32_t rows = 1u << SHIFT;
    void *scratch = malloc(pat_chunk_pack_scratch(rows));
    unsigned packed = 0;
    assert_non_null(scratch);
    for (unsigned sweep = 0; sweep < 2; sweep++) {
        for (uint32_t chunk = 0; chunk < ROWS >> SHIFT; chunk++) {
            struct pat_chunk *was = pat_column_pack_choose(column, chunk);
            if (was == NULL) continue;
            struct pat_chunk *packed_one = pat_chunk_pack(was, rows, PAT_MEM_CUSTOMERS, scratch);
            struct pat_chunk *old = pat_column_pack_take(column, chunk, was, packed_one);
            if (old != NULL) pat_pins_retire(pins, PAT_MEM_CUSTOMERS, old);
            packed += column->dir->chunk[chunk]->width == PAT_WIDTH_PACKED;
        }
    }
    free(scratch);
    if (shape->span == 4000000) assert_true(packed > 0);
}

static void strips_say_what_columns_hold(void **state) {
    (void)state;
    static int64_t stored[ROWS];
    for (size_t s = 0; s < 2 * sizeof shapes / sizeof *shapes; s++) {
        const struct shape *shape = &shapes[s / 2];
        const bool together = s % 2 == 1;
        struct pat_pins pins;
        struct pat_column column;
        pat_pins_init(&pins);
        pat_column_init(&column, &pins, SHIFT, PAT_MEM_CUSTOMERS);
        fill(&column, shape, stored, together);
        check_column(&column, shape, stored);
        /* Chunks know what was ever in them, which is more than what is. */
        change(&column, &shapes[next() % 2 == 0 ? s / 2 : 4], stored, together);
        check_column(&column, shape, stored);
        pack(&column, &pins, shape);
        check_column(&column, shape, stored);
        pat_column_deinit(&column);
        pat_pins_deinit(&pins);
    }
}

int main(void) {
    seed_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_say_what_columns_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
