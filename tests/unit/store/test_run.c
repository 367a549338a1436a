/* A run has every fact of its rows once, where it belongs, however its customers and days are spread; and takes all of
 * its memory or none. */
#include "base/mem.h"
#include "kernel/kernel.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

static uint32_t below(uint32_t limit) {
    seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ z >> 31) % limit);
}

/* ---- a store of bare columns ------------------------------------------------------------------------------------- */

#define DAY 19000

static struct pat_store *store_new(pat_row customers) {
    struct pat_store *store = NULL;
    struct pat_store_options options = {.base_currency = "EUR", .entropy = "fixed", .entropy_bytes = 5};
    assert_int_equal(pat_store_open(&store, &options, NULL), PAT_OK);
    for (pat_row row = 0; row < customers; row++) {
        assert_int_equal(pat_table_add_id(store, PAT_CUSTOMERS, (struct pat_id_key){.number = row}), row);
    }
    store->counts.newest_fact = DAY + 1100;
    return store;
}

static void nulls(int64_t *values) {
    for (unsigned c = 0; c < PAT_COLUMNS_MAX; c++) values[c] = PAT_NULL;
}

static void chain(struct pat_store *store, pat_row customer, unsigned head, struct pat_table *facts, unsigned next,
                  pat_row row) {
    struct pat_table *customers = &store->table[PAT_CUSTOMERS];
    pat_table_set(facts, next, row, pat_table_get(customers, head, customer));
    pat_table_set(customers, head, customer, row);
}

static void add_order(struct pat_store *store, pat_row customer) {
    int64_t values[PAT_COLUMNS_MAX];
    nulls(values);
    values[PAT_ORDER_STATE] = below(50) == 0 ? PAT_ORDER_AWAITED : PAT_ORDER_PRESENT;
    if (values[PAT_ORDER_STATE] == PAT_ORDER_PRESENT) {
        values[PAT_ORDER_CUSTOMER] = customer;
        values[PAT_ORDER_DAY] = DAY + below(1100);
        if (below(200) == 0) values[PAT_ORDER_DAY] = DAY + 1100 - (int64_t)below(70000); /* some too long ago */
        values[PAT_ORDER_BASE] = (int64_t)below(10000) - 50;
        if (below(50) == 0) values[PAT_ORDER_BASE] = PAT_NULL;
        if (below(50) == 0) values[PAT_ORDER_BASE] = INT64_C(1) << 31 >> below(2);
        if (below(30) == 0) values[PAT_ORDER_PAID_DAY] = values[PAT_ORDER_DAY] + below(9) - 4;
        if (below(30) == 0) values[PAT_ORDER_CANCELLED] = values[PAT_ORDER_DAY] + below(9) - 2;
        if (below(200) == 0) values[PAT_ORDER_PAID_DAY] = values[PAT_ORDER_DAY] + 30000 + below(40000);
        if (below(200) == 0) values[PAT_ORDER_CANCELLED] = values[PAT_ORDER_DAY] + 30000 + below(40000);
        if (below(50) == 0) values[PAT_ORDER_DELETED] = 1;
        if (below(50) == 0) values[PAT_ORDER_TEST] = 1;
    }
    struct pat_id_key key = {.number = store->table[PAT_ORDERS].rows};
    const pat_row row = pat_table_add_id_values(store, PAT_ORDERS, key, values);
    if (values[PAT_ORDER_CUSTOMER] == PAT_NULL) return;
    chain(store, customer, PAT_CUSTOMER_ORDER_HEAD, &store->table[PAT_ORDERS], PAT_ORDER_NEXT, row);
}

static void add_refund(struct pat_store *store) {
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    int64_t values[PAT_COLUMNS_MAX];
    nulls(values);
    values[PAT_REFUND_CUSTOMER] = below(store->table[PAT_CUSTOMERS].rows);
    values[PAT_REFUND_DAY] = DAY + below(1100);
    values[PAT_REFUND_BASE] = below(20) == 0 ? PAT_NULL : (int64_t)below(1000);
    if (below(20) == 0) values[PAT_REFUND_DELETED] = 1;
    if (orders->rows > 0 && below(4) != 0) {
        values[PAT_REFUND_ORDER] = below(orders->rows);
        values[PAT_REFUND_CUSTOMER] = pat_table_get(orders, PAT_ORDER_CUSTOMER, (pat_row)values[PAT_REFUND_ORDER]);
    }
    struct pat_id_key key = {.number = store->table[PAT_REFUNDS].rows};
    const pat_row row = pat_table_add_id_values(store, PAT_REFUNDS, key, values);
    if (values[PAT_REFUND_CUSTOMER] == PAT_NULL) return;
    chain(store, (pat_row)values[PAT_REFUND_CUSTOMER], PAT_CUSTOMER_REFUND_HEAD, &store->table[PAT_REFUNDS],
          PAT_REFUND_NEXT, row);
}

