#include "base/mem.h"

#include "base/pages.h"
#include "base/scratch.h"
#include "base/size.h"
#include "base/status.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    _Atomic size_t limit;
    _Atomic size_t budget;
    _Atomic size_t total;
    _Atomic size_t used[PAT_MEM_PURPOSES];
    _Atomic uint64_t calls;
    _Atomic uint64_t fail_at;
} accountant;

void pat_mem_set_limit(size_t limit, size_t budget) {
    PAT_ASSERT(budget <= limit);
    atomic_store_explicit(&accountant.limit, limit, memory_order_relaxed);
    atomic_store_explicit(&accountant.budget, budget, memory_order_relaxed);
}

void pat_mem_set_budget(size_t bytes) {
    pat_mem_set_limit(bytes, bytes);
}

size_t pat_mem_limit(void) {
    return atomic_load_explicit(&accountant.limit, memory_order_relaxed);
}

size_t pat_mem_budget(void) {
    return atomic_load_explicit(&accountant.budget, memory_order_relaxed);
}

static bool fits(size_t budget, size_t bytes) {
    const size_t total = pat_mem_used_total() + pat_scratch_waiting() + pat_pages_waiting();
    return total <= budget && bytes <= budget - total;
}

/* Of the budget. Without a budget nothing else says how much is sensible. */
#define WAITING_SHARE       16u
#define WAITING_BYTES_LOOSE ((size_t)256 << 20)

size_t pat_mem_waiting_max(void) {
    const size_t budget = pat_mem_budget();
    return budget == 0 ? WAITING_BYTES_LOOSE : budget / WAITING_SHARE;
}

/* Blocks of scratch may leave their pages waiting. */
bool pat_mem_drop_waiting(void) {
    const bool scratch = pat_scratch_drop();
    return pat_pages_drop() || scratch;
}

bool pat_mem_would_fit(size_t bytes) {
    const size_t budget = pat_mem_budget();
    return budget == 0 || fits(budget, bytes) || (pat_mem_drop_waiting() && fits(budget, bytes));
}

static bool fault_due(void) {
    uint64_t fail_at = atomic_load_explicit(&accountant.fail_at, memory_order_relaxed);
    uint64_t call = atomic_fetch_add_explicit(&accountant.calls, 1, memory_order_relaxed) + 1;
    return fail_at != 0 && call == fail_at;
}

static void account(enum pat_mem_purpose purpose, size_t bytes) {
    atomic_fetch_add_explicit(&accountant.used[purpose], bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&accountant.total, bytes, memory_order_relaxed);
}

static void unaccount(enum pat_mem_purpose purpose, size_t bytes) {
    atomic_fetch_sub_explicit(&accountant.used[purpose], bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&accountant.total, bytes, memory_order_relaxed);
}

static size_t bytes_of(void *block) {
    const size_t pages = pat_pages_bytes(block);
    return pages > 0 ? pages : malloc_usable_size(block);
}

static void give(void *block) {
    if (pat_pages_bytes(block) > 0) {
        pat_pages_give(block);
    } else {
        free(block);
    }
}

/* Below this malloc's own alignment is kept: small blocks are never vector columns, and 64-byte slots would waste half.
 */
#define ALIGN_FROM_BYTES 256u
/* What malloc keeps before a block. */
#define MALLOC_HEAD_BYTES sizeof(size_t)
/* Above it blocks may be mappings of their own, which begin where no line does. */
#define TRIED_BYTES_MAX ((size_t)4 << 20)

/* glibc looks for an aligned block in holes that are longer by its alignment and some: no block could ever take the
 * place of one of the same length, and the heap of a load was half as long again as what it held. So a block is whole
 * lines with what malloc keeps before it, and where one was, malloc alone gives an aligned one. */
static void *take_aligned(size_t bytes) {
    void *aligned = NULL;
    size_t whole;
    if (!pat_size_add(bytes, MALLOC_HEAD_BYTES + PAT_MEM_ALIGN - 1, &whole)) return NULL;
    whole = whole / PAT_MEM_ALIGN * PAT_MEM_ALIGN - MALLOC_HEAD_BYTES;
    if (whole <= TRIED_BYTES_MAX) {
        void *const block = malloc(whole);
        if (block == NULL || (uintptr_t)block % PAT_MEM_ALIGN == 0) return block;
        free(block);
    }
    return posix_memalign(&aligned, PAT_MEM_ALIGN, whole) == 0 ? aligned : NULL;
}

