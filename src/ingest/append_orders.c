/* New orders, a column at a time: most rows of most loads.
 *
 *   ids ──claim──► rows, those that are new ──► lanes: the columns of the new rows
 *   customers ──claim──► rows, sorted so that the orders of one customer stand side by side
 *   columns of orders ◄── lanes, days, base values, chain
 *   kept columns of customers ──gather──► folded with the orders of each ──scatter──► back
 *
 * What is kept must be what pat_customer__refresh computes from all of a customer's facts. Where the sums say too
 * little for that (the orders may or may not be the customer's earliest, whose country counts; a sum is held at its
 * bound) the customer is touched, and refreshed at the end of the batch. */
#include "ingest/ingest_private.h"

#include "base/mem.h"
#include "model/id.h"

#include <string.h>

/* Columns of the new rows, one value each, as the batch has them; NULL when the batch does not have the column. */
struct lanes {
    const int64_t *id, *customer, *time, *amount, *currency, *paid, *cancelled, *test, *deleted, *country;
};
#define LANES 10u

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

struct block {
    struct apply *apply;
    struct pat_store *store;
    uint32_t first; /* row of the batch */
    uint32_t rows;
    pat_row *order;  /* [rows] */
    uint32_t *fresh; /* rows of the block that are new orders */
    uint32_t *known; /* the others */
    uint32_t count;  /* new orders; all that follows has one place for each of them, or for each of their customers */
    pat_row first_order;
    struct lanes lane;
    int64_t *lane_room[LANES]; /* for lanes that are no part of the batch's columns */
    int64_t *value;            /* a column on its way into the table */
    int64_t *day, *paid_day, *base, *next;
    pat_row *customer;
    uint32_t *scratch;
    uint64_t *sorted, *sorting; /* customer << 32 | order of the block */
    pat_row *owner;             /* each customer once, ascending */
    uint32_t *end;              /* of its orders in `sorted` */
    uint32_t owners;
    int64_t *old, *kept[KEEPS];
    bool changed[KEEPS]; /* for any customer */
};

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

#define WORDS  (LANES + 6u + KEEPS + 2u) /* 8-byte arrays of a block */
#define HALVES 7u                        /* 4-byte ones */

static size_t block_bytes(uint32_t rows) {
    return (size_t)rows * (WORDS * sizeof(int64_t) + HALVES * sizeof(uint32_t)) + PAT_MEM_ALIGN;
}

static uint32_t block_rows(uint32_t rows) {
    return rows < BLOCK_ROWS ? rows : BLOCK_ROWS;
}

static void *carve(unsigned char **at, uint32_t rows, size_t size) {
    void *array = *at;
    *at += rows * size;
    return array;
}

static struct block block_make(struct apply *apply, uint32_t first, uint32_t rows) {
    struct block block = {.apply = apply, .store = apply->store, .first = first, .rows = rows};
    unsigned char *at = pat_store_scratch(apply->store, block_bytes(rows));
    for (unsigned i = 0; i < LANES; i++) block.lane_room[i] = carve(&at, rows, sizeof(int64_t));
    int64_t **const words[] = {&block.value, &block.day, &block.paid_day, &block.base, &block.next, &block.old};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) *words[i] = carve(&at, rows, sizeof(int64_t));
    for (unsigned i = 0; i < KEEPS; i++) block.kept[i] = carve(&at, rows, sizeof(int64_t));
    block.sorted = carve(&at, rows, sizeof(uint64_t));
    block.sorting = carve(&at, rows, sizeof(uint64_t));
    uint32_t **const halves[] = {&block.order,   &block.fresh, &block.known, &block.customer,
                                 &block.scratch, &block.owner, &block.end};
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) *halves[i] = carve(&at, rows, sizeof(uint32_t));
    return block;
}

size_t pat_apply__append_bytes(const struct pat_batch *batch, const struct pat_store *store) {
    size_t countries = 0;
    const struct pat_batch_column *country = pat_batch_find(batch, PAT_ORDER_COUNTRY);
    if (country != NULL) countries = (country->dict_count + (size_t)1) * sizeof(int64_t);
    return countries + pat_store_scratch_growth(store, block_bytes(block_rows(batch->rows)));
}

/* ---- which rows are new ------------------------------------------------------------------------------------------ */

static void claim_orders(struct block *block) {
    const struct pat_batch_column *ids = pat_batch_find(block->apply->batch, PAT_ORDER_ID);
    block->first_order = block->store->table[PAT_ORDERS].rows;
    block->count = pat_table_claim_ids(block->store, PAT_ORDERS, (struct pat_ids){ids->value + block->first, ids->dict},
                                       block->rows, block->order, block->fresh);
}

