#include "split.h"

#include "base/hash.h"
#include "base/mem.h"
#include "model/limits.h"

#include <inttypes.h>
#include <string.h>

/* Text in one batch before it is cut although rows are few: half a frame, leaving room for what columns add. */
#define BATCH_BYTES_MAX ((size_t)16 << 20)
/* Values in one batch: below PAT_FRAME_OBJECTS_MAX with room for the containers. */
#define BATCH_VALUES_MAX (PAT_FRAME_OBJECTS_MAX / 2)
#define SLOTS_FIRST      ((size_t)1 << 12)

static enum pat_status no_memory(struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the batches");
}

void pat_split_init(struct pat_split *split, const struct pat_mapping *mapping, uint32_t batch_rows,
                    pat_split_emit_cb emit_cb, void *context) {
    *split = (struct pat_split){.mapping = mapping, .emit = emit_cb, .context = context, .batch = 1, .order_field = -1};
    const uint32_t by_values = BATCH_VALUES_MAX / (mapping->fields + 1);
    split->rows_max = by_values < PAT_BATCH_ROWS_MAX ? by_values : PAT_BATCH_ROWS_MAX;
    split->batch_rows = batch_rows < split->rows_max ? batch_rows : split->rows_max;
    if (mapping->table != PAT_LINES) return;
    pat_hold_init(&split->hold, mapping);
    split->order_field = pat_mapping_find(mapping, "order");
    split->with_position = pat_mapping_find(mapping, "line") < 0;
}

void pat_split_deinit(struct pat_split *split) {
    pat_build_free(split->main);
    pat_build_free(split->append);
    pat_build_free(split->bad);
    pat_hold_deinit(&split->hold);
    pat_mem_free(PAT_MEM_OTHER, split->slot);
    *split = (struct pat_split){0};
}

/* ---- orders seen ---------------------------------------------------------------------------------------------- */

static struct pat_split_order *order_slot(struct pat_split_order *slot, size_t slots, uint64_t hash) {
    size_t at = (size_t)hash & (slots - 1);
    while (slot[at].hash != 0 && slot[at].hash != hash) at = (at + 1) & (slots - 1);
    return &slot[at];
}

static bool orders_grow(struct pat_split *split) {
    const size_t slots = split->slots == 0 ? SLOTS_FIRST : split->slots * 2;
    struct pat_split_order *slot = pat_mem_alloc(PAT_MEM_OTHER, slots * sizeof *slot);
    if (slot == NULL) return false;
    for (size_t i = 0; i < split->slots; i++) {
        if (split->slot[i].hash != 0) *order_slot(slot, slots, split->slot[i].hash) = split->slot[i];
    }
    pat_mem_free(PAT_MEM_OTHER, split->slot);
    split->slot = slot;
    split->slots = slots;
    return true;
}

/* The order's entry, made with batch 0 when it is new; NULL without memory. Two ids with one 64-bit hash would be taken
 * for one order: the second would then be appended to nothing, which makes the same order with other line numbers. */
static struct pat_split_order *order_find(struct pat_split *split, uint64_t hash) {
    if (split->used * 4 >= split->slots * 3 && !orders_grow(split)) return NULL;
    struct pat_split_order *order = order_slot(split->slot, split->slots, hash);
    if (order->hash == 0) {
        order->hash = hash;
        split->used++;
    }
    return order;
}

static uint64_t order_hash(const struct pat_split *split, const struct pat_csv_record *record) {
    if (split->order_field < 0) return 0;
    const struct pat_mapped *mapped = &split->mapping->field[split->order_field];
    const struct pat_text id = mapped->constant ? mapped->source : record->cell[mapped->column];
    if (id.length == 0) return 0;
    const uint64_t hash = pat_digest_of(id.data, id.length).low;
    return hash != 0 ? hash : 1;
}

/* ---- batches -------------------------------------------------------------------------------------------------- */

static enum pat_status emit(struct pat_split *split, struct pat_build **slot, struct pat_error *error) {
    struct pat_build *build = *slot;
    if (build == NULL) return PAT_OK;
    *slot = NULL;
    pat_build_learn(build, &split->habits);
    if (build->rows > 0) build->seq = ++split->seq;
    build->line_after = split->line_after;
    build->input_bytes = split->input_bytes;
    return split->emit(split->context, build, error);
}

