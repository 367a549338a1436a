/* What is taken and what is refused: forms of columns, values of every type, each reject code with its row and field.
 */
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

/* The load is refused as a whole, and the message says `hint`. */
static void refused(const char *text, enum pat_status status, const char *hint) {
    pat_lsn lsn = shop.store->lsn;
    assert_int_equal(load(&shop, text), status);
    if (strstr(shop.error.message, hint) == NULL) fail_msg("\"%s\" does not say \"%s\"", shop.error.message, hint);
    assert_int_equal(shop.error.status, status);
    assert_true(shop.store->lsn == lsn);
}

/* One row is bad: refused with its row, field and reason; skipped with its code. */
static void bad_row(const char *text, uint32_t row, const char *field, enum pat_reject code, const char *hint) {
    refused(text, PAT_ERR_BAD_REQUEST, hint);
    assert_int_equal(shop.error.row, row);
    assert_string_equal(shop.error.field, field);
    assert_non_null(strstr(shop.error.message, "nothing was taken"));
    shop.skip = true;
    loads(&shop, text);
    shop.skip = false;
    assert_int_equal(shop.batch->errors, 1);
    assert_int_equal(shop.batch->error[0].row, row);
    assert_string_equal(shop.batch->error[0].field, field);
    assert_int_equal(shop.batch->error[0].code, code);
    assert_int_equal(shop.outcome.rejected, 1);
    assert_int_equal(shop.batch->rejects, 1);
    assert_int_equal(shop.batch->reject[0].rows, 1);
    assert_int_equal(shop.batch->reject[0].code, code);
}

/* ---- whole batches
 * ------------------------------------------------------------------------------------------------------ */

static void mistakes_of_the_whole_batch(void **state) {
    (void)state;
    refused("orders {order: [1], custmer: [1]}", PAT_ERR_UNKNOWN_FIELD, "did you mean \"customer\"");
    refused("orders {amount: [1]}", PAT_ERR_BAD_REQUEST, "needs the column \"order\"");
    refused("orders {order: [1], amount: [1], amount_minor: [1]}", PAT_ERR_BAD_REQUEST, "say the same thing");
    refused("orders {order: [1, 2], customer: [1]}", PAT_ERR_BAD_REQUEST, "equally long");
    refused("orders {order: [1], customer_minor: [1]}", PAT_ERR_UNKNOWN_FIELD, "customer_minor");
    refused("orders {order: [1], amount: i64(1)}", PAT_ERR_BAD_REQUEST, "amount_minor");
    refused("orders {order: 5}", PAT_ERR_BAD_REQUEST, "expected an array or a bin, got integer");
    refused("orders {order: [1], country: i64(1)}", PAT_ERR_BAD_REQUEST, "{dict, codes}");
    refused("orders {order: [1], time: u8(1, 2, 3)}", PAT_ERR_BAD_REQUEST, "whole 8-byte values");
    refused("orders {order: [1], time: {bin: i64(1), nulls: u8(0, 0)}}", PAT_ERR_BAD_REQUEST, "rows need 1");
    refused("orders {order: [1], time: {bin: i64(1)}}", PAT_ERR_BAD_REQUEST, "must be {bin, nulls}");
    refused("orders {order: [1], time: {dict: ['x'], codes: u8(0)}}", PAT_ERR_BAD_REQUEST, "must be {bin, nulls}");
    refused("orders {order: [1], country: {dict: 'x', codes: u8(0)}}", PAT_ERR_BAD_REQUEST, "{dict, codes}");
    refused("orders {order: [1], country: {dict: ['x'], codes: u8(0), more: 1}}", PAT_ERR_BAD_REQUEST, "{dict, codes}");
}

static void too_many_rows(void **state) {
    (void)state;
    struct pat_builder builder = {.arena = &shop.arena};
    struct pat_value ids = pat_build_array(&builder, PAT_BATCH_ROWS_MAX + 1), columns = pat_build_map(&builder, 1);
    for (unsigned i = 0; i <= PAT_BATCH_ROWS_MAX; i++) pat_build_push(&builder, &ids, pat_value_int(i));
    pat_build_put(&builder, &columns, "customer", ids);
    struct pat_load as_sent = shop_load(&shop, &columns, PAT_CUSTOMERS);
    assert_int_equal(shop_take(&shop, &as_sent), PAT_ERR_TOO_LARGE);
    columns.as.members[0].value.count = PAT_BATCH_ROWS_MAX;
    assert_int_equal(shop_take(&shop, &as_sent), PAT_OK);
    check_store(shop.store);
    assert_int_equal(shop.store->counts.customers, PAT_BATCH_ROWS_MAX);
}

