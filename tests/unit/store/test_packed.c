/* Packed values: any come back as they were, and no bytes lead outside. */
#include "model/types.h"
#include "store/column.h"
#include "store/packed.h"

#include "base/mem.h"
#include "kernel/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint64_t seed;

static uint64_t random_word(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int begin(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) | 1;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    return 0;
}

static int end(void **state) {
    (void)state;
    assert_int_equal(pat_mem_used_total(), 0);
    return 0;
}

/* Values of up to so many bits above a base, of which one in `nulls` is not null, or all (0) or none (1000). */
static void fill(int64_t *value, uint32_t rows, unsigned bits, unsigned nulls) {
    const int64_t base = (int64_t)(random_word() >> 8) - (int64_t)(UINT64_C(1) << 54);
    for (uint32_t i = 0; i < rows; i++) {
        const bool null = nulls != 0 && (nulls == 1000 || random_word() % nulls != 0);
        const uint64_t above = bits == 0 ? 0 : random_word() >> (64 - bits);
        value[i] = null ? PAT_NULL : (int64_t)((uint64_t)base + above);
    }
}

static void same(const int64_t *value, uint32_t rows, const unsigned char *data) {
    int64_t out[3000];
    for (uint32_t i = 0; i < rows; i++) assert_true(pat_packed_get(data, i) == value[i]);
    for (uint32_t first = 0; first < rows;) {
        const uint32_t left = rows - first, here = (uint32_t)(random_word() % (left < 3000 ? left : 3000)) + 1;
        pat_packed_read(data, first, here, out);
        assert_memory_equal(out, value + first, here * sizeof *out);
        first += here;
    }
}

static void any_values_come_back(void **state) {
    (void)state;
    static const unsigned nulls[] = {0, 1000, 1, 2, 20, 400};
    const uint32_t most = 4096;
    int64_t *value = malloc(most * sizeof *value);
    for (unsigned bits = 0; bits <= 56; bits++) {
        for (size_t n = 0; n < sizeof nulls / sizeof nulls[0]; n++) {
            const uint32_t rows = n % 2 == 0 ? most : (uint32_t)(random_word() % most) + 1;
            fill(value, rows, bits, nulls[n]);
            unsigned char *scratch = malloc(pat_packed_bytes_max(rows));
            const size_t bytes = pat_packed_make(value, rows, scratch);
            assert_in_range(bytes, 1, pat_packed_bytes_max(rows));
            /* In memory of exactly that size, so that reading behind it is seen. */
            unsigned char *data = malloc(bytes);
            memcpy(data, scratch, bytes);
            int64_t low, high, least = INT64_MAX, most_of = INT64_MIN;
            bool has_null, null = false;
            assert_true(pat_packed_check(data, bytes, rows, &low, &high, &has_null));
            for (uint32_t i = 0; i < rows; i++) {
                null |= value[i] == PAT_NULL;
                if (value[i] == PAT_NULL) continue;
                if (value[i] < least) least = value[i];
                if (value[i] > most_of) most_of = value[i];
            }
            assert_true(low == least);
            assert_true(high == most_of);
            assert_true(has_null || !null);
            same(value, rows, data);
            free(data);
            free(scratch);
        }
    }
    value[0] = INT64_MAX;
    value[1] = INT64_MIN + 1;
    unsigned char *data = malloc(pat_packed_bytes_max(2));
    assert_int_equal(pat_packed_make(value, 2, data), 0); /* more than any code says */
    free(data);
    free(value);
}

/* Whatever the bytes are: when the check lets them pass, every value is within the bounds that it gave. */
static void no_bytes_lead_outside(void **state) {
    (void)state;
    const uint32_t rows = 2500;
    int64_t value[2500], out[2500];
    unsigned passed = 0;
    for (unsigned round = 0; round < 3000; round++) {
        fill(value, rows, (unsigned)(random_word() % 57), (unsigned)(random_word() % 30));
        unsigned char *scratch = malloc(pat_packed_bytes_max(rows));
        const size_t bytes = pat_packed_make(value, rows, scratch);
        unsigned char *data = malloc(bytes);
        memcpy(data, scratch, bytes);
        const size_t within = random_word() % 2 == 0 ? 3 * 24 : bytes;
        for (unsigned flips = 0; flips < 3; flips++) data[random_word() % within] ^= (unsigned char)random_word();
        int64_t low, high;
        bool has_null;
        if (pat_packed_check(data, bytes, rows, &low, &high, &has_null)) {
            passed++;
            pat_packed_read(data, 0, rows, out);
            for (uint32_t i = 0; i < rows; i++) {
                assert_true(out[i] == pat_packed_get(data, i));
                assert_true(out[i] == PAT_NULL ? has_null : out[i] >= low && out[i] <= high);
            }
        }
        free(data);
        free(scratch);
    }
    assert_in_range(passed, 300, 2990);
}

