/* rows: the first so many rows of a table in an order that is total, since ties end on the id. */
#include "analytics/answers_private.h"
#include "analytics/explain_private.h"
#include "analytics/selection_private.h"

#include <string.h>

struct key {
    struct pat_source source;
    bool descending;
};

/* A heap of the best rows so far, the worst on top; each with the values of the keys behind it. */
struct best {
    struct pat_run *run;
    const struct key *key;
    uint32_t keys;
    uint32_t limit;
    uint32_t count;
    pat_row *row;         /* [limit] */
    int64_t *value;       /* [limit * keys] */
    uint64_t passed;      /* rows that were offered: more than `limit` when there is another page */
    pat_row after;        /* only rows behind this one, PAT_ROW_NONE for all */
    int64_t *after_value; /* [keys] */
};

/* Unset stands last, whichever way the rest goes. */
static int compare_key(const struct best *best, uint32_t k, int64_t a, int64_t b) {
    if (a == b) return 0;
    if (a == PAT_NULL || b == PAT_NULL) return a == PAT_NULL ? 1 : -1;
    const int order = pat_source__compare(best->run, &best->key[k].source, a, b);
    return best->key[k].descending ? -order : order;
}

static int compare_rows(const struct best *best, pat_row a, const int64_t *a_value, pat_row b, const int64_t *b_value) {
    for (uint32_t k = 0; k < best->keys; k++) {
        const int order = compare_key(best, k, a_value[k], b_value[k]);
        if (order != 0) return order;
    }
    return (a > b) - (a < b);
}

static int compare_places(const struct best *best, uint32_t a, uint32_t b) {
    return compare_rows(best, best->row[a], best->value + (size_t)a * best->keys, best->row[b],
                        best->value + (size_t)b * best->keys);
}

static void swap_places(struct best *best, uint32_t a, uint32_t b) {
    const pat_row row = best->row[a];
    best->row[a] = best->row[b];
    best->row[b] = row;
    for (uint32_t k = 0; k < best->keys; k++) {
        int64_t *const left = &best->value[(size_t)a * best->keys + k];
        int64_t *const right = &best->value[(size_t)b * best->keys + k];
        const int64_t value = *left;
        *left = *right;
        *right = value;
    }
}

static void sift_down(struct best *best, uint32_t at, uint32_t count) {
    for (;;) {
        uint32_t worst = at;
        const uint32_t left = 2 * at + 1;
        if (left < count && compare_places(best, left, worst) > 0) worst = left;
        if (left + 1 < count && compare_places(best, left + 1, worst) > 0) worst = left + 1;
        if (worst == at) return;
        swap_places(best, at, worst);
        at = worst;
    }
}