static enum pat_status emit_main(struct pat_split *split, struct pat_error *error) {
    if (split->main == NULL) return PAT_OK;
    split->batch++;
    return emit(split, &split->main, error);
}

static struct pat_build *open_build(struct pat_split *split, struct pat_build **slot, bool append) {
    if (*slot == NULL) {
        *slot =
            pat_build_new(split->mapping, split->keep_raw, split->with_position, append, split->check, &split->habits);
    }
    return *slot;
}

static bool is_full(const struct pat_split *split, const struct pat_build *build) {
    return build != NULL && (build->rows >= split->batch_rows || build->rejects >= split->batch_rows ||
                             build->bytes >= BATCH_BYTES_MAX / 2);
}

/* Beyond this even the lines of one order are cut. */
static bool is_bursting(const struct pat_split *split, const struct pat_build *build) {
    return build != NULL &&
           (build->rows >= split->rows_max || build->rejects >= split->rows_max || build->bytes >= BATCH_BYTES_MAX);
}

static bool has_room(const struct pat_split *split, const struct pat_build *build, const struct pat_held_order *order) {
    return build == NULL ||
           (build->rows + order->rows <= split->batch_rows && build->rejects + order->rows <= split->batch_rows &&
            build->bytes + order->bytes <= BATCH_BYTES_MAX / 2);
}

static enum pat_status judge(const struct pat_split *split, const struct pat_build *build, struct pat_error *error) {
    if (!split->strict || build->rejects == 0) return PAT_OK;
    const struct pat_local_reject *reject = &build->reject[build->rejects - 1];
    char message[PAT_LOCAL_MESSAGE_BYTES];
    return pat_error_set(error, PAT_ERR_BAD_REQUEST, "line %" PRIu64 ": %s%s%s (%s)", reject->line, reject->field,
                         reject->field[0] != '\0' ? ": " : "", pat_local_message(reject, message), reject->code);
}

static enum pat_status add_to(struct pat_split *split, struct pat_build **slot, bool append,
                              const struct pat_csv_record *record, int64_t position, struct pat_error *error) {
    struct pat_build *build = open_build(split, slot, append);
    if (build == NULL) return no_memory(error);
    PAT_TRY(pat_build_add(build, record, position, error));
    return judge(split, build, error);
}

/* A row that names no order, or another table's: no order to keep together. */
static enum pat_status add_row(struct pat_split *split, const struct pat_csv_record *record, struct pat_error *error) {
    if (is_full(split, split->main)) PAT_TRY(emit_main(split, error));
    return add_to(split, &split->main, false, record, 1, error);
}

/* An order has all its rows: they go into the current batch, or a new one when it would become too large. */
static enum pat_status close_order(struct pat_split *split, struct pat_held_order *held, struct pat_error *error) {
    if (!has_room(split, split->main, held)) PAT_TRY(emit_main(split, error));
    order_slot(split->slot, split->slots, held->key)->batch = split->batch;
    struct pat_csv_record record;
    int64_t position;
    while (pat_hold_take(&split->hold, held, &record, &position)) {
        PAT_TRY(add_to(split, &split->main, false, &record, position, error));
    }
    return PAT_OK;
}

static enum pat_status close_orders(struct pat_split *split, bool all, struct pat_error *error) {
    struct pat_held_order *held;
    while ((held = pat_hold_next(&split->hold, all)) != NULL) PAT_TRY(close_order(split, held, error));
    return PAT_OK;
}

static enum pat_status hold_row(struct pat_split *split, struct pat_split_order *order,
                                const struct pat_csv_record *record, struct pat_error *error) {
    uint16_t place = (uint16_t)(order->batch & ~PAT_SPLIT_HELD);
    if (order->batch == 0 && pat_hold_open(&split->hold, order->hash, &place) != PAT_OK) return no_memory(error);
    order->batch = PAT_SPLIT_HELD | place;
    if (pat_hold_add(&split->hold, place, record, (int64_t)order->rows) != PAT_OK) return no_memory(error);
    struct pat_held_order *held = &split->hold.order[place];
    if (held->rows >= split->rows_max || held->bytes >= BATCH_BYTES_MAX) PAT_TRY(close_order(split, held, error));
    return close_orders(split, false, error);
}

