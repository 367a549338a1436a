/* Attributes in loads: every type in its forms, patches, nulls, versions, money in its currency. */
#include "kit.h"

static struct shop shop;

static void add_attribute(enum pat_table_id table, const char *word, unsigned type) {
    struct pat_attribute attribute = {.table = table, .type = pat_attribute_type(type)};
    assert_true(pat_attribute_set_name(&attribute, pat_text_of(word)));
    pat_store_add_attribute(shop.store, &attribute);
}

static int open_shop(void **state) {
    (void)state;
    shop_open(&shop, "Europe/London", "EUR");
    /* Each table gets all types, called like them. */
    for (int table = 0; table < PAT_TABLES; table++) {
        for (unsigned i = 0; pat_attribute_types[i] != NULL; i++) {
            add_attribute((enum pat_table_id)table, pat_attribute_types[i], i);
        }
    }
    return 0;
}

static int close_shop(void **state) {
    (void)state;
    shop_close(&shop);
    return 0;
}

static unsigned column_of(enum pat_table_id table, const char *name) {
    const int column = pat_schema_find(shop.store->table[table].schema, pat_text_of(name));
    assert_true(column >= 0);
    return (unsigned)column;
}

static int64_t get(enum pat_table_id table, const char *id, const char *name) {
    return value_of(&shop, table, id, column_of(table, name));
}

static void refused(const char *text, enum pat_status status, const char *hint) {
    assert_int_equal(load(&shop, text), status);
    if (strstr(shop.error.message, hint) == NULL) fail_msg("\"%s\" does not say \"%s\"", shop.error.message, hint);
}

static void every_type_is_read(void **state) {
    (void)state;
    loads(&shop,
          "customers {customer: [1, 2], attr.bool: [true, 'no'], attr.int: [7, '-8'], attr.decimal: ['1.50', 2.5], "
          "attr.money: ['12.34', null], attr.date: ['2024-02-29', 3], attr.time: ['2024-01-01T00:00:00Z', 5000], "
          "attr.enum: ['a', 17], attr.set: [['b', 'a'], 'x|y']}");
    outcome_is(&shop, "2 0 0 0 0");
    assert_int_equal(get(PAT_CUSTOMERS, "1", "attr.bool"), 1);
    assert_int_equal(get(PAT_CUSTOMERS, "2", "attr.bool"), 0);
    assert_int_equal(get(PAT_CUSTOMERS, "2", "attr.int"), -8);
    assert_int_equal(get(PAT_CUSTOMERS, "1", "attr.money"), 1234);
    assert_true(get(PAT_CUSTOMERS, "2", "attr.money") == PAT_NULL);
    assert_int_equal(get(PAT_CUSTOMERS, "2", "attr.date"), 3);
    assert_int_equal(get(PAT_CUSTOMERS, "2", "attr.time"), 5);
    text_is(&shop, PAT_CUSTOMERS, "2", column_of(PAT_CUSTOMERS, "attr.enum"), "17");
    text_is(&shop, PAT_CUSTOMERS, "1", column_of(PAT_CUSTOMERS, "attr.set"),
            "a\x1f"
            "b");
    text_is(&shop, PAT_CUSTOMERS, "2", column_of(PAT_CUSTOMERS, "attr.set"), "x\x1fy");
}

static void bins_and_dicts_are_read(void **state) {
    (void)state;
    loads(&shop,
          "customers {customer: [1, 2], attr.int: i64(7, 8), attr.bool: {bin: i64(1, 0), nulls: u8(2)}, attr.date: "
          "i32(1, 2), "
          "attr.money_minor: i64(5, 6), attr.enum: {dict: ['x', 'y'], codes: u8(1, 0)}, attr.time: i64(1000, 2000)}");
    assert_int_equal(get(PAT_CUSTOMERS, "1", "attr.int"), 7);
    assert_int_equal(get(PAT_CUSTOMERS, "1", "attr.bool"), 1);
    assert_true(get(PAT_CUSTOMERS, "2", "attr.bool") == PAT_NULL);
    assert_int_equal(get(PAT_CUSTOMERS, "2", "attr.date"), 2);
    assert_int_equal(get(PAT_CUSTOMERS, "2", "attr.money"), 6);
    text_is(&shop, PAT_CUSTOMERS, "1", column_of(PAT_CUSTOMERS, "attr.enum"), "y");
    refused("customers {customer: [1], attr.money: i64(5)}", PAT_ERR_BAD_REQUEST, "attr.money_minor");
    refused("customers {customer: [1], attr.enum: i64(5)}", PAT_ERR_BAD_REQUEST, "{dict, codes}");
}

