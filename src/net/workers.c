#include "net/workers_private.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

/* A background job that has waited for so long is begun although there is something else: under a flood of questions
 * there always is. */
#define BACKGROUND_WAIT_NS UINT64_C(1000000000)
/* Of the time of the worker that has one, what it gets at the least: one part in so many. */
#define BACKGROUND_SHARE 4u

/* For so long a worker that has had a job or helped looks out for more before it sleeps, and who has shared out its
 * work for the last helper: passes of one question follow each other within microseconds, and to wake a thread takes
 * some ten to fifty, as long as half of a pass over a million customers. */
#define LOOK_OUT_NS UINT64_C(30000)
/* Between two looks at the clock. */
#define LOOKS 16u

struct job_queue {
    struct pat_job *head, *tail;
};

/* Work that its job shares out; lies on the stack of the worker that has the job. */
struct share {
    /* set at start */
    pat_part_cb *part_cb;
    void *part_context;
    uint32_t parts;

    uint32_t next_part; /* atomic: the first one that nobody has */

    unsigned helpers; /* atomic, written under the mutex: workers that have joined and not left */

    /* under the mutex */
    uint32_t lanes_free; /* bit l: lane l */
    pthread_cond_t left; /* the last of them did */
    struct share *next, *prev;
};

struct pat_workers {
    /* set at start */
    struct pat_spread spread;
    void (*done_cb)(void *context);
    void *context;
    unsigned count;
    pthread_t *thread;

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    struct job_queue brief, lengthy, reading, background, done;
    unsigned started;             /* threads that have begun */
    bool others_next;             /* whose turn it is when brief ones and others wait, */
    bool lengthy_next;            /* and among the others */
    uint64_t background_since_ns; /* when a background job was submitted last */
    uint64_t rest_ns,
        rest_brief_ns; /* until then the one that runs does not stand aside for long work, for brief jobs */
    bool stop;
    unsigned idle;      /* workers that wait for something to do, */
    unsigned idle_long; /* of them, those that take long jobs */
    unsigned awake;     /* of them, those that look out for it and need no signal */
    struct share *open; /* newest first; may have no part left */

    /* atomic, written under the mutex */
    bool due;        /* a job waits that any free worker would take, */
    bool due_long;   /* one that the others would */
    bool shared;     /* there is open shared work */
    uint32_t opened; /* so often shared work was opened */
};

/* The first of several workers takes no long job: with each of them now at one and now at another, a short one found
 * the free one asleep on the core of one that was busy, and waited there for a tick of the system's clock. */
static _Thread_local bool keeps_free;

static void queue_push(struct job_queue *queue, struct pat_job *job) {
    job->next = NULL;
    job->prev = queue->tail;
    if (queue->tail != NULL) {
        queue->tail->next = job;
    } else {
        queue->head = job;
    }
    queue->tail = job;
}

static struct job_queue *queue_of(struct pat_workers *workers, const struct pat_job *job) {
    if (job->background) return &workers->background;
    if (job->reading) return &workers->reading;
    return job->lengthy ? &workers->lengthy : &workers->brief;
}

static void queue_remove(struct job_queue *queue, struct pat_job *job) {
    if (job->prev != NULL) {
        job->prev->next = job->next;
    } else {
        queue->head = job->next;
    }
    if (job->next != NULL) {
        job->next->prev = job->prev;
    } else {
        queue->tail = job->prev;
    }
    job->next = job->prev = NULL;
}

/* The queue that a free worker is to take from now, or NULL. Under the mutex. */
static struct job_queue *queue_due(struct pat_workers *workers, bool takes_long) {
    const bool may_lengthy = workers->lengthy.head != NULL && takes_long;
    struct job_queue *other = workers->reading.head != NULL ? &workers->reading : NULL;
    if (may_lengthy && (other == NULL || workers->lengthy_next)) other = &workers->lengthy;
    if (other != NULL && (workers->brief.head == NULL || workers->others_next)) return other;
    return workers->brief.head != NULL ? &workers->brief : NULL;
}

/* After every change of the queues. Under the mutex. */
static void note_due(struct pat_workers *workers) {
    /* Relaxed is enough: who sees it late goes on for one part more. */
    __atomic_store_n(&workers->due, queue_due(workers, false) != NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&workers->due_long, workers->lengthy.head != NULL, __ATOMIC_RELAXED);
}

/* Whether a job waits that this worker would take. Relaxed is enough: who sees it late goes on for one part more. */
static bool job_waits(const struct pat_workers *workers) {
    return __atomic_load_n(&workers->due, __ATOMIC_RELAXED) ||
           (!keeps_free && __atomic_load_n(&workers->due_long, __ATOMIC_RELAXED));
}

