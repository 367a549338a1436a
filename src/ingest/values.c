#include "ingest/ingest_private.h"

#include "model/currency.h"
#include "model/date.h"
#include "model/decimal.h"
#include "model/id.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
#define SET_JOINT  '\x1f'

static bool reject_type(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                        const char *expected) {
    pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_TYPE, "%s: expected %s, got %s",
                     convert->name, expected, pat_value_type_name(value));
    return false;
}

static bool reject_text(const struct pat_convert *convert, uint32_t row, enum pat_reject code, struct pat_text text,
                        const char *expected) {
    char shown[64];
    pat_rejects__add(convert->rejects, row, convert->name, code, "%s: \"%s\" is not %s", convert->name,
                     pat_text_printable(text, shown, sizeof shown), expected);
    return false;
}

static int64_t floor_divide(int64_t a, int64_t b) {
    int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

/* An integer that came as such, or as a float without a fraction (JSON knows no other numbers). */
static bool as_integer(const struct pat_value *value, int64_t *out) {
    if (value->type == PAT_VALUE_INT) {
        *out = value->as.integer;
        return true;
    }
    if (value->type != PAT_VALUE_FLOAT) return false;
    double real = value->as.real;
    if (!(real >= -9007199254740992.0 && real <= 9007199254740992.0) || real != floor(real)) return false;
    *out = (int64_t)real;
    return true;
}

/* ---- times and days ---------------------------------------------------------------------------------------------- */

#define SECONDS_MIN ((int64_t)PAT_DAY_MIN * 86400)
#define SECONDS_MAX ((int64_t)PAT_DAY_MAX * 86400)

/* Days are the zone's: near both ends the local clock decides. */
static bool is_in_our_years(const struct pat_zone *zone, int64_t seconds) {
    if (seconds >= SECONDS_MIN + 2 * 86400 && seconds <= SECONDS_MAX - 2 * 86400) return true;
    if (seconds < SECONDS_MIN - 2 * 86400 || seconds > SECONDS_MAX + 2 * 86400) return false;
    pat_day day = pat_zone_day_at(zone, seconds);
    return day >= PAT_DAY_MIN && day <= PAT_DAY_MAX;
}

static bool check_seconds(const struct pat_convert *convert, uint32_t row, int64_t seconds) {
    if (!is_in_our_years(convert->zone, seconds)) {
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_TIME,
                         "%s: %" PRId64 " seconds since 1970 is outside the years 1 to 9999; integers are milliseconds",
                         convert->name, seconds);
        return false;
    }
    if (convert->dated_fact && seconds > floor_divide(convert->now_ms + PAT_FUTURE_DAYS_MAX * MS_PER_DAY, 1000)) {
        char shown[26];
        pat_stamp_print(seconds, 0, shown);
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_FUTURE,
                         "%s: %s is more than a day ahead of the server's clock: is the year right, and day and month?",
                         convert->name, shown);
        return false;
    }
    return true;
}

static int64_t stamp_seconds(const struct pat_convert *convert, const struct pat_stamp *stamp) {
    if (stamp->has_offset) return stamp->local_seconds - stamp->offset_seconds;
    return pat_zone_from_local(convert->zone, stamp->local_seconds);
}

static bool convert_time(const struct pat_convert *convert, uint32_t row, const struct pat_value *value, int64_t *out) {
    int64_t ms;
    if (as_integer(value, &ms)) {
        *out = floor_divide(ms, 1000);
        return check_seconds(convert, row, *out);
    }
    if (value->type != PAT_VALUE_TEXT)
        return reject_type(convert, row, value, "a time (RFC 3339 text or milliseconds)");
    struct pat_stamp stamp;
    struct pat_text text = pat_value_as_text(value);
    if (!pat_stamp_parse(text, &stamp)) {
        return reject_text(convert, row, PAT_REJECT_BAD_TIME, text, "a time such as 2010-12-09T20:01:00 or 2010-12-09");
    }
    *out = stamp_seconds(convert, &stamp);
    return check_seconds(convert, row, *out);
}

