/* Large blocks that one question gives back and the next one takes: a fresh page costs a fault and its clearing, which
 * is more than most passes over it; and to give one back to the system interrupts the other threads of this process,
 * whoever does it.
 *
 * Blocks that wait count against the budget beside what is in use, and are given back to the system as soon as somebody
 * needs the room (pat_mem_would_fit). Thread: any; no lock is held. */
#ifndef PAT_BASE_SCRATCH_H
#define PAT_BASE_SCRATCH_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* Smaller blocks malloc keeps for itself, also where it is told to keep little (main/patrond.c). */
#define PAT_SCRATCH_FROM_BYTES ((size_t)64 << 10)

/* At least `bytes` (PAT_SCRATCH_FROM_BYTES or more) of whatever content, as pat_mem_alloc_big: NULL when the budget or
 * the system refuses. *got says how many there are. pat_mem_free may free it as well. */
void *pat_scratch_take(enum pat_mem_purpose purpose, size_t bytes, size_t *got);
/* Gives a block of pat_scratch_take, or another one of so many bytes, back; NULL is allowed. */
void pat_scratch_give(enum pat_mem_purpose purpose, void *block, size_t got);

/* Bytes that wait for somebody to take them. */
size_t pat_scratch_waiting(void);
/* Gives all that wait back to the system; false when there are none. */
bool pat_scratch_drop(void);

#endif
