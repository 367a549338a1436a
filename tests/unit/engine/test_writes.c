/* What is written: answers to loads, groups of them, what a restart brings back, what happens without memory. */
#include "world.h"

#include "persist/persist_private.h"

/* ---- loads ------------------------------------------------------------------------------------------------------- */

static void an_answer_has_the_counts(void **state) {
    (void)state;
    struct call call;
    call_run(&call, "load.orders {producer: 'p', seq: 2, on_error: 'skip', columns: {order: [1, 'two', 3], customer: "
                    "['a', 5, 'b'], time: "
                    "['2024-01-05', '2024-01-06', 'never'], amount: ['1.50', 2, 3], currency: ['EUR', 'USD', 'EUR']}}");
    assert_true(call.ok);
    assert_int_equal(number(&call.result, "lsn"), 1);
    assert_int_equal(number(&call.result, "rows"), 3);
    assert_int_equal(number(&call.result, "new"), 2);
    assert_int_equal(number(&call.result, "rejected"), 1);
    const struct pat_value *errors = pat_value_get(&call.result, "errors");
    assert_int_equal(errors->count, 1);
    assert_int_equal(number(&errors->as.items[0], "row"), 2);
    assert_true(pat_value_is_text(pat_value_get(&errors->as.items[0], "code"), "BAD_TIME"));
    assert_true(pat_value_is_text(pat_value_get(&errors->as.items[0], "field"), "time"));
    assert_true(pat_value_is_text(pat_value_get(&call.result, "sync"), "never"));
    assert_true(atomic_load(&world.wakes) > 0);
    call_free(&call);
    check_store();
}

static void a_refused_batch_does_not_use_up_its_seq(void **state) {
    (void)state;
    refused("load.orders {producer: 'p', seq: 1, columns: {order: [1], amount: [5]}}", PAT_ERR_BAD_REQUEST, "row 0");
    refused("load.orders {producer: 'p', seq: 1, columns: {order: [1], amount: [5]}}", PAT_ERR_BAD_REQUEST, "row 0");
    assert_int_equal(load_order("p", 1, 1), 1);
}

static const char repeated[] =
    "load.orders {producer: 'r', seq: 7, on_error: 'skip', columns: {order: [100, 101], customer: [1, []], "
    "time: [0, 0], amount: [1, 1], currency: ['EUR', 'EUR']}}";

/* The pair again: the first answer, also after restarts from the journal and from a snapshot; with other content a
 * conflict. */
static void repeated_pairs(void **state) {
    (void)state;
    struct call first, again;
    call_run(&first, repeated);
    assert_true(first.ok);
    call_run(&again, repeated);
    assert_true(again.ok);
    assert_true(same_value(&first.result, &again.result));
    int64_t lsn = number(&first.result, "lsn");
    call_free(&first);
    call_free(&again);
    for (int round = 0; round < 4; round++) {
        world_close(&world, round == 1);
        world_open(&world);
        call_run(&again, repeated);
        assert_true(again.ok);
        assert_int_equal(number(&again.result, "lsn"), lsn);
        assert_int_equal(number(&again.result, "new"), 1);
        assert_int_equal(number(&again.result, "rejected"), 1);
        const struct pat_value *errors = pat_value_get(&again.result, "errors");
        assert_int_equal(errors->count, 1);
        assert_true(pat_value_is_text(pat_value_get(&errors->as.items[0], "code"), "BAD_TYPE"));
        call_free(&again);
        refused("load.customers {producer: 'r', seq: 7, columns: {customer: [100]}}", PAT_ERR_CONFLICT,
                "other content");
    }
    assert_int_equal(world.engine->store->counts.orders, 1);
}

