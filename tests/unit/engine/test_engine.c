/* The engine on a directory of its own: what is answered, what is kept, what a restart brings back. */
#include "../spell.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/engine_private.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* ---- a directory and an engine on it
 * ---------------------------------------------------------------------------------------- */

struct world {
    char dir[64];
    struct pat_engine *engine;
    atomic_uint wakes;
    const char *zone, *currency, *sync;
    uint64_t settle_rows;
};

static void wake(void *context) {
    atomic_fetch_add(&((struct world *)context)->wakes, 1);
}

static enum pat_status world_try_open(struct world *world, struct pat_error *error) {
    struct pat_engine_options options = {.data_dir = world->dir,
                                         .zone = world->zone,
                                         .base_currency = world->currency,
                                         .sync = world->sync,
                                         .cpu = "scalar",
                                         .version = "test",
                                         .settle_rows = world->settle_rows,
                                         .wake_cb = wake,
                                         .wake_context = world};
    return pat_engine_open(&world->engine, &options, error);
}

static void world_open(struct world *world) {
    struct pat_error error = {.message = ""};
    if (world_try_open(world, &error) != PAT_OK) fail_msg("%s", error.message);
}

static void world_close(struct world *world, bool snapshot) {
    struct pat_error error = {.message = ""};
    if (pat_engine_close(&world->engine, snapshot, &error) != PAT_OK) fail_msg("%s", error.message);
    assert_null(world->engine);
    assert_int_equal(pat_mem_used_total(), 0);
}

static struct world world;

