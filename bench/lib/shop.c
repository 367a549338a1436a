#include "lib/shop.h"

#include "lib/options.h"

#include <string.h>

#define DAYS  ((uint64_t)(BENCH_LAST_DAY - BENCH_FIRST_DAY + 1))
#define DAY_S UINT64_C(86400)

const char *const bench_country[BENCH_COUNTRIES] = {"US", "CN", "JP", "DE", "GB", "IN", "FR", "IT", "BR", "CA",
                                                    "KR", "RU", "AU", "ES", "MX", "ID", "NL", "SA", "TR", "CH",
                                                    "PL", "AR", "SE", "BE", "TH", "IE", "AT", "NG", "IL", "NO",
                                                    "ZA", "PH", "SG", "MY", "DK", "VN", "CL", "CO", "FI", "PT"};

/* Share of the orders that each of 16 neighbours gets: their sum is 88. */
static const unsigned weight[16] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 6, 6, 20, 40};
#define WEIGHTS 88u

uint64_t bench_random(uint64_t seed, unsigned stream, uint64_t i) {
    uint64_t z = seed * UINT64_C(0x9E3779B97F4A7C15) + (i * 8 + stream) * UINT64_C(0xD1B54A32D192ED03);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

struct bench_customer bench_shop_customer(const struct bench_shop *shop, uint32_t customer) {
    const uint64_t random = bench_random(shop->seed, 0, customer);
    const unsigned a = (unsigned)(random % BENCH_COUNTRIES), b = (unsigned)((random >> 16) % BENCH_COUNTRIES);
    return (struct bench_customer){.created = BENCH_FIRST_DAY + (pat_day)((random >> 32) % DAYS),
                                   .country = a < b ? a : b};
}

static uint32_t customer_of(const struct bench_shop *shop, uint64_t random) {
    unsigned ticket = (unsigned)(random % WEIGHTS), slot = 0;
    while (ticket >= weight[slot]) ticket -= weight[slot++];
    return (uint32_t)((random >> 16) % (shop->customers / 16) * 16 + slot);
}

struct bench_order bench_shop_order(const struct bench_shop *shop, uint64_t order) {
    const uint64_t who = bench_random(shop->seed, 1, order), what = bench_random(shop->seed, 2, order);
    const uint64_t second = order * (DAYS * DAY_S - 1) / shop->orders;
    struct bench_order out = {.customer = customer_of(shop, who),
                              .day = BENCH_FIRST_DAY + (pat_day)(second / DAY_S),
                              .time_ms = (int64_t)(((uint64_t)BENCH_FIRST_DAY * DAY_S + second) * 1000),
                              .amount = (pat_minor)(99 + what % 150 * (what >> 8 & 127)),
                              .cancelled = PAT_DAY_NONE,
                              .refund_day = PAT_DAY_NONE};
    const unsigned fate = (unsigned)(what >> 16) % 100, later = (unsigned)(what >> 32) % 20;
    if (fate < 3 && out.day + (pat_day)later <= BENCH_LAST_DAY) out.cancelled = out.day + (pat_day)later;
    if (fate < 2 || fate > 95) { /* some of both */
        out.refund_day = out.day + (pat_day)(later * 2);
        if (out.refund_day > BENCH_LAST_DAY) out.refund_day = BENCH_LAST_DAY;
        out.refund = out.amount / (1 + (pat_minor)(what >> 48 & 1));
    }
    return out;
}

/* ---- columns ------------------------------------------------------------------------------------------------------
 */

struct columns {
    struct pat_builder builder;
    struct pat_value map;
    uint64_t bytes;
};

static void *take(struct columns *columns, size_t count, size_t size) {
    void *data = pat_arena_array(columns->builder.arena, count, size);
    bench_must(data != NULL, "no memory for a batch");
    columns->bytes += count * size;
    return data;
}

static struct pat_value bin_of(const void *data, size_t count, size_t size) {
    return (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)(count * size), .as.bin = data};
}

static void put(struct columns *columns, const char *field, struct pat_value value) {
    pat_build_put(&columns->builder, &columns->map, field, value);
    bench_must(!columns->builder.failed, "no memory for a batch");
}

static int64_t *put_i64(struct columns *columns, const char *field, uint32_t rows) {
    int64_t *values = take(columns, rows, sizeof *values);
    put(columns, field, bin_of(values, rows, sizeof *values));
    return values;
}

