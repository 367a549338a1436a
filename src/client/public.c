#include "patron/patron.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/client_private.h"
#include "client/public_private.h"
#include "model/value.h"
#include "proto/json.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(((struct patron_error *)0)->message) == PAT_ERROR_MESSAGE_BYTES, "messages fit");
_Static_assert(sizeof(((struct patron_error *)0)->field) == PAT_ERROR_FIELD_BYTES, "fields fit");

const char *patron_version(void) {
    return PATRON_VERSION;
}

/* ---- errors ----------------------------------------------------------------------------------------------------- */

static const char *code_of(enum pat_status status) {
    if (status == PAT_ERR_IO) return "IO";
    return status == PAT_ERR_PROTO ? "PROTO" : pat_status_code(status);
}

enum patron_status patron__fail(struct patron_error *out, const struct pat_error *error) {
    if (out == NULL) return PATRON_FAILED;
    *out = (struct patron_error){.row = error->row, .offset = error->offset};
    (void)snprintf(out->code, sizeof out->code, "%s", code_of(error->status));
    (void)snprintf(out->message, sizeof out->message, "%s", error->message);
    (void)snprintf(out->field, sizeof out->field, "%s", error->field);
    return PATRON_FAILED;
}

static enum patron_status fail_with(struct patron_error *out, enum pat_status status, const char *message) {
    struct pat_error error;
    (void)pat_error_set(&error, status, "%s", message);
    return patron__fail(out, &error);
}

static enum patron_status refuse(struct patron_error *out, const struct pat_client_fault *fault) {
    if (out == NULL) return PATRON_REFUSED;
    *out = (struct patron_error){.row = fault->row, .offset = fault->offset, .retryable = fault->retryable};
    memcpy(out->code, fault->code, sizeof out->code);
    memcpy(out->message, fault->message, sizeof out->message);
    memcpy(out->field, fault->field, sizeof out->field);
    return PATRON_REFUSED;
}

/* ---- connection ------------------------------------------------------------------------------------------------- */

static enum patron_status open_as(struct patron **out, const char *address, const struct pat_client_tls *tls,
                                  struct patron_error *error) {
    *out = NULL;
    struct patron *patron = pat_mem_alloc(PAT_MEM_NET, sizeof *patron);
    if (patron == NULL) return fail_with(error, PAT_ERR_NO_MEMORY, "no memory to connect");
    pat_buf_init(&patron->answer, PAT_MEM_NET);
    struct pat_error trouble;
    if (pat_client_open_tls(&patron->client, address, tls, &trouble) != PAT_OK) {
        pat_mem_free(PAT_MEM_NET, patron);
        return patron__fail(error, &trouble);
    }
    *out = patron;
    return PATRON_OK;
}

enum patron_status patron_open(struct patron **out, const char *address, struct patron_error *error) {
    return open_as(out, address, NULL, error);
}

enum patron_status patron_open_tls(struct patron **out, const char *address, const struct patron_tls *tls,
                                   struct patron_error *error) {
    struct pat_client_tls terms = {.insecure = false};
    if (tls != NULL)
        terms = (struct pat_client_tls){
            .ca_path = tls->ca_file, .server_name = tls->server_name, .insecure = tls->insecure != 0};
    return open_as(out, address, &terms, error);
}

enum patron_status patron_login(struct patron *patron, const char *user, const char *password,
                                struct patron_error *error) {
    struct pat_error trouble;
    const enum pat_status status = pat_client_login(patron->client, pat_text_of(user), pat_text_of(password), &trouble);
    return status == PAT_OK ? PATRON_OK : patron__fail(error, &trouble);
}

void patron_close(struct patron **patron) {
    if (*patron == NULL) return;
    pat_client_close(&(*patron)->client);
    pat_buf_deinit(&(*patron)->answer);
    pat_mem_free(PAT_MEM_NET, *patron);
    (void)pat_mem_drop_waiting(); /* the process is somebody else's */
    *patron = NULL;
}