static int start(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    world = (struct world){.zone = "Europe/London", .currency = "EUR", .sync = "never"};
    (void)snprintf(world.dir, sizeof world.dir, "%.40s/pat-engine-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(world.dir));
    world_open(&world);
    return 0;
}

static int stop(void **state) {
    (void)state;
    if (world.engine != NULL) world_close(&world, false);
    DIR *dir = opendir(world.dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", world.dir, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(dir);
    assert_int_equal(rmdir(world.dir), 0);
    return 0;
}

/* ---- calls
 * ------------------------------------------------------------------------------------------------------------------------
 */

struct call {
    struct pat_arena arena;
    struct pat_request request;
    struct pat_ticket ticket;
    unsigned replies;
    bool ok;
    struct pat_value result; /* in the arena */
    struct pat_error error;
    struct call *then; /* submitted from the reply */
};

static void submit(struct call *call) {
    pat_engine_submit(world.engine, &call->ticket);
}

static void replied(struct pat_ticket *ticket, const struct pat_value *result, const struct pat_error *error) {
    struct call *call = ticket->context;
    call->replies++;
    call->ok = error == NULL;
    if (error == NULL) call->result = *result;
    if (error != NULL) call->error = *error;
    struct call *then = call->then;
    memset(ticket, 0xee, sizeof *ticket); /* the caller's again: nobody may look at it now */
    if (then != NULL) submit(then);
}

/* "load.orders {producer: 'p', ...}" parsed and typed, ready to submit. */
static void call_make(struct call *call, const char *text) {
    *call = (struct call){.replies = 0};
    pat_arena_init(&call->arena, 0);
    size_t name = strcspn(text, " ");
    struct spell spell = {.at = text + name, .builder = {.arena = &call->arena}};
    struct pat_value *params = pat_arena_alloc(&call->arena, sizeof *params);
    *params = spell_value(&spell);
    const struct pat_method_info *info = pat_method_find((struct pat_text){text, name});
    assert_non_null(info);
    struct pat_error error = {.message = ""};
    if (pat_request_parse(&call->request, info, params, &call->arena, &error) != PAT_OK) fail_msg("%s", error.message);
    call->ticket =
        (struct pat_ticket){.request = &call->request, .arena = &call->arena, .reply_cb = replied, .context = call};
    if (call->request.method != PAT_METHOD_LOAD) return;
    if (pat_engine_prepare(world.engine, &call->request.load, &call->arena, &call->ticket.batch, &error) != PAT_OK) {
        fail_msg("%s", error.message);
    }
}

static void call_free(struct call *call) {
    pat_arena_deinit(&call->arena);
}

static void turn_until_idle(void) {
    uint64_t give_up = pat_clock_monotonic_ns() + UINT64_C(20000000000);
    while (!pat_engine_idle(world.engine)) {
        pat_engine_turn(world.engine);
        if (!pat_engine_idle(world.engine)) pat_clock_sleep_ms(1);
        assert_true(pat_clock_monotonic_ns() < give_up);
    }
}

static void call_run(struct call *call, const char *text) {
    call_make(call, text);
    submit(call);
    turn_until_idle();
    assert_int_equal(call->replies, 1);
}

static int64_t number(const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    assert_non_null(value);
    assert_int_equal(value->type, PAT_VALUE_INT);
    return value->as.integer;
}

/* A load that is taken; gives its lsn. */
static pat_lsn load(const char *text) {
    struct call call;
    call_run(&call, text);
    if (!call.ok) fail_msg("%s: %s", text, call.error.message);
    pat_lsn lsn = (pat_lsn)number(&call.result, "lsn");
    call_free(&call);
    return lsn;
}

static void refused(const char *text, enum pat_status status, const char *hint) {
    struct call call;
    pat_lsn lsn = world.engine->store->lsn;
    call_run(&call, text);
    assert_false(call.ok);
    assert_int_equal(call.error.status, status);
    if (strstr(call.error.message, hint) == NULL) fail_msg("\"%s\" does not say \"%s\"", call.error.message, hint);
    assert_true(world.engine->store->lsn == lsn);
    call_free(&call);
}

static void order_text(char *out, size_t bytes, const char *producer, unsigned seq, unsigned order) {
    (void)snprintf(out, bytes,
                   "load.orders {producer: '%s', seq: %u, columns: {order: [%u], customer: [%u], time: ['2024-01-05'], "
                   "amount: ['1.50'], "
                   "currency: ['EUR']}}",
                   producer, seq, order, order % 7);
}

static pat_lsn load_order(const char *producer, unsigned seq, unsigned order) {
    char text[300];
    order_text(text, sizeof text, producer, seq, order);
    return load(text);
}

static bool same_value(const struct pat_value *a, const struct pat_value *b) {
    if (a->type != b->type || a->count != b->count) return false;
    switch (a->type) {
    case PAT_VALUE_NIL: return true;
    case PAT_VALUE_BOOL: return a->as.boolean == b->as.boolean;
    case PAT_VALUE_TEXT: return pat_text_equal(pat_value_as_text(a), pat_value_as_text(b));
    case PAT_VALUE_ARRAY:
        for (uint32_t i = 0; i < a->count; i++) {
            if (!same_value(&a->as.items[i], &b->as.items[i])) return false;
        }
        return true;
    case PAT_VALUE_MAP:
        for (uint32_t i = 0; i < a->count; i++) {
            if (!pat_text_equal(a->as.members[i].key, b->as.members[i].key)) return false;
            if (!same_value(&a->as.members[i].value, &b->as.members[i].value)) return false;
        }
        return true;
    default: return a->as.integer == b->as.integer;
    }
}

/* All that the store holds, in an order that a restart keeps. */
static struct pat_digest store_digest(void) {
    const struct pat_store *store = world.engine->store;
    struct pat_digest digest = {store->lsn, store->maps->count};
    for (int id = 0; id < PAT_TABLES; id++) {
        const struct pat_table *table = &store->table[id];
        for (unsigned c = 0; c < table->schema->columns; c++) {
            for (pat_row row = 0; row < table->rows; row++) {
                int64_t value = pat_table_get(table, c, row);
                digest = pat_digest_chain(digest, &value, sizeof value);
                if (table->dict[c] == NULL || value == PAT_NULL) continue;
                struct pat_text text = pat_dict_text(table->dict[c], (uint32_t)value);
                digest = pat_digest_chain(digest, text.data, text.length);
            }
        }
    }
    digest = pat_digest_chain(digest, &store->counts, sizeof store->counts);
    return digest;
}

static void check_store(void) {
    const char *why = NULL;
    if (!pat_store_check(world.engine->store, &why)) fail_msg("%s", why);
    struct pat_counts counts;
    pat_store_recount(world.engine->store, &counts, NULL);
    assert_memory_equal(&counts, &world.engine->store->counts, sizeof counts);
}

/* Everything once: profiles, orders, lines, refunds that wait, rejected rows, a map. */
static void fill(void) {
    (void)load("load.customers {producer: 'p', seq: 1, columns: {customer: ['a', 5], country: ['DE', 'FR'], tags: "
               "['x,y', null]}}");
    (void)load(
        "load.orders {producer: 'p', seq: 2, on_error: 'skip', meta: 'offset 17', columns: {order: [1, 'two', 3], "
        "customer: ['a', 5, "
        "'b'], time: ['2024-01-05', '2024-01-06', 'never'], amount: ['1.50', 2, 3], currency: ['EUR', 'USD', 'EUR']}}");
    (void)load("load.lines {producer: 'q', seq: 9, columns: {order: ['l', 'l', 'm'], customer: ['a', 'a', 'c'], time: "
               "['2024-01-07', "
               "'2024-01-07', '2024-01-08'], currency: ['EUR', 'EUR', 'EUR'], product: ['p', 'q', 'p'], quantity: [1, "
               "2, -1], price: ['0.5', "
               "'0.25', 4]}}");
    (void)load("load.refunds {producer: 'q', seq: 3, columns: {refund: ['r', 's'], order: [1, 'unheard'], time: "
               "['2024-02-01', "
               "'2024-02-02'], amount: [1, 1], currency: ['EUR', 'EUR']}}");
}

/* ---- loads
 * --------------------------------------------------------------------------------------------------------------------------
 */

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

/* ---- groups
 * -------------------------------------------------------------------------------------------------------------------------
 */

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
            if (lsn > last) last = lsn;
        }
        call_free(&calls[i]);
    }
    assert_int_equal(world.engine->store->lsn, last);
    free(calls);
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

