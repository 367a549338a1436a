/* A small engine for the tests: batches from a seed, applied to a store in a plain way, and digests of what a store
 * holds. */
#ifndef PAT_TEST_PERSIST_KIT_H
#define PAT_TEST_PERSIST_KIT_H

#include "base/mem.h"
#include "model/id.h"
#include "persist/codec_private.h"
#include "persist/journal_private.h"
#include "persist/persist_private.h"
#include "sim_disk.h"

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* A case opens some stores, which sanitizers make fifty times as slow: then only every n-th one is tried of ranges of
 * thousands, and every KIT_STEP-th of those of a hundred. Primes, so that what goes round in eights and twelves comes
 * up all the same. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define KIT_STRIDE 67u
#define KIT_STEP   7u
#else
#define KIT_STRIDE 1u
#define KIT_STEP   1u
#endif

/* Of a journal file: some groups, so that files grow and are used again. */
#define KIT_JOURNAL_BYTES 4096u
/* Of a snapshot: little, so that one of some KiB is synced before its end. */
#define KIT_PIECE_BYTES 256u

/* ---- batches
 * ---------------------------------------------------------------------------------------------------------- */

struct kit_batch {
    struct pat_batch batch;
    struct pat_batch_column column[PAT_COLUMNS_MAX];
    struct pat_arena arena;
    struct pat_rfm_map map;
    struct pat_entry entry;
};

static inline struct pat_text kit_text(struct pat_arena *arena, uint64_t *random, size_t length_max) {
    size_t length = (size_t)(sim_random(random) % length_max) + 1;
    char text[300];
    for (size_t i = 0; i < length; i++) text[i] = (char)('a' + sim_random(random) % 26);
    return pat_arena_text(arena, (struct pat_text){text, length});
}

static inline int64_t kit_value(uint64_t *random, unsigned shape) {
    switch (shape % 8) {
    case 0: return 7;
    case 1: return (int64_t)(sim_random(random) % 200);
    case 2: return 14000 + (int64_t)(sim_random(random) % 60000);
    case 3: return (int64_t)(sim_random(random) % 4000000000u);
    case 4: return (int64_t)(sim_random(random) >> 1);
    case 5: return -(int64_t)(sim_random(random) >> 1);
    case 6: return INT64_MAX - (int64_t)(sim_random(random) % 300);
    default: return PAT_NULL;
    }
}

/* Currencies are ISO codes, as ingest sees to. */
static inline struct pat_text kit_entry(struct kit_batch *kit, uint64_t *random, int field, size_t length_max) {
    static const char *const codes[] = {"EUR", "USD", "JPY", "KWD"};
    if (strcmp(pat_field_get(kit->batch.table, field)->name, "currency") == 0)
        return pat_text_of(codes[sim_random(random) % 4]);
    return kit_text(&kit->arena, random, length_max);
}

static inline void kit_column(struct kit_batch *kit, uint64_t *random, int field) {
    struct pat_batch_column *column = &kit->column[kit->batch.columns++];
    uint32_t rows = kit->batch.rows;
    enum pat_type type = pat_field_get(kit->batch.table, field)->type;
    bool by_code = type == PAT_TYPE_TEXT || type == PAT_TYPE_SET, by_id = type == PAT_TYPE_ID || type == PAT_TYPE_REF;
    unsigned shape = (unsigned)sim_random(random);
    *column = (struct pat_batch_column){.field = field, .decimal = type == PAT_TYPE_MONEY && shape % 5 == 0};
    if (by_code || by_id) {
        column->dict_count = (uint32_t)(sim_random(random) % 9) + 1;
        column->dict = pat_arena_array(&kit->arena, column->dict_count, sizeof *column->dict);
        for (uint32_t i = 0; i < column->dict_count; i++) {
            column->dict[i] = kit_entry(kit, random, field, shape % 16 == 0 && !by_id ? 255 : 12);
        }
    }
    column->value = pat_arena_array(&kit->arena, rows, sizeof *column->value);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t value = kit_value(random, shape >> 8);
        int64_t index = (int64_t)(sim_random(random) % (column->dict_count + (column->dict_count == 0)));
        if (by_code) value = index;
        if (by_id) value = sim_random(random) % 2 == 0 ? ~index : (int64_t)(sim_random(random) % 50);
        bool required = by_id && field == 0;
        column->value[i] = !required && sim_random(random) % 7 == shape % 9 ? PAT_NULL : value;
    }
}

