/* Work cut into parts that several threads may share.
 *
 * Whoever has threads to lend (the server's workers, a bench) fills in a pat_spread and hands it down as an argument;
 * whoever has work cuts it into parts, a few hundred microseconds each, and knows nothing of threads but lanes: a lane
 * is one thread's place for the time of a part, so memory of a lane is used by one thread at a time. No spread at all
 * means a plain loop.
 *
 * Parts are taken in rising order, so that whatever a part finds out holds for all behind it. What comes out must not
 * depend on who did which part: results lie by part, or what lies by lane is merged in a way that knows no order. */
#ifndef PAT_BASE_SPREAD_H
#define PAT_BASE_SPREAD_H

#include <stdint.h>

/* More threads at one piece of work only wait for memory; and lanes fit into a word. */
#define PAT_SPREAD_LANES_MAX 32u

/* One part, 0 .. parts - 1, once. `lane` is below pat_spread_lanes. */
typedef void pat_part_cb(void *context, uint32_t part, unsigned lane);

struct pat_spread {
    unsigned lanes; /* threads that may be at work at once: 1 .. PAT_SPREAD_LANES_MAX */
    /* Runs all parts and returns when all are done; the calling thread works too. What the parts wrote is seen by the
     * caller afterwards, and what the caller wrote before by the parts. Thread: any, several at a time. */
    void (*run_cb)(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts);
    void *context;
};

/* How many lanes parts may be given; 1 without a spread. */
unsigned pat_spread_lanes(const struct pat_spread *spread);
/* Runs all parts, by a plain loop on lane 0 when there is nobody to share them with. */
void pat_spread_run(const struct pat_spread *spread, pat_part_cb *part_cb, void *part_context, uint32_t parts);

#endif
