/* Connections with TLS: sealed bytes on the wire's side, frames and answers on ours. What came is opened at once, since
 * it is at most one read; answers are sealed when the client has taken those before, so that what waits for a slow one
 * is neither encrypted nor kept twice. */
#include "net/net_private.h"

#include "base/log.h"

#include <string.h>

/* What a record of TLS holds at the most, and so what is sealed at once. */
#define RECORD_BYTES ((size_t)16 << 10)
/* Every handshake begins with a record of this type; no request does. */
#define HANDSHAKE_BYTE 0x16
/* Of a turn of the loop, for signing handshakes: 0.4 ms each with an elliptic key, 0.9 with RSA of 2048 bits, 6 with
 * 4096, and whoever sends some hundred bytes can ask for one. A thousand at once held up everybody for a second. */
#define SHAKING_NS UINT64_C(1000000)

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* A client that knows nothing of TLS is told in its own words. */
static void refuse_plain(struct pat_conn *conn, const void *data, size_t bytes) {
    struct pat_error error;
    uint32_t msgid = 0;
    (void)pat_wire_peek_msgid(data, bytes, &msgid);
    (void)pat_error_set(&error, PAT_ERR_AUTH,
                        "this address speaks TLS: connect to " PAT_ADDRESS_TLS "HOST:PORT (patron --tls)");
    pat_tls_close(&conn->tls);
    pat_conn__broken(conn, msgid, &error);
}

/* What was sealed last says why, where it can still be sent. */
static void tls_failed(struct pat_conn *conn, const struct pat_error *error) {
    pat_log(PAT_LOG_DEBUG, "tls-failed", "reason=\"%s\"", error->message);
    (void)pat_conn__flush(conn);
    pat_conn__drop(conn, "TLS failed");
}

static void open_all(struct pat_conn *conn) {
    while (conn->state == PAT_CONN_OPEN) {
        size_t room, got;
        struct pat_error error;
        unsigned char *into = pat_conn__room(conn, &room);
        if (into == NULL) return;
        const enum pat_status status = pat_tls_read(conn->tls, into, room, &got, &error);
        if (status == PAT_ERR_MORE) return;
        if (status != PAT_OK) {
            tls_failed(conn, &error);
        } else if (got == 0) {
            pat_conn__ended(conn);
        } else {
            pat_conn__came(conn, got);
        }
    }
}

static void unseal(struct pat_conn *conn, const void *data, size_t bytes) {
    pat_tls_feed(conn->tls, data, bytes);
    open_all(conn);
    pat_tls_feed(conn->tls, NULL, 0);
}

/* Requests may follow the handshake's last bytes in one read: those are not counted as its. */
static void shake(struct pat_conn *conn, const unsigned char *data, size_t bytes) {
    const size_t left = PAT_NET_HANDSHAKE_BYTES - conn->handshake_bytes, first = bytes < left ? bytes : left;
    const uint64_t from_ns = uv_hrtime();
    unseal(conn, data, first);
    conn->server->shaking_ns += uv_hrtime() - from_ns;
    conn->handshake_bytes += first;
    const bool ready = pat_tls_ready(conn->tls);
    if (ready) pat_log(PAT_LOG_DEBUG, "handshake", "version=%s", pat_tls_version(conn->tls));
    if (first == bytes || conn->state != PAT_CONN_OPEN) return;
    if (ready) {
        unseal(conn, data + first, bytes - first);
    } else {
        pat_conn__drop(conn, "handshake too long");
    }
}

/* Nothing more is read from it until its turn has come. */
static void shake_later(struct pat_conn *conn, const void *data, size_t bytes) {
    if (pat_buf_append(&conn->hello, data, bytes) != PAT_OK) {
        pat_conn__drop(conn, "no memory for its handshake");
        return;
    }
    if (pat_list_empty(&conn->server->shaking)) pat_log(PAT_LOG_DEBUG, "handshakes-wait", "since=now");
    pat_list_push(&conn->server->shaking, &conn->shaking);
}

