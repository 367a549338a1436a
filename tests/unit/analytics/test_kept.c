/* What ingest keeps, read where it lies, against the same facts computed: questions that name the life cycle have them
 * computed, and one that lets every stage pass changes nothing else. */
#include "shop.h"

#include "analytics/run_private.h"

#define CUSTOMERS 9500u
#define ORDERS    30000u
#define EVERY     "lifecycle in (`prospect`,`new`,`returned`,`active`,`sleeping`,`lost`)"

/* Some have no profile, no orders or no price; some are withdrawn; a few days at the end are only some customers'. */
static void open_shop(struct shop *shop) {
    static const char *const country[] = {"BR", "MX", "DE", "FR", "JP", "GB", "US"};
    char id[24], customer[24];
    const pat_day start = day_of("2023-01-01");
    shop_open(shop);
    for (uint32_t i = 0; i < CUSTOMERS; i++) {
        (void)snprintf(id, sizeof id, "%u", i);
        if (i % 11 == 0 && i > PAT_BLOCK_ROWS) continue;
        const pat_row row = shop_customer(shop, id, i % 5 == 0 && i > PAT_BLOCK_ROWS ? NULL : country[i % 7], NULL);
        if (i % 13 != 0) shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_CREATED, start + (pat_day)(i % 600));
        if (i % 97 == 0 && i > PAT_BLOCK_ROWS) shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_DELETED, 1);
    }
    for (uint32_t i = 0; i < ORDERS; i++) {
        const uint32_t mixed = i * 2654435761u;
        pat_day day = start + (pat_day)(mixed >> 8) % 700;
        if (i % 1000 == 0) day = day_of("2024-12-20") + (pat_day)(i / 1000) % 8;
        (void)snprintf(id, sizeof id, "%u", i);
        (void)snprintf(customer, sizeof customer, "%u", (mixed >> 4) % CUSTOMERS);
        const pat_row row = shop_order(shop, id, customer, day, mixed % 9973);
        shop_text(shop, PAT_ORDERS, row, PAT_ORDER_COUNTRY, country[mixed % 7]);
        if (i % 31 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CANCELLED, day + 30);
        if (i % 501 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_BASE, PAT_NULL);
        if (i % 5 != 0) continue;
        char refund[24];
        (void)snprintf(refund, sizeof refund, "r%u", i);
        shop_refund(shop, refund, customer, id, day + 5, mixed % 5001);
    }
    shop_keep(shop);
}

static const struct {
    const char *method, *params; /* with %s for what goes into the filter */
} questions[] = {
    {"count", "{'where':'%s'}"},
    {"count", "{'where':'%s and country in (`BR`,`MX`) and net >= 20 and last_order >= `2024-03-01`'}"},
    {"count", "{'where':'%s and not (orders > 2 or recency_days between 30 and 300)'}"},
    {"count", "{'where':'%s and net = 0 and first_order is null'}"},
    {"count", "{'where':'%s and orders <> 2 and net in (0, 12.5, 13) or net < -10'}"},
    {"group", "{'where':'%s','by':[],'metrics':['count','sum(net)','avg(net)','min(net)','max(net)','sum(orders)',"
              "'avg(recency_days)','max(last_order)','min(first_order)','p50(net)']}"},
    {"group", "{'where':'%s and net > 90','by':[],'metrics':['count','sum(net)','avg(orders)','sum(recency_days)']}"},
    {"group",
     "{'where':'%s','by':['country'],'metrics':['count','avg(net)','p50(net)','p95(net)','p5(recency_days)']}"},
    {"group", "{'where':'%s','by':['country','orders'],'metrics':['count','sum(net)','p99(net)'],'limit':9}"},
    {"group", "{'where':'%s','by':['month(last_order)'],'metrics':['count','sum(net)','p10(orders)']}"},
    {"group", "{'where':'%s','by':['bin(net,[0,10,50])','country'],'metrics':['count','p90(net)','p50(orders)']}"},
    {"rows", "{'where':'%s','fields':['customer','net'],'order_by':['-net'],'limit':100}"},
    {"rows", "{'where':'%s','fields':['customer','orders','net'],'order_by':['orders','-net'],'limit':30}"},
    {"rows", "{'where':'%s','fields':['customer','last_order'],'order_by':['-last_order','country'],'limit':300}"},
    {"rows", "{'where':'%s','fields':['customer','recency_days'],'order_by':['recency_days'],'limit':20}"},
    {"rows", "{'where':'%s','fields':['customer','country','net'],'order_by':['country','customer'],'limit':40}"},
};

static const char *const days[] = {"2024-12-31", "2024-12-23", "2024-12-19", "2024-03-01", "2023-01-05", "2022-06-01"};

static void ask_with(struct shop *shop, size_t question, const char *filter, char *out, size_t capacity) {
    char params[1024];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(params, sizeof params, questions[question].params, filter);
#pragma GCC diagnostic pop
    (void)snprintf(out, capacity, "%s", ask(shop, questions[question].method, params));
    if (out[0] != '{') fail_msg("%s: %.300s", params, out);
}

static void kept_values_answer_as_facts_do(void **state) {
    (void)state;
    static char kept[sizeof((struct shop){0}.text)], computed[sizeof kept];
    static struct shop shop;
    open_shop(&shop);
    for (size_t d = 0; d < sizeof days / sizeof *days; d++) {
        shop.today = day_of(days[d]);
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
            ask_with(&shop, i, "true", kept, sizeof kept);
            ask_with(&shop, i, EVERY, computed, sizeof computed);
            if (strcmp(kept, computed) != 0)
                fail_msg("%s, %s\n%.2000s\n%.2000s", days[d], questions[i].params, kept, computed);
        }
    }
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_values_answer_as_facts_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
