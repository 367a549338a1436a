#include "base/arena.h"

#include "base/mem.h"
#include "base/scratch.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* First block: an ordinary small request fits; later blocks double up to the cap so that big answers need few. */
#define BLOCK_BYTES_FIRST ((size_t)4096)
#define BLOCK_BYTES_CAP   ((size_t)1 << 20)
/* What a reset may keep: what a batch of a row or a look-up takes. */
#define BLOCK_BYTES_KEPT ((size_t)8192)
#define HEADER_BYTES     ((size_t)64)

struct pat_arena_block {
    struct pat_arena_block *next;
    size_t capacity; /* bytes behind the header */
    size_t used;
    size_t scratch; /* bytes that pat_scratch_take gave; 0: a block of pat_mem_alloc */
};

void pat_arena_init(struct pat_arena *arena, size_t bytes_max) {
    *arena = (struct pat_arena){.bytes_max = bytes_max};
}

static void arena_give_block(struct pat_arena_block *block) {
    if (block->scratch > 0) {
        pat_scratch_give(PAT_MEM_QUERY, block, block->scratch);
    } else {
        pat_mem_free(PAT_MEM_QUERY, block);
    }
}

void pat_arena_deinit(struct pat_arena *arena) {
    while (arena->head != NULL) {
        struct pat_arena_block *next = arena->head->next;
        arena_give_block(arena->head);
        arena->head = next;
    }
    arena->bytes_used = 0;
}

void pat_arena_reset(struct pat_arena *arena) {
    struct pat_arena_block *kept = NULL;
    while (arena->head != NULL) {
        struct pat_arena_block *block = arena->head;
        arena->head = block->next;
        if (kept == NULL && block->capacity >= BLOCK_BYTES_FIRST && block->capacity <= BLOCK_BYTES_KEPT) {
            kept = block;
        } else {
            arena_give_block(block);
        }
    }
    arena->head = kept;
    arena->bytes_used = kept != NULL ? HEADER_BYTES + kept->capacity : 0;
    if (kept == NULL) return;
    memset((char *)kept + HEADER_BYTES, 0, kept->used);
    kept->used = 0;
    kept->next = NULL;
}

/* Of `capacity` bytes, zeroed or not; NULL when arena or budget have no room for it. Not linked yet. */
static struct pat_arena_block *arena_take_block(struct pat_arena *arena, size_t capacity, bool zeroed) {
    size_t total;
    if (!pat_size_add(capacity, HEADER_BYTES, &total)) return NULL;
    if (arena->bytes_max != 0 && (total > arena->bytes_max || arena->bytes_used > arena->bytes_max - total))
        return NULL;
    const bool big = total >= PAT_SCRATCH_FROM_BYTES;
    size_t scratch = 0;
    struct pat_arena_block *block = big      ? pat_scratch_take(PAT_MEM_QUERY, total, &scratch)
                                    : zeroed ? pat_mem_alloc(PAT_MEM_QUERY, total)
                                             : pat_mem_alloc_big(PAT_MEM_QUERY, total);
    if (block == NULL) return NULL;
    if (big && zeroed) memset(block, 0, total);
    *block = (struct pat_arena_block){.capacity = capacity, .scratch = scratch};
    arena->bytes_used += total;
    return block;
}

/* Behind the head, so that the room left in the head is not lost. */
static void arena_link_second(struct pat_arena *arena, struct pat_arena_block *block) {
    if (arena->head == NULL) {
        arena->head = block;
        return;
    }
    block->next = arena->head->next;
    arena->head->next = block;
}

static struct pat_arena_block *arena_add_block(struct pat_arena *arena, size_t bytes) {
    size_t capacity = arena->head == NULL ? BLOCK_BYTES_FIRST : arena->head->capacity * 2;
    if (capacity > BLOCK_BYTES_CAP) capacity = BLOCK_BYTES_CAP;
    if (capacity < bytes) capacity = bytes;
    struct pat_arena_block *block = arena_take_block(arena, capacity, true);
    if (block == NULL) return NULL;
    /* A block for one big array. */
    if (bytes == capacity) {
        arena_link_second(arena, block);
    } else {
        block->next = arena->head;
        arena->head = block;
    }
    return block;
}

void *pat_arena_alloc(struct pat_arena *arena, size_t bytes) {
    size_t align = bytes >= 256 ? 64 : 16;
    struct pat_arena_block *block = arena->head;
    if (block != NULL) {
        size_t start = pat_size_round_up(block->used, align);
        if (start <= block->capacity && bytes <= block->capacity - start) {
            block->used = start + bytes;
            return (char *)block + HEADER_BYTES + start;
        }
    }
    block = arena_add_block(arena, bytes == 0 ? 1 : bytes);
    if (block == NULL) return NULL;
    block->used = bytes;
    return (char *)block + HEADER_BYTES;
}

void *pat_arena_array(struct pat_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (!pat_size_mul(count, size, &bytes)) return NULL;
    return pat_arena_alloc(arena, bytes);
}

void *pat_arena_array_big(struct pat_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (!pat_size_mul(count, size, &bytes)) return NULL;
    struct pat_arena_block *block = arena_take_block(arena, bytes, false);
    if (block == NULL) return NULL;
    block->used = bytes; /* full: nothing that must be zero ever lies in it */
    arena_link_second(arena, block);
    return (char *)block + HEADER_BYTES;
}

struct pat_text pat_arena_text(struct pat_arena *arena, struct pat_text text) {
    char *copy = pat_arena_alloc(arena, text.length + 1);
    if (copy == NULL) return (struct pat_text){NULL, 0};
    if (text.length > 0) memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return (struct pat_text){copy, text.length};
}

struct pat_text pat_arena_printf(struct pat_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) return (struct pat_text){NULL, 0};
    char *out = pat_arena_alloc(arena, (size_t)length + 1);
    if (out == NULL) return (struct pat_text){NULL, 0};
    va_start(args, format);
    (void)vsnprintf(out, (size_t)length + 1, format, args);
    va_end(args);
    return (struct pat_text){out, (size_t)length};
}
