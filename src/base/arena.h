/* A request's arena: bump allocation, freed all at once when the reply is sent. Nothing in it outlives the request.
 * Thread: one at a time. Allocates: blocks tagged PAT_MEM_QUERY, within bytes_max; the large ones from scratch.h. */
#ifndef PAT_BASE_ARENA_H
#define PAT_BASE_ARENA_H

#include "base/text.h"

#include <stddef.h>

struct pat_arena_block;

struct pat_arena {
    struct pat_arena_block *head;
    size_t bytes_used; /* sum of block sizes taken */
    size_t bytes_max;  /* 0: only the process budget limits */
};

void pat_arena_init(struct pat_arena *arena, size_t bytes_max);
void pat_arena_deinit(struct pat_arena *arena);
/* Gives everything back but for one small block, which serves the next request. */
void pat_arena_reset(struct pat_arena *arena);

/* Zeroed, aligned to 16 (to 64 from 256 bytes on). NULL when the arena's limit or the budget is used up. */
void *pat_arena_alloc(struct pat_arena *arena, size_t bytes);
/* count * size with overflow check. */
void *pat_arena_array(struct pat_arena *arena, size_t count, size_t size);
/* The same in a block of its own, not zeroed, on huge pages when it is large: for arrays that are written whole before
 * they are read. */
void *pat_arena_array_big(struct pat_arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it. data is NULL when there is no memory. */
struct pat_text pat_arena_text(struct pat_arena *arena, struct pat_text text);
/* printf into the arena; data NULL when there is no memory. */
struct pat_text pat_arena_printf(struct pat_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
