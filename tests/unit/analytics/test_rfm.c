/* RFM by hand: scores, thresholds, ties, populations, what stands outside. */
#include "../random.h"
#include "shop.h"

#include <stdlib.h>

/* Five customers, one order each: a the oldest and cheapest ... e the newest and dearest. */
static void open_five(struct shop *shop) {
    shop_open(shop);
    shop_order(shop, "o1", "a", day_of("2024-02-01"), 1000);
    shop_order(shop, "o2", "b", day_of("2024-04-01"), 2000);
    shop_order(shop, "o3", "c", day_of("2024-06-01"), 3000);
    shop_order(shop, "o4", "d", day_of("2024-08-01"), 4000);
    shop_order(shop, "o5", "e", day_of("2024-10-01"), 5000);
    shop_keep(shop);
}

static void quintiles_rank_by_strictly_worse(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    /* F is 1 for all: nobody is strictly worse, so all score 1 and no threshold is reached. */
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'as_of':'2024-12-31'}", "cells"),
                        "[{r:1,f:1,m:1,count:1,net_minor:1000,group:'lost'},"
                        "{r:2,f:1,m:2,count:1,net_minor:2000,group:'hibernating'},"
                        "{r:3,f:1,m:3,count:1,net_minor:3000,group:'promising'},"
                        "{r:4,f:1,m:4,count:1,net_minor:4000,group:'promising'},"
                        "{r:5,f:1,m:5,count:1,net_minor:5000,group:'promising'}]");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'as_of':'2024-12-31'}", "thresholds"),
                        "{r:[274,213,152,91],f:[null,null,null,null],m_minor:[2000,3000,4000,5000]}");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'as_of':'2024-12-31'}", "scored"), "5");
    shop_close(&shop);
}

static void ties_share_a_score_and_skipped_scores_have_no_threshold(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    const int64_t minor[] = {100, 100, 100, 100, 700};
    for (int i = 0; i < 5; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        shop_order(&shop, id, id, day_of("2024-06-01"), minor[i]);
    }
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "rfm.grid", "{}", "cells"),
                        "[{r:1,f:1,m:1,count:4,net_minor:400,group:'lost'},"
                        "{r:1,f:1,m:5,count:1,net_minor:700,group:'cannot_lose'}]");
    /* Scores 2, 3 and 4 are earned by nobody; 5 from 700 on. */
    assert_string_equal(ask_part(&shop, "rfm.grid", "{}", "thresholds"),
                        "{r:[null,null,null,null],f:[null,null,null,null],m_minor:[null,null,null,700]}");
    shop_close(&shop);
}

static void the_window_bounds_f_and_m_but_not_r(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "1", "a", day_of("2024-12-01"), 1000);
    shop_order(&shop, "2", "a", day_of("2024-12-02"), 500);
    shop_refund(&shop, "r1", "a", "1", day_of("2024-12-31"), 300);
    shop_order(&shop, "3", "b", day_of("2024-12-01"), 9000);
    shop_refund(&shop, "r2", "b", "3", day_of("2024-12-30"), 100);
    shop_keep(&shop);
    /* 30 days at 2024-12-31 are 12-02 .. 12-31: order 1 and 3 are outside, every refund inside. */
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'window':'30d'}", "cells"),
                        "[{r:1,f:1,m:1,count:1,net_minor:200,group:'lost'}]");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'window':'30d'}", "unscored"), "{count:1,net_minor:-100}");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'window':'31d'}", "scored"), "2");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'window':'all','as_of':'2024-12-29'}", "cells"),
                        "[{r:1,f:1,m:3,count:1,net_minor:9000,group:'cannot_lose'},"
                        "{r:3,f:3,m:1,count:1,net_minor:1500,group:'about_to_sleep'}]");
    shop_close(&shop);
}

