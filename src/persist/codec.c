#include "persist/codec_private.h"

#include "model/schema.h"
#include "store/lane.h"

#include <string.h>

/* Behind these bytes for fields stand the attributes; a table has fewer columns of its own, and the fields that lines
 * have of their order are counted from PAT_LINE_OF_CUSTOMER on. */
#define FIELD_OF_ATTRIBUTE 128u
_Static_assert(FIELD_OF_ATTRIBUTE + PAT_ATTRIBUTES_MAX <= PAT_LINE_OF_CUSTOMER, "one byte tells fields apart");

/* A length takes at most this: 5 groups of 7 bits. */
#define LENGTH_BYTES_MAX 5u

/* ---- texts ------------------------------------------------------------------------------------------------------ */

static size_t length_put(unsigned char *at, uint32_t length) {
    size_t used = 0;
    while (length >= 0x80) {
        at[used++] = (unsigned char)(length | 0x80);
        length >>= 7;
    }
    at[used++] = (unsigned char)length;
    return used;
}

static uint32_t length_read(struct pat_reader *reader) {
    uint64_t length = 0;
    for (unsigned shift = 0; shift < 7 * LENGTH_BYTES_MAX; shift += 7) {
        uint8_t byte = pat_read_u8(reader);
        length |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (length > UINT32_MAX) break;
            return (uint32_t)length;
        }
    }
    reader->bad = true;
    return 0;
}

/* The caller reserved LENGTH_BYTES_MAX and the text's length. */
static void text_put(struct pat_buf *out, struct pat_text text) {
    PAT_DEBUG_ASSERT(text.length <= UINT32_MAX && out->capacity - out->length >= text.length);
    out->length += length_put(out->data + out->length, (uint32_t)text.length);
    if (text.length > 0) memcpy(out->data + out->length, text.data, text.length);
    out->length += text.length;
}

static enum pat_status text_write(struct pat_buf *out, struct pat_text text) {
    PAT_TRY(pat_buf_reserve(out, text.length + LENGTH_BYTES_MAX));
    text_put(out, text);
    return PAT_OK;
}

static struct pat_text text_read(struct pat_reader *reader) {
    uint32_t length = length_read(reader);
    const unsigned char *bytes = pat_read_bytes(reader, length);
    return (struct pat_text){(const char *)bytes, bytes != NULL ? length : 0};
}

/* ---- columns ---------------------------------------------------------------------------------------------------- */

static uint8_t width_of(struct pat_range range, int64_t *base) {
    if (range.low > range.high) {
        *base = PAT_NULL;
        return 0;
    }
    *base = range.low;
    uint64_t span = (uint64_t)range.high - (uint64_t)range.low;
    if (span == 0 && !range.has_null) return 0;
    if (span < UINT8_MAX) return 1;
    if (span < UINT16_MAX) return 2;
    if (span < UINT32_MAX) return 4;
    *base = 0;
    return 8;
}

/* Sums wrap: bytes that passed their checksum and are nonsense all the same must not be undefined behaviour. */
#define DEFINE_WIDEN(name, type, all_ones)                                                                             \
    static void name(const unsigned char *restrict in, uint32_t rows, int64_t base, int64_t *restrict value) {         \
        for (uint32_t i = 0; i < rows; i++) {                                                                          \
            type narrow;                                                                                               \
            memcpy(&narrow, in + i * sizeof narrow, sizeof narrow);                                                    \
            value[i] = narrow == all_ones ? PAT_NULL : (int64_t)((uint64_t)base + narrow);                             \
        }                                                                                                              \
    }
DEFINE_WIDEN(widen_u8, uint8_t, UINT8_MAX)
DEFINE_WIDEN(widen_u16, uint16_t, UINT16_MAX)
DEFINE_WIDEN(widen_u32, uint32_t, UINT32_MAX)

static enum pat_status values_write(struct pat_buf *out, const struct pat_kernels *kernels, const int64_t *value,
                                    uint32_t rows, uint8_t width, int64_t base) {
    PAT_TRY(pat_buf_reserve(out, (size_t)rows * width));
    pat_lane_narrow(kernels, value, rows, width, base, out->data + out->length);
    out->length += (size_t)rows * width;
    return PAT_OK;
}

