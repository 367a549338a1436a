#include "store/heap.h"

#include "base/mem.h"
#include "base/status.h"

#include <string.h>

#define SEGMENT_BYTES (1u << PAT_HEAP_SEGMENT_SHIFT)

void pat_heap_init(struct pat_heap *heap) {
    *heap = (struct pat_heap){0};
    heap->segment = pat_mem_alloc_must(PAT_MEM_TEXT, PAT_HEAP_SEGMENTS_MAX * sizeof *heap->segment);
}

void pat_heap_deinit(struct pat_heap *heap) {
    if (heap->segment == NULL) return;
    for (uint32_t i = 0; i < PAT_HEAP_SEGMENTS_MAX && heap->segment[i] != NULL; i++) {
        pat_mem_free(PAT_MEM_TEXT, heap->segment[i]);
    }
    pat_mem_free(PAT_MEM_TEXT, heap->segment);
    heap->segment = NULL;
}

static unsigned char *heap_segment(struct pat_heap *heap, uint64_t place) {
    uint64_t index = place >> PAT_HEAP_SEGMENT_SHIFT;
    PAT_ASSERT(index < PAT_HEAP_SEGMENTS_MAX);
    if (heap->segment[index] == NULL) heap->segment[index] = pat_mem_alloc_must(PAT_MEM_TEXT, SEGMENT_BYTES);
    return heap->segment[index];
}

uint64_t pat_heap_add(struct pat_heap *heap, struct pat_text text) {
    PAT_ASSERT(text.length <= UINT8_MAX);
    uint32_t left = SEGMENT_BYTES - (uint32_t)(heap->end & (SEGMENT_BYTES - 1));
    if (left < text.length + 1)
        heap->end += left; /* the rest of a segment stays zero: an empty text, pointed to by nobody */
    uint64_t place = heap->end;
    unsigned char *at = heap_segment(heap, place) + (place & (SEGMENT_BYTES - 1));
    at[0] = (unsigned char)text.length;
    if (text.length > 0) memcpy(at + 1, text.data, text.length);
    heap->end += text.length + 1;
    return place;
}

bool pat_heap_holds(const struct pat_heap *heap, uint64_t place) {
    if (place >= heap->end) return false;
    uint64_t segment_end = (place | (SEGMENT_BYTES - 1)) + 1;
    uint64_t end = segment_end < heap->end ? segment_end : heap->end;
    return pat_heap_get(heap, place).length < end - place;
}

void pat_heap_restore(struct pat_heap *heap, const unsigned char *bytes, uint32_t count) {
    PAT_ASSERT((heap->end & (SEGMENT_BYTES - 1)) == 0);
    PAT_ASSERT(count <= SEGMENT_BYTES);
    if (count == 0) return;
    memcpy(heap_segment(heap, heap->end), bytes, count);
    heap->end += count;
}
