#include "generate_shop.h"

#include "model/date.h"

#include <string.h>

#define DAY_SECONDS 86400
/* Beyond this one purchase is no purchase; sums of many stay far from the ends of 64 bits. */
#define AMOUNT_MAX 1e13

static uint64_t order_number(const struct pat_gen_event *event) {
    return (uint64_t)event->customer * 10000 + event->ordinal;
}

/* What belongs to a customer whatever is asked: does it have a text id, what channel and payment does it prefer? */
static uint64_t taste_of(const struct pat_gen_world *world, uint32_t customer) {
    return pat_random_bits(world->key[PAT_GEN_STREAM_TASTE], customer);
}

static uint64_t id_mark(const struct pat_gen_world *world, uint64_t taste) {
    if (world->plan->text_ids <= 0) return 0;
    return (double)(taste >> 40) * 0x1p-24 < world->plan->text_ids ? PAT_GEN_TEXT_ID : 0;
}

/* ---- customers ------------------------------------------------------------------------------------------------- */

/* The day by which this share of customers had come. */
static uint32_t day_acquired(const struct pat_gen_world *world, double share) {
    uint32_t low = 0, high = world->days;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (world->acquired[middle] <= share) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

void pat_gen_customer_draw(const struct pat_gen_world *world, uint32_t number, struct pat_gen_customer *out) {
    const struct pat_gen_plan *plan = world->plan;
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_CUSTOMER], number);
    out->number = number;
    out->country = world->pick_country[pat_random_below(&random, PAT_GEN_PICKS)];
    out->season = pat_gen_countries[out->country].season;
    out->buyer = !pat_random_chance(&random, plan->prospects);
    /* One customer in each of equal shares of time: numbers rise as shops give them. */
    out->first = day_acquired(world, (number - 1 + pat_random_unit(&random)) / (double)plan->customers);
    out->rate = pat_random_gamma(&random, plan->rate_shape);
    out->leaves = plan->model == PAT_GEN_NBD ? 0 : pat_random_beta(&random, plan->dropout_a, plan->dropout_b);
    out->spend = plan->spend_gamma / pat_random_gamma(&random, plan->spend_q);
}

/* Readings of the season's clock between which a customer may buy again. In the pure shop days stand for their noons,
 * so that a difference of days is as long as what passed between. */
static double clock_first(const struct pat_gen_calendar *calendar, uint32_t day, double within) {
    return calendar->sum[day] + within * calendar->weight[day];
}
static double clock_end(const struct pat_gen_world *world, const struct pat_gen_calendar *calendar) {
    const uint32_t last = world->days - 1;
    return calendar->sum[last] + (world->plan->pure ? 0.5 : 1) * calendar->weight[last];
}

double pat_gen_expected_orders(const struct pat_gen_world *world, const struct pat_gen_customer *customer,
                               double scale_days) {
    if (!customer->buyer) return 0;
    const struct pat_gen_calendar *calendar = &world->calendar[customer->season];
    const double passed = clock_end(world, calendar) - clock_first(calendar, customer->first, 0.5);
    const double rate = customer->rate / scale_days, leaves = customer->leaves;
    const double expected = rate * passed * leaves;
    /* (1 - e^-y) / p, and y / p where p is too small to divide by. */
    const double again = expected < 1e-9 ? rate * passed : (1 - pat_random_exp(-expected)) / leaves;
    return 1 + (world->plan->model == PAT_GEN_MBG_NBD ? (1 - leaves) * again : again);
}

static uint8_t consent_of(struct pat_random *random) {
    return pat_random_chance(random, 0.2) ? 0 : (uint8_t)(1 + pat_random_below(random, 7));
}

