/* Inside append_orders.c and fold_orders.c: new orders of one batch or several, taken at once.
 *
 *   batch by batch, on the store's thread   ids ──claim──► new rows   customers ──claim──► rows
 *   ranges of the new rows, shared out      days, base values
 *   columns, shared out                     appended, all but the chain: the rows are waiting now
 *
 * and when many of them wait, or somebody looks:
 *
 *   ranges of the waiting rows, shared out  a fact of each, put with those of its part of customers
 *   parts of customers, shared out          facts sorted by customer; what is kept gathered, folded, scattered
 *   on the store's thread                   the chain appended
 *
 * Parts are chunks of the customers' columns, so that each chunk is changed by one thread. What comes out depends
 * neither on how many threads there are nor on how many rows are taken at once. */
#ifndef PAT_INGEST_ORDERS_PRIVATE_H
#define PAT_INGEST_ORDERS_PRIVATE_H

#include "ingest/append_private.h"

/* Rows that are derived or read as one piece of work. */
#define RANGE_ROWS 8192u
/* Arrays of a block begin on a line of their own. */
#define ARRAYS_MAX 16u

static inline void *pat_order__array(unsigned char **at, size_t count, size_t size) {
    unsigned char *const array = *at;
    *at += (count * size + PAT_MEM_ALIGN - 1) / PAT_MEM_ALIGN * PAT_MEM_ALIGN;
    return array;
}

/* Bytes of arrays that folding so many waiting rows takes. */
size_t pat_orders__fold_bytes(uint32_t rows);

#endif
