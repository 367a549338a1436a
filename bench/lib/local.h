/* A store in this process, filled through the ingest room, and questions to the analytics room: no wire, no journal,
 * as many threads as --workers says (2). */
#ifndef PAT_BENCH_LOCAL_H
#define PAT_BENCH_LOCAL_H

#include "analytics/analytics.h"
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
    struct pat_kept_window *kept; /* a window from the question before, as the engine keeps it; NULL: none */
    uint64_t fill_ns;             /* of orders: prepare, validate, apply */
    uint64_t store_bytes;         /* that the accountant has for it, runs not included */
    uint64_t run_ns;              /* making a run of everything */
    uint64_t run_bytes;           /* that the accountant has for it */
};

/* The shop of the options, whole. The view stays open until close. */
void bench_local_open(struct bench_local *out, const struct bench_options *options);
void bench_local_close(struct bench_local *local);

/* One order more, of a customer there is, on the last day: a new view. */
void bench_local_append(struct bench_local *local, uint64_t order, uint32_t customer, pat_minor amount);

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

/* The same with the window that was kept, which is replaced when the question makes another. */
struct pat_value bench_ask_again(struct bench_local *local, const struct bench_question *question,
                                 const struct pat_kernels *kernels, struct pat_arena *arena);

/* Asks with each kernel table of the options, has check_cb look at the first answer of each, holds all answers to be
 * equal, and prints a line each. `test` has work, name, rows, row, bytes and naive_ns. */
void bench_local_case(const struct bench_local *local, const struct bench_options *options, struct bench_case *test,
                      const char *method, const char *params,
                      void (*check_cb)(const struct pat_value *answer, const void *context), const void *context);

#endif
