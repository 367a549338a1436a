#include "access/scram.h"

#include <stdio.h>
#include <string.h>

/* Printable, no comma: what a nonce may hold. 18 random bytes are 24 base64 digits. */
#define NONCE_RANDOM_BYTES 18
#define NONCE_BYTES        25

static enum pat_status malformed(struct pat_error *error, const char *what) {
    return pat_error_set(error, PAT_ERR_AUTH, "this is no SCRAM-SHA-256 message: %s", what);
}

static enum pat_status no_crypto(struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_INTERNAL, "the cryptographic library failed");
}

static bool nonce_draw(char out[NONCE_BYTES]) {
    unsigned char random[NONCE_RANDOM_BYTES];
    if (!pat_crypto_random(random, sizeof random)) return false;
    pat_base64_encode(random, sizeof random, out);
    return true;
}

static bool nonce_valid(struct pat_text nonce) {
    for (size_t i = 0; i < nonce.length; i++) {
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e || nonce.data[i] == ',') return false;
    }
    return nonce.length >= 8; /* fewer bytes than any that was drawn */
}

bool pat_user_name_valid(struct pat_text name) {
    if (name.length == 0 || name.length > PAT_USER_BYTES_MAX) return false;
    return pat_text_utf8_valid(name, NULL) && !pat_text_has_control(name) &&
           memchr(name.data, ' ', name.length) == NULL;
}

/* ---- attributes: "r=...,s=...,i=4096" -----------------------------------------------------------------------------
 */

/* Takes "X=value" off the front of `rest`; the last attribute ends with the text. */
static bool attribute_take(struct pat_text *rest, char name, struct pat_text *value) {
    if (rest->length < 2 || rest->data[0] != name || rest->data[1] != '=') return false;
    const char *comma = memchr(rest->data, ',', rest->length);
    const size_t length = comma != NULL ? (size_t)(comma - rest->data) : rest->length;
    *value = (struct pat_text){rest->data + 2, length - 2};
    const size_t done = comma != NULL ? length + 1 : length;
    *rest = (struct pat_text){rest->data + done, rest->length - done};
    return true;
}

static bool copy_bounded(char *out, size_t capacity, struct pat_text text) {
    if (text.length >= capacity) return false;
    if (text.length > 0) memcpy(out, text.data, text.length);
    out[text.length] = '\0';
    return true;
}

/* "=2C" is a comma and "=3D" an equals sign; any other '=' is a mistake. */
static bool name_unescape(struct pat_text text, char out[PAT_USER_BYTES_MAX + 1]) {
    size_t used = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == '=') {
            if (i + 2 >= text.length) return false;
            const bool comma = memcmp(text.data + i, "=2C", 3) == 0;
            if (!comma && memcmp(text.data + i, "=3D", 3) != 0) return false;
            c = comma ? ',' : '=';
            i += 2;
        }
        if (used == PAT_USER_BYTES_MAX) return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return pat_user_name_valid((struct pat_text){out, used});
}

static void name_escape(struct pat_text name, char out[3 * PAT_USER_BYTES_MAX + 1]) {
    for (size_t i = 0; i < name.length; i++) {
        const char c = name.data[i];
        if (c == ',' || c == '=') {
            memcpy(out, c == ',' ? "=2C" : "=3D", 3);
            out += 3;
        } else {
            *out++ = c;
        }
    }
    *out = '\0';
}

/* ---- keys ---------------------------------------------------------------------------------------------------------
 */

static bool keys_from_salted(struct pat_scram_keys *keys, const unsigned char salted[PAT_SHA256_BYTES],
                             unsigned char client[PAT_SHA256_BYTES]) {
    return pat_hmac_sha256(salted, "Client Key", 10, client) && pat_sha256(client, PAT_SHA256_BYTES, keys->stored) &&
           pat_hmac_sha256(salted, "Server Key", 10, keys->server);
}

