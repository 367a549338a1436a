/* Any bytes as messages of a login and as a users file: refused with a sentence, or read as what they are. Never a
 * login. Messages are separated by a newline: client-first, client-final, server-first, server-final, then the file. */
#include "access/users.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What stands before the next newline, in memory of its own size. */
static struct pat_text take(struct pat_text *rest) {
    const char *end = rest->length > 0 ? memchr(rest->data, '\n', rest->length) : NULL;
    const struct pat_text line = {rest->data, end != NULL ? (size_t)(end - rest->data) : rest->length};
    const size_t done = end != NULL ? line.length + 1 : line.length;
    *rest = (struct pat_text){rest->data + done, rest->length - done};
    return line;
}

static void serve(struct pat_text first, struct pat_text final) {
    static const unsigned char secret[PAT_SHA256_BYTES] = {1};
    struct pat_scram_server server;
    struct pat_error error;
    char out[PAT_SCRAM_MESSAGE_BYTES];
    static const struct pat_scram_binding binding = {.name = "tls-exporter", .data = {7}, .bytes = 32};
    if (pat_scram_server_read(&server, first, &binding, 1, &error) != PAT_OK) {
        PAT_ASSERT(error.status == PAT_ERR_AUTH && error.message[0] != '\0');
        return;
    }
    PAT_ASSERT(pat_user_name_valid(pat_text_of(server.user)));
    PAT_ASSERT(pat_scram_server_first(&server, NULL, secret, out, &error) == PAT_OK);
    PAT_ASSERT(strlen(out) < sizeof out);
    PAT_ASSERT(pat_scram_server_final(&server, final, out, &error) == PAT_ERR_AUTH);
}

static void ask(struct pat_text first, struct pat_text final) {
    struct pat_scram_client client;
    struct pat_error error;
    char out[PAT_SCRAM_MESSAGE_BYTES];
    PAT_ASSERT(pat_scram_client_first(&client, PAT_TEXT("user"), "rOprNGfwEbeRWgbNEkqO", NULL, out, &error) == PAT_OK);
    memset(client.signature, 0, sizeof client.signature);
    if (pat_scram_client_final(&client, PAT_TEXT("pencil"), first, out, &error) == PAT_OK)
        PAT_ASSERT(strlen(out) < sizeof out);
    PAT_ASSERT(pat_scram_client_check(&client, final, &error) != PAT_OK || final.length == 46);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct pat_users users;
    struct pat_error error;
    struct pat_text rest = {(const char *)data, size};
    const struct pat_text client_first = take(&rest), client_final = take(&rest);
    const struct pat_text server_first = take(&rest), server_final = take(&rest);
    serve(client_first, client_final);
    ask(server_first, server_final);
    if (pat_users_parse(&users, rest, &error) == PAT_OK) {
        for (unsigned i = 0; i < users.count; i++)
            PAT_ASSERT(pat_users_find(&users, pat_text_of(users.user[i].name)) == &users.user[i]);
    } else {
        PAT_ASSERT(error.message[0] != '\0');
    }
    return 0;
}
