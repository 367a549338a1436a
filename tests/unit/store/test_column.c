/* Columns against plain arrays: every width, every neighbour of a limit, and views that must not see what came after
 * them. */
#include "base/clock.h"
#include "base/mem.h"
#include "kernel/kernel.h"
#include "store/column.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static uint64_t seed;

static uint64_t next_random(void) {
    seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static uint64_t below(uint64_t limit) {
    return next_random() % limit;
}

/* PATRON_SEED repeats a run. */
static void seed_from_environment(const char *test) {
    const char *given = getenv("PATRON_SEED");
    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
    } else {
        pat_entropy(&seed, sizeof seed);
    }
    print_message("%s: PATRON_SEED=%" PRIu64 "\n", test, seed);
}

/* Limits of the widths and of int64, and what lies around them. */
static const int64_t edges[] = {PAT_NULL,
                                INT64_MIN + 1,
                                INT64_MIN + 2,
                                INT64_MIN + 256,
                                INT64_MIN / 2,
                                -4294967296,
                                -4294967295,
                                -65536,
                                -65535,
                                -32768,
                                -257,
                                -256,
                                -255,
                                -128,
                                -1,
                                0,
                                1,
                                127,
                                128,
                                253,
                                254,
                                255,
                                256,
                                32767,
                                65533,
                                65534,
                                65535,
                                65536,
                                14000,
                                INT32_MAX,
                                4294967293,
                                4294967294,
                                4294967295,
                                4294967296,
                                INT64_MAX / 2,
                                INT64_MAX - 65535,
                                INT64_MAX - 255,
                                INT64_MAX - 1,
                                INT64_MAX};

static int64_t random_value(unsigned kind) {
    int64_t edge = edges[below(COUNT(edges))];
    switch (kind % 6) {
    case 0: return (int64_t)below(200);
    case 1: return 20000 + (int64_t)below(300);
    case 2: return -(int64_t)below(70000);
    case 3: return below(4) == 0 ? PAT_NULL : INT64_MAX - (int64_t)below(1000);
    case 4: return below(4) == 0 ? PAT_NULL : INT64_MIN + 1 + (int64_t)below(1000);
    default: return edge;
    }
}

/* ---- one column, one array ------------------------------------------------------------------------------------------
 */

static void check_same(const struct pat_column_view *view, const int64_t *model, pat_row rows) {
    assert_int_equal(view->rows, rows);
    int64_t *read = malloc((rows + 1) * sizeof *read);
    pat_column_view_read(view, 0, rows, read, &pat_kernels_scalar);
    for (pat_row row = 0; row < rows; row++) {
        assert_true(pat_column_view_get(view, row) == model[row]);
        assert_true(read[row] == model[row]);
    }
    if (rows > 0) {
        pat_row first = (pat_row)below(rows);
        uint32_t count = (uint32_t)below(rows - first + 1);
        pat_column_view_read(view, first, count, read, &pat_kernels_scalar);
        for (uint32_t i = 0; i < count; i++) assert_true(read[i] == model[first + i]);
    }
    free(read);
}

static void every_pair_of_edges_can_share_a_chunk(void **state) {
    (void)state;
    struct pat_pins pins;
    pat_pins_init(&pins);
    for (size_t a = 0; a < COUNT(edges); a++) {
        for (size_t b = 0; b < COUNT(edges); b++) {
            struct pat_column column;
            pat_column_init(&column, &pins, 6, PAT_MEM_OTHER);
            pat_column_append(&column, edges[a]);
            pat_column_append(&column, edges[b]);
            assert_true(pat_column_get(&column, 0) == edges[a]);
            assert_true(pat_column_get(&column, 1) == edges[b]);
            pat_column_set(&column, 0, edges[b]);
            pat_column_set(&column, 1, edges[a]);
            assert_true(pat_column_get(&column, 0) == edges[b]);
            assert_true(pat_column_get(&column, 1) == edges[a]);
            pat_column_deinit(&column);
        }
    }
    pat_pins_deinit(&pins);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void widths_are_as_narrow_as_the_values(void **state) {
    (void)state;
    static const struct {
        int64_t low, high;
        unsigned width;
    } cases[] = {{5, 5, 0},
                 {0, 254, 1},
                 {0, 255, 2},
                 {PAT_NULL, 254, 1},
                 {20000, 20100, 1},
                 {20000, 20200, 2},
                 {-60, 60, 1},
                 {0, 65534, 2},
                 {0, 65535, 4},
                 {-1, 254, 2},
                 {0, 4294967294, 4},
                 {0, 4294967295, 8},
                 {INT64_MIN + 1, INT64_MAX, 8}};
    struct pat_pins pins;
    pat_pins_init(&pins);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pat_column column;
        pat_column_init(&column, &pins, 6, PAT_MEM_OTHER);
        pat_column_append(&column, cases[i].low);
        pat_column_append(&column, cases[i].high);
        assert_int_equal(column.dir->chunk[0]->width, cases[i].width);
        pat_column_deinit(&column);
    }
    pat_pins_deinit(&pins);
}

