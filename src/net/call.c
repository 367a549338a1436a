/* A request from its frame to the last byte of its answer. */
#include "net/net_private.h"

#include "base/mem.h"

#include <string.h>

/* Integers that a double holds exactly; what a client with no others asks to have as text. */
#define BIGINT_FROM (INT64_C(1) << 53)

static void call_init(struct pat_call *call, struct pat_conn *conn) {
    memset(call, 0, offsetof(struct pat_call, request));
    call->conn = conn;
    /* Of the call before nothing may show, whoever forgets to say what is wrong. */
    call->error.status = PAT_OK;
    call->error.message[0] = call->error.field[0] = '\0';
    call->error.row = call->error.offset = 0;
    pat_buf_clear(&call->reply);
}

static struct pat_call *call_make(struct pat_conn *conn) {
    struct pat_link *idle = pat_list_pop(&conn->server->idle_calls);
    if (idle != NULL) {
        struct pat_call *again = PAT_LINK_OF(idle, struct pat_call, link);
        struct pat_server *server = conn->server;
        if (--server->idle_calls_count < server->idle_calls_least) server->idle_calls_least = server->idle_calls_count;
        call_init(again, conn);
        return again;
    }
    struct pat_call *call = pat_mem_alloc(PAT_MEM_NET, sizeof *call);
    if (call == NULL) return NULL;
    pat_arena_init(&call->arena, PAT_QUERY_BYTES_MAX);
    pat_buf_init(&call->reply, PAT_MEM_NET);
    if (pat_buf_reserve(&call->reply, PAT_NET_REPLY_BYTES) != PAT_OK) {
        pat_mem_free(PAT_MEM_NET, call);
        return NULL;
    }
    call_init(call, conn);
    return call;
}

static struct pat_call *call_join(struct pat_call *call) {
    struct pat_conn *conn = call->conn;
    call->arrived_ms = uv_now(&conn->server->loop);
    call->errors_map = conn->errors_map;
    call->bigint_text = conn->bigint_text;
    call->role = conn->role;
    conn->calls_count++;
    pat_list_push(&conn->calls, &call->link);
    return call;
}

struct pat_call *pat_call__new(struct pat_conn *conn) {
    struct pat_call *call = call_make(conn);
    return call != NULL ? call_join(call) : NULL;
}

bool pat_call__spare_make(struct pat_conn *conn) {
    conn->spare = call_make(conn);
    if (conn->spare != NULL) conn->spare->spare = true;
    return conn->spare != NULL;
}

struct pat_call *pat_call__spare(struct pat_conn *conn) {
    struct pat_call *call = conn->spare;
    PAT_ASSERT(call != NULL);
    conn->spare = NULL;
    return call_join(call);
}

static void call_destroy(struct pat_call *call) {
    pat_arena_deinit(&call->arena);
    pat_buf_deinit(&call->reply);
    pat_mem_free(PAT_MEM_NET, call);
}

/* To what an idle call may keep; false without memory for that. */
static bool reply_shrink(struct pat_buf *reply) {
    if (reply->capacity <= PAT_NET_REPLY_KEPT_MAX) return true;
    pat_buf_deinit(reply);
    return pat_buf_reserve(reply, PAT_NET_REPLY_BYTES) == PAT_OK;
}

void pat_call__free(struct pat_call *call) {
    struct pat_server *server = call->conn->server;
    const unsigned kept_max = pat_net__short() ? PAT_NET_CALLS_IDLE : PAT_NET_CALLS_IDLE_MAX;
    if (server->idle_calls_count >= kept_max || !reply_shrink(&call->reply)) {
        call_destroy(call);
        return;
    }
    call->spare = false;
    pat_list_push(server->idle_calls.next, &call->link); /* in front: the next request finds it in the cache */
    server->idle_calls_count++;
}

static void idle_shrink(struct pat_server *server, unsigned count) {
    for (; server->idle_calls_count > count; server->idle_calls_count--) {
        struct pat_link *coldest = server->idle_calls.prev;
        pat_list_remove(coldest);
        call_destroy(PAT_LINK_OF(coldest, struct pat_call, link));
    }
}

void pat_calls__trim_idle(struct pat_server *server) {
    const unsigned used = server->idle_calls_count - server->idle_calls_least;
    idle_shrink(server, used > PAT_NET_CALLS_IDLE ? used : PAT_NET_CALLS_IDLE);
    server->idle_calls_least = server->idle_calls_count;
}

void pat_calls__free_idle(struct pat_server *server) {
    idle_shrink(server, 0);
}

