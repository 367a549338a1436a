/* The installed C API: JSON calls, raw pipelining, loads in columns. */
#include "patron/patron.h"

#include "base/mem.h"
#include "fake_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct fake_server server;
static struct patron *patron;
static struct patron_error error;

static int setup(void **state) {
    (void)state;
    fake_server_start(&server, false, NULL);
    return patron_open(&patron, server.address, &error) == PATRON_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    patron_close(&patron);
    patron_close(&patron);
    fake_server_stop(&server);
    return pat_mem_used_total() == 0 ? 0 : -1;
}

static void json_goes_there_and_back(void **state) {
    (void)state;
    char *json;
    assert_int_equal(
        patron_call_json(patron, "echo", "{\"where\": \"net > 1.50\", \"n\": [1, 2.0, null]}", &json, &error),
        PATRON_OK);
    assert_string_equal(json, "{\"where\":\"net > 1.50\",\"n\":[1,2.0,null]}");
    patron_free(json);
    assert_int_equal(patron_call_json(patron, "echo", NULL, &json, NULL), PATRON_OK);
    assert_string_equal(json, "null");
    patron_free(json);
    patron_free(NULL);
}

static void refusals_and_failures_are_told_apart(void **state) {
    (void)state;
    char *json;
    assert_int_equal(patron_call_json(patron, "fail", NULL, &json, &error), PATRON_REFUSED);
    assert_null(json);
    assert_string_equal(error.code, "BAD_REQUEST");
    assert_string_equal(error.field, "amount");
    assert_int_equal(error.row, 7);
    assert_int_equal(patron_call_json(patron, "fail.string", NULL, &json, &error), PATRON_REFUSED);
    assert_int_equal(error.retryable, 1);
    assert_int_equal(patron_call_json(patron, "echo", "{\"a\" 1}", &json, &error), PATRON_FAILED);
    assert_string_equal(error.code, "BAD_REQUEST");
    assert_true(error.offset > 0);
    assert_int_equal(patron_call_json(patron, "echo", "[1]", &json, &error), PATRON_FAILED);
    assert_int_equal(patron_call_json(patron, "fail", NULL, &json, NULL), PATRON_REFUSED);
    assert_int_equal(patron_call_json(patron, "close", NULL, &json, &error), PATRON_FAILED);
    assert_string_equal(error.code, "IO");
    struct patron *other;
    assert_int_equal(patron_open(&other, "/nowhere", &error), PATRON_FAILED);
    assert_null(other);
    assert_string_equal(error.code, "IO");
}

static void packed_params_go_out_as_they_are(void **state) {
    (void)state;
    uint32_t first, second, msgid;
    const void *result;
    size_t bytes;
    assert_int_equal(patron_send(patron, "echo", "\x81\xa1k\xa1v", 5, &first, &error), PATRON_OK);
    assert_int_equal(patron_send(patron, "fail", NULL, 0, &second, &error), PATRON_OK);
    assert_int_equal(patron_in_flight(patron), 2);
    assert_int_equal(patron_receive(patron, &msgid, &result, &bytes, &error), PATRON_OK);
    assert_int_equal(msgid, first);
    assert_int_equal(bytes, 5);
    assert_memory_equal(result, "\x81\xa1k\xa1v", 5);
    assert_int_equal(patron_receive(patron, &msgid, &result, &bytes, &error), PATRON_REFUSED);
    assert_int_equal(msgid, second);
    assert_int_equal(patron_receive(patron, &msgid, &result, &bytes, &error), PATRON_FAILED);
    assert_string_equal(error.code, "BAD_REQUEST");
}

static void params_that_are_no_messagepack_are_not_sent(void **state) {
    (void)state;
    static const struct {
        const char *params;
        size_t bytes;
        int64_t offset;
    } cases[] = {
        {"\x81\xa1k", 3, -1},             /* cut */
        {"\x81\xa1k\x01\x02", 5, 4},      /* more than one value */
        {"\x82\xa1k\x01\xa1k\x02", 7, 4}, /* a key twice */
        {"\xc1", 1, 0},
        {"\x81\xa1k\xa1\xff", 5, 4},    /* no UTF-8 */
        {"\xdd\xff\xff\xff\xff", 5, 0}, /* more than fits */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t msgid;
        assert_int_equal(patron_send(patron, "echo", cases[i].params, cases[i].bytes, &msgid, &error), PATRON_FAILED);
        assert_string_equal(error.code, i == 5 ? "TOO_LARGE" : "BAD_REQUEST");
        assert_int_equal(error.offset, cases[i].offset);
    }
    assert_int_equal(patron_in_flight(patron), 0);
    char *json;
    assert_int_equal(patron_call_json(patron, "echo", NULL, &json, &error), PATRON_OK);
    patron_free(json);
}

static char *send_and_receive(const struct patron_batch *batch, const struct patron_batch_options *options) {
    uint32_t sent, msgid;
    char *json;
    assert_int_equal(patron_batch_send(patron, batch, options, &sent, &error), PATRON_OK);
    assert_int_equal(patron_receive_json(patron, &msgid, &json, &error), PATRON_OK);
    assert_int_equal(msgid, sent);
    return json;
}

