/* Purchase days out of the runs: most customers have all they bought in one run with offsets, in the order of days, and
 * one look along it says everything. Whoever has odd facts, entries in later runs or facts behind all runs gets a list
 * of them, as from the tables; whoever changed, its chain. */
#include "analytics/facts_private.h"
#include "analytics/lifetime_days_private.h"

#include <string.h>

_Static_assert(PAT_PART_ROWS % PAT_RUN_BLOCK == 0, "parts of a pass are whole blocks of the runs");

/* Facts of one customer that a list holds; who has more gets a chain. */
#define LIST_FACTS 4096u
/* Chains are followed when at most one customer in this many needs it, as for other facts. */
#define CHAIN_SHARE 16u

struct lane {
    struct pat_purchase_fact fact[LIST_FACTS];
};

struct pass {
    const struct pat_runs *runs;
    const struct pat_purchase_ask *ask;
    struct pat_tail tail;
    struct pat_purchases *out;
    uint64_t *chain; /* bitmap of customers whose chain has to be followed */
    struct lane *lane;
};

/* One customer on the way: where its entries are in each run. */
struct entries {
    uint32_t first[PAT_RUNS_MAX], end[PAT_RUNS_MAX];
    uint32_t odd_first[PAT_RUNS_MAX], odd_end[PAT_RUNS_MAX];
};

/* ---- where they are ---------------------------------------------------------------------------------------------- */

/* Moves `at` to the entries of `row`, which is behind the customer it was at, in the same block. */
static void advance(const struct pat_runs *runs, pat_row row, struct entries *at) {
    for (uint32_t i = 0; i < runs->count; i++) {
        const struct pat_fact_run *run = runs->run[i];
        if (run->offset != NULL) {
            at->first[i] = row < run->customers ? run->offset[row] : 0;
            at->end[i] = row < run->customers ? run->offset[row + 1] : 0;
        } else {
            at->first[i] = at->end[i];
            while (at->end[i] < run->count && run->customer[at->end[i]] == row) at->end[i]++;
        }
        at->odd_first[i] = at->odd_end[i];
        while (at->odd_end[i] < run->odd.count && run->odd.customer[at->odd_end[i]] == row) at->odd_end[i]++;
    }
}

/* Stands before the entries of `row`. */
static void stand_before(const struct pat_runs *runs, pat_row row, struct entries *at) {
    for (uint32_t i = 0; i < runs->count; i++) {
        const struct pat_fact_run *run = runs->run[i];
        at->end[i] = run->offset == NULL ? pat_run_first(run->customer, 0, run->count, row) : 0;
        at->odd_end[i] = pat_run_first(run->odd.customer, 0, run->odd.count, row);
    }
}

/* ---- one customer ------------------------------------------------------------------------------------------------ */

/* Entries first .. end of one run are all there is. */
static struct pat_history read_plain(const struct pat_fact_run *run, const struct pat_purchase_ask *ask, uint32_t first,
                                     uint32_t end) {
    struct pat_history history = {.first = PAT_DAY_NONE, .last = PAT_DAY_NONE};
    const int64_t low = (int64_t)ask->after - run->day_base, high = (int64_t)ask->day - run->day_base;
    while (first < end && run->day[first] <= low) first++;
    while (end > first && run->day[end - 1] > high) end--;
    if (first == end) return history;
    const uint16_t start = run->day[first], last = run->day[end - 1];
    uint64_t spend = 0; /* sums wrap, as everywhere */
    for (; first < end && run->day[first] == start; first++) {
    }
    for (uint16_t before = start; first < end; first++) {
        history.repeats += run->day[first] != before;
        before = run->day[first];
        spend += (uint64_t)(int64_t)run->net[first];
    }
    history.first = run->day_base + start;
    history.last = run->day_base + last;
    history.spend = (int64_t)spend;
    return history;
}

/* False when the odd fact changes no day as asked; else the day and amount that it has there. */
static bool odd_fact(const struct pat_run_odds *odds, uint32_t i, const struct pat_purchase_ask *ask,
                     struct pat_purchase_fact *out) {
    const struct pat_run_odd odd = pat_run_odd_at(odds, i);
    if (odd.from > ask->day || ask->day >= odd.until) return false;
    *out = (struct pat_purchase_fact){.amount = odd.net, .day = odd.day};
    if (odd.orders != 0) return odd.day > ask->after;
    if (!ask->spend || odd.refers == INT32_MIN) return false;
    out->day = odd.refers;
    return (int64_t)odd.refers + odd.unpaid <= ask->day;
}