static void answers_too_old_are_short(void **state) {
    (void)state;
    for (unsigned seq = 0; seq < PAT_PRODUCER_ANSWERS + 5; seq++) (void)load_order("p", seq, seq);
    struct call call;
    char text[300];
    order_text(text, sizeof text, "p", 2, 2);
    call_run(&call, text);
    assert_true(call.ok);
    assert_true(pat_value_get(&call.result, "repeated")->as.boolean);
    assert_int_equal(call.result.count, 2);
    call_free(&call);
    assert_int_equal(world.engine->store->counts.orders, PAT_PRODUCER_ANSWERS + 5);
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

#define MANY 400u

static void many_tickets_at_once(void **state) {
    (void)state;
    struct call *calls = calloc(MANY, sizeof *calls);
    char text[300];
    for (unsigned i = 0; i < MANY; i++) {
        /* Every third leans on the one before it, every tenth is a pair that is already on its way, some are bad. */
        if (i % 3 == 1) {
            (void)snprintf(text, sizeof text,
                           "load.orders {producer: 'p', seq: %u, columns: {order: [%u], country: ['DE']}}", i, i - 1);
        } else if (i % 10 == 9) {
            order_text(text, sizeof text, "p", i - i % 3, i - i % 3);
        } else if (i % 17 == 5) {
            (void)snprintf(text, sizeof text,
                           "load.orders {producer: 'p', seq: %u, columns: {order: ['none'], country: ['DE']}}", i);
        } else {
            order_text(text, sizeof text, "p", i, i);
        }
        call_make(&calls[i], text);
    }
    for (unsigned i = 0; i < MANY; i++) submit(&calls[i]);
    assert_true(pat_engine_queued(world.engine) > 0);
    turn_until_idle();
    assert_int_equal(pat_engine_queued(world.engine), 0);
    int64_t last = 0;
    unsigned place = 0; /* of the answer to it */
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(calls[i].replies, 1);
        bool bad = i % 3 != 1 && i % 10 != 9 && i % 17 == 5;
        if (bad) {
            assert_int_equal(calls[i].error.status, PAT_ERR_BAD_REQUEST);
        } else if (!calls[i].ok) {
            /* A patch of a row that was never there, because the one before it was bad or a repeat. */
            assert_int_equal(i % 3, 1);
            assert_int_equal(calls[i].error.status, PAT_ERR_BAD_REQUEST);
        } else {
            int64_t lsn = number(&calls[i].result, "lsn"); /* in the order they came, but for repeats */
            assert_true(lsn > last || (i % 10 == 9 && i % 3 != 1));
            assert_true(calls[i].place > place || (i % 10 == 9 && i % 3 != 1));
            if (lsn > last) place = calls[i].place;
            if (lsn > last) last = lsn;
        }
        call_free(&calls[i]);
    }
    assert_int_equal(world.engine->store->lsn, last);
    free(calls);
    check_store();
}

/* A load of `rows` new orders from `first` on, to be freed. */
static char *many_orders_text(unsigned seq, unsigned first, unsigned rows) {
    const size_t bytes = 200 + (size_t)rows * 60;
    char *text = malloc(bytes);
    int at = snprintf(text, bytes, "load.orders {producer: 'large', seq: %u, columns: {order: [", seq);
    for (unsigned i = 0; i < rows; i++) at += snprintf(text + at, bytes - (size_t)at, "%u ", first + i);
    at += snprintf(text + at, bytes - (size_t)at, "], customer: [");
    for (unsigned i = 0; i < rows; i++) at += snprintf(text + at, bytes - (size_t)at, "%u ", (first + i) % 997);
    at += snprintf(text + at, bytes - (size_t)at, "], time: [");
    for (unsigned i = 0; i < rows; i++) at += snprintf(text + at, bytes - (size_t)at, "'2024-01-05' ");
    at += snprintf(text + at, bytes - (size_t)at, "], amount: [");
    for (unsigned i = 0; i < rows; i++) at += snprintf(text + at, bytes - (size_t)at, "%u ", i % 50);
    at += snprintf(text + at, bytes - (size_t)at, "], currency: [");
    for (unsigned i = 0; i < rows; i++) at += snprintf(text + at, bytes - (size_t)at, "'EUR' ");
    (void)snprintf(text + at, bytes - (size_t)at, "]}}");
    return text;
}

