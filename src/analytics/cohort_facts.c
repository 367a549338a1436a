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
    const int32_t month = pat_cohort__month(cohorts, day);
    const int64_t period = (int64_t)month - start;
    if (period < 0 || period >= cohorts->periods) return;
    const uint64_t row = (uint64_t)((int64_t)start - cohorts->first_month);
    pat_int128 *const cell = &cohorts->value[lane * cohorts->cells + row * cohorts->periods + (uint64_t)period];
    switch (cohorts->metric) {
    case PAT_COHORT_NET:
        if (net == PAT_NULL) cohorts->unpriced[lane]++;
        *cell += net == PAT_NULL ? 0 : net;
        return;
    case PAT_COHORT_ORDERS: *cell += 1; return;
    case PAT_COHORT_CUSTOMERS: break;
    }
    if (cohorts->late != NULL) {
        (void)set_bit(cohorts->late + customer * cohorts->late_words, row + (uint64_t)period);
    } else {
        *cell += set_bit(cohorts->seen, customer * cohorts->periods + (uint64_t)period);
    }
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

struct walk {
    struct pat_cohorts *cohorts;
    enum pat_table_id table;
    pat_row first;
};

/* Refunds of the block that count, by row. */
static void refunds_count(const struct pat_run *run, pat_row first, uint32_t count, uint64_t *bits) {
    for (uint32_t i = 0; i < count; i++) {
        if (pat_refund__counts(run->view, first + i, run->day)) pat_bits__set(bits, i);
    }
}

static void count_block(const struct walk *walk, const struct pat_part *part, pat_row first, uint32_t count) {
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
        pat_cohort__count_fact(walk->cohorts, part->lane, (uint64_t)customer[i], day[i],
                               orders || net[i] == PAT_NULL ? net[i] : -net[i]);
    }
}

static enum pat_status count_table_part(void *context, const struct pat_part *part) {
    const struct walk *walk = context;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        count_block(walk, part, walk->first + (pat_row)first, left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS);
    }
    return PAT_OK;
}

enum pat_status pat_cohort__count_table(struct pat_cohorts *cohorts, enum pat_table_id table, pat_row first) {
    struct walk walk = {cohorts, table, first};
    return pat_cohort__spread(cohorts, cohorts->run->view->table[table].rows - first, count_table_part, &walk);
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

/* One that counts at D. */
static void count_row(struct pat_cohorts *cohorts, unsigned lane, enum pat_table_id table, pat_row row,
                      uint64_t customer) {
    const struct pat_view *view = cohorts->run->view;
    if (table == PAT_ORDERS) {
        if (!pat_order__eligible(view, row, cohorts->run->day)) return;
        pat_cohort__count_fact(cohorts, lane, customer, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, row),
                               pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, row));
        return;
    }
    if (!pat_refund__counts(view, row, cohorts->run->day)) return;
    const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, row);
    pat_cohort__count_fact(cohorts, lane, customer, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, row),
                           base == PAT_NULL ? PAT_NULL : -base);
}

static void count_chain(struct pat_cohorts *cohorts, unsigned lane, enum pat_table_id table, pat_row customer) {
    const struct pat_view *view = cohorts->run->view;
    const bool orders = table == PAT_ORDERS;
    const unsigned head = orders ? PAT_CUSTOMER_ORDER_HEAD : PAT_CUSTOMER_REFUND_HEAD;
    const unsigned next = orders ? PAT_ORDER_NEXT : PAT_REFUND_NEXT;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, head, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, table, next, (pat_row)row)) {
        count_row(cohorts, lane, table, (pat_row)row, customer);
    }
}

static enum pat_status count_stale_part(void *context, const struct pat_part *part) {
    struct pat_cohorts *cohorts = context;
    for (uint64_t word = part->first / 64; word < pat_bits__words(part->end); word++) {
        for (uint64_t rest = cohorts->stale[word]; rest != 0; rest &= rest - 1) {
            const pat_row customer = (pat_row)(word * 64 + (uint64_t)__builtin_ctzll(rest));
            if (cohorts->start[customer] == PAT_COHORT_NO_MONTH) continue;
            count_chain(cohorts, part->lane, PAT_ORDERS, customer);
            if (cohorts->metric == PAT_COHORT_NET) count_chain(cohorts, part->lane, PAT_REFUNDS, customer);
        }
    }
    return PAT_OK;
}

enum pat_status pat_cohort__count_stale(struct pat_cohorts *cohorts) {
    return pat_cohort__spread(cohorts, cohorts->run->customers, count_stale_part, cohorts);
}
