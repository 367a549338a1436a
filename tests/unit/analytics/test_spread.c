/* Several threads at one question: the answers of one, whoever did which part; the first failure in the order of rows.
 */
#include "../crew.h"
#include "shop.h"

#include "analytics/run_private.h"
#include "analytics/scores_private.h"

#define CUSTOMERS 70000u
#define ORDERS    140000u

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* A shop of several parts, spread over two years, countries and channels, some of it withdrawn, refunded, cancelled. */
static void open_big_shop(struct shop *shop) {
    static const char *const country[] = {"BR", "MX", "DE", "FR", "JP", "GB", "US"};
    shop_open(shop);
    char id[24], customer[24];
    const pat_day start = day_of("2023-01-01");
    for (uint32_t i = 0; i < CUSTOMERS; i++) {
        (void)snprintf(id, sizeof id, "%u", i);
        const pat_row row = shop_customer(shop, id, country[i % 7], NULL);
        shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_CREATED, start + (pat_day)(i % 600));
        if (i % 97 == 0) shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_DELETED, 1);
    }
    for (uint32_t i = 0; i < ORDERS; i++) {
        const uint32_t mixed = i * 2654435761u;
        const pat_day day = start + (pat_day)(mixed >> 8) % 730;
        (void)snprintf(id, sizeof id, "%u", i);
        (void)snprintf(customer, sizeof customer, "%u", mixed % CUSTOMERS);
        const pat_row row = shop_order(shop, id, customer, day, mixed % 9973);
        shop_text(shop, PAT_ORDERS, row, PAT_ORDER_CHANNEL, i % 3 == 0 ? "web" : "app");
        if (i % 31 == 0) shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CANCELLED, day + 30);
        if (i % 4 == 0) shop_line(shop, id, 1, i % 8 == 0 ? "cup" : "pot", (int64_t)(i % 5) + 1);
        if (i % 5 != 0) continue;
        char refund[24];
        (void)snprintf(refund, sizeof refund, "r%u", i);
        shop_refund(shop, refund, customer, id, day + 5, mixed % 501);
    }
    shop_keep(shop);
    shop->today = day_of("2024-12-31");
}

static const struct {
    const char *method, *params;
} questions[] = {
    {"count", "{'where':'country = `BR` and net > 20'}"},
    {"count", "{'where':'net > 20','as_of':'2023-09-01'}"},
    {"rfm.grid", "{}"},
    {"rfm.grid", "{'as_of':'2024-03-01'}"},
    {"rfm.groups", "{'where':'orders >= 2','as_of':'2024-03-01'}"},
    {"rows", "{'fields':['customer','net','orders'],'order_by':['-net'],'limit':50}"},
    {"rows", "{'from':'orders','fields':['order','net'],'where':'channel = `web`','order_by':['-net'],'limit':50}"},
    {"group", "{'by':['country'],'metrics':['count','avg(net)','p50(net)','p95(net)','max(orders)']}"},
    {"group", "{'from':'orders','by':['month(time)','channel'],'metrics':['count','sum(net)','min(net)','customers']}"},
    {"group", "{'from':'orders','by':['customer'],'metrics':['count','sum(net)'],'limit':20}"},
    {"group", "{'from':'refunds','by':['month(time)'],'metrics':['count','sum(net)','p50(net)']}"},
    {"group", "{'from':'lines','by':['product'],'metrics':['count','sum(quantity)','sum(net)','customers']}"},
    {"group", "{'from':'orders','by':['customer.country'],'metrics':['count','sum(amount)'],'as_of':'2024-03-01',"
              "'between':['2023-06-01','2023-12-31']}"},
    {"group", "{'from':'orders','by':['year(time)'],'metrics':['count'],'where':'net > 40 and day > `2023-05-01`'}"},
    {"group", "{'from':'orders','by':['customer'],'metrics':['count','p50(net)','p90(net)'],'order_by':['-p50(net)'],"
              "'limit':20}"},
    {"group", "{'from':'orders','by':['country','channel'],'metrics':['customers','p50(net)'],'limit':3}"},
    {"group", "{'by':['lifecycle'],'metrics':['count','sum(net)'],'as_of':'2024-06-01','lifecycle':{'gaps':[1,3]}}"},
    {"cohort", "{}"},
    {"cohort", "{'metric':'net','as_of':'2024-06-01'}"},
    {"clv.fit", "{'model':'mbg_nbd','unit':'day','end':'2024-03-01','holdout_end':'2024-06-01'}"},
    {"control", "{'table':'orders','by':'month'}"},
};

static void answers_are_those_of_one_thread(void **state) {
    (void)state;
    static char alone[sizeof((struct shop){0}.text)];
    static struct shop shop;
    open_big_shop(&shop);
    shop_run(&shop, true);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        shop.spread = NULL;
        shop.store->runs.count = 0;
        memcpy(alone, ask(&shop, questions[i].method, questions[i].params), sizeof alone);
        if (alone[0] != '{') fail_msg("%s: %.300s", questions[i].params, alone);
        shop.spread = &crew.spread;
        for (unsigned again = 0; again < 2; again++) {
            shop.store->runs.count = again; /* the second time through a run */
            assert_string_equal(ask(&shop, questions[i].method, questions[i].params), alone);
        }
    }
    assert_true(crew.runs > sizeof questions / sizeof *questions);
    shop.store->runs.count = 1;
    shop_close(&shop);
}

