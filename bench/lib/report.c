#include "lib/report.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "lib/probe.h"
#include "proto/wire.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMOKE_SAMPLES   3u
#define FULL_SAMPLES    5u
#define FULL_SAMPLES_TO 500u
#define FULL_NS         UINT64_C(5000000000)
#define SLOW_NS         UINT64_C(30000000000)

/* ---- samples ------------------------------------------------------------------------------------------------------
 */

void bench_samples_add(struct bench_samples *samples, uint64_t ns) {
    if (samples->count == samples->capacity) {
        const size_t capacity = samples->capacity * 2 + 64;
        uint64_t *grown =
            pat_mem_grow(PAT_MEM_OTHER, samples->ns, samples->capacity * sizeof *grown, capacity * sizeof *grown);
        bench_must(grown != NULL, "no memory for samples");
        samples->ns = grown;
        samples->capacity = capacity;
    }
    samples->ns[samples->count++] = ns;
    samples->total_ns += ns;
}

void bench_samples_clear(struct bench_samples *samples) {
    samples->count = 0;
    samples->total_ns = 0;
}

void bench_samples_free(struct bench_samples *samples) {
    pat_mem_free(PAT_MEM_OTHER, samples->ns);
    *samples = (struct bench_samples){.count = 0};
}

static int compare_ns(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t nearest_rank(const uint64_t *sorted, size_t count, double share) {
    const size_t rank = (size_t)ceil(share * (double)count);
    return sorted[rank > 0 ? rank - 1 : 0];
}

struct bench_figures bench_figures_of(const struct bench_samples *samples) {
    bench_must(samples->count > 0, "a case without samples");
    uint64_t *sorted = pat_mem_alloc(PAT_MEM_OTHER, samples->count * sizeof *sorted);
    bench_must(sorted != NULL, "no memory for samples");
    memcpy(sorted, samples->ns, samples->count * sizeof *sorted);
    qsort(sorted, samples->count, sizeof *sorted, compare_ns);
    const struct bench_figures figures = {.min_ns = sorted[0],
                                          .median_ns = nearest_rank(sorted, samples->count, .5),
                                          .p99_ns = nearest_rank(sorted, samples->count, .99),
                                          .p999_ns = nearest_rank(sorted, samples->count, .999),
                                          .max_ns = sorted[samples->count - 1]};
    pat_mem_free(PAT_MEM_OTHER, sorted);
    return figures;
}

bool bench_again(const struct bench_samples *samples, const struct bench_options *options) {
    if (options->repeats > 0) return samples->count < options->repeats;
    if (!options->full) return samples->count < SMOKE_SAMPLES;
    if (samples->count < FULL_SAMPLES) return samples->count < SMOKE_SAMPLES || samples->total_ns < SLOW_NS;
    return samples->total_ns < FULL_NS && samples->count < FULL_SAMPLES_TO;
}

/* ---- answers ------------------------------------------------------------------------------------------------------
 */

static bool is_of_the_asking(struct pat_text key) {
    return pat_text_is(key, "lsn") || pat_text_is(key, "epoch") || pat_text_is(key, "ms");
}

uint64_t bench_hash(const struct pat_value *answer) {
    bench_must(answer->type == PAT_VALUE_MAP, "an answer is a map");
    struct pat_buf bytes;
    pat_buf_init(&bytes, PAT_MEM_OTHER);
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct pat_member *member = &answer->as.members[i];
        if (is_of_the_asking(member->key)) continue;
        bench_must(pat_buf_append(&bytes, member->key.data, member->key.length) == PAT_OK &&
                       pat_wire_value(&bytes, &member->value) == PAT_OK,
                   "no memory for the hash of an answer");
    }
    const struct pat_digest digest = pat_digest_of(bytes.data, bytes.length);
    pat_buf_deinit(&bytes);
    return digest.low;
}

int64_t bench_integer(const struct pat_value *value) {
    bench_must(value != NULL && value->type == PAT_VALUE_INT, "an answer lacks a whole number");
    return value->as.integer;
}

int64_t bench_number(const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    if (value == NULL || value->type != PAT_VALUE_INT) bench_die("an answer has no whole number \"%s\"", key);
    return value->as.integer;
}

void bench_equal(const char *what, int64_t got, int64_t want) {
    if (got != want) bench_die("%s: got %" PRId64 ", expected %" PRId64, what, got, want);
}

/* ---- cases --------------------------------------------------------------------------------------------------------
 */

void bench_case_sync(struct bench_case *test, const struct bench_options *options) {
    if (strcmp(options->sync, "always") == 0) return;
    (void)snprintf(test->name_sync, sizeof test->name_sync, "%s, --sync %s", test->name, options->sync);
    test->name = test->name_sync;
}

void bench_case_extra(struct bench_case *test, const char *name, double value) {
    for (unsigned i = 0; i < BENCH_EXTRAS_MAX; i++) {
        if (test->extra[i].name != NULL) continue;
        test->extra[i].name = name;
        test->extra[i].value = value;
        return;
    }
    bench_die("a case with too many figures of its own");
}

void bench_case_cpu(struct bench_case *test, struct bench_cpu spent, uint64_t rows) {
    bench_case_extra(test, "server_cpu_us_per_row", (double)spent.server_ns / 1e3 / (double)rows);
    bench_case_extra(test, "client_cpu_us_per_row", (double)spent.client_ns / 1e3 / (double)rows);
}

static void print_times(const struct bench_case *test) {
    const struct bench_figures figures = bench_figures_of(test->samples);
    const double median = (double)figures.median_ns;
    (void)printf(", \"repeats\": %zu, \"min_ms\": %.4f, \"median_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f",
                 test->samples->count, (double)figures.min_ns / 1e6, median / 1e6, (double)figures.p99_ns / 1e6,
                 (double)figures.max_ns / 1e6);
    (void)printf(", \"rows\": %" PRIu64 ", \"row\": \"%s\", \"ns_per_row\": %.3f, \"rows_per_s\": %.0f", test->rows,
                 test->row, median / (double)test->rows, (double)test->rows / (median / 1e9));
    if (test->bytes > 0) {
        (void)printf(", \"bytes\": %" PRIu64 ", \"bytes_per_s\": %.0f", test->bytes,
                     (double)test->bytes / (median / 1e9));
    }
    if (test->naive_ns > 0) {
        (void)printf(", \"naive_ms\": %.4f, \"naive_ratio\": %.3f", (double)test->naive_ns / 1e6,
                     (double)test->naive_ns / median);
    }
}

void bench_case_print(const struct bench_case *test, const struct bench_options *options) {
    (void)printf("{\"work\": \"%s\", \"case\": \"%s\", \"size\": \"%s\", \"customers\": %" PRIu32
                 ", \"orders\": %" PRIu64 ", \"seed\": %" PRIu64 ", \"cpu\": \"%s\", \"workers\": %u",
                 test->work, test->name, options->full ? "full" : "smoke", options->customers, options->orders,
                 options->seed, test->cpu, options->workers);
    print_times(test);
    (void)printf(", \"read_1_bytes_per_s\": %.0f, \"read_2_bytes_per_s\": %.0f", bench_probe_read(1, options->full),
                 bench_probe_read(2, options->full));
    for (unsigned i = 0; i < BENCH_EXTRAS_MAX && test->extra[i].name != NULL; i++) {
        (void)printf(", \"%s\": %.6g", test->extra[i].name, test->extra[i].value);
    }
    (void)printf(", \"hash\": \"%016" PRIx64 "\"}\n", test->hash);
    (void)fflush(stdout);
}
