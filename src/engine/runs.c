/* When a run is made, of what, and what happens around it. How is the store's business; who does the work is net's. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>

#define NS_PER_MS UINT64_C(1000000)

/* Rows that no run covers from which on one is made: one in 64 of all. A row of the tail costs a question some twenty
 * times what it costs in a run, so that the tail adds a third to a scan at the most. The least is what costs less to
 * make than to ask for: opening the view and handing over the work. */
#define TAIL_SHARE 64u
#define TAIL_MIN   64u
/* The same while rows come and nobody has asked since the last run: then a longer tail is one question's, not many's,
 * and a load does not make runs that nobody reads. With a quarter a load was not faster, and the first question behind
 * one of ten million orders took a third of a second longer. */
#define TAIL_SHARE_UNREAD 16u
/* Customers whose facts in runs changed, from which on all is made anew: one in 512. Following the chains of one with
 * ten orders costs three to four microseconds, a hundred times what it costs in runs. */
#define STALE_SHARE 512u
#define STALE_MIN   16u
/* Runs are merged, not made from the tables, unless more than one customer in this many is stale: with ten orders a
 * customer reading the tables takes seven times as long as merging, and as long as the chains of every second one. */
#define MERGE_STALE_SHARE 4u
/* While rows come no run of more than one row in eight is made, but when there can be no more of them: it would take so
 * long that what comes meanwhile is a long tail. Such runs wait for the load's end. */
#define LONG_SHARE 8u
/* Making runs takes one part in this many of a worker's time at the most, however fast rows come and change; and while
 * somebody asks, who pays for each row of the tail, another. */
#define DUTY_SHARE       4u
#define DUTY_SHARE_ASKED 2u
/* When nothing was taken for this long, several runs become one: a question reads one stream instead of many. There are
 * several only after one row in 64 came, so that steady but slow loads do not pay for it again and again. */
#define QUIET_MS 5000u
/* When there is no memory for a run, it is tried again after this long. */
#define RETRY_MS 10000u
/* Of the budget, what must stay free beside a run that is made: for batches and questions. */
#define MEMORY_FREE_SHARE 32u

/* ---- which rows ---------------------------------------------------------------------------------------------------
 */

static uint64_t rows_of(const struct pat_fact_run *run) {
    return (uint64_t)(run->orders_to - run->orders_from) + (run->refunds_to - run->refunds_from);
}

static uint64_t tail_rows(const struct pat_store *store) {
    return (uint64_t)(store->table[PAT_ORDERS].rows - pat_runs_orders_end(&store->runs)) +
           (store->table[PAT_REFUNDS].rows - pat_runs_refunds_end(&store->runs));
}

static uint64_t share_or(uint64_t all, uint64_t share, uint64_t least) {
    return all / share > least ? all / share : least;
}

/* The runs that stay, or UINT32_MAX when none is to be made. A new run takes in those before it that are not longer
 * than what it has already: so each is longer than all behind it together, which keeps them few, and a row is moved
 * once for each time that what is behind it has doubled. */
static uint32_t runs_to_keep(const struct pat_store *store, bool quiet, bool asked) {
    const struct pat_runs *runs = &store->runs;
    if (quiet && runs->count > 1) return 0;
    const uint64_t all = (uint64_t)store->table[PAT_ORDERS].rows + store->table[PAT_REFUNDS].rows;
    if (store->marks.stale >= share_or(store->table[PAT_CUSTOMERS].rows, STALE_SHARE, STALE_MIN)) return 0;
    uint64_t rows = tail_rows(store);
    if (rows < share_or(all, quiet || asked ? TAIL_SHARE : TAIL_SHARE_UNREAD, TAIL_MIN)) return UINT32_MAX;
    const uint64_t longest = quiet || runs->count == PAT_RUNS_MAX ? UINT64_MAX : all / LONG_SHARE;
    uint32_t keep = runs->count;
    while (keep > 0) {
        const uint64_t before = rows_of(runs->run[keep - 1]);
        if (keep < PAT_RUNS_MAX && (before > rows || before + rows > longest)) break;
        rows += before;
        keep--;
    }
    return keep;
}

