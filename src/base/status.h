/* Outcome of every call that can fail, and the error text a person will read.
 *
 * Three kinds of trouble are never mixed: a bug asserts (PAT_ASSERT); the world (disk, memory, a peer gone) returns a
 * status; hostile or mistaken bytes return PAT_ERR_PROTO or PAT_ERR_BAD_REQUEST with an offset, row or field. */
#ifndef PAT_BASE_STATUS_H
#define PAT_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pat_status {
    PAT_OK = 0,
    PAT_ERR_BAD_REQUEST,    /* a value, parameter or text that cannot be taken */
    PAT_ERR_UNKNOWN_METHOD, /* no such method */
    PAT_ERR_UNKNOWN_FIELD,  /* no such field, parameter, table or metric */
    PAT_ERR_NOT_FOUND,      /* no such customer, order, file */
    PAT_ERR_CONFLICT,       /* the same (producer, seq) with other content; a directory in use */
    PAT_ERR_NO_FIT,         /* no lifetime-value fit yet */
    PAT_ERR_AUTH,           /* not allowed */
    PAT_ERR_READONLY,       /* the journal cannot take batches now */
    PAT_ERR_NO_MEMORY,      /* the memory budget is used up */
    PAT_ERR_NO_SPACE,       /* the disk is full */
    PAT_ERR_BUSY,           /* a queue is full: try again */
    PAT_ERR_TOO_LARGE,      /* over a limit of model/limits.h */
    PAT_ERR_DEADLINE,       /* deadline_ms passed */
    PAT_ERR_CANCELLED,      /* cancelled, or the client went away */
    PAT_ERR_EXPIRED,        /* a cursor past its life */
    PAT_ERR_CORRUPT,        /* a stored file is damaged */
    PAT_ERR_INTERNAL,       /* a bug that was caught */
    PAT_ERR_PROTO,          /* a frame that is not MessagePack-RPC: the connection ends */
    PAT_ERR_IO,             /* the operating system said no */
    PAT_ERR_MORE,           /* not a failure: more bytes are needed */
};

/* Room for one sentence that names the value, what was expected and what to do; longer text is cut with "...". */
#define PAT_ERROR_MESSAGE_BYTES 512
#define PAT_ERROR_FIELD_BYTES   80

struct pat_error {
    enum pat_status status;
    char message[PAT_ERROR_MESSAGE_BYTES]; /* UTF-8, one line, no code in front */
    char field[PAT_ERROR_FIELD_BYTES];     /* "" when no field is to blame */
    int64_t row;                           /* row of the batch, -1 when none */
    int64_t offset;                        /* byte in a text, frame or file, -1 when none */
};

#define PAT_MUST_CHECK __attribute__((warn_unused_result))

/* Sets every part of `error` (NULL is allowed) and returns `status`. Row, field and offset become "none". */
enum pat_status pat_error_set(struct pat_error *error, enum pat_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with the field, row (-1 none) and offset (-1 none) to blame. */
enum pat_status pat_error_set_at(struct pat_error *error, enum pat_status status, const char *field, int64_t row,
                                 int64_t offset, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* The code on the wire, e.g. "BAD_REQUEST". PAT_ERR_PROTO reads "BAD_REQUEST", PAT_ERR_IO "INTERNAL". */
const char *pat_status_code(enum pat_status status);

/* Reports and aborts; stays on in release builds. */
_Noreturn void pat_assert_fail(const char *expression, const char *file, int line);

#define PAT_ASSERT(expression) ((expression) ? (void)0 : pat_assert_fail(#expression, __FILE__, __LINE__))
#ifdef PAT_DEBUG
#define PAT_DEBUG_ASSERT(expression) PAT_ASSERT(expression)
#else
#define PAT_DEBUG_ASSERT(expression) ((void)0)
#endif

/* For functions that own nothing yet: hand a failure to the caller. */
#define PAT_TRY(call)                                                                                                  \
    do {                                                                                                               \
        enum pat_status pat_try_status = (call);                                                                       \
        if (pat_try_status != PAT_OK) return pat_try_status;                                                           \
    } while (0)

#endif
