/* Purchase days by customer. From runs where there are any (lifetime_runs.c); else orders and refunds into lists by
 * customer (a counting sort), lists sorted and merged by day.
 *
 * Lists take 16 bytes a fact. When all of them together are more than the scratch, customers are taken in slices of
 * rows, each with a pass of its own. */
#include "analytics/facts_private.h"
#include "analytics/lifetime_days_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Facts in the lists of one slice: 256 MiB. A pass over a hundred million orders costs less than paging would. */
#define SLICE_FACTS_MAX (16u << 20)
/* Lists up to here are sorted by insertion, longer ones while it moves no fact further than this on the average. */
#define SMALL      32u
#define MOVES_EACH 16u

/* One pass over the facts of customers first .. end - 1. */
struct walk {
    struct pat_run at;       /* the run, as of the day of the histories */
    pat_day after;           /* orders up to here are left out */
    pat_row orders, refunds; /* rows of facts from which on they are read */
    uint64_t first, end;
    void (*each)(struct walk *walk, uint64_t customer, int64_t day, int64_t amount);
    uint32_t *count;                 /* by row: facts of a customer, or how many are still to be placed */
    uint64_t *start;                 /* by row - first: where its list begins */
    struct pat_purchase_fact *facts; /* of the slice */
};

/* ---- reading facts ----------------------------------------------------------------------------------------------- */

static void walk_order_block(struct walk *walk, pat_row first, uint32_t count) {
    const struct pat_table_view *table = &walk->at.view->table[PAT_ORDERS];
    int64_t day[PAT_BLOCK_ROWS], customer[PAT_BLOCK_ROWS], base[PAT_BLOCK_ROWS];
    uint64_t eligible[PAT_BLOCK_WORDS] = {0};
    pat_column_view_read(&table->column[PAT_ORDER_DAY], first, count, day, walk->at.kernels);
    pat_orders__eligible(&walk->at, first, count, day, eligible);
    pat_column_view_read(&table->column[PAT_ORDER_CUSTOMER], first, count, customer, walk->at.kernels);
    pat_column_view_read(&table->column[PAT_ORDER_BASE], first, count, base, walk->at.kernels);
    for (uint32_t i = 0; i < count; i++) {
        if (!pat_bits__get(eligible, i) || customer[i] == PAT_NULL || day[i] <= walk->after) continue;
        const uint64_t row = (uint64_t)customer[i];
        if (row >= walk->first && row < walk->end) walk->each(walk, row, day[i], base[i]);
    }
}

static enum pat_status walk_orders(struct walk *walk) {
    const uint64_t rows = walk->at.view->table[PAT_ORDERS].rows;
    for (uint64_t first = walk->orders; first < rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(&walk->at));
        walk_order_block(walk, (pat_row)first,
                         rows - first < PAT_BLOCK_ROWS ? (uint32_t)(rows - first) : PAT_BLOCK_ROWS);
    }
    return PAT_OK;
}

/* A refund lowers the day of the order it refers to; one that refers to none lowers no purchase. */
static void walk_refund(struct walk *walk, pat_row row) {
    const struct pat_view *view = walk->at.view;
    const int64_t order = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_ORDER, row);
    const int64_t customer = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row);
    if (order == PAT_NULL || customer == PAT_NULL) return;
    if ((uint64_t)customer < walk->first || (uint64_t)customer >= walk->end) return;
    if (!pat_refund__counts(view, row, walk->at.day) || !pat_order__eligible(view, (pat_row)order, walk->at.day))
        return;
    const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, row);
    walk->each(walk, (uint64_t)customer, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)order),
               base == PAT_NULL ? PAT_NULL : -base);
}

static enum pat_status walk_refunds(struct walk *walk) {
    const pat_row rows = walk->at.view->table[PAT_REFUNDS].rows;
    for (pat_row row = walk->refunds; row < rows; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(&walk->at));
        walk_refund(walk, row);
    }
    return PAT_OK;
}

static enum pat_status walk_facts(struct walk *walk, bool refunds) {
    PAT_TRY(walk_orders(walk));
    return refunds ? walk_refunds(walk) : PAT_OK;
}

static void count_fact(struct walk *walk, uint64_t customer, int64_t day, int64_t amount) {
    (void)day, (void)amount;
    walk->count[customer]++;
}

/* Lists fill from their end: `count` goes back to zero, and the start stays. */
static void place_fact(struct walk *walk, uint64_t customer, int64_t day, int64_t amount) {
    walk->facts[walk->start[customer - walk->first] + --walk->count[customer]] =
        (struct pat_purchase_fact){.amount = amount, .day = (int32_t)day};
}

