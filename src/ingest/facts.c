#include "ingest/ingest_private.h"

#include "base/mem.h"
#include "model/zone.h"

#include <string.h>

/* ---- counters
 * ---------------------------------------------------------------------------------------------------------- */

static void fact_count(struct pat_store *store, int64_t day, int64_t base, int sign) {
    if (sign > 0) {
        pat_day_counts_add(&store->fact_days, (pat_day)day);
    } else {
        pat_day_counts_remove(&store->fact_days, (pat_day)day);
    }
    if (base == PAT_NULL) store->counts.unpriced += (uint64_t)(int64_t)sign;
}

static void order_account(struct pat_store *store, pat_row order, int sign) {
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    if (!pat_order_counts(orders, order)) return;
    store->counts.orders += (uint64_t)(int64_t)sign;
    fact_count(store, pat_table_get(orders, PAT_ORDER_DAY, order), pat_table_get(orders, PAT_ORDER_BASE, order), sign);
}

static void refund_account(struct pat_store *store, pat_row refund, int sign) {
    const struct pat_table *refunds = &store->table[PAT_REFUNDS];
    if (pat_refund_counts(refunds, refund)) {
        store->counts.refunds += (uint64_t)(int64_t)sign;
        fact_count(store, pat_table_get(refunds, PAT_REFUND_DAY, refund),
                   pat_table_get(refunds, PAT_REFUND_BASE, refund), sign);
    } else if (pat_table_get(refunds, PAT_REFUND_DELETED, refund) != 1) {
        store->counts.pending_refunds += (uint64_t)(int64_t)sign;
    }
}

/* ---- rows that runs hold ----------------------------------------------------------------------------------------- */

/* The columns that a run's facts come from, the customer first. What a refund's order says of it is in the order's:
 * both have the same customer. */
static const unsigned order_facts[] = {PAT_ORDER_CUSTOMER, PAT_ORDER_STATE,    PAT_ORDER_DELETED,   PAT_ORDER_TEST,
                                       PAT_ORDER_DAY,      PAT_ORDER_PAID_DAY, PAT_ORDER_CANCELLED, PAT_ORDER_BASE};
static const unsigned refund_facts[] = {PAT_REFUND_CUSTOMER, PAT_REFUND_DELETED, PAT_REFUND_ORDER, PAT_REFUND_DAY,
                                        PAT_REFUND_BASE};
#define ORDER_FACTS  (sizeof order_facts / sizeof order_facts[0])
#define REFUND_FACTS (sizeof refund_facts / sizeof refund_facts[0])
_Static_assert(ORDER_FACTS <= PAT_RUN_FACT_COLUMNS && REFUND_FACTS <= PAT_RUN_FACT_COLUMNS, "room for what was");

static void note_facts(const struct pat_table *table, const unsigned *column, size_t columns, pat_row row,
                       int64_t *was) {
    for (size_t i = 0; i < columns; i++) was[i] = pat_table_get(table, column[i], row);
}

/* Marks the customer whom the row belonged to and the one it belongs to, if it says something else than before. */
static void mark_facts(struct pat_store *store, const int64_t *was, const int64_t *now, size_t columns) {
    if (memcmp(was, now, columns * sizeof *was) == 0) return;
    if (was[0] != PAT_NULL) pat_store_mark_changed(store, (pat_row)was[0]);
    if (now[0] != PAT_NULL && now[0] != was[0]) pat_store_mark_changed(store, (pat_row)now[0]);
}

void pat_order__forget(struct pat_store *store, pat_row order) {
    order_account(store, order, -1);
    if (order >= store->marks.orders_end) return;
    note_facts(&store->table[PAT_ORDERS], order_facts, ORDER_FACTS, order, store->marks.order_was);
}

void pat_order__remember(struct pat_store *store, pat_row order) {
    order_account(store, order, 1);
    if (order >= store->marks.orders_end) return;
    int64_t now[ORDER_FACTS];
    note_facts(&store->table[PAT_ORDERS], order_facts, ORDER_FACTS, order, now);
    mark_facts(store, store->marks.order_was, now, ORDER_FACTS);
}

void pat_refund__forget(struct pat_store *store, pat_row refund) {
    refund_account(store, refund, -1);
    if (refund >= store->marks.refunds_end) return;
    note_facts(&store->table[PAT_REFUNDS], refund_facts, REFUND_FACTS, refund, store->marks.refund_was);
}

void pat_refund__remember(struct pat_store *store, pat_row refund) {
    refund_account(store, refund, 1);
    if (refund >= store->marks.refunds_end) return;
    int64_t now[REFUND_FACTS];
    note_facts(&store->table[PAT_REFUNDS], refund_facts, REFUND_FACTS, refund, now);
    mark_facts(store, store->marks.refund_was, now, REFUND_FACTS);
}

/* ---- derived columns
 * ----------------------------------------------------------------------------------------------------- */

