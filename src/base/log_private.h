/* Inside the log: lines are made in log.c and leave by log_writer.c. */
#ifndef PAT_BASE_LOG_PRIVATE_H
#define PAT_BASE_LOG_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

/* One line. Under PIPE_BUF (4,096), so that lines of several processes into one pipe do not mix. */
#define PAT_LOG_LINE_BYTES 2048u

/* Writes a whole line, its end included, or keeps it for the writer, or counts it as dropped. */
void pat_log__put(const char *line, size_t length);
/* The line that says how many were dropped; gives its length. */
size_t pat_log__dropped(char out[PAT_LOG_LINE_BYTES], uint64_t count);

#endif
