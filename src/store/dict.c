#include "store/dict.h"

#include "base/mem.h"
#include "base/status.h"

void pat_dict_init(struct pat_dict *dict, struct pat_heap *heap, const struct pat_hash_secret *secret) {
    *dict = (struct pat_dict){.heap = heap, .secret = secret};
    pat_index_init(&dict->index);
}

void pat_dict_deinit(struct pat_dict *dict) {
    for (unsigned i = 0; i < PAT_DICT_SEGMENTS; i++) pat_mem_free(PAT_MEM_TEXT, dict->segment[i]);
    pat_index_deinit(&dict->index);
}

/* Segment k holds the codes from 64 * (2^k - 1) on. */
static uint64_t *dict_slot(const struct pat_dict *dict, uint32_t code, unsigned *segment, uint32_t *within) {
    uint64_t from_one = ((uint64_t)code >> PAT_DICT_FIRST_SHIFT) + 1;
    unsigned k = 63u - (unsigned)__builtin_clzll(from_one);
    *segment = k;
    *within = code - ((uint32_t)((1ull << k) - 1) << PAT_DICT_FIRST_SHIFT);
    return dict->segment[k];
}

uint64_t pat_dict_place(const struct pat_dict *dict, uint32_t code) {
    unsigned segment;
    uint32_t within;
    return dict_slot(dict, code, &segment, &within)[within];
}

struct pat_text pat_dict_text(const struct pat_dict *dict, uint32_t code) {
    return pat_heap_get(dict->heap, pat_dict_place(dict, code));
}

struct dict_key {
    const struct pat_dict *dict;
    struct pat_text text;
};

static bool dict_match(const void *context, uint32_t code) {
    const struct dict_key *key = context;
    return pat_text_equal(pat_dict_text(key->dict, code), key->text);
}

static uint64_t dict_hash(const struct pat_dict *dict, struct pat_text text) {
    return pat_hash_keyed(dict->secret, text.data, text.length);
}

uint32_t pat_dict_find(const struct pat_dict *dict, struct pat_text text) {
    struct dict_key key = {dict, text};
    return pat_index_find(&dict->index, dict_hash(dict, text), dict_match, &key);
}

static uint32_t dict_push(struct pat_dict *dict, uint64_t place) {
    uint32_t code = dict->count;
    unsigned segment;
    uint32_t within;
    if (dict_slot(dict, code, &segment, &within) == NULL) {
        PAT_ASSERT(segment < PAT_DICT_SEGMENTS);
        size_t entries = (size_t)1 << (segment + PAT_DICT_FIRST_SHIFT);
        dict->segment[segment] = pat_mem_alloc_must(PAT_MEM_TEXT, entries * sizeof **dict->segment);
    }
    dict->segment[segment][within] = place;
    dict->count++;
    return code;
}

uint32_t pat_dict_add(struct pat_dict *dict, struct pat_text text) {
    uint32_t code = pat_dict_find(dict, text);
    if (code != UINT32_MAX) return code;
    code = dict_push(dict, pat_heap_add(dict->heap, text));
    pat_index_add(&dict->index, dict_hash(dict, text), code);
    return code;
}

void pat_dict_restore(struct pat_dict *dict, uint64_t place) {
    uint32_t code = dict_push(dict, place);
    pat_index_add(&dict->index, dict_hash(dict, pat_heap_get(dict->heap, place)), code);
}