/* ---- restarts
 * ------------------------------------------------------------------------------------------------------------------------
 */

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

/* ---- questions
 * ------------------------------------------------------------------------------------------------------------------------
 */

static int64_t count_answer(struct pat_inquiry *inquiry) {
    struct pat_value result;
    struct pat_error error = {.message = ""};
    if (pat_engine_answer(world.engine, inquiry, &result, &error) != PAT_OK) fail_msg("%s", error.message);
    assert_int_equal(number(&result, "lsn"), inquiry->pinned->view->lsn);
    return number(&result, "count");
}

static void questions_see_one_version(void **state) {
    (void)state;
    struct call one, two;
    call_make(&one, "count {}");
    call_make(&two, "count {min_lsn: 3}");
    struct pat_inquiry first = {.request = &one.request, .arena = &one.arena};
    struct pat_inquiry second = {.request = &one.request, .arena = &one.arena};
    struct pat_inquiry later = {.request = &two.request, .arena = &two.arena};
    struct pat_error error;
    (void)load_order("p", 1, 1);
    (void)load_order("p", 2, 2);
    assert_int_equal(pat_engine_pin(world.engine, &first, &error), PAT_OK);
    assert_int_equal(pat_engine_pin(world.engine, &second, &error), PAT_OK);
    assert_ptr_equal(first.pinned, second.pinned); /* one version, one view */
    assert_int_equal(pat_engine_pin(world.engine, &later, &error), PAT_ERR_MORE);
    assert_null(later.pinned);
    (void)load_order("p", 3, 3);
    assert_int_equal(pat_engine_pin(world.engine, &later, &error), PAT_OK);
    assert_ptr_not_equal(later.pinned, first.pinned);
    assert_int_equal(count_answer(&first), 2);
    assert_int_equal(count_answer(&later), 3);
    pat_engine_unpin(world.engine, &first);
    pat_engine_unpin(world.engine, &first); /* nothing pinned: nothing done */
    assert_int_equal(count_answer(&second), 2);
    pat_engine_unpin(world.engine, &second);
    pat_engine_unpin(world.engine, &later);
    assert_int_equal(world.engine->store->pins.open_count, 0);
    call_free(&one);
    call_free(&two);
}