/* ---- the facts, one by one --------------------------------------------------------------------------------------- */

struct fact {
    struct pat_run_odd odd; /* plain ones, too */
    bool plain;
    size_t number;
};

static bool order_fact(const struct pat_table *orders, pat_row row, pat_day day_base, struct fact *fact) {
    const int64_t day = pat_table_get(orders, PAT_ORDER_DAY, row);
    const int64_t paid = pat_table_get(orders, PAT_ORDER_PAID_DAY, row);
    const int64_t cancelled = pat_table_get(orders, PAT_ORDER_CANCELLED, row);
    if (pat_table_get(orders, PAT_ORDER_STATE, row) != PAT_ORDER_PRESENT) return false;
    if (pat_table_get(orders, PAT_ORDER_DELETED, row) == 1) return false;
    if (pat_table_get(orders, PAT_ORDER_TEST, row) == 1) return false;
    fact->odd = (struct pat_run_odd){
        .customer = (pat_row)pat_table_get(orders, PAT_ORDER_CUSTOMER, row),
        .day = (int32_t)day,
        .from = (int32_t)(paid > day ? paid : day), /* PAT_NULL is the least */
        .until = cancelled == PAT_NULL ? INT32_MAX : (int32_t)cancelled,
        .refers = INT32_MIN,
        .orders = 1,
        .net = pat_table_get(orders, PAT_ORDER_BASE, row),
    };
    fact->plain = fact->odd.from == day && cancelled == PAT_NULL && fact->odd.net == (int32_t)fact->odd.net &&
                  day >= day_base && day <= day_base + UINT16_MAX;
    return fact->odd.until > fact->odd.from;
}

static bool refund_fact(const struct pat_store *store, pat_row row, struct fact *fact) {
    const struct pat_table *refunds = &store->table[PAT_REFUNDS], *orders = &store->table[PAT_ORDERS];
    const int64_t base = pat_table_get(refunds, PAT_REFUND_BASE, row);
    const int64_t order = pat_table_get(refunds, PAT_REFUND_ORDER, row);
    const int64_t customer = pat_table_get(refunds, PAT_REFUND_CUSTOMER, row);
    if (customer == PAT_NULL || pat_table_get(refunds, PAT_REFUND_DELETED, row) == 1) return false;
    const int32_t day = (int32_t)pat_table_get(refunds, PAT_REFUND_DAY, row);
    fact->plain = false;
    fact->odd = (struct pat_run_odd){.customer = (pat_row)customer,
                                     .day = day,
                                     .from = day,
                                     .until = INT32_MAX,
                                     .refers = INT32_MIN,
                                     .net = base == PAT_NULL ? PAT_NULL : -base};
    if (order == PAT_NULL) return true;
    fact->odd.refers = (int32_t)pat_table_get(orders, PAT_ORDER_DAY, (pat_row)order);
    const int64_t cancelled = pat_table_get(orders, PAT_ORDER_CANCELLED, (pat_row)order);
    const int64_t paid = pat_table_get(orders, PAT_ORDER_PAID_DAY, (pat_row)order);
    if (paid > fact->odd.refers) fact->odd.unpaid = (uint32_t)(paid - fact->odd.refers) & INT32_MAX;
    if (cancelled != PAT_NULL) fact->odd.until = (int32_t)cancelled;
    return pat_table_get(orders, PAT_ORDER_DELETED, (pat_row)order) != 1 &&
           pat_table_get(orders, PAT_ORDER_TEST, (pat_row)order) != 1 && fact->odd.until > day;
}