static void patches_replace_and_null_clears(void **state) {
    (void)state;
    loads(
        &shop,
        "orders {order: ['a'], customer: [1], time: ['2024-01-05'], amount: [1], currency: ['EUR'], attr.enum: ['x'], "
        "attr.int: [1], version: [5]}");
    loads(&shop, "orders {order: ['a'], attr.enum: ['x']}");
    outcome_is(&shop, "0 0 1 0 0");
    loads(&shop, "orders {order: ['a'], attr.int: [2], version: [4]}");
    outcome_is(&shop, "0 0 0 1 0");
    loads(&shop, "orders {order: ['a'], attr.enum: [null], attr.bool: [false]}");
    outcome_is(&shop, "0 1 0 0 0");
    assert_true(get(PAT_ORDERS, "a", "attr.enum") == PAT_NULL);
    assert_int_equal(get(PAT_ORDERS, "a", "attr.bool"), 0);
    assert_int_equal(get(PAT_ORDERS, "a", "attr.int"), 1);
}

static void lines_and_refunds_have_them_too(void **state) {
    (void)state;
    loads(
        &shop,
        "lines {order: ['b', 'b'], customer: [1, 1], time: ['2024-01-05', '2024-01-05'], currency: ['KWD', 'KWD'], "
        "product: ['p', 'q'], quantity: [1, 1], price: [1, 2], attr.money: ['0.125', null], attr.set: [['s'], null]}");
    const struct pat_table *lines = &shop.store->table[PAT_LINES];
    assert_int_equal(pat_table_get(lines, column_of(PAT_LINES, "attr.money"), 0), 125);
    loads(&shop, "lines {order: ['b'], line: [2], product: ['q'], quantity: [1], price: [2], attr.int: [9]}");
    assert_int_equal(pat_table_get(lines, column_of(PAT_LINES, "attr.int"), 1), 9);
    loads(&shop, "refunds {refund: ['r'], order: ['b'], time: ['2024-01-06'], amount: [1], currency: ['EUR'], "
                 "attr.money: ['-2.5'], "
                 "attr.date: ['2024-01-07']}");
    assert_int_equal(get(PAT_REFUNDS, "r", "attr.money"), -250);
}

static void bad_values_name_the_attribute(void **state) {
    (void)state;
    refused("customers {customer: [1], attr.bool: [2]}", PAT_ERR_BAD_REQUEST, "attr.bool");
    refused("customers {customer: [1], attr.money: ['1.234']}", PAT_ERR_BAD_REQUEST, "EUR, which has 2 digits");
    refused("customers {customer: [1], attr.date: ['soon']}", PAT_ERR_BAD_REQUEST, "attr.date");
    refused("customers {customer: [1], attr.enumm: ['x']}", PAT_ERR_UNKNOWN_FIELD, "did you mean \"attr.enum\"");
    refused("customers {customer: [1], attr.money: [1], attr.money_minor: [1]}", PAT_ERR_BAD_REQUEST,
            "say the same thing");
    refused("orders {order: [1], attr.int_minor: [1]}", PAT_ERR_UNKNOWN_FIELD, "attr.int_minor");
}

static void a_currency_takes_its_money_along(void **state) {
    (void)state;
    loads(&shop, "orders {order: ['a'], customer: [1], time: ['2024-01-05'], amount: [1], currency: ['EUR'], "
                 "attr.money: ['2.50']}");
    refused("orders {order: ['a'], amount: [1], currency: ['KWD']}", PAT_ERR_BAD_REQUEST,
            "send the attr.money with it");
    refused("orders {order: ['a'], attr.money: [1], currency: ['JPY']}", PAT_ERR_BAD_REQUEST,
            "send the amount with it");
    loads(&shop, "orders {order: ['a'], amount: [1], currency: ['USD']}");
    loads(&shop, "orders {order: ['a'], amount: [1], currency: ['KWD'], attr.money: ['2.5']}");
    assert_int_equal(get(PAT_ORDERS, "a", "attr.money"), 2500);
}

/* A batch typed before an attribute came goes in after it. */
static void older_batches_go_on(void **state) {
    (void)state;
    struct pat_load as_sent;
    struct pat_value columns;
    struct spell spell = {.at = "{customer: [1], attr.int: [4]}", .builder = {.arena = &shop.arena}};
    columns = spell_value(&spell);
    as_sent = shop_load(&shop, &columns, PAT_CUSTOMERS);
    assert_int_equal(
        pat_ingest_prepare(&shop.batch, &as_sent, shop.zone, &shop.store->secret, NOW_MS, &shop.arena, NULL), PAT_OK);
    add_attribute(PAT_CUSTOMERS, "late", 1);
    assert_int_equal(pat_ingest_validate(shop.batch, &as_sent, shop.store, true, NULL), PAT_OK);
    pat_ingest_apply(shop.store, shop.batch, shop.store->lsn + 1, &shop.outcome);
    assert_int_equal(get(PAT_CUSTOMERS, "1", "attr.int"), 4);
    assert_true(get(PAT_CUSTOMERS, "1", "attr.late") == PAT_NULL);
    check_store(shop.store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_type_is_read),
        TEST(bins_and_dicts_are_read),
        TEST(patches_replace_and_null_clears),
        TEST(lines_and_refunds_have_them_too),
        TEST(bad_values_name_the_attribute),
        TEST(a_currency_takes_its_money_along),
        TEST(older_batches_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