/* Large batches are with the journal while those before them are applied; what leans on these, or is one of them once
 * more, waits. */
static void large_groups_follow_each_other(void **state) {
    (void)state;
    enum { LOADS = 8, ROWS = 20000, PATCH = LOADS, REPEAT, GIFT, CALLS };
    struct call calls[CALLS];
    unsigned followed = 0, sent = 0;
    for (unsigned i = 0; i < LOADS; i++) {
        char *text = many_orders_text(i, i * ROWS, ROWS);
        call_make(&calls[i], text);
        free(text);
    }
    call_make(&calls[PATCH], "load.orders {producer: 'large', seq: 100, columns: {order: [159999], country: ['DE']}}");
    char *text = many_orders_text(LOADS - 1, (LOADS - 1) * ROWS, ROWS);
    call_make(&calls[REPEAT], text);
    free(text);
    call_make(&calls[GIFT], "schema.add {table: 'orders', name: 'gift', type: 'enum'}");
    while (sent < 4) submit(&calls[sent++]);
    while (!pat_engine_idle(world.engine) || sent < CALLS) {
        pat_engine_turn(world.engine);
        if (sent < CALLS && (world.engine->group_durable || pat_engine_idle(world.engine))) submit(&calls[sent++]);
        if (world.engine->behind_head == NULL) continue;
        followed++;
        assert_non_null(world.engine->group_head);
        assert_true(world.engine->group_durable);
    }
    assert_true(followed > 0);
    for (unsigned i = 0; i < CALLS; i++) {
        if (!calls[i].ok) fail_msg("call %u: %s", i, calls[i].error.message);
        assert_int_equal(calls[i].replies, 1);
        if (i < LOADS) assert_int_equal(number(&calls[i].result, "lsn"), i + 1);
    }
    assert_int_equal(number(&calls[REPEAT].result, "lsn"), LOADS);
    assert_int_equal(number(&calls[PATCH].result, "updated"), 1);
    for (unsigned i = 0; i < CALLS; i++) call_free(&calls[i]);
    assert_int_equal(world.engine->store->lsn, LOADS + 2);
    assert_int_equal(world.engine->store->counts.orders, LOADS * ROWS);
    check_store();
    world_close(&world, false);
    world_open(&world);
    assert_int_equal(world.engine->store->lsn, LOADS + 2);
    assert_int_equal(world.engine->store->counts.orders, LOADS * ROWS);
    check_store();
}

static void replies_may_submit(void **state) {
    (void)state;
    enum { CHAIN = 60 };
    struct call *calls = calloc(CHAIN, sizeof *calls);
    char text[300];
    for (unsigned i = 0; i < CHAIN; i++) {
        /* Taken, refused and repeated ones in turn: replies from apply and from the queue itself. */
        if (i % 3 == 0) order_text(text, sizeof text, "p", i, i);
        if (i % 3 == 1)
            (void)snprintf(text, sizeof text,
                           "load.orders {producer: 'p', seq: %u, columns: {order: ['none'], tax: [1]}}", i);
        if (i % 3 == 2) order_text(text, sizeof text, "p", i - 2, i - 2);
        call_make(&calls[i], text);
        if (i > 0) calls[i - 1].then = &calls[i];
    }
    submit(&calls[0]);
    turn_until_idle();
    for (unsigned i = 0; i < CHAIN; i++) {
        assert_int_equal(calls[i].replies, 1);
        assert_int_equal(calls[i].ok, i % 3 != 1);
        call_free(&calls[i]);
    }
    assert_int_equal(world.engine->store->lsn, CHAIN / 3);
    free(calls);
}

