/* cohort: customers by the month they began in, and what they did in that month and each one after. */
#include "analytics/answers_private.h"
#include "analytics/cohort_private.h"
#include "analytics/explain_private.h"
#include "model/date.h"

/* Cells of one answer: more would be no picture, and take more than a request's memory. */
#define CELLS_MAX (1u << 22)
/* Days with a month in a table: as many as a run can have. */
#define TABLE_DAYS 65536

/* ---- months ------------------------------------------------------------------------------------------------------ */

/* The civil calendar once for each month. */
static enum pat_status make_months(struct pat_cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    const int64_t base = (int64_t)run->day - TABLE_DAYS + 1;
    void *memory;
    PAT_TRY(pat_run__array(run, TABLE_DAYS, sizeof(int32_t), &memory));
    int32_t *const month = memory;
    cohorts->month_base = base < PAT_DAY_MIN ? PAT_DAY_MIN : (pat_day)base;
    for (pat_day day = run->day, first; day >= cohorts->month_base; day = first - 1) {
        const int32_t here = pat_day_to_month(day);
        first = pat_month_first_day(here);
        for (pat_day at = day; at >= first && at >= cohorts->month_base; at--) month[at - cohorts->month_base] = here;
    }
    cohorts->month = month;
    return PAT_OK;
}

int32_t pat_cohort__month(const struct pat_cohorts *cohorts, int64_t day) {
    return day >= cohorts->month_base ? cohorts->month[day - cohorts->month_base] : pat_day_to_month((pat_day)day);
}

/* ---- who began when ---------------------------------------------------------------------------------------------- */

struct starts {
    struct pat_cohorts *cohorts;
    struct pat_source source;
    int32_t earliest[PAT_SPREAD_LANES_MAX];
};

static void read_block(struct starts *starts, const struct pat_part *part, uint64_t first, uint32_t count) {
    struct pat_cohorts *cohorts = starts->cohorts;
    const struct pat_run *run = part->run;
    int64_t day[PAT_BLOCK_ROWS];
    int32_t earliest = starts->earliest[part->lane];
    uint64_t outside = 0;
    pat_source__read(run, &starts->source, (pat_row)first, count, day);
    for (uint32_t i = 0; i < count; i++) {
        const bool shown = pat_bits__get(run->shown, first + i);
        const bool begun = day[i] != PAT_NULL && day[i] <= run->day;
        const int32_t month = shown && begun ? pat_cohort__month(cohorts, day[i]) : PAT_COHORT_NO_MONTH;
        cohorts->start[first + i] = month;
        outside += shown && !begun;
        if (month != PAT_COHORT_NO_MONTH && month < earliest) earliest = month;
    }
    cohorts->outside[part->lane] += outside;
    starts->earliest[part->lane] = earliest;
}

static enum pat_status read_part(void *context, const struct pat_part *part) {
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        read_block(context, part, first, left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS);
    }
    return PAT_OK;
}

/* Sets start[], and the earliest. */
static enum pat_status read_starts(struct pat_cohorts *cohorts, const struct pat_source *source) {
    struct pat_run *run = cohorts->run;
    struct starts starts = {.cohorts = cohorts, .source = *source};
    void *memory;
    PAT_TRY(pat_run__array_big(run, run->customers, sizeof *cohorts->start, &memory));
    cohorts->start = memory;
    for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) starts.earliest[lane] = cohorts->last_month + 1;
    PAT_TRY(pat_run__spread(run, run->customers, read_part, &starts));
    cohorts->first_month = cohorts->last_month + 1;
    for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) {
        if (starts.earliest[lane] < cohorts->first_month) cohorts->first_month = starts.earliest[lane];
    }
    return PAT_OK;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static enum pat_status check_cells(const struct pat_cohorts *cohorts, uint32_t months) {
    const uint32_t periods = cohorts->asked != UINT32_MAX ? cohorts->asked : months;
    if (periods <= PAT_COHORT_PERIODS_MAX && (uint64_t)months * periods <= CELLS_MAX) return PAT_OK;
    return pat_error_set_at(cohorts->run->error, PAT_ERR_TOO_LARGE, "periods", -1, -1,
                            "%u months of %u cohorts are too many: ask for fewer periods", periods, months);
}

