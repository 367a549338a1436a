/* cohort and control. */
#include "shop.h"

static void open_shop(struct shop *shop) {
    shop_open(shop);
    shop->today = day_of("2024-04-15");
    shop_customer(shop, "1", "BR", "2024-01-05");
    shop_customer(shop, "2", "MX", "2024-01-06");
    shop_customer(shop, "3", "MX", NULL);
    shop_customer(shop, "4", "MX", "2024-03-06");
    shop_order(shop, "o1", "1", day_of("2024-01-31"), 100);
    shop_order(shop, "o2", "1", day_of("2024-03-01"), 300);
    shop_order(shop, "o3", "1", day_of("2024-03-02"), 5);
    shop_order(shop, "o4", "2", day_of("2024-01-01"), 50);
    shop_order(shop, "o5", "4", day_of("2024-03-31"), 7);
    const pat_row row = shop_order(shop, "o6", "4", day_of("2024-04-01"), 11);
    shop_text(shop, PAT_ORDERS, row, PAT_ORDER_CURRENCY, "JPY");
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_BASE, PAT_NULL);
    shop_refund(shop, "r1", "1", "o2", day_of("2024-04-10"), 120);
    shop_line(shop, "o1", 1, "cup", 2);
    shop_line(shop, "o1", 2, "pot", 1);
    shop_keep(shop);
}

static void cohorts_are_null_in_the_future_and_zero_for_none(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask(&shop, "cohort", "{'by':'month'}"),
        "{cohorts:[{cohort:'2024-01',size:2,values:[2,0,1,0]},{cohort:'2024-03',size:1,values:[1,1,null,null]}],"
        "outside:1,as_of:'2024-04-15'}");
    assert_string_equal(ask_part(&shop, "cohort", "{'metric':'orders','periods':3}", "cohorts"),
                        "[{cohort:'2024-01',size:2,values:[2,0,2]},{cohort:'2024-03',size:1,values:[1,1,null]}]");
    assert_string_equal(ask_part(&shop, "cohort", "{'as_of':'2024-02-01','periods':3}", "cohorts"),
                        "[{cohort:'2024-01',size:2,values:[2,0,null]}]");
    assert_string_equal(
        ask_part(&shop, "cohort", "{'where':'country = MX'}", "cohorts"),
        "[{cohort:'2024-01',size:1,values:[1,0,0,0]},{cohort:'2024-03',size:1,values:[1,1,null,null]}]");
    shop_close(&shop);
}

static void money_of_a_cohort_is_dated_where_it_happened(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    const char *text = ask(&shop, "cohort", "{'metric':'net'}");
    assert_non_null(strstr(text, "{cohort:'2024-01',size:2,values:[150,0,305,-120]}"));
    assert_non_null(strstr(text, "{cohort:'2024-03',size:1,values:[7,0,null,null]}"));
    assert_non_null(strstr(text, "money:{currency:'GBP',digits:2,columns:['values']}"));
    assert_non_null(strstr(text, "unpriced:1"));
    shop_close(&shop);
}

static void cohorts_may_begin_with_the_profile(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    /* What came before it began is in no month. */
    assert_string_equal(
        ask_part(&shop, "cohort", "{'start':'created','metric':'orders'}", "cohorts"),
        "[{cohort:'2024-01',size:2,values:[2,0,2,0]},{cohort:'2024-03',size:1,values:[1,1,null,null]}]");
    shop_close(&shop);
}

static void nobody_makes_no_cohort(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    assert_string_equal(ask(&shop, "cohort", "{}"), "{cohorts:[],outside:0,as_of:'2024-12-31'}");
    shop_close(&shop);
}

