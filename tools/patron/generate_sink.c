#include "generate_sink.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A server whose queue is full is asked again, for about a minute. */
#define BUSY_TRIES 600u
#define BUSY_MS    100u
/* The most rows of any batch: lines of 8,192 orders, or customers twice. */
#define ROWS_MAX PAT_BATCH_ROWS_MAX

/* ---- files ----------------------------------------------------------------------------------------------------- */

static enum pat_status write_failed(const struct pat_gen_files *files, int table, struct pat_error *error) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    return pat_error_set(error, full ? PAT_ERR_NO_SPACE : PAT_ERR_IO, "%s/%s.csv cannot be written: %s",
                         files->directory, pat_gen_table_names[table], strerror(errno));
}

static enum pat_status write_all(struct pat_gen_files *files, int table, const struct pat_buf *text,
                                 struct pat_error *error) {
    for (size_t done = 0; done < text->length;) {
        const ssize_t put = write(files->fd[table], text->data + done, text->length - done);
        if (put < 0 && errno != EINTR) return write_failed(files, table, error);
        if (put > 0) done += (size_t)put;
    }
    files->bytes += text->length;
    return PAT_OK;
}

static enum pat_status files_take(struct pat_gen_sink *sink, struct pat_gen_pool *pool, struct pat_gen_batch *batch,
                                  struct pat_error *error) {
    struct pat_gen_files *files = (struct pat_gen_files *)sink; /* its first member */
    const enum pat_status status = write_all(files, (int)batch->table, &batch->text, error);
    pat_gen_pool_give(pool, batch);
    return status;
}

static enum pat_status file_open(struct pat_gen_files *files, int table, struct pat_error *error) {
    if (strcmp(files->directory, "-") == 0) {
        files->fd[table] = STDOUT_FILENO;
        return PAT_OK;
    }
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s/%s.csv", files->directory, pat_gen_table_names[table]);
    if (length < 0 || (size_t)length >= sizeof path) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "the name of --out is too long");
    }
    files->fd[table] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return files->fd[table] >= 0 ? PAT_OK : write_failed(files, table, error);
}

enum pat_status pat_gen_files_open(struct pat_gen_files *files, const struct pat_gen_world *world,
                                   const char *directory, struct pat_error *error) {
    *files = (struct pat_gen_files){.sink = {.csv = true, .take_cb = files_take}, .directory = directory};
    for (int table = 0; table < PAT_GEN_TABLES; table++) files->fd[table] = -1;
    if (strcmp(directory, "-") != 0 && mkdir(directory, 0777) != 0 && errno != EEXIST) {
        return pat_error_set(error, PAT_ERR_IO, "%s cannot be made: %s", directory, strerror(errno));
    }
    for (int table = 0; table < PAT_GEN_TABLES; table++) {
        if (!pat_gen_wants(world->plan, (enum pat_gen_table)table)) continue;
        PAT_TRY(file_open(files, table, error));
        struct pat_buf header;
        pat_buf_init(&header, PAT_MEM_OTHER);
        enum pat_status status = pat_gen_batch_csv_header(world, (enum pat_gen_table)table, &header);
        if (status == PAT_OK) {
            status = write_all(files, table, &header, error);
        } else {
            (void)pat_error_set(error, status, "no memory");
        }
        pat_buf_deinit(&header);
        if (status != PAT_OK) return status;
    }
    return PAT_OK;
}

enum pat_status pat_gen_files_close(struct pat_gen_files *files, struct pat_error *error) {
    enum pat_status status = PAT_OK;
    for (int table = 0; table < PAT_GEN_TABLES; table++) {
        if (files->fd[table] < 0 || files->fd[table] == STDOUT_FILENO) continue;
        if (close(files->fd[table]) != 0 && status == PAT_OK) status = write_failed(files, table, error);
        files->fd[table] = -1;
    }
    return status;
}

/* ---- nowhere --------------------------------------------------------------------------------------------------- */

static enum pat_status discard_take(struct pat_gen_sink *sink, struct pat_gen_pool *pool, struct pat_gen_batch *batch,
                                    struct pat_error *error) {
    (void)sink;
    (void)error;
    pat_gen_pool_give(pool, batch);
    return PAT_OK;
}

