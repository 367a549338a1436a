/* rows from every table, one customer, one order. */
#include "shop.h"

static void open_shop(struct shop *shop) {
    shop_open(shop);
    shop_customer(shop, "10", "BR", "2024-01-05");
    shop_customer(shop, "9", "MX", NULL);
    shop_customer(shop, "b", "BR", NULL);
    shop_customer(shop, "A", NULL, NULL);
    const pat_row order = shop_order(shop, "o1", "10", day_of("2024-03-01"), 1250);
    shop_text(shop, PAT_ORDERS, order, PAT_ORDER_CHANNEL, "web");
    shop_set(shop, PAT_ORDERS, order, PAT_ORDER_SHIPPING, 99);
    const pat_row yen = shop_order(shop, "o2", "9", day_of("2024-04-01"), 700);
    shop_text(shop, PAT_ORDERS, yen, PAT_ORDER_CURRENCY, "JPY");
    shop_set(shop, PAT_ORDERS, yen, PAT_ORDER_BASE, PAT_NULL);
    const pat_row cancelled = shop_order(shop, "7", "10", day_of("2024-05-01"), 300);
    shop_set(shop, PAT_ORDERS, cancelled, PAT_ORDER_CANCELLED, day_of("2024-06-01"));
    const pat_row withdrawn = shop_order(shop, "8", "10", day_of("2024-05-01"), 300);
    shop_set(shop, PAT_ORDERS, withdrawn, PAT_ORDER_DELETED, 1);
    shop_refund(shop, "r1", "10", "o1", day_of("2024-03-10"), 250);
    shop_line(shop, "o1", 1, "cup", 3);
    shop_line(shop, "o1", 2, "pot", 2);
    shop_line(shop, "7", 1, "cup", 1);
    shop_keep(shop);
}

static void rows_of_customers_end_on_the_id(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask(&shop, "rows", "{'fields':['customer','country','created','net'],'as_of':'latest'}"),
        "{columns:['customer','country','created','net'],money:{currency:'GBP',digits:2,columns:['net']},"
        "rows:[['9','MX',null,0],['10','BR','2024-01-05',1300],['A',null,null,0],['b','BR',null,0]],count:4,"
        "as_of:'2024-05-01',unpriced:1}");
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['customer'],'order_by':['country']}", "rows"),
                        "[['10'],['b'],['9'],['A']]");
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['customer'],'order_by':['-country','-customer']}", "rows"),
                        "[['9'],['b'],['10'],['A']]");
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['customer'],'order_by':['-net'],'limit':1}", "rows"),
                        "[['10']]");
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['customer'],'order_by':['-net'],'limit':1}", "count"), "4");
    assert_string_equal(ask(&shop, "rows", "{'fields':['customer'],'order_by':['nett']}"),
                        "UNKNOWN_FIELD: unknown field \"nett\", did you mean \"net\"?");
    shop_close(&shop);
}

static void facts_are_rows_of_their_own(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask(&shop, "rows",
            "{'from':'orders','fields':['order','customer','time','amount','amount_minor','currency','net','cancelled',"
            "'test'],"
            "'as_of':'latest'}"),
        "{columns:['order','customer','time','amount','amount_minor','currency','net','cancelled','test'],"
        "money:{currency:'GBP',digits:2,columns:['net']},"
        "rows:[['7','10','2024-05-01T12:00:00Z','3.00',300,'GBP',300,null,false],"
        "['o1','10','2024-03-01T12:00:00Z','12.50',1250,'GBP',1250,null,false],"
        "['o2','9','2024-04-01T12:00:00Z','700',700,'JPY',null,null,false]],count:3,as_of:'2024-05-01',unpriced:1}");
    assert_string_equal(ask_part(&shop, "rows",
                                 "{'from':'orders','fields':['order','cancelled'],'where':'customer = 10 AND net < 5'}",
                                 "rows"),
                        "[['7','2024-06-01']]");
    assert_string_equal(
        ask_part(
            &shop, "rows",
            "{'from':'orders','fields':['order'],'where':'time >= `2024-04-01` AND time < `2024-05-01T12:00:00Z`'}",
            "rows"),
        "[['o2']]");
    assert_string_equal(ask_part(&shop, "rows",
                                 "{'from':'orders','fields':['order'],'where':'channel = web','as_of':'2024-02-28'}",
                                 "rows"),
                        "[]");
    assert_string_equal(
        ask_part(&shop, "rows", "{'from':'refunds','fields':['refund','order','customer','day','amount']}", "rows"),
        "[['r1','o1','10','2024-03-10','2.50']]");
    assert_string_equal(
        ask_part(&shop, "rows",
                 "{'from':'lines','fields':['order','line','customer','product','quantity','price','currency','day']}",
                 "rows"),
        "[['7',1,'10','cup','1','2.5','GBP','2024-05-01'],['o1',1,'10','cup','3','2.5','GBP','2024-03-01'],"
        "['o1',2,'10','pot','2','2.5','GBP','2024-03-01']]");
    assert_string_equal(ask_part(&shop, "rows",
                                 "{'from':'lines','fields':['product'],'where':'quantity > 1.5 AND product <> pot'}",
                                 "rows"),
                        "[['cup']]");
    assert_string_equal(
        ask(&shop, "rows", "{'from':'orders','fields':['order'],'where':'amount > 5'}"),
        "BAD_REQUEST: \"amount\" cannot be compared with 5 at offset 9: it is in each row's own currency; use net, "
        "which is in the base currency");
    assert_string_equal(ask(&shop, "rows", "{'from':'orders','fields':['orders']}"),
                        "UNKNOWN_FIELD: unknown field \"orders\" of orders, did you mean \"customer.orders\"?");
    shop_close(&shop);
}