/* After first_month is set. */
static enum pat_status make_cells(struct pat_cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    void *memory;
    cohorts->months = (uint32_t)(cohorts->last_month - cohorts->first_month + 1);
    cohorts->width = cohorts->asked < cohorts->months ? cohorts->asked : cohorts->months;
    cohorts->cells = (uint64_t)cohorts->months * cohorts->width;
    cohorts->lanes = pat_run__lanes(run);
    if (cohorts->cells * cohorts->lanes > CELLS_MAX) cohorts->lanes = 1;
    PAT_TRY(pat_run__array(run, (uint64_t)cohorts->months * cohorts->lanes, sizeof *cohorts->size, &memory));
    cohorts->size = memory;
    PAT_TRY(pat_run__array(run, cohorts->cells * cohorts->lanes, sizeof *cohorts->value, &memory));
    cohorts->value = memory;
    return PAT_OK;
}

enum pat_status pat_cohort__spread(struct pat_cohorts *cohorts, uint64_t rows, pat_part_rows_cb *part_cb,
                                   void *context) {
    struct pat_run *run = cohorts->run;
    if (cohorts->lanes > 1 || pat_run__lanes(run) == 1) return pat_run__spread(run, rows, part_cb, context);
    struct pat_part part = {.run = run, .error = run->error};
    for (; part.end < rows; part.number++) {
        PAT_TRY(pat_run__stop(run));
        part.first = part.end;
        part.end = rows - part.first < PAT_PART_ROWS ? rows : part.first + PAT_PART_ROWS;
        PAT_TRY(part_cb(context, &part));
    }
    return PAT_OK;
}

/* ---- what they did ----------------------------------------------------------------------------------------------- */

static bool any_stale(const struct pat_cohorts *cohorts) {
    const uint64_t words = pat_bits__words(cohorts->run->customers);
    return cohorts->run->kernels->bits_count(cohorts->stale, words) > 0;
}

/* Orders behind the runs, and of those whom runs do not tell of. */
static enum pat_status walk_late_orders(struct pat_cohorts *cohorts, enum pat_cohort_pass pass) {
    const pat_row first = pat_runs_orders_end(&cohorts->run->view->runs);
    PAT_TRY(pat_cohort__walk_table(cohorts, pass, PAT_ORDERS, first));
    return any_stale(cohorts) ? pat_cohort__walk_stale(cohorts, pass) : PAT_OK;
}

static enum pat_status count_with_runs(struct pat_cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    const struct pat_runs *runs = &run->view->runs;
    const bool customers = cohorts->metric == PAT_COHORT_CUSTOMERS;
    const bool late = any_stale(cohorts) || pat_runs_orders_end(runs) < run->view->table[PAT_ORDERS].rows;
    void *memory;
    PAT_TRY(make_cells(cohorts));
    if (late && (customers || cohorts->from_bits)) {
        cohorts->late_words = (cohorts->months + 63) / 64;
        PAT_TRY(pat_run__array(run, (uint64_t)run->customers * cohorts->late_words, sizeof(uint64_t), &memory));
        cohorts->late = memory;
        PAT_TRY(walk_late_orders(cohorts, PAT_COHORT_MARK));
    }
    if (cohorts->from_bits && !customers) {
        PAT_TRY(pat_run__array_big(run, run->customers, sizeof *cohorts->start, &memory));
        cohorts->start = memory;
    }
    PAT_TRY(pat_cohort__count_runs(cohorts));
    if (customers) return PAT_OK;
    PAT_TRY(walk_late_orders(cohorts, PAT_COHORT_COUNT));
    if (cohorts->metric == PAT_COHORT_ORDERS) return PAT_OK;
    return pat_cohort__walk_table(cohorts, PAT_COHORT_COUNT, PAT_REFUNDS, pat_runs_refunds_end(runs));
}

