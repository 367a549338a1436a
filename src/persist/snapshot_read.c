/* What a snapshot holds, brought into a store. */
#include "persist/snapshot_private.h"

#include "base/mem.h"
#include "base/size.h"
#include "model/schema.h"
#include "persist/blocks_private.h"
#include "persist/bytes_private.h"
#include "persist/codec_private.h"

#include <inttypes.h>
#include <string.h>

/* ---- sections --------------------------------------------------------------------------------------------------- */

struct load {
    const struct pat_settings *settings;
    const struct pat_generation_entry *entry;
    struct pat_store *store;
    unsigned char *scratch; /* one chunk or heap segment */
    size_t scratch_bytes;
    struct pat_totals totals; /* as the footer has them */
};

static enum pat_status get_settings(struct pat_blocks *s, struct load *load) {
    struct pat_settings settings;
    pat_lsn lsn;
    PAT_TRY(pat_blocks__section_begin(s, PAT_SECTION_SETTINGS));
    PAT_TRY(pat_blocks__get(s, settings.zone, sizeof settings.zone));
    PAT_TRY(pat_blocks__get(s, settings.base_currency, sizeof settings.base_currency));
    PAT_TRY(pat_blocks__get(s, &lsn, sizeof lsn));
    if (memcmp(settings.zone, load->settings->zone, sizeof settings.zone) != 0 ||
        memcmp(settings.base_currency, load->settings->base_currency, sizeof settings.base_currency) != 0 ||
        lsn != load->entry->lsn) {
        return pat_blocks__fail(s, pat_blocks__offset(s), "belongs to a directory with other settings");
    }
    load->store->lsn = lsn;
    return PAT_OK;
}

static enum pat_status get_heap(struct pat_blocks *s, struct load *load) {
    const uint64_t segment_bytes = (uint64_t)1 << PAT_HEAP_SEGMENT_SHIFT;
    uint64_t end;
    PAT_TRY(pat_blocks__section_begin(s, PAT_SECTION_HEAP));
    PAT_TRY(pat_blocks__get(s, &end, sizeof end));
    if (end > pat_blocks__left(s) || end > PAT_HEAP_SEGMENTS_MAX * segment_bytes) return pat_blocks__senseless(s);
    for (uint64_t at = 0; at < end; at += segment_bytes) {
        uint32_t here = end - at < segment_bytes ? (uint32_t)(end - at) : (uint32_t)segment_bytes;
        PAT_TRY(pat_blocks__get(s, load->scratch, here));
        pat_heap_restore(&load->store->heap, load->scratch, here);
    }
    return PAT_OK;
}

/* What a TABLE section begins with. */
struct table_head {
    uint32_t id, rows, own_columns, attributes, shift, dicts;
};

static enum pat_status get_attribute(struct pat_blocks *s, struct load *load, enum pat_table_id id) {
    struct pat_attribute attribute = {.table = id};
    uint8_t type, length;
    char word[UINT8_MAX];
    bool known;
    PAT_TRY(pat_blocks__get(s, &type, sizeof type));
    PAT_TRY(pat_blocks__get(s, &length, sizeof length));
    PAT_TRY(pat_blocks__get(s, word, length));
    attribute.type = (enum pat_type)type;
    if (pat_attribute_type_name(attribute.type) == NULL ||
        !pat_attribute_set_name(&attribute, (struct pat_text){word, length}) ||
        pat_store_judge_attribute(load->store, &attribute, &known, NULL) != PAT_OK || known) {
        return pat_blocks__senseless(s);
    }
    pat_store_add_attribute(load->store, &attribute);
    return PAT_OK;
}

static enum pat_status get_dict(struct pat_blocks *s, struct load *load, const struct table_head *head,
                                struct pat_table *table) {
    uint32_t column, count;
    PAT_TRY(pat_blocks__get(s, &column, sizeof column));
    PAT_TRY(pat_blocks__get(s, &count, sizeof count));
    /* A table may have got columns of its own since. */
    if (column >= head->own_columns + head->attributes) return pat_blocks__senseless(s);
    if (column >= head->own_columns) column += table->schema->own_columns - head->own_columns;
    if (table->dict[column] == NULL || table->dict[column]->count != 0 ||
        (unsigned)table->schema->field[column].dict_as != column || count > pat_blocks__left(s) / sizeof(uint64_t)) {
        return pat_blocks__senseless(s);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t place;
        PAT_TRY(pat_blocks__get(s, &place, sizeof place));
        if (!pat_heap_holds(&load->store->heap, place)) return pat_blocks__senseless(s);
        pat_dict_restore(table->dict[column], place);
    }
    return PAT_OK;
}

/* base + value cannot overflow, whatever is there. */
static bool chunk_is_safe(uint8_t width, int64_t base) {
    return width == 0 || width == 8 || width == PAT_WIDTH_PACKED || base <= INT64_MAX - (int64_t)UINT32_MAX;
}

