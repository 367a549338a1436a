/* Maximization of a smooth function of up to five variables, with its gradient. Deterministic; no memory. */
#ifndef PAT_LIFETIME_OPTIMIZE_PRIVATE_H
#define PAT_LIFETIME_OPTIMIZE_PRIVATE_H

#include "lifetime/btyd.h"

#include <stdbool.h>
#include <stddef.h>

#define PAT_OPTIMIZE_DIM_MAX PAT_BTYD_PARAMS_MAX

struct pat_problem {
    size_t dim;
    /* Value and gradient at `at`; -HUGE_VAL where there is none (the search turns back). */
    double (*value_cb)(void *context, const double *at, double *gradient);
    void *context;
    double flat; /* no gradient component above this: a maximum */
    double gain; /* ... or a Newton step would win no more than this; 0: do not ask */
};

struct pat_optimum {
    double at[PAT_OPTIMIZE_DIM_MAX];
    double gradient[PAT_OPTIMIZE_DIM_MAX];
    double value;
    unsigned iterations, evaluations; /* added to */
    bool flat;                        /* the gradient is as small as asked */
};

/* BFGS with a bisecting line search (weak Wolfe conditions), from optimum->at. Ends after at most a few hundred
 * iterations: flat, or with the best point seen when rounding allows no further progress. `inverse` (may be NULL): of
 * minus the second derivatives, as a guess to begin with. */
void pat_optimize__maximize(const struct pat_problem *problem, struct pat_optimum *optimum,
                            double inverse[PAT_OPTIMIZE_DIM_MAX][PAT_OPTIMIZE_DIM_MAX]);

/* Minus the second derivatives at the optimum, by central differences of the gradient. */
void pat_optimize__information(const struct pat_problem *problem, struct pat_optimum *optimum,
                               double information[PAT_OPTIMIZE_DIM_MAX][PAT_OPTIMIZE_DIM_MAX]);

/* The inverse of a symmetric matrix; false when it is not positive definite. */
bool pat_optimize__invert(size_t dim, double matrix[PAT_OPTIMIZE_DIM_MAX][PAT_OPTIMIZE_DIM_MAX],
                          double inverse[PAT_OPTIMIZE_DIM_MAX][PAT_OPTIMIZE_DIM_MAX]);

/* Diagonal of the inverse of `information` restricted to the variables whose bit in `lost` is 0; NaN for the others,
 * and for all when it is not positive definite. *gain is what a last Newton step would still win (NaN likewise). */
void pat_optimize__variances(size_t dim, double information[PAT_OPTIMIZE_DIM_MAX][PAT_OPTIMIZE_DIM_MAX], unsigned lost,
                             const double *gradient, double *variance, double *gain);

#endif
