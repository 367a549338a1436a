#include "batch_build_private.h"

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
/* Of a bad cell in a message: enough to recognise it. */
#define CELL_SHOWN_BYTES 40u

enum pat_status pat_build__no_memory(struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a batch: try a smaller --batch-rows");
}

struct pat_build *pat_build_new(const struct pat_mapping *mapping, bool keep_raw, bool with_position, bool append,
                                bool check, const struct pat_build_habits *habits) {
    struct pat_build *build = pat_mem_alloc(PAT_MEM_OTHER, sizeof *build);
    if (build == NULL) return NULL;
    pat_arena_init(&build->arena, 0);
    pat_buf_init(&build->raw_text, PAT_MEM_OTHER);
    build->mapping = mapping;
    build->keep_raw = keep_raw;
    build->with_position = with_position;
    build->append = append;
    build->check = check;
    build->rows_first = habits->rows > ROWS_FIRST ? habits->rows : ROWS_FIRST;
    for (unsigned i = 0; i < mapping->fields; i++) {
        build->column[i].plain = habits->plain[i];
        build->column[i].as_words = mapping->field[i].words && !habits->no_words[i] && !check;
    }
    return build;
}

void pat_build_free(struct pat_build *build) {
    if (build == NULL) return;
    pat_arena_deinit(&build->arena);
    pat_buf_deinit(&build->raw_text);
    pat_mem_free(PAT_MEM_OTHER, build);
}

/* From here on an array is a block of its own, which is not cleared. */
#define BIG_BYTES ((size_t)64 << 10)
/* Arrays of one block begin on a line of their own, and some lines apart: a row goes to all of them, and at equal
 * distances of some power of two their lines would drive each other out of the cache. */
#define ARRAY_ALIGN PAT_MEM_ALIGN
#define ARRAY_APART (5 * ARRAY_ALIGN)

/* A larger copy in the arena; the old one stays there until the batch is done, which doubling bounds. What is behind
 * `count` is written before it is read. */
static void *grown(struct pat_arena *arena, const void *old, size_t count, size_t capacity, size_t size) {
    void *fresh = capacity * size < BIG_BYTES ? pat_arena_array(arena, capacity, size)
                                              : pat_arena_array_big(arena, capacity, size);
    if (fresh != NULL && count > 0) memcpy(fresh, old, count * size);
    return fresh;
}

/* ---- dictionaries --------------------------------------------------------------------------------------------- */

#define KEY_BYTES sizeof(struct pat_build_key)

static uint64_t word_at(const char *data, size_t bytes) {
    uint64_t word = 0;
    memcpy(&word, data, bytes);
    return word;
}

/* Ends overlap, so that no loop counts bytes. */
static struct pat_build_key key_of(struct pat_text text) {
    const char *const data = text.data, *const end = data + text.length;
    if (text.length > KEY_BYTES) {
        const struct pat_digest digest = pat_digest_of(data, text.length);
        return (struct pat_build_key){digest.low, digest.high};
    }
    if (text.length >= 8) return (struct pat_build_key){word_at(data, 8), word_at(end - 8, 8)};
    if (text.length >= 4) return (struct pat_build_key){word_at(data, 4), word_at(end - 4, 4)};
    if (text.length >= 2) return (struct pat_build_key){word_at(data, 2), word_at(end - 2, 2)};
    return (struct pat_build_key){text.length == 1 ? word_at(data, 1) : 0, 0};
}

/* Any odd numbers without a pattern. */
static uint32_t hash_of(struct pat_build_key key, size_t length) {
    return (uint32_t)pat_hash_fold(key.low ^ UINT64_C(0x9E3779B97F4A7C15),
                                   (key.high + length) ^ UINT64_C(0xD6E8FEB86659FD93));
}

static inline bool dict_is(const struct pat_build_column *column, uint32_t place, struct pat_build_key key,
                           struct pat_text text) {
    const struct pat_build_key *known = &column->key[place];
    if (known->low != key.low || known->high != key.high || column->text[place].length != text.length) return false;
    return text.length <= KEY_BYTES || memcmp(column->text[place].data, text.data, text.length) == 0;
}

