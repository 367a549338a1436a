/* Which way a request goes, and every way back.
 *
 *   small frame ─► read here ─┐          ┌─► session, loop: answered at once
 *   big frame ─► READING ─────┴─► route ─┼─► HELD ─► SUBMITTED ─► ANSWERED   writes, in the order they came
 *             (a worker)                 ├─► WAITING ─► POOLED ─► ANSWERED   questions
 *                                        │      ▲─ PARKED ◄─┘                (version, min_lsn)
 *                                        └─► SUBMITTED ─► ANSWERED           snapshot.save
 */
#include "net/net_private.h"

#include <inttypes.h>

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static enum pat_status unknown_method(struct pat_call *call) {
    char shown[PAT_ERROR_FIELD_BYTES];
    (void)pat_text_printable(call->message.method, shown, sizeof shown);
    const char *nearest = pat_method_nearest(call->message.method);
    return pat_error_set(&call->error, PAT_ERR_UNKNOWN_METHOD, "there is no method \"%s\"%s%s%s", shown,
                         nearest != NULL ? "; did you mean \"" : "; `schema` lists them",
                         nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

/* Being one of a batch gives no call more rights than it has by itself. A refusal stands in its place. */
static enum pat_status allow_each(struct pat_call *call) {
    struct pat_request *request = &call->request;
    for (uint32_t i = 0; i < request->calls; i++) {
        struct pat_batch_call *one = &request->call[i];
        struct pat_error why = {0};
        if (one->error != NULL || pat_login__allow(call->role, one->info, &why) == PAT_OK) continue;
        struct pat_error *kept = pat_arena_alloc(&call->arena, sizeof *kept);
        if (kept == NULL) return pat_error_set(&call->error, PAT_ERR_NO_MEMORY, "no memory for the batch");
        *kept = why;
        one->error = kept;
    }
    return PAT_OK;
}

static enum pat_status call_decode(struct pat_call *call) {
    struct pat_error *error = &call->error;
    PAT_TRY(pat_wire_decode(&call->message, call->frame, call->frame_bytes, &call->arena, error));
    if (call->message.kind == PAT_MESSAGE_RESPONSE) return PAT_OK;
    call->info = pat_method_find(call->message.method);
    if (call->info == NULL) return unknown_method(call);
    PAT_TRY(pat_login__allow(call->role, call->info, error));
    const struct pat_value *params;
    PAT_TRY(pat_wire_argument(&call->message, &params, error));
    PAT_TRY(pat_request_parse(&call->request, call->info, params, &call->arena, error));
    if (call->info->method == PAT_METHOD_BATCH) return allow_each(call);
    if (call->info->method != PAT_METHOD_LOAD || call->message.kind != PAT_MESSAGE_REQUEST) return PAT_OK;
    return pat_engine_prepare(call->conn->server->engine, &call->request.load, &call->arena, &call->batch, error);
}

/* Thread: any. */
static void call_read(struct pat_call *call) {
    call->status = call_decode(call);
    if (call->status == PAT_ERR_NO_MEMORY && !call->message.has_msgid)
        (void)pat_wire_peek_msgid(call->frame, call->frame_bytes, &call->message.msgid);
}

static void job_read(struct pat_job *job) {
    call_read(PAT_LINK_OF(job, struct pat_call, job));
}

/* ---- the four roads -----------------------------------------------------------------------------------------------
 */

static void go_loop(struct pat_call *call) {
    struct pat_value result;
    enum pat_status status =
        pat_engine_look(call->conn->server->engine, &call->request, &call->arena, &result, &call->error);
    pat_call__answer(call, status == PAT_OK ? &result : NULL);
}

static void go_write(struct pat_call *call) {
    if (!pat_link_listed(&call->line)) pat_list_push(&call->conn->line, &call->line);
    call->state = PAT_CALL_HELD;
    call->ready = true;
    pat_conn__touch(call->conn);
}

static void go_read(struct pat_call *call) {
    call->inquiry = (struct pat_inquiry){.request = &call->request,
                                         .arena = &call->arena,
                                         .cancelled = &call->cancelled,
                                         .patient = true,
                                         .spread = pat_workers_spread(call->conn->server->workers)};
    if (call->info->road == PAT_ROAD_FIT) {
        call->inquiry.fit = pat_arena_alloc(&call->arena, sizeof *call->inquiry.fit);
        if (call->inquiry.fit == NULL) {
            (void)pat_error_set(&call->error, PAT_ERR_NO_MEMORY, "no memory for a fit");
            pat_call__answer(call, NULL);
            return;
        }
    }
    if (pat_engine_looks_up(&call->request)) pat_looks__lead(call);
    if (call->request.question.deadline_ms != 0) {
        call->deadline_ms = call->arrived_ms + call->request.question.deadline_ms;
        pat_server__time(call);
    }
    pat_call__wait(call);
}

static void on_submitted(struct pat_call *call, const struct pat_value *result, const struct pat_error *error) {
    if (error != NULL) {
        pat_call__fail(call, error);
    } else {
        pat_call__answer(call, result);
    }
}

static void on_snapshot(void *context, const struct pat_value *result, const struct pat_error *error) {
    on_submitted(context, result, error);
}

static void go_snapshot(struct pat_call *call) {
    struct pat_error error;
    call->state = PAT_CALL_SUBMITTED;
    struct pat_engine *engine = call->conn->server->engine;
    enum pat_status status =
        call->info->method == PAT_METHOD_BACKUP_BEGIN
            ? pat_engine_backup_begin(engine, call->request.backup.newest, on_snapshot, call, &error)
            : pat_engine_snapshot(engine, on_snapshot, call, &error);
    if (status != PAT_OK) on_submitted(call, NULL, &error);
}

/* ---- routing ---------------------------------------------------------------------------------------------------- */

static void fail_stopped(struct pat_call *call) {
    if (call->stop == PAT_ERR_DEADLINE && call->request.question.deadline_ms == 0) {
        (void)pat_error_set(&call->error, PAT_ERR_DEADLINE, "lsn %" PRIu64 " was not there after %u ms",
                            call->request.question.min_lsn, PAT_NET_MIN_LSN_MS);
    } else if (call->stop == PAT_ERR_DEADLINE) {
        (void)pat_error_set(&call->error, PAT_ERR_DEADLINE, "not done after %" PRIu32 " ms",
                            call->request.question.deadline_ms);
    } else {
        (void)pat_error_set(&call->error, PAT_ERR_CANCELLED, "the request was cancelled");
    }
    pat_call__answer(call, NULL);
}

/* Notifications have no answer. Only cancel means something without one; the others are not carried out. */
static void route_notification(struct pat_call *call) {
    if (call->status == PAT_OK && call->info->method == PAT_METHOD_CANCEL) {
        pat_session__answer(call);
    } else {
        pat_call__release(call);
    }
}

static void refuse_late(struct pat_call *call) {
    (void)pat_error_set(&call->error, PAT_ERR_BUSY,
                        "the server is stopping; send this again to the one that takes its place");
    pat_call__answer(call, NULL);
}

/* What a connection and the loop answer by themselves is answered to the end. */
static bool is_too_late(const struct pat_call *call) {
    return call->late && call->info->road != PAT_ROAD_SESSION && call->info->road != PAT_ROAD_LOOP;
}

static void route_request(struct pat_call *call) {
    if (call->info->road != PAT_ROAD_WRITE) pat_list_remove(&call->line);
    switch (call->info->road) {
    case PAT_ROAD_SESSION: pat_session__answer(call); break;
    case PAT_ROAD_LOOP: go_loop(call); break;
    case PAT_ROAD_WRITE: go_write(call); break;
    case PAT_ROAD_READ:
    case PAT_ROAD_FIT: go_read(call); break;
    case PAT_ROAD_SNAPSHOT: go_snapshot(call); break;
    }
}

static void route(struct pat_call *call) {
    struct pat_conn *conn = call->conn;
    if (call->status == PAT_ERR_PROTO) {
        struct pat_error error = call->error;
        uint32_t msgid = call->message.msgid;
        pat_call__release(call);
        pat_conn__broken(conn, msgid, &error);
    } else if (call->message.kind == PAT_MESSAGE_RESPONSE) {
        pat_call__release(call); /* an answer to nothing */
    } else if (call->message.kind == PAT_MESSAGE_NOTIFY) {
        route_notification(call);
    } else if (call->status != PAT_OK) {
        pat_call__answer(call, NULL);
    } else if (call->stop != PAT_OK && call->info->road != PAT_ROAD_WRITE) {
        fail_stopped(call);
    } else if (is_too_late(call)) {
        refuse_late(call);
    } else {
        route_request(call);
    }
}

void pat_call__begin(struct pat_call *call) {
    call->late = call->conn->server->stop != PAT_STOP_NONE;
    if (call->frame_bytes < PAT_NET_FRAME_BIG_BYTES) {
        call_read(call);
        route(call);
        return;
    }
    /* It may be a write: until that is known, later ones wait behind it. */
    call->state = PAT_CALL_READING;
    call->conn->server->frames_reading++;
    pat_list_push(&call->conn->line, &call->line);
    call->job = (struct pat_job){.run_cb = job_read, .reading = true};
    pat_workers_submit(call->conn->server->workers, &call->job);
}

/* ---- writes ----------------------------------------------------------------------------------------------------- */

/* What a connection has been told of, it sees from then on: a later answer is of no older version. */
static void note_seen(struct pat_conn *conn, pat_lsn lsn) {
    if (lsn > conn->seen_lsn) conn->seen_lsn = lsn;
}

static void on_ticket(struct pat_ticket *ticket, const struct pat_value *result, const struct pat_error *error) {
    struct pat_call *call = ticket->context;
    call->conn->submitted--;
    note_seen(call->conn, pat_engine_lsn(call->conn->server->engine));
    on_submitted(call, result, error);
}

static void call_submit(struct pat_call *call) {
    call->state = PAT_CALL_SUBMITTED;
    call->ticket = (struct pat_ticket){.request = &call->request,
                                       .batch = call->batch,
                                       .fit = call->inquiry.fit,
                                       .answer = &call->result,
                                       .arena = &call->arena,
                                       .reply_cb = on_ticket,
                                       .context = call};
    call->conn->submitted++;
    pat_engine_submit(call->conn->server->engine, &call->ticket);
}

void pat_calls__submit_ready(struct pat_conn *conn) {
    while (!pat_list_empty(&conn->line)) {
        struct pat_call *call = PAT_LINK_OF(conn->line.next, struct pat_call, line);
        if (!call->ready) return;
        pat_list_remove(&call->line);
        call_submit(call);
    }
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

static void job_answer(struct pat_job *job) {
    struct pat_call *call = PAT_LINK_OF(job, struct pat_call, job);
    if (call->looks > 0) {
        pat_looks__answer(call);
        return;
    }
    call->status = pat_engine_answer(call->conn->server->engine, &call->inquiry, &call->result, &call->error);
    /* Errors are left to the loop, which knows why a call was stopped; so is what the journal has still to take. */
    if (call->status == PAT_OK && call->info->road != PAT_ROAD_FIT) pat_call__encode(call, &call->result);
}

static bool is_brief(const struct pat_call *call) {
    enum pat_method method = call->info->method;
    return method == PAT_METHOD_CUSTOMER || method == PAT_METHOD_ORDER || method == PAT_METHOD_COUNT ||
           method == PAT_METHOD_BACKUP_READ || method == PAT_METHOD_CLV_FITS || method == PAT_METHOD_CLV_PREDICT;
}

void pat_call__wait(struct pat_call *call) {
    struct pat_conn *conn = call->conn;
    call->state = PAT_CALL_WAITING;
    pat_list_push(is_brief(call) ? &conn->waiting : &conn->lengthy, &call->wait);
    pat_conn__touch(conn);
}

/* Had its place in the line before it parked: while it waited for another one, versions would move on again, and the
 * time that it may wait for an lsn would run on. */
void pat_call__resume(struct pat_call *call) {
    call->state = PAT_CALL_WAITING;
    pat_list_push(&call->conn->waiting, &call->wait);
    pat_conn__touch(call->conn);
}

static void call_park(struct pat_call *call) {
    call->state = PAT_CALL_PARKED;
    pat_list_push(&call->conn->server->parked, &call->wait);
    const bool behind = call->request.question.min_lsn > pat_engine_lsn(call->conn->server->engine);
    if (!behind && call->request.question.deadline_ms == 0) {
        pat_list_remove(&call->timed); /* what the engine itself makes comes for certain */
        call->deadline_ms = 0;
    }
    if (!behind || call->deadline_ms != 0) return;
    call->deadline_ms = call->arrived_ms + PAT_NET_MIN_LSN_MS;
    pat_server__time(call);
}

static void call_pool(struct pat_call *call) {
    if (call->request.question.deadline_ms == 0) {
        pat_list_remove(&call->timed); /* was only for min_lsn */
        call->deadline_ms = 0;
    }
    call->state = PAT_CALL_POOLED;
    call->conn->pooled++;
    if (!is_brief(call)) call->conn->server->lengthy++;
    call->job = (struct pat_job){.run_cb = job_answer,
                                 .lengthy = (call->inquiry.ranks && call->inquiry.loading) || !is_brief(call)};
    pat_workers_submit(call->conn->server->workers, &call->job);
}

/* One row by its id: less work than to hand it to a worker and to take it back. */
static bool is_look_up(const struct pat_call *call) {
    const struct pat_request *request = &call->request;
    return (request->method == PAT_METHOD_CUSTOMER || request->method == PAT_METHOD_ORDER) && !request->with_orders &&
           !request->with_refunds && !request->with_lines && !request->question.explain_plan;
}

/* Later pages are of an old version on purpose. */
static void note_answered(struct pat_call *call) {
    if (call->status == PAT_OK && !call->request.cursor_given) note_seen(call->conn, call->inquiry.lsn);
}

/* On the loop. PAT_ERR_MORE when it takes a look at everybody after all, as the first one of a version does. */
static enum pat_status look_up(struct pat_call *call) {
    job_answer(&call->job);
    note_answered(call);
    pat_engine_unpin(call->conn->server->engine, &call->inquiry);
    return call->status;
}

/* The first one of a version has to rank everybody, which is a worker's job. While somebody is at it, the version
 * before does as well. */
static enum pat_status call_look_up(struct pat_call *call) {
    struct pat_engine *engine = call->conn->server->engine;
    call->inquiry.at_once = true;
    call->inquiry.ranks = false;
    PAT_TRY(pat_engine_pin(engine, &call->inquiry, &call->error));
    if (look_up(call) != PAT_ERR_MORE) return PAT_OK;
    if (pat_engine_pin_ranked(engine, &call->inquiry) && look_up(call) != PAT_ERR_MORE) return PAT_OK;
    call->inquiry.at_once = false;
    call->inquiry.ranks = true;
    return pat_engine_pin(engine, &call->inquiry, &call->error);
}

static void call_start(struct pat_call *call) {
    struct pat_engine *engine = call->conn->server->engine;
    call->inquiry.seen_lsn = call->conn->seen_lsn;
    call->inquiry.loading = call->conn->server->frames_reading > 0;
    enum pat_status status =
        is_look_up(call) ? call_look_up(call) : pat_engine_pin(engine, &call->inquiry, &call->error);
    if (status == PAT_OK && call->inquiry.at_once) {
        pat_call__answer(call, NULL);
        return;
    }
    if (status == PAT_ERR_MORE) {
        call_park(call);
    } else if (status != PAT_OK) {
        pat_call__answer(call, NULL);
    } else {
        call_pool(call);
    }
}

/* The customers that the first of those waiting ask for are fetched side by side. Gives how many calls to start before
 * it is worth looking again. */
static unsigned look_ahead(const struct pat_conn *conn) {
    const struct pat_request *request[PAT_LOOK_AHEAD_MAX];
    unsigned calls = 0, count = 0;
    for (const struct pat_link *link = conn->waiting.next; link != &conn->waiting && calls < PAT_LOOK_AHEAD_MAX;
         link = link->next, calls++) {
        const struct pat_call *call = PAT_LINK_OF(link, struct pat_call, wait);
        if (call->request.method == PAT_METHOD_CUSTOMER && is_look_up(call) && call->looks == 0)
            request[count++] = &call->request;
    }
    if (count > 1) pat_engine_look_ahead(conn->server->engine, request, count);
    return calls > 0 ? calls : 1;
}

/* A connection has no more with the workers than keep them busy: the others' questions come in between, and what it
 * does not take away is not computed. */
static bool may_start(const struct pat_conn *conn) {
    const unsigned pooled_max = pat_net__short() ? 1 : 2 * pat_workers_count(conn->server->workers);
    return conn->pooled < pooled_max && pat_conn__drained(conn);
}

void pat_calls__start_waiting(struct pat_conn *conn) {
    unsigned ahead = 0, unsent = 0;
    if (!pat_list_empty(&conn->lengthy) && !pat_link_listed(&conn->asking) && may_start(conn))
        pat_list_push(&conn->server->asking, &conn->asking);
    while (!pat_list_empty(&conn->waiting) && may_start(conn)) {
        if (ahead == 0) ahead = look_ahead(conn);
        struct pat_link *link = pat_list_pop(&conn->waiting);
        struct pat_call *call = PAT_LINK_OF(link, struct pat_call, wait);
        unsent += call->looks > 0 ? call->looks : 1;
        call_start(call);
        ahead--;
        if (unsent < PAT_NET_ANSWERS_TOGETHER) continue;
        (void)pat_conn__flush(conn);
        unsent = 0;
    }
}

/* Who asks is looked at again only now, when there is a place: a client that stopped reading meanwhile asks again when
 * it reads. */
void pat_calls__start_lengthy(struct pat_server *server) {
    const unsigned places = PAT_NET_LENGTHY_PER_WORKER * pat_workers_count(server->workers);
    /* With too many answers waiting one question at a time goes on, of who owes nothing: slow readers are in nobody
     * else's way. */
    const bool choked = pat_net__choked(server);
    struct pat_link owing;
    pat_list_init(&owing);
    while (server->lengthy < (choked ? 1 : places)) {
        struct pat_link *link = pat_list_pop(&server->asking);
        if (link == NULL) break;
        struct pat_conn *conn = PAT_LINK_OF(link, struct pat_conn, asking);
        if (choked && conn->out_bytes > 0) {
            pat_list_push(&owing, link);
            continue;
        }
        link = may_start(conn) ? pat_list_pop(&conn->lengthy) : NULL;
        if (link == NULL) continue;
        call_start(PAT_LINK_OF(link, struct pat_call, wait));
        if (!pat_list_empty(&conn->lengthy)) pat_list_push(&server->asking, &conn->asking);
    }
    pat_list_splice(&owing, &server->asking); /* they were before the others */
    pat_list_splice(&server->asking, &owing);
}

static void call_unpool(struct pat_call *call) {
    call->conn->pooled--;
    if (!is_brief(call)) call->conn->server->lengthy--;
    note_answered(call);
    pat_engine_unpin(call->conn->server->engine, &call->inquiry);
}

void pat_call__job_done(struct pat_call *call) {
    if (call->state == PAT_CALL_READING) {
        call->conn->server->frames_reading--;
        route(call);
        return;
    }
    call_unpool(call);
    const bool fitted = call->status == PAT_OK && call->info->road == PAT_ROAD_FIT;
    if (call->stop != PAT_OK && (fitted || call->status == PAT_ERR_CANCELLED)) {
        fail_stopped(call); /* what was cancelled is not kept */
    } else if (fitted) {
        call_submit(call);
    } else {
        pat_call__answer(call, NULL);
    }
}

/* ---- stopping --------------------------------------------------------------------------------------------------- */

bool pat_call__stop(struct pat_call *call, enum pat_status why) {
    switch (call->state) {
    case PAT_CALL_SUBMITTED:
    case PAT_CALL_ANSWERED: return false;
    case PAT_CALL_READING: call->stop = why; return true;
    case PAT_CALL_POOLED:
        if (call->stop == PAT_OK) call->stop = why;
        if (!pat_workers_withdraw(call->conn->server->workers, &call->job)) {
            __atomic_store_n(&call->cancelled, true, __ATOMIC_RELAXED);
            return true;
        }
        call_unpool(call);
        break;
    case PAT_CALL_HELD:
    case PAT_CALL_WAITING:
    case PAT_CALL_PARKED: call->stop = why; break;
    }
    fail_stopped(call);
    return true;
}

void pat_calls__stop_all(struct pat_conn *conn) {
    struct pat_link *next;
    for (struct pat_link *link = conn->calls.next; link != &conn->calls; link = next) {
        next = link->next;
        struct pat_call *call = PAT_LINK_OF(link, struct pat_call, link);
        /* A write that came whole is carried out, answered or not: its producer may be gone for good. */
        if (call->state != PAT_CALL_HELD) (void)pat_call__stop(call, PAT_ERR_CANCELLED);
    }
}
