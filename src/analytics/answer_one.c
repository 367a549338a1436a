/* customer and order: one row and its facts. */
#include "analytics/answers_private.h"

#include "analytics/lifecycle_private.h"
#include "analytics/scores_private.h"
#include "model/date.h"

enum pat_status pat_run__not_found(struct pat_run *run, const char *what, struct pat_text id) {
    char shown[PAT_ERROR_FIELD_BYTES], day[11];
    (void)pat_text_printable(id, shown, sizeof shown);
    pat_day_print(run->day, day);
    return pat_error_set_at(run->error, PAT_ERR_NOT_FOUND, what, -1, -1, "no %s \"%s\" as of %s", what, shown, day);
}

/* The set fields of the profile; the id and base money's `currency` have their own places. */
static void put_profile(struct pat_run *run, pat_row row) {
    for (unsigned column = PAT_CUSTOMER_CREATED; column < PAT_CUSTOMER_LOADED_COLUMNS; column++) {
        /* Mostly nobody sent it; of the country alone orders say something, too. */
        if (column != PAT_CUSTOMER_COUNTRY && pat_view_get(run->view, PAT_CUSTOMERS, column, row) == PAT_NULL) continue;
        const struct pat_source source = pat_source__of_column(PAT_CUSTOMERS, column);
        const int64_t value = pat_source__get(run, &source, row);
        if (value == PAT_NULL) continue;
        const char *name = column == PAT_CUSTOMER_CURRENCY ? "profile_currency" : source.name;
        pat_run__put(run, name, pat_source__value(run, &source, row, value));
    }
    pat_fact__put_attributes(run, PAT_CUSTOMERS, row, &run->result);
}

static void put_scores(struct pat_run *run, struct pat_customer_scores scores, const struct pat_group_names *names) {
    const bool scored = scores.r != 0;
    struct pat_value rfm = pat_build_map(&run->builder, 4);
    pat_build_put(&run->builder, &rfm, "r", scored ? pat_value_int(scores.r) : pat_value_nil());
    pat_build_put(&run->builder, &rfm, "f", scored ? pat_value_int(scores.f) : pat_value_nil());
    pat_build_put(&run->builder, &rfm, "m", scored ? pat_value_int(scores.m) : pat_value_nil());
    const char *name =
        scored ? pat_group__name(names, pat_scores__group_of(names, scores.r, scores.f, scores.m)) : NULL;
    pat_build_put(&run->builder, &rfm, "group",
                  name == NULL ? pat_value_nil() : pat_build_text(&run->builder, pat_text_of(name)));
    pat_run__put(run, "rfm", rfm);
}

/* By thresholds, so that look-ups need not rank everybody; but a population with a filter says who is in it only for
 * all of them together. */
static enum pat_status find_scores(struct pat_run *run, pat_row row, const struct pat_customer_facts *facts,
                                   const struct pat_thresholds *thresholds, struct pat_customer_scores *out) {
    *out = (struct pat_customer_scores){0};
    if (run->rfm->population == NULL) {
        if (facts->value[PAT_FACT_WINDOW_ORDERS] > 0) *out = pat_scores__of_customer(run, thresholds, facts);
        return PAT_OK;
    }
    run->scores_needed = run->scores_by_row = true;
    PAT_TRY(pat_run__find_live(run));
    PAT_TRY(pat_run__need(run));
    *out = pat_scores__of_cell(run->scores->cell[row]);
    return PAT_OK;
}

static void put_history(struct pat_run *run, const struct pat_customer_facts *facts) {
    const int64_t *value = facts->value, last = value[PAT_FACT_LAST];
    pat_run__put(run, "orders", pat_value_int(value[PAT_FACT_ORDERS]));
    pat_run__put(run, "net_minor", pat_value_int(value[PAT_FACT_NET]));
    pat_run__put_currency(run, &run->result);
    pat_run__put(run, "first_order", pat_build_day(&run->builder, value[PAT_FACT_FIRST]));
    pat_run__put(run, "last_order", pat_build_day(&run->builder, last));
    pat_run__put(run, "recency_days", last == PAT_NULL ? pat_value_nil() : pat_value_int(run->day - last));
}

/* Cuts by gaps rest on medians over everybody. */
static enum pat_status find_lifecycle(struct pat_run *run, pat_row row, const struct pat_customer_facts *facts,
                                      enum pat_lifecycle *out) {
    pat_lifecycle__note(run);
    if (!pat_lifecycle__by_gaps(run)) {
        *out = pat_lifecycle__of_customer(run, facts);
        return PAT_OK;
    }
    void *memory;
    PAT_TRY(pat_run__find_live(run));
    PAT_TRY(pat_run__need(run));
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof(uint64_t), &memory));
    uint64_t *const only = memory;
    pat_bits__set(only, row);
    PAT_TRY(pat_lifecycle__compute(run, only));
    *out = (enum pat_lifecycle)run->lifecycle[row];
    return PAT_OK;
}

