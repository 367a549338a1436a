#include "model/request.h"

#include "model/id.h"
#include "model/request_private.h"

enum pat_status pat_request__id(struct pat_request *out, const struct pat_params *params, const char *key) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return pat_param__missing(params, key, "its id");
    if (value->type == PAT_VALUE_TEXT) {
        const enum pat_id_fault fault = pat_id_check(pat_value_as_text(value));
        if (fault != PAT_ID_FINE)
            return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, key, "%s", pat_id_fault_text(fault));
    } else if (value->type != PAT_VALUE_INT && value->type != PAT_VALUE_UINT) {
        return pat_param__fail(params, key, value, "an id as a text or an integer");
    }
    return pat_param__name_or_number(params, key, PAT_ID_BYTES_MAX, &out->id);
}

/* The facts to add, out of the NULL-terminated `words`; flag[i] belongs to words[i]. */
static enum pat_status parse_with(const struct pat_params *params, const char *const *words, bool *const *flag) {
    const struct pat_text *texts = NULL;
    uint32_t count = 0;
    PAT_TRY(pat_param__texts(params, "with", 0, PAT_FIELDS_MAX, &texts, &count));
    for (uint32_t i = 0; i < count; i++) {
        unsigned k = 0;
        while (words[k] != NULL && !pat_text_is(texts[i], words[k])) k++;
        if (words[k] != NULL) {
            *flag[k] = true;
            continue;
        }
        const struct pat_value got = pat_value_text(texts[i]);
        return pat_param__fail(params, "with", &got, words[2] != NULL ? "%s, %s or %s" : "%s or %s", words[0], words[1],
                               words[2]);
    }
    return PAT_OK;
}

static enum pat_status parse_customer(struct pat_request *out, const struct pat_params *params) {
    static const char *const words[] = {"orders", "refunds", "lines", NULL};
    bool *const flags[] = {&out->with_orders, &out->with_refunds, &out->with_lines};
    PAT_TRY(pat_request__id(out, params, "customer"));
    PAT_TRY(parse_with(params, words, flags));
    int64_t limit = 0;
    PAT_TRY(pat_param__integer(params, "limit", 1, PAT_ROWS_LIMIT_MAX, &limit));
    out->limit = (uint32_t)limit;
    return pat_request__question(out, params, false);
}

static enum pat_status parse_order(struct pat_request *out, const struct pat_params *params) {
    static const char *const words[] = {"lines", "refunds", NULL};
    bool *const flags[] = {&out->with_lines, &out->with_refunds};
    PAT_TRY(pat_request__id(out, params, "order"));
    PAT_TRY(parse_with(params, words, flags));
    return pat_request__question(out, params, false);
}

static enum pat_status parse_load_state(struct pat_request *out, const struct pat_params *params) {
    if (pat_param__get(params, "producer") == NULL) {
        return pat_param__missing(params, "producer", "the name that its batches were sent with");
    }
    return pat_param__name_or_number(params, "producer", PAT_PRODUCER_BYTES_MAX, &out->producer);
}

static enum pat_status parse_backup(struct pat_request *out, const struct pat_params *params) {
    static const char *const keys[] = {"backup", "file", "offset"};
    int64_t number[] = {0, 0, 0}, bytes = PAT_BACKUP_PIECE_BYTES_MAX;
    const unsigned needed = out->method == PAT_METHOD_BACKUP_READ ? 3 : 1;
    for (unsigned i = 0; i < needed; i++) {
        if (pat_param__get(params, keys[i]) == NULL) return pat_param__missing(params, keys[i], "a number");
        PAT_TRY(pat_param__integer(params, keys[i], 0, i == 1 ? INT32_MAX : INT64_MAX, &number[i]));
    }
    PAT_TRY(pat_param__integer(params, "bytes", 1, PAT_BACKUP_PIECE_BYTES_MAX, &bytes));
    out->backup = (struct pat_backup_ask){.backup = (uint64_t)number[0],
                                          .file = (uint32_t)number[1],
                                          .offset = (uint64_t)number[2],
                                          .bytes = (uint32_t)bytes};
    return PAT_OK;
}

static enum pat_status parse_backup_begin(struct pat_request *out, const struct pat_params *params) {
    const struct pat_value *newest = pat_param__get(params, "newest");
    if (newest != NULL && newest->type != PAT_VALUE_BOOL) return pat_param__fail(params, "newest", newest, "a bool");
    out->backup.newest = newest != NULL && newest->as.boolean;
    return PAT_OK;
}

