/* What is asked: versions, answers that are given again, pages, what the engine says of itself. */
#include "world.h"

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

/* One look-up after the other on a quiet server needs no version of its own, and none that costs the next batch copies.
 */
static void look_ups_share_a_version_until_the_store_changes(void **state) {
    (void)state;
    struct call call;
    call_make(&call, "customer {customer: '1'}");
    struct pat_inquiry first = {.request = &call.request, .arena = &call.arena, .at_once = true}, second = first;
    struct pat_error error;
    (void)load_order("p", 1, 1);
    assert_int_equal(pat_engine_pin(world.engine, &first, &error), PAT_OK);
    const struct pat_view *view = first.pinned->view;
    pat_engine_unpin(world.engine, &first);
    assert_int_equal(world.engine->store->pins.open_count, 1);
    assert_int_equal(pat_engine_pin(world.engine, &second, &error), PAT_OK);
    assert_ptr_equal(second.pinned->view, view);
    (void)load_order("p", 2, 2);
    assert_int_equal(second.pinned->view->lsn, 1); /* whoever still reads it keeps it */
    pat_engine_unpin(world.engine, &second);
    assert_int_equal(world.engine->store->pins.open_count, 0);
    assert_int_equal(pat_engine_pin(world.engine, &first, &error), PAT_OK);
    assert_int_equal(first.pinned->view->lsn, 2);
    pat_engine_unpin(world.engine, &first);
    (void)load_order("p", 3, 3);
    assert_int_equal(world.engine->store->pins.open_count, 0);
    call_free(&call);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(questions_see_one_version),
        TEST(look_ups_share_a_version_until_the_store_changes),
        TEST(an_answer_is_given_again_until_something_changes),
        TEST(pages_are_given_again_with_cursors_of_their_own),
        TEST(rows_behind_the_view_are_not_there),
        TEST(open_versions_are_limited),
        TEST(questions_stop),
        TEST(looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