static void no_rows_are_fine(void **state) {
    (void)state;
    loads(&shop, "orders {order: []}");
    outcome_is(&shop, "0 0 0 0 0");
    loads(&shop, "lines {order: [], price: []}");
    loads(&shop, "orders {order: i64(), country: {dict: [], codes: u8()}}");
}

/* ---- forms
 * ---------------------------------------------------------------------------------------------------------------- */

#define TAIL "time: [0, 0, 0], currency: ['EUR', 'EUR', 'EUR']}"

static void the_same_rows_in_every_form(void **state) {
    (void)state;
    loads(&shop, "orders {order: ['1', '2', '3'], customer: ['7', '8', '9x'], amount: ['1', '2.5', 3], " TAIL);
    outcome_is(&shop, "3 0 0 0 0");
    static const char *const again[] = {
        "orders {order: [1, 2, 3], customer: [7, 8, '9x'], amount_minor: [100, 250, 300], " TAIL,
        "orders {order: i64(1, 2, 3), customer: {dict: ['9x', 7, '8'], codes: u8(1, 2, 0)}, amount_minor: i64(100, "
        "250, 300), "
        "time: i64(0, 0, 999), currency: {dict: ['EUR'], codes: u8(0, 0, 0)}}",
        "orders {order: u64(1, 2, 3), amount_minor: {bin: i64(100, 250, 300), nulls: u8(0)}, cancelled: {bin: i32(5, "
        "6, 7), "
        "nulls: u8(7)}}",
        "orders {order: {dict: [3, 2, 1], codes: u8(2, 1, 0)}, amount: [1.0, 2.5, '3.00']}",
        "orders {order: [1.0, 2.0, 3.0], amount_minor: ['100', 250.0, '3e2']}",
        "orders {order: [1, 2, 3], country: {dict: ['DE', null, ''], codes: u8(1, 1, 2)}}",
        "orders {order: [1, 2, 3], country: [null, '', null], test: [false, 0, 'no'], deleted: [null, 'false', false]}",
    };
    for (size_t i = 0; i < sizeof again / sizeof again[0]; i++) {
        loads(&shop, again[i]);
        outcome_is(&shop, "0 0 3 0 0");
    }
    loads(&shop, "orders {order: [1, 2, 3], cancelled: i32(10, -5, 19000)}");
    outcome_is(&shop, "0 3 0 0 0");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "2", PAT_ORDER_CANCELLED), -5);
}

static void codes_are_as_wide_as_the_dict_needs(void **state) {
    (void)state;
    static const struct {
        uint32_t entries;
        size_t width;
    } cases[] = {{256, 1}, {257, 2}, {65536, 2}, {65537, 4}};
    for (size_t c = 0; c < 4; c++) {
        pat_arena_deinit(&shop.arena);
        struct pat_builder builder = {.arena = &shop.arena};
        struct pat_value dict = pat_build_array(&builder, cases[c].entries);
        for (uint32_t i = 0; i < cases[c].entries; i++)
            pat_build_push(&builder, &dict, pat_build_printf(&builder, "v%u", i));
        uint32_t used[3] = {0, cases[c].entries - 1, 200};
        unsigned char codes[12];
        for (size_t i = 0; i < 3; i++) memcpy(codes + i * cases[c].width, &used[i], cases[c].width);
        struct pat_value bin = {.type = PAT_VALUE_BIN, .count = (uint32_t)(3 * cases[c].width), .as.bin = codes};
        struct pat_value map = pat_build_map(&builder, 2), ids = pat_build_array(&builder, 3),
                         columns = pat_build_map(&builder, 2);
        pat_build_put(&builder, &map, "dict", dict);
        pat_build_put(&builder, &map, "codes", bin);
        for (int64_t i = 0; i < 3; i++) pat_build_push(&builder, &ids, pat_value_int(i));
        pat_build_put(&builder, &columns, "customer", ids);
        pat_build_put(&builder, &columns, "region", map);
        struct pat_load as_sent = shop_load(&shop, &columns, PAT_CUSTOMERS);
        assert_int_equal(shop_take(&shop, &as_sent), PAT_OK);
        check_store(shop.store);
        char last[16];
        (void)snprintf(last, sizeof last, "v%u", cases[c].entries - 1);
        text_is(&shop, PAT_CUSTOMERS, "0", PAT_CUSTOMER_REGION, "v0");
        text_is(&shop, PAT_CUSTOMERS, "1", PAT_CUSTOMER_REGION, last);
        text_is(&shop, PAT_CUSTOMERS, "2", PAT_CUSTOMER_REGION, "v200");
    }
    /* Only what rows use becomes a value. */
    assert_true(shop.store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_REGION]->count <= 6);
}

