/* What became of the rows of a load: totals that add up, reasons of the rejected ones, the file of rejected rows. */
#ifndef PATRON_TALLY_H
#define PATRON_TALLY_H

#include "batch_build.h"
#include "cli.h"

#include "model/value.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Fields times the few things that can be wrong with one; what is beyond counts with the last. */
#define PAT_TALLY_REASONS_MAX 128u

struct pat_tally_reason {
    char field[PAT_ERROR_FIELD_BYTES];
    char code[32];
    uint64_t rows;
    uint64_t line; /* of the first known one, 0 = none */
    char message[160];
};

/* A rejected row in the file of them. */
struct pat_tally_place {
    uint64_t line;
    off_t start, bytes; /* bytes: only once all are there */
};

struct pat_tally {
    uint64_t rows, fresh, updated, duplicate, stale, rejected;
    uint64_t repeated;        /* rows of batches that the server knew and no longer has the answer of */
    uint64_t orders, refunds; /* lines: made by batches that replace */
    uint64_t appended_rows;
    uint64_t batches, batches_known; /* known: sent by an earlier run */
    uint64_t line_after;             /* line of the file behind the furthest batch answered */
    struct pat_tally_reason reason[PAT_TALLY_REASONS_MAX];
    unsigned reasons;
    char sync[16];
    FILE *rejects; /* NULL: no file of them wanted */
    const char *rejects_path;
    struct pat_tally_place
        *place; /* where each stands in the file, as written; NULL when there is no memory for that */
    size_t places, places_capacity;
    bool places_lost, unordered;
    uint64_t rejects_unnamed; /* rejected rows that the server did not name one by one */
};

/* Starts the rejects file with its header. */
enum pat_status pat_tally_init(struct pat_tally *tally, const char *rejects_path,
                               struct pat_error *error) PAT_MUST_CHECK;
/* Closes the rejects file, its rows brought into the order of their lines when it is a file on disk; PAT_ERR_IO when
 * not all of it could be written. */
enum pat_status pat_tally_deinit(struct pat_tally *tally, struct pat_error *error) PAT_MUST_CHECK;
/* Rows that were not taken on this side. */
void pat_tally_local(struct pat_tally *tally, const struct pat_build *build);
/* Rows of a dry run: they count as read. */
void pat_tally_dry(struct pat_tally *tally, const struct pat_build *build);
/* The server's answer to a batch. `known`: an earlier run had sent it already. */
void pat_tally_answer(struct pat_tally *tally, const struct pat_build *build, const struct pat_value *answer,
                      bool known);

struct pat_load_report {
    const char *file, *table, *producer; /* producer NULL in a dry run */
    double seconds;
    bool dry_run;
    const struct pat_mapping *mapping;
};
void pat_tally_print(const struct pat_tally *tally, const struct pat_cli *cli, const struct pat_load_report *report);
/* "1,234,567" */
const char *pat_count_text(uint64_t count, char out[32]);

#endif
