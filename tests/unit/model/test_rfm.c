/* The built-in map against the published lists, and what is refused of other people's maps. */
#include "model/rfm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* As marketing suites publish them. */
static const struct {
    const char *group;
    const char *cells;
} published[] = {
    {"champions", "555 554 544 545 454 455 445"},
    {"loyal", "543 444 435 355 354 345 344 335"},
    {"potential_loyalist",
     "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323"},
    {"new", "512 511 422 421 412 411 311"},
    {"promising", "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313"},
    {"need_attention", "535 534 443 434 343 334 325 324"},
    {"about_to_sleep", "331 321 312 221 213 231 241 251"},
    {"at_risk", "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124"},
    {"cannot_lose", "155 154 144 214 215 115 114 113"},
    {"hibernating", "332 322 233 232 223 222 132 123 122 212 211"},
    {"lost", "111 112 121 131 141 151"},
};

static unsigned cells_of(const char *text, int cells[PAT_RFM_CELLS]) {
    unsigned count = 0;
    char *end;
    for (long cell = strtol(text, &end, 10); end != text; text = end, cell = strtol(text, &end, 10)) {
        assert_true(count < PAT_RFM_CELLS);
        cells[count++] = (int)cell;
    }
    return count;
}

static void each_of_the_125_cells_has_exactly_one_name(void **state) {
    (void)state;
    const struct pat_rfm_map *map = pat_rfm_map_builtin();
    assert_string_equal(map->name, "default");
    assert_int_equal(map->groups, 11);
    assert_int_equal(COUNT(published), 11);
    unsigned claims[PAT_RFM_CELLS] = {0};
    for (size_t i = 0; i < COUNT(published); i++) {
        assert_string_equal(map->group[i], published[i].group);
        int cells[PAT_RFM_CELLS];
        const unsigned count = cells_of(published[i].cells, cells);
        for (unsigned j = 0; j < count; j++) {
            const unsigned digits = (unsigned)cells[j];
            const unsigned cell = pat_rfm_cell(digits / 100, digits / 10 % 10, digits % 10);
            assert_true(cell < PAT_RFM_CELLS);
            claims[cell]++;
            if (map->of_cell[cell] != i) fail_msg("cell %u is no %s", digits, published[i].group);
        }
    }
    for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) assert_int_equal(claims[cell], 1);
}

static void a_map_built_step_by_step_equals_the_built_in_one(void **state) {
    (void)state;
    static struct pat_rfm_map map;
    pat_rfm_map_begin(&map, "default");
    for (size_t i = 0; i < COUNT(published); i++) {
        int cells[PAT_RFM_CELLS];
        const unsigned count = cells_of(published[i].cells, cells);
        assert_int_equal(pat_rfm_map_add(&map, published[i].group, cells, count, NULL), PAT_OK);
    }
    assert_int_equal(pat_rfm_map_finish(&map, NULL), PAT_OK);
    assert_memory_equal(&map, pat_rfm_map_builtin(), sizeof map);
}

static void a_map_with_a_hole_is_refused_with_the_cell(void **state) {
    (void)state;
    static struct pat_rfm_map map;
    struct pat_error error;
    pat_rfm_map_begin(&map, "holes");
    assert_int_equal(pat_rfm_map_finish(&map, &error), PAT_ERR_BAD_REQUEST);
    int cells[PAT_RFM_CELLS];
    unsigned count = 0;
    for (int r = 1; r <= 5; r++) {
        for (int f = 1; f <= 5; f++) {
            for (int m = 1; m <= 5; m++) {
                if (r * 100 + f * 10 + m != 342) cells[count++] = r * 100 + f * 10 + m;
            }
        }
    }
    assert_int_equal(pat_rfm_map_add(&map, "most", cells, count, NULL), PAT_OK);
    assert_int_equal(pat_rfm_map_finish(&map, &error), PAT_ERR_BAD_REQUEST);
    assert_non_null(strstr(error.message, " 342"));
    assert_non_null(strstr(error.message, "1 of the 125"));
    assert_int_equal(pat_rfm_map_add(&map, "rest", (const int[]){342}, 1, NULL), PAT_OK);
    assert_int_equal(pat_rfm_map_finish(&map, NULL), PAT_OK);
}

