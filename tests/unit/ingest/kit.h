/* A small store and loads written as text:  orders {order: [1, 'a'], time: i64(0, 86400000), amount: ['1.5', null]}
 * After each load everything that is kept is recounted from the columns. */
#ifndef PAT_TESTS_INGEST_KIT_H
#define PAT_TESTS_INGEST_KIT_H

#include "../spell.h"

#include "base/arena.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "model/currency.h"
#include "model/decimal.h"
#include "model/exchange.h"
#include "model/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a shop
 * -------------------------------------------------------------------------------------------------------------- */

#define BESIDE_BYTES ((size_t)256 << 10)
#define NOW_MS       INT64_C(1710504000000) /* 2024-03-15T12:00:00Z */

struct shop {
    struct pat_zone *zone;
    struct pat_store *store;
    struct pat_arena arena; /* of the last load */
    uint64_t seq;
    bool skip, append; /* options of the next load */
    uint32_t errors_max;
    /* the last load: */
    struct pat_batch *batch;
    struct pat_batch_outcome outcome;
    struct pat_error error;
};

static void shop_open(struct shop *shop, const char *zone, const char *currency) {
    *shop = (struct shop){.errors_max = 100};
    assert_int_equal(pat_zone_open(&shop->zone, zone, NULL), PAT_OK);
    struct pat_store_options options = {
        .zone = shop->zone, .base_currency = currency, .entropy = "fixed", .entropy_bytes = 5};
    assert_int_equal(pat_store_open(&shop->store, &options, NULL), PAT_OK);
    pat_arena_init(&shop->arena, 0);
}

static void shop_close(struct shop *shop) {
    pat_arena_deinit(&shop->arena);
    pat_store_close(&shop->store);
    pat_zone_close(&shop->zone);
    assert_int_equal(pat_mem_used_total(), 0);
}

/* ---- recounts
 * ------------------------------------------------------------------------------------------------------------ */

struct kept {
    int64_t orders_n, net, unpriced_n, first_order, last_order, first_fact, settled;
    pat_row earliest;
};

static void kept_least(int64_t *least, int64_t value) {
    if (*least == PAT_NULL || value < *least) *least = value;
}

static void kept_greatest(int64_t *greatest, int64_t value) {
    if (value > *greatest) *greatest = value;
}

static bool is_earlier_id(struct pat_id_key a, struct pat_id_key b) {
    if (a.number >= 0 && b.number >= 0) return a.number < b.number;
    if (a.number >= 0 || b.number >= 0) return a.number >= 0;
    return pat_text_compare(a.text, b.text) < 0;
}

/* What a fact is worth by the rows of fx, gone through one by one. */
static int64_t worth_of(const struct pat_store *store, enum pat_table_id table, unsigned currency, pat_row row,
                        int64_t day, int64_t amount) {
    const struct pat_table *fx = &store->table[PAT_FX];
    int64_t code = pat_table_get(&store->table[table], currency, row), latest = PAT_NULL, worth = PAT_NULL;
    struct pat_text own = pat_dict_text(store->table[table].dict[currency], (uint32_t)code);
    if (pat_text_is(own, store->base_currency)) return amount;
    unsigned digits = pat_currencies[pat_currency_find(own)].digits;
    for (pat_row at = 0; at < fx->rows; at++) {
        int64_t dated = pat_table_get(fx, PAT_FX_DAY, at);
        struct pat_text of = pat_dict_text(fx->dict[PAT_FX_CURRENCY], (uint32_t)pat_table_get(fx, PAT_FX_CURRENCY, at));
        if (dated > day || dated <= latest || pat_table_get(fx, PAT_FX_DELETED, at) == 1 || !pat_text_equal(own, of))
            continue;
        struct pat_text per = pat_dict_text(fx->dict[PAT_FX_PER], (uint32_t)pat_table_get(fx, PAT_FX_PER, at));
        struct pat_rate rate = {pat_table_get(fx, PAT_FX_RATE, at), pat_text_is(per, "base")};
        if (!pat_rate_convert(rate, amount, digits, store->base_digits, &worth)) worth = PAT_NULL;
        latest = dated;
    }
    return worth;
}

