/* SCRAM-SHA-256 and, on a connection with TLS, SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): both sides as pure functions on
 * messages.
 *
 *   client                                             server
 *   n,,n=ana,r=NONCE            ── client-first ──►
 *                               ◄── server-first ──    r=NONCE+MORE,s=SALT,i=4096
 *   c=biws,r=...,p=PROOF        ── client-final ──►
 *                               ◄── server-final ──    v=SIGNATURE
 *
 * With PLUS the first message begins with "p=BINDING,,", and c= has what the two ends of one TLS connection know of it
 * (RFC 9266, RFC 5929): somebody in the middle, whom the client took for the server, gains nothing from the proof.
 *
 * The server keeps neither the password nor what would do to log in elsewhere: keys derived from it. The proof that
 * goes over the wire is good for this one pair of nonces. Passwords are taken as the bytes they are: no normalisation
 * of Unicode forms. */
#ifndef PAT_ACCESS_SCRAM_H
#define PAT_ACCESS_SCRAM_H

#include "access/crypto.h"
#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>

#define PAT_SCRAM_SALT_BYTES 16u
/* What a new user gets. RFC 7677 asks for 4096 at least; this takes a client some milliseconds. */
#define PAT_SCRAM_ITERATIONS     10000u
#define PAT_SCRAM_ITERATIONS_MIN 4096u
/* A client does the work: a server that asked for more would be one that wants to stall it. */
#define PAT_SCRAM_ITERATIONS_MAX 1000000u
#define PAT_USER_BYTES_MAX       64u
#define PAT_PASSWORD_BYTES_MAX   256u
/* Any message of the exchange: a name whose every byte is escaped, two nonces, a proof. */
#define PAT_SCRAM_MESSAGE_BYTES 512u

struct pat_scram_keys {
    unsigned char salt[PAT_SCRAM_SALT_BYTES];
    unsigned iterations;
    unsigned char stored[PAT_SHA256_BYTES];
    unsigned char server[PAT_SHA256_BYTES];
};

/* The keys of a password under this salt. False when the library cannot. */
bool pat_scram_keys_make(struct pat_scram_keys *keys, struct pat_text password);

/* A user's name: 1 to PAT_USER_BYTES_MAX bytes of UTF-8, no control characters, no spaces. */
bool pat_user_name_valid(struct pat_text name);

/* What ties a login to the TLS connection that it is made on. */
#define PAT_SCRAM_BINDING_BYTES 64u
struct pat_scram_binding {
    const char *name; /* "tls-exporter", "tls-server-end-point" */
    unsigned char data[PAT_SCRAM_BINDING_BYTES];
    size_t bytes;
};

/* "p=tls-server-end-point,," and the data, in base64: what c= says at the most. */
#define PAT_SCRAM_HEADER_BYTES   32u
#define PAT_SCRAM_BINDING_DIGITS (4u * ((PAT_SCRAM_HEADER_BYTES + PAT_SCRAM_BINDING_BYTES + 2u) / 3u) + 1u)

/* ---- server ----------------------------------------------------------------------------------------------------- */

struct pat_scram_server {
    char user[PAT_USER_BYTES_MAX + 1];
    struct pat_scram_keys keys;
    bool known;                               /* there is such a user: else no proof is ever right */
    char first_bare[PAT_SCRAM_MESSAGE_BYTES]; /* of the client */
    char first[PAT_SCRAM_MESSAGE_BYTES];      /* of the server */
    char nonce[128];                          /* both halves */
    bool bound;                               /* the client asked for a binding: PLUS */
    char binding[PAT_SCRAM_BINDING_DIGITS];   /* what c= must say */
};

/* Reads client-first and takes the user's name from it. `bindings` are those that this connection can have, none
 * without TLS. PAT_ERR_AUTH with what is wrong with it; also for a client that could bind and was told that the server
 * cannot, which only somebody in the middle would say. */
enum pat_status pat_scram_server_read(struct pat_scram_server *scram, struct pat_text client_first,
                                      const struct pat_scram_binding *binding, unsigned bindings,
                                      struct pat_error *error) PAT_MUST_CHECK;
/* Writes server-first. `keys` NULL: there is no such user; then salt and iterations are made from the name and
 * `secret`, always the same ones, so that nobody learns from them who exists. */
enum pat_status pat_scram_server_first(struct pat_scram_server *scram, const struct pat_scram_keys *keys,
                                       const unsigned char secret[PAT_SHA256_BYTES], char out[PAT_SCRAM_MESSAGE_BYTES],
                                       struct pat_error *error) PAT_MUST_CHECK;
/* Checks client-final and writes server-final. PAT_ERR_AUTH for a wrong proof, always with the same words. */
enum pat_status pat_scram_server_final(struct pat_scram_server *scram, struct pat_text client_final,
                                       char out[PAT_SCRAM_MESSAGE_BYTES], struct pat_error *error) PAT_MUST_CHECK;

/* ---- client ----------------------------------------------------------------------------------------------------- */

struct pat_scram_client {
    char binding[PAT_SCRAM_BINDING_DIGITS]; /* what c= says */
    char first_bare[PAT_SCRAM_MESSAGE_BYTES];
    char nonce[64];
    unsigned char signature[PAT_SHA256_BYTES]; /* that the server must show */
};

/* Writes client-first. `nonce` NULL draws one; tests give theirs. `binding` NULL: none. */
enum pat_status pat_scram_client_first(struct pat_scram_client *scram, struct pat_text user, const char *nonce,
                                       const struct pat_scram_binding *binding, char out[PAT_SCRAM_MESSAGE_BYTES],
                                       struct pat_error *error) PAT_MUST_CHECK;
enum pat_status pat_scram_client_final(struct pat_scram_client *scram, struct pat_text password,
                                       struct pat_text server_first, char out[PAT_SCRAM_MESSAGE_BYTES],
                                       struct pat_error *error) PAT_MUST_CHECK;
/* Whether the server knows the user's keys, too. PAT_ERR_AUTH when it does not. */
enum pat_status pat_scram_client_check(const struct pat_scram_client *scram, struct pat_text server_final,
                                       struct pat_error *error) PAT_MUST_CHECK;

#endif
