/* Keyed hashes and digests. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_same_entropy_gives_the_same_hash(void **state) {
    (void)state;
    struct pat_hash_secret a, b, other;
    pat_hash_secret_init(&a, "entropy", 7);
    pat_hash_secret_init(&b, "entropy", 7);
    pat_hash_secret_init(&other, "entropz", 7);
    unsigned different = 0;
    for (size_t length = 0; length <= 300; length++) {
        unsigned char data[300];
        for (size_t i = 0; i < length; i++) data[i] = (unsigned char)(i * 31);
        uint64_t hash = pat_hash_keyed(&a, data, length);
        assert_true(hash == pat_hash_keyed(&b, data, length));
        different += hash != pat_hash_keyed(&other, data, length);
    }
    assert_int_equal(different, 301);
}

/* Digests are on disk: this one must never change. (XXH3-128 of nothing, as xxHash's own documents have it.) */
static void the_digest_of_nothing_is_the_known_one(void **state) {
    (void)state;
    struct pat_digest digest = pat_digest_of("", 0);
    assert_true(digest.high == UINT64_C(0x99aa06d3014798d8));
    assert_true(digest.low == UINT64_C(0x6001c324468d497f));
}

/* Numbers in a row, and numbers that differ in one bit, spread evenly over what the index looks at. */
static void hashes_of_words_spread(void **state) {
    (void)state;
    struct pat_hash_secret secret, other;
    pat_hash_secret_init(&secret, "one", 3);
    pat_hash_secret_init(&other, "two", 3);
    uint32_t shard[256] = {0};
    for (uint64_t word = 0; word < 256 * 1000; word++) {
        const uint64_t hash = pat_hash_word(&secret, word);
        assert_true(hash == pat_hash_word(&secret, word) && hash != pat_hash_word(&other, word));
        shard[hash >> 56]++;
    }
    for (unsigned i = 0; i < 256; i++) assert_in_range(shard[i], 800, 1200);
    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t differs = pat_hash_word(&secret, 12345) ^ pat_hash_word(&secret, 12345 ^ UINT64_C(1) << bit);
        assert_in_range(__builtin_popcountll(differs), 10, 54);
    }
}

static void any_flipped_bit_changes_the_digest(void **state) {
    (void)state;
    unsigned char data[257];
    memset(data, 0x5A, sizeof data);
    struct pat_digest digest = pat_digest_of(data, sizeof data);
    struct pat_digest chained = pat_digest_chain(digest, data, sizeof data);
    for (size_t bit = 0; bit < sizeof data * 8; bit++) {
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(pat_digest_equal(digest, pat_digest_of(data, sizeof data)));
        assert_false(pat_digest_equal(chained, pat_digest_chain(digest, data, sizeof data)));
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(pat_digest_equal(digest, pat_digest_of(data, sizeof data)));
}

static void a_chain_binds_every_bit_of_what_came_before(void **state) {
    (void)state;
    struct pat_digest previous = pat_digest_of("one", 3);
    struct pat_digest chained = pat_digest_chain(previous, "two", 3);
    for (unsigned bit = 0; bit < 64; bit++) {
        struct pat_digest low = {previous.low ^ (UINT64_C(1) << bit), previous.high};
        struct pat_digest high = {previous.low, previous.high ^ (UINT64_C(1) << bit)};
        assert_false(pat_digest_equal(chained, pat_digest_chain(low, "two", 3)));
        assert_false(pat_digest_equal(chained, pat_digest_chain(high, "two", 3)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_entropy_gives_the_same_hash),
        cmocka_unit_test(the_digest_of_nothing_is_the_known_one),
        cmocka_unit_test(hashes_of_words_spread),
        cmocka_unit_test(any_flipped_bit_changes_the_digest),
        cmocka_unit_test(a_chain_binds_every_bit_of_what_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
