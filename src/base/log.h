/* Structured log: one line per event on stderr, `time level event key=value ...` (logfmt). No customer data, ever.
 * Thread: any; a line is written with one write(2). */
#ifndef PAT_BASE_LOG_H
#define PAT_BASE_LOG_H

enum pat_log_level { PAT_LOG_ERROR, PAT_LOG_WARN, PAT_LOG_INFO, PAT_LOG_DEBUG };

void pat_log_set_level(enum pat_log_level level);
/* "error", "warn", "info", "debug" to its level; -1 for anything else. */
int pat_log_level_parse(const char *name);
/* `event` is a short slug ("snapshot-saved"); `format` gives key=value pairs, values with spaces in double quotes. */
void pat_log(enum pat_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
