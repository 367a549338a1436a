/* Runs: the facts of a range of rows once more, clustered by customer and then day, so that a question about every
 * customer streams memory once, in order.
 *
 *   orders table   arrival order, every column      rows 0 ........................ n
 *   run 0          all facts of rows [0, a)         per customer: offset, day u16, net i32      6 bytes an order
 *   run 1          those of rows [a, b)             the same with the customer beside each      10 bytes an order
 *   tail           rows [b, n)                      read from the table itself
 *
 * and of each run the odd facts, which a day and a net do not say                           18 bytes each
 *
 * A run is derived: built from a view on any thread, never changed, never saved, swapped in between two versions and
 * given up like a retired block. What changed since in rows that runs cover is told by customer: see
 * pat_runs_stale. Sums over runs add up: a customer's facts may lie in several. */
#ifndef PAT_STORE_RUN_H
#define PAT_STORE_RUN_H

#include "base/status.h"
#include "model/types.h"
#include "store/column.h"

#include <stdbool.h>
#include <stdint.h>

/* Runs in a version at the most: each one more is a stream more for every scan. */
#define PAT_RUNS_MAX 16u

/* Customers of one entry of `block`, of odd facts and in a run without offsets. A multiple of the rows that analytics
 * takes at a time. */
#define PAT_RUN_BLOCK 4096u

/* A fact that a day and four bytes do not say: an order that is cancelled or paid on another day than its own, every
 * refund, an amount beyond 32 bits or without a rate, a day outside of the run's 65,536. Orders that are tests,
 * withdrawn, awaited or without a customer, and refunds that are withdrawn, are in no run. */
struct pat_run_odd {
    pat_row customer;
    int32_t day;          /* the fact is dated */
    int32_t from, until;  /* there at D when from <= D < until; from >= day. INT32_MAX: for ever */
    int32_t refers;       /* refunds: day of the order that it names, INT32_MIN when it names none that is a purchase */
    uint32_t orders : 1;  /* 1 for an order, 0 for a refund */
    uint32_t unpaid : 31; /* refunds: days from `refers` on for which the order that it names is not paid */
    int64_t net;          /* base minor, negated for refunds; PAT_NULL without a rate */
};

/* Them as they lie, by customer, then day: columns, of which a scan reads those that it needs. Days are above `base`,
 * 65,534 at the most. What does not fit stands in `wide`, and its row says that it is never there. */
struct pat_run_odds {
    uint32_t count;
    pat_day base;
    const pat_row *customer;
    const uint16_t *day, *from;
    const uint16_t *until; /* PAT_RUN_ODD_NONE: for ever; 0: net is a place in `wide` */
    const int32_t *net;
    const uint16_t *refers; /* PAT_RUN_ODD_NONE: no purchase; PAT_RUN_ODD_ORDER: the fact is an order itself */
    const uint16_t *unpaid;
    const uint32_t *block; /* first fact of each PAT_RUN_BLOCK customers, and the end */
    uint32_t wide_count;   /* in the order of the others */
    const struct pat_run_odd *wide;
};

#define PAT_RUN_ODD_NONE  UINT16_MAX
#define PAT_RUN_ODD_ORDER (UINT16_MAX - 1)

static inline bool pat_run_odd_is_wide(const struct pat_run_odds *odds, uint32_t i) {
    return odds->until[i] == 0;
}

static inline struct pat_run_odd pat_run_odd_at(const struct pat_run_odds *odds, uint32_t i) {
    const uint16_t until = odds->until[i], refers = odds->refers[i];
    if (pat_run_odd_is_wide(odds, i)) return odds->wide[odds->net[i]];
    return (struct pat_run_odd){
        .customer = odds->customer[i],
        .day = odds->base + odds->day[i],
        .from = odds->base + odds->from[i],
        .until = until == PAT_RUN_ODD_NONE ? INT32_MAX : odds->base + until,
        .refers = refers >= PAT_RUN_ODD_ORDER ? INT32_MIN : odds->base + refers,
        .orders = refers == PAT_RUN_ODD_ORDER,
        .unpaid = odds->unpaid[i],
        .net = odds->net[i],
    };
}

/* A run; the bare name is what analytics calls a question being answered. */
struct pat_fact_run {
    uint64_t generation; /* of the view it was built from */
    pat_row orders_from, orders_to, refunds_from, refunds_to;
    pat_row customers; /* rows of that table then: later ones have nothing here */
    uint64_t bytes;

    /* Plain orders: eligible from their own day on, priced. By customer, then day. `day` and `net` are followed by at
     * least 64 readable bytes. */
    uint32_t count;
    pat_day day_base; /* a day is day_base + day[i] */
    const uint16_t *day;
    const int32_t *net;
    const uint32_t *offset;  /* [customers + 1] into day and net; NULL in a run with `customer` */
    const pat_row *customer; /* [count]; NULL in a run with `offset` */
    const uint32_t *block;   /* with `customer`: first entry of each PAT_RUN_BLOCK customers, and the end */

    struct pat_run_odds odd;
};

/* Columns of an order or a refund that decide what a run says of it. */
#define PAT_RUN_FACT_COLUMNS 8u

/* What a version has of them. Runs cover adjoining ranges from row 0 on, the older ones first; none at
 * all in a young store. */
struct pat_runs {
    uint32_t count;
    const struct pat_fact_run *run[PAT_RUNS_MAX];
    uint64_t generation;            /* of the newest one, 0 without any: the same number, the same runs */
    struct pat_column_view changed; /* by customer row: generation in which a fact that some run covers last changed */
};

