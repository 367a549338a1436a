/* What a fit says of customers as of D. */
#include "analytics/bind_private.h"

#include "analytics/lifetime_private.h"
#include "lifetime/sheet.h"

#include <inttypes.h>
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

/* Cells of a sheet that a thread takes at a time: a few hundred microseconds. */
#define PART_CELLS 128u

struct scoring {
    struct pat_run *run;
    struct pat_lifetime *lifetime;
    const struct pat_purchases *purchases;
    struct pat_sheet *sheet;
    struct pat_sheet_lane *lane; /* one for each thread */
};

/* One walk over everybody: a sheet is one thread's while it grows. */
static enum pat_status note_cells(const struct scoring *scoring) {
    const struct pat_run *run = scoring->run;
    for (uint64_t row = 0; row < run->customers; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(run));
        const struct pat_history *history = &scoring->purchases->of[row];
        if (history->first == PAT_DAY_NONE) continue;
        PAT_TRY(pat_sheet_note(scoring->sheet, history->repeats, (uint32_t)pat_history__T(history, run->day)));
    }
    return pat_sheet_close_up(scoring->sheet);
}

static void fill_part(void *context, uint32_t part, unsigned lane) {
    const struct scoring *scoring = context;
    const size_t first = (size_t)part * PART_CELLS, left = scoring->sheet->count - first;
    if (pat_run__stopped(scoring->run, NULL) != PAT_OK) return; /* the asking thread says so afterwards */
    pat_sheet_fill(scoring->sheet, &scoring->lane[lane], first, first + (left < PART_CELLS ? left : PART_CELLS));
}

static enum pat_status fill_cells(struct scoring *scoring) {
    struct pat_run *run = scoring->run;
    const unsigned lanes = pat_run__lanes(run);
    void *memory;
    PAT_TRY(pat_run__array(run, lanes, sizeof *scoring->lane, &memory));
    scoring->lane = memory;
    for (unsigned i = 0; i < lanes; i++) pat_sheet_lane_init(&scoring->lane[i]);
    pat_spread_run(run->job->spread, fill_part, scoring,
                   (uint32_t)((scoring->sheet->count + PART_CELLS - 1) / PART_CELLS));
    return pat_run__stop(run);
}

/* Customers with a purchase, gathered from a range of rows. */
struct batch {
    size_t n;
    uint64_t row[PAT_SHEET_BLOCK];
    uint32_t x[PAT_SHEET_BLOCK], t_x[PAT_SHEET_BLOCK], T[PAT_SHEET_BLOCK];
    double p_alive[PAT_SHEET_BLOCK], expected[PAT_SHEET_BLOCK], discounted[PAT_SHEET_BLOCK];
};

static void score_batch(const struct scoring *scoring, struct batch *batch) {
    const struct pat_run *run = scoring->run;
    struct pat_lifetime *lifetime = scoring->lifetime;
    pat_sheet_score(scoring->sheet, batch->n, batch->x, batch->t_x, batch->T, batch->p_alive, batch->expected,
                    batch->discounted);
    for (size_t i = 0; i < batch->n; i++) {
        const uint64_t row = batch->row[i];
        const double mean =
            pat_outlook__mean(&lifetime->outlook, batch->x[i], pat_history__mean(run, &scoring->purchases->of[row]));
        lifetime->p_alive[row] = billionths(batch->p_alive[i]);
        lifetime->expected[row] = billionths(batch->expected[i]);
        lifetime->clv[row] = pat_run__minor_of(run, batch->discounted[i] * mean * lifetime->outlook.terms.margin);
    }
    batch->n = 0;
}

static enum pat_status score_part(void *context, const struct pat_part *part) {
    const struct scoring *scoring = context;
    struct pat_lifetime *lifetime = scoring->lifetime;
    struct batch batch;
    batch.n = 0;
    for (uint64_t row = part->first; row < part->end; row++) {
        const struct pat_history *history = &scoring->purchases->of[row];
        if (history->first == PAT_DAY_NONE) {
            lifetime->p_alive[row] = lifetime->expected[row] = lifetime->clv[row] = PAT_NULL;
            continue;
        }
        batch.row[batch.n] = row;
        batch.x[batch.n] = history->repeats;
        batch.t_x[batch.n] = (uint32_t)pat_history__t_x(history);
        batch.T[batch.n++] = (uint32_t)pat_history__T(history, part->run->day);
        if (batch.n == PAT_SHEET_BLOCK) score_batch(scoring, &batch);
    }
    score_batch(scoring, &batch);
    return PAT_OK;
}

static enum pat_status use_sheet(struct scoring *scoring) {
    PAT_TRY(note_cells(scoring));
    PAT_TRY(fill_cells(scoring));
    return pat_run__spread(scoring->run, scoring->run->customers, score_part, scoring);
}

static enum pat_status score_all(struct pat_run *run, struct pat_lifetime *lifetime,
                                 const struct pat_purchases *purchases) {
    const struct pat_outlook *outlook = &lifetime->outlook;
    const struct pat_sheet_ask ask = {
        .model = outlook->model, .params = outlook->params, .terms = &outlook->terms, .kernels = run->kernels};
    struct pat_sheet sheet;
    struct scoring scoring = {.run = run, .lifetime = lifetime, .purchases = purchases, .sheet = &sheet};
    enum pat_status status = pat_sheet_init(&sheet, &ask);
    if (status == PAT_OK) status = use_sheet(&scoring);
    pat_sheet_deinit(&sheet);
    if (status != PAT_ERR_NO_MEMORY) return status;
    return pat_error_set(run->error, status, "no memory to value %" PRIu32 " customers", run->customers);
}

enum pat_status pat_lifetime__compute(struct pat_run *run) {
    struct pat_purchases purchases;
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof *run->lifetime, &memory));
    struct pat_lifetime *lifetime = memory;
    PAT_TRY(pat_outlook__find(run, &lifetime->outlook));
    int64_t **const values[] = {&lifetime->p_alive, &lifetime->expected, &lifetime->clv};
    for (unsigned i = 0; i < 3; i++) {
        *values[i] = pat_arena_array_big(run->arena, run->customers, sizeof(int64_t));
        if (*values[i] == NULL) {
            return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory to value %" PRIu32 " customers",
                                 run->customers);
        }
    }
    PAT_TRY(pat_purchases__collect(run, PAT_DAY_NONE, run->day, true, &purchases));
    PAT_TRY(score_all(run, lifetime, &purchases));
    run->lifetime = lifetime;
    return PAT_OK;
}
