/* Orders, net and last order of every customer within a window that ends on D: what scores are made of. By blocks of
 * 4,096 customers, in 8 bytes a customer where the values of the block allow it; a pass over a hundred million orders
 * must not write twice of what is then read several times.
 *
 *   kept window ─┐    block by block, in the scratch of a lane:
 *   runs ────────┴─►  sums of runs ─► facts behind them ─► customers whose facts changed ─► narrow block ─► block_cb
 *   facts (no runs) ──────────────────────────────────────────────────────────────────────►
 *
 * Conditions on facts of D (orders, net, first and last order up to D) read arrays of all customers, which the same
 * pass writes: the entries of a block are in the cache then, and a pass of their own would cost as much as the window.
 * A block is made when the first pass comes to it, and handed on while it lies in the cache. */
#ifndef PAT_ANALYTICS_WINDOW_PRIVATE_H
#define PAT_ANALYTICS_WINDOW_PRIVATE_H

#include "analytics/facts_private.h"

#define PAT_WINDOW_ROWS  PAT_RUN_BLOCK
#define PAT_WINDOW_WORDS (PAT_WINDOW_ROWS / 64u)
_Static_assert(PAT_WINDOW_ROWS == PAT_BLOCK_ROWS, "bitmaps of a block are on any stack");
_Static_assert(PAT_PART_ROWS % PAT_WINDOW_ROWS == 0, "parts of a pass are whole blocks");

/* Nearly all blocks. */
struct pat_window_narrow {
    uint16_t orders[PAT_WINDOW_ROWS];
    uint16_t age[PAT_WINDOW_ROWS]; /* D less the day of the last order, PAT_WINDOW_NO_AGE without one */
    int32_t net[PAT_WINDOW_ROWS];
    uint64_t once[PAT_WINDOW_WORDS]; /* bitmap: one eligible order up to D, in the window or before */
};

/* Those with a greater number, or with facts that have no price. Bitmaps stand between the arrays: the lower twelve
 * bits of a customer's places differ then, by which a processor tells at first whether a load waits for the store
 * before it. */
struct pat_window_wide {
    uint32_t orders[PAT_WINDOW_ROWS];
    uint64_t once[PAT_WINDOW_WORDS];
    int32_t last[PAT_WINDOW_ROWS]; /* PAT_FACT_NO_DAY without one */
    int64_t net[PAT_WINDOW_ROWS];
    uint32_t unpriced[PAT_WINDOW_ROWS];
};

/* One of both is set. */
struct pat_window_block {
    const struct pat_window_narrow *narrow;
    const struct pat_window_wide *wide;
};

struct pat_window;

/* Whether these facts up to D (bits) can be made in the same pass over the runs. */
bool pat_window__makes(const struct pat_run *run, unsigned facts);
/* Sets up the window of run->rfm at run->day; run->live need not be there. Its first pass makes the facts `beside`,
 * too, for all customers; 0: none. */
enum pat_status pat_window__open(struct pat_run *run, unsigned beside, struct pat_window **out) PAT_MUST_CHECK;
/* Those facts, after the first pass. */
struct pat_facts *pat_window__beside(const struct pat_window *window);

/* Customers first .. first + count - 1; the next call of this lane may overwrite what `block` points to. */
struct pat_window_part {
    const struct pat_part *part;
    const struct pat_window_block *block;
    uint64_t first;
    uint32_t count;
    bool last; /* of its part, of PAT_PART_ROWS customers at the most */
};
typedef void pat_window_block_cb(void *context, const struct pat_window_part *part);
/* Calls block_cb for every block, several threads sharing them as in pat_run__spread. */
enum pat_status pat_window__each(struct pat_run *run, struct pat_window *window, pat_window_block_cb *block_cb,
                                 void *context) PAT_MUST_CHECK;

/* Facts within the window without a price, of the customers of a bitmap. */
enum pat_status pat_window__unpriced(struct pat_run *run, struct pat_window *window, const uint64_t *customers,
                                     int64_t *out) PAT_MUST_CHECK;

/* Values of customer i of a block. */
static inline uint32_t pat_window__orders(const struct pat_window_block *block, uint32_t i) {
    return block->narrow != NULL ? block->narrow->orders[i] : block->wide->orders[i];
}
static inline int64_t pat_window__net(const struct pat_window_block *block, uint32_t i) {
    return block->narrow != NULL ? block->narrow->net[i] : block->wide->net[i];
}
/* PAT_FACT_NO_DAY without one. */
static inline int32_t pat_window__last(const struct pat_window_block *block, pat_day day, uint32_t i) {
    if (block->narrow == NULL) return block->wide->last[i];
    return block->narrow->age[i] == PAT_WINDOW_NO_AGE ? PAT_FACT_NO_DAY : day - block->narrow->age[i];
}
static inline const uint64_t *pat_window__once(const struct pat_window_block *block) {
    return block->narrow != NULL ? block->narrow->once : block->wide->once;
}

#endif
