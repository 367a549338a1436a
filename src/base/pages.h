/* Huge pages that serve again: blocks of many megabytes are made of the pages that others gave back.
 *
 * A page that the system has not had for a while costs its clearing (and a guest of a virtual machine its host's work:
 * 5 ms for 2 MiB were measured, 0.4 GB/s), more than most passes over it. So the pages of a block that is freed wait in
 * this process, and the next block gets them, whatever its size is: the page tables are changed (mremap), nothing is
 * copied; 512 MiB took 6 ms. Where there are no huge pages it works with small ones, and takes longer.
 *
 * Pages that wait count against the budget beside what is in use, and go back to the system as soon as somebody needs
 * the room (pat_mem_would_fit). Of mem.h only: everybody else takes pat_mem_alloc_big. Thread: any; a lock is held. */
#ifndef PAT_BASE_PAGES_H
#define PAT_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Pages of 2 MiB: what x86-64 and arm64 with small pages of 4 KiB have. */
#define PAT_HUGE_PAGE_BYTES ((size_t)2 << 20)

/* A block of at least `bytes`, in whole huge pages, of whatever content. NULL: the system refuses, or there are more
 * blocks than are kept in mind. */
void *pat_pages_take(size_t bytes);
/* Gives such a block back. Without room for it here it goes to the system, which takes its time for it. */
void pat_pages_give(void *block);
/* Bytes of a block of pat_pages_take; 0 for any other. */
size_t pat_pages_bytes(const void *block);

/* Address space of whole small pages that begins at a multiple of a huge one, on huge ones where the system has such.
 * They are zero, and cost nothing before they are touched. munmap gives it back; NULL: the system refuses. */
void *pat_pages_reserve(size_t bytes);

/* Bytes that wait for somebody to take them. */
size_t pat_pages_waiting(void);
/* Gives all that wait back to the system; false when there are none. */
bool pat_pages_drop(void);

#endif
