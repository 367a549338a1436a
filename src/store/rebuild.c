/* What is derived from the columns and not stored: id indexes and counters. */
#include "store/store.h"
#include "store/store_private.h"

#include "base/mem.h"
#include "kernel/kernel.h"
#include "model/currency.h"

#include <stdlib.h>

bool pat_customer_exists(const struct pat_table *customers, pat_row row) {
    if (pat_table_get(customers, PAT_CUSTOMER_DELETED, row) == 1) return false;
    return pat_table_get(customers, PAT_CUSTOMER_PROFILED, row) == 1 ||
           pat_table_get(customers, PAT_CUSTOMER_FIRST_FACT, row) != PAT_NULL;
}

bool pat_order_counts(const struct pat_table *orders, pat_row row) {
    return pat_table_get(orders, PAT_ORDER_STATE, row) == PAT_ORDER_PRESENT &&
           pat_table_get(orders, PAT_ORDER_DELETED, row) != 1;
}

bool pat_refund_counts(const struct pat_table *refunds, pat_row row) {
    return pat_table_get(refunds, PAT_REFUND_CUSTOMER, row) != PAT_NULL &&
           pat_table_get(refunds, PAT_REFUND_DELETED, row) != 1;
}

/* Rows that one thread counts in a piece. */
#define COUNT_ROWS 65536u

/* What one thread has counted. */
struct tally {
    struct pat_counts counts;
    struct pat_day_counts days;
    bool wants_days;
};

static void count_days(struct tally *tally, int64_t day, uint32_t facts) {
    struct pat_counts *const counts = &tally->counts;
    if (facts == 0) return;
    if (counts->newest_fact == PAT_DAY_NONE || day > counts->newest_fact) counts->newest_fact = (pat_day)day;
    if (tally->wants_days) pat_day_counts_add_many(&tally->days, (pat_day)day, facts);
}

static void count_fact(struct tally *tally, int64_t day, int64_t base) {
    tally->counts.unpriced += base == PAT_NULL;
    count_days(tally, day, 1);
}

/* Rows whose columns are unpacked at a time: they stay in the nearest cache. */
#define BLOCK_ROWS 1024u

struct recount {
    const struct pat_store *store;
    const struct pat_table *table;
    void (*rows_cb)(const struct pat_table *table, pat_row first, pat_row end, struct tally *tally);
    struct tally tally[PAT_SPREAD_LANES_MAX];
};

/* Neighbours mostly have a day in common. */
static void count_order_block(const struct pat_table *orders, pat_row first, uint32_t rows, struct tally *tally) {
    static const unsigned column[] = {PAT_ORDER_STATE, PAT_ORDER_DELETED, PAT_ORDER_DAY, PAT_ORDER_BASE};
    int64_t value[sizeof column / sizeof column[0]][BLOCK_ROWS];
    for (size_t c = 0; c < sizeof column / sizeof column[0]; c++) {
        const struct pat_column_view view = pat_column_view_of(&orders->column[column[c]]);
        pat_column_view_read(&view, first, rows, value[c], &pat_kernels_scalar);
    }
    int64_t day = PAT_NULL;
    uint32_t of_day = 0;
    for (uint32_t i = 0; i < rows; i++) {
        if (value[0][i] != PAT_ORDER_PRESENT || value[1][i] == 1) continue;
        tally->counts.orders++;
        tally->counts.unpriced += value[3][i] == PAT_NULL;
        if (value[2][i] != day) {
            count_days(tally, day, of_day);
            day = value[2][i];
            of_day = 0;
        }
        of_day++;
    }
    count_days(tally, day, of_day);
}

static void count_orders(const struct pat_table *orders, pat_row first, pat_row end, struct tally *tally) {
    for (pat_row row = first, here; row < end; row += here) {
        here = end - row < BLOCK_ROWS ? end - row : BLOCK_ROWS;
        count_order_block(orders, row, here, tally);
    }
}

