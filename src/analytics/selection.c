#include "analytics/selection_private.h"

#include "analytics/answers_private.h"
#include "analytics/explain_private.h"

bool pat_order__known(const struct pat_run *run, pat_row row) {
    const int64_t day = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_DAY, row);
    return pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_STATE, row) == PAT_ORDER_PRESENT &&
           pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_DELETED, row) != 1 && day != PAT_NULL && day <= run->day;
}

/* A block of one table: rows first .. first + count - 1. */
struct block {
    pat_row first;
    uint32_t count;
    int64_t day[PAT_BLOCK_ROWS]; /* of lines the row of the order */
};

static bool within(const struct pat_selection *selection, int64_t day) {
    return day != PAT_NULL && day >= selection->first && day <= selection->last;
}

/* `bits` are those of the block. */
static void select_orders(const struct pat_run *run, const struct pat_selection *selection, const struct block *block,
                          uint64_t *bits) {
    uint32_t inside = 0;
    for (uint32_t i = 0; i < block->count; i++) inside += within(selection, block->day[i]);
    if (inside == 0) return;
    if (selection->kind == PAT_SELECT_COUNTING) pat_orders__eligible(run, block->first, block->count, block->day, bits);
    for (uint32_t i = 0; i < block->count; i++) {
        const bool in = within(selection, block->day[i]);
        if (selection->kind == PAT_SELECT_KNOWN && in && pat_order__known(run, block->first + i))
            pat_bits__set(bits, i);
        if (!in) bits[i / 64] &= ~((uint64_t)1 << (i % 64));
    }
}

static bool refund_known(const struct pat_run *run, pat_row row) {
    return pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row) != PAT_NULL &&
           pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_DELETED, row) != 1;
}

static void select_refunds(const struct pat_run *run, const struct pat_selection *selection, const struct block *block,
                           uint64_t *bits) {
    for (uint32_t i = 0; i < block->count; i++) {
        const pat_row row = block->first + i;
        if (!within(selection, block->day[i])) continue;
        const bool in =
            selection->kind == PAT_SELECT_KNOWN ? refund_known(run, row) : pat_refund__counts(run->view, row, run->day);
        if (in) pat_bits__set(bits, i);
    }
}

static void select_lines(const struct pat_run *run, const uint64_t *orders, const struct block *block, uint64_t *bits) {
    for (uint32_t i = 0; i < block->count; i++) {
        const int64_t order = block->day[i];
        if (order == PAT_NULL || !pat_bits__get(orders, (uint64_t)order)) continue;
        if (pat_view_get(run->view, PAT_LINES, PAT_LINE_DELETED, block->first + i) != 1) pat_bits__set(bits, i);
    }
}

static void select_rates(const struct pat_run *run, const struct pat_selection *selection, const struct block *block,
                         uint64_t *bits) {
    for (uint32_t i = 0; i < block->count; i++) {
        if (!within(selection, block->day[i])) continue;
        if (pat_view_get(run->view, PAT_FX, PAT_FX_DELETED, block->first + i) != 1) pat_bits__set(bits, i);
    }
}

/* One pass: `orders` are, of lines, the orders whose lines are meant. */
struct pass {
    const struct pat_selection *selection;
    const uint64_t *orders;
    uint64_t *bits;
};

static void select_block(const struct pat_run *run, const struct pass *pass, struct block *block) {
    static const unsigned column[] = {[PAT_ORDERS] = PAT_ORDER_DAY,
                                      [PAT_LINES] = PAT_LINE_ORDER,
                                      [PAT_REFUNDS] = PAT_REFUND_DAY,
                                      [PAT_FX] = PAT_FX_DAY};
    const struct pat_selection *selection = pass->selection;
    const struct pat_table_view *table = &run->view->table[selection->table];
    uint64_t *const here = pass->bits + block->first / 64;
    pat_explain__column(run, &table->column[column[selection->table]], block->first, block->count, block->day);
    if (selection->table == PAT_ORDERS) select_orders(run, selection, block, here);
    if (selection->table == PAT_REFUNDS) select_refunds(run, selection, block, here);
    if (selection->table == PAT_LINES) select_lines(run, pass->orders, block, here);
    if (selection->table == PAT_FX) select_rates(run, selection, block, here);
}

