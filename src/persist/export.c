#include "persist/export.h"

#include "base/mem.h"
#include "persist/file_private.h"
#include "persist/persist_private.h"

#include <string.h>

enum { SNAPSHOT, JOURNAL, MANIFEST };

struct pat_export {
    struct pat_file *snapshot;
    pthread_mutex_t mutex; /* a file belongs to one thread at a time */
    pat_lsn lsn;
    struct {
        char name[PAT_FILE_NAME_BYTES];
        uint64_t bytes;
    } file[PAT_EXPORT_FILES];
    unsigned char journal[PAT_FILE_HEADER_BYTES];
    struct pat_buf manifest;
};

/* Of the one snapshot that is chosen, and a journal that begins behind it. */
static void manifest_make(struct pat_manifest *out, const struct pat_manifest *own,
                          const struct pat_generation_entry *entry, struct pat_digest journal_id) {
    *out = (struct pat_manifest){.settings = own->settings,
                                 .clean = true,
                                 .sync = own->sync,
                                 .durable = {entry->lsn, entry->journal_rows},
                                 .next_generation = entry->number + 1,
                                 .next_journal = own->next_journal + 1,
                                 .generations = 1,
                                 .journals = 1};
    out->generation[0] = *entry;
    out->journal[0] = (struct pat_journal_entry){.number = own->next_journal,
                                                 .id = journal_id,
                                                 .first_lsn = entry->lsn + 1,
                                                 .first_rows = entry->journal_rows,
                                                 .bytes = PAT_FILE_HEADER_BYTES};
}

/* Another one for every export, as for every file. */
static struct pat_digest journal_id(const struct pat_persist *persist, const struct pat_generation_entry *entry,
                                    const struct pat_export *exported) {
    const uint64_t words[5] = {persist->options.seed, entry->id.low, entry->id.high, entry->lsn,
                               (uint64_t)(uintptr_t)exported};
    return pat_digest_of(words, sizeof words);
}

static enum pat_status choose(struct pat_persist *persist, struct pat_export *exported, struct pat_manifest *manifest,
                              struct pat_error *error) {
    pthread_mutex_lock(&persist->mutex);
    const struct pat_manifest *own = persist->manifest;
    const struct pat_generation_entry *entry = NULL;
    for (uint32_t i = 0; i < own->generations && entry == NULL; i++) {
        if (!own->generation[i].damaged) entry = &own->generation[i];
    }
    if (entry != NULL) manifest_make(manifest, own, entry, journal_id(persist, entry, exported));
    pthread_mutex_unlock(&persist->mutex);
    if (entry == NULL) return pat_error_set(error, PAT_ERR_NOT_FOUND, "there is no snapshot yet");
    return PAT_OK;
}

static enum pat_status files_make(struct pat_export *exported, const struct pat_manifest *manifest,
                                  struct pat_error *error) {
    const struct pat_generation_entry *entry = &manifest->generation[0];
    const struct pat_journal_entry *journal = &manifest->journal[0];
    const struct pat_file_header header = {.id = journal->id, .number = journal->number, .lsn = journal->first_lsn};
    exported->lsn = entry->lsn;
    pat_file__name(PAT_FILE_SNAPSHOT, entry->number, exported->file[SNAPSHOT].name);
    pat_file__name(PAT_FILE_JOURNAL, journal->number, exported->file[JOURNAL].name);
    memcpy(exported->file[MANIFEST].name, PAT_MANIFEST_NAME, sizeof PAT_MANIFEST_NAME);
    pat_file__header_write(PAT_FILE_JOURNAL, &header, exported->journal);
    if (pat_manifest__bytes(manifest, &exported->manifest) != PAT_OK) {
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a manifest");
    }
    exported->file[SNAPSHOT].bytes = entry->bytes;
    exported->file[JOURNAL].bytes = sizeof exported->journal;
    exported->file[MANIFEST].bytes = exported->manifest.length;
    return PAT_OK;
}

static enum pat_status export_fill(struct pat_persist *persist, struct pat_export *exported,
                                   struct pat_manifest *manifest, struct pat_error *error) {
    PAT_TRY(choose(persist, exported, manifest, error));
    PAT_TRY(files_make(exported, manifest, error));
    return persist->fs->ops->file_open(persist->fs, &exported->snapshot, exported->file[SNAPSHOT].name, PAT_FILE_READ,
                                       error);
}

enum pat_status pat_export_open(struct pat_export **out, struct pat_persist *persist, struct pat_error *error) {
    struct pat_export *exported = pat_mem_alloc(PAT_MEM_SNAPSHOT, sizeof *exported);
    struct pat_manifest *manifest = pat_mem_alloc(PAT_MEM_SNAPSHOT, sizeof *manifest);
    enum pat_status status = PAT_ERR_NO_MEMORY;
    if (exported != NULL) {
        (void)pthread_mutex_init(&exported->mutex, NULL);
        pat_buf_init(&exported->manifest, PAT_MEM_SNAPSHOT);
    }
    if (exported != NULL && manifest != NULL) {
        status = export_fill(persist, exported, manifest, error);
    } else {
        (void)pat_error_set(error, status, "no memory for a backup");
    }
    pat_mem_free(PAT_MEM_SNAPSHOT, manifest);
    *out = exported;
    if (status != PAT_OK) pat_export_close(out);
    return status;
}

void pat_export_close(struct pat_export **handle) {
    struct pat_export *exported = *handle;
    if (exported == NULL) return;
    if (exported->snapshot != NULL) exported->snapshot->ops->file_close(&exported->snapshot);
    pat_buf_deinit(&exported->manifest);
    (void)pthread_mutex_destroy(&exported->mutex);
    pat_mem_free(PAT_MEM_SNAPSHOT, exported);
    *handle = NULL;
}

pat_lsn pat_export_lsn(const struct pat_export *exported) {
    return exported->lsn;
}

struct pat_export_file pat_export_file(const struct pat_export *exported, unsigned index) {
    PAT_ASSERT(index < PAT_EXPORT_FILES);
    return (struct pat_export_file){exported->file[index].name, exported->file[index].bytes};
}

enum pat_status pat_export_read(struct pat_export *exported, unsigned index, uint64_t offset, void *out, size_t bytes,
                                size_t *got, struct pat_error *error) {
    PAT_ASSERT(index < PAT_EXPORT_FILES);
    const uint64_t size = exported->file[index].bytes;
    *got = 0;
    if (offset >= size) return PAT_OK;
    if (bytes > size - offset) bytes = (size_t)(size - offset);
    if (index != SNAPSHOT) {
        const unsigned char *from = index == JOURNAL ? exported->journal : exported->manifest.data;
        memcpy(out, from + offset, bytes);
        *got = bytes;
        return PAT_OK;
    }
    pthread_mutex_lock(&exported->mutex);
    struct pat_file *file = exported->snapshot;
    const enum pat_status status = file->ops->file_read_at(file, offset, out, bytes, got, error);
    pthread_mutex_unlock(&exported->mutex);
    return status;
}
