/* The memory accountant: gauges, budget, injected faults. */
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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

/* Every test gives back what it took. */
static int end(void **state) {
    (void)begin(state);
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static void memory_comes_zeroed_and_aligned(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 5000; bytes += 37) {
        unsigned char *block = pat_mem_alloc(PAT_MEM_ORDERS, bytes);
        assert_non_null(block);
        if (bytes >= 256) assert_int_equal((uintptr_t)block % PAT_MEM_ALIGN, 0);
        assert_int_equal((uintptr_t)block % 16, 0);
        for (size_t i = 0; i < bytes; i++) assert_int_equal(block[i], 0);
        memset(block, 0xAB, bytes);
        pat_mem_free(PAT_MEM_ORDERS, block);
    }
}

static void gauges_follow_each_purpose(void **state) {
    (void)state;
    void *orders = pat_mem_alloc(PAT_MEM_ORDERS, 1000);
    void *text = pat_mem_alloc_must(PAT_MEM_TEXT, 5000);
    size_t text_bytes = pat_mem_used(PAT_MEM_TEXT);
    assert_true(pat_mem_used(PAT_MEM_ORDERS) >= 1000 && pat_mem_used(PAT_MEM_ORDERS) < 1200);
    assert_true(text_bytes >= 5000);
    assert_int_equal(pat_mem_used_total(), pat_mem_used(PAT_MEM_ORDERS) + text_bytes);
    pat_mem_retag(PAT_MEM_TEXT, PAT_MEM_VIEWS, text);
    assert_int_equal(pat_mem_used(PAT_MEM_TEXT), 0);
    assert_int_equal(pat_mem_used(PAT_MEM_VIEWS), text_bytes);
    pat_mem_free(PAT_MEM_VIEWS, text);
    pat_mem_free(PAT_MEM_ORDERS, orders);
    pat_mem_free(PAT_MEM_ORDERS, NULL);
    pat_mem_retag(PAT_MEM_TEXT, PAT_MEM_VIEWS, NULL);
    for (int purpose = 0; purpose < PAT_MEM_PURPOSES; purpose++) {
        assert_int_equal(pat_mem_used((enum pat_mem_purpose)purpose), 0);
    }
}

static void growing_keeps_the_content(void **state) {
    (void)state;
    char *block = pat_mem_grow(PAT_MEM_NET, NULL, 0, 4);
    assert_non_null(block);
    memcpy(block, "abcd", 4);
    block = pat_mem_grow(PAT_MEM_NET, block, 4, 4000);
    assert_non_null(block);
    assert_memory_equal(block, "abcd", 4);
    block = pat_mem_grow(PAT_MEM_NET, block, 4000, 2);
    assert_non_null(block);
    assert_memory_equal(block, "ab", 2);
    pat_mem_free(PAT_MEM_NET, block);
}

static void the_budget_holds_for_all_purposes_together(void **state) {
    (void)state;
    pat_mem_set_budget(10000);
    assert_int_equal(pat_mem_budget(), 10000);
    void *first = pat_mem_alloc(PAT_MEM_ORDERS, 6000);
    assert_non_null(first);
    assert_true(pat_mem_would_fit(3000));
    assert_false(pat_mem_would_fit(6000));
    assert_false(pat_mem_would_fit(SIZE_MAX));
    assert_null(pat_mem_alloc(PAT_MEM_QUERY, 6000));
    void *second = pat_mem_alloc(PAT_MEM_QUERY, 3000);
    assert_non_null(second);
    /* What was promised when the journal took the batch comes even over the budget. */
    void *promised = pat_mem_alloc_must(PAT_MEM_ORDERS, 6000);
    assert_non_null(promised);
    assert_false(pat_mem_would_fit(0));
    assert_null(pat_mem_alloc(PAT_MEM_QUERY, 1));
    pat_mem_free(PAT_MEM_ORDERS, promised);
    pat_mem_free(PAT_MEM_QUERY, second);
    pat_mem_free(PAT_MEM_ORDERS, first);
}

static void the_limit_is_told_and_the_budget_refuses(void **state) {
    (void)state;
    pat_mem_set_limit(10000, 4000);
    assert_int_equal(pat_mem_limit(), 10000);
    assert_int_equal(pat_mem_budget(), 4000);
    assert_null(pat_mem_alloc(PAT_MEM_ORDERS, 6000));
    void *block = pat_mem_alloc(PAT_MEM_ORDERS, 3000);
    assert_non_null(block);
    pat_mem_free(PAT_MEM_ORDERS, block);
    pat_mem_set_budget(6000);
    assert_int_equal(pat_mem_limit(), 6000);
}

