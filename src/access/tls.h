/* TLS over bytes that somebody else carries: what came from the wire goes in, what is to go there comes out, in between
 * is what the two sides say. No sockets, no waiting, no clock.
 *
 *   wire ── pat_tls_feed ─► │ TLS │ ── pat_tls_read ──► what the peer says
 *   wire ◄─ pat_tls_sealed ─│     │ ◄─ pat_tls_write ── what we say
 *
 * The handshake goes on by itself inside pat_tls_read: it takes what was fed and leaves its answer among what is
 * sealed. TLS 1.2 with forward secrecy, or 1.3; no renegotiation, no resumption, no compression, no early data.
 *
 * tls.c is the one door to libssl. */
#ifndef PAT_ACCESS_TLS_H
#define PAT_ACCESS_TLS_H

#include "access/scram.h"
#include "base/buf.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Has libcrypto and libssl take their memory from the accountant, so that the budget holds for it, too. For a program
 * that is ours to decide about, before its first use of them; false when it is too late. */
bool pat_tls_account(void);

/* ---- terms: what connections have in common --------------------------------------------------------------------- */

struct pat_tls_terms;

/* A server's: its certificate with those that lead to a root, and the key, in PEM. Fails: PAT_ERR_IO naming the file
 * that cannot be read, is none, does not fit the other, or is a key that everybody may read. */
enum pat_status pat_tls_terms_serve(struct pat_tls_terms **out, const char *cert_path, const char *key_path,
                                    struct pat_error *error) PAT_MUST_CHECK;
/* A client's: whose word on a server's name is taken. `ca_path` NULL: the system's certificates. `insecure`: anybody's,
 * nothing is checked. Fails: PAT_ERR_IO naming the file. */
enum pat_status pat_tls_terms_ask(struct pat_tls_terms **out, const char *ca_path, bool insecure,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Connections that were opened on them go on. NULL inside is allowed. */
void pat_tls_terms_close(struct pat_tls_terms **terms);

/* Both serve the same certificate. */
bool pat_tls_terms_equal(const struct pat_tls_terms *a, const struct pat_tls_terms *b);
/* "2027-05-31", the last day of a server's certificate, and its end. */
#define PAT_TLS_DAY_BYTES 11u
void pat_tls_terms_last_day(const struct pat_tls_terms *terms, char out[PAT_TLS_DAY_BYTES]);

/* ---- a connection ----------------------------------------------------------------------------------------------- */

struct pat_tls;

/* `server_name`: of a client, the name or address that the certificate must be for; NULL on a server. */
enum pat_status pat_tls_open(struct pat_tls **out, const struct pat_tls_terms *terms, const char *server_name,
                             struct pat_error *error) PAT_MUST_CHECK;
void pat_tls_close(struct pat_tls **tls);

/* Bytes that came; borrowed until pat_tls_read gives PAT_ERR_MORE, which is when all of them were taken. What was fed
 * before and not taken is forgotten. A client feeds none at first, and reads, so that its first message gets sealed. */
void pat_tls_feed(struct pat_tls *tls, const void *data, size_t bytes);
/* What the peer said, *got bytes of it: 0 when it has said its last. PAT_ERR_MORE: nothing until more is fed.
 * PAT_ERR_IO: the two do not understand each other, with the reason; what is sealed may still tell the peer. */
enum pat_status pat_tls_read(struct pat_tls *tls, void *out, size_t capacity, size_t *got,
                             struct pat_error *error) PAT_MUST_CHECK;
/* Seals all of it; the handshake must be done. */
enum pat_status pat_tls_write(struct pat_tls *tls, const void *data, size_t bytes,
                              struct pat_error *error) PAT_MUST_CHECK;
/* Seals that nothing more will be said. */
void pat_tls_end(struct pat_tls *tls);
/* What is to go to the wire; the caller takes it from the front. */
struct pat_buf *pat_tls_sealed(struct pat_tls *tls);

/* The handshake is done. */
bool pat_tls_ready(const struct pat_tls *tls);
/* "TLSv1.3" */
const char *pat_tls_version(const struct pat_tls *tls);

/* What a login may be bound to: the best first, at most PAT_TLS_BINDINGS_MAX. Gives how many. Somebody in the middle
 * has another connection to each side, and so the proof that a client makes for one is of no use on the other. */
#define PAT_TLS_BINDINGS_MAX 2u
unsigned pat_tls_bindings(const struct pat_tls *tls, struct pat_scram_binding out[PAT_TLS_BINDINGS_MAX]);

#endif
