/* The worker pool: every job once, short ones not behind long ones, withdrawn ones never; work that several share. */
#include "net/workers_private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/list_private.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WAIT_MS 20000

/* A gate that jobs stand at until the test opens it. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open;
    unsigned inside;
};

struct task {
    struct pat_job job;
    struct gate *gate; /* NULL = does not wait */
    unsigned runs;     /* plain on purpose: the hand-over is what makes it safe to read */
};

static atomic_uint done_calls;

static void count_done(void *context) {
    (void)context;
    atomic_fetch_add(&done_calls, 1);
}

static void gate_set(struct gate *gate, bool open) {
    (void)pthread_mutex_lock(&gate->mutex);
    gate->open = open;
    (void)pthread_cond_broadcast(&gate->changed);
    (void)pthread_mutex_unlock(&gate->mutex);
}

static unsigned gate_inside(struct gate *gate) {
    (void)pthread_mutex_lock(&gate->mutex);
    unsigned inside = gate->inside;
    (void)pthread_mutex_unlock(&gate->mutex);
    return inside;
}

static void task_run(struct pat_job *job) {
    struct task *task = PAT_LINK_OF(job, struct task, job);
    struct gate *gate = task->gate;
    task->runs++;
    if (gate == NULL) return;
    (void)pthread_mutex_lock(&gate->mutex);
    gate->inside++;
    while (!gate->open) (void)pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->inside--;
    (void)pthread_mutex_unlock(&gate->mutex);
}

static struct task *take(struct pat_workers *workers) {
    for (unsigned waited = 0; waited < WAIT_MS; waited++) {
        struct pat_job *job = pat_workers_take_done(workers);
        if (job != NULL) return PAT_LINK_OF(job, struct task, job);
        pat_clock_sleep_ms(1);
    }
    fail_msg("no job was finished within %d ms", WAIT_MS);
    return NULL;
}

static void wait_inside(struct gate *gate, unsigned count) {
    for (unsigned waited = 0; waited < WAIT_MS && gate_inside(gate) < count; waited++) pat_clock_sleep_ms(1);
    assert_int_equal(gate_inside(gate), count);
}

static struct pat_workers *open_workers(unsigned count) {
    struct pat_workers *workers = NULL;
    struct pat_error error;
    atomic_store(&done_calls, 0);
    assert_int_equal(pat_workers_open(&workers, count, count_done, NULL, &error), PAT_OK);
    assert_int_equal(pat_workers_count(workers), count);
    return workers;
}