static void a_field_that_nobody_sends_costs_nothing(void **state) {
    (void)state;
    struct pat_pins pins;
    pat_pins_init(&pins);
    struct pat_column column;
    pat_column_init(&column, &pins, 12, PAT_MEM_OTHER);
    for (int i = 0; i < 100000; i++) pat_column_append(&column, PAT_NULL);
    assert_true(pat_mem_used(PAT_MEM_OTHER) < 4096);
    pat_column_deinit(&column);
    pat_pins_deinit(&pins);
    assert_int_equal(pat_mem_used_total(), 0);
}

/* ---- random changes under open views
 * ----------------------------------------------------------------------------------- */

#define MODEL_ROWS  700u
#define MODEL_VIEWS 12u

struct held {
    uint64_t version;
    struct pat_column_view view;
    int64_t model[MODEL_ROWS];
};

struct world {
    struct pat_pins pins;
    struct pat_column column;
    int64_t model[MODEL_ROWS];
    struct held held[MODEL_VIEWS];
    unsigned views;
};

static void world_open_view(struct world *world) {
    if (world->views == MODEL_VIEWS) return;
    struct held *held = &world->held[world->views++];
    assert_true(pat_pins_open(&world->pins, &held->version));
    held->view = pat_column_view_of(&world->column);
    memcpy(held->model, world->model, sizeof held->model);
}

static void world_close_view(struct world *world) {
    if (world->views == 0) return;
    unsigned at = (unsigned)below(world->views);
    check_same(&world->held[at].view, world->held[at].model, world->held[at].view.rows);
    pat_pins_close(&world->pins, world->held[at].version);
    world->held[at] = world->held[--world->views];
}

static void world_change(struct world *world, unsigned kind) {
    pat_row rows = world->column.rows;
    int64_t value = random_value(kind);
    if (rows == 0 || (rows < MODEL_ROWS && below(2) == 0)) {
        pat_column_append(&world->column, value);
        world->model[rows] = value;
    } else {
        pat_row row = (pat_row)below(rows);
        pat_column_set(&world->column, row, value);
        world->model[row] = value;
    }
}

/* Appends many, mostly of a kind, now and then all the same. */
static void world_append_many(struct world *world, unsigned kind) {
    const pat_row rows = world->column.rows;
    uint32_t count = (uint32_t)below(90);
    if (count > MODEL_ROWS - rows) count = MODEL_ROWS - rows;
    const bool same = below(3) == 0;
    int64_t value = random_value(kind);
    for (uint32_t i = 0; i < count; i++) {
        if (!same) value = random_value(kind);
        world->model[rows + i] = value;
    }
    if (same && below(2) == 0) {
        pat_column_append_same(&world->column, value, count);
    } else {
        pat_column_append_all(&world->column, world->model + rows, count);
    }
}

/* Changes some of the rows, ascending; what is read of them before is what the model says. */
static void world_change_many(struct world *world, unsigned kind) {
    pat_row row[MODEL_ROWS] = {0}; /* for compilers that cannot see that those read are written */
    int64_t old[MODEL_ROWS], value[MODEL_ROWS];
    uint32_t count = 0;
    const uint64_t stride = 1 + below(40);
    for (pat_row at = (pat_row)below(stride); at < world->column.rows; at += 1 + (pat_row)below(stride))
        row[count++] = at;
    pat_column_gather(&world->column, row, count, old);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(old[i] == world->model[row[i]]);
        value[i] = below(3) == 0 ? old[i] : random_value(kind);
        world->model[row[i]] = value[i];
    }
    pat_column_scatter(&world->column, row, count, old, value);
}

static void views_keep_what_they_saw(void **state) {
    (void)state;
    seed_from_environment("views_keep_what_they_saw");
    struct world *world = calloc(1, sizeof *world);
    for (unsigned round = 0; round < 60; round++) {
        uint8_t shift = (uint8_t)(3 + below(5));
        pat_pins_init(&world->pins);
        pat_column_init(&world->column, &world->pins, shift, PAT_MEM_OTHER);
        unsigned kind = (unsigned)below(6);
        for (unsigned step = 0; step < 1500; step++) {
            uint64_t action = below(40);
            if (action == 0) {
                world_open_view(world);
            } else if (action == 1) {
                world_close_view(world);
            } else if (action == 2) {
                world_append_many(world, kind);
            } else if (action == 3) {
                world_change_many(world, below(20) == 0 ? (unsigned)below(6) : kind);
            } else {
                world_change(world, below(50) == 0 ? (unsigned)below(6) : kind);
            }
            if (step % 300 != 299) continue;
            struct pat_column_view now = pat_column_view_of(&world->column);
            check_same(&now, world->model, world->column.rows);
            for (unsigned i = 0; i < world->views; i++) {
                check_same(&world->held[i].view, world->held[i].model, world->held[i].view.rows);
            }
        }
        while (world->views > 0) world_close_view(world);
        assert_int_equal(world->pins.retired_count, 0);
        pat_column_deinit(&world->column);
        pat_pins_deinit(&world->pins);
        assert_int_equal(pat_mem_used_total(), 0);
    }
    free(world);
}

