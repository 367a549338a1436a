/* How rows are cut into batches, always in the same way for the same file.
 *
 * Most tables: so many rows each. Lines: a batch replaces all lines of the orders in it, so an order goes into one
 * batch with all its rows: they are held until the order has been out of sight for PAT_HOLD_WINDOW rows. A batch ends
 * before the order that would take it over batch_rows; one order with more rows than that is a batch of its own, up to
 * what the server takes in one (rows_max). Only the rows beyond that, and those of an order that comes back after its
 * batch has gone, travel in batches of their own that append. Each line gets its position within its order in the file
 * unless the file has line numbers. Memory: 16 bytes per order seen, and what hold.h says. */
#ifndef PATRON_SPLIT_H
#define PATRON_SPLIT_H

#include "batch_build.h"
#include "csv.h"
#include "hold.h"
#include "mapping.h"

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Takes a finished batch over. Anything but PAT_OK stops the splitting. */
typedef enum pat_status (*pat_split_emit_cb)(void *context, struct pat_build *build, struct pat_error *error);

struct pat_split_order {
    uint64_t hash;  /* of the id as written; 0 = empty slot */
    uint32_t batch; /* number of the batch that replaces its lines, or PAT_SPLIT_HELD + its place in `hold`; 0 = new */
    uint32_t rows;  /* seen so far */
};
/* Batches are numbered below this: with one row in each, a file of a terabyte at the least. */
#define PAT_SPLIT_HELD (UINT32_C(1) << 31)

struct pat_split {
    const struct pat_mapping *mapping;
    uint32_t batch_rows, rows_max;
    bool keep_raw, check;
    bool strict; /* the first row that is not taken here is an error */
    struct pat_build_habits habits;
    int order_field; /* of lines; -1: other tables */
    bool with_position;
    uint64_t seq;                          /* of the last batch emitted */
    uint32_t batch;                        /* number of the current replacing batch, from 1 */
    struct pat_build *main, *append, *bad; /* NULL until they have something */
    struct pat_hold hold;
    struct pat_split_order *slot;
    size_t slots, used;
    uint64_t line_after;
    uint64_t input_bytes;
    pat_split_emit_cb emit;
    void *context;
};

void pat_split_init(struct pat_split *split, const struct pat_mapping *mapping, uint32_t batch_rows,
                    pat_split_emit_cb emit_cb, void *context);
void pat_split_deinit(struct pat_split *split);
/* One record of the file. */
enum pat_status pat_split_add(struct pat_split *split, const struct pat_csv_record *record,
                              struct pat_error *error) PAT_MUST_CHECK;
/* Whether plain rows may be added many at a time: what is asked of each may forbid it. */
bool pat_split_takes_rows(const struct pat_split *split);
/* Plain rows of the file as pat_split_add would add them; *added of them: the next one, if any is left, is for that. */
enum pat_status pat_split_add_rows(struct pat_split *split, const struct pat_csv_rows *rows, unsigned *added,
                                   struct pat_error *error) PAT_MUST_CHECK;
/* The end of the file: emits what is left. */
enum pat_status pat_split_finish(struct pat_split *split, struct pat_error *error) PAT_MUST_CHECK;

#endif
