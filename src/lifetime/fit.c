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

static struct pat_search search_of(struct view *view, const struct pat_fit_options *options) {
    return (struct pat_search){.dim = view->model->param_count,
                               .loglik_cb = view_loglik,
                               .context = view,
                               .customers = view->data->customers,
                               .options = options};
}

static enum pat_status climb_sampled(struct pat_search *search, const struct view *view,
                                     const struct pat_search_map *map, struct pat_found *found) {
    struct pat_data data;
    PAT_TRY(pat_data__sample(&data, view->data, PAT_SAMPLE_STEP));
    struct view part = {.model = view->model, .data = &data};
    struct pat_search sample = search_of(&part, search->options);
    pat_search__climb_sampled(search, &sample, map, found);
    pat_data__deinit(&data);
    return PAT_OK;
}

static enum pat_status climb(const struct pat_btyd_model *model, struct pat_data *data, const double *base,
                             const struct pat_fit_options *options, struct pat_search *search, struct view *view,
                             struct pat_found *found) {
    double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX] = {{0}};
    *view = (struct view){.model = model, .data = data};
    *search = search_of(view, options);
    *found = (struct pat_found){0};
    const struct pat_search_map map = {.start = (const double(*)[PAT_BTYD_PARAMS_MAX])start,
                                       .start_count = model->ops->starts(model, base, start),
                                       .limit = model->ops->limits,
                                       .limit_count = model->ops->limit_count};
    /* Without dropout a look at everything is a look at the spans. */
    if (model->ops->leaving != PAT_LEAVES_NEVER && data->count >= PAT_SAMPLE_FROM) {
        return climb_sampled(search, view, &map, found);
    }
    pat_search__climb(search, &map, found);
    return PAT_OK;
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
    PAT_TRY(climb(pat_btyd_model_find("nbd"), data, base, options, &search, &view, &nbd));
    found = nbd;
    if (model->ops->without_dropout != NULL && !search.stopped) {
        PAT_TRY(climb(model, data, nbd.params, options, &search, &view, &found));
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
    PAT_TRY(pat_data__init(&data, patterns, count, options, error));
    const enum pat_status status = fit_data(model, &data, options, out);
    pat_data__deinit(&data);
    if (status == PAT_ERR_NO_MEMORY) return pat_error_set(error, status, "no memory to fit %zu patterns", count);
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "the fit was cancelled");
}
