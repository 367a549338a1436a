#include "dump.h"

#include "offline.h"

#include "base/mem.h"
#include "model/date.h"
#include "model/decimal.h"
#include "model/id.h"
#include "model/schema.h"
#include "proto/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Between the members of a set; see PAT_TYPE_SET. */
#define SET_SEPARATOR '\x1f'

/* ---- names of attributes ---------------------------------------------------------------------------------------- */

static void names_take(struct pat_dump *dump, const struct pat_value *schema) {
    struct pat_builder builder = {.arena = &dump->arena};
    const struct pat_value *tables = pat_value_get(schema, "tables");
    for (int t = 0; tables != NULL && t < PAT_TABLES; t++) {
        const struct pat_value *table = pat_value_get(tables, pat_schema[t].name);
        const struct pat_value *fields = table != NULL ? pat_value_get(table, "fields") : NULL;
        dump->names[t] = pat_build_array(&builder, 4);
        for (uint32_t i = 0; fields != NULL && i < fields->count; i++) {
            const struct pat_value *field = &fields->as.items[i];
            if (pat_value_get(field, "attribute") == NULL) continue;
            pat_build_push(&builder, &dump->names[t], *pat_value_get(field, "name"));
        }
    }
}

/* Where the directory cannot be recovered, attributes go by number. */
static void names_find(struct pat_dump *dump, const char *path) {
    struct pat_engine *engine = NULL;
    struct pat_value schema;
    if (pat_offline_open(&engine, path, NULL) != PAT_OK) return;
    if (pat_offline_ask(engine, "schema", NULL, &dump->arena, &schema, NULL) == PAT_OK) names_take(dump, &schema);
    pat_offline_close(&engine);
}

void pat_dump_init(struct pat_dump *dump, const char *path, bool rows) {
    *dump = (struct pat_dump){.rows = rows};
    pat_arena_init(&dump->arena, 0);
    pat_buf_init(&dump->line, PAT_MEM_OTHER);
    if (rows) names_find(dump, path);
}

