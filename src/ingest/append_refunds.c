/* New refunds, a column at a time. What a refund takes from its customer's sums is known without looking at the others:
 * only a sum that is held at its bound sends us to the facts. */
#include "ingest/append_private.h"

#include <string.h>

/* Columns of the new rows; NULL when the batch does not have the column. */
struct lanes {
    const int64_t *order, *customer, *time, *amount, *currency, *deleted;
};
#define LANES 6u

/* What is kept of a customer. */
enum { KEEP_HEAD, KEEP_NET, KEEP_UNPRICED, KEEP_FACT, KEEP_SETTLED, KEEPS };

static const unsigned kept_column[KEEPS] = {
    [KEEP_HEAD] = PAT_CUSTOMER_REFUND_HEAD,    [KEEP_NET] = PAT_CUSTOMER_NET,
    [KEEP_UNPRICED] = PAT_CUSTOMER_UNPRICED_N, [KEEP_FACT] = PAT_CUSTOMER_FIRST_FACT,
    [KEEP_SETTLED] = PAT_CUSTOMER_SETTLED,
};

/* What a refund asks of its order. */
enum { ASK_HEAD, ASK_STATE, ASK_CUSTOMER, ASK_DELETED, ASK_TEST, ASK_CANCELLED, ASKS };

static const unsigned asked_column[ASKS] = {
    [ASK_HEAD] = PAT_ORDER_REFUND_HEAD, [ASK_STATE] = PAT_ORDER_STATE, [ASK_CUSTOMER] = PAT_ORDER_CUSTOMER,
    [ASK_DELETED] = PAT_ORDER_DELETED,  [ASK_TEST] = PAT_ORDER_TEST,   [ASK_CANCELLED] = PAT_ORDER_CANCELLED,
};

/* Owners whose values are read, changed and written together, so that they are in the cache from the reading to the
 * writing. */
#define SLICE_OWNERS 256u

/* What is stored of some owners, orders or customers, and what will be. */
struct slice {
    const pat_row *row;
    uint32_t count;
    int64_t old[ASKS][SLICE_OWNERS], value[ASKS][SLICE_OWNERS];
};
_Static_assert((int)ASKS >= (int)KEEPS, "a slice of orders serves for customers, too");

struct block {
    struct append append;
    struct lanes lane;
    int64_t *day, *base;        /* of each new refund */
    int64_t *order, *customer;  /* rows, PAT_NULL for none */
    int64_t *next, *order_next; /* in the chains */
    int64_t *counts;            /* 0: its order takes it out of the sums */
    int64_t *word;              /* ids of one kind that are there */
    uint32_t *from, *fresh;     /* the refunds that they are of; those that were new */
    pat_row *found;
    struct owners owners;
};

/* Lanes; day, base, order, customer, next, order_next, counts, word; from, fresh, found. */
#define BYTES_EACH ((LANES + 8u) * sizeof(int64_t) + 3 * sizeof(uint32_t) + OWNERS_BYTES_EACH)

size_t pat_apply__append_refunds_bytes(const struct pat_batch *batch, const struct pat_store *store) {
    return pat_store_scratch_growth(store, pat_append__bytes(batch->rows, BYTES_EACH));
}

static void open_arrays(struct block *block) {
    struct append *append = &block->append;
    int64_t **const words[] = {&block->day,  &block->base,       &block->order,  &block->customer,
                               &block->next, &block->order_next, &block->counts, &block->word};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) *words[i] = pat_append__array(append, sizeof(int64_t));
    block->from = pat_append__array(append, sizeof(uint32_t));
    block->fresh = pat_append__array(append, sizeof(uint32_t));
    block->found = pat_append__array(append, sizeof(pat_row));
    block->owners = pat_owners__open(append);
    const struct {
        const int64_t **lane;
        int field;
    } lanes[LANES] = {
        {&block->lane.order, PAT_REFUND_ORDER},       {&block->lane.customer, PAT_REFUND_CUSTOMER},
        {&block->lane.time, PAT_REFUND_TIME},         {&block->lane.amount, PAT_REFUND_AMOUNT},
        {&block->lane.currency, PAT_REFUND_CURRENCY}, {&block->lane.deleted, PAT_REFUND_DELETED},
    };
    for (unsigned i = 0; i < LANES; i++)
        *lanes[i].lane = pat_append__lane(append, lanes[i].field, pat_append__array(append, sizeof(int64_t)));
}

