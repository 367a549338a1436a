#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "model/currency.h"

#include <inttypes.h>
#include <string.h>

#define ZONE_DEFAULT          "UTC"
#define BASE_CURRENCY_DEFAULT "USD"
/* With --sync interval at most this much is lost when the machine stops. */
#define SYNC_INTERVAL_MS 100u
#define NS_PER_MS        UINT64_C(1000000)
/* After so long in a turn the loop sees to its connections before more is applied or folded. */
#define TURN_NS UINT64_C(1000000)
/* Orders and refunds whose indexes take a tenth of a second: more of them are not waited for at a start. */
#define SETTLE_ROWS UINT64_C(1000000)

/* ---- opening
 * ------------------------------------------------------------------------------------------------------------- */

static bool directory_is_new(struct pat_fs *fs) {
    struct pat_file *file = NULL;
    const enum pat_status status = fs->ops->file_open(fs, &file, "MANIFEST", PAT_FILE_READ, NULL);
    if (status == PAT_OK) fs->ops->file_close(&file);
    return status == PAT_ERR_NOT_FOUND;
}

/* Given values, or for a new directory the defaults; empty ones stand for "what the directory has". Wrong names are
 * found before anything is written. */
static enum pat_status settings_choose(struct pat_engine *engine, const struct pat_engine_options *options,
                                       struct pat_error *error) {
    const bool fresh = !options->read_only && !engine->degraded && directory_is_new(engine->fs);
    const char *zone = options->zone != NULL ? options->zone : fresh ? ZONE_DEFAULT : "";
    const char *base = options->base_currency != NULL ? options->base_currency : fresh ? BASE_CURRENCY_DEFAULT : "";
    if (strlen(zone) >= sizeof engine->settings.zone) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "--timezone: \"%.80s\" is no time zone", zone);
    }
    if (base[0] != '\0' && pat_currency_find(pat_text_of(base)) < 0) {
        int nearest = pat_currency_nearest(pat_text_of(base));
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "--base-currency: \"%.20s\" is not an ISO 4217 code%s%s", base,
                             nearest >= 0 ? "; did you mean " : " such as USD or EUR",
                             nearest >= 0 ? pat_currencies[nearest].code : "");
    }
    if (zone[0] != '\0') PAT_TRY(pat_zone_open(&engine->zone, zone, error));
    memcpy(engine->settings.zone, zone, strlen(zone) + 1);
    memcpy(engine->settings.base_currency, base, strlen(base) + 1);
    return PAT_OK;
}

static enum pat_status sync_parse(const char *name, enum pat_sync *out, const char **kept, struct pat_error *error) {
    static const char *const names[] = {
        [PAT_SYNC_ALWAYS] = "always", [PAT_SYNC_INTERVAL] = "interval", [PAT_SYNC_NEVER] = "never"};
    for (int i = 0; i <= PAT_SYNC_NEVER; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum pat_sync)i;
        *kept = names[i];
        return PAT_OK;
    }
    return pat_error_set(error, PAT_ERR_BAD_REQUEST, "--sync: \"%.20s\" is not one of always, interval, never", name);
}

/* An attribute that a batch brings is the one that the store has. */
static bool attributes_match(const struct pat_store *store, const struct pat_batch *batch) {
    const struct pat_table_schema *schema = store->table[batch->table].schema;
    for (uint32_t i = 0; i < batch->columns; i++) {
        const struct pat_batch_column *column = &batch->column[i];
        if (column->field < (int)schema->own_columns || column->field >= (int)PAT_COLUMNS_MAX) continue;
        if (column->field >= (int)schema->columns || schema->field[column->field].type != column->type) return false;
    }
    return true;
}

static enum pat_status replay_attribute(struct pat_store *store, const struct pat_attribute *attribute,
                                        struct pat_error *error) {
    bool known;
    PAT_TRY(pat_store_judge_attribute(store, attribute, &known, error));
    if (!known) pat_store_add_attribute(store, attribute);
    return PAT_OK;
}

