/* Grouping: dimensions that cut rows apart, metrics over what falls together. */
#ifndef PAT_ANALYTICS_GROUP_PRIVATE_H
#define PAT_ANALYTICS_GROUP_PRIVATE_H

#include "analytics/answers_private.h"
#include "model/decimal.h"

/* ---- dimensions (dimension.c) ---- */

enum pat_dimension_kind {
    PAT_DIMENSION_FIELD,
    PAT_DIMENSION_DAY,
    PAT_DIMENSION_MONTH,
    PAT_DIMENSION_YEAR,
    PAT_DIMENSION_BIN,
};

/* More bars than anybody looks at; each value takes eight steps to find its own. */
#define PAT_BIN_EDGES_MAX 256u

struct pat_dimension {
    struct pat_text text; /* as asked */
    enum pat_dimension_kind kind;
    struct pat_source source;
    const int64_t *edge; /* BIN: rising; bin i holds edge[i - 1] <= value < edge[i] */
    const struct pat_text *edge_text;
    uint32_t edges;
};

/* A field of `table`; day(), month() and year() of a day or a time; bin(number field, [edges]). */
enum pat_status pat_dimension__parse(struct pat_run *run, enum pat_table_id table, struct pat_text text,
                                     struct pat_dimension *out) PAT_MUST_CHECK;
/* Turns the source's values of a block into the dimension's, in place. */
void pat_dimension__map(const struct pat_run *run, const struct pat_dimension *dimension, uint32_t count,
                        int64_t *values);
/* Order within the dimension, unset last. */
int pat_dimension__compare(const struct pat_run *run, const struct pat_dimension *dimension, int64_t a, int64_t b);
struct pat_value pat_dimension__value(struct pat_run *run, const struct pat_dimension *dimension, int64_t value);

/* ---- metrics (metric.c) ---- */

struct pat_measure {
    const struct pat_metric *metric;
    struct pat_source source; /* unused for count */
    uint32_t values;          /* PERCENTILE, CUSTOMERS: which list of values */
};

/* Money in the currencies of the rows themselves. */
static inline bool pat_source__own_money(const struct pat_source *source) {
    return source->type == PAT_TYPE_MONEY && !source->base;
}

/* What SUM, AVG, MIN and MAX need of one group. */
struct pat_gather {
    uint64_t count;
    pat_int128 sum;          /* of decimals: in units of 10^-PAT_DECIMAL_SCALE_MAX */
    int64_t least, greatest; /* when count > 0 */
};

/* One metric of one group. */
struct pat_outcome {
    bool null, real;
    pat_int128 integer;
    double number;
};

/* Binds the metric's field; the types it works on are named when it does not. */
enum pat_status pat_measure__bind(struct pat_run *run, enum pat_table_id table, const struct pat_metric *metric,
                                  struct pat_measure *out) PAT_MUST_CHECK;
static inline void pat_gather__add(struct pat_gather *gather, int64_t value) {
    if (gather->count == 0 || value < gather->least) gather->least = value;
    if (gather->count == 0 || value > gather->greatest) gather->greatest = value;
    gather->count++;
    gather->sum += value;
}
/* The same of a decimal. */
void pat_gather__add_decimal(struct pat_gather *gather, pat_decimal value);
void pat_gather__merge(const struct pat_measure *measure, struct pat_gather *into, const struct pat_gather *from);
/* SUM, AVG, MIN, MAX. */
struct pat_outcome pat_measure__outcome(const struct pat_measure *measure, const struct pat_gather *gather);
/* Sorts values of the source's type; `scratch` is as long. */
void pat_measure__sort(const struct pat_source *source, int64_t *values, int64_t *scratch, uint64_t n);
/* Nearest rank of n sorted values. */
struct pat_outcome pat_measure__percentile(const struct pat_measure *measure, const int64_t *sorted, uint64_t n);
int pat_outcome__compare(const struct pat_outcome *a, const struct pat_outcome *b); /* neither null */
/* `digits` of the currency, where the measure is money of the rows' own. */
enum pat_status pat_outcome__value(struct pat_run *run, const struct pat_measure *measure,
                                   const struct pat_outcome *outcome, unsigned digits,
                                   struct pat_value *out) PAT_MUST_CHECK;

/* ---- groups by key (group_table.c) ---- */

struct pat_groups {
    uint32_t dimensions; /* set by the owner; the rest begins as zero */
    uint32_t count, capacity;
    int64_t *key;   /* [capacity * dimensions] */
    uint32_t *slot; /* [slots] group numbers by hash of the key */
    uint32_t slots; /* a power of two, at least twice the capacity */
};

/* The number of the group with this key; a new one when there is none. Fails: PAT_ERR_TOO_LARGE over PAT_GROUPS_MAX. */
enum pat_status pat_groups__find(struct pat_run *run, struct pat_groups *groups, const int64_t *key,
                                 uint32_t *out) PAT_MUST_CHECK;

#endif
