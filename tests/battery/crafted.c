/* Ids made to collide: a million of them must be no longer to find than a million random ones.
 *
 *   battery_crafted KEYS SEED
 *
 * XXH3 with its default secret multiplies input words that were xored with constants. An id of 32 bytes whose first and
 * third word are those constants makes both products zero, whatever the other 16 bytes say: one hash for all of them.
 * That is what anybody can send to a table that is hashed without a secret; the store's secret is drawn at start.
 * Beside them decimal ids in the patterns that break multiplicative hashes, and texts that differ in one place. */
#include "base/hash.h"
#include "store/store.h"
#include "store/store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBES_MAX 4096u
#define ENTROPY    "battery of crafted ids, "
#define TIMES_MAX  2u /* p99 of crafted ids against random ones */
#define CRAFTED_ID 32u

/* The first bytes of XXH3's published default secret: the words that the two halves of a 32-byte input meet. */
static const unsigned char default_secret[CRAFTED_ID] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f};

/* Writes key i of a family. */
typedef struct pat_id_key key_maker(uint64_t i, unsigned char text[CRAFTED_ID]);

static uint64_t mixed(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t seed;

static struct pat_id_key text_key(const unsigned char *text) {
    return (struct pat_id_key){-1, {(const char *)text, CRAFTED_ID}};
}

static struct pat_id_key random_number(uint64_t i, unsigned char *text) {
    (void)text;
    return (struct pat_id_key){.number = (int64_t)(mixed(i ^ mixed(seed)) >> 1)};
}

static struct pat_id_key random_text(uint64_t i, unsigned char *text) {
    for (unsigned k = 0; k < CRAFTED_ID / 8; k++) {
        const uint64_t word = mixed(mixed(i ^ mixed(seed)) + k);
        memcpy(text + 8 * (size_t)k, &word, sizeof word);
    }
    return text_key(text);
}

static struct pat_id_key colliding_text(uint64_t i, unsigned char *text) {
    const uint64_t other = mixed(i);
    memcpy(text, default_secret, CRAFTED_ID);
    memcpy(text + 8, &i, sizeof i);
    memcpy(text + 24, &other, sizeof other);
    return text_key(text);
}

static struct pat_id_key one_place_text(uint64_t i, unsigned char *text) {
    memset(text, 'a', CRAFTED_ID);
    for (unsigned k = 0; k < 5; k++, i /= 26) text[CRAFTED_ID - 1 - k] = (unsigned char)('a' + i % 26);
    return text_key(text);
}

static struct pat_id_key counting_number(uint64_t i, unsigned char *text) {
    (void)text;
    return (struct pat_id_key){.number = (int64_t)i};
}

static struct pat_id_key high_number(uint64_t i, unsigned char *text) {
    (void)text;
    return (struct pat_id_key){.number = (int64_t)(i << 40 & INT64_MAX) | (int64_t)(i >> 23)};
}

static struct pat_id_key golden_number(uint64_t i, unsigned char *text) {
    (void)text;
    return (struct pat_id_key){.number = (int64_t)(i * UINT64_C(0x9e3779b97f4a7c15) >> 1)};
}

/* ---- probes ------------------------------------------------------------------------------------------------------ */

/* Buckets that are looked at to find each key that is there; gives the p99, and the longest in *longest. */
static unsigned probes_p99(const struct pat_index *index, unsigned *longest) {
    static uint64_t count[PROBES_MAX];
    uint64_t keys = 0, seen = 0;
    memset(count, 0, sizeof count);
    *longest = pat_index_probe_max(index);
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        const struct pat_index_shard *shard = &index->shard[s];
        for (uint32_t b = 0; b < shard->buckets; b++) {
            for (unsigned i = 0; i < PAT_INDEX_BUCKET && shard->bucket[b].next[i] != 0; i++) {
                const uint32_t home = pat_index_bucket_of(shard->bucket[b].tag[i], shard->buckets);
                const uint32_t probes = (b >= home ? b - home : b + shard->buckets - home) + 1;
                count[probes < PROBES_MAX ? probes : PROBES_MAX - 1]++;
                keys++;
            }
        }
    }
    for (unsigned p = 0; p < PROBES_MAX; p++) {
        seen += count[p];
        if (seen * 100 >= keys * 99) return p;
    }
    return PROBES_MAX;
}

struct measure {
    unsigned p99, longest;
};

static struct measure measure(key_maker *make, uint64_t keys) {
    struct pat_store *store;
    char entropy[64];
    const int length = snprintf(entropy, sizeof entropy, ENTROPY "%" PRIu64, seed);
    const struct pat_store_options options = {
        .base_currency = "EUR", .entropy = entropy, .entropy_bytes = (size_t)length};
    if (pat_store_open(&store, &options, NULL) != PAT_OK) exit(EXIT_FAILURE);
    struct pat_index *index = &store->table[PAT_CUSTOMERS].index;
    for (uint64_t i = 0; i < keys; i++) {
        unsigned char text[CRAFTED_ID];
        pat_index_add(index, pat_store__id_hash(store, make(i, text)), (uint32_t)i);
    }
    struct measure result;
    result.p99 = probes_p99(index, &result.longest);
    pat_store_close(&store);
    return result;
}

/* That the crafted texts are what they claim to be: with the default secret all have one hash. */
static bool all_collide(uint64_t keys) {
    unsigned char text[CRAFTED_ID];
    (void)colliding_text(0, text);
    const struct pat_digest first = pat_digest_of(text, sizeof text);
    struct pat_hash_secret known;
    memset(known.bytes, 0, sizeof known.bytes);
    memcpy(known.bytes, default_secret, sizeof default_secret);
    const uint64_t hash = pat_hash_keyed(&known, text, sizeof text);
    for (uint64_t i = 1; i < keys; i++) {
        (void)colliding_text(i, text);
        if (pat_hash_keyed(&known, text, sizeof text) != hash) return false;
        if (pat_digest_equal(first, pat_digest_of(text, sizeof text))) return false; /* they are different texts */
    }
    return true;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        key_maker *make;
        bool text;
    } family[] = {{"texts of one XXH3 hash", colliding_text, true},
                  {"texts that differ in one place", one_place_text, true},
                  {"numbers that count up", counting_number, false},
                  {"numbers in the high bits", high_number, false},
                  {"multiples of the golden ratio", golden_number, false}};
    if (argc != 3) return EXIT_FAILURE;
    const uint64_t keys = strtoull(argv[1], NULL, 10);
    seed = strtoull(argv[2], NULL, 10);
    const struct measure texts = measure(random_text, keys), numbers = measure(random_number, keys);
    unsigned violations = 0;
    if (!all_collide(keys < 10000 ? keys : 10000)) {
        (void)printf("VIOLATION: the crafted texts do not collide without a secret: this program shows nothing\n");
        violations++;
    }
    (void)printf("{\"random\": [%u, %u]", texts.p99, texts.longest);
    for (size_t i = 0; i < sizeof family / sizeof family[0]; i++) {
        const struct measure crafted = measure(family[i].make, keys);
        const struct measure random = family[i].text ? texts : numbers;
        (void)printf(", \"%s\": [%u, %u]", family[i].name, crafted.p99, crafted.longest);
        violations += crafted.p99 > random.p99 * TIMES_MAX;
    }
    (void)printf(", \"violations\": %u}\n", violations);
    return EXIT_SUCCESS;
}
