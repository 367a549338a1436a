/* What is kept beside the facts, held against the facts: customers' aggregates, what runs say of them, base values and
 * counts, each recomputed by a plain loop that shares nothing with ingest. Slow on purpose: one value at a time, no
 * kernels, no chains.
 *
 * Whole counts take one pass over the facts, and so does each piece of customers: what it takes in memory does not grow
 * with the customers, and each step can have a version of its own. */
#ifndef PAT_ANALYTICS_RECOUNT_H
#define PAT_ANALYTICS_RECOUNT_H

#include "analytics/analytics.h"

/* Customers of a piece: their sums take 28 MiB, and a pass over the facts of others costs a hundredth of counting them.
 * A multiple of PAT_RUN_BLOCK. */
#define PAT_RECOUNT_CUSTOMERS (1u << 18)

enum pat_recounted {
    /* of whole tables */
    PAT_RECOUNT_ORDERS_BASE,
    PAT_RECOUNT_REFUNDS_BASE,
    PAT_RECOUNT_COUNT_CUSTOMERS,
    PAT_RECOUNT_COUNT_ORDERS,
    PAT_RECOUNT_COUNT_LINES,
    PAT_RECOUNT_COUNT_REFUNDS,
    PAT_RECOUNT_COUNT_PENDING,
    PAT_RECOUNT_COUNT_UNPRICED,
    PAT_RECOUNT_COUNT_FX,
    PAT_RECOUNT_COUNT_NEWEST,
    /* of customers */
    PAT_RECOUNT_ORDERS,
    PAT_RECOUNT_NET,
    PAT_RECOUNT_UNPRICED,
    PAT_RECOUNT_FIRST_ORDER,
    PAT_RECOUNT_LAST_ORDER,
    PAT_RECOUNT_FIRST_FACT,
    PAT_RECOUNT_SETTLED,
    PAT_RECOUNT_COUNTRY,
    PAT_RECOUNT_RUN_ORDERS,
    PAT_RECOUNT_RUN_NET,
    PAT_RECOUNTS
};
static inline bool pat_recount_is_count(enum pat_recounted which) {
    return which >= PAT_RECOUNT_COUNT_CUSTOMERS && which <= PAT_RECOUNT_COUNT_NEWEST;
}

/* Wrong rows that are told one by one. */
#define PAT_RECOUNT_TOLD 10u

struct pat_recount_wrong {
    pat_row row; /* of the customer, order or refund; 0 for counts */
    int64_t kept, counted;
};

struct pat_recount_check {
    uint64_t rows, wrong;
    unsigned told;
    struct pat_recount_wrong first[PAT_RECOUNT_TOLD];
};

/* Adds up over all that is recounted into it. */
struct pat_recount {
    struct pat_recount_check check[PAT_RECOUNTS];
};

/* "customers.net". */
const char *pat_recount_name(enum pat_recounted which);
/* The table whose rows it is about. */
enum pat_table_id pat_recount_table(enum pat_recounted which);

/* Recounts into `out`. Of `job` it uses view, arena and stop_cb; scratch stays in the arena. Fails: PAT_ERR_NO_MEMORY,
 * PAT_ERR_CANCELLED, PAT_ERR_DEADLINE. */
enum pat_status pat_recount_whole(const struct pat_job *job, struct pat_recount *out,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* The same of the piece of customers that begins with `first`, a multiple of PAT_RECOUNT_CUSTOMERS. */
enum pat_status pat_recount_piece(const struct pat_job *job, pat_row first, struct pat_recount *out,
                                  struct pat_error *error) PAT_MUST_CHECK;

#endif
