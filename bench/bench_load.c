/* W1: columnar batches over loopback into an empty server, durable (--sync always, when not said otherwise), indexed,
 * aggregated; the batches are made before the clock starts. Ends with the last acknowledgement; then the server must
 * answer with the sums of the rows.
 *
 * Bytes: those of the columns as sent. */
#include "base/clock.h"
#include "lib/probe.h"
#include "lib/remote.h"
#include "lib/report.h"

/* Enough to keep the wire, the workers, the loop and the journal all busy. */
#define IN_FLIGHT  8u
#define BATCH_ROWS 65536u

static const char *const names[] = {"load.customers", "load.orders", "load.refunds"};

struct run {
    struct bench_load load[3];
    struct bench_samples samples[3];
    struct bench_totals totals;
    double rss_bytes; /* that the shop takes in the server, the most of all runs */
    uint64_t hash;
};

static void load_once(struct run *run, const struct bench_options *options, const char *cpu) {
    struct bench_dir dir;
    struct bench_server server;
    bench_dir_open(&dir, options);
    bench_server_start(&server, &dir, options, cpu);
    struct pat_client *client = bench_connect(&server);
    const uint64_t rss = bench_server_rss(&server);
    for (int table = BENCH_CUSTOMERS; table <= BENCH_REFUNDS; table++) {
        const uint64_t start = pat_clock_monotonic_ns();
        (void)bench_load_send(&run->load[table], client, IN_FLIGHT);
        bench_samples_add(&run->samples[table], pat_clock_monotonic_ns() - start);
    }
    const double grown = (double)bench_server_rss(&server) - (double)rss;
    if (grown > run->rss_bytes) run->rss_bytes = grown;
    run->hash = bench_totals_check(client, &run->totals);
    pat_client_close(&client);
    bench_server_kill(&server);
    bench_dir_close(&dir);
}

static void run_cpu(struct run *run, const struct bench_options *options, const char *cpu) {
    while (bench_again(&run->samples[BENCH_ORDERS], options)) load_once(run, options, cpu);
    struct bench_dir dir;
    bench_dir_open(&dir, options);
    const struct bench_disk disk = bench_probe_disk(dir.path, options->full);
    bench_dir_close(&dir);
    for (int table = BENCH_CUSTOMERS; table <= BENCH_REFUNDS; table++) {
        struct bench_case test = {.work = "W1",
                                  .name = names[table],
                                  .cpu = cpu,
                                  .samples = &run->samples[table],
                                  .rows = run->load[table].rows,
                                  .row = "row",
                                  .bytes = run->load[table].bytes,
                                  .hash = run->hash};
        bench_case_extra(&test, "disk_write_bytes_per_s", disk.write_bytes_per_s);
        bench_case_extra(&test, "disk_sync_us", disk.sync_us);
        if (table == BENCH_ORDERS)
            bench_case_extra(&test, "rss_bytes_per_order", run->rss_bytes / (double)options->orders);
        bench_case_sync(&test, options);
        bench_case_print(&test, options);
        bench_samples_clear(&run->samples[table]);
    }
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    const struct bench_shop shop = {options.seed, options.customers, options.orders};
    struct run run = {.totals = bench_totals_of(&shop)};
    bench_load_open(&run.load[BENCH_CUSTOMERS], BENCH_CUSTOMERS, &shop, 0, shop.customers, BATCH_ROWS);
    bench_load_open(&run.load[BENCH_ORDERS], BENCH_ORDERS, &shop, 0, shop.orders, BATCH_ROWS);
    bench_load_open(&run.load[BENCH_REFUNDS], BENCH_REFUNDS, &shop, 0, shop.orders, BATCH_ROWS);
    uint64_t hash = 0;
    for (unsigned i = 0; i < options.cpus; i++) {
        run_cpu(&run, &options, options.cpu[i]);
        if (i == 0) hash = run.hash;
        bench_must(run.hash == hash, "kernel tables give different answers");
    }
    for (int table = BENCH_CUSTOMERS; table <= BENCH_REFUNDS; table++) {
        bench_samples_free(&run.samples[table]);
        bench_load_close(&run.load[table]);
    }
    return 0;
}
