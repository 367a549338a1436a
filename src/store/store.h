/* The store: tables of columns, their id indexes and dictionaries, and views for readers.
 *
 *   store ── table customers ── column[PAT_CUSTOMER_*]  row = dense u32, found through the id index
 *         ├─ table orders    ── column[PAT_ORDER_*]     arrival order; a customer's orders are chained newest-chained
 * first ├─ table lines                                 chained from their order ├─ table refunds chained from their
 * customer and from their order ├─ table fx                                    exchange rates, found by currency and
 * day through `rates` ├─ dictionaries (one per text column), heap of texts └─ producers, RFM maps, counters
 *
 * Knows nothing of files, sockets, threads or the clock. The thread that owns the store is the only one to call
 * anything here but the functions on `const struct pat_view *`. */
#ifndef PAT_STORE_STORE_H
#define PAT_STORE_STORE_H

#include "base/hash.h"
#include "base/spread.h"
#include "base/status.h"
#include "model/clv.h"
#include "model/rfm.h"
#include "model/schema.h"
#include "model/zone.h"
#include "store/column.h"
#include "store/day_counts.h"
#include "store/dict.h"
#include "store/heap.h"
#include "store/index.h"
#include "store/pins.h"
#include "store/producers.h"
#include "store/rates.h"
#include "store/run.h"
#include "store/spans.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_table {
    enum pat_table_id id;
    const struct pat_table_schema *schema; /* other threads: pat_store_schema */
    pat_row rows;
    struct pat_column column[PAT_COLUMNS_MAX];
    struct pat_dict *dict[PAT_COLUMNS_MAX]; /* of TEXT and SET columns; shared ones point to the same */
    struct pat_index index;                 /* of the id column, for tables that have one, */
    struct pat_spans spans;                 /* and of what stands close together in it */
};

/* Kept at ingest; `status` and the answers read them. */
struct pat_counts {
    uint64_t customers;       /* that exist and are not deleted */
    uint64_t orders;          /* present, not deleted */
    uint64_t lines;           /* not deleted, of any order */
    uint64_t refunds;         /* not deleted, applied */
    uint64_t pending_refunds; /* wait for their order */
    uint64_t unpriced;        /* orders and refunds of the two counts above without a base value */
    uint64_t fx;              /* exchange rates, not deleted */
    pat_day newest_fact;      /* newest day of the orders and refunds of the counts above, PAT_DAY_NONE without any */
};

/* RFM maps by name, the built-in "default" first. Replaced as a whole when one is saved, so that views can keep theirs.
 */
struct pat_rfm_maps {
    uint32_t count;
    const struct pat_rfm_map *map[PAT_RFM_MAPS_MAX];
};

/* Fits of lifetime value by name, and what is in use. Replaced as a whole, like the maps; the fit in use is a copy of
 * its own: a later fit under its name changes nothing until it is taken into use. */
struct pat_fits {
    uint32_t count;
    const struct pat_clv_fit *fit[PAT_FITS_MAX];
    const struct pat_clv_fit *used; /* NULL: none yet */
    struct pat_clv_use use;
};

/* Chunks to pack at a time: some ten milliseconds of work. */
#define PAT_PACK_CHUNKS 64u

struct pat_pack_job {
    struct pat_column *column;
    uint32_t chunk;
    struct pat_chunk *was;    /* held */
    struct pat_chunk *packed; /* NULL: not worth it */
};

/* A chunk that was packed: what it was. */
struct pat_cold {
    struct pat_chunk *chunk;
    enum pat_mem_purpose purpose;
    uint64_t version; /* views of before may read it */
};

struct pat_pack {
    uint32_t count, made; /* made: the first so many jobs are done */
    struct pat_pack_job job[PAT_PACK_CHUNKS];
    bool reuse;          /* a load takes as much as packing gives up: nothing goes back to the system */
    uint32_t cold_count; /* chunks to give back to the system: no view has them any more */
    struct pat_cold cold[PAT_PACK_CHUNKS];
};

