/* Bytes between the client and its socket, in the clear or through TLS. */
#include "client/client_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* Read at once: big enough that a large answer needs few calls. */
#define READ_BYTES ((size_t)256 << 10)
/* Sealed and sent at once: a large request is not kept twice. */
#define SEAL_BYTES ((size_t)256 << 10)

enum pat_status pat_client__lost(struct pat_client *client, const char *why, struct pat_error *error) {
    client->broken = true;
    return pat_error_set(error, PAT_ERR_IO, "the connection to %s is lost: %s", client->address, why);
}

/* Bytes that were handed out go first, once they are most of the buffer, so that each byte moves a bounded number of
 * times. */
enum pat_status pat_client__reserve(struct pat_client *client) {
    if (client->in_done > client->in.length / 2) {
        pat_buf_consume(&client->in, client->in_done);
        client->in_done = 0;
    }
    return pat_buf_reserve(&client->in, READ_BYTES);
}

static enum pat_status no_memory(struct pat_client *client, struct pat_error *error) {
    client->broken = true;
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answers of %s", client->address);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Opens all that was fed. */
static enum pat_status unseal(struct pat_client *client, struct pat_error *error) {
    while (!client->ended) {
        size_t got;
        struct pat_error why;
        if (pat_client__reserve(client) != PAT_OK) return no_memory(client, error);
        struct pat_buf *in = &client->in;
        const enum pat_status status =
            pat_tls_read(client->tls, in->data + in->length, in->capacity - in->length, &got, &why);
        if (status == PAT_ERR_MORE) return PAT_OK;
        if (status != PAT_OK) return pat_client__lost(client, why.message, error);
        in->length += got;
        client->ended = got == 0;
    }
    return PAT_OK;
}

enum pat_status pat_client__read(struct pat_client *client, bool wait, struct pat_error *error) {
    struct pat_buf *into = client->tls != NULL ? &client->wire : &client->in;
    if (client->tls != NULL) pat_buf_clear(into);
    if ((client->tls != NULL ? pat_buf_reserve(into, READ_BYTES) : pat_client__reserve(client)) != PAT_OK)
        return no_memory(client, error);
    const ssize_t got =
        recv(client->fd, into->data + into->length, into->capacity - into->length, wait ? 0 : MSG_DONTWAIT);
    if (got == 0) client->ended = true;
    if (got > 0 && client->tls == NULL) into->length += (size_t)got;
    if (got > 0 && client->tls != NULL) {
        pat_tls_feed(client->tls, into->data, (size_t)got);
        return unseal(client, error);
    }
    if (got >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return PAT_OK;
    if (errno != ECONNRESET) return pat_client__lost(client, strerror(errno), error);
    client->ended = true; /* what came before the reset is still good, and may say why */
    return PAT_OK;
}

/* The server has closed its side. It may have said why before: that is read, the request counts as sent, and receiving
 * gives the reason or, when there is none, that the connection is lost. */
static enum pat_status read_last_words(struct pat_client *client, struct pat_error *error) {
    while (!client->ended) {
        const int seen = pat_client__wait(client->fd, POLLIN, pat_client__now_ms());
        if (seen <= 0) {
            client->ended = true;
        } else {
            PAT_TRY(pat_client__read(client, false, error));
        }
    }
    return PAT_OK;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Sends all of `buf`, to which TLS may add while it goes. While the server does not take it, its answers are read, so
 * that two full buffers cannot wait for each other for ever. */
static enum pat_status send_all(struct pat_client *client, const struct pat_buf *buf, struct pat_error *error) {
    size_t sent = 0;
    while (sent < buf->length) {
        const ssize_t put = send(client->fd, buf->data + sent, buf->length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put >= 0) {
            sent += (size_t)put;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EPIPE || errno == ECONNRESET) return read_last_words(client, error);
        if (errno != EAGAIN && errno != EWOULDBLOCK) return pat_client__lost(client, strerror(errno), error);
        /* An ended stream stays readable for ever: it is no longer asked for. */
        const int seen = pat_client__wait(client->fd, client->ended ? POLLOUT : POLLIN | POLLOUT, PAT_CLIENT_FOREVER);
        if (seen < 0) return pat_client__lost(client, strerror(errno), error);
        if ((seen & POLLIN) != 0 && !client->ended) PAT_TRY(pat_client__read(client, false, error));
    }
    return PAT_OK;
}

static enum pat_status send_sealed(struct pat_client *client, struct pat_error *error) {
    struct pat_buf *sealed = pat_tls_sealed(client->tls);
    const enum pat_status status = send_all(client, sealed, error);
    pat_buf_clear(sealed);
    return status;
}

enum pat_status pat_client__write(struct pat_client *client, struct pat_error *error) {
    const struct pat_buf *out = &client->out;
    if (client->tls == NULL) return send_all(client, out, error);
    for (size_t at = 0; at < out->length && !client->ended; at += SEAL_BYTES) {
        const size_t left = out->length - at;
        struct pat_error why;
        if (pat_tls_write(client->tls, out->data + at, left < SEAL_BYTES ? left : SEAL_BYTES, &why) != PAT_OK)
            return pat_client__lost(client, why.message, error);
        PAT_TRY(send_sealed(client, error));
    }
    return PAT_OK;
}

/* ---- TLS -------------------------------------------------------------------------------------------------------- */

static enum pat_status shake_hands(struct pat_client *client, struct pat_error *error) {
    const uint64_t deadline = pat_client__now_ms() + PAT_CLIENT_CONNECT_MS;
    pat_tls_feed(client->tls, NULL, 0);
    enum pat_status status = unseal(client, error);
    for (;;) {
        /* Also when it failed: the server is told why. */
        struct pat_error ignored;
        const enum pat_status sent = send_sealed(client, status == PAT_OK ? error : &ignored);
        if (status != PAT_OK) return status;
        if (sent != PAT_OK) return sent;
        if (pat_tls_ready(client->tls)) return PAT_OK;
        if (client->ended) return pat_client__lost(client, "the server closed it", error);
        const int seen = pat_client__wait(client->fd, POLLIN, deadline);
        if (seen < 0) return pat_client__lost(client, strerror(errno), error);
        if (seen == 0) return pat_client__lost(client, "no answer to the handshake", error);
        status = pat_client__read(client, false, error);
    }
}

enum pat_status pat_client__secure(struct pat_client *client, const struct pat_tls_terms *terms, const char *name,
                                   struct pat_error *error) {
    struct pat_error why;
    PAT_TRY(pat_tls_open(&client->tls, terms, name, error));
    const enum pat_status status = shake_hands(client, &why);
    if (status == PAT_OK) return PAT_OK;
    const char *reason = strstr(why.message, "is lost: ");
    return pat_error_set(error, status, "no TLS with %s: %s%s", client->address,
                         reason != NULL ? reason + strlen("is lost: ") : why.message,
                         strstr(why.message, "version number") != NULL ? " (does it speak TLS at all?)" : "");
}
