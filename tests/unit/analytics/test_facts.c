/* The ways to the same facts (kept aggregates, chains, runs, one pass over the tables) give the same answers at any
 * day, with any kernel table. The seed is printed; PATRON_SEED replays. */
#include "../random.h"
#include "shop.h"

#define CUSTOMERS 300
#define ORDERS    5000

static bool all_priced; /* windows with facts that have no price are not kept */

/* In a currency without rates. */
static void shop_unpriced(struct shop *shop, pat_row order) {
    shop_text(shop, PAT_ORDERS, order, PAT_ORDER_CURRENCY, "USD");
    shop_set(shop, PAT_ORDERS, order, PAT_ORDER_BASE, PAT_NULL);
}

static void random_order(struct shop *shop, int i) {
    char id[16], customer[16];
    (void)snprintf(id, sizeof id, "%d", i);
    (void)snprintf(customer, sizeof customer, next() % 2 == 0 ? "%d" : "c%d", (int)(next() % CUSTOMERS));
    const pat_day day = day_of("2022-01-01") + (pat_day)(next() % 1000);
    const pat_row row = shop_order(shop, id, customer, day, (int64_t)(next() % 10000) - 500);
    if (next() % 10 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CANCELLED, day + (pat_day)(next() % 400));
    if (next() % 10 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_PAID_DAY, day + (pat_day)(next() % 40) - 5);
    if (next() % 40 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_TEST, 1);
    if (next() % 40 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_DELETED, 1);
    if (next() % 40 == 0 && !all_priced) shop_unpriced(shop, row);
    if (next() % 5 != 0) return;
    char refund[16];
    (void)snprintf(refund, sizeof refund, "r%d", i);
    const pat_row back = shop_refund(shop, refund, customer, next() % 4 != 0 ? id : NULL,
                                     day + (pat_day)(next() % 300) - 20, (int64_t)(next() % 3000));
    if (next() % 20 == 0) shop_set(shop, PAT_REFUNDS, back, PAT_REFUND_DELETED, 1);
}

/* With many customers that are quiet, so that a few open ones are worth their chains. */
static void open_with(struct shop *shop, int orders, int quiet) {
    shop_open(shop);
    for (int i = 0; i < orders; i++) random_order(shop, i);
    for (int i = 0; i < quiet; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "q%d", i);
        shop_customer(shop, id, NULL, NULL);
    }
    shop_keep(shop);
}

static void open_random(struct shop *shop) {
    open_with(shop, ORDERS, 20 * CUSTOMERS);
}

static uint64_t digest(const char *text) {
    uint64_t hash = UINT64_C(1469598103934665603);
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t answers(struct shop *shop, const char *day, const char *window) {
    char params[512];
    (void)snprintf(params, sizeof params, "{'as_of':'%s','window':'%s'}", day, window);
    uint64_t hash = digest(ask(shop, "rfm.grid", params));
    (void)snprintf(params, sizeof params,
                   "{'as_of':'%s','rfm':{'window':'%s'},'fields':['customer','orders','net','first_order','last_order',"
                   "'r','f','m'],"
                   "'where':'orders >= 1','limit':400}",
                   day, window);
    hash ^= digest(ask(shop, "rows", params)) * 3;
    static const char *const cycles[] = {"'cuts':[90,365]", "'cuts':[10,600]", "'gaps':[1,3]", "'gaps':[0.25,40]"};
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(params, sizeof params,
                       "{'as_of':'%s','fields':['customer','lifecycle'],'where':'orders >= 2','limit':400,"
                       "'lifecycle':{%s}}",
                       day, cycles[i]);
        hash ^= digest(ask(shop, "rows", params)) * (7 + 2 * i);
    }
    (void)snprintf(params, sizeof params,
                   "{'as_of':'%s','rfm':{'window':'%s'},'by':['m','f'],'metrics':['count','sum(net)','p50(net)']}", day,
                   window);
    hash ^= digest(ask(shop, "group", params)) * 5;
    static const char *const metrics[] = {"customers", "orders", "net"};
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(params, sizeof params, "{'as_of':'%s','metric':'%s','periods':13}", day, metrics[i]);
        hash ^= digest(ask(shop, "cohort", params)) * (7 + 2 * i);
        (void)snprintf(params, sizeof params, "{'as_of':'%s','metric':'%s','where':'orders <> 7','start':'%s'}", day,
                       metrics[i], i == 1 ? "first_order" : "created");
        hash ^= digest(ask(shop, "cohort", params)) * (13 + 2 * i);
    }
    return hash;
}

