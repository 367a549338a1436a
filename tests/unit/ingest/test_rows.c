/* Customers, orders and refunds: new, patched, stale, withdrawn, moved. */
#include "kit.h"

static struct shop shop;

static int open_shop(void **state) {
    (void)state;
    shop_open(&shop, "Europe/London", "EUR");
    return 0;
}

static int close_shop(void **state) {
    (void)state;
    shop_close(&shop);
    return 0;
}

static void order(const char *id, const char *customer, const char *day, const char *amount) {
    char text[300];
    (void)snprintf(text, sizeof text,
                   "orders {order: ['%s'], customer: ['%s'], time: ['%s'], amount: ['%s'], currency: ['EUR']}", id,
                   customer, day, amount);
    loads(&shop, text);
}

static void refund(const char *id, const char *of, const char *day, const char *amount) {
    char text[300];
    (void)snprintf(text, sizeof text, "refunds {refund: ['%s'], %s, time: ['%s'], amount: ['%s'], currency: ['EUR']}",
                   id, of, day, amount);
    loads(&shop, text);
}

static void orders_are_new_updated_duplicate_stale(void **state) {
    (void)state;
    loads(&shop, "orders {order: [1, 1, 2], customer: ['a', 'a', 'b'], time: ['2024-01-05', '2024-01-05', "
                 "'2024-01-06'], amount: [1, "
                 "2, 3], currency: ['EUR', 'EUR', 'USD'], version: [5, 5, null]}");
    outcome_is(&shop, "2 1 0 0 0"); /* within a batch the last one wins */
    assert_int_equal(net_of(&shop, "a"), 200);
    loads(&shop, "orders {order: [1], amount: [2]}");
    outcome_is(&shop, "0 0 1 0 0");
    loads(&shop, "orders {order: [1], amount: [9], version: [4]}");
    outcome_is(&shop, "0 0 0 1 0");
    loads(&shop, "orders {order: [1], amount: [8], version: [5]}");
    outcome_is(&shop, "0 1 0 0 0");
    loads(&shop, "orders {order: [1], amount: [7], version: [null]}"); /* no version: the last accepted wins */
    outcome_is(&shop, "0 1 0 0 0");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "1", PAT_ORDER_VERSION), 5);
    loads(&shop, "orders {order: [1], version: [6]}");
    outcome_is(&shop, "0 1 0 0 0");
    assert_int_equal(net_of(&shop, "a"), 700);
    assert_int_equal(shop.store->counts.unpriced, 1);
    loads(&shop, "orders {order: [2], currency: ['EUR']}");
    assert_int_equal(shop.store->counts.unpriced, 0);
    assert_int_equal(net_of(&shop, "b"), 300);
}

static void null_clears_and_absent_stays(void **state) {
    (void)state;
    loads(&shop, "orders {order: [1], customer: ['a'], time: ['2024-01-05'], amount: [1], currency: ['EUR'], country: "
                 "['DE'], cancelled: "
                 "['2024-01-07'], tax: ['0.19'], test: [true]}");
    loads(&shop, "orders {order: [1], channel: ['web']}");
    text_is(&shop, PAT_ORDERS, "1", PAT_ORDER_COUNTRY, "DE");
    loads(&shop, "orders {order: [1], country: [null], cancelled: [null], tax: [null], test: [null]}");
    outcome_is(&shop, "0 1 0 0 0");
    text_is(&shop, PAT_ORDERS, "1", PAT_ORDER_COUNTRY, NULL);
    assert_true(value_of(&shop, PAT_ORDERS, "1", PAT_ORDER_TAX) == PAT_NULL);
    assert_int_equal(net_of(&shop, "a"), 100);
    assert_int_equal(load(&shop, "orders {order: [1], amount: [null]}"), PAT_ERR_BAD_REQUEST);
}

static void withdrawn_and_back(void **state) {
    (void)state;
    order("1", "a", "2024-01-05", "1");
    order("2", "a", "2024-02-05", "2");
    loads(&shop, "orders {order: [2], deleted: [true]}");
    assert_int_equal(shop.store->counts.orders, 1);
    assert_int_equal(shop.store->counts.newest_fact, 19727);
    assert_int_equal(net_of(&shop, "a"), 100);
    loads(&shop, "orders {order: [1], deleted: [true]}");
    assert_int_equal(shop.store->counts.customers, 0); /* nothing names it any more */
    assert_int_equal(shop.store->counts.newest_fact, PAT_DAY_NONE);
    loads(&shop, "orders {order: [1, 2], deleted: [false, null]}");
    outcome_is(&shop, "0 2 0 0 0");
    assert_int_equal(shop.store->counts.customers, 1);
    assert_int_equal(net_of(&shop, "a"), 300);
    loads(
        &shop,
        "orders {order: [3], customer: ['z'], time: ['2024-03-01'], amount: [1], currency: ['EUR'], deleted: [true]}");
    outcome_is(&shop, "1 0 0 0 0");
    assert_int_equal(shop.store->counts.customers, 1);
}

