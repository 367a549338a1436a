/* Values at ranks of what R, F and M are counted up from. */
#ifndef PAT_ANALYTICS_RANKS_PRIVATE_H
#define PAT_ANALYTICS_RANKS_PRIVATE_H

#include "analytics/scores_private.h"

/* For R the last day, so that more is better in all three. */
enum pat_measure { PAT_MEASURE_R, PAT_MEASURE_F, PAT_MEASURE_M };
#define PAT_MEASURES 3u
#define PAT_RANKS    4u

static inline int64_t pat_measure__value(const struct pat_window_block *block, enum pat_measure measure, pat_day day,
                                         uint32_t i) {
    switch (measure) {
    case PAT_MEASURE_R: return pat_window__last(block, day, i);
    case PAT_MEASURE_F: return pat_window__orders(block, i);
    default: return pat_window__net(block, i);
    }
}

/* How many of the population have which value, nearly; counted while blocks are made. */
struct pat_ranking;
enum pat_status pat_ranks__begin(struct pat_run *run, struct pat_ranking **out) PAT_MUST_CHECK;
/* `scored`: bitmap of the block. Thread: any, one for each lane. */
void pat_ranks__count(struct pat_ranking *ranking, const struct pat_window_part *here, const uint64_t *scored);

struct pat_rank {
    int64_t value;
    int64_t above; /* the least value above that one */
    bool any_above;
};
/* The rank[i]-th smallest values (from 1) of the customers in `scored`, who all have an order in the window, were all
 * counted, and are at least rank[i]. */
enum pat_status pat_ranks__find(struct pat_run *run, struct pat_ranking *ranking, const struct pat_scores *scores,
                                const uint64_t rank[PAT_RANKS],
                                struct pat_rank out[PAT_MEASURES][PAT_RANKS]) PAT_MUST_CHECK;

#endif
