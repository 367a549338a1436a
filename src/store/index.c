#include "store/index.h"

#include "base/mem.h"
#include "base/status.h"

#include <string.h>

#define NONE UINT32_MAX
/* From this level on, 256 buckets or 16 KiB a shard, shards lie in regions: below, a dictionary of a few words would
 * take blocks for shards that it does not have. */
#define REGION_LEVEL_FIRST 15u
/* Shards that lie in one block, which is taken when the first of them comes and given back when the last has moved out.
 * Sixteenths: what grows and what it leaves are there at once. */
#define GROUP_SHARDS 16u
#define GROUPS       (PAT_INDEX_SHARDS / GROUP_SHARDS)
/* A group of so many buckets, 4 MiB, is whole huge pages (pat_mem_alloc_big): then its shards share what would be left
 * of the last one. */
#define GROUP_PAGED  ((size_t)65536)
#define PAGE_BUCKETS ((size_t)32768) /* 2 MiB of them */

/* All shards of one level. */
struct pat_index_region {
    struct pat_index_bucket *group[GROUPS]; /* NULL: no shard of it is here */
    uint32_t live[GROUPS];                  /* shards that are */
    uint32_t shards;
};

void pat_index_init(struct pat_index *index) {
    *index = (struct pat_index){0};
}

/* ---- where shards live ------------------------------------------------------------------------------------------- */

/* 1, 2, 3, 4, 6, 8, 12 and so on. With twice as many steps there would be a byte an entry less that is free, and adding
 * would take half as long again: entries move once for each step. */
static uint32_t level_buckets(unsigned level) {
    if (level == 0) return 1;
    return (2u + (level - 1) % 2) << ((level - 1) / 2);
}

/* Shards of a level end evenly spread between it and the next, the first one first. */
static uint32_t shard_share(unsigned level, unsigned s) {
    const uint32_t least = level_buckets(level);
    return least + (uint32_t)((uint64_t)(level_buckets(level + 1) - least) * s / PAT_INDEX_SHARDS);
}

/* What a group's shards share, and what each of them gets beside to fill the last huge page. */
static size_t group_share(unsigned level, unsigned group, uint32_t *beside) {
    size_t buckets = 0;
    for (unsigned s = group * GROUP_SHARDS; s < (group + 1) * GROUP_SHARDS; s++) buckets += shard_share(level, s);
    *beside = buckets < GROUP_PAGED ? 0 : (uint32_t)((PAGE_BUCKETS - buckets % PAGE_BUCKETS) / GROUP_SHARDS);
    return buckets;
}

static uint32_t shard_buckets(unsigned level, unsigned s) {
    uint32_t beside;
    if (level < REGION_LEVEL_FIRST) return level_buckets(level);
    (void)group_share(level, s / GROUP_SHARDS, &beside);
    return shard_share(level, s) + beside;
}

static size_t group_bytes(unsigned level, unsigned group) {
    uint32_t beside;
    const size_t buckets = group_share(level, group, &beside);
    return (buckets + (size_t)beside * GROUP_SHARDS) * sizeof(struct pat_index_bucket);
}

/* Buckets of a group before shard `s` of it. */
static size_t group_offset(unsigned level, unsigned s) {
    size_t buckets = 0;
    for (unsigned i = s / GROUP_SHARDS * GROUP_SHARDS; i < s; i++) buckets += shard_buckets(level, i);
    return buckets;
}

static size_t shard_bytes(const struct pat_index_shard *shard) {
    return (size_t)shard->buckets * sizeof *shard->bucket;
}

/* Room for it was looked for before. */
static struct pat_index_bucket *group_take(unsigned level, unsigned group) {
    const size_t bytes = group_bytes(level, group);
    void *const block = pat_mem_alloc_big(PAT_MEM_INDEX, bytes);
    return block != NULL ? block : pat_mem_alloc_raw_must(PAT_MEM_INDEX, bytes);
}

/* Its buckets are not cleared yet. */
static struct pat_index_shard shard_take(struct pat_index *index, unsigned s, unsigned level) {
    struct pat_index_shard shard = {.buckets = shard_buckets(level, s), .level = level};
    const unsigned group = s / GROUP_SHARDS;
    PAT_ASSERT(level < PAT_INDEX_LEVELS);
    if (level < REGION_LEVEL_FIRST) {
        shard.bucket = pat_mem_alloc_raw_must(PAT_MEM_INDEX, shard_bytes(&shard));
        return shard;
    }
    if (index->region[level] == NULL)
        index->region[level] = pat_mem_alloc_must(PAT_MEM_INDEX, sizeof *index->region[level]);
    struct pat_index_region *region = index->region[level];
    if (region->live[group]++ == 0) region->group[group] = group_take(level, group);
    region->shards++;
    shard.bucket = region->group[group] + group_offset(level, s);
    return shard;
}

