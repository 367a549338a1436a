/* The shop's customers and what they do. Pure functions of (world, number): any customer, order or line can be made on
 * its own, which is what lets threads share the work and the log be put in order of time without being held in memory.
 *
 *   customer -> visits (when, for how much) -> events (orders as they arrive, wrong ones first, refunds)
 *                                                 -> order in full dress -> lines
 *
 * Purchases follow BG/NBD: a rate from a gamma, exponential gaps, after each purchase the customer leaves with a chance
 * from a beta. Spend is gamma-gamma. The clock of the gaps is the season's (generate_world.h). */
#ifndef PATRON_GENERATE_SHOP_H
#define PATRON_GENERATE_SHOP_H

#include "generate_world.h"

#include <stdbool.h>
#include <stdint.h>

/* Orders of one customer: their ids are the customer's number and four digits. */
#define PAT_GEN_VISITS_MAX  9999u
#define PAT_GEN_REFUNDS_MAX 2u
#define PAT_GEN_LINES_MAX   8u
/* Of one visit: a wrong order, the right one, refunds. */
#define PAT_GEN_EVENTS_MAX (2u + PAT_GEN_REFUNDS_MAX)
/* Marks an id that is written with a letter in front. */
#define PAT_GEN_TEXT_ID (UINT64_C(1) << 63)

/* What decides about a customer's purchases. */
struct pat_gen_customer {
    uint32_t number; /* from 1 */
    uint8_t country, season;
    bool buyer;     /* else a prospect */
    uint32_t first; /* day of the first purchase, or of signing up; from the start */
    double rate;    /* with scale 1: divide by the scale for purchases a day of the season's clock */
    double leaves;  /* chance after a purchase */
    double spend;   /* of a purchase: gamma(p) times this, base currency */
};
void pat_gen_customer_draw(const struct pat_gen_world *world, uint32_t number, struct pat_gen_customer *out);
/* Orders to be expected of a buyer, given its rate and the rest. */
double pat_gen_expected_orders(const struct pat_gen_world *world, const struct pat_gen_customer *customer,
                               double scale_days);

/* What else a row of customers says. `wrong` is the version that is corrected later. */
struct pat_gen_profile {
    uint64_t id;
    int64_t created;    /* day since 1970 */
    int64_t birth_year; /* PAT_NULL: not known */
    uint8_t country, region, currency, gender, acquisition, credit, entity, consent, tags;
    bool corrected; /* a wrong version comes first */
};
void pat_gen_profile_draw(const struct pat_gen_world *world, uint32_t number, struct pat_gen_profile *out);
void pat_gen_profile_spoil(struct pat_gen_profile *profile);

enum pat_gen_event_kind { PAT_GEN_ORDER, PAT_GEN_WRONG_ORDER, PAT_GEN_FIRST_REFUND }; /* and the second refund */

/* A purchase, or something that became of it: small, because the log of a large shop goes through a file of these. */
struct pat_gen_event {
    int64_t amount; /* minor units of the customer's currency */
    uint32_t customer;
    uint32_t at;      /* of the purchase: seconds since the start, UTC */
    uint32_t arrival; /* when the shop's log has it */
    uint16_t ordinal; /* of the purchase, from 1 */
    uint8_t country;  /* the customer's */
    uint8_t kind;     /* enum pat_gen_event_kind */
};
_Static_assert(sizeof(struct pat_gen_event) == 24, "the help says how large the temporary file becomes");

/* Order in which the log has them. */
static inline bool pat_gen_event_before(const struct pat_gen_event *a, const struct pat_gen_event *b) {
    if (a->arrival != b->arrival) return a->arrival < b->arrival;
    if (a->customer != b->customer) return a->customer < b->customer;
    if (a->ordinal != b->ordinal) return a->ordinal < b->ordinal;
    return a->kind < b->kind;
}

/* The customer's purchases; `out` has room for PAT_GEN_VISITS_MAX. Gives how many. */
uint32_t pat_gen_visits(const struct pat_gen_world *world, const struct pat_gen_customer *customer,
                        struct pat_gen_event *out);
/* What a purchase puts into the log. */
unsigned pat_gen_events(const struct pat_gen_world *world, const struct pat_gen_event *visit,
                        struct pat_gen_event out[PAT_GEN_EVENTS_MAX]);

struct pat_gen_refund {
    int64_t time; /* seconds since 1970, UTC */
    int64_t amount;
    uint8_t kind, reason;
};

struct pat_gen_order {
    uint64_t id, customer;                               /* may have PAT_GEN_TEXT_ID */
    int64_t time, paid;                                  /* seconds since 1970, UTC; paid PAT_NULL: at once */
    int64_t cancelled;                                   /* day, or PAT_NULL */
    int64_t amount, discount, shipping, tax, cost, duty; /* discount and duty PAT_NULL: none */
    int64_t version;
    uint8_t currency, country, channel, payment, promotion;
    bool test;
    unsigned refunds;
    struct pat_gen_refund refund[PAT_GEN_REFUNDS_MAX];
};
/* The order as a row; of a wrong one, as it was sent first. */
void pat_gen_order_dress(const struct pat_gen_world *world, const struct pat_gen_event *event,
                         struct pat_gen_order *out);

struct pat_gen_line {
    int64_t quantity, price, cost; /* price and cost in minor units; quantity * price adds up to the order's amount */
    uint16_t product;
    uint8_t category;
};
unsigned pat_gen_lines(const struct pat_gen_world *world, const struct pat_gen_event *event,
                       struct pat_gen_line out[PAT_GEN_LINES_MAX]);

#endif