static bool convert_day(const struct pat_convert *convert, uint32_t row, const struct pat_value *value, int64_t *out) {
    if (as_integer(value, out)) return pat_value__check(convert, row, *out, out);
    if (value->type != PAT_VALUE_TEXT) return reject_type(convert, row, value, "a day (YYYY-MM-DD or days since 1970)");
    struct pat_text text = pat_value_as_text(value);
    pat_day day;
    if (pat_day_parse(text, &day)) {
        *out = day;
        return true;
    }
    struct pat_stamp stamp;
    if (!pat_stamp_parse(text, &stamp)) {
        return reject_text(convert, row, PAT_REJECT_BAD_TIME, text, "a day such as 2010-12-09");
    }
    /* A time where a day belongs: its day in the store's zone. */
    *out = stamp.has_offset ? pat_zone_day_at(convert->zone, stamp_seconds(convert, &stamp))
                            : floor_divide(stamp.local_seconds, 86400);
    return true;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* Digits that a decimal has no room for: 64-bit versions, nanoseconds among them. */
static bool parse_integer(struct pat_text text, int64_t *out) {
    bool negative = text.length > 0 && text.data[0] == '-';
    size_t at = text.length > 0 && (negative || text.data[0] == '+') ? 1 : 0;
    int64_t value = 0;
    if (at == text.length) return false;
    for (; at < text.length; at++) {
        int digit = text.data[at] - '0';
        if (digit < 0 || digit > 9) return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value)) return false;
    }
    if (!negative && value == INT64_MIN) return false;
    *out = negative ? value : -value;
    return true;
}

static bool convert_integer(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                            int64_t *out) {
    if (as_integer(value, out)) return pat_value__check(convert, row, *out, out);
    if (value->type != PAT_VALUE_TEXT) return reject_type(convert, row, value, "an integer");
    struct pat_text text = pat_value_as_text(value);
    pat_decimal decimal;
    if (parse_integer(text, out)) return pat_value__check(convert, row, *out, out);
    if (pat_decimal_parse(text, false, &decimal) && pat_decimal_scale(decimal) == 0) {
        return pat_value__check(convert, row, pat_decimal_mantissa(decimal), out);
    }
    /* A version may be a time; as milliseconds it compares with integer versions of the same kind. */
    struct pat_stamp stamp;
    if (strcmp(convert->name, "version") == 0 && pat_stamp_parse(text, &stamp)) {
        *out = stamp_seconds(convert, &stamp) * 1000;
        return true;
    }
    return reject_text(convert, row, PAT_REJECT_BAD_VALUE, text, "an integer");
}

static bool convert_boolean(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                            int64_t *out) {
    if (value->type == PAT_VALUE_BOOL) {
        *out = value->as.boolean ? 1 : 0;
        return true;
    }
    if (value->type == PAT_VALUE_INT) return pat_value__check(convert, row, value->as.integer, out);
    if (value->type != PAT_VALUE_TEXT) return reject_type(convert, row, value, "true or false");
    static const struct {
        const char *text;
        int64_t value;
    } words[] = {{"true", 1}, {"false", 0}, {"1", 1},    {"0", 0},     {"yes", 1}, {"no", 0},
                 {"TRUE", 1}, {"FALSE", 0}, {"True", 1}, {"False", 0}, {"t", 1},   {"f", 0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!pat_value_is_text(value, words[i].text)) continue;
        *out = words[i].value;
        return true;
    }
    return reject_text(convert, row, PAT_REJECT_BAD_VALUE, pat_value_as_text(value), "true or false");
}

static bool as_decimal(const struct pat_value *value, pat_decimal *out) {
    switch (value->type) {
    case PAT_VALUE_INT: return pat_decimal_make(value->as.integer, 0, out);
    case PAT_VALUE_FLOAT: return pat_decimal_from_double(value->as.real, out);
    case PAT_VALUE_TEXT: return pat_decimal_parse(pat_value_as_text(value), false, out);
    default: return false;
    }
}

