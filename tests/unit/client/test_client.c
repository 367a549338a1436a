/* The client on value trees against a server that blocks. */
#include "client/client.h"

#include "base/mem.h"
#include "fake_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct fake_server server;
static struct pat_client *client;
static struct pat_arena arena;
static struct pat_error error;
static struct pat_client_fault fault;

static int connected(bool tcp) {
    pat_arena_init(&arena, 0);
    fake_server_start(&server, tcp, NULL);
    return pat_client_open(&client, server.address, &error) == PAT_OK ? 0 : -1;
}

static int setup(void **state) {
    (void)state;
    return connected(false);
}

static int setup_tcp(void **state) {
    (void)state;
    return connected(true);
}

static int teardown(void **state) {
    (void)state;
    (void)pat_mem_fail_at(0);
    pat_client_close(&client);
    fake_server_stop(&server);
    pat_arena_deinit(&arena);
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static struct pat_value map_of(struct pat_member *member) {
    return (struct pat_value){.type = PAT_VALUE_MAP, .count = 1, .as.members = member};
}

static void a_call_is_answered(void **state) {
    (void)state;
    struct pat_member member = {PAT_TEXT("a"), pat_value_string("b")};
    struct pat_value params = map_of(&member), result;
    bool failed = true;
    assert_int_equal(pat_client_call(client, "echo", &params, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_false(failed);
    assert_true(pat_value_is_text(pat_value_get(&result, "a"), "b"));
    assert_int_equal(pat_client_call(client, "echo", NULL, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_int_equal(result.type, PAT_VALUE_NIL);
    assert_int_equal(pat_client_in_flight(client), 0);
}

static void results_outlive_what_comes_later(void **state) {
    (void)state;
    struct pat_member member = {PAT_TEXT("a"), pat_value_string("kept")};
    struct pat_value params = map_of(&member), first, result;
    bool failed;
    assert_int_equal(pat_client_call(client, "echo", &params, &arena, &first, &failed, &fault, &error), PAT_OK);
    member.value = pat_value_string("other");
    for (int i = 0; i < 3; i++)
        assert_int_equal(pat_client_call(client, "echo", &params, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_true(pat_value_is_text(pat_value_get(&first, "a"), "kept"));
}

static void a_fault_is_read_from_map_or_string(void **state) {
    (void)state;
    struct pat_value result;
    bool failed = false;
    assert_int_equal(pat_client_call(client, "fail", NULL, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_true(failed);
    assert_string_equal(fault.code, "BAD_REQUEST");
    assert_string_equal(fault.message, "no such luck: 42");
    assert_string_equal(fault.field, "amount");
    assert_int_equal(fault.row, 7);
    assert_int_equal(fault.offset, -1);
    assert_false(fault.retryable);
    assert_int_equal(pat_client_call(client, "fail.string", NULL, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_true(failed);
    assert_string_equal(fault.code, "BUSY");
    assert_string_equal(fault.message, "no such luck: 42");
    assert_string_equal(fault.field, "");
    assert_int_equal(fault.row, -1);
    assert_true(fault.retryable);
}

static void answers_may_overtake(void **state) {
    (void)state;
    uint32_t first, second, msgid;
    struct pat_value result;
    bool failed;
    assert_int_equal(pat_client_send(client, "hold", NULL, &first, &error), PAT_OK);
    assert_int_equal(pat_client_send(client, "echo", NULL, &second, &error), PAT_OK);
    assert_int_equal(pat_client_in_flight(client), 2);
    assert_int_equal(pat_client_call(client, "echo", NULL, &arena, &result, &failed, &fault, &error),
                     PAT_ERR_BAD_REQUEST);
    assert_int_equal(pat_client_receive(client, &msgid, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_int_equal(msgid, second);
    assert_int_equal(pat_client_receive(client, &msgid, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_int_equal(msgid, first);
    assert_int_equal(pat_client_in_flight(client), 0);
}

/* More of them than are kept back; the last ones go out because their answers are waited for. */
static void queued_requests_go_out_together(void **state) {
    (void)state;
    enum { REQUESTS = 3000 };
    uint32_t msgid, first = 0;
    struct pat_value result;
    bool failed;
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_int_equal(pat_client_queue(client, "echo", NULL, &msgid, &error), PAT_OK);
        if (i == 0) first = msgid;
        assert_int_equal(msgid, first + i);
        assert_int_equal(pat_client_in_flight(client), i + 1);
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_int_equal(pat_client_receive(client, &msgid, &arena, &result, &failed, &fault, &error), PAT_OK);
        assert_int_equal(msgid, first + i);
    }
    assert_int_equal(pat_client_queue(client, "hold", NULL, &first, &error), PAT_OK);
    assert_int_equal(pat_client_send(client, "echo", NULL, &msgid, &error), PAT_OK);
    assert_int_equal(pat_client_receive(client, &msgid, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_int_equal(pat_client_receive(client, &msgid, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_int_equal(msgid, first);
}

static void notifications_are_passed_over(void **state) {
    (void)state;
    struct pat_value result;
    bool failed;
    assert_int_equal(pat_client_call(client, "notify", NULL, &arena, &result, &failed, &fault, &error), PAT_OK);
    assert_false(failed);
}

/* 64 MB each way before the first answer is asked for: far more than the sockets hold. */
static void full_buffers_on_both_sides_do_not_hang(void **state) {
    (void)state;
    enum { REQUESTS = 64, BYTES = 1 << 20 };
    unsigned char *bytes = calloc(1, BYTES);
    assert_non_null(bytes);
    struct pat_member member = {PAT_TEXT("bin"), {.type = PAT_VALUE_BIN, .count = BYTES, .as.bin = bytes}};
    struct pat_value params = map_of(&member);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint32_t msgid;
        bytes[0] = (unsigned char)i;
        assert_int_equal(pat_client_send(client, "echo", &params, &msgid, &error), PAT_OK);
    }
    free(bytes);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        struct pat_arena own;
        pat_arena_init(&own, 0);
        uint32_t msgid;
        struct pat_value result;
        bool failed;
        assert_int_equal(pat_client_receive(client, &msgid, &own, &result, &failed, &fault, &error), PAT_OK);
        assert_int_equal(pat_value_get(&result, "bin")->count, BYTES);
        assert_int_equal(pat_value_get(&result, "bin")->as.bin[0], i);
        pat_arena_deinit(&own);
    }
}

static void expect_lost(const char *method, enum pat_status status) {
    struct pat_value result;
    bool failed;
    assert_int_equal(pat_client_call(client, method, NULL, &arena, &result, &failed, &fault, &error), status);
    assert_true(error.message[0] != '\0');
    assert_int_not_equal(pat_client_call(client, "echo", NULL, &arena, &result, &failed, &fault, &error), PAT_OK);
    uint32_t msgid;
    assert_int_equal(pat_client_receive(client, &msgid, &arena, &result, &failed, &fault, &error), PAT_ERR_IO);
}

static void a_closed_connection_is_said(void **state) {
    (void)state;
    expect_lost("close", PAT_ERR_IO);
}

static void half_an_answer_is_none(void **state) {
    (void)state;
    expect_lost("half", PAT_ERR_IO);
}

static void garbage_ends_the_connection(void **state) {
    (void)state;
    expect_lost("garbage", PAT_ERR_PROTO);
}

static void an_answer_to_something_else_ends_the_connection(void **state) {
    (void)state;
    expect_lost("wrong.id", PAT_ERR_PROTO);
}

static void a_request_from_the_server_ends_the_connection(void **state) {
    (void)state;
    expect_lost("request", PAT_ERR_PROTO);
}

static void writing_to_a_server_that_went_raises_no_signal(void **state) {
    (void)state;
    uint32_t msgid;
    struct pat_value result;
    bool failed;
    assert_int_equal(pat_client_send(client, "close", NULL, &msgid, &error), PAT_OK);
    enum pat_status status = PAT_OK;
    for (int i = 0; i < 100000 && status == PAT_OK; i++) status = pat_client_send(client, "echo", NULL, &msgid, &error);
    assert_int_equal(status, PAT_ERR_IO);
    assert_int_equal(pat_client_receive(client, &msgid, &arena, &result, &failed, &fault, &error), PAT_ERR_IO);
}

static void a_request_beyond_the_servers_limit_is_not_sent(void **state) {
    (void)state;
    unsigned char *bytes = calloc(1, PAT_FRAME_BYTES_MAX);
    assert_non_null(bytes);
    struct pat_member member = {PAT_TEXT("bin"),
                                {.type = PAT_VALUE_BIN, .count = PAT_FRAME_BYTES_MAX, .as.bin = bytes}};
    struct pat_value params = map_of(&member), result;
    uint32_t msgid;
    assert_int_equal(pat_client_send(client, "echo", &params, &msgid, &error), PAT_ERR_TOO_LARGE);
    free(bytes);
    bool failed;
    assert_int_equal(pat_client_call(client, "echo", NULL, &arena, &result, &failed, &fault, &error), PAT_OK);
}

static void no_memory_is_an_answer(void **state) {
    (void)state;
    /* Nobody serves: the backlog is enough to connect, and no other thread takes the failing allocation. */
    fake_server_listen(&server, false);
    for (uint64_t nth = 1; nth <= 3; nth++) {
        (void)pat_mem_drop_waiting(); /* what waits is no allocation */
        (void)pat_mem_fail_at(nth);
        assert_int_equal(pat_client_open(&client, server.address, &error), PAT_ERR_NO_MEMORY);
        assert_int_equal(error.status, PAT_ERR_NO_MEMORY);
        (void)pat_mem_fail_at(0);
        assert_null(client);
        assert_int_equal(pat_mem_used_total(), 0);
    }
    fake_server_close(&server);
}

static void a_full_server_says_so(void **state) {
    (void)state;
    pat_arena_init(&arena, 0);
    for (int i = 0; i < 20; i++) {
        fake_server_start(&server, i % 2 == 0, "too many connections");
        assert_int_equal(pat_client_open(&client, server.address, &error), PAT_ERR_IO);
        assert_non_null(strstr(error.message, "BUSY: too many connections"));
        assert_null(client);
        fake_server_stop(&server);
    }
}

static void a_wrong_address_is_explained(void **state) {
    (void)state;
    static const struct {
        const char *address;
        enum pat_status status;
        const char *says;
    } cases[] = {
        {"127.0.0.1:1", PAT_ERR_IO, "is patrond running there?"},
        {"/nowhere/to/be/found", PAT_ERR_IO, "No such file or directory"},
        {"[::1:7411", PAT_ERR_BAD_REQUEST, "HOST:PORT"},
        {"[::1]x", PAT_ERR_BAD_REQUEST, "HOST:PORT"},
        {"127.0.0.1:none", PAT_ERR_BAD_REQUEST, "is no address"},
        {"127.0.0.1:99999", PAT_ERR_BAD_REQUEST, "is no address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pat_client_open(&client, cases[i].address, &error), cases[i].status);
        assert_non_null(strstr(error.message, cases[i].says));
        assert_null(client);
    }
    char path[300] = {0};
    memset(path, '/', sizeof path - 1);
    assert_int_equal(pat_client_open(&client, path, &error), PAT_ERR_BAD_REQUEST);
}

#define TEST(name)     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_TCP(name) cmocka_unit_test_setup_teardown(name, setup_tcp, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_answered),
        TEST_TCP(a_call_is_answered),
        TEST(results_outlive_what_comes_later),
        TEST(a_fault_is_read_from_map_or_string),
        TEST(answers_may_overtake),
        TEST(queued_requests_go_out_together),
        TEST(notifications_are_passed_over),
        TEST(full_buffers_on_both_sides_do_not_hang),
        TEST_TCP(full_buffers_on_both_sides_do_not_hang),
        TEST(a_closed_connection_is_said),
        TEST_TCP(a_closed_connection_is_said),
        TEST(half_an_answer_is_none),
        TEST(garbage_ends_the_connection),
        TEST(an_answer_to_something_else_ends_the_connection),
        TEST(a_request_from_the_server_ends_the_connection),
        TEST(writing_to_a_server_that_went_raises_no_signal),
        TEST_TCP(writing_to_a_server_that_went_raises_no_signal),
        TEST(a_request_beyond_the_servers_limit_is_not_sent),
        cmocka_unit_test(no_memory_is_an_answer),
        cmocka_unit_test(a_full_server_says_so),
        cmocka_unit_test(a_wrong_address_is_explained),
    };
    return cmocka_run_group_tests_name("client/client", tests, NULL, NULL);
}
