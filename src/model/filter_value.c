/* Values from outside as literals of a filter: args, and the leaves of trees. */
#include "model/currency.h"
#include "model/date.h"
#include "model/filter_private.h"

#include <inttypes.h>
#include <stdio.h>

const char *pat_value__describe(const struct pat_value *value, char out[PAT_DESCRIBE_BYTES]) {
    char shown[PAT_DESCRIBE_BYTES - 2];
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_TEXT:
        (void)snprintf(out, PAT_DESCRIBE_BYTES, "\"%s\"",
                       pat_text_printable(pat_value_as_text(value), shown, sizeof shown));
        return out;
    case PAT_VALUE_BOOL:
        (void)snprintf(out, PAT_DESCRIBE_BYTES, "%s", value->as.boolean ? "true" : "false");
        return out;
    case PAT_VALUE_INT: (void)snprintf(out, PAT_DESCRIBE_BYTES, "%" PRId64, value->as.integer); return out;
    case PAT_VALUE_UINT: (void)snprintf(out, PAT_DESCRIBE_BYTES, "%" PRIu64, value->as.uinteger); return out;
    case PAT_VALUE_FLOAT: (void)snprintf(out, PAT_DESCRIBE_BYTES, "%.17g", value->as.real); return out;
    case PAT_VALUE_ARRAY: (void)snprintf(out, PAT_DESCRIBE_BYTES, "an array of %" PRIu32, value->count); return out;
    case PAT_VALUE_MAP: (void)snprintf(out, PAT_DESCRIBE_BYTES, "a map of %" PRIu32, value->count); return out;
    case PAT_VALUE_BIN: (void)snprintf(out, PAT_DESCRIBE_BYTES, "%" PRIu32 " bytes of bin", value->count); return out;
    case PAT_VALUE_NIL: break;
    }
    (void)snprintf(out, PAT_DESCRIBE_BYTES, "nil");
    return out;
}

/* ---- args ------------------------------------------------------------------------------------------------------- */

enum pat_status pat_filter__args_init(struct pat_filter_args *args, const struct pat_value *map,
                                      struct pat_arena *arena, struct pat_error *error) {
    *args = (struct pat_filter_args){NULL, NULL};
    if (map == NULL || map->type == PAT_VALUE_NIL) return PAT_OK;
    if (map->type != PAT_VALUE_MAP) {
        char got[PAT_DESCRIBE_BYTES];
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "args", -1, -1,
                                "parameter \"args\": expected a map of names and values, got %s",
                                pat_value__describe(map, got));
    }
    if (map->count > PAT_FILTER_ARGS_MAX) {
        return pat_error_set_at(error, PAT_ERR_TOO_LARGE, "args", -1, -1, "args has %" PRIu32 " values, the most is %u",
                                map->count, PAT_FILTER_ARGS_MAX);
    }
    args->used = pat_arena_array(arena, map->count, sizeof *args->used);
    if (args->used == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory left for the filter");
    args->map = map;
    return PAT_OK;
}

const struct pat_value *pat_filter__args_use(struct pat_filter_args *args, struct pat_text name) {
    for (uint32_t i = 0; args->map != NULL && i < args->map->count; i++) {
        if (!pat_text_equal(args->map->as.members[i].key, name)) continue;
        args->used[i] = true;
        return &args->map->as.members[i].value;
    }
    return NULL;
}

enum pat_status pat_filter__args_check(const struct pat_filter_args *args, struct pat_error *error) {
    for (uint32_t i = 0; args->map != NULL && i < args->map->count; i++) {
        if (args->used[i]) continue;
        char name[PAT_DESCRIBE_BYTES];
        (void)pat_text_printable(args->map->as.members[i].key, name, sizeof name);
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "args", -1, -1,
                                "args has a value for \"%s\", but no filter asks for :%s", name, name);
    }
    return PAT_OK;
}

/* ---- literals --------------------------------------------------------------------------------------------------- */

static enum pat_status wrong(struct pat_literal_fault *fault, const char *expected, const struct pat_value *got) {
    *fault = (struct pat_literal_fault){expected, got};
    return PAT_ERR_BAD_REQUEST;
}

static enum pat_status copy_text(struct pat_filter_maker *maker, struct pat_text *out, const struct pat_value *value) {
    *out = pat_arena_text(maker->arena, pat_value_as_text(value));
    return out->data == NULL ? pat_filter__no_memory(maker) : PAT_OK;
}

