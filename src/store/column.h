/* A column: one int64 per row, kept in chunks that are each as narrow as their values allow.
 *
 *   directory ──► chunk 0 {width 2, base 14000, data u16[]}      value = base + data[i]; all ones = null
 *             ──► chunk 1 {width 0, base PAT_NULL}               every row the same: costs no data
 *             ──► chunk 2 {width 8, data i64[]}                  value = data[i]
 *             ──► chunk 3 {packed}                               full, and unchanged for a while: see packed.h
 *
 * So a field nobody sends costs nothing, a dictionary of 300 entries costs two bytes a row without anybody deciding
 * that, and a big amount widens its own chunk only. Widening copies one chunk. Writer functions: the thread that owns
 * the store. Reader functions take a pat_column_view and may run on any thread while the view is open. */
#ifndef PAT_STORE_COLUMN_H
#define PAT_STORE_COLUMN_H

#include "base/mem.h"
#include "model/types.h"
#include "store/packed.h"
#include "store/pins.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pat_kernels;

/* Stands for a width in chunks whose data is that of packed.h. */
#define PAT_WIDTH_PACKED 16u

/* Where there are so many chunks, one that many rows begin together fills up like those before it, and gets all its
 * room at once. */
#define PAT_COLUMN_CHUNKS_LARGE 8u

/* Whether a chunk is worth packing: not while its rows change. */
enum pat_chunk_rest {
    PAT_CHUNK_BUSY,  /* changed since it was last looked at */
    PAT_CHUNK_IDLE,  /* not changed since it was last looked at */
    PAT_CHUNK_TRIED, /* packing it gained too little */
    PAT_CHUNK_HELD,  /* chosen for packing: a change goes to a copy, and whoever chose it gives it up */
};

/* The header takes a cache line, so that data starts aligned like the block. */
struct pat_chunk {
    uint64_t born;
    int64_t base;      /* width 0: the value of every row; width 8: unused; packed: bytes of data */
    uint32_t capacity; /* rows there is data for; width 0: any */
    uint8_t width;     /* bytes per value: 0, 1, 2, 4, 8, or PAT_WIDTH_PACKED */
    uint8_t rest;      /* enum pat_chunk_rest; writer only */
    /* writer only, but for pat_column_view_part: */
    bool has_null;
    int64_t low, high; /* of the values ever stored, low > high when none; never narrowed by overwriting */
    unsigned char padding[24];
    unsigned char data[];
};
_Static_assert(offsetof(struct pat_chunk, data) == 64, "data of a chunk starts on a cache line");

struct pat_chunk_dir {
    uint64_t born;
    uint32_t capacity;
    struct pat_chunk *chunk[];
};

struct pat_column {
    struct pat_chunk_dir *dir;
    pat_row rows;
    uint8_t shift; /* rows of a chunk = 1 << shift */
    enum pat_mem_purpose purpose;
    struct pat_pins *pins;
};

struct pat_column_view {
    struct pat_chunk *const *chunk;
    pat_row rows;
    uint8_t shift;
};

static inline int64_t pat_chunk_get(const struct pat_chunk *chunk, uint32_t i) {
    switch (chunk->width) {
    case 0: return chunk->base;
    case 1: return chunk->data[i] == UINT8_MAX ? PAT_NULL : chunk->base + chunk->data[i];
    case 2: {
        uint16_t value;
        memcpy(&value, chunk->data + (size_t)i * 2, 2);
        return value == UINT16_MAX ? PAT_NULL : chunk->base + value;
    }
    case 4: {
        uint32_t value;
        memcpy(&value, chunk->data + (size_t)i * 4, 4);
        return value == UINT32_MAX ? PAT_NULL : chunk->base + (int64_t)value;
    }
    case 8: {
        int64_t value;
        memcpy(&value, chunk->data + (size_t)i * 8, 8);
        return value;
    }
    default: return pat_packed_get(chunk->data, i);
    }
}

