/* Plain rows go into a batch column by column: one tight loop for each type of cell, and what it cannot read goes the
 * way that pat_build_add goes. */
#include "batch_build_private.h"
#include "cell_words.h"

#include "base/hash.h"

#include <string.h>

/* One column of the rows being added. */
struct adding {
    struct pat_build *build;
    unsigned field;
    const struct pat_mapped *mapped;
    struct pat_build_column *column;
    struct pat_cells cells; /* unless the field is constant */
    uint32_t at;            /* row of the batch that the first one becomes */
};

static struct pat_text cell_of(const struct adding *adding, unsigned row) {
    return adding->mapped->constant ? adding->mapped->source : pat_cells_get(&adding->cells, row);
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* How many cells from `row` on are written as most are. */
static unsigned words_common(const struct adding *adding, unsigned row, unsigned count, int64_t *word) {
    const struct pat_mapped *mapped = adding->mapped;
    if (mapped->constant || mapped->pairs > 0) return 0;
    const struct pat_cells cells = pat_cells_from(&adding->cells, row);
    switch (mapped->type) {
    case PAT_TYPE_ID:
    case PAT_TYPE_REF: return pat_cells_ids(&cells, count - row, word);
    case PAT_TYPE_TIME:
        return mapped->time_format != NULL ? 0 : pat_cells_times(&cells, count - row, mapped->utc, word);
    case PAT_TYPE_MONEY: return pat_cells_amounts(&cells, count - row, mapped->decimal_comma, word);
    default: return 0;
    }
}

/* Each gives how many of `count` cells were read; *memory is false when there was none. */
static unsigned add_words(const struct adding *adding, unsigned count, bool *memory) {
    struct pat_words *words = &adding->column->words;
    struct pat_arena *arena = &adding->build->arena;
    int64_t *const word = words->word + adding->at;
    for (unsigned row = 0; row < count; row++) {
        row += words_common(adding, row, count, word + row);
        if (row == count) break;
        const struct pat_text cell = cell_of(adding, row);
        if (pat_mapped_word(adding->mapped, cell, &word[row])) continue;
        struct pat_value value;
        struct pat_cell_fault fault;
        if (!pat_mapped_read(adding->mapped, cell, arena, &value, &fault)) return row;
        word[row] = PAT_NULL;
        *memory = pat_words_add_odd(words, adding->at + row, &value, arena);
        if (!*memory) return row;
    }
    return count;
}

/* ---- values row by row ------------------------------------------------------------------------------------------ */

static unsigned add_values(const struct adding *adding, unsigned first, unsigned count) {
    struct pat_value *const item = adding->column->item + adding->at;
    for (unsigned row = first; row < count; row++) {
        struct pat_cell_fault fault;
        if (!pat_mapped_read(adding->mapped, cell_of(adding, row), &adding->build->arena, &item[row], &fault))
            return row;
    }
    return count;
}

/* ---- dictionaries ----------------------------------------------------------------------------------------------- */

#define KNOWN_BITS  8u
#define KNOWN_BYTES sizeof(struct pat_build_key)

/* Sixteen bytes from the cell's beginning on, of which those behind its end become zero: no branch on its length. */
static inline struct pat_build_key key_of(struct pat_text cell) {
    static const uint64_t kept[9] = {0,
                                     UINT64_C(0xff),
                                     UINT64_C(0xffff),
                                     UINT64_C(0xffffff),
                                     UINT64_C(0xffffffff),
                                     UINT64_C(0xffffffffff),
                                     UINT64_C(0xffffffffffff),
                                     UINT64_C(0xffffffffffffff),
                                     UINT64_MAX};
    uint64_t word[2];
    memcpy(word, cell.data, sizeof word);
    return (struct pat_build_key){word[0] & kept[cell.length < 8 ? cell.length : 8],
                                  word[1] & kept[cell.length > 8 ? cell.length - 8 : 0]};
}

/* Odd numbers without a pattern. */
static inline size_t known_slot(struct pat_build_key key) {
    const uint64_t mixed = (key.low ^ key.high * UINT64_C(0xD6E8FEB86659FD93)) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> (64 - KNOWN_BITS));
}

/* A text that is not among the known ones, or is too long for them. False: it cannot be read, or there is no memory. */
static bool add_unknown(const struct adding *adding, struct pat_text cell, uint32_t *code, bool *memory) {
    struct pat_build_column *column = adding->column;
    *memory = pat_build__dict_find(adding->build, adding->field, cell, code);
    if (!*memory || column->fault[*code] != 0) return false;
    if (cell.length > KNOWN_BYTES) return true;
    char padded[KNOWN_BYTES] = "";
    memcpy(padded, column->text[*code].data, cell.length);
    const struct pat_build_key key = key_of((struct pat_text){padded, cell.length});
    column->known[known_slot(key)] = (struct pat_build_known){key, *code + 1u};
    return true;
}

static unsigned add_codes(const struct adding *adding, unsigned count, bool *memory) {
    const struct pat_build_known *const known = adding->column->known;
    uint32_t *const code = adding->column->code + adding->at;
    for (unsigned row = 0; row < count; row++) {
        const struct pat_text cell = pat_cells_get(&adding->cells, row);
        if (cell.length <= KNOWN_BYTES) {
            const struct pat_build_key key = key_of(cell);
            const struct pat_build_known *entry = &known[known_slot(key)];
            if (entry->key.low == key.low && entry->key.high == key.high && entry->place != 0) {
                code[row] = (uint32_t)entry->place - 1;
                continue;
            }
        }
        if (!add_unknown(adding, cell, &code[row], memory)) return row;
    }
    return count;
}

