#include "store/run.h"

#include "store/run_private.h"
#include "store/store_private.h"

/* Odd facts that a search steps over first; twice as many each time. */
#define ODD_STEP 8u

/* ---- a run's blocks ---------------------------------------------------------------------------------------------- */

#define RUN_BLOCKS 15u

/* What a run is made of, itself last. */
static void blocks_of(struct pat_fact_run *run, void *block[RUN_BLOCKS]) {
    const struct pat_run_odds *odds = &run->odd;
    const void *const blocks[RUN_BLOCKS] = {run->day,       run->net,     run->offset, run->customer, run->block,
                                            odds->customer, odds->day,    odds->from,  odds->until,   odds->net,
                                            odds->refers,   odds->unpaid, odds->block, odds->wide,    run};
    for (unsigned i = 0; i < RUN_BLOCKS; i++) block[i] = (void *)(uintptr_t)blocks[i];
}

void pat_run__reset(struct pat_fact_run *run) {
    void *block[RUN_BLOCKS];
    blocks_of(run, block);
    for (unsigned i = 0; i + 1 < RUN_BLOCKS; i++) pat_mem_free(PAT_MEM_RUNS, block[i]);
    *run = (struct pat_fact_run){.generation = run->generation,
                                 .orders_from = run->orders_from,
                                 .orders_to = run->orders_to,
                                 .refunds_from = run->refunds_from,
                                 .refunds_to = run->refunds_to,
                                 .customers = run->customers,
                                 .bytes = sizeof *run,
                                 .day_base = run->day_base};
}

void pat_run_free(struct pat_fact_run **run) {
    if (*run == NULL) return;
    pat_run__reset(*run);
    pat_mem_free(PAT_MEM_RUNS, *run);
    *run = NULL;
}

static void retire(struct pat_store *store, const struct pat_fact_run *replaced) {
    struct pat_fact_run *run = (struct pat_fact_run *)(uintptr_t)replaced;
    struct pat_run_marks *marks = &store->marks;
    if (run->bytes >= PAT_RUN_BIG_BYTES && marks->old_count < PAT_RUNS_OLD_MAX) {
        marks->old[marks->old_count].run = run;
        marks->old[marks->old_count++].version = store->pins.version;
        return;
    }
    void *block[RUN_BLOCKS];
    blocks_of(run, block);
    for (unsigned i = 0; i < RUN_BLOCKS; i++) pat_pins_retire(&store->pins, PAT_MEM_RUNS, block[i]);
}

struct pat_fact_run *pat_store_take_old_run(struct pat_store *store) {
    struct pat_run_marks *marks = &store->marks;
    for (uint32_t i = 0; i < marks->old_count; i++) {
        if (marks->old[i].version > store->pins.oldest) continue;
        struct pat_fact_run *run = marks->old[i].run;
        marks->old[i] = marks->old[--marks->old_count];
        return run;
    }
    return NULL;
}

void pat_store__free_runs(struct pat_store *store) {
    for (uint32_t i = 0; i < store->runs.count; i++) {
        struct pat_fact_run *run = (struct pat_fact_run *)(uintptr_t)store->runs.run[i];
        pat_run_free(&run);
    }
    for (uint32_t i = 0; i < store->marks.old_count; i++) pat_run_free(&store->marks.old[i].run);
    pat_column_deinit(&store->marks.changed);
}

/* ---- in the store ------------------------------------------------------------------------------------------------ */

/* Customers that came since have no mark. Lazily, so that adding one costs nothing. */
static void extend_marks(struct pat_store *store) {
    const pat_row rows = store->table[PAT_CUSTOMERS].rows;
    struct pat_column *changed = &store->marks.changed;
    if (changed->rows == 0) pat_column_fill(changed, rows);
    while (changed->rows < rows) pat_column_append(changed, PAT_NULL);
}

uint64_t pat_store_begin_run(struct pat_store *store) {
    struct pat_run_marks *marks = &store->marks;
    marks->orders_end = store->table[PAT_ORDERS].rows;
    marks->refunds_end = store->table[PAT_REFUNDS].rows;
    marks->changes = 0;
    return ++marks->generation;
}