static enum pat_status size_part(void *context, const struct pat_part *part) {
    struct pat_cohorts *cohorts = context;
    uint64_t *const size = cohorts->size + (uint64_t)part->lane * cohorts->months;
    for (uint64_t row = part->first; row < part->end; row++) {
        if (cohorts->start[row] != PAT_COHORT_NO_MONTH) size[cohorts->start[row] - cohorts->first_month]++;
    }
    return PAT_OK;
}

static enum pat_status count_without_runs(struct pat_cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    PAT_TRY(check_cells(cohorts, (uint32_t)(cohorts->last_month - cohorts->first_month + 1)));
    PAT_TRY(make_cells(cohorts));
    PAT_TRY(pat_cohort__spread(cohorts, run->customers, size_part, cohorts));
    if (cohorts->metric == PAT_COHORT_CUSTOMERS) {
        const uint64_t words = pat_bits__words((uint64_t)run->customers * cohorts->width);
        void *memory;
        PAT_TRY(pat_run__array(run, words, sizeof(uint64_t), &memory));
        cohorts->seen = memory;
    }
    PAT_TRY(pat_cohort__walk_table(cohorts, PAT_COHORT_COUNT, PAT_ORDERS, 0));
    if (cohorts->metric != PAT_COHORT_NET) return PAT_OK;
    return pat_cohort__walk_table(cohorts, PAT_COHORT_COUNT, PAT_REFUNDS, 0);
}

