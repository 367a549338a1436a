/* What is made of orders behind the answers: runs, and the index after a start. */
#include "world.h"

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
    uint64_t moved = 0;
    for (unsigned first = 64; first < 6400; first += 64) {
        load_orders(first, 64, 1);
        world.engine->asked = true;
        const struct pat_runs *runs = &world.engine->store->runs;
        const bool full = runs->count == PAT_RUNS_MAX;
        const unsigned more = do_chores();
        made += more;
        assert_in_range(runs->count, 1, PAT_RUNS_MAX);
        if (more > 0) {
            const struct pat_fact_run *run = runs->run[runs->count - 1];
            const uint64_t rows = run->orders_to - run->orders_from;
            moved += rows;
            assert_true(full || rows <= 192 || rows <= first / 8 + 8); /* no long ones while rows come */
            if (runs->count > 1 && !full) {
                const struct pat_fact_run *before = runs->run[runs->count - 2];
                const uint64_t longer = before->orders_to - before->orders_from;
                assert_true(longer > rows || longer + rows > first / 8);
            }
        }
        assert_true(status_of_runs("tail_rows") < 128);
    }
    assert_in_range(made, 40, 99);
    assert_in_range(moved, 6000, 8 * 6400);
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

/* Nobody reads them: up to a sixteenth of all rows stays without a run, until somebody asks. */
static void unread_runs_are_fewer(void **state) {
    (void)state;
    unsigned made = 0;
    for (unsigned first = 0; first < 6400; first += 64) {
        load_orders(first, 64, 1);
        made += do_chores();
        assert_true(status_of_runs("tail_rows") < first / 16 + 64);
    }
    assert_in_range(made, 30, 60);
    load_orders(6400, 64, 1);
    load_orders(6464, 64, 1);
    assert_int_equal(do_chores(), 0);
    (void)ask_count("count {}");
    assert_int_equal(do_chores(), 1);
    assert_int_equal(status_of_runs("tail_rows"), 0);
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
    pat_ingest_settle(world.engine->store, NULL);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(runs_are_few_and_follow_the_rows),
        TEST(unread_runs_are_fewer),
        TEST(runs_follow_what_changes),
        TEST(a_start_settles_behind_the_first_answers),
        TEST(nobody_waits_for_ever_after_a_start),
        TEST(a_snapshot_that_does_not_hold_is_not_served),
        TEST(runs_are_given_up),
        TEST(a_batch_is_worth_more_than_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
