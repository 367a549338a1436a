#include "ingest/ingest_private.h"

#include "base/hash.h"
#include "store/lane.h"

#include <string.h>

static bool is_texty(enum pat_type type) {
    return type == PAT_TYPE_TEXT || type == PAT_TYPE_SET;
}
static bool is_idlike(enum pat_type type) {
    return type == PAT_TYPE_ID || type == PAT_TYPE_REF;
}

/* Bytes per value of a bin column: days are i32, everything else 8 bytes. */
static size_t bin_width(enum pat_type type) {
    return type == PAT_TYPE_DAY ? 4 : 8;
}

static size_t codes_width(uint32_t dict_count) {
    return dict_count <= 256 ? 1 : dict_count <= 65536 ? 2 : 4;
}

static int64_t rows_of_bin(const char *name, const struct pat_value *bin, size_t width, struct pat_error *error) {
    if (bin->count % width == 0) return (int64_t)(bin->count / width);
    (void)pat_error_set_at(error, PAT_ERR_BAD_REQUEST, name, -1, -1,
                           "column \"%s\": a bin of %u bytes does not hold whole %zu-byte values", name, bin->count,
                           width);
    return -1;
}

static int64_t rows_of_map(const char *name, enum pat_type type, const struct pat_value *map, struct pat_error *error) {
    const struct pat_value *bin = pat_value_get(map, "bin"), *nulls = pat_value_get(map, "nulls");
    const struct pat_value *dict = pat_value_get(map, "dict"), *codes = pat_value_get(map, "codes");
    if (map->count == 2 && dict != NULL && codes != NULL && dict->type == PAT_VALUE_ARRAY &&
        codes->type == PAT_VALUE_BIN && (is_texty(type) || is_idlike(type))) {
        return rows_of_bin(name, codes, codes_width(dict->count), error);
    }
    if (map->count == 2 && bin != NULL && nulls != NULL && bin->type == PAT_VALUE_BIN && nulls->type == PAT_VALUE_BIN &&
        !is_texty(type)) {
        int64_t rows = rows_of_bin(name, bin, bin_width(type), error);
        if (rows < 0 || nulls->count == ((uint64_t)rows + 7) / 8) return rows;
        (void)pat_error_set_at(error, PAT_ERR_BAD_REQUEST, name, -1, -1,
                               "column \"%s\": nulls is %u bytes, %lld rows need %lld", name, nulls->count,
                               (long long)rows, (long long)(rows + 7) / 8);
        return -1;
    }
    (void)pat_error_set_at(error, PAT_ERR_BAD_REQUEST, name, -1, -1,
                           "column \"%s\": a map must be {bin, nulls} with two bins%s", name,
                           is_texty(type) || is_idlike(type) ? ", or {dict, codes} with an array and a bin" : "");
    return -1;
}

int64_t pat_column__rows(const char *name, enum pat_type type, const struct pat_value *value, struct pat_error *error) {
    if (value->type == PAT_VALUE_ARRAY) return value->count;
    if (value->type == PAT_VALUE_BIN && !is_texty(type)) return rows_of_bin(name, value, bin_width(type), error);
    if (value->type == PAT_VALUE_MAP) return rows_of_map(name, type, value, error);
    (void)pat_error_set_at(error, PAT_ERR_BAD_REQUEST, name, -1, -1, "column \"%s\": expected an array%s, got %s", name,
                           is_texty(type) ? " or {dict, codes}" : " or a bin", pat_value_type_name(value));
    return -1;
}

/* ---- dictionaries of a batch column ---------------------------------------------------------------------------------
 */

/* Texts of one column, each once: open addressing over the keyed hash, doubled when half full. A column of a few
 * countries or of decimal ids takes next to nothing. What it grew out of stays in the arena, as much again at the most.
 */
struct text_set {
    struct pat_text *text; /* [half the slots] */
    uint32_t count;
    struct text_slot {
        uint32_t tag; /* of the hash */
        uint32_t at;  /* in text, + 1; 0 = empty */
    } * slot;
    uint32_t slots; /* power of two, 0 before the first */
    struct pat_arena *arena;
    const struct pat_hash_secret *secret;
};

/* Most columns of texts have fewer than half as many different ones; the table doubles for the others. */
#define TEXT_SLOTS_FIRST 64u

