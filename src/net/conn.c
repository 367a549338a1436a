/* The life of a connection. */
#include "net/net_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>

const struct pat_scan_limits pat_conn_limits = {PAT_FRAME_BYTES_MAX, PAT_FRAME_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX};

struct pat_conn *pat_conn__new(struct pat_server *server) {
    struct pat_conn *conn = pat_mem_alloc(PAT_MEM_NET, sizeof *conn);
    if (conn == NULL) return NULL;
    conn->server = server;
    pat_buf_init(&conn->in, PAT_MEM_NET);
    pat_buf_init(&conn->wire, PAT_MEM_NET);
    pat_buf_init(&conn->hello, PAT_MEM_NET);
    pat_scan_init(&conn->scan, pat_conn_limits);
    pat_list_init(&conn->calls);
    pat_list_init(&conn->waiting);
    pat_list_init(&conn->lengthy);
    pat_list_init(&conn->line);
    pat_list_init(&conn->out);
    if (!pat_call__spare_make(conn)) {
        pat_mem_free(PAT_MEM_NET, conn);
        return NULL;
    }
    return conn;
}

void pat_conn__free(struct pat_conn *conn) {
    PAT_ASSERT(conn->calls_count == 0);
    if (conn->spare != NULL) pat_call__free(conn->spare);
    pat_login__forget(conn);
    pat_buf_deinit(&conn->in);
    pat_buf_deinit(&conn->wire);
    pat_buf_deinit(&conn->hello);
    pat_tls_close(&conn->tls);
    pat_mem_free(PAT_MEM_NET, conn);
}

void pat_conn__open(struct pat_conn *conn, const struct sockaddr_storage *peer) {
    conn->io.handle.data = conn;
    conn->write.data = conn->shutdown.data = conn;
    pat_list_push(&conn->server->conns, &conn->link);
    conn->server->connections++;
    pat_audit__opened(conn, peer);
    pat_conn__touch(conn);
}

bool pat_net__short(void) {
    const size_t budget = pat_mem_budget();
    return budget != 0 && pat_mem_used(PAT_MEM_NET) > budget / PAT_NET_SHARE;
}

bool pat_net__choked(const struct pat_server *server) {
    const size_t budget = pat_mem_budget();
    return budget != 0 && server->out_bytes > budget / PAT_NET_SHARE * 2;
}

bool pat_conn__drained(const struct pat_conn *conn) {
    if (conn->out_bytes < PAT_NET_LOW_WATER_BYTES) return true;
    return conn->out_bytes < PAT_NET_HIGH_WATER_BYTES && !pat_net__short();
}

void pat_conn__touch(struct pat_conn *conn) {
    if (!conn->working && !pat_link_listed(&conn->touched)) pat_list_push(&conn->server->touched, &conn->touched);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    struct pat_conn *conn = handle->data;
    conn->state = PAT_CONN_CLOSED;
    conn->server->out_bytes -= conn->out_bytes;
    conn->out_bytes = 0;
    for (;;) {
        struct pat_link *link = pat_list_pop(&conn->out);
        if (link == NULL) break;
        pat_call__release(PAT_LINK_OF(link, struct pat_call, link));
    }
    pat_conn__touch(conn);
}

static void conn_close(struct pat_conn *conn) {
    conn->state = PAT_CONN_CLOSING;
    conn->reading = false;
    pat_list_remove(&conn->shaking);
    pat_list_remove(&conn->asking);
    pat_buf_deinit(&conn->in);
    uv_close(&conn->io.handle, on_closed);
}

void pat_conn__drop(struct pat_conn *conn, const char *why) {
    if (conn->state >= PAT_CONN_CLOSING) return;
    pat_audit__closed(conn, why);
    conn_close(conn);
    pat_calls__stop_all(conn);
}

static void state_enter(struct pat_conn *conn, enum pat_conn_state state) {
    conn->state = state;
    conn->state_ms = uv_now(&conn->server->loop);
}

void pat_conn__end(struct pat_conn *conn) {
    if (conn->state != PAT_CONN_OPEN) return;
    if (conn->server->stop == PAT_STOP_ENDING && conn->calls_count == 0) {
        pat_conn__drop(conn, "stop");
        return;
    }
    state_enter(conn, PAT_CONN_ENDING);
    conn->backlog = false;
    conn->frame_ms = 0;
    pat_buf_deinit(&conn->in);
    pat_conn__touch(conn);
}