bool pat_scram_keys_make(struct pat_scram_keys *keys, struct pat_text password) {
    unsigned char salted[PAT_SHA256_BYTES], client[PAT_SHA256_BYTES];
    keys->iterations = PAT_SCRAM_ITERATIONS;
    const bool made = pat_crypto_random(keys->salt, sizeof keys->salt) &&
                      pat_pbkdf2_sha256(password, keys->salt, sizeof keys->salt, keys->iterations, salted) &&
                      keys_from_salted(keys, salted, client);
    pat_crypto_wipe(salted, sizeof salted);
    pat_crypto_wipe(client, sizeof client);
    return made;
}

/* What both sides sign: client-first-bare , server-first , client-final without its proof. */
static bool auth_message(char *out, size_t capacity, const char *first_bare, const char *server_first,
                         struct pat_text final_bare, size_t *length) {
    const int got =
        snprintf(out, capacity, "%s,%s,%.*s", first_bare, server_first, (int)final_bare.length, final_bare.data);
    *length = got > 0 ? (size_t)got : 0;
    return got > 0 && (size_t)got < capacity;
}

/* c=: the header as it was sent and, where that names a binding, its data. */
static bool binding_encode(struct pat_text header, const struct pat_scram_binding *binding,
                           char out[PAT_SCRAM_BINDING_DIGITS]) {
    unsigned char bytes[PAT_SCRAM_HEADER_BYTES + PAT_SCRAM_BINDING_BYTES];
    const size_t more = binding != NULL ? binding->bytes : 0;
    if (header.length > PAT_SCRAM_HEADER_BYTES || more > PAT_SCRAM_BINDING_BYTES) return false;
    memcpy(bytes, header.data, header.length);
    if (more > 0) memcpy(bytes + header.length, binding->data, more);
    pat_base64_encode(bytes, header.length + more, out);
    return true;
}

/* ---- server -------------------------------------------------------------------------------------------------------
 */

static const struct pat_scram_binding *binding_find(const struct pat_scram_binding *binding, unsigned bindings,
                                                    struct pat_text name) {
    for (unsigned i = 0; i < bindings; i++) {
        if (pat_text_is(name, binding[i].name)) return &binding[i];
    }
    return NULL;
}

/* "n,,", "y,," or "p=NAME,,"; takes it off the front. */
static enum pat_status header_read(struct pat_scram_server *scram, struct pat_text *rest,
                                   const struct pat_scram_binding *binding, unsigned bindings,
                                   struct pat_error *error) {
    const char *comma = rest->length > 0 ? memchr(rest->data, ',', rest->length) : NULL;
    const size_t length = comma != NULL ? (size_t)(comma - rest->data) : 0;
    if (length == 0 || length + 2 > rest->length || comma[1] != ',')
        return malformed(error, "it must begin with \"n,,\"; authorization names are not taken");
    const struct pat_text flag = {rest->data, length}, header = {rest->data, length + 2};
    const struct pat_scram_binding *bound = NULL;
    scram->bound = flag.data[0] == 'p';
    if (scram->bound) {
        if (length > 2 && flag.data[1] == '=')
            bound = binding_find(binding, bindings, (struct pat_text){flag.data + 2, length - 2});
        if (bound == NULL) return malformed(error, "this connection has no such channel binding");
    } else if (!pat_text_is(flag, "n") && !pat_text_is(flag, "y")) {
        return malformed(error, "it must begin with \"n,,\"");
    } else if (flag.data[0] == 'y' && bindings > 0) {
        return malformed(error, "this connection has channel bindings; whoever said otherwise is no friend");
    }
    if (!binding_encode(header, bound, scram->binding)) return malformed(error, "its header is too long");
    *rest = (struct pat_text){rest->data + header.length, rest->length - header.length};
    return PAT_OK;
}