static void count_refunds(const struct pat_table *refunds, pat_row first, pat_row end, struct tally *tally) {
    for (pat_row row = first; row < end; row++) {
        if (pat_refund_counts(refunds, row)) {
            tally->counts.refunds++;
            count_fact(tally, pat_table_get(refunds, PAT_REFUND_DAY, row),
                       pat_table_get(refunds, PAT_REFUND_BASE, row));
        } else if (pat_table_get(refunds, PAT_REFUND_DELETED, row) != 1) {
            tally->counts.pending_refunds++;
        }
    }
}

static void count_customers(const struct pat_table *customers, pat_row first, pat_row end, struct tally *tally) {
    for (pat_row row = first; row < end; row++) tally->counts.customers += pat_customer_exists(customers, row);
}

static void count_lines(const struct pat_table *lines, pat_row first, pat_row end, struct tally *tally) {
    for (pat_row row = first; row < end; row++) {
        tally->counts.lines += pat_table_get(lines, PAT_LINE_DELETED, row) != 1;
    }
}

static void count_rates(const struct pat_table *fx, pat_row first, pat_row end, struct tally *tally) {
    for (pat_row row = first; row < end; row++) tally->counts.fx += pat_table_get(fx, PAT_FX_DELETED, row) != 1;
}

static void recount_part(void *context, uint32_t part, unsigned lane) {
    struct recount *recount = context;
    const pat_row first = part * COUNT_ROWS, rows = recount->table->rows;
    struct tally tally = recount->tally[lane];
    recount->rows_cb(recount->table, first, rows - first < COUNT_ROWS ? rows : first + COUNT_ROWS, &tally);
    recount->tally[lane] = tally;
}

static void merge_tally(const struct tally *tally, struct pat_counts *counts, struct pat_day_counts *days) {
    counts->customers += tally->counts.customers;
    counts->orders += tally->counts.orders;
    counts->lines += tally->counts.lines;
    counts->refunds += tally->counts.refunds;
    counts->pending_refunds += tally->counts.pending_refunds;
    counts->unpriced += tally->counts.unpriced;
    counts->fx += tally->counts.fx;
    const pat_day newest = tally->counts.newest_fact;
    if (newest != PAT_DAY_NONE && (counts->newest_fact == PAT_DAY_NONE || newest > counts->newest_fact)) {
        counts->newest_fact = newest;
    }
    for (uint32_t i = 0; days != NULL && i < tally->days.days; i++) {
        pat_day_counts_add_many(days, tally->days.first + (pat_day)i, tally->days.count[i]);
    }
}

static void recount_tables(struct recount *recount, const struct pat_spread *spread) {
    static void (*const rows_cb[PAT_TABLES])(const struct pat_table *, pat_row, pat_row, struct tally *) = {
        [PAT_CUSTOMERS] = count_customers, [PAT_ORDERS] = count_orders, [PAT_LINES] = count_lines,
        [PAT_REFUNDS] = count_refunds,     [PAT_FX] = count_rates,
    };
    for (int id = 0; id < PAT_TABLES; id++) {
        recount->table = &recount->store->table[id];
        recount->rows_cb = rows_cb[id];
        pat_spread_run(spread, recount_part, recount,
                       (uint32_t)(((uint64_t)recount->table->rows + COUNT_ROWS - 1) / COUNT_ROWS));
    }
}

static void recount_shared(const struct pat_store *store, const struct pat_spread *spread, struct pat_counts *counts,
                           struct pat_day_counts *days) {
    struct recount recount = {.store = store};
    const unsigned lanes = pat_spread_lanes(spread);
    for (unsigned lane = 0; lane < lanes; lane++) {
        recount.tally[lane].counts.newest_fact = PAT_DAY_NONE;
        recount.tally[lane].wants_days = days != NULL;
        pat_day_counts_init(&recount.tally[lane].days);
    }
    recount_tables(&recount, spread);
    *counts = (struct pat_counts){.newest_fact = PAT_DAY_NONE};
    for (unsigned lane = 0; lane < lanes; lane++) {
        merge_tally(&recount.tally[lane], counts, days);
        pat_day_counts_deinit(&recount.tally[lane].days);
    }
}