/* Asks, and gives the number of "count" in the answer. */
static int64_t ask_count(const char *text) {
    struct call call;
    call_make(&call, text);
    struct pat_inquiry inquiry = {.request = &call.request, .arena = &call.arena};
    struct pat_error error;
    assert_int_equal(pat_engine_pin(world.engine, &inquiry, &error), PAT_OK);
    const int64_t count = count_answer(&inquiry);
    pat_engine_unpin(world.engine, &inquiry);
    call_free(&call);
    return count;
}

static void an_answer_is_given_again_until_something_changes(void **state) {
    (void)state;
    const struct known_answers *known = &world.engine->answers;
    (void)load_order("p", 1, 1);
    assert_int_equal(ask_count("count {where: 'orders >= 1'}"), 1);
    assert_int_equal(known->hits, 0);
    assert_int_equal(known->count, 1);
    assert_int_equal(ask_count("count {where: ' orders>=1 '}"), 1); /* the same, written otherwise */
    assert_int_equal(ask_count("count {where: 'orders >= 1', deadline_ms: 60000}"), 1);
    assert_int_equal(known->hits, 2);
    assert_int_equal(ask_count("count {where: 'orders >= 2'}"), 0);
    assert_int_equal(ask_count("count {where: 'orders >= 1', as_of: 'latest'}"), 1);
    assert_int_equal(ask_count("count {where: 'orders >= 1', explain_plan: true}"), 1);
    assert_int_equal(known->hits, 2);
    assert_int_equal(known->count, 3);
    (void)load_order("p", 2, 2);
    assert_int_equal(ask_count("count {where: 'orders >= 1'}"), 2);
    assert_int_equal(known->hits, 2);
    assert_int_equal(known->count, 1);
    char text[64];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof text, "count {where: 'orders >= %d'}", i);
        assert_int_equal(ask_count(text), i < 2 ? 2 : 0);
    }
    assert_int_equal(known->count, PAT_ANSWERS_MAX);
    assert_int_equal(ask_count(text), 0);
    pat_engine__release_held(world.engine, true); /* when memory is short */
    assert_int_equal(known->count, 0);
}

static void pages_are_given_again_with_cursors_of_their_own(void **state) {
    (void)state;
    char first[512], second[512];
    for (unsigned i = 1; i <= 3; i++) (void)load_order("p", i, i);
    for (int again = 0; again < 2; again++) {
        struct call call;
        struct pat_value result;
        struct pat_error error;
        call_make(&call, "rows {fields: ['customer'], limit: 2}");
        struct pat_inquiry inquiry = {.request = &call.request, .arena = &call.arena};
        assert_int_equal(pat_engine_pin(world.engine, &inquiry, &error), PAT_OK);
        assert_int_equal(pat_engine_answer(world.engine, &inquiry, &result, &error), PAT_OK);
        const struct pat_value *cursor = pat_value_get(&result, "cursor");
        assert_non_null(cursor);
        assert_int_equal(pat_value_get(&result, "rows")->count, 2);
        (void)snprintf(again == 0 ? first : second, sizeof first,
                       "rows {fields: ['customer'], limit: 2, cursor: '%.*s'}", (int)cursor->count, cursor->as.text);
        pat_engine_unpin(world.engine, &inquiry);
        call_free(&call);
    }
    assert_int_equal(world.engine->answers.hits, 1);
    assert_int_equal(ask_count(first), ask_count(second));
}