/* ---- rows
 * -------------------------------------------------------------------------------------------------------------------
 */

#define TWO "order: [1, 2], customer: [1, 2], time: [0, 0], amount: [1, 2], currency: ['EUR', 'EUR']"
#define BUT(order, customer, time, amount, currency)                                                                   \
    "orders {order: [1, " order "], customer: [1, " customer "], time: [0, " time "], amount: [1, " amount             \
    "], currency: ['EUR', " currency "]}"

static void required_fields(void **state) {
    (void)state;
    bad_row(BUT("null", "2", "0", "1", "'EUR'"), 1, "order", PAT_REJECT_MISSING, "order is required");
    bad_row(BUT("''", "2", "0", "1", "'EUR'"), 1, "order", PAT_REJECT_MISSING, "order is required");
    bad_row(BUT("2", "null", "0", "1", "'EUR'"), 1, "customer", PAT_REJECT_MISSING, "customer is required");
    bad_row(BUT("2", "''", "'never'", "1", "'EUR'"), 1, "customer", PAT_REJECT_MISSING, "customer is required");
    bad_row(BUT("2", "2", "null", "1", "'EUR'"), 1, "time", PAT_REJECT_MISSING, "time is required");
    bad_row(BUT("2", "2", "0", "null", "'EUR'"), 1, "amount", PAT_REJECT_MISSING, "amount is required");
    bad_row(BUT("2", "2", "0", "1", "null"), 1, "currency", PAT_REJECT_MISSING, "currency is required");
    /* In every form. */
    bad_row(
        "orders {order: [1, 2], customer: {dict: [5, null], codes: u8(0, 1)}, time: [0, 0], amount: [1, 2], currency: "
        "['EUR', 'EUR']}",
        1, "customer", PAT_REJECT_MISSING, "customer is required");
    bad_row(
        "orders {order: {dict: [null, 5], codes: u8(0, 1)}, customer: [1, 2], time: [0, 0], amount: [1, 2], currency: "
        "['EUR', 'EUR']}",
        0, "order", PAT_REJECT_MISSING, "order is required");
    bad_row("orders {order: [1, 2], customer: [1, 2], time: [0, 0], amount: [1, 2], currency: {dict: ['', 'EUR'], "
            "codes: u8(1, "
            "0)}}",
            1, "currency", PAT_REJECT_MISSING, "currency is required");
    bad_row("orders {order: [1, 2], customer: [1, 2], time: {bin: i64(0, 0), nulls: u8(2)}, amount: [1, 2], currency: "
            "['EUR', "
            "'EUR']}",
            1, "time", PAT_REJECT_MISSING, "time is required");
    bad_row("lines {order: [1], customer: [1], time: [0], currency: ['EUR'], product: {dict: [''], codes: u8(0)}, "
            "quantity: [1], "
            "price: [1]}",
            0, "product", PAT_REJECT_MISSING, "product is required");
    bad_row("orders {order: [77], amount: [5]}", 0, "customer", PAT_REJECT_MISSING, "not known yet");
    bad_row("refunds {refund: [1], time: [0], amount: [1], currency: ['EUR']}", 0, "order", PAT_REJECT_MISSING,
            "its order or its customer");
    bad_row("refunds {refund: [1], order: [null], customer: [null], time: [0], amount: [1], currency: ['EUR']}", 0,
            "order", PAT_REJECT_MISSING, "its order or its customer");
}

