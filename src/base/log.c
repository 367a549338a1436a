#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One line. Under PIPE_BUF (4,096), so that lines of several processes into one pipe do not mix. */
#define LINE_BYTES 2048

static _Atomic int level_max = PAT_LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void pat_log_set_level(enum pat_log_level level) {
    atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

int pat_log_level_parse(const char *name) {
    for (int level = PAT_LOG_ERROR; level <= PAT_LOG_DEBUG; level++) {
        if (strcmp(name, level_names[level]) == 0) return level;
    }
    return -1;
}

static void write_whole(const char *line, size_t length) {
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, line, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return; /* a log that cannot be written has nowhere to say so */
        line += written;
        length -= (size_t)written;
    }
}

/* "2026-11-21T19:15:11.123Z info snapshot-saved "; gives its length. */
static size_t write_head(char *line, size_t capacity, enum pat_log_level level, const char *event) {
    int64_t now = pat_clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    size_t used = strftime(line, capacity, "%Y-%m-%dT%H:%M:%S", &utc);
    int length = snprintf(line + used, capacity - used, ".%03dZ %s %s", (int)(now % 1000), level_names[level], event);
    if (length < 0) return used;
    used += (size_t)length;
    return used < capacity ? used : capacity - 1;
}

void pat_log(enum pat_log_level level, const char *event, const char *format, ...) {
    if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed)) return;
    char line[LINE_BYTES];
    size_t capacity = sizeof line - 1; /* the newline's place */
    size_t used = write_head(line, capacity, level, event);
    if (format[0] != '\0' && used + 1 < capacity) {
        line[used++] = ' ';
        va_list args;
        va_start(args, format);
        int length = vsnprintf(line + used, capacity - used, format, args);
        va_end(args);
        if (length > 0) used += (size_t)length;
        if (used >= capacity) {
            used = capacity - 1;
            memcpy(line + used - 3, "...", 3);
        }
    }
    /* One event, one line, whatever a value brings. */
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F) line[i] = ' ';
    }
    line[used++] = '\n';
    write_whole(line, used);
}
