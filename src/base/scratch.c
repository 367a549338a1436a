#include "base/scratch.h"

#include "base/mem.h"
#include "base/status.h"

#include <stdatomic.h>

/* Blocks that wait: a question of scores takes some ten of a megabyte and more, and several may be asked in turn. One
 * of many rows takes as many smaller ones, which have places of their own. */
#define SLOTS            32u
#define SIZES            2u
#define LARGE_FROM_BYTES ((size_t)1 << 20)
/* A block may be longer than asked for by a quarter: arrays of one table have like sizes. */
#define WASTE_SHARE 4u

/* Stands at the beginning of a block while it waits. */
struct waiting {
    size_t bytes;
};

static struct {
    _Atomic(struct waiting *) slot[SIZES * SLOTS];
    _Atomic size_t bytes;
    _Atomic unsigned next_out; /* whose turn it is to make room */
} waiting;

/* The first of the places for blocks of that size. */
static unsigned slots_of(size_t bytes) {
    return bytes >= LARGE_FROM_BYTES ? SLOTS : 0;
}

static struct waiting *slot_empty(unsigned i) {
    struct waiting *const block = atomic_exchange_explicit(&waiting.slot[i], NULL, memory_order_acquire);
    if (block != NULL) atomic_fetch_sub_explicit(&waiting.bytes, block->bytes, memory_order_relaxed);
    return block;
}

/* False when all slots are taken. */
static bool slot_fill(struct waiting *block) {
    const unsigned first = slots_of(block->bytes);
    atomic_fetch_add_explicit(&waiting.bytes, block->bytes, memory_order_relaxed);
    for (unsigned i = first; i < first + SLOTS; i++) {
        struct waiting *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&waiting.slot[i], &none, block, memory_order_release,
                                                    memory_order_relaxed)) {
            return true;
        }
    }
    atomic_fetch_sub_explicit(&waiting.bytes, block->bytes, memory_order_relaxed);
    return false;
}

static struct waiting *find(size_t bytes) {
    const unsigned first = slots_of(bytes);
    for (unsigned i = first; i < first + SLOTS; i++) {
        struct waiting *const block = slot_empty(i);
        if (block == NULL) continue;
        if (block->bytes >= bytes && block->bytes - bytes <= bytes / WASTE_SHARE) return block;
        if (!slot_fill(block)) pat_mem_free_suspended(block);
    }
    return NULL;
}

void *pat_scratch_take(enum pat_mem_purpose purpose, size_t bytes, size_t *got) {
    PAT_ASSERT(bytes >= PAT_SCRATCH_FROM_BYTES);
    struct waiting *const block = find(bytes);
    *got = block == NULL ? bytes : block->bytes;
    return block == NULL ? pat_mem_alloc_big(purpose, bytes) : pat_mem_resume(purpose, block);
}

/* What waits has not served lately: it makes room for what just has, and no more of it than that takes, for giving much
 * back at once takes milliseconds. */
static void make_room(size_t bytes) {
    for (unsigned tried = 0; tried < SIZES * SLOTS && pat_scratch_waiting() + bytes > pat_mem_waiting_max(); tried++) {
        const unsigned next = atomic_fetch_add_explicit(&waiting.next_out, 1, memory_order_relaxed);
        pat_mem_free_suspended(slot_empty(next % (SIZES * SLOTS)));
    }
}

void pat_scratch_give(enum pat_mem_purpose purpose, void *block, size_t got) {
    if (block == NULL) return;
    if (got > pat_mem_waiting_max()) {
        pat_mem_free(purpose, block);
        return;
    }
    make_room(got);
    struct waiting *const spare = pat_mem_suspend(purpose, block);
    spare->bytes = got;
    if (!slot_fill(spare)) pat_mem_free_suspended(spare);
}

size_t pat_scratch_waiting(void) {
    return atomic_load_explicit(&waiting.bytes, memory_order_relaxed);
}

bool pat_scratch_drop(void) {
    bool any = false;
    for (unsigned i = 0; i < SIZES * SLOTS; i++) {
        struct waiting *const block = slot_empty(i);
        if (block == NULL) continue;
        pat_mem_free_suspended(block);
        any = true;
    }
    return any;
}
