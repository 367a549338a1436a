/* load.TABLE and rfm.map.save. */
#include "model/request_private.h"

#include <string.h>

static enum pat_status parse_seq(struct pat_load *load, const struct pat_params *params) {
    const struct pat_value *seq = pat_param__get(params, "seq");
    if (seq == NULL) return pat_param__missing(params, "seq", "the number of the batch, each once per producer");
    if (seq->type == PAT_VALUE_UINT) {
        load->seq = seq->as.uinteger;
        return PAT_OK;
    }
    if (seq->type != PAT_VALUE_INT || seq->as.integer < 0) {
        return pat_param__fail(params, "seq", seq, "an integer from 0 to 18446744073709551615");
    }
    load->seq = (uint64_t)seq->as.integer;
    return PAT_OK;
}

static enum pat_status parse_columns(struct pat_load *load, const struct pat_params *params) {
    const struct pat_value *columns = pat_param__get(params, "columns");
    if (columns == NULL) return pat_param__missing(params, "columns", "a map of field names to arrays of values");
    if (columns->type != PAT_VALUE_MAP || columns->count == 0 || columns->count > PAT_BATCH_COLUMNS_MAX) {
        return pat_param__fail(params, "columns", columns, "a map of 1 to %u fields and their values",
                               PAT_BATCH_COLUMNS_MAX);
    }
    load->columns = columns;
    return PAT_OK;
}

static enum pat_status parse_mode(struct pat_load *load, const struct pat_params *params) {
    static const char *const on_error_words[] = {"reject", "skip", NULL};
    static const char *const mode_words[] = {"replace", "append", NULL};
    int skip = 0, append = 0;
    PAT_TRY(pat_param__choice(params, "on_error", on_error_words, &skip));
    PAT_TRY(pat_param__choice(params, "mode", mode_words, &append));
    if (append && load->table != PAT_LINES) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "mode", "\"append\" is for load.lines only");
    }
    load->skip_bad = skip;
    load->append = append;
    return PAT_OK;
}

static enum pat_status parse_meta(struct pat_load *load, const struct pat_params *params) {
    const struct pat_value *meta = pat_param__get(params, "meta");
    if (meta == NULL) return PAT_OK;
    if ((meta->type != PAT_VALUE_TEXT && meta->type != PAT_VALUE_BIN) || meta->count > PAT_META_BYTES_MAX) {
        return pat_param__fail(params, "meta", meta, "a text or bin of at most %u bytes", PAT_META_BYTES_MAX);
    }
    load->meta =
        (struct pat_text){meta->type == PAT_VALUE_TEXT ? meta->as.text : (const char *)meta->as.bin, meta->count};
    return PAT_OK;
}

enum pat_status pat_request__load(struct pat_request *out, const struct pat_params *params) {
    struct pat_load *load = &out->load;
    load->table = (enum pat_table_id)params->info->table;
    if (pat_param__get(params, "producer") == NULL) {
        return pat_param__missing(params, "producer", "the name of whoever numbers these batches");
    }
    PAT_TRY(pat_param__name_or_number(params, "producer", PAT_PRODUCER_BYTES_MAX, &load->producer));
    PAT_TRY(parse_seq(load, params));
    PAT_TRY(parse_columns(load, params));
    PAT_TRY(parse_mode(load, params));
    PAT_TRY(parse_meta(load, params));
    int64_t errors = PAT_BATCH_ERRORS_DEFAULT;
    PAT_TRY(pat_param__integer(params, "errors", 0, PAT_BATCH_ROWS_MAX, &errors));
    load->errors_max = (uint32_t)errors;
    return PAT_OK;
}

/* ---- schema.add ------------------------------------------------------------------------------------------------- */

static enum pat_status parse_attribute_name(struct pat_attribute *attribute, const struct pat_params *params) {
    const struct pat_value *name = pat_param__get(params, "name");
    if (name == NULL) return pat_param__missing(params, "name", "what to call it, as in vip for attr.vip");
    if (name->type == PAT_VALUE_TEXT && pat_attribute_set_name(attribute, pat_value_as_text(name))) return PAT_OK;
    return pat_param__fail(params, "name", name,
                           "1 to %u lower case letters, digits and _, a letter first, without \"" PAT_ATTRIBUTE_PREFIX
                           "\"",
                           PAT_ATTRIBUTE_NAME_BYTES_MAX);
}

