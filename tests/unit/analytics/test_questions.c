/* count and what filters mean: types, unset values, days, money, names that are not there. */
#include "shop.h"

static void open_shop(struct shop *shop) {
    shop_open(shop);
    const pat_row ana = shop_customer(shop, "1", "BR", "2024-01-05");
    shop_set(shop, PAT_CUSTOMERS, ana, PAT_CUSTOMER_BIRTH_YEAR, 1980);
    shop_text(shop, PAT_CUSTOMERS, ana, PAT_CUSTOMER_TAGS, "gift\x1fvip");
    const pat_row ben = shop_customer(shop, "2", "MX", "2024-02-05");
    shop_text(shop, PAT_CUSTOMERS, ben, PAT_CUSTOMER_TAGS, "gift");
    shop_customer(shop, "A-17", NULL, NULL);
    shop_order(shop, "10", "1", day_of("2024-03-01"), 12345);
    shop_order(shop, "11", "1", day_of("2024-06-01"), 5000);
    const pat_row order = shop_order(shop, "12", "4", day_of("2024-12-01"), 100);
    shop_text(shop, PAT_ORDERS, order, PAT_ORDER_COUNTRY, "DE");
    shop_keep(shop);
}

static void counted(struct shop *shop, const char *where, const char *count) {
    char params[512];
    (void)snprintf(params, sizeof params, "{'where':'%s'}", where);
    const char *text = ask_part(shop, "count", params, "count");
    if (strcmp(text, count) != 0) fail_msg("count of %s: %s, not %s", where, text, count);
}

static void filters_select_by_type(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask(&shop, "count", "{}"),
                        "{count:4,of:4,as_of:'2024-12-31',newest_fact:'2024-12-01',warnings:["
                        "'the newest order or refund is of 2024-12-01, 30 days before the day asked "
                        "for: as_of \"latest\" ends there']}");
    counted(&shop, "country = BR", "1");
    counted(&shop, "country IN (BR, DE)", "2");
    counted(&shop, "country <> BR", "2");
    counted(&shop, "NOT country = BR", "3");
    counted(&shop, "country IS NULL", "1");
    counted(&shop, "country IS NOT NULL", "3");
    counted(&shop, "tags HAS gift", "2");
    counted(&shop, "tags HAS vip AND NOT tags HAS gift", "0");
    counted(&shop, "orders >= 2", "1");
    counted(&shop, "orders = 0", "2");
    counted(&shop, "orders >= 0.5", "2");
    counted(&shop, "orders = 0.5", "0");
    counted(&shop, "orders BETWEEN 1 AND 2", "2");
    counted(&shop, "orders NOT BETWEEN 1 AND 2", "2");
    counted(&shop, "orders IN (0, 2, 7)", "3");
    counted(&shop, "net >= 173.45", "1");
    counted(&shop, "net > 173.45 GBP", "0");
    counted(&shop, "net < 173.455", "4");
    counted(&shop, "net_minor = 17345", "1");
    counted(&shop, "birth_year <> 1970", "1");
    counted(&shop, "TRUE", "4");
    counted(&shop, "FALSE", "0");
    counted(&shop, "NOT (orders >= 1 OR country = MX)", "1");
    shop_close(&shop);
}

static void ids_compare_as_numbers_or_texts(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    counted(&shop, "customer = 1", "1");
    counted(&shop, "customer = `A-17`", "1");
    counted(&shop, "customer IN (1, `A-17`, 99)", "2");
    counted(&shop, "customer <> `A-17`", "3");
    counted(&shop, "customer >= 2", "3");
    counted(&shop, "customer < A", "3");
    counted(&shop, "customer BETWEEN 2 AND 4", "2");
    shop_close(&shop);
}

static void days_are_dates_or_relative(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    counted(&shop, "last_order = DATE `2024-12-01`", "1");
    assert_string_equal(ask_part(&shop, "count", "{'where':['=','last_order','2024-12-01']}", "count"), "1");
    counted(&shop, "last_order >= -30d", "1");
    counted(&shop, "last_order >= -29d", "0");
    counted(&shop, "last_order < -30d", "1");
    counted(&shop, "recency_days = 30", "1");
    counted(&shop, "last_order IS NULL", "2");
    assert_string_equal(ask_part(&shop, "count", "{'where':'last_order >= -30d','as_of':'2024-06-15'}", "count"), "1");
    shop_close(&shop);
}

