/* A store in this process, filled through the ingest room, and questions to the analytics room: no wire, no journal,
 * as many threads as --workers says (2). */
#ifndef PAT_BENCH_LOCAL_H
#define PAT_BENCH_LOCAL_H

#include "kernel/kernel.h"
#include "lib/crew.h"
#include "lib/options.h"
#include "lib/report.h"
#include "lib/shop.h"
#include "model/request.h"
#include "model/zone.h"
#include "store/store.h"

struct bench_local {
    struct bench_shop shop;
    struct pat_zone *zone;
    struct pat_store *store;
    struct pat_view *view;
    struct bench_crew *crew;
    uint64_t fill_ns;     /* of orders: prepare, validate, apply */
    uint64_t store_bytes; /* that the accountant has for it, runs not included */
    uint64_t run_ns;      /* making a run of everything */
    uint64_t run_bytes;   /* that the accountant has for it */
};

/* The shop of the options, whole. The view stays open until close. */
void bench_local_open(struct bench_local *out, const struct bench_options *options);
void bench_local_close(struct bench_local *local);

/* A question, read once and asked again and again on the last day of the shop as today. */
struct bench_question {
    struct pat_arena arena;
    struct pat_request request;
};
/* params: JSON. */
void bench_question_open(struct bench_question *out, const char *method, const char *params);
void bench_question_close(struct bench_question *question);

/* The answer, in `arena`, which the caller has initialized and frees. */
struct pat_value bench_ask(const struct bench_local *local, const struct bench_question *question,
                           const struct pat_kernels *kernels, struct pat_arena *arena);

/* Asks with each kernel table of the options, has check_cb look at the first answer of each, holds all answers to be
 * equal, and prints a line each. `test` has work, name, rows, row, bytes and naive_ns. */
void bench_local_case(const struct bench_local *local, const struct bench_options *options, struct bench_case *test,
                      const char *method, const char *params,
                      void (*check_cb)(const struct pat_value *answer, const void *context), const void *context);

#endif
