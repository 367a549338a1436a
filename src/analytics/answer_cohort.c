/* cohort: customers by the month they began in, and what they did in that month and each one after. */
#include "analytics/answers_private.h"
#include "analytics/explain_private.h"
#include "analytics/selection_private.h"
#include "model/date.h"

/* Cells of one answer: more would be no picture, and take more than a request's memory. */
#define CELLS_MAX (1u << 22)
/* Days with a month in a table: as many as a run can have. */
#define TABLE_DAYS 65536

struct cohorts {
    struct pat_run *run;
    enum pat_cohort_metric metric;
    int32_t last_month;  /* of D */
    int32_t first_month; /* the earliest start */
    uint32_t months;     /* from that to D's */
    uint32_t periods;
    int32_t *start;    /* [customers] month of the start less first_month; -1: not in any cohort */
    uint64_t *size;    /* [months] */
    uint64_t cells;    /* months * periods */
    unsigned lanes;    /* of `value` and `unpriced` */
    pat_int128 *value; /* [lanes][months * periods], merged into those of lane 0 */
    int64_t unpriced[PAT_SPREAD_LANES_MAX];
    pat_day month_base;    /* days from here to D have their month in `month` */
    const int32_t *month;  /* since 1970-01; a table, since a day's civil date is a chain of divisions */
    const uint64_t *stale; /* bitmap: runs do not tell of them; NULL: runs do not serve */
    uint64_t *seen;        /* bitmap [customers * periods]: ordered in that month; only for CUSTOMERS */
    uint64_t outside;      /* shown customers without a start */
};

/* ---- months ------------------------------------------------------------------------------------------------------ */

static enum pat_status make_months(struct cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    const int64_t base = (int64_t)run->day - TABLE_DAYS + 1;
    void *memory;
    PAT_TRY(pat_run__array(run, TABLE_DAYS, sizeof(int32_t), &memory));
    int32_t *const month = memory;
    cohorts->month_base = base < PAT_DAY_MIN ? PAT_DAY_MIN : (pat_day)base;
    for (pat_day day = cohorts->month_base; day <= run->day; day++) {
        month[day - cohorts->month_base] = pat_day_to_month(day);
    }
    cohorts->month = month;
    return PAT_OK;
}

/* `day` is not after D. */
static inline int32_t month_of(const struct cohorts *cohorts, int64_t day) {
    return day >= cohorts->month_base ? cohorts->month[day - cohorts->month_base] : pat_day_to_month((pat_day)day);
}

/* ---- who began when ---------------------------------------------------------------------------------------------- */

/* Months since 1970-01 into start[], -1 for none; notes the earliest. */
static enum pat_status read_starts(struct cohorts *cohorts, const struct pat_source *source) {
    struct pat_run *run = cohorts->run;
    int64_t day[PAT_BLOCK_ROWS];
    cohorts->first_month = cohorts->last_month + 1;
    for (uint64_t first = 0; first < run->customers; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        const uint64_t left = run->customers - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        pat_source__read(run, source, (pat_row)first, count, day);
        for (uint32_t i = 0; i < count; i++) {
            const bool shown = pat_bits__get(run->shown, first + i);
            const bool begun = day[i] != PAT_NULL && day[i] <= run->day;
            const int32_t month = shown && begun ? month_of(cohorts, day[i]) : INT32_MIN;
            cohorts->start[first + i] = month;
            cohorts->outside += shown && !begun;
            if (month != INT32_MIN && month < cohorts->first_month) cohorts->first_month = month;
        }
    }
    return PAT_OK;
}