/* A column whose chunks are packed while a view is open, and changed again, says what it said. */
static void packed_chunks_are_read_and_written(void **state) {
    (void)state;
    struct pat_pins pins;
    struct pat_column column;
    const uint32_t chunk = 1u << 12, rows = 5 * chunk + 100;
    int64_t *value = malloc(rows * sizeof *value), *out = malloc(rows * sizeof *out);
    fill(value, rows, 20, 3);
    pat_pins_init(&pins);
    pat_column_init(&column, &pins, 12, PAT_MEM_ORDERS);
    pat_column_append_all(&column, value, rows);
    const size_t plain = pat_mem_used(PAT_MEM_ORDERS);
    void *scratch = malloc(pat_chunk_pack_scratch(chunk));
    uint64_t version;
    for (unsigned sweep = 0; sweep < 2; sweep++) {
        assert_true(pat_pins_open(&pins, &version));
        for (uint32_t c = 0; c < 6; c++) {
            struct pat_chunk *was = pat_column_pack_choose(&column, c);
            if (sweep == 0 || c == 5) assert_null(was); /* must rest first; the last one is not whole */
            if (was == NULL) continue;
            struct pat_chunk *packed = pat_chunk_pack(was, chunk, PAT_MEM_ORDERS, scratch);
            assert_non_null(packed);
            /* Changed meanwhile: what was made of it is old. */
            if (c == 2) pat_column_set(&column, c * chunk + 7, value[c * chunk + 7] = 5);
            struct pat_chunk *replaced = pat_column_pack_take(&column, c, was, packed);
            assert_int_equal(replaced != NULL, c != 2);
            pat_mem_free_pages(PAT_MEM_ORDERS, replaced);
            assert_int_equal(column.dir->chunk[c]->width == PAT_WIDTH_PACKED, c != 2);
        }
        pat_pins_close(&pins, version);
    }
    assert_true(pat_mem_used(PAT_MEM_ORDERS) < plain - plain / 8);
    for (uint32_t c = 0; c < 5; c++) {
        if (c != 2) assert_null(pat_column_pack_choose(&column, c)); /* there is nothing left to gain */
    }
    const struct pat_column_view view = pat_column_view_of(&column);
    for (unsigned round = 0; round < 100; round++) {
        const pat_row first = (pat_row)(random_word() % rows);
        const uint32_t count = (uint32_t)(random_word() % (rows - first)) + 1;
        pat_column_view_read(&view, first, count, out, pat_kernels_find("scalar"));
        assert_memory_equal(out, value + first, count * sizeof *out);
    }
    pat_row row[50];
    for (unsigned k = 0; k < 50; k++) row[k] = k * 400 + (pat_row)(random_word() % 400);
    pat_column_gather(&column, row, 50, out);
    for (unsigned k = 0; k < 50; k++) assert_true(out[k] == value[row[k]]);
    int64_t changed[50];
    for (unsigned k = 0; k < 50; k++) changed[k] = k % 3 == 0 ? out[k] : (int64_t)random_word() >> 20;
    pat_column_scatter(&column, row, 50, out, changed);
    for (unsigned k = 0; k < 50; k++) value[row[k]] = changed[k];
    pat_column_set(&column, 4 * chunk, value[4 * chunk] = PAT_NULL);
    for (pat_row r = 0; r < rows; r++) assert_true(pat_column_get(&column, r) == value[r]);
    pat_column_deinit(&column);
    pat_pins_deinit(&pins);
    free(scratch);
    free(out);
    free(value);
}

/* Writes to a chunk that is chosen for packing: in one row, in some, and none. A view sees it, or none is open. */
static void what_is_being_packed_stays_as_it_was(void **state) {
    (void)state;
    const uint32_t chunk = 1u << 12;
    struct pat_pins pins;
    struct pat_column column;
    int64_t *value = malloc(chunk * sizeof *value);
    void *scratch = malloc(pat_chunk_pack_scratch(chunk));
    for (unsigned round = 0; round < 12; round++) {
        const bool seen = round % 2 == 0, left = round < 6;
        uint64_t version = 0;
        pat_row row[2] = {7, 2000};
        fill(value, chunk, 20, 3);
        pat_pins_init(&pins);
        pat_column_init(&column, &pins, 12, PAT_MEM_ORDERS);
        pat_column_append_all(&column, value, chunk);
        assert_null(pat_column_pack_choose(&column, 0)); /* must rest first */
        struct pat_chunk *was = pat_column_pack_choose(&column, 0);
        assert_non_null(was);
        assert_null(pat_column_pack_choose(&column, 0));
        if (seen) assert_true(pat_pins_open(&pins, &version));
        const int64_t old[2] = {value[7], value[2000]}, other[2] = {value[7] + 1, PAT_NULL};
        if (round % 3 == 0) pat_column_set(&column, 7, other[0]);
        if (round % 3 == 1) pat_column_scatter(&column, row, 2, old, other);
        struct pat_chunk *packed = pat_chunk_pack(was, chunk, PAT_MEM_ORDERS, scratch);
        assert_non_null(packed);
        for (uint32_t i = 0; i < chunk; i++) assert_true(pat_packed_get(packed->data, i) == value[i]);
        if (left) {
            pat_mem_free(PAT_MEM_ORDERS, packed);
            pat_column_pack_leave(&column, 0, was);
            assert_int_equal(pat_column_pack_choose(&column, 0) == was, round % 3 == 2);
            if (round % 3 == 2) pat_column_pack_leave(&column, 0, was);
        } else {
            struct pat_chunk *replaced = pat_column_pack_take(&column, 0, was, packed);
            assert_int_equal(replaced != NULL, round % 3 == 2);
            pat_pins_retire(&pins, PAT_MEM_ORDERS, replaced);
        }
        assert_true(pat_column_get(&column, 7) == (round % 3 < 2 ? other[0] : old[0]));
        assert_true(pat_column_get(&column, 2000) == (round % 3 == 1 ? other[1] : old[1]));
        if (seen) pat_pins_close(&pins, version);
        pat_column_deinit(&column);
        pat_pins_deinit(&pins);
    }
    free(scratch);
    free(value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_values_come_back, begin, end),
        cmocka_unit_test_setup_teardown(no_bytes_lead_outside, begin, end),
        cmocka_unit_test_setup_teardown(packed_chunks_are_read_and_written, begin, end),
        cmocka_unit_test_setup_teardown(what_is_being_packed_stays_as_it_was, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
