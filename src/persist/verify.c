/* Reading every file again while the server runs. */
#include "persist/persist_private.h"

#include "base/mem.h"
#include "persist/file_private.h"
#include "persist/snapshot_private.h"

#include <inttypes.h>

/* What is on disk as of one moment. */
struct standing {
    struct pat_manifest manifest;
    struct pat_journal_point acked;
};

static void standing_take(struct pat_persist *persist, struct standing *out) {
    pthread_mutex_lock(&persist->mutex);
    out->manifest = *persist->manifest;
    out->acked = persist->acked;
    pthread_mutex_unlock(&persist->mutex);
}

/* A snapshot that was committed meanwhile drops files: a file that is no longer named is nobody's damage. */
static bool generation_gone(struct pat_persist *persist, uint64_t number) {
    bool gone = true;
    pthread_mutex_lock(&persist->mutex);
    for (uint32_t i = 0; i < persist->manifest->generations; i++)
        gone &= persist->manifest->generation[i].number != number;
    pthread_mutex_unlock(&persist->mutex);
    return gone;
}

static bool journal_gone(struct pat_persist *persist, uint64_t number) {
    bool gone = true;
    pthread_mutex_lock(&persist->mutex);
    for (uint32_t i = 0; i < persist->manifest->journals; i++) gone &= persist->manifest->journal[i].number != number;
    pthread_mutex_unlock(&persist->mutex);
    return gone;
}

static enum pat_status verify_journal(struct pat_persist *persist, const struct standing *standing,
                                      const struct pat_journal_entry *entry, uint64_t *checks,
                                      struct pat_error *error) {
    struct pat_journal_scan scan = {.fs = persist->fs, .entry = *entry, .bytes_max = UINT64_MAX};
    struct pat_journal_found found;
    /* The open file is read as far as it was acknowledged: what is being written behind that is not damage. */
    if (!entry->closed) {
        scan.bytes_max = standing->acked.offset;
        scan.proven = (struct pat_watermark){standing->acked.lsn, standing->acked.rows};
    }
    PAT_TRY(pat_journal__scan(&scan, &found, error));
    *checks += found.records;
    if (found.marks_damaged == 0) return PAT_OK;
    char name[PAT_FILE_NAME_BYTES];
    pat_file__name(PAT_FILE_JOURNAL, entry->number, name);
    return pat_error_set_at(error, PAT_ERR_CORRUPT, name, -1, (int64_t)found.mark.offset,
                            "%s: damaged mark at offset %" PRIu64
                            "; no batch is lost, but the disk changes what it holds",
                            name, found.mark.offset);
}

static enum pat_status verify_standing(struct pat_persist *persist, const struct standing *standing, uint64_t *checks,
                                       struct pat_error *error) {
    const struct pat_manifest *manifest = &standing->manifest;
    for (uint32_t i = 0; i < manifest->generations; i++) {
        const struct pat_generation_entry *entry = &manifest->generation[i];
        enum pat_status status = pat_snapshot__verify(persist->fs, entry, NULL, checks, error);
        if (status != PAT_OK && !generation_gone(persist, entry->number)) return status;
    }
    for (uint32_t i = 0; i < manifest->journals; i++) {
        const struct pat_journal_entry *entry = &manifest->journal[i];
        enum pat_status status = verify_journal(persist, standing, entry, checks, error);
        if (status != PAT_OK && !journal_gone(persist, entry->number)) return status;
    }
    return PAT_OK;
}

enum pat_status pat_persist_verify(struct pat_persist *persist, uint64_t *checks, struct pat_error *error) {
    *checks = 0;
    struct standing *standing = pat_mem_alloc(PAT_MEM_OTHER, sizeof *standing);
    if (standing == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to verify the files");
    standing_take(persist, standing);
    enum pat_status status = verify_standing(persist, standing, checks, error);
    pat_mem_free(PAT_MEM_OTHER, standing);
    return status;
}