void pat_gen_profile_draw(const struct pat_gen_world *world, uint32_t number, struct pat_gen_profile *out) {
    struct pat_gen_customer customer;
    pat_gen_customer_draw(world, number, &customer);
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_PROFILE], number);
    const uint32_t looked = pat_random_chance(&random, 0.75) ? 0 : 1 + pat_random_below(&random, 30);
    const uint32_t signed_up = looked < customer.first ? customer.first - looked : 0;
    const bool company = pat_random_chance(&random, 0.08);
    *out = (struct pat_gen_profile){
        .id = number | id_mark(world, taste_of(world, number)),
        .created = world->plan->start + (int64_t)signed_up,
        .birth_year = PAT_NULL,
        .country = customer.country,
        .region = (uint8_t)(customer.country * PAT_GEN_REGIONS + pat_random_below(&random, PAT_GEN_REGIONS)),
        .currency = world->currency_of[customer.country],
        .acquisition = (uint8_t)pat_random_below(&random, world->names[PAT_GEN_LIST_ACQUISITION]),
        .entity = company ? 1 : 0,
        .consent = consent_of(&random),
    };
    if (pat_random_chance(&random, 0.6)) out->credit = (uint8_t)(1 + pat_random_below(&random, 4));
    if (pat_random_chance(&random, 0.15)) out->tags = (uint8_t)(1 + pat_random_below(&random, 5));
    const int year = pat_day_to_civil(world->plan->start).year;
    if (!company && pat_random_chance(&random, 0.9)) out->gender = (uint8_t)(1 + pat_random_below(&random, 21) / 10);
    if (!company && pat_random_chance(&random, 0.7)) {
        out->birth_year = year - 17 - (int)pat_random_below(&random, 30) - (int)pat_random_below(&random, 30);
    }
    out->corrected = pat_random_chance(&random, world->plan->corrections);
}

void pat_gen_profile_spoil(struct pat_gen_profile *profile) {
    profile->region = (uint8_t)(profile->region ^ 1);
    profile->acquisition = (uint8_t)(profile->acquisition ^ 1);
    if (profile->birth_year != PAT_NULL) profile->birth_year -= 100;
}

/* ---- purchases ------------------------------------------------------------------------------------------------- */

static int64_t money(double minor) {
    if (minor < 1) return 1;
    return (int64_t)((minor > AMOUNT_MAX ? AMOUNT_MAX : minor) + 0.5);
}

/* An hour of the buyer's own day, as seconds since the start in UTC. */
static uint32_t second_of(const struct pat_gen_world *world, struct pat_random *random, uint32_t day, uint8_t country) {
    const uint64_t bits = pat_random_next(random);
    const uint32_t hour = world->pick_hour[bits % PAT_GEN_PICKS];
    const int64_t local = (int64_t)day * DAY_SECONDS + hour * 3600 + (int64_t)(((bits >> 32) * 3600) >> 32);
    const int64_t utc = local - pat_gen_countries[country].zone_minutes * 60;
    const bool within = utc >= 0 && utc < (int64_t)world->days * DAY_SECONDS && !world->plan->pure;
    return (uint32_t)(within ? utc : local);
}

static struct pat_gen_event visit_on(const struct pat_gen_world *world, const struct pat_gen_customer *customer,
                                     struct pat_random *random, uint32_t day, uint32_t ordinal) {
    const double base = customer->spend * pat_random_gamma(random, world->plan->spend_p);
    const struct pat_gen_currency *currency = &world->currency[world->currency_of[customer->country]];
    const uint32_t at = second_of(world, random, day, customer->country);
    return (struct pat_gen_event){
        .amount = money(base * currency->per_base[day]),
        .customer = customer->number,
        .at = at,
        .arrival = at,
        .ordinal = (uint16_t)ordinal,
        .country = customer->country,
        .kind = PAT_GEN_ORDER,
    };
}

uint32_t pat_gen_visits(const struct pat_gen_world *world, const struct pat_gen_customer *customer,
                        struct pat_gen_event *out) {
    if (!customer->buyer) return 0;
    const bool pure = world->plan->pure;
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_PURCHASES], customer->number);
    const struct pat_gen_calendar *calendar = &world->calendar[customer->season];
    const double gap = world->rate_scale_days / customer->rate, end = clock_end(world, calendar);
    uint32_t day = customer->first, count = 0;
    double clock = clock_first(calendar, day, pure ? 0.5 : pat_random_unit(&random));
    for (;;) {
        out[count] = visit_on(world, customer, &random, day, count + 1);
        count++;
        const bool may_leave = count > 1 || world->plan->model == PAT_GEN_MBG_NBD;
        if (may_leave && pat_random_chance(&random, customer->leaves)) return count;
        if (count == PAT_GEN_VISITS_MAX) return count;
        clock += gap * pat_random_exponential(&random);
        if (!(clock < end)) return count;
        const uint32_t next = pat_gen_day_of(calendar, clock, day);
        day = pure && next <= day ? day + 1 : next;
        if (day >= world->days) return count;
    }
}

