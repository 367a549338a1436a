#include "batch_build.h"

#include "base/hash.h"
#include "base/mem.h"
#include "model/currency.h"
#include "model/decimal.h"
#include "model/id.h"
#include "model/limits.h"

#include <stdio.h>
#include <string.h>

/* Columns and dictionaries double from here: a small file stays small, a full batch takes four doublings. */
#define ROWS_FIRST 1024u
#define DICT_FIRST 64u
/* A dictionary with more texts than this pays only when each comes twice. */
#define DICT_SURE 1024u
/* Of a bad cell in a message: enough to recognise it. */
#define CELL_SHOWN_BYTES 40u

static enum pat_status no_memory(struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a batch: try a smaller --batch-rows");
}

struct pat_build *pat_build_new(const struct pat_mapping *mapping, bool keep_raw, bool with_position, bool append,
                                const bool *plain) {
    struct pat_build *build = pat_mem_alloc(PAT_MEM_OTHER, sizeof *build);
    if (build == NULL) return NULL;
    pat_arena_init(&build->arena, 0);
    pat_buf_init(&build->raw_text, PAT_MEM_OTHER);
    build->mapping = mapping;
    build->keep_raw = keep_raw;
    build->with_position = with_position;
    build->append = append;
    for (unsigned i = 0; i < mapping->fields; i++) build->column[i].plain = plain[i];
    return build;
}

void pat_build_free(struct pat_build *build) {
    if (build == NULL) return;
    pat_arena_deinit(&build->arena);
    pat_buf_deinit(&build->raw_text);
    pat_mem_free(PAT_MEM_OTHER, build);
}

/* A larger copy in the arena; the old one stays there until the batch is done, which doubling bounds. */
static void *grown(struct pat_arena *arena, const void *old, size_t count, size_t capacity, size_t size) {
    void *fresh = pat_arena_array(arena, capacity, size);
    if (fresh != NULL && count > 0) memcpy(fresh, old, count * size);
    return fresh;
}

/* ---- dictionaries --------------------------------------------------------------------------------------------- */

static uint32_t hash_text(struct pat_text text) {
    return (uint32_t)pat_digest_of(text.data, text.length).low;
}

static void dict_place(struct pat_build_column *column, uint32_t place) {
    uint32_t at = hash_text(column->text[place]) & column->slot_mask;
    while (column->slot[at] != 0) at = (at + 1) & column->slot_mask;
    column->slot[at] = place + 1;
}

static bool dict_grow(struct pat_arena *arena, struct pat_build_column *column) {
    const uint32_t count = column->dict_count;
    const uint32_t capacity = column->dict_capacity == 0 ? DICT_FIRST : column->dict_capacity * 2;
    column->text = grown(arena, column->text, count, capacity, sizeof *column->text);
    column->dict = grown(arena, column->dict, count, capacity, sizeof *column->dict);
    column->fault = grown(arena, column->fault, count, capacity, sizeof *column->fault);
    column->message = grown(arena, column->message, count, capacity, sizeof *column->message);
    column->slot = pat_arena_array(arena, (size_t)capacity * 2, sizeof *column->slot);
    if (column->text == NULL || column->dict == NULL || column->fault == NULL || column->message == NULL ||
        column->slot == NULL) {
        return false;
    }
    column->dict_capacity = capacity;
    column->slot_mask = capacity * 2 - 1;
    for (uint32_t place = 0; place < count; place++) dict_place(column, place);
    return true;
}

/* The place of a cell's text, read and added when it is new; false when there is no memory. */
static bool dict_find(struct pat_build *build, unsigned field, struct pat_text cell, uint32_t *place) {
    struct pat_build_column *column = &build->column[field];
    if (column->dict_count == column->dict_capacity && !dict_grow(&build->arena, column)) return false;
    uint32_t at = hash_text(cell) & column->slot_mask;
    for (; column->slot[at] != 0; at = (at + 1) & column->slot_mask) {
        *place = column->slot[at] - 1;
        if (pat_text_equal(column->text[*place], cell)) return true;
    }
    const struct pat_mapped *mapped = &build->mapping->field[field];
    struct pat_cell_fault fault = {PAT_REJECTS, NULL};
    struct pat_value value;
    const struct pat_text copy = pat_arena_text(&build->arena, cell);
    if (copy.data == NULL) return false;
    const bool good = pat_mapped_read(mapped, copy, &build->arena, &value, &fault) &&
                      (!build->check || pat_mapped_check(mapped, &value, &fault));
    *place = column->dict_count++;
    column->text[*place] = copy;
    column->dict[*place] = good ? value : pat_value_nil();
    column->fault[*place] = (uint8_t)(good ? 0 : 1 + fault.code);
    column->message[*place] = good ? NULL : fault.message;
    column->slot[at] = *place + 1;
    return true;
}