static void mistakes_say_what_to_do(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask(&shop, "count", "{'where':'contry = BR'}"),
                        "UNKNOWN_FIELD: unknown field \"contry\" at offset 0, did you mean \"country\"?");
    assert_string_equal(shop.error.field, "contry");
    assert_int_equal(0, shop.error.offset);
    (void)ask(&shop, "count", "{'where':'orders >= 1 AND zzzzzzzzzzzz = 1'}");
    assert_int_equal(PAT_ERR_UNKNOWN_FIELD, shop.error.status);
    assert_int_equal(16, shop.error.offset);
    assert_string_equal(
        ask(&shop, "count", "{'where':'country < BR'}"),
        "BAD_REQUEST: < does not work with \"country\" at offset 0, which is a text: use =, <>, IN or IS NULL");
    assert_string_equal(ask(&shop, "count", "{'where':'country HAS BR'}"),
                        "BAD_REQUEST: HAS does not work with \"country\" at offset 0, which is a text: use = or IN");
    assert_string_equal(ask(&shop, "count", "{'where':'tags = vip'}"),
                        "BAD_REQUEST: = does not work with \"tags\" at offset 0, which is a set: use HAS or IS NULL");
    assert_string_equal(
        ask(&shop, "count", "{'where':'last_order > 5'}"),
        "BAD_REQUEST: \"last_order\" cannot be compared with 5 at offset 13: give a day, as in '2010-12-09' or "
        "-90d");
    assert_string_equal(ask(&shop, "count", "{'where':'orders > 5 GBP'}"),
                        "BAD_REQUEST: \"orders\" cannot be compared with 5 GBP at offset 9: give a number");
    assert_string_equal(
        ask(&shop, "count", "{'where':'net > 5 EUR'}"),
        "BAD_REQUEST: \"net\" cannot be compared with 5 EUR at offset 6: there is no exchange rate for EUR on or "
        "before 2024-12-31; load one (load.fx) or give the amount in GBP");
    assert_string_equal(
        ask(&shop, "count", "{'where':'net > -3d'}"),
        "BAD_REQUEST: \"net\" cannot be compared with -3d at offset 6: give an amount, as in 500 or 500 GBP");
    assert_string_equal(ask(&shop, "count", "{'where':['=','last_order','2010-02-30']}"),
                        "BAD_REQUEST: \"last_order\" cannot be compared with '2010-02-30': there is no such day");
    /* In a tree other forms are advised. */
    assert_string_equal(ask(&shop, "count", "{'where':['>','last_order','-90d']}"),
                        "BAD_REQUEST: \"last_order\" cannot be compared with '-90d': days from today are written "
                        "{\"days\": -90}");
    assert_string_equal(ask(&shop, "count", "{'where':['>','created','-2w']}"),
                        "BAD_REQUEST: \"created\" cannot be compared with '-2w': days from today are written "
                        "{\"days\": -14}");
    assert_string_equal(ask(&shop, "count", "{'where':['>','created','soon']}"),
                        "BAD_REQUEST: \"created\" cannot be compared with 'soon': give a day, as in \"2010-12-09\" or "
                        "{\"days\": -90}");
    assert_string_equal(ask(&shop, "count", "{'where':['>','net','5 GBP']}"),
                        "BAD_REQUEST: \"net\" cannot be compared with '5 GBP': an amount is written {\"money\": \"5\", "
                        "\"currency\": \"GBP\"}");
    assert_string_equal(ask(&shop, "count", "{'where':['>','net','much']}"),
                        "BAD_REQUEST: \"net\" cannot be compared with 'much': give an amount, as in 500 or {\"money\": "
                        "\"500\", \"currency\": \"GBP\"}");
    (void)ask(&shop, "count", "{'where':['=','country',null]}");
    assert_int_equal(PAT_ERR_BAD_REQUEST, shop.error.status);
    shop_close(&shop);
}

static void unknown_values_select_nobody_and_warn(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask(&shop, "count", "{'where':'country = BRR','as_of':'latest'}"),
        "{count:0,of:4,as_of:'2024-12-01',undated:['country'],warnings:['country has no value \"BRR\", did you "
        "mean \"BR\"?']}");
    assert_string_equal(ask_part(&shop, "count", "{'where':'NOT country = Atlantis'}", "count"), "4");
    shop_close(&shop);
}