static enum pat_status make_cells(struct cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    void *memory;
    cohorts->months = (uint32_t)(cohorts->last_month - cohorts->first_month + 1);
    cohorts->periods = run->job->request->cohort_periods > 0 ? run->job->request->cohort_periods : cohorts->months;
    const uint64_t cells = (uint64_t)cohorts->months * cohorts->periods;
    if (cohorts->periods > PAT_COHORT_PERIODS_MAX || cells > CELLS_MAX) {
        return pat_error_set_at(run->error, PAT_ERR_TOO_LARGE, "periods", -1, -1,
                                "%u months of %u cohorts are too many: ask for fewer periods", cohorts->periods,
                                cohorts->months);
    }
    PAT_TRY(pat_run__array(run, cohorts->months, sizeof *cohorts->size, &memory));
    cohorts->size = memory;
    /* Runs are read in parts, with cells for each lane. */
    cohorts->cells = cells;
    cohorts->lanes = cohorts->stale != NULL ? pat_run__lanes(run) : 1;
    if (cells * cohorts->lanes > CELLS_MAX) {
        cohorts->stale = NULL;
        cohorts->lanes = 1;
    }
    PAT_TRY(pat_run__array(run, cells * cohorts->lanes, sizeof *cohorts->value, &memory));
    cohorts->value = memory;
    for (uint64_t row = 0; row < run->customers; row++) {
        const int32_t month = cohorts->start[row];
        cohorts->start[row] = month == INT32_MIN ? -1 : month - cohorts->first_month;
        if (month != INT32_MIN) cohorts->size[month - cohorts->first_month]++;
    }
    if (cohorts->metric != PAT_COHORT_CUSTOMERS) return PAT_OK;
    PAT_TRY(
        pat_run__array(run, pat_bits__words((uint64_t)run->customers * cohorts->periods), sizeof(uint64_t), &memory));
    cohorts->seen = memory;
    return PAT_OK;
}

/* ---- what they did ----------------------------------------------------------------------------------------------- */

static void count_fact(struct cohorts *cohorts, unsigned lane, uint64_t customer, int64_t day, int64_t net) {
    const int32_t start = cohorts->start[customer];
    if (start < 0) return;
    const int64_t period = (int64_t)month_of(cohorts, day) - cohorts->first_month - start;
    if (period < 0 || period >= cohorts->periods) return;
    pat_int128 *const cell =
        &cohorts->value[lane * cohorts->cells + (uint64_t)start * cohorts->periods + (uint64_t)period];
    switch (cohorts->metric) {
    case PAT_COHORT_NET:
        if (net == PAT_NULL) cohorts->unpriced[lane]++;
        *cell += net == PAT_NULL ? 0 : net;
        return;
    case PAT_COHORT_ORDERS: *cell += 1; return;
    case PAT_COHORT_CUSTOMERS: break;
    }
    const uint64_t bit = customer * cohorts->periods + (uint64_t)period;
    *cell += !pat_bits__get(cohorts->seen, bit);
    pat_bits__set(cohorts->seen, bit);
}

/* Counting facts of a table up to D; money of refunds is taken off. */
static enum pat_status walk_facts(struct cohorts *cohorts, enum pat_table_id table) {
    struct pat_run *run = cohorts->run;
    const bool orders = table == PAT_ORDERS;
    const struct pat_column_view *column = run->view->table[table].column;
    struct pat_selection of = {.table = table, .kind = PAT_SELECT_COUNTING, .first = PAT_DAY_MIN, .last = run->day};
    uint64_t *bits = NULL;
    int64_t customer[PAT_BLOCK_ROWS], day[PAT_BLOCK_ROWS], net[PAT_BLOCK_ROWS];
    PAT_TRY(pat_select__facts(run, &of, &bits));
    const pat_row rows = run->view->table[table].rows;
    for (uint64_t first = 0; first < rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        const uint64_t left = rows - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        pat_column_view_read(&column[orders ? PAT_ORDER_CUSTOMER : PAT_REFUND_CUSTOMER], (pat_row)first, count,
                             customer, run->kernels);
        pat_column_view_read(&column[orders ? PAT_ORDER_DAY : PAT_REFUND_DAY], (pat_row)first, count, day,
                             run->kernels);
        pat_column_view_read(&column[orders ? PAT_ORDER_BASE : PAT_REFUND_BASE], (pat_row)first, count, net,
                             run->kernels);
        for (uint32_t i = 0; i < count; i++) {
            if (!pat_bits__get(bits, first + i) || customer[i] == PAT_NULL) continue;
            count_fact(cohorts, 0, (uint64_t)customer[i], day[i], orders || net[i] == PAT_NULL ? net[i] : -net[i]);
        }
    }
    return PAT_OK;
}

/* ---- the same from runs ------------------------------------------------------------------------------------------ */

static inline bool told(const struct cohorts *cohorts, uint64_t customer) {
    return !pat_bits__get(cohorts->stale, customer);
}

static void count_dense(struct cohorts *cohorts, const struct pat_part *part, const struct pat_fact_run *run) {
    const uint64_t end = part->end < run->customers ? part->end : run->customers;
    const int64_t most = (int64_t)part->run->day - run->day_base;
    for (uint64_t customer = part->first; customer < end; customer++) {
        if (cohorts->start[customer] < 0 || !told(cohorts, customer)) continue;
        for (uint32_t at = run->offset[customer]; at < run->offset[customer + 1] && run->day[at] <= most; at++) {
            count_fact(cohorts, part->lane, customer, (int64_t)run->day_base + run->day[at], run->net[at]);
        }
    }
}

