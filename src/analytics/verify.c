/* verify: what ingest keeps, recomputed from the facts by a plain loop that shares nothing with it. Slow on purpose:
 * one value at a time, no kernels, no chains. */
#include "analytics/answers_private.h"
#include "analytics/rates_private.h"

#include "model/currency.h"

#include <stdio.h>

enum { V_ORDERS, V_NET, V_UNPRICED, V_FIRST, V_LAST, V_FACT, V_SETTLED, V_COUNTRY, V_VALUES };

static const struct {
    const char *name;
    unsigned column;
    bool null_is_zero;
} kept[V_VALUES] = {
    [V_ORDERS] = {"customers.orders", PAT_CUSTOMER_ORDERS_N, true},
    [V_NET] = {"customers.net", PAT_CUSTOMER_NET, true},
    [V_UNPRICED] = {"customers.unpriced", PAT_CUSTOMER_UNPRICED_N, true},
    [V_FIRST] = {"customers.first_order", PAT_CUSTOMER_FIRST_ORDER, false},
    [V_LAST] = {"customers.last_order", PAT_CUSTOMER_LAST_ORDER, false},
    [V_FACT] = {"customers.first_fact", PAT_CUSTOMER_FIRST_FACT, false},
    [V_SETTLED] = {"customers.settled", PAT_CUSTOMER_SETTLED, false},
    [V_COUNTRY] = {"customers.fact_country", PAT_CUSTOMER_FACT_COUNTRY, false},
};

/* Base values, recomputed from amounts and rates. */
struct base_check {
    enum pat_table_id table;
    unsigned day, currency, amount, base;
    const char *name;
    uint64_t rows, wrong;
    struct pat_value detail; /* of the first that is wrong */
};

struct recount {
    struct pat_run *run;
    const struct pat_view *view;
    int64_t *value[V_VALUES];
    pat_int128 *net;   /* exact, until it becomes value[V_NET] */
    int64_t *earliest; /* order row that gives the country */
    int64_t *country;  /* customers' code by orders' code */
    const struct pat_view_rates *rates;
    struct base_check base[2]; /* of orders and refunds */
    struct pat_counts counts;
    struct pat_value checks;
    bool ok;
};

static int64_t get(const struct recount *recount, enum pat_table_id table, unsigned column, pat_row row) {
    return pat_view_get(recount->view, table, column, row);
}

static void least(int64_t *into, int64_t value) {
    if (value != PAT_NULL && (*into == PAT_NULL || value < *into)) *into = value;
}

static void greatest(int64_t *into, int64_t value) {
    if (value != PAT_NULL && (*into == PAT_NULL || value > *into)) *into = value;
}

static void note_day(struct recount *recount, int64_t day) {
    if (recount->counts.newest_fact == PAT_DAY_NONE || day > recount->counts.newest_fact) {
        recount->counts.newest_fact = (pat_day)day;
    }
}

static bool earlier(const struct recount *recount, pat_row a, pat_row b) {
    const int64_t time_a = get(recount, PAT_ORDERS, PAT_ORDER_TIME, a);
    const int64_t time_b = get(recount, PAT_ORDERS, PAT_ORDER_TIME, b);
    if (time_a != time_b) return time_a < time_b;
    return pat_id__compare(pat_id__key(recount->view, get(recount, PAT_ORDERS, PAT_ORDER_ID, a)),
                           pat_id__key(recount->view, get(recount, PAT_ORDERS, PAT_ORDER_ID, b))) < 0;
}

static struct pat_value print_value(struct pat_run *run, int64_t value) {
    return value == PAT_NULL ? pat_value_string("null") : pat_build_printf(&run->builder, "%lld", (long long)value);
}

