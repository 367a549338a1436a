/* W1c: a CSV file of orders to an answer: `patron load orders FILE` into an empty durable server, and then the RFM
 * grid. The clock runs from the start of patron to the grid in hand.
 *
 * Bytes: those of the file. */
#include "base/clock.h"
#include "lib/remote.h"
#include "lib/report.h"
#include "model/date.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define GRID "{\"window\": \"365d\", \"as_of\": \"" BENCH_LAST_DAY_TEXT "\"}"

static void write_row(FILE *file, uint64_t i, const struct bench_order *order) {
    const int second = (int)(order->time_ms / 1000 - (int64_t)order->day * 86400);
    char day[11], cancelled[11] = "";
    pat_day_print(order->day, day);
    if (order->cancelled != PAT_DAY_NONE) pat_day_print(order->cancelled, cancelled);
    (void)fprintf(file, "%" PRIu64 ",%" PRIu32 ",%s %02d:%02d:%02d,%" PRId64 ".%02d,USD,%s\n", i, order->customer, day,
                  second / 3600, second / 60 % 60, second % 60, order->amount / 100, (int)(order->amount % 100),
                  cancelled);
}

/* Gives its bytes. */
static uint64_t write_file(const char *path, const struct bench_shop *shop) {
    FILE *file = fopen(path, "we");
    if (file == NULL) bench_die("cannot write %s: %s", path, strerror(errno));
    (void)fputs("order,customer,time,amount,currency,cancelled\n", file);
    for (uint64_t i = 0; i < shop->orders; i++) {
        const struct bench_order order = bench_shop_order(shop, i);
        write_row(file, i, &order);
    }
    bench_must(fclose(file) == 0, "the CSV file cannot be written");
    struct stat info;
    bench_must(stat(path, &info) == 0, "the CSV file is not there");
    return (uint64_t)info.st_size;
}

/* What the grid of the file must say: its shop has no refunds and no profiles, so count is of those who bought. */
static int64_t scored_of(const struct bench_shop *shop) {
    struct bench_naive naive;
    struct bench_naive_sums sums;
    int64_t scored = 0;
    bench_naive_open(&naive, shop);
    bench_naive_sums_open(&sums, &naive);
    bench_naive_sum(&sums, &naive, BENCH_LAST_DAY, 365);
    for (uint32_t i = 0; i < naive.customers; i++) scored += sums.orders[i] > 0;
    bench_naive_sums_close(&sums);
    bench_naive_close(&naive);
    return scored;
}

static uint64_t load_once(struct bench_samples *samples, const struct bench_options *options, const char *cpu,
                          const char *file, int64_t scored) {
    struct bench_dir dir;
    struct bench_server server;
    struct pat_arena arena;
    bench_dir_open(&dir, options);
    bench_server_start(&server, &dir, options, cpu);
    const char *const argv[] = {options->patron, "--connect", server.address, "load", "orders", file, NULL};
    pat_arena_init(&arena, 0);
    const uint64_t start = pat_clock_monotonic_ns();
    bench_run(argv);
    struct pat_client *client = bench_connect(&server);
    const struct pat_value grid = bench_call(client, "rfm.grid", GRID, &arena);
    bench_samples_add(samples, pat_clock_monotonic_ns() - start);
    bench_equal("scored", bench_number(&grid, "scored"), scored);
    const uint64_t hash = bench_hash(&grid);
    pat_arena_deinit(&arena);
    pat_client_close(&client);
    bench_server_kill(&server);
    bench_dir_close(&dir);
    return hash;
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    const struct bench_shop shop = {options.seed, options.customers, options.orders};
    struct bench_dir dir;
    char file[600];
    bench_dir_open(&dir, &options);
    (void)snprintf(file, sizeof file, "%s/orders.csv", dir.path);
    const uint64_t bytes = write_file(file, &shop);
    const int64_t scored = scored_of(&shop);
    uint64_t hash = 0;
    for (unsigned i = 0; i < options.cpus; i++) {
        struct bench_samples samples = {.count = 0};
        struct bench_case test = {.work = "W1c",
                                  .name = "patron load orders FILE, then rfm.grid",
                                  .cpu = options.cpu[i],
                                  .rows = shop.orders,
                                  .row = "order",
                                  .bytes = bytes};
        while (bench_again(&samples, &options)) test.hash = load_once(&samples, &options, options.cpu[i], file, scored);
        if (i == 0) hash = test.hash;
        bench_must(test.hash == hash, "kernel tables give different answers");
        test.samples = &samples;
        bench_case_print(&test, &options);
        bench_samples_free(&samples);
    }
    bench_dir_close(&dir);
    return 0;
}
