/* Rows of one table on their way out: column by column, as the wire wants them and as CSV is written from them.
 *
 * A batch is filled by one thread, prepared by the same (`pat_gen_batch_values` or `pat_gen_batch_csv`), and then
 * handed over. It keeps its memory from one use to the next. */
#ifndef PATRON_GENERATE_BATCH_H
#define PATRON_GENERATE_BATCH_H

#include "generate_shop.h"
#include "generate_world.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

/* Those of orders, the widest table. */
#define PAT_GEN_COLUMNS_MAX 25u

struct pat_gen_column {
    union {
        int64_t *wide;
        int32_t *day;
        uint16_t *code16;
        uint8_t *code8;
        void *any;
    } at;                 /* [capacity]; NULL where the shop has no such column */
    unsigned char *nulls; /* bitmap; NULL where the kind has none */
    bool any_null, any_value, any_text_id;
};

struct pat_gen_batch {
    enum pat_gen_table table;
    const struct pat_gen_world *world;
    uint32_t rows, capacity;
    struct pat_gen_column column[PAT_GEN_COLUMNS_MAX];
    struct pat_arena memory;  /* of the columns */
    struct pat_arena arena;   /* of `values` */
    struct pat_value columns; /* after pat_gen_batch_values */
    struct pat_buf text;      /* after pat_gen_batch_csv */
    uint64_t seq;             /* set by the sink */
    unsigned tries;
    struct pat_gen_batch *next; /* in a list: of the pool, of a unit */
};

struct pat_gen_batch *pat_gen_batch_new(const struct pat_gen_world *world, enum pat_gen_table table);
void pat_gen_batch_free(struct pat_gen_batch *batch);
/* Makes it empty. */
void pat_gen_batch_clear(struct pat_gen_batch *batch);

/* Add rows; the batch has room for batch_rows of its plan, twice that for customers, and for all lines of as many
 * orders. */
void pat_gen_batch_add_fx(struct pat_gen_batch *batch, uint32_t day, unsigned currency, int64_t decimal,
                          int64_t version);
void pat_gen_batch_add_customer(struct pat_gen_batch *batch, const struct pat_gen_profile *profile, int64_t version);
void pat_gen_batch_add_order(struct pat_gen_batch *batch, const struct pat_gen_order *order);
void pat_gen_batch_add_refund(struct pat_gen_batch *batch, const struct pat_gen_order *order, unsigned which);
void pat_gen_batch_add_line(struct pat_gen_batch *batch, const struct pat_gen_order *order,
                            const struct pat_gen_line *line, unsigned number);

/* Makes `columns` as load.TABLE takes them; they borrow from the batch. */
enum pat_status pat_gen_batch_values(struct pat_gen_batch *batch) PAT_MUST_CHECK;
/* Makes `text`: the rows as CSV, without a header. */
enum pat_status pat_gen_batch_csv(struct pat_gen_batch *batch) PAT_MUST_CHECK;
/* Name and type of the attribute at `place` of a table, as schema.add has them; false behind the last one. */
bool pat_gen_attribute(enum pat_gen_table table, unsigned place, const char **name, const char **type);
enum pat_status pat_gen_batch_csv_header(const struct pat_gen_world *world, enum pat_gen_table table,
                                         struct pat_buf *out) PAT_MUST_CHECK;

#endif