static void ids(void **state) {
    (void)state;
    char text[400], id[80];
    memset(id, 'x', 65);
    (void)snprintf(id + 65, 2, "%s", "");
    (void)snprintf(text, sizeof text, "customers {customer: [1, '%s']}", id);
    bad_row(text, 1, "customer", PAT_REJECT_BAD_ID, "64");
    bad_row("customers {customer: ['a\tb', 'b']}", 0, "customer", PAT_REJECT_BAD_ID, "control");
    bad_row("customers {customer: [true]}", 0, "customer", PAT_REJECT_BAD_TYPE, "expected an id");
    bad_row("customers {customer: [1.5]}", 0, "customer", PAT_REJECT_BAD_TYPE, "expected an id");
    bad_row("customers {customer: [[1]]}", 0, "customer", PAT_REJECT_BAD_TYPE, "expected an id");
    bad_row("customers {customer: i64(5, -1)}", 1, "customer", PAT_REJECT_BAD_ID, "as text");
    bad_row("customers {customer: {dict: ['a', [1]], codes: u8(0, 1)}}", 1, "customer", PAT_REJECT_BAD_TYPE,
            "expected an id");
    bad_row("customers {customer: {dict: ['a'], codes: u8(0, 1)}}", 1, "customer", PAT_REJECT_BAD_VALUE,
            "the dict has 1");
    loads(&shop, "customers {customer: [123, '123', '0123', 9223372036854775808, '9223372036854775808', -5, '-5']}");
    outcome_is(&shop, "4 0 3 0 0");
}

static void times_and_days(void **state) {
    (void)state;
    bad_row(BUT("2", "2", "'2024-02-30'", "1", "'EUR'"), 1, "time", PAT_REJECT_BAD_TIME, "is not a time such as");
    bad_row(BUT("2", "2", "[]", "1", "'EUR'"), 1, "time", PAT_REJECT_BAD_TYPE, "expected a time");
    bad_row(BUT("2", "2", "nan", "1", "'EUR'"), 1, "time", PAT_REJECT_BAD_TYPE, "expected a time");
    bad_row(BUT("2", "2", "-62200000000000", "1", "'EUR'"), 1, "time", PAT_REJECT_BAD_TIME, "outside the years");
    bad_row(BUT("2", "2", "'2024-03-16T12:00:01Z'", "1", "'EUR'"), 1, "time", PAT_REJECT_FUTURE,
            "more than a day ahead");
    bad_row(BUT("2", "2", "1710590401000", "1", "'EUR'"), 1, "time", PAT_REJECT_FUTURE, "more than a day ahead");
    loads(&shop, BUT("2", "2", "'2024-03-16T12:00:00Z'", "1", "'EUR'"));
    bad_row("orders {order: [1], cancelled: ['2024-13-01']}", 0, "cancelled", PAT_REJECT_BAD_TIME, "is not a day");
    bad_row("orders {order: [1], cancelled: [3000000]}", 0, "cancelled", PAT_REJECT_BAD_TIME, "outside");
    bad_row("orders {order: [1], cancelled: [true]}", 0, "cancelled", PAT_REJECT_BAD_TYPE, "expected a day");
    bad_row("orders {order: [1], cancelled: i32(3000000)}", 0, "cancelled", PAT_REJECT_BAD_TIME, "outside");
    bad_row("orders {order: [1], paid: i64(9223372036854775807)}", 0, "paid", PAT_REJECT_BAD_TIME, "outside");
    /* Cancel days and pay times may lie ahead; days may be written as times. */
    loads(&shop,
          "orders {order: [1, 2], cancelled: ['2199-01-01', '2024-01-01T23:30:00-05:00'], paid: ['2100-01-01', null]}");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "2", PAT_ORDER_CANCELLED), 19724); /* 2024-01-02 in London */
    /* Before 1970, and milliseconds towards the past. */
    loads(&shop, "orders {order: [1], time: [-1]}");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "1", PAT_ORDER_TIME), -1);
    assert_int_equal(value_of(&shop, PAT_ORDERS, "1", PAT_ORDER_DAY), 0); /* London was an hour ahead in 1969 */
}

