/* The text form: recursive descent over tokens, nesting counted. */
#include "model/currency.h"
#include "model/date.h"
#include "model/filter_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct parser {
    struct pat_filter_maker *maker;
    struct pat_lexer lexer;
    struct pat_token token; /* the next one */
    unsigned nesting;       /* open parentheses and NOTs */
};

static enum pat_status advance(struct parser *parser) {
    return pat_filter__lex(&parser->lexer, &parser->token);
}

/* ---- errors ----------------------------------------------------------------------------------------------------- */

static const char *describe_token(const struct pat_token *token, char out[PAT_DESCRIBE_BYTES]) {
    char shown[PAT_DESCRIBE_BYTES - 2];
    if (token->kind == PAT_TOKEN_END) return "the end of the text";
    const char *quote = token->kind == PAT_TOKEN_TEXT ? "" : "\"";
    (void)snprintf(out, PAT_DESCRIBE_BYTES, "%s%s%s", quote, pat_text_printable(token->raw, shown, sizeof shown),
                   quote);
    return out;
}

static enum pat_status fail_expected(const struct parser *parser, const char *expected) {
    char found[PAT_DESCRIBE_BYTES];
    return pat_filter__fail_at(parser->maker, parser->token.offset, "expected %s, found %s", expected,
                               describe_token(&parser->token, found));
}

/* "expected a value after =": `after` is what stands in front. */
static enum pat_status fail_expected_after(const struct parser *parser, const char *expected, struct pat_text after) {
    char shown[PAT_DESCRIBE_BYTES], what[2 * PAT_DESCRIBE_BYTES];
    (void)snprintf(what, sizeof what, "%.60s after \"%s\"", expected, pat_text_printable(after, shown, sizeof shown));
    return fail_expected(parser, what);
}

