/* From events to batches of orders, lines and refunds: one thread's work on one unit. */
#ifndef PATRON_GENERATE_FACTS_H
#define PATRON_GENERATE_FACTS_H

#include "generate_batch.h"
#include "generate_run.h"

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_gen_facts {
    const struct pat_gen_world *world;
    struct pat_gen_pool *pool;
    bool csv;
    uint32_t events;                             /* in the batches now being filled */
    struct pat_gen_batch *batch[PAT_GEN_TABLES]; /* being filled; NULL: none yet */
    struct pat_gen_batch *first, **last;         /* filled and prepared, in order */
};

void pat_gen_facts_init(struct pat_gen_facts *facts, const struct pat_gen_world *world, struct pat_gen_pool *pool,
                        bool csv);
/* Gives back what was not taken. */
void pat_gen_facts_deinit(struct pat_gen_facts *facts);
enum pat_status pat_gen_facts_add(struct pat_gen_facts *facts, const struct pat_gen_event *event,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Rates `first` .. `first + rows - 1`: what comes before the facts, or with `late` what comes behind them. */
enum pat_status pat_gen_facts_add_fx(struct pat_gen_facts *facts, uint64_t first, uint32_t rows, bool late,
                                     struct pat_error *error) PAT_MUST_CHECK;
/* The profiles of customers `first` .. `first + count - 1`, those that were wrong once more at the end. */
enum pat_status pat_gen_facts_add_customers(struct pat_gen_facts *facts, uint32_t first, uint32_t count,
                                            struct pat_error *error) PAT_MUST_CHECK;
/* Prepares what is being filled. */
enum pat_status pat_gen_facts_flush(struct pat_gen_facts *facts, struct pat_error *error) PAT_MUST_CHECK;

#endif
