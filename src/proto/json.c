#include "proto/json.h"

#include "base/text.h"
#include "model/limits.h"

#include <jansson.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- before jansson --------------------------------------------------------------------------------------------- */

/* An integer beyond int64, which jansson cannot hold. Its digits are replaced in a copy of the text by a 1 and spaces,
 * and the value is put back by its place among all numbers. */
struct big {
    size_t ordinal;
    uint64_t value;
};

struct prepared {
    char *text; /* copy, in the arena */
    size_t length;
    struct big *big;
    size_t bigs;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool in_number(char c) {
    return is_digit(c) || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

/* Length of the string token at `at`, both quotes included where the second is there. */
static size_t string_length(const char *text, size_t length, size_t at) {
    size_t end = at + 1;
    while (end < length && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    return (end < length ? end + 1 : length) - at;
}

/* True when the digits are a whole number above INT64_MAX and within uint64; the fewest digits of such a number are 19.
 */
static bool big_read(const char *digits, size_t length, uint64_t *value) {
    if (length < 19 || length > 20 || digits[0] == '0') return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(digits[i])) return false;
        if (__builtin_mul_overflow(sum, 10u, &sum)) return false;
        if (__builtin_add_overflow(sum, (uint64_t)(digits[i] - '0'), &sum)) return false;
    }
    *value = sum;
    return sum > INT64_MAX;
}

static bool big_keep(struct prepared *prepared, size_t ordinal, size_t at, size_t length, uint64_t value,
                     struct pat_arena *arena) {
    if (prepared->big == NULL) prepared->big = pat_arena_array(arena, prepared->length / 20 + 1, sizeof *prepared->big);
    if (prepared->big == NULL) return false;
    prepared->big[prepared->bigs++] = (struct big){ordinal, value};
    memset(prepared->text + at, ' ', length);
    prepared->text[at] = '1';
    return true;
}

/* Finds what jansson would not report as we promise: depth (with its offset) and integers beyond int64. Anything that
 * is no JSON is left to jansson to name. */
static enum pat_status prepare(struct prepared *prepared, struct pat_arena *arena, struct pat_error *error) {
    size_t numbers = 0;
    unsigned depth = 0;
    for (size_t at = 0, step; at < prepared->length; at += step) {
        char c = prepared->text[at];
        step = 1;
        if (c == '"') {
            step = string_length(prepared->text, prepared->length, at);
        } else if (c == '{' || c == '[') {
            if (++depth > PAT_FRAME_DEPTH_MAX)
                return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, NULL, -1, (int64_t)at,
                                        "JSON is nested deeper than %u levels", PAT_FRAME_DEPTH_MAX);
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        } else if (is_digit(c) || c == '-') {
            while (at + step < prepared->length && in_number(prepared->text[at + step])) step++;
            uint64_t value;
            if (big_read(prepared->text + at, step, &value) && !big_keep(prepared, numbers, at, step, value, arena))
                return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read JSON");
            numbers++;
        }
    }
    return PAT_OK;
}

/* ---- jansson to values ------------------------------------------------------------------------------------------ */

struct converter {
    struct pat_arena *arena;
    const struct big *big; /* the next ones to come */
    size_t bigs;
    size_t numbers; /* passed so far, in the order of the text: jansson keeps the order of members */
};

static bool convert(struct converter *converter, struct pat_value *out, const json_t *json);

static struct pat_value convert_integer(struct converter *converter, const json_t *json) {
    size_t ordinal = converter->numbers++;
    if (converter->bigs == 0 || converter->big->ordinal != ordinal) return pat_value_int(json_integer_value(json));
    converter->bigs--;
    return pat_value_uint(converter->big++->value);
}

static bool convert_text(struct converter *converter, struct pat_value *out, const json_t *json) {
    struct pat_text text =
        pat_arena_text(converter->arena, (struct pat_text){json_string_value(json), json_string_length(json)});
    *out = pat_value_text(text);
    return text.data != NULL;
}