static void kept_order(struct kept *kept, const struct pat_store *store, pat_row order) {
    const struct pat_table *orders = &store->table[PAT_ORDERS];
    int64_t day = pat_table_get(orders, PAT_ORDER_DAY, order),
            cancelled = pat_table_get(orders, PAT_ORDER_CANCELLED, order);
    int64_t time = pat_table_get(orders, PAT_ORDER_TIME, order), base = pat_table_get(orders, PAT_ORDER_BASE, order);
    assert_int_equal(day, pat_zone_day_at(store->zone, time));
    assert_true(base == worth_of(store, PAT_ORDERS, PAT_ORDER_CURRENCY, order, day,
                                 pat_table_get(orders, PAT_ORDER_AMOUNT, order)));
    kept_least(&kept->first_fact, day);
    if (kept->earliest == PAT_ROW_NONE || time < pat_table_get(orders, PAT_ORDER_TIME, kept->earliest) ||
        (time == pat_table_get(orders, PAT_ORDER_TIME, kept->earliest) &&
         is_earlier_id(pat_table_key(store, PAT_ORDERS, order), pat_table_key(store, PAT_ORDERS, kept->earliest)))) {
        kept->earliest = order;
    }
    if (pat_table_get(orders, PAT_ORDER_TEST, order) == 1) return;
    int64_t paid = pat_table_get(orders, PAT_ORDER_PAID, order);
    kept_greatest(&kept->settled, day);
    if (paid != PAT_NULL) kept_greatest(&kept->settled, pat_zone_day_at(store->zone, paid));
    kept_greatest(&kept->settled, cancelled);
    if (cancelled != PAT_NULL) return;
    kept->orders_n++;
    kept_least(&kept->first_order, day);
    kept_greatest(&kept->last_order, day);
    if (base == PAT_NULL) kept->unpriced_n++;
    if (base != PAT_NULL) kept->net += base;
}

static void kept_refund(struct kept *kept, const struct pat_store *store, pat_row refund) {
    const struct pat_table *orders = &store->table[PAT_ORDERS], *refunds = &store->table[PAT_REFUNDS];
    int64_t base = pat_table_get(refunds, PAT_REFUND_BASE, refund);
    int64_t day = pat_table_get(refunds, PAT_REFUND_DAY, refund),
            order = pat_table_get(refunds, PAT_REFUND_ORDER, refund);
    assert_int_equal(day, pat_zone_day_at(store->zone, pat_table_get(refunds, PAT_REFUND_TIME, refund)));
    assert_true(base == worth_of(store, PAT_REFUNDS, PAT_REFUND_CURRENCY, refund, day,
                                 pat_table_get(refunds, PAT_REFUND_AMOUNT, refund)));
    kept_least(&kept->first_fact, day);
    kept_greatest(&kept->settled, day);
    if (order != PAT_NULL && (pat_table_get(orders, PAT_ORDER_DELETED, (pat_row)order) == 1 ||
                              pat_table_get(orders, PAT_ORDER_TEST, (pat_row)order) == 1 ||
                              pat_table_get(orders, PAT_ORDER_CANCELLED, (pat_row)order) != PAT_NULL)) {
        return;
    }
    if (base == PAT_NULL) kept->unpriced_n++;
    if (base != PAT_NULL) kept->net -= base;
}

static int64_t or_null(int64_t count) {
    return count == 0 ? PAT_NULL : count;
}