void pat_gen_discard_init(struct pat_gen_sink *sink) {
    *sink = (struct pat_gen_sink){.take_cb = discard_take};
}

/* ---- a server -------------------------------------------------------------------------------------------------- */

static uint64_t rows_acknowledged(const struct pat_gen_stream *stream) {
    uint64_t rows = 0;
    for (int table = 0; table < PAT_GEN_TABLES; table++) rows += stream->tally[table].rows;
    return rows;
}

static enum pat_status connection_lost(const struct pat_gen_stream *stream, struct pat_error *error) {
    char rows[32];
    const struct pat_error why = *error;
    return pat_error_set(error, why.status, "%.300s; %s rows were acknowledged, and the same command again is harmless",
                         why.message, pat_count_text(rows_acknowledged(stream), rows));
}

static enum pat_status stream_send(struct pat_gen_stream *stream, struct pat_gen_pool *pool,
                                   struct pat_gen_batch *batch, struct pat_error *error) {
    char method[32];
    (void)snprintf(method, sizeof method, "load.%s", pat_gen_table_names[batch->table]);
    struct pat_builder builder = {.arena = &batch->arena};
    struct pat_value params = pat_build_map(&builder, 4);
    pat_build_put(&builder, &params, "producer", pat_value_string(stream->producer));
    pat_build_put(&builder, &params, "seq", pat_value_uint(batch->seq));
    pat_build_put(&builder, &params, "on_error", pat_value_string("skip"));
    pat_build_put(&builder, &params, "columns", batch->columns);
    enum pat_status status = PAT_ERR_NO_MEMORY;
    if (builder.failed) {
        (void)pat_error_set(error, status, "no memory for a batch");
    } else {
        status = pat_client_send(stream->client, method, &params, &stream->flight_id[stream->flights], error);
    }
    if (status != PAT_OK) {
        pat_gen_pool_give(pool, batch);
        return connection_lost(stream, error);
    }
    batch->tries++;
    stream->flight[stream->flights++] = batch;
    return PAT_OK;
}

static struct pat_gen_batch *flight_take(struct pat_gen_stream *stream, uint32_t msgid) {
    for (unsigned i = 0; i < stream->flights; i++) {
        if (stream->flight_id[i] != msgid) continue;
        struct pat_gen_batch *batch = stream->flight[i];
        stream->flights--;
        stream->flight[i] = stream->flight[stream->flights];
        stream->flight_id[i] = stream->flight_id[stream->flights];
        return batch;
    }
    return NULL;
}

static enum pat_status stream_refused(struct pat_gen_stream *stream, struct pat_gen_pool *pool,
                                      struct pat_gen_batch *batch, const struct pat_client_fault *fault,
                                      struct pat_error *error) {
    const bool stop = atomic_load_explicit(stream->stop, memory_order_relaxed);
    if (strcmp(fault->code, "BUSY") == 0 && batch->tries < BUSY_TRIES && !stop) {
        pat_clock_sleep_ms(BUSY_MS);
        return stream_send(stream, pool, batch, error);
    }
    stream->fault = *fault;
    stream->refused = true;
    const enum pat_status status = pat_error_set(error, PAT_ERR_BAD_REQUEST, "load.%s, batch %" PRIu64 ": %.400s",
                                                 pat_gen_table_names[batch->table], batch->seq, fault->message);
    pat_gen_pool_give(pool, batch);
    return status;
}

static enum pat_status stream_answer(struct pat_gen_stream *stream, struct pat_gen_pool *pool, struct pat_arena *arena,
                                     struct pat_error *error) {
    uint32_t msgid;
    struct pat_value answer;
    bool failed;
    struct pat_client_fault fault;
    if (pat_client_receive(stream->client, &msgid, arena, &answer, &failed, &fault, error) != PAT_OK) {
        return connection_lost(stream, error);
    }
    struct pat_gen_batch *batch = flight_take(stream, msgid);
    if (batch == NULL) {
        /* An answer to no request of ours speaks of the connection. */
        (void)pat_error_set(error, PAT_ERR_IO, "%s", failed ? fault.message : "the server answered what nobody asked");
        return connection_lost(stream, error);
    }
    if (failed) return stream_refused(stream, pool, batch, &fault, error);
    const struct pat_build sent = {.rows = batch->rows, .line = stream->line};
    pat_tally_answer(&stream->tally[batch->table], &sent, &answer, false);
    pat_gen_pool_give(pool, batch);
    return PAT_OK;
}

