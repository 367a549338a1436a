#include "base/heap_ahead.h"

#include "base/pages.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sixteen huge pages: the thread is ahead after the first of them. Half of what malloc may keep at the heap's end
 * before it gives back (main/patrond.c). */
#define HEAP_AHEAD_BYTES ((size_t)32 << 20)

static struct {
    pthread_t thread;
    bool started;
    uintptr_t seen; /* by whoever looks: where the heap ended */

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool stop;
    uintptr_t end; /* of the heap */
} ahead = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static uintptr_t heap_end(void) {
    return (uintptr_t)sbrk(0);
}

/* Touches the heap up to its end without changing what it holds; what lies before `from` was touched already. False:
 * the system cannot. A heap that became shorter meanwhile is none of its faults: it comes back when the heap grows. */
static bool touch(uintptr_t from, uintptr_t end) {
    const uintptr_t begin = end - HEAP_AHEAD_BYTES > from ? end - HEAP_AHEAD_BYTES : from;
    /* Page by page: who needs the next one need not wait for the last. */
    for (uintptr_t at = begin / PAT_HUGE_PAGE_BYTES * PAT_HUGE_PAGE_BYTES; at + PAT_HUGE_PAGE_BYTES <= end;
         at += PAT_HUGE_PAGE_BYTES) {
        if (at < begin) continue;
        if (madvise((void *)at, PAT_HUGE_PAGE_BYTES, MADV_POPULATE_WRITE) != 0) return heap_end() < end;
    }
    return true;
}

static void *run(void *context) {
    (void)context;
    (void)pthread_mutex_lock(&ahead.lock);
    uintptr_t done = ahead.end; /* what was there before need not be touched by anybody */
    while (!ahead.stop) {
        const uintptr_t end = ahead.end;
        if (end == done) {
            (void)pthread_cond_wait(&ahead.changed, &ahead.lock);
            continue;
        }
        (void)pthread_mutex_unlock(&ahead.lock);
        const bool can = end < done || touch(done, end);
        done = end;
        (void)pthread_mutex_lock(&ahead.lock);
        if (!can) break;
    }
    (void)pthread_mutex_unlock(&ahead.lock);
    return NULL;
}

void pat_heap_ahead_start(void) {
    sigset_t all, before;
    if (mallopt(M_TOP_PAD, (int)HEAP_AHEAD_BYTES) != 1) return;
    ahead.seen = ahead.end = heap_end();
    /* Signals belong to the thread that serves. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    ahead.started = pthread_create(&ahead.thread, NULL, run, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void pat_heap_ahead_look(void) {
    const uintptr_t end = heap_end();
    if (!ahead.started || end == ahead.seen) return;
    ahead.seen = end;
    (void)pthread_mutex_lock(&ahead.lock);
    ahead.end = end;
    (void)pthread_cond_signal(&ahead.changed);
    (void)pthread_mutex_unlock(&ahead.lock);
}

void pat_heap_ahead_stop(void) {
    if (!ahead.started) return;
    (void)pthread_mutex_lock(&ahead.lock);
    ahead.stop = true;
    (void)pthread_cond_signal(&ahead.changed);
    (void)pthread_mutex_unlock(&ahead.lock);
    (void)pthread_join(ahead.thread, NULL);
    ahead.started = false;
}
