/* What is kept of customers, after new orders: of all that wait at once, so that a line of memory of what is kept is
 * touched once for many of them. It must be what pat_customer__refresh computes from all of a customer's
 * facts. Where the sums say too little for that (the orders may or may not be the customer's earliest, whose country
 * counts; a sum is held at its bound) the customer is refreshed afterwards. */
#include "ingest/orders_private.h"

#include "base/mem.h"

#include <string.h>

/* Values that are read of a column at a time. */
#define PIECE_ROWS 1024u
#define RANGES_MAX (ORDERS_WAITING_MAX / RANGE_ROWS)
/* Parts of customers: small enough that the facts of one lie in a processor's cache while they are sorted and folded,
 * many enough for all threads. */
#define PARTS_MAX  256u
#define PART_FACTS 2048u
/* Ranges or parts of a step, for each thread, and ranges that are chained in one: a millisecond or two. */
#define STEP_PARTS  4u
#define STEP_CHAINS 4u
/* Customers that are refreshed in one: each by the chain of its orders, a miss or more for each of those. */
#define STEP_REFRESH 64u

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

enum fact_flag { FACT_WITHDRAWN = 1, FACT_TEST = 2, FACT_CANCELLED = 4, FACT_FLAGS = 8 };

/* What a customer's sums take from a new order. Most of what folding moves: it is no larger than it must be. */
struct fact {
    pat_row customer;
    uint32_t order; /* of those that wait */
    int64_t base;
    int32_t day;
    uint32_t more; /* FACT_FLAGS times the days from then to the last one on which something about it changes; flags */
};
_Static_assert(sizeof(struct fact) == 24, "no gaps");
_Static_assert(((int64_t)PAT_DAY_MAX - PAT_DAY_MIN) * FACT_FLAGS <= UINT32_MAX, "any two days are that far apart");

enum fold_stage { FOLD_READ, FOLD_PARTS, FOLD_CHAIN, FOLD_REFRESH };

/* All waiting orders, folded step by step. */
struct pat_fold {
    struct pat_store *store;
    enum fold_stage stage;
    uint32_t done; /* ranges that are read, parts that are folded, ranges that are chained, parts that are refreshed */
    pat_row first; /* of the rows that wait */
    uint32_t rows;
    uint32_t refreshed;  /* of the part that is being refreshed */
    unsigned part_shift; /* customers of a part: 1 << part_shift */
    uint32_t parts;
    uint32_t begin[PARTS_MAX + 1];
    uint32_t place[RANGES_MAX][PARTS_MAX]; /* of the next fact of a range */
    struct fact *fact;
    uint64_t *key, *spare; /* [rows] customer << 32 | place among the part's facts */
    pat_row *next;         /* [rows] in the chain, PAT_ROW_NONE at its end; where the order's fact is */
    pat_row *touched;      /* [rows] those of a part stand where its facts do */
    uint32_t touched_count[PARTS_MAX];
    uint32_t begun[PARTS_MAX]; /* customers that exist from now on */
    uint32_t country[];        /* customers' code and one of each of the orders' codes; 0 until asked for */
};

/* One part of customers. */
struct fold_part {
    struct pat_fold *fold;
    uint32_t part;
    const struct fact *fact;
    const uint64_t *key; /* sorted */
    pat_row *next;
    uint32_t count;
    /* Counted here first: those of neighbouring parts share a line of memory. */
    uint32_t touched, begun;
};

#define BYTES_EACH (sizeof(struct fact) + 2 * sizeof(uint64_t) + 2 * sizeof(pat_row))

size_t pat_orders__fold_bytes(uint32_t rows) {
    return rows * BYTES_EACH + ARRAYS_MAX * PAT_MEM_ALIGN;
}

/* A kept column's chunk is copied once at the most: for a view, or because a value is wider than those before. */
static size_t kept_bytes(const struct pat_store *store, size_t facts) {
    const struct pat_column *column = &store->table[PAT_CUSTOMERS].column[0];
    const size_t chunks = pat_column_chunks(column), touched = chunks < facts ? chunks : facts;
    return KEEPS * touched * (((size_t)8 << column->shift) + sizeof(struct pat_chunk) + PAT_MEM_ALIGN);
}

