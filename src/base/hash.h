/* Hashes: keyed XXH3 for the indexes (never stored), XXH3-128 for checksums and digests (stored). */
#ifndef PAT_BASE_HASH_H
#define PAT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* XXH3's default secret can be flooded even when seeded; 192 random bytes cannot. */
#define PAT_HASH_SECRET_BYTES 192u

struct pat_hash_secret {
    unsigned char bytes[PAT_HASH_SECRET_BYTES];
};

/* Derives a secret from `entropy` (from the system at start, fixed in tests). */
void pat_hash_secret_init(struct pat_hash_secret *secret, const void *entropy, size_t entropy_bytes);
uint64_t pat_hash_keyed(const struct pat_hash_secret *secret, const void *data, size_t bytes);

__extension__ typedef unsigned __int128 pat_hash_product;

static inline uint64_t pat_hash_fold(uint64_t a, uint64_t b) {
    const pat_hash_product product = (pat_hash_product)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The keyed hash of one word, for decimal ids: two multiplications whose factors are all secret, so that nobody can
 * choose words that collide. Not equal to pat_hash_keyed of the same bytes. */
static inline uint64_t pat_hash_word(const struct pat_hash_secret *secret, uint64_t word) {
    uint64_t key[4];
    memcpy(key, secret->bytes, sizeof key);
    /* Odd, so that no secret makes a factor zero. */
    return pat_hash_fold(pat_hash_fold(word ^ key[0], key[1] | 1) ^ key[2], key[3] | 1);
}

struct pat_digest {
    uint64_t low, high;
};

struct pat_digest pat_digest_of(const void *data, size_t bytes);
/* Chains: the digest of `data` bound to `previous`. */
struct pat_digest pat_digest_chain(struct pat_digest previous, const void *data, size_t bytes);
static inline int pat_digest_equal(struct pat_digest a, struct pat_digest b) {
    return a.low == b.low && a.high == b.high;
}

#endif