static void maps_are_kept(void **state) {
    (void)state;
    char text[2000] = "rfm.map.save {name: 'mine', groups: {all: [", cell[40];
    for (int r = 1; r <= 5; r++) {
        for (int f = 1; f <= 5; f++) {
            for (int m = 1; m <= 5; m++) {
                (void)snprintf(cell, sizeof cell, "%d%d%d,", r, f, m);
                strcat(text, cell);
            }
        }
    }
    strcat(text, "]}}");
    assert_int_equal(load_order("p", 1, 1), 1);
    assert_int_equal(load(text), 2);
    assert_int_equal(load_order("p", 2, 2), 3);
    assert_int_equal(load(text), 4);
    for (int round = 0; round < 3; round++) {
        world_close(&world, round == 1);
        world_open(&world);
        assert_int_equal(world.engine->store->lsn, 4);
        assert_int_equal(world.engine->store->maps->count, 2);
        assert_string_equal(world.engine->store->maps->map[1]->group[0], "all");
    }
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

static void attributes_are_kept(void **state) {
    (void)state;
    assert_int_equal(load("schema.add {table: 'orders', name: 'gift', type: 'enum'}"), 1);
    assert_int_equal(load("schema.add {table: 'orders', name: 'gift', type: 'enum'}"),
                     1); /* harmless, and no batch of its own */
    refused("schema.add {table: 'orders', name: 'gift', type: 'int'}", PAT_ERR_CONFLICT, "is of type enum");
    (void)load("load.orders {producer: 'p', seq: 1, columns: {order: [1], customer: [1], time: [0], amount: [5], "
               "currency: ['EUR'], "
               "attr.gift: ['card']}}");
    for (int round = 0; round < 3; round++) {
        world_close(&world, round == 1);
        world_open(&world);
        refused("schema.add {table: 'orders', name: 'gift', type: 'set'}", PAT_ERR_CONFLICT, "is of type enum");
        const struct pat_table *orders = &world.engine->store->table[PAT_ORDERS];
        assert_int_equal(orders->schema->columns, PAT_ORDER_COLUMNS + 1 + (round == 2));
        assert_true(pat_text_is(
            pat_dict_text(orders->dict[PAT_ORDER_COLUMNS], (uint32_t)pat_table_get(orders, PAT_ORDER_COLUMNS, 0)),
            "card"));
        if (round == 1) (void)load("schema.add {table: 'orders', name: 'late', type: 'bool'}");
    }
}

static void attributes_come_one_by_one(void **state) {
    (void)state;
    static struct call calls[80];
    for (unsigned i = 0; i < 80; i++) {
        char text[100];
        (void)snprintf(text, sizeof text, "schema.add {table: 'lines', name: 'x%u', type: 'int'}", i % 70);
        call_make(&calls[i], text);
        submit(&calls[i]);
    }
    turn_until_idle();
    for (unsigned i = 0; i < 80; i++) {
        /* 64 are there at the most; the last ten ask for the first ten again. */
        assert_int_equal(calls[i].replies, 1);
        assert_int_equal(calls[i].ok, i < 64 || i >= 70);
        if (!calls[i].ok) assert_int_equal(calls[i].error.status, PAT_ERR_TOO_LARGE);
        call_free(&calls[i]);
    }
    assert_int_equal(world.engine->store->lsn, 64);
    assert_int_equal(world.engine->store->table[PAT_LINES].schema->columns, PAT_LINE_COLUMNS + 64);
}

/* ---- restarts ---------------------------------------------------------------------------------------------------- */

static void a_restart_brings_everything_back(void **state) {
    (void)state;
    fill();
    struct pat_digest before = store_digest();
    /* From the journal, from a snapshot, from a snapshot and what came after it. */
    for (int round = 0; round < 4; round++) {
        assert_true(pat_engine_dirty(world.engine) == (round < 2));
        world_close(&world, round == 1);
        world_open(&world);
        check_store();
        assert_true(pat_digest_equal(before, store_digest()));
    }
    const struct pat_producer *p = pat_producers_find(&world.engine->store->producers, PAT_TEXT("p"));
    assert_int_equal(p->last_seq, 2);
    assert_int_equal(p->rejected, 1);
    assert_memory_equal(p->meta, "offset 17", 9);
    (void)load("load.orders {producer: 'p', seq: 3, columns: {order: ['unheard'], customer: ['z'], time: [0], amount: "
               "[5], currency: "
               "['EUR']}}");
    assert_int_equal(world.engine->store->counts.pending_refunds, 0);
    before = store_digest();
    world_close(&world, false);
    world_open(&world);
    assert_true(pat_digest_equal(before, store_digest()));
    check_store();
}

static void settings_belong_to_the_directory(void **state) {
    (void)state;
    fill();
    world_close(&world, true);
    struct pat_error error = {.message = ""};
    world.zone = "Europe/Berlin";
    assert_int_equal(world_try_open(&world, &error), PAT_ERR_CONFLICT);
    assert_non_null(strstr(error.message, "Europe/Berlin"));
    assert_non_null(strstr(error.message, "Europe/London"));
    world.zone = NULL;
    world.currency = "USD";
    assert_int_equal(world_try_open(&world, &error), PAT_ERR_CONFLICT);
    assert_non_null(strstr(error.message, "USD"));
    world.currency = "EURO";
    assert_int_equal(world_try_open(&world, &error), PAT_ERR_BAD_REQUEST);
    world.currency = NULL;
    world.zone = "Nowhere/Atall";
    assert_int_equal(world_try_open(&world, &error), PAT_ERR_BAD_REQUEST);
    world.zone = NULL;
    world.sync = "sometimes";
    assert_int_equal(world_try_open(&world, &error), PAT_ERR_BAD_REQUEST);
    world.sync = "always";
    assert_int_equal(pat_mem_used_total(), 0);
    world_open(&world);
    assert_string_equal(world.engine->settings.zone, "Europe/London");
    assert_string_equal(world.engine->settings.base_currency, "EUR");
    struct pat_engine *first = world.engine;
    assert_int_equal(world_try_open(&world, &error), PAT_ERR_CONFLICT); /* in use */
    world.engine = first;
}

struct saved {
    unsigned calls;
    bool ok;
    int64_t lsn;
};

static void saved_cb(void *context, const struct pat_value *result, const struct pat_error *error) {
    struct saved *saved = context;
    saved->calls++;
    saved->ok = error == NULL;
    if (error == NULL) saved->lsn = number(result, "lsn");
}

static void snapshots_beside_loads(void **state) {
    (void)state;
    struct saved saved[4] = {{0}};
    struct pat_error error;
    unsigned seq = 0;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned n = 0; n < 20; n++, seq++) (void)load_order("p", seq, seq);
        struct call call;
        char text[300];
        order_text(text, sizeof text, "p", seq, seq);
        seq++;
        call_make(&call, text);
        submit(&call); /* a group under way delays the snapshot, not the other way round */
        assert_int_equal(pat_engine_snapshot(world.engine, saved_cb, &saved[i], &error), PAT_OK);
        struct saved refused_one = {0};
        if (saved[i].calls == 0) {
            assert_int_equal(pat_engine_snapshot(world.engine, saved_cb, &refused_one, &error), PAT_ERR_BUSY);
        }
        turn_until_idle();
        assert_int_equal(call.replies, 1);
        assert_int_equal(saved[i].calls, 1);
        assert_true(saved[i].ok);
        assert_int_equal(saved[i].lsn, world.engine->store->lsn);
        assert_false(pat_engine_dirty(world.engine));
        call_free(&call);
    }
    struct pat_digest before = store_digest();
    world_close(&world, false);
    world_open(&world);
    assert_true(pat_digest_equal(before, store_digest()));
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* What each may take at the worst does not fit for all of them together, and what they do take does. */
static void batches_that_may_not_fit_together_come_after_each_other(void **state) {
    (void)state;
    struct call *calls = calloc(MANY, sizeof *calls);
    char text[300];
    for (unsigned i = 0; i < MANY; i++) {
        order_text(text, sizeof text, "p", i, i);
        call_make(&calls[i], text);
    }
    const size_t one = pat_ingest_bytes(calls[0].ticket.batch, world.engine->store);
    pat_mem_set_budget(pat_mem_used_total() + MANY / 8 * one);
    for (unsigned i = 0; i < MANY; i++) submit(&calls[i]);
    turn_until_idle();
    pat_mem_set_budget(0);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(calls[i].replies, 1);
        if (!calls[i].ok) fail_msg("batch %u: %s", i, calls[i].error.message);
        call_free(&calls[i]);
    }
    assert_int_equal(world.engine->store->lsn, MANY);
    free(calls);
    check_store();
}