static inline void kit_errors(struct kit_batch *kit, uint64_t *random) {
    struct pat_batch *batch = &kit->batch;
    batch->errors = (uint32_t)(sim_random(random) % 3);
    struct pat_row_error *error = pat_arena_array(&kit->arena, batch->errors, sizeof *error);
    for (uint32_t i = 0; i < batch->errors; i++) {
        error[i] = (struct pat_row_error){i * 3, PAT_REJECT_BAD_TIME, i % 2 == 0 ? "time" : "",
                                          kit_text(&kit->arena, random, 40)};
    }
    batch->error = error;
    batch->rejects = batch->errors;
    struct pat_reject_count *reject = pat_arena_array(&kit->arena, batch->rejects, sizeof *reject);
    for (uint32_t i = 0; i < batch->rejects; i++)
        reject[i] = (struct pat_reject_count){"time", PAT_REJECT_MISSING, i + 5};
    batch->reject = reject;
    batch->rejected = batch->errors * 10;
}

static inline void kit_map(struct kit_batch *kit, uint64_t seed) {
    struct pat_rfm_map *map = &kit->map;
    *map = *pat_rfm_map_builtin();
    (void)snprintf(map->name, sizeof map->name, "map_%llu", (unsigned long long)(seed % 3));
    map->of_cell[seed % PAT_RFM_CELLS] = (uint8_t)(seed % map->groups);
}

/* Entry `lsn` of the sequence `seed`: always the same. */
static inline void kit_batch_init(struct kit_batch *kit, uint64_t seed, pat_lsn lsn, uint32_t rows_max) {
    uint64_t random = seed * 1000003 + lsn;
    memset(kit, 0, sizeof *kit);
    pat_arena_init(&kit->arena, 0);
    kit->entry = (struct pat_entry){.kind = PAT_ENTRY_BATCH, .lsn = lsn, .batch = &kit->batch};
    if (sim_random(&random) % 8 == 0) {
        kit_map(kit, random);
        kit->entry = (struct pat_entry){.kind = PAT_ENTRY_RFM_MAP, .lsn = lsn, .map = &kit->map};
        return;
    }
    struct pat_batch *batch = &kit->batch;
    batch->table =
        (enum pat_table_id)(sim_random(&random) % PAT_FX); /* a random rate would be refused when it is restored */
    batch->rows = (uint32_t)(sim_random(&random) % (rows_max + 1));
    batch->rows_sent = batch->rows + 3;
    batch->append = sim_random(&random) % 2 == 0;
    batch->now_ms = 1700000000000 + (int64_t)lsn;
    batch->producer = kit_text(&kit->arena, &random, 3);
    batch->seq = lsn;
    batch->meta = sim_random(&random) % 2 == 0 ? kit_text(&kit->arena, &random, lsn % 8 == 0 ? PAT_META_BYTES_MAX : 10)
                                               : PAT_TEXT("");
    batch->digest = (struct pat_digest){sim_random(&random), sim_random(&random)};
    batch->column = kit->column;
    kit_column(kit, &random, 0);
    for (unsigned c = 1; c < pat_schema[batch->table].loaded_columns; c++) {
        if (sim_random(&random) % 3 == 0) kit_column(kit, &random, (int)c);
    }
    kit_errors(kit, &random);
}

static inline void kit_batch_deinit(struct kit_batch *kit) {
    pat_arena_deinit(&kit->arena);
}

