/* Control totals: what must come out of a snapshot again, counted by a road that shares nothing with its encoding. */
#include "persist/snapshot_private.h"

#include "model/schema.h"

static uint64_t chunk_sum(const struct pat_chunk *chunk, uint32_t rows) {
    if (chunk->width == 0) return chunk->base == PAT_NULL ? 0 : (uint64_t)chunk->base * rows;
    uint64_t sum = 0;
    for (uint32_t done = 0, here; done < rows; done += here) {
        int64_t value[PAT_PACKED_BLOCK];
        here = rows - done < PAT_PACKED_BLOCK ? rows - done : PAT_PACKED_BLOCK;
        if (chunk->width == PAT_WIDTH_PACKED) {
            pat_packed_read(chunk->data, done, here, value);
        } else {
            for (uint32_t i = 0; i < here; i++) value[i] = pat_chunk_get(chunk, done + i);
        }
        for (uint32_t i = 0; i < here; i++) sum += value[i] == PAT_NULL ? 0 : (uint64_t)value[i];
    }
    return sum;
}

static uint64_t column_sum(const struct pat_column_view *column) {
    uint64_t sum = 0;
    uint32_t chunk_rows = 1u << column->shift;
    for (uint64_t first = 0; first < column->rows; first += chunk_rows) {
        uint64_t left = column->rows - first;
        sum += chunk_sum(column->chunk[first >> column->shift], left < chunk_rows ? (uint32_t)left : chunk_rows);
    }
    return sum;
}

struct pat_totals pat_snapshot__totals_of_view(const struct pat_view *view) {
    struct pat_totals totals = {.counts = view->counts};
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        const struct pat_table_view *table = &view->table[t];
        totals.rows[t] = table->rows;
        for (unsigned c = 0; c < table->schema->columns; c++) {
            if (table->schema->field[c].type == PAT_TYPE_MONEY) totals.money[t] += column_sum(&table->column[c]);
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
    __atomic_fetch_add(&money->sum, column_sum(&piece), __ATOMIC_RELAXED);
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
