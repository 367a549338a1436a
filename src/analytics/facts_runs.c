/* Facts from runs, a block of customers at a time: what a customer has in the runs, then what lies behind them, then
 * the chains of those whose facts in the runs have changed. */
#include "analytics/facts_pass_private.h"

#include "analytics/explain_private.h"
#include "analytics/strip_private.h"

_Static_assert(PAT_PART_ROWS % PAT_RUN_BLOCK == 0, "parts of a pass are whole blocks of the runs");

#define DAYS_MAX 65536 /* of a run: days from its base on */

/* Customers first .. first + count - 1, at most a block, and which entries of a run count for them. */
struct span {
    pat_row first;
    uint32_t count;
    uint32_t high; /* days of the run: all end before it */
};

static struct span span_of(const struct pat_facts_pass *pass, const struct pat_fact_run *run, pat_row first,
                           uint32_t count) {
    const int64_t high = (int64_t)pass->run->day + 1 - run->day_base;
    const uint32_t there = run->customers <= first ? 0 : run->customers - first;
    return (struct span){first, there < count ? there : count,
                         high < 0          ? 0
                         : high > DAYS_MAX ? DAYS_MAX
                                           : (uint32_t)high};
}

/* ---- runs with offsets ------------------------------------------------------------------------------------------- */

static void read_first_days(const struct pat_fact_run *run, const struct span *span, int32_t *out) {
    for (uint32_t i = 0; i < span->count; i++) {
        const uint32_t at = run->offset[span->first + i];
        const bool any = at < run->offset[span->first + i + 1] && run->day[at] < span->high;
        out[i] = any ? run->day_base + run->day[at] : PAT_FACT_NO_DAY;
    }
}

/* The first run of a block: nothing was there before. */
static void take_dense(const struct pat_facts_pass *pass, const struct pat_fact_run *run, const struct span *span) {
    const struct pat_facts *facts = pass->facts;
    const pat_row at = span->first;
    uint32_t counts[PAT_RUN_BLOCK]; /* where nobody asked */
    if (facts->orders != NULL || facts->net != NULL || facts->last != NULL) {
        pass->run->kernels->run_window(run->offset + at, span->count, run->day, run->net, 0, span->high, run->day_base,
                                       NULL, facts->orders != NULL ? facts->orders + at : counts,
                                       facts->net != NULL ? facts->net + at : NULL,
                                       facts->last != NULL ? facts->last + at : NULL);
    }
    if (facts->first != NULL) read_first_days(run, span, facts->first + at);
    /* Plain orders have a price. */
    if (facts->unpriced != NULL) memset(facts->unpriced + at, 0, span->count * sizeof *facts->unpriced);
}

