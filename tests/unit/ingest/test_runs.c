/* Runs and what they do not hold: after random loads, with runs made at random moments and published after more loads,
 * what runs and tail say of each customer that is not stale is what its chains say, at any day. */
#include "makers.h"

#include "kernel/kernel.h"

/* What is said of one customer as of a day. */
struct said {
    int64_t orders, unpriced, net, first, last, refers;
};

static const struct said said_nothing = {0, 0, 0, PAT_NULL, PAT_NULL, 0};

static void say_money(struct said *said, int64_t net) {
    said->unpriced += net == PAT_NULL;
    if (net != PAT_NULL) said->net += net;
}

static void say_order(struct said *said, int64_t day, int64_t net) {
    said->orders++;
    if (said->first == PAT_NULL || day < said->first) said->first = day;
    if (day > said->last) said->last = day;
    say_money(said, net);
}

/* `refers`: day of the order that it names, INT32_MIN when that is no purchase as of the day asked for. */
static void say_refund(struct said *said, int64_t day, int64_t net, int64_t refers) {
    say_money(said, net);
    said->refers += (day % 97 + 1) * (refers + INT64_C(7919));
}

/* ---- what the rows say ------------------------------------------------------------------------------------------- */

static bool is_set(const struct pat_view *view, enum pat_table_id table, unsigned column, pat_row row) {
    return pat_view_get(view, table, column, row) == 1;
}

static void say_order_row(struct said *said, const struct pat_view *view, pat_row row, int64_t d) {
    const int64_t day = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, row);
    const int64_t paid = pat_view_get(view, PAT_ORDERS, PAT_ORDER_PAID_DAY, row);
    const int64_t cancelled = pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, row);
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, row) != PAT_ORDER_PRESENT) return;
    if (is_set(view, PAT_ORDERS, PAT_ORDER_DELETED, row) || is_set(view, PAT_ORDERS, PAT_ORDER_TEST, row)) return;
    if (day > d || (paid != PAT_NULL && paid > d) || (cancelled != PAT_NULL && cancelled <= d)) return;
    say_order(said, day, pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, row));
}

static void say_refund_row(struct said *said, const struct pat_view *view, pat_row row, int64_t d) {
    const int64_t day = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, row);
    const int64_t order = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_ORDER, row);
    const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, row);
    int64_t refers = INT32_MIN;
    if (day > d || is_set(view, PAT_REFUNDS, PAT_REFUND_DELETED, row)) return;
    if (order != PAT_NULL) {
        const int64_t cancelled = pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, (pat_row)order);
        const int64_t dated = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)order);
        const int64_t paid = pat_view_get(view, PAT_ORDERS, PAT_ORDER_PAID_DAY, (pat_row)order);
        const bool present = pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, (pat_row)order) == PAT_ORDER_PRESENT;
        if (present && dated <= d && (paid == PAT_NULL || paid <= d)) refers = dated;
        if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, (pat_row)order) == PAT_ORDER_AWAITED) return;
        if (is_set(view, PAT_ORDERS, PAT_ORDER_DELETED, (pat_row)order)) return;
        if (is_set(view, PAT_ORDERS, PAT_ORDER_TEST, (pat_row)order)) return;
        if (cancelled != PAT_NULL && cancelled <= d) return;
    }
    say_refund(said, day, base == PAT_NULL ? PAT_NULL : -base, refers);
}

static struct said chains_say(const struct pat_view *view, pat_row customer, int64_t d) {
    struct said said = said_nothing;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        say_order_row(&said, view, (pat_row)row, d);
    }
    row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        say_refund_row(&said, view, (pat_row)row, d);
    }
    return said;
}

static void tail_says(struct said *said, const struct pat_view *view, pat_row customer, int64_t d) {
    for (pat_row row = pat_runs_orders_end(&view->runs); row < view->table[PAT_ORDERS].rows; row++) {
        if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_CUSTOMER, row) == (int64_t)customer)
            say_order_row(said, view, row, d);
    }
    for (pat_row row = pat_runs_refunds_end(&view->runs); row < view->table[PAT_REFUNDS].rows; row++) {
        if (pat_view_get(view, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row) == (int64_t)customer)
            say_refund_row(said, view, row, d);
    }
}

/* ---- what a run says --------------------------------------------------------------------------------------------- */

