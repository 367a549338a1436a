/* Records of a journal as lines of JSON on stdout. */
#ifndef PATRON_DUMP_H
#define PATRON_DUMP_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/value.h"
#include "persist/inspect.h"

#include <stdbool.h>

struct pat_dump {
    bool rows;                          /* customer data, too */
    struct pat_arena arena;             /* of the names */
    struct pat_value names[PAT_TABLES]; /* of attributes in the order they were added: an array of texts */
    struct pat_buf line;
};

/* Without `rows` nothing is looked up in the directory. */
void pat_dump_init(struct pat_dump *dump, const char *path, bool rows);
void pat_dump_deinit(struct pat_dump *dump);
/* `context` is the dump. */
enum pat_status pat_dump_record(void *context, const struct pat_inspected_record *record,
                                struct pat_error *error) PAT_MUST_CHECK;

#endif