unsigned patron_in_flight(const struct patron *patron) {
    return pat_client_in_flight(patron->client);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

/* The text that patron_free frees: the buffer's block itself. */
static enum patron_status give_json(char **out, const struct pat_value *result, struct patron_error *error) {
    struct pat_buf text;
    pat_buf_init(&text, PAT_MEM_OTHER);
    if (pat_json_print(&text, result, false) != PAT_OK || pat_buf_append_u8(&text, '\0') != PAT_OK) {
        pat_buf_deinit(&text);
        return fail_with(error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    }
    *out = (char *)text.data;
    return PATRON_OK;
}

static enum patron_status call_json(struct patron *patron, const char *method, const char *params_json,
                                    char **result_json, struct pat_arena *arena, struct patron_error *error) {
    struct pat_error trouble;
    struct pat_value params, result;
    if (params_json != NULL && pat_json_parse(&params, pat_text_of(params_json), arena, &trouble) != PAT_OK)
        return patron__fail(error, &trouble);
    if (params_json != NULL && params.type != PAT_VALUE_MAP)
        return fail_with(error, PAT_ERR_BAD_REQUEST, "parameters are a JSON object: {\"name\": value, ...}");
    bool failed;
    struct pat_client_fault fault;
    if (pat_client_call(patron->client, method, params_json != NULL ? &params : NULL, arena, &result, &failed, &fault,
                        &trouble) != PAT_OK)
        return patron__fail(error, &trouble);
    return failed ? refuse(error, &fault) : give_json(result_json, &result, error);
}

enum patron_status patron_call_json(struct patron *patron, const char *method, const char *params_json,
                                    char **result_json, struct patron_error *error) {
    *result_json = NULL;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    enum patron_status status = call_json(patron, method, params_json, result_json, &arena, error);
    pat_arena_deinit(&arena);
    return status;
}

void patron_free(char *json) {
    pat_mem_free(PAT_MEM_OTHER, json);
}

/* ---- pipelining ------------------------------------------------------------------------------------------------- */

enum patron_status patron_send(struct patron *patron, const char *method, const void *params, size_t params_bytes,
                               uint32_t *msgid, struct patron_error *error) {
    struct pat_error trouble;
    enum pat_status status =
        params_bytes == 0 ? pat_client_send(patron->client, method, NULL, msgid, &trouble)
                          : pat_client__send_packed(patron->client, method, params, params_bytes, msgid, &trouble);
    return status == PAT_OK ? PATRON_OK : patron__fail(error, &trouble);
}

static enum patron_status receive(struct patron *patron, uint32_t *msgid, struct pat_value *result,
                                  struct pat_arena *arena, struct patron_error *error) {
    if (pat_client_in_flight(patron->client) == 0)
        return fail_with(error, PAT_ERR_BAD_REQUEST, "nothing is in flight: send a request first");
    struct pat_error trouble;
    bool failed;
    struct pat_client_fault fault;
    if (pat_client_receive(patron->client, msgid, arena, result, &failed, &fault, &trouble) != PAT_OK)
        return patron__fail(error, &trouble);
    return failed ? refuse(error, &fault) : PATRON_OK;
}

enum patron_status patron_receive(struct patron *patron, uint32_t *msgid, const void **result, size_t *result_bytes,
                                  struct patron_error *error) {
    *result = NULL;
    *result_bytes = 0;
    struct pat_value value;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    enum patron_status status = receive(patron, msgid, &value, &arena, error);
    pat_buf_clear(&patron->answer);
    if (status == PATRON_OK && pat_wire_value(&patron->answer, &value) != PAT_OK)
        status = fail_with(error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    pat_arena_deinit(&arena);
    if (status != PATRON_OK) return status;
    *result = patron->answer.data;
    *result_bytes = patron->answer.length;
    return PATRON_OK;
}

enum patron_status patron_receive_json(struct patron *patron, uint32_t *msgid, char **result_json,
                                       struct patron_error *error) {
    *result_json = NULL;
    struct pat_value value;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    enum patron_status status = receive(patron, msgid, &value, &arena, error);
    if (status == PATRON_OK) status = give_json(result_json, &value, error);
    pat_arena_deinit(&arena);
    return status;
}