static void run_says(struct said *said, const struct pat_fact_run *run, pat_row customer, int64_t d) {
    if (customer >= run->customers) return;
    const pat_row block = customer / PAT_RUN_BLOCK;
    uint32_t i = run->offset != NULL ? run->offset[customer] : run->block[block];
    const uint32_t end = run->offset != NULL ? run->offset[customer + 1] : run->block[block + 1];
    for (; i < end; i++) {
        if (run->customer != NULL && run->customer[i] != customer) continue;
        if (run->day_base + run->day[i] <= d) say_order(said, run->day_base + run->day[i], run->net[i]);
    }
    for (i = run->odd.block[block]; i < run->odd.block[block + 1]; i++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, i);
        if (odd.customer != customer || odd.from > d || odd.until <= d) continue;
        if (odd.orders == 1) say_order(said, odd.day, odd.net);
        const bool purchase = odd.refers != INT32_MIN && (int64_t)odd.refers + odd.unpaid <= d;
        if (odd.orders == 0) say_refund(said, odd.day, odd.net, purchase ? odd.refers : INT32_MIN);
    }
}

static void check_said(const struct said *a, const struct said *b) {
    assert_int_equal(a->orders, b->orders);
    assert_int_equal(a->unpriced, b->unpriced);
    assert_int_equal(a->net, b->net);
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->last, b->last);
    assert_int_equal(a->refers, b->refers);
}

/* Gives how many customers are stale. */
static unsigned check_runs(struct pat_store *store) {
    static const int64_t days[] = {18999, 19010, 19030, 19055, 19081, PAT_DAY_MAX};
    struct pat_view *view = NULL;
    assert_int_equal(pat_view_open(&view, store), PAT_OK);
    unsigned stale = 0;
    for (pat_row customer = 0; customer < view->table[PAT_CUSTOMERS].rows; customer++) {
        if (pat_runs_stale(&view->runs, customer)) {
            stale++;
            continue;
        }
        for (size_t d = 0; d < sizeof days / sizeof days[0]; d++) {
            struct said said = said_nothing;
            for (uint32_t i = 0; i < view->runs.count; i++) run_says(&said, view->runs.run[i], customer, days[d]);
            tail_says(&said, view, customer, days[d]);
            const struct said expected = chains_say(view, customer, days[d]);
            check_said(&said, &expected);
        }
    }
    assert_int_equal(stale, store->marks.stale);
    pat_view_close(&view);
    return stale;
}

/* ---- runs made at random ----------------------------------------------------------------------------------------- */

struct making {
    struct pat_view *view; /* NULL: none under way */
    struct pat_run_plan plan;
};

static void begin_run(struct making *making, struct pat_store *store) {
    making->plan = (struct pat_run_plan){.generation = pat_store_begin_run(store), .kernels = &pat_kernels_scalar};
    assert_int_equal(pat_view_open(&making->view, store), PAT_OK);
    making->plan.view = making->view;
    const struct pat_runs *runs = &making->view->runs;
    const unsigned at = runs->count == PAT_RUNS_MAX ? below(runs->count) : below(runs->count + 1);
    if (at == 0) return;
    making->plan.orders_from = runs->run[at - 1]->orders_to;
    making->plan.refunds_from = runs->run[at - 1]->refunds_to;
}

/* To the bit. */
static void check_same_run(const struct pat_fact_run *a, const struct pat_fact_run *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->odd.count, b->odd.count);
    assert_int_equal(a->odd.wide_count, b->odd.wide_count);
    assert_int_equal(a->offset != NULL, b->offset != NULL);
    assert_memory_equal(a->day, b->day, a->count * sizeof *a->day);
    assert_memory_equal(a->net, b->net, a->count * sizeof *a->net);
    if (a->offset != NULL) assert_memory_equal(a->offset, b->offset, (a->customers + 1) * sizeof *a->offset);
    if (a->customer != NULL) assert_memory_equal(a->customer, b->customer, a->count * sizeof *a->customer);
    for (uint32_t i = 0; i < a->odd.count; i++) {
        const struct pat_run_odd x = pat_run_odd_at(&a->odd, i), y = pat_run_odd_at(&b->odd, i);
        assert_memory_equal(&x, &y, sizeof x);
        assert_int_equal(pat_run_odd_is_wide(&a->odd, i), pat_run_odd_is_wide(&b->odd, i));
    }
}

static void finish_run(struct making *making, struct pat_store *store) {
    struct pat_fact_run *run = NULL, *merged = NULL;
    const char *why = NULL;
    assert_int_equal(pat_run_build(&run, &making->plan), PAT_OK);
    if (!pat_run_check(run, &why)) fail_msg("%s", why);
    making->plan.merge = true;
    assert_int_equal(pat_run_build(&merged, &making->plan), PAT_OK);
    if (!pat_run_check(merged, &why)) fail_msg("%s", why);
    check_same_run(run, merged);
    pat_run_free(&merged);
    if (chance(90)) pat_store_add_run(store, &run);
    pat_run_free(&run);
    pat_view_close(&making->view);
}

