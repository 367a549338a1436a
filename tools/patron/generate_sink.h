/* Where batches go: CSV files, a server, nowhere. */
#ifndef PATRON_GENERATE_SINK_H
#define PATRON_GENERATE_SINK_H

#include "generate_run.h"
#include "tally.h"

#include "base/status.h"
#include "client/client.h"
#include "model/limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* As many batches on their way as `patron load` has. */
#define PAT_GEN_FLIGHT 8u

struct pat_gen_files {
    struct pat_gen_sink sink;
    int fd[PAT_GEN_TABLES]; /* -1: not wanted */
    const char *directory;  /* "-": standard output */
    uint64_t bytes;
};

/* Makes the directory if it is not there, and the files of the plan's tables, each with its header. */
enum pat_status pat_gen_files_open(struct pat_gen_files *files, const struct pat_gen_world *world,
                                   const char *directory, struct pat_error *error) PAT_MUST_CHECK;
/* PAT_ERR_IO when not all could be written. */
enum pat_status pat_gen_files_close(struct pat_gen_files *files, struct pat_error *error) PAT_MUST_CHECK;

struct pat_gen_stream {
    struct pat_gen_sink sink;
    struct pat_client *client;
    char producer[PAT_PRODUCER_BYTES_MAX + 1];
    const atomic_bool *stop;
    uint64_t seq;
    struct pat_gen_batch *flight[PAT_GEN_FLIGHT];
    uint32_t flight_id[PAT_GEN_FLIGHT];
    unsigned flights;
    uint64_t *line; /* 1, 2, 3 ...: rows are named by their place in the batch */
    struct pat_tally tally[PAT_GEN_TABLES];
    bool refused; /* the server said no: */
    struct pat_client_fault fault;
};

enum pat_status pat_gen_stream_open(struct pat_gen_stream *stream, const atomic_bool *stop,
                                    struct pat_error *error) PAT_MUST_CHECK;
/* Tells the server of the attributes that the plan's tables have. On failure `refused` says whether it was the server.
 */
enum pat_status pat_gen_stream_attributes(struct pat_gen_stream *stream, const struct pat_gen_plan *plan,
                                          struct pat_error *error) PAT_MUST_CHECK;
/* Waits for what is in flight. */
enum pat_status pat_gen_stream_finish(struct pat_gen_stream *stream, struct pat_gen_pool *pool,
                                      struct pat_error *error) PAT_MUST_CHECK;
/* Gives batches still in flight to the pool. */
void pat_gen_stream_close(struct pat_gen_stream *stream, struct pat_gen_pool *pool);

/* Drops everything. */
void pat_gen_discard_init(struct pat_gen_sink *sink);

#endif
