/* W5: the hundred customers with the most net.
 *
 * Bytes: 8 for each customer (net), as SPEED.md counts the floor. */
#include "base/clock.h"
#include "lib/local.h"
#include "lib/naive.h"

#include <stdlib.h>

#define TOP      100u
#define QUESTION "{\"fields\": [\"customer\", \"net\"], \"order_by\": [\"-net\", \"customer\"], \"limit\": 100}"

struct want {
    const struct bench_naive_sums *sums;
    uint32_t count;
    int64_t net[TOP]; /* descending */
};

static void check_top(const struct pat_value *answer, const void *context) {
    const struct want *want = context;
    const struct pat_value *rows = pat_value_get(answer, "rows");
    bench_must(rows != NULL && rows->type == PAT_VALUE_ARRAY, "rows were asked for");
    bench_equal("rows", rows->count, want->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct pat_value *row = rows->as.items[i].as.items;
        char id[24] = "";
        bench_must(row[0].type == PAT_VALUE_TEXT && row[0].count < sizeof id, "an id is a text");
        for (uint32_t k = 0; k < row[0].count; k++) id[k] = row[0].as.text[k];
        bench_equal("net of a place", bench_integer(&row[1]), want->net[i]);
        bench_equal("net of its customer", want->sums->net[strtoul(id, NULL, 10)], want->net[i]);
    }
}

/* Keeps the best so far sorted: few are good enough to be put in. */
static void top_naive(struct want *out, uint32_t customers) {
    out->count = 0;
    for (uint32_t i = 0; i < customers; i++) {
        const int64_t net = out->sums->net[i];
        if (out->count == TOP && net <= out->net[TOP - 1]) continue;
        uint32_t at = out->count < TOP ? out->count++ : TOP - 1;
        for (; at > 0 && out->net[at - 1] < net; at--) out->net[at] = out->net[at - 1];
        out->net[at] = net;
    }
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
    struct want want = {.sums = &sums};
    uint64_t naive_ns = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        const uint64_t start = pat_clock_monotonic_ns();
        top_naive(&want, naive.customers);
        const uint64_t ns = pat_clock_monotonic_ns() - start;
        if (ns < naive_ns) naive_ns = ns;
    }
    struct bench_case test = {.work = "W5",
                              .name = "top 100 by net, now",
                              .rows = options.customers,
                              .row = "customer",
                              .bytes = options.customers * UINT64_C(8),
                              .naive_ns = naive_ns};
    bench_local_case(&local, &options, &test, "rows", QUESTION, check_top, &want);
    bench_naive_sums_close(&sums);
    bench_naive_close(&naive);
    bench_local_close(&local);
    return 0;
}
