/* The engine: one writer, its store, its data directory, and the views that questions are answered from.
 *
 *   load:   pat_engine_prepare (any thread) ─► pat_engine_submit ─► queue ─► validate ─► reserve ─► journal ─► apply ─►
 * reply_cb read:   pat_engine_view (pins) ─► pat_engine_answer (worker) ─► pat_engine_unview
 *
 * Starts no thread and knows no socket: questions are answered on their owner's threads, persist's threads wake its
 * owner through wake_cb, and the owner calls pat_engine_turn. Everything but pat_engine_prepare and pat_engine_answer
 * is for the thread that opened the engine
 * ("the loop"). */
#ifndef PAT_ENGINE_ENGINE_H
#define PAT_ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/status.h"
#include "model/request.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_engine;
struct pat_view;
struct pat_kernels;
struct pat_spread;
struct pat_clv_fit;
struct pat_fit_change;
struct pat_backup;

struct pat_engine_options {
    const char *data_dir;
    const char *zone;          /* NULL: the directory's own, UTC for a new one */
    const char *base_currency; /* NULL: the directory's own, USD for a new one */
    const char *sync;          /* "always", "interval", "never" */
    const char *cpu;           /* "auto", "scalar", "avx2", "avx512" */
    uint64_t snapshot_every_ms;
    uint64_t verify_every_ms; /* all is held against the disk and the facts so often; 0 = never */
    bool salvage; /* serve what is left of a damaged directory: no batches are taken, and each answer says what is lost
                   */
    const char *version;
    bool read_only;       /* a directory that is there and not served, to be asked: nothing is written */
    uint64_t settle_rows; /* rows of a snapshot up to which all is done before the first answer; 0: a million */
    void (*wake_cb)(void *context); /* any thread: call pat_engine_turn soon */
    void *wake_context;
};

/* Opens the directory, recovers and checks what it holds. Fails naming file and offset, or both values when zone or
 * currency differ from the directory's own. */
enum pat_status pat_engine_open(struct pat_engine **out, const struct pat_engine_options *options,
                                struct pat_error *error) PAT_MUST_CHECK;
/* Everything submitted must have been answered (pat_engine_idle), every view closed, every chore done. With `snapshot`
 * the state is saved first. */
enum pat_status pat_engine_close(struct pat_engine **engine, bool snapshot, struct pat_error *error);

/* Threads that applying may share its parts with (NULL: none any more); not the engine's, so the lender takes them back
 * before they end. */
void pat_engine_lend(struct pat_engine *engine, const struct pat_spread *spread);
/* Moves on what waits: journal groups that became durable are applied and answered, the next group goes to the journal,
 * a snapshot that is due starts, finished ones are noted. Call after wake_cb, and at least once a second. */
void pat_engine_turn(struct pat_engine *engine);
/* 0 = never. */
void pat_engine_set_snapshot_every(struct pat_engine *engine, uint64_t ms);
void pat_engine_set_verify_every(struct pat_engine *engine, uint64_t ms);
/* From here on `status` says so, and no scrub or mending begins. What is submitted is taken as ever. */
void pat_engine_stopping(struct pat_engine *engine);
/* Nothing waits for the disk. */
bool pat_engine_idle(const struct pat_engine *engine);
/* Something that a clean stop would lose since the last snapshot. */
bool pat_engine_dirty(const struct pat_engine *engine);

/* ---- writing
 * ----------------------------------------------------------------------------------------------------------- */

