/* The head of one MessagePack value: what scan.c and decode.c read. */
#ifndef PAT_PROTO_WIRE_PRIVATE_H
#define PAT_PROTO_WIRE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* The heads of 0xc0 to 0xdf: all that are longer than one byte, and a few that are not. */
struct pat_wire__head pat_wire__head_read_long(const unsigned char *at, size_t left);

/* Reads the head at `at`, of which `left` bytes (at least one) are there. Kind and bytes are always right; count is
 * only when bytes <= left, and 0 otherwise. Inline: it is called for every value of every message. */
static inline struct pat_wire__head pat_wire__head_read(const unsigned char *at, size_t left) {
    unsigned char byte = at[0];
    if (byte <= 0x7f || byte >= 0xe0) return (struct pat_wire__head){PAT_WIRE__SCALAR, 1, 0};
    if (byte >= 0xc0) return pat_wire__head_read_long(at, left);
    if (byte >= 0xa0) return (struct pat_wire__head){PAT_WIRE__STR, 1, byte & 0x1fu};
    return (struct pat_wire__head){byte >= 0x90 ? PAT_WIRE__ARRAY : PAT_WIRE__MAP, 1, byte & 0x0fu};
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
