/* The life cycle of customers: RULES, "Life cycle", with two fixed cuts or with each customer's own. */
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

/* Both cuts in days by row of customers; NULL when the question has the same for all. */
struct pat_own_cuts {
    const int32_t *cut[2];
};

struct pat_lifecycle_pass {
    struct pat_run *run;
    struct pat_own_cuts own; /* when the cuts are each customer's own */
    uint8_t *state;
    uint64_t *asked; /* whose gap before the latest order only the orders themselves tell */
    uint64_t asked_count[PAT_SPREAD_LANES_MAX];
    /* Of those: eligible orders within the first cut before the latest one, that one included; 2 or above: more. Set by
     * any thread. */
    uint8_t *late;
};

static inline int64_t pat_lifecycle__cut(const struct pat_lifecycle_pass *pass, uint64_t row, unsigned which) {
    if (pass->own.cut[which] != NULL) return pass->own.cut[which][row];
    return pass->run->job->request->question.lifecycle_cut[which];
}
/* An eligible order of a customer asked about. False when it lies before the cut. */
static inline bool pat_lifecycle__count_order(const struct pat_lifecycle_pass *pass, uint64_t row, int64_t day) {
    if (day < pass->run->facts->last[row] - pat_lifecycle__cut(pass, row, 0)) return false;
    /* Relaxed is enough: counts are looked at after the pass. No thread adds to what another has seen to be enough, so
     * that it is never more than the threads above 2. */
    if (__atomic_load_n(&pass->late[row], __ATOMIC_RELAXED) < 2) {
        (void)__atomic_fetch_add(&pass->late[row], 1, __ATOMIC_RELAXED);
    }
    return true;
}
/* Counts what runs hold of those asked about, whether it is stale or not (lifecycle_runs.c). */
enum pat_status pat_lifecycle__count_runs(struct pat_lifecycle_pass *pass) PAT_MUST_CHECK;

static inline bool pat_lifecycle__by_gaps(const struct pat_run *run) {
    return run->job != NULL && run->job->request->question.lifecycle_gap_milli[0] != 0;
}
/* Multiples of each customer's mean gap, rounded down to days, as gaps and recency are whole days. Lifetime facts must
 * be there. */
enum pat_status pat_lifecycle__own_cuts(struct pat_run *run, struct pat_own_cuts *out) PAT_MUST_CHECK;
/* Notes that the question looks at the life cycle: with gaps it rests on countries, which have no history. */
void pat_lifecycle__note(struct pat_run *run);

/* The state of one customer with these facts, when cuts are the same for all. */
enum pat_lifecycle pat_lifecycle__of_customer(const struct pat_run *run, const struct pat_customer_facts *facts);
/* Sets run->lifecycle of the customers whose bit is on in `who`. Lifetime facts must be there. */
enum pat_status pat_lifecycle__compute(struct pat_run *run, const uint64_t *who) PAT_MUST_CHECK;

#endif
