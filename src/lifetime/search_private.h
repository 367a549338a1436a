/* What the fits have in common: a likelihood in the logarithms of positive parameters, several starts, limits. */
#ifndef PAT_LIFETIME_SEARCH_PRIVATE_H
#define PAT_LIFETIME_SEARCH_PRIVATE_H

#include "lifetime/fit.h"
#include "lifetime/optimize_private.h"

#include <stdbool.h>
#include <stddef.h>

/* Starting points of a fit. */
#define PAT_STARTS_MAX 6u
/* Limits of a model. */
#define PAT_LIMITS_MAX 8u

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
    bool inside;                       /* at a maximum with no limit as good as it */
    double limit_lack[PAT_LIMITS_MAX]; /* how far each limit that was tried is below it */
};

/* Where a fit may start and run to. */
struct pat_search_map {
    const double (*start)[PAT_BTYD_PARAMS_MAX];
    size_t start_count;
    const struct pat_fit_limit *limit;
    size_t limit_count; /* <= PAT_LIMITS_MAX */
};

/* Every so many customers make the sample on which a search finds its way, in data of that many patterns or more: the
 * sample's maximum is then some six standard errors from the whole one's, next door for Newton's method, and what the
 * way there costs is small against the few looks at everything that are left. */
#define PAT_SAMPLE_STEP 32.0
#define PAT_SAMPLE_FROM 65536u

/* Climbs from the best of `count` starts; from the second best, too, when that leads to no inner maximum. */
void pat_search__climb(struct pat_search *search, const struct pat_search_map *map, struct pat_found *found);

/* The same for `search` by way of a sample: climbs in `sample`, whose weights are PAT_SAMPLE_STEP times its customers',
 * and from there, knowing the curvature, in `search`. Where the sample has no inner maximum, or it does not lead to
 * one, all is done over on everything. */
void pat_search__climb_sampled(struct pat_search *search, struct pat_search *sample, const struct pat_search_map *map,
                               struct pat_found *found);

/* Standard errors, and whether it has converged, at what climb found (or a better point that the caller knows). */
void pat_search__judge(struct pat_search *search, struct pat_found *found);

#endif
