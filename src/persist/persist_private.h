/* The parts of struct pat_persist. Inside the persist room only.
 *
 * Who writes the manifest: open, recover and start before there are threads, close after them; in between only the
 * snapshot in progress does, on the journal thread (rotating) and then on the snapshot thread (committing). Others read
 * it under `mutex`. */
#ifndef PAT_PERSIST_PERSIST_PRIVATE_H
#define PAT_PERSIST_PERSIST_PRIVATE_H

#include "base/buf.h"
#include "persist/journal_private.h"
#include "persist/manifest_private.h"
#include "persist/persist.h"

#include <pthread.h>

/* A snapshot goes IDLE -> ROTATE (journal thread) -> WRITE (snapshot thread) -> IDLE. */
enum pat_snapshot_stage { PAT_STAGE_IDLE, PAT_STAGE_ROTATE, PAT_STAGE_WRITE };

struct pat_persist {
    /* set by open */
    struct pat_fs *fs;
    struct pat_persist_options options;

    /* before start: the owner's */
    bool recovered, started;
    struct pat_journal_found found; /* where the last journal file ends */
    uint64_t ids;                   /* file ids made from the seed so far */

    /* under mutex once started */
    pthread_mutex_t mutex;
    pthread_cond_t journal_wake, snapshot_wake;
    pthread_t journal_thread, snapshot_thread;
    struct pat_manifest *manifest;
    bool stop;
    bool readonly;    /* groups are refused */
    bool file_failed; /* the open journal file must not be written any more */
    char failure[PAT_ERROR_MESSAGE_BYTES];
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
    struct pat_generation_entry generation; /* being written */

    /* journal thread; the owner before start and after the thread ended */
    struct pat_journal journal;
};

/* A new file id. */
struct pat_digest pat_persist__file_id(struct pat_persist *persist);

/* ---- steps of the journal thread, without any waiting (journal_thread.c)
 * ---------------------------------------------- */

/* Writes (and by options.sync syncs) persist->group and leaves an event. */
void pat_persist__group(struct pat_persist *persist);
/* Begins a new journal file behind the last acknowledged record. Fails: with the old file in use, or, when the manifest
 * may be the new one all the same, with the journal read-only. */
enum pat_status pat_persist__rotate(struct pat_persist *persist, struct pat_error *error) PAT_MUST_CHECK;
void *pat_persist__journal_main(void *persist);

/* ---- steps of the snapshot thread (snapshot_thread.c)
 * ------------------------------------------------------------------ */

/* Writes persist->view, commits the manifest, drops what two generations no longer need, and leaves an event. */
void pat_persist__snapshot(struct pat_persist *persist);
void *pat_persist__snapshot_main(void *persist);
/* Ends the snapshot in progress with an event. */
void pat_persist__snapshot_done(struct pat_persist *persist, enum pat_status status, const struct pat_error *error,
                                uint64_t ms);

/* CLOCK_MONOTONIC, for waiting and for the durations in events; nothing of it is ever stored. */
uint64_t pat_persist__monotonic_ms(void);

#endif
