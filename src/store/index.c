#include "store/index.h"

#include "base/mem.h"
#include "base/status.h"

#include <string.h>

#define NONE UINT32_MAX
/* From this level on, 256 buckets or 16 KiB a shard, shards lie in regions: below, a dictionary of a few words would
 * take pages for shards that it does not have. */
#define REGION_LEVEL_FIRST 15u
/* Buckets to a page of 4 KiB. */
#define PAGE_BUCKETS 64u

/* Shards whose pages are given back together, when the last of them has moved out: taking pages from under a process
 * costs far more than the call, and a call for each shard made adding keys three times as slow. */
#define GROUP_SHARDS 16u
#define GROUPS       (PAT_INDEX_SHARDS / GROUP_SHARDS)

/* All shards of one level, side by side. */
struct pat_index_region {
    unsigned char *pages;
    uint32_t shards;       /* that live here */
    uint32_t live[GROUPS]; /* of each group */
    size_t in_use[GROUPS]; /* bytes on account: of the live ones, and of those that moved out before the last */
};

void pat_index_init(struct pat_index *index) {
    *index = (struct pat_index){0};
}

/* ---- where shards live ------------------------------------------------------------------------------------------- */

/* 1, 2, 3, 4, 6, 8, 12 and so on. With twice as many steps there would be a byte an entry less that is free, and adding
 * would take half as long again: entries move once for each step, to memory that the system has just cleared. */
static uint32_t level_buckets(unsigned level) {
    if (level == 0) return 1;
    return (2u + (level - 1) % 2) << ((level - 1) / 2);
}

/* Shards of a region end evenly spread between one level and the next, the first one first. */
static uint32_t shard_buckets(unsigned level, unsigned s) {
    const uint32_t least = level_buckets(level);
    if (level < REGION_LEVEL_FIRST) return least;
    const uint32_t more = (uint32_t)((uint64_t)(level_buckets(level + 1) - least) * s / PAT_INDEX_SHARDS);
    return least + more;
}

/* Bytes of a region before shard `s`: groups begin with a page. */
static size_t region_offset(unsigned level, unsigned s) {
    size_t buckets = 0;
    for (unsigned i = 0; i < s; i++) {
        buckets += shard_buckets(level, i);
        if ((i + 1) % GROUP_SHARDS == 0) buckets = (buckets + PAGE_BUCKETS - 1) / PAGE_BUCKETS * PAGE_BUCKETS;
    }
    return buckets * sizeof(struct pat_index_bucket);
}

static size_t shard_bytes(const struct pat_index_shard *shard) {
    return (size_t)shard->buckets * sizeof *shard->bucket;
}

static struct pat_index_shard shard_take(struct pat_index *index, unsigned s, unsigned level) {
    struct pat_index_shard shard = {.buckets = shard_buckets(level, s), .level = level};
    PAT_ASSERT(level < PAT_INDEX_LEVELS);
    if (level < REGION_LEVEL_FIRST) {
        shard.bucket = pat_mem_alloc_must(PAT_MEM_INDEX, shard_bytes(&shard));
        return shard;
    }
    if (index->region[level] == NULL) {
        index->region[level] = pat_mem_alloc_must(PAT_MEM_INDEX, sizeof *index->region[level]);
        index->region[level]->pages = pat_mem_reserve_must(region_offset(level, PAT_INDEX_SHARDS));
    }
    struct pat_index_region *region = index->region[level];
    region->shards++;
    region->live[s / GROUP_SHARDS]++;
    region->in_use[s / GROUP_SHARDS] += shard_bytes(&shard);
    pat_mem_use_pages(PAT_MEM_INDEX, shard_bytes(&shard));
    shard.bucket = (void *)(region->pages + region_offset(level, s));
    return shard;
}

/* A level is left by each shard once: what it leaves is not taken again. */
static void region_leave(struct pat_index *index, unsigned s, unsigned level) {
    struct pat_index_region *region = index->region[level];
    const unsigned group = s / GROUP_SHARDS;
    if (--region->live[group] == 0) {
        const size_t from = region_offset(level, group * GROUP_SHARDS);
        const size_t bytes = region_offset(level, (group + 1) * GROUP_SHARDS) - from;
        pat_mem_drop_pages(PAT_MEM_INDEX, region->pages + from, bytes, region->in_use[group]);
        region->in_use[group] = 0;
    }
    if (--region->shards > 0) return;
    pat_mem_unreserve(region->pages, region_offset(level, PAT_INDEX_SHARDS));
    pat_mem_free(PAT_MEM_INDEX, region);
    index->region[level] = NULL;
}

static void shard_give(struct pat_index *index, unsigned s, const struct pat_index_shard *shard) {
    if (shard->buckets == 0) return;
    if (shard->level < REGION_LEVEL_FIRST) {
        pat_mem_free(PAT_MEM_INDEX, shard->bucket);
    } else {
        region_leave(index, s, shard->level);
    }
}

