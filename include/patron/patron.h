/* libpatron: a client of patrond, the in-memory customer-analytics server.
 *
 *     struct patron *patron;
 *     struct patron_error error;
 *     char *json;
 *     if (patron_open(&patron, "127.0.0.1:7411", &error) != PATRON_OK) die(error.message);
 *     if (patron_call_json(patron, "count", "{\"where\": \"country = 'BR'\"}", &json, &error) == PATRON_OK) puts(json);
 *     patron_free(json);
 *     patron_close(&patron);
 *
 * Two ways to ask: patron_call_json sends one request and waits for its answer; patron_send and patron_batch_send keep
 * many requests under way, whose answers patron_receive hands out as they come, in any order. Methods, parameters and
 * answers are those of the server (`patron call schema` lists them).
 *
 * A struct patron belongs to one thread at a time; different ones are independent. No call raises SIGPIPE. Sizes are in
 * bytes. Every text is UTF-8. `error` may be NULL; where a call succeeds it is left alone. */
#ifndef PATRON_PATRON_H
#define PATRON_PATRON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PATRON_API __attribute__((visibility("default")))
#else
#define PATRON_API
#endif

/* A connection. */
struct patron;

enum patron_status {
    PATRON_OK = 0,
    PATRON_REFUSED = 1, /* the server answered with an error; the connection is good */
    PATRON_FAILED = 2,  /* nothing was answered. Codes IO and PROTO: the connection is lost, and whether the server took
                           what  was under way is unknown (loads may be sent again with the same producer and seq). Other
                           codes:  nothing was sent, the connection is good. */
};

struct patron_error {
    char code[32];     /* the server's ("BAD_REQUEST", "NO_MEMORY", ...), or of the client "IO", "PROTO", ... */
    char message[512]; /* one sentence for a person */
    char field[80];    /* the field or parameter to blame, "" when none */
    int64_t row;       /* row of the batch, counted from 0; -1 when none */
    int64_t offset;    /* byte in a filter text, JSON text or message; -1 when none */
    int retryable;     /* 1: the same request may succeed later */
};

/* The version of this library, "MAJOR.MINOR.PATCH". */
PATRON_API const char *patron_version(void);

/* ---- connection ------------------------------------------------------------------------------------------------- */

/* Connects and greets the server; waits at most 5 s for each of both.
 * `address`: "HOST:PORT", "[IPV6]:PORT", "tls://" and either of them (then as patron_open_tls with NULL), the path of a
 * unix socket (anything else with a '/'), or NULL for 127.0.0.1:7411.
 * Gives: *out, for patron_close; NULL on failure.
 * Fails: PATRON_FAILED with code IO (nobody listens, no such host, refused), BAD_REQUEST (no address), NO_MEMORY. */
PATRON_API enum patron_status patron_open(struct patron **out, const char *address, struct patron_error *error);

/* How the server shows who it is. All zero is right where an authority that the system knows has signed for it. */
struct patron_tls {
    const char *ca_file;     /* authorities, or the server's own certificate, in PEM; NULL: the system's authorities */
    const char *server_name; /* a name or address that its certificate must be for; NULL: the host of `address` */
    int insecure;            /* 1: no certificate is checked, and whoever answers is taken for the server */
};

/* The same over TLS 1.2 or 1.3, which servers off the loopback insist on. `tls` may be NULL: as all zero.
 * Fails: as patron_open; PATRON_FAILED with code IO also when the certificate is not good, with the reason. */
PATRON_API enum patron_status patron_open_tls(struct patron **out, const char *address, const struct patron_tls *tls,
                                              struct patron_error *error);

/* Logs in with SCRAM-SHA-256, where the server asks for that (patrond --users). Nothing else may be in flight. The
 * password does not leave this process; over TLS the login is bound to the connection (SCRAM-SHA-256-PLUS), so that
 * somebody in the middle cannot pass it on. Fails: PATRON_FAILED with code AUTH (wrong user or password, too many
 * tries, or a server that cannot show that it knows the user), IO, PROTO; the connection is of no use then. */
PATRON_API enum patron_status patron_login(struct patron *patron, const char *user, const char *password,
                                           struct patron_error *error);

/* Closes the connection and sets *patron to NULL; NULL inside is allowed. Answers not received are lost. */
PATRON_API void patron_close(struct patron **patron);

/* Requests sent whose answers were not received yet. */
PATRON_API unsigned patron_in_flight(const struct patron *patron);

/* ---- one request, one answer ------------------------------------------------------------------------------------ */

/* Calls `method` and waits for its answer. Nothing else may be in flight.
 * `params_json`: a JSON object, or NULL for none. Integers may be as large as 2^64-1.
 * Gives: *result_json, NUL-terminated, that the caller gives to patron_free; NULL when not PATRON_OK. Bytes that are no
 * text come as base64. Fails: PATRON_REFUSED; PATRON_FAILED with BAD_REQUEST (JSON that cannot be read, with its
 * offset; answers in flight), TOO_LARGE, NO_MEMORY, IO, PROTO. */