/* A number, or a text that spells one when `spelled`. */
static bool decimal_from_value(const struct pat_value *value, bool spelled, pat_decimal *out) {
    if (value->type == PAT_VALUE_INT) return pat_decimal_make(value->as.integer, 0, out);
    if (value->type == PAT_VALUE_FLOAT) return pat_decimal_from_double(value->as.real, out);
    return spelled && value->type == PAT_VALUE_TEXT && pat_decimal_parse(pat_value_as_text(value), false, out);
}

static enum pat_status from_money(struct pat_filter_maker *maker, struct pat_literal *out, const struct pat_value *map,
                                  const struct pat_value *money, struct pat_literal_fault *fault) {
    const struct pat_value *currency = pat_value_get(map, "currency");
    if (map->count != 2 || currency == NULL) return wrong(fault, "{\"money\": \"500\", \"currency\": \"EUR\"}", map);
    if (!decimal_from_value(money, true, &out->number)) return wrong(fault, "an amount such as \"500\"", money);
    if (currency->type != PAT_VALUE_TEXT || pat_currency_find(pat_value_as_text(currency)) < 0) {
        return wrong(fault, "a currency code such as \"EUR\"", currency);
    }
    out->kind = PAT_LITERAL_MONEY;
    return copy_text(maker, &out->text, currency);
}

static enum pat_status from_map(struct pat_filter_maker *maker, struct pat_literal *out, const struct pat_value *map,
                                struct pat_literal_fault *fault) {
    const struct pat_value *money = pat_value_get(map, "money");
    if (money != NULL) return from_money(maker, out, map, money, fault);
    if (map->count != 1) {
        return wrong(fault, "a value, or a map with one of money, days, date, number, text", map);
    }
    const struct pat_value *inner = &map->as.members[0].value;
    if (pat_value_get(map, "days") != NULL) {
        out->kind = PAT_LITERAL_DAYS;
        if (inner->type != PAT_VALUE_INT || inner->as.integer < -PAT_FILTER_DAYS_MAX ||
            inner->as.integer > PAT_FILTER_DAYS_MAX) {
            return wrong(fault, "days as an integer such as -90", inner);
        }
        out->number = inner->as.integer;
        return PAT_OK;
    }
    if (pat_value_get(map, "date") != NULL) {
        pat_day day;
        out->kind = PAT_LITERAL_DAY;
        if (inner->type != PAT_VALUE_TEXT || !pat_day_parse(pat_value_as_text(inner), &day)) {
            const bool impossible = inner->type == PAT_VALUE_TEXT && pat_day_impossible(pat_value_as_text(inner));
            return wrong(fault, impossible ? "a day that is in the calendar" : "a date as \"YYYY-MM-DD\"", inner);
        }
        out->number = day;
        return PAT_OK;
    }
    if (pat_value_get(map, "number") != NULL) {
        out->kind = PAT_LITERAL_NUMBER;
        return decimal_from_value(inner, true, &out->number) ? PAT_OK
                                                             : wrong(fault, "a number such as \"12.5\"", inner);
    }
    if (pat_value_get(map, "text") != NULL && inner->type == PAT_VALUE_TEXT) {
        out->kind = PAT_LITERAL_TEXT;
        return copy_text(maker, &out->text, inner);
    }
    return wrong(fault, "a value, or a map with one of money, days, date, number, text", map);
}

enum pat_status pat_filter__literal_from_value(struct pat_filter_maker *maker, struct pat_literal *out,
                                               const struct pat_value *value, struct pat_literal_fault *fault) {
    *out = (struct pat_literal){.kind = PAT_LITERAL_TEXT, .offset = -1};
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_TEXT: return copy_text(maker, &out->text, value);
    case PAT_VALUE_BOOL:
        out->kind = PAT_LITERAL_BOOL;
        out->number = value->as.boolean ? 1 : 0;
        return PAT_OK;
    case PAT_VALUE_INT:
    case PAT_VALUE_UINT:
    case PAT_VALUE_FLOAT:
        out->kind = PAT_LITERAL_NUMBER;
        if (decimal_from_value(value, false, &out->number)) return PAT_OK;
        return wrong(fault, "a number of at most 17 digits (ids longer than that are written as text)", value);
    case PAT_VALUE_MAP: return from_map(maker, out, value, fault);
    case PAT_VALUE_NIL: return wrong(fault, "a value (whether a field is unset is asked with is_null)", value);
    case PAT_VALUE_BIN:
    case PAT_VALUE_ARRAY: break;
    }
    return wrong(fault, "one value: a text, a number or a bool", value);
}
