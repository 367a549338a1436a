/* Facts of few rows, of customers all over: those behind the runs, and those by which one window differs from another.
 * They are put in order by block once. */
#include "analytics/explain_private.h"
#include "analytics/strip_private.h"
#include "analytics/window_make_private.h"

/* Rows of one table that may have such facts. */
struct stretch {
    pat_row first;
    uint32_t count; /* PAT_PART_ROWS at the most */
    uint64_t place; /* where the facts of it begin */
};

struct tail {
    const struct pat_run *run;
    enum pat_table_id table;
    const struct pat_window_reach *reach;
    const struct stretch *stretch;
    uint32_t stretches;
    struct pat_window_fact *fact; /* room by row of the stretches */
    uint32_t *count;              /* by stretch */
};

static bool inside(const struct pat_window_reach *reach, int64_t day) {
    return reach->from <= day && day <= reach->until;
}

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
        if (!pat_bits__get(eligible, i) || customer[i] == PAT_NULL || !inside(tail->reach, day[i])) continue;
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
        if (customer[i] == PAT_NULL || !inside(tail->reach, day[i])) continue;
        if (!pat_refund__counts(run->view, first + i, run->day)) continue;
        const int64_t net = base[i] == PAT_NULL ? PAT_NULL : -base[i];
        out[taken++] = (struct pat_window_fact){(pat_row)customer[i], (int32_t)day[i], net, 0};
    }
    return taken;
}

static enum pat_status take_part(void *context, const struct pat_part *part) {
    const struct tail *tail = context;
    const struct stretch *stretch = &tail->stretch[part->number];
    struct pat_window_fact *const out = tail->fact + stretch->place;
    uint32_t taken = 0;
    for (uint32_t at = 0; at < stretch->count; at += PAT_BLOCK_ROWS) {
        const uint32_t left = stretch->count - at, count = left < PAT_BLOCK_ROWS ? left : PAT_BLOCK_ROWS;
        taken += tail->table == PAT_ORDERS ? take_orders(tail, stretch->first + at, count, out + taken)
                                           : take_refunds(tail, stretch->first + at, count, out + taken);
    }
    tail->count[part->number] = taken;
    return PAT_OK;
}

/* ---- where to look ----------------------------------------------------------------------------------------------- */

/* False when the chunk says that no row is of these days. */
static bool may_have(const struct pat_column_view *days, const struct pat_window_reach *reach, pat_row first) {
    const struct pat_strip strip = {.part = pat_column_view_part(days, first)};
    int64_t low, high;
    bool any_null;
    return !pat_strip__bounds(&strip, &low, &high, &any_null) || (low <= reach->until && high >= reach->from);
}

/* Stretches of rows that may have facts of the reach, none across two chunks; gives how many. Adds their rows to *rows.
 * `out` may be NULL. */
static uint32_t find_stretches(const struct pat_view *view, enum pat_table_id table,
                               const struct pat_window_reach *reach, struct stretch *out, uint64_t *rows) {
    static const unsigned day_column[] = {[PAT_ORDERS] = PAT_ORDER_DAY, [PAT_REFUNDS] = PAT_REFUND_DAY};
    const struct pat_column_view *days = &view->table[table].column[day_column[table]];
    const pat_row end = reach->end[table == PAT_REFUNDS];
    uint32_t found = 0;
    for (pat_row first = reach->first[table == PAT_REFUNDS], next; first < end; first = next) {
        const uint64_t behind = ((uint64_t)first / PAT_PART_ROWS + 1) * PAT_PART_ROWS;
        next = behind < end ? (pat_row)behind : end;
        if (!may_have(days, reach, first)) continue;
        if (out != NULL) out[found] = (struct stretch){first, next - first, *rows};
        found++;
        *rows += next - first;
    }
    return found;
}

uint64_t pat_window__rows_of(const struct pat_view *view, const struct pat_window_reach *reach) {
    uint64_t rows = 0;
    (void)find_stretches(view, PAT_ORDERS, reach, NULL, &rows);
    (void)find_stretches(view, PAT_REFUNDS, reach, NULL, &rows);
    return rows;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static enum pat_status new_facts(struct pat_run *run, uint64_t count, struct pat_window_fact **out) {
    *out = pat_arena_array_big(run->arena, count, sizeof **out);
    return *out != NULL ? PAT_OK
                        : pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the facts of the window");
}

/* Those of one table. */
static enum pat_status take_table(struct pat_run *run, struct tail *tail) {
    void *memory;
    uint64_t rows = 0, again = 0;
    tail->stretches = find_stretches(run->view, tail->table, tail->reach, NULL, &rows);
    PAT_TRY(pat_run__array(run, tail->stretches, sizeof *tail->stretch, &memory));
    (void)find_stretches(run->view, tail->table, tail->reach, memory, &again);
    tail->stretch = memory;
    PAT_TRY(new_facts(run, rows, &tail->fact));
    PAT_TRY(pat_run__array(run, tail->stretches, sizeof *tail->count, &memory));
    tail->count = memory;
    return pat_run__spread(run, (uint64_t)tail->stretches * PAT_PART_ROWS, take_part, tail);
}

/* Counts facts by block, or puts them where they belong. */
static void sort_out(const struct tail *tail, uint32_t *place, struct pat_window_fact *out) {
    for (uint32_t part = 0; part < tail->stretches; part++) {
        const struct pat_window_fact *fact = tail->fact + tail->stretch[part].place;
        for (uint32_t i = 0; i < tail->count[part]; i++) {
            const uint32_t block = fact[i].customer / PAT_WINDOW_ROWS;
            if (out != NULL) out[place[block]] = fact[i];
            place[block]++;
        }
    }
}

enum pat_status pat_window__read_facts(struct pat_run *run, const struct pat_window_reach *reach,
                                       struct pat_window_tail *out) {
    const uint32_t blocks = (uint32_t)(((uint64_t)run->customers + PAT_WINDOW_ROWS - 1) / PAT_WINDOW_ROWS);
    struct tail of_orders = {.run = run, .table = PAT_ORDERS, .reach = reach};
    struct tail of_refunds = {.run = run, .table = PAT_REFUNDS, .reach = reach};
    struct pat_window_fact *fact;
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)blocks + 2, sizeof(uint32_t), &memory));
    uint32_t *const start = memory; /* one further on, until facts have been put in their places */
    PAT_TRY(take_table(run, &of_orders));
    PAT_TRY(take_table(run, &of_refunds));
    sort_out(&of_orders, start + 2, NULL);
    sort_out(&of_refunds, start + 2, NULL);
    for (uint32_t block = 0; block < blocks; block++) start[block + 2] += start[block + 1];
    PAT_TRY(new_facts(run, start[blocks + 1], &fact));
    sort_out(&of_orders, start + 1, fact);
    sort_out(&of_refunds, start + 1, fact);
    *out = (struct pat_window_tail){fact, start};
    return PAT_OK;
}
