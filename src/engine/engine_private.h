/* Inside the engine room only. */
#ifndef PAT_ENGINE_ENGINE_PRIVATE_H
#define PAT_ENGINE_ENGINE_PRIVATE_H

#include "base/fs.h"
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "model/zone.h"
#include "persist/persist.h"
#include "store/store.h"

/* A view and the questions that read it. The newest one is shared until the store moves on; each is closed with its last
 * reader, so that a store without readers copies nothing. */
struct pat_pinned {
    struct pat_view *view;
    unsigned readers;
    struct pat_pinned *next;
};

struct snapshot_waiter {
    void (*done_cb)(void *context, const struct pat_value *result, const struct pat_error *error);
    void *context;
    struct snapshot_waiter *next;
};

struct pat_engine {
    /* set at start */
    struct pat_fs *fs;
    struct pat_persist *persist;
    struct pat_zone *zone;
    struct pat_store *store;
    const struct pat_kernels *kernels;
    struct pat_settings settings;
    const char *sync_name;
    const char *version;
    uint64_t snapshot_every_ms;
    uint64_t opened_ns;
    struct pat_recovery recovery;

    /* loop thread */
    struct pat_ticket *queue_head, *queue_tail; /* not yet handed to the journal */
    unsigned queued;                            /* those, and the group under way */
    struct pat_ticket *group_head;              /* handed to the journal, in lsn order */
    bool turning;                               /* replies may submit again: such batches wait for the turn's end */
    bool journal_failed;                        /* no batch is taken until a snapshot has made a new journal */
    struct pat_error journal_error;
    struct pat_pinned *pinned;                  /* newest first */
    struct pat_view *snapshot_view;             /* being written */
    bool snapshot_wanted;
    struct snapshot_waiter *waiters;            /* for the snapshot being written, or the next */
    uint64_t snapshot_ns;                       /* when the last one began */
    pat_lsn snapshot_lsn;                       /* of the last one that is safe */
    int64_t snapshot_wall_ms;                   /* when it was saved by this process, 0 = before */
};

/* submit.c */
void pat_engine__group_finish(struct pat_engine *engine, const struct pat_event *event);
void pat_engine__group_start(struct pat_engine *engine);
/* checkpoint.c */
void pat_engine__snapshot_finish(struct pat_engine *engine, const struct pat_event *event);
void pat_engine__snapshot_start_if_due(struct pat_engine *engine);
/* reply.c */
struct pat_value pat_engine__load_answer(const struct pat_engine *engine, enum pat_table_id table,
                                         const struct pat_batch_outcome *outcome, const struct pat_batch *errors_of,
                                         struct pat_builder *builder);

#endif
