/* A blocking MessagePack-RPC client with pipelining, on value trees: what `patron` and the tests use, and what the
 * public include/patron/patron.h wraps. One thread at a time. */
#ifndef PAT_CLIENT_CLIENT_H
#define PAT_CLIENT_CLIENT_H

#include "base/arena.h"
#include "base/status.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_client;

/* An error that the server answered. */
struct pat_client_fault {
    char code[32]; /* "BAD_REQUEST" */
    char message[PAT_ERROR_MESSAGE_BYTES];
    char field[PAT_ERROR_FIELD_BYTES];
    int64_t row, offset; /* -1 none */
    bool retryable;
};

/* How a server shows who it is. */
struct pat_client_tls {
    const char *ca_path;     /* authorities in PEM; NULL: the system's */
    const char *server_name; /* that its certificate must be for; NULL: the address's host */
    bool insecure;           /* nothing is checked */
};

/* `address`: HOST:PORT, [V6]:PORT, "tls://" and either of them, or the path of a unix socket (has a '/'). NULL means
 * 127.0.0.1:7411. Says hello with errors: "map". Fails: PAT_ERR_IO with a sentence that says what to do ("is patrond
 * running?"). */
enum pat_status pat_client_open(struct pat_client **out, const char *address, struct pat_error *error) PAT_MUST_CHECK;
/* The same; with `tls` not NULL the connection has TLS whether the address says so or not. Fails also: PAT_ERR_IO for a
 * certificate that is not good. */
enum pat_status pat_client_open_tls(struct pat_client **out, const char *address, const struct pat_client_tls *tls,
                                    struct pat_error *error) PAT_MUST_CHECK;
void pat_client_close(struct pat_client **client);
/* Logs in with SCRAM-SHA-256, bound to the connection where that has TLS; only when nothing else is in flight.
 * PAT_ERR_AUTH when the server says no, or cannot show that it knows the user; the connection is of no use then. */
enum pat_status pat_client_login(struct pat_client *client, struct pat_text user, struct pat_text password,
                                 struct pat_error *error) PAT_MUST_CHECK;

/* Sends a request and gives its msgid. `params` is a map, or NULL for none. Blocks while the socket is full. */
enum pat_status pat_client_send(struct pat_client *client, const char *method, const struct pat_value *params,
                                uint32_t *msgid, struct pat_error *error) PAT_MUST_CHECK;
/* The same, but the request may wait for others: it is sent with them when there are many, before the next one that is
 * sent at once, or when an answer is waited for. Saves a system call for each of many small requests. */
enum pat_status pat_client_queue(struct pat_client *client, const char *method, const struct pat_value *params,
                                 uint32_t *msgid, struct pat_error *error) PAT_MUST_CHECK;
/* Waits for the next answer, in any order. *failed: the server answered with `fault`; otherwise `result` is in the
 * arena. */
enum pat_status pat_client_receive(struct pat_client *client, uint32_t *msgid, struct pat_arena *arena,
                                   struct pat_value *result, bool *failed, struct pat_client_fault *fault,
                                   struct pat_error *error) PAT_MUST_CHECK;
/* Waits until bytes of an answer are there, or `wake_fd` can be read, or the connection has failed. True when it is not
 * only `wake_fd`: pat_client_receive is what comes next. */
bool pat_client_wait(const struct pat_client *client, int wake_fd);
/* Send and receive one; only when nothing else is in flight. */
enum pat_status pat_client_call(struct pat_client *client, const char *method, const struct pat_value *params,
                                struct pat_arena *arena, struct pat_value *result, bool *failed,
                                struct pat_client_fault *fault, struct pat_error *error) PAT_MUST_CHECK;
/* Requests sent and not yet answered. */
unsigned pat_client_in_flight(const struct pat_client *client);

#endif
