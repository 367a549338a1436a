#include "base/pages.h"

#include "base/mem.h"
#include "base/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

/* Blocks that are in use: sixteen runs of some twenty columns, and what questions and loads have. */
#define BLOCKS_MAX 1024u
/* Pieces that wait; with more of them the shortest goes. */
#define PIECES_MAX 256u

/* Whole huge pages side by side; they may be of several mappings. */
struct piece {
    unsigned char *first;
    size_t bytes;
};

static struct {
    pthread_mutex_t lock;
    struct piece block[BLOCKS_MAX];
    unsigned blocks;
    struct piece spare[PIECES_MAX];
    unsigned spares;
    _Atomic size_t waiting; /* bytes of the spare ones; changed under the lock */
} pages = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void waiting_add(size_t bytes) {
    atomic_fetch_add_explicit(&pages.waiting, bytes, memory_order_relaxed);
}

static void waiting_take(size_t bytes) {
    atomic_fetch_sub_explicit(&pages.waiting, bytes, memory_order_relaxed);
}

/* ---- address space ----------------------------------------------------------------------------------------------- */

static unsigned char *map(void *at, size_t bytes, int flags) {
    void *const mapped =
        mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

void *pat_pages_reserve(size_t bytes) {
    /* A huge page more than is wanted, to begin at a multiple; what lies before and behind goes back. */
    unsigned char *const mapped = map(NULL, bytes + PAT_HUGE_PAGE_BYTES, 0);
    if (mapped == NULL) return NULL;
    const size_t before = (PAT_HUGE_PAGE_BYTES - (uintptr_t)mapped % PAT_HUGE_PAGE_BYTES) % PAT_HUGE_PAGE_BYTES;
    if (before > 0) (void)munmap(mapped, before);
    (void)munmap(mapped + before + bytes, PAT_HUGE_PAGE_BYTES - before);
    (void)madvise(mapped + before, bytes, MADV_HUGEPAGE); /* an advice: without it the memory is as good, only slower */
    return mapped + before;
}

/* One huge page goes to another place; false leaves a fresh one there. */
static bool move(unsigned char *to, unsigned char *from) {
    const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    if (mremap(from, PAT_HUGE_PAGE_BYTES, PAT_HUGE_PAGE_BYTES, flags, to) != MAP_FAILED) return true;
    (void)munmap(from, PAT_HUGE_PAGE_BYTES);
    /* With too many mappings it fails before anything is done, and what was there is there. */
    if (madvise(to, PAT_HUGE_PAGE_BYTES, MADV_HUGEPAGE) == 0) return false;
    PAT_ASSERT(map(to, PAT_HUGE_PAGE_BYTES, MAP_FIXED) != NULL); /* nobody else may come there */
    (void)madvise(to, PAT_HUGE_PAGE_BYTES, MADV_HUGEPAGE);
    return false;
}

/* ---- pieces that wait -------------------------------------------------------------------------------------------- */

static void spare_remove(unsigned i) {
    pages.spare[i] = pages.spare[--pages.spares];
}

/* The shortest that is long enough, or none. */
static unsigned find_fitting(size_t bytes) {
    unsigned best = PIECES_MAX;
    for (unsigned i = 0; i < pages.spares; i++) {
        if (pages.spare[i].bytes < bytes) continue;
        if (best == PIECES_MAX || pages.spare[i].bytes < pages.spare[best].bytes) best = i;
    }
    return best;
}

static unsigned find_shortest(void) {
    unsigned best = 0;
    for (unsigned i = 1; i < pages.spares; i++) {
        if (pages.spare[i].bytes < pages.spare[best].bytes) best = i;
    }
    return best;
}

/* The front of a piece as it stands. */
static unsigned char *cut_front(unsigned i, size_t bytes) {
    struct piece *const piece = &pages.spare[i];
    unsigned char *const first = piece->first;
    piece->first += bytes;
    piece->bytes -= bytes;
    if (piece->bytes == 0) spare_remove(i);
    waiting_take(bytes);
    return first;
}

/* Fresh address space, on the pages of as many pieces as it takes. */
static unsigned char *gather(size_t bytes) {
    unsigned char *const block = pat_pages_reserve(bytes);
    if (block == NULL) return NULL;
    for (size_t at = 0; at < bytes && pages.spares > 0; at += PAT_HUGE_PAGE_BYTES) {
        /* Page by page: a piece may be of several mappings, which do not move together, and the system joins what lies
         * side by side. */
        if (!move(block + at, cut_front(pages.spares - 1, PAT_HUGE_PAGE_BYTES))) break;
    }
    return block;
}

static void keep(struct piece piece) {
    if (pages.spares == PIECES_MAX) {
        const unsigned shortest = find_shortest();
        waiting_take(pages.spare[shortest].bytes);
        (void)munmap(pages.spare[shortest].first, pages.spare[shortest].bytes);
        spare_remove(shortest);
    }
    pages.spare[pages.spares++] = piece;
    waiting_add(piece.bytes);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static unsigned find_block(const void *block) {
    for (unsigned i = 0; i < pages.blocks; i++) {
        if (pages.block[i].first == block) return i;
    }
    return BLOCKS_MAX;
}

void *pat_pages_take(size_t bytes) {
    const size_t whole = (bytes + PAT_HUGE_PAGE_BYTES - 1) / PAT_HUGE_PAGE_BYTES * PAT_HUGE_PAGE_BYTES;
    unsigned char *block = NULL;
    if (whole < bytes) return NULL;
    (void)pthread_mutex_lock(&pages.lock);
    if (pages.blocks < BLOCKS_MAX) {
        const unsigned fitting = find_fitting(whole);
        block = fitting == PIECES_MAX ? gather(whole) : cut_front(fitting, whole);
        if (block != NULL) pages.block[pages.blocks++] = (struct piece){block, whole};
    }
    (void)pthread_mutex_unlock(&pages.lock);
    return block;
}

void pat_pages_give(void *block) {
    (void)pthread_mutex_lock(&pages.lock);
    const unsigned i = find_block(block);
    PAT_ASSERT(i != BLOCKS_MAX);
    struct piece piece = pages.block[i];
    pages.block[i] = pages.block[--pages.blocks];
    const size_t most = pat_mem_waiting_max(), waiting = pat_pages_waiting();
    const size_t room = (most > waiting ? most - waiting : 0) / PAT_HUGE_PAGE_BYTES * PAT_HUGE_PAGE_BYTES;
    const size_t kept = piece.bytes < room ? piece.bytes : room;
    if (kept > 0) keep((struct piece){piece.first, kept});
    (void)pthread_mutex_unlock(&pages.lock);
    if (kept < piece.bytes) (void)munmap(piece.first + kept, piece.bytes - kept);
}

size_t pat_pages_bytes(const void *block) {
    if ((uintptr_t)block % PAT_HUGE_PAGE_BYTES != 0) return 0;
    (void)pthread_mutex_lock(&pages.lock);
    const unsigned i = find_block(block);
    const size_t bytes = i == BLOCKS_MAX ? 0 : pages.block[i].bytes;
    (void)pthread_mutex_unlock(&pages.lock);
    return bytes;
}

size_t pat_pages_waiting(void) {
    return atomic_load_explicit(&pages.waiting, memory_order_relaxed);
}

bool pat_pages_drop(void) {
    (void)pthread_mutex_lock(&pages.lock);
    const bool any = pages.spares > 0;
    for (unsigned i = 0; i < pages.spares; i++) {
        waiting_take(pages.spare[i].bytes);
        (void)munmap(pages.spare[i].first, pages.spare[i].bytes);
    }
    pages.spares = 0;
    (void)pthread_mutex_unlock(&pages.lock);
    return any;
}
