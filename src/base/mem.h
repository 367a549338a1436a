/* The memory accountant: every allocation has a purpose, passes here, and counts against one budget.
 *
 * Process-wide on purpose: the promise is about the process ("the memory limit holds for data, buffers and query
 * scratch together"). Thread: any; gauges are atomic. */
#ifndef PAT_BASE_MEM_H
#define PAT_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pat_mem_purpose {
    PAT_MEM_CUSTOMERS, /* customer columns */
    PAT_MEM_ORDERS,
    PAT_MEM_LINES,
    PAT_MEM_REFUNDS,
    PAT_MEM_FX,      /* exchange rates: the table, and what is looked up in it */
    PAT_MEM_INDEX,   /* where rows stand by their ids: hash indexes, spans */
    PAT_MEM_TEXT,    /* dictionaries and the id heap */
    PAT_MEM_VIEWS,   /* views and chunks that only views still need */
    PAT_MEM_RUNS,    /* facts once more, by customer and day */
    PAT_MEM_JOURNAL, /* records on their way to disk */
    PAT_MEM_SNAPSHOT,
    PAT_MEM_NET,   /* connections and their buffers */
    PAT_MEM_QUERY, /* request arenas */
    PAT_MEM_OTHER,
    PAT_MEM_PURPOSES
};

/* Alignment of every block from pat_mem_alloc: a cache line, and the widest vector. */
#define PAT_MEM_ALIGN 64u

/* Two figures, both in bytes. The limit is what the process may take, as it was set or chosen; the budget is what
 * accounts may hold of it, so that what no account sees has a place, too. Only the budget refuses anything; 0 means
 * none. */
void pat_mem_set_limit(size_t limit, size_t budget);
/* Nothing is left beside: a limit that is the budget. */
void pat_mem_set_budget(size_t bytes);
size_t pat_mem_limit(void);
size_t pat_mem_budget(void);

/* Zeroed memory, aligned to PAT_MEM_ALIGN. NULL when the budget or the system refuses. bytes may be 0 (gives a block).
 */
void *pat_mem_alloc(enum pat_mem_purpose purpose, size_t bytes);

/* Memory for an array of many megabytes that is streamed or probed as a whole: not zeroed, and on huge pages where the
 * system has them, since with small ones every other access to it waits for its address, too. Freed like any other. */
void *pat_mem_alloc_big(enum pat_mem_purpose purpose, size_t bytes);

/* pat_mem_alloc for the time after the journal took a batch: never NULL. The budget was reserved before; if the system
 * itself has nothing left the process ends with a message, and the journal brings the batch back at the next start. */
void *pat_mem_alloc_must(enum pat_mem_purpose purpose, size_t bytes);

/* Promises `bytes` of the budget to what is going to be taken by the two above and below and by pat_mem_use_pages:
 * nobody else gets them meanwhile. False when they are not there. One at a time adds to what was promised before. */
bool pat_mem_promise(size_t bytes);
/* While it is on, what those take comes out of the promise, as long as there is something left of it. */
void pat_mem_redeem(bool redeeming);
/* What is left of it beyond `bytes` is anybody's. */
void pat_mem_promise_keep(size_t bytes);
size_t pat_mem_promised(void);

/* The same without the zeroes, for what is written as a whole right away, maybe by another thread: the one that writes
 * first pays for the pages. */
void *pat_mem_alloc_raw_must(enum pat_mem_purpose purpose, size_t bytes);

/* Says that blocks of some ten to hundred KiB, `bytes` in all, are going to be taken by this thread, as a restore does:
 * makes room for them on huge pages, where the system has such, at the end of the heap. Touching memory for the first
 * time is most of what a restore costs, and a fault for each 4 KiB of it costs several times one for 2 MiB. */
void pat_mem_expect(size_t bytes);

/* Grows a block, keeping its content; the new part is not zeroed. NULL leaves the old block as it was. */
void *pat_mem_grow(enum pat_mem_purpose purpose, void *block, size_t bytes_old, size_t bytes_new);

/* memcpy of what was not read for a while and is read once; a system call. Under a hypervisor that keeps page tables of
 * its own, reading a page of 4 KiB anew costs some ten microseconds that nobody sees (measured: 0.3 GB/s for a heap of
 * which half was on such pages); the system's own map of the memory has them all at hand (7 to 11 GB/s). */
void pat_mem_copy_far(void *restrict to, const void *restrict from, size_t bytes);

/* Gives a block back; NULL is allowed. The purpose must be the one it was taken with. */
void pat_mem_free(enum pat_mem_purpose purpose, void *block);

/* The same for a block of many pages that nothing will take the place of soon: gives its pages back to the system,
 * where freeing alone keeps them for later blocks. Takes some ten microseconds: not for a thread that others wait for.
 */
void pat_mem_free_pages(enum pat_mem_purpose purpose, void *block);

/* Address space for what is large and read at random: pages are zero when they are first touched, cost nothing before,
 * and are huge where the system has such pages. Begins at a multiple of a huge page. Never NULL, as pat_mem_alloc_must.
 */
void *pat_mem_reserve_must(size_t bytes);
/* Gives the address space back; `bytes` as they were asked for, and no page of it in use. */
void pat_mem_unreserve(void *pages, size_t bytes);
/* Puts bytes of it that are going to be touched on account. */
void pat_mem_use_pages(enum pat_mem_purpose purpose, size_t bytes);
/* Gives `bytes` at `pages`, whole pages, back to the system, of which `used` are on account. They are zero when touched
 * again. */
void pat_mem_drop_pages(enum pat_mem_purpose purpose, void *pages, size_t bytes, size_t used);

/* Moves the account of a block from one purpose to another. */
void pat_mem_retag(enum pat_mem_purpose from, enum pat_mem_purpose to, void *block);

/* Takes a block off its gauge, not off the budget, without giving it back, and puts it there again: what waits in
 * scratch.h. Give the block itself. Only pat_mem_free_suspended may free it meanwhile. */
void *pat_mem_suspend(enum pat_mem_purpose purpose, void *block);
void *pat_mem_resume(enum pat_mem_purpose purpose, void *block);
void pat_mem_free_suspended(void *block);

/* True when `bytes` more would still be within the budget. It only says so: pat_mem_promise keeps it so. Blocks that
 * wait in scratch.h are given back first. */
bool pat_mem_would_fit(size_t bytes);

/* How many bytes may wait in scratch.h, and as many in pages.h. */
size_t pat_mem_waiting_max(void);
/* Gives back what waits there; false when there is nothing. */
bool pat_mem_drop_waiting(void);

size_t pat_mem_used(enum pat_mem_purpose purpose);
size_t pat_mem_used_total(void);
const char *pat_mem_purpose_name(enum pat_mem_purpose purpose);

/* Fault injection for tests: the n-th pat_mem_alloc or pat_mem_grow from now (1 = next) gives NULL; 0 turns it off.
 * pat_mem_alloc_must is not concerned. Returns the calls counted since the last call. */
uint64_t pat_mem_fail_at(uint64_t nth);

#endif
