/* What a model can do. A new model (Pareto/NBD, BG/BB) is one more table of these functions and a line in model.c; fits
 * and predictions call nothing else. Every function takes the model first: members of a family share code. */
#ifndef PAT_LIFETIME_MODEL_PRIVATE_H
#define PAT_LIFETIME_MODEL_PRIVATE_H

#include "lifetime/btyd.h"
#include "lifetime/data_private.h"
#include "lifetime/fit.h"
#include "lifetime/predict.h"
#include "lifetime/search_private.h"
#include "lifetime/sheet.h"

#include <stddef.h>

/* Purchases in (from, from + step], (from + step, from + 2 step], ... up to `to`; the j-th part (from 1) counts
 * factor^j. */
struct pat_slices {
    double from, step, to;
    double factor;
};

/* Months up to the horizon, each counted as of its end. */
struct pat_slices pat_slices__of(const struct pat_clv_terms *terms);

/* When a customer may leave. */
enum pat_leaving { PAT_LEAVES_NEVER, PAT_LEAVES_AFTER_REPEATS, PAT_LEAVES_AFTER_ANY };

struct pat_btyd_ops {
    enum pat_leaving leaving;
    /* Fills the tables of `data` that `run` reads, for given parameters. */
    void (*tables)(const struct pat_btyd_model *model, const double *params, struct pat_data *data);
    /* Weighted sums over run i: term[0] of log-likelihoods, term[1 + k] of their derivatives in the logarithm of
     * parameter k. */
    void (*run)(const struct pat_btyd_model *model, const double *params, struct pat_data *data, size_t i,
                double term[PAT_TERMS]);
    /* Parameters to start from, given those of the plain NBD; gives how many. */
    size_t (*starts)(const struct pat_btyd_model *model, const double *nbd,
                     double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX]);
    /* The parameters at which the model is the plain NBD with r and alpha of `nbd`, as near as makes no difference, and
     * the limit that this is. NULL for the NBD itself. */
    const struct pat_fit_limit *(*without_dropout)(const double *nbd, double *params);
    const struct pat_fit_limit *limits;
    size_t limit_count;

    double (*p_alive)(const struct pat_btyd_model *model, const double *params, const struct pat_btyd_pattern *of);
    double (*expected)(struct pat_scorer *scorer, const struct pat_btyd_pattern *of, const struct pat_slices *slices);
    /* For sheets. The odds to have left are exp(log_odds) ((alpha + T) / (alpha + t_x))^(params[0] + x), log_time the
     * logarithm of (alpha + t) / alpha; log_odds is -inf where nobody can have left. */
    double (*log_odds)(const struct pat_btyd_model *model, const double *params, double x);
    double (*log_time)(const double *params, double t);
    /* Purchases to come of a customer who is alive: sum[0] of all slices, sum[1] weighted by their factors. */
    void (*ahead)(const struct pat_sheet *sheet, struct pat_sheet_lane *lane, const struct pat_btyd_pattern *of,
                  const struct pat_slices *slices, double sum[2]);
    double (*pmf)(const struct pat_btyd_model *model, const double *params, double t, double n);
    double (*residual)(const struct pat_btyd_model *model, const double *params, const struct pat_btyd_pattern *of,
                       double discount);
};

/* geometric.c: Poisson-Gamma purchases with beta-geometric dropout, or none. */
extern const struct pat_btyd_ops pat_geometric__nbd;
extern const struct pat_btyd_ops pat_geometric__bg_nbd;
extern const struct pat_btyd_ops pat_geometric__mbg_nbd;

/* The log-likelihood of loaded data, and its gradient in the logarithms of the parameters (or NULL). */
double pat_model__loglik(const struct pat_btyd_model *model, const double *params, struct pat_data *data,
                         double *gradient);

#endif
