/* The newest snapshot as a data directory of its own, read piece by piece while the server goes on: what a backup is.
 *
 * It has three files: the snapshot, a journal without records behind it, and a manifest of these two. The snapshot is
 * held open, so that it can be read to its end when newer ones have taken its place and its name is gone. */
#ifndef PAT_PERSIST_EXPORT_H
#define PAT_PERSIST_EXPORT_H

#include "persist/persist.h"

struct pat_export;

#define PAT_EXPORT_FILES 3u

struct pat_export_file {
    const char *name;
    uint64_t bytes;
};

/* Thread: the owner's. Fails: PAT_ERR_NOT_FOUND when there is no snapshot yet; PAT_ERR_NO_MEMORY, PAT_ERR_IO. */
enum pat_status pat_export_open(struct pat_export **out, struct pat_persist *persist,
                                struct pat_error *error) PAT_MUST_CHECK;
void pat_export_close(struct pat_export **exported);

/* The state that it holds. */
pat_lsn pat_export_lsn(const struct pat_export *exported);
/* `index` below PAT_EXPORT_FILES; the manifest is the last one, to be written last. */
struct pat_export_file pat_export_file(const struct pat_export *exported, unsigned index);
/* Up to `bytes`; *got is less at the file's end only. Thread: any, several at once. */
enum pat_status pat_export_read(struct pat_export *exported, unsigned index, uint64_t offset, void *out, size_t bytes,
                                size_t *got, struct pat_error *error) PAT_MUST_CHECK;

#endif
