/* What is left of a damaged directory. Nothing is written: neither files nor, through pat_persist_start, batches. What
 * recovery would refuse is counted as lost here, and everything else is read with the same checks. */
#include "persist/persist_private.h"

#include "base/mem.h"
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

/* Newest first; when there are too many the oldest goes. */
static void add_snapshot(struct pat_manifest *manifest, const struct pat_generation_entry *entry) {
    uint32_t at = manifest->generations;
    if (at == PAT_MANIFEST_GENERATIONS_MAX && manifest->generation[--at].number > entry->number) return;
    manifest->generations = at + 1;
    for (; at > 0 && manifest->generation[at - 1].number < entry->number; at--) {
        manifest->generation[at] = manifest->generation[at - 1];
    }
    manifest->generation[at] = *entry;
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

struct looking {
    struct pat_fs *fs;
    struct pat_manifest *found; /* what was known, and what is added */
    bool lost;
    bool newer; /* a file shows that the manifest is not the last one */
    uint64_t first_journal, first_generation;
    pat_lsn proven;
};

/* What the header says, when it can be believed. */
static bool header_read(struct pat_file *file, enum pat_file_kind kind, uint64_t number, struct pat_file_header *out) {
    unsigned char head[PAT_FILE_HEADER_BYTES];
    if (!read_at(file, 0, head, sizeof head)) return false;
    *out = (struct pat_file_header){.id = pat_file__id(head), .number = number, .lsn = pat_file__lsn(head)};
    return pat_file__header_check(file, kind, out, NULL) == PAT_OK;
}

static void look_at_snapshot(struct looking *looking, struct pat_file *file, const struct pat_file_header *header) {
    struct pat_settings settings;
    struct pat_generation_entry entry = {
        .number = header->number, .id = header->id, .lsn = header->lsn, .journal_rows = PAT_ROWS_UNKNOWN};
    if (!snapshot_entry(file, &entry, &settings)) return;
    add_snapshot(looking->found, &entry);
    looking->newer |= entry.lsn > looking->proven;
    if (looking->lost) looking->found->settings = settings;
}

static void look_at_journal(struct looking *looking, struct pat_file *file, const struct pat_file_header *header) {
    bool holds = false;
    const struct pat_journal_entry entry = {.number = header->number,
                                            .id = header->id,
                                            .first_lsn = header->lsn,
                                            .first_rows = PAT_ROWS_UNKNOWN,
                                            .end.rows = PAT_ROWS_UNKNOWN};
    add_journal(looking->found, &entry);
    /* One that cannot be read may hold some. */
    const bool known = header->lsn > 0 && pat_journal__holds_records(file, &holds, NULL) == PAT_OK;
    looking->newer |= !known || holds;
}

static void each_file(void *context, const char *name) {
    struct looking *looking = context;
    enum pat_file_kind kind;
    struct pat_file_header header = {0};
    struct pat_file *file = NULL;
    if (!pat_file__name_parse(name, &kind, &header.number)) return;
    const uint64_t number = header.number;
    if (number < (kind == PAT_FILE_JOURNAL ? looking->first_journal : looking->first_generation)) return;
    if (looking->fs->ops->file_open(looking->fs, &file, name, PAT_FILE_READ, NULL) != PAT_OK) file = NULL;
    const bool good = file != NULL && header_read(file, kind, number, &header);
    if (!good) header = (struct pat_file_header){.number = number};
    if (kind == PAT_FILE_JOURNAL) look_at_journal(looking, file, &header);
    if (kind == PAT_FILE_SNAPSHOT && good) look_at_snapshot(looking, file, &header);
    if (file != NULL) file->ops->file_close(&file);
}

static enum pat_status no_settings(struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_CORRUPT,
                         PAT_MANIFEST_NAME " and all snapshots are damaged, and only they say which time zone and base "
                                           "currency the directory has; give --timezone and --base-currency");
}

enum pat_status pat_salvage__manifest(struct pat_persist *persist, const struct pat_settings *given, bool lost,
                                      struct pat_error *error) {
    struct pat_manifest *found = pat_mem_alloc(PAT_MEM_OTHER, sizeof *found);
    if (found == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to look at the files");
    if (lost) *persist->manifest = (struct pat_manifest){.settings = *given};
    *found = *persist->manifest;
    struct looking looking = {.fs = persist->fs,
                              .found = found,
                              .lost = lost,
                              .newer = lost,
                              .first_journal = found->next_journal,
                              .first_generation = found->next_generation,
                              .proven = pat_manifest__proven(found).lsn};
    const enum pat_status status = persist->fs->ops->list(persist->fs, &looking, error, each_file);
    if (looking.newer) *persist->manifest = *found;
    persist->manifest_lost = looking.newer;
    pat_mem_free(PAT_MEM_OTHER, found);
    PAT_TRY(status);
    const struct pat_settings *settings = &persist->manifest->settings;
    return settings->zone[0] != '\0' && settings->base_currency[0] != '\0' ? PAT_OK : no_settings(error);
}
