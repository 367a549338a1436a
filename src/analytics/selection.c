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
};

/* Calls for each row of the block whose bit is on; bits of those that it says no to go off. */
static void keep_rows(const struct pat_run *run, const struct block *block, uint64_t *bits,
                      bool (*keep)(const struct pat_run *run, pat_row row)) {
    for (uint32_t word = 0; word < pat_bits__words(block->count); word++) {
        for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
            if (!keep(run, block->first + word * 64 + (uint32_t)__builtin_ctzll(rest))) bits[word] ^= rest & (0 - rest);
        }
    }
}

static bool refund_known(const struct pat_run *run, pat_row row) {
    return pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row) != PAT_NULL &&
           pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_DELETED, row) != 1;
}

static bool refund_counts(const struct pat_run *run, pat_row row) {
    return pat_refund__counts(run->view, row, run->day);
}

static bool rate_known(const struct pat_run *run, pat_row row) {
    return pat_view_get(run->view, PAT_FX, PAT_FX_DELETED, row) != 1;
}

/* Facts of the days that are asked for: of most blocks the chunk says that there are none. False when so. */
static bool select_days(const struct pat_run *run, const struct pat_selection *selection, const struct block *block,
                        uint64_t *bits) {
    static const unsigned column[] = {
        [PAT_ORDERS] = PAT_ORDER_DAY, [PAT_REFUNDS] = PAT_REFUND_DAY, [PAT_FX] = PAT_FX_DAY};
    const struct pat_column_view *days = &run->view->table[selection->table].column[column[selection->table]];
    const struct pat_strip strip = {.part = pat_column_view_part(days, block->first)};
    if (pat_strip__range(run->kernels, &strip, block->count, selection->first, selection->last, bits)) {
        pat_explain__part(run, &strip.part, block->count);
    }
    return run->kernels->bits_count(bits, pat_bits__words(block->count)) > 0;
}

static void select_dated(const struct pat_run *run, const struct pat_selection *selection, const struct block *block,
                         uint64_t *bits) {
    const bool counting = selection->kind == PAT_SELECT_COUNTING;
    if (!select_days(run, selection, block, bits)) return;
    switch (selection->table) {
    case PAT_ORDERS: pat_orders__restrict(run, counting, block->first, block->count, bits); return;
    case PAT_REFUNDS: keep_rows(run, block, bits, counting ? refund_counts : refund_known); return;
    default: keep_rows(run, block, bits, rate_known); return;
    }
}

/* Words of a bitmap that are looked through before a block of lines is read; more cost as much as reading it. */
#define LOOK_WORDS_MAX 1024u

/* None of the orders that lines of the block may belong to is selected, as far as the chunk says. */
static bool no_order(const struct pat_strip *order, const uint64_t *orders) {
    int64_t low, high;
    bool any_null;
    if (!pat_strip__bounds(order, &low, &high, &any_null)) return false;
    if (low > high) return true;
    if (high / 64 - low / 64 > LOOK_WORDS_MAX) return false;
    for (int64_t word = low / 64; word <= high / 64; word++) {
        if (orders[word] != 0) return false;
    }
    return true;
}

static void select_lines(const struct pat_run *run, const uint64_t *orders, const struct block *block, uint64_t *bits) {
    const struct pat_column_view *column = run->view->table[PAT_LINES].column;
    const struct pat_strip strip = {.part = pat_column_view_part(&column[PAT_LINE_ORDER], block->first)};
    int64_t order[PAT_BLOCK_ROWS];
    if (no_order(&strip, orders)) return;
    pat_explain__column(run, &column[PAT_LINE_ORDER], block->first, block->count, order);
    for (uint32_t i = 0; i < block->count; i++) {
        if (order[i] == PAT_NULL || !pat_bits__get(orders, (uint64_t)order[i])) continue;
        if (pat_view_get(run->view, PAT_LINES, PAT_LINE_DELETED, block->first + i) != 1) pat_bits__set(bits, i);
    }
}

/* One pass: `orders` are, of lines, the orders whose lines are meant. */
struct pass {
    const struct pat_selection *selection;
    const uint64_t *orders;
    uint64_t *bits;
};

static enum pat_status select_part(void *context, const struct pat_part *part) {
    const struct pass *pass = context;
    struct block block;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        block.first = (pat_row)first;
        block.count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        uint64_t *const here = pass->bits + first / 64;
        if (pass->selection->table == PAT_LINES) {
            select_lines(part->run, pass->orders, &block, here);
        } else {
            select_dated(part->run, pass->selection, &block, here);
        }
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

enum pat_status pat_select__count_unpriced(struct pat_run *run, const struct pat_selection *selection,
                                           const struct pat_source *net) {
    struct unpriced unpriced = {.net = *net, .bits = selection->bits};
    /* Of lines a rate may be missing that their order, with an amount of its own, does not need. */
    if (run->view->counts.unpriced == 0 && selection->table != PAT_LINES) return PAT_OK;
    PAT_TRY(pat_run__spread(run, selection->rows, unpriced_part, &unpriced));
    for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) run->unpriced += unpriced.count[lane];
    return PAT_OK;
}

/* A fact without a rate passes no condition on money and stands last in every order: afterwards nobody would see that
 * it was looked at. */
static enum pat_status tell_unpriced(struct pat_run *run, struct pat_selection *selection) {
    if (!run->money_of_facts || run->view->counts.unpriced == 0) return PAT_OK;
    const struct pat_source net = pat_source__net(selection->table);
    selection->unpriced_told = true;
    return pat_select__count_unpriced(run, selection, &net);
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
