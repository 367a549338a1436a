/* SCRAM-SHA-256 against the example of RFC 7677, both sides against each other, and what must be refused. */
#include "access/scram.h"
#include "access/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* RFC 7677, section 3: user "user", password "pencil". */
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define BOTH_NONCES  "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define CLIENT_FINAL "c=biws,r=" BOTH_NONCES ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void test_client_rfc7677(void **state) {
    (void)state;
    struct pat_scram_client client;
    char out[PAT_SCRAM_MESSAGE_BYTES];
    struct pat_error error;
    assert_int_equal(pat_scram_client_first(&client, PAT_TEXT("user"), CLIENT_NONCE, NULL, out, &error), PAT_OK);
    assert_string_equal(out, "n,,n=user,r=" CLIENT_NONCE);
    assert_int_equal(pat_scram_client_final(&client, PAT_TEXT("pencil"), PAT_TEXT(SERVER_FIRST), out, &error), PAT_OK);
    assert_string_equal(out, CLIENT_FINAL);
    assert_int_equal(pat_scram_client_check(&client, PAT_TEXT(SERVER_FINAL), &error), PAT_OK);
    assert_int_equal(pat_scram_client_check(&client, PAT_TEXT("v=AAAA"), &error), PAT_ERR_AUTH);
    assert_int_equal(pat_scram_client_check(&client, PAT_TEXT("e=other-error"), &error), PAT_ERR_AUTH);
}

/* The keys of that user, as a server keeps them. */
static void rfc_server(struct pat_scram_server *server) {
    static const unsigned char secret[PAT_SHA256_BYTES] = {1};
    struct pat_error error;
    struct pat_users users;
    char line[300], first[PAT_SCRAM_MESSAGE_BYTES];
    unsigned char salt[PAT_SCRAM_SALT_BYTES], salted[PAT_SHA256_BYTES], client[PAT_SHA256_BYTES];
    unsigned char stored[PAT_SHA256_BYTES], own[PAT_SHA256_BYTES];
    char stored_text[45], own_text[45];
    size_t bytes;
    assert_true(pat_base64_decode(PAT_TEXT("W22ZaJ0SNY7soEsUEjb6gQ=="), salt, sizeof salt, &bytes));
    assert_true(pat_pbkdf2_sha256(PAT_TEXT("pencil"), salt, sizeof salt, 4096, salted));
    assert_true(pat_hmac_sha256(salted, "Client Key", 10, client));
    assert_true(pat_sha256(client, sizeof client, stored));
    assert_true(pat_hmac_sha256(salted, "Server Key", 10, own));
    pat_base64_encode(stored, sizeof stored, stored_text);
    pat_base64_encode(own, sizeof own, own_text);
    (void)snprintf(line, sizeof line, "# who\n\nuser admin SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$%s:%s\n",
                   stored_text, own_text);
    assert_int_equal(pat_users_parse(&users, pat_text_of(line), &error), PAT_OK);
    assert_int_equal(users.count, 1);
    assert_int_equal(pat_scram_server_read(server, PAT_TEXT("n,,n=user,r=" CLIENT_NONCE), NULL, 0, &error), PAT_OK);
    const struct pat_user *user = pat_users_find(&users, pat_text_of(server->user));
    assert_non_null(user);
    assert_int_equal(user->role, PAT_ROLE_ADMIN);
    assert_int_equal(pat_scram_server_first(server, &user->keys, secret, first, &error), PAT_OK);
    /* The RFC's own half of the nonce instead of the one drawn. */
    (void)snprintf(server->nonce, sizeof server->nonce, "%s", BOTH_NONCES);
    (void)snprintf(server->first, sizeof server->first, "%s", SERVER_FIRST);
}

