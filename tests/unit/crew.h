/* Threads of a test's own that share the parts of some work, as the server's workers do. */
#ifndef PAT_TESTS_CREW_H
#define PAT_TESTS_CREW_H

#include "base/spread.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CREW_LANES 3u

struct crew {
    struct pat_spread spread;
    unsigned runs; /* how often something was shared */
};

struct together {
    pat_part_cb *part_cb;
    void *part_context;
    uint32_t parts, next_part;
};

struct member {
    pthread_t thread;
    struct together *together;
    unsigned lane;
};

static void *member_run(void *context) {
    struct member *member = context;
    struct together *together = member->together;
    for (;;) {
        const uint32_t part = __atomic_fetch_add(&together->next_part, 1, __ATOMIC_RELAXED);
        if (part >= together->parts) return NULL;
        together->part_cb(together->part_context, part, member->lane);
    }
}

static void crew_run(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    struct crew *crew = context;
    struct together together = {part_cb, part_context, parts, 0};
    struct member member[CREW_LANES];
    crew->runs++;
    for (unsigned lane = 0; lane < CREW_LANES; lane++) {
        member[lane].together = &together;
        member[lane].lane = lane;
        if (lane > 0) assert_int_equal(0, pthread_create(&member[lane].thread, NULL, member_run, &member[lane]));
    }
    (void)member_run(&member[0]);
    for (unsigned lane = 1; lane < CREW_LANES; lane++) assert_int_equal(0, pthread_join(member[lane].thread, NULL));
}

static struct crew crew = {.spread = {.lanes = CREW_LANES, .run_cb = crew_run, .context = &crew}};

#endif
