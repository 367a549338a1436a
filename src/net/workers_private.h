/* Our own threads for work that must not hold up the loop.
 *
 *   loop: submit ─► short queue ─┐                        ┌─► done queue ─► loop: take_done
 *                   frames      ─┼─► a worker runs run_cb ─┘      (done_cb says there is something)
 *                   long queue  ─┘
 *
 * Not libuv's pool: that one is fixed, first in first out, and shared with name look-ups. With two workers or more, one
 * of them never takes a long job, so a short one does not wait for those. Every second job is a short one as long as
 * there are some: it waits for one large frame that is decoded, not for all that a loader sends ahead; frames and long
 * jobs take turns for the others.
 *
 * A background job is begun when nothing else is to be done, and stands aside for what comes meanwhile: its worker does
 * that between two blocks of the job's work, on the same stack. So it takes no worker away from anybody. Where there is
 * always something else it is begun after a second and gets a quarter of its worker's time; a brief job waits for a
 * block of it and a third of what brief ones before it took, never for what a long one owes.
 *
 * A job may share out parts of its work (base/spread.h): workers with nothing else to do join in, each with one part
 * after the other, and leave between two parts when a job waits that they may take. The worker that has the job stays
 * with it until all is done.
 *
 * Thread: all calls are the owner's, but run_cb (a worker) and done_cb (a worker). Allocates: at open. */
#ifndef PAT_NET_WORKERS_PRIVATE_H
#define PAT_NET_WORKERS_PRIVATE_H

#include "base/spread.h"
#include "base/status.h"

#include <stdbool.h>

/* More threads than this only take turns on the same memory. */
#define PAT_WORKERS_MAX 256u

struct pat_workers;

/* A member of whatever is to be worked on; its memory stays the owner's and lives until the job was taken back. */
struct pat_job {
    void (*run_cb)(struct pat_job *job); /* on a worker; whatever it touches is its own until it returns */
    bool lengthy;                        /* goes through the long queue */
    bool reading;                        /* goes through that of large frames */
    bool background; /* waits until there is nothing else to do; calls pat_workers_pause every few milliseconds */
    /* the workers' own: */
    struct pat_job *next, *prev;
    bool queued;
};

enum pat_status pat_workers_open(struct pat_workers **out, unsigned count, void (*done_cb)(void *context),
                                 void *context, struct pat_error *error) PAT_MUST_CHECK;
/* Waits for jobs that run; none may be queued. Finished ones that were not taken are forgotten. */
void pat_workers_close(struct pat_workers **workers);
unsigned pat_workers_count(const struct pat_workers *workers);
/* How jobs that run share out their work; lives as long as the workers. Its parts must not wait for anything. */
const struct pat_spread *pat_workers_spread(const struct pat_workers *workers);
void pat_workers_submit(struct pat_workers *workers, struct pat_job *job);
/* Thread: a worker, inside a background job. Does what is more urgent and has no idle worker, and comes back. */
void pat_workers_pause(struct pat_workers *workers);
/* True when the job had not begun: it is the owner's again and will not be handed out by take_done. */
bool pat_workers_withdraw(struct pat_workers *workers, struct pat_job *job);
/* The job that was finished first, or NULL. */
struct pat_job *pat_workers_take_done(struct pat_workers *workers);

#endif
