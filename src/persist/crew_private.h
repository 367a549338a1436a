/* Threads for reading a snapshot: they are there while a store is restored, and gone before it serves anybody. */
#ifndef PAT_PERSIST_CREW_PRIVATE_H
#define PAT_PERSIST_CREW_PRIVATE_H

#include "base/spread.h"

struct pat_crew;

/* One thread for each processor, the calling one among them. NULL, which is as good and slower, when there is only one
 * processor, no memory, or no thread to be had. */
struct pat_crew *pat_crew__open(void);
void pat_crew__close(struct pat_crew *crew);
/* For one calling thread at a time; NULL without a crew. */
const struct pat_spread *pat_crew__spread(const struct pat_crew *crew);

#endif
