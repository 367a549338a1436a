/* CSV as people have it: byte-order mark, CRLF, LF or CR, quoted cells with newlines and doubled quotes, any delimiter.
 *
 * One pass over a sliding window of the input; a record's cells point into the window. A quote counts only at the start
 * of a cell. Blank lines are skipped. Lines are counted as an editor counts them, so a quoted newline counts. */
#ifndef PATRON_CSV_H
#define PATRON_CSV_H

#include "input.h"

#include "base/buf.h"
#include "base/status.h"
#include "base/text.h"

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
};

enum pat_status pat_csv_init(struct pat_csv *csv, struct pat_input *input, char delimiter,
                             struct pat_error *error) PAT_MUST_CHECK;
void pat_csv_deinit(struct pat_csv *csv);

/* The next record; *more is false at the end. Fails for what is no CSV at all (PAT_ERR_BAD_REQUEST naming the line) and
 * as pat_input_read does. */
enum pat_status pat_csv_next(struct pat_csv *csv, struct pat_csv_record *record, bool *more,
                             struct pat_error *error) PAT_MUST_CHECK;

/* Shows the first records, at most `records` of those that the window holds when it is filled for the first time (a
 * MiB, or all of a smaller file), and begins again. Before any pat_csv_next. Fails as that does. */
typedef void (*pat_csv_sample_cb)(void *context, const struct pat_csv_record *record);
enum pat_status pat_csv_sample(struct pat_csv *csv, unsigned records, pat_csv_sample_cb sample_cb, void *context,
                               struct pat_error *error) PAT_MUST_CHECK;

#endif
