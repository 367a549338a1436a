/* Filters as text and as trees. */
#include "model/date.h"
#include "model/filter_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- text ------------------------------------------------------------------------------------------------------- */

/* Writes, or only measures while `out` is NULL. */
struct writer {
    char *out;
    size_t length;
};

static void put(struct writer *writer, struct pat_text text) {
    if (writer->out != NULL && text.length > 0) memcpy(writer->out + writer->length, text.data, text.length);
    writer->length += text.length;
}

static void put_string(struct writer *writer, const char *string) {
    put(writer, pat_text_of(string));
}

static void put_quoted(struct writer *writer, struct pat_text text) {
    put_string(writer, "'");
    size_t start = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] != '\'') continue;
        put(writer, (struct pat_text){text.data + start, i + 1 - start});
        start = i; /* the quote is written again */
    }
    put(writer, (struct pat_text){text.data + start, text.length - start});
    put_string(writer, "'");
}

static void put_literal(struct writer *writer, const struct pat_literal *literal) {
    char number[24];
    switch (literal->kind) {
    case PAT_LITERAL_TEXT: put_quoted(writer, literal->text); return;
    case PAT_LITERAL_BOOL: put_string(writer, literal->number != 0 ? "TRUE" : "FALSE"); return;
    case PAT_LITERAL_NULL: put_string(writer, "NULL"); return;
    case PAT_LITERAL_NUMBER:
    case PAT_LITERAL_MONEY:
        pat_decimal_print(literal->number, number);
        put_string(writer, number);
        if (literal->kind == PAT_LITERAL_NUMBER) return;
        put_string(writer, " ");
        put(writer, literal->text);
        return;
    case PAT_LITERAL_DAYS:
        (void)snprintf(number, sizeof number, "%" PRId64 "d", literal->number);
        put_string(writer, number);
        return;
    case PAT_LITERAL_DAY:
        pat_day_print((pat_day)literal->number, number);
        put_string(writer, "DATE '");
        put_string(writer, number);
        put_string(writer, "'");
        return;
    }
}

static const char *const comparison_words[] = {
    [PAT_FILTER_EQ] = " = ", [PAT_FILTER_NE] = " <> ", [PAT_FILTER_LT] = " < ",    [PAT_FILTER_LE] = " <= ",
    [PAT_FILTER_GT] = " > ", [PAT_FILTER_GE] = " >= ", [PAT_FILTER_HAS] = " HAS ",
};

/* IN, BETWEEN and IS NULL, whose NOT is written inside. */
static bool takes_not_inside(enum pat_filter_op op) {
    return op == PAT_FILTER_IN || op == PAT_FILTER_BETWEEN || op == PAT_FILTER_IS_NULL;
}

static void put_condition(struct writer *writer, const struct pat_filter *filter, bool negated) {
    put(writer, filter->name);
    if (filter->op == PAT_FILTER_IS_NULL) {
        put_string(writer, negated ? " IS NOT NULL" : " IS NULL");
    } else if (filter->op == PAT_FILTER_BETWEEN) {
        put_string(writer, negated ? " NOT BETWEEN " : " BETWEEN ");
        put_literal(writer, &filter->literal[0]);
        put_string(writer, " AND ");
        put_literal(writer, &filter->literal[1]);
    } else if (filter->op == PAT_FILTER_IN) {
        put_string(writer, negated ? " NOT IN (" : " IN (");
        for (uint32_t i = 0; i < filter->literals; i++) {
            if (i > 0) put_string(writer, ", ");
            put_literal(writer, &filter->literal[i]);
        }
        put_string(writer, ")");
    } else {
        put_string(writer, comparison_words[filter->op]);
        put_literal(writer, &filter->literal[0]);
    }
}

static void put_filter(struct writer *writer, const struct pat_filter *filter);

/* A part under AND or NOT: what binds looser stands in parentheses. */
static void put_tight(struct writer *writer, const struct pat_filter *filter) {
    bool loose = filter->op == PAT_FILTER_AND || filter->op == PAT_FILTER_OR;
    if (loose) put_string(writer, "(");
    put_filter(writer, filter);
    if (loose) put_string(writer, ")");
}

static void put_filter(struct writer *writer, const struct pat_filter *filter) {
    switch (filter->op) {
    case PAT_FILTER_TRUE: put_string(writer, "TRUE"); return;
    case PAT_FILTER_FALSE: put_string(writer, "FALSE"); return;
    case PAT_FILTER_NOT:
        if (takes_not_inside(filter->child[0]->op)) {
            put_condition(writer, filter->child[0], true);
        } else {
            put_string(writer, "NOT ");
            put_tight(writer, filter->child[0]);
        }
        return;
    case PAT_FILTER_OR:
        for (uint32_t i = 0; i < filter->children; i++) {
            if (i > 0) put_string(writer, " OR ");
            put_filter(writer, filter->child[i]);
        }
        return;
    case PAT_FILTER_AND:
        for (uint32_t i = 0; i < filter->children; i++) {
            if (i > 0) put_string(writer, " AND ");
            put_tight(writer, filter->child[i]);
        }
        return;
    default: put_condition(writer, filter, false); return;
    }
}

