/* What a connection answers by itself: hello, ping, cancel, logins, config.reload. */
#include "net/net_private.h"

#include "base/log.h"

#include <stdio.h>

/* Of the name that a client gives itself, for the log: a program and its version. */
#define CLIENT_BYTES 64

static enum pat_status refuse(struct pat_call *call, const char *name, const struct pat_value *got,
                              const char *expected) {
    char shown[CLIENT_BYTES] = "";
    bool text = got->type == PAT_VALUE_TEXT;
    if (text) (void)pat_text_printable(pat_value_as_text(got), shown, sizeof shown);
    return pat_error_set_at(&call->error, PAT_ERR_BAD_REQUEST, name, -1, -1,
                            "parameter \"%s\" of %s: expected %s, got %s%s%s", name, call->info->name, expected,
                            text ? "\"" : "", text ? shown : pat_value_type_name(got), text ? "\"" : "");
}

/* A parameter that is `no` or `yes`; absent or nil leaves *out as it is. */
static enum pat_status read_choice(struct pat_call *call, const struct pat_value *params, const char *name,
                                   const char *no, const char *yes, bool *out) {
    const struct pat_value *value = params != NULL ? pat_value_get(params, name) : NULL;
    if (value == NULL || value->type == PAT_VALUE_NIL) return PAT_OK;
    bool is_yes = pat_value_is_text(value, yes);
    if (!is_yes && !pat_value_is_text(value, no)) {
        char expected[CLIENT_BYTES];
        (void)snprintf(expected, sizeof expected, "\"%s\" or \"%s\"", no, yes);
        return refuse(call, name, value, expected);
    }
    *out = is_yes;
    return PAT_OK;
}

static struct pat_value limits(struct pat_builder *builder, const struct pat_server *server) {
    struct pat_value map = pat_build_map(builder, 12);
    pat_build_put(builder, &map, "message_bytes_max", pat_value_int(PAT_FRAME_BYTES_MAX));
    pat_build_put(builder, &map, "message_values_max", pat_value_int(PAT_FRAME_OBJECTS_MAX));
    pat_build_put(builder, &map, "message_depth_max", pat_value_int(PAT_FRAME_DEPTH_MAX));
    pat_build_put(builder, &map, "requests_in_flight_max", pat_value_int(PAT_NET_CALLS_MAX));
    pat_build_put(builder, &map, "connections_max", pat_value_int(server->connections_max));
    pat_build_put(builder, &map, "batch_rows_max", pat_value_int(PAT_BATCH_ROWS_MAX));
    pat_build_put(builder, &map, "batch_columns_max", pat_value_int(PAT_BATCH_COLUMNS_MAX));
    pat_build_put(builder, &map, "id_bytes_max", pat_value_int(PAT_ID_BYTES_MAX));
    pat_build_put(builder, &map, "meta_bytes_max", pat_value_int(PAT_META_BYTES_MAX));
    pat_build_put(builder, &map, "filter_bytes_max", pat_value_int(PAT_FILTER_BYTES_MAX));
    pat_build_put(builder, &map, "rows_limit_max", pat_value_int(PAT_ROWS_LIMIT_MAX));
    pat_build_put(builder, &map, "deadline_ms_max", pat_value_int(PAT_DEADLINE_MS_MAX));
    return map;
}

