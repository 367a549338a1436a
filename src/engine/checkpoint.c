/* When a snapshot is taken, and what happens around it. How it is written is persist's business. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>

#define NS_PER_MS UINT64_C(1000000)
/* After a failed journal, snapshots are tried this far apart: soon enough after room was made, seldom enough for a sick
 * disk. */
#define RETRY_MS 5000u
/* Snapshots for the sake of damaged files are tried less and less often, up to this: some ten minutes. */
#define MEND_WAIT_MS_MAX 640000u

enum pat_status pat_engine_snapshot(struct pat_engine *engine,
                                    void (*done_cb)(void *context, const struct pat_value *result,
                                                    const struct pat_error *error),
                                    void *context, struct pat_error *error) {
    if (engine->read_only) return pat_error_set(error, PAT_ERR_READONLY, "%s", engine->journal_error.message);
    if (engine->snapshot_view != NULL || engine->snapshot_wanted) {
        return pat_error_set(error, PAT_ERR_BUSY, "a snapshot is being written; try again when it is done");
    }
    struct snapshot_waiter *waiter = pat_mem_alloc(PAT_MEM_SNAPSHOT, sizeof *waiter);
    if (waiter == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a snapshot");
    *waiter = (struct snapshot_waiter){done_cb, context, engine->waiters};
    engine->waiters = waiter;
    engine->snapshot_wanted = true;
    pat_engine_turn(engine);
    return PAT_OK;
}

static void tell_waiters(struct pat_engine *engine, const struct pat_value *result, const struct pat_error *error) {
    struct snapshot_waiter *waiter = engine->waiters;
    engine->waiters = NULL;
    while (waiter != NULL) {
        struct snapshot_waiter *next = waiter->next;
        waiter->done_cb(waiter->context, result, error);
        pat_mem_free(PAT_MEM_SNAPSHOT, waiter);
        waiter = next;
    }
}

static enum pat_status snapshot_start(struct pat_engine *engine, struct pat_error *error) {
    struct pat_buf producers;
    pat_buf_init(&producers, PAT_MEM_SNAPSHOT);
    enum pat_status status = pat_producers_write(&engine->store->producers, &producers);
    if (status != PAT_OK) {
        (void)pat_error_set(error, status, "no memory for a snapshot");
        goto done;
    }
    status = pat_engine__view_open(engine, &engine->snapshot_view);
    if (status != PAT_OK) {
        (void)pat_error_set(error, status, "no room for another view");
        goto done;
    }
    status = pat_persist_snapshot(engine->persist, engine->snapshot_view, &producers, engine->stopping, error);
    if (status != PAT_OK) pat_view_close(&engine->snapshot_view);
done:
    pat_buf_deinit(&producers);
    return status;
}

void pat_engine_set_snapshot_every(struct pat_engine *engine, uint64_t ms) {
    engine->snapshot_every_ms = ms;
}

void pat_engine__journal_failed(struct pat_engine *engine, const char *why) {
    pat_log(PAT_LOG_ERROR, "journal-failed", "message=\"%s\"", why);
    engine->journal_failed = true;
    (void)pat_error_set(&engine->journal_error, PAT_ERR_READONLY,
                        "the journal failed (%.300s); queries go on. Send again later with the same seq: whether this "
                        "batch is kept is not known",
                        why);
    /* The state in memory goes to new files; when that works, batches are taken again. */
    engine->snapshot_wanted = true;
}

/* A damaged generation goes with the next snapshot; a journal file that the older of two generations needs, with the
 * one after that. */
void pat_engine__watch_damage(struct pat_engine *engine) {
    if (engine->read_only || engine->stopping || engine->store->unsettled || engine->snapshot_view != NULL) return;
    const unsigned damaged = pat_persist_damaged(engine->persist);
    if (damaged == 0 && engine->damaged == 0) return;
    const uint64_t now_ns = pat_clock_monotonic_ns();
    if (damaged > engine->damaged) {
        pat_log(PAT_LOG_WARN, "mending", "damaged_files=%u", damaged);
        engine->mend_next_ns = now_ns;
        engine->mend_wait_ms = RETRY_MS;
    } else if (damaged == 0 && engine->damaged > 0) {
        pat_log(PAT_LOG_WARN, "mended", "lsn=%" PRIu64, engine->snapshot_lsn);
    }
    engine->damaged = damaged;
    if (damaged == 0 || engine->snapshot_wanted || now_ns < engine->mend_next_ns) return;
    engine->snapshot_wanted = true;
    engine->mend_next_ns = now_ns + engine->mend_wait_ms * NS_PER_MS;
    if (engine->mend_wait_ms < MEND_WAIT_MS_MAX) engine->mend_wait_ms *= 2;
}

static bool snapshot_due(const struct pat_engine *engine) {
    if (engine->read_only) return false;
    if (engine->snapshot_wanted) return true;
    /* Only new files bring the journal back: try until the disk lets us. */
    if (engine->journal_failed) return pat_clock_monotonic_ns() - engine->snapshot_ns >= RETRY_MS * NS_PER_MS;
    if (engine->snapshot_every_ms == 0 || !pat_engine_dirty(engine)) return false;
    return pat_clock_monotonic_ns() - engine->snapshot_ns >= engine->snapshot_every_ms * NS_PER_MS;
}

bool pat_engine__snapshot_comes(const struct pat_engine *engine) {
    return engine->snapshot_view == NULL && snapshot_due(engine);
}

void pat_engine__snapshot_start_if_due(struct pat_engine *engine) {
    engine->snapshot_waits = false;
    /* The journal is cut at the snapshot's lsn, so no group may be under way. */
    if (engine->group_head != NULL || !pat_engine__snapshot_comes(engine)) return;
    engine->snapshot_waits = !pat_engine__is_settled(engine);
    if (engine->snapshot_waits) return;
    struct pat_error error;
    engine->snapshot_wanted = false;
    engine->snapshot_ns = pat_clock_monotonic_ns();
    if (snapshot_start(engine, &error) == PAT_OK) return;
    pat_log(PAT_LOG_ERROR, "snapshot-failed", "code=%s message=\"%s\"", pat_status_code(error.status), error.message);
    tell_waiters(engine, NULL, &error);
}

void pat_engine__snapshot_finish(struct pat_engine *engine, const struct pat_event *event) {
    pat_view_close(&engine->snapshot_view);
    if (event->status != PAT_OK) {
        pat_log(PAT_LOG_ERROR, "snapshot-failed", "code=%s message=\"%s\"", pat_status_code(event->status),
                event->error.message);
        tell_waiters(engine, NULL, &event->error);
        return;
    }
    engine->snapshot_lsn = event->lsn;
    engine->snapshot_wall_ms = pat_clock_wall_ms();
    /* One that began before the failure saves nothing of it: another one comes. */
    char why[PAT_ERROR_MESSAGE_BYTES];
    const bool failed = pat_persist_condition(engine->persist, why) == PAT_CONDITION_READONLY;
    if (engine->journal_failed && !failed) pat_log(PAT_LOG_WARN, "journal-resumed", "lsn=%" PRIu64, event->lsn);
    engine->journal_failed = engine->journal_failed && failed;
    pat_log(PAT_LOG_INFO, "snapshot-saved", "lsn=%" PRIu64 " generation=%" PRIu64 " bytes=%" PRIu64 " ms=%" PRIu64,
            event->lsn, event->generation, event->bytes, event->ms);
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value result = pat_build_map(&builder, 4);
    pat_build_put(&builder, &result, "lsn", pat_value_uint(event->lsn));
    pat_build_put(&builder, &result, "generation", pat_value_uint(event->generation));
    pat_build_put(&builder, &result, "bytes", pat_value_uint(event->bytes));
    pat_build_put(&builder, &result, "ms", pat_value_uint(event->ms));
    struct pat_error error;
    (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "the snapshot is saved, but there is no memory for the answer");
    tell_waiters(engine, &result, builder.failed ? &error : NULL);
    pat_arena_deinit(&arena);
}
