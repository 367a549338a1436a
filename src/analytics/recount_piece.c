/* Some customers: their facts are added up once from the tables, and once as runs have them. */
#include "analytics/answers_private.h"
#include "analytics/recount_private.h"

#define COLUMNS (PAT_RECOUNT_RUN_ORDERS - PAT_RECOUNT_ORDERS)

_Static_assert(PAT_RECOUNT_CUSTOMERS % PAT_RUN_BLOCK == 0, "pieces are whole blocks of the runs");

/* The customers' columns, in the order of enum pat_recounted. */
static const struct {
    unsigned column;
    bool null_is_zero;
} kept[COLUMNS] = {
    {PAT_CUSTOMER_ORDERS_N, true},     {PAT_CUSTOMER_NET, true},           {PAT_CUSTOMER_UNPRICED_N, true},
    {PAT_CUSTOMER_FIRST_ORDER, false}, {PAT_CUSTOMER_LAST_ORDER, false},   {PAT_CUSTOMER_FIRST_FACT, false},
    {PAT_CUSTOMER_SETTLED, false},     {PAT_CUSTOMER_FACT_COUNTRY, false},
};

#define AT(which) (PAT_RECOUNT_##which - PAT_RECOUNT_ORDERS)

struct piece {
    struct pat_run *run;
    const struct pat_view *view;
    pat_row first, end;
    int64_t *value[COLUMNS];
    pat_int128 *net;   /* exact, until it becomes a value */
    int64_t *earliest; /* order row that gives the country */
    int64_t *country;  /* customers' code by orders' code */
    /* as runs and what is behind them say it */
    int64_t *run_orders;
    pat_int128 *run_net;
    pat_row orders_end, refunds_end; /* rows from there on are in no run */
};

static int64_t get(const struct piece *p, enum pat_table_id table, unsigned column, pat_row row) {
    return pat_view_get(p->view, table, column, row);
}

/* The place of a customer in the piece, or false. */
static bool place_of(const struct piece *p, int64_t customer, size_t *place) {
    if (customer == PAT_NULL || customer < p->first || customer >= p->end) return false;
    *place = (size_t)(customer - p->first);
    return true;
}

static void least(int64_t *into, int64_t value) {
    if (value != PAT_NULL && (*into == PAT_NULL || value < *into)) *into = value;
}

static void greatest(int64_t *into, int64_t value) {
    if (value != PAT_NULL && (*into == PAT_NULL || value > *into)) *into = value;
}

/* ---- from the tables --------------------------------------------------------------------------------------------- */

static bool earlier(const struct piece *p, pat_row a, pat_row b) {
    const int64_t time_a = get(p, PAT_ORDERS, PAT_ORDER_TIME, a);
    const int64_t time_b = get(p, PAT_ORDERS, PAT_ORDER_TIME, b);
    if (time_a != time_b) return time_a < time_b;
    return pat_id__compare(pat_id__key(p->view, get(p, PAT_ORDERS, PAT_ORDER_ID, a)),
                           pat_id__key(p->view, get(p, PAT_ORDERS, PAT_ORDER_ID, b))) < 0;
}

static void piece_order(struct piece *p, pat_row row) {
    size_t at;
    if (!place_of(p, get(p, PAT_ORDERS, PAT_ORDER_CUSTOMER, row), &at)) return;
    if (get(p, PAT_ORDERS, PAT_ORDER_STATE, row) != PAT_ORDER_PRESENT) return;
    if (get(p, PAT_ORDERS, PAT_ORDER_DELETED, row) == 1) return;
    const int64_t day = get(p, PAT_ORDERS, PAT_ORDER_DAY, row);
    const int64_t base = get(p, PAT_ORDERS, PAT_ORDER_BASE, row);
    const int64_t cancelled = get(p, PAT_ORDERS, PAT_ORDER_CANCELLED, row);
    int64_t *const first = &p->earliest[at];
    if (*first == PAT_NULL || earlier(p, row, (pat_row)*first)) *first = row;
    least(&p->value[AT(FIRST_FACT)][at], day);
    if (get(p, PAT_ORDERS, PAT_ORDER_TEST, row) == 1) return;
    greatest(&p->value[AT(SETTLED)][at], day);
    greatest(&p->value[AT(SETTLED)][at], get(p, PAT_ORDERS, PAT_ORDER_PAID_DAY, row));
    greatest(&p->value[AT(SETTLED)][at], cancelled);
    if (cancelled != PAT_NULL) return;
    const bool behind = row >= p->orders_end;
    p->value[AT(ORDERS)][at]++;
    least(&p->value[AT(FIRST_ORDER)][at], day);
    greatest(&p->value[AT(LAST_ORDER)][at], day);
    if (behind) p->run_orders[at]++;
    if (base == PAT_NULL) p->value[AT(UNPRICED)][at]++;
    if (base != PAT_NULL) p->net[at] += base;
    if (base != PAT_NULL && behind) p->run_net[at] += base;
}