static bool convert_array(struct converter *converter, struct pat_value *out, const json_t *json) {
    size_t count = json_array_size(json);
    struct pat_value *items = pat_arena_array(converter->arena, count, sizeof *items);
    if (items == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (!convert(converter, &items[i], json_array_get(json, i))) return false;
    }
    *out = (struct pat_value){.type = PAT_VALUE_ARRAY, .count = (uint32_t)count, .as.items = items};
    return true;
}

static bool convert_object(struct converter *converter, struct pat_value *out, json_t *json) {
    size_t count = json_object_size(json);
    struct pat_member *members = pat_arena_array(converter->arena, count, sizeof *members);
    if (members == NULL) return false;
    size_t filled = 0;
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        struct pat_member *member = &members[filled++];
        member->key = pat_arena_text(converter->arena, pat_text_of(key));
        if (member->key.data == NULL || !convert(converter, &member->value, value)) return false;
    }
    *out = (struct pat_value){.type = PAT_VALUE_MAP, .count = (uint32_t)count, .as.members = members};
    return true;
}

/* False when there is no memory. */
static bool convert(struct converter *converter, struct pat_value *out, const json_t *json) {
    switch (json_typeof(json)) {
    case JSON_OBJECT: return convert_object(converter, out, (json_t *)json);
    case JSON_ARRAY: return convert_array(converter, out, json);
    case JSON_STRING: return convert_text(converter, out, json);
    case JSON_INTEGER: *out = convert_integer(converter, json); return true;
    case JSON_REAL:
        converter->numbers++;
        *out = pat_value_real(json_real_value(json));
        return true;
    case JSON_TRUE: *out = pat_value_bool(true); return true;
    case JSON_FALSE: *out = pat_value_bool(false); return true;
    case JSON_NULL: break;
    }
    *out = pat_value_nil();
    return true;
}

enum pat_status pat_json_parse(struct pat_value *out, struct pat_text text, struct pat_arena *arena,
                               struct pat_error *error) {
    size_t bad = 0;
    if (!pat_text_utf8_valid(text, &bad))
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, NULL, -1, (int64_t)bad, "JSON is not UTF-8");
    struct prepared prepared = {.text = (char *)pat_arena_text(arena, text).data, .length = text.length};
    if (prepared.text == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read JSON");
    PAT_TRY(prepare(&prepared, arena, error));
    json_error_t trouble;
    json_t *json =
        json_loadb(prepared.text, prepared.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &trouble);
    if (json == NULL) {
        char what[JSON_ERROR_TEXT_LENGTH];
        (void)pat_text_printable(pat_text_of(trouble.text), what, sizeof what);
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, NULL, -1, trouble.position, "bad JSON in line %d: %s",
                                trouble.line, what);
    }
    struct converter converter = {.arena = arena, .big = prepared.big, .bigs = prepared.bigs};
    bool converted = convert(&converter, out, json);
    json_decref(json);
    return converted ? PAT_OK : pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read JSON");
}

/* ---- printing --------------------------------------------------------------------------------------------------- */

struct printer {
    struct pat_buf *out;
    bool pretty;
    unsigned depth;
};

static enum pat_status print_value(struct printer *printer, const struct pat_value *value);

static enum pat_status print_literal(struct printer *printer, const char *literal) {
    return pat_buf_append(printer->out, literal, strlen(literal));
}

/* The shortest decimal that reads back as the same double, with a point or exponent so that it stays a double. */
static enum pat_status print_real(struct printer *printer, double real) {
    if (!isfinite(real)) return print_literal(printer, "null");
    char text[40];
    /* 15 digits always survive, so fewer are never shorter: except below the normal range, where precision runs out. */
    for (int digits = fabs(real) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real) break;
    }
    /* A program around the client library may have set a locale with another decimal point, of one byte or more. */
    char clean[sizeof text + 2];
    size_t length = 0;
    bool whole = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (is_digit(*c) || *c == '-' || *c == '+' || *c == 'e') {
            clean[length++] = *c;
            whole = whole && *c != 'e';
        } else if (whole) {
            clean[length++] = '.';
            whole = false;
        }
    }
    PAT_TRY(pat_buf_append(printer->out, clean, length));
    return whole ? print_literal(printer, ".0") : PAT_OK;
}

