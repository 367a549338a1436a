#include "store/index.h"

#include "base/mem.h"
#include "base/status.h"

#define NONE                 UINT32_MAX
#define SHARD_CAPACITY_FIRST 16u
/* From this capacity on shards lie in regions, of 2 MiB and more: below, a dictionary of a few words would take pages
 * for shards that it does not have. */
#define REGION_LEVEL_FIRST 6u

void pat_index_init(struct pat_index *index) {
    *index = (struct pat_index){0};
}

/* ---- where shards live ------------------------------------------------------------------------------------------- */

static unsigned level_of(uint64_t capacity) {
    return (unsigned)__builtin_ctzll(capacity / SHARD_CAPACITY_FIRST);
}

static size_t region_bytes(unsigned level) {
    return ((size_t)SHARD_CAPACITY_FIRST << level) * PAT_INDEX_SHARDS * sizeof(struct pat_index_slot);
}

static struct pat_index_slot *slots_take(struct pat_index *index, uint32_t s, uint32_t capacity) {
    const unsigned level = level_of(capacity);
    if (level < REGION_LEVEL_FIRST) {
        return pat_mem_alloc_must(PAT_MEM_INDEX, (size_t)capacity * sizeof(struct pat_index_slot));
    }
    PAT_ASSERT(level < PAT_INDEX_LEVELS);
    struct pat_index_region *region = &index->region[level];
    if (region->slot == NULL) region->slot = pat_mem_map_must(PAT_MEM_INDEX, region_bytes(level));
    region->shards++;
    return region->slot + (size_t)s * capacity;
}

static void slots_give(struct pat_index *index, const struct pat_index_shard *shard) {
    if (shard->capacity == 0) return;
    const unsigned level = level_of(shard->capacity);
    if (level < REGION_LEVEL_FIRST) {
        pat_mem_free(PAT_MEM_INDEX, shard->slot);
        return;
    }
    struct pat_index_region *region = &index->region[level];
    if (--region->shards > 0) return;
    pat_mem_unmap(PAT_MEM_INDEX, region->slot, region_bytes(level));
    region->slot = NULL;
}

void pat_index_deinit(struct pat_index *index) {
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) slots_give(index, &index->shard[i]);
    *index = (struct pat_index){0};
}

/* ---- looking for keys -------------------------------------------------------------------------------------------- */

uint32_t pat_index_find(const struct pat_index *index, uint64_t hash, pat_index_match *match, const void *context) {
    const struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    if (shard->count == 0) return NONE;
    uint32_t tag = pat_index_tag_of(hash), mask = shard->capacity - 1;
    for (uint32_t i = tag & mask;; i = (i + 1) & mask) {
        struct pat_index_slot slot = shard->slot[i];
        if (slot.next == 0) return NONE;
        if (slot.tag == tag && match(context, slot.next - 1)) return slot.next - 1;
    }
}

uint32_t pat_index_peek(const struct pat_index *index, uint64_t hash) {
    const struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    if (shard->count == 0) return NONE;
    uint32_t tag = pat_index_tag_of(hash), mask = shard->capacity - 1;
    for (uint32_t i = tag & mask;; i = (i + 1) & mask) {
        struct pat_index_slot slot = shard->slot[i];
        if (slot.next == 0 || slot.tag == tag) return slot.next - 1;
    }
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static void shard_put(struct pat_index_shard *shard, struct pat_index_slot slot) {
    uint32_t mask = shard->capacity - 1, i = slot.tag & mask;
    while (shard->slot[i].next != 0) i = (i + 1) & mask;
    shard->slot[i] = slot;
}

static uint32_t capacity_next(uint32_t capacity) {
    return capacity == 0 ? SHARD_CAPACITY_FIRST : capacity * 2;
}

static void shard_grow(struct pat_index *index, uint32_t s, uint32_t capacity) {
    const struct pat_index_shard shard = index->shard[s];
    struct pat_index_shard bigger = {slots_take(index, s, capacity), capacity, shard.count};
    for (uint32_t i = 0; i < shard.capacity; i++) {
        if (shard.slot[i].next != 0) shard_put(&bigger, shard.slot[i]);
    }
    slots_give(index, &shard);
    index->shard[s] = bigger;
}

/* Up to three quarters full: linear probes stay short (2.5 on the average for a hit). */
static bool shard_is_full(uint64_t count, uint64_t capacity) {
    return (count + 1) * 4 > capacity * 3;
}

size_t pat_index_growth(const struct pat_index *index, size_t keys) {
    if (keys == 0) return 0;
    /* Twice the even share and some: hashes that spread worse than this would be an attack. */
    size_t share = keys / (PAT_INDEX_SHARDS / 2) + 8, bytes = 0, growing = 0;
    bool region[PAT_INDEX_LEVELS] = {false};
    if (share > keys) share = keys;
    if (share <= index->spare) return 0;
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) {
        const struct pat_index_shard *shard = &index->shard[i];
        uint64_t capacity = shard->capacity == 0 ? SHARD_CAPACITY_FIRST : shard->capacity;
        while (shard_is_full(shard->count + share - 1, capacity)) capacity *= 2;
        if (capacity == shard->capacity || growing == keys) continue;
        growing++;
        if (level_of(capacity) < REGION_LEVEL_FIRST) bytes += (size_t)capacity * sizeof *shard->slot;
        /* What it grows through on its way counts too: others may stay there for a while. */
        for (; capacity > shard->capacity && level_of(capacity) >= REGION_LEVEL_FIRST; capacity /= 2)
            region[level_of(capacity)] = true;
    }
    for (unsigned level = REGION_LEVEL_FIRST; level < PAT_INDEX_LEVELS; level++) {
        if (region[level] && index->region[level].slot == NULL) bytes += region_bytes(level);
    }
    return bytes;
}