void pat_store_recount(const struct pat_store *store, struct pat_counts *counts, struct pat_day_counts *days) {
    recount_shared(store, NULL, counts, days);
}

struct dated_rate {
    int currency;
    struct pat_rate_entry entry;
};

static int compare_dated_rates(const void *a, const void *b) {
    const struct dated_rate *x = a, *y = b;
    if (x->currency != y->currency) return x->currency < y->currency ? -1 : 1;
    return (x->entry.day > y->entry.day) - (x->entry.day < y->entry.day);
}

/* False when a day has two rates of one currency. */
static bool index_rates(struct pat_store *store) {
    const struct pat_table *fx = &store->table[PAT_FX];
    struct dated_rate *rate = pat_mem_alloc_must(PAT_MEM_FX, fx->rows * sizeof *rate);
    struct pat_rate_entry *entry = pat_mem_alloc_must(PAT_MEM_FX, fx->rows * sizeof *entry);
    for (pat_row row = 0; row < fx->rows; row++) {
        struct pat_text code =
            pat_dict_text(fx->dict[PAT_FX_CURRENCY], (uint32_t)pat_table_get(fx, PAT_FX_CURRENCY, row));
        rate[row] = (struct dated_rate){pat_currency_find(code), {(pat_day)pat_table_get(fx, PAT_FX_DAY, row), row}};
    }
    if (fx->rows > 0) qsort(rate, fx->rows, sizeof *rate, compare_dated_rates);
    bool once = true;
    for (pat_row i = 0; i < fx->rows; i++) {
        entry[i] = rate[i].entry;
        if (i > 0 && compare_dated_rates(&rate[i - 1], &rate[i]) == 0) once = false;
    }
    for (pat_row start = 0, end = 0; once && start < fx->rows; start = end) {
        while (end < fx->rows && rate[end].currency == rate[start].currency) end++;
        pat_rates_add(&store->rates, rate[start].currency, &entry[start], end - start);
        pat_rates_settle(&store->rates, fx, rate[start].currency, PAT_DAY_MIN);
    }
    pat_mem_free(PAT_MEM_FX, entry);
    pat_mem_free(PAT_MEM_FX, rate);
    return once;
}

static enum pat_status index_ids(struct pat_store *store, enum pat_table_id id, const struct pat_spread *spread,
                                 struct pat_error *error) {
    if (pat_store__index_table(store, id, spread)) return PAT_OK;
    return pat_error_set(error, PAT_ERR_CORRUPT, "an id of %s is there twice", pat_schema[id].name);
}

enum pat_status pat_store_rebuild_begin(struct pat_store *store, const struct pat_spread *spread,
                                        struct pat_error *error) {
    for (int id = 0; id < PAT_TABLES; id++) store->table[id].rows = store->table[id].column[0].rows;
    const char *why;
    if (!pat_store__check_values(store, spread, &why)) return pat_error_set(error, PAT_ERR_CORRUPT, "%s", why);
    PAT_TRY(index_ids(store, PAT_CUSTOMERS, spread, error));
    if (!index_rates(store)) return pat_error_set(error, PAT_ERR_CORRUPT, "a day of fx has two rates of one currency");
    recount_shared(store, spread, &store->counts, &store->fact_days);
    store->unsettled = true;
    return PAT_OK;
}

enum pat_status pat_store_settle(struct pat_store *store, const struct pat_spread *spread, struct pat_error *error) {
    const char *why;
    if (!pat_store__check_chains(store, spread, &why)) return pat_error_set(error, PAT_ERR_CORRUPT, "%s", why);
    PAT_TRY(index_ids(store, PAT_ORDERS, spread, error));
    return index_ids(store, PAT_REFUNDS, spread, error);
}

enum pat_status pat_store_rebuild(struct pat_store *store, const struct pat_spread *spread, struct pat_error *error) {
    PAT_TRY(pat_store_rebuild_begin(store, spread, error));
    PAT_TRY(pat_store_settle(store, spread, error));
    store->unsettled = false;
    return PAT_OK;
}
