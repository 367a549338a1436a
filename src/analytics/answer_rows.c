/* rows: the first so many rows of a table in an order that is total, since ties end on the id. */
#include "analytics/answers_private.h"
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

static enum pat_status collect(struct best *best, const struct pat_selection *selection) {
    struct pat_run *run = best->run;
    const uint64_t rows = selection->rows;
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)best->keys * PAT_BLOCK_ROWS, sizeof(int64_t), &memory));
    int64_t *const block = memory;
    for (uint64_t first = 0; first < rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        const uint64_t left = rows - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        for (uint32_t k = 0; k < best->keys; k++) {
            pat_source__read(run, &best->key[k].source, (pat_row)first, count, block + (size_t)k * PAT_BLOCK_ROWS);
        }
        for (uint32_t i = 0; i < count; i++) {
            int64_t value[PAT_FIELDS_MAX + 2];
            if (!pat_bits__get(selection->bits, first + i)) continue;
            for (uint32_t k = 0; k < best->keys; k++) value[k] = block[(size_t)k * PAT_BLOCK_ROWS + i];
            offer(best, (pat_row)(first + i), value);
        }
    }
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
    void *memory;
    PAT_TRY(bind_fields(run, table, &field));
    PAT_TRY(bind_keys(run, &best, table));
    PAT_TRY(pat_select__where(run, &selection));
    PAT_TRY(pat_run__array(run, best.limit, sizeof(pat_row), &memory));
    best.row = memory;
    PAT_TRY(pat_run__array(run, (uint64_t)best.limit * best.keys, sizeof(int64_t), &memory));
    best.value = memory;
    PAT_TRY(find_after(&best, &selection));
    PAT_TRY(collect(&best, &selection));
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
    count_unpriced(run, &best, field, request->names_count);
    const uint64_t total = run->kernels->bits_count(selection.bits, pat_bits__words(selection.rows));
    pat_run__put(run, "rows", rows);
    pat_run__put(run, "count", pat_value_uint(total));
    return PAT_OK;
}
