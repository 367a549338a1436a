/* How the blocks of a window are made. Inside window*.c only. */
#ifndef PAT_ANALYTICS_WINDOW_MAKE_PRIVATE_H
#define PAT_ANALYTICS_WINDOW_MAKE_PRIVATE_H

#include "analytics/window_private.h"

/* A block on its way, with what only its making needs. One for each lane. */
struct pat_window_scratch {
    struct pat_window_wide wide;
    uint64_t beyond[PAT_WINDOW_WORDS]; /* bitmap: a sum left an int64 on the way */
    uint32_t all[PAT_WINDOW_ROWS];     /* eligible orders up to D; from a kept window 2 stands for more */
    bool any_beyond, any_unpriced;
    /* With facts beside the window, those of them that it has not itself: */
    int64_t net_all[PAT_WINDOW_ROWS];
    int32_t first[PAT_WINDOW_ROWS];  /* PAT_FACT_NO_DAY without one */
    struct pat_window_narrow narrow; /* where a narrow block has no other place */
};

/* One order or refund that counts at D. */
struct pat_window_fact {
    pat_row customer;
    int32_t day;
    int64_t net; /* PAT_NULL without a price */
    uint32_t orders;
};

/* Rows of orders and of refunds, and days: `until` is the last one. */
struct pat_window_reach {
    pat_row first[2], end[2];
    pat_day from, until;
};

/* Facts of a reach that count at D, by block: those of block b are fact[start[b]] .. fact[start[b + 1] - 1]. */
struct pat_window_tail {
    const struct pat_window_fact *fact;
    const uint32_t *start;
};

/* What runs alone say of a day and a window, which holds as long as they are there. */
struct pat_kept_window {
    bool whole; /* every block was looked at */
    pat_day day, from;
    uint32_t runs;
    uint64_t generation[PAT_RUNS_MAX]; /* of each of them */
    uint32_t blocks;
    bool *there;                      /* by block; the others do not fit */
    struct pat_window_narrow *narrow; /* by block */
};

struct pat_window {
    struct pat_run *run;     /* of the question that asks just now: a memo hands the window on */
    struct pat_arena *arena; /* of what it holds */
    bool made;               /* a pass went over all blocks */
    const struct pat_view *view;
    pat_day day, from;
    uint32_t blocks;
    const uint64_t *stale;              /* bitmap: customers whose chains must be followed; NULL: runs do not serve */
    struct pat_window_tail tail;        /* behind the runs */
    const struct pat_kept_window *kept; /* NULL: start from nothing */
    struct pat_window_tail
        moved; /* facts of the runs that are in one of both windows; none where both begin on a day */
    struct pat_kept_window *keeping;   /* NULL, or one that this window fills */
    struct pat_facts *facts;           /* where runs do not serve */
    struct pat_facts *beside;          /* NULL, or arrays to be filled */
    struct pat_window_block *block;    /* made so far */
    struct pat_window_narrow **narrow; /* room by block, or NULL */
    struct pat_window_wide **wide;
    struct pat_window_scratch *scratch; /* by lane */
};

static inline uint32_t pat_window__count(const struct pat_window *window, uint32_t block) {
    const uint64_t left = window->run->customers - (uint64_t)block * PAT_WINDOW_ROWS;
    return left < PAT_WINDOW_ROWS ? (uint32_t)left : PAT_WINDOW_ROWS;
}

/* Makes a block, on any thread, and gives it; it is in window->block afterwards if there is room for it. */
struct pat_window_block pat_window__make(struct pat_window *window, uint32_t block, struct pat_window_scratch *scratch);
/* There is more to a block than runs say. */
bool pat_window__differs(const struct pat_window *window, uint32_t block);
/* The kept block, when there is nothing to add to it, or NULL. */
const struct pat_window_narrow *pat_window__unchanged(const struct pat_window *window, uint32_t block);

/* Reads facts, and says how many rows are read for them (window_tail.c). */
enum pat_status pat_window__read_facts(struct pat_run *run, const struct pat_window_reach *reach,
                                       struct pat_window_tail *out) PAT_MUST_CHECK;
uint64_t pat_window__rows_of(const struct pat_view *view, const struct pat_window_reach *reach);

/* One that serves the window, or NULL (window_kept.c). */
const struct pat_kept_window *pat_window__find_kept(const struct pat_window *window);
/* One that differs from the window by few facts, and where these are; or NULL. */
const struct pat_kept_window *pat_window__find_near(const struct pat_window *window, struct pat_window_reach *out);
/* Room for one to be kept, or NULL. */
struct pat_kept_window *pat_window__begin_kept(const struct pat_window *window);

#endif
