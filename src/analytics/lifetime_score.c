/* What a fit says of customers as of D. */
#include "analytics/bind_private.h"

#include "analytics/lifetime_private.h"
#include "analytics/scores_private.h"

#include <math.h>
#include <stdio.h>

/* Greatest amount that is a number of minor units for certain. */
#define MINOR_MAX 9e18

int64_t pat_run__minor_of(const struct pat_run *run, double major) {
    const double minor = round(major * pat_run__base_unit(run)); /* half away from zero */
    return fabs(minor) <= MINOR_MAX ? (int64_t)minor : PAT_NULL;
}

static int64_t billionths(double number) {
    const double scaled = round(number * PAT_NUMBER_UNIT);
    return fabs(scaled) <= MINOR_MAX ? (int64_t)scaled : PAT_NULL;
}

/* ---- outlooks ---------------------------------------------------------------------------------------------------- */

static void set_terms(struct pat_outlook *out, const struct pat_clv_ask *ask, const struct pat_clv_use *use,
                      int32_t unit_days) {
    out->terms = (struct pat_clv_terms){
        .unit_days = unit_days,
        .horizon_days = ask->horizon_days > 0 ? ask->horizon_days : use->horizon_days,
        .discount_annual = ask->has_discount ? ask->discount_annual : use->discount_annual,
        .margin = ask->has_margin ? ask->margin : use->margin,
    };
}

static enum pat_status find_fit(struct pat_run *run, const struct pat_clv_fit **out) {
    const struct pat_clv_ask *ask = &run->job->request->clv;
    const struct pat_fits *fits = run->view->fits;
    if (ask->name.length > 0) return pat_fits_find(fits, ask->name, out, run->error);
    *out = fits->used;
    if (fits->used != NULL) return PAT_OK;
    return pat_error_set(run->error, PAT_ERR_NO_FIT, "no fit is in use yet: %s",
                         fits->count > 0 ? "clv.use takes one, clv.fits lists them" : "clv.fit makes one");
}

enum pat_status pat_outlook__find(struct pat_run *run, struct pat_outlook *out) {
    *out = (struct pat_outlook){.fit = NULL};
    PAT_TRY(find_fit(run, &out->fit));
    const struct pat_clv_fit *fit = out->fit;
    out->model = pat_btyd_model_find(fit->model);
    if (out->model == NULL || out->model->param_count != fit->params_count ||
        !pat_btyd_params_valid(out->model, fit->params)) {
        return pat_error_set(run->error, PAT_ERR_NO_FIT,
                             "fit \"%s\" is of a model that this version does not have: "
                             "make it again with clv.fit",
                             fit->name);
    }
    for (unsigned i = 0; i < fit->params_count; i++) out->params[i] = fit->params[i];
    out->has_spend = fit->spend.customers > 0;
    out->spend = (struct pat_spend_params){.p = fit->spend.p, .q = fit->spend.q, .v = fit->spend.v};
    set_terms(out, &run->job->request->clv, &run->view->fits->use, fit->unit_days);
    return PAT_OK;
}

/* ---- parameters given -------------------------------------------------------------------------------------------- */

/* Where the parameter called `name` goes; NULL when the model has none of that name. */
static double *place_of(struct pat_outlook *out, struct pat_text name) {
    double *const spend[] = {&out->spend.p, &out->spend.q, &out->spend.v};
    for (size_t i = 0; i < out->model->param_count; i++) {
        if (pat_text_is(name, out->model->param_names[i])) return &out->params[i];
    }
    for (unsigned i = 0; i < 3; i++) {
        if (name.length == 1 && name.data[0] == "pqv"[i]) return spend[i];
    }
    return NULL;
}

static enum pat_status fail_params(const struct pat_run *run, const struct pat_btyd_model *model, struct pat_text name,
                                   const char *what) {
    char shown[PAT_FIT_WORD_BYTES], names[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < model->param_count && used < sizeof names; i++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", model->param_names[i]);
    }
    (void)pat_text_printable(name, shown, sizeof shown);
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "params", -1, -1,
                            "params: \"%s\" %s; %s takes %s, all above zero, and p, q, v together for spend", shown,
                            what, model->name, names);
}

