/* patron backup: the files of a running server's newest snapshot, fetched in pieces and verified. The directory gets
 * its name when it is whole, so that there is no half a backup. */
#include "cli.h"
#include "folder.h"
#include "offline.h"
#include "progress.h"
#include "render.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/limits.h"

#include <stdio.h>
#include <string.h>

/* Pieces asked for at once: the server reads one while others are on their way. */
#define PIECES_IN_FLIGHT 4u
/* A snapshot that is being written is waited for. */
#define BUSY_WAIT_MS 500u
#define BUSY_WAITS   240u
#define UNFINISHED   ".unfinished"
#define PATH_BYTES   4096u
#define FILES_MAX    16u

struct backup {
    const struct pat_cli *cli;
    struct pat_client *client;
    struct pat_fs *fs;
    struct pat_arena arena;
    struct pat_value begun; /* what backup.begin gave */
    char path[PATH_BYTES];  /* with UNFINISHED */
    struct pat_progress progress;
    uint64_t bytes, bytes_max;
    struct pat_error error;
    struct pat_client_fault fault; /* code "" unless the server said no */
};

/* ---- calls ------------------------------------------------------------------------------------------------------ */

static enum pat_status refused(struct backup *b) {
    return pat_error_set(&b->error, PAT_ERR_IO, "%s", b->fault.message);
}

static enum pat_status call(struct backup *b, const char *method, const struct pat_value *params,
                            struct pat_value *answer) {
    bool failed = false;
    b->fault.code[0] = '\0';
    PAT_TRY(pat_client_call(b->client, method, params, &b->arena, answer, &failed, &b->fault, &b->error));
    return failed ? refused(b) : PAT_OK;
}

static enum pat_status begin(struct backup *b) {
    struct pat_builder builder = {.arena = &b->arena};
    struct pat_value params = pat_build_map(&builder, 1);
    if (pat_cli_option(b->cli, "--newest") != NULL) pat_build_put(&builder, &params, "newest", pat_value_bool(true));
    enum pat_status status = PAT_OK;
    for (unsigned waits = 0; waits < BUSY_WAITS; waits++) {
        status = call(b, "backup.begin", &params, &b->begun);
        if (status == PAT_OK || strcmp(b->fault.code, "BUSY") != 0) return status;
        pat_clock_sleep_ms(BUSY_WAIT_MS);
    }
    return status;
}

static enum pat_status senseless(struct backup *b) {
    return pat_error_set(&b->error, PAT_ERR_IO, "the server's answer makes no sense; is it of another version?");
}

static bool number_of(const struct pat_value *map, const char *key, uint64_t *out) {
    const struct pat_value *value = pat_value_get(map, key);
    if (value == NULL || value->type != PAT_VALUE_INT || value->as.integer < 0) return false;
    *out = (uint64_t)value->as.integer;
    return true;
}

/* ---- pieces ----------------------------------------------------------------------------------------------------- */

struct fetch {
    struct pat_file *file;
    uint64_t backup, place;
    uint64_t bytes, asked, got; /* of the file */
    struct {
        uint32_t msgid;
        uint64_t offset;
    } flight[PIECES_IN_FLIGHT];
    unsigned flying;
};

static enum pat_status piece_ask(struct backup *b, struct fetch *f) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 4);
    pat_build_put(&builder, &params, "backup", pat_value_uint(f->backup));
    pat_build_put(&builder, &params, "file", pat_value_uint(f->place));
    pat_build_put(&builder, &params, "offset", pat_value_uint(f->asked));
    pat_build_put(&builder, &params, "bytes", pat_value_uint(PAT_BACKUP_PIECE_BYTES_MAX));
    enum pat_status status = PAT_ERR_NO_MEMORY;
    if (!builder.failed) {
        status = pat_client_send(b->client, "backup.read", &params, &f->flight[f->flying].msgid, &b->error);
    }
    f->flight[f->flying++].offset = f->asked;
    f->asked += PAT_BACKUP_PIECE_BYTES_MAX;
    pat_arena_deinit(&arena);
    return status;
}

/* Where the piece with this number belongs; it is in flight no more. */
static bool piece_land(struct fetch *f, uint32_t msgid, uint64_t *offset) {
    for (unsigned i = 0; i < f->flying; i++) {
        if (f->flight[i].msgid != msgid) continue;
        *offset = f->flight[i].offset;
        f->flight[i] = f->flight[--f->flying];
        return true;
    }
    return false;
}