static enum pat_status replay_fit(struct pat_store *store, const struct pat_entry *entry, struct pat_error *error) {
    if (entry->kind == PAT_ENTRY_FIT_USE) {
        return pat_store_use_fit(store, entry->fit->name, &entry->fit->use, error);
    }
    struct pat_clv_fit fit = *entry->fit->fit;
    fit.lsn = entry->lsn;
    return pat_store_save_fit(store, &fit, entry->fit->adopt, error);
}

static enum pat_status replay(void *context, const struct pat_entry *entry, struct pat_error *error) {
    struct pat_engine *engine = context;
    if (engine->degraded && entry->lsn > engine->store->lsn) engine->store->lsn = entry->lsn - 1; /* some are lost */
    if (entry->lsn != engine->store->lsn + 1) {
        return pat_error_set(error, PAT_ERR_CORRUPT, "the journal goes on with lsn %" PRIu64 " after %" PRIu64,
                             entry->lsn, engine->store->lsn);
    }
    if (entry->kind != PAT_ENTRY_BATCH) {
        if (entry->kind == PAT_ENTRY_RFM_MAP) PAT_TRY(pat_store_save_map(engine->store, entry->map, error));
        if (entry->kind == PAT_ENTRY_ATTRIBUTE) PAT_TRY(replay_attribute(engine->store, entry->attribute, error));
        if (entry->fit != NULL) PAT_TRY(replay_fit(engine->store, entry, error));
        engine->store->lsn = entry->lsn;
        return PAT_OK;
    }
    if (!attributes_match(engine->store, entry->batch)) {
        return pat_error_set(error, PAT_ERR_CORRUPT, "lsn %" PRIu64 " brings an attribute that %s do not have",
                             entry->lsn, pat_schema[entry->batch->table].name);
    }
    struct pat_batch_outcome outcome;
    pat_ingest_apply_all(engine->store, &entry->batch, 1, &outcome, NULL);
    return PAT_OK;
}

static enum pat_status engine_recover(struct pat_engine *engine, struct pat_error *error) {
    unsigned char entropy[64];
    pat_entropy(entropy, sizeof entropy);
    pat_entropy(&engine->process, sizeof engine->process);
    struct pat_store_options options = {.zone = engine->zone,
                                        .base_currency = engine->settings.base_currency,
                                        .entropy = entropy,
                                        .entropy_bytes = sizeof entropy,
                                        .kernels = engine->kernels};
    PAT_TRY(pat_store_open(&engine->store, &options, error));
    PAT_TRY(pat_persist_recover(engine->persist, engine->store, replay, engine, &engine->recovery, error));
    pat_ingest_settle(engine->store, NULL);
    const struct pat_recovery *recovery = &engine->recovery;
    if (recovery->note[0] != '\0') pat_log(PAT_LOG_WARN, "recovery-note", "note=\"%s\"", recovery->note);
    pat_log(PAT_LOG_INFO, "recovered",
            "lsn=%" PRIu64 " snapshot_lsn=%" PRIu64 " generation=%" PRIu64 " records=%" PRIu64 " torn_bytes=%" PRIu64
            " fell_back=%s",
            engine->store->lsn, recovery->snapshot_lsn, recovery->generation, recovery->records, recovery->torn_bytes,
            recovery->fell_back ? "yes" : "no");
    engine->snapshot_lsn = recovery->snapshot_lsn;
    return PAT_OK;
}

static enum pat_status directory_open(struct pat_engine *engine, const struct pat_engine_options *options,
                                      enum pat_sync sync, struct pat_error *error) {
    struct pat_persist_options persist = {.fs = engine->fs,
                                          .kernels = engine->kernels,
                                          .sync = sync,
                                          .sync_interval_ms = SYNC_INTERVAL_MS,
                                          .read_only = options->read_only || engine->degraded,
                                          .salvage = engine->degraded,
                                          .event_cb = options->wake_cb,
                                          .event_context = options->wake_context,
                                          /* What is left of a directory is looked at before it is served. */
                                          .settle_rows = engine->degraded            ? 0
                                                         : options->settle_rows != 0 ? options->settle_rows
                                                                                     : SETTLE_ROWS};
    pat_entropy(&persist.seed, sizeof persist.seed);
    PAT_TRY(settings_choose(engine, options, error));
    PAT_TRY(pat_persist_open(&engine->persist, &persist, &engine->settings, error));
    if (engine->zone == NULL) PAT_TRY(pat_zone_open(&engine->zone, engine->settings.zone, error));
    return engine_recover(engine, error);
}

