/* W7: customers by the month of their first order, and how many of them ordered in each month since.
 *
 * Bytes: 6 for each order (customer 4, day 2), as SPEED.md counts the floor. */
#include "base/clock.h"
#include "base/mem.h"
#include "lib/local.h"
#include "lib/naive.h"

#include <stdio.h>
#include <string.h>

#define MONTHS   36u
#define QUESTION "{\"by\": \"month\", \"start\": \"first_order\", \"metric\": \"customers\"}"

struct want {
    int64_t size[MONTHS], value[MONTHS][MONTHS];
};

static void check_cohorts(const struct pat_value *answer, const void *context) {
    const struct want *want = context;
    const struct pat_value *cohorts = pat_value_get(answer, "cohorts");
    bench_must(cohorts != NULL && cohorts->type == PAT_VALUE_ARRAY, "cohorts were asked for");
    uint32_t seen = 0, wanted = 0;
    for (uint32_t month = 0; month < MONTHS; month++) wanted += want->size[month] > 0;
    for (uint32_t month = 0; month < MONTHS && seen < cohorts->count; month++) {
        const struct pat_value *cohort = &cohorts->as.items[seen];
        char name[24];
        (void)snprintf(name, sizeof name, "%u-%02u", 2022 + month / 12, month % 12 + 1);
        if (!pat_value_is_text(pat_value_get(cohort, "cohort"), name)) continue;
        seen++;
        bench_equal("size of a cohort", bench_number(cohort, "size"), want->size[month]);
        const struct pat_value *values = pat_value_get(cohort, "values");
        bench_must(values != NULL && values->count >= MONTHS - month, "a cohort has a value for each month");
        for (uint32_t since = 0; since < MONTHS - month; since++) {
            bench_equal("a value of a cohort", bench_integer(&values->as.items[since]), want->value[month][since]);
        }
    }
    bench_equal("cohorts", seen, wanted);
    bench_equal("cohorts of the answer", cohorts->count, wanted);
}

/* Month, from 0, of each day of the shop. */
static void make_months(unsigned char month[BENCH_LAST_DAY - BENCH_FIRST_DAY + 1]) {
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned at = 0, day = 0; at < MONTHS; at++) {
        const unsigned leap = at == 25; /* February 2024 */
        for (unsigned i = 0; i < days[at % 12] + leap; i++) month[day++] = (unsigned char)at;
    }
}

/* One bit for each month that a customer ordered in. */
static void count_naive(struct want *out, const struct bench_naive *naive, const unsigned char *month,
                        uint64_t *ordered) {
    memset(out, 0, sizeof *out);
    memset(ordered, 0, naive->customers * sizeof *ordered);
    for (uint64_t i = 0; i < naive->orders; i++) {
        if (naive->cancelled[i] != PAT_DAY_NONE && naive->cancelled[i] <= BENCH_LAST_DAY) continue;
        ordered[naive->customer[i]] |= UINT64_C(1) << month[naive->day[i] - BENCH_FIRST_DAY];
    }
    for (uint32_t i = 0; i < naive->customers; i++) {
        if (ordered[i] == 0) continue;
        unsigned first = 0;
        while ((ordered[i] >> first & 1) == 0) first++;
        out->size[first]++;
        for (unsigned at = first; at < MONTHS; at++) out->value[first][at - first] += (int64_t)(ordered[i] >> at & 1);
    }
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    struct bench_local local;
    bench_local_open(&local, &options);
    struct bench_naive naive;
    bench_naive_open(&naive, &local.shop);
    uint64_t *ordered = pat_mem_alloc(PAT_MEM_OTHER, naive.customers * sizeof *ordered);
    bench_must(ordered != NULL, "no memory for the naive loop");
    unsigned char month[BENCH_LAST_DAY - BENCH_FIRST_DAY + 1];
    make_months(month);
    struct want want;
    uint64_t naive_ns = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        const uint64_t start = pat_clock_monotonic_ns();
        count_naive(&want, &naive, month, ordered);
        const uint64_t ns = pat_clock_monotonic_ns() - start;
        if (ns < naive_ns) naive_ns = ns;
    }
    struct bench_case test = {.work = "W7",
                              .name = "cohorts by month, customers, now",
                              .rows = options.orders,
                              .row = "order",
                              .bytes = options.orders * 6,
                              .naive_ns = naive_ns};
    bench_local_case(&local, &options, &test, "cohort", QUESTION, check_cohorts, &want);
    pat_mem_free(PAT_MEM_OTHER, ordered);
    bench_naive_close(&naive);
    bench_local_close(&local);
    return 0;
}
