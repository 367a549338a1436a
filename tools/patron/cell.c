/* One cell: from text to the value that is sent. */
#include "mapping.h"

#include "model/currency.h"
#include "model/date.h"
#include "model/decimal.h"
#include "model/id.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct pat_text replaced(const struct pat_mapped *mapped, struct pat_text cell) {
    for (unsigned i = 0; i < mapped->pairs; i++) {
        if (pat_text_equal(mapped->pair[i].old, cell)) return mapped->pair[i].fresh;
    }
    return cell;
}

static bool refuse(struct pat_cell_fault *fault, enum pat_reject code, const char *message) {
    *fault = (struct pat_cell_fault){code, message};
    return false;
}

static bool keep_text(struct pat_text cell, struct pat_arena *arena, struct pat_value *out,
                      struct pat_cell_fault *fault) {
    const struct pat_text copy = pat_arena_text(arena, cell);
    if (copy.data == NULL) return refuse(fault, PAT_REJECT_TOO_LONG, "no memory for this cell");
    *out = pat_value_text(copy);
    return true;
}

/* A whole number as the wire's integer; other text goes as it is, for the server to judge. */
static bool integer_of(struct pat_text cell, int64_t *out) {
    const bool minus = cell.length > 1 && cell.data[0] == '-';
    const size_t digits = cell.length - (minus ? 1 : 0);
    if (digits == 0 || digits > 18) return false;
    int64_t value = 0;
    for (size_t i = minus ? 1 : 0; i < cell.length; i++) {
        if (cell.data[i] < '0' || cell.data[i] > '9') return false;
        value = value * 10 + (cell.data[i] - '0');
    }
    *out = minus ? -value : value;
    return true;
}

static bool read_bool(struct pat_text cell, struct pat_arena *arena, struct pat_value *out,
                      struct pat_cell_fault *fault) {
    static const char *const words[2][5] = {{"false", "0", "no", "n", "f"}, {"true", "1", "yes", "y", "t"}};
    for (unsigned i = 0; i < 10; i++) {
        const char *word = words[i % 2][i / 2];
        if (cell.length != strlen(word) || strncasecmp(cell.data, word, cell.length) != 0) continue;
        *out = pat_value_bool(i % 2 == 1);
        return true;
    }
    return keep_text(cell, arena, out, fault);
}

/* Members are separated by '|', ';' or ','. */
static bool read_set(struct pat_text cell, struct pat_arena *arena, struct pat_value *out,
                     struct pat_cell_fault *fault) {
    struct pat_builder builder = {.arena = arena};
    *out = pat_build_array(&builder, 4);
    size_t start = 0;
    for (size_t i = 0; i <= cell.length; i++) {
        if (i < cell.length && memchr("|;,", cell.data[i], 3) == NULL) continue;
        size_t from = start, to = i;
        while (from < to && cell.data[from] == ' ') from++;
        while (to > from && cell.data[to - 1] == ' ') to--;
        if (to > from) {
            const struct pat_text member = {cell.data + from, to - from};
            pat_build_push(&builder, out, pat_build_text(&builder, member));
        }
        start = i + 1;
    }
    return builder.failed ? refuse(fault, PAT_REJECT_TOO_LONG, "no memory for this cell") : true;
}

static bool read_formatted_time(const struct pat_mapped *mapped, struct pat_text cell, struct pat_arena *arena,
                                struct pat_value *out, struct pat_cell_fault *fault) {
    struct pat_stamp stamp;
    if (!pat_stamp_parse_format(cell, mapped->time_format, &stamp)) {
        return refuse(fault, PAT_REJECT_BAD_TIME, "does not match --time-format");
    }
    char text[26];
    if (stamp.has_offset) {
        pat_stamp_print(stamp.local_seconds - stamp.offset_seconds, stamp.offset_seconds, text);
        return keep_text(pat_text_of(text), arena, out, fault);
    }
    /* Without an offset the store's zone applies: the clock as written, with nothing behind it. */
    pat_stamp_print(stamp.local_seconds, 0, text);
    text[mapped->type == PAT_TYPE_DAY ? 10 : 19] = '\0';
    return keep_text(pat_text_of(text), arena, out, fault);
}

