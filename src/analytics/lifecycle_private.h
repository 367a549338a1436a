/* The life cycle of customers: RULES, "Life cycle", with two fixed cuts. */
#ifndef PAT_ANALYTICS_LIFECYCLE_PRIVATE_H
#define PAT_ANALYTICS_LIFECYCLE_PRIVATE_H

#include "analytics/facts_private.h"

enum pat_lifecycle {
    PAT_LIFECYCLE_PROSPECT,
    PAT_LIFECYCLE_NEW,
    PAT_LIFECYCLE_RETURNED,
    PAT_LIFECYCLE_ACTIVE,
    PAT_LIFECYCLE_SLEEPING,
    PAT_LIFECYCLE_LOST,
    PAT_LIFECYCLES
};

extern const char *const pat_lifecycle_names[PAT_LIFECYCLES];

/* Sets run->lifecycle of the customers whose bit is on in `who`. Lifetime facts must be there. */
enum pat_status pat_lifecycle__compute(struct pat_run *run, const uint64_t *who) PAT_MUST_CHECK;

#endif
