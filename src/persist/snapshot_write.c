#include "persist/snapshot_private.h"

#include "base/mem.h"
#include "model/schema.h"
#include "persist/bytes_private.h"
#include "persist/codec_private.h"
#include "persist/file_private.h"
#include "persist/pieces_private.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct writer {
    struct pat_pieces *pieces;
    struct pat_digest chain;
    uint64_t given; /* bytes of the file before the piece */
    uint32_t sequence;
    enum pat_section section;
    size_t piece_bytes;
    unsigned char *piece; /* what is written next, and behind it the block that is being filled */
    size_t ready;         /* bytes of whole blocks in it, fewer than piece_bytes */
    uint32_t used;        /* payload bytes in the block behind */
    struct pat_error *error;
};

/* ---- blocks ----------------------------------------------------------------------------------------------------- */

static enum pat_status give_ready(struct writer *w) {
    while (w->ready >= w->piece_bytes) {
        PAT_TRY(pat_pieces__give(w->pieces, w->ready, &w->piece, w->error));
        w->given += w->piece_bytes;
        w->ready -= w->piece_bytes;
    }
    return PAT_OK;
}

static enum pat_status block_flush(struct writer *w) {
    if (w->used == 0) return PAT_OK;
    unsigned char *const block = w->piece + w->ready;
    pat_put_u32(block, PAT_BLOCK_MAGIC);
    pat_put_u32(block + 4, w->used);
    pat_put_u32(block + 8, w->section);
    pat_put_u32(block + 12, w->sequence++);
    w->chain = pat_digest_chain(pat_digest_chain(w->chain, block, 16), block + PAT_BLOCK_HEADER_BYTES, w->used);
    pat_put_digest(block + 16, w->chain);
    w->ready += PAT_BLOCK_HEADER_BYTES + w->used;
    w->used = 0;
    return give_ready(w);
}

static enum pat_status section_begin(struct writer *w, enum pat_section section) {
    PAT_TRY(block_flush(w));
    w->section = section;
    return PAT_OK;
}

static enum pat_status put(struct writer *w, const void *data, size_t bytes) {
    const unsigned char *from = data;
    while (bytes > 0) {
        if (w->used == PAT_BLOCK_PAYLOAD_BYTES) PAT_TRY(block_flush(w));
        size_t room = PAT_BLOCK_PAYLOAD_BYTES - w->used;
        size_t here = bytes < room ? bytes : room;
        unsigned char *const to = w->piece + w->ready + PAT_BLOCK_HEADER_BYTES + w->used;
        if (here < PAT_SNAPSHOT_FAR_BYTES) {
            memcpy(to, from, here);
        } else {
            pat_mem_copy_far(to, from, here);
        }
        w->used += (uint32_t)here;
        from += here;
        bytes -= here;
    }
    return PAT_OK;
}

static enum pat_status put_u8(struct writer *w, uint8_t value) {
    return put(w, &value, sizeof value);
}
static enum pat_status put_u32(struct writer *w, uint32_t value) {
    return put(w, &value, sizeof value);
}
static enum pat_status put_u64(struct writer *w, uint64_t value) {
    return put(w, &value, sizeof value);
}

/* ---- sections --------------------------------------------------------------------------------------------------- */

static enum pat_status put_settings(struct writer *w, const struct pat_settings *settings,
                                    const struct pat_view *view) {
    PAT_TRY(section_begin(w, PAT_SECTION_SETTINGS));
    PAT_TRY(put(w, settings->zone, sizeof settings->zone));
    PAT_TRY(put(w, settings->base_currency, sizeof settings->base_currency));
    return put_u64(w, view->lsn);
}

static enum pat_status put_heap(struct writer *w, const struct pat_view *view) {
    const uint64_t segment_bytes = (uint64_t)1 << PAT_HEAP_SEGMENT_SHIFT;
    PAT_TRY(section_begin(w, PAT_SECTION_HEAP));
    PAT_TRY(put_u64(w, view->heap_end));
    for (uint64_t at = 0; at < view->heap_end; at += segment_bytes) {
        uint64_t left = view->heap_end - at;
        const unsigned char *segment = view->heap->segment[at >> PAT_HEAP_SEGMENT_SHIFT];
        PAT_TRY(put(w, segment, left < segment_bytes ? (size_t)left : (size_t)segment_bytes));
    }
    return PAT_OK;
}

