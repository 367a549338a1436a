#include "analytics/kept_private.h"

#include "analytics/explain_private.h"

/* With more open customers than one in this many, one pass over all facts costs less than their chains. */
#define OPEN_SHARE 64u
/* A small shop may have this many all the same. */
#define OPEN_LEAST 64u

static const unsigned kept_column[PAT_KEPT_FACTS] = {
    [PAT_FACT_ORDERS] = PAT_CUSTOMER_ORDERS_N,     [PAT_FACT_NET] = PAT_CUSTOMER_NET,
    [PAT_FACT_FIRST] = PAT_CUSTOMER_FIRST_ORDER,   [PAT_FACT_LAST] = PAT_CUSTOMER_LAST_ORDER,
    [PAT_FACT_UNPRICED] = PAT_CUSTOMER_UNPRICED_N,
};

static struct pat_strip strip_of(const struct pat_run *run, unsigned column, pat_row first) {
    return (struct pat_strip){
        .part = pat_column_view_part(&run->view->table[PAT_CUSTOMERS].column[column], first),
    };
}

/* ---- open customers ---------------------------------------------------------------------------------------------- */

static void count_money(struct pat_open_customer *open, pat_int128 *net, int64_t base, int sign) {
    if (base == PAT_NULL) {
        open->value[PAT_FACT_UNPRICED]++;
    } else {
        *net += sign * (pat_int128)base;
    }
}

static void follow_orders(const struct pat_run *run, struct pat_open_customer *open, pat_int128 *net) {
    const struct pat_view *view = run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, open->row);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (!pat_order__eligible(view, (pat_row)row, run->day)) continue;
        const int64_t day = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row);
        int64_t *const first = &open->value[PAT_FACT_FIRST], *const last = &open->value[PAT_FACT_LAST];
        open->value[PAT_FACT_ORDERS]++;
        if (*first == PAT_NULL || day < *first) *first = day;
        if (*last == PAT_NULL || day > *last) *last = day;
        count_money(open, net, pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, (pat_row)row), 1);
    }
}

static void follow_refunds(const struct pat_run *run, struct pat_open_customer *open, pat_int128 *net) {
    const struct pat_view *view = run->view;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, open->row);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_NEXT, (pat_row)row)) {
        if (!pat_refund__counts(view, (pat_row)row, run->day)) continue;
        count_money(open, net, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, (pat_row)row), -1);
    }
}

static void follow(const struct pat_run *run, struct pat_open_customer *open) {
    pat_int128 net = 0;
    open->value[PAT_FACT_FIRST] = open->value[PAT_FACT_LAST] = PAT_NULL;
    follow_orders(run, open, &net);
    follow_refunds(run, open, &net);
    /* As ingest holds kept sums. */
    if (net > INT64_MAX) net = INT64_MAX;
    if (net < -(pat_int128)INT64_MAX) net = -INT64_MAX;
    open->value[PAT_FACT_NET] = (int64_t)net;
}

static uint32_t block_rows(const struct pat_run *run, uint64_t first) {
    const uint64_t left = run->customers - first;
    return left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
}

/* Something dated after D is known of them. */
static void select_open(const struct pat_run *run, pat_row first, uint64_t *bits) {
    const struct pat_strip settled = strip_of(run, PAT_CUSTOMER_SETTLED, first);
    const uint32_t count = block_rows(run, first);
    if (pat_strip__range(run->kernels, &settled, count, (int64_t)run->day + 1, INT64_MAX, bits)) {
        pat_explain__part(run, &settled.part, count);
    }
}

/* Sets block[]; *out stays above `most` when there are too many. */
static enum pat_status count_open(const struct pat_run *run, uint32_t most, uint32_t *block, uint32_t *out) {
    uint64_t bits[PAT_BLOCK_WORDS];
    uint64_t count = 0;
    for (uint64_t first = 0; first < run->customers && count <= most; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        *block++ = (uint32_t)count;
        select_open(run, (pat_row)first, bits);
        count += run->kernels->bits_count(bits, pat_bits__words(block_rows(run, first)));
    }
    *block = *out = (uint32_t)count;
    return PAT_OK;
}

