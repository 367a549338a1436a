#include "analytics/lifecycle_private.h"

#include "store/run.h"

const char *const pat_lifecycle_names[PAT_LIFECYCLES] = {"prospect", "new", "returned", "active", "sleeping", "lost"};

/* As in facts.c: from this share of the customers on, one pass over the orders costs less than following chains. Runs
 * are streamed in order, so that chains pay only for a few. */
#define CHAIN_SHARE         16u
#define CHAIN_SHARE_OF_RUNS 1024u

/* The gap before the latest order is more than the first cut when no other order lies within the cut before it. Two
 * orders say so by their days alone, and so do orders that all lie within a cut; `asked`: only the orders say. */
static enum pat_lifecycle judge(pat_day day, int64_t orders, int64_t first, int64_t last, const int64_t cut[2],
                                bool *asked) {
    *asked = false;
    if (orders == 0) return PAT_LIFECYCLE_PROSPECT;
    if (day - last > cut[1]) return PAT_LIFECYCLE_LOST;
    if (day - last > cut[0]) return PAT_LIFECYCLE_SLEEPING;
    if (orders == 1) return PAT_LIFECYCLE_NEW;
    if (last - first <= cut[0]) return PAT_LIFECYCLE_ACTIVE;
    *asked = orders > 2;
    return PAT_LIFECYCLE_RETURNED;
}

static enum pat_lifecycle state_of(struct pat_lifecycle_pass *pass, unsigned lane, uint64_t row) {
    const int64_t cut[2] = {pat_lifecycle__cut(pass, row, 0), pat_lifecycle__cut(pass, row, 1)};
    const struct pat_facts *facts = pass->run->facts;
    bool asked;
    const enum pat_lifecycle state =
        judge(pass->run->day, facts->orders[row], facts->first[row], facts->last[row], cut, &asked);
    if (asked) {
        pat_bits__set(pass->asked, row);
        pass->asked_count[lane]++;
    }
    return state;
}

static void follow_chain(const struct pat_lifecycle_pass *pass, pat_row customer) {
    const struct pat_view *view = pass->run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (!pat_order__eligible(view, (pat_row)row, pass->run->day)) continue;
        (void)pat_lifecycle__count_order(pass, customer, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row));
    }
}

static void scan_block(const struct pat_lifecycle_pass *pass, pat_row first, uint32_t count) {
    int64_t day[PAT_BLOCK_ROWS], customer[PAT_BLOCK_ROWS];
    uint64_t eligible[PAT_BLOCK_WORDS] = {0};
    const struct pat_table_view *table = &pass->run->view->table[PAT_ORDERS];
    pat_column_view_read(&table->column[PAT_ORDER_DAY], first, count, day, pass->run->kernels);
    pat_column_view_read(&table->column[PAT_ORDER_CUSTOMER], first, count, customer, pass->run->kernels);
    pat_orders__eligible(pass->run, first, count, day, eligible);
    for (uint32_t i = 0; i < count; i++) {
        if (!pat_bits__get(eligible, i) || customer[i] == PAT_NULL) continue;
        if (pat_bits__get(pass->asked, (uint64_t)customer[i]))
            (void)pat_lifecycle__count_order(pass, (uint64_t)customer[i], day[i]);
    }
}

/* Orders from row `first` on. */
struct scan {
    const struct pat_lifecycle_pass *pass;
    pat_row first;
};

static enum pat_status scan_part(void *context, const struct pat_part *part) {
    const struct scan *scan = context;
    for (uint64_t at = part->first; at < part->end; at += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - at;
        scan_block(scan->pass, scan->first + (pat_row)at, left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS);
    }
    return PAT_OK;
}

static enum pat_status scan_orders(const struct pat_lifecycle_pass *pass, pat_row first) {
    struct scan scan = {pass, first};
    return pat_run__spread(pass->run, pass->run->view->table[PAT_ORDERS].rows - first, scan_part, &scan);
}

/* What is done with each row of a bitmap, by the thread that has its part. */
struct each {
    struct pat_lifecycle_pass *pass;
    const uint64_t *bits;
    void (*each)(struct pat_lifecycle_pass *pass, unsigned lane, uint64_t row);
};