static unsigned add_constant(const struct adding *adding, unsigned count, bool *memory) {
    uint32_t *const code = adding->column->code + adding->at;
    if (!add_unknown(adding, adding->mapped->source, code, memory)) return 0;
    for (unsigned row = 1; row < count; row++) code[row] = code[0];
    return count;
}

static bool know_texts(const struct adding *adding) {
    struct pat_build_column *column = adding->column;
    if (column->known == NULL)
        column->known = pat_arena_array(&adding->build->arena, (size_t)1 << KNOWN_BITS, sizeof *column->known);
    return column->known != NULL;
}

static void forget_texts(struct pat_build_column *column) {
    if (column->known != NULL) memset(column->known, 0, sizeof *column->known << KNOWN_BITS);
}

/* ---- the rows that all columns could read ----------------------------------------------------------------------- */

/* The dictionary as it was before the rows that are not taken; texts that came with them, in order, go. */
static void cut_dictionary(const struct adding *adding, uint32_t dict_before, unsigned rows) {
    struct pat_build_column *column = adding->column;
    uint32_t count = dict_before;
    for (unsigned row = 0; row < rows; row++) {
        if (column->code[adding->at + row] >= count) count = column->code[adding->at + row] + 1;
    }
    if (count != column->dict_count) forget_texts(column);
    pat_build__dict_cut(column, count);
}

/* Finds the row at which pat_build_add would have given the dictionary up, and does so. `pending`: texts have come with
 * rows that were not taken, and the dictionary was not looked at since. */
static bool judge_dictionary(const struct adding *adding, uint32_t dict_before, bool pending, unsigned rows) {
    struct pat_build_column *column = adding->column;
    struct pat_build *build = adding->build;
    if (column->dict_count <= PAT_BUILD_DICT_SURE) return true;
    uint32_t count = dict_before;
    for (unsigned row = 0; row < rows; row++) {
        const bool grew = column->code[adding->at + row] >= count;
        if (grew) count = column->code[adding->at + row] + 1;
        if ((!grew && !(pending && row == 0)) || !pat_build__dict_is_poor(count, adding->at + row + 1)) continue;
        build->rows = adding->at + row + 1;
        return pat_build__dict_give_up(build, column) && add_values(adding, row + 1, rows) == rows;
    }
    return true;
}

static void cut_odd(struct pat_words *words, uint32_t rows) {
    while (words->odds > 0 && words->odd[words->odds - 1].row >= rows) words->odds--;
}

static struct adding column_of(struct pat_build *build, const struct pat_csv_rows *rows, unsigned first,
                               unsigned field) {
    const struct pat_mapped *mapped = &build->mapping->field[field];
    const uint32_t *end = rows->end + (size_t)first * rows->stride + 1;
    return (struct adding){.build = build,
                           .field = field,
                           .mapped = mapped,
                           .column = &build->column[field],
                           .cells = {rows->text, mapped->constant ? end : end + mapped->column, rows->stride},
                           .at = build->rows};
}

static unsigned add_column(const struct adding *adding, unsigned count, bool *memory) {
    if (adding->column->as_words) return add_words(adding, count, memory);
    if (adding->column->plain) return add_values(adding, 0, count);
    *memory = know_texts(adding);
    if (!*memory) return 0;
    return adding->mapped->constant ? add_constant(adding, count, memory) : add_codes(adding, count, memory);
}

/* Of records without their line ends. */
static size_t bytes_of(const struct pat_csv_rows *rows, unsigned first, unsigned count) {
    const uint32_t *end = rows->end + (size_t)first * rows->stride;
    const uint32_t start = end[0] + 1, behind = end[(size_t)(count - 1) * rows->stride + rows->cells];
    return behind - start - (size_t)(count - 1) * (rows->stride - rows->cells + 1);
}

enum pat_status pat_build_add_rows(struct pat_build *build, const struct pat_csv_rows *rows, unsigned first,
                                   unsigned count, unsigned *added, struct pat_error *error) {
    uint32_t dict_before[PAT_MAPPING_FIELDS_MAX];
    const unsigned fields = build->mapping->fields;
    const bool pending = build->dict_grew;
    const unsigned asked = count;
    bool memory = true;
    while (build->capacity - build->rows < count) {
        if (!pat_build__grow(build)) return pat_build__no_memory(error);
    }
    for (unsigned i = 0; i < fields; i++) {
        const struct adding adding = column_of(build, rows, first, i);
        dict_before[i] = adding.column->dict_count;
        count = add_column(&adding, count, &memory);
        if (!memory) return pat_build__no_memory(error);
    }
    for (unsigned i = 0; i < fields; i++) {
        const struct adding adding = column_of(build, rows, first, i);
        if (adding.column->as_words) {
            cut_odd(&adding.column->words, adding.at + count);
        } else if (!adding.column->plain) {
            if (count < asked) cut_dictionary(&adding, dict_before[i], count);
            if (!judge_dictionary(&adding, dict_before[i], pending, count)) return pat_build__no_memory(error);
            build->rows = adding.at;
        }
    }
    build->dict_grew = pending && count == 0;
    *added = count;
    if (count == 0) return PAT_OK;
    for (unsigned row = 0; row < count; row++) build->line[build->rows + row] = rows->line + first + row;
    build->rows += count;
    build->bytes += bytes_of(rows, first, count);
    return PAT_OK;
}
