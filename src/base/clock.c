#include "base/clock.h"

#include "base/status.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>

int64_t pat_clock_wall_ms(void) {
    struct timespec now;
    PAT_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t pat_clock_monotonic_ns(void) {
    struct timespec now;
    PAT_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void pat_clock_sleep_ms(unsigned ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

void pat_entropy(void *out, size_t bytes) {
    unsigned char *at = out;
    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes, 0);
        PAT_ASSERT(got > 0 || errno == EINTR);
        if (got <= 0) continue;
        at += got;
        bytes -= (size_t)got;
    }
}
