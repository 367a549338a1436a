/* A dictionary: texts of a low-cardinality column to dense codes. Codes are given in order of first sight and never
 * change. Readers may turn codes below their view's count into texts while the writer adds more: entries live in
 * segments that never move. */
#ifndef PAT_STORE_DICT_H
#define PAT_STORE_DICT_H

#include "base/hash.h"
#include "store/heap.h"
#include "store/index.h"

#include <stdint.h>

#define PAT_DICT_FIRST_SHIFT 6u /* segment k holds 64 << k entries */
/* 64 x (2^26 - 1) entries: nearly all that 32 bits of a code can name. */
#define PAT_DICT_SEGMENTS 26u

struct pat_dict {
    struct pat_heap *heap;
    const struct pat_hash_secret *secret;
    uint64_t *segment[PAT_DICT_SEGMENTS]; /* places in the heap */
    uint32_t count;
    struct pat_index index; /* writer only */
};

void pat_dict_init(struct pat_dict *dict, struct pat_heap *heap, const struct pat_hash_secret *secret);
void pat_dict_deinit(struct pat_dict *dict);
/* Code of `text`, added when new. At most PAT_DICT_TEXT_BYTES_MAX bytes. Writer. */
uint32_t pat_dict_add(struct pat_dict *dict, struct pat_text text);
/* Code of `text` or UINT32_MAX. Writer. */
uint32_t pat_dict_find(const struct pat_dict *dict, struct pat_text text);
/* Place of an entry in the heap; any thread, code below the count it knows. */
uint64_t pat_dict_place(const struct pat_dict *dict, uint32_t code);
struct pat_text pat_dict_text(const struct pat_dict *dict, uint32_t code);
/* Restore: adds the entry at `place`. */
void pat_dict_restore(struct pat_dict *dict, uint64_t place);

#endif
