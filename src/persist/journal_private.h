/* One journal file: how records lie in it, how they are appended, how they are read back.
 *
 *   file    header of 64 bytes (file_private.h; lsn = that of the first record), then records without gaps, then room
 *           that is reserved: zeros, or what stood there when the file was another one
 *   record  0 magic  4 payload bytes (multiple of 8)  8 lsn  16 durable lsn  24 rows  32 digest  48 check  56 payload
 *   mark    a record without payload; its lsn is that of the record before it
 *
 * digest: of header (its first 32 bytes) and payload, chained to the digest of the record before, the first one to the
 * file's header: nothing can be changed, swapped, dropped or brought in from elsewhere. Marks are checked against the
 * chain but are no link of it: a damaged one hides no record.
 *
 * check: of the 48 bytes before it, bound to the file's id, so that a header can be told from payload bytes, which
 * clients choose, and from what is left of the file's former life, without knowing what stood before it.
 *
 * durable lsn: greatest lsn known to be on disk when this was written. It is what tells a torn tail (nothing says that
 * it was acknowledged: wiped) from damage (something does: refuse). A mark says it before a group is acknowledged.
 *
 * rows: of all batches of the directory up to this record. What stands between two records is counted by it even when
 * it cannot be read.
 *
 * Files of version 2 have no rows, headers of 48 bytes, and no room behind their records; they are read, not continued.
 *
 * Appending: one thread. Reading: any, through a file handle of its own. */
#ifndef PAT_PERSIST_JOURNAL_PRIVATE_H
#define PAT_PERSIST_JOURNAL_PRIVATE_H

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/status.h"
#include "persist/bytes_private.h"
#include "persist/file_private.h"
#include "persist/persist.h"

#include <stdbool.h>
#include <stdint.h>

#define PAT_RECORD_MAGIC           0x524a5450u /* "PTJR" */
#define PAT_RECORD_HEADER_BYTES    56u
#define PAT_RECORD_HEADER_BYTES_V2 48u
/* A place between two records. */
struct pat_journal_point {
    uint64_t offset;
    pat_lsn lsn;             /* of the last record before it; first lsn - 1 when there is none */
    struct pat_digest chain; /* digest of that record */
    uint64_t rows;           /* up to that record */
};

/* Something that was acknowledged, and the rows up to it. */
struct pat_watermark {
    pat_lsn lsn;
    uint64_t rows; /* or PAT_ROWS_UNKNOWN */
};

/* A journal file as the manifest knows it. */
struct pat_journal_entry {
    uint64_t number;
    struct pat_digest id;
    pat_lsn first_lsn;
    uint64_t first_rows; /* before the first record */
    uint64_t bytes;      /* it was at least so long from its beginning on: a shorter one was cut */
    bool closed;
    bool failed; /* a write or sync of it failed, or it was found damaged: not used again; not stored */
    struct pat_journal_point end; /* closed only: what counts ends here */
};

struct pat_journal_found;

struct pat_journal {
    struct pat_fs *fs;
    struct pat_file *file;
    struct pat_journal_entry entry;
    struct pat_journal_point written;
    struct pat_journal_point synced;
    uint64_t reserved;  /* length of the file */
    bool mark_unsynced; /* a mark was written since the last sync */
};

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Appends `entry` to a group in memory; headers are completed by pat_journal__append. PAT_ERR_NO_MEMORY: as before. */
enum pat_status pat_journal__group_add(struct pat_buf *group, const struct pat_entry *entry,
                                       const struct pat_kernels *kernels) PAT_MUST_CHECK;

/* Makes the file of entry->number, which starts behind `start`: out of the file `spare` (whose bytes stay), or with
 * NULL a new one with entry->bytes of room. Its header, name and length are on disk when this returns; entry->bytes is
 * its length. */
enum pat_status pat_journal__create(struct pat_journal *journal, struct pat_fs *fs,
                                    const struct pat_journal_entry *entry, const char *spare,
                                    struct pat_error *error) PAT_MUST_CHECK;
/* Opens a file behind what reading found. What lies behind found->proven_offset may be in the system's cache only (a
 * sync may have failed before the restart), so it is written once more and synced; a damaged mark is made good.
 * `killed`: the file was not closed in order, and may hold anything behind its end. */
