/* Sockets that wait for connections, and the limits on how many there may be.
 *
 * Accepting is done here and not by libuv, whose loop around accept(2) ends when nobody waits any more: a flood would
 * keep it for ever, and so would a process that has no descriptor left. Here a turn of the loop takes a few, and
 * without descriptors nobody is taken until the next tick. */
#include "net/net_private.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that the system keeps until they are accepted: half a second of the fastest flood. */
#define BACKLOG 4096
/* What the system takes for a client beyond what that has room for: 0.2 ms at 10 Gbit/s, in which the loop comes by
 * again. By itself it takes up to 4 MiB, which no account sees, and of a client that stopped reading they would be
 * answers that were worked out for nobody. */
#define UNSENT_BYTES_MAX (256 << 10)
/* Of one listener in one turn of the loop, in connections and in time, whichever comes first: then it is the turn of
 * the connections that there are. Short, since each of their requests may have to wait for it; a turn costs little
 * more than the system call that begins it, so that a flood is taken in hardly slower. */
#define ACCEPTS_PER_TURN 16u
#define ACCEPTING_NS     UINT64_C(50000)

/* ---- addresses --------------------------------------------------------------------------------------------------- */

/* The place in the table of counts that an address has. Two sites share a place by chance, not by choice. */
static uint32_t peer_place(const struct pat_server *server, const struct sockaddr_storage *peer) {
    unsigned char site[PAT_ADDRESS_SITE_BYTES];
    pat_address_site((const struct sockaddr *)peer, site);
    return 1 + (uint32_t)(pat_hash_keyed(&server->peer_secret, site, sizeof site) % PAT_NET_PEER_PLACES);
}

/* Unless the settings say a number: programs on this machine are not strangers, and may be one proxy for everybody. */
static unsigned peer_connections_max(const struct pat_server *server, const struct sockaddr_storage *peer) {
    if (server->settings->connections_per_address != 0) return server->settings->connections_per_address;
    return pat_address_is_loopback((const struct sockaddr *)peer) ? server->connections_max
                                                                  : (server->connections_max + 3) / 4;
}