/* No customer counts as settled: everything comes from the tables, or from chains when `one_in` is large. */
static void unsettle(struct shop *shop, unsigned one_in) {
    for (pat_row row = 0; row < shop->store->table[PAT_CUSTOMERS].rows; row++) {
        if (shop_get(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_FIRST_FACT) == PAT_NULL || next() % one_in != 0) continue;
        shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_SETTLED, PAT_DAY_MAX);
    }
}

static void every_way_to_the_facts_agrees(void **state) {
    (void)state;
    static const char *const windows[] = {"all", "365d", "30d", "1d"};
    static const char *const tables[] = {"scalar", "avx2", "avx512"};
    struct shop shop;
    open_random(&shop);
    assert_string_equal(ask_part(&shop, "verify", "{}", "ok"), "true");
    for (unsigned round = 0; round < 12; round++) {
        char day[11];
        pat_day_print(day_of("2021-12-30") + (pat_day)(next() % 1500), day);
        const char *window = windows[next() % 4];
        shop_keep(&shop);
        shop.kernels = "auto";
        const uint64_t want = answers(&shop, day, window);
        for (unsigned one_in = 1; one_in <= 64; one_in *= 8) {
            const char *table = tables[next() % 3];
            shop.kernels = pat_kernels_find(table) != NULL ? table : "scalar";
            unsettle(&shop, one_in);
            if (answers(&shop, day, window) != want)
                fail_msg("as of %s in %s, one in %u unsettled: answers differ", day, window, one_in);
            shop_keep(&shop);
        }
    }
    shop_close(&shop);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void mark(struct shop *shop, enum pat_table_id table, unsigned column, pat_row row) {
    const int64_t owner = shop_get(shop, table, row, column);
    if (owner != PAT_NULL) pat_store_mark_changed(shop->store, (pat_row)owner);
}

/* A chain's order is nobody's business, so everything may be chained anew. */
static void chain_anew(struct shop *shop, enum pat_table_id table, unsigned owner, unsigned next_column,
                       unsigned head) {
    for (pat_row row = 0; row < shop->store->table[PAT_CUSTOMERS].rows; row++) {
        shop_set(shop, PAT_CUSTOMERS, row, head, PAT_NULL);
    }
    for (pat_row row = 0; row < shop->store->table[table].rows; row++) {
        const int64_t of = shop_get(shop, table, row, owner);
        if (of == PAT_NULL) continue;
        shop_set(shop, table, row, next_column, shop_get(shop, PAT_CUSTOMERS, (pat_row)of, head));
        shop_set(shop, PAT_CUSTOMERS, (pat_row)of, head, row);
    }
}

/* Something about an order that may lie in a run. */
static void change_order(struct shop *shop) {
    static const int64_t amounts[] = {INT64_MAX, -INT64_MAX, INT32_MAX, INT32_MIN, (int64_t)INT32_MAX + 1, 0};
    const pat_row row = (pat_row)(next() % shop->store->table[PAT_ORDERS].rows);
    const int64_t day = shop_get(shop, PAT_ORDERS, row, PAT_ORDER_DAY);
    mark(shop, PAT_ORDERS, PAT_ORDER_CUSTOMER, row);
    switch (next() % 6) {
    case 0: shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CANCELLED, day + (int64_t)(next() % 400)); break;
    case 1: shop_set(shop, PAT_ORDERS, row, PAT_ORDER_BASE, amounts[next() % 6]); break;
    case 2: shop_set(shop, PAT_ORDERS, row, PAT_ORDER_DELETED, next() % 2 == 0 ? 1 : PAT_NULL); break;
    case 3: shop_set(shop, PAT_ORDERS, row, PAT_ORDER_DAY, day + (int64_t)(next() % 50) - 25); break;
    case 4: shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CUSTOMER, (int64_t)(next() % CUSTOMERS)); break;
    default: shop_set(shop, PAT_ORDERS, row, PAT_ORDER_TEST, next() % 2 == 0 ? 1 : PAT_NULL); break;
    }
    mark(shop, PAT_ORDERS, PAT_ORDER_CUSTOMER, row);
    /* Its refunds count or not with it, and they are anybody's. */
    int64_t refund = shop_get(shop, PAT_ORDERS, row, PAT_ORDER_REFUND_HEAD);
    for (; refund != PAT_NULL; refund = shop_get(shop, PAT_REFUNDS, (pat_row)refund, PAT_REFUND_ORDER_NEXT)) {
        mark(shop, PAT_REFUNDS, PAT_REFUND_CUSTOMER, (pat_row)refund);
    }
}

