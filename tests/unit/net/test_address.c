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
        cmocka_unit_test(other_addresses_need_tls_and_users),
        cmocka_unit_test(everything_else_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