static void customers_live_from_their_first_date(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    /* A-17 has no date at all: always. 1 from 01-05, 2 from 02-05, 4 from its order. */
    assert_string_equal(ask(&shop, "count", "{'as_of':'2024-01-04'}"), "{count:1,of:1,as_of:'2024-01-04'}");
    assert_string_equal(ask(&shop, "count", "{'as_of':'2024-01-05'}"), "{count:2,of:2,as_of:'2024-01-05'}");
    assert_string_equal(ask(&shop, "count", "{'as_of':'2024-11-30'}"), "{count:3,of:3,as_of:'2024-11-30'}");
    assert_string_equal(ask_part(&shop, "count", "{'as_of':'2024-12-01'}", "of"), "4");
    shop_set(&shop, PAT_CUSTOMERS, shop_row(&shop, PAT_CUSTOMERS, "1"), PAT_CUSTOMER_DELETED, 1);
    assert_string_equal(ask_part(&shop, "count", "{}", "of"), "3");
    shop_close(&shop);
}

static void an_order_before_the_profile_date_makes_live(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_customer(&shop, "1", NULL, "2024-06-01");
    shop_order(&shop, "1", "1", day_of("2024-05-01"), 1);
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "count", "{'as_of':'2024-05-01'}", "of"), "1");
    assert_string_equal(ask_part(&shop, "count", "{'as_of':'2024-04-30'}", "of"), "0");
    shop_close(&shop);
}

static void later_facts_change_nothing(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "1", "a", day_of("2024-03-01"), 1000);
    const pat_row cancelled = shop_order(&shop, "2", "a", day_of("2024-03-02"), 2000);
    shop_set(&shop, PAT_ORDERS, cancelled, PAT_ORDER_CANCELLED, day_of("2024-05-01"));
    const pat_row paid = shop_order(&shop, "3", "a", day_of("2024-03-03"), 4000);
    shop_set(&shop, PAT_ORDERS, paid, PAT_ORDER_PAID_DAY, day_of("2024-04-01"));
    const pat_row test = shop_order(&shop, "4", "a", day_of("2024-03-03"), 8000);
    shop_set(&shop, PAT_ORDERS, test, PAT_ORDER_TEST, 1);
    shop_refund(&shop, "r1", "a", "1", day_of("2024-04-15"), 100);
    shop_refund(&shop, "r2", "a", "2", day_of("2024-04-15"), 200);
    shop_refund(&shop, "r4", "a", "4", day_of("2024-04-15"), 400);
    shop_keep(&shop);
    const char *fields = "'fields':['orders','net','first_order','last_order','recency_days']";
    const struct {
        const char *day, *row;
    } want[] = {
        {"2024-02-28", "[]"},
        {"2024-03-01", "[[1,1000,'2024-03-01','2024-03-01',0]]"},
        {"2024-03-31", "[[2,3000,'2024-03-01','2024-03-02',29]]"},
        {"2024-04-01", "[[3,7000,'2024-03-01','2024-03-03',29]]"},
        {"2024-04-15", "[[3,6700,'2024-03-01','2024-03-03',43]]"},
        {"2024-05-01", "[[2,4900,'2024-03-01','2024-03-03',59]]"}, /* cancelled that day, and its refund with it */
        {"2024-12-31", "[[2,4900,'2024-03-01','2024-03-03',303]]"},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char params[256];
        (void)snprintf(params, sizeof params, "{'as_of':'%s',%s}", want[i].day, fields);
        assert_string_equal(ask_part(&shop, "rows", params, "rows"), want[i].row);
    }
    shop_close(&shop);
}

static void unpriced_facts_are_said(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "1", "a", day_of("2024-12-30"), 1000);
    const pat_row euro = shop_order(&shop, "2", "a", day_of("2024-12-30"), 500);
    shop_text(&shop, PAT_ORDERS, euro, PAT_ORDER_CURRENCY, "EUR");
    shop_set(&shop, PAT_ORDERS, euro, PAT_ORDER_BASE, PAT_NULL);
    shop_keep(&shop);
    assert_string_equal(ask(&shop, "count", "{'where':'net = 10'}"), "{count:1,of:1,as_of:'2024-12-31',unpriced:1}");
    assert_string_equal(ask(&shop, "count", "{'where':'orders = 2'}"), "{count:1,of:1,as_of:'2024-12-31'}");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{}", "unpriced"), "1");
    assert_string_equal(ask(&shop, "count", "{'where':'m = 1'}"), "{count:1,of:1,as_of:'2024-12-31',unpriced:1}");
    assert_string_equal(ask_part(&shop, "group", "{'by':[],'metrics':['sum(net)']}", "unpriced"), "1");
    assert_string_equal(ask_part(&shop, "customer", "{'customer':'a'}", "unpriced"), "1");
    shop_close(&shop);
}