static void settle(struct shop *shop) {
    chain_anew(shop, PAT_ORDERS, PAT_ORDER_CUSTOMER, PAT_ORDER_NEXT, PAT_CUSTOMER_ORDER_HEAD);
    shop_keep(shop);
    /* Sums that leave 64 bits are ingest's to hold; here nothing is taken from the kept values. */
    unsettle(shop, 1);
}

/* Some customers one by one; by cuts, so that nobody is ranked for each. */
static uint64_t look_ups(struct shop *shop, const char *day, const char *window) {
    uint64_t hash = 0;
    for (unsigned i = 0; i < 8; i++) {
        char params[256];
        (void)snprintf(params, sizeof params,
                       "{'customer':'%u','as_of':'%s','rfm':{'window':'%s','cuts':{'r':[300,100,50,10],'f':[2,3,4,5],"
                       "'m_minor':[100,1000,5000,20000]}}}",
                       (unsigned)digest(day) % 97 + i * 41, day, window);
        hash = hash * 31 + digest(ask(shop, "customer", params));
    }
    return hash;
}

/* The answers of a random day and window through runs are those without any. */
static void compare_roads(struct shop *shop) {
    static const char *const windows[] = {"all", "365d", "30d", "1d"};
    static const char *const tables[] = {"scalar", "avx2", "avx512"};
    struct pat_runs *runs = &shop->store->runs;
    const uint32_t count = runs->count;
    char day[11];
    pat_day_print(day_of("2021-12-30") + (pat_day)(next() % 1500), day);
    const char *window = windows[next() % 4], *table = tables[next() % 3];
    shop->kernels = pat_kernels_find(table) != NULL ? table : "scalar";
    const uint64_t got = answers(shop, day, window), got_few = look_ups(shop, day, window);
    runs->count = 0;
    shop->kernels = "scalar";
    const uint64_t want = answers(shop, day, window), want_few = look_ups(shop, day, window);
    runs->count = count;
    if (got_few != want_few) fail_msg("as of %s in %s, %u runs: look-ups differ", day, window, count);
    if (got != want) fail_msg("as of %s in %s, %u runs, %s: answers differ", day, window, count, table);
}

