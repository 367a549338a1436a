/* Puts the shop's log in order of time without holding it in memory.
 *
 * Events come customer by customer, on several threads. Time is cut into buckets that will hold about as many events
 * each; every thread keeps a small buffer for each bucket and, when it is full, writes it to the end of one nameless
 * temporary file. Afterwards a bucket's pieces are read and sorted. What never filled a buffer is never written, so a
 * small shop makes no file at all. Regenerating all customers for each slice of time instead would need no disk, but as
 * many passes as there are slices. */
#ifndef PATRON_GENERATE_SPILL_H
#define PATRON_GENERATE_SPILL_H

#include "generate_shop.h"

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bins of the histogram from which buckets are cut. */
#define PAT_GEN_SPILL_BINS 4096u

struct pat_gen_spill;

/* `bin` counts the events of a sample by pat_gen_spill_bin; `events` is how many there will be, about. Thread: any
 * before the first put. Fails: PAT_ERR_NO_MEMORY. */
enum pat_status pat_gen_spill_open(struct pat_gen_spill **out, const struct pat_gen_world *world,
                                   const uint32_t bin[PAT_GEN_SPILL_BINS], double events, unsigned threads,
                                   const char *directory, struct pat_error *error) PAT_MUST_CHECK;
void pat_gen_spill_close(struct pat_gen_spill **spill);

uint32_t pat_gen_spill_bin(const struct pat_gen_world *world, uint32_t arrival);

/* Thread: any, each with a number of its own. Fails: PAT_ERR_IO, PAT_ERR_NO_SPACE naming the directory. */
enum pat_status pat_gen_spill_put(struct pat_gen_spill *spill, unsigned thread, const struct pat_gen_event *event,
                                  struct pat_error *error) PAT_MUST_CHECK;

/* Once all is put: how many buckets, and how many events in one. */
unsigned pat_gen_spill_buckets(const struct pat_gen_spill *spill);
uint64_t pat_gen_spill_events(const struct pat_gen_spill *spill, unsigned bucket);
/* Reads a bucket and sorts it; the caller frees *out (PAT_MEM_OTHER). Threads may load different buckets at once. */
enum pat_status pat_gen_spill_load(struct pat_gen_spill *spill, unsigned bucket, struct pat_gen_event **out,
                                   struct pat_error *error) PAT_MUST_CHECK;

#endif
