#include "access/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <limits.h>
#include <string.h>

bool pat_sha256(const void *data, size_t bytes, unsigned char out[PAT_SHA256_BYTES]) {
    return EVP_Digest(data, bytes, out, NULL, EVP_sha256(), NULL) == 1;
}

bool pat_hmac_sha256(const unsigned char key[PAT_SHA256_BYTES], const void *data, size_t bytes,
                     unsigned char out[PAT_SHA256_BYTES]) {
    return HMAC(EVP_sha256(), key, (int)PAT_SHA256_BYTES, data, bytes, out, NULL) != NULL;
}

bool pat_pbkdf2_sha256(struct pat_text password, const unsigned char *salt, size_t salt_bytes, unsigned iterations,
                       unsigned char out[PAT_SHA256_BYTES]) {
    if (password.length > INT_MAX || salt_bytes > INT_MAX || iterations > INT_MAX) return false;
    const char *data = password.length > 0 ? password.data : "";
    return PKCS5_PBKDF2_HMAC(data, (int)password.length, salt, (int)salt_bytes, (int)iterations, EVP_sha256(),
                             (int)PAT_SHA256_BYTES, out) == 1;
}

bool pat_crypto_random(void *out, size_t bytes) {
    return bytes <= INT_MAX && RAND_bytes(out, (int)bytes) == 1;
}

bool pat_crypto_equal(const void *a, const void *b, size_t bytes) {
    return CRYPTO_memcmp(a, b, bytes) == 0;
}

void pat_crypto_wipe(void *data, size_t bytes) {
    OPENSSL_cleanse(data, bytes);
}

/* ---- base64: OpenSSL's own decoder takes forms that are not canonical ---------------------------------------------
 */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void pat_base64_encode(const unsigned char *data, size_t bytes, char *out) {
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t left = bytes - i;
        const unsigned group = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                               (left > 2 ? (unsigned)data[i + 2] : 0);
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = '=';
        *out++ = '=';
        if (left > 1) out[-2] = digits[group >> 6 & 63];
        if (left > 2) out[-1] = digits[group & 63];
    }
    *out = '\0';
}

static int digit_value(char c) {
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* One group of four; *got bytes of it. */
static bool group_decode(const char four[4], bool last, unsigned char out[3], size_t *got) {
    const size_t pads = !last || four[3] != '=' ? 0 : four[2] != '=' ? 1 : 2;
    unsigned group = 0;
    for (size_t i = 0; i < 4; i++) {
        const int value = i < 4 - pads ? digit_value(four[i]) : 0;
        if (value < 0) return false;
        group = group << 6 | (unsigned)value;
    }
    for (size_t i = 0; i < 3; i++) out[i] = (unsigned char)(group >> (16 - 8 * i));
    *got = 3 - pads;
    return (pads == 0 || out[2] == 0) && (pads < 2 || out[1] == 0); /* bits that say nothing are zero */
}

bool pat_base64_decode(struct pat_text text, unsigned char *out, size_t capacity, size_t *bytes) {
    *bytes = 0;
    if (text.length % 4 != 0) return false;
    for (size_t i = 0; i < text.length; i += 4) {
        unsigned char group[3];
        size_t got;
        if (!group_decode(text.data + i, i + 4 == text.length, group, &got)) return false;
        if (*bytes + got > capacity) return false;
        memcpy(out + *bytes, group, got);
        *bytes += got;
    }
    return true;
}
