/* The roads to purchase days, and what they share. Inside lifetime_days.c and lifetime_runs.c only. */
#ifndef PAT_ANALYTICS_LIFETIME_DAYS_PRIVATE_H
#define PAT_ANALYTICS_LIFETIME_DAYS_PRIVATE_H

#include "analytics/lifetime_private.h"

/* A fact that raises or lowers what a day was worth. */
struct pat_purchase_fact {
    int64_t amount; /* base minor, negative for a refund; PAT_NULL: no rate */
    int32_t day;
};

/* Sorts the facts of one customer and makes purchases of them. */
struct pat_history pat_purchase__merge(struct pat_purchase_fact *facts, uint64_t n);

/* Facts that are in no run, by customer: facts[start[row] .. start[row + 1]). */
struct pat_tail {
    struct pat_purchase_fact *facts; /* NULL: there are none */
    const uint64_t *start;
    bool long_one; /* more than is held at a time: nothing was collected */
};
enum pat_status pat_purchases__tail(struct pat_run *run, const struct pat_purchase_ask *ask,
                                    struct pat_tail *out) PAT_MUST_CHECK;

/* Fills out->of from the runs of the view; *done stays false when there are none, or when the tables cost less. */
enum pat_status pat_purchases__from_runs(struct pat_run *run, const struct pat_purchase_ask *ask,
                                         struct pat_purchases *out, bool *done) PAT_MUST_CHECK;

#endif
