/* What is kept per customer. Meanings stand at the columns in model/schema.h; analytics/verify.c recomputes them on its
 * own. */
#include "ingest/ingest_private.h"

#include "model/id.h"

struct aggregate {
    int64_t orders_n, unpriced_n;
    pat_int128 net;
    int64_t first_order, last_order, first_fact, settled;
    int64_t fact_country;
};

static void widen_low(int64_t *low, int64_t value) {
    if (*low == PAT_NULL || value < *low) *low = value;
}

static void widen_high(int64_t *high, int64_t value) {
    if (value != PAT_NULL && (*high == PAT_NULL || value > *high)) *high = value;
}

/* Ids order: numbers by size, then texts bytewise. */
static int compare_ids(const struct pat_store *store, int64_t a, int64_t b) {
    if (a >= 0 || b >= 0) {
        if (a >= 0 && b >= 0) return (a > b) - (a < b);
        return a >= 0 ? -1 : 1;
    }
    return pat_text_compare(pat_heap_get(&store->heap, (uint64_t)~a), pat_heap_get(&store->heap, (uint64_t)~b));
}

bool pat_order__is_earlier(const struct pat_store *store, pat_row a, pat_row b) {
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    int64_t time_a = pat_table_get(orders, PAT_ORDER_TIME, a), time_b = pat_table_get(orders, PAT_ORDER_TIME, b);
    if (time_a != time_b) return time_a < time_b;
    return compare_ids(store, pat_table_get(orders, PAT_ORDER_ID, a), pat_table_get(orders, PAT_ORDER_ID, b)) < 0;
}

static void aggregate_base(struct aggregate *aggregate, int64_t base, int sign) {
    if (base == PAT_NULL) {
        aggregate->unpriced_n++;
    } else {
        aggregate->net += sign > 0 ? (pat_int128)base : -(pat_int128)base;
    }
}

/* An order that is present and not deleted. */
static void aggregate_order(struct aggregate *aggregate, const struct pat_table *orders, pat_row order) {
    int64_t day = pat_table_get(orders, PAT_ORDER_DAY, order);
    widen_low(&aggregate->first_fact, day);
    if (pat_table_get(orders, PAT_ORDER_TEST, order) == 1) return;
    int64_t cancelled = pat_table_get(orders, PAT_ORDER_CANCELLED, order);
    widen_high(&aggregate->settled, day);
    widen_high(&aggregate->settled, pat_table_get(orders, PAT_ORDER_PAID_DAY, order));
    widen_high(&aggregate->settled, cancelled);
    if (cancelled != PAT_NULL) return;
    aggregate->orders_n++;
    widen_low(&aggregate->first_order, day);
    widen_high(&aggregate->last_order, day);
    aggregate_base(aggregate, pat_table_get(orders, PAT_ORDER_BASE, order), 1);
}

/* The customers' code of an order's country: each table has dictionaries of its own. */
static int64_t country_of_order(struct pat_store *store, pat_row order) {
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    int64_t code = pat_table_get(orders, PAT_ORDER_COUNTRY, order);
    if (code == PAT_NULL) return PAT_NULL;
    struct pat_text country = pat_dict_text(orders->dict[PAT_ORDER_COUNTRY], (uint32_t)code);
    return pat_dict_add(store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_FACT_COUNTRY], country);
}

static void aggregate_orders(struct aggregate *aggregate, struct pat_store *store, pat_row customer) {
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    int64_t order = pat_table_get(&store->table[PAT_CUSTOMERS], PAT_CUSTOMER_ORDER_HEAD, customer);
    pat_row earliest = PAT_ROW_NONE;
    for (; order != PAT_NULL; order = pat_table_get(orders, PAT_ORDER_NEXT, (pat_row)order)) {
        if (!pat_order_counts(orders, (pat_row)order)) continue;
        aggregate_order(aggregate, orders, (pat_row)order);
        if (earliest == PAT_ROW_NONE || pat_order__is_earlier(store, (pat_row)order, earliest))
            earliest = (pat_row)order;
    }
    if (earliest != PAT_ROW_NONE) aggregate->fact_country = country_of_order(store, earliest);
}

