/* One journal file: how records lie in it, how they are appended, how they are read back.
 *
 *   file    header of 64 bytes (file_private.h; lsn = that of the first record), then records without gaps
 *   record  0 magic  4 payload bytes (multiple of 8)  8 lsn  16 durable lsn  24 digest  40 check  48 payload
 *   mark    a record without payload; its lsn is that of the record before it
 *
 * digest: of header (its first 24 bytes) and payload, chained to the digest of the record before, the first one to the
 * file's header: nothing can be changed, swapped, dropped or brought in from elsewhere. Marks are checked against the
 * chain but are no link of it: a damaged one hides no record.
 *
 * check: of the 40 bytes before it, bound to the file's id, so that a header can be told from payload bytes, which
 * clients choose, without knowing what stood before it.
 *
 * durable lsn: greatest lsn known to be on disk when this was written. It is what tells a torn tail (nothing says that
 * it was acknowledged: cut) from damage (something does: refuse). A mark says it when nothing else is written for a
 * while.
 *
 * Appending: one thread. Reading: any, through a file handle of its own. */
#ifndef PAT_PERSIST_JOURNAL_PRIVATE_H
#define PAT_PERSIST_JOURNAL_PRIVATE_H

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/status.h"
#include "persist/persist.h"

#include <stdbool.h>
#include <stdint.h>

#define PAT_RECORD_HEADER_BYTES 48u

/* A place between two records. */
struct pat_journal_point {
    uint64_t offset;
    pat_lsn lsn;             /* of the last record before it; first lsn - 1 when there is none */
    struct pat_digest chain; /* digest of that record */
};

/* A journal file as the manifest knows it. */
struct pat_journal_entry {
    uint64_t number;
    struct pat_digest id;
    pat_lsn first_lsn;
    bool closed;
    struct pat_journal_point end; /* closed only: what counts ends here */
};

struct pat_journal_found;

struct pat_journal {
    struct pat_fs *fs;
    struct pat_file *file;
    struct pat_journal_entry entry;
    struct pat_journal_point written;
    struct pat_journal_point synced;
    pat_lsn announced; /* greatest durable lsn that stands in the file */
};

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Appends `entry` to a group in memory; headers are completed by pat_journal__append. PAT_ERR_NO_MEMORY: as before. */
enum pat_status pat_journal__group_add(struct pat_buf *group, const struct pat_entry *entry) PAT_MUST_CHECK;

/* Creates file `number` for lsns from `first_lsn` on; its header and name are on disk when this returns. */
enum pat_status pat_journal__create(struct pat_journal *journal, struct pat_fs *fs, uint64_t number,
                                    struct pat_digest id, pat_lsn first_lsn, struct pat_error *error) PAT_MUST_CHECK;
/* Opens a file behind what reading found. What lies behind found->proven_offset may be in the system's cache only (a
 * sync may have failed before the restart), so it is written once more and synced. */
enum pat_status pat_journal__open(struct pat_journal *journal, struct pat_fs *fs, const struct pat_journal_entry *entry,
                                  const struct pat_journal_found *found, struct pat_error *error) PAT_MUST_CHECK;
/* Completes the headers of `group` and writes it with one call. After a failure nothing may be appended any more. */
enum pat_status pat_journal__append(struct pat_journal *journal, struct pat_buf *group,
                                    struct pat_error *error) PAT_MUST_CHECK;
enum pat_status pat_journal__sync(struct pat_journal *journal, struct pat_error *error) PAT_MUST_CHECK;
/* True when what is synced does not stand in the file yet. */
static inline bool pat_journal__unmarked(const struct pat_journal *journal) {
    return journal->synced.lsn > journal->announced;
}
/* Writes a mark, without a sync of its own. */
enum pat_status pat_journal__mark(struct pat_journal *journal, struct pat_error *error) PAT_MUST_CHECK;
void pat_journal__close(struct pat_journal *journal);

/* ---- reading ---------------------------------------------------------------------------------------------------- */

struct pat_journal_scan {
    struct pat_fs *fs;
    struct pat_journal_entry entry;
    uint64_t bytes_max; /* read no further (a running server's acknowledged end); UINT64_MAX: to the end */
    pat_lsn proven;     /* acknowledged up to here, as other files say */
    /* Called for each record in order; may be NULL. `offset` is that of the record. */
    enum pat_status (*record_cb)(void *context, pat_lsn lsn, const unsigned char *payload, size_t bytes,
                                 uint64_t offset, struct pat_error *error);
    void *context;
};

struct pat_journal_found {
    struct pat_journal_point end;
    pat_lsn durable;        /* greatest durable lsn that the file speaks of */
    uint64_t proven_offset; /* records before it are known to be on disk */
    uint64_t torn_bytes;    /* behind `end`, nothing says that they were acknowledged; not cut yet */
    uint64_t records;
    uint64_t marks_damaged;
    uint64_t mark_offset; /* of the last damaged mark */
};

/* Reads a file from its header on. Fails: PAT_ERR_CORRUPT naming file, offset and lsns; what record_cb or reading
 * gives. */
enum pat_status pat_journal__scan(const struct pat_journal_scan *scan, struct pat_journal_found *found,
                                  struct pat_error *error) PAT_MUST_CHECK;

/* ---- shared by both --------------------------------------------------------------------------------------------- */

struct pat_record_header {
    uint32_t payload_bytes;
    pat_lsn lsn, durable_lsn;
    struct pat_digest digest;
};

/* Digest of a record whose header's first bytes are at `header`. */
struct pat_digest pat_journal__digest(struct pat_digest chain, const unsigned char *header,
                                      const unsigned char *payload, size_t payload_bytes);
/* Writes magic, lengths and lsns; digest and check come with pat_journal__seal. */
void pat_journal__header_put(unsigned char *at, uint32_t payload_bytes, pat_lsn lsn, pat_lsn durable_lsn);
/* Gives the record's digest. */
struct pat_digest pat_journal__seal(unsigned char *record, struct pat_digest id, struct pat_digest chain);
/* False when these 48 bytes are no header of this file. */
bool pat_journal__header_get(struct pat_record_header *out, const unsigned char *at, struct pat_digest id);

#endif