void pat_listeners__left(struct pat_conn *conn) {
    if (conn->peer_place != 0) conn->server->peer_count[conn->peer_place - 1]--;
    conn->peer_place = 0;
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

/* What fits the socket's buffer, which one error does; with TLS nothing can be said before a handshake. */
static void turn_away(const struct pat_listener *listener, int fd, const struct pat_error *error) {
    struct pat_server *server = listener->server;
    struct pat_buf *scratch = &server->scratch; /* free outside of a read */
    server->turned_away_count++;
    pat_buf_clear(scratch);
    if (!listener->tls && pat_wire_error(scratch, 0, error, false) == PAT_OK) {
        (void)send(fd, scratch->data, scratch->length, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
    }
    (void)close(fd);
}

/* Whether one more may come, from this address; sets its place, 0 for a unix socket. */
static enum pat_status may_enter(const struct pat_listener *listener, const struct sockaddr_storage *peer,
                                 uint32_t *place, struct pat_error *error) {
    const struct pat_server *server = listener->server;
    *place = 0;
    if (server->connections >= server->connections_max)
        return pat_error_set(error, PAT_ERR_BUSY, "there are %u connections and no more are taken; try again later",
                             server->connections);
    if (listener->local) return PAT_OK;
    *place = peer_place(server, peer);
    const unsigned most = peer_connections_max(server, peer);
    if (server->peer_count[*place - 1] < most) return PAT_OK;
    return pat_error_set(error, PAT_ERR_BUSY, "your address has %u connections and gets no more; try again later",
                         server->peer_count[*place - 1]);
}

/* Takes `fd` into the connection's handle. */
static int conn_adopt(struct pat_conn *conn, int fd) {
    uv_loop_t *loop = &conn->server->loop;
    const int failed = conn->local ? uv_pipe_init(loop, &conn->io.pipe, 0) : uv_tcp_init(loop, &conn->io.tcp);
    if (failed != 0) return failed;
    return conn->local ? uv_pipe_open(&conn->io.pipe, fd) : uv_tcp_open(&conn->io.tcp, fd);
}

static enum pat_status conn_make(const struct pat_listener *listener, struct pat_conn **out, struct pat_error *error) {
    struct pat_conn *conn = pat_conn__new(listener->server);
    if (conn == NULL) return pat_error_set(error, PAT_ERR_BUSY, "no memory for one more connection; try again later");
    conn->local = listener->local;
    if (listener->tls) {
        const enum pat_status status = pat_tls_open(&conn->tls, listener->server->tls, NULL, error);
        if (status != PAT_OK) {
            pat_conn__free(conn);
            return status;
        }
    }
    *out = conn;
    return PAT_OK;
}

/* What has come already, as a request has in most cases and the end in those of a flood, is seen without waiting for
 * the next turn. -1: nothing yet; 0: the client is gone. */
static ssize_t first_read(const struct pat_listener *listener, int fd) {
    const struct pat_server *server = listener->server;
    const struct pat_buf *buf = listener->tls ? &server->wire : &server->scratch;
    const ssize_t got = recv(fd, buf->data, buf->capacity, MSG_DONTWAIT);
    return got >= 0 || errno == EAGAIN || errno == EINTR ? got : 0;
}

static void take(struct pat_listener *listener, int fd, const struct sockaddr_storage *peer) {
    struct pat_server *server = listener->server;
    struct pat_conn *conn = NULL;
    struct pat_error error;
    uint32_t place;
    const ssize_t got = first_read(listener, fd);
    if (got == 0) {
        server->gone_count++;
        (void)close(fd);
        return;
    }
    if (may_enter(listener, peer, &place, &error) != PAT_OK || conn_make(listener, &conn, &error) != PAT_OK) {
        turn_away(listener, fd, &error);
        return;
    }
    const int failed = conn_adopt(conn, fd);
    if (failed != 0) (void)close(fd);
    conn->peer_place = place;
    if (place != 0) server->peer_count[place - 1]++;
    pat_login__greet(conn);
    pat_conn__open(conn, peer);
    if (failed != 0) {
        pat_conn__drop(conn, uv_strerror(failed));
    } else if (got > 0) {
        pat_conn__received(conn, (size_t)got);
    }
}

static void on_waiting(uv_poll_t *poll, int failed, int events);

static void listener_pause(struct pat_listener *listener, int failed) {
    listener->paused = true;
    listener->failed = failed;
    (void)uv_poll_stop(&listener->poll);
}

/* Whoever waits longer is seen in the next turn. */
static void on_waiting(uv_poll_t *poll, int failed, int events) {
    struct pat_listener *listener = poll->data;
    (void)events;
    if (failed != 0) {
        listener_pause(listener, -failed);
        return;
    }
    const uint64_t end_ns = uv_hrtime() + ACCEPTING_NS;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN && (i == 0 || uv_hrtime() < end_ns); i++) {
        struct sockaddr_storage peer = {0};
        socklen_t bytes = sizeof peer;
        const int fd = accept4(listener->fd, (struct sockaddr *)&peer, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(listener, fd, &peer);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            listener_pause(listener, errno); /* no descriptor, no memory: not in this turn, and maybe not in the next */
            return;
        }
    }
}

void pat_listeners__tick(struct pat_server *server) {
    for (unsigned i = 0; i < server->listeners; i++) {
        struct pat_listener *listener = &server->listener[i];
        if (!listener->paused) continue;
        listener->paused = false;
        server->accept_failures++;
        server->accept_failed = listener->failed;
        (void)uv_poll_start(&listener->poll, UV_READABLE, on_waiting);
    }
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static enum pat_status fail(struct pat_error *error, const char *address, const char *reason) {
    return pat_error_set(error, PAT_ERR_IO,
                         "cannot listen on %.150s: %s (--listen takes another address; port 0 is any free one)",
                         address, reason);
}

static enum pat_status fail_errno(struct pat_error *error, const char *address) {
    return fail(error, address, uv_strerror(uv_translate_sys_error(errno)));
}

/* The descriptor is the listener's from here on, whatever fails. */
static enum pat_status open_socket(struct pat_listener *listener, int family, const char *shown,
                                   struct pat_error *error) {
    listener->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return listener->fd >= 0 ? PAT_OK : fail_errno(error, shown);
}

static enum pat_status start(struct pat_listener *listener, const char *shown, struct pat_error *error) {
    if (listen(listener->fd, BACKLOG) != 0) return fail_errno(error, shown);
    int failed = uv_poll_init(&listener->server->loop, &listener->poll, listener->fd);
    if (failed != 0) return fail(error, shown, uv_strerror(failed));
    listener->polled = true;
    listener->poll.data = listener;
    failed = uv_poll_start(&listener->poll, UV_READABLE, on_waiting);
    return failed == 0 ? PAT_OK : fail(error, shown, uv_strerror(failed));
}

static enum pat_status open_tcp(struct pat_listener *listener, const struct pat_address *address,
                                struct pat_error *error) {
    char shown[PAT_ADDRESS_BYTES];
    const bool v6 = address->at.any.sa_family == AF_INET6;
    const socklen_t bytes = v6 ? sizeof address->at.v6 : sizeof address->at.v4;
    const int on = 1;
    (void)pat_address_format(&address->at.any, shown);
    PAT_TRY(open_socket(listener, address->at.any.sa_family, shown, error));
    /* A server that is started again need not wait until the connections of the last one are forgotten. */
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* What connections have from the listener they come through, without a system call for each. Answers are whole
     * messages: there is nothing to wait for. */
    const int unsent_max = UNSENT_BYTES_MAX;
    (void)setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(listener->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max);
    if (bind(listener->fd, &address->at.any, bytes) != 0) return fail_errno(error, shown);
    return start(listener, shown, error);
}

/* A socket file that a killed server left behind refuses connections; one that answers is in use. */
static enum pat_status remove_stale(const char *path, const struct sockaddr_un *address, struct pat_error *error) {
    struct stat status;
    if (lstat(path, &status) != 0) return PAT_OK;
    if (!S_ISSOCK(status.st_mode)) return fail(error, path, "the file there is not a socket");
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return fail_errno(error, path);
    bool refused = connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    (void)close(probe);
    if (!refused) return fail(error, path, "another process serves it");
    return unlink(path) == 0 ? PAT_OK : fail_errno(error, path);
}

static enum pat_status open_unix(struct pat_listener *listener, const char *path, struct pat_error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return fail(error, path, "the path of a unix socket has at most 107 bytes");
    memcpy(address.sun_path, path, strlen(path));
    PAT_TRY(remove_stale(path, &address, error));
    PAT_TRY(open_socket(listener, AF_UNIX, path, error));
    /* For the server's own user only, whatever the umask lets through. */
    const mode_t mask = umask(0177);
    const bool bound = bind(listener->fd, (const struct sockaddr *)&address, sizeof address) == 0;
    const int failure = errno;
    (void)umask(mask);
    if (!bound) return fail(error, path, strerror(failure));
    listener->path = path;
    return start(listener, path, error);
}

enum pat_status pat_listeners__open(struct pat_server *server, struct pat_error *error) {
    const struct pat_options *given = server->options->given;
    const unsigned count = given->listens + (given->unix_path != NULL ? 1 : 0);
    unsigned char entropy[PAT_SHA256_BYTES];
    if (!pat_crypto_random(entropy, sizeof entropy))
        return pat_error_set(error, PAT_ERR_INTERNAL, "no random numbers for counting addresses");
    pat_hash_secret_init(&server->peer_secret, entropy, sizeof entropy);
    server->peer_count = pat_mem_alloc(PAT_MEM_NET, PAT_NET_PEER_PLACES * sizeof *server->peer_count);
    server->listener = pat_mem_alloc(PAT_MEM_NET, count * sizeof *server->listener);
    if (server->listener == NULL || server->peer_count == NULL)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for %u listeners", count);
    for (unsigned i = 0; i < count; i++) {
        struct pat_listener *listener = &server->listener[server->listeners++];
        *listener = (struct pat_listener){.server = server, .fd = -1, .local = i == given->listens};
        listener->tls = !listener->local && server->options->listen[i].tls;
        PAT_TRY(listener->local ? open_unix(listener, given->unix_path, error)
                                : open_tcp(listener, &server->options->listen[i], error));
    }
    return PAT_OK;
}

void pat_listeners__close(struct pat_server *server) {
    for (unsigned i = 0; i < server->listeners; i++) {
        struct pat_listener *listener = &server->listener[i];
        if (listener->polled && !uv_is_closing((uv_handle_t *)&listener->poll))
            uv_close((uv_handle_t *)&listener->poll, NULL);
        if (listener->path != NULL) (void)unlink(listener->path);
        if (listener->fd >= 0) (void)close(listener->fd);
        listener->fd = -1;
        listener->path = NULL;
        listener->paused = false;
    }
}

void pat_listeners__addresses(const struct pat_server *server, char *out, size_t capacity) {
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < server->listeners && used < capacity; i++) {
        const struct pat_listener *listener = &server->listener[i];
        char text[PAT_ADDRESS_BYTES] = "?";
        struct sockaddr_storage address;
        socklen_t bytes = sizeof address;
        if (!listener->local && getsockname(listener->fd, (struct sockaddr *)&address, &bytes) == 0)
            (void)pat_address_format((const struct sockaddr *)&address, text);
        int length = snprintf(out + used, capacity - used, "%s%s%s", i > 0 ? "," : "",
                              listener->tls ? PAT_ADDRESS_TLS : "", listener->local ? listener->path : text);
        if (length < 0) return;
        used += (size_t)length;
    }
}