static void test_server_rfc7677(void **state) {
    (void)state;
    struct pat_scram_server server;
    char out[PAT_SCRAM_MESSAGE_BYTES];
    struct pat_error error;
    rfc_server(&server);
    assert_int_equal(pat_scram_server_final(&server, PAT_TEXT(CLIENT_FINAL), out, &error), PAT_OK);
    assert_string_equal(out, SERVER_FINAL);
}

/* Every byte of the last message, changed in every bit: never a login, never a read out of bounds. */
static void test_no_other_final_is_right(void **state) {
    (void)state;
    char out[PAT_SCRAM_MESSAGE_BYTES], final[] = CLIENT_FINAL;
    struct pat_error error;
    for (size_t i = 0; i + 1 < sizeof final; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct pat_scram_server server;
            rfc_server(&server);
            final[i] = (char)(final[i] ^ (1 << bit));
            assert_int_equal(pat_scram_server_final(&server, pat_text_of(final), out, &error), PAT_ERR_AUTH);
            final[i] = (char)(final[i] ^ (1 << bit));
        }
    }
    for (size_t length = 0; length + 1 < sizeof final; length++) {
        struct pat_scram_server server;
        rfc_server(&server);
        assert_int_equal(pat_scram_server_final(&server, (struct pat_text){final, length}, out, &error), PAT_ERR_AUTH);
    }
}

static enum pat_status exchange(const struct pat_scram_keys *keys, struct pat_text user, struct pat_text password,
                                char first[PAT_SCRAM_MESSAGE_BYTES]) {
    static const unsigned char secret[PAT_SHA256_BYTES] = {7};
    struct pat_scram_client client;
    struct pat_scram_server server;
    char out[PAT_SCRAM_MESSAGE_BYTES];
    struct pat_error error;
    assert_int_equal(pat_scram_client_first(&client, user, NULL, NULL, out, &error), PAT_OK);
    assert_int_equal(pat_scram_server_read(&server, pat_text_of(out), NULL, 0, &error), PAT_OK);
    assert_true(pat_text_is(user, server.user));
    assert_int_equal(pat_scram_server_first(&server, keys, secret, first, &error), PAT_OK);
    assert_int_equal(pat_scram_client_final(&client, password, pat_text_of(first), out, &error), PAT_OK);
    const enum pat_status status = pat_scram_server_final(&server, pat_text_of(out), out, &error);
    if (status != PAT_OK) {
        assert_string_equal(error.message, "wrong user or password");
        return status;
    }
    return pat_scram_client_check(&client, pat_text_of(out), &error);
}

static void test_both_sides(void **state) {
    (void)state;
    struct pat_scram_keys keys;
    char first[PAT_SCRAM_MESSAGE_BYTES];
    const struct pat_text names[] = {PAT_TEXT("a"), PAT_TEXT("a,b=c"), PAT_TEXT("\xc3\xb6l"),
                                     PAT_TEXT(",,,,,,,,,,,,,,,,================,,,,,,,,,,,,,,,,================")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(pat_scram_keys_make(&keys, PAT_TEXT("correct horse")));
        assert_int_equal(exchange(&keys, names[i], PAT_TEXT("correct horse"), first), PAT_OK);
        assert_int_equal(exchange(&keys, names[i], PAT_TEXT("correct horsf"), first), PAT_ERR_AUTH);
        assert_int_equal(exchange(&keys, names[i], PAT_TEXT(""), first), PAT_ERR_AUTH);
    }
}

/* Salt and count of a name that nobody has stay the same, and differ from name to name. */
static void test_unknown_users_look_known(void **state) {
    (void)state;
    char once[PAT_SCRAM_MESSAGE_BYTES], again[PAT_SCRAM_MESSAGE_BYTES], other[PAT_SCRAM_MESSAGE_BYTES];
    assert_int_equal(exchange(NULL, PAT_TEXT("nobody"), PAT_TEXT("x"), once), PAT_ERR_AUTH);
    assert_int_equal(exchange(NULL, PAT_TEXT("nobody"), PAT_TEXT("y"), again), PAT_ERR_AUTH);
    assert_int_equal(exchange(NULL, PAT_TEXT("nemo"), PAT_TEXT("y"), other), PAT_ERR_AUTH);
    assert_string_equal(strstr(once, ",s="), strstr(again, ",s="));
    assert_string_not_equal(strstr(once, ",s="), strstr(other, ",s="));
    assert_non_null(strstr(once, ",i=10000"));
}