static inline uint32_t kit_rows(uint64_t seed, pat_lsn lsn, uint32_t rows_max) {
    struct kit_batch kit;
    kit_batch_init(&kit, seed, lsn, rows_max);
    const uint32_t rows = kit.entry.kind == PAT_ENTRY_BATCH ? kit.batch.rows : 0;
    kit_batch_deinit(&kit);
    return rows;
}

/* ---- applying
 * --------------------------------------------------------------------------------------------------------- */

static inline struct pat_id_key kit_key(const struct pat_batch_column *column, uint32_t row) {
    int64_t value = column->value[row];
    if (value >= 0) return (struct pat_id_key){.number = value};
    return (struct pat_id_key){-1, column->dict[~value]};
}

/* Rows of tables with ids are found or added; lines are appended. References stay null: persist does not look at them.
 */
static inline void kit_apply_batch(struct pat_store *store, const struct pat_batch *batch) {
    struct pat_table *table = &store->table[batch->table];
    for (uint32_t i = 0; i < batch->rows; i++) {
        pat_row row;
        if (batch->table == PAT_LINES) {
            int64_t values[PAT_COLUMNS_MAX];
            for (unsigned c = 0; c < PAT_COLUMNS_MAX; c++) values[c] = PAT_NULL;
            row = pat_table_add(store, PAT_LINES, values);
        } else {
            struct pat_id_key key = kit_key(&batch->column[0], i);
            row = pat_table_find_id(store, batch->table, key);
            if (row == PAT_ROW_NONE) row = pat_table_add_id(store, batch->table, key);
        }
        for (uint32_t c = 1; c < batch->columns; c++) {
            const struct pat_batch_column *column = &batch->column[c];
            unsigned field = (unsigned)column->field;
            enum pat_type type = table->schema->field[field].type;
            int64_t value = column->value[i];
            if (type == PAT_TYPE_REF) continue;
            if (table->dict[field] != NULL && value != PAT_NULL) {
                value = pat_dict_add(table->dict[field], column->dict[value]);
            }
            if (type == PAT_TYPE_DAY && value != PAT_NULL) value %= PAT_DAY_MAX;
            pat_table_set(table, field, row, value);
        }
        if (batch->table == PAT_ORDERS) {
            pat_table_set(table, PAT_ORDER_STATE, row, PAT_ORDER_PRESENT);
            pat_table_set(table, PAT_ORDER_DAY, row, 14000 + (int64_t)batch->seq);
        }
    }
    struct pat_batch_outcome outcome = {.lsn = store->lsn + 1, .rows = batch->rows_sent, .fresh = batch->rows};
    pat_producers_note(&store->producers, batch, &outcome);
}

static inline enum pat_status kit_apply(void *context, const struct pat_entry *entry, struct pat_error *error) {
    struct pat_store *store = context;
    assert_int_equal(entry->lsn, store->lsn + 1);
    if (entry->kind == PAT_ENTRY_RFM_MAP) {
        enum pat_status status = pat_store_save_map(store, entry->map, error);
        if (status != PAT_OK) return status;
    } else {
        kit_apply_batch(store, entry->batch);
    }
    store->lsn = entry->lsn;
    pat_store_recount(store, &store->counts, NULL);
    return PAT_OK;
}

static inline struct pat_store *kit_store(void) {
    struct pat_store *store;
    struct pat_store_options options = {.base_currency = "EUR", .entropy = "a fixed secret", .entropy_bytes = 14};
    assert_int_equal(pat_store_open(&store, &options, NULL), PAT_OK);
    return store;
}

/* ---- what a store holds
 * ----------------------------------------------------------------------------------------------- */

static inline struct pat_digest kit_digest_text(struct pat_digest digest, struct pat_text text) {
    digest = pat_digest_chain(digest, &text.length, sizeof text.length);
    return pat_digest_chain(digest, text.data, text.length);
}