/* A dictionary is written with the column it belongs to; those that share it have none of their own. */
static bool owns_dict(const struct pat_table_view *table, unsigned column) {
    return table->dict[column] != NULL && (unsigned)table->schema->field[column].dict_as == column;
}

static uint32_t count_dicts(const struct pat_table_view *table) {
    uint32_t count = 0;
    for (unsigned c = 0; c < table->schema->columns; c++) count += owns_dict(table, c);
    return count;
}

static enum pat_status put_dicts(struct writer *w, const struct pat_table_view *table) {
    for (unsigned c = 0; c < table->schema->columns; c++) {
        if (!owns_dict(table, c)) continue;
        PAT_TRY(put_u32(w, c));
        PAT_TRY(put_u32(w, table->dict_count[c]));
        for (uint32_t code = 0; code < table->dict_count[c]; code++)
            PAT_TRY(put_u64(w, pat_dict_place(table->dict[c], code)));
    }
    return PAT_OK;
}

/* Only rows below the view's count are read: behind them the owner of the store may be writing. */
static enum pat_status put_column(struct writer *w, const struct pat_column_view *column, pat_row rows) {
    uint32_t chunk_rows = 1u << column->shift;
    for (uint64_t first = 0; first < rows; first += chunk_rows) {
        const struct pat_chunk *chunk = column->chunk[first >> column->shift];
        uint32_t here = rows - first < chunk_rows ? (uint32_t)(rows - first) : chunk_rows;
        PAT_TRY(put_u8(w, chunk->width));
        PAT_TRY(put_u64(w, (uint64_t)chunk->base));
        PAT_TRY(put(w, chunk->data, pat_chunk_bytes(chunk->width, chunk->base, here)));
    }
    return PAT_OK;
}

/* By some of its chunks. */
#define SAMPLED_CHUNKS 16u

static uint64_t column_bytes(const struct pat_column_view *column, pat_row rows) {
    const uint64_t chunk_rows = (uint64_t)1 << column->shift, chunks = (rows + chunk_rows - 1) >> column->shift;
    const uint64_t step = chunks / SAMPLED_CHUNKS + 1;
    uint64_t bytes = 0;
    for (uint64_t at = 0; at < chunks; at += step) {
        const struct pat_chunk *chunk = column->chunk[at];
        const uint64_t left = rows - at * chunk_rows;
        const uint32_t here = (uint32_t)(left < chunk_rows ? left : chunk_rows);
        bytes += pat_chunk_bytes(chunk->width, chunk->base, here) * (step < chunks - at ? step : chunks - at);
    }
    return bytes;
}

static enum pat_status put_attributes(struct writer *w, const struct pat_table_schema *schema) {
    for (unsigned c = schema->own_columns; c < schema->columns; c++) {
        const char *word = schema->field[c].name + sizeof PAT_ATTRIBUTE_PREFIX - 1;
        PAT_TRY(put_u8(w, (uint8_t)schema->field[c].type));
        PAT_TRY(put_u8(w, (uint8_t)strlen(word)));
        PAT_TRY(put(w, word, strlen(word)));
    }
    return PAT_OK;
}

static enum pat_status put_table(struct writer *w, const struct pat_table_view *table, uint32_t id) {
    PAT_TRY(section_begin(w, PAT_SECTION_TABLE));
    PAT_TRY(put_u32(w, id));
    PAT_TRY(put_u32(w, table->rows));
    PAT_TRY(put_u32(w, table->schema->own_columns));
    PAT_TRY(put_u32(w, table->schema->columns - table->schema->own_columns));
    PAT_TRY(put_u32(w, table->column[0].shift));
    PAT_TRY(put_u32(w, count_dicts(table)));
    PAT_TRY(put_attributes(w, table->schema));
    PAT_TRY(put_dicts(w, table));
    for (unsigned c = 0; c < table->schema->columns; c++) PAT_TRY(put_column(w, &table->column[c], table->rows));
    return PAT_OK;
}