bool pat_tls__shake(struct pat_server *server) {
    struct pat_link *link = NULL;
    server->shaking_ns = 0;
    while (server->shaking_ns < SHAKING_NS && (link = pat_list_pop(&server->shaking)) != NULL) {
        struct pat_conn *conn = PAT_LINK_OF(link, struct pat_conn, shaking);
        struct pat_buf hello = conn->hello;
        pat_buf_init(&conn->hello, PAT_MEM_NET);
        if (conn->state == PAT_CONN_OPEN) shake(conn, hello.data, hello.length);
        pat_buf_deinit(&hello);
        pat_conn__read_update(conn);
        pat_conn__touch(conn);
    }
    return !pat_list_empty(&server->shaking);
}

void pat_conn__unseal(struct pat_conn *conn, const void *data, size_t bytes) {
    const struct pat_server *server = conn->server;
    if (pat_tls_ready(conn->tls)) {
        unseal(conn, data, bytes);
    } else if (conn->handshake_bytes == 0 && *(const unsigned char *)data != HANDSHAKE_BYTE) {
        refuse_plain(conn, data, bytes);
    } else {
        const bool now = server->shaking_ns < SHAKING_NS && pat_list_empty(&server->shaking);
        now ? shake(conn, data, bytes) : shake_later(conn, data, bytes);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Copies what the first answers still have, up to one record. */
static size_t record_gather(const struct pat_conn *conn, unsigned char out[RECORD_BYTES]) {
    size_t used = 0, at = conn->out_at;
    for (struct pat_link *link = conn->out.next; link != &conn->out && used < RECORD_BYTES; link = link->next, at = 0) {
        const struct pat_call *call = PAT_LINK_OF(link, struct pat_call, link);
        const size_t left = call->reply.length - at, room = RECORD_BYTES - used;
        const size_t bytes = left < room ? left : room;
        memcpy(out + used, call->reply.data + at, bytes);
        used += bytes;
    }
    return used;
}

static enum pat_status seal_answers(struct pat_conn *conn, struct pat_error *error) {
    const struct pat_buf *sealed = pat_tls_sealed(conn->tls);
    unsigned char *record = conn->server->wire.data;
    while (!pat_list_empty(&conn->out) && sealed->length < PAT_NET_SEAL_BYTES) {
        const size_t bytes = record_gather(conn, record);
        PAT_TRY(pat_tls_write(conn->tls, record, bytes, error));
        pat_conn__out_pass(conn, bytes);
    }
    return PAT_OK;
}

/* Two buffers change places: the one that is being sent must stay where it is, whatever TLS adds meanwhile. */
static void wire_fill(struct pat_conn *conn) {
    struct pat_error error;
    struct pat_buf *sealed = pat_tls_sealed(conn->tls);
    if (pat_tls_ready(conn->tls) && seal_answers(conn, &error) != PAT_OK) pat_conn__drop(conn, error.message);
    const struct pat_buf empty = conn->wire;
    conn->wire = *sealed;
    *sealed = empty;
}

uv_buf_t pat_conn__seal(struct pat_conn *conn) {
    if (conn->wire.length == 0) wire_fill(conn);
    if (conn->state >= PAT_CONN_CLOSING) return uv_buf_init(NULL, 0);
    return uv_buf_init((char *)conn->wire.data + conn->wire_at, (unsigned)(conn->wire.length - conn->wire_at));
}

/* A connection that has nothing to say keeps no buffer for it. */
void pat_conn__sealed_pass(struct pat_conn *conn, size_t bytes) {
    conn->wire_at += bytes;
    if (conn->wire_at < conn->wire.length) return;
    conn->wire_at = 0;
    pat_buf_clear(&conn->wire);
    if (!pat_list_empty(&conn->out)) return;
    pat_buf_deinit(&conn->wire);
    if (pat_tls_sealed(conn->tls)->length == 0) pat_buf_deinit(pat_tls_sealed(conn->tls));
}

size_t pat_conn__sealed_bytes(const struct pat_conn *conn) {
    if (conn->tls == NULL) return 0;
    return conn->wire.length - conn->wire_at + pat_tls_sealed(conn->tls)->length;
}

void pat_conn__tls_end(struct pat_conn *conn) {
    if (conn->tls == NULL || conn->tls_ended) return;
    conn->tls_ended = true;
    pat_tls_end(conn->tls);
    (void)pat_conn__flush(conn); /* is less than a turn's worth: all answers are sealed and sent */
}