/* Most texts differ: from now on values stand row by row. */
static bool dict_give_up(struct pat_build *build, struct pat_build_column *column) {
    struct pat_value *item = pat_arena_array(&build->arena, build->capacity, sizeof *item);
    if (item == NULL) return false;
    for (uint32_t r = 0; r < build->rows; r++) item[r] = column->dict[column->code[r]];
    column->item = item;
    column->plain = true;
    return true;
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static bool build_grow(struct pat_build *build) {
    const uint32_t rows = build->rows, capacity = build->capacity == 0 ? ROWS_FIRST : build->capacity * 2;
    bool good = true;
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        if (column->plain) {
            column->item = grown(&build->arena, column->item, rows, capacity, sizeof *column->item);
            good = good && column->item != NULL;
        } else {
            column->code = grown(&build->arena, column->code, rows, capacity, sizeof *column->code);
            good = good && column->code != NULL;
        }
    }
    build->line = grown(&build->arena, build->line, rows, capacity, sizeof *build->line);
    good = good && build->line != NULL;
    if (build->with_position) {
        build->position = grown(&build->arena, build->position, rows, capacity, sizeof *build->position);
        good = good && build->position != NULL;
    }
    if (build->keep_raw) {
        build->raw = grown(&build->arena, build->raw, rows, capacity, sizeof *build->raw);
        good = good && build->raw != NULL;
    }
    if (good) build->capacity = capacity;
    return good;
}

static enum pat_status keep_raw(struct pat_build *build, const struct pat_csv_record *record,
                                struct pat_build_raw *raw) {
    *raw = (struct pat_build_raw){build->raw_text.length, build->keep_raw ? record->raw.length : 0};
    if (!build->keep_raw) return PAT_OK;
    return pat_buf_append(&build->raw_text, record->raw.data, record->raw.length);
}

enum pat_status pat_build_reject(struct pat_build *build, const struct pat_csv_record *record, const char *field,
                                 const char *code, const char *message, struct pat_error *error) {
    if (build->rejects == build->reject_capacity) {
        const uint32_t capacity = build->reject_capacity == 0 ? 64 : build->reject_capacity * 2;
        build->reject = grown(&build->arena, build->reject, build->rejects, capacity, sizeof *build->reject);
        if (build->reject == NULL) return no_memory(error);
        build->reject_capacity = capacity;
    }
    struct pat_build_raw raw;
    if (keep_raw(build, record, &raw) != PAT_OK) return no_memory(error);
    build->reject[build->rejects++] = (struct pat_local_reject){
        .line = record->line,
        .field = field,
        .code = code,
        .message = message,
        .raw = raw,
    };
    return PAT_OK;
}

const char *pat_local_message(const struct pat_local_reject *reject, char out[PAT_LOCAL_MESSAGE_BYTES]) {
    char shown[CELL_SHOWN_BYTES + 8];
    (void)pat_text_printable(reject->cell, shown, sizeof shown);
    if (reject->cell.length == 0) {
        (void)snprintf(out, PAT_LOCAL_MESSAGE_BYTES, "%s", reject->message);
    } else {
        const char *between = strncmp(reject->message, "an ", 3) == 0 ? ":" : "";
        (void)snprintf(out, PAT_LOCAL_MESSAGE_BYTES, "\"%s\"%s %s", shown, between, reject->message);
    }
    return out;
}

static struct pat_text cell_of(const struct pat_mapped *mapped, const struct pat_csv_record *record) {
    return mapped->constant ? mapped->source : record->cell[mapped->column];
}

/* Reads every cell before any column grows, so that a bad one leaves no half row. False: `fault` and *field say why. */
static bool read_row(struct pat_build *build, const struct pat_csv_record *record, struct pat_value *value,
                     uint32_t *code, struct pat_cell_fault *fault, unsigned *field, bool *memory) {
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        const struct pat_mapped *mapped = &build->mapping->field[i];
        const struct pat_text cell = cell_of(mapped, record);
        *field = i;
        if (column->plain) {
            if (!pat_mapped_read(mapped, cell, &build->arena, &value[i], fault)) return false;
            if (build->check && !pat_mapped_check(mapped, &value[i], fault)) return false;
            continue;
        }
        if (!dict_find(build, i, cell, &code[i])) {
            *memory = false;
            return false;
        }
        const uint8_t bad = column->fault[code[i]];
        if (bad == 0) continue;
        *fault = (struct pat_cell_fault){(enum pat_reject)(bad - 1), column->message[code[i]]};
        return false;
    }
    return true;
}

