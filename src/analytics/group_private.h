/* Grouping: dimensions that cut rows apart, metrics over what falls together. */
#ifndef PAT_ANALYTICS_GROUP_PRIVATE_H
#define PAT_ANALYTICS_GROUP_PRIVATE_H

#include "analytics/answers_private.h"
#include "analytics/selection_private.h"
#include "model/decimal.h"

struct pat_histogram;
struct pat_dense;

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
/* Its place, from 1 on, among n > 0 sorted values. */
uint64_t pat_measure__place(const struct pat_measure *measure, uint64_t n);
/* The outcome that is one value of the field. */
struct pat_outcome pat_measure__single(const struct pat_measure *measure, int64_t value);
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
enum pat_status pat_groups__find(struct pat_arena *arena, struct pat_groups *groups, const int64_t *key, uint32_t *out,
                                 struct pat_error *error) PAT_MUST_CHECK;

/* The same with the key's hash: its words after PAT_HASH_SEED, as the kernel `hash` has them of many. */
enum pat_status pat_groups__find_hashed(struct pat_arena *arena, struct pat_groups *groups, const int64_t *key,
                                        uint64_t hash, uint32_t *out, struct pat_error *error) PAT_MUST_CHECK;
/* Asks for the place where the search for a key will begin. */
static inline void pat_groups__prefetch(const struct pat_groups *groups, uint64_t hash) {
    if (groups->slots > 0) __builtin_prefetch(&groups->slot[(uint32_t)hash & (groups->slots - 1)]);
}

/* ---- groups (answer_group.c) ---- */

/* Values of one field, those of a group next to each other; sorted unless they are only told apart. */
struct pat_lists {
    struct pat_source source;
    struct pat_text field;           /* empty for customers */
    struct pat_histogram *histogram; /* not NULL: instead of what follows */
    int64_t *value;
    int64_t *scratch;    /* as long; NULL when not sorted */
    uint64_t *start;     /* [groups + 1] */
    bool distinct;       /* rows of customers, to be counted once each */
    uint64_t *seen;      /* distinct: bitmaps over the customers, one for each thread, clear between uses */
    uint64_t *customers; /* distinct: [groups] how many different ones */
};

struct pat_grouping {
    struct pat_run *run;
    struct pat_selection of; /* the rows that are grouped */
    struct pat_dimension dimension[PAT_GROUP_DIMENSIONS_MAX];
    uint32_t dimensions;
    struct pat_measure measure[PAT_GROUP_METRICS_MAX];
    uint32_t measures;
    struct pat_lists list[PAT_GROUP_METRICS_MAX];
    uint32_t lists;

    struct pat_groups table;
    struct pat_dense *dense;   /* NULL: groups are found by key */
    uint32_t capacity;         /* of the arrays below, as the table's */
    struct pat_gather *gather; /* [groups * measures] */
    int64_t *currency;         /* [groups] code of own_currency, plus one; 0 before the first row */
    bool own_money;            /* some measure is money of the rows' own currencies */
    struct pat_source own_currency;
    uint32_t *group_of;          /* of the shown rows in their order; only for lists */
    uint64_t *part_start;        /* [parts + 1] shown rows before each part of the pass; with group_of */
    struct pat_outcome *outcome; /* [groups * measures] */
    uint32_t *order;             /* group numbers as the answer has them */

    /* order_by: >= 0 a measure, else ~dimension. */
    int by[PAT_FIELDS_MAX];
    bool descending[PAT_FIELDS_MAX];
    uint32_t bys;
};

/* Its values are brought together group by group before anything is computed. */
bool pat_measure__listed(const struct pat_measure *measure);
/* The number of the group with this key, a new one if need be, with room in the arrays by group. */
enum pat_status pat_grouping__find(struct pat_grouping *grouping, const int64_t *key, uint32_t *out) PAT_MUST_CHECK;

/* Rows by key (group_keys.c): fills table, gather, currency and group_of. */
enum pat_status pat_keys__walk(struct pat_grouping *grouping) PAT_MUST_CHECK;
/* Brings the values of each group together (group_lists.c). */
enum pat_status pat_lists__build(struct pat_grouping *grouping, struct pat_lists *list) PAT_MUST_CHECK;
/* Marks the customers of a group in a bitmap; how many were not marked before. */
uint64_t pat_lists__mark(const struct pat_lists *list, uint64_t *seen, uint32_t group);
void pat_lists__unmark(const struct pat_lists *list, uint64_t *seen, uint32_t group);

/* ---- groups by place (group_dense.c) ----
 *
 * Where all dimensions have few values (codes, bins, months, small numbers), a row's group is a place in an array: the
 * dimensions' values from the least on, as digits. Percentiles come from histograms, so that only the values of the
 * buckets that hold a rank are brought together and sorted. */

