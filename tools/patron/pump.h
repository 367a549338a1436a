/* From a file to a server: one thread reads, decompresses, parses and builds batches; the caller's thread sends them,
 * keeps several in flight and counts the answers. */
#ifndef PATRON_PUMP_H
#define PATRON_PUMP_H

#include "batch_build.h"
#include "csv.h"
#include "progress.h"
#include "split.h"
#include "tally.h"

#include "client/client.h"

#include <pthread.h>
#include <stdatomic.h>

/* In flight: enough that the server always has the next batch while one is being synced. */
#define PAT_PUMP_FLIGHT 8u
/* Built and waiting: what the parser may be ahead. */
#define PAT_PUMP_QUEUE 8u

struct pat_pump_limit {
    bool set, percent;
    double value;
};

/* Why a load ended early. */
struct pat_pump_end {
    bool failed;
    bool report; /* the totals are worth printing all the same */
    char code[32];
    char message[PAT_ERROR_MESSAGE_BYTES];
};

struct pat_pump {
    /* set at start */
    struct pat_client *client;
    struct pat_csv *csv;
    struct pat_split *split;
    const struct pat_csv_record *first; /* a record that was read already and is data; or NULL */
    const char *table, *producer;
    bool reject_whole;  /* --on-error reject */
    uint64_t known_seq; /* last seq an earlier run got an answer for */
    struct pat_pump_limit max_rejects;
    struct pat_tally *tally;
    struct pat_progress *progress;
    atomic_bool *stop; /* ends the reading thread; also set by a signal */

    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pat_build *queue[PAT_PUMP_QUEUE];
    unsigned queued, head;
    int wake;    /* an eventfd: something was put into the queue while answers are waited for */
    bool parsed; /* the reading thread has put its last batch */
    enum pat_status parse_status;
    struct pat_error parse_error;

    /* caller's thread */
    struct pat_build *next; /* waits for the flight to be over; or NULL */
    struct pat_build *flight[PAT_PUMP_FLIGHT];
    uint32_t flight_id[PAT_PUMP_FLIGHT];
    unsigned flights;
    bool broken; /* the connection */
    struct pat_pump_end end;
};

/* What the splitter hands its batches to; the context is the pump. */
enum pat_status pat_pump_emit(void *context, struct pat_build *build, struct pat_error *error);

/* Runs until all is answered, or something ends it. */
void pat_pump_run(struct pat_pump *pump);

/* Makes SIGINT and SIGTERM set `stop` and end a load in good order; a second one ends the program. */
void pat_pump_catch_signals(atomic_bool *stop);

#endif
