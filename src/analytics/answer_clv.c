/* clv.fits, clv.predict and clv.dist; clv.fit is lifetime_fit.c, clv.top a question for rows. */
#include "analytics/answers_private.h"

#include "analytics/lifetime_private.h"
#include "analytics/scores_private.h"
#include "model/date.h"

#include <math.h>

/* ---- fits -------------------------------------------------------------------------------------------------------- */

enum pat_status pat_answer__clv_fits(struct pat_run *run) {
    const struct pat_fits *fits = run->view->fits;
    struct pat_builder *builder = &run->builder;
    struct pat_value list = pat_build_array(builder, fits->count), use = pat_value_nil();
    for (uint32_t i = 0; i < fits->count; i++) {
        const struct pat_clv_fit *fit = fits->fit[i];
        struct pat_value map = pat_build_map(builder, 20);
        pat_fit__put(run, fit, &map);
        pat_build_put(builder, &map, "lsn", pat_value_uint(fit->lsn));
        pat_build_put(builder, &map, "in_use", pat_value_bool(fits->used != NULL && fits->used->lsn == fit->lsn));
        pat_build_push(builder, &list, map);
    }
    if (fits->used != NULL) {
        use = pat_build_map(builder, 8);
        pat_build_put(builder, &use, "name", pat_build_text(builder, pat_text_of(fits->used->name)));
        pat_build_put(builder, &use, "model", pat_build_text(builder, pat_text_of(fits->used->model)));
        pat_build_put(builder, &use, "end", pat_build_day(builder, fits->used->end));
        pat_build_put(builder, &use, "lsn", pat_value_uint(fits->used->lsn));
        pat_analytics_put_use(builder, &fits->use, &use);
    }
    pat_run__put(run, "fits", list);
    pat_run__put(run, "use", use);
    return PAT_OK;
}

/* ---- predict ----------------------------------------------------------------------------------------------------- */

static struct pat_value real_or_nil(double number) {
    return isfinite(number) ? pat_value_real(number) : pat_value_nil();
}

/* Predictions of a pattern whose repeat days spent `mean` major units each. */
static void put_forecast(struct pat_run *run, const struct pat_outlook *outlook, const struct pat_btyd_pattern *pattern,
                         double mean, struct pat_value *map) {
    struct pat_builder *builder = &run->builder;
    struct pat_scorer scorer;
    pat_scorer_init(&scorer, outlook->model, outlook->params);
    const struct pat_forecast forecast = pat_forecast__of(&scorer, outlook, pattern);
    const double spend = pat_outlook__mean(outlook, pattern->x, mean);
    const double value = forecast.discounted * spend * outlook->terms.margin;
    pat_build_put(builder, map, "p_alive", real_or_nil(forecast.p_alive));
    pat_build_put(builder, map, "expected_orders", real_or_nil(forecast.expected));
    pat_build_put(builder, map, "expected_mean_minor", pat_run__minor_or_nil(pat_run__minor_of(run, spend)));
    pat_build_put(builder, map, "clv_minor", pat_run__minor_or_nil(pat_run__minor_of(run, value)));
}

static void put_nothing(struct pat_run *run, struct pat_value *map) {
    static const char *const keys[] = {"p_alive", "expected_orders", "expected_mean_minor", "clv_minor"};
    for (unsigned i = 0; i < 4; i++) pat_build_put(&run->builder, map, keys[i], pat_value_nil());
}

static void put_terms(struct pat_run *run, const struct pat_outlook *outlook, struct pat_value *map) {
    const struct pat_clv_use use = {.horizon_days = outlook->terms.horizon_days,
                                    .discount_annual = outlook->terms.discount_annual,
                                    .margin = outlook->terms.margin};
    pat_analytics_put_use(&run->builder, &use, map);
}

static void put_history(struct pat_run *run, const struct pat_btyd_pattern *pattern, const struct pat_outlook *outlook,
                        double mean, struct pat_value *map) {
    struct pat_builder *builder = &run->builder;
    pat_build_put(builder, map, "x", pat_value_int((int64_t)pattern->x));
    pat_build_put(builder, map, "t_x", pat_value_real(pattern->t_x));
    pat_build_put(builder, map, "T", pat_value_real(pattern->T));
    pat_build_put(builder, map, "unit", pat_value_string(outlook->terms.unit_days > 1 ? "week" : "day"));
    pat_build_put(builder, map, "mean_minor",
                  pattern->x > 0 ? pat_run__minor_or_nil(pat_run__minor_of(run, mean)) : pat_value_nil());
}

/* A customer of the store, as of D. */
static enum pat_status put_customer(struct pat_run *run, const struct pat_outlook *outlook, pat_row row,
                                    struct pat_value *map) {
    struct pat_history history;
    const struct pat_purchase_ask ask = {.after = PAT_DAY_NONE, .day = run->day, .spend = true};
    PAT_TRY(pat_purchases__of(run, row, &ask, &history));
    if (history.first == PAT_DAY_NONE) {
        put_nothing(run, map);
    } else {
        const struct pat_btyd_pattern pattern = pat_history__pattern(&history, run->day, outlook->terms.unit_days);
        const double mean = pat_history__mean(run, &history);
        put_forecast(run, outlook, &pattern, mean, map);
        put_history(run, &pattern, outlook, mean, map);
    }
    put_terms(run, outlook, map);
    return PAT_OK;
}

enum pat_status pat_clv__of_customer(struct pat_run *run, pat_row row, struct pat_value *out) {
    struct pat_outlook outlook;
    *out = pat_value_nil();
    if (run->view->fits->used == NULL) return PAT_OK;
    PAT_TRY(pat_outlook__find(run, &outlook));
    *out = pat_build_map(&run->builder, 16);
    PAT_TRY(put_customer(run, &outlook, row, out));
    pat_outlook__put(run, &outlook, out);
    return PAT_OK;
}

static void put_given(struct pat_run *run, const struct pat_outlook *outlook) {
    const struct pat_clv_ask *ask = &run->job->request->clv;
    const struct pat_btyd_pattern pattern = {.x = ask->x, .t_x = ask->t_x, .T = ask->T, .weight = 1};
    const double mean = ask->mean_minor / pat_run__base_unit(run);
    struct pat_outlook known = *outlook;
    /* Without the mean of its repeat days nothing is known of what such a customer spends. */
    if (ask->x > 0 && !ask->has_mean) known.has_spend = false;
    put_forecast(run, &known, &pattern, mean, &run->result);
    put_terms(run, outlook, &run->result);
}

enum pat_status pat_answer__clv_predict(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    const pat_row row = run->job->row;
    struct pat_outlook outlook;
    if (request->clv.params != NULL) {
        PAT_TRY(pat_outlook__given(run, &outlook));
    } else {
        PAT_TRY(pat_outlook__find(run, &outlook));
    }
    if (request->id.length == 0) {
        put_given(run, &outlook);
    } else {
        if (!pat_customer__there(run, row)) {
            return pat_run__not_found(run, "customer", request->id);
        }
        pat_run__put(run, "customer", pat_id__value(run, pat_view_get(run->view, PAT_CUSTOMERS, PAT_CUSTOMER_ID, row)));
        PAT_TRY(put_customer(run, &outlook, row, &run->result));
        struct pat_customer_facts facts;
        pat_facts__look_up(run, row, &facts);
        run->unpriced = facts.value[PAT_FACT_UNPRICED];
    }
    pat_run__put_currency(run, &run->result);
    pat_run__put(run, "model", pat_value_string(outlook.model->name));
    pat_outlook__tell(run, &outlook);
    return PAT_OK;
}
