/* The tree form: arrays with an operator first. */
#include "model/filter_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Where we are, for messages: indices from the root down. Two more than the depth for a list and a value in it. */
#define PATH_MAX_STEPS (PAT_FILTER_DEPTH_MAX + 2)

struct reader {
    struct pat_filter_maker *maker;
    uint32_t step[PATH_MAX_STEPS];
    unsigned steps;
};

/* "where[2][1]: ..." */
__attribute__((format(printf, 2, 3))) static enum pat_status fail(const struct reader *reader, const char *format,
                                                                  ...) {
    char place[PAT_ERROR_MESSAGE_BYTES / 2], text[PAT_ERROR_MESSAGE_BYTES];
    size_t length = (size_t)snprintf(place, sizeof place, "%s", reader->maker->root);
    for (unsigned i = 0; i < reader->steps && length < sizeof place - 16; i++) {
        length += (size_t)snprintf(place + length, sizeof place - length, "[%" PRIu32 "]", reader->step[i]);
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pat_error_set_at(reader->maker->error, PAT_ERR_BAD_REQUEST, reader->maker->root, -1, -1, "%s: %s", place,
                            text);
}

static enum pat_status fail_expected(const struct reader *reader, const char *expected, const struct pat_value *value) {
    char got[PAT_DESCRIBE_BYTES];
    return fail(reader, "expected %s, got %s", expected, pat_value__describe(value, got));
}

/* What comes behind the operator. */
enum shape { SHAPE_PARTS, SHAPE_PART, SHAPE_VALUE, SHAPE_LIST, SHAPE_RANGE, SHAPE_NAME };

static const struct tree_operator {
    const char *word;
    enum pat_filter_op op;
    enum shape shape;
    const char *form;
} operators[] = {
    {"and", PAT_FILTER_AND, SHAPE_PARTS, "[\"and\", condition, ...]"},
    {"or", PAT_FILTER_OR, SHAPE_PARTS, "[\"or\", condition, ...]"},
    {"not", PAT_FILTER_NOT, SHAPE_PART, "[\"not\", condition]"},
    {"=", PAT_FILTER_EQ, SHAPE_VALUE, "[\"=\", field, value]"},
    {"<>", PAT_FILTER_NE, SHAPE_VALUE, "[\"<>\", field, value]"},
    {"!=", PAT_FILTER_NE, SHAPE_VALUE, "[\"!=\", field, value]"},
    {"<", PAT_FILTER_LT, SHAPE_VALUE, "[\"<\", field, value]"},
    {"<=", PAT_FILTER_LE, SHAPE_VALUE, "[\"<=\", field, value]"},
    {">", PAT_FILTER_GT, SHAPE_VALUE, "[\">\", field, value]"},
    {">=", PAT_FILTER_GE, SHAPE_VALUE, "[\">=\", field, value]"},
    {"in", PAT_FILTER_IN, SHAPE_LIST, "[\"in\", field, [value, ...]]"},
    {"between", PAT_FILTER_BETWEEN, SHAPE_RANGE, "[\"between\", field, low, high]"},
    {"is_null", PAT_FILTER_IS_NULL, SHAPE_NAME, "[\"is_null\", field]"},
    {"has", PAT_FILTER_HAS, SHAPE_VALUE, "[\"has\", field, value]"},
};
#define OPERATOR_COUNT (sizeof operators / sizeof operators[0])
#define OPERATOR_LIST  "and, or, not, =, <>, <, <=, >, >=, in, between, is_null, has"

static enum pat_status find_operator(struct reader *reader, const struct pat_value *tree,
                                     const struct tree_operator **out) {
    if (tree->count == 0) return fail(reader, "expected a condition, got an empty array");
    const struct pat_value *word = &tree->as.items[0];
    const char *candidates[OPERATOR_COUNT];
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        if (pat_value_is_text(word, operators[i].word)) {
            *out = &operators[i];
            return PAT_OK;
        }
        candidates[i] = operators[i].word;
    }
    reader->step[reader->steps++] = 0;
    if (word->type != PAT_VALUE_TEXT) return fail_expected(reader, "an operator (" OPERATOR_LIST ")", word);
    if (pat_value_is_text(word, "==")) return fail(reader, "expected \"=\", got \"==\"");
    char got[PAT_DESCRIBE_BYTES];
    int nearest = pat_text_nearest(pat_value_as_text(word), candidates, OPERATOR_COUNT);
    if (nearest >= 0) {
        return fail(reader, "unknown operator %s, did you mean \"%s\"?", pat_value__describe(word, got),
                    candidates[nearest]);
    }
    return fail(reader, "unknown operator %s, there are " OPERATOR_LIST, pat_value__describe(word, got));
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* Follows ":name" to its value; other values stand for themselves. */
static enum pat_status resolve(struct reader *reader, const struct pat_value **value) {
    if ((*value)->type != PAT_VALUE_TEXT || (*value)->count == 0 || (*value)->as.text[0] != ':') return PAT_OK;
    const struct pat_text name = {(*value)->as.text + 1, (*value)->count - 1};
    const struct pat_value *found = pat_filter__args_use(reader->maker->args, name);
    if (found == NULL) {
        char got[PAT_DESCRIBE_BYTES];
        return fail(reader,
                    "args has no value for %s (a text that starts with a colon is written {\"text\": \":...\"})",
                    pat_value__describe(*value, got));
    }
    *value = found;
    return PAT_OK;
}

static enum pat_status add_literal(struct reader *reader, struct pat_filter_literals *list,
                                   const struct pat_value *value) {
    struct pat_literal literal;
    struct pat_literal_fault fault;
    enum pat_status status = pat_filter__literal_from_value(reader->maker, &literal, value, &fault);
    if (status == PAT_ERR_BAD_REQUEST) return fail_expected(reader, fault.expected, fault.got);
    PAT_TRY(status);
    return pat_filter__literals_add(reader->maker, list, &literal);
}

static enum pat_status read_value(struct reader *reader, struct pat_filter_literals *list, const struct pat_value *tree,
                                  uint32_t index) {
    reader->step[reader->steps++] = index;
    const struct pat_value *value = &tree->as.items[index];
    PAT_TRY(resolve(reader, &value));
    PAT_TRY(add_literal(reader, list, value));
    reader->steps--;
    return PAT_OK;
}

/* The list of "in": an array, or the name of an argument that is one. */
static enum pat_status read_list(struct reader *reader, struct pat_filter_literals *list, const struct pat_value *value,
                                 uint32_t index) {
    reader->step[reader->steps++] = index;
    const bool named = value->type == PAT_VALUE_TEXT;
    PAT_TRY(resolve(reader, &value));
    if (value->type != PAT_VALUE_ARRAY || value->count == 0) {
        return fail_expected(reader, "an array of at least one value", value);
    }
    for (uint32_t i = 0; i < value->count; i++) {
        if (!named) {
            PAT_TRY(read_value(reader, list, value, i));
            continue;
        }
        PAT_TRY(add_literal(reader, list, &value->as.items[i]));
    }
    reader->steps--;
    return PAT_OK;
}

/* ---- conditions ------------------------------------------------------------------------------------------------- */

static enum pat_status read_name(struct reader *reader, struct pat_filter *filter, const struct pat_value *value) {
    reader->step[reader->steps++] = 1;
    if (value->type != PAT_VALUE_TEXT || !pat_filter__is_name(pat_value_as_text(value))) {
        return fail_expected(reader, "a field name such as \"country\"", value);
    }
    filter->name = pat_arena_text(reader->maker->arena, pat_value_as_text(value));
    if (filter->name.data == NULL) return pat_filter__no_memory(reader->maker);
    reader->steps--;
    return PAT_OK;
}

static enum pat_status read_condition(struct reader *reader, const struct pat_filter **out,
                                      const struct pat_value *tree, const struct tree_operator *operation) {
    static const uint32_t sizes[] = {[SHAPE_VALUE] = 3, [SHAPE_LIST] = 3, [SHAPE_RANGE] = 4, [SHAPE_NAME] = 2};
    if (tree->count != sizes[operation->shape]) {
        return fail(reader, "expected %s, got an array of %" PRIu32, operation->form, tree->count);
    }
    struct pat_filter *filter;
    PAT_TRY(pat_filter__node(reader->maker, &filter, operation->op, -1));
    PAT_TRY(read_name(reader, filter, &tree->as.items[1]));
    struct pat_filter_literals list = {NULL, 0, 0};
    if (operation->shape == SHAPE_LIST) {
        PAT_TRY(read_list(reader, &list, &tree->as.items[2], 2));
    } else {
        for (uint32_t i = 2; i < tree->count; i++) PAT_TRY(read_value(reader, &list, tree, i));
    }
    filter->literal = list.item;
    filter->literals = list.count;
    *out = filter;
    return PAT_OK;
}

static enum pat_status read_filter(struct reader *reader, const struct pat_filter **out, const struct pat_value *tree);

static enum pat_status read_parts(struct reader *reader, const struct pat_filter **out, const struct pat_value *tree,
                                  const struct tree_operator *operation) {
    if (tree->count < 2 || (operation->shape == SHAPE_PART && tree->count != 2)) {
        return fail(reader, "expected %s, got an array of %" PRIu32, operation->form, tree->count);
    }
    struct pat_filter_parts parts = {NULL, 0, 0};
    for (uint32_t i = 1; i < tree->count; i++) {
        const struct pat_filter *part;
        reader->step[reader->steps++] = i;
        PAT_TRY(read_filter(reader, &part, &tree->as.items[i]));
        reader->steps--;
        PAT_TRY(pat_filter__parts_add(reader->maker, &parts, part));
    }
    if (operation->shape == SHAPE_PART) return pat_filter__not(reader->maker, out, parts.item[0], -1);
    return pat_filter__combine(reader->maker, out, operation->op, &parts, -1);
}

static enum pat_status read_filter(struct reader *reader, const struct pat_filter **out, const struct pat_value *tree) {
    if (tree->type == PAT_VALUE_BOOL) {
        struct pat_filter *filter;
        PAT_TRY(pat_filter__node(reader->maker, &filter, tree->as.boolean ? PAT_FILTER_TRUE : PAT_FILTER_FALSE, -1));
        *out = filter;
        return PAT_OK;
    }
    if (tree->type != PAT_VALUE_ARRAY) {
        return fail_expected(reader, "a condition such as [\"=\", \"country\", \"BR\"]", tree);
    }
    if (reader->steps >= PAT_FILTER_DEPTH_MAX) {
        return pat_error_set_at(reader->maker->error, PAT_ERR_TOO_LARGE, reader->maker->root, -1, -1,
                                "%s: conditions are nested more than %u deep", reader->maker->root,
                                PAT_FILTER_DEPTH_MAX);
    }
    const struct tree_operator *operation = NULL;
    PAT_TRY(find_operator(reader, tree, &operation));
    bool parts = operation->shape == SHAPE_PARTS || operation->shape == SHAPE_PART;
    return parts ? read_parts(reader, out, tree, operation) : read_condition(reader, out, tree, operation);
}

enum pat_status pat_filter__from_array(struct pat_filter_maker *maker, const struct pat_filter **out,
                                       const struct pat_value *tree) {
    struct reader reader = {.maker = maker};
    PAT_TRY(read_filter(&reader, out, tree));
    return pat_filter__finish(maker, *out);
}
