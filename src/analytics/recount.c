/* Whole tables: base values, and what is counted of all facts together. */
#include "analytics/recount_private.h"

#include "model/currency.h"

static const struct {
    const char *name;
    enum pat_table_id table;
} checks[PAT_RECOUNTS] = {
    [PAT_RECOUNT_ORDERS_BASE] = {"orders.base", PAT_ORDERS},
    [PAT_RECOUNT_REFUNDS_BASE] = {"refunds.base", PAT_REFUNDS},
    [PAT_RECOUNT_COUNT_CUSTOMERS] = {"counts.customers", PAT_CUSTOMERS},
    [PAT_RECOUNT_COUNT_ORDERS] = {"counts.orders", PAT_ORDERS},
    [PAT_RECOUNT_COUNT_LINES] = {"counts.lines", PAT_LINES},
    [PAT_RECOUNT_COUNT_REFUNDS] = {"counts.refunds", PAT_REFUNDS},
    [PAT_RECOUNT_COUNT_PENDING] = {"counts.pending_refunds", PAT_REFUNDS},
    [PAT_RECOUNT_COUNT_UNPRICED] = {"counts.unpriced", PAT_ORDERS},
    [PAT_RECOUNT_COUNT_FX] = {"counts.fx", PAT_FX},
    [PAT_RECOUNT_COUNT_NEWEST] = {"counts.newest_fact", PAT_ORDERS},
    [PAT_RECOUNT_ORDERS] = {"customers.orders", PAT_CUSTOMERS},
    [PAT_RECOUNT_NET] = {"customers.net", PAT_CUSTOMERS},
    [PAT_RECOUNT_UNPRICED] = {"customers.unpriced", PAT_CUSTOMERS},
    [PAT_RECOUNT_FIRST_ORDER] = {"customers.first_order", PAT_CUSTOMERS},
    [PAT_RECOUNT_LAST_ORDER] = {"customers.last_order", PAT_CUSTOMERS},
    [PAT_RECOUNT_FIRST_FACT] = {"customers.first_fact", PAT_CUSTOMERS},
    [PAT_RECOUNT_SETTLED] = {"customers.settled", PAT_CUSTOMERS},
    [PAT_RECOUNT_COUNTRY] = {"customers.fact_country", PAT_CUSTOMERS},
    [PAT_RECOUNT_RUN_ORDERS] = {"runs.orders", PAT_CUSTOMERS},
    [PAT_RECOUNT_RUN_NET] = {"runs.net", PAT_CUSTOMERS},
};

const char *pat_recount_name(enum pat_recounted which) {
    return checks[which].name;
}

enum pat_table_id pat_recount_table(enum pat_recounted which) {
    return checks[which].table;
}

void pat_recount__hold(struct pat_recount_check *check, pat_row row, int64_t kept, int64_t counted) {
    check->rows++;
    if (kept == counted) return;
    check->wrong++;
    if (check->told < PAT_RECOUNT_TOLD) {
        check->first[check->told++] = (struct pat_recount_wrong){.row = row, .kept = kept, .counted = counted};
    }
}

struct whole {
    struct pat_run *run;
    const struct pat_view *view;
    const struct pat_view_rates *rates;
    struct pat_recount *out;
    uint64_t *named; /* customers that a fact names */
    struct pat_counts counts;
};

static int64_t get(const struct whole *w, enum pat_table_id table, unsigned column, pat_row row) {
    return pat_view_get(w->view, table, column, row);
}

/* Columns of the two tables that have base values. */
struct base_columns {
    enum pat_table_id table;
    unsigned day, currency, amount, base;
};
static const struct base_columns order_base = {PAT_ORDERS, PAT_ORDER_DAY, PAT_ORDER_CURRENCY, PAT_ORDER_AMOUNT,
                                               PAT_ORDER_BASE};
static const struct base_columns refund_base = {PAT_REFUNDS, PAT_REFUND_DAY, PAT_REFUND_CURRENCY, PAT_REFUND_AMOUNT,
                                                PAT_REFUND_BASE};

/* A fact that counts: its base value, its day, its customer. */
static void whole_fact(struct whole *w, const struct base_columns *columns, enum pat_recounted which, pat_row row,
                       int64_t customer) {
    const int64_t code = get(w, columns->table, columns->currency, row);
    const int64_t day = get(w, columns->table, columns->day, row), base = get(w, columns->table, columns->base, row);
    const int currency = pat_currency_find(pat_view_dict_text(w->view, columns->table, columns->currency, code));
    pat_recount__hold(&w->out->check[which], row, base,
                      pat_rates__worth(w->view, w->rates, currency, day, get(w, columns->table, columns->amount, row)));
    w->counts.unpriced += base == PAT_NULL;
    if (w->counts.newest_fact == PAT_DAY_NONE || day > w->counts.newest_fact) w->counts.newest_fact = (pat_day)day;
    if (customer != PAT_NULL) pat_bits__set(w->named, (uint64_t)customer);
}