/* Amounts are judged with the currency of their row, which no cell knows by itself. */
static bool check_money(const struct pat_build *build, const struct pat_value *value, const uint32_t *code,
                        struct pat_cell_fault *fault, unsigned *field) {
    const struct pat_mapping *mapping = build->mapping;
    const int at = pat_mapping_find(mapping, "currency");
    if (at < 0) return true;
    const struct pat_value *currency = build->column[at].plain ? &value[at] : &build->column[at].dict[code[at]];
    const int found = currency->type == PAT_VALUE_TEXT ? pat_currency_find(pat_value_as_text(currency)) : -1;
    for (unsigned i = 0; found >= 0 && i < mapping->fields; i++) {
        const struct pat_value *amount = build->column[i].plain ? &value[i] : &build->column[i].dict[code[i]];
        pat_decimal decimal;
        pat_minor minor;
        if (mapping->field[i].type != PAT_TYPE_MONEY || amount->type != PAT_VALUE_TEXT ||
            !pat_decimal_parse(pat_value_as_text(amount), false, &decimal)) {
            continue;
        }
        const bool whole = pat_decimal_to_minor(decimal, pat_currencies[found].digits, &minor);
        if (whole && minor >= -PAT_MONEY_MINOR_MAX && minor <= PAT_MONEY_MINOR_MAX) continue;
        const bool fine = pat_decimal_scale(decimal) > pat_currencies[found].digits;
        *fault = (struct pat_cell_fault){PAT_REJECT_BAD_MONEY, fine ? "has more decimals than its currency"
                                                                    : "is more than one amount can be"};
        *field = i;
        return false;
    }
    return true;
}

static enum pat_status reject_cell(struct pat_build *build, const struct pat_csv_record *record, unsigned field,
                                   const struct pat_cell_fault *fault, struct pat_error *error) {
    const struct pat_mapped *mapped = &build->mapping->field[field];
    PAT_TRY(pat_build_reject(build, record, mapped->name, pat_reject_code(fault->code), fault->message, error));
    struct pat_text cell = cell_of(mapped, record);
    if (cell.length > CELL_SHOWN_BYTES) cell.length = CELL_SHOWN_BYTES;
    if (cell.length > 0) build->reject[build->rejects - 1].cell = pat_arena_text(&build->arena, cell);
    return PAT_OK;
}

enum pat_status pat_build_add(struct pat_build *build, const struct pat_csv_record *record, int64_t position,
                              struct pat_error *error) {
    struct pat_value value[PAT_MAPPING_FIELDS_MAX];
    uint32_t code[PAT_MAPPING_FIELDS_MAX];
    struct pat_cell_fault fault;
    unsigned field = 0;
    bool memory = true;
    if (!read_row(build, record, value, code, &fault, &field, &memory)) {
        if (!memory) return no_memory(error);
        return reject_cell(build, record, field, &fault, error);
    }
    if (build->check && !check_money(build, value, code, &fault, &field)) {
        return reject_cell(build, record, field, &fault, error);
    }
    if (build->check && build->mapping->lacking != NULL) {
        return pat_build_reject(build, record, build->mapping->lacking, pat_reject_code(PAT_REJECT_MISSING),
                                "nothing feeds it, and a new row needs it", error);
    }
    if (build->rows == build->capacity && !build_grow(build)) return no_memory(error);
    const uint32_t row = build->rows;
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        if (column->plain) {
            column->item[row] = value[i];
        } else {
            column->code[row] = code[i];
        }
    }
    if (build->with_position) build->position[row] = position;
    build->line[row] = record->line;
    struct pat_build_raw raw;
    if (keep_raw(build, record, &raw) != PAT_OK) return no_memory(error);
    if (build->keep_raw) build->raw[row] = raw;
    build->rows++;
    build->bytes += record->raw.length;
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        if (column->plain || column->dict_count <= DICT_SURE || column->dict_count <= build->rows / 2) continue;
        if (!dict_give_up(build, column)) return no_memory(error);
    }
    return PAT_OK;
}

/* ---- columns as sent ------------------------------------------------------------------------------------------ */

