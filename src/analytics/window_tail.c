/* Facts behind the runs: few, but of customers all over, so they are put in order by block once. */
#include "analytics/explain_private.h"
#include "analytics/window_make_private.h"

struct tail {
    const struct pat_run *run;
    enum pat_table_id table;
    pat_row from;                 /* first row behind the runs */
    struct pat_window_fact *fact; /* room by row; those of part p begin at its first row */
    uint32_t *count;              /* by part */
};

static uint32_t take_orders(const struct tail *tail, pat_row first, uint32_t count, struct pat_window_fact *out) {
    const struct pat_run *run = tail->run;
    const struct pat_column_view *column = run->view->table[PAT_ORDERS].column;
    int64_t customer[PAT_BLOCK_ROWS], day[PAT_BLOCK_ROWS], base[PAT_BLOCK_ROWS];
    uint64_t eligible[PAT_BLOCK_WORDS] = {0};
    uint32_t taken = 0;
    pat_explain__column(run, &column[PAT_ORDER_CUSTOMER], first, count, customer);
    pat_explain__column(run, &column[PAT_ORDER_DAY], first, count, day);
    pat_explain__column(run, &column[PAT_ORDER_BASE], first, count, base);
    pat_orders__eligible(run, first, count, day, eligible);
    for (uint32_t i = 0; i < count; i++) {
        if (!pat_bits__get(eligible, i) || customer[i] == PAT_NULL) continue;
        out[taken++] = (struct pat_window_fact){(pat_row)customer[i], (int32_t)day[i], base[i], 1};
    }
    return taken;
}

static uint32_t take_refunds(const struct tail *tail, pat_row first, uint32_t count, struct pat_window_fact *out) {
    const struct pat_run *run = tail->run;
    const struct pat_column_view *column = run->view->table[PAT_REFUNDS].column;
    int64_t customer[PAT_BLOCK_ROWS], day[PAT_BLOCK_ROWS], base[PAT_BLOCK_ROWS];
    uint32_t taken = 0;
    pat_explain__column(run, &column[PAT_REFUND_CUSTOMER], first, count, customer);
    pat_explain__column(run, &column[PAT_REFUND_DAY], first, count, day);
    pat_explain__column(run, &column[PAT_REFUND_BASE], first, count, base);
    for (uint32_t i = 0; i < count; i++) {
        if (customer[i] == PAT_NULL || !pat_refund__counts(run->view, first + i, run->day)) continue;
        const int64_t net = base[i] == PAT_NULL ? PAT_NULL : -base[i];
        out[taken++] = (struct pat_window_fact){(pat_row)customer[i], (int32_t)day[i], net, 0};
    }
    return taken;
}

static enum pat_status take_part(void *context, const struct pat_part *part) {
    const struct tail *tail = context;
    struct pat_window_fact *const out = tail->fact + part->first;
    uint32_t taken = 0;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        const pat_row row = tail->from + (pat_row)first;
        taken += tail->table == PAT_ORDERS ? take_orders(tail, row, count, out + taken)
                                           : take_refunds(tail, row, count, out + taken);
    }
    tail->count[part->number] = taken;
    return PAT_OK;
}

static enum pat_status new_facts(struct pat_run *run, uint64_t count, struct pat_window_fact **out) {
    *out = pat_arena_array_big(run->arena, count, sizeof **out);
    return *out != NULL ? PAT_OK
                        : pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the facts of the window");
}

/* Those of one table, in parts. */
static enum pat_status take_table(struct pat_run *run, struct tail *tail, uint64_t rows) {
    void *count;
    PAT_TRY(new_facts(run, rows, &tail->fact));
    PAT_TRY(pat_run__array(run, pat_run__parts(rows), sizeof *tail->count, &count));
    tail->count = count;
    return pat_run__spread(run, rows, take_part, tail);
}

/* Counts facts by block, or puts them where they belong. */
static void sort_out(const struct tail *tail, uint64_t rows, uint32_t *place, struct pat_window_fact *out) {
    for (uint32_t part = 0; part < pat_run__parts(rows); part++) {
        const struct pat_window_fact *fact = tail->fact + (uint64_t)part * PAT_PART_ROWS;
        for (uint32_t i = 0; i < tail->count[part]; i++) {
            const uint32_t block = fact[i].customer / PAT_WINDOW_ROWS;
            if (out != NULL) out[place[block]] = fact[i];
            place[block]++;
        }
    }
}

enum pat_status pat_window__read_tail(struct pat_run *run, struct pat_window_tail *out) {
    const struct pat_view *view = run->view;
    const pat_row orders_from = pat_runs_orders_end(&view->runs), refunds_from = pat_runs_refunds_end(&view->runs);
    const uint64_t orders = view->table[PAT_ORDERS].rows - orders_from;
    const uint64_t refunds = view->table[PAT_REFUNDS].rows - refunds_from;
    const uint32_t blocks = (uint32_t)(((uint64_t)run->customers + PAT_WINDOW_ROWS - 1) / PAT_WINDOW_ROWS);
    struct tail of_orders = {.run = run, .table = PAT_ORDERS, .from = orders_from};
    struct tail of_refunds = {.run = run, .table = PAT_REFUNDS, .from = refunds_from};
    struct pat_window_fact *fact;
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)blocks + 2, sizeof(uint32_t), &memory));
    uint32_t *const start = memory; /* one further on, until facts have been put in their places */
    PAT_TRY(take_table(run, &of_orders, orders));
    PAT_TRY(take_table(run, &of_refunds, refunds));
    sort_out(&of_orders, orders, start + 2, NULL);
    sort_out(&of_refunds, refunds, start + 2, NULL);
    for (uint32_t block = 0; block < blocks; block++) start[block + 2] += start[block + 1];
    PAT_TRY(new_facts(run, start[blocks + 1], &fact));
    sort_out(&of_orders, orders, start + 1, fact);
    sort_out(&of_refunds, refunds, start + 1, fact);
    *out = (struct pat_window_tail){fact, start};
    return PAT_OK;
}
