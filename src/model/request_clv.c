/* clv.*: fits, what they are asked, how they are put to use. */
#include "model/request_private.h"

#include <math.h>

/* "365d", "52w", "12m", "1y"; none is endless. */
static bool read_horizon(struct pat_text text, double *days) {
    static const struct {
        char unit;
        double days;
    } units[] = {{'d', 1}, {'w', 7}, {'m', PAT_CLV_MONTH_DAYS}, {'y', 12 * PAT_CLV_MONTH_DAYS}};
    double count = 0;
    size_t at = 0;
    for (; at < text.length && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        count = count * 10 + (text.data[at] - '0');
        if (count > PAT_DURATION_DAYS_MAX) return false;
    }
    if (at == 0 || at + 1 != text.length) return false;
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
        if (text.data[at] == units[i].unit) *days = count * units[i].days;
    }
    return *days > 0 && *days <= PAT_DURATION_DAYS_MAX;
}

static enum pat_status parse_horizon(struct pat_clv_ask *ask, const struct pat_params *params) {
    const struct pat_value *value = pat_param__get(params, "horizon");
    if (value == NULL) return PAT_OK;
    if (value->type == PAT_VALUE_TEXT && read_horizon(pat_value_as_text(value), &ask->horizon_days)) return PAT_OK;
    return pat_param__fail(params, "horizon", value,
                           "a duration of up to 100 years such as \"365d\", \"52w\", \"12m\" or \"1y\"");
}

/* The limits catch per cents that were meant as shares. */
static enum pat_status parse_terms(struct pat_clv_ask *ask, const struct pat_params *params) {
    PAT_TRY(parse_horizon(ask, params));
    PAT_TRY(pat_param__number(params, "discount_annual", -0.9, 1, "a rate a year from -0.9 to 1: 0.1 is 10 %",
                              &ask->has_discount, &ask->discount_annual));
    return pat_param__number(params, "margin", -1, 1, "a share of spend from -1 to 1: 0.3 is 30 %", &ask->has_margin,
                             &ask->margin);
}

static enum pat_status parse_fit_name(struct pat_clv_ask *ask, const struct pat_params *params, const char *key) {
    return pat_param__name(params, key, PAT_FIT_NAME_BYTES_MAX, &ask->name);
}

static enum pat_status parse_model(struct pat_clv_ask *ask, const struct pat_params *params) {
    static const char *const units[] = {"week", "day", NULL};
    int unit = 0;
    PAT_TRY(pat_param__name(params, "model", PAT_FIT_WORD_BYTES - 1, &ask->model));
    PAT_TRY(pat_param__choice(params, "unit", units, &unit));
    if (pat_param__get(params, "unit") != NULL) ask->unit_days = unit == 0 ? 7 : 1;
    return PAT_OK;
}

/* ---- fit, use, fits --------------------------------------------------------------------------------------------- */

static enum pat_status parse_holdout(struct pat_request *out, const struct pat_params *params) {
    enum pat_as_of_kind kind = PAT_AS_OF_DAY;
    const struct pat_value *value = pat_param__get(params, "holdout_end");
    if (value == NULL) return PAT_OK;
    PAT_TRY(pat_param__as_of(params, "holdout_end", &kind, &out->clv.holdout_end));
    if (kind != PAT_AS_OF_DAY) {
        return pat_param__fail(params, "holdout_end", value, "a day as \"YYYY-MM-DD\" or days since 1970-01-01");
    }
    if (out->question.as_of != PAT_AS_OF_DAY || out->clv.holdout_end > out->question.as_of_day) return PAT_OK;
    return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "holdout_end",
                             "it must be after \"end\": the days in between are what the fit is tried on");
}

static enum pat_status parse_fit(struct pat_request *out, const struct pat_params *params) {
    static const char *const model = "mbg_nbd";
    struct pat_clv_ask *ask = &out->clv;
    ask->name = PAT_TEXT("default");
    ask->model = pat_text_of(model);
    ask->unit_days = 7;
    ask->adopt = PAT_CLV_ADOPT_FIRST;
    PAT_TRY(parse_fit_name(ask, params, "name"));
    PAT_TRY(parse_model(ask, params));
    out->question.as_of = PAT_AS_OF_LATEST;
    PAT_TRY(pat_request__question(out, params, false));
    if (pat_param__get(params, "end") != NULL && pat_param__get(params, "as_of") != NULL) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "as_of", "\"end\" says the same: give one of them");
    }
    PAT_TRY(pat_param__as_of(params, "end", &out->question.as_of, &out->question.as_of_day));
    PAT_TRY(parse_holdout(out, params));
    const struct pat_value *use = pat_param__get(params, "use");
    if (use != NULL && use->type != PAT_VALUE_BOOL) return pat_param__fail(params, "use", use, "true or false");
    if (use != NULL) ask->adopt = use->as.boolean ? PAT_CLV_ADOPT_YES : PAT_CLV_ADOPT_NO;
    return PAT_OK;
}

