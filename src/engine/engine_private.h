/* Inside the engine room only. */
#ifndef PAT_ENGINE_ENGINE_PRIVATE_H
#define PAT_ENGINE_ENGINE_PRIVATE_H

#include "analytics/analytics.h"
#include "analytics/recount.h"
#include "base/fs.h"
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "model/zone.h"
#include "persist/persist.h"
#include "persist/verify.h"
#include "store/store.h"

/* A view and the questions that read it. The newest one is shared until the store moves on; each is closed with its
 * last reader, so that a store without readers copies nothing. */
/* What look-ups found out about the state at an lsn, for all versions of it: on a quiet server each look-up pins a
 * version of its own. Loop thread, but for what is in `known`. */
struct pat_findings {
    pat_lsn lsn;
    unsigned users; /* versions, and the engine for the newest */
    struct pat_known *known;
};

struct pat_pinned {
    uint64_t number; /* what cursors call it */
    struct pat_view *view;
    struct pat_findings *findings;
    unsigned readers;
    unsigned rankers; /* of them, those that rank everybody for a look-up */
    bool ranked;      /* one of them has done so */
    uint64_t opened_ns;
    struct pat_pinned *next;
};

/* A question that goes on without its version: `verify`, from when it has recounted on. */
struct pat_early {
    struct pat_inquiry *inquiry;
    struct pat_early *next;
};

/* A version that cursors may come back to: one of its readers. */
struct held_version {
    struct pat_pinned *pinned;
    uint64_t used_ns; /* when a cursor was given or came back last */
    bool continued;   /* somebody came back: such ones are given up last */
};

/* Between pat_engine_pin and pat_engine_unpin of a question that may get cursors. */
struct pat_paging {
    bool given; /* written by whoever answers */
};

/* Answers at hand, all of one version: as many as the panels of a few dashboards. */
#define PAT_ANSWERS_MAX 64u
/* Of one answer: greater ones take longer to copy than is worth it. All together stay below 4 MiB. */
#define PAT_ANSWER_BYTES_MAX ((size_t)64 << 10)

struct known_answer {
    struct pat_arena arena; /* of key and value */
    struct pat_text key;
    struct pat_value value; /* without lsn, epoch, ms */
    pat_row last;           /* ROWS: as in pat_job */
    uint64_t used;          /* the greater, the later */
};

struct known_answers {
    pat_lsn lsn;
    unsigned count;
    struct known_answer answer[PAT_ANSWERS_MAX];
    uint64_t uses, hits, misses;
};

/* Of one question: what it is, and the answer that is known or, when it is not, was found. */
struct pat_recall {
    struct pat_text key;
    bool known;              /* set by pat_engine_pin: answer and last are there */
    bool fresh;              /* set by whoever answers: he put them there */
    struct pat_value answer; /* without lsn, epoch, ms */
    pat_row last;
};

/* A window on the shelf. */
struct shelved_window {
    struct pat_kept_window *window;
    unsigned users;  /* questions, and the shelf */
    uint64_t number; /* the greater, the newer */
};

/* What a question has of the shelf between pat_engine_pin and pat_engine_unpin. */
struct pat_loan {
    struct shelved_window *shelved[PAT_KEPT_WINDOWS];
    /* whoever answers */
    const struct pat_kept_window *window[PAT_KEPT_WINDOWS];
    struct pat_kept_window *given_up; /* to be closed, or its memory taken for `made`; NULL: nothing */
    struct pat_kept_window *made;
};

struct snapshot_waiter {
    void (*done_cb)(void *context, const struct pat_value *result, const struct pat_error *error);
    void *context;
    struct snapshot_waiter *next;
};

/* All is held against the disk and the facts from time to time, a step at a time (scrub.c). */
enum pat_scrub_stage { PAT_SCRUB_REST, PAT_SCRUB_FILES, PAT_SCRUB_COUNTS, PAT_SCRUB_CUSTOMERS };