static void a_customer_comes_with_what_was_asked_for(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask(&shop, "customer", "{'customer':10,'as_of':'2024-05-01','with':['orders','refunds','lines']}"),
        "{customer:'10',created:'2024-01-05',country:'BR',orders:2,net_minor:1300,currency:'GBP',digits:2,"
        "first_order:'2024-03-01',last_order:'2024-05-01',recency_days:0,lifecycle:'active',rfm:{r:3,f:3,m:3,group:'"
        "potential_loyalist'},clv:null,"
        "facts:{orders:[{order:'7',time:'2024-05-01T12:00:00Z',amount_minor:300,currency:'GBP',digits:2,net_minor:300,"
        "eligible:true},{order:'o1',time:'2024-03-01T12:00:00Z',amount_minor:1250,currency:'GBP',channel:'web',"
        "shipping_minor:99,digits:2,net_minor:1250,eligible:true}],"
        "refunds:[{refund:'r1',order:'o1',time:'2024-03-10T12:00:00Z',amount_minor:250,currency:'GBP',digits:2,net_"
        "minor:250,"
        "counts:true}],"
        "lines:[{order:'7',line:1,product:'cup',quantity:'1',price:'2.5'},{order:'o1',line:1,product:'cup',quantity:'3'"
        ","
        "price:'2.5'},{order:'o1',line:2,product:'pot',quantity:'2',price:'2.5'}]},as_of:'2024-05-01'}");
    assert_string_equal(ask_part(&shop, "customer", "{'customer':'A'}", "rfm"), "{r:null,f:null,m:null,group:null}");
    assert_string_equal(ask_part(&shop, "customer", "{'customer':'A'}", "recency_days"), "null");
    assert_string_equal(ask_part(&shop, "customer", "{'customer':10,'with':['lines'],'limit':1}", "facts"),
                        "{lines:[{order:'7',line:1,product:'cup',quantity:'1',price:'2.5'}]}");
    assert_string_equal(ask(&shop, "customer", "{'customer':10,'as_of':'2024-01-04'}"),
                        "NOT_FOUND: no customer \"10\" as of 2024-01-04");
    assert_string_equal(ask(&shop, "customer", "{'customer':'nobody'}"),
                        "NOT_FOUND: no customer \"nobody\" as of 2024-12-31");
    shop_close(&shop);
}

static void an_order_is_known_from_its_day(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask(&shop, "order", "{'order':7,'with':['lines','refunds'],'as_of':'2024-06-02'}"),
                        "{order:'7',customer:'10',time:'2024-05-01T12:00:00Z',amount_minor:300,currency:'GBP',"
                        "cancelled:'2024-06-01',digits:2,"
                        "net_minor:300,eligible:false,facts:{lines:[{order:'7',line:1,product:'cup',quantity:'1',price:"
                        "'2.5'}],refunds:[]},"
                        "as_of:'2024-06-02'}");
    assert_string_equal(ask(&shop, "order", "{'order':7,'as_of':'2024-04-30'}"),
                        "NOT_FOUND: no order \"7\" as of 2024-04-30");
    assert_string_equal(ask(&shop, "order", "{'order':8}"), "NOT_FOUND: no order \"8\" as of 2024-12-31");
    const pat_row negative = shop_row(&shop, PAT_ORDERS, "o2");
    shop_set(&shop, PAT_ORDERS, negative, PAT_ORDER_STATE, PAT_ORDER_NEGATIVE);
    assert_string_equal(ask(&shop, "order", "{'order':'o2','as_of':'2024-04-01'}"),
                        "{order:'o2',customer:'9',time:'2024-04-01T12:00:00Z',refund:'o2',as_of:'2024-04-01'}");
    shop_close(&shop);
}

static void verify_finds_what_does_not_agree(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask_part(&shop, "verify", "{}", "ok"), "true");
    shop_set(&shop, PAT_CUSTOMERS, shop_row(&shop, PAT_CUSTOMERS, "10"), PAT_CUSTOMER_NET, 999);
    assert_string_equal(ask_part(&shop, "verify", "{}", "ok"), "false");
    assert_non_null(strstr(ask(&shop, "verify", "{}"),
                           "{name:'customers.net',ok:false,rows:4,detail:'customer 10 has 999, its facts give 1000',"
                           "wrong:1,ordinals:["));
    shop_keep(&shop);
    shop.store->counts.lines++;
    assert_non_null(
        strstr(ask(&shop, "verify", "{}"), "{name:'counts.lines',ok:false,rows:3,detail:'kept 4, the rows give 3'}"));
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_customers_end_on_the_id),          cmocka_unit_test(facts_are_rows_of_their_own),
        cmocka_unit_test(a_customer_comes_with_what_was_asked_for), cmocka_unit_test(an_order_is_known_from_its_day),
        cmocka_unit_test(verify_finds_what_does_not_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
