/* What is kept of customers, after new orders. It must be what pat_customer__refresh computes from all of a customer's
 * facts. Where the sums say too little for that (the orders may or may not be the customer's earliest, whose country
 * counts; a sum is held at its bound) the customer is touched, and refreshed at the end of the batch. */
#include "ingest/orders_private.h"

#include <string.h>

/* What is kept of a customer. */
enum {
    KEEP_HEAD,
    KEEP_ORDERS,
    KEEP_NET,
    KEEP_UNPRICED,
    KEEP_FIRST,
    KEEP_LAST,
    KEEP_FACT,
    KEEP_SETTLED,
    KEEP_COUNTRY,
    KEEPS
};

static const unsigned kept_column[KEEPS] = {
    [KEEP_HEAD] = PAT_CUSTOMER_ORDER_HEAD,
    [KEEP_ORDERS] = PAT_CUSTOMER_ORDERS_N,
    [KEEP_NET] = PAT_CUSTOMER_NET,
    [KEEP_UNPRICED] = PAT_CUSTOMER_UNPRICED_N,
    [KEEP_FIRST] = PAT_CUSTOMER_FIRST_ORDER,
    [KEEP_LAST] = PAT_CUSTOMER_LAST_ORDER,
    [KEEP_FACT] = PAT_CUSTOMER_FIRST_FACT,
    [KEEP_SETTLED] = PAT_CUSTOMER_SETTLED,
    [KEEP_COUNTRY] = PAT_CUSTOMER_FACT_COUNTRY,
};

/* Customers whose kept values are read, folded and written together: the lines of memory that hold them stay in the
 * cache from the reading to the writing. */
#define SLICE_OWNERS 256u

struct slice {
    uint32_t count;
    pat_row customer[SLICE_OWNERS];
    uint32_t end[SLICE_OWNERS]; /* of its facts among the keys */
    int64_t old[KEEPS][SLICE_OWNERS], kept[KEEPS][SLICE_OWNERS];
    bool changed[KEEPS]; /* for any customer of the slice */
};

/* One part of customers. */
struct fold_part {
    struct order_block *block;
    uint32_t part;
    const struct order_fact *fact;
    const uint64_t *key; /* sorted */
    uint32_t count;
};

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static void choose_parts(struct order_block *block) {
    const struct pat_table *customers = &block->store->table[PAT_CUSTOMERS];
    uint32_t most = block->rows / PART_FACTS + 1;
    if (most > ORDER_PARTS_MAX) most = ORDER_PARTS_MAX;
    block->part_shift = customers->column[0].shift;
    while ((customers->rows - 1) >> block->part_shift >= most) block->part_shift++;
    block->parts = ((customers->rows - 1) >> block->part_shift) + 1;
}

static void count_facts(struct order_block *block) {
    const uint32_t ranges = (block->rows + RANGE_ROWS - 1) / RANGE_ROWS;
    for (uint32_t range = 0; range < ranges; range++) {
        uint32_t *count = block->place[range];
        const uint32_t begin = range * RANGE_ROWS;
        const uint32_t end = block->rows - begin < RANGE_ROWS ? block->rows : begin + RANGE_ROWS;
        memset(count, 0, block->parts * sizeof *count);
        for (uint32_t i = begin; i < end; i++) count[block->customer[i] >> block->part_shift]++;
    }
    uint32_t at = 0;
    for (uint32_t part = 0; part < block->parts; part++) {
        block->begin[part] = at;
        for (uint32_t range = 0; range < ranges; range++) {
            const uint32_t here = block->place[range][part];
            block->place[range][part] = at;
            at += here;
        }
    }
    block->begin[block->parts] = at;
}

void pat_order_block__plan(struct order_block *block) {
    choose_parts(block);
    count_facts(block);
}

void pat_order_block__open_kept(struct order_block *block) {
    struct pat_table *customers = &block->store->table[PAT_CUSTOMERS];
    for (unsigned k = 0; k < KEEPS; k++) pat_column_open_chunks(&customers->column[kept_column[k]]);
}

size_t pat_order_block__chunks(const struct order_block *block) {
    const size_t chunks = pat_column_chunks(&block->store->table[PAT_CUSTOMERS].column[0]);
    return KEEPS * (chunks < block->rows ? chunks : block->rows);
}

/* ---- sorting ----------------------------------------------------------------------------------------------------- */