size_t pat_apply__kept_bytes(const struct pat_store *store, size_t facts) {
    /* Of a large table few chunks are wide; all of it once is more than its kept columns. */
    const size_t most = kept_bytes(store, facts), all = pat_mem_used(PAT_MEM_CUSTOMERS);
    return most < all ? most : all;
}

/* The arrays are there already (append_orders.c, make_room). */
size_t pat_ingest_waiting_bytes(const struct pat_store *store) {
    const uint32_t rows = store->orders_waiting;
    if (rows == 0) return 0;
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    /* A chunk has a byte of these and more for each of its rows, so there are no more chunks than that. */
    const size_t kept = kept_bytes(store, rows), chunks_most = kept >> store->table[PAT_CUSTOMERS].column[0].shift;
    const size_t retired = 2 * (store->pins.retired_count + chunks_most) * sizeof(struct pat_retired);
    const size_t country = orders->dict[PAT_ORDER_COUNTRY]->count * sizeof(uint32_t);
    return sizeof(struct pat_fold) + country + 4 * (size_t)PAT_MEM_ALIGN + kept + retired +
           pat_store_column_bytes_for(&orders->column[PAT_ORDER_NEXT], rows);
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static void choose_parts(struct pat_fold *fold) {
    const struct pat_table *customers = &fold->store->table[PAT_CUSTOMERS];
    uint32_t most = fold->rows / PART_FACTS + 1;
    if (most > PARTS_MAX) most = PARTS_MAX;
    fold->part_shift = customers->column[0].shift;
    while ((customers->rows - 1) >> fold->part_shift >= most) fold->part_shift++;
    fold->parts = ((customers->rows - 1) >> fold->part_shift) + 1;
}

static uint32_t range_end(const struct pat_fold *fold, uint32_t range) {
    const uint32_t begin = range * RANGE_ROWS;
    return fold->rows - begin < RANGE_ROWS ? fold->rows : begin + RANGE_ROWS;
}

static void read_rows(const struct pat_fold *fold, unsigned column, uint32_t at, uint32_t count, int64_t *out) {
    pat_column_read(&fold->store->table[PAT_ORDERS].column[column], fold->first + at, count, out);
}

static void count_range(void *context, uint32_t range, unsigned lane) {
    struct pat_fold *fold = context;
    uint32_t *count = fold->place[range];
    int64_t customer[PIECE_ROWS];
    (void)lane;
    memset(count, 0, fold->parts * sizeof *count);
    for (uint32_t at = range * RANGE_ROWS, end = range_end(fold, range), here; at < end; at += here) {
        here = end - at < PIECE_ROWS ? end - at : PIECE_ROWS;
        read_rows(fold, PAT_ORDER_CUSTOMER, at, here, customer);
        for (uint32_t i = 0; i < here; i++) count[(pat_row)customer[i] >> fold->part_shift]++;
    }
}

static void place_parts(struct pat_fold *fold, uint32_t ranges) {
    uint32_t at = 0;
    for (uint32_t part = 0; part < fold->parts; part++) {
        fold->begin[part] = at;
        for (uint32_t range = 0; range < ranges; range++) {
            const uint32_t here = fold->place[range][part];
            fold->place[range][part] = at;
            at += here;
        }
    }
    fold->begin[fold->parts] = at;
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

enum { LANE_CUSTOMER, LANE_DAY, LANE_BASE, LANE_PAID_DAY, LANE_CANCELLED, LANE_TEST, LANE_DELETED, LANES };

static const unsigned lane_column[LANES] = {
    [LANE_CUSTOMER] = PAT_ORDER_CUSTOMER,   [LANE_DAY] = PAT_ORDER_DAY,
    [LANE_BASE] = PAT_ORDER_BASE,           [LANE_PAID_DAY] = PAT_ORDER_PAID_DAY,
    [LANE_CANCELLED] = PAT_ORDER_CANCELLED, [LANE_TEST] = PAT_ORDER_TEST,
    [LANE_DELETED] = PAT_ORDER_DELETED,
};

static struct fact fact_of(int64_t lane[LANES][PIECE_ROWS], uint32_t i, uint32_t order) {
    const int64_t day = lane[LANE_DAY][i], cancelled = lane[LANE_CANCELLED][i];
    int64_t settled = day; /* null is the least integer */
    if (lane[LANE_PAID_DAY][i] > settled) settled = lane[LANE_PAID_DAY][i];
    if (cancelled > settled) settled = cancelled;
    const uint32_t flags = (cancelled != PAT_NULL ? FACT_CANCELLED : 0u) | (lane[LANE_TEST][i] == 1 ? FACT_TEST : 0u) |
                           (lane[LANE_DELETED][i] == 1 ? FACT_WITHDRAWN : 0u);
    return (struct fact){.customer = (pat_row)lane[LANE_CUSTOMER][i],
                         .order = order,
                         .base = lane[LANE_BASE][i],
                         .day = (int32_t)day,
                         .more = (uint32_t)(settled - day) * FACT_FLAGS | flags};
}

static void read_range(void *context, uint32_t nth, unsigned lane_of) {
    struct pat_fold *fold = context;
    const uint32_t range = fold->done + nth;
    uint32_t *place = fold->place[range];
    int64_t lane[LANES][PIECE_ROWS];
    (void)lane_of;
    for (uint32_t at = range * RANGE_ROWS, end = range_end(fold, range), here; at < end; at += here) {
        here = end - at < PIECE_ROWS ? end - at : PIECE_ROWS;
        for (unsigned l = 0; l < LANES; l++) read_rows(fold, lane_column[l], at, here, lane[l]);
        for (uint32_t i = 0; i < here; i++)
            fold->fact[place[(pat_row)lane[LANE_CUSTOMER][i] >> fold->part_shift]++] = fact_of(lane, i, at + i);
    }
}

/* ---- sorting ----------------------------------------------------------------------------------------------------- */

/* Facts of a part by customer; those of one customer in the order in which they came. */
static struct fold_part part_open(struct pat_fold *fold, uint32_t part) {
    const uint32_t begin = fold->begin[part], count = fold->begin[part + 1] - begin;
    const pat_row first = part << fold->part_shift;
    uint64_t *key = fold->key + begin;
    const struct fact *fact = fold->fact + begin;
    for (uint32_t i = 0; i < count; i++) key[i] = (uint64_t)(fact[i].customer - first) << 32 | i;
    const uint64_t *sorted = pat_owners__sort(key, fold->spare + begin, count, (pat_row)1 << fold->part_shift);
    return (struct fold_part){fold, part, fact, sorted, fold->next + begin, count, 0, 0};
}

/* ---- folding ----------------------------------------------------------------------------------------------------- */

enum earliest { EARLIEST_NEW, EARLIEST_OLD, EARLIEST_UNKNOWN };

/* Whether the earliest of a customer's new orders, of this day, is its earliest of all. Where clocks went back over
 * midnight the later of two neighbouring days comes first, hence a day of distance. */
static enum earliest earliest_is(const struct slice *slice, uint32_t at, int64_t day) {
    const int64_t first = slice->kept[KEEP_FIRST][at], fact = slice->kept[KEEP_FACT][at];
    if (slice->kept[KEEP_HEAD][at] == PAT_NULL) return EARLIEST_NEW; /* it has no orders */
    if (first != PAT_NULL && day > first + 1) return EARLIEST_OLD;
    if (fact != PAT_NULL && day < fact - 1) return EARLIEST_NEW;
    return EARLIEST_UNKNOWN;
}

/* The same of the least of their days, when that is enough: none of them is earlier by a day. */
static bool is_later(const struct slice *slice, uint32_t at, int64_t least) {
    if (least == PAT_NULL) return true; /* none of them counts */
    return slice->kept[KEEP_HEAD][at] != PAT_NULL && earliest_is(slice, at, least) == EARLIEST_OLD;
}

/* The earliest of those of keys begin .. end - 1 that count; there is one. */
static const struct fact *find_earliest(const struct fold_part *of, uint32_t begin, uint32_t end) {
    const struct fact *earliest = NULL;
    for (uint32_t i = begin; i < end; i++) {
        const struct fact *fact = &of->fact[(uint32_t)of->key[i]];
        if ((fact->more & FACT_WITHDRAWN) != 0) continue;
        if (earliest == NULL ||
            pat_order__is_earlier(of->fold->store, of->fold->first + fact->order, of->fold->first + earliest->order))
            earliest = fact;
    }
    return earliest;
}

/* Customers have a dictionary of countries of their own, which got those of all new orders when they came. */
static int64_t country_of(struct pat_fold *fold, const struct fact *fact) {
    const struct pat_table *orders = &fold->store->table[PAT_ORDERS];
    const int64_t code = pat_table_get(orders, PAT_ORDER_COUNTRY, fold->first + fact->order);
    if (code == PAT_NULL) return PAT_NULL;
    /* Relaxed is enough: whoever finds none looks it up, and finds the same. */
    uint32_t known = __atomic_load_n(&fold->country[code], __ATOMIC_RELAXED);
    if (known == 0) {
        const struct pat_dict *own = fold->store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_FACT_COUNTRY];
        known = pat_dict_find(own, pat_dict_text(orders->dict[PAT_ORDER_COUNTRY], (uint32_t)code)) + 1;
        __atomic_store_n(&fold->country[code], known, __ATOMIC_RELAXED);
    }
    return (int64_t)known - 1;
}

/* What is kept of one customer. */
struct sums {
    pat_int128 net;
    int64_t orders, unpriced, first, last, fact, settled;
};

static void fold_fact(struct sums *sums, const struct fact *fact, int64_t *least) {
    if ((fact->more & FACT_WITHDRAWN) != 0) return;
    pat_kept__low(least, fact->day);
    pat_kept__low(&sums->fact, fact->day);
    if ((fact->more & FACT_TEST) != 0) return;
    pat_kept__high(&sums->settled, fact->day + (int64_t)(fact->more / FACT_FLAGS));
    if ((fact->more & FACT_CANCELLED) != 0) return;
    sums->orders++;
    pat_kept__low(&sums->first, fact->day);
    pat_kept__high(&sums->last, fact->day);
    if (fact->base == PAT_NULL) {
        sums->unpriced++;
    } else {
        sums->net += fact->base;
    }
}

static void set_kept(struct slice *slice, unsigned which, uint32_t at, int64_t value) {
    slice->changed[which] |= slice->old[which][at] != value;
    slice->kept[which][at] = value;
}

static void set_sums(struct slice *slice, uint32_t at, const struct sums *sums) {
    set_kept(slice, KEEP_ORDERS, at, pat_kept__or_null(sums->orders));
    set_kept(slice, KEEP_NET, at, pat_kept__or_null((int64_t)sums->net));
    set_kept(slice, KEEP_UNPRICED, at, pat_kept__or_null(sums->unpriced));
    set_kept(slice, KEEP_FIRST, at, sums->first);
    set_kept(slice, KEEP_LAST, at, sums->last);
    set_kept(slice, KEEP_FACT, at, sums->fact);
    set_kept(slice, KEEP_SETTLED, at, sums->settled);
}

static struct sums sums_of(const struct slice *slice, uint32_t at) {
    return (struct sums){.net = pat_kept__or_zero(slice->kept[KEEP_NET][at]),
                         .orders = pat_kept__or_zero(slice->kept[KEEP_ORDERS][at]),
                         .unpriced = pat_kept__or_zero(slice->kept[KEEP_UNPRICED][at]),
                         .first = slice->kept[KEEP_FIRST][at],
                         .last = slice->kept[KEEP_LAST][at],
                         .fact = slice->kept[KEEP_FACT][at],
                         .settled = slice->kept[KEEP_SETTLED][at]};
}

/* The new values of customer `at` of the slice, whose new orders are keys begin .. end - 1. */
static void keep(struct fold_part *of, struct slice *slice, uint32_t at, uint32_t begin) {
    struct pat_fold *fold = of->fold;
    struct sums sums = sums_of(slice, at);
    const bool was_held = pat_kept__is_held(sums.net);
    int64_t head = slice->kept[KEEP_HEAD][at], least = PAT_NULL;
    for (uint32_t i = begin; i < slice->end[at]; i++) {
        const struct fact *fact = &of->fact[(uint32_t)of->key[i]];
        of->next[(uint32_t)of->key[i]] = head == PAT_NULL ? PAT_ROW_NONE : (pat_row)head;
        head = (int64_t)fold->first + fact->order;
        fold_fact(&sums, fact, &least);
    }
    const struct fact *first = is_later(slice, at, least) ? NULL : find_earliest(of, begin, slice->end[at]);
    const enum earliest earliest = first == NULL ? EARLIEST_OLD : earliest_is(slice, at, first->day);
    set_kept(slice, KEEP_HEAD, at, head);
    if (was_held || pat_kept__is_held(sums.net) || earliest == EARLIEST_UNKNOWN) {
        fold->touched[fold->begin[of->part] + of->touched++] = slice->customer[at];
        return;
    }
    of->begun += pat_kept__begins(&fold->store->table[PAT_CUSTOMERS], slice->customer[at], slice->kept[KEEP_FACT][at],
                                  sums.fact);
    if (earliest == EARLIEST_NEW) set_kept(slice, KEEP_COUNTRY, at, country_of(fold, first));
    set_sums(slice, at, &sums);
}

/* Lists the customers of the next keys; gives the first key behind them. */
static uint32_t slice_fill(const struct fold_part *of, struct slice *slice, uint32_t at) {
    const pat_row first = of->part << of->fold->part_shift;
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

static void slice_keep(struct fold_part *of, struct slice *slice, uint32_t begin) {
    struct pat_column *columns = of->fold->store->table[PAT_CUSTOMERS].column;
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

static void fold_part(void *context, uint32_t nth, unsigned lane) {
    struct pat_fold *fold = context;
    const uint32_t part = fold->done + nth;
    struct fold_part of = part_open(fold, part);
    struct slice slice;
    (void)lane;
    memset(slice.changed, 0, sizeof slice.changed);
    for (uint32_t begin = 0, end; begin < of.count; begin = end) {
        end = slice_fill(&of, &slice, begin);
        slice_keep(&of, &slice, begin);
    }
    fold->touched_count[part] = of.touched;
    fold->begun[part] = of.begun;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void arrays_open(struct pat_fold *fold) {
    unsigned char *at = pat_store_scratch(fold->store, pat_orders__fold_bytes(fold->rows));
    fold->fact = pat_order__array(&at, fold->rows, sizeof *fold->fact);
    fold->key = pat_order__array(&at, fold->rows, sizeof *fold->key);
    fold->spare = pat_order__array(&at, fold->rows, sizeof *fold->spare);
    fold->next = pat_order__array(&at, fold->rows, sizeof *fold->next);
    fold->touched = pat_order__array(&at, fold->rows, sizeof *fold->touched);
}

static uint32_t ranges_of(const struct pat_fold *fold) {
    return (fold->rows + RANGE_ROWS - 1) / RANGE_ROWS;
}

/* Few orders are folded by whoever asks alone. */
static const struct pat_spread *crew_of(const struct pat_fold *fold, const struct pat_spread *spread) {
    return fold->rows >= RANGE_ROWS ? spread : NULL;
}

static struct pat_fold *fold_open(struct pat_store *store, const struct pat_spread *spread) {
    const struct pat_dict *countries = store->table[PAT_ORDERS].dict[PAT_ORDER_COUNTRY];
    struct pat_fold *fold =
        pat_mem_alloc_raw_must(PAT_MEM_OTHER, sizeof *fold + countries->count * sizeof fold->country[0]);
    fold->store = store;
    fold->stage = FOLD_READ;
    fold->done = fold->refreshed = 0;
    fold->rows = store->orders_waiting;
    fold->first = store->table[PAT_ORDERS].rows - fold->rows;
    memset(fold->country, 0, countries->count * sizeof fold->country[0]);
    arrays_open(fold);
    choose_parts(fold);
    pat_spread_run(crew_of(fold, spread), count_range, fold, ranges_of(fold));
    place_parts(fold, ranges_of(fold));
    return fold;
}

/* Makes the kept columns ready for several threads. */
static void open_kept(const struct pat_fold *fold) {
    struct pat_table *customers = &fold->store->table[PAT_CUSTOMERS];
    const size_t chunks = pat_column_chunks(&customers->column[0]);
    for (unsigned k = 0; k < KEEPS; k++) pat_column_open_chunks(&customers->column[kept_column[k]]);
    /* Chunks that may be replaced. */
    pat_pins_reserve(&fold->store->pins, KEEPS * (chunks < fold->rows ? chunks : fold->rows));
}

/* Links the orders of a range to those that were their customers' newest. Their facts are found as they were placed,
 * part by part in the order of rows: to write each link to its order's place would be a miss for nearly each. */
static void chain_range(struct pat_fold *fold, uint32_t range) {
    struct pat_column *next = &fold->store->table[PAT_ORDERS].column[PAT_ORDER_NEXT];
    uint32_t place[PARTS_MAX];
    int64_t customer[PIECE_ROWS], value[PIECE_ROWS];
    /* Where the range before it ended. */
    memcpy(place, range == 0 ? fold->begin : fold->place[range - 1], fold->parts * sizeof *place);
    for (uint32_t at = range * RANGE_ROWS, end = range_end(fold, range), here; at < end; at += here) {
        here = end - at < PIECE_ROWS ? end - at : PIECE_ROWS;
        read_rows(fold, PAT_ORDER_CUSTOMER, at, here, customer);
        for (uint32_t i = 0; i < here; i++) {
            const pat_row to = fold->next[place[(pat_row)customer[i] >> fold->part_shift]++];
            value[i] = to == PAT_ROW_NONE ? PAT_NULL : (int64_t)to;
        }
        pat_column_append_all(next, value, here);
    }
}

/* The next ranges; true when those were the last. */
static bool chain_step(struct pat_fold *fold) {
    const uint32_t ranges = ranges_of(fold), left = ranges - fold->done;
    const uint32_t end = left < STEP_CHAINS ? ranges : fold->done + STEP_CHAINS;
    for (; fold->done < end; fold->done++) chain_range(fold, fold->done);
    return fold->done == ranges;
}

/* Computes anew what sums could not tell, of the next customers; true when those were the last. */
static bool refresh_step(struct pat_fold *fold) {
    for (uint32_t left = STEP_REFRESH; fold->done < fold->parts && left > 0;) {
        const pat_row *touched = fold->touched + fold->begin[fold->done];
        const uint32_t count = fold->touched_count[fold->done];
        for (; fold->refreshed < count && left > 0; left--) {
            pat_customer__refresh(fold->store, touched[fold->refreshed++]);
        }
        if (fold->refreshed < count) break;
        fold->store->counts.customers += fold->begun[fold->done++];
        fold->refreshed = 0;
    }
    return fold->done == fold->parts;
}

/* The next ranges or parts; true when those were the last. */
static bool take_step(struct pat_fold *fold, pat_part_cb *part_cb, uint32_t all, const struct pat_spread *spread) {
    const uint32_t most = STEP_PARTS * pat_spread_lanes(spread), left = all - fold->done;
    const uint32_t count = left < most ? left : most;
    pat_spread_run(spread, part_cb, fold, count);
    fold->done += count;
    if (fold->done < all) return false;
    fold->done = 0;
    return true;
}

bool pat_orders__fold_some(struct pat_store *store, const struct pat_spread *spread) {
    struct pat_fold *fold = store->fold;
    if (fold == NULL) {
        if (store->orders_waiting == 0) return false;
        fold = store->fold = fold_open(store, spread);
    }
    PAT_ASSERT(fold->rows == store->orders_waiting);
    const struct pat_spread *crew = crew_of(fold, spread);
    switch (fold->stage) {
    case FOLD_READ:
        if (take_step(fold, read_range, ranges_of(fold), crew)) fold->stage = FOLD_PARTS;
        return true;
    case FOLD_PARTS:
        open_kept(fold);
        if (take_step(fold, fold_part, fold->parts, crew)) fold->stage = FOLD_CHAIN;
        return true;
    case FOLD_CHAIN:
        if (!chain_step(fold)) return true;
        fold->done = 0;
        fold->stage = FOLD_REFRESH;
        return true;
    case FOLD_REFRESH: break;
    }
    if (!refresh_step(fold)) return true;
    store->orders_waiting = 0;
    store->fold = NULL;
    pat_mem_free(PAT_MEM_OTHER, fold);
    return false;
}

void pat_orders__fold(struct pat_store *store, const struct pat_spread *spread) {
    while (pat_orders__fold_some(store, spread)) continue;
}