PATRON_API enum patron_status patron_call_json(struct patron *patron, const char *method, const char *params_json,
                                               char **result_json, struct patron_error *error);

/* Frees what patron_call_json or patron_receive_json gave; NULL is allowed. */
PATRON_API void patron_free(char *json);

/* ---- pipelining ------------------------------------------------------------------------------------------------- */

/* Sends a request without waiting for its answer.
 * `params`: one MessagePack map of `params_bytes` bytes with the parameters, borrowed for the call; params_bytes 0 for
 * none. Gives: *msgid, which the answer will carry. Blocks while the server does not read; answers that come meanwhile
 * are kept for patron_receive. Fails: PATRON_FAILED with BAD_REQUEST (not one whole MessagePack value; offset in
 * `params`), TOO_LARGE, NO_MEMORY, IO. */
PATRON_API enum patron_status patron_send(struct patron *patron, const char *method, const void *params,
                                          size_t params_bytes, uint32_t *msgid, struct patron_error *error);

/* Waits for the next answer, whichever request it belongs to. With nothing in flight it fails with BAD_REQUEST.
 * Gives: *msgid, for PATRON_OK and PATRON_REFUSED (the request that was refused); *result, the answer as MessagePack of
 * *result_bytes bytes, borrowed until the next call with this `patron`.
 * Fails: PATRON_REFUSED; PATRON_FAILED with IO, PROTO, NO_MEMORY. */
PATRON_API enum patron_status patron_receive(struct patron *patron, uint32_t *msgid, const void **result,
                                             size_t *result_bytes, struct patron_error *error);

/* The same with the answer as JSON, as in patron_call_json. */
PATRON_API enum patron_status patron_receive_json(struct patron *patron, uint32_t *msgid, char **result_json,
                                                  struct patron_error *error);

/* ---- loading in columns ----------------------------------------------------------------------------------------- */

/* Rows on their way into a table, column by column, in the form that the server reads fastest. Values are copied: the
 * caller's arrays may go once a call returns. A column that cannot be added (no memory, a field named twice) is
 * remembered, and patron_batch_send says so; the calls between need no check.
 *
 * `nulls` marks rows without a value: row i by bit i % 8 of byte i / 8, counted from the lowest; (rows + 7) / 8 bytes.
 * NULL: every row has one. `field` is a name as in the server's schema. */
struct patron_batch;

/* A batch of `rows` rows (1 to 65536) for `table`: "customers", "orders", "lines", "refunds", "fx".
 * Gives: a batch for patron_batch_free; NULL when there is no memory or `rows` is out of range. */
PATRON_API struct patron_batch *patron_batch_new(const char *table, size_t rows);
PATRON_API void patron_batch_free(struct patron_batch *batch); /* NULL is allowed */

/* Times (milliseconds since 1970-01-01T00:00:00Z), money in minor units ("amount_minor"), versions, whole numbers. */
PATRON_API void patron_batch_i64(struct patron_batch *batch, const char *field, const int64_t *values,
                                 const unsigned char *nulls);
/* Days since 1970-01-01. */
PATRON_API void patron_batch_i32(struct patron_batch *batch, const char *field, const int32_t *values,
                                 const unsigned char *nulls);
/* Ids that are decimal numbers. */
PATRON_API void patron_batch_u64(struct patron_batch *batch, const char *field, const uint64_t *values,
                                 const unsigned char *nulls);
/* Texts: ids, decimal amounts ("12.30"), RFC 3339 times. NUL-terminated; NULL for a row without a value. */
PATRON_API void patron_batch_text(struct patron_batch *batch, const char *field, const char *const *values);
/* Texts that repeat: row i has dict[codes[i]]. A NULL in `dict` stands for no value. Every code is below dict_count (1
 * or more). */
PATRON_API void patron_batch_dict(struct patron_batch *batch, const char *field, const char *const *dict,
                                  size_t dict_count, const uint32_t *codes);

/* How a batch is to be taken. All zero but producer and seq is right for most. */
struct patron_batch_options {
    const char *producer; /* who sends, at most 128 bytes */
    uint64_t seq;         /* its number; a pair sent again is applied once */
    int skip_bad;         /* 1: good rows are taken and bad ones reported; 0: one bad row and none is taken */
    int append;           /* lines only. 1: they are added; 0: they replace what an order had */
    const char *meta;     /* kept with the batch (a log position), at most 256 bytes; NULL for none */
};

/* Sends the batch as load.TABLE, without waiting; the answer (`lsn`, rows new, updated, duplicate, stale, rejected,
 * errors) comes through patron_receive under *msgid. The batch stays the caller's and may be sent again. Fails:
 * PATRON_FAILED with BAD_REQUEST (no columns, a field twice, a code out of range, no producer), TOO_LARGE, NO_MEMORY,
 * IO. */
PATRON_API enum patron_status patron_batch_send(struct patron *patron, const struct patron_batch *batch,
                                                const struct patron_batch_options *options, uint32_t *msgid,
                                                struct patron_error *error);

#ifdef __cplusplus
}
#endif

#endif
