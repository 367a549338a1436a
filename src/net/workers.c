#include "net/workers_private.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

struct job_queue {
    struct pat_job *head, *tail;
};

struct pat_workers {
    /* set at start */
    void (*done_cb)(void *context);
    void *context;
    unsigned count;
    unsigned lengthy_max; /* workers that may run long jobs at once */
    pthread_t *thread;

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    struct job_queue brief, lengthy, done;
    unsigned lengthy_running;
    bool lengthy_next; /* whose turn it is when both wait */
    bool stop;
};

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

/* The job that a free worker is to take now, or NULL. Under the mutex. */
static struct pat_job *job_take(struct pat_workers *workers) {
    bool may_lengthy = workers->lengthy.head != NULL && workers->lengthy_running < workers->lengthy_max;
    struct job_queue *queue = &workers->brief;
    if (may_lengthy && (workers->brief.head == NULL || workers->lengthy_next)) queue = &workers->lengthy;
    struct pat_job *job = queue->head;
    if (job == NULL) return NULL;
    queue_remove(queue, job);
    job->queued = false;
    workers->lengthy_next = !job->lengthy;
    if (job->lengthy) workers->lengthy_running++;
    return job;
}

static void *worker_run(void *context) {
    struct pat_workers *workers = context;
    (void)pthread_mutex_lock(&workers->mutex);
    for (;;) {
        struct pat_job *job = job_take(workers);
        if (job == NULL) {
            if (workers->stop) break;
            (void)pthread_cond_wait(&workers->changed, &workers->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&workers->mutex);
        job->run_cb(job);
        (void)pthread_mutex_lock(&workers->mutex);
        if (job->lengthy) {
            workers->lengthy_running--;
            if (workers->lengthy.head != NULL) (void)pthread_cond_signal(&workers->changed);
        }
        queue_push(&workers->done, job);
        workers->done_cb(workers->context);
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
        .done_cb = done_cb, .context = context, .count = count, .lengthy_max = count > 1 ? count - 1 : 1};
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
    PAT_ASSERT(workers->brief.head == NULL && workers->lengthy.head == NULL);
    workers_free(workers);
    *handle = NULL;
}

unsigned pat_workers_count(const struct pat_workers *workers) {
    return workers->count;
}

void pat_workers_submit(struct pat_workers *workers, struct pat_job *job) {
    (void)pthread_mutex_lock(&workers->mutex);
    PAT_ASSERT(!job->queued);
    job->queued = true;
    queue_push(job->lengthy ? &workers->lengthy : &workers->brief, job);
    (void)pthread_cond_signal(&workers->changed);
    (void)pthread_mutex_unlock(&workers->mutex);
}

bool pat_workers_withdraw(struct pat_workers *workers, struct pat_job *job) {
    (void)pthread_mutex_lock(&workers->mutex);
    bool queued = job->queued;
    if (queued) queue_remove(job->lengthy ? &workers->lengthy : &workers->brief, job);
    job->queued = false;
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