static int end(void **state) {
    (void)state;
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static void every_job_runs_once(void **state) {
    (void)state;
    enum { JOBS = 2000 };
    static struct task tasks[JOBS];
    struct pat_workers *workers = open_workers(4);
    for (unsigned i = 0; i < JOBS; i++) {
        tasks[i] = (struct task){.job = {.run_cb = task_run, .lengthy = i % 3 == 0}};
        pat_workers_submit(workers, &tasks[i].job);
    }
    for (unsigned i = 0; i < JOBS; i++) assert_int_equal(take(workers)->runs, 1);
    assert_null(pat_workers_take_done(workers));
    assert_int_equal(atomic_load(&done_calls), JOBS);
    for (unsigned i = 0; i < JOBS; i++) assert_int_equal(tasks[i].runs, 1);
    pat_workers_close(&workers);
    assert_null(workers);
}

static void one_worker_stays_free_of_long_jobs(void **state) {
    (void)state;
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct task lengthy[4];
    struct task brief = {.job = {.run_cb = task_run}};
    struct pat_workers *workers = open_workers(3);
    for (unsigned i = 0; i < 4; i++) {
        lengthy[i] = (struct task){.job = {.run_cb = task_run, .lengthy = true}, .gate = &gate};
        pat_workers_submit(workers, &lengthy[i].job);
    }
    wait_inside(&gate, 2);
    for (unsigned i = 0; i < 10; i++) {
        pat_workers_submit(workers, &brief.job);
        assert_ptr_equal(take(workers), &brief);
    }
    assert_int_equal(gate_inside(&gate), 2);
    gate_set(&gate, true);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(take(workers)->runs, 1);
    pat_workers_close(&workers);
}

static void one_worker_alone_does_both(void **state) {
    (void)state;
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct task first = {.job = {.run_cb = task_run}, .gate = &gate};
    struct task lengthy[2] = {{.job = {.run_cb = task_run, .lengthy = true}},
                              {.job = {.run_cb = task_run, .lengthy = true}}};
    struct task brief[2] = {{.job = {.run_cb = task_run}}, {.job = {.run_cb = task_run}}};
    struct pat_workers *workers = open_workers(1);
    pat_workers_submit(workers, &first.job);
    wait_inside(&gate, 1);
    for (unsigned i = 0; i < 2; i++) pat_workers_submit(workers, &brief[i].job);
    for (unsigned i = 0; i < 2; i++) pat_workers_submit(workers, &lengthy[i].job);
    gate_set(&gate, true);
    /* In turn, so that neither kind can starve the other. */
    struct task *expected[] = {&first, &lengthy[0], &brief[0], &lengthy[1], &brief[1]};
    for (unsigned i = 0; i < 5; i++) assert_ptr_equal(take(workers), expected[i]);
    pat_workers_close(&workers);
}

static void a_withdrawn_job_never_runs(void **state) {
    (void)state;
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct task running = {.job = {.run_cb = task_run}, .gate = &gate};
    struct task waiting[3] = {
        {.job = {.run_cb = task_run}}, {.job = {.run_cb = task_run}}, {.job = {.run_cb = task_run, .lengthy = true}}};
    struct pat_workers *workers = open_workers(1);
    pat_workers_submit(workers, &running.job);
    wait_inside(&gate, 1);
    for (unsigned i = 0; i < 3; i++) pat_workers_submit(workers, &waiting[i].job);
    assert_true(pat_workers_withdraw(workers, &waiting[0].job));
    assert_true(pat_workers_withdraw(workers, &waiting[2].job));
    assert_false(pat_workers_withdraw(workers, &waiting[2].job));
    assert_false(pat_workers_withdraw(workers, &running.job));
    gate_set(&gate, true);
    assert_ptr_equal(take(workers), &running);
    assert_ptr_equal(take(workers), &waiting[1]);
    assert_int_equal(waiting[0].runs + waiting[2].runs, 0);
    assert_false(pat_workers_withdraw(workers, &waiting[1].job));
    pat_workers_close(&workers);
}

static void without_memory_no_thread_starts(void **state) {
    (void)state;
    struct pat_workers *workers = NULL;
    struct pat_error error;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        (void)pat_mem_fail_at(nth);
        assert_int_equal(pat_workers_open(&workers, 2, count_done, NULL, &error), PAT_ERR_NO_MEMORY);
        assert_null(workers);
    }
    (void)pat_mem_fail_at(0);
}

/* ---- shared work ------------------------------------------------------------------------------------------------ */

#define SHARED_PARTS 500
#define SHARED_LANES 4

struct shared {
    struct pat_job job;
    const struct pat_spread *spread;
    /* Plain on purpose: joining and leaving is what makes them safe to read. */
    unsigned runs[SHARED_PARTS];
    unsigned of_lane[SHARED_LANES];
    unsigned total;
};

static void shared_part(void *context, uint32_t part, unsigned lane) {
    struct shared *shared = context;
    shared->runs[part]++;
    shared->of_lane[lane]++;
}

static void shared_run(struct pat_job *job) {
    struct shared *shared = PAT_LINK_OF(job, struct shared, job);
    pat_spread_run(shared->spread, shared_part, shared, SHARED_PARTS);
    for (unsigned i = 0; i < SHARED_LANES; i++) shared->total += shared->of_lane[i];
}

static void every_part_runs_once_on_a_lane_of_its_own(void **state) {
    (void)state;
    enum { JOBS = 40 };
    static struct shared shared[JOBS];
    struct pat_workers *workers = open_workers(SHARED_LANES);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < JOBS; i++) {
            shared[i] = (struct shared){.job = {.run_cb = shared_run, .lengthy = i % 2 == 0},
                                        .spread = pat_workers_spread(workers)};
            pat_workers_submit(workers, &shared[i].job);
        }
        for (unsigned i = 0; i < JOBS; i++) (void)take(workers);
        for (unsigned i = 0; i < JOBS; i++) {
            assert_int_equal(shared[i].total, SHARED_PARTS);
            for (unsigned part = 0; part < SHARED_PARTS; part++) assert_int_equal(shared[i].runs[part], 1);
        }
    }
    pat_workers_close(&workers);
}