static void m_may_be_negative(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "1", "a", day_of("2024-12-01"), 100);
    shop_refund(&shop, "r", "a", NULL, day_of("2024-12-05"), 900);
    shop_order(&shop, "2", "b", day_of("2024-12-01"), 100);
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "rfm.grid", "{}", "cells"),
                        "[{r:1,f:1,m:1,count:1,net_minor:-800,group:'lost'},"
                        "{r:1,f:1,m:3,count:1,net_minor:100,group:'cannot_lose'}]");
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['customer','m','net'],'order_by':['m']}", "rows"),
                        "[['a',1,-800],['b',3,100]]");
    shop_close(&shop);
}

static void cuts_are_at_or_better(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    const char *cuts =
        "{'as_of':'2024-12-31','cuts':{'r':[400,300,213,91],'f':[1,2,3,4],'m_minor':[2000,2500,4000,9000]}}";
    assert_string_equal(ask_part(&shop, "rfm.grid", cuts, "cells"),
                        "[{r:2,f:2,m:1,count:1,net_minor:1000,group:'about_to_sleep'},"
                        "{r:3,f:2,m:2,count:1,net_minor:2000,group:'hibernating'},"
                        "{r:4,f:2,m:3,count:1,net_minor:3000,group:'potential_loyalist'},"
                        "{r:4,f:2,m:4,count:1,net_minor:4000,group:'promising'},"
                        "{r:5,f:2,m:4,count:1,net_minor:5000,group:'promising'}]");
    shop_close(&shop);
}

static void the_mean_split_has_eight_names(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    shop_order(&shop, "o6", "e", day_of("2024-10-01"), 1);
    shop_keep(&shop);
    /* Mean R of 334 274 213 152 91 = 212.8: 152 and 91 are at or better. Mean F 1.2: e. Mean M 3000.2: d, e. */
    const char *mean = "{'as_of':'2024-12-31','scoring':'mean'}";
    assert_string_equal(ask_part(&shop, "rfm.grid", mean, "thresholds"), "{r:[212],f:[2],m_minor:[3001]}");
    assert_string_equal(ask_part(&shop, "rfm.grid", mean, "cells"),
                        "[{r:1,f:1,m:1,count:3,net_minor:6000,group:'general_win_back'},"
                        "{r:2,f:1,m:2,count:1,net_minor:4000,group:'important_develop'},"
                        "{r:2,f:2,m:2,count:1,net_minor:5001,group:'important_value'}]");
    assert_string_equal(
        ask_part(&shop, "rows",
                 "{'fields':['customer','rfm_group'],'rfm':{'scoring':'mean'},'where':'rfm.group = important_value'}",
                 "rows"),
        "[['e','important_value']]");
    shop_close(&shop);
}

static void a_mean_that_is_met_exactly_is_high(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop_order(&shop, "1", "a", day_of("2024-12-01"), 100);
    shop_order(&shop, "2", "b", day_of("2024-12-03"), 300);
    shop_order(&shop, "3", "c", day_of("2024-12-02"), 200);
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['customer','r','f','m'],'rfm':{'scoring':'mean'}}", "rows"),
                        "[['a',1,2,1],['b',2,2,2],['c',2,2,2]]");
    shop_close(&shop);
}

static void where_shows_and_population_ranks(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    shop_customer(&shop, "f", "FR", NULL);
    shop_keep(&shop);
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'as_of':'2024-12-31','where':'net >= 40'}", "cells"),
                        "[{r:4,f:1,m:4,count:1,net_minor:4000,group:'promising'},"
                        "{r:5,f:1,m:5,count:1,net_minor:5000,group:'promising'}]");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'as_of':'2024-12-31','population':'net >= 40'}", "cells"),
                        "[{r:1,f:1,m:1,count:1,net_minor:4000,group:'lost'},"
                        "{r:3,f:1,m:3,count:1,net_minor:5000,group:'promising'}]");
    assert_string_equal(ask_part(&shop, "rfm.grid", "{'as_of':'2024-12-31','population':'net >= 40'}", "unscored"),
                        "{count:4,net_minor:6000}");
    assert_string_equal(ask(&shop, "rfm.grid", "{'population':'r = 5'}"),
                        "BAD_REQUEST: population says who is ranked, so it cannot ask for r, f, m or rfm_group");
    shop_close(&shop);
}

