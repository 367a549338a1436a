/* group from orders, refunds and lines; fields of their customers; distinct customers; the life cycle. */
#include "shop.h"

static void set_text(struct shop *shop, pat_row row, unsigned column, const char *text) {
    shop_text(shop, PAT_ORDERS, row, column, text);
}

/* GBP orders of two customers in three countries, one each that does not count, one in JPY without a rate. */
static void open_shop(struct shop *shop) {
    shop_open(shop);
    shop_customer(shop, "1", "BR", "2024-01-05");
    shop_customer(shop, "2", "MX", "2024-01-06");
    pat_row row = shop_order(shop, "o1", "1", day_of("2024-01-31"), 100);
    set_text(shop, row, PAT_ORDER_COUNTRY, "DE");
    set_text(shop, row, PAT_ORDER_CHANNEL, "web");
    row = shop_order(shop, "o2", "1", day_of("2024-02-01"), 300);
    set_text(shop, row, PAT_ORDER_COUNTRY, "DE");
    row = shop_order(shop, "o3", "2", day_of("2024-02-29"), 50);
    set_text(shop, row, PAT_ORDER_COUNTRY, "FR");
    row = shop_order(shop, "o4", "2", day_of("2024-03-01"), 7000);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_TEST, 1);
    row = shop_order(shop, "o5", "2", day_of("2024-03-02"), 900);
    set_text(shop, row, PAT_ORDER_CURRENCY, "JPY");
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_BASE, PAT_NULL);
    row = shop_order(shop, "o6", "2", day_of("2024-04-01"), 11);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CANCELLED, day_of("2024-05-01"));
    shop_refund(shop, "r1", "1", "o2", day_of("2024-02-10"), 120);
    shop_refund(shop, "r2", "2", "o6", day_of("2024-05-10"), 11);
    shop_line(shop, "o1", 1, "cup", 2);
    shop_line(shop, "o1", 2, "pot", 1);
    shop_line(shop, "o2", 1, "cup", 5);
    shop_line(shop, "o6", 1, "pan", 1);
    shop_keep(shop);
}

static void orders_group_by_their_own_fields(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask(&shop, "group",
            "{'from':'orders','by':['country'],'metrics':['count','sum(net)','customers'],'as_of':'latest'}"),
        "{columns:['country','count','sum(net)','customers'],money:{currency:'GBP',digits:2,columns:['sum(net)']},"
        "rows:[['DE',2,400,1],['FR',1,50,1],[null,1,0,1]],groups:3,total:[null,4,450,2],as_of:'2024-05-10',unpriced:"
        "1}");
    assert_string_equal(ask_part(&shop, "group",
                                 "{'from':'orders','by':['month(time)'],'metrics':['count'],'order_by':'month(time)'}",
                                 "rows"),
                        "[['2024-01',1],['2024-02',2],['2024-03',1]]");
    assert_string_equal(
        ask_part(&shop, "group",
                 "{'from':'orders','by':['day(time)','channel'],'metrics':['count'],'order_by':'day(time)','limit':2}",
                 "rows"),
        "[['2024-01-31','web',1],['2024-02-01',null,1]]");
    assert_string_equal(
        ask_part(&shop, "group", "{'from':'orders','by':['bin(net, [1, 2])'],'metrics':['count']}", "rows"),
        "[['< 1',1],['1 to < 2',1],['>= 2',1],[null,1]]");
    shop_close(&shop);
}