static void dict_place(struct pat_build_column *column, uint32_t place) {
    uint32_t at = hash_of(column->key[place], column->text[place].length) & column->slot_mask;
    while (column->slot[at] != 0) at = (at + 1) & column->slot_mask;
    column->slot[at] = place + 1;
}

static bool dict_grow(struct pat_arena *arena, struct pat_build_column *column) {
    const uint32_t count = column->dict_count;
    const uint32_t capacity = column->dict_capacity == 0 ? DICT_FIRST : column->dict_capacity * 2;
    column->text = grown(arena, column->text, count, capacity, sizeof *column->text);
    column->key = grown(arena, column->key, count, capacity, sizeof *column->key);
    column->dict = grown(arena, column->dict, count, capacity, sizeof *column->dict);
    column->fault = grown(arena, column->fault, count, capacity, sizeof *column->fault);
    column->message = grown(arena, column->message, count, capacity, sizeof *column->message);
    column->slot = pat_arena_array(arena, (size_t)capacity * 2, sizeof *column->slot);
    if (column->text == NULL || column->key == NULL || column->dict == NULL || column->fault == NULL ||
        column->message == NULL || column->slot == NULL) {
        return false;
    }
    column->dict_capacity = capacity;
    column->slot_mask = capacity * 2 - 1;
    for (uint32_t place = 0; place < count; place++) dict_place(column, place);
    return true;
}

bool pat_build__dict_find(struct pat_build *build, unsigned field, struct pat_text cell, uint32_t *place) {
    struct pat_build_column *column = &build->column[field];
    const struct pat_build_key key = key_of(cell);
    *place = column->last;
    if (column->dict_count > 0 && dict_is(column, *place, key, cell)) return true;
    if (column->dict_count == column->dict_capacity && !dict_grow(&build->arena, column)) return false;
    uint32_t at = hash_of(key, cell.length) & column->slot_mask;
    for (; column->slot[at] != 0; at = (at + 1) & column->slot_mask) {
        *place = column->last = column->slot[at] - 1;
        if (dict_is(column, *place, key, cell)) return true;
    }
    const struct pat_mapped *mapped = &build->mapping->field[field];
    struct pat_cell_fault fault = {PAT_REJECTS, NULL};
    struct pat_value value;
    const struct pat_text copy = pat_arena_text(&build->arena, cell);
    if (copy.data == NULL) return false;
    const bool good = pat_mapped_read(mapped, copy, &build->arena, &value, &fault) &&
                      (!build->check || pat_mapped_check(mapped, &value, &fault));
    *place = column->last = column->dict_count++;
    column->text[*place] = copy;
    column->key[*place] = key;
    column->dict[*place] = good ? value : pat_value_nil();
    column->fault[*place] = (uint8_t)(good ? 0 : 1 + fault.code);
    column->message[*place] = good ? NULL : fault.message;
    column->slot[at] = *place + 1;
    build->dict_grew = true;
    return true;
}

void pat_build__dict_cut(struct pat_build_column *column, uint32_t count) {
    if (column->dict_count == count) return;
    column->dict_count = count;
    column->last = 0;
    memset(column->slot, 0, ((size_t)column->slot_mask + 1) * sizeof *column->slot);
    for (uint32_t place = 0; place < count; place++) dict_place(column, place);
}

