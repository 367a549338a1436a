/* The head of one MessagePack value: what scan.c and decode.c read. */
#ifndef PAT_PROTO_WIRE_PRIVATE_H
#define PAT_PROTO_WIRE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pat_scan_limits;

enum pat_wire__kind {
    PAT_WIRE__SCALAR, /* nil, bool, number: nothing behind the head */
    PAT_WIRE__STR,
    PAT_WIRE__BIN,
    PAT_WIRE__ARRAY,
    PAT_WIRE__MAP,
    PAT_WIRE__EXT,      /* passed by the scanner, taken by no request */
    PAT_WIRE__RESERVED, /* 0xc1 */
};

struct pat_wire__head {
    enum pat_wire__kind kind;
    uint32_t bytes; /* of the head itself, an ext's type included; scalars are nothing but head */
    uint32_t count; /* STR, BIN, EXT: bytes behind the head; ARRAY: items; MAP: members */
};

static inline uint64_t pat_wire__big_endian(const unsigned char *at, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++) value = value << 8 | at[i];
    return value;
}

/* Heads of 0xc0 to 0xdf; the rest of the byte range carries its value or count in itself. `width` is the size of the
 * count behind the first byte, or of the whole scalar behind it. In order: nil, reserved, false, true; bin; ext; float,
 * double; unsigned; signed; ext of fixed size, which is 1 << (byte - 0xd4); str; array; map. */
static const struct {
    uint8_t kind;
    uint8_t width;
} pat_wire__head_of[32] = {
    {PAT_WIRE__SCALAR, 0}, {PAT_WIRE__RESERVED, 0}, {PAT_WIRE__SCALAR, 0}, {PAT_WIRE__SCALAR, 0}, {PAT_WIRE__BIN, 1},
    {PAT_WIRE__BIN, 2},    {PAT_WIRE__BIN, 4},      {PAT_WIRE__EXT, 1},    {PAT_WIRE__EXT, 2},    {PAT_WIRE__EXT, 4},
    {PAT_WIRE__SCALAR, 4}, {PAT_WIRE__SCALAR, 8},   {PAT_WIRE__SCALAR, 1}, {PAT_WIRE__SCALAR, 2}, {PAT_WIRE__SCALAR, 4},
    {PAT_WIRE__SCALAR, 8}, {PAT_WIRE__SCALAR, 1},   {PAT_WIRE__SCALAR, 2}, {PAT_WIRE__SCALAR, 4}, {PAT_WIRE__SCALAR, 8},
    {PAT_WIRE__EXT, 0},    {PAT_WIRE__EXT, 0},      {PAT_WIRE__EXT, 0},    {PAT_WIRE__EXT, 0},    {PAT_WIRE__EXT, 0},
    {PAT_WIRE__STR, 1},    {PAT_WIRE__STR, 2},      {PAT_WIRE__STR, 4},    {PAT_WIRE__ARRAY, 2},  {PAT_WIRE__ARRAY, 4},
    {PAT_WIRE__MAP, 2},    {PAT_WIRE__MAP, 4},
};

/* All heads that are longer than one byte, and a few that are not. */
static inline struct pat_wire__head pat_wire__head_read_long(const unsigned char *at, size_t left) {
    unsigned char byte = at[0];
    unsigned width = pat_wire__head_of[byte - 0xc0].width;
    struct pat_wire__head head = {(enum pat_wire__kind)pat_wire__head_of[byte - 0xc0].kind, 1 + width, 0};
    if (head.kind == PAT_WIRE__EXT) head.bytes++; /* its type */
    if (head.kind == PAT_WIRE__SCALAR || head.bytes > left) return head;
    head.count =
        head.kind == PAT_WIRE__EXT && width == 0 ? 1u << (byte - 0xd4) : (uint32_t)pat_wire__big_endian(at + 1, width);
    return head;
}

/* Reads the head at `at`, of which `left` bytes (at least one) are there. Kind and bytes are always right; count is
 * only when bytes <= left, and 0 otherwise. Inline: it is called for every value of every message. */
static inline struct pat_wire__head pat_wire__head_read(const unsigned char *at, size_t left) {
    unsigned char byte = at[0];
    if (byte <= 0x7f || byte >= 0xe0) return (struct pat_wire__head){PAT_WIRE__SCALAR, 1, 0};
    if (byte >= 0xc0) return pat_wire__head_read_long(at, left);
    if (byte >= 0xa0) return (struct pat_wire__head){PAT_WIRE__STR, 1, byte & 0x1fu};
    return (struct pat_wire__head){byte >= 0x90 ? PAT_WIRE__ARRAY : PAT_WIRE__MAP, 1, byte & 0x0fu};
}

#define PAT_WIRE__NIL 0xc0u

/* How many of the first `most` bytes are nils, up to the first other one. */
static inline size_t pat_wire__nils(const unsigned char *at, size_t most) {
    size_t count = 0;
    for (; most - count >= sizeof(uint64_t); count += sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, at + count, sizeof eight);
        if (eight != PAT_WIRE__NIL * UINT64_C(0x0101010101010101)) break;
    }
    while (count < most && at[count] == PAT_WIRE__NIL) count++;
    return count;
}

static inline bool pat_wire__has_payload(enum pat_wire__kind kind) {
    return kind == PAT_WIRE__STR || kind == PAT_WIRE__BIN || kind == PAT_WIRE__EXT;
}

/* Values directly inside a container; 0 for the rest. Fits: a map's count is 32 bits. */
static inline uint64_t pat_wire__children(const struct pat_wire__head *head) {
    if (head->kind == PAT_WIRE__ARRAY) return head->count;
    return head->kind == PAT_WIRE__MAP ? (uint64_t)head->count * 2 : 0;
}

/* Bytes behind the head that are no values; 0 for the rest. */
static inline uint32_t pat_wire__payload(const struct pat_wire__head *head) {
    return pat_wire__has_payload(head->kind) ? head->count : 0;
}

/* scan_quick.c: bytes of the frame that begins `data`, if it is whole and of the plain kind, and how many values it
 * has; else 0, and the scanner has its say. */
size_t pat_scan__quick(const struct pat_scan_limits *limits, const unsigned char *data, size_t length, size_t *values);

#endif