enum pat_status pat_scram_server_read(struct pat_scram_server *scram, struct pat_text client_first,
                                      const struct pat_scram_binding *binding, unsigned bindings,
                                      struct pat_error *error) {
    *scram = (struct pat_scram_server){.known = false};
    struct pat_text rest = client_first, name, nonce;
    PAT_TRY(header_read(scram, &rest, binding, bindings, error));
    if (!copy_bounded(scram->first_bare, sizeof scram->first_bare, rest)) return malformed(error, "it is too long");
    if (!attribute_take(&rest, 'n', &name)) return malformed(error, "\"n=NAME\" is missing");
    if (!name_unescape(name, scram->user))
        return malformed(error, "a user's name is 1 to 64 bytes of UTF-8 without spaces and control characters");
    if (!attribute_take(&rest, 'r', &nonce) || !nonce_valid(nonce)) return malformed(error, "\"r=NONCE\" is missing");
    if (!copy_bounded(scram->nonce, sizeof scram->nonce - NONCE_BYTES, nonce))
        return malformed(error, "the nonce is too long");
    return PAT_OK;
}

/* Of the name and the secret alone: a name that is asked for twice has the same salt both times. */
static bool keys_pretend(struct pat_scram_keys *keys, const char *user, const unsigned char secret[PAT_SHA256_BYTES]) {
    unsigned char digest[PAT_SHA256_BYTES];
    if (!pat_hmac_sha256(secret, user, strlen(user), digest)) return false;
    memcpy(keys->salt, digest, sizeof keys->salt);
    keys->iterations = PAT_SCRAM_ITERATIONS;
    /* Work with keys that nobody's proof fits. */
    return pat_crypto_random(keys->stored, sizeof keys->stored) && pat_crypto_random(keys->server, sizeof keys->server);
}

enum pat_status pat_scram_server_first(struct pat_scram_server *scram, const struct pat_scram_keys *keys,
                                       const unsigned char secret[PAT_SHA256_BYTES], char out[PAT_SCRAM_MESSAGE_BYTES],
                                       struct pat_error *error) {
    scram->known = keys != NULL;
    if (keys != NULL) scram->keys = *keys;
    if (keys == NULL && !keys_pretend(&scram->keys, scram->user, secret)) return no_crypto(error);
    char own[NONCE_BYTES], salt[4 * ((PAT_SCRAM_SALT_BYTES + 2) / 3) + 1];
    if (!nonce_draw(own)) return no_crypto(error);
    memcpy(scram->nonce + strlen(scram->nonce), own, sizeof own);
    pat_base64_encode(scram->keys.salt, sizeof scram->keys.salt, salt);
    (void)snprintf(scram->first, sizeof scram->first, "r=%s,s=%s,i=%u", scram->nonce, salt, scram->keys.iterations);
    memcpy(out, scram->first, sizeof scram->first);
    return PAT_OK;
}

/* ClientKey = proof XOR HMAC(StoredKey, message); right when its hash is StoredKey. */
static bool proof_is_right(const struct pat_scram_server *scram, const unsigned char proof[PAT_SHA256_BYTES],
                           const char *message, size_t length, bool *right) {
    unsigned char key[PAT_SHA256_BYTES], hash[PAT_SHA256_BYTES];
    if (!pat_hmac_sha256(scram->keys.stored, message, length, key)) return false;
    for (size_t i = 0; i < sizeof key; i++) key[i] ^= proof[i];
    if (!pat_sha256(key, sizeof key, hash)) return false;
    const bool equal = pat_crypto_equal(hash, scram->keys.stored, sizeof hash);
    *right = equal && scram->known;
    pat_crypto_wipe(key, sizeof key);
    return true;
}

