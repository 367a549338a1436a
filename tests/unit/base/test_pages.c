/* Huge pages that serve again. */
#include "../random.h"
#include "base/mem.h"
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE PAT_HUGE_PAGE_BYTES

static int teardown(void **state) {
    (void)state;
    pat_mem_set_budget(0);
    (void)pat_pages_drop();
    return pat_pages_waiting() == 0 ? 0 : -1;
}

static void fill(unsigned char *block, size_t bytes, unsigned char with) {
    for (size_t i = 0; i < bytes; i += PAGE) block[i] = (unsigned char)(with + i / PAGE);
}

static void test_a_block_has_whole_pages(void **state) {
    (void)state;
    unsigned char *block = pat_pages_take(3 * PAGE + 1);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % PAGE, 0);
    assert_int_equal(pat_pages_bytes(block), 4 * PAGE);
    assert_int_equal(pat_pages_bytes(block + PAGE), 0);
    assert_int_equal(block[4 * PAGE - 1], 0);
    pat_pages_give(block);
    assert_int_equal(pat_pages_bytes(block), 0);
    assert_int_equal(pat_pages_waiting(), 4 * PAGE);
}

static void test_what_fits_stays_where_it_is(void **state) {
    (void)state;
    unsigned char *block = pat_pages_take(8 * PAGE);
    fill(block, 8 * PAGE, 1);
    pat_pages_give(block);
    unsigned char *front = pat_pages_take(5 * PAGE), *back = pat_pages_take(3 * PAGE);
    assert_ptr_equal(front, block);
    assert_ptr_equal(back, block + 5 * PAGE);
    assert_int_equal(pat_pages_waiting(), 0);
    assert_int_equal(back[0], 1 + 5);
    pat_pages_give(back);
    pat_pages_give(front);
}

/* Content tells whose pages they are; the model of it is the multiset of marks. */
static void test_a_longer_block_takes_the_pages_of_shorter_ones(void **state) {
    (void)state;
    unsigned char *a = pat_pages_take(2 * PAGE), *b = pat_pages_take(3 * PAGE), *between = pat_pages_take(PAGE);
    fill(a, 2 * PAGE, 10);
    fill(b, 3 * PAGE, 20);
    fill(between, PAGE, 30);
    pat_pages_give(a);
    pat_pages_give(b);
    unsigned char *c = pat_pages_take(7 * PAGE);
    unsigned seen[256] = {0};
    for (size_t i = 0; i < 7; i++) seen[c[i * PAGE]]++;
    const unsigned char marks[] = {10, 11, 20, 21, 22};
    for (size_t i = 0; i < sizeof marks; i++) assert_int_equal(seen[marks[i]], 1);
    assert_int_equal(seen[0], 2); /* fresh ones */
    assert_int_equal(between[0], 30);
    memset(c, 0x5a, 7 * PAGE);
    assert_int_equal(between[0], 30);
    assert_int_equal(pat_pages_waiting(), 0);
    /* A block of several mappings serves again, too. */
    pat_pages_give(c);
    unsigned char *d = pat_pages_take(9 * PAGE);
    for (size_t i = 0; i < 7; i++) assert_int_equal(d[i * PAGE + 12345], 0x5a);
    pat_pages_give(d);
    pat_pages_give(between);
}

static void test_no_more_wait_than_a_sixteenth_of_the_budget(void **state) {
    (void)state;
    pat_mem_set_budget(16 * 4 * PAGE);
    unsigned char *block = pat_pages_take(10 * PAGE);
    fill(block, 10 * PAGE, 0);
    pat_pages_give(block);
    assert_int_equal(pat_pages_waiting(), 4 * PAGE);
    assert_true(pat_pages_drop());
    assert_false(pat_pages_drop());
}

static void test_they_make_room_when_the_budget_is_short(void **state) {
    (void)state;
    pat_mem_set_budget(16 * 4 * PAGE);
    unsigned char *block = pat_pages_take(4 * PAGE);
    pat_pages_give(block);
    assert_true(pat_mem_would_fit(60 * PAGE - pat_mem_used_total()));
    assert_int_equal(pat_pages_waiting(), 4 * PAGE);
    assert_true(pat_mem_would_fit(61 * PAGE - pat_mem_used_total()));
    assert_int_equal(pat_pages_waiting(), 0);
}

static void test_big_blocks_are_on_account_with_all_their_pages(void **state) {
    (void)state;
    const size_t before = pat_mem_used(PAT_MEM_RUNS);
    unsigned char *block = pat_mem_alloc_big(PAT_MEM_RUNS, 5 * PAGE - 100);
    assert_non_null(block);
    const size_t bytes = pat_mem_used(PAT_MEM_RUNS) - before;
    assert_true(bytes >= 5 * PAGE - 100 && bytes <= 5 * PAGE);
    memset(block, 1, 5 * PAGE - 100);
    pat_mem_retag(PAT_MEM_RUNS, PAT_MEM_VIEWS, block);
    assert_int_equal(pat_mem_used(PAT_MEM_RUNS), before);
    block = pat_mem_resume(PAT_MEM_RUNS, pat_mem_suspend(PAT_MEM_VIEWS, block));
    assert_int_equal(pat_mem_used(PAT_MEM_RUNS), before + bytes);
    pat_mem_free(PAT_MEM_RUNS, block);
    assert_int_equal(pat_mem_used(PAT_MEM_RUNS), before);
}

/* Blocks of random lengths come and go; each keeps what was written into every page of it, whatever moves meanwhile. */
static void test_blocks_keep_their_content(void **state) {
    (void)state;
    enum { LIVE = 24, STEPS = 3000 };
    seed_choose();
    struct {
        unsigned char *block;
        size_t pages;
        uint32_t mark;
    } live[LIVE] = {0};
    for (uint32_t step = 1; step <= STEPS; step++) {
        const size_t i = next() % LIVE;
        for (size_t p = 0; p < live[i].pages; p++) {
            uint32_t mark;
            memcpy(&mark, live[i].block + p * PAGE + 8, sizeof mark);
            assert_int_equal(mark, live[i].mark + p);
        }
        if (live[i].block != NULL) pat_pages_give(live[i].block);
        live[i].pages = next() % 9;
        live[i].mark = step * 16;
        live[i].block = live[i].pages > 0 ? pat_pages_take(live[i].pages * PAGE - next() % PAGE) : NULL;
        for (size_t p = 0; p < live[i].pages; p++) {
            const uint32_t mark = live[i].mark + (uint32_t)p;
            memcpy(live[i].block + p * PAGE + 8, &mark, sizeof mark);
        }
        if (step % 500 == 0) (void)pat_pages_drop();
    }
    for (size_t i = 0; i < LIVE; i++) {
        if (live[i].block != NULL) pat_pages_give(live[i].block);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_block_has_whole_pages, teardown),
        cmocka_unit_test_teardown(test_what_fits_stays_where_it_is, teardown),
        cmocka_unit_test_teardown(test_a_longer_block_takes_the_pages_of_shorter_ones, teardown),
        cmocka_unit_test_teardown(test_no_more_wait_than_a_sixteenth_of_the_budget, teardown),
        cmocka_unit_test_teardown(test_they_make_room_when_the_budget_is_short, teardown),
        cmocka_unit_test_teardown(test_big_blocks_are_on_account_with_all_their_pages, teardown),
        cmocka_unit_test_teardown(test_blocks_keep_their_content, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
