/* A hash index: 64-bit keyed hash -> u32. 256 shards by the top byte, each an open-addressing table of its own, so that
 * growing touches one part in 256 at a time. Shards of a size lie side by side once they are large: random look-ups
 * want few and huge pages. Writer thread only; nothing is ever removed. */
#ifndef PAT_STORE_INDEX_H
#define PAT_STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAT_INDEX_SHARDS 256u
/* Capacities of shards: 16 << level, up to 2^32 slots. */
#define PAT_INDEX_LEVELS 29u

struct pat_index_slot {
    uint32_t tag;  /* bits 24..55 of the hash */
    uint32_t next; /* the value + 1; 0 = empty, as fresh pages are */
};

struct pat_index_shard {
    struct pat_index_slot *slot;
    uint32_t capacity; /* power of two, 0 before the first */
    uint32_t count;
};

/* Room for all shards of one capacity. */
struct pat_index_region {
    struct pat_index_slot *slot; /* [PAT_INDEX_SHARDS * capacity]; NULL while none is that large */
    uint32_t shards;             /* that live here */
};

struct pat_index {
    struct pat_index_shard shard[PAT_INDEX_SHARDS];
    struct pat_index_region region[PAT_INDEX_LEVELS];
    uint64_t count;
    uint32_t spare; /* every shard takes this many keys more before it grows, and maybe some more than that */
};

/* Says whether `value`'s key is the one looked for. */
typedef bool pat_index_match(const void *context, uint32_t value);

/* A hash is known by its shard, the top byte, and its tag, the 32 bits below: their low ones also choose the slot, so
 * that growing needs no key. */
static inline uint32_t pat_index_shard_of(uint64_t hash) {
    return (uint32_t)(hash >> 56);
}
static inline uint32_t pat_index_tag_of(uint64_t hash) {
    return (uint32_t)(hash >> 24);
}

void pat_index_init(struct pat_index *index);
void pat_index_deinit(struct pat_index *index);
/* The value whose key matches, or UINT32_MAX. */
uint32_t pat_index_find(const struct pat_index *index, uint64_t hash, pat_index_match *match, const void *context);
/* Asks the processor for the place where a search for this hash begins, so that the search finds it near. */
static inline void pat_index_prefetch(const struct pat_index *index, uint64_t hash) {
    const struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    if (shard->count > 0) __builtin_prefetch(&shard->slot[pat_index_tag_of(hash) & (shard->capacity - 1)]);
}
/* The first value whose tag is the hash's, or UINT32_MAX: whose key a search will compare first. */
uint32_t pat_index_peek(const struct pat_index *index, uint64_t hash);
/* Adds; the key must not be there. */
void pat_index_add(struct pat_index *index, uint64_t hash, uint32_t value);

/* ---- filling a whole index, shards on different threads ---- */

/* Makes room for `keys` more in one shard. One thread. */
void pat_index_reserve(struct pat_index *index, uint32_t shard, uint32_t keys);
/* Adds to a shard that has room, unless a key that matches is there: gives that one's value, or UINT32_MAX when it was
 * added. One thread to a shard; pat_index_settle afterwards. */
uint32_t pat_index_put(struct pat_index *index, uint32_t shard, uint32_t tag, uint32_t value, pat_index_match *match,
                       const void *context);
void pat_index_settle(struct pat_index *index);
/* Gives the entry of this hash that has the value `from` the value `to`. One thread to a shard. */
void pat_index_renumber(struct pat_index *index, uint64_t hash, uint32_t from, uint32_t to);

/* Bytes that `keys` more keys may make it grow by, spread over the shards as hashes spread them. */
size_t pat_index_growth(const struct pat_index *index, size_t keys);
/* Longest probe of any entry: what an attack with crafted keys would drive up. */
uint32_t pat_index_probe_max(const struct pat_index *index);

#endif
