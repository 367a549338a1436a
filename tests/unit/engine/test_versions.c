/* Versions while batches come: who shares one, who gets the newest, and that none is made all at once. */
#include "world.h"

#define FAR_NS UINT64_C(3600000000000)
/* More than are folded at once. */
#define MANY 18000u

static struct pat_inquiry inquiry_of(struct call *call, bool loading) {
    return (struct pat_inquiry){.request = &call->request, .arena = &call->arena, .loading = loading, .patient = true};
}

static void pin(struct pat_inquiry *inquiry) {
    struct pat_error error = {.message = ""};
    if (pat_engine_pin(world.engine, inquiry, &error) != PAT_OK) fail_msg("%s", error.message);
}

/* Asks and is answered: the version may rest then. */
static void ask(struct pat_inquiry *inquiry) {
    pin(inquiry);
    pat_engine_unpin(world.engine, inquiry);
}

/* As if somebody asked all the time, and no version was due. */
static void hold_versions(void) {
    world.engine->versions.asked_until_ns = world.engine->versions.next_ns = pat_clock_monotonic_ns() + FAR_NS;
}

static void questions_share_a_version_while_batches_come(void **state) {
    (void)state;
    struct call call, wants;
    call_make(&call, "count {}");
    call_make(&wants, "count {min_lsn: 2}");
    (void)load_order("p", 1, 1);
    struct pat_inquiry first = inquiry_of(&call, true), second = first, told = first, quiet = inquiry_of(&call, false);
    struct pat_inquiry least = inquiry_of(&wants, true);
    ask(&first);
    assert_int_equal(world.engine->store->pins.open_count, 1); /* for the next one */
    hold_versions();
    (void)load_order("p", 2, 2);
    pin(&second);
    assert_int_equal(count_answer(&second), 1);
    assert_int_equal(second.pinned->view->lsn, 1);
    told.seen_lsn = 2; /* he was told that the second was taken */
    pin(&told);
    assert_int_equal(count_answer(&told), 2);
    pin(&least);
    assert_int_equal(count_answer(&least), 2);
    hold_versions();
    (void)load_order("p", 3, 3);
    pin(&quiet); /* nothing comes any more: all that is there */
    assert_int_equal(count_answer(&quiet), 3);
    pat_engine_unpin(world.engine, &second);
    pat_engine_unpin(world.engine, &told);
    pat_engine_unpin(world.engine, &least);
    pat_engine_unpin(world.engine, &quiet);
    world.engine->versions.asked_until_ns = 0;
    (void)load_order("p", 4, 4); /* nobody asks: nothing stays open that costs copies */
    assert_int_equal(world.engine->store->pins.open_count, 0);
    call_free(&call);
    call_free(&wants);
}

/* A version that was opened while nothing came takes the place of the one that rests: nobody reads that one later. */
static void no_older_version_stays_behind_a_newer(void **state) {
    (void)state;
    struct call call;
    call_make(&call, "count {}");
    (void)load_order("p", 1, 1);
    struct pat_inquiry first = inquiry_of(&call, true), quiet = inquiry_of(&call, false), again = first;
    ask(&first);
    hold_versions();
    (void)load_order("p", 2, 2);
    ask(&quiet);
    assert_int_equal(quiet.lsn, 2);
    hold_versions();
    (void)load_order("p", 3, 3);
    ask(&again);
    assert_int_equal(again.lsn, 2);
    call_free(&call);
}

static void a_version_is_due_by_and_by(void **state) {
    (void)state;
    struct call call;
    call_make(&call, "count {}");
    (void)load_order("p", 1, 1);
    struct pat_inquiry first = inquiry_of(&call, true), second = first;
    ask(&first);
    hold_versions();
    (void)load_order("p", 2, 2);
    world.engine->versions.next_ns = 0;
    pin(&second);
    assert_int_equal(count_answer(&second), 2);
    pat_engine_unpin(world.engine, &second);
    call_free(&call);
}

/* They wait as long as there is room to fold them. */
static void load_many(unsigned first) {
    (void)pat_store_scratch(world.engine->store, (size_t)16 << 20);
    for (unsigned at = 0; at < MANY; at += 100) load_orders(first + at, 100, 1);
}

static void many_orders_are_folded_in_steps(void **state) {
    (void)state;
    struct call call;
    struct pat_error error;
    call_make(&call, "count {}");
    load_orders(0, 1, 1);
    struct pat_inquiry first = inquiry_of(&call, true), older = first, newest = inquiry_of(&call, false), rash = newest;
    ask(&first);
    hold_versions();
    load_many(1);
    assert_int_equal(world.engine->store->orders_waiting, MANY);
    world.engine->versions.next_ns = 0;
    pin(&older); /* the one that rests, until the next is there */
    assert_int_equal(count_answer(&older), 1);
    const unsigned wakes = atomic_load(&world.wakes);
    assert_true(wakes > 0);
    assert_int_equal(pat_engine_pin(world.engine, &newest, &error), PAT_ERR_MORE);
    unsigned turns = 0;
    while (world.engine->versions.wanted) {
        pat_engine_turn(world.engine);
        assert_in_range(++turns, 1, 10000);
    }
    assert_int_equal(world.engine->store->orders_waiting, 0);
    pin(&newest);
    assert_int_equal(count_answer(&newest), MANY + 1);
    assert_int_equal(count_answer(&older), 1);
    pat_engine_unpin(world.engine, &older);
    pat_engine_unpin(world.engine, &newest);
    load_many(MANY + 1);
    rash.patient = false; /* who does not come again gets it at once */
    pin(&rash);
    assert_int_equal(count_answer(&rash), 2 * MANY + 1);
    pat_engine_unpin(world.engine, &rash);
    check_store();
    call_free(&call);
}

