/* The only door to the clocks. Rooms below engine never call these: `now` is passed to them. */
#ifndef PAT_BASE_CLOCK_H
#define PAT_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t pat_clock_wall_ms(void); /* since 1970-01-01 UTC */
uint64_t pat_clock_monotonic_ns(void);
void pat_clock_sleep_ms(unsigned ms);
/* Random bytes from the system; aborts when there are none. */
void pat_entropy(void *out, size_t bytes);

#endif
