/* What is derived from the columns and not stored: id indexes and counters. And the check that columns make sense
 * together. */
#include "store/store.h"
#include "store/store_private.h"

#include "base/mem.h"
#include "model/currency.h"

#include <stddef.h>
#include <stdlib.h>

struct reference {
    enum pat_table_id from;
    unsigned column;
    enum pat_table_id to;
};

static const struct reference references[] = {
    {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, PAT_ORDERS},
    {PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, PAT_REFUNDS},
    {PAT_ORDERS, PAT_ORDER_CUSTOMER, PAT_CUSTOMERS},
    {PAT_ORDERS, PAT_ORDER_NEXT, PAT_ORDERS},
    {PAT_ORDERS, PAT_ORDER_LINE_HEAD, PAT_LINES},
    {PAT_ORDERS, PAT_ORDER_REFUND_HEAD, PAT_REFUNDS},
    {PAT_LINES, PAT_LINE_ORDER, PAT_ORDERS},
    {PAT_LINES, PAT_LINE_NEXT, PAT_LINES},
    {PAT_REFUNDS, PAT_REFUND_ORDER, PAT_ORDERS},
    {PAT_REFUNDS, PAT_REFUND_CUSTOMER, PAT_CUSTOMERS},
    {PAT_REFUNDS, PAT_REFUND_NEXT, PAT_REFUNDS},
    {PAT_REFUNDS, PAT_REFUND_ORDER_NEXT, PAT_REFUNDS},
};

static bool check_lengths(const struct pat_table *table) {
    for (unsigned c = 0; c < table->schema->columns; c++) {
        if (table->column[c].rows != table->rows) return false;
    }
    return true;
}

static bool check_reference(const struct pat_store *store, const struct reference *reference) {
    const struct pat_table *from = &store->table[reference->from];
    pat_row limit = store->table[reference->to].rows;
    for (pat_row row = 0; row < from->rows; row++) {
        int64_t to = pat_table_get(from, reference->column, row);
        if (to != PAT_NULL && (to < 0 || to >= (int64_t)limit)) return false;
    }
    return true;
}

static bool check_codes(const struct pat_table *table) {
    for (unsigned c = 0; c < table->schema->columns; c++) {
        if (table->dict[c] == NULL) continue;
        for (pat_row row = 0; row < table->rows; row++) {
            int64_t code = pat_table_get(table, c, row);
            if (code != PAT_NULL && (code < 0 || code >= (int64_t)table->dict[c]->count)) return false;
        }
    }
    return true;
}

/* Each row of fx says a rate, of a day and a currency that can have one. */
static bool check_rates(const struct pat_store *store) {
    const struct pat_table *fx = &store->table[PAT_FX];
    for (pat_row row = 0; row < fx->rows; row++) {
        const int64_t day = pat_table_get(fx, PAT_FX_DAY, row), currency = pat_table_get(fx, PAT_FX_CURRENCY, row);
        const int64_t per = pat_table_get(fx, PAT_FX_PER, row);
        bool per_base;
        if (day < PAT_DAY_MIN || day > PAT_DAY_MAX || currency == PAT_NULL || per == PAT_NULL) return false;
        if (pat_table_get(fx, PAT_FX_RATE, row) <= 0) return false;
        if (pat_text_is(pat_dict_text(fx->dict[PAT_FX_CURRENCY], (uint32_t)currency), store->base_currency))
            return false;
        if (!pat_rate_per(pat_dict_text(fx->dict[PAT_FX_PER], (uint32_t)per), &per_base)) return false;
    }
    return true;
}

static bool check_ids(const struct pat_store *store, const struct pat_table *table) {
    for (pat_row row = 0; row < table->rows; row++) {
        int64_t word = pat_table_get(table, 0, row);
        if (word < 0 && (word == PAT_NULL || !pat_heap_holds(&store->heap, (uint64_t)~word))) return false;
    }
    return true;
}

/* A chain from owners[head] along items[next], whose items say in items[owner] whose they are. */
struct chain {
    enum pat_table_id owners;
    unsigned head;
    enum pat_table_id items;
    unsigned next, owner;
    bool all; /* every item that has an owner is in its chain; replaced lines are in none */
};

static const struct chain chains[] = {
    {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, PAT_ORDERS, PAT_ORDER_NEXT, PAT_ORDER_CUSTOMER, true},
    {PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, PAT_REFUNDS, PAT_REFUND_NEXT, PAT_REFUND_CUSTOMER, true},
    {PAT_ORDERS, PAT_ORDER_LINE_HEAD, PAT_LINES, PAT_LINE_NEXT, PAT_LINE_ORDER, false},
    {PAT_ORDERS, PAT_ORDER_REFUND_HEAD, PAT_REFUNDS, PAT_REFUND_ORDER_NEXT, PAT_REFUND_ORDER, true},
};

/* A chain that visits more rows than its table has runs in a circle. */
static bool check_chain(const struct pat_store *store, const struct chain *chain) {
    const struct pat_table *owners = &store->table[chain->owners], *items = &store->table[chain->items];
    uint64_t visited = 0, owned = 0;
    for (pat_row owner = 0; owner < owners->rows; owner++) {
        int64_t item = pat_table_get(owners, chain->head, owner);
        while (item != PAT_NULL) {
            if (++visited > items->rows) return false;
            if (pat_table_get(items, chain->owner, (pat_row)item) != (int64_t)owner) return false;
            item = pat_table_get(items, chain->next, (pat_row)item);
        }
    }
    for (pat_row item = 0; item < items->rows; item++) owned += pat_table_get(items, chain->owner, item) != PAT_NULL;
    return chain->all ? visited == owned : visited <= owned;
}