static bool is_earlier(const struct order_block *block, const struct order_fact *a, const struct order_fact *b) {
    if (a->time != b->time) return a->time < b->time;
    const struct pat_column *ids = &block->store->table[PAT_ORDERS].column[PAT_ORDER_ID];
    const int64_t x = pat_column_get(ids, block->first_row + a->order);
    const int64_t y = pat_column_get(ids, block->first_row + b->order);
    if (x >= 0 && y >= 0) return x < y;
    if (x >= 0 || y >= 0) return x >= 0;
    return pat_text_compare(pat_heap_get(&block->store->heap, (uint64_t)~x),
                            pat_heap_get(&block->store->heap, (uint64_t)~y)) < 0;
}

/* Facts of a part by customer; those of one customer in the order in which they came. */
static struct fold_part part_open(struct order_block *block, uint32_t part) {
    const uint32_t begin = block->begin[part], count = block->begin[part + 1] - begin;
    const pat_row first = part << block->part_shift;
    uint64_t *key = block->key + begin;
    const struct order_fact *fact = block->fact + begin;
    for (uint32_t i = 0; i < count; i++) key[i] = (uint64_t)(fact[i].customer - first) << 32 | i;
    const uint64_t *sorted = pat_owners__sort(key, block->spare + begin, count, (pat_row)1 << block->part_shift);
    return (struct fold_part){block, part, fact, sorted, count};
}

/* ---- folding ----------------------------------------------------------------------------------------------------- */

enum earliest { EARLIEST_NEW, EARLIEST_OLD, EARLIEST_UNKNOWN };

/* Whether the earliest of a customer's new orders is its earliest of all. Where clocks went back over midnight the
 * later of two neighbouring days comes first, hence a day of distance. */
static enum earliest earliest_is(const struct slice *slice, uint32_t at, int64_t day) {
    const int64_t first = slice->kept[KEEP_FIRST][at], fact = slice->kept[KEEP_FACT][at];
    if (slice->kept[KEEP_HEAD][at] == PAT_NULL) return EARLIEST_NEW; /* it has no orders */
    if (first != PAT_NULL && day > first + 1) return EARLIEST_OLD;
    if (fact != PAT_NULL && day < fact - 1) return EARLIEST_NEW;
    return EARLIEST_UNKNOWN;
}

struct fold {
    int64_t orders;
    pat_int128 net;
    int64_t unpriced, first, last, fact, settled;
    const struct order_fact *earliest; /* NULL: none of the orders counts */
};

static void fold_order(const struct order_block *block, struct fold *fold, const struct order_fact *order) {
    if ((order->flags & FACT_WITHDRAWN) != 0) return;
    if (fold->earliest == NULL || is_earlier(block, order, fold->earliest)) fold->earliest = order;
    pat_kept__low(&fold->fact, order->day);
    if ((order->flags & FACT_TEST) != 0) return;
    pat_kept__high(&fold->settled, order->settled);
    if ((order->flags & FACT_CANCELLED) != 0) return;
    fold->orders++;
    pat_kept__low(&fold->first, order->day);
    pat_kept__high(&fold->last, order->day);
    if (order->base == PAT_NULL) {
        fold->unpriced++;
    } else {
        fold->net += order->base;
    }
}

static void set_kept(struct slice *slice, unsigned which, uint32_t at, int64_t value) {
    slice->changed[which] |= slice->kept[which][at] != value;
    slice->kept[which][at] = value;
}

static void set_fold(struct slice *slice, uint32_t at, const struct fold *fold) {
    set_kept(slice, KEEP_ORDERS, at, pat_kept__or_null(fold->orders));
    set_kept(slice, KEEP_NET, at, pat_kept__or_null((int64_t)fold->net));
    set_kept(slice, KEEP_UNPRICED, at, pat_kept__or_null(fold->unpriced));
    set_kept(slice, KEEP_FIRST, at, fold->first);
    set_kept(slice, KEEP_LAST, at, fold->last);
    set_kept(slice, KEEP_FACT, at, fold->fact);
    set_kept(slice, KEEP_SETTLED, at, fold->settled);
}