static enum pat_status print_escaped(struct printer *printer, unsigned char byte) {
    switch (byte) {
    case '"': return print_literal(printer, "\\\"");
    case '\\': return print_literal(printer, "\\\\");
    case '\n': return print_literal(printer, "\\n");
    case '\r': return print_literal(printer, "\\r");
    case '\t': return print_literal(printer, "\\t");
    default: return pat_buf_printf(printer->out, "\\u%04x", byte);
    }
}

static enum pat_status print_text(struct printer *printer, struct pat_text text) {
    PAT_TRY(print_literal(printer, "\""));
    size_t plain = 0; /* start of the bytes that need no escape */
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
        PAT_TRY(pat_buf_append(printer->out, text.data + plain, i - plain));
        PAT_TRY(print_escaped(printer, byte));
        plain = i + 1;
    }
    if (text.length > plain) PAT_TRY(pat_buf_append(printer->out, text.data + plain, text.length - plain));
    return print_literal(printer, "\"");
}

static enum pat_status print_base64(struct printer *printer, const unsigned char *bytes, size_t count) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    PAT_TRY(print_literal(printer, "\""));
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (left > 1) group |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) group |= bytes[i + 2];
        char four[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63], left > 1 ? alphabet[group >> 6 & 63] : '=',
                        left > 2 ? alphabet[group & 63] : '='};
        PAT_TRY(pat_buf_append(printer->out, four, sizeof four));
    }
    return print_literal(printer, "\"");
}

static enum pat_status print_line(struct printer *printer) {
    if (!printer->pretty) return PAT_OK;
    return pat_buf_printf(printer->out, "\n%*s", (int)printer->depth * 2, "");
}

/* What stands in front of item `i`: a comma behind the one before, and a line of its own. */
static enum pat_status print_item_begin(struct printer *printer, uint32_t i) {
    if (i > 0) PAT_TRY(print_literal(printer, ","));
    return print_line(printer);
}

static enum pat_status print_array(struct printer *printer, const struct pat_value *value) {
    if (value->count == 0) return print_literal(printer, "[]");
    PAT_TRY(print_literal(printer, "["));
    printer->depth++;
    for (uint32_t i = 0; i < value->count; i++) {
        PAT_TRY(print_item_begin(printer, i));
        PAT_TRY(print_value(printer, &value->as.items[i]));
    }
    printer->depth--;
    PAT_TRY(print_line(printer));
    return print_literal(printer, "]");
}

static enum pat_status print_map(struct printer *printer, const struct pat_value *value) {
    if (value->count == 0) return print_literal(printer, "{}");
    PAT_TRY(print_literal(printer, "{"));
    printer->depth++;
    for (uint32_t i = 0; i < value->count; i++) {
        PAT_TRY(print_item_begin(printer, i));
        PAT_TRY(print_text(printer, value->as.members[i].key));
        PAT_TRY(print_literal(printer, printer->pretty ? ": " : ":"));
        PAT_TRY(print_value(printer, &value->as.members[i].value));
    }
    printer->depth--;
    PAT_TRY(print_line(printer));
    return print_literal(printer, "}");
}

static enum pat_status print_value(struct printer *printer, const struct pat_value *value) {
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_NIL: break;
    case PAT_VALUE_BOOL: return print_literal(printer, value->as.boolean ? "true" : "false");
    case PAT_VALUE_INT: return pat_buf_printf(printer->out, "%lld", (long long)value->as.integer);
    case PAT_VALUE_UINT: return pat_buf_printf(printer->out, "%llu", (unsigned long long)value->as.uinteger);
    case PAT_VALUE_FLOAT: return print_real(printer, value->as.real);
    case PAT_VALUE_TEXT: return print_text(printer, pat_value_as_text(value));
    case PAT_VALUE_BIN: return print_base64(printer, value->as.bin, value->count);
    case PAT_VALUE_ARRAY: return print_array(printer, value);
    case PAT_VALUE_MAP: return print_map(printer, value);
    }
    return print_literal(printer, "null");
}

enum pat_status pat_json_print(struct pat_buf *out, const struct pat_value *value, bool pretty) {
    size_t start = out->length;
    struct printer printer = {.out = out, .pretty = pretty};
    enum pat_status status = print_value(&printer, value);
    if (status != PAT_OK) out->length = start;
    return status;
}
