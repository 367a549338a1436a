/* Facts of single customers, along the chains of their orders and refunds. */
#include "analytics/facts_pass_private.h"

/* Sums on the way. */
struct sums {
    pat_int128 net, window_net;
};

static void add_money(struct pat_customer_facts *out, struct sums *sums, bool inside, int64_t base, int sign) {
    if (base == PAT_NULL) {
        out->value[PAT_FACT_UNPRICED]++;
        out->value[PAT_FACT_WINDOW_UNPRICED] += inside;
        return;
    }
    sums->net += sign * (pat_int128)base;
    if (inside) sums->window_net += sign * (pat_int128)base;
}

static void walk_orders(const struct pat_run *run, pat_row customer, pat_day from, struct pat_customer_facts *out,
                        struct sums *sums) {
    const struct pat_view *view = run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (!pat_order__eligible(view, (pat_row)row, run->day)) continue;
        const int64_t day = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row);
        int64_t *const first = &out->value[PAT_FACT_FIRST], *const last = &out->value[PAT_FACT_LAST];
        out->value[PAT_FACT_ORDERS]++;
        out->value[PAT_FACT_WINDOW_ORDERS] += day >= from;
        if (*first == PAT_NULL || day < *first) *first = day;
        if (*last == PAT_NULL || day > *last) *last = day;
        add_money(out, sums, day >= from, pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row), 1);
    }
}

static void walk_refunds(const struct pat_run *run, pat_row customer, pat_day from, struct pat_customer_facts *out,
                         struct sums *sums) {
    const struct pat_view *view = run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        if (!pat_refund__counts(view, (pat_row)row, run->day)) continue;
        const int64_t day = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, (pat_row)row);
        add_money(out, sums, day >= from, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, (pat_row)row), -1);
    }
}

/* As ingest holds the kept sums. */
static int64_t hold(pat_int128 sum) {
    if (sum > INT64_MAX) return INT64_MAX;
    return sum < -(pat_int128)INT64_MAX ? -INT64_MAX : (int64_t)sum;
}

void pat_facts__of_customer(const struct pat_run *run, pat_row customer, struct pat_customer_facts *out) {
    const pat_day from = pat_run__window_start(run);
    struct sums sums = {0, 0};
    *out = (struct pat_customer_facts){.value = {[PAT_FACT_FIRST] = PAT_NULL, [PAT_FACT_LAST] = PAT_NULL}};
    walk_orders(run, customer, from, out, &sums);
    walk_refunds(run, customer, from, out, &sums);
    out->value[PAT_FACT_NET] = hold(sums.net);
    out->value[PAT_FACT_WINDOW_NET] = hold(sums.window_net);
}

static int32_t as_day(int64_t day) {
    return day == PAT_NULL ? PAT_FACT_NO_DAY : (int32_t)day;
}

void pat_facts__follow(const struct pat_facts_pass *pass, pat_row customer) {
    const struct pat_facts *facts = pass->facts;
    struct pat_customer_facts of;
    pat_facts__of_customer(pass->run, customer, &of);
    if (facts->orders != NULL) facts->orders[customer] = (uint32_t)of.value[PAT_FACT_ORDERS];
    if (facts->net != NULL) facts->net[customer] = of.value[PAT_FACT_NET];
    if (facts->first != NULL) facts->first[customer] = as_day(of.value[PAT_FACT_FIRST]);
    if (facts->last != NULL) facts->last[customer] = as_day(of.value[PAT_FACT_LAST]);
    if (facts->unpriced != NULL) facts->unpriced[customer] = (uint32_t)of.value[PAT_FACT_UNPRICED];
    if (facts->window_orders != NULL) facts->window_orders[customer] = (uint32_t)of.value[PAT_FACT_WINDOW_ORDERS];
    if (facts->window_net != NULL) facts->window_net[customer] = of.value[PAT_FACT_WINDOW_NET];
    if (facts->window_unpriced != NULL) {
        facts->window_unpriced[customer] = (uint32_t)of.value[PAT_FACT_WINDOW_UNPRICED];
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
