/* The aggregates that ingest keeps, read where they lie: for questions that need no more than what holds up to D, where
 * nearly every customer is settled. Few open ones are followed through their chains; with many, facts are computed. */
#ifndef PAT_ANALYTICS_KEPT_PRIVATE_H
#define PAT_ANALYTICS_KEPT_PRIVATE_H

#include "analytics/facts_private.h"
#include "analytics/strip_private.h"

#define PAT_KEPT_FACTS ((unsigned)PAT_FACT_UNPRICED + 1)

/* What orders and refunds say of one customer up to D. */
struct pat_open_customer {
    pat_row row;
    int64_t value[PAT_KEPT_FACTS];
};

struct pat_kept {
    uint32_t open_count;
    const struct pat_open_customer *open; /* by row */
    const uint32_t *block;                /* first of each PAT_BLOCK_ROWS customers, and the end */
};

/* Sets run->kept, or leaves it NULL where kept aggregates leave too many customers open. */
enum pat_status pat_kept__find(struct pat_run *run) PAT_MUST_CHECK;
/* The strip of a fact for the block that starts at customer `first`; false where some customer of it is open. */
bool pat_kept__strip(const struct pat_run *run, enum pat_fact fact, pat_row first, struct pat_strip *out);
/* The values of customers first .. first + count - 1, which lie in one block. */
void pat_kept__read(const struct pat_run *run, enum pat_fact fact, pat_row first, uint32_t count, int64_t *out);
/* Facts without a base value of the customers in `bits`. */
int64_t pat_kept__unpriced(const struct pat_run *run, const uint64_t *bits);

#endif
