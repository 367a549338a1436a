#include "analytics/group_private.h"

#include "model/date.h"
#include "model/zone.h"

#include <string.h>

/* What a message repeats of a dimension: as much as fits a line. */
#define SHOWN_BYTES 80u

static enum pat_status fail(const struct pat_run *run, struct pat_text text, const char *why) {
    char shown[SHOWN_BYTES];
    (void)pat_text_printable(text, shown, sizeof shown);
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "by", -1, -1, "\"%s\": %s", shown, why);
}

static struct pat_text trim(struct pat_text text) {
    while (text.length > 0 && text.data[0] == ' ') text = (struct pat_text){text.data + 1, text.length - 1};
    while (text.length > 0 && text.data[text.length - 1] == ' ') text.length--;
    return text;
}

/* "month(last_order)" -> what stands in the parentheses; false when `text` is no call of `name`. */
static bool call_of(struct pat_text text, const char *name, struct pat_text *inside) {
    const size_t bytes = strlen(name);
    if (text.length < bytes + 2 || memcmp(text.data, name, bytes) != 0) return false;
    if (text.data[bytes] != '(' || text.data[text.length - 1] != ')') return false;
    *inside = trim((struct pat_text){text.data + bytes + 1, text.length - bytes - 2});
    return true;
}

/* Words of decimals are in no order. */
static bool below(const struct pat_source *source, int64_t a, int64_t b) {
    return source->type == PAT_TYPE_DECIMAL ? pat_decimal_compare(a, b) < 0 : a < b;
}

static enum pat_status parse_edges(struct pat_run *run, struct pat_text list, struct pat_dimension *out) {
    void *edge_memory, *text_memory;
    PAT_TRY(pat_run__array(run, PAT_BIN_EDGES_MAX, sizeof(int64_t), &edge_memory));
    PAT_TRY(pat_run__array(run, PAT_BIN_EDGES_MAX, sizeof(struct pat_text), &text_memory));
    int64_t *edge = edge_memory;
    struct pat_text *edge_text = text_memory;
    uint32_t count = 0;
    for (;;) {
        const char *comma = memchr(list.data, ',', list.length);
        const size_t length = comma != NULL ? (size_t)(comma - list.data) : list.length;
        const struct pat_text text = trim((struct pat_text){list.data, length});
        if (count == PAT_BIN_EDGES_MAX) return fail(run, out->text, "a bin has 256 edges at the most");
        PAT_TRY(pat_literal__bin_edge(run, &out->source, text, &edge[count]));
        edge_text[count] = text;
        if (count > 0 && !below(&out->source, edge[count - 1], edge[count]))
            return fail(run, out->text, "the edges of a bin must rise");
        count++;
        if (comma == NULL) break;
        list = (struct pat_text){comma + 1, list.length - length - 1};
    }
    out->edge = edge;
    out->edge_text = edge_text;
    out->edges = count;
    return PAT_OK;
}

static enum pat_status fail_own_money(const struct pat_run *run, struct pat_text text) {
    return fail(run, text, "it is in each row's own currency; net is in the base currency");
}

static enum pat_status parse_bin(struct pat_run *run, enum pat_table_id table, struct pat_text inside,
                                 struct pat_dimension *out) {
    const char *comma = memchr(inside.data, ',', inside.length);
    const struct pat_text rest =
        comma == NULL ? (struct pat_text){NULL, 0}
                      : trim((struct pat_text){comma + 1, inside.length - (size_t)(comma - inside.data) - 1});
    if (rest.length < 3 || rest.data[0] != '[' || rest.data[rest.length - 1] != ']') {
        return fail(run, out->text, "write a bin as in bin(net, [0, 100, 500])");
    }
    const struct pat_text name = trim((struct pat_text){inside.data, (size_t)(comma - inside.data)});
    PAT_TRY(pat_source__find(run, table, name, -1, PAT_USE_SHOWN, &out->source));
    if (pat_source__own_money(&out->source)) return fail_own_money(run, out->text);
    const enum pat_type type = out->source.type;
    if (type != PAT_TYPE_INT && type != PAT_TYPE_MONEY && type != PAT_TYPE_NUMBER && type != PAT_TYPE_DECIMAL) {
        return fail(run, out->text, "bins are made of numbers and money");
    }
    return parse_edges(run, (struct pat_text){rest.data + 1, rest.length - 2}, out);
}

/* The day that is kept beside the time of a fact, so that nobody has to ask the zone. */
static enum pat_status find_day(struct pat_run *run, enum pat_table_id table, struct pat_text name,
                                struct pat_source *out) {
    const bool kept = table != PAT_CUSTOMERS && pat_text_is(name, "time");
    return pat_source__find(run, table, kept ? pat_text_of("day") : name, -1, PAT_USE_SHOWN, out);
}

