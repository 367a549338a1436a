/* One data directory on disk: journal, snapshots, manifest.
 *
 *   MANIFEST           settings, epoch, generations {number, lsn, file, bytes, checksum, control totals}, journal files
 *   journal-NNNNNNNN.pj   records of batches, checksummed and chained, one file from one snapshot to the next
 *   snapshot-NNNNNNNN.ps  a view, in checksummed blocks
 *
 * Two threads of its own, started by pat_persist_start: one appends and syncs the journal, one writes snapshots. They
 * report through events that the owner takes with pat_persist_poll after event_cb woke it. Deciding when to snapshot is
 * the engine's business. All calls: the owner's (loop) thread. */
#ifndef PAT_PERSIST_PERSIST_H
#define PAT_PERSIST_PERSIST_H

#include "base/fs.h"
#include "base/status.h"
#include "model/batch.h"
#include "model/clv.h"
#include "model/rfm.h"
#include "model/types.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_kernels;
struct pat_persist;

enum pat_sync {
    PAT_SYNC_ALWAYS,   /* acknowledged = on disk */
    PAT_SYNC_INTERVAL, /* written at once, synced every sync_interval_ms */
    PAT_SYNC_NEVER,    /* written; the system syncs when it likes */
};

/* Belong to the data directory from its first start on. */
struct pat_settings {
    char zone[64];
    char base_currency[4];
    uint64_t epoch; /* changes when recovery may have gone back behind something that was acknowledged: at each start of
                       a directory that was not closed in order */
};

struct pat_persist_options {
    struct pat_fs *fs;                 /* borrowed; stays open longer than this */
    const struct pat_kernels *kernels; /* with which batches are encoded; NULL: scalar */
    enum pat_sync sync;
    unsigned sync_interval_ms;
    bool read_only; /* nothing is written, not even what recovery would cut; pat_persist_start is not for it */
    void (*event_cb)(void *context); /* called on persist's threads: wake the owner, do nothing else; may be NULL */
    void *event_context;
    bool stepped; /* no threads: the owner calls the steps of persist_private.h himself, so that a test can replay what
                     happened */
    bool salvage; /* read what can be read of a damaged directory, and write nothing: pat_persist_start is not called */
    uint64_t journal_bytes; /* of a journal file at first, and what it grows by; 0: PAT_JOURNAL_FILE_BYTES */
    uint32_t piece_bytes;   /* of a snapshot, written at a time; 0: as the disk wants them */
    uint64_t seed; /* fresh random bits at every start (pat_entropy): file ids come from it, so that records of another
                      file never pass for this one's; a fixed one in tests */
    /* A snapshot of more orders and refunds than this, and no journal behind it, leaves the store unsettled (see
     * pat_store_settle): the owner settles it behind the first answers. 0: never. */
    uint64_t settle_rows;
};

/* Reads the manifest. A new directory gets `settings` as they are; an old one gives its own back in *settings when the
 * fields given are empty, and fails with PAT_ERR_CONFLICT (naming both) when they differ from its own.
 * PAT_ERR_CORRUPT names file and offset. */
enum pat_status pat_persist_open(struct pat_persist **out, const struct pat_persist_options *options,
                                 struct pat_settings *settings, struct pat_error *error) PAT_MUST_CHECK;
/* Waits for both threads to finish what they were given, then closes. */
void pat_persist_close(struct pat_persist **persist);

/* What one journal record holds. */
enum pat_entry_kind {
    PAT_ENTRY_BATCH = 1,
    PAT_ENTRY_RFM_MAP = 2,
    PAT_ENTRY_ATTRIBUTE = 3,
    PAT_ENTRY_FIT = 4,
    PAT_ENTRY_FIT_USE = 5,
};

/* A fit to keep, or one that is kept to take into use. */
struct pat_fit_change {
    const struct pat_clv_fit *fit; /* FIT */
    enum pat_clv_adopt adopt;      /* FIT */
    struct pat_text name;          /* FIT_USE */
    struct pat_clv_use use;        /* FIT_USE */
};

struct pat_entry {
    enum pat_entry_kind kind;
    pat_lsn lsn;
    const struct pat_batch *batch;
    const struct pat_rfm_map *map;
    const struct pat_attribute *attribute;
    const struct pat_fit_change *fit; /* FIT, FIT_USE */
};

/* Not known: of files from before there were counts. */
#define PAT_ROWS_UNKNOWN UINT64_MAX
/* Ranges that are told one by one: more would be read by nobody. */
#define PAT_LOSSES_MAX 16u

/* Batches that were acknowledged and cannot be read. */
struct pat_loss {
    pat_lsn first, last; /* last 0: not known */
    uint64_t rows;       /* or PAT_ROWS_UNKNOWN */
    int64_t offset;      /* -1: none */
    char where[48];      /* the file */
};

