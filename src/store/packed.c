#include "store/packed.h"

#include "model/types.h"

#include <string.h>

/* A code is read as the 8 bytes from its first one on, so that with the bits before it it must fit into 64. */
#define CODE_BITS_MAX 57u
/* Readable bytes behind the last code. */
#define PADDING 8u

enum kind {
    DENSE,    /* a code for each value */
    NULLABLE, /* the same, all ones for null */
    SPARSE,   /* struct map, then a code for each value that is not null */
};

struct block {
    int64_t base;
    uint64_t max;    /* greatest code */
    uint32_t offset; /* of its codes or map in the data */
    uint8_t bits;
    uint8_t kind;
    uint16_t unused;
};
_Static_assert(sizeof(struct block) == 24, "blocks are written to files as they are");

#define MAP_WORDS (PAT_PACKED_BLOCK / 64)

struct map {
    uint64_t word[MAP_WORDS];   /* a bit for each value that is not null */
    uint16_t before[MAP_WORDS]; /* bits set before each word */
};
_Static_assert(sizeof(struct map) == 160, "maps are written to files as they are");

static uint32_t block_count(uint32_t rows) {
    return (rows + PAT_PACKED_BLOCK - 1) / PAT_PACKED_BLOCK;
}

static struct block block_at(const unsigned char *data, uint32_t index) {
    struct block block;
    memcpy(&block, data + (size_t)index * sizeof block, sizeof block);
    return block;
}

static uint64_t all_ones(unsigned bits) {
    return (UINT64_C(1) << bits) - 1;
}

/* Bytes of `count` codes; the next block begins at a multiple of 8. */
static size_t codes_bytes(uint32_t count, unsigned bits) {
    return ((size_t)count * bits + 63) / 64 * 8;
}

static unsigned bits_of(uint64_t code) {
    return code == 0 ? 0 : 64u - (unsigned)__builtin_clzll(code);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static inline uint64_t code_at(const unsigned char *codes, uint32_t i, unsigned bits) {
    const size_t bit = (size_t)i * bits;
    uint64_t word;
    memcpy(&word, codes + bit / 8, sizeof word);
    return word >> (bit % 8) & all_ones(bits);
}

static inline int64_t value_of(const struct block *block, uint64_t code) {
    return (int64_t)((uint64_t)block->base + (code < block->max ? code : block->max));
}

static inline bool map_place(const unsigned char *map, uint32_t i, uint32_t *place) {
    uint64_t word;
    uint16_t before;
    memcpy(&word, map + offsetof(struct map, word) + i / 64 * sizeof word, sizeof word);
    if ((word >> (i % 64) & 1) == 0) return false;
    memcpy(&before, map + offsetof(struct map, before) + i / 64 * sizeof before, sizeof before);
    *place = before + (uint32_t)__builtin_popcountll(word & all_ones(i % 64));
    return true;
}

int64_t pat_packed_get(const unsigned char *data, uint32_t i) {
    const struct block block = block_at(data, i / PAT_PACKED_BLOCK);
    const unsigned char *codes = data + block.offset;
    uint32_t place = i % PAT_PACKED_BLOCK;
    if (block.kind == SPARSE) {
        if (!map_place(codes, place, &place)) return PAT_NULL;
        codes += sizeof(struct map);
    }
    const uint64_t code = code_at(codes, place, block.bits);
    return block.kind == NULLABLE && code == all_ones(block.bits) ? PAT_NULL : value_of(&block, code);
}

void pat_packed_prefetch(const unsigned char *data, uint32_t i) {
    __builtin_prefetch(data + i / PAT_PACKED_BLOCK * sizeof(struct block));
}

void pat_packed_prefetch_code(const unsigned char *data, uint32_t i) {
    const struct block block = block_at(data, i / PAT_PACKED_BLOCK);
    const unsigned char *codes = data + block.offset;
    const uint32_t place = i % PAT_PACKED_BLOCK;
    if (block.kind == SPARSE) {
        __builtin_prefetch(codes + offsetof(struct map, word) + place / 64 * sizeof(uint64_t));
        __builtin_prefetch(codes + offsetof(struct map, before) + place / 64 * sizeof(uint16_t));
    } else {
        __builtin_prefetch(codes + (size_t)place * block.bits / 8);
    }
}

static void read_dense(const struct block *block, const unsigned char *codes, uint32_t first, uint32_t count,
                       int64_t *restrict out) {
    const unsigned bits = block->bits;
    for (uint32_t i = 0; i < count; i++) out[i] = value_of(block, code_at(codes, first + i, bits));
}

static void read_nullable(const struct block *block, const unsigned char *codes, uint32_t first, uint32_t count,
                          int64_t *restrict out) {
    const unsigned bits = block->bits;
    const uint64_t null = all_ones(bits);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t code = code_at(codes, first + i, bits);
        out[i] = code == null ? PAT_NULL : value_of(block, code);
    }
}

