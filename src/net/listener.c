/* Sockets that wait for connections, and the limit on how many there may be. */
#include "net/net_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that the system keeps until they are accepted. */
#define BACKLOG 511

/* ---- accepting -------------------------------------------------------------------------------------------------- */

static int stream_init(struct pat_server *server, union pat_stream *io, bool local) {
    return local ? uv_pipe_init(&server->loop, &io->pipe, 0) : uv_tcp_init(&server->loop, &io->tcp);
}

static void listener_accept(struct pat_listener *listener);

static void on_turned_away(uv_handle_t *handle) {
    struct pat_server *server = handle->data;
    server->turning_away = false;
    for (unsigned i = 0; i < server->listeners; i++) {
        if (server->listener[i].pending && !server->stopping) listener_accept(&server->listener[i]);
    }
}

/* What fits the socket's buffer, which one error does. The scratch is free outside of a read. */
static void turned_away_tell(struct pat_server *server) {
    struct pat_error error;
    struct pat_buf *scratch = &server->scratch;
    if (server->connections >= server->connections_max) {
        (void)pat_error_set(&error, PAT_ERR_BUSY, "there are %u connections and no more are taken; try again later",
                            server->connections);
    } else {
        (void)pat_error_set(&error, PAT_ERR_BUSY, "no memory for one more connection; try again later");
    }
    pat_buf_clear(scratch);
    if (pat_wire_error(scratch, 0, &error, false) != PAT_OK) return;
    uv_buf_t bytes = uv_buf_init((char *)scratch->data, (unsigned)scratch->length);
    (void)uv_try_write(&server->turned_away.stream, &bytes, 1);
}

/* One at a time, in a handle that is always there: a flood costs no memory. */
static void turn_away(struct pat_listener *listener) {
    struct pat_server *server = listener->server;
    listener->pending = server->turning_away;
    if (server->turning_away) return;
    if (stream_init(server, &server->turned_away, listener->local) != 0) return;
    server->turned_away.handle.data = server;
    server->turning_away = true;
    server->turned_away_count++;
    /* With TLS there is nothing that can be said before a handshake. */
    if (uv_accept(&listener->io.stream, &server->turned_away.stream) == 0 && !listener->tls) turned_away_tell(server);
    uv_close(&server->turned_away.handle, on_turned_away);
}

/* NULL without memory. */
static struct pat_conn *conn_new(const struct pat_listener *listener) {
    struct pat_error error;
    struct pat_conn *conn = pat_conn__new(listener->server);
    if (conn == NULL || !listener->tls) return conn;
    if (pat_tls_open(&conn->tls, listener->server->tls, NULL, &error) == PAT_OK) return conn;
    pat_conn__free(conn);
    return NULL;
}

static void listener_accept(struct pat_listener *listener) {
    struct pat_server *server = listener->server;
    listener->pending = false;
    struct pat_conn *conn = server->connections < server->connections_max ? conn_new(listener) : NULL;
    if (conn == NULL || stream_init(server, &conn->io, listener->local) != 0) {
        if (conn != NULL) pat_conn__free(conn);
        turn_away(listener);
        return;
    }
    int failed = uv_accept(&listener->io.stream, &conn->io.stream);
    /* Answers are whole messages: there is nothing to wait for. */
    if (failed == 0 && !listener->local) (void)uv_tcp_nodelay(&conn->io.tcp, 1);
    conn->local = listener->local;
    pat_login__greet(conn);
    pat_conn__open(conn);
    if (failed != 0) pat_conn__drop(conn, uv_strerror(failed));
}