static void rows_behind_the_view_are_not_there(void **state) {
    (void)state;
    struct call call;
    call_make(&call, "order {order: 'new'}");
    struct pat_inquiry before = {.request = &call.request, .arena = &call.arena}, after = before;
    struct pat_error error;
    (void)load_order("p", 1, 1);
    assert_int_equal(pat_engine_pin(world.engine, &before, &error), PAT_OK);
    (void)load("load.orders {producer: 'p', seq: 2, columns: {order: ['new'], customer: [1], time: [0], amount: [5], "
               "currency: ['EUR']}}");
    assert_int_equal(pat_engine_pin(world.engine, &after, &error), PAT_OK);
    assert_int_equal(before.row, PAT_ROW_NONE);
    assert_int_equal(after.row, 1);
    struct pat_value result;
    assert_int_equal(pat_engine_answer(world.engine, &before, &result, &error), PAT_ERR_NOT_FOUND);
    assert_int_equal(pat_engine_answer(world.engine, &after, &result, &error), PAT_OK);
    pat_engine_unpin(world.engine, &before);
    pat_engine_unpin(world.engine, &after);
    call_free(&call);
}

static void open_versions_are_limited(void **state) {
    (void)state;
    struct pat_inquiry inquiry[80];
    struct call call;
    call_make(&call, "count {}");
    struct pat_error error;
    for (unsigned i = 0; i < 80; i++) {
        (void)load_order("p", i, i);
        inquiry[i] = (struct pat_inquiry){.request = &call.request, .arena = &call.arena};
        assert_int_equal(pat_engine_pin(world.engine, &inquiry[i], &error), PAT_OK);
        assert_true(count_answer(&inquiry[i]) > 0);
    }
    assert_true(world.engine->store->pins.open_count <= PAT_VIEWS_MAX / 2);
    for (unsigned i = 0; i < 80; i++) pat_engine_unpin(world.engine, &inquiry[i * 33 % 80]);
    assert_int_equal(world.engine->store->pins.open_count, 0);
    assert_int_equal(world.engine->store->pins.retired_count, 0);
    call_free(&call);
}

static void questions_stop(void **state) {
    (void)state;
    (void)load_order("p", 1, 1);
    struct call call;
    call_make(&call, "count {}");
    bool cancelled = true;
    struct pat_inquiry inquiry = {.request = &call.request, .arena = &call.arena, .cancelled = &cancelled};
    struct pat_error error;
    struct pat_value result;
    assert_int_equal(pat_engine_pin(world.engine, &inquiry, &error), PAT_OK);
    assert_int_equal(pat_engine_answer(world.engine, &inquiry, &result, &error), PAT_ERR_CANCELLED);
    pat_engine_unpin(world.engine, &inquiry);
    call_free(&call);
}

static void looks(void **state) {
    (void)state;
    fill();
    static const char *const methods[] = {"status {}",
                                          "schema {}",
                                          "load.state {producer: 'p'}",
                                          "load.state {producer: 'nobody'}",
                                          "snapshot.list {}",
                                          "filter.parse {text: 'net > 5 EUR'}"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct call call;
        call_make(&call, methods[i]);
        struct pat_value result;
        struct pat_error error = {.message = ""};
        if (pat_engine_look(world.engine, &call.request, &call.arena, &result, &error) != PAT_OK) {
            fail_msg("%s: %s", methods[i], error.message);
        }
        if (i == 0) assert_int_equal(number(pat_value_get(&result, "rows"), "orders"), 3);
        if (i == 0) assert_true(pat_value_is_text(pat_value_get(&result, "newest_fact"), "2024-02-01"));
        if (i == 2) assert_int_equal(number(&result, "seq"), 2);
        if (i == 2) assert_true(pat_value_is_text(pat_value_get(&result, "meta"), "offset 17"));
        if (i == 3) assert_int_equal(pat_value_get(&result, "seq")->type, PAT_VALUE_NIL);
        call_free(&call);
    }
}

/* ---- memory
 * ------------------------------------------------------------------------------------------------------------------------------
 */

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

