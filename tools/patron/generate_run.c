#include "generate_run.h"

#include "generate_facts.h"
#include "generate_shop.h"
#include "generate_spill.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

/* Customers in one unit of the pass that puts the log in order. */
#define SPILL_CUSTOMERS 4096u

/* ---- the pool -------------------------------------------------------------------------------------------------- */

void pat_gen_pool_init(struct pat_gen_pool *pool, const struct pat_gen_world *world) {
    *pool = (struct pat_gen_pool){.world = world};
    (void)pthread_mutex_init(&pool->lock, NULL);
}

void pat_gen_pool_deinit(struct pat_gen_pool *pool) {
    for (int table = 0; table < PAT_GEN_TABLES; table++) {
        while (pool->idle[table] != NULL) {
            struct pat_gen_batch *batch = pool->idle[table];
            pool->idle[table] = batch->next;
            pat_gen_batch_free(batch);
        }
    }
    (void)pthread_mutex_destroy(&pool->lock);
}

struct pat_gen_batch *pat_gen_pool_take(struct pat_gen_pool *pool, enum pat_gen_table table) {
    (void)pthread_mutex_lock(&pool->lock);
    struct pat_gen_batch *batch = pool->idle[table];
    if (batch != NULL) pool->idle[table] = batch->next;
    (void)pthread_mutex_unlock(&pool->lock);
    if (batch == NULL) return pat_gen_batch_new(pool->world, table);
    pat_gen_batch_clear(batch);
    return batch;
}

void pat_gen_pool_give(struct pat_gen_pool *pool, struct pat_gen_batch *batch) {
    if (batch == NULL) return;
    (void)pthread_mutex_lock(&pool->lock);
    batch->next = pool->idle[batch->table];
    pool->idle[batch->table] = batch;
    (void)pthread_mutex_unlock(&pool->lock);
}

/* ---- phases ---------------------------------------------------------------------------------------------------- */

struct worker;

struct phase {
    struct pat_gen_run *run;
    uint64_t units;
    double weight; /* of all the work, for the progress bar */
    /* Thread: a worker's. Fills facts->first. */
    enum pat_status (*make)(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts, struct pat_error *error);
    /* After the unit was handed over; may be NULL. */
    enum pat_status (*then)(struct worker *worker, uint64_t unit, struct pat_error *error);
    struct log *log; /* of the phases that go through it */
    uint32_t customers_per_unit;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    uint64_t next, taken; /* units begun; units that the sink has */
    struct slot *slot;
    unsigned slots;
    enum pat_status status; /* the first failure ends all */
    struct pat_error error;
};

/* A unit that waits for its turn. */
struct slot {
    bool ready;
    struct pat_gen_batch *first;
};

struct worker {
    struct phase *phase;
    unsigned number;
    pthread_t thread;
    struct pat_gen_event *visit; /* [PAT_GEN_VISITS_MAX] */
    struct pat_gen_event *event; /* [PAT_GEN_VISITS_MAX * PAT_GEN_EVENTS_MAX] */
};

static void phase_fail(struct phase *phase, enum pat_status status, const struct pat_error *error) {
    (void)pthread_mutex_lock(&phase->lock);
    if (phase->status == PAT_OK) {
        phase->status = status;
        phase->error = *error;
    }
    (void)pthread_cond_broadcast(&phase->changed);
    (void)pthread_mutex_unlock(&phase->lock);
}

static bool stopped(const struct phase *phase) {
    return atomic_load_explicit(phase->run->stop, memory_order_relaxed);
}

/* The next unit to make; false when there is none, or no point in it. */
static bool unit_begin(struct phase *phase, uint64_t *unit) {
    (void)pthread_mutex_lock(&phase->lock);
    while (phase->status == PAT_OK && phase->next < phase->units && phase->next >= phase->taken + phase->slots) {
        (void)pthread_cond_wait(&phase->changed, &phase->lock);
    }
    const bool more = phase->status == PAT_OK && phase->next < phase->units;
    if (more) *unit = phase->next++;
    (void)pthread_mutex_unlock(&phase->lock);
    return more;
}

static void unit_ready(struct phase *phase, uint64_t unit, struct pat_gen_facts *facts) {
    (void)pthread_mutex_lock(&phase->lock);
    phase->slot[unit % phase->slots] = (struct slot){.ready = true, .first = facts->first};
    facts->first = NULL;
    (void)pthread_cond_broadcast(&phase->changed);
    (void)pthread_mutex_unlock(&phase->lock);
}