/* All facts of a customer as a list; false when they are too many. */
static bool list_facts(const struct pass *pass, pat_row row, const struct entries *at, struct lane *lane, uint32_t *n) {
    const struct pat_purchase_ask *ask = pass->ask;
    *n = 0;
    for (uint32_t i = 0; i < pass->runs->count; i++) {
        const struct pat_fact_run *run = pass->runs->run[i];
        const uint64_t more = (uint64_t)(at->end[i] - at->first[i]) + (at->odd_end[i] - at->odd_first[i]);
        if (*n + more > LIST_FACTS) return false;
        for (uint32_t k = at->first[i]; k < at->end[i]; k++) {
            const pat_day day = run->day_base + run->day[k];
            if (day > ask->after && day <= ask->day) {
                lane->fact[(*n)++] = (struct pat_purchase_fact){.amount = run->net[k], .day = day};
            }
        }
        for (uint32_t k = at->odd_first[i]; k < at->odd_end[i]; k++) {
            *n += odd_fact(&run->odd, k, ask, &lane->fact[*n]);
        }
    }
    if (pass->tail.facts == NULL) return true;
    const uint64_t *start = pass->tail.start + row;
    if (*n + (start[1] - start[0]) > LIST_FACTS) return false;
    for (uint64_t k = start[0]; k < start[1]; k++) lane->fact[(*n)++] = pass->tail.facts[k];
    return true;
}

/* The one run that has everything of the customer, all of it plain, or NULL. */
static const struct pat_fact_run *only_run(const struct pass *pass, pat_row row, const struct entries *at) {
    if (pass->tail.facts != NULL && pass->tail.start[row] < pass->tail.start[row + 1]) return NULL;
    for (uint32_t i = 0; i < pass->runs->count; i++) {
        if (at->odd_first[i] < at->odd_end[i] || (i > 0 && at->first[i] < at->end[i])) return NULL;
    }
    return pass->runs->run[0];
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static enum pat_status read_part(void *context, const struct pat_part *part) {
    const struct pass *pass = context;
    struct lane *lane = &pass->lane[part->lane];
    struct entries at;
    stand_before(pass->runs, (pat_row)part->first, &at);
    for (uint64_t row = part->first; row < part->end; row++) {
        struct pat_history *out = &pass->out->of[row];
        advance(pass->runs, (pat_row)row, &at);
        const struct pat_fact_run *only = only_run(pass, (pat_row)row, &at);
        uint32_t n;
        if (only != NULL) {
            *out = read_plain(only, pass->ask, at.first[0], at.end[0]);
        } else if (list_facts(pass, (pat_row)row, &at, lane, &n)) {
            *out = pat_purchase__merge(lane->fact, n);
        } else {
            pat_bits__set(pass->chain, row);
        }
        if (pat_runs_stale(pass->runs, (pat_row)row)) pat_bits__set(pass->chain, row);
    }
    return PAT_OK;
}

static enum pat_status follow_chains(struct pat_run *run, const struct pass *pass) {
    for (uint64_t row = 0; row < run->customers; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(run));
        if (pat_bits__get(pass->chain, row)) {
            PAT_TRY(pat_purchases__of(run, (pat_row)row, pass->ask, &pass->out->of[row]));
        }
    }
    return PAT_OK;
}

enum pat_status pat_purchases__from_runs(struct pat_run *run, const struct pat_purchase_ask *ask,
                                         struct pat_purchases *out, bool *done) {
    struct pass pass = {.runs = &run->view->runs, .ask = ask, .out = out};
    const uint64_t words = pat_bits__words(run->customers);
    void *memory;
    *done = false;
    if (pass.runs->count == 0) return PAT_OK;
    PAT_TRY(pat_purchases__tail(run, ask, &pass.tail));
    if (pass.tail.long_one) return PAT_OK;
    PAT_TRY(pat_run__array(run, words, sizeof(uint64_t), &memory));
    pass.chain = memory;
    PAT_TRY(pat_run__array(run, pat_run__lanes(run), sizeof *pass.lane, &memory));
    pass.lane = memory;
    PAT_TRY(pat_run__spread(run, run->customers, read_part, &pass));
    if (run->kernels->bits_count(pass.chain, words) > run->customers / CHAIN_SHARE) return PAT_OK;
    *done = true;
    return follow_chains(run, &pass);
}
