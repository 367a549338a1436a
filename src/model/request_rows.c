/* rows and group: fields, metrics, order. */
#include "model/request_private.h"

#include <stdio.h>
#include <string.h>

enum pat_status pat_request__table(struct pat_request *out, const struct pat_params *params, const char *key) {
    out->from = PAT_CUSTOMERS;
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return PAT_OK;
    if (value->type != PAT_VALUE_TEXT) return pat_param__fail(params, key, value, "the name of a table");
    const int table = pat_table_find(pat_value_as_text(value));
    if (table >= 0) {
        out->from = (enum pat_table_id)table;
        return PAT_OK;
    }
    char got[PAT_DESCRIBE_BYTES];
    return pat_param__refuse(params, PAT_ERR_UNKNOWN_FIELD, key,
                             "no table %s: there are customers, orders, lines, refunds, fx",
                             pat_value__describe(value, got));
}

static enum pat_status parse_order_by(struct pat_request *out, const struct pat_params *params) {
    const struct pat_text *texts = NULL;
    PAT_TRY(pat_param__texts(params, "order_by", 0, PAT_FIELDS_MAX, &texts, &out->order_bys));
    if (texts == NULL) return PAT_OK;
    struct pat_order_by *order_by = pat_arena_array(params->arena, out->order_bys, sizeof *order_by);
    if (order_by == NULL) return pat_param__no_memory(params);
    for (uint32_t i = 0; i < out->order_bys; i++) {
        order_by[i].text = texts[i];
        if (texts[i].data[0] != '-') continue;
        order_by[i].descending = true;
        order_by[i].text = (struct pat_text){texts[i].data + 1, texts[i].length - 1};
        if (order_by[i].text.length > 0) continue;
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "order_by",
                                 "a \"-\" without a name: \"-net\" sorts by "
                                 "net, greatest first");
    }
    out->order_by = order_by;
    return PAT_OK;
}

static enum pat_status parse_limit(struct pat_request *out, const struct pat_params *params, int64_t most) {
    int64_t limit = out->limit;
    PAT_TRY(pat_param__integer(params, "limit", 1, most, &limit));
    out->limit = (uint32_t)limit;
    return PAT_OK;
}

static enum pat_status parse_cursor(struct pat_request *out, const struct pat_params *params) {
    const struct pat_value *value = pat_param__get(params, "cursor");
    if (value == NULL) return PAT_OK;
    out->cursor_given = value->type == PAT_VALUE_TEXT && pat_cursor_parse(pat_value_as_text(value), &out->cursor);
    if (out->cursor_given) return PAT_OK;
    return pat_param__fail(params, "cursor", value, "the cursor of the page before, as it came");
}

enum pat_status pat_request__rows(struct pat_request *out, const struct pat_params *params) {
    PAT_TRY(pat_request__table(out, params, "from"));
    if (pat_param__get(params, "fields") == NULL) {
        return pat_param__missing(params, "fields", "an array of field names");
    }
    PAT_TRY(pat_param__texts(params, "fields", 1, PAT_FIELDS_MAX, &out->names, &out->names_count));
    PAT_TRY(parse_order_by(out, params));
    PAT_TRY(parse_cursor(out, params));
    out->limit = PAT_ROWS_LIMIT_DEFAULT;
    return parse_limit(out, params, PAT_ROWS_LIMIT_MAX);
}

/* ---- metrics ---------------------------------------------------------------------------------------------------- */

#define METRIC_LIST "count, customers, sum(field), avg(field), min(field), max(field), p50(field) or another percentile"

static enum pat_status fail_metric(const struct pat_params *params, enum pat_status status, struct pat_text text,
                                   size_t offset, const char *what) {
    char shown[PAT_DESCRIBE_BYTES];
    (void)pat_text_printable(text, shown, sizeof shown);
    status = pat_param__refuse(params, status, "metrics", "\"%s\", byte %zu: %s; metrics are " METRIC_LIST, shown,
                               offset, what);
    if (params->error != NULL) params->error->offset = (int64_t)offset;
    return status;
}

/* "p99.9": 0 < percent <= 100. */
static bool parse_percentile(struct pat_text word, double *percent) {
    if (word.length < 2 || word.data[0] != 'p' || word.data[1] < '0' || word.data[1] > '9') return false;
    pat_decimal value;
    if (!pat_decimal_parse((struct pat_text){word.data + 1, word.length - 1}, false, &value)) return false;
    *percent = pat_decimal_to_double(value);
    return *percent > 0 && *percent <= 100;
}

/* What stands in front of the parenthesis; false when it is none of ours. */
static bool parse_function(struct pat_text word, struct pat_metric *metric) {
    static const struct {
        const char *word;
        enum pat_metric_kind kind;
    } functions[] = {
        {"sum", PAT_METRIC_SUM}, {"avg", PAT_METRIC_AVG}, {"min", PAT_METRIC_MIN}, {"max", PAT_METRIC_MAX}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (!pat_text_is(word, functions[i].word)) continue;
        metric->kind = functions[i].kind;
        return true;
    }
    metric->kind = PAT_METRIC_PERCENTILE;
    return parse_percentile(word, &metric->percent);
}