static uint32_t list_known(struct block *block) {
    uint32_t count = 0;
    for (uint32_t row = 0, next = 0; row < block->rows; row++) {
        if (next < block->count && block->fresh[next] == row) {
            next++;
        } else {
            block->known[count++] = row;
        }
    }
    return count;
}

/* The values of a column in the new rows. */
static const int64_t *lane_of(const struct block *block, int field, int64_t *room) {
    const struct pat_batch_column *column = pat_batch_find(block->apply->batch, field);
    if (column == NULL) return NULL;
    const int64_t *value = column->value + block->first;
    if (block->count == block->rows) return value;
    for (uint32_t i = 0; i < block->count; i++) room[i] = value[block->fresh[i]];
    return room;
}

static void open_lanes(struct block *block) {
    const struct {
        const int64_t **lane;
        int field;
    } lanes[LANES] = {
        {&block->lane.id, PAT_ORDER_ID},
        {&block->lane.customer, PAT_ORDER_CUSTOMER},
        {&block->lane.time, PAT_ORDER_TIME},
        {&block->lane.amount, PAT_ORDER_AMOUNT},
        {&block->lane.currency, PAT_ORDER_CURRENCY},
        {&block->lane.paid, PAT_ORDER_PAID},
        {&block->lane.cancelled, PAT_ORDER_CANCELLED},
        {&block->lane.test, PAT_ORDER_TEST},
        {&block->lane.deleted, PAT_ORDER_DELETED},
        {&block->lane.country, PAT_ORDER_COUNTRY},
    };
    for (unsigned i = 0; i < LANES; i++) *lanes[i].lane = lane_of(block, lanes[i].field, block->lane_room[i]);
}

/* ---- customers --------------------------------------------------------------------------------------------------- */

void pat_apply__claim_customers(struct apply *apply, struct pat_ids ids, uint32_t count, pat_row *customer,
                                uint32_t *fresh) {
    struct pat_table *customers = &apply->store->table[PAT_CUSTOMERS];
    const uint32_t added = pat_table_claim_ids(apply->store, PAT_CUSTOMERS, ids, count, customer, fresh);
    if (added == 0) return;
    pat_table_append_ids(apply->store, PAT_CUSTOMERS, ids, fresh, added);
    for (unsigned c = 1; c < customers->schema->columns; c++)
        pat_column_append_same(&customers->column[c], PAT_NULL, added);
    pat_table_grow(customers, added);
}

#define DIGIT_BITS 11u
#define DIGITS     (1u << DIGIT_BITS)
/* Below this, clearing and adding up the counts of a radix sort takes longer than an insertion sort. */
#define RADIX_FROM 128u

static void sort_few(uint64_t *item, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        const uint64_t own = item[i];
        uint32_t to = i;
        for (; to > 0 && item[to - 1] > own; to--) item[to] = item[to - 1];
        item[to] = own;
    }
}

/* By the digit that starts at bit `shift`; equal digits keep their order. */
static void sort_by_digit(const uint64_t *from, uint64_t *to, uint32_t count, unsigned shift) {
    uint32_t start[DIGITS] = {0};
    for (uint32_t i = 0; i < count; i++) start[(from[i] >> shift) & (DIGITS - 1)]++;
    for (uint32_t digit = 0, before = 0; digit < DIGITS; digit++) {
        const uint32_t here = start[digit];
        start[digit] = before;
        before += here;
    }
    for (uint32_t i = 0; i < count; i++) to[start[(from[i] >> shift) & (DIGITS - 1)]++] = from[i];
}

/* The orders by customer, each customer's in the order of the batch. */
static void sort_by_customer(struct block *block) {
    for (uint32_t i = 0; i < block->count; i++) block->sorted[i] = (uint64_t)block->customer[i] << 32 | i;
    if (block->count < RADIX_FROM) {
        sort_few(block->sorted, block->count);
        return;
    }
    const pat_row last = block->store->table[PAT_CUSTOMERS].rows - 1;
    for (unsigned shift = 0; shift < 32 && last >> shift != 0; shift += DIGIT_BITS) {
        sort_by_digit(block->sorted, block->sorting, block->count, 32 + shift);
        uint64_t *const sorted = block->sorting;
        block->sorting = block->sorted;
        block->sorted = sorted;
    }
}

static void list_owners(struct block *block) {
    block->owners = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        const pat_row customer = (pat_row)(block->sorted[i] >> 32);
        if (block->owners == 0 || block->owner[block->owners - 1] != customer) block->owner[block->owners++] = customer;
        block->end[block->owners - 1] = i + 1;
    }
}