static void a_small_budget_is_an_answer(void **state) {
    (void)state;
    fill();
    struct pat_digest before = store_digest();
    struct call call;
    call_make(&call, "load.orders {producer: 'p', seq: 50, columns: {order: [50], customer: [1], time: [0], amount: "
                     "[5], currency: ['EUR']}}");
    pat_mem_set_budget(pat_mem_used_total() + 1000);
    submit(&call);
    assert_int_equal(call.replies, 1);
    assert_int_equal(call.error.status, PAT_ERR_NO_MEMORY);
    assert_non_null(strstr(call.error.message, "nothing was taken"));
    pat_mem_set_budget(0);
    assert_true(pat_digest_equal(before, store_digest()));
    call_free(&call);
    assert_int_equal(load("load.orders {producer: 'p', seq: 50, columns: {order: [50], customer: [1], time: [0], "
                          "amount: [5], currency: "
                          "['EUR']}}"),
                     5);
}

/* From when it is taken until it is applied, what a batch needs is nobody else's; then nothing is left promised. */
static void memory_of_a_batch_on_its_way_is_promised(void **state) {
    (void)state;
    for (unsigned n = 1; n <= 20; n++) {
        struct call call;
        char text[300];
        order_text(text, sizeof text, "p", n, n);
        call_make(&call, text);
        const size_t before = pat_mem_used_total();
        submit(&call);
        const size_t promised = pat_mem_promised(), room = (size_t)64 << 20;
        assert_int_equal(call.replies, 0);
        assert_true(promised > 0);
        pat_mem_set_budget(before + promised + room);
        assert_false(pat_mem_would_fit(room + promised / 2));
        pat_mem_set_budget(0);
        turn_until_idle();
        assert_int_equal(pat_mem_promised(), 0);
        assert_true(call.ok);
        call_free(&call);
    }
}

