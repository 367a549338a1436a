#include "analytics/group_private.h"

#include "analytics/lifetime_private.h"
#include "analytics/scores_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool summable(enum pat_type type) {
    return type == PAT_TYPE_INT || type == PAT_TYPE_MONEY || type == PAT_TYPE_DECIMAL || type == PAT_TYPE_NUMBER;
}

static bool works_on(enum pat_metric_kind kind, enum pat_type type) {
    if (kind == PAT_METRIC_SUM || kind == PAT_METRIC_AVG) return summable(type);
    return summable(type) || type == PAT_TYPE_DAY || type == PAT_TYPE_TIME;
}

/* The fields of the table that the metric works on, for the message. */
static void list_fields(const struct pat_run *run, enum pat_table_id table, enum pat_metric_kind kind, char *out,
                        size_t capacity) {
    struct pat_run names_only = {.view = run->view};
    const char *names[PAT_COLUMNS_MAX];
    const unsigned count = pat_source__names(run, table, names, PAT_COLUMNS_MAX);
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        struct pat_source source;
        if (strcmp(names[i], "rfm_group") == 0) continue;
        if (pat_source__find(&names_only, table, pat_text_of(names[i]), -1, PAT_USE_SHOWN, &source) != PAT_OK) continue;
        if (!works_on(kind, source.type) || used >= capacity) continue;
        const int length = snprintf(out + used, capacity - used, "%s%s", used > 0 ? ", " : "", names[i]);
        used += length > 0 ? (size_t)length : 0;
    }
}

enum pat_status pat_measure__bind(struct pat_run *run, enum pat_table_id table, const struct pat_metric *metric,
                                  struct pat_measure *out) {
    *out = (struct pat_measure){.metric = metric};
    if (metric->kind == PAT_METRIC_COUNT) return PAT_OK;
    if (metric->kind == PAT_METRIC_CUSTOMERS) {
        out->source = pat_source__customer_row(table);
        return PAT_OK;
    }
    PAT_TRY(pat_source__find(run, table, metric->field, -1, PAT_USE_SHOWN, &out->source));
    if (works_on(metric->kind, out->source.type)) return PAT_OK;
    char fields[256], shown[64];
    list_fields(run, table, metric->kind, fields, sizeof fields);
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, out->source.name, -1, -1,
                            "%s: \"%s\" is a %s; it works on %s", pat_text_printable(metric->text, shown, sizeof shown),
                            out->source.name, pat_type_name(out->source.type), fields);
}

/* ---- decimals ---------------------------------------------------------------------------------------------------- */

/* In units of 10^-PAT_DECIMAL_SCALE_MAX: 2^59 of them take 109 bits, so that half a million of the greatest add up. */
static pat_int128 decimal_units(pat_decimal value) {
    pat_int128 units = pat_decimal_mantissa(value);
    for (int scale = pat_decimal_scale(value); scale < PAT_DECIMAL_SCALE_MAX; scale++) units *= 10;
    return units;
}

static struct pat_value decimal_value(struct pat_run *run, pat_int128 units) {
    char text[48];
    size_t at = sizeof text;
    pat_uint128 rest = units < 0 ? -(pat_uint128)units : (pat_uint128)units;
    bool significant = false;
    for (int place = 0; place <= PAT_DECIMAL_SCALE_MAX || rest > 0; place++) {
        if (place == PAT_DECIMAL_SCALE_MAX && significant) text[--at] = '.';
        const char digit = (char)('0' + (int)(rest % 10));
        rest /= 10;
        significant = significant || digit != '0';
        if (significant || place >= PAT_DECIMAL_SCALE_MAX) text[--at] = digit;
    }
    if (units < 0) text[--at] = '-';
    return pat_build_text(&run->builder, (struct pat_text){text + at, sizeof text - at});
}

void pat_gather__add_decimal(struct pat_gather *gather, pat_decimal value) {
    if (gather->count == 0 || pat_decimal_compare(value, gather->least) < 0) gather->least = value;
    if (gather->count == 0 || pat_decimal_compare(value, gather->greatest) > 0) gather->greatest = value;
    gather->count++;
    gather->sum += decimal_units(value);
}

static int decimal_order(const void *a, const void *b) {
    return pat_decimal_compare(*(const int64_t *)a, *(const int64_t *)b);
}