static void a_view_costs_one_copy_of_what_changes(void **state) {
    (void)state;
    struct pat_pins pins;
    pat_pins_init(&pins);
    struct pat_column column;
    pat_column_init(&column, &pins, 10, PAT_MEM_OTHER);
    for (int64_t i = 0; i < 4096; i++) pat_column_append(&column, i % 200);
    size_t before = pat_mem_used_total();
    uint64_t version;
    assert_true(pat_pins_open(&pins, &version));
    for (pat_row row = 0; row < 1024; row++) pat_column_set(&column, row, 7);
    size_t during = pat_mem_used_total();
    assert_true(during > before);
    assert_true(during < before + 4096); /* one chunk of a byte a row, one directory, the list of retired blocks */
    /* Rows behind the view's are written in place. */
    size_t chunk_before = (size_t)(uintptr_t)column.dir->chunk[3];
    pat_column_append(&column, 3);
    assert_int_equal((size_t)(uintptr_t)column.dir->chunk[3], chunk_before);
    pat_pins_close(&pins, version);
    assert_int_equal(pins.retired_count, 0);
    pat_column_deinit(&column);
    pat_pins_deinit(&pins);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void views_are_limited(void **state) {
    (void)state;
    struct pat_pins pins;
    pat_pins_init(&pins);
    uint64_t version[PAT_VIEWS_MAX], one_more;
    for (unsigned i = 0; i < PAT_VIEWS_MAX; i++) assert_true(pat_pins_open(&pins, &version[i]));
    assert_false(pat_pins_open(&pins, &one_more));
    for (unsigned i = 0; i < PAT_VIEWS_MAX; i++) pat_pins_close(&pins, version[i * 37 % PAT_VIEWS_MAX]);
    assert_int_equal(pins.newest, 0);
    assert_true(pat_pins_open(&pins, &one_more));
    pat_pins_close(&pins, one_more);
    pat_pins_deinit(&pins);
}

/* ---- restore
 * --------------------------------------------------------------------------------------------------------- */

static void chunks_come_back(void **state) {
    (void)state;
    seed_from_environment("chunks_come_back");
    struct pat_pins pins;
    pat_pins_init(&pins);
    for (unsigned kind = 0; kind < 6; kind++) {
        struct pat_column from, to;
        pat_column_init(&from, &pins, 6, PAT_MEM_OTHER);
        pat_column_init(&to, &pins, 6, PAT_MEM_OTHER);
        for (int i = 0; i < 300; i++) pat_column_append(&from, random_value(kind));
        for (pat_row first = 0; first < 300; first += 64) {
            const struct pat_chunk *chunk = from.dir->chunk[first / 64];
            uint32_t rows = 300 - first < 64 ? 300 - first : 64;
            assert_true(pat_column_restore(&to, chunk->width, chunk->base, rows, chunk->data));
        }
        for (pat_row row = 0; row < 300; row++) assert_true(pat_column_get(&to, row) == pat_column_get(&from, row));
        for (int i = 0; i < 100; i++) {
            int64_t value = random_value(5);
            pat_column_append(&to, value);
            assert_true(pat_column_get(&to, 300 + (pat_row)i) == value);
        }
        for (pat_row row = 0; row < 300; row++) assert_true(pat_column_get(&to, row) == pat_column_get(&from, row));
        pat_column_deinit(&from);
        pat_column_deinit(&to);
    }
    struct pat_column column;
    pat_column_init(&column, &pins, 6, PAT_MEM_OTHER);
    unsigned char data[65 * 8] = {0};
    assert_false(pat_column_restore(&column, 3, 0, 10, data));
    assert_false(pat_column_restore(&column, 16, 0, 10, data));
    assert_false(pat_column_restore(&column, 1, 0, 0, data));
    assert_false(pat_column_restore(&column, 1, 0, 65, data));
    assert_true(pat_column_restore(&column, 1, 0, 10, data));
    assert_false(pat_column_restore(&column, 1, 0, 10, data)); /* only the last chunk may be short */
    pat_column_deinit(&column);
    pat_pins_deinit(&pins);
    assert_int_equal(pat_mem_used_total(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_edges_can_share_a_chunk),
        cmocka_unit_test(widths_are_as_narrow_as_the_values),
        cmocka_unit_test(a_field_that_nobody_sends_costs_nothing),
        cmocka_unit_test(views_keep_what_they_saw),
        cmocka_unit_test(a_view_costs_one_copy_of_what_changes),
        cmocka_unit_test(views_are_limited),
        cmocka_unit_test(chunks_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