/* ---- the columns of the new rows --------------------------------------------------------------------------------- */

static void derive(struct block *block) {
    const uint32_t count = block->count;
    pat_zone_days_at(block->store->zone, block->lane.time, count, block->day);
    for (uint32_t i = 0; block->lane.paid != NULL && i < count; i++) {
        const int64_t paid = block->lane.paid[i];
        const int64_t day = paid == PAT_NULL ? PAT_NULL : pat_zone_day_at(block->store->zone, paid);
        block->paid_day[i] = day == block->day[i] ? PAT_NULL : day;
    }
    const struct pat_batch_column *currency = pat_batch_find(block->apply->batch, PAT_ORDER_CURRENCY);
    const uint32_t *codes = block->apply->codes[currency - block->apply->batch->column];
    for (uint32_t i = 0; i < count; i++) block->value[i] = codes[block->lane.currency[i]];
    pat_store_to_base_all(block->store, PAT_ORDERS, PAT_ORDER_CURRENCY, block->value, block->day, block->lane.amount,
                          count, block->base);
}

/* A column of the batch as the store holds it. */
static const int64_t *stored_values(const struct block *block, const struct pat_batch_column *column) {
    const int64_t *sent = lane_of(block, column->field, block->value);
    const uint32_t *codes = block->apply->codes[column - block->apply->batch->column];
    const bool flag = column->field == PAT_ORDER_DELETED || column->field == PAT_ORDER_TEST;
    if (codes == NULL && !flag) return sent;
    for (uint32_t i = 0; i < block->count; i++) {
        const int64_t value = sent[i];
        if (flag) {
            block->value[i] = value == 0 ? PAT_NULL : value;
        } else {
            block->value[i] = value == PAT_NULL ? PAT_NULL : (int64_t)codes[value];
        }
    }
    return block->value;
}

static void append_sent(const struct block *block, bool done[PAT_COLUMNS_MAX]) {
    struct pat_table *orders = &block->store->table[PAT_ORDERS];
    for (uint32_t i = 0; i < block->apply->batch->columns; i++) {
        const struct pat_batch_column *column = &block->apply->batch->column[i];
        if (column->field == PAT_ORDER_ID || column->field == PAT_ORDER_CUSTOMER) continue;
        pat_column_append_all(&orders->column[column->field], stored_values(block, column), block->count);
        done[column->field] = true;
    }
}

static void append_column(const struct block *block, unsigned column, const int64_t *values,
                          bool done[PAT_COLUMNS_MAX]) {
    if (values == NULL) return;
    pat_column_append_all(&block->store->table[PAT_ORDERS].column[column], values, block->count);
    done[column] = true;
}

static void append_constant(const struct block *block, unsigned column, int64_t value, bool done[PAT_COLUMNS_MAX]) {
    pat_column_append_same(&block->store->table[PAT_ORDERS].column[column], value, block->count);
    done[column] = true;
}

static void append_orders(const struct block *block) {
    struct pat_table *orders = &block->store->table[PAT_ORDERS];
    const struct pat_batch_column *ids = pat_batch_find(block->apply->batch, PAT_ORDER_ID);
    bool done[PAT_COLUMNS_MAX] = {[PAT_ORDER_ID] = true};
    pat_table_append_ids(block->store, PAT_ORDERS, (struct pat_ids){ids->value + block->first, ids->dict}, block->fresh,
                         block->count);
    append_sent(block, done);
    for (uint32_t i = 0; i < block->count; i++) block->value[i] = block->customer[i];
    append_column(block, PAT_ORDER_CUSTOMER, block->value, done);
    append_column(block, PAT_ORDER_DAY, block->day, done);
    append_column(block, PAT_ORDER_PAID_DAY, block->lane.paid != NULL ? block->paid_day : NULL, done);
    append_column(block, PAT_ORDER_BASE, block->base, done);
    append_column(block, PAT_ORDER_NEXT, block->next, done);
    append_constant(block, PAT_ORDER_STATE, PAT_ORDER_PRESENT, done);
    append_constant(block, PAT_ORDER_AMOUNT_GIVEN, 1, done);
    append_constant(block, PAT_ORDER_PRODUCER, pat_apply__producer(block->apply, PAT_ORDERS), done);
    for (unsigned c = 0; c < orders->schema->columns; c++) {
        if (!done[c]) append_constant(block, c, PAT_NULL, done);
    }
    pat_table_grow(orders, block->count);
}

static bool is_withdrawn(const struct block *block, uint32_t order) {
    return block->lane.deleted != NULL && block->lane.deleted[order] == 1;
}

