/* Backups: a snapshot held for a client to read. No path comes from the wire: a file is a place in a list. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "persist/export.h"

#include <inttypes.h>

#define NS_PER_MS UINT64_C(1000000)

/* ---- their end -------------------------------------------------------------------------------------------------- */

static void backup_free(struct pat_backup *backup) {
    pat_export_close(&backup->exported);
    pat_mem_free(PAT_MEM_SNAPSHOT, backup);
}

static void backup_unlink(struct pat_backup *backup) {
    struct pat_backup **link = &backup->engine->backups;
    while (*link != backup) link = &(*link)->next;
    *link = backup->next;
}

static void backup_end(struct pat_backup *backup, const char *why) {
    pat_log(PAT_LOG_INFO, "backup-ended", "backup=%" PRIu64 " reason=%s", backup->number, why);
    backup_unlink(backup);
    backup->ended = true;
    if (backup->readers == 0) backup_free(backup);
}

void pat_engine__backup_leave(struct pat_backup *backup) {
    PAT_ASSERT(backup->readers > 0);
    backup->readers--;
    if (backup->ended && backup->readers == 0) backup_free(backup);
}

void pat_engine__backups_sweep(struct pat_engine *engine, bool all) {
    const uint64_t now_ns = pat_clock_monotonic_ns();
    struct pat_backup *next;
    for (struct pat_backup *backup = engine->backups; backup != NULL; backup = next) {
        next = backup->next;
        const bool waits = backup->exported == NULL;
        const bool idle = backup->readers == 0 && now_ns - backup->used_ns > PAT_BACKUP_MS * NS_PER_MS;
        if (all || (idle && !waits)) backup_end(backup, all ? "stop" : "idle");
    }
}

static struct pat_backup *backup_of(const struct pat_engine *engine, uint64_t number) {
    struct pat_backup *backup = engine->backups;
    while (backup != NULL && (backup->number != number || backup->exported == NULL)) backup = backup->next;
    return backup;
}

static enum pat_status fail_gone(const struct pat_backup_ask *ask, struct pat_error *error) {
    return pat_error_set_at(error, PAT_ERR_EXPIRED, "backup", -1, -1,
                            "there is no backup %" PRIu64 ": it has ended, or nothing of it was read for %u s",
                            ask->backup, PAT_BACKUP_MS / 1000);
}

enum pat_status pat_engine__backup_end(struct pat_engine *engine, const struct pat_backup_ask *ask,
                                       struct pat_builder *builder, struct pat_value *result, struct pat_error *error) {
    struct pat_backup *backup = backup_of(engine, ask->backup);
    if (backup == NULL) return fail_gone(ask, error);
    backup_end(backup, "done");
    *result = pat_build_map(builder, 1);
    pat_build_put(builder, result, "ended", pat_value_bool(true));
    return PAT_OK;
}

/* ---- their beginning -------------------------------------------------------------------------------------------- */

static struct pat_value begun_value(const struct pat_backup *backup, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 4), files = pat_build_array(builder, PAT_EXPORT_FILES);
    for (unsigned i = 0; i < PAT_EXPORT_FILES; i++) {
        const struct pat_export_file file = pat_export_file(backup->exported, i);
        struct pat_value entry = pat_build_map(builder, 2);
        pat_build_put(builder, &entry, "name", pat_build_text(builder, pat_text_of(file.name)));
        pat_build_put(builder, &entry, "bytes", pat_value_uint(file.bytes));
        pat_build_push(builder, &files, entry);
    }
    pat_build_put(builder, &map, "backup", pat_value_uint(backup->number));
    pat_build_put(builder, &map, "lsn", pat_value_uint(pat_export_lsn(backup->exported)));
    pat_build_put(builder, &map, "epoch", pat_value_uint(backup->engine->settings.epoch));
    pat_build_put(builder, &map, "files", files);
    return map;
}

