/* What every reading method takes, and the rfm parameters. */
#include "model/date.h"
#include "model/request_private.h"

#include <inttypes.h>
#include <stdio.h>

bool pat_duration_parse(struct pat_text text, int32_t *days) {
    if (pat_text_is(text, "all")) {
        *days = 0;
        return true;
    }
    int32_t count = 0;
    size_t at = 0;
    for (; at < text.length && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        count = count * 10 + (text.data[at] - '0');
        if (count > PAT_DURATION_DAYS_MAX) return false;
    }
    if (at == 0 || at + 1 != text.length) return false;
    if (text.data[at] != 'd' && text.data[at] != 'w') return false;
    if (text.data[at] == 'w') count *= 7;
    if (count < 1 || count > PAT_DURATION_DAYS_MAX) return false;
    *days = count;
    return true;
}

/* ---- rfm -------------------------------------------------------------------------------------------------------- */

static const char *const spec_params[] = {"window", "scoring", "cuts", "map", "population", NULL};

static enum pat_status parse_window(struct pat_rfm_spec *spec, const struct pat_params *params) {
    spec->window_days = 365;
    const struct pat_value *value = pat_param__get(params, "window");
    if (value == NULL) return PAT_OK;
    if (value->type != PAT_VALUE_TEXT || !pat_duration_parse(pat_value_as_text(value), &spec->window_days)) {
        return pat_param__fail(params, "window", value,
                               "a duration of up to 100 years such as \"365d\" or \"52w\", or "
                               "\"all\"");
    }
    return PAT_OK;
}

/* Four cuts that get better: `falls` for recency, where fewer days are better. */
static enum pat_status parse_cut(const struct pat_params *params, const struct pat_value *cuts, const char *key,
                                 int64_t least, bool falls, int64_t out[4]) {
    const struct pat_value *list = pat_value_get(cuts, key);
    if (list == NULL) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "cuts",
                                 "\"%s\" is missing: cuts need r, f and m_minor, "
                                 "four integers each",
                                 key);
    }
    char got[PAT_DESCRIBE_BYTES];
    if (list->type != PAT_VALUE_ARRAY || list->count != 4) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "cuts", "%s: expected an array of four integers, got %s",
                                 key, pat_value__describe(list, got));
    }
    for (unsigned i = 0; i < 4; i++) {
        const struct pat_value *item = &list->as.items[i];
        if (item->type != PAT_VALUE_INT || item->as.integer < least) {
            return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "cuts",
                                     "%s[%u]: expected an integer not below %" PRId64 ", got %s", key, i, least,
                                     pat_value__describe(item, got));
        }
        out[i] = item->as.integer;
        if (i == 0 || (falls ? out[i] < out[i - 1] : out[i] > out[i - 1])) continue;
        return pat_param__refuse(
            params, PAT_ERR_BAD_REQUEST, "cuts",
            falls ? "%s must fall: the most days that still earn score 2, 3, 4, 5; %" PRId64 " stands before %" PRId64
                  : "%s must rise: the least that earns score 2, 3, 4, 5; %" PRId64 " stands before %" PRId64,
            key, out[i - 1], out[i]);
    }
    return PAT_OK;
}

static enum pat_status parse_cuts(struct pat_rfm_spec *spec, const struct pat_params *params,
                                  const struct pat_value *cuts) {
    if (cuts->type != PAT_VALUE_MAP) {
        return pat_param__fail(params, "cuts", cuts, "a map {r: [4], f: [4], m_minor: [4]}");
    }
    static const char *const names[] = {"r", "f", "m_minor", NULL};
    char prefix[PAT_ERROR_FIELD_BYTES];
    (void)snprintf(prefix, sizeof prefix, "%scuts.", params->prefix);
    struct pat_params inner = *params;
    inner.map = cuts;
    inner.prefix = prefix;
    PAT_TRY(pat_param__check_names(&inner, names));
    PAT_TRY(parse_cut(params, cuts, "r", 0, true, spec->cut_r));
    PAT_TRY(parse_cut(params, cuts, "f", 1, false, spec->cut_f));
    return parse_cut(params, cuts, "m_minor", INT64_MIN + 1, false, spec->cut_m);
}

static enum pat_status parse_scoring(struct pat_rfm_spec *spec, const struct pat_params *params) {
    static const char *const words[] = {
        [PAT_RFM_QUINTILE] = "quintile", [PAT_RFM_CUTS] = "cuts", [PAT_RFM_MEAN] = "mean", NULL};
    const struct pat_value *cuts = pat_param__get(params, "cuts");
    int scoring = cuts != NULL ? PAT_RFM_CUTS : PAT_RFM_QUINTILE;
    PAT_TRY(pat_param__choice(params, "scoring", words, &scoring));
    spec->scoring = (enum pat_rfm_scoring)scoring;
    if (cuts != NULL && spec->scoring != PAT_RFM_CUTS) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "cuts", "cuts go with scoring \"cuts\", not with \"%s\"",
                                 words[scoring]);
    }
    if (cuts != NULL) return parse_cuts(spec, params, cuts);
    if (spec->scoring != PAT_RFM_CUTS) return PAT_OK;
    return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "scoring", "\"cuts\" needs the parameter \"%scuts\"",
                             params->prefix);
}

