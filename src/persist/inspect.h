/* A data directory looked through file by file, with nothing written: what each file holds, and whether it is whole.
 * For tools; what a server makes of the directory is recovery's business (persist.h). */
#ifndef PAT_PERSIST_INSPECT_H
#define PAT_PERSIST_INSPECT_H

#include "persist/persist.h"

#define PAT_INSPECTED_NAME_BYTES 64u

enum pat_inspected_kind {
    PAT_INSPECTED_MANIFEST,
    PAT_INSPECTED_SNAPSHOT,
    PAT_INSPECTED_JOURNAL,
    PAT_INSPECTED_STRANGE, /* nothing that the manifest names: left by a crash, or somebody's own */
};

/* Amounts in one currency, as they were given. */
struct pat_inspected_money {
    uint64_t rows;
    int64_t amount_minor; /* INT64_MAX and -INT64_MAX also stand for what is beyond */
};

struct pat_inspected_file {
    enum pat_inspected_kind kind;
    char name[PAT_INSPECTED_NAME_BYTES];
    uint64_t bytes;
    uint32_t version;            /* of its format; 0: not known */
    pat_lsn first_lsn, last_lsn; /* snapshot: 1 and that of its state; journal: of its records. last < first: none */
    uint64_t parts;              /* blocks of a snapshot, records of a journal file, files that a manifest names */
    uint64_t used_bytes;         /* journal: as far as its records and marks go; behind that is room */
    uint64_t torn_bytes;         /* at the journal's end: nothing says that they were acknowledged */
    bool contents;               /* the rest is known */
    uint64_t rows[PAT_TABLES];   /* snapshot: stored, withdrawn ones too; journal: that its batches brought */
    /* By place in pat_currencies. Snapshot: orders and refunds that count as `control` counts them; journal: rows of
     * batches that say both amount and currency. Valid during the callback. */
    const struct pat_inspected_money *orders, *refunds;

    enum pat_status status;
    struct pat_error error;        /* when damaged: file, offset, what is wrong */
    pat_lsn lost_first, lost_last; /* what cannot be read from this file; 0: nothing of that kind */
    int64_t lost_rows;             /* -1: not known */
};

struct pat_inspected_record {
    const char *file;
    uint64_t offset, bytes; /* with its header */
    const struct pat_entry *entry;
};

struct pat_inspection {
    /* Snapshots are also loaded, one after the other, and their contents compared with their totals: takes the memory
     * that a server would. Else checksums alone. */
    bool contents;
    /* After each file, the manifest first. */
    void (*file_cb)(void *context, const struct pat_inspected_file *file);
    /* For each record of the journal that can be read; may be NULL. What it returns ends the inspection. */
    enum pat_status (*record_cb)(void *context, const struct pat_inspected_record *record, struct pat_error *error);
    void *context;
};

/* Of a directory that was opened, not started. Files that are damaged are told by file_cb and are no failure of this
 * call. Fails: PAT_ERR_NO_MEMORY, what listing or record_cb gives. */
enum pat_status pat_persist_inspect(struct pat_persist *persist, const struct pat_inspection *inspection,
                                    struct pat_error *error) PAT_MUST_CHECK;

/* What the manifest says beside the settings. */
struct pat_persist_state {
    bool clean;         /* it was closed in order */
    enum pat_sync sync; /* in force when it was served last */
};
struct pat_persist_state pat_persist_state(const struct pat_persist *persist);

/* Copies every file that the manifest of `persist` names into `to`, which is empty, with a manifest of the same content
 * but for the epoch: written last, so that a copy without one is none. All is on disk when this returns. progress_cb
 * (may be NULL) is told bytes. The copy is not verified. */
enum pat_status pat_persist_copy(struct pat_persist *persist, struct pat_fs *to, uint64_t epoch,
                                 void (*progress_cb)(void *context, uint64_t bytes, uint64_t bytes_max), void *context,
                                 struct pat_error *error) PAT_MUST_CHECK;

#endif
