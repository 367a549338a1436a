/* The end of a server: what was taken in is answered, the state is saved, and until then it can be asked how it is. */
#include "net/net_private.h"

#include "base/log.h"
#include "net/notify.h"

#include <unistd.h>

static void stage_enter(struct pat_server *server, enum pat_stop_stage stage) {
    server->stop = stage;
    server->stop_ms = uv_now(&server->loop);
    server->dropped = false;
}

static void drop_for_stop(struct pat_conn *conn) {
    pat_conn__drop(conn, "stop");
}

/* Any call that has no answer yet; answers that were not taken are not waited for here. */
static bool has_calls(struct pat_server *server) {
    for (struct pat_link *link = server->conns.next; link != &server->conns; link = link->next) {
        if (!pat_list_empty(&PAT_LINK_OF(link, struct pat_conn, link)->calls)) return true;
    }
    return false;
}

void pat_stop__begin(struct pat_server *server, int signal) {
    pat_log(PAT_LOG_INFO, "stopping", "signal=%d connections=%u", signal, server->connections);
    pat_notify("STOPPING=1", "answering what was taken, then a snapshot");
    pat_engine_stopping(server->engine);
    stage_enter(server, PAT_STOP_ANSWERING);
}

static void stop_end(struct pat_server *server) {
    stage_enter(server, PAT_STOP_ENDING);
    pat_listeners__close(server);
    pat_server__each(server, pat_conn__end);
}

/* A failure is in the log; closing the engine tries once more. */
static void on_saved(void *context, const struct pat_value *result, const struct pat_error *error) {
    struct pat_server *server = context;
    (void)result;
    (void)error;
    stop_end(server);
}

/* A snapshot that is being written need not have all there is: the last one comes behind it. */
static void save(struct pat_server *server) {
    struct pat_error error;
    if (!pat_engine_idle(server->engine)) return;
    stage_enter(server, PAT_STOP_SAVING);
    if (!pat_engine_dirty(server->engine) || pat_engine_snapshot(server->engine, on_saved, server, &error) != PAT_OK)
        stop_end(server);
}

void pat_stop__move(struct pat_server *server) {
    if (server->stop == PAT_STOP_ANSWERING && !has_calls(server)) save(server);
    if (server->stop == PAT_STOP_ENDING && server->connections == 0) uv_stop(&server->loop);
}

/* Clients that take too long are let go; work that does not end even so must not keep the process. A snapshot takes as
 * long as it takes. */
void pat_stop__tick(struct pat_server *server) {
    if (server->stop == PAT_STOP_NONE || server->stop == PAT_STOP_SAVING) return;
    const uint64_t passed_ms = uv_now(&server->loop) - server->stop_ms;
    if (passed_ms > PAT_NET_STOP_MS && !server->dropped) {
        server->dropped = true;
        pat_log(PAT_LOG_WARN, "stop-slow", "connections=%u", server->connections);
        pat_server__each(server, drop_for_stop);
    }
    if (passed_ms <= 2 * PAT_NET_STOP_MS) return;
    pat_log(PAT_LOG_ERROR, "stop-failed", "connections=%u", server->connections);
    pat_log_stop();
    _exit(1);
}
