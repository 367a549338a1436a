/* Lifetime value: purchase days of customers as of a day, the fit that looks ahead from them, and what it says.
 *
 *   orders, refunds ── lifetime_days ─► pat_purchases ─┬─ lifetime_fit ─► pat_clv_fit        clv.fit
 *                                                      └─ lifetime_score ─► pat_lifetime      fields, top, dist
 *
 * A purchase is a day with eligible orders. The first one starts the clock; the others are repeat days, and their spend
 * is the amounts of their orders less refunds that refer to these, in base minor units. */
#ifndef PAT_ANALYTICS_LIFETIME_PRIVATE_H
#define PAT_ANALYTICS_LIFETIME_PRIVATE_H

#include "analytics/run_private.h"
#include "lifetime/predict.h"
#include "lifetime/spend.h"

/* Days that a packed pattern has room for, 5,741 years: an older first purchase counts as one of then. */
#define PAT_LIFETIME_DAYS_MAX ((1 << 21) - 1)

/* What the orders of one customer say. */
struct pat_history {
    int32_t first, last; /* days; PAT_DAY_NONE: no purchase */
    uint32_t repeats;    /* x */
    uint32_t unpriced;   /* facts of repeat days without a base value: they count as nothing */
    int64_t spend;       /* of all repeat days */
};

/* The same by row of customers, of all of them. */
struct pat_purchases {
    struct pat_history *of;
};

/* Histories as of `day` of orders dated behind `after` (PAT_DAY_NONE: all), in as many passes over the orders as their
 * scratch needs. Refunds are read when `spend` is asked for, which goes with all orders only. */
enum pat_status pat_purchases__collect(struct pat_run *run, pat_day after, pat_day day, bool spend,
                                       struct pat_purchases *out) PAT_MUST_CHECK;
/* The same as one thing. */
struct pat_purchase_ask {
    pat_day after, day;
    bool spend;
};
/* One customer's, from its chain. */
enum pat_status pat_purchases__of(struct pat_run *run, pat_row customer, const struct pat_purchase_ask *ask,
                                  struct pat_history *out) PAT_MUST_CHECK;
/* Times of a history in days as of `day`. */
static inline int32_t pat_history__t_x(const struct pat_history *history) {
    const int64_t days = (int64_t)history->last - history->first;
    return days < PAT_LIFETIME_DAYS_MAX ? (int32_t)days : PAT_LIFETIME_DAYS_MAX;
}
static inline int32_t pat_history__T(const struct pat_history *history, pat_day day) {
    const int64_t days = (int64_t)day - history->first;
    return days < PAT_LIFETIME_DAYS_MAX ? (int32_t)days : PAT_LIFETIME_DAYS_MAX;
}
struct pat_btyd_pattern pat_history__pattern(const struct pat_history *history, pat_day day, double unit_days);
/* Minor units of the base currency in a major one. */
double pat_run__base_unit(const struct pat_run *run);
/* Mean spend of the repeat days in major units, 0 without any. */
double pat_history__mean(const struct pat_run *run, const struct pat_history *history);

/* ---- predictions (lifetime_score.c) ---- */

/* A fit, or parameters given, on the terms of a question. */
struct pat_outlook {
    const struct pat_clv_fit *fit; /* NULL: parameters were given */
    const struct pat_btyd_model *model;
    double params[PAT_BTYD_PARAMS_MAX];
    bool has_spend;
    struct pat_spend_params spend;
    struct pat_clv_terms terms;
};

/* The fit that the request names, else the one in use, on the request's terms. Fails: PAT_ERR_NO_FIT,
 * PAT_ERR_NOT_FOUND. */
enum pat_status pat_outlook__find(struct pat_run *run, struct pat_outlook *out) PAT_MUST_CHECK;
/* The parameters that the request gives, on its terms or the usual ones. Fails: PAT_ERR_BAD_REQUEST. */
enum pat_status pat_outlook__given(struct pat_run *run, struct pat_outlook *out) PAT_MUST_CHECK;
/* Puts `fit`, `end`, `leak`, and warns of what its users should know. */
void pat_outlook__tell(struct pat_run *run, const struct pat_outlook *outlook);
/* The first three into `map`. */
void pat_outlook__put(struct pat_run *run, const struct pat_outlook *outlook, struct pat_value *map);
/* What an answer says of a fit (lifetime_tell.c). */
void pat_fit__put(struct pat_run *run, const struct pat_clv_fit *fit, struct pat_value *map);
/* All that is to be known of the fit as warnings. */
void pat_fit__warn(struct pat_run *run, const struct pat_clv_fit *fit);

struct pat_forecast {
    double p_alive;
    double expected;   /* purchase days within the horizon */
    double discounted; /* the same, each discounted from the end of its month */
};
/* Predictions of one pattern in the outlook's unit. */
struct pat_forecast pat_forecast__of(struct pat_scorer *scorer, const struct pat_outlook *outlook,
                                     const struct pat_btyd_pattern *pattern);
/* Mean spend of a purchase day to come, major units; NaN where the outlook has none. */
double pat_outlook__mean(const struct pat_outlook *outlook, double x, double mean);
/* Amount in major units as minor ones, PAT_NULL where there is no such number. */
int64_t pat_run__minor_of(const struct pat_run *run, double major);

/* p_alive and expected_orders as fields: whole billionths, so that sums do not depend on their order. */
#define PAT_NUMBER_UNIT   1000000000
#define PAT_NUMBER_DIGITS 9u

/* Predictions of all customers as of D, PAT_NULL for those without a purchase. */
struct pat_lifetime {
    struct pat_outlook outlook;
    int64_t *p_alive, *expected; /* billionths */
    int64_t *clv;                /* base minor */
};
enum pat_status pat_lifetime__compute(struct pat_run *run) PAT_MUST_CHECK;

/* The model called `name`. Fails: PAT_ERR_BAD_REQUEST with the nearest name. */
enum pat_status pat_model__find(const struct pat_run *run, struct pat_text name,
                                const struct pat_btyd_model **out) PAT_MUST_CHECK;

#endif
