#include "hold.h"

#include "base/mem.h"

#include <string.h>

/* One more than the window: the row that comes next is not in it yet. */
#define PLACES (PAT_HOLD_WINDOW + 1u)
/* Blocks are at least this large, and those of this size are used again: most rows fit, and asking the accountant for
 * each row would be a tenth of a load's reading. */
#define ROW_BYTES_COMMON ((size_t)512)

struct pat_held_row {
    struct pat_held_row *next;
    int64_t position;
    uint64_t line;
    size_t raw_bytes; /* of the record */
    size_t bytes;     /* of this block */
    /* Of the cells that the mapping takes; they follow, one after the other, and then the record when it is kept. */
    uint32_t cell_bytes[];
};

void pat_hold_init(struct pat_hold *hold, const struct pat_mapping *mapping) {
    *hold = (struct pat_hold){.mapping = mapping};
}

static void rows_free(struct pat_held_row *row) {
    while (row != NULL) {
        struct pat_held_row *next = row->next;
        pat_mem_free(PAT_MEM_OTHER, row);
        row = next;
    }
}

void pat_hold_deinit(struct pat_hold *hold) {
    for (unsigned i = 0; hold->order != NULL && i < PLACES; i++) rows_free(hold->order[i].first);
    rows_free(hold->spare);
    rows_free(hold->taken);
    pat_mem_free(PAT_MEM_OTHER, hold->order);
    pat_mem_free(PAT_MEM_OTHER, hold->cell);
    *hold = (struct pat_hold){0};
}

static bool hold_start(struct pat_hold *hold) {
    hold->order = pat_mem_alloc(PAT_MEM_OTHER, PLACES * sizeof *hold->order);
    hold->cell = pat_mem_alloc(PAT_MEM_OTHER, hold->mapping->file_columns * sizeof *hold->cell);
    if (hold->order == NULL || hold->cell == NULL) return false;
    for (unsigned i = 0; i < PLACES; i++) hold->unused[i] = (uint16_t)(PLACES - 1 - i);
    hold->unused_count = PLACES;
    return true;
}

enum pat_status pat_hold_open(struct pat_hold *hold, uint64_t key, uint16_t *place) {
    if (hold->order == NULL && !hold_start(hold)) return PAT_ERR_NO_MEMORY;
    *place = hold->unused[--hold->unused_count];
    hold->order[*place] = (struct pat_held_order){.key = key};
    return PAT_OK;
}

static struct pat_text cell_of(const struct pat_hold *hold, const struct pat_csv_record *record, unsigned field) {
    const struct pat_mapped *mapped = &hold->mapping->field[field];
    return mapped->constant ? PAT_TEXT("") : record->cell[mapped->column];
}

static struct pat_held_row *row_new(struct pat_hold *hold, size_t bytes) {
    struct pat_held_row *row = hold->spare;
    if (bytes > ROW_BYTES_COMMON || row == NULL) {
        if (bytes < ROW_BYTES_COMMON) bytes = ROW_BYTES_COMMON;
        row = pat_mem_alloc(PAT_MEM_OTHER, bytes);
        if (row != NULL) row->bytes = bytes;
        return row;
    }
    hold->spare = row->next;
    row->next = NULL;
    return row;
}

static void row_give_back(struct pat_hold *hold, struct pat_held_row *row) {
    if (row == NULL) return;
    if (row->bytes > ROW_BYTES_COMMON) {
        pat_mem_free(PAT_MEM_OTHER, row);
        return;
    }
    row->next = hold->spare;
    hold->spare = row;
}

static struct pat_held_row *row_copy(struct pat_hold *hold, const struct pat_csv_record *record) {
    const unsigned fields = hold->mapping->fields;
    size_t bytes = sizeof(struct pat_held_row) + fields * sizeof(uint32_t) + (hold->keep_raw ? record->raw.length : 0);
    for (unsigned i = 0; i < fields; i++) bytes += cell_of(hold, record, i).length;
    struct pat_held_row *row = row_new(hold, bytes);
    if (row == NULL) return NULL;
    row->line = record->line;
    row->raw_bytes = record->raw.length;
    char *to = (char *)&row->cell_bytes[fields];
    for (unsigned i = 0; i < fields; i++) {
        const struct pat_text cell = cell_of(hold, record, i);
        row->cell_bytes[i] = (uint32_t)cell.length;
        if (cell.length > 0) memcpy(to, cell.data, cell.length);
        to += cell.length;
    }
    if (hold->keep_raw && record->raw.length > 0) memcpy(to, record->raw.data, record->raw.length);
    return row;
}

enum pat_status pat_hold_add(struct pat_hold *hold, uint16_t place, const struct pat_csv_record *record,
                             int64_t position) {
    struct pat_held_row *row = row_copy(hold, record);
    if (row == NULL) return PAT_ERR_NO_MEMORY;
    row->position = position;
    struct pat_held_order *order = &hold->order[place];
    if (order->first == NULL) {
        order->first = row;
    } else {
        order->end->next = row;
    }
    order->end = row;
    order->rows++;
    order->bytes += row->raw_bytes;
    order->last_row = hold->row;
    hold->place[hold->row++ % PLACES] = place;
    hold->bytes_held += row->bytes;
    return PAT_OK;
}

struct pat_held_order *pat_hold_next(struct pat_hold *hold, bool all) {
    while (hold->row_oldest < hold->row) {
        if (!all && hold->row - hold->row_oldest <= PAT_HOLD_WINDOW && hold->bytes_held <= PAT_HOLD_BYTES_MAX) break;
        struct pat_held_order *order = &hold->order[hold->place[hold->row_oldest % PLACES]];
        /* Closed already, seen again since, or its place is another order's by now: its last row is a later one. */
        const bool leaves = order->first != NULL && order->last_row == hold->row_oldest;
        hold->row_oldest++;
        if (leaves) return order;
    }
    return NULL;
}

bool pat_hold_take(struct pat_hold *hold, struct pat_held_order *order, struct pat_csv_record *record,
                   int64_t *position) {
    row_give_back(hold, hold->taken);
    struct pat_held_row *row = hold->taken = order->first;
    if (row == NULL) {
        hold->unused[hold->unused_count++] = (uint16_t)(order - hold->order);
        return false;
    }
    order->first = row->next;
    row->next = NULL;
    hold->bytes_held -= row->bytes;
    const char *at = (const char *)&row->cell_bytes[hold->mapping->fields];
    for (unsigned i = 0; i < hold->mapping->fields; i++) {
        const struct pat_text cell = {at, row->cell_bytes[i]};
        if (!hold->mapping->field[i].constant) hold->cell[hold->mapping->field[i].column] = cell;
        at += cell.length;
    }
    *record = (struct pat_csv_record){
        .cell = hold->cell,
        .cells = hold->mapping->file_columns,
        .raw = {at, row->raw_bytes},
        .line = row->line,
    };
    *position = row->position;
    return true;
}
