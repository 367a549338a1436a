#include "generate_estimate.h"

#include "generate_shop.h"

#include "base/mem.h"

/* Orders per customer scatter about as widely as their mean: with so many the sum is good to half a per cent. */
#define CALIBRATION_CUSTOMERS 65536u

/* ---- the rate -------------------------------------------------------------------------------------------------- */

static double mean_orders(const struct pat_gen_world *world, const struct pat_gen_customer *customer, uint32_t count,
                          double scale_days) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += pat_gen_expected_orders(world, &customer[i], scale_days);
    return sum / count;
}

static uint32_t sample_number(const struct pat_gen_plan *plan, uint32_t place, uint32_t count) {
    return (uint32_t)(1 + (uint64_t)place * plan->customers / count);
}

static enum pat_status find_scale(struct pat_gen_plan *plan, const struct pat_gen_world *world,
                                  const struct pat_gen_customer *customer, uint32_t count, struct pat_error *error) {
    /* Days; halved in logarithms: the mean falls as the scale rises. */
    double low = pat_random_log(1e-2), high = pat_random_log(1e9);
    const double most = mean_orders(world, customer, count, pat_random_exp(low));
    const double least = mean_orders(world, customer, count, pat_random_exp(high));
    if (plan->orders_per_customer > most || plan->orders_per_customer < least) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "%.4g orders per customer cannot be had: with these prospects, dropout and days it is "
                             "%.4g at the least and %.4g at the most (see --prospects, --dropout-b, --model)",
                             plan->orders_per_customer, least, most);
    }
    for (int step = 0; step < 60; step++) {
        const double middle = (low + high) / 2;
        if (mean_orders(world, customer, count, pat_random_exp(middle)) > plan->orders_per_customer) {
            low = middle;
        } else {
            high = middle;
        }
    }
    /* A number that can be typed: six digits. */
    double scale = pat_random_exp(high) / 7, unit = 1;
    while (scale * unit < 1e5 && unit < 1e12) unit *= 10;
    plan->rate_scale = (double)(int64_t)(scale * unit + 0.5) / unit;
    return PAT_OK;
}

enum pat_status pat_gen_calibrate(struct pat_gen_plan *plan, struct pat_gen_world *world, struct pat_error *error) {
    if (plan->rate_scale > 0) return PAT_OK;
    const uint32_t count = plan->customers < CALIBRATION_CUSTOMERS ? (uint32_t)plan->customers : CALIBRATION_CUSTOMERS;
    struct pat_gen_customer *customer = pat_mem_alloc(PAT_MEM_OTHER, count * sizeof *customer);
    if (customer == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
    for (uint32_t i = 0; i < count; i++) pat_gen_customer_draw(world, sample_number(plan, i, count), &customer[i]);
    const enum pat_status status = find_scale(plan, world, customer, count, error);
    pat_mem_free(PAT_MEM_OTHER, customer);
    world->rate_scale_days = plan->rate_scale * 7;
    return status;
}

/* ---- a sample -------------------------------------------------------------------------------------------------- */

static void count_event(const struct pat_gen_world *world, const struct pat_gen_event *event,
                        struct pat_gen_estimate *out) {
    out->events++;
    out->bin[pat_gen_spill_bin(world, event->arrival)]++;
    if (event->kind >= PAT_GEN_FIRST_REFUND) out->refunds++;
    if (event->kind == PAT_GEN_WRONG_ORDER) out->corrected++;
}

static void count_visit(const struct pat_gen_world *world, const struct pat_gen_event *visit,
                        struct pat_gen_estimate *out) {
    struct pat_gen_event event[PAT_GEN_EVENTS_MAX];
    const unsigned events = pat_gen_events(world, visit, event);
    for (unsigned e = 0; e < events; e++) count_event(world, &event[e], out);
    struct pat_gen_order order;
    pat_gen_order_dress(world, visit, &order);
    if (order.cancelled != PAT_NULL) out->cancelled++;
    out->base_sum += (double)order.amount / world->currency[order.currency].per_base[visit->at / 86400];
    struct pat_gen_line line[PAT_GEN_LINES_MAX];
    if (pat_gen_wants(world->plan, PAT_GEN_LINES)) out->lines += pat_gen_lines(world, visit, line);
}

static void scale_up(struct pat_gen_estimate *out, double factor) {
    double *const number[] = {&out->buyers,    &out->repeaters, &out->orders, &out->refunds, &out->lines,
                              &out->corrected, &out->cancelled, &out->events, &out->base_sum};
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) *number[i] *= factor;
}

enum pat_status pat_gen_estimate(const struct pat_gen_world *world, uint64_t customers, struct pat_gen_estimate *out,
                                 struct pat_error *error) {
    const struct pat_gen_plan *plan = world->plan;
    const uint32_t count = (uint32_t)(plan->customers < customers ? plan->customers : customers);
    *out = (struct pat_gen_estimate){.exact = count == plan->customers, .sampled = count};
    struct pat_gen_event *visit = pat_mem_alloc(PAT_MEM_OTHER, PAT_GEN_VISITS_MAX * sizeof *visit);
    if (visit == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
    for (uint32_t i = 0; i < count; i++) {
        struct pat_gen_customer customer;
        pat_gen_customer_draw(world, sample_number(plan, i, count), &customer);
        const uint32_t visits = pat_gen_visits(world, &customer, visit);
        out->buyers += visits > 0;
        out->repeaters += visits > 1;
        out->orders += visits;
        for (uint32_t v = 0; v < visits; v++) count_visit(world, &visit[v], out);
    }
    pat_mem_free(PAT_MEM_OTHER, visit);
    scale_up(out, (double)plan->customers / count);
    return PAT_OK;
}
