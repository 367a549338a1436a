#include "analytics/facts_pass_private.h"

void pat_facts__clear(const struct pat_facts *facts, uint64_t customer) {
    if (facts->orders != NULL) facts->orders[customer] = 0;
    if (facts->net != NULL) facts->net[customer] = 0;
    if (facts->first != NULL) facts->first[customer] = PAT_FACT_NO_DAY;
    if (facts->last != NULL) facts->last[customer] = PAT_FACT_NO_DAY;
    if (facts->unpriced != NULL) facts->unpriced[customer] = 0;
    if (facts->window_orders != NULL) facts->window_orders[customer] = 0;
    if (facts->window_net != NULL) facts->window_net[customer] = 0;
    if (facts->window_unpriced != NULL) facts->window_unpriced[customer] = 0;
}

/* Wraps instead of overflowing, and notes whose sum did: following its chains puts that right whatever the order of
 * facts. INT64_MIN would read as null. */
static void add_money(const struct pat_facts_pass *pass, int64_t *sums, uint64_t customer, int64_t minor) {
    if (sums == NULL) return;
    if (__builtin_add_overflow(sums[customer], minor, &sums[customer]) || sums[customer] == INT64_MIN) {
        pat_bits__set(pass->beyond, customer);
    }
}

static void add_order(const struct pat_facts *facts, uint64_t customer, int32_t day, bool inside) {
    if (facts->orders != NULL) facts->orders[customer]++;
    if (facts->window_orders != NULL) facts->window_orders[customer] += inside;
    if (facts->last != NULL && day > facts->last[customer]) facts->last[customer] = day;
    if (facts->first == NULL) return;
    int32_t *const first = &facts->first[customer];
    if (*first == PAT_FACT_NO_DAY || day < *first) *first = day;
}

void pat_facts__add(const struct pat_facts_pass *pass, uint64_t customer, int64_t day, uint32_t orders, int64_t minor) {
    const struct pat_facts *facts = pass->facts;
    const bool inside = day >= pass->from;
    if (orders != 0) add_order(facts, customer, (int32_t)day, inside);
    if (minor == PAT_NULL) {
        if (facts->unpriced != NULL) facts->unpriced[customer]++;
        if (facts->window_unpriced != NULL) facts->window_unpriced[customer] += inside;
        return;
    }
    add_money(pass, facts->net, customer, minor);
    if (inside) add_money(pass, facts->window_net, customer, minor);
}
