/* Lines make orders: replaced, appended, numbered, summed exactly, below zero and back. */
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

/* Lines of one order: numbers (or NULL), quantities, prices; customer "a", one product, 2024-01-05. */
static enum pat_status lines(const char *order, unsigned count, const char *numbers, const char *quantities,
                             const char *prices, const char *more) {
    char text[2000];
    int length = snprintf(text, sizeof text, "lines {order: [");
    static const char *const columns[] = {NULL, "], customer: [", "], time: [", "], currency: [", "], product: ["};
    const char *values[] = {order, "'a'", "'2024-01-05'", "'EUR'", "'p'"};
    for (size_t c = 0; c < 5; c++) {
        if (columns[c] != NULL) length += snprintf(text + length, sizeof text - (size_t)length, "%s", columns[c]);
        for (unsigned i = 0; i < count; i++) {
            length += snprintf(text + length, sizeof text - (size_t)length, c == 0 ? "'%s', " : "%s, ", values[c]);
        }
    }
    (void)snprintf(text + length, sizeof text - (size_t)length, "]%s%s%s, quantity: [%s], price: [%s]%s}",
                   numbers != NULL ? ", line: [" : "", numbers != NULL ? numbers : "", numbers != NULL ? "]" : "",
                   quantities, prices, more);
    return load(&shop, text);
}

static void good_lines(const char *order, unsigned count, const char *numbers, const char *quantities,
                       const char *prices) {
    if (lines(order, count, numbers, quantities, prices, "") != PAT_OK) fail_msg("%s", shop.error.message);
}