/* One write on its way; its memory belongs to the caller and lives until reply_cb. */
struct pat_ticket {
    const struct pat_request *request; /* load.*, schema.add, rfm.map.save, clv.fit or clv.use */
    struct pat_batch *batch;           /* from pat_engine_prepare; NULL for the others */
    const struct pat_clv_fit *fit;     /* CLV_FIT: what the worker made, else NULL */
    struct pat_value *answer;          /* CLV_FIT: what the worker answered, to be completed */
    struct pat_arena *arena;           /* the request's */
    /* Loop thread, exactly once, possibly before pat_engine_submit returns. `error` is NULL on success; `result` is
     * gone when this returns. */
    void (*reply_cb)(struct pat_ticket *ticket, const struct pat_value *result, const struct pat_error *error);
    void *context;
    /* the engine's own: */
    const struct pat_fit_change *change; /* CLV_FIT, CLV_USE: what its entry says */
    struct pat_ticket *next;
    pat_lsn lsn;
};

/* Types the columns of a load. Thread: any. */
enum pat_status pat_engine_prepare(struct pat_engine *engine, const struct pat_load *load, struct pat_arena *arena,
                                   struct pat_batch **out, struct pat_error *error) PAT_MUST_CHECK;
void pat_engine_submit(struct pat_engine *engine, struct pat_ticket *ticket);
/* Batches waiting or under way: the network stops reading from loaders when there are many. */
unsigned pat_engine_queued(const struct pat_engine *engine);
/* Of the last batch that was applied. */
pat_lsn pat_engine_lsn(const struct pat_engine *engine);

/* ---- reading
 * ----------------------------------------------------------------------------------------------------------- */

/* A pinned version shared by the questions that came at about the same time. */
struct pat_pinned;

/* A question being answered. */
struct pat_inquiry {
    const struct pat_request *request;
    struct pat_arena *arena;
    struct pat_clv_fit *fit;   /* CLV_FIT: room for what is to be submitted then */
    struct pat_pinned *pinned; /* set by pat_engine_pin */
    pat_row row;               /* set by pat_engine_pin: customer, order */
    struct pat_look_up *look;  /* set by the asker, the rows by pat_engine_pin: for pat_engine_look_up */
    unsigned looks;
    const pat_row *call_row;         /* set by pat_engine_pin: the same for each call of a batch */
    struct pat_paging *paging;       /* set by pat_engine_pin: rows, and batches that may hold some */
    struct pat_recall *recall;       /* set by pat_engine_pin: NULL where answers are not given again */
    struct pat_loan *loan;           /* set by pat_engine_pin: what is kept for all questions; may be NULL */
    struct pat_backup *backup;       /* set by pat_engine_pin: backup.read */
    struct pat_early *early;         /* set by pat_engine_pin: verify, which does not need its version to the end */
    pat_day today;                   /* set by pat_engine_pin */
    pat_lsn lsn;                     /* set by pat_engine_pin */
    uint64_t started_ns;             /* set by pat_engine_pin */
    pat_lsn seen_lsn;                /* set by the asker: the greatest that he has been told of; he sees no less */
    bool loading;                    /* set by the asker, and by pat_engine_pin: batches are on their way */
    bool patient;                    /* set by the asker: it asks again when a version has to be made first */
    bool at_once;                    /* set by the asker: answer only what takes no look at everybody */
    bool ranks;                      /* set by the asker: it was not answered at once */
    const bool *cancelled;           /* set (relaxed) by anyone to stop; may be NULL */
    const struct pat_spread *spread; /* threads that pat_engine_answer may have join in; NULL: none */
};

/* Pins the newest version for the question, while batches come one that may be a second behind it, or the one that its
 * cursor stays on, and resolves ids. PAT_ERR_MORE: min_lsn or that version is not there yet; try again after a later
 * pat_engine_turn. PAT_ERR_BUSY, PAT_ERR_NO_MEMORY,
 * PAT_ERR_EXPIRED. */
enum pat_status pat_engine_pin(struct pat_engine *engine, struct pat_inquiry *inquiry,
                               struct pat_error *error) PAT_MUST_CHECK;
/* For one that was not to be answered at once: pins the version before the newest, if batches come, it may read that,
 * and somebody ranks everybody of the newest already. */