void pat_index_deinit(struct pat_index *index) {
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) shard_give(index, i, &index->shard[i]);
    *index = (struct pat_index){0};
}

/* ---- looking for keys -------------------------------------------------------------------------------------------- */

/* Four words at once, as compilers for any processor know them. */
typedef uint32_t words __attribute__((vector_size(16)));

/* Bit i says that word i of the eight is the one wanted. All are compared, without a branch that depends on where it
 * is. */
static inline uint32_t hits_of(const uint32_t word[PAT_INDEX_BUCKET], uint32_t one) {
    const words low_bits = {1, 2, 4, 8}, high_bits = {16, 32, 64, 128}, wanted = {one, one, one, one};
    words low, high;
    memcpy(&low, word, sizeof low);
    memcpy(&high, word + 4, sizeof high);
    const words hits = ((words)(low == wanted) & low_bits) | ((words)(high == wanted) & high_bits);
    uint64_t half[2];
    memcpy(half, &hits, sizeof half);
    const uint64_t both = half[0] | half[1];
    return (uint32_t)both | (uint32_t)(both >> 32);
}

/* Entries that may be those of the tag; an empty one may seem to have it, too. */
static inline uint32_t bucket_hits(const struct pat_index_bucket *bucket, uint32_t tag) {
    return hits_of(bucket->tag, tag);
}

/* Entries that are there, the first so many of the eight. */
static inline unsigned bucket_count(const struct pat_index_bucket *bucket) {
    return (unsigned)__builtin_ctz(hits_of(bucket->next, 0) | 1u << PAT_INDEX_BUCKET);
}

static inline bool bucket_is_full(const struct pat_index_bucket *bucket) {
    return bucket->next[PAT_INDEX_BUCKET - 1] != 0;
}

static inline uint32_t bucket_behind(const struct pat_index_shard *shard, uint32_t b) {
    return b + 1 == shard->buckets ? 0 : b + 1;
}

/* The value in a shard that is not empty whose key matches, or NONE. */
static inline uint32_t shard_find(const struct pat_index_shard *shard, uint32_t tag, pat_index_match *match,
                                  const void *context) {
    for (uint32_t b = pat_index_bucket_of(tag, shard->buckets);; b = bucket_behind(shard, b)) {
        const struct pat_index_bucket *bucket = &shard->bucket[b];
        for (uint32_t hits = bucket_hits(bucket, tag); hits != 0; hits &= hits - 1) {
            const uint32_t next = bucket->next[__builtin_ctz(hits)];
            if (next != 0 && match(context, next - 1)) return next - 1;
        }
        if (!bucket_is_full(bucket)) return NONE;
    }
}

uint32_t pat_index_find(const struct pat_index *index, uint64_t hash, pat_index_match *match, const void *context) {
    const struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    return shard->count == 0 ? NONE : shard_find(shard, pat_index_tag_of(hash), match, context);
}

uint32_t pat_index_peek(const struct pat_index *index, uint64_t hash) {
    const struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    if (shard->count == 0) return NONE;
    const uint32_t tag = pat_index_tag_of(hash), b = pat_index_bucket_of(tag, shard->buckets);
    const struct pat_index_bucket *bucket = &shard->bucket[b];
    const uint32_t hits = bucket_hits(bucket, tag);
    if (hits != 0) return bucket->next[__builtin_ctz(hits)] - 1; /* of an empty one NONE */
    if (bucket_is_full(bucket)) __builtin_prefetch(&shard->bucket[bucket_behind(shard, b)]);
    return NONE;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static inline void shard_put(struct pat_index_shard *shard, uint32_t tag, uint32_t next) {
    uint32_t b = pat_index_bucket_of(tag, shard->buckets);
    while (bucket_is_full(&shard->bucket[b])) b = bucket_behind(shard, b);
    struct pat_index_bucket *bucket = &shard->bucket[b];
    const unsigned i = bucket_count(bucket);
    bucket->tag[i] = tag;
    bucket->next[i] = next;
}

static void shard_grow(struct pat_index *index, unsigned s, unsigned level) {
    struct pat_index_move move = {.shard = s, .to = shard_take(index, s, level)};
    pat_index_move_run(index, &move);
    pat_index_move_end(index, &move);
}

/* Buckets of one shard in their order go to buckets of the other in their order. */
void pat_index_move_run(struct pat_index *index, struct pat_index_move *move) {
    struct pat_index_shard *shard = &index->shard[move->shard];
    move->from = *shard;
    *shard = move->to;
    shard->count = move->from.count;
    for (uint32_t b = 0; b < move->from.buckets; b++) {
        const struct pat_index_bucket *bucket = &move->from.bucket[b];
        const unsigned count = bucket_count(bucket);
        for (unsigned i = 0; i < count; i++) shard_put(shard, bucket->tag[i], bucket->next[i]);
    }
}

void pat_index_move_end(struct pat_index *index, const struct pat_index_move *move) {
    if (move->to.level > index->level) index->level = move->to.level;
    shard_give(index, move->shard, &move->from);
}

/* Keys that so many buckets take: seven eighths. With all of them in a bucket of its own a search that finds nothing
 * looks at two lines, one that finds something at one and a fifth. */
static uint64_t keys_max(uint32_t buckets) {
    return (uint64_t)buckets * (PAT_INDEX_BUCKET - 1);
}

/* The first level from the shard's own on in which shard `s` takes this many keys. */
static unsigned level_for(const struct pat_index_shard *shard, unsigned s, uint64_t keys) {
    unsigned level = shard->buckets == 0 ? 0 : shard->level;
    while (keys > keys_max(shard_buckets(level, s))) level++;
    return level;
}

/* Up to this many keys are answered for without a look at every shard, which would cost a single order more than all
 * else: as if each made a shard of the largest grow. */
#define KEYS_FEW 4u

/* Beside a shard's buckets: what the allocator adds, and regions of the levels that it comes through. */
#define BESIDE_BYTES (PAT_MEM_ALIGN + 2 * (sizeof(struct pat_index_region) + PAT_MEM_ALIGN))

size_t pat_index_growth(const struct pat_index *index, size_t keys) {
    if (keys <= KEYS_FEW)
        return keys * (level_buckets(index->level + 2) * sizeof(struct pat_index_bucket) + BESIDE_BYTES);
    /* Twice the even share and some: hashes that spread worse than this would be an attack. */
    size_t share = keys / (PAT_INDEX_SHARDS / 2) + 8, bytes = 0, growing = 0;
    if (share > keys) share = keys;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS && growing < keys; s++) {
        const struct pat_index_shard *shard = &index->shard[s];
        if (shard->count + share <= keys_max(shard->buckets)) continue;
        growing++;
        /* What it grows through on its way is less than that, and gone when the next one is taken. */
        bytes +=
            (size_t)shard_buckets(level_for(shard, s, shard->count + share), s) * sizeof *shard->bucket + BESIDE_BYTES;
    }
    return bytes;
}

