/* The snapshot thread: writes one view at a time, commits it, and drops what is no longer needed. */
#include "persist/persist_private.h"

#include "base/mem.h"
#include "persist/file_private.h"
#include "persist/snapshot_private.h"

#include <string.h>

/* Read back between two looks at whether that is all. */
#define READ_BACK_BYTES ((uint64_t)4 << 20)

void pat_persist__snapshot_done(struct pat_persist *persist, enum pat_status status, const struct pat_error *error,
                                uint64_t ms) {
    pthread_mutex_lock(&persist->mutex);
    persist->snapshot_event = (struct pat_event){.kind = PAT_EVENT_SNAPSHOT,
                                                 .status = status,
                                                 .error = *error,
                                                 .lsn = persist->generation.lsn,
                                                 .generation = persist->generation.number,
                                                 .bytes = persist->generation.bytes,
                                                 .ms = ms};
    persist->stage = PAT_STAGE_IDLE;
    /* What is in memory is safe again and a new file waits for what comes next. */
    if (status == PAT_OK && !persist->file_failed) persist->readonly = false;
    pthread_mutex_unlock(&persist->mutex);
}

/* The new generation, the newest good one before it, and the journal from there on. */
static void manifest_add(struct pat_manifest *next, const struct pat_generation_entry *fresh) {
    struct pat_generation_entry older = {0};
    for (uint32_t i = 0; i < next->generations && older.number == 0; i++) {
        if (!next->generation[i].damaged) older = next->generation[i];
    }
    next->generation[0] = *fresh;
    next->generation[1] = older;
    next->generations = older.number != 0 ? 2 : 1;
    next->next_generation = fresh->number + 1;
    if (fresh->lsn > next->durable.lsn) next->durable = (struct pat_watermark){fresh->lsn, fresh->journal_rows};
    uint32_t unneeded = 0;
    while (next->journal[unneeded].closed && next->journal[unneeded].end.lsn <= older.lsn) unneeded++;
    next->journals -= unneeded;
    memmove(next->journal, next->journal + unneeded, next->journals * sizeof next->journal[0]);
}

/* Snapshots that no manifest names any more. The system takes half as long to remove one as to write it, so that is
 * done when whoever waits for the new one has been told. */
struct dropped {
    uint64_t number[PAT_MANIFEST_GENERATIONS_MAX];
    uint32_t count;
};

static struct dropped dropped_of(const struct pat_manifest *old, const struct pat_manifest *next) {
    struct dropped dropped = {.count = 0};
    for (uint32_t i = 0; i < old->generations; i++) {
        bool kept = false;
        for (uint32_t k = 0; k < next->generations; k++)
            kept |= next->generation[k].number == old->generation[i].number;
        if (!kept) dropped.number[dropped.count++] = old->generation[i].number;
    }
    return dropped;
}

/* Failing is no harm: the next start removes it. */
static void drop_snapshots(const struct pat_persist *persist, const struct dropped *dropped) {
    struct pat_fs *fs = persist->fs;
    char name[PAT_FILE_NAME_BYTES];
    for (uint32_t i = 0; i < dropped->count; i++) {
        pat_file__name(PAT_FILE_SNAPSHOT, dropped->number[i], name);
        (void)fs->ops->remove(fs, name, NULL);
    }
}

/* Journal files that `old` names and `next` does not: before anybody is told, since the next file may be made of one.
 */
static void drop_journals(struct pat_persist *persist, const struct pat_manifest *old,
                          const struct pat_manifest *next) {
    struct pat_fs *fs = persist->fs;
    char name[PAT_FILE_NAME_BYTES];
    for (uint32_t i = 0; i < old->journals && old->journal[i].number < next->journal[0].number; i++) {
        pat_file__name(PAT_FILE_JOURNAL, old->journal[i].number, name);
        if (old->journal[i].failed) {
            (void)fs->ops->remove(fs, name, NULL);
        } else {
            pat_space__recycle(persist, name);
        }
    }
}