/* Looking at all shards costs one look for each key that way, and small batches need not look at all. */
#define ADDS_PER_LOOK PAT_INDEX_SHARDS

static uint32_t spare_of(const struct pat_index *index) {
    uint32_t spare = UINT32_MAX;
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) {
        const struct pat_index_shard *shard = &index->shard[i];
        const uint32_t here = (uint32_t)((uint64_t)shard->capacity * 3 / 4) - shard->count;
        if (here < spare) spare = here;
    }
    return spare;
}

void pat_index_add(struct pat_index *index, uint64_t hash, uint32_t value) {
    const uint32_t s = pat_index_shard_of(hash);
    struct pat_index_shard *shard = &index->shard[s];
    if (shard_is_full(shard->count, shard->capacity)) shard_grow(index, s, capacity_next(shard->capacity));
    shard_put(shard, (struct pat_index_slot){pat_index_tag_of(hash), value + 1});
    shard->count++;
    if (index->spare > 0) index->spare--;
    if (++index->count % ADDS_PER_LOOK == 0) index->spare = spare_of(index);
}

void pat_index_reserve(struct pat_index *index, uint32_t s, uint32_t keys) {
    const struct pat_index_shard *shard = &index->shard[s];
    uint32_t capacity = shard->capacity;
    if (keys == 0) return;
    while (shard_is_full((uint64_t)shard->count + keys - 1, capacity)) capacity = capacity_next(capacity);
    if (capacity != shard->capacity) shard_grow(index, s, capacity);
}

uint32_t pat_index_put(struct pat_index *index, uint32_t s, uint32_t tag, uint32_t value, pat_index_match *match,
                       const void *context) {
    struct pat_index_shard *shard = &index->shard[s];
    const uint32_t mask = shard->capacity - 1;
    uint32_t i = tag & mask;
    for (; shard->slot[i].next != 0; i = (i + 1) & mask) {
        if (shard->slot[i].tag == tag && match(context, shard->slot[i].next - 1)) return shard->slot[i].next - 1;
    }
    shard->slot[i] = (struct pat_index_slot){tag, value + 1};
    shard->count++;
    return NONE;
}

void pat_index_renumber(struct pat_index *index, uint64_t hash, uint32_t from, uint32_t to) {
    struct pat_index_shard *shard = &index->shard[pat_index_shard_of(hash)];
    const uint32_t tag = pat_index_tag_of(hash), mask = shard->capacity - 1;
    uint32_t i = tag & mask;
    while (shard->slot[i].tag != tag || shard->slot[i].next != from + 1) i = (i + 1) & mask;
    shard->slot[i].next = to + 1;
}

void pat_index_settle(struct pat_index *index) {
    index->count = 0;
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) index->count += index->shard[i].count;
    index->spare = spare_of(index);
}

uint32_t pat_index_probe_max(const struct pat_index *index) {
    uint32_t longest = 0;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        const struct pat_index_shard *shard = &index->shard[s];
        uint32_t mask = shard->capacity - 1;
        for (uint32_t i = 0; i < shard->capacity; i++) {
            if (shard->slot[i].next == 0) continue;
            uint32_t probe = ((i - (shard->slot[i].tag & mask)) & mask) + 1;
            if (probe > longest) longest = probe;
        }
    }
    return longest;
}