bool pat_build__dict_give_up(struct pat_build *build, struct pat_build_column *column) {
    struct pat_value *item = pat_arena_array(&build->arena, build->capacity, sizeof *item);
    if (item == NULL) return false;
    for (uint32_t r = 0; r < build->rows; r++) item[r] = column->dict[column->code[r]];
    column->item = item;
    column->plain = true;
    return true;
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static size_t array_bytes(size_t count, size_t size) {
    return (count * size + ARRAY_ALIGN - 1) / ARRAY_ALIGN * ARRAY_ALIGN + ARRAY_APART;
}

static size_t width_of(const struct pat_build_column *column) {
    return column->as_words ? sizeof *column->words.word : column->plain ? sizeof *column->item : sizeof *column->code;
}

/* The next array of a block, with what the old one had. */
static void *moved(unsigned char **at, const void *old, size_t count, size_t capacity, size_t size) {
    void *const array = *at;
    *at += array_bytes(capacity, size);
    if (count > 0) memcpy(array, old, count * size);
    return array;
}

/* All arrays of rows lie in one block: large as it is, it stands on huge pages and serves the next batch again. */
bool pat_build__grow(struct pat_build *build) {
    const uint32_t rows = build->rows, capacity = build->capacity == 0 ? build->rows_first : build->capacity * 2;
    size_t bytes = array_bytes(capacity, sizeof *build->line);
    if (build->with_position) bytes += array_bytes(capacity, sizeof *build->position);
    if (build->keep_raw) bytes += array_bytes(capacity, sizeof *build->raw);
    for (unsigned i = 0; i < build->mapping->fields; i++) bytes += array_bytes(capacity, width_of(&build->column[i]));
    unsigned char *at = grown(&build->arena, NULL, 0, bytes, 1);
    if (at == NULL) return false;
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        const size_t width = width_of(column);
        if (column->as_words) {
            column->words.word = moved(&at, column->words.word, rows, capacity, width);
        } else if (column->plain) {
            column->item = moved(&at, column->item, rows, capacity, width);
        } else {
            column->code = moved(&at, column->code, rows, capacity, width);
        }
    }
    build->line = moved(&at, build->line, rows, capacity, sizeof *build->line);
    if (build->with_position) build->position = moved(&at, build->position, rows, capacity, sizeof *build->position);
    if (build->keep_raw) build->raw = moved(&at, build->raw, rows, capacity, sizeof *build->raw);
    build->capacity = capacity;
    return true;
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
        if (build->reject == NULL) return pat_build__no_memory(error);
        build->reject_capacity = capacity;
    }
    struct pat_build_raw raw;
    if (keep_raw(build, record, &raw) != PAT_OK) return pat_build__no_memory(error);
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

/* One row before it goes into the columns. */
struct row {
    struct pat_value value[PAT_MAPPING_FIELDS_MAX]; /* of plain columns, and of words that are odd */
    uint32_t code[PAT_MAPPING_FIELDS_MAX];          /* of dictionaries */
    int64_t word[PAT_MAPPING_FIELDS_MAX];
    bool odd[PAT_MAPPING_FIELDS_MAX];
};

/* Reads every cell before any column grows, so that a bad one leaves no half row. False: `fault` and *field say why. */
static bool read_row(struct pat_build *build, const struct pat_csv_record *record, struct row *row,
                     struct pat_cell_fault *fault, unsigned *field, bool *memory) {
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        const struct pat_mapped *mapped = &build->mapping->field[i];
        const struct pat_text cell = cell_of(mapped, record);
        *field = i;
        if (column->as_words) {
            row->odd[i] = !pat_mapped_word(mapped, cell, &row->word[i]);
            if (!row->odd[i]) continue;
            if (!pat_mapped_read(mapped, cell, &build->arena, &row->value[i], fault)) return false;
            continue;
        }
        if (column->plain) {
            if (!pat_mapped_read(mapped, cell, &build->arena, &row->value[i], fault)) return false;
            if (build->check && !pat_mapped_check(mapped, &row->value[i], fault)) return false;
            continue;
        }
        if (!pat_build__dict_find(build, i, cell, &row->code[i])) {
            *memory = false;
            return false;
        }
        const uint8_t bad = column->fault[row->code[i]];
        if (bad == 0) continue;
        *fault = (struct pat_cell_fault){(enum pat_reject)(bad - 1), column->message[row->code[i]]};
        return false;
    }
    return true;
}