/* A later one: each entry is added, since such runs hold few. */
static void add_dense(const struct pat_facts_pass *pass, const struct pat_fact_run *run, const struct span *span) {
    for (uint32_t i = 0; i < span->count; i++) {
        const uint32_t end = run->offset[span->first + i + 1];
        for (uint32_t at = run->offset[span->first + i]; at < end && run->day[at] < span->high; at++) {
            pat_facts__add(pass, (uint64_t)span->first + i, (int64_t)run->day_base + run->day[at], 1, run->net[at]);
        }
    }
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static void add_sparse(const struct pat_facts_pass *pass, const struct pat_fact_run *run, const struct span *span) {
    const uint32_t block = span->first / PAT_RUN_BLOCK;
    for (uint32_t at = run->block[block]; at < run->block[block + 1]; at++) {
        if (run->day[at] >= span->high) continue;
        pat_facts__add(pass, run->customer[at], (int64_t)run->day_base + run->day[at], 1, run->net[at]);
    }
}

static void add_odd(const struct pat_facts_pass *pass, const struct pat_fact_run *run, const struct span *span) {
    const uint32_t block = span->first / PAT_RUN_BLOCK;
    for (uint32_t at = run->odd.block[block]; at < run->odd.block[block + 1]; at++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, at);
        if (odd.from > pass->run->day || pass->run->day >= odd.until) continue;
        pat_facts__add(pass, odd.customer, odd.day, odd.orders, odd.net);
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void scan_block(const struct pat_facts_pass *pass, pat_row first, uint32_t count) {
    const struct pat_runs *runs = &pass->view->runs;
    uint32_t taken = 0; /* customers of the block that have their first values */
    if (runs->run[0]->offset != NULL) {
        const struct span span = span_of(pass, runs->run[0], first, count);
        take_dense(pass, runs->run[0], &span);
        taken = span.count;
    }
    for (; taken < count; taken++) pat_facts__clear(pass->facts, (uint64_t)first + taken);
    for (uint32_t i = 0; i < runs->count; i++) {
        const struct span span = span_of(pass, runs->run[i], first, count);
        if (span.count == 0) continue;
        if (runs->run[i]->offset == NULL) add_sparse(pass, runs->run[i], &span);
        if (runs->run[i]->offset != NULL && i > 0) add_dense(pass, runs->run[i], &span);
        add_odd(pass, runs->run[i], &span);
    }
}

static enum pat_status scan_part(void *context, const struct pat_part *part) {
    for (uint64_t first = part->first; first < part->end; first += PAT_RUN_BLOCK) {
        const uint64_t left = part->end - first;
        scan_block(context, (pat_row)first, left < PAT_RUN_BLOCK ? (uint32_t)left : PAT_RUN_BLOCK);
    }
    return PAT_OK;
}

struct stale {
    const struct pat_runs *runs;
    uint64_t *bits;
};

static enum pat_status stale_part(void *context, const struct pat_part *part) {
    const struct stale *stale = context;
    for (uint64_t first = part->first; first < part->end; first += PAT_RUN_BLOCK) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_RUN_BLOCK ? (uint32_t)left : PAT_RUN_BLOCK;
        const struct pat_strip changed = {.part = pat_column_view_part(&stale->runs->changed, (pat_row)first)};
        (void)pat_strip__range(part->run->kernels, &changed, count, (int64_t)stale->runs->run[0]->generation, INT64_MAX,
                               stale->bits + first / 64);
    }
    return PAT_OK;
}

enum pat_status pat_facts__stale(struct pat_run *run, uint64_t **out) {
    const struct pat_runs *runs = &run->view->runs;
    const uint64_t words = pat_bits__words(run->customers);
    *out = NULL;
    if (runs->count == 0) return PAT_OK;
    void *bits;
    PAT_TRY(pat_run__array(run, words, sizeof(uint64_t), &bits));
    struct stale stale = {runs, bits};
    PAT_TRY(pat_run__spread(run, run->customers, stale_part, &stale));
    /* So many chains cost more than the tables. */
    if (run->kernels->bits_count(bits, words) <= run->customers / PAT_FACTS_CHAIN_SHARE) *out = bits;
    return PAT_OK;
}

enum pat_status pat_facts__scan_runs(const struct pat_facts_pass *pass, bool *done) {
    struct pat_run *run = pass->run;
    const struct pat_runs *runs = &pass->view->runs;
    uint64_t *stale;
    PAT_TRY(pat_facts__stale(run, &stale));
    *done = stale != NULL;
    if (!*done) return PAT_OK;
    PAT_ASSERT((pass->facts->have & PAT_FACTS_WINDOW) == 0); /* where runs serve, windows are made of them (window.c) */
    struct pat_facts_pass everybody = *pass;
    everybody.open = NULL;
    PAT_TRY(pat_run__spread(run, run->customers, scan_part, &everybody));
    for (uint32_t i = 0; i < runs->count; i++) pat_explain__read(run, runs->run[i]->bytes);
    PAT_TRY(pat_facts__scan_tables(&everybody, pat_runs_orders_end(runs), pat_runs_refunds_end(runs)));
    return pat_facts__follow_all(pass, stale);
}
