#include "ingest/ingest_private.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the tables share
 * ------------------------------------------------------------------------------------------------ */

struct pat_id_key pat_apply__key(const struct pat_batch_column *column, uint32_t row) {
    int64_t word = column->value[row];
    if (word >= 0) return (struct pat_id_key){.number = word};
    return (struct pat_id_key){-1, column->dict[~word]};
}

int64_t pat_apply__value(const struct apply *apply, const struct pat_batch_column *column, uint32_t row) {
    int64_t value = column->value[row];
    const uint32_t *codes = apply->codes[column - apply->batch->column];
    if (codes == NULL || value == PAT_NULL) return value;
    return codes[value];
}

int64_t pat_apply__producer(struct apply *apply, enum pat_table_id table) {
    static const unsigned column[PAT_TABLES] = {[PAT_CUSTOMERS] = PAT_CUSTOMER_PRODUCER,
                                                [PAT_ORDERS] = PAT_ORDER_PRODUCER,
                                                [PAT_LINES] = PAT_LINE_PRODUCER,
                                                [PAT_REFUNDS] = PAT_REFUND_PRODUCER};
    if (apply->producer[table] == PAT_NULL) {
        apply->producer[table] = pat_dict_add(apply->store->table[table].dict[column[table]], apply->batch->producer);
    }
    return apply->producer[table];
}

pat_row pat_apply__customer(struct apply *apply, struct pat_id_key key) {
    pat_row row = pat_table_find_id(apply->store, PAT_CUSTOMERS, key);
    return row != PAT_ROW_NONE ? row : pat_table_add_id(apply->store, PAT_CUSTOMERS, key);
}

void pat_rows__add(struct row_list *list, pat_row row) {
    if (list->count > 0 && list->row[list->count - 1] == row) return;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 256 : list->capacity * 2;
        pat_row *bigger = pat_mem_alloc_must(PAT_MEM_OTHER, capacity * sizeof *bigger);
        if (list->count > 0) memcpy(bigger, list->row, list->count * sizeof *bigger);
        pat_mem_free(PAT_MEM_OTHER, list->row);
        list->row = bigger;
        list->capacity = capacity;
    }
    list->row[list->count++] = row;
}

static int compare_rows(const void *a, const void *b) {
    pat_row x = *(const pat_row *)a, y = *(const pat_row *)b;
    return (x > y) - (x < y);
}

void pat_rows__settle(struct row_list *list) {
    if (list->count == 0) return;
    size_t kept = 1;
    qsort(list->row, list->count, sizeof *list->row, compare_rows);
    for (size_t i = 1; i < list->count; i++) {
        if (list->row[i] != list->row[i - 1]) list->row[kept++] = list->row[i];
    }
    list->count = kept;
}

void pat_apply__touch(struct apply *apply, pat_row customer) {
    pat_rows__add(&apply->touched, customer);
}

void pat_apply__count(struct apply *apply, enum row_fate fate) {
    switch (fate) {
    case ROW_FRESH: apply->outcome->fresh++; return;
    case ROW_UPDATED: apply->outcome->updated++; return;
    case ROW_DUPLICATE: apply->outcome->duplicate++; return;
    case ROW_STALE: apply->outcome->stale++; return;
    }
}

bool pat_apply__stale(const struct apply *apply, const struct pat_batch_column *version, uint32_t row,
                      const struct pat_table *table, unsigned version_column, pat_row stored) {
    (void)apply;
    if (version == NULL || version->value[row] == PAT_NULL) return false;
    int64_t known = pat_table_get(table, version_column, stored);
    return known != PAT_NULL && version->value[row] < known;
}

/* ---- dictionaries
 * ------------------------------------------------------------------------------------------------------------ */

/* The dictionary that a batch field's texts belong to, or NULL for fields without one. */
static struct pat_dict *dict_of_field(struct pat_store *store, enum pat_table_id table, int field) {
    if (table != PAT_LINES || field < PAT_LINE_OF_CUSTOMER) return store->table[table].dict[field];
    struct pat_table *orders = &store->table[PAT_ORDERS];
    switch (field) {
    case PAT_LINE_OF_CURRENCY: return orders->dict[PAT_ORDER_CURRENCY];
    case PAT_LINE_OF_COUNTRY: return orders->dict[PAT_ORDER_COUNTRY];
    case PAT_LINE_OF_CHANNEL: return orders->dict[PAT_ORDER_CHANNEL];
    default: return NULL;
    }
}

