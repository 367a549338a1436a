/* Exchange rates: which one holds for a fact, and what a late, corrected or withdrawn one does to what is there. The
 * kit recounts base values, counters and aggregates after each load. */
#include "kit.h"

#define ORDERS_OF_MARCH                                                                                                \
    "orders {order: ['a', 'b', 'c', 'd'], customer: ['k', 'k', 'l', 'm'], time: ['2024-03-01', '2024-03-05', "         \
    "'2024-03-09', "                                                                                                   \
    "'2024-03-05'], amount: ['10.00', '10.00', '10.00', '1000'], currency: ['USD', 'USD', 'USD', 'JPY']}"

static int64_t base_of(const struct shop *shop, const char *order) {
    return value_of(shop, PAT_ORDERS, order, PAT_ORDER_BASE);
}

/* Base values of the orders a, b, c; -1 stands for none. */
static void bases_are(const struct shop *shop, int64_t a, int64_t b, int64_t c) {
    const int64_t expected[] = {a, b, c};
    const char *const orders[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        int64_t base = base_of(shop, orders[i]);
        assert_int_equal(base == PAT_NULL ? -1 : base, expected[i]);
    }
}

static void a_rate_holds_until_the_next(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop, "UTC", "EUR");
    loads(
        &shop,
        "fx {day: ['2024-03-05', '2024-03-02', '2024-03-09'], currency: ['USD', 'USD', 'USD'], rate: ['0.9', 0.8, 1]}");
    outcome_is(&shop, "3 0 0 0 0");
    loads(&shop, ORDERS_OF_MARCH);
    bases_are(&shop, -1, 900, 1000); /* the first order is before the first rate */
    assert_true(base_of(&shop, "d") == PAT_NULL);
    assert_int_equal(shop.store->counts.unpriced, 2);
    assert_int_equal(shop.store->counts.fx, 3);
    loads(&shop, "orders {order: ['a', 'c'], time: ['2024-03-04T23:59:59Z', '2024-03-08']}");
    bases_are(&shop, 800, 900, 900);
    shop_close(&shop);
}

static void a_late_rate_touches_the_days_it_holds(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop, "UTC", "EUR");
    loads(&shop, ORDERS_OF_MARCH);
    loads(
        &shop,
        "refunds {refund: ['r', 's'], order: ['a', 'nobody'], time: ['2024-03-06', '2024-03-06'], amount: ['2', '2'], "
        "currency: ['USD', 'USD']}");
    bases_are(&shop, -1, -1, -1);
    assert_int_equal(shop.store->counts.unpriced, 5);
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], rate: ['0.9']}");
    bases_are(&shop, -1, 900, 900);
    assert_int_equal(net_of(&shop, "k"), 900 - 180);
    assert_int_equal(shop.store->counts.unpriced, 2);
    loads(&shop, "fx {day: ['2024-02-01'], currency: ['USD'], rate: ['0.5']}");
    bases_are(&shop, 500, 900, 900);
    loads(&shop, "fx {day: ['2024-03-09'], currency: ['USD'], rate: ['2'], per: ['base']}");
    bases_are(&shop, 500, 900, 500);
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], rate: ['0.95']}"); /* corrected */
    outcome_is(&shop, "0 1 0 0 0");
    bases_are(&shop, 500, 950, 500);
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], deleted: [true]}");
    bases_are(&shop, 500, 500, 500);
    assert_int_equal(shop.store->counts.fx, 2);
    loads(&shop, "fx {day: ['2024-02-01'], currency: ['USD'], deleted: [true]}");
    bases_are(&shop, -1, -1, 500);
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], deleted: [false]}"); /* as it was */
    bases_are(&shop, -1, 950, 500);
    /* The refund that waited was converted all the same. */
    loads(&shop, "orders {order: ['nobody'], customer: ['n'], time: ['2024-03-05'], amount: ['5'], currency: ['EUR']}");
    assert_int_equal(net_of(&shop, "n"), 500 - 190);
    shop_close(&shop);
}

static void lines_and_negative_orders_are_converted(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop, "UTC", "USD");
    loads(&shop,
          "lines {order: ['x', 'x', 'y'], customer: ['k', 'k', 'k'], time: ['2024-03-01', '2024-03-01', '2024-03-02'], "
          "currency: ['GBP', 'GBP', 'GBP'], product: ['p', 'q', 'p'], quantity: [2, 1, -1], price: ['1.25', '0.005', "
          "'3']}");
    loads(&shop, "fx {day: ['2024-01-01'], currency: ['GBP'], rate: ['1.2751']}");
    assert_int_equal(base_of(&shop, "x"), 320); /* 2.51 GBP: the sum is rounded before it is converted */
    assert_int_equal(value_of(&shop, PAT_REFUNDS, "y", PAT_REFUND_BASE), 383);
    assert_int_equal(net_of(&shop, "k"), 320 - 383);
    shop_close(&shop);
}