static inline struct pat_digest kit_digest(const struct pat_store *store) {
    struct pat_digest digest = pat_digest_of(&store->lsn, sizeof store->lsn);
    for (int t = 0; t < PAT_TABLES; t++) {
        const struct pat_table *table = &store->table[t];
        digest = pat_digest_chain(digest, &table->rows, sizeof table->rows);
        for (unsigned c = 0; c < table->schema->columns; c++) {
            assert_int_equal(table->column[c].rows, table->rows);
            for (pat_row row = 0; row < table->rows; row++) {
                int64_t value = pat_table_get(table, c, row);
                if (t != PAT_LINES && c == 0 && value < 0) {
                    digest = kit_digest_text(digest, pat_heap_get(&store->heap, (uint64_t)~value));
                } else if (table->dict[c] != NULL && value != PAT_NULL) {
                    digest = kit_digest_text(digest, pat_dict_text(table->dict[c], (uint32_t)value));
                } else {
                    digest = pat_digest_chain(digest, &value, sizeof value);
                }
            }
        }
    }
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    assert_int_equal(pat_producers_write(&store->producers, &buf), PAT_OK);
    for (uint32_t i = 1; i < store->maps->count; i++)
        assert_int_equal(pat_codec__map_write(store->maps->map[i], &buf), PAT_OK);
    digest = pat_digest_chain(digest, buf.data, buf.length);
    pat_buf_deinit(&buf);
    const uint64_t counts[] = {store->counts.customers,
                               store->counts.orders,
                               store->counts.lines,
                               store->counts.refunds,
                               store->counts.pending_refunds,
                               store->counts.unpriced,
                               (uint64_t)store->counts.newest_fact};
    return pat_digest_chain(digest, counts, sizeof counts);
}

/* Digests after each entry of a sequence: [0 .. count]. */
static inline void kit_digests(struct pat_digest *out, uint64_t seed, unsigned count, uint32_t rows_max) {
    struct pat_store *store = kit_store();
    out[0] = kit_digest(store);
    for (unsigned i = 1; i <= count; i++) {
        struct kit_batch kit;
        kit_batch_init(&kit, seed, i, rows_max);
        assert_int_equal(kit_apply(store, &kit.entry, NULL), PAT_OK);
        out[i] = kit_digest(store);
        kit_batch_deinit(&kit);
    }
    pat_store_close(&store);
}

/* ---- an engine
 * -------------------------------------------------------------------------------------------------------- */

struct kit_engine {
    struct pat_persist *persist;
    struct pat_store *store;
    struct pat_settings settings;
    struct pat_recovery recovery;
    struct pat_error error;
    uint64_t seed;
    uint32_t rows_max;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool woken;
};

static inline void kit_wake(void *context) {
    struct kit_engine *engine = context;
    pthread_mutex_lock(&engine->mutex);
    engine->woken = true;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->mutex);
}

static inline enum pat_status kit_open(struct kit_engine *engine, struct pat_fs *fs, enum pat_sync sync, uint64_t seed,
                                       uint32_t rows_max, bool stepped) {
    memset(engine, 0, sizeof *engine);
    engine->seed = seed;
    engine->rows_max = rows_max;
    engine->settings = (struct pat_settings){.zone = "UTC", .base_currency = "EUR", .epoch = 1};
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->wake, NULL);
    struct pat_persist_options options = {.fs = fs,
                                          .sync = sync,
                                          .sync_interval_ms = 2,
                                          .event_cb = kit_wake,
                                          .event_context = engine,
                                          .stepped = stepped,
                                          .journal_bytes = KIT_JOURNAL_BYTES,
                                          .piece_bytes = KIT_PIECE_BYTES,
                                          .seed = seed + 99};
    engine->store = kit_store();
    enum pat_status status = pat_persist_open(&engine->persist, &options, &engine->settings, &engine->error);
    if (status != PAT_OK) return status;
    return pat_persist_recover(engine->persist, engine->store, kit_apply, engine->store, &engine->recovery,
                               &engine->error);
}

/* Opens and recovers, without starting. The error is in engine->error. */
static inline enum pat_status kit_recover(struct kit_engine *engine, struct pat_fs *fs, enum pat_sync sync,
                                          uint64_t seed, uint32_t rows_max) {
    return kit_open(engine, fs, sync, seed, rows_max, true);
}