/* Rows from which on facts are in no run. */
static inline pat_row pat_runs_orders_end(const struct pat_runs *runs) {
    return runs->count == 0 ? 0 : runs->run[runs->count - 1]->orders_to;
}
static inline pat_row pat_runs_refunds_end(const struct pat_runs *runs) {
    return runs->count == 0 ? 0 : runs->run[runs->count - 1]->refunds_to;
}
/* Facts of this customer that runs hold have changed since: runs and tail say nothing about it, its chain does. */
static inline bool pat_runs_stale(const struct pat_runs *runs, pat_row customer) {
    if (runs->count == 0) return false;
    const int64_t changed = pat_column_view_get(&runs->changed, customer);
    return changed != PAT_NULL && (uint64_t)changed >= runs->run[0]->generation;
}

/* First of low .. high - 1 of these rising customers that is not below `least`. */
static inline uint32_t pat_run_first(const pat_row *customer, uint32_t low, uint32_t high, uint64_t least) {
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (customer[middle] < least) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The same of the wide ones. */
static inline uint32_t pat_run_first_wide(const struct pat_run_odds *odds, uint64_t customer) {
    uint32_t low = 0, high = odds->wide_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (odds->wide[middle].customer < customer) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Where the odd ones of `customer` begin, were they spread evenly over its block. */
static inline uint32_t pat_run_odd_near(const struct pat_fact_run *run, pat_row customer) {
    const uint32_t block = customer / PAT_RUN_BLOCK, low = run->odd.block[block], high = run->odd.block[block + 1];
    return low + (uint32_t)((uint64_t)(high - low) * (customer % PAT_RUN_BLOCK) / PAT_RUN_BLOCK);
}
/* Where they do begin, or would: they are near that nearly always, a few lines instead of a dozen of all. */
uint32_t pat_run_odd_of(const struct pat_fact_run *run, pat_row customer);

/* ---- making one ------------------------------------------------------------------------------------------------- */

struct pat_kernels;
struct pat_store;
struct pat_view;

struct pat_run_plan {
    const struct pat_view *view;       /* opened with nothing applied between pat_store_begin_run and that */
    uint64_t generation;               /* what pat_store_begin_run gave */
    pat_row orders_from, refunds_from; /* where a run of the view begins, or where its last one ends */
    bool merge; /* take what the view's runs from there on hold, and only what is behind or stale from the tables */
    uint32_t scratch_keys;          /* orders to sort at a time, 8 bytes each; 0: as many as are sensible */
    bool (*stop_cb)(void *context); /* asked between blocks of work; may be NULL */
    void *stop_context;
    const struct pat_kernels *kernels;
};

/* Makes a run of the rows from `orders_from` and `refunds_from` to the view's ends. It has offsets when there are at
 * least as many plain orders as customers, else `customer`. Facts of one customer and day stand in the order of their
 * rows, orders before refunds.
 *
 * Thread: any.  Allocates: the run, and for the time of the call up to 8 bytes for a quarter of its orders (for all
 * orders of a small run, and for all of a single customer's).
 * Gives: a run that pat_store_add_run takes, or pat_run_free.
 * Fails: PAT_ERR_NO_MEMORY, PAT_ERR_CANCELLED. */
enum pat_status pat_run_build(struct pat_fact_run **out, const struct pat_run_plan *plan) PAT_MUST_CHECK;
void pat_run_free(struct pat_fact_run **run); /* one that no store has */
/* Order of entries, offsets and blocks hold. For tests. */
bool pat_run_check(const struct pat_fact_run *run, const char **why);

/* ---- the store's side: its owner's thread ------------------------------------------------------------------------ */

/* Runs of so many bytes are given back by whoever has time: the system takes some ten milliseconds for a gigabyte of
 * huge pages, and three hundred for one of small pages. */
#define PAT_RUN_BIG_BYTES ((uint64_t)4 << 20)
/* Such runs that wait at once: all that a version has, twice. */
#define PAT_RUNS_OLD_MAX (2 * PAT_RUNS_MAX)

/* What the store keeps for runs besides themselves. */
struct pat_run_marks {
    struct pat_column changed; /* see pat_runs; as long as the customers were at the last view or mark */
    uint64_t generation;       /* of the newest run begun, 0: none yet, and nothing is marked */
    pat_row orders_end;        /* rows below may be in a run, or in one that is being made */
    pat_row refunds_end;
    pat_row stale;   /* customers that pat_runs_stale says of */
    pat_row changes; /* customers marked since the newest run was begun */
    /* Big ones that were replaced, and the version that has them no more. */
    struct {
        struct pat_fact_run *run;
        uint64_t version;
    } old[PAT_RUNS_OLD_MAX];
    uint32_t old_count;
    /* Facts before a change, see pat_order__forget of ingest. */
    int64_t order_was[PAT_RUN_FACT_COLUMNS], refund_was[PAT_RUN_FACT_COLUMNS];
};

/* Says that a run is going to be made of all there is now, and gives its generation. From here on changes of any row
 * that is there now are marked. One at a time: a run begun before and not added by now never will be. */
uint64_t pat_store_begin_run(struct pat_store *store);
/* Takes the run over. It replaces the runs from its beginning on; open views keep them. */
void pat_store_add_run(struct pat_store *store, struct pat_fact_run **run);
/* A big run that no view has any more, or NULL; the caller's, who frees it on any thread. */
struct pat_fact_run *pat_store_take_old_run(struct pat_store *store);
/* What a view has of runs. */
struct pat_runs pat_store_runs(struct pat_store *store);
/* A fact of this customer changed in a row below the ends of the marks. */
void pat_store_mark_changed(struct pat_store *store, pat_row customer);
/* Bytes that marking this many customers may take at the most. */
size_t pat_store_mark_bytes(const struct pat_store *store, size_t customers);

#endif