/* ---- one customer ------------------------------------------------------------------------------------------------ */

static int compare_days(const void *a, const void *b) {
    const int32_t left = ((const struct pat_purchase_fact *)a)->day, right = ((const struct pat_purchase_fact *)b)->day;
    return (left > right) - (left < right);
}

/* By insertion while that moves few: runs give most facts in order already. Says how many are sorted. */
static uint64_t sort_while_cheap(struct pat_purchase_fact *facts, uint64_t n) {
    const uint64_t moves_max = n <= SMALL ? UINT64_MAX : n * MOVES_EACH;
    uint64_t moves = 0;
    for (uint64_t i = 1; i < n; i++) {
        const struct pat_purchase_fact fact = facts[i];
        uint64_t at = i;
        for (; at > 0 && facts[at - 1].day > fact.day; at--) facts[at] = facts[at - 1];
        facts[at] = fact;
        moves += i - at;
        if (moves > moves_max) return i + 1;
    }
    return n;
}

static void sort_facts(struct pat_purchase_fact *facts, uint64_t n) {
    if (sort_while_cheap(facts, n) < n) qsort(facts, n, sizeof *facts, compare_days);
}

/* Days that are the same are one purchase. Sums wrap instead of overflowing, as everywhere. */
struct pat_history pat_purchase__merge(struct pat_purchase_fact *facts, uint64_t n) {
    struct pat_history history = {.first = PAT_DAY_NONE, .last = PAT_DAY_NONE};
    if (n == 0) return history;
    sort_facts(facts, n);
    history.first = facts[0].day;
    for (uint64_t i = 0; i < n; i++) {
        if (i > 0 && facts[i].day != facts[i - 1].day) history.repeats++;
        if (facts[i].day == history.first) continue;
        if (facts[i].amount == PAT_NULL) {
            history.unpriced++;
        } else {
            history.spend = (int64_t)((uint64_t)history.spend + (uint64_t)facts[i].amount);
        }
    }
    history.last = facts[n - 1].day;
    return history;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* Where the slice that begins at `first` ends, and how many facts it has. */
static uint64_t slice_end(const struct walk *walk, uint64_t customers, uint64_t first, uint64_t *facts) {
    uint64_t end = first;
    *facts = 0;
    while (end < customers && (end == first || *facts + walk->count[end] <= SLICE_FACTS_MAX)) {
        *facts += walk->count[end++];
    }
    return end;
}

/* Most facts and customers that a slice has. */
static void measure_slices(const struct walk *walk, uint64_t customers, uint64_t *facts, uint64_t *rows) {
    uint64_t here;
    for (uint64_t first = 0, end; first < customers; first = end) {
        end = slice_end(walk, customers, first, &here);
        if (here > *facts) *facts = here;
        if (end - first > *rows) *rows = end - first;
    }
}

static enum pat_status fill_slice(struct walk *walk, bool refunds) {
    uint64_t start = 0;
    for (uint64_t row = walk->first; row < walk->end; row++) {
        walk->start[row - walk->first] = start;
        start += walk->count[row];
    }
    return walk_facts(walk, refunds);
}

static void merge_slice(const struct walk *walk, uint64_t facts, struct pat_purchases *out) {
    for (uint64_t row = walk->first; row < walk->end; row++) {
        const uint64_t start = walk->start[row - walk->first];
        const uint64_t end = row + 1 < walk->end ? walk->start[row + 1 - walk->first] : facts;
        out->of[row] = pat_purchase__merge(walk->facts + start, end - start);
    }
}

static enum pat_status collect_tables(struct pat_run *run, const struct pat_purchase_ask *ask,
                                      struct pat_purchases *out) {
    struct walk walk = {.at = *run, .after = ask->after, .end = run->customers, .each = count_fact};
    const bool spend = ask->spend;
    walk.at.day = ask->day;
    uint64_t facts = 0, rows = 0;
    void *memory;
    PAT_TRY(pat_run__array(run, run->customers, sizeof *walk.count, &memory));
    walk.count = memory;
    PAT_TRY(walk_facts(&walk, spend));
    measure_slices(&walk, run->customers, &facts, &rows);
    PAT_TRY(pat_run__array(run, facts, sizeof *walk.facts, &memory));
    walk.facts = memory;
    PAT_TRY(pat_run__array(run, rows, sizeof *walk.start, &memory));
    walk.start = memory;
    for (uint64_t first = 0; first < run->customers; first = walk.end) {
        walk.first = first;
        walk.end = slice_end(&walk, run->customers, first, &facts);
        walk.each = place_fact;
        PAT_TRY(fill_slice(&walk, spend));
        merge_slice(&walk, facts, out);
    }
    return PAT_OK;
}

enum pat_status pat_purchases__collect(struct pat_run *run, pat_day after, pat_day day, bool spend,
                                       struct pat_purchases *out) {
    const struct pat_purchase_ask ask = {.after = after, .day = day, .spend = spend};
    bool done;
    PAT_ASSERT(after == PAT_DAY_NONE || !spend); /* refunds would meet days that are not there */
    out->of = pat_arena_array_big(run->arena, run->customers, sizeof *out->of);
    if (out->of == NULL) {
        return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the purchases of %" PRIu32 " customers",
                             run->customers);
    }
    PAT_TRY(pat_purchases__from_runs(run, &ask, out, &done));
    return done ? PAT_OK : collect_tables(run, &ask, out);
}

