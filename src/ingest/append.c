#include "ingest/append_private.h"

/* row, fresh, known; value. */
#define OWN_BYTES_EACH (3 * sizeof(uint32_t) + sizeof(int64_t))

/* Arrays of 4-byte values must not leave those behind them in the middle of a word. */
static size_t even(uint32_t rows) {
    return rows + (rows & 1u);
}

size_t pat_append__bytes(uint32_t rows, size_t bytes_each) {
    const uint32_t block = rows < BLOCK_ROWS ? rows : BLOCK_ROWS;
    return even(block) * (OWN_BYTES_EACH + bytes_each);
}

void *pat_append__array(struct append *append, size_t size) {
    void *array = append->end;
    append->end += even(append->rows) * size;
    return array;
}

static struct pat_ids ids_of(const struct append *append) {
    const struct pat_batch_column *ids = pat_batch_find(append->apply->batch, 0);
    return (struct pat_ids){ids->value + append->first, ids->dict};
}

static void list_known(struct append *append) {
    for (uint32_t row = 0, next = 0; row < append->rows; row++) {
        if (next < append->count && append->fresh[next] == row) {
            next++;
        } else {
            append->known[append->known_count++] = row;
        }
    }
}

struct append pat_append__open(struct apply *apply, uint32_t first, uint32_t rows, size_t bytes_each) {
    const enum pat_table_id id = apply->batch->table;
    struct append append = {.apply = apply,
                            .store = apply->store,
                            .table = &apply->store->table[id],
                            .first = first,
                            .rows = rows,
                            .first_row = apply->store->table[id].rows,
                            .end = pat_store_scratch(apply->store, pat_append__bytes(rows, bytes_each))};
    append.value = pat_append__array(&append, sizeof *append.value);
    append.row = pat_append__array(&append, sizeof *append.row);
    append.fresh = pat_append__array(&append, sizeof *append.fresh);
    append.known = pat_append__array(&append, sizeof *append.known);
    append.count = pat_table_claim_ids(apply->store, id, ids_of(&append), rows, append.row, append.fresh, NULL);
    pat_table_append_ids(apply->store, id, ids_of(&append), append.fresh, append.count);
    append.done[0] = true;
    list_known(&append);
    return append;
}

const int64_t *pat_append__lane(const struct append *append, int field, int64_t *room) {
    const struct pat_batch_column *column = pat_batch_find(append->apply->batch, field);
    if (column == NULL) return NULL;
    const int64_t *value = column->value + append->first;
    if (append->count == append->rows) return value;
    for (uint32_t i = 0; i < append->count; i++) room[i] = value[append->fresh[i]];
    return room;
}

/* Withdrawn, a test: false is what null says. Attributes are what the shop makes of them. */
static bool is_own_flag(const struct append *append, const struct pat_batch_column *column) {
    return column->type == PAT_TYPE_BOOL && column->field < (int)append->table->schema->own_columns;
}

/* A column of the batch as the store holds it. */
static const int64_t *stored_values(const struct append *append, const struct pat_batch_column *column) {
    const int64_t *sent = pat_append__lane(append, column->field, append->value);
    const uint32_t *codes = append->apply->codes[column - append->apply->batch->column];
    const bool flag = is_own_flag(append, column);
    if (codes == NULL && !flag) return sent;
    for (uint32_t i = 0; i < append->count; i++) {
        const int64_t value = sent[i];
        if (flag) {
            append->value[i] = value == 0 ? PAT_NULL : value;
        } else {
            append->value[i] = value == PAT_NULL ? PAT_NULL : (int64_t)codes[value];
        }
    }
    return append->value;
}

void pat_append__sent(struct append *append) {
    for (uint32_t i = 0; i < append->apply->batch->columns; i++) {
        const struct pat_batch_column *column = &append->apply->batch->column[i];
        if (!append->done[column->field])
            pat_append__column(append, (unsigned)column->field, stored_values(append, column));
    }
}

void pat_append__column(struct append *append, unsigned column, const int64_t *values) {
    pat_column_append_all(&append->table->column[column], values, append->count);
    append->done[column] = true;
}

void pat_append__constant(struct append *append, unsigned column, int64_t value) {
    pat_column_append_same(&append->table->column[column], value, append->count);
    append->done[column] = true;
}

void pat_append__close(struct append *append) {
    for (unsigned c = 0; c < append->table->schema->columns; c++) {
        if (!append->done[c]) pat_append__constant(append, c, PAT_NULL);
    }
    pat_table_grow(append->table, append->count);
}

bool pat_kept__begins(const struct pat_table *customers, pat_row customer, int64_t before, int64_t after) {
    if (before != PAT_NULL || after == PAT_NULL) return false;
    return pat_table_get(customers, PAT_CUSTOMER_PROFILED, customer) != 1 &&
           pat_table_get(customers, PAT_CUSTOMER_DELETED, customer) != 1;
}

void pat_apply__claim_customers(struct apply *apply, struct pat_ids ids, uint32_t count, pat_row *customer,
                                uint32_t *fresh, const struct pat_spread *spread) {
    struct pat_table *customers = &apply->store->table[PAT_CUSTOMERS];
    const uint32_t added = pat_table_claim_ids(apply->store, PAT_CUSTOMERS, ids, count, customer, fresh, spread);
    if (added == 0) return;
    pat_table_append_ids(apply->store, PAT_CUSTOMERS, ids, fresh, added);
    for (unsigned c = 1; c < customers->schema->columns; c++)
        pat_column_append_same(&customers->column[c], PAT_NULL, added);
    pat_table_grow(customers, added);
}