static enum pat_status piece_write(struct backup *b, struct fetch *f, uint64_t offset, const struct pat_value *answer) {
    const struct pat_value *data = pat_value_get(answer, "data");
    const uint64_t left = f->bytes - offset;
    const uint64_t expected = left < PAT_BACKUP_PIECE_BYTES_MAX ? left : PAT_BACKUP_PIECE_BYTES_MAX;
    if (data == NULL || data->type != PAT_VALUE_BIN || data->count != expected) return senseless(b);
    PAT_TRY(f->file->ops->file_write_at(f->file, offset, data->as.bin, data->count, &b->error));
    f->got += data->count;
    b->bytes += data->count;
    pat_progress_update(&b->progress, b->bytes, b->bytes_max, 0);
    return PAT_OK;
}

static enum pat_status piece_take(struct backup *b, struct fetch *f) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_value answer;
    uint32_t msgid;
    uint64_t offset = 0;
    bool failed = false;
    enum pat_status status = pat_client_receive(b->client, &msgid, &arena, &answer, &failed, &b->fault, &b->error);
    if (status == PAT_OK && !piece_land(f, msgid, &offset)) status = senseless(b);
    if (status == PAT_OK) status = failed ? refused(b) : piece_write(b, f, offset, &answer);
    pat_arena_deinit(&arena);
    return status;
}

