/* Whether columns make sense together.
 *
 * What chunks note of their values (least, greatest, whether any is null) settles nearly everything without looking at
 * a row; only where it does not, because a value that is no longer there still counts, rows are looked at. */
#include "store/store_private.h"

#include "base/mem.h"
#include "model/currency.h"

#include <stddef.h>

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

/* ---- by chunks --------------------------------------------------------------------------------------------------- */

static uint32_t column_chunks(const struct pat_column *column) {
    return (uint32_t)(((uint64_t)column->rows + (1u << column->shift) - 1) >> column->shift);
}

/* Rows of chunk `index`: first .. *end - 1. */
static pat_row chunk_first(const struct pat_column *column, uint32_t index, pat_row *end) {
    const uint64_t first = (uint64_t)index << column->shift, behind = first + (1u << column->shift);
    *end = behind < column->rows ? (pat_row)behind : column->rows;
    return (pat_row)first;
}

/* What a chunk noted says that every value there is lies within least .. greatest. */
static bool chunk_noted_within(const struct pat_chunk *chunk, int64_t least, int64_t greatest) {
    return chunk->low > chunk->high || (chunk->low >= least && chunk->high <= greatest);
}

/* Every value that is not null lies within 0 .. limit - 1. */
static bool check_below(const struct pat_column *column, int64_t limit) {
    for (uint32_t index = 0; index < column_chunks(column); index++) {
        if (chunk_noted_within(column->dir->chunk[index], 0, limit - 1)) continue;
        pat_row end;
        for (pat_row row = chunk_first(column, index, &end); row < end; row++) {
            const int64_t value = pat_column_get(column, row);
            if (value != PAT_NULL && (value < 0 || value >= limit)) return false;
        }
    }
    return true;
}

static bool check_reference(const struct pat_store *store, const struct reference *reference) {
    return check_below(&store->table[reference->from].column[reference->column], store->table[reference->to].rows);
}

static bool check_codes(const struct pat_table *table) {
    for (unsigned c = 0; c < table->schema->columns; c++) {
        if (table->dict[c] != NULL && !check_below(&table->column[c], table->dict[c]->count)) return false;
    }
    return true;
}

/* A chunk of one table, looked at by one thread. */
struct sweep {
    const struct pat_store *store;
    const struct pat_table *table;
    bool (*chunk_cb)(const struct sweep *sweep, uint32_t index);
    bool failed; /* atomic */
};

static void sweep_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    struct sweep *sweep = context;
    if (__atomic_load_n(&sweep->failed, __ATOMIC_RELAXED)) return;
    if (!sweep->chunk_cb(sweep, part)) __atomic_store_n(&sweep->failed, true, __ATOMIC_RELAXED);
}

