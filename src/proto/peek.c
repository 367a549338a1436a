#include "proto/wire.h"
#include "proto/wire_private.h"

/* An unsigned integer of up to 32 bits behind its MessagePack head. */
static bool uint32_read(const unsigned char *at, size_t left, uint32_t *out) {
    if (left == 0) return false;
    if (at[0] <= 0x7f) {
        *out = at[0];
        return true;
    }
    if (at[0] < 0xcc || at[0] > 0xce) return false;
    const unsigned width = 1u << (at[0] - 0xcc);
    if (left < 1 + width) return false;
    *out = (uint32_t)pat_wire__big_endian(at + 1, width);
    return true;
}

bool pat_wire_peek_msgid(const unsigned char *data, size_t length, uint32_t *msgid) {
    if (length == 0) return false;
    struct pat_wire__head head = pat_wire__head_read(data, length);
    if (head.kind != PAT_WIRE__ARRAY || head.count != 4 || length <= head.bytes) return false;
    if (data[head.bytes] != PAT_MESSAGE_REQUEST) return false;
    return uint32_read(data + head.bytes + 1, length - head.bytes - 1, msgid);
}
