/* Cells of a column read as words many at a time, where they are written as most are: numbers of up to sixteen digits,
 * moments like 2022-01-31T12:30:00Z, amounts of up to eight characters. Eight characters are looked at as one word.
 *
 * Each function reads from the first cell on and gives how many it has read: the next one is written in another way, or
 * is none, and pat_mapped_word says what it is. It would say the same of those that were read. */
#ifndef PATRON_CELL_WORDS_H
#define PATRON_CELL_WORDS_H

#include "csv.h"
#include "mapping.h"

#include <stdint.h>

/* A column of plain rows. Cell r begins behind end[r * stride - 1] and ends at end[r * stride]. */
struct pat_cells {
    const char *text; /* PAT_CSV_BEHIND bytes behind the last cell may be read */
    const uint32_t *end;
    unsigned stride;
};

static inline struct pat_text pat_cells_get(const struct pat_cells *cells, unsigned row) {
    const uint32_t *end = cells->end + (size_t)row * cells->stride;
    const uint32_t start = end[-1] + 1; /* in 32 bits: of the first cell it is 0 */
    return (struct pat_text){cells->text + start, end[0] - start};
}

static inline struct pat_cells pat_cells_from(const struct pat_cells *cells, unsigned row) {
    return (struct pat_cells){cells->text, cells->end + (size_t)row * cells->stride, cells->stride};
}

/* Words as pat_mapped_word has them, but an amount may have zeros at its end: "4.90" is 490 and two decimals. */
unsigned pat_cells_ids(const struct pat_cells *cells, unsigned count, int64_t *word);
/* `utc`: moments without an offset are read, too. */
unsigned pat_cells_times(const struct pat_cells *cells, unsigned count, bool utc, int64_t *word);
unsigned pat_cells_amounts(const struct pat_cells *cells, unsigned count, bool decimal_comma, int64_t *word);

#endif