static enum pat_status pieces_fetch(struct backup *b, struct fetch *f) {
    b->fault.code[0] = '\0';
    while (f->got < f->bytes) {
        while (f->flying < PIECES_IN_FLIGHT && f->asked < f->bytes) PAT_TRY(piece_ask(b, f));
        PAT_TRY(piece_take(b, f));
    }
    return f->file->ops->file_sync(f->file, &b->error);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static enum pat_status file_fetch(struct backup *b, const struct pat_value *entry, struct fetch *f) {
    const struct pat_value *name = pat_value_get(entry, "name");
    char path[PAT_ERROR_FIELD_BYTES];
    if (name == NULL || name->type != PAT_VALUE_TEXT || !pat_folder_name_fits(pat_value_as_text(name)) ||
        !number_of(entry, "bytes", &f->bytes)) {
        return senseless(b);
    }
    (void)snprintf(path, sizeof path, "%.*s", (int)name->count, name->as.text);
    PAT_TRY(b->fs->ops->file_open(b->fs, &f->file, path, PAT_FILE_CREATE, &b->error));
    const enum pat_status status = pieces_fetch(b, f);
    f->file->ops->file_close(&f->file);
    return status;
}

static enum pat_status files_fetch(struct backup *b) {
    const struct pat_value *files = pat_value_get(&b->begun, "files");
    struct fetch fetch = {0};
    if (files == NULL || files->type != PAT_VALUE_ARRAY || files->count > FILES_MAX) return senseless(b);
    if (!number_of(&b->begun, "backup", &fetch.backup)) return senseless(b);
    for (uint32_t i = 0; i < files->count; i++) {
        uint64_t bytes;
        if (!number_of(&files->as.items[i], "bytes", &bytes)) return senseless(b);
        b->bytes_max += bytes;
    }
    for (uint32_t i = 0; i < files->count; i++) {
        struct fetch one = {.backup = fetch.backup, .place = i};
        PAT_TRY(file_fetch(b, &files->as.items[i], &one));
    }
    return b->fs->ops->sync_dir(b->fs, &b->error);
}

/* The server keeps nothing longer than it must; should this fail, it notices by itself. */
static void tell_end(struct backup *b) {
    struct pat_builder builder = {.arena = &b->arena};
    struct pat_value params = pat_build_map(&builder, 1), answer;
    const struct pat_value *backup = pat_value_get(&b->begun, "backup");
    if (backup == NULL) return;
    pat_build_put(&builder, &params, "backup", *backup);
    (void)!call(b, "backup.end", &params, &answer);
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static enum pat_status fetch(struct backup *b) {
    PAT_TRY(pat_cli_connect(b->cli, &b->client, &b->error));
    PAT_TRY(pat_fs_open_dir(&b->fs, b->path, &b->error));
    PAT_TRY(pat_folder_clear(b->fs, &b->error)); /* of a backup that was cut short */
    PAT_TRY(begin(b));
    PAT_TRY(files_fetch(b));
    tell_end(b);
    return PAT_OK;
}

static enum pat_status verify(struct backup *b, struct pat_checkup *checkup) {
    const struct pat_checkup_options options = {.quick = pat_cli_option(b->cli, "--full") == NULL};
    PAT_TRY(pat_checkup(checkup, b->path, &options, &b->arena, &b->error));
    if (checkup->ok) return PAT_OK;
    b->error = checkup->error;
    return checkup->error.status;
}

static enum pat_exit report(struct backup *b, const struct pat_checkup *checkup) {
    struct pat_builder builder = {.arena = &b->arena};
    struct pat_value map = pat_build_map(&builder, 8);
    pat_build_put(&builder, &map, "directory", pat_value_string(b->cli->operand[0]));
    pat_build_put(&builder, &map, "lsn", *pat_value_get(&b->begun, "lsn"));
    pat_build_put(&builder, &map, "epoch", *pat_value_get(&b->begun, "epoch"));
    pat_build_put(&builder, &map, "bytes", pat_value_uint(b->bytes));
    pat_build_put(&builder, &map, "seconds", pat_value_real(pat_progress_seconds(&b->progress)));
    pat_build_put(&builder, &map, "verified", pat_value_bool(checkup->ok));
    return pat_render_answer(b->cli, &b->arena, &map);
}

static enum pat_exit run(struct backup *b) {
    struct pat_checkup checkup = {0};
    const char *target = b->cli->operand[0];
    enum pat_status status = pat_folder_free(target, &b->error);
    if (status != PAT_OK) return pat_cli_fail(&b->error);
    pat_progress_init(&b->progress);
    b->progress.files = true;
    status = fetch(b);
    pat_progress_clear(&b->progress);
    pat_client_close(&b->client);
    const bool said_no = status != PAT_OK && b->fault.code[0] != '\0';
    if (status != PAT_OK && b->fs != NULL) (void)!pat_folder_clear(b->fs, NULL);
    const bool made = b->fs != NULL;
    if (b->fs != NULL) b->fs->ops->close(&b->fs);
    if (status == PAT_OK) status = verify(b, &checkup);
    if (status == PAT_OK) status = pat_folder_rename(b->path, target, &b->error);
    if (status == PAT_OK) return report(b, &checkup);
    if (made) pat_folder_remove(b->path);
    return said_no ? pat_cli_refused(&b->fault) : pat_cli_fail(&b->error);
}

static enum pat_exit run_backup(const struct pat_cli *cli) {
    struct backup b = {.cli = cli};
    const char *target = cli->operand[0];
    size_t length = strlen(target);
    while (length > 1 && target[length - 1] == '/') length--;
    if (length + sizeof UNFINISHED > sizeof b.path) return pat_cli_usage(cli, "the path is too long");
    (void)snprintf(b.path, sizeof b.path, "%.*s" UNFINISHED, (int)length, target);
    pat_arena_init(&b.arena, 0);
    const enum pat_exit code = run(&b);
    pat_arena_deinit(&b.arena);
    return code;
}

static const struct pat_cli_option backup_options[] = {
    {"--newest", NULL,
     "take the newest snapshot that is there instead of writing one: an older state, and no work for "
     "the server's disk"},
    {"--full", NULL, "verify contents too, as `patron check` does: takes the memory that a server would"},
};

const struct pat_cli_command pat_command_backup = {
    .room = PAT_CLI_KEEPING,
    .name = "backup",
    .operands = "DEST",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Copy a running server's data into a new directory",
    .explain = "Has the server write a snapshot, fetches it piece by piece while loads and\n"
               "questions go on, verifies every checksum, and then gives the directory its name:\n"
               "DEST is a whole data directory or not there (DEST.unfinished may be left by a\n"
               "kill, and is used again). It holds the state at the lsn that is printed; batches\n"
               "after it are to be sent again, which their producers may do with all they have.\n"
               "Takes an admin. `patron restore` brings it back.",
    .example = "patron backup /backups/monday\n"
               "  patron --user root backup /backups/monday --format json",
    .option = backup_options,
    .options = sizeof backup_options / sizeof backup_options[0],
    .run = run_backup,
};
