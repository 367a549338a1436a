/* The columns of each table: for the files generate_batch*.c. */
#ifndef PATRON_GENERATE_BATCH_PRIVATE_H
#define PATRON_GENERATE_BATCH_PRIVATE_H

#include "generate_batch.h"

enum pat_gen_kind {
    PAT_GEN_KIND_ID,     /* u64, perhaps with PAT_GEN_TEXT_ID */
    PAT_GEN_KIND_TIME,   /* seconds since 1970, UTC; may be null */
    PAT_GEN_KIND_DAY,    /* i32; may be null */
    PAT_GEN_KIND_INT,    /* may be null */
    PAT_GEN_KIND_MONEY,  /* minor units of the row's currency; may be null */
    PAT_GEN_KIND_PRICE,  /* the same, but major units on the wire */
    PAT_GEN_KIND_RATE,   /* pat_decimal */
    PAT_GEN_KIND_CODE8,  /* place in a list of at most 256 names */
    PAT_GEN_KIND_CODE16, /* of more */
};

struct pat_gen_column_kind {
    const char *name, *wire_name; /* wire_name NULL: the same */
    enum pat_gen_kind kind;
    enum pat_gen_list list; /* of codes */
    char letter;            /* before a text id */
    bool versioned;         /* only in a shop with corrections */
};

struct pat_gen_columns {
    const struct pat_gen_column_kind *column;
    unsigned count;
    unsigned currency; /* the column that says what money means */
};

extern const struct pat_gen_columns pat_gen_columns[PAT_GEN_TABLES];

/* Whether the shop has this column at all. */
static inline bool pat_gen_column_used(const struct pat_gen_world *world, const struct pat_gen_column_kind *kind) {
    return !kind->versioned || world->plan->corrections > 0;
}

#endif