/* ---- sorting ----------------------------------------------------------------------------------------------------- */

static int compare_values(const void *a, const void *b) {
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Values that differ in `bits` low bits, `base` above; every eighth one is the same. */
static void check_sorted(struct pat_run *run, uint64_t n, unsigned bits, int64_t base) {
    int64_t *values = malloc(n * sizeof *values), *expected = malloc(n * sizeof *values);
    int64_t *scratch = malloc(n * sizeof *values);
    uint64_t random = 88172645463325252u + bits;
    assert_non_null(values);
    assert_non_null(expected);
    assert_non_null(scratch);
    for (uint64_t i = 0; i < n; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const uint64_t low = bits == 64 ? random : random & (((uint64_t)1 << bits) - 1);
        values[i] = (int64_t)((uint64_t)base ^ (i % 8 == 0 ? 0 : low));
    }
    memcpy(expected, values, n * sizeof *values);
    qsort(expected, n, sizeof *expected, compare_values);
    assert_int_equal(PAT_OK, pat_run__sort(run, values, scratch, n));
    assert_memory_equal(values, expected, n * sizeof *values);
    free(scratch);
    free(expected);
    free(values);
}

static void values_are_sorted_by_several_threads(void **state) {
    (void)state;
    struct pat_arena arena;
    struct pat_error error;
    const struct pat_job job = {.spread = &crew.spread};
    struct pat_run run = {.job = &job, .error = &error, .arena = &arena};
    static const int64_t bases[] = {0, -1, INT64_MIN, INT64_MAX, 1234567890123};
    pat_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        for (unsigned bits = 0; bits <= 64; bits += 8) check_sorted(&run, 2 * PAT_PART_ROWS + 77, bits, bases[i]);
        check_sorted(&run, PAT_PART_ROWS + 1, 11, bases[i]);
        check_sorted(&run, 100, 64, bases[i]);
    }
    pat_arena_deinit(&arena);
}

/* ---- stopping and failing ---------------------------------------------------------------------------------------- */

static enum pat_status stop_after(void *context) {
    int *left = context;
    return __atomic_fetch_sub(left, 1, __ATOMIC_RELAXED) > 0 ? PAT_OK : PAT_ERR_CANCELLED;
}

struct counted {
    uint32_t fails_from, begun[64];
};

static enum pat_status fail_from(void *context, const struct pat_part *part) {
    struct counted *counted = context;
    counted->begun[part->number] = 1;
    if (part->number < counted->fails_from) return PAT_OK;
    return pat_error_set(part->error, PAT_ERR_TOO_LARGE, "part %u", part->number);
}

static void the_first_part_that_fails_says_why(void **state) {
    (void)state;
    struct pat_error error;
    const struct pat_job job = {.spread = &crew.spread};
    struct pat_run run = {.job = &job, .error = &error};
    for (uint32_t first = 0; first < 64; first += 7) {
        struct counted counted = {.fails_from = first};
        char expected[16];
        (void)snprintf(expected, sizeof expected, "part %u", first);
        assert_int_equal(PAT_ERR_TOO_LARGE, pat_run__spread(&run, 64 * (uint64_t)PAT_PART_ROWS, fail_from, &counted));
        assert_string_equal(error.message, expected);
        for (uint32_t part = 0; part <= first; part++) assert_int_equal(counted.begun[part], 1);
    }
    struct counted counted = {.fails_from = 64};
    assert_int_equal(PAT_OK, pat_run__spread(&run, 63 * (uint64_t)PAT_PART_ROWS + 1, fail_from, &counted));
    for (uint32_t part = 0; part < 64; part++) assert_int_equal(counted.begun[part], 1);
}

static void a_question_that_is_stopped_stops_on_all_threads(void **state) {
    (void)state;
    int left;
    struct pat_error error;
    const struct pat_job job = {.spread = &crew.spread, .stop_cb = stop_after, .stop_context = &left};
    struct pat_run run = {.job = &job, .error = &error};
    for (int allowed = 0; allowed < 10; allowed++) {
        int begun = 0;
        struct counted counted = {.fails_from = 64};
        left = allowed;
        assert_int_equal(PAT_ERR_CANCELLED, pat_run__spread(&run, 64 * (uint64_t)PAT_PART_ROWS, fail_from, &counted));
        for (uint32_t part = 0; part < 64; part++) begun += (int)counted.begun[part];
        assert_int_equal(begun, allowed);
        assert_int_equal(error.status, PAT_ERR_CANCELLED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_one_thread),
        cmocka_unit_test(values_are_sorted_by_several_threads),
        cmocka_unit_test(the_first_part_that_fails_says_why),
        cmocka_unit_test(a_question_that_is_stopped_stops_on_all_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