/* Rejects what is no decimal, with the value shown. */
static bool decimal_of(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                       enum pat_reject code, const char *expected, pat_decimal *out) {
    if (as_decimal(value, out)) return true;
    char digits[40] = "";
    if (value->type == PAT_VALUE_FLOAT) (void)snprintf(digits, sizeof digits, "%.17g", value->as.real);
    const struct pat_text text = value->type == PAT_VALUE_TEXT ? pat_value_as_text(value) : pat_text_of(digits);
    if (pat_decimal_too_fine(text)) {
        char printed[64];
        pat_rejects__add(convert->rejects, row, convert->name, code, "%s: %s has more than %d decimals", convert->name,
                         pat_text_printable(text, printed, sizeof printed), PAT_DECIMAL_SCALE_MAX);
        return false;
    }
    if (value->type == PAT_VALUE_TEXT) return reject_text(convert, row, code, text, expected);
    if (value->type != PAT_VALUE_FLOAT && value->type != PAT_VALUE_INT) {
        return reject_type(convert, row, value, expected);
    }
    double shown = value->type == PAT_VALUE_FLOAT ? value->as.real : (double)value->as.integer;
    pat_rejects__add(convert->rejects, row, convert->name, code, "%s: %.17g is not %s", convert->name, shown, expected);
    return false;
}

static bool convert_money(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                          int64_t *out) {
    if (!convert->minor) return decimal_of(convert, row, value, PAT_REJECT_BAD_MONEY, "an amount such as 12.50", out);
    if (as_integer(value, out)) return pat_value__check(convert, row, *out, out);
    pat_decimal decimal;
    if (!decimal_of(convert, row, value, PAT_REJECT_BAD_MONEY, "an integer of minor units", &decimal)) return false;
    if (pat_decimal_scale(decimal) != 0) {
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_MONEY,
                         "%s: minor units are whole; send \"amount\" for major units", convert->name);
        return false;
    }
    return pat_value__check(convert, row, pat_decimal_mantissa(decimal), out);
}

bool pat_value__scalar(const struct pat_convert *convert, uint32_t row, const struct pat_value *value, int64_t *out) {
    *out = PAT_NULL;
    if (value->type == PAT_VALUE_NIL) return true;
    switch (convert->field->type) {
    case PAT_TYPE_TIME: return convert_time(convert, row, value, out);
    case PAT_TYPE_DAY: return convert_day(convert, row, value, out);
    case PAT_TYPE_INT: return convert_integer(convert, row, value, out);
    case PAT_TYPE_BOOL: return convert_boolean(convert, row, value, out);
    case PAT_TYPE_DECIMAL:
        return decimal_of(convert, row, value, PAT_REJECT_BAD_VALUE, "a number of up to 17 digits, 15 of them decimals",
                          out);
    case PAT_TYPE_MONEY: return convert_money(convert, row, value, out);
    default: PAT_ASSERT(false); return false; /* texts and ids have roads of their own */
    }
}

static bool check_range(const struct pat_convert *convert, uint32_t row, enum pat_reject code, int64_t value,
                        int64_t least, int64_t greatest) {
    if (value >= least && value <= greatest) return true;
    pat_rejects__add(convert->rejects, row, convert->name, code, "%s: %" PRId64 " is outside %" PRId64 " .. %" PRId64,
                     convert->name, value, least, greatest);
    return false;
}

void pat_value__bounds(const struct pat_convert *convert, int64_t *low, int64_t *high) {
    *low = 1;
    *high = 0;
    switch (convert->field->type) {
    case PAT_TYPE_ID:
    case PAT_TYPE_REF:
        *low = 0;
        *high = INT64_MAX;
        return;
    case PAT_TYPE_TIME:
        /* A day less at both ends than there is in UTC: no zone is further off. */
        *low = (PAT_DAY_MIN + INT64_C(2)) * MS_PER_DAY;
        *high = (PAT_DAY_MAX - INT64_C(2)) * MS_PER_DAY;
        if (convert->dated_fact && *high > convert->now_ms) *high = convert->now_ms;
        return;
    case PAT_TYPE_DAY:
        *low = PAT_DAY_MIN;
        *high = PAT_DAY_MAX;
        return;
    case PAT_TYPE_BOOL:
        *low = 0;
        *high = 1;
        return;
    case PAT_TYPE_MONEY:
        *low = -PAT_MONEY_MINOR_MAX;
        *high = PAT_MONEY_MINOR_MAX;
        return;
    case PAT_TYPE_INT:
        *low = INT64_MIN + 1;
        *high = INT64_MAX;
        return;
    default: return;
    }
}

