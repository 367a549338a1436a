#include "store/column.h"

#include "base/status.h"
#include "kernel/kernel.h"
#include "store/lane.h"

/* A chunk's data starts with room for this many rows and doubles, so that a small shop stays small. */
#define CHUNK_ROWS_FIRST 64u

void pat_column_init(struct pat_column *column, struct pat_pins *pins, uint8_t shift, enum pat_mem_purpose purpose) {
    *column = (struct pat_column){.shift = shift, .purpose = purpose, .pins = pins};
}

void pat_column_deinit(struct pat_column *column) {
    if (column->dir == NULL) return;
    const uint32_t chunks = pat_column_chunks(column);
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

static struct pat_chunk *chunk_begin(const struct pat_column *column, uint8_t width, int64_t base, uint32_t capacity,
                                     void *memory) {
    struct pat_chunk *chunk = memory;
    *chunk = (struct pat_chunk){.born = column->pins->version,
                                .base = base,
                                .capacity = capacity,
                                .width = width,
                                .low = INT64_MAX,
                                .high = INT64_MIN};
    return chunk;
}

static struct pat_chunk *chunk_new(const struct pat_column *column, uint8_t width, int64_t base, uint32_t capacity) {
    const size_t bytes = sizeof(struct pat_chunk) + (size_t)capacity * width;
    return chunk_begin(column, width, base, capacity, pat_mem_alloc_must(column->purpose, bytes));
}

/* The same, but for its first `rows` rows, which the caller writes. */
static struct pat_chunk *chunk_new_half(const struct pat_column *column, uint8_t width, int64_t base, uint32_t capacity,
                                        uint32_t rows) {
    const size_t head = sizeof(struct pat_chunk) + (size_t)rows * width;
    unsigned char *memory = pat_mem_alloc_raw_must(column->purpose, head + (size_t)(capacity - rows) * width);
    memset(memory + head, 0, (size_t)(capacity - rows) * width);
    return chunk_begin(column, width, base, capacity, memory);
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
    struct pat_chunk *const old = column->dir->chunk[index];
    dir_prepare(column, index, true);
    if (old->rest != PAT_CHUNK_HELD) pat_pins_retire(column->pins, column->purpose, old);
    column->dir->chunk[index] = chunk;
}

/* Somebody reads the chunk as it is: a view, or who packs it. */
static bool chunk_is_read(const struct pat_column *column, const struct pat_chunk *chunk) {
    return chunk->rest == PAT_CHUNK_HELD || pat_pins_shared(column->pins, chunk->born);
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
    default: PAT_DEBUG_ASSERT(chunk->width == 8); memcpy(chunk->data + (size_t)i * 8, &value, 8);
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
    if (chunk->width == PAT_WIDTH_PACKED) return false; /* is never written to */
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

static struct pat_range range_of_one(int64_t value) {
    if (value == PAT_NULL) return (struct pat_range){INT64_MAX, INT64_MIN, true};
    return (struct pat_range){value, value, false};
}

/* True when all of the values are one; *value is it. */
static bool range_is_one(struct pat_range range, int64_t *value) {
    *value = range.low > range.high ? PAT_NULL : range.low;
    return range.low > range.high || (range.low == range.high && !range.has_null);
}

static bool chunk_fits_range(const struct pat_chunk *chunk, struct pat_range range) {
    int64_t one;
    if (chunk->width == 0) return range_is_one(range, &one) && one == chunk->base;
    if (chunk->width == PAT_WIDTH_PACKED) return false;
    return range.low > range.high || (chunk_fits(chunk, range.low) && chunk_fits(chunk, range.high));
}

static void chunk_note_range(struct pat_chunk *chunk, struct pat_range range) {
    chunk->has_null |= range.has_null;
    if (range.low < chunk->low) chunk->low = range.low;
    if (range.high > chunk->high) chunk->high = range.high;
}

static void chunk_put_all(const struct pat_column *column, struct pat_chunk *chunk, uint32_t i, const int64_t *value,
                          uint32_t count);

static void unpack(const struct pat_column *column, const struct pat_chunk *packed, struct pat_chunk *out,
                   uint32_t rows) {
    int64_t value[PAT_PACKED_BLOCK];
    for (uint32_t done = 0, here; done < rows; done += here) {
        here = rows - done < PAT_PACKED_BLOCK ? rows - done : PAT_PACKED_BLOCK;
        pat_packed_read(packed->data, done, here, value);
        chunk_put_all(column, out, done, value, here);
    }
}

/* A copy of the chunk that can take such values and has room for `rows_wanted` rows. */
static struct pat_chunk *chunk_recode(const struct pat_column *column, const struct pat_chunk *old, uint32_t rows_used,
                                      uint32_t rows_wanted, struct pat_range range) {
    uint8_t width = old->width;
    int64_t base = old->base;
    if (!chunk_fits_range(old, range)) {
        width = choose_width(old->low < range.low ? old->low : range.low,
                             old->high > range.high ? old->high : range.high, &base);
    }
    uint32_t capacity = old->capacity < CHUNK_ROWS_FIRST ? CHUNK_ROWS_FIRST : old->capacity;
    while (capacity < rows_wanted) capacity *= 2;
    if (capacity > chunk_rows_max(column)) capacity = chunk_rows_max(column);
    struct pat_chunk *fresh = chunk_new_half(column, width, base, capacity, rows_used);
    fresh->has_null = old->has_null;
    fresh->low = old->low;
    fresh->high = old->high;
    if (width == old->width && base == old->base) {
        memcpy(fresh->data, old->data, (size_t)rows_used * width);
    } else if (old->width == PAT_WIDTH_PACKED) {
        unpack(column, old, fresh, rows_used);
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
        chunk = chunk_recode(column, column->dir->chunk[index], i, i + 1, range_of_one(value));
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

/* ---- many rows at once ------------------------------------------------------------------------------------------ */

/* Values that fit, from row `i` of the chunk on. */
static void chunk_put_all(const struct pat_column *column, struct pat_chunk *chunk, uint32_t i, const int64_t *value,
                          uint32_t count) {
    pat_lane_narrow(column->pins->kernels, value, count, chunk->width, chunk->base,
                    chunk->data + (size_t)i * chunk->width);
}

/* A chunk for the first `rows` rows of its part of the column. */
static struct pat_chunk *chunk_for(const struct pat_column *column, struct pat_range range, uint32_t rows) {
    int64_t base;
    if (range_is_one(range, &base)) return chunk_new(column, 0, base, 0);
    const uint8_t width = choose_width(range.low, range.high, &base);
    uint32_t capacity = rows > 1 && column->rows >> column->shift >= PAT_COLUMN_CHUNKS_LARGE ? chunk_rows_max(column)
                                                                                             : CHUNK_ROWS_FIRST;
    while (capacity < rows) capacity *= 2;
    if (capacity > chunk_rows_max(column)) capacity = chunk_rows_max(column);
    return chunk_new(column, width, base, capacity);
}

/* The last chunk, able to take `count` such values more at row `i` of it. */
static struct pat_chunk *chunk_ready(struct pat_column *column, struct pat_range range, uint32_t i, uint32_t count) {
    const uint32_t index = column->rows >> column->shift;
    if (i == 0) {
        dir_prepare(column, index, false);
        return column->dir->chunk[index] = chunk_for(column, range, count);
    }
    struct pat_chunk *chunk = column->dir->chunk[index];
    if (chunk_fits_range(chunk, range) && (chunk->width == 0 || i + count <= chunk->capacity)) return chunk;
    chunk = chunk_recode(column, chunk, i, i + count, range);
    dir_replace(column, index, chunk);
    return chunk;
}

static uint32_t rows_to_chunk_end(const struct pat_column *column, uint32_t count, uint32_t *i) {
    *i = column->rows & (chunk_rows_max(column) - 1);
    const uint32_t left = chunk_rows_max(column) - *i;
    return left < count ? left : count;
}

void pat_column_append_all(struct pat_column *column, const int64_t *values, uint32_t count) {
    if (count == 1) {
        pat_column_append(column, values[0]);
        return;
    }
    while (count > 0) {
        uint32_t i;
        const uint32_t here = rows_to_chunk_end(column, count, &i);
        const struct pat_range range = pat_lane_range(column->pins->kernels, values, here);
        struct pat_chunk *chunk = chunk_ready(column, range, i, here);
        chunk_put_all(column, chunk, i, values, here);
        chunk_note_range(chunk, range);
        column->rows += here;
        values += here;
        count -= here;
    }
}

void pat_column_append_same(struct pat_column *column, int64_t value, uint32_t count) {
    if (count == 1) {
        pat_column_append(column, value);
        return;
    }
    while (count > 0) {
        uint32_t i;
        const uint32_t here = rows_to_chunk_end(column, count, &i);
        struct pat_chunk *chunk = chunk_ready(column, range_of_one(value), i, here);
        for (uint32_t k = 0; chunk->width != 0 && k < here; k++) chunk_put(chunk, i + k, value);
        chunk_note(chunk, value);
        column->rows += here;
        count -= here;
    }
}

#define DEFINE_GATHER(name, type, all_ones)                                                                            \
    static void name(const struct pat_chunk *chunk, const pat_row *row, uint32_t count, uint32_t mask, int64_t *out) { \
        const int64_t base = chunk->base;                                                                              \
        for (uint32_t k = 0; k < count; k++) {                                                                         \
            type narrow;                                                                                               \
            memcpy(&narrow, chunk->data + (row[k] & mask) * sizeof narrow, sizeof narrow);                             \
            out[k] = narrow == all_ones ? PAT_NULL : base + (int64_t)narrow;                                           \
        }                                                                                                              \
    }
DEFINE_GATHER(gather_u8, uint8_t, UINT8_MAX)
DEFINE_GATHER(gather_u16, uint16_t, UINT16_MAX)
DEFINE_GATHER(gather_u32, uint32_t, UINT32_MAX)

static void chunk_gather(const struct pat_chunk *chunk, const pat_row *row, uint32_t count, uint32_t mask,
                         int64_t *out) {
    switch (chunk->width) {
    case 0:
        for (uint32_t k = 0; k < count; k++) out[k] = chunk->base;
        return;
    case 1: gather_u8(chunk, row, count, mask, out); return;
    case 2: gather_u16(chunk, row, count, mask, out); return;
    case 4: gather_u32(chunk, row, count, mask, out); return;
    case 8:
        for (uint32_t k = 0; k < count; k++) memcpy(&out[k], chunk->data + (size_t)(row[k] & mask) * 8, 8);
        return;
    default:
        for (uint32_t k = 0; k < count; k++) out[k] = pat_packed_get(chunk->data, row[k] & mask);
    }
}

/* Rows from the first on that lie in the same chunk. */
static uint32_t rows_in_chunk(const pat_row *row, uint32_t count, uint8_t shift) {
    const pat_row index = row[0] >> shift;
    uint32_t here = 1;
    while (here < count && row[here] >> shift == index) here++;
    return here;
}

/* Rows asked for ahead: few enough that what comes for them, a header and a value each, is still in the first cache
 * when it is read. */
#define ASKED_ROWS 128u

/* A value that nobody read lately is a miss for its chunk's header and then one for itself (two, when it is packed).
 * Asked for in stages, those of many rows overlap; read one after the other, each would wait for the one before it. */
static void ask_for(const struct pat_column *column, const pat_row *row, uint32_t count) {
    struct pat_chunk *const *const chunk = column->dir->chunk;
    const uint8_t shift = column->shift;
    bool packed = false;
    if (row[0] >> shift == row[count - 1] >> shift) return; /* what lies in one chunk overlaps as it is */
    for (uint32_t k = 0; k < count; k++) __builtin_prefetch(chunk[row[k] >> shift]);
    for (uint32_t k = 0; k < count; k++) {
        pat_column_prefetch(column, row[k]);
        packed |= chunk[row[k] >> shift]->width == PAT_WIDTH_PACKED;
    }
    for (uint32_t k = 0; packed && k < count; k++) {
        const struct pat_chunk *of = chunk[row[k] >> shift];
        if (of->width == PAT_WIDTH_PACKED) pat_packed_prefetch_code(of->data, row[k] & (chunk_rows_max(column) - 1));
    }
}

static void gather_asked(const struct pat_column *column, const pat_row *row, uint32_t count, int64_t *out) {
    for (uint32_t done = 0, here; done < count; done += here) {
        here = rows_in_chunk(row + done, count - done, column->shift);
        chunk_gather(column->dir->chunk[row[done] >> column->shift], row + done, here, chunk_rows_max(column) - 1,
                     out + done);
    }
}

void pat_column_gather(const struct pat_column *column, const pat_row *row, uint32_t count, int64_t *out) {
    for (uint32_t done = 0, here; done < count; done += here) {
        here = count - done < ASKED_ROWS ? count - done : ASKED_ROWS;
        ask_for(column, row + done, here);
        gather_asked(column, row + done, here, out + done);
    }
}

#define DEFINE_WIDEN(name, type, all_ones)                                                                             \
    static void name(const unsigned char *restrict at, uint32_t count, int64_t base, int64_t *restrict out) {          \
        for (uint32_t k = 0; k < count; k++) {                                                                         \
            type narrow;                                                                                               \
            memcpy(&narrow, at + k * sizeof narrow, sizeof narrow);                                                    \
            out[k] = narrow == all_ones ? PAT_NULL : base + (int64_t)narrow;                                           \
        }                                                                                                              \
    }
DEFINE_WIDEN(widen_u8, uint8_t, UINT8_MAX)
DEFINE_WIDEN(widen_u16, uint16_t, UINT16_MAX)
DEFINE_WIDEN(widen_u32, uint32_t, UINT32_MAX)

static void chunk_widen(const struct pat_chunk *chunk, uint32_t first, uint32_t count, int64_t *out) {
    const unsigned char *at = chunk->data + (size_t)first * chunk->width;
    switch (chunk->width) {
    case 0:
        for (uint32_t k = 0; k < count; k++) out[k] = chunk->base;
        return;
    case 1: widen_u8(at, count, chunk->base, out); return;
    case 2: widen_u16(at, count, chunk->base, out); return;
    case 4: widen_u32(at, count, chunk->base, out); return;
    case 8: memcpy(out, at, (size_t)count * 8); return;
    default: pat_packed_read(chunk->data, first, count, out);
    }
}

void pat_column_read(const struct pat_column *column, pat_row first, uint32_t count, int64_t *out) {
    PAT_DEBUG_ASSERT(first <= column->rows && count <= column->rows - first);
    for (uint32_t done = 0, here; done < count; done += here) {
        const uint32_t start = (first + done) & (chunk_rows_max(column) - 1), left = chunk_rows_max(column) - start;
        here = left < count - done ? left : count - done;
        chunk_widen(column->dir->chunk[(first + done) >> column->shift], start, here, out + done);
    }
}

/* The range of values, not all of which are the old ones; false when they are. */
static bool range_of_changes(const struct pat_column *column, const int64_t *old, const int64_t *value, uint32_t count,
                             struct pat_range *range) {
    int64_t differ = 0;
    for (uint32_t k = 0; k < count; k++) differ |= old[k] ^ value[k];
    if (differ != 0) *range = pat_lane_range(column->pins->kernels, value, count);
    return differ != 0;
}

/* Those that did not change are written, too: a branch for each would cost more. */
#define DEFINE_SCATTER(name, type, all_ones)                                                                           \
    static void name(struct pat_chunk *chunk, const pat_row *row, uint32_t count, uint32_t mask,                       \
                     const int64_t *value) {                                                                           \
        const uint64_t base = (uint64_t)chunk->base;                                                                   \
        for (uint32_t k = 0; k < count; k++) {                                                                         \
            const type narrow = value[k] == PAT_NULL ? all_ones : (type)((uint64_t)value[k] - base);                   \
            memcpy(chunk->data + (row[k] & mask) * sizeof narrow, &narrow, sizeof narrow);                             \
        }                                                                                                              \
    }
DEFINE_SCATTER(scatter_u8, uint8_t, UINT8_MAX)
DEFINE_SCATTER(scatter_u16, uint16_t, UINT16_MAX)
DEFINE_SCATTER(scatter_u32, uint32_t, UINT32_MAX)

static void chunk_put_rows(struct pat_chunk *chunk, const pat_row *row, uint32_t count, uint32_t mask,
                           const int64_t *value) {
    switch (chunk->width) {
    case 0: return;
    case 1: scatter_u8(chunk, row, count, mask, value); return;
    case 2: scatter_u16(chunk, row, count, mask, value); return;
    case 4: scatter_u32(chunk, row, count, mask, value); return;
    default:
        for (uint32_t k = 0; k < count; k++) memcpy(chunk->data + (size_t)(row[k] & mask) * 8, &value[k], 8);
    }
}

static void chunk_scatter(struct pat_column *column, const pat_row *row, uint32_t count, const int64_t *old,
                          const int64_t *value) {
    const uint32_t index = row[0] >> column->shift, mask = chunk_rows_max(column) - 1;
    struct pat_chunk *chunk = column->dir->chunk[index];
    struct pat_range range;
    if (!range_of_changes(column, old, value, count, &range)) return;
    if (!chunk_fits_range(chunk, range) || chunk_is_read(column, chunk)) {
        const uint32_t rows = chunk_rows(column, index);
        chunk = chunk_recode(column, chunk, rows, rows, range);
        dir_replace(column, index, chunk);
    }
    chunk_put_rows(chunk, row, count, mask, value);
    chunk->rest = PAT_CHUNK_BUSY;
    chunk_note_range(chunk, range);
}

void pat_column_open_chunks(struct pat_column *column) {
    if (column->rows > 0) dir_prepare(column, 0, true);
}

void pat_column_scatter(struct pat_column *column, const pat_row *row, uint32_t count, const int64_t *old,
                        const int64_t *value) {
    for (uint32_t done = 0, here; done < count; done += here) {
        here = rows_in_chunk(row + done, count - done, column->shift);
        chunk_scatter(column, row + done, here, old + done, value + done);
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
    if (!chunk_fits(chunk, value) || chunk_is_read(column, chunk)) {
        uint32_t rows = chunk_rows(column, index);
        chunk = chunk_recode(column, chunk, rows, rows, range_of_one(value));
        dir_replace(column, index, chunk);
    }
    chunk_put(chunk, i, value);
    chunk_note(chunk, value);
    chunk->rest = PAT_CHUNK_BUSY;
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

/* Least and greatest of stored values that are not null, without a branch for nulls: all ones is the greatest value and
 * never the least one that is there, and one more than it wraps to nothing. */
#define DEFINE_NOTE(name, type)                                                                                        \
    static void name(struct pat_chunk *chunk, uint32_t rows) {                                                         \
        const type *const value = (const void *)chunk->data;                                                           \
        type least = (type)-1, greatest = 0, behind = 0;                                                               \
        for (uint32_t i = 0; i < rows; i++) {                                                                          \
            const type next = (type)(value[i] + 1);                                                                    \
            least = value[i] < least ? value[i] : least;                                                               \
            greatest = value[i] > greatest ? value[i] : greatest;                                                      \
            behind = next > behind ? next : behind;                                                                    \
        }                                                                                                              \
        chunk->has_null = greatest == (type)-1;                                                                        \
        if (behind == 0) return; /* all null */                                                                        \
        chunk->low = chunk->base + (int64_t)least;                                                                     \
        chunk->high = chunk->base + (int64_t)(type)(behind - 1);                                                       \
    }
DEFINE_NOTE(note_u8, uint8_t)
DEFINE_NOTE(note_u16, uint16_t)
DEFINE_NOTE(note_u32, uint32_t)

/* What a chunk's values, all fresh, say of it; false when they are no values. */
static bool chunk_note_all(struct pat_chunk *chunk, uint32_t rows) {
    switch (chunk->width) {
    case 0: chunk_note(chunk, chunk->base); return true;
    case 1: note_u8(chunk, rows); return true;
    case 2: note_u16(chunk, rows); return true;
    case 4: note_u32(chunk, rows); return true;
    case 8:
        for (uint32_t i = 0; i < rows; i++) chunk_note(chunk, pat_chunk_get(chunk, i));
        return true;
    default:
        return pat_packed_check(chunk->data, (size_t)chunk->base, rows, &chunk->low, &chunk->high, &chunk->has_null);
    }
}

unsigned char *pat_column_restore_open(struct pat_column *column, uint8_t width, int64_t base, uint32_t rows) {
    const bool packed = width == PAT_WIDTH_PACKED;
    bool known_width = width == 0 || width == 1 || width == 2 || width == 4 || width == 8 || packed;
    if (!known_width || rows == 0 || rows > chunk_rows_max(column)) return NULL;
    if (packed && (rows != chunk_rows_max(column) || base <= 0 || (uint64_t)base > pat_packed_bytes_max(rows)))
        return NULL;
    if ((column->rows & (chunk_rows_max(column) - 1)) != 0) return NULL;
    uint32_t index = column->rows >> column->shift;
    dir_prepare(column, index, false);
    uint32_t capacity = CHUNK_ROWS_FIRST;
    while (capacity < rows) capacity *= 2;
    if (width == 0) capacity = 0;
    const size_t bytes = sizeof(struct pat_chunk) + pat_chunk_bytes(width, base, capacity);
    struct pat_chunk *chunk =
        chunk_begin(column, width, base, capacity, pat_mem_alloc_raw_must(column->purpose, bytes));
    if (capacity > rows) memset(chunk->data + (size_t)rows * width, 0, (size_t)(capacity - rows) * width);
    column->dir->chunk[index] = chunk;
    column->rows += rows;
    return chunk->data;
}

bool pat_column_restore_close(struct pat_column *column, uint32_t chunk) {
    return chunk_note_all(column->dir->chunk[chunk], chunk_rows(column, chunk));
}

bool pat_column_restore(struct pat_column *column, uint8_t width, int64_t base, uint32_t rows,
                        const unsigned char *data) {
    unsigned char *const to = pat_column_restore_open(column, width, base, rows);
    if (to == NULL) return false;
    if (width > 0) memcpy(to, data, pat_chunk_bytes(width, base, rows));
    return pat_column_restore_close(column, (column->rows - 1) >> column->shift);
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* What is not made smaller by this part is not worth reading it the slower way. */
#define PACK_GAIN 8u

struct pat_chunk *pat_column_pack_choose(struct pat_column *column, uint32_t index) {
    struct pat_chunk *chunk = column->dir->chunk[index];
    if (chunk->width == 0 || chunk->width == PAT_WIDTH_PACKED) return NULL;
    if (chunk->rest == PAT_CHUNK_TRIED || chunk->rest == PAT_CHUNK_HELD) return NULL;
    if (chunk_rows(column, index) < chunk_rows_max(column)) return NULL;
    if (chunk->rest == PAT_CHUNK_IDLE) {
        chunk->rest = PAT_CHUNK_HELD;
        return chunk;
    }
    chunk->rest = PAT_CHUNK_IDLE;
    return NULL;
}

static void read_plain(const struct pat_chunk *chunk, uint32_t rows, int64_t *out) {
    for (uint32_t i = 0; i < rows; i++) out[i] = pat_chunk_get(chunk, i);
}

size_t pat_chunk_pack_scratch(uint32_t rows) {
    return rows * sizeof(int64_t) + pat_packed_bytes_max(rows);
}

struct pat_chunk *pat_chunk_pack(const struct pat_chunk *chunk, uint32_t rows, enum pat_mem_purpose purpose,
                                 void *scratch) {
    int64_t *const value = scratch;
    unsigned char *const data = (void *)(value + rows);
    read_plain(chunk, rows, value);
    const size_t bytes = pat_packed_make(value, rows, data), plain = (size_t)rows * chunk->width;
    if (bytes == 0 || bytes >= plain - plain / PACK_GAIN) return NULL;
    struct pat_chunk *packed = pat_mem_alloc(purpose, sizeof *packed + bytes);
    if (packed == NULL) return NULL;
    *packed = (struct pat_chunk){.base = (int64_t)bytes,
                                 .capacity = rows,
                                 .width = PAT_WIDTH_PACKED,
                                 .has_null = chunk->has_null,
                                 .low = chunk->low,
                                 .high = chunk->high};
    memcpy(packed->data, data, bytes);
    return packed;
}

/* Lets a chunk go; false when it was replaced meanwhile, and is nobody's but perhaps views'. */
static bool chunk_let_go(struct pat_column *column, uint32_t index, struct pat_chunk *was, enum pat_chunk_rest rest) {
    PAT_DEBUG_ASSERT(was->rest == PAT_CHUNK_HELD);
    was->rest = (uint8_t)rest;
    if (column->dir->chunk[index] == was) return true;
    pat_pins_retire(column->pins, column->purpose, was);
    return false;
}

struct pat_chunk *pat_column_pack_take(struct pat_column *column, uint32_t index, struct pat_chunk *was,
                                       struct pat_chunk *packed) {
    if (!chunk_let_go(column, index, was, PAT_CHUNK_TRIED)) {
        pat_mem_free(column->purpose, packed);
        return NULL;
    }
    if (packed == NULL) return NULL;
    packed->born = column->pins->version;
    dir_prepare(column, index, true);
    column->dir->chunk[index] = packed;
    return was;
}

void pat_column_pack_leave(struct pat_column *column, uint32_t index, struct pat_chunk *was) {
    (void)chunk_let_go(column, index, was, PAT_CHUNK_IDLE);
}

static void chunk_read(const struct pat_chunk *chunk, uint32_t first, uint32_t count, int64_t *out,
                       const struct pat_kernels *kernels) {
    const unsigned char *data = chunk->data + (size_t)first * chunk->width;
    switch (chunk->width) {
    case 0: kernels->fill(chunk->base, count, out); return;
    case 1: kernels->widen_u8(data, count, chunk->base, out); return;
    case 2: kernels->widen_u16((const void *)data, count, chunk->base, out); return;
    case 4: kernels->widen_u32((const void *)data, count, chunk->base, out); return;
    case 8: memcpy(out, data, (size_t)count * 8); return;
    default: pat_packed_read(chunk->data, first, count, out);
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