static void customers_come_by_profile_or_by_fact(void **state) {
    (void)state;
    order("1", "a", "2024-01-05", "1");
    loads(&shop, "customers {customer: ['a', 'b'], country: ['DE', 'FR']}");
    outcome_is(&shop, "2 0 0 0 0"); /* known by a fact, but its profile is new */
    loads(&shop, "customers {customer: ['a', 'b'], country: ['DE', 'IT']}");
    outcome_is(&shop, "0 1 1 0 0");
    loads(&shop, "customers {customer: ['a'], deleted: [true]}");
    assert_int_equal(shop.store->counts.customers, 1);
    order("2", "a", "2024-03-05", "1"); /* more facts do not bring it back */
    assert_int_equal(shop.store->counts.customers, 1);
    loads(&shop, "customers {customer: ['a'], deleted: [false]}");
    assert_int_equal(shop.store->counts.customers, 2);
    assert_int_equal(net_of(&shop, "a"), 200);
}

static void the_country_is_that_of_the_earliest_order(void **state) {
    (void)state;
    loads(&shop, "orders {order: [5, 7, 10, 'x'], customer: ['a', 'a', 'a', 'a'], time: ['2024-01-05', '2024-01-05', "
                 "'2024-01-05', "
                 "'2024-01-05'], amount: [1, 1, 1, 1], currency: ['EUR', 'EUR', 'EUR', 'EUR'], country: ['DE', 'FR', "
                 "'IT', 'ES'], test: "
                 "[true, false, false, false]}");
    text_is(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_FACT_COUNTRY, "DE"); /* ids by size, a test is a fact, too */
    loads(&shop, "orders {order: [5], deleted: [true]}");
    text_is(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_FACT_COUNTRY, "FR");
    loads(&shop,
          "orders {order: ['w'], customer: ['a'], time: ['2024-01-04T23:59:59'], amount: [1], currency: ['EUR']}");
    text_is(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_FACT_COUNTRY, NULL); /* the earliest has none */
    loads(&shop, "orders {order: ['w'], country: ['PT']}");
    text_is(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_FACT_COUNTRY, "PT");
}

static void refunds_wait_for_their_order(void **state) {
    (void)state;
    refund("r1", "order: [1]", "2024-01-10", "0.40");
    refund("r2", "order: [1], customer: ['other']", "2024-01-12", "0.10");
    assert_int_equal(shop.store->counts.pending_refunds, 2);
    assert_int_equal(shop.store->counts.refunds, 0);
    assert_int_equal(shop.store->counts.orders, 0);
    assert_int_equal(shop.store->counts.newest_fact, PAT_DAY_NONE);
    loads(&shop, "refunds {refund: ['r2'], deleted: [true]}");
    assert_int_equal(shop.store->counts.pending_refunds, 1);
    loads(&shop, "refunds {refund: ['r2'], deleted: [false]}");
    assert_int_equal(load(&shop, "orders {order: [1], country: ['DE']}"), PAT_ERR_BAD_REQUEST); /* still not known */
    order("1", "a", "2024-01-05", "1");
    outcome_is(&shop, "1 0 0 0 0");
    assert_int_equal(shop.store->counts.pending_refunds, 0);
    assert_int_equal(net_of(&shop, "a"), 50);
    assert_int_equal(shop.store->counts.newest_fact, 19734);
    assert_int_equal(shop.store->counts.customers, 1);
}

static void refunds_follow_their_order(void **state) {
    (void)state;
    order("1", "a", "2024-01-05", "10");
    order("2", "a", "2024-01-06", "20");
    refund("r1", "order: [1]", "2024-02-01", "1");
    refund("r2", "order: [1]", "2024-02-02", "2");
    refund("own", "customer: ['a']", "2024-02-03", "4");
    assert_int_equal(net_of(&shop, "a"), 2300);
    loads(&shop, "orders {order: [1], customer: ['b']}");
    assert_int_equal(net_of(&shop, "a"), 1600);
    assert_int_equal(net_of(&shop, "b"), 700);
    loads(&shop, "refunds {refund: ['r1'], order: [2]}");
    assert_int_equal(net_of(&shop, "a"), 1500);
    assert_int_equal(net_of(&shop, "b"), 800);
    loads(&shop, "refunds {refund: ['r1'], order: [null], customer: ['c']}");
    assert_int_equal(net_of(&shop, "c"), -100);
    loads(&shop, "refunds {refund: ['r1'], customer: ['a']}");
    assert_int_equal(net_of(&shop, "c"), 0);
    assert_int_equal(shop.store->counts.customers, 2); /* c is named by nothing */
    loads(&shop, "refunds {refund: ['r1'], order: ['unheard of']}");
    assert_int_equal(shop.store->counts.pending_refunds, 1);
    assert_int_equal(net_of(&shop, "a"), 1600);
    /* It has no customer while it waits: clearing the order leaves nobody. */
    assert_int_equal(load(&shop, "refunds {refund: ['r1'], order: [null]}"), PAT_ERR_BAD_REQUEST);
    loads(&shop, "refunds {refund: ['own'], order: [null]}");
    outcome_is(&shop, "0 0 1 0 0");
    assert_int_equal(load(&shop, "refunds {refund: ['own'], customer: [null]}"), PAT_ERR_BAD_REQUEST);
    loads(&shop, "refunds {refund: ['r2'], customer: [null], reason: ['late']}"); /* its order still names somebody */
    assert_int_equal(net_of(&shop, "b"), 800);
}

