/* The few primitives of a login, from OpenSSL. crypto.c is the one door to libcrypto. */
#ifndef PAT_ACCESS_CRYPTO_H
#define PAT_ACCESS_CRYPTO_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

#define PAT_SHA256_BYTES 32u

/* All give false only when the library cannot (no memory, no such algorithm in this build of it). */
bool pat_sha256(const void *data, size_t bytes, unsigned char out[PAT_SHA256_BYTES]);
bool pat_hmac_sha256(const unsigned char key[PAT_SHA256_BYTES], const void *data, size_t bytes,
                     unsigned char out[PAT_SHA256_BYTES]);
/* RFC 8018 with HMAC-SHA-256: SCRAM's Hi(). */
bool pat_pbkdf2_sha256(struct pat_text password, const unsigned char *salt, size_t salt_bytes, unsigned iterations,
                       unsigned char out[PAT_SHA256_BYTES]);
bool pat_crypto_random(void *out, size_t bytes);
/* Takes the same time wherever they differ. */
bool pat_crypto_equal(const void *a, const void *b, size_t bytes);
/* Overwrites a secret; not optimised away. */
void pat_crypto_wipe(void *data, size_t bytes);

/* RFC 4648 with padding. `out` has room for 4 * ((bytes + 2) / 3) + 1; terminated. */
void pat_base64_encode(const unsigned char *data, size_t bytes, char *out);
/* False for anything but the one canonical form, and for more than `capacity` bytes. */
bool pat_base64_decode(struct pat_text text, unsigned char *out, size_t capacity, size_t *bytes);

#endif