static enum pat_status parse_spec(struct pat_rfm_spec *spec, const struct pat_params *params,
                                  struct pat_filter_args *args) {
    PAT_TRY(parse_window(spec, params));
    PAT_TRY(parse_scoring(spec, params));
    PAT_TRY(pat_param__name(params, "map", PAT_MAP_NAME_BYTES_MAX, &spec->map));
    const struct pat_value *population = pat_param__get(params, "population");
    if (population == NULL) return PAT_OK;
    return pat_filter__from_value(&spec->population, population, "population", args, params->arena, params->error);
}

/* The spec stands in `rfm`, or for rfm.* methods at the top; not in both. */
static enum pat_status parse_rfm(struct pat_rfm_spec *spec, const struct pat_params *params, bool at_top,
                                 struct pat_filter_args *args) {
    const struct pat_value *rfm = pat_param__get(params, "rfm");
    if (rfm == NULL && at_top) return parse_spec(spec, params, args);
    if (rfm != NULL && rfm->type != PAT_VALUE_MAP) {
        return pat_param__fail(params, "rfm", rfm, "a map with window, scoring, cuts, map or population");
    }
    for (const char *const *name = spec_params; at_top && *name != NULL; name++) {
        if (pat_param__get(params, *name) == NULL) continue;
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, *name,
                                 "it stands beside \"rfm\": put it inside, or give "
                                 "no \"rfm\"");
    }
    const struct pat_params inner = {params->info, rfm, "rfm.", params->arena, params->error};
    PAT_TRY(pat_param__check_names(&inner, spec_params));
    return parse_spec(spec, &inner, args);
}

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

/* Thousandths are as fine as anybody writes a multiple of a mean; zero would be no span at all. */
static bool milli_of(const struct pat_value *item, int32_t *out) {
    const double value = item->type == PAT_VALUE_INT     ? (double)item->as.integer
                         : item->type == PAT_VALUE_FLOAT ? item->as.real
                                                         : 0;
    if (!(value >= 0.001 && value <= PAT_LIFECYCLE_GAPS_MAX)) return false;
    *out = (int32_t)(value * 1000 + 0.5);
    return (double)*out / 1000 == value;
}

static enum pat_status parse_gaps(struct pat_question *question, const struct pat_params *params) {
    const struct pat_value *gaps = pat_param__get(params, "gaps");
    if (gaps == NULL) return PAT_OK;
    int32_t *milli = question->lifecycle_gap_milli;
    const bool fine = gaps->type == PAT_VALUE_ARRAY && gaps->count == 2 && milli_of(&gaps->as.items[0], &milli[0]) &&
                      milli_of(&gaps->as.items[1], &milli[1]) && milli[0] <= milli[1];
    if (fine) return PAT_OK;
    return pat_param__fail(params, "gaps", gaps,
                           "two multiples of a customer's mean gap that rise, up to %u and with three decimals at the "
                           "most, as in [1, 3]",
                           PAT_LIFECYCLE_GAPS_MAX);
}

static enum pat_status parse_lifecycle(struct pat_question *question, const struct pat_params *params) {
    static const char *const names[] = {"cuts", "gaps", NULL};
    const struct pat_value *value = pat_param__get(params, "lifecycle");
    if (value == NULL) return PAT_OK;
    if (value->type != PAT_VALUE_MAP)
        return pat_param__fail(params, "lifecycle", value, "a map {cuts: [90, 365]} or {gaps: [1, 3]}");
    const struct pat_params inner = {params->info, value, "lifecycle.", params->arena, params->error};
    PAT_TRY(pat_param__check_names(&inner, names));
    PAT_TRY(parse_gaps(question, &inner));
    const struct pat_value *cuts = pat_param__get(&inner, "cuts");
    if (cuts == NULL) return PAT_OK;
    bool fine = cuts->type == PAT_VALUE_ARRAY && cuts->count == 2;
    for (unsigned i = 0; fine && i < 2; i++) {
        const struct pat_value *item = &cuts->as.items[i];
        fine = item->type == PAT_VALUE_INT && item->as.integer >= 0 && item->as.integer <= PAT_DURATION_DAYS_MAX;
        if (fine) question->lifecycle_cut[i] = (int32_t)item->as.integer;
    }
    if (fine && question->lifecycle_cut[0] <= question->lifecycle_cut[1]) return PAT_OK;
    return pat_param__fail(&inner, "cuts", cuts, "two numbers of days that rise, as in [90, 365]");
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

enum pat_status pat_param__as_of(const struct pat_params *params, const char *key, enum pat_as_of_kind *kind,
                                 pat_day *day) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return PAT_OK;
    *kind = PAT_AS_OF_NOW;
    if (pat_value_is_text(value, "now")) return PAT_OK;
    *kind = PAT_AS_OF_LATEST;
    if (pat_value_is_text(value, "latest")) return PAT_OK;
    *kind = PAT_AS_OF_DAY;
    if (value->type == PAT_VALUE_TEXT && pat_day_parse(pat_value_as_text(value), day)) return PAT_OK;
    if (value->type == PAT_VALUE_INT && value->as.integer >= PAT_DAY_MIN && value->as.integer <= PAT_DAY_MAX) {
        *day = (pat_day)value->as.integer;
        return PAT_OK;
    }
    return pat_param__fail(params, key, value, "\"now\", \"latest\", a day as \"YYYY-MM-DD\" or days since 1970-01-01");
}

