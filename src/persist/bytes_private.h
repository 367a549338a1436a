/* Fixed places in headers: little-endian, unaligned. Inside the persist room only. */
#ifndef PAT_PERSIST_BYTES_PRIVATE_H
#define PAT_PERSIST_BYTES_PRIVATE_H

#include "base/hash.h"

#include <stdint.h>
#include <string.h>

/* Files are little-endian and so are all machines this runs on; another one would have to swap here and in base/buf.c.
 */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

static inline void pat_put_u32(unsigned char *at, uint32_t value) {
    memcpy(at, &value, sizeof value);
}
static inline void pat_put_u64(unsigned char *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}
static inline void pat_put_digest(unsigned char *at, struct pat_digest value) {
    pat_put_u64(at, value.low);
    pat_put_u64(at + 8, value.high);
}
static inline uint32_t pat_get_u32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint64_t pat_get_u64(const unsigned char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline struct pat_digest pat_get_digest(const unsigned char *at) {
    return (struct pat_digest){pat_get_u64(at), pat_get_u64(at + 8)};
}

#endif
