/* Lifetime value: purchase days of customers as of a day, one by one and all at once; fits, fields, what is said
 * beside. */
#include "shop.h"

#include <math.h>

#define D "'as_of':'2024-06-30'"

/* The history of a customer as clv.predict shows it: "x t_x T mean_minor". */
static const char *history(struct shop *shop, const char *customer, const char *as_of) {
    static const char *const keys[] = {"x", "t_x", "T", "mean_minor"};
    static char out[128];
    char params[256];
    size_t used = 0;
    (void)snprintf(params, sizeof params,
                   "{'customer':'%s','as_of':'%s','model':'nbd','unit':'day','params':{'r':1,'alpha':9}}", customer,
                   as_of);
    for (unsigned i = 0; i < 4; i++) {
        const char *part = ask_part(shop, "clv.predict", params, keys[i]);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", i > 0 ? " " : "", part);
    }
    return out;
}

static pat_row order_on(struct shop *shop, const char *id, const char *customer, const char *day, int64_t minor) {
    return shop_order(shop, id, customer, day_of(day), minor);
}

static void orders_of_a_day_are_one_purchase(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    order_on(&shop, "1", "ann", "2024-06-01", 1000);
    order_on(&shop, "2", "ann", "2024-06-01", 500);
    order_on(&shop, "3", "ann", "2024-06-11", 300);
    order_on(&shop, "4", "ann", "2024-06-21", 700);
    order_on(&shop, "5", "ann", "2024-06-11", 200);
    order_on(&shop, "6", "ann", "2024-06-26", 0);
    shop_keep(&shop);
    /* Three repeat days of 5.00, 7.00 and nothing: the first day is in none of it, the day of nothing is. */
    assert_string_equal(history(&shop, "ann", "2024-06-30"), "3 25 29 400");
    assert_string_equal(history(&shop, "ann", "2024-06-20"), "1 10 19 500");
    assert_string_equal(history(&shop, "ann", "2024-06-01"), "0 0 0 null");
    assert_string_equal(
        ask(&shop, "clv.predict", "{'customer':'ann','as_of':'2024-05-31','model':'nbd','params':{'r':1,'alpha':9}}"),
        "NOT_FOUND: no customer \"ann\" as of 2024-05-31");
    shop_close(&shop);
}

static void refunds_lower_the_day_of_their_order(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    order_on(&shop, "1", "ann", "2024-06-01", 1000);
    order_on(&shop, "2", "ann", "2024-06-11", 900);
    order_on(&shop, "3", "ann", "2024-06-21", 500);
    shop_refund(&shop, "r1", "ann", "1", day_of("2024-06-22"), 1000); /* the first day: nowhere */
    shop_refund(&shop, "r2", "ann", "2", day_of("2024-06-22"), 300);
    shop_refund(&shop, "r3", "ann", "3", day_of("2024-06-25"), 500);
    shop_refund(&shop, "r4", "ann", NULL, day_of("2024-06-22"), 77); /* of no order: nowhere */
    shop_keep(&shop);
    assert_string_equal(history(&shop, "ann", "2024-06-21"), "2 20 20 700");
    assert_string_equal(history(&shop, "ann", "2024-06-22"), "2 20 21 550");
    assert_string_equal(history(&shop, "ann", "2024-06-30"), "2 20 29 300");
    shop_close(&shop);
}

static void only_eligible_orders_are_purchases(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    order_on(&shop, "1", "ann", "2024-06-01", 1000);
    const pat_row cancelled = order_on(&shop, "2", "ann", "2024-06-11", 900);
    const pat_row test = order_on(&shop, "3", "ann", "2024-06-12", 900);
    const pat_row unpaid = order_on(&shop, "4", "ann", "2024-06-13", 400);
    shop_set(&shop, PAT_ORDERS, cancelled, PAT_ORDER_CANCELLED, day_of("2024-06-20"));
    shop_set(&shop, PAT_ORDERS, test, PAT_ORDER_TEST, 1);
    shop_set(&shop, PAT_ORDERS, unpaid, PAT_ORDER_PAID_DAY, day_of("2024-06-25"));
    shop_keep(&shop);
    assert_string_equal(history(&shop, "ann", "2024-06-19"), "1 10 18 900");
    assert_string_equal(history(&shop, "ann", "2024-06-20"), "0 0 19 null");
    assert_string_equal(history(&shop, "ann", "2024-06-25"), "1 12 24 400");
    shop_customer(&shop, "eve", "BR", NULL);
    assert_string_equal(
        ask_part(&shop, "clv.predict", "{'customer':'eve'," D ",'model':'nbd','params':{'r':1,'alpha':9}}", "p_alive"),
        "null");
    shop_close(&shop);
}