static struct fold fold_of(const struct slice *slice, uint32_t at) {
    return (struct fold){.net = pat_kept__or_zero(slice->kept[KEEP_NET][at]),
                         .orders = pat_kept__or_zero(slice->kept[KEEP_ORDERS][at]),
                         .unpriced = pat_kept__or_zero(slice->kept[KEEP_UNPRICED][at]),
                         .first = slice->kept[KEEP_FIRST][at],
                         .last = slice->kept[KEEP_LAST][at],
                         .fact = slice->kept[KEEP_FACT][at],
                         .settled = slice->kept[KEEP_SETTLED][at]};
}

static int64_t country_of(const struct order_fact *fact) {
    return fact->country == 0 ? PAT_NULL : (int64_t)fact->country - 1;
}

/* The new values of customer `at` of the slice, whose new orders are key[begin .. end - 1]. */
static void keep(const struct fold_part *of, struct slice *slice, uint32_t at, uint32_t begin) {
    struct order_block *block = of->block;
    struct fold fold = fold_of(slice, at);
    const bool was_held = pat_kept__is_held(fold.net);
    int64_t head = slice->kept[KEEP_HEAD][at];
    for (uint32_t i = begin; i < slice->end[at]; i++) {
        const struct order_fact *order = &of->fact[(uint32_t)of->key[i]];
        block->next[order->order] = head;
        head = (int64_t)block->first_row + order->order;
        fold_order(block, &fold, order);
    }
    const enum earliest earliest = fold.earliest == NULL ? EARLIEST_OLD : earliest_is(slice, at, fold.earliest->day);
    set_kept(slice, KEEP_HEAD, at, head);
    if (was_held || pat_kept__is_held(fold.net) || earliest == EARLIEST_UNKNOWN) {
        block->touched[block->begin[of->part] + block->touched_count[of->part]++] = slice->customer[at];
        return;
    }
    block->begun[of->part] += pat_kept__begins(&block->store->table[PAT_CUSTOMERS], slice->customer[at],
                                               slice->kept[KEEP_FACT][at], fold.fact);
    if (earliest == EARLIEST_NEW) set_kept(slice, KEEP_COUNTRY, at, country_of(fold.earliest));
    set_fold(slice, at, &fold);
}

/* Lists the customers of the next keys; gives the first key behind them. */
static uint32_t slice_fill(const struct fold_part *of, struct slice *slice, uint32_t at) {
    const pat_row first = of->part << of->block->part_shift;
    slice->count = 0;
    for (; at < of->count; at++) {
        const pat_row customer = first + (pat_row)(of->key[at] >> 32);
        if (slice->count == 0 || slice->customer[slice->count - 1] != customer) {
            if (slice->count == SLICE_OWNERS) break;
            slice->customer[slice->count++] = customer;
        }
        slice->end[slice->count - 1] = at + 1;
    }
    return at;
}

static void slice_keep(const struct fold_part *of, struct slice *slice, uint32_t begin) {
    struct pat_column *columns = of->block->store->table[PAT_CUSTOMERS].column;
    for (unsigned k = 0; k < KEEPS; k++) {
        pat_column_gather(&columns[kept_column[k]], slice->customer, slice->count, slice->old[k]);
        memcpy(slice->kept[k], slice->old[k], slice->count * sizeof *slice->old[k]);
    }
    for (uint32_t at = 0; at < slice->count; begin = slice->end[at++]) keep(of, slice, at, begin);
    for (unsigned k = 0; k < KEEPS; k++) {
        if (!slice->changed[k]) continue;
        pat_column_scatter(&columns[kept_column[k]], slice->customer, slice->count, slice->old[k], slice->kept[k]);
        slice->changed[k] = false;
    }
}

void pat_order_block__fold(struct order_block *block, uint32_t part) {
    const struct fold_part of = part_open(block, part);
    struct slice slice;
    memset(slice.changed, 0, sizeof slice.changed);
    block->touched_count[part] = 0;
    block->begun[part] = 0;
    for (uint32_t begin = 0, end; begin < of.count; begin = end) {
        end = slice_fill(&of, &slice, begin);
        slice_keep(&of, &slice, begin);
    }
}

void pat_order_block__settle(struct order_block *block, struct apply *apply) {
    for (uint32_t part = 0; part < block->parts; part++) {
        block->store->counts.customers += block->begun[part];
        const pat_row *touched = block->touched + block->begin[part];
        for (uint32_t i = 0; i < block->touched_count[part]; i++) pat_apply__touch(apply, touched[i]);
    }
}
