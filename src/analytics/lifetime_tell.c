/* How answers speak of fits. */
#include "analytics/lifetime_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* From here on the two halves of a value are not as independent as the models take them for. */
#define CORRELATION_HIGH 0.3
#define NOTES_MAX        6u
#define NOTE_BYTES       320u

static struct pat_value real_or_nil(double number) {
    return isfinite(number) ? pat_value_real(number) : pat_value_nil();
}

static struct pat_value count_of(double number) {
    return pat_value_int((int64_t)number);
}

static struct pat_value boundary_value(struct pat_builder *builder, const struct pat_clv_boundary *boundary) {
    if (boundary->parameter[0] == '\0') return pat_value_nil();
    struct pat_value map = pat_build_map(builder, 3);
    pat_build_put(builder, &map, "parameter", pat_build_text(builder, pat_text_of(boundary->parameter)));
    pat_build_put(builder, &map, "direction", pat_build_text(builder, pat_text_of(boundary->direction)));
    pat_build_put(builder, &map, "meaning", pat_build_text(builder, pat_text_of(boundary->meaning)));
    return map;
}

static struct pat_value params_value(struct pat_builder *builder, const struct pat_clv_fit *fit, const double *values) {
    struct pat_value map = pat_build_map(builder, fit->params_count);
    for (unsigned i = 0; i < fit->params_count; i++) {
        const struct pat_text key = pat_arena_text(builder->arena, pat_text_of(fit->param_name[i]));
        if (key.data == NULL) builder->failed = true;
        pat_build_put_text_key(builder, &map, key, real_or_nil(values[i]));
    }
    return map;
}

static void put_spend_params(struct pat_builder *builder, struct pat_value *map, double p, double q, double v) {
    pat_build_put(builder, map, "p", real_or_nil(p));
    pat_build_put(builder, map, "q", real_or_nil(q));
    pat_build_put(builder, map, "v", real_or_nil(v));
}

static struct pat_value spend_value(struct pat_run *run, const struct pat_clv_spend *spend) {
    struct pat_builder *builder = &run->builder;
    struct pat_value map = pat_build_map(builder, 12), se = pat_build_map(builder, 3);
    put_spend_params(builder, &map, spend->p, spend->q, spend->v);
    put_spend_params(builder, &se, spend->se_p, spend->se_q, spend->se_v);
    pat_build_put(builder, &map, "se", se);
    pat_build_put(builder, &map, "loglik", real_or_nil(spend->loglik));
    pat_build_put(builder, &map, "customers", count_of(spend->customers));
    pat_build_put(builder, &map, "left_out", count_of(spend->left_out));
    if (spend->unpriced > 0) pat_build_put(builder, &map, "unpriced", count_of(spend->unpriced));
    pat_build_put(builder, &map, "correlation", real_or_nil(spend->correlation));
    pat_build_put(builder, &map, "converged", pat_value_bool(spend->converged));
    pat_build_put(builder, &map, "boundary", boundary_value(builder, &spend->boundary));
    pat_build_put(builder, &map, "currency", pat_build_text(builder, pat_text_of(run->view->base_currency)));
    return map;
}

static struct pat_value holdout_value(struct pat_builder *builder, const struct pat_clv_holdout *holdout) {
    struct pat_value map = pat_build_map(builder, 6);
    pat_build_put(builder, &map, "end", pat_build_day(builder, holdout->end));
    pat_build_put(builder, &map, "customers", count_of(holdout->customers));
    pat_build_put(builder, &map, "actual", count_of(holdout->actual));
    pat_build_put(builder, &map, "expected", real_or_nil(holdout->expected));
    pat_build_put(builder, &map, "mae", real_or_nil(holdout->mae));
    pat_build_put(builder, &map, "rmse", real_or_nil(holdout->rmse));
    return map;
}

void pat_fit__put(struct pat_run *run, const struct pat_clv_fit *fit, struct pat_value *map) {
    struct pat_builder *builder = &run->builder;
    pat_build_put(builder, map, "name", pat_build_text(builder, pat_text_of(fit->name)));
    pat_build_put(builder, map, "model", pat_build_text(builder, pat_text_of(fit->model)));
    pat_build_put(builder, map, "unit", pat_value_string(fit->unit_days == 7 ? "week" : "day"));
    pat_build_put(builder, map, "end", pat_build_day(builder, fit->end));
    pat_build_put(builder, map, "customers", count_of(fit->customers));
    pat_build_put(builder, map, "repeaters", count_of(fit->repeaters));
    pat_build_put(builder, map, "params", params_value(builder, fit, fit->params));
    pat_build_put(builder, map, "se", params_value(builder, fit, fit->se));
    pat_build_put(builder, map, "loglik", real_or_nil(fit->loglik));
    pat_build_put(builder, map, "nbd_loglik", real_or_nil(fit->nbd_loglik));
    pat_build_put(builder, map, "iterations", pat_value_int(fit->iterations));
    pat_build_put(builder, map, "converged", pat_value_bool(fit->converged));
    pat_build_put(builder, map, "boundary", boundary_value(builder, &fit->boundary));
    pat_build_put(builder, map, "spend", spend_value(run, &fit->spend));
    if (fit->holdout.end != PAT_DAY_NONE) pat_build_put(builder, map, "holdout", holdout_value(builder, &fit->holdout));
    pat_build_put(builder, map, "data_lsn", pat_value_uint(fit->data_lsn));
}