static inline void kit_close(struct kit_engine *engine) {
    pat_persist_close(&engine->persist);
    pat_store_close(&engine->store);
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->mutex);
}

/* Without threads: what happens comes from the calls alone, and a busy machine does not make it slow. */
static inline enum pat_status kit_start(struct kit_engine *engine, struct pat_fs *fs, enum pat_sync sync, uint64_t seed,
                                        uint32_t rows_max) {
    enum pat_status status = kit_recover(engine, fs, sync, seed, rows_max);
    return status == PAT_OK ? pat_persist_start(engine->persist, &engine->error) : status;
}

/* As a server does, with threads. */
static inline enum pat_status kit_start_threads(struct kit_engine *engine, struct pat_fs *fs, enum pat_sync sync,
                                                uint64_t seed, uint32_t rows_max) {
    enum pat_status status = kit_open(engine, fs, sync, seed, rows_max, false);
    return status == PAT_OK ? pat_persist_start(engine->persist, &engine->error) : status;
}

/* Waits for the next event, or without threads does what it takes. */
static inline struct pat_event kit_event(struct kit_engine *engine) {
    const bool stepped = !engine->persist->threads;
    while (stepped && (pat_persist__journal_step(engine->persist) || pat_persist__snapshot_step(engine->persist))) {
    }
    for (;;) {
        struct pat_event event = pat_persist_poll(engine->persist);
        if (event.kind != PAT_EVENT_NONE) return event;
        pthread_mutex_lock(&engine->mutex);
        while (!engine->woken) pthread_cond_wait(&engine->wake, &engine->mutex);
        engine->woken = false;
        pthread_mutex_unlock(&engine->mutex);
    }
}

/* Journals the next `count` entries as one group and applies them when durable. */
static inline enum pat_status kit_load(struct kit_engine *engine, unsigned count) {
    struct kit_batch kit[8];
    struct pat_entry entries[8];
    assert_true(count <= 8);
    for (unsigned i = 0; i < count; i++) {
        kit_batch_init(&kit[i], engine->seed, engine->store->lsn + 1 + i, engine->rows_max);
        entries[i] = kit[i].entry;
    }
    enum pat_status status = pat_persist_write(engine->persist, entries, count, &engine->error);
    if (status == PAT_OK) {
        struct pat_event event = kit_event(engine);
        assert_int_equal(event.kind, PAT_EVENT_JOURNAL);
        assert_int_equal(event.lsn, entries[count - 1].lsn);
        status = event.status;
        engine->error = event.error;
    }
    for (unsigned i = 0; i < count; i++) {
        if (status == PAT_OK) assert_int_equal(kit_apply(engine->store, &entries[i], NULL), PAT_OK);
        kit_batch_deinit(&kit[i]);
    }
    return status;
}

static inline enum pat_status kit_snapshot_begin(struct kit_engine *engine, struct pat_view **view) {
    struct pat_buf producers;
    pat_buf_init(&producers, PAT_MEM_OTHER);
    assert_int_equal(pat_producers_write(&engine->store->producers, &producers), PAT_OK);
    assert_int_equal(pat_view_open(view, engine->store), PAT_OK);
    enum pat_status status = pat_persist_snapshot(engine->persist, *view, &producers, false, &engine->error);
    pat_buf_deinit(&producers);
    return status;
}

static inline enum pat_status kit_snapshot(struct kit_engine *engine) {
    struct pat_view *view;
    assert_int_equal(kit_snapshot_begin(engine, &view), PAT_OK);
    struct pat_event event = kit_event(engine);
    assert_int_equal(event.kind, PAT_EVENT_SNAPSHOT);
    assert_int_equal(event.lsn, view->lsn);
    engine->error = event.error;
    pat_view_close(&view);
    return event.status;
}

static inline void kit_sleep_ms(unsigned ms) {
    struct timespec time = {0, (long)ms * 1000000};
    (void)nanosleep(&time, NULL);
}

#endif
