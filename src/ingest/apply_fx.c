/* Exchange rates, and what they make of the facts that are there: a rate that comes late, changes or goes moves the
 * base value of the facts dated from its day to the day before the next one. Rows are taken currency by currency, day
 * by day; afterwards one pass over orders and refunds looks only where days may have moved. */
#include "ingest/ingest_private.h"

#include "base/mem.h"
#include "model/currency.h"

#include <stdlib.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------------------------------
 */

struct rate_row {
    int currency; /* place in pat_currencies */
    pat_day day;
    uint32_t row; /* of the batch */
};

static int compare_rate_rows(const void *a, const void *b) {
    const struct rate_row *x = a, *y = b;
    if (x->currency != y->currency) return x->currency < y->currency ? -1 : 1;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Days of one currency whose rate may be another than before; first > last: none. */
struct moved_days {
    pat_day first, last;
};

struct rates_apply {
    struct apply *apply;
    const struct pat_batch_column *version;
    int64_t per_unit;             /* code of what `per` means when nothing says it */
    struct pat_rate_entry *entry; /* new ones of the currency at work */
    uint32_t entries;
    struct moved_days *moved; /* [pat_currency_count] */
};

static int64_t rate_value(const struct rates_apply *rates, const struct pat_batch_column *column, uint32_t row) {
    const int64_t value = pat_apply__value(rates->apply, column, row);
    if (column->field == PAT_FX_DELETED && value == 0) return PAT_NULL;
    if (column->field == PAT_FX_PER && value == PAT_NULL) return rates->per_unit;
    return value;
}

static pat_row rate_add(const struct rates_apply *rates, uint32_t row) {
    struct apply *apply = rates->apply;
    int64_t values[PAT_COLUMNS_MAX];
    for (unsigned c = 0; c < PAT_COLUMNS_MAX; c++) values[c] = PAT_NULL;
    values[PAT_FX_PER] = rates->per_unit;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        values[column->field] = rate_value(rates, column, row);
    }
    return pat_table_add(apply->store, PAT_FX, values);
}

static enum row_fate rate_update(const struct rates_apply *rates, uint32_t row, pat_row stored) {
    struct apply *apply = rates->apply;
    struct pat_table *fx = &apply->store->table[PAT_FX];
    if (pat_apply__stale(apply, rates->version, row, fx, PAT_FX_VERSION, stored)) return ROW_STALE;
    bool changed = false;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        const int64_t value = rate_value(rates, column, row);
        if (column->field == PAT_FX_VERSION && value == PAT_NULL) continue;
        if (pat_table_get(fx, (unsigned)column->field, stored) == value) continue;
        pat_table_set(fx, (unsigned)column->field, stored, value);
        changed = true;
    }
    return changed ? ROW_UPDATED : ROW_DUPLICATE;
}

/* The rows of one day and currency: one rate. */
static void apply_day(struct rates_apply *rates, const struct rate_row *rows, uint32_t count) {
    struct pat_store *store = rates->apply->store;
    const struct pat_table *fx = &store->table[PAT_FX];
    pat_row stored = pat_rates_find(&store->rates, rows[0].currency, rows[0].day);
    struct moved_days *moved = &rates->moved[rows[0].currency];
    for (uint32_t i = 0; i < count; i++) {
        enum row_fate fate = ROW_FRESH;
        if (stored == PAT_ROW_NONE) {
            stored = rate_add(rates, rows[i].row);
            rates->entry[rates->entries++] = (struct pat_rate_entry){rows[i].day, stored};
        } else {
            store->counts.fx -= pat_table_get(fx, PAT_FX_DELETED, stored) != 1;
            fate = rate_update(rates, rows[i].row, stored);
        }
        store->counts.fx += pat_table_get(fx, PAT_FX_DELETED, stored) != 1;
        pat_apply__count(rates->apply, fate);
        if (fate != ROW_FRESH && fate != ROW_UPDATED) continue;
        if (moved->first > moved->last) moved->first = rows[i].day;
        moved->last = rows[i].day;
    }
}

