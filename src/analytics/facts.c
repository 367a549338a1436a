#include "analytics/facts_private.h"

/* Chains are followed instead of reading all orders when at most one customer in this many needs it: a chained order
 * costs about a cache miss for each column, an order in a pass a few nanoseconds. */
#define CHAIN_SHARE 16u

struct pass {
    struct pat_run *run;
    const struct pat_view *view;
    struct pat_facts *facts;
    uint64_t *open; /* customers that the kept aggregates do not answer */
    uint64_t open_count;
    uint64_t *beyond; /* customers whose sums left an int64 on the way */
    bool *any_beyond;
    bool window;
    pat_day from; /* first day of the window */
};

pat_day pat_run__window_start(const struct pat_run *run) {
    if (run->rfm->window_days == 0) return PAT_DAY_MIN;
    const int64_t from = (int64_t)run->day - run->rfm->window_days + 1;
    return from < PAT_DAY_MIN ? PAT_DAY_MIN : (pat_day)from;
}

static inline bool order_eligible(int64_t state, int64_t deleted, int64_t test, int64_t day, int64_t paid,
                                  int64_t cancelled, pat_day d) {
    return state == PAT_ORDER_PRESENT && deleted != 1 && test != 1 && day != PAT_NULL && day <= d &&
           (paid == PAT_NULL || paid <= d) && (cancelled == PAT_NULL || cancelled > d);
}

bool pat_order__eligible(const struct pat_view *view, pat_row row, pat_day day) {
    return order_eligible(
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, row), pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, row),
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_TEST, row), pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, row),
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_PAID_DAY, row),
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, row), day);
}

void pat_orders__eligible(const struct pat_run *run, pat_row first, uint32_t count, const int64_t *dated,
                          uint64_t *bits) {
    enum { STATE, DELETED, TEST, PAID, CANCELLED, COLUMNS };
    static const unsigned column[COLUMNS] = {PAT_ORDER_STATE, PAT_ORDER_DELETED, PAT_ORDER_TEST, PAT_ORDER_PAID_DAY,
                                             PAT_ORDER_CANCELLED};
    const struct pat_table_view *table = &run->view->table[PAT_ORDERS];
    int64_t value[COLUMNS][PAT_BLOCK_ROWS];
    for (unsigned k = 0; k < COLUMNS; k++) {
        pat_column_view_read(&table->column[column[k]], first, count, value[k], run->kernels);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!order_eligible(value[STATE][i], value[DELETED][i], value[TEST][i], dated[i], value[PAID][i],
                            value[CANCELLED][i], run->day)) {
            continue;
        }
        pat_bits__set(bits, i);
    }
}

/* A refund waits while its order is only awaited, and counts nothing for an order that counts nothing. An order whose
 * lines are negative is itself a refund: others that name it stand on their own. */
static bool order_lets_refund_count(const struct pat_view *view, int64_t order, pat_day day) {
    if (order == PAT_NULL) return true;
    const pat_row row = (pat_row)order;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, row) == PAT_ORDER_AWAITED) return false;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, row) == 1) return false;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_TEST, row) == 1) return false;
    const int64_t cancelled = pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, row);
    return cancelled == PAT_NULL || cancelled > day;
}

bool pat_refund__counts(const struct pat_view *view, pat_row row, pat_day day) {
    const int64_t dated = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, row);
    return pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DELETED, row) != 1 &&
           pat_view_get(view, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row) != PAT_NULL && dated != PAT_NULL && dated <= day &&
           order_lets_refund_count(view, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_ORDER, row), day);
}

/* Wraps instead of overflowing, and notes whose sum did: hold_sums puts that right whatever the order of rows. */
static inline void add(const struct pass *pass, uint64_t customer, enum pat_fact fact, int64_t value) {
    int64_t *to = &pass->facts->value[fact][customer];
    if (__builtin_add_overflow(*to, value, to)) {
        pat_bits__set(pass->beyond, customer);
        *pass->any_beyond = true;
    }
}

/* One counting fact: `minor` is added to the money (negative for refunds), or PAT_NULL when there is no rate. */
static void count_money(const struct pass *pass, uint64_t customer, int64_t day, int64_t minor) {
    const bool priced = minor != PAT_NULL;
    add(pass, customer, priced ? PAT_FACT_NET : PAT_FACT_UNPRICED, priced ? minor : 1);
    if (!pass->window || day < pass->from) return;
    add(pass, customer, priced ? PAT_FACT_WINDOW_NET : PAT_FACT_WINDOW_UNPRICED, priced ? minor : 1);
}

