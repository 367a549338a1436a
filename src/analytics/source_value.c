/* Values of sources as answers carry them: names of codes and groups, ids, money; and their order. */
#include "analytics/source_private.h"

#include "analytics/lifecycle_private.h"
#include "analytics/lifetime_private.h"
#include "model/currency.h"
#include "model/id.h"

/* ---- group names ------------------------------------------------------------------------------------------------- */

enum pat_status pat_run__group_names(const struct pat_run *run, struct pat_group_names *out) {
    *out = (struct pat_group_names){.count = 8};
    if (run->rfm->scoring == PAT_RFM_MEAN) return PAT_OK;
    out->map = pat_view_map(run->view, run->rfm->map);
    if (out->map != NULL) {
        out->count = out->map->groups;
        return PAT_OK;
    }
    const struct pat_rfm_maps *maps = run->view->maps;
    const char *names[PAT_RFM_MAPS_MAX];
    for (uint32_t i = 0; i < maps->count; i++) names[i] = maps->map[i]->name;
    const int nearest = pat_text_nearest(run->rfm->map, names, maps->count);
    char shown[PAT_ERROR_FIELD_BYTES];
    (void)pat_text_printable(run->rfm->map, shown, sizeof shown);
    return pat_error_set_at(run->error, PAT_ERR_NOT_FOUND, "map", -1, -1, "no RFM map called \"%s\"%s%s%s", shown,
                            nearest >= 0 ? ", did you mean \"" : ": rfm.map.save makes one",
                            nearest >= 0 ? names[nearest] : "", nearest >= 0 ? "\"?" : "");
}

const char *pat_group__name(const struct pat_group_names *names, uint32_t group) {
    return names->map != NULL ? names->map->group[group] : pat_rfm_mean_names[group];
}

uint32_t pat_source__codes(const struct pat_run *run, const struct pat_source *source) {
    struct pat_group_names names;
    if (source->kind == PAT_SOURCE_LIFECYCLE) return PAT_LIFECYCLES;
    if (source->kind != PAT_SOURCE_GROUP) return run->view->table[source->home].dict_count[source->column];
    return pat_run__group_names(run, &names) == PAT_OK ? names.count : 0;
}

struct pat_text pat_source__text(const struct pat_run *run, const struct pat_source *source, int64_t code) {
    struct pat_group_names names;
    if (source->kind == PAT_SOURCE_LIFECYCLE) return pat_text_of(pat_lifecycle_names[code]);
    if (source->kind != PAT_SOURCE_GROUP) return pat_view_dict_text(run->view, source->home, source->column, code);
    if (pat_run__group_names(run, &names) != PAT_OK) return (struct pat_text){"", 0};
    return pat_text_of(pat_group__name(&names, (uint32_t)code));
}

struct pat_id_key pat_id__key(const struct pat_view *view, int64_t word) {
    if (word >= 0) return (struct pat_id_key){.number = word};
    return (struct pat_id_key){.number = -1, .text = pat_heap_get(view->heap, (uint64_t)~word)};
}

int pat_id__compare(struct pat_id_key a, struct pat_id_key b) {
    if (a.number >= 0 && b.number >= 0) return (a.number > b.number) - (a.number < b.number);
    if (a.number >= 0 || b.number >= 0) return a.number >= 0 ? -1 : 1;
    return pat_text_compare(a.text, b.text);
}

int pat_source__compare(const struct pat_run *run, const struct pat_source *source, int64_t a, int64_t b) {
    switch (source->type) {
    case PAT_TYPE_ID: return a == b ? 0 : pat_id__compare(pat_id__key(run->view, a), pat_id__key(run->view, b));
    case PAT_TYPE_TEXT:
    case PAT_TYPE_SET:
        if (a == b) return 0;
        return pat_text_compare(pat_source__text(run, source, a), pat_source__text(run, source, b));
    case PAT_TYPE_DECIMAL: return pat_decimal_compare(a, b);
    default: return (a > b) - (a < b);
    }
}

struct pat_value pat_id__value(struct pat_run *run, int64_t word) {
    if (word == PAT_NULL) return pat_value_nil();
    if (word < 0) return pat_value_text(pat_heap_get(run->view->heap, (uint64_t)~word));
    char text[21];
    const size_t length = pat_id_print(word, text);
    return pat_build_text(&run->builder, (struct pat_text){text, length});
}

/* Members of a set entry, U+001F between them. */
static struct pat_value set_value(struct pat_run *run, struct pat_text entry) {
    struct pat_value list = pat_build_array(&run->builder, 4);
    while (entry.length > 0) {
        const char *end = memchr(entry.data, '\x1f', entry.length);
        const size_t length = end != NULL ? (size_t)(end - entry.data) : entry.length;
        pat_build_push(&run->builder, &list, pat_value_text((struct pat_text){entry.data, length}));
        if (end == NULL) break;
        entry = (struct pat_text){end + 1, entry.length - length - 1};
    }
    return list;
}

unsigned pat_row__digits(const struct pat_view *view, enum pat_table_id table, pat_row row) {
    static const unsigned column[PAT_TABLES] = {[PAT_ORDERS] = PAT_ORDER_CURRENCY,
                                                [PAT_LINES] = PAT_LINE_ORDER,
                                                [PAT_REFUNDS] = PAT_REFUND_CURRENCY,
                                                [PAT_FX] = PAT_FX_CURRENCY};
    PAT_ASSERT(table != PAT_CUSTOMERS);
    if (table == PAT_LINES) {
        return pat_row__digits(view, PAT_ORDERS, (pat_row)pat_view_get(view, PAT_LINES, PAT_LINE_ORDER, row));
    }
    const int64_t code = pat_view_get(view, table, column[table], row);
    const int currency =
        code == PAT_NULL ? -1 : pat_currency_find(pat_view_dict_text(view, table, column[table], code));
    return currency < 0 ? 2 : pat_currencies[currency].digits;
}

static struct pat_value money_value(struct pat_run *run, const struct pat_source *source, pat_row row, int64_t value) {
    if (source->base || source->minor) return pat_value_int(value);
    char text[24];
    pat_minor_print(value, pat_row__digits(run->view, source->table, row), text);
    return pat_build_text(&run->builder, pat_text_of(text));
}

struct pat_value pat_source__value(struct pat_run *run, const struct pat_source *source, pat_row row, int64_t value) {
    if (value == PAT_NULL) return pat_value_nil();
    switch (source->type) {
    case PAT_TYPE_ID:
    case PAT_TYPE_REF: return pat_id__value(run, value);
    case PAT_TYPE_TEXT: return pat_value_text(pat_source__text(run, source, value));
    case PAT_TYPE_SET: return set_value(run, pat_source__text(run, source, value));
    case PAT_TYPE_BOOL: return pat_value_bool(value == 1);
    case PAT_TYPE_MONEY: return money_value(run, source, row, value);
    case PAT_TYPE_DAY: return pat_build_day(&run->builder, value);
    case PAT_TYPE_TIME: return pat_run__time(run, value);
    case PAT_TYPE_DECIMAL: {
        char text[24];
        pat_decimal_print(value, text);
        return pat_build_text(&run->builder, pat_text_of(text));
    }
    case PAT_TYPE_NUMBER: return pat_value_real((double)value / PAT_NUMBER_UNIT);
    case PAT_TYPE_INT: break;
    }
    return pat_value_int(value);
}