static enum pat_status each_part(void *context, const struct pat_part *part) {
    const struct each *each = context;
    for (uint64_t word = part->first / 64; word < pat_bits__words(part->end); word++) {
        for (uint64_t rest = each->bits[word]; rest != 0; rest &= rest - 1) {
            each->each(each->pass, part->lane, word * 64 + (uint64_t)__builtin_ctzll(rest));
        }
    }
    return PAT_OK;
}

static enum pat_status each_row(struct pat_lifecycle_pass *pass, const uint64_t *bits,
                                void (*each)(struct pat_lifecycle_pass *pass, unsigned lane, uint64_t row)) {
    struct each context = {pass, bits, each};
    return pat_run__spread(pass->run, pass->run->customers, each_part, &context);
}

static void each_state(struct pat_lifecycle_pass *pass, unsigned lane, uint64_t row) {
    pass->state[row] = (uint8_t)state_of(pass, lane, row);
}

static void each_chain(struct pat_lifecycle_pass *pass, unsigned lane, uint64_t row) {
    (void)lane;
    follow_chain(pass, (pat_row)row);
}

static void each_stale(struct pat_lifecycle_pass *pass, unsigned lane, uint64_t row) {
    (void)lane;
    if (!pat_runs_stale(&pass->run->view->runs, (pat_row)row)) return;
    pass->late[row] = 0;
    follow_chain(pass, (pat_row)row);
}

static void each_asked(struct pat_lifecycle_pass *pass, unsigned lane, uint64_t row) {
    (void)lane;
    if (pass->late[row] >= 2) pass->state[row] = PAT_LIFECYCLE_ACTIVE;
}

static uint64_t asked_count(const struct pat_lifecycle_pass *pass) {
    uint64_t count = 0;
    for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) count += pass->asked_count[lane];
    return count;
}

/* Counts the orders of those asked about, by the way that costs least. */
static enum pat_status count_orders(struct pat_lifecycle_pass *pass) {
    const struct pat_runs *runs = &pass->run->view->runs;
    const uint64_t share = runs->count > 0 ? CHAIN_SHARE_OF_RUNS : CHAIN_SHARE;
    if (asked_count(pass) <= pass->run->customers / share) return each_row(pass, pass->asked, each_chain);
    if (runs->count == 0) return scan_orders(pass, 0);
    PAT_TRY(pat_lifecycle__count_runs(pass));
    PAT_TRY(scan_orders(pass, pat_runs_orders_end(runs)));
    return each_row(pass, pass->asked, each_stale);
}

enum pat_status pat_lifecycle__compute(struct pat_run *run, const uint64_t *who) {
    struct pat_lifecycle_pass pass = {.run = run};
    void *memory;
    PAT_TRY(pat_lifecycle__own_cuts(run, &pass.own));
    PAT_TRY(pat_run__array(run, run->customers, sizeof *pass.state, &memory));
    pass.state = memory;
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof *pass.asked, &memory));
    pass.asked = memory;
    PAT_TRY(each_row(&pass, who, each_state));
    if (asked_count(&pass) > 0) {
        PAT_TRY(pat_run__array(run, run->customers, sizeof *pass.late, &memory));
        pass.late = memory;
        PAT_TRY(count_orders(&pass));
        PAT_TRY(each_row(&pass, pass.asked, each_asked));
    }
    run->lifecycle = pass.state;
    return PAT_OK;
}

enum pat_lifecycle pat_lifecycle__of_customer(const struct pat_run *run, const struct pat_customer_facts *facts) {
    const int32_t *fixed = run->job->request->question.lifecycle_cut;
    const int64_t cut[2] = {fixed[0], fixed[1]}, last = facts->value[PAT_FACT_LAST];
    bool asked;
    const enum pat_lifecycle state =
        judge(run->day, facts->value[PAT_FACT_ORDERS], facts->value[PAT_FACT_FIRST], last, cut, &asked);
    return asked && facts->before_last >= last - cut[0] ? PAT_LIFECYCLE_ACTIVE : state;
}
