/* Threads that share the parts of a question asked in this process, as the server's workers do. */
#ifndef PAT_BENCH_CREW_H
#define PAT_BENCH_CREW_H

#include "base/spread.h"

struct bench_crew;

/* `lanes` threads, the asking one among them. Ends the program when they cannot be started. */
struct bench_crew *bench_crew_open(unsigned lanes);
void bench_crew_close(struct bench_crew *crew);
/* For one asking thread at a time. */
const struct pat_spread *bench_crew_spread(const struct bench_crew *crew);

#endif
