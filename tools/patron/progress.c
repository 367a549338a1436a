#include "progress.h"

#include "sheet.h"
#include "tally.h"

#include "base/clock.h"

#include <stdio.h>

/* Ten times a second is smooth; the bar leaves a line of 80 room for rows, speed and time left. */
#define REDRAW_NS UINT64_C(100000000)
#define BAR_CELLS 24

void pat_progress_init(struct pat_progress *progress) {
    *progress = (struct pat_progress){.shown = pat_is_terminal(stderr), .start_ns = pat_clock_monotonic_ns()};
}

double pat_progress_seconds(const struct pat_progress *progress) {
    return (double)(pat_clock_monotonic_ns() - progress->start_ns) / 1e9;
}

void pat_progress_clear(struct pat_progress *progress) {
    if (progress->dirty) (void)fputs("\r\x1b[K", stderr);
    progress->dirty = false;
}

void pat_progress_update(struct pat_progress *progress, uint64_t bytes, uint64_t bytes_max, uint64_t rows) {
    const uint64_t now = pat_clock_monotonic_ns();
    if (!progress->shown || now - progress->last_ns < REDRAW_NS) return;
    progress->last_ns = now;
    progress->dirty = true;
    const double seconds = pat_progress_seconds(progress);
    char count[32], rate[32];
    (void)pat_count_text(rows, count);
    (void)pat_count_text(seconds > 0 ? (uint64_t)((double)rows / seconds) : 0, rate);
    if (bytes_max == 0) {
        (void)fprintf(stderr, "\r\x1b[K%s rows \u00b7 %s rows/s", count, rate);
        return;
    }
    if (progress->files) {
        (void)snprintf(count, sizeof count, "%.1f MB", (double)bytes / 1e6);
        (void)snprintf(rate, sizeof rate, "%.1f MB/s", seconds > 0 ? (double)bytes / seconds / 1e6 : 0);
    }
    const double share = bytes >= bytes_max ? 1 : (double)bytes / (double)bytes_max;
    (void)fprintf(stderr, "\r\x1b[K%3.0f %% ", 100 * share);
    for (int i = 0; i < BAR_CELLS; i++) (void)fputs(i < (int)(share * BAR_CELLS) ? "\u2588" : "\u2591", stderr);
    (void)fprintf(stderr, progress->files ? " %s \u00b7 %s" : " %s rows \u00b7 %s rows/s", count, rate);
    if (share > 0) (void)fprintf(stderr, " \u00b7 %.0f s left", seconds / share - seconds);
}