/* A refund of an order that is cancelled (on whatever day), a test, or withdrawn counts nothing at the end of time. */
static bool refund_counts_at_end(const struct pat_store *store, pat_row refund) {
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    int64_t order = pat_table_get(&store->table[PAT_REFUNDS], PAT_REFUND_ORDER, refund);
    if (order == PAT_NULL) return true;
    pat_row row = (pat_row)order;
    return pat_table_get(orders, PAT_ORDER_DELETED, row) != 1 && pat_table_get(orders, PAT_ORDER_TEST, row) != 1 &&
           pat_table_get(orders, PAT_ORDER_CANCELLED, row) == PAT_NULL;
}

static void aggregate_refunds(struct aggregate *aggregate, const struct pat_store *store, pat_row customer) {
    const struct pat_table *refunds = &store->table[PAT_REFUNDS];
    int64_t refund = pat_table_get(&store->table[PAT_CUSTOMERS], PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; refund != PAT_NULL; refund = pat_table_get(refunds, PAT_REFUND_NEXT, (pat_row)refund)) {
        if (pat_table_get(refunds, PAT_REFUND_DELETED, (pat_row)refund) == 1) continue;
        int64_t day = pat_table_get(refunds, PAT_REFUND_DAY, (pat_row)refund);
        widen_low(&aggregate->first_fact, day);
        widen_high(&aggregate->settled, day);
        if (!refund_counts_at_end(store, (pat_row)refund)) continue;
        aggregate_base(aggregate, pat_table_get(refunds, PAT_REFUND_BASE, (pat_row)refund), -1);
    }
}

/* Sums over a customer stay within an int64 up to nine thousand orders of the greatest amount; beyond, the bound is
 * kept. */
static int64_t clamp(pat_int128 value) {
    if (value > INT64_MAX) return INT64_MAX;
    return value < -(pat_int128)INT64_MAX ? -INT64_MAX : (int64_t)value;
}

void pat_customer__refresh(struct pat_store *store, pat_row customer) {
    struct pat_table *customers = &store->table[PAT_CUSTOMERS];
    struct aggregate aggregate = {.first_order = PAT_NULL,
                                  .last_order = PAT_NULL,
                                  .first_fact = PAT_NULL,
                                  .settled = PAT_NULL,
                                  .fact_country = PAT_NULL};
    aggregate_orders(&aggregate, store, customer);
    aggregate_refunds(&aggregate, store, customer);
    store->counts.customers -= pat_customer_exists(customers, customer);
    pat_table_set(customers, PAT_CUSTOMER_ORDERS_N, customer, aggregate.orders_n == 0 ? PAT_NULL : aggregate.orders_n);
    pat_table_set(customers, PAT_CUSTOMER_NET, customer, aggregate.net == 0 ? PAT_NULL : clamp(aggregate.net));
    pat_table_set(customers, PAT_CUSTOMER_UNPRICED_N, customer,
                  aggregate.unpriced_n == 0 ? PAT_NULL : aggregate.unpriced_n);
    pat_table_set(customers, PAT_CUSTOMER_FIRST_ORDER, customer, aggregate.first_order);
    pat_table_set(customers, PAT_CUSTOMER_LAST_ORDER, customer, aggregate.last_order);
    pat_table_set(customers, PAT_CUSTOMER_FIRST_FACT, customer, aggregate.first_fact);
    pat_table_set(customers, PAT_CUSTOMER_SETTLED, customer, aggregate.settled);
    pat_table_set(customers, PAT_CUSTOMER_FACT_COUNTRY, customer, aggregate.fact_country);
    store->counts.customers += pat_customer_exists(customers, customer);
}
