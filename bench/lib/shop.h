/* The shop that is measured: every row a pure function of seed and number, so that the naive loops, the batches and the
 * CSV file see the same one and nothing need be kept.
 *
 * Three years of orders in the order of their time, one currency, 40 countries. One customer in 16 buys some seventy
 * times as a mean, every second one twice (at ten orders a customer). 3 in 100 orders are cancelled, 6 in 100 refunded
 * in part. */
#ifndef PAT_BENCH_SHOP_H
#define PAT_BENCH_SHOP_H

#include "model/types.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

#define BENCH_COUNTRIES 40u
/* 2022-01-01 and 2024-12-31. */
#define BENCH_FIRST_DAY     ((pat_day)18993)
#define BENCH_LAST_DAY      ((pat_day)20088)
#define BENCH_LAST_DAY_TEXT "2024-12-31"
/* A clock for loads in this process; a server has its own. */
#define BENCH_NOW_MS ((int64_t)(BENCH_LAST_DAY + 1) * 86400000)

struct bench_shop {
    uint64_t seed;
    uint32_t customers; /* a multiple of 16 */
    uint64_t orders;
};

extern const char *const bench_country[BENCH_COUNTRIES];

/* Customers are numbered from 0; their ids are these numbers, in decimal. */
struct bench_customer {
    pat_day created;
    unsigned country;
};
struct bench_customer bench_shop_customer(const struct bench_shop *shop, uint32_t customer);

struct bench_order {
    uint32_t customer;
    pat_day day;
    int64_t time_ms;
    pat_minor amount;
    pat_day cancelled;  /* PAT_DAY_NONE: never */
    pat_day refund_day; /* PAT_DAY_NONE: no refund; else its id is the order's */
    pat_minor refund;
};
struct bench_order bench_shop_order(const struct bench_shop *shop, uint64_t order);

/* Another number for each (seed, stream, i). */
uint64_t bench_random(uint64_t seed, unsigned stream, uint64_t i);

/* Columns of a load, fixed-width as a program sends them: rows first .. first + rows - 1; of orders, those of these
 * rows that have a refund (*refunds of them). *bytes (may be NULL) gets those of all columns. */
struct pat_value bench_columns_customers(const struct bench_shop *shop, uint64_t first, uint32_t rows,
                                         struct pat_arena *arena, uint64_t *bytes);
struct pat_value bench_columns_orders(const struct bench_shop *shop, uint64_t first, uint32_t rows,
                                      struct pat_arena *arena, uint64_t *bytes);
struct pat_value bench_columns_refunds(const struct bench_shop *shop, uint64_t first, uint32_t rows,
                                       struct pat_arena *arena, uint32_t *refunds, uint64_t *bytes);

#endif
