/* Inside append_orders.c and fold_orders.c: new orders of one batch or several, taken at once.
 *
 *   batch by batch, on the store's thread   ids ──claim──► new rows   customers ──claim──► rows
 *   ranges of the new rows, shared out      days, base values; a fact of each, put with those of its part of customers
 *   parts of customers, shared out          facts sorted by customer; what is kept gathered, folded, scattered
 *   columns, shared out                     appended
 *
 * Parts are chunks of the customers' columns, so that each chunk is changed by one thread. What comes out depends
 * neither on how many threads there are nor on how many batches are taken at once. */
#ifndef PAT_INGEST_ORDERS_PRIVATE_H
#define PAT_INGEST_ORDERS_PRIVATE_H

#include "ingest/append_private.h"

/* Parts of customers: small enough that the facts of one lie in a processor's cache while they are sorted and folded,
 * many enough for all threads. */
#define ORDER_PARTS_MAX 64u
#define PART_FACTS      2048u
/* New rows that are derived as one piece of work. */
#define RANGE_ROWS 8192u
#define RANGES_MAX (ORDERS_AT_ONCE / RANGE_ROWS)

enum fact_flag { FACT_WITHDRAWN = 1, FACT_TEST = 2, FACT_CANCELLED = 4 };

/* What a customer's sums take from a new order. Most of what folding moves: it is no larger than it must be. */
struct order_fact {
    pat_row customer;
    uint32_t order; /* of the block */
    int64_t time;
    int64_t base;
    int32_t day;
    int32_t settled;  /* the last day on which something about it changes */
    uint32_t country; /* customers' code and one, 0 for none */
    uint32_t flags;
};
_Static_assert(sizeof(struct order_fact) == 40, "no gaps");

/* New orders of one batch. */
struct order_segment {
    struct apply *apply;
    uint32_t first, count; /* of the block */
    const uint32_t *fresh; /* [count] their rows in the batch; NULL: all rows are new */
};

struct order_block {
    struct pat_store *store;
    const struct pat_spread *spread;
    struct order_segment *segment;
    unsigned segments;
    uint32_t rows;     /* new orders */
    pat_row first_row; /* in the table */

    /* [rows], by order */
    pat_row *customer;
    int64_t *day, *paid_day, *base, *next;

    /* by part of customers */
    unsigned part_shift; /* customers of a part: 1 << part_shift */
    uint32_t parts;
    uint32_t begin[ORDER_PARTS_MAX + 1];
    uint32_t place[RANGES_MAX][ORDER_PARTS_MAX]; /* of the next fact of a range */
    struct order_fact *fact;
    uint64_t *key, *spare; /* customer << 32 | place among the part's facts */
    pat_row *touched;      /* those of a part stand where its facts do */
    uint32_t touched_count[ORDER_PARTS_MAX];
    uint32_t begun[ORDER_PARTS_MAX]; /* customers that exist from now on */
};

/* fold_orders.c */
/* Chooses parts and counts what goes where; customers are known. */
void pat_order_block__plan(struct order_block *block);
static inline struct order_fact *pat_order_block__place(struct order_block *block, uint32_t range, pat_row customer) {
    return &block->fact[block->place[range][customer >> block->part_shift]++];
}
/* Makes the kept columns ready for several threads; room for blocks that are given up on the way is the caller's. */
void pat_order_block__open_kept(struct order_block *block);
/* Chunks that folding may replace. */
size_t pat_order_block__chunks(const struct order_block *block);
/* Folds one part of customers. Thread: any, each part once. */
void pat_order_block__fold(struct order_block *block, uint32_t part);
/* Afterwards: what the parts noted. */
void pat_order_block__settle(struct order_block *block, struct apply *apply);

#endif
