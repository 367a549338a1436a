/* The rest of a restore, behind the first answers: chains are proved, orders and refunds get their indexes. Batches
 * wait for it, and so do questions for one order; all others do not. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>

#define NS_PER_MS UINT64_C(1000000)

struct pat_chore *pat_engine__settle_chore(struct pat_engine *engine) {
    if (engine->damage.status != PAT_OK) return NULL;
    engine->chore = (struct pat_chore){.busy = true,
                                       .kind = PAT_CHORE_SETTLE,
                                       .store = engine->store,
                                       .status = PAT_ERR_CANCELLED,
                                       .started_ns = pat_clock_monotonic_ns()};
    return &engine->chore;
}

/* One thread's parts, one after the other, as long as nobody asks it to end. */
static void run_parts(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    struct pat_chore *chore = context;
    for (uint32_t part = 0; part < parts; part++) {
        if (pat_engine__chore_stopped(chore)) return;
        part_cb(part_context, part, 0);
    }
}

void pat_engine__settle_run(struct pat_chore *chore) {
    const struct pat_spread spread = {.lanes = 1, .run_cb = run_parts, .context = chore};
    const enum pat_status status = pat_store_settle(chore->store, &spread, &chore->error);
    /* With parts left out it may say anything. */
    chore->status = pat_engine__chore_stopped(chore) ? PAT_ERR_CANCELLED : status;
}

void pat_engine__settle_done(struct pat_engine *engine, struct pat_chore *chore) {
    const uint64_t ms = (pat_clock_monotonic_ns() - chore->started_ns) / NS_PER_MS;
    if (chore->status == PAT_OK) {
        engine->store->unsettled = false;
        pat_log(PAT_LOG_INFO, "restore-settled", "ms=%" PRIu64, ms);
        pat_engine_turn(engine);
        return;
    }
    pat_table_forget_ids(&engine->store->table[PAT_ORDERS]);
    pat_table_forget_ids(&engine->store->table[PAT_REFUNDS]);
    if (chore->status == PAT_ERR_CANCELLED) return;
    (void)pat_error_set(&engine->damage, chore->status,
                        "the snapshot of lsn %" PRIu64 " does not hold, although its checksums do: %.300s",
                        engine->recovery.snapshot_lsn, chore->error.message);
    pat_log(PAT_LOG_ERROR, "restore-damaged", "message=\"%s\"", engine->damage.message);
    pat_engine_turn(engine);
}

void pat_engine__settle_now(struct pat_engine *engine) {
    struct pat_chore *chore = pat_engine__settle_chore(engine);
    if (chore == NULL) return;
    pat_engine__settle_run(chore);
    chore->busy = false;
    pat_engine__settle_done(engine, chore);
}

struct pat_value pat_engine__status_indexes(const struct pat_engine *engine, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 2);
    const bool unsettled = engine->store->unsettled;
    pat_build_put(builder, &map, "making", pat_value_bool(unsettled && engine->chore.busy));
    pat_build_put(builder, &map, "ready", pat_value_bool(!unsettled));
    return map;
}
