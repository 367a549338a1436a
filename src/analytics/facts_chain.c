/* Facts of single customers: out of the runs where they hold them, and along the chains of their orders and refunds. */
#include "analytics/facts_pass_private.h"

/* One customer, and sums on the way. */
struct one {
    const struct pat_run *run;
    pat_row customer;
    pat_day from; /* first day of the window */
    struct pat_customer_facts *out;
    pat_int128 net, window_net;
};

/* An order of that day, or the first and the last of several. PAT_NULL is less than any day. */
static void note_days(struct pat_customer_facts *facts, int64_t first, int64_t last) {
    int64_t *const value = facts->value;
    if (value[PAT_FACT_FIRST] == PAT_NULL || first < value[PAT_FACT_FIRST]) value[PAT_FACT_FIRST] = first;
    const int64_t other = last > value[PAT_FACT_LAST] ? value[PAT_FACT_LAST] : last;
    if (last > value[PAT_FACT_LAST]) value[PAT_FACT_LAST] = last;
    if (other > facts->before_last) facts->before_last = other;
}
_Static_assert(PAT_NULL == INT64_MIN, "PAT_NULL is less than any day");

/* An eligible order, or a refund that counts (`orders` 0, `minor` negative): `minor` is PAT_NULL without a rate. */
static void add_fact(struct one *one, int64_t day, uint32_t orders, int64_t minor) {
    int64_t *const value = one->out->value;
    const bool inside = day >= one->from;
    if (orders != 0) {
        value[PAT_FACT_ORDERS]++;
        value[PAT_FACT_WINDOW_ORDERS] += inside;
        note_days(one->out, day, day);
    }
    if (minor == PAT_NULL) {
        value[PAT_FACT_UNPRICED]++;
        value[PAT_FACT_WINDOW_UNPRICED] += inside;
        return;
    }
    one->net += minor;
    if (inside) one->window_net += minor;
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

/* Rows from `end` on: whatever came later hangs in front of what came before. */
static void walk_orders(struct one *one, pat_row end) {
    const struct pat_view *view = one->run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, one->customer);
    for (; row != PAT_NULL && row >= (int64_t)end; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (!pat_order__eligible(view, (pat_row)row, one->run->day)) continue;
        add_fact(one, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row), 1,
                 pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row));
    }
}

static void walk_refunds(struct one *one, pat_row end) {
    const struct pat_view *view = one->run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, one->customer);
    for (; row != PAT_NULL && row >= (int64_t)end;
         row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        if (!pat_refund__counts(view, (pat_row)row, one->run->day)) continue;
        const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, (pat_row)row);
        add_fact(one, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, (pat_row)row), 0,
                 base == PAT_NULL ? PAT_NULL : -base);
    }
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* A chained order costs about a cache miss for each column, all of a customer's in a run one or two together. */

/* All of a customer's at once: they stand in the order of their days, and 64 bits hold the sum of any 2^32 of them. */
static void read_dense(struct one *one, const struct pat_fact_run *run) {
    const int64_t base = run->day_base, high = (int64_t)one->run->day - base, low = (int64_t)one->from - base;
    const uint32_t begin = run->offset[one->customer];
    uint32_t end = run->offset[one->customer + 1];
    while (end > begin && run->day[end - 1] > high) end--;
    if (begin == end) return;
    int64_t net = 0, window_net = 0;
    uint32_t inside = 0;
    for (uint32_t at = begin; at < end; at++) {
        const bool counts = run->day[at] >= low;
        inside += counts;
        net += run->net[at];
        window_net += counts ? run->net[at] : 0;
    }
    int64_t *const value = one->out->value;
    value[PAT_FACT_ORDERS] += end - begin;
    value[PAT_FACT_WINDOW_ORDERS] += inside;
    if (end - begin > 1) note_days(one->out, base + run->day[begin], base + run->day[end - 2]);
    note_days(one->out, base + run->day[begin], base + run->day[end - 1]);
    one->net += net;
    one->window_net += window_net;
}

static void read_sparse(struct one *one, const struct pat_fact_run *run) {
    const uint32_t block = one->customer / PAT_RUN_BLOCK;
    uint32_t at = pat_run_first(run->customer, run->block[block], run->block[block + 1], one->customer);
    for (; at < run->count && run->customer[at] == one->customer; at++) {
        const int64_t dated = (int64_t)run->day_base + run->day[at];
        if (dated > one->run->day) break; /* the later ones, too */
        add_fact(one, dated, 1, run->net[at]);
    }
}

static void read_run(struct one *one, const struct pat_fact_run *run) {
    const pat_row customer = one->customer;
    const pat_day day = one->run->day;
    if (customer >= run->customers) return;
    run->offset != NULL ? read_dense(one, run) : read_sparse(one, run);
    uint32_t i = pat_run_odd_of(run, customer);
    for (; i < run->odd.count && run->odd.customer[i] == customer; i++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, i);
        if (odd.from <= day && day < odd.until) add_fact(one, odd.day, odd.orders, odd.net);
    }
}

/* ---- one customer ------------------------------------------------------------------------------------------------ */

/* As ingest holds the kept sums. */
static int64_t hold(pat_int128 sum) {
    if (sum > INT64_MAX) return INT64_MAX;
    return sum < -(pat_int128)INT64_MAX ? -INT64_MAX : (int64_t)sum;
}

static struct one one_begin(const struct pat_run *run, pat_row customer, struct pat_customer_facts *out) {
    *out = (struct pat_customer_facts){.value = {[PAT_FACT_FIRST] = PAT_NULL, [PAT_FACT_LAST] = PAT_NULL},
                                       .before_last = PAT_NULL};
    return (struct one){.run = run, .customer = customer, .from = pat_run__window_start(run), .out = out};
}

static void one_end(const struct one *one) {
    one->out->value[PAT_FACT_NET] = hold(one->net);
    one->out->value[PAT_FACT_WINDOW_NET] = hold(one->window_net);
}

void pat_facts__of_customer(const struct pat_run *run, pat_row customer, struct pat_customer_facts *out) {
    struct one one = one_begin(run, customer, out);
    walk_orders(&one, 0);
    walk_refunds(&one, 0);
    one_end(&one);
}

void pat_facts__look_up(const struct pat_run *run, pat_row customer, struct pat_customer_facts *out) {
    const struct pat_runs *runs = &run->view->runs;
    if (runs->count == 0 || pat_runs_stale(runs, customer)) {
        pat_facts__of_customer(run, customer, out);
        return;
    }
    struct one one = one_begin(run, customer, out);
    for (uint32_t i = 0; i < runs->count; i++) read_run(&one, runs->run[i]);
    walk_orders(&one, pat_runs_orders_end(runs));
    walk_refunds(&one, pat_runs_refunds_end(runs));
    one_end(&one);
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