/* A few hundred customers with lists of all lengths. */
static void fill(struct shop *shop) {
    uint32_t random = 7;
    char order[16], customer[16], refund[16];
    for (unsigned i = 0; i < 3000; i++) {
        random = random * 1664525u + 1013904223u;
        (void)snprintf(order, sizeof order, "o%u", i);
        (void)snprintf(customer, sizeof customer, "c%u", (random >> 20) * (random >> 24) % 397);
        const pat_day day = day_of("2023-06-30") + (pat_day)(random >> 8) % 366;
        const pat_row row = shop_order(shop, order, customer, day, (int64_t)(random % 9000));
        if (random % 17 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CANCELLED, day + 3);
        (void)snprintf(refund, sizeof refund, "r%u", i);
        if (random % 13 == 0) shop_refund(shop, refund, customer, order, day + 9, 100);
    }
    shop_keep(shop);
}

static void save_fit(struct shop *shop, pat_lsn lsn) {
    shop->fit.lsn = lsn;
    assert_int_equal(PAT_OK, pat_store_save_fit(shop->store, &shop->fit, PAT_CLV_ADOPT_FIRST, NULL));
}

static void lists_of_all_agree_with_each_chain(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    fill(&shop);
    assert_string_equal(ask_part(&shop, "clv.fit", "{'end':'2024-04-30','unit':'day'}", "converged"), "true");
    save_fit(&shop, 1);
    assert_true(shop.fit.customers > 100);
    for (unsigned i = 0; i < 397; i += 7) {
        char params[200], field[64], own[64];
        (void)snprintf(params, sizeof params, "{'fields':['clv'],'where':'customer = `c%u`'," D "}", i);
        (void)snprintf(field, sizeof field, "%.60s", ask_part(&shop, "rows", params, "rows"));
        if (strcmp(field, "[]") == 0) continue;
        (void)snprintf(params, sizeof params, "{'customer':'c%u'," D "}", i);
        (void)snprintf(own, sizeof own, "[[%.40s]]", ask_part(&shop, "clv.predict", params, "clv_minor"));
        assert_string_equal(field, own);
    }
    shop_close(&shop);
}

/* Everything that histories decide: of everybody, in a fit, in its hold-out. */
static const char *all_histories(struct shop *shop) {
    static char out[1 << 17];
    size_t used = 0;
    for (unsigned i = 0; i < 3; i++) {
        static const char *const days[] = {"2023-09-30", "2024-04-30", "2024-06-30"};
        char params[200];
        (void)snprintf(params, sizeof params,
                       "{'fields':['customer','clv','p_alive','expected_orders'],'limit':400,'as_of':'%s'}", days[i]);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s\n", ask_part(shop, "rows", params, "rows"));
        assert_true(used < sizeof out);
    }
    const pat_lsn kept = shop->fit.lsn;
    for (unsigned i = 0; i < 3; i++) {
        static const char *const parts[] = {"params", "spend", "holdout"};
        used += (size_t)snprintf(
            out + used, sizeof out - used, "%s\n",
            ask_part(shop, "clv.fit", "{'end':'2024-03-31','unit':'day','holdout_end':'2024-06-30'}", parts[i]));
        assert_true(used < sizeof out);
    }
    shop->fit.lsn = kept;
    return out;
}

