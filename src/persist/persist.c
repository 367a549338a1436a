#include "persist/persist_private.h"

#include "base/mem.h"
#include "model/limits.h"
#include "persist/file_private.h"

#include <string.h>

struct pat_digest pat_persist__file_id(struct pat_persist *persist) {
    /* The epoch and what the manifest counts make ids differ between starts even where the seed does not. */
    uint64_t words[5] = {persist->options.seed, ++persist->ids, persist->manifest->settings.epoch,
                         persist->manifest->next_journal, persist->manifest->next_generation};
    return pat_digest_of(words, sizeof words);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

struct listing {
    struct pat_persist *persist;
    bool any;                /* a journal or snapshot file is there */
    struct pat_buf unlisted; /* u64 numbers of journal files that the manifest cannot know yet */
    enum pat_status status;
};

static bool is_tmp(const char *name) {
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".tmp") == 0;
}

static void list_each(void *context, const char *name) {
    struct listing *listing = context;
    enum pat_file_kind kind;
    uint64_t number;
    if (!pat_file__name_parse(name, &kind, &number)) return;
    listing->any = true;
    bool unlisted = kind == PAT_FILE_JOURNAL && number >= listing->persist->manifest->next_journal;
    if (unlisted && listing->status == PAT_OK) listing->status = pat_buf_append_u64(&listing->unlisted, number);
}

/* A journal file is named in the manifest before its first record is written. One with records that is not says that
 * the manifest is older than it should be. */
static enum pat_status check_rolled_back(struct pat_persist *persist, uint64_t number, struct pat_error *error) {
    char name[PAT_FILE_NAME_BYTES];
    struct pat_file *file;
    bool holds = false;
    pat_file__name(PAT_FILE_JOURNAL, number, name);
    enum pat_status status = persist->fs->ops->file_open(persist->fs, &file, name, PAT_FILE_READ, error);
    if (status == PAT_OK) {
        status = pat_journal__holds_records(file, &holds, error);
        file->ops->file_close(&file);
    }
    if (status == PAT_ERR_IO) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, name, -1, -1,
                                "%s: the disk cannot read it, and " PAT_MANIFEST_NAME " does not know it: it may hold "
                                "batches; restore the directory from a backup, or see --salvage",
                                name);
    }
    if (status != PAT_OK || !holds) return status;
    return pat_error_set_at(error, PAT_ERR_CORRUPT, PAT_MANIFEST_NAME, -1, -1,
                            PAT_MANIFEST_NAME
                            " is older than %s, which holds batches it does not know of: it was rolled "
                            "back; restore the directory from a backup",
                            name);
}

static enum pat_status new_directory(struct pat_persist *persist, const struct listing *listing,
                                     const struct pat_settings *settings, struct pat_error *error) {
    if (listing->any) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, PAT_MANIFEST_NAME, -1, -1,
                                PAT_MANIFEST_NAME " is missing, but journal or snapshot files are there; restore the "
                                                  "directory from a backup");
    }
    if (persist->options.read_only) {
        return pat_error_set_at(error, PAT_ERR_NOT_FOUND, PAT_MANIFEST_NAME, -1, -1,
                                PAT_MANIFEST_NAME " is missing: this is no data directory");
    }
    struct pat_manifest *manifest = persist->manifest;
    *manifest = (struct pat_manifest){
        .settings = *settings, .clean = true, .sync = persist->options.sync, .next_generation = 1, .next_journal = 1};
    bool replaced;
    return pat_manifest__write(manifest, persist->fs, &replaced, error);
}

static enum pat_status settings_match(struct pat_settings *given, const struct pat_settings *own,
                                      struct pat_error *error) {
    if (given->zone[0] != '\0' && strcmp(given->zone, own->zone) != 0) {
        return pat_error_set(error, PAT_ERR_CONFLICT,
                             "the data directory's time zone is %s, not %s: days were cut by it and cannot be changed; "
                             "start with --timezone %s, or on another directory",
                             own->zone, given->zone, own->zone);
    }
    if (given->base_currency[0] != '\0' && strcmp(given->base_currency, own->base_currency) != 0) {
        return pat_error_set(error, PAT_ERR_CONFLICT,
                             "the data directory's base currency is %s, not %s: amounts were converted to it and "
                             "cannot be changed; start with "
                             "--base-currency %s, or on another directory",
                             own->base_currency, given->base_currency, own->base_currency);
    }
    *given = *own;
    return PAT_OK;
}

