/* What making a run from the tables and merging runs share. Inside the store room only. */
#ifndef PAT_STORE_RUN_PRIVATE_H
#define PAT_STORE_RUN_PRIVATE_H

#include "base/mem.h"
#include "store/run.h"
#include "store/store.h"

#include <string.h>

/* Readable bytes behind `day` and `net`. */
#define PAT_RUN_PADDING 64u

/* ---- what a row is to a run -------------------------------------------------------------------------------------- */

enum pat_run_kind { PAT_RUN_NOTHING, PAT_RUN_PLAIN, PAT_RUN_ODD };

struct pat_run_order {
    int64_t customer, state, deleted, test, day, paid, cancelled, base;
};

struct pat_run_refund {
    int64_t customer, deleted, order, day, base;
};

static inline enum pat_run_kind pat_run__order_kind(const struct pat_run_order *order, pat_day day_base) {
    if (order->state != PAT_ORDER_PRESENT || order->deleted == 1 || order->test == 1) return PAT_RUN_NOTHING;
    if (order->customer == PAT_NULL || order->day == PAT_NULL) return PAT_RUN_NOTHING;
    const bool late = order->paid != PAT_NULL && order->paid > order->day;
    if (order->cancelled != PAT_NULL) {
        return order->cancelled > (late ? order->paid : order->day) ? PAT_RUN_ODD : PAT_RUN_NOTHING;
    }
    const int64_t above = order->day - day_base;
    const bool narrow = order->base >= INT32_MIN && order->base <= INT32_MAX; /* PAT_NULL is not */
    return !late && above >= 0 && above <= UINT16_MAX && narrow ? PAT_RUN_PLAIN : PAT_RUN_ODD;
}

static inline struct pat_run_odd pat_run__odd_order(const struct pat_run_order *order) {
    return (struct pat_run_odd){
        .customer = (pat_row)order->customer,
        .day = (int32_t)order->day,
        .from = (int32_t)(order->paid != PAT_NULL && order->paid > order->day ? order->paid : order->day),
        .until = order->cancelled == PAT_NULL ? INT32_MAX : (int32_t)order->cancelled,
        .refers = INT32_MIN,
        .orders = 1,
        .net = order->base,
    };
}

/* Whether its order lets it count is looked up once, by pat_run__odd_refund: this is what it may be. */
static inline bool pat_run__refund_may_count(const struct pat_run_refund *refund) {
    return refund->customer != PAT_NULL && refund->deleted != 1 && refund->day != PAT_NULL;
}

/* False when its order never lets it count. */
static inline bool pat_run__odd_refund(const struct pat_view *view, const struct pat_run_refund *refund,
                                       struct pat_run_odd *odd) {
    *odd = (struct pat_run_odd){
        .customer = (pat_row)refund->customer,
        .day = (int32_t)refund->day,
        .from = (int32_t)refund->day,
        .until = INT32_MAX,
        .refers = INT32_MIN,
        .net = refund->base == PAT_NULL ? PAT_NULL : -refund->base,
    };
    if (refund->order == PAT_NULL) return true;
    const pat_row order = (pat_row)refund->order;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, order) == PAT_ORDER_AWAITED) return false;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, order) == 1) return false;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_TEST, order) == 1) return false;
    const int64_t cancelled = pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, order);
    const int64_t dated = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, order);
    const int64_t paid = pat_view_get(view, PAT_ORDERS, PAT_ORDER_PAID_DAY, order);
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, order) == PAT_ORDER_PRESENT && dated != PAT_NULL) {
        odd->refers = (int32_t)dated;
        if (paid != PAT_NULL && paid > dated) odd->unpaid = (uint32_t)(paid - dated) & INT32_MAX;
    }
    if (cancelled != PAT_NULL) odd->until = (int32_t)cancelled;
    return odd->until > odd->from;
}

/* ---- a run that is being written --------------------------------------------------------------------------------- */

/* Columns that facts are put into (run_odd.c), and room for wide ones, which grows. */
struct pat_run_odd_writer {
    struct pat_fact_run *run; /* that they are of; its base of days is set */
    pat_row *customer;
    uint16_t *day, *from, *until, *refers, *unpaid;
    int32_t *net;
    uint32_t *block;
    uint32_t wide_capacity;
};

/* Takes columns for so many facts, without blocks; they are the run's. */
bool pat_run__take_odds(struct pat_run_odd_writer *writer, uint32_t odd_max);
/* False when there is no memory for one that is wide. */
bool pat_run__put_odd(struct pat_run_odd_writer *writer, uint32_t place, const struct pat_run_odd *odd);
/* Base of the days of odd facts in a run whose others begin on `day_base`: as many days after the newest fact as
 * before it, since orders are paid and cancelled later. */
static inline pat_day pat_run__odd_base(pat_day day_base) {
    return day_base + UINT16_MAX / 2 + 1;
}
/* An array of the run, or NULL. */
void *pat_run__take_array(struct pat_fact_run *run, size_t count, size_t width, size_t padding);

struct pat_run_writer {
    struct pat_fact_run *run; /* count, customers and day_base are set */
    uint16_t *day;
    int32_t *net;
    uint32_t *offset, *block;
    pat_row *customer;
    struct pat_run_odd_writer odd;
};

/* Takes the arrays of a run of run->count plain facts and room for `odd_max` others; they are the run's. */
bool pat_run__take(struct pat_run_writer *writer, uint32_t odd_max);
/* Gives them back; the run is as it was before. */
void pat_run__reset(struct pat_fact_run *run);
/* Entries of customers before *next are written up to `place`: notes where those from *next to end - 1 begin. */
static inline void pat_run__note_starts(const struct pat_run_writer *writer, uint64_t *next, uint64_t end,
                                        uint32_t place) {
    for (; *next < end; ++*next) {
        if (writer->offset != NULL) {
            writer->offset[*next] = place;
        } else if (*next % PAT_RUN_BLOCK == 0) {
            writer->block[*next / PAT_RUN_BLOCK] = place;
        }
    }
}
/* After the last customer. */
void pat_run__note_end(const struct pat_run_writer *writer);

static inline pat_row pat_run__blocks(pat_row customers) {
    return (pat_row)(((uint64_t)customers + PAT_RUN_BLOCK - 1) / PAT_RUN_BLOCK);
}
static inline bool pat_run__stopped(const struct pat_run_plan *plan) {
    return plan->stop_cb != NULL && plan->stop_cb(plan->stop_context);
}

/* By customer and day, keeping the order of equals. Gives where the sorted facts are: `odd` or `other`. */
const struct pat_run_odd *pat_run__sort_odd(struct pat_run_odd *odd, struct pat_run_odd *other, uint32_t count);

/* run_merge.c: as pat_run_build with plan->merge. PAT_ERR_MORE when the tables must be read after all. `run` is empty
 * but for its ranges, customers and day_base. */
enum pat_status pat_run__merge(struct pat_fact_run *run, const struct pat_run_plan *plan) PAT_MUST_CHECK;

#endif
