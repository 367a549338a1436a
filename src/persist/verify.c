#include "persist/verify.h"

#include "base/mem.h"
#include "persist/file_private.h"
#include "persist/persist_private.h"
#include "persist/snapshot_private.h"

#include <inttypes.h>
#include <string.h>

/* A manifest that is replaced each time it is looked at is compared so often; its checksum holds each time. */
#define MANIFEST_TRIES 8u
#define PIECE_BYTES    ((uint64_t)4 << 20)

struct pat_verify {
    struct pat_persist *persist;
    /* what is on disk as of one moment */
    struct pat_manifest manifest;
    struct pat_journal_point acked;

    uint32_t next; /* file: the manifest, its generations, its journal files */
    bool open;     /* it is being read */
    struct pat_snapshot_check *snapshot;
    struct pat_journal_scan scan;
    struct pat_journal_found end;
    struct pat_journal_scanner journal;
    struct pat_verified found;
};

/* ---- what is damaged --------------------------------------------------------------------------------------------- */

/* False when the file is not named any more. */
static bool note_damaged(struct pat_persist *persist, enum pat_file_kind kind, uint64_t number) {
    pthread_mutex_lock(&persist->mutex);
    const bool named = pat_manifest__names(persist->manifest, kind, number);
    bool known = !named;
    for (unsigned i = 0; i < persist->damaged_count; i++)
        known |= persist->damaged[i].kind == kind && persist->damaged[i].number == number;
    if (!known && persist->damaged_count < PAT_DAMAGED_MAX) {
        persist->damaged[persist->damaged_count++] = (struct pat_damaged){kind, number};
        __atomic_store_n(&persist->any_damaged, true, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&persist->mutex);
    return named;
}

unsigned pat_persist_damaged(struct pat_persist *persist) {
    unsigned kept = 0;
    /* Relaxed is enough: what is seen late is seen a turn later. */
    if (!__atomic_load_n(&persist->any_damaged, __ATOMIC_RELAXED)) return 0;
    pthread_mutex_lock(&persist->mutex);
    for (unsigned i = 0; i < persist->damaged_count; i++) {
        const struct pat_damaged one = persist->damaged[i];
        if (pat_manifest__names(persist->manifest, one.kind, one.number)) persist->damaged[kept++] = one;
    }
    persist->damaged_count = kept;
    const unsigned all = kept + persist->manifest_damaged;
    __atomic_store_n(&persist->any_damaged, all > 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&persist->mutex);
    return all;
}

void pat_verify__shun(struct pat_persist *persist) {
    struct pat_manifest *manifest = persist->manifest;
    persist->suspicious = persist->manifest_damaged || persist->damaged_count > 0;
    for (unsigned i = 0; i < persist->damaged_count; i++) {
        const struct pat_damaged *one = &persist->damaged[i];
        for (uint32_t k = 0; one->kind == PAT_FILE_SNAPSHOT && k < manifest->generations; k++)
            manifest->generation[k].damaged |= manifest->generation[k].number == one->number;
        for (uint32_t k = 0; one->kind == PAT_FILE_JOURNAL && k < manifest->journals; k++)
            manifest->journal[k].failed |= manifest->journal[k].number == one->number;
    }
}

static void add_finding(struct pat_verify *v, const char *file, pat_lsn first, pat_lsn last,
                        const struct pat_error *why) {
    if (v->found.findings++ >= PAT_FINDINGS_MAX) return;
    struct pat_finding *finding = &v->found.finding[v->found.kept++];
    *finding = (struct pat_finding){.offset = why->offset, .first_lsn = first, .last_lsn = last};
    (void)strncpy(finding->file, file, sizeof finding->file - 1);
    memcpy(finding->message, why->message, sizeof finding->message);
}

static enum pat_status later(struct pat_error *error, enum pat_status status, const struct pat_error *why) {
    const char *said = why->message[0] != '\0' ? why->message : "no memory to read the files";
    return pat_error_set(error, status, "%s; nothing is known to be wrong, try again", said);
}

/* ---- the manifest ------------------------------------------------------------------------------------------------ */

/* Numbers that were used up by snapshots that failed are counted in memory only: 0 from here on. */
static enum pat_status manifest_digest(struct pat_manifest *manifest, struct pat_digest *out) {
    struct pat_buf bytes;
    manifest->next_generation = manifest->next_journal = 0;
    pat_buf_init(&bytes, PAT_MEM_OTHER);
    const enum pat_status status = pat_manifest__bytes(manifest, &bytes);
    if (status == PAT_OK) *out = pat_digest_of(bytes.data, bytes.length);
    pat_buf_deinit(&bytes);
    return status;
}

/* Copies what the file should say; *settled: nobody is about to change it. */
static void manifest_expected(struct pat_persist *persist, struct pat_manifest *out, bool *settled) {
    pthread_mutex_lock(&persist->mutex);
    *out = *persist->manifest;
    *settled = persist->started && persist->stage == PAT_STAGE_IDLE && !persist->readonly;
    pthread_mutex_unlock(&persist->mutex);
}

/* *same: as long as nobody knows better. */
static enum pat_status manifest_compare(struct pat_verify *v, struct pat_manifest *file, struct pat_manifest *memory,
                                        bool *same, struct pat_error *error) {
    *same = true;
    for (unsigned i = 0; i < MANIFEST_TRIES; i++) {
        struct pat_digest before, read, after;
        bool settled, settled_after;
        manifest_expected(v->persist, memory, &settled);
        PAT_TRY(manifest_digest(memory, &before));
        PAT_TRY(pat_manifest__read(file, v->persist->fs, error));
        PAT_TRY(manifest_digest(file, &read));
        manifest_expected(v->persist, memory, &settled_after);
        PAT_TRY(manifest_digest(memory, &after));
        if (pat_digest_equal(before, read) || pat_digest_equal(after, read)) return PAT_OK;
        if (settled && settled_after && pat_digest_equal(before, after)) *same = false;
        if (!*same) return PAT_OK;
    }
    return PAT_OK;
}

static enum pat_status manifest_verify(struct pat_verify *v, struct pat_error *error) {
    struct pat_manifest *both = pat_mem_alloc(PAT_MEM_OTHER, 2 * sizeof *both);
    if (both == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read the manifest");
    bool same;
    enum pat_status status = manifest_compare(v, &both[0], &both[1], &same, error);
    pat_mem_free(PAT_MEM_OTHER, both);
    if (status == PAT_ERR_NOT_FOUND) status = PAT_ERR_CORRUPT;
    if (status != PAT_OK || same) return status;
    return pat_error_set_at(error, PAT_ERR_CORRUPT, PAT_MANIFEST_NAME, -1, 0,
                            PAT_MANIFEST_NAME " (offset 0) is not the one that was written last: rolled back");
}

static enum pat_status manifest_file(struct pat_verify *v, struct pat_error *error) {
    struct pat_error why = {0};
    const enum pat_status status = manifest_verify(v, &why);
    if (pat_fs_is_later(status)) return later(error, status, &why);
    v->found.parts += v->manifest.generations + v->manifest.journals;
    if (status == PAT_OK) return PAT_OK;
    pthread_mutex_lock(&v->persist->mutex);
    v->persist->manifest_damaged = true;
    __atomic_store_n(&v->persist->any_damaged, true, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&v->persist->mutex);
    add_finding(v, PAT_MANIFEST_NAME, 0, 0, &why);
    return PAT_OK;
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

static enum pat_status snapshot_some(struct pat_verify *v, const struct pat_generation_entry *entry, uint64_t bytes,
                                     bool *done, struct pat_error *error) {
    if (v->snapshot == NULL) PAT_TRY(pat_snapshot__check_open(&v->snapshot, v->persist->fs, entry, error));
    return pat_snapshot__check_some(v->snapshot, bytes, &v->found.bytes, &v->found.parts, done, error);
}

/* ---- journal files ----------------------------------------------------------------------------------------------- */

/* The open file is read as far as it was acknowledged: what is being written behind that is not damage. */
static enum pat_status journal_open(struct pat_verify *v, const struct pat_journal_entry *entry,
                                    struct pat_error *error) {
    v->scan = (struct pat_journal_scan){.fs = v->persist->fs, .entry = *entry, .bytes_max = UINT64_MAX};
    if (!entry->closed) {
        v->scan.bytes_max = v->acked.offset;
        v->scan.proven = (struct pat_watermark){v->acked.lsn, v->acked.rows};
    }
    PAT_TRY(pat_journal__scan_open(&v->journal, &v->scan, &v->end, error));
    pat_file__forget(v->journal.file, 0, 0);
    v->open = true;
    return PAT_OK;
}

static enum pat_status mark_check(const struct pat_verify *v, struct pat_error *error) {
    if (v->end.marks_damaged == 0) return PAT_OK;
    return pat_error_set_at(error, PAT_ERR_CORRUPT, v->journal.name, -1, (int64_t)v->end.mark.offset,
                            "%s: damaged mark at offset %" PRIu64
                            "; no batch is lost, but the disk changes what it holds",
                            v->journal.name, v->end.mark.offset);
}

static enum pat_status journal_some(struct pat_verify *v, const struct pat_journal_entry *entry, uint64_t bytes,
                                    bool *done, struct pat_error *error) {
    if (!v->open) PAT_TRY(journal_open(v, entry, error));
    const uint64_t from = v->end.end.offset, records = v->end.records;
    const uint64_t until = bytes < UINT64_MAX - from ? from + bytes : UINT64_MAX;
    const enum pat_status status = pat_journal__scan_some(&v->journal, until, done, error);
    v->found.bytes += v->end.end.offset - from;
    v->found.parts += v->end.records - records;
    pat_file__forget(v->journal.file, from, v->end.end.offset - from);
    return status == PAT_OK && *done ? mark_check(v, error) : status;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void file_close(struct pat_verify *v) {
    pat_snapshot__check_close(&v->snapshot);
    if (v->open) pat_journal__scan_close(&v->journal);
    v->open = false;
}

static void generation_damaged(struct pat_verify *v, const struct pat_generation_entry *entry,
                               const struct pat_error *why) {
    char name[PAT_FILE_NAME_BYTES];
    if (!note_damaged(v->persist, PAT_FILE_SNAPSHOT, entry->number)) return;
    pat_file__name(PAT_FILE_SNAPSHOT, entry->number, name);
    add_finding(v, name, entry->lsn > 0, entry->lsn, why);
}

static void journal_damaged(struct pat_verify *v, const struct pat_journal_entry *entry, const struct pat_error *why) {
    char name[PAT_FILE_NAME_BYTES];
    if (!note_damaged(v->persist, PAT_FILE_JOURNAL, entry->number)) return;
    pat_file__name(PAT_FILE_JOURNAL, entry->number, name);
    const pat_lsn last = entry->closed ? entry->end.lsn : v->acked.lsn;
    const pat_lsn first = v->open ? v->end.end.lsn + 1 : entry->first_lsn;
    const bool lost = first <= last;
    add_finding(v, name, lost ? first : 0, lost ? last : 0, why);
}

/* Reads on in the file whose turn it is. What is wrong with it has been noted when this returns. */
static enum pat_status file_some(struct pat_verify *v, uint64_t bytes, bool *done, struct pat_error *error) {
    struct pat_error why = {.offset = -1};
    if (v->next == 0) {
        *done = true;
        return manifest_file(v, error);
    }
    const uint32_t place = v->next - 1;
    const bool snapshot = place < v->manifest.generations;
    const struct pat_generation_entry *generation = snapshot ? &v->manifest.generation[place] : NULL;
    const struct pat_journal_entry *journal = snapshot ? NULL : &v->manifest.journal[place - v->manifest.generations];
    const enum pat_status status =
        snapshot ? snapshot_some(v, generation, bytes, done, &why) : journal_some(v, journal, bytes, done, &why);
    if (pat_fs_is_later(status)) return later(error, status, &why);
    if (status == PAT_OK) return PAT_OK;
    *done = true;
    snapshot ? generation_damaged(v, generation, &why) : journal_damaged(v, journal, &why);
    return PAT_OK;
}

enum pat_status pat_verify_some(struct pat_verify *v, uint64_t bytes, bool *done, struct pat_error *error) {
    const uint32_t files = 1 + v->manifest.generations + v->manifest.journals;
    const uint64_t from = v->found.bytes;
    while (v->next < files && v->found.bytes - from < bytes) {
        bool ended = false;
        PAT_TRY(file_some(v, bytes - (v->found.bytes - from), &ended, error));
        if (!ended) continue;
        file_close(v);
        v->next++;
        v->found.files++;
    }
    *done = v->next == files;
    return PAT_OK;
}

enum pat_status pat_verify_open(struct pat_verify **out, struct pat_persist *persist, struct pat_error *error) {
    struct pat_verify *v = pat_mem_alloc(PAT_MEM_OTHER, sizeof *v);
    if (v == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to verify the files");
    v->persist = persist;
    pthread_mutex_lock(&persist->mutex);
    v->manifest = *persist->manifest;
    v->acked = persist->acked;
    pthread_mutex_unlock(&persist->mutex);
    v->found.lsn = v->acked.lsn;
    *out = v;
    return PAT_OK;
}

const struct pat_verified *pat_verify_found(const struct pat_verify *v) {
    return &v->found;
}

void pat_verify_close(struct pat_verify **handle) {
    if (*handle == NULL) return;
    file_close(*handle);
    pat_mem_free(PAT_MEM_OTHER, *handle);
    *handle = NULL;
}

static enum pat_status verify_whole(struct pat_verify *v, uint64_t *checks, struct pat_error *error) {
    for (bool done = false; !done;) PAT_TRY(pat_verify_some(v, PIECE_BYTES, &done, error));
    *checks = v->found.parts;
    if (v->found.findings == 0) return PAT_OK;
    const struct pat_finding *first = &v->found.finding[0];
    return pat_error_set_at(error, PAT_ERR_CORRUPT, first->file, -1, first->offset, "%s", first->message);
}

enum pat_status pat_persist_verify(struct pat_persist *persist, uint64_t *checks, struct pat_error *error) {
    struct pat_verify *v = NULL;
    *checks = 0;
    PAT_TRY(pat_verify_open(&v, persist, error));
    const enum pat_status status = verify_whole(v, checks, error);
    pat_verify_close(&v);
    return status;
}