/* Blocks of the run that the part has. */
static uint32_t blocks_until(uint64_t row, const struct pat_fact_run *run) {
    const uint64_t end = row < run->customers ? row : run->customers;
    return (uint32_t)((end + PAT_RUN_BLOCK - 1) / PAT_RUN_BLOCK);
}

static void count_sparse(struct cohorts *cohorts, const struct pat_part *part, const struct pat_fact_run *run) {
    const int64_t most = (int64_t)part->run->day - run->day_base;
    const uint32_t first = (uint32_t)(part->first / PAT_RUN_BLOCK), end = blocks_until(part->end, run);
    for (uint32_t at = run->block[first]; at < run->block[end]; at++) {
        if (run->day[at] > most || !told(cohorts, run->customer[at])) continue;
        count_fact(cohorts, part->lane, run->customer[at], (int64_t)run->day_base + run->day[at], run->net[at]);
    }
}

/* Refunds matter to money only. */
static void count_odd(struct cohorts *cohorts, const struct pat_part *part, const struct pat_fact_run *run) {
    const pat_day day = part->run->day;
    const uint32_t first = (uint32_t)(part->first / PAT_RUN_BLOCK), end = blocks_until(part->end, run);
    for (uint32_t at = run->odd_block[first]; at < run->odd_block[end]; at++) {
        const struct pat_run_odd *odd = &run->odd[at];
        if (odd->from > day || day >= odd->until || !told(cohorts, odd->customer)) continue;
        if (odd->orders == 0 && cohorts->metric != PAT_COHORT_NET) continue;
        count_fact(cohorts, part->lane, odd->customer, odd->day, odd->net);
    }
}

static enum pat_status count_part(void *context, const struct pat_part *part) {
    struct cohorts *cohorts = context;
    const struct pat_runs *runs = &part->run->view->runs;
    for (uint32_t i = 0; i < runs->count; i++) {
        if (part->first >= runs->run[i]->customers) continue;
        if (runs->run[i]->offset != NULL) {
            count_dense(cohorts, part, runs->run[i]);
        } else {
            count_sparse(cohorts, part, runs->run[i]);
        }
        count_odd(cohorts, part, runs->run[i]);
    }
    return PAT_OK;
}

/* One that counts at D. */
static void count_row(struct cohorts *cohorts, enum pat_table_id table, pat_row row, uint64_t customer) {
    const struct pat_view *view = cohorts->run->view;
    if (table == PAT_ORDERS) {
        if (!pat_order__eligible(view, row, cohorts->run->day)) return;
        count_fact(cohorts, 0, customer, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, row),
                   pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, row));
        return;
    }
    if (!pat_refund__counts(view, row, cohorts->run->day)) return;
    const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, row);
    count_fact(cohorts, 0, customer, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, row),
               base == PAT_NULL ? PAT_NULL : -base);
}

/* What lies behind the runs. */
static enum pat_status count_tail(struct cohorts *cohorts, enum pat_table_id table, uint64_t first) {
    const struct pat_view *view = cohorts->run->view;
    const unsigned owner = table == PAT_ORDERS ? PAT_ORDER_CUSTOMER : PAT_REFUND_CUSTOMER;
    for (uint64_t row = first; row < view->table[table].rows; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(cohorts->run));
        const int64_t customer = pat_view_get(view, table, owner, (pat_row)row);
        if (customer == PAT_NULL || !told(cohorts, (uint64_t)customer)) continue;
        count_row(cohorts, table, (pat_row)row, (uint64_t)customer);
    }
    return PAT_OK;
}

static void count_chain(struct cohorts *cohorts, enum pat_table_id table, pat_row customer) {
    const struct pat_view *view = cohorts->run->view;
    const bool orders = table == PAT_ORDERS;
    const unsigned head = orders ? PAT_CUSTOMER_ORDER_HEAD : PAT_CUSTOMER_REFUND_HEAD;
    const unsigned next = orders ? PAT_ORDER_NEXT : PAT_REFUND_NEXT;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, head, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, table, next, (pat_row)row)) {
        count_row(cohorts, table, (pat_row)row, customer);
    }
}