/* Splits client-final; `bare` is what comes before ",p=". */
static enum pat_status final_read(const struct pat_scram_server *scram, struct pat_text text, struct pat_text *bare,
                                  unsigned char proof[PAT_SHA256_BYTES], struct pat_error *error) {
    struct pat_text rest = text, binding, nonce, digits;
    size_t bytes;
    if (!attribute_take(&rest, 'c', &binding)) return malformed(error, "\"c=BINDING\" is missing");
    if (!pat_text_is(binding, scram->binding))
        return malformed(error, "\"c=\" does not repeat the header of the first message, or is of another connection");
    if (!attribute_take(&rest, 'r', &nonce)) return malformed(error, "\"r=NONCE\" is missing");
    if (!pat_text_is(nonce, scram->nonce)) return malformed(error, "the nonce is not the one that was sent");
    if (rest.data == text.data || rest.length == 0) return malformed(error, "\"p=PROOF\" is missing");
    *bare = (struct pat_text){text.data, (size_t)(rest.data - text.data) - 1};
    if (!attribute_take(&rest, 'p', &digits) || rest.length != 0 ||
        !pat_base64_decode(digits, proof, PAT_SHA256_BYTES, &bytes) || bytes != PAT_SHA256_BYTES)
        return malformed(error, "\"p=PROOF\" is missing, is not the last one, or is not 32 bytes in base64");
    return PAT_OK;
}

enum pat_status pat_scram_server_final(struct pat_scram_server *scram, struct pat_text client_final,
                                       char out[PAT_SCRAM_MESSAGE_BYTES], struct pat_error *error) {
    unsigned char proof[PAT_SHA256_BYTES], signature[PAT_SHA256_BYTES];
    char message[3 * PAT_SCRAM_MESSAGE_BYTES], digits[4 * ((PAT_SHA256_BYTES + 2) / 3) + 1];
    struct pat_text bare = {"", 0};
    size_t length;
    bool right = false;
    PAT_TRY(final_read(scram, client_final, &bare, proof, error));
    if (!auth_message(message, sizeof message, scram->first_bare, scram->first, bare, &length))
        return malformed(error, "it is too long");
    if (!proof_is_right(scram, proof, message, length, &right)) return no_crypto(error);
    if (!right) return pat_error_set(error, PAT_ERR_AUTH, "wrong user or password");
    if (!pat_hmac_sha256(scram->keys.server, message, length, signature)) return no_crypto(error);
    pat_base64_encode(signature, sizeof signature, digits);
    (void)snprintf(out, PAT_SCRAM_MESSAGE_BYTES, "v=%s", digits);
    return PAT_OK;
}

/* ---- client -------------------------------------------------------------------------------------------------------
 */

enum pat_status pat_scram_client_first(struct pat_scram_client *scram, struct pat_text user, const char *nonce,
                                       const struct pat_scram_binding *binding, char out[PAT_SCRAM_MESSAGE_BYTES],
                                       struct pat_error *error) {
    char drawn[NONCE_BYTES], escaped[3 * PAT_USER_BYTES_MAX + 1], header[PAT_SCRAM_HEADER_BYTES + 1] = "n,,";
    if (!pat_user_name_valid(user))
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "a user's name is 1 to 64 bytes of UTF-8 without spaces and control characters");
    if (nonce == NULL && !nonce_draw(drawn)) return no_crypto(error);
    (void)snprintf(scram->nonce, sizeof scram->nonce, "%s", nonce != NULL ? nonce : drawn);
    name_escape(user, escaped);
    (void)snprintf(scram->first_bare, sizeof scram->first_bare, "n=%s,r=%s", escaped, scram->nonce);
    if (binding != NULL) (void)snprintf(header, sizeof header, "p=%s,,", binding->name);
    const int length = snprintf(out, PAT_SCRAM_MESSAGE_BYTES, "%s%s", header, scram->first_bare);
    if (length < (int)PAT_SCRAM_MESSAGE_BYTES && binding_encode(pat_text_of(header), binding, scram->binding))
        return PAT_OK;
    return pat_error_set(error, PAT_ERR_INTERNAL, "the first message of the login is too long");
}

struct offer {
    struct pat_text nonce;
    unsigned char salt[64];
    size_t salt_bytes;
    unsigned iterations;
};