/* ---- attributes
 * -------------------------------------------------------------------------------------------------------------------
 */

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

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Orders first .. first + count - 1, each of a customer of its own number, all of `amount`. */
static void load_orders(unsigned first, unsigned count, unsigned amount) {
    static unsigned seq;
    char text[64 + 60 * 100];
    assert_true(count <= 100);
    int at = snprintf(text, sizeof text, "load.orders {producer: 'runs', seq: %u, columns: {order: [", ++seq);
    for (unsigned i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, "%u ", first + i);
    at += snprintf(text + at, sizeof text - (size_t)at, "], customer: [");
    for (unsigned i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, "%u ", first + i);
    at += snprintf(text + at, sizeof text - (size_t)at, "], time: [");
    for (unsigned i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, "'2024-01-05' ");
    at += snprintf(text + at, sizeof text - (size_t)at, "], amount: [");
    for (unsigned i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, "%u ", amount);
    at += snprintf(text + at, sizeof text - (size_t)at, "], currency: [");
    for (unsigned i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, "'EUR' ");
    (void)snprintf(text + at, sizeof text - (size_t)at, "]}}");
    (void)load(text);
}

/* Does what is due, as often as something is; gives how often. */
static unsigned do_chores(void) {
    unsigned done = 0;
    for (;;) {
        world.engine->chore_next_ns = 0; /* no rest between them */
        struct pat_chore *chore = pat_engine_chore(world.engine);
        if (chore == NULL) return done;
        assert_null(pat_engine_chore(world.engine));
        pat_chore_run(chore, NULL, NULL);
        pat_engine_chore_done(world.engine, chore);
        assert_true(++done < 3);
    }
}

static int64_t status_of_runs(const char *key) {
    struct call call;
    call_make(&call, "status {}");
    struct pat_value result;
    struct pat_error error = {.message = ""};
    assert_int_equal(pat_engine_look(world.engine, &call.request, &call.arena, &result, &error), PAT_OK);
    const int64_t value = number(pat_value_get(&result, "runs"), key);
    call_free(&call);
    return value;
}

static void runs_are_few_and_follow_the_rows(void **state) {
    (void)state;
    load_orders(0, 63, 1);
    assert_int_equal(do_chores(), 0);
    load_orders(63, 1, 1);
    assert_int_equal(do_chores(), 1);
    assert_int_equal(status_of_runs("count"), 1);
    assert_int_equal(status_of_runs("rows"), 64);
    unsigned made = 0;
    for (unsigned first = 64; first < 6400; first += 64) {
        load_orders(first, 64, 1);
        made += do_chores();
        const struct pat_runs *runs = &world.engine->store->runs;
        uint64_t behind = 0;
        for (uint32_t i = runs->count; i-- > 0;) {
            const uint64_t rows = runs->run[i]->orders_to - runs->run[i]->orders_from;
            assert_true(rows > behind);
            behind += rows;
        }
        assert_true(status_of_runs("tail_rows") < 128);
    }
    assert_in_range(made, 40, 99);
    assert_true(status_of_runs("count") > 1);
    world.engine->chore_lsn_ns -= UINT64_C(6000000000); /* nothing came for six seconds */
    assert_int_equal(do_chores(), 1);
    assert_int_equal(status_of_runs("count"), 1);
    assert_int_equal(status_of_runs("rows"), 6400);
    world_close(&world, true);
    world_open(&world);
    assert_int_equal(status_of_runs("count"), 0);
    assert_int_equal(do_chores(), 1);
    assert_int_equal(status_of_runs("rows"), 6400);
}

static void runs_follow_what_changes(void **state) {
    (void)state;
    load_orders(0, 100, 1);
    assert_int_equal(do_chores(), 1);
    load_orders(20, 15, 2);
    assert_int_equal(status_of_runs("stale_customers"), 15);
    assert_int_equal(do_chores(), 0);
    load_orders(30, 6, 2); /* one more than before */
    assert_int_equal(status_of_runs("stale_customers"), 16);
    assert_int_equal(do_chores(), 1);
    assert_int_equal(status_of_runs("stale_customers"), 0);
    world.engine->chore_next_ns = 0;
    load_orders(0, 20, 3);
    struct pat_chore *chore = pat_engine_chore(world.engine);
    load_orders(10, 20, 4); /* while one is made */
    pat_chore_run(chore, NULL, NULL);
    pat_engine_chore_done(world.engine, chore);
    assert_int_equal(status_of_runs("stale_customers"), 20);
    assert_int_equal(do_chores(), 1);
}