static enum pat_status put_map(struct writer *w, const struct pat_rfm_map *map) {
    struct pat_buf bytes;
    pat_buf_init(&bytes, PAT_MEM_SNAPSHOT);
    enum pat_status status = pat_codec__map_write(map, &bytes);
    if (status == PAT_OK) status = put_u32(w, (uint32_t)bytes.length);
    if (status == PAT_OK) status = put(w, bytes.data, bytes.length);
    pat_buf_deinit(&bytes);
    return status;
}

/* Map 0 is the built-in one: every program brings its own. */
static enum pat_status put_maps(struct writer *w, const struct pat_rfm_maps *maps) {
    PAT_TRY(section_begin(w, PAT_SECTION_MAPS));
    PAT_TRY(put_u32(w, maps->count - 1));
    for (uint32_t i = 1; i < maps->count; i++) PAT_TRY(put_map(w, maps->map[i]));
    return PAT_OK;
}

/* `fit`, or without one the terms. */
static enum pat_status put_coded(struct writer *w, const struct pat_clv_fit *fit, const struct pat_clv_use *use) {
    struct pat_buf bytes;
    pat_buf_init(&bytes, PAT_MEM_SNAPSHOT);
    enum pat_status status = fit != NULL ? pat_codec__fit_write(fit, &bytes) : pat_codec__use_write(use, &bytes);
    if (status == PAT_OK) status = put_u32(w, (uint32_t)bytes.length);
    if (status == PAT_OK) status = put(w, bytes.data, bytes.length);
    pat_buf_deinit(&bytes);
    return status;
}

static enum pat_status put_fits(struct writer *w, const struct pat_fits *fits) {
    PAT_TRY(section_begin(w, PAT_SECTION_FITS));
    PAT_TRY(put_u32(w, fits->count));
    for (uint32_t i = 0; i < fits->count; i++) PAT_TRY(put_coded(w, fits->fit[i], NULL));
    PAT_TRY(put_u8(w, fits->used != NULL));
    if (fits->used != NULL) PAT_TRY(put_coded(w, fits->used, NULL));
    return put_coded(w, NULL, &fits->use);
}

static enum pat_status put_footer(struct writer *w, const struct pat_totals *totals) {
    struct pat_buf bytes;
    pat_buf_init(&bytes, PAT_MEM_SNAPSHOT);
    enum pat_status status = section_begin(w, PAT_SECTION_FOOTER);
    if (status == PAT_OK) status = pat_manifest__totals_write(totals, &bytes);
    if (status == PAT_OK) status = put(w, bytes.data, bytes.length);
    if (status == PAT_OK) status = block_flush(w);
    pat_buf_deinit(&bytes);
    return status;
}

/* Control totals are counted beside the writing: only the footer needs them, and they take a quarter as long. */
struct counting {
    const struct pat_view *view;
    struct pat_chunk *near;
    struct pat_totals totals;
    pthread_t thread;
    bool started;
};

static void *counting_run(void *context) {
    struct counting *counting = context;
    counting->totals = pat_snapshot__totals_of_view(counting->view, counting->near);
    return NULL;
}

static enum pat_status counting_start(struct counting *counting, const struct pat_view *view) {
    *counting = (struct counting){.view = view};
    counting->near = pat_mem_alloc_big(PAT_MEM_SNAPSHOT, pat_snapshot__near_bytes());
    if (counting->near == NULL) return PAT_ERR_NO_MEMORY;
    counting->started = pthread_create(&counting->thread, NULL, counting_run, counting) == 0;
    return PAT_OK;
}

static void counting_end(struct counting *counting) {
    if (counting->started) {
        (void)pthread_join(counting->thread, NULL);
    } else {
        (void)counting_run(counting);
    }
    pat_mem_free(PAT_MEM_SNAPSHOT, counting->near);
}