static bool text_set_grow(struct text_set *set) {
    uint32_t slots = set->slots == 0 ? TEXT_SLOTS_FIRST : set->slots * 2;
    struct text_slot *slot = pat_arena_array(set->arena, slots, sizeof *slot);
    struct pat_text *text = pat_arena_array(set->arena, slots / 2, sizeof *text);
    if (slot == NULL || text == NULL) return false;
    if (set->count > 0) memcpy(text, set->text, set->count * sizeof *text);
    for (uint32_t i = 0; i < set->slots; i++) {
        uint32_t to = set->slot[i].tag & (slots - 1);
        if (set->slot[i].at == 0) continue;
        while (slot[to].at != 0) to = (to + 1) & (slots - 1);
        slot[to] = set->slot[i];
    }
    set->slot = slot;
    set->slots = slots;
    set->text = text;
    return true;
}

/* Place of `text` among the set's; false when the arena is used up. */
static bool text_set_add(struct text_set *set, struct pat_text text, uint32_t *at) {
    if (set->count * 2 >= set->slots && !text_set_grow(set)) return false;
    uint32_t tag = (uint32_t)pat_hash_keyed(set->secret, text.data, text.length), i = tag & (set->slots - 1);
    for (; set->slot[i].at != 0; i = (i + 1) & (set->slots - 1)) {
        *at = set->slot[i].at - 1;
        if (set->slot[i].tag == tag && pat_text_equal(set->text[*at], text)) return true;
    }
    *at = set->count++;
    set->text[*at] = text;
    set->slot[i] = (struct text_slot){tag, *at + 1};
    return true;
}

/* The stored word of one text or id value; false when the row was rejected. */
static bool word_of(const struct pat_convert *convert, struct text_set *set, uint32_t row,
                    const struct pat_value *value, int64_t *out) {
    *out = PAT_NULL;
    if (value->type == PAT_VALUE_NIL) return true;
    struct pat_text text;
    if (is_texty(convert->field->type)) {
        if (!pat_value__text(convert, row, value, &text)) return false;
        if (text.data == NULL) return true;
    } else {
        int64_t number;
        if (!pat_value__id(convert, row, value, &number, &text)) return false;
        *out = number;
        if (number >= 0) return true;
    }
    uint32_t at = 0;
    if (!text_set_add(set, text, &at)) convert->rejects->no_memory = true;
    *out = is_texty(convert->field->type) ? (int64_t)at : ~(int64_t)at;
    return true;
}

/* Rejected rows are not looked at again, but for what they are rows of. */
static bool is_skipped(const struct pat_convert *convert, uint32_t row) {
    return convert->rejects->bad[row] != 0 && !convert->identity;
}

static void convert_items(struct pat_batch_column *out, const struct pat_convert *convert,
                          const struct pat_hash_secret *secret, const struct pat_value *items, uint32_t rows) {
    struct text_set set = {.arena = convert->arena, .secret = secret};
    for (uint32_t row = 0; row < rows; row++) {
        out->value[row] = PAT_NULL;
        if (!is_skipped(convert, row)) (void)word_of(convert, &set, row, &items[row], &out->value[row]);
    }
    out->dict = set.text;
    out->dict_count = set.count;
}

static inline uint32_t code_at(const unsigned char *codes, size_t width, uint32_t row) {
    uint32_t code = 0;
    memcpy(&code, codes + (size_t)row * width, width);
    return code;
}

/* A column of {dict, codes} on its way. Each entry is converted where the first row uses it, so that a bad one is
 * reported with a row. */
struct coded {
    struct pat_batch_column *out;
    const struct pat_convert *convert;
    const struct pat_value *dict;
    const unsigned char *codes;
    uint32_t rows;
    struct text_set set;
    /* [dict->count] */
    int64_t *word;
    enum { CODE_NEW, CODE_GOOD, CODE_BAD } * known;
};

/* The row's code is the first of its entry, or a bad one, or the row is rejected already. */
static void convert_code(struct coded *coded, uint32_t row, uint32_t code) {
    const struct pat_convert *convert = coded->convert;
    int64_t *const out = &coded->out->value[row];
    *out = PAT_NULL;
    if (is_skipped(convert, row)) return;
    if (code >= coded->dict->count) {
        pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_VALUE,
                         "%s: code %u, the dict has %u entries", convert->name, code, coded->dict->count);
        return;
    }
    const struct pat_value *entry = &coded->dict->as.items[code];
    if (coded->known[code] == CODE_NEW)
        coded->known[code] = word_of(convert, &coded->set, row, entry, &coded->word[code]) ? CODE_GOOD : CODE_BAD;
    if (coded->known[code] == CODE_GOOD) {
        *out = coded->word[code];
    } else if (!convert->rejects->bad[row]) {
        int64_t ignored; /* again, for this row's error */
        (void)word_of(convert, &coded->set, row, entry, &ignored);
    }
}

