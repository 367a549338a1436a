#include "store/column.h"

#include "base/status.h"
#include "kernel/kernel.h"

/* A chunk's data starts with room for this many rows and doubles, so that a small shop stays small. */
#define CHUNK_ROWS_FIRST 64u

void pat_column_init(struct pat_column *column, struct pat_pins *pins, uint8_t shift, enum pat_mem_purpose purpose) {
    *column = (struct pat_column){.shift = shift, .purpose = purpose, .pins = pins};
}

void pat_column_deinit(struct pat_column *column) {
    if (column->dir == NULL) return;
    uint32_t chunks = (uint32_t)(((uint64_t)column->rows + (1u << column->shift) - 1) >> column->shift);
    for (uint32_t i = 0; i < chunks; i++) pat_mem_free(column->purpose, column->dir->chunk[i]);
    pat_mem_free(column->purpose, column->dir);
    column->dir = NULL;
}

static uint32_t chunk_rows_max(const struct pat_column *column) {
    return 1u << column->shift;
}

/* Rows that chunk `index` holds now. */
static uint32_t chunk_rows(const struct pat_column *column, uint32_t index) {
    pat_row first = index << column->shift;
    uint32_t left = column->rows - first;
    return left < chunk_rows_max(column) ? left : chunk_rows_max(column);
}

static struct pat_chunk *chunk_new(const struct pat_column *column, uint8_t width, int64_t base, uint32_t capacity) {
    struct pat_chunk *chunk = pat_mem_alloc_must(column->purpose, sizeof *chunk + (size_t)capacity * width);
    chunk->born = column->pins->version;
    chunk->base = base;
    chunk->capacity = capacity;
    chunk->width = width;
    chunk->low = INT64_MAX;
    chunk->high = INT64_MIN;
    return chunk;
}

/* Makes sure slot `index` of the directory may be written. Views hold the directory they saw; adding behind their last
 * chunk needs no copy, replacing a chunk does. */
static void dir_prepare(struct pat_column *column, uint32_t index, bool replaces) {
    struct pat_chunk_dir *dir = column->dir;
    bool grows = dir == NULL || index >= dir->capacity;
    if (!grows && !(replaces && pat_pins_shared(column->pins, dir->born))) return;
    uint32_t capacity = dir == NULL ? 4 : dir->capacity;
    while (capacity <= index) capacity *= 2;
    struct pat_chunk_dir *bigger =
        pat_mem_alloc_must(column->purpose, sizeof *bigger + (size_t)capacity * sizeof(struct pat_chunk *));
    bigger->born = column->pins->version;
    bigger->capacity = capacity;
    if (dir != NULL) memcpy(bigger->chunk, dir->chunk, (size_t)dir->capacity * sizeof(struct pat_chunk *));
    pat_pins_retire(column->pins, column->purpose, dir);
    column->dir = bigger;
}

static void dir_replace(struct pat_column *column, uint32_t index, struct pat_chunk *chunk) {
    dir_prepare(column, index, true);
    pat_pins_retire(column->pins, column->purpose, column->dir->chunk[index]);
    column->dir->chunk[index] = chunk;
}

static inline void chunk_put(struct pat_chunk *chunk, uint32_t i, int64_t value) {
    switch (chunk->width) {
    case 0: return;
    case 1: chunk->data[i] = value == PAT_NULL ? UINT8_MAX : (uint8_t)(value - chunk->base); return;
    case 2: {
        uint16_t narrow = value == PAT_NULL ? UINT16_MAX : (uint16_t)(value - chunk->base);
        memcpy(chunk->data + (size_t)i * 2, &narrow, 2);
        return;
    }
    case 4: {
        uint32_t narrow = value == PAT_NULL ? UINT32_MAX : (uint32_t)(value - chunk->base);
        memcpy(chunk->data + (size_t)i * 4, &narrow, 4);
        return;
    }
    default: memcpy(chunk->data + (size_t)i * 8, &value, 8);
    }
}

/* Values that a width can hold above its base; all ones is null. */
static uint64_t width_span(uint8_t width) {
    switch (width) {
    case 1: return UINT8_MAX - 1;
    case 2: return UINT16_MAX - 1;
    case 4: return UINT32_MAX - 1;
    default: return UINT64_MAX;
    }
}

