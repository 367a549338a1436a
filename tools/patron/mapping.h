/* From the cells of a CSV record to the fields of a table: which column feeds which field, and how its text is read.
 *
 * Parsed from --map and its companions before the file is opened, bound to the file's header afterwards. */
#ifndef PATRON_MAPPING_H
#define PATRON_MAPPING_H

#include "cli.h"
#include "csv.h"

#include "base/arena.h"
#include "model/batch.h"
#include "model/schema.h"
#include "model/value.h"

#include <stdbool.h>

/* A table's own fields, amount_minor, those that lines have of their order, and the attributes. */
#define PAT_MAPPING_FIELDS_MAX 128u
_Static_assert(PAT_COLUMNS_MAX + 8u <= PAT_MAPPING_FIELDS_MAX, "every field may be mapped");

struct pat_value_pair {
    struct pat_text old, fresh;
};

struct pat_mapped {
    const char *name;        /* of the field on the wire */
    enum pat_type type;      /* how the server will understand it */
    bool required;           /* of a row whose id is new */
    bool constant;           /* `source` is the value itself */
    struct pat_text source;  /* column name, number, or the constant */
    unsigned column;         /* after binding, unless constant */
    const char *time_format; /* NULL: ISO */
    bool iso;                /* written in ISO form whatever --time-format says of others */
    bool decimal_comma;
    struct pat_value_pair *pair; /* --map-values */
    unsigned pairs;
    bool words; /* its cells may be read as words */
    bool utc;   /* times without an offset are UTC: that is the store's zone */
};

struct pat_mapping {
    enum pat_table_id table;
    const struct pat_table_schema *schema; /* with the attributes that are known */
    struct pat_mapped field[PAT_MAPPING_FIELDS_MAX];
    unsigned fields;
    bool by_header; /* columns named like fields are taken as well */
    bool no_header;
    unsigned file_columns; /* cells that every record must have */
    const char *lacking;   /* after binding: a field that new rows need and nothing feeds, or NULL */
    struct pat_arena *arena;
};

/* Reads --map, --map-values, --time-format, --decimal-comma, --no-header. On PAT_EXIT_USAGE the reason is printed. */
enum pat_exit pat_mapping_parse(struct pat_mapping *mapping, const struct pat_cli *cli,
                                const struct pat_table_schema *schema, struct pat_arena *arena);
/* What becomes of a column that nothing takes: *field is a number in mapping->schema, which may get another one for it,
 * or -1 for leaving the column out; *iso: its times are in ISO form. On anything but PAT_EXIT_OK the reason was
 * printed. */
typedef enum pat_exit (*pat_mapping_spare_cb)(void *context, struct pat_mapping *mapping, unsigned column,
                                              struct pat_text name, int *field, bool *iso);
/* Finds each field's column in the header (without a header: counts the cells of the first record); columns that are
 * left go to spare_cb, if there is one. Notes what is ignored, and what a new row would lack, on stderr. */
enum pat_exit pat_mapping_bind(struct pat_mapping *mapping, const struct pat_cli *cli,
                               const struct pat_csv_record *first, pat_mapping_spare_cb spare_cb, void *context);
/* The field of this name among the mapped ones, or -1. */
int pat_mapping_find(const struct pat_mapping *mapping, const char *name);

/* Why a cell was not taken. */
struct pat_cell_fault {
    enum pat_reject code;
    const char *message; /* static */
};

/* Reads one cell into `out`; texts are copied into `arena`. An empty cell is nil. False: see `fault`. */
bool pat_mapped_read(const struct pat_mapped *mapped, struct pat_text cell, struct pat_arena *arena,
                     struct pat_value *out, struct pat_cell_fault *fault) PAT_MUST_CHECK;
/* Decides which fields are read as words: ids, times, and money beside a currency. `zone` is the store's; in another
 * one than UTC only the server, whose rules for it they are, tells what a time without an offset is. */
void pat_mapping_choose_words(struct pat_mapping *mapping, struct pat_text zone);
/* A cell as the word that it is sent as: an id's number, milliseconds, a decimal that waits for its currency; PAT_NULL
 * for an empty one. False: it is none, and pat_mapped_read says what it is. */
bool pat_mapped_word(const struct pat_mapped *mapped, struct pat_text cell, int64_t *word);
/* What the server would say about the value by itself, as if every row were new: for --dry-run. */
bool pat_mapped_check(const struct pat_mapped *mapped, const struct pat_value *value,
                      struct pat_cell_fault *fault) PAT_MUST_CHECK;

#endif