enum pat_status pat_journal__open(struct pat_journal *journal, struct pat_fs *fs, const struct pat_journal_entry *entry,
                                  const struct pat_journal_found *found, bool killed,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Zeros in place of bytes [from, to). */
enum pat_status pat_journal__zero(struct pat_file *file, uint64_t from, uint64_t to,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Bytes that the file must have room for before a group of `group_bytes` is appended, its mark included. */
uint64_t pat_journal__needs(const struct pat_journal *journal, size_t group_bytes);
/* Reserves room up to `bytes` of the file. PAT_ERR_NO_SPACE: nothing happened to the file. */
enum pat_status pat_journal__reserve(struct pat_journal *journal, uint64_t bytes,
                                     struct pat_error *error) PAT_MUST_CHECK;
/* Completes the headers of `group` and writes it with one call. After a failure nothing may be appended any more. */
enum pat_status pat_journal__append(struct pat_journal *journal, struct pat_buf *group,
                                    struct pat_error *error) PAT_MUST_CHECK;
enum pat_status pat_journal__sync(struct pat_journal *journal, struct pat_error *error) PAT_MUST_CHECK;
/* Writes a mark that says what is synced, without a sync of its own. */
enum pat_status pat_journal__mark(struct pat_journal *journal, struct pat_error *error) PAT_MUST_CHECK;
void pat_journal__close(struct pat_journal *journal);

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Records that cannot be read. */
struct pat_journal_loss {
    const char *name; /* of the file */
    uint64_t offset;  /* of the first bad byte, or where the file ends */
    pat_lsn first, last;
    uint64_t rows; /* or PAT_ROWS_UNKNOWN */
};

struct pat_journal_scan {
    struct pat_fs *fs;
    struct pat_journal_entry entry;
    uint64_t bytes_max;          /* read no further (a running server's acknowledged end); UINT64_MAX: to the end */
    struct pat_watermark proven; /* acknowledged up to here, as other files say */
    bool quick;                  /* nothing was written behind `proven`: do not look for it */
    pat_lsn lsn_end;             /* records from this one on do not count, whatever they hold; 0: all do */
    /* Called for each record in order; may be NULL. `offset` is that of the record. */
    enum pat_status (*record_cb)(void *context, pat_lsn lsn, const unsigned char *payload, size_t bytes,
                                 uint64_t offset, struct pat_error *error);
    /* Salvage: called for records that cannot be read, then reading goes on behind them. NULL: damage is an error. */
    void (*loss_cb)(void *context, const struct pat_journal_loss *loss);
    void *context;
};

struct pat_journal_found {
    struct pat_journal_point end;
    uint32_t version;       /* of the file */
    pat_lsn durable;        /* greatest durable lsn that the file speaks of */
    uint64_t proven_offset; /* records before it are known to be on disk */
    uint64_t torn_bytes;    /* behind `end`, nothing says that they were acknowledged; not wiped yet */
    uint64_t records;
    uint64_t marks_damaged;
    struct pat_journal_point mark; /* where the last damaged mark stands */
    uint64_t unreadable_bytes;     /* that the disk does not give; taken for zeros */
    uint64_t unreadable_offset;    /* of the first of them */
    bool end_unknown;              /* salvage: more may have been behind `end` than anything here says */
};

/* A file being read, in the caller's memory. */
struct pat_journal_scanner {
    const struct pat_journal_scan *scan;
    struct pat_journal_found *found;
    struct pat_file *file;
    char name[PAT_FILE_NAME_BYTES];
    uint64_t size;                /* what there is to read */
    size_t header_bytes;          /* of this file's version */
    struct pat_watermark durable; /* greatest that was seen */
    uint64_t last_header_end;     /* behind the last header of this file that was found behind a bad record */
    bool goes_on;                 /* what is behind found->end is not read yet */
    unsigned char *window;
    size_t window_capacity, window_bytes;
    uint64_t window_offset;
    uint64_t unreadable_end; /* behind the last byte that the disk does not give */
};

/* Opens the file and reads its header. What the disk cannot read is damage like any other: PAT_ERR_CORRUPT. `scan` and
 * `found` stay. Fails, with nothing to close: as pat_journal__scan. */
enum pat_status pat_journal__scan_open(struct pat_journal_scanner *scanner, const struct pat_journal_scan *scan,
                                       struct pat_journal_found *found, struct pat_error *error) PAT_MUST_CHECK;
/* Reads records until found->end.offset has reached `until` or there are no more, and then *done. */
enum pat_status pat_journal__scan_some(struct pat_journal_scanner *scanner, uint64_t until, bool *done,
                                       struct pat_error *error) PAT_MUST_CHECK;
void pat_journal__scan_close(struct pat_journal_scanner *scanner);

/* All of that: reads a file from its header on. Fails: PAT_ERR_CORRUPT naming file, offset, lsns and rows; what
 * record_cb or reading gives. */
enum pat_status pat_journal__scan(const struct pat_journal_scan *scan, struct pat_journal_found *found,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Whether an open file holds a record of its own, or a mark. */
enum pat_status pat_journal__holds_records(struct pat_file *file, bool *out, struct pat_error *error) PAT_MUST_CHECK;

/* ---- shared by both --------------------------------------------------------------------------------------------- */

struct pat_record_header {
    uint32_t header_bytes, payload_bytes;
    pat_lsn lsn, durable_lsn;
    uint64_t rows;
    struct pat_digest digest;
};

/* Digest of a record whose header is at `header`. */
struct pat_digest pat_journal__digest(struct pat_digest chain, const unsigned char *header, size_t header_bytes,
                                      const unsigned char *payload, size_t payload_bytes);
/* Writes magic, lengths, lsns and rows; digest and check come with pat_journal__seal. */
void pat_journal__header_put(unsigned char *at, uint32_t payload_bytes, pat_lsn lsn, pat_lsn durable_lsn,
                             uint64_t rows);
/* Gives the record's digest. */
struct pat_digest pat_journal__seal(unsigned char *record, struct pat_digest id, struct pat_digest chain);
static inline size_t pat_journal__header_bytes(uint32_t version) {
    return version == 2 ? PAT_RECORD_HEADER_BYTES_V2 : PAT_RECORD_HEADER_BYTES;
}
/* False when the pat_journal__header_bytes at `at` are no header of this file. */
bool pat_journal__header_get(struct pat_record_header *out, const unsigned char *at, struct pat_digest id,
                             uint32_t version);
/* Whether the bytes at `at`, which are no good mark, are what is left of the one that belongs to `point`: a word of its
 * digest or check stands there, which old bytes of the room have only by chance. */
bool pat_journal__was_mark(const unsigned char *at, const struct pat_journal_point *point, struct pat_digest id,
                           uint32_t version);
/* The first bytes of every header. Here, because looking for them goes over megabytes at a start. */
static inline bool pat_journal__is_magic(const unsigned char *at) {
    return pat_get_u32(at) == PAT_RECORD_MAGIC;
}

#endif