static void days_bound_what_is_grouped(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask_part(&shop, "group", "{'from':'orders','by':[],'between':['2024-02-01','2024-02-29']}", "total"), "[2]");
    assert_string_equal(ask_part(&shop, "group", "{'from':'orders','by':[],'between':[null,'2024-02-01']}", "total"),
                        "[2]");
    assert_string_equal(
        ask_part(&shop, "group", "{'from':'orders','by':[],'between':['-28d','0d'],'as_of':'2024-02-29'}", "total"),
        "[2]");
    /* Not yet cancelled in April; and what comes after D is not there, whatever the days say. */
    assert_string_equal(ask_part(&shop, "group",
                                 "{'from':'orders','by':[],'between':['2024-03-01',null],'as_of':'2024-04-30'}",
                                 "total"),
                        "[2]");
    assert_string_equal(ask_part(&shop, "group",
                                 "{'from':'orders','by':[],'between':['2024-02-01','2024-12-31'],'as_of':'2024-02-01'}",
                                 "total"),
                        "[1]");
    shop_close(&shop);
}

static void refunds_are_positive_and_count_as_rules_say(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    const char *sum = "{'from':'refunds','by':['month(time)'],'metrics':['sum(net)']}";
    assert_string_equal(ask_part(&shop, "group", sum, "rows"), "[['2024-02',120]]");
    shop_close(&shop);
}

static void lines_group_with_their_orders(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask_part(&shop, "group",
                                 "{'from':'lines','by':['product'],'metrics':['sum(quantity)','sum(net)','max(quantity)"
                                 "','avg(quantity)','customers']}",
                                 "rows"),
                        "[['cup','7',1750,'5',3.5,1],['pot','1',250,'1',1,1]]");
    assert_string_equal(ask_part(&shop, "group",
                                 "{'from':'lines','by':['country','customer.country'],'between':['2024-02-01',null],'"
                                 "metrics':['p50(quantity)','sum(amount)','sum(amount_minor)']}",
                                 "rows"),
                        "[['DE','BR','5','12.50',1250]]");
    shop_close(&shop);
}

/* The answer says `unpriced: count`; NULL: nothing of it. */
static void unpriced_is(const char *answer, const char *count) {
    const char *const said = strstr(answer, ",unpriced:");
    char want[32] = "}";
    if (count != NULL) (void)snprintf(want, sizeof want, ",unpriced:%s}", count);
    if (strstr(answer, "columns:") == NULL) fail_msg("no answer: %s", answer);
    assert_string_equal(said != NULL ? said : "}", want);
}

static void money_that_decides_names_what_has_no_rate(void **state) {
    (void)state;
    struct shop shop;
    static const struct {
        const char *params, *unpriced;
    } group[] = {
        {"'from':'orders','where':'customer = 2 AND net > 0.1'", "1"},
        {"'from':'orders','where':'NOT net_minor > 10','by':['bin(net,[1])'],'metrics':['sum(net)']", "1"},
        {"'from':'orders','where':'country = DE AND net > 0.1','as_of':'2024-03-01'", NULL}, /* the day before */
        {"'from':'orders','where':'net > 0.1','between':[null,'2024-03-01']", NULL},
        {"'from':'orders','where':'country = DE'", NULL}, /* no money at all */
        {"'from':'orders','where':'country = DE','metrics':['sum(net)']", NULL},
        {"'from':'refunds','where':'net > 0.1'", "1"},
        {"'from':'refunds','where':'net > 0.1','as_of':'2024-05-10'", NULL},
        {"'from':'lines','where':'net > 0.1'", "2"},
        {"'from':'lines','where':'net > 0.1','by':['bin(net,[50])'],'metrics':['avg(net)']", "2"},
        {"'from':'lines','where':'product = cup'", NULL},
    };
    static const struct {
        const char *params, *unpriced;
    } rows[] = {
        {"'from':'orders','fields':['order'],'where':'customer = 2','order_by':['-net'],'limit':1", "1"},
        {"'from':'orders','fields':['order','net'],'where':'net > 0.1','order_by':['net']", "1"},
        {"'from':'orders','fields':['order'],'order_by':['-time']", NULL},
        {"'from':'orders','fields':['order','net'],'where':'country = DE'", NULL},
        {"'from':'refunds','fields':['refund'],'order_by':['net']", "1"},
        {"'from':'lines','fields':['order'],'order_by':['-net'],'limit':2", "2"},
        {"'from':'lines','fields':['order','net'],'where':'net IS NULL'", "2"},
    };
    open_shop(&shop);
    shop.today = day_of("2024-05-12");
    const pat_row refund = shop_refund(&shop, "r3", "2", NULL, day_of("2024-05-11"), 80);
    shop_text(&shop, PAT_REFUNDS, refund, PAT_REFUND_CURRENCY, "JPY");
    shop_set(&shop, PAT_REFUNDS, refund, PAT_REFUND_BASE, PAT_NULL);
    shop_line(&shop, "o5", 1, "cup", 2);
    shop_line(&shop, "o5", 2, "pan", 3);
    shop_keep(&shop);
    char params[256];
    for (size_t i = 0; i < sizeof group / sizeof *group; i++) {
        (void)snprintf(params, sizeof params, "{%s%s}", group[i].params,
                       strstr(group[i].params, "'by'") != NULL ? "" : ",'by':[]");
        unpriced_is(ask(&shop, "group", params), group[i].unpriced);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)snprintf(params, sizeof params, "{%s}", rows[i].params);
        unpriced_is(ask(&shop, "rows", params), rows[i].unpriced);
    }
    shop_close(&shop);
}