/* The same for the values that are there. */
static bool chunk_holds(uint8_t width, int64_t base, uint32_t rows, const unsigned char *data) {
    if (chunk_is_safe(width, base)) return true;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t value = 0, all_ones = UINT64_MAX >> (64 - 8 * width);
        memcpy(&value, data + (size_t)i * width, width);
        if (value != all_ones && value > (uint64_t)(INT64_MAX - base)) return false;
    }
    return true;
}

static enum pat_status get_chunk(struct pat_blocks *s, struct load *load, struct pat_column *column, uint32_t rows) {
    uint8_t width;
    int64_t base;
    PAT_TRY(pat_blocks__get(s, &width, sizeof width));
    PAT_TRY(pat_blocks__get(s, &base, sizeof base));
    if (width > PAT_WIDTH_PACKED || (width & (width - 1)) != 0) return pat_blocks__senseless(s);
    const size_t bytes = pat_chunk_bytes(width, base, rows);
    if ((bytes > load->scratch_bytes && width != PAT_WIDTH_PACKED) || bytes > pat_blocks__left(s))
        return pat_blocks__senseless(s);
    if (chunk_is_safe(width, base)) {
        unsigned char *data = pat_column_restore_open(column, width, base, rows);
        return data != NULL ? pat_blocks__get_later(s, data, bytes) : pat_blocks__senseless(s);
    }
    PAT_TRY(pat_blocks__get(s, load->scratch, bytes));
    if (!chunk_holds(width, base, rows, load->scratch)) return pat_blocks__senseless(s);
    return pat_column_restore(column, width, base, rows, load->scratch) ? PAT_OK : pat_blocks__senseless(s);
}

/* `stored`: false for a column that was added after the snapshot was written; it is null everywhere. */
static enum pat_status get_column(struct pat_blocks *s, struct load *load, struct pat_column *column, pat_row rows,
                                  bool stored) {
    uint32_t chunk_rows = 1u << column->shift;
    for (uint64_t first = 0; first < rows; first += chunk_rows) {
        uint32_t here = rows - first < chunk_rows ? (uint32_t)(rows - first) : chunk_rows;
        if (stored) {
            PAT_TRY(get_chunk(s, load, column, here));
        } else if (!pat_column_restore(column, 0, PAT_NULL, here, NULL)) {
            return pat_blocks__senseless(s);
        }
    }
    return PAT_OK;
}

static enum pat_status get_table(struct pat_blocks *s, struct load *load, uint32_t id) {
    struct pat_table *table = &load->store->table[id];
    struct table_head head;
    PAT_TRY(pat_blocks__section_begin(s, PAT_SECTION_TABLE));
    PAT_TRY(pat_blocks__get(s, &head, sizeof head));
    if (head.id != id || head.own_columns > table->schema->own_columns || head.attributes > PAT_ATTRIBUTES_MAX) {
        return pat_blocks__senseless(s);
    }
    const uint32_t columns = head.own_columns + head.attributes;
    if (head.shift != table->column[0].shift)
        return pat_blocks__fail(s, pat_blocks__offset(s), "was written with chunks of another size");
    /* Nine bytes for each chunk of each column are the least. */
    uint64_t chunks = (((uint64_t)head.rows + (1u << head.shift) - 1) >> head.shift) * columns;
    if (head.rows > PAT_TABLE_ROWS_MAX || chunks > pat_blocks__left(s) / 9 ||
        (head.rows > 0 && head.own_columns == 0) || head.dicts > columns) {
        return pat_blocks__senseless(s);
    }
    for (uint32_t i = 0; i < head.attributes; i++) PAT_TRY(get_attribute(s, load, (enum pat_table_id)id));
    for (uint32_t i = 0; i < head.dicts; i++) PAT_TRY(get_dict(s, load, &head, table));
    for (unsigned c = 0; c < table->schema->columns; c++) {
        const bool stored = c < head.own_columns || c >= table->schema->own_columns;
        PAT_TRY(get_column(s, load, &table->column[c], head.rows, stored));
    }
    table->rows = head.rows;
    return PAT_OK;
}

/* `bytes` of the section in one block of memory that the caller frees. */
static enum pat_status get_run(struct pat_blocks *s, uint64_t bytes, unsigned char **out) {
    if (bytes > pat_blocks__left(s)) return pat_blocks__senseless(s);
    *out = pat_mem_alloc(PAT_MEM_SNAPSHOT, (size_t)bytes);
    if (*out == NULL)
        return pat_error_set(s->error, PAT_ERR_NO_MEMORY, "%s: no memory to read %" PRIu64 " bytes", s->name, bytes);
    enum pat_status status = pat_blocks__get(s, *out, (size_t)bytes);
    if (status != PAT_OK) pat_mem_free(PAT_MEM_SNAPSHOT, *out);
    return status;
}