size_t pat_filter__text_length(const struct pat_filter *filter) {
    struct writer writer = {NULL, 0};
    put_filter(&writer, filter);
    return writer.length;
}

struct pat_text pat_filter_print(const struct pat_filter *filter, struct pat_arena *arena) {
    struct writer writer = {pat_arena_alloc(arena, pat_filter__text_length(filter) + 1), 0};
    if (writer.out == NULL) return (struct pat_text){NULL, 0};
    put_filter(&writer, filter);
    writer.out[writer.length] = '\0';
    return (struct pat_text){writer.out, writer.length};
}

/* ---- tree ------------------------------------------------------------------------------------------------------- */

static struct pat_value map_of_one(struct pat_builder *builder, const char *key, struct pat_value value) {
    struct pat_value map = pat_build_map(builder, 1);
    pat_build_put(builder, &map, key, value);
    return map;
}

/* Digits that no double carries go as text. */
static struct pat_value number_to_tree(struct pat_builder *builder, pat_decimal number) {
    if (pat_decimal_scale(number) == 0) return pat_value_int(pat_decimal_mantissa(number));
    double real = pat_decimal_to_double(number);
    pat_decimal again;
    if (pat_decimal_from_double(real, &again) && again == number) return pat_value_real(real);
    char text[24];
    pat_decimal_print(number, text);
    return map_of_one(builder, "number", pat_build_text(builder, pat_text_of(text)));
}

static struct pat_value literal_to_tree(struct pat_builder *builder, const struct pat_literal *literal) {
    char number[24];
    switch (literal->kind) {
    case PAT_LITERAL_TEXT:
        /* ":name" would be read as an argument. */
        if (literal->text.length > 0 && literal->text.data[0] == ':') {
            return map_of_one(builder, "text", pat_build_text(builder, literal->text));
        }
        return pat_build_text(builder, literal->text);
    case PAT_LITERAL_NUMBER: return number_to_tree(builder, literal->number);
    case PAT_LITERAL_BOOL: return pat_value_bool(literal->number != 0);
    case PAT_LITERAL_NULL: return pat_value_nil();
    case PAT_LITERAL_DAYS: return map_of_one(builder, "days", pat_value_int(literal->number));
    case PAT_LITERAL_DAY: return map_of_one(builder, "date", pat_build_day(builder, literal->number));
    case PAT_LITERAL_MONEY: break;
    }
    struct pat_value map = pat_build_map(builder, 2);
    pat_decimal_print(literal->number, number);
    pat_build_put(builder, &map, "money", pat_build_text(builder, pat_text_of(number)));
    pat_build_put(builder, &map, "currency", pat_build_text(builder, literal->text));
    return map;
}

static const char *const tree_words[] = {
    [PAT_FILTER_AND] = "and",         [PAT_FILTER_OR] = "or",
    [PAT_FILTER_NOT] = "not",         [PAT_FILTER_EQ] = "=",
    [PAT_FILTER_NE] = "<>",           [PAT_FILTER_LT] = "<",
    [PAT_FILTER_LE] = "<=",           [PAT_FILTER_GT] = ">",
    [PAT_FILTER_GE] = ">=",           [PAT_FILTER_IN] = "in",
    [PAT_FILTER_BETWEEN] = "between", [PAT_FILTER_IS_NULL] = "is_null",
    [PAT_FILTER_HAS] = "has",
};

struct pat_value pat_filter_to_tree(const struct pat_filter *filter, struct pat_builder *builder) {
    if (filter->op == PAT_FILTER_TRUE) return pat_value_bool(true);
    if (filter->op == PAT_FILTER_FALSE) return pat_value_bool(false);
    struct pat_value tree = pat_build_array(builder, 4);
    pat_build_push(builder, &tree, pat_value_string(tree_words[filter->op]));
    for (uint32_t i = 0; i < filter->children; i++) {
        pat_build_push(builder, &tree, pat_filter_to_tree(filter->child[i], builder));
    }
    if (filter->name.length > 0) pat_build_push(builder, &tree, pat_build_text(builder, filter->name));
    if (filter->op == PAT_FILTER_IN) {
        struct pat_value list = pat_build_array(builder, filter->literals);
        for (uint32_t i = 0; i < filter->literals; i++) {
            pat_build_push(builder, &list, literal_to_tree(builder, &filter->literal[i]));
        }
        pat_build_push(builder, &tree, list);
        return tree;
    }
    for (uint32_t i = 0; i < filter->literals; i++) {
        pat_build_push(builder, &tree, literal_to_tree(builder, &filter->literal[i]));
    }
    return tree;
}