static void money_of_several_currencies_does_not_add_up(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask(&shop, "group", "{'from':'orders','by':[],'metrics':['sum(amount)']}"),
                        "BAD_REQUEST: \"amount\" is in each row's own currency, and a group has several: add "
                        "\"currency\" to by, select "
                        "one in where, or ask for net, which is in GBP");
    const char *each =
        ask(&shop, "group", "{'from':'orders','by':['currency'],'metrics':['sum(amount)','max(amount_minor)']}");
    assert_non_null(strstr(each, "rows:[['JPY','900',900],['GBP','4.50',300]]"));
    assert_non_null(strstr(each, "total:[null,null,null]"));
    assert_string_equal(ask_part(&shop, "group",
                                 "{'from':'orders','by':[],'metrics':['avg(amount)'],'where':'currency = GBP'}",
                                 "total"),
                        "['1.50']");
    shop_close(&shop);
}

static void facts_know_their_customers(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask_part(&shop, "group",
                 "{'from':'orders','by':['customer.country'],'where':'customer.orders = 2 AND net < 2'}", "rows"),
        "[['BR',1],['MX',1]]");
    assert_string_equal(
        ask_part(
            &shop, "rows",
            "{'from':'orders','fields':['order','customer.country','customer.lifecycle'],'where':'customer.net > 2'}",
            "rows"),
        "[['o1','BR','sleeping'],['o2','BR','sleeping']]");
    assert_string_equal(ask_part(&shop, "group",
                                 "{'from':'orders','by':[],'as_of':'2024-12-30','where':'customer.country = BR'}",
                                 "undated"),
                        "['customer.country']");
    assert_string_equal(ask(&shop, "group", "{'from':'orders','by':['customer.contry']}"),
                        "UNKNOWN_FIELD: unknown field \"customer.contry\", did you mean \"customer.country\"?");
    assert_string_equal(ask(&shop, "group", "{'from':'orders','by':['birth_year']}"),
                        "UNKNOWN_FIELD: unknown field \"birth_year\" of orders, did you mean \"customer.birth_year\"?");
    shop_close(&shop);
}

static void rest_counts_customers_once(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    const char *text =
        ask(&shop, "group",
            "{'from':'orders','by':['order'],'metrics':['customers','count'],'order_by':'order','limit':1}");
    assert_non_null(strstr(text, "rows:[['o1',1,1]],groups:4,rest:[null,2,3],total:[null,2,4]"));
    shop_close(&shop);
}

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

static const char *lifecycle_of(struct shop *shop, const char *id, const char *as_of) {
    char params[128];
    (void)snprintf(params, sizeof params, "{'customer':'%s','as_of':'%s'}", id, as_of);
    return ask_part(shop, "customer", params, "lifecycle");
}