static enum pat_status unit_make(struct worker *worker, uint64_t unit, struct pat_error *error) {
    struct phase *phase = worker->phase;
    struct pat_gen_facts facts;
    pat_gen_facts_init(&facts, phase->run->world, phase->run->pool, phase->run->sink->csv);
    enum pat_status status = phase->make(worker, unit, &facts, error);
    if (status == PAT_OK) status = pat_gen_facts_flush(&facts, error);
    if (status == PAT_OK) unit_ready(phase, unit, &facts);
    pat_gen_facts_deinit(&facts);
    return status == PAT_OK && phase->then != NULL ? phase->then(worker, unit, error) : status;
}

static void *worker_main(void *context) {
    struct worker *worker = context;
    struct pat_error error = {.status = PAT_OK};
    uint64_t unit;
    while (unit_begin(worker->phase, &unit)) {
        const enum pat_status status = unit_make(worker, unit, &error);
        if (status != PAT_OK) phase_fail(worker->phase, status, &error);
    }
    return NULL;
}

/* ---- handing over ---------------------------------------------------------------------------------------------- */

/* Waits for a unit; false when it will not come. */
static bool unit_wait(struct phase *phase, uint64_t unit, struct pat_gen_batch **first) {
    struct slot *slot = &phase->slot[unit % phase->slots];
    (void)pthread_mutex_lock(&phase->lock);
    while (phase->status == PAT_OK && !slot->ready) (void)pthread_cond_wait(&phase->changed, &phase->lock);
    const bool came = phase->status == PAT_OK;
    if (came) {
        *first = slot->first;
        *slot = (struct slot){0};
        phase->taken = unit + 1;
        (void)pthread_cond_broadcast(&phase->changed);
    }
    (void)pthread_mutex_unlock(&phase->lock);
    return came;
}

static enum pat_status hand_over(struct pat_gen_run *run, struct pat_gen_batch *batch, struct pat_error *error) {
    enum pat_status status = PAT_OK;
    while (batch != NULL) {
        struct pat_gen_batch *next = batch->next;
        if (status == PAT_OK) {
            run->rows[batch->table] += batch->rows;
            status = run->sink->take_cb(run->sink, run->pool, batch, error);
        } else {
            pat_gen_pool_give(run->pool, batch);
        }
        batch = next;
    }
    return status;
}

static uint64_t rows_of(const struct pat_gen_run *run) {
    uint64_t rows = 0;
    for (int table = 0; table < PAT_GEN_TABLES; table++) rows += run->rows[table];
    return rows;
}