static inline void pat_chunk_prefetch(const struct pat_chunk *chunk, uint32_t i) {
    if (chunk->width == PAT_WIDTH_PACKED) {
        pat_packed_prefetch(chunk->data, i);
    } else {
        __builtin_prefetch(chunk->data + (size_t)i * chunk->width);
    }
}

/* ---- writer ----------------------------------------------------------------------------------------------------- */

void pat_column_init(struct pat_column *column, struct pat_pins *pins, uint8_t shift, enum pat_mem_purpose purpose);
void pat_column_deinit(struct pat_column *column); /* no view may be open */
/* Adds one row. Never fails: see pat_mem_alloc_must. */
void pat_column_append(struct pat_column *column, int64_t value);
/* The same for many rows: the width is decided once for all that go into a chunk. */
void pat_column_append_all(struct pat_column *column, const int64_t *values, uint32_t count);
/* `count` rows of one value; costs chunks, not rows, where the chunk has no other values. */
void pat_column_append_same(struct pat_column *column, int64_t value, uint32_t count);
/* Makes a column without rows `rows` long, null everywhere: that takes no data. */
void pat_column_fill(struct pat_column *column, pat_row rows);
/* Changes a row that exists. */
void pat_column_set(struct pat_column *column, pat_row row, int64_t value);
/* Values of rows first .. first + count - 1. */
void pat_column_read(const struct pat_column *column, pat_row first, uint32_t count, int64_t *out);
/* Values of many rows, in any order; rows of one chunk cost least side by side. */
void pat_column_gather(const struct pat_column *column, const pat_row *row, uint32_t count, int64_t *out);
/* Changes many rows, each there once: old[i] is what row[i] has, value[i] what it gets. Chunks in which nothing changes
 * are not touched; rows of one chunk stand side by side, so that it is copied once at the most. */
void pat_column_scatter(struct pat_column *column, const pat_row *row, uint32_t count, const int64_t *old,
                        const int64_t *value);
/* Makes the column ready for pat_column_scatter by several threads at once, each with chunks of its own; at most as
 * many blocks are retired as the column has chunks. */
void pat_column_open_chunks(struct pat_column *column);
static inline uint32_t pat_column_chunks(const struct pat_column *column) {
    return (uint32_t)(((uint64_t)column->rows + (1u << column->shift) - 1) >> column->shift);
}
static inline int64_t pat_column_get(const struct pat_column *column, pat_row row) {
    return pat_chunk_get(column->dir->chunk[row >> column->shift], row & ((1u << column->shift) - 1));
}
/* Asks the processor for a value that will be read soon. */
static inline void pat_column_prefetch(const struct pat_column *column, pat_row row) {
    pat_chunk_prefetch(column->dir->chunk[row >> column->shift], row & ((1u << column->shift) - 1));
}
/* True when no row ever had a value, as of fields that nobody sends. Looks at chunks, not at rows. */
bool pat_column_is_blank(const struct pat_column *column);
struct pat_column_view pat_column_view_of(const struct pat_column *column);

/* Restore: appends a whole chunk as a snapshot holds it. `rows` is 1 << shift for all but the last one. False when
 * width or size make no sense. */
bool pat_column_restore(struct pat_column *column, uint8_t width, int64_t base, uint32_t rows,
                        const unsigned char *data);

/* The same in two steps: where the data of the chunk is to be written (NULL when width or size make no sense), and
 * then, when it was, what it says; false when that makes no sense. Closing is for any thread, each chunk once; nothing
 * is read or changed before. A packed chunk is a whole one, with `base` bytes. */
unsigned char *pat_column_restore_open(struct pat_column *column, uint8_t width, int64_t base, uint32_t rows);
bool pat_column_restore_close(struct pat_column *column, uint32_t chunk);
/* Bytes of such a chunk's data. */
static inline size_t pat_chunk_bytes(uint8_t width, int64_t base, uint32_t rows) {
    return width == PAT_WIDTH_PACKED ? (size_t)base : (size_t)rows * width;
}

/* ---- packing: chosen by the owner, made by anybody, taken or left by the owner ---- */