static void the_first_state_that_holds_is_it(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_customer(&shop, "0", NULL, "2020-01-01");
    shop_order(&shop, "a1", "1", day_of("2024-01-01"), 1);
    shop_order(&shop, "b1", "2", day_of("2024-01-01"), 1);
    shop_order(&shop, "b2", "2", day_of("2024-03-31"), 1); /* a gap of 90 */
    shop_order(&shop, "c1", "3", day_of("2024-01-01"), 1);
    shop_order(&shop, "c2", "3", day_of("2024-04-01"), 1); /* a gap of 91 */
    shop_order(&shop, "c3", "3", day_of("2024-04-01"), 1); /* and two on a day */
    shop_order(&shop, "d1", "4", day_of("2023-01-01"), 1);
    shop_order(&shop, "d2", "4", day_of("2023-06-01"), 1);
    shop_order(&shop, "d3", "4", day_of("2023-08-31"), 1); /* 91 */
    shop_keep(&shop);
    assert_string_equal(lifecycle_of(&shop, "0", "2024-01-01"), "'prospect'");
    assert_string_equal(lifecycle_of(&shop, "1", "2024-03-31"), "'new'");
    assert_string_equal(lifecycle_of(&shop, "1", "2024-04-01"), "'sleeping'");
    assert_string_equal(lifecycle_of(&shop, "1", "2024-12-31"), "'sleeping'");
    assert_string_equal(lifecycle_of(&shop, "1", "2025-01-01"), "'lost'");
    assert_string_equal(lifecycle_of(&shop, "2", "2024-03-31"), "'active'");
    assert_string_equal(lifecycle_of(&shop, "3", "2024-04-01"), "'active'");
    assert_string_equal(lifecycle_of(&shop, "4", "2023-08-31"), "'returned'");
    assert_string_equal(lifecycle_of(&shop, "4", "2023-06-01"), "'returned'");
    assert_string_equal(
        ask_part(&shop, "group", "{'by':['lifecycle'],'as_of':'2024-04-01','order_by':'lifecycle'}", "rows"),
        "[['active',2],['prospect',1],['sleeping',2]]");
    assert_string_equal(
        ask_part(&shop, "count", "{'where':'lifecycle IN (sleeping, lost)','as_of':'2024-04-01'}", "count"), "2");
    assert_string_equal(
        ask_part(&shop, "group",
                 "{'by':['lifecycle'],'as_of':'2024-04-01','lifecycle':{'cuts':[0,91]},'order_by':'lifecycle'}",
                 "rows"),
        "[['active',1],['lost',1],['prospect',1],['sleeping',2]]");
    assert_non_null(strstr(ask(&shop, "count", "{'where':'lifecycle = asleep'}"), "lifecycle has no value \"asleep\""));
    shop_close(&shop);
}

/* The same from chains and from a pass over the orders. */
static void the_gap_is_found_either_way(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    for (int i = 0; i < 200; i++) {
        char id[16], order[32];
        (void)snprintf(id, sizeof id, "%d", i);
        for (int k = 0; k < (i % 20 == 0 ? 3 : 1); k++) {
            (void)snprintf(order, sizeof order, "%d-%d", i, k);
            shop_order(&shop, order, id, day_of("2024-12-31") - (i % 40 == 0 ? 100 : 50) * k, 1);
        }
    }
    shop_keep(&shop);
    const char *by = "{'by':['lifecycle'],'order_by':'lifecycle'}";
    assert_string_equal(ask_part(&shop, "group", by, "rows"), "[['active',5],['new',190],['returned',5]]");
    for (int i = 0; i < 200; i++) {
        char id[16], order[32];
        (void)snprintf(id, sizeof id, "%d", i);
        for (int k = 3; k < 5; k++) {
            (void)snprintf(order, sizeof order, "%d-%d", i, k);
            shop_order(&shop, order, id, day_of("2024-01-31") + k, 1);
        }
    }
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "group", by, "rows"), "[['active',5],['returned',195]]");
    shop_close(&shop);
}