static enum pat_status parse_use(struct pat_request *out, const struct pat_params *params) {
    PAT_TRY(parse_fit_name(&out->clv, params, "name"));
    if (out->clv.name.length == 0) {
        return pat_param__missing(params, "name", "the name of a fit; clv.fits lists them");
    }
    return parse_terms(&out->clv, params);
}

/* ---- predict ---------------------------------------------------------------------------------------------------- */

/* A history beyond these is a slip of units: a purchase each second for thirty years, or ten million weeks. */
#define COUNT_MAX 1e9
#define TIME_MAX  1e7

static enum pat_status parse_history(struct pat_clv_ask *ask, const struct pat_params *params) {
    bool x = false, t_x = false, T = false;
    PAT_TRY(pat_param__number(params, "x", 0, COUNT_MAX, "a count of repeat purchase days, 0 or more", &x, &ask->x));
    PAT_TRY(pat_param__number(params, "t_x", 0, TIME_MAX, "the time from first to last purchase in the fit's unit",
                              &t_x, &ask->t_x));
    PAT_TRY(pat_param__number(params, "T", 0, TIME_MAX, "the time since the first purchase in the fit's unit", &T,
                              &ask->T));
    PAT_TRY(pat_param__number(params, "mean_minor", -(double)PAT_MONEY_MINOR_MAX, (double)PAT_MONEY_MINOR_MAX,
                              "the mean spend of the repeat days in minor units", &ask->has_mean, &ask->mean_minor));
    ask->has_history = x || t_x || T || ask->has_mean;
    if (!ask->has_history) return PAT_OK;
    if (!x || !T || (!t_x && ask->x > 0)) {
        return pat_param__missing(params,
                                  !x   ? "x"
                                  : !T ? "T"
                                       : "t_x",
                                  "a history is x repeat purchase days, the last of them t_x after the first purchase, "
                                  "and T since then, in the fit's unit");
    }
    if (ask->x != floor(ask->x)) return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "x", "days come whole");
    if (ask->t_x > ask->T) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "t_x", "the last purchase cannot be after T");
    }
    if (ask->x == 0 && ask->t_x > 0) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "t_x",
                                 "without a repeat purchase (x = 0) the last one is the first, so t_x is 0");
    }
    return PAT_OK;
}

static enum pat_status parse_params(struct pat_clv_ask *ask, const struct pat_params *params) {
    ask->params = pat_param__get(params, "params");
    if (ask->params == NULL) {
        if (ask->model.length == 0 && ask->unit_days == 0) return PAT_OK;
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, ask->model.length > 0 ? "model" : "unit",
                                 "it goes with \"params\"; without them the fit has its own");
    }
    if (ask->params->type != PAT_VALUE_MAP) {
        return pat_param__fail(params, "params", ask->params, "a map such as {r: 0.2, alpha: 4, a: 0.8, b: 2.4}");
    }
    if (ask->name.length > 0) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "params", "give a fit or params, and not both");
    }
    if (ask->model.length == 0) return pat_param__missing(params, "model", "whose parameters \"params\" are");
    if (ask->unit_days == 0) ask->unit_days = 7;
    return PAT_OK;
}

static enum pat_status parse_predict(struct pat_request *out, const struct pat_params *params) {
    struct pat_clv_ask *ask = &out->clv;
    const bool customer = pat_param__get(params, "customer") != NULL;
    if (customer) PAT_TRY(pat_request__id(out, params, "customer"));
    PAT_TRY(parse_history(ask, params));
    if (customer == ask->has_history) {
        return pat_error_set_at(params->error, PAT_ERR_BAD_REQUEST, "customer", -1, -1,
                                "clv.predict needs \"customer\", or a history in \"x\", \"t_x\" and \"T\"%s",
                                customer ? ", and not both" : "");
    }
    PAT_TRY(parse_fit_name(ask, params, "fit"));
    PAT_TRY(parse_model(ask, params));
    PAT_TRY(parse_params(ask, params));
    PAT_TRY(parse_terms(ask, params));
    return pat_request__question(out, params, false);
}