/* Whatever allocation fails on the way: one reply, and after sending again until it is taken the row is there once. */
static void at_every_allocation(void **state) {
    (void)state;
    unsigned failed = 0;
    for (unsigned n = 1; n <= 60; n++) {
        bool taken = false;
        for (unsigned attempt = 0; !taken; attempt++) {
            assert_true(attempt < 20);
            struct call call;
            char text[300];
            order_text(text, sizeof text, "p", n, n);
            call_make(&call, text);
            (void)pat_mem_fail_at(attempt == 0 ? n : 0);
            submit(&call);
            turn_until_idle();
            (void)pat_mem_fail_at(0);
            assert_int_equal(call.replies, 1);
            assert_int_equal(pat_mem_promised(), 0);
            taken = call.ok;
            if (!taken) {
                failed++;
                assert_true(call.error.status == PAT_ERR_NO_MEMORY || call.error.status == PAT_ERR_READONLY);
                pat_clock_sleep_ms(call.error.status == PAT_ERR_READONLY ? 500 : 0);
            }
            call_free(&call);
        }
        check_store();
        assert_int_equal(world.engine->store->counts.orders, n);
    }
    assert_true(failed > 0);
    world_close(&world, false);
    world_open(&world);
    assert_int_equal(world.engine->store->counts.orders, 60);
}

static void at_every_allocation_of_a_snapshot(void **state) {
    (void)state;
    fill();
    unsigned failed = 0;
    for (unsigned n = 1; n <= 60; n++) {
        struct saved saved = {0};
        struct pat_error error;
        (void)pat_mem_fail_at(n);
        enum pat_status status = pat_engine_snapshot(world.engine, saved_cb, &saved, &error);
        if (status == PAT_OK) turn_until_idle();
        (void)pat_mem_fail_at(0);
        if (status == PAT_OK) assert_int_equal(saved.calls, 1);
        if (status != PAT_OK) assert_int_equal(saved.calls, 0);
        failed += status != PAT_OK || !saved.ok;
        assert_int_equal(world.engine->store->pins.open_count, 0);
    }
    assert_true(failed > 0);
    check_store();
    struct pat_digest before = store_digest();
    world_close(&world, false);
    world_open(&world);
    assert_true(pat_digest_equal(before, store_digest()));
}