static enum pat_status commit(struct pat_persist *persist, struct dropped *dropped, struct pat_error *error) {
    struct pat_manifest *next = pat_mem_alloc(PAT_MEM_OTHER, sizeof *next);
    if (next == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to commit a snapshot");
    *next = *persist->manifest;
    manifest_add(next, &persist->generation);
    bool replaced;
    enum pat_status status = pat_space__manifest_write(persist, next, &replaced, error);
    if (status != PAT_OK) {
        /* The file stays when the manifest may name it; otherwise the next start removes it. */
        pat_mem_free(PAT_MEM_OTHER, next);
        return status;
    }
    pthread_mutex_lock(&persist->mutex);
    struct pat_manifest *old = persist->manifest;
    persist->manifest = next;
    persist->manifest_damaged = false;
    pthread_mutex_unlock(&persist->mutex);
    *dropped = dropped_of(old, next);
    drop_journals(persist, old, next);
    pat_mem_free(PAT_MEM_OTHER, old);
    return PAT_OK;
}

/* After a failure of the disk, and when it was found to change what it holds, nothing counts that was only written: it
 * is read from the disk, as the system's cache would say what was written. */
static enum pat_status read_back(struct pat_persist *persist, struct pat_error *error) {
    uint64_t bytes = 0, blocks = 0;
    pthread_mutex_lock(&persist->mutex);
    const bool suspicious = persist->readonly || persist->suspicious;
    pthread_mutex_unlock(&persist->mutex);
    if (!suspicious) return PAT_OK;
    struct pat_snapshot_check *check;
    PAT_TRY(pat_snapshot__check_open(&check, persist->fs, &persist->generation, error));
    enum pat_status status = PAT_OK;
    for (bool done = false; status == PAT_OK && !done;)
        status = pat_snapshot__check_some(check, READ_BACK_BYTES, &bytes, &blocks, &done, error);
    pat_snapshot__check_close(&check);
    return status;
}

static struct pat_snapshot_way way_of(const struct pat_persist *persist) {
    const struct pat_persist_options *options = &persist->options;
    return (struct pat_snapshot_way){.read_soon = persist->read_soon,
                                     .alone = options->stepped,
                                     .piece_bytes =
                                         options->piece_bytes != 0 ? options->piece_bytes : PAT_SNAPSHOT_PIECE_BYTES,
                                     .journal_bytes = options->journal_bytes};
}

void pat_persist__snapshot(struct pat_persist *persist) {
    struct pat_error error = {0};
    uint64_t start = pat_persist__monotonic_ms();
    struct pat_generation_entry *entry = &persist->generation;
    pthread_mutex_lock(&persist->mutex);
    entry->number = persist->manifest->next_generation++; /* used once, whatever becomes of it */
    pthread_mutex_unlock(&persist->mutex);
    entry->id = pat_persist__file_id(persist);
    const struct pat_snapshot_way way = way_of(persist);
    enum pat_status status = pat_snapshot__write(persist->fs, &persist->manifest->settings, persist->view,
                                                 &persist->producers, &way, entry, &error);
    if (status == PAT_OK) status = read_back(persist, &error);
    struct dropped dropped = {.count = 0};
    if (status == PAT_OK) status = commit(persist, &dropped, &error);
    pat_persist__snapshot_done(persist, status, &error, pat_persist__monotonic_ms() - start);
    if (persist->options.event_cb != NULL) persist->options.event_cb(persist->options.event_context);
    drop_snapshots(persist, &dropped);
}

bool pat_persist__snapshot_step(struct pat_persist *persist) {
    pthread_mutex_lock(&persist->mutex);
    const bool work = persist->stage == PAT_STAGE_WRITE;
    pthread_mutex_unlock(&persist->mutex);
    if (!work) return false;
    pat_persist__snapshot(persist);
    pat_space__keep(persist);
    return true;
}

void *pat_persist__snapshot_main(void *argument) {
    struct pat_persist *persist = argument;
    /* The spare file, too: a first snapshot that follows a failure has to begin a journal file, with room or without.
     */
    pat_space__keep(persist);
    do {
        pthread_mutex_lock(&persist->mutex);
        while (persist->stage != PAT_STAGE_WRITE && !(persist->stop && persist->stage == PAT_STAGE_IDLE)) {
            pthread_cond_wait(&persist->snapshot_wake, &persist->mutex);
        }
        pthread_mutex_unlock(&persist->mutex);
    } while (pat_persist__snapshot_step(persist));
    return NULL;
}