/* Of a big shop a start answers before orders are found by id: batches and questions for one order wait, others do not.
 */
static void a_start_settles_behind_the_first_answers(void **state) {
    (void)state;
    load_orders(0, 100, 1);
    world_close(&world, true);
    world.settle_rows = 99;
    world_open(&world);
    assert_true(world.engine->store->unsettled);
    assert_int_equal(ask_count("count {where: 'orders >= 1', as_of: 'latest'}"), 100);
    struct call batch, order;
    struct pat_error error;
    call_make(&order, "order {order: 5}");
    struct pat_inquiry inquiry = {.request = &order.request, .arena = &order.arena};
    assert_int_equal(pat_engine_pin(world.engine, &inquiry, &error), PAT_ERR_MORE);
    char text[300];
    order_text(text, sizeof text, "late", 1, 5); /* known: must be found as such */
    call_make(&batch, text);
    submit(&batch);
    pat_engine_turn(world.engine);
    assert_int_equal(batch.replies, 0);
    struct pat_chore *chore = pat_engine_chore(world.engine);
    assert_non_null(chore);
    pat_chore_stop(chore);
    pat_chore_run(chore, NULL, NULL);
    pat_engine_chore_done(world.engine, chore);
    assert_true(world.engine->store->unsettled);
    chore = pat_engine_chore(world.engine);
    pat_chore_run(chore, NULL, NULL);
    pat_engine_chore_done(world.engine, chore);
    assert_false(world.engine->store->unsettled);
    turn_until_idle();
    assert_int_equal(batch.replies, 1);
    assert_true(batch.ok);
    assert_int_equal(number(&batch.result, "updated"), 1);
    assert_int_equal(pat_engine_pin(world.engine, &inquiry, &error), PAT_OK);
    pat_engine_unpin(world.engine, &inquiry);
    call_free(&batch);
    call_free(&order);
    check_store();
}

/* With a journal behind the snapshot there is nothing to wait with, and at the end whoever still waits is answered. */
static void nobody_waits_for_ever_after_a_start(void **state) {
    (void)state;
    load_orders(0, 100, 1);
    world_close(&world, true);
    world.settle_rows = 1;
    world_open(&world);
    assert_true(world.engine->store->unsettled);
    struct call batch;
    char text[300];
    order_text(text, sizeof text, "late", 1, 1000);
    call_make(&batch, text);
    submit(&batch);
    assert_int_equal(batch.replies, 0);
    assert_int_equal(pat_engine_close(&world.engine, false, NULL), PAT_OK);
    assert_int_equal(batch.replies, 1);
    assert_true(batch.ok);
    call_free(&batch);
    world_open(&world);
    assert_false(world.engine->store->unsettled);
    assert_int_equal(world.engine->store->table[PAT_ORDERS].rows, 101);
    check_store();
}

/* A snapshot whose chains do not hold although its checksums do: nothing is answered from it. */
static void a_snapshot_that_does_not_hold_is_not_served(void **state) {
    (void)state;
    load_orders(0, 100, 1);
    pat_table_set(&world.engine->store->table[PAT_CUSTOMERS], PAT_CUSTOMER_ORDER_HEAD, 3, PAT_NULL);
    world_close(&world, true);
    struct pat_error error;
    assert_int_equal(world_try_open(&world, &error), PAT_ERR_CORRUPT);
    assert_non_null(strstr(error.message, "chain"));
    world.settle_rows = 1;
    world_open(&world);
    struct call batch, count;
    char text[300];
    order_text(text, sizeof text, "late", 1, 1000);
    call_make(&batch, text);
    submit(&batch);
    struct pat_chore *chore = pat_engine_chore(world.engine);
    pat_chore_run(chore, NULL, NULL);
    pat_engine_chore_done(world.engine, chore);
    assert_int_equal(batch.replies, 1);
    assert_int_equal(batch.error.status, PAT_ERR_CORRUPT);
    call_make(&count, "count {}");
    struct pat_inquiry inquiry = {.request = &count.request, .arena = &count.arena};
    assert_int_equal(pat_engine_pin(world.engine, &inquiry, &error), PAT_ERR_CORRUPT);
    assert_null(pat_engine_chore(world.engine));
    call_free(&batch);
    call_free(&count);
}

