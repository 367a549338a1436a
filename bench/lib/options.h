/* The command line of a bench: named parameters, the same for every program.
 *
 *   bench_segment [--size smoke|full] [--customers N] [--orders N] [--seed N] [--workers N] [--repeats N]
 *                 [--cpu auto|scalar|avx2|avx512|all] [--sync always|interval|never] [--depth N] [--patrond FILE]
 *                 [--patron FILE] [--temp DIR]
 *
 * --cpu all runs a case once for each kernel table that this processor has and holds the answers to be the same. */
#ifndef PAT_BENCH_OPTIONS_H
#define PAT_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_CPUS_MAX 3u

struct bench_options {
    bool full;          /* figures; otherwise the least that proves the answers */
    uint32_t customers; /* a multiple of 16 */
    uint64_t orders;
    uint64_t seed;
    unsigned workers; /* of a server, or threads at a question in process; 0 = its own choice, two */
    unsigned repeats; /* 0 = by time, see bench_again */
    unsigned depth;   /* requests unanswered at once where a program pipelines them; 0 = its own choice */
    const char *cpu[BENCH_CPUS_MAX]; /* names for pat_kernels_find and --cpu */
    unsigned cpus;
    const char *sync;   /* of a server: "always" unless said otherwise */
    const char *temp;   /* where temporary directories are made */
    char patrond[1024]; /* the server, by default the one of the same build */
    char patron[1024];
};

/* Ends the program with a sentence on stderr when the command line is wrong (2), or after --help (0). */
void bench_options_read(struct bench_options *out, int argc, char **argv);

/* A sentence on stderr and exit 1: what is measured is not what was meant. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_must(bool good, const char *what);

#endif