static int compare_facts(const void *a, const void *b) {
    const struct fact *x = a, *y = b;
    if (x->plain != y->plain) return x->plain ? -1 : 1;
    if (x->odd.customer != y->odd.customer) return x->odd.customer < y->odd.customer ? -1 : 1;
    if (x->odd.day != y->odd.day) return x->odd.day < y->odd.day ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static void check_plain(const struct pat_fact_run *run, uint32_t i, const struct fact *fact) {
    assert_int_equal(run->day_base + run->day[i], fact->odd.day);
    assert_int_equal(run->net[i], fact->odd.net);
    if (run->customer != NULL) assert_int_equal(run->customer[i], fact->odd.customer);
    if (run->offset == NULL) return;
    assert_true(run->offset[fact->odd.customer] <= i);
    assert_true(i < run->offset[fact->odd.customer + 1]);
}

static void check_run(const struct pat_fact_run *run, const struct pat_store *store) {
    const char *why = NULL;
    if (!pat_run_check(run, &why)) fail_msg("%s", why);
    const size_t most = (size_t)(run->orders_to - run->orders_from) + (run->refunds_to - run->refunds_from);
    struct fact *fact = calloc(most + 1, sizeof *fact);
    size_t facts = 0, number = 0;
    for (pat_row row = run->orders_from; row < run->orders_to; row++) {
        if (order_fact(&store->table[PAT_ORDERS], row, run->day_base, &fact[facts])) fact[facts++].number = number++;
    }
    for (pat_row row = run->refunds_from; row < run->refunds_to; row++) {
        if (refund_fact(store, row, &fact[facts])) fact[facts++].number = number++;
    }
    qsort(fact, facts, sizeof *fact, compare_facts);
    assert_int_equal(run->count + run->odd.count, facts);
    assert_int_equal(run->offset != NULL, run->count >= run->customers);
    for (uint32_t i = 0; i < run->count; i++) {
        assert_true(fact[i].plain);
        check_plain(run, i, &fact[i]);
    }
    for (uint32_t i = 0; i < run->odd.count; i++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, i);
        assert_false(fact[run->count + i].plain);
        assert_memory_equal(&odd, &fact[run->count + i].odd, sizeof odd);
    }
    free(fact);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static struct pat_run_plan plan_open(struct pat_store *store, struct pat_view **view) {
    const uint64_t generation = pat_store_begin_run(store);
    assert_int_equal(pat_view_open(view, store), PAT_OK);
    return (struct pat_run_plan){.view = *view, .generation = generation, .kernels = &pat_kernels_scalar};
}

static void build_and_check(struct pat_store *store, const struct pat_run_plan *plan) {
    struct pat_fact_run *run = NULL;
    assert_int_equal(pat_run_build(&run, plan), PAT_OK);
    check_run(run, store);
    pat_run_free(&run);
    assert_null(run);
}

static void build_all_ways(struct pat_store *store) {
    struct pat_view *view = NULL;
    struct pat_run_plan plan = plan_open(store, &view);
    build_and_check(store, &plan);
    plan.scratch_keys = 1000; /* a partition at a time */
    build_and_check(store, &plan);
    plan.orders_from = view->table[PAT_ORDERS].rows / 10 * 9;
    plan.refunds_from = view->table[PAT_REFUNDS].rows / 2;
    build_and_check(store, &plan);
    plan.orders_from = view->table[PAT_ORDERS].rows;
    plan.refunds_from = view->table[PAT_REFUNDS].rows;
    build_and_check(store, &plan);
    pat_view_close(&view);
    pat_store_close(&store);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void facts_of_many_customers(void **state) {
    (void)state;
    struct pat_store *store = store_new(50001);
    for (unsigned i = 0; i < 120000; i++) add_order(store, below(50001));
    for (unsigned i = 0; i < 9000; i++) add_refund(store);
    build_all_ways(store);
}

static void facts_of_few_and_of_one(void **state) {
    (void)state;
    struct pat_store *store = store_new(40000);
    for (unsigned i = 0; i < 30000; i++) add_order(store, below(3) == 0 ? 16383 + below(3) : 39999);
    for (unsigned i = 0; i < 3000; i++) add_refund(store);
    build_all_ways(store);
}

static void nothing_at_all(void **state) {
    (void)state;
    build_all_ways(store_new(0));
    build_all_ways(store_new(4096));
}

static bool stop_after(void *context) {
    unsigned *left = context;
    return (*left)-- == 0;
}

static void a_run_that_fails_leaves_nothing(void **state) {
    (void)state;
    struct pat_store *store = store_new(20000);
    for (unsigned i = 0; i < 30000; i++) add_order(store, below(20000));
    for (unsigned i = 0; i < 2000; i++) add_refund(store);
    struct pat_view *view = NULL;
    struct pat_run_plan plan = plan_open(store, &view);
    const size_t before = pat_mem_used_total();
    struct pat_fact_run *run = NULL;
    (void)pat_mem_fail_at(0);
    build_and_check(store, &plan);
    const uint64_t calls = pat_mem_fail_at(0);
    for (uint64_t nth = 1; nth <= calls; nth++) {
        (void)pat_mem_fail_at(nth);
        assert_int_equal(pat_run_build(&run, &plan), PAT_ERR_NO_MEMORY);
        assert_int_equal(pat_mem_used_total(), before);
    }
    (void)pat_mem_fail_at(0);
    unsigned left = 0, stops = 0;
    plan.stop_cb = stop_after;
    plan.stop_context = &left;
    for (left = stops; pat_run_build(&run, &plan) == PAT_ERR_CANCELLED; left = ++stops) {
        assert_int_equal(pat_mem_used_total(), before);
    }
    assert_true(stops > 60);
    pat_run_free(&run);
    pat_view_close(&view);
    pat_store_close(&store);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void a_run_takes_what_it_says_and_stays_for_its_views(void **state) {
    (void)state;
    struct pat_store *store = store_new(1000);
    for (unsigned i = 0; i < 30000; i++) add_order(store, below(1000));
    struct pat_view *view = NULL, *reader = NULL;
    struct pat_fact_run *run = NULL;
    struct pat_run_plan plan = plan_open(store, &view);
    assert_int_equal(pat_view_open(&reader, store), PAT_OK);
    assert_int_equal(reader->runs.count, 0);
    pat_view_close(&reader);
    assert_int_equal(pat_run_build(&run, &plan), PAT_OK);
    pat_view_close(&view);
    assert_in_range(pat_mem_used(PAT_MEM_RUNS), run->bytes, run->bytes + 1024);
    pat_store_add_run(store, &run);
    assert_int_equal(pat_view_open(&reader, store), PAT_OK);
    assert_int_equal(reader->runs.count, 1);
    for (unsigned i = 0; i < 100; i++) add_order(store, below(1000));
    plan = plan_open(store, &view);
    assert_int_equal(pat_run_build(&run, &plan), PAT_OK);
    pat_view_close(&view);
    pat_store_add_run(store, &run);
    assert_int_equal(store->runs.count, 1);
    assert_int_equal(reader->runs.run[0]->orders_to, 30000);
    const char *why = NULL;
    if (!pat_run_check(reader->runs.run[0], &why)) fail_msg("%s", why);
    pat_view_close(&reader);
    assert_int_equal(store->pins.retired_count, 0);
    pat_store_close(&store);
    assert_int_equal(pat_mem_used_total(), 0);
}

/* Runs of parts of the rows, and then one of them all. */
static void add_runs(struct pat_store *store, unsigned parts, unsigned orders) {
    for (unsigned part = 0; part < parts; part++) {
        for (unsigned i = 0; i < orders >> 2 * part; i++) add_order(store, below(store->table[PAT_CUSTOMERS].rows));
        for (unsigned i = 0; i < orders >> (2 * part + 3); i++) add_refund(store);
        for (unsigned i = 0; i < 300; i++) {
            struct pat_id_key key = {.number = store->table[PAT_CUSTOMERS].rows};
            (void)pat_table_add_id(store, PAT_CUSTOMERS, key);
        }
        store->counts.newest_fact += (pat_day)below(3);
        struct pat_view *view = NULL;
        struct pat_fact_run *run = NULL;
        struct pat_run_plan plan = plan_open(store, &view);
        plan.orders_from = pat_runs_orders_end(&view->runs);
        plan.refunds_from = pat_runs_refunds_end(&view->runs);
        assert_int_equal(pat_run_build(&run, &plan), PAT_OK);
        pat_view_close(&view);
        pat_store_add_run(store, &run);
    }
    assert_int_equal(store->runs.count, parts);
}

static void merge_and_check(struct pat_store *store) {
    for (uint32_t keep = 0; keep <= store->runs.count; keep++) {
        struct pat_view *view = NULL;
        struct pat_run_plan plan = plan_open(store, &view);
        plan.merge = true;
        plan.orders_from = keep > 0 ? store->runs.run[keep - 1]->orders_to : 0;
        plan.refunds_from = keep > 0 ? store->runs.run[keep - 1]->refunds_to : 0;
        build_and_check(store, &plan);
        pat_view_close(&view);
    }
}

static void merged_runs_are_as_if_made_at_once(void **state) {
    (void)state;
    for (unsigned customers = 10; customers < 30000; customers *= 13) {
        struct pat_store *store = store_new(customers);
        add_runs(store, 4, 20000);
        merge_and_check(store);
        for (unsigned i = 0; i < 500; i++) add_order(store, below(customers));
        for (unsigned i = 0; i < 500; i++) pat_store_mark_changed(store, below(customers / 2));
        store->counts.newest_fact += 10000; /* some days are too long ago for a merge */
        merge_and_check(store);
        pat_store_close(&store);
    }
    assert_int_equal(pat_mem_used_total(), 0);
}

/* Marks are made lazily, by opening a view too: those are the view's, and later ones are not. */
static void marks_of_a_view_stay_as_they_were(void **state) {
    (void)state;
    struct pat_store *store = store_new(1000);
    add_runs(store, 1, 1000);
    struct pat_view *first, *second;
    assert_int_equal(pat_view_open(&first, store), PAT_OK);
    pat_store_mark_changed(store, 5);
    assert_int_equal(pat_view_open(&second, store), PAT_OK);
    pat_store_mark_changed(store, 7);
    assert_true(pat_column_view_get(&first->runs.changed, 5) == PAT_NULL);
    assert_true(pat_column_view_get(&second->runs.changed, 5) != PAT_NULL);
    assert_true(pat_column_view_get(&second->runs.changed, 7) == PAT_NULL);
    pat_view_close(&first);
    pat_view_close(&second);
    pat_store_close(&store);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void a_merge_that_fails_leaves_nothing(void **state) {
    (void)state;
    struct pat_store *store = store_new(20000);
    add_runs(store, 3, 10000);
    for (unsigned i = 0; i < 200; i++) pat_store_mark_changed(store, below(20000));
    struct pat_view *view = NULL;
    struct pat_run_plan plan = plan_open(store, &view);
    plan.merge = true;
    const size_t before = pat_mem_used_total();
    struct pat_fact_run *run = NULL;
    (void)pat_mem_fail_at(0);
    build_and_check(store, &plan);
    const uint64_t calls = pat_mem_fail_at(0);
    for (uint64_t nth = 1; nth <= calls; nth++) {
        (void)pat_mem_fail_at(nth);
        assert_int_equal(pat_run_build(&run, &plan), PAT_ERR_NO_MEMORY);
        assert_int_equal(pat_mem_used_total(), before);
    }
    (void)pat_mem_fail_at(0);
    unsigned left = 0, stops = 0;
    plan.stop_cb = stop_after;
    plan.stop_context = &left;
    for (left = stops; pat_run_build(&run, &plan) == PAT_ERR_CANCELLED; left = ++stops) {
        assert_int_equal(pat_mem_used_total(), before);
    }
    assert_true(stops > 10);
    pat_run_free(&run);
    pat_view_close(&view);
    pat_store_close(&store);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void replace_run(struct pat_store *store) {
    struct pat_view *view = NULL;
    struct pat_fact_run *run = NULL;
    struct pat_run_plan plan = plan_open(store, &view);
    assert_int_equal(pat_run_build(&run, &plan), PAT_OK);
    assert_true(run->bytes >= PAT_RUN_BIG_BYTES);
    pat_view_close(&view);
    pat_store_add_run(store, &run);
}

static void big_runs_are_given_back_by_others(void **state) {
    (void)state;
    struct pat_store *store = store_new(1000);
    for (unsigned i = 0; i < 800000; i++) add_order(store, below(1000));
    replace_run(store);
    assert_null(pat_store_take_old_run(store));
    struct pat_view *reader = NULL;
    assert_int_equal(pat_view_open(&reader, store), PAT_OK);
    replace_run(store);
    assert_null(pat_store_take_old_run(store)); /* somebody reads it */
    assert_int_equal(reader->runs.run[0]->generation, 1);
    pat_view_close(&reader);
    struct pat_fact_run *old = pat_store_take_old_run(store);
    assert_non_null(old);
    assert_int_equal(old->generation, 1);
    pat_run_free(&old);
    assert_null(pat_store_take_old_run(store));
    replace_run(store); /* one that nobody takes goes with the store */
    pat_store_close(&store);
    assert_int_equal(pat_mem_used_total(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_of_many_customers),
        cmocka_unit_test(facts_of_few_and_of_one),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(a_run_that_fails_leaves_nothing),
        cmocka_unit_test(merged_runs_are_as_if_made_at_once),
        cmocka_unit_test(marks_of_a_view_stay_as_they_were),
        cmocka_unit_test(a_merge_that_fails_leaves_nothing),
        cmocka_unit_test(big_runs_are_given_back_by_others),
        cmocka_unit_test(a_run_takes_what_it_says_and_stays_for_its_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