static void at_every_allocation_of_a_start(void **state) {
    (void)state;
    fill();
    struct pat_digest before = store_digest();
    world_close(&world, true);
    for (int round = 0; round < 2; round++) {
        enum pat_status status = PAT_ERR_NO_MEMORY;
        for (unsigned n = 1; status != PAT_OK; n++) {
            assert_true(n < 500);
            struct pat_error error = {.message = ""};
            (void)pat_mem_fail_at(n);
            status = world_try_open(&world, &error);
            (void)pat_mem_fail_at(0);
            if (status == PAT_OK) break;
            if (status != PAT_ERR_NO_MEMORY) fail_msg("allocation %u: %s", n, error.message);
            assert_int_equal(pat_mem_used_total(), 0);
        }
        assert_true(pat_digest_equal(before, store_digest()));
        (void)load("load.orders {producer: 'p', seq: 60, columns: {order: [50], customer: [1], time: [0], amount: [5], "
                   "currency: ['EUR']}}");
        before = store_digest();
        if (round == 0) world_close(&world, false);
    }
}

static void journal_is_failed(bool failed) {
    char why[PAT_ERROR_MESSAGE_BYTES];
    assert_int_equal(pat_persist_condition(world.engine->persist, why) == PAT_CONDITION_READONLY, failed);
    assert_int_equal(world.engine->journal_failed, failed);
}

/* The file fails while a snapshot is being written: that one's end does not bring the journal back, the next one's
 * does. */
static void a_snapshot_from_before_a_failure_resumes_nothing(void **state) {
    (void)state;
    (void)load("load.orders {producer: 'p', seq: 1, columns: {order: [1], customer: [1], time: [0], amount: [5], "
               "currency: ['EUR']}}");
    struct pat_persist *persist = world.engine->persist;
    pthread_mutex_lock(&persist->mutex);
    persist->readonly = persist->file_failed = true;
    pthread_mutex_unlock(&persist->mutex);
    pat_engine__journal_failed(world.engine, "as a disk would say");
    const struct pat_event before = {.kind = PAT_EVENT_SNAPSHOT, .status = PAT_OK};
    pat_engine__snapshot_finish(world.engine, &before);
    journal_is_failed(true);
    for (unsigned i = 0; i < 2000 && world.engine->journal_failed; i++) {
        pat_engine_turn(world.engine);
        pat_clock_sleep_ms(1);
    }
    journal_is_failed(false);
    (void)load("load.orders {producer: 'p', seq: 2, columns: {order: [2], customer: [1], time: [0], amount: [5], "
               "currency: ['EUR']}}");
    assert_int_equal(world.engine->store->counts.orders, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_has_the_counts),
        TEST(a_refused_batch_does_not_use_up_its_seq),
        TEST(repeated_pairs),
        TEST(answers_too_old_are_short),
        TEST(many_tickets_at_once),
        TEST(large_groups_follow_each_other),
        TEST(replies_may_submit),
        TEST(maps_are_kept),
        TEST(attributes_are_kept),
        TEST(attributes_come_one_by_one),
        TEST(a_restart_brings_everything_back),
        TEST(settings_belong_to_the_directory),
        TEST(snapshots_beside_loads),
        TEST(a_snapshot_from_before_a_failure_resumes_nothing),
        TEST(batches_that_may_not_fit_together_come_after_each_other),
        TEST(a_small_budget_is_an_answer),
        TEST(memory_of_a_batch_on_its_way_is_promised),
        TEST(at_every_allocation),
        TEST(at_every_allocation_of_a_snapshot),
        TEST(at_every_allocation_of_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