static struct pat_value features(struct pat_builder *builder, bool tls) {
    static const char *const names[] = {"pipelining", "out_of_order", "cancel",        "deadline_ms",
                                        "min_lsn",    "errors_map",   "bigint_string", "binary_columns",
                                        "batch",      "unless",       "cursors",       "scram-sha-256"};
    struct pat_value array = pat_build_array(builder, sizeof names / sizeof names[0] + 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        pat_build_push(builder, &array, pat_value_string(names[i]));
    if (tls) pat_build_push(builder, &array, pat_value_string("scram-sha-256-plus"));
    return array;
}

static enum pat_status hello(struct pat_call *call, const struct pat_value *params, struct pat_builder *builder,
                             struct pat_value *result) {
    struct pat_conn *conn = call->conn;
    bool errors_map = conn->errors_map;
    bool bigint_text = conn->bigint_text;
    PAT_TRY(read_choice(call, params, "errors", "string", "map", &errors_map));
    PAT_TRY(read_choice(call, params, "bigint", "int", "string", &bigint_text));
    const struct pat_value *client = params != NULL ? pat_value_get(params, "client") : NULL;
    if (client != NULL && client->type != PAT_VALUE_TEXT && client->type != PAT_VALUE_NIL)
        return refuse(call, "client", client, "a name");
    if (client != NULL && client->type == PAT_VALUE_TEXT) {
        char name[CLIENT_BYTES];
        pat_log(PAT_LOG_DEBUG, "hello", "client=\"%s\"",
                pat_text_printable(pat_value_as_text(client), name, sizeof name));
    }
    conn->errors_map = errors_map;
    conn->bigint_text = bigint_text;
    *result = pat_build_map(builder, 5);
    pat_build_put(builder, result, "server", pat_value_string("patrond"));
    pat_build_put(builder, result, "version", pat_value_string(conn->server->options->engine.version));
    pat_build_put(builder, result, "limits", limits(builder, conn->server));
    pat_build_put(builder, result, "features", features(builder, conn->tls != NULL));
    pat_build_put(builder, result, "login_needed", pat_value_bool(conn->role == PAT_ROLE_NONE));
    return PAT_OK;
}

/* Several requests may bear one id; it means all of them. */
static bool cancel_all(struct pat_conn *conn, const struct pat_call *canceller, uint32_t msgid) {
    bool found = false;
    struct pat_link *next;
    for (struct pat_link *link = conn->calls.next; link != &conn->calls; link = next) {
        next = link->next;
        struct pat_call *call = PAT_LINK_OF(link, struct pat_call, link);
        if (call->looks > 0) {
            found |= pat_looks__cancel(call, msgid);
            continue;
        }
        /* A worker is still finding out the id of one that is being read. */
        if (call == canceller || call->state == PAT_CALL_READING || call->message.msgid != msgid) continue;
        found |= pat_call__stop(call, PAT_ERR_CANCELLED);
    }
    return found;
}

static enum pat_status cancel(struct pat_call *call, const struct pat_value *params, struct pat_builder *builder,
                              struct pat_value *result) {
    const struct pat_value *msgid = params != NULL ? pat_value_get(params, "msgid") : NULL;
    if (msgid == NULL)
        return pat_error_set_at(&call->error, PAT_ERR_BAD_REQUEST, "msgid", -1, -1,
                                "cancel needs \"msgid\": the id of the request to end");
    if (msgid->type != PAT_VALUE_INT || msgid->as.integer < 0 || msgid->as.integer > UINT32_MAX)
        return refuse(call, "msgid", msgid, "an integer from 0 to 4294967295");
    *result = pat_build_map(builder, 1);
    pat_build_put(builder, result, "cancelled",
                  pat_value_bool(cancel_all(call->conn, call, (uint32_t)msgid->as.integer)));
    return PAT_OK;
}

void pat_session__answer(struct pat_call *call) {
    struct pat_builder builder = {.arena = &call->arena};
    struct pat_value result = pat_value_string("pong");
    const struct pat_value *params;
    enum pat_status status = pat_wire_argument(&call->message, &params, &call->error);
    if (status == PAT_OK && call->info->method == PAT_METHOD_HELLO) status = hello(call, params, &builder, &result);
    if (status == PAT_OK && call->info->method == PAT_METHOD_CONFIG_RELOAD && call->message.kind == PAT_MESSAGE_REQUEST)
        status = pat_server__reload(call->conn->server, &builder, &result, &call->error);
    if (status == PAT_OK && call->info->method == PAT_METHOD_CANCEL) status = cancel(call, params, &builder, &result);
    if (status == PAT_OK &&
        (call->info->method == PAT_METHOD_AUTH_START || call->info->method == PAT_METHOD_AUTH_FINISH))
        status = pat_login__answer(call, params, &builder, &result);
    if (status == PAT_OK && builder.failed)
        status = pat_error_set(&call->error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    if (call->message.kind == PAT_MESSAGE_NOTIFY) {
        pat_call__release(call);
        return;
    }
    /* This answer already comes in the form that hello asked for. */
    call->errors_map = call->conn->errors_map;
    pat_call__answer(call, status == PAT_OK ? &result : NULL);
}