void pat_dump_deinit(struct pat_dump *dump) {
    pat_buf_deinit(&dump->line);
    pat_arena_deinit(&dump->arena);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static struct pat_value id_value(struct pat_builder *builder, const struct pat_batch_column *column, int64_t word) {
    if (word >= 0) return pat_build_printf(builder, "%" PRId64, word);
    const int64_t place = ~word;
    return place < column->dict_count ? pat_value_text(column->dict[place]) : pat_value_nil();
}

static struct pat_value set_value(struct pat_builder *builder, struct pat_text members) {
    struct pat_value array = pat_build_array(builder, 4);
    while (members.length > 0) {
        const char *end = memchr(members.data, SET_SEPARATOR, members.length);
        const size_t length = end != NULL ? (size_t)(end - members.data) : members.length;
        pat_build_push(builder, &array, pat_value_text((struct pat_text){members.data, length}));
        if (end == NULL) break;
        members = (struct pat_text){end + 1, members.length - length - 1};
    }
    return array;
}

static struct pat_value decimal_value(struct pat_builder *builder, pat_decimal value) {
    char text[24];
    pat_decimal_print(value, text);
    return pat_build_printf(builder, "%s", text);
}

static struct pat_value time_value(struct pat_builder *builder, int64_t seconds) {
    char text[26];
    pat_stamp_print(seconds, 0, text);
    return pat_build_printf(builder, "%s", text);
}

static struct pat_value cell_value(struct pat_builder *builder, const struct pat_batch_column *column, uint32_t row) {
    const int64_t value = column->value[row];
    if (value == PAT_NULL) return pat_value_nil();
    const bool in_dict = value >= 0 && value < column->dict_count;
    switch (column->type) {
    case PAT_TYPE_ID:
    case PAT_TYPE_REF: return id_value(builder, column, value);
    case PAT_TYPE_TEXT: return in_dict ? pat_value_text(column->dict[value]) : pat_value_nil();
    case PAT_TYPE_SET: return in_dict ? set_value(builder, column->dict[value]) : pat_value_nil();
    case PAT_TYPE_BOOL: return pat_value_bool(value != 0);
    case PAT_TYPE_DECIMAL: return decimal_value(builder, value);
    case PAT_TYPE_MONEY: return column->decimal ? decimal_value(builder, value) : pat_value_int(value);
    case PAT_TYPE_DAY: return pat_build_day(builder, value);
    case PAT_TYPE_TIME: return time_value(builder, value);
    case PAT_TYPE_INT:
    case PAT_TYPE_NUMBER: break;
    }
    return pat_value_int(value);
}

/* "amount_minor" of money that is in minor units. */
static struct pat_text column_name(const struct pat_dump *dump, struct pat_builder *builder, enum pat_table_id table,
                                   const struct pat_batch_column *column) {
    const int own = (int)pat_schema[table].own_columns;
    const bool attribute = column->field >= own && column->field < PAT_LINE_OF_CUSTOMER;
    const uint32_t place = attribute ? (uint32_t)(column->field - own) : 0;
    const char *unit = column->type == PAT_TYPE_MONEY && !column->decimal ? "_minor" : "";
    struct pat_text name;
    if (attribute && place < dump->names[table].count) {
        name = pat_value_as_text(&dump->names[table].as.items[place]);
    } else if (attribute) {
        name = pat_arena_printf(builder->arena, PAT_ATTRIBUTE_PREFIX "#%" PRIu32, place);
    } else {
        name = pat_text_of(pat_field_get(table, column->field)->name);
    }
    return pat_arena_printf(builder->arena, "%.*s%s", (int)name.length, name.data, unit);
}

static struct pat_value rows_value(const struct pat_dump *dump, struct pat_builder *builder,
                                   const struct pat_batch *batch) {
    struct pat_value rows = pat_build_array(builder, batch->rows);
    struct pat_text *name = pat_arena_array(builder->arena, batch->columns, sizeof *name);
    builder->failed |= name == NULL;
    for (uint32_t c = 0; name != NULL && c < batch->columns; c++) {
        name[c] = column_name(dump, builder, batch->table, &batch->column[c]);
    }
    for (uint32_t row = 0; name != NULL && row < batch->rows; row++) {
        struct pat_value map = pat_build_map(builder, batch->columns);
        for (uint32_t c = 0; c < batch->columns; c++) {
            pat_build_put_text_key(builder, &map, name[c], cell_value(builder, &batch->column[c], row));
        }
        pat_build_push(builder, &rows, map);
    }
    return rows;
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

static void put_batch(const struct pat_dump *dump, struct pat_builder *builder, struct pat_value *map,
                      const struct pat_batch *batch) {
    pat_build_put(builder, map, "table", pat_value_string(pat_schema[batch->table].name));
    pat_build_put(builder, map, "producer", pat_value_text(batch->producer));
    pat_build_put(builder, map, "seq", pat_value_uint(batch->seq));
    pat_build_put(builder, map, "rows", pat_value_uint(batch->rows_sent));
    pat_build_put(builder, map, "rejected", pat_value_uint(batch->rejected));
    pat_build_put(builder, map, "accepted", time_value(builder, batch->now_ms / 1000));
    if (batch->append) pat_build_put(builder, map, "mode", pat_value_string("append"));
    if (!dump->rows) return;
    struct pat_value meta = pat_value_text(batch->meta);
    if (!pat_text_utf8_valid(batch->meta, NULL)) meta.type = PAT_VALUE_BIN;
    if (batch->meta.length > 0) pat_build_put(builder, map, "meta", meta);
    pat_build_put(builder, map, "data", rows_value(dump, builder, batch));
}

static void put_entry(const struct pat_dump *dump, struct pat_builder *builder, struct pat_value *map,
                      const struct pat_entry *entry) {
    static const char *const kinds[] = {[PAT_ENTRY_BATCH] = "batch",
                                        [PAT_ENTRY_RFM_MAP] = "rfm_map",
                                        [PAT_ENTRY_ATTRIBUTE] = "attribute",
                                        [PAT_ENTRY_FIT] = "fit",
                                        [PAT_ENTRY_FIT_USE] = "fit_use"};
    pat_build_put(builder, map, "kind", pat_value_string(kinds[entry->kind]));
    if (entry->kind == PAT_ENTRY_BATCH) put_batch(dump, builder, map, entry->batch);
    if (entry->kind == PAT_ENTRY_RFM_MAP) pat_build_put(builder, map, "name", pat_value_string(entry->map->name));
    if (entry->kind == PAT_ENTRY_ATTRIBUTE) {
        pat_build_put(builder, map, "table", pat_value_string(pat_schema[entry->attribute->table].name));
        pat_build_put(builder, map, "name", pat_value_string(entry->attribute->name));
    }
    if (entry->kind == PAT_ENTRY_FIT) pat_build_put(builder, map, "name", pat_value_string(entry->fit->fit->name));
    if (entry->kind == PAT_ENTRY_FIT_USE) pat_build_put(builder, map, "name", pat_value_text(entry->fit->name));
}

static enum pat_status line_print(struct pat_dump *dump, const struct pat_value *map) {
    pat_buf_clear(&dump->line);
    PAT_TRY(pat_json_print(&dump->line, map, false));
    PAT_TRY(pat_buf_append_u8(&dump->line, '\n'));
    (void)fwrite(dump->line.data, 1, dump->line.length, stdout);
    return PAT_OK;
}

enum pat_status pat_dump_record(void *context, const struct pat_inspected_record *record, struct pat_error *error) {
    struct pat_dump *dump = context;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value map = pat_build_map(&builder, 16);
    pat_build_put(&builder, &map, "file", pat_value_string(record->file));
    pat_build_put(&builder, &map, "offset", pat_value_uint(record->offset));
    pat_build_put(&builder, &map, "bytes", pat_value_uint(record->bytes));
    pat_build_put(&builder, &map, "lsn", pat_value_uint(record->entry->lsn));
    put_entry(dump, &builder, &map, record->entry);
    enum pat_status status = builder.failed ? PAT_ERR_NO_MEMORY : line_print(dump, &map);
    if (status != PAT_OK) {
        status = pat_error_set(error, status, "%s: record at offset %" PRIu64 " cannot be printed", record->file,
                               record->offset);
    }
    pat_arena_deinit(&arena);
    return status;
}