/* Exactly one of text and tree. */
static enum pat_status parse_filter(struct pat_request *out, const struct pat_params *params) {
    const struct pat_value *text = pat_param__get(params, "text");
    const struct pat_value *tree = pat_param__get(params, "tree");
    if ((text == NULL) == (tree == NULL)) {
        return pat_error_set_at(params->error, PAT_ERR_BAD_REQUEST, "text", -1, -1,
                                "filter.parse needs \"text\" or \"tree\", and not both");
    }
    if (text != NULL && text->type != PAT_VALUE_TEXT) return pat_param__fail(params, "text", text, "a text");
    if (tree != NULL && tree->type != PAT_VALUE_ARRAY && tree->type != PAT_VALUE_BOOL) {
        return pat_param__fail(params, "tree", tree, "a condition such as [\"=\", \"country\", \"BR\"]");
    }
    struct pat_filter_args args;
    PAT_TRY(pat_filter__args_init(&args, pat_param__get(params, "args"), params->arena, params->error));
    PAT_TRY(pat_filter__from_value(&out->question.where, text != NULL ? text : tree, text != NULL ? "text" : "tree",
                                   &args, params->arena, params->error));
    return pat_filter__args_check(&args, params->error);
}

static enum pat_status parse_method(struct pat_request *out, const struct pat_params *params) {
    switch (out->method) {
    case PAT_METHOD_LOAD: return pat_request__load(out, params);
    case PAT_METHOD_SCHEMA_ADD: return pat_request__schema_add(out, params);
    case PAT_METHOD_LOAD_STATE: return parse_load_state(out, params);
    case PAT_METHOD_CUSTOMER: return parse_customer(out, params);
    case PAT_METHOD_ORDER: return parse_order(out, params);
    case PAT_METHOD_FX:
    case PAT_METHOD_COUNT: return pat_request__question(out, params, false);
    case PAT_METHOD_ROWS: PAT_TRY(pat_request__rows(out, params)); return pat_request__question(out, params, false);
    case PAT_METHOD_GROUP: PAT_TRY(pat_request__group(out, params)); return pat_request__question(out, params, false);
    case PAT_METHOD_COHORT: return pat_request__cohort(out, params);
    case PAT_METHOD_CONTROL: return pat_request__control(out, params);
    case PAT_METHOD_BATCH: return pat_request__batch(out, params);
    case PAT_METHOD_BACKUP_BEGIN: return parse_backup_begin(out, params);
    case PAT_METHOD_BACKUP_READ:
    case PAT_METHOD_BACKUP_END: return parse_backup(out, params);
    case PAT_METHOD_VERIFY: return pat_request__reading(out, params);
    case PAT_METHOD_RFM_GRID:
    case PAT_METHOD_RFM_GROUPS: return pat_request__question(out, params, true);
    case PAT_METHOD_RFM_MAP_SAVE: return pat_request__map_save(out, params);
    case PAT_METHOD_CLV_FIT:
    case PAT_METHOD_CLV_USE:
    case PAT_METHOD_CLV_FITS:
    case PAT_METHOD_CLV_PREDICT:
    case PAT_METHOD_CLV_TOP:
    case PAT_METHOD_CLV_DIST: return pat_request__clv(out, params);
    case PAT_METHOD_FILTER_PARSE: return parse_filter(out, params);
    default: return PAT_OK; /* no parameters, or the connection reads them */
    }
}

/* Questions without parameters of their own, and everything else, still have a where. */
static enum pat_status set_defaults(struct pat_request *out, const struct pat_method_info *info,
                                    struct pat_arena *arena, struct pat_error *error) {
    *out = (struct pat_request){.method = info->method, .clv = {.holdout_end = PAT_DAY_NONE}};
    out->question.rfm.window_days = 365;
    out->question.lifecycle_cut[0] = PAT_LIFECYCLE_ACTIVE_DAYS;
    out->question.lifecycle_cut[1] = PAT_LIFECYCLE_SLEEPING_DAYS;
    struct pat_filter_args none = {NULL, NULL};
    return pat_filter__from_value(&out->question.where, NULL, "where", &none, arena, error);
}

enum pat_status pat_request_parse(struct pat_request *out, const struct pat_method_info *info,
                                  const struct pat_value *params, struct pat_arena *arena, struct pat_error *error) {
    PAT_TRY(set_defaults(out, info, arena, error));
    if (params != NULL && params->type == PAT_VALUE_NIL) params = NULL;
    if (params != NULL && params->type != PAT_VALUE_MAP) {
        char got[PAT_DESCRIBE_BYTES];
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "%s takes its parameters as one map with string keys, got %s",
                             info->name, pat_value__describe(params, got));
    }
    const struct pat_params reading = {info, params, "", arena, error};
    PAT_TRY(pat_param__check_names(&reading, info->params));
    return parse_method(out, &reading);
}
