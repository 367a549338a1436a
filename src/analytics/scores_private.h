/* RFM scores of the population at D (RULES.md): who is ranked, what earns which score, which group a customer is in. */
#ifndef PAT_ANALYTICS_SCORES_PRIVATE_H
#define PAT_ANALYTICS_SCORES_PRIVATE_H

#include "analytics/source_private.h"

/* What earns score i + 2: at least .value, or for recency at most so many days. Unset when nobody does. */
struct pat_threshold {
    bool set;
    int64_t value;
};

struct pat_scores {
    uint64_t population;
    uint64_t *scored;                                        /* bitmap of customers */
    uint8_t *r, *f, *m;                                      /* by row; 0 = not in the population */
    unsigned levels;                                         /* 5, or 2 for the mean split: 1 low, 2 high */
    struct pat_threshold r_days[4], f_orders[4], m_minor[4]; /* levels - 1 are in use */
    struct pat_group_names names;
};

/* Needs PAT_FACTS_SCORES, and what the population asks for. */
enum pat_status pat_scores__compute(struct pat_run *run) PAT_MUST_CHECK;

/* Number of the customer's group, or PAT_NULL outside of the population. */
int64_t pat_scores__group(const struct pat_scores *scores, pat_row row);

/* Sorts ascending; `scratch` has room for n, too. */
void pat_sort_int64(int64_t *values, int64_t *scratch, uint64_t n);

#endif