struct pat_scrub {
    /* loop thread */
    uint64_t every_ms;
    uint64_t since_ns; /* the last one ended, or the engine was opened or told to */
    uint64_t next_ns;  /* no step before */
    enum pat_scrub_stage stage;
    uint64_t started_ns;
    pat_row customer; /* first one of the next piece */
    unsigned told;    /* damaged files that the log has */
    /* of the last one that ended */
    int64_t finished_ms; /* wall clock; 0: none yet */
    uint64_t ms;
    pat_lsn lsn;
    uint64_t files, bytes, rows;
    uint64_t findings; /* damaged files, and things that facts do not give */
    /* whoever does the step, and the loop in between; NULL at rest */
    struct pat_verify *verify;
    struct pat_recount *recount;
};

enum pat_chore_kind { PAT_CHORE_RUN, PAT_CHORE_FREE_RUN, PAT_CHORE_SETTLE, PAT_CHORE_PACK, PAT_CHORE_SCRUB };

struct pat_chore {
    bool busy; /* there is one */
    enum pat_chore_kind kind;
    struct pat_view *view;   /* RUN: it is made from that; SCRUB: it is recounted; may be NULL */
    struct pat_pack pack;    /* PACK */
    struct pat_scrub *scrub; /* SCRUB */
    bool more;               /* SCRUB: of the stage, after this step */
    struct pat_store *store; /* SETTLE: the store */
    struct pat_run_plan plan;
    uint64_t started_ns;
    bool stop; /* atomic */
    /* whoever does it */
    void (*pause_cb)(void *context);
    void *pause_context;
    uint64_t paused_ns;       /* spent in pause_cb */
    struct pat_fact_run *run; /* RUN: what was made; FREE_RUN: what is to be given back */
    enum pat_status status;
    struct pat_error error; /* SETTLE, SCRUB */
};

/* A snapshot that is being read by a client. */
struct pat_backup {
    struct pat_engine *engine;
    uint64_t number;
    struct pat_export *exported; /* NULL until its snapshot is there */
    unsigned readers;            /* pieces being read */
    bool ended;                  /* goes with its last reader */
    uint64_t used_ns;            /* when a piece was asked for last */
    struct pat_backup *next;
    /* who waits for the snapshot */
    void (*done_cb)(void *context, const struct pat_value *result, const struct pat_error *error);
    void *context;
};

/* Groups that the journal took, for `status`: how many batches go with each, and how long that takes. */
struct pat_groups {
    uint64_t count, batches;
    uint64_t ns;         /* from handing over to the answer, added up */
    unsigned under_way;  /* batches */
    uint64_t started_ns; /* when those were handed over */
};

/* How versions come and go while batches come (versions.c). */
struct pat_versions {
    /* Open for the next questions; one of its readers. May be NULL */
    struct pat_pinned *resting;
    struct pat_pinned *before; /* ranked, and read by look-ups until the one that rests is; as that */
    bool wanted;               /* a new one, as soon as no orders wait */
    uint64_t spent_ns;         /* on folding for it */
    uint64_t opened_ns;        /* the newest */
    uint64_t next_ns;          /* the one that rests is shared until then */
    uint64_t asked_until_ns;   /* somebody asks while batches come; some time after the last question */
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
    void (*wake_cb)(void *context); /* may be NULL */
    void *wake_context;
    bool read_only;
    uint64_t snapshot_every_ms;
    uint64_t opened_ns;
    uint64_t process; /* random: tells this server's cursors from others' */
    struct pat_recovery recovery;
    bool degraded; /* salvage: something is lost, and nothing is written */

    struct pat_early *early; /* atomic: pushed by whoever answers, taken by the loop thread */