static enum pat_status follow_open(struct pat_run *run, struct pat_open_customer *open) {
    uint64_t bits[PAT_BLOCK_WORDS];
    for (uint64_t first = 0; first < run->customers; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        select_open(run, (pat_row)first, bits);
        for (uint32_t word = 0; word < pat_bits__words(block_rows(run, first)); word++) {
            for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
                open->row = (pat_row)first + word * 64 + (pat_row)__builtin_ctzll(rest);
                follow(run, open++);
            }
        }
    }
    return PAT_OK;
}

enum pat_status pat_kept__find(struct pat_run *run) {
    const uint64_t blocks = ((uint64_t)run->customers + PAT_BLOCK_ROWS - 1) / PAT_BLOCK_ROWS;
    const uint32_t most = run->customers / OPEN_SHARE + OPEN_LEAST;
    uint32_t open_count;
    void *kept_memory, *block, *open;
    PAT_TRY(pat_run__array(run, 1, sizeof(struct pat_kept), &kept_memory));
    PAT_TRY(pat_run__array(run, blocks + 1, sizeof(uint32_t), &block));
    PAT_TRY(count_open(run, most, block, &open_count));
    if (open_count > most) return PAT_OK;
    PAT_TRY(pat_run__array(run, open_count, sizeof(struct pat_open_customer), &open));
    if (open_count > 0) PAT_TRY(follow_open(run, open));
    struct pat_kept *const kept = kept_memory;
    *kept = (struct pat_kept){.open_count = open_count, .open = open, .block = block};
    run->kept = kept;
    return PAT_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static struct pat_strip fact_strip(const struct pat_run *run, enum pat_fact fact, pat_row first) {
    struct pat_strip strip = strip_of(run, kept_column[fact], first);
    strip.null_is_zero = fact != PAT_FACT_FIRST && fact != PAT_FACT_LAST;
    return strip;
}

bool pat_kept__strip(const struct pat_run *run, enum pat_fact fact, pat_row first, struct pat_strip *out) {
    const uint32_t *block = &run->kept->block[first / PAT_BLOCK_ROWS];
    if (block[0] != block[1]) return false;
    *out = fact_strip(run, fact, first);
    return true;
}

void pat_kept__read(const struct pat_run *run, enum pat_fact fact, pat_row first, uint32_t count, int64_t *out) {
    const struct pat_kept *kept = run->kept;
    const uint32_t *block = &kept->block[first / PAT_BLOCK_ROWS];
    const struct pat_strip strip = fact_strip(run, fact, first);
    pat_strip__read(run->kernels, &strip, count, out);
    pat_explain__part(run, &strip.part, count);
    for (uint32_t i = block[0]; i < block[1]; i++) {
        const struct pat_open_customer *open = &kept->open[i];
        if (open->row >= first && open->row - first < count) out[open->row - first] = open->value[fact];
    }
}

int64_t pat_kept__unpriced(const struct pat_run *run, const uint64_t *bits) {
    int64_t total = 0, value[PAT_BLOCK_ROWS];
    if (run->view->counts.unpriced == 0) return 0; /* every fact has a price */
    for (uint64_t first = 0; first < run->customers; first += PAT_BLOCK_ROWS) {
        const uint32_t count = block_rows(run, first);
        struct pat_strip strip;
        uint64_t rows;
        pat_int128 sum;
        if (pat_kept__strip(run, PAT_FACT_UNPRICED, (pat_row)first, &strip)) {
            pat_strip__sum(run->kernels, &strip, count, bits + first / 64, &rows, &sum);
            pat_explain__part(run, &strip.part, count);
            total += (int64_t)sum;
            continue;
        }
        pat_kept__read(run, PAT_FACT_UNPRICED, (pat_row)first, count, value);
        for (uint32_t i = 0; i < count; i++) {
            if (pat_bits__get(bits, first + i)) total += value[i];
        }
    }
    return total;
}