static bool read_time(const struct pat_mapped *mapped, struct pat_text cell, struct pat_arena *arena,
                      struct pat_value *out, struct pat_cell_fault *fault) {
    if (mapped->time_format != NULL) return read_formatted_time(mapped, cell, arena, out, fault);
    int64_t ms;
    /* Milliseconds since 1970; fewer digits could be a date without dashes, which would become a moment in 1970. */
    if (mapped->type == PAT_TYPE_TIME && cell.length >= 11 && integer_of(cell, &ms)) {
        *out = pat_value_int(ms);
        return true;
    }
    return keep_text(cell, arena, out, fault);
}

static bool read_decimal(const struct pat_mapped *mapped, struct pat_text cell, struct pat_arena *arena,
                         struct pat_value *out, struct pat_cell_fault *fault) {
    if (!mapped->decimal_comma) return keep_text(cell, arena, out, fault);
    pat_decimal value;
    if (!pat_decimal_parse(cell, true, &value)) {
        const enum pat_reject code = mapped->type == PAT_TYPE_MONEY ? PAT_REJECT_BAD_MONEY : PAT_REJECT_BAD_VALUE;
        return refuse(fault, code, "is no number with a decimal comma");
    }
    char text[24];
    pat_decimal_print(value, text);
    return keep_text(pat_text_of(text), arena, out, fault);
}

static bool time_word(const struct pat_mapped *mapped, struct pat_text cell, int64_t *word) {
    struct pat_stamp stamp;
    const bool parsed = mapped->time_format != NULL ? pat_stamp_parse_format(cell, mapped->time_format, &stamp)
                                                    : pat_stamp_parse(cell, &stamp);
    if (!parsed || (!stamp.has_offset && !mapped->utc)) {
        return mapped->time_format == NULL && cell.length >= 11 && integer_of(cell, word);
    }
    *word = (stamp.local_seconds - (stamp.has_offset ? stamp.offset_seconds : 0)) * 1000;
    return true;
}

bool pat_mapped_word(const struct pat_mapped *mapped, struct pat_text cell, int64_t *word) {
    if (mapped->pairs > 0) cell = replaced(mapped, cell);
    *word = PAT_NULL;
    if (cell.length == 0) return true;
    switch (mapped->type) {
    case PAT_TYPE_ID:
    case PAT_TYPE_REF: *word = pat_id_number(cell); return *word >= 0;
    case PAT_TYPE_TIME: return time_word(mapped, cell, word);
    case PAT_TYPE_MONEY: return pat_decimal_parse(cell, mapped->decimal_comma, word);
    default: return false;
    }
}

/* Money of the row's own currency, which tells its digits; what customers and attributes have may be in another one. */
static bool is_priced(const struct pat_mapping *mapping, const struct pat_mapped *field) {
    return (mapping->table == PAT_ORDERS || mapping->table == PAT_REFUNDS) &&
           strncmp(field->name, PAT_ATTRIBUTE_PREFIX, sizeof PAT_ATTRIBUTE_PREFIX - 1) != 0 &&
           pat_mapping_find(mapping, "currency") >= 0;
}

void pat_mapping_choose_words(struct pat_mapping *mapping, struct pat_text zone) {
    for (unsigned i = 0; i < mapping->fields; i++) {
        struct pat_mapped *field = &mapping->field[i];
        field->utc = pat_text_is(zone, "UTC");
        switch (field->type) {
        case PAT_TYPE_ID:
        case PAT_TYPE_REF:
        case PAT_TYPE_TIME: field->words = true; break;
        case PAT_TYPE_MONEY: field->words = is_priced(mapping, field); break;
        default: break;
        }
    }
}

bool pat_mapped_read(const struct pat_mapped *mapped, struct pat_text cell, struct pat_arena *arena,
                     struct pat_value *out, struct pat_cell_fault *fault) {
    if (mapped->pairs > 0) cell = replaced(mapped, cell);
    *out = pat_value_nil();
    if (cell.length == 0) return true;
    if (!pat_text_utf8_valid(cell, NULL)) {
        return refuse(fault, PAT_REJECT_BAD_VALUE, "is not UTF-8 (iconv -f latin1 -t utf-8 may help)");
    }
    switch (mapped->type) {
    case PAT_TYPE_BOOL: return read_bool(cell, arena, out, fault);
    case PAT_TYPE_SET: return read_set(cell, arena, out, fault);
    case PAT_TYPE_DAY:
    case PAT_TYPE_TIME: return read_time(mapped, cell, arena, out, fault);
    case PAT_TYPE_DECIMAL:
    case PAT_TYPE_MONEY: return read_decimal(mapped, cell, arena, out, fault);
    case PAT_TYPE_INT: {
        int64_t number;
        if (!integer_of(cell, &number)) return keep_text(cell, arena, out, fault);
        *out = pat_value_int(number);
        return true;
    }
    case PAT_TYPE_ID:
    case PAT_TYPE_REF:
    case PAT_TYPE_TEXT:
    case PAT_TYPE_NUMBER: break;
    }
    return keep_text(cell, arena, out, fault);
}