static void compare_runs(bool far) {
    struct shop shop;
    int orders = ORDERS;
    open_random(&shop);
    for (unsigned i = 0; i < CUSTOMERS; i++) {
        const pat_row row = (pat_row)(next() % shop.store->table[PAT_CUSTOMERS].rows);
        shop_set(&shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_CREATED, day_of("2021-06-01") + (pat_day)(next() % 800));
    }
    /* With as many orders as customers a run has offsets. */
    for (unsigned i = next() % 3 == 0 ? 0 : 8000; i > 0; i--) random_order(&shop, orders++);
    /* Months before the others, which fit into a word without it; or in no run's 65,536 days. */
    const uint64_t old = next() % 3;
    if (old > 0) (void)shop_order(&shop, "old", "1", old == 1 ? PAT_DAY_MIN : day_of("2014-03-01"), 100);
    if (far) (void)shop_order(&shop, "far", "2", PAT_DAY_MAX, 100);
    settle(&shop);
    for (unsigned round = 0; round < 15; round++) {
        switch (next() % 4) {
        case 0: shop_run(&shop, shop.store->runs.count == PAT_RUNS_MAX || next() % 4 == 0); break;
        case 1:
            for (unsigned i = (unsigned)(next() % 20); i > 0; i--) change_order(&shop);
            break;
        case 2: /* more than the customers: a run with offsets */
            for (unsigned i = next() % 8 == 0 ? 8000 : (unsigned)(next() % 300); i > 0; i--)
                random_order(&shop, orders++);
            break;
        default: break;
        }
        settle(&shop);
        for (unsigned i = 0; i < 4; i++) compare_roads(&shop);
    }
    shop_close(&shop);
}

static void runs_say_what_the_tables_say(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        all_priced = i == 1; /* facts come with scores, then */
        compare_runs(false);
    }
    all_priced = false;
}

/* Days of a run end with the newest fact: all others are odd, then. */
static void so_do_runs_of_odd_facts_alone(void **state) {
    (void)state;
    compare_runs(true);
}

/* ---- kept windows ------------------------------------------------------------------------------------------------ */

static uint64_t scores_of_now(struct shop *shop, const char *window) {
    char params[256];
    (void)snprintf(params, sizeof params, "{'window':'%s'}", window);
    uint64_t hash = digest(ask(shop, "rfm.grid", params));
    hash ^= digest(ask(shop, "rfm.groups", params)) * 3;
    (void)snprintf(params, sizeof params, "{'rfm':{'window':'%s'},'fields':['customer','r','f','m'],'limit':400}",
                   window);
    return hash ^ digest(ask(shop, "rows", params)) * 5;
}

static void compare_kept(struct shop *shop, const char *window) {
    static const char *const tables[] = {"scalar", "avx2", "avx512"};
    const char *table = tables[next() % 3];
    shop->kernels = pat_kernels_find(table) != NULL ? table : "scalar";
    shop->keeps = true;
    const uint64_t got = scores_of_now(shop, window);
    shop->keeps = false;
    shop->kernels = "scalar";
    if (scores_of_now(shop, window) != got) {
        fail_msg("now in %s, %u runs, %s: what was kept says otherwise", window, shop->store->runs.count, table);
    }
}

/* Whatever comes between the questions: orders, changes of old ones, runs, another day. */
static void kept_windows_say_what_is_worked_out_anew(void **state) {
    (void)state;
    struct shop shop;
    int orders = ORDERS;
    open_random(&shop);
    for (unsigned i = 8000; i > 0; i--) random_order(&shop, orders++);
    settle(&shop);
    shop_run(&shop, true);
    for (unsigned round = 0; round < 60; round++) {
        shop.today = day_of("2023-05-01") + (pat_day)(round / 8);
        switch (next() % 6) {
        case 0: shop_run(&shop, shop.store->runs.count == PAT_RUNS_MAX || next() % 8 == 0); break;
        case 1:
            for (unsigned i = (unsigned)(next() % 20); i > 0; i--) change_order(&shop);
            break;
        case 2:
            for (unsigned i = next() % 8 == 0 ? 3000 : (unsigned)(next() % 300); i > 0; i--)
                random_order(&shop, orders++);
            break;
        case 3: random_order(&shop, orders++); break;
        default: break;
        }
        settle(&shop);
        static const char *const windows[] = {"all", "365d", "30d"};
        for (unsigned i = 0; i < 3; i++) compare_kept(&shop, windows[next() % 3]);
    }
    shop_forget(&shop);
    shop_close(&shop);
}

/* Another window each time, longer or shorter, of so few orders that what one has and the other has not is looked for
 * in the tables. */