static bool sweep_chunks(struct sweep *sweep, const struct pat_spread *spread) {
    pat_spread_run(spread, sweep_part, sweep, column_chunks(&sweep->table->column[0]));
    return !sweep->failed;
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

static bool ids_chunk(const struct sweep *sweep, uint32_t index) {
    const struct pat_column *ids = &sweep->table->column[0];
    const struct pat_chunk *chunk = ids->dir->chunk[index];
    if (!chunk->has_null && chunk_noted_within(chunk, 0, INT64_MAX)) return true;
    pat_row end;
    for (pat_row row = chunk_first(ids, index, &end); row < end; row++) {
        const int64_t word = pat_column_get(ids, row);
        if (word < 0 && (word == PAT_NULL || !pat_heap_holds(&sweep->store->heap, (uint64_t)~word))) return false;
    }
    return true;
}

static bool check_ids(const struct pat_store *store, const struct pat_table *table, const struct pat_spread *spread) {
    struct sweep sweep = {.store = store, .table = table, .chunk_cb = ids_chunk};
    return sweep_chunks(&sweep, spread);
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

/* ---- chains ------------------------------------------------------------------------------------------------------ */

/* Rows that one thread looks at in a piece, of owners or of items. */
#define LINK_ROWS 65536u

/* Follows every chain. One that visits more rows than its table has runs in a circle. */
struct follow {
    const struct pat_table *owners, *items;
    const struct chain *chain;
    uint32_t owner_parts;    /* parts before these are of owners, the others of items */
    uint64_t visited, owned; /* atomic */
    bool failed;             /* atomic */
};

static bool follow_owners(const struct follow *follow, pat_row first, pat_row end, uint64_t *visited) {
    for (pat_row owner = first; owner < end; owner++) {
        int64_t item = pat_table_get(follow->owners, follow->chain->head, owner);
        while (item != PAT_NULL) {
            if (++*visited > follow->items->rows) return false;
            if (pat_table_get(follow->items, follow->chain->owner, (pat_row)item) != (int64_t)owner) return false;
            item = pat_table_get(follow->items, follow->chain->next, (pat_row)item);
        }
    }
    return true;
}

static void follow_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    struct follow *follow = context;
    const bool of_owners = part < follow->owner_parts;
    const pat_row rows = of_owners ? follow->owners->rows : follow->items->rows;
    const pat_row first = (of_owners ? part : part - follow->owner_parts) * LINK_ROWS;
    const pat_row end = rows - first < LINK_ROWS ? rows : first + LINK_ROWS;
    uint64_t visited = 0, owned = 0;
    if (__atomic_load_n(&follow->failed, __ATOMIC_RELAXED)) return;
    if (of_owners) {
        if (!follow_owners(follow, first, end, &visited)) __atomic_store_n(&follow->failed, true, __ATOMIC_RELAXED);
        __atomic_fetch_add(&follow->visited, visited, __ATOMIC_RELAXED);
        return;
    }
    for (pat_row item = first; item < end; item++) {
        owned += pat_table_get(follow->items, follow->chain->owner, item) != PAT_NULL;
    }
    __atomic_fetch_add(&follow->owned, owned, __ATOMIC_RELAXED);
}

static uint32_t link_parts(const struct pat_table *table) {
    return (uint32_t)(((uint64_t)table->rows + LINK_ROWS - 1) / LINK_ROWS);
}

static bool follow_chain(const struct pat_store *store, const struct chain *chain, const struct pat_spread *spread) {
    struct follow follow = {
        .owners = &store->table[chain->owners], .items = &store->table[chain->items], .chain = chain};
    follow.owner_parts = link_parts(follow.owners);
    pat_spread_run(spread, follow_part, &follow, follow.owner_parts + link_parts(follow.items));
    if (follow.failed) return false;
    return chain->all ? follow.visited == follow.owned : follow.visited <= follow.owned;
}

/* The same without following, a link at a time and on several threads, for chains as loads make them: a new item goes
 * before the older ones, so that links lead to lower rows and nothing can run in a circle. When besides each link leads
 * to an item of the same owner and no item is led to twice, then going back from any item that is led to ends at a
 * head, which is its owner's: there are as many items in chains as there are links. Chains that fail here (an order
 * that refunds named before it came may stand behind a later row) are followed. */
struct links {
    const struct pat_table *owners, *items;
    const struct chain *chain;
    uint32_t owner_parts; /* parts before these are of owners, the others of items */
    uint64_t *led_to;     /* [lanes][words] items that links of the lane lead to */
    size_t words;
    uint64_t made, owned; /* atomic: links, and items that have an owner */
    bool strange;         /* atomic */
};

static bool lead(const struct links *links, uint64_t *led_to, int64_t item, int64_t owner) {
    const uint64_t bit = (uint64_t)1 << (item & 63);
    if ((led_to[item >> 6] & bit) != 0) return false;
    led_to[item >> 6] |= bit;
    return pat_table_get(links->items, links->chain->owner, (pat_row)item) == owner;
}

static bool lead_from_owners(struct links *links, uint64_t *led_to, pat_row first, pat_row end) {
    uint64_t made = 0;
    for (pat_row owner = first; owner < end; owner++) {
        const int64_t item = pat_table_get(links->owners, links->chain->head, owner);
        if (item == PAT_NULL) continue;
        if (!lead(links, led_to, item, owner)) return false;
        made++;
    }
    __atomic_fetch_add(&links->made, made, __ATOMIC_RELAXED);
    return true;
}

static bool lead_from_items(struct links *links, uint64_t *led_to, pat_row first, pat_row end) {
    uint64_t made = 0, owned = 0;
    for (pat_row item = first; item < end; item++) {
        const int64_t owner = pat_table_get(links->items, links->chain->owner, item);
        const int64_t next = pat_table_get(links->items, links->chain->next, item);
        owned += owner != PAT_NULL;
        if (next == PAT_NULL) continue;
        if (owner == PAT_NULL || next >= (int64_t)item || !lead(links, led_to, next, owner)) return false;
        made++;
    }
    __atomic_fetch_add(&links->made, made, __ATOMIC_RELAXED);
    __atomic_fetch_add(&links->owned, owned, __ATOMIC_RELAXED);
    return true;
}

static void links_part(void *context, uint32_t part, unsigned lane) {
    struct links *links = context;
    uint64_t *const led_to = links->led_to + lane * links->words;
    const bool of_owners = part < links->owner_parts;
    const pat_row rows = of_owners ? links->owners->rows : links->items->rows;
    const pat_row first = (of_owners ? part : part - links->owner_parts) * LINK_ROWS;
    const pat_row end = rows - first < LINK_ROWS ? rows : first + LINK_ROWS;
    if (__atomic_load_n(&links->strange, __ATOMIC_RELAXED)) return;
    const bool good =
        of_owners ? lead_from_owners(links, led_to, first, end) : lead_from_items(links, led_to, first, end);
    if (!good) __atomic_store_n(&links->strange, true, __ATOMIC_RELAXED);
}

/* Threads saw their own links only. */
static bool led_twice(const struct links *links, unsigned lanes) {
    for (size_t word = 0; word < links->words; word++) {
        uint64_t seen = 0;
        for (unsigned lane = 0; lane < lanes; lane++) {
            const uint64_t here = links->led_to[lane * links->words + word];
            if ((seen & here) != 0) return true;
            seen |= here;
        }
    }
    return false;
}

/* False when it cannot tell. */
static bool links_hold(const struct pat_store *store, const struct chain *chain, const struct pat_spread *spread) {
    const unsigned lanes = pat_spread_lanes(spread);
    struct links links = {.owners = &store->table[chain->owners], .items = &store->table[chain->items], .chain = chain};
    links.owner_parts = link_parts(links.owners);
    links.words = ((size_t)links.items->rows + 63) / 64;
    links.led_to = pat_mem_alloc(PAT_MEM_INDEX, lanes * links.words * sizeof *links.led_to);
    if (links.led_to == NULL) return false;
    pat_spread_run(spread, links_part, &links, links.owner_parts + link_parts(links.items));
    const bool good = !links.strange && !led_twice(&links, lanes) &&
                      (chain->all ? links.made == links.owned : links.made <= links.owned);
    pat_mem_free(PAT_MEM_INDEX, links.led_to);
    return good;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool fact_has_day(const struct pat_table *table, unsigned column, pat_row row) {
    const int64_t day = pat_table_get(table, column, row);
    const bool counts = table->id == PAT_ORDERS ? pat_order_counts(table, row) : pat_refund_counts(table, row);
    return !counts || (day >= PAT_DAY_MIN && day <= PAT_DAY_MAX);
}

static bool fact_days_chunk(const struct sweep *sweep, uint32_t index) {
    const unsigned column = sweep->table->id == PAT_ORDERS ? PAT_ORDER_DAY : PAT_REFUND_DAY;
    const struct pat_column *days = &sweep->table->column[column];
    const struct pat_chunk *chunk = days->dir->chunk[index];
    if (!chunk->has_null && chunk_noted_within(chunk, PAT_DAY_MIN, PAT_DAY_MAX)) return true;
    pat_row end;
    for (pat_row row = chunk_first(days, index, &end); row < end; row++) {
        if (!fact_has_day(sweep->table, column, row)) return false;
    }
    return true;
}

static bool check_fact_days(const struct pat_store *store, const struct pat_spread *spread) {
    struct sweep orders = {.store = store, .table = &store->table[PAT_ORDERS], .chunk_cb = fact_days_chunk};
    struct sweep refunds = {.store = store, .table = &store->table[PAT_REFUNDS], .chunk_cb = fact_days_chunk};
    return sweep_chunks(&orders, spread) && sweep_chunks(&refunds, spread);
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

bool pat_store__check_values(const struct pat_store *store, const struct pat_spread *spread, const char **why) {
    for (int id = 0; id < PAT_TABLES; id++) {
        const struct pat_table *table = &store->table[id];
        *why = "columns of a table differ in length";
        if (!check_lengths(table)) return false;
        *why = "a dictionary code is out of range";
        if (!check_codes(table)) return false;
        *why = "an id is missing or points outside the heap";
        if (pat_table_has_id((enum pat_table_id)id) && !check_ids(store, table, spread)) return false;
    }
    *why = "a reference leads outside its table";
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        if (!check_reference(store, &references[i])) return false;
    }
    *why = "an order or refund has no day";
    if (!check_fact_days(store, spread)) return false;
    *why = "a currency is not an ISO 4217 code";
    if (!check_currencies(store)) return false;
    *why = "an exchange rate has no day, currency or value";
    if (!check_rates(store)) return false;
    *why = NULL;
    return true;
}

bool pat_store__check_chains(const struct pat_store *store, const struct pat_spread *spread, const char **why) {
    *why = "a chain runs in a circle, or its items are not its owner's";
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        if (!links_hold(store, &chains[i], spread) && !follow_chain(store, &chains[i], spread)) return false;
    }
    *why = NULL;
    return true;
}

bool pat_store_check(const struct pat_store *store, const char **why) {
    return pat_store__check_values(store, NULL, why) && pat_store__check_chains(store, NULL, why);
}
