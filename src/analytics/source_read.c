/* Values of sources: block by block, as strips where they lie in a column, one by one. */
#include "analytics/source_private.h"

#include "analytics/explain_private.h"
#include "analytics/kept_private.h"
#include "analytics/lifetime_private.h"
#include "analytics/scores_private.h"

#include <string.h>

/* ---- values ------------------------------------------------------------------------------------------------------ */

static int64_t follow(const struct pat_view *view, const struct pat_source *source, int64_t row) {
    for (unsigned hop = 0; hop < source->hops && row != PAT_NULL; hop++) {
        const bool last = hop + 1 == source->hops;
        const unsigned column = last ? source->column : source->ref[hop + 1];
        row = pat_view_get(view, source->ref_table[hop], column, (pat_row)row);
    }
    return row;
}

/* A date of its own after D is not known at D. */
static void hide_future(const struct pat_run *run, const struct pat_source *source, uint32_t count, int64_t *values) {
    const int64_t end = source->type == PAT_TYPE_TIME ? run->day_end : (int64_t)run->day + 1;
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] >= end) values[i] = PAT_NULL;
    }
}

static void read_stored(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                        int64_t *out) {
    const struct pat_table_view *table = &run->view->table[source->table];
    const unsigned column = source->hops > 0 ? source->ref[0] : source->column;
    pat_explain__column(run, &table->column[column], first, count, out);
    for (uint32_t i = 0; source->hops > 0 && i < count; i++) out[i] = follow(run->view, source, out[i]);
    for (uint32_t i = 0; source->null_is_zero && i < count; i++) out[i] = out[i] == PAT_NULL ? 0 : out[i];
    if (source->dated) hide_future(run, source, count, out);
}

/* The earliest order, whose country counts, is not dated after D. Its day is not kept: the first eligible order's is,
 * and settles nearly all; the chain tells for the rest. */
static bool has_order_by(const struct pat_run *run, pat_row customer) {
    const struct pat_view *view = run->view;
    const int64_t first = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_FIRST_ORDER, customer);
    if (first != PAT_NULL && first <= run->day) return true;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, (pat_row)row) != 1 &&
            pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, (pat_row)row) == PAT_ORDER_PRESENT &&
            pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row) <= run->day) {
            return true;
        }
    }
    return false;
}

static void read_country(const struct pat_run *run, pat_row first, uint32_t count, int64_t *out) {
    const struct pat_table_view *table = &run->view->table[PAT_CUSTOMERS];
    int64_t fact[PAT_BLOCK_ROWS];
    pat_explain__column(run, &table->column[PAT_CUSTOMER_COUNTRY], first, count, out);
    pat_explain__column(run, &table->column[PAT_CUSTOMER_FACT_COUNTRY], first, count, fact);
    const bool all_dated = run->view->counts.newest_fact <= run->day;
    for (uint32_t i = 0; i < count; i++) {
        if (out[i] != PAT_NULL || fact[i] == PAT_NULL) continue;
        if (all_dated || has_order_by(run, first + i)) out[i] = fact[i];
    }
}

static int64_t score_of_cell(const struct pat_run *run, enum pat_source_kind kind, unsigned cell) {
    if (cell >= PAT_RFM_CELLS) return PAT_NULL;
    if (kind == PAT_SOURCE_GROUP) return pat_scores__group_of_cell(&run->scores->names, cell);
    const struct pat_customer_scores of = pat_scores__of_cell(cell);
    return kind == PAT_SOURCE_SCORE_R ? of.r : kind == PAT_SOURCE_SCORE_F ? of.f : of.m;
}

const uint8_t *pat_source__cells(const struct pat_run *run, const struct pat_source *source, pat_row first,
                                 int64_t value[PAT_WINDOW_CELLS]) {
    if (source->of_customer || source->kind < PAT_SOURCE_SCORE_R) return NULL;
    for (unsigned cell = 0; cell < PAT_WINDOW_CELLS; cell++) value[cell] = score_of_cell(run, source->kind, cell);
    return run->scores->cell + first;
}

static void read_scores(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                        int64_t *out) {
    int64_t value[PAT_WINDOW_CELLS];
    const uint8_t *cell = run->scores->cell + first;
    if (count < PAT_WINDOW_CELLS) {
        for (uint32_t i = 0; i < count; i++) out[i] = score_of_cell(run, source->kind, cell[i]);
        return;
    }
    (void)pat_source__cells(run, source, first, value);
    for (uint32_t i = 0; i < count; i++) out[i] = value[cell[i]];
}

/* The customers' values, one by one: facts of a block are anybody's. */
static void read_of_customer(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                             int64_t *out) {
    const struct pat_source rows = pat_source__customer_row(source->table);
    struct pat_source inner = *source;
    inner.table = PAT_CUSTOMERS;
    inner.of_customer = false;
    pat_source__read(run, &rows, first, count, out);
    for (uint32_t i = 0; i < count; i++) {
        if (out[i] != PAT_NULL) pat_source__read(run, &inner, (pat_row)out[i], 1, &out[i]);
    }
}