static void one_worker_alone_runs_its_parts_in_order(void **state) {
    (void)state;
    static struct shared shared;
    struct pat_workers *workers = open_workers(1);
    shared = (struct shared){.job = {.run_cb = shared_run}, .spread = pat_workers_spread(workers)};
    assert_int_equal(shared.spread->lanes, 1);
    pat_workers_submit(workers, &shared.job);
    (void)take(workers);
    assert_int_equal(shared.of_lane[0], SHARED_PARTS);
    pat_workers_close(&workers);
}

/* More parts than are ever run slowly: they are quick from `finish` on. */
#define ENDLESS_PARTS 1000000u

struct endless {
    struct pat_job job;
    const struct pat_spread *spread;
    atomic_uint joined; /* parts that were run by a helper */
    atomic_bool finish;
};

static void endless_part(void *context, uint32_t part, unsigned lane) {
    (void)part;
    struct endless *endless = context;
    if (atomic_load(&endless->finish)) return;
    if (lane != 0) atomic_fetch_add(&endless->joined, 1);
    pat_clock_sleep_ms(1);
}

static void endless_run(struct pat_job *job) {
    struct endless *endless = PAT_LINK_OF(job, struct endless, job);
    pat_spread_run(endless->spread, endless_part, endless, ENDLESS_PARTS);
}

static void wait_joined(struct endless *endless, unsigned more_than) {
    for (unsigned waited = 0; waited < WAIT_MS && atomic_load(&endless->joined) <= more_than; waited++)
        pat_clock_sleep_ms(1);
    assert_true(atomic_load(&endless->joined) > more_than);
}

static void a_helper_leaves_for_a_job_and_comes_back(void **state) {
    (void)state;
    static struct endless endless;
    struct task brief = {.job = {.run_cb = task_run}};
    struct pat_workers *workers = open_workers(2);
    endless.job = (struct pat_job){.run_cb = endless_run, .lengthy = true};
    endless.spread = pat_workers_spread(workers);
    pat_workers_submit(workers, &endless.job);
    for (unsigned i = 1; i <= 20; i++) {
        wait_joined(&endless, atomic_load(&endless.joined));
        pat_workers_submit(workers, &brief.job);
        assert_ptr_equal(take(workers), &brief);
        assert_int_equal(brief.runs, i);
    }
    atomic_store(&endless.finish, true);
    (void)take(workers);
    pat_workers_close(&workers);
}

/* ---- background -------------------------------------------------------------------------------------------------- */

struct chore {
    struct pat_job job;
    struct pat_workers *workers;
    atomic_uint blocks;
    atomic_bool finish;
};

static void chore_run(struct pat_job *job) {
    struct chore *chore = PAT_LINK_OF(job, struct chore, job);
    while (!atomic_load(&chore->finish)) {
        atomic_fetch_add(&chore->blocks, 1);
        pat_clock_sleep_ms(1);
        pat_workers_pause(chore->workers);
    }
}

static void chore_submit(struct chore *chore, struct pat_workers *workers) {
    *chore = (struct chore){.job = {.run_cb = chore_run, .background = true}, .workers = workers};
    pat_workers_submit(workers, &chore->job);
}

static void wait_blocks(struct chore *chore) {
    const unsigned before = atomic_load(&chore->blocks);
    for (unsigned waited = 0; waited < WAIT_MS && atomic_load(&chore->blocks) == before; waited++)
        pat_clock_sleep_ms(1);
    assert_true(atomic_load(&chore->blocks) > before);
}

static void background_takes_no_worker_away(void **state) {
    (void)state;
    static struct chore chore;
    for (unsigned count = 1; count <= 2; count++) {
        struct pat_workers *workers = open_workers(count);
        struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        struct task lengthy = {.job = {.run_cb = task_run, .lengthy = true}, .gate = &gate};
        struct task brief = {.job = {.run_cb = task_run}};
        chore_submit(&chore, workers);
        wait_blocks(&chore);
        for (unsigned i = 1; i <= 20; i++) {
            pat_workers_submit(workers, &brief.job);
            assert_ptr_equal(take(workers), &brief);
            assert_int_equal(brief.runs, i);
            wait_blocks(&chore);
        }
        pat_workers_submit(workers, &lengthy.job);
        wait_inside(&gate, 1);
        /* All workers there are, less the one with the long job. */
        if (count == 2) {
            pat_workers_submit(workers, &brief.job);
            assert_ptr_equal(take(workers), &brief);
        }
        gate_set(&gate, true);
        assert_ptr_equal(take(workers), &lengthy);
        wait_blocks(&chore);
        atomic_store(&chore.finish, true);
        assert_ptr_equal(take(workers), &chore);
        pat_workers_close(&workers);
    }
}

