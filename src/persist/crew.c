#include "persist/crew_private.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

struct member {
    struct pat_crew *crew;
    unsigned lane;
    pthread_t thread;
};

struct pat_crew {
    struct pat_spread spread;
    struct member member[PAT_SPREAD_LANES_MAX]; /* [0] is the caller's lane */

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    uint64_t round; /* number of the work that is shared now */
    unsigned busy;  /* members that are not done with it */
    bool stop;
    pat_part_cb *part_cb;
    void *part_context;
    uint32_t parts;

    uint32_t next_part; /* atomic: the first that nobody has */
};

/* Relaxed is enough for taking parts: what they read and write is handed over by the mutex. */
static void work(struct pat_crew *crew, unsigned lane) {
    for (;;) {
        const uint32_t part = __atomic_fetch_add(&crew->next_part, 1, __ATOMIC_RELAXED);
        if (part >= crew->parts) return;
        crew->part_cb(crew->part_context, part, lane);
    }
}

static void *member_run(void *context) {
    struct member *member = context;
    struct pat_crew *crew = member->crew;
    uint64_t round = 0;
    (void)pthread_mutex_lock(&crew->mutex);
    while (!crew->stop) {
        if (crew->round == round) {
            (void)pthread_cond_wait(&crew->changed, &crew->mutex);
            continue;
        }
        round = crew->round;
        (void)pthread_mutex_unlock(&crew->mutex);
        work(crew, member->lane);
        (void)pthread_mutex_lock(&crew->mutex);
        if (--crew->busy == 0) (void)pthread_cond_broadcast(&crew->changed);
    }
    (void)pthread_mutex_unlock(&crew->mutex);
    return NULL;
}

static void crew_run(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    struct pat_crew *crew = context;
    (void)pthread_mutex_lock(&crew->mutex);
    crew->part_cb = part_cb;
    crew->part_context = part_context;
    crew->parts = parts;
    crew->next_part = 0;
    crew->busy = crew->spread.lanes - 1;
    crew->round++;
    (void)pthread_cond_broadcast(&crew->changed);
    (void)pthread_mutex_unlock(&crew->mutex);
    work(crew, 0);
    (void)pthread_mutex_lock(&crew->mutex);
    while (crew->busy > 0) (void)pthread_cond_wait(&crew->changed, &crew->mutex);
    (void)pthread_mutex_unlock(&crew->mutex);
}

static unsigned processors(void) {
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    if (count < 1) return 1;
    return count < (long)PAT_SPREAD_LANES_MAX ? (unsigned)count : PAT_SPREAD_LANES_MAX;
}

/* Signals belong to the thread that opened the store: others start with all of them blocked. */
static void threads_start(struct pat_crew *crew, unsigned lanes) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned lane = 1; lane < lanes; lane++) {
        struct member *member = &crew->member[lane];
        *member = (struct member){.crew = crew, .lane = lane};
        if (pthread_create(&member->thread, NULL, member_run, member) != 0) break;
        crew->spread.lanes++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct pat_crew *pat_crew__open(void) {
    const unsigned lanes = processors();
    struct pat_crew *crew = lanes > 1 ? pat_mem_alloc(PAT_MEM_OTHER, sizeof *crew) : NULL;
    if (crew == NULL) return NULL;
    crew->spread = (struct pat_spread){.lanes = 1, .run_cb = crew_run, .context = crew};
    (void)pthread_mutex_init(&crew->mutex, NULL);
    (void)pthread_cond_init(&crew->changed, NULL);
    threads_start(crew, lanes);
    return crew;
}

void pat_crew__close(struct pat_crew *crew) {
    if (crew == NULL) return;
    (void)pthread_mutex_lock(&crew->mutex);
    crew->stop = true;
    (void)pthread_cond_broadcast(&crew->changed);
    (void)pthread_mutex_unlock(&crew->mutex);
    for (unsigned lane = 1; lane < crew->spread.lanes; lane++) (void)pthread_join(crew->member[lane].thread, NULL);
    (void)pthread_cond_destroy(&crew->changed);
    (void)pthread_mutex_destroy(&crew->mutex);
    pat_mem_free(PAT_MEM_OTHER, crew);
}

const struct pat_spread *pat_crew__spread(const struct pat_crew *crew) {
    return crew == NULL ? NULL : &crew->spread;
}
