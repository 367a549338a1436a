/* Values at ranks of what R, F and M are counted up from. */
#ifndef PAT_ANALYTICS_RANKS_PRIVATE_H
#define PAT_ANALYTICS_RANKS_PRIVATE_H

#include "analytics/scores_private.h"

/* For R the last day, so that more is better in all three. */
enum pat_measure { PAT_MEASURE_R, PAT_MEASURE_F, PAT_MEASURE_M };
#define PAT_MEASURES 3u
#define PAT_RANKS    4u

int64_t pat_measure__value(const struct pat_facts *facts, enum pat_measure measure, uint64_t row);

struct pat_rank {
    int64_t value;
    int64_t above; /* the least value above that one */
    bool any_above;
};
/* The rank[i]-th smallest values (from 1) of the customers in `scored`, who all have an order in the window and are at
 * least rank[i]. */
enum pat_status pat_ranks__find(struct pat_run *run, const uint64_t *scored, const uint64_t rank[PAT_RANKS],
                                struct pat_rank out[PAT_MEASURES][PAT_RANKS]) PAT_MUST_CHECK;

#endif
