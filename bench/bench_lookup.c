/* W6: one customer's profile by id over loopback, one request at a time and pipelined by 64 or --depth; `ping` beside
 * it is what the wire, the loop and the client take without a question. */
#include "base/clock.h"
#include "lib/remote.h"
#include "lib/report.h"

#include <inttypes.h>
#include <stdio.h>

#define DEPTH 64u
/* Requests made before the clock; every run asks the first HASHED at least, and as many more as the time allows. */
#define HASHED      64u
#define COUNT_FULL  100000u
#define COUNT_SMOKE 300u
#define RUN_NS      UINT64_C(5000000000)

struct lookups {
    struct pat_client *client;
    const struct bench_server *server;
    const struct bench_naive_sums *sums;
    uint32_t count, made;
    unsigned depth;
    struct pat_value *params;
    uint32_t *customer;      /* asked for by each */
    uint64_t net;            /* of the first HASHED answers: their hash */
    struct pat_arena answer; /* of the one being looked at */
};

static void lookups_make(struct lookups *lookups, const struct bench_options *options, struct pat_arena *arena) {
    lookups->params = pat_arena_array(arena, lookups->made, sizeof *lookups->params);
    lookups->customer = pat_arena_array(arena, lookups->made, sizeof *lookups->customer);
    bench_must(lookups->params != NULL && lookups->customer != NULL, "no memory for the requests");
    for (uint32_t i = 0; i < lookups->made; i++) {
        struct pat_builder builder = {.arena = arena};
        lookups->customer[i] = (uint32_t)(bench_random(options->seed, 7, i) % options->customers);
        lookups->params[i] = pat_build_map(&builder, 2);
        pat_build_put(&builder, &lookups->params[i], "customer", pat_value_int(lookups->customer[i]));
        pat_build_put(&builder, &lookups->params[i], "as_of", pat_value_int(BENCH_LAST_DAY));
        bench_must(!builder.failed, "no memory for the requests");
    }
}

static void take_answer(struct lookups *lookups, uint32_t first_id) {
    uint32_t msgid;
    const struct pat_value answer = bench_receive(lookups->client, &msgid, &lookups->answer);
    const uint32_t which = msgid - first_id;
    const int64_t net = bench_number(&answer, "net_minor");
    bench_equal("net of a customer", net, lookups->sums->net[lookups->customer[which]]);
    if (which < HASHED) lookups->net += (uint64_t)net * (which + 1);
    pat_arena_reset(&lookups->answer);
}

/* Asks one at a time until there is no request or no time left. Sets how many the pipelined runs are to ask: as many as
 * this took in the fifth of the time. */
static void ask_each(struct lookups *lookups, struct bench_samples *samples) {
    uint32_t asked = 0;
    lookups->net = 0;
    for (; asked < lookups->made && (asked < HASHED || samples->total_ns < RUN_NS); asked++) {
        const uint64_t start = pat_clock_monotonic_ns();
        uint32_t msgid;
        bench_send(lookups->client, "customer", &lookups->params[asked], &msgid);
        take_answer(lookups, msgid - asked);
        bench_samples_add(samples, pat_clock_monotonic_ns() - start);
    }
    lookups->count = samples->total_ns < RUN_NS ? asked : asked / 5;
    if (lookups->count < HASHED) lookups->count = HASHED;
}

static void ask_pipelined(struct lookups *lookups) {
    uint32_t first_id = 0, sent = 0;
    lookups->net = 0;
    for (uint32_t answered = 0; answered < lookups->count; answered++) {
        for (; sent < lookups->count && sent - answered < lookups->depth; sent++) {
            uint32_t msgid;
            bench_queue(lookups->client, "customer", &lookups->params[sent], &msgid);
            if (sent == 0) first_id = msgid;
        }
        take_answer(lookups, first_id);
    }
}

static double ping_us(struct pat_client *client, uint32_t count) {
    struct bench_samples samples = {.count = 0};
    for (uint32_t i = 0; i < count; i++) {
        struct pat_arena arena;
        pat_arena_init(&arena, 0);
        const uint64_t start = pat_clock_monotonic_ns();
        (void)bench_call_value(client, "ping", NULL, &arena);
        bench_samples_add(&samples, pat_clock_monotonic_ns() - start);
        pat_arena_deinit(&arena);
    }
    const double us = (double)bench_figures_of(&samples).median_ns / 1e3;
    bench_samples_free(&samples);
    return us;
}

static void run_cpu(struct lookups *lookups, const struct bench_options *options, const char *cpu) {
    struct bench_samples each = {.count = 0}, whole = {.count = 0};
    struct bench_cpu from = bench_cpu_now(lookups->server), spent = {0, 0};
    ask_each(lookups, &each);
    bench_cpu_add(&spent, lookups->server, from);
    const uint64_t hash = lookups->net;
    struct bench_case one = {.work = "W6",
                             .name = "customer, one at a time",
                             .cpu = cpu,
                             .samples = &each,
                             .rows = 1,
                             .row = "request",
                             .hash = hash};
    bench_case_cpu(&one, spent, each.count);
    bench_case_extra(&one, "ping_us", ping_us(lookups->client, options->full ? 20000 : 100));
    bench_case_print(&one, options);
    spent = (struct bench_cpu){0, 0};
    from = bench_cpu_now(lookups->server);
    while (bench_again(&whole, options)) {
        const uint64_t start = pat_clock_monotonic_ns();
        ask_pipelined(lookups);
        bench_samples_add(&whole, pat_clock_monotonic_ns() - start);
    }
    bench_cpu_add(&spent, lookups->server, from);
    bench_must(lookups->net == hash, "pipelined answers are others");
    char name[48];
    (void)snprintf(name, sizeof name, "customer, pipelined by %u", lookups->depth);
    struct bench_case many = {.work = "W6",
                              .name = name,
                              .cpu = cpu,
                              .samples = &whole,
                              .rows = lookups->count,
                              .row = "request",
                              .hash = hash};
    bench_case_cpu(&many, spent, (uint64_t)lookups->count * whole.count);
    bench_case_print(&many, options);
    bench_samples_free(&each);
    bench_samples_free(&whole);
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    const struct bench_shop shop = {options.seed, options.customers, options.orders};
    struct bench_naive naive;
    struct bench_naive_sums sums;
    bench_naive_open(&naive, &shop);
    bench_naive_sums_open(&sums, &naive);
    bench_naive_sum(&sums, &naive, BENCH_LAST_DAY, 0);
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct lookups lookups = {.sums = &sums,
                              .made = options.full ? COUNT_FULL : COUNT_SMOKE,
                              .depth = options.depth > 0 ? options.depth : DEPTH};
    pat_arena_init(&lookups.answer, 0);
    lookups_make(&lookups, &options, &arena);
    struct bench_dir dir;
    struct bench_server server;
    bench_dir_open(&dir, &options);
    for (unsigned i = 0; i < options.cpus; i++) {
        bench_server_start(&server, &dir, &options, options.cpu[i]);
        lookups.server = &server;
        lookups.client = bench_connect(&server);
        if (i == 0) bench_fill(lookups.client, &shop);
        if (options.full) bench_settle(lookups.client);
        run_cpu(&lookups, &options, options.cpu[i]);
        pat_client_close(&lookups.client);
        bench_server_stop(&server);
    }
    bench_dir_close(&dir);
    pat_arena_deinit(&lookups.answer);
    pat_arena_deinit(&arena);
    bench_naive_sums_close(&sums);
    bench_naive_close(&naive);
    return 0;
}