/* The first job of `queue` (NULL: no job). Under the mutex. */
static struct pat_job *job_take(struct pat_workers *workers, struct job_queue *queue) {
    if (queue == NULL) return NULL;
    struct pat_job *job = queue->head;
    queue_remove(queue, job);
    job->queued = false;
    workers->others_next = queue == &workers->brief;
    if (!workers->others_next) workers->lengthy_next = !job->lengthy;
    note_due(workers);
    return job;
}

/* Waits without sleeping until `seen_cb` says so, but not for long. */
static void look_out(const void *context, bool (*seen_cb)(const void *context)) {
    const uint64_t end_ns = pat_clock_monotonic_ns() + LOOK_OUT_NS;
    do {
        for (unsigned i = 0; i < LOOKS; i++) {
            if (seen_cb(context)) return;
#ifdef __x86_64__
            __builtin_ia32_pause(); /* leaves the core's other thread more of it */
#endif
        }
    } while (pat_clock_monotonic_ns() < end_ns);
}

/* ---- shared work ------------------------------------------------------------------------------------------------ */

static bool share_has_parts(const struct share *share) {
    return __atomic_load_n(&share->next_part, __ATOMIC_RELAXED) < share->parts;
}

/* Relaxed is enough for taking parts: what they read and write is handed over by the mutex, on joining and leaving. */
static void share_work(const struct pat_workers *workers, struct share *share, unsigned lane, bool helps) {
    while (!helps || !job_waits(workers)) {
        const uint32_t part = __atomic_fetch_add(&share->next_part, 1, __ATOMIC_RELAXED);
        if (part >= share->parts) return;
        share->part_cb(share->part_context, part, lane);
    }
}

/* The oldest shared work that has a part and a lane left, or NULL. Under the mutex. */
static struct share *share_find(const struct pat_workers *workers) {
    struct share *found = NULL;
    for (struct share *share = workers->open; share != NULL; share = share->next) {
        if (share->lanes_free != 0 && share_has_parts(share)) found = share;
    }
    return found;
}

/* Enters and leaves with the mutex held. */
static void share_help(struct pat_workers *workers, struct share *share) {
    const unsigned lane = (unsigned)__builtin_ctz(share->lanes_free);
    share->lanes_free &= ~((uint32_t)1 << lane);
    __atomic_store_n(&share->helpers, share->helpers + 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&workers->mutex);
    share_work(workers, share, lane, true);
    (void)pthread_mutex_lock(&workers->mutex);
    share->lanes_free |= (uint32_t)1 << lane;
    __atomic_store_n(&share->helpers, share->helpers - 1, __ATOMIC_RELAXED);
    if (share->helpers == 0) (void)pthread_cond_signal(&share->left);
}

static void share_open(struct pat_workers *workers, struct share *share) {
    (void)pthread_mutex_lock(&workers->mutex);
    share->next = workers->open;
    if (share->next != NULL) share->next->prev = share;
    workers->open = share;
    __atomic_store_n(&workers->shared, true, __ATOMIC_RELAXED);
    __atomic_store_n(&workers->opened, workers->opened + 1, __ATOMIC_RELAXED);
    uint32_t helpers = share->parts - 1 < workers->spread.lanes - 1 ? share->parts - 1 : workers->spread.lanes - 1;
    if (helpers > workers->idle) helpers = workers->idle;
    helpers = helpers > workers->awake ? helpers - workers->awake : 0;
    (void)pthread_mutex_unlock(&workers->mutex);
    /* Who is woken finds the mutex free. */
    for (uint32_t i = 0; i < helpers; i++) (void)pthread_cond_signal(&workers->changed);
}

static bool nobody_helps(const void *share) {
    /* Relaxed is enough: it is looked at under the mutex again. */
    return __atomic_load_n(&((const struct share *)share)->helpers, __ATOMIC_RELAXED) == 0;
}

static void share_close(struct pat_workers *workers, struct share *share) {
    (void)pthread_mutex_lock(&workers->mutex);
    if (share->prev != NULL) {
        share->prev->next = share->next;
    } else {
        workers->open = share->next;
    }
    if (share->next != NULL) share->next->prev = share->prev;
    __atomic_store_n(&workers->shared, workers->open != NULL, __ATOMIC_RELAXED);
    if (share->helpers > 0) {
        (void)pthread_mutex_unlock(&workers->mutex);
        look_out(share, nobody_helps);
        (void)pthread_mutex_lock(&workers->mutex);
    }
    while (share->helpers > 0) (void)pthread_cond_wait(&share->left, &workers->mutex);
    (void)pthread_mutex_unlock(&workers->mutex);
    (void)pthread_cond_destroy(&share->left);
}

