/* Cohorts fact by fact. */
#include "analytics/cohort_private.h"
#include "analytics/explain_private.h"

static inline bool told(const struct pat_cohorts *cohorts, uint64_t customer) {
    return cohorts->stale == NULL || !pat_bits__get(cohorts->stale, customer);
}

/* True when the bit was off. */
static inline bool set_bit(uint64_t *bits, uint64_t i) {
    const uint64_t bit = (uint64_t)1 << (i % 64);
    /* Relaxed is enough: bits are only set, and read after the pass. */
    return (__atomic_fetch_or(&bits[i / 64], bit, __ATOMIC_RELAXED) & bit) == 0;
}

void pat_cohort__count_fact(struct pat_cohorts *cohorts, unsigned lane, uint64_t customer, int64_t day, int64_t net) {
    const int32_t start = cohorts->start[customer];
    if (start == PAT_COHORT_NO_MONTH) return;
    const int64_t period = (int64_t)pat_cohort__month(cohorts, day) - start;
    if (period < 0 || period >= cohorts->width) return;
    const uint64_t row = (uint64_t)((int64_t)start - cohorts->first_month);
    pat_int128 *const cell = &cohorts->value[lane * cohorts->cells + row * cohorts->width + (uint64_t)period];
    switch (cohorts->metric) {
    case PAT_COHORT_NET:
        if (net == PAT_NULL) cohorts->unpriced[lane]++;
        *cell += net == PAT_NULL ? 0 : net;
        return;
    case PAT_COHORT_ORDERS: *cell += 1; return;
    case PAT_COHORT_CUSTOMERS: *cell += set_bit(cohorts->seen, customer * cohorts->width + (uint64_t)period); return;
    }
}

static void mark_fact(const struct pat_cohorts *cohorts, uint64_t customer, int64_t day) {
    const int64_t month = (int64_t)pat_cohort__month(cohorts, day) - cohorts->first_month;
    /* With a start of its own, something may come before the first of them. */
    if (month >= 0) (void)set_bit(cohorts->late + customer * cohorts->late_words, (uint64_t)month);
}

static void take_fact(struct pat_cohorts *cohorts, enum pat_cohort_pass pass, unsigned lane, uint64_t customer,
                      int64_t day, int64_t net) {
    if (pass == PAT_COHORT_MARK) mark_fact(cohorts, customer, day);
    if (pass == PAT_COHORT_COUNT) pat_cohort__count_fact(cohorts, lane, customer, day, net);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

struct walk {
    struct pat_cohorts *cohorts;
    enum pat_cohort_pass pass;
    enum pat_table_id table;
    pat_row first;
};

/* Refunds of the block that count, by row. */
static void refunds_count(const struct pat_run *run, pat_row first, uint32_t count, uint64_t *bits) {
    for (uint32_t i = 0; i < count; i++) {
        if (pat_refund__counts(run->view, first + i, run->day)) pat_bits__set(bits, i);
    }
}

static void walk_block(const struct walk *walk, const struct pat_part *part, pat_row first, uint32_t count) {
    const struct pat_run *run = part->run;
    const bool orders = walk->table == PAT_ORDERS;
    const struct pat_column_view *column = run->view->table[walk->table].column;
    int64_t customer[PAT_BLOCK_ROWS], day[PAT_BLOCK_ROWS], net[PAT_BLOCK_ROWS];
    uint64_t bits[PAT_BLOCK_WORDS] = {0};
    pat_explain__column(run, &column[orders ? PAT_ORDER_CUSTOMER : PAT_REFUND_CUSTOMER], first, count, customer);
    pat_explain__column(run, &column[orders ? PAT_ORDER_DAY : PAT_REFUND_DAY], first, count, day);
    pat_explain__column(run, &column[orders ? PAT_ORDER_BASE : PAT_REFUND_BASE], first, count, net);
    if (orders) pat_orders__eligible(run, first, count, day, bits);
    if (!orders) refunds_count(run, first, count, bits);
    for (uint32_t i = 0; i < count; i++) {
        if (!pat_bits__get(bits, i) || customer[i] == PAT_NULL || !told(walk->cohorts, (uint64_t)customer[i])) continue;
        take_fact(walk->cohorts, walk->pass, part->lane, (uint64_t)customer[i], day[i],
                  orders || net[i] == PAT_NULL ? net[i] : -net[i]);
    }
}

static enum pat_status walk_table_part(void *context, const struct pat_part *part) {
    const struct walk *walk = context;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        walk_block(walk, part, walk->first + (pat_row)first, left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS);
    }
    return PAT_OK;
}

enum pat_status pat_cohort__walk_table(struct pat_cohorts *cohorts, enum pat_cohort_pass pass, enum pat_table_id table,
                                       pat_row first) {
    struct walk walk = {cohorts, pass, table, first};
    return pat_cohort__spread(cohorts, cohorts->run->view->table[table].rows - first, walk_table_part, &walk);
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

/* Facts of one customer that count at D. */
static void walk_orders(const struct walk *walk, unsigned lane, pat_row customer) {
    const struct pat_view *view = walk->cohorts->run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (!pat_order__eligible(view, (pat_row)row, walk->cohorts->run->day)) continue;
        take_fact(walk->cohorts, walk->pass, lane, customer,
                  pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row),
                  pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row));
    }
}

static void walk_refunds(const struct walk *walk, unsigned lane, pat_row customer) {
    const struct pat_view *view = walk->cohorts->run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        if (!pat_refund__counts(view, (pat_row)row, walk->cohorts->run->day)) continue;
        const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, (pat_row)row);
        take_fact(walk->cohorts, walk->pass, lane, customer,
                  pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, (pat_row)row), base == PAT_NULL ? PAT_NULL : -base);
    }
}

static enum pat_status walk_stale_part(void *context, const struct pat_part *part) {
    const struct walk *walk = context;
    const struct pat_cohorts *cohorts = walk->cohorts;
    const bool money = walk->pass == PAT_COHORT_COUNT && cohorts->metric == PAT_COHORT_NET;
    for (uint64_t word = part->first / 64; word < pat_bits__words(part->end); word++) {
        for (uint64_t rest = cohorts->stale[word] & cohorts->run->shown[word]; rest != 0; rest &= rest - 1) {
            const pat_row customer = (pat_row)(word * 64 + (uint64_t)__builtin_ctzll(rest));
            walk_orders(walk, part->lane, customer);
            if (money) walk_refunds(walk, part->lane, customer);
        }
    }
    return PAT_OK;
}

enum pat_status pat_cohort__walk_stale(struct pat_cohorts *cohorts, enum pat_cohort_pass pass) {
    struct walk walk = {.cohorts = cohorts, .pass = pass};
    return pat_cohort__spread(cohorts, cohorts->run->customers, walk_stale_part, &walk);
}