static void values_read(const unsigned char *in, uint32_t rows, uint8_t width, int64_t base, int64_t *value) {
    switch (width) {
    case 0:
        for (uint32_t i = 0; i < rows; i++) value[i] = base;
        break;
    case 1: widen_u8(in, rows, base, value); break;
    case 2: widen_u16(in, rows, base, value); break;
    case 4: widen_u32(in, rows, base, value); break;
    default: memcpy(value, in, (size_t)rows * 8);
    }
}

static enum pat_status dict_write(struct pat_buf *out, const struct pat_batch_column *column) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < column->dict_count; i++) bytes += column->dict[i].length + LENGTH_BYTES_MAX;
    PAT_TRY(pat_buf_append_u32(out, column->dict_count));
    PAT_TRY(pat_buf_reserve(out, bytes));
    for (uint32_t i = 0; i < column->dict_count; i++) text_put(out, column->dict[i]);
    return PAT_OK;
}

/* Attributes are counted on their own, so that a table with more columns of its own reads them again. */
static bool is_attribute(enum pat_table_id table, int field) {
    const int own = (int)pat_schema[table].own_columns;
    return field >= own && field < own + (int)PAT_ATTRIBUTES_MAX;
}

static enum pat_status field_write(struct pat_buf *out, enum pat_table_id table,
                                   const struct pat_batch_column *column) {
    PAT_ASSERT(column->field >= 0 && column->field <= UINT8_MAX);
    if (!is_attribute(table, column->field)) return pat_buf_append_u8(out, (uint8_t)column->field);
    const unsigned place = (unsigned)column->field - pat_schema[table].own_columns;
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)(FIELD_OF_ATTRIBUTE + place)));
    return pat_buf_append_u8(out, (uint8_t)column->type);
}

static enum pat_status column_write(struct pat_buf *out, const struct pat_kernels *kernels, enum pat_table_id table,
                                    const struct pat_batch_column *column, uint32_t rows) {
    int64_t base;
    uint8_t width = width_of(pat_lane_range(kernels, column->value, rows), &base);
    PAT_TRY(field_write(out, table, column));
    PAT_TRY(pat_buf_append_u8(out, column->decimal));
    PAT_TRY(pat_buf_append_u8(out, width));
    PAT_TRY(pat_buf_append_u64(out, (uint64_t)base));
    PAT_TRY(dict_write(out, column));
    return values_write(out, kernels, column->value, rows, width, base);
}

/* Field and type; whether an attribute is the table's is for the replay to see. */
static bool field_read(struct pat_batch_column *column, enum pat_table_id table, struct pat_reader *reader) {
    const unsigned code = pat_read_u8(reader), own = pat_schema[table].own_columns;
    const bool of_order = table == PAT_LINES && code >= PAT_LINE_OF_CUSTOMER && code < PAT_LINE_FIELDS;
    if (reader->bad) return false;
    if (code < own || of_order) {
        column->field = (int)code;
        column->type = pat_field_get(table, column->field)->type;
        return true;
    }
    column->field = (int)(own + code - FIELD_OF_ATTRIBUTE);
    column->type = (enum pat_type)pat_read_u8(reader);
    return code >= FIELD_OF_ATTRIBUTE && is_attribute(table, column->field) &&
           pat_attribute_type_name(column->type) != NULL;
}

/* Indexes stay inside the column's own dictionary, whoever reads it next. */
static bool indexes_hold(const struct pat_batch_column *column, enum pat_type type, uint32_t rows) {
    bool by_code = type == PAT_TYPE_TEXT || type == PAT_TYPE_SET;
    bool by_id = type == PAT_TYPE_ID || type == PAT_TYPE_REF;
    if (!by_code && !by_id) return true;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t value = column->value[i];
        if (value == PAT_NULL || (by_id && value >= 0)) continue;
        int64_t index = by_id ? ~value : value;
        if (index < 0 || index >= (int64_t)column->dict_count) return false;
    }
    return true;
}

static enum pat_status dict_read(struct pat_batch_column *column, struct pat_reader *reader, struct pat_arena *arena) {
    uint32_t count = pat_read_u32(reader);
    if (reader->bad || count > pat_reader_left(reader)) return PAT_ERR_CORRUPT;
    column->dict = pat_arena_array(arena, count, sizeof *column->dict);
    if (column->dict == NULL) return PAT_ERR_NO_MEMORY;
    column->dict_count = count;
    for (uint32_t i = 0; i < count; i++) column->dict[i] = text_read(reader);
    return reader->bad ? PAT_ERR_CORRUPT : PAT_OK;
}

