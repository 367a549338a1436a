/* Inside the append_*.c files: new rows of a batch, column by column. */
#ifndef PAT_INGEST_APPEND_PRIVATE_H
#define PAT_INGEST_APPEND_PRIVATE_H

#include "ingest/ingest_private.h"

/* ---- append.c ---------------------------------------------------------------------------------------------------- */

/* Rows of a batch that are taken at once, and which of them are new. */
struct append {
    struct apply *apply;
    struct pat_store *store;
    struct pat_table *table; /* of the batch */
    uint32_t first, rows;    /* of the batch */
    pat_row *row;            /* [rows] in the table */
    uint32_t *fresh;         /* the new ones, as places among the `rows` */
    uint32_t *known;         /* the others */
    uint32_t count, known_count;
    pat_row first_row;  /* of the new ones in the table */
    int64_t *value;     /* [rows] a column on its way into the table */
    unsigned char *end; /* of the scratch that is given out */
    bool done[PAT_COLUMNS_MAX];
};

/* Bytes of scratch that pat_append__open takes for `rows` rows and `bytes_each` more for each. */
size_t pat_append__bytes(uint32_t rows, size_t bytes_each);
/* Takes scratch and claims the ids of the rows: column 0 of the table has the new ones. */
struct append pat_append__open(struct apply *apply, uint32_t first, uint32_t rows, size_t bytes_each);
/* Scratch for [rows] of `size` bytes each. */
void *pat_append__array(struct append *append, size_t size);
/* The new rows' values of a column of the batch, put into `room` if they do not stand side by side; NULL when the batch
 * does not have the column. */
const int64_t *pat_append__lane(const struct append *append, int field, int64_t *room);
/* Appends all columns of the batch that are not done, as the store holds them. */
void pat_append__sent(struct append *append);
/* Appends a column whose values were worked out. */
void pat_append__column(struct append *append, unsigned column, const int64_t *values);
void pat_append__constant(struct append *append, unsigned column, int64_t value);
/* Nulls in all columns that are not done; the rows are there then. */
void pat_append__close(struct append *append);

/* ---- owners.c ---------------------------------------------------------------------------------------------------- */

/* Facts by their owners, so that each owner's chunk is visited once. */
struct owners {
    uint64_t *item, *spare; /* owner << 32 | number of the fact; ascending when sorted */
    uint32_t items;
    pat_row *row;  /* each owner once, ascending */
    uint32_t *end; /* of its facts among the items */
    uint32_t count;
};
#define OWNERS_BYTES_EACH (2 * sizeof(uint64_t) + 2 * sizeof(uint32_t))

struct owners pat_owners__open(struct append *append);
/* Sorts items by the owner in their upper half, below `rows`; equal owners keep their order, if the lower halves
 * ascend. Gives where the result is: `item` or `spare`. */
uint64_t *pat_owners__sort(uint64_t *item, uint64_t *spare, uint32_t count, pat_row rows);
/* `fact`s come in ascending order. */
static inline void pat_owners__add(struct owners *owners, pat_row owner, uint32_t fact) {
    owners->item[owners->items++] = (uint64_t)owner << 32 | fact;
}
/* Sorts and lists; owners are below `rows`. */
void pat_owners__settle(struct owners *owners, pat_row rows);

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

static inline void pat_kept__low(int64_t *low, int64_t value) {
    if (*low == PAT_NULL || value < *low) *low = value;
}
static inline void pat_kept__high(int64_t *high, int64_t value) {
    if (value > *high) *high = value; /* null is the least integer */
}
static inline int64_t pat_kept__or_zero(int64_t value) {
    return value == PAT_NULL ? 0 : value;
}
static inline int64_t pat_kept__or_null(int64_t count) {
    return count == 0 ? PAT_NULL : count;
}
/* A sum that is held at a bound, or comes there: then the facts must be asked. */
static inline bool pat_kept__is_held(pat_int128 net) {
    return net >= INT64_MAX || net <= -(pat_int128)INT64_MAX;
}
/* True when somebody whom only facts name begins to exist with the first one. `before`, `after`: day of the first fact.
 */
bool pat_kept__begins(const struct pat_table *customers, pat_row customer, int64_t before, int64_t after);

#endif
