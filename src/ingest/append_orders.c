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
#include "ingest/append_private.h"

#include "base/mem.h"

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
    struct append append;
    struct lanes lane;
    int64_t *day, *paid_day, *base, *next; /* of each new order */
    pat_row *customer;
    struct owners owners; /* customers */
};

/* Customers whose kept values are read, folded and written together: the lines of memory that hold them stay in the
 * cache from the reading to the writing. */
#define SLICE_OWNERS 512u

struct slice {
    uint32_t first, count; /* of the owners */
    int64_t kept[KEEPS][SLICE_OWNERS], old[SLICE_OWNERS];
    bool changed[KEEPS]; /* for any owner of the slice */
};

/* Lanes; day, paid_day, base, next; customer. */
#define BYTES_EACH ((LANES + 4u) * sizeof(int64_t) + sizeof(pat_row) + OWNERS_BYTES_EACH)

size_t pat_apply__append_orders_bytes(const struct pat_batch *batch, const struct pat_store *store) {
    size_t countries = 0;
    const struct pat_batch_column *country = pat_batch_find(batch, PAT_ORDER_COUNTRY);
    if (country != NULL) countries = (country->dict_count + (size_t)1) * sizeof(int64_t);
    return countries + pat_store_scratch_growth(store, pat_append__bytes(batch->rows, BYTES_EACH));
}

static void open_arrays(struct block *block) {
    struct append *append = &block->append;
    int64_t **const words[] = {&block->day, &block->paid_day, &block->base, &block->next};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) *words[i] = pat_append__array(append, sizeof(int64_t));
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
    for (unsigned i = 0; i < LANES; i++)
        *lanes[i].lane = pat_append__lane(append, lanes[i].field, pat_append__array(append, sizeof(int64_t)));
    block->owners = pat_owners__open(append);
    block->customer = pat_append__array(append, sizeof *block->customer);
}

/* ---- the new rows ------------------------------------------------------------------------------------------------ */

static void find_customers(struct block *block) {
    struct append *append = &block->append;
    const struct pat_batch_column *customers = pat_batch_find(append->apply->batch, PAT_ORDER_CUSTOMER);
    /* Owners are listed later: their room serves for what the look-up notes. */
    pat_apply__claim_customers(append->apply, (struct pat_ids){block->lane.customer, customers->dict}, append->count,
                               block->customer, block->owners.end);
    for (uint32_t i = 0; i < append->count; i++) pat_owners__add(&block->owners, block->customer[i], i);
    pat_owners__settle(&block->owners, append->store->table[PAT_CUSTOMERS].rows);
}

static void derive(struct block *block) {
    const struct append *append = &block->append;
    const uint32_t count = append->count;
    pat_zone_days_at(append->store->zone, block->lane.time, count, block->day);
    for (uint32_t i = 0; block->lane.paid != NULL && i < count; i++) {
        const int64_t paid = block->lane.paid[i];
        const int64_t day = paid == PAT_NULL ? PAT_NULL : pat_zone_day_at(append->store->zone, paid);
        block->paid_day[i] = day == block->day[i] ? PAT_NULL : day;
    }
    const struct pat_batch_column *currency = pat_batch_find(append->apply->batch, PAT_ORDER_CURRENCY);
    const uint32_t *codes = append->apply->codes[currency - append->apply->batch->column];
    for (uint32_t i = 0; i < count; i++) append->value[i] = codes[block->lane.currency[i]];
    pat_store_to_base_all(append->store, PAT_ORDERS, PAT_ORDER_CURRENCY, append->value, block->day, block->lane.amount,
                          count, block->base);
}

static void append_orders(struct block *block) {
    struct append *append = &block->append;
    for (uint32_t i = 0; i < append->count; i++) append->value[i] = block->customer[i];
    pat_append__column(append, PAT_ORDER_CUSTOMER, append->value);
    pat_append__sent(append);
    pat_append__column(append, PAT_ORDER_DAY, block->day);
    if (block->lane.paid != NULL) pat_append__column(append, PAT_ORDER_PAID_DAY, block->paid_day);
    pat_append__column(append, PAT_ORDER_BASE, block->base);
    pat_append__column(append, PAT_ORDER_NEXT, block->next);
    pat_append__constant(append, PAT_ORDER_STATE, PAT_ORDER_PRESENT);
    pat_append__constant(append, PAT_ORDER_AMOUNT_GIVEN, 1);
    pat_append__constant(append, PAT_ORDER_PRODUCER, pat_apply__producer(append->apply, PAT_ORDERS));
    pat_append__close(append);
}

static bool is_withdrawn(const struct block *block, uint32_t order) {
    return block->lane.deleted != NULL && block->lane.deleted[order] == 1;
}

static void count_orders(const struct block *block) {
    struct pat_store *store = block->append.store;
    for (uint32_t i = 0; i < block->append.count; i++) {
        if (is_withdrawn(block, i)) continue;
        store->counts.orders++;
        store->counts.unpriced += block->base[i] == PAT_NULL;
        pat_day_counts_add(&store->fact_days, (pat_day)block->day[i]);
    }
}

/* ---- what is kept of the customers ------------------------------------------------------------------------------- */

