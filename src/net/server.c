#include "net/net.h"

#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"
#include "net/net_private.h"
#include "net/notify.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What one read(2) may bring; libuv suggests as much. */
#define SCRATCH_BYTES   ((size_t)64 << 10)
#define ADDRESSES_BYTES 2048
#define TICKS_PER_SWEEP (1000u / PAT_NET_TICK_MS)
/* Of a turn, for looking at the limits of connections. A thousand that are let go at once, with the answers they did
 * not take, would hold up the others for a tenth of a second. */
#define SWEEPING_NS UINT64_C(50000)
/* The deadline timer looks at all questions with a deadline, so it does not fire for each. */
#define DEADLINE_STEP_MS 5u

/* ---- wakes ------------------------------------------------------------------------------------------------------ */

static void engine_wake(void *context) {
    struct pat_server *server = context;
    pat_wake__ring(&server->engine_wake);
}

static void jobs_wake(void *context) {
    struct pat_server *server = context;
    pat_wake__ring(&server->jobs_wake);
}

static void on_engine(struct pat_server *server) {
    if (server->engine == NULL) return;
    pat_engine_turn(server->engine);
    pat_server__turned(server);
    pat_chore__offer(server);
}

static void on_jobs(struct pat_server *server) {
    if (server->workers == NULL) return;
    for (;;) {
        struct pat_job *job = pat_workers_take_done(server->workers);
        if (job == NULL) return;
        if (job == &server->chore_job) {
            pat_chore__done(server);
            continue;
        }
        pat_call__job_done(PAT_LINK_OF(job, struct pat_call, job));
    }
}

void pat_server__turned(struct pat_server *server) {
    for (;;) {
        struct pat_link *link = pat_list_pop(&server->parked);
        if (link == NULL) return;
        struct pat_call *call = PAT_LINK_OF(link, struct pat_call, wait);
        pat_call__resume(call);
    }
}

static void on_busy(uv_idle_t *busy) {
    (void)busy;
}

/* Looks at the limits of connections whose turn it is; gives whether there are more. */
static bool sweep_some(struct pat_server *server) {
    const uint64_t end_ns = uv_hrtime() + SWEEPING_NS;
    while (server->sweep_left > 0 && !pat_list_empty(&server->conns)) {
        struct pat_link *link = pat_list_pop(&server->conns);
        pat_list_push(&server->conns, link);
        server->sweep_left--;
        pat_conn__sweep(PAT_LINK_OF(link, struct pat_conn, link));
        if (uv_hrtime() >= end_ns) return server->sweep_left > 0;
    }
    server->sweep_left = 0;
    return false;
}

