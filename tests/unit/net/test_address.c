/* What may be listened on. */
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void loopback_is_taken_and_written_back(void **state) {
    (void)state;
    static const char *const same[] = {"127.0.0.1:7411", "127.0.0.1:0", "127.8.9.10:65535", "[::1]:7411"};
    char text[PAT_ADDRESS_BYTES];
    struct pat_error error;
    struct pat_address address;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_int_equal(pat_address_parse(&address, same[i], &error), PAT_OK);
        assert_string_equal(pat_address_format(&address.at.any, text), same[i]);
    }
    assert_int_equal(pat_address_parse(&address, "localhost:80", &error), PAT_OK);
    assert_string_equal(pat_address_format(&address.at.any, text), "127.0.0.1:80");
    assert_int_equal(pat_address_parse(&address, "[::ffff:127.0.0.1]:1", &error), PAT_OK);
    assert_false(address.tls);
    assert_int_equal(pat_address_allow(&address, false, false, &error), PAT_OK);
}

static void loopback_has_tls_where_that_is_said(void **state) {
    (void)state;
    struct pat_error error;
    struct pat_address address;
    assert_int_equal(pat_address_parse(&address, "tls://[::1]:7411", &error), PAT_OK);
    assert_true(address.tls);
    assert_int_equal(pat_address_allow(&address, true, false, &error), PAT_OK);
    assert_int_equal(pat_address_allow(&address, false, true, &error), PAT_ERR_AUTH);
    assert_non_null(strstr(error.message, "--tls-cert"));
}

static void site_of(const char *text, unsigned char out[PAT_ADDRESS_SITE_BYTES]) {
    struct pat_error error;
    struct pat_address address;
    assert_int_equal(pat_address_parse(&address, text, &error), PAT_OK);
    pat_address_site(&address.at.any, out);
}

static void a_site_is_an_address_of_ipv4_or_half_of_one_of_ipv6(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"10.0.0.5:1", "[::ffff:10.0.0.5]:2"},
                                           {"[2001:db8:1:2::5]:1", "[2001:db8:1:2:ffff::7]:1"}};
    static const char *const all[] = {"10.0.0.5:1",           "10.0.0.6:1",          "[::ffff:10.0.0.7]:1",
                                      "[2001:db8:1:2::5]:1",  "[2001:db8:1:3::5]:1", "[::1]:1",
                                      "[::ffff:127.0.0.1]:1", "127.0.0.2:1",         "[64:ff9b::a00:5]:1"};
    unsigned char one[PAT_ADDRESS_SITE_BYTES], other[PAT_ADDRESS_SITE_BYTES];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        site_of(pairs[i][0], one);
        site_of(pairs[i][1], other);
        assert_memory_equal(one, other, sizeof one);
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t j = 0; j < i; j++) {
            site_of(all[i], one);
            site_of(all[j], other);
            assert_memory_not_equal(one, other, sizeof one);
        }
    }
}

static void other_addresses_need_tls_and_users(void **state) {
    (void)state;
    static const char *const others[] = {"0.0.0.0:0",   "[::]:0",         "10.0.0.1:7411",
                                         "128.0.0.1:1", "[fe80::1]:7411", "[::ffff:10.0.0.1]:1"};
    struct pat_error error;
    struct pat_address address;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(pat_address_parse(&address, others[i], &error), PAT_OK);
        assert_true(address.tls);
        assert_int_equal(pat_address_allow(&address, true, true, &error), PAT_OK);
        assert_int_equal(pat_address_allow(&address, true, false, &error), PAT_ERR_AUTH);
        assert_non_null(strstr(error.message, others[i]));
        assert_non_null(strstr(error.message, "loopback"));
        assert_non_null(strstr(error.message, "missing: --users"));
        assert_int_equal(pat_address_allow(&address, false, true, &error), PAT_ERR_AUTH);
        assert_non_null(strstr(error.message, "missing: --tls-cert FILE and --tls-key FILE"));
        assert_null(strstr(error.message, "--users"));
        assert_int_equal(pat_address_allow(&address, false, false, &error), PAT_ERR_AUTH);
        assert_non_null(strstr(error.message, "--tls-key FILE, and --users"));
    }
}

static void everything_else_is_no_address(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        ":",
                                        ":7411",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:65536",
                                        "127.0.0.1:123456",
                                        "127.0.0.1:-1",
                                        "127.0.0.1:7411x",
                                        "127.0.0.1: 7411",
                                        "127.0.0:7411",
                                        "::1:7411",
                                        "[]:7411",
                                        "[127.0.0.1]:7411",
                                        "[::1]",
                                        "[::1:7411",
                                        "tls://",
                                        "tls:127.0.0.1:1",
                                        "tls://tls://127.0.0.1:1",
                                        "example.com:80",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
                                        "\x01\xff:1"};
    struct pat_error error;
    struct pat_address address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (pat_address_parse(&address, wrong[i], &error) != PAT_ERR_BAD_REQUEST) fail_msg("taken: %s", wrong[i]);
        assert_null(strchr(error.message, '\x01'));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_taken_and_written_back),
        cmocka_unit_test(loopback_has_tls_where_that_is_said),
        cmocka_unit_test(a_site_is_an_address_of_ipv4_or_half_of_one_of_ipv6),
        cmocka_unit_test(other_addresses_need_tls_and_users),
        cmocka_unit_test(everything_else_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