/* Numbers of the lines that are in the order's chain and not withdrawn, ascending. */
static void lines_are(const char *order, const char *expected) {
    const struct pat_table *table = &shop.store->table[PAT_LINES];
    bool there[64] = {false};
    int64_t line = value_of(&shop, PAT_ORDERS, order, PAT_ORDER_LINE_HEAD);
    for (; line != PAT_NULL; line = pat_table_get(table, PAT_LINE_NEXT, (pat_row)line)) {
        if (pat_table_get(table, PAT_LINE_DELETED, (pat_row)line) == 1) continue;
        there[pat_table_get(table, PAT_LINE_NUMBER, (pat_row)line)] = true;
    }
    char got[200] = "";
    for (int i = 0; i < 64; i++) {
        if (there[i]) (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%d ", i);
    }
    assert_string_equal(got, expected);
}

static void replaced_by_position(void **state) {
    (void)state;
    good_lines("o", 3, NULL, "1, 2, 3", "1, 1, 1");
    outcome_is(&shop, "3 0 0 0 0");
    assert_int_equal(shop.outcome.orders, 1);
    lines_are("o", "1 2 3 ");
    assert_int_equal(net_of(&shop, "a"), 600);
    good_lines("o", 3, NULL, "1, 2, 3", "1, 1, 1");
    outcome_is(&shop, "0 0 3 0 0");
    assert_int_equal(shop.outcome.orders, 0);
    good_lines("o", 2, NULL, "1, 5", "1, 1");
    outcome_is(&shop, "0 2 0 0 0"); /* the one that stayed lost a neighbour */
    lines_are("o", "1 2 ");
    assert_int_equal(shop.store->counts.lines, 2);
    good_lines("o", 4, NULL, "1, 5, 1, 1", "1, 1, 1, 1");
    outcome_is(&shop, "2 0 2 0 0");
    assert_int_equal(net_of(&shop, "a"), 800);
}

static void replaced_by_number_with_gaps(void **state) {
    (void)state;
    good_lines("o", 3, "10, 20, 30", "1, 2, 3", "1, 1, 1");
    good_lines("o", 2, "30, 10", "3, 1", "1, 1");
    lines_are("o", "10 30 ");
    good_lines("o", 3, "20, 20, 30", "9, 4, 3", "1, 1, 1"); /* the last of a number wins */
    outcome_is(&shop, "1 2 0 0 0");
    lines_are("o", "20 30 ");
    assert_int_equal(net_of(&shop, "a"), 700);
}

static void a_null_number_is_a_position(void **state) {
    (void)state;
    for (int again = 0; again < 3; again++) {
        good_lines("o", 2, "null, null", "1, 1", "5, 5");
        outcome_is(&shop, again == 0 ? "2 0 0 0 0" : "0 0 2 0 0");
        lines_are("o", "1 2 ");
        assert_int_equal(value_of(&shop, PAT_ORDERS, "o", PAT_ORDER_AMOUNT), 1000);
    }
    good_lines("p", 3, "7, null, 9", "1, 1, 1", "1, 1, 1");
    lines_are("p", "2 7 9 ");
    /* The second row would be line 2, which the first one is. */
    assert_int_equal(lines("q", 2, "2, null", "1, 1", "1, 1", ""), PAT_ERR_BAD_REQUEST);
    shop.append = true;
    good_lines("p", 3, "null, 12, null", "1, 1, 1", "1, 1, 1");
    lines_are("p", "2 7 9 12 13 14 ");
}

static void appended(void **state) {
    (void)state;
    good_lines("o", 2, "1, 7", "1, 2", "1, 1");
    shop.append = true;
    good_lines("o", 2, NULL, "3, 4", "1, 1");
    lines_are("o", "1 7 8 9 ");
    good_lines("o", 1, "7", "5", "1");
    outcome_is(&shop, "0 1 0 0 0");
    assert_int_equal(net_of(&shop, "a"), 1300);
    good_lines("new", 2, NULL, "1, 1", "1, 1");
    lines_are("new", "1 2 ");
    assert_int_equal(lines("o", 1, "0", "1", "1", ""), PAT_ERR_BAD_REQUEST);
    assert_int_equal(lines("o", 1, "2147483648", "1", "1", ""), PAT_ERR_BAD_REQUEST);
    good_lines("far", 1, "2147483647", "1", "1");
    good_lines("far", 1, NULL, "1", "1"); /* goes on behind the greatest */
    outcome_is(&shop, "1 0 0 0 0");
}

static void rejected_lines_keep_their_place(void **state) {
    (void)state;
    shop.skip = true;
    loads(&shop, "lines {order: ['o', 'o', 'o', 'x'], customer: ['a', 'a', 'a', 'a'], time: [0, 0, 0, 0], currency: "
                 "['EUR', 'EUR', 'EUR', "
                 "'EUR'], product: [null, 'p', 'p', 'p'], quantity: [1, 1, 0, 1], price: [1, 1, 1, 1]}");
    outcome_is(&shop, "2 0 0 0 2");
    lines_are("o", "2 ");
    lines_are("x", "1 ");
    shop.skip = false;
    good_lines("o", 3, NULL, "1, 1, 1", "1, 1, 1");
    outcome_is(&shop, "2 1 0 0 0");
}

static void patched(void **state) {
    (void)state;
    good_lines("o", 2, NULL, "1, 2", "1, 1");
    assert_int_equal(load(&shop, "lines {order: ['o'], quantity: [5]}"),
                     PAT_OK); /* by position: the first, and only it stays */
    lines_are("o", "1 ");
    assert_int_equal(net_of(&shop, "a"), 500);
    shop.append = true;
    loads(&shop, "lines {order: ['o'], line: [1], price: ['0.5']}");
    assert_int_equal(net_of(&shop, "a"), 250);
    assert_int_equal(load(&shop, "lines {order: ['o'], line: [2], price: [1]}"), PAT_ERR_BAD_REQUEST);
    assert_non_null(strstr(shop.error.message, "not known yet"));
    assert_int_equal(load(&shop, "lines {order: ['o'], price: [1]}"), PAT_ERR_BAD_REQUEST);
    assert_int_equal(load(&shop, "lines {order: ['u'], product: ['p'], quantity: [1], price: [1]}"),
                     PAT_ERR_BAD_REQUEST);
    assert_non_null(strstr(shop.error.message, "order is not known"));
    loads(&shop, "lines {order: ['o'], product: ['p'], quantity: [1], price: [1]}");
    lines_are("o", "1 2 ");
}

static void withdrawn(void **state) {
    (void)state;
    good_lines("o", 2, NULL, "1, 2", "1, 1");
    if (lines("o", 2, NULL, "1, 2", "1, 1", ", deleted: [false, true]") != PAT_OK) fail();
    lines_are("o", "1 ");
    assert_int_equal(net_of(&shop, "a"), 100);
    good_lines("o", 1, NULL, "1", "1"); /* what was withdrawn goes unnoticed */
    outcome_is(&shop, "0 0 1 0 0");
    if (lines("o", 1, NULL, "1", "1", ", deleted: [true]") != PAT_OK) fail();
    assert_int_equal(shop.store->counts.orders, 0); /* no line, no order */
    assert_int_equal(shop.store->counts.lines, 0);
    assert_int_equal(shop.store->counts.customers, 0);
    loads(&shop, "refunds {refund: ['r'], order: ['o'], time: ['2024-01-06'], amount: [1], currency: ['EUR']}");
    assert_int_equal(shop.store->counts.pending_refunds, 1);
    assert_int_equal(load(&shop, "orders {order: ['o'], channel: ['web']}"), PAT_ERR_BAD_REQUEST);
    good_lines("o", 1, NULL, "3", "1"); /* does not say that it is back */
    assert_int_equal(shop.outcome.orders, 0);
    if (lines("o", 1, NULL, "3", "1", ", deleted: [false]") != PAT_OK) fail();
    assert_int_equal(shop.outcome.orders, 1);
    assert_int_equal(shop.store->counts.pending_refunds, 0);
    assert_int_equal(net_of(&shop, "a"), 200);
}

static void versions(void **state) {
    (void)state;
    if (lines("o", 2, NULL, "1, 2", "1, 1", ", version: [5, 6]") != PAT_OK) fail();
    if (lines("o", 1, NULL, "9", "1", ", version: [5]") != PAT_OK) fail();
    outcome_is(&shop, "0 0 0 1 0"); /* an older picture of the order does not drop a newer line */
    lines_are("o", "1 2 ");
    if (lines("o", 2, NULL, "9, 9", "1, 1", ", version: [4, 6]") != PAT_OK) fail();
    outcome_is(&shop, "0 1 0 1 0");
    assert_int_equal(net_of(&shop, "a"), 1000);
    good_lines("o", 1, NULL, "7", "1");
    lines_are("o", "1 ");
    shop.append = true;
    if (lines("o", 1, "1", "8", "1", ", version: [3]") != PAT_OK) fail();
    outcome_is(&shop, "0 0 0 1 0");
}

static void below_zero_and_back(void **state) {
    (void)state;
    good_lines("o", 2, NULL, "1, -3", "1, 1");
    assert_int_equal(shop.outcome.refunds, 1);
    assert_int_equal(shop.outcome.orders, 0);
    assert_int_equal(shop.store->counts.orders, 0);
    assert_int_equal(shop.store->counts.refunds, 1);
    assert_int_equal(net_of(&shop, "a"), -200);
    assert_int_equal(value_of(&shop, PAT_REFUNDS, "o", PAT_REFUND_DAY), 19727);
    good_lines("o", 2, NULL, "1, -5", "1, 1");
    assert_int_equal(shop.outcome.refunds, 0);
    assert_int_equal(net_of(&shop, "a"), -400);
    good_lines("o", 2, NULL, "1, -1", "1, 1"); /* zero is an order */
    assert_int_equal(shop.outcome.orders, 1);
    assert_int_equal(shop.store->counts.refunds, 0);
    assert_int_equal(net_of(&shop, "a"), 0);
    assert_int_equal(value_of(&shop, PAT_CUSTOMERS, "a", PAT_CUSTOMER_ORDERS_N), 1);
    good_lines("o", 1, NULL, "-1", "1");
    assert_int_equal(shop.store->counts.refunds, 1);
    /* The refund goes where the order goes. */
    loads(&shop, "orders {order: ['o'], customer: ['b'], time: ['2024-02-01']}");
    assert_int_equal(net_of(&shop, "a"), 0);
    assert_int_equal(net_of(&shop, "b"), -100);
    assert_int_equal(value_of(&shop, PAT_REFUNDS, "o", PAT_REFUND_DAY), 19754);
    /* An amount of its own makes it an order for good. */
    loads(&shop, "orders {order: ['o'], amount: [7]}");
    assert_int_equal(shop.store->counts.refunds, 0);
    assert_int_equal(net_of(&shop, "b"), 700);
    good_lines("o", 1, NULL, "-9", "1");
    assert_int_equal(net_of(&shop, "b"), 700);
}

static void a_refund_row_of_the_same_id_stands(void **state) {
    (void)state;
    good_lines("o", 1, NULL, "-1", "1");
    loads(&shop, "refunds {refund: ['o'], amount: [5]}");
    outcome_is(&shop, "0 1 0 0 0");
    assert_int_equal(net_of(&shop, "a"), -500);
    good_lines("o", 1, NULL, "2", "1");
    assert_int_equal(net_of(&shop, "a"), -300);
    good_lines("o", 1, NULL, "-2", "1");
    assert_int_equal(net_of(&shop, "a"), -500);
}

static void an_amount_given_stands(void **state) {
    (void)state;
    loads(&shop, "orders {order: ['o'], customer: ['a'], time: ['2024-01-01'], amount: [10], currency: ['EUR']}");
    good_lines("o", 2, NULL, "1, 2", "1, 1");
    assert_int_equal(net_of(&shop, "a"), 1000);
    assert_int_equal(value_of(&shop, PAT_ORDERS, "o", PAT_ORDER_DAY), 19723);
    good_lines("p", 2, NULL, "1, 2", "1, 1");
    loads(&shop, "orders {order: ['p'], channel: ['web']}"); /* says nothing of the amount */
    good_lines("p", 1, NULL, "7", "1");
    assert_int_equal(net_of(&shop, "a"), 1700);
    loads(&shop, "orders {order: ['p'], amount: [7]}");
    outcome_is(&shop, "0 1 0 0 0"); /* the same number, but given from now on */
    good_lines("p", 1, NULL, "8", "1");
    assert_int_equal(net_of(&shop, "a"), 1700);
}

static void the_least_time_is_the_order_s(void **state) {
    (void)state;
    const char *text = "lines {order: ['o', 'o'], customer: ['a', 'a'], time: ['2024-01-05', '2024-01-03T10:00:00'], "
                       "currency: ['EUR', "
                       "'EUR'], product: ['p', 'p'], quantity: [1, 1], price: [1, 1], country: [null, 'DE']}";
    loads(&shop, text);
    assert_int_equal(value_of(&shop, PAT_ORDERS, "o", PAT_ORDER_DAY), 19725);
    text_is(&shop, PAT_ORDERS, "o", PAT_ORDER_COUNTRY, "DE");
    shop.append = true;
    assert_int_equal(lines("o", 1, NULL, "1", "1", ", country: [null]"), PAT_OK);
    text_is(&shop, PAT_ORDERS, "o", PAT_ORDER_COUNTRY, "DE"); /* one more line that does not know it */
    assert_int_equal(value_of(&shop, PAT_ORDERS, "o", PAT_ORDER_DAY), 19725);
    shop.append = false;
    good_lines("o", 1, NULL, "1", "1");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "o", PAT_ORDER_DAY), 19727);
    good_lines("o", 1, NULL, "1", "1");
    outcome_is(&shop, "0 0 1 0 0");
    loads(&shop, "lines {order: ['o'], customer: ['b'], time: ['2024-01-05'], currency: ['EUR'], product: ['p'], "
                 "quantity: [1], price: "
                 "[1]}");
    outcome_is(&shop, "0 1 0 0 0"); /* the line is the same, its order is not */
    assert_int_equal(net_of(&shop, "b"), 100);
}

