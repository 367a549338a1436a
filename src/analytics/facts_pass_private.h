/* The roads to facts, and what they share. Inside facts*.c only. */
#ifndef PAT_ANALYTICS_FACTS_PASS_PRIVATE_H
#define PAT_ANALYTICS_FACTS_PASS_PRIVATE_H

#include "analytics/facts_private.h"

/* Chains are followed instead of reading all facts when at most one customer in this many needs it: a chained order
 * costs about a cache miss for each column, an order in a pass a few nanoseconds. */
#define PAT_FACTS_CHAIN_SHARE 16u

struct pat_facts_pass {
    struct pat_run *run;
    const struct pat_view *view;
    struct pat_facts *facts;
    pat_day from;     /* first day of the window */
    uint64_t *open;   /* bitmap: customers that the tables have to answer; NULL: all of them */
    uint64_t *beyond; /* bitmap: customers whose sums left an int64 on the way */
};

/* ---- what a fact adds (facts_add.c) ------------------------------------------------------------------------------ */

/* As if the customer had no facts. */
void pat_facts__clear(const struct pat_facts *facts, uint64_t customer);
/* An eligible order, or a refund that counts (`orders` 0, `minor` negative): `minor` is PAT_NULL without a rate. */
void pat_facts__add(const struct pat_facts_pass *pass, uint64_t customer, int64_t day, uint32_t orders, int64_t minor);

/* ---- roads ------------------------------------------------------------------------------------------------------- */

/* Sets the facts of one customer from its chains (facts_chain.c). */
void pat_facts__follow(const struct pat_facts_pass *pass, pat_row customer);
/* Follows those of a bitmap. */
enum pat_status pat_facts__follow_all(const struct pat_facts_pass *pass, const uint64_t *customers) PAT_MUST_CHECK;
/* Adds the facts of orders and refunds from these rows on (facts_table.c). */
enum pat_status pat_facts__scan_tables(const struct pat_facts_pass *pass, pat_row orders,
                                       pat_row refunds) PAT_MUST_CHECK;

/* Whether runs lead to the facts of this view, and then them (facts_runs.c). */
enum pat_status pat_facts__scan_runs(const struct pat_facts_pass *pass, bool *done) PAT_MUST_CHECK;

#endif
