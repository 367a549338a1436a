/* W3: how many customers three conditions select, and the sum of their net.
 *
 * Bytes: 6 for each customer (country 1, last order 2, net 3 at the widths that such values need), as SPEED.md counts
 * the floor. */
#include "base/clock.h"
#include "lib/local.h"
#include "lib/naive.h"

#include <string.h>

#define FROM_DAY ((pat_day)19905) /* 2024-07-01 */
#define NET_FROM INT64_C(20000)
#define QUESTION                                                                                                       \
    "{\"by\": [], \"metrics\": [\"count\", \"sum(net)\"],"                                                             \
    " \"where\": \"country IN ('US', 'BR', 'MX') AND net >= 200 AND last_order >= '2024-07-01'\"}"

struct want {
    int64_t count, net;
};

static void check_segment(const struct pat_value *answer, const void *context) {
    const struct want *want = context;
    const struct pat_value *rows = pat_value_get(answer, "rows");
    bench_must(rows != NULL && rows->type == PAT_VALUE_ARRAY && rows->count == 1, "one row was asked for");
    bench_equal("count", bench_integer(&rows->as.items[0].as.items[0]), want->count);
    bench_equal("sum(net)", bench_integer(&rows->as.items[0].as.items[1]), want->net);
}

static struct want select_naive(const struct bench_naive *naive, const struct bench_naive_sums *sums) {
    bool wanted[BENCH_COUNTRIES];
    for (unsigned i = 0; i < BENCH_COUNTRIES; i++) {
        wanted[i] = strcmp(bench_country[i], "US") == 0 || strcmp(bench_country[i], "BR") == 0 ||
                    strcmp(bench_country[i], "MX") == 0;
    }
    struct want want = {0, 0};
    for (uint32_t i = 0; i < naive->customers; i++) {
        if (!wanted[naive->country[i]] || sums->net[i] < NET_FROM || sums->last[i] < FROM_DAY) continue;
        want.count++;
        want.net += sums->net[i];
    }
    return want;
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    struct bench_local local;
    bench_local_open(&local, &options);
    struct bench_naive naive;
    struct bench_naive_sums sums;
    bench_naive_open(&naive, &local.shop);
    bench_naive_sums_open(&sums, &naive);
    bench_naive_sum(&sums, &naive, BENCH_LAST_DAY, 0);
    uint64_t naive_ns = UINT64_MAX;
    struct want want = {0, 0};
    for (int i = 0; i < 5; i++) {
        const uint64_t start = pat_clock_monotonic_ns();
        want = select_naive(&naive, &sums);
        const uint64_t ns = pat_clock_monotonic_ns() - start;
        if (ns < naive_ns) naive_ns = ns;
    }
    struct bench_case test = {.work = "W3",
                              .name = "count and sum(net), three conditions, now",
                              .rows = options.customers,
                              .row = "customer",
                              .bytes = options.customers * UINT64_C(6),
                              .naive_ns = naive_ns};
    bench_case_extra(&test, "selected", (double)want.count);
    bench_local_case(&local, &options, &test, "group", QUESTION, check_segment, &want);
    bench_naive_sums_close(&sums);
    bench_naive_close(&naive);
    bench_local_close(&local);
    return 0;
}