void pat_analytics_put_use(struct pat_builder *builder, const struct pat_clv_use *use, struct pat_value *map) {
    const double days = use->horizon_days;
    pat_build_put(builder, map, "horizon",
                  days == floor(days) ? pat_build_printf(builder, "%.0fd", days)
                                      : pat_build_printf(builder, "%.0fm", days / PAT_CLV_MONTH_DAYS));
    pat_build_put(builder, map, "discount_annual", pat_value_real(use->discount_annual));
    pat_build_put(builder, map, "margin", pat_value_real(use->margin));
}

/* ---- warnings ---------------------------------------------------------------------------------------------------- */

/* Notes on a fit, at most NOTES_MAX. `values`: only those that change what its predictions mean. */
static unsigned notes_of(const struct pat_clv_fit *fit, bool values, char note[NOTES_MAX][NOTE_BYTES]) {
    const struct pat_clv_spend *spend = &fit->spend;
    unsigned n = 0;
    if (strcmp(fit->model, "bg_nbd") == 0) {
        (void)snprintf(note[n++], NOTE_BYTES,
                       "bg_nbd holds every customer with one purchase day for alive (p_alive 1); mbg_nbd does not");
    }
    if (!(spend->customers > 0)) {
        (void)snprintf(
            note[n++], NOTE_BYTES,
            "fit \"%s\" knows no spend, so there is no clv: no customer has repeat days worth more than zero",
            fit->name);
    } else if (spend->mean_infinite) {
        (void)snprintf(note[n++], NOTE_BYTES,
                       "fit \"%s\": with q = %.3g mean spend has no end, so customers without a repeat day have no clv",
                       fit->name, spend->q);
    }
    if (values) return n;
    if (fit->boundary.parameter[0] != '\0') {
        (void)snprintf(note[n++], NOTE_BYTES, "fit \"%s\": %s goes to %s: %s", fit->name, fit->boundary.parameter,
                       fit->boundary.direction, fit->boundary.meaning);
    } else if (!fit->converged) {
        (void)snprintf(note[n++], NOTE_BYTES,
                       "fit \"%s\": the search ended before the likelihood was flat; its parameters are not certain",
                       fit->name);
    }
    if (spend->boundary.parameter[0] != '\0') {
        (void)snprintf(note[n++], NOTE_BYTES, "fit \"%s\", spend: %s goes to %s: %s", fit->name,
                       spend->boundary.parameter, spend->boundary.direction, spend->boundary.meaning);
    }
    if (fabs(spend->correlation) > CORRELATION_HIGH) {
        (void)snprintf(note[n++], NOTE_BYTES,
                       "fit \"%s\": frequency and spend correlate (%.2f), and the model takes them for independent",
                       fit->name, spend->correlation);
    }
    return n;
}

static void warn(struct pat_run *run, const struct pat_clv_fit *fit, bool values) {
    char note[NOTES_MAX][NOTE_BYTES];
    const unsigned count = notes_of(fit, values, note);
    for (unsigned i = 0; i < count; i++) pat_run__warn(run, "%s", note[i]);
}

void pat_fit__warn(struct pat_run *run, const struct pat_clv_fit *fit) {
    warn(run, fit, false);
}

void pat_analytics_fit_warnings(struct pat_builder *builder, const struct pat_clv_fit *fit,
                                struct pat_value *warnings) {
    char note[NOTES_MAX][NOTE_BYTES];
    const unsigned count = notes_of(fit, false, note);
    for (unsigned i = 0; i < count; i++) {
        pat_build_push(builder, warnings, pat_build_text(builder, pat_text_of(note[i])));
    }
}

void pat_outlook__put(struct pat_run *run, const struct pat_outlook *outlook, struct pat_value *map) {
    const struct pat_clv_fit *fit = outlook->fit;
    if (fit == NULL) {
        pat_build_put(&run->builder, map, "fit", pat_value_nil());
        return;
    }
    pat_build_put(&run->builder, map, "fit", pat_build_text(&run->builder, pat_text_of(fit->name)));
    pat_build_put(&run->builder, map, "end", pat_build_day(&run->builder, fit->end));
    if (fit->end > run->day) pat_build_put(&run->builder, map, "leak", pat_value_bool(true));
}

void pat_outlook__tell(struct pat_run *run, const struct pat_outlook *outlook) {
    pat_outlook__put(run, outlook, &run->result);
    if (outlook->fit != NULL) warn(run, outlook->fit, true);
}