static void *take(enum pat_mem_purpose purpose, size_t bytes) {
    void *block = NULL;
    if (bytes < ALIGN_FROM_BYTES) {
        block = calloc(1, bytes == 0 ? 1 : bytes);
    } else {
        block = take_aligned(bytes);
        if (block != NULL) memset(block, 0, bytes);
    }
    if (block != NULL) account(purpose, malloc_usable_size(block));
    return block;
}

/* The same without the zeroes. */
static void *take_raw(enum pat_mem_purpose purpose, size_t bytes) {
    void *const block = bytes < ALIGN_FROM_BYTES ? malloc(bytes == 0 ? 1 : bytes) : take_aligned(bytes);
    if (block != NULL) account(purpose, malloc_usable_size(block));
    return block;
}

void *pat_mem_alloc(enum pat_mem_purpose purpose, size_t bytes) {
    if (fault_due() || !pat_mem_would_fit(bytes)) return NULL;
    return take(purpose, bytes);
}

/* From here on a block is whole huge pages of its own (pages.h), of which the last one may be empty but for a byte. */
#define PAGES_FROM_BYTES (2 * PAT_HUGE_PAGE_BYTES)

static void *take_pages(size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    (void)bytes; /* its own blocks have ends that it watches */
    return NULL;
#else
    return pat_pages_take(bytes);
#endif
}

void *pat_mem_alloc_big(enum pat_mem_purpose purpose, size_t bytes) {
    if (fault_due() || !pat_mem_would_fit(bytes)) return NULL;
    if (bytes < PAGES_FROM_BYTES) return take_raw(purpose, bytes); /* small pages do */
    void *block = take_pages(bytes);
    if (block == NULL) {
        if (posix_memalign(&block, PAT_HUGE_PAGE_BYTES, bytes) != 0) return NULL;
        (void)madvise(block, bytes, MADV_HUGEPAGE); /* an advice: without it the memory is as good, only slower */
    }
    account(purpose, bytes_of(block));
    return block;
}

static _Noreturn void give_up(enum pat_mem_purpose purpose, size_t bytes) {
    (void)fprintf(stderr,
                  "patron: the system has no memory for %zu bytes (%s); acknowledged batches are safe in the journal\n",
                  bytes, pat_mem_purpose_name(purpose));
    abort();
}

void *pat_mem_alloc_must(enum pat_mem_purpose purpose, size_t bytes) {
    void *block = take(purpose, bytes);
    if (block == NULL) give_up(purpose, bytes);
    return block;
}

void *pat_mem_alloc_raw_must(enum pat_mem_purpose purpose, size_t bytes) {
    void *block = take_raw(purpose, bytes);
    if (block == NULL) give_up(purpose, bytes);
    return block;
}

/* Of x86-64: what the system maps and gives back at the least. */
#define PAGE_BYTES ((size_t)4096)

/* Just below the largest block that malloc can be told to take from the heap. */
#define HEAP_BLOCK_BYTES ((size_t)30 << 20)

void pat_mem_expect(size_t bytes) {
    struct piece {
        struct piece *next;
    } *pieces = NULL;
    if (bytes < 2 * HEAP_BLOCK_BYTES) return;
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, -1); /* what is given back at the end of the heap stays there */
    for (size_t taken = 0; taken < bytes; taken += HEAP_BLOCK_BYTES) {
        struct piece *piece = malloc(HEAP_BLOCK_BYTES);
        if (piece == NULL) break;
        const uintptr_t first = (uintptr_t)piece / PAGE_BYTES * PAGE_BYTES;
        const uintptr_t end = ((uintptr_t)piece + HEAP_BLOCK_BYTES) / PAGE_BYTES * PAGE_BYTES;
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
        piece->next = pieces;
        pieces = piece;
    }
    for (struct piece *next; pieces != NULL; pieces = next) {
        next = pieces->next;
        free(pieces);
    }
    (void)mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

