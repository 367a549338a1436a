/* Grouping: dimensions that cut rows apart, metrics over what falls together. */
#ifndef PAT_ANALYTICS_GROUP_PRIVATE_H
#define PAT_ANALYTICS_GROUP_PRIVATE_H

#include "analytics/answers_private.h"

/* ---- dimensions (dimension.c) ---- */

enum pat_dimension_kind { PAT_DIMENSION_FIELD, PAT_DIMENSION_MONTH, PAT_DIMENSION_YEAR, PAT_DIMENSION_BIN };

#define PAT_BIN_EDGES_MAX 256u

struct pat_dimension {
    struct pat_text text; /* as asked */
    enum pat_dimension_kind kind;
    struct pat_source source;
    const int64_t *edge; /* BIN: rising; bin i holds edge[i - 1] <= value < edge[i] */
    const struct pat_text *edge_text;
    uint32_t edges;
};

/* A field, month(day field), year(day field), bin(number field, [edges]). */
enum pat_status pat_dimension__parse(struct pat_run *run, struct pat_text text,
                                     struct pat_dimension *out) PAT_MUST_CHECK;
/* Turns the source's values of a block into the dimension's, in place. */
void pat_dimension__map(const struct pat_dimension *dimension, uint32_t count, int64_t *values);
/* Order within the dimension, unset last. */
int pat_dimension__compare(const struct pat_run *run, const struct pat_dimension *dimension, int64_t a, int64_t b);
struct pat_value pat_dimension__value(struct pat_run *run, const struct pat_dimension *dimension, int64_t value);

/* ---- metrics (metric.c) ---- */

struct pat_measure {
    const struct pat_metric *metric;
    struct pat_source source; /* unused for count */
    uint32_t values;          /* PERCENTILE: which list of sorted values */
};

/* What SUM, AVG, MIN and MAX need of one group. */
struct pat_gather {
    uint64_t count;
    pat_int128 sum;
    int64_t least, greatest; /* when count > 0 */
};

/* One metric of one group. */
struct pat_outcome {
    bool null, real;
    pat_int128 integer;
    double number;
};

/* Binds the metric's field; the types it works on are named when it does not. */
enum pat_status pat_measure__bind(struct pat_run *run, const struct pat_metric *metric,
                                  struct pat_measure *out) PAT_MUST_CHECK;
static inline void pat_gather__add(struct pat_gather *gather, int64_t value) {
    if (gather->count == 0 || value < gather->least) gather->least = value;
    if (gather->count == 0 || value > gather->greatest) gather->greatest = value;
    gather->count++;
    gather->sum += value;
}
void pat_gather__merge(struct pat_gather *into, const struct pat_gather *from);
/* SUM, AVG, MIN, MAX. */
struct pat_outcome pat_measure__outcome(const struct pat_measure *measure, const struct pat_gather *gather);
/* Nearest rank of n sorted values. */
struct pat_outcome pat_measure__percentile(const struct pat_measure *measure, const int64_t *sorted, uint64_t n);
int pat_outcome__compare(const struct pat_outcome *a, const struct pat_outcome *b); /* neither null */
enum pat_status pat_outcome__value(struct pat_run *run, const struct pat_measure *measure,
                                   const struct pat_outcome *outcome, struct pat_value *out) PAT_MUST_CHECK;

#endif
