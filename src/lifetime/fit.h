/* Maximum likelihood for the models of btyd.h: quasi-Newton in the logarithms of the parameters.
 *
 * A fit always ends and always answers. On real shops the likelihood often has no inner maximum: where hardly anybody
 * leaves it rises for ever as a -> 0, and so on. Then the parameters mean little, but the likelihood and the
 * predictions are as good as any, so this is not a failure: `boundary` names the parameter and where it goes. The plain
 * NBD is fitted along, since it is what every model here becomes when nobody leaves; no fit answers a likelihood below
 * it. */
#ifndef PAT_LIFETIME_FIT_H
#define PAT_LIFETIME_FIT_H

#include "base/spread.h"
#include "kernel/kernel.h"
#include "lifetime/btyd.h"

#include <stdbool.h>
#include <stddef.h>

/* One way in which a likelihood can rise for ever. */
struct pat_fit_limit {
    unsigned up, down;     /* bits of the parameters that grow or shrink together */
    unsigned lost;         /* bits of the parameters that mean nothing at the limit: no standard error */
    const char *parameter; /* the first of them, e.g. "a" */
    const char *direction; /* "zero" or "infinity" */
    const char *meaning;   /* one sentence for people */
};

struct pat_btyd_fit {
    double params[PAT_BTYD_PARAMS_MAX];
    double se[PAT_BTYD_PARAMS_MAX]; /* from the observed information; NaN where it cannot be told */
    double loglik;
    double nbd_loglik; /* of the plain NBD on the same data */
    double customers;  /* sum of weights */
    double repeaters;  /* of those with x > 0 */
    unsigned iterations;
    unsigned evaluations;                 /* of the likelihood, all starts and the NBD included */
    bool converged;                       /* the gradient vanished, inside or towards `boundary` */
    const struct pat_fit_limit *boundary; /* NULL: the maximum is inside */
};

struct pat_fit_options {
    const struct pat_kernels *kernels; /* NULL: the scalar ones. All tables give the same bits. */
    /* Asked before each look at the data; true ends the fit with PAT_ERR_CANCELLED. NULL: never. */
    bool (*stop_cb)(void *context);
    void *context;
    const struct pat_spread *spread; /* threads that share the looks at large data; NULL: none */
};

/**
 * Fits `model` to `count` patterns.
 *
 * options: may be NULL.  Same input, same bits out, on any thread.
 * Large data (PAT_SAMPLE_FROM) are climbed by way of a sample; the end is the same.
 * Allocates: 28 bytes a pattern, 60 while loading, and up to 120 bytes a distinct x or time (PAT_MEM_QUERY) until it
 * returns. Fails: PAT_ERR_BAD_REQUEST for no pattern at all or an impossible one (error->row is its index),
 * PAT_ERR_NO_MEMORY, PAT_ERR_CANCELLED; *out is then unspecified. Data that hold no information (all T = 0) do not
 * fail.
 */
enum pat_status pat_btyd_fit(struct pat_btyd_fit *out, const struct pat_btyd_model *model,
                             const struct pat_btyd_pattern *patterns, size_t count,
                             const struct pat_fit_options *options, struct pat_error *error) PAT_MUST_CHECK;

#endif