    /* loop thread */
    const struct pat_spread *spread;            /* lent, may be NULL */
    struct pat_ticket *queue_head, *queue_tail; /* not yet handed to the journal */
    unsigned queued;                            /* those, and the group under way */
    struct pat_ticket *group_head;              /* handed to the journal, in lsn order; not yet applied */
    bool group_durable;                         /* the journal has them */
    /* With the journal while those before it are applied, see submit.c; NULL: none. */
    struct pat_ticket *behind_head;
    bool behind_durable;
    size_t behind_bytes; /* of memory, promised for applying them */
    struct pat_groups groups;
    struct pat_applied *applied;  /* within a turn: to be answered before anybody else; see submit.c */
    struct pat_arena reply_arena; /* of the answer to a batch while `replying` */
    bool replying;
    bool turning;        /* replies may submit again: such batches wait for the turn's end */
    bool journal_failed; /* no batch is taken until a snapshot has made a new journal */
    struct pat_error journal_error;
    struct pat_pinned *pinned; /* newest first */
    uint64_t pinned_next;      /* number of the next one */
    struct pat_versions versions;
    struct pat_findings *findings; /* of the newest lsn that was asked about */
    struct known_answers answers;
    struct shelved_window *shelf[PAT_KEPT_WINDOWS]; /* some may be NULL */
    uint64_t shelved;                               /* ever */
    struct pat_kept_window *given_up;               /* taken off the shelf, to be closed by a worker */
    struct held_version held[PAT_CURSOR_VERSIONS_MAX];
    unsigned held_count;
    struct pat_view *snapshot_view; /* being written */
    bool snapshot_wanted;
    bool snapshot_waits;             /* until no orders wait; no group goes to the journal before it */
    struct snapshot_waiter *waiters; /* for the snapshot being written, or the next */
    uint64_t snapshot_ns;            /* when the last one began */
    pat_lsn snapshot_lsn;            /* of the last one that is safe */
    int64_t snapshot_wall_ms;        /* when it was saved by this process, 0 = before */
    struct pat_backup *backups;
    uint64_t backups_begun;
    struct pat_chore chore;
    uint64_t chore_next_ns; /* none before */
    bool asked;             /* somebody asked since the last run was begun */
    pat_lsn chore_lsn;      /* when a chore was last asked for, */
    uint64_t chore_lsn_ns;  /* and when it was first seen */
    struct pat_pack_cursor pack_cursor;
    uint64_t pack_next_ns; /* no look for chunks to pack before */
    uint64_t pack_rows;    /* that were there when chunks were packed last */
    struct pat_scrub scrub;
    unsigned damaged;        /* files that were found so and are still needed */
    uint64_t mend_next_ns;   /* no snapshot for them before, */
    uint64_t mend_wait_ms;   /* and then so long */
    bool stopping;           /* see pat_engine_stopping */
    struct pat_error damage; /* status not PAT_OK: what was restored does not hold, and nothing is answered any more */
};

/* engine.c */
/* The owner calls pat_engine_turn soon. Thread: any. */
void pat_engine__wake(const struct pat_engine *engine);
/* versions.c */
/* The version for a question that goes on from no other. PAT_ERR_MORE: after a later turn. */
enum pat_status pat_engine__version(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                    struct pat_pinned **out, struct pat_error *error) PAT_MUST_CHECK;
/* For a look-up, while the newest is being ranked: the one that was before. NULL: none that it may read. */
struct pat_pinned *pat_engine__version_before(const struct pat_engine *engine, const struct pat_inquiry *inquiry);
void pat_engine__unpin(struct pat_engine *engine, struct pat_pinned *pinned);
void pat_engine__drop_findings(struct pat_findings **findings);
/* Opens a view when nothing waits any more. */
enum pat_status pat_engine__view_open(struct pat_engine *engine, struct pat_view **out) PAT_MUST_CHECK;
/* Look-ups come one after the other, and opening a version takes as long as looking up: the newest one stays open for
 * the next. */
void pat_engine__rest(struct pat_engine *engine, struct pat_pinned *pinned);
void pat_engine__end_rest(struct pat_engine *engine);
/* Before it does: a version that only rests costs copies, and ends unless somebody asks all the time. */
void pat_engine__store_changes(struct pat_engine *engine);
/* One has ranked everybody of it for a look-up: that is part of what the version takes. */
void pat_engine__ranked(struct pat_engine *engine, struct pat_pinned *pinned);
/* Somebody asks while batches come. */
bool pat_engine__is_asked(const struct pat_engine *engine);
/* Who shares the work on batches: nobody while somebody asks, for then the workers are his, and the loop would wait for
 * a part of one that the system lets wait. */