static void a_batch_goes_out_in_columns(void **state) {
    (void)state;
    struct patron_batch *batch = patron_batch_new("orders", 3);
    assert_non_null(batch);
    int64_t times[] = {1, 2, 3};
    int32_t days[] = {1, 256, -1};
    const char *orders[] = {"a", NULL, "c"};
    const char *dict[] = {"BR", "MX", NULL};
    uint32_t codes[] = {1, 0, 2};
    unsigned char nulls[] = {0x04};
    patron_batch_text(batch, "order", orders);
    patron_batch_u64(batch, "customer", (uint64_t[]){1, 2, UINT64_MAX}, NULL);
    patron_batch_i64(batch, "time", times, nulls);
    patron_batch_i32(batch, "cancelled", days, NULL);
    patron_batch_dict(batch, "country", dict, 3, codes);
    memset(times, 0, sizeof times); /* copied already */
    orders[0] = NULL;
    struct patron_batch_options options = {
        .producer = "p", .seq = UINT64_MAX, .skip_bad = 1, .append = 1, .meta = "log:5"};
    char *json = send_and_receive(batch, &options);
    assert_string_equal(json, "{\"producer\":\"p\",\"seq\":18446744073709551615,\"on_error\":\"skip\",\"columns\":{"
                              "\"order\":[\"a\",null,\"c\"],"
                              "\"customer\":\"AQAAAAAAAAACAAAAAAAAAP//////////\","
                              "\"time\":{\"bin\":\"AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAA\",\"nulls\":\"BA==\"},"
                              "\"cancelled\":\"AQAAAAABAAD/////\","
                              "\"country\":{\"dict\":[\"BR\",\"MX\",null],\"codes\":\"AQAC\"}},"
                              "\"mode\":\"append\",\"meta\":\"log:5\"}");
    patron_free(json);
    options = (struct patron_batch_options){.producer = "p", .seq = 1};
    json = send_and_receive(batch, &options); /* again */
    assert_non_null(strstr(json, "\"on_error\":\"reject\""));
    patron_free(json);
    patron_batch_free(batch);
    patron_batch_free(NULL);
}

static void codes_are_as_wide_as_their_dictionary_needs(void **state) {
    (void)state;
    static const struct {
        size_t dict_count;
        const char *codes; /* base64 of one code of 1 */
    } cases[] = {{256, "\"AQ==\""}, {257, "\"AQA=\""}, {65536, "\"AQA=\""}, {65537, "\"AQAAAA==\""}};
    const char **dict = calloc(65537, sizeof *dict);
    assert_non_null(dict);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct patron_batch *batch = patron_batch_new("orders", 1);
        patron_batch_dict(batch, "country", dict, cases[i].dict_count, (uint32_t[]){1});
        char *json = send_and_receive(batch, &(struct patron_batch_options){.producer = "p"});
        assert_non_null(strstr(json, cases[i].codes));
        patron_free(json);
        patron_batch_free(batch);
    }
    free(dict);
}

static void expect_unsendable(struct patron_batch *batch, const char *producer, const char *field) {
    uint32_t msgid;
    struct patron_batch_options options = {.producer = producer};
    assert_int_equal(patron_batch_send(patron, batch, &options, &msgid, &error), PATRON_FAILED);
    assert_string_equal(error.code, "BAD_REQUEST");
    assert_string_equal(error.field, field);
    patron_batch_free(batch);
}

static void mistakes_in_a_batch_show_when_it_is_sent(void **state) {
    (void)state;
    assert_null(patron_batch_new("orders", 0));
    assert_null(patron_batch_new("orders", 65537));
    expect_unsendable(patron_batch_new("orders", 1), "p", "");
    struct patron_batch *batch = patron_batch_new("orders", 1);
    patron_batch_i64(batch, "time", (int64_t[]){1}, NULL);
    expect_unsendable(batch, NULL, "producer");
    batch = patron_batch_new("orders", 1);
    patron_batch_i64(batch, "time", (int64_t[]){1}, NULL);
    patron_batch_i64(batch, "time", (int64_t[]){2}, NULL);
    patron_batch_i64(batch, "amount", (int64_t[]){2}, NULL);
    patron_batch_i64(batch, "amount", (int64_t[]){2}, NULL);
    expect_unsendable(batch, "p", "time");
    batch = patron_batch_new("orders", 1);
    patron_batch_dict(batch, "country", (const char *[]){"BR"}, 1, (uint32_t[]){1});
    expect_unsendable(batch, "p", "country");
    batch = patron_batch_new("orders", 1);
    patron_batch_dict(batch, "country", NULL, 0, (uint32_t[]){0});
    expect_unsendable(batch, "p", "country");
}

static void a_batch_without_memory_says_so(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth < 20; nth++) {
        (void)pat_mem_fail_at(nth);
        struct patron_batch *batch = patron_batch_new("orders", 60000);
        if (batch != NULL) {
            static int64_t values[60000];
            static const char *texts[60000];
            patron_batch_i64(batch, "time", values, NULL);
            patron_batch_text(batch, "order", texts);
        }
        bool hit = pat_mem_fail_at(0) >= nth;
        if (batch == NULL || !hit) {
            patron_batch_free(batch);
            if (!hit) break;
            continue;
        }
        uint32_t msgid;
        struct patron_batch_options options = {.producer = "p"};
        assert_int_equal(patron_batch_send(patron, batch, &options, &msgid, &error), PATRON_FAILED);
        assert_string_equal(error.code, "NO_MEMORY");
        patron_batch_free(batch);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(json_goes_there_and_back),
        TEST(refusals_and_failures_are_told_apart),
        TEST(packed_params_go_out_as_they_are),
        TEST(params_that_are_no_messagepack_are_not_sent),
        TEST(a_batch_goes_out_in_columns),
        TEST(codes_are_as_wide_as_their_dictionary_needs),
        TEST(mistakes_in_a_batch_show_when_it_is_sent),
        TEST(a_batch_without_memory_says_so),
    };
    return cmocka_run_group_tests_name("client/public", tests, NULL, NULL);
}
