/* What orders and refunds say of every customer as of D and within a window: the one place that reads facts in bulk.
 *
 *   aggregates kept at ingest   customers with nothing dated after D, where the window holds all of it or none
 *   runs                        any day and window, streaming; what lies behind them is added, and customers whose
 *                               facts changed in them are read from their chains
 *   chains                      where the others leave a few customers open
 *   tables                      one pass over both, where runs do not cover them
 *
 * All roads give the same bits. */
#ifndef PAT_ANALYTICS_FACTS_PRIVATE_H
#define PAT_ANALYTICS_FACTS_PRIVATE_H

#include "analytics/run_private.h"
#include "store/column.h"

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

#define PAT_FACT_BIT(fact)  (1u << (fact))
#define PAT_FACTS_LIFETIME  (PAT_FACT_BIT(PAT_FACT_WINDOW_ORDERS) - 1)
#define PAT_FACTS_WINDOW    ((PAT_FACT_BIT(PAT_FACT_KINDS) - 1) & ~PAT_FACTS_LIFETIME)
#define PAT_FACTS_LIFECYCLE (PAT_FACT_BIT(PAT_FACT_ORDERS) | PAT_FACT_BIT(PAT_FACT_FIRST) | PAT_FACT_BIT(PAT_FACT_LAST))
/* What a window consists of. */
#define PAT_FACTS_SCORES (PAT_FACTS_WINDOW | PAT_FACT_BIT(PAT_FACT_LAST))

/* No such day. */
#define PAT_FACT_NO_DAY INT32_MIN

/* By row, of every customer whether live or not, as narrow as they are: rows are counted in 32 bits. Those that were
 * not asked for are NULL. Counts of unpriced facts are NULL, too, while every fact of the view has a price. */
struct pat_facts {
    unsigned have; /* bits: asked for */
    uint32_t *orders, *unpriced, *window_orders, *window_unpriced;
    int64_t *net, *window_net;
    int32_t *first, *last;
};

/* Computes the facts of all customers whose bits are on, and those that go with them; the window is that of run->rfm.
 */
enum pat_status pat_facts__compute(struct pat_run *run, unsigned needed) PAT_MUST_CHECK;
/* The same for `out` instead of run->facts. */
enum pat_status pat_facts__make(struct pat_run *run, unsigned needed, struct pat_facts **out) PAT_MUST_CHECK;

/* The same of one customer, from its chains: for a few of them without all the others. */
struct pat_customer_facts {
    int64_t value[PAT_FACT_KINDS];
    int64_t before_last; /* day of the eligible order before the last, which may be the same; PAT_NULL: there is none */
};
void pat_facts__of_customer(const struct pat_run *run, pat_row customer, struct pat_customer_facts *out);
/* The same, out of runs as far as they say it: for single questions. */
void pat_facts__look_up(const struct pat_run *run, pat_row customer, struct pat_customer_facts *out);

/* Arrays for these facts and those that go with them, for somebody else to fill: a window on its way (window.c). */
enum pat_status pat_facts__arrays(struct pat_run *run, unsigned needed, struct pat_facts **out) PAT_MUST_CHECK;

/* Who must follow chains where runs tell of the others, as a bitmap; *out is NULL where runs do not serve: there are
 * none yet, or too many customers changed since. */
enum pat_status pat_facts__stale(struct pat_run *run, uint64_t **out) PAT_MUST_CHECK;

/* One fact that was asked for. */
int64_t pat_facts__get(const struct pat_facts *facts, enum pat_fact fact, uint64_t row);
/* The same of rows first .. first + count - 1. */
void pat_facts__read(const struct pat_facts *facts, enum pat_fact fact, uint64_t first, uint32_t count, int64_t *out);

/* The same where they lie as a column's values would; false for days. */
bool pat_facts__strip(const struct pat_facts *facts, enum pat_fact fact, uint64_t first, struct pat_column_part *out);

/* Order row `row` counts at D: present, not withdrawn, not a test, dated and paid up to D, not cancelled by then. */
bool pat_order__eligible(const struct pat_view *view, pat_row row, pat_day day);
/* The same of a block of orders (count <= PAT_BLOCK_ROWS) whose days are `dated`: bit i of `bits` for row first + i. */
void pat_orders__eligible(const struct pat_run *run, pat_row first, uint32_t count, const int64_t *dated,
                          uint64_t *bits);
/* Takes orders out of `bits` (of a block of a chunk, dated up to D) that do not count at D; with `counting` false those
 * that are not known: absent or withdrawn. */
void pat_orders__restrict(const struct pat_run *run, bool counting, pat_row first, uint32_t count, uint64_t *bits);
/* Refund row counts at D, and its order (where it names one) does not forbid it. */
bool pat_refund__counts(const struct pat_view *view, pat_row row, pat_day day);
/* First day of the window of run->rfm that ends on D. */
pat_day pat_run__window_start(const struct pat_run *run);

#endif