static void count_order(const struct pass *pass, uint64_t customer, int64_t day, int64_t base) {
    int64_t *const *value = pass->facts->value;
    value[PAT_FACT_ORDERS][customer]++;
    int64_t *first = &value[PAT_FACT_FIRST][customer];
    int64_t *last = &value[PAT_FACT_LAST][customer];
    if (*first == PAT_NULL || day < *first) *first = day;
    if (*last == PAT_NULL || day > *last) *last = day;
    if (pass->window && day >= pass->from) value[PAT_FACT_WINDOW_ORDERS][customer]++;
    count_money(pass, customer, day, base);
}

static void count_refund(const struct pass *pass, uint64_t customer, int64_t day, int64_t base) {
    count_money(pass, customer, day, base == PAT_NULL ? PAT_NULL : -base);
}

/* ---- from the kept aggregates ------------------------------------------------------------------------------------ */

enum { KEPT_ORDERS, KEPT_NET, KEPT_FIRST, KEPT_LAST, KEPT_UNPRICED, KEPT_FACT, KEPT_SETTLED, KEPT_COLUMNS };

static const unsigned kept_column[KEPT_COLUMNS] = {
    PAT_CUSTOMER_ORDERS_N,   PAT_CUSTOMER_NET,        PAT_CUSTOMER_FIRST_ORDER, PAT_CUSTOMER_LAST_ORDER,
    PAT_CUSTOMER_UNPRICED_N, PAT_CUSTOMER_FIRST_FACT, PAT_CUSTOMER_SETTLED,
};

static inline int64_t or_zero(int64_t value) {
    return value == PAT_NULL ? 0 : value;
}

/* What the kept values say of a window that starts on `from`, for a customer settled at D. */
enum window_share { WINDOW_ALL, WINDOW_NONE, WINDOW_PART };

static enum window_share window_share(int64_t first_fact, int64_t settled, pat_day from) {
    if (settled == PAT_NULL || settled < from) return WINDOW_NONE;
    if (first_fact != PAT_NULL && first_fact >= from) return WINDOW_ALL;
    return WINDOW_PART;
}

static void take_kept(struct pass *pass, uint64_t customer, const int64_t kept[KEPT_COLUMNS]) {
    int64_t *const *value = pass->facts->value;
    value[PAT_FACT_FIRST][customer] = PAT_NULL;
    value[PAT_FACT_LAST][customer] = PAT_NULL;
    if (kept[KEPT_FACT] == PAT_NULL || kept[KEPT_FACT] > pass->run->day) return; /* nothing up to D */
    const bool settled = kept[KEPT_SETTLED] == PAT_NULL || kept[KEPT_SETTLED] <= pass->run->day;
    const enum window_share share =
        pass->window ? window_share(kept[KEPT_FACT], kept[KEPT_SETTLED], pass->from) : WINDOW_NONE;
    if (!settled || share == WINDOW_PART) {
        pat_bits__set(pass->open, customer);
        pass->open_count++;
        return;
    }
    value[PAT_FACT_ORDERS][customer] = or_zero(kept[KEPT_ORDERS]);
    value[PAT_FACT_NET][customer] = or_zero(kept[KEPT_NET]);
    value[PAT_FACT_FIRST][customer] = kept[KEPT_FIRST];
    value[PAT_FACT_LAST][customer] = kept[KEPT_LAST];
    value[PAT_FACT_UNPRICED][customer] = or_zero(kept[KEPT_UNPRICED]);
    if (share != WINDOW_ALL) return;
    value[PAT_FACT_WINDOW_ORDERS][customer] = or_zero(kept[KEPT_ORDERS]);
    value[PAT_FACT_WINDOW_NET][customer] = or_zero(kept[KEPT_NET]);
    value[PAT_FACT_WINDOW_UNPRICED][customer] = or_zero(kept[KEPT_UNPRICED]);
}

