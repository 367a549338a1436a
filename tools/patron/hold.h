/* Rows of orders that may go on: held until the order has been out of sight for a while, so that it goes to the server
 * whole although a shop's rows come interleaved.
 *
 *        rows of the file ──▶ [ the last PAT_HOLD_WINDOW rows: orders seen here are open ] ──▶ an order, all its rows
 *
 * An order is closed when the window has moved past its last row; rows that are not held do not move it. Memory: the
 * rows of open orders, as the cells that the mapping takes, at most PAT_HOLD_BYTES_MAX and one row. */
#ifndef PATRON_HOLD_H
#define PATRON_HOLD_H

#include "csv.h"
#include "mapping.h"

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Rows that may lie between two rows of an order that is kept together. A real shop's orders (half a million lines)
 * come back after at most 327; three times that for others. More costs memory, and holds up the first batch. */
#define PAT_HOLD_WINDOW 1024u
/* A thousand rows of common width are 200 KB: this is for rows near PAT_CSV_RECORD_BYTES_MAX. Beyond it the orders that
 * were out of sight longest are closed early. */
#define PAT_HOLD_BYTES_MAX ((size_t)32 << 20)

struct pat_held_row;

struct pat_held_order {
    uint64_t key;                     /* whatever the caller knows it by */
    struct pat_held_row *first, *end; /* in the order of the file; NULL: closed */
    uint32_t rows;
    size_t bytes;      /* of the records */
    uint64_t last_row; /* number of its last row */
};

struct pat_hold {
    const struct pat_mapping *mapping;
    bool keep_raw;
    uint64_t row, row_oldest;              /* the window is [row_oldest, row) */
    uint16_t place[PAT_HOLD_WINDOW + 1u];  /* of row n's order, at n % (PAT_HOLD_WINDOW + 1) */
    struct pat_held_order *order;          /* [PAT_HOLD_WINDOW + 1]: a full window and the row that comes next */
    uint16_t unused[PAT_HOLD_WINDOW + 1u]; /* places of `order` */
    unsigned unused_count;
    size_t bytes_held;
    struct pat_text *cell;      /* [file_columns] of the row handed out */
    struct pat_held_row *taken; /* the row handed out */
    struct pat_held_row *spare; /* blocks to use again */
};

/* Allocates when the first order is opened. */
void pat_hold_init(struct pat_hold *hold, const struct pat_mapping *mapping);
void pat_hold_deinit(struct pat_hold *hold);

/* A place for an order not held yet. PAT_ERR_NO_MEMORY. The caller adds a row to it next. */
enum pat_status pat_hold_open(struct pat_hold *hold, uint64_t key, uint16_t *place) PAT_MUST_CHECK;
/* Copies a row. PAT_ERR_NO_MEMORY. */
enum pat_status pat_hold_add(struct pat_hold *hold, uint16_t place, const struct pat_csv_record *record,
                             int64_t position) PAT_MUST_CHECK;

/* The next order to close, NULL for none: those that have left the window, or with `all` every one, the one seen
 * longest ago first. Its rows are taken with pat_hold_take before anything else is called. */
struct pat_held_order *pat_hold_next(struct pat_hold *hold, bool all);
/* Takes an order's first row off; the record is valid until the next call that has `hold`, its raw text is there only
 * when kept. False: there was none, and the order's place is free again. */
bool pat_hold_take(struct pat_hold *hold, struct pat_held_order *order, struct pat_csv_record *record,
                   int64_t *position);

#endif