static void control_counts_what_was_loaded(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    shop_set(&shop, PAT_ORDERS, shop_row(&shop, PAT_ORDERS, "o4"), PAT_ORDER_TEST, 1);
    shop_set(&shop, PAT_ORDERS, shop_row(&shop, PAT_ORDERS, "o5"), PAT_ORDER_DELETED, 1);
    const char *text = ask(&shop, "control", "{'table':'orders','by':'month'}");
    assert_non_null(strstr(text, "{month:'2024-01',rows:2,amount_minor:{GBP:150},first:'2024-01-01T12:00:00Z',"
                                 "last:'2024-01-31T12:00:00Z',digest:'"));
    assert_non_null(strstr(text, "{month:'2024-04',rows:1,amount_minor:{JPY:11},"));
    assert_non_null(strstr(text, "total:{rows:5,amount_minor:{GBP:455,JPY:11},"));
    assert_non_null(strstr(text, "digits:{GBP:2,JPY:0}"));
    text = ask(&shop, "control", "{'table':'orders','by':'currency','from':'2024-03-01','to':'2024-03-31'}");
    assert_non_null(strstr(text, "groups:[{currency:'GBP',rows:2,amount_minor:{GBP:305},"));
    text = ask(&shop, "control", "{'table':'customers','by':'day'}");
    assert_non_null(strstr(text, "{day:'2024-01-05',rows:1,first:'2024-01-05',last:'2024-01-05',"));
    assert_non_null(strstr(text, "{day:null,rows:1,first:null,last:null,"));
    text = ask(&shop, "control", "{'table':'lines','by':'day'}");
    assert_non_null(strstr(text, "{day:'2024-01-31',rows:2,amount_minor:{GBP:750},"));
    shop_close(&shop);
}

static void digests_do_not_depend_on_the_order_of_rows(void **state) {
    (void)state;
    static const char *const ids[2][3] = {{"a", "17", "c"}, {"c", "a", "17"}};
    char digest[2][64];
    for (unsigned k = 0; k < 2; k++) {
        struct shop shop;
        shop_open(&shop);
        for (unsigned i = 0; i < 3; i++) shop_order(&shop, ids[k][i], "1", day_of("2024-01-31"), 1);
        shop_keep(&shop);
        const char *at = strstr(ask(&shop, "control", "{'table':'orders','by':'month'}"), "digest:'");
        assert_non_null(at);
        (void)snprintf(digest[k], sizeof digest[k], "%.32s", at + 8);
        shop_close(&shop);
    }
    assert_string_equal(digest[0], digest[1]);
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "a", "1", day_of("2024-01-31"), 1);
    shop_keep(&shop);
    /* XXH3-128 of "a", as anybody can compute it. */
    assert_non_null(
        strstr(ask(&shop, "control", "{'table':'orders','by':'month'}"), "digest:'a96faf705af16834e6c632b61e964e1f'"));
    shop_close(&shop);
}

static void producers_are_told_apart(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    shop_text(&shop, PAT_ORDERS, shop_row(&shop, PAT_ORDERS, "o1"), PAT_ORDER_PRODUCER, "web");
    shop_text(&shop, PAT_ORDERS, shop_row(&shop, PAT_ORDERS, "o2"), PAT_ORDER_PRODUCER, "app");
    const char *text = ask(&shop, "control", "{'table':'orders','by':'producer'}");
    assert_non_null(strstr(text, "groups:[{producer:'app',rows:1,amount_minor:{GBP:300},"));
    assert_non_null(strstr(text, "{producer:'web',rows:1,"));
    assert_non_null(strstr(text, "{producer:null,rows:4,amount_minor:{GBP:62,JPY:11},"));
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cohorts_are_null_in_the_future_and_zero_for_none),
        cmocka_unit_test(money_of_a_cohort_is_dated_where_it_happened),
        cmocka_unit_test(cohorts_may_begin_with_the_profile),
        cmocka_unit_test(nobody_makes_no_cohort),
        cmocka_unit_test(control_counts_what_was_loaded),
        cmocka_unit_test(digests_do_not_depend_on_the_order_of_rows),
        cmocka_unit_test(producers_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
