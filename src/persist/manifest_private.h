/* MANIFEST: what this directory is and which files it consists of. Always replaced as a whole: tmp, write, fsync,
 * rename, fsync of the directory. It has one digest over all of it.
 *
 *   0 magic  8 version  12 bytes of all  16 digest (of the whole with zeros here)  32 settings, watermark, lists */
#ifndef PAT_PERSIST_MANIFEST_PRIVATE_H
#define PAT_PERSIST_MANIFEST_PRIVATE_H

#include "base/fs.h"
#include "base/hash.h"
#include "base/status.h"
#include "persist/file_private.h"
#include "persist/journal_private.h"
#include "persist/persist.h"

#include <stdbool.h>
#include <stdint.h>

#define PAT_MANIFEST_NAME "MANIFEST"
/* As PAT_JOURNAL_VERSION. 2 knew neither rows nor lengths of journal files. */
#define PAT_MANIFEST_VERSION        3u
#define PAT_MANIFEST_VERSION_OLDEST 2u
/* Two good ones, and damaged ones that recovery found and the next snapshot drops. */
#define PAT_MANIFEST_GENERATIONS_MAX 8u
/* One per snapshot that was tried; they go when two snapshots succeeded. When all but the last ones are taken, the
 * journal is no longer rotated, but behind a file that failed: groups are refused until that is done. Two would do, one
 * before each of two snapshots; more, because the older one may be damaged. */
#define PAT_MANIFEST_JOURNALS_MAX  1024u
#define PAT_MANIFEST_JOURNALS_LAST 16u

/* What a snapshot holds in sum: compared after it was read back. */
struct pat_totals {
    uint64_t rows[PAT_TABLES];
    uint64_t money[PAT_TABLES]; /* sum of all money columns, modulo 2^64 */
    struct pat_counts counts;
};

struct pat_generation_entry {
    uint64_t number;
    pat_lsn lsn;
    uint64_t bytes;
    int64_t saved_ms;
    struct pat_digest id;    /* of the file */
    struct pat_digest chain; /* at its end */
    struct pat_totals totals;
    uint64_t journal_rows; /* of all batches up to lsn */
    bool damaged;          /* found so by recovery or by verify; not stored */
};

struct pat_manifest {
    struct pat_settings settings;
    bool clean;                   /* closed in order: `durable` is all there is */
    enum pat_sync sync;           /* in force since the last start */
    struct pat_watermark durable; /* acknowledged and on disk up to here, when this was written */
    uint64_t next_generation, next_journal;
    uint32_t generations; /* newest first */
    uint32_t journals;    /* oldest first; all but the last are closed */
    struct pat_generation_entry generation[PAT_MANIFEST_GENERATIONS_MAX];
    struct pat_journal_entry journal[PAT_MANIFEST_JOURNALS_MAX];
};

/* Fails: PAT_ERR_NOT_FOUND, PAT_ERR_CORRUPT naming file and offset, what reading gives. */
enum pat_status pat_manifest__read(struct pat_manifest *out, struct pat_fs *fs, struct pat_error *error) PAT_MUST_CHECK;
/* Greatest lsn that it knows to have been acknowledged. */
struct pat_watermark pat_manifest__proven(const struct pat_manifest *manifest);
bool pat_manifest__names(const struct pat_manifest *manifest, enum pat_file_kind kind, uint64_t number);
/* Replaces it. On failure *replaced says whether the new one may be in force all the same. */
enum pat_status pat_manifest__write(const struct pat_manifest *manifest, struct pat_fs *fs, bool *replaced,
                                    struct pat_error *error) PAT_MUST_CHECK;

/* The bytes of the file, appended to `out`, which is empty. PAT_ERR_NO_MEMORY. */
enum pat_status pat_manifest__bytes(const struct pat_manifest *manifest, struct pat_buf *out) PAT_MUST_CHECK;

enum pat_status pat_manifest__totals_write(const struct pat_totals *totals, struct pat_buf *out) PAT_MUST_CHECK;
struct pat_totals pat_manifest__totals_read(struct pat_reader *reader);
bool pat_manifest__totals_equal(const struct pat_totals *a, const struct pat_totals *b);

#endif