static enum pat_status count_runs(struct cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    const struct pat_runs *runs = &run->view->runs;
    const bool money = cohorts->metric == PAT_COHORT_NET;
    PAT_TRY(pat_run__spread(run, run->customers, count_part, cohorts));
    for (uint32_t i = 0; i < runs->count; i++) pat_explain__read(run, runs->run[i]->bytes);
    PAT_TRY(count_tail(cohorts, PAT_ORDERS, pat_runs_orders_end(runs)));
    if (money) PAT_TRY(count_tail(cohorts, PAT_REFUNDS, pat_runs_refunds_end(runs)));
    for (uint64_t word = 0; word < pat_bits__words(run->customers); word++) {
        if (word % PAT_BLOCK_WORDS == 0) PAT_TRY(pat_run__stop(run));
        for (uint64_t rest = cohorts->stale[word]; rest != 0; rest &= rest - 1) {
            const pat_row customer = (pat_row)(word * 64 + (uint64_t)__builtin_ctzll(rest));
            count_chain(cohorts, PAT_ORDERS, customer);
            if (money) count_chain(cohorts, PAT_REFUNDS, customer);
        }
    }
    for (uint64_t i = cohorts->cells; i < cohorts->cells * cohorts->lanes; i++) {
        cohorts->value[i % cohorts->cells] += cohorts->value[i];
    }
    return PAT_OK;
}

static enum pat_status count_tables(struct cohorts *cohorts) {
    PAT_TRY(walk_facts(cohorts, PAT_ORDERS));
    return cohorts->metric == PAT_COHORT_NET ? walk_facts(cohorts, PAT_REFUNDS) : PAT_OK;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static enum pat_status build_cohort(struct cohorts *cohorts, uint32_t month, struct pat_value *list) {
    struct pat_run *run = cohorts->run;
    struct pat_builder *builder = &run->builder;
    const struct pat_civil first = pat_day_to_civil(pat_month_first_day(cohorts->first_month + (int32_t)month));
    struct pat_value cohort = pat_build_map(builder, 3), values = pat_build_array(builder, cohorts->periods);
    for (uint32_t period = 0; period < cohorts->periods; period++) {
        struct pat_value value = pat_value_nil(); /* to come */
        if (month + period < cohorts->months) {
            PAT_TRY(pat_run__total(run, "a value of a cohort",
                                   cohorts->value[(uint64_t)month * cohorts->periods + period], &value));
        }
        pat_build_push(builder, &values, value);
    }
    pat_build_put(builder, &cohort, "cohort", pat_build_printf(builder, "%04d-%02d", first.year, first.month));
    pat_build_put(builder, &cohort, "size", pat_value_uint(cohorts->size[month]));
    pat_build_put(builder, &cohort, "values", values);
    pat_build_push(builder, list, cohort);
    return PAT_OK;
}

static enum pat_status put_cohorts(struct cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    struct pat_value list = pat_build_array(&run->builder, 16);
    for (uint32_t month = 0; month < cohorts->months; month++) {
        if (cohorts->size[month] > 0) PAT_TRY(build_cohort(cohorts, month, &list));
    }
    pat_run__put(run, "cohorts", list);
    pat_run__put(run, "outside", pat_value_uint(cohorts->outside));
    if (cohorts->metric != PAT_COHORT_NET) return PAT_OK;
    struct pat_value columns = pat_build_array(&run->builder, 1);
    pat_build_push(&run->builder, &columns, pat_value_string("values"));
    pat_run__put(run, "money", pat_run__money(run, columns));
    return PAT_OK;
}

enum pat_status pat_answer__cohort(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    struct cohorts cohorts = {.run = run, .metric = request->cohort_metric, .last_month = pat_day_to_month(run->day)};
    struct pat_source start;
    void *memory;
    PAT_TRY(pat_source__find(run, PAT_CUSTOMERS, pat_text_of(request->cohort_created ? "created" : "first_order"), -1,
                             PAT_USE_SHOWN, &start));
    PAT_TRY(pat_run__where(run));
    PAT_TRY(pat_run__array(run, run->customers, sizeof *cohorts.start, &memory));
    cohorts.start = memory;
    uint64_t *stale;
    PAT_TRY(pat_facts__stale(run, &stale));
    cohorts.stale = stale;
    PAT_TRY(make_months(&cohorts));
    PAT_TRY(read_starts(&cohorts, &start));
    PAT_TRY(make_cells(&cohorts));
    PAT_TRY(cohorts.stale != NULL ? count_runs(&cohorts) : count_tables(&cohorts));
    for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) run->unpriced += cohorts.unpriced[lane];
    return put_cohorts(&cohorts);
}
