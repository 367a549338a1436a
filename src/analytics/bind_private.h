/* A filter with its names bound to sources and its values turned into what those hold, and its evaluation. */
#ifndef PAT_ANALYTICS_BIND_PRIVATE_H
#define PAT_ANALYTICS_BIND_PRIVATE_H

#include "analytics/source_private.h"

enum pat_bound_kind {
    PAT_BOUND_TRUE,
    PAT_BOUND_FALSE,
    PAT_BOUND_AND,
    PAT_BOUND_OR,
    PAT_BOUND_NOT,
    PAT_BOUND_NULL,
    PAT_BOUND_SPANS,  /* integers of any meaning: sorted, apart from each other */
    PAT_BOUND_MEMBER, /* dictionary codes */
    PAT_BOUND_RANGES, /* ids and decimals, which order by a function: sorted */
};

struct pat_span {
    int64_t first, last; /* both included; first > last holds nothing */
};

/* The value of an id or a decimal. */
union pat_key {
    struct pat_id_key id;
    pat_decimal decimal;
};

struct pat_range {
    bool has_low, has_high;   /* else open-ended */
    bool open_low, open_high; /* the end itself is outside */
    union pat_key low, high;
};

struct pat_bound {
    enum pat_bound_kind kind;
    bool outside; /* leaf: values that are set and not in it */
    struct pat_source source;
    const struct pat_span *span;
    const struct pat_range *range;
    uint32_t spans, ranges;
    const uint64_t *set;
    size_t set_bits;
    const struct pat_bound *const *child;
    uint32_t children;
};

/* Fails: PAT_ERR_UNKNOWN_FIELD, PAT_ERR_BAD_REQUEST (a value or operator that does not go with the field, with its
 * offset), PAT_ERR_NO_MEMORY. Values that a dictionary does not have are warnings. */
enum pat_status pat_bind__filter(struct pat_run *run, enum pat_table_id table, const struct pat_filter *filter,
                                 const struct pat_bound **out) PAT_MUST_CHECK;

/* ---- literals (literal.c) ---- */

/* The values that `literal` means for a source of type BOOL, INT, MONEY, DAY or TIME: a date means all instants of its
 * day, 2.5 lies between 2 and 3 and means none (first = 3, last = 2). */
enum pat_status pat_literal__span(struct pat_run *run, const struct pat_source *source,
                                  const struct pat_literal *literal, struct pat_span *out) PAT_MUST_CHECK;
/* The same for ID and DECIMAL. */
enum pat_status pat_literal__key(struct pat_run *run, const struct pat_source *source,
                                 const struct pat_literal *literal, union pat_key *out) PAT_MUST_CHECK;
/* The text meant for TEXT and SET. */
enum pat_status pat_literal__text(struct pat_run *run, const struct pat_source *source,
                                  const struct pat_literal *literal, struct pat_text *out) PAT_MUST_CHECK;
/* Numbers of bin(): minor units for base money, the number itself for integers; fractions fail. */
enum pat_status pat_literal__bin_edge(struct pat_run *run, const struct pat_source *source, struct pat_text text,
                                      int64_t *out) PAT_MUST_CHECK;

/* ---- evaluation (predicate.c) ---- */

/* Order of two keys of a source's type. */
int pat_key__compare(const struct pat_source *source, const union pat_key *a, const union pat_key *b);
/* and = and & rows of the table that the filter selects. NOT and IS NULL are complements within `and`. */
enum pat_status pat_predicate__restrict(struct pat_run *run, enum pat_table_id table, const struct pat_bound *bound,
                                        uint64_t *bits) PAT_MUST_CHECK;
/* Binds the population filter of the RFM spec once, noting what it needs. Fails: PAT_ERR_BAD_REQUEST when it asks for
 * scores; like a filter otherwise. */
enum pat_status pat_population__bind(struct pat_run *run) PAT_MUST_CHECK;
/* Applies it, where there is one; what it needs is there. */
enum pat_status pat_population__restrict(struct pat_run *run, uint64_t *bits) PAT_MUST_CHECK;
/* Binds `where` over customers, computes what it needs, and sets run->shown. */
enum pat_status pat_run__where(struct pat_run *run) PAT_MUST_CHECK;

#endif
