/* A hash index: 64-bit keyed hash -> u32. 256 shards by the top byte, each an open-addressing table of its own, so that
 * growing touches one part in 256 at a time.
 *
 *   shard    buckets of a cache line, entries of a full one in those behind it; up to seven eighths full
 *   growing  by a third or a half, one shard after the other: capacities of large shards are staggered, so that
 *            the index as a whole is always about three quarters full, and grows a little all the time
 *   region   all shards of a size, sixteen to a block of huge pages, which serves again when all have moved out
 *
 * Eight bytes an entry, eleven with what is free. Writer thread only; nothing is ever removed. */
#ifndef PAT_STORE_INDEX_H
#define PAT_STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAT_INDEX_SHARDS 256u
/* Sizes of shards, two to each doubling, up to 4 Mi buckets: 2^32 keys fill half of that. */
#define PAT_INDEX_LEVELS 44u
#define PAT_INDEX_BUCKET 8u

struct pat_index_bucket {
    uint32_t tag[PAT_INDEX_BUCKET];  /* bits 24..55 of the hash */
    uint32_t next[PAT_INDEX_BUCKET]; /* the value + 1; 0 = empty, as fresh pages are. Filled from the first on */
};
_Static_assert(sizeof(struct pat_index_bucket) == 64, "a bucket is a cache line");

struct pat_index_region;

struct pat_index_shard {
    struct pat_index_bucket *bucket;
    uint32_t buckets; /* 0 before the first key */
    uint32_t count;
    uint32_t level; /* meaningless before the first key */
};

struct pat_index {
    struct pat_index_shard shard[PAT_INDEX_SHARDS];
    struct pat_index_region *region[PAT_INDEX_LEVELS]; /* NULL while no shard is that large */
    uint64_t count;
    uint32_t level; /* of the largest shard */
};

/* Says whether `value`'s key is the one looked for. */
typedef bool pat_index_match(const void *context, uint32_t value);

/* A hash is known by its shard, the top byte, and its tag, the 32 bits below: their high ones also choose the bucket,
 * so that growing needs no key, and moves from front to back. */
static inline uint32_t pat_index_shard_of(uint64_t hash) {
    return (uint32_t)(hash >> 56);
}
static inline uint32_t pat_index_tag_of(uint64_t hash) {
    return (uint32_t)(hash >> 24);
}
static inline uint32_t pat_index_bucket_of(uint32_t tag, uint32_t buckets) {
    return (uint32_t)(((uint64_t)tag * buckets) >> 32);
}

void pat_index_init(struct pat_index *index);
void pat_index_deinit(struct pat_index *index);
/* The value whose key matches, or UINT32_MAX. */
uint32_t pat_index_find(const struct pat_index *index, uint64_t hash, pat_index_match *match, const void *context);
/* Asks the processor for the place where a search for this hash begins, so that the search finds it near. */
static inline void pat_index_prefetch(const struct pat_index *index, uint64_t hash) {
    const struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    if (shard->count > 0)
        __builtin_prefetch(&shard->bucket[pat_index_bucket_of(pat_index_tag_of(hash), shard->buckets)]);
}
/* A value whose key a search for this hash will compare, or UINT32_MAX when the place where it begins has none: then it
 * asks for the place behind, if the search goes on there. */
uint32_t pat_index_peek(const struct pat_index *index, uint64_t hash);
/* Adds; the key must not be there. */
void pat_index_add(struct pat_index *index, uint64_t hash, uint32_t value);

/* ---- filling a whole index, shards on different threads ---- */

/* Makes room for `keys` more in one shard. One thread. */
void pat_index_reserve(struct pat_index *index, uint32_t shard, uint32_t keys);
/* The same in three steps, so that shards move side by side: begin (false when the shard has room) and end on one
 * thread, run on any, one to a shard. Between run and end the shard is the new one. */
struct pat_index_move {
    uint32_t shard;
    struct pat_index_shard from, to;
};
bool pat_index_move_begin(struct pat_index *index, uint32_t shard, uint32_t keys, struct pat_index_move *move);
void pat_index_move_run(struct pat_index *index, struct pat_index_move *move);
void pat_index_move_end(struct pat_index *index, const struct pat_index_move *move);
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