static void on_connection(uv_stream_t *stream, int failed) {
    struct pat_listener *listener = stream->data;
    if (failed != 0) {
        pat_log(PAT_LOG_WARN, "accept-failed", "reason=\"%s\"", uv_strerror(failed));
        return;
    }
    listener_accept(listener);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static enum pat_status fail(struct pat_error *error, const char *address, const char *reason) {
    return pat_error_set(error, PAT_ERR_IO,
                         "cannot listen on %.150s: %s (--listen takes another address; port 0 is any free one)",
                         address, reason);
}

static enum pat_status open_tcp(struct pat_listener *listener, const struct pat_address *address,
                                struct pat_error *error) {
    char text[PAT_ADDRESS_BYTES];
    (void)pat_address_format(&address->at.any, text);
    int failed = uv_tcp_bind(&listener->io.tcp, &address->at.any, 0);
    if (failed == 0) failed = uv_listen(&listener->io.stream, BACKLOG, on_connection);
    return failed == 0 ? PAT_OK : fail(error, text, uv_strerror(failed));
}

/* A socket file that a killed server left behind refuses connections; one that answers is in use. */
static enum pat_status remove_stale(const char *path, struct pat_error *error) {
    struct stat status;
    if (lstat(path, &status) != 0) return PAT_OK;
    if (!S_ISSOCK(status.st_mode)) return fail(error, path, "the file there is not a socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return fail(error, path, strerror(errno));
    bool refused = connect(probe, (const struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED;
    (void)close(probe);
    if (!refused) return fail(error, path, "another process serves it");
    return unlink(path) == 0 ? PAT_OK : fail(error, path, strerror(errno));
}

static enum pat_status open_unix(struct pat_listener *listener, const char *path, struct pat_error *error) {
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return fail(error, path, "the path of a unix socket has at most 107 bytes");
    PAT_TRY(remove_stale(path, error));
    /* For the server's own user only, whatever the umask lets through. */
    mode_t mask = umask(0177);
    int failed = uv_pipe_bind(&listener->io.pipe, path);
    (void)umask(mask);
    if (failed == 0) failed = uv_listen(&listener->io.stream, BACKLOG, on_connection);
    return failed == 0 ? PAT_OK : fail(error, path, uv_strerror(failed));
}

enum pat_status pat_listeners__open(struct pat_server *server, struct pat_error *error) {
    const struct pat_server_options *options = server->options;
    unsigned count = options->listens + (options->unix_path != NULL ? 1 : 0);
    server->listener = pat_mem_alloc(PAT_MEM_NET, count * sizeof *server->listener);
    if (server->listener == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for %u listeners", count);
    for (unsigned i = 0; i < count; i++) {
        struct pat_listener *listener = &server->listener[i];
        listener->server = server;
        listener->local = i == options->listens;
        listener->tls = !listener->local && options->listen[i].tls;
        int failed = stream_init(server, &listener->io, listener->local);
        if (failed != 0) return fail(error, "a socket", uv_strerror(failed));
        listener->io.handle.data = listener;
        server->listeners++;
        PAT_TRY(listener->local ? open_unix(listener, options->unix_path, error)
                                : open_tcp(listener, &options->listen[i], error));
    }
    return PAT_OK;
}

void pat_listeners__close(struct pat_server *server) {
    for (unsigned i = 0; i < server->listeners; i++) {
        server->listener[i].pending = false;
        if (!uv_is_closing(&server->listener[i].io.handle)) uv_close(&server->listener[i].io.handle, NULL);
    }
}

void pat_listeners__addresses(const struct pat_server *server, char *out, size_t capacity) {
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < server->listeners && used < capacity; i++) {
        const struct pat_listener *listener = &server->listener[i];
        char text[PAT_ADDRESS_BYTES] = "?";
        struct sockaddr_storage address;
        int bytes = sizeof address;
        if (!listener->local && uv_tcp_getsockname(&listener->io.tcp, (struct sockaddr *)&address, &bytes) == 0)
            (void)pat_address_format((const struct sockaddr *)&address, text);
        int length =
            snprintf(out + used, capacity - used, "%s%s%s", i > 0 ? "," : "", listener->tls ? PAT_ADDRESS_TLS : "",
                     listener->local ? server->options->unix_path : text);
        if (length < 0) return;
        used += (size_t)length;
    }
}
