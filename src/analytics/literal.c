/* Values of a filter as the field they are compared with understands them. */
#include "analytics/bind_private.h"
#include "analytics/lifetime_private.h"
#include "analytics/rates_private.h"

#include "model/currency.h"
#include "model/date.h"
#include "model/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What a message repeats of a value: an id is never longer. */
#define SHOWN_BYTES 64u

static const char *show(const struct pat_literal *literal, char out[SHOWN_BYTES]) {
    char number[24];
    pat_decimal_print(literal->number, number);
    switch (literal->kind) {
    case PAT_LITERAL_TEXT: {
        char text[SHOWN_BYTES - 4];
        (void)snprintf(out, SHOWN_BYTES, "'%s'", pat_text_printable(literal->text, text, sizeof text));
        break;
    }
    case PAT_LITERAL_NUMBER: (void)snprintf(out, SHOWN_BYTES, "%s", number); break;
    case PAT_LITERAL_MONEY: {
        char code[8];
        (void)snprintf(out, SHOWN_BYTES, "%s %s", number, pat_text_printable(literal->text, code, sizeof code));
        break;
    }
    case PAT_LITERAL_DAYS: (void)snprintf(out, SHOWN_BYTES, "%" PRId64 "d", literal->number); break;
    case PAT_LITERAL_DAY: {
        char day[11];
        pat_day_print((pat_day)literal->number, day);
        (void)snprintf(out, SHOWN_BYTES, "DATE '%s'", day);
        break;
    }
    case PAT_LITERAL_BOOL: (void)snprintf(out, SHOWN_BYTES, "%s", literal->number != 0 ? "true" : "false"); break;
    case PAT_LITERAL_NULL: (void)snprintf(out, SHOWN_BYTES, "null"); break;
    }
    return out;
}

static enum pat_status fail(const struct pat_run *run, const struct pat_source *source,
                            const struct pat_literal *literal, const char *advice) {
    char shown[SHOWN_BYTES], where[32] = "";
    if (literal->offset >= 0) (void)snprintf(where, sizeof where, " at offset %" PRId32, literal->offset);
    if (literal->kind == PAT_LITERAL_NULL) advice = "nothing compares with null: use IS NULL or IS NOT NULL";
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, source->name, -1, literal->offset,
                            "\"%s\" cannot be compared with %s%s: %s", source->name, show(literal, shown), where,
                            advice);
}

/* In a tree "-90d" and "5 GBP" are texts; what was meant is a map. */
static bool is_text_of_tree(const struct pat_literal *literal) {
    return literal->kind == PAT_LITERAL_TEXT && literal->offset < 0;
}

/* Days of "-90d", "12w". */
static bool spelled_days(struct pat_text text, int64_t *days) {
    const char unit = text.length > 1 ? text.data[text.length - 1] : '\0';
    pat_decimal value;
    if ((unit != 'd' && unit != 'w') ||
        !pat_decimal_parse((struct pat_text){text.data, text.length - 1}, false, &value)) {
        return false;
    }
    *days = pat_decimal_mantissa(value) * (unit == 'w' ? 7 : 1);
    return pat_decimal_scale(value) == 0 && llabs(pat_decimal_mantissa(value)) <= PAT_FILTER_DAYS_MAX / 7;
}

static enum pat_status fail_day(const struct pat_run *run, const struct pat_source *source,
                                const struct pat_literal *literal, const char *text_advice, const char *tree_advice) {
    char advice[96];
    int64_t days;
    if (literal->kind == PAT_LITERAL_TEXT && pat_day_impossible(literal->text)) {
        return fail(run, source, literal, "there is no such day");
    }
    if (literal->offset >= 0) return fail(run, source, literal, text_advice);
    if (!is_text_of_tree(literal) || !spelled_days(literal->text, &days))
        return fail(run, source, literal, tree_advice);
    (void)snprintf(advice, sizeof advice, "days from today are written {\"days\": %" PRId64 "}", days);
    return fail(run, source, literal, advice);
}

