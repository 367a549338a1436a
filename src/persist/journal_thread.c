/* The journal thread: writes and syncs groups, marks what is durable, begins new files. */
#include "persist/persist_private.h"

#include "base/mem.h"
#include "persist/file_private.h"

#include <string.h>
#include <time.h>

/* Nothing written for this long: the mark behind the last group is synced, too. Short, because until then damage to
 * that very group *and* a power cut look like a torn tail; long enough to cost nothing while groups follow each other.
 */
#define MARK_AFTER_MS 5u
/* How often a full disk is asked for room: soon enough for whoever waits, seldom enough to cost nothing. */
#define FULL_RETRY_MS 250u

uint64_t pat_persist__monotonic_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static void wake_owner(const struct pat_persist *persist) {
    if (persist->options.event_cb != NULL) persist->options.event_cb(persist->options.event_context);
}

/* From here on the open file is not written any more: what a failed write or sync left behind is unknown. */
static void file_fails(struct pat_persist *persist, const struct pat_error *error) {
    pthread_mutex_lock(&persist->mutex);
    persist->readonly = true;
    persist->file_failed = true;
    memcpy(persist->failure, error->message, sizeof persist->failure);
    pthread_mutex_unlock(&persist->mutex);
}

static enum pat_status group_to_disk(struct pat_persist *persist, struct pat_error *error) {
    PAT_TRY(pat_journal__append(&persist->journal, &persist->group, error));
    return persist->options.sync == PAT_SYNC_ALWAYS ? pat_journal__sync(&persist->journal, error) : PAT_OK;
}

/* Says behind the group that it is on disk before anybody else says so: a process that is killed right afterwards left
 * the proof behind. Failing does the group no harm. */
static void group_mark(struct pat_persist *persist) {
    struct pat_error error = {0};
    if (persist->options.sync != PAT_SYNC_ALWAYS) return;
    if (pat_journal__mark(&persist->journal, &error) != PAT_OK) file_fails(persist, &error);
}

static void set_full(struct pat_persist *persist, const struct pat_error *error) {
    pthread_mutex_lock(&persist->mutex);
    persist->full = error != NULL;
    if (error != NULL) memcpy(persist->failure, error->message, sizeof persist->failure);
    pthread_mutex_unlock(&persist->mutex);
}

static void group_write(struct pat_persist *persist, struct pat_event *event) {
    event->status = pat_space__room(persist, persist->group.length, &event->error);
    if (event->status == PAT_ERR_NO_SPACE) {
        event->untouched = true;
        persist->full_bytes = persist->group.length;
        persist->full_ms = pat_persist__monotonic_ms();
        set_full(persist, &event->error);
        return;
    }
    if (event->status == PAT_OK) event->status = group_to_disk(persist, &event->error);
    if (event->status != PAT_OK) {
        file_fails(persist, &event->error);
        return;
    }
    group_mark(persist);
}

void pat_persist__group(struct pat_persist *persist) {
    struct pat_event event = {.kind = PAT_EVENT_JOURNAL, .lsn = persist->group_last, .bytes = persist->group.length};
    uint64_t start = pat_persist__monotonic_ms();
    if (persist->file_failed) {
        /* The file failed between taking the group and writing it (a mark or a timed sync did). */
        event.status =
            pat_error_set(&event.error, PAT_ERR_READONLY, "the journal cannot be written: %s", persist->failure);
    } else {
        group_write(persist, &event);
    }
    event.ms = pat_persist__monotonic_ms() - start;
    pthread_mutex_lock(&persist->mutex);
    if (event.status == PAT_OK) persist->acked = persist->journal.written;
    persist->group_ready = false;
    persist->journal_event = event;
    pthread_mutex_unlock(&persist->mutex);
}

/* The manifest as it will be with the open file closed and `fresh` behind it. */
static struct pat_manifest *manifest_rotated(const struct pat_persist *persist, const struct pat_journal_entry *fresh) {
    struct pat_manifest *next = pat_mem_alloc(PAT_MEM_OTHER, sizeof *next);
    if (next == NULL) return NULL;
    *next = *persist->manifest;
    struct pat_journal_entry *last = &next->journal[next->journals - 1];
    if (last->first_lsn > persist->acked.lsn) {
        next->journals--; /* it failed before anything in it was acknowledged */
    } else {
        last->closed = true;
        last->failed |= persist->file_failed;
        last->end = persist->acked;
    }
    next->journal[next->journals++] = *fresh;
    next->next_journal = fresh->number + 1;
    next->durable = (struct pat_watermark){persist->acked.lsn, persist->acked.rows};
    return next;
}

