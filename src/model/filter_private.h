/* Inside of filters: what the text parser, the tree reader and the printer share. Requests use it too, where two
 * filters (where, population) draw on one map of args. */
#ifndef PAT_MODEL_FILTER_PRIVATE_H
#define PAT_MODEL_FILTER_PRIVATE_H

#include "model/filter.h"
#include "model/limits.h"

#include <stddef.h>

/* ---- args ------------------------------------------------------------------------------------------------------- */

/* Values for :name, and which of them were asked for. */
struct pat_filter_args {
    const struct pat_value *map; /* NULL when there are none */
    bool *used;                  /* [map->count] */
};

/* `map` may be NULL or nil. Fails: PAT_ERR_BAD_REQUEST, PAT_ERR_TOO_LARGE, PAT_ERR_NO_MEMORY. */
enum pat_status pat_filter__args_init(struct pat_filter_args *args, const struct pat_value *map,
                                      struct pat_arena *arena, struct pat_error *error) PAT_MUST_CHECK;
/* NULL when there is no such value; else it counts as used. */
const struct pat_value *pat_filter__args_use(struct pat_filter_args *args, struct pat_text name);
/* Fails when a value was never asked for: most likely a misspelt name. */
enum pat_status pat_filter__args_check(const struct pat_filter_args *args, struct pat_error *error) PAT_MUST_CHECK;

/* ---- making a syntax tree --------------------------------------------------------------------------------------- */

struct pat_filter_maker {
    struct pat_arena *arena;
    struct pat_filter_args *args;
    struct pat_error *error;
    const char *root; /* what messages call the filter: "where" */
    uint32_t parts;   /* conditions and values made so far */
};

/* Growing lists; the arena keeps what they outgrew until the request ends. */
struct pat_filter_parts {
    const struct pat_filter **item;
    uint32_t count, capacity;
};
struct pat_filter_literals {
    struct pat_literal *item;
    uint32_t count, capacity;
};

/* The same as pat_filter_from_value, with args that several filters share and the name of the parameter for messages.
 */
enum pat_status pat_filter__from_value(const struct pat_filter **out, const struct pat_value *value, const char *root,
                                       struct pat_filter_args *args, struct pat_arena *arena,
                                       struct pat_error *error) PAT_MUST_CHECK;
enum pat_status pat_filter__from_text(struct pat_filter_maker *maker, const struct pat_filter **out,
                                      struct pat_text text) PAT_MUST_CHECK;
enum pat_status pat_filter__from_array(struct pat_filter_maker *maker, const struct pat_filter **out,
                                       const struct pat_value *tree) PAT_MUST_CHECK;

/* An error at a byte of the text: "where, byte 12: ...". */
enum pat_status pat_filter__fail_at(const struct pat_filter_maker *maker, int32_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum pat_status pat_filter__no_memory(const struct pat_filter_maker *maker);

/* One more condition or value; PAT_ERR_TOO_LARGE over the limit. */
enum pat_status pat_filter__count(struct pat_filter_maker *maker) PAT_MUST_CHECK;
/* A counted, empty node. */
enum pat_status pat_filter__node(struct pat_filter_maker *maker, struct pat_filter **out, enum pat_filter_op op,
                                 int32_t offset) PAT_MUST_CHECK;
enum pat_status pat_filter__not(struct pat_filter_maker *maker, const struct pat_filter **out,
                                const struct pat_filter *child, int32_t offset) PAT_MUST_CHECK;
/* AND or OR of the parts: parts of the same kind are taken apart, one part stands for itself. At least one part. */
enum pat_status pat_filter__combine(struct pat_filter_maker *maker, const struct pat_filter **out,
                                    enum pat_filter_op op, const struct pat_filter_parts *parts,
                                    int32_t offset) PAT_MUST_CHECK;
enum pat_status pat_filter__parts_add(struct pat_filter_maker *maker, struct pat_filter_parts *parts,
                                      const struct pat_filter *part) PAT_MUST_CHECK;
/* Adds a counted literal. */
enum pat_status pat_filter__literals_add(struct pat_filter_maker *maker, struct pat_filter_literals *literals,
                                         const struct pat_literal *literal) PAT_MUST_CHECK;

/* What was wrong with a value, for the caller who knows its place. */
struct pat_literal_fault {
    const char *expected;
    const struct pat_value *got;
};
/* A value of a tree or of args as a literal. PAT_ERR_BAD_REQUEST sets `fault` and no error message. */
enum pat_status pat_filter__literal_from_value(struct pat_filter_maker *maker, struct pat_literal *out,
                                               const struct pat_value *value,
                                               struct pat_literal_fault *fault) PAT_MUST_CHECK;

/* Checks the finished tree: whatever is accepted prints as a text, and as a tree, that is accepted again. */
enum pat_status pat_filter__finish(const struct pat_filter_maker *maker,
                                   const struct pat_filter *filter) PAT_MUST_CHECK;
size_t pat_filter__text_length(const struct pat_filter *filter);

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* Dotted identifiers that are no keyword: country, attr.color. */
bool pat_filter__is_name(struct pat_text text);
bool pat_filter__is_keyword(struct pat_text text);

/* A value for a message: "ten" (quoted, cut), 12, an array of 3, ... Gives `out`. */
#define PAT_DESCRIBE_BYTES 64u
const char *pat_value__describe(const struct pat_value *value, char out[PAT_DESCRIBE_BYTES]);

/* ---- tokens ----------------------------------------------------------------------------------------------------- */

enum pat_token_kind {
    PAT_TOKEN_END,
    PAT_TOKEN_WORD,
    PAT_TOKEN_TEXT,   /* 'BR' */
    PAT_TOKEN_NUMBER, /* -12.5, and what follows without a blank: 90d, 500EUR */
    PAT_TOKEN_ARG,    /* :name */
    PAT_TOKEN_OPEN,
    PAT_TOKEN_CLOSE,
    PAT_TOKEN_COMMA,
    PAT_TOKEN_EQ,
    PAT_TOKEN_NE,
    PAT_TOKEN_LT,
    PAT_TOKEN_LE,
    PAT_TOKEN_GT,
    PAT_TOKEN_GE,
    PAT_TOKEN_AND, /* keywords from here, in the order of filter_lex.c's list */
    PAT_TOKEN_OR,
    PAT_TOKEN_NOT,
    PAT_TOKEN_IN,
    PAT_TOKEN_BETWEEN,
    PAT_TOKEN_IS,
    PAT_TOKEN_NULL,
    PAT_TOKEN_HAS,
    PAT_TOKEN_TRUE,
    PAT_TOKEN_FALSE,
};

struct pat_token {
    enum pat_token_kind kind;
    int32_t offset;
    struct pat_text raw;    /* as it stands in the text */
    struct pat_text text;   /* TEXT without quotes, ARG without the colon, suffix of NUMBER */
    struct pat_text number; /* NUMBER without its suffix */
};

struct pat_lexer {
    const struct pat_filter_maker *maker;
    struct pat_text text;
    size_t at;
};

enum pat_status pat_filter__lex(struct pat_lexer *lexer, struct pat_token *token) PAT_MUST_CHECK;

#endif