static void recount_base(struct recount *recount, struct base_check *check, pat_row row) {
    const struct pat_view *view = recount->view;
    const int64_t code = get(recount, check->table, check->currency, row);
    const int64_t stored = get(recount, check->table, check->base, row);
    const int currency = pat_currency_find(pat_view_dict_text(view, check->table, check->currency, code));
    const int64_t counted =
        pat_rates__worth(view, recount->rates, currency, get(recount, check->table, check->day, row),
                         get(recount, check->table, check->amount, row));
    check->rows++;
    if (stored == counted || check->wrong++ > 0) return;
    char id[21];
    const struct pat_text shown = pat_view_id(view, check->table, row, id);
    const struct pat_value has = print_value(recount->run, stored), should = print_value(recount->run, counted);
    check->detail = pat_build_printf(&recount->run->builder, "%s %.*s has %.*s, its rate gives %.*s",
                                     pat_schema[check->table].singular, (int)shown.length, shown.data, (int)has.count,
                                     has.as.text, (int)should.count, should.as.text);
}

static void recount_order(struct recount *recount, pat_row row) {
    if (get(recount, PAT_ORDERS, PAT_ORDER_STATE, row) != PAT_ORDER_PRESENT) return;
    if (get(recount, PAT_ORDERS, PAT_ORDER_DELETED, row) == 1) return;
    const int64_t day = get(recount, PAT_ORDERS, PAT_ORDER_DAY, row);
    const int64_t base = get(recount, PAT_ORDERS, PAT_ORDER_BASE, row);
    const int64_t cancelled = get(recount, PAT_ORDERS, PAT_ORDER_CANCELLED, row);
    recount->counts.orders++;
    recount_base(recount, &recount->base[0], row);
    recount->counts.unpriced += base == PAT_NULL;
    note_day(recount, day);
    const int64_t customer = get(recount, PAT_ORDERS, PAT_ORDER_CUSTOMER, row);
    if (customer == PAT_NULL) return;
    int64_t *const first = &recount->earliest[customer];
    if (*first == PAT_NULL || earlier(recount, row, (pat_row)*first)) *first = row;
    least(&recount->value[V_FACT][customer], day);
    if (get(recount, PAT_ORDERS, PAT_ORDER_TEST, row) == 1) return;
    greatest(&recount->value[V_SETTLED][customer], day);
    greatest(&recount->value[V_SETTLED][customer], get(recount, PAT_ORDERS, PAT_ORDER_PAID_DAY, row));
    greatest(&recount->value[V_SETTLED][customer], cancelled);
    if (cancelled != PAT_NULL) return;
    recount->value[V_ORDERS][customer]++;
    least(&recount->value[V_FIRST][customer], day);
    greatest(&recount->value[V_LAST][customer], day);
    if (base == PAT_NULL) recount->value[V_UNPRICED][customer]++;
    if (base != PAT_NULL) recount->net[customer] += base;
}

/* Whether an order takes its refunds out of the sums for good. */
static bool order_voids(const struct recount *recount, int64_t order) {
    if (order == PAT_NULL) return false;
    const pat_row row = (pat_row)order;
    return get(recount, PAT_ORDERS, PAT_ORDER_STATE, row) == PAT_ORDER_AWAITED ||
           get(recount, PAT_ORDERS, PAT_ORDER_DELETED, row) == 1 ||
           get(recount, PAT_ORDERS, PAT_ORDER_TEST, row) == 1 ||
           get(recount, PAT_ORDERS, PAT_ORDER_CANCELLED, row) != PAT_NULL;
}

static void recount_refund(struct recount *recount, pat_row row) {
    if (get(recount, PAT_REFUNDS, PAT_REFUND_DELETED, row) == 1) return;
    const int64_t customer = get(recount, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row);
    if (customer == PAT_NULL) {
        recount->counts.pending_refunds++;
        return;
    }
    const int64_t day = get(recount, PAT_REFUNDS, PAT_REFUND_DAY, row);
    const int64_t base = get(recount, PAT_REFUNDS, PAT_REFUND_BASE, row);
    recount->counts.refunds++;
    recount_base(recount, &recount->base[1], row);
    recount->counts.unpriced += base == PAT_NULL;
    note_day(recount, day);
    least(&recount->value[V_FACT][customer], day);
    greatest(&recount->value[V_SETTLED][customer], day);
    if (order_voids(recount, get(recount, PAT_REFUNDS, PAT_REFUND_ORDER, row))) return;
    if (base == PAT_NULL) recount->value[V_UNPRICED][customer]++;
    if (base != PAT_NULL) recount->net[customer] -= base;
}

