#include "analytics/bind_private.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Looking for the nearest of more entries than this would take longer than the question. */
#define NEAREST_ENTRIES_MAX 65536u

struct binder {
    struct pat_run *run;
    enum pat_table_id table;
};

static enum pat_status no_memory(const struct binder *binder) {
    return pat_error_set(binder->run->error, PAT_ERR_NO_MEMORY, "no memory for the filter");
}

static const char *op_text(enum pat_filter_op op) {
    switch (op) {
    case PAT_FILTER_EQ: return "=";
    case PAT_FILTER_NE: return "<>";
    case PAT_FILTER_LT: return "<";
    case PAT_FILTER_LE: return "<=";
    case PAT_FILTER_GT: return ">";
    case PAT_FILTER_GE: return ">=";
    case PAT_FILTER_IN: return "IN";
    case PAT_FILTER_BETWEEN: return "BETWEEN";
    case PAT_FILTER_HAS: return "HAS";
    default: return "IS NULL";
    }
}

static enum pat_status fail_op(const struct binder *binder, const struct pat_filter *filter,
                               const struct pat_source *source, const char *works) {
    char where[32] = "";
    if (filter->offset >= 0) (void)snprintf(where, sizeof where, " at offset %" PRId32, filter->offset);
    return pat_error_set_at(binder->run->error, PAT_ERR_BAD_REQUEST, source->name, -1, filter->offset,
                            "%s does not work with \"%s\"%s, which is a %s: use %s", op_text(filter->op), source->name,
                            where, pat_type_name(source->type), works);
}

/* ---- dictionary values ------------------------------------------------------------------------------------------- */

static bool entry_has(struct pat_text entry, struct pat_text member) {
    while (entry.length > 0) {
        const char *end = memchr(entry.data, '\x1f', entry.length);
        const size_t length = end != NULL ? (size_t)(end - entry.data) : entry.length;
        if (pat_text_equal((struct pat_text){entry.data, length}, member)) return true;
        if (end == NULL) return false;
        entry = (struct pat_text){end + 1, entry.length - length - 1};
    }
    return false;
}

/* Turns on the codes that are `text` (or, for sets, have it); false when there is none. */
static bool mark_codes(const struct binder *binder, const struct pat_source *source, struct pat_text text,
                       uint64_t *set, uint32_t codes) {
    bool any = false;
    for (uint32_t code = 0; code < codes; code++) {
        const struct pat_text entry = pat_source__text(binder->run, source, code);
        const bool is = source->type == PAT_TYPE_SET ? entry_has(entry, text) : pat_text_equal(entry, text);
        if (!is) continue;
        pat_bits__set(set, code);
        any = true;
        if (source->type == PAT_TYPE_TEXT) return true;
    }
    return any;
}

/* All that the field may say, where that is a short list and the same in every shop. */
static struct pat_text list_values(const struct binder *binder, const struct pat_source *source, uint32_t codes) {
    struct pat_text all = {"", 0};
    if (source->kind != PAT_SOURCE_LIFECYCLE && source->kind != PAT_SOURCE_GROUP) return all;
    for (uint32_t code = 0; code < codes && all.data != NULL; code++) {
        const struct pat_text entry = pat_source__text(binder->run, source, code);
        all = pat_arena_printf(binder->run->arena, "%.*s%s%.*s", (int)all.length, all.data,
                               code == 0          ? ": it is "
                               : code + 1 < codes ? ", "
                                                  : " or ",
                               (int)entry.length, entry.data);
    }
    return all.data != NULL ? all : (struct pat_text){"", 0};
}

static void warn_unknown(const struct binder *binder, const struct pat_source *source, struct pat_text text,
                         uint32_t codes) {
    struct pat_text nearest = {NULL, 0};
    unsigned best = UINT_MAX;
    for (uint32_t code = 0; code < codes && codes <= NEAREST_ENTRIES_MAX && source->type == PAT_TYPE_TEXT; code++) {
        const struct pat_text entry = pat_source__text(binder->run, source, code);
        const unsigned distance = pat_text_distance(text, entry);
        if (distance >= best || !pat_text_is_near(text, entry, distance)) continue;
        best = distance;
        nearest = entry;
    }
    char shown[64], near_shown[64];
    (void)pat_text_printable(text, shown, sizeof shown);
    if (nearest.data == NULL) {
        const struct pat_text all = list_values(binder, source, codes);
        pat_run__warn(binder->run, "%s has no value \"%s\"%.*s", source->name, shown, (int)all.length, all.data);
        return;
    }
    pat_run__warn(binder->run, "%s has no value \"%s\", did you mean \"%s\"?", source->name, shown,
                  pat_text_printable(nearest, near_shown, sizeof near_shown));
}

