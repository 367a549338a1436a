/* Models of when customers buy and when they leave ("buy till you die"), on plain numbers.
 *
 * What a model needs of a customer is the triple (x, t_x, T): x repeat purchase days, the last of them t_x after the
 * first purchase, observed until T after it. Times are in one unit for all (a week or a day; nothing here knows which).
 * Many customers share a triple, so data are distinct triples with weights, and a fit costs what the triples cost.
 *
 * The models so far are one family: purchases are Poisson with a rate from Gamma(r, rate alpha), and
 *   nbd      nobody leaves (Ehrenberg 1959), the baseline: r, alpha
 *   bg_nbd   after each repeat purchase a customer leaves with a chance from Beta(a, b) (Fader, Hardie, Lee 2005)
 *   mbg_nbd  and after the first one, too (Batislam, Denizel, Filiztekin 2007): r, alpha, a, b
 *
 * Thread: any; nothing here keeps state outside its arguments. */
#ifndef PAT_LIFETIME_BTYD_H
#define PAT_LIFETIME_BTYD_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* No model in the literature that we know of has more parameters without covariates (GGom/NBD has five). */
#define PAT_BTYD_PARAMS_MAX 5u

struct pat_btyd_pattern {
    double x;      /* repeat purchase days: a whole number >= 0 */
    double t_x;    /* first to last purchase, 0 <= t_x <= T; 0 when x is 0 */
    double T;      /* first purchase to the end of observation, >= 0 */
    double weight; /* customers that look like this, > 0 */
};

struct pat_btyd_ops; /* what a model can do: lifetime/model_private.h */

struct pat_btyd_model {
    const char *name; /* as in API.md */
    size_t param_count;
    const char *param_names[PAT_BTYD_PARAMS_MAX]; /* the order of every array of parameters */
    const struct pat_btyd_ops *ops;
};

extern const struct pat_btyd_model pat_btyd_models[];
extern const size_t pat_btyd_model_count;

/* NULL when there is no such model. */
const struct pat_btyd_model *pat_btyd_model_find(const char *name);

/* Parameters are usable when each is finite and > 0. */
bool pat_btyd_params_valid(const struct pat_btyd_model *model, const double *params);

/* True when a customer's numbers are possible (see struct pat_btyd_pattern; the weight is not looked at). */
bool pat_btyd_pattern_valid(const struct pat_btyd_pattern *pattern);

/**
 * Log-likelihood of `count` patterns, weighted, and its gradient in the logarithms of the parameters.
 *
 * gradient: param_count values, or NULL. Never overflows: all is done in log space, x may be in the millions.
 * The sum runs in an order that depends on the patterns alone, not on threads or vector width.
 * Allocates: 28 bytes a pattern, 60 while loading, and up to 120 bytes a distinct x or time (PAT_MEM_QUERY) until it
 * returns. Fails: PAT_ERR_BAD_REQUEST for an impossible pattern (error->row is its index), PAT_ERR_NO_MEMORY.
 */
enum pat_status pat_btyd_loglik(const struct pat_btyd_model *model, const double *params,
                                const struct pat_btyd_pattern *patterns, size_t count, double *loglik, double *gradient,
                                struct pat_error *error) PAT_MUST_CHECK;

#endif
