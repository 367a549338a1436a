/* group: dimensions, metrics, percentiles, order, rest and total. */
#include "shop.h"

/* BR: 100, 200, 400; MX: 1000 and one without orders; one without a country. */
static void open_shop(struct shop *shop) {
    shop_open(shop);
    shop_customer(shop, "1", "BR", "2024-01-05");
    shop_customer(shop, "2", "BR", "2024-01-06");
    shop_customer(shop, "3", "BR", "2024-02-07");
    shop_customer(shop, "4", "MX", "2023-02-07");
    shop_customer(shop, "5", "MX", NULL);
    shop_order(shop, "o1", "1", day_of("2024-03-01"), 100);
    shop_order(shop, "o2", "2", day_of("2024-03-02"), 150);
    shop_order(shop, "o3", "2", day_of("2024-04-02"), 50);
    shop_order(shop, "o4", "3", day_of("2024-12-30"), 400);
    shop_order(shop, "o5", "4", day_of("2024-03-31"), 1000);
    shop_order(shop, "o6", "6", day_of("2024-12-29"), -75);
    shop_keep(shop);
}

static void metrics_pass_over_unset_values(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask(&shop, "group",
            "{'by':['country'],'metrics':['count','sum(net)','avg(net)','min(last_order)','max(last_order)','avg("
            "orders)',"
            "'sum(recency_days)','p50(net)']}"),
        "{columns:['country','count','sum(net)','avg(net)','min(last_order)','max(last_order)','avg(orders)',"
        "'sum(recency_days)','p50(net)'],money:{currency:'GBP',digits:2,columns:['sum(net)','avg(net)','p50(net)']},"
        "rows:[['BR',3,700,233,'2024-03-01','2024-12-30',1.33333,579,200],"
        "['MX',2,1000,500,'2024-03-31','2024-03-31',0.5,275,0],"
        "[null,1,-75,-75,'2024-12-29','2024-12-29',1,2,-75]],groups:3,"
        "total:[null,6,1625,271,'2024-03-01','2024-12-30',1,856,100],as_of:'2024-12-31'}");
    shop_close(&shop);
}

static void averages_of_money_round_half_away_from_zero(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "1", "a", day_of("2024-12-30"), -1);
    shop_order(&shop, "2", "b", day_of("2024-12-30"), -2);
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "group", "{'by':[],'metrics':['avg(net)']}", "rows"), "[[-2]]");
    shop_order(&shop, "3", "a", day_of("2024-12-30"), 2);
    shop_order(&shop, "4", "b", day_of("2024-12-30"), 4);
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "group", "{'by':[],'metrics':['avg(net)']}", "rows"), "[[2]]");
    shop_close(&shop);
}

static void percentiles_are_nearest_rank(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    for (int i = 1; i <= 1000; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%d", i);
        shop_order(&shop, id, id, day_of("2024-12-30"), (i * 3) % 1001);
    }
    shop_keep(&shop);
    assert_string_equal(
        ask_part(&shop, "group",
                 "{'by':[],'metrics':['p50(net)','p99.9(net)','p100(net)','p0.1(net)','p0.05(net)','p33.3(net)']}",
                 "rows"),
        "[[500,999,1000,1,1,333]]");
    assert_string_equal(
        ask_part(&shop, "group",
                 "{'by':[],'where':'customer <= 4','metrics':['p25(net)','p26(net)','p50(net)','p75(net)']}", "rows"),
        "[[3,6,6,9]]");
    shop_close(&shop);
}

static void limit_leaves_a_rest_and_total_is_over_all(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    const char *text =
        ask(&shop, "group", "{'by':['customer'],'metrics':['sum(net)','count','p50(net)','max(net)'],'limit':2}");
    assert_non_null(strstr(text, "rows:[['4',1000,1,1000,1000],['3',400,1,400,400]],groups:6,"
                                 "rest:[null,225,4,0,200],total:[null,1625,6,100,1000]"));
    assert_null(strstr(ask(&shop, "group", "{'by':['customer'],'metrics':['count'],'limit':6}"), "rest"));
    shop_close(&shop);
}

static void groups_are_ordered_as_asked(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask_part(&shop, "group", "{'by':['country'],'metrics':['count'],'order_by':['-country']}", "rows"),
        "[['MX',2],['BR',3],[null,1]]");
    assert_string_equal(
        ask_part(&shop, "group", "{'by':['country'],'metrics':['count','sum(net)'],'order_by':['sum(net)']}", "rows"),
        "[[null,1,-75],['BR',3,700],['MX',2,1000]]");
    assert_string_equal(ask_part(&shop, "group",
                                 "{'by':['country'],'metrics':['max(last_order)'],'order_by':['max(last_order)']}",
                                 "rows"),
                        "[['MX','2024-03-31'],[null,'2024-12-29'],['BR','2024-12-30']]");
    assert_string_equal(
        ask(&shop, "group", "{'by':['country'],'metrics':['sum(net)'],'order_by':['sum(nett)']}"),
        "UNKNOWN_FIELD: groups are ordered by what is in \"by\" or \"metrics\", \"sum(nett)\" is in neither, did you "
        "mean \"sum(net)\"?");
    shop_close(&shop);
}