static unsigned char *put_dict(struct columns *columns, const char *field, const char *const *words, unsigned count,
                               uint32_t rows) {
    struct pat_value map = pat_build_map(&columns->builder, 2), dict = pat_build_array(&columns->builder, count);
    for (unsigned i = 0; i < count; i++) pat_build_push(&columns->builder, &dict, pat_value_string(words[i]));
    unsigned char *codes = take(columns, rows, 1);
    pat_build_put(&columns->builder, &map, "dict", dict);
    pat_build_put(&columns->builder, &map, "codes", bin_of(codes, rows, 1));
    put(columns, field, map);
    return codes;
}

static void put_currency(struct columns *columns, uint32_t rows) {
    static const char *const currency[] = {"USD"};
    (void)put_dict(columns, "currency", currency, 1, rows); /* codes are zero already */
}

static struct columns columns_make(struct pat_arena *arena) {
    struct columns columns = {.builder = {.arena = arena}};
    columns.map = pat_build_map(&columns.builder, 8);
    return columns;
}

static struct pat_value columns_done(const struct columns *columns, uint64_t *bytes) {
    if (bytes != NULL) *bytes = columns->bytes;
    return columns->map;
}

struct pat_value bench_columns_customers(const struct bench_shop *shop, uint64_t first, uint32_t rows,
                                         struct pat_arena *arena, uint64_t *bytes) {
    struct columns columns = columns_make(arena);
    int64_t *customer = put_i64(&columns, "customer", rows);
    int32_t *created = take(&columns, rows, sizeof *created);
    put(&columns, "created", bin_of(created, rows, sizeof *created));
    unsigned char *country = put_dict(&columns, "country", bench_country, BENCH_COUNTRIES, rows);
    for (uint32_t i = 0; i < rows; i++) {
        const struct bench_customer of = bench_shop_customer(shop, (uint32_t)(first + i));
        customer[i] = (int64_t)(first + i);
        created[i] = of.created;
        country[i] = (unsigned char)of.country;
    }
    return columns_done(&columns, bytes);
}

static struct pat_value with_nulls(struct columns *columns, const int32_t *values, const unsigned char *nulls,
                                   uint32_t rows) {
    struct pat_value map = pat_build_map(&columns->builder, 2);
    pat_build_put(&columns->builder, &map, "bin", bin_of(values, rows, sizeof *values));
    pat_build_put(&columns->builder, &map, "nulls", bin_of(nulls, (rows + 7) / 8, 1));
    return map;
}

struct pat_value bench_columns_orders(const struct bench_shop *shop, uint64_t first, uint32_t rows,
                                      struct pat_arena *arena, uint64_t *bytes) {
    struct columns columns = columns_make(arena);
    int64_t *order = put_i64(&columns, "order", rows), *customer = put_i64(&columns, "customer", rows);
    int64_t *time = put_i64(&columns, "time", rows), *amount = put_i64(&columns, "amount_minor", rows);
    int32_t *cancelled = take(&columns, rows, sizeof *cancelled);
    unsigned char *nulls = take(&columns, (rows + 7) / 8, 1);
    put(&columns, "cancelled", with_nulls(&columns, cancelled, nulls, rows));
    put_currency(&columns, rows);
    for (uint32_t i = 0; i < rows; i++) {
        const struct bench_order of = bench_shop_order(shop, first + i);
        order[i] = (int64_t)(first + i);
        customer[i] = of.customer;
        time[i] = of.time_ms;
        amount[i] = of.amount;
        cancelled[i] = of.cancelled;
        if (of.cancelled == PAT_DAY_NONE) nulls[i / 8] = (unsigned char)(nulls[i / 8] | 1u << i % 8);
    }
    return columns_done(&columns, bytes);
}

struct pat_value bench_columns_refunds(const struct bench_shop *shop, uint64_t first, uint32_t rows,
                                       struct pat_arena *arena, uint32_t *refunds, uint64_t *bytes) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows; i++) count += bench_shop_order(shop, first + i).refund_day != PAT_DAY_NONE;
    struct columns columns = columns_make(arena);
    int64_t *refund = put_i64(&columns, "refund", count), *order = put_i64(&columns, "order", count);
    int64_t *time = put_i64(&columns, "time", count), *amount = put_i64(&columns, "amount_minor", count);
    put_currency(&columns, count);
    for (uint32_t i = 0, at = 0; i < rows; i++) {
        const struct bench_order of = bench_shop_order(shop, first + i);
        if (of.refund_day == PAT_DAY_NONE) continue;
        refund[at] = order[at] = (int64_t)(first + i);
        time[at] = (int64_t)of.refund_day * 86400000;
        amount[at++] = of.refund;
    }
    *refunds = count;
    return columns_done(&columns, bytes);
}
