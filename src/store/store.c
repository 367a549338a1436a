#include "store/store.h"

#include "base/mem.h"
#include "model/currency.h"
#include "model/id.h"
#include "store/store_private.h"

#include <string.h>

/* 64 Ki rows: unpacking runs long enough for SIMD, and copying one chunk for a view costs at most 512 KiB. */
#define FACT_CHUNK_SHIFT 16u
/* Customers' aggregates change all over the table, so their chunks are smaller: less is copied for each version. */
#define CUSTOMER_CHUNK_SHIFT 12u

static const enum pat_mem_purpose table_purpose[PAT_TABLES] = {
    [PAT_CUSTOMERS] = PAT_MEM_CUSTOMERS, [PAT_ORDERS] = PAT_MEM_ORDERS, [PAT_LINES] = PAT_MEM_LINES,
    [PAT_REFUNDS] = PAT_MEM_REFUNDS,     [PAT_FX] = PAT_MEM_FX,
};

void pat_store__column_init(struct pat_store *store, enum pat_table_id id, unsigned c) {
    struct pat_table *table = &store->table[id];
    const struct pat_field *field = &table->schema->field[c];
    uint8_t shift = id == PAT_CUSTOMERS ? CUSTOMER_CHUNK_SHIFT : FACT_CHUNK_SHIFT;
    pat_column_init(&table->column[c], &store->pins, shift, table_purpose[id]);
    if (field->type != PAT_TYPE_TEXT && field->type != PAT_TYPE_SET) return;
    unsigned home = (unsigned)field->dict_as;
    if (table->dict[home] == NULL) {
        table->dict[home] = pat_mem_alloc_must(PAT_MEM_TEXT, sizeof *table->dict[home]);
        pat_dict_init(table->dict[home], &store->heap, &store->secret);
    }
    table->dict[c] = table->dict[home];
}

static void table_open(struct pat_store *store, enum pat_table_id id) {
    struct pat_table *table = &store->table[id];
    table->id = id;
    table->schema = &pat_schema[id];
    for (unsigned c = 0; c < table->schema->columns; c++) pat_store__column_init(store, id, c);
    pat_index_init(&table->index);
    pat_spans_init(&table->spans);
}

static void table_close(struct pat_table *table) {
    for (unsigned c = 0; c < table->schema->columns; c++) {
        pat_column_deinit(&table->column[c]);
        if (table->dict[c] == NULL || (unsigned)table->schema->field[c].dict_as != c) continue;
        pat_dict_deinit(table->dict[c]);
        pat_mem_free(PAT_MEM_TEXT, table->dict[c]);
    }
    pat_store__free_schemas(table);
    pat_table_forget_ids(table);
}

static void content_init(struct pat_store *store) {
    const struct pat_kernels *kernels = store->pins.kernels;
    pat_pins_init(&store->pins);
    store->pins.kernels = kernels;
    pat_heap_init(&store->heap);
    for (int id = 0; id < PAT_TABLES; id++) table_open(store, (enum pat_table_id)id);
    pat_rates_init(&store->rates);
    pat_producers_init(&store->producers, &store->secret);
    store->counts.newest_fact = PAT_DAY_NONE;
    pat_day_counts_init(&store->fact_days);
    pat_column_init(&store->marks.changed, &store->pins, CUSTOMER_CHUNK_SHIFT, PAT_MEM_RUNS);
    store->maps = pat_mem_alloc_must(PAT_MEM_OTHER, sizeof *store->maps);
    store->maps->map[store->maps->count++] = pat_rfm_map_builtin();
    store->fits = pat_mem_alloc_must(PAT_MEM_OTHER, sizeof *store->fits);
    store->fits->use = PAT_CLV_USE_DEFAULT;
}

enum pat_status pat_store_open(struct pat_store **out, const struct pat_store_options *options,
                               struct pat_error *error) {
    int base = pat_currency_find(pat_text_of(options->base_currency));
    if (base < 0) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "base currency \"%s\" is not an ISO 4217 code such as USD or EUR", options->base_currency);
    }
    struct pat_store *store = pat_mem_alloc(PAT_MEM_OTHER, sizeof *store);
    if (store == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the store");
    pat_hash_secret_init(&store->secret, options->entropy, options->entropy_bytes);
    store->zone = options->zone;
    memcpy(store->base_currency, pat_currencies[base].code, sizeof store->base_currency);
    store->base_digits = pat_currencies[base].digits;
    store->pins.kernels = options->kernels;
    content_init(store);
    *out = store;
    return PAT_OK;
}