static void both_ends_of_time(void **state) {
    (void)state;
    struct shop west;
    shop_open(&west, "America/New_York", "USD");
    /* 0001-01-01 in Greenwich is still the year before in New York. */
    assert_int_equal(
        load(&west,
             "orders {order: [1], customer: [1], time: ['0001-01-01T00:00:00Z'], amount: [1], currency: ['USD']}"),
        PAT_ERR_BAD_REQUEST);
    loads(&west,
          "orders {order: [1], customer: [1], time: ['0001-01-01T00:00:00'], amount: [1], currency: ['USD'], paid: "
          "['9999-12-31T18:00:00'], cancelled: ['9999-12-31']}");
    assert_int_equal(value_of(&west, PAT_ORDERS, "1", PAT_ORDER_DAY), PAT_DAY_MIN);
    assert_int_equal(value_of(&west, PAT_ORDERS, "1", PAT_ORDER_PAID_DAY), PAT_DAY_MAX);
    assert_int_equal(load(&west, "orders {order: [1], paid: ['9999-12-31T23:59:59-11:00']}"), PAT_ERR_BAD_REQUEST);
    shop_close(&west);
}

static void summer_time(void **state) {
    (void)state;
    loads(&shop, "orders {order: ['gap', 'twice', 'late', 'early'], customer: [1, 1, 1, 1], amount: [1, 1, 1, 1], "
                 "currency: ['EUR', "
                 "'EUR', 'EUR', 'EUR'], time: ['2023-03-26T01:30:00', '2023-10-29T01:30:00', '2023-07-01T23:30:00Z', "
                 "'2023-07-01 00:30']}");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "gap", PAT_ORDER_TIME), 1679794200);   /* 02:30 BST = 01:30Z */
    assert_int_equal(value_of(&shop, PAT_ORDERS, "twice", PAT_ORDER_TIME), 1698539400); /* the first: 00:30Z */
    assert_int_equal(value_of(&shop, PAT_ORDERS, "late", PAT_ORDER_DAY), 19540);        /* July 2nd */
    assert_int_equal(value_of(&shop, PAT_ORDERS, "early", PAT_ORDER_DAY), 19539);
}