static void apply_currency(struct rates_apply *rates, const struct rate_row *rows, uint32_t count) {
    struct pat_store *store = rates->apply->store;
    const int currency = rows[0].currency;
    rates->entries = 0;
    for (uint32_t start = 0, end = 0; start < count; start = end) {
        while (end < count && rows[end].day == rows[start].day) end++;
        apply_day(rates, rows + start, end - start);
    }
    struct moved_days *moved = &rates->moved[currency];
    if (moved->first > moved->last) return;
    pat_rates_add(&store->rates, currency, rates->entry, rates->entries);
    pat_rates_settle(&store->rates, &store->table[PAT_FX], currency, moved->first);
    moved->last = pat_rates_last_day(&store->rates, currency, moved->last);
}

static void apply_rows(struct rates_apply *rates) {
    const struct pat_batch *batch = rates->apply->batch;
    const struct pat_batch_column *days = pat_batch_find(batch, PAT_FX_DAY);
    const struct pat_batch_column *currencies = pat_batch_find(batch, PAT_FX_CURRENCY);
    struct rate_row *row = pat_mem_alloc_must(PAT_MEM_OTHER, batch->rows * sizeof *row);
    rates->entry = pat_mem_alloc_must(PAT_MEM_OTHER, batch->rows * sizeof *rates->entry);
    for (uint32_t i = 0; i < batch->rows; i++) {
        const struct pat_text code = currencies->dict[currencies->value[i]];
        row[i] = (struct rate_row){pat_currency_find(code), (pat_day)days->value[i], i};
    }
    qsort(row, batch->rows, sizeof *row, compare_rate_rows);
    for (uint32_t start = 0, end = 0; start < batch->rows; start = end) {
        while (end < batch->rows && row[end].currency == row[start].currency) end++;
        apply_currency(rates, row + start, end - start);
    }
    pat_mem_free(PAT_MEM_OTHER, rates->entry);
    pat_mem_free(PAT_MEM_OTHER, row);
}

/* ---- the facts
 * ------------------------------------------------------------------------------------------------------- */

/* Orders and refunds, told apart by their columns. */
struct fact_columns {
    enum pat_table_id table;
    unsigned day, currency, amount, base, customer;
    void (*forget)(struct pat_store *store, pat_row row);
    void (*remember)(struct pat_store *store, pat_row row);
};

static const struct fact_columns fact_columns[] = {
    {PAT_ORDERS, PAT_ORDER_DAY, PAT_ORDER_CURRENCY, PAT_ORDER_AMOUNT, PAT_ORDER_BASE, PAT_ORDER_CUSTOMER,
     pat_order__forget, pat_order__remember},
    {PAT_REFUNDS, PAT_REFUND_DAY, PAT_REFUND_CURRENCY, PAT_REFUND_AMOUNT, PAT_REFUND_BASE, PAT_REFUND_CUSTOMER,
     pat_refund__forget, pat_refund__remember},
};

/* One table's part of the pass. */
struct rederive {
    struct pat_store *store;
    const struct fact_columns *columns;
    struct moved_days *moved; /* by code of the table's currency dictionary */
    struct moved_days hull;   /* of all of them */
    uint64_t *touched;        /* bitmap of customers */
};

static void rederive_fact(const struct rederive *r, pat_row row, pat_day day, int64_t currency) {
    struct pat_table *facts = &r->store->table[r->columns->table];
    const int64_t amount = pat_table_get(facts, r->columns->amount, row);
    const int64_t base = pat_store_to_base(r->store, r->columns->table, r->columns->currency, currency, day, amount);
    if (pat_table_get(facts, r->columns->base, row) == base) return;
    r->columns->forget(r->store, row);
    pat_table_set(facts, r->columns->base, row, base);
    r->columns->remember(r->store, row);
    const int64_t customer = pat_table_get(facts, r->columns->customer, row);
    if (customer != PAT_NULL) r->touched[customer / 64] |= UINT64_C(1) << (customer % 64);
}

/* Chunks know the least and greatest day they ever held: a load of today's rates reads the newest facts only. */
static bool chunk_moved(const struct rederive *r, pat_row first) {
    const struct pat_column *days = &r->store->table[r->columns->table].column[r->columns->day];
    const struct pat_chunk *chunk = days->dir->chunk[first >> days->shift];
    return chunk->low <= r->hull.last && chunk->high >= r->hull.first;
}