/* What making it takes: six bytes an order and four a customer or an order, keys while they are sorted, and room for
 * refunds and a share of other odd facts. The allocations themselves are held to the budget in any case. */
static size_t bytes_to_make(const struct pat_store *store, const struct pat_run_plan *plan) {
    const size_t orders = store->table[PAT_ORDERS].rows - plan->orders_from;
    const size_t refunds = store->table[PAT_REFUNDS].rows - plan->refunds_from;
    const size_t customers = store->table[PAT_CUSTOMERS].rows;
    const size_t beside = orders < customers ? orders : customers;
    const size_t keys = plan->merge ? orders / 4 : orders;
    return orders * 6 + beside * 4 + keys * 8 + (orders / 16 + refunds) * sizeof(struct pat_run_odd);
}

/* ---- the chore ----------------------------------------------------------------------------------------------------
 */

bool pat_engine__chore_stopped(struct pat_chore *chore) {
    if (chore->pause_cb != NULL) {
        const uint64_t before_ns = pat_clock_monotonic_ns();
        chore->pause_cb(chore->pause_context);
        chore->paused_ns += pat_clock_monotonic_ns() - before_ns;
    }
    /* Relaxed is enough: nothing else is handed over by it. */
    return __atomic_load_n(&chore->stop, __ATOMIC_RELAXED);
}

static bool stop_asked(void *context) {
    return pat_engine__chore_stopped(context);
}

void pat_chore_run(struct pat_chore *chore, void (*pause_cb)(void *context), void *context) {
    chore->pause_cb = pause_cb;
    chore->pause_context = context;
    switch (chore->kind) {
    case PAT_CHORE_RUN: chore->status = pat_run_build(&chore->run, &chore->plan); break;
    case PAT_CHORE_FREE_RUN: pat_run_free(&chore->run); break;
    case PAT_CHORE_SETTLE: pat_engine__settle_run(chore); break;
    case PAT_CHORE_PACK: pat_engine__pack_run(chore); break;
    case PAT_CHORE_SCRUB: pat_engine__scrub_run(chore); break;
    }
}

void pat_chore_stop(struct pat_chore *chore) {
    __atomic_store_n(&chore->stop, true, __ATOMIC_RELAXED);
}

static bool memory_allows(const struct pat_store *store, const struct pat_run_plan *plan) {
    return pat_mem_would_fit(bytes_to_make(store, plan) + pat_mem_budget() / MEMORY_FREE_SHARE);
}

/* One that was replaced, and is too big to be given back by the loop. */
static bool free_old_run(struct pat_engine *engine) {
    struct pat_fact_run *run = pat_store_take_old_run(engine->store);
    if (run == NULL) return false;
    engine->chore = (struct pat_chore){.busy = true, .kind = PAT_CHORE_FREE_RUN, .run = run};
    return true;
}

static struct pat_chore *run_chore(struct pat_engine *engine, uint64_t now_ns) {
    struct pat_store *store = engine->store;
    struct pat_chore *chore = &engine->chore;
    if (store->lsn != engine->chore_lsn) {
        engine->chore_lsn = store->lsn;
        engine->chore_lsn_ns = now_ns;
    }
    if (now_ns < engine->chore_next_ns) return NULL;
    const bool quiet = now_ns - engine->chore_lsn_ns >= QUIET_MS * NS_PER_MS;
    const uint32_t keep = runs_to_keep(store, quiet, engine->asked);
    if (keep == UINT32_MAX || !pat_engine__is_settled(engine)) return NULL;
    *chore = (struct pat_chore){.status = PAT_ERR_CANCELLED, .started_ns = now_ns};
    chore->plan = (struct pat_run_plan){.stop_cb = stop_asked, .stop_context = chore, .kernels = engine->kernels};
    chore->plan.merge =
        keep < store->runs.count && store->marks.stale <= store->table[PAT_CUSTOMERS].rows / MERGE_STALE_SHARE;
    if (keep > 0) {
        chore->plan.orders_from = store->runs.run[keep - 1]->orders_to;
        chore->plan.refunds_from = store->runs.run[keep - 1]->refunds_to;
    }
    if (!memory_allows(store, &chore->plan) || pat_engine__view_open(engine, &chore->view) != PAT_OK) {
        engine->chore_next_ns = chore->started_ns + RETRY_MS * NS_PER_MS;
        return NULL;
    }
    chore->busy = true;
    engine->asked = false;
    chore->plan.view = chore->view;
    chore->plan.generation = pat_store_begin_run(store);
    return chore;
}