static enum pat_status stop_at_once(void *context) {
    (void)context;
    return PAT_ERR_CANCELLED;
}

static void a_cancelled_question_stops(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    shop.stop_cb = stop_at_once;
    assert_string_equal(ask(&shop, "rfm.grid", "{}"), "CANCELLED: the question was cancelled");
    shop_close(&shop);
}

static void names_can_be_checked_alone(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    struct pat_view *view;
    struct pat_arena arena;
    const struct pat_filter *filter;
    pat_arena_init(&arena, 0);
    assert_int_equal(PAT_OK, pat_view_open(&view, shop.store));
    assert_int_equal(PAT_OK,
                     pat_filter_parse(&filter, pat_text_of("country = BR AND r = 5 AND net > 1"), NULL, &arena, NULL));
    assert_int_equal(PAT_OK, pat_analytics_check_filter(view, filter, &arena, &shop.error));
    assert_int_equal(PAT_OK, pat_filter_parse(&filter, pat_text_of("cuntry = BR"), NULL, &arena, NULL));
    assert_int_equal(PAT_ERR_UNKNOWN_FIELD, pat_analytics_check_filter(view, filter, &arena, &shop.error));
    struct pat_builder builder = {.arena = &arena};
    struct pat_value fields = pat_build_array(&builder, 1);
    pat_analytics_describe(&builder, &fields);
    assert_int_equal(13, fields.count);
    pat_view_close(&view);
    pat_arena_deinit(&arena);
    shop_close(&shop);
}

/* Every allocation fails once: an error each, and nothing left behind. */
static void out_of_memory_is_an_answer(void **state) {
    (void)state;
    static const char *const asked[][2] = {
        {"count", "{'where':'country = BR AND r >= 1'}"},
        {"rows", "{'fields':['customer','net','tags'],'order_by':['-net']}"},
        {"group", "{'by':['country'],'metrics':['count','p50(net)'],'limit':1}"},
        {"customer", "{'customer':'1','with':['orders']}"},
        {"verify", "{}"},
    };
    struct shop shop;
    open_shop(&shop);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        pat_arena_deinit(&shop.arena);
        pat_arena_init(&shop.arena, 0);
        struct pat_request request;
        struct pat_arena params;
        pat_arena_init(&params, 0);
        const struct pat_method_info *info = pat_method_find(pat_text_of(asked[i][0]));
        assert_int_equal(PAT_OK, pat_request_parse(&request, info, shop_params(&params, asked[i][1]), &params, NULL));
        struct pat_view *view;
        assert_int_equal(PAT_OK, pat_view_open(&view, shop.store));
        enum pat_status status = PAT_ERR_NO_MEMORY;
        for (unsigned nth = 1; status != PAT_OK; nth++) {
            struct pat_arena arena;
            pat_arena_init(&arena, 0);
            const struct pat_job job = {.view = view,
                                        .request = &request,
                                        .kernels = &pat_kernels_scalar,
                                        .arena = &arena,
                                        .today = shop.today,
                                        .row = 0};
            struct pat_value result;
            (void)pat_mem_fail_at(nth);
            status = pat_analytics_run(&job, &result, &shop.error);
            (void)pat_mem_fail_at(0);
            if (status != PAT_OK) assert_int_equal(PAT_ERR_NO_MEMORY, status);
            pat_arena_deinit(&arena);
            assert_true(nth < 1000);
        }
        pat_view_close(&view);
        pat_arena_deinit(&params);
    }
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_select_by_type),
        cmocka_unit_test(ids_compare_as_numbers_or_texts),
        cmocka_unit_test(days_are_dates_or_relative),
        cmocka_unit_test(mistakes_say_what_to_do),
        cmocka_unit_test(unknown_values_select_nobody_and_warn),
        cmocka_unit_test(customers_live_from_their_first_date),
        cmocka_unit_test(an_order_before_the_profile_date_makes_live),
        cmocka_unit_test(later_facts_change_nothing),
        cmocka_unit_test(unpriced_facts_are_said),
        cmocka_unit_test(a_cancelled_question_stops),
        cmocka_unit_test(names_can_be_checked_alone),
        cmocka_unit_test(out_of_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
