/* Inside the client room: the connection, its bytes (connect.c, wire.c), its messages (client.c). */
#ifndef PAT_CLIENT_CLIENT_PRIVATE_H
#define PAT_CLIENT_CLIENT_PRIVATE_H

#include "access/tls.h"
#include "base/buf.h"
#include "client/client.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAT_CLIENT_HOST "127.0.0.1"
/* To connect, for the handshake of TLS, and for the answer to hello: a port where something else listens is noticed. */
#define PAT_CLIENT_CONNECT_MS 5000u
#define PAT_CLIENT_FOREVER    UINT64_MAX
/* The longest name that DNS has, and its end. */
#define PAT_CLIENT_HOST_BYTES 256u

struct pat_client {
    int fd; /* blocks: each call says whether it waits */
    uint32_t msgid_next;
    unsigned in_flight;
    bool broken;        /* a send or read failed half way: where the next message starts is unknown */
    bool ended;         /* the server has closed its side */
    char address[256];  /* for messages */
    struct pat_buf out; /* the requests being sent; between calls the first `queued` bytes, which wait for more */
    size_t queued;
    struct pat_buf in;   /* received; the first `in_done` bytes have been handed out */
    struct pat_tls *tls; /* NULL: in the clear */
    struct pat_buf wire; /* sealed bytes as they came */
    size_t in_done;
    struct pat_scan scan; /* of the message at in_done */
};

/* ---- connect.c ---- */
uint64_t pat_client__now_ms(void);
/* Gives what poll saw, 0 when the deadline passed, negative on failure. */
int pat_client__wait(int fd, short events, uint64_t deadline);
/* A connected socket, and the host as it was written; "" for a unix socket. */
enum pat_status pat_client__connect(int *fd, char host[PAT_CLIENT_HOST_BYTES], const char *address,
                                    struct pat_error *error) PAT_MUST_CHECK;

/* ---- wire.c ---- */
/* The connection is of no use any more; gives PAT_ERR_IO. */
enum pat_status pat_client__lost(struct pat_client *client, const char *why, struct pat_error *error);
/* Makes room to read. */
enum pat_status pat_client__reserve(struct pat_client *client) PAT_MUST_CHECK;
/* Reads what has come; with `wait` it waits for something to come. */
enum pat_status pat_client__read(struct pat_client *client, bool wait, struct pat_error *error) PAT_MUST_CHECK;
/* Writes all of `out`. */
enum pat_status pat_client__write(struct pat_client *client, struct pat_error *error) PAT_MUST_CHECK;
/* Begins TLS with a server whose certificate must be for `name`. */
enum pat_status pat_client__secure(struct pat_client *client, const struct pat_tls_terms *terms, const char *name,
                                   struct pat_error *error) PAT_MUST_CHECK;

/* ---- client.c ---- */
/* pat_client_send with params as `bytes` of MessagePack, one value that the caller packed. It is scanned before it is
 * sent. Fails also: PAT_ERR_BAD_REQUEST with the offset in `params` (nothing was sent). */
enum pat_status pat_client__send_packed(struct pat_client *client, const char *method, const void *params, size_t bytes,
                                        uint32_t *msgid, struct pat_error *error) PAT_MUST_CHECK;

#endif
