/* cohort: customers by the month they began in, and what they did in that month and each one after. */
#include "analytics/answers_private.h"
#include "analytics/selection_private.h"
#include "model/date.h"

/* Cells of one answer: more would be no picture, and take more than a request's memory. */
#define CELLS_MAX (1u << 22)

struct cohorts {
    struct pat_run *run;
    enum pat_cohort_metric metric;
    int32_t last_month;  /* of D */
    int32_t first_month; /* the earliest start */
    uint32_t months;     /* from that to D's */
    uint32_t periods;
    int32_t *start;    /* [customers] month of the start less first_month; -1: not in any cohort */
    uint64_t *size;    /* [months] */
    pat_int128 *value; /* [months * periods] */
    uint64_t *seen;    /* bitmap [customers * periods]: ordered in that month; only for CUSTOMERS */
    uint64_t outside;  /* shown customers without a start */
};

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
            const int32_t month = shown && begun ? pat_day_to_month((pat_day)day[i]) : INT32_MIN;
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
    PAT_TRY(pat_run__array(run, cells, sizeof *cohorts->value, &memory));
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

static void count_fact(struct cohorts *cohorts, int64_t customer, int64_t day, int64_t net) {
    if (customer == PAT_NULL || cohorts->start[customer] < 0) return;
    const int32_t start = cohorts->start[customer];
    const int64_t period = (int64_t)pat_day_to_month((pat_day)day) - cohorts->first_month - start;
    if (period < 0 || period >= cohorts->periods) return;
    pat_int128 *const cell = &cohorts->value[(uint64_t)start * cohorts->periods + (uint64_t)period];
    switch (cohorts->metric) {
    case PAT_COHORT_NET:
        if (net == PAT_NULL) cohorts->run->unpriced++;
        *cell += net == PAT_NULL ? 0 : net;
        return;
    case PAT_COHORT_ORDERS: *cell += 1; return;
    case PAT_COHORT_CUSTOMERS: break;
    }
    const uint64_t bit = (uint64_t)customer * cohorts->periods + (uint64_t)period;
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
            if (!pat_bits__get(bits, first + i)) continue;
            count_fact(cohorts, customer[i], day[i], orders || net[i] == PAT_NULL ? net[i] : -net[i]);
        }
    }
    return PAT_OK;
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
    PAT_TRY(read_starts(&cohorts, &start));
    PAT_TRY(make_cells(&cohorts));
    PAT_TRY(walk_facts(&cohorts, PAT_ORDERS));
    if (cohorts.metric == PAT_COHORT_NET) PAT_TRY(walk_facts(&cohorts, PAT_REFUNDS));
    return put_cohorts(&cohorts);
}