static void a_cell_equals_its_drill_down(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    assert_string_equal(ask(&shop, "count", "{'as_of':'2024-12-31','where':'r = 4 AND f = 1 AND m = 4'}"),
                        "{count:1,of:5,as_of:'2024-12-31'}");
    assert_string_equal(ask_part(&shop, "count", "{'as_of':'2024-12-31','where':'rfm_group = promising'}", "count"),
                        "3");
    assert_string_equal(ask_part(&shop, "count", "{'as_of':'2024-12-31','where':'rfm_group = promisin'}", "warnings"),
                        "['rfm_group has no value \"promisin\", did you mean \"promising\"?']");
    shop_close(&shop);
}

static void groups_come_in_the_order_of_the_map_with_empty_ones(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    shop_order(&shop, "o6", "e", day_of("2024-10-01"), 100);
    shop_keep(&shop);
    const char *text = ask(&shop, "rfm.groups", "{'as_of':'2024-12-31','where':'customer IN (d, e)'}");
    /* F of e is 2: four of five are worse, so it scores 5. */
    assert_non_null(strstr(text,
                           "{groups:[{name:'champions',count:1,share:0.5,net_minor:5100,one_time:0,orders:2,avg_r:91,"
                           "avg_f:2,avg_m_minor:5100},{name:'loyal',count:0,share:0,net_minor:0,one_time:0,orders:0,"
                           "avg_r:null,avg_f:null,avg_m_minor:null},"));
    assert_non_null(strstr(text,
                           "{name:'promising',count:1,share:0.5,net_minor:4000,one_time:1,orders:1,avg_r:152,avg_f:1,"
                           "avg_m_minor:4000}"));
    assert_non_null(strstr(text, "scored:2,unscored:{count:0,net_minor:0}"));
    shop_close(&shop);
}

static void before_everything_nobody_is_scored(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    assert_string_equal(ask(&shop, "rfm.grid", "{'as_of':'2020-01-01'}"),
                        "{scored:0,unscored:{count:0,net_minor:0},thresholds:{r:[null,null,null,null],"
                        "f:[null,null,null,null],m_minor:[null,null,null,null]},scoring:'quintile',window:'365d',"
                        "map:'default',currency:'GBP',digits:2,cells:[],as_of:'2020-01-01'}");
    shop_close(&shop);
    shop_open(&shop);
    assert_string_equal(ask_part(&shop, "rfm.grid", "{}", "cells"), "[]");
    shop_close(&shop);
}

static void an_unknown_map_is_named(void **state) {
    (void)state;
    struct shop shop;
    open_five(&shop);
    assert_string_equal(ask(&shop, "rfm.grid", "{'map':'defualt'}"),
                        "NOT_FOUND: no RFM map called \"defualt\", did you mean \"default\"?");
    shop_close(&shop);
}

/* ---- thresholds of many --------------------------------------------------------------------------------------------
 */

#define MANY 700

/* What each customer is made of: days since, orders, money. */
struct many {
    int64_t r[MANY], f[MANY], m[MANY];
};

/* Close together, far apart, tied, and at the ends of what is counted singly; all together fit 64 bits. */
static int64_t any_money(void) {
    static const int64_t special[] = {0, 0, -1, 1, INT64_MAX / 1024, -INT64_MAX / 1024, 4095, 4096, INT32_MAX};
    switch (next() % 5) {
    case 0: return special[next() % 9];
    case 1: return (int64_t)(next() % 50) + 1000000;
    case 2: return (int64_t)(next() >> (12 + next() % 50));
    case 3: return -(int64_t)(next() >> (12 + next() % 50));
    default: return (int64_t)(next() % 3);
    }
}

