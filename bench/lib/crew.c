#include "lib/crew.h"

#include "base/clock.h"
#include "lib/options.h"

#include <pthread.h>
#include <stdlib.h>

struct member {
    struct bench_crew *crew;
    unsigned lane;
    pthread_t thread;
};

/* As the server's workers: so long a member looks out for the next pass, and who asks for the last part, before they
 * sleep. */
#define LOOK_OUT_NS UINT64_C(30000)

struct bench_crew {
    struct pat_spread spread;
    struct member member[PAT_SPREAD_LANES_MAX]; /* [0] is whoever asks */

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    bool stop;
    pat_part_cb *part_cb;
    void *part_context;
    uint32_t parts;

    uint32_t next_part; /* atomic */
    uint64_t round;     /* atomic, written under the mutex: number of the work that is shared now */
    unsigned busy;      /* the same: members that have not finished with it */
};

static void look_out_for_round(const struct bench_crew *crew, uint64_t done) {
    const uint64_t end_ns = pat_clock_monotonic_ns() + LOOK_OUT_NS;
    while (__atomic_load_n(&crew->round, __ATOMIC_RELAXED) == done && pat_clock_monotonic_ns() < end_ns) continue;
}

static void look_out_for_end(const struct bench_crew *crew) {
    const uint64_t end_ns = pat_clock_monotonic_ns() + LOOK_OUT_NS;
    while (__atomic_load_n(&crew->busy, __ATOMIC_RELAXED) > 0 && pat_clock_monotonic_ns() < end_ns) continue;
}

static void work(struct bench_crew *crew, unsigned lane) {
    for (;;) {
        const uint32_t part = __atomic_fetch_add(&crew->next_part, 1, __ATOMIC_RELAXED);
        if (part >= crew->parts) return;
        crew->part_cb(crew->part_context, part, lane);
    }
}

static void *member_run(void *context) {
    struct member *member = context;
    struct bench_crew *crew = member->crew;
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
        __atomic_store_n(&crew->busy, crew->busy - 1, __ATOMIC_RELAXED);
        if (crew->busy == 0) (void)pthread_cond_broadcast(&crew->changed);
        (void)pthread_mutex_unlock(&crew->mutex);
        look_out_for_round(crew, round);
        (void)pthread_mutex_lock(&crew->mutex);
    }
    (void)pthread_mutex_unlock(&crew->mutex);
    return NULL;
}

static void crew_run(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    struct bench_crew *crew = context;
    (void)pthread_mutex_lock(&crew->mutex);
    crew->part_cb = part_cb;
    crew->part_context = part_context;
    crew->parts = parts;
    crew->next_part = 0;
    __atomic_store_n(&crew->busy, crew->spread.lanes - 1, __ATOMIC_RELAXED);
    __atomic_store_n(&crew->round, crew->round + 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&crew->mutex);
    (void)pthread_cond_broadcast(&crew->changed);
    work(crew, 0);
    look_out_for_end(crew);
    (void)pthread_mutex_lock(&crew->mutex);
    while (crew->busy > 0) (void)pthread_cond_wait(&crew->changed, &crew->mutex);
    (void)pthread_mutex_unlock(&crew->mutex);
}

struct bench_crew *bench_crew_open(unsigned lanes) {
    struct bench_crew *crew = calloc(1, sizeof *crew);
    bench_must(crew != NULL, "no memory for threads");
    if (lanes > PAT_SPREAD_LANES_MAX) lanes = PAT_SPREAD_LANES_MAX;
    crew->spread = (struct pat_spread){.lanes = lanes, .run_cb = crew_run, .context = crew};
    (void)pthread_mutex_init(&crew->mutex, NULL);
    (void)pthread_cond_init(&crew->changed, NULL);
    for (unsigned lane = 1; lane < lanes; lane++) {
        crew->member[lane] = (struct member){.crew = crew, .lane = lane};
        bench_must(pthread_create(&crew->member[lane].thread, NULL, member_run, &crew->member[lane]) == 0,
                   "a thread cannot be started");
    }
    return crew;
}

void bench_crew_close(struct bench_crew *crew) {
    (void)pthread_mutex_lock(&crew->mutex);
    crew->stop = true;
    (void)pthread_cond_broadcast(&crew->changed);
    (void)pthread_mutex_unlock(&crew->mutex);
    for (unsigned lane = 1; lane < crew->spread.lanes; lane++) (void)pthread_join(crew->member[lane].thread, NULL);
    (void)pthread_cond_destroy(&crew->changed);
    (void)pthread_mutex_destroy(&crew->mutex);
    free(crew);
}

const struct pat_spread *bench_crew_spread(const struct bench_crew *crew) {
    return &crew->spread;
}