/* "5 GBP" or "5GBP" in its two parts. */
static bool spelled_money(struct pat_text text, struct pat_text *amount, struct pat_text *code) {
    if (text.length < 4) return false;
    *code = (struct pat_text){text.data + text.length - 3, 3};
    *amount = (struct pat_text){text.data, text.length - 3};
    while (amount->length > 0 && amount->data[amount->length - 1] == ' ') amount->length--;
    pat_decimal value;
    return pat_currency_find(*code) >= 0 && pat_decimal_parse(*amount, false, &value);
}

static enum pat_status fail_money(const struct pat_run *run, const struct pat_source *source,
                                  const struct pat_literal *literal) {
    char advice[128];
    struct pat_text amount, code;
    if (is_text_of_tree(literal) && spelled_money(literal->text, &amount, &code)) {
        (void)snprintf(advice, sizeof advice, "an amount is written {\"money\": \"%.*s\", \"currency\": \"%.3s\"}",
                       (int)(amount.length < 40 ? amount.length : 40), amount.data, code.data);
    } else if (literal->offset >= 0) {
        (void)snprintf(advice, sizeof advice, "give an amount, as in 500 or 500 %s", run->view->base_currency);
    } else {
        (void)snprintf(advice, sizeof advice, "give an amount, as in 500 or {\"money\": \"500\", \"currency\": \"%s\"}",
                       run->view->base_currency);
    }
    return fail(run, source, literal, advice);
}

/* The integers next to value * 10^digits: equal when it is one itself. False when they do not fit. */
static bool neighbours(pat_decimal value, unsigned digits, struct pat_span *out) {
    pat_int128 scaled = pat_decimal_mantissa(value);
    int scale = pat_decimal_scale(value);
    for (unsigned i = 0; i < digits; i++) scaled *= 10;
    pat_int128 unit = 1;
    for (; scale > 0; scale--) unit *= 10;
    pat_int128 below = scaled / unit;
    if (below * unit > scaled) below--;
    const pat_int128 above = below * unit == scaled ? below : below + 1;
    if (below <= INT64_MIN || above > INT64_MAX) return false;
    *out = (struct pat_span){(int64_t)above, (int64_t)below};
    return true;
}

static enum pat_status span_of_number(const struct pat_run *run, const struct pat_source *source,
                                      const struct pat_literal *literal, unsigned digits, struct pat_span *out) {
    if (neighbours(literal->number, digits, out)) return PAT_OK;
    return fail(run, source, literal, "the number is too large");
}

/* An amount of another currency is what it is worth at D, rounded once like a fact of that day. */
static enum pat_status span_of_foreign(const struct pat_run *run, const struct pat_source *source,
                                       const struct pat_literal *literal, struct pat_span *out) {
    char advice[192], day[11];
    struct pat_rate rate;
    if (!pat_rates__latest(run->view, literal->text, run->day, &rate)) {
        if (run->job == NULL) { /* only looked at: the day it will be asked for is not known */
            *out = (struct pat_span){0, 0};
            return PAT_OK;
        }
        pat_day_print(run->day, day);
        (void)snprintf(
            advice, sizeof advice,
            "there is no exchange rate for %.3s on or before %s; load one (load.fx) or give the amount in %s",
            literal->text.data, day, run->view->base_currency);
        return fail(run, source, literal, advice);
    }
    int64_t worth;
    if (!pat_rate_convert(rate, pat_decimal_mantissa(literal->number), (unsigned)pat_decimal_scale(literal->number),
                          run->view->base_digits, &worth)) {
        return fail(run, source, literal, "the amount is too large");
    }
    *out = (struct pat_span){worth, worth};
    return PAT_OK;
}

