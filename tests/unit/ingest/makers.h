/* Random loads of every kind over few ids, so that everything meets everything. */
#ifndef PAT_TESTS_INGEST_MAKERS_H
#define PAT_TESTS_INGEST_MAKERS_H

#include "kit.h"

#include "base/clock.h"

#include <inttypes.h>

static uint64_t seed;

/* PATRON_SEED repeats a run. */
static void seed_choose(const char *test) {
    const char *given = getenv("PATRON_SEED");
    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
    } else {
        pat_entropy(&seed, sizeof seed);
    }
    print_message("%s: PATRON_SEED=%" PRIu64 "\n", test, seed);
}

static uint64_t next_random(void) {
    seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static unsigned below(unsigned limit) {
    return (unsigned)(next_random() % limit);
}
static bool chance(unsigned percent) {
    return below(100) < percent;
}

/* ---- random loads
 * ---------------------------------------------------------------------------------------------------------- */

/* Of ids, days and rows: 1 lets everything meet everything, more makes batches of many rows. */
static unsigned spread = 1;

struct maker {
    struct pat_builder *builder;
    unsigned rows;
    struct pat_value columns;
};

/* A column of words from a list; '?' gives null, and so do `nulls` percent. */
static void column(struct maker *maker, const char *name, const char *const *words, unsigned count, unsigned nulls) {
    struct pat_value array = pat_build_array(maker->builder, maker->rows);
    for (unsigned i = 0; i < maker->rows; i++) {
        const char *word = words[below(count)];
        bool null = chance(nulls) || word[0] == '?';
        pat_build_push(maker->builder, &array, null ? pat_value_nil() : pat_value_string(word));
    }
    pat_build_put(maker->builder, &maker->columns, name, array);
}

static void numbers(struct maker *maker, const char *name, int64_t low, unsigned span, unsigned nulls) {
    struct pat_value array = pat_build_array(maker->builder, maker->rows);
    for (unsigned i = 0; i < maker->rows; i++) {
        int64_t value = low + (int64_t)below(span);
        pat_build_push(maker->builder, &array, chance(nulls) ? pat_value_nil() : pat_value_int(value));
    }
    pat_build_put(maker->builder, &maker->columns, name, array);
}

static void ids(struct maker *maker, const char *name, unsigned span, unsigned nulls) {
    struct pat_value array = pat_build_array(maker->builder, maker->rows);
    for (unsigned i = 0; i < maker->rows; i++) {
        unsigned id = below(span * spread);
        struct pat_value value = id % 2 == 0 ? pat_value_int(id) : pat_build_printf(maker->builder, "id-%u", id);
        pat_build_push(maker->builder, &array, chance(nulls) ? pat_value_nil() : value);
    }
    pat_build_put(maker->builder, &maker->columns, name, array);
}

static const char *const flags[] = {"true", "false", "?"};
static const char *const currencies[] = {"EUR", "EUR", "EUR", "USD", "JPY"};
static const char *const countries[] = {"DE", "FR", "IT", "?"};
static const char *const quantities[] = {"1", "2", "-1", "-3", "0.5", "0", "7"};
static const char *const prices[] = {"1", "2.5", "0.01", "0.005", "100", "-1"};
static const char *const products[] = {"p1", "p2", "p3"};
static const char *const amounts[] = {"1", "2", "30", "500", "7", "-1", "1.5"};

static const char *const foreign[] = {"USD", "JPY", "USD", "EUR"};
static const char *const rates[] = {"1.25", "0.5", "160.33", "0.0061", "7", "-1", "0.999999999999999"};
static const char *const pers[] = {"unit", "base", "?", "euro"};

static void times(struct maker *maker, unsigned nulls) {
    struct pat_value array = pat_build_array(maker->builder, maker->rows);
    for (unsigned i = 0; i < maker->rows; i++) {
        int64_t ms = (INT64_C(19000) + below(60 * spread)) * 86400000 + below(86400000);
        pat_build_push(maker->builder, &array, chance(nulls) ? pat_value_nil() : pat_value_int(ms));
    }
    pat_build_put(maker->builder, &maker->columns, "time", array);
}

static void common(struct maker *maker) {
    if (chance(25)) numbers(maker, "version", 1, 6, 30);
    if (chance(25)) column(maker, "deleted", flags, 3, 0);
    if (chance(50)) column(maker, "country", countries, 4, 0);
}

static void make_customers(struct maker *maker) {
    ids(maker, "customer", 30, 1);
    common(maker);
    if (chance(50)) numbers(maker, "birth_year", 1950, 50, 20);
}

static void make_orders(struct maker *maker) {
    bool whole = chance(60);
    ids(maker, "order", 60, 1);
    if (whole || chance(30)) ids(maker, "customer", 30, 1);
    if (whole || chance(30)) times(maker, 1);
    if (whole || chance(30)) column(maker, "amount", amounts, 7, 1);
    if (whole || chance(20)) column(maker, "currency", currencies, 5, 1);
    common(maker);
    if (chance(30)) numbers(maker, "cancelled", 19000, 80, 60);
    if (chance(20)) column(maker, "test", flags, 3, 0);
    if (chance(20)) numbers(maker, "paid", INT64_C(19000) * 86400000, 2000000000, 40);
}

static void make_refunds(struct maker *maker) {
    bool whole = chance(60);
    ids(maker, "refund", 60, 1);
    if (whole || chance(40)) ids(maker, "order", 80, 20);
    if (chance(50)) ids(maker, "customer", 30, 20);
    if (whole || chance(30)) times(maker, 1);
    if (whole || chance(30)) column(maker, "amount", amounts, 7, 1);
    if (whole || chance(20)) column(maker, "currency", currencies, 5, 1);
    if (chance(25)) numbers(maker, "version", 1, 6, 30);
    if (chance(25)) column(maker, "deleted", flags, 3, 0);
}

static void make_lines(struct maker *maker) {
    bool whole = chance(80);
    ids(maker, "order", 60, 1);
    if (whole) ids(maker, "customer", 30, 1);
    if (whole) times(maker, 1);
    if (whole) column(maker, "currency", currencies, 3, 0);
    if (whole || chance(50)) column(maker, "product", products, 3, 1);
    if (whole || chance(50)) column(maker, "quantity", quantities, 7, 1);
    if (whole || chance(50)) column(maker, "price", prices, 6, 1);
    if (chance(50)) numbers(maker, "line", 1, 6, 0);
    common(maker);
}

static void make_fx(struct maker *maker) {
    bool whole = chance(80);
    numbers(maker, "day", 18980, 100, 1);
    column(maker, "currency", foreign, 4, 1);
    if (whole) column(maker, "rate", rates, 7, 1);
    if (chance(40)) column(maker, "per", pers, 4, 0);
    if (chance(25)) numbers(maker, "version", 1, 6, 30);
    if (chance(30)) column(maker, "deleted", flags, 3, 0);
}

/* One random load; true when it was taken, its batch and outcome are in the shop. */
static bool random_load(struct shop *shop) {
    static void (*const makers[])(struct maker *) = {make_customers, make_orders, make_lines, make_refunds, make_fx};
    pat_arena_deinit(&shop->arena);
    struct pat_builder builder = {.arena = &shop->arena};
    enum pat_table_id table = (enum pat_table_id)below(PAT_TABLES);
    struct maker maker = {.builder = &builder, .rows = below(12 * spread), .columns = pat_build_map(&builder, 16)};
    makers[table](&maker);
    shop->skip = chance(90);
    shop->append = table == PAT_LINES && chance(30);
    struct pat_load sent = shop_load(shop, &maker.columns, table);
    enum pat_status status = shop_take(shop, &sent);
    assert_true(status == PAT_OK || status == PAT_ERR_BAD_REQUEST);
    return status == PAT_OK;
}

#endif