/* Into those of lane 0. */
static void merge_lanes(struct pat_cohorts *cohorts) {
    for (uint64_t i = cohorts->cells; i < cohorts->cells * cohorts->lanes; i++) {
        cohorts->value[i % cohorts->cells] += cohorts->value[i];
    }
    for (uint64_t i = cohorts->months; i < (uint64_t)cohorts->months * cohorts->lanes; i++) {
        cohorts->size[i % cohorts->months] += cohorts->size[i];
    }
    for (unsigned lane = 1; lane < PAT_SPREAD_LANES_MAX; lane++) {
        cohorts->outside[0] += cohorts->outside[lane];
        cohorts->unpriced[0] += cohorts->unpriced[lane];
    }
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* `month` of those that were counted from, `periods` in every cohort. */
static enum pat_status build_cohort(struct pat_cohorts *cohorts, uint32_t month, uint32_t periods,
                                    struct pat_value *list) {
    struct pat_run *run = cohorts->run;
    struct pat_builder *builder = &run->builder;
    const struct pat_civil first = pat_day_to_civil(pat_month_first_day(cohorts->first_month + (int32_t)month));
    struct pat_value cohort = pat_build_map(builder, 3), values = pat_build_array(builder, periods);
    for (uint32_t period = 0; period < periods; period++) {
        struct pat_value value = pat_value_nil(); /* to come */
        if (month + period < cohorts->months) {
            PAT_TRY(pat_run__total(run, "a value of a cohort",
                                   cohorts->value[(uint64_t)month * cohorts->width + period], &value));
        }
        pat_build_push(builder, &values, value);
    }
    pat_build_put(builder, &cohort, "cohort", pat_build_printf(builder, "%04d-%02d", first.year, first.month));
    pat_build_put(builder, &cohort, "size", pat_value_uint(cohorts->size[month]));
    pat_build_put(builder, &cohort, "values", values);
    pat_build_push(builder, list, cohort);
    return PAT_OK;
}

static enum pat_status put_cohorts(struct pat_cohorts *cohorts) {
    struct pat_run *run = cohorts->run;
    struct pat_value list = pat_build_array(&run->builder, 16);
    uint32_t earliest = 0;
    while (earliest < cohorts->months && cohorts->size[earliest] == 0) earliest++;
    const uint32_t months = cohorts->months - earliest;
    PAT_TRY(check_cells(cohorts, months));
    const uint32_t periods = cohorts->asked != UINT32_MAX ? cohorts->asked : months;
    for (uint32_t month = earliest; month < cohorts->months; month++) {
        if (cohorts->size[month] > 0) PAT_TRY(build_cohort(cohorts, month, periods, &list));
    }
    pat_run__put(run, "cohorts", list);
    pat_run__put(run, "outside", pat_value_uint(cohorts->outside[0]));
    if (cohorts->metric != PAT_COHORT_NET) return PAT_OK;
    struct pat_value columns = pat_build_array(&run->builder, 1);
    pat_build_push(&run->builder, &columns, pat_value_string("values"));
    pat_run__put(run, "money", pat_run__money(run, columns));
    return PAT_OK;
}

/* The day of the earliest order of any kind: no first order is before. */
static int64_t earliest_day(const struct pat_run *run) {
    const struct pat_column_view *column = &run->view->table[PAT_ORDERS].column[PAT_ORDER_DAY];
    int64_t earliest = run->day, value[PAT_BLOCK_ROWS];
    for (uint64_t first = 0; first < column->rows; first += (uint64_t)1 << column->shift) {
        const struct pat_column_part part = pat_column_view_part(column, (pat_row)first);
        if (part.bounded && part.low < earliest) earliest = part.low;
        for (uint64_t at = first; !part.bounded && at < column->rows; at += PAT_BLOCK_ROWS) {
            const uint64_t left = column->rows - at;
            const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
            pat_explain__column(run, column, (pat_row)at, count, value);
            for (uint32_t i = 0; i < count; i++) {
                if (value[i] != PAT_NULL && value[i] < earliest) earliest = value[i];
            }
        }
    }
    return earliest;
}

/* With runs the first order comes out of the scan itself, whatever the day. */
static bool starts_from_runs(struct pat_cohorts *cohorts) {
    if (cohorts->run->job->request->cohort_created || cohorts->stale == NULL) return false;
    const int32_t month = pat_cohort__month(cohorts, earliest_day(cohorts->run));
    if ((int64_t)cohorts->last_month - month >= PAT_COHORT_MONTHS_MAX) return false;
    cohorts->first_month = month;
    return true;
}

/* What a field says, of which nothing was known before. */
static enum pat_status starts_from_field(struct pat_cohorts *cohorts, const struct pat_source *source) {
    PAT_TRY(read_starts(cohorts, source));
    if ((int64_t)cohorts->last_month - cohorts->first_month >= PAT_COHORT_MONTHS_MAX) cohorts->stale = NULL;
    pat_explain__step(cohorts->run, "starts", cohorts->run->customers);
    return PAT_OK;
}

enum pat_status pat_answer__cohort(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    struct pat_cohorts cohorts = {.run = run,
                                  .metric = request->cohort_metric,
                                  .asked = request->cohort_periods > 0 ? request->cohort_periods : UINT32_MAX,
                                  .last_month = pat_day_to_month(run->day)};
    struct pat_source start;
    uint64_t *stale;
    PAT_TRY(make_months(&cohorts));
    PAT_TRY(pat_facts__stale(run, &stale));
    cohorts.stale = stale;
    cohorts.from_bits = starts_from_runs(&cohorts);
    if (!cohorts.from_bits) {
        PAT_TRY(pat_source__find(run, PAT_CUSTOMERS, pat_text_of(request->cohort_created ? "created" : "first_order"),
                                 -1, PAT_USE_SHOWN, &start));
    }
    PAT_TRY(pat_run__where(run));
    if (!cohorts.from_bits) PAT_TRY(starts_from_field(&cohorts, &start));
    PAT_TRY(cohorts.stale != NULL ? count_with_runs(&cohorts) : count_without_runs(&cohorts));
    merge_lanes(&cohorts);
    pat_explain__step(run, "cohorts", run->view->table[PAT_ORDERS].rows);
    run->unpriced += cohorts.unpriced[0];
    return put_cohorts(&cohorts);
}
