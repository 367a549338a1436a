/* What this machine can do at this moment: the floors that figures stand beside. */
#ifndef PAT_BENCH_PROBE_H
#define PAT_BENCH_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes per second of reading memory once, in order, on `threads` (1 or 2) threads; the best of a few passes over a
 * block that no cache holds (of a small block without `full`: a figure of the right form, no more). */
double bench_probe_read(unsigned threads, bool full);

struct bench_disk {
    double write_bytes_per_s; /* one file in order, fdatasync at its end */
    double sync_us;           /* median: 4 KiB in place, fdatasync */
};
struct bench_disk bench_probe_disk(const char *dir, bool full);
/* Only the time of a sync. */
double bench_probe_sync_us(const char *dir, bool full);

#endif
