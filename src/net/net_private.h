/* Inside the net room: the server, its listeners, connections and calls.
 *
 *   listener ─► conn ─► call (one request) ─► session | engine on the loop | a worker | the engine's queue ─► conn's
 * out list
 *
 * Everything here belongs to the loop thread; of a call, what its job touches belongs to a worker while the job is with
 * the workers. Whatever happens to a connection, it is only "touched"; before the loop sleeps, pat_conn__work moves
 * each touched one on, once: frames, writes that are due, questions that may start, answers to send, the end. */
#ifndef PAT_NET_NET_PRIVATE_H
#define PAT_NET_NET_PRIVATE_H

#include "access/guesses.h"
#include "access/tls.h"
#include "access/users.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "model/request.h"
#include "net/list_private.h"
#include "net/net.h"
#include "net/workers_private.h"
#include "proto/wire.h"

#include <uv.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connections at once, unless the options say otherwise: idle they take 5 KB each, and what they may keep together has
 * limits of its own (PAT_NET_SHARE). */
#define PAT_NET_CONNECTIONS_MAX 16384u
/* Counts of connections by address: many more than there are connections, so that few share one. */
#define PAT_NET_PEER_PLACES 65536u
/* Descriptors kept for journal, snapshot, log and listeners. */
#define PAT_NET_DESCRIPTORS_KEPT 64u
/* Requests of one connection that are not yet answered to the last byte, but for batches that are with the engine; then
 * nothing more is read from it. */
#define PAT_NET_CALLS_MAX 256u
/* Bytes of such requests: one of the largest frames, and whatever came before it. */
#define PAT_NET_CALLS_BYTES_MAX ((size_t)PAT_FRAME_BYTES_MAX)
/* Answers waiting for one client; above it nothing is read from it and none of its questions is started. */
#define PAT_NET_HIGH_WATER_BYTES ((size_t)8 << 20)
/* One part in so many of the memory budget for what connections send and have not taken; above it nobody may keep much:
 * answers wait up to the low water, one question of a connection is worked on, few and no large requests are taken, and
 * who takes nothing of its answers is let go sooner. When answers alone are twice as much, one long question at a time
 * goes on, of a client that owes nothing. Else a thousand clients that stopped would be all that there is memory for.
 */
#define PAT_NET_SHARE           8u
#define PAT_NET_LOW_WATER_BYTES ((size_t)64 << 10)
#define PAT_NET_WRITE_SHORT_MS  3000u
/* And less than this of them, then: who takes a byte a second is as bad as one that takes nothing. */
#define PAT_NET_WRITE_SHORT_BYTES PAT_NET_LOW_WATER_BYTES
/* Requests of one connection, as above, while memory is short: each takes some 8 KB, and those that cannot be started
 * wait as well where they came from. */
#define PAT_NET_CALLS_SHORT 4u
/* Long questions with the workers, for each of them: enough that none waits for the loop, and so few that the next one
 * is chosen late, among those whose clients take their answers. */
#define PAT_NET_LENGTHY_PER_WORKER 2u
/* Of an unfinished request, while memory is short. */
#define PAT_NET_FRAME_SHORT_BYTES ((size_t)1 << 20)
/* Batches in the engine, two groups of them at the most: one at the disk, one that collects; above it nothing is read
 * from clients that have some there. */
