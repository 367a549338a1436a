/* What is left of a damaged directory. Nothing is written: neither files nor, through pat_persist_start, batches. What
 * recovery would refuse is counted as lost here, and everything else is read with the same checks. */
#include "persist/persist_private.h"

#include "persist/bytes_private.h"
#include "persist/file_private.h"
#include "persist/snapshot_private.h"

#include <stdio.h>
#include <string.h>

void pat_salvage__lost(struct pat_recovery *out, const char *where, int64_t offset, pat_lsn first, pat_lsn last,
                       uint64_t rows) {
    if (out->losses == PAT_LOSSES_MAX) {
        /* Too many to list: the last one reaches over those that follow. */
        struct pat_loss *loss = &out->loss[PAT_LOSSES_MAX - 1];
        loss->last = last;
        loss->rows = loss->rows == PAT_ROWS_UNKNOWN || rows == PAT_ROWS_UNKNOWN ? PAT_ROWS_UNKNOWN : loss->rows + rows;
        return;
    }
    struct pat_loss *loss = &out->loss[out->losses++];
    *loss = (struct pat_loss){.first = first, .last = last, .rows = rows, .offset = offset};
    (void)snprintf(loss->where, sizeof loss->where, "%s", where);
}

/* ---- a manifest out of the files ----------------------------------------------------------------------------------
 */

static bool read_at(struct pat_file *file, uint64_t offset, void *out, size_t bytes) {
    size_t got;
    return file->ops->file_read_at(file, offset, out, bytes, &got, NULL) == PAT_OK && got == bytes;
}

/* Goes over the blocks without believing anything: verify reads them all before one is used. */
static bool snapshot_entry(struct pat_file *file, struct pat_generation_entry *entry, struct pat_settings *settings) {
    unsigned char head[PAT_BLOCK_HEADER_BYTES], payload[256];
    if (file->ops->file_size(file, &entry->bytes, NULL) != PAT_OK) return false;
    uint64_t at = PAT_FILE_HEADER_BYTES, block = at;
    uint32_t payload_bytes = 0;
    while (at < entry->bytes && read_at(file, at, head, sizeof head) && pat_get_u32(head) == PAT_BLOCK_MAGIC) {
        block = at;
        payload_bytes = pat_get_u32(head + 4);
        entry->chain = pat_get_digest(head + 16);
        at += sizeof head + payload_bytes;
    }
    const size_t wanted = sizeof settings->zone + sizeof settings->base_currency;
    if (at != entry->bytes || payload_bytes > sizeof payload) return false;
    if (!read_at(file, block + sizeof head, payload, payload_bytes)) return false;
    struct pat_reader reader = {.at = payload, .end = payload + payload_bytes};
    entry->totals = pat_manifest__totals_read(&reader);
    if (reader.bad || !read_at(file, PAT_FILE_HEADER_BYTES + sizeof head, payload, wanted)) return false;
    memcpy(settings->zone, payload, sizeof settings->zone);
    memcpy(settings->base_currency, payload + sizeof settings->zone, sizeof settings->base_currency);
    return settings->zone[sizeof settings->zone - 1] == '\0' && settings->base_currency[3] == '\0';
}

static void add_snapshot(struct pat_manifest *manifest, const struct pat_generation_entry *entry) {
    uint32_t at = manifest->generations;
    if (at == PAT_MANIFEST_GENERATIONS_MAX) return;
    for (; at > 0 && manifest->generation[at - 1].number < entry->number; at--) {
        manifest->generation[at] = manifest->generation[at - 1];
    }
    manifest->generation[at] = *entry;
    manifest->generations++;
}

static void add_journal(struct pat_manifest *manifest, const struct pat_journal_entry *entry) {
    uint32_t at = manifest->journals;
    if (at == PAT_MANIFEST_JOURNALS_MAX) return;
    for (; at > 0 && manifest->journal[at - 1].number > entry->number; at--) {
        manifest->journal[at] = manifest->journal[at - 1];
    }
    manifest->journal[at] = *entry;
    manifest->journals++;
}

static void add_file(struct pat_persist *persist, const char *name, enum pat_file_kind kind, uint64_t number) {
    struct pat_manifest *manifest = persist->manifest;
    struct pat_file *file;
    unsigned char head[PAT_FILE_HEADER_BYTES];
    if (persist->fs->ops->file_open(persist->fs, &file, name, PAT_FILE_READ, NULL) != PAT_OK) return;
    if (read_at(file, 0, head, sizeof head)) {
        const struct pat_digest id = pat_file__id(head);
        const pat_lsn lsn = pat_file__lsn(head);
        struct pat_generation_entry generation = {
            .number = number, .id = id, .lsn = lsn, .journal_rows = PAT_ROWS_UNKNOWN};
        const struct pat_journal_entry journal = {
            .number = number, .id = id, .first_lsn = lsn, .first_rows = PAT_ROWS_UNKNOWN};
        if (kind == PAT_FILE_JOURNAL && lsn > 0) add_journal(manifest, &journal);
        if (kind == PAT_FILE_SNAPSHOT && snapshot_entry(file, &generation, &manifest->settings)) {
            add_snapshot(manifest, &generation);
        }
    }
    file->ops->file_close(&file);
}

static void each_file(void *context, const char *name) {
    enum pat_file_kind kind;
    uint64_t number;
    if (pat_file__name_parse(name, &kind, &number)) add_file(context, name, kind, number);
}

enum pat_status pat_salvage__manifest(struct pat_persist *persist, const struct pat_settings *given,
                                      struct pat_error *error) {
    *persist->manifest = (struct pat_manifest){.settings = *given};
    PAT_TRY(persist->fs->ops->list(persist->fs, persist, error, each_file));
    persist->manifest_lost = true;
    const struct pat_settings *settings = &persist->manifest->settings;
    if (settings->zone[0] != '\0' && settings->base_currency[0] != '\0') return PAT_OK;
    return pat_error_set(error, PAT_ERR_CORRUPT,
                         PAT_MANIFEST_NAME " and all snapshots are damaged, and only they say which time zone and base "
                                           "currency the directory has; give --timezone and --base-currency");
}
