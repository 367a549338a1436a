/* A progress bar on stderr, when that is a terminal: per cent, rows/s, time left. */
#ifndef PATRON_PROGRESS_H
#define PATRON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct pat_progress {
    bool shown; /* stderr is a terminal */
    bool dirty; /* a bar stands there */
    bool files; /* bytes are what counts, not rows */
    uint64_t start_ns, last_ns;
};

void pat_progress_init(struct pat_progress *progress);
/* Redraws a few times a second at the most. bytes_max 0: not known how many there will be. */
void pat_progress_update(struct pat_progress *progress, uint64_t bytes, uint64_t bytes_max, uint64_t rows);
void pat_progress_clear(struct pat_progress *progress);
double pat_progress_seconds(const struct pat_progress *progress);

#endif
