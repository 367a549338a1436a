/* Control totals: what must come out of a snapshot again, counted by a road that shares nothing with its encoding. */
#include "persist/snapshot_private.h"

#include "model/schema.h"

static uint64_t chunk_sum(const struct pat_chunk *chunk, uint32_t rows) {
    if (chunk->width == 0) return chunk->base == PAT_NULL ? 0 : (uint64_t)chunk->base * rows;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t value = pat_chunk_get(chunk, i);
        sum += value == PAT_NULL ? 0 : (uint64_t)value;
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

struct pat_totals pat_snapshot__totals_of_store(const struct pat_store *store) {
    struct pat_totals totals = {.counts = store->counts};
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        const struct pat_table *table = &store->table[t];
        totals.rows[t] = table->rows;
        for (unsigned c = 0; c < table->schema->columns; c++) {
            if (table->schema->field[c].type != PAT_TYPE_MONEY) continue;
            struct pat_column_view column = pat_column_view_of(&table->column[c]);
            totals.money[t] += column_sum(&column);
        }
    }
    return totals;
}