static void rederive_facts(const struct rederive *r) {
    const struct pat_table *facts = &r->store->table[r->columns->table];
    const pat_row chunk_rows = (pat_row)1 << facts->column[r->columns->day].shift;
    for (uint64_t first = 0; first < facts->rows; first += chunk_rows) {
        if (!chunk_moved(r, (pat_row)first)) continue;
        const uint64_t end = first + chunk_rows < facts->rows ? first + chunk_rows : facts->rows;
        for (uint64_t row = first; row < end; row++) {
            const int64_t day = pat_table_get(facts, r->columns->day, (pat_row)row);
            if (day < r->hull.first || day > r->hull.last) continue;
            const int64_t currency = pat_table_get(facts, r->columns->currency, (pat_row)row);
            if (currency == PAT_NULL || day < r->moved[currency].first || day > r->moved[currency].last) continue;
            rederive_fact(r, (pat_row)row, (pat_day)day, currency);
        }
    }
}

static const struct moved_days moved_none = {PAT_DAY_MAX, PAT_DAY_MIN};

static void rederive_table(const struct rates_apply *rates, const struct fact_columns *columns, uint64_t *touched) {
    struct pat_store *store = rates->apply->store;
    const struct pat_dict *dict = store->table[columns->table].dict[columns->currency];
    struct rederive r = {.store = store, .columns = columns, .hull = moved_none, .touched = touched};
    r.moved = pat_mem_alloc_must(PAT_MEM_OTHER, dict->count * sizeof *r.moved);
    for (uint32_t code = 0; code < dict->count; code++) {
        const struct moved_days moved = rates->moved[pat_currency_find(pat_dict_text(dict, code))];
        r.moved[code] = moved;
        if (moved.first > moved.last) continue;
        if (moved.first < r.hull.first) r.hull.first = moved.first;
        if (moved.last > r.hull.last) r.hull.last = moved.last;
    }
    if (r.hull.first <= r.hull.last) rederive_facts(&r);
    pat_mem_free(PAT_MEM_OTHER, r.moved);
}

/* A rate may touch every customer there is: a bit for each, not a list. */
static void rederive(const struct rates_apply *rates) {
    struct pat_store *store = rates->apply->store;
    const size_t words = ((size_t)store->table[PAT_CUSTOMERS].rows + 63) / 64;
    uint64_t *touched = pat_mem_alloc_must(PAT_MEM_OTHER, words * sizeof *touched);
    for (size_t i = 0; i < sizeof fact_columns / sizeof fact_columns[0]; i++) {
        rederive_table(rates, &fact_columns[i], touched);
    }
    for (size_t word = 0; word < words; word++) {
        for (uint64_t bits = touched[word]; bits != 0; bits &= bits - 1) {
            pat_customer__refresh(store, (pat_row)(word * 64 + (unsigned)__builtin_ctzll(bits)));
        }
    }
    pat_mem_free(PAT_MEM_OTHER, touched);
}

/* ---- door
 * ------------------------------------------------------------------------------------------------------------- */

size_t pat_apply__fx_bytes(const struct pat_batch *batch, const struct pat_store *store) {
    size_t bytes = batch->rows * (sizeof(struct rate_row) + sizeof(struct pat_rate_entry));
    bytes += pat_rates_growth(&store->rates, batch->rows);
    for (size_t i = 0; i < sizeof fact_columns / sizeof fact_columns[0]; i++) {
        const pat_row rows = store->table[fact_columns[i].table].rows;
        bytes += pat_store_bytes_for(store, fact_columns[i].table, 0, rows, 0);
    }
    const pat_row customers = store->table[PAT_CUSTOMERS].rows;
    bytes += pat_store_mark_bytes(store, customers);
    return bytes + pat_store_bytes_for(store, PAT_CUSTOMERS, 0, customers, 0) + customers / 8;
}

void pat_apply__fx(struct apply *apply) {
    if (apply->batch->rows == 0) return;
    struct rates_apply rates = {.apply = apply, .version = pat_batch_find(apply->batch, PAT_FX_VERSION)};
    rates.per_unit = pat_dict_add(apply->store->table[PAT_FX].dict[PAT_FX_PER], PAT_TEXT(PAT_RATE_PER_UNIT));
    rates.moved = pat_mem_alloc_must(PAT_MEM_OTHER, pat_currency_count * sizeof *rates.moved);
    for (size_t c = 0; c < pat_currency_count; c++) rates.moved[c] = moved_none;
    apply_rows(&rates);
    rederive(&rates);
    pat_mem_free(PAT_MEM_OTHER, rates.moved);
}
