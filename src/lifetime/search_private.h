/* What the fits have in common: a likelihood in the logarithms of positive parameters, several starts, limits. */
#ifndef PAT_LIFETIME_SEARCH_PRIVATE_H
#define PAT_LIFETIME_SEARCH_PRIVATE_H

#include "lifetime/fit.h"
#include "lifetime/optimize_private.h"

#include <stdbool.h>
#include <stddef.h>

/* Starting points of a fit. */
#define PAT_STARTS_MAX 6u

struct pat_search {
    size_t dim;
    /* Log-likelihood and its gradient in the logarithms of the parameters. */
    double (*loglik_cb)(void *context, const double *params, double *gradient);
    void *context;
    double customers;                      /* sum of weights: rounding of the gradient grows with it */
    const struct pat_fit_options *options; /* may be NULL */
    bool stopped;                          /* options->stop_cb said so */
};

struct pat_found {
    double params[PAT_OPTIMIZE_DIM_MAX];
    double se[PAT_OPTIMIZE_DIM_MAX];
    double loglik;
    unsigned iterations, evaluations; /* added to; zero them first */
    bool converged;
    const struct pat_fit_limit *boundary;
};

/* Climbs from the best of `count` starts; from the second best, too, when that leads to no inner maximum. */
void pat_search__climb(struct pat_search *search, const double (*start)[PAT_BTYD_PARAMS_MAX], size_t count,
                       const struct pat_fit_limit *limits, size_t limit_count, struct pat_found *found);

/* Standard errors, and whether it has converged, at what climb found (or a better point that the caller knows). */
void pat_search__judge(struct pat_search *search, struct pat_found *found);

#endif