static void spread_run(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    struct pat_workers *workers = context;
    struct share share = {.part_cb = part_cb, .part_context = part_context, .parts = parts};
    share.lanes_free =
        (uint32_t)(((uint64_t)1 << workers->spread.lanes) - 1) & ~(uint32_t)1; /* lane 0 is the asker's */
    (void)pthread_cond_init(&share.left, NULL);
    share_open(workers, &share);
    share_work(workers, &share, 0, false);
    share_close(workers, &share);
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

/* Enters and leaves with the mutex held. */
static void job_run(struct pat_workers *workers, struct pat_job *job) {
    (void)pthread_mutex_unlock(&workers->mutex);
    job->run_cb(job);
    (void)pthread_mutex_lock(&workers->mutex);
    queue_push(&workers->done, job);
    /* Who is woken finds the mutex free. */
    (void)pthread_mutex_unlock(&workers->mutex);
    workers->done_cb(workers->context);
    (void)pthread_mutex_lock(&workers->mutex);
}

/* The background job to begin when there is nothing else, or NULL. Under the mutex. */
static struct pat_job *background_take(struct pat_workers *workers) {
    struct pat_job *job = workers->background.head;
    if (job == NULL) return NULL;
    queue_remove(&workers->background, job);
    job->queued = false;
    return job;
}

/* Does what is due; false when nothing is. Enters and leaves with the mutex held. */
static bool urgent_run(struct pat_workers *workers) {
    struct pat_job *job = job_take(workers, queue_due(workers, !keeps_free));
    struct share *share = job == NULL ? share_find(workers) : NULL;
    if (job != NULL) job_run(workers, job);
    if (share != NULL) share_help(workers, share);
    return job != NULL || share != NULL;
}

/* Until when the background job is to be left alone after what was done from `start_ns` to now. */
static uint64_t background_rest(uint64_t start_ns) {
    const uint64_t now_ns = pat_clock_monotonic_ns();
    return now_ns + (now_ns - start_ns) / (BACKGROUND_SHARE - 1);
}

/* The brief job or the frame that is next, in turns; NULL: none waits. Under the mutex. */
static struct job_queue *short_queue(struct pat_workers *workers) {
    if (workers->reading.head != NULL && (workers->brief.head == NULL || workers->others_next)) {
        return &workers->reading;
    }
    return workers->brief.head != NULL ? &workers->brief : NULL;
}

/* The same inside a background job. After other work it is that job's turn for a while; but brief jobs and frames do
 * not wait for what a long one owes. */
static bool pause_run(struct pat_workers *workers) {
    const uint64_t start_ns = pat_clock_monotonic_ns();
    struct job_queue *queue = short_queue(workers);
    if (queue != NULL) {
        if (start_ns < workers->rest_brief_ns) return false;
        job_run(workers, job_take(workers, queue));
        workers->rest_brief_ns = background_rest(start_ns);
        return true;
    }
    if (start_ns < workers->rest_ns || !urgent_run(workers)) return false;
    workers->rest_ns = background_rest(start_ns);
    return true;
}

/* For what waits. Under the mutex. */
static bool nobody_is_free(const struct pat_workers *workers) {
    return workers->idle == 0 || (workers->idle_long == 0 && workers->lengthy.head != NULL && !keeps_free);
}

void pat_workers_pause(struct pat_workers *workers) {
    if (!job_waits(workers) && !__atomic_load_n(&workers->shared, __ATOMIC_RELAXED)) return;
    (void)pthread_mutex_lock(&workers->mutex);
    while (nobody_is_free(workers) && pause_run(workers)) continue;
    (void)pthread_mutex_unlock(&workers->mutex);
}

/* Under the mutex. */
static bool background_overdue(const struct pat_workers *workers) {
    return workers->background.head != NULL &&
           pat_clock_monotonic_ns() - workers->background_since_ns >= BACKGROUND_WAIT_NS;
}

struct lookout {
    const struct pat_workers *workers;
    uint32_t opened; /* when it began */
};

/* Relaxed is enough: what there is to do is found under the mutex. */
static bool something_due(const void *context) {
    const struct lookout *lookout = context;
    const struct pat_workers *workers = lookout->workers;
    return job_waits(workers) || __atomic_load_n(&workers->opened, __ATOMIC_RELAXED) != lookout->opened;
}

/* Until there may be something to do. Enters and leaves with the mutex held. */
static void idle(struct pat_workers *workers, bool worked) {
    workers->idle++;
    workers->idle_long += !keeps_free;
    if (worked) {
        const struct lookout lookout = {workers, workers->opened};
        workers->awake++;
        (void)pthread_mutex_unlock(&workers->mutex);
        look_out(&lookout, something_due);
        (void)pthread_mutex_lock(&workers->mutex);
        workers->awake--;
    } else {
        (void)pthread_cond_wait(&workers->changed, &workers->mutex);
    }
    workers->idle--;
    workers->idle_long -= !keeps_free;
}

static void *worker_run(void *context) {
    struct pat_workers *workers = context;
    bool worked = false; /* since it last looked out for more */
    (void)pthread_mutex_lock(&workers->mutex);
    keeps_free = workers->started++ == 0 && workers->count > 1;
    for (;;) {
        if (!background_overdue(workers) && urgent_run(workers)) {
            worked = true;
            continue;
        }
        struct pat_job *job = background_take(workers);
        if (job != NULL) {
            job_run(workers, job);
        } else if (workers->stop) {
            break;
        } else {
            idle(workers, worked);
            worked = false;
        }
    }
    (void)pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

static void threads_join(struct pat_workers *workers, unsigned started) {
    (void)pthread_mutex_lock(&workers->mutex);
    workers->stop = true;
    (void)pthread_cond_broadcast(&workers->changed);
    (void)pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < started; i++) (void)pthread_join(workers->thread[i], NULL);
}

static void workers_free(struct pat_workers *workers) {
    (void)pthread_cond_destroy(&workers->changed);
    (void)pthread_mutex_destroy(&workers->mutex);
    pat_mem_free(PAT_MEM_OTHER, workers->thread);
    pat_mem_free(PAT_MEM_OTHER, workers);
}

/* Signals belong to the loop's thread: a worker starts with all of them blocked. */
static int threads_start(struct pat_workers *workers, unsigned *started) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    for (*started = 0; *started < workers->count && failed == 0;) {
        failed = pthread_create(&workers->thread[*started], NULL, worker_run, workers);
        if (failed == 0) ++*started;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

enum pat_status pat_workers_open(struct pat_workers **out, unsigned count, void (*done_cb)(void *context),
                                 void *context, struct pat_error *error) {
    PAT_ASSERT(count > 0 && count <= PAT_WORKERS_MAX);
    struct pat_workers *workers = pat_mem_alloc(PAT_MEM_OTHER, sizeof *workers);
    if (workers == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for %u workers", count);
    *workers = (struct pat_workers){
        .spread = {.lanes = count < PAT_SPREAD_LANES_MAX ? count : PAT_SPREAD_LANES_MAX, .run_cb = spread_run},
        .done_cb = done_cb,
        .context = context,
        .count = count};
    workers->spread.context = workers;
    (void)pthread_mutex_init(&workers->mutex, NULL);
    (void)pthread_cond_init(&workers->changed, NULL);
    workers->thread = pat_mem_alloc(PAT_MEM_OTHER, count * sizeof *workers->thread);
    if (workers->thread == NULL) {
        workers_free(workers);
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for %u workers", count);
    }
    unsigned started;
    int failed = threads_start(workers, &started);
    if (failed != 0) {
        threads_join(workers, started);
        workers_free(workers);
        return pat_error_set(error, PAT_ERR_IO, "worker %u of %u cannot be started: %s", started + 1, count,
                             strerror(failed));
    }
    *out = workers;
    return PAT_OK;
}

void pat_workers_close(struct pat_workers **handle) {
    struct pat_workers *workers = *handle;
    if (workers == NULL) return;
    threads_join(workers, workers->count);
    PAT_ASSERT(workers->brief.head == NULL && workers->reading.head == NULL && workers->lengthy.head == NULL);
    PAT_ASSERT(workers->background.head == NULL);
    workers_free(workers);
    *handle = NULL;
}

unsigned pat_workers_count(const struct pat_workers *workers) {
    return workers->count;
}

const struct pat_spread *pat_workers_spread(const struct pat_workers *workers) {
    return &workers->spread;
}

void pat_workers_submit(struct pat_workers *workers, struct pat_job *job) {
    (void)pthread_mutex_lock(&workers->mutex);
    PAT_ASSERT(!job->queued);
    job->queued = true;
    queue_push(queue_of(workers, job), job);
    if (job->background) workers->background_since_ns = pat_clock_monotonic_ns();
    note_due(workers);
    if (job->lengthy) {
        (void)pthread_cond_broadcast(&workers->changed); /* one alone might be the one that takes none */
    } else {
        (void)pthread_cond_signal(&workers->changed);
    }
    (void)pthread_mutex_unlock(&workers->mutex);
}

bool pat_workers_withdraw(struct pat_workers *workers, struct pat_job *job) {
    (void)pthread_mutex_lock(&workers->mutex);
    bool queued = job->queued;
    if (queued) queue_remove(queue_of(workers, job), job);
    job->queued = false;
    note_due(workers);
    (void)pthread_mutex_unlock(&workers->mutex);
    return queued;
}

struct pat_job *pat_workers_take_done(struct pat_workers *workers) {
    (void)pthread_mutex_lock(&workers->mutex);
    struct pat_job *job = workers->done.head;
    if (job != NULL) queue_remove(&workers->done, job);
    (void)pthread_mutex_unlock(&workers->mutex);
    return job;
}