struct pat_recovery {
    uint64_t generation; /* snapshot used, 0 = none */
    pat_lsn snapshot_lsn;
    pat_lsn lsn; /* last one recovered */
    uint64_t records;
    bool fell_back;      /* the newest snapshot was damaged; the one before and a longer journal were used */
    uint64_t torn_bytes; /* cut from the journal's end: nothing says that they were acknowledged */
    unsigned losses;     /* with salvage */
    struct pat_loss loss[PAT_LOSSES_MAX];
    char note[512]; /* one line for the log when anything was unusual: file, offset, lsns */
};

/* Brings the empty `store` to the last durable state: newest good snapshot into the store (columns, dictionaries, heap,
 * producers, maps, then pat_store_rebuild_begin), then every later journal record through `apply_cb` in lsn order (the
 * batch lives until the call returns). When apply_cb fails, so does recovery. Fails: PAT_ERR_CORRUPT naming file,
 * offset and lsns when acknowledged data would be missing: the server must not serve. */
enum pat_status pat_persist_recover(struct pat_persist *persist, struct pat_store *store,
                                    enum pat_status (*apply_cb)(void *context, const struct pat_entry *entry,
                                                                struct pat_error *error),
                                    void *context, struct pat_recovery *out, struct pat_error *error) PAT_MUST_CHECK;

/* Opens the journal for writing behind the last recovered record and starts the threads. */
enum pat_status pat_persist_start(struct pat_persist *persist, struct pat_error *error) PAT_MUST_CHECK;

/* Hands a group of entries (lsns consecutive, following the last group's) to the journal thread, which writes and syncs
 * them together and posts one PAT_EVENT_JOURNAL. Entries are encoded before this returns; only one group at a time is
 * in flight: the next one after its event was polled. Fails, with nothing handed over: PAT_ERR_NO_MEMORY;
 * PAT_ERR_READONLY after a write or sync failed, until a snapshot succeeded and with it a new journal file was begun;
 * PAT_ERR_NO_SPACE while there is no room for a group that was given before.
 * The lsns of a group whose event says that it failed are given again. */
enum pat_status pat_persist_write(struct pat_persist *persist, const struct pat_entry *entries, unsigned count,
                                  struct pat_error *error) PAT_MUST_CHECK;

/* Starts writing a snapshot of `view` (which holds lsn S; all entries up to S are durable and no group is in flight:
 * the journal goes on in a new file from S + 1). `producers` are pat_producers_write's bytes as of S, copied. The view
 * must stay open until PAT_EVENT_SNAPSHOT. `read_soon` says that this is the last one before a start: the file stays
 * in the system's cache. One at a time: PAT_ERR_BUSY. */
enum pat_status pat_persist_snapshot(struct pat_persist *persist, const struct pat_view *view,
                                     const struct pat_buf *producers, bool read_soon,
                                     struct pat_error *error) PAT_MUST_CHECK;

enum pat_event_kind { PAT_EVENT_NONE, PAT_EVENT_JOURNAL, PAT_EVENT_SNAPSHOT };

struct pat_event {
    enum pat_event_kind kind;
    enum pat_status status; /* of the journal group or snapshot */
    bool untouched;         /* JOURNAL that failed: nothing of the group was written, and the journal goes on */
    struct pat_error error;
    pat_lsn lsn;         /* JOURNAL: last of the group. SNAPSHOT: S */
    uint64_t generation; /* SNAPSHOT */
    uint64_t bytes;
    uint64_t ms;
};

enum pat_condition {
    PAT_CONDITION_GOOD,
    PAT_CONDITION_FULL,     /* no room for a group: it is looked for, and groups are taken again when it is there */
    PAT_CONDITION_READONLY, /* a write or sync failed: groups are taken again after a snapshot succeeded */
};

/* Whether groups are taken; if not, why (empty otherwise). */
enum pat_condition pat_persist_condition(const struct pat_persist *persist, char why[PAT_ERROR_MESSAGE_BYTES]);

/* The next event, kind NONE when there is none. */
struct pat_event pat_persist_poll(struct pat_persist *persist);

struct pat_generation {
    uint64_t number;
    pat_lsn lsn;
    uint64_t bytes;
    int64_t saved_ms; /* wall clock: when the newest batch in it was accepted (its now_ms); 0 when unknown */
};
/* Generations on disk, newest first; gives their number, at most `capacity`. */
unsigned pat_persist_generations(const struct pat_persist *persist, struct pat_generation *out, unsigned capacity);
/* Bytes of the journal since the newest snapshot. */
uint64_t pat_persist_journal_bytes(const struct pat_persist *persist);

/* Reads every file again, as verify.h does in pieces. Any thread. `checks` counts blocks and records read.
 * PAT_ERR_CORRUPT names the first damaged file and the offset. */
enum pat_status pat_persist_verify(struct pat_persist *persist, uint64_t *checks,
                                   struct pat_error *error) PAT_MUST_CHECK;

#endif
