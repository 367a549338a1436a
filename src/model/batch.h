/* A batch of rows on its way into the store: first as it was sent (pat_load), then typed (pat_batch).
 *
 * The typed form is what the journal keeps, so it holds nothing that depends on when or where it is read: instants are
 * seconds UTC, texts are in the batch's own dictionaries, rejected rows are already left out. */
#ifndef PAT_MODEL_BATCH_H
#define PAT_MODEL_BATCH_H

#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"
#include "model/limits.h"
#include "model/schema.h"
#include "model/types.h"
#include "model/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- as sent ---------------------------------------------------------------------------------------------------- */

struct pat_kernels;

/* load.TABLE's parameters, checked for shape only; values are borrowed from the frame. */
struct pat_load {
    enum pat_table_id table;
    struct pat_text producer;
    uint64_t seq;
    bool skip_bad;                         /* on_error: "skip" */
    bool append;                           /* mode: "append" (lines) */
    struct pat_text meta;                  /* text or bin, may be empty */
    uint32_t errors_max;                   /* how many row errors to report back */
    const struct pat_value *columns;       /* map of field -> array, bin, {bin, nulls} or {dict, codes} */
    const struct pat_table_schema *schema; /* what names are looked up in; NULL: the table without attributes */
    const struct pat_kernels *kernels;     /* with which values are converted; NULL: scalar */
};

/* ---- typed ------------------------------------------------------------------------------------------------------ */

/* Why a row was not taken. Stable names on the wire (pat_reject_code). */
enum pat_reject {
    PAT_REJECT_MISSING,   /* MISSING: a required field is null or absent */
    PAT_REJECT_BAD_ID,    /* BAD_ID */
    PAT_REJECT_BAD_TYPE,  /* BAD_TYPE: a map where a number belongs */
    PAT_REJECT_BAD_TIME,  /* BAD_TIME: not a time or day, or an impossible one */
    PAT_REJECT_FUTURE,    /* FUTURE: more than a day ahead of the clock */
    PAT_REJECT_BAD_MONEY, /* BAD_MONEY: not an amount, too many digits, below zero where that cannot be */
    PAT_REJECT_BAD_CURRENCY,
    PAT_REJECT_BAD_VALUE, /* BAD_VALUE: anything else out of its range */
    PAT_REJECT_TOO_LONG,
    PAT_REJECT_CONFLICT, /* CONFLICT: contradicts another row or field */
    PAT_REJECTS
};
const char *pat_reject_code(enum pat_reject reject);

struct pat_row_error {
    uint32_t row; /* of the batch as sent */
    enum pat_reject code;
    const char *field; /* "" when none; static or in the batch's arena */
    struct pat_text message;
};

/* Rejected rows by (field, code): what a load prints at its end. */
struct pat_reject_count {
    const char *field;
    enum pat_reject code;
    uint32_t rows;
};

/* One column: `value[row]` as model/schema.h types say, with two differences. TEXT and SET hold an index into `dict`;
 * ID and REF hold the number (>= 0) or ~index into `dict`. PAT_NULL clears. MONEY holds minor units once `ready`. */
struct pat_batch_column {
    int field;          /* number from pat_schema_find */
    enum pat_type type; /* what it was typed as; what an attribute is stands in no list but the store's */
    int64_t *value;
    struct pat_text *dict;
    uint32_t dict_count;
    bool decimal; /* MONEY or AMOUNT still as pat_decimal: the digits of the row's currency are not known yet */
};

struct pat_rejects;

struct pat_batch {
    enum pat_table_id table;
    uint32_t rows; /* rows taken; rejected ones are gone */
    uint32_t rows_sent;
    uint32_t columns;
    struct pat_batch_column *column;
    bool append;
    int64_t now_ms; /* clock when it was accepted */

    struct pat_text producer;
    uint64_t seq;
    struct pat_text meta;
    struct pat_digest digest; /* of the content as sent, for (producer, seq) sent again */

    uint32_t rejected;
    const struct pat_row_error *error; /* the first ones */
    uint32_t errors;
    const struct pat_reject_count *reject;
    uint32_t rejects;
    struct pat_rejects *judging; /* ingest's own, between prepare and validate */
};

/* The column of a field, or NULL when the batch does not have it. */
struct pat_batch_column *pat_batch_find(const struct pat_batch *batch, int field);

/* Row errors and reject counts as bytes, for the journal and for repeated answers; and back, into the arena, setting
 * batch->error(s) and batch->reject(s). PAT_ERR_CORRUPT when the bytes make no sense. */
struct pat_buf;
struct pat_reader;
struct pat_arena;
enum pat_status pat_batch_errors_write(const struct pat_batch *batch, struct pat_buf *out) PAT_MUST_CHECK;
enum pat_status pat_batch_errors_read(struct pat_batch *batch, struct pat_reader *reader,
                                      struct pat_arena *arena) PAT_MUST_CHECK;

/* What applying a batch gave. rows_sent = fresh + updated + duplicate + stale + rejected. */
struct pat_batch_outcome {
    pat_lsn lsn;
    uint32_t rows, fresh, updated, duplicate, stale, rejected;
    uint32_t orders, refunds; /* lines: orders and refunds that the batch's lines made: they were not there before */
};

#endif
