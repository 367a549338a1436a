/* Bound filters over blocks of rows, into bitmaps. */
#include "analytics/bind_private.h"
#include "analytics/explain_private.h"
#include "analytics/memo_private.h"

#include <string.h>

int pat_key__compare(const struct pat_source *source, const union pat_key *a, const union pat_key *b) {
    if (source->type == PAT_TYPE_ID) return pat_id__compare(a->id, b->id);
    return pat_decimal_compare(a->decimal, b->decimal);
}

/* One block of rows: count <= PAT_BLOCK_ROWS, words = its bitmap's. */
struct block {
    const struct pat_run *run;
    pat_row first;
    uint32_t count;
    uint32_t words;
};

static bool in_spans(const struct pat_bound *bound, int64_t value) {
    uint32_t low = 0, high = bound->spans; /* first span that begins behind value */
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bound->span[middle].first > value) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low > 0 && value <= bound->span[low - 1].last;
}

static void eval_spans(const struct block *block, const struct pat_bound *bound, const int64_t *values, uint64_t *out) {
    if (bound->spans == 1) {
        block->run->kernels->select_range(values, block->count, bound->span[0].first, bound->span[0].last, out);
        return;
    }
    memset(out, 0, block->words * sizeof *out);
    if (bound->spans == 0) return;
    for (uint32_t i = 0; i < block->count; i++) {
        if (values[i] != PAT_NULL && in_spans(bound, values[i])) pat_bits__set(out, i);
    }
}

static bool below(const struct pat_source *source, const struct pat_range *range, const union pat_key *key) {
    if (!range->has_low) return false;
    const int order = pat_key__compare(source, key, &range->low);
    return order < 0 || (order == 0 && range->open_low);
}

static bool above(const struct pat_source *source, const struct pat_range *range, const union pat_key *key) {
    if (!range->has_high) return false;
    const int order = pat_key__compare(source, key, &range->high);
    return order > 0 || (order == 0 && range->open_high);
}

static bool in_ranges(const struct pat_bound *bound, const union pat_key *key) {
    uint32_t low = 0, high = bound->ranges;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (below(&bound->source, &bound->range[middle], key)) {
            high = middle;
        } else if (above(&bound->source, &bound->range[middle], key)) {
            low = middle + 1;
        } else {
            return true;
        }
    }
    return false;
}

static void eval_ranges(const struct block *block, const struct pat_bound *bound, const int64_t *values,
                        uint64_t *out) {
    memset(out, 0, block->words * sizeof *out);
    for (uint32_t i = 0; i < block->count; i++) {
        if (values[i] == PAT_NULL) continue;
        union pat_key key;
        if (bound->source.type == PAT_TYPE_ID) {
            key.id = pat_id__key(block->run->view, values[i]);
        } else {
            key.decimal = values[i];
        }
        if (in_ranges(bound, &key)) pat_bits__set(out, i);
    }
}

static void invert(const struct block *block, uint64_t *bits) {
    uint64_t all[PAT_BLOCK_WORDS];
    memset(all, 0, sizeof all);
    pat_bits__fill(all, block->count);
    block->run->kernels->bits_andnot(all, bits, block->words);
    memcpy(bits, all, block->words * sizeof *bits);
}

/* On the codes themselves; false where that does not go. */
static bool eval_strip(const struct block *block, const struct pat_bound *bound, uint64_t *out) {
    const struct pat_kernels *kernels = block->run->kernels;
    struct pat_strip strip;
    if (!pat_source__strip(block->run, &bound->source, block->first, &strip)) return false;
    switch (bound->kind) {
    case PAT_BOUND_NULL: pat_strip__null(kernels, &strip, block->count, out); return true;
    case PAT_BOUND_MEMBER: pat_strip__member(kernels, &strip, block->count, bound->set, bound->set_bits, out); break;
    case PAT_BOUND_SPANS:
        if (bound->spans != 1) return false;
        if (pat_strip__range(kernels, &strip, block->count, bound->span[0].first, bound->span[0].last, out)) {
            pat_explain__part(block->run, &strip.part, block->count);
        }
        break;
    default: return false;
    }
    if (!bound->outside) return true;
    uint64_t unset[PAT_BLOCK_WORDS];
    pat_strip__null(kernels, &strip, block->count, unset);
    kernels->bits_or(out, unset, block->words);
    invert(block, out);
    return true;
}

static void eval_values(const struct block *block, const struct pat_bound *bound, const int64_t *values,
                        uint64_t *out) {
    const struct pat_kernels *kernels = block->run->kernels;
    switch (bound->kind) {
    case PAT_BOUND_NULL: kernels->select_null(values, block->count, out); return;
    case PAT_BOUND_MEMBER: kernels->select_member(values, block->count, bound->set, bound->set_bits, out); break;
    case PAT_BOUND_RANGES: eval_ranges(block, bound, values, out); break;
    default: eval_spans(block, bound, values, out); break;
    }
    if (!bound->outside) return;
    /* <> is false of what is not set, as every comparison is. */
    uint64_t unset[PAT_BLOCK_WORDS];
    kernels->select_null(values, block->count, unset);
    kernels->bits_or(out, unset, block->words);
    invert(block, out);
}