static enum pat_status parse_explain(struct pat_question *question, const struct pat_params *params) {
    const struct pat_value *value = pat_param__get(params, "explain_plan");
    if (value == NULL) return PAT_OK;
    if (value->type != PAT_VALUE_BOOL) return pat_param__fail(params, "explain_plan", value, "true or false");
    question->explain_plan = value->as.boolean;
    return PAT_OK;
}

enum pat_status pat_request__question(struct pat_request *out, const struct pat_params *params, bool rfm_at_top) {
    struct pat_question *question = &out->question;
    struct pat_filter_args args;
    PAT_TRY(pat_filter__args_init(&args, pat_param__get(params, "args"), params->arena, params->error));
    PAT_TRY(pat_filter__from_value(&question->where, pat_param__get(params, "where"), "where", &args, params->arena,
                                   params->error));
    PAT_TRY(pat_param__as_of(params, "as_of", &question->as_of, &question->as_of_day));
    PAT_TRY(parse_rfm(&question->rfm, params, rfm_at_top, &args));
    PAT_TRY(pat_filter__args_check(&args, params->error));
    PAT_TRY(parse_lifecycle(question, params));
    PAT_TRY(parse_explain(question, params));
    return pat_request__reading(out, params);
}

static enum pat_status parse_unless(struct pat_question *question, const struct pat_params *params) {
    static const char *const names[] = {"epoch", "lsn", "as_of", NULL};
    struct pat_unless *unless = &question->unless;
    const struct pat_value *value = pat_param__get(params, "unless");
    if (value == NULL) return PAT_OK;
    if (value->type != PAT_VALUE_MAP) {
        return pat_param__fail(params, "unless", value, "a map {epoch, lsn} out of an answer that is still at hand");
    }
    const struct pat_params inner = {params->info, value, "unless.", params->arena, params->error};
    PAT_TRY(pat_param__check_names(&inner, names));
    if (pat_param__get(&inner, "epoch") == NULL) return pat_param__missing(&inner, "epoch", "that of the answer");
    if (pat_param__get(&inner, "lsn") == NULL) return pat_param__missing(&inner, "lsn", "that of the answer");
    int64_t epoch = 0, lsn = 0;
    PAT_TRY(pat_param__integer(&inner, "epoch", 0, INT64_MAX, &epoch));
    PAT_TRY(pat_param__integer(&inner, "lsn", 0, INT64_MAX, &lsn));
    *unless = (struct pat_unless){.given = true, .epoch = (uint64_t)epoch, .lsn = (pat_lsn)lsn};
    const struct pat_value *as_of = pat_param__get(&inner, "as_of");
    if (as_of == NULL) return PAT_OK;
    struct pat_day_param day;
    if (!pat_param__day(as_of, &day) || day.relative) {
        return pat_param__fail(&inner, "as_of", as_of, "the day of the answer, \"YYYY-MM-DD\"");
    }
    unless->as_of_given = true;
    unless->as_of = day.days;
    return PAT_OK;
}

enum pat_status pat_request__reading(struct pat_request *out, const struct pat_params *params) {
    struct pat_question *question = &out->question;
    int64_t min_lsn = 0, deadline_ms = 0;
    PAT_TRY(parse_unless(question, params));
    PAT_TRY(pat_param__integer(params, "min_lsn", 0, INT64_MAX, &min_lsn));
    PAT_TRY(pat_param__integer(params, "deadline_ms", 0, PAT_DEADLINE_MS_MAX, &deadline_ms));
    question->min_lsn = (pat_lsn)min_lsn;
    question->deadline_ms = (uint32_t)deadline_ms;
    return PAT_OK;
}