static void random_loads_with_runs(void **state) {
    (void)state;
    seed_choose("random_loads_with_runs");
    struct shop shop;
    shop_open(&shop, "America/St_Johns", "EUR");
    struct making making = {NULL, {0}};
    unsigned made = 0, several = 0, fresh = 0;
    for (unsigned step = 0; step < 1500; step++) {
        (void)random_load(&shop);
        if (making.view == NULL && chance(20)) begin_run(&making, shop.store);
        if (making.view != NULL && chance(30)) {
            finish_run(&making, shop.store);
            made++;
        }
        const unsigned stale = check_runs(shop.store);
        several += shop.store->runs.count > 1;
        fresh += shop.store->runs.count > 0 && stale < shop.store->table[PAT_CUSTOMERS].rows;
    }
    assert_true(made > 50);
    assert_true(several > 50);
    assert_true(fresh > 300);
    if (making.view != NULL) pat_view_close(&making.view);
    assert_int_equal(shop.store->pins.retired_count, 0);
    shop_close(&shop);
}

/* ---- what marks and what does not -------------------------------------------------------------------------------- */

static void make_run(struct shop *shop) {
    struct making making = {NULL, {0}};
    begin_run(&making, shop->store);
    struct pat_fact_run *run = NULL;
    making.plan.orders_from = making.plan.refunds_from = 0;
    assert_int_equal(pat_run_build(&run, &making.plan), PAT_OK);
    pat_store_add_run(shop->store, &run);
    pat_view_close(&making.view);
    assert_int_equal(check_runs(shop->store), 0);
}

static void stale_after(struct shop *shop, const char *text, unsigned stale) {
    make_run(shop);
    loads(shop, text);
    const unsigned got = check_runs(shop->store);
    if (got != stale) fail_msg("%s: %u stale customers, expected %u", text, got, stale);
}

static void only_what_a_run_says_makes_it_stale(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop, "UTC", "EUR");
    loads(&shop, "orders {order: [1, 2, 3], customer: ['a', 'a', 'b'], amount: ['10', '20', '30'],"
                 " time: i64(1641000000000, 1642000000000, 1643000000000), currency: ['EUR', 'EUR', 'USD']}");
    loads(&shop, "refunds {refund: [1, 2], order: [1, 9], amount: ['1', '2'], currency: ['EUR', 'EUR'],"
                 " time: i64(1642000000000, 1642000000000)}");
    stale_after(&shop,
                "orders {order: [4, 5], customer: ['a', 'new'], amount: ['10', '20'],"
                " time: i64(1641000000000, 1642000000000), currency: ['EUR', 'EUR']}",
                0);
    stale_after(&shop, "refunds {refund: [3], order: [2], amount: ['1'], currency: ['EUR'], time: i64(1642000000000)}",
                0);
    stale_after(&shop, "orders {order: [1, 2], customer: ['a', 'a'], amount: ['10', '20']}", 0); /* as they are */
    stale_after(&shop, "orders {order: [1, 2], country: ['DE', 'FR'], shipping: ['1', '2']}", 0);
    stale_after(&shop, "orders {order: [1], amount: ['11']}", 1);
    stale_after(&shop, "orders {order: [1], cancelled: ['2022-01-20']}", 1);
    stale_after(&shop, "orders {order: [2], customer: ['c']}", 2);
    stale_after(&shop, "orders {order: [2], test: [true]}", 1);
    stale_after(&shop,
                "orders {order: [9], customer: ['d'], amount: ['10'], time: i64(1641000000000),"
                " currency: ['EUR']}",
                1); /* a refund waited for it */
    stale_after(&shop, "refunds {refund: [1], deleted: [true]}", 1);
    stale_after(&shop, "fx {day: ['2022-01-01'], currency: ['USD'], rate: ['0.9']}", 1);
    stale_after(&shop, "fx {day: ['2022-01-01'], currency: ['JPY'], rate: ['0.9']}", 0);
    stale_after(&shop, "customers {customer: ['a'], country: ['DE']}", 0);
    stale_after(&shop, "customers {customer: ['a'], deleted: [true]}", 0);
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_loads_with_runs),
                                       cmocka_unit_test(random_loads_with_runs),
                                       cmocka_unit_test(only_what_a_run_says_makes_it_stale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
