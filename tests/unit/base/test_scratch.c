/* Large blocks that wait between questions. */
#include "base/arena.h"
#include "base/mem.h"
#include "base/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MEBIBYTE ((size_t)1 << 20)

static int begin(void **state) {
    (void)state;
    pat_mem_set_budget(0);
    (void)pat_mem_fail_at(0);
    return 0;
}

static int end(void **state) {
    (void)begin(state);
    (void)pat_scratch_drop();
    return pat_mem_used_total() == 0 && pat_scratch_waiting() == 0 ? 0 : -1;
}

static void a_block_given_back_is_taken_again(void **state) {
    (void)state;
    size_t got, again;
    void *const block = pat_scratch_take(PAT_MEM_QUERY, 8 * MEBIBYTE, &got);
    assert_non_null(block);
    assert_true(pat_mem_used(PAT_MEM_QUERY) >= 8 * MEBIBYTE);
    pat_scratch_give(PAT_MEM_QUERY, block, got);
    assert_int_equal(pat_mem_used(PAT_MEM_QUERY), 0);
    assert_int_equal(pat_scratch_waiting(), got);
    assert_ptr_equal(pat_scratch_take(PAT_MEM_QUERY, 7 * MEBIBYTE, &again), block);
    assert_int_equal(again, got);
    assert_int_equal(pat_scratch_waiting(), 0);
    assert_true(pat_mem_used(PAT_MEM_QUERY) >= 8 * MEBIBYTE);
    pat_scratch_give(PAT_MEM_QUERY, block, again);
}

static void a_block_much_too_long_is_left_for_others(void **state) {
    (void)state;
    size_t got, other;
    void *const block = pat_scratch_take(PAT_MEM_QUERY, 8 * MEBIBYTE, &got);
    assert_non_null(block);
    pat_scratch_give(PAT_MEM_QUERY, block, got);
    void *const small = pat_scratch_take(PAT_MEM_QUERY, 2 * MEBIBYTE, &other);
    assert_non_null(small);
    assert_ptr_not_equal(small, block);
    assert_int_equal(pat_scratch_waiting(), got);
    pat_scratch_give(PAT_MEM_QUERY, small, other);
}

static void what_waits_makes_room_when_the_budget_is_short(void **state) {
    (void)state;
    size_t got;
    pat_mem_set_budget(64 * MEBIBYTE);
    void *const block = pat_scratch_take(PAT_MEM_QUERY, 3 * MEBIBYTE, &got);
    assert_non_null(block);
    pat_scratch_give(PAT_MEM_QUERY, block, got);
    assert_int_equal(pat_scratch_waiting(), got);
    void *const all = pat_mem_alloc_big(PAT_MEM_ORDERS, 62 * MEBIBYTE);
    assert_non_null(all);
    assert_int_equal(pat_scratch_waiting(), 0);
    pat_mem_free(PAT_MEM_ORDERS, all);
}

static void no_more_waits_than_a_sixteenth_of_the_budget(void **state) {
    (void)state;
    void *block[6];
    size_t got[6];
    pat_mem_set_budget(64 * MEBIBYTE);
    for (int i = 0; i < 6; i++)
        assert_non_null(block[i] = pat_scratch_take(PAT_MEM_QUERY, MEBIBYTE + 4096 * (size_t)i, &got[i]));
    for (int i = 0; i < 6; i++) {
        pat_scratch_give(PAT_MEM_QUERY, block[i], got[i]);
        assert_true(pat_scratch_waiting() <= 4 * MEBIBYTE);
    }
    assert_true(pat_scratch_waiting() > 0);
    void *const great = pat_scratch_take(PAT_MEM_QUERY, 5 * MEBIBYTE, &got[0]);
    assert_non_null(great);
    pat_scratch_give(PAT_MEM_QUERY, great, got[0]);
    assert_true(pat_scratch_waiting() <= 4 * MEBIBYTE);
}

static void an_arena_that_takes_a_used_block_gives_zeroes(void **state) {
    (void)state;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    unsigned char *dirty = pat_arena_array_big(&arena, 2 * MEBIBYTE, 1);
    assert_non_null(dirty);
    memset(dirty, 0xAB, 2 * MEBIBYTE);
    pat_arena_deinit(&arena);
    assert_true(pat_scratch_waiting() >= 2 * MEBIBYTE);
    const unsigned char *clean = pat_arena_array(&arena, 2 * MEBIBYTE, 1);
    assert_non_null(clean);
    assert_int_equal(pat_scratch_waiting(), 0);
    for (size_t i = 0; i < 2 * MEBIBYTE; i++) assert_int_equal(clean[i], 0);
    pat_arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_block_given_back_is_taken_again, begin, end),
        cmocka_unit_test_setup_teardown(a_block_much_too_long_is_left_for_others, begin, end),
        cmocka_unit_test_setup_teardown(what_waits_makes_room_when_the_budget_is_short, begin, end),
        cmocka_unit_test_setup_teardown(no_more_waits_than_a_sixteenth_of_the_budget, begin, end),
        cmocka_unit_test_setup_teardown(an_arena_that_takes_a_used_block_gives_zeroes, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