#define PAT_NET_BATCHES_MAX 2048u
/* Frames of one connection in one turn of the loop: about 2 ms of small requests, then it is the others' turn. */
#define PAT_NET_FRAMES_PER_TURN 256u
/* From this size on a frame is decoded by a worker: at some 500 MB/s the loop is held for less than 0.2 ms. */
#define PAT_NET_FRAME_BIG_BYTES ((size_t)64 << 10)
/* A started message, and an answer of which the client takes nothing. */
#define PAT_NET_MESSAGE_MS 30000u
#define PAT_NET_WRITE_MS   30000u
/* How long a client may take to see that the server has said its last word. */
#define PAT_NET_LINGER_MS 500u
/* Before login: what auth.start and auth.finish need, and hello. */
#define PAT_NET_STRANGER_BYTES   4096u
#define PAT_NET_STRANGER_OBJECTS 64u
/* For logging in, from the connection on; and for the handshake of TLS, where nobody needs to log in. */
#define PAT_NET_LOGIN_MS 5000u
/* Of a handshake: a client's first message with every extension that there is has 2 KiB, and it has no certificate. */
#define PAT_NET_HANDSHAKE_BYTES ((size_t)16 << 10)
/* Answers are sealed so many bytes at a time, when the client has taken what was sealed before. */
#define PAT_NET_SEAL_BYTES ((size_t)64 << 10)
/* Sealed bytes that wait for a client; TLS itself adds some when asked to, so above it nothing is read. */
#define PAT_NET_SEALED_BYTES_MAX ((size_t)256 << 10)
/* A question with min_lsn and no deadline of its own waits as long. */
#define PAT_NET_MIN_LSN_MS 5000u
/* Stopping: what was accepted has this long, and then what does not end by itself has as long again. */
#define PAT_NET_STOP_MS 30000u
#define PAT_NET_TICK_MS 200u
/* Calls that are kept for requests to come, some 10 KB each: what pipelining clients have in flight, and while they do
 * as many as there may be batches with the engine; those nobody needed for a second go, but for the first number. And
 * how large a reply buffer one of them may keep. */
#define PAT_NET_CALLS_IDLE     512u
#define PAT_NET_CALLS_IDLE_MAX (PAT_NET_BATCHES_MAX + PAT_NET_CALLS_MAX)
#define PAT_NET_REPLY_KEPT_MAX ((size_t)4096)
/* Look-ups answered before what there is of answers is sent: a client that asks for more as it reads has something to
 * do meanwhile, and a system call for each of so many is still little. */
#define PAT_NET_ANSWERS_TOGETHER 64u
/* Any error fits, so that there is an answer even when there is no memory. */
#define PAT_NET_REPLY_BYTES 1024u

union pat_stream {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct pat_server;

/* Who may log in. */
struct pat_logins {
    struct pat_users *users;                /* NULL: nobody needs to */
    struct pat_guesses *guesses;            /* NULL as well; times are uv_now */
    unsigned char secret[PAT_SHA256_BYTES]; /* of this process */
};

struct pat_listener {
    struct pat_server *server;
    int fd;           /* -1: not open */
    const char *path; /* of a unix socket that is bound */
    uv_poll_t poll;
    bool polled; /* `poll` is initialised */
    bool local;  /* a unix socket */
    bool tls;
    bool paused; /* until the next tick: */
    int failed;  /* the errno why */
};

struct pat_wake {
    struct pat_server *server;
    int fd; /* -1: not open */
    uv_poll_t poll;
    void (*woken_cb)(struct pat_server *server);
};

/* What was taken in is answered, what is new is refused; then the last snapshot is written; then connections end. Until
 * that, status and the like are answered as ever. */
enum pat_stop_stage { PAT_STOP_NONE, PAT_STOP_ANSWERING, PAT_STOP_SAVING, PAT_STOP_ENDING };

struct pat_server {
    const struct pat_server_options *options;
    const struct pat_options *settings; /* options->given, or what was read since */
    uv_loop_t loop;
    struct pat_wake engine_wake; /* persist's threads: call pat_engine_turn */
    struct pat_wake jobs_wake;   /* workers: a job is done */
    uv_prepare_t prepare;
    uv_idle_t busy;       /* active while there is something to do in the next turn: the loop does not sleep */
    uv_timer_t tick;      /* every PAT_NET_TICK_MS */
    uv_timer_t deadline;  /* at the earliest of `timed` */
    uint64_t deadline_ms; /* when that is, 0 = not armed */
    uv_signal_t signal[3];
    struct pat_engine *engine;
    struct pat_workers *workers;
    struct pat_logins logins;
    struct pat_tls_terms *tls; /* NULL: no certificate. Of connections to come; those there are keep theirs */
    struct pat_chore *chore;   /* with the workers, NULL = none */
    struct pat_job chore_job;

