/* Rows per second of load.orders through the ingest room: prepare, validate, apply; no wire, no journal.
 *
 *   bench_ingest [orders [customers [FORM]]]      2000000 200000 for a figure
 *
 * Three forms: fixed-width bins and dictionaries, as a program sends them; texts, as a file has them; and bins again
 * with a view opened before every batch, as when questions are asked all the time. Times are this thread's own on its
 * processor, so that what else runs on the machine costs it cache and little more. */
#include "base/arena.h"
#include "base/mem.h"
#include "ingest/ingest.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* 2024-03-15T12:00:00Z, and the five years of orders before it. */
#define NOW_MS  INT64_C(1710504000000)
#define SPAN_MS (INT64_C(5) * 365 * 86400000)

struct bench {
    uint64_t seed;
    uint64_t orders, customers;
    struct pat_zone *zone;
    struct pat_store *store;
    uint64_t prepare_ns, validate_ns, apply_ns;
    uint64_t prepare_bytes_max; /* of a batch's arena */
};

static uint64_t next_random(struct bench *bench) {
    bench->seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = bench->seed;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void must(bool good, const char *what) {
    if (good) return;
    (void)fprintf(stderr, "bench_ingest: %s\n", what);
    exit(1);
}

/* ---- a batch
 * ---------------------------------------------------------------------------------------------------------------- */

static uint64_t cpu_ns(void) {
    struct timespec now;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0, "no clock");
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct row {
    int64_t order, customer, time_ms, amount_minor;
    unsigned country;
};

static const char *const countries[] = {"DE", "FR", "GB", "US", "BR", "JP", "CN", "IN"};

static struct row row_make(struct bench *bench, uint64_t order) {
    uint64_t random = next_random(bench);
    /* Some buy often: the square of an even share. */
    double share = (double)(random >> 11) / 9007199254740992.0;
    return (struct row){.order = (int64_t)order,
                        .customer = (int64_t)(share * share * (double)bench->customers),
                        .time_ms =
                            NOW_MS - SPAN_MS + (int64_t)((double)order / (double)bench->orders * (double)SPAN_MS),
                        .amount_minor = (int64_t)(next_random(bench) % 20000),
                        .country = (unsigned)(random & 7)};
}

static struct pat_value bin_column(struct pat_arena *arena, const int64_t *values, uint32_t rows) {
    unsigned char *bytes = pat_arena_array(arena, rows, sizeof *values);
    must(bytes != NULL, "no memory");
    for (size_t i = 0; i < rows * sizeof *values; i++) bytes[i] = ((const unsigned char *)values)[i];
    return (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)(rows * sizeof *values), .as.bin = bytes};
}

static struct pat_value dict_column(struct pat_builder *builder, const char *const *words, unsigned count,
                                    const struct row *row, uint32_t rows) {
    struct pat_value map = pat_build_map(builder, 2), dict = pat_build_array(builder, count);
    for (unsigned i = 0; i < count; i++) pat_build_push(builder, &dict, pat_value_string(words[i]));
    unsigned char *codes = pat_arena_alloc(builder->arena, rows);
    must(codes != NULL, "no memory");
    for (uint32_t i = 0; i < rows; i++) codes[i] = (unsigned char)(row[i].country % count);
    pat_build_put(builder, &map, "dict", dict);
    pat_build_put(builder, &map, "codes", (struct pat_value){.type = PAT_VALUE_BIN, .count = rows, .as.bin = codes});
    return map;
}

static struct pat_value batch_of_bins(struct pat_builder *builder, const struct row *row, uint32_t rows) {
    struct pat_value columns = pat_build_map(builder, 8);
    int64_t *values = pat_arena_array(builder->arena, rows, sizeof *values);
    must(values != NULL, "no memory");
    for (uint32_t i = 0; i < rows; i++) values[i] = row[i].order;
    pat_build_put(builder, &columns, "order", bin_column(builder->arena, values, rows));
    for (uint32_t i = 0; i < rows; i++) values[i] = row[i].customer;
    pat_build_put(builder, &columns, "customer", bin_column(builder->arena, values, rows));
    for (uint32_t i = 0; i < rows; i++) values[i] = row[i].time_ms;
    pat_build_put(builder, &columns, "time", bin_column(builder->arena, values, rows));
    for (uint32_t i = 0; i < rows; i++) values[i] = row[i].amount_minor;
    pat_build_put(builder, &columns, "amount_minor", bin_column(builder->arena, values, rows));
    static const char *const currencies[] = {"EUR"};
    pat_build_put(builder, &columns, "currency", dict_column(builder, currencies, 1, row, rows));
    pat_build_put(builder, &columns, "country", dict_column(builder, countries, 8, row, rows));
    return columns;
}

static struct pat_value text_column(struct pat_builder *builder, const struct row *row, uint32_t rows, unsigned which) {
    struct pat_value column = pat_build_array(builder, rows);
    for (uint32_t i = 0; i < rows; i++) {
        struct pat_value value = pat_value_nil();
        int64_t seconds = row[i].time_ms / 1000, amount = row[i].amount_minor;
        switch (which) {
        case 0: value = pat_build_printf(builder, "INV-%" PRId64, row[i].order); break;
        case 1: value = pat_build_printf(builder, "C%" PRId64, row[i].customer); break;
        case 2:
            value = pat_build_printf(builder, "2023-%02d-%02d %02d:%02d:%02d", (int)(seconds / 2419200 % 12) + 1,
                                     (int)(seconds / 86400 % 28) + 1, (int)(seconds / 3600 % 24),
                                     (int)(seconds / 60 % 60), (int)(seconds % 60));
            break;
        case 3: value = pat_build_printf(builder, "%" PRId64 ".%02d", amount / 100, (int)(amount % 100)); break;
        case 4: value = pat_value_string("EUR"); break;
        default: value = pat_value_string(countries[row[i].country]);
        }
        pat_build_push(builder, &column, value);
    }
    return column;
}