/* The facts asked for stand apart: "orders" is the number of them. */
static enum pat_status put_facts(struct pat_run *run, pat_row row) {
    const struct pat_request *request = run->job->request;
    if (!request->with_orders && !request->with_refunds && !request->with_lines) return PAT_OK;
    struct pat_value facts = pat_build_map(&run->builder, 3), list;
    if (request->with_orders) {
        PAT_TRY(pat_facts__orders_of(run, row, &list));
        pat_build_put(&run->builder, &facts, "orders", list);
    }
    if (request->with_refunds) {
        PAT_TRY(pat_facts__refunds_of(run, row, &list));
        pat_build_put(&run->builder, &facts, "refunds", list);
    }
    if (request->with_lines) {
        PAT_TRY(pat_facts__lines_of(run, row, &list));
        pat_build_put(&run->builder, &facts, "lines", list);
    }
    pat_run__put(run, "facts", facts);
    return PAT_OK;
}

enum pat_status pat_customer__terms(struct pat_run *run, struct pat_customer_terms *out) {
    PAT_TRY(pat_run__group_names(run, &out->names));
    return run->rfm->population == NULL ? pat_scores__thresholds(run, &out->thresholds) : PAT_OK;
}

bool pat_customer__there(const struct pat_run *run, pat_row row) {
    return row != PAT_ROW_NONE && row < run->customers && pat_run__lives(run, row);
}

enum pat_status pat_customer__tell(struct pat_run *run, pat_row row, const struct pat_customer_terms *terms) {
    struct pat_customer_facts facts;
    struct pat_customer_scores scores;
    enum pat_lifecycle lifecycle;
    struct pat_value clv;
    if (pat_lifecycle__by_gaps(run)) run->facts_needed |= PAT_FACTS_LIFECYCLE;
    pat_facts__look_up(run, row, &facts);
    PAT_TRY(find_scores(run, row, &facts, &terms->thresholds, &scores));
    PAT_TRY(find_lifecycle(run, row, &facts, &lifecycle));
    const int64_t id = pat_view_get(run->view, PAT_CUSTOMERS, PAT_CUSTOMER_ID, row);
    pat_run__put(run, "customer", pat_id__value(run, id));
    put_profile(run, row);
    put_history(run, &facts);
    pat_run__put(run, "lifecycle", pat_value_string(pat_lifecycle_names[lifecycle]));
    put_scores(run, scores, &terms->names);
    PAT_TRY(pat_clv__of_customer(run, row, &clv));
    pat_run__put(run, "clv", clv);
    PAT_TRY(put_facts(run, row));
    run->unpriced = facts.value[PAT_FACT_UNPRICED];
    /* This customer's, whoever the scores compare with. */
    run->money_for_all = run->money_of_shown = run->money_of_window = false;
    return PAT_OK;
}

enum pat_status pat_answer__customer(struct pat_run *run) {
    struct pat_customer_terms terms;
    if (!pat_customer__there(run, run->job->row)) return pat_run__not_found(run, "customer", run->job->request->id);
    PAT_TRY(pat_customer__terms(run, &terms));
    return pat_customer__tell(run, run->job->row, &terms);
}

/* An order whose lines sum below zero is a refund of the same id. */
static bool negative(const struct pat_run *run, pat_row row) {
    const int64_t day = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_DAY, row);
    return pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_STATE, row) == PAT_ORDER_NEGATIVE &&
           pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_DELETED, row) != 1 && day != PAT_NULL && day <= run->day;
}

static void put_negative(struct pat_run *run, pat_row row) {
    const struct pat_source customer = pat_source__of_column(PAT_ORDERS, PAT_ORDER_CUSTOMER);
    const int64_t id = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_ID, row);
    pat_run__put(run, "order", pat_id__value(run, id));
    pat_run__put(run, "customer", pat_id__value(run, pat_source__get(run, &customer, row)));
    pat_run__put(run, "time", pat_run__time(run, pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_TIME, row)));
    pat_run__put(run, "refund", pat_id__value(run, id));
}

enum pat_status pat_answer__order(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    const pat_row row = run->job->row;
    const bool there = row != PAT_ROW_NONE && row < run->view->table[PAT_ORDERS].rows;
    if (!there || (!pat_order__known(run, row) && !negative(run, row)))
        return pat_run__not_found(run, "order", request->id);
    if (negative(run, row)) {
        put_negative(run, row);
    } else {
        run->result = pat_fact__order(run, row, true);
    }
    struct pat_value facts = pat_build_map(&run->builder, 2), list;
    if (request->with_lines) {
        PAT_TRY(pat_facts__lines_of_order(run, row, &list));
        pat_build_put(&run->builder, &facts, "lines", list);
    }
    if (request->with_refunds) {
        PAT_TRY(pat_facts__refunds_of_order(run, row, &list));
        pat_build_put(&run->builder, &facts, "refunds", list);
    }
    if (facts.count > 0) pat_run__put(run, "facts", facts);
    return PAT_OK;
}