/* As worked out by hand for the naive model (tests/model/test_naive.py). */
static void a_life_cycle_by_gaps_is_each_customers_own(void **state) {
    (void)state;
    static const struct {
        const char *customer, *country;
        int days[4]; /* of March, 0 = none */
    } rhythm[] = {{"a", "BR", {1, 11, 21}}, {"b", "BR", {1, 1, 1}},    {"c", "BR", {21}}, {"d", "BR", {1, 3, 5, 21}},
                  {"e", "MX", {21}},        {"f", NULL, {19, 20, 21}}, {"g", NULL, {20}}};
    struct shop shop;
    shop_open(&shop);
    for (size_t i = 0; i < sizeof rhythm / sizeof rhythm[0]; i++) {
        shop_customer(&shop, rhythm[i].customer, rhythm[i].country, NULL);
        for (int k = 0; k < 4 && rhythm[i].days[k] != 0; k++) {
            char order[24];
            (void)snprintf(order, sizeof order, "%s%d", rhythm[i].customer, k);
            shop_order(&shop, order, rhythm[i].customer, day_of("2024-03-01") + rhythm[i].days[k] - 1, 1);
        }
    }
    shop_keep(&shop);
    static const struct {
        const char *as_of, *states;
    } cases[] = {
        /* MX has nobody with two gaps: the median of all, 20/3. Without a country it is f's gap of one day. */
        {"2024-03-21", "[['active'],['sleeping'],['new'],['returned'],['new'],['active'],['new']]"},
        {"2024-03-31", "[['active'],['lost'],['sleeping'],['sleeping'],['sleeping'],['lost'],['lost']]"},
        {"2024-04-10", "[['sleeping'],['lost'],['sleeping'],['sleeping'],['sleeping'],['lost'],['lost']]"},
        {"2024-04-11", "[['sleeping'],['lost'],['lost'],['lost'],['lost'],['lost'],['lost']]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char params[160];
        (void)snprintf(params, sizeof params,
                       "{'fields':['lifecycle'],'order_by':'customer','as_of':'%s','lifecycle':{'gaps':[1,3]}}",
                       cases[i].as_of);
        assert_string_equal(ask_part(&shop, "rows", params, "rows"), cases[i].states);
    }
    const char *one = "{'customer':'a','as_of':'2024-04-11','lifecycle':{'gaps':[1,3]}}";
    assert_string_equal(ask_part(&shop, "customer", one, "lifecycle"), "'sleeping'");
    assert_string_equal(ask_part(&shop, "customer", one, "undated"), "['country']");
    shop_close(&shop);
}

/* Nobody came three times: the cuts of the question. */
static void gaps_that_nobody_has_leave_the_cuts(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "a1", "1", day_of("2024-12-01"), 1);
    shop_order(&shop, "b1", "2", day_of("2024-12-30"), 1);
    shop_keep(&shop);
    const char *by = "{'by':['lifecycle'],'order_by':'lifecycle','lifecycle':{'gaps':[1,3],'cuts':[7,30]}}";
    assert_string_equal(ask_part(&shop, "group", by, "rows"), "[['new',1],['sleeping',1]]");
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_group_by_their_own_fields),
        cmocka_unit_test(days_bound_what_is_grouped),
        cmocka_unit_test(refunds_are_positive_and_count_as_rules_say),
        cmocka_unit_test(lines_group_with_their_orders),
        cmocka_unit_test(money_that_decides_names_what_has_no_rate),
        cmocka_unit_test(money_of_several_currencies_does_not_add_up),
        cmocka_unit_test(facts_know_their_customers),
        cmocka_unit_test(rest_counts_customers_once),
        cmocka_unit_test(the_first_state_that_holds_is_it),
        cmocka_unit_test(the_gap_is_found_either_way),
        cmocka_unit_test(a_life_cycle_by_gaps_is_each_customers_own),
        cmocka_unit_test(gaps_that_nobody_has_leave_the_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
