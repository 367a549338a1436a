/* Answers to bytes on the wire: as many as there are in one system call, and the system's buffer first; only what it
 * does not take at once waits for the loop. */
#include "net/net_private.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

/* Answers in one system call. */
#define SEND_MAX 64u
/* And bytes, of one client in one turn of the loop: one that reads as fast as memory is would keep it for a millisecond
 * with what may wait for it. Some 20 us of copying, many times what a turn costs. */
#define SEND_BYTES_MAX ((size_t)128 << 10)

/* What is next of the answers, at most SEND_MAX of them and SEND_BYTES_MAX; with TLS, what is sealed of them. */
static unsigned out_gather(struct pat_conn *conn, uv_buf_t *bufs, size_t *bytes) {
    unsigned count = 0;
    if (conn->tls != NULL) {
        bufs[0] = pat_conn__seal(conn);
        *bytes = bufs[0].len;
        return *bytes > 0;
    }
    size_t at = conn->out_at;
    *bytes = 0;
    for (struct pat_link *link = conn->out.next; link != &conn->out && count < SEND_MAX && *bytes < SEND_BYTES_MAX;
         link = link->next) {
        const struct pat_call *call = PAT_LINK_OF(link, struct pat_call, link);
        const size_t rest = call->reply.length - at, room = SEND_BYTES_MAX - *bytes;
        const size_t left = rest < room ? rest : room;
        /* uv_buf_t is not const, and writing does not change it. */
        bufs[count++] = uv_buf_init((char *)call->reply.data + at, (unsigned)left);
        *bytes += left;
        at = 0;
    }
    return count;
}

void pat_conn__out_pass(struct pat_conn *conn, size_t bytes) {
    conn->out_bytes -= bytes;
    conn->server->out_bytes -= bytes;
    conn->out_at += bytes;
    while (!pat_list_empty(&conn->out)) {
        struct pat_call *call = PAT_LINK_OF(conn->out.next, struct pat_call, link);
        if (conn->out_at < call->reply.length) return;
        conn->out_at -= call->reply.length;
        pat_call__release(call);
    }
}

/* `bytes` were taken. */
static void sent_pass(struct pat_conn *conn, size_t bytes) {
    if (conn->tls != NULL) {
        pat_conn__sealed_pass(conn, bytes);
    } else {
        pat_conn__out_pass(conn, bytes);
    }
}

static void on_written(uv_write_t *write, int failed) {
    struct pat_conn *conn = write->data;
    const size_t bytes = conn->writing_bytes;
    conn->writing_bytes = 0;
    if (failed == 0) {
        sent_pass(conn, bytes);
        pat_conn__touch(conn);
    } else if (failed != UV_ECANCELED) {
        pat_conn__drop(conn, uv_strerror(failed));
    }
}

/* Bytes that the client has not taken yet: ours and the system's. Ours alone may stand still for long while a slow
 * client drains the system's buffer, which can be megabytes. */
static size_t write_left(const struct pat_conn *conn) {
    uv_os_fd_t descriptor;
    int unsent = 0;
    if (uv_fileno(&conn->io.handle, &descriptor) != 0 || ioctl(descriptor, SIOCOUTQ, &unsent) != 0) unsent = 0;
    return uv_stream_get_write_queue_size(&conn->io.stream) + (size_t)unsent;
}

/* The rest goes when the client makes room. */
static void out_wait(struct pat_conn *conn) {
    uv_buf_t bufs[SEND_MAX];
    size_t bytes;
    unsigned count = out_gather(conn, bufs, &bytes);
    int failed = uv_write(&conn->write, &conn->io.stream, bufs, count, on_written);
    if (failed != 0) {
        pat_conn__drop(conn, uv_strerror(failed));
        return;
    }
    conn->writing_bytes = bytes;
    conn->write_left = write_left(conn);
    conn->write_ms = uv_now(&conn->server->loop);
}

bool pat_conn__flush(struct pat_conn *conn) {
    size_t turn_bytes = 0;
    while (conn->writing_bytes == 0 && conn->state < PAT_CONN_LINGER &&
           (!pat_list_empty(&conn->out) || pat_conn__sealed_bytes(conn) > 0)) {
        if (turn_bytes >= SEND_BYTES_MAX) return true;
        uv_buf_t bufs[SEND_MAX];
        size_t bytes;
        unsigned count = out_gather(conn, bufs, &bytes);
        if (count == 0) return false; /* the handshake comes first, or it has failed */
        int sent = uv_try_write(&conn->io.stream, bufs, count);
        if (sent < 0 && sent != UV_EAGAIN) {
            pat_conn__drop(conn, uv_strerror(sent));
            return false;
        }
        if (sent > 0) sent_pass(conn, (size_t)sent);
        turn_bytes += bytes;
        if (sent < 0 || (size_t)sent < bytes) {
            out_wait(conn);
            return false;
        }
    }
    return false;
}

bool pat_conn__write_stalled(struct pat_conn *conn) {
    if (conn->writing_bytes == 0 || conn->state >= PAT_CONN_CLOSING) return false;
    uint64_t now_ms = uv_now(&conn->server->loop);
    const bool short_of_memory = pat_net__short();
    const size_t left = write_left(conn), least = short_of_memory ? PAT_NET_WRITE_SHORT_BYTES : 1;
    if (conn->write_left >= left + least) {
        conn->write_left = left;
        conn->write_ms = now_ms;
    }
    return now_ms - conn->write_ms > (short_of_memory ? PAT_NET_WRITE_SHORT_MS : PAT_NET_WRITE_MS);
}