static void background_waits_for_all_else(void **state) {
    (void)state;
    static struct chore chore;
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct task first = {.job = {.run_cb = task_run}, .gate = &gate};
    struct task next = {.job = {.run_cb = task_run}};
    struct pat_workers *workers = open_workers(1);
    pat_workers_submit(workers, &first.job);
    wait_inside(&gate, 1);
    chore_submit(&chore, workers);
    atomic_store(&chore.finish, true);
    pat_workers_submit(workers, &next.job);
    gate_set(&gate, true);
    assert_ptr_equal(take(workers), &first);
    assert_ptr_equal(take(workers), &next);
    assert_ptr_equal(take(workers), &chore);
    chore_submit(&chore, workers);
    wait_blocks(&chore);
    assert_false(pat_workers_withdraw(workers, &chore.job));
    atomic_store(&chore.finish, true);
    (void)take(workers);
    pat_workers_submit(workers, &first.job); /* the gate is open */
    assert_ptr_equal(take(workers), &first);
    gate_set(&gate, false);
    pat_workers_submit(workers, &first.job);
    wait_inside(&gate, 1);
    chore_submit(&chore, workers);
    assert_true(pat_workers_withdraw(workers, &chore.job));
    gate_set(&gate, true);
    assert_ptr_equal(take(workers), &first);
    assert_int_equal(atomic_load(&chore.blocks), 0);
    pat_workers_close(&workers);
}

static void background_helps_with_shared_work(void **state) {
    (void)state;
    static struct chore chore;
    static struct endless endless;
    struct pat_workers *workers = open_workers(2);
    chore_submit(&chore, workers);
    wait_blocks(&chore);
    endless.job = (struct pat_job){.run_cb = endless_run, .lengthy = true};
    endless.spread = pat_workers_spread(workers);
    atomic_store(&endless.joined, 0);
    atomic_store(&endless.finish, false);
    pat_workers_submit(workers, &endless.job);
    wait_joined(&endless, 5);
    atomic_store(&endless.finish, true);
    assert_ptr_equal(take(workers), &endless);
    wait_blocks(&chore);
    atomic_store(&chore.finish, true);
    assert_ptr_equal(take(workers), &chore);
    pat_workers_close(&workers);
}

static void two_ms_run(struct pat_job *job) {
    (void)job;
    pat_clock_sleep_ms(2);
}

static void a_flood_does_not_starve_background(void **state) {
    (void)state;
    enum { FLOOD = 4 };
    static struct chore chore;
    struct pat_job flood[FLOOD];
    struct pat_workers *workers = open_workers(1);
    for (unsigned i = 0; i < FLOOD; i++) {
        flood[i] = (struct pat_job){.run_cb = two_ms_run, .lengthy = true};
        pat_workers_submit(workers, &flood[i]);
    }
    chore_submit(&chore, workers);
    unsigned left = FLOOD + 1;
    for (unsigned waited = 0; left > 0 && waited < WAIT_MS; waited++) {
        struct pat_job *job = pat_workers_take_done(workers);
        if (atomic_load(&chore.blocks) >= 20) atomic_store(&chore.finish, true);
        if (job == NULL) {
            pat_clock_sleep_ms(1);
        } else if (job == &chore.job || atomic_load(&chore.finish)) {
            left--;
        } else {
            pat_workers_submit(workers, job);
        }
    }
    assert_int_equal(left, 0);
    assert_true(atomic_load(&chore.blocks) >= 20);
    pat_workers_close(&workers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_job_runs_once, end),
        cmocka_unit_test_teardown(one_worker_stays_free_of_long_jobs, end),
        cmocka_unit_test_teardown(one_worker_alone_does_both, end),
        cmocka_unit_test_teardown(a_withdrawn_job_never_runs, end),
        cmocka_unit_test_teardown(without_memory_no_thread_starts, end),
        cmocka_unit_test_teardown(every_part_runs_once_on_a_lane_of_its_own, end),
        cmocka_unit_test_teardown(one_worker_alone_runs_its_parts_in_order, end),
        cmocka_unit_test_teardown(a_helper_leaves_for_a_job_and_comes_back, end),
        cmocka_unit_test_teardown(background_takes_no_worker_away, end),
        cmocka_unit_test_teardown(background_waits_for_all_else, end),
        cmocka_unit_test_teardown(background_helps_with_shared_work, end),
        cmocka_unit_test_teardown(a_flood_does_not_starve_background, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
