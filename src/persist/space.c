/* Room on the disk: taken before it is needed, so that a full disk is found out before a group is written and not in
 * the middle of one.
 *
 *   journal.spare   the next journal file: one that is no longer needed, or one filled with zeros. Both have their
 * blocks, so that a sync of what is written there has no metadata to write reserve         room for the manifest when
 * there is no other */
#include "persist/persist_private.h"

#include "persist/file_private.h"

#include <inttypes.h>
#include <string.h>

#define SPARE_NAME   "journal.spare"
#define SPARE_TMP    SPARE_NAME ".tmp"
#define RESERVE_NAME "reserve"
#define ZEROS_BYTES  ((size_t)64 << 10)
/* Twice the greatest manifest for the usual journal file of 16 MiB. */
#define RESERVE_PART 8u
/* A spare of this many journal files' length is enough: more would only be kept from others. */
#define SPARE_LENGTHS_MAX 4u
/* So many journal files' length stay free for snapshots and others; on a small disk a sixteenth of it. */
#define LOW_WATER_LENGTHS 4u
#define LOW_WATER_PART    16u

static uint64_t low_water(uint64_t journal_bytes, uint64_t all_bytes) {
    const uint64_t usual = LOW_WATER_LENGTHS * journal_bytes, part = all_bytes / LOW_WATER_PART;
    return usual < part ? usual : part;
}

/* Whether `bytes` may be taken without going below the low-water mark. */
static enum pat_status is_room(const struct pat_persist *persist, uint64_t bytes, bool *out, uint64_t *free_bytes,
                               struct pat_error *error) {
    uint64_t all_bytes;
    PAT_TRY(persist->fs->ops->space(persist->fs, free_bytes, &all_bytes, error));
    const uint64_t low = low_water(persist->options.journal_bytes, all_bytes);
    *out = *free_bytes >= low && *free_bytes - low >= bytes;
    return PAT_OK;
}

enum pat_status pat_space__room(struct pat_persist *persist, size_t group_bytes, struct pat_error *error) {
    struct pat_journal *journal = &persist->journal;
    const uint64_t step = persist->options.journal_bytes, needed = pat_journal__needs(journal, group_bytes);
    const uint64_t usual = (needed + step - 1) / step * step;
    uint64_t free_bytes;
    bool room;
    if (needed <= journal->reserved) return PAT_OK;
    PAT_TRY(is_room(persist, usual - journal->reserved, &room, &free_bytes, error));
    if (room) return pat_journal__reserve(journal, usual, error);
    PAT_TRY(is_room(persist, needed - journal->reserved, &room, &free_bytes, error));
    if (room) return pat_journal__reserve(journal, needed, error);
    return pat_error_set(
        error, PAT_ERR_NO_SPACE,
        "the disk is full: %" PRIu64 " MiB are free, and %" PRIu64
        " KiB more are needed for the journal; nothing was taken, queries go on, and batches are taken "
        "again as soon as there is room",
        free_bytes >> 20, (needed - journal->reserved + 1023) >> 10);
}

/* Groups stop at the low-water mark, and a snapshot may go on to half of it: it is what makes room for groups again,
 * and after a failure the only way on. */
enum pat_status pat_space__snapshot_room(struct pat_fs *fs, uint64_t journal_bytes, uint64_t bytes,
                                         struct pat_error *error) {
    uint64_t free_bytes, all_bytes;
    PAT_TRY(fs->ops->space(fs, &free_bytes, &all_bytes, error));
    const uint64_t left = low_water(journal_bytes, all_bytes) / 2;
    if (free_bytes >= left && free_bytes - left >= bytes) return PAT_OK;
    return pat_error_set(error, PAT_ERR_NO_SPACE,
                         "the disk is full: %" PRIu64 " MiB are free, of which %" PRIu64
                         " MiB are to stay so, and a snapshot needs %" PRIu64
                         " MiB more; it was given up, and nothing of it stays",
                         free_bytes >> 20, left >> 20, (bytes + (1u << 20) - 1) >> 20);
}

/* ---- the spare file ---------------------------------------------------------------------------------------------- */

static enum pat_status fill(struct pat_file *file, uint64_t bytes, struct pat_error *error) {
    static const unsigned char zeros[ZEROS_BYTES];
    PAT_TRY(file->ops->file_reserve(file, bytes, error));
    for (uint64_t at = 0; at < bytes; at += ZEROS_BYTES) {
        const size_t here = bytes - at < ZEROS_BYTES ? (size_t)(bytes - at) : ZEROS_BYTES;
        PAT_TRY(file->ops->file_write_at(file, at, zeros, here, error));
    }
    return file->ops->file_sync(file, error);
}