static enum pat_status span_of_money(const struct pat_run *run, const struct pat_source *source,
                                     const struct pat_literal *literal, struct pat_span *out) {
    if (!source->base) {
        return fail(run, source, literal, "it is in each row's own currency; use net, which is in the base currency");
    }
    if (source->minor) {
        if (literal->kind != PAT_LITERAL_NUMBER) return fail(run, source, literal, "minor units are a plain number");
        return span_of_number(run, source, literal, 0, out);
    }
    if (literal->kind == PAT_LITERAL_MONEY && !pat_text_is(literal->text, run->view->base_currency)) {
        return span_of_foreign(run, source, literal, out);
    }
    if (literal->kind != PAT_LITERAL_NUMBER && literal->kind != PAT_LITERAL_MONEY) {
        return fail_money(run, source, literal);
    }
    return span_of_number(run, source, literal, run->view->base_digits, out);
}

/* A day that a literal names, or false. */
static bool literal_day(const struct pat_run *run, const struct pat_literal *literal, pat_day *out) {
    if (literal->kind == PAT_LITERAL_TEXT) return pat_day_parse(literal->text, out);
    if (literal->kind != PAT_LITERAL_DAY && literal->kind != PAT_LITERAL_DAYS) return false;
    int64_t days = literal->number;
    if (literal->kind == PAT_LITERAL_DAYS) days += run->day;
    if (days < PAT_DAY_MIN) days = PAT_DAY_MIN; /* nothing is before the first day, so that it stands for all of them */
    if (days > PAT_DAY_MAX) days = PAT_DAY_MAX;
    *out = (pat_day)days;
    return true;
}

/* Nothing of a shop's own lies ahead of the question's day, so that 90d was meant to be -90d. What an attribute says
 * may lie there, and so may rates. */
static void warn_of_future(struct pat_run *run, const struct pat_source *source, const struct pat_literal *literal) {
    const bool attribute = source->kind == PAT_SOURCE_STORED && source->column >= pat_schema[source->home].columns;
    if (literal->kind != PAT_LITERAL_DAYS || literal->number <= 0 || attribute || source->home == PAT_FX) return;
    pat_run__warn(run, "%s: %" PRId64 "d is a day after the one asked for; days before it are written -%" PRId64 "d",
                  source->name, literal->number, literal->number);
}

static enum pat_status span_of_day(struct pat_run *run, const struct pat_source *source,
                                   const struct pat_literal *literal, struct pat_span *out) {
    pat_day day;
    if (!literal_day(run, literal, &day)) {
        return fail_day(run, source, literal, "give a day, as in '2010-12-09' or -90d",
                        "give a day, as in \"2010-12-09\" or {\"days\": -90}");
    }
    warn_of_future(run, source, literal);
    *out = (struct pat_span){day, day};
    return PAT_OK;
}

static enum pat_status span_of_time(struct pat_run *run, const struct pat_source *source,
                                    const struct pat_literal *literal, struct pat_span *out) {
    const struct pat_zone *zone = run->view->zone;
    pat_day day;
    struct pat_stamp stamp;
    if (literal_day(run, literal, &day)) {
        warn_of_future(run, source, literal);
        *out = (struct pat_span){pat_zone_day_start(zone, day), pat_zone_day_start(zone, day + 1) - 1};
        return PAT_OK;
    }
    if (literal->kind != PAT_LITERAL_TEXT || !pat_stamp_parse(literal->text, &stamp)) {
        return fail_day(run, source, literal,
                        "give a time or a day, as in '2010-12-09T20:01:00Z', '2010-12-09' or -90d",
                        "give a time or a day, as in \"2010-12-09T20:01:00Z\", \"2010-12-09\" or {\"days\": -90}");
    }
    const int64_t at =
        stamp.has_offset ? stamp.local_seconds - stamp.offset_seconds : pat_zone_from_local(zone, stamp.local_seconds);
    *out = (struct pat_span){at, at};
    return PAT_OK;
}

static enum pat_status span_of_bool(const struct pat_run *run, const struct pat_source *source,
                                    const struct pat_literal *literal, struct pat_span *out) {
    if (literal->kind != PAT_LITERAL_BOOL) return fail(run, source, literal, "give true or false");
    const int64_t value = literal->number != 0;
    *out = (struct pat_span){value, value};
    return PAT_OK;
}

