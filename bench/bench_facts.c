/* Orders of thirty days, by day: count and sum of net. Orders came in the order of their time, so that chunks say which
 * of them hold these days.
 *
 * Bytes: 6 for each order of these days (day 2, net 4); of the others nothing need be read. */
#include "base/clock.h"
#include "lib/local.h"
#include "lib/naive.h"

#include <string.h>

#define FROM_DAY ((pat_day)19875) /* 2024-06-01 */
#define DAYS     30
#define QUESTION                                                                                                       \
    "{\"from\": \"orders\", \"by\": [\"day(time)\"], \"metrics\": [\"count\", \"sum(net)\"], \"order_by\": "           \
    "[\"day(time)\"], \"between\": [\"2024-06-01\", \"2024-06-30\"]}"

struct want {
    int64_t count[DAYS], net[DAYS], all;
};

static void check_days(const struct pat_value *answer, const void *context) {
    const struct want *want = context;
    const struct pat_value *rows = pat_value_get(answer, "rows");
    uint32_t at = 0;
    bench_must(rows != NULL && rows->type == PAT_VALUE_ARRAY, "groups are rows");
    for (unsigned day = 0; day < DAYS; day++) {
        if (want->count[day] == 0) continue;
        bench_must(at < rows->count, "a day is missing");
        const struct pat_value *row = rows->as.items[at++].as.items;
        bench_equal("orders of a day", bench_integer(&row[1]), want->count[day]);
        bench_equal("sum(net) of a day", bench_integer(&row[2]), want->net[day]);
    }
    bench_equal("days", rows->count, at);
}

static void count_naive(struct want *out, const struct bench_naive *naive) {
    memset(out, 0, sizeof *out);
    for (uint64_t i = 0; i < naive->orders; i++) {
        if (naive->day[i] < FROM_DAY || naive->day[i] >= FROM_DAY + DAYS) continue;
        if (naive->cancelled[i] != PAT_DAY_NONE && naive->cancelled[i] <= BENCH_LAST_DAY) continue;
        out->count[naive->day[i] - FROM_DAY]++;
        out->net[naive->day[i] - FROM_DAY] += naive->amount[i];
        out->all++;
    }
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    struct bench_local local;
    bench_local_open(&local, &options);
    struct bench_naive naive;
    bench_naive_open(&naive, &local.shop);
    uint64_t naive_ns = UINT64_MAX;
    struct want want;
    for (int i = 0; i < 5; i++) {
        const uint64_t start = pat_clock_monotonic_ns();
        count_naive(&want, &naive);
        const uint64_t ns = pat_clock_monotonic_ns() - start;
        if (ns < naive_ns) naive_ns = ns;
    }
    struct bench_case test = {.work = "facts",
                              .name = "orders of 30 days by day, count sum(net)",
                              .rows = options.orders,
                              .row = "order",
                              .bytes = (uint64_t)want.all * 6,
                              .naive_ns = naive_ns};
    bench_case_extra(&test, "selected", (double)want.all);
    bench_local_case(&local, &options, &test, "group", QUESTION, check_days, &want);
    bench_naive_close(&naive);
    bench_local_close(&local);
    return 0;
}