bool pat_value__check(const struct pat_convert *convert, uint32_t row, int64_t value, int64_t *out) {
    *out = value;
    switch (convert->field->type) {
    case PAT_TYPE_TIME: *out = floor_divide(value, 1000); return check_seconds(convert, row, *out);
    case PAT_TYPE_DAY: return check_range(convert, row, PAT_REJECT_BAD_TIME, value, PAT_DAY_MIN, PAT_DAY_MAX);
    case PAT_TYPE_BOOL: return check_range(convert, row, PAT_REJECT_BAD_VALUE, value, 0, 1);
    case PAT_TYPE_MONEY:
        return check_range(convert, row, PAT_REJECT_BAD_MONEY, value, -PAT_MONEY_MINOR_MAX, PAT_MONEY_MINOR_MAX);
    case PAT_TYPE_INT:
        if (value != PAT_NULL) return true;
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_VALUE,
                         "%s: the least 64-bit integer is taken for null inside; use another", convert->name);
        return false;
    case PAT_TYPE_DECIMAL:
        if (pat_decimal_make(value, 0, out)) return true;
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_VALUE, "%s: %" PRId64 " is too large",
                         convert->name, value);
        return false;
    default: return true;
    }
}

/* ---- ids and texts ----------------------------------------------------------------------------------------------- */

/* False, and the whole batch out of memory, when the arena could not keep the text. */
static bool keep_text(const struct pat_convert *convert, struct pat_text kept, struct pat_text *out) {
    if (kept.data == NULL) convert->rejects->no_memory = true;
    *out = kept;
    return kept.data != NULL;
}

bool pat_value__id(const struct pat_convert *convert, uint32_t row, const struct pat_value *value, int64_t *number,
                   struct pat_text *text) {
    int64_t integer;
    *number = -1;
    if (as_integer(value, &integer)) {
        if (integer >= 0) {
            *number = integer;
            return true;
        }
        return keep_text(convert, pat_arena_printf(convert->arena, "%" PRId64, integer), text);
    }
    if (value->type == PAT_VALUE_UINT) {
        return keep_text(convert, pat_arena_printf(convert->arena, "%" PRIu64, value->as.uinteger), text);
    }
    if (value->type != PAT_VALUE_TEXT) return reject_type(convert, row, value, "an id (text or integer)");
    *text = pat_value_as_text(value);
    enum pat_id_fault fault = pat_id_check(*text);
    if (fault != PAT_ID_FINE) {
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_ID, "%s: %s", convert->name,
                         pat_id_fault_text(fault));
        return false;
    }
    *number = pat_id_number(*text);
    return true;
}

static bool check_dict_text(const struct pat_convert *convert, uint32_t row, struct pat_text text) {
    if (text.length > PAT_DICT_TEXT_BYTES_MAX) {
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_TOO_LONG,
                         "%s: %zu bytes, at most %u are kept", convert->name, text.length, PAT_DICT_TEXT_BYTES_MAX);
        return false;
    }
    if (pat_text_has_control(text)) {
        return reject_text(convert, row, PAT_REJECT_BAD_VALUE, text, "free of control characters");
    }
    if (!convert->currency_field || pat_currency_find(text) >= 0) return true;
    char shown[32];
    /* Looking through all codes costs more than all else about a row. */
    const int nearest = pat_rejects__told(convert->rejects, row) ? pat_currency_nearest(text) : -1;
    pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_CURRENCY,
                     "%s: \"%s\" is not an ISO 4217 code%s%s%s", convert->name,
                     pat_text_printable(text, shown, sizeof shown), nearest >= 0 ? ", did you mean " : " such as EUR",
                     nearest >= 0 ? pat_currencies[nearest].code : "", nearest >= 0 ? "?" : "");
    return false;
}