enum pat_status pat_literal__span(struct pat_run *run, const struct pat_source *source,
                                  const struct pat_literal *literal, struct pat_span *out) {
    switch (source->type) {
    case PAT_TYPE_BOOL: return span_of_bool(run, source, literal, out);
    case PAT_TYPE_MONEY: return span_of_money(run, source, literal, out);
    case PAT_TYPE_DAY: return span_of_day(run, source, literal, out);
    case PAT_TYPE_TIME: return span_of_time(run, source, literal, out);
    default: break;
    }
    if (literal->kind == PAT_LITERAL_DAYS) {
        return fail(run, source, literal, "give a plain number, as in 90: it is no day");
    }
    if (literal->kind != PAT_LITERAL_NUMBER) return fail(run, source, literal, "give a number");
    return span_of_number(run, source, literal, source->type == PAT_TYPE_NUMBER ? PAT_NUMBER_DIGITS : 0, out);
}

enum pat_status pat_literal__key(struct pat_run *run, const struct pat_source *source,
                                 const struct pat_literal *literal, union pat_key *out) {
    if (source->type == PAT_TYPE_DECIMAL) {
        if (literal->kind != PAT_LITERAL_NUMBER) return fail(run, source, literal, "give a number");
        out->decimal = literal->number;
        return PAT_OK;
    }
    struct pat_text text = literal->text;
    if (literal->kind == PAT_LITERAL_NUMBER) {
        char number[24];
        pat_decimal_print(literal->number, number);
        text = pat_arena_text(run->arena, pat_text_of(number));
        if (text.data == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the filter");
    } else if (literal->kind != PAT_LITERAL_TEXT) {
        return fail(run, source, literal, "give an id, as in 12345 or 'A-17'");
    }
    out->id = (struct pat_id_key){.number = pat_id_number(text), .text = text};
    return PAT_OK;
}

enum pat_status pat_literal__text(struct pat_run *run, const struct pat_source *source,
                                  const struct pat_literal *literal, struct pat_text *out) {
    char number[24];
    switch (literal->kind) {
    case PAT_LITERAL_TEXT: *out = literal->text; return PAT_OK;
    case PAT_LITERAL_BOOL: *out = literal->number != 0 ? PAT_TEXT("true") : PAT_TEXT("false"); return PAT_OK;
    case PAT_LITERAL_NUMBER: break;
    default: return fail(run, source, literal, "give a text, as in 'BR'");
    }
    pat_decimal_print(literal->number, number);
    *out = pat_arena_text(run->arena, pat_text_of(number));
    if (out->data != NULL) return PAT_OK;
    return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the filter");
}

enum pat_status pat_literal__bin_edge(struct pat_run *run, const struct pat_source *source, struct pat_text text,
                                      int64_t *out) {
    const bool major = source->type == PAT_TYPE_MONEY && !source->minor;
    const unsigned digits = major ? run->view->base_digits : source->type == PAT_TYPE_NUMBER ? PAT_NUMBER_DIGITS : 0;
    char shown[SHOWN_BYTES];
    (void)pat_text_printable(text, shown, sizeof shown);
    pat_decimal value;
    struct pat_span span;
    if (source->type == PAT_TYPE_DECIMAL && pat_decimal_parse(text, false, &value)) {
        *out = value;
        return PAT_OK;
    }
    if (!pat_decimal_parse(text, false, &value) || !neighbours(value, digits, &span)) {
        return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "by", -1, -1, "bin(%s, ...): \"%s\" is not a number",
                                source->name, shown);
    }
    if (span.first != span.last) {
        return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "by", -1, -1,
                                "bin(%s, ...): %s has more decimals than %s", source->name, shown,
                                major ? run->view->base_currency : source->name);
    }
    *out = span.first;
    return PAT_OK;
}