static void runs_say_what_tables_say(void **state) {
    (void)state;
    static char tables[1 << 17];
    struct shop shop;
    shop_open(&shop);
    fill(&shop);
    for (pat_row row = 5; row < 3000; row += 41)
        shop_set(&shop, PAT_ORDERS, row, PAT_ORDER_PAID_DAY, day_of("2024-02-01"));
    shop_keep(&shop);
    (void)ask(&shop, "clv.fit", "{'end':'2024-04-30','unit':'day'}");
    save_fit(&shop, 1);
    (void)snprintf(tables, sizeof tables, "%s", all_histories(&shop));
    shop_run(&shop, true);
    assert_string_equal(all_histories(&shop), tables);
    shop_close(&shop);

    shop_open(&shop);
    fill(&shop);
    shop_run(&shop, true);
    /* Behind the first run a second one, and behind that a few facts more. */
    for (unsigned i = 0; i < 90; i++) {
        char order[16], customer[16];
        (void)snprintf(order, sizeof order, "p%u", i);
        (void)snprintf(customer, sizeof customer, "c%u", i * i % 397);
        order_on(&shop, order, customer, i % 2 == 0 ? "2024-03-05" : "2023-08-11", 100 + i);
        if (i % 5 == 0) shop_refund(&shop, order, customer, order, day_of("2024-05-01"), 50);
        if (i == 70) shop_run(&shop, false);
    }
    shop_keep(&shop);
    (void)ask(&shop, "clv.fit", "{'end':'2024-04-30','unit':'day'}");
    save_fit(&shop, 1);
    (void)snprintf(tables, sizeof tables, "%s", all_histories(&shop));
    const uint32_t runs = shop.store->runs.count;
    assert_int_equal(runs, 2);
    shop.store->runs.count = 0;
    assert_string_equal(all_histories(&shop), tables);
    shop.store->runs.count = runs;
    shop_close(&shop);
}

static void patterns_carry_everybody(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    fill(&shop);
    char count[32];
    (void)snprintf(count, sizeof count, "%s",
                   ask_part(&shop, "count", "{'where':'orders >= 1','as_of':'2024-04-30'}", "count"));
    assert_string_equal(ask_part(&shop, "clv.fit", "{'end':'2024-04-30'}", "customers"), count);
    assert_int_equal(shop.fit.unit_days, 7);
    assert_string_equal(shop.fit.model, "mbg_nbd");
    assert_string_equal(shop.fit.name, "default");
    assert_true(shop.fit.loglik >= shop.fit.nbd_loglik - 1e-6);
    assert_true(shop.fit.spend.customers > 0);
    assert_true(shop.fit.spend.customers + shop.fit.spend.left_out == shop.fit.customers);
    shop_close(&shop);
}

static void a_hold_out_counts_days_behind_the_end(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    order_on(&shop, "1", "ann", "2024-01-01", 1000);
    order_on(&shop, "2", "ann", "2024-03-01", 1000);
    order_on(&shop, "3", "ann", "2024-05-01", 1000);
    order_on(&shop, "4", "ann", "2024-05-01", 1000);
    order_on(&shop, "5", "ann", "2024-06-02", 1000);
    order_on(&shop, "6", "bob", "2024-02-01", 1000);
    order_on(&shop, "7", "cid", "2024-05-05", 1000); /* was nobody's customer at the end */
    shop_keep(&shop);
    ask(&shop, "clv.fit", "{'end':'2024-04-01','holdout_end':'2024-06-01'}");
    assert_true(shop.fit.customers == 2 && shop.fit.repeaters == 1);
    assert_true(shop.fit.holdout.customers == 2 && shop.fit.holdout.actual == 1);
    assert_true(shop.fit.holdout.expected > 0 && isfinite(shop.fit.holdout.rmse));
    shop_close(&shop);
}

static void facts_without_a_rate_leave_the_spend_fit(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    for (unsigned i = 0; i < 20; i++) {
        char order[16], again[16], customer[16];
        (void)snprintf(order, sizeof order, "a%u", i);
        (void)snprintf(again, sizeof again, "b%u", i);
        (void)snprintf(customer, sizeof customer, "c%u", i);
        order_on(&shop, order, customer, "2024-01-01", 1000 + i * 100);
        const pat_row row = shop_order(&shop, again, customer, day_of("2024-02-01") + (pat_day)i, 2000 + i * 300);
        if (i < 3) shop_set(&shop, PAT_ORDERS, row, PAT_ORDER_BASE, PAT_NULL);
    }
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "clv.fit", "{'end':'2024-06-30'}", "unpriced"), "3");
    assert_true(shop.fit.customers == 20 && shop.fit.repeaters == 20);
    assert_true(shop.fit.spend.customers == 17 && shop.fit.spend.unpriced == 3);
    shop_close(&shop);
}

