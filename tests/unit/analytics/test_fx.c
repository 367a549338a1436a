/* Exchange rates in questions: what fx says, rows of the table, money of other currencies in filters. */
#include "shop.h"

static void shop_rate(struct shop *shop, const char *day, const char *currency, const char *rate, const char *per) {
    struct pat_table *fx = &shop->store->table[PAT_FX];
    int64_t values[PAT_FX_COLUMNS] = {
        [PAT_FX_DAY] = day_of(day), [PAT_FX_VERSION] = PAT_NULL, [PAT_FX_DELETED] = PAT_NULL};
    values[PAT_FX_CURRENCY] = pat_dict_add(fx->dict[PAT_FX_CURRENCY], pat_text_of(currency));
    values[PAT_FX_PER] = pat_dict_add(fx->dict[PAT_FX_PER], pat_text_of(per));
    assert_true(pat_decimal_parse(pat_text_of(rate), false, &values[PAT_FX_RATE]));
    (void)pat_table_add(shop->store, PAT_FX, values);
}

static pat_row order_in(struct shop *shop, const char *id, const char *day, const char *currency, int64_t base) {
    const pat_row row = shop_order(shop, id, "1", day_of(day), 10000);
    shop_text(shop, PAT_ORDERS, row, PAT_ORDER_CURRENCY, currency);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_BASE, base);
    return row;
}

static void open_shop(struct shop *shop) {
    shop_open(shop);
    shop_rate(shop, "2024-03-01", "EUR", "0.8", "unit");
    shop_rate(shop, "2024-01-01", "EUR", "0.9", "unit");
    shop_rate(shop, "2024-06-01", "JPY", "200", "base");
    shop_rate(shop, "2024-04-10", "EUR", "0.85", "unit");
    (void)order_in(shop, "10", "2024-02-01", "EUR", 9000);
    (void)order_in(shop, "11", "2024-05-01", "JPY", PAT_NULL);
    (void)order_in(shop, "12", "2024-08-01", "EUR", 8500);
    (void)order_in(shop, "13", "2024-05-01", "USD", PAT_NULL);
    shop_keep(shop);
}

static void fx_tells_rates_gaps_and_facts_without(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(
        ask_part(&shop, "fx", "{'as_of':'2024-12-31'}", "currencies"),
        "[{currency:'EUR',rates:3,first:'2024-01-01',last:'2024-04-10',latest:'0.85',per:'unit',gaps:[{from:'2024-01-"
        "01',"
        "to:'2024-03-01',days:60},{from:'2024-04-10',to:'2024-08-01',days:113}],unpriced:0},{currency:'JPY',rates:1,"
        "first:'2024-06-01',last:'2024-06-01',latest:'200',per:'base',gaps:[],unpriced:1},{currency:'USD',rates:0,"
        "first:null,"
        "last:null,gaps:[],unpriced:1}]");
    assert_string_equal(ask_part(&shop, "fx", "{}", "unpriced"), "2");
    assert_string_equal(
        ask_part(&shop, "fx", "{'as_of':'2024-12-31'}", "warnings"),
        "['EUR: no rate between 2024-01-01 and 2024-03-01 (60 days)','EUR: no rate between 2024-04-10 and "
        "2024-08-01 (113 days)']");
    assert_string_equal(ask_part(&shop, "fx", "{'as_of':'2024-01-31'}", "currencies"),
                        "[{currency:'EUR',rates:1,first:'2024-01-01',last:'2024-01-01',latest:'0.9',per:'unit',gaps:[],"
                        "unpriced:0}]");
    shop_close(&shop);
}

static void rates_are_rows(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask_part(&shop, "rows",
                                 "{'from':'fx','fields':['day','currency','rate','per'],'where':'rate < 100',"
                                 "'as_of':'2024-03-31'}",
                                 "rows"),
                        "[['2024-01-01','EUR','0.9','unit'],['2024-03-01','EUR','0.8','unit']]");
    assert_string_equal(
        ask_part(&shop, "rows", "{'from':'fx','fields':['currency'],'order_by':['-day'],'limit':2}", "rows"),
        "[['JPY'],['EUR']]");
    shop_close(&shop);
}

static void counted(struct shop *shop, const char *where, const char *day, const char *count) {
    char params[256];
    (void)snprintf(params, sizeof params, "{'where':'%s','as_of':'%s'}", where, day);
    assert_string_equal(ask_part(shop, "count", params, "count"), count);
}

static void money_converts_at_the_day(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    counted(&shop, "net = 100 EUR", "2024-02-29", "1"); /* 90.00 */
    counted(&shop, "net = 112.5 EUR", "2024-03-01", "1");
    counted(&shop, "net < 112.51 EUR", "2024-03-01", "1");  /* 90.008, rounded to 90.01 */
    counted(&shop, "net < 112.505 EUR", "2024-03-01", "0"); /* 90.004, rounded to 90.00 */
    counted(&shop, "net = 35000 JPY", "2024-12-31", "1");
    counted(&shop, "net BETWEEN 34999 JPY AND 175 GBP", "2024-12-31", "1");
    assert_string_equal(
        ask(&shop, "count", "{'where':'net > 1 JPY','as_of':'2024-05-31'}"),
        "BAD_REQUEST: \"net\" cannot be compared with 1 JPY at offset 6: there is no exchange rate for JPY on "
        "or before 2024-05-31; load one (load.fx) or give the amount in GBP");
    counted(&shop, "net < 500000000000000 EUR", "2024-12-31", "1");
    shop_close(&shop);
}

static void lines_are_worth_the_rate_of_their_order(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    const char *const orders[] = {"10", "11", "12", "13"};
    for (size_t i = 0; i < 4; i++) (void)shop_line(&shop, orders[i], 1, "p", 2); /* 2 x 2.50 */
    assert_string_equal(ask_part(&shop, "rows", "{'from':'lines','fields':['order','net_minor','amount']}", "rows"),
                        "[['10',450,'5.00'],['11',null,'5'],['12',425,'5.00'],['13',null,'5.00']]");
    assert_string_equal(ask_part(&shop, "group", "{'from':'lines','by':[],'metrics':['sum(net)']}", "rows"), "[[875]]");
    assert_string_equal(ask(&shop, "group", "{'from':'fx','by':[]}"),
                        "BAD_REQUEST: parameter \"from\" of group: rates are not grouped: rows lists them, and the "
                        "method fx sums them up by "
                        "currency");
    assert_string_equal(ask(&shop, "rows", "{'from':'fx','fields':['customer.country']}"),
                        "UNKNOWN_FIELD: unknown field \"customer.country\": schema lists the fields of fx");
    shop_close(&shop);
}

static void verify_recomputes_base_values(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop);
    assert_string_equal(ask_part(&shop, "verify", "{}", "ok"), "true");
    shop_rate(&shop, "2024-08-01", "EUR", "0.7", "unit");
    shop.store->counts.fx++;
    assert_string_equal(ask_part(&shop, "verify", "{}", "ok"), "false");
    assert_non_null(strstr(ask(&shop, "verify", "{}"),
                           "name:'orders.base',ok:false,rows:4,detail:'order 12 has 8500, its rate gives 7000'"));
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fx_tells_rates_gaps_and_facts_without),
        cmocka_unit_test(rates_are_rows),
        cmocka_unit_test(money_converts_at_the_day),
        cmocka_unit_test(lines_are_worth_the_rate_of_their_order),
        cmocka_unit_test(verify_recomputes_base_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