static size_t whole_pages(size_t bytes) {
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

void *pat_mem_reserve_must(size_t bytes) {
    void *const pages = pat_pages_reserve(whole_pages(bytes));
    if (pages == NULL) give_up(PAT_MEM_OTHER, bytes);
    return pages;
}

void pat_mem_unreserve(void *pages, size_t bytes) {
    if (pages != NULL) (void)munmap(pages, whole_pages(bytes));
}

void pat_mem_use_pages(enum pat_mem_purpose purpose, size_t bytes) {
    account(purpose, bytes);
}

void pat_mem_drop_pages(enum pat_mem_purpose purpose, void *pages, size_t bytes, size_t used) {
    PAT_ASSERT((uintptr_t)pages % PAGE_BYTES == 0);
    (void)madvise(pages, bytes, MADV_DONTNEED);
    unaccount(purpose, used);
}

void *pat_mem_grow(enum pat_mem_purpose purpose, void *block, size_t bytes_old, size_t bytes_new) {
    void *bigger = fault_due() || !pat_mem_would_fit(bytes_new) ? NULL : take_raw(purpose, bytes_new);
    if (bigger == NULL) return NULL;
    if (block != NULL) memcpy(bigger, block, bytes_old < bytes_new ? bytes_old : bytes_new);
    pat_mem_free(purpose, block);
    return bigger;
}

void pat_mem_free(enum pat_mem_purpose purpose, void *block) {
    if (block == NULL) return;
    unaccount(purpose, bytes_of(block));
    give(block);
}

void *pat_mem_suspend(enum pat_mem_purpose purpose, void *block) {
    unaccount(purpose, bytes_of(block));
    return block;
}

void *pat_mem_resume(enum pat_mem_purpose purpose, void *block) {
    account(purpose, bytes_of(block));
    return block;
}

void pat_mem_free_suspended(void *block) {
    give(block);
}

void pat_mem_free_pages(enum pat_mem_purpose purpose, void *block) {
    if (block == NULL) return;
    const uintptr_t end = ((uintptr_t)block + bytes_of(block)) / PAGE_BYTES * PAGE_BYTES;
    /* The allocator keeps a few words at both ends of what is free. */
    const uintptr_t first = ((uintptr_t)block + PAT_MEM_ALIGN + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if (first < end) (void)madvise((void *)first, end - first, MADV_DONTNEED);
    pat_mem_free(purpose, block);
}

void pat_mem_retag(enum pat_mem_purpose from, enum pat_mem_purpose to, void *block) {
    if (block == NULL) return;
    size_t bytes = bytes_of(block);
    atomic_fetch_sub_explicit(&accountant.used[from], bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&accountant.used[to], bytes, memory_order_relaxed);
}

size_t pat_mem_used(enum pat_mem_purpose purpose) {
    return atomic_load_explicit(&accountant.used[purpose], memory_order_relaxed);
}

size_t pat_mem_used_total(void) {
    return atomic_load_explicit(&accountant.total, memory_order_relaxed);
}

const char *pat_mem_purpose_name(enum pat_mem_purpose purpose) {
    static const char *const names[PAT_MEM_PURPOSES] = {
        [PAT_MEM_CUSTOMERS] = "customers",
        [PAT_MEM_ORDERS] = "orders",
        [PAT_MEM_LINES] = "lines",
        [PAT_MEM_REFUNDS] = "refunds",
        [PAT_MEM_FX] = "fx",
        [PAT_MEM_INDEX] = "index",
        [PAT_MEM_TEXT] = "text",
        [PAT_MEM_VIEWS] = "views",
        [PAT_MEM_RUNS] = "runs",
        [PAT_MEM_JOURNAL] = "journal",
        [PAT_MEM_SNAPSHOT] = "snapshot",
        [PAT_MEM_NET] = "net",
        [PAT_MEM_QUERY] = "query",
        [PAT_MEM_OTHER] = "other",
    };
    PAT_ASSERT(purpose < PAT_MEM_PURPOSES);
    return names[purpose];
}

uint64_t pat_mem_fail_at(uint64_t nth) {
    uint64_t counted = atomic_exchange_explicit(&accountant.calls, 0, memory_order_relaxed);
    atomic_store_explicit(&accountant.fail_at, nth, memory_order_relaxed);
    return counted;
}

/* ---- what was not read for a while ------------------------------------------------------------------------------- */

void pat_mem_copy_far(void *restrict to, const void *restrict from, size_t bytes) {
    unsigned char *target = to;
    const unsigned char *source = from;
    while (bytes > 0) {
        const struct iovec local = {target, bytes}, far = {(void *)(uintptr_t)source, bytes};
        const ssize_t got = process_vm_readv(getpid(), &local, 1, &far, 1, 0);
        if (got <= 0) break; /* not allowed here: the other way is as good */
        target += got;
        source += got;
        bytes -= (size_t)got;
    }
    memcpy(target, source, bytes);
}
