/* Attributes in questions: filters, groups, rows, one customer, one order. */
#include "shop.h"

static unsigned add_attribute(struct shop *shop, enum pat_table_id table, const char *word, enum pat_type type) {
    struct pat_attribute attribute = {.table = table, .type = type};
    assert_true(pat_attribute_set_name(&attribute, pat_text_of(word)));
    pat_store_add_attribute(shop->store, &attribute);
    return shop->store->table[table].schema->columns - 1;
}

static void open_shop(struct shop *shop) {
    shop_open(shop);
    const pat_row ann = shop_customer(shop, "ann", "BR", NULL), bob = shop_customer(shop, "bob", "MX", NULL);
    shop_customer(shop, "cid", NULL, NULL);
    const unsigned tier = add_attribute(shop, PAT_CUSTOMERS, "tier", PAT_TYPE_TEXT);
    const unsigned likes = add_attribute(shop, PAT_CUSTOMERS, "likes", PAT_TYPE_SET);
    const unsigned wallet = add_attribute(shop, PAT_CUSTOMERS, "wallet", PAT_TYPE_MONEY);
    const unsigned vip = add_attribute(shop, PAT_CUSTOMERS, "vip", PAT_TYPE_BOOL);
    const unsigned since = add_attribute(shop, PAT_CUSTOMERS, "since", PAT_TYPE_DAY);
    const unsigned seen = add_attribute(shop, PAT_CUSTOMERS, "seen", PAT_TYPE_TIME);
    const unsigned ratio = add_attribute(shop, PAT_CUSTOMERS, "ratio", PAT_TYPE_DECIMAL);
    pat_decimal half, three;
    assert_true(pat_decimal_make(5, 1, &half));
    assert_true(pat_decimal_make(3, 0, &three));
    shop_set(shop, PAT_CUSTOMERS, ann, ratio, half);
    shop_set(shop, PAT_CUSTOMERS, bob, ratio, three);
    shop_set(shop, PAT_CUSTOMERS, bob, seen, 86400);
    shop_set(shop, PAT_CUSTOMERS, ann, seen, 90000);
    shop_text(shop, PAT_CUSTOMERS, ann, tier, "gold");
    shop_text(shop, PAT_CUSTOMERS, bob, tier, "tin");
    shop_text(shop, PAT_CUSTOMERS, ann, likes, "cups\x1fpots");
    shop_set(shop, PAT_CUSTOMERS, ann, wallet, 1250);
    shop_set(shop, PAT_CUSTOMERS, bob, wallet, 99);
    shop_set(shop, PAT_CUSTOMERS, bob, vip, 0);
    shop_set(shop, PAT_CUSTOMERS, ann, since, day_of("2024-02-03"));
    const pat_row order = shop_order(shop, "o1", "ann", day_of("2024-03-01"), 1250);
    shop_text(shop, PAT_ORDERS, order, PAT_ORDER_CURRENCY, "KWD");
    const unsigned gift = add_attribute(shop, PAT_ORDERS, "gift", PAT_TYPE_TEXT);
    shop_text(shop, PAT_ORDERS, order, gift, "card");
    shop_set(shop, PAT_ORDERS, order, add_attribute(shop, PAT_ORDERS, "fee", PAT_TYPE_MONEY), 1500);
    shop_keep(shop);
}

static void filters_know_them(void **state) {
    (void)state;
    static const struct {
        const char *filter, *count;
    } cases[] = {
        {"attr.tier = `gold`", "1"},
        {"attr.tier <> `gold`", "1"},
        {"attr.tier IN (gold, tin)", "2"},
        {"attr.tier IS NULL", "1"},
        {"attr.likes HAS `pots`", "1"},
        {"NOT attr.likes HAS `pots`", "2"},
        {"attr.wallet >= 12.50", "1"},
        {"attr.wallet < 1 GBP", "1"},
        {"attr.wallet_minor BETWEEN 99 AND 1250", "2"},
        {"attr.vip = false", "1"},
        {"attr.vip IS NULL", "2"},
        {"attr.since = `2024-02-03`", "1"},
        {"attr.since > -365d OR attr.vip = false", "2"},
    };
    struct shop shop;
    open_shop(&shop);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char params[200];
        (void)snprintf(params, sizeof params, "{'where':'%s'}", cases[i].filter);
        const char *got = ask_part(&shop, "count", params, "count");
        if (strcmp(got, cases[i].count) != 0) fail_msg("%s: %s instead of %s", cases[i].filter, got, cases[i].count);
    }
    assert_string_equal(ask(&shop, "count", "{'where':'attr.teir = 1'}"),
                        "UNKNOWN_FIELD: unknown field \"attr.teir\" at offset 0, did you mean \"attr.tier\"?");
    const char *ahead = ask_part(&shop, "count", "{'where':'last_order < 90d AND attr.since < 90d'}", "warnings");
    assert_non_null(strstr(ahead, "last_order: 90d is a day after the one asked for; days before it are written -90d"));
    assert_null(strstr(ahead, "attr.since"));
    const char *before = ask_part(&shop, "count", "{'where':'last_order < -90d AND last_order < 0d'}", "warnings");
    assert_null(strstr(before, "last_order"));
    assert_string_equal(ask_part(&shop, "count", "{'where':'attr.tier = gold','as_of':'2024-04-01'}", "undated"),
                        "['attr.tier']");
    shop_close(&shop);
}