static void windows_are_made_of_kept_ones_that_differ_by_few_facts(void **state) {
    (void)state;
    struct shop shop;
    int orders = 1000;
    all_priced = true;
    open_with(&shop, orders, 60 * CUSTOMERS);
    settle(&shop);
    shop_run(&shop, true);
    for (unsigned round = 0; round < 60; round++) {
        char window[16];
        shop.today = day_of("2024-05-01") + (pat_day)(round / 16);
        if (next() % 8 == 0) shop_run(&shop, shop.store->runs.count == PAT_RUNS_MAX || next() % 2 == 0);
        for (unsigned i = (unsigned)(next() % 8); i > 6; i--) change_order(&shop);
        for (unsigned i = (unsigned)(next() % 20); i > 0; i--) random_order(&shop, orders++);
        settle(&shop);
        (void)snprintf(window, sizeof window, next() % 8 == 0 ? "all" : "%ud", 1 + (unsigned)(next() % 900));
        compare_kept(&shop, window);
    }
    all_priced = false;
    shop_forget(&shop);
    shop_close(&shop);
}

/* ---- one customer ------------------------------------------------------------------------------------------------ */

/* The same members of the answer of `customer`, as `rows` would list them. */
static const char *as_row(struct shop *shop, const char *params) {
    static const char *const members[] = {"orders", "net_minor", "lifecycle"};
    static char row[256];
    char r[8], f[8], m[8], group[32];
    assert_int_equal(4, sscanf(ask_part(shop, "customer", params, "rfm"), "{r:%7[^,],f:%7[^,],m:%7[^,],group:%31[^}]}",
                               r, f, m, group));
    int used = snprintf(row, sizeof row, "[[%s,%s,%s,%s", r, f, m, group);
    for (unsigned i = 0; i < 3; i++) {
        const char *member = ask_part(shop, "customer", params, members[i]);
        used += snprintf(row + used, sizeof row - (size_t)used, ",%s", member);
    }
    (void)snprintf(row + used, sizeof row - (size_t)used, "]]");
    return row;
}

/* What `customer` says is what questions about everybody say, and what is known of the version changes nothing. */
static void compare_customer(struct shop *shop, const char *question) {
    char params[512], rows[640], want[2048];
    const int id = (int)(next() % CUSTOMERS);
    (void)snprintf(params, sizeof params, "{'customer':'%d',%s}", id, question);
    (void)snprintf(rows, sizeof rows,
                   "{'fields':['r','f','m','rfm_group','orders','net','lifecycle'],'where':'customer = %d',%s}", id,
                   question);
    (void)snprintf(want, sizeof want, "%.2000s", ask(shop, "customer", params));
    assert_int_equal(PAT_OK, pat_known_open(&shop->known));
    for (unsigned again = 0; again < 3; again++) assert_string_equal(ask(shop, "customer", params), want);
    pat_known_close(&shop->known);
    if (strncmp(want, "NOT_FOUND", 9) != 0) {
        (void)snprintf(want, sizeof want, "%s", as_row(shop, params));
        assert_string_equal(ask_part(shop, "rows", rows, "rows"), want);
    }
}

static void a_customer_scores_as_among_all(void **state) {
    (void)state;
    static const char *const rfm[] = {
        "'window':'365d'",
        "'window':'all'",
        "'window':'30d','scoring':'mean'",
        "'window':'365d','cuts':{'r':[300,100,50,10],'f':[2,3,4,5],'m_minor':[100,1000,5000,20000]}",
        "'window':'all','population':'orders >= 2'",
    };
    struct shop shop;
    open_random(&shop);
    shop_run(&shop, true);
    for (unsigned i = 0; i < 60; i++) {
        char question[400], day[11];
        pat_day_print(day_of("2021-12-30") + (pat_day)(next() % 1500), day);
        (void)snprintf(question, sizeof question, "'as_of':'%s','rfm':{%s}", day, rfm[next() % 5]);
        compare_customer(&shop, question);
    }
    shop_close(&shop);
}

