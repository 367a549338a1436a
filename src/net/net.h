/* The server: listeners, connections and workers around one engine. The only room that knows libuv. */
#ifndef PAT_NET_NET_H
#define PAT_NET_NET_H

#include "base/status.h"
#include "engine/engine.h"
#include "net/address.h"

#include <stdint.h>

struct pat_server_options {
    const struct pat_address *listen;
    unsigned listens;
    const char *unix_path;     /* NULL = none */
    const char *users_path;    /* NULL = nobody logs in, and only this machine may connect */
    const char *tls_cert_path; /* NULL = no TLS, and only this machine may connect */
    const char *tls_key_path;
    uint64_t memory_bytes;            /* 0 = 80 % of what the machine, or its container, has */
    unsigned workers;                 /* 0 = one for each processor */
    unsigned connections_max;         /* 0 = 1,024; fewer when descriptors are scarce */
    struct pat_engine_options engine; /* wake_cb and wake_context are the server's to set */
    /* Called once, when requests are answered; addresses are comma separated. */
    void (*ready_cb)(void *context, const char *addresses);
    void *ready_context;
};

/* Opens the engine, serves until SIGTERM or SIGINT, finishes what was accepted and saves a snapshot. A second signal
 * ends the process with exit status 1, and so does work that does not end within a minute of the first.
 *
 * Thread: the process's main one; takes over the signals.
 * Fails: as pat_engine_open; PAT_ERR_IO for an address that cannot be listened on; as pat_engine_close. */
enum pat_status pat_server_run(const struct pat_server_options *options, struct pat_error *error) PAT_MUST_CHECK;

#endif