struct pat_store {
    struct pat_pins pins;
    struct pat_hash_secret secret;
    struct pat_heap heap;
    struct pat_table table[PAT_TABLES];
    struct pat_rates rates;
    struct pat_producers producers;
    struct pat_runs runs; /* without `changed`: that is in the marks, pat_store_runs puts it in */
    struct pat_run_marks marks;
    struct pat_cold cold[2 * PAT_PACK_CHUNKS]; /* packed since: wait for their views */
    uint32_t cold_count;
    struct pat_counts counts;
    struct pat_day_counts fact_days; /* of the same facts; counts.newest_fact follows it */
    struct pat_rfm_maps *maps;
    struct pat_fits *fits;
    const struct pat_zone *zone; /* borrowed from the engine */
    char base_currency[4];
    unsigned base_digits;
    pat_lsn lsn; /* last batch applied */
    /* The last so many orders are in no chain and in nothing that is kept of their customers: ingest puts them there
     * before anybody opens a view. */
    uint32_t orders_waiting;
    struct pat_fold *fold; /* ingest's, while it does that step by step */
    bool unsettled;        /* restored, and orders and refunds not yet found by id: see pat_store_settle */
    void *scratch;         /* see pat_store_scratch */
    size_t scratch_bytes;
};

struct pat_store_options {
    const struct pat_zone *zone;
    const char *base_currency; /* an ISO code that pat_currency_find knows */
    const void *entropy;       /* for the hash secret */
    size_t entropy_bytes;
    const struct pat_kernels *kernels; /* NULL: scalar */
};

enum pat_status pat_store_open(struct pat_store **out, const struct pat_store_options *options,
                               struct pat_error *error) PAT_MUST_CHECK;
void pat_store_close(struct pat_store **store); /* no view may be open */
/* Empties the store, as it was opened; no view may be open. */
void pat_store_clear(struct pat_store *store);

/* ---- writer: rows ----------------------------------------------------------------------------------------------- */

/* An external id, as batches carry it: number >= 0, or the text when number < 0. */
struct pat_id_key {
    int64_t number;
    struct pat_text text;
};

/* The id of a row; a text is borrowed from the heap. */
struct pat_id_key pat_table_key(const struct pat_store *store, enum pat_table_id table, pat_row row);
/* Row of an id in a table that has ids, or PAT_ROW_NONE. */
pat_row pat_table_find_id(const struct pat_store *store, enum pat_table_id table, struct pat_id_key key);
/* Asks the processor for where that begins. */
void pat_table_prefetch_id(const struct pat_store *store, enum pat_table_id table, struct pat_id_key key);
/* Adds a row with this id (not there yet) and nulls everywhere else. */
pat_row pat_table_add_id(struct pat_store *store, enum pat_table_id table, struct pat_id_key key);
/* The same with `values[schema->columns]` for the other columns, which costs less than setting them one by one: rows
 * behind a view's count are written in place, changed ones are not. values[0] is set. */
pat_row pat_table_add_id_values(struct pat_store *store, enum pat_table_id table, struct pat_id_key key,
                                int64_t *values);
/* Adds a row of `values[schema->columns]`; for tables without ids. */
pat_row pat_table_add(struct pat_store *store, enum pat_table_id table, const int64_t *values);

/* ---- writer: many rows ------------------------------------------------------------------------------------------ */

/* Ids as a column of a batch has them: word[i] is the number, or ~index into `text`. */
struct pat_ids {
    const int64_t *word;
    const struct pat_text *text;
};

/* row[i] = row of the i-th id. Ids that the table does not have get the next rows, in order; fresh[] are their first
 * places among the `count`, and how many there are is returned. They are found from now on: the caller appends
 * exactly that many rows to every column at once (the ids by pat_table_append_ids) and calls pat_table_grow, before
 * anything else is done with the table. Shares the search of many ids out by `spread` (may be NULL). */
uint32_t pat_table_claim_ids(struct pat_store *store, enum pat_table_id table, struct pat_ids ids, uint32_t count,
                             pat_row *row, uint32_t *fresh, const struct pat_spread *spread);
/* Bytes that this takes while it runs, and those that finding `count` more by their ids takes from then on. */
size_t pat_table_claim_bytes(uint32_t count);
size_t pat_table_ids_growth(const struct pat_table *table, size_t count);
/* Finds no id of the table any more, until they are indexed anew. */
void pat_table_forget_ids(struct pat_table *table);
/* Appends ids[fresh[0 .. count - 1]] to the id column, texts to the heap. */
void pat_table_append_ids(struct pat_store *store, enum pat_table_id table, struct pat_ids ids, const uint32_t *fresh,
                          uint32_t count);
/* Every column of the table has `count` rows more. */
static inline void pat_table_grow(struct pat_table *table, uint32_t count) {
    PAT_DEBUG_ASSERT(table->column[0].rows == table->rows + count);
    table->rows += count;
}

/* Memory of at least `bytes` for the writer's arrays of one batch, neither zeroed nor kept: the next call gives the
 * same memory again. It stays with the store, so that big batches do not fetch it from the system each time. */
void *pat_store_scratch(struct pat_store *store, size_t bytes);
/* Bytes that this may take. */
size_t pat_store_scratch_growth(const struct pat_store *store, size_t bytes);