    struct pat_listener *listener;
    unsigned listeners;
    unsigned connections_max;
    unsigned connections;
    struct pat_hash_secret peer_secret;
    uint32_t *peer_count;        /* connections by the hash of their address */
    uint64_t connections_opened; /* ever */
    uint64_t program_bytes;      /* resident at the start */
    struct pat_link conns;
    unsigned sweep_left;        /* of them, from the first on, whose limits are to be looked at in this second */
    struct pat_link touched;    /* conns with something to do before the loop sleeps */
    struct pat_link shaking;    /* conns whose handshake waits for the next turn */
    uint64_t shaking_ns;        /* spent with handshakes in this one */
    struct pat_link parked;     /* questions whose version, or min_lsn, is not there yet */
    struct pat_link asking;     /* conns with long questions that wait for a place with the workers, in turns */
    unsigned lengthy;           /* those that have one */
    struct pat_link timed;      /* questions with a deadline, until they end or are told to */
    size_t out_bytes;           /* of answers that wait for clients, of all of them */
    struct pat_link idle_calls; /* small ones, with their buffers, for requests to come */
    unsigned idle_calls_count;
    unsigned frames_reading;    /* large ones with the workers: batches, most of them */
    unsigned idle_calls_least;  /* since they were last trimmed */
    struct pat_buf scratch;     /* what is read from a connection that had nothing unfinished */
    struct pat_buf wire;        /* what is read from a connection with TLS; what is about to be sealed */
    uint64_t turned_away_count; /* since the log last said so */
    uint64_t gone_count;        /* the same: clients that were gone before they were let in */
    uint64_t accept_failures;   /* the same */
    int accept_failed;          /* errno of the last */
    uint64_t ticks;

    enum pat_stop_stage stop;
    uint64_t stop_ms; /* uv_now when its stage began */
    bool dropped;     /* the first limit of the stage has passed */
};

enum pat_conn_state {
    PAT_CONN_OPEN,
    PAT_CONN_ENDING,  /* nothing more is read; what was asked is answered, then it closes */
    PAT_CONN_LINGER,  /* all is said; waits until the client has seen it */
    PAT_CONN_CLOSING, /* uv_close was called */
    PAT_CONN_CLOSED,  /* calls that are still with a worker or the engine keep the memory */
};

struct pat_call;

/* What a connection did since the log last said so; see audit.c. */
struct pat_audit {
    uint64_t number;                           /* of the connection, from 1 on */
    uint64_t since_ms;                         /* uv_now, 0: nothing to tell */
    char producer[PAT_PRODUCER_BYTES_MAX + 1]; /* of the last batch */
    unsigned producers;                        /* times that it was another one */
    uint64_t batches, rows_loaded, rows_rejected;
    const char *export_method; /* static */
    uint64_t exports, rows_exported;
    uint64_t lookups;
};

struct pat_conn {
    struct pat_server *server;
    union pat_stream io;
    struct pat_link link;    /* server->conns */
    struct pat_link touched; /* server->touched */
    enum pat_conn_state state;
    bool working;      /* inside pat_conn__work: touching it is not needed */
    uint64_t state_ms; /* uv_now when ENDING or LINGER began */

    bool local;                             /* came through a unix socket */
    uint32_t peer_place;                    /* in peer_count, from 1 on; 0 = none */
    enum pat_role role;                     /* NONE until it has logged in, where that is asked for */
    char user[PAT_USER_BYTES_MAX + 1];      /* "" when none was asked for */
    unsigned char stored[PAT_SHA256_BYTES]; /* that user's key at the login: another password, another key */
    struct pat_scram_server *login;         /* between auth.start and auth.finish */
    uint64_t opened_ms;                     /* uv_now */
    struct pat_audit audit;

