/* W10: a snapshot of the whole shop while others are served: its time, and that of pings sent one after another
 * meanwhile.
 *
 * Bytes: those of the snapshot. */
#include "base/clock.h"
#include "lib/probe.h"
#include "lib/remote.h"
#include "lib/report.h"

/* The snapshot's own time; pings go to `pings`. */
static uint64_t snapshot_once(struct pat_client *client, struct bench_samples *samples, struct bench_samples *pings) {
    uint32_t snapshot, msgid;
    uint64_t bytes = 0;
    const uint64_t start = pat_clock_monotonic_ns();
    bench_send(client, "snapshot.save", NULL, &snapshot);
    while (bytes == 0) {
        struct pat_arena arena;
        pat_arena_init(&arena, 0);
        const uint64_t sent = pat_clock_monotonic_ns();
        bench_send(client, "ping", NULL, &msgid);
        for (int answers = 0; answers < 1;) {
            const struct pat_value answer = bench_receive(client, &msgid, &arena);
            if (msgid == snapshot) {
                bench_samples_add(samples, pat_clock_monotonic_ns() - start);
                bytes = (uint64_t)bench_number(&answer, "bytes");
            } else {
                answers++;
                bench_samples_add(pings, pat_clock_monotonic_ns() - sent);
            }
        }
        pat_arena_deinit(&arena);
    }
    return bytes;
}

static uint64_t run_cpu(const struct bench_options *options, const struct bench_totals *totals, const char *cpu) {
    const struct bench_shop shop = {options->seed, options->customers, options->orders};
    struct bench_dir dir;
    struct bench_server server;
    struct bench_samples samples = {.count = 0}, pings = {.count = 0};
    bench_dir_open(&dir, options);
    const struct bench_disk disk = bench_probe_disk(dir.path, options->full);
    bench_server_start(&server, &dir, options, cpu);
    struct pat_client *client = bench_connect(&server);
    bench_fill(client, &shop);
    if (options->full) bench_settle(client);
    bench_server_peak_reset(&server);
    const uint64_t rss = bench_server_rss(&server);
    struct bench_case test = {
        .work = "W10", .name = "snapshot.save", .cpu = cpu, .rows = options->orders, .row = "order"};
    while (bench_again(&samples, options)) test.bytes = snapshot_once(client, &samples, &pings);
    const uint64_t peak = bench_server_peak(&server);
    test.hash = bench_totals_check(client, totals);
    test.samples = &samples;
    const struct bench_figures figures = bench_figures_of(&pings);
    bench_case_extra(&test, "ping_p50_us", (double)figures.median_ns / 1e3);
    bench_case_extra(&test, "ping_p999_us", (double)figures.p999_ns / 1e3);
    bench_case_extra(&test, "ping_max_us", (double)figures.max_ns / 1e3);
    bench_case_extra(&test, "memory_share_more", peak > rss ? (double)(peak - rss) / (double)rss : 0);
    bench_case_extra(&test, "disk_write_bytes_per_s", disk.write_bytes_per_s);
    bench_case_print(&test, options);
    bench_samples_free(&samples);
    bench_samples_free(&pings);
    pat_client_close(&client);
    bench_server_kill(&server);
    bench_dir_close(&dir);
    return test.hash;
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    const struct bench_shop shop = {options.seed, options.customers, options.orders};
    const struct bench_totals totals = bench_totals_of(&shop);
    uint64_t hash = 0;
    for (unsigned i = 0; i < options.cpus; i++) {
        const uint64_t here = run_cpu(&options, &totals, options.cpu[i]);
        if (i == 0) hash = here;
        bench_must(here == hash, "kernel tables give different answers");
    }
    return 0;
}