static void content_deinit(struct pat_store *store) {
    for (int id = 0; id < PAT_TABLES; id++) table_close(&store->table[id]);
    pat_rates_deinit(&store->rates);
    pat_producers_deinit(&store->producers);
    pat_day_counts_deinit(&store->fact_days);
    for (uint32_t i = 1; i < store->maps->count; i++)
        pat_mem_free(PAT_MEM_OTHER, (void *)(uintptr_t)store->maps->map[i]);
    pat_mem_free(PAT_MEM_OTHER, store->maps);
    pat_store__free_fits(store);
    pat_store__free_runs(store);
    pat_store__free_cold(store);
    pat_pins_deinit(&store->pins);
    pat_heap_deinit(&store->heap);
    pat_mem_free(PAT_MEM_OTHER, store->fold);
    pat_mem_free(PAT_MEM_OTHER, store->scratch);
}

void pat_store_close(struct pat_store **handle) {
    struct pat_store *store = *handle;
    if (store == NULL) return;
    content_deinit(store);
    pat_mem_free(PAT_MEM_OTHER, store);
    *handle = NULL;
}

void pat_store_clear(struct pat_store *store) {
    content_deinit(store);
    struct pat_store fresh = {.secret = store->secret, .zone = store->zone, .base_digits = store->base_digits};
    memcpy(fresh.base_currency, store->base_currency, sizeof fresh.base_currency);
    *store = fresh;
    content_init(store);
}

/* ---- rows by id ------------------------------------------------------------------------------------------------- */

/* The id is column 0 of each table that has one. */
_Static_assert(PAT_CUSTOMER_ID == 0 && PAT_ORDER_ID == 0 && PAT_REFUND_ID == 0, "ids are column 0");

pat_row pat_table_add(struct pat_store *store, enum pat_table_id id, const int64_t *values) {
    struct pat_table *table = &store->table[id];
    PAT_ASSERT(table->rows < PAT_TABLE_ROWS_MAX);
    for (unsigned c = 0; c < table->schema->columns; c++) pat_column_append(&table->column[c], values[c]);
    return table->rows++;
}

pat_row pat_table_add_id(struct pat_store *store, enum pat_table_id id, struct pat_id_key key) {
    int64_t values[PAT_COLUMNS_MAX];
    for (unsigned c = 0; c < store->table[id].schema->columns; c++) values[c] = PAT_NULL;
    return pat_table_add_id_values(store, id, key, values);
}

pat_row pat_table_add_id_values(struct pat_store *store, enum pat_table_id id, struct pat_id_key key, int64_t *values) {
    values[0] = key.number >= 0 ? key.number : ~(int64_t)pat_heap_add(&store->heap, key.text);
    pat_row row = pat_table_add(store, id, values);
    pat_store__enter_id(store, id, key, row);
    return row;
}

struct pat_id_key pat_table_key(const struct pat_store *store, enum pat_table_id id, pat_row row) {
    int64_t word = pat_column_get(&store->table[id].column[0], row);
    if (word >= 0) return (struct pat_id_key){.number = word};
    return (struct pat_id_key){-1, pat_heap_get(&store->heap, (uint64_t)~word)};
}

/* ---- money ------------------------------------------------------------------------------------------------------ */

unsigned pat_store_currency_digits(const struct pat_store *store, enum pat_table_id table, unsigned column,
                                   int64_t code) {
    struct pat_text text = pat_dict_text(store->table[table].dict[column], (uint32_t)code);
    int currency = pat_currency_find(text);
    PAT_ASSERT(currency >= 0); /* ingest lets only ISO codes in */
    return pat_currencies[currency].digits;
}

int64_t pat_store_to_base(const struct pat_store *store, enum pat_table_id table, unsigned currency_column,
                          int64_t currency, pat_day day, pat_minor amount) {
    struct pat_text text = pat_dict_text(store->table[table].dict[currency_column], (uint32_t)currency);
    if (pat_text_is(text, store->base_currency)) return amount;
    int place = pat_currency_find(text);
    PAT_ASSERT(place >= 0); /* ingest lets only ISO codes in */
    struct pat_rate rate;
    int64_t base;
    if (!pat_rates_at(&store->rates, place, day, &rate)) return PAT_NULL;
    if (!pat_rate_convert(rate, amount, pat_currencies[place].digits, store->base_digits, &base)) return PAT_NULL;
    return base;
}

/* A currency as conversions need it, and the last rate that was looked for in it. */
struct base_currency {
    int64_t code;
    bool is_base;
    int place;
    int64_t day;
    bool priced;
    struct pat_rate rate;
};

static struct base_currency base_currency_of(const struct pat_store *store, const struct pat_dict *dict, int64_t code) {
    const struct pat_text text = pat_dict_text(dict, (uint32_t)code);
    struct base_currency currency = {.code = code,
                                     .is_base = pat_text_is(text, store->base_currency),
                                     .place = pat_currency_find(text),
                                     .day = PAT_NULL};
    PAT_ASSERT(currency.place >= 0); /* ingest lets only ISO codes in */
    return currency;
}