static void test_first_messages_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "n,",
                                        "n=user,r=abcdefgh",
                                        "p=tls-unique,,n=user,r=abcdefgh",
                                        "n,a=other,n=user,r=abcdefgh",
                                        "n,,m=1,n=user,r=abcdefgh",
                                        "n,,n=,r=abcdefgh",
                                        "n,,n=us er,r=abcdefgh",
                                        "n,,n=us=er,r=abcdefgh",
                                        "n,,n=user=2,r=abcdefgh",
                                        "n,,n=user",
                                        "n,,n=user,r=",
                                        "n,,n=user,r=short",
                                        "n,,n=user,r=abc\001defgh",
                                        "n,,r=abcdefgh,n=user"};
    struct pat_scram_server server;
    struct pat_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(pat_scram_server_read(&server, pat_text_of(wrong[i]), NULL, 0, &error), PAT_ERR_AUTH);
    char long_one[2000];
    memset(long_one, 'a', sizeof long_one - 1);
    memcpy(long_one, "n,,n=user,r=", 12);
    long_one[sizeof long_one - 1] = '\0';
    assert_int_equal(pat_scram_server_read(&server, pat_text_of(long_one), NULL, 0, &error), PAT_ERR_AUTH);
    long_one[200] = '\0';
    assert_int_equal(pat_scram_server_read(&server, pat_text_of(long_one), NULL, 0, &error), PAT_ERR_AUTH);
}

/* A server in the middle must not make the client give its proof away cheaply, or stall it. */
static void test_client_refuses_offers(void **state) {
    (void)state;
    static const char *const wrong[] = {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                                        "r=" CLIENT_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                                        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
                                        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
                                        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001",
                                        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
                                        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
                                        "r=" BOTH_NONCES ",s=,i=4096",
                                        "r=" BOTH_NONCES ",s=W22Z!J0SNY7soEsUEjb6gQ==,i=4096",
                                        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                                        ""};
    struct pat_scram_client client;
    char out[PAT_SCRAM_MESSAGE_BYTES];
    struct pat_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(pat_scram_client_first(&client, PAT_TEXT("user"), CLIENT_NONCE, NULL, out, &error), PAT_OK);
        assert_int_equal(pat_scram_client_final(&client, PAT_TEXT("pencil"), pat_text_of(wrong[i]), out, &error),
                         PAT_ERR_AUTH);
    }
}

static void test_base64(void **state) {
    (void)state;
    static const char *const texts[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Zg==Zg==", "Zm 9v", "Z=8=", "Zm8=="};
    unsigned char data[8];
    size_t bytes;
    char out[16];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        pat_base64_encode((const unsigned char *)"foobar", i, out);
        assert_string_equal(out, texts[i]);
        assert_true(pat_base64_decode(pat_text_of(texts[i]), data, sizeof data, &bytes));
        assert_int_equal(bytes, i);
        assert_memory_equal(data, "foobar", i);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(pat_base64_decode(pat_text_of(wrong[i]), data, sizeof data, &bytes));
    assert_false(pat_base64_decode(PAT_TEXT("Zm9vYmFy"), data, 5, &bytes));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_rfc7677),           cmocka_unit_test(test_server_rfc7677),
        cmocka_unit_test(test_no_other_final_is_right),  cmocka_unit_test(test_both_sides),
        cmocka_unit_test(test_unknown_users_look_known), cmocka_unit_test(test_first_messages_refused),
        cmocka_unit_test(test_client_refuses_offers),    cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
