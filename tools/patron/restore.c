/* patron restore: a backup, or any data directory that nobody serves, as a new data directory. */
#include "cli.h"
#include "folder.h"
#include "offline.h"
#include "progress.h"
#include "render.h"

#include "base/clock.h"

#include <stdio.h>

struct restore {
    const struct pat_cli *cli;
    struct pat_arena arena;
    struct pat_error error;
    struct pat_progress progress;
    struct pat_fs *from, *to;
    struct pat_persist *persist;
    struct pat_settings settings;
    uint64_t epoch, bytes;
};

static enum pat_status verify(struct restore *r, const char *path, struct pat_checkup *checkup) {
    const struct pat_checkup_options options = {.quick = pat_cli_option(r->cli, "--full") == NULL};
    PAT_TRY(pat_checkup(checkup, path, &options, &r->arena, &r->error));
    if (checkup->ok) return PAT_OK;
    r->error = checkup->error;
    return PAT_ERR_CORRUPT;
}

static void on_progress(void *context, uint64_t bytes, uint64_t bytes_max) {
    struct restore *r = context;
    r->bytes = bytes;
    pat_progress_update(&r->progress, bytes, bytes_max, 0);
}

/* Clients that remember an epoch must not take this state for one that went on: another number, of which no server that
 * ran before can have come, since those count up by one. */
static uint64_t epoch_after(uint64_t epoch) {
    const uint64_t now = (uint64_t)pat_clock_wall_ms();
    return now > epoch ? now : epoch + 1;
}

static enum pat_status copy(struct restore *r) {
    struct pat_persist_options options = {.read_only = true};
    pat_entropy(&options.seed, sizeof options.seed);
    PAT_TRY(pat_fs_open_dir_read(&r->from, r->cli->operand[0], &r->error));
    options.fs = r->from;
    PAT_TRY(pat_persist_open(&r->persist, &options, &r->settings, &r->error));
    PAT_TRY(pat_fs_open_dir(&r->to, r->cli->operand[1], &r->error));
    r->epoch = epoch_after(r->settings.epoch);
    return pat_persist_copy(r->persist, r->to, r->epoch, on_progress, r, &r->error);
}

static enum pat_exit report(struct restore *r, const struct pat_checkup *checkup) {
    struct pat_builder builder = {.arena = &r->arena};
    struct pat_value map = pat_build_map(&builder, 8);
    uint64_t lsn = 0;
    const struct pat_value *files = pat_value_get(&checkup->report, "files");
    for (uint32_t i = 0; files != NULL && i < files->count; i++) {
        const struct pat_value *last = pat_value_get(&files->as.items[i], "last_lsn");
        if (last->type == PAT_VALUE_INT && (uint64_t)last->as.integer > lsn) lsn = (uint64_t)last->as.integer;
    }
    pat_build_put(&builder, &map, "directory", pat_value_string(r->cli->operand[1]));
    pat_build_put(&builder, &map, "lsn", pat_value_uint(lsn));
    pat_build_put(&builder, &map, "epoch", pat_value_uint(r->epoch));
    pat_build_put(&builder, &map, "bytes", pat_value_uint(r->bytes));
    pat_build_put(&builder, &map, "seconds", pat_value_real(pat_progress_seconds(&r->progress)));
    pat_build_put(&builder, &map, "verified", pat_value_bool(checkup->ok));
    return pat_render_answer(r->cli, &r->arena, &map);
}

static enum pat_exit run(struct restore *r) {
    struct pat_checkup checkup = {0};
    const char *backup = r->cli->operand[0], *target = r->cli->operand[1];
    enum pat_status status = pat_folder_free(target, &r->error);
    pat_progress_init(&r->progress);
    r->progress.files = true;
    if (status == PAT_OK) status = verify(r, backup, &checkup);
    if (status == PAT_OK) status = copy(r);
    pat_progress_clear(&r->progress);
    const bool made = r->to != NULL;
    if (made && status != PAT_OK) (void)!pat_folder_clear(r->to, NULL);
    if (made) r->to->ops->close(&r->to);
    pat_persist_close(&r->persist);
    if (r->from != NULL) r->from->ops->close(&r->from);
    if (made && status != PAT_OK) pat_folder_remove(target);
    if (status == PAT_OK) status = verify(r, target, &checkup);
    return status == PAT_OK ? report(r, &checkup) : pat_cli_fail(&r->error);
}

static enum pat_exit run_restore(const struct pat_cli *cli) {
    struct restore r = {.cli = cli};
    pat_arena_init(&r.arena, 0);
    const enum pat_exit code = run(&r);
    pat_arena_deinit(&r.arena);
    return code;
}

static const struct pat_cli_option restore_options[] = {
    {"--full", NULL, "verify contents too, as `patron check` does: takes the memory that a server would"},
};

const struct pat_cli_command pat_command_restore = {
    .room = PAT_CLI_KEEPING,
    .name = "restore",
    .operands = "BACKUP DIR",
    .operands_min = 2,
    .operands_max = 2,
    .summary = "Make a data directory of a backup",
    .explain = "Verifies BACKUP (or any data directory that nobody serves), copies its files into\n"
               "DIR, which must be empty or not there, and verifies the copy. Then start patrond\n"
               "--data DIR. The epoch in answers changes, so that clients notice that the server\n"
               "went back; producers send again what they sent after the backup's lsn.\n"
               "A restore that did not end leaves no MANIFEST: remove DIR and start over.",
    .example = "patron restore /backups/monday /var/lib/patron-new",
    .option = restore_options,
    .options = sizeof restore_options / sizeof restore_options[0],
    .run = run_restore,
};
