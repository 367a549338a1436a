/* Sources: what a name in a question stands for, as int64 values by row, whether they lie in a column, behind a
 * reference or were computed for this question. */
#ifndef PAT_ANALYTICS_SOURCE_PRIVATE_H
#define PAT_ANALYTICS_SOURCE_PRIVATE_H

#include "analytics/facts_private.h"
#include "analytics/strip_private.h"
#include "kernel/kernel.h"

enum pat_source_kind {
    PAT_SOURCE_STORED,  /* a column of the table, or of the row that references lead to */
    PAT_SOURCE_COUNTRY, /* the profile's, else that of the earliest order */
    PAT_SOURCE_ROW,     /* the number of the row itself */
    PAT_SOURCE_PRODUCT, /* quantity x price of a line, rounded to minor units; `base` as there, else the order's */
    PAT_SOURCE_FACT,    /* pat_facts */
    PAT_SOURCE_RECENCY, /* D - last_order */
    PAT_SOURCE_LIFECYCLE,
    PAT_SOURCE_P_ALIVE, /* pat_lifetime */
    PAT_SOURCE_EXPECTED,
    PAT_SOURCE_CLV,
    PAT_SOURCE_SCORE_R, /* pat_scores */
    PAT_SOURCE_SCORE_F,
    PAT_SOURCE_SCORE_M,
    PAT_SOURCE_GROUP, /* number of the RFM group */
};

struct pat_source {
    const char *name;
    const char *explain;
    const char *unit;
    enum pat_type type; /* a REF reads as the ID it leads to */
    enum pat_source_kind kind;
    enum pat_table_id table; /* whose rows are walked */

    /* STORED: refs[0..hops) lead from `table` to `home`, where `column` is. */
    unsigned hops;
    unsigned ref[2];
    enum pat_table_id ref_table[2]; /* where ref[i] leads */
    enum pat_table_id home;
    unsigned column;

    enum pat_fact fact;
    bool base;         /* MONEY: minor units of the base currency; else of the row's own */
    bool minor;        /* asked for as NAME_minor */
    bool null_is_zero; /* flags: unset means false */
    bool profile;      /* holds the present only */
    bool dated;        /* a date of its own: hidden while it is after D */
    bool
        of_customer; /* asked for as customer.NAME: `table` has the facts, everything else here is of their customers */
};

/* Base money of the rows walked, not of their customers: null where there is no rate. */
static inline bool pat_source__row_money(const struct pat_source *source) {
    return source->type == PAT_TYPE_MONEY && source->base && source->table != PAT_CUSTOMERS && !source->of_customer;
}

/* What a name is used for decides what is said beside the answer. */
enum pat_source_use {
    PAT_USE_FILTER, /* decides who is in */
    PAT_USE_ORDER,  /* decides who comes first */
    PAT_USE_SHOWN,  /* is printed or summed */
};

/* Finds `name` among the fields of `table` and notes on the run what it needs. `offset` is the byte of the name in the
 * text it came from, -1 for none. Fails: PAT_ERR_UNKNOWN_FIELD with the nearest name. */
enum pat_status pat_source__find(struct pat_run *run, enum pat_table_id table, struct pat_text name, int64_t offset,
                                 enum pat_source_use use, struct pat_source *out) PAT_MUST_CHECK;
/* The source of a loadable column of the table's own; it must have a name. */
struct pat_source pat_source__of_column(enum pat_table_id table, unsigned column);
/* The source of the attribute in column `own_columns + place`; false behind the last one. */
bool pat_source__of_attribute(const struct pat_run *run, enum pat_table_id table, unsigned place,
                              struct pat_source *out);

/* Base money of orders, refunds or lines. */
struct pat_source pat_source__net(enum pat_table_id table);
/* The customer of each row of `table`, as a row of customers. */
struct pat_source pat_source__customer_row(enum pat_table_id table);
/* Amounts of lines (source_line.c). */
void pat_source__read_products(const struct pat_run *run, const struct pat_source *source, pat_row first,
                               uint32_t count, int64_t *out);

/* Computes the facts and scores that found names need. Before any read of them. */
enum pat_status pat_run__need(struct pat_run *run) PAT_MUST_CHECK;
/* The life cycle of everybody; lifetime facts must be there. */
enum pat_status pat_run__need_lifecycle(struct pat_run *run) PAT_MUST_CHECK;

/* Values of rows first .. first + count - 1, count <= PAT_BLOCK_ROWS. */
void pat_source__read(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                      int64_t *out);
/* The block of rows that starts at `first`, a multiple of PAT_BLOCK_ROWS, as it lies in a column; false where the
 * values have to be worked out. */
bool pat_source__strip(const struct pat_run *run, const struct pat_source *source, pat_row first,
                       struct pat_strip *out);
/* The cells of customers from `first` on, and what each of the cells says; NULL for what no cell tells. */
const uint8_t *pat_source__cells(const struct pat_run *run, const struct pat_source *source, pat_row first,
                                 int64_t value[PAT_WINDOW_CELLS]);
int64_t pat_source__get(const struct pat_run *run, const struct pat_source *source, pat_row row);

/* TEXT and SET: how many codes there are, and what one means. */
uint32_t pat_source__codes(const struct pat_run *run, const struct pat_source *source);
struct pat_text pat_source__text(const struct pat_run *run, const struct pat_source *source, int64_t code);

/* <0, 0, >0 as people order such values: ids numerically before texts, texts bytewise. Neither is null. */
int pat_source__compare(const struct pat_run *run, const struct pat_source *source, int64_t a, int64_t b);
/* How an answer carries `value` of `row`. */
struct pat_value pat_source__value(struct pat_run *run, const struct pat_source *source, pat_row row, int64_t value);

/* Key of the word of an id column, and the order of keys. */
struct pat_id_key pat_id__key(const struct pat_view *view, int64_t word);
int pat_id__compare(struct pat_id_key a, struct pat_id_key b);
struct pat_value pat_id__value(struct pat_run *run, int64_t word);

/* Digits of the currency of a row of orders, lines or refunds; 2 where none is set. */
unsigned pat_row__digits(const struct pat_view *view, enum pat_table_id table, pat_row row);

/* Names of `table`'s fields for lists in messages: at most `capacity`; gives how many. */
unsigned pat_source__names(const struct pat_run *run, enum pat_table_id table, const char **names, unsigned capacity);

/* The group names in use: of the run's map, or of the mean split. NULL with an error when there is no such map. */
struct pat_group_names {
    uint32_t count;
    const struct pat_rfm_map *map; /* NULL for the mean split */
};
enum pat_status pat_run__group_names(const struct pat_run *run, struct pat_group_names *out) PAT_MUST_CHECK;
const char *pat_group__name(const struct pat_group_names *names, uint32_t group);

#endif
