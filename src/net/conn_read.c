/* Bytes to frames. Small things are read into the server's scratch and copied out frame by frame, so that a connection
 * without unfinished business has no buffer; what is unfinished gathers in the connection's own, which a big frame's
 * call takes over whole. */
#include "net/net_private.h"

#include "base/log.h"

#include <string.h>

/* Room for one read in a connection's own buffer. */
#define READ_BYTES_MIN ((size_t)16 << 10)
/* A frame that says how long it gets is given that room at once, up to so many times what came of it already, or as
 * much as the one before it took: whoever announces much and sends little must not hold much memory. */
#define ROOM_AHEAD 16u

bool pat_conn__may_take(const struct pat_conn *conn) {
    /* Batches with the engine have a limit of their own, for all connections: as many as there are go with a sync. */
    return conn->state == PAT_CONN_OPEN && conn->spare != NULL &&
           conn->calls_count - conn->submitted < (pat_net__short() ? PAT_NET_CALLS_SHORT : PAT_NET_CALLS_MAX) &&
           conn->calls_bytes < PAT_NET_CALLS_BYTES_MAX && pat_conn__drained(conn) &&
           pat_conn__sealed_bytes(conn) < PAT_NET_SEALED_BYTES_MAX &&
           (conn->submitted == 0 || pat_engine_queued(conn->server->engine) < PAT_NET_BATCHES_MAX);
}