static void read_fact(const struct pat_run *run, enum pat_fact fact, pat_row first, uint32_t count, int64_t *out) {
    if (run->facts != NULL) {
        pat_facts__read(run->facts, fact, first, count, out);
        pat_explain__read(run, (uint64_t)count * (fact == PAT_FACT_NET ? sizeof(int64_t) : sizeof(int32_t)));
        return;
    }
    /* Blocks of others may lie across those of customers. */
    while (count > 0) {
        const uint32_t left = PAT_BLOCK_ROWS - first % PAT_BLOCK_ROWS;
        const uint32_t here = left < count ? left : count;
        pat_kept__read(run, fact, first, here, out);
        first += here;
        count -= here;
        out += here;
    }
}

/* ---- strips ------------------------------------------------------------------------------------------------------ */

static bool blank(const struct pat_column_part *part) {
    return (part->width == 0 && part->base == PAT_NULL) || (part->bounded && part->low > part->high);
}

/* The profiles' countries where all have one, or the facts' where none has. */
static bool country_strip(const struct pat_run *run, pat_row first, struct pat_strip *out) {
    const struct pat_column_view *column = run->view->table[PAT_CUSTOMERS].column;
    *out = (struct pat_strip){.part = pat_column_view_part(&column[PAT_CUSTOMER_COUNTRY], first)};
    const struct pat_strip fact = {.part = pat_column_view_part(&column[PAT_CUSTOMER_FACT_COUNTRY], first)};
    if (!out->part.has_null || blank(&fact.part)) return true;
    if (!blank(&out->part) || run->view->counts.newest_fact > run->day) return false;
    *out = fact;
    return true;
}

static struct pat_strip strip_of_values(const int64_t *values) {
    return (struct pat_strip){.part = {.data = (const void *)values, .width = sizeof *values, .has_null = true}};
}

bool pat_source__strip(const struct pat_run *run, const struct pat_source *source, pat_row first,
                       struct pat_strip *out) {
    if (source->of_customer) return false;
    switch (source->kind) {
    case PAT_SOURCE_STORED:
        if (source->hops > 0 || source->dated) return false;
        *out = (struct pat_strip){
            .part = pat_column_view_part(&run->view->table[source->table].column[source->column], first),
            .null_is_zero = source->null_is_zero};
        return true;
    case PAT_SOURCE_COUNTRY: return country_strip(run, first, out);
    case PAT_SOURCE_FACT:
        if (run->facts == NULL) return pat_kept__strip(run, source->fact, first, out);
        *out = (struct pat_strip){.part = {.width = 0}};
        return pat_facts__strip(run->facts, source->fact, first, &out->part);
    case PAT_SOURCE_P_ALIVE: *out = strip_of_values(run->lifetime->p_alive + first); return true;
    case PAT_SOURCE_EXPECTED: *out = strip_of_values(run->lifetime->expected + first); return true;
    case PAT_SOURCE_CLV: *out = strip_of_values(run->lifetime->clv + first); return true;
    case PAT_SOURCE_RECENCY:
        if (run->facts != NULL || !pat_kept__strip(run, PAT_FACT_LAST, first, out)) return false;
        out->mirrored = true;
        out->from = run->day;
        return true;
    default: return false;
    }
}

void pat_source__read(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                      int64_t *out) {
    if (source->of_customer) {
        read_of_customer(run, source, first, count, out);
        return;
    }
    switch (source->kind) {
    case PAT_SOURCE_ROW:
        for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)first + i;
        return;
    case PAT_SOURCE_PRODUCT: pat_source__read_products(run, source, first, count, out); return;
    case PAT_SOURCE_LIFECYCLE:
        for (uint32_t i = 0; i < count; i++) out[i] = run->lifecycle[first + i];
        return;
    case PAT_SOURCE_STORED: read_stored(run, source, first, count, out); return;
    case PAT_SOURCE_COUNTRY: read_country(run, first, count, out); return;
    case PAT_SOURCE_FACT: read_fact(run, source->fact, first, count, out); return;
    case PAT_SOURCE_RECENCY:
        read_fact(run, PAT_FACT_LAST, first, count, out);
        for (uint32_t i = 0; i < count; i++) out[i] = out[i] == PAT_NULL ? PAT_NULL : run->day - out[i];
        return;
    case PAT_SOURCE_P_ALIVE: memcpy(out, run->lifetime->p_alive + first, count * sizeof *out); return;
    case PAT_SOURCE_EXPECTED: memcpy(out, run->lifetime->expected + first, count * sizeof *out); return;
    case PAT_SOURCE_CLV: memcpy(out, run->lifetime->clv + first, count * sizeof *out); return;
    case PAT_SOURCE_SCORE_R:
    case PAT_SOURCE_SCORE_F:
    case PAT_SOURCE_SCORE_M:
    case PAT_SOURCE_GROUP: read_scores(run, source, first, count, out); return;
    }
}

int64_t pat_source__get(const struct pat_run *run, const struct pat_source *source, pat_row row) {
    int64_t value;
    const bool plain = run->bytes_read == NULL && source->kind == PAT_SOURCE_STORED && !source->of_customer &&
                       source->hops == 0 && !source->null_is_zero && !source->dated;
    if (plain) return pat_view_get(run->view, source->table, source->column, row);
    pat_source__read(run, source, row, 1, &value);
    return value;
}
