#include "analytics/facts_private.h"

#include "analytics/explain_private.h"
#include "analytics/facts_pass_private.h"

pat_day pat_run__window_start(const struct pat_run *run) {
    if (run->rfm->window_days == 0) return PAT_DAY_MIN;
    const int64_t from = (int64_t)run->day - run->rfm->window_days + 1;
    return from < PAT_DAY_MIN ? PAT_DAY_MIN : (pat_day)from;
}

/* ---- what was found ---------------------------------------------------------------------------------------------- */

static inline int64_t of_day(int32_t day) {
    return day == PAT_FACT_NO_DAY ? PAT_NULL : day;
}

static const uint32_t *counts_of(const struct pat_facts *facts, enum pat_fact fact) {
    switch (fact) {
    case PAT_FACT_ORDERS: return facts->orders;
    case PAT_FACT_WINDOW_ORDERS: return facts->window_orders;
    case PAT_FACT_UNPRICED: return facts->unpriced;
    default: return facts->window_unpriced;
    }
}

void pat_facts__read(const struct pat_facts *facts, enum pat_fact fact, uint64_t first, uint32_t count, int64_t *out) {
    PAT_DEBUG_ASSERT((facts->have & PAT_FACT_BIT(fact)) != 0);
    if (fact == PAT_FACT_NET || fact == PAT_FACT_WINDOW_NET) {
        memcpy(out, (fact == PAT_FACT_NET ? facts->net : facts->window_net) + first, count * sizeof *out);
        return;
    }
    if (fact == PAT_FACT_FIRST || fact == PAT_FACT_LAST) {
        const int32_t *days = (fact == PAT_FACT_FIRST ? facts->first : facts->last) + first;
        for (uint32_t i = 0; i < count; i++) out[i] = of_day(days[i]);
        return;
    }
    const uint32_t *counts = counts_of(facts, fact);
    for (uint32_t i = 0; i < count; i++) out[i] = counts == NULL ? 0 : counts[first + i];
}

int64_t pat_facts__get(const struct pat_facts *facts, enum pat_fact fact, uint64_t row) {
    int64_t value;
    pat_facts__read(facts, fact, row, 1, &value);
    return value;
}

bool pat_facts__strip(const struct pat_facts *facts, enum pat_fact fact, uint64_t first, struct pat_column_part *out) {
    *out = (struct pat_column_part){.width = 0, .base = 0};
    PAT_DEBUG_ASSERT((facts->have & PAT_FACT_BIT(fact)) != 0);
    if (fact == PAT_FACT_FIRST || fact == PAT_FACT_LAST) return false;
    if (fact == PAT_FACT_NET || fact == PAT_FACT_WINDOW_NET) {
        out->width = sizeof(int64_t);
        out->data = (const void *)((fact == PAT_FACT_NET ? facts->net : facts->window_net) + first);
        return true;
    }
    const uint32_t *counts = counts_of(facts, fact);
    if (counts == NULL) return true; /* none */
    out->width = sizeof *counts;
    out->data = (const void *)(counts + first);
    return true;
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

static inline int32_t as_day(int64_t value) {
    return value == PAT_NULL ? PAT_FACT_NO_DAY : (int32_t)value;
}

/* What the kept values say of a window that starts on `from`, for a customer settled at D. */
enum window_share { WINDOW_ALL, WINDOW_NONE, WINDOW_PART };

static enum window_share window_share(int64_t first_fact, int64_t settled, pat_day from) {
    if (settled == PAT_NULL || settled < from) return WINDOW_NONE;
    if (first_fact != PAT_NULL && first_fact >= from) return WINDOW_ALL;
    return WINDOW_PART;
}

static void take_values(const struct pat_facts *facts, uint64_t customer, const int64_t kept[KEPT_COLUMNS],
                        enum window_share share) {
    const uint32_t orders = (uint32_t)or_zero(kept[KEPT_ORDERS]), unpriced = (uint32_t)or_zero(kept[KEPT_UNPRICED]);
    const bool inside = share == WINDOW_ALL;
    if (facts->orders != NULL) facts->orders[customer] = orders;
    if (facts->net != NULL) facts->net[customer] = or_zero(kept[KEPT_NET]);
    if (facts->first != NULL) facts->first[customer] = as_day(kept[KEPT_FIRST]);
    if (facts->last != NULL) facts->last[customer] = as_day(kept[KEPT_LAST]);
    if (facts->unpriced != NULL) facts->unpriced[customer] = unpriced;
    if (facts->window_orders != NULL) facts->window_orders[customer] = inside ? orders : 0;
    if (facts->window_net != NULL) facts->window_net[customer] = inside ? or_zero(kept[KEPT_NET]) : 0;
    if (facts->window_unpriced != NULL) facts->window_unpriced[customer] = inside ? unpriced : 0;
}

/* False when the kept values do not answer. */
static bool take_kept(const struct pat_facts_pass *pass, uint64_t customer, const int64_t kept[KEPT_COLUMNS]) {
    const bool window = (pass->facts->have & PAT_FACTS_WINDOW) != 0;
    const pat_day day = pass->run->day;
    if (kept[KEPT_FACT] == PAT_NULL || kept[KEPT_FACT] > day) { /* nothing up to D */
        pat_facts__clear(pass->facts, customer);
        return true;
    }
    const bool settled = kept[KEPT_SETTLED] == PAT_NULL || kept[KEPT_SETTLED] <= day;
    const enum window_share share =
        window ? window_share(kept[KEPT_FACT], kept[KEPT_SETTLED], pass->from) : WINDOW_NONE;
    if (!settled || share == WINDOW_PART) {
        pat_facts__clear(pass->facts, customer);
        return false;
    }
    take_values(pass->facts, customer, kept, share);
    return true;
}

static enum pat_status kept_part(void *context, const struct pat_part *part) {
    const struct pat_facts_pass *pass = context;
    int64_t block[KEPT_COLUMNS][PAT_BLOCK_ROWS];
    const struct pat_table_view *table = &pass->view->table[PAT_CUSTOMERS];
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        for (unsigned k = 0; k < KEPT_COLUMNS; k++) {
            pat_explain__column(part->run, &table->column[kept_column[k]], (pat_row)first, count, block[k]);
        }
        for (uint32_t i = 0; i < count; i++) {
            int64_t kept[KEPT_COLUMNS];
            for (unsigned k = 0; k < KEPT_COLUMNS; k++) kept[k] = block[k][i];
            if (!take_kept(pass, first + i, kept)) pat_bits__set(pass->open, first + i);
        }
    }
    return PAT_OK;
}

