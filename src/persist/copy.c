/* A data directory copied into an empty one. */
#include "persist/inspect.h"

#include "base/mem.h"
#include "persist/file_private.h"
#include "persist/persist_private.h"

#include <string.h>

/* Read and written at a time. */
#define PIECE_BYTES ((size_t)1 << 20)

struct copy {
    struct pat_fs *from, *to;
    const char *skip; /* a file that is not copied; NULL: none */
    unsigned char *piece;
    uint64_t bytes, bytes_max;
    void (*progress_cb)(void *context, uint64_t bytes, uint64_t bytes_max);
    void *context;
};

static enum pat_status file_bytes(struct pat_fs *fs, const char *name, uint64_t *bytes, struct pat_error *error) {
    struct pat_file *file;
    PAT_TRY(fs->ops->file_open(fs, &file, name, PAT_FILE_READ, error));
    enum pat_status status = file->ops->file_size(file, bytes, error);
    file->ops->file_close(&file);
    return status;
}

static enum pat_status pieces_copy(struct copy *copy, struct pat_file *from, struct pat_file *to,
                                   struct pat_error *error) {
    size_t got = PIECE_BYTES;
    for (uint64_t offset = 0; got == PIECE_BYTES; offset += got) {
        PAT_TRY(from->ops->file_read_at(from, offset, copy->piece, PIECE_BYTES, &got, error));
        if (got > 0) PAT_TRY(to->ops->file_write_at(to, offset, copy->piece, got, error));
        copy->bytes += got;
        if (copy->progress_cb != NULL) copy->progress_cb(copy->context, copy->bytes, copy->bytes_max);
    }
    return to->ops->file_sync(to, error);
}

static enum pat_status file_copy(struct copy *copy, const char *name, struct pat_error *error) {
    struct pat_file *from, *to;
    PAT_TRY(copy->from->ops->file_open(copy->from, &from, name, PAT_FILE_READ, error));
    enum pat_status status = copy->to->ops->file_open(copy->to, &to, name, PAT_FILE_CREATE, error);
    if (status == PAT_OK) {
        status = pieces_copy(copy, from, to, error);
        to->ops->file_close(&to);
    }
    from->ops->file_close(&from);
    return status;
}

/* Calls `each` with the name of every file but the manifest. */
static enum pat_status each_file(struct copy *copy, const struct pat_manifest *manifest, struct pat_error *error,
                                 enum pat_status (*each)(struct copy *copy, const char *name,
                                                         struct pat_error *error)) {
    char name[PAT_FILE_NAME_BYTES];
    for (uint32_t i = 0; i < manifest->generations; i++) {
        pat_file__name(PAT_FILE_SNAPSHOT, manifest->generation[i].number, name);
        PAT_TRY(each(copy, name, error));
    }
    for (uint32_t i = 0; i < manifest->journals; i++) {
        pat_file__name(PAT_FILE_JOURNAL, manifest->journal[i].number, name);
        if (copy->skip == NULL || strcmp(copy->skip, name) != 0) PAT_TRY(each(copy, name, error));
    }
    return PAT_OK;
}

/* The open journal of a backup has no records: instead of it one of its own, so that files of two directories that were
 * restored from one backup are never taken for each other's. */
static enum pat_status journal_renew(struct copy *copy, struct pat_journal_entry *entry, uint64_t seed, uint64_t epoch,
                                     struct pat_error *error) {
    const uint64_t words[4] = {seed, epoch, entry->id.low, entry->id.high};
    entry->id = pat_digest_of(words, sizeof words);
    entry->bytes = PAT_FILE_HEADER_BYTES;
    struct pat_journal journal = {0};
    PAT_TRY(pat_journal__create(&journal, copy->to, entry, NULL, error));
    *entry = journal.entry;
    pat_journal__close(&journal);
    return PAT_OK;
}

/* True when the last journal file was begun and nothing written to it. */
static bool journal_is_empty(struct copy *copy, const struct pat_manifest *manifest, char name[PAT_FILE_NAME_BYTES]) {
    uint64_t bytes = 0;
    name[0] = '\0';
    if (manifest->journals == 0) return false;
    pat_file__name(PAT_FILE_JOURNAL, manifest->journal[manifest->journals - 1].number, name);
    return file_bytes(copy->from, name, &bytes, NULL) == PAT_OK && bytes == PAT_FILE_HEADER_BYTES;
}

static enum pat_status add_bytes(struct copy *copy, const char *name, struct pat_error *error) {
    uint64_t bytes = 0;
    PAT_TRY(file_bytes(copy->from, name, &bytes, error));
    copy->bytes_max += bytes;
    return PAT_OK;
}

static enum pat_status copy_all(struct copy *copy, struct pat_manifest *manifest, uint64_t seed,
                                struct pat_error *error) {
    char empty[PAT_FILE_NAME_BYTES];
    const bool renew = journal_is_empty(copy, manifest, empty);
    copy->skip = renew ? empty : NULL;
    PAT_TRY(each_file(copy, manifest, error, add_bytes));
    PAT_TRY(each_file(copy, manifest, error, file_copy));
    if (renew) {
        PAT_TRY(journal_renew(copy, &manifest->journal[manifest->journals - 1], seed, manifest->settings.epoch, error));
    }
    /* Names before the manifest that has them. */
    PAT_TRY(copy->to->ops->sync_dir(copy->to, error));
    bool replaced;
    return pat_manifest__write(manifest, copy->to, &replaced, error);
}

enum pat_status pat_persist_copy(struct pat_persist *persist, struct pat_fs *to, uint64_t epoch,
                                 void (*progress_cb)(void *context, uint64_t bytes, uint64_t bytes_max), void *context,
                                 struct pat_error *error) {
    struct copy copy = {.from = persist->fs, .to = to, .progress_cb = progress_cb, .context = context};
    struct pat_manifest *manifest = pat_mem_alloc(PAT_MEM_OTHER, sizeof *manifest);
    copy.piece = pat_mem_alloc(PAT_MEM_OTHER, PIECE_BYTES);
    enum pat_status status;
    if (manifest != NULL && copy.piece != NULL) {
        *manifest = *persist->manifest;
        manifest->settings.epoch = epoch;
        status = copy_all(&copy, manifest, persist->options.seed, error);
    } else {
        status = pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to copy the directory");
    }
    pat_mem_free(PAT_MEM_OTHER, copy.piece);
    pat_mem_free(PAT_MEM_OTHER, manifest);
    return status;
}