    /* TLS; NULL without */
    struct pat_tls *tls;
    size_t handshake_bytes;  /* that came */
    struct pat_link shaking; /* server->shaking */
    struct pat_buf hello;    /* what came and waits for that */
    bool tls_ended;          /* its last word is said */
    struct pat_buf wire;     /* sealed and being sent */
    size_t wire_at;          /* bytes of it that were taken */

    /* what hello asked for */
    bool errors_map;
    bool bigint_text;

    /* reading */
    struct pat_buf in; /* an unfinished frame, or frames that wait for room */
    struct pat_scan scan;
    bool reading;
    bool backlog;              /* `in` may hold a whole frame */
    uint64_t frame_ms;         /* uv_now when the unfinished frame began, 0 = there is none */
    size_t frame_bytes;        /* of the last one that was large */
    struct pat_call *leader;   /* while frames are taken: the look-up that was taken last, for those like it */
    struct pat_wire_like like; /* what those are; front NULL: not looked at yet */

    /* calls */
    struct pat_link calls;   /* not yet answered */
    struct pat_link waiting; /* questions not yet with the workers: short ones, */
    struct pat_link lengthy; /* and long ones, which take turns with those of others: */
    struct pat_link asking;  /* server->asking */
    struct pat_link line;    /* writes, and frames that may turn out to be some, in the order they came */
    unsigned calls_count;    /* all of them, those in `out` and the ones that have no reply included */
    size_t calls_bytes;      /* of their frames */
    unsigned pooled;         /* questions with the workers */
    unsigned submitted;      /* writes with the engine */
    pat_lsn seen_lsn;        /* the greatest that answers may have told: its questions see no less */
    struct pat_call *spare;  /* for saying that there is no memory for a call; NULL while it is in use */

    /* writing */
    struct pat_link out; /* answered calls, in the order they are sent */
    size_t out_bytes;    /* theirs, not yet taken by the system */
    size_t out_at;       /* bytes of the first one that were taken */
    uv_write_t write;
    size_t writing_bytes; /* that it was given; 0: it is not in use */
    uv_shutdown_t shutdown;
    size_t write_left; /* when last looked at */
    uint64_t write_ms; /* uv_now when something was taken last */
};

enum pat_call_state {
    PAT_CALL_READING,   /* a worker decodes it */
    PAT_CALL_HELD,      /* a write behind others of its connection */
    PAT_CALL_WAITING,   /* a question of a connection that has enough of them running */
    PAT_CALL_PARKED,    /* its version, or its min_lsn, is not there yet */
    PAT_CALL_POOLED,    /* with the workers, pinned */
    PAT_CALL_SUBMITTED, /* with the engine: batch, map or snapshot; it will be answered whatever happens */
    PAT_CALL_ANSWERED,
};

struct pat_call {
    struct pat_conn *conn;
    struct pat_link link;  /* conn->calls, then conn->out */
    struct pat_link wait;  /* conn->waiting, conn->lengthy or server->parked */
    struct pat_link line;  /* conn->line */
    struct pat_link timed; /* server->timed */
    enum pat_call_state state;
    bool ready;           /* in line: may be submitted */
    bool late;            /* came when the server was stopping */
    bool encoded;         /* `reply` is whole */
    enum pat_status stop; /* why it is to end early: PAT_ERR_CANCELLED or PAT_ERR_DEADLINE */
    bool cancelled;       /* the same for a worker; written with relaxed atomics */
    uint64_t arrived_ms;  /* uv_now */
    uint64_t deadline_ms; /* uv_now, 0 = none */

    /* several look-ups; see look_ups.c */
    struct pat_look *look;
    unsigned looks; /* 0: it is one request like others */
    unsigned found;

