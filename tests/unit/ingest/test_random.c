/* Random loads of every kind over few ids, so that everything meets everything: after each the counters and the kept
 * aggregates equal a recount, views that were opened on the way do not change, and a second store that takes the same
 * batches without any view ends with the same columns. */
#include "makers.h"

#include "same.h"

#include "base/buf.h"

#define VIEWS 6

struct watched {
    struct pat_view *view;
    struct pat_digest digest;
};

static void watch(struct watched *watched, struct pat_store *store) {
    unsigned at = below(VIEWS);
    if (watched[at].view != NULL) {
        assert_true(pat_digest_equal(watched[at].digest, view_digest(watched[at].view)));
        pat_view_close(&watched[at].view);
        return;
    }
    assert_int_equal(pat_view_open(&watched[at].view, store), PAT_OK);
    watched[at].digest = view_digest(watched[at].view);
}

/* Values of `spread` and how many loads. */
struct size {
    unsigned spread, steps;
};

static void random_loads(void **state) {
    const struct size *size = *state;
    spread = size->spread;
    seed_choose("random_loads");
    struct shop shop;
    shop_open(&shop, "America/St_Johns", "EUR");
    struct pat_store *twin = NULL;
    struct pat_store_options options = {
        .zone = shop.zone, .base_currency = "EUR", .entropy = "other", .entropy_bytes = 5};
    assert_int_equal(pat_store_open(&twin, &options, NULL), PAT_OK);
    struct watched watched[VIEWS] = {{0}};
    unsigned taken = 0;
    for (unsigned step = 0; step < size->steps; step++) {
        if (chance(30)) watch(watched, shop.store);
        if (random_load(&shop)) {
            struct pat_batch_outcome outcome;
            pat_ingest_apply(twin, shop.batch, twin->lsn + 1, &outcome);
            assert_memory_equal(&outcome, &shop.outcome, sizeof outcome);
            taken++;
        }
        check_store(shop.store);
    }
    assert_true(taken > size->steps / 2);
    assert_true(shop.store->counts.orders > 0 && shop.store->counts.refunds > 0 && shop.store->counts.lines > 0 &&
                shop.store->counts.fx > 0);
    check_same(shop.store, twin);
    for (unsigned i = 0; i < VIEWS; i++) {
        if (watched[i].view == NULL) continue;
        assert_true(pat_digest_equal(watched[i].digest, view_digest(watched[i].view)));
        pat_view_close(&watched[i].view);
    }
    assert_int_equal(shop.store->pins.retired_count, 0);
    pat_store_close(&twin);
    shop_close(&shop);
}

int main(void) {
    struct size few = {1, 1200}, some = {9, 120}, many = {70, 60};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(random_loads, &few),  cmocka_unit_test_prestate(random_loads, &few),
        cmocka_unit_test_prestate(random_loads, &few),  cmocka_unit_test_prestate(random_loads, &some),
        cmocka_unit_test_prestate(random_loads, &many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