void pat_store_add_run(struct pat_store *store, struct pat_fact_run **run) {
    struct pat_runs *runs = &store->runs;
    const struct pat_fact_run *fresh = *run;
    PAT_ASSERT(fresh->generation == store->marks.generation);
    uint32_t at = 0;
    while (at < runs->count &&
           (runs->run[at]->orders_from < fresh->orders_from || runs->run[at]->refunds_from < fresh->refunds_from)) {
        at++;
    }
    const struct pat_fact_run *before = at > 0 ? runs->run[at - 1] : NULL;
    PAT_ASSERT(at < PAT_RUNS_MAX);
    PAT_ASSERT(fresh->orders_from == (before != NULL ? before->orders_to : 0));
    PAT_ASSERT(fresh->refunds_from == (before != NULL ? before->refunds_to : 0));
    PAT_ASSERT(fresh->orders_to >= pat_runs_orders_end(runs) && fresh->refunds_to >= pat_runs_refunds_end(runs));
    for (uint32_t i = at; i < runs->count; i++) retire(store, runs->run[i]);
    runs->run[at] = fresh;
    runs->count = at + 1;
    runs->generation = fresh->generation;
    if (at == 0) store->marks.stale = store->marks.changes;
    *run = NULL;
}

struct pat_runs pat_store_runs(struct pat_store *store) {
    struct pat_runs runs = store->runs;
    if (runs.count == 0) return runs;
    extend_marks(store);
    runs.changed = pat_column_view_of(&store->marks.changed);
    return runs;
}

void pat_store_mark_changed(struct pat_store *store, pat_row customer) {
    struct pat_run_marks *marks = &store->marks;
    extend_marks(store);
    const int64_t before = pat_column_get(&marks->changed, customer);
    if (before == (int64_t)marks->generation) return;
    const bool was_stale =
        before != PAT_NULL && store->runs.count > 0 && (uint64_t)before >= store->runs.run[0]->generation;
    if (!was_stale && store->runs.count > 0) marks->stale++;
    marks->changes++;
    pat_column_set(&marks->changed, customer, (int64_t)marks->generation);
}

size_t pat_store_mark_bytes(const struct pat_store *store, size_t customers) {
    if (store->marks.generation == 0) return 0;
    /* Each may be in a chunk of its own that widens or that a view keeps; generations fit two bytes for long. */
    const size_t chunk_rows = (size_t)1 << store->marks.changed.shift;
    const size_t chunks = store->table[PAT_CUSTOMERS].rows / chunk_rows + 1;
    const size_t changed = customers < chunks ? customers : chunks;
    const size_t width = store->marks.generation < UINT16_MAX ? 2 : 4;
    return changed * (chunk_rows * width + sizeof(struct pat_chunk) + PAT_MEM_ALIGN) +
           (chunks + 4) * (2 * sizeof(struct pat_chunk *) + sizeof(struct pat_chunk) + PAT_MEM_ALIGN);
}

/* ---- check ------------------------------------------------------------------------------------------------------- */

static bool fails(const char **why, const char *what) {
    *why = what;
    return false;
}

/* Entries first .. end - 1 belong to rows of one customer. */
static bool days_ascend(const uint16_t *day, uint32_t first, uint32_t end) {
    for (uint32_t i = first + 1; i < end; i++) {
        if (day[i] < day[i - 1]) return false;
    }
    return true;
}

static bool check_dense(const struct pat_fact_run *run, const char **why) {
    if (run->customer != NULL || run->block != NULL) return fails(why, "a run has offsets and customers");
    if (run->offset[0] != 0 || run->offset[run->customers] != run->count) return fails(why, "offsets miss entries");
    for (pat_row row = 0; row < run->customers; row++) {
        if (run->offset[row] > run->offset[row + 1]) return fails(why, "offsets descend");
        if (!days_ascend(run->day, run->offset[row], run->offset[row + 1])) return fails(why, "days descend");
    }
    return true;
}

/* Block b of `block` begins at the first entry of its customers or later ones. */
static bool block_holds(uint32_t from, uint32_t to, uint32_t count, pat_row b, pat_row first, pat_row last) {
    if (from > to || to > count) return false;
    return from == to || (first / PAT_RUN_BLOCK == b && last / PAT_RUN_BLOCK == b);
}

