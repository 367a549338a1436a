/* Structured log: one line per event on stderr, as logfmt (`time=... level=info event=ready key=value ...`) or as a
 * JSON object with the same keys. No customer data, ever: no ids, no literals of filters, no passwords.
 *
 * Thread: any; a line is written with one write(2), and in order. */
#ifndef PAT_BASE_LOG_H
#define PAT_BASE_LOG_H

#include <stdbool.h>

enum pat_log_level { PAT_LOG_ERROR, PAT_LOG_WARN, PAT_LOG_INFO, PAT_LOG_DEBUG };
enum pat_log_format { PAT_LOG_LOGFMT, PAT_LOG_JSON };

/* From here on nobody who logs waits for whom standard error goes to: a thread does, with what has come meanwhile, up
 * to a bound; lines beyond are dropped, and `log-dropped count=N` stands where they would. Where standard error is a
 * file it is written as ever. False: there is no thread to be had, and whoever logs waits as before. SIGPIPE must be
 * ignored. */
bool pat_log_start(void);
/* Writes what waits, for a second at the most, and ends the thread. */
void pat_log_stop(void);

/* May change while others log. */
void pat_log_set_level(enum pat_log_level level);
void pat_log_set_format(enum pat_log_format format);
/* "error", "warn", "info", "debug" to its level; -1 for anything else. */
int pat_log_level_parse(const char *name);
/* "logfmt", "json"; -1 for anything else. */
int pat_log_format_parse(const char *name);
/* `event` is a short slug ("snapshot-saved"). `format` has key=value pairs with a blank between them, a value with
 * anything but letters and digits in double quotes: `lsn=%d reason="%s"`. It is read pair by pair, and what a
 * conversion brings is escaped: it can never become a pair of its own, or end one. Conversions are those of printf but
 * for %n and wide characters. */
void pat_log(enum pat_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