/* ---- what becomes of a purchase -------------------------------------------------------------------------------- */

struct fate {
    bool test;
    int64_t cancelled_day; /* from the start; PAT_NULL never */
    unsigned refunds;
    struct {
        uint32_t at;
        int64_t amount;
        uint8_t kind, reason;
    } refund[PAT_GEN_REFUNDS_MAX];
};

/* 2 to 40 days later; not in this shop's time: not at all. */
static void refund_add(const struct pat_gen_world *world, struct pat_random *random, const struct pat_gen_event *event,
                       struct fate *fate, int64_t amount) {
    const uint64_t at = (uint64_t)event->at + 2 * DAY_SECONDS + pat_random_below(random, 38 * DAY_SECONDS);
    const uint8_t kind = (uint8_t)(pat_random_below(random, 10) < 7 ? 0 : 1 + pat_random_below(random, 2));
    const uint8_t reason = (uint8_t)pat_random_below(random, world->names[PAT_GEN_LIST_REASON]);
    if (at >= (uint64_t)world->days * DAY_SECONDS || amount < 1) return;
    const unsigned place = fate->refunds++;
    fate->refund[place].at = (uint32_t)at;
    fate->refund[place].amount = amount;
    fate->refund[place].kind = kind;
    fate->refund[place].reason = reason;
}

static void fate_of(const struct pat_gen_world *world, const struct pat_gen_event *event, struct fate *out) {
    const struct pat_gen_plan *plan = world->plan;
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_FATE], order_number(event));
    out->refunds = 0;
    out->cancelled_day = PAT_NULL;
    out->test = pat_random_chance(&random, plan->tests);
    if (pat_random_chance(&random, plan->cancellations)) {
        out->cancelled_day = event->at / DAY_SECONDS + pat_random_below(&random, 4);
        return;
    }
    if (!pat_random_chance(&random, plan->refunds)) return;
    const bool full = pat_random_below(&random, 10) < 6;
    const int64_t first = full ? event->amount : event->amount * (1 + (int64_t)pat_random_below(&random, 9)) / 10;
    refund_add(world, &random, event, out, first);
    /* What is left of it at the most. */
    if (!full && pat_random_below(&random, 10) < 2) {
        refund_add(world, &random, event, out,
                   (event->amount - first) * (1 + (int64_t)pat_random_below(&random, 10)) / 10);
    }
}

/* Most rows arrive when they happen. A corrected one comes wrong at once and right days later; one in four of the wrong
 * ones is so late that the right one is there already. */
static unsigned add_orders(const struct pat_gen_world *world, const struct pat_gen_event *visit,
                           struct pat_gen_event *out) {
    const double corrections = world->plan->corrections;
    out[0] = *visit;
    if (corrections <= 0) return 1;
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_ARRIVAL], order_number(visit));
    if (pat_random_chance(&random, corrections)) {
        out[1] = *visit;
        out[1].kind = PAT_GEN_WRONG_ORDER;
        out[0].arrival += 3600 + pat_random_below(&random, 10 * DAY_SECONDS);
        if (pat_random_below(&random, 4) == 0)
            out[1].arrival += DAY_SECONDS + pat_random_below(&random, 19 * DAY_SECONDS);
        return 2;
    }
    if (pat_random_chance(&random, corrections / 2)) {
        out[0].arrival += DAY_SECONDS + pat_random_below(&random, 19 * DAY_SECONDS);
    }
    return 1;
}

unsigned pat_gen_events(const struct pat_gen_world *world, const struct pat_gen_event *visit,
                        struct pat_gen_event out[PAT_GEN_EVENTS_MAX]) {
    const struct pat_gen_plan *plan = world->plan;
    unsigned count = 0;
    if (pat_gen_wants(plan, PAT_GEN_ORDERS) || pat_gen_wants(plan, PAT_GEN_LINES))
        count = add_orders(world, visit, out);
    if (!pat_gen_wants(plan, PAT_GEN_REFUNDS) || plan->refunds <= 0) return count;
    struct fate fate;
    fate_of(world, visit, &fate);
    for (unsigned i = 0; i < fate.refunds; i++) {
        out[count] = *visit;
        out[count].kind = (uint8_t)(PAT_GEN_FIRST_REFUND + i);
        out[count++].arrival = fate.refund[i].at;
    }
    return count;
}