static enum pat_status read_directory(struct pat_persist *persist, struct listing *listing, bool *missing,
                                      struct pat_error *error) {
    enum pat_status status = pat_manifest__read(persist->manifest, persist->fs, error);
    *missing = status == PAT_ERR_NOT_FOUND;
    if (!*missing) PAT_TRY(status);
    PAT_TRY(persist->fs->ops->list(persist->fs, listing, error, list_each));
    return listing->status == PAT_OK ? PAT_OK
                                     : pat_error_set(error, listing->status, "no memory to list the data directory");
}

static enum pat_status check_unlisted(struct pat_persist *persist, const struct listing *listing,
                                      struct pat_error *error) {
    struct pat_reader reader = {.at = listing->unlisted.data, .end = listing->unlisted.data + listing->unlisted.length};
    while (pat_reader_left(&reader) > 0) PAT_TRY(check_rolled_back(persist, pat_read_u64(&reader), error));
    return PAT_OK;
}

/* With the manifest, or when it is lost or rolled back with what the files say of themselves. */
static enum pat_status salvage_manifest(struct pat_persist *persist, struct pat_settings *settings, bool lost,
                                        struct pat_error *error) {
    PAT_TRY(pat_salvage__manifest(persist, settings, lost, error));
    struct pat_settings *own = &persist->manifest->settings;
    own->epoch = PAT_SALVAGE_EPOCH | (persist->options.seed & (PAT_SALVAGE_EPOCH - 1));
    return settings_match(settings, own, error);
}

static enum pat_status open_manifest(struct pat_persist *persist, struct pat_settings *settings,
                                     struct pat_error *error) {
    bool missing;
    struct listing listing = {.persist = persist};
    pat_buf_init(&listing.unlisted, PAT_MEM_OTHER);
    enum pat_status status = read_directory(persist, &listing, &missing, error);
    const bool lost = status == PAT_ERR_CORRUPT || (status == PAT_OK && missing && listing.any);
    const bool salvage = persist->options.salvage && (lost || (status == PAT_OK && !missing));
    if (status == PAT_OK && !salvage) {
        status = missing ? new_directory(persist, &listing, settings, error) : check_unlisted(persist, &listing, error);
    }
    pat_buf_deinit(&listing.unlisted);
    if (salvage) return salvage_manifest(persist, settings, lost, error);
    if (status != PAT_OK || missing) return status;
    /* What was killed may have lost what it acknowledged without a trace: without a sync for each group to a crash,
     * with one where the README names the gap. */
    struct pat_manifest *manifest = persist->manifest;
    if (!manifest->clean) manifest->settings.epoch++;
    return settings_match(settings, &manifest->settings, error);
}

static void threads_init(struct pat_persist *persist) {
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&persist->journal_wake, &attributes);
    (void)pthread_cond_init(&persist->snapshot_wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&persist->mutex, NULL);
}

static void persist_free(struct pat_persist *persist) {
    (void)pthread_mutex_destroy(&persist->mutex);
    (void)pthread_cond_destroy(&persist->snapshot_wake);
    (void)pthread_cond_destroy(&persist->journal_wake);
    pat_buf_deinit(&persist->group);
    pat_buf_deinit(&persist->producers);
    pat_mem_free(PAT_MEM_OTHER, persist->manifest);
    pat_mem_free(PAT_MEM_OTHER, persist);
}