/* ---- slices of owners -------------------------------------------------------------------------------------------- */

static void slice_read(struct slice *slice, const struct pat_table *table, const unsigned *column, unsigned columns) {
    for (unsigned k = 0; k < columns; k++) {
        pat_column_gather(&table->column[column[k]], slice->row, slice->count, slice->old[k]);
        memcpy(slice->value[k], slice->old[k], slice->count * sizeof *slice->old[k]);
    }
}

static void slice_write(const struct slice *slice, struct pat_table *table, const unsigned *column, unsigned columns) {
    for (unsigned k = 0; k < columns; k++)
        pat_column_scatter(&table->column[column[k]], slice->row, slice->count, slice->old[k], slice->value[k]);
}

/* Owners from `first` on. */
static void slice_open(struct slice *slice, const struct owners *owners, uint32_t first) {
    slice->row = owners->row + first;
    slice->count = owners->count - first < SLICE_OWNERS ? owners->count - first : SLICE_OWNERS;
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

/* Orders that only refunds name, from now on. */
static void append_awaited(struct block *block, struct pat_ids ids, uint32_t count) {
    struct pat_store *store = block->append.store;
    struct pat_table *orders = &store->table[PAT_ORDERS];
    pat_table_append_ids(store, PAT_ORDERS, ids, block->fresh, count);
    for (unsigned c = 1; c < orders->schema->columns; c++)
        pat_column_append_same(&orders->column[c], c == PAT_ORDER_STATE ? PAT_ORDER_AWAITED : PAT_NULL, count);
    pat_table_grow(orders, count);
}

static void find_orders(struct block *block) {
    const struct append *append = &block->append;
    const int64_t *order = block->lane.order;
    uint32_t count = 0;
    for (uint32_t i = 0; i < append->count; i++) {
        block->order[i] = PAT_NULL;
        if (order == NULL || order[i] == PAT_NULL) continue;
        block->from[count] = i;
        block->word[count++] = order[i];
    }
    if (count == 0) return;
    const struct pat_ids ids = {block->word, pat_batch_find(append->apply->batch, PAT_REFUND_ORDER)->dict};
    const uint32_t made = pat_table_claim_ids(append->store, PAT_ORDERS, ids, count, block->found, block->fresh, NULL);
    if (made > 0) append_awaited(block, ids, made);
    for (uint32_t k = 0; k < count; k++) {
        block->order[block->from[k]] = block->found[k];
        pat_owners__add(&block->owners, block->found[k], block->from[k]);
    }
    pat_owners__settle(&block->owners, append->store->table[PAT_ORDERS].rows);
}

/* The order's customer, nobody while it is awaited; whether its refunds count; its chain. Its refunds are
 * items[begin .. end - 1]. */
static void ask_order(struct block *block, struct slice *slice, uint32_t at, uint32_t begin, uint32_t end) {
    int64_t(*const asked)[SLICE_OWNERS] = slice->old;
    const bool awaited = asked[ASK_STATE][at] == PAT_ORDER_AWAITED;
    const int64_t customer = awaited ? PAT_NULL : asked[ASK_CUSTOMER][at];
    const bool counts = asked[ASK_DELETED][at] != 1 && asked[ASK_TEST][at] != 1 && asked[ASK_CANCELLED][at] == PAT_NULL;
    for (uint32_t i = begin; i < end; i++) {
        const uint32_t refund = (uint32_t)block->owners.item[i];
        block->customer[refund] = customer;
        block->counts[refund] = counts;
        block->order_next[refund] = slice->value[ASK_HEAD][at];
        slice->value[ASK_HEAD][at] = (int64_t)block->append.first_row + refund;
    }
}

static void ask_orders(struct block *block) {
    struct pat_table *orders = &block->append.store->table[PAT_ORDERS];
    const struct owners *owners = &block->owners;
    struct slice slice;
    for (uint32_t i = 0; i < block->append.count; i++) {
        block->order_next[i] = PAT_NULL;
        block->customer[i] = PAT_NULL;
        block->counts[i] = 1;
    }
    for (uint32_t first = 0, begin = 0; first < owners->count; first += slice.count) {
        slice_open(&slice, owners, first);
        slice_read(&slice, orders, asked_column, ASKS);
        for (uint32_t at = 0; at < slice.count; begin = owners->end[first + at++])
            ask_order(block, &slice, at, begin, owners->end[first + at]);
        slice_write(&slice, orders, asked_column, ASK_HEAD + 1); /* the others stay */
    }
}

/* ---- customers --------------------------------------------------------------------------------------------------- */

/* Customers that are named where no order is. */
static void find_customers(struct block *block) {
    const struct append *append = &block->append;
    const int64_t *customer = block->lane.customer;
    uint32_t count = 0;
    for (uint32_t i = 0; customer != NULL && i < append->count; i++) {
        if (block->order[i] != PAT_NULL || customer[i] == PAT_NULL) continue;
        block->from[count] = i;
        block->word[count++] = customer[i];
    }
    if (count == 0) return;
    const struct pat_ids ids = {block->word, pat_batch_find(append->apply->batch, PAT_REFUND_CUSTOMER)->dict};
    pat_apply__claim_customers(append->apply, ids, count, block->found, block->fresh, NULL);
    for (uint32_t k = 0; k < count; k++) block->customer[block->from[k]] = block->found[k];
}

static void list_customers(struct block *block) {
    block->owners.items = 0;
    for (uint32_t i = 0; i < block->append.count; i++) {
        block->next[i] = PAT_NULL;
        if (block->customer[i] != PAT_NULL) pat_owners__add(&block->owners, (pat_row)block->customer[i], i);
    }
    pat_owners__settle(&block->owners, block->append.store->table[PAT_CUSTOMERS].rows);
}

static bool is_withdrawn(const struct block *block, uint32_t refund) {
    return block->lane.deleted != NULL && block->lane.deleted[refund] == 1;
}

struct fold {
    pat_int128 net;
    int64_t unpriced, fact, settled;
};

static void fold_refund(const struct block *block, struct fold *fold, uint32_t refund) {
    pat_kept__low(&fold->fact, block->day[refund]);
    pat_kept__high(&fold->settled, block->day[refund]);
    if (block->counts[refund] == 0) return;
    if (block->base[refund] == PAT_NULL) {
        fold->unpriced++;
    } else {
        fold->net -= block->base[refund];
    }
}

/* The new values of customer `at` of the slice, whose new refunds are items[begin .. end - 1]. */
static void keep(struct block *block, struct slice *slice, uint32_t at, uint32_t begin, uint32_t end) {
    int64_t(*const kept)[SLICE_OWNERS] = slice->value;
    const int64_t net = pat_kept__or_zero(kept[KEEP_NET][at]);
    struct fold fold = {.net = net,
                        .unpriced = pat_kept__or_zero(kept[KEEP_UNPRICED][at]),
                        .fact = kept[KEEP_FACT][at],
                        .settled = kept[KEEP_SETTLED][at]};
    for (uint32_t i = begin; i < end; i++) {
        const uint32_t refund = (uint32_t)block->owners.item[i];
        block->next[refund] = kept[KEEP_HEAD][at];
        kept[KEEP_HEAD][at] = (int64_t)block->append.first_row + refund;
        if (!is_withdrawn(block, refund)) fold_refund(block, &fold, refund);
    }
    if (pat_kept__is_held(net) || pat_kept__is_held(fold.net)) {
        pat_apply__touch(block->append.apply, slice->row[at]);
        return;
    }
    block->append.store->counts.customers +=
        pat_kept__begins(&block->append.store->table[PAT_CUSTOMERS], slice->row[at], kept[KEEP_FACT][at], fold.fact);
    kept[KEEP_NET][at] = pat_kept__or_null((int64_t)fold.net);
    kept[KEEP_UNPRICED][at] = pat_kept__or_null(fold.unpriced);
    kept[KEEP_FACT][at] = fold.fact;
    kept[KEEP_SETTLED][at] = fold.settled;
}

static void keep_all(struct block *block) {
    struct pat_table *customers = &block->append.store->table[PAT_CUSTOMERS];
    const struct owners *owners = &block->owners;
    struct slice slice;
    for (uint32_t first = 0, begin = 0; first < owners->count; first += slice.count) {
        slice_open(&slice, owners, first);
        slice_read(&slice, customers, kept_column, KEEPS);
        for (uint32_t at = 0; at < slice.count; begin = owners->end[first + at++])
            keep(block, &slice, at, begin, owners->end[first + at]);
        slice_write(&slice, customers, kept_column, KEEPS);
    }
}

/* ---- the new rows ------------------------------------------------------------------------------------------------ */

static void derive(struct block *block) {
    const struct append *append = &block->append;
    pat_zone_days_at(append->store->zone, block->lane.time, append->count, block->day);
    const struct pat_batch_column *currency = pat_batch_find(append->apply->batch, PAT_REFUND_CURRENCY);
    const uint32_t *codes = append->apply->codes[currency - append->apply->batch->column];
    for (uint32_t i = 0; i < append->count; i++) append->value[i] = codes[block->lane.currency[i]];
    pat_store_to_base_all(append->store, PAT_REFUNDS, PAT_REFUND_CURRENCY, append->value, block->day,
                          block->lane.amount, append->count, block->base);
}

static void append_refunds(struct block *block) {
    struct append *append = &block->append;
    pat_append__column(append, PAT_REFUND_ORDER, block->order);
    pat_append__column(append, PAT_REFUND_CUSTOMER, block->customer);
    pat_append__sent(append);
    pat_append__column(append, PAT_REFUND_DAY, block->day);
    pat_append__column(append, PAT_REFUND_BASE, block->base);
    pat_append__column(append, PAT_REFUND_NEXT, block->next);
    pat_append__column(append, PAT_REFUND_ORDER_NEXT, block->order_next);
    pat_append__constant(append, PAT_REFUND_PRODUCER, pat_apply__producer(append->apply, PAT_REFUNDS));
    pat_append__close(append);
}

static void count_refunds(const struct block *block) {
    struct pat_store *store = block->append.store;
    for (uint32_t i = 0; i < block->append.count; i++) {
        if (is_withdrawn(block, i)) continue;
        if (block->customer[i] == PAT_NULL) {
            store->counts.pending_refunds++;
            continue;
        }
        store->counts.refunds++;
        store->counts.unpriced += block->base[i] == PAT_NULL;
        pat_day_counts_add(&store->fact_days, (pat_day)block->day[i]);
    }
}

struct appended pat_apply__append_refunds(struct apply *apply, uint32_t first, uint32_t count) {
    struct block block = {.append = pat_append__open(apply, first, count, BYTES_EACH)};
    const struct append *append = &block.append;
    if (append->count > 0) {
        open_arrays(&block);
        find_orders(&block);
        ask_orders(&block);
        find_customers(&block);
        derive(&block);
        list_customers(&block);
        keep_all(&block);
        append_refunds(&block);
        count_refunds(&block);
        apply->outcome->fresh += append->count;
    }
    return (struct appended){append->row, append->known, append->known_count};
}