static void groups_and_rows_know_them(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask_part(&shop, "group", "{'by':['attr.tier'],'metrics':['count','sum(attr.wallet)']}", "rows"),
                        "[['gold',1,1250],['tin',1,99],[null,1,0]]");
    assert_string_equal(
        ask_part(&shop, "group", "{'by':['attr.tier'],'metrics':['count','sum(attr.wallet)']}", "money"),
        "{currency:'GBP',digits:2,columns:['sum(attr.wallet)']}");
    assert_string_equal(ask_part(&shop, "group", "{'by':['month(attr.since)'],'metrics':['max(attr.since)']}", "rows"),
                        "[['2024-02','2024-02-03'],[null,null]]");
    assert_string_equal(
        ask_part(&shop, "group", "{'by':['month(attr.seen)'],'metrics':['min(attr.seen)','p100(attr.seen)']}", "rows"),
        "[['1970-01','1970-01-02T00:00:00Z','1970-01-02T01:00:00Z'],[null,null,null]]");
    assert_string_equal(
        ask_part(&shop, "group", "{'by':[],'metrics':['sum(attr.ratio)','avg(attr.ratio)','max(attr.ratio)']}", "rows"),
        "[['3.5',1.75,'3']]");
    assert_string_equal(
        ask_part(&shop, "group",
                 "{'from':'orders','by':['attr.gift','customer.attr.tier'],'metrics':['sum(attr.fee)']}", "rows"),
        "[['card','gold','1.500']]");
    assert_string_equal(ask_part(&shop, "group", "{'by':['bin(attr.wallet,[1,10])'],'metrics':['count']}", "rows"),
                        "[['< 1',1],['>= 10',1],[null,1]]");
    /* The word of 0.5 is greater than that of 3. */
    assert_string_equal(ask_part(&shop, "group",
                                 "{'by':['bin(attr.ratio,[0.25,0.5,2.75])'],'metrics':['count'],'order_by':'count'}",
                                 "rows"),
                        "[['0.5 to < 2.75',1],['>= 2.75',1],[null,1]]");
    assert_string_equal(ask(&shop, "group", "{'by':['bin(attr.ratio,[3,0.5])'],'metrics':['count']}"),
                        "BAD_REQUEST: \"bin(attr.ratio,[3,0.5])\": the edges of a bin must rise");
    assert_string_equal(
        ask_part(&shop, "group", "{'by':['month(attr.since)'],'metrics':['count'],'order_by':'count'}", "rows"),
        "[['2024-02',1],[null,2]]");
    assert_string_equal(
        ask_part(&shop, "rows",
                 "{'fields':['customer','attr.wallet','attr.likes','attr.vip'],'order_by':['-attr.wallet']}", "rows"),
        "[['ann',1250,['cups','pots'],null],['bob',99,null,false],['cid',null,null,null]]");
    assert_string_equal(ask_part(&shop, "rows",
                                 "{'from':'orders','fields':['order','attr.gift','attr.fee','attr.fee_minor'],"
                                 "'where':'attr.gift = card'}",
                                 "rows"),
                        "[['o1','card','1.500',1500]]");
    shop_close(&shop);
}

static void one_customer_and_one_order_have_them(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    const char *customer = ask(&shop, "customer", "{'customer':'ann','with':['orders']}");
    assert_non_null(strstr(customer, "attr.tier:'gold',attr.likes:['cups','pots'],attr.wallet_minor:1250,attr.since:'"
                                     "2024-02-03',attr.seen:'1970-01-02T01:00:00Z',attr.ratio:'0.5'"));
    assert_non_null(strstr(customer, "attr.gift:'card',attr.fee_minor:1500,digits:3"));
    assert_null(strstr(customer, "attr.vip"));
    assert_non_null(strstr(ask(&shop, "order", "{'order':'o1'}"), "attr.gift:'card',attr.fee_minor:1500,digits:3"));
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_know_them),
        cmocka_unit_test(groups_and_rows_know_them),
        cmocka_unit_test(one_customer_and_one_order_have_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
