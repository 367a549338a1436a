/* Loops over F, M and R of a block of customers, as windows keep them: included by each table and compiled for its own
 * vectors. Integers, and a double of 32 bits that is exact, so the bits are the same by construction. */
#ifndef PAT_KERNEL_WINDOW_PRIVATE_H
#define PAT_KERNEL_WINDOW_PRIVATE_H

#include "kernel/kernel.h"

/* Rows of one word of a bitmap. */
#define WINDOW_STEP 64u

static bool window_pack(const uint32_t *restrict orders, const int64_t *restrict net, const int32_t *restrict last,
                        size_t n, int32_t day, uint16_t *restrict orders_out, int32_t *restrict net_out,
                        uint16_t *restrict age_out) {
    uint32_t wide_orders = 0, wide_age = 0;
    uint64_t wide_net = 0;
    for (size_t i = 0; i < n; i++) {
        orders_out[i] = (uint16_t)orders[i];
        wide_orders |= orders[i];
    }
    for (size_t i = 0; i < n; i++) {
        net_out[i] = (int32_t)net[i];
        wide_net |= (uint64_t)net[i] + ((uint64_t)1 << 31);
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t age = (uint32_t)day - (uint32_t)last[i], any = last[i] == INT32_MIN ? 0 : UINT32_MAX;
        age_out[i] = (uint16_t)(age | ~any);
        wide_age |= (age | (age + 1)) & any; /* 65,535 says that there is none */
    }
    return wide_orders >> 16 == 0 && wide_net >> 32 == 0 && wide_age >> 16 == 0;
}

/* 64 rows, so that loops over them have a number of turns that compilers know: the rows of a word of a bitmap. */
struct window_step {
    const uint16_t *orders, *age;
    const int32_t *net;
    struct {
        uint16_t orders[WINDOW_STEP], age[WINDOW_STEP];
        int32_t net[WINDOW_STEP];
    } rest; /* the last ones, and nothing behind them */
};

static inline void window_step(struct window_step *step, const uint16_t *orders, const int32_t *net,
                               const uint16_t *age, size_t n) {
    step->orders = orders;
    step->age = age;
    step->net = net;
    if (n >= WINDOW_STEP) return;
    memset(&step->rest, 0, sizeof step->rest);
    memcpy(step->rest.orders, orders, n * sizeof *orders);
    memcpy(step->rest.age, age, n * sizeof *age);
    memcpy(step->rest.net, net, n * sizeof *net);
    step->orders = step->rest.orders;
    step->age = step->rest.age;
    step->net = step->rest.net;
}

/* All ones in the bytes whose bit is on. */
static inline void window_bytes(uint64_t bits, uint8_t out[WINDOW_STEP]) {
    const uint64_t each = UINT64_C(0x0101010101010101);
    for (unsigned k = 0; k < 8; k++) {
        const uint64_t own = (bits >> (8 * k) & 0xff) * each & UINT64_C(0x8040201008040201);
        const uint64_t on = ((own + UINT64_C(0x7f) * each) >> 7 & each) * 0xff;
        memcpy(out + (size_t)8 * k, &on, sizeof on);
    }
}

/* pat_kernel_bucket of 32 bits, which are no null. */
static inline void window_buckets(const int32_t *restrict net, uint16_t *restrict out) {
    for (size_t i = 0; i < WINDOW_STEP; i++) {
        const double value = net[i];
        int64_t bits;
        memcpy(&bits, &value, sizeof bits);
        const int64_t any = -(int64_t)(net[i] != 0), sign = bits >> 63;
        const int64_t size = (((bits & INT64_MAX) >> 47) - ((1023 << 5) - 1)) & any;
        out[i] = (uint16_t)(PAT_BUCKET_ZERO + ((size ^ sign) - sign));
    }
}

/* Rows without a bit are counted behind the bins, in a place of their own each, so that they do not wait for another.
 */
static inline void window_aside(const uint8_t *restrict mask, uint16_t *restrict bins) {
    for (uint16_t i = 0; i < WINDOW_STEP; i++) {
        const uint16_t aside = (uint16_t)(PAT_BUCKETS + i % PAT_WINDOW_ASIDE);
        bins[i] = mask[i] != 0 ? bins[i] : aside;
    }
}