static enum pat_status stream_receive(struct pat_gen_stream *stream, struct pat_gen_pool *pool,
                                      struct pat_error *error) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    const enum pat_status status = stream_answer(stream, pool, &arena, error);
    pat_arena_deinit(&arena);
    return status;
}

static enum pat_status stream_take(struct pat_gen_sink *sink, struct pat_gen_pool *pool, struct pat_gen_batch *batch,
                                   struct pat_error *error) {
    struct pat_gen_stream *stream = (struct pat_gen_stream *)sink; /* its first member */
    batch->seq = ++stream->seq;
    while (stream->flights == PAT_GEN_FLIGHT) {
        const enum pat_status status = stream_receive(stream, pool, error);
        if (status == PAT_OK) continue;
        pat_gen_pool_give(pool, batch);
        return status;
    }
    return stream_send(stream, pool, batch, error);
}

enum pat_status pat_gen_stream_open(struct pat_gen_stream *stream, const atomic_bool *stop, struct pat_error *error) {
    stream->sink = (struct pat_gen_sink){.take_cb = stream_take};
    stream->stop = stop;
    stream->line = pat_mem_alloc(PAT_MEM_OTHER, ROWS_MAX * sizeof *stream->line);
    if (stream->line == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
    for (uint32_t row = 0; row < ROWS_MAX; row++) stream->line[row] = row + 1;
    return PAT_OK;
}

static enum pat_status add_attribute(struct pat_gen_stream *stream, enum pat_gen_table table, const char *name,
                                     const char *type, struct pat_error *error) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 3), answer;
    pat_build_put(&builder, &params, "table", pat_value_string(pat_gen_table_names[table]));
    pat_build_put(&builder, &params, "name", pat_value_string(name));
    pat_build_put(&builder, &params, "type", pat_value_string(type));
    enum pat_status status = PAT_ERR_NO_MEMORY;
    if (builder.failed) {
        (void)pat_error_set(error, status, "no memory for an attribute");
    } else {
        status = pat_client_call(stream->client, "schema.add", &params, &arena, &answer, &stream->refused,
                                 &stream->fault, error);
    }
    pat_arena_deinit(&arena);
    if (status != PAT_OK || !stream->refused) return status;
    return pat_error_set(error, PAT_ERR_BAD_REQUEST, "schema.add of %s %s: %.400s", pat_gen_table_names[table], name,
                         stream->fault.message);
}

enum pat_status pat_gen_stream_attributes(struct pat_gen_stream *stream, const struct pat_gen_plan *plan,
                                          struct pat_error *error) {
    const char *name, *type;
    for (int table = 0; plan->attributes && table < PAT_GEN_TABLES; table++) {
        if (!pat_gen_wants(plan, (enum pat_gen_table)table)) continue;
        for (unsigned i = 0; pat_gen_attribute((enum pat_gen_table)table, i, &name, &type); i++) {
            PAT_TRY(add_attribute(stream, (enum pat_gen_table)table, name, type, error));
        }
    }
    return PAT_OK;
}

enum pat_status pat_gen_stream_finish(struct pat_gen_stream *stream, struct pat_gen_pool *pool,
                                      struct pat_error *error) {
    while (stream->flights > 0) PAT_TRY(stream_receive(stream, pool, error));
    return PAT_OK;
}

void pat_gen_stream_close(struct pat_gen_stream *stream, struct pat_gen_pool *pool) {
    while (stream->flights > 0) pat_gen_pool_give(pool, stream->flight[--stream->flights]);
    pat_client_close(&stream->client);
    pat_mem_free(PAT_MEM_OTHER, stream->line);
}
