#include "pump.h"

#include "base/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A server whose queue is full is asked again, for about a minute. */
#define BUSY_TRIES 600u
#define BUSY_MS    100u

/* ---- signals -------------------------------------------------------------------------------------------------- */

static atomic_bool *signal_stop;
static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    (void)number;
    interrupted = 1;
    atomic_store_explicit(signal_stop, true, memory_order_relaxed);
}

void pat_pump_catch_signals(atomic_bool *stop) {
    signal_stop = stop;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- the reading thread --------------------------------------------------------------------------------------- */

static bool stopping(const struct pat_pump *pump) {
    return atomic_load_explicit(pump->stop, memory_order_relaxed);
}

enum pat_status pat_pump_emit(void *context, struct pat_build *build, struct pat_error *error) {
    struct pat_pump *pump = context;
    enum pat_status status = PAT_OK;
    if (build->rows > 0) status = pat_build_finish(build, error);
    (void)pthread_mutex_lock(&pump->lock);
    /* Whoever sets `stop` drains the queue or wakes us; the wait ends in time even when a signal came between. */
    while (status == PAT_OK && pump->queued == PAT_PUMP_QUEUE && !stopping(pump)) {
        (void)pthread_cond_wait(&pump->changed, &pump->lock);
    }
    if (status == PAT_OK && stopping(pump)) status = pat_error_set(error, PAT_ERR_CANCELLED, "stopped");
    if (status == PAT_OK) {
        pump->queue[(pump->head + pump->queued++) % PAT_PUMP_QUEUE] = build;
        (void)pthread_cond_broadcast(&pump->changed);
        (void)eventfd_write(pump->wake, 1);
    }
    (void)pthread_mutex_unlock(&pump->lock);
    if (status != PAT_OK) pat_build_free(build);
    return status;
}

/* Rows that are plain, if such come next; *some: there were. */
static enum pat_status add_plain(struct pat_pump *pump, bool *some, struct pat_error *error) {
    struct pat_csv_rows rows;
    unsigned added = 0;
    if (pat_csv_rows(pump->csv, pump->split->mapping->file_columns, &rows) == 0) return PAT_OK;
    pump->split->input_bytes = pat_input_position(pump->csv->input);
    PAT_TRY(pat_split_add_rows(pump->split, &rows, &added, error));
    pat_csv_pass(pump->csv, &rows, added);
    *some = added > 0;
    return PAT_OK;
}

static enum pat_status add_record(struct pat_pump *pump, bool *more, struct pat_error *error) {
    struct pat_csv_record record;
    PAT_TRY(pat_csv_next(pump->csv, &record, more, error));
    if (!*more) return PAT_OK;
    pump->split->input_bytes = pat_input_position(pump->csv->input);
    return pat_split_add(pump->split, &record, error);
}

static enum pat_status read_all(struct pat_pump *pump, struct pat_error *error) {
    if (pump->first != NULL) PAT_TRY(pat_split_add(pump->split, pump->first, error));
    const bool plain = pat_split_takes_rows(pump->split);
    for (bool more = true; more;) {
        bool some = false;
        if (plain) PAT_TRY(add_plain(pump, &some, error));
        if (!some) PAT_TRY(add_record(pump, &more, error));
    }
    pump->split->line_after = pump->csv->line;
    return pat_split_finish(pump->split, error);
}

static void *reader_main(void *context) {
    struct pat_pump *pump = context;
    struct pat_error error = {.status = PAT_OK};
    const enum pat_status status = read_all(pump, &error);
    (void)pthread_mutex_lock(&pump->lock);
    pump->parsed = true;
    pump->parse_status = status;
    pump->parse_error = error;
    (void)pthread_cond_broadcast(&pump->changed);
    (void)pthread_mutex_unlock(&pump->lock);
    return NULL;
}

/* The next batch; NULL when there is none: for now, unless `wait`, or for good. */
static struct pat_build *queue_take(struct pat_pump *pump, bool wait) {
    (void)pthread_mutex_lock(&pump->lock);
    while (wait && pump->queued == 0 && !pump->parsed) (void)pthread_cond_wait(&pump->changed, &pump->lock);
    struct pat_build *build = NULL;
    if (pump->queued > 0) {
        build = pump->queue[pump->head];
        pump->head = (pump->head + 1) % PAT_PUMP_QUEUE;
        pump->queued--;
        (void)pthread_cond_broadcast(&pump->changed);
    }
    (void)pthread_mutex_unlock(&pump->lock);
    return build;
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

/* The first reason counts. What is in flight is still waited for. */
static void end_early(struct pat_pump *pump, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void end_early(struct pat_pump *pump, const char *code, const char *format, ...) {
    atomic_store_explicit(pump->stop, true, memory_order_relaxed);
    (void)pthread_mutex_lock(&pump->lock);
    (void)pthread_cond_broadcast(&pump->changed);
    (void)pthread_mutex_unlock(&pump->lock);
    if (pump->end.failed) return;
    pump->end.failed = true;
    (void)snprintf(pump->end.code, sizeof pump->end.code, "%s", code);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(pump->end.message, sizeof pump->end.message, format, args);
    va_end(args);
}

static void connection_lost(struct pat_pump *pump, const struct pat_error *error) {
    char rows[32];
    (void)pat_count_text(pump->tally->rows, rows);
    pump->broken = true;
    end_early(pump, pat_cli_code(error->status),
              "%.300s; %s rows were acknowledged, and the same command again goes on from there", error->message, rows);
}

static void check_limit(struct pat_pump *pump, bool at_end) {
    const struct pat_tally *tally = pump->tally;
    const struct pat_pump_limit *limit = &pump->max_rejects;
    if (!limit->set || pump->end.failed) return;
    /* A share of few rows says little while the load goes on. */
    if (limit->percent && !at_end && tally->rows < 10000) return;
    const double most = limit->percent ? (double)tally->rows * limit->value / 100 : limit->value;
    if ((double)tally->rejected <= most) return;
    char rejected[32], rows[32];
    end_early(pump, "BAD_REQUEST", "%s of %s rows were rejected, more than --max-rejects %g%s allows",
              pat_count_text(tally->rejected, rejected), pat_count_text(tally->rows, rows), limit->value,
              limit->percent ? "%" : "");
    pump->end.report = true;
}

/* ---- sending -------------------------------------------------------------------------------------------------- */

static struct pat_value parameters(const struct pat_pump *pump, struct pat_build *build, struct pat_builder *builder) {
    struct pat_value params = pat_build_map(builder, 8);
    pat_build_put(builder, &params, "producer", pat_value_string(pump->producer));
    pat_build_put(builder, &params, "seq", pat_value_uint(build->seq));
    pat_build_put(builder, &params, "on_error", pat_value_string(pump->reject_whole ? "reject" : "skip"));
    if (build->append) pat_build_put(builder, &params, "mode", pat_value_string("append"));
    pat_build_put(builder, &params, "meta", pat_build_printf(builder, "line=%" PRIu64, build->line_after));
    if (build->keep_raw) pat_build_put(builder, &params, "errors", pat_value_uint(build->rows));
    pat_build_put(builder, &params, "columns", build->columns);
    return params;
}

static void send_batch(struct pat_pump *pump, struct pat_build *build) {
    char method[32];
    (void)snprintf(method, sizeof method, "load.%s", pump->table);
    struct pat_builder builder = {.arena = &build->arena};
    const struct pat_value params = parameters(pump, build, &builder);
    struct pat_error error;
    enum pat_status status = PAT_ERR_NO_MEMORY;
    if (builder.failed) {
        (void)pat_error_set(&error, status, "no memory for a batch");
    } else {
        status = pat_client_send(pump->client, method, &params, &pump->flight_id[pump->flights], &error);
    }
    if (status != PAT_OK) {
        connection_lost(pump, &error);
        pat_build_free(build);
        return;
    }
    build->tries++;
    pump->flight[pump->flights++] = build;
}

/* Batches that hold nothing but rows rejected on this side are not sent. */
static void take_batch(struct pat_pump *pump, struct pat_build *build) {
    if (build->seq != 0) {
        send_batch(pump, build);
        return;
    }
    pat_tally_local(pump->tally, build);
    pat_build_free(build);
    check_limit(pump, false);
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static struct pat_build *flight_take(struct pat_pump *pump, uint32_t msgid) {
    for (unsigned i = 0; i < pump->flights; i++) {
        if (pump->flight_id[i] != msgid) continue;
        struct pat_build *build = pump->flight[i];
        pump->flights--;
        for (unsigned j = i; j < pump->flights; j++) {
            pump->flight[j] = pump->flight[j + 1];
            pump->flight_id[j] = pump->flight_id[j + 1];
        }
        return build;
    }
    return NULL;
}

/* "row 7: ..." counts within a batch, which says nothing to who reads the file. */
static const char *without_row(const char *message) {
    const size_t digits = strncmp(message, "row ", 4) == 0 ? strspn(message + 4, "0123456789") : 0;
    return digits > 0 && strncmp(message + 4 + digits, ": ", 2) == 0 ? message + 4 + digits + 2 : message;
}

static void refused(struct pat_pump *pump, struct pat_build *build, const struct pat_client_fault *fault) {
    if (strcmp(fault->code, "BUSY") == 0 && build->tries < BUSY_TRIES && !stopping(pump)) {
        pat_clock_sleep_ms(BUSY_MS);
        send_batch(pump, build);
        return;
    }
    if (fault->row >= 0 && (uint64_t)fault->row < build->rows) {
        end_early(pump, fault->code, "line %" PRIu64 ": %.400s", build->line[fault->row], without_row(fault->message));
    } else if (strcmp(fault->code, "CONFLICT") == 0) {
        end_early(pump, fault->code, "%.*s: one --producer name is for one file, read in one way",
                  (int)strcspn(fault->message, ";"), fault->message);
    } else {
        end_early(pump, fault->code, "batch %" PRIu64 " (line %" PRIu64 " on): %.400s", build->seq, build->line[0],
                  fault->message);
    }
    pat_build_free(build);
}

static void receive_one(struct pat_pump *pump) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    uint32_t msgid;
    struct pat_value answer;
    bool failed;
    struct pat_client_fault fault;
    struct pat_error error;
    const enum pat_status status = pat_client_receive(pump->client, &msgid, &arena, &answer, &failed, &fault, &error);
    struct pat_build *build = status == PAT_OK ? flight_take(pump, msgid) : NULL;
    if (status != PAT_OK) {
        connection_lost(pump, &error);
    } else if (build == NULL) {
        /* An answer to no request of ours speaks of the connection. */
        (void)pat_error_set(&error, PAT_ERR_IO, "%s", failed ? fault.message : "the server answered what nobody asked");
        connection_lost(pump, &error);
    } else if (failed) {
        refused(pump, build, &fault);
    } else {
        pat_tally_local(pump->tally, build);
        pat_tally_answer(pump->tally, build, &answer, build->seq <= pump->known_seq);
        pat_progress_update(pump->progress, build->input_bytes, pat_input_size(pump->csv->input), pump->tally->rows);
        pat_build_free(build);
        check_limit(pump, false);
    }
    pat_arena_deinit(&arena);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static void note_interrupt(struct pat_pump *pump) {
    if (interrupted == 0 || pump->end.failed) return;
    char rows[32];
    end_early(pump, "CANCELLED", "stopped; %s rows were acknowledged, and the same command again goes on from there",
              pat_count_text(pump->tally->rows, rows));
}

/* A batch that appends goes alone: one before it may still be refused, and would, sent again later, replace what was
 * appended. False when nothing more can be sent before an answer has come. */
static bool send_next(struct pat_pump *pump) {
    if (pump->flights == PAT_PUMP_FLIGHT) return false;
    if (pump->next == NULL) pump->next = queue_take(pump, pump->flights == 0);
    if (pump->next == NULL || (pump->next->append && pump->flights > 0)) return false;
    struct pat_build *build = pump->next;
    pump->next = NULL;
    take_batch(pump, build);
    return true;
}

/* False when a batch may be sent first: one was built meanwhile, and there is room in flight for it. */
static bool wait_for_answer(struct pat_pump *pump) {
    if (stopping(pump) || pump->next != NULL || pump->flights == PAT_PUMP_FLIGHT) return true;
    if (pat_client_wait(pump->client, pump->wake)) return true;
    eventfd_t posted;
    (void)eventfd_read(pump->wake, &posted);
    return false;
}

static void pump_batches(struct pat_pump *pump) {
    for (;;) {
        note_interrupt(pump);
        while (!stopping(pump) && send_next(pump)) {
        }
        if (pump->broken || pump->flights == 0) return;
        if (wait_for_answer(pump)) receive_one(pump);
    }
}

void pat_pump_run(struct pat_pump *pump) {
    pthread_t reader;
    (void)pthread_mutex_init(&pump->lock, NULL);
    (void)pthread_cond_init(&pump->changed, NULL);
    pump->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pump->wake < 0 || pthread_create(&reader, NULL, reader_main, pump) != 0) {
        if (pump->wake >= 0) (void)close(pump->wake);
        end_early(pump, "INTERNAL", "no thread to read with");
        return;
    }
    pump_batches(pump);
    note_interrupt(pump);
    (void)pthread_join(reader, NULL);
    for (struct pat_build *build; (build = queue_take(pump, false)) != NULL;) pat_build_free(build);
    pat_build_free(pump->next);
    for (unsigned i = 0; i < pump->flights; i++) pat_build_free(pump->flight[i]);
    pump->flights = 0;
    note_interrupt(pump);
    if (pump->parse_status != PAT_OK && !pump->end.failed) {
        char rows[32];
        end_early(pump, pat_cli_code(pump->parse_error.status), "%.350s (%s rows before it were acknowledged)",
                  pump->parse_error.message, pat_count_text(pump->tally->rows, rows));
    }
    check_limit(pump, true);
    (void)close(pump->wake);
    (void)pthread_cond_destroy(&pump->changed);
    (void)pthread_mutex_destroy(&pump->lock);
}