/* ---- full dress ------------------------------------------------------------------------------------------------ */

static int64_t share_of(int64_t amount, int64_t thousandths) {
    return (amount * thousandths + 500) / 1000;
}

static void dress_fate(const struct pat_gen_world *world, const struct fate *fate, int64_t start,
                       struct pat_gen_order *out) {
    out->test = fate->test;
    out->cancelled = fate->cancelled_day == PAT_NULL ? PAT_NULL : world->plan->start + fate->cancelled_day;
    out->refunds = fate->refunds;
    for (unsigned i = 0; i < fate->refunds; i++) {
        out->refund[i] = (struct pat_gen_refund){
            .time = start + fate->refund[i].at,
            .amount = fate->refund[i].amount,
            .kind = fate->refund[i].kind,
            .reason = fate->refund[i].reason,
        };
    }
}

static uint8_t promotion_of(const struct pat_gen_world *world, struct pat_random *random, uint32_t day) {
    const uint8_t festival = world->festival[day];
    if (festival != PAT_GEN_NO_PROMOTION && pat_random_below(random, 10) < 7) return festival;
    if (!pat_random_chance(random, world->plan->promotions)) return PAT_GEN_NO_PROMOTION;
    return (uint8_t)(PAT_GEN_FIRST_EVERYDAY_PROMOTION +
                     pat_random_below(random, world->names[PAT_GEN_LIST_PROMOTION] - PAT_GEN_FIRST_EVERYDAY_PROMOTION));
}

static void dress_names(const struct pat_gen_world *world, struct pat_random *random, const struct pat_gen_event *event,
                        uint64_t taste, struct pat_gen_order *out) {
    const uint64_t bits = pat_random_next(random);
    /* One in 32 sends a present abroad. */
    out->country = event->country;
    if (bits % 32 == 0) out->country = world->pick_country[bits >> 32 & (PAT_GEN_PICKS - 1)];
    out->currency = world->currency_of[event->country];
    /* Four of five purchases go the way the customer is used to; of eight ways the first ones are used most. */
    const uint8_t used = (uint8_t)((taste & 7) < (taste >> 3 & 7) ? taste & 7 : taste >> 3 & 7);
    out->channel = (uint8_t)((bits >> 8) % 5 != 0 ? used : bits >> 16 & 7);
    const uint8_t usual = (taste >> 6 & 3) != 0 ? pat_gen_countries[event->country].payment : (uint8_t)(taste >> 8 & 7);
    out->payment = (uint8_t)((bits >> 20) % 8 != 0 ? usual : bits >> 24 & 7);
    out->promotion = promotion_of(world, random, event->at / DAY_SECONDS);
}

static void dress_money(const struct pat_gen_world *world, struct pat_random *random, const struct pat_gen_event *event,
                        struct pat_gen_order *out) {
    const uint64_t bits = pat_random_next(random);
    const double per_base = world->currency[out->currency].per_base[event->at / DAY_SECONDS];
    const int64_t off = 5 * (1 + (int64_t)((bits & 0xff) % 6)); /* per cent */
    out->amount = event->amount;
    out->discount = out->promotion == PAT_GEN_NO_PROMOTION ? PAT_NULL : out->amount * off / (100 - off);
    out->tax = share_of(out->amount, pat_gen_countries[out->country].tax_percent * 10);
    out->cost = share_of(out->amount, 450 + (int64_t)((bits >> 8 & 0xff)));
    const bool abroad = out->country != event->country;
    out->shipping = 0;
    if (abroad || (double)out->amount < 60 * per_base) out->shipping = money((abroad ? 14.9 : 4.9) * per_base);
}

/* Customs take it of goods that leave for another currency, above an amount that is not worth their while. */
static int64_t duty_of(const struct pat_gen_world *world, const struct pat_gen_event *event,
                       const struct pat_gen_order *order) {
    const struct pat_gen_country *country = &pat_gen_countries[order->country];
    const double per_base = world->currency[order->currency].per_base[event->at / DAY_SECONDS];
    if (strcmp(country->currency, world->plan->base) == 0 || (double)order->amount < 100 * per_base) return PAT_NULL;
    return share_of(order->amount, 20 + 3 * country->tax_percent);
}

