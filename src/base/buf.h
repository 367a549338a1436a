/* A growable run of bytes. Allocates: on append, under `purpose`. */
#ifndef PAT_BASE_BUF_H
#define PAT_BASE_BUF_H

#include "base/mem.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pat_buf {
    unsigned char *data;
    size_t length;
    size_t capacity;
    enum pat_mem_purpose purpose;
};

void pat_buf_init(struct pat_buf *buf, enum pat_mem_purpose purpose);
void pat_buf_deinit(struct pat_buf *buf);
/* Makes room for `bytes` more. PAT_ERR_NO_MEMORY leaves it as it was. */
enum pat_status pat_buf_reserve(struct pat_buf *buf, size_t bytes) PAT_MUST_CHECK;
enum pat_status pat_buf_append(struct pat_buf *buf, const void *data, size_t bytes) PAT_MUST_CHECK;
/* Numbers are little-endian. Inline: mostly there is room, and an entry of the journal has dozens. */
static inline PAT_MUST_CHECK enum pat_status pat_buf_append_number(struct pat_buf *buf, const void *number,
                                                                   size_t bytes) {
    if (bytes > buf->capacity - buf->length) return pat_buf_append(buf, number, bytes);
    memcpy(buf->data + buf->length, number, bytes);
    buf->length += bytes;
    return PAT_OK;
}
static inline PAT_MUST_CHECK enum pat_status pat_buf_append_u8(struct pat_buf *buf, uint8_t value) {
    return pat_buf_append_number(buf, &value, sizeof value);
}
static inline PAT_MUST_CHECK enum pat_status pat_buf_append_u32(struct pat_buf *buf, uint32_t value) {
    return pat_buf_append_number(buf, &value, sizeof value);
}
static inline PAT_MUST_CHECK enum pat_status pat_buf_append_u64(struct pat_buf *buf, uint64_t value) {
    return pat_buf_append_number(buf, &value, sizeof value);
}
enum pat_status pat_buf_printf(struct pat_buf *buf, const char *format, ...) PAT_MUST_CHECK
    __attribute__((format(printf, 2, 3)));
/* Drops the first `bytes`, moving the rest to the front. */
void pat_buf_consume(struct pat_buf *buf, size_t bytes);
static inline void pat_buf_clear(struct pat_buf *buf) {
    buf->length = 0;
}

/* Reads little-endian values from bounded bytes; once `bad` is set every read gives 0. Never reads past `end`. */
struct pat_reader {
    const unsigned char *at;
    const unsigned char *end;
    bool bad;
};
uint8_t pat_read_u8(struct pat_reader *reader);
uint32_t pat_read_u32(struct pat_reader *reader);
uint64_t pat_read_u64(struct pat_reader *reader);
/* Borrowed bytes, or NULL (and bad) when fewer are left. */
const unsigned char *pat_read_bytes(struct pat_reader *reader, size_t bytes);
static inline size_t pat_reader_left(const struct pat_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

#endif
