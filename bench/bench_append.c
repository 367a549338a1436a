/* W8: one order per batch, acknowledged when durable (--sync, always when not said otherwise): one at a time, and
 * pipelined by --depth. Afterwards the next answer holds every one of them. Beside each figure stands what bounds it:
 * how many orders went with a group and how long that was with the disk, and the disk's own sync in the same run. */
#include "base/clock.h"
#include "lib/probe.h"
#include "lib/remote.h"
#include "lib/report.h"

#include <stdio.h>

#define DEPTH 256u
/* One at a time each waits for the disk: fewer of them say as much. */
#define ONE_IN 20u

struct append {
    struct bench_shop shop; /* of which `loaded` orders are in the server */
    uint64_t loaded, most;
    struct pat_client *client;
    const struct bench_server *server;
    unsigned depth;
    const char *dir;
    double disk_sync_us;
    struct bench_cpu spent; /* while the clock ran */
};

/* What the server says of its groups. */
struct groups {
    int64_t count, batches, us;
};

static struct groups groups_of(struct pat_client *client) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    const struct pat_value status = bench_call_value(client, "status", NULL, &arena);
    const struct pat_value *map = pat_value_get(&status, "groups");
    bench_must(map != NULL, "status tells no groups");
    const struct groups groups = {bench_number(map, "count"), bench_number(map, "batches"), bench_number(map, "us")};
    pat_arena_deinit(&arena);
    return groups;
}

/* Since `before`, and how long the disk takes by itself. */
static void put_bounds(struct bench_case *test, const struct append *append, struct groups before) {
    const struct groups now = groups_of(append->client);
    const double count = (double)(now.count - before.count);
    bench_case_extra(test, "orders_per_group", (double)(now.batches - before.batches) / count);
    bench_case_extra(test, "group_us", (double)(now.us - before.us) / count);
    bench_case_extra(test, "disk_sync_us", append->disk_sync_us);
}

/* Appends the next `count` orders; gives the time. */
static uint64_t append_next(struct append *append, uint64_t count, unsigned depth, struct bench_samples *each) {
    struct bench_load load;
    bench_must(append->loaded + count <= append->most, "more repeats than the shop has orders");
    bench_load_open(&load, BENCH_ORDERS, &append->shop, append->loaded, count, 1);
    const struct bench_cpu from = bench_cpu_now(append->server);
    const uint64_t start = pat_clock_monotonic_ns();
    if (each == NULL) {
        (void)bench_load_send(&load, append->client, depth);
    } else {
        for (size_t i = 0; i < load.count; i++) {
            const struct bench_load one = {.method = load.method, .rows = 1, .count = 1, .params = &load.params[i]};
            const uint64_t sent = pat_clock_monotonic_ns();
            (void)bench_load_send(&one, append->client, 1);
            bench_samples_add(each, pat_clock_monotonic_ns() - sent);
        }
    }
    const uint64_t ns = pat_clock_monotonic_ns() - start;
    bench_cpu_add(&append->spent, append->server, from);
    bench_load_close(&load);
    append->loaded += count;
    return ns;
}

/* Everything acknowledged is in the next answer. */
static uint64_t check(const struct append *append) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    int64_t orders = 0;
    for (uint64_t i = 0; i < append->loaded; i++)
        orders += bench_shop_order(&append->shop, i).cancelled == PAT_DAY_NONE;
    const struct pat_value answer = bench_call(
        append->client, "group", "{\"by\": [], \"metrics\": [\"sum(orders)\"], \"as_of\": \"2026-01-01\"}", &arena);
    bench_equal("orders", bench_integer(&pat_value_get(&answer, "rows")->as.items[0].as.items[0]), orders);
    const uint64_t hash = bench_hash(&answer);
    pat_arena_deinit(&arena);
    return hash;
}

static void run_each(struct append *append, const struct bench_options *options, const char *cpu, uint64_t count) {
    struct bench_samples each = {.count = 0};
    const struct groups before = groups_of(append->client);
    (void)append_next(append, count, 1, &each);
    struct bench_case one = {.work = "W8",
                             .name = "one order, one at a time",
                             .cpu = cpu,
                             .samples = &each,
                             .rows = 1,
                             .row = "order",
                             .hash = check(append)};
    put_bounds(&one, append, before);
    bench_case_sync(&one, options);
    bench_case_print(&one, options);
    bench_samples_free(&each);
}

static uint64_t run_pipelined(struct append *append, const struct bench_options *options, const char *cpu,
                              uint64_t count) {
    struct bench_samples whole = {.count = 0};
    char name[48];
    (void)snprintf(name, sizeof name, "one order per batch, pipelined by %u", append->depth);
    const struct groups before = groups_of(append->client);
    append->spent = (struct bench_cpu){0, 0};
    for (unsigned i = 0; i < 3 || (options->full && i < 7); i++)
        bench_samples_add(&whole, append_next(append, count, append->depth, NULL));
    const uint64_t hash = check(append);
    struct bench_case many = {
        .work = "W8", .name = name, .cpu = cpu, .samples = &whole, .rows = count, .row = "order", .hash = hash};
    put_bounds(&many, append, before);
    bench_case_cpu(&many, append->spent, count * whole.count);
    bench_case_extra(&many, "disk_sync_us_after", bench_probe_sync_us(append->dir, options->full));
    bench_case_sync(&many, options);
    bench_case_print(&many, options);
    bench_samples_free(&whole);
    return hash;
}

static uint64_t run_cpu(struct append *append, const struct bench_options *options, const char *cpu) {
    const uint64_t count = options->full ? 50000 : 300;
    run_each(append, options, cpu, count / ONE_IN);
    return run_pipelined(append, options, cpu, count);
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    uint64_t hash = 0;
    for (unsigned i = 0; i < options.cpus; i++) {
        /* Twice the orders: those after the first half are the ones that are appended. */
        struct append append = {.shop = {options.seed, options.customers, options.orders + 1000000},
                                .most = options.orders + 1000000};
        struct bench_dir dir;
        struct bench_server server;
        bench_dir_open(&dir, &options);
        append.depth = options.depth > 0 ? options.depth : DEPTH;
        append.dir = dir.path;
        append.disk_sync_us = bench_probe_sync_us(dir.path, options.full);
        bench_server_start(&server, &dir, &options, options.cpu[i]);
        append.server = &server;
        append.client = bench_connect(&server);
        struct bench_load base;
        bench_load_open(&base, BENCH_ORDERS, &append.shop, 0, options.orders, 65536);
        (void)bench_load_send(&base, append.client, 4);
        append.loaded = options.orders;
        bench_load_close(&base);
        const uint64_t here = run_cpu(&append, &options, options.cpu[i]);
        if (i == 0) hash = here;
        bench_must(here == hash, "kernel tables give different answers");
        pat_client_close(&append.client);
        bench_server_kill(&server);
        bench_dir_close(&dir);
    }
    return 0;
}