/* Amounts are judged with the currency of their row, which no cell knows by itself. */
static bool check_money(const struct pat_build *build, const struct row *row, struct pat_cell_fault *fault,
                        unsigned *field) {
    const struct pat_mapping *mapping = build->mapping;
    const int at = pat_mapping_find(mapping, "currency");
    if (at < 0) return true;
    const struct pat_value *currency =
        build->column[at].plain ? &row->value[at] : &build->column[at].dict[row->code[at]];
    const int found = currency->type == PAT_VALUE_TEXT ? pat_currency_find(pat_value_as_text(currency)) : -1;
    for (unsigned i = 0; found >= 0 && i < mapping->fields; i++) {
        const struct pat_value *amount = build->column[i].plain ? &row->value[i] : &build->column[i].dict[row->code[i]];
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

/* Puts a row that was read into the columns, which have room for it. */
static bool put_row(struct pat_build *build, const struct row *row) {
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        if (column->as_words) {
            column->words.word[build->rows] = row->odd[i] ? PAT_NULL : row->word[i];
            if (row->odd[i] && !pat_words_add_odd(&column->words, build->rows, &row->value[i], &build->arena))
                return false;
        } else if (column->plain) {
            column->item[build->rows] = row->value[i];
        } else {
            column->code[build->rows] = row->code[i];
        }
    }
    return true;
}

static bool give_up_dictionaries(struct pat_build *build) {
    if (!build->dict_grew) return true;
    build->dict_grew = false;
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        struct pat_build_column *column = &build->column[i];
        if (column->plain || !pat_build__dict_is_poor(column->dict_count, build->rows)) continue;
        if (!pat_build__dict_give_up(build, column)) return false;
    }
    return true;
}

enum pat_status pat_build_add(struct pat_build *build, const struct pat_csv_record *record, int64_t position,
                              struct pat_error *error) {
    struct row row;
    struct pat_cell_fault fault;
    unsigned field = 0;
    bool memory = true;
    if (!read_row(build, record, &row, &fault, &field, &memory)) {
        if (!memory) return pat_build__no_memory(error);
        return reject_cell(build, record, field, &fault, error);
    }
    if (build->check && !check_money(build, &row, &fault, &field)) {
        return reject_cell(build, record, field, &fault, error);
    }
    if (build->check && build->mapping->lacking != NULL) {
        return pat_build_reject(build, record, build->mapping->lacking, pat_reject_code(PAT_REJECT_MISSING),
                                "nothing feeds it, and a new row needs it", error);
    }
    if (build->rows == build->capacity && !pat_build__grow(build)) return pat_build__no_memory(error);
    if (!put_row(build, &row)) return pat_build__no_memory(error);
    if (build->with_position) build->position[build->rows] = position;
    build->line[build->rows] = record->line;
    struct pat_build_raw raw;
    if (keep_raw(build, record, &raw) != PAT_OK) return pat_build__no_memory(error);
    if (build->keep_raw) build->raw[build->rows] = raw;
    build->rows++;
    build->bytes += record->raw.length;
    return give_up_dictionaries(build) ? PAT_OK : pat_build__no_memory(error);
}

void pat_build_learn(const struct pat_build *build, struct pat_build_habits *habits) {
    if (build->rows > habits->rows) habits->rows = build->rows;
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        const struct pat_build_column *column = &build->column[i];
        habits->plain[i] |= column->plain;
        habits->no_words[i] |= column->as_words && pat_words_fail(&column->words, build->rows);
    }
}

/* ---- columns as sent ------------------------------------------------------------------------------------------ */

static struct pat_value bin_of(const void *data, size_t bytes) {
    return (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)bytes, .as.bin = data};
}

/* Little-endian, as the wire has it. */
static void narrow_codes(const uint32_t *restrict code, uint32_t rows, size_t width, unsigned char *restrict out) {
    if (width == 1) {
        for (uint32_t r = 0; r < rows; r++) out[r] = (unsigned char)code[r];
    } else {
        for (uint32_t r = 0; r < rows; r++) memcpy(out + r * width, &code[r], width);
    }
}

