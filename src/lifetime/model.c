#include "lifetime/model_private.h"

#include "base/status.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

const struct pat_btyd_model pat_btyd_models[] = {
    {.name = "nbd", .param_count = 2, .param_names = {"r", "alpha"}, .ops = &pat_geometric__nbd},
    {.name = "bg_nbd", .param_count = 4, .param_names = {"r", "alpha", "a", "b"}, .ops = &pat_geometric__bg_nbd},
    {.name = "mbg_nbd", .param_count = 4, .param_names = {"r", "alpha", "a", "b"}, .ops = &pat_geometric__mbg_nbd},
};
const size_t pat_btyd_model_count = sizeof pat_btyd_models / sizeof pat_btyd_models[0];

const struct pat_btyd_model *pat_btyd_model_find(const char *name) {
    for (size_t i = 0; i < pat_btyd_model_count; i++) {
        if (strcmp(pat_btyd_models[i].name, name) == 0) return &pat_btyd_models[i];
    }
    return NULL;
}

bool pat_btyd_params_valid(const struct pat_btyd_model *model, const double *params) {
    for (size_t i = 0; i < model->param_count; i++) {
        if (!(params[i] > 0) || !isfinite(params[i])) return false;
    }
    return true;
}

double pat_model__loglik(const struct pat_btyd_model *model, const double *params, struct pat_data *data,
                         double *gradient) {
    const size_t runs = data->runs, terms = gradient == NULL ? 1 : 1 + model->param_count;
    model->ops->tables(model, params, data);
    for (size_t i = 0; i < runs; i++) {
        double term[PAT_TERMS];
        model->ops->run(model, params, data, i, term);
        for (size_t k = 0; k < terms; k++) data->run_sums[k * runs + i] = term[k];
    }
    for (size_t k = 1; k < terms; k++) gradient[k - 1] = pat_sum__pairwise(data->run_sums + k * runs, runs);
    return pat_sum__pairwise(data->run_sums, runs);
}

enum pat_status pat_btyd_loglik(const struct pat_btyd_model *model, const double *params,
                                const struct pat_btyd_pattern *patterns, size_t count, double *loglik, double *gradient,
                                struct pat_error *error) {
    struct pat_data data;
    PAT_ASSERT(pat_btyd_params_valid(model, params));
    PAT_TRY(pat_data__init(&data, patterns, count, NULL, error));
    *loglik = pat_model__loglik(model, params, &data, gradient);
    pat_data__deinit(&data);
    return PAT_OK;
}
