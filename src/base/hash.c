#include "base/hash.h"

/* XXH3_generateSecret is still behind this name in the xxHash 0.8.1 of Debian 12. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

_Static_assert(PAT_HASH_SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "XXH3 wants a secret of at least its minimum");

void pat_hash_secret_init(struct pat_hash_secret *secret, const void *entropy, size_t entropy_bytes) {
    (void)XXH3_generateSecret(secret->bytes, sizeof secret->bytes, entropy, entropy_bytes);
}

uint64_t pat_hash_keyed(const struct pat_hash_secret *secret, const void *data, size_t bytes) {
    return XXH3_64bits_withSecret(data, bytes, secret->bytes, sizeof secret->bytes);
}

struct pat_digest pat_digest_of(const void *data, size_t bytes) {
    XXH128_hash_t hash = XXH3_128bits(data, bytes);
    return (struct pat_digest){hash.low64, hash.high64};
}

struct pat_digest pat_digest_chain(struct pat_digest previous, const void *data, size_t bytes) {
    /* Both halves of the previous digest take part: one as the seed, the other behind the data's own digest. */
    XXH128_hash_t hash = XXH3_128bits_withSeed(data, bytes, previous.low);
    uint64_t words[3] = {hash.low64, hash.high64, previous.high};
    return pat_digest_of(words, sizeof words);
}
