/* What a fitted model says of one customer. Pure numbers; money in, money out.
 *
 * Where textbooks write differences of hypergeometric functions divided by a - 1, everything here is a mean of
 * something positive over the chance to leave, p ~ Beta(a, b + chances passed): purchases in (from, to] of a customer
 * who is alive are E_p[((1 + p from/(alpha+T))^-(r+x) - (1 + p to/(alpha+T))^-(r+x)) / p]. Gauss-Jacobi nodes do it in
 * few steps, a trapezoid in the log-odds of p where the horizon is long against alpha + T. No parameter is a
 * singularity; the tests hold results to 1e-9 relative of high-precision values. */
#ifndef PAT_LIFETIME_PREDICT_H
#define PAT_LIFETIME_PREDICT_H

#include "lifetime/btyd.h"
#include "lifetime/spend.h"

#include <stddef.h>

/* Nodes of the Gauss-Jacobi rule: with 32 the error is below 1e-11 wherever the rule is used (see geometric.c). */
#define PAT_SCORER_NODES 32u

/* A model with its parameters, and the rule of the x that was asked for last: scoring customers by x is quick.
 * Plain memory, nothing to release. Thread: one at a time; each worker has its own. */
struct pat_scorer {
    /* set by init */
    const struct pat_btyd_model *model;
    double params[PAT_BTYD_PARAMS_MAX];
    /* depends only on params and rule_x, so answers do not depend on the order of questions */
    double rule_x; /* -1: none yet */
    double node[PAT_SCORER_NODES];
    double share[PAT_SCORER_NODES]; /* sums to 1 */
};

/* Params must be valid (pat_btyd_params_valid); patterns below must be, too. Times are in the unit of the parameters.
 */
void pat_scorer_init(struct pat_scorer *scorer, const struct pat_btyd_model *model, const double *params);

/* The chance that the customer has not left by T. */
double pat_scorer_p_alive(const struct pat_scorer *scorer, const struct pat_btyd_pattern *of);

/* Expected purchases in (T + from, T + to], 0 <= from <= to, whether alive or not. */
double pat_scorer_expected(struct pat_scorer *scorer, const struct pat_btyd_pattern *of, double from, double to);

/* Expected repeat purchases of somebody new in (0, t] after the first purchase. */
double pat_scorer_expected_new(struct pat_scorer *scorer, double t);

/* The chance that somebody new makes exactly n repeat purchases in (0, t]. */
double pat_scorer_pmf(const struct pat_scorer *scorer, double t, double n);

/* Discounted expected residual transactions: purchases from T to the end of time, discounted continuously at the rate
 * `discount` > 0 per unit of time (an annual rate i is log(1 + i) / units per year). */
double pat_scorer_residual(const struct pat_scorer *scorer, const struct pat_btyd_pattern *of, double discount);

/* How purchases to come are turned into money. */
struct pat_clv_terms {
    double unit_days;       /* days in a unit of the model's time: 7 for weeks */
    double horizon_days;    /* counted from T */
    double discount_annual; /* 0.1 is 10 % a year; > -1 */
    double margin;          /* share of spend that is value; may be negative */
};

/* A year is 365.25 days and a month its twelfth, in every place where months turn into days. */
#define PAT_MONTH_DAYS (365.25 / 12)

/* Purchases within the horizon, each discounted from the end of its month after T, (1 + annual)^(-month / 12). A part
 * of a month at the end of the horizon is discounted as of the end of that whole month. */
double pat_scorer_discounted(struct pat_scorer *scorer, const struct pat_btyd_pattern *of,
                             const struct pat_clv_terms *terms);

/* Discounted purchases x expected spend x margin, in the unit of `mean`. */
double pat_scorer_clv(struct pat_scorer *scorer, const struct pat_spend_params *spend,
                      const struct pat_btyd_pattern *of, double mean, const struct pat_clv_terms *terms);

#endif
