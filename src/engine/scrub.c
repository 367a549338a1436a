/* The same as `verify`, by itself: from time to time, in steps that are chores, so that runs, packing and everybody's
 * questions go first. Each step has a version of its own, which is open no longer than one pass over the facts. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/limits.h"

#include <inttypes.h>
#include <stdio.h>

#define NS_PER_MS UINT64_C(1000000)
/* Files are read so much at a time, and so much in a step. The net asks for chores five times a second, so a scrub
 * reads some 80 MB/s of a disk that others need too. */
#define PIECE_BYTES ((uint64_t)1 << 20)
#define STEP_BYTES  ((uint64_t)16 << 20)
/* Steps take one part in so many of a worker's time. */
#define DUTY_SHARE 4u
/* Without memory or descriptors for a step, or when it was stopped to make room. */
#define RETRY_MS 60000u

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

void pat_engine_set_verify_every(struct pat_engine *engine, uint64_t ms) {
    if (engine->scrub.every_ms == ms) return;
    engine->scrub.every_ms = ms;
    engine->scrub.since_ns = pat_clock_monotonic_ns();
}

static void scrub_rest(struct pat_scrub *scrub) {
    pat_verify_close(&scrub->verify);
    pat_mem_free(PAT_MEM_OTHER, scrub->recount);
    scrub->recount = NULL;
    scrub->stage = PAT_SCRUB_REST;
    scrub->since_ns = pat_clock_monotonic_ns();
}

void pat_engine__scrub_close(struct pat_engine *engine) {
    scrub_rest(&engine->scrub);
}

static bool scrub_begin(struct pat_engine *engine, uint64_t now_ns) {
    struct pat_scrub *scrub = &engine->scrub;
    scrub->recount = pat_mem_alloc(PAT_MEM_OTHER, sizeof *scrub->recount);
    if (scrub->recount == NULL || pat_verify_open(&scrub->verify, engine->persist, NULL) != PAT_OK) {
        pat_mem_free(PAT_MEM_OTHER, scrub->recount);
        scrub->recount = NULL;
        scrub->next_ns = now_ns + RETRY_MS * NS_PER_MS;
        return false;
    }
    scrub->stage = PAT_SCRUB_FILES;
    scrub->started_ns = now_ns;
    scrub->customer = 0;
    scrub->told = 0;
    return true;
}

/* "17,18,90": rows of customers and facts, which say nothing about anybody. */
static void print_rows(const struct pat_recount_check *check, char *out, size_t bytes) {
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < check->told && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%" PRIu32, i > 0 ? "," : "", check->first[i].row);
}

static void tell_wrong(const struct pat_recount *recount) {
    for (unsigned i = 0; i < PAT_RECOUNTS; i++) {
        const struct pat_recount_check *check = &recount->check[i];
        char rows[PAT_RECOUNT_TOLD * 12];
        if (check->wrong == 0) continue;
        print_rows(check, rows, sizeof rows);
        pat_log(PAT_LOG_ERROR, "damaged", "what=%s wrong=%" PRIu64 " ordinals=\"%s\"",
                pat_recount_name((enum pat_recounted)i), check->wrong, rows);
    }
}

