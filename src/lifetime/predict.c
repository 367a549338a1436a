#include "lifetime/predict.h"

#include "base/status.h"
#include "lifetime/model_private.h"

#include <math.h>
#include <stddef.h>

/* Months are counted in doubles: a horizon of twelve months must not have a thirteenth that lasts a rounding error. */
#define MONTH_ROUNDING 1e-9

void pat_scorer_init(struct pat_scorer *scorer, const struct pat_btyd_model *model, const double *params) {
    PAT_ASSERT(pat_btyd_params_valid(model, params));
    *scorer = (struct pat_scorer){.model = model, .rule_x = -1};
    for (size_t i = 0; i < model->param_count; i++) scorer->params[i] = params[i];
}

double pat_scorer_p_alive(const struct pat_scorer *scorer, const struct pat_btyd_pattern *of) {
    return scorer->model->ops->p_alive(scorer->model, scorer->params, of);
}

double pat_scorer_expected(struct pat_scorer *scorer, const struct pat_btyd_pattern *of, double from, double to) {
    const struct pat_slices slices = {.from = from, .step = to - from, .to = to, .factor = 1};
    PAT_DEBUG_ASSERT(from >= 0);
    PAT_DEBUG_ASSERT(from <= to);
    return to > from ? scorer->model->ops->expected(scorer, of, &slices) : 0;
}

double pat_scorer_expected_new(struct pat_scorer *scorer, double t) {
    /* Somebody new is a customer observed for no time at all. */
    return pat_scorer_expected(scorer, &(struct pat_btyd_pattern){.weight = 1}, 0, t);
}

double pat_scorer_pmf(const struct pat_scorer *scorer, double t, double n) {
    return scorer->model->ops->pmf(scorer->model, scorer->params, t, n);
}

double pat_scorer_residual(const struct pat_scorer *scorer, const struct pat_btyd_pattern *of, double discount) {
    PAT_DEBUG_ASSERT(discount > 0);
    return scorer->model->ops->residual(scorer->model, scorer->params, of, discount);
}

struct pat_slices pat_slices__of(const struct pat_clv_terms *terms) {
    const double months = terms->horizon_days / PAT_MONTH_DAYS, whole = round(months);
    const double month = PAT_MONTH_DAYS / terms->unit_days;
    return (struct pat_slices){
        .step = month,
        .to = fabs(months - whole) < MONTH_ROUNDING * whole ? whole * month : months * month,
        .factor = exp(-log1p(terms->discount_annual) / 12),
    };
}

double pat_scorer_discounted(struct pat_scorer *scorer, const struct pat_btyd_pattern *of,
                             const struct pat_clv_terms *terms) {
    const struct pat_slices slices = pat_slices__of(terms);
    return slices.to > 0 ? scorer->model->ops->expected(scorer, of, &slices) : 0;
}

double pat_scorer_clv(struct pat_scorer *scorer, const struct pat_spend_params *spend,
                      const struct pat_btyd_pattern *of, double mean, const struct pat_clv_terms *terms) {
    return pat_scorer_discounted(scorer, of, terms) * pat_spend_expected(spend, of->x, mean) * terms->margin;
}