static void refunds_of_orders_that_do_not_count(void **state) {
    (void)state;
    order("1", "a", "2024-01-05", "10");
    refund("r", "order: [1]", "2024-02-01", "3");
    static const char *const off[] = {"cancelled: ['2024-01-20']", "test: [true]", "deleted: [true]"};
    static const char *const on[] = {"cancelled: [null]", "test: [false]", "deleted: [false]"};
    char text[100];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, "orders {order: [1], %s}", off[i]);
        loads(&shop, text);
        assert_int_equal(net_of(&shop, "a"), 0);
        assert_int_equal(shop.store->counts.refunds, 1); /* counted, and worth nothing */
        (void)snprintf(text, sizeof text, "orders {order: [1], %s}", on[i]);
        loads(&shop, text);
        assert_int_equal(net_of(&shop, "a"), 700);
    }
    loads(&shop, "refunds {refund: ['r'], currency: ['USD']}");
    assert_int_equal(net_of(&shop, "a"), 1000);
    assert_int_equal(value_of(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_UNPRICED_N), 1);
    loads(&shop, "refunds {refund: ['r', 'r'], version: [2, 1], amount: [5, 6], currency: ['EUR', 'EUR']}");
    outcome_is(&shop, "0 1 0 1 0");
    assert_int_equal(net_of(&shop, "a"), 500);
}

static void settled_days(void **state) {
    (void)state;
    loads(&shop,
          "orders {order: [1], customer: ['a'], time: ['2024-01-05T12:00:00'], amount: [1], currency: ['EUR'], paid: "
          "['2024-01-09T00:30:00Z'], cancelled: ['2030-01-01']}");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "1", PAT_ORDER_PAID_DAY), 19731);
    assert_int_equal(value_of(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_SETTLED), 21915);
    loads(&shop, "orders {order: [1], cancelled: [null]}");
    assert_int_equal(value_of(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_SETTLED), 19731);
    loads(&shop, "orders {order: [1], paid: ['2024-01-05T23:00:00']}");
    assert_true(value_of(&shop, PAT_ORDERS, "1", PAT_ORDER_PAID_DAY) == PAT_NULL);
    assert_int_equal(value_of(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_SETTLED), 19727);
}

/* A sum that no int64 holds is held at its end, and comes back when it can. */
static void held_sums(void **state) {
    (void)state;
    loads(&shop,
          "lines {order: [1], customer: ['a'], time: ['2024-01-01'], currency: ['EUR'], product: ['p'], quantity: "
          "['9000000000000000'], price: ['900']}");
    assert_true(value_of(&shop, PAT_ORDERS, "1", PAT_ORDER_AMOUNT) == INT64_MAX);
    assert_true(net_of(&shop, "a") == INT64_MAX);
    loads(&shop,
          "lines {order: [1], customer: ['a'], time: ['2024-01-01'], currency: ['EUR'], product: ['p'], quantity: "
          "['-9000000000000000'], price: ['900']}");
    assert_true(net_of(&shop, "a") == -INT64_MAX);
    loads(&shop, "lines {order: [1], customer: ['a'], time: ['2024-01-01'], currency: ['EUR'], product: ['p'], "
                 "quantity: [1], price: "
                 "[1]}");
    assert_int_equal(net_of(&shop, "a"), 100);
}

/* All of a customer's orders go to another, newest first and oldest first; walking the chain for each of them would
 * take seconds. */
#define MOVED 40000