/* A wrong row: charged too much, and often by the wrong means. The right one mends all of it. */
static void spoil(struct pat_random *random, struct pat_gen_order *out) {
    out->version = 1;
    out->amount += 1 + share_of(out->amount, 50 + pat_random_below(random, 500));
    out->payment = (uint8_t)((out->payment + pat_random_below(random, 3)) & 7);
}

void pat_gen_order_dress(const struct pat_gen_world *world, const struct pat_gen_event *event,
                         struct pat_gen_order *out) {
    const int64_t start = (int64_t)world->plan->start * DAY_SECONDS;
    const uint64_t number = order_number(event), taste = taste_of(world, event->customer), mark = id_mark(world, taste);
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_DRESS], number);
    struct fate fate;
    fate_of(world, event, &fate);
    out->id = number | mark;
    out->customer = event->customer | mark;
    out->version = 2;
    out->time = start + event->at;
    dress_fate(world, &fate, start, out);
    dress_names(world, &random, event, taste, out);
    dress_money(world, &random, event, out);
    out->duty = world->plan->duties ? duty_of(world, event, out) : PAT_NULL;
    out->paid = PAT_NULL;
    if (pat_random_chance(&random, world->plan->late_payments)) {
        out->paid = out->time + 3600 + pat_random_below(&random, 5 * DAY_SECONDS);
    }
    if (event->kind == PAT_GEN_WRONG_ORDER) spoil(&random, out);
}

/* ---- lines ----------------------------------------------------------------------------------------------------- */

/* A price's step, two to each doubling from a sixteenth of the base currency's unit on. */
static unsigned price_step(double base) {
    unsigned step = 0;
    for (double from = 1.0 / 16; step + 2 < PAT_GEN_PRICE_STEPS && base >= from * 2; from *= 2) step += 2;
    const double from = (double)(1u << (step / 2)) / 16;
    return base >= from * 1.4142135623730951 ? step + 1 : step;
}

static void line_goods(const struct pat_gen_world *world, struct pat_random *random, const struct pat_gen_event *event,
                       struct pat_gen_line *line) {
    const uint64_t bits = pat_random_next(random);
    const struct pat_gen_currency *currency = &world->currency[world->currency_of[event->country]];
    const unsigned step = price_step((double)line->price / currency->per_base[event->at / DAY_SECONDS]);
    line->category = (uint8_t)((bits & 0xffff) * PAT_GEN_LEAVES >> 16);
    line->product =
        (uint16_t)((line->category * PAT_GEN_PRICE_STEPS + step) * PAT_GEN_VARIANTS + (bits >> 16) % PAT_GEN_VARIANTS);
    line->cost = share_of(line->quantity * line->price, 450 + (int64_t)(bits >> 24 & 0xff));
}

unsigned pat_gen_lines(const struct pat_gen_world *world, const struct pat_gen_event *event,
                       struct pat_gen_line out[PAT_GEN_LINES_MAX]) {
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_LINES], order_number(event));
    unsigned count = 1;
    while (count < PAT_GEN_LINES_MAX && pat_random_below(&random, 5) < 3) count++;
    if (event->amount < (int64_t)count) count = 1;
    int64_t rest = event->amount;
    for (unsigned i = 0; i + 1 < count; i++) {
        /* At least one minor unit stays for each line to come. */
        const int64_t left = count - 1 - i, most = rest - left;
        const int64_t part = rest / (left + 1) * (512 + pat_random_below(&random, 1024)) / 1024;
        const int64_t quantity = pat_random_below(&random, 10) < 7 ? 1 : 2 + pat_random_below(&random, 2);
        out[i].quantity = part / quantity >= 1 && part <= most ? quantity : 1;
        out[i].price = part < 1 ? 1 : (part > most ? most : part) / out[i].quantity;
        rest -= out[i].quantity * out[i].price;
    }
    out[count - 1].quantity = 1;
    out[count - 1].price = rest;
    for (unsigned i = 0; i < count; i++) line_goods(world, &random, event, &out[i]);
    return count;
}
