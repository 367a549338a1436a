#include "model/batch.h"

#include "base/buf.h"

#include <string.h>

static enum pat_status text_write(struct pat_text text, struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u32(out, (uint32_t)text.length));
    return pat_buf_append(out, text.data, text.length);
}

enum pat_status pat_batch_errors_write(const struct pat_batch *batch, struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u32(out, batch->errors));
    for (uint32_t i = 0; i < batch->errors; i++) {
        const struct pat_row_error *error = &batch->error[i];
        PAT_TRY(pat_buf_append_u32(out, error->row));
        PAT_TRY(pat_buf_append_u8(out, (uint8_t)error->code));
        PAT_TRY(text_write(pat_text_of(error->field), out));
        PAT_TRY(text_write(error->message, out));
    }
    PAT_TRY(pat_buf_append_u32(out, batch->rejects));
    for (uint32_t i = 0; i < batch->rejects; i++) {
        const struct pat_reject_count *reject = &batch->reject[i];
        PAT_TRY(text_write(pat_text_of(reject->field), out));
        PAT_TRY(pat_buf_append_u8(out, (uint8_t)reject->code));
        PAT_TRY(pat_buf_append_u32(out, reject->rows));
    }
    return PAT_OK;
}

/* A copy in the arena; data NULL when the bytes end early (reader->bad) or memory does. */
static struct pat_text text_read(struct pat_reader *reader, struct pat_arena *arena) {
    uint32_t length = pat_read_u32(reader);
    const unsigned char *bytes = pat_read_bytes(reader, length);
    if (bytes == NULL) return (struct pat_text){NULL, 0};
    return pat_arena_text(arena, (struct pat_text){(const char *)bytes, length});
}

/* The least that one entry takes: counts are compared with the bytes left before memory is asked for. */
#define ERROR_BYTES_MIN  13u
#define REJECT_BYTES_MIN 9u

static enum pat_status rejects_read(struct pat_batch *batch, struct pat_reader *reader, struct pat_arena *arena) {
    uint32_t rejects = pat_read_u32(reader);
    if (reader->bad || rejects > pat_reader_left(reader) / REJECT_BYTES_MIN) return PAT_ERR_CORRUPT;
    struct pat_reject_count *reject = pat_arena_array(arena, rejects, sizeof *reject);
    if (reject == NULL) return PAT_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < rejects; i++) {
        reject[i].field = text_read(reader, arena).data;
        reject[i].code = (enum pat_reject)pat_read_u8(reader);
        reject[i].rows = pat_read_u32(reader);
        if (reader->bad || reject[i].code >= PAT_REJECTS) return PAT_ERR_CORRUPT;
        if (reject[i].field == NULL) return PAT_ERR_NO_MEMORY;
    }
    batch->reject = reject;
    batch->rejects = rejects;
    return PAT_OK;
}

enum pat_status pat_batch_errors_read(struct pat_batch *batch, struct pat_reader *reader, struct pat_arena *arena) {
    uint32_t errors = pat_read_u32(reader);
    if (reader->bad || errors > pat_reader_left(reader) / ERROR_BYTES_MIN) return PAT_ERR_CORRUPT;
    struct pat_row_error *error = pat_arena_array(arena, errors, sizeof *error);
    if (error == NULL) return PAT_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < errors; i++) {
        error[i].row = pat_read_u32(reader);
        error[i].code = (enum pat_reject)pat_read_u8(reader);
        error[i].field = text_read(reader, arena).data;
        error[i].message = text_read(reader, arena);
        if (reader->bad || error[i].code >= PAT_REJECTS) return PAT_ERR_CORRUPT;
        if (error[i].field == NULL || error[i].message.data == NULL) return PAT_ERR_NO_MEMORY;
    }
    batch->error = error;
    batch->errors = errors;
    return rejects_read(batch, reader, arena);
}