/* {dict, codes}, codes in the fewest bytes that hold every place. */
static struct pat_value finish_dict(struct pat_build *build, struct pat_builder *builder,
                                    const struct pat_build_column *column) {
    const size_t width = column->dict_count <= 256 ? 1 : column->dict_count <= 65536 ? 2 : 4;
    unsigned char *codes = pat_arena_array_big(&build->arena, build->rows, width);
    if (codes == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    narrow_codes(column->code, build->rows, width, codes);
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
    struct pat_value *item = pat_arena_array_big(&build->arena, build->rows, sizeof *item);
    if (item == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    for (uint32_t r = 0; r < build->rows; r++) item[r] = column->dict[column->code[r]];
    return finish_array(build, item);
}

static struct pat_value finish_column(struct pat_build *build, struct pat_builder *builder, unsigned field) {
    const struct pat_build_column *column = &build->column[field];
    const enum pat_type type = build->mapping->field[field].type;
    if (!column->plain) {
        if (type == PAT_TYPE_ID || type == PAT_TYPE_REF || type == PAT_TYPE_TEXT || type == PAT_TYPE_SET)
            return finish_dict(build, builder, column);
        return finish_expanded(build, builder, column);
    }
    return finish_array(build, column->item);
}

/* Digits of the currencies in the dictionary of the currency column, if it has one. */
static struct pat_words_currency currency_of(struct pat_build *build, struct pat_builder *builder) {
    const int at = pat_mapping_find(build->mapping, "currency");
    if (at < 0 || build->column[at].plain) return (struct pat_words_currency){.code = NULL};
    const struct pat_build_column *column = &build->column[at];
    int *digits = pat_arena_array(&build->arena, column->dict_count, sizeof *digits);
    if (digits == NULL) {
        builder->failed = true;
        return (struct pat_words_currency){.code = NULL};
    }
    for (uint32_t d = 0; d < column->dict_count; d++) {
        const struct pat_value *word = &column->dict[d];
        const int found = word->type == PAT_VALUE_TEXT ? pat_currency_find(pat_value_as_text(word)) : -1;
        digits[d] = found >= 0 ? (int)pat_currencies[found].digits : -1;
    }
    return (struct pat_words_currency){column->code, digits};
}

static void finish_words(struct pat_build *build, struct pat_builder *builder, unsigned field,
                         const struct pat_words_currency *currency, const struct pat_kernels *kernels) {
    const struct pat_mapped *mapped = &build->mapping->field[field];
    bool minor;
    const struct pat_value value =
        pat_words_finish(&build->column[field].words, mapped, build->rows, currency, kernels, builder, &minor);
    const struct pat_value name =
        minor ? pat_build_printf(builder, "%s_minor", mapped->name) : pat_value_string(mapped->name);
    pat_build_put_text_key(builder, &build->columns, pat_value_as_text(&name), value);
}

enum pat_status pat_build_finish(struct pat_build *build, struct pat_error *error) {
    struct pat_builder builder = {.arena = &build->arena};
    const struct pat_kernels *kernels = pat_kernels_find("auto");
    struct pat_value *columns = &build->columns;
    *columns = pat_build_map(&builder, build->mapping->fields + 1);
    const struct pat_words_currency currency = currency_of(build, &builder);
    for (unsigned i = 0; i < build->mapping->fields; i++) {
        if (build->column[i].as_words) {
            finish_words(build, &builder, i, &currency, kernels);
        } else {
            pat_build_put(&builder, columns, build->mapping->field[i].name, finish_column(build, &builder, i));
        }
    }
    if (build->with_position) {
        /* Positions are i64 already; this is a little-endian house (base/buf.h writes words as they lie). */
        pat_build_put(&builder, columns, "line",
                      bin_of(build->position, (size_t)build->rows * sizeof *build->position));
    }
    return builder.failed ? pat_build__no_memory(error) : PAT_OK;
}