static enum pat_status parse_metric(const struct pat_params *params, struct pat_text text, struct pat_metric *metric) {
    *metric = (struct pat_metric){.text = text, .kind = PAT_METRIC_COUNT};
    if (pat_text_is(text, "count")) return PAT_OK;
    if (pat_text_is(text, "customers")) {
        metric->kind = PAT_METRIC_CUSTOMERS;
        return PAT_OK;
    }
    const char *open = memchr(text.data, '(', text.length);
    const struct pat_text word = {text.data, open != NULL ? (size_t)(open - text.data) : text.length};
    if (pat_text_is(word, "count")) {
        return fail_metric(params, PAT_ERR_BAD_REQUEST, text, word.length, "count takes no field");
    }
    if (!parse_function(word, metric)) {
        const bool percentile = word.length > 1 && word.data[0] == 'p' && word.data[1] >= '0' && word.data[1] <= '9';
        return fail_metric(params, percentile ? PAT_ERR_BAD_REQUEST : PAT_ERR_UNKNOWN_FIELD, text, 0,
                           percentile ? "a percentile is above 0 and at most 100, as in p50 or p99.9"
                                      : "there is no such metric");
    }
    if (open == NULL) return fail_metric(params, PAT_ERR_BAD_REQUEST, text, text.length, "expected \"(\" and a field");
    const size_t start = word.length + 1;
    const char *close = memchr(text.data + start, ')', text.length - start);
    const size_t end = close != NULL ? (size_t)(close - text.data) : text.length;
    metric->field = (struct pat_text){text.data + start, end - start};
    if (!pat_filter__is_name(metric->field)) {
        return fail_metric(params, PAT_ERR_BAD_REQUEST, text, start, "expected a field name in the parentheses");
    }
    if (close == NULL) return fail_metric(params, PAT_ERR_BAD_REQUEST, text, end, "expected \")\", found the end");
    if (end + 1 == text.length) return PAT_OK;
    return fail_metric(params, PAT_ERR_BAD_REQUEST, text, end + 1, "expected the end behind \")\"");
}

static enum pat_status parse_metrics(struct pat_request *out, const struct pat_params *params) {
    static const struct pat_text count = {"count", 5};
    const struct pat_text *texts = &count;
    out->metrics = 1;
    PAT_TRY(pat_param__texts(params, "metrics", 1, PAT_GROUP_METRICS_MAX, &texts, &out->metrics));
    struct pat_metric *metric = pat_arena_array(params->arena, out->metrics, sizeof *metric);
    if (metric == NULL) return pat_param__no_memory(params);
    for (uint32_t i = 0; i < out->metrics; i++) PAT_TRY(parse_metric(params, texts[i], &metric[i]));
    out->metric = metric;
    return PAT_OK;
}

static enum pat_status parse_between(struct pat_request *out, const struct pat_params *params) {
    const struct pat_value *value = pat_param__get(params, "between");
    if (value == NULL) return PAT_OK;
    if (out->from == PAT_CUSTOMERS) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "between",
                                 "it is for facts: add from \"orders\", \"refunds\" or \"lines\"; customers are "
                                 "chosen by where, as in \"last_order BETWEEN -30d AND 0d\"");
    }
    if (value->type != PAT_VALUE_ARRAY || value->count != 2) {
        return pat_param__fail(params, "between", value, "two days, [first, last], both included");
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct pat_value *item = &value->as.items[i];
        if (item->type == PAT_VALUE_NIL || pat_param__day(item, &out->between[i])) continue;
        return pat_param__fail(params, "between", item,
                               "a day as \"YYYY-MM-DD\", days since 1970-01-01, \"-30d\" from the question's day, or "
                               "null for an open end");
    }
    const struct pat_day_param *const between = out->between;
    if (between[0].given && between[1].given && between[0].relative == between[1].relative &&
        between[0].days > between[1].days) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "between", "the first day is after the last");
    }
    return PAT_OK;
}

enum pat_status pat_request__group(struct pat_request *out, const struct pat_params *params) {
    PAT_TRY(pat_request__table(out, params, "from"));
    if (out->from == PAT_FX) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "from",
                                 "rates are not grouped: rows lists them, and the method fx sums them up by currency");
    }
    PAT_TRY(parse_between(out, params));
    if (pat_param__get(params, "by") == NULL) {
        return pat_param__missing(params, "by", "an array of up to four fields, [] for one row of everything");
    }
    PAT_TRY(pat_param__texts(params, "by", 0, PAT_GROUP_DIMENSIONS_MAX, &out->names, &out->names_count));
    PAT_TRY(parse_metrics(out, params));
    PAT_TRY(parse_order_by(out, params));
    return parse_limit(out, params, PAT_GROUPS_MAX);
}