/* Whether an order takes its refunds out of the sums for good. */
static bool order_voids(const struct piece *p, int64_t order) {
    if (order == PAT_NULL) return false;
    const pat_row row = (pat_row)order;
    return get(p, PAT_ORDERS, PAT_ORDER_STATE, row) == PAT_ORDER_AWAITED ||
           get(p, PAT_ORDERS, PAT_ORDER_DELETED, row) == 1 || get(p, PAT_ORDERS, PAT_ORDER_TEST, row) == 1 ||
           get(p, PAT_ORDERS, PAT_ORDER_CANCELLED, row) != PAT_NULL;
}

static void piece_refund(struct piece *p, pat_row row) {
    size_t at;
    if (!place_of(p, get(p, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row), &at)) return;
    if (get(p, PAT_REFUNDS, PAT_REFUND_DELETED, row) == 1) return;
    const int64_t day = get(p, PAT_REFUNDS, PAT_REFUND_DAY, row);
    const int64_t base = get(p, PAT_REFUNDS, PAT_REFUND_BASE, row);
    least(&p->value[AT(FIRST_FACT)][at], day);
    greatest(&p->value[AT(SETTLED)][at], day);
    if (order_voids(p, get(p, PAT_REFUNDS, PAT_REFUND_ORDER, row))) return;
    if (base == PAT_NULL) p->value[AT(UNPRICED)][at]++;
    if (base != PAT_NULL) p->net[at] -= base;
    if (base != PAT_NULL && row >= p->refunds_end) p->run_net[at] -= base;
}

static enum pat_status each_row(struct piece *p, enum pat_table_id table,
                                void (*row_cb)(struct piece *p, pat_row row)) {
    for (pat_row row = 0; row < p->view->table[table].rows; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(p->run));
        row_cb(p, row);
    }
    return PAT_OK;
}

/* The customers' code of each code of the orders' countries: every table has dictionaries of its own. */
static enum pat_status translate_countries(struct piece *p) {
    const uint32_t count = p->view->table[PAT_ORDERS].dict_count[PAT_ORDER_COUNTRY];
    void *codes;
    PAT_TRY(pat_run__array(p->run, count, sizeof *p->country, &codes));
    p->country = codes;
    for (uint32_t code = 0; code < count; code++) {
        const struct pat_text name = pat_view_dict_text(p->view, PAT_ORDERS, PAT_ORDER_COUNTRY, code);
        p->country[code] = pat_view_dict_code(p->view, PAT_CUSTOMERS, PAT_CUSTOMER_FACT_COUNTRY, name);
    }
    return PAT_OK;
}

static int64_t country_of(const struct piece *p, int64_t order) {
    if (order == PAT_NULL) return PAT_NULL;
    const int64_t code = get(p, PAT_ORDERS, PAT_ORDER_COUNTRY, (pat_row)order);
    return code == PAT_NULL ? PAT_NULL : p->country[code];
}

/* ---- from runs --------------------------------------------------------------------------------------------------- */

static void run_plain(struct piece *p, size_t at, int64_t net) {
    p->run_orders[at]++;
    p->run_net[at] += net;
}

static void run_by_offset(struct piece *p, const struct pat_fact_run *run, pat_row end) {
    for (pat_row customer = p->first; customer < end; customer++) {
        for (uint32_t i = run->offset[customer]; i < run->offset[customer + 1]; i++)
            run_plain(p, customer - p->first, run->net[i]);
    }
}

/* Entries of blocks: from where the piece begins to where its last block ends. */
static void run_by_customer(struct piece *p, const struct pat_fact_run *run, pat_row end) {
    const uint32_t last = run->block[(end + PAT_RUN_BLOCK - 1) / PAT_RUN_BLOCK];
    for (uint32_t i = run->block[p->first / PAT_RUN_BLOCK]; i < last; i++)
        run_plain(p, run->customer[i] - p->first, run->net[i]);
}