static void directory_close(struct pat_engine *engine) {
    pat_persist_close(&engine->persist);
    pat_store_close(&engine->store);
    pat_zone_close(&engine->zone);
}

/* Whole, or with --salvage what is left. */
static enum pat_status directory_read(struct pat_engine *engine, const struct pat_engine_options *options,
                                      enum pat_sync sync, struct pat_error *error) {
    struct pat_error why = {0};
    enum pat_status status = directory_open(engine, options, sync, &why);
    if (status == PAT_ERR_CORRUPT && options->salvage) {
        pat_log(PAT_LOG_ERROR, "salvage", "message=\"%s\"", why.message);
        directory_close(engine);
        engine->degraded = true;
        status = directory_open(engine, options, sync, &why);
    }
    if (status != PAT_OK && error != NULL) *error = why;
    return status;
}

static enum pat_status engine_start(struct pat_engine *engine, const struct pat_engine_options *options,
                                    struct pat_error *error) {
    enum pat_sync sync = PAT_SYNC_ALWAYS;
    PAT_TRY(sync_parse(options->sync, &sync, &engine->sync_name, error));
    engine->kernels = pat_kernels_find(options->cpu);
    if (engine->kernels == NULL) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "--cpu: \"%.20s\" is not one of auto, scalar, avx2, avx512, or this processor lacks it",
                             options->cpu);
    }
    PAT_TRY(options->read_only ? pat_fs_open_dir_read(&engine->fs, options->data_dir, error)
                               : pat_fs_open_dir(&engine->fs, options->data_dir, error));
    PAT_TRY(directory_read(engine, options, sync, error));
    if (!options->read_only && !engine->degraded) return pat_persist_start(engine->persist, error);
    engine->read_only = engine->journal_failed = true; /* as when there is no journal to write to, and none will come */
    (void)pat_error_set(&engine->journal_error, PAT_ERR_READONLY,
                        engine->degraded ? "%s is damaged, and what is left of it (--salvage) is only read"
                                         : "%s was opened for reading",
                        options->data_dir);
    return PAT_OK;
}

static void engine_free(struct pat_engine *engine) {
    pat_engine__scrub_close(engine);
    pat_arena_deinit(&engine->reply_arena);
    directory_close(engine);
    if (engine->fs != NULL) engine->fs->ops->close(&engine->fs);
    pat_mem_free(PAT_MEM_OTHER, engine);
}