static void sums_are_exact_and_rounded_once(void **state) {
    (void)state;
    static const struct {
        const char *quantities, *prices;
        int64_t minor;
    } cases[] = {
        {"1, 1, 1", "'0.005', '0.005', '0.005'", 2}, /* 0.015 */
        {"1, 1, 1", "'0.001', '0.001', '0.003'", 1}, /* 0.005 */
        {"1, 1, 1", "'0.001', '0.001', '0.002'", 0},
        {"'0.1', '0.2', '0.3'", "'0.1', '0.1', '0.1'", 6},
        {"0.1, 0.2, 0.3", "3, 3, 3", 180}, /* floats mean their shortest decimal */
        {"'0.000000000000001', 1, 1", "'0.000000000000001', '0.0025', '0.0025'", 1},
        {"'-0.000000000000001', 1, 1", "'0.000000000000001', '0.0025', '0.0025'", 0},
        {"12345678, -12345678, 1", "'999999.99', '999999.99', '0.01'", 1},
        {"-1, -1, -1", "'0.005', '0.005', '0.005'", -2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        good_lines("o", 3, NULL, cases[i].quantities, cases[i].prices);
        assert_int_equal(value_of(&shop, PAT_ORDERS, "o", PAT_ORDER_AMOUNT), cases[i].minor);
        assert_int_equal(net_of(&shop, "a"), cases[i].minor);
    }
    loads(&shop, "lines {order: ['y'], customer: ['b'], time: [0], currency: ['JPY'], product: ['p'], quantity: [3], "
                 "price: ['0.5']}");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "y", PAT_ORDER_AMOUNT), 2);
}