static enum pat_status column_read(struct pat_batch_column *column, const struct pat_batch *batch,
                                   struct pat_reader *reader, struct pat_arena *arena) {
    if (!field_read(column, batch->table, reader)) return PAT_ERR_CORRUPT;
    column->decimal = pat_read_u8(reader) != 0;
    uint8_t width = pat_read_u8(reader);
    int64_t base = (int64_t)pat_read_u64(reader);
    bool known = width == 0 || width == 1 || width == 2 || width == 4 || width == 8;
    if (reader->bad || !known) return PAT_ERR_CORRUPT;
    PAT_TRY(dict_read(column, reader, arena));
    const unsigned char *in = pat_read_bytes(reader, (size_t)batch->rows * width);
    if (in == NULL) return PAT_ERR_CORRUPT;
    column->value = pat_arena_array(arena, batch->rows, sizeof *column->value);
    if (column->value == NULL) return PAT_ERR_NO_MEMORY;
    values_read(in, batch->rows, width, base, column->value);
    return indexes_hold(column, column->type, batch->rows) ? PAT_OK : PAT_ERR_CORRUPT;
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

static enum pat_status batch_write(const struct pat_batch *batch, const struct pat_kernels *kernels,
                                   struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)batch->table));
    PAT_TRY(pat_buf_append_u8(out, batch->append));
    PAT_TRY(pat_buf_append_u32(out, batch->rows));
    PAT_TRY(pat_buf_append_u32(out, batch->rows_sent));
    PAT_TRY(pat_buf_append_u32(out, batch->rejected));
    PAT_TRY(pat_buf_append_u64(out, (uint64_t)batch->now_ms));
    PAT_TRY(pat_buf_append_u64(out, batch->seq));
    PAT_TRY(pat_buf_append_u64(out, batch->digest.low));
    PAT_TRY(pat_buf_append_u64(out, batch->digest.high));
    PAT_TRY(text_write(out, batch->producer));
    PAT_TRY(text_write(out, batch->meta));
    PAT_TRY(pat_buf_append_u32(out, batch->columns));
    for (uint32_t c = 0; c < batch->columns; c++)
        PAT_TRY(column_write(out, kernels, batch->table, &batch->column[c], batch->rows));
    return pat_batch_errors_write(batch, out);
}

static enum pat_status batch_read(struct pat_batch *batch, struct pat_reader *reader, struct pat_arena *arena) {
    uint8_t table = pat_read_u8(reader);
    *batch = (struct pat_batch){.table = (enum pat_table_id)table};
    batch->append = pat_read_u8(reader) != 0;
    batch->rows = pat_read_u32(reader);
    batch->rows_sent = pat_read_u32(reader);
    batch->rejected = pat_read_u32(reader);
    batch->now_ms = (int64_t)pat_read_u64(reader);
    batch->seq = pat_read_u64(reader);
    batch->digest.low = pat_read_u64(reader);
    batch->digest.high = pat_read_u64(reader);
    batch->producer = text_read(reader);
    batch->meta = text_read(reader);
    batch->columns = pat_read_u32(reader);
    /* Columns of equal rows take no bytes by row, so rows and columns are held to their limits, not to the bytes left.
     */
    if (reader->bad || table >= PAT_TABLES || batch->rows > PAT_BATCH_ROWS_MAX ||
        batch->columns > PAT_BATCH_COLUMNS_MAX || batch->producer.length > PAT_PRODUCER_BYTES_MAX ||
        batch->meta.length > PAT_META_BYTES_MAX) {
        return PAT_ERR_CORRUPT;
    }
    batch->column = pat_arena_array(arena, batch->columns, sizeof *batch->column);
    if (batch->column == NULL) return PAT_ERR_NO_MEMORY;
    for (uint32_t c = 0; c < batch->columns; c++) PAT_TRY(column_read(&batch->column[c], batch, reader, arena));
    return pat_batch_errors_read(batch, reader, arena);
}

/* ---- maps ------------------------------------------------------------------------------------------------------- */

enum pat_status pat_codec__map_write(const struct pat_rfm_map *map, struct pat_buf *out) {
    PAT_TRY(text_write(out, pat_text_of(map->name)));
    PAT_TRY(pat_buf_append_u32(out, map->groups));
    for (unsigned g = 0; g < map->groups; g++) PAT_TRY(text_write(out, pat_text_of(map->group[g])));
    return pat_buf_append(out, map->of_cell, sizeof map->of_cell);
}