/* All but the reply. */
static void call_strip(struct pat_call *call) {
    struct pat_conn *conn = call->conn;
    PAT_ASSERT(call->inquiry.pinned == NULL);
    pat_list_remove(&call->link);
    pat_list_remove(&call->wait);
    pat_list_remove(&call->line);
    pat_list_remove(&call->timed);
    pat_arena_reset(&call->arena);
    if (call->frame_owned) pat_mem_free(PAT_MEM_NET, call->frame);
    if (call->frame != NULL) conn->calls_bytes -= call->frame_bytes;
    call->frame = NULL;
    call->frame_owned = false;
}

void pat_call__release(struct pat_call *call) {
    struct pat_conn *conn = call->conn;
    call_strip(call);
    conn->calls_count -= call->looks > 0 ? call->looks : 1;
    pat_conn__touch(conn);
    if (!call->spare) {
        pat_call__free(call);
        return;
    }
    call_init(call, conn);
    conn->spare = call;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static bool has_bigint(const struct pat_value *value) {
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_INT: return value->as.integer >= BIGINT_FROM || value->as.integer <= -BIGINT_FROM;
    case PAT_VALUE_UINT: return true;
    case PAT_VALUE_ARRAY:
        for (uint32_t i = 0; i < value->count; i++) {
            if (has_bigint(&value->as.items[i])) return true;
        }
        return false;
    case PAT_VALUE_MAP:
        for (uint32_t i = 0; i < value->count; i++) {
            if (has_bigint(&value->as.members[i].value)) return true;
        }
        return false;
    default: return false;
    }
}

/* A copy with large integers as decimal texts; parts without any are shared. */
static struct pat_value bigint_to_text(struct pat_builder *builder, const struct pat_value *value) {
    if (!has_bigint(value)) return *value;
    if (value->type == PAT_VALUE_INT) return pat_build_printf(builder, "%lld", (long long)value->as.integer);
    if (value->type == PAT_VALUE_UINT) return pat_build_printf(builder, "%llu", (unsigned long long)value->as.uinteger);
    struct pat_value copy;
    if (value->type == PAT_VALUE_ARRAY) {
        copy = pat_build_array(builder, value->count);
        for (uint32_t i = 0; i < value->count; i++)
            pat_build_push(builder, &copy, bigint_to_text(builder, &value->as.items[i]));
        return copy;
    }
    copy = pat_build_map(builder, value->count);
    for (uint32_t i = 0; i < value->count; i++)
        pat_build_put_text_key(builder, &copy, value->as.members[i].key,
                               bigint_to_text(builder, &value->as.members[i].value));
    return copy;
}

enum pat_status pat_call__encode_result(struct pat_call *call, uint32_t msgid, const struct pat_value *result) {
    if (!call->bigint_text) return pat_wire_result(&call->reply, msgid, result);
    struct pat_builder builder = {.arena = &call->arena};
    struct pat_value changed = bigint_to_text(&builder, result);
    if (builder.failed) return PAT_ERR_NO_MEMORY;
    return pat_wire_result(&call->reply, msgid, &changed);
}

void pat_call__encode(struct pat_call *call, const struct pat_value *result) {
    call->encoded = true;
    if (result != NULL) {
        enum pat_status status = pat_call__encode_result(call, call->message.msgid, result);
        if (status == PAT_OK && call->reply.length <= UINT32_MAX) return;
        pat_buf_clear(&call->reply);
        (void)pat_error_set(&call->error, status == PAT_OK ? PAT_ERR_TOO_LARGE : PAT_ERR_NO_MEMORY, "%s",
                            status == PAT_OK ? "the answer is over 4 GiB" : "no memory for the answer");
    }
    if (call->looks > 0) {
        pat_looks__fail(call);
        return;
    }
    /* Fits PAT_NET_REPLY_BYTES, which every call has from the start. */
    enum pat_status status = pat_wire_error(&call->reply, call->message.msgid, &call->error, call->errors_map);
    PAT_ASSERT(status == PAT_OK);
}

void pat_call__answer(struct pat_call *call, const struct pat_value *result) {
    struct pat_conn *conn = call->conn;
    pat_audit__answered(call, result);
    if (conn->state >= PAT_CONN_LINGER) {
        pat_call__release(call);
        return;
    }
    if (!call->encoded) pat_call__encode(call, result);
    call_strip(call);
    call->state = PAT_CALL_ANSWERED;
    pat_list_push(&conn->out, &call->link);
    conn->out_bytes += call->reply.length;
    conn->server->out_bytes += call->reply.length;
    pat_conn__touch(conn);
}

void pat_call__fail(struct pat_call *call, const struct pat_error *error) {
    if (&call->error != error) call->error = *error;
    pat_call__answer(call, NULL);
}