static void bad_lines(void **state) {
    (void)state;
    static const struct {
        const char *quantity, *price, *field;
    } cases[] = {{"0", "1", "quantity"},  {"1", "0", "price"},        {"1", "-1", "price"},
                 {"1", "'x'", "price"},   {"nan", "1", "quantity"},   {"null", "1", "quantity"},
                 {"[]", "1", "quantity"}, {"'1e20'", "1", "quantity"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lines("o", 1, NULL, cases[i].quantity, cases[i].price, ""), PAT_ERR_BAD_REQUEST);
        assert_string_equal(shop.error.field, cases[i].field);
        assert_int_equal(shop.error.row, 0);
    }
}

static void an_order_has_one_currency(void **state) {
    (void)state;
    const char *text = "lines {order: ['o', 'x', 'o', 'o'], customer: ['a', 'a', 'a', 'a'], time: [0, 0, 0, 0], "
                       "currency: ['EUR', 'USD', "
                       "'USD', 'EUR'], product: ['p', 'p', 'p', 'p'], quantity: [1, 1, 1, 1], price: [1, 1, 1, 1]}";
    assert_int_equal(load(&shop, text), PAT_ERR_BAD_REQUEST);
    assert_int_equal(shop.error.row, 2);
    assert_string_equal(shop.error.field, "currency");
    shop.skip = true;
    loads(&shop, text);
    outcome_is(&shop, "3 0 0 0 1");
    assert_int_equal(shop.batch->error[0].code, PAT_REJECT_CONFLICT);
    lines_are("o", "1 3 ");
    assert_int_equal(net_of(&shop, "a"), 200);
}

