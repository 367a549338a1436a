/* What is known of a version beside its columns: thresholds of scores by day and rfm, so that a look-up of one customer
 * need not rank all of them. Threads find and keep at the same time. */
#ifndef PAT_ANALYTICS_KNOWN_PRIVATE_H
#define PAT_ANALYTICS_KNOWN_PRIVATE_H

#include "analytics/scores_private.h"

/* NULL when not known. Lives as long as `known`. */
const struct pat_thresholds *pat_known__find(const struct pat_known *known, pat_day day, struct pat_text key);
void pat_known__keep(struct pat_known *known, pat_day day, struct pat_text key,
                     const struct pat_thresholds *thresholds);

#endif