static enum pat_status read_params(struct pat_run *run, struct pat_outlook *out) {
    const struct pat_value *params = run->job->request->clv.params;
    for (uint32_t i = 0; i < params->count; i++) {
        const struct pat_member *member = &params->as.members[i];
        double *place = place_of(out, member->key);
        if (place == NULL) return fail_params(run, out->model, member->key, "is no parameter");
        const bool integer = member->value.type == PAT_VALUE_INT;
        if (!integer && member->value.type != PAT_VALUE_FLOAT) {
            return fail_params(run, out->model, member->key, "is no number");
        }
        *place = integer ? (double)member->value.as.integer : member->value.as.real;
        if (!(*place > 0) || !isfinite(*place)) return fail_params(run, out->model, member->key, "is not above zero");
    }
    for (size_t i = 0; i < out->model->param_count; i++) {
        if (out->params[i] > 0) continue;
        return fail_params(run, out->model, pat_text_of(out->model->param_names[i]), "is missing");
    }
    const int spend = (out->spend.p > 0) + (out->spend.q > 0) + (out->spend.v > 0);
    out->has_spend = spend == 3;
    return spend == 0 || spend == 3 ? PAT_OK : fail_params(run, out->model, PAT_TEXT("p, q, v"), "are not all there");
}

enum pat_status pat_outlook__given(struct pat_run *run, struct pat_outlook *out) {
    const struct pat_clv_use use = PAT_CLV_USE_DEFAULT;
    const struct pat_clv_ask *ask = &run->job->request->clv;
    *out = (struct pat_outlook){.fit = NULL};
    PAT_TRY(pat_model__find(run, ask->model, &out->model));
    PAT_TRY(read_params(run, out));
    set_terms(out, ask, &use, ask->unit_days);
    return PAT_OK;
}

/* ---- predictions ------------------------------------------------------------------------------------------------- */

double pat_outlook__mean(const struct pat_outlook *outlook, double x, double mean) {
    return outlook->has_spend ? pat_spend_expected(&outlook->spend, x, mean) : (double)NAN;
}