/* The customers' code of each code of the orders' countries: every table has dictionaries of its own. */
static enum pat_status translate_countries(struct recount *recount) {
    const uint32_t count = recount->view->table[PAT_ORDERS].dict_count[PAT_ORDER_COUNTRY];
    void *codes;
    PAT_TRY(pat_run__array(recount->run, count, sizeof *recount->country, &codes));
    recount->country = codes;
    for (uint32_t code = 0; code < count; code++) {
        const struct pat_text name = pat_view_dict_text(recount->view, PAT_ORDERS, PAT_ORDER_COUNTRY, code);
        recount->country[code] = pat_view_dict_code(recount->view, PAT_CUSTOMERS, PAT_CUSTOMER_FACT_COUNTRY, name);
    }
    return PAT_OK;
}

static int64_t country_of(const struct recount *recount, pat_row order) {
    const int64_t code = get(recount, PAT_ORDERS, PAT_ORDER_COUNTRY, order);
    return code == PAT_NULL ? PAT_NULL : recount->country[code];
}

/* Ingest holds sums that 64 bits do not at the bound. */
static int64_t clamp(pat_int128 value) {
    if (value > INT64_MAX) return INT64_MAX;
    return value < -(pat_int128)INT64_MAX ? -INT64_MAX : (int64_t)value;
}

static enum pat_status recount_facts(struct recount *recount) {
    PAT_TRY(translate_countries(recount));
    for (pat_row row = 0; row < recount->view->table[PAT_ORDERS].rows; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(recount->run));
        recount_order(recount, row);
    }
    for (pat_row row = 0; row < recount->view->table[PAT_REFUNDS].rows; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(recount->run));
        recount_refund(recount, row);
    }
    for (pat_row row = 0; row < recount->view->table[PAT_LINES].rows; row++) {
        recount->counts.lines += get(recount, PAT_LINES, PAT_LINE_DELETED, row) != 1;
    }
    for (pat_row row = 0; row < recount->view->table[PAT_FX].rows; row++) {
        recount->counts.fx += get(recount, PAT_FX, PAT_FX_DELETED, row) != 1;
    }
    for (pat_row row = 0; row < recount->run->customers; row++) {
        const int64_t order = recount->earliest[row];
        recount->value[V_NET][row] = clamp(recount->net[row]);
        if (order != PAT_NULL) recount->value[V_COUNTRY][row] = country_of(recount, (pat_row)order);
        const bool exists =
            get(recount, PAT_CUSTOMERS, PAT_CUSTOMER_PROFILED, row) == 1 || recount->value[V_FACT][row] != PAT_NULL;
        recount->counts.customers += exists && get(recount, PAT_CUSTOMERS, PAT_CUSTOMER_DELETED, row) != 1;
    }
    return PAT_OK;
}

static void put_check(struct recount *recount, const char *name, uint64_t rows, bool ok, struct pat_value detail) {
    struct pat_builder *builder = &recount->run->builder;
    struct pat_value check = pat_build_map(builder, 4);
    pat_build_put(builder, &check, "name", pat_value_string(name));
    pat_build_put(builder, &check, "ok", pat_value_bool(ok));
    pat_build_put(builder, &check, "rows", pat_value_uint(rows));
    if (detail.type != PAT_VALUE_NIL) pat_build_put(builder, &check, "detail", detail);
    pat_build_push(builder, &recount->checks, check);
    recount->ok = recount->ok && ok;
}

/* Compares one kept column; the first customer that differs is named. */
static enum pat_status check_column(struct recount *recount, unsigned which) {
    struct pat_run *run = recount->run;
    uint64_t wrong = 0;
    struct pat_value detail = pat_value_nil();
    for (pat_row row = 0; row < run->customers; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(run));
        int64_t stored = get(recount, PAT_CUSTOMERS, kept[which].column, row);
        if (kept[which].null_is_zero && stored == PAT_NULL) stored = 0;
        const int64_t counted = recount->value[which][row];
        if (stored == counted) continue;
        if (wrong++ > 0) continue;
        char id[21];
        const struct pat_text customer = pat_view_id(recount->view, PAT_CUSTOMERS, row, id);
        const struct pat_value has = print_value(run, stored), should = print_value(run, counted);
        detail = pat_build_printf(&run->builder, "customer %.*s has %.*s, its facts give %.*s", (int)customer.length,
                                  customer.data, (int)has.count, has.as.text, (int)should.count, should.as.text);
    }
    put_check(recount, kept[which].name, run->customers, wrong == 0, detail);
    return PAT_OK;
}