/* Only texts of rows that were taken: those of rejected rows would be values that nobody has. */
static void codes_of_column(struct pat_dict *dict, const struct pat_batch_column *column, uint32_t rows,
                            uint32_t *code) {
    uint32_t left = column->dict_count;
    for (uint32_t d = 0; d < column->dict_count; d++) code[d] = UINT32_MAX;
    for (uint32_t row = 0; row < rows && left > 0; row++) {
        int64_t d = column->value[row];
        if (d == PAT_NULL || code[d] != UINT32_MAX) continue;
        code[d] = pat_dict_add(dict, column->dict[d]);
        left--;
    }
}

/* Entries of a batch's dictionaries, one of each that needs codes. */
static size_t codes_count(const struct apply *apply) {
    size_t count = 0;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        if (dict_of_field(apply->store, apply->batch->table, column->field) != NULL) count += column->dict_count;
    }
    return count;
}

/* One block: where each column's codes are, those of the customers' countries, the codes. */
void pat_apply__open(struct apply *apply) {
    const struct pat_batch *batch = apply->batch;
    const struct pat_batch_column *country =
        batch->table == PAT_ORDERS ? pat_batch_find(batch, PAT_ORDER_COUNTRY) : NULL;
    const size_t countries = country != NULL ? country->dict_count : 0;
    for (unsigned table = 0; table < PAT_TABLES; table++) apply->producer[table] = PAT_NULL;
    apply->codes = pat_mem_alloc_must(PAT_MEM_OTHER, (batch->columns + 1) * sizeof *apply->codes +
                                                         countries * sizeof *apply->fact_country +
                                                         codes_count(apply) * sizeof **apply->codes);
    apply->fact_country = (void *)(apply->codes + batch->columns + 1);
    for (size_t i = 0; i < countries; i++) apply->fact_country[i] = PAT_NULL;
    uint32_t *code = (void *)(apply->fact_country + countries);
    for (uint32_t i = 0; i < batch->columns; i++) {
        const struct pat_batch_column *column = &batch->column[i];
        struct pat_dict *dict = dict_of_field(apply->store, batch->table, column->field);
        if (dict == NULL) continue;
        codes_of_column(dict, column, batch->rows, code);
        apply->codes[i] = code;
        code += column->dict_count;
    }
}

void pat_apply__close(struct apply *apply) {
    pat_mem_free(PAT_MEM_OTHER, apply->codes);
}

/* ---- customers whose facts changed
 * -------------------------------------------------------------------------------------------- */

static void refresh_touched(struct apply *apply) {
    pat_rows__settle(&apply->touched);
    for (size_t i = 0; i < apply->touched.count; i++) pat_customer__refresh(apply->store, apply->touched.row[i]);
    pat_mem_free(PAT_MEM_OTHER, apply->touched.row);
}

/* ---- doors
 * ---------------------------------------------------------------------------------------------------------------------
 */

size_t pat_ingest_bytes(const struct pat_batch *batch, const struct pat_store *store) {
    size_t text_bytes = PAT_TABLES * (batch->producer.length + 16);
    for (uint32_t i = 0; i < batch->columns; i++) {
        for (uint32_t d = 0; d < batch->column[i].dict_count; d++) text_bytes += batch->column[i].dict[d].length + 16;
    }
    size_t bytes = pat_store_bytes_for(store, batch->table, batch->rows, batch->rows, text_bytes);
    if (batch->table == PAT_FX) return bytes + pat_apply__fx_bytes(batch, store);
    /* Each row may take a fact from one customer and give it to another. */
    if (batch->table != PAT_CUSTOMERS) bytes += pat_store_mark_bytes(store, 2 * (size_t)batch->rows);
    if (batch->table == PAT_ORDERS)
        bytes += pat_apply__append_orders_bytes(batch, store) + pat_apply__known_orders_bytes(batch);
    if (batch->table == PAT_REFUNDS) bytes += pat_apply__append_refunds_bytes(batch, store);
    if (batch->table == PAT_CUSTOMERS) bytes += pat_apply__append_customers_bytes(batch, store);
    if (batch->table != PAT_CUSTOMERS) {
        bytes += pat_store_bytes_for(store, PAT_CUSTOMERS, batch->rows, 0, 0);
        bytes += pat_apply__kept_bytes(store, 2 * (size_t)batch->rows);
    }
    if (batch->table == PAT_LINES || batch->table == PAT_REFUNDS) {
        bytes += pat_store_bytes_for(store, PAT_ORDERS, batch->rows, batch->rows, 0);
    }
    if (batch->table == PAT_LINES) bytes += pat_store_bytes_for(store, PAT_REFUNDS, batch->rows, batch->rows, 0);
    return bytes;
}

