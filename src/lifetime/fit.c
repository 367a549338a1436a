#include "lifetime/fit.h"

#include "base/status.h"
#include "lifetime/data_private.h"
#include "lifetime/model_private.h"
#include "lifetime/search_private.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Where the NBD's search begins: purchases are the rarer half of life, shape 1/2 with the mean rate of the data. */
#define SHAPE_START 0.5

struct view {
    const struct pat_btyd_model *model;
    struct pat_data *data;
};

static double view_loglik(void *context, const double *params, double *gradient) {
    const struct view *view = context;
    return pat_model__loglik(view->model, params, view->data, gradient);
}

static void climb(const struct pat_btyd_model *model, struct pat_data *data, const double *base,
                  const struct pat_fit_options *options, struct pat_search *search, struct view *view,
                  struct pat_found *found) {
    double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX] = {{0}};
    *view = (struct view){.model = model, .data = data};
    *search = (struct pat_search){.dim = model->param_count,
                                  .loglik_cb = view_loglik,
                                  .context = view,
                                  .customers = data->customers,
                                  .options = options};
    *found = (struct pat_found){0};
    const size_t count = model->ops->starts(model, base, start);
    pat_search__climb(search, (const double(*)[PAT_BTYD_PARAMS_MAX])start, count, model->ops->limits,
                      model->ops->limit_count, found);
}

/* Somebody buys again and time passes, in the smallest of data. */
static void nbd_base(const struct pat_data *data, double *base) {
    const double purchases = fmax(data->x_sum, 0.5), time = data->T_sum > 0 ? data->T_sum : 1;
    base[0] = SHAPE_START;
    base[1] = SHAPE_START * time / purchases;
}

static void report(const struct pat_btyd_model *model, const struct pat_data *data, const struct pat_found *found,
                   const struct pat_found *nbd, struct pat_btyd_fit *out) {
    *out = (struct pat_btyd_fit){.loglik = found->loglik,
                                 .nbd_loglik = nbd->loglik,
                                 .customers = data->customers,
                                 .repeaters = data->repeaters,
                                 .iterations = found->iterations,
                                 .evaluations = found->evaluations,
                                 .converged = found->converged,
                                 .boundary = found->boundary};
    for (size_t i = 0; i < model->param_count; i++) {
        out->params[i] = found->params[i];
        out->se[i] = found->se[i];
    }
}

static enum pat_status fit_data(const struct pat_btyd_model *model, struct pat_data *data,
                                const struct pat_fit_options *options, struct pat_btyd_fit *out) {
    double base[PAT_BTYD_PARAMS_MAX] = {0};
    struct pat_search search;
    struct view view;
    struct pat_found nbd, found;
    nbd_base(data, base);
    climb(pat_btyd_model_find("nbd"), data, base, options, &search, &view, &nbd);
    found = nbd;
    if (model->ops->without_dropout != NULL && !search.stopped) {
        climb(model, data, nbd.params, options, &search, &view, &found);
        found.iterations += nbd.iterations;
        found.evaluations += nbd.evaluations;
        if (!(found.loglik >= nbd.loglik)) {
            found.boundary = model->ops->without_dropout(nbd.params, found.params);
            found.loglik = nbd.loglik;
        }
    }
    if (!search.stopped) pat_search__judge(&search, &found);
    if (search.stopped) return PAT_ERR_CANCELLED;
    report(model, data, &found, &nbd, out);
    return PAT_OK;
}

enum pat_status pat_btyd_fit(struct pat_btyd_fit *out, const struct pat_btyd_model *model,
                             const struct pat_btyd_pattern *patterns, size_t count,
                             const struct pat_fit_options *options, struct pat_error *error) {
    struct pat_data data;
    PAT_TRY(pat_data__init(&data, patterns, count, error));
    const enum pat_status status = fit_data(model, &data, options, out);
    pat_data__deinit(&data);
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "the fit was cancelled");
}