struct pat_forecast pat_forecast__of(struct pat_scorer *scorer, const struct pat_outlook *outlook,
                                     const struct pat_btyd_pattern *pattern) {
    const double horizon = outlook->terms.horizon_days / outlook->terms.unit_days;
    return (struct pat_forecast){
        .p_alive = pat_scorer_p_alive(scorer, pattern),
        .expected = pat_scorer_expected(scorer, pattern, 0, horizon),
        .discounted = pat_scorer_discounted(scorer, pattern, &outlook->terms),
    };
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

/* What is to come depends on (x, T) alone once a customer is alive, and there are few of those: each is worked out
 * once, for a customer whose last purchase was a moment ago, and divided by the chance that such a one is alive. */
struct ahead {
    int64_t *key; /* x << 32 | T in days, rising */
    uint64_t count;
    double *expected, *discounted; /* given alive */
};

static int64_t key_of(const struct pat_history *history, pat_day day) {
    return (int64_t)history->repeats << 32 | pat_history__T(history, day);
}

static enum pat_status list_keys(struct pat_run *run, const struct pat_purchases *purchases, struct ahead *out) {
    void *memory, *scratch;
    uint64_t count = 0;
    PAT_TRY(pat_run__array(run, run->customers, sizeof *out->key, &memory));
    PAT_TRY(pat_run__array(run, run->customers, sizeof *out->key, &scratch));
    out->key = memory;
    for (uint64_t row = 0; row < run->customers; row++) {
        if (purchases->of[row].first != PAT_DAY_NONE) out->key[count++] = key_of(&purchases->of[row], run->day);
    }
    pat_sort_int64(out->key, scratch, count);
    for (uint64_t i = 0; i < count; i++) {
        if (i == 0 || out->key[i] != out->key[i - 1]) out->key[out->count++] = out->key[i];
    }
    return PAT_OK;
}

static enum pat_status look_ahead(struct pat_run *run, const struct pat_outlook *outlook, struct pat_scorer *scorer,
                                  struct ahead *out) {
    void *memory;
    PAT_TRY(pat_run__array(run, out->count, sizeof(double), &memory));
    out->expected = memory;
    PAT_TRY(pat_run__array(run, out->count, sizeof(double), &memory));
    out->discounted = memory;
    for (uint64_t i = 0; i < out->count; i++) {
        if (i % 256 == 0) PAT_TRY(pat_run__stop(run));
        const double T = (double)(out->key[i] & UINT32_MAX) / outlook->terms.unit_days;
        const double x = (double)(out->key[i] >> 32);
        const struct pat_btyd_pattern fresh = {.x = x, .t_x = x > 0 ? T : 0, .T = T, .weight = 1};
        const struct pat_forecast forecast = pat_forecast__of(scorer, outlook, &fresh);
        out->expected[i] = forecast.p_alive > 0 ? forecast.expected / forecast.p_alive : 0;
        out->discounted[i] = forecast.p_alive > 0 ? forecast.discounted / forecast.p_alive : 0;
    }
    return PAT_OK;
}

static uint64_t find_key(const struct ahead *ahead, int64_t key) {
    uint64_t low = 0, high = ahead->count - 1;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (ahead->key[middle] < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void score(struct pat_run *run, struct pat_lifetime *lifetime, const struct pat_history *history,
                  const struct pat_scorer *scorer, const struct ahead *ahead, uint64_t row) {
    const struct pat_outlook *outlook = &lifetime->outlook;
    const uint64_t at = find_key(ahead, key_of(history, run->day));
    const struct pat_btyd_pattern pattern = pat_history__pattern(history, run->day, outlook->terms.unit_days);
    const double alive = pat_scorer_p_alive(scorer, &pattern);
    const double mean = pat_outlook__mean(outlook, pattern.x, pat_history__mean(run, history));
    lifetime->p_alive[row] = billionths(alive);
    lifetime->expected[row] = billionths(alive * ahead->expected[at]);
    lifetime->clv[row] = pat_run__minor_of(run, alive * ahead->discounted[at] * mean * outlook->terms.margin);
}

static enum pat_status score_all(struct pat_run *run, struct pat_lifetime *lifetime,
                                 const struct pat_purchases *purchases) {
    struct pat_scorer scorer;
    struct ahead ahead = {.count = 0};
    pat_scorer_init(&scorer, lifetime->outlook.model, lifetime->outlook.params);
    PAT_TRY(list_keys(run, purchases, &ahead));
    PAT_TRY(look_ahead(run, &lifetime->outlook, &scorer, &ahead));
    for (uint64_t row = 0; row < run->customers; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(run));
        lifetime->p_alive[row] = lifetime->expected[row] = lifetime->clv[row] = PAT_NULL;
        const struct pat_history *history = &purchases->of[row];
        if (history->first != PAT_DAY_NONE) score(run, lifetime, history, &scorer, &ahead, row);
    }
    return PAT_OK;
}

enum pat_status pat_lifetime__compute(struct pat_run *run) {
    struct pat_purchases purchases;
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof *run->lifetime, &memory));
    struct pat_lifetime *lifetime = memory;
    PAT_TRY(pat_outlook__find(run, &lifetime->outlook));
    int64_t **const values[] = {&lifetime->p_alive, &lifetime->expected, &lifetime->clv};
    for (unsigned i = 0; i < 3; i++) {
        PAT_TRY(pat_run__array(run, run->customers, sizeof(int64_t), &memory));
        *values[i] = memory;
    }
    PAT_TRY(pat_purchases__collect(run, PAT_DAY_NONE, run->day, true, &purchases));
    PAT_TRY(score_all(run, lifetime, &purchases));
    run->lifetime = lifetime;
    return PAT_OK;
}