static void scrub_finish(struct pat_scrub *scrub) {
    const struct pat_verified *found = pat_verify_found(scrub->verify);
    scrub->finished_ms = pat_clock_wall_ms();
    scrub->ms = (pat_clock_monotonic_ns() - scrub->started_ns) / NS_PER_MS;
    scrub->lsn = found->lsn;
    scrub->files = found->files;
    scrub->bytes = found->bytes;
    scrub->findings = found->findings;
    scrub->rows = 0;
    for (unsigned i = 0; i < PAT_RECOUNTS; i++) {
        scrub->rows += scrub->recount->check[i].rows;
        scrub->findings += scrub->recount->check[i].wrong > 0;
    }
    tell_wrong(scrub->recount);
    pat_log(PAT_LOG_INFO, "verified",
            "lsn=%" PRIu64 " files=%" PRIu64 " bytes=%" PRIu64 " rows=%" PRIu64 " findings=%" PRIu64 " ms=%" PRIu64,
            scrub->lsn, scrub->files, scrub->bytes, scrub->rows, scrub->findings, scrub->ms);
    scrub_rest(scrub);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Something else has the disk, or the facts are not all in place. */
static bool stands_back(const struct pat_engine *engine) {
    return engine->snapshot_view != NULL || engine->snapshot_wanted || engine->journal_failed || engine->stopping ||
           engine->store->unsettled;
}

struct pat_chore *pat_engine__scrub_chore(struct pat_engine *engine, uint64_t now_ns) {
    struct pat_scrub *scrub = &engine->scrub;
    struct pat_chore *chore = &engine->chore;
    if (scrub->every_ms == 0 && scrub->stage != PAT_SCRUB_REST) scrub_rest(scrub); /* it was turned off */
    if (scrub->every_ms == 0 || now_ns < scrub->next_ns || stands_back(engine)) return NULL;
    if (scrub->stage == PAT_SCRUB_REST) {
        if (now_ns - scrub->since_ns < scrub->every_ms * NS_PER_MS || !scrub_begin(engine, now_ns)) return NULL;
    }
    if (scrub->stage != PAT_SCRUB_FILES && !pat_engine__is_settled(engine)) return NULL;
    *chore =
        (struct pat_chore){.kind = PAT_CHORE_SCRUB, .scrub = scrub, .status = PAT_ERR_CANCELLED, .started_ns = now_ns};
    if (scrub->stage != PAT_SCRUB_FILES && pat_engine__view_open(engine, &chore->view) != PAT_OK) {
        scrub->next_ns = now_ns + RETRY_MS * NS_PER_MS;
        return NULL;
    }
    chore->busy = true;
    return chore;
}

static enum pat_status stop_asked(void *context) {
    return pat_engine__chore_stopped(context) ? PAT_ERR_CANCELLED : PAT_OK;
}

static enum pat_status step_files(struct pat_chore *chore) {
    bool done = false;
    for (uint64_t bytes = 0; bytes < STEP_BYTES && !done; bytes += PIECE_BYTES) {
        PAT_TRY(stop_asked(chore));
        PAT_TRY(pat_verify_some(chore->scrub->verify, PIECE_BYTES, &done, &chore->error));
    }
    chore->more = !done;
    return PAT_OK;
}

static enum pat_status step_rows(struct pat_chore *chore) {
    struct pat_scrub *scrub = chore->scrub;
    struct pat_arena arena;
    const struct pat_job job = {.view = chore->view, .arena = &arena, .stop_cb = stop_asked, .stop_context = chore};
    const pat_row customers = chore->view->table[PAT_CUSTOMERS].rows;
    enum pat_status status;
    pat_arena_init(&arena, PAT_QUERY_BYTES_MAX);
    if (scrub->stage == PAT_SCRUB_COUNTS) {
        status = pat_recount_whole(&job, scrub->recount, &chore->error);
        chore->more = false;
    } else {
        status = pat_recount_piece(&job, scrub->customer, scrub->recount, &chore->error);
        chore->more = customers - scrub->customer > PAT_RECOUNT_CUSTOMERS;
    }
    pat_arena_deinit(&arena);
    return status;
}

/* A step that fails or is stopped has counted nothing: it is done again. */
static enum pat_status step_rows_whole(struct pat_chore *chore) {
    struct pat_recount *recount = chore->scrub->recount;
    const struct pat_recount before = *recount;
    const enum pat_status status = step_rows(chore);
    if (status != PAT_OK) *recount = before;
    return status;
}

void pat_engine__scrub_run(struct pat_chore *chore) {
    chore->status = chore->scrub->stage == PAT_SCRUB_FILES ? step_files(chore) : step_rows_whole(chore);
}

void pat_engine__scrub_done(struct pat_chore *chore) {
    struct pat_scrub *scrub = chore->scrub;
    const uint64_t now_ns = pat_clock_monotonic_ns(), took_ns = now_ns - chore->started_ns - chore->paused_ns;
    if (chore->view != NULL) pat_view_close(&chore->view);
    scrub->told = pat_engine__tell_damage(pat_verify_found(scrub->verify), scrub->told);
    scrub->next_ns = now_ns + (DUTY_SHARE - 1) * took_ns;
    if (chore->status != PAT_OK) { /* where it stands it goes on */
        scrub->next_ns = now_ns + RETRY_MS * NS_PER_MS;
        return;
    }
    if (scrub->stage == PAT_SCRUB_CUSTOMERS && chore->more) scrub->customer += PAT_RECOUNT_CUSTOMERS;
    if (chore->more) return;
    if (scrub->stage == PAT_SCRUB_CUSTOMERS) {
        scrub_finish(scrub);
    } else {
        scrub->stage++;
    }
}

/* ---- status ------------------------------------------------------------------------------------------------------ */

struct pat_value pat_engine__status_scrub(const struct pat_engine *engine, struct pat_builder *builder) {
    const struct pat_scrub *scrub = &engine->scrub;
    struct pat_value map = pat_build_map(builder, 10);
    pat_build_put(builder, &map, "every_ms", pat_value_uint(scrub->every_ms));
    pat_build_put(builder, &map, "running", pat_value_bool(scrub->stage != PAT_SCRUB_REST));
    /* Found by a scrub or by `verify`, and not yet replaced. */
    pat_build_put(builder, &map, "damaged_files", pat_value_uint(engine->damaged));
    if (scrub->finished_ms == 0) return map;
    pat_build_put(builder, &map, "finished_ms", pat_value_int(scrub->finished_ms));
    pat_build_put(builder, &map, "ms", pat_value_uint(scrub->ms));
    pat_build_put(builder, &map, "lsn", pat_value_uint(scrub->lsn));
    pat_build_put(builder, &map, "files", pat_value_uint(scrub->files));
    pat_build_put(builder, &map, "bytes", pat_value_uint(scrub->bytes));
    pat_build_put(builder, &map, "rows", pat_value_uint(scrub->rows));
    pat_build_put(builder, &map, "findings", pat_value_uint(scrub->findings));
    return map;
}
