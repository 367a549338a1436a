/* cohort and control. */
#include "model/request_private.h"

enum pat_status pat_request__cohort(struct pat_request *out, const struct pat_params *params) {
    static const char *const bys[] = {"month", NULL};
    static const char *const starts[] = {"first_order", "created", NULL};
    static const char *const metrics[] = {
        [PAT_COHORT_CUSTOMERS] = "customers", [PAT_COHORT_ORDERS] = "orders", [PAT_COHORT_NET] = "net", NULL};
    int by = 0, start = 0, metric = PAT_COHORT_CUSTOMERS;
    int64_t periods = 0;
    PAT_TRY(pat_param__choice(params, "by", bys, &by));
    PAT_TRY(pat_param__choice(params, "start", starts, &start));
    PAT_TRY(pat_param__choice(params, "metric", metrics, &metric));
    PAT_TRY(pat_param__integer(params, "periods", 1, PAT_COHORT_PERIODS_MAX, &periods));
    out->cohort_created = start == 1;
    out->cohort_metric = (enum pat_cohort_metric)metric;
    out->cohort_periods = (uint32_t)periods;
    return pat_request__question(out, params, false);
}

static enum pat_status parse_end(const struct pat_params *params, const char *key, struct pat_day_param *out) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return PAT_OK;
    if (pat_param__day(value, out)) return PAT_OK;
    return pat_param__fail(params, key, value,
                           "a day as \"YYYY-MM-DD\", days since 1970-01-01, or \"-30d\" from today");
}

enum pat_status pat_request__control(struct pat_request *out, const struct pat_params *params) {
    static const char *const bys[] = {[PAT_CONTROL_DAY] = "day",
                                      [PAT_CONTROL_MONTH] = "month",
                                      [PAT_CONTROL_CURRENCY] = "currency",
                                      [PAT_CONTROL_PRODUCER] = "producer",
                                      NULL};
    int by = 0;
    if (pat_param__get(params, "table") == NULL) {
        return pat_param__missing(params, "table", "customers, orders, lines or refunds");
    }
    if (pat_param__get(params, "by") == NULL) {
        return pat_param__missing(params, "by", "\"day\", \"month\", \"currency\" or \"producer\"");
    }
    PAT_TRY(pat_request__table(out, params, "table"));
    if (out->from == PAT_FX) {
        return pat_param__refuse(
            params, PAT_ERR_BAD_REQUEST, "table",
            "rates have no control totals: rows lists them, and the method fx sums them up by currency");
    }
    PAT_TRY(pat_param__choice(params, "by", bys, &by));
    out->control_by = (enum pat_control_by)by;
    if (out->from == PAT_CUSTOMERS && out->control_by == PAT_CONTROL_CURRENCY) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "by",
                                 "customers have no money: use day, month or producer");
    }
    PAT_TRY(parse_end(params, "from", &out->between[0]));
    PAT_TRY(parse_end(params, "to", &out->between[1]));
    return pat_request__reading(out, params);
}