#define PAT_DENSE_CELLS_MAX 16384u

struct pat_dense_dimension {
    int64_t low;            /* the value of cell 1; 0 is null */
    uint32_t cells;         /* null included */
    uint32_t stride;        /* cells of the dimensions before */
    const uint16_t *of_day; /* DAY, MONTH, YEAR: the cell of day low_day + i; else NULL */
    int64_t low_day;
};

/* One thread's scratch: a block of rows, of which only the shown ones have places in the arrays, one behind the other.
 */
struct pat_dense_block {
    uint32_t rows;                   /* shown ones */
    bool whole;                      /* they are all */
    uint16_t row[PAT_BLOCK_ROWS];    /* their places in the block, unless whole */
    uint16_t cell[PAT_BLOCK_ROWS];   /* of each */
    uint16_t bucket[PAT_BLOCK_ROWS]; /* of each, too */
    int64_t value[PAT_BLOCK_ROWS];   /* and this */
    const struct pat_source *of;     /* whose values these are; NULL: nobody's */
    bool any_null;                   /* some value may be null */
    uint64_t magnitude;              /* no value is farther from zero */
};

/* Sums of one thread and measure, on their way to 128 bits. */
struct pat_dense_sums {
    int64_t *sum;    /* [copies * stride], as place_sum has them; NULL: not a sum */
    uint32_t *nulls; /* [cells] rows without a value */
    uint64_t held;   /* no sum is farther from zero */
};

struct pat_dense {
    struct pat_dense_dimension dimension[PAT_GROUP_DIMENSIONS_MAX];
    uint32_t cells;
    uint32_t copies, stride;       /* of counts and sums: see place_count */
    struct pat_dense_block *block; /* [threads] */
    uint32_t *count;               /* [threads * copies * cells] rows, where no histogram has them */
    struct pat_gather *gather;     /* [threads * cells * measures] */
    struct pat_dense_sums *sums;   /* [threads * measures] */
    uint32_t *cell_of;             /* [groups] */
};

/* Sets grouping->dense where that goes, or leaves it NULL. After bounds of the fields can be known. */
enum pat_status pat_dense__plan(struct pat_grouping *grouping) PAT_MUST_CHECK;
/* Fills table, gather, histograms. */
enum pat_status pat_dense__walk(struct pat_grouping *grouping) PAT_MUST_CHECK;
/* The rows of a block whose bits are on, and their cells (dense_block.c). */
void pat_dense__load(const struct pat_grouping *grouping, const uint64_t *bits, pat_row first, uint32_t count,
                     struct pat_dense_block *out);
/* Sets block->value, unless the same field was read before. */
void pat_dense__read(const struct pat_grouping *grouping, const struct pat_source *source, pat_row first,
                     uint32_t count, struct pat_dense_block *block);
/* Least and greatest value that rows of the table may have; false where columns do not say. */
bool pat_source__bounds(const struct pat_run *run, const struct pat_source *source, uint64_t rows, int64_t *low,
                        int64_t *high);

/* ---- percentiles by histogram (histogram.c) ---- */

struct pat_histogram {
    bool exact; /* one value a bucket: low + bucket - 1 */
    int64_t low;
    uint32_t *hits;              /* [threads * cells * PAT_BUCKETS_STRIDE]; bucket 0 is null */
    struct pat_outcome *outcome; /* [groups * measures], of the measures that are this list's */
    struct pat_outcome *total;   /* [measures] */
    struct pat_outcome *rest;    /* [measures]; NULL until asked for */
};

/* Sets list->histogram for each list, or leaves all NULL when that takes more memory than values would. */
enum pat_status pat_histogram__plan(struct pat_grouping *grouping, bool *possible) PAT_MUST_CHECK;
/* Adds the values of the rows in `block`. */
void pat_histogram__add(const struct pat_grouping *grouping, const struct pat_lists *list, pat_row first,
                        uint32_t count, struct pat_dense_block *block, unsigned lane);
/* How many rows a cell has. */
uint64_t pat_histogram__rows(const struct pat_grouping *grouping, const struct pat_lists *list, uint32_t cell);
/* The percentiles of every group and of all, when the groups are known. */
enum pat_status pat_histogram__resolve(struct pat_grouping *grouping, struct pat_lists *list) PAT_MUST_CHECK;
/* Sets list->histogram->rest: those of the groups order[from..], taken as one. */
enum pat_status pat_histogram__rest(struct pat_grouping *grouping, struct pat_lists *list,
                                    uint32_t from) PAT_MUST_CHECK;

#endif