/* Numbers crafted for one slot only slow their own order. */
static void many_lines_of_one_order(void **state) {
    (void)state;
    struct pat_builder builder = {.arena = &shop.arena};
    const int64_t count = 20000;
    struct pat_value columns = pat_build_map(&builder, 8);
    static const char *const same[][2] = {{"order", "big"},    {"customer", "a"}, {"time", "2024-01-01"},
                                          {"currency", "EUR"}, {"product", "p"},  {"quantity", "1"},
                                          {"price", "0.01"}};
    for (size_t c = 0; c < 7; c++) {
        struct pat_value array = pat_build_array(&builder, (uint32_t)count);
        for (int64_t i = 0; i < count; i++) pat_build_push(&builder, &array, pat_value_string(same[c][1]));
        pat_build_put(&builder, &columns, same[c][0], array);
    }
    for (int round = 0; round < 3; round++) {
        struct pat_load sent = shop_load(&shop, &columns, PAT_LINES);
        assert_int_equal(shop_take(&shop, &sent), PAT_OK);
        outcome_is(&shop, round == 0 ? "20000 0 0 0 0" : "0 0 20000 0 0");
    }
    /* Patched one by one by number: the order's lines are looked through once. */
    struct pat_value patch = pat_build_map(&builder, 3), number = pat_build_array(&builder, (uint32_t)count);
    for (int64_t i = 0; i < count; i++) pat_build_push(&builder, &number, pat_value_int(count - i));
    pat_build_put(&builder, &patch, "order", columns.as.members[0].value);
    pat_build_put(&builder, &patch, "line", number);
    pat_build_put(&builder, &patch, "price", columns.as.members[6].value);
    struct pat_load sent = shop_load(&shop, &patch, PAT_LINES);
    assert_int_equal(shop_take(&shop, &sent), PAT_OK);
    outcome_is(&shop, "0 0 20000 0 0");
    number.as.items[5] = pat_value_int(count + 1);
    sent = shop_load(&shop, &patch, PAT_LINES);
    assert_int_equal(shop_take(&shop, &sent), PAT_ERR_BAD_REQUEST);
    assert_int_equal(shop.error.row, 5);
    check_store(shop.store);
    assert_int_equal(net_of(&shop, "a"), 20000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(replaced_by_position),
        TEST(replaced_by_number_with_gaps),
        TEST(a_null_number_is_a_position),
        TEST(appended),
        TEST(rejected_lines_keep_their_place),
        TEST(patched),
        TEST(withdrawn),
        TEST(versions),
        TEST(below_zero_and_back),
        TEST(a_refund_row_of_the_same_id_stands),
        TEST(an_amount_given_stands),
        TEST(the_least_time_is_the_order_s),
        TEST(sums_are_exact_and_rounded_once),
        TEST(bad_lines),
        TEST(an_order_has_one_currency),
        TEST(many_lines_of_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