void pat_index_add(struct pat_index *index, uint64_t hash, uint32_t value) {
    const uint32_t s = pat_index_shard_of(hash);
    struct pat_index_shard *shard = &index->shard[s];
    if (shard->count == keys_max(shard->buckets)) shard_grow(index, s, level_for(shard, s, shard->count + UINT64_C(1)));
    shard_put(shard, pat_index_tag_of(hash), value + 1);
    shard->count++;
    index->count++;
}

bool pat_index_move_begin(struct pat_index *index, uint32_t s, uint32_t keys, struct pat_index_move *move) {
    const struct pat_index_shard *shard = &index->shard[s];
    if (keys == 0) return false;
    const unsigned level = level_for(shard, s, (uint64_t)shard->count + keys);
    if (shard->buckets != 0 && level == shard->level) return false;
    *move = (struct pat_index_move){.shard = s, .to = shard_take(index, s, level)};
    return true;
}

void pat_index_reserve(struct pat_index *index, uint32_t s, uint32_t keys) {
    struct pat_index_move move;
    if (!pat_index_move_begin(index, s, keys, &move)) return;
    pat_index_move_run(index, &move);
    pat_index_move_end(index, &move);
}

uint32_t pat_index_put(struct pat_index *index, uint32_t s, uint32_t tag, uint32_t value, pat_index_match *match,
                       const void *context) {
    struct pat_index_shard *shard = &index->shard[s];
    const uint32_t there = shard_find(shard, tag, match, context);
    if (there != NONE) return there;
    shard_put(shard, tag, value + 1);
    shard->count++;
    return NONE;
}

void pat_index_renumber(struct pat_index *index, uint64_t hash, uint32_t from, uint32_t to) {
    const struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    const uint32_t tag = pat_index_tag_of(hash);
    for (uint32_t b = pat_index_bucket_of(tag, shard->buckets);; b = bucket_behind(shard, b)) {
        struct pat_index_bucket *bucket = &shard->bucket[b];
        for (uint32_t hits = bucket_hits(bucket, tag); hits != 0; hits &= hits - 1) {
            uint32_t *next = &bucket->next[__builtin_ctz(hits)];
            if (*next != from + 1) continue;
            *next = to + 1;
            return;
        }
    }
}

void pat_index_settle(struct pat_index *index) {
    index->count = 0;
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) index->count += index->shard[i].count;
}

uint32_t pat_index_probe_max(const struct pat_index *index) {
    uint32_t longest = 0;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        const struct pat_index_shard *shard = &index->shard[s];
        for (uint32_t b = 0; b < shard->buckets; b++) {
            const struct pat_index_bucket *bucket = &shard->bucket[b];
            for (unsigned i = 0; i < bucket_count(bucket); i++) {
                const uint32_t home = pat_index_bucket_of(bucket->tag[i], shard->buckets);
                const uint32_t probe = (b >= home ? b - home : b + shard->buckets - home) + 1;
                if (probe > longest) longest = probe;
            }
        }
    }
    return longest;
}