/* `width` is known where it is called, so that a code is one load. */
static inline void convert_codes(struct coded *coded, size_t width) {
    const uint32_t entries = coded->dict->count;
    const uint8_t *bad = coded->convert->rejects->bad;
    for (uint32_t row = 0; row < coded->rows; row++) {
        const uint32_t code = code_at(coded->codes, width, row);
        if (code < entries && coded->known[code] == CODE_GOOD && bad[row] == 0) {
            coded->out->value[row] = coded->word[code];
        } else {
            convert_code(coded, row, code);
        }
    }
}

static enum pat_status convert_dict(struct pat_batch_column *out, const struct pat_convert *convert,
                                    const struct pat_hash_secret *secret, const struct pat_value *map, uint32_t rows) {
    const struct pat_value *dict = pat_value_get(map, "dict");
    struct coded coded = {.out = out,
                          .convert = convert,
                          .dict = dict,
                          .codes = pat_value_get(map, "codes")->as.bin,
                          .rows = rows,
                          .set = {.arena = convert->arena, .secret = secret}};
    coded.word = pat_arena_array(convert->arena, dict->count, sizeof *coded.word);
    coded.known = pat_arena_array(convert->arena, dict->count, sizeof *coded.known);
    if (coded.word == NULL || coded.known == NULL) return PAT_ERR_NO_MEMORY;
    switch (codes_width(dict->count)) {
    case 1: convert_codes(&coded, 1); break;
    case 2: convert_codes(&coded, 2); break;
    default: convert_codes(&coded, 4);
    }
    out->dict = coded.set.text;
    out->dict_count = coded.set.count;
    return PAT_OK;
}

/* ---- fixed-width bins
 * ------------------------------------------------------------------------------------------------ */

static int64_t bin_at(const unsigned char *bin, size_t width, uint32_t row) {
    if (width == 4) {
        int32_t narrow;
        memcpy(&narrow, bin + (size_t)row * 4, 4);
        return narrow;
    }
    int64_t wide;
    memcpy(&wide, bin + (size_t)row * 8, 8);
    return wide;
}

/* True when all values of a bin lie within bounds that leave them as they are: then they are taken at once. */
static bool convert_bin_whole(struct pat_batch_column *out, const struct pat_convert *convert,
                              const struct pat_value *bin, uint32_t rows) {
    const bool wide = bin_width(convert->field->type) == 8;
    int64_t low, high;
    if (wide && rows > 0) memcpy(out->value, bin->as.bin, rows * sizeof *out->value);
    for (uint32_t row = 0; !wide && row < rows; row++) out->value[row] = bin_at(bin->as.bin, 4, row);
    const struct pat_range range = pat_lane_range(convert->kernels, out->value, rows);
    pat_value__bounds(convert, &low, &high);
    if (range.has_null || range.low < low || range.high > high) return false;
    const bool time = convert->field->type == PAT_TYPE_TIME;
    /* From 1970 on, which is nearly always, the division needs no care for signs. */
    for (uint32_t row = 0; time && range.low >= 0 && row < rows; row++)
        out->value[row] = (int64_t)((uint64_t)out->value[row] / 1000);
    for (uint32_t row = 0; time && range.low < 0 && row < rows; row++)
        (void)pat_value__check(convert, row, out->value[row], &out->value[row]);
    return true;
}

/* The same with a bitmap of nulls: their values say nothing. */
static bool convert_nulls_whole(struct pat_batch_column *out, const struct pat_convert *convert,
                                const struct pat_value *bin, const unsigned char *nulls, uint32_t rows) {
    const size_t width = bin_width(convert->field->type);
    int64_t low, high;
    pat_value__bounds(convert, &low, &high);
    if (low > high || convert->field->type == PAT_TYPE_TIME) return false;
    bool within = true;
    for (uint32_t row = 0; row < rows; row++) {
        const int64_t raw = bin_at(bin->as.bin, width, row);
        const bool null = (nulls[row / 8] >> (row % 8) & 1) != 0;
        within &= null | (raw >= low && raw <= high);
        out->value[row] = null ? PAT_NULL : raw;
    }
    return within;
}