static bool check_sparse(const struct pat_fact_run *run, const char **why) {
    const pat_row blocks = pat_run__blocks(run->customers);
    if (run->block[0] != 0 || run->block[blocks] != run->count) return fails(why, "blocks miss entries");
    for (pat_row b = 0; b < blocks; b++) {
        const uint32_t from = run->block[b], to = run->block[b + 1];
        if (!block_holds(from, to, run->count, b, from < to ? run->customer[from] : 0,
                         from < to ? run->customer[to - 1] : 0)) {
            return fails(why, "a block holds entries of another");
        }
    }
    for (uint32_t i = 1; i < run->count; i++) {
        if (run->customer[i] < run->customer[i - 1]) return fails(why, "customers descend");
        if (run->customer[i] == run->customer[i - 1] && run->day[i] < run->day[i - 1])
            return fails(why, "days descend");
    }
    return true;
}

uint32_t pat_run_odd_of(const struct pat_fact_run *run, pat_row customer) {
    const uint32_t block = customer / PAT_RUN_BLOCK, at = pat_run_odd_near(run, customer);
    uint32_t low = run->odd.block[block], high = run->odd.block[block + 1];
    if (at < high && run->odd.customer[at] < customer) {
        low = at + 1;
        for (uint32_t step = ODD_STEP; high - low > step; step *= 2) {
            if (run->odd.customer[low + step] >= customer) {
                high = low + step;
                break;
            }
            low += step + 1;
        }
    } else {
        high = at;
        for (uint32_t step = ODD_STEP; high - low > step; step *= 2) {
            if (run->odd.customer[high - step] < customer) {
                low = high - step + 1;
                break;
            }
            high -= step;
        }
    }
    return pat_run_first(run->odd.customer, low, high, customer);
}

static bool check_odd(const struct pat_fact_run *run, const char **why) {
    const struct pat_run_odds *odds = &run->odd;
    const pat_row blocks = pat_run__blocks(run->customers);
    uint32_t wide = 0;
    if (odds->block[0] != 0 || odds->block[blocks] != odds->count) return fails(why, "blocks miss odd facts");
    for (pat_row b = 0; b < blocks; b++) {
        const uint32_t from = odds->block[b], to = odds->block[b + 1];
        if (!block_holds(from, to, odds->count, b, from < to ? odds->customer[from] : 0,
                         from < to ? odds->customer[to - 1] : 0)) {
            return fails(why, "a block holds odd facts of another");
        }
    }
    for (uint32_t i = 0; i < odds->count; i++) {
        if (pat_run_odd_is_wide(odds, i) && ((uint32_t)odds->net[i] != wide || ++wide > odds->wide_count))
            return fails(why, "wide facts descend");
        const struct pat_run_odd odd = pat_run_odd_at(odds, i);
        if (odd.customer != odds->customer[i]) return fails(why, "an odd fact is somebody else's");
        if (odd.from < odd.day || odd.until <= odd.from) return fails(why, "an odd fact is never there");
        if (i == 0) continue;
        const struct pat_run_odd before = pat_run_odd_at(odds, i - 1);
        if (odd.customer < before.customer) return fails(why, "customers of odd facts descend");
        if (odd.customer == before.customer && odd.day < before.day) return fails(why, "days of odd facts descend");
    }
    return wide == odds->wide_count || fails(why, "a wide fact is nobody's");
}

/* A look-up finds the odd facts of everybody, and of those who have none the place where they would be. */
static bool check_look_up(const struct pat_fact_run *run, const char **why) {
    uint32_t at = 0;
    for (pat_row customer = 0; customer < run->customers; customer++) {
        if (pat_run_odd_of(run, customer) != at) return fails(why, "odd facts of a customer are not found");
        while (at < run->odd.count && run->odd.customer[at] == customer) at++;
    }
    return true;
}

bool pat_run_check(const struct pat_fact_run *run, const char **why) {
    if (run->orders_from > run->orders_to || run->refunds_from > run->refunds_to)
        return fails(why, "a range ends early");
    if (run->offset != NULL ? !check_dense(run, why) : !check_sparse(run, why)) return false;
    return check_odd(run, why) && check_look_up(run, why);
}