static bool check_fact_days(const struct pat_store *store) {
    const struct pat_table *orders = &store->table[PAT_ORDERS], *refunds = &store->table[PAT_REFUNDS];
    for (pat_row row = 0; row < orders->rows; row++) {
        int64_t day = pat_table_get(orders, PAT_ORDER_DAY, row);
        if (pat_order_counts(orders, row) && (day < PAT_DAY_MIN || day > PAT_DAY_MAX)) return false;
    }
    for (pat_row row = 0; row < refunds->rows; row++) {
        int64_t day = pat_table_get(refunds, PAT_REFUND_DAY, row);
        if (pat_refund_counts(refunds, row) && (day < PAT_DAY_MIN || day > PAT_DAY_MAX)) return false;
    }
    return true;
}

/* Digits of money are looked up by these, and there is no way on without them. */
static bool check_currencies(const struct pat_store *store) {
    const struct pat_dict *const dicts[] = {store->table[PAT_ORDERS].dict[PAT_ORDER_CURRENCY],
                                            store->table[PAT_REFUNDS].dict[PAT_REFUND_CURRENCY],
                                            store->table[PAT_FX].dict[PAT_FX_CURRENCY]};
    for (size_t i = 0; i < sizeof dicts / sizeof dicts[0]; i++) {
        for (uint32_t code = 0; code < dicts[i]->count; code++) {
            if (pat_currency_find(pat_dict_text(dicts[i], code)) < 0) return false;
        }
    }
    return true;
}

bool pat_store_check(const struct pat_store *store, const char **why) {
    for (int id = 0; id < PAT_TABLES; id++) {
        const struct pat_table *table = &store->table[id];
        *why = "columns of a table differ in length";
        if (!check_lengths(table)) return false;
        *why = "a dictionary code is out of range";
        if (!check_codes(table)) return false;
        *why = "an id is missing or points outside the heap";
        if (pat_table_has_id((enum pat_table_id)id) && !check_ids(store, table)) return false;
    }
    *why = "a reference leads outside its table";
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        if (!check_reference(store, &references[i])) return false;
    }
    *why = "a chain runs in a circle, or its items are not its owner's";
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        if (!check_chain(store, &chains[i])) return false;
    }
    *why = "an order or refund has no day";
    if (!check_fact_days(store)) return false;
    *why = "a currency is not an ISO 4217 code";
    if (!check_currencies(store)) return false;
    *why = "an exchange rate has no day, currency or value";
    if (!check_rates(store)) return false;
    *why = NULL;
    return true;
}

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

static void count_fact(struct pat_counts *counts, struct pat_day_counts *days, int64_t day, int64_t base) {
    if (base == PAT_NULL) counts->unpriced++;
    if (counts->newest_fact == PAT_DAY_NONE || day > counts->newest_fact) counts->newest_fact = (pat_day)day;
    if (days != NULL) pat_day_counts_add(days, (pat_day)day);
}

static void count_orders(const struct pat_table *orders, struct pat_counts *counts, struct pat_day_counts *days) {
    for (pat_row row = 0; row < orders->rows; row++) {
        if (!pat_order_counts(orders, row)) continue;
        counts->orders++;
        count_fact(counts, days, pat_table_get(orders, PAT_ORDER_DAY, row), pat_table_get(orders, PAT_ORDER_BASE, row));
    }
}

static void count_refunds(const struct pat_table *refunds, struct pat_counts *counts, struct pat_day_counts *days) {
    for (pat_row row = 0; row < refunds->rows; row++) {
        if (pat_refund_counts(refunds, row)) {
            counts->refunds++;
            count_fact(counts, days, pat_table_get(refunds, PAT_REFUND_DAY, row),
                       pat_table_get(refunds, PAT_REFUND_BASE, row));
        } else if (pat_table_get(refunds, PAT_REFUND_DELETED, row) != 1) {
            counts->pending_refunds++;
        }
    }
}

void pat_store_recount(const struct pat_store *store, struct pat_counts *counts, struct pat_day_counts *days) {
    *counts = (struct pat_counts){.newest_fact = PAT_DAY_NONE};
    const struct pat_table *customers = &store->table[PAT_CUSTOMERS], *lines = &store->table[PAT_LINES];
    const struct pat_table *fx = &store->table[PAT_FX];
    for (pat_row row = 0; row < customers->rows; row++) counts->customers += pat_customer_exists(customers, row);
    for (pat_row row = 0; row < lines->rows; row++) counts->lines += pat_table_get(lines, PAT_LINE_DELETED, row) != 1;
    for (pat_row row = 0; row < fx->rows; row++) counts->fx += pat_table_get(fx, PAT_FX_DELETED, row) != 1;
    count_orders(&store->table[PAT_ORDERS], counts, days);
    count_refunds(&store->table[PAT_REFUNDS], counts, days);
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

enum pat_status pat_store_rebuild(struct pat_store *store, struct pat_error *error) {
    for (int id = 0; id < PAT_TABLES; id++) store->table[id].rows = store->table[id].column[0].rows;
    const char *why;
    if (!pat_store_check(store, &why)) return pat_error_set(error, PAT_ERR_CORRUPT, "%s", why);
    for (int id = 0; id < PAT_TABLES; id++) {
        if (!pat_table_has_id((enum pat_table_id)id)) continue;
        if (!pat_store__index_table(store, (enum pat_table_id)id)) {
            return pat_error_set(error, PAT_ERR_CORRUPT, "an id of %s is there twice", pat_schema[id].name);
        }
    }
    if (!index_rates(store)) return pat_error_set(error, PAT_ERR_CORRUPT, "a day of fx has two rates of one currency");
    pat_store_recount(store, &store->counts, &store->fact_days);
    return PAT_OK;
}
