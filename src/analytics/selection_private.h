/* Which rows of a table a question is about. */
#ifndef PAT_ANALYTICS_SELECTION_PRIVATE_H
#define PAT_ANALYTICS_SELECTION_PRIVATE_H

#include "analytics/bind_private.h"

enum pat_select {
    PAT_SELECT_KNOWN,    /* facts that are there and dated up to D, whether they count or not */
    PAT_SELECT_COUNTING, /* eligible orders, refunds that count, lines of eligible orders */
};

struct pat_selection {
    enum pat_table_id table;
    enum pat_select kind; /* of facts; customers are the live ones */
    pat_day first, last;  /* days of the facts, both included; `last` not after D */
    const uint64_t *bits; /* over the rows of the table */
    pat_row rows;
    bool unpriced_told; /* money decided, so run->unpriced has the facts there were before `where` */
};

/* The facts of table, kind and days as a bitmap in *out. */
enum pat_status pat_select__facts(struct pat_run *run, const struct pat_selection *selection,
                                  uint64_t **out) PAT_MUST_CHECK;
/* Sets bits and rows: those facts, or the live customers, that `where` selects. Whatever else is asked of the rows was
 * bound before; what bound names need is computed on the way. */
enum pat_status pat_select__where(struct pat_run *run, struct pat_selection *selection) PAT_MUST_CHECK;
/* Adds to run->unpriced the selected facts whose `net` has no base value. */
enum pat_status pat_select__count_unpriced(struct pat_run *run, const struct pat_selection *selection,
                                           const struct pat_source *net) PAT_MUST_CHECK;

#endif