enum pat_status pat_dimension__parse(struct pat_run *run, enum pat_table_id table, struct pat_text text,
                                     struct pat_dimension *out) {
    struct pat_text inside = text;
    *out = (struct pat_dimension){.text = text};
    if (call_of(text, "bin", &inside)) {
        out->kind = PAT_DIMENSION_BIN;
        return parse_bin(run, table, inside, out);
    }
    if (call_of(text, "day", &inside)) out->kind = PAT_DIMENSION_DAY;
    if (call_of(text, "month", &inside)) out->kind = PAT_DIMENSION_MONTH;
    if (call_of(text, "year", &inside)) out->kind = PAT_DIMENSION_YEAR;
    if (out->kind != PAT_DIMENSION_FIELD) {
        PAT_TRY(find_day(run, table, inside, &out->source));
        if (out->source.type == PAT_TYPE_DAY || out->source.type == PAT_TYPE_TIME) return PAT_OK;
        return fail(run, text,
                    table == PAT_CUSTOMERS ? "days, months and years are made of days: created, first_order, last_order"
                                           : "days, months and years are made of days and times: time, day");
    }
    if (text.length > 0 && text.data[text.length - 1] == ')') {
        return fail(run, text, "there are day(), month(), year() of a day or a time, and bin(number, [0, 100])");
    }
    PAT_TRY(pat_source__find(run, table, inside, -1, PAT_USE_SHOWN, &out->source));
    return pat_source__own_money(&out->source) ? fail_own_money(run, text) : PAT_OK;
}

static int64_t bin_of(const struct pat_dimension *dimension, int64_t value) {
    uint32_t low = 0, high = dimension->edges;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (below(&dimension->source, value, dimension->edge[middle])) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void pat_dimension__map(const struct pat_run *run, const struct pat_dimension *dimension, uint32_t count,
                        int64_t *values) {
    if (dimension->kind == PAT_DIMENSION_FIELD) return;
    const bool time = dimension->source.type == PAT_TYPE_TIME;
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] == PAT_NULL) continue;
        if (time) values[i] = pat_zone_day_at(run->view->zone, values[i]);
        switch (dimension->kind) {
        case PAT_DIMENSION_MONTH: values[i] = pat_day_to_month((pat_day)values[i]); break;
        case PAT_DIMENSION_YEAR: values[i] = pat_day_to_civil((pat_day)values[i]).year; break;
        case PAT_DIMENSION_BIN: values[i] = bin_of(dimension, values[i]); break;
        default: break;
        }
    }
}

int pat_dimension__compare(const struct pat_run *run, const struct pat_dimension *dimension, int64_t a, int64_t b) {
    if (a == b) return 0;
    if (a == PAT_NULL || b == PAT_NULL) return a == PAT_NULL ? 1 : -1;
    if (dimension->kind == PAT_DIMENSION_FIELD) return pat_source__compare(run, &dimension->source, a, b);
    return a < b ? -1 : 1;
}

static struct pat_value bin_label(struct pat_run *run, const struct pat_dimension *dimension, int64_t bin) {
    const struct pat_text *edge = dimension->edge_text;
    const uint32_t i = (uint32_t)bin;
    if (i == 0) return pat_build_printf(&run->builder, "< %.*s", (int)edge[0].length, edge[0].data);
    const struct pat_text low = edge[i - 1];
    if (i == dimension->edges) return pat_build_printf(&run->builder, ">= %.*s", (int)low.length, low.data);
    return pat_build_printf(&run->builder, "%.*s to < %.*s", (int)low.length, low.data, (int)edge[i].length,
                            edge[i].data);
}

struct pat_value pat_dimension__value(struct pat_run *run, const struct pat_dimension *dimension, int64_t value) {
    if (value == PAT_NULL) return pat_value_nil();
    switch (dimension->kind) {
    case PAT_DIMENSION_MONTH: {
        const struct pat_civil first = pat_day_to_civil(pat_month_first_day((int32_t)value));
        return pat_build_printf(&run->builder, "%04d-%02d", first.year, first.month);
    }
    case PAT_DIMENSION_YEAR: return pat_build_printf(&run->builder, "%04d", (int)value);
    case PAT_DIMENSION_DAY: return pat_build_day(&run->builder, value);
    case PAT_DIMENSION_BIN: return bin_label(run, dimension, value);
    case PAT_DIMENSION_FIELD: break;
    }
    return pat_source__value(run, &dimension->source, 0, value);
}