static void rows_are_patched_counted_and_refused(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop, "UTC", "EUR");
    loads(&shop,
          "fx {day: ['2024-03-05', '2024-03-05'], currency: ['USD', 'USD'], rate: ['0.9', '0.8'], version: [2, 3]}");
    outcome_is(&shop, "1 1 0 0 0");
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], rate: ['0.7'], version: [2]}");
    outcome_is(&shop, "0 0 0 1 0");
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], rate: ['0.80'], per: ['unit']}");
    outcome_is(&shop, "0 0 1 0 0");
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], per: ['base']}");
    outcome_is(&shop, "0 1 0 0 0");
    loads(&shop, "fx {day: ['2024-03-05'], currency: ['USD'], per: [null]}");
    outcome_is(&shop, "0 1 0 0 0");
    shop.skip = true;
    loads(&shop,
          "fx {day: ['2024-03-05', null, '2024-03-05', '2024-03-05', '2024-03-05', '2024-03-05', 'x', '2024-03-06'], "
          "currency: ['EUR', 'USD', null, 'EURO', 'USD', 'USD', 'USD', 'USD'], rate: [1, 1, 1, 1, 0, 1, 1, '1.1'], "
          "per: [null, null, null, null, null, 'euro', null, null]}");
    outcome_is(&shop, "1 0 0 0 7");
    loads(&shop, "fx {day: ['2024-03-05', '2024-03-07'], currency: ['USD', 'USD'], deleted: [true, true]}");
    outcome_is(&shop, "0 1 0 0 1");
    assert_int_equal(load(&shop, "fx {day: ['2024-03-05'], rate: [1]}"), PAT_ERR_BAD_REQUEST);
    assert_string_equal(shop.error.field, "currency");
    assert_int_equal(load(&shop, "fx {currency: ['USD'], rate: [1]}"), PAT_ERR_BAD_REQUEST);
    assert_string_equal(shop.error.field, "day");
    shop_close(&shop);
}

static void many_rates_in_any_order(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop, "UTC", "EUR");
    loads(&shop, ORDERS_OF_MARCH);
    char text[256];
    for (unsigned i = 0; i < 400; i++) {
        (void)snprintf(text, sizeof text, "fx {day: [%u, %u], currency: ['USD', 'JPY'], rate: ['0.%u', '1%u']}",
                       19700 + i * 173 % 400, 19700 + i * 91 % 400, 500 + i, i);
        loads(&shop, text);
        outcome_is(&shop, "2 0 0 0 0");
    }
    assert_int_equal(shop.store->counts.fx, 800);
    assert_int_equal(shop.store->counts.unpriced, 0);
    shop_close(&shop);
}

/* What is restored from the columns alone converts as before. */
static void a_rebuilt_store_knows_its_rates(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop, "UTC", "EUR");
    loads(
        &shop,
        "fx {day: ['2024-03-05', '2024-03-02', '2024-03-09'], currency: ['USD', 'JPY', 'USD'], rate: ['0.9', 160, 1], "
        "per: ['unit', 'base', 'unit'], deleted: [false, false, true]}");
    struct pat_store *copy = NULL;
    struct pat_store_options options = {
        .zone = shop.zone, .base_currency = "EUR", .entropy = "other", .entropy_bytes = 5};
    assert_int_equal(pat_store_open(&copy, &options, NULL), PAT_OK);
    const struct pat_table *from = &shop.store->table[PAT_FX];
    struct pat_table *to = &copy->table[PAT_FX];
    for (pat_row row = 0; row < from->rows; row++) {
        int64_t values[PAT_FX_COLUMNS];
        for (unsigned c = 0; c < PAT_FX_COLUMNS; c++) {
            values[c] = pat_table_get(from, c, row);
            if (to->dict[c] != NULL)
                values[c] = pat_dict_add(to->dict[c], pat_dict_text(from->dict[c], (uint32_t)values[c]));
        }
        (void)pat_table_add(copy, PAT_FX, values);
    }
    struct pat_error error;
    assert_int_equal(pat_store_rebuild(copy, NULL, &error), PAT_OK);
    assert_int_equal(copy->counts.fx, 2);
    int64_t usd = pat_dict_add(copy->table[PAT_ORDERS].dict[PAT_ORDER_CURRENCY], PAT_TEXT("USD"));
    int64_t jpy = pat_dict_add(copy->table[PAT_ORDERS].dict[PAT_ORDER_CURRENCY], PAT_TEXT("JPY"));
    assert_int_equal(pat_store_to_base(copy, PAT_ORDERS, PAT_ORDER_CURRENCY, usd, 19800, 1000), 900);
    assert_int_equal(pat_store_to_base(copy, PAT_ORDERS, PAT_ORDER_CURRENCY, jpy, 19800, 1000), 625);
    assert_true(pat_store_to_base(copy, PAT_ORDERS, PAT_ORDER_CURRENCY, jpy, 19783, 1000) == PAT_NULL);
    pat_store_close(&copy);
    assert_int_equal(pat_store_open(&copy, &options, NULL), PAT_OK);
    int64_t twice[PAT_FX_COLUMNS] = {19800, PAT_NULL, PAT_NULL, 0, 16, 0};
    (void)pat_dict_add(copy->table[PAT_FX].dict[PAT_FX_CURRENCY], PAT_TEXT("USD"));
    (void)pat_dict_add(copy->table[PAT_FX].dict[PAT_FX_PER], PAT_TEXT("unit"));
    for (unsigned i = 0; i < 2; i++) (void)pat_table_add(copy, PAT_FX, twice);
    assert_int_equal(pat_store_rebuild(copy, NULL, &error), PAT_ERR_CORRUPT);
    pat_store_close(&copy);
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_holds_until_the_next),
        cmocka_unit_test(a_late_rate_touches_the_days_it_holds),
        cmocka_unit_test(lines_and_negative_orders_are_converted),
        cmocka_unit_test(rows_are_patched_counted_and_refused),
        cmocka_unit_test(many_rates_in_any_order),
        cmocka_unit_test(a_rebuilt_store_knows_its_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