/* Half folded, and then something else wants all of it. */
static void a_fold_is_finished_by_whoever_needs_it(void **state) {
    (void)state;
    load_many(0);
    assert_true(pat_ingest_settle_some(world.engine->store, NULL));
    assert_non_null(world.engine->store->fold);
    load_orders(MANY, 100, 1);
    assert_int_equal(ask_count("count {}"), MANY + 100);
    load_many(MANY + 100);
    assert_true(pat_ingest_settle_some(world.engine->store, NULL));
    (void)load("load.refunds {producer: 'r', seq: 1, columns: {refund: ['r'], order: [5], time: ['2024-02-01'], "
               "amount: [1], currency: ['EUR']}}");
    assert_int_equal(ask_count("count {}"), 2 * MANY + 100);
    load_many(2 * MANY + 100);
    assert_true(pat_ingest_settle_some(world.engine->store, NULL));
    const struct pat_digest digest = store_digest();
    check_store();
    world_close(&world, true);
    world_open(&world);
    assert_true(pat_digest_equal(digest, store_digest()));
}

/* A snapshot begins with a version in which nothing waits, and no group passes it. */
static void a_snapshot_waits_for_the_fold(void **state) {
    (void)state;
    load_many(0);
    world.engine->snapshot_wanted = true;
    struct call call;
    call_make(&call,
              "load.orders {producer: 's', seq: 1, columns: {order: [99999], customer: [1], time: ['2024-01-05'], "
              "amount: [1], currency: ['EUR']}}");
    pat_engine_turn(world.engine);
    submit(&call);
    turn_until_idle();
    assert_true(call.ok);
    assert_true(world.engine->snapshot_lsn >= MANY / 100);
    assert_int_equal(ask_count("count {}"), MANY);
    call_free(&call);
}

/* It is not due any more while it waits: batches go on. */
static void a_snapshot_that_is_called_off_holds_up_nobody(void **state) {
    (void)state;
    load_many(0);
    world.engine->snapshot_every_ms = 1;
    world.engine->snapshot_ns = 0;
    (void)pat_ingest_settle_some(world.engine->store, NULL);
    pat_engine_turn(world.engine);
    world.engine->snapshot_waits = true; /* as when the fold takes more turns */
    pat_engine_set_snapshot_every(world.engine, 0);
    (void)load_order("s", 1, 99999);
    assert_false(world.engine->snapshot_waits);
}

static void look_ups_read_the_version_before_while_everybody_is_ranked(void **state) {
    (void)state;
    struct call call;
    call_make(&call, "customer {customer: '1'}");
    (void)load_order("p", 1, 1);
    struct pat_inquiry ranking = inquiry_of(&call, true), asking = ranking, told;
    struct pat_value answer;
    struct pat_error error;
    asking.at_once = true;
    ranking.ranks = true;
    pin(&ranking);
    assert_false(pat_engine_pin_ranked(world.engine, &asking)); /* there is none before it */
    assert_int_equal(pat_engine_answer(world.engine, &ranking, &answer, &error), PAT_OK);
    pat_engine_unpin(world.engine, &ranking);
    hold_versions();
    (void)load_order("p", 2, 2);
    pat_engine__publish(world.engine);
    hold_versions();
    pin(&ranking);
    assert_int_equal(ranking.pinned->view->lsn, 2);
    assert_true(pat_engine_pin_ranked(world.engine, &asking));
    assert_int_equal(asking.pinned->view->lsn, 1);
    assert_int_equal(pat_engine_answer(world.engine, &asking, &answer, &error), PAT_OK);
    pat_engine_unpin(world.engine, &asking);
    told = asking;
    told.seen_lsn = 2;
    assert_false(pat_engine_pin_ranked(world.engine, &told));
    told = asking;
    told.loading = false; /* nothing comes any more: he sees all there is */
    assert_false(pat_engine_pin_ranked(world.engine, &told));
    pat_engine_unpin(world.engine, &ranking);
    assert_false(pat_engine_pin_ranked(world.engine, &asking)); /* the newest is ranked by now */
    call_free(&call);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(questions_share_a_version_while_batches_come),
        TEST(no_older_version_stays_behind_a_newer),
        TEST(a_version_is_due_by_and_by),
        TEST(many_orders_are_folded_in_steps),
        TEST(a_fold_is_finished_by_whoever_needs_it),
        TEST(a_snapshot_waits_for_the_fold),
        TEST(a_snapshot_that_is_called_off_holds_up_nobody),
        TEST(look_ups_read_the_version_before_while_everybody_is_ranked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
