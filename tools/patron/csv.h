/* CSV as people have it: byte-order mark, CRLF, LF or CR, quoted cells with newlines and doubled quotes, any delimiter.
 *
 * One pass over a sliding window of the input; a record's cells point into the window. A quote counts only at the start
 * of a cell. Blank lines are skipped. Lines are counted as an editor counts them, so a quoted newline counts.
 *
 * Most files are plain: no quotes, every line as many cells. Such lines are given many at a time (pat_csv_rows), as the
 * places where their cells end; whatever is not plain is read record by record (pat_csv_next), which means the same. */
#ifndef PATRON_CSV_H
#define PATRON_CSV_H

#include "input.h"

#include "base/buf.h"
#include "base/status.h"
#include "base/text.h"
#include "kernel/kernel.h"

#include <stdbool.h>
#include <stdint.h>

/* A record longer than this is a quote that was never closed, or no CSV. */
#define PAT_CSV_RECORD_BYTES_MAX ((size_t)1 << 20)
#define PAT_CSV_CELLS_MAX        4096u

struct pat_csv_record {
    const struct pat_text *cell; /* valid until the next record is read, as is all else */
    unsigned cells;
    struct pat_text raw; /* without the line end */
    uint64_t line;       /* of its first byte, from 1 */
    const char *fault;   /* NULL, or what is wrong with this record alone */
};

/* Plain records, one line each, one behind the other in the window. Places count from `text`; cell c of row r begins
 * behind end[r * stride + c], before the first one UINT32_MAX, and ends at end[r * stride + c + 1]. */
struct pat_csv_rows {
    const char *text; /* PAT_CSV_BEHIND bytes behind its last row may be read */
    const uint32_t *end;
    unsigned rows, stride;
    unsigned cells; /* in each row */
    uint64_t line;  /* of the first one */
};
#define PAT_CSV_BEHIND 16u

struct pat_csv {
    struct pat_input *input;
    char delimiter;
    unsigned char *window; /* [at, end) is not parsed yet */
    size_t capacity, at, end;
    bool eof;
    bool begun;
    bool sampling;  /* what is not in the window is not there */
    uint64_t line;  /* of window[at] */
    uint64_t marks; /* bit by byte of the 64 from window[marked] on: ends a plain cell, or cannot stand in one */
    size_t marked;  /* SIZE_MAX: of none yet */
    struct pat_text *cell;
    bool *doubled; /* cell i has doubled quotes to undo */
    unsigned cell_capacity;
    struct pat_buf scratch; /* cells with doubled quotes undone */
    const struct pat_kernels *kernels;
    uint32_t *ends;           /* of pat_csv_rows; ends[0] stands before the text */
    size_t look_bytes;        /* how much of the window is looked at for plain rows at once */
    unsigned wait, wait_next; /* records before plain rows are looked for again; and after that */
};

enum pat_status pat_csv_init(struct pat_csv *csv, struct pat_input *input, char delimiter,
                             struct pat_error *error) PAT_MUST_CHECK;
void pat_csv_deinit(struct pat_csv *csv);

/* The next record; *more is false at the end. Fails for what is no CSV at all (PAT_ERR_BAD_REQUEST naming the line) and
 * as pat_input_read does. */
enum pat_status pat_csv_next(struct pat_csv *csv, struct pat_csv_record *record, bool *more,
                             struct pat_error *error) PAT_MUST_CHECK;

/* Looks for plain records of `cells` cells where the next record begins: up to some ten KiB of them, and none where it
 * is another kind of record or the window has no whole one, which pat_csv_next then reads. Valid until that is called.
 */
unsigned pat_csv_rows(struct pat_csv *csv, unsigned cells, struct pat_csv_rows *rows);
/* Passes over the first `count` of them. */
void pat_csv_pass(struct pat_csv *csv, const struct pat_csv_rows *rows, unsigned count);

/* Shows the first records, at most `records` of those that the window holds when it is filled for the first time (a
 * MiB, or all of a smaller file), and begins again. Before any pat_csv_next. Fails as that does. */
typedef void (*pat_csv_sample_cb)(void *context, const struct pat_csv_record *record);
enum pat_status pat_csv_sample(struct pat_csv *csv, unsigned records, pat_csv_sample_cb sample_cb, void *context,
                               struct pat_error *error) PAT_MUST_CHECK;

#endif