static int64_t any_count(int64_t often, int64_t most) {
    if (next() % 8 == 0) return most - (int64_t)(next() % 4);
    return 1 + (int64_t)(next() % (uint64_t)often);
}

static void open_many(struct shop *shop, struct many *many, bool large) {
    char order[16], customer[16];
    int orders = 0;
    shop_open(shop);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(customer, sizeof customer, "%d", i);
        many->r[i] = any_count(large ? 9000 : 5, large ? 4097 : 3);
        many->f[i] = i < 12 && large ? 4093 + i % 5 : any_count(3, 5);
        many->m[i] = any_money();
        for (int64_t k = 0; k < many->f[i]; k++) {
            (void)snprintf(order, sizeof order, "o%d", orders++);
            (void)shop_order(shop, order, customer, shop->today - (pat_day)many->r[i], k == 0 ? many->m[i] : 0);
        }
    }
    shop_keep(shop);
}

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* By the letter of the rule: the least value with that score, if anybody has it. */
static int print_thresholds(const int64_t *values, bool less_is_better, char *out, size_t capacity) {
    int64_t sorted[MANY], least[6] = {0};
    bool any[6] = {false};
    for (int i = 0; i < MANY; i++) sorted[i] = less_is_better ? -values[i] : values[i];
    qsort(sorted, MANY, sizeof *sorted, by_value);
    for (int i = 0, worse = 0; i < MANY; i++) {
        if (i > 0 && sorted[i] != sorted[i - 1]) worse = i;
        const int score = 1 + 5 * worse / MANY;
        if (!any[score]) least[score] = sorted[i];
        any[score] = true;
    }
    int used = 0;
    for (int score = 2; score <= 5; score++) {
        const char *comma = score > 2 ? "," : "";
        const long long value = less_is_better ? -least[score] : least[score];
        used += any[score] ? snprintf(out + used, capacity - (size_t)used, "%s%lld", comma, value)
                           : snprintf(out + used, capacity - (size_t)used, "%snull", comma);
    }
    return used;
}

static void thresholds_are_those_of_sorted_values(void **state) {
    (void)state;
    static struct many many;
    struct shop shop;
    for (unsigned round = 0; round < 12; round++) {
        char want[512], r[128], f[128], m[128];
        open_many(&shop, &many, round % 4 == 0);
        (void)print_thresholds(many.r, true, r, sizeof r);
        (void)print_thresholds(many.f, false, f, sizeof f);
        (void)print_thresholds(many.m, false, m, sizeof m);
        (void)snprintf(want, sizeof want, "{r:[%s],f:[%s],m_minor:[%s]}", r, f, m);
        shop.kernels = round % 2 == 0 ? "auto" : "scalar";
        assert_string_equal(ask_part(&shop, "rfm.grid", "{'window':'all'}", "thresholds"), want);
        shop_close(&shop);
    }
}

int main(void) {
    seed_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_are_those_of_sorted_values),
        cmocka_unit_test(quintiles_rank_by_strictly_worse),
        cmocka_unit_test(ties_share_a_score_and_skipped_scores_have_no_threshold),
        cmocka_unit_test(the_window_bounds_f_and_m_but_not_r),
        cmocka_unit_test(m_may_be_negative),
        cmocka_unit_test(cuts_are_at_or_better),
        cmocka_unit_test(the_mean_split_has_eight_names),
        cmocka_unit_test(a_mean_that_is_met_exactly_is_high),
        cmocka_unit_test(where_shows_and_population_ranks),
        cmocka_unit_test(a_cell_equals_its_drill_down),
        cmocka_unit_test(groups_come_in_the_order_of_the_map_with_empty_ones),
        cmocka_unit_test(before_everything_nobody_is_scored),
        cmocka_unit_test(an_unknown_map_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