static void manifest_adopt(struct pat_persist *persist, struct pat_manifest *next) {
    pthread_mutex_lock(&persist->mutex);
    struct pat_manifest *old = persist->manifest;
    persist->manifest = next;
    pthread_mutex_unlock(&persist->mutex);
    pat_mem_free(PAT_MEM_OTHER, old);
}

static void remove_journal(const struct pat_persist *persist, uint64_t number) {
    char name[PAT_FILE_NAME_BYTES];
    pat_file__name(PAT_FILE_JOURNAL, number, name);
    (void)persist->fs->ops->remove(persist->fs, name, NULL); /* what stays is removed at the next start */
}

static enum pat_status rotate_manifest(struct pat_persist *persist, const struct pat_journal *fresh,
                                       struct pat_error *error) {
    struct pat_manifest *next = manifest_rotated(persist, &fresh->entry);
    if (next == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a new journal file");
    bool replaced;
    enum pat_status status = pat_space__manifest_write(persist, next, &replaced, error);
    if (status == PAT_OK) {
        manifest_adopt(persist, next);
        return PAT_OK;
    }
    pat_mem_free(PAT_MEM_OTHER, next);
    if (replaced) {
        /* The old file must get no record that a manifest on disk says belongs into the new one. */
        file_fails(persist, error);
    } else {
        remove_journal(persist, fresh->entry.number);
    }
    return status;
}

static void rotate_adopt(struct pat_persist *persist, const struct pat_journal *fresh) {
    const struct pat_journal_entry old = persist->journal.entry;
    pat_journal__close(&persist->journal);
    persist->journal = *fresh;
    pthread_mutex_lock(&persist->mutex);
    persist->acked = fresh->written;
    persist->file_failed = false;
    persist->full = false;
    pthread_mutex_unlock(&persist->mutex);
    if (old.first_lsn == fresh->entry.first_lsn) remove_journal(persist, old.number); /* the manifest forgot it */
}

/* Everything up to the end that a manifest names must be on disk before it says so, the mark behind the last group
 * included. After a failure the snapshot to come is what counts. */
static enum pat_status rotate_sync(struct pat_persist *persist, struct pat_error *error) {
    const struct pat_journal *journal = &persist->journal;
    if (persist->file_failed || journal->synced.offset == journal->written.offset) return PAT_OK;
    enum pat_status status = pat_journal__sync(&persist->journal, error);
    if (status != PAT_OK) file_fails(persist, error);
    return status;
}

enum pat_status pat_persist__rotate(struct pat_persist *persist, struct pat_error *error) {
    bool fresh_already = persist->journal.entry.first_lsn > persist->acked.lsn;
    /* Not even an empty file is kept when its header is damaged. */
    const bool bad = persist->file_failed || persist->manifest->journal[persist->manifest->journals - 1].failed;
    const uint32_t most = PAT_MANIFEST_JOURNALS_MAX - (bad ? 0 : PAT_MANIFEST_JOURNALS_LAST);
    const bool full = persist->manifest->journals >= most && !fresh_already;
    if (!bad && (fresh_already || full)) return PAT_OK;
    if (full) {
        return pat_error_set(error, PAT_ERR_NO_SPACE, "there are %u journal files already", PAT_MANIFEST_JOURNALS_MAX);
    }
    PAT_TRY(rotate_sync(persist, error));
    struct pat_journal fresh;
    pthread_mutex_lock(&persist->mutex);
    uint64_t number = persist->manifest->next_journal++; /* used once, whatever becomes of it */
    pthread_mutex_unlock(&persist->mutex);
    const struct pat_journal_entry entry = pat_persist__next_journal(persist, number);
    enum pat_status status = pat_space__create_journal(persist, &fresh, &entry, error);
    if (status != PAT_OK) return status;
    status = rotate_manifest(persist, &fresh, error);
    if (status == PAT_OK) {
        rotate_adopt(persist, &fresh);
    } else {
        pat_journal__close(&fresh);
    }
    return status;
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void run_rotate(struct pat_persist *persist) {
    struct pat_error error = {0};
    uint64_t start = pat_persist__monotonic_ms();
    enum pat_status status = pat_persist__rotate(persist, &error);
    if (status != PAT_OK) {
        pat_persist__snapshot_done(persist, status, &error, pat_persist__monotonic_ms() - start);
        wake_owner(persist);
        return;
    }
    pthread_mutex_lock(&persist->mutex);
    persist->stage = PAT_STAGE_WRITE;
    pthread_cond_signal(&persist->snapshot_wake);
    pthread_mutex_unlock(&persist->mutex);
}

static bool unsynced(const struct pat_persist *persist) {
    return persist->journal.synced.lsn < persist->journal.written.lsn;
}

/* When what was written, or its mark, is to be synced: 0 never, otherwise the time of CLOCK_MONOTONIC in ms. */
static uint64_t sync_due(const struct pat_persist *persist) {
    const enum pat_sync sync = persist->options.sync;
    if (persist->file_failed) return 0;
    if (sync == PAT_SYNC_INTERVAL && unsynced(persist)) return persist->synced_ms + persist->options.sync_interval_ms;
    return sync == PAT_SYNC_ALWAYS && persist->journal.mark_unsynced ? persist->written_ms + MARK_AFTER_MS : 0;
}

/* When something is to be done although nobody asks for anything. */
static uint64_t idle_due(const struct pat_persist *persist) {
    const uint64_t sync = sync_due(persist);
    const uint64_t room = persist->full && !persist->file_failed ? persist->full_ms + FULL_RETRY_MS : 0;
    return room == 0 || (sync != 0 && sync < room) ? sync : room;
}

/* A mark says that what was synced is synced. */
static void sync_and_mark(struct pat_persist *persist) {
    struct pat_error error = {0};
    const bool mark = unsynced(persist);
    enum pat_status status = pat_journal__sync(&persist->journal, &error);
    if (status == PAT_OK && mark) status = pat_journal__mark(&persist->journal, &error);
    if (status != PAT_OK) {
        file_fails(persist, &error);
        return;
    }
    /* A mark behind the last acknowledged record belongs to what is checked, too. */
    pthread_mutex_lock(&persist->mutex);
    if (persist->journal.written.lsn == persist->acked.lsn) persist->acked = persist->journal.written;
    pthread_mutex_unlock(&persist->mutex);
}

static void look_for_room(struct pat_persist *persist) {
    struct pat_error error = {0};
    persist->full_ms = pat_persist__monotonic_ms();
    const enum pat_status status = pat_space__room(persist, persist->full_bytes, &error);
    if (status == PAT_ERR_NO_SPACE) return;
    if (status != PAT_OK) file_fails(persist, &error);
    set_full(persist, NULL);
    wake_owner(persist);
}

void pat_persist__journal_idle(struct pat_persist *persist) {
    const bool synced = !unsynced(persist) && !persist->journal.mark_unsynced;
    /* First: a disk without room for more still takes what it has got. */
    if (persist->options.sync != PAT_SYNC_NEVER && !persist->file_failed && !synced) sync_and_mark(persist);
    if (persist->full && !persist->file_failed) look_for_room(persist);
}

static bool has_work(const struct pat_persist *persist) {
    return persist->group_ready || persist->stage == PAT_STAGE_ROTATE || persist->stop;
}

/* Waits for work or until `due`; true when there is work. Under the mutex. */
static bool wait_for_work(struct pat_persist *persist, uint64_t due) {
    struct timespec until = {.tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000};
    while (!has_work(persist)) {
        if (due == 0) {
            pthread_cond_wait(&persist->journal_wake, &persist->mutex);
        } else if (pthread_cond_timedwait(&persist->journal_wake, &persist->mutex, &until) != 0) {
            return has_work(persist);
        }
    }
    return true;
}

bool pat_persist__journal_step(struct pat_persist *persist) {
    pthread_mutex_lock(&persist->mutex);
    const bool group = persist->group_ready, rotate = persist->stage == PAT_STAGE_ROTATE;
    pthread_mutex_unlock(&persist->mutex);
    if (group) {
        persist->written_ms = pat_persist__monotonic_ms();
        /* While one group comes after the other nobody else would find the time. */
        const bool late = unsynced(persist) && sync_due(persist) != 0 && sync_due(persist) <= persist->written_ms;
        if (late) sync_and_mark(persist);
        /* The interval runs from the first write that is not synced. */
        if (!unsynced(persist)) persist->synced_ms = pat_persist__monotonic_ms();
        pat_persist__group(persist);
        wake_owner(persist);
    } else if (rotate) {
        run_rotate(persist);
    }
    return group || rotate;
}

void *pat_persist__journal_main(void *argument) {
    struct pat_persist *persist = argument;
    persist->written_ms = persist->synced_ms = pat_persist__monotonic_ms();
    for (;;) {
        pthread_mutex_lock(&persist->mutex);
        const bool work = wait_for_work(persist, idle_due(persist));
        pthread_mutex_unlock(&persist->mutex);
        if (!work) {
            pat_persist__journal_idle(persist);
        } else if (!pat_persist__journal_step(persist)) {
            return NULL; /* all the work there is, is to stop */
        }
    }
}