/* The chunk, when it is whole, has not changed since the last call for it and may take less room packed; else NULL. It
 * is held: it stays as it is, whatever is written to the column, until it is taken or left. */
struct pat_chunk *pat_column_pack_choose(struct pat_column *column, uint32_t chunk);
/* A packed copy; NULL when it would gain too little or there is no memory. `chunk` is one that is held, `scratch` has
 * pat_chunk_pack_scratch bytes. Thread: any. */
struct pat_chunk *pat_chunk_pack(const struct pat_chunk *chunk, uint32_t rows, enum pat_mem_purpose purpose,
                                 void *scratch);
size_t pat_chunk_pack_scratch(uint32_t rows);
/* Puts `packed` (may be NULL: not worth it) in the place of `was`, unless that has been replaced since: then `packed`
 * is freed. Gives the chunk that was replaced, which views from before this version still read and the caller frees
 * after them; or NULL. */
struct pat_chunk *pat_column_pack_take(struct pat_column *column, uint32_t index, struct pat_chunk *was,
                                       struct pat_chunk *packed);
/* Instead of that: `was` may be chosen again. */
void pat_column_pack_leave(struct pat_column *column, uint32_t index, struct pat_chunk *was);

/* ---- reader ----------------------------------------------------------------------------------------------------- */

/* `row` below view->rows. */
static inline int64_t pat_column_view_get(const struct pat_column_view *view, pat_row row) {
    return pat_chunk_get(view->chunk[row >> view->shift], row & ((1u << view->shift) - 1));
}
/* Asks the processor for a value that will be read soon; the second one, after that, for what a packed one reads then.
 */
static inline void pat_column_view_prefetch(const struct pat_column_view *view, pat_row row) {
    pat_chunk_prefetch(view->chunk[row >> view->shift], row & ((1u << view->shift) - 1));
}
static inline void pat_column_view_prefetch_code(const struct pat_column_view *view, pat_row row) {
    const struct pat_chunk *chunk = view->chunk[row >> view->shift];
    if (chunk->width == PAT_WIDTH_PACKED) pat_packed_prefetch_code(chunk->data, row & ((1u << view->shift) - 1));
}
/* Rows of one chunk as they lie there: values are those of pat_chunk. */
struct pat_column_part {
    const unsigned char *data; /* of the first row; nothing with width 0; packed: of the whole chunk */
    int64_t base;
    uint32_t start; /* packed: the first row */
    uint8_t width, shift;
    /* What the chunk holds at the most, when that is known: of a chunk that rows are still appended to only the writer
     * may look. low > high when every row is null. */
    bool bounded, has_null;
    int64_t low, high;
};
/* Rows from `first` on, to the end of its chunk or of the view. */
static inline struct pat_column_part pat_column_view_part(const struct pat_column_view *view, pat_row first) {
    const pat_row index = first >> view->shift;
    const struct pat_chunk *chunk = view->chunk[index];
    const uint32_t start = first & ((1u << view->shift) - 1);
    struct pat_column_part part = {.data = chunk->data,
                                   .base = chunk->base,
                                   .start = start,
                                   .shift = view->shift,
                                   .width = chunk->width,
                                   .bounded = ((uint64_t)index + 1) << view->shift <= view->rows,
                                   .has_null = true,
                                   .low = INT64_MIN,
                                   .high = INT64_MAX};
    if (part.width != PAT_WIDTH_PACKED) part.data += (size_t)start * part.width;
    /* Who reads this chunk reads the next one soon, whose head is a miss and tells where its data is. */
    if (((uint64_t)index + 1) << view->shift < view->rows) __builtin_prefetch(view->chunk[index + 1]);
    if (part.bounded) {
        part.has_null = chunk->has_null;
        part.low = chunk->low;
        part.high = chunk->high;
    }
    return part;
}
/* Unpacks rows first .. first + count - 1 to int64. */
void pat_column_view_read(const struct pat_column_view *view, pat_row first, uint32_t count, int64_t *out,
                          const struct pat_kernels *kernels);

#endif