static void check_customer(const struct pat_store *store, pat_row row, const struct kept *kept) {
    const struct pat_table *customers = &store->table[PAT_CUSTOMERS], *orders = &store->table[PAT_ORDERS];
    assert_true(pat_table_get(customers, PAT_CUSTOMER_ORDERS_N, row) == or_null(kept->orders_n));
    assert_true(pat_table_get(customers, PAT_CUSTOMER_NET, row) == or_null(kept->net));
    assert_true(pat_table_get(customers, PAT_CUSTOMER_UNPRICED_N, row) == or_null(kept->unpriced_n));
    assert_true(pat_table_get(customers, PAT_CUSTOMER_FIRST_ORDER, row) == kept->first_order);
    assert_true(pat_table_get(customers, PAT_CUSTOMER_LAST_ORDER, row) == kept->last_order);
    assert_true(pat_table_get(customers, PAT_CUSTOMER_FIRST_FACT, row) == kept->first_fact);
    assert_true(pat_table_get(customers, PAT_CUSTOMER_SETTLED, row) == kept->settled);
    int64_t code = pat_table_get(customers, PAT_CUSTOMER_FACT_COUNTRY, row);
    int64_t country =
        kept->earliest == PAT_ROW_NONE ? PAT_NULL : pat_table_get(orders, PAT_ORDER_COUNTRY, kept->earliest);
    assert_int_equal(code == PAT_NULL, country == PAT_NULL);
    if (code == PAT_NULL) return;
    assert_true(pat_text_equal(pat_dict_text(customers->dict[PAT_CUSTOMER_FACT_COUNTRY], (uint32_t)code),
                               pat_dict_text(orders->dict[PAT_ORDER_COUNTRY], (uint32_t)country)));
}

static void check_kept(const struct pat_store *store) {
    const struct pat_table *orders = &store->table[PAT_ORDERS], *refunds = &store->table[PAT_REFUNDS];
    pat_row rows = store->table[PAT_CUSTOMERS].rows;
    struct kept *kept = calloc(rows + (size_t)1, sizeof *kept);
    for (pat_row row = 0; row < rows; row++) {
        kept[row] = (struct kept){0, 0, 0, PAT_NULL, PAT_NULL, PAT_NULL, PAT_NULL, PAT_ROW_NONE};
    }
    for (pat_row order = 0; order < orders->rows; order++) {
        if (pat_table_get(orders, PAT_ORDER_STATE, order) != PAT_ORDER_PRESENT) continue;
        if (pat_table_get(orders, PAT_ORDER_DELETED, order) == 1) continue;
        kept_order(&kept[pat_table_get(orders, PAT_ORDER_CUSTOMER, order)], store, order);
    }
    for (pat_row refund = 0; refund < refunds->rows; refund++) {
        int64_t customer = pat_table_get(refunds, PAT_REFUND_CUSTOMER, refund);
        if (customer == PAT_NULL || pat_table_get(refunds, PAT_REFUND_DELETED, refund) == 1) continue;
        kept_refund(&kept[customer], store, refund);
    }
    for (pat_row row = 0; row < rows; row++) check_customer(store, row, &kept[row]);
    free(kept);
}

static void check_store(struct pat_store *store) {
    const char *why = NULL;
    if (!pat_store_check(store, &why)) fail_msg("%s", why);
    struct pat_counts counts;
    pat_store_recount(store, &counts, NULL);
    assert_int_equal(counts.customers, store->counts.customers);
    assert_int_equal(counts.orders, store->counts.orders);
    assert_int_equal(counts.lines, store->counts.lines);
    assert_int_equal(counts.refunds, store->counts.refunds);
    assert_int_equal(counts.pending_refunds, store->counts.pending_refunds);
    assert_int_equal(counts.unpriced, store->counts.unpriced);
    assert_int_equal(counts.fx, store->counts.fx);
    assert_int_equal(counts.newest_fact, store->counts.newest_fact);
    check_kept(store);
}

/* ---- loads
 * --------------------------------------------------------------------------------------------------------------- */