void pat_conn__broken(struct pat_conn *conn, uint32_t msgid, const struct pat_error *error) {
    if (conn->state != PAT_CONN_OPEN) return;
    pat_log(PAT_LOG_DEBUG, "frame-refused", "code=%s offset=%lld", pat_status_code(error->status),
            (long long)error->offset);
    pat_conn__end(conn);
    /* Without a spare its last answer is still on the way, and the connection ends without this one. */
    if (conn->spare == NULL) return;
    struct pat_call *call = pat_call__spare(conn);
    call->message.msgid = msgid;
    pat_call__fail(call, error);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static void refuse_for_memory(struct pat_conn *conn, const unsigned char *frame, size_t bytes) {
    struct pat_error error;
    (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for a request of %zu bytes; send it again later", bytes);
    struct pat_call *call = pat_call__spare(conn);
    (void)pat_wire_peek_msgid(frame, bytes, &call->message.msgid);
    pat_call__fail(call, &error);
}

/* The frame at `buf`'s front becomes the call's, and the rest a buffer of its own. */
static bool buffer_hand_over(struct pat_call *call, struct pat_buf *buf, size_t bytes) {
    struct pat_buf rest;
    pat_buf_init(&rest, buf->purpose);
    if (buf->length > bytes && pat_buf_append(&rest, buf->data + bytes, buf->length - bytes) != PAT_OK) return false;
    call->frame = buf->data;
    call->frame_owned = true;
    *buf = rest;
    return true;
}

/* False without memory. *consumed are the bytes that still stand in `buf` and are done with. */
static bool frame_give(struct pat_call *call, struct pat_buf *buf, size_t at, size_t bytes, size_t *consumed) {
    *consumed = bytes;
    call->frame_bytes = bytes;
    if (bytes >= PAT_NET_FRAME_BIG_BYTES && at == 0 && buf == &call->conn->in) {
        *consumed = 0;
        call->conn->frame_bytes = bytes;
        return buffer_hand_over(call, buf, bytes);
    }
    call->frame = pat_arena_alloc(&call->arena, bytes);
    if (call->frame == NULL) return false;
    memcpy(call->frame, buf->data + at, bytes);
    return true;
}

/* Gives how much of `buf` is done with. */
static size_t frame_take(struct pat_conn *conn, struct pat_buf *buf, size_t at, size_t bytes) {
    size_t consumed = bytes;
    pat_scan_init(&conn->scan, conn->scan.limits);
    struct pat_call *call = pat_call__new(conn);
    if (call == NULL || !frame_give(call, buf, at, bytes, &consumed)) {
        if (call != NULL) pat_call__release(call);
        refuse_for_memory(conn, buf->data + at, bytes);
        return bytes;
    }
    conn->calls_bytes += bytes;
    pat_call__begin(call);
    return consumed;
}

/* Takes whole frames off the front of `buf`, as many as may be; gives the bytes done with, and sets backlog when it
 * stopped for another reason than that the next frame is unfinished. */
static size_t frames_take(struct pat_conn *conn, struct pat_buf *buf) {
    size_t at = 0;
    conn->backlog = false;
    pat_looks__end(conn);
    for (unsigned frames = 0; at < buf->length; frames++) {
        if (!pat_conn__may_take(conn) || frames == PAT_NET_FRAMES_PER_TURN) {
            conn->backlog = conn->state == PAT_CONN_OPEN;
            break;
        }
        size_t bytes = pat_looks__follow(conn, buf->data + at, buf->length - at);
        if (bytes > 0) {
            at += bytes;
            conn->frame_ms = 0;
            continue;
        }
        struct pat_error error;
        enum pat_status status = pat_scan_run(&conn->scan, buf->data + at, buf->length - at, &bytes, &error);
        if (status == PAT_ERR_MORE) break;
        if (status != PAT_OK) {
            uint32_t msgid = 0;
            (void)pat_wire_peek_msgid(buf->data + at, buf->length - at, &msgid);
            pat_conn__broken(conn, msgid, &error);
            break;
        }
        at += frame_take(conn, buf, at, bytes);
        conn->frame_ms = 0;
    }
    return at;
}

/* After frames were taken: an unfinished one has a time limit while it is being read. */
static void frame_time(struct pat_conn *conn) {
    if (conn->backlog || conn->in.length == 0) {
        conn->frame_ms = 0;
    } else if (conn->frame_ms == 0) {
        conn->frame_ms = uv_now(&conn->server->loop);
    }
}

void pat_conn__take_backlog(struct pat_conn *conn) {
    size_t done = frames_take(conn, &conn->in);
    if (conn->state != PAT_CONN_OPEN) return; /* the buffer is gone */
    pat_buf_consume(&conn->in, done);
    if (conn->in.length == 0) pat_buf_deinit(&conn->in);
    frame_time(conn);
}

/* What stands in the scratch: frames are taken, the rest is kept. */
static void take_scratch(struct pat_conn *conn) {
    struct pat_buf *scratch = &conn->server->scratch;
    size_t done = frames_take(conn, scratch);
    if (conn->state != PAT_CONN_OPEN) return;
    if (pat_buf_append(&conn->in, scratch->data + done, scratch->length - done) != PAT_OK) {
        struct pat_error error;
        uint32_t msgid = 0;
        (void)pat_wire_peek_msgid(scratch->data + done, scratch->length - done, &msgid);
        (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory to read a request; send it again later");
        pat_conn__broken(conn, msgid, &error);
        return;
    }
    frame_time(conn);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Room behind what stands in the connection's buffer; false without memory for any. */
static bool buffer_room(const struct pat_conn *conn, struct pat_buf *buf) {
    if (buf->capacity - buf->length >= READ_BYTES_MIN) return true;
    const size_t most = buf->length * (ROOM_AHEAD - 1), announced = conn->scan.wait_for;
    const size_t left = announced > buf->length ? announced - buf->length : 0;
    size_t ahead = left < most ? left : most;
    if (left > 0 && conn->frame_bytes > buf->length + ahead) ahead = conn->frame_bytes - buf->length;
    if (ahead > READ_BYTES_MIN && pat_buf_reserve(buf, ahead) == PAT_OK) return true;
    return pat_buf_reserve(buf, READ_BYTES_MIN) == PAT_OK;
}

static void read_no_memory(struct pat_conn *conn) {
    struct pat_error error;
    uint32_t msgid = 0;
    (void)pat_wire_peek_msgid(conn->in.data, conn->in.length, &msgid);
    (void)pat_error_set(&error, PAT_ERR_NO_MEMORY,
                        "no memory to read more than %zu bytes of a request; send it again later", conn->in.length);
    pat_conn__broken(conn, msgid, &error);
}

unsigned char *pat_conn__room(struct pat_conn *conn, size_t *bytes) {
    struct pat_buf *buf = conn->state == PAT_CONN_OPEN && conn->in.length > 0 ? &conn->in : &conn->server->scratch;
    if (buf == &conn->server->scratch) {
        buf->length = 0;
    } else if (buf->capacity - buf->length < READ_BYTES_MIN &&
               ((buf->length > PAT_NET_FRAME_SHORT_BYTES && pat_net__short()) || !buffer_room(conn, buf))) {
        read_no_memory(conn);
        return NULL;
    }
    *bytes = buf->capacity - buf->length;
    return buf->data + buf->length;
}

void pat_conn__came(struct pat_conn *conn, size_t bytes) {
    if (conn->in.length > 0) {
        conn->in.length += bytes;
        pat_conn__take_backlog(conn);
    } else {
        conn->server->scratch.length = bytes;
        take_scratch(conn);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    struct pat_conn *conn = handle->data;
    struct pat_buf *wire = &conn->server->wire;
    size_t room = wire->capacity;
    unsigned char *data = conn->tls != NULL ? wire->data : pat_conn__room(conn, &room);
    (void)suggested;
    /* Without room it is read with UV_ENOBUFS. */
    *out = uv_buf_init((char *)data, data == NULL ? 0 : (unsigned)(room < INT32_MAX ? room : INT32_MAX));
}

/* The end of a client's stream is its end: what it asked stops, batches that came whole go on. */
void pat_conn__ended(struct pat_conn *conn) {
    if (conn->state == PAT_CONN_LINGER) {
        pat_conn__drop(conn, "client closed");
        return;
    }
    /* Nobody waits for a word: it need not linger. */
    if (conn->state == PAT_CONN_OPEN && conn->calls_count == 0 && conn->tls == NULL) {
        pat_conn__drop(conn, "client closed");
        return;
    }
    pat_conn__end(conn);
    pat_calls__stop_all(conn);
}

void pat_conn__received(struct pat_conn *conn, size_t bytes) {
    if (conn->state != PAT_CONN_OPEN) return;
    if (conn->tls != NULL) {
        pat_conn__unseal(conn, conn->server->wire.data, bytes);
    } else {
        pat_conn__came(conn, bytes);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    struct pat_conn *conn = stream->data;
    (void)buf;
    if (got == 0) return;
    if (got == UV_EOF) {
        pat_conn__ended(conn);
    } else if (got < 0 && got != UV_ENOBUFS) {
        pat_conn__drop(conn, uv_strerror((int)got));
    } else if (got > 0) {
        pat_conn__received(conn, (size_t)got);
    }
    pat_conn__read_update(conn);
    pat_conn__touch(conn);
}

/* While ending, reading would only hide from the client that nobody listens. */
void pat_conn__read_update(struct pat_conn *conn) {
    bool wanted = conn->state == PAT_CONN_LINGER ||
                  (pat_conn__may_take(conn) && !conn->backlog && !pat_link_listed(&conn->shaking));
    if (wanted == conn->reading || conn->state >= PAT_CONN_CLOSING) return;
    conn->reading = wanted;
    if (!wanted) {
        (void)uv_read_stop(&conn->io.stream);
        conn->frame_ms = 0;
        return;
    }
    int failed = uv_read_start(&conn->io.stream, on_alloc, on_read);
    if (failed != 0) {
        conn->reading = false;
        pat_conn__drop(conn, uv_strerror(failed));
        return;
    }
    if (conn->state == PAT_CONN_OPEN) frame_time(conn);
}