struct pat_chore *pat_engine_chore(struct pat_engine *engine) {
    if (engine->chore.busy) return NULL;
    if (engine->store->unsettled) return pat_engine__settle_chore(engine);
    if (free_old_run(engine)) return &engine->chore;
    const uint64_t now_ns = pat_clock_monotonic_ns();
    struct pat_chore *chore = run_chore(engine, now_ns);
    if (chore == NULL && engine->versions.wanted) return NULL; /* a run begins with that one */
    if (chore == NULL) chore = pat_engine__pack_chore(engine, now_ns);
    return chore != NULL ? chore : pat_engine__scrub_chore(engine, now_ns);
}

void pat_engine_chore_done(struct pat_engine *engine, struct pat_chore *chore) {
    PAT_ASSERT(chore == &engine->chore);
    PAT_ASSERT(chore->busy);
    chore->busy = false;
    pat_engine__store_changes(engine);
    if (chore->kind == PAT_CHORE_FREE_RUN) pat_run_free(&chore->run); /* unless that is done */
    if (chore->kind == PAT_CHORE_SETTLE) pat_engine__settle_done(engine, chore);
    if (chore->kind == PAT_CHORE_PACK) pat_engine__pack_done(engine, chore);
    if (chore->kind == PAT_CHORE_SCRUB) pat_engine__scrub_done(chore);
    if (chore->kind != PAT_CHORE_RUN) return;
    const uint64_t now_ns = pat_clock_monotonic_ns(), took_ns = now_ns - chore->started_ns;
    pat_view_close(&chore->view);
    const unsigned share = engine->asked ? DUTY_SHARE_ASKED : DUTY_SHARE;
    engine->chore_next_ns = now_ns + (share - 1) * (took_ns - chore->paused_ns);
    if (chore->status == PAT_OK) {
        pat_log(PAT_LOG_DEBUG, "run-made", "rows=%" PRIu64 " bytes=%" PRIu64 " ms=%" PRIu64, rows_of(chore->run),
                chore->run->bytes, took_ns / NS_PER_MS);
        pat_store_add_run(engine->store, &chore->run);
    } else if (chore->status == PAT_ERR_NO_MEMORY) {
        pat_log(PAT_LOG_INFO, "run-no-memory", "budget=%zu", pat_mem_budget());
        engine->chore_next_ns = now_ns + RETRY_MS * NS_PER_MS;
    }
}

/* ---- status -------------------------------------------------------------------------------------------------------
 */

struct pat_value pat_engine__status_runs(const struct pat_engine *engine, struct pat_builder *builder) {
    const struct pat_store *store = engine->store;
    const struct pat_runs *runs = &store->runs;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < runs->count; i++) bytes += runs->run[i]->bytes;
    struct pat_value map = pat_build_map(builder, 6);
    pat_build_put(builder, &map, "count", pat_value_uint(runs->count));
    pat_build_put(builder, &map, "rows",
                  pat_value_uint((uint64_t)pat_runs_orders_end(runs) + pat_runs_refunds_end(runs)));
    pat_build_put(builder, &map, "tail_rows", pat_value_uint(tail_rows(store)));
    pat_build_put(builder, &map, "stale_customers", pat_value_uint(store->marks.stale));
    pat_build_put(builder, &map, "bytes", pat_value_uint(bytes));
    pat_build_put(builder, &map, "making", pat_value_bool(engine->chore.busy && engine->chore.kind == PAT_CHORE_RUN));
    return map;
}
