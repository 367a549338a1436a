#include "access/scram.h"
#include "client/client_private.h"

#include <string.h>

/* One message to the server, and its answer copied to `out`. */
static enum pat_status say(struct pat_client *client, const char *method, bool first, const char *data,
                           char out[PAT_SCRAM_MESSAGE_BYTES], struct pat_error *error) {
    struct pat_member members[] = {
        {PAT_TEXT("data"), pat_value_string(data)},
        {PAT_TEXT("mechanism"), pat_value_string(client->tls != NULL ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256")},
    };
    const struct pat_value params = {.type = PAT_VALUE_MAP, .count = first ? 2 : 1, .as.members = members};
    struct pat_arena arena;
    struct pat_value result;
    struct pat_client_fault fault;
    bool failed;
    pat_arena_init(&arena, 0);
    enum pat_status status = pat_client_call(client, method, &params, &arena, &result, &failed, &fault, error);
    if (status == PAT_OK && failed) status = pat_error_set(error, PAT_ERR_AUTH, "%s", fault.message);
    if (status == PAT_OK) {
        const struct pat_value *text = result.type == PAT_VALUE_MAP ? pat_value_get(&result, "data") : NULL;
        if (text == NULL || text->type != PAT_VALUE_TEXT || text->count >= PAT_SCRAM_MESSAGE_BYTES) {
            status = pat_error_set(error, PAT_ERR_PROTO, "the server's answer to %s has no \"data\"", method);
        } else {
            memcpy(out, text->as.text, text->count);
            out[text->count] = '\0';
        }
    }
    pat_arena_deinit(&arena);
    return status;
}

enum pat_status pat_client_login(struct pat_client *client, struct pat_text user, struct pat_text password,
                                 struct pat_error *error) {
    struct pat_scram_client scram;
    char ours[PAT_SCRAM_MESSAGE_BYTES], theirs[PAT_SCRAM_MESSAGE_BYTES];
    struct pat_scram_binding binding[PAT_TLS_BINDINGS_MAX];
    if (client->tls != NULL && pat_tls_bindings(client->tls, binding) == 0)
        return pat_error_set(error, PAT_ERR_AUTH, "this connection has nothing that a login could be bound to");
    PAT_TRY(pat_scram_client_first(&scram, user, NULL, client->tls != NULL ? binding : NULL, ours, error));
    PAT_TRY(say(client, "auth.start", true, ours, theirs, error));
    PAT_TRY(pat_scram_client_final(&scram, password, pat_text_of(theirs), ours, error));
    PAT_TRY(say(client, "auth.finish", false, ours, theirs, error));
    return pat_scram_client_check(&scram, pat_text_of(theirs), error);
}