static void convert_bin(struct pat_batch_column *out, const struct pat_convert *convert, const struct pat_value *bin,
                        const unsigned char *nulls, uint32_t rows) {
    enum pat_type type = convert->field->type;
    size_t width = bin_width(type);
    if (convert->rejects->rejected == 0) {
        if (nulls == NULL ? convert_bin_whole(out, convert, bin, rows)
                          : convert_nulls_whole(out, convert, bin, nulls, rows)) {
            return;
        }
    }
    for (uint32_t row = 0; row < rows; row++) {
        out->value[row] = PAT_NULL;
        if (is_skipped(convert, row) || (nulls != NULL && (nulls[row / 8] >> (row % 8) & 1) != 0)) continue;
        int64_t raw = bin_at(bin->as.bin, width, row);
        if (is_idlike(type)) {
            if (raw < 0) {
                pat_rejects__add(convert->rejects, row, convert->name, PAT_REJECT_BAD_ID,
                                 "%s: ids of 2^63 and above are sent as text", convert->name);
            } else {
                out->value[row] = raw;
            }
        } else if (!pat_value__check(convert, row, raw, &out->value[row])) {
            out->value[row] = PAT_NULL;
        }
    }
}

enum pat_status pat_column__convert(struct pat_batch_column *out, const struct pat_convert *convert,
                                    const struct pat_hash_secret *secret, const struct pat_value *value, uint32_t rows,
                                    struct pat_error *error) {
    enum pat_type type = convert->field->type;
    /* Minor units and ready-made integers need no currency; decimals wait for theirs. */
    out->decimal = type == PAT_TYPE_MONEY && !convert->minor && value->type == PAT_VALUE_ARRAY;
    enum pat_status status = PAT_OK;
    if (value->type == PAT_VALUE_BIN) {
        convert_bin(out, convert, value, NULL, rows);
    } else if (value->type == PAT_VALUE_MAP && pat_value_get(value, "bin") != NULL) {
        convert_bin(out, convert, pat_value_get(value, "bin"), pat_value_get(value, "nulls")->as.bin, rows);
    } else if (value->type == PAT_VALUE_MAP) {
        status = convert_dict(out, convert, secret, value, rows);
    } else if (is_texty(type) || is_idlike(type)) {
        convert_items(out, convert, secret, value->as.items, rows);
    } else {
        for (uint32_t row = 0; row < rows; row++) {
            out->value[row] = PAT_NULL;
            if (value->as.items[row].type == PAT_VALUE_NIL || convert->rejects->bad[row]) continue;
            if (!pat_value__scalar(convert, row, &value->as.items[row], &out->value[row])) out->value[row] = PAT_NULL;
        }
    }
    if (convert->rejects->no_memory) status = PAT_ERR_NO_MEMORY;
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "no memory for the batch");
}

static bool is_nil(const struct pat_value *value, enum pat_type type) {
    if (type == PAT_TYPE_SET && value->type == PAT_VALUE_ARRAY) return value->count == 0;
    return value->type == PAT_VALUE_NIL || (value->type == PAT_VALUE_TEXT && value->count == 0);
}

bool pat_column__may_have_nil(const struct pat_value *column, enum pat_type type) {
    if (column->type == PAT_VALUE_BIN) return false;
    const struct pat_value *dict = column->type == PAT_VALUE_MAP ? pat_value_get(column, "dict") : NULL;
    if (dict == NULL) return true;
    for (uint32_t i = 0; i < dict->count; i++) {
        if (is_nil(&dict->as.items[i], type)) return true;
    }
    return false;
}

bool pat_column__is_nil(const struct pat_value *column, enum pat_type type, uint32_t row) {
    const struct pat_value *value = column;
    if (column->type == PAT_VALUE_ARRAY) {
        value = &column->as.items[row];
    } else if (column->type != PAT_VALUE_MAP) {
        return false;
    } else if (pat_value_get(column, "nulls") != NULL) {
        return (pat_value_get(column, "nulls")->as.bin[row / 8] >> (row % 8) & 1) != 0;
    } else {
        const struct pat_value *dict = pat_value_get(column, "dict");
        uint32_t code = code_at(pat_value_get(column, "codes")->as.bin, codes_width(dict->count), row);
        if (code >= dict->count) return false;
        value = &dict->as.items[code];
    }
    return is_nil(value, type);
}