enum pat_status pat_engine_open(struct pat_engine **out, const struct pat_engine_options *options,
                                struct pat_error *error) {
    struct pat_engine *engine = pat_mem_alloc(PAT_MEM_OTHER, sizeof *engine);
    if (engine == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the engine");
    pat_arena_init(&engine->reply_arena, 0);
    engine->version = options->version;
    engine->wake_cb = options->wake_cb;
    engine->wake_context = options->wake_context;
    engine->snapshot_every_ms = options->snapshot_every_ms;
    engine->opened_ns = pat_clock_monotonic_ns();
    engine->snapshot_ns = engine->opened_ns;
    pat_engine_set_verify_every(engine, options->verify_every_ms);
    enum pat_status status = engine_start(engine, options, error);
    if (status != PAT_OK) {
        engine_free(engine);
        return status;
    }
    *out = engine;
    return PAT_OK;
}

/* ---- closing
 * -------------------------------------------------------------------------------------------------------------- */

void pat_engine_stopping(struct pat_engine *engine) {
    engine->stopping = true;
}

bool pat_engine_idle(const struct pat_engine *engine) {
    return engine->queued == 0 && engine->snapshot_view == NULL && !engine->snapshot_wanted;
}

bool pat_engine_dirty(const struct pat_engine *engine) {
    return !engine->degraded && engine->store->lsn > engine->snapshot_lsn;
}

struct last_snapshot {
    bool done;
    enum pat_status status;
    struct pat_error *error;
};

static void last_snapshot_done(void *context, const struct pat_value *result, const struct pat_error *error) {
    struct last_snapshot *last = context;
    (void)result;
    last->done = true;
    last->status = error != NULL ? error->status : PAT_OK;
    if (error != NULL && last->error != NULL) *last->error = *error;
}

/* Waits for the disk; the loop has nothing else to do by now. */
static enum pat_status engine_save(struct pat_engine *engine, struct pat_error *error) {
    struct last_snapshot last = {.error = error};
    PAT_TRY(pat_engine_snapshot(engine, last_snapshot_done, &last, error));
    while (!last.done) {
        pat_engine_turn(engine);
        if (!last.done) pat_clock_sleep_ms(1);
    }
    return last.status;
}

enum pat_status pat_engine_close(struct pat_engine **handle, bool snapshot, struct pat_error *error) {
    struct pat_engine *engine = *handle;
    if (engine == NULL) return PAT_OK;
    if (engine->store->unsettled && engine->queued > 0) pat_engine__settle_now(engine);
    while (!pat_engine_idle(engine)) {
        pat_engine_turn(engine);
        if (!pat_engine_idle(engine)) pat_clock_sleep_ms(1);
    }
    enum pat_status status = snapshot && pat_engine_dirty(engine) ? engine_save(engine, error) : PAT_OK;
    pat_engine__end_rest(engine);
    pat_engine__release_held(engine, true);
    pat_engine__backups_sweep(engine, true);
    PAT_ASSERT(engine->pinned == NULL);
    PAT_ASSERT(!engine->chore.busy);
    pat_engine__drop_findings(&engine->findings);
    engine_free(engine);
    *handle = NULL;
    return status;
}

void pat_engine_lend(struct pat_engine *engine, const struct pat_spread *spread) {
    engine->spread = spread;
}

/* ---- turning
 * --------------------------------------------------------------------------------------------------------------- */

/* It may have failed without a group, at a sync of its own. */
static void watch_journal(struct pat_engine *engine) {
    char why[PAT_ERROR_MESSAGE_BYTES];
    if (engine->journal_failed || engine->group_head != NULL) return;
    if (pat_persist_condition(engine->persist, why) == PAT_CONDITION_READONLY) pat_engine__journal_failed(engine, why);
}

void pat_engine__wake(const struct pat_engine *engine) {
    if (engine->wake_cb != NULL) engine->wake_cb(engine->wake_context);
}

/* A piece of what is at hand, some milliseconds; false when there is nothing, or the loop is to look at it first. */
static bool do_some(struct pat_engine *engine) {
    if (engine->store->fold != NULL || engine->versions.wanted || pat_engine__must_fold(engine)) {
        if (pat_engine__fold_some(engine)) return true;
        if (!engine->versions.wanted) return true;
        pat_engine__publish(engine);
        pat_engine__wake(engine);
        return false;
    }
    return pat_engine__apply_some(engine);
}

void pat_engine_turn(struct pat_engine *engine) {
    if (engine->turning) return;
    engine->turning = true;
    const uint64_t start_ns = pat_clock_monotonic_ns();
    for (;;) {
        struct pat_event event = pat_persist_poll(engine->persist);
        if (event.kind == PAT_EVENT_NONE) break;
        if (event.kind == PAT_EVENT_JOURNAL) pat_engine__group_finish(engine, &event);
        if (event.kind == PAT_EVENT_SNAPSHOT) pat_engine__snapshot_finish(engine, &event);
    }
    while (do_some(engine)) {
        if (pat_clock_monotonic_ns() - start_ns < TURN_NS) continue;
        pat_engine__wake(engine);
        break;
    }
    watch_journal(engine);
    pat_engine__watch_damage(engine);
    pat_engine__early_release(engine);
    pat_engine__release_held(engine, false);
    pat_engine__backups_sweep(engine, false);
    pat_engine__snapshot_start_if_due(engine);
    pat_engine__group_start(engine);
    engine->turning = false;
}