static enum pat_status read_kept(struct pass *pass) {
    int64_t block[KEPT_COLUMNS][PAT_BLOCK_ROWS];
    const struct pat_table_view *table = &pass->view->table[PAT_CUSTOMERS];
    for (uint64_t first = 0; first < table->rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(pass->run));
        const uint64_t left = table->rows - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        for (unsigned k = 0; k < KEPT_COLUMNS; k++) {
            pat_column_view_read(&table->column[kept_column[k]], (pat_row)first, count, block[k], pass->run->kernels);
        }
        for (uint32_t i = 0; i < count; i++) {
            int64_t kept[KEPT_COLUMNS];
            for (unsigned k = 0; k < KEPT_COLUMNS; k++) kept[k] = block[k][i];
            take_kept(pass, first + i, kept);
        }
    }
    return PAT_OK;
}

/* ---- from chains ------------------------------------------------------------------------------------------------- */

static void follow_chains(struct pass *pass, pat_row customer) {
    const struct pat_view *view = pass->view;
    const pat_day day = pass->run->day;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    while (row != PAT_NULL) {
        const pat_row order = (pat_row)row;
        if (pat_order__eligible(view, order, day)) {
            count_order(pass, customer, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, order),
                        pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, order));
        }
        row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, order);
    }
    row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    while (row != PAT_NULL) {
        const pat_row refund = (pat_row)row;
        if (pat_refund__counts(view, refund, day)) {
            count_refund(pass, customer, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, refund),
                         pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, refund));
        }
        row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, refund);
    }
}

/* ---- sums that no int64 holds ------------------------------------------------------------------------------------ */

struct wide_sums {
    pat_int128 net, window;
};

static void widen(const struct pass *pass, struct wide_sums *sums, int64_t day, pat_int128 minor) {
    sums->net += minor;
    if (pass->window && day >= pass->from) sums->window += minor;
}

static struct wide_sums sum_chains(const struct pass *pass, pat_row customer) {
    const struct pat_view *view = pass->view;
    struct wide_sums sums = {0, 0};
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        const int64_t base = pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row);
        if (base == PAT_NULL || !pat_order__eligible(view, (pat_row)row, pass->run->day)) continue;
        widen(pass, &sums, pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row), base);
    }
    row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        const int64_t base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, (pat_row)row);
        if (base == PAT_NULL || !pat_refund__counts(view, (pat_row)row, pass->run->day)) continue;
        widen(pass, &sums, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, (pat_row)row), -(pat_int128)base);
    }
    return sums;
}

/* As ingest holds the kept sums. */
static int64_t hold(pat_int128 sum) {
    if (sum > INT64_MAX) return INT64_MAX;
    return sum < -(pat_int128)INT64_MAX ? -INT64_MAX : (int64_t)sum;
}

static void hold_sums(const struct pass *pass) {
    for (uint64_t word = 0; word < pat_bits__words(pass->run->customers); word++) {
        for (uint64_t rest = pass->beyond[word]; rest != 0; rest &= rest - 1) {
            const uint64_t customer = word * 64 + (uint64_t)__builtin_ctzll(rest);
            const struct wide_sums sums = sum_chains(pass, (pat_row)customer);
            pass->facts->value[PAT_FACT_NET][customer] = hold(sums.net);
            if (pass->window) pass->facts->value[PAT_FACT_WINDOW_NET][customer] = hold(sums.window);
        }
    }
}

static enum pat_status follow_open(struct pass *pass) {
    for (uint64_t word = 0; word < pat_bits__words(pass->run->customers); word++) {
        if (word % PAT_BLOCK_WORDS == 0) PAT_TRY(pat_run__stop(pass->run));
        for (uint64_t rest = pass->open[word]; rest != 0; rest &= rest - 1) {
            follow_chains(pass, (pat_row)(word * 64 + (uint64_t)__builtin_ctzll(rest)));
        }
    }
    return PAT_OK;
}

/* ---- from the tables --------------------------------------------------------------------------------------------- */

enum { O_CUSTOMER, O_STATE, O_DELETED, O_TEST, O_DAY, O_PAID, O_CANCELLED, O_BASE, O_COLUMNS };

static const unsigned order_column[O_COLUMNS] = {
    PAT_ORDER_CUSTOMER, PAT_ORDER_STATE,    PAT_ORDER_DELETED,   PAT_ORDER_TEST,
    PAT_ORDER_DAY,      PAT_ORDER_PAID_DAY, PAT_ORDER_CANCELLED, PAT_ORDER_BASE,
};