static void count_orders(const struct block *block) {
    struct pat_store *store = block->store;
    for (uint32_t i = 0; i < block->count; i++) {
        if (is_withdrawn(block, i)) continue;
        store->counts.orders++;
        store->counts.unpriced += block->base[i] == PAT_NULL;
        pat_day_counts_add(&store->fact_days, (pat_day)block->day[i]);
    }
}

/* ---- what is kept of the customers ------------------------------------------------------------------------------- */

static void widen_low(int64_t *low, int64_t value) {
    if (*low == PAT_NULL || value < *low) *low = value;
}

static void widen_high(int64_t *high, int64_t value) {
    if (value > *high) *high = value; /* null is the least integer */
}

/* The earlier of two new orders by (time, id). */
static bool is_earlier(const struct block *block, uint32_t a, uint32_t b) {
    const int64_t *time = block->lane.time, *id = block->lane.id;
    if (time[a] != time[b]) return time[a] < time[b];
    if (id[a] >= 0 && id[b] >= 0) return id[a] < id[b];
    if (id[a] >= 0 || id[b] >= 0) return id[a] >= 0;
    const struct pat_text *text = pat_batch_find(block->apply->batch, PAT_ORDER_ID)->dict;
    return pat_text_compare(text[~id[a]], text[~id[b]]) < 0;
}

/* The customers' code of a new order's country: each table has dictionaries of its own. */
static int64_t country_of(const struct block *block, uint32_t order) {
    const int64_t entry = block->lane.country == NULL ? PAT_NULL : block->lane.country[order];
    if (entry == PAT_NULL) return PAT_NULL;
    int64_t *code = &block->apply->fact_country[entry];
    if (*code == PAT_NULL) {
        const struct pat_text country = pat_batch_find(block->apply->batch, PAT_ORDER_COUNTRY)->dict[entry];
        *code = pat_dict_add(block->store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_FACT_COUNTRY], country);
    }
    return *code;
}

enum earliest { EARLIEST_NEW, EARLIEST_OLD, EARLIEST_UNKNOWN };

/* Whether the earliest of a customer's new orders is its earliest of all. Where clocks went back over midnight the
 * later of two neighbouring days comes first, hence a day of distance. */
static enum earliest earliest_is(const struct block *block, uint32_t at, uint32_t order) {
    const int64_t first = block->kept[KEEP_FIRST][at], fact = block->kept[KEEP_FACT][at], day = block->day[order];
    if (block->kept[KEEP_HEAD][at] == PAT_NULL) return EARLIEST_NEW; /* it has no orders */
    if (first != PAT_NULL && day > first + 1) return EARLIEST_OLD;
    if (fact != PAT_NULL && day < fact - 1) return EARLIEST_NEW;
    return EARLIEST_UNKNOWN;
}

struct fold {
    int64_t orders, net_bound;
    pat_int128 net;
    int64_t unpriced, first, last, fact, settled;
    uint32_t earliest; /* UINT32_MAX: none of the orders counts */
};

static void fold_order(const struct block *block, struct fold *fold, uint32_t order) {
    const int64_t day = block->day[order];
    if (fold->earliest == UINT32_MAX || is_earlier(block, order, fold->earliest)) fold->earliest = order;
    widen_low(&fold->fact, day);
    if (block->lane.test != NULL && block->lane.test[order] == 1) return;
    widen_high(&fold->settled, day);
    if (block->lane.paid != NULL) widen_high(&fold->settled, block->paid_day[order]);
    if (block->lane.cancelled != NULL && block->lane.cancelled[order] != PAT_NULL) {
        widen_high(&fold->settled, block->lane.cancelled[order]);
        return;
    }
    fold->orders++;
    widen_low(&fold->first, day);
    widen_high(&fold->last, day);
    if (block->base[order] == PAT_NULL) {
        fold->unpriced++;
    } else {
        fold->net += block->base[order];
    }
}

static int64_t or_zero(int64_t value) {
    return value == PAT_NULL ? 0 : value;
}

static int64_t or_null(int64_t count) {
    return count == 0 ? PAT_NULL : count;
}

/* Somebody whom only facts name begins to exist with the first one. */
static void note_existence(const struct block *block, uint32_t at, const struct fold *fold) {
    const struct pat_table *customers = &block->store->table[PAT_CUSTOMERS];
    if (block->kept[KEEP_FACT][at] != PAT_NULL || fold->fact == PAT_NULL) return;
    const pat_row row = block->owner[at];
    if (pat_table_get(customers, PAT_CUSTOMER_PROFILED, row) == 1) return;
    block->store->counts.customers += pat_table_get(customers, PAT_CUSTOMER_DELETED, row) != 1;
}