static void window_hits(const uint16_t *orders, const int32_t *net, const uint16_t *age, const uint64_t *bits, size_t n,
                        uint32_t (*hits)[PAT_WINDOW_BINS]) {
    const uint16_t most = PAT_BUCKETS - 1;
    for (size_t first = 0; first < n; first += WINDOW_STEP) {
        const size_t here = n - first < WINDOW_STEP ? n - first : WINDOW_STEP;
        struct window_step step;
        uint16_t of_age[WINDOW_STEP], of_orders[WINDOW_STEP], of_net[WINDOW_STEP];
        uint8_t mask[WINDOW_STEP];
        window_step(&step, orders + first, net + first, age + first, here);
        for (size_t i = 0; i < WINDOW_STEP; i++) {
            of_age[i] = (uint16_t)(most - (step.age[i] < most ? step.age[i] : most));
            of_orders[i] = step.orders[i] < most ? step.orders[i] : most;
        }
        window_buckets(step.net, of_net);
        window_bytes(bits[first / WINDOW_STEP], mask);
        window_aside(mask, of_age);
        window_aside(mask, of_orders);
        window_aside(mask, of_net);
        for (size_t i = 0; i < here; i++) {
            hits[PAT_WINDOW_AGE][of_age[i]]++;
            hits[PAT_WINDOW_NET][of_net[i]]++;
            hits[PAT_WINDOW_ORDERS + i % PAT_WINDOW_TURNS][of_orders[i]]++;
        }
    }
}

static inline void window_scores(const struct window_step *step, const struct pat_kernel_ladder *ladder,
                                 uint8_t *restrict cell) {
    const uint16_t *restrict const orders = step->orders, *restrict const age = step->age;
    const int32_t *restrict const net = step->net;
    uint16_t wide[WINDOW_STEP];
    int32_t money[WINDOW_STEP] = {0};
    for (size_t i = 0; i < WINDOW_STEP; i++) wide[i] = ladder->first;
    for (unsigned k = 0; k < 4; k++) {
        const uint16_t below = ladder->age_below[k], above = ladder->orders_above[k];
        const int32_t reach = ladder->net_above[k];
        for (size_t i = 0; i < WINDOW_STEP; i++) {
            wide[i] = (uint16_t)(wide[i] + (age[i] < below ? 25 : 0));
            wide[i] = (uint16_t)(wide[i] + (orders[i] > above ? 5 : 0));
        }
        for (size_t i = 0; i < WINDOW_STEP; i++) money[i] += net[i] > reach ? 1 : 0;
    }
    for (size_t i = 0; i < WINDOW_STEP; i++) cell[i] = (uint8_t)(wide[i] + money[i]);
}

static void window_cells(const uint16_t *orders, const int32_t *net, const uint16_t *age, size_t n,
                         const struct pat_kernel_ladder *ladder, const uint64_t *scored, const uint64_t *shown,
                         uint8_t *cell) {
    for (size_t first = 0; first < n; first += WINDOW_STEP) {
        const size_t here = n - first < WINDOW_STEP ? n - first : WINDOW_STEP;
        struct window_step step;
        uint8_t in[WINDOW_STEP], seen[WINDOW_STEP], of[WINDOW_STEP];
        window_bytes(scored[first / WINDOW_STEP], in);
        window_bytes(shown[first / WINDOW_STEP], seen);
        window_step(&step, orders + first, net + first, age + first, here);
        window_scores(&step, ladder, of);
        for (size_t i = 0; i < WINDOW_STEP; i++) {
            const uint8_t without = in[i] != 0 ? of[i] : PAT_WINDOW_UNSCORED;
            of[i] = seen[i] != 0 ? without : PAT_WINDOW_UNSEEN;
        }
        memcpy(cell + first, of, here);
    }
}

/* Both sums of a cell, which are added to at once. */
typedef uint64_t window_pair __attribute__((vector_size(16)));
_Static_assert(sizeof(window_pair) == sizeof(struct pat_kernel_sums), "sums are two words");

/* Neighbours go to different sums: those of one cell would wait for each other. */
static void window_sums(const uint8_t *restrict cell, const uint16_t *restrict orders, const int32_t *restrict net,
                        const uint16_t *restrict age, size_t n, struct pat_kernel_sums *restrict sums) {
    for (size_t first = 0; first < n; first += WINDOW_STEP) {
        const size_t here = n - first < WINDOW_STEP ? n - first : WINDOW_STEP;
        struct window_step step;
        uint64_t value[2 * WINDOW_STEP];
        window_step(&step, orders + first, net + first, age + first, here);
        for (size_t i = 0; i < WINDOW_STEP; i++) {
            value[2 * i] = (uint64_t)(int64_t)step.net[i] * 65536 + 1;
            value[2 * i + 1] = (uint64_t)step.age[i] << 32 | step.orders[i];
        }
        for (size_t i = 0; i < here; i++) {
            struct pat_kernel_sums *const to = &sums[i % PAT_WINDOW_TURNS * PAT_WINDOW_CELLS + cell[first + i]];
            window_pair more, sum;
            memcpy(&more, &value[2 * i], sizeof more);
            memcpy(&sum, to, sizeof sum);
            sum += more;
            memcpy(to, &sum, sizeof sum);
        }
    }
}

#define PAT_WINDOW_KERNELS                                                                                             \
    .window_pack = window_pack, .window_hits = window_hits, .window_cells = window_cells, .window_sums = window_sums

#endif
