#include "store/index.h"

#include "base/mem.h"

#define EMPTY                UINT32_MAX
#define SHARD_CAPACITY_FIRST 16u

/* Top byte: shard. The 32 bits below it: the tag, whose low bits also choose the slot, so that growing needs no key. */
static uint32_t hash_shard(uint64_t hash) {
    return (uint32_t)(hash >> 56);
}
static uint32_t hash_tag(uint64_t hash) {
    return (uint32_t)(hash >> 24);
}

void pat_index_init(struct pat_index *index) {
    *index = (struct pat_index){0};
}

void pat_index_deinit(struct pat_index *index) {
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) pat_mem_free(PAT_MEM_INDEX, index->shard[i].slot);
    *index = (struct pat_index){0};
}

uint32_t pat_index_find(const struct pat_index *index, uint64_t hash, pat_index_match *match, const void *context) {
    const struct pat_index_shard *shard = &index->shard[hash_shard(hash)];
    if (shard->count == 0) return EMPTY;
    uint32_t tag = hash_tag(hash), mask = shard->capacity - 1;
    for (uint32_t i = tag & mask;; i = (i + 1) & mask) {
        struct pat_index_slot slot = shard->slot[i];
        if (slot.value == EMPTY) return EMPTY;
        if (slot.tag == tag && match(context, slot.value)) return slot.value;
    }
}

static void shard_put(struct pat_index_shard *shard, struct pat_index_slot slot) {
    uint32_t mask = shard->capacity - 1, i = slot.tag & mask;
    while (shard->slot[i].value != EMPTY) i = (i + 1) & mask;
    shard->slot[i] = slot;
}

static void shard_grow(struct pat_index_shard *shard) {
    struct pat_index_shard bigger = {.count = shard->count,
                                     .capacity = shard->capacity == 0 ? SHARD_CAPACITY_FIRST : shard->capacity * 2};
    bigger.slot = pat_mem_alloc_must(PAT_MEM_INDEX, (size_t)bigger.capacity * sizeof *bigger.slot);
    for (uint32_t i = 0; i < bigger.capacity; i++) bigger.slot[i].value = EMPTY;
    for (uint32_t i = 0; i < shard->capacity; i++) {
        if (shard->slot[i].value != EMPTY) shard_put(&bigger, shard->slot[i]);
    }
    pat_mem_free(PAT_MEM_INDEX, shard->slot);
    *shard = bigger;
}

/* Up to three quarters full: linear probes stay short (2.5 on the average for a hit). */
static bool shard_is_full(uint64_t count, uint64_t capacity) {
    return (count + 1) * 4 > capacity * 3;
}

size_t pat_index_growth(const struct pat_index *index, size_t keys) {
    if (keys == 0) return 0;
    /* Twice the even share and some: hashes that spread worse than this would be an attack. */
    size_t share = keys / (PAT_INDEX_SHARDS / 2) + 8, bytes = 0, growing = 0;
    if (share > keys) share = keys;
    for (unsigned i = 0; i < PAT_INDEX_SHARDS; i++) {
        const struct pat_index_shard *shard = &index->shard[i];
        uint64_t capacity = shard->capacity == 0 ? SHARD_CAPACITY_FIRST : shard->capacity;
        while (shard_is_full(shard->count + share - 1, capacity)) capacity *= 2;
        if (capacity == shard->capacity || growing == keys) continue;
        bytes += (size_t)capacity * sizeof *shard->slot;
        growing++;
    }
    return bytes;
}

void pat_index_add(struct pat_index *index, uint64_t hash, uint32_t value) {
    struct pat_index_shard *shard = &index->shard[hash_shard(hash)];
    if (shard_is_full(shard->count, shard->capacity)) shard_grow(shard);
    shard_put(shard, (struct pat_index_slot){hash_tag(hash), value});
    shard->count++;
    index->count++;
}

uint32_t pat_index_probe_max(const struct pat_index *index) {
    uint32_t longest = 0;
    for (unsigned s = 0; s < PAT_INDEX_SHARDS; s++) {
        const struct pat_index_shard *shard = &index->shard[s];
        uint32_t mask = shard->capacity - 1;
        for (uint32_t i = 0; i < shard->capacity; i++) {
            if (shard->slot[i].value == EMPTY) continue;
            uint32_t probe = ((i - (shard->slot[i].tag & mask)) & mask) + 1;
            if (probe > longest) longest = probe;
        }
    }
    return longest;
}
