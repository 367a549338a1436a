/* Inside the ingest room only. */
#ifndef PAT_INGEST_INGEST_PRIVATE_H
#define PAT_INGEST_INGEST_PRIVATE_H

#include "base/arena.h"
#include "base/status.h"
#include "ingest/ingest.h"
#include "model/batch.h"
#include "model/zone.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- rejects.c: which rows are bad, and why ---------------------------------------------------------------------- */

/* Distinct (field, code) pairs: a field is sent once, and has its type's few codes and those of the rules. */
#define REJECT_REASONS_MAX 256u

struct pat_rejects {
    struct pat_arena *arena;
    uint8_t *bad; /* [rows sent] 1 = rejected */
    uint32_t rows, rejected;
    struct pat_row_error *error; /* of the first errors_max bad rows; a heap with the last of these rows on top */
    uint32_t errors, errors_max;
    bool no_memory; /* something could not be kept: the batch cannot be judged */
    struct pat_reject_count *reason;
    uint32_t reasons;
};

bool pat_rejects__init(struct pat_rejects *rejects, struct pat_arena *arena, uint32_t rows, uint32_t errors_max);
/* Whether a reason noted of `row` now would be told, not just counted: what is costly to say need not be said else. */
bool pat_rejects__told(const struct pat_rejects *rejects, uint32_t row);
/* Notes why `row` is bad; only a row's first reason counts. */
void pat_rejects__add(struct pat_rejects *rejects, uint32_t row, const char *field, enum pat_reject code,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- values.c: one value as it was sent -> int64 ----------------------------------------------------------------- */

struct pat_convert {
    const struct pat_field *field;
    const char *name; /* as sent, e.g. "amount_minor" */
    bool minor;       /* money in minor units */
    const struct pat_zone *zone;
    const struct pat_kernels *kernels;
    int64_t now_ms;
    bool dated_fact;     /* a time that must not lie ahead of the clock */
    bool currency_field; /* text that must be an ISO 4217 code */
    bool identity;       /* converted in rejected rows too: what they are rows of still counts */
    struct pat_arena *arena;
    struct pat_rejects *rejects;
};

/* Numbers, days, times, money, booleans. False when the row was rejected. nil gives PAT_NULL. */
bool pat_value__scalar(const struct pat_convert *convert, uint32_t row, const struct pat_value *value, int64_t *out);
/* An id: *number >= 0, or -1 and *text. */
bool pat_value__id(const struct pat_convert *convert, uint32_t row, const struct pat_value *value, int64_t *number,
                   struct pat_text *text);
/* Dictionary text or set in its stored form; *text.data NULL for null. */
bool pat_value__text(const struct pat_convert *convert, uint32_t row, const struct pat_value *value,
                     struct pat_text *text);
/* Range and meaning of an int64 that came ready-made in a bin. */
bool pat_value__check(const struct pat_convert *convert, uint32_t row, int64_t value, int64_t *out);

/* What a ready-made int64 of this field must lie between for pat_value__check to take it as it is; for times the bounds
 * of the milliseconds, which it makes seconds. Empty (low > high) where more than bounds decides. */
void pat_value__bounds(const struct pat_convert *convert, int64_t *low, int64_t *high);

/* ---- columns.c: one column as it was sent -> pat_batch_column -----------------------------------------------------
 */

/* Rows of a column in any of its forms, or -1 when its shape is wrong (*error says how). */
int64_t pat_column__rows(const char *name, enum pat_type type, const struct pat_value *value, struct pat_error *error);
/* True when `row` of a column whose shape is right has no value: nil, or an empty text. */
bool pat_column__is_nil(const struct pat_value *column, enum pat_type type, uint32_t row);
/* False when no row of such a column can have one missing; true says nothing. */
bool pat_column__may_have_nil(const struct pat_value *column, enum pat_type type);
/* Fills out->value[rows], which is there. */
enum pat_status pat_column__convert(struct pat_batch_column *out, const struct pat_convert *convert,
                                    const struct pat_hash_secret *secret, const struct pat_value *value, uint32_t rows,
                                    struct pat_error *error);

/* ---- apply ------------------------------------------------------------------------------------------------------- */

/* Rows noted for the end of the batch, as often as they came. */
struct row_list {
    pat_row *row;
    size_t count, capacity;
};

/* links.c: chains whose items change their owner. */
enum link_kind { LINK_CUSTOMER_ORDERS, LINK_CUSTOMER_REFUNDS, LINK_ORDER_REFUNDS, LINKS };

struct moves {
    struct move {
        int64_t from; /* owner before, PAT_NULL = nobody */
        pat_row item;
        size_t number;
    } * move;
    size_t count, capacity;
};

/* One application of a batch. */
struct apply {
    struct pat_store *store;
    const struct pat_batch *batch;
    struct pat_batch_outcome *outcome;
    uint32_t **codes; /* [columns] dictionary code of each dict entry of the batch column, NULL where it has no codes */
    struct row_list touched; /* customers whose aggregates must be computed anew */
    struct row_list leading; /* orders whose refunds must follow them */
    struct moves moves[LINKS];
    int64_t producer[PAT_TABLES]; /* its code in the dictionary of that table, PAT_NULL until asked for */
    int64_t *fact_country; /* orders: customers' code of each entry of the batch's country column, PAT_NULL until asked
                              for */
};

/* Codes of the texts that rows of the batch have: they are in the dictionaries from then on. */
void pat_apply__open(struct apply *apply);
void pat_apply__close(struct apply *apply);

void pat_apply__customers(struct apply *apply);
/* Applies the first of these batches of orders, and those behind it that go with it; gives how many. What moved, and
 * who was touched, stands in the last of them. */
unsigned pat_apply__orders(struct apply *apply, unsigned batches, const struct pat_spread *spread);
/* Bytes for those of its rows that name orders which are there. */
size_t pat_apply__known_orders_bytes(const struct pat_batch *batch);
void pat_apply__lines(struct apply *apply);
void pat_apply__refunds(struct apply *apply);
void pat_apply__fx(struct apply *apply);
/* Bytes that applying rates may take besides the rows of the table. */
size_t pat_apply__fx_bytes(const struct pat_batch *batch, const struct pat_store *store);

/* Value of a batch column in a row, as the store holds it (dictionary codes, not refs or ids). */
int64_t pat_apply__value(const struct apply *apply, const struct pat_batch_column *column, uint32_t row);
struct pat_id_key pat_apply__key(const struct pat_batch_column *column, uint32_t row);
/* The producer of the batch as the PRODUCER columns hold it. */
int64_t pat_apply__producer(struct apply *apply, enum pat_table_id table);
/* Customer row of an id, added when new. */
pat_row pat_apply__customer(struct apply *apply, struct pat_id_key key);
void pat_apply__touch(struct apply *apply, pat_row customer);
void pat_rows__add(struct row_list *list, pat_row row);
/* Sorted, each once. */
void pat_rows__settle(struct row_list *list);

enum row_fate { ROW_FRESH, ROW_UPDATED, ROW_DUPLICATE, ROW_STALE };
void pat_apply__count(struct apply *apply, enum row_fate fate);
/* True when the row's version is lower than the stored one. */
bool pat_apply__stale(const struct apply *apply, const struct pat_batch_column *version, uint32_t row,
                      const struct pat_table *table, unsigned version_column, pat_row stored);

/* ---- append_*.c: new rows, column by column ----------------------------------------------------------------------
 */

/* Refunds or customers of a batch that are taken at once. Enough that those of one chunk of customers come together
 * also where there are thousands of chunks; few enough that the arrays of all this stay in a processor's cache. */
#define BLOCK_ROWS 32768u
/* New orders that are taken at once, of one batch or of several that follow each other: four full batches share the
 * meetings of threads, and their arrays are not larger than what folding takes. */
#define ORDERS_AT_ONCE 262144u
_Static_assert(ORDERS_AT_ONCE >= PAT_BATCH_ROWS_MAX, "a batch is taken at once");
/* Orders that may wait to be folded into what is kept of their customers: the more, the more of them share a line of
 * memory of it, which is most of what they cost; so with many customers more may wait, up to this many. Who looks
 * meanwhile waits some ten milliseconds for half a million. */
#define ORDERS_WAITING_MAX 4194304u
#define ORDERS_WAITING_MIN 524288u
/* Customers for each: the lines of a column of four bytes, sixteen customers each, are touched by two orders then.
 * Twice as many orders took another 50 MB at ten million customers, and saved little. */
#define CUSTOMERS_A_WAITING 8u
_Static_assert(ORDERS_WAITING_MIN >= ORDERS_AT_ONCE, "what is taken at once may wait");

static inline uint32_t pat_orders__waiting_most(const struct pat_store *store) {
    const uint32_t share = store->table[PAT_CUSTOMERS].rows / CUSTOMERS_A_WAITING;
    if (share > ORDERS_WAITING_MAX) return ORDERS_WAITING_MAX;
    return share > ORDERS_WAITING_MIN ? share : ORDERS_WAITING_MIN;
}

/* Finds or makes the rows of refunds `first` .. `first + count - 1` of the batch. New ones are added as the batch has
 * them: columns, chains, counters, what is kept of their customers; awaited orders are made for those that name an
 * order which is not known. `row` gets the row of each; those of the batch's rows that were known before, or that name
 * one which an earlier row of these has just made, are listed in `known`, and the caller treats them one by one, in
 * order. Both are lent until the next call. */
struct appended {
    const pat_row *row;
    const uint32_t *known;
    uint32_t known_count;
};
struct appended pat_apply__append_refunds(struct apply *apply, uint32_t first, uint32_t count);
/* The same of customers. */
struct appended pat_apply__append_customers(struct apply *apply, uint32_t first, uint32_t count);
/* The same of all orders of several batches, one behind the other, with the same fields and not more than
 * ORDERS_AT_ONCE: as many of them as have new orders only, and the one behind those. *taken says how many that are;
 * `row` and `known` are of the last of them. */
struct appended pat_apply__append_orders(struct apply *apply, unsigned batches, const struct pat_spread *spread,
                                         unsigned *taken);
/* Bytes of arrays that these may need. */
size_t pat_apply__append_refunds_bytes(const struct pat_batch *batch, const struct pat_store *store);
size_t pat_apply__append_customers_bytes(const struct pat_batch *batch, const struct pat_store *store);
/* What is kept of the customers of so many facts that were there before, written anew. */
size_t pat_apply__kept_bytes(const struct pat_store *store, size_t facts);
size_t pat_apply__append_orders_bytes(const struct pat_batch *batch, const struct pat_store *store);
/* Folds the orders that wait into what is kept of their customers, and chains them; `some` does a step of that, and
 * says whether more is left. Between steps nothing else may change the store. */
bool pat_orders__fold_some(struct pat_store *store, const struct pat_spread *spread);
void pat_orders__fold(struct pat_store *store, const struct pat_spread *spread);
/* Adds customers of these ids where they are not known; customer[i] gets the row of each. `fresh` has room for `count`.
 */
void pat_apply__claim_customers(struct apply *apply, struct pat_ids ids, uint32_t count, pat_row *customer,
                                uint32_t *fresh, const struct pat_spread *spread);

/* ---- facts.c: keeping chains, counters and derived columns together -----------------------------------------------
 */

/* Before and after any change of an order or refund row: takes its share out of the counters, and puts it back; marks
 * customers of whom runs say something else now. The same row in both calls, and no other of its table between them. */
void pat_order__forget(struct pat_store *store, pat_row order);
void pat_order__remember(struct pat_store *store, pat_row order);
void pat_refund__forget(struct pat_store *store, pat_row refund);
void pat_refund__remember(struct pat_store *store, pat_row refund);
/* DAY, PAID_DAY and BASE from TIME, PAID, AMOUNT, CURRENCY. */
void pat_order__derive(struct pat_store *store, pat_row order);
/* The same in a row that is not in the table yet. */
void pat_order__derive_values(const struct pat_store *store, int64_t *values);
void pat_refund__derive(struct pat_store *store, pat_row refund);
/* Makes `owner` (PAT_NULL: nobody) the item's; the chains follow at the end of the batch. */
void pat_link__move(struct apply *apply, enum link_kind kind, pat_row item, int64_t owner);
void pat_links__settle(struct apply *apply);
/* Makes `customer` (PAT_NULL: nobody) the owner and touches both. */
void pat_order__give(struct apply *apply, pat_row order, int64_t customer);
void pat_refund__give(struct apply *apply, pat_row refund, int64_t customer);
/* Lets the refunds that name `order` follow its customer, at the end of the batch; the ones that waited stop waiting.
 */
void pat_order__lead_refunds(struct apply *apply, pat_row order);
void pat_orders__settle_refunds(struct apply *apply);
/* Makes the refund that stands for an order whose lines sum below zero what the order says now. */
void pat_order__stand_refund(struct apply *apply, pat_row order, int64_t customer);
/* Withdraws the refund that stands for an order of negative lines, if there is one. */
void pat_order__withdraw_refund(struct apply *apply, pat_row order);
/* Order row of an id; a new one is AWAITED. */
pat_row pat_order__find_or_add(struct pat_store *store, struct pat_id_key key);
/* Puts `item` at the head of the chain that starts at owners[head][owner] and goes on in items[next]. */
void pat_chain__push(struct pat_table *owners, unsigned head, pat_row owner, struct pat_table *items, unsigned next,
                     pat_row item);

/* ---- aggregates.c: what is kept per customer -----------------------------------------------------------------------
 */

/* Whether order `a` is earlier than `b`: by time, then id. */
bool pat_order__is_earlier(const struct pat_store *store, pat_row a, pat_row b);
/* Recomputes the kept aggregates of a customer from its chains and updates the count of customers that exist. */
void pat_customer__refresh(struct pat_store *store, pat_row customer);

#endif
