/* Chance that is the same on every machine: a SplitMix64 per (seed, stream, number), and the distributions a shop
 * needs.
 *
 * Any customer's or order's numbers can be drawn on their own, in any order, on any thread. Logarithm and exponential
 * are written out here because those of the C library differ in the last bit from one machine to the next, and a bit is
 * enough to move a purchase to another day. */
#ifndef PATRON_GENERATE_RANDOM_H
#define PATRON_GENERATE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct pat_random {
    uint64_t state;
    double spare; /* the polar method gives two normals at a time */
    bool has_spare;
};

static inline uint64_t pat_random_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 2^64 over the golden ratio, odd: the step of SplitMix64. */
#define PAT_RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)

/* The key of a stream: what all its numbers have in common. */
static inline uint64_t pat_random_key(uint64_t seed, unsigned stream) {
    return pat_random_mix(pat_random_mix(seed + PAT_RANDOM_STEP) + PAT_RANDOM_STEP * (stream + 1));
}
/* 64 bits that belong to `number`. */
static inline uint64_t pat_random_bits(uint64_t key, uint64_t number) {
    return pat_random_mix(pat_random_mix(key + PAT_RANDOM_STEP * number) ^ key);
}
static inline struct pat_random pat_random_of(uint64_t key, uint64_t number) {
    return (struct pat_random){.state = pat_random_bits(key, number)};
}
static inline uint64_t pat_random_next(struct pat_random *random) {
    random->state += PAT_RANDOM_STEP;
    return pat_random_mix(random->state);
}
/* Above 0 and below 1, never either. */
static inline double pat_random_unit(struct pat_random *random) {
    return ((double)(pat_random_next(random) >> 12) + 0.5) * 0x1p-52;
}
/* 0 .. n-1; n is small beside 2^32, so that the bias does not show. */
static inline uint32_t pat_random_below(struct pat_random *random, uint32_t n) {
    return (uint32_t)(((pat_random_next(random) >> 32) * n) >> 32);
}
static inline bool pat_random_chance(struct pat_random *random, double share) {
    return pat_random_unit(random) < share;
}

double pat_random_log(double x); /* x above zero, finite, normal */
double pat_random_exp(double x); /* 0 below -700; x at most 700 */
double pat_random_normal(struct pat_random *random);
double pat_random_exponential(struct pat_random *random);         /* mean 1 */
double pat_random_gamma(struct pat_random *random, double shape); /* scale 1; shape above zero */
double pat_random_beta(struct pat_random *random, double a, double b);

#endif