static void answers_name_their_fit(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    fill(&shop);
    assert_string_equal(ask(&shop, "count", "{'where':'p_alive > 0.5'}"),
                        "NO_FIT: no fit is in use yet: clv.fit makes one");
    assert_string_equal(ask_part(&shop, "customer", "{'customer':'c1'," D "}", "clv"), "null");
    ask(&shop, "clv.fit", "{'end':'2024-04-30','model':'bg_nbd','name':'spring'}");
    save_fit(&shop, 5);
    assert_string_equal(ask_part(&shop, "count", "{'where':'p_alive > 0.5'," D "}", "fit"), "'spring'");
    assert_string_equal(ask_part(&shop, "count", "{'where':'p_alive > 0.5','as_of':'2024-04-29'}", "leak"), "true");
    assert_null(strstr(ask(&shop, "count", "{'where':'p_alive > 0.5'," D "}"), "leak"));
    assert_non_null(strstr(shop.text, "bg_nbd holds every customer with one purchase day for alive"));
    assert_null(strstr(ask(&shop, "count", "{'where':'orders > 5'," D "}"), "spring"));
    assert_string_equal(ask(&shop, "clv.top", "{'fit':'sprung'}"),
                        "NOT_FOUND: no fit called \"sprung\", did you mean \"spring\"?");
    shop_close(&shop);
}

/* Values are whole billionths, so every order of adding gives the same sum. */
static void numbers_compare_and_add_up(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    fill(&shop);
    ask(&shop, "clv.fit", "{'end':'2024-04-30'}");
    save_fit(&shop, 1);
    char all[64], text[64];
    (void)snprintf(all, sizeof all, "%s", ask_part(&shop, "count", "{'where':'orders >= 1'," D "}", "count"));
    assert_string_equal(ask_part(&shop, "count", "{'where':'p_alive BETWEEN 0 AND 1'," D "}", "count"), all);
    assert_string_equal(ask_part(&shop, "count", "{'where':'p_alive > -1 AND p_alive <= 1.5'," D "}", "count"), all);
    assert_string_equal(ask_part(&shop, "count", "{'where':'p_alive >= 0.3 OR p_alive < 0.3'," D "}", "count"), all);
    assert_string_equal(ask_part(&shop, "count", "{'where':'clv IS NOT NULL'," D "}", "count"), all);
    (void)snprintf(text, sizeof text, "%s",
                   ask_part(&shop, "group", "{'by':[],'metrics':['sum(expected_orders)']," D "}", "rows"));
    shop.kernels = "scalar";
    assert_string_equal(ask_part(&shop, "group", "{'by':[],'metrics':['sum(expected_orders)']," D "}", "rows"), text);
    assert_non_null(
        strstr(ask(&shop, "group", "{'by':['bin(p_alive, [0.25, 0.75])'],'metrics':['count']," D "}"), "'>= 0.75'"));
    shop_close(&shop);
}

static enum pat_status stop_at_once(void *context) {
    (void)context;
    return PAT_ERR_DEADLINE;
}

static void a_fit_can_be_stopped(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    fill(&shop);
    shop.stop_cb = stop_at_once;
    assert_memory_equal(ask(&shop, "clv.fit", "{}"), "DEADLINE", 8);
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_of_a_day_are_one_purchase),
        cmocka_unit_test(refunds_lower_the_day_of_their_order),
        cmocka_unit_test(only_eligible_orders_are_purchases),
        cmocka_unit_test(lists_of_all_agree_with_each_chain),
        cmocka_unit_test(runs_say_what_tables_say),
        cmocka_unit_test(patterns_carry_everybody),
        cmocka_unit_test(a_hold_out_counts_days_behind_the_end),
        cmocka_unit_test(facts_without_a_rate_leave_the_spend_fit),
        cmocka_unit_test(answers_name_their_fit),
        cmocka_unit_test(numbers_compare_and_add_up),
        cmocka_unit_test(a_fit_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
