#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void error_fill(struct pat_error *error, enum pat_status status, const char *field, int64_t row, int64_t offset,
                       const char *format, va_list args) {
    if (error == NULL) return;
    error->status = status;
    error->row = row;
    error->offset = offset;
    (void)snprintf(error->field, sizeof error->field, "%s", field != NULL ? field : "");
    int length = vsnprintf(error->message, sizeof error->message, format, args);
    if (length < 0) error->message[0] = '\0';
    if (length >= (int)sizeof error->message) memcpy(error->message + sizeof error->message - 4, "...", 4);
}

enum pat_status pat_error_set(struct pat_error *error, enum pat_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_fill(error, status, NULL, -1, -1, format, args);
    va_end(args);
    return status;
}

enum pat_status pat_error_set_at(struct pat_error *error, enum pat_status status, const char *field, int64_t row,
                                 int64_t offset, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_fill(error, status, field, row, offset, format, args);
    va_end(args);
    return status;
}

const char *pat_status_code(enum pat_status status) {
    switch (status) {
    case PAT_OK: return "OK";
    case PAT_ERR_BAD_REQUEST: return "BAD_REQUEST";
    case PAT_ERR_UNKNOWN_METHOD: return "UNKNOWN_METHOD";
    case PAT_ERR_UNKNOWN_FIELD: return "UNKNOWN_FIELD";
    case PAT_ERR_NOT_FOUND: return "NOT_FOUND";
    case PAT_ERR_CONFLICT: return "CONFLICT";
    case PAT_ERR_NO_FIT: return "NO_FIT";
    case PAT_ERR_AUTH: return "AUTH";
    case PAT_ERR_READONLY: return "READONLY";
    case PAT_ERR_NO_MEMORY: return "NO_MEMORY";
    case PAT_ERR_NO_SPACE: return "NO_SPACE";
    case PAT_ERR_BUSY: return "BUSY";
    case PAT_ERR_TOO_LARGE: return "TOO_LARGE";
    case PAT_ERR_DEADLINE: return "DEADLINE";
    case PAT_ERR_CANCELLED: return "CANCELLED";
    case PAT_ERR_EXPIRED: return "EXPIRED";
    case PAT_ERR_CORRUPT: return "CORRUPT";
    case PAT_ERR_PROTO: return "BAD_REQUEST";
    case PAT_ERR_INTERNAL:
    case PAT_ERR_IO:
    case PAT_ERR_MORE: break;
    }
    return "INTERNAL";
}

_Noreturn void pat_assert_fail(const char *expression, const char *file, int line) {
    (void)fprintf(stderr, "patron: assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
