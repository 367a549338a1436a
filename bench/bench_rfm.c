/* W2: the whole RFM grid from the facts, at a day long past, for a window and for all time. W2': the grid of today,
 * asked for the first time, and asked again after an order came.
 *
 * Bytes: 10 for each order (day, amount), as SPEED.md counts the floor; today 16 for each customer (F, M, R kept at
 * ingest). */
#include "base/clock.h"
#include "lib/local.h"
#include "lib/naive.h"

#include <stdio.h>

#define PAST_DAY      ((pat_day)19723) /* 2024-01-01 */
#define PAST_DAY_TEXT "2024-01-01"

static void check_grid(const struct pat_value *answer, const void *context) {
    const struct bench_naive_grid *want = context;
    bench_equal("scored", bench_number(answer, "scored"), (int64_t)want->scored);
    const struct pat_value *cells = pat_value_get(answer, "cells");
    bench_must(cells != NULL && cells->type == PAT_VALUE_ARRAY, "a grid has cells");
    uint64_t seen = 0;
    for (uint32_t i = 0; i < cells->count; i++) {
        const struct pat_value *cell = &cells->as.items[i];
        const int64_t at =
            (bench_number(cell, "r") - 1) * 25 + (bench_number(cell, "f") - 1) * 5 + bench_number(cell, "m") - 1;
        bench_must(at >= 0 && at < 125, "scores are 1 to 5");
        bench_equal("customers of a cell", bench_number(cell, "count"), (int64_t)want->count[at]);
        bench_equal("net of a cell", bench_number(cell, "net_minor"), want->net[at]);
        seen += want->count[at];
    }
    bench_equal("customers of all cells", (int64_t)seen, (int64_t)want->scored);
}

struct plan {
    const char *work, *name, *params;
    pat_day day;
    int32_t window_days;
    bool now;
};

static const struct plan plans[] = {
    {"W2", "rfm.grid, 365 days, a past day", "{\"window\": \"365d\", \"as_of\": \"" PAST_DAY_TEXT "\"}", PAST_DAY, 365,
     false},
    {"W2", "rfm.grid, all time, a past day", "{\"window\": \"all\", \"as_of\": \"" PAST_DAY_TEXT "\"}", PAST_DAY, 0,
     false},
    {"W2'", "rfm.grid, 365 days, now", "{\"window\": \"365d\"}", BENCH_LAST_DAY, 365, true},
};

/* Each time one order more than at the last; the answer is held to one that is worked out from nothing. */
static void ask_again(struct bench_local *local, const struct bench_options *options) {
    struct bench_question question;
    struct bench_samples samples = {.count = 0};
    const struct pat_kernels *kernels = pat_kernels_find(options->cpu[0]);
    struct bench_case test = {.work = "W2'",
                              .name = "rfm.grid, 365 days, now, again after an order",
                              .rows = options->customers,
                              .row = "customer",
                              .bytes = options->customers * UINT64_C(16),
                              .cpu = kernels->name,
                              .samples = &samples};
    struct pat_arena arena;
    bench_question_open(&question, "rfm.grid", "{\"window\": \"365d\"}");
    pat_arena_init(&arena, 0);
    (void)bench_ask_again(local, &question, kernels, &arena);
    pat_arena_deinit(&arena);
    for (uint64_t order = options->orders; bench_again(&samples, options); order++) {
        const uint32_t customer = (uint32_t)(bench_random(options->seed, 99, order) % options->customers);
        bench_local_append(local, order, customer, (pat_minor)(order % 100000) + 1);
        pat_arena_init(&arena, 0);
        const uint64_t start = pat_clock_monotonic_ns();
        const struct pat_value answer = bench_ask_again(local, &question, kernels, &arena);
        const uint64_t answered = pat_clock_monotonic_ns();
        test.hash = bench_hash(&answer);
        const uint64_t hashed = pat_clock_monotonic_ns();
        pat_arena_deinit(&arena);
        bench_samples_add(&samples, answered - start + (pat_clock_monotonic_ns() - hashed));
    }
    pat_arena_init(&arena, 0);
    const struct pat_value anew = bench_ask(local, &question, kernels, &arena);
    bench_equal("answer from a kept window", (int64_t)test.hash, (int64_t)bench_hash(&anew));
    pat_arena_deinit(&arena);
    bench_case_print(&test, options);
    bench_samples_free(&samples);
    bench_question_close(&question);
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
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        const struct plan *plan = &plans[i];
        struct bench_naive_grid want;
        const uint64_t start = pat_clock_monotonic_ns();
        bench_naive_sum(&sums, &naive, plan->day, plan->window_days);
        const uint64_t summed = pat_clock_monotonic_ns();
        bench_naive_score(&want, &sums, naive.customers, plan->day);
        const uint64_t scored = pat_clock_monotonic_ns();
        struct bench_case test = {.work = plan->work,
                                  .name = plan->name,
                                  .rows = plan->now ? options.customers : options.orders,
                                  .row = plan->now ? "customer" : "order",
                                  .bytes = plan->now ? options.customers * UINT64_C(16) : options.orders * 10,
                                  .naive_ns = scored - (plan->now ? summed : start)};
        bench_case_extra(&test, "store_bytes_per_order", (double)local.store_bytes / (double)options.orders);
        bench_local_case(&local, &options, &test, "rfm.grid", plan->params, check_grid, &want);
    }
    ask_again(&local, &options);
    bench_naive_sums_close(&sums);
    bench_naive_close(&naive);
    bench_local_close(&local);
    return 0;
}
