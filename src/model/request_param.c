#include "model/date.h"
#include "model/id.h"
#include "model/request_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const struct pat_value *pat_param__get(const struct pat_params *params, const char *key) {
    const struct pat_value *value = params->map != NULL ? pat_value_get(params->map, key) : NULL;
    return value != NULL && value->type != PAT_VALUE_NIL ? value : NULL;
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static enum pat_status refuse(const struct pat_params *params, enum pat_status status, const char *key,
                              const char *text) {
    char field[PAT_ERROR_FIELD_BYTES];
    (void)snprintf(field, sizeof field, "%s%s", params->prefix, key);
    return pat_error_set_at(params->error, status, field, -1, -1, "parameter \"%s\" of %s: %s", field,
                            params->info->name, text);
}

enum pat_status pat_param__refuse(const struct pat_params *params, enum pat_status status, const char *key,
                                  const char *format, ...) {
    char text[PAT_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return refuse(params, status, key, text);
}

enum pat_status pat_param__fail(const struct pat_params *params, const char *key, const struct pat_value *got,
                                const char *expected, ...) {
    char text[PAT_ERROR_MESSAGE_BYTES - PAT_DESCRIBE_BYTES], shown[PAT_DESCRIBE_BYTES];
    va_list args;
    va_start(args, expected);
    (void)vsnprintf(text, sizeof text, expected, args);
    va_end(args);
    return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, key, "expected %s, got %s", text,
                             pat_value__describe(got, shown));
}

enum pat_status pat_param__missing(const struct pat_params *params, const char *key, const char *expected) {
    return pat_error_set_at(params->error, PAT_ERR_BAD_REQUEST, key, -1, -1, "%s needs the parameter \"%s%s\": %s",
                            params->info->name, params->prefix, key, expected);
}

enum pat_status pat_param__no_memory(const struct pat_params *params) {
    return pat_error_set(params->error, PAT_ERR_NO_MEMORY, "no memory left for the parameters of %s",
                         params->info->name);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static bool is_among(struct pat_text name, const char *const *names) {
    for (; *names != NULL; names++) {
        if (pat_text_is(name, *names)) return true;
    }
    return false;
}

/* "where, args, as_of" of a NULL-terminated list. */
static void join_names(const char *const *names, const char *separator, char *out, size_t capacity) {
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; names[i] != NULL && length < capacity; i++) {
        length += (size_t)snprintf(out + length, capacity - length, "%s%s", i == 0 ? "" : separator, names[i]);
    }
}

static enum pat_status fail_unknown(const struct pat_params *params, struct pat_text name, const char *const *names) {
    char shown[PAT_DESCRIBE_BYTES], list[PAT_ERROR_MESSAGE_BYTES / 2];
    (void)pat_text_printable(name, shown, sizeof shown);
    size_t count = 0;
    while (names[count] != NULL) count++;
    int nearest = pat_text_nearest(name, names, count);
    if (nearest >= 0) {
        return pat_error_set_at(params->error, PAT_ERR_UNKNOWN_FIELD, shown, -1, -1,
                                "unknown parameter \"%s%s\" of %s, did you mean \"%s%s\"?", params->prefix, shown,
                                params->info->name, params->prefix, names[nearest]);
    }
    join_names(names, ", ", list, sizeof list);
    return pat_error_set_at(params->error, PAT_ERR_UNKNOWN_FIELD, shown, -1, -1,
                            "unknown parameter \"%s%s\" of %s, it takes %s", params->prefix, shown, params->info->name,
                            count > 0 ? list : "none");
}

enum pat_status pat_param__check_names(const struct pat_params *params, const char *const *names) {
    for (uint32_t i = 0; params->map != NULL && i < params->map->count; i++) {
        const struct pat_text key = params->map->as.members[i].key;
        if (!is_among(key, names)) return fail_unknown(params, key, names);
    }
    return PAT_OK;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

enum pat_status pat_param__integer(const struct pat_params *params, const char *key, int64_t least, int64_t most,
                                   int64_t *out) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return PAT_OK;
    if (value->type != PAT_VALUE_INT || value->as.integer < least || value->as.integer > most) {
        return pat_param__fail(params, key, value, "an integer from %" PRId64 " to %" PRId64, least, most);
    }
    *out = value->as.integer;
    return PAT_OK;
}

enum pat_status pat_param__number(const struct pat_params *params, const char *key, double least, double most,
                                  const char *expected, bool *given, double *out) {
    const struct pat_value *value = pat_param__get(params, key);
    *given = value != NULL;
    if (value == NULL) return PAT_OK;
    double number = least - 1;
    if (value->type == PAT_VALUE_INT) number = (double)value->as.integer;
    if (value->type == PAT_VALUE_FLOAT) number = value->as.real;
    if (!(number >= least && number <= most)) return pat_param__fail(params, key, value, "%s", expected);
    *out = number;
    return PAT_OK;
}