static bool name_read(char out[PAT_MAP_NAME_BYTES_MAX + 1], struct pat_reader *reader) {
    struct pat_text name = text_read(reader);
    if (reader->bad || name.length > PAT_MAP_NAME_BYTES_MAX) return false;
    memcpy(out, name.data, name.length);
    out[name.length] = '\0';
    return strlen(out) == name.length;
}

enum pat_status pat_codec__map_read(struct pat_rfm_map *map, struct pat_reader *reader) {
    *map = (struct pat_rfm_map){0};
    if (!name_read(map->name, reader)) return PAT_ERR_CORRUPT;
    map->groups = pat_read_u32(reader);
    if (reader->bad || map->groups > PAT_RFM_GROUPS_MAX) return PAT_ERR_CORRUPT;
    for (unsigned g = 0; g < map->groups; g++) {
        if (!name_read(map->group[g], reader)) return PAT_ERR_CORRUPT;
    }
    const unsigned char *cells = pat_read_bytes(reader, sizeof map->of_cell);
    if (cells == NULL) return PAT_ERR_CORRUPT;
    memcpy(map->of_cell, cells, sizeof map->of_cell);
    for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) {
        if (map->of_cell[cell] >= map->groups) return PAT_ERR_CORRUPT;
    }
    return PAT_OK;
}

/* ---- attributes ------------------------------------------------------------------------------------------------- */

static enum pat_status attribute_write(const struct pat_attribute *attribute, struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)attribute->table));
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)attribute->type));
    return text_write(out, pat_text_of(pat_attribute_word(attribute)));
}

static enum pat_status attribute_read(struct pat_attribute *attribute, struct pat_reader *reader) {
    const uint8_t table = pat_read_u8(reader), type = pat_read_u8(reader);
    const struct pat_text word = text_read(reader);
    *attribute = (struct pat_attribute){.table = (enum pat_table_id)table, .type = (enum pat_type)type};
    const bool good = !reader->bad && table < PAT_TABLES && pat_attribute_type_name(attribute->type) != NULL &&
                      pat_attribute_set_name(attribute, word);
    return good ? PAT_OK : PAT_ERR_CORRUPT;
}

/* ---- entries ---------------------------------------------------------------------------------------------------- */

enum pat_status pat_codec__entry_write(const struct pat_entry *entry, const struct pat_kernels *kernels,
                                       struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)entry->kind));
    switch (entry->kind) {
    case PAT_ENTRY_BATCH: return batch_write(entry->batch, kernels, out);
    case PAT_ENTRY_RFM_MAP: return pat_codec__map_write(entry->map, out);
    case PAT_ENTRY_ATTRIBUTE: return attribute_write(entry->attribute, out);
    case PAT_ENTRY_FIT:
    case PAT_ENTRY_FIT_USE: return pat_codec__change_write(entry, out);
    }
    return PAT_ERR_INTERNAL;
}

/* Records are padded with zeros to a multiple of eight bytes. */
static bool rest_is_padding(const struct pat_reader *reader) {
    if (pat_reader_left(reader) >= 8) return false;
    for (const unsigned char *at = reader->at; at < reader->end; at++) {
        if (*at != 0) return false;
    }
    return true;
}

enum pat_status pat_codec__entry_read(struct pat_decoded *out, struct pat_reader *reader, struct pat_arena *arena) {
    uint8_t kind = pat_read_u8(reader);
    out->entry = (struct pat_entry){.kind = (enum pat_entry_kind)kind};
    if (kind == PAT_ENTRY_BATCH) {
        out->entry.batch = &out->batch;
        PAT_TRY(batch_read(&out->batch, reader, arena));
    } else if (kind == PAT_ENTRY_RFM_MAP) {
        out->entry.map = &out->map;
        PAT_TRY(pat_codec__map_read(&out->map, reader));
    } else if (kind == PAT_ENTRY_ATTRIBUTE) {
        out->entry.attribute = &out->attribute;
        PAT_TRY(attribute_read(&out->attribute, reader));
    } else if (kind == PAT_ENTRY_FIT || kind == PAT_ENTRY_FIT_USE) {
        out->entry.fit = &out->change;
        PAT_TRY(pat_codec__change_read(out, reader));
    } else {
        return PAT_ERR_CORRUPT;
    }
    return !reader->bad && rest_is_padding(reader) ? PAT_OK : PAT_ERR_CORRUPT;
}