/* Work is told in millionths of the whole. */
static void hand_over_all(struct phase *phase, double work_before) {
    struct pat_error error = {.status = PAT_OK};
    struct pat_gen_batch *first = NULL;
    for (uint64_t unit = 0; unit < phase->units && unit_wait(phase, unit, &first); unit++) {
        enum pat_status status = hand_over(phase->run, first, &error);
        if (status == PAT_OK && stopped(phase)) status = pat_error_set(&error, PAT_ERR_CANCELLED, "stopped");
        if (status != PAT_OK) phase_fail(phase, status, &error);
        const double work = work_before + phase->weight * (double)(unit + 1) / (double)phase->units;
        pat_progress_update(phase->run->progress, (uint64_t)(work * 1e6), 1000000, rows_of(phase->run));
    }
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

static bool worker_init(struct worker *worker, struct phase *phase, unsigned number) {
    *worker = (struct worker){.phase = phase, .number = number};
    worker->visit = pat_mem_alloc(PAT_MEM_OTHER, PAT_GEN_VISITS_MAX * sizeof *worker->visit);
    worker->event =
        pat_mem_alloc(PAT_MEM_OTHER, (size_t)PAT_GEN_VISITS_MAX * PAT_GEN_EVENTS_MAX * sizeof *worker->event);
    return worker->visit != NULL && worker->event != NULL;
}

static void worker_deinit(struct worker *worker) {
    pat_mem_free(PAT_MEM_OTHER, worker->visit);
    pat_mem_free(PAT_MEM_OTHER, worker->event);
}

static void run_workers(struct phase *phase, struct worker *worker, double work_before) {
    const unsigned threads = phase->run->threads;
    unsigned inited = 0, started = 0;
    struct pat_error error;
    while (inited < threads && worker_init(&worker[inited], phase, inited)) inited++;
    if (inited < threads) {
        phase_fail(phase, pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for %u threads", threads), &error);
        worker_deinit(&worker[inited]);
    } else {
        while (started < threads && pthread_create(&worker[started].thread, NULL, worker_main, &worker[started]) == 0) {
            started++;
        }
        if (started < threads) {
            phase_fail(phase, pat_error_set(&error, PAT_ERR_BUSY, "the system gives no more than %u threads", started),
                       &error);
        }
        hand_over_all(phase, work_before);
    }
    for (unsigned t = 0; t < started; t++) (void)pthread_join(worker[t].thread, NULL);
    for (unsigned t = 0; t < inited; t++) worker_deinit(&worker[t]);
}

/* What was made and not handed over. */
static void drop_slots(struct phase *phase) {
    for (unsigned s = 0; s < phase->slots; s++) {
        for (struct pat_gen_batch *batch = phase->slot[s].first, *next; batch != NULL; batch = next) {
            next = batch->next;
            pat_gen_pool_give(phase->run->pool, batch);
        }
    }
}

static enum pat_status phase_run(struct phase *phase, double *work, struct pat_error *error) {
    const unsigned threads = phase->run->threads;
    phase->slots = 2 * threads + 2;
    phase->slot = pat_mem_alloc(PAT_MEM_OTHER, phase->slots * sizeof *phase->slot);
    struct worker *worker = pat_mem_alloc(PAT_MEM_OTHER, threads * sizeof *worker);
    (void)pthread_mutex_init(&phase->lock, NULL);
    (void)pthread_cond_init(&phase->changed, NULL);
    if (phase->slot != NULL && worker != NULL) {
        run_workers(phase, worker, *work);
        drop_slots(phase);
    } else {
        phase->status = pat_error_set(&phase->error, PAT_ERR_NO_MEMORY, "no memory for %u threads", threads);
    }
    (void)pthread_cond_destroy(&phase->changed);
    (void)pthread_mutex_destroy(&phase->lock);
    pat_mem_free(PAT_MEM_OTHER, phase->slot);
    pat_mem_free(PAT_MEM_OTHER, worker);
    *work += phase->weight;
    if (phase->status != PAT_OK) *error = phase->error;
    return phase->status;
}

/* ---- rates and customers --------------------------------------------------------------------------------------- */

static uint64_t units_for(uint64_t rows, uint32_t rows_per_unit) {
    return (rows + rows_per_unit - 1) / rows_per_unit;
}

static uint64_t fx_rows(const struct pat_gen_run *run) {
    return (uint64_t)run->world->days * (run->world->plan->currencies - 1);
}

static enum pat_status make_rates(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts, bool late,
                                  struct pat_error *error) {
    const struct pat_gen_run *run = worker->phase->run;
    const uint32_t rows = run->world->plan->batch_rows;
    const uint64_t first = unit * rows, left = fx_rows(run) - first;
    return pat_gen_facts_add_fx(facts, first, left < rows ? (uint32_t)left : rows, late, error);
}

static enum pat_status make_fx(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts,
                               struct pat_error *error) {
    return make_rates(worker, unit, facts, false, error);
}

static enum pat_status make_late_fx(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts,
                                    struct pat_error *error) {
    return make_rates(worker, unit, facts, true, error);
}

/* The customers of a unit: numbers first .. first + count - 1. */
static uint32_t unit_customers(const struct phase *phase, uint64_t unit, uint32_t *first) {
    const uint64_t before = unit * phase->customers_per_unit, left = phase->run->world->plan->customers - before;
    *first = (uint32_t)before + 1;
    return left < phase->customers_per_unit ? (uint32_t)left : phase->customers_per_unit;
}

static enum pat_status make_customers(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts,
                                      struct pat_error *error) {
    uint32_t first;
    const uint32_t count = unit_customers(worker->phase, unit, &first);
    return pat_gen_facts_add_customers(facts, first, count, error);
}

/* ---- orders by customer ---------------------------------------------------------------------------------------- */

/* All that a customer puts into the log, in order. Gives how many. */
static uint32_t customer_events(struct worker *worker, uint32_t number) {
    const struct pat_gen_world *world = worker->phase->run->world;
    struct pat_gen_customer customer;
    pat_gen_customer_draw(world, number, &customer);
    const uint32_t visits = pat_gen_visits(world, &customer, worker->visit);
    uint32_t events = 0;
    for (uint32_t v = 0; v < visits; v++) events += pat_gen_events(world, &worker->visit[v], worker->event + events);
    return events;
}

/* Purchases come in order already; only what follows them is out of place. */
static void sort_few(struct pat_gen_event *event, uint32_t events) {
    for (uint32_t i = 1; i < events; i++) {
        const struct pat_gen_event moving = event[i];
        uint32_t at = i;
        for (; at > 0 && pat_gen_event_before(&moving, &event[at - 1]); at--) event[at] = event[at - 1];
        event[at] = moving;
    }
}

static enum pat_status make_by_customer(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts,
                                        struct pat_error *error) {
    uint32_t first;
    const uint32_t count = unit_customers(worker->phase, unit, &first);
    for (uint32_t number = first; number < first + count; number++) {
        const uint32_t events = customer_events(worker, number);
        sort_few(worker->event, events);
        for (uint32_t e = 0; e < events; e++) PAT_TRY(pat_gen_facts_add(facts, &worker->event[e], error));
    }
    return PAT_OK;
}

/* ---- orders by time -------------------------------------------------------------------------------------------- */

enum bucket_state { BUCKET_ON_DISK, BUCKET_LOADING, BUCKET_LOADED };

struct bucket {
    enum bucket_state state;
    struct pat_gen_event *event;
    uint64_t events, first_unit, units_left;
};

struct log {
    struct pat_gen_spill *spill;
    struct bucket *bucket;
    unsigned buckets;
};

static enum pat_status make_log(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts,
                                struct pat_error *error) {
    (void)facts;
    uint32_t first;
    const uint32_t count = unit_customers(worker->phase, unit, &first);
    for (uint32_t number = first; number < first + count; number++) {
        const uint32_t events = customer_events(worker, number);
        for (uint32_t e = 0; e < events; e++) {
            PAT_TRY(pat_gen_spill_put(worker->phase->log->spill, worker->number, &worker->event[e], error));
        }
    }
    return PAT_OK;
}

static unsigned bucket_of(const struct log *log, uint64_t unit) {
    unsigned low = 0, high = log->buckets;
    while (high - low > 1) {
        const unsigned middle = low + (high - low) / 2;
        if (log->bucket[middle].first_unit <= unit) {
            low = middle;
        } else {
            high = middle;
        }
    }
    /* Empty buckets begin where the next one does; the search ends at the last of them, which has the unit. */
    return low;
}

/* Loads the bucket, or waits for whoever is about it. */
static enum pat_status bucket_need(struct phase *phase, unsigned number, struct pat_error *error) {
    struct bucket *bucket = &phase->log->bucket[number];
    (void)pthread_mutex_lock(&phase->lock);
    while (bucket->state == BUCKET_LOADING && phase->status == PAT_OK) {
        (void)pthread_cond_wait(&phase->changed, &phase->lock);
    }
    const bool mine = bucket->state == BUCKET_ON_DISK && phase->status == PAT_OK;
    if (mine) bucket->state = BUCKET_LOADING;
    enum pat_status status = phase->status;
    (void)pthread_mutex_unlock(&phase->lock);
    if (status != PAT_OK) {
        *error = phase->error;
        return status;
    }
    if (!mine) return PAT_OK;
    struct pat_gen_event *event = NULL;
    status = pat_gen_spill_load(phase->log->spill, number, &event, error);
    (void)pthread_mutex_lock(&phase->lock);
    bucket->event = event;
    bucket->state = BUCKET_LOADED;
    /* At once, so that nobody who waited takes a bucket that could not be read for a good one. */
    if (status != PAT_OK && phase->status == PAT_OK) {
        phase->status = status;
        phase->error = *error;
    }
    (void)pthread_cond_broadcast(&phase->changed);
    (void)pthread_mutex_unlock(&phase->lock);
    return status;
}

static enum pat_status make_by_time(struct worker *worker, uint64_t unit, struct pat_gen_facts *facts,
                                    struct pat_error *error) {
    struct phase *phase = worker->phase;
    const unsigned number = bucket_of(phase->log, unit);
    struct bucket *bucket = &phase->log->bucket[number];
    const uint32_t rows = phase->run->world->plan->batch_rows;
    PAT_TRY(bucket_need(phase, number, error));
    const uint64_t first = (unit - bucket->first_unit) * rows;
    const uint64_t behind = first + rows < bucket->events ? first + rows : bucket->events;
    for (uint64_t e = first; e < behind; e++) PAT_TRY(pat_gen_facts_add(facts, &bucket->event[e], error));
    (void)pthread_mutex_lock(&phase->lock);
    struct pat_gen_event *done = NULL;
    if (--bucket->units_left == 0) {
        done = bucket->event;
        bucket->event = NULL;
    }
    (void)pthread_mutex_unlock(&phase->lock);
    pat_mem_free(PAT_MEM_OTHER, done);
    return PAT_OK;
}

/* Whoever made the first unit of a bucket sees to the next bucket, so that the others need not wait for it. */
static enum pat_status prefetch(struct worker *worker, uint64_t unit, struct pat_error *error) {
    const struct log *log = worker->phase->log;
    const unsigned number = bucket_of(log, unit);
    if (log->bucket[number].first_unit != unit) return PAT_OK;
    unsigned next = number + 1;
    while (next < log->buckets && log->bucket[next].events == 0) next++;
    return next < log->buckets ? bucket_need(worker->phase, next, error) : PAT_OK;
}

static enum pat_status log_cut(struct log *log, uint32_t rows, uint64_t *units, struct pat_error *error) {
    log->buckets = pat_gen_spill_buckets(log->spill);
    log->bucket = pat_mem_alloc(PAT_MEM_OTHER, log->buckets * sizeof *log->bucket);
    if (log->bucket == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
    *units = 0;
    for (unsigned b = 0; b < log->buckets; b++) {
        struct bucket *bucket = &log->bucket[b];
        bucket->events = pat_gen_spill_events(log->spill, b);
        bucket->first_unit = *units;
        bucket->units_left = units_for(bucket->events, rows);
        *units += bucket->units_left;
    }
    return PAT_OK;
}

static enum pat_status run_by_time(struct pat_gen_run *run, double *work, struct pat_error *error) {
    const struct pat_gen_plan *plan = run->world->plan;
    struct log log = {0};
    PAT_TRY(pat_gen_spill_open(&log.spill, run->world, run->estimate->bin, run->estimate->events, run->threads,
                               run->temp, error));
    struct phase put = {
        .run = run,
        .units = units_for(plan->customers, SPILL_CUSTOMERS),
        .weight = 0.35,
        .make = make_log,
        .log = &log,
        .customers_per_unit = SPILL_CUSTOMERS,
    };
    struct phase get = {.run = run, .weight = 0.5, .make = make_by_time, .then = prefetch, .log = &log};
    enum pat_status status = phase_run(&put, work, error);
    if (status == PAT_OK) status = log_cut(&log, plan->batch_rows, &get.units, error);
    if (status == PAT_OK) status = phase_run(&get, work, error);
    for (unsigned b = 0; log.bucket != NULL && b < log.buckets; b++) pat_mem_free(PAT_MEM_OTHER, log.bucket[b].event);
    pat_mem_free(PAT_MEM_OTHER, log.bucket);
    pat_gen_spill_close(&log.spill);
    return status;
}

static enum pat_status run_by_customer(struct pat_gen_run *run, double *work, struct pat_error *error) {
    const struct pat_gen_plan *plan = run->world->plan;
    /* A unit is a batch or so; how many customers that takes depends on the plan alone. */
    const double each = run->estimate->events / (double)plan->customers;
    const double customers = plan->batch_rows / (each > 1 ? each : 1);
    struct phase phase = {
        .run = run,
        .weight = 0.85,
        .make = make_by_customer,
        .customers_per_unit = customers < 1 ? 1 : (uint32_t)customers,
    };
    phase.units = units_for(plan->customers, phase.customers_per_unit);
    return phase_run(&phase, work, error);
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static enum pat_status run_facts(struct pat_gen_run *run, double *work, struct pat_error *error) {
    const struct pat_gen_plan *plan = run->world->plan;
    const unsigned facts = 1u << PAT_GEN_ORDERS | 1u << PAT_GEN_REFUNDS | 1u << PAT_GEN_LINES;
    if ((plan->tables & facts) == 0) return PAT_OK;
    return plan->by_customer ? run_by_customer(run, work, error) : run_by_time(run, work, error);
}

enum pat_status pat_gen_run(struct pat_gen_run *run, struct pat_error *error) {
    const struct pat_gen_plan *plan = run->world->plan;
    const bool rates = pat_gen_wants(plan, PAT_GEN_FX) && fx_rows(run) > 0;
    const uint64_t rate_units = units_for(fx_rows(run), plan->batch_rows);
    double work = 0;
    if (rates) {
        struct phase phase = {.run = run, .units = rate_units, .make = make_fx};
        PAT_TRY(phase_run(&phase, &work, error));
    }
    if (pat_gen_wants(plan, PAT_GEN_CUSTOMERS)) {
        struct phase phase = {
            .run = run,
            .units = units_for(plan->customers, plan->batch_rows),
            .weight = 0.15,
            .make = make_customers,
            .customers_per_unit = plan->batch_rows,
        };
        PAT_TRY(phase_run(&phase, &work, error));
    }
    PAT_TRY(run_facts(run, &work, error));
    if (!rates || plan->rate_corrections <= 0) return PAT_OK;
    struct phase phase = {.run = run, .units = rate_units, .make = make_late_fx};
    return phase_run(&phase, &work, error);
}