static inline int64_t pat_table_get(const struct pat_table *table, unsigned column, pat_row row) {
    return pat_column_get(&table->column[column], row);
}
static inline void pat_table_set(struct pat_table *table, unsigned column, pat_row row, int64_t value) {
    pat_column_set(&table->column[column], row, value);
}

/* Bytes that a column may take for `rows` more rows. */
size_t pat_store_column_bytes_for(const struct pat_column *column, size_t rows);
/* Bytes that adding `rows` rows with `text_bytes` of new texts and changing `changes` old rows may take at the most,
 * copies for open views included. For the reservation before the journal. */
size_t pat_store_bytes_for(const struct pat_store *store, enum pat_table_id table, size_t rows, size_t changes,
                           size_t text_bytes);

/* pat_store_to_base for many rows; a rate is looked for once for neighbours of the same currency and day. */
void pat_store_to_base_all(const struct pat_store *store, enum pat_table_id table, unsigned currency_column,
                           const int64_t *currency, const int64_t *day, const int64_t *amount, uint32_t count,
                           int64_t *base);
/* Digits of the currency with dictionary code `code` of this column's dictionary. */
unsigned pat_store_currency_digits(const struct pat_store *store, enum pat_table_id table, unsigned column,
                                   int64_t code);
/* `amount` of `currency` (dictionary code of that column) in base minor at the rate of `day`, rounded once; PAT_NULL
 * while there is no rate, or when 64 bits do not hold it. All base values come from here. */
int64_t pat_store_to_base(const struct pat_store *store, enum pat_table_id table, unsigned currency_column,
                          int64_t currency, pat_day day, pat_minor amount);

/* The columns of a table as they are now. Thread: any. What it gives lives as long as the store. */
const struct pat_table_schema *pat_store_schema(const struct pat_store *store, enum pat_table_id table);
/* Whether the attribute may be added; *known: it is there already, with the same type. Fails: PAT_ERR_CONFLICT when it
 * is there with another type, or when one name would mean the minor units of the other; PAT_ERR_TOO_LARGE over
 * PAT_ATTRIBUTES_MAX. */
enum pat_status pat_store_judge_attribute(const struct pat_store *store, const struct pat_attribute *attribute,
                                          bool *known, struct pat_error *error) PAT_MUST_CHECK;
/* Adds an attribute (copied) that may be added and is not known: a column more, null in every row. Views that are open
 * do not have it. Never fails. */
void pat_store_add_attribute(struct pat_store *store, const struct pat_attribute *attribute);
/* Bytes that this may take at the most. */
size_t pat_store_attribute_bytes(const struct pat_store *store, enum pat_table_id table);

/* Saves a map under its name (copied); a known name is replaced. PAT_ERR_TOO_LARGE over PAT_RFM_MAPS_MAX. */
enum pat_status pat_store_save_map(struct pat_store *store, const struct pat_rfm_map *map,
                                   struct pat_error *error) PAT_MUST_CHECK;

/* Keeps a fit under its name (copied); a known name is replaced. Takes it into use as `adopt` says. PAT_ERR_TOO_LARGE
 * over PAT_FITS_MAX. */
enum pat_status pat_store_save_fit(struct pat_store *store, const struct pat_clv_fit *fit, enum pat_clv_adopt adopt,
                                   struct pat_error *error) PAT_MUST_CHECK;
/* Takes the fit into use on these terms. PAT_ERR_NO_FIT when there is none at all, PAT_ERR_NOT_FOUND with the nearest
 * name. */
