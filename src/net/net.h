/* The server: listeners, connections and workers around one engine. The only room that knows libuv. */
#ifndef PAT_NET_NET_H
#define PAT_NET_NET_H

#include "base/status.h"
#include "engine/engine.h"
#include "net/address.h"
#include "net/options.h"

#include <stdint.h>

struct pat_server_options {
    const struct pat_address *listen; /* given->listens of them, which may be served */
    const struct pat_options *given;
    struct pat_engine_options engine; /* wake_cb and wake_context are the server's to set */
    /* Reads again what `given` was read from. */
    enum pat_status (*reread_cb)(void *context, struct pat_options *out, struct pat_error *error);
    void *reread_context;
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