/* Fills pass->open with whoever is left. */
static enum pat_status read_kept(struct pat_facts_pass *pass, uint64_t *open_count) {
    struct pat_run *run = pass->run;
    PAT_TRY(pat_run__spread(run, run->customers, kept_part, pass));
    *open_count = run->kernels->bits_count(pass->open, pat_bits__words(run->customers));
    return PAT_OK;
}

/* ---- which road -------------------------------------------------------------------------------------------------- */

static enum pat_status new_array(struct pat_run *run, size_t size, void *out) {
    void *memory = pat_arena_array_big(run->arena, run->customers, size);
    if (memory == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the facts of all customers");
    memcpy(out, &memory, sizeof memory);
    return PAT_OK;
}

enum pat_status pat_facts__arrays(struct pat_run *run, unsigned needed, struct pat_facts **out) {
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof **out, &memory));
    struct pat_facts *facts = memory;
    facts->have = needed;
    if ((needed & PAT_FACT_BIT(PAT_FACT_NET)) != 0) facts->have |= PAT_FACT_BIT(PAT_FACT_UNPRICED);
    if ((needed & PAT_FACT_BIT(PAT_FACT_WINDOW_NET)) != 0) facts->have |= PAT_FACT_BIT(PAT_FACT_WINDOW_UNPRICED);
    const unsigned counted = run->view->counts.unpriced > 0 ? facts->have : 0;
    const struct {
        bool wanted;
        size_t size;
        void *out;
    } array[] = {
        {(facts->have >> PAT_FACT_ORDERS & 1) != 0, sizeof(uint32_t), &facts->orders},
        {(facts->have >> PAT_FACT_NET & 1) != 0, sizeof(int64_t), &facts->net},
        {(facts->have >> PAT_FACT_FIRST & 1) != 0, sizeof(int32_t), &facts->first},
        {(facts->have >> PAT_FACT_LAST & 1) != 0, sizeof(int32_t), &facts->last},
        {(counted >> PAT_FACT_UNPRICED & 1) != 0, sizeof(uint32_t), &facts->unpriced},
        {(facts->have >> PAT_FACT_WINDOW_ORDERS & 1) != 0, sizeof(uint32_t), &facts->window_orders},
        {(facts->have >> PAT_FACT_WINDOW_NET & 1) != 0, sizeof(int64_t), &facts->window_net},
        {(counted >> PAT_FACT_WINDOW_UNPRICED & 1) != 0, sizeof(uint32_t), &facts->window_unpriced},
    };
    for (unsigned i = 0; i < sizeof array / sizeof *array; i++) {
        if (array[i].wanted) PAT_TRY(new_array(run, array[i].size, array[i].out));
    }
    *out = facts;
    return PAT_OK;
}

/* The kept values answer for nearly everybody: nothing is dated after D, and the window holds all. */
static bool kept_serves(const struct pat_facts_pass *pass) {
    const bool window = (pass->facts->have & PAT_FACTS_WINDOW) != 0;
    const pat_day newest = pass->view->counts.newest_fact;
    return (!window || pass->from == PAT_DAY_MIN) && (newest == PAT_DAY_NONE || newest <= pass->run->day);
}

static enum pat_status take_road(struct pat_facts_pass *pass) {
    bool done = false;
    if (!kept_serves(pass)) PAT_TRY(pat_facts__scan_runs(pass, &done));
    if (done) return PAT_OK;
    void *open;
    PAT_TRY(pat_run__array(pass->run, pat_bits__words(pass->run->customers), sizeof(uint64_t), &open));
    pass->open = open;
    uint64_t open_count = 0;
    PAT_TRY(read_kept(pass, &open_count));
    if (open_count <= pass->run->customers / PAT_FACTS_CHAIN_SHARE) return pat_facts__follow_all(pass, open);
    if (kept_serves(pass)) PAT_TRY(pat_facts__scan_runs(pass, &done));
    return done ? PAT_OK : pat_facts__scan_tables(pass, 0, 0);
}

enum pat_status pat_facts__make(struct pat_run *run, unsigned needed, struct pat_facts **out) {
    void *beyond;
    PAT_TRY(pat_facts__arrays(run, needed, out));
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof(uint64_t), &beyond));
    struct pat_facts_pass pass = {
        .run = run, .view = run->view, .facts = *out, .from = pat_run__window_start(run), .beyond = beyond};
    PAT_TRY(take_road(&pass));
    return pat_facts__follow_all(&pass, beyond); /* in 128 bits, held at the ends of 64 */
}

enum pat_status pat_facts__compute(struct pat_run *run, unsigned needed) {
    struct pat_facts *facts;
    PAT_TRY(pat_facts__make(run, needed, &facts));
    run->facts = facts;
    return PAT_OK;
}
