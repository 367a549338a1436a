/* The request's arena. */
#include "base/arena.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int begin(void **state) {
    (void)state;
    pat_mem_set_budget(0);
    (void)pat_mem_fail_at(0);
    return 0;
}

static int end(void **state) {
    (void)begin(state);
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static void pieces_are_zeroed_aligned_and_apart(void **state) {
    (void)state;
    enum { PIECES = 600 };
    static unsigned char *pieces[PIECES];
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = i * 7 % 2000;
        pieces[i] = pat_arena_alloc(&arena, bytes);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % (bytes >= 256 ? 64 : 16), 0);
        for (size_t j = 0; j < bytes; j++) assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)(i % 251), bytes);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t j = 0; j < i * 7 % 2000; j++) assert_int_equal(pieces[i][j], i % 251);
    }
    pat_arena_deinit(&arena);
    assert_int_equal(arena.bytes_used, 0);
}

static void one_big_array_does_not_waste_the_room_before_it(void **state) {
    (void)state;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    char *before = pat_arena_alloc(&arena, 16);
    char *big = pat_arena_array(&arena, 1 << 20, 8);
    char *after = pat_arena_alloc(&arena, 16);
    assert_non_null(big);
    big[(8 << 20) - 1] = 1;
    assert_ptr_equal(after, before + 16);
    pat_arena_deinit(&arena);
}

static void the_limit_is_kept(void **state) {
    (void)state;
    struct pat_arena arena;
    pat_arena_init(&arena, 100000);
    unsigned taken = 0;
    while (pat_arena_alloc(&arena, 1000) != NULL) taken++;
    assert_in_range(taken, 50, 100);
    assert_true(arena.bytes_used <= 100000);
    assert_null(pat_arena_alloc(&arena, SIZE_MAX));
    assert_null(pat_arena_alloc(&arena, SIZE_MAX - 64));
    assert_null(pat_arena_array(&arena, SIZE_MAX / 2, 4));
    pat_arena_deinit(&arena);
}

static void the_budget_of_the_process_holds_too(void **state) {
    (void)state;
    pat_mem_set_budget(20000);
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    while (pat_arena_alloc(&arena, 100) != NULL) assert_true(pat_mem_used_total() <= 21000);
    pat_arena_deinit(&arena);
}

static void texts_are_copied_and_terminated(void **state) {
    (void)state;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    char source[] = "shoe";
    struct pat_text copy = pat_arena_text(&arena, pat_text_of(source));
    source[0] = 'x';
    assert_int_equal(copy.length, 4);
    assert_string_equal(copy.data, "shoe");
    struct pat_text empty = pat_arena_text(&arena, (struct pat_text){NULL, 0});
    assert_int_equal(empty.length, 0);
    assert_string_equal(empty.data, "");
    struct pat_text printed = pat_arena_printf(&arena, "%d of %s", 3, copy.data);
    assert_int_equal(printed.length, 9);
    assert_string_equal(printed.data, "3 of shoe");
    pat_arena_deinit(&arena);
}

static void no_memory_is_an_answer(void **state) {
    (void)state;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    (void)pat_mem_fail_at(1);
    assert_null(pat_arena_alloc(&arena, 10));
    (void)pat_mem_fail_at(1);
    assert_null(pat_arena_text(&arena, PAT_TEXT("text")).data);
    (void)pat_mem_fail_at(1);
    assert_null(pat_arena_printf(&arena, "%d", 5).data);
    (void)pat_mem_fail_at(0);
    assert_non_null(pat_arena_alloc(&arena, 10));
    pat_arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_are_zeroed_aligned_and_apart, begin, end),
        cmocka_unit_test_setup_teardown(one_big_array_does_not_waste_the_room_before_it, begin, end),
        cmocka_unit_test_setup_teardown(the_limit_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(the_budget_of_the_process_holds_too, begin, end),
        cmocka_unit_test_setup_teardown(texts_are_copied_and_terminated, begin, end),
        cmocka_unit_test_setup_teardown(no_memory_is_an_answer, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
