/* One function for each reading method. Each fills run->result; pat_run__begin came before, pat_run__finish follows. */
#ifndef PAT_ANALYTICS_ANSWERS_PRIVATE_H
#define PAT_ANALYTICS_ANSWERS_PRIVATE_H

#include "analytics/bind_private.h"
#include "analytics/scores_private.h"

enum pat_status pat_answer__count(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__rows(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__group(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__cohort(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__control(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__rfm_grid(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__rfm_groups(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__customer(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__order(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__fx(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__verify(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__clv_fit(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__clv_fits(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__clv_predict(struct pat_run *run) PAT_MUST_CHECK;
enum pat_status pat_answer__clv_dist(struct pat_run *run) PAT_MUST_CHECK;

/* `clv` of `customer`: what the fit in use says of that row, nil without one. */
enum pat_status pat_clv__of_customer(struct pat_run *run, pat_row row, struct pat_value *out) PAT_MUST_CHECK;

/* What answers to `customer` have in common. */
struct pat_customer_terms {
    struct pat_group_names names;
    struct pat_thresholds thresholds; /* where everybody is scored */
};
enum pat_status pat_customer__terms(struct pat_run *run, struct pat_customer_terms *out) PAT_MUST_CHECK;
/* The customer is in answers at D; PAT_ROW_NONE is not. */
bool pat_customer__there(const struct pat_run *run, pat_row row);
/* All about it but what pat_run__finish puts. */
enum pat_status pat_customer__tell(struct pat_run *run, pat_row row,
                                   const struct pat_customer_terms *terms) PAT_MUST_CHECK;

/* PAT_ERR_NOT_FOUND of that id. */
enum pat_status pat_run__not_found(struct pat_run *run, const char *what, struct pat_text id) PAT_MUST_CHECK;
/* A sum that an answer carries as an integer; PAT_ERR_TOO_LARGE names `what` when 64 bits do not hold it. */
enum pat_status pat_run__total(struct pat_run *run, const char *what, pat_int128 total,
                               struct pat_value *out) PAT_MUST_CHECK;
/* {"currency", "digits", "columns"} of base money. */
struct pat_value pat_run__money(struct pat_run *run, struct pat_value columns);

/* Facts as maps, for `customer` and `order` (facts_of.c). `limit` newest ones. */
struct pat_value pat_fact__order(struct pat_run *run, pat_row row, bool with_customer);
/* The set attributes of a row, of customers as of facts; money under NAME_minor. */
void pat_fact__put_attributes(struct pat_run *run, enum pat_table_id table, pat_row row, struct pat_value *map);
enum pat_status pat_facts__orders_of(struct pat_run *run, pat_row customer, struct pat_value *out) PAT_MUST_CHECK;
enum pat_status pat_facts__refunds_of(struct pat_run *run, pat_row customer, struct pat_value *out) PAT_MUST_CHECK;
enum pat_status pat_facts__lines_of(struct pat_run *run, pat_row customer, struct pat_value *out) PAT_MUST_CHECK;
enum pat_status pat_facts__lines_of_order(struct pat_run *run, pat_row order, struct pat_value *out) PAT_MUST_CHECK;
enum pat_status pat_facts__refunds_of_order(struct pat_run *run, pat_row order, struct pat_value *out) PAT_MUST_CHECK;
/* The order is in answers at D: present, not withdrawn, dated. */
bool pat_order__known(const struct pat_run *run, pat_row row);

#endif