static void days_fall_into_months_and_numbers_into_bins(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask_part(&shop, "group",
                                 "{'by':['month(last_order)'],'metrics':['count'],'order_by':['month(last_order)']}",
                                 "rows"),
                        "[['2024-03',2],['2024-04',1],['2024-12',2],[null,1]]");
    assert_string_equal(
        ask_part(&shop, "group", "{'by':['year(created)'],'metrics':['count'],'order_by':['year(created)']}", "rows"),
        "[['2023',1],['2024',3],[null,2]]");
    assert_string_equal(
        ask_part(&shop, "group",
                 "{'by':['bin(net, [0, 1, 2.00, 10])'],'metrics':['count'],'order_by':['bin(net, [0, 1, 2.00, 10])']}",
                 "rows"),
        "[['< 0',1],['0 to < 1',1],['1 to < 2.00',1],['2.00 to < 10',2],['>= 10',1]]");
    assert_string_equal(ask_part(&shop, "group", "{'by':['country','bin(orders,[1,2])'],'metrics':['count']}", "rows"),
                        "[['BR','1 to < 2',2],['BR','>= 2',1],['MX','< 1',1],['MX','1 to < 2',1],[null,'1 to < 2',1]]");
    shop_close(&shop);
}

static void mistakes_name_what_works(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask(&shop, "group", "{'by':[],'metrics':['sum(country)']}"),
                        "BAD_REQUEST: sum(country): \"country\" is a text; it works on birth_year, orders, net, "
                        "recency_days, p_alive, expected_orders, clv, r, f, m");
    assert_string_equal(ask(&shop, "group", "{'by':['contry'],'metrics':['count']}"),
                        "UNKNOWN_FIELD: unknown field \"contry\", did you mean \"country\"?");
    assert_string_equal(
        ask(&shop, "group", "{'by':['month(net)'],'metrics':['count']}"),
        "BAD_REQUEST: \"month(net)\": days, months and years are made of days: created, first_order, last_order");
    assert_string_equal(ask(&shop, "group", "{'by':['bin(net, [5, 1])'],'metrics':['count']}"),
                        "BAD_REQUEST: \"bin(net, [5, 1])\": the edges of a bin must rise");
    assert_string_equal(ask(&shop, "group", "{'by':['bin(net)'],'metrics':['count']}"),
                        "BAD_REQUEST: \"bin(net)\": write a bin as in bin(net, [0, 100, 500])");
    assert_string_equal(ask(&shop, "group", "{'by':['bin(net, [1.234])'],'metrics':['count']}"),
                        "BAD_REQUEST: bin(net, ...): 1.234 has more decimals than GBP");
    shop_close(&shop);
}

static void nobody_is_one_row_without_dimensions(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    const char *metrics = "'metrics':['count','sum(net)','avg(net)','max(last_order)','p50(net)']";
    char params[256];
    (void)snprintf(params, sizeof params, "{'by':[],%s}", metrics);
    assert_string_equal(ask_part(&shop, "group", params, "rows"), "[[0,0,null,null,null]]");
    (void)snprintf(params, sizeof params, "{'by':['country'],%s}", metrics);
    assert_string_equal(ask_part(&shop, "group", params, "rows"), "[]");
    assert_string_equal(ask_part(&shop, "group", params, "total"), "[null,0,0,null,null,null]");
    shop_close(&shop);
}

static void many_groups_add_up(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    char id[16];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        const pat_row row = shop_customer(&shop, id, NULL, NULL);
        shop_set(&shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_BIRTH_YEAR, i % 5000);
    }
    assert_string_equal(ask_part(&shop, "group", "{'by':['birth_year'],'metrics':['count'],'limit':3}", "rows"),
                        "[[0,2],[1,2],[2,2]]");
    assert_string_equal(ask_part(&shop, "group", "{'by':['birth_year'],'metrics':['count'],'limit':3}", "rest"),
                        "[null,9994]");
    assert_string_equal(ask_part(&shop, "group", "{'by':['birth_year'],'metrics':['count'],'limit':3}", "groups"),
                        "5000");
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_pass_over_unset_values),
        cmocka_unit_test(averages_of_money_round_half_away_from_zero),
        cmocka_unit_test(percentiles_are_nearest_rank),
        cmocka_unit_test(limit_leaves_a_rest_and_total_is_over_all),
        cmocka_unit_test(groups_are_ordered_as_asked),
        cmocka_unit_test(days_fall_into_months_and_numbers_into_bins),
        cmocka_unit_test(mistakes_name_what_works),
        cmocka_unit_test(nobody_is_one_row_without_dimensions),
        cmocka_unit_test(many_groups_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