static int compare_texts(const void *a, const void *b) {
    return pat_text_compare(*(const struct pat_text *)a, *(const struct pat_text *)b);
}

/* Sorted, each member once, joined. */
static bool join_set(const struct pat_convert *convert, uint32_t row, struct pat_text *members, size_t count,
                     struct pat_text *out) {
    qsort(members, count, sizeof *members, compare_texts);
    char joined[PAT_DICT_TEXT_BYTES_MAX + 1];
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        if (members[i].length == 0 || (i > 0 && pat_text_equal(members[i], members[i - 1]))) continue;
        if (!check_dict_text(convert, row, members[i])) return false;
        size_t joint = length > 0 ? 1 : 0;
        if (length + joint + members[i].length > PAT_DICT_TEXT_BYTES_MAX) {
            pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_TOO_LONG,
                             "%s: the members take more than %u bytes together", convert->name,
                             PAT_DICT_TEXT_BYTES_MAX);
            return false;
        }
        if (joint > 0) joined[length++] = SET_JOINT;
        memcpy(joined + length, members[i].data, members[i].length);
        length += members[i].length;
    }
    if (length == 0) return true; /* the empty set is null */
    return keep_text(convert, pat_arena_text(convert->arena, (struct pat_text){joined, length}), out);
}

/* 128 members fill 255 bytes when joined; the rest may be empty or there twice. */
#define SET_MEMBERS_MAX 256u

static bool reject_members(const struct pat_convert *convert, uint32_t row) {
    pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_TOO_LONG, "%s: more than %u members",
                     convert->name, SET_MEMBERS_MAX);
    return false;
}

static struct pat_text trim_blanks(struct pat_text text) {
    while (text.length > 0 && text.data[text.length - 1] == ' ') text.length--;
    while (text.length > 0 && text.data[0] == ' ') text = (struct pat_text){text.data + 1, text.length - 1};
    return text;
}

static bool convert_set(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                        struct pat_text *out) {
    struct pat_text members[SET_MEMBERS_MAX];
    size_t count = 0;
    if (value->type == PAT_VALUE_ARRAY) {
        for (uint32_t i = 0; i < value->count; i++) {
            if (value->as.items[i].type != PAT_VALUE_TEXT) {
                return reject_type(convert, row, &value->as.items[i], "texts as members of the set");
            }
            if (count == SET_MEMBERS_MAX) return reject_members(convert, row);
            members[count++] = pat_value_as_text(&value->as.items[i]);
        }
        return join_set(convert, row, members, count, out);
    }
    if (value->type != PAT_VALUE_TEXT)
        return reject_type(convert, row, value, "an array of texts, or text joined by commas");
    /* Files have sets as "a,b" or "a|b" or "a; b". */
    struct pat_text text = pat_value_as_text(value);
    size_t start = 0;
    for (size_t i = 0; i <= text.length; i++) {
        if (i < text.length && memchr(",;|", text.data[i], 3) == NULL) continue;
        if (count == SET_MEMBERS_MAX) return reject_members(convert, row);
        members[count++] = trim_blanks((struct pat_text){text.data + start, i - start});
        start = i + 1;
    }
    return join_set(convert, row, members, count, out);
}

bool pat_value__text(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                     struct pat_text *text) {
    *text = (struct pat_text){NULL, 0};
    if (value->type == PAT_VALUE_NIL) return true;
    if (convert->field->type == PAT_TYPE_SET) return convert_set(convert, row, value, text);
    int64_t integer;
    if (as_integer(value, &integer)) {
        if (!keep_text(convert, pat_arena_printf(convert->arena, "%" PRId64, integer), text)) return false;
    } else if (value->type == PAT_VALUE_TEXT) {
        if (value->count == 0) return true; /* an empty text is no value */
        *text = pat_value_as_text(value);
    } else {
        return reject_type(convert, row, value, "a text");
    }
    return check_dict_text(convert, row, *text);
}