enum pat_status pat_param__choice(const struct pat_params *params, const char *key, const char *const *words,
                                  int *out) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return PAT_OK;
    for (int i = 0; words[i] != NULL; i++) {
        if (!pat_value_is_text(value, words[i])) continue;
        *out = i;
        return PAT_OK;
    }
    char list[PAT_ERROR_MESSAGE_BYTES / 2];
    join_names(words, "\" or \"", list, sizeof list);
    return pat_param__fail(params, key, value, "\"%s\"", list);
}

enum pat_status pat_param__name(const struct pat_params *params, const char *key, size_t bytes_max,
                                struct pat_text *out) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return PAT_OK;
    if (value->type != PAT_VALUE_TEXT || value->count == 0 || value->count > bytes_max ||
        pat_text_has_control(pat_value_as_text(value))) {
        return pat_param__fail(params, key, value, "a text of 1 to %zu bytes without control characters", bytes_max);
    }
    *out = pat_arena_text(params->arena, pat_value_as_text(value));
    return out->data == NULL ? pat_param__no_memory(params) : PAT_OK;
}

enum pat_status pat_param__name_or_number(const struct pat_params *params, const char *key, size_t bytes_max,
                                          struct pat_text *out) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value != NULL && value->type == PAT_VALUE_INT && value->as.integer >= 0) {
        /* Nearly every id that is looked up. */
        char digits[21];
        *out = pat_arena_text(params->arena, (struct pat_text){digits, pat_id_print(value->as.integer, digits)});
    } else if (value != NULL && value->type == PAT_VALUE_INT) {
        *out = pat_arena_printf(params->arena, "%" PRId64, value->as.integer);
    } else if (value != NULL && value->type == PAT_VALUE_UINT) {
        *out = pat_arena_printf(params->arena, "%" PRIu64, value->as.uinteger);
    } else {
        return pat_param__name(params, key, bytes_max, out);
    }
    return out->data == NULL ? pat_param__no_memory(params) : PAT_OK;
}

enum pat_status pat_param__texts(const struct pat_params *params, const char *key, uint32_t least, uint32_t most,
                                 const struct pat_text **out, uint32_t *count) {
    const struct pat_value *value = pat_param__get(params, key);
    if (value == NULL) return PAT_OK;
    const bool array = value->type == PAT_VALUE_ARRAY;
    const struct pat_value *items = array ? value->as.items : value;
    const uint32_t items_count = array ? value->count : 1;
    if (items_count < least || items_count > most) {
        return pat_param__fail(params, key, value, "an array of %" PRIu32 " to %" PRIu32 " strings", least, most);
    }
    struct pat_text *texts = pat_arena_array(params->arena, items_count, sizeof *texts);
    if (texts == NULL) return pat_param__no_memory(params);
    for (uint32_t i = 0; i < items_count; i++) {
        if (items[i].type != PAT_VALUE_TEXT || items[i].count == 0) {
            return pat_param__fail(params, key, &items[i], "an array of %" PRIu32 " to %" PRIu32 " strings", least,
                                   most);
        }
        texts[i] = pat_value_as_text(&items[i]);
    }
    *out = texts;
    *count = items_count;
    return PAT_OK;
}

/* "-30d", "0d": up to the day itself. */
static bool parse_relative(struct pat_text text, int32_t *days) {
    if (text.length < 2 || text.data[text.length - 1] != 'd') return false;
    const bool negative = text.data[0] == '-';
    pat_decimal value;
    const struct pat_text digits = {text.data + negative, text.length - 1 - negative};
    if (digits.length == 0 || digits.data[0] < '0' || digits.data[0] > '9') return false;
    if (!pat_decimal_parse(digits, false, &value) || pat_decimal_scale(value) != 0) return false;
    const int64_t count = pat_decimal_mantissa(value);
    if (count > PAT_FILTER_DAYS_MAX) return false;
    *days = (int32_t)(negative ? -count : count);
    return true;
}

bool pat_param__day(const struct pat_value *value, struct pat_day_param *out) {
    *out = (struct pat_day_param){.given = true};
    if (value->type == PAT_VALUE_INT) {
        out->days = (int32_t)value->as.integer;
        return value->as.integer >= PAT_DAY_MIN && value->as.integer <= PAT_DAY_MAX;
    }
    if (value->type != PAT_VALUE_TEXT) return false;
    if (pat_day_parse(pat_value_as_text(value), &out->days)) return true;
    out->relative = true;
    return parse_relative(pat_value_as_text(value), &out->days);
}
