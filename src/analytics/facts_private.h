/* What orders and refunds say of every customer as of D and within a window: the one place that reads facts in bulk.
 *
 * Customers whose facts are all settled (nothing dated after D, and the window holds all or none of them) come from the
 * aggregates kept at ingest; the others from their chains when they are few, else from one pass over the tables. */
#ifndef PAT_ANALYTICS_FACTS_PRIVATE_H
#define PAT_ANALYTICS_FACTS_PRIVATE_H

#include "analytics/run_private.h"

enum pat_fact {
    PAT_FACT_ORDERS, /* eligible orders up to D */
    PAT_FACT_NET,    /* base minor: eligible orders less counting refunds up to D, priced ones */
    PAT_FACT_FIRST,  /* day of the first eligible order, PAT_NULL without one */
    PAT_FACT_LAST,
    PAT_FACT_UNPRICED,      /* facts of NET without a base value */
    PAT_FACT_WINDOW_ORDERS, /* F */
    PAT_FACT_WINDOW_NET,    /* M */
    PAT_FACT_WINDOW_UNPRICED,
    PAT_FACT_KINDS
};

struct pat_facts {
    int64_t *value[PAT_FACT_KINDS]; /* [customers] by row, of every customer whether live or not */
};

#define PAT_FACTS_LIFETIME ((1u << PAT_FACT_WINDOW_ORDERS) - 1)
#define PAT_FACTS_WINDOW   (((1u << PAT_FACT_KINDS) - 1) & ~PAT_FACTS_LIFETIME)

/* Computes facts of all customers; the window ones (of run->rfm) only when asked for by a bit of PAT_FACTS_WINDOW. */
enum pat_status pat_facts__compute(struct pat_run *run, unsigned needed) PAT_MUST_CHECK;

/* Order row `row` counts at D: present, not withdrawn, not a test, dated and paid up to D, not cancelled by then. */
bool pat_order__eligible(const struct pat_view *view, pat_row row, pat_day day);
/* The same of a block of orders (count <= PAT_BLOCK_ROWS) whose days are `dated`: bit i of `bits` for row first + i. */
void pat_orders__eligible(const struct pat_run *run, pat_row first, uint32_t count, const int64_t *dated,
                          uint64_t *bits);
/* Refund row counts at D, and its order (where it names one) does not forbid it. */
bool pat_refund__counts(const struct pat_view *view, pat_row row, pat_day day);
/* First day of the window of run->rfm that ends on D. */
pat_day pat_run__window_start(const struct pat_run *run);

#endif