static void count_pauses(void *context) {
    (*(unsigned *)context)++;
}

static void a_batch_is_worth_more_than_a_run(void **state) {
    (void)state;
    load_orders(0, 100, 1);
    struct pat_chore *chore = pat_engine_chore(world.engine);
    assert_non_null(chore);
    struct call call;
    char text[300];
    order_text(text, sizeof text, "p", 1, 1000);
    call_make(&call, text);
    pat_mem_set_budget(pat_mem_used_total() + 1000);
    submit(&call);
    pat_mem_set_budget(0);
    assert_int_equal(call.error.status, PAT_ERR_NO_MEMORY);
    call_free(&call);
    pat_chore_run(chore, NULL, NULL);
    pat_engine_chore_done(world.engine, chore);
    assert_int_equal(status_of_runs("count"), 0);
    assert_int_equal(do_chores(), 1);
}

static void runs_are_given_up(void **state) {
    (void)state;
    load_orders(0, 100, 1);
    struct pat_chore *chore = pat_engine_chore(world.engine);
    assert_non_null(chore);
    pat_chore_stop(chore);
    unsigned pauses = 0;
    pat_chore_run(chore, count_pauses, &pauses);
    assert_int_equal(pauses, 1);
    pat_engine_chore_done(world.engine, chore);
    assert_int_equal(status_of_runs("count"), 0);
    world.engine->chore_next_ns = 0;
    chore = pat_engine_chore(world.engine);
    pat_engine_chore_done(world.engine, chore); /* without having been run */
    assert_int_equal(status_of_runs("count"), 0);
    world.engine->chore_next_ns = 0;
    pat_mem_set_budget(pat_mem_used_total() + 1000);
    assert_null(pat_engine_chore(world.engine));
    pat_mem_set_budget(0);
    assert_null(pat_engine_chore(world.engine)); /* not yet again */
    world.engine->chore_next_ns = 0;
    chore = pat_engine_chore(world.engine);
    (void)pat_mem_fail_at(3);
    pat_chore_run(chore, NULL, NULL);
    (void)pat_mem_fail_at(0);
    pat_engine_chore_done(world.engine, chore);
    assert_int_equal(status_of_runs("count"), 0);
    assert_null(pat_engine_chore(world.engine));
    assert_int_equal(do_chores(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_has_the_counts),
        TEST(a_refused_batch_does_not_use_up_its_seq),
        TEST(repeated_pairs),
        TEST(answers_too_old_are_short),
        TEST(many_tickets_at_once),
        TEST(replies_may_submit),
        TEST(maps_are_kept),
        TEST(attributes_are_kept),
        TEST(attributes_come_one_by_one),
        TEST(a_restart_brings_everything_back),
        TEST(settings_belong_to_the_directory),
        TEST(snapshots_beside_loads),
        TEST(questions_see_one_version),
        TEST(an_answer_is_given_again_until_something_changes),
        TEST(pages_are_given_again_with_cursors_of_their_own),
        TEST(rows_behind_the_view_are_not_there),
        TEST(open_versions_are_limited),
        TEST(questions_stop),
        TEST(looks),
        TEST(a_small_budget_is_an_answer),
        TEST(runs_are_few_and_follow_the_rows),
        TEST(runs_follow_what_changes),
        TEST(a_start_settles_behind_the_first_answers),
        TEST(nobody_waits_for_ever_after_a_start),
        TEST(a_snapshot_that_does_not_hold_is_not_served),
        TEST(runs_are_given_up),
        TEST(a_batch_is_worth_more_than_a_run),
        TEST(at_every_allocation),
        TEST(at_every_allocation_of_a_snapshot),
        TEST(at_every_allocation_of_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
