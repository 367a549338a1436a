/* Facts of single customers, along the chains of their orders and refunds. */
#include "analytics/facts_pass_private.h"

void pat_facts__follow(const struct pat_facts_pass *pass, pat_row customer) {
    const struct pat_view *view = pass->view;
    const pat_day day = pass->run->day;
    pat_facts__clear(pass->facts, customer);
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (!pat_order__eligible(view, (pat_row)row, day)) continue;
        pat_facts__add(pass, customer, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row), 1,
                       pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row));
    }
    row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        if (!pat_refund__counts(view, (pat_row)row, day)) continue;
        const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, (pat_row)row);
        pat_facts__add(pass, customer, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, (pat_row)row), 0,
                       base == PAT_NULL ? PAT_NULL : -base);
    }
}

struct following {
    const struct pat_facts_pass *pass;
    const uint64_t *customers;
};

static enum pat_status follow_part(void *context, const struct pat_part *part) {
    const struct following *following = context;
    for (uint64_t word = part->first / 64; word < pat_bits__words(part->end); word++) {
        for (uint64_t rest = following->customers[word]; rest != 0; rest &= rest - 1) {
            pat_facts__follow(following->pass, (pat_row)(word * 64 + (uint64_t)__builtin_ctzll(rest)));
        }
    }
    return PAT_OK;
}

enum pat_status pat_facts__follow_all(const struct pat_facts_pass *pass, const uint64_t *customers) {
    struct following following = {pass, customers};
    return pat_run__spread(pass->run, pass->run->customers, follow_part, &following);
}

/* ---- sums that no int64 holds ------------------------------------------------------------------------------------ */

struct wide_sums {
    pat_int128 net, window;
};

static void widen(const struct pat_facts_pass *pass, struct wide_sums *sums, int64_t day, pat_int128 minor) {
    sums->net += minor;
    if (day >= pass->from) sums->window += minor;
}

static struct wide_sums sum_chains(const struct pat_facts_pass *pass, pat_row customer) {
    const struct pat_view *view = pass->view;
    struct wide_sums sums = {0, 0};
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        const int64_t base = pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row);
        if (base == PAT_NULL || !pat_order__eligible(view, (pat_row)row, pass->run->day)) continue;
        widen(pass, &sums, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row), base);
    }
    row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, (pat_row)row);
        if (base == PAT_NULL || !pat_refund__counts(view, (pat_row)row, pass->run->day)) continue;
        widen(pass, &sums, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, (pat_row)row), -(pat_int128)base);
    }
    return sums;
}

/* As ingest holds the kept sums. */
static int64_t hold(pat_int128 sum) {
    if (sum > INT64_MAX) return INT64_MAX;
    return sum < -(pat_int128)INT64_MAX ? -INT64_MAX : (int64_t)sum;
}

void pat_facts__hold_sums(const struct pat_facts_pass *pass) {
    const struct pat_facts *facts = pass->facts;
    for (uint64_t word = 0; word < pat_bits__words(pass->run->customers); word++) {
        for (uint64_t rest = pass->beyond[word]; rest != 0; rest &= rest - 1) {
            const uint64_t customer = word * 64 + (uint64_t)__builtin_ctzll(rest);
            const struct wide_sums sums = sum_chains(pass, (pat_row)customer);
            if (facts->net != NULL) facts->net[customer] = hold(sums.net);
            if (facts->window_net != NULL) facts->window_net[customer] = hold(sums.window);
        }
    }
}