static void read_sparse(const struct block *block, const unsigned char *map, uint32_t first, uint32_t count,
                        int64_t *restrict out) {
    const unsigned char *codes = map + sizeof(struct map);
    for (uint32_t i = 0; i < count; i++) out[i] = PAT_NULL;
    for (uint32_t w = first / 64; w * 64 < first + count; w++) {
        uint64_t word;
        uint16_t place;
        memcpy(&word, map + offsetof(struct map, word) + w * sizeof word, sizeof word);
        memcpy(&place, map + offsetof(struct map, before) + w * sizeof place, sizeof place);
        for (; word != 0; word &= word - 1, place++) {
            const uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(word);
            if (i - first < count) out[i - first] = value_of(block, code_at(codes, place, block->bits));
        }
    }
}

void pat_packed_read(const unsigned char *data, uint32_t first, uint32_t count, int64_t *out) {
    for (uint32_t here; count > 0; first += here, count -= here, out += here) {
        const struct block block = block_at(data, first / PAT_PACKED_BLOCK);
        const uint32_t within = first % PAT_PACKED_BLOCK;
        here = PAT_PACKED_BLOCK - within < count ? PAT_PACKED_BLOCK - within : count;
        switch (block.kind) {
        case DENSE: read_dense(&block, data + block.offset, within, here, out); break;
        case NULLABLE: read_nullable(&block, data + block.offset, within, here, out); break;
        default: read_sparse(&block, data + block.offset, within, here, out);
        }
    }
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* How many codes there are behind the map; false when it contradicts itself. */
static bool map_check(const unsigned char *data, uint32_t rows, uint32_t *codes) {
    struct map map;
    memcpy(&map, data, sizeof map);
    *codes = 0;
    for (uint32_t w = 0; w < MAP_WORDS; w++) {
        if (map.before[w] != *codes) return false;
        *codes += (uint32_t)__builtin_popcountll(map.word[w]);
    }
    return *codes <= rows;
}

static bool block_check(const unsigned char *data, size_t bytes, const struct block *block, uint32_t rows,
                        bool *has_values, bool *has_null) {
    uint32_t codes = rows;
    size_t at = block->offset;
    if (block->kind > SPARSE || block->bits > CODE_BITS_MAX || block->max > all_ones(block->bits)) return false;
    if (block->base == PAT_NULL || block->base > INT64_MAX - (int64_t)block->max) return false;
    if (at > bytes) return false;
    if (block->kind == SPARSE) {
        if (bytes - at < sizeof(struct map) || !map_check(data + at, rows, &codes)) return false;
        at += sizeof(struct map);
    }
    *has_null = block->kind == NULLABLE || codes < rows;
    *has_values = block->kind == SPARSE ? codes > 0 : block->kind == DENSE || block->bits > 0;
    return bytes - at >= codes_bytes(codes, block->bits) + PADDING;
}

bool pat_packed_check(const unsigned char *data, size_t bytes, uint32_t rows, int64_t *low, int64_t *high,
                      bool *has_null) {
    *low = INT64_MAX;
    *high = INT64_MIN;
    *has_null = false;
    if (bytes < block_count(rows) * sizeof(struct block)) return false;
    for (uint32_t b = 0; b < block_count(rows); b++) {
        const struct block block = block_at(data, b);
        const uint32_t left = rows - b * PAT_PACKED_BLOCK;
        bool values, nulls;
        if (!block_check(data, bytes, &block, left < PAT_PACKED_BLOCK ? left : PAT_PACKED_BLOCK, &values, &nulls)) {
            return false;
        }
        *has_null |= nulls;
        if (!values) continue;
        if (block.base < *low) *low = block.base;
        if (block.base + (int64_t)block.max > *high) *high = block.base + (int64_t)block.max;
    }
    return true;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

size_t pat_packed_bytes_max(uint32_t rows) {
    const size_t block = sizeof(struct block) + PAT_PACKED_BLOCK * sizeof(int64_t);
    return block_count(rows) * block + PADDING;
}

/* Least, greatest and number of the values that are not null. */
static uint32_t span_of(const int64_t *value, uint32_t rows, int64_t *low, int64_t *high) {
    uint32_t count = 0;
    *low = INT64_MAX;
    *high = INT64_MIN;
    for (uint32_t i = 0; i < rows; i++) {
        const bool there = value[i] != PAT_NULL;
        count += there;
        *low = there && value[i] < *low ? value[i] : *low;
        *high = value[i] > *high ? value[i] : *high; /* null is the least integer */
    }
    return count;
}

/* What takes the fewest bytes; false when codes would have too many bits. */
static bool block_choose(const int64_t *value, uint32_t rows, struct block *block) {
    int64_t low, high;
    const uint32_t count = span_of(value, rows, &low, &high);
    *block = (struct block){.kind = NULLABLE};
    if (count == 0) return true;
    block->base = low;
    block->max = (uint64_t)high - (uint64_t)low;
    if (block->max >= all_ones(CODE_BITS_MAX)) return false;
    block->kind = count == rows ? DENSE : NULLABLE;
    block->bits = (uint8_t)bits_of(block->max + (count == rows ? 0 : 1));
    const unsigned bits = bits_of(block->max);
    if (sizeof(struct map) + codes_bytes(count, bits) < codes_bytes(rows, block->bits)) {
        block->kind = SPARSE;
        block->bits = (uint8_t)bits;
    }
    return true;
}

static void map_put(const int64_t *value, uint32_t rows, unsigned char *out) {
    struct map map = {{0}, {0}};
    uint16_t before = 0;
    for (uint32_t w = 0; w < MAP_WORDS; w++) {
        map.before[w] = before;
        for (uint32_t i = w * 64; i < rows && i < w * 64 + 64; i++) {
            if (value[i] != PAT_NULL) map.word[w] |= UINT64_C(1) << (i % 64);
        }
        before = (uint16_t)(before + (unsigned)__builtin_popcountll(map.word[w]));
    }
    memcpy(out, &map, sizeof map);
}

/* Writes codes one after the other; what is behind the last one up to a multiple of 8 bytes becomes zero. */
static size_t codes_put(const int64_t *value, uint32_t rows, const struct block *block, unsigned char *out) {
    const unsigned bits = block->bits;
    uint64_t word = 0;
    unsigned used = 0;
    uint32_t count = 0;
    unsigned char *at = out;
    for (uint32_t i = 0; i < rows; i++) {
        if (block->kind == SPARSE && value[i] == PAT_NULL) continue;
        const uint64_t code = value[i] == PAT_NULL ? all_ones(bits) : (uint64_t)value[i] - (uint64_t)block->base;
        count++;
        if (bits == 0) continue;
        word |= code << used;
        used += bits;
        if (used < 64) continue;
        memcpy(at, &word, sizeof word);
        at += sizeof word;
        used -= 64;
        word = used == 0 ? 0 : code >> (bits - used);
    }
    if (used > 0) memcpy(at, &word, sizeof word);
    return codes_bytes(count, bits);
}

size_t pat_packed_make(const int64_t *values, uint32_t rows, unsigned char *out) {
    size_t at = block_count(rows) * sizeof(struct block);
    for (uint32_t b = 0; b < block_count(rows); b++) {
        const uint32_t first = b * PAT_PACKED_BLOCK, left = rows - first;
        const uint32_t here = left < PAT_PACKED_BLOCK ? left : PAT_PACKED_BLOCK;
        struct block block;
        if (!block_choose(values + first, here, &block)) return 0;
        block.offset = (uint32_t)at;
        memcpy(out + b * sizeof block, &block, sizeof block);
        if (block.kind == SPARSE) {
            map_put(values + first, here, out + at);
            at += sizeof(struct map);
        }
        at += codes_put(values + first, here, &block, out + at);
    }
    memset(out + at, 0, PADDING);
    return at + PADDING;
}