enum pat_status pat_store_use_fit(struct pat_store *store, struct pat_text name, const struct pat_clv_use *use,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* For restoring: `used` (may be NULL) as it was, whether or not its name has another fit by now. */
void pat_store_restore_use(struct pat_store *store, const struct pat_clv_fit *used, const struct pat_clv_use *use);
/* The fit called `name`; fails as pat_store_use_fit does. */
enum pat_status pat_fits_find(const struct pat_fits *fits, struct pat_text name, const struct pat_clv_fit **out,
                              struct pat_error *error) PAT_MUST_CHECK;

/* A customer that is in answers at all: named by a profile or by a fact that is not withdrawn, and not deleted. */
bool pat_customer_exists(const struct pat_table *customers, pat_row row);
/* An order that is in answers at all: present and not deleted. */
bool pat_order_counts(const struct pat_table *orders, pat_row row);
bool pat_refund_counts(const struct pat_table *refunds, pat_row row);
/* Counts from the columns what store->counts keeps; `days` (may be NULL) gets the days of the facts. */
void pat_store_recount(const struct pat_store *store, struct pat_counts *counts, struct pat_day_counts *days);

/* After a restore: what questions need. Every value leads somewhere, customers are found by id, `counts` are counted
 * anew from the columns, on as many threads as `spread` (may be NULL) lends. The store is unsettled then: nothing may
 * be written to it, and no order or refund be looked for by id. PAT_ERR_CORRUPT when references do not hold. */
enum pat_status pat_store_rebuild_begin(struct pat_store *store, const struct pat_spread *spread,
                                        struct pat_error *error) PAT_MUST_CHECK;
/* The rest: proves that chains hold, and makes the indexes of orders and refunds. It reads columns, which do not change
 * meanwhile, and writes those indexes alone, so any thread may do it while views are opened, read and closed; the owner
 * says `unsettled = false` afterwards. With a spread that leaves parts out the result says nothing. */
enum pat_status pat_store_settle(struct pat_store *store, const struct pat_spread *spread,
                                 struct pat_error *error) PAT_MUST_CHECK;
/* Both at once. */
enum pat_status pat_store_rebuild(struct pat_store *store, const struct pat_spread *spread,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Structure holds: columns of a table are equally long, references in range, chains end and hold their owner's rows,
 * facts have days. For tests and restores. */
bool pat_store_check(const struct pat_store *store, const char **why);

/* ---- packing ---------------------------------------------------------------------------------------------------- */

/* Where a sweep over all chunks is. */
struct pat_pack_cursor {
    uint32_t packable, chunk;
};

/* Takes back chunks that were packed before and that no view has any more, then goes on with a sweep, at most `looks`
 * chunks further, and chooses those that have not changed since the last sweep: they are held until they are taken.
 * False at the end of the sweep. Owner's thread. */
bool pat_store_pack_choose(struct pat_store *store, struct pat_pack *pack, struct pat_pack_cursor *cursor,
                           uint32_t looks);
/* Packs them, until `stop_cb` (may be NULL) says so. Thread: any. */
void pat_pack_make(struct pat_pack *pack, bool (*stop_cb)(void *context), void *context);
/* Takes what was made over and leaves the rest; gives how many were taken. To be called after each choice, packed or
 * not. Owner's thread. */
uint32_t pat_store_pack_take(struct pat_store *store, struct pat_pack *pack);

/* ---- views ------------------------------------------------------------------------------------------------------ */

struct pat_table_view {
    pat_row rows;
    const struct pat_table_schema *schema;
    struct pat_column_view column[PAT_COLUMNS_MAX];
    const struct pat_dict *dict[PAT_COLUMNS_MAX];
    uint32_t dict_count[PAT_COLUMNS_MAX];
};

/* One version of the store. Opened and closed on the owner's thread; read anywhere between. */
struct pat_view {
    uint64_t version;
    pat_lsn lsn;
    struct pat_table_view table[PAT_TABLES];
    const struct pat_heap *heap;
    uint64_t heap_end;
    const struct pat_rfm_maps *maps;
    const struct pat_fits *fits;
    struct pat_counts counts;
    struct pat_runs runs;
    const struct pat_zone *zone;
    const char *base_currency;
    unsigned base_digits;
    struct pat_store *store; /* for closing only; readers must not touch */
};

/* Pins the current state; no orders may wait. Fails: PAT_ERR_BUSY when PAT_VIEWS_MAX are open, PAT_ERR_NO_MEMORY. */
enum pat_status pat_view_open(struct pat_view **out, struct pat_store *store) PAT_MUST_CHECK;
void pat_view_close(struct pat_view **view);

static inline int64_t pat_view_get(const struct pat_view *view, enum pat_table_id table, unsigned column, pat_row row) {
    return pat_column_view_get(&view->table[table].column[column], row);
}
/* Text of a dictionary code; the empty text for PAT_NULL. */
struct pat_text pat_view_dict_text(const struct pat_view *view, enum pat_table_id table, unsigned column, int64_t code);
/* Code of a text in the dictionary as of this view, or PAT_NULL. Looks through the entries. */
int64_t pat_view_dict_code(const struct pat_view *view, enum pat_table_id table, unsigned column, struct pat_text text);
/* The external id in an id column: decimal ids are printed into `buffer` (21 bytes), others borrowed from the heap. */
struct pat_text pat_view_id(const struct pat_view *view, enum pat_table_id table, pat_row row, char buffer[21]);
/* The map called `name` (empty: "default"), or NULL. */
const struct pat_rfm_map *pat_view_map(const struct pat_view *view, struct pat_text name);

#endif