/* Opens the newest snapshot and says so, or says why not and forgets the backup. */
static void backup_open(struct pat_backup *backup) {
    struct pat_error error = {0};
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value result = pat_value_nil();
    enum pat_status status = pat_export_open(&backup->exported, backup->engine->persist, &error);
    if (status == PAT_OK) {
        result = begun_value(backup, &builder);
        if (builder.failed) status = pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    }
    if (status == PAT_OK) {
        pat_log(PAT_LOG_INFO, "backup-begun", "backup=%" PRIu64 " lsn=%" PRIu64, backup->number,
                pat_export_lsn(backup->exported));
    }
    backup->used_ns = pat_clock_monotonic_ns();
    backup->done_cb(backup->context, &result, status == PAT_OK ? NULL : &error);
    if (status != PAT_OK) backup_end(backup, "failed");
    pat_arena_deinit(&arena);
}

static void on_saved(void *context, const struct pat_value *result, const struct pat_error *error) {
    struct pat_backup *backup = context;
    (void)result;
    if (error == NULL) {
        backup_open(backup);
        return;
    }
    backup->done_cb(backup->context, NULL, error);
    backup_end(backup, "failed");
}

enum pat_status pat_engine_backup_begin(struct pat_engine *engine, bool newest,
                                        void (*done_cb)(void *context, const struct pat_value *result,
                                                        const struct pat_error *error),
                                        void *context, struct pat_error *error) {
    unsigned open = 0;
    for (const struct pat_backup *other = engine->backups; other != NULL; other = other->next) open++;
    if (open >= PAT_BACKUPS_MAX) {
        return pat_error_set(error, PAT_ERR_BUSY, "%u backups are being read; try again when one is done", open);
    }
    struct pat_backup *backup = pat_mem_alloc(PAT_MEM_SNAPSHOT, sizeof *backup);
    if (backup == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a backup");
    *backup = (struct pat_backup){.engine = engine,
                                  .number = ++engine->backups_begun,
                                  .next = engine->backups,
                                  .done_cb = done_cb,
                                  .context = context};
    engine->backups = backup;
    struct pat_generation generation;
    const bool saved = pat_persist_generations(engine->persist, &generation, 1) == 1;
    if (saved && (newest || generation.lsn == engine->store->lsn)) {
        backup_open(backup);
        return PAT_OK;
    }
    const enum pat_status status = pat_engine_snapshot(engine, on_saved, backup, error);
    if (status != PAT_OK) {
        backup_unlink(backup);
        backup_free(backup);
    }
    return status;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

enum pat_status pat_engine__backup_find(struct pat_engine *engine, const struct pat_backup_ask *ask,
                                        struct pat_backup **out, struct pat_error *error) {
    struct pat_backup *backup = backup_of(engine, ask->backup);
    if (backup == NULL) return fail_gone(ask, error);
    if (ask->file >= PAT_EXPORT_FILES) {
        return pat_error_set_at(error, PAT_ERR_NOT_FOUND, "file", -1, -1, "a backup has %u files, from 0 on",
                                PAT_EXPORT_FILES);
    }
    backup->used_ns = pat_clock_monotonic_ns();
    backup->readers++;
    *out = backup;
    return PAT_OK;
}

enum pat_status pat_engine__backup_read(const struct pat_backup *backup, const struct pat_backup_ask *ask,
                                        struct pat_builder *builder, struct pat_value *result,
                                        struct pat_error *error) {
    size_t got = 0;
    unsigned char *data = pat_arena_array_big(builder->arena, ask->bytes, 1);
    if (data == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a piece of the backup");
    PAT_TRY(pat_export_read(backup->exported, ask->file, ask->offset, data, ask->bytes, &got, error));
    *result = pat_build_map(builder, 3);
    pat_build_put(builder, result, "offset", pat_value_uint(ask->offset));
    pat_build_put(builder, result, "data",
                  (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)got, .as.bin = data});
    return builder->failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}
