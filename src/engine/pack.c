/* When chunks of facts are packed (store/packed.h): the store chooses them in sweeps, a chore packs them. */
#include "engine/engine_private.h"

#include "base/clock.h"

#define NS_PER_MS UINT64_C(1000000)
/* Chunks looked at in one turn of the loop: each may be a miss in memory, and 512 of them are some fifty microseconds.
 */
#define LOOKS 512u
/* Between two sweeps; what does not change that long is packed. Long enough for the orders that a load names twice. */
#define SWEEP_MS 2000u
/* Between two looks that found nothing. */
#define LOOK_MS 5u
/* Rows that came since the chunks before were packed, from which on those that are packed now serve the load: a chunk
 * of each column. Pages given back would come again one by one, where they had been huge, and be cleared. */
#define REUSE_ROWS 65536u
/* Packing takes one part in this many of a worker's time. */
#define DUTY_SHARE 2u

struct pat_chore *pat_engine__pack_chore(struct pat_engine *engine, uint64_t now_ns) {
    struct pat_chore *chore = &engine->chore;
    if (now_ns < engine->pack_next_ns) return NULL;
    const bool more = pat_store_pack_choose(engine->store, &chore->pack, &engine->pack_cursor, LOOKS);
    engine->pack_next_ns = now_ns + (more ? LOOK_MS : SWEEP_MS) * NS_PER_MS;
    if (chore->pack.count + chore->pack.cold_count == 0) return NULL;
    const uint64_t rows = (uint64_t)engine->store->table[PAT_ORDERS].rows + engine->store->table[PAT_REFUNDS].rows;
    chore->pack.reuse = rows - engine->pack_rows >= REUSE_ROWS;
    engine->pack_rows = rows;
    chore->busy = true;
    chore->kind = PAT_CHORE_PACK;
    chore->started_ns = now_ns;
    chore->paused_ns = 0;
    chore->stop = false;
    return chore;
}

static bool stop_asked(void *context) {
    return pat_engine__chore_stopped(context);
}

void pat_engine__pack_run(struct pat_chore *chore) {
    pat_pack_make(&chore->pack, stop_asked, chore);
}

void pat_engine__pack_done(struct pat_engine *engine, struct pat_chore *chore) {
    const uint64_t now_ns = pat_clock_monotonic_ns(), took_ns = now_ns - chore->started_ns - chore->paused_ns;
    (void)pat_store_pack_take(engine->store, &chore->pack);
    const uint64_t next_ns = now_ns + (DUTY_SHARE - 1) * took_ns;
    if (engine->pack_next_ns < next_ns) engine->pack_next_ns = next_ns;
}
