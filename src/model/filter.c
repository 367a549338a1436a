#include "model/filter.h"

#include "model/filter_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ----------------------------------------------------------------------------------------------------- */

enum pat_status pat_filter__fail_at(const struct pat_filter_maker *maker, int32_t offset, const char *format, ...) {
    char text[PAT_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pat_error_set_at(maker->error, PAT_ERR_BAD_REQUEST, maker->root, -1, offset, "%s, byte %d: %s", maker->root,
                            (int)offset, text);
}

enum pat_status pat_filter__no_memory(const struct pat_filter_maker *maker) {
    return pat_error_set(maker->error, PAT_ERR_NO_MEMORY, "no memory left for the filter");
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

enum pat_status pat_filter__count(struct pat_filter_maker *maker) {
    if (maker->parts >= PAT_FILTER_NODES_MAX) {
        return pat_error_set_at(maker->error, PAT_ERR_TOO_LARGE, maker->root, -1, -1,
                                "%s: more than %u conditions and values in one filter", maker->root,
                                PAT_FILTER_NODES_MAX);
    }
    maker->parts++;
    return PAT_OK;
}

enum pat_status pat_filter__node(struct pat_filter_maker *maker, struct pat_filter **out, enum pat_filter_op op,
                                 int32_t offset) {
    PAT_TRY(pat_filter__count(maker));
    struct pat_filter *filter = pat_arena_alloc(maker->arena, sizeof *filter);
    if (filter == NULL) return pat_filter__no_memory(maker);
    *filter = (struct pat_filter){.op = op, .offset = offset, .name_offset = -1};
    *out = filter;
    return PAT_OK;
}

enum pat_status pat_filter__not(struct pat_filter_maker *maker, const struct pat_filter **out,
                                const struct pat_filter *child, int32_t offset) {
    struct pat_filter *filter;
    PAT_TRY(pat_filter__node(maker, &filter, PAT_FILTER_NOT, offset));
    const struct pat_filter **children = pat_arena_array(maker->arena, 1, sizeof *children);
    if (children == NULL) return pat_filter__no_memory(maker);
    children[0] = child;
    filter->child = children;
    filter->children = 1;
    *out = filter;
    return PAT_OK;
}

/* Doubles a list in the arena once it is full. */
static enum pat_status list_grow(struct pat_filter_maker *maker, void **item, uint32_t count, uint32_t *capacity,
                                 size_t size) {
    if (count < *capacity) return PAT_OK;
    uint32_t wanted = *capacity == 0 ? 4 : *capacity * 2;
    void *grown = pat_arena_array(maker->arena, wanted, size);
    if (grown == NULL) return pat_filter__no_memory(maker);
    if (count > 0) memcpy(grown, *item, count * size);
    *item = grown;
    *capacity = wanted;
    return PAT_OK;
}

enum pat_status pat_filter__parts_add(struct pat_filter_maker *maker, struct pat_filter_parts *parts,
                                      const struct pat_filter *part) {
    void *item = parts->item;
    PAT_TRY(list_grow(maker, &item, parts->count, &parts->capacity, sizeof(struct pat_filter *)));
    parts->item = item;
    parts->item[parts->count++] = part;
    return PAT_OK;
}

enum pat_status pat_filter__literals_add(struct pat_filter_maker *maker, struct pat_filter_literals *literals,
                                         const struct pat_literal *literal) {
    PAT_TRY(pat_filter__count(maker));
    void *item = literals->item;
    PAT_TRY(list_grow(maker, &item, literals->count, &literals->capacity, sizeof(struct pat_literal)));
    literals->item = item;
    literals->item[literals->count++] = *literal;
    return PAT_OK;
}

enum pat_status pat_filter__combine(struct pat_filter_maker *maker, const struct pat_filter **out,
                                    enum pat_filter_op op, const struct pat_filter_parts *parts, int32_t offset) {
    if (parts->count == 1) {
        *out = parts->item[0];
        return PAT_OK;
    }
    struct pat_filter_parts flat = {NULL, 0, 0};
    for (uint32_t i = 0; i < parts->count; i++) {
        const struct pat_filter *part = parts->item[i];
        if (part->op != op) {
            PAT_TRY(pat_filter__parts_add(maker, &flat, part));
            continue;
        }
        for (uint32_t k = 0; k < part->children; k++) PAT_TRY(pat_filter__parts_add(maker, &flat, part->child[k]));
    }
    struct pat_filter *filter;
    PAT_TRY(pat_filter__node(maker, &filter, op, offset));
    filter->child = flat.item;
    filter->children = flat.count;
    *out = filter;
    return PAT_OK;
}

/* Nodes on the longest way from the root to a leaf. Parsers bound their own nesting, so this recursion is bounded. */
static unsigned filter_depth(const struct pat_filter *filter) {
    unsigned deepest = 0;
    for (uint32_t i = 0; i < filter->children; i++) {
        unsigned depth = filter_depth(filter->child[i]);
        if (depth > deepest) deepest = depth;
    }
    return deepest + 1;
}

enum pat_status pat_filter__finish(const struct pat_filter_maker *maker, const struct pat_filter *filter) {
    if (filter_depth(filter) > PAT_FILTER_DEPTH_MAX) {
        return pat_error_set_at(maker->error, PAT_ERR_TOO_LARGE, maker->root, -1, -1,
                                "%s: conditions are nested more than %u deep", maker->root, PAT_FILTER_DEPTH_MAX);
    }
    size_t length = pat_filter__text_length(filter);
    if (length > PAT_FILTER_BYTES_MAX) {
        return pat_error_set_at(maker->error, PAT_ERR_TOO_LARGE, maker->root, -1, -1,
                                "%s: the filter has %zu bytes in its canonical form, the most is %u", maker->root,
                                length, PAT_FILTER_BYTES_MAX);
    }
    return PAT_OK;
}

/* ---- doors ------------------------------------------------------------------------------------------------------ */

static enum pat_status from_constant(struct pat_filter_maker *maker, const struct pat_filter **out, bool truth) {
    struct pat_filter *filter;
    PAT_TRY(pat_filter__node(maker, &filter, truth ? PAT_FILTER_TRUE : PAT_FILTER_FALSE, -1));
    *out = filter;
    return PAT_OK;
}

enum pat_status pat_filter__from_value(const struct pat_filter **out, const struct pat_value *value, const char *root,
                                       struct pat_filter_args *args, struct pat_arena *arena, struct pat_error *error) {
    struct pat_filter_maker maker = {.arena = arena, .args = args, .error = error, .root = root};
    if (value == NULL || value->type == PAT_VALUE_NIL) return from_constant(&maker, out, true);
    if (value->type == PAT_VALUE_BOOL) return from_constant(&maker, out, value->as.boolean);
    if (value->type == PAT_VALUE_TEXT) return pat_filter__from_text(&maker, out, pat_value_as_text(value));
    if (value->type == PAT_VALUE_ARRAY) return pat_filter__from_array(&maker, out, value);
    char got[PAT_DESCRIBE_BYTES];
    return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, root, -1, -1,
                            "%s: expected a filter as text or as a tree of arrays, got %s", root,
                            pat_value__describe(value, got));
}

enum pat_status pat_filter_from_value(const struct pat_filter **out, const struct pat_value *value,
                                      const struct pat_value *args, struct pat_arena *arena, struct pat_error *error) {
    struct pat_filter_args known;
    PAT_TRY(pat_filter__args_init(&known, args, arena, error));
    PAT_TRY(pat_filter__from_value(out, value, "where", &known, arena, error));
    return pat_filter__args_check(&known, error);
}

enum pat_status pat_filter_parse(const struct pat_filter **out, struct pat_text text, const struct pat_value *args,
                                 struct pat_arena *arena, struct pat_error *error) {
    struct pat_filter_args known;
    PAT_TRY(pat_filter__args_init(&known, args, arena, error));
    struct pat_filter_maker maker = {.arena = arena, .args = &known, .error = error, .root = "where"};
    PAT_TRY(pat_filter__from_text(&maker, out, text));
    return pat_filter__args_check(&known, error);
}

enum pat_status pat_filter_from_tree(const struct pat_filter **out, const struct pat_value *tree,
                                     const struct pat_value *args, struct pat_arena *arena, struct pat_error *error) {
    if (tree->type != PAT_VALUE_ARRAY && tree->type != PAT_VALUE_BOOL) {
        char got[PAT_DESCRIBE_BYTES];
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "where", -1, -1,
                                "where: expected a condition such as [\"=\", \"country\", \"BR\"], got %s",
                                pat_value__describe(tree, got));
    }
    return pat_filter_from_value(out, tree, args, arena, error);
}

