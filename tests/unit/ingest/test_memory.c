/* Memory that runs out at any place before the journal is an answer: nothing taken, nothing leaked. */
#include "kit.h"

/* Texts, ids and sets in forms that each need memory of their own, rejected rows among them. */
static const char *const texts[] = {
    "customers {customer: ['a', 5, 18446744073709551615, -7, 'e', []], country: ['DE', 49, null, 'FR', 'IT', 'ES'], "
    "tags: ['x,y', ['z'], "
    "[], null, 'q|r', ['w']]}",
    "orders {order: {dict: ['a', 'b', 'c'], codes: u8(0, 1, 2)}, customer: ['k', 'l', 'm'], time: [0, 'x', 0], amount: "
    "['1.50', 2, "
    "'1.505'], currency: ['EUR', 'USD', 'EUR'], country: {dict: ['DE', 'FR'], codes: u8(0, 1, 0)}}",
    "lines {order: ['a', 'b', 'a', 'c'], customer: ['k', 'l', 'k', 'm'], time: [0, 0, 0, 0], currency: ['EUR', 'USD', "
    "'USD', 'EUR'], "
    "product: ['p', 'q', 'r', 's'], quantity: [1, 2, 3, 0], price: [1, 2, 3, 4]}",
    "refunds {refund: ['r', 's'], order: ['a', 'b'], time: ['2024-01-01', '2025-01-01'], amount: [1, 2], currency: "
    "['EUR', 'EURO']}",
    "fx {day: ['2024-01-01', 'x', 19000], currency: ['USD', 'USD', 'EUR'], rate: ['1.5', 1, 1], per: ['base', 'unit', "
    "'x']}",
};

/* `filled` bytes of the arena are gone already, so that its blocks end in other places. */
static enum pat_status take(struct shop *shop, const struct pat_value *columns, enum pat_table_id table, size_t filled,
                            uint64_t fail_at) {
    struct pat_load sent = shop_load(shop, columns, table);
    size_t used = pat_mem_used_total();
    pat_lsn lsn = shop->store->lsn;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    assert_non_null(pat_arena_alloc(&arena, filled));
    struct pat_batch *batch = NULL;
    (void)pat_mem_fail_at(fail_at);
    enum pat_status status =
        pat_ingest_prepare(&batch, &sent, shop->zone, &shop->store->secret, NOW_MS, &arena, &shop->error);
    if (status == PAT_OK) status = pat_ingest_validate(batch, &sent, shop->store, true, &shop->error);
    (void)pat_mem_fail_at(0);
    if (status == PAT_OK) pat_ingest_apply(shop->store, batch, lsn + 1, &shop->outcome);
    pat_arena_deinit(&arena);
    if (status != PAT_OK) {
        assert_int_equal(pat_mem_used_total(), used);
        assert_true(shop->store->lsn == lsn);
        assert_int_equal(shop->error.status, status);
        assert_true(shop->error.message[0] != '\0');
    }
    check_store(shop->store);
    return status;
}

static void at_every_allocation_of(const char *text, bool skip, size_t filled) {
    struct shop shop;
    shop_open(&shop, "UTC", "EUR");
    shop.skip = skip;
    size_t name = strcspn(text, " ");
    enum pat_table_id table = (enum pat_table_id)pat_table_find((struct pat_text){text, name});
    struct spell spell = {.at = text + name, .builder = {.arena = &shop.arena}};
    struct pat_value columns = spell_value(&spell);
    enum pat_status status = PAT_ERR_NO_MEMORY;
    for (uint64_t n = 1; status == PAT_ERR_NO_MEMORY; n++) {
        assert_true(n < 1000);
        status = take(&shop, &columns, table, filled, n);
    }
    assert_int_equal(status, skip ? PAT_OK : PAT_ERR_BAD_REQUEST);
    shop_close(&shop);
}

static void at_every_allocation(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t filled = 1; filled < 4096; filled += 48) at_every_allocation_of(texts[i], filled % 5 != 0, filled);
    }
}

/* The same by the arena's own limit, byte by byte nearer to enough. */
static void at_every_size_of_the_arena(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct shop shop;
        shop_open(&shop, "UTC", "EUR");
        size_t name = strcspn(texts[i], " ");
        struct spell spell = {.at = texts[i] + name, .builder = {.arena = &shop.arena}};
        struct pat_value columns = spell_value(&spell);
        struct pat_load sent =
            shop_load(&shop, &columns, (enum pat_table_id)pat_table_find((struct pat_text){texts[i], name}));
        sent.skip_bad = true;
        enum pat_status status = PAT_ERR_NO_MEMORY;
        for (size_t bytes = 64; status != PAT_OK; bytes += 64) {
            assert_true(bytes < 1 << 20);
            struct pat_arena arena;
            pat_arena_init(&arena, bytes);
            struct pat_batch *batch = NULL;
            status = pat_ingest_prepare(&batch, &sent, shop.zone, &shop.store->secret, NOW_MS, &arena, &shop.error);
            if (status == PAT_OK) status = pat_ingest_validate(batch, &sent, shop.store, true, &shop.error);
            assert_true(status == PAT_OK || status == PAT_ERR_NO_MEMORY);
            pat_arena_deinit(&arena);
        }
        shop_close(&shop);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(at_every_allocation),
                                       cmocka_unit_test(at_every_size_of_the_arena)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
