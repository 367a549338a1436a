/* Makes a whole shop on several threads and hands its batches, in an order that never changes, to a sink on the
 * caller's thread.
 *
 *   phases: rates, customers, [log into buckets of time,] orders with their lines and refunds
 *   unit:   a slice of a phase, made by one thread; the next few units are made while one is handed over */
#ifndef PATRON_GENERATE_RUN_H
#define PATRON_GENERATE_RUN_H

#include "generate_batch.h"
#include "generate_estimate.h"
#include "progress.h"

#include "base/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Batches that are not in use, by table. Thread: any. */
struct pat_gen_pool {
    const struct pat_gen_world *world;
    pthread_mutex_t lock;
    struct pat_gen_batch *idle[PAT_GEN_TABLES];
};

void pat_gen_pool_init(struct pat_gen_pool *pool, const struct pat_gen_world *world);
void pat_gen_pool_deinit(struct pat_gen_pool *pool);
struct pat_gen_batch *pat_gen_pool_take(struct pat_gen_pool *pool, enum pat_gen_table table); /* NULL: no memory */
void pat_gen_pool_give(struct pat_gen_pool *pool, struct pat_gen_batch *batch);               /* NULL is allowed */

struct pat_gen_sink {
    bool csv; /* it wants batch->text, else batch->columns */
    /* Takes the batch over, and gives it to the pool when it is done with. Thread: the caller's of pat_gen_run. */
    enum pat_status (*take_cb)(struct pat_gen_sink *sink, struct pat_gen_pool *pool, struct pat_gen_batch *batch,
                               struct pat_error *error);
};

struct pat_gen_run {
    const struct pat_gen_world *world;
    const struct pat_gen_estimate *estimate;
    struct pat_gen_sink *sink;
    struct pat_gen_pool *pool;
    struct pat_progress *progress;
    const atomic_bool *stop; /* set by a signal */
    const char *temp;        /* directory */
    unsigned threads;
    uint64_t rows[PAT_GEN_TABLES]; /* handed over so far */
};

/* Fails as its parts do; PAT_ERR_CANCELLED when `stop` was set. */
enum pat_status pat_gen_run(struct pat_gen_run *run, struct pat_error *error) PAT_MUST_CHECK;

#endif