/* Before the loop sleeps: each connection that something happened to is moved on. */
static void on_prepare(uv_prepare_t *prepare) {
    struct pat_server *server = prepare->data;
    struct pat_link now;
    const bool shaking = pat_tls__shake(server), sweeping = sweep_some(server);
    pat_list_init(&now);
    pat_list_splice(&now, &server->touched);
    for (;;) {
        struct pat_link *link = pat_list_pop(&now);
        if (link == NULL) break;
        pat_conn__work(PAT_LINK_OF(link, struct pat_conn, touched));
    }
    pat_calls__start_lengthy(server);
    pat_stop__move(server);
    if (shaking || sweeping || !pat_list_empty(&server->touched)) {
        (void)uv_idle_start(&server->busy, on_busy);
    } else {
        (void)uv_idle_stop(&server->busy);
    }
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static void on_deadline(uv_timer_t *timer);

static void deadline_arm(struct pat_server *server, uint64_t at_ms) {
    if (server->deadline_ms != 0 && server->deadline_ms <= at_ms) return;
    uint64_t now_ms = uv_now(&server->loop);
    uint64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    server->deadline_ms = at_ms;
    (void)uv_timer_start(&server->deadline, on_deadline, wait_ms, 0);
}

void pat_server__time(struct pat_call *call) {
    struct pat_server *server = call->conn->server;
    if (!pat_link_listed(&call->timed)) pat_list_push(&server->timed, &call->timed);
    deadline_arm(server, call->deadline_ms);
}

static void on_deadline(uv_timer_t *timer) {
    struct pat_server *server = timer->data;
    uint64_t now_ms = uv_now(&server->loop);
    uint64_t next_ms = 0;
    struct pat_link looked_at;
    pat_list_init(&looked_at);
    server->deadline_ms = 0;
    for (;;) {
        struct pat_link *link = pat_list_pop(&server->timed);
        if (link == NULL) break;
        struct pat_call *call = PAT_LINK_OF(link, struct pat_call, timed);
        if (call->deadline_ms <= now_ms) {
            (void)pat_call__stop(call, PAT_ERR_DEADLINE);
            continue;
        }
        pat_list_push(&looked_at, link);
        if (next_ms == 0 || call->deadline_ms < next_ms) next_ms = call->deadline_ms;
    }
    pat_list_splice(&server->timed, &looked_at);
    if (next_ms == 0) return;
    deadline_arm(server, next_ms > now_ms + DEADLINE_STEP_MS ? next_ms : now_ms + DEADLINE_STEP_MS);
}

void pat_server__each(struct pat_server *server, void (*each_cb)(struct pat_conn *conn)) {
    struct pat_link *next;
    for (struct pat_link *link = server->conns.next; link != &server->conns; link = next) {
        next = link->next;
        each_cb(PAT_LINK_OF(link, struct pat_conn, link));
    }
}

static void on_tick(uv_timer_t *timer) {
    struct pat_server *server = timer->data;
    pat_engine_turn(server->engine);
    pat_server__turned(server);
    pat_chore__offer(server);
    pat_stop__tick(server);
    if (++server->ticks % TICKS_PER_SWEEP != 0 && server->stop != PAT_STOP_ENDING) return;
    server->sweep_left = server->connections;
    pat_calls__trim_idle(server);
    pat_listeners__tick(server);
    if (server->accept_failures > 0) {
        pat_log(PAT_LOG_WARN, "accept-failed", "count=%" PRIu64 " reason=\"%s\"", server->accept_failures,
                strerror(server->accept_failed));
        server->accept_failures = 0;
    }
    if (server->gone_count > 0) {
        pat_log(PAT_LOG_INFO, "connections-gone", "count=%" PRIu64, server->gone_count);
        server->gone_count = 0;
    }
    if (server->turned_away_count > 0) {
        pat_log(PAT_LOG_WARN, "connections-refused", "count=%" PRIu64 " connections_max=%u", server->turned_away_count,
                server->connections_max);
        server->turned_away_count = 0;
    }
}

/* ---- stop ------------------------------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *signal, int number) {
    struct pat_server *server = signal->data;
    if (server->stop != PAT_STOP_NONE) _exit(1);
    pat_stop__begin(server, number);
}

static void on_reload(uv_signal_t *signal, int number) {
    (void)number;
    /* The log has what there is to say. */
    struct pat_error ignored;
    pat_notify("RELOADING=1", NULL);
    (void)pat_server__reload(signal->data, NULL, NULL, &ignored);
    pat_notify("READY=1", NULL);
}

static void exit_at_once(int number) {
    (void)number;
    _exit(1);
}