static void set_kept(struct block *block, unsigned which, uint32_t at, int64_t value) {
    block->changed[which] |= block->kept[which][at] != value;
    block->kept[which][at] = value;
}

/* The new values of customer `at` whose new orders are sorted[begin .. end - 1]. */
static void keep(struct block *block, uint32_t at, uint32_t begin) {
    int64_t *const *kept = block->kept;
    const int64_t net = or_zero(kept[KEEP_NET][at]);
    struct fold fold = {.net = net,
                        .orders = or_zero(kept[KEEP_ORDERS][at]),
                        .unpriced = or_zero(kept[KEEP_UNPRICED][at]),
                        .first = kept[KEEP_FIRST][at],
                        .last = kept[KEEP_LAST][at],
                        .fact = kept[KEEP_FACT][at],
                        .settled = kept[KEEP_SETTLED][at],
                        .earliest = UINT32_MAX};
    int64_t head = kept[KEEP_HEAD][at];
    for (uint32_t i = begin; i < block->end[at]; i++) {
        const uint32_t order = (uint32_t)block->sorted[i];
        block->next[order] = head;
        head = (int64_t)block->first_order + order;
        if (!is_withdrawn(block, order)) fold_order(block, &fold, order);
    }
    const enum earliest earliest = fold.earliest == UINT32_MAX ? EARLIEST_OLD : earliest_is(block, at, fold.earliest);
    set_kept(block, KEEP_HEAD, at, head);
    /* Held at a bound the sum itself is not known; what the others would get comes from the facts too then. */
    const bool held =
        net == INT64_MAX || net == -INT64_MAX || fold.net > INT64_MAX || fold.net < -(pat_int128)INT64_MAX;
    if (held || earliest == EARLIEST_UNKNOWN) {
        pat_apply__touch(block->apply, block->owner[at]);
        return;
    }
    note_existence(block, at, &fold);
    if (earliest == EARLIEST_NEW) set_kept(block, KEEP_COUNTRY, at, country_of(block, fold.earliest));
    set_kept(block, KEEP_ORDERS, at, or_null(fold.orders));
    set_kept(block, KEEP_NET, at, or_null((int64_t)fold.net));
    set_kept(block, KEEP_UNPRICED, at, or_null(fold.unpriced));
    set_kept(block, KEEP_FIRST, at, fold.first);
    set_kept(block, KEEP_LAST, at, fold.last);
    set_kept(block, KEEP_FACT, at, fold.fact);
    set_kept(block, KEEP_SETTLED, at, fold.settled);
}

static void keep_all(struct block *block) {
    struct pat_table *customers = &block->store->table[PAT_CUSTOMERS];
    for (unsigned k = 0; k < KEEPS; k++)
        pat_column_gather(&customers->column[kept_column[k]], block->owner, block->owners, block->kept[k]);
    for (uint32_t at = 0, begin = 0; at < block->owners; begin = block->end[at++]) keep(block, at, begin);
    for (unsigned k = 0; k < KEEPS; k++) {
        struct pat_column *column = &customers->column[kept_column[k]];
        if (!block->changed[k]) continue;
        pat_column_gather(column, block->owner, block->owners, block->old);
        pat_column_scatter(column, block->owner, block->owners, block->old, block->kept[k]);
    }
}

/* ---- door -------------------------------------------------------------------------------------------------------- */

static void open_countries(struct apply *apply) {
    const struct pat_batch_column *country = pat_batch_find(apply->batch, PAT_ORDER_COUNTRY);
    if (country == NULL || apply->fact_country != NULL) return;
    apply->fact_country = pat_mem_alloc_must(PAT_MEM_OTHER, (country->dict_count + (size_t)1) * sizeof(int64_t));
    for (uint32_t i = 0; i < country->dict_count; i++) apply->fact_country[i] = PAT_NULL;
}

struct appended pat_apply__append_orders(struct apply *apply, uint32_t first, uint32_t count) {
    struct block block = block_make(apply, first, count);
    claim_orders(&block);
    const uint32_t known = list_known(&block);
    if (block.count > 0) {
        const struct pat_batch_column *customers = pat_batch_find(apply->batch, PAT_ORDER_CUSTOMER);
        open_countries(apply);
        open_lanes(&block);
        pat_apply__claim_customers(apply, (struct pat_ids){block.lane.customer, customers->dict}, block.count,
                                   block.customer, block.scratch);
        sort_by_customer(&block);
        list_owners(&block);
        derive(&block);
        keep_all(&block);
        append_orders(&block);
        count_orders(&block);
        apply->outcome->fresh += block.count;
    }
    return (struct appended){block.order, block.known, known};
}