static struct pat_load shop_load(struct shop *shop, const struct pat_value *columns, enum pat_table_id table) {
    return (struct pat_load){.table = table,
                             .schema = pat_store_schema(shop->store, table),
                             .producer = PAT_TEXT("test"),
                             .seq = ++shop->seq,
                             .skip_bad = shop->skip,
                             .append = shop->append,
                             .errors_max = shop->errors_max,
                             .columns = columns};
}

static enum pat_status shop_take(struct shop *shop, const struct pat_load *load) {
    PAT_TRY(
        pat_ingest_prepare(&shop->batch, load, shop->zone, &shop->store->secret, NOW_MS, &shop->arena, &shop->error));
    PAT_TRY(pat_ingest_validate(shop->batch, load, shop->store, true, &shop->error));
    /* Beside what is reserved only the pair and the days are kept. */
    size_t may = pat_mem_used_total() + pat_ingest_bytes(shop->batch, shop->store) + BESIDE_BYTES;
    pat_ingest_apply(shop->store, shop->batch, shop->store->lsn + 1, &shop->outcome);
    assert_true(pat_mem_used_total() <= may);
    const struct pat_batch_outcome *o = &shop->outcome;
    assert_int_equal(o->rows, o->fresh + o->updated + o->duplicate + o->stale + o->rejected);
    return PAT_OK;
}

/* Loads "TABLE {columns}"; the outcome, batch and error stay in the shop until the next one. */
static enum pat_status load(struct shop *shop, const char *text) {
    pat_arena_deinit(&shop->arena);
    pat_arena_init(&shop->arena, 0);
    size_t name = strcspn(text, " ");
    struct spell spell = {.at = text + name, .builder = {.arena = &shop->arena}};
    struct pat_value columns = spell_value(&spell);
    assert_false(spell.builder.failed);
    int table = pat_table_find((struct pat_text){text, name});
    assert_true(table >= 0);
    struct pat_load as_sent = shop_load(shop, &columns, (enum pat_table_id)table);
    enum pat_status status = shop_take(shop, &as_sent);
    check_store(shop->store);
    return status;
}

__attribute__((unused)) static void loads(struct shop *shop, const char *text) {
    enum pat_status status = load(shop, text);
    if (status != PAT_OK) fail_msg("%s: %s", text, shop->error.message);
}

/* "fresh updated duplicate stale rejected" of the last load. */
__attribute__((unused)) static void outcome_is(const struct shop *shop, const char *expected) {
    char got[64];
    const struct pat_batch_outcome *o = &shop->outcome;
    (void)snprintf(got, sizeof got, "%u %u %u %u %u", o->fresh, o->updated, o->duplicate, o->stale, o->rejected);
    assert_string_equal(got, expected);
}

static pat_row row_of(const struct shop *shop, enum pat_table_id table, const char *id) {
    struct pat_id_key key = {pat_id_number(pat_text_of(id)), pat_text_of(id)};
    pat_row row = pat_table_find_id(shop->store, table, key);
    assert_true(row != PAT_ROW_NONE);
    return row;
}

__attribute__((unused)) static int64_t value_of(const struct shop *shop, enum pat_table_id table, const char *id,
                                                unsigned column) {
    return pat_table_get(&shop->store->table[table], column, row_of(shop, table, id));
}

__attribute__((unused)) static int64_t net_of(const struct shop *shop, const char *customer) {
    int64_t net = value_of(shop, PAT_CUSTOMERS, customer, PAT_CUSTOMER_NET);
    return net == PAT_NULL ? 0 : net;
}

__attribute__((unused)) static void text_is(const struct shop *shop, enum pat_table_id table, const char *id,
                                            unsigned column, const char *expected) {
    int64_t code = value_of(shop, table, id, column);
    if (expected == NULL) {
        assert_true(code == PAT_NULL);
        return;
    }
    assert_true(code != PAT_NULL);
    struct pat_text text = pat_dict_text(shop->store->table[table].dict[column], (uint32_t)code);
    if (!pat_text_is(text, expected)) fail_msg("\"%.*s\" is not \"%s\"", (int)text.length, text.data, expected);
}

#endif
