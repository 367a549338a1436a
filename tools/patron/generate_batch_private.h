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
    PAT_GEN_KIND_BOOL,   /* 0, 1 or null */
    PAT_GEN_KIND_TENTHS, /* a decimal with one digit behind its mark, times ten; may be null */
    PAT_GEN_KIND_BASE,   /* minor units of the base currency; may be null */
    PAT_GEN_KIND_CODE8,  /* place in a list of at most 256 names */
    PAT_GEN_KIND_CODE16, /* of more */
};

/* In which shops a column is. */
enum pat_gen_when {
    PAT_GEN_ALWAYS,
    PAT_GEN_WITH_CORRECTIONS,
    PAT_GEN_WITH_RATE_CORRECTIONS,
    PAT_GEN_WITH_DUTIES,
    PAT_GEN_WITH_ATTRIBUTES,
};

struct pat_gen_column_kind {
    const char *name, *wire_name; /* wire_name NULL: the same */
    enum pat_gen_kind kind;
    enum pat_gen_list list; /* of codes */
    char letter;            /* before a text id */
    enum pat_gen_when when;
};

struct pat_gen_columns {
    const struct pat_gen_column_kind *column;
    unsigned count;
    unsigned currency;      /* the column that says what money means */
    unsigned attribute;     /* the first one; they are the last columns */
    enum pat_gen_draw draw; /* of the attributes */
};

extern const struct pat_gen_columns pat_gen_columns[PAT_GEN_TABLES];

/* Whether the shop has this column at all. */
static inline bool pat_gen_column_used(const struct pat_gen_world *world, const struct pat_gen_column_kind *kind) {
    const struct pat_gen_plan *plan = world->plan;
    switch (kind->when) {
    case PAT_GEN_WITH_CORRECTIONS: return plan->corrections > 0;
    case PAT_GEN_WITH_RATE_CORRECTIONS: return plan->rate_corrections > 0;
    case PAT_GEN_WITH_DUTIES: return plan->duties;
    case PAT_GEN_WITH_ATTRIBUTES: return plan->attributes;
    case PAT_GEN_ALWAYS: break;
    }
    return true;
}

/* Fills the attributes of the row that is being added; `number` tells it from all others of its table. */
void pat_gen_batch__add_attributes(struct pat_gen_batch *batch, uint64_t number);

#endif