static enum pat_status enter(struct parser *parser) {
    if (parser->nesting >= PAT_FILTER_DEPTH_MAX) {
        return pat_error_set_at(parser->maker->error, PAT_ERR_TOO_LARGE, parser->maker->root, -1, parser->token.offset,
                                "%s, byte %d: more than %u parentheses and NOTs inside each other", parser->maker->root,
                                (int)parser->token.offset, PAT_FILTER_DEPTH_MAX);
    }
    parser->nesting++;
    return advance(parser);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static enum pat_status fail_value(const struct parser *parser, struct pat_text after) {
    const struct pat_token *token = &parser->token;
    char shown[PAT_DESCRIBE_BYTES];
    if (token->kind == PAT_TOKEN_NULL) {
        return pat_filter__fail_at(parser->maker, token->offset,
                                   "nothing compares with NULL: write IS NULL or IS NOT NULL");
    }
    if (token->kind >= PAT_TOKEN_AND) {
        (void)pat_text_printable(token->raw, shown, sizeof shown);
        return pat_filter__fail_at(parser->maker, token->offset,
                                   "expected a value, found the keyword %s: as a text it is written '%s'", shown,
                                   shown);
    }
    return fail_expected_after(parser, "a value", after);
}

static enum pat_status currency_literal(struct parser *parser, struct pat_literal *literal, struct pat_text code,
                                        int32_t offset) {
    int found = pat_currency_find(code);
    if (found >= 0) {
        literal->kind = PAT_LITERAL_MONEY;
        literal->text = pat_text_of(pat_currencies[found].code);
        return PAT_OK;
    }
    char shown[PAT_DESCRIBE_BYTES];
    (void)pat_text_printable(code, shown, sizeof shown);
    int nearest = pat_currency_nearest(code);
    if (nearest < 0) {
        return pat_filter__fail_at(parser->maker, offset,
                                   "expected a currency code such as EUR, AND, OR or the end after the number, found "
                                   "\"%s\" (a text that starts with digits is written in quotes)",
                                   shown);
    }
    return pat_filter__fail_at(parser->maker, offset, "unknown currency \"%s\", did you mean %s?", shown,
                               pat_currencies[nearest].code);
}

static enum pat_status days_literal(struct parser *parser, struct pat_literal *literal, const struct pat_token *token) {
    int64_t days = pat_decimal_mantissa(literal->number);
    bool whole = pat_decimal_scale(literal->number) == 0;
    if (whole && token->text.data[0] == 'w' && days >= -PAT_FILTER_DAYS_MAX && days <= PAT_FILTER_DAYS_MAX) days *= 7;
    if (!whole || days < -PAT_FILTER_DAYS_MAX || days > PAT_FILTER_DAYS_MAX) {
        char shown[PAT_DESCRIBE_BYTES];
        return pat_filter__fail_at(parser->maker, token->offset,
                                   "expected a whole number of days or weeks such as -90d or 12w, found \"%s\"",
                                   pat_text_printable(token->raw, shown, sizeof shown));
    }
    literal->kind = PAT_LITERAL_DAYS;
    literal->number = days;
    return PAT_OK;
}

static enum pat_status number_literal(struct parser *parser, struct pat_literal *literal) {
    const struct pat_token token = parser->token;
    char shown[PAT_DESCRIBE_BYTES];
    (void)pat_text_printable(token.raw, shown, sizeof shown);
    const char *point = memchr(token.number.data, '.', token.number.length);
    const char *end = token.number.data + token.number.length;
    if (point != NULL && (point + 1 == end || point[1] < '0' || point[1] > '9')) {
        return pat_filter__fail_at(parser->maker, token.offset,
                                   "a number ends with a digit: %s has none behind its point", shown);
    }
    if (!pat_decimal_parse(token.number, false, &literal->number)) {
        return pat_filter__fail_at(parser->maker, token.offset,
                                   "the number %s does not fit 17 digits (long ids are written in quotes)", shown);
    }
    literal->kind = PAT_LITERAL_NUMBER;
    PAT_TRY(advance(parser));
    if (pat_text_is(token.text, "d") || pat_text_is(token.text, "w")) return days_literal(parser, literal, &token);
    if (token.text.length > 0) {
        return currency_literal(parser, literal, token.text, token.offset + (int32_t)token.number.length);
    }
    const struct pat_token next = parser->token;
    if (next.kind == PAT_TOKEN_NUMBER && next.raw.data == token.raw.data + token.raw.length) {
        return pat_filter__fail_at(parser->maker, next.offset,
                                   "a number ends here: a date is written in quotes, '2010-12-09'");
    }
    if (next.kind != PAT_TOKEN_WORD) return PAT_OK;
    PAT_TRY(advance(parser));
    return currency_literal(parser, literal, next.raw, next.offset);
}

static bool is_date_word(struct pat_text word) {
    return word.length == 4 && strncasecmp(word.data, "DATE", 4) == 0;
}

/* A bare word, or DATE '2010-12-09'. */
static enum pat_status word_literal(struct parser *parser, struct pat_literal *literal) {
    const struct pat_token word = parser->token;
    if (memchr(word.raw.data, '.', word.raw.length) != NULL) {
        char shown[PAT_DESCRIBE_BYTES];
        (void)pat_text_printable(word.raw, shown, sizeof shown);
        return pat_filter__fail_at(parser->maker, word.offset,
                                   "expected a value, found the name %s: fields compare with values only; as a text it "
                                   "is written '%s'",
                                   shown, shown);
    }
    PAT_TRY(advance(parser));
    if (parser->token.kind != PAT_TOKEN_TEXT || !is_date_word(word.raw)) {
        *literal =
            (struct pat_literal){.kind = PAT_LITERAL_TEXT, .offset = word.offset, .text = word.raw, .bare = true};
        return PAT_OK;
    }
    pat_day day;
    if (pat_day_impossible(parser->token.text)) {
        return pat_filter__fail_at(parser->maker, parser->token.offset, "there is no such day");
    }
    if (!pat_day_parse(parser->token.text, &day)) return fail_expected(parser, "a date such as '2010-12-09'");
    literal->kind = PAT_LITERAL_DAY;
    literal->number = day;
    return advance(parser);
}

static enum pat_status fail_arg(const struct parser *parser, const struct pat_literal_fault *fault) {
    char name[PAT_DESCRIBE_BYTES], got[PAT_DESCRIBE_BYTES];
    return pat_filter__fail_at(parser->maker, parser->token.offset, "argument %s: expected %s, got %s",
                               pat_text_printable(parser->token.raw, name, sizeof name), fault->expected,
                               pat_value__describe(fault->got, got));
}

/* :name. Where a list may stand, an array gives all its values. */
static enum pat_status arg_literals(struct parser *parser, struct pat_filter_literals *list, bool array_allowed) {
    const struct pat_value *value = pat_filter__args_use(parser->maker->args, parser->token.text);
    if (value == NULL) {
        char name[PAT_DESCRIBE_BYTES];
        return pat_filter__fail_at(parser->maker, parser->token.offset, "args has no value for %s",
                                   pat_text_printable(parser->token.raw, name, sizeof name));
    }
    bool array = array_allowed && value->type == PAT_VALUE_ARRAY;
    struct pat_literal_fault fault = {"at least one value", value};
    if (array && value->count == 0) return fail_arg(parser, &fault);
    for (uint32_t i = 0; i < (array ? value->count : 1); i++) {
        struct pat_literal literal;
        enum pat_status status =
            pat_filter__literal_from_value(parser->maker, &literal, array ? &value->as.items[i] : value, &fault);
        if (status == PAT_ERR_BAD_REQUEST) return fail_arg(parser, &fault);
        PAT_TRY(status);
        PAT_TRY(pat_filter__literals_add(parser->maker, list, &literal));
    }
    return advance(parser);
}

/* Adds one value, or the values of an array argument, to `list`. `after` stands in front of it. */
static enum pat_status parse_value(struct parser *parser, struct pat_filter_literals *list, bool array_allowed,
                                   struct pat_text after) {
    const struct pat_token token = parser->token;
    struct pat_literal literal = {.kind = PAT_LITERAL_TEXT, .offset = token.offset, .text = token.text};
    switch (token.kind) {
    case PAT_TOKEN_ARG: return arg_literals(parser, list, array_allowed);
    case PAT_TOKEN_TEXT: PAT_TRY(advance(parser)); break;
    case PAT_TOKEN_WORD: PAT_TRY(word_literal(parser, &literal)); break;
    case PAT_TOKEN_NUMBER:
        literal.text = (struct pat_text){NULL, 0};
        PAT_TRY(number_literal(parser, &literal));
        break;
    case PAT_TOKEN_TRUE:
    case PAT_TOKEN_FALSE:
        literal.kind = PAT_LITERAL_BOOL;
        literal.number = token.kind == PAT_TOKEN_TRUE ? 1 : 0;
        PAT_TRY(advance(parser));
        break;
    default: return fail_value(parser, after);
    }
    if (literal.kind != PAT_LITERAL_TEXT && literal.kind != PAT_LITERAL_MONEY)
        literal.text = (struct pat_text){NULL, 0};
    return pat_filter__literals_add(parser->maker, list, &literal);
}

/* ---- conditions ------------------------------------------------------------------------------------------------- */

static const char *const operators = "=, <>, <, <=, >, >=, IN, BETWEEN, IS or HAS";

static enum pat_status parse_in(struct parser *parser, struct pat_filter_literals *list) {
    if (parser->token.kind == PAT_TOKEN_ARG) return arg_literals(parser, list, true);
    if (parser->token.kind != PAT_TOKEN_OPEN) return fail_expected(parser, "\"(\" and a list of values after IN");
    struct pat_text before = parser->token.raw;
    do {
        PAT_TRY(advance(parser));
        PAT_TRY(parse_value(parser, list, true, before));
        before = parser->token.raw;
    } while (parser->token.kind == PAT_TOKEN_COMMA);
    if (parser->token.kind != PAT_TOKEN_CLOSE) return fail_expected(parser, "\",\" or \")\" in the list of values");
    return advance(parser);
}

static enum pat_status parse_between(struct parser *parser, struct pat_filter_literals *list) {
    PAT_TRY(parse_value(parser, list, false, PAT_TEXT("BETWEEN")));
    if (parser->token.kind != PAT_TOKEN_AND) return fail_expected(parser, "AND and the upper end of BETWEEN");
    PAT_TRY(advance(parser));
    return parse_value(parser, list, false, PAT_TEXT("AND"));
}

static enum pat_status parse_is(struct parser *parser, bool *negated) {
    if (parser->token.kind == PAT_TOKEN_NOT) {
        *negated = true;
        PAT_TRY(advance(parser));
    }
    if (parser->token.kind != PAT_TOKEN_NULL) return fail_expected(parser, *negated ? "NULL" : "NULL or NOT NULL");
    return advance(parser);
}

/* The operator and what is right of it. `negated`: the condition is to be wrapped in NOT. */
static enum pat_status parse_comparison(struct parser *parser, struct pat_filter *filter,
                                        struct pat_filter_literals *list, bool *negated) {
    if (parser->token.kind == PAT_TOKEN_NOT) {
        *negated = true;
        PAT_TRY(advance(parser));
        if (parser->token.kind != PAT_TOKEN_IN && parser->token.kind != PAT_TOKEN_BETWEEN) {
            return fail_expected(parser, "IN or BETWEEN after NOT");
        }
    }
    const struct pat_token token = parser->token;
    if (token.kind < PAT_TOKEN_EQ || token.kind == PAT_TOKEN_AND || token.kind == PAT_TOKEN_OR ||
        token.kind == PAT_TOKEN_NULL || token.kind >= PAT_TOKEN_TRUE) {
        return fail_expected_after(parser, operators, filter->name);
    }
    PAT_TRY(advance(parser));
    switch (token.kind) {
    case PAT_TOKEN_IN: filter->op = PAT_FILTER_IN; return parse_in(parser, list);
    case PAT_TOKEN_BETWEEN: filter->op = PAT_FILTER_BETWEEN; return parse_between(parser, list);
    case PAT_TOKEN_IS: filter->op = PAT_FILTER_IS_NULL; return parse_is(parser, negated);
    case PAT_TOKEN_HAS: filter->op = PAT_FILTER_HAS; break;
    default: filter->op = (enum pat_filter_op)(PAT_FILTER_EQ + (token.kind - PAT_TOKEN_EQ)); break;
    }
    return parse_value(parser, list, false, token.raw);
}
_Static_assert(PAT_FILTER_GE - PAT_FILTER_EQ == PAT_TOKEN_GE - PAT_TOKEN_EQ,
               "comparisons and their tokens in one order");

static enum pat_status parse_condition(struct parser *parser, const struct pat_filter **out) {
    const struct pat_token name = parser->token;
    PAT_TRY(advance(parser));
    if (parser->token.kind == PAT_TOKEN_OPEN) {
        char shown[PAT_DESCRIBE_BYTES];
        return pat_filter__fail_at(parser->maker, name.offset,
                                   "expected a field name, NOT, TRUE, FALSE or \"(\", found a call \"%s(\"",
                                   pat_text_printable(name.raw, shown, sizeof shown));
    }
    struct pat_filter *filter;
    PAT_TRY(pat_filter__node(parser->maker, &filter, PAT_FILTER_TRUE, name.offset));
    filter->name = name.raw;
    filter->name_offset = name.offset;
    struct pat_filter_literals list = {NULL, 0, 0};
    bool negated = false;
    PAT_TRY(parse_comparison(parser, filter, &list, &negated));
    filter->literal = list.item;
    filter->literals = list.count;
    *out = filter;
    return negated ? pat_filter__not(parser->maker, out, filter, name.offset) : PAT_OK;
}

static enum pat_status parse_or(struct parser *parser, const struct pat_filter **out);

static enum pat_status parse_parentheses(struct parser *parser, const struct pat_filter **out) {
    const int32_t opened = parser->token.offset;
    PAT_TRY(enter(parser));
    PAT_TRY(parse_or(parser, out));
    if (parser->token.kind != PAT_TOKEN_CLOSE) {
        char expected[PAT_DESCRIBE_BYTES];
        (void)snprintf(expected, sizeof expected, "AND, OR or \")\" for the \"(\" at byte %d", (int)opened);
        return fail_expected(parser, expected);
    }
    parser->nesting--;
    return advance(parser);
}

static enum pat_status parse_not(struct parser *parser, const struct pat_filter **out) {
    const struct pat_token token = parser->token;
    struct pat_filter *filter;
    const struct pat_filter *child;
    switch (token.kind) {
    case PAT_TOKEN_NOT:
        PAT_TRY(enter(parser));
        PAT_TRY(parse_not(parser, &child));
        parser->nesting--;
        return pat_filter__not(parser->maker, out, child, token.offset);
    case PAT_TOKEN_TRUE:
    case PAT_TOKEN_FALSE:
        PAT_TRY(pat_filter__node(parser->maker, &filter,
                                 token.kind == PAT_TOKEN_TRUE ? PAT_FILTER_TRUE : PAT_FILTER_FALSE, token.offset));
        *out = filter;
        return advance(parser);
    case PAT_TOKEN_OPEN: return parse_parentheses(parser, out);
    case PAT_TOKEN_WORD: return parse_condition(parser, out);
    default: return fail_expected(parser, "a field name, NOT, TRUE, FALSE or \"(\"");
    }
}

static enum pat_status parse_and(struct parser *parser, const struct pat_filter **out) {
    const int32_t offset = parser->token.offset;
    struct pat_filter_parts parts = {NULL, 0, 0};
    for (;;) {
        const struct pat_filter *part;
        PAT_TRY(parse_not(parser, &part));
        PAT_TRY(pat_filter__parts_add(parser->maker, &parts, part));
        if (parser->token.kind != PAT_TOKEN_AND) break;
        PAT_TRY(advance(parser));
    }
    return pat_filter__combine(parser->maker, out, PAT_FILTER_AND, &parts, offset);
}

static enum pat_status parse_or(struct parser *parser, const struct pat_filter **out) {
    const int32_t offset = parser->token.offset;
    struct pat_filter_parts parts = {NULL, 0, 0};
    for (;;) {
        const struct pat_filter *part;
        PAT_TRY(parse_and(parser, &part));
        PAT_TRY(pat_filter__parts_add(parser->maker, &parts, part));
        if (parser->token.kind != PAT_TOKEN_OR) break;
        PAT_TRY(advance(parser));
    }
    return pat_filter__combine(parser->maker, out, PAT_FILTER_OR, &parts, offset);
}

/* ---- the door --------------------------------------------------------------------------------------------------- */

static enum pat_status check_text(const struct pat_filter_maker *maker, struct pat_text text) {
    if (text.length > PAT_FILTER_BYTES_MAX) {
        return pat_error_set_at(maker->error, PAT_ERR_TOO_LARGE, maker->root, -1, -1,
                                "%s: the filter has %zu bytes, the most is %u", maker->root, text.length,
                                PAT_FILTER_BYTES_MAX);
    }
    size_t bad;
    if (!pat_text_utf8_valid(text, &bad)) return pat_filter__fail_at(maker, (int32_t)bad, "not UTF-8");
    return PAT_OK;
}

enum pat_status pat_filter__from_text(struct pat_filter_maker *maker, const struct pat_filter **out,
                                      struct pat_text text) {
    PAT_TRY(check_text(maker, text));
    const struct pat_text copy = pat_arena_text(maker->arena, text);
    if (copy.data == NULL) return pat_filter__no_memory(maker);
    struct parser parser = {.maker = maker, .lexer = {.maker = maker, .text = copy}};
    PAT_TRY(advance(&parser));
    if (parser.token.kind == PAT_TOKEN_END) {
        struct pat_filter *everybody;
        PAT_TRY(pat_filter__node(maker, &everybody, PAT_FILTER_TRUE, 0));
        *out = everybody;
        return PAT_OK;
    }
    PAT_TRY(parse_or(&parser, out));
    if (parser.token.kind == PAT_TOKEN_CLOSE) return fail_expected(&parser, "AND, OR or the end (no \"(\" is open)");
    if (parser.token.kind != PAT_TOKEN_END) return fail_expected(&parser, "AND, OR or the end of the filter");
    return pat_filter__finish(maker, *out);
}