static struct pat_value bin_of(const void *data, size_t bytes) {
    return (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)bytes, .as.bin = data};
}

/* {dict, codes}, codes in the fewest bytes that hold every place. */
static struct pat_value finish_dict(struct pat_build *build, struct pat_builder *builder,
                                    const struct pat_build_column *column) {
    const size_t width = column->dict_count <= 256 ? 1 : column->dict_count <= 65536 ? 2 : 4;
    unsigned char *codes = pat_arena_array(&build->arena, build->rows, width);
    if (codes == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    /* Little-endian, as the wire has it. */
    for (uint32_t r = 0; r < build->rows; r++) {
        for (size_t b = 0; b < width; b++) codes[r * width + b] = (unsigned char)(column->code[r] >> (8 * b));
    }
    struct pat_value map = pat_build_map(builder, 2);
    const struct pat_value dict = {.type = PAT_VALUE_ARRAY, .count = column->dict_count, .as.items = column->dict};
    pat_build_put(builder, &map, "dict", dict);
    pat_build_put(builder, &map, "codes", bin_of(codes, build->rows * width));
    return map;
}

static struct pat_value finish_array(const struct pat_build *build, struct pat_value *item) {
    return (struct pat_value){.type = PAT_VALUE_ARRAY, .count = build->rows, .as.items = item};
}

/* The wire has dictionaries for names and ids only; other types stand row by row. */
static struct pat_value finish_expanded(struct pat_build *build, struct pat_builder *builder,
                                        const struct pat_build_column *column) {
    struct pat_value *item = pat_arena_array(&build->arena, build->rows, sizeof *item);
    if (item == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    for (uint32_t r = 0; r < build->rows; r++) item[r] = column->dict[column->code[r]];
    return finish_array(build, item);
}

/* Ids that are all canonical decimals go as u64, with a bitmap of nulls if there are any; false when some are not. */
static bool finish_numbers(struct pat_build *build, struct pat_builder *builder, const struct pat_value *item,
                           struct pat_value *out) {
    unsigned char *words = pat_arena_array(&build->arena, build->rows, 8);
    unsigned char *nulls = pat_arena_array(&build->arena, ((size_t)build->rows + 7) / 8, 1);
    if (words == NULL || nulls == NULL) return false;
    bool any_null = false;
    for (uint32_t r = 0; r < build->rows; r++) {
        if (item[r].type == PAT_VALUE_NIL) {
            nulls[r / 8] |= (unsigned char)(1u << (r % 8));
            any_null = true;
            continue;
        }
        const int64_t number = pat_id_number(pat_value_as_text(&item[r]));
        if (number < 0) return false;
        for (size_t b = 0; b < 8; b++) words[(size_t)r * 8 + b] = (unsigned char)((uint64_t)number >> (8 * b));
    }
    *out = bin_of(words, (size_t)build->rows * 8);
    if (!any_null) return true;
    const struct pat_value bin = *out;
    *out = pat_build_map(builder, 2);
    pat_build_put(builder, out, "bin", bin);
    pat_build_put(builder, out, "nulls", bin_of(nulls, ((size_t)build->rows + 7) / 8));
    return true;
}

static struct pat_value finish_column(struct pat_build *build, struct pat_builder *builder, unsigned field) {
    const struct pat_build_column *column = &build->column[field];
    const enum pat_type type = build->mapping->field[field].type;
    const bool id = type == PAT_TYPE_ID || type == PAT_TYPE_REF;
    if (!column->plain) {
        if (id || type == PAT_TYPE_TEXT || type == PAT_TYPE_SET) return finish_dict(build, builder, column);
        return finish_expanded(build, builder, column);
    }
    struct pat_value numbers;
    if (id && finish_numbers(build, builder, column->item, &numbers)) return numbers;
    return finish_array(build, column->item);
}

enum pat_status pat_build_finish(struct pat_build *build, struct pat_error *error) {
    struct pat_builder builder = {.arena = &build->arena};
    struct pat_value *columns = &build->columns;
    *columns = pat_build_map(&builder, build->mapping->fields + 1);
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        pat_build_put(&builder, columns, build->mapping->field[i].name, finish_column(build, &builder, i));
    }
    if (build->with_position) {
        /* Positions are i64 already; this is a little-endian house (base/buf.h writes words as they lie). */
        pat_build_put(&builder, columns, "line",
                      bin_of(build->position, (size_t)build->rows * sizeof *build->position));
    }
    return builder.failed ? no_memory(error) : PAT_OK;
}
