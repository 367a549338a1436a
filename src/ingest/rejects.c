#include "ingest/ingest_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool pat_rejects__init(struct pat_rejects *rejects, struct pat_arena *arena, uint32_t rows, uint32_t errors_max) {
    *rejects = (struct pat_rejects){.arena = arena, .rows = rows, .errors_max = errors_max < rows ? errors_max : rows};
    rejects->bad = pat_arena_array(arena, rows, 1);
    rejects->error = pat_arena_array(arena, rejects->errors_max, sizeof *rejects->error);
    rejects->reason = pat_arena_array(arena, REJECT_REASONS_MAX, sizeof *rejects->reason);
    return rejects->bad != NULL && rejects->error != NULL && rejects->reason != NULL;
}

static void reason_count(struct pat_rejects *rejects, const char *field, enum pat_reject code) {
    for (uint32_t i = 0; i < rejects->reasons; i++) {
        if (rejects->reason[i].code == code && strcmp(rejects->reason[i].field, field) == 0) {
            rejects->reason[i].rows++;
            return;
        }
    }
    if (rejects->reasons == REJECT_REASONS_MAX) return;
    rejects->reason[rejects->reasons++] = (struct pat_reject_count){field, code, 1};
}

void pat_rejects__add(struct pat_rejects *rejects, uint32_t row, const char *field, enum pat_reject code,
                      const char *format, ...) {
    if (rejects->bad[row]) return;
    rejects->bad[row] = 1;
    rejects->rejected++;
    reason_count(rejects, field, code);
    if (rejects->errors == rejects->errors_max) return;
    char message[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length < 0) message[0] = '\0';
    struct pat_text text = pat_arena_text(rejects->arena, pat_text_of(message));
    if (text.data == NULL) text = PAT_TEXT("");
    rejects->error[rejects->errors++] = (struct pat_row_error){row, code, field, text};
}