static void offer(struct best *best, pat_row row, const int64_t *value) {
    uint32_t at = best->count;
    if (best->after != PAT_ROW_NONE && compare_rows(best, row, value, best->after, best->after_value) <= 0) return;
    best->passed++;
    if (best->count == best->limit) {
        if (compare_rows(best, row, value, best->row[0], best->value) >= 0) return;
        at = 0;
    }
    best->row[at] = row;
    memcpy(best->value + (size_t)at * best->keys, value, best->keys * sizeof *value);
    if (best->count == best->limit) {
        sift_down(best, 0, best->count);
        return;
    }
    best->count++;
    while (at > 0 && compare_places(best, at, (at - 1) / 2) > 0) {
        swap_places(best, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void sort_best(struct best *best) {
    for (uint32_t end = best->count; end > 1; end--) {
        swap_places(best, 0, end - 1);
        sift_down(best, 0, end - 1);
    }
}

/* Values of the first key order as integers do. */
static bool ordered_as_integers(const struct key *key) {
    switch (key->source.type) {
    case PAT_TYPE_INT:
    case PAT_TYPE_MONEY:
    case PAT_TYPE_DAY:
    case PAT_TYPE_TIME:
    case PAT_TYPE_NUMBER: return true;
    default: return false;
    }
}

/* What the first key alone must be for a row to come in: as good as the worst of a full heap, and among the best of its
 * block. False when it says nothing: a heap that is not full takes the first ones that come, and behind a cursor the
 * best of a block may be on the pages before. */
static bool first_key_decides(const struct best *best, struct pat_strip_best *out) {
    const struct key *key = &best->key[0];
    const bool full = best->count == best->limit, paged = best->after != PAT_ROW_NONE;
    if (!ordered_as_integers(key) || (!full && paged) || (full && best->value[0] == PAT_NULL)) return false;
    *out = (struct pat_strip_best){.k = paged ? PAT_BLOCK_ROWS : best->limit, .descending = key->descending};
    out->worst = full ? best->value[0] : key->descending ? INT64_MIN + 1 : INT64_MAX;
    return true;
}

static uint64_t keep_best(const struct best *best, const struct pat_strip_best *of, pat_row first, uint32_t count,
                          uint64_t *bits) {
    const struct pat_kernels *kernels = best->run->kernels;
    const struct pat_source *source = &best->key[0].source;
    struct pat_strip strip;
    if (pat_source__strip(best->run, source, first, &strip)) {
        uint64_t left;
        if (pat_strip__top(kernels, &strip, count, of, bits, &left)) {
            pat_explain__part(best->run, &strip.part, count);
        }
        return left;
    }
    int64_t value[PAT_BLOCK_ROWS];
    const int64_t flip = of->descending ? 0 : -1;
    pat_source__read(best->run, source, first, count, value);
    return kernels->top_i64(value, count, of->k, of->worst ^ flip, flip, bits);
}

/* Takes rows out of `bits` that so many others are better than by the first key. They are behind the cursor then, too,
 * and count as offered. */
static void drop_hopeless(struct best *best, pat_row first, uint32_t count, uint64_t *bits) {
    const struct pat_kernels *kernels = best->run->kernels;
    const size_t words = pat_bits__words(count);
    uint64_t hopeful[PAT_BLOCK_WORDS];
    struct pat_strip_best of;
    if (!first_key_decides(best, &of)) return;
    memcpy(hopeful, bits, words * sizeof *bits);
    const uint64_t left = keep_best(best, &of, first, count, hopeful);
    if (best->count < best->limit && left < best->limit) return; /* all of them may come in */
    best->passed += kernels->bits_count(bits, words) - left;
    memcpy(bits, hopeful, words * sizeof *bits);
}

/* Few rows of a block are looked at one by one; from this many on their values are unpacked together. */
#define UNPACK_FROM 64u

/* `values`: room for a block of each key. */
static void offer_block(struct best *best, pat_row first, uint32_t count, const uint64_t *bits, int64_t *values) {
    const bool unpack = best->run->kernels->bits_count(bits, pat_bits__words(count)) >= UNPACK_FROM;
    for (uint32_t k = 0; k < best->keys && unpack; k++) {
        pat_source__read(best->run, &best->key[k].source, first, count, values + (size_t)k * PAT_BLOCK_ROWS);
    }
    for (uint32_t word = 0; word < pat_bits__words(count); word++) {
        for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
            const uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(rest);
            int64_t value[PAT_FIELDS_MAX + 2];
            for (uint32_t k = 0; k < best->keys; k++) {
                value[k] = unpack ? values[(size_t)k * PAT_BLOCK_ROWS + i]
                                  : pat_source__get(best->run, &best->key[k].source, first + i);
            }
            offer(best, first + i, value);
        }
    }
}

/* A heap for each thread, and room for the values of a block. */
struct collection {
    const struct pat_selection *selection;
    struct best *best;
    int64_t **values;
};

static enum pat_status collect_part(void *context, const struct pat_part *part) {
    const struct collection *collection = context;
    struct best *best = &collection->best[part->lane];
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        uint64_t bits[PAT_BLOCK_WORDS];
        memcpy(bits, collection->selection->bits + first / 64, pat_bits__words(count) * sizeof *bits);
        drop_hopeless(best, (pat_row)first, count, bits);
        offer_block(best, (pat_row)first, count, bits, collection->values[part->lane]);
    }
    return PAT_OK;
}

static enum pat_status make_heap(struct pat_run *run, struct best *best) {
    void *memory;
    PAT_TRY(pat_run__array(run, best->limit, sizeof(pat_row), &memory));
    best->row = memory;
    PAT_TRY(pat_run__array(run, (uint64_t)best->limit * best->keys, sizeof(int64_t), &memory));
    best->value = memory;
    return PAT_OK;
}

static void merge(struct best *best, const struct best *other) {
    const uint64_t passed = best->passed + other->passed;
    for (uint32_t i = 0; i < other->count; i++) offer(best, other->row[i], other->value + (size_t)i * other->keys);
    best->passed = passed;
}

/* Fills the heap of `best`, sorted. */
static enum pat_status collect(struct best *best, const struct pat_selection *selection) {
    struct pat_run *run = best->run;
    struct best own[PAT_SPREAD_LANES_MAX];
    int64_t *values[PAT_SPREAD_LANES_MAX];
    struct collection collection = {selection, own, values};
    const unsigned lanes = pat_run__lanes(run);
    for (unsigned lane = 0; lane < lanes; lane++) {
        void *memory;
        own[lane] = *best;
        PAT_TRY(make_heap(run, &own[lane]));
        PAT_TRY(pat_run__array(run, (uint64_t)best->keys * PAT_BLOCK_ROWS, sizeof(int64_t), &memory));
        values[lane] = memory;
    }
    PAT_TRY(pat_run__spread(run, selection->rows, collect_part, &collection));
    for (unsigned lane = 1; lane < lanes; lane++) merge(&own[0], &own[lane]);
    *best = own[0];
    sort_best(best);
    return PAT_OK;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static enum pat_status bind_keys(struct pat_run *run, struct best *best, enum pat_table_id table) {
    const struct pat_request *request = run->job->request;
    void *memory;
    PAT_TRY(pat_run__array(run, request->order_bys + 2, sizeof(struct key), &memory));
    struct key *key = memory;
    uint32_t count = 0;
    for (; count < request->order_bys; count++) {
        const struct pat_order_by *by = &request->order_by[count];
        struct pat_source *source = &key[count].source;
        PAT_TRY(pat_source__find(run, table, by->text, -1, PAT_USE_ORDER, source));
        key[count].descending = by->descending;
        if (source->type != PAT_TYPE_MONEY || source->base) continue;
        return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, source->name, -1, -1,
                                "\"%s\" is in each row's own currency and has no order; net is in %s", source->name,
                                run->view->base_currency);
    }
    key[count++].source = pat_source__of_column(table, 0);
    if (table == PAT_LINES) key[count++].source = pat_source__of_column(table, PAT_LINE_NUMBER);
    if (table == PAT_FX) key[count++].source = pat_source__of_column(table, PAT_FX_CURRENCY);
    best->key = key;
    best->keys = count;
    return PAT_OK;
}

static enum pat_status bind_fields(struct pat_run *run, enum pat_table_id table, struct pat_source **out) {
    const struct pat_request *request = run->job->request;
    struct pat_builder *builder = &run->builder;
    void *memory;
    PAT_TRY(pat_run__array(run, request->names_count, sizeof **out, &memory));
    struct pat_source *field = memory;
    struct pat_value columns = pat_build_array(builder, request->names_count);
    struct pat_value money = pat_build_array(builder, 4);
    for (uint32_t i = 0; i < request->names_count; i++) {
        PAT_TRY(pat_source__find(run, table, request->names[i], -1, PAT_USE_SHOWN, &field[i]));
        pat_build_push(builder, &columns, pat_build_text(builder, request->names[i]));
        if (field[i].type == PAT_TYPE_MONEY && field[i].base) {
            pat_build_push(builder, &money, pat_build_text(builder, request->names[i]));
        }
    }
    pat_run__put(run, "columns", columns);
    if (money.count > 0) pat_run__put(run, "money", pat_run__money(run, money));
    *out = field;
    return PAT_OK;
}

/* Where the page before ended, by the keys of that row in the same version. */
static enum pat_status find_after(struct best *best, const struct pat_selection *selection) {
    void *memory;
    if (best->after == PAT_ROW_NONE) return PAT_OK;
    if (best->after >= selection->rows) {
        return pat_error_set_at(best->run->error, PAT_ERR_BAD_REQUEST, "cursor", -1, -1,
                                "the cursor leads to a row that is not there");
    }
    PAT_TRY(pat_run__array(best->run, best->keys, sizeof *best->after_value, &memory));
    best->after_value = memory;
    for (uint32_t k = 0; k < best->keys; k++) {
        best->after_value[k] = pat_source__get(best->run, &best->key[k].source, best->after);
    }
    return PAT_OK;
}

/* Facts without a base value among the rows shown, where base money is. */
static void count_unpriced(struct pat_run *run, const struct best *best, const struct pat_source *field,
                           uint32_t fields) {
    for (uint32_t f = 0; f < fields; f++) {
        if (field[f].table == PAT_CUSTOMERS || field[f].type != PAT_TYPE_MONEY || !field[f].base) continue;
        for (uint32_t i = 0; i < best->count; i++)
            run->unpriced += pat_source__get(run, &field[f], best->row[i]) == PAT_NULL;
        return;
    }
}

enum pat_status pat_answer__rows(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    const enum pat_table_id table = request->from;
    struct best best = {.run = run,
                        .limit = request->limit > 0 ? request->limit : PAT_ROWS_LIMIT_DEFAULT,
                        .after = run->job->continues ? run->job->after : PAT_ROW_NONE};
    struct pat_source *field = NULL;
    struct pat_selection selection = {.table = table, .kind = PAT_SELECT_KNOWN, .first = PAT_DAY_MIN, .last = run->day};
    PAT_TRY(bind_fields(run, table, &field));
    PAT_TRY(bind_keys(run, &best, table));
    PAT_TRY(pat_select__where(run, &selection));
    PAT_TRY(find_after(&best, &selection));
    PAT_TRY(collect(&best, &selection));
    pat_explain__step(run, "top", selection.rows);
    if (run->job->last != NULL) *run->job->last = best.passed > best.count ? best.row[best.count - 1] : PAT_ROW_NONE;
    struct pat_value rows = pat_build_array(&run->builder, best.count);
    for (uint32_t i = 0; i < best.count; i++) {
        struct pat_value row = pat_build_array(&run->builder, request->names_count);
        for (uint32_t f = 0; f < request->names_count; f++) {
            const int64_t value = pat_source__get(run, &field[f], best.row[i]);
            pat_build_push(&run->builder, &row, pat_source__value(run, &field[f], best.row[i], value));
        }
        pat_build_push(&run->builder, &rows, row);
    }
    if (!selection.unpriced_told) count_unpriced(run, &best, field, request->names_count);
    const uint64_t total = run->kernels->bits_count(selection.bits, pat_bits__words(selection.rows));
    pat_run__put(run, "rows", rows);
    pat_run__put(run, "count", pat_value_uint(total));
    return PAT_OK;
}