void pat_order__derive_values(const struct pat_store *store, int64_t *values) {
    pat_day day = pat_zone_day_at(store->zone, values[PAT_ORDER_TIME]);
    int64_t paid = values[PAT_ORDER_PAID];
    int64_t paid_day = paid == PAT_NULL ? PAT_NULL : pat_zone_day_at(store->zone, paid);
    values[PAT_ORDER_DAY] = day;
    values[PAT_ORDER_PAID_DAY] = paid_day == day ? PAT_NULL : paid_day;
    values[PAT_ORDER_BASE] = pat_store_to_base(store, PAT_ORDERS, PAT_ORDER_CURRENCY, values[PAT_ORDER_CURRENCY], day,
                                               values[PAT_ORDER_AMOUNT]);
}

void pat_order__derive(struct pat_store *store, pat_row order) {
    static const unsigned from[] = {PAT_ORDER_TIME, PAT_ORDER_PAID, PAT_ORDER_AMOUNT, PAT_ORDER_CURRENCY};
    static const unsigned to[] = {PAT_ORDER_DAY, PAT_ORDER_PAID_DAY, PAT_ORDER_BASE};
    struct pat_table *orders = &store->table[PAT_ORDERS];
    int64_t values[PAT_ORDER_COLUMNS];
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) values[from[i]] = pat_table_get(orders, from[i], order);
    pat_order__derive_values(store, values);
    for (size_t i = 0; i < sizeof to / sizeof to[0]; i++) pat_table_set(orders, to[i], order, values[to[i]]);
}

void pat_refund__derive(struct pat_store *store, pat_row refund) {
    struct pat_table *refunds = &store->table[PAT_REFUNDS];
    pat_day day = pat_zone_day_at(store->zone, pat_table_get(refunds, PAT_REFUND_TIME, refund));
    pat_table_set(refunds, PAT_REFUND_DAY, refund, day);
    int64_t base =
        pat_store_to_base(store, PAT_REFUNDS, PAT_REFUND_CURRENCY, pat_table_get(refunds, PAT_REFUND_CURRENCY, refund),
                          day, pat_table_get(refunds, PAT_REFUND_AMOUNT, refund));
    pat_table_set(refunds, PAT_REFUND_BASE, refund, base);
}

/* ---- chains
 * -------------------------------------------------------------------------------------------------------------- */

void pat_chain__push(struct pat_table *owners, unsigned head, pat_row owner, struct pat_table *items, unsigned next,
                     pat_row item) {
    pat_table_set(items, next, item, pat_table_get(owners, head, owner));
    pat_table_set(owners, head, owner, item);
}

static void fact_give(struct apply *apply, enum link_kind kind, int64_t before, pat_row fact, int64_t customer) {
    if (before == customer) return;
    pat_link__move(apply, kind, fact, customer);
    if (before != PAT_NULL) pat_apply__touch(apply, (pat_row)before);
    if (customer != PAT_NULL) pat_apply__touch(apply, (pat_row)customer);
}

void pat_order__give(struct apply *apply, pat_row order, int64_t customer) {
    int64_t before = pat_table_get(&apply->store->table[PAT_ORDERS], PAT_ORDER_CUSTOMER, order);
    fact_give(apply, LINK_CUSTOMER_ORDERS, before, order, customer);
}

void pat_refund__give(struct apply *apply, pat_row refund, int64_t customer) {
    int64_t before = pat_table_get(&apply->store->table[PAT_REFUNDS], PAT_REFUND_CUSTOMER, refund);
    fact_give(apply, LINK_CUSTOMER_REFUNDS, before, refund, customer);
}

void pat_order__lead_refunds(struct apply *apply, pat_row order) {
    const struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    if (pat_table_get(orders, PAT_ORDER_REFUND_HEAD, order) != PAT_NULL) pat_rows__add(&apply->leading, order);
}

static void lead_refunds(struct apply *apply, pat_row order) {
    const struct pat_table *orders = &apply->store->table[PAT_ORDERS], *refunds = &apply->store->table[PAT_REFUNDS];
    int64_t customer = PAT_NULL;
    if (pat_table_get(orders, PAT_ORDER_STATE, order) != PAT_ORDER_AWAITED) {
        customer = pat_table_get(orders, PAT_ORDER_CUSTOMER, order);
    }
    int64_t refund = pat_table_get(orders, PAT_ORDER_REFUND_HEAD, order);
    while (refund != PAT_NULL) {
        pat_refund__forget(apply->store, (pat_row)refund);
        pat_refund__give(apply, (pat_row)refund, customer);
        pat_refund__remember(apply->store, (pat_row)refund);
        refund = pat_table_get(refunds, PAT_REFUND_ORDER_NEXT, (pat_row)refund);
    }
}

void pat_orders__settle_refunds(struct apply *apply) {
    pat_rows__settle(&apply->leading);
    for (size_t i = 0; i < apply->leading.count; i++) lead_refunds(apply, apply->leading.row[i]);
    pat_mem_free(PAT_MEM_OTHER, apply->leading.row);
}

pat_row pat_order__find_or_add(struct pat_store *store, struct pat_id_key key) {
    pat_row order = pat_table_find_id(store, PAT_ORDERS, key);
    if (order != PAT_ROW_NONE) return order;
    order = pat_table_add_id(store, PAT_ORDERS, key);
    pat_table_set(&store->table[PAT_ORDERS], PAT_ORDER_STATE, order, PAT_ORDER_AWAITED);
    return order;
}
