/* Samples, what is said of them, and the JSON line of a case. */
#ifndef PAT_BENCH_REPORT_H
#define PAT_BENCH_REPORT_H

#include "lib/options.h"
#include "lib/server.h"
#include "model/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- samples ------------------------------------------------------------------------------------------------------
 */

struct bench_samples {
    uint64_t *ns;
    size_t count, capacity;
    uint64_t total_ns;
};
void bench_samples_add(struct bench_samples *samples, uint64_t ns);
void bench_samples_clear(struct bench_samples *samples);
void bench_samples_free(struct bench_samples *samples);

struct bench_figures {
    uint64_t min_ns, median_ns, p99_ns, p999_ns, max_ns; /* nearest rank */
};
struct bench_figures bench_figures_of(const struct bench_samples *samples);

/* Whether to take another sample: options->repeats of them, or 3 in the smoke size, or else at least 5 (3 when they
 * take half a minute) and so many as fit five seconds, at the most 500. */
bool bench_again(const struct bench_samples *samples, const struct bench_options *options);

/* ---- answers ------------------------------------------------------------------------------------------------------
 */

/* A hash of an answer without lsn, epoch and ms, which are no part of it. */
uint64_t bench_hash(const struct pat_value *answer);
/* Dies when the answer has no such member, or not a whole number. */
int64_t bench_number(const struct pat_value *map, const char *key);
int64_t bench_integer(const struct pat_value *value);
/* Dies naming both. */
void bench_equal(const char *what, int64_t got, int64_t want);

/* ---- cases --------------------------------------------------------------------------------------------------------
 */

#define BENCH_EXTRAS_MAX 12u

struct bench_case {
    const char *work;   /* as in SPEED.md: "W3" */
    const char *name;   /* "segment, three conditions" */
    char name_sync[64]; /* room for a longer one */
    const char *cpu;
    const struct bench_samples *samples;
    uint64_t rows;     /* that one sample deals with */
    const char *row;   /* what a row is */
    uint64_t bytes;    /* that the work must move at the least (the floor of SPEED.md, or bytes sent); 0: does not say
                          anything */
    uint64_t naive_ns; /* a plain scalar loop for the same answer, best of its runs; 0: there is none */
    uint64_t hash;
    struct {
        const char *name; /* with its unit */
        double value;
    } extra[BENCH_EXTRAS_MAX];
};
void bench_case_extra(struct bench_case *test, const char *name, double value);
/* Processor time a row of server and client. */
void bench_case_cpu(struct bench_case *test, struct bench_cpu spent, uint64_t rows);
/* The name of a case whose server syncs otherwise than always says so. */
void bench_case_sync(struct bench_case *test, const struct bench_options *options);
/* Measures the read bandwidth and prints the line. */
void bench_case_print(const struct bench_case *test, const struct bench_options *options);

#endif