static void check_count(struct recount *recount, const char *name, uint64_t stored, uint64_t counted) {
    struct pat_value detail = pat_value_nil();
    if (stored != counted) {
        detail = pat_build_printf(&recount->run->builder, "kept %llu, the rows give %llu", (unsigned long long)stored,
                                  (unsigned long long)counted);
    }
    put_check(recount, name, counted, stored == counted, detail);
}

static void check_counts(struct recount *recount) {
    const struct pat_counts *stored = &recount->view->counts, *counted = &recount->counts;
    check_count(recount, "counts.customers", stored->customers, counted->customers);
    check_count(recount, "counts.orders", stored->orders, counted->orders);
    check_count(recount, "counts.lines", stored->lines, counted->lines);
    check_count(recount, "counts.refunds", stored->refunds, counted->refunds);
    check_count(recount, "counts.pending_refunds", stored->pending_refunds, counted->pending_refunds);
    check_count(recount, "counts.unpriced", stored->unpriced, counted->unpriced);
    check_count(recount, "counts.fx", stored->fx, counted->fx);
    struct pat_value detail = pat_value_nil();
    const bool same = stored->newest_fact == counted->newest_fact;
    if (!same) {
        detail = pat_build_printf(&recount->run->builder, "kept day %d, the rows give %d", (int)stored->newest_fact,
                                  (int)counted->newest_fact);
    }
    put_check(recount, "counts.newest_fact", counted->orders + counted->refunds, same, detail);
}

enum pat_status pat_answer__verify(struct pat_run *run) {
    struct recount recount = {
        .run = run,
        .view = run->view,
        .ok = true,
        .counts = {.newest_fact = PAT_DAY_NONE},
        .base = {{PAT_ORDERS, PAT_ORDER_DAY, PAT_ORDER_CURRENCY, PAT_ORDER_AMOUNT, PAT_ORDER_BASE, "orders.base", 0, 0,
                  pat_value_nil()},
                 {PAT_REFUNDS, PAT_REFUND_DAY, PAT_REFUND_CURRENCY, PAT_REFUND_AMOUNT, PAT_REFUND_BASE, "refunds.base",
                  0, 0, pat_value_nil()}},
    };
    void *memory;
    for (unsigned which = 0; which <= V_VALUES; which++) {
        PAT_TRY(pat_run__array(run, run->customers, sizeof(int64_t), &memory));
        int64_t *const values = memory;
        const bool zero = which < V_VALUES && kept[which].null_is_zero;
        for (pat_row row = 0; row < run->customers; row++) values[row] = zero ? 0 : PAT_NULL;
        if (which < V_VALUES) {
            recount.value[which] = values;
        } else {
            recount.earliest = values;
        }
    }
    PAT_TRY(pat_run__array(run, run->customers, sizeof(pat_int128), &memory));
    recount.net = memory;
    recount.checks = pat_build_array(&run->builder, V_VALUES + 10);
    PAT_TRY(pat_rates__collect(run, PAT_DAY_MAX, &recount.rates));
    PAT_TRY(recount_facts(&recount));
    for (size_t i = 0; i < sizeof recount.base / sizeof recount.base[0]; i++) {
        const struct base_check *base = &recount.base[i];
        put_check(&recount, base->name, base->rows, base->wrong == 0, base->detail);
    }
    for (unsigned which = 0; which < V_VALUES; which++) PAT_TRY(check_column(&recount, which));
    check_counts(&recount);
    pat_run__put(run, "ok", pat_value_bool(recount.ok));
    pat_run__put(run, "checks", recount.checks);
    return PAT_OK;
}