static void on_shutdown(uv_shutdown_t *shutdown, int failed) {
    struct pat_conn *conn = shutdown->data;
    if (failed != 0) pat_conn__drop(conn, uv_strerror(failed));
}

/* Closing a socket with unread bytes resets it, and the client might never see the last answer: so the writing half is
 * shut, and what still comes is read and forgotten until the client has closed too. */
static void conn_linger(struct pat_conn *conn) {
    const int failed = uv_shutdown(&conn->shutdown, &conn->io.stream, on_shutdown);
    if (failed != 0) {
        pat_conn__drop(conn, uv_strerror(failed));
        return;
    }
    state_enter(conn, PAT_CONN_LINGER);
}

/* Nothing is left to answer: TLS has a last word of its own, and then all that is sealed must be on its way. */
static void conn_finish(struct pat_conn *conn) {
    pat_conn__tls_end(conn);
    if (conn->state == PAT_CONN_ENDING && pat_conn__sealed_bytes(conn) == 0) conn_linger(conn);
}

/* ---- moving on -------------------------------------------------------------------------------------------------- */

static void conn_bury(struct pat_conn *conn) {
    struct pat_server *server = conn->server;
    pat_audit__tell(conn); /* of batches that were answered when nobody listened any more */
    pat_list_remove(&conn->link);
    server->connections--;
    pat_listeners__left(conn);
    pat_conn__free(conn);
}

void pat_conn__work(struct pat_conn *conn) {
    conn->working = true;
    if (conn->backlog) pat_conn__take_backlog(conn);
    pat_calls__submit_ready(conn);
    /* First what is there, which may make room for more; then what could be answered at once. */
    (void)pat_conn__flush(conn);
    pat_calls__start_waiting(conn);
    const bool unsent = pat_conn__flush(conn);
    if (conn->state == PAT_CONN_ENDING && conn->calls_count == 0) conn_finish(conn);
    pat_conn__read_update(conn);
    conn->working = false;
    if (conn->state == PAT_CONN_CLOSED && conn->calls_count == 0) {
        conn_bury(conn);
    } else if (unsent || (conn->backlog && pat_conn__may_take(conn))) {
        pat_conn__touch(conn);
    }
}

void pat_conn__sweep(struct pat_conn *conn) {
    uint64_t now_ms = uv_now(&conn->server->loop);
    pat_audit__sweep(conn);
    if (conn->state == PAT_CONN_LINGER && now_ms - conn->state_ms > PAT_NET_LINGER_MS) {
        pat_conn__drop(conn, "lingered");
    } else if (conn->tls != NULL && conn->state < PAT_CONN_CLOSING && !pat_tls_ready(conn->tls) &&
               now_ms - conn->opened_ms > PAT_NET_LOGIN_MS) {
        pat_conn__drop(conn, "no handshake");
    } else if (conn->state == PAT_CONN_OPEN && conn->role == PAT_ROLE_NONE &&
               now_ms - conn->opened_ms > PAT_NET_LOGIN_MS) {
        struct pat_error error;
        (void)pat_error_set(&error, PAT_ERR_DEADLINE, "a login must be done %u s after the connection",
                            PAT_NET_LOGIN_MS / 1000);
        pat_conn__broken(conn, 0, &error);
    } else if (pat_conn__write_stalled(conn)) {
        pat_log(PAT_LOG_WARN, "slow-client-closed", "conn=%" PRIu64 " direction=write queued_bytes=%zu",
                conn->audit.number, conn->out_bytes);
        pat_conn__drop(conn, "takes no answers");
    } else if (conn->state == PAT_CONN_OPEN && conn->frame_ms != 0 && conn->reading &&
               now_ms - conn->frame_ms > PAT_NET_MESSAGE_MS) {
        pat_log(PAT_LOG_WARN, "slow-client-closed", "conn=%" PRIu64 " direction=read buffered_bytes=%zu",
                conn->audit.number, conn->in.length);
        struct pat_error error;
        uint32_t msgid = 0;
        (void)pat_wire_peek_msgid(conn->in.data, conn->in.length, &msgid);
        (void)pat_error_set(&error, PAT_ERR_DEADLINE, "a message that was begun must be whole within %u s",
                            PAT_NET_MESSAGE_MS / 1000);
        pat_conn__broken(conn, msgid, &error);
    }
}