static enum pat_status offer_read(const struct pat_scram_client *scram, struct pat_text text, struct offer *offer,
                                  struct pat_error *error) {
    struct pat_text rest = text, salt, count;
    const size_t own = strlen(scram->nonce);
    if (!attribute_take(&rest, 'r', &offer->nonce) || !attribute_take(&rest, 's', &salt) ||
        !attribute_take(&rest, 'i', &count))
        return malformed(error, "the server's first one must be \"r=NONCE,s=SALT,i=COUNT\"");
    if (offer->nonce.length <= own || memcmp(offer->nonce.data, scram->nonce, own) != 0)
        return malformed(error, "the server's nonce does not continue the client's");
    if (!pat_base64_decode(salt, offer->salt, sizeof offer->salt, &offer->salt_bytes) || offer->salt_bytes == 0)
        return malformed(error, "the server's salt is not base64");
    offer->iterations = 0;
    for (size_t i = 0; i < count.length && offer->iterations <= PAT_SCRAM_ITERATIONS_MAX; i++) {
        if (count.data[i] < '0' || count.data[i] > '9') return malformed(error, "the iteration count is no number");
        offer->iterations = offer->iterations * 10 + (unsigned)(count.data[i] - '0');
    }
    if (offer->iterations < PAT_SCRAM_ITERATIONS_MIN || offer->iterations > PAT_SCRAM_ITERATIONS_MAX)
        return malformed(error, "the server asks for fewer iterations than are safe, or for more than are sane");
    return PAT_OK;
}

enum pat_status pat_scram_client_final(struct pat_scram_client *scram, struct pat_text password,
                                       struct pat_text server_first, char out[PAT_SCRAM_MESSAGE_BYTES],
                                       struct pat_error *error) {
    struct offer offer;
    struct pat_scram_keys keys;
    unsigned char salted[PAT_SHA256_BYTES], client[PAT_SHA256_BYTES], proof[PAT_SHA256_BYTES];
    char message[3 * PAT_SCRAM_MESSAGE_BYTES], first[PAT_SCRAM_MESSAGE_BYTES], bare[PAT_SCRAM_MESSAGE_BYTES];
    char digits[4 * ((PAT_SHA256_BYTES + 2) / 3) + 1];
    size_t length;
    PAT_TRY(offer_read(scram, server_first, &offer, error));
    const int got =
        snprintf(bare, sizeof bare, "c=%s,r=%.*s", scram->binding, (int)offer.nonce.length, offer.nonce.data);
    if (got < 0 || (size_t)got + sizeof digits + 3 > sizeof bare || !copy_bounded(first, sizeof first, server_first) ||
        !auth_message(message, sizeof message, scram->first_bare, first, (struct pat_text){bare, (size_t)got}, &length))
        return malformed(error, "the server's first one is too long");
    bool made = pat_pbkdf2_sha256(password, offer.salt, offer.salt_bytes, offer.iterations, salted) &&
                keys_from_salted(&keys, salted, client) && pat_hmac_sha256(keys.stored, message, length, proof) &&
                pat_hmac_sha256(keys.server, message, length, scram->signature);
    for (size_t i = 0; made && i < sizeof proof; i++) proof[i] ^= client[i];
    pat_crypto_wipe(salted, sizeof salted);
    pat_crypto_wipe(client, sizeof client);
    pat_crypto_wipe(&keys, sizeof keys);
    if (!made) return no_crypto(error);
    pat_base64_encode(proof, sizeof proof, digits);
    memcpy(out, bare, (size_t)got);
    (void)snprintf(out + got, PAT_SCRAM_MESSAGE_BYTES - (size_t)got, ",p=%s", digits);
    return PAT_OK;
}

enum pat_status pat_scram_client_check(const struct pat_scram_client *scram, struct pat_text server_final,
                                       struct pat_error *error) {
    struct pat_text rest = server_final, digits;
    unsigned char signature[PAT_SHA256_BYTES];
    size_t bytes;
    if (!attribute_take(&rest, 'v', &digits) || !pat_base64_decode(digits, signature, sizeof signature, &bytes) ||
        bytes != sizeof signature || !pat_crypto_equal(signature, scram->signature, sizeof signature))
        return pat_error_set(error, PAT_ERR_AUTH,
                             "what answers does not know this user's keys: it is not the server that was meant");
    return PAT_OK;
}
