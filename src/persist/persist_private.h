/* The parts of struct pat_persist. Inside the persist room only.
 *
 * Who writes the manifest: open, recover and start before there are threads, close after them; in between only the
 * snapshot in progress does, on the journal thread (rotating) and then on the snapshot thread (committing). Others read
 * it under `mutex`. */
#ifndef PAT_PERSIST_PERSIST_PRIVATE_H
#define PAT_PERSIST_PERSIST_PRIVATE_H

#include "base/buf.h"
#include "persist/file_private.h"
#include "persist/journal_private.h"
#include "persist/manifest_private.h"
#include "persist/persist.h"

#include <pthread.h>

/* A file that was found damaged while it was named. More than so many at once are noted when some of them are gone. */
struct pat_damaged {
    enum pat_file_kind kind;
    uint64_t number;
};
#define PAT_DAMAGED_MAX 64u

/* A snapshot goes IDLE -> ROTATE (journal thread) -> WRITE (snapshot thread) -> IDLE. */
enum pat_snapshot_stage { PAT_STAGE_IDLE, PAT_STAGE_ROTATE, PAT_STAGE_WRITE };

struct pat_persist {
    /* set by open */
    struct pat_fs *fs;
    struct pat_persist_options options;

    /* before start: the owner's */
    bool recovered, started, threads;
    bool manifest_lost;             /* salvage: files are there that no manifest knows, and nobody knows of how many */
    struct pat_journal_found found; /* where the last journal file ends */
    uint64_t ids;                   /* file ids made from the seed so far */

    /* under mutex once started */
    pthread_mutex_t mutex;
    pthread_cond_t journal_wake, snapshot_wake;
    pthread_t journal_thread, snapshot_thread;
    struct pat_manifest *manifest;
    bool stop;
    bool readonly;    /* groups are refused until a snapshot has saved what is in memory */
    bool full;        /* groups are refused until there is room */
    bool spare;       /* there is a file to make the next journal file of */
    bool file_failed; /* the open journal file must not be written any more */
    char failure[PAT_ERROR_MESSAGE_BYTES];
    struct pat_damaged damaged[PAT_DAMAGED_MAX];
    unsigned damaged_count;
    bool manifest_damaged;
    bool any_damaged;               /* atomic, too: the owner looks at each turn */
    bool suspicious;                /* the snapshot under way counts when it was read back */
    struct pat_journal_point acked; /* end of the last group that succeeded */
    bool group_ready;               /* for the journal thread */
    struct pat_event journal_event, snapshot_event;
    enum pat_snapshot_stage stage;

    /* the owner's */
    bool group_busy, snapshot_busy; /* from handing over until the event is polled */
    int64_t now_ms;                 /* newest clock of any batch */

    /* handed over with group_ready and stage: the owner's while idle, the threads' while busy */
    struct pat_buf group;
    pat_lsn group_last;
    const struct pat_view *view;
    struct pat_buf producers;
    bool read_soon;
    struct pat_generation_entry generation; /* being written */

    /* journal thread; the owner before start and after the thread ended */
    struct pat_journal journal;
    uint64_t written_ms, synced_ms; /* CLOCK_MONOTONIC: the last group, the first that is not synced */
    size_t full_bytes;              /* of the group that there was no room for, */
    uint64_t full_ms;               /* and when room was looked for last */
};

/* A new file id. */
struct pat_digest pat_persist__file_id(struct pat_persist *persist);
/* The journal file that goes on behind what was acknowledged. */
struct pat_journal_entry pat_persist__next_journal(struct pat_persist *persist, uint64_t number);

/* Before a snapshot, under the mutex: what is known to be damaged is not relied on (verify.c). */
void pat_verify__shun(struct pat_persist *persist);

/* ---- salvage (salvage.c) */

/* Notes a range that cannot be served; `offset` -1 when there is none. */
void pat_salvage__lost(struct pat_recovery *out, const char *where, int64_t offset, pat_lsn first, pat_lsn last,
                       uint64_t rows);
