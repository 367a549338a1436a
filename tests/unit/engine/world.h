/* The engine on a directory of its own, and calls to it: what the tests of this room share. */
#ifndef PAT_TESTS_ENGINE_WORLD_H
#define PAT_TESTS_ENGINE_WORLD_H

#include "../spell.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/engine_private.h"
#include "ingest/ingest.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* ---- a directory and an engine on it ----------------------------------------------------------------------------- */

struct world {
    char dir[64];
    struct pat_engine *engine;
    atomic_uint wakes;
    const char *zone, *currency, *sync;
    uint64_t settle_rows;
    unsigned replies;
};

static inline void wake(void *context) {
    atomic_fetch_add(&((struct world *)context)->wakes, 1);
}

static inline enum pat_status world_try_open(struct world *world, struct pat_error *error) {
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

static inline void world_open(struct world *world) {
    struct pat_error error = {.message = ""};
    if (world_try_open(world, &error) != PAT_OK) fail_msg("%s", error.message);
}

static inline void world_close(struct world *world, bool snapshot) {
    struct pat_error error = {.message = ""};
    if (pat_engine_close(&world->engine, snapshot, &error) != PAT_OK) fail_msg("%s", error.message);
    assert_null(world->engine);
    assert_int_equal(pat_mem_used_total(), 0);
}

static struct world world;

static inline int start(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    world = (struct world){.zone = "Europe/London", .currency = "EUR", .sync = "never"};
    (void)snprintf(world.dir, sizeof world.dir, "%.40s/pat-engine-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(world.dir));
    world_open(&world);
    return 0;
}

static inline int stop(void **state) {
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

/* ---- calls ------------------------------------------------------------------------------------------------------- */

struct call {
    struct pat_arena arena;
    struct pat_request request;
    struct pat_ticket ticket;
    unsigned replies, place; /* of its answer among those of the world */
    bool ok;
    struct pat_value result; /* in the arena */
    struct pat_error error;
    struct call *then; /* submitted from the reply */
};

static inline void submit(struct call *call) {
    pat_engine_submit(world.engine, &call->ticket);
}

static inline void replied(struct pat_ticket *ticket, const struct pat_value *result, const struct pat_error *error) {
    struct call *call = ticket->context;
    call->replies++;
    call->place = ++world.replies;
    call->ok = error == NULL;
    struct pat_builder builder = {.arena = &call->arena};
    if (error == NULL) call->result = pat_build_copy(&builder, result);
    if (error != NULL) call->error = *error;
    struct call *then = call->then;
    memset(ticket, 0xee, sizeof *ticket); /* the caller's again: nobody may look at it now */
    if (then != NULL) submit(then);
}

/* "load.orders {producer: 'p', ...}" parsed and typed, ready to submit. */
static inline void call_make(struct call *call, const char *text) {
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

static inline void call_free(struct call *call) {
    pat_arena_deinit(&call->arena);
}

static inline void turn_until_idle(void) {
    uint64_t give_up = pat_clock_monotonic_ns() + UINT64_C(20000000000);
    while (!pat_engine_idle(world.engine)) {
        pat_engine_turn(world.engine);
        if (!pat_engine_idle(world.engine)) pat_clock_sleep_ms(1);
        assert_true(pat_clock_monotonic_ns() < give_up);
    }
}

static inline void call_run(struct call *call, const char *text) {
    call_make(call, text);
    submit(call);
    turn_until_idle();
    assert_int_equal(call->replies, 1);
}

static inline int64_t number(const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    assert_non_null(value);
    assert_int_equal(value->type, PAT_VALUE_INT);
    return value->as.integer;
}

/* A load that is taken; gives its lsn. */
static inline pat_lsn load(const char *text) {
    struct call call;
    call_run(&call, text);
    if (!call.ok) fail_msg("%s: %s", text, call.error.message);
    pat_lsn lsn = (pat_lsn)number(&call.result, "lsn");
    call_free(&call);
    return lsn;
}

static inline void refused(const char *text, enum pat_status status, const char *hint) {
    struct call call;
    pat_lsn lsn = world.engine->store->lsn;
    call_run(&call, text);
    assert_false(call.ok);
    assert_int_equal(call.error.status, status);
    if (strstr(call.error.message, hint) == NULL) fail_msg("\"%s\" does not say \"%s\"", call.error.message, hint);
    assert_true(world.engine->store->lsn == lsn);
    call_free(&call);
}

static inline void order_text(char *out, size_t bytes, const char *producer, unsigned seq, unsigned order) {
    (void)snprintf(out, bytes,
                   "load.orders {producer: '%s', seq: %u, columns: {order: [%u], customer: [%u], time: ['2024-01-05'], "
                   "amount: ['1.50'], "
                   "currency: ['EUR']}}",
                   producer, seq, order, order % 7);
}

static inline pat_lsn load_order(const char *producer, unsigned seq, unsigned order) {
    char text[300];
    order_text(text, sizeof text, producer, seq, order);
    return load(text);
}

/* Orders first .. first + count - 1, each of a customer of its own number, all of `amount`. */
static inline void load_orders(unsigned first, unsigned count, unsigned amount) {
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

static inline bool same_value(const struct pat_value *a, const struct pat_value *b) {
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
static inline struct pat_digest store_digest(void) {
    const struct pat_store *store = world.engine->store;
    pat_ingest_settle(world.engine->store, NULL);
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

static inline void check_store(void) {
    const char *why = NULL;
    pat_ingest_settle(world.engine->store, NULL);
    if (!pat_store_check(world.engine->store, &why)) fail_msg("%s", why);
    struct pat_counts counts;
    pat_store_recount(world.engine->store, &counts, NULL);
    assert_memory_equal(&counts, &world.engine->store->counts, sizeof counts);
}

/* Everything once: profiles, orders, lines, refunds that wait, rejected rows, a map. */
static inline void fill(void) {
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

static inline int64_t count_answer(struct pat_inquiry *inquiry) {
    struct pat_value result;
    struct pat_error error = {.message = ""};
    if (pat_engine_answer(world.engine, inquiry, &result, &error) != PAT_OK) fail_msg("%s", error.message);
    assert_int_equal(number(&result, "lsn"), inquiry->pinned->view->lsn);
    return number(&result, "count");
}

/* Asks, and gives the number of "count" in the answer. */
static inline int64_t ask_count(const char *text) {
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

/* Each test has a directory and an engine of its own. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