/* The earlier of two new orders by (time, id). */
static bool is_earlier(const struct block *block, uint32_t a, uint32_t b) {
    const int64_t *time = block->lane.time, *id = block->lane.id;
    if (time[a] != time[b]) return time[a] < time[b];
    if (id[a] >= 0 && id[b] >= 0) return id[a] < id[b];
    if (id[a] >= 0 || id[b] >= 0) return id[a] >= 0;
    const struct pat_text *text = pat_batch_find(block->append.apply->batch, PAT_ORDER_ID)->dict;
    return pat_text_compare(text[~id[a]], text[~id[b]]) < 0;
}

/* The customers' code of a new order's country: each table has dictionaries of its own. */
static int64_t country_of(const struct block *block, uint32_t order) {
    const int64_t entry = block->lane.country == NULL ? PAT_NULL : block->lane.country[order];
    if (entry == PAT_NULL) return PAT_NULL;
    int64_t *code = &block->append.apply->fact_country[entry];
    if (*code == PAT_NULL) {
        const struct pat_text country = pat_batch_find(block->append.apply->batch, PAT_ORDER_COUNTRY)->dict[entry];
        *code = pat_dict_add(block->append.store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_FACT_COUNTRY], country);
    }
    return *code;
}

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
    uint32_t earliest; /* UINT32_MAX: none of the orders counts */
};

static void fold_order(const struct block *block, struct fold *fold, uint32_t order) {
    const int64_t day = block->day[order];
    if (fold->earliest == UINT32_MAX || is_earlier(block, order, fold->earliest)) fold->earliest = order;
    pat_kept__low(&fold->fact, day);
    if (block->lane.test != NULL && block->lane.test[order] == 1) return;
    pat_kept__high(&fold->settled, day);
    if (block->lane.paid != NULL) pat_kept__high(&fold->settled, block->paid_day[order]);
    if (block->lane.cancelled != NULL && block->lane.cancelled[order] != PAT_NULL) {
        pat_kept__high(&fold->settled, block->lane.cancelled[order]);
        return;
    }
    fold->orders++;
    pat_kept__low(&fold->first, day);
    pat_kept__high(&fold->last, day);
    if (block->base[order] == PAT_NULL) {
        fold->unpriced++;
    } else {
        fold->net += block->base[order];
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
                         .settled = slice->kept[KEEP_SETTLED][at],
                         .earliest = UINT32_MAX};
}

/* The new values of customer `at` of the slice, whose new orders are items[begin .. end - 1]. */
static void keep(struct block *block, struct slice *slice, uint32_t at, uint32_t begin, uint32_t end) {
    const pat_row customer = block->owners.row[slice->first + at];
    struct fold fold = fold_of(slice, at);
    const bool was_held = pat_kept__is_held(fold.net);
    int64_t head = slice->kept[KEEP_HEAD][at];
    for (uint32_t i = begin; i < end; i++) {
        const uint32_t order = (uint32_t)block->owners.item[i];
        block->next[order] = head;
        head = (int64_t)block->append.first_row + order;
        if (!is_withdrawn(block, order)) fold_order(block, &fold, order);
    }
    const enum earliest earliest =
        fold.earliest == UINT32_MAX ? EARLIEST_OLD : earliest_is(slice, at, block->day[fold.earliest]);
    set_kept(slice, KEEP_HEAD, at, head);
    if (was_held || pat_kept__is_held(fold.net) || earliest == EARLIEST_UNKNOWN) {
        pat_apply__touch(block->append.apply, customer);
        return;
    }
    pat_kept__note_existence(block->append.store, customer, slice->kept[KEEP_FACT][at], fold.fact);
    if (earliest == EARLIEST_NEW) set_kept(slice, KEEP_COUNTRY, at, country_of(block, fold.earliest));
    set_fold(slice, at, &fold);
}

static void keep_slice(struct block *block, struct slice *slice) {
    struct pat_table *customers = &block->append.store->table[PAT_CUSTOMERS];
    const pat_row *row = block->owners.row + slice->first;
    const uint32_t *end = block->owners.end + slice->first;
    for (unsigned k = 0; k < KEEPS; k++)
        pat_column_gather(&customers->column[kept_column[k]], row, slice->count, slice->kept[k]);
    uint32_t begin = slice->first == 0 ? 0 : end[-1];
    for (uint32_t at = 0; at < slice->count; begin = end[at++]) keep(block, slice, at, begin, end[at]);
    for (unsigned k = 0; k < KEEPS; k++) {
        if (!slice->changed[k]) continue;
        pat_column_gather(&customers->column[kept_column[k]], row, slice->count, slice->old);
        pat_column_scatter(&customers->column[kept_column[k]], row, slice->count, slice->old, slice->kept[k]);
        slice->changed[k] = false;
    }
}

static void keep_all(struct block *block) {
    struct slice slice;
    memset(slice.changed, 0, sizeof slice.changed);
    for (slice.first = 0; slice.first < block->owners.count; slice.first += slice.count) {
        const uint32_t left = block->owners.count - slice.first;
        slice.count = left < SLICE_OWNERS ? left : SLICE_OWNERS;
        keep_slice(block, &slice);
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
    struct block block = {.append = pat_append__open(apply, first, count, BYTES_EACH)};
    const struct append *append = &block.append;
    if (append->count > 0) {
        open_countries(apply);
        open_arrays(&block);
        find_customers(&block);
        derive(&block);
        keep_all(&block);
        append_orders(&block);
        count_orders(&block);
        apply->outcome->fresh += append->count;
    }
    return (struct appended){append->row, append->known, append->known_count};
}
