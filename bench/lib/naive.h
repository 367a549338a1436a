/* The same questions by plain scalar loops over plain arrays, written without a look at the server's code: they say
 * whether an answer is right, and how long a program without any idea takes for it. */
#ifndef PAT_BENCH_NAIVE_H
#define PAT_BENCH_NAIVE_H

#include "lib/shop.h"

#include <stddef.h>
#include <stdint.h>

/* Facts in the order they came. */
struct bench_naive {
    uint32_t customers;
    uint64_t orders, refunds;
    uint32_t *customer; /* of each order */
    pat_day *day, *cancelled;
    pat_minor *amount;
    uint32_t *refund_customer;
    pat_day *refund_day, *refund_cancelled; /* the latter of its order */
    pat_minor *refund_amount;
    unsigned char *country; /* of each customer */
};
void bench_naive_open(struct bench_naive *out, const struct bench_shop *shop);
void bench_naive_close(struct bench_naive *naive);

/* By customer, as of a day. */
struct bench_naive_sums {
    uint32_t *orders; /* in the window */
    pat_minor *net;   /* in the window */
    pat_day *last;    /* of all orders up to the day; PAT_DAY_NONE without any */
};
void bench_naive_sums_open(struct bench_naive_sums *out, const struct bench_naive *naive);
void bench_naive_sums_close(struct bench_naive_sums *sums);
/* window_days 0: all time. */
void bench_naive_sum(struct bench_naive_sums *sums, const struct bench_naive *naive, pat_day day, int32_t window_days);

struct bench_naive_grid {
    uint64_t scored;
    uint64_t count[125]; /* of cell (r - 1) * 25 + (f - 1) * 5 + m - 1 */
    pat_minor net[125];
};
/* Quintiles of everybody with an order in the window. */
void bench_naive_score(struct bench_naive_grid *out, const struct bench_naive_sums *sums, uint32_t customers,
                       pat_day day);

/* Ascending, by radix; `spare` has n values, too. */
void bench_naive_sort(int64_t *values, int64_t *spare, size_t n);

#endif