static void a_refused_growth_leaves_the_block(void **state) {
    (void)state;
    char *block = pat_mem_alloc(PAT_MEM_NET, 100);
    memcpy(block, "still here", 11);
    size_t used = pat_mem_used_total();
    (void)pat_mem_fail_at(1);
    assert_null(pat_mem_grow(PAT_MEM_NET, block, 100, 200));
    assert_string_equal(block, "still here");
    assert_int_equal(pat_mem_used_total(), used);
    pat_mem_free(PAT_MEM_NET, block);
}

static void the_nth_call_fails_and_only_that(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth <= 4; nth++) {
        (void)pat_mem_fail_at(nth);
        for (uint64_t call = 1; call <= 4; call++) {
            void *block = pat_mem_alloc(PAT_MEM_OTHER, 10);
            assert_int_equal(block == NULL, call == nth);
            void *promised = pat_mem_alloc_must(PAT_MEM_OTHER, 10);
            assert_non_null(promised);
            pat_mem_free(PAT_MEM_OTHER, promised);
            pat_mem_free(PAT_MEM_OTHER, block);
        }
        assert_int_equal(pat_mem_fail_at(0), 4);
    }
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

#define TAKERS      4u
#define TAKEN_BYTES ((size_t)1 << 20)
#define ROUNDS      200u

static atomic_uint holders, most, had;

static void *take_often(void *unused) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        void *block =
            i % 2 == 0 ? pat_mem_alloc(PAT_MEM_QUERY, TAKEN_BYTES) : pat_mem_grow(PAT_MEM_NET, NULL, 0, TAKEN_BYTES);
        if (block == NULL) {
            (void)sched_yield();
            continue;
        }
        const unsigned now = atomic_fetch_add(&holders, 1) + 1;
        unsigned seen = atomic_load(&most);
        while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
        }
        atomic_fetch_add(&had, 1);
        (void)sched_yield();
        atomic_fetch_sub(&holders, 1);
        pat_mem_free(i % 2 == 0 ? PAT_MEM_QUERY : PAT_MEM_NET, block);
    }
    return unused;
}

/* There is room for two: three never have theirs. */
static void who_comes_at_once_does_not_get_more_than_there_is(void **state) {
    (void)state;
    pthread_t thread[TAKERS];
    pat_mem_set_budget(2 * TAKEN_BYTES + TAKEN_BYTES / 2);
    for (unsigned i = 0; i < TAKERS; i++) assert_int_equal(pthread_create(&thread[i], NULL, take_often, NULL), 0);
    for (unsigned i = 0; i < TAKERS; i++) (void)pthread_join(thread[i], NULL);
    assert_in_range(atomic_load(&most), 1, 2);
    assert_in_range(atomic_load(&had), 1, TAKERS * ROUNDS);
    assert_true(pat_mem_would_fit(2 * TAKEN_BYTES));
}

static void what_is_promised_is_nobody_elses(void **state) {
    (void)state;
    pat_mem_set_budget(100000);
    assert_false(pat_mem_promise(100001));
    assert_true(pat_mem_promise(40000));
    assert_true(pat_mem_promise(20000));
    assert_int_equal(pat_mem_promised(), 60000);
    assert_int_equal(pat_mem_used_total(), 0);
    assert_true(pat_mem_would_fit(40000));
    assert_false(pat_mem_would_fit(40001));
    assert_null(pat_mem_alloc(PAT_MEM_QUERY, 50000));
    assert_false(pat_mem_promise(50000));
    /* Taken from the promise, once. */
    pat_mem_redeem(true);
    void *first = pat_mem_alloc_must(PAT_MEM_ORDERS, 25000);
    void *second = pat_mem_alloc_raw_must(PAT_MEM_TEXT, 25000);
    pat_mem_use_pages(PAT_MEM_INDEX, 4096);
    assert_true(pat_mem_would_fit(40000));
    assert_false(pat_mem_would_fit(40001));
    assert_int_equal(pat_mem_promised() + pat_mem_used_total(), 60000);
    /* Others do not touch it, and more than it is comes all the same. */
    void *query = pat_mem_alloc(PAT_MEM_QUERY, 30000);
    assert_non_null(query);
    assert_false(pat_mem_would_fit(10000));
    void *third = pat_mem_alloc_must(PAT_MEM_ORDERS, 30000);
    assert_int_equal(pat_mem_promised(), 0);
    assert_false(pat_mem_would_fit(0));
    pat_mem_redeem(false);
    pat_mem_free(PAT_MEM_ORDERS, third);
    pat_mem_free(PAT_MEM_QUERY, query);
    pat_mem_free(PAT_MEM_TEXT, second);
    pat_mem_free(PAT_MEM_ORDERS, first);
    unsigned char *pages = pat_mem_reserve_must(4096);
    pat_mem_drop_pages(PAT_MEM_INDEX, pages, 4096, 4096);
    pat_mem_unreserve(pages, 4096);
    assert_true(pat_mem_would_fit(100000));
}

