/* Groups by key: an open hash table of places, keys side by side. */
#include "analytics/group_private.h"

#include <string.h>

/* No group has that number (PAT_GROUPS_MAX). Room at first for what most questions have: countries, months, scores. */
#define SLOT_EMPTY   UINT32_MAX
#define GROUPS_FIRST 64u

static uint64_t hash_key(const struct pat_groups *groups, const int64_t *key) {
    uint64_t hash = PAT_HASH_SEED;
    for (uint32_t d = 0; d < groups->dimensions; d++) hash = pat_kernel_hash(hash, key[d]);
    return hash;
}

static void place_group(struct pat_groups *groups, uint32_t group) {
    const uint32_t mask = groups->slots - 1;
    uint32_t at = (uint32_t)hash_key(groups, groups->key + (size_t)group * groups->dimensions) & mask;
    while (groups->slot[at] != SLOT_EMPTY) at = (at + 1) & mask;
    groups->slot[at] = group;
}

static enum pat_status grow(struct pat_arena *arena, struct pat_groups *groups, struct pat_error *error) {
    if (groups->count >= PAT_GROUPS_MAX) {
        return pat_error_set(error, PAT_ERR_TOO_LARGE, "more than %u groups: use fewer or coarser dimensions",
                             PAT_GROUPS_MAX);
    }
    const uint32_t capacity = groups->capacity == 0 ? GROUPS_FIRST : groups->capacity * 2;
    int64_t *const key = pat_arena_array(arena, (size_t)capacity * groups->dimensions, sizeof *key);
    uint32_t *const slot = pat_arena_array(arena, (size_t)capacity * 2, sizeof *slot);
    if (key == NULL || slot == NULL) {
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for %u groups", capacity);
    }
    if (groups->count > 0) memcpy(key, groups->key, (size_t)groups->count * groups->dimensions * sizeof *groups->key);
    memset(slot, 0xff, (size_t)capacity * 2 * sizeof *groups->slot);
    groups->key = key;
    groups->slot = slot;
    groups->slots = capacity * 2;
    groups->capacity = capacity;
    for (uint32_t group = 0; group < groups->count; group++) place_group(groups, group);
    return PAT_OK;
}

static inline bool same_key(const struct pat_groups *groups, uint32_t group, const int64_t *key) {
    const int64_t *known = groups->key + (size_t)group * groups->dimensions;
    for (uint32_t d = 0; d < groups->dimensions; d++) {
        if (known[d] != key[d]) return false;
    }
    return true;
}

enum pat_status pat_groups__find_hashed(struct pat_arena *arena, struct pat_groups *groups, const int64_t *key,
                                        uint64_t hash, uint32_t *out, struct pat_error *error) {
    if (groups->count == groups->capacity) PAT_TRY(grow(arena, groups, error));
    const uint32_t mask = groups->slots - 1;
    uint32_t at = (uint32_t)hash & mask;
    for (; groups->slot[at] != SLOT_EMPTY; at = (at + 1) & mask) {
        *out = groups->slot[at];
        if (same_key(groups, *out, key)) return PAT_OK;
    }
    *out = groups->count++;
    memcpy(groups->key + (size_t)*out * groups->dimensions, key, groups->dimensions * sizeof *key);
    groups->slot[at] = *out;
    return PAT_OK;
}

enum pat_status pat_groups__find(struct pat_arena *arena, struct pat_groups *groups, const int64_t *key, uint32_t *out,
                                 struct pat_error *error) {
    return pat_groups__find_hashed(arena, groups, key, hash_key(groups, key), out, error);
}
