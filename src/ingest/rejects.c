#include "ingest/ingest_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool pat_rejects__init(struct pat_rejects *rejects, struct pat_arena *arena, uint32_t rows, uint32_t errors_max) {
    *rejects = (struct pat_rejects){.arena = arena, .rows = rows, .errors_max = errors_max < rows ? errors_max : rows};
    rejects->bad = pat_arena_array(arena, rows, 1);
    rejects->error = pat_arena_array(arena, rejects->errors_max, sizeof *rejects->error);
    return rejects->bad != NULL && rejects->error != NULL;
}

static void reason_count(struct pat_rejects *rejects, const char *field, enum pat_reject code) {
    for (uint32_t i = 0; i < rejects->reasons; i++) {
        if (rejects->reason[i].code == code && strcmp(rejects->reason[i].field, field) == 0) {
            rejects->reason[i].rows++;
            return;
        }
    }
    if (rejects->reasons == REJECT_REASONS_MAX) return;
    /* Most batches have none. */
    if (rejects->reason == NULL)
        rejects->reason = pat_arena_array(rejects->arena, REJECT_REASONS_MAX, sizeof *rejects->reason);
    if (rejects->reason == NULL) {
        rejects->no_memory = true;
        return;
    }
    rejects->reason[rejects->reasons++] = (struct pat_reject_count){field, code, 1};
}

static void error_swap(struct pat_row_error *a, struct pat_row_error *b) {
    struct pat_row_error kept = *a;
    *a = *b;
    *b = kept;
}

/* Columns are looked at one after the other, so errors do not come in the order of rows. When there are too many, the
 * last row's makes room. Gives where the error of `row` goes, or NULL when it is behind all that are kept. */
static struct pat_row_error *error_place(struct pat_rejects *rejects, uint32_t row) {
    struct pat_row_error *error = rejects->error;
    uint32_t at = rejects->errors;
    if (at < rejects->errors_max) {
        rejects->errors++;
        error[at].row = row;
        for (; at > 0 && error[(at - 1) / 2].row < row; at = (at - 1) / 2) error_swap(&error[at], &error[(at - 1) / 2]);
        return &error[at];
    }
    if (rejects->errors_max == 0 || error[0].row < row) return NULL;
    error[0].row = row;
    for (at = 0;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < rejects->errors && error[child + 1].row > error[child].row) child++;
        if (child >= rejects->errors || error[child].row < row) return &error[at];
        error_swap(&error[at], &error[child]);
        at = child;
    }
}

bool pat_rejects__told(const struct pat_rejects *rejects, uint32_t row) {
    if (rejects->bad[row] || rejects->errors_max == 0) return false;
    return rejects->errors < rejects->errors_max || rejects->error[0].row >= row;
}

void pat_rejects__add(struct pat_rejects *rejects, uint32_t row, const char *field, enum pat_reject code,
                      const char *format, ...) {
    if (rejects->bad[row]) return;
    rejects->bad[row] = 1;
    rejects->rejected++;
    reason_count(rejects, field, code);
    struct pat_row_error *error = error_place(rejects, row);
    if (error == NULL) return;
    char message[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length < 0) message[0] = '\0';
    struct pat_text text = pat_arena_text(rejects->arena, pat_text_of(message));
    if (text.data == NULL) rejects->no_memory = true;
    *error = (struct pat_row_error){row, code, field, text};
}