static enum pat_status select_part(void *context, const struct pat_part *part) {
    struct block block;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        block.first = (pat_row)first;
        block.count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        select_block(part->run, context, &block);
    }
    return PAT_OK;
}

enum pat_status pat_select__facts(struct pat_run *run, const struct pat_selection *selection, uint64_t **out) {
    uint64_t *orders = NULL;
    void *bits;
    if (selection->table == PAT_LINES) {
        struct pat_selection of = *selection;
        of.table = PAT_ORDERS;
        PAT_TRY(pat_select__facts(run, &of, &orders));
    }
    const pat_row rows = run->view->table[selection->table].rows;
    PAT_TRY(pat_run__array(run, pat_bits__words(rows), sizeof(uint64_t), &bits));
    *out = bits;
    struct pass pass = {selection, orders, bits};
    return pat_run__spread(run, rows, select_part, &pass);
}

/* ---- money that decides ------------------------------------------------------------------------------------------ */

struct unpriced {
    struct pat_source net;
    const uint64_t *bits;
    int64_t count[PAT_SPREAD_LANES_MAX];
};

/* Facts of a block that have no base value. `bits` are those of the block. */
static int64_t unpriced_block(const struct pat_run *run, const struct pat_source *net, pat_row first, uint32_t count,
                              const uint64_t *bits) {
    const struct pat_kernels *kernels = run->kernels;
    const size_t words = pat_bits__words(count);
    uint64_t none[PAT_BLOCK_WORDS];
    struct pat_strip strip;
    if (kernels->bits_count(bits, words) == 0) return 0;
    if (pat_source__strip(run, net, first, &strip)) {
        if (strip.part.has_null) pat_explain__part(run, &strip.part, count);
        pat_strip__null(kernels, &strip, count, none);
    } else {
        int64_t value[PAT_BLOCK_ROWS];
        pat_source__read(run, net, first, count, value);
        kernels->select_null(value, count, none);
    }
    kernels->bits_and(none, bits, words);
    return (int64_t)kernels->bits_count(none, words);
}

static enum pat_status unpriced_part(void *context, const struct pat_part *part) {
    struct unpriced *unpriced = context;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        unpriced->count[part->lane] +=
            unpriced_block(part->run, &unpriced->net, (pat_row)first, count, unpriced->bits + first / 64);
    }
    return PAT_OK;
}

/* A fact without a rate passes no condition on money and stands last in every order: afterwards nobody would see that
 * it was looked at. */
static enum pat_status tell_unpriced(struct pat_run *run, struct pat_selection *selection) {
    if (!run->money_of_facts || run->view->counts.unpriced == 0) return PAT_OK;
    struct unpriced unpriced = {.net = pat_source__net(selection->table), .bits = selection->bits};
    PAT_TRY(pat_run__spread(run, selection->rows, unpriced_part, &unpriced));
    for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) run->unpriced += unpriced.count[lane];
    selection->unpriced_told = true;
    return PAT_OK;
}

enum pat_status pat_select__where(struct pat_run *run, struct pat_selection *selection) {
    selection->rows = run->view->table[selection->table].rows;
    if (selection->table == PAT_CUSTOMERS) {
        PAT_TRY(pat_run__where(run));
        selection->bits = run->shown;
        return PAT_OK;
    }
    const struct pat_bound *bound;
    uint64_t *bits = NULL;
    PAT_TRY(pat_bind__filter(run, selection->table, run->job->request->question.where, &bound));
    PAT_TRY(pat_run__need(run));
    PAT_TRY(pat_select__facts(run, selection, &bits));
    selection->bits = bits;
    PAT_TRY(tell_unpriced(run, selection));
    pat_explain__step(run, "select", selection->rows);
    PAT_TRY(pat_predicate__restrict(run, selection->table, bound, bits));
    pat_explain__step(run, "where", selection->rows);
    return PAT_OK;
}