static enum pat_status get_producers(struct pat_blocks *s, struct load *load) {
    uint64_t bytes;
    unsigned char *run;
    PAT_TRY(pat_blocks__section_begin(s, PAT_SECTION_PRODUCERS));
    PAT_TRY(pat_blocks__get(s, &bytes, sizeof bytes));
    PAT_TRY(get_run(s, bytes, &run));
    struct pat_reader reader = {.at = run, .end = run + bytes};
    enum pat_status status = pat_producers_read(&load->store->producers, &reader);
    if (status == PAT_ERR_CORRUPT || (status == PAT_OK && pat_reader_left(&reader) != 0))
        status = pat_blocks__senseless(s);
    pat_mem_free(PAT_MEM_SNAPSHOT, run);
    return status;
}

static enum pat_status get_map(struct pat_blocks *s, struct load *load) {
    uint32_t bytes;
    unsigned char *run;
    PAT_TRY(pat_blocks__get(s, &bytes, sizeof bytes));
    PAT_TRY(get_run(s, bytes, &run));
    struct pat_rfm_map map;
    struct pat_reader reader = {.at = run, .end = run + bytes};
    enum pat_status status = pat_codec__map_read(&map, &reader);
    pat_mem_free(PAT_MEM_SNAPSHOT, run);
    if (status != PAT_OK || pat_store_save_map(load->store, &map, NULL) != PAT_OK) return pat_blocks__senseless(s);
    return PAT_OK;
}

static enum pat_status get_maps(struct pat_blocks *s, struct load *load) {
    uint32_t count;
    PAT_TRY(pat_blocks__section_begin(s, PAT_SECTION_MAPS));
    PAT_TRY(pat_blocks__get(s, &count, sizeof count));
    if (count > PAT_RFM_MAPS_MAX) return pat_blocks__senseless(s);
    for (uint32_t i = 0; i < count; i++) PAT_TRY(get_map(s, load));
    return PAT_OK;
}

/* A fit, or without one the terms. */
static enum pat_status get_coded(struct pat_blocks *s, struct pat_clv_fit *fit, struct pat_clv_use *use) {
    uint32_t bytes;
    unsigned char *run;
    PAT_TRY(pat_blocks__get(s, &bytes, sizeof bytes));
    PAT_TRY(get_run(s, bytes, &run));
    struct pat_reader reader = {.at = run, .end = run + bytes};
    enum pat_status status = fit != NULL ? pat_codec__fit_read(fit, &reader) : pat_codec__use_read(use, &reader);
    if (status == PAT_OK && pat_reader_left(&reader) != 0) status = PAT_ERR_CORRUPT;
    pat_mem_free(PAT_MEM_SNAPSHOT, run);
    return status == PAT_OK ? PAT_OK : pat_blocks__senseless(s);
}

static enum pat_status get_fits(struct pat_blocks *s, struct load *load) {
    struct pat_clv_fit fit;
    struct pat_clv_use use;
    uint32_t count;
    uint8_t used;
    PAT_TRY(pat_blocks__get(s, &count, sizeof count));
    if (count > PAT_FITS_MAX) return pat_blocks__senseless(s);
    for (uint32_t i = 0; i < count; i++) {
        PAT_TRY(get_coded(s, &fit, NULL));
        if (pat_store_save_fit(load->store, &fit, PAT_CLV_ADOPT_NO, NULL) != PAT_OK) return pat_blocks__senseless(s);
    }
    PAT_TRY(pat_blocks__get(s, &used, sizeof used));
    if (used > 1) return pat_blocks__senseless(s);
    if (used != 0) PAT_TRY(get_coded(s, &fit, NULL));
    PAT_TRY(get_coded(s, NULL, &use));
    pat_store_restore_use(load->store, used != 0 ? &fit : NULL, &use);
    return PAT_OK;
}

/* The section that has just begun. */
static enum pat_status get_footer(struct pat_blocks *s, struct load *load) {
    if (s->section != PAT_SECTION_FOOTER)
        return pat_blocks__fail(s, pat_blocks__offset(s), "belongs to another section");
    const unsigned char *payload = s->block + PAT_BLOCK_HEADER_BYTES;
    struct pat_reader reader = {.at = payload, .end = payload + s->length};
    load->totals = pat_manifest__totals_read(&reader);
    s->used = s->length;
    return reader.bad || pat_reader_left(&reader) != 0 ? pat_blocks__senseless(s) : PAT_OK;
}