enum pat_status pat_request__schema_add(struct pat_request *out, const struct pat_params *params) {
    static const char *const tables[] = {"customers", "orders", "lines", "refunds", "fx", NULL};
    int table = -1, type = -1;
    PAT_TRY(pat_param__choice(params, "table", tables, &table));
    if (table < 0) return pat_param__missing(params, "table", "customers, orders, lines, refunds or fx");
    struct pat_attribute *attribute = pat_arena_alloc(params->arena, sizeof *attribute);
    if (attribute == NULL) return pat_param__no_memory(params);
    PAT_TRY(parse_attribute_name(attribute, params));
    PAT_TRY(pat_param__choice(params, "type", pat_attribute_types, &type));
    if (type < 0) return pat_param__missing(params, "type", "bool, int, decimal, money, date, time, enum or set");
    attribute->table = (enum pat_table_id)pat_table_find(pat_text_of(tables[table]));
    attribute->type = pat_attribute_type((unsigned)type);
    out->attribute = attribute;
    return PAT_OK;
}

/* ---- rfm.map.save ----------------------------------------------------------------------------------------------- */

/* 543, or "543"; -1 for anything else. */
static int cell_digits(const struct pat_value *cell) {
    if (cell->type == PAT_VALUE_INT)
        return cell->as.integer > 0 && cell->as.integer < 1000 ? (int)cell->as.integer : -1;
    if (cell->type != PAT_VALUE_TEXT || cell->count != 3) return -1;
    int digits = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (cell->as.text[i] < '0' || cell->as.text[i] > '9') return -1;
        digits = digits * 10 + (cell->as.text[i] - '0');
    }
    return digits;
}

static enum pat_status map_add_group(struct pat_rfm_map *map, const struct pat_params *params,
                                     const struct pat_member *group) {
    const struct pat_text slug = pat_arena_text(params->arena, group->key);
    if (slug.data == NULL) return pat_param__no_memory(params);
    char shown[PAT_DESCRIBE_BYTES], got[PAT_DESCRIBE_BYTES];
    (void)pat_text_printable(slug, shown, sizeof shown);
    if (strlen(slug.data) != slug.length || !pat_slug_valid(slug.data)) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "groups",
                                 "\"%s\" is no group name: lower case letters, digits and _, a letter first", shown);
    }
    const struct pat_value *list = &group->value;
    if (list->type != PAT_VALUE_ARRAY || list->count == 0 || list->count > PAT_RFM_CELLS) {
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "groups",
                                 "%s: expected an array of 1 to %u cells such as 543, got %s", shown, PAT_RFM_CELLS,
                                 pat_value__describe(list, got));
    }
    int cells[PAT_RFM_CELLS];
    for (uint32_t i = 0; i < list->count; i++) {
        cells[i] = cell_digits(&list->as.items[i]);
        if (cells[i] >= 0) continue;
        return pat_param__refuse(params, PAT_ERR_BAD_REQUEST, "groups",
                                 "%s: expected a cell of three digits 1 to 5 such as 543, got %s", shown,
                                 pat_value__describe(&list->as.items[i], got));
    }
    return pat_rfm_map_add(map, slug.data, cells, list->count, params->error);
}

enum pat_status pat_request__map_save(struct pat_request *out, const struct pat_params *params) {
    struct pat_text name = {NULL, 0};
    PAT_TRY(pat_param__name(params, "name", PAT_MAP_NAME_BYTES_MAX, &name));
    if (name.data == NULL) return pat_param__missing(params, "name", "the name of the map");
    if (!pat_slug_valid(name.data) || pat_text_is(name, pat_rfm_map_builtin()->name)) {
        return pat_param__refuse(
            params, PAT_ERR_BAD_REQUEST, "name",
            "\"%s\" cannot be used: expected lower case letters, digits and _, a letter first, and "
            "not \"%s\", which is built in",
            name.data, pat_rfm_map_builtin()->name);
    }
    const struct pat_value *groups = pat_param__get(params, "groups");
    if (groups == NULL) return pat_param__missing(params, "groups", "a map of group names to arrays of cells");
    if (groups->type != PAT_VALUE_MAP || groups->count == 0 || groups->count > PAT_RFM_GROUPS_MAX) {
        return pat_param__fail(params, "groups", groups, "a map of 1 to %u groups and their cells", PAT_RFM_GROUPS_MAX);
    }
    struct pat_rfm_map *map = pat_arena_alloc(params->arena, sizeof *map);
    if (map == NULL) return pat_param__no_memory(params);
    pat_rfm_map_begin(map, name.data);
    for (uint32_t i = 0; i < groups->count; i++) PAT_TRY(map_add_group(map, params, &groups->as.members[i]));
    PAT_TRY(pat_rfm_map_finish(map, params->error));
    out->map = map;
    return PAT_OK;
}
