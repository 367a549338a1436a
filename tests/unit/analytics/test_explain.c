/* explain_plan: the steps that were taken, in their order, with what they read. */
#include "shop.h"

#include "analytics/run_private.h"

#define CUSTOMERS (2u * PAT_BLOCK_ROWS)

static uint64_t ticks;

/* Two full chunks of customers: the second half ordered more than the first. */
static void open_shop(struct shop *shop) {
    char id[24];
    shop_open(shop);
    for (uint32_t i = 0; i < CUSTOMERS; i++) {
        (void)snprintf(id, sizeof id, "%u", i);
        shop_customer(shop, id, i % 2 == 0 ? "BR" : "MX", "2024-01-01");
        shop_order(shop, id, id, day_of("2024-05-01") + (pat_day)(i % 9), i < PAT_BLOCK_ROWS ? 1000 + i % 50 : 9000);
    }
    shop_keep(shop);
}

static const char *plan_of(struct shop *shop, const char *method, const char *params) {
    const char *answer = ask(shop, method, params);
    const char *plan = strstr(answer, "plan:");
    if (plan == NULL) fail_msg("no plan in %.500s", answer);
    return plan;
}

static void expect_plan(struct shop *shop, const char *method, const char *params, const char *expected) {
    const char *plan = plan_of(shop, method, params);
    if (strncmp(plan, expected, strlen(expected)) != 0) fail_msg("%s\n%.700s\n%.700s", params, plan, expected);
}

static void steps_say_what_they_read(void **state) {
    (void)state;
    static struct shop shop;
    open_shop(&shop);
    assert_null(strstr(ask(&shop, "count", "{}"), "plan"));
    assert_null(strstr(ask(&shop, "count", "{'explain_plan':false}"), "plan"));
    /* Chunks remember that their rows had no dates at first, so that days and profiles are read: three bytes a row. */
    expect_plan(&shop, "count", "{'explain_plan':true}",
                "plan:[{step:'live',rows:8192,bytes:24576,us:0},{step:'finish',rows:0,bytes:0,us:0}]");
    /* Settled days are behind D everywhere, and nobody has so much. */
    expect_plan(&shop, "count", "{'explain_plan':true,'where':'net > 100'}",
                "plan:[{step:'live',rows:8192,bytes:24576,us:0},{step:'kept values',rows:8192,bytes:0,us:0},"
                "{step:'where',rows:8192,bytes:0,us:0},{step:'finish',rows:0,bytes:0,us:0}]");
    /* The first chunk is out of the question by its bounds; the second is read, one byte a row. */
    expect_plan(&shop, "count", "{'explain_plan':true,'where':'net > 80'}",
                "plan:[{step:'live',rows:8192,bytes:24576,us:0},{step:'kept values',rows:8192,bytes:0,us:0},"
                "{step:'where',rows:8192,bytes:4096,us:0},");
    expect_plan(&shop, "group", "{'explain_plan':true,'by':['country'],'metrics':['count','p50(net)']}",
                "plan:[{step:'live',rows:8192,bytes:24576,us:0},{step:'kept values',rows:8192,bytes:0,us:0},"
                "{step:'group by place',rows:8192,");
    expect_plan(&shop, "rows", "{'explain_plan':true,'fields':['net'],'order_by':['-net'],'as_of':'2024-05-04'}",
                "plan:[{step:'live',rows:8192,bytes:24576,us:0},{step:'kept values do not hold',rows:8192,");
    assert_non_null(strstr(shop.text, "{step:'facts',rows:8192,"));
    assert_non_null(strstr(shop.text, "{step:'top',rows:8192,"));
    assert_non_null(strstr(plan_of(&shop, "rfm.grid", "{'explain_plan':true}"), "{step:'scores',rows:8192,"));
    shop_close(&shop);
}

static uint64_t tick(void) {
    return ticks += 1500;
}

static void a_clock_tells_the_time_of_each_step(void **state) {
    (void)state;
    static struct shop shop;
    open_shop(&shop);
    shop.clock_cb = tick;
    expect_plan(&shop, "count", "{'explain_plan':true}",
                "plan:[{step:'live',rows:8192,bytes:24576,us:1.5},{step:'finish',rows:0,bytes:0,us:1.5}]");
    shop_close(&shop);
}

static void it_is_true_or_false(void **state) {
    (void)state;
    static struct shop shop;
    shop_open(&shop);
    assert_non_null(strstr(ask(&shop, "count", "{'explain_plan':1}"), "BAD_REQUEST: parameter \"explain_plan\""));
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_say_what_they_read),
        cmocka_unit_test(a_clock_tells_the_time_of_each_step),
        cmocka_unit_test(it_is_true_or_false),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