const struct pat_spread *pat_engine__crew(const struct pat_engine *engine);
/* Few orders wait, so that a view is opened at once; if not, they are folded in the next turns, and behind the last
 * step the loop is left to whoever wanted that. */
bool pat_engine__is_settled(struct pat_engine *engine);
/* A step of folding what waits; true while more is left. */
bool pat_engine__fold_some(struct pat_engine *engine);
/* The version that was wanted, of a store in which nothing waits. */
void pat_engine__publish(struct pat_engine *engine);
/* recall.c */
/* Sets inquiry->recall when the answer is known or worth knowing. */
void pat_engine__recall(struct pat_engine *engine, struct pat_inquiry *inquiry);
/* Keeps the answer that was found. */
void pat_engine__remember(struct pat_engine *engine, const struct pat_inquiry *inquiry);
void pat_engine__forget_answers(struct pat_engine *engine);
struct pat_value pat_engine__answers_status(const struct pat_engine *engine, struct pat_builder *builder);
/* shelf.c */
void pat_engine__lend_windows(struct pat_engine *engine, struct pat_inquiry *inquiry);
/* And keeps what was made. */
void pat_engine__return_windows(struct pat_engine *engine, struct pat_inquiry *inquiry);
void pat_engine__forget_windows(struct pat_engine *engine);
/* cursor.c */
/* The version that a cursor stays on; PAT_ERR_EXPIRED, PAT_ERR_BAD_REQUEST when it goes with another question. */
enum pat_status pat_engine__resume(struct pat_engine *engine, const struct pat_request *request,
                                   struct pat_arena *arena, struct pat_pinned **out,
                                   struct pat_error *error) PAT_MUST_CHECK;
/* Keeps a version for the cursors that were given, in place of the one least likely to be asked for. */
void pat_engine__hold(struct pat_engine *engine, struct pat_pinned *pinned);
/* Gives up versions whose cursors have expired; with `all` every one. */
void pat_engine__release_held(struct pat_engine *engine, bool all);
/* Puts the cursor behind row `last` into an answer to `request`. Thread: any. */
enum pat_status pat_engine__put_cursor(const struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                       const struct pat_request *request, pat_row last, struct pat_builder *builder,
                                       struct pat_value *result, struct pat_error *error) PAT_MUST_CHECK;
/* degraded.c */
/* What is lost, as answers say it. */
void pat_engine__put_degraded(const struct pat_engine *engine, struct pat_builder *builder, struct pat_value *answer);
/* checkpoint.c */
/* No batch is taken from here on until a snapshot has made a new journal. */
void pat_engine__journal_failed(struct pat_engine *engine, const char *why);
/* backup.c */
/* The backup that a piece is asked of, with one reader more. PAT_ERR_EXPIRED when there is none of that number. */
enum pat_status pat_engine__backup_find(struct pat_engine *engine, const struct pat_backup_ask *ask,
                                        struct pat_backup **out, struct pat_error *error) PAT_MUST_CHECK;
void pat_engine__backup_leave(struct pat_backup *backup);
/* Thread: any. {offset, data, end}. */
enum pat_status pat_engine__backup_read(const struct pat_backup *backup, const struct pat_backup_ask *ask,
                                        struct pat_builder *builder, struct pat_value *result,
                                        struct pat_error *error) PAT_MUST_CHECK;
enum pat_status pat_engine__backup_end(struct pat_engine *engine, const struct pat_backup_ask *ask,
                                       struct pat_builder *builder, struct pat_value *result,
                                       struct pat_error *error) PAT_MUST_CHECK;
/* Ends those of which nothing is read any more; with `all` every one. */
void pat_engine__backups_sweep(struct pat_engine *engine, bool all);
/* submit.c */
void pat_engine__group_finish(struct pat_engine *engine, const struct pat_event *event);
/* Applies and answers some of the group that the journal has; false when there is none. */
bool pat_engine__apply_some(struct pat_engine *engine);
/* What would be applied next does not fit beside what waits to be folded. */
bool pat_engine__must_fold(const struct pat_engine *engine);
void pat_engine__group_start(struct pat_engine *engine);
/* submit_fit.c: clv.fit and clv.use on the write road */
/* The entry of the ticket, its change in the ticket's arena. Fails: PAT_ERR_NO_FIT, PAT_ERR_NOT_FOUND,
 * PAT_ERR_TOO_LARGE, PAT_ERR_NO_MEMORY. */