static inline bool chunk_fits(const struct pat_chunk *chunk, int64_t value) {
    if (chunk->width == 0) return value == chunk->base;
    if (chunk->width == 8 || value == PAT_NULL) return true;
    /* All ones stand for null. A difference that wraps is greater than any span below 8 bytes. */
    uint64_t span = (UINT64_C(1) << (8 * chunk->width)) - 2;
    return value >= chunk->base && (uint64_t)value - (uint64_t)chunk->base <= span;
}

static inline void chunk_note(struct pat_chunk *chunk, int64_t value) {
    if (value == PAT_NULL) {
        chunk->has_null = true;
        return;
    }
    if (value < chunk->low) chunk->low = value;
    if (value > chunk->high) chunk->high = value;
}

/* Width and base for values low..high. Half of a width's span is left free around them, so that neighbours to come do
 * not re-encode the chunk again and again; small non-negative numbers (codes, counts) get base 0. */
static uint8_t choose_width(int64_t low, int64_t high, int64_t *base) {
    static const uint8_t widths[] = {1, 2, 4};
    uint64_t span = low <= high ? (uint64_t)high - (uint64_t)low : 0;
    for (unsigned i = 0; i < sizeof widths; i++) {
        uint64_t room = width_span(widths[i]);
        if (low > high || (low >= 0 && (uint64_t)high <= room)) {
            *base = 0;
            return widths[i];
        }
        if (span > room / 2) continue;
        uint64_t slack = (room - span) / 2;
        *base = low >= INT64_MIN + 1 + (int64_t)slack ? low - (int64_t)slack : INT64_MIN + 1;
        return widths[i];
    }
    *base = 0;
    return 8;
}

/* A copy of the chunk that can take `value` and has room for `rows` rows. */
static struct pat_chunk *chunk_recode(const struct pat_column *column, const struct pat_chunk *old, uint32_t rows_used,
                                      uint32_t rows_wanted, int64_t value) {
    uint8_t width = old->width;
    int64_t base = old->base;
    if (!chunk_fits(old, value)) {
        int64_t low = old->low, high = old->high;
        if (value != PAT_NULL && value < low) low = value;
        if (value != PAT_NULL && value > high) high = value;
        width = choose_width(low, high, &base);
    }
    uint32_t capacity = old->capacity < CHUNK_ROWS_FIRST ? CHUNK_ROWS_FIRST : old->capacity;
    while (capacity < rows_wanted) capacity *= 2;
    if (capacity > chunk_rows_max(column)) capacity = chunk_rows_max(column);
    struct pat_chunk *fresh = chunk_new(column, width, base, width == 0 ? 0 : capacity);
    fresh->has_null = old->has_null;
    fresh->low = old->low;
    fresh->high = old->high;
    if (width == old->width && base == old->base) {
        memcpy(fresh->data, old->data, (size_t)rows_used * width);
    } else {
        for (uint32_t i = 0; i < rows_used; i++) chunk_put(fresh, i, pat_chunk_get(old, i));
    }
    return fresh;
}

/* The first row of a chunk, or one that its chunk has no room for. */
static void append_slow(struct pat_column *column, uint32_t index, uint32_t i, int64_t value) {
    struct pat_chunk *chunk;
    if (i == 0) {
        dir_prepare(column, index, false);
        chunk = chunk_new(column, 0, value, 0);
        column->dir->chunk[index] = chunk;
    } else {
        chunk = chunk_recode(column, column->dir->chunk[index], i, i + 1, value);
        dir_replace(column, index, chunk);
        chunk_put(chunk, i, value);
    }
    chunk_note(chunk, value);
    column->rows++;
}

/* Most calls of a load end here: thirty a row, most of them for fields that nobody sent. */
void pat_column_append(struct pat_column *column, int64_t value) {
    uint32_t index = column->rows >> column->shift;
    uint32_t i = column->rows & (chunk_rows_max(column) - 1);
    if (i == 0) {
        append_slow(column, index, i, value);
        return;
    }
    struct pat_chunk *chunk = column->dir->chunk[index];
    if (chunk->width == 0 && value == chunk->base) {
        column->rows++;
    } else if (chunk->width != 0 && i < chunk->capacity && chunk_fits(chunk, value)) {
        chunk_put(chunk, i, value);
        chunk_note(chunk, value);
        column->rows++;
    } else {
        append_slow(column, index, i, value);
    }
}