enum pat_status pat_purchases__tail(struct pat_run *run, const struct pat_purchase_ask *ask, struct pat_tail *out) {
    struct walk walk = {.at = *run,
                        .after = ask->after,
                        .orders = pat_runs_orders_end(&run->view->runs),
                        .refunds = pat_runs_refunds_end(&run->view->runs),
                        .end = run->customers,
                        .each = count_fact};
    const struct pat_table_view *table = run->view->table;
    uint64_t facts;
    void *memory;
    *out = (struct pat_tail){.facts = NULL};
    if (walk.orders == table[PAT_ORDERS].rows && (!ask->spend || walk.refunds == table[PAT_REFUNDS].rows))
        return PAT_OK;
    walk.at.day = ask->day;
    PAT_TRY(pat_run__array(run, run->customers, sizeof *walk.count, &memory));
    walk.count = memory;
    PAT_TRY(walk_facts(&walk, ask->spend));
    if (slice_end(&walk, run->customers, 0, &facts) < run->customers) {
        out->long_one = true;
        return PAT_OK;
    }
    PAT_TRY(pat_run__array(run, facts + 1, sizeof *walk.facts, &memory));
    walk.facts = memory;
    PAT_TRY(pat_run__array(run, (uint64_t)run->customers + 1, sizeof *walk.start, &memory));
    walk.start = memory;
    walk.each = place_fact;
    PAT_TRY(fill_slice(&walk, ask->spend));
    walk.start[run->customers] = facts;
    out->facts = walk.facts;
    out->start = walk.start;
    return PAT_OK;
}

/* Facts of one customer as they come; none is kept while `facts` is NULL. */
static void list_fact(struct walk *walk, uint64_t customer, int64_t day, int64_t amount) {
    if (walk->facts != NULL)
        walk->facts[*walk->start] = (struct pat_purchase_fact){.amount = amount, .day = (int32_t)day};
    (void)customer;
    ++*walk->start;
}

static void walk_chains(struct walk *walk, bool refunds) {
    const struct pat_view *view = walk->at.view;
    const pat_row customer = (pat_row)walk->first;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        const int64_t day = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row);
        if (!pat_order__eligible(view, (pat_row)row, walk->at.day) || day <= walk->after) continue;
        walk->each(walk, customer, day, pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row));
    }
    if (!refunds) return;
    row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        walk_refund(walk, (pat_row)row);
    }
}

enum pat_status pat_purchases__of(struct pat_run *run, pat_row customer, const struct pat_purchase_ask *ask,
                                  struct pat_history *out) {
    uint64_t facts = 0;
    struct walk walk = {.at = *run,
                        .after = ask->after,
                        .first = customer,
                        .end = (uint64_t)customer + 1,
                        .each = list_fact,
                        .start = &facts};
    void *memory;
    walk.at.day = ask->day;
    walk_chains(&walk, ask->spend);
    PAT_TRY(pat_run__array(run, facts, sizeof *walk.facts, &memory));
    walk.facts = memory;
    facts = 0;
    walk_chains(&walk, ask->spend);
    *out = pat_purchase__merge(walk.facts, facts);
    return PAT_OK;
}

/* ---- histories --------------------------------------------------------------------------------------------------- */

struct pat_btyd_pattern pat_history__pattern(const struct pat_history *history, pat_day day, double unit_days) {
    return (struct pat_btyd_pattern){.x = history->repeats,
                                     .t_x = pat_history__t_x(history) / unit_days,
                                     .T = pat_history__T(history, day) / unit_days,
                                     .weight = 1};
}

double pat_run__base_unit(const struct pat_run *run) {
    double unit = 1;
    for (unsigned i = 0; i < run->view->base_digits; i++) unit *= 10;
    return unit;
}

double pat_history__mean(const struct pat_run *run, const struct pat_history *history) {
    if (history->repeats == 0) return 0;
    return (double)history->spend / pat_run__base_unit(run) / history->repeats;
}