    /* the worker's while the job is with the workers */
    struct pat_job job;
    unsigned char *frame;
    size_t frame_bytes;
    bool frame_owned; /* else it stands in the arena */
    bool errors_map, bigint_text;
    enum pat_role role;
    struct pat_message message;
    const struct pat_method_info *info;
    struct pat_batch *batch;
    struct pat_inquiry inquiry;
    struct pat_value result; /* of a worker that is not yet encoded: clv.fit */
    struct pat_ticket ticket;
    enum pat_status status;
    struct pat_request request; /* nothing before `info` says what it is; a new call is zeroed up to here */
    struct pat_error error;
    /* from one call to the next */
    bool spare;
    struct pat_arena arena;
    struct pat_buf reply;
};

/* ---- listener.c ---- */
enum pat_status pat_listeners__open(struct pat_server *server, struct pat_error *error) PAT_MUST_CHECK;
void pat_listeners__close(struct pat_server *server);
/* Who had to be left waiting for want of descriptors is looked at again. */
void pat_listeners__tick(struct pat_server *server);
/* A connection ends: its address may have another. */
void pat_listeners__left(struct pat_conn *conn);
/* "127.0.0.1:7411,/run/patron.sock" */
void pat_listeners__addresses(const struct pat_server *server, char *out, size_t capacity);

/* ---- wake.c ---- */
enum pat_status pat_wake__open(struct pat_wake *wake, struct pat_server *server,
                               void (*woken_cb)(struct pat_server *server), struct pat_error *error) PAT_MUST_CHECK;
/* Thread: any. The loop calls back soon; once for all that rang meanwhile. */
void pat_wake__ring(struct pat_wake *wake);
/* When the loop has closed its handles and nobody can ring any more. */
void pat_wake__close(struct pat_wake *wake);

/* ---- stop.c ---- */
void pat_stop__begin(struct pat_server *server, int signal);
/* Goes on to the next stage when there is nothing left to do in this one. Before the loop sleeps. */
void pat_stop__move(struct pat_server *server);
/* Time limits. */
void pat_stop__tick(struct pat_server *server);

/* ---- server.c ---- */
void pat_server__each(struct pat_server *server, void (*each_cb)(struct pat_conn *conn));
/* What the settings say about memory and connections holds from now on. */
void pat_server__take_limits(struct pat_server *server);
/* Something was submitted or became durable: parked questions are looked at again. */
void pat_server__turned(struct pat_server *server);
/* Takes `call` into the deadline timer's care. */
void pat_server__time(struct pat_call *call);

/* ---- conn.c ---- */
extern const struct pat_scan_limits pat_conn_limits; /* of one that may send what there is to send */
/* A connection whose `io` is not yet initialised; NULL without memory. */
struct pat_conn *pat_conn__new(struct pat_server *server);
/* For one that was never opened. */
void pat_conn__free(struct pat_conn *conn);
/* Its `io` has the descriptor; `peer` is for the log. */
void pat_conn__open(struct pat_conn *conn, const struct sockaddr_storage *peer);
void pat_conn__touch(struct pat_conn *conn);
/* Connections have more than their share of the memory. */
bool pat_net__short(void);
/* Answers that wait for their clients are twice that. */
bool pat_net__choked(const struct pat_server *server);
/* The client has taken enough of its answers that more may be made. */
bool pat_conn__drained(const struct pat_conn *conn);
void pat_conn__work(struct pat_conn *conn);
/* Reads no more; what was asked is answered. */
void pat_conn__end(struct pat_conn *conn);
/* The client is gone, or will be: its questions stop, answers are dropped. `why` goes to the log. */
void pat_conn__drop(struct pat_conn *conn, const char *why);
/* Time limits; called every second, while stopping more often. */
void pat_conn__sweep(struct pat_conn *conn);

/* ---- conn_read.c ---- */
/* Another frame may be taken now. */
bool pat_conn__may_take(const struct pat_conn *conn);
/* Takes frames from what was read and had to wait. */
void pat_conn__take_backlog(struct pat_conn *conn);
void pat_conn__read_update(struct pat_conn *conn);
/* Where a frame starts cannot be known any more: says so, and ends the connection. */
void pat_conn__broken(struct pat_conn *conn, uint32_t msgid, const struct pat_error *error);

/* What the client said is at the end of `in`, or in the server's scratch when `in` is empty. */
void pat_conn__came(struct pat_conn *conn, size_t bytes);
/* Where that may be written, at least some KiB; NULL without memory, and the connection is ending then. */
unsigned char *pat_conn__room(struct pat_conn *conn, size_t *bytes);
/* So many bytes came from the socket; where TLS is, into the server's `wire`. */
void pat_conn__received(struct pat_conn *conn, size_t bytes);
/* The client has closed its side. */
void pat_conn__ended(struct pat_conn *conn);

/* ---- conn_tls.c ---- */
/* Bytes from the wire of a connection with TLS. */
void pat_conn__unseal(struct pat_conn *conn, const void *data, size_t bytes);
/* A turn's share of handshakes that wait; gives whether more do. */
bool pat_tls__shake(struct pat_server *server);
/* Seals answers, when all that was sealed is sent, and gives what is left to send. The connection may be dropped. */
uv_buf_t pat_conn__seal(struct pat_conn *conn);
void pat_conn__sealed_pass(struct pat_conn *conn, size_t bytes);
/* Sealed, or left by the handshake, and not yet taken by the system; 0 without TLS. */
size_t pat_conn__sealed_bytes(const struct pat_conn *conn);
/* Says the last word of TLS, once; without TLS there is none. */
void pat_conn__tls_end(struct pat_conn *conn);

/* ---- conn_write.c ---- */
/* Sends a turn's worth of what there is; true: there is more, and the client may take it in the next turn. */
bool pat_conn__flush(struct pat_conn *conn);
/* `bytes` of answers were sent or sealed: those that are through leave. */
void pat_conn__out_pass(struct pat_conn *conn, size_t bytes);
bool pat_conn__write_stalled(struct pat_conn *conn);

/* ---- call.c ---- */
/* Joins conn->calls. NULL without memory. */
struct pat_call *pat_call__new(struct pat_conn *conn);
/* The connection's spare; there must be one. */
struct pat_call *pat_call__spare(struct pat_conn *conn);
bool pat_call__spare_make(struct pat_conn *conn);
/* After its last byte, or when there is nobody to tell. */
void pat_call__release(struct pat_call *call);
void pat_call__free(struct pat_call *call);
/* Frees what nobody needed of those that wait for requests to come since the last time. */
void pat_calls__trim_idle(struct pat_server *server);
/* Frees all of them. */
void pat_calls__free_idle(struct pat_server *server);
/* Thread: any. Writes the reply: the result, or without one the error. */
void pat_call__encode(struct pat_call *call, const struct pat_value *result);
/* Encodes unless that is done, gives everything but the reply back, and queues that. */
void pat_call__answer(struct pat_call *call, const struct pat_value *result);
void pat_call__fail(struct pat_call *call, const struct pat_error *error);

/* Thread: any. Appends to the reply; PAT_ERR_NO_MEMORY leaves it as it was. */
enum pat_status pat_call__encode_result(struct pat_call *call, uint32_t msgid,
                                        const struct pat_value *result) PAT_MUST_CHECK;

/* ---- look_ups.c ---- */
/* Frames like this call's may follow it; it waits to be started. */
void pat_looks__lead(struct pat_call *call);
/* None may follow any more. */
void pat_looks__end(struct pat_conn *conn);
/* The bytes of the next frame, if it is one that follows, and is taken by this; else 0, and none may follow. */
size_t pat_looks__follow(struct pat_conn *conn, const unsigned char *data, size_t bytes);
/* Thread: any. Answers all, or sets call->status. */
void pat_looks__answer(struct pat_call *call);
/* Thread: any. Writes call->error to each. */
void pat_looks__fail(struct pat_call *call);
/* Those of this id are told so when the others are answered; false when there is none. */
bool pat_looks__cancel(struct pat_call *call, uint32_t msgid);

/* ---- dispatch.c ---- */
/* A whole frame has come. */
void pat_call__begin(struct pat_call *call);
/* A job is back from the workers. */
void pat_call__job_done(struct pat_call *call);
void pat_calls__submit_ready(struct pat_conn *conn);
/* A question waits for its connection's turn. */
void pat_call__wait(struct pat_call *call);
/* The same for one that was parked. */
void pat_call__resume(struct pat_call *call);
/* Starts short ones, and lets the connection ask for its long ones. */
void pat_calls__start_waiting(struct pat_conn *conn);
/* Starts long ones of the connections that ask, as many as there are places for. */
void pat_calls__start_lengthy(struct pat_server *server);
/* Ends it early. False when nothing can be done about it any more. */
bool pat_call__stop(struct pat_call *call, enum pat_status why);
/* Stops all calls of a connection that can be; writes on their way go on. */
void pat_calls__stop_all(struct pat_conn *conn);

/* ---- login.c ---- */
/* `path` NULL: no logins. Fails as pat_users_read; PAT_ERR_NOT_FOUND when the file has nobody. */
enum pat_status pat_logins__open(struct pat_logins *logins, const char *path, struct pat_error *error) PAT_MUST_CHECK;
void pat_logins__close(struct pat_logins *logins);
/* Reads the users from `path`, where there were some. A failure leaves those there are. */
enum pat_status pat_logins__reload(struct pat_logins *logins, const char *path, bool *changed,
                                   struct pat_error *error) PAT_MUST_CHECK;
/* Role and limits of a new connection. */
void pat_login__greet(struct pat_conn *conn);
void pat_login__forget(struct pat_conn *conn);
/* The user that logged in is still there, with the same role and password. */
bool pat_login__holds(const struct pat_conn *conn);
/* Thread: any. PAT_ERR_AUTH saying who may. */
enum pat_status pat_login__allow(enum pat_role role, const struct pat_method_info *info,
                                 struct pat_error *error) PAT_MUST_CHECK;
/* auth.start, auth.finish. */
enum pat_status pat_login__answer(struct pat_call *call, const struct pat_value *params, struct pat_builder *builder,
                                  struct pat_value *result) PAT_MUST_CHECK;

/* ---- audit.c ---- */
void pat_audit__opened(struct pat_conn *conn, const struct sockaddr_storage *peer);
void pat_audit__closed(struct pat_conn *conn, const char *why);
/* Writes what was added up, if there is anything; pat_audit__sweep: if it is old enough. */
void pat_audit__tell(struct pat_conn *conn);
void pat_audit__sweep(struct pat_conn *conn);
/* `result` NULL: that of a worker that is encoded already, or call->error. Before anything of the call is given back.
 */
void pat_audit__answered(struct pat_call *call, const struct pat_value *result);

/* ---- chore.c ---- */
/* Gives the engine's next one to the workers, if there is none with them. */
void pat_chore__offer(struct pat_server *server);
/* The job is back. */
void pat_chore__done(struct pat_server *server);
/* Before and after the workers close. */
void pat_chore__stop(struct pat_server *server);
void pat_chore__forget(struct pat_server *server);

/* ---- reload.c ---- */
/* Reads the certificate that `settings` name, for connections to come; a failure leaves the one there is. */
enum pat_status pat_server__certify(struct pat_server *server, const struct pat_options *settings, bool *changed,
                                    struct pat_error *error) PAT_MUST_CHECK;
/* SIGHUP and config.reload; `builder` NULL: nobody is told but the log. */
enum pat_status pat_server__reload(struct pat_server *server, struct pat_builder *builder, struct pat_value *result,
                                   struct pat_error *error);
void pat_server__forget_settings(struct pat_server *server);

/* ---- session.c ---- */
void pat_session__answer(struct pat_call *call);

#endif