static enum pat_status get_all(struct pat_blocks *s, struct load *load) {
    PAT_TRY(get_settings(s, load));
    PAT_TRY(get_heap(s, load));
    for (uint32_t t = 0; t < PAT_TABLES; t++) PAT_TRY(get_table(s, load, t));
    PAT_TRY(get_producers(s, load));
    PAT_TRY(get_maps(s, load));
    PAT_TRY(pat_blocks__section_next(s));
    if (s->section == PAT_SECTION_FITS) {
        PAT_TRY(get_fits(s, load));
        PAT_TRY(pat_blocks__section_next(s));
    }
    return get_footer(s, load);
}

struct closing {
    struct pat_table *table;
    bool senseless; /* atomic */
};

static void close_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    struct closing *closing = context;
    for (unsigned c = 0; c < closing->table->schema->columns; c++) {
        if (pat_column_restore_close(&closing->table->column[c], part)) continue;
        __atomic_store_n(&closing->senseless, true, __ATOMIC_RELAXED);
    }
}

/* When all data is where it belongs. */
static enum pat_status close_chunks(struct pat_blocks *s, struct load *load) {
    pat_blocks__copy(s);
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        struct closing closing = {.table = &load->store->table[t]};
        const uint64_t rows = closing.table->rows, chunk_rows = (uint64_t)1 << closing.table->column[0].shift;
        pat_spread_run(s->spread, close_part, &closing, (uint32_t)((rows + chunk_rows - 1) / chunk_rows));
        if (closing.senseless) return pat_blocks__senseless(s);
    }
    return PAT_OK;
}

static enum pat_status load_sections(struct pat_blocks *s, void *context) {
    struct load *load = context;
    size_t chunk_bytes = 0;
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        size_t bytes = (size_t)8 << load->store->table[t].column[0].shift;
        if (bytes > chunk_bytes) chunk_bytes = bytes;
    }
    size_t segment_bytes = (size_t)1 << PAT_HEAP_SEGMENT_SHIFT;
    load->scratch_bytes = chunk_bytes > segment_bytes ? chunk_bytes : segment_bytes;
    load->scratch = pat_mem_alloc(PAT_MEM_SNAPSHOT, load->scratch_bytes);
    if (load->scratch == NULL) return pat_error_set(s->error, PAT_ERR_NO_MEMORY, "%s: no memory to read it", s->name);
    pat_mem_expect((size_t)s->size); /* chunks lie in memory as they do in the file */
    enum pat_status status = get_all(s, load);
    pat_mem_free(PAT_MEM_SNAPSHOT, load->scratch);
    return status == PAT_OK ? close_chunks(s, load) : status;
}

/* What was loaded must sum up to what footer and manifest say. */
static enum pat_status totals_check(const struct load *load, const struct pat_spread *spread, const char *name,
                                    struct pat_error *error) {
    struct pat_totals totals = pat_snapshot__totals_of_store(load->store, spread);
    if (pat_manifest__totals_equal(&totals, &load->totals) &&
        pat_manifest__totals_equal(&totals, &load->entry->totals)) {
        return PAT_OK;
    }
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        if (totals.rows[t] == load->entry->totals.rows[t] && totals.money[t] == load->entry->totals.money[t]) continue;
        return pat_error_set_at(error, PAT_ERR_CORRUPT, name, -1, -1,
                                "%s: control totals differ: %s has %" PRIu64 " rows and money %" PRIu64
                                ", the manifest says %" PRIu64 " and %" PRIu64,
                                name, pat_schema[t].name, totals.rows[t], totals.money[t], load->entry->totals.rows[t],
                                load->entry->totals.money[t]);
    }
    return pat_error_set_at(
        error, PAT_ERR_CORRUPT, name, -1, -1,
        "%s: control totals differ: what was read counts %" PRIu64 " customers, %" PRIu64 " orders, %" PRIu64
        " lines, %" PRIu64 " refunds; the manifest says %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
        name, totals.counts.customers, totals.counts.orders, totals.counts.lines, totals.counts.refunds,
        load->entry->totals.counts.customers, load->entry->totals.counts.orders, load->entry->totals.counts.lines,
        load->entry->totals.counts.refunds);
}

enum pat_status pat_snapshot__load(struct pat_fs *fs, const struct pat_settings *settings,
                                   const struct pat_generation_entry *entry, struct pat_store *store,
                                   const struct pat_spread *spread, struct pat_error *error) {
    struct pat_blocks source = {.fs = fs, .spread = spread, .error = error};
    struct load load = {.settings = settings, .entry = entry, .store = store};
    PAT_TRY(pat_blocks__with(&source, entry, &load, load_sections));
    struct pat_error why = {0};
    enum pat_status status = pat_store_rebuild_begin(store, spread, &why);
    if (status != PAT_OK) {
        return pat_error_set_at(error, status, source.name, -1, -1, "%s: %s", source.name, why.message);
    }
    return totals_check(&load, spread, source.name, error);
}
