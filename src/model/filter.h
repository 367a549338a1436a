/* Filters: one meaning, two forms. Text for people, a tree of arrays for builders; the server prints either from the
 * other.
 *
 *   country IN ('BR','MX') AND orders >= 2 AND NOT (net < 100 EUR OR last_order < -90d)
 *   ["and", ["in", "country", ["BR","MX"]], [">=", "orders", 2], ["not", ["or", ["<", "net", {"money": "100",
 * "currency": "EUR"}], ["<", "last_order", {"days": -90}]]]]
 *
 * Parsed here, without any knowledge of fields; analytics binds names to columns and values to types, so that an
 * unknown name is found with its position. AND binds tighter than OR, NOT tighter than AND. Keywords in any case. The
 * syntax tree is immutable, lives in the arena it was parsed into, and remembers the byte offset of every part for
 * errors (-1 from trees).
 */
#ifndef PAT_MODEL_FILTER_H
#define PAT_MODEL_FILTER_H

#include "base/arena.h"
#include "base/status.h"
#include "model/decimal.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

enum pat_filter_op {
    PAT_FILTER_AND,   /* children, two or more; flattened */
    PAT_FILTER_OR,    /* likewise */
    PAT_FILTER_NOT,   /* children[0] */
    PAT_FILTER_TRUE,  /* no condition: the empty text, TRUE */
    PAT_FILTER_FALSE, /* FALSE */
    PAT_FILTER_EQ,    /* name op literal[0] */
    PAT_FILTER_NE,    /* written <> or != ; unset compares false, so it is not NOT EQ */
    PAT_FILTER_LT,
    PAT_FILTER_LE,
    PAT_FILTER_GT,
    PAT_FILTER_GE,
    PAT_FILTER_IN,      /* name IN (literal...), one or more; NOT IN is NOT of it */
    PAT_FILTER_BETWEEN, /* name BETWEEN literal[0] AND literal[1], both ends included */
    PAT_FILTER_IS_NULL, /* IS NOT NULL is NOT of it */
    PAT_FILTER_HAS,     /* set field HAS literal[0] */
};

enum pat_literal_kind {
    PAT_LITERAL_TEXT,   /* 'BR' ('' inside for a quote), or a bare word: champions */
    PAT_LITERAL_NUMBER, /* 12, -3.5: decimal */
    PAT_LITERAL_MONEY,  /* 500 EUR: decimal and currency */
    PAT_LITERAL_DAYS,   /* -90d: days relative to the question's day; 0d is that day; also w (7) */
    PAT_LITERAL_BOOL,   /* true, false */
    PAT_LITERAL_DAY,  /* an absolute day that came as a date: DATE '2010-12-09'. Text literals that look like dates stay
                         TEXT;  binding to a day field converts them */
    PAT_LITERAL_NULL, /* only as an args value; comparing with it is an error that suggests IS NULL */
};

struct pat_literal {
    enum pat_literal_kind kind;
    int32_t offset;       /* byte in the text, -1 from a tree or args */
    struct pat_text text; /* TEXT; currency code of MONEY */
    pat_decimal number;   /* NUMBER, MONEY; DAYS and DAY as a plain integer, BOOL 0 or 1 */
    bool bare;            /* TEXT written without quotes */
};

struct pat_filter {
    enum pat_filter_op op;
    int32_t offset;       /* of the part, byte in the text, -1 from a tree */
    struct pat_text name; /* field, for comparisons */
    int32_t name_offset;
    const struct pat_literal *literal;
    uint32_t literals;
    const struct pat_filter *const *child;
    uint32_t children;
};

/* Parses text. `args` (may be NULL) is the map of values for :name; a missing or unused one is an error.
 * Fails: PAT_ERR_BAD_REQUEST with offset, what stood there and what was expected; PAT_ERR_TOO_LARGE for depth, nodes or
 * length over the limits; PAT_ERR_NO_MEMORY. */
enum pat_status pat_filter_parse(const struct pat_filter **out, struct pat_text text, const struct pat_value *args,
                                 struct pat_arena *arena, struct pat_error *error) PAT_MUST_CHECK;

/* The tree form. Errors name the path ("where[2][1]"). Strings in a tree are text literals, but ":name" strings are
 * args. Values: strings, numbers, bools, {"money": "500", "currency": "EUR"}, {"days": -90}, {"date": "2010-12-09"},
 * and where a plain value would be misread {"text": ":x"} and {"number": "0.123456789012345"}. Args may be any of
 * these, and arrays where a list stands: IN :list, ["in", field, ":list"]. What is accepted in one form is within the
 * limits of the other. */
enum pat_status pat_filter_from_tree(const struct pat_filter **out, const struct pat_value *tree,
                                     const struct pat_value *args, struct pat_arena *arena,
                                     struct pat_error *error) PAT_MUST_CHECK;

/* Either: a text value is parsed, an array is taken as a tree, NULL or nil is TRUE. */
enum pat_status pat_filter_from_value(const struct pat_filter **out, const struct pat_value *value,
                                      const struct pat_value *args, struct pat_arena *arena,
                                      struct pat_error *error) PAT_MUST_CHECK;

/* Canonical text; parsing it gives an equal tree. data NULL when there is no memory. */
struct pat_text pat_filter_print(const struct pat_filter *filter, struct pat_arena *arena);
/* The tree form as a value; parsing it gives an equal filter. */
struct pat_value pat_filter_to_tree(const struct pat_filter *filter, struct pat_builder *builder);
bool pat_filter_equal(const struct pat_filter *a, const struct pat_filter *b); /* offsets aside */
/* Distinct field names in order of appearance, as an array of strings. */
struct pat_value pat_filter_fields(const struct pat_filter *filter, struct pat_builder *builder);

#endif