/* The loop stands still while the last snapshot is written. */
static void signals_to_exit(void) {
    struct sigaction action = {.sa_handler = exit_at_once};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

static void close_handle(uv_handle_t *handle, void *context) {
    (void)context;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

/* Engine before loop: its threads may wake the loop until they are joined. */
static enum pat_status server_close(struct pat_server *server, bool snapshot, struct pat_error *error) {
    signals_to_exit();
    pat_listeners__close(server);
    pat_chore__stop(server);
    if (server->engine != NULL) pat_engine_lend(server->engine, NULL);
    pat_workers_close(&server->workers);
    pat_chore__forget(server);
    enum pat_status status = pat_engine_close(&server->engine, snapshot, error);
    uv_walk(&server->loop, close_handle, NULL);
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    PAT_ASSERT(uv_loop_close(&server->loop) == 0);
    pat_wake__close(&server->engine_wake);
    pat_wake__close(&server->jobs_wake);
    pat_calls__free_idle(server);
    pat_mem_free(PAT_MEM_NET, server->listener);
    pat_mem_free(PAT_MEM_NET, server->peer_count);
    pat_buf_deinit(&server->scratch);
    pat_buf_deinit(&server->wire);
    pat_tls_terms_close(&server->tls);
    pat_logins__close(&server->logins);
    pat_server__forget_settings(server);
    return status;
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

static size_t memory_choose(const struct pat_options *settings) {
    const uint64_t there = pat_machine_memory();
    if (settings->memory_bytes > there) {
        pat_log(PAT_LOG_WARN, "memory-beyond-machine", "limit=%" PRIu64 " machine=%" PRIu64, settings->memory_bytes,
                there);
    }
    return (size_t)pat_options_memory(settings, there);
}

/* Of the limit, what no account sees: the program and its libraries, as they are before anything is served, and what
 * stacks and the allocator take beside what they give, a fifth of a small store and no more than this of a large one.
 * Never more than a third, so that a small limit leaves something to serve. */
#define OVERHEAD_SHARE        5u
#define OVERHEAD_BYTES_MAX    ((size_t)64 << 20)
#define UNACCOUNTED_SHARE_MAX 3u

static size_t unaccounted_of(const struct pat_server *server, size_t limit) {
    const size_t share = limit / OVERHEAD_SHARE, most = limit / UNACCOUNTED_SHARE_MAX;
    const size_t all = (size_t)server->program_bytes + (share < OVERHEAD_BYTES_MAX ? share : OVERHEAD_BYTES_MAX);
    return all < most ? all : most;
}

static unsigned connections_allowed(unsigned wanted) {
    struct rlimit limit;
    if (wanted == 0) wanted = PAT_NET_CONNECTIONS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
    if (limit.rlim_cur <= 2 * PAT_NET_DESCRIPTORS_KEPT) return PAT_NET_DESCRIPTORS_KEPT;
    rlim_t free_count = limit.rlim_cur - PAT_NET_DESCRIPTORS_KEPT;
    return free_count < wanted ? (unsigned)free_count : wanted;
}

void pat_server__take_limits(struct pat_server *server) {
    const struct pat_options *settings = server->settings;
    const size_t limit = memory_choose(settings);
    if (server->program_bytes == 0) server->program_bytes = pat_machine_resident();
    pat_mem_set_limit(limit, limit - unaccounted_of(server, limit));
    server->connections_max = connections_allowed(settings->connections);
}

static void handles_init(struct pat_server *server) {
    uv_loop_t *loop = &server->loop;
    int failed = uv_prepare_init(loop, &server->prepare);
    failed |= uv_idle_init(loop, &server->busy);
    failed |= uv_timer_init(loop, &server->tick);
    failed |= uv_timer_init(loop, &server->deadline);
    for (unsigned i = 0; i < 3; i++) failed |= uv_signal_init(loop, &server->signal[i]);
    PAT_ASSERT(failed == 0);
    server->prepare.data = server;
    server->tick.data = server->deadline.data = server->signal[0].data = server->signal[1].data =
        server->signal[2].data = server;
}

static enum pat_status server_init(struct pat_server *server, const struct pat_server_options *options,
                                   struct pat_error *error) {
    *server =
        (struct pat_server){.options = options, .settings = options->given, .engine_wake.fd = -1, .jobs_wake.fd = -1};
    pat_list_init(&server->conns);
    pat_list_init(&server->idle_calls);
    pat_list_init(&server->touched);
    pat_list_init(&server->shaking);
    pat_list_init(&server->parked);
    pat_list_init(&server->asking);
    pat_list_init(&server->timed);
    pat_buf_init(&server->scratch, PAT_MEM_NET);
    pat_buf_init(&server->wire, PAT_MEM_NET);
    int failed = uv_loop_init(&server->loop);
    if (failed != 0) return pat_error_set(error, PAT_ERR_IO, "the event loop cannot be made: %s", uv_strerror(failed));
    handles_init(server);
    return PAT_OK;
}

static enum pat_status server_open(struct pat_server *server, struct pat_error *error) {
    const struct pat_server_options *options = server->options;
    PAT_TRY(pat_wake__open(&server->engine_wake, server, on_engine, error));
    PAT_TRY(pat_wake__open(&server->jobs_wake, server, on_jobs, error));
    if (pat_buf_reserve(&server->scratch, SCRATCH_BYTES) != PAT_OK ||
        pat_buf_reserve(&server->wire, SCRATCH_BYTES) != PAT_OK)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for reading");
    struct pat_engine_options engine = options->engine;
    engine.wake_cb = engine_wake;
    engine.wake_context = server;
    bool ignored;
    PAT_TRY(pat_logins__open(&server->logins, server->settings->users, error));
    PAT_TRY(pat_server__certify(server, server->settings, &ignored, error));
    PAT_TRY(pat_engine_open(&server->engine, &engine, error));
    unsigned workers = server->settings->workers != 0 ? server->settings->workers : uv_available_parallelism();
    if (workers > PAT_WORKERS_MAX) workers = PAT_WORKERS_MAX;
    PAT_TRY(pat_workers_open(&server->workers, workers, jobs_wake, server, error));
    pat_engine_lend(server->engine, pat_workers_spread(server->workers));
    return pat_listeners__open(server, error);
}

static void server_serve(struct pat_server *server) {
    pat_machine_be_prompt(); /* all workers are there already, and are none of it */
    (void)uv_prepare_start(&server->prepare, on_prepare);
    (void)uv_timer_start(&server->tick, on_tick, PAT_NET_TICK_MS, PAT_NET_TICK_MS);
    (void)uv_signal_start(&server->signal[0], on_signal, SIGTERM);
    (void)uv_signal_start(&server->signal[1], on_signal, SIGINT);
    (void)uv_signal_start(&server->signal[2], on_reload, SIGHUP);
    char addresses[ADDRESSES_BYTES];
    pat_listeners__addresses(server, addresses, sizeof addresses);
    pat_log(PAT_LOG_INFO, "ready", "version=%s addresses=\"%s\" workers=%u connections_max=%u memory=%zu budget=%zu",
            server->options->engine.version, addresses, pat_workers_count(server->workers), server->connections_max,
            pat_mem_limit(), pat_mem_budget());
    pat_notify("READY=1", addresses);
    if (server->options->ready_cb != NULL) server->options->ready_cb(server->options->ready_context, addresses);
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    (void)uv_signal_stop(&server->signal[0]);
    (void)uv_signal_stop(&server->signal[1]);
    (void)uv_signal_stop(&server->signal[2]);
}

enum pat_status pat_server_run(const struct pat_server_options *options, struct pat_error *error) {
    struct pat_server server;
    PAT_TRY(server_init(&server, options, error));
    pat_server__take_limits(&server);
    pat_log(PAT_LOG_INFO, "starting", "version=%s pid=%d data=\"%s\"", options->engine.version, (int)getpid(),
            options->engine.data_dir);
    enum pat_status status = server_open(&server, error);
    if (status != PAT_OK) {
        struct pat_error ignored;
        (void)server_close(&server, false, &ignored);
        return status;
    }
    server_serve(&server);
    status = server_close(&server, true, error);
    if (status == PAT_OK) pat_log(PAT_LOG_INFO, "stopped", "clean=yes");
    return status;
}