/* A row of an order whose other rows are in a batch already. */
static enum pat_status add_late(struct pat_split *split, const struct pat_split_order *order,
                                const struct pat_csv_record *record, struct pat_error *error) {
    if (is_bursting(split, split->main)) PAT_TRY(emit_main(split, error));
    const int64_t position = (int64_t)order->rows;
    if (order->batch == split->batch) return add_to(split, &split->main, false, record, position, error);
    if (is_full(split, split->append)) PAT_TRY(emit(split, &split->append, error));
    return add_to(split, &split->append, true, record, position, error);
}

static enum pat_status add_line(struct pat_split *split, const struct pat_csv_record *record, uint64_t hash,
                                struct pat_error *error) {
    struct pat_split_order *order = order_find(split, hash);
    if (order == NULL) return no_memory(error);
    order->rows++;
    const bool held = order->batch == 0 || (order->batch & PAT_SPLIT_HELD) != 0;
    return held ? hold_row(split, order, record, error) : add_late(split, order, record, error);
}

/* Rows that are none have no order; they are counted in batches that are not sent. */
static enum pat_status add_bad(struct pat_split *split, const struct pat_csv_record *record, const char *message,
                               struct pat_error *error) {
    if (is_full(split, split->bad)) PAT_TRY(emit(split, &split->bad, error));
    struct pat_build *build = open_build(split, &split->bad, false);
    if (build == NULL) return no_memory(error);
    PAT_TRY(pat_build_reject(build, record, "", "BAD_ROW", message, error));
    return judge(split, build, error);
}

enum pat_status pat_split_add(struct pat_split *split, const struct pat_csv_record *record, struct pat_error *error) {
    split->line_after = record->line;
    if (record->fault != NULL) return add_bad(split, record, record->fault, error);
    if (record->cells != split->mapping->file_columns) {
        return add_bad(split, record,
                       record->cells < split->mapping->file_columns ? "fewer cells than the file has columns"
                                                                    : "more cells than the file has columns",
                       error);
    }
    const uint64_t hash = order_hash(split, record);
    return hash == 0 ? add_row(split, record, error) : add_line(split, record, hash, error);
}

/* ---- plain rows ----------------------------------------------------------------------------------------------- */

bool pat_split_takes_rows(const struct pat_split *split) {
    return split->mapping->table != PAT_LINES && !split->keep_raw && !split->check;
}

/* How many of `rows` from `first` on go into the current batch: one by one they would be added until it is full. */
static unsigned rows_that_fit(const struct pat_split *split, const struct pat_csv_rows *rows, unsigned first) {
    const uint32_t left = split->batch_rows - split->main->rows;
    const unsigned most = rows->rows - first < left ? rows->rows - first : left;
    const uint32_t *end = rows->end + (size_t)first * rows->stride, *row = end;
    const size_t bytes = split->main->bytes;
    if (bytes + (end[(size_t)most * rows->stride] - end[0]) < BATCH_BYTES_MAX / 2) return most;
    /* Bytes of rows are told without their line ends. */
    size_t added = 0;
    for (unsigned i = 0; i < most; i++, row += rows->stride) {
        if (bytes + added >= BATCH_BYTES_MAX / 2) return i;
        added += row[rows->cells] - row[0] - 1;
    }
    return most;
}

enum pat_status pat_split_add_rows(struct pat_split *split, const struct pat_csv_rows *rows, unsigned *added,
                                   struct pat_error *error) {
    *added = 0;
    while (*added < rows->rows) {
        split->line_after = rows->line + *added;
        if (is_full(split, split->main)) PAT_TRY(emit_main(split, error));
        if (open_build(split, &split->main, false) == NULL) return no_memory(error);
        const unsigned fit = rows_that_fit(split, rows, *added);
        unsigned taken;
        PAT_TRY(pat_build_add_rows(split->main, rows, *added, fit, &taken, error));
        *added += taken;
        if (taken < fit) break;
    }
    if (*added > 0) split->line_after = rows->line + *added - 1;
    return PAT_OK;
}

enum pat_status pat_split_finish(struct pat_split *split, struct pat_error *error) {
    PAT_TRY(close_orders(split, true, error));
    PAT_TRY(emit_main(split, error));
    PAT_TRY(emit(split, &split->append, error));
    return emit(split, &split->bad, error);
}