static void counts_add_up(void **state) {
    (void)state;
    struct shop shop;
    open_random(&shop);
    char first[16], params[256];
    (void)snprintf(first, sizeof first, "%s",
                   ask_part(&shop, "count", "{'where':'orders > 3 AND net > 20','as_of':'2023-06-01'}", "count"));
    const int inside = atoi(first);
    const int outside =
        atoi(ask_part(&shop, "count", "{'where':'NOT (orders > 3 AND net > 20)','as_of':'2023-06-01'}", "count"));
    assert_int_equal(inside + outside, atoi(ask_part(&shop, "count", "{'as_of':'2023-06-01'}", "of")));
    (void)snprintf(params, sizeof params, "{'where':'net > 20 AND orders > 3','as_of':'2023-06-01'}");
    assert_int_equal(inside, atoi(ask_part(&shop, "count", params, "count")));
    shop_close(&shop);
}

/* As of a day between the orders the sum comes from the facts, later from what is kept: both are held at the same end.
 */
static void sums_beyond_an_int64_are_held(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    (void)shop_order(&shop, "1", "big", day_of("2022-01-01"), INT64_MAX);
    (void)shop_order(&shop, "2", "big", day_of("2022-01-02"), INT64_MAX);
    (void)shop_order(&shop, "3", "big", day_of("2022-03-01"), 100);
    (void)shop_order(&shop, "4", "up_and_down", day_of("2022-01-01"), INT64_MAX);
    (void)shop_order(&shop, "5", "up_and_down", day_of("2022-01-02"), 100);
    (void)shop_refund(&shop, "r", "up_and_down", NULL, day_of("2022-01-03"), INT64_MAX);
    (void)shop_order(&shop, "6", "up_and_down", day_of("2022-03-01"), 1);
    shop_keep(&shop);
    shop_set(&shop, PAT_CUSTOMERS, shop_row(&shop, PAT_CUSTOMERS, "big"), PAT_CUSTOMER_NET, INT64_MAX);
    shop_set(&shop, PAT_CUSTOMERS, shop_row(&shop, PAT_CUSTOMERS, "up_and_down"), PAT_CUSTOMER_NET, 101);
    const char *later = ask_part(&shop, "rows", "{'fields':['customer','net'],'as_of':'2022-06-01'}", "rows");
    assert_string_equal(later, "[['big',9223372036854775807],['up_and_down',101]]");
    const char *between = ask_part(&shop, "rows", "{'fields':['customer','net'],'as_of':'2022-02-01'}", "rows");
    assert_string_equal(between, "[['big',9223372036854775807],['up_and_down',100]]");
    shop_close(&shop);
}

/* The country of the earliest order is not known before that order's day, though the customer is. */
static void a_country_is_as_old_as_its_order(void **state) {
    (void)state;
    struct shop shop;
    shop_open(&shop);
    (void)shop_refund(&shop, "r", "a", NULL, day_of("2022-01-01"), 5);
    const pat_row order = shop_order(&shop, "1", "a", day_of("2022-05-01"), 100);
    shop_text(&shop, PAT_ORDERS, order, PAT_ORDER_COUNTRY, "DE");
    shop_keep(&shop);
    shop_text(&shop, PAT_CUSTOMERS, shop_row(&shop, PAT_CUSTOMERS, "a"), PAT_CUSTOMER_FACT_COUNTRY, "DE");
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['country'],'as_of':'2022-04-30'}", "rows"), "[[null]]");
    assert_string_equal(ask_part(&shop, "rows", "{'fields':['country'],'as_of':'2022-05-01'}", "rows"), "[['DE']]");
    shop_close(&shop);
}

int main(void) {
    seed_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_the_facts_agrees),
        cmocka_unit_test(runs_say_what_the_tables_say),
        cmocka_unit_test(so_do_runs_of_odd_facts_alone),
        cmocka_unit_test(kept_windows_say_what_is_worked_out_anew),
        cmocka_unit_test(windows_are_made_of_kept_ones_that_differ_by_few_facts),
        cmocka_unit_test(a_customer_scores_as_among_all),
        cmocka_unit_test(counts_add_up),
        cmocka_unit_test(sums_beyond_an_int64_are_held),
        cmocka_unit_test(a_country_is_as_old_as_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
