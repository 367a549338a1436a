/* The end of malloc's heap, touched ahead: while columns grow, a page that the system has not had for a while (5 ms for
 * 2 MiB in a virtual machine, see pages.h) is waited for by a thread of its own instead of the one that applies
 * batches: a fifth of that one's time in a load of a hundred million orders. The heap grows by more than is asked for,
 * and the thread touches what was added.
 *
 * For a process with plenty of memory: up to HEAP_AHEAD_BYTES of it are taken and not used. Where the C library does
 * not grow its heap at the end of the program's data (sanitizers), or the system cannot touch pages for it, nothing is
 * touched ahead, and all goes on. */
#ifndef PAT_BASE_HEAP_AHEAD_H
#define PAT_BASE_HEAP_AHEAD_H

/* Begins; once in a process, before other threads ask for memory. Without a thread for it nothing is touched ahead. */
void pat_heap_ahead_start(void);
/* Has what was added to the heap since the last time touched; costs nothing when it did not grow. Thread: one. */
void pat_heap_ahead_look(void);
/* Ends the thread; allowed when there is none. */
void pat_heap_ahead_stop(void);

#endif