static void scan_order_block(const struct pass *pass, int64_t block[O_COLUMNS][PAT_BLOCK_ROWS], uint32_t count) {
    const pat_day day = pass->run->day;
    for (uint32_t i = 0; i < count; i++) {
        const int64_t customer = block[O_CUSTOMER][i];
        if (!order_eligible(block[O_STATE][i], block[O_DELETED][i], block[O_TEST][i], block[O_DAY][i], block[O_PAID][i],
                            block[O_CANCELLED][i], day)) {
            continue;
        }
        if (customer == PAT_NULL || !pat_bits__get(pass->open, (uint64_t)customer)) continue;
        count_order(pass, (uint64_t)customer, block[O_DAY][i], block[O_BASE][i]);
    }
}

static enum pat_status scan_orders(struct pass *pass) {
    int64_t block[O_COLUMNS][PAT_BLOCK_ROWS];
    const struct pat_table_view *table = &pass->view->table[PAT_ORDERS];
    for (uint64_t first = 0; first < table->rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(pass->run));
        const uint64_t left = table->rows - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        for (unsigned k = 0; k < O_COLUMNS; k++) {
            pat_column_view_read(&table->column[order_column[k]], (pat_row)first, count, block[k], pass->run->kernels);
        }
        scan_order_block(pass, block, count);
    }
    return PAT_OK;
}

enum { R_CUSTOMER, R_DELETED, R_ORDER, R_DAY, R_BASE, R_COLUMNS };

static const unsigned refund_column[R_COLUMNS] = {
    PAT_REFUND_CUSTOMER, PAT_REFUND_DELETED, PAT_REFUND_ORDER, PAT_REFUND_DAY, PAT_REFUND_BASE,
};

static void scan_refund_block(const struct pass *pass, int64_t block[R_COLUMNS][PAT_BLOCK_ROWS], uint32_t count) {
    const pat_day day = pass->run->day;
    for (uint32_t i = 0; i < count; i++) {
        const int64_t customer = block[R_CUSTOMER][i];
        if (customer == PAT_NULL || !pat_bits__get(pass->open, (uint64_t)customer)) continue;
        if (block[R_DELETED][i] == 1 || block[R_DAY][i] == PAT_NULL || block[R_DAY][i] > day) continue;
        if (!order_lets_refund_count(pass->view, block[R_ORDER][i], day)) continue;
        count_refund(pass, (uint64_t)customer, block[R_DAY][i], block[R_BASE][i]);
    }
}

static enum pat_status scan_refunds(struct pass *pass) {
    int64_t block[R_COLUMNS][PAT_BLOCK_ROWS];
    const struct pat_table_view *table = &pass->view->table[PAT_REFUNDS];
    for (uint64_t first = 0; first < table->rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(pass->run));
        const uint64_t left = table->rows - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        for (unsigned k = 0; k < R_COLUMNS; k++) {
            pat_column_view_read(&table->column[refund_column[k]], (pat_row)first, count, block[k], pass->run->kernels);
        }
        scan_refund_block(pass, block, count);
    }
    return PAT_OK;
}

enum pat_status pat_facts__compute(struct pat_run *run, unsigned needed) {
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof *run->facts, &memory));
    struct pat_facts *facts = memory;
    const bool window = (needed & PAT_FACTS_WINDOW) != 0;
    for (unsigned kind = 0; kind < PAT_FACT_KINDS; kind++) {
        if (!window && kind >= PAT_FACT_WINDOW_ORDERS) continue;
        PAT_TRY(pat_run__array(run, run->customers, sizeof(int64_t), &memory));
        facts->value[kind] = memory;
    }
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof(uint64_t), &memory));
    uint64_t *const open = memory;
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof(uint64_t), &memory));
    bool any_beyond = false;
    struct pass pass = {.run = run,
                        .view = run->view,
                        .facts = facts,
                        .open = open,
                        .beyond = memory,
                        .any_beyond = &any_beyond,
                        .window = window,
                        .from = pat_run__window_start(run)};
    PAT_TRY(read_kept(&pass));
    if (pass.open_count > 0 && pass.open_count <= run->customers / CHAIN_SHARE) {
        PAT_TRY(follow_open(&pass));
    } else if (pass.open_count > 0) {
        PAT_TRY(scan_orders(&pass));
        PAT_TRY(scan_refunds(&pass));
    }
    if (any_beyond) hold_sums(&pass);
    run->facts = facts;
    return PAT_OK;
}