/* ---- what the server would say -------------------------------------------------------------------------------- */

static bool check_time(const struct pat_mapped *mapped, const struct pat_value *value, struct pat_cell_fault *fault) {
    struct pat_stamp stamp;
    pat_day day;
    if (value->type != PAT_VALUE_TEXT) return true;
    const struct pat_text text = pat_value_as_text(value);
    if (mapped->type == PAT_TYPE_DAY && pat_day_parse(text, &day)) return true;
    if (pat_stamp_parse(text, &stamp)) return true;
    return refuse(fault, PAT_REJECT_BAD_TIME, "is no time like 2010-12-09 20:01:00 (see --time-format)");
}

static bool check_decimal(const struct pat_mapped *mapped, const struct pat_value *value,
                          struct pat_cell_fault *fault) {
    const enum pat_reject code = mapped->type == PAT_TYPE_MONEY ? PAT_REJECT_BAD_MONEY : PAT_REJECT_BAD_VALUE;
    pat_decimal number;
    if (value->type != PAT_VALUE_TEXT) return true;
    if (!pat_decimal_parse(pat_value_as_text(value), false, &number)) {
        const bool comma = memchr(value->as.text, ',', value->count) != NULL;
        if (pat_decimal_too_fine(pat_value_as_text(value))) return refuse(fault, code, "has more than 15 decimals");
        return refuse(fault, code, comma ? "is no number (see --decimal-comma)" : "is no number");
    }
    /* What goes back to a buyer: a negative quantity in lines, a refund else. */
    if (strcmp(mapped->name, "price") == 0 && number <= 0) {
        return refuse(fault, PAT_REJECT_BAD_MONEY, "is not above zero: lines that go back have a negative quantity");
    }
    if (strcmp(mapped->name, "amount") == 0 && number < 0) {
        return refuse(fault, code, "is below zero: what goes back to a buyer is a refund, and positive");
    }
    return true;
}

bool pat_mapped_check(const struct pat_mapped *mapped, const struct pat_value *value, struct pat_cell_fault *fault) {
    if (value->type == PAT_VALUE_NIL) {
        return mapped->required ? refuse(fault, PAT_REJECT_MISSING, "is empty, and a new row needs it") : true;
    }
    switch (mapped->type) {
    case PAT_TYPE_ID:
    case PAT_TYPE_REF: {
        const enum pat_id_fault id = pat_id_check(pat_value_as_text(value));
        return id == PAT_ID_FINE ? true : refuse(fault, PAT_REJECT_BAD_ID, pat_id_fault_text(id));
    }
    case PAT_TYPE_DAY:
    case PAT_TYPE_TIME: return check_time(mapped, value, fault);
    case PAT_TYPE_DECIMAL:
    case PAT_TYPE_MONEY: return check_decimal(mapped, value, fault);
    case PAT_TYPE_TEXT:
        if (strcmp(mapped->name, "currency") == 0 && pat_currency_find(pat_value_as_text(value)) < 0) {
            return refuse(fault, PAT_REJECT_BAD_CURRENCY, "is no currency of ISO 4217");
        }
        if (value->count > PAT_DICT_TEXT_BYTES_MAX) return refuse(fault, PAT_REJECT_TOO_LONG, "is too long for a name");
        return true;
    case PAT_TYPE_BOOL:
        return value->type == PAT_VALUE_BOOL ? true : refuse(fault, PAT_REJECT_BAD_VALUE, "is neither true nor false");
    case PAT_TYPE_INT:
        /* A version may be a time. */
        if (value->type == PAT_VALUE_INT || strcmp(mapped->name, "version") == 0) return true;
        return refuse(fault, PAT_REJECT_BAD_VALUE, "is no whole number");
    case PAT_TYPE_SET:
    case PAT_TYPE_NUMBER: return true;
    }
    return true;
}
