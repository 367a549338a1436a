/* W9: from the start of the process to the first correct answer, the page cache warm: from a snapshot after a clean
 * stop, and from the journal alone after SIGKILL.
 *
 * Bytes: those of the data directory. */
#include "base/clock.h"
#include "lib/remote.h"
#include "lib/report.h"

#include <stdio.h>

struct restart {
    struct bench_dir dir;
    struct bench_server server;
    struct bench_totals totals;
};

static uint64_t start_and_ask(struct restart *restart, const struct bench_options *options, const char *cpu,
                              struct bench_samples *samples) {
    const uint64_t start = pat_clock_monotonic_ns();
    bench_server_start(&restart->server, &restart->dir, options, cpu);
    struct pat_client *client = bench_connect(&restart->server);
    const uint64_t hash = bench_totals_check(client, &restart->totals);
    bench_samples_add(samples, pat_clock_monotonic_ns() - start);
    pat_client_close(&client);
    return hash;
}

static uint64_t run_case(struct restart *restart, const struct bench_options *options, const char *cpu,
                         const char *name, void (*stop_cb)(struct bench_server *server)) {
    struct bench_samples samples = {.count = 0};
    struct bench_case test = {.work = "W9", .name = name, .cpu = cpu, .rows = options->orders, .row = "order"};
    stop_cb(&restart->server);
    while (bench_again(&samples, options)) {
        test.hash = start_and_ask(restart, options, cpu, &samples);
        stop_cb(&restart->server);
    }
    char data[600];
    (void)snprintf(data, sizeof data, "%s/data", restart->dir.path);
    test.bytes = bench_dir_bytes(data);
    test.samples = &samples;
    bench_case_print(&test, options);
    bench_server_start(&restart->server, &restart->dir, options, cpu);
    bench_samples_free(&samples);
    return test.hash;
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    const struct bench_shop shop = {options.seed, options.customers, options.orders};
    struct restart restart = {.totals = bench_totals_of(&shop)};
    uint64_t hash = 0;
    for (unsigned i = 0; i < options.cpus; i++) {
        bench_dir_open(&restart.dir, &options);
        bench_server_start(&restart.server, &restart.dir, &options, options.cpu[i]);
        struct pat_client *client = bench_connect(&restart.server);
        bench_fill(client, &shop);
        pat_client_close(&client);
        const uint64_t journal =
            run_case(&restart, &options, options.cpu[i], "restart from the journal", bench_server_kill);
        const uint64_t snapshot =
            run_case(&restart, &options, options.cpu[i], "restart from a snapshot", bench_server_stop);
        if (i == 0) hash = journal;
        bench_must(journal == hash && snapshot == hash, "answers differ after a restart");
        bench_server_kill(&restart.server);
        bench_dir_close(&restart.dir);
    }
    return 0;
}