static void region_leave(struct pat_index *index, unsigned s, unsigned level) {
    struct pat_index_region *region = index->region[level];
    const unsigned group = s / GROUP_SHARDS;
    if (--region->live[group] == 0) {
        pat_mem_free(PAT_MEM_INDEX, region->group[group]);
        region->group[group] = NULL;
    }
    if (--region->shards > 0) return;
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

static inline void bucket_put(struct pat_index_bucket *bucket, unsigned i, uint32_t tag, uint32_t next) {
    bucket->tag[i] = tag;
    bucket->next[i] = next;
}

static inline void shard_put(struct pat_index_shard *shard, uint32_t tag, uint32_t next) {
    uint32_t b = pat_index_bucket_of(tag, shard->buckets);
    while (bucket_is_full(&shard->bucket[b])) b = bucket_behind(shard, b);
    bucket_put(&shard->bucket[b], bucket_count(&shard->bucket[b]), tag, next);
}

static void shard_grow(struct pat_index *index, unsigned s, unsigned level) {
    struct pat_index_move move = {.shard = s, .to = shard_take(index, s, level)};
    pat_index_move_run(index, &move);
    pat_index_move_end(index, &move);
}

/* As bucket_count, word by word: a vector of what was just written in words waits until all of them have left the
 * processor. */
static inline unsigned bucket_count_warm(const struct pat_index_bucket *bucket) {
    unsigned count = 0;
    for (unsigned i = 0; i < PAT_INDEX_BUCKET; i++) count += bucket->next[i] != 0;
    return count;
}

/* Buckets of one shard in their order go to buckets of the other in their order. */
void pat_index_move_run(struct pat_index *index, struct pat_index_move *move) {
    struct pat_index_shard *shard = &index->shard[move->shard];
    move->from = *shard;
    *shard = move->to;
    shard->count = move->from.count;
    memset(shard->bucket, 0, shard_bytes(shard));
    for (uint32_t b = 0; b < move->from.buckets; b++) {
        const struct pat_index_bucket *bucket = &move->from.bucket[b];
        const unsigned count = bucket_count(bucket);
        for (unsigned i = 0; i < count; i++) {
            uint32_t to = pat_index_bucket_of(bucket->tag[i], shard->buckets);
            unsigned place;
            while ((place = bucket_count_warm(&shard->bucket[to])) == PAT_INDEX_BUCKET) to = bucket_behind(shard, to);
            bucket_put(&shard->bucket[to], place, bucket->tag[i], bucket->next[i]);
        }
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

/* What the allocator adds to a group: most of a huge page where it is made of such. */
static size_t group_bytes_taken(unsigned level, unsigned group) {
    const size_t bytes = group_bytes(level, group), page = PAGE_BUCKETS * sizeof(struct pat_index_bucket);
    return bytes < GROUP_PAGED * sizeof(struct pat_index_bucket) ? bytes : (bytes + page - 1) / page * page;
}

/* Bytes that shard `s` takes when it comes to a level, unless its group is there. */
static size_t coming_bytes(const struct pat_index *index, unsigned s, unsigned level) {
    if (level < REGION_LEVEL_FIRST) return (size_t)level_buckets(level) * sizeof(struct pat_index_bucket);
    const struct pat_index_region *region = index->region[level];
    const bool there = region != NULL && region->live[s / GROUP_SHARDS] > 0;
    return there ? 0 : group_bytes_taken(level, s / GROUP_SHARDS);
}

size_t pat_index_growth(const struct pat_index *index, size_t keys) {
    /* Those that grow are of one group, or their groups are there: but for an attack, or once in an index's life. */
    if (keys <= KEYS_FEW)
        return coming_bytes(index, PAT_INDEX_SHARDS - 1, index->level + 1) +
               keys * (level_buckets(index->level < REGION_LEVEL_FIRST ? index->level + 2 : 0) *
                           sizeof(struct pat_index_bucket) +
                       BESIDE_BYTES);
    /* Twice the even share and some: hashes that spread worse than this would be an attack. */
    size_t share = keys / (PAT_INDEX_SHARDS / 2) + 8, bytes = 0, growing = 0;
    if (share > keys) share = keys;
    unsigned group = GROUPS, group_level = 0; /* the last one that is in `bytes` */
    for (unsigned s = 0; s < PAT_INDEX_SHARDS && growing < keys; s++) {
        const struct pat_index_shard *shard = &index->shard[s];
        if (shard->count + share <= keys_max(shard->buckets)) continue;
        growing++;
        /* What it grows through on its way is less than that, and gone when the next one is taken. */
        const unsigned level = level_for(shard, s, shard->count + share);
        bytes += BESIDE_BYTES;
        if (level >= REGION_LEVEL_FIRST && group == s / GROUP_SHARDS && group_level == level) continue;
        bytes += coming_bytes(index, s, level);
        group = s / GROUP_SHARDS;
        group_level = level;
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
    for (uint32_t b = pat_index_bucket_of(tag, shard->buckets);; b = bucket_behind(shard, b)) {
        struct pat_index_bucket *bucket = &shard->bucket[b];
        for (uint32_t hits = bucket_hits(bucket, tag); hits != 0; hits &= hits - 1) {
            const uint32_t next = bucket->next[__builtin_ctz(hits)];
            if (next != 0 && match(context, next - 1)) return next - 1;
        }
        if (bucket_is_full(bucket)) continue;
        bucket_put(bucket, bucket_count(bucket), tag, value + 1);
        shard->count++;
        return NONE;
    }
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