/* Of scores and groups: a cell for whom the condition holds is a member of a set. False where that does not go. */
static bool eval_cells(const struct block *block, const struct pat_bound *bound, uint64_t *out) {
    int64_t value[PAT_WINDOW_CELLS];
    uint64_t set[4] = {0};
    const uint8_t *cell = pat_source__cells(block->run, &bound->source, block->first, value);
    if (cell == NULL) return false;
    const struct block cells = {block->run, 0, PAT_WINDOW_CELLS, PAT_WINDOW_CELLS / 64};
    eval_values(&cells, bound, value, set);
    block->run->kernels->select_member_u8(cell, block->count, set, out);
    return true;
}

static void eval_leaf(const struct block *block, const struct pat_bound *bound, uint64_t *out) {
    int64_t values[PAT_BLOCK_ROWS];
    if (eval_strip(block, bound, out) || eval_cells(block, bound, out)) return;
    pat_source__read(block->run, &bound->source, block->first, block->count, values);
    eval_values(block, bound, values, out);
}

static bool none(const uint64_t *bits, uint32_t words) {
    uint64_t any = 0;
    for (uint32_t i = 0; i < words; i++) any |= bits[i];
    return any == 0;
}

static void eval(const struct block *block, const struct pat_bound *bound, uint64_t *out) {
    const struct pat_kernels *kernels = block->run->kernels;
    uint64_t part[PAT_BLOCK_WORDS];
    switch (bound->kind) {
    case PAT_BOUND_TRUE:
        memset(out, 0, block->words * sizeof *out);
        pat_bits__fill(out, block->count);
        return;
    case PAT_BOUND_FALSE: memset(out, 0, block->words * sizeof *out); return;
    case PAT_BOUND_NOT:
        eval(block, bound->child[0], out);
        invert(block, out);
        return;
    case PAT_BOUND_AND:
    case PAT_BOUND_OR:
        eval(block, bound->child[0], out);
        for (uint32_t i = 1; i < bound->children; i++) {
            if (bound->kind == PAT_BOUND_AND && none(out, block->words)) return;
            eval(block, bound->child[i], part);
            (bound->kind == PAT_BOUND_AND ? kernels->bits_and : kernels->bits_or)(out, part, block->words);
        }
        return;
    default: eval_leaf(block, bound, out); return;
    }
}

struct restriction {
    const struct pat_bound *bound;
    uint64_t *bits;
};

static enum pat_status restrict_part(void *context, const struct pat_part *part) {
    const struct restriction *restriction = context;
    uint64_t fit[PAT_BLOCK_WORDS];
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        const struct block block = {part->run, (pat_row)first, count, (count + 63) / 64};
        uint64_t *const here = restriction->bits + first / 64;
        if (none(here, block.words)) continue;
        eval(&block, restriction->bound, fit);
        part->run->kernels->bits_and(here, fit, block.words);
    }
    return PAT_OK;
}

enum pat_status pat_predicate__restrict(struct pat_run *run, enum pat_table_id table, const struct pat_bound *bound,
                                        uint64_t *bits) {
    struct restriction restriction = {bound, bits};
    if (bound->kind == PAT_BOUND_TRUE) return PAT_OK;
    return pat_run__spread(run, run->view->table[table].rows, restrict_part, &restriction);
}

enum pat_status pat_population__bind(struct pat_run *run) {
    if (run->rfm->population == NULL || run->population != NULL) return PAT_OK;
    const bool window = run->money_of_window;
    const bool scores = run->scores_needed;
    run->scores_needed = false;
    PAT_TRY(pat_bind__filter(run, PAT_CUSTOMERS, run->rfm->population, &run->population));
    if (run->scores_needed) {
        return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "population", -1, -1,
                                "population says who is ranked, so it cannot ask for r, f, m or rfm_group");
    }
    run->scores_needed = scores;
    run->money_of_window = window;
    return PAT_OK;
}

enum pat_status pat_population__restrict(struct pat_run *run, uint64_t *bits) {
    return run->population == NULL ? PAT_OK : pat_predicate__restrict(run, PAT_CUSTOMERS, run->population, bits);
}

static enum pat_status select_shown(struct pat_run *run, const struct pat_bound *bound) {
    void *bits;
    const uint64_t words = pat_bits__words(run->customers);
    PAT_TRY(pat_run__array(run, words, sizeof(uint64_t), &bits));
    memcpy(bits, run->live, words * sizeof(uint64_t));
    PAT_TRY(pat_predicate__restrict(run, PAT_CUSTOMERS, bound, bits));
    run->shown = bits;
    pat_explain__step(run, "where", run->customers);
    return PAT_OK;
}

/* Equal filters are bound each time, which costs microseconds and says what to warn of, and evaluated once. */
static enum pat_status select_with_memo(struct pat_run *run, struct pat_memo *memo, const struct pat_bound *bound) {
    const struct pat_text where = pat_filter_print(run->job->request->question.where, run->arena);
    if (where.data == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the filter");
    const uint64_t *known = pat_memo__find(memo, where);
    if (known != NULL) {
        run->shown = known;
        return PAT_OK;
    }
    struct pat_arena *const before = pat_memo__enter(run);
    const enum pat_status status = select_shown(run, bound);
    pat_memo__leave(run, before);
    PAT_TRY(status);
    pat_memo__keep(memo, where, run->shown);
    return PAT_OK;
}

enum pat_status pat_run__where(struct pat_run *run) {
    const struct pat_bound *bound;
    PAT_TRY(pat_bind__filter(run, PAT_CUSTOMERS, run->job->request->question.where, &bound));
    PAT_TRY(pat_run__need(run));
    if (bound->kind == PAT_BOUND_TRUE) return PAT_OK;
    return run->job->memo != NULL ? select_with_memo(run, run->job->memo, bound) : select_shown(run, bound);
}