static struct pat_value batch_of_texts(struct pat_builder *builder, const struct row *row, uint32_t rows) {
    static const char *const names[] = {"order", "customer", "time", "amount", "currency", "country"};
    struct pat_value columns = pat_build_map(builder, 8);
    for (unsigned i = 0; i < 6; i++) pat_build_put(builder, &columns, names[i], text_column(builder, row, rows, i));
    return columns;
}

/* ---- the measure
 * -------------------------------------------------------------------------------------------------------------- */

static void load(struct bench *bench, const struct pat_value *columns, uint64_t seq) {
    struct pat_load sent = {
        .table = PAT_ORDERS, .producer = PAT_TEXT("bench"), .seq = seq, .errors_max = 1, .columns = columns};
    struct pat_arena arena;
    struct pat_error error;
    struct pat_batch *batch;
    struct pat_batch_outcome outcome;
    pat_arena_init(&arena, 0);
    uint64_t start = cpu_ns();
    must(pat_ingest_prepare(&batch, &sent, bench->zone, &bench->store->secret, NOW_MS, &arena, &error) == PAT_OK,
         "prepare failed");
    uint64_t prepared = cpu_ns();
    must(pat_ingest_validate(batch, &sent, bench->store, false, &error) == PAT_OK, "validate failed");
    uint64_t validated = cpu_ns();
    pat_ingest_apply(bench->store, batch, bench->store->lsn + 1, &outcome);
    uint64_t applied = cpu_ns();
    must(outcome.fresh == batch->rows, "not every row is new");
    bench->prepare_ns += prepared - start;
    bench->validate_ns += validated - prepared;
    bench->apply_ns += applied - validated;
    if (arena.bytes_used > bench->prepare_bytes_max) bench->prepare_bytes_max = arena.bytes_used;
    pat_arena_deinit(&arena);
}

static double rows_per_second(const struct bench *bench, uint64_t ns) {
    return (double)bench->orders / ((double)(ns > 0 ? ns : 1) / 1e9);
}

static void run(const char *name, uint64_t orders, uint64_t customers, bool texts, bool views) {
    struct bench bench = {.seed = 42, .orders = orders, .customers = customers};
    must(pat_zone_open(&bench.zone, "UTC", NULL) == PAT_OK, "no zone");
    struct pat_store_options options = {
        .zone = bench.zone, .base_currency = "EUR", .entropy = "bench", .entropy_bytes = 5};
    must(pat_store_open(&bench.store, &options, NULL) == PAT_OK, "no store");
    size_t before = pat_mem_used_total();
    struct row *row = malloc(PAT_BATCH_ROWS_MAX * sizeof *row);
    must(row != NULL, "no memory");
    struct pat_view *view = NULL;
    for (uint64_t done = 0, seq = 1; done < orders; seq++) {
        uint32_t rows = orders - done < PAT_BATCH_ROWS_MAX ? (uint32_t)(orders - done) : PAT_BATCH_ROWS_MAX;
        for (uint32_t i = 0; i < rows; i++) row[i] = row_make(&bench, done + i);
        struct pat_arena arena;
        pat_arena_init(&arena, 0);
        struct pat_builder builder = {.arena = &arena};
        struct pat_value columns = texts ? batch_of_texts(&builder, row, rows) : batch_of_bins(&builder, row, rows);
        must(!builder.failed, "no memory");
        pat_view_close(&view);
        if (views) must(pat_view_open(&view, bench.store) == PAT_OK, "no view");
        load(&bench, &columns, seq);
        pat_arena_deinit(&arena);
        done += rows;
    }
    pat_view_close(&view);
    size_t bytes = pat_mem_used_total() - before;
    (void)printf(
        "%-18s prepare %9.0f  validate %11.0f  apply %9.0f  rows/s   %5.1f bytes/order  arena %.1f MiB/batch\n", name,
        rows_per_second(&bench, bench.prepare_ns), rows_per_second(&bench, bench.validate_ns),
        rows_per_second(&bench, bench.apply_ns), (double)bytes / (double)orders,
        (double)bench.prepare_bytes_max / 1048576.0);
    free(row);
    pat_store_close(&bench.store);
    pat_zone_close(&bench.zone);
}

int main(int argc, char **argv) {
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20); /* as patrond does */
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
    uint64_t orders = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    uint64_t customers = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000;
    must(orders > 0 && customers > 0, "usage: bench_ingest [orders [customers [FORM]]]");
    (void)printf("load.orders, %" PRIu64 " orders of up to %" PRIu64 " customers, batches of %u rows, seed 42\n",
                 orders, customers, PAT_BATCH_ROWS_MAX);
    const struct {
        const char *name;
        bool texts, views;
    } forms[] = {{"bins", false, false}, {"texts", true, false}, {"bins under views", false, true}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (argc > 3 && strcmp(argv[3], forms[i].name) != 0) continue;
        run(forms[i].name, orders, customers, forms[i].texts, forms[i].views);
    }
    return 0;
}
