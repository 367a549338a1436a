/* Texts that rows point to: ids that are no decimals, and dictionary entries. Append-only; a place never moves, so
 * readers need no copy. An entry is one length byte and up to 255 bytes, and lies in one segment. */
#ifndef PAT_STORE_HEAP_H
#define PAT_STORE_HEAP_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define PAT_HEAP_SEGMENT_SHIFT 18u /* 256 KiB: little is lost in a small store, few segments in a big one */
/* 16 GiB of texts; the list of them is half a megabyte, which is why it need never move. */
#define PAT_HEAP_SEGMENTS_MAX 65536u

struct pat_heap {
    unsigned char **segment; /* [PAT_HEAP_SEGMENTS_MAX]; the array never moves */
    uint64_t end;            /* next free place */
};

void pat_heap_init(struct pat_heap *heap);
void pat_heap_deinit(struct pat_heap *heap);
/* Copies `text` (at most 255 bytes) and gives its place. */
uint64_t pat_heap_add(struct pat_heap *heap, struct pat_text text);
static inline struct pat_text pat_heap_get(const struct pat_heap *heap, uint64_t place) {
    const unsigned char *at =
        heap->segment[place >> PAT_HEAP_SEGMENT_SHIFT] + (place & ((1u << PAT_HEAP_SEGMENT_SHIFT) - 1));
    return (struct pat_text){(const char *)at + 1, at[0]};
}
/* True when a whole entry lies at `place`. For what a file says. */
bool pat_heap_holds(const struct pat_heap *heap, uint64_t place);
/* Restore: appends raw bytes of the next segment (a whole one but for the last). */
void pat_heap_restore(struct pat_heap *heap, const unsigned char *bytes, uint32_t count);

#endif