static void many_orders_move(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct pat_builder builder = {.arena = &shop.arena};
        pat_arena_deinit(&shop.arena);
        struct pat_value id = pat_build_array(&builder, MOVED), to = pat_build_array(&builder, MOVED),
                         time = pat_build_array(&builder, MOVED);
        struct pat_value amount = pat_build_array(&builder, MOVED), eur = pat_build_array(&builder, MOVED);
        for (int64_t i = 0; i < MOVED; i++) {
            pat_build_push(&builder, &id, pat_value_int(round == 1 ? MOVED - 1 - i : i));
            pat_build_push(&builder, &to, pat_value_int(round == 0 ? 1 : round == 1 ? 5 : 2 + i % 3));
            pat_build_push(&builder, &time, pat_value_int(INT64_C(86400000) * (19000 - i % 9000)));
            pat_build_push(&builder, &amount, pat_value_int(1));
            pat_build_push(&builder, &eur, pat_value_string("EUR"));
        }
        struct pat_value columns = pat_build_map(&builder, 5);
        pat_build_put(&builder, &columns, "order", id);
        pat_build_put(&builder, &columns, "customer", to);
        pat_build_put(&builder, &columns, "time", time);
        pat_build_put(&builder, &columns, "amount", amount);
        pat_build_put(&builder, &columns, "currency", eur);
        struct pat_load sent = shop_load(&shop, &columns, PAT_ORDERS);
        assert_int_equal(shop_take(&shop, &sent), PAT_OK);
        check_store(shop.store);
    }
    assert_int_equal(net_of(&shop, "1"), 0);
    assert_int_equal(net_of(&shop, "5"), 0);
    assert_int_equal(net_of(&shop, "2") + net_of(&shop, "3") + net_of(&shop, "4"), 100 * MOVED);
    assert_int_equal(shop.store->counts.customers, 3);
}

/* Facts that go to and fro within one batch end where the last row says. */
static void moves_within_a_batch(void **state) {
    (void)state;
    order("1", "a", "2024-01-05", "10");
    order("2", "a", "2024-01-06", "20");
    order("3", "b", "2024-01-07", "40");
    refund("r", "order: [1]", "2024-02-01", "1");
    refund("s", "order: [1]", "2024-02-02", "2");
    loads(&shop, "orders {order: [1, 2, 1, 3, 1, 2], customer: ['b', 'c', 'c', 'a', 'a', 'b']}");
    assert_int_equal(net_of(&shop, "a"), 4700);
    assert_int_equal(net_of(&shop, "b"), 2000);
    assert_int_equal(net_of(&shop, "c"), 0);
    loads(&shop, "refunds {refund: ['r', 's', 'r', 't', 't', 's', 't'], order: [2, 3, 'awaited', 1, 2, 1, 1], time: "
                 "[0, 0, 0, 0, 0, 0, "
                 "0], amount: [1, 2, 1, 4, 4, 2, 4], currency: ['EUR', 'EUR', 'EUR', 'EUR', 'EUR', 'EUR', 'EUR']}");
    assert_int_equal(shop.store->counts.pending_refunds, 1);
    assert_int_equal(net_of(&shop, "a"), 4400);
    assert_int_equal(net_of(&shop, "b"), 2000);
    loads(&shop, "orders {order: ['awaited', 'awaited', 4], customer: ['c', 'd', 'a'], time: [0, 0, 0], amount: [8, 8, "
                 "16], currency: "
                 "['EUR', 'EUR', 'EUR']}");
    assert_int_equal(net_of(&shop, "d"), 700);
    assert_int_equal(net_of(&shop, "a"), 6000);
}

static void the_producer_remembers(void **state) {
    (void)state;
    shop.skip = true;
    loads(&shop, "customers {customer: [1, []]}");
    const struct pat_answer *answer = NULL;
    assert_int_equal(pat_producers_look(&shop.store->producers, PAT_TEXT("test"), shop.seq, &answer), PAT_PAIR_KNOWN);
    assert_true(pat_digest_equal(answer->digest, shop.batch->digest));
    assert_int_equal(answer->outcome.lsn, shop.store->lsn);
    assert_int_equal(answer->outcome.rejected, 1);
    struct pat_batch again = {0};
    struct pat_reader reader = {.at = answer->errors, .end = answer->errors + answer->errors_bytes};
    assert_int_equal(pat_batch_errors_read(&again, &reader, &shop.arena), PAT_OK);
    assert_int_equal(again.errors, 1);
    assert_int_equal(again.error[0].row, 1);
    assert_true(pat_text_equal(again.error[0].message, shop.batch->error[0].message));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(orders_are_new_updated_duplicate_stale),
        TEST(null_clears_and_absent_stays),
        TEST(withdrawn_and_back),
        TEST(customers_come_by_profile_or_by_fact),
        TEST(the_country_is_that_of_the_earliest_order),
        TEST(refunds_wait_for_their_order),
        TEST(refunds_follow_their_order),
        TEST(refunds_of_orders_that_do_not_count),
        TEST(settled_days),
        TEST(held_sums),
        TEST(many_orders_move),
        TEST(moves_within_a_batch),
        TEST(the_producer_remembers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