static void whole_order(struct whole *w, pat_row row) {
    if (get(w, PAT_ORDERS, PAT_ORDER_STATE, row) != PAT_ORDER_PRESENT) return;
    if (get(w, PAT_ORDERS, PAT_ORDER_DELETED, row) == 1) return;
    w->counts.orders++;
    whole_fact(w, &order_base, PAT_RECOUNT_ORDERS_BASE, row, get(w, PAT_ORDERS, PAT_ORDER_CUSTOMER, row));
}

static void whole_refund(struct whole *w, pat_row row) {
    if (get(w, PAT_REFUNDS, PAT_REFUND_DELETED, row) == 1) return;
    const int64_t customer = get(w, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row);
    w->counts.pending_refunds += customer == PAT_NULL;
    w->counts.refunds += customer != PAT_NULL;
    if (customer != PAT_NULL) whole_fact(w, &refund_base, PAT_RECOUNT_REFUNDS_BASE, row, customer);
}

static void whole_line(struct whole *w, pat_row row) {
    w->counts.lines += get(w, PAT_LINES, PAT_LINE_DELETED, row) != 1;
}

static void whole_rate(struct whole *w, pat_row row) {
    w->counts.fx += get(w, PAT_FX, PAT_FX_DELETED, row) != 1;
}

/* Last of all: facts may name them. */
static void whole_customer(struct whole *w, pat_row row) {
    const bool exists =
        get(w, PAT_CUSTOMERS, PAT_CUSTOMER_PROFILED, row) == 1 || pat_bits__get(w->named, (uint64_t)row);
    w->counts.customers += exists && get(w, PAT_CUSTOMERS, PAT_CUSTOMER_DELETED, row) != 1;
}

static enum pat_status each_row(struct whole *w, enum pat_table_id table,
                                void (*row_cb)(struct whole *w, pat_row row)) {
    for (pat_row row = 0; row < w->view->table[table].rows; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(w->run));
        row_cb(w, row);
    }
    return PAT_OK;
}

static void hold_count(struct whole *w, enum pat_recounted which, uint64_t kept, uint64_t counted) {
    pat_recount__hold(&w->out->check[which], 0, (int64_t)kept, (int64_t)counted);
    w->out->check[which].rows = counted;
}

static void hold_counts(struct whole *w) {
    const struct pat_counts *kept = &w->view->counts, *counted = &w->counts;
    hold_count(w, PAT_RECOUNT_COUNT_CUSTOMERS, kept->customers, counted->customers);
    hold_count(w, PAT_RECOUNT_COUNT_ORDERS, kept->orders, counted->orders);
    hold_count(w, PAT_RECOUNT_COUNT_LINES, kept->lines, counted->lines);
    hold_count(w, PAT_RECOUNT_COUNT_REFUNDS, kept->refunds, counted->refunds);
    hold_count(w, PAT_RECOUNT_COUNT_PENDING, kept->pending_refunds, counted->pending_refunds);
    hold_count(w, PAT_RECOUNT_COUNT_UNPRICED, kept->unpriced, counted->unpriced);
    hold_count(w, PAT_RECOUNT_COUNT_FX, kept->fx, counted->fx);
    struct pat_recount_check *newest = &w->out->check[PAT_RECOUNT_COUNT_NEWEST];
    pat_recount__hold(newest, 0, kept->newest_fact, counted->newest_fact);
    newest->rows = counted->orders + counted->refunds;
}

struct pat_run pat_recount__run(const struct pat_job *job, struct pat_error *error) {
    return (struct pat_run){.job = job,
                            .view = job->view,
                            .arena = job->arena,
                            .error = error,
                            .customers = job->view->table[PAT_CUSTOMERS].rows};
}

enum pat_status pat_recount_whole(const struct pat_job *job, struct pat_recount *out, struct pat_error *error) {
    struct pat_run run = pat_recount__run(job, error);
    struct whole w = {.run = &run, .view = job->view, .out = out, .counts = {.newest_fact = PAT_DAY_NONE}};
    void *memory;
    PAT_TRY(pat_run__array(&run, pat_bits__words(run.customers), sizeof *w.named, &memory));
    w.named = memory;
    PAT_TRY(pat_rates__collect(&run, PAT_DAY_MAX, &w.rates));
    PAT_TRY(each_row(&w, PAT_ORDERS, whole_order));
    PAT_TRY(each_row(&w, PAT_REFUNDS, whole_refund));
    PAT_TRY(each_row(&w, PAT_LINES, whole_line));
    PAT_TRY(each_row(&w, PAT_FX, whole_rate));
    PAT_TRY(each_row(&w, PAT_CUSTOMERS, whole_customer));
    hold_counts(&w);
    return PAT_OK;
}