static void money(void **state) {
    (void)state;
    bad_row(BUT("2", "2", "0", "0.30000000000000004", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY,
            "amount: 0.30000000000000004 has more than 15 decimals");
    bad_row(BUT("2", "2", "0", "'-0.1234567890123456'", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY,
            "has more than 15 decimals");
    bad_row(BUT("2", "2", "0", "'1,50'", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY, "an amount such as 12.50");
    bad_row(BUT("2", "2", "0", "'1.505'", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY, "2 digits");
    bad_row(BUT("2", "2", "0", "1.5", "'JPY'"), 1, "amount", PAT_REJECT_BAD_MONEY,
            "does not fit JPY, which has 0 digits");
    bad_row(BUT("2", "2", "0", "nan", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY, "nan");
    bad_row(BUT("2", "2", "0", "1e300", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY, "1e+300");
    bad_row(BUT("2", "2", "0", "true", "'EUR'"), 1, "amount", PAT_REJECT_BAD_TYPE, "expected");
    bad_row(BUT("2", "2", "0", "-0.01", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY, "is a refund");
    bad_row(BUT("2", "2", "0", "'10000000000000.01'", "'EUR'"), 1, "amount", PAT_REJECT_BAD_MONEY,
            "more than one amount can be");
    bad_row(BUT("2", "2", "0", "'99999999999999999'", "'KWD'"), 1, "amount", PAT_REJECT_BAD_MONEY,
            "more than one amount can be");
    bad_row(BUT("2", "2", "0", "1", "'EURO'"), 1, "currency", PAT_REJECT_BAD_CURRENCY, "did you mean EUR?");
    bad_row(BUT("2", "2", "0", "1", "'eur'"), 1, "currency", PAT_REJECT_BAD_CURRENCY, "did you mean EUR?");
    bad_row(BUT("2", "2", "0", "1", "'ABCDEFGHIJ'"), 1, "currency", PAT_REJECT_BAD_CURRENCY, "ISO 4217");
    bad_row("orders {order: [1], amount_minor: [1.5]}", 0, "amount_minor", PAT_REJECT_BAD_MONEY,
            "minor units are whole");
    bad_row("orders {order: [1], amount_minor: i64(1000000000000001)}", 0, "amount_minor", PAT_REJECT_BAD_MONEY,
            "outside");
    bad_row("orders {order: [1], currency: ['JPY']}", 0, "currency", PAT_REJECT_CONFLICT, "send the amount");
    bad_row("refunds {refund: [1], customer: [1], time: [0], amount: [0], currency: ['EUR']}", 0, "amount",
            PAT_REJECT_BAD_MONEY, "above zero");
    loads(&shop, BUT("2", "2", "0", "'10000000000000.00'", "'EUR'"));
    assert_true(value_of(&shop, PAT_ORDERS, "2", PAT_ORDER_AMOUNT) == PAT_MONEY_MINOR_MAX);
    loads(&shop, "orders {order: [2], amount: [0.1], tax: ['-0.10'], currency: ['KWD'], cost_minor: [7]}");
    assert_int_equal(value_of(&shop, PAT_ORDERS, "2", PAT_ORDER_AMOUNT), 100);
    assert_int_equal(value_of(&shop, PAT_ORDERS, "2", PAT_ORDER_TAX), -100);
    assert_int_equal(value_of(&shop, PAT_ORDERS, "2", PAT_ORDER_COST), 7);
    assert_true(value_of(&shop, PAT_ORDERS, "2", PAT_ORDER_BASE) == PAT_NULL);
    /* The stored currency tells the digits of a patch. */
    loads(&shop, "orders {order: [2], amount: ['1.234']}");
    bad_row("orders {order: [1], amount: ['1.234']}", 0, "amount", PAT_REJECT_BAD_MONEY, "EUR");
    loads(&shop, "orders {order: [1], currency: ['USD']}"); /* as many digits */
}

static void other_values(void **state) {
    (void)state;
    char text[1000], longest[257];
    memset(longest, 'x', 256);
    longest[256] = '\0';
    (void)snprintf(text, sizeof text, "customers {customer: [1], country: ['%s']}", longest);
    bad_row(text, 0, "country", PAT_REJECT_TOO_LONG, "at most 255");
    (void)snprintf(text, sizeof text, "customers {customer: [1], country: ['%s']}", longest + 1);
    loads(&shop, text);
    bad_row("customers {customer: [1], country: ['a\nb']}", 0, "country", PAT_REJECT_BAD_VALUE, "control characters");
    bad_row("customers {customer: [1], country: [[]]}", 0, "country", PAT_REJECT_BAD_TYPE, "expected a text");
    bad_row("customers {customer: [1], birth_year: ['x']}", 0, "birth_year", PAT_REJECT_BAD_VALUE, "an integer");
    bad_row("customers {customer: [1], birth_year: [1980.5]}", 0, "birth_year", PAT_REJECT_BAD_TYPE, "an integer");
    bad_row("customers {customer: [1], version: [true]}", 0, "version", PAT_REJECT_BAD_TYPE, "an integer");
    bad_row("customers {customer: [1], version: i64(-9223372036854775808)}", 0, "version", PAT_REJECT_BAD_VALUE,
            "null inside");
    bad_row("customers {customer: [1], version: ['-9223372036854775808']}", 0, "version", PAT_REJECT_BAD_VALUE,
            "null inside");
    bad_row("customers {customer: [1], version: ['9223372036854775808']}", 0, "version", PAT_REJECT_BAD_VALUE,
            "an integer");
    bad_row("customers {customer: [1], deleted: ['maybe']}", 0, "deleted", PAT_REJECT_BAD_VALUE, "true or false");
    bad_row("customers {customer: [1], deleted: [2]}", 0, "deleted", PAT_REJECT_BAD_VALUE, "outside 0 .. 1");
    bad_row("customers {customer: [1], deleted: [1.0]}", 0, "deleted", PAT_REJECT_BAD_TYPE, "true or false");
    loads(&shop, "customers {customer: [1], version: ['9223372036854775807'], birth_year: ['+1980'], country: [49]}");
    assert_true(value_of(&shop, PAT_CUSTOMERS, "1", PAT_CUSTOMER_VERSION) == INT64_MAX);
    text_is(&shop, PAT_CUSTOMERS, "1", PAT_CUSTOMER_COUNTRY, "49");
    loads(&shop, "customers {customer: [2], version: ['2024-01-01T00:00:00Z'], birth_year: ['1.98e3']}");
    assert_true(value_of(&shop, PAT_CUSTOMERS, "2", PAT_CUSTOMER_VERSION) == INT64_C(1704067200000));
    loads(&shop, "customers {customer: [2], version: [1704067199999]}");
    outcome_is(&shop, "0 0 0 1 0");
}

static void sets(void **state) {
    (void)state;
    static const char *const same[] = {"['b', 'a', 'b', '']", "'a,b'", "'b; a'", "'a|b||'"};
    char text[200];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(text, sizeof text, "customers {customer: [1], tags: [%s]}", same[i]);
        loads(&shop, text);
        text_is(&shop, PAT_CUSTOMERS, "1", PAT_CUSTOMER_TAGS,
                "a\x1f"
                "b");
        outcome_is(&shop, i == 0 ? "1 0 0 0 0" : "0 0 1 0 0");
    }
    loads(&shop, "customers {customer: [1], tags: [[]]}");
    text_is(&shop, PAT_CUSTOMERS, "1", PAT_CUSTOMER_TAGS, NULL);
    outcome_is(&shop, "0 1 0 0 0");
    bad_row("customers {customer: [1], tags: [[1]]}", 0, "tags", PAT_REJECT_BAD_TYPE, "members of the set");
    bad_row("customers {customer: [1], tags: [{}]}", 0, "tags", PAT_REJECT_BAD_TYPE, "an array of texts");
    char many[2000] = "customers {customer: [1], tags: ['", number[16];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(number, sizeof number, "%d,", i);
        strcat(many, number);
    }
    strcat(many, "']}");
    bad_row(many, 0, "tags", PAT_REJECT_TOO_LONG, "more than 256 members");
    strcpy(strstr(many, ",60,"), "']}");
    loads(&shop, many);
}

/* ---- reports
 * ------------------------------------------------------------------------------------------------------------------ */

static void errors_are_those_of_the_first_rows(void **state) {
    (void)state;
    shop.skip = true;
    shop.errors_max = 3;
    /* Columns are judged one after the other; the report goes by rows. */
    loads(&shop, "orders {order: [1, 2, 3, 4, 5, 6], customer: [1, 1, 1, 1, 1, 1], time: ['x', 0, 'x', 0, 'x', 0], "
                 "amount: [1, -1, 1, "
                 "-1, 1, 1], currency: ['EUR', 'EUR', 'EUR', 'EUR', 'EUR', 'EUR']}");
    outcome_is(&shop, "1 0 0 0 5");
    assert_int_equal(shop.batch->errors, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(shop.batch->error[i].row, i);
        assert_string_equal(shop.batch->error[i].field, i == 1 ? "amount" : "time");
    }
    assert_int_equal(shop.batch->rejects, 2);
    assert_int_equal(shop.batch->reject[0].rows + shop.batch->reject[1].rows, 5);
    shop.errors_max = 0;
    loads(&shop, "customers {customer: [[], 1, []]}");
    outcome_is(&shop, "1 0 0 0 2");
    assert_int_equal(shop.batch->errors, 0);
    shop.skip = false;
    refused("customers {customer: [1, [], []]}", PAT_ERR_BAD_REQUEST, "row 1:");
    assert_non_null(strstr(shop.error.message, "2 of 3 rows"));
}

static void texts_of_rejected_rows_are_no_values(void **state) {
    (void)state;
    shop.skip = true;
    loads(&shop, "orders {order: [1, 2], customer: [1, 2], time: [0, 'x'], amount: [1, 2], currency: ['EUR', 'EUR'], "
                 "country: ['DE', "
                 "'garbage']}");
    loads(&shop,
          "orders {order: [3, 4], customer: [1, 2], time: [0, 0], amount: [-1, 2], currency: ['EUR', 'EUR'], country: "
          "['garbage', 'FR']}");
    const struct pat_dict *dict = shop.store->table[PAT_ORDERS].dict[PAT_ORDER_COUNTRY];
    assert_int_equal(dict->count, 2);
    assert_int_equal(pat_dict_find(dict, PAT_TEXT("garbage")), UINT32_MAX);
}

static struct pat_digest digest_of_load(const char *text) {
    loads(&shop, text);
    return shop.batch->digest;
}

static void the_digest_is_of_the_content(void **state) {
    (void)state;
    struct pat_digest one = digest_of_load("customers {customer: [1, 2], country: ['DE', 'FR']}");
    assert_true(pat_digest_equal(one, digest_of_load("customers {country: ['DE', 'FR'], customer: [1, 2]}")));
    assert_false(pat_digest_equal(one, digest_of_load("customers {customer: [1, 2], country: ['DE', 'FI']}")));
    assert_false(pat_digest_equal(one, digest_of_load("customers {customer: [1, 2], region: ['DE', 'FR']}")));
    assert_false(pat_digest_equal(one, digest_of_load("customers {customer: [1, 2], country: ['DEF', 'R']}")));
    assert_false(pat_digest_equal(one, digest_of_load("customers {customer: [1, 2], country: ['DE', null]}")));
    shop.skip = true;
    assert_false(pat_digest_equal(one, digest_of_load("customers {customer: [1, 2], country: ['DE', 'FR']}")));
}

static void patches_wait_for_what_is_before_them(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool waits;
    } cases[] = {
        {"orders {" TWO "}", false},
        {"orders {order: [1], country: ['DE']}", true},
        {"customers {customer: [1]}", false},
        {"refunds {refund: [1], order: [1], time: [0], amount: [1], currency: ['EUR']}", false},
        {"refunds {refund: [1], order: [null], time: [0], amount: [1], currency: ['EUR']}", true},
        {"refunds {refund: [1], kind: ['x']}", true},
        {"lines {order: [1], customer: [1], time: [0], currency: ['EUR'], product: ['p'], quantity: [1], price: [1]}",
         false},
        {"lines {order: [1], product: ['p'], quantity: [1], price: [1]}", true},
    };
    loads(&shop, "orders {" TWO "}");
    loads(&shop, "refunds {refund: [1], order: [1], time: [0], amount: [1], currency: ['EUR']}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t name = strcspn(cases[i].text, " ");
        struct spell spell = {.at = cases[i].text + name, .builder = {.arena = &shop.arena}};
        struct pat_value columns = spell_value(&spell);
        struct pat_load sent =
            shop_load(&shop, &columns, (enum pat_table_id)pat_table_find((struct pat_text){cases[i].text, name}));
        sent.skip_bad = true;
        assert_int_equal(
            pat_ingest_prepare(&shop.batch, &sent, shop.zone, &shop.store->secret, NOW_MS, &shop.arena, &shop.error),
            PAT_OK);
        enum pat_status status = pat_ingest_validate(shop.batch, &sent, shop.store, false, &shop.error);
        assert_int_equal(status, cases[i].waits ? PAT_ERR_MORE : PAT_OK);
        if (status == PAT_ERR_MORE) {
            assert_int_equal(pat_ingest_validate(shop.batch, &sent, shop.store, true, &shop.error), PAT_OK);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(mistakes_of_the_whole_batch),
        TEST(too_many_rows),
        TEST(no_rows_are_fine),
        TEST(the_same_rows_in_every_form),
        TEST(codes_are_as_wide_as_the_dict_needs),
        TEST(required_fields),
        TEST(ids),
        TEST(times_and_days),
        cmocka_unit_test(both_ends_of_time),
        TEST(summer_time),
        TEST(money),
        TEST(other_values),
        TEST(sets),
        TEST(errors_are_those_of_the_first_rows),
        TEST(texts_of_rejected_rows_are_no_values),
        TEST(the_digest_is_of_the_content),
        TEST(patches_wait_for_what_is_before_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
