/* A batch of rows on its way to the server: columns are filled cell by cell and turned into the request's parameters.
 *
 * Ids, times and amounts are read as words (batch_words.h). Each other column starts out with a dictionary of the texts
 * it has met: a text is read once, however often it comes, and names go over the wire once. A column in which most
 * texts differ gives that up, for this batch and all later ones; so does one of words in which many are none (the
 * memory of that are the habits of whoever builds the batches). The same file gives the same batches: nothing here
 * depends on time. */
#ifndef PATRON_BATCH_BUILD_H
#define PATRON_BATCH_BUILD_H

#include "batch_words.h"
#include "mapping.h"

#include "base/arena.h"
#include "base/buf.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

/* A record's own text in raw_text. */
struct pat_build_raw {
    size_t start, bytes;
};

/* A row that was not taken here, before the server saw it. */
struct pat_local_reject {
    uint64_t line;
    const char *field;    /* "" when none */
    const char *code;     /* "BAD_TIME", or "BAD_ROW" for what is no row at all */
    const char *message;  /* static; goes on from `cell` */
    struct pat_text cell; /* its beginning; empty when the message is about no cell */
    struct pat_build_raw raw;
};

/* Room for a reason and the beginning of the cell it is about. */
#define PAT_LOCAL_MESSAGE_BYTES 160u
/* "'1,50' is no number" */
const char *pat_local_message(const struct pat_local_reject *reject, char out[PAT_LOCAL_MESSAGE_BYTES]);

/* A text of up to sixteen bytes as two words, so that texts are compared without a look at their bytes; of a longer one
 * its digest. Texts of one length and word are equal unless they are longer. */
struct pat_build_key {
    uint64_t low, high;
};

/* A text of up to sixteen bytes, zeros behind it, whose place in the dictionary is `place` - 1; 0: none. */
struct pat_build_known {
    struct pat_build_key key;
    uint64_t place;
};

struct pat_build_column {
    bool as_words; /* `words` and nothing else */
    struct pat_words words;
    bool plain;
    struct pat_value *item;    /* [rows] when plain */
    uint32_t *code;            /* [rows] otherwise */
    struct pat_text *text;     /* [dict] as written in the file */
    struct pat_build_key *key; /* [dict] */
    struct pat_value *dict;    /* [dict] as sent */
    uint8_t *fault;            /* [dict] 0, or 1 + enum pat_reject */
    const char **message;      /* [dict] */
    uint32_t dict_count, dict_capacity;
    uint32_t last;  /* place of the last cell's text */
    uint32_t *slot; /* hash of dict places + 1; slot_mask + 1 of them */
    uint32_t slot_mask;
    struct pat_build_known *known; /* short texts met last, when read a column at a time; NULL: none yet */
};

/* What columns have learned, for the batches to come. */
struct pat_build_habits {
    bool plain[PAT_MAPPING_FIELDS_MAX];
    bool no_words[PAT_MAPPING_FIELDS_MAX];
    uint32_t rows; /* of the longest batch so far */
};

struct pat_build {
    struct pat_arena arena;
    const struct pat_mapping *mapping;
    struct pat_build_column column[PAT_MAPPING_FIELDS_MAX];
    int64_t *position;         /* [rows] `line` within the order, when the file has none; else NULL */
    uint64_t *line;            /* [rows] of the file */
    struct pat_build_raw *raw; /* [rows], when kept */
    struct pat_buf raw_text;
    uint32_t rows, capacity;
    uint32_t rows_first; /* room to begin with */
    bool dict_grew;      /* since dictionaries were looked at */
    size_t bytes;        /* of cells */
    struct pat_local_reject *reject;
    uint32_t rejects, reject_capacity;
    bool append, keep_raw, with_position;
    bool check;               /* dry run: judge values as the server would */
    uint64_t seq;             /* 0: nothing to send, only rejects to count */
    uint64_t line_after;      /* first line of the file behind this batch */
    uint64_t input_bytes;     /* read of the file so far, for the progress bar */
    struct pat_value columns; /* once finished */
    unsigned tries;           /* times it was sent */
};

struct pat_build *pat_build_new(const struct pat_mapping *mapping, bool keep_raw, bool with_position, bool append,
                                bool check, const struct pat_build_habits *habits);
void pat_build_free(struct pat_build *build);

/* Adds a row, or a reject when one of its cells cannot be read. `position` is used with_position. */
enum pat_status pat_build_add(struct pat_build *build, const struct pat_csv_record *record, int64_t position,
                              struct pat_error *error) PAT_MUST_CHECK;
/* Adds plain rows, `count` of them from row `first` on, column by column, as pat_build_add would one by one; *added of
 * them: the next one cannot be read, and is for pat_build_add. Not with_position, keep_raw or check. */
enum pat_status pat_build_add_rows(struct pat_build *build, const struct pat_csv_rows *rows, unsigned first,
                                   unsigned count, unsigned *added, struct pat_error *error) PAT_MUST_CHECK;
/* Adds a row that is none: wrong number of cells and the like. `message` is static. */
enum pat_status pat_build_reject(struct pat_build *build, const struct pat_csv_record *record, const char *field,
                                 const char *code, const char *message, struct pat_error *error) PAT_MUST_CHECK;

/* Notes in `habits` what the columns have shown. */
void pat_build_learn(const struct pat_build *build, struct pat_build_habits *habits);

/* Makes `columns` as the wire has them, in the build's arena. */
enum pat_status pat_build_finish(struct pat_build *build, struct pat_error *error) PAT_MUST_CHECK;

#endif