bool pat_engine_pin_ranked(struct pat_engine *engine, struct pat_inquiry *inquiry);
/* Thread: any, one at a time per inquiry. The whole answer, lsn, epoch, as_of and ms included, in the inquiry's arena.
 * PAT_ERR_MORE: not at once; ask again without. */
enum pat_status pat_engine_answer(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                  struct pat_value *result, struct pat_error *error) PAT_MUST_CHECK;
/* One answer of several: without a result, what is wrong. It is gone with the next. */
typedef void pat_engine_looked_up_cb(void *context, unsigned which, const struct pat_value *result,
                                     const struct pat_error *error);
/* Instead of pat_engine_answer for `customer` of several customers, inquiry->look: the request (its id apart) is one
 * that pat_engine_looks_up. Each gets its own answer, in their order; or nobody does, with an error or PAT_ERR_MORE.
 * Thread: any, one at a time per inquiry. */
enum pat_status pat_engine_look_up(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                   pat_engine_looked_up_cb *looked_up_cb, void *context,
                                   struct pat_error *error) PAT_MUST_CHECK;
/* A question for one customer that several may ask at once: it does not wait, has no deadline, and needs no look at
 * everybody but for the thresholds of scores. */
bool pat_engine_looks_up(const struct pat_request *request);
/* Before the answer is sent: a version that a cursor was given for stays pinned. */
void pat_engine_unpin(struct pat_engine *engine, struct pat_inquiry *inquiry);

/* Customers that are going to be looked up, at most so many: what that reads is asked for, for all of them at once. */
#define PAT_LOOK_AHEAD_MAX 16u
void pat_engine_look_ahead(struct pat_engine *engine, const struct pat_request *const *request, unsigned count);

/* Methods of the loop road: status, schema, load.state, snapshot.list, filter.parse. */
enum pat_status pat_engine_look(struct pat_engine *engine, const struct pat_request *request, struct pat_arena *arena,
                                struct pat_value *result, struct pat_error *error) PAT_MUST_CHECK;

/* ---- work that nobody waits for ---------------------------------------------------------------------------------- */

/* Making a run (store/run.h), without which questions are answered, too, only slower; giving back the memory of one. */
struct pat_chore;

/* What is due now and memory is there for, or NULL; one at a time. Ask after each pat_engine_turn and when one is done.
 */
struct pat_chore *pat_engine_chore(struct pat_engine *engine);
/* Thread: any, and less urgent than anything else. pause_cb (may be NULL) is called between blocks of work of up to
 * some milliseconds, for what is more urgent. */
void pat_chore_run(struct pat_chore *chore, void (*pause_cb)(void *context), void *context);
/* Thread: any. It ends at its next look. */
void pat_chore_stop(struct pat_chore *chore);
/* Once for each chore, after pat_chore_run or instead of it: what was made is published. */
void pat_engine_chore_done(struct pat_engine *engine, struct pat_chore *chore);

/* Starts a snapshot; done_cb (loop thread) when it is safe on disk or failed. PAT_ERR_BUSY while one is being written.
 */
enum pat_status pat_engine_snapshot(struct pat_engine *engine,
                                    void (*done_cb)(void *context, const struct pat_value *result,
                                                    const struct pat_error *error),
                                    void *context, struct pat_error *error) PAT_MUST_CHECK;

/* Saves a snapshot (unless the newest one holds all there is, or with `newest`) and opens a backup of it, to be read by
 * backup.read: done_cb with {backup, lsn, epoch, files: [{name, bytes}]}, maybe before this returns. PAT_ERR_BUSY while
 * a snapshot is being written or PAT_BACKUPS_MAX are open. */
enum pat_status pat_engine_backup_begin(struct pat_engine *engine, bool newest,
                                        void (*done_cb)(void *context, const struct pat_value *result,
                                                        const struct pat_error *error),
                                        void *context, struct pat_error *error) PAT_MUST_CHECK;

#endif