/* Batches that may be applied together with the first one: orders behind orders, with the same fields. */
static unsigned run_length(const struct pat_batch *const *batch, unsigned count) {
    uint64_t rows = batch[0]->rows;
    unsigned length = 1;
    for (; batch[0]->table == PAT_ORDERS && length < count; length++) {
        const struct pat_batch *next = batch[length];
        rows += next->rows;
        if (next->table != PAT_ORDERS || next->columns != batch[0]->columns || rows > ORDERS_AT_ONCE) break;
        uint32_t same = 0;
        while (same < next->columns && next->column[same].field == batch[0]->column[same].field) same++;
        if (same < next->columns) break;
    }
    return length;
}

/* Applies one batch of any table. */
static void apply_rows(struct apply *apply) {
    switch (apply->batch->table) {
    case PAT_CUSTOMERS: pat_apply__customers(apply); break;
    case PAT_LINES: pat_apply__lines(apply); break;
    case PAT_REFUNDS: pat_apply__refunds(apply); break;
    case PAT_FX: pat_apply__fx(apply); break;
    case PAT_ORDERS:
    case PAT_TABLES: break;
    }
}

static void settle(struct apply *apply) {
    pat_orders__settle_refunds(apply);
    pat_links__settle(apply);
    refresh_touched(apply);
}

static void outcome_begin(struct pat_batch_outcome *outcome, const struct pat_batch *batch, pat_lsn lsn) {
    *outcome = (struct pat_batch_outcome){.lsn = lsn, .rows = batch->rows_sent, .rejected = batch->rejected};
}

static void batch_end(struct pat_store *store, const struct pat_batch *batch, const struct pat_batch_outcome *outcome) {
    pat_producers_note(&store->producers, batch, outcome);
    store->lsn = outcome->lsn;
}

/* Applies batches that go together, or as many of them as do after all; gives how many. */
static unsigned apply_orders(struct pat_store *store, const struct pat_batch *const *batch, unsigned count, pat_lsn lsn,
                             struct pat_batch_outcome *outcome, const struct pat_spread *spread) {
    struct apply *apply = pat_mem_alloc_must(PAT_MEM_OTHER, count * sizeof *apply);
    for (unsigned i = 0; i < count; i++) {
        outcome_begin(&outcome[i], batch[i], lsn + i);
        apply[i] = (struct apply){.store = store, .batch = batch[i], .outcome = &outcome[i]};
    }
    const unsigned taken = pat_apply__orders(apply, count, spread);
    settle(&apply[taken - 1]);
    for (unsigned i = 0; i < taken; i++) {
        pat_apply__close(&apply[i]);
        batch_end(store, batch[i], &outcome[i]);
    }
    pat_mem_free(PAT_MEM_OTHER, apply);
    return taken;
}

static void apply_other(struct pat_store *store, const struct pat_batch *batch, pat_lsn lsn,
                        struct pat_batch_outcome *outcome, const struct pat_spread *spread) {
    struct apply apply = {.store = store, .batch = batch, .outcome = outcome};
    outcome_begin(outcome, batch, lsn);
    pat_ingest_settle(store, spread);
    pat_apply__open(&apply);
    apply_rows(&apply);
    settle(&apply);
    pat_apply__close(&apply);
    batch_end(store, batch, outcome);
}

void pat_ingest_apply_all(struct pat_store *store, const struct pat_batch *const *batch, unsigned count,
                          struct pat_batch_outcome *outcome, const struct pat_spread *spread) {
    for (unsigned done = 0; done < count;) {
        const pat_lsn lsn = store->lsn + 1;
        if (batch[done]->table == PAT_ORDERS) {
            const unsigned length = run_length(batch + done, count - done);
            done += apply_orders(store, batch + done, length, lsn, outcome + done, spread);
        } else {
            apply_other(store, batch[done], lsn, &outcome[done], spread);
            done++;
        }
    }
    store->counts.newest_fact = pat_day_counts_newest(&store->fact_days);
}

void pat_ingest_apply(struct pat_store *store, const struct pat_batch *batch, pat_lsn lsn,
                      struct pat_batch_outcome *outcome) {
    PAT_ASSERT(lsn == store->lsn + 1);
    pat_ingest_apply_all(store, &batch, 1, outcome, NULL);
    pat_ingest_settle(store, NULL);
}

void pat_ingest_settle(struct pat_store *store, const struct pat_spread *spread) {
    if (store->orders_waiting > 0) pat_orders__fold(store, spread);
}

bool pat_ingest_settles_first(const struct pat_store *store, enum pat_table_id table, uint64_t rows) {
    if (table != PAT_ORDERS) return store->orders_waiting > 0;
    return store->orders_waiting + rows > pat_orders__waiting_most(store);
}

bool pat_ingest_settle_some(struct pat_store *store, const struct pat_spread *spread) {
    return store->orders_waiting > 0 && pat_orders__fold_some(store, spread);
}
