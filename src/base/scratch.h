/* Large blocks that one question gives back and the next one takes: a fresh page costs a fault and its clearing, which
 * is more than most passes over it.
 *
 * Blocks that wait count against the budget beside what is in use, and are given back to the system as soon as somebody
 * needs the room (pat_mem_would_fit). Thread: any; no lock is held. */
#ifndef PAT_BASE_SCRATCH_H
#define PAT_BASE_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Smaller blocks malloc keeps for itself. */
#define PAT_SCRATCH_FROM_BYTES ((size_t)1 << 20)

/* At least `bytes` (PAT_SCRATCH_FROM_BYTES or more) of whatever content, as pat_mem_alloc_big of PAT_MEM_QUERY: NULL
 * when the budget or the system refuses. *got says how many there are. */
void *pat_scratch_take(size_t bytes, size_t *got);
/* Gives a block of pat_scratch_take back; NULL is allowed. */
void pat_scratch_give(void *block, size_t got);

/* Bytes that wait for somebody to take them. */
size_t pat_scratch_waiting(void);
/* Gives all that wait back to the system; false when there are none. */
bool pat_scratch_drop(void);

#endif
