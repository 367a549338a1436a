/* Batches applied together, parts of them by several threads, against the same batches one after the other: the same
 * outcomes, the same columns; views that are open meanwhile do not change. */
#include "../crew.h"
#include "makers.h"

#include "same.h"

#define BATCHES_MAX 12u

/* Batches that wait; each with the arena that it lives in. */
struct waiting {
    const struct pat_batch *batch[BATCHES_MAX];
    struct pat_arena arena[BATCHES_MAX];
    struct pat_batch_outcome outcome[BATCHES_MAX]; /* of applying them one by one */
    unsigned count;
};

/* The next new orders: with the fields that `style` says, so that neighbours go together, and now and then an order
 * that is there. */
static void make_new_orders(struct maker *maker, unsigned style, int64_t *next) {
    struct pat_value order = pat_build_array(maker->builder, maker->rows);
    const bool patches = chance(20);
    for (unsigned i = 0; i < maker->rows; i++) {
        const bool known = patches && chance(5) && *next > 1;
        const int64_t id = known ? (int64_t)below((unsigned)*next) : (*next)++;
        pat_build_push(maker->builder, &order,
                       id % 3 == 0 ? pat_build_printf(maker->builder, "o-%lld", (long long)id) : pat_value_int(id));
    }
    pat_build_put(maker->builder, &maker->columns, "order", order);
    ids(maker, "customer", 30, 1);
    times(maker, 1);
    column(maker, "amount", amounts, 5, 1);
    column(maker, "currency", currencies, 5, 0);
    if ((style & 1) != 0) column(maker, "country", countries, 4, 0);
    if ((style & 2) != 0) numbers(maker, "cancelled", 19000, 80, 60);
    if ((style & 4) != 0) numbers(maker, "paid", INT64_C(19000) * 86400000, 2000000000, 40);
    if ((style & 8) != 0) column(maker, "test", flags, 3, 0);
    if ((style & 16) != 0) column(maker, "deleted", flags, 3, 0);
    if ((style & 32) != 0) numbers(maker, "version", 1, 6, 30);
}

static bool load_new_orders(struct shop *shop, unsigned rows, unsigned style, int64_t *next) {
    pat_arena_deinit(&shop->arena);
    struct pat_builder builder = {.arena = &shop->arena};
    struct maker maker = {.builder = &builder, .rows = rows, .columns = pat_build_map(&builder, 16)};
    make_new_orders(&maker, style, next);
    shop->skip = true;
    struct pat_load sent = shop_load(shop, &maker.columns, PAT_ORDERS);
    assert_int_equal(shop_take(shop, &sent), PAT_OK);
    return true;
}

/* Takes the last load over, arena and all. */
static void keep(struct waiting *waiting, struct shop *shop) {
    waiting->batch[waiting->count] = shop->batch;
    waiting->outcome[waiting->count] = shop->outcome;
    waiting->arena[waiting->count++] = shop->arena;
    pat_arena_init(&shop->arena, 0);
}

static void apply_waiting(struct waiting *waiting, struct pat_store *store) {
    struct pat_batch_outcome outcome[BATCHES_MAX];
    memset(outcome, 0xff, sizeof outcome);
    pat_ingest_apply_all(store, waiting->batch, waiting->count, outcome, &crew.spread);
    for (unsigned i = 0; i < waiting->count; i++) {
        assert_memory_equal(&outcome[i], &waiting->outcome[i], sizeof outcome[i]);
        pat_arena_deinit(&waiting->arena[i]);
    }
    waiting->count = 0;
}

/* All at once, or step by step; a view that is open does not change between two steps. */
static void settle(struct pat_store *store, const struct pat_view *view, struct pat_digest digest) {
    if (chance(50)) {
        pat_ingest_settle(store, &crew.spread);
        return;
    }
    while (pat_ingest_settle_some(store, chance(50) ? &crew.spread : NULL)) {
        if (view != NULL && chance(20)) assert_true(pat_digest_equal(digest, view_digest(view)));
    }
}

struct size {
    unsigned spread, rows, rounds;
};

static void batches_go_together(void **state) {
    const struct size *size = *state;
    spread = size->spread;
    seed_choose("batches_go_together");
    struct shop shop;
    struct waiting waiting = {.count = 0};
    struct pat_store *together = NULL;
    struct pat_view *view = NULL;
    struct pat_digest digest = {0, 0};
    int64_t next = 1;
    shop_open(&shop, "America/St_Johns", "EUR");
    const struct pat_store_options options = {
        .zone = shop.zone, .base_currency = "EUR", .entropy = "other", .entropy_bytes = 5};
    assert_int_equal(pat_store_open(&together, &options, NULL), PAT_OK);
    for (unsigned round = 0; round < size->rounds; round++) {
        const unsigned style = below(64), count = 1 + below(BATCHES_MAX);
        while (waiting.count < count) {
            const bool taken =
                chance(70) ? load_new_orders(&shop, below(size->rows), style, &next) : random_load(&shop);
            if (taken) keep(&waiting, &shop);
        }
        apply_waiting(&waiting, together);
        if (view != NULL && !chance(50)) { /* orders may wait now, or be half folded */
            if (chance(30)) (void)pat_ingest_settle_some(together, &crew.spread);
            continue;
        }
        const size_t may = pat_mem_used_total() + pat_ingest_waiting_bytes(together);
        settle(together, view, digest);
        assert_true(pat_mem_used_total() <= may);
        assert_int_equal(together->orders_waiting, 0);
        check_store(together);
        if (view != NULL) assert_true(pat_digest_equal(digest, view_digest(view)));
        pat_view_close(&view);
        assert_int_equal(pat_view_open(&view, together), PAT_OK);
        digest = view_digest(view);
    }
    assert_true(pat_digest_equal(digest, view_digest(view)));
    pat_view_close(&view);
    pat_ingest_settle(together, NULL);
    check_same(shop.store, together);
    assert_int_equal(together->pins.retired_count, 0);
    pat_store_close(&together);
    shop_close(&shop);
}

int main(void) {
    struct size few = {1, 8, 150}, some = {9, 200, 60}, many = {900, 14000, 3};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(batches_go_together, &few),
        cmocka_unit_test_prestate(batches_go_together, &some),
        cmocka_unit_test_prestate(batches_go_together, &many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
