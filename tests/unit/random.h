/* Numbers without a pattern, the same ones for the same seed (splitmix64). The seed is printed; PATRON_SEED replays. */
#ifndef PAT_TESTS_RANDOM_H
#define PAT_TESTS_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t seed; /* of the next one */

static uint64_t next(void) {
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Before the first one. */
static void seed_choose(void) {
    const char *given = getenv("PATRON_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
}

#endif
