/* Look-ups that come side by side in the same words become one call: the first, which leads, is read as any request;
 * those behind it differ in msgid and id alone and are known by their bytes. They share a pin, a version and what the
 * question comes to, and their answers go out of one buffer. Otherwise they are requests like others: each counts
 * against what a connection may have in flight, is answered or refused by itself, and can be cancelled. */
#include "net/net_private.h"

#include <string.h>

/* As many as are answered before what there is of answers is sent. */
#define LOOKS_MAX PAT_NET_ANSWERS_TOGETHER

struct pat_look {
    uint32_t msgid;
    bool cancelled; /* relaxed atomics: a worker may be at it */
};

void pat_looks__lead(struct pat_call *call) {
    call->conn->leader = call;
    call->conn->like.front = NULL;
}

void pat_looks__end(struct pat_conn *conn) {
    conn->leader = NULL;
}

/* ---- following --------------------------------------------------------------------------------------------------- */

static void look_put(struct pat_call *call, uint32_t msgid, int64_t number, struct pat_text text) {
    call->look[call->looks] = (struct pat_look){.msgid = msgid};
    call->inquiry.look[call->looks++] = (struct pat_look_up){.number = number, .text = text};
    call->inquiry.looks = call->looks;
}

/* Room for those to come, and for an error to each: there is an answer even when there is no memory. */
static bool looks_open(struct pat_call *call) {
    struct pat_conn *conn = call->conn;
    if (conn->like.front == NULL && !pat_wire_like_open(&conn->like, call->frame, call->frame_bytes, "customer"))
        return false;
    if (call->looks > 0) return true;
    call->look = pat_arena_array(&call->arena, LOOKS_MAX, sizeof *call->look);
    call->inquiry.look = pat_arena_array(&call->arena, LOOKS_MAX, sizeof *call->inquiry.look);
    if (call->look == NULL || call->inquiry.look == NULL) return false;
    uint32_t msgid;
    int64_t number;
    struct pat_text text;
    if (pat_wire_like_take(&conn->like, call->frame, call->frame_bytes, &msgid, &number, &text) == 0) return false;
    look_put(call, msgid, number, text);
    return true;
}

size_t pat_looks__follow(struct pat_conn *conn, const unsigned char *data, size_t bytes) {
    struct pat_call *const call = conn->leader;
    uint32_t msgid;
    int64_t number;
    struct pat_text text;
    if (call == NULL) return 0;
    conn->leader = NULL; /* unless it has one more */
    if (call->looks == LOOKS_MAX || !looks_open(call)) return 0;
    const size_t frame_bytes = pat_wire_like_take(&conn->like, data, bytes, &msgid, &number, &text);
    if (frame_bytes == 0) return 0;
    if (pat_buf_reserve(&call->reply, (call->looks + 1) * PAT_NET_REPLY_BYTES) != PAT_OK) return 0;
    if (number < 0) text = pat_arena_text(&call->arena, text);
    if (number < 0 && text.data == NULL) return 0;
    look_put(call, msgid, number, text);
    call->frame_bytes += frame_bytes;
    conn->calls_bytes += frame_bytes;
    conn->calls_count++;
    conn->leader = call;
    return frame_bytes;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* Each has room for an error, and leaves it to those behind it. */
static void look_fail(struct pat_call *call, unsigned which, const struct pat_error *error) {
    if (&call->error != error) call->error.status = error->status; /* what the log says of those not found */
    const enum pat_status status = pat_wire_error(&call->reply, call->look[which].msgid, error, call->errors_map);
    PAT_ASSERT(status == PAT_OK);
}

static bool look_tell(struct pat_call *call, unsigned which, const struct pat_value *result) {
    const size_t start = call->reply.length, behind = (call->looks - which - 1) * PAT_NET_REPLY_BYTES;
    if (pat_call__encode_result(call, call->look[which].msgid, result) == PAT_OK &&
        pat_buf_reserve(&call->reply, behind) == PAT_OK)
        return true;
    call->reply.length = start;
    return false;
}

static void on_looked_up(void *context, unsigned which, const struct pat_value *result, const struct pat_error *error) {
    struct pat_call *call = context;
    struct pat_error own;
    if (__atomic_load_n(&call->look[which].cancelled, __ATOMIC_RELAXED)) {
        (void)pat_error_set(&own, PAT_ERR_CANCELLED, "the request was cancelled");
        look_fail(call, which, &own);
    } else if (result == NULL) {
        look_fail(call, which, error);
    } else if (look_tell(call, which, result)) {
        call->found++;
    } else {
        (void)pat_error_set(&own, PAT_ERR_NO_MEMORY, "no memory for the answer");
        look_fail(call, which, &own);
    }
}

void pat_looks__answer(struct pat_call *call) {
    call->status = pat_engine_look_up(call->conn->server->engine, &call->inquiry, on_looked_up, call, &call->error);
    call->encoded = call->status == PAT_OK;
}

void pat_looks__fail(struct pat_call *call) {
    pat_buf_clear(&call->reply);
    for (unsigned i = 0; i < call->looks; i++) look_fail(call, i, &call->error);
}

bool pat_looks__cancel(struct pat_call *call, uint32_t msgid) {
    bool found = false;
    for (unsigned i = 0; i < call->looks; i++) {
        if (call->look[i].msgid != msgid) continue;
        __atomic_store_n(&call->look[i].cancelled, true, __ATOMIC_RELAXED);
        found = true;
    }
    return found;
}