static enum pat_status bind_member(const struct binder *binder, const struct pat_filter *filter,
                                   struct pat_bound *out) {
    const uint32_t codes = pat_source__codes(binder->run, &out->source);
    uint64_t *set = pat_arena_array(binder->run->arena, pat_bits__words(codes), sizeof *set);
    if (set == NULL) return no_memory(binder);
    for (uint32_t i = 0; i < filter->literals; i++) {
        struct pat_text text;
        PAT_TRY(pat_literal__text(binder->run, &out->source, &filter->literal[i], &text));
        if (!mark_codes(binder, &out->source, text, set, codes)) warn_unknown(binder, &out->source, text, codes);
    }
    out->kind = PAT_BOUND_MEMBER;
    out->set = set;
    out->set_bits = codes;
    return PAT_OK;
}

/* ---- integers ---------------------------------------------------------------------------------------------------- */

static int span_order(const void *a, const void *b) {
    const struct pat_span *left = a, *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

/* Sorted and apart, so that evaluation can search by halves. */
static uint32_t merge_spans(struct pat_span *span, uint32_t count) {
    uint32_t kept = 0;
    qsort(span, count, sizeof *span, span_order);
    for (uint32_t i = 0; i < count; i++) {
        if (span[i].first > span[i].last) continue;
        if (kept > 0 && span[i].first <= span[kept - 1].last) {
            if (span[i].last > span[kept - 1].last) span[kept - 1].last = span[i].last;
            continue;
        }
        span[kept++] = span[i];
    }
    return kept;
}

/* What a comparison with the values `a` (and for BETWEEN up to `b`) selects. */
static struct pat_span span_of_op(enum pat_filter_op op, struct pat_span a, struct pat_span b) {
    const int64_t least = INT64_MIN + 1;
    switch (op) {
    case PAT_FILTER_LT: return (struct pat_span){least, a.first - 1};
    case PAT_FILTER_LE: return (struct pat_span){least, a.last};
    case PAT_FILTER_GT: return a.last == INT64_MAX ? (struct pat_span){1, 0} : (struct pat_span){a.last + 1, INT64_MAX};
    case PAT_FILTER_GE: return (struct pat_span){a.first, INT64_MAX};
    case PAT_FILTER_BETWEEN: return (struct pat_span){a.first, b.last};
    default: return a;
    }
}

static enum pat_status bind_spans(const struct binder *binder, const struct pat_filter *filter, struct pat_bound *out) {
    struct pat_span *span = pat_arena_array(binder->run->arena, filter->literals, sizeof *span);
    if (span == NULL) return no_memory(binder);
    for (uint32_t i = 0; i < filter->literals; i++) {
        PAT_TRY(pat_literal__span(binder->run, &out->source, &filter->literal[i], &span[i]));
    }
    out->kind = PAT_BOUND_SPANS;
    out->span = span;
    out->spans = filter->literals;
    if (filter->op != PAT_FILTER_IN) {
        span[0] = span_of_op(filter->op, span[0], span[filter->literals - 1]);
        out->spans = 1;
    }
    out->spans = merge_spans(span, out->spans);
    return PAT_OK;
}

/* ---- ids and decimals -------------------------------------------------------------------------------------------- */

static int id_order(const void *a, const void *b) {
    const struct pat_range *left = a, *right = b;
    return pat_id__compare(left->low.id, right->low.id);
}

static int decimal_order(const void *a, const void *b) {
    const struct pat_range *left = a, *right = b;
    return pat_decimal_compare(left->low.decimal, right->low.decimal);
}

static struct pat_range range_of_op(enum pat_filter_op op, union pat_key a, union pat_key b) {
    struct pat_range range = {.has_low = true, .has_high = true, .low = a, .high = b};
    if (op == PAT_FILTER_LT || op == PAT_FILTER_LE) range.has_low = false;
    if (op == PAT_FILTER_GT || op == PAT_FILTER_GE) range.has_high = false;
    range.open_high = op == PAT_FILTER_LT;
    range.open_low = op == PAT_FILTER_GT;
    return range;
}

/* Ids that are all numbers are found by their numbers alone. */
static enum pat_status ids_to_spans(const struct binder *binder, const struct pat_range *range, uint32_t ranges,
                                    struct pat_bound *out) {
    struct pat_span *span = pat_arena_array(binder->run->arena, ranges, sizeof *span);
    if (span == NULL) return no_memory(binder);
    for (uint32_t i = 0; i < ranges; i++) span[i] = (struct pat_span){range[i].low.id.number, range[i].low.id.number};
    out->kind = PAT_BOUND_SPANS;
    out->span = span;
    out->spans = merge_spans(span, ranges);
    return PAT_OK;
}

static enum pat_status bind_ranges(const struct binder *binder, const struct pat_filter *filter,
                                   struct pat_bound *out) {
    struct pat_range *range = pat_arena_array(binder->run->arena, filter->literals, sizeof *range);
    if (range == NULL) return no_memory(binder);
    bool numbers = out->source.type == PAT_TYPE_ID;
    for (uint32_t i = 0; i < filter->literals; i++) {
        union pat_key key;
        PAT_TRY(pat_literal__key(binder->run, &out->source, &filter->literal[i], &key));
        range[i] = range_of_op(PAT_FILTER_EQ, key, key);
        numbers = numbers && key.id.number >= 0;
    }
    const bool points = filter->op == PAT_FILTER_EQ || filter->op == PAT_FILTER_NE || filter->op == PAT_FILTER_IN;
    if (points && numbers) return ids_to_spans(binder, range, filter->literals, out);
    out->kind = PAT_BOUND_RANGES;
    out->range = range;
    out->ranges = filter->literals;
    if (!points) {
        range[0] = range_of_op(filter->op, range[0].low, range[filter->literals - 1].low);
        out->ranges = 1;
    }
    qsort(range, out->ranges, sizeof *range, out->source.type == PAT_TYPE_ID ? id_order : decimal_order);
    return PAT_OK;
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static bool orders(enum pat_filter_op op) {
    return op == PAT_FILTER_LT || op == PAT_FILTER_LE || op == PAT_FILTER_GT || op == PAT_FILTER_GE ||
           op == PAT_FILTER_BETWEEN;
}

static enum pat_status bind_comparison(const struct binder *binder, const struct pat_filter *filter,
                                       struct pat_bound *out) {
    const struct pat_source *source = &out->source;
    PAT_TRY(
        pat_source__find(binder->run, binder->table, filter->name, filter->name_offset, PAT_USE_FILTER, &out->source));
    out->outside = filter->op == PAT_FILTER_NE;
    if (filter->op == PAT_FILTER_IS_NULL) {
        out->kind = PAT_BOUND_NULL;
        return PAT_OK;
    }
    if (source->type == PAT_TYPE_SET) {
        if (filter->op != PAT_FILTER_HAS) return fail_op(binder, filter, source, "HAS or IS NULL");
        return bind_member(binder, filter, out);
    }
    if (filter->op == PAT_FILTER_HAS) return fail_op(binder, filter, source, "= or IN");
    if (source->type == PAT_TYPE_TEXT) {
        if (orders(filter->op)) return fail_op(binder, filter, source, "=, <>, IN or IS NULL");
        return bind_member(binder, filter, out);
    }
    if (source->type == PAT_TYPE_BOOL && orders(filter->op)) {
        return fail_op(binder, filter, source, "=, <> or IS NULL");
    }
    if (source->type == PAT_TYPE_ID || source->type == PAT_TYPE_DECIMAL) return bind_ranges(binder, filter, out);
    return bind_spans(binder, filter, out);
}

static enum pat_status bind_node(const struct binder *binder, const struct pat_filter *filter, struct pat_bound **out);

static enum pat_status bind_children(const struct binder *binder, const struct pat_filter *filter,
                                     enum pat_bound_kind kind, struct pat_bound *out) {
    const struct pat_bound **child = pat_arena_array(binder->run->arena, filter->children, sizeof *child);
    if (child == NULL) return no_memory(binder);
    for (uint32_t i = 0; i < filter->children; i++) {
        struct pat_bound *bound = NULL;
        PAT_TRY(bind_node(binder, filter->child[i], &bound));
        child[i] = bound;
    }
    out->kind = kind;
    out->child = child;
    out->children = filter->children;
    return PAT_OK;
}

static enum pat_status bind_node(const struct binder *binder, const struct pat_filter *filter, struct pat_bound **out) {
    struct pat_bound *bound = pat_arena_alloc(binder->run->arena, sizeof *bound);
    if (bound == NULL) return no_memory(binder);
    *out = bound;
    switch (filter->op) {
    case PAT_FILTER_TRUE: bound->kind = PAT_BOUND_TRUE; return PAT_OK;
    case PAT_FILTER_FALSE: bound->kind = PAT_BOUND_FALSE; return PAT_OK;
    case PAT_FILTER_AND: return bind_children(binder, filter, PAT_BOUND_AND, bound);
    case PAT_FILTER_OR: return bind_children(binder, filter, PAT_BOUND_OR, bound);
    case PAT_FILTER_NOT: return bind_children(binder, filter, PAT_BOUND_NOT, bound);
    default: return bind_comparison(binder, filter, bound);
    }
}

enum pat_status pat_bind__filter(struct pat_run *run, enum pat_table_id table, const struct pat_filter *filter,
                                 const struct pat_bound **out) {
    const struct binder binder = {run, table};
    struct pat_bound *bound = NULL;
    PAT_TRY(bind_node(&binder, filter, &bound));
    *out = bound;
    return PAT_OK;
}

enum pat_status pat_analytics_check_filter(const struct pat_view *view, const struct pat_filter *filter,
                                           struct pat_arena *arena, struct pat_error *error) {
    static const struct pat_rfm_spec everybody = {.window_days = 365, .scoring = PAT_RFM_QUINTILE};
    struct pat_run run = {
        .view = view,
        .arena = arena,
        .error = error,
        .builder = {.arena = arena},
        .rfm = &everybody,
        .day = view->counts.newest_fact != PAT_DAY_NONE ? view->counts.newest_fact : 0,
    };
    const struct pat_bound *bound;
    return pat_bind__filter(&run, PAT_CUSTOMERS, filter, &bound);
}