void pat_column_fill(struct pat_column *column, pat_row rows) {
    PAT_ASSERT(column->rows == 0);
    for (uint64_t first = 0; first < rows; first += chunk_rows_max(column)) {
        uint32_t index = (uint32_t)(first >> column->shift);
        dir_prepare(column, index, false);
        struct pat_chunk *chunk = chunk_new(column, 0, PAT_NULL, 0);
        chunk_note(chunk, PAT_NULL);
        column->dir->chunk[index] = chunk;
    }
    column->rows = rows;
}

void pat_column_set(struct pat_column *column, pat_row row, int64_t value) {
    PAT_DEBUG_ASSERT(row < column->rows);
    uint32_t index = row >> column->shift;
    uint32_t i = row & (chunk_rows_max(column) - 1);
    struct pat_chunk *chunk = column->dir->chunk[index];
    if (pat_chunk_get(chunk, i) == value) return;
    if (!chunk_fits(chunk, value) || pat_pins_shared(column->pins, chunk->born)) {
        uint32_t rows = chunk_rows(column, index);
        chunk = chunk_recode(column, chunk, rows, rows, value);
        dir_replace(column, index, chunk);
    }
    chunk_put(chunk, i, value);
    chunk_note(chunk, value);
}

bool pat_column_is_blank(const struct pat_column *column) {
    for (uint64_t first = 0; first < column->rows; first += chunk_rows_max(column)) {
        const struct pat_chunk *chunk = column->dir->chunk[first >> column->shift];
        if (chunk->width != 0 || chunk->base != PAT_NULL) return false;
    }
    return true;
}

struct pat_column_view pat_column_view_of(const struct pat_column *column) {
    return (struct pat_column_view){
        .chunk = column->dir != NULL ? column->dir->chunk : NULL,
        .rows = column->rows,
        .shift = column->shift,
    };
}

bool pat_column_restore(struct pat_column *column, uint8_t width, int64_t base, uint32_t rows,
                        const unsigned char *data) {
    bool known_width = width == 0 || width == 1 || width == 2 || width == 4 || width == 8;
    if (!known_width || rows == 0 || rows > chunk_rows_max(column)) return false;
    if ((column->rows & (chunk_rows_max(column) - 1)) != 0) return false;
    uint32_t index = column->rows >> column->shift;
    dir_prepare(column, index, false);
    uint32_t capacity = CHUNK_ROWS_FIRST;
    while (capacity < rows) capacity *= 2;
    struct pat_chunk *chunk = chunk_new(column, width, base, width == 0 ? 0 : capacity);
    if (width > 0) memcpy(chunk->data, data, (size_t)rows * width);
    for (uint32_t i = 0; i < rows; i++) chunk_note(chunk, pat_chunk_get(chunk, i));
    column->dir->chunk[index] = chunk;
    column->rows += rows;
    return true;
}

static void chunk_read(const struct pat_chunk *chunk, uint32_t first, uint32_t count, int64_t *out,
                       const struct pat_kernels *kernels) {
    const unsigned char *data = chunk->data + (size_t)first * chunk->width;
    switch (chunk->width) {
    case 0: kernels->fill(chunk->base, count, out); return;
    case 1: kernels->widen_u8(data, count, chunk->base, out); return;
    case 2: kernels->widen_u16((const void *)data, count, chunk->base, out); return;
    case 4: kernels->widen_u32((const void *)data, count, chunk->base, out); return;
    default: memcpy(out, data, (size_t)count * 8);
    }
}

void pat_column_view_read(const struct pat_column_view *view, pat_row first, uint32_t count, int64_t *out,
                          const struct pat_kernels *kernels) {
    PAT_DEBUG_ASSERT(first <= view->rows && count <= view->rows - first);
    uint32_t rows_max = 1u << view->shift;
    while (count > 0) {
        uint32_t start = first & (rows_max - 1);
        uint32_t here = rows_max - start < count ? rows_max - start : count;
        chunk_read(view->chunk[first >> view->shift], start, here, out, kernels);
        first += here;
        count -= here;
        out += here;
    }
}