static enum pat_status make_file(struct pat_persist *persist, const char *name, uint64_t bytes, bool zeros) {
    struct pat_fs *fs = persist->fs;
    struct pat_file *file;
    uint64_t free_bytes;
    bool room;
    PAT_TRY(is_room(persist, bytes, &room, &free_bytes, NULL));
    if (!room) return PAT_ERR_NO_SPACE;
    (void)fs->ops->remove(fs, name, NULL); /* one that a crash left behind */
    PAT_TRY(fs->ops->file_open(fs, &file, name, PAT_FILE_CREATE, NULL));
    const enum pat_status status = zeros ? fill(file, bytes, NULL) : file->ops->file_reserve(file, bytes, NULL);
    file->ops->file_close(&file);
    if (status != PAT_OK) (void)fs->ops->remove(fs, name, NULL);
    return status;
}

static bool spare_is_there(struct pat_persist *persist) {
    pthread_mutex_lock(&persist->mutex);
    const bool there = persist->spare;
    pthread_mutex_unlock(&persist->mutex);
    return there;
}

static void spare_set(struct pat_persist *persist, bool there) {
    pthread_mutex_lock(&persist->mutex);
    persist->spare = there;
    pthread_mutex_unlock(&persist->mutex);
}

/* Until the spare file has its new name it counts as there: a new one made meanwhile would get that name, and the
 * records would go into a file without any. */
enum pat_status pat_space__create_journal(struct pat_persist *persist, struct pat_journal *out,
                                          const struct pat_journal_entry *entry, struct pat_error *error) {
    const bool there = spare_is_there(persist);
    const enum pat_status status = pat_journal__create(out, persist->fs, entry, there ? SPARE_NAME : NULL, error);
    if (there) spare_set(persist, false);
    return status;
}

/* Long enough, and not longer than it should be. */
static enum pat_status trim(struct pat_fs *fs, const char *name, uint64_t least, uint64_t most) {
    struct pat_file *file;
    uint64_t bytes = 0;
    PAT_TRY(fs->ops->file_open(fs, &file, name, PAT_FILE_APPEND, NULL));
    enum pat_status status = file->ops->file_size(file, &bytes, NULL);
    if (status == PAT_OK && bytes < least) status = PAT_ERR_TOO_LARGE;
    if (status == PAT_OK && bytes > most) status = file->ops->file_truncate(file, most, NULL);
    file->ops->file_close(&file);
    return status;
}

void pat_space__recycle(struct pat_persist *persist, const char *name) {
    struct pat_fs *fs = persist->fs;
    const uint64_t least = persist->options.journal_bytes;
    const bool wanted = !spare_is_there(persist) && trim(fs, name, least, least * SPARE_LENGTHS_MAX) == PAT_OK;
    if (wanted && fs->ops->rename(fs, name, SPARE_NAME, NULL) == PAT_OK) {
        spare_set(persist, true);
    } else {
        (void)fs->ops->remove(fs, name, NULL); /* what stays is removed at the next start */
    }
}

bool pat_space__is_own(const char *name) {
    return strcmp(name, SPARE_NAME) == 0 || strcmp(name, RESERVE_NAME) == 0;
}

/* ---- keeping both ------------------------------------------------------------------------------------------------ */

static bool is_file(struct pat_fs *fs, const char *name, uint64_t bytes_min) {
    struct pat_file *file;
    uint64_t bytes = 0;
    if (fs->ops->file_open(fs, &file, name, PAT_FILE_READ, NULL) != PAT_OK) return false;
    const bool known = file->ops->file_size(file, &bytes, NULL) == PAT_OK;
    file->ops->file_close(&file);
    return known && bytes >= bytes_min;
}

void pat_space__find(struct pat_persist *persist) {
    persist->spare = is_file(persist->fs, SPARE_NAME, persist->options.journal_bytes);
}

static void keep_reserve(struct pat_persist *persist) {
    const uint64_t bytes = persist->options.journal_bytes / RESERVE_PART;
    if (!is_file(persist->fs, RESERVE_NAME, bytes)) (void)!make_file(persist, RESERVE_NAME, bytes, false);
}

void pat_space__keep(struct pat_persist *persist) {
    struct pat_fs *fs = persist->fs;
    const uint64_t bytes = persist->options.journal_bytes;
    keep_reserve(persist);
    if (spare_is_there(persist) || make_file(persist, SPARE_TMP, bytes, true) != PAT_OK) return;
    if (fs->ops->rename(fs, SPARE_TMP, SPARE_NAME, NULL) == PAT_OK) spare_set(persist, true);
}

enum pat_status pat_space__manifest_write(struct pat_persist *persist, const struct pat_manifest *manifest,
                                          bool *replaced, struct pat_error *error) {
    struct pat_fs *fs = persist->fs;
    const enum pat_status status = pat_manifest__write(manifest, fs, replaced, error);
    if (status != PAT_ERR_NO_SPACE || *replaced) return status;
    /* Its room is for this; pat_space__keep takes it again when there is some. */
    if (fs->ops->remove(fs, RESERVE_NAME, NULL) != PAT_OK) return status;
    return pat_manifest__write(manifest, fs, replaced, error);
}
