/* What type the cells of a column have, as far as the first rows tell. */
#ifndef PATRON_GUESS_H
#define PATRON_GUESS_H

#include "csv.h"

#include "base/arena.h"
#include "model/schema.h"

#include <stdbool.h>

/* Rows looked at: enough to see the rare odd value, few enough to take no time. */
#define PAT_GUESS_RECORDS 10000u

struct pat_guess {
    struct pat_arena *arena;
    const char *time_format; /* --time-format, or NULL */
    bool decimal_comma;
    unsigned columns;
    unsigned *could; /* [columns] types that every cell so far would be, as bits */
    bool *any;       /* [columns] some cell is not empty */
    bool *joined;    /* [columns] some cell has a '|' */
};

/* Takes a record into account; the first one is the header. For pat_csv_sample. */
void pat_guess_see(void *guess, const struct pat_csv_record *record);
/* bool, int, decimal, date, time, set (words joined by '|'), else enum. *iso: a date or time that is not written as
 * --time-format says. */
enum pat_type pat_guess_type(const struct pat_guess *guess, unsigned column, bool *iso);
/* A column's name as that of an attribute: "Gift Card?" is gift_card. At most `capacity` bytes, NUL included; empty
 * when there is nothing to call it. */
void pat_guess_name(struct pat_text header, char *out, size_t capacity);

#endif