/* ---- top -------------------------------------------------------------------------------------------------------- */

/* Customers that have a value at all, among those that `where` selects. */
static const struct pat_filter *with_value(const struct pat_filter *where, const struct pat_params *params) {
    struct pat_filter *node = pat_arena_array(params->arena, 3, sizeof *node);
    const struct pat_filter **child = pat_arena_array(params->arena, 3, sizeof *child);
    if (node == NULL || child == NULL) return NULL;
    child[0] = where;
    child[1] = &node[1];
    child[2] = &node[2];
    node[0] = (struct pat_filter){.op = PAT_FILTER_AND, .offset = -1, .child = child, .children = 2};
    node[1] = (struct pat_filter){.op = PAT_FILTER_NOT, .offset = -1, .child = child + 2, .children = 1};
    node[2] = (struct pat_filter){.op = PAT_FILTER_IS_NULL, .offset = -1, .name = PAT_TEXT("clv"), .name_offset = -1};
    return &node[0];
}

static enum pat_status parse_top(struct pat_request *out, const struct pat_params *params) {
    static const struct pat_text fields[] = {{"customer", 8},    {"country", 7}, {"orders", 6},           {"net", 3},
                                             {"last_order", 10}, {"p_alive", 7}, {"expected_orders", 15}, {"clv", 3}};
    static const struct pat_order_by order[] = {{.text = {"clv", 3}, .descending = true}};
    int64_t limit = PAT_ROWS_LIMIT_DEFAULT;
    out->names = fields;
    out->names_count = sizeof fields / sizeof *fields;
    PAT_TRY(pat_param__texts(params, "fields", 1, PAT_FIELDS_MAX, &out->names, &out->names_count));
    out->order_by = order;
    out->order_bys = 1;
    PAT_TRY(pat_param__integer(params, "limit", 1, PAT_ROWS_LIMIT_MAX, &limit));
    out->limit = (uint32_t)limit;
    PAT_TRY(parse_fit_name(&out->clv, params, "fit"));
    PAT_TRY(parse_terms(&out->clv, params));
    PAT_TRY(pat_request__question(out, params, false));
    out->question.where = with_value(out->question.where, params);
    return out->question.where == NULL ? pat_param__no_memory(params) : PAT_OK;
}

/* ---- dist ------------------------------------------------------------------------------------------------------- */

static bool number_of(const struct pat_value *value, double *out) {
    *out = value->type == PAT_VALUE_INT ? (double)value->as.integer : value->as.real;
    return value->type == PAT_VALUE_INT || (value->type == PAT_VALUE_FLOAT && isfinite(value->as.real));
}

static bool rises(const struct pat_value *list) {
    double before = -HUGE_VAL, edge;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!number_of(&list->as.items[i], &edge) || edge <= before) return false;
        before = edge;
    }
    return true;
}

static enum pat_status parse_bins(struct pat_clv_ask *ask, const struct pat_params *params) {
    const struct pat_value *value = pat_param__get(params, "bins");
    ask->bins = PAT_CLV_BINS_DEFAULT;
    if (value == NULL) return PAT_OK;
    if (value->type == PAT_VALUE_ARRAY && value->count >= 1 && value->count < PAT_CLV_BINS_MAX && rises(value)) {
        ask->edges = value;
        return PAT_OK;
    }
    if (value->type != PAT_VALUE_INT || value->as.integer < 1 || value->as.integer > (int64_t)PAT_CLV_BINS_MAX) {
        return pat_param__fail(params, "bins", value,
                               "a number of bars from 1 to %u, or an array of amounts that rise, as in [0, 100, 500]",
                               PAT_CLV_BINS_MAX);
    }
    ask->bins = (uint32_t)value->as.integer;
    return PAT_OK;
}

enum pat_status pat_request__clv(struct pat_request *out, const struct pat_params *params) {
    switch (out->method) {
    case PAT_METHOD_CLV_FIT: return parse_fit(out, params);
    case PAT_METHOD_CLV_USE: return parse_use(out, params);
    case PAT_METHOD_CLV_PREDICT: return parse_predict(out, params);
    case PAT_METHOD_CLV_TOP: return parse_top(out, params);
    case PAT_METHOD_CLV_DIST:
        PAT_TRY(parse_bins(&out->clv, params));
        PAT_TRY(parse_fit_name(&out->clv, params, "fit"));
        PAT_TRY(parse_terms(&out->clv, params));
        return pat_request__question(out, params, false);
    default: return pat_request__reading(out, params);
    }
}