static void a_cell_in_two_groups_is_refused_with_both(void **state) {
    (void)state;
    static struct pat_rfm_map map;
    struct pat_error error;
    pat_rfm_map_begin(&map, "twice");
    assert_int_equal(pat_rfm_map_add(&map, "best", (const int[]){555, 554}, 2, NULL), PAT_OK);
    assert_int_equal(pat_rfm_map_add(&map, "good", (const int[]){545, 554}, 2, &error), PAT_ERR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "554"));
    assert_non_null(strstr(error.message, "\"best\""));
    assert_non_null(strstr(error.message, "\"good\""));
}

static void what_is_no_cell_or_no_group_is_refused(void **state) {
    (void)state;
    static struct pat_rfm_map map;
    struct pat_error error;
    static const int wrong[] = {0, -111, 110, 116, 161, 611, 556, 5555, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        pat_rfm_map_begin(&map, "wrong");
        assert_int_equal(pat_rfm_map_add(&map, "best", &wrong[i], 1, &error), PAT_ERR_BAD_REQUEST);
    }
    pat_rfm_map_begin(&map, "wrong");
    assert_int_equal(pat_rfm_map_add(&map, "none", NULL, 0, &error), PAT_ERR_BAD_REQUEST);
    assert_int_equal(pat_rfm_map_add(&map, "Best", (const int[]){555}, 1, &error), PAT_ERR_BAD_REQUEST);
    assert_int_equal(pat_rfm_map_add(&map, "best", (const int[]){555}, 1, &error), PAT_OK);
    assert_int_equal(pat_rfm_map_add(&map, "best", (const int[]){554}, 1, &error), PAT_ERR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "twice"));
}

static void slugs_are_small_letters_digits_and_underscores(void **state) {
    (void)state;
    static const char *const right[] = {"a", "at_risk", "tier2", "x__y"};
    static const char *const wrong[] = {"", "A", "2tier", "_a", "a-b", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < COUNT(right); i++) assert_true(pat_slug_valid(right[i]));
    for (size_t i = 0; i < COUNT(wrong); i++) assert_false(pat_slug_valid(wrong[i]));
    char longest[PAT_MAP_NAME_BYTES_MAX + 2] = {0};
    memset(longest, 'a', PAT_MAP_NAME_BYTES_MAX);
    assert_true(pat_slug_valid(longest));
    longest[PAT_MAP_NAME_BYTES_MAX] = 'a';
    assert_false(pat_slug_valid(longest));
}

static void the_mean_split_names_high_and_low(void **state) {
    (void)state;
    assert_string_equal(pat_rfm_mean_names[7], "important_value");
    assert_string_equal(pat_rfm_mean_names[4 + 1], "important_develop");
    assert_string_equal(pat_rfm_mean_names[2 + 1], "important_keep");
    assert_string_equal(pat_rfm_mean_names[1], "important_win_back");
    assert_string_equal(pat_rfm_mean_names[4 + 2], "general_value");
    assert_string_equal(pat_rfm_mean_names[4], "general_develop");
    assert_string_equal(pat_rfm_mean_names[2], "general_keep");
    assert_string_equal(pat_rfm_mean_names[0], "general_win_back");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_the_125_cells_has_exactly_one_name),
        cmocka_unit_test(a_map_built_step_by_step_equals_the_built_in_one),
        cmocka_unit_test(a_map_with_a_hole_is_refused_with_the_cell),
        cmocka_unit_test(a_cell_in_two_groups_is_refused_with_both),
        cmocka_unit_test(what_is_no_cell_or_no_group_is_refused),
        cmocka_unit_test(slugs_are_small_letters_digits_and_underscores),
        cmocka_unit_test(the_mean_split_names_high_and_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
