/* Control totals: what must come out of a snapshot again, counted by a road that shares nothing with its encoding. */
#include "persist/snapshot_private.h"

#include "base/mem.h"
#include "model/schema.h"

/* Sums of what lies above the base, and how many values there are: all ones stand for null. */
#define DEFINE_SUM(name, type)                                                                                         \
    static uint64_t name(const unsigned char *data, uint32_t rows, uint64_t *values) {                                 \
        const type *const value = (const void *)data;                                                                  \
        uint64_t sum = 0, count = 0;                                                                                   \
        for (uint32_t i = 0; i < rows; i++) {                                                                          \
            const bool there = value[i] != (type)-1;                                                                   \
            sum += there ? value[i] : 0;                                                                               \
            count += there;                                                                                            \
        }                                                                                                              \
        *values = count;                                                                                               \
        return sum;                                                                                                    \
    }
DEFINE_SUM(sum_u8, uint8_t)
DEFINE_SUM(sum_u16, uint16_t)
DEFINE_SUM(sum_u32, uint32_t)

static uint64_t sum_values(const int64_t *value, uint32_t rows) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rows; i++) sum += value[i] == PAT_NULL ? 0 : (uint64_t)value[i];
    return sum;
}

static uint64_t sum_packed(const unsigned char *data, uint32_t rows) {
    int64_t value[PAT_PACKED_BLOCK];
    uint64_t sum = 0;
    for (uint32_t done = 0, here; done < rows; done += here) {
        here = rows - done < PAT_PACKED_BLOCK ? rows - done : PAT_PACKED_BLOCK;
        pat_packed_read(data, done, here, value);
        sum += sum_values(value, here);
    }
    return sum;
}

static uint64_t chunk_sum(const struct pat_chunk *chunk, uint32_t rows) {
    uint64_t sum, values = 0;
    switch (chunk->width) {
    case 0: return chunk->base == PAT_NULL ? 0 : (uint64_t)chunk->base * rows;
    case 1: sum = sum_u8(chunk->data, rows, &values); break;
    case 2: sum = sum_u16(chunk->data, rows, &values); break;
    case 4: sum = sum_u32(chunk->data, rows, &values); break;
    case 8: return sum_values((const void *)chunk->data, rows);
    default: return sum_packed(chunk->data, rows);
    }
    return sum + (uint64_t)chunk->base * values;
}

/* Of a whole chunk, and for what a kernel reads behind packed ones. */
#define NEAR_DATA_BYTES (((size_t)8 << 16) + 4096)

size_t pat_snapshot__near_bytes(void) {
    return sizeof(struct pat_chunk) + NEAR_DATA_BYTES;
}

/* The same by a copy of the chunk in `near`. */
static uint64_t chunk_sum_far(const struct pat_chunk *chunk, uint32_t rows, struct pat_chunk *near) {
    const size_t bytes = pat_chunk_bytes(chunk->width, chunk->base, rows);
    if (near == NULL || bytes < PAT_SNAPSHOT_FAR_BYTES || bytes > NEAR_DATA_BYTES) return chunk_sum(chunk, rows);
    near->width = chunk->width;
    near->base = chunk->base;
    pat_mem_copy_far(near->data, chunk->data, bytes);
    return chunk_sum(near, rows);
}

static uint64_t column_sum(const struct pat_column_view *column, struct pat_chunk *near) {
    uint64_t sum = 0;
    uint32_t chunk_rows = 1u << column->shift;
    for (uint64_t first = 0; first < column->rows; first += chunk_rows) {
        const uint64_t left = column->rows - first;
        const uint32_t here = left < chunk_rows ? (uint32_t)left : chunk_rows;
        sum += chunk_sum_far(column->chunk[first >> column->shift], here, near);
    }
    return sum;
}

struct pat_totals pat_snapshot__totals_of_view(const struct pat_view *view, struct pat_chunk *near) {
    struct pat_totals totals = {.counts = view->counts};
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        const struct pat_table_view *table = &view->table[t];
        totals.rows[t] = table->rows;
        for (unsigned c = 0; c < table->schema->columns; c++) {
            if (table->schema->field[c].type == PAT_TYPE_MONEY) totals.money[t] += column_sum(&table->column[c], near);
        }
    }
    return totals;
}

/* Chunks that one thread adds up in a piece: about a million rows of facts. */
#define PIECE_CHUNKS 16u

struct money {
    const struct pat_column_view *column;
    uint64_t sum; /* atomic */
};

static void money_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    struct money *money = context;
    const uint32_t piece_rows = PIECE_CHUNKS << money->column->shift;
    const uint64_t first = (uint64_t)part * piece_rows, left = money->column->rows - first;
    const struct pat_column_view piece = {.chunk = money->column->chunk + part * PIECE_CHUNKS,
                                          .rows = left < piece_rows ? (pat_row)left : piece_rows,
                                          .shift = money->column->shift};
    __atomic_fetch_add(&money->sum, column_sum(&piece, NULL), __ATOMIC_RELAXED);
}

static uint64_t column_sum_shared(const struct pat_column *column, const struct pat_spread *spread) {
    const struct pat_column_view view = pat_column_view_of(column);
    struct money money = {.column = &view};
    const uint64_t piece_rows = (uint64_t)PIECE_CHUNKS << view.shift;
    pat_spread_run(spread, money_part, &money, (uint32_t)((view.rows + piece_rows - 1) / piece_rows));
    return money.sum;
}

struct pat_totals pat_snapshot__totals_of_store(const struct pat_store *store, const struct pat_spread *spread) {
    struct pat_totals totals = {.counts = store->counts};
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        const struct pat_table *table = &store->table[t];
        totals.rows[t] = table->rows;
        for (unsigned c = 0; c < table->schema->columns; c++) {
            if (table->schema->field[c].type != PAT_TYPE_MONEY) continue;
            totals.money[t] += column_sum_shared(&table->column[c], spread);
        }
    }
    return totals;
}