static void what_is_left_of_a_promise_comes_back(void **state) {
    (void)state;
    pat_mem_set_budget(100000);
    assert_true(pat_mem_promise(80000));
    void *beside = pat_mem_alloc_must(PAT_MEM_ORDERS, 10000); /* not while it is redeemed */
    assert_int_equal(pat_mem_promised(), 80000);
    assert_false(pat_mem_would_fit(20000));
    pat_mem_promise_keep(0);
    assert_int_equal(pat_mem_promised(), 0);
    assert_true(pat_mem_would_fit(89000));
    pat_mem_free(PAT_MEM_ORDERS, beside);
    pat_mem_promise_keep(0);
    assert_true(pat_mem_would_fit(100000));
}

static void every_purpose_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int a = 0; a < PAT_MEM_PURPOSES; a++) {
        const char *name = pat_mem_purpose_name((enum pat_mem_purpose)a);
        assert_non_null(name);
        for (int b = 0; b < a; b++) assert_string_not_equal(name, pat_mem_purpose_name((enum pat_mem_purpose)b));
    }
}

static void reserved_pages_are_zero_and_counted_while_in_use(void **state) {
    (void)state;
    const size_t bytes = (size_t)10 << 20, part = (size_t)3 << 20;
    unsigned char *pages = pat_mem_reserve_must(bytes);
    assert_int_equal(pat_mem_used_total(), 0);
    for (int round = 0; round < 2; round++) {
        pat_mem_use_pages(PAT_MEM_INDEX, part);
        assert_int_equal(pat_mem_used(PAT_MEM_INDEX), part);
        for (size_t at = 0; at < part; at += 1000) assert_int_equal(pages[at], 0);
        memset(pages, 1, part);
        pat_mem_drop_pages(PAT_MEM_INDEX, pages, part, part);
        assert_int_equal(pat_mem_used(PAT_MEM_INDEX), 0);
    }
    assert_int_equal(pages[bytes - 1], 0);
    pat_mem_unreserve(pages, bytes);
    pat_mem_unreserve(NULL, bytes);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void far_memory_is_copied_whatever_its_length_and_place(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 100, 16383, 16384, 16385, 65536, 1000001};
    const size_t room = 1000001 + 8192;
    unsigned char *from = pat_mem_alloc(PAT_MEM_OTHER, room), *to = pat_mem_alloc(PAT_MEM_OTHER, room);
    assert_non_null(from);
    assert_non_null(to);
    for (size_t i = 0; i < room; i++) from[i] = (unsigned char)(i * 31 + i / 4096);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const size_t bytes = lengths[i], place = i * 777;
        memset(to, 0xa5, room);
        pat_mem_copy_far(to + place, from + 13, bytes);
        assert_memory_equal(to + place, from + 13, bytes);
        assert_int_equal(to[place + bytes], 0xa5);
        assert_true(place == 0 || to[place - 1] == 0xa5);
    }
    pat_mem_free(PAT_MEM_OTHER, from);
    pat_mem_free(PAT_MEM_OTHER, to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_comes_zeroed_and_aligned, begin, end),
        cmocka_unit_test_setup_teardown(reserved_pages_are_zero_and_counted_while_in_use, begin, end),
        cmocka_unit_test_setup_teardown(gauges_follow_each_purpose, begin, end),
        cmocka_unit_test_setup_teardown(far_memory_is_copied_whatever_its_length_and_place, begin, end),
        cmocka_unit_test_setup_teardown(growing_keeps_the_content, begin, end),
        cmocka_unit_test_setup_teardown(the_budget_holds_for_all_purposes_together, begin, end),
        cmocka_unit_test_setup_teardown(the_limit_is_told_and_the_budget_refuses, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_growth_leaves_the_block, begin, end),
        cmocka_unit_test_setup_teardown(the_nth_call_fails_and_only_that, begin, end),
        cmocka_unit_test_setup_teardown(who_comes_at_once_does_not_get_more_than_there_is, begin, end),
        cmocka_unit_test_setup_teardown(what_is_promised_is_nobody_elses, begin, end),
        cmocka_unit_test_setup_teardown(what_is_left_of_a_promise_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(every_purpose_has_a_name_of_its_own, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