/* Adds to the manifest what files of the directory it should know and does not, when they show that it was rolled
 * back; `lost`: that is all of them, and settings that no file tells are the given ones. A journal file that cannot say
 * where it begins has first_lsn 0. */
enum pat_status pat_salvage__manifest(struct pat_persist *persist, const struct pat_settings *given, bool lost,
                                      struct pat_error *error) PAT_MUST_CHECK;
/* What is left of a directory is a state that no server was in: its epochs are of their own, from here to twice as much
 * (less than 2^53, which every client can count to), and differ from start to start. */
#define PAT_SALVAGE_EPOCH (UINT64_C(1) << 52)

/* ---- steps of the journal thread, without any waiting (journal_thread.c)
 * ---------------------------------------------- */

/* Writes (and by options.sync syncs) persist->group and leaves an event. */
void pat_persist__group(struct pat_persist *persist);
/* Begins a new journal file behind the last acknowledged record. Fails: with the old file in use, or, when the manifest
 * may be the new one all the same, with the journal read-only. */
enum pat_status pat_persist__rotate(struct pat_persist *persist, struct pat_error *error) PAT_MUST_CHECK;
/* Does what waits for the journal thread, a group or a rotation; false when there is nothing. */
bool pat_persist__journal_step(struct pat_persist *persist);
/* Does what the journal thread does when nobody asks for anything for a while. */
void pat_persist__journal_idle(struct pat_persist *persist);
void *pat_persist__journal_main(void *persist);

/* ---- room on the disk (space.c)
 * --------------------------------------------------------------------------------------------------------------- */

/* Room for a group in the journal file. PAT_ERR_NO_SPACE when too little would be left: nothing happened. Journal
 * thread. */
enum pat_status pat_space__room(struct pat_persist *persist, size_t group_bytes,
                                struct pat_error *error) PAT_MUST_CHECK;
/* Room for `bytes` more of a snapshot, by the length of a journal file. PAT_ERR_NO_SPACE when too little would be left.
 */
enum pat_status pat_space__snapshot_room(struct pat_fs *fs, uint64_t journal_bytes, uint64_t bytes,
                                         struct pat_error *error) PAT_MUST_CHECK;
/* The next journal file, made of the spare one where there is one. */
enum pat_status pat_space__create_journal(struct pat_persist *persist, struct pat_journal *out,
                                          const struct pat_journal_entry *entry,
                                          struct pat_error *error) PAT_MUST_CHECK;
/* Makes the spare file of a journal file that is no longer needed, or removes it. */
void pat_space__recycle(struct pat_persist *persist, const char *name);
/* Whether this is the name of the spare file or of the reserve: of what is in them nothing counts. */
bool pat_space__is_own(const char *name);
/* At start: whether there is a spare file. */
void pat_space__find(struct pat_persist *persist);
/* Sees that there is a reserve and a spare file, as far as there is room. Snapshot thread. */
void pat_space__keep(struct pat_persist *persist);
/* pat_manifest__write, with the room of the reserve where there is no other. */
enum pat_status pat_space__manifest_write(struct pat_persist *persist, const struct pat_manifest *manifest,
                                          bool *replaced, struct pat_error *error) PAT_MUST_CHECK;

/* ---- steps of the snapshot thread (snapshot_thread.c)
 * ------------------------------------------------------------------ */

/* Writes persist->view, commits the manifest, leaves an event, and drops what two generations no longer need. */
void pat_persist__snapshot(struct pat_persist *persist);
/* Does what waits for the snapshot thread; false when there is nothing. */
bool pat_persist__snapshot_step(struct pat_persist *persist);
void *pat_persist__snapshot_main(void *persist);
/* Ends the snapshot in progress with an event. */
void pat_persist__snapshot_done(struct pat_persist *persist, enum pat_status status, const struct pat_error *error,
                                uint64_t ms);

/* CLOCK_MONOTONIC, for waiting and for the durations in events; nothing of it is ever stored. */
uint64_t pat_persist__monotonic_ms(void);

#endif
