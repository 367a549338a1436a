/* W4: customers by country with count, mean, exact p50 and p95 of net.
 *
 * Bytes: 9 for each customer (country 1, net 8), as SPEED.md counts the floor. */
#include "base/clock.h"
#include "base/mem.h"
#include "lib/local.h"
#include "lib/naive.h"

#include <string.h>

#define QUESTION "{\"by\": [\"country\"], \"metrics\": [\"count\", \"avg(net)\", \"p50(net)\", \"p95(net)\"]}"

struct want {
    int64_t count[BENCH_COUNTRIES], average[BENCH_COUNTRIES], p50[BENCH_COUNTRIES], p95[BENCH_COUNTRIES];
};

static void check_groups(const struct pat_value *answer, const void *context) {
    const struct want *want = context;
    const struct pat_value *rows = pat_value_get(answer, "rows");
    bench_must(rows != NULL && rows->type == PAT_VALUE_ARRAY, "groups are rows");
    int64_t seen = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct pat_value *row = rows->as.items[i].as.items;
        unsigned country = 0;
        while (country < BENCH_COUNTRIES && !pat_value_is_text(&row[0], bench_country[country])) country++;
        bench_must(country < BENCH_COUNTRIES, "a group of no country of the shop");
        bench_equal("count of a country", bench_integer(&row[1]), want->count[country]);
        bench_equal("avg(net) of a country", bench_integer(&row[2]), want->average[country]);
        bench_equal("p50(net) of a country", bench_integer(&row[3]), want->p50[country]);
        bench_equal("p95(net) of a country", bench_integer(&row[4]), want->p95[country]);
        seen += want->count[country];
    }
    int64_t all = 0;
    for (unsigned i = 0; i < BENCH_COUNTRIES; i++) all += want->count[i];
    bench_equal("customers of all countries", seen, all);
}

/* Half away from zero. */
static int64_t mean_of(int64_t sum, int64_t count) {
    const int64_t twice = 2 * sum + (sum < 0 ? -count : count);
    return twice / (2 * count);
}

/* The smallest value with at least `percent` of all at or below it. */
static int64_t percentile_of(const int64_t *sorted, size_t count, size_t percent) {
    return sorted[(count * percent + 99) / 100 - 1];
}

static void group_naive(struct want *out, const struct bench_naive *naive, const struct bench_naive_sums *sums,
                        int64_t *values, int64_t *spare) {
    size_t first[BENCH_COUNTRIES + 1] = {0}, at[BENCH_COUNTRIES];
    for (uint32_t i = 0; i < naive->customers; i++) first[naive->country[i] + 1]++;
    for (unsigned i = 0; i < BENCH_COUNTRIES; i++) first[i + 1] += first[i];
    memcpy(at, first, sizeof at);
    for (uint32_t i = 0; i < naive->customers; i++) values[at[naive->country[i]]++] = sums->net[i];
    for (unsigned i = 0; i < BENCH_COUNTRIES; i++) {
        const size_t count = first[i + 1] - first[i];
        int64_t sum = 0;
        out->count[i] = (int64_t)count;
        if (count == 0) continue;
        for (size_t k = first[i]; k < first[i + 1]; k++) sum += values[k];
        bench_naive_sort(values + first[i], spare, count);
        out->average[i] = mean_of(sum, (int64_t)count);
        out->p50[i] = percentile_of(values + first[i], count, 50);
        out->p95[i] = percentile_of(values + first[i], count, 95);
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
    int64_t *values = pat_mem_alloc(PAT_MEM_OTHER, naive.customers * sizeof *values);
    int64_t *spare = pat_mem_alloc(PAT_MEM_OTHER, naive.customers * sizeof *spare);
    bench_must(values != NULL && spare != NULL, "no memory for the naive loop");
    uint64_t naive_ns = UINT64_MAX;
    struct want want;
    for (int i = 0; i < 5; i++) {
        const uint64_t start = pat_clock_monotonic_ns();
        group_naive(&want, &naive, &sums, values, spare);
        const uint64_t ns = pat_clock_monotonic_ns() - start;
        if (ns < naive_ns) naive_ns = ns;
    }
    struct bench_case test = {.work = "W4",
                              .name = "group by country, count avg p50 p95, now",
                              .rows = options.customers,
                              .row = "customer",
                              .bytes = options.customers * UINT64_C(9),
                              .naive_ns = naive_ns};
    bench_local_case(&local, &options, &test, "group", QUESTION, check_groups, &want);
    pat_mem_free(PAT_MEM_OTHER, values);
    pat_mem_free(PAT_MEM_OTHER, spare);
    bench_naive_sums_close(&sums);
    bench_naive_close(&naive);
    bench_local_close(&local);
    return 0;
}
