#include "base/buf.h"

#include "base/scratch.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void pat_buf_init(struct pat_buf *buf, enum pat_mem_purpose purpose) {
    *buf = (struct pat_buf){.purpose = purpose};
}

/* From here on on huge pages that serve again (pat_mem_alloc_big): frames of megabytes come and go. Between the chunks
 * of columns in malloc's heap they would leave holes. */
#define BIG_BYTES ((size_t)4 << 20)

static void give_data(struct pat_buf *buf) {
    if (buf->capacity >= PAT_SCRATCH_FROM_BYTES && buf->capacity < BIG_BYTES) {
        pat_scratch_give(buf->purpose, buf->data, buf->capacity);
    } else {
        pat_mem_free(buf->purpose, buf->data);
    }
}

void pat_buf_deinit(struct pat_buf *buf) {
    give_data(buf);
    *buf = (struct pat_buf){.purpose = buf->purpose};
}

static enum pat_status grow(struct pat_buf *buf, size_t capacity) {
    unsigned char *data = pat_mem_grow(buf->purpose, buf->data, buf->length, capacity);
    if (data == NULL) return PAT_ERR_NO_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return PAT_OK;
}

static enum pat_status grow_large(struct pat_buf *buf, size_t capacity) {
    size_t got = capacity;
    unsigned char *data = capacity < BIG_BYTES ? pat_scratch_take(buf->purpose, capacity, &got)
                                               : pat_mem_alloc_big(buf->purpose, capacity);
    if (data == NULL) return PAT_ERR_NO_MEMORY;
    if (buf->length > 0) memcpy(data, buf->data, buf->length);
    give_data(buf);
    buf->data = data;
    buf->capacity = got;
    return PAT_OK;
}

enum pat_status pat_buf_reserve(struct pat_buf *buf, size_t bytes) {
    size_t needed;
    if (!pat_size_add(buf->length, bytes, &needed)) return PAT_ERR_NO_MEMORY;
    if (needed <= buf->capacity) return PAT_OK;
    size_t capacity = buf->capacity < 256 ? 256 : buf->capacity;
    while (capacity < needed) {
        if (!pat_size_mul(capacity, 2, &capacity)) return PAT_ERR_NO_MEMORY;
    }
    return capacity < PAT_SCRATCH_FROM_BYTES ? grow(buf, capacity) : grow_large(buf, capacity);
}

enum pat_status pat_buf_append(struct pat_buf *buf, const void *data, size_t bytes) {
    if (bytes > buf->capacity - buf->length) PAT_TRY(pat_buf_reserve(buf, bytes));
    if (bytes > 0) memcpy(buf->data + buf->length, data, bytes);
    buf->length += bytes;
    return PAT_OK;
}

enum pat_status pat_buf_printf(struct pat_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) return PAT_ERR_INTERNAL;
    PAT_TRY(pat_buf_reserve(buf, (size_t)length + 1));
    va_start(args, format);
    (void)vsnprintf((char *)buf->data + buf->length, (size_t)length + 1, format, args);
    va_end(args);
    buf->length += (size_t)length;
    return PAT_OK;
}

void pat_buf_consume(struct pat_buf *buf, size_t bytes) {
    PAT_ASSERT(bytes <= buf->length);
    if (bytes == 0) return;
    memmove(buf->data, buf->data + bytes, buf->length - bytes);
    buf->length -= bytes;
}

const unsigned char *pat_read_bytes(struct pat_reader *reader, size_t bytes) {
    if (reader->bad || bytes > pat_reader_left(reader)) {
        reader->bad = true;
        return NULL;
    }
    const unsigned char *at = reader->at;
    reader->at += bytes;
    return at;
}

uint8_t pat_read_u8(struct pat_reader *reader) {
    const unsigned char *at = pat_read_bytes(reader, 1);
    return at != NULL ? *at : 0;
}

uint32_t pat_read_u32(struct pat_reader *reader) {
    uint32_t value = 0;
    const unsigned char *at = pat_read_bytes(reader, sizeof value);
    if (at != NULL) memcpy(&value, at, sizeof value);
    return value;
}

uint64_t pat_read_u64(struct pat_reader *reader) {
    uint64_t value = 0;
    const unsigned char *at = pat_read_bytes(reader, sizeof value);
    if (at != NULL) memcpy(&value, at, sizeof value);
    return value;
}