void pat_measure__sort(const struct pat_source *source, int64_t *values, int64_t *scratch, uint64_t n) {
    if (source->type != PAT_TYPE_DECIMAL) {
        pat_sort_int64(values, scratch, n);
    } else if (n > 1) {
        qsort(values, n, sizeof *values, decimal_order);
    }
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

void pat_gather__merge(const struct pat_measure *measure, struct pat_gather *into, const struct pat_gather *from) {
    const struct pat_gather before = *into;
    if (from->count == 0) return;
    if (before.count == 0) {
        *into = *from;
        return;
    }
    const bool decimal = measure->source.type == PAT_TYPE_DECIMAL;
    const int least = decimal ? pat_decimal_compare(from->least, before.least)
                              : (from->least > before.least) - (from->least < before.least);
    const int greatest = decimal ? pat_decimal_compare(from->greatest, before.greatest)
                                 : (from->greatest > before.greatest) - (from->greatest < before.greatest);
    if (least < 0) into->least = from->least;
    if (greatest > 0) into->greatest = from->greatest;
    into->count += from->count;
    into->sum += from->sum;
}

static struct pat_outcome integer(pat_int128 value) {
    return (struct pat_outcome){.integer = value};
}

/* One value of the field: what a minimum or a percentile is. */
static struct pat_outcome single(const struct pat_measure *measure, int64_t value) {
    return integer(measure->source.type == PAT_TYPE_DECIMAL ? decimal_units(value) : value);
}

static struct pat_outcome average(const struct pat_measure *measure, const struct pat_gather *gather) {
    if (measure->source.type == PAT_TYPE_MONEY) return integer(pat_minor_divide(gather->sum, (int64_t)gather->count));
    const enum pat_type type = measure->source.type;
    const double unit = type == PAT_TYPE_DECIMAL ? 1e15 : type == PAT_TYPE_NUMBER ? PAT_NUMBER_UNIT : 1;
    return (struct pat_outcome){.real = true, .number = (double)gather->sum / unit / (double)gather->count};
}

struct pat_outcome pat_measure__outcome(const struct pat_measure *measure, const struct pat_gather *gather) {
    const enum pat_metric_kind kind = measure->metric->kind;
    if (kind == PAT_METRIC_COUNT) return integer(gather->count);
    if (kind == PAT_METRIC_SUM) return integer(gather->sum);
    if (gather->count == 0) return (struct pat_outcome){.null = true};
    if (kind == PAT_METRIC_MIN) return single(measure, gather->least);
    if (kind == PAT_METRIC_MAX) return single(measure, gather->greatest);
    return average(measure, gather);
}

/* The smallest value with at least q n values at or below it: place ceil(percent * n / 100), at least the first. */
uint64_t pat_measure__place(const struct pat_measure *measure, uint64_t n) {
    pat_decimal percent;
    if (!pat_decimal_from_double(measure->metric->percent, &percent)) percent = 0;
    pat_int128 unit = 100;
    for (int scale = pat_decimal_scale(percent); scale > 0; scale--) unit *= 10;
    const pat_int128 product = (pat_int128)pat_decimal_mantissa(percent) * (int64_t)n;
    const uint64_t place = (uint64_t)((product + unit - 1) / unit);
    if (place < 1) return 1;
    return place > n ? n : place;
}

struct pat_outcome pat_measure__single(const struct pat_measure *measure, int64_t value) {
    return single(measure, value);
}

struct pat_outcome pat_measure__percentile(const struct pat_measure *measure, const int64_t *sorted, uint64_t n) {
    if (n == 0) return (struct pat_outcome){.null = true};
    return single(measure, sorted[pat_measure__place(measure, n) - 1]);
}

int pat_outcome__compare(const struct pat_outcome *a, const struct pat_outcome *b) {
    if (a->real) return (a->number > b->number) - (a->number < b->number);
    return (a->integer > b->integer) - (a->integer < b->integer);
}

enum pat_status pat_outcome__value(struct pat_run *run, const struct pat_measure *measure,
                                   const struct pat_outcome *outcome, unsigned digits, struct pat_value *out) {
    const struct pat_source *source = &measure->source;
    const bool counts = measure->metric->kind == PAT_METRIC_COUNT || measure->metric->kind == PAT_METRIC_CUSTOMERS;
    char text[64];
    *out = pat_value_nil();
    if (outcome->null) return PAT_OK;
    if (outcome->real) {
        *out = pat_value_real(outcome->number);
        return PAT_OK;
    }
    if (!counts && source->type == PAT_TYPE_DAY) {
        *out = pat_build_day(&run->builder, (int64_t)outcome->integer);
        return PAT_OK;
    }
    if (!counts && source->type == PAT_TYPE_TIME) {
        *out = pat_run__time(run, (int64_t)outcome->integer);
        return PAT_OK;
    }
    if (!counts && source->type == PAT_TYPE_DECIMAL) {
        *out = decimal_value(run, outcome->integer);
        return PAT_OK;
    }
    if (!counts && source->type == PAT_TYPE_NUMBER) {
        *out = pat_value_real((double)outcome->integer / PAT_NUMBER_UNIT);
        return PAT_OK;
    }
    (void)pat_text_printable(measure->metric->text, text, sizeof text);
    PAT_TRY(pat_run__total(run, text, outcome->integer, out));
    if (counts || !pat_source__own_money(source) || source->minor) return PAT_OK;
    pat_minor_print((pat_minor)outcome->integer, digits, text);
    *out = pat_build_text(&run->builder, pat_text_of(text));
    return PAT_OK;
}