enum pat_status pat_persist_open(struct pat_persist **out, const struct pat_persist_options *options,
                                 struct pat_settings *settings, struct pat_error *error) {
    struct pat_persist *persist = pat_mem_alloc(PAT_MEM_OTHER, sizeof *persist);
    if (persist == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the journal");
    persist->fs = options->fs;
    persist->options = *options;
    if (persist->options.journal_bytes == 0) persist->options.journal_bytes = PAT_JOURNAL_FILE_BYTES;
    pat_buf_init(&persist->group, PAT_MEM_JOURNAL);
    pat_buf_init(&persist->producers, PAT_MEM_SNAPSHOT);
    threads_init(persist);
    enum pat_status status;
    persist->manifest = pat_mem_alloc(PAT_MEM_OTHER, sizeof *persist->manifest);
    if (persist->manifest == NULL) {
        status = pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the manifest");
        goto fail;
    }
    status = open_manifest(persist, settings, error);
    if (status != PAT_OK) goto fail;
    *out = persist;
    return PAT_OK;
fail:
    persist_free(persist);
    return status;
}

/* ---- starting and closing --------------------------------------------------------------------------------------- */

struct leftovers {
    const struct pat_manifest *manifest;
    struct pat_buf names; /* each with its NUL */
    enum pat_status status;
};

/* Files of ours that the manifest does not name: a crash came between making and naming, or between forgetting and
 * removing. */
static void leftovers_each(void *context, const char *name) {
    struct leftovers *leftovers = context;
    enum pat_file_kind kind;
    uint64_t number;
    bool ours = pat_file__name_parse(name, &kind, &number);
    if (ours ? pat_manifest__names(leftovers->manifest, kind, number) : !is_tmp(name)) return;
    if (leftovers->status == PAT_OK) leftovers->status = pat_buf_append(&leftovers->names, name, strlen(name) + 1);
}

static enum pat_status remove_leftovers(struct pat_persist *persist, struct pat_error *error) {
    struct leftovers leftovers = {.manifest = persist->manifest};
    pat_buf_init(&leftovers.names, PAT_MEM_OTHER);
    enum pat_status status = persist->fs->ops->list(persist->fs, &leftovers, error, leftovers_each);
    if (status == PAT_OK && leftovers.status != PAT_OK) {
        status = pat_error_set(error, leftovers.status, "no memory to list the data directory");
    }
    for (size_t at = 0; status == PAT_OK && at < leftovers.names.length;) {
        const char *name = (const char *)leftovers.names.data + at;
        status = persist->fs->ops->remove(persist->fs, name, error);
        at += strlen(name) + 1;
    }
    pat_buf_deinit(&leftovers.names);
    return status;
}

struct pat_journal_entry pat_persist__next_journal(struct pat_persist *persist, uint64_t number) {
    const struct pat_journal_point *end = &persist->acked;
    return (struct pat_journal_entry){.number = number,
                                      .id = pat_persist__file_id(persist),
                                      .first_lsn = end->lsn + 1,
                                      /* A directory of an older version counts from its upgrade on. */
                                      .first_rows = end->rows != PAT_ROWS_UNKNOWN ? end->rows : 0,
                                      .bytes = persist->options.journal_bytes};
}

static enum pat_status start_journal(struct pat_persist *persist, struct pat_error *error) {
    struct pat_manifest *manifest = persist->manifest;
    if (manifest->journals > 0) {
        struct pat_journal_entry *last = &manifest->journal[manifest->journals - 1];
        PAT_TRY(pat_journal__open(&persist->journal, persist->fs, last, &persist->found, !manifest->clean, error));
        if (persist->found.version == PAT_JOURNAL_VERSION) return PAT_OK;
        /* Of an older version: what is in it is on disk by now, and it is not continued. */
        pat_journal__close(&persist->journal);
        last->closed = true;
        last->end = persist->found.end;
        if (manifest->journals == PAT_MANIFEST_JOURNALS_MAX) {
            return pat_error_set(error, PAT_ERR_NO_SPACE, "there are %u journal files already",
                                 PAT_MANIFEST_JOURNALS_MAX);
        }
    }
    const struct pat_journal_entry fresh = pat_persist__next_journal(persist, manifest->next_journal++);
    PAT_TRY(pat_space__create_journal(persist, &persist->journal, &fresh, error));
    manifest->journal[manifest->journals++] = persist->journal.entry;
    return PAT_OK;
}

static enum pat_status start_threads(struct pat_persist *persist, struct pat_error *error) {
    if (persist->options.stepped) return PAT_OK;
    if (pthread_create(&persist->journal_thread, NULL, pat_persist__journal_main, persist) != 0) {
        return pat_error_set(error, PAT_ERR_IO, "cannot start the journal thread");
    }
    persist->threads = pthread_create(&persist->snapshot_thread, NULL, pat_persist__snapshot_main, persist) == 0;
    if (persist->threads) return PAT_OK;
    pthread_mutex_lock(&persist->mutex);
    persist->stop = true;
    pthread_cond_signal(&persist->journal_wake);
    pthread_mutex_unlock(&persist->mutex);
    (void)pthread_join(persist->journal_thread, NULL);
    return pat_error_set(error, PAT_ERR_IO, "cannot start the snapshot thread");
}

enum pat_status pat_persist_start(struct pat_persist *persist, struct pat_error *error) {
    PAT_ASSERT(persist->recovered && !persist->started && !persist->options.read_only);
    /* The manifest that was read may be one whose name a killed process did not make durable. Removing what only the
     * one before it names must not be on disk first. */
    PAT_TRY(persist->fs->ops->sync_dir(persist->fs, error));
    PAT_TRY(remove_leftovers(persist, error));
    pat_space__find(persist);
    enum pat_status status = start_journal(persist, error);
    if (status != PAT_OK) goto fail;
    bool replaced;
    persist->acked = persist->journal.written;
    persist->manifest->clean = false;
    persist->manifest->sync = persist->options.sync;
    persist->manifest->durable = (struct pat_watermark){persist->acked.lsn, persist->acked.rows};
    status = pat_space__manifest_write(persist, persist->manifest, &replaced, error);
    if (status != PAT_OK) goto fail;
    status = start_threads(persist, error);
    if (status != PAT_OK) goto fail;
    persist->started = true;
    return PAT_OK;
fail:
    pat_journal__close(&persist->journal);
    return status;
}

/* Says in the manifest that the journal ends where it ends. A failure is no loss: the next start reads the journal as
 * after a crash. */
static void close_clean(struct pat_persist *persist) {
    struct pat_journal *journal = &persist->journal;
    bool replaced;
    if (persist->file_failed) return;
    if (journal->synced.lsn < journal->written.lsn && pat_journal__sync(journal, NULL) != PAT_OK) return;
    persist->manifest->clean = true;
    persist->manifest->durable = (struct pat_watermark){journal->written.lsn, journal->written.rows};
    (void)!pat_space__manifest_write(persist, persist->manifest, &replaced, NULL);
}

static void stop_threads(struct pat_persist *persist) {
    pthread_mutex_lock(&persist->mutex);
    persist->stop = true;
    pthread_cond_signal(&persist->journal_wake);
    pthread_cond_signal(&persist->snapshot_wake);
    pthread_mutex_unlock(&persist->mutex);
    (void)pthread_join(persist->journal_thread, NULL);
    (void)pthread_join(persist->snapshot_thread, NULL);
}

void pat_persist_close(struct pat_persist **handle) {
    struct pat_persist *persist = *handle;
    if (persist == NULL) return;
    if (persist->started) {
        if (persist->threads) stop_threads(persist);
        close_clean(persist);
        pat_journal__close(&persist->journal);
    }
    persist_free(persist);
    *handle = NULL;
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

enum pat_status pat_persist_write(struct pat_persist *persist, const struct pat_entry *entries, unsigned count,
                                  struct pat_error *error) {
    PAT_ASSERT(persist->started && !persist->group_busy && count > 0);
    pthread_mutex_lock(&persist->mutex);
    enum pat_status refused = PAT_OK;
    if (persist->readonly) {
        refused = pat_error_set(error, PAT_ERR_READONLY, "the journal cannot be written: %s", persist->failure);
    } else if (persist->full) {
        refused = pat_error_set(error, PAT_ERR_NO_SPACE, "%s", persist->failure);
    }
    pat_lsn next = persist->acked.lsn + 1;
    pthread_mutex_unlock(&persist->mutex);
    if (refused != PAT_OK) return refused;
    pat_buf_clear(&persist->group);
    for (unsigned i = 0; i < count; i++) {
        PAT_ASSERT(entries[i].lsn == next + i);
        enum pat_status status = pat_journal__group_add(&persist->group, &entries[i], persist->options.kernels);
        if (status != PAT_OK) return pat_error_set(error, status, "no memory for %u journal records", count);
        if (entries[i].kind == PAT_ENTRY_BATCH && entries[i].batch->now_ms > persist->now_ms) {
            persist->now_ms = entries[i].batch->now_ms;
        }
    }
    persist->group_last = entries[count - 1].lsn;
    persist->group_busy = true;
    pthread_mutex_lock(&persist->mutex);
    persist->group_ready = true;
    pthread_cond_signal(&persist->journal_wake);
    pthread_mutex_unlock(&persist->mutex);
    return PAT_OK;
}

enum pat_status pat_persist_snapshot(struct pat_persist *persist, const struct pat_view *view,
                                     const struct pat_buf *producers, bool read_soon, struct pat_error *error) {
    PAT_ASSERT(persist->started && !persist->group_busy);
    if (persist->snapshot_busy) return pat_error_set(error, PAT_ERR_BUSY, "a snapshot is being written");
    pat_buf_clear(&persist->producers);
    enum pat_status status = pat_buf_append(&persist->producers, producers->data, producers->length);
    if (status != PAT_OK) return pat_error_set(error, status, "no memory for the producers' part of a snapshot");
    persist->view = view;
    persist->read_soon = read_soon;
    persist->generation = (struct pat_generation_entry){.lsn = view->lsn, .saved_ms = persist->now_ms};
    persist->snapshot_busy = true;
    pthread_mutex_lock(&persist->mutex);
    PAT_ASSERT(view->lsn == persist->acked.lsn);
    persist->generation.journal_rows = persist->acked.rows;
    pat_verify__shun(persist);
    persist->stage = PAT_STAGE_ROTATE;
    pthread_cond_signal(&persist->journal_wake);
    pthread_mutex_unlock(&persist->mutex);
    return PAT_OK;
}

struct pat_event pat_persist_poll(struct pat_persist *persist) {
    struct pat_event event = {.kind = PAT_EVENT_NONE};
    pthread_mutex_lock(&persist->mutex);
    if (persist->journal_event.kind != PAT_EVENT_NONE) {
        event = persist->journal_event;
        persist->journal_event.kind = PAT_EVENT_NONE;
        persist->group_busy = false;
    } else if (persist->snapshot_event.kind != PAT_EVENT_NONE) {
        event = persist->snapshot_event;
        persist->snapshot_event.kind = PAT_EVENT_NONE;
        persist->snapshot_busy = false;
        persist->view = NULL;
    }
    pthread_mutex_unlock(&persist->mutex);
    return event;
}

enum pat_condition pat_persist_condition(const struct pat_persist *persist, char why[PAT_ERROR_MESSAGE_BYTES]) {
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&persist->mutex; /* locking changes nothing one can see */
    pthread_mutex_lock(mutex);
    const enum pat_condition condition = persist->readonly ? PAT_CONDITION_READONLY
                                         : persist->full   ? PAT_CONDITION_FULL
                                                           : PAT_CONDITION_GOOD;
    why[0] = '\0';
    if (condition != PAT_CONDITION_GOOD) memcpy(why, persist->failure, sizeof persist->failure);
    pthread_mutex_unlock(mutex);
    return condition;
}

unsigned pat_persist_generations(const struct pat_persist *persist, struct pat_generation *out, unsigned capacity) {
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&persist->mutex;
    pthread_mutex_lock(mutex);
    const struct pat_manifest *manifest = persist->manifest;
    unsigned count = manifest->generations < capacity ? manifest->generations : capacity;
    for (unsigned i = 0; i < count; i++) {
        const struct pat_generation_entry *entry = &manifest->generation[i];
        out[i] = (struct pat_generation){entry->number, entry->lsn, entry->bytes, entry->saved_ms};
    }
    pthread_mutex_unlock(mutex);
    return count;
}

uint64_t pat_persist_journal_bytes(const struct pat_persist *persist) {
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&persist->mutex;
    pthread_mutex_lock(mutex);
    const struct pat_manifest *manifest = persist->manifest;
    pat_lsn snapshot = manifest->generations > 0 ? manifest->generation[0].lsn : 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < manifest->journals; i++) {
        const struct pat_journal_entry *entry = &manifest->journal[i];
        const struct pat_journal_point *end = entry->closed ? &entry->end : &persist->acked;
        if (end->lsn > snapshot) bytes += end->offset - PAT_FILE_HEADER_BYTES;
    }
    pthread_mutex_unlock(mutex);
    return bytes;
}