static void run_odd(struct piece *p, const struct pat_fact_run *run, pat_row end) {
    const uint32_t last = run->odd.block[(end + PAT_RUN_BLOCK - 1) / PAT_RUN_BLOCK];
    for (uint32_t i = run->odd.block[p->first / PAT_RUN_BLOCK]; i < last; i++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, i);
        if (odd.until != INT32_MAX) continue; /* cancelled one day */
        p->run_orders[odd.customer - p->first] += odd.orders;
        if (odd.net != PAT_NULL) p->run_net[odd.customer - p->first] += odd.net;
    }
}

static void read_runs(struct piece *p) {
    for (uint32_t i = 0; i < p->view->runs.count; i++) {
        const struct pat_fact_run *run = p->view->runs.run[i];
        const pat_row end = p->end < run->customers ? p->end : run->customers;
        if (p->first >= end) continue;
        run->offset != NULL ? run_by_offset(p, run, end) : run_by_customer(p, run, end);
        run_odd(p, run, end);
    }
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

/* Ingest holds sums that 64 bits do not at the bound. */
static int64_t clamp(pat_int128 value) {
    if (value > INT64_MAX) return INT64_MAX;
    return value < -(pat_int128)INT64_MAX ? -INT64_MAX : (int64_t)value;
}

static void hold_customer(const struct piece *p, size_t at, struct pat_recount *out) {
    const pat_row row = p->first + (pat_row)at;
    p->value[AT(NET)][at] = clamp(p->net[at]);
    p->value[AT(COUNTRY)][at] = country_of(p, p->earliest[at]);
    for (unsigned i = 0; i < COLUMNS; i++) {
        int64_t stored = get(p, PAT_CUSTOMERS, kept[i].column, row);
        if (kept[i].null_is_zero && stored == PAT_NULL) stored = 0;
        pat_recount__hold(&out->check[PAT_RECOUNT_ORDERS + i], row, stored, p->value[i][at]);
    }
    if (p->view->runs.count == 0 || pat_runs_stale(&p->view->runs, row)) return; /* runs say nothing of it */
    pat_recount__hold(&out->check[PAT_RECOUNT_RUN_ORDERS], row, p->run_orders[at], p->value[AT(ORDERS)][at]);
    pat_recount__hold(&out->check[PAT_RECOUNT_RUN_NET], row, clamp(p->run_net[at]), p->value[AT(NET)][at]);
}

static enum pat_status piece_arrays(struct piece *p) {
    const size_t count = p->end - p->first;
    void *memory;
    for (unsigned i = 0; i <= COLUMNS; i++) {
        PAT_TRY(pat_run__array(p->run, count, sizeof(int64_t), &memory));
        int64_t *const values = memory;
        const bool zero = i < COLUMNS && kept[i].null_is_zero;
        for (size_t at = 0; at < count && !zero; at++) values[at] = PAT_NULL;
        *(i < COLUMNS ? &p->value[i] : &p->earliest) = values;
    }
    PAT_TRY(pat_run__array(p->run, count, sizeof *p->run_orders, &memory));
    p->run_orders = memory;
    PAT_TRY(pat_run__array(p->run, 2 * (uint64_t)count, sizeof *p->net, &memory));
    p->net = memory;
    p->run_net = p->net + count;
    return translate_countries(p);
}

enum pat_status pat_recount_piece(const struct pat_job *job, pat_row first, struct pat_recount *out,
                                  struct pat_error *error) {
    struct pat_run run = pat_recount__run(job, error);
    PAT_ASSERT(first % PAT_RECOUNT_CUSTOMERS == 0);
    PAT_ASSERT(first <= run.customers);
    const pat_row left = run.customers - first;
    struct piece p = {.run = &run,
                      .view = job->view,
                      .first = first,
                      .end = first + (left < PAT_RECOUNT_CUSTOMERS ? left : PAT_RECOUNT_CUSTOMERS),
                      .orders_end = pat_runs_orders_end(&job->view->runs),
                      .refunds_end = pat_runs_refunds_end(&job->view->runs)};
    PAT_TRY(piece_arrays(&p));
    PAT_TRY(each_row(&p, PAT_ORDERS, piece_order));
    PAT_TRY(each_row(&p, PAT_REFUNDS, piece_refund));
    read_runs(&p);
    for (size_t at = 0; at < p.end - p.first; at++) {
        if (at % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(&run));
        hold_customer(&p, at, out);
    }
    return PAT_OK;
}
