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
    _Atomic size_t claimed;  /* in use, about to be, suspended or promised: what the budget is held against */
    _Atomic size_t promised; /* of it, for pat_mem_alloc_must to redeem */
    _Atomic bool redeeming;
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

/* Room beside `claimed` and the pages that wait to serve again. */
static bool has_room(size_t budget, size_t claimed, size_t bytes) {
    const size_t total = claimed + pat_pages_waiting();
    return total <= budget && bytes <= budget - total;
}

static bool fits(size_t budget, size_t bytes) {
    return has_room(budget, atomic_load_explicit(&accountant.claimed, memory_order_relaxed), bytes);
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

static void unclaim(size_t bytes) {
    atomic_fetch_sub_explicit(&accountant.claimed, bytes, memory_order_relaxed);
}

/* Looks and takes in one step: of many who come at once only so many get something as there is room for. */
static bool try_claim(size_t budget, size_t bytes) {
    size_t claimed = atomic_load_explicit(&accountant.claimed, memory_order_relaxed);
    do {
        if (budget != 0 && !has_room(budget, claimed, bytes)) return false;
    } while (!atomic_compare_exchange_weak_explicit(&accountant.claimed, &claimed, claimed + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static bool claim(size_t bytes) {
    const size_t budget = pat_mem_budget();
    return try_claim(budget, bytes) || (pat_mem_drop_waiting() && try_claim(budget, bytes));
}

/* Of what was promised, as much of `bytes` as is left of it. */
static size_t redeem(size_t bytes) {
    if (!atomic_load_explicit(&accountant.redeeming, memory_order_relaxed)) return 0;
    size_t promised = atomic_load_explicit(&accountant.promised, memory_order_relaxed), taken;
    do {
        taken = bytes < promised ? bytes : promised;
    } while (taken > 0 && !atomic_compare_exchange_weak_explicit(&accountant.promised, &promised, promised - taken,
                                                                 memory_order_relaxed, memory_order_relaxed));
    return taken;
}

/* A claim that nobody can refuse. */
static void claim_must(size_t bytes) {
    const size_t redeemed = redeem(bytes);
    if (redeemed < bytes) atomic_fetch_add_explicit(&accountant.claimed, bytes - redeemed, memory_order_relaxed);
}

/* A block has so many bytes, for which `claimed` were taken. */
static void account(enum pat_mem_purpose purpose, size_t bytes, size_t claimed) {
    atomic_fetch_add_explicit(&accountant.used[purpose], bytes, memory_order_relaxed);
    if (bytes != claimed) atomic_fetch_add_explicit(&accountant.claimed, bytes - claimed, memory_order_relaxed);
}

bool pat_mem_promise(size_t bytes) {
    if (!claim(bytes)) return false;
    atomic_fetch_add_explicit(&accountant.promised, bytes, memory_order_relaxed);
    return true;
}

void pat_mem_redeem(bool redeeming) {
    atomic_store_explicit(&accountant.redeeming, redeeming, memory_order_relaxed);
}

void pat_mem_promise_keep(size_t bytes) {
    size_t promised = atomic_load_explicit(&accountant.promised, memory_order_relaxed);
    while (promised > bytes) {
        if (!atomic_compare_exchange_weak_explicit(&accountant.promised, &promised, bytes, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        unclaim(promised - bytes);
        return;
    }
}

size_t pat_mem_promised(void) {
    return atomic_load_explicit(&accountant.promised, memory_order_relaxed);
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
static bool whole_lines(size_t bytes, size_t *whole) {
    if (!pat_size_add(bytes, MALLOC_HEAD_BYTES + PAT_MEM_ALIGN - 1, whole)) return false;
    *whole = *whole / PAT_MEM_ALIGN * PAT_MEM_ALIGN - MALLOC_HEAD_BYTES;
    return true;
}

static void *take_aligned(size_t bytes) {
    void *aligned = NULL;
    size_t whole;
    if (!whole_lines(bytes, &whole)) return NULL;
    if (whole <= TRIED_BYTES_MAX) {
        void *const block = malloc(whole);
        if (block == NULL || (uintptr_t)block % PAT_MEM_ALIGN == 0) return block;
        free(block);
    }
    return posix_memalign(&aligned, PAT_MEM_ALIGN, whole) == 0 ? aligned : NULL;
}

/* What a block of `bytes` will have, nearly always; what it has in fact is accounted for when it is there. */
static size_t bytes_expected(size_t bytes) {
    size_t whole;
    if (bytes >= ALIGN_FROM_BYTES) return whole_lines(bytes, &whole) ? whole : bytes;
    whole = (bytes + MALLOC_HEAD_BYTES + 15) / 16 * 16;
    return (whole < 32 ? 32 : whole) - MALLOC_HEAD_BYTES;
}

static void *take_raw(size_t bytes) {
    return bytes < ALIGN_FROM_BYTES ? malloc(bytes == 0 ? 1 : bytes) : take_aligned(bytes);
}

static void *take_zeroed(size_t bytes) {
    if (bytes < ALIGN_FROM_BYTES) return calloc(1, bytes == 0 ? 1 : bytes);
    void *const block = take_aligned(bytes);
    if (block != NULL) memset(block, 0, bytes);
    return block;
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

static void *take_big(size_t bytes) {
    if (bytes < PAGES_FROM_BYTES) return take_raw(bytes); /* small pages do */
    void *block = take_pages(bytes);
    if (block != NULL) return block;
    if (posix_memalign(&block, PAT_HUGE_PAGE_BYTES, bytes) != 0) return NULL;
    (void)madvise(block, bytes, MADV_HUGEPAGE); /* an advice: without it the memory is as good, only slower */
    return block;
}

/* Claims first, since taking and clearing it takes a while. */
static void *alloc(enum pat_mem_purpose purpose, size_t bytes, void *(*take)(size_t bytes)) {
    const size_t claimed = bytes_expected(bytes);
    if (fault_due() || !claim(claimed)) return NULL;
    void *const block = take(bytes);
    if (block == NULL) {
        unclaim(claimed);
        return NULL;
    }
    account(purpose, bytes_of(block), claimed);
    return block;
}

void *pat_mem_alloc(enum pat_mem_purpose purpose, size_t bytes) {
    return alloc(purpose, bytes, take_zeroed);
}

void *pat_mem_alloc_big(enum pat_mem_purpose purpose, size_t bytes) {
    return alloc(purpose, bytes, take_big);
}

static _Noreturn void give_up(enum pat_mem_purpose purpose, size_t bytes) {
    (void)fprintf(stderr,
                  "patron: the system has no memory for %zu bytes (%s); acknowledged batches are safe in the journal\n",
                  bytes, pat_mem_purpose_name(purpose));
    abort();
}

static void *alloc_must(enum pat_mem_purpose purpose, size_t bytes, void *(*take)(size_t bytes)) {
    void *const block = take(bytes);
    if (block == NULL) give_up(purpose, bytes);
    const size_t got = malloc_usable_size(block);
    claim_must(got);
    account(purpose, got, got);
    return block;
}

void *pat_mem_alloc_must(enum pat_mem_purpose purpose, size_t bytes) {
    return alloc_must(purpose, bytes, take_zeroed);
}

void *pat_mem_alloc_raw_must(enum pat_mem_purpose purpose, size_t bytes) {
    return alloc_must(purpose, bytes, take_raw);
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
    claim_must(bytes);
    account(purpose, bytes, bytes);
}

void pat_mem_drop_pages(enum pat_mem_purpose purpose, void *pages, size_t bytes, size_t used) {
    PAT_ASSERT((uintptr_t)pages % PAGE_BYTES == 0);
    (void)madvise(pages, bytes, MADV_DONTNEED);
    atomic_fetch_sub_explicit(&accountant.used[purpose], used, memory_order_relaxed);
    unclaim(used);
}

void *pat_mem_grow(enum pat_mem_purpose purpose, void *block, size_t bytes_old, size_t bytes_new) {
    void *bigger = alloc(purpose, bytes_new, take_raw);
    if (bigger == NULL) return NULL;
    if (block != NULL) memcpy(bigger, block, bytes_old < bytes_new ? bytes_old : bytes_new);
    pat_mem_free(purpose, block);
    return bigger;
}

/* What becomes of its pages is counted before it is not: nobody sees less in between than there is. */
static void give_claimed(void *block, size_t bytes) {
    give(block);
    unclaim(bytes);
}

void pat_mem_free(enum pat_mem_purpose purpose, void *block) {
    if (block == NULL) return;
    const size_t bytes = bytes_of(block);
    atomic_fetch_sub_explicit(&accountant.used[purpose], bytes, memory_order_relaxed);
    give_claimed(block, bytes);
}

void *pat_mem_suspend(enum pat_mem_purpose purpose, void *block) {
    atomic_fetch_sub_explicit(&accountant.used[purpose], bytes_of(block), memory_order_relaxed);
    return block;
}

void *pat_mem_resume(enum pat_mem_purpose purpose, void *block) {
    atomic_fetch_add_explicit(&accountant.used[purpose], bytes_of(block), memory_order_relaxed);
    return block;
}

void pat_mem_free_suspended(void *block) {
    if (block != NULL) give_claimed(block, bytes_of(block));
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
    size_t total = 0;
    for (int purpose = 0; purpose < PAT_MEM_PURPOSES; purpose++) total += pat_mem_used((enum pat_mem_purpose)purpose);
    return total;
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