/* ---- equality and names ----------------------------------------------------------------------------------------- */

static bool literal_equal(const struct pat_literal *a, const struct pat_literal *b) {
    return a->kind == b->kind && a->number == b->number && pat_text_equal(a->text, b->text);
}

bool pat_filter_equal(const struct pat_filter *a, const struct pat_filter *b) {
    if (a->op != b->op || a->literals != b->literals || a->children != b->children) return false;
    if (!pat_text_equal(a->name, b->name)) return false;
    for (uint32_t i = 0; i < a->literals; i++) {
        if (!literal_equal(&a->literal[i], &b->literal[i])) return false;
    }
    for (uint32_t i = 0; i < a->children; i++) {
        if (!pat_filter_equal(a->child[i], b->child[i])) return false;
    }
    return true;
}

static void collect_fields(const struct pat_filter *filter, struct pat_builder *builder, struct pat_value *fields) {
    for (uint32_t i = 0; i < filter->children; i++) collect_fields(filter->child[i], builder, fields);
    if (filter->name.length == 0 || builder->failed) return;
    for (uint32_t i = 0; i < fields->count; i++) {
        if (pat_text_equal(pat_value_as_text(&fields->as.items[i]), filter->name)) return;
    }
    pat_build_push(builder, fields, pat_build_text(builder, filter->name));
}

struct pat_value pat_filter_fields(const struct pat_filter *filter, struct pat_builder *builder) {
    struct pat_value fields = pat_build_array(builder, 4);
    collect_fields(filter, builder, &fields);
    return fields;
}