static enum pat_status put_all(struct writer *w, const struct pat_settings *settings, const struct pat_view *view,
                               const struct pat_buf *producers) {
    PAT_TRY(put_settings(w, settings, view));
    PAT_TRY(put_heap(w, view));
    for (unsigned t = 0; t < PAT_TABLES; t++) PAT_TRY(put_table(w, &view->table[t], t));
    PAT_TRY(section_begin(w, PAT_SECTION_PRODUCERS));
    PAT_TRY(put_u64(w, producers->length));
    PAT_TRY(put(w, producers->data, producers->length));
    PAT_TRY(put_maps(w, view->maps));
    return put_fits(w, view->fits);
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

/* What the file will have, but for its headers and what is small. */
static uint64_t bytes_about(const struct pat_view *view, const struct pat_buf *producers) {
    uint64_t bytes = view->heap_end + producers->length;
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        const struct pat_table_view *table = &view->table[t];
        for (unsigned c = 0; c < table->schema->columns; c++) bytes += column_bytes(&table->column[c], table->rows);
    }
    return bytes;
}

static enum pat_status write_all(struct writer *w, const struct pat_settings *settings, const struct pat_view *view,
                                 const struct pat_buf *producers, struct pat_generation_entry *entry) {
    struct pat_file_header header = {.id = entry->id, .number = entry->number, .lsn = entry->lsn};
    pat_file__header_write(PAT_FILE_SNAPSHOT, &header, w->piece);
    w->ready = PAT_FILE_HEADER_BYTES;
    w->chain = pat_file__chain(PAT_FILE_SNAPSHOT, &header);
    struct counting counting;
    PAT_TRY(counting_start(&counting, view));
    const enum pat_status status = put_all(w, settings, view, producers);
    counting_end(&counting); /* whatever happened: it reads the view */
    PAT_TRY(status);
    entry->totals = counting.totals;
    PAT_TRY(put_footer(w, &entry->totals));
    entry->bytes = w->given + w->ready;
    entry->chain = w->chain;
    return pat_pieces__end(w->pieces, w->ready, w->piece, w->error);
}

static enum pat_status write_file(struct pat_fs *fs, struct pat_file *file, const struct pat_snapshot_way *way,
                                  const struct pat_settings *settings, const struct pat_view *view,
                                  const struct pat_buf *producers, struct pat_generation_entry *entry,
                                  struct pat_error *error) {
    struct writer w = {.piece_bytes = way->piece_bytes, .error = error};
    PAT_TRY(pat_pieces__open(&w.pieces, fs, file, way, bytes_about(view, producers), &w.piece, error));
    const enum pat_status status = write_all(&w, settings, view, producers, entry);
    pat_pieces__close(&w.pieces);
    return status;
}

enum pat_status pat_snapshot__write(struct pat_fs *fs, const struct pat_settings *settings, const struct pat_view *view,
                                    const struct pat_buf *producers, const struct pat_snapshot_way *way,
                                    struct pat_generation_entry *entry, struct pat_error *error) {
    const enum pat_file_mode mode = way->read_soon ? PAT_FILE_CREATE : PAT_FILE_STREAM;
    char name[PAT_FILE_NAME_BYTES], tmp[PAT_FILE_NAME_BYTES + 4];
    pat_file__name(PAT_FILE_SNAPSHOT, entry->number, name);
    (void)snprintf(tmp, sizeof tmp, "%s.tmp", name);
    PAT_ASSERT(view->lsn == entry->lsn);
    struct pat_file *file;
    enum pat_status status = fs->ops->file_open(fs, &file, tmp, mode, error);
    if (status == PAT_OK) {
        status = write_file(fs, file, way, settings, view, producers, entry, error);
        file->ops->file_close(&file);
    }
    if (status == PAT_OK) status = fs->ops->rename(fs, tmp, name, error);
    if (status == PAT_OK) status = fs->ops->sync_dir(fs, error);
    if (status == PAT_OK) return PAT_OK;
    if (status == PAT_ERR_NO_MEMORY) (void)pat_error_set(error, status, "no memory to write a snapshot");
    (void)fs->ops->remove(fs, tmp, NULL);
    (void)fs->ops->remove(fs, name, NULL);
    return status;
}