static int64_t base_of(const struct pat_store *store, struct base_currency *currency, int64_t day, pat_minor amount) {
    if (currency->is_base) return amount;
    if (day != currency->day) {
        currency->priced = pat_rates_at(&store->rates, currency->place, (pat_day)day, &currency->rate);
        currency->day = day;
    }
    int64_t base;
    if (!currency->priced) return PAT_NULL;
    const unsigned digits = pat_currencies[currency->place].digits;
    return pat_rate_convert(currency->rate, amount, digits, store->base_digits, &base) ? base : PAT_NULL;
}

void pat_store_to_base_all(const struct pat_store *store, enum pat_table_id table, unsigned currency_column,
                           const int64_t *currency, const int64_t *day, const int64_t *amount, uint32_t count,
                           int64_t *base) {
    const struct pat_dict *dict = store->table[table].dict[currency_column];
    struct base_currency last = {.code = PAT_NULL};
    for (uint32_t i = 0; i < count; i++) {
        if (currency[i] != last.code) last = base_currency_of(store, dict, currency[i]);
        base[i] = base_of(store, &last, day[i], amount[i]);
    }
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* At its widest: new chunks, and the last one grown or widened. All columns of a table do that at the same row. */
size_t pat_store_column_bytes_for(const struct pat_column *column, size_t rows) {
    if (rows == 0) return 0;
    size_t chunk_rows = (size_t)1 << column->shift;
    size_t behind = (column->rows & (chunk_rows - 1)) + rows;
    size_t whole = behind / chunk_rows, tail = 64;
    while (tail < behind % chunk_rows) tail *= 2;
    if (rows > 1 && column->rows / chunk_rows + whole >= PAT_COLUMN_CHUNKS_LARGE) tail = chunk_rows;
    /* A directory doubles with its chunks. */
    size_t dir = (column->rows / chunk_rows + whole + 4) * 2 * sizeof(struct pat_chunk *);
    return (whole * chunk_rows + tail) * 8 + (whole + 1) * (sizeof(struct pat_chunk) + PAT_MEM_ALIGN) + dir;
}

size_t pat_store_bytes_for(const struct pat_store *store, enum pat_table_id id, size_t rows, size_t changes,
                           size_t text_bytes) {
    const struct pat_table *table = &store->table[id];
    size_t columns = table->schema->columns;
    size_t fresh = columns * pat_store_column_bytes_for(&table->column[0], rows) + pat_table_ids_growth(table, rows);
    /* Changed rows: each may copy its chunk once per column while a view is open, but never more than the table itself.
     */
    size_t chunk_bytes = ((size_t)1 << table->column[0].shift) * 8;
    size_t chunks = table->rows / (chunk_bytes / 8) + 1;
    size_t copies = (changes < chunks ? changes : chunks) * chunk_bytes;
    size_t table_bytes = pat_mem_used(table_purpose[id]);
    if (copies > table_bytes / 4) copies = table_bytes / 4; /* of a batch's few columns; narrow chunks are the rule */
    return fresh + copies + text_bytes * 2 + (rows > 0 ? (1u << PAT_HEAP_SEGMENT_SHIFT) : 0);
}

size_t pat_store_scratch_growth(const struct pat_store *store, size_t bytes) {
    return bytes > store->scratch_bytes ? bytes : 0;
}

void *pat_store_scratch(struct pat_store *store, size_t bytes) {
    if (bytes <= store->scratch_bytes) return store->scratch;
    pat_mem_free(PAT_MEM_OTHER, store->scratch);
    store->scratch = pat_mem_alloc_raw_must(PAT_MEM_OTHER, bytes);
    store->scratch_bytes = bytes;
    return store->scratch;
}

/* ---- maps ------------------------------------------------------------------------------------------------------- */

enum pat_status pat_store_save_map(struct pat_store *store, const struct pat_rfm_map *map, struct pat_error *error) {
    uint32_t at = 0;
    while (at < store->maps->count && strcmp(store->maps->map[at]->name, map->name) != 0) at++;
    if (at == 0)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "the built-in map \"default\" cannot be replaced; choose another name");
    if (at == PAT_RFM_MAPS_MAX)
        return pat_error_set(error, PAT_ERR_TOO_LARGE, "there are %u RFM maps already", PAT_RFM_MAPS_MAX);
    struct pat_rfm_maps *maps = pat_mem_alloc_must(PAT_MEM_OTHER, sizeof *maps);
    struct pat_rfm_map *copy = pat_mem_alloc_must(PAT_MEM_OTHER, sizeof *copy);
    *maps = *store->maps;
    *copy = *map;
    if (at < maps->count) pat_pins_retire(&store->pins, PAT_MEM_OTHER, (void *)(uintptr_t)maps->map[at]);
    if (at == maps->count) maps->count++;
    maps->map[at] = copy;
    pat_pins_retire(&store->pins, PAT_MEM_OTHER, store->maps);
    store->maps = maps;
    return PAT_OK;
}