enum pat_status pat_engine__fit_entry(const struct pat_engine *engine, struct pat_ticket *ticket, struct pat_entry *out,
                                      struct pat_error *error) PAT_MUST_CHECK;
/* Applies what pat_engine__fit_entry admitted, and gives the answer. */
struct pat_value pat_engine__fit_apply(struct pat_engine *engine, struct pat_ticket *ticket,
                                       struct pat_builder *builder);
/* checkpoint.c */
void pat_engine__snapshot_finish(struct pat_engine *engine, const struct pat_event *event);
void pat_engine__snapshot_start_if_due(struct pat_engine *engine);
/* One is to start as soon as no group is under way. */
bool pat_engine__snapshot_comes(const struct pat_engine *engine);
/* Files that were found damaged are replaced: what is in memory is whole. */
void pat_engine__watch_damage(struct pat_engine *engine);
/* verify.c */
enum pat_status pat_engine__early_prepare(struct pat_inquiry *inquiry, struct pat_error *error) PAT_MUST_CHECK;
/* Has the question's version closed as soon as the loop thread comes to it. Thread: any. */
void pat_engine__early_give(struct pat_engine *engine, const struct pat_inquiry *inquiry);
/* Closes those. Thread: loop. */
void pat_engine__early_release(struct pat_engine *engine);
/* Writes damaged files from number `from` on into the log; gives how many it has then. Thread: any. */
unsigned pat_engine__tell_damage(const struct pat_verified *found, unsigned from);
/* Puts what the files say beside what the columns say. Thread: any. */
enum pat_status pat_engine__verify_files(struct pat_engine *engine, enum pat_status (*stop_cb)(void *context),
                                         void *context, struct pat_builder *builder, struct pat_value *result,
                                         struct pat_error *error) PAT_MUST_CHECK;
/* scrub.c */
struct pat_chore *pat_engine__scrub_chore(struct pat_engine *engine, uint64_t now_ns);
void pat_engine__scrub_run(struct pat_chore *chore);
void pat_engine__scrub_done(struct pat_chore *chore);
void pat_engine__scrub_close(struct pat_engine *engine);
struct pat_value pat_engine__status_scrub(const struct pat_engine *engine, struct pat_builder *builder);
/* pack.c */
struct pat_chore *pat_engine__pack_chore(struct pat_engine *engine, uint64_t now_ns);
void pat_engine__pack_run(struct pat_chore *chore);
void pat_engine__pack_done(struct pat_engine *engine, struct pat_chore *chore);
/* settle.c: the rest of a restore, behind the first answers */
struct pat_chore *pat_engine__settle_chore(struct pat_engine *engine);
void pat_engine__settle_run(struct pat_chore *chore);
void pat_engine__settle_done(struct pat_engine *engine, struct pat_chore *chore);
/* When there is nobody to do it in the background. */
void pat_engine__settle_now(struct pat_engine *engine);
struct pat_value pat_engine__status_indexes(const struct pat_engine *engine, struct pat_builder *builder);
/* runs.c */
/* Lets others go first, and says whether the chore is to end. */
bool pat_engine__chore_stopped(struct pat_chore *chore);
struct pat_value pat_engine__status_runs(const struct pat_engine *engine, struct pat_builder *builder);
/* reply.c */
struct pat_value pat_engine__load_answer(const struct pat_engine *engine, enum pat_table_id table,
                                         const struct pat_batch_outcome *outcome, const struct pat_batch *errors_of,
                                         struct pat_builder *builder);
/* reply_fx.c: puts `warnings` of days without a rate around those of a batch of rates that was applied just now. */
void pat_engine__warn_of_gaps(const struct pat_engine *engine, const struct pat_batch *batch,
                              struct pat_builder *builder, struct pat_value *answer);

#endif
