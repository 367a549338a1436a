#include "analytics/group_private.h"

#include <stdio.h>
#include <string.h>

static bool summable(enum pat_type type) {
    return type == PAT_TYPE_INT || type == PAT_TYPE_MONEY;
}

static bool works_on(enum pat_metric_kind kind, enum pat_type type) {
    if (kind == PAT_METRIC_SUM || kind == PAT_METRIC_AVG) return summable(type);
    return summable(type) || type == PAT_TYPE_DAY;
}

/* The fields of customers that the metric works on, for the message. */
static void list_fields(const struct pat_run *run, enum pat_metric_kind kind, char *out, size_t capacity) {
    struct pat_run names_only = {.view = run->view};
    const char *names[PAT_COLUMNS_MAX];
    const unsigned count = pat_source__names(run, PAT_CUSTOMERS, names, PAT_COLUMNS_MAX);
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        struct pat_source source;
        if (strcmp(names[i], "rfm_group") == 0) continue;
        if (pat_source__find(&names_only, PAT_CUSTOMERS, pat_text_of(names[i]), -1, PAT_USE_SHOWN, &source) != PAT_OK)
            continue;
        if (!works_on(kind, source.type) || used >= capacity) continue;
        const int length = snprintf(out + used, capacity - used, "%s%s", used > 0 ? ", " : "", names[i]);
        used += length > 0 ? (size_t)length : 0;
    }
}

enum pat_status pat_measure__bind(struct pat_run *run, const struct pat_metric *metric, struct pat_measure *out) {
    *out = (struct pat_measure){.metric = metric};
    if (metric->kind == PAT_METRIC_COUNT) return PAT_OK;
    PAT_TRY(pat_source__find(run, PAT_CUSTOMERS, metric->field, -1, PAT_USE_SHOWN, &out->source));
    if (works_on(metric->kind, out->source.type)) return PAT_OK;
    char fields[256], shown[64];
    list_fields(run, metric->kind, fields, sizeof fields);
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, out->source.name, -1, -1,
                            "%s: \"%s\" is a %s; it works on %s", pat_text_printable(metric->text, shown, sizeof shown),
                            out->source.name, pat_type_name(out->source.type), fields);
}

void pat_gather__merge(struct pat_gather *into, const struct pat_gather *from) {
    if (from->count == 0) return;
    if (into->count == 0 || from->least < into->least) into->least = from->least;
    if (into->count == 0 || from->greatest > into->greatest) into->greatest = from->greatest;
    into->count += from->count;
    into->sum += from->sum;
}

static struct pat_outcome integer(pat_int128 value) {
    return (struct pat_outcome){.integer = value};
}

struct pat_outcome pat_measure__outcome(const struct pat_measure *measure, const struct pat_gather *gather) {
    const enum pat_metric_kind kind = measure->metric->kind;
    if (kind == PAT_METRIC_COUNT) return integer(gather->count);
    if (kind == PAT_METRIC_SUM) return integer(gather->sum);
    if (gather->count == 0) return (struct pat_outcome){.null = true};
    if (kind == PAT_METRIC_MIN) return integer(gather->least);
    if (kind == PAT_METRIC_MAX) return integer(gather->greatest);
    if (measure->source.type == PAT_TYPE_MONEY) return integer(pat_minor_divide(gather->sum, (int64_t)gather->count));
    return (struct pat_outcome){.real = true, .number = (double)gather->sum / (double)gather->count};
}

/* The smallest value with at least q n values at or below it: place ceil(percent * n / 100), at least the first. */
struct pat_outcome pat_measure__percentile(const struct pat_measure *measure, const int64_t *sorted, uint64_t n) {
    if (n == 0) return (struct pat_outcome){.null = true};
    pat_decimal percent;
    if (!pat_decimal_from_double(measure->metric->percent, &percent)) percent = 0;
    pat_int128 unit = 100;
    for (int scale = pat_decimal_scale(percent); scale > 0; scale--) unit *= 10;
    const pat_int128 product = (pat_int128)pat_decimal_mantissa(percent) * (int64_t)n;
    uint64_t place = (uint64_t)((product + unit - 1) / unit);
    if (place < 1) place = 1;
    if (place > n) place = n;
    return integer(sorted[place - 1]);
}

int pat_outcome__compare(const struct pat_outcome *a, const struct pat_outcome *b) {
    if (a->real) return (a->number > b->number) - (a->number < b->number);
    return (a->integer > b->integer) - (a->integer < b->integer);
}

enum pat_status pat_outcome__value(struct pat_run *run, const struct pat_measure *measure,
                                   const struct pat_outcome *outcome, struct pat_value *out) {
    char name[64];
    *out = pat_value_nil();
    if (outcome->null) return PAT_OK;
    if (outcome->real) {
        *out = pat_value_real(outcome->number);
        return PAT_OK;
    }
    if (measure->metric->kind != PAT_METRIC_COUNT && measure->source.type == PAT_TYPE_DAY) {
        *out = pat_build_day(&run->builder, (int64_t)outcome->integer);
        return PAT_OK;
    }
    (void)pat_text_printable(measure->metric->text, name, sizeof name);
    return pat_run__total(run, name, outcome->integer, out);
}
