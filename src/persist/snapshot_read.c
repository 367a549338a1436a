#include "persist/snapshot_private.h"

#include "base/mem.h"
#include "base/size.h"
#include "model/schema.h"
#include "persist/bytes_private.h"
#include "persist/codec_private.h"
#include "persist/file_private.h"

#include <inttypes.h>
#include <string.h>

/* Blocks that are read and checked together, by as many threads as there are. */
#define WINDOW_BLOCKS 16u
#define SLOT_BYTES    ((size_t)PAT_BLOCK_HEADER_BYTES + PAT_BLOCK_PAYLOAD_BYTES)
/* Pieces of chunks that wait to be copied out of the window: at 4 KiB, the least of a whole chunk, all of it. */
#define COPIES_MAX 4096u
/* Copies that one thread does in a piece. */
#define COPIES_PART 8u

/* A block of the window: what its header says, not yet to be believed. */
struct slot {
    uint64_t offset;
    struct pat_digest before, after; /* digest of the block before, its own */
    bool checked;                    /* it is in memory, and good */
};

struct copy {
    unsigned char *to;
    const unsigned char *from;
    size_t bytes;
};

struct source {
    struct pat_fs *fs;
    const struct pat_spread *spread; /* NULL: one block at a time, and nothing waits */
    struct pat_file *file;
    char name[PAT_FILE_NAME_BYTES];
    uint64_t size, offset; /* offset: of the next block */
    struct pat_digest chain;
    uint32_t sequence;
    uint32_t section;      /* of the block in memory */
    uint32_t used, length; /* of its payload */
    unsigned char *block;  /* in `window` */
    struct pat_error *error;

    unsigned char *window;
    uint32_t window_max; /* blocks that it has room for */
    uint32_t slots, next_slot;
    struct slot slot[WINDOW_BLOCKS];
    struct copy *copy; /* [COPIES_MAX], NULL: nothing waits */
    uint32_t copies;
};

static enum pat_status fail(const struct source *s, uint64_t offset, const char *why) {
    return pat_error_set_at(s->error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)offset,
                            "%s: block at offset %" PRIu64 ": %s", s->name, offset, why);
}

/* ---- blocks ----------------------------------------------------------------------------------------------------- */

static enum pat_status block_read(struct source *s, size_t at, size_t bytes) {
    size_t got;
    PAT_TRY(s->file->ops->file_read_at(s->file, s->offset + at, s->block + at, bytes, &got, s->error));
    return got == bytes ? PAT_OK : fail(s, s->offset, "the file ends inside it");
}

/* What the header in memory says. */
static void block_take(struct source *s, struct pat_digest chain) {
    const uint32_t payload = pat_get_u32(s->block + 4);
    s->chain = chain;
    s->section = pat_get_u32(s->block + 8);
    s->length = payload;
    s->used = 0;
    s->offset += PAT_BLOCK_HEADER_BYTES + payload;
    s->sequence++;
}

/* Reads the block at `offset` and checks it against the one before. */
static enum pat_status block_check(struct source *s) {
    uint64_t left = s->size - s->offset;
    if (left < PAT_BLOCK_HEADER_BYTES) return fail(s, s->offset, "the file ends where it should be");
    PAT_TRY(block_read(s, 0, PAT_BLOCK_HEADER_BYTES));
    uint32_t payload = pat_get_u32(s->block + 4);
    if (pat_get_u32(s->block) != PAT_BLOCK_MAGIC || payload == 0 || payload > PAT_BLOCK_PAYLOAD_BYTES) {
        return fail(s, s->offset, "its header is damaged");
    }
    if (payload > left - PAT_BLOCK_HEADER_BYTES) return fail(s, s->offset, "the file ends inside it");
    PAT_TRY(block_read(s, PAT_BLOCK_HEADER_BYTES, payload));
    struct pat_digest chain =
        pat_digest_chain(pat_digest_chain(s->chain, s->block, 16), s->block + PAT_BLOCK_HEADER_BYTES, payload);
    if (!pat_digest_equal(chain, pat_get_digest(s->block + 16))) return fail(s, s->offset, "checksum does not match");
    if (pat_get_u32(s->block + 12) != s->sequence) return fail(s, s->offset, "is not the block that belongs there");
    block_take(s, chain);
    return PAT_OK;
}

/* ---- blocks, some together --------------------------------------------------------------------------------------- */

static unsigned char *slot_bytes(const struct source *s, uint32_t slot) {
    return s->window + slot * SLOT_BYTES;
}

/* Whatever is wrong here is found and told when it is the block's turn. */
static void slot_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    struct source *s = context;
    struct slot *const slot = &s->slot[part];
    struct source own = {.file = s->file,
                         .size = s->size,
                         .offset = slot->offset,
                         .chain = slot->before,
                         .sequence = s->sequence + part,
                         .block = slot_bytes(s, part)};
    slot->checked = block_check(&own) == PAT_OK && pat_digest_equal(own.chain, slot->after);
}

/* Finds the next blocks by their headers. Each says the digest of the one before, so that all can be checked at once:
 * when every block goes with what the one before says of itself, the chain holds. */
static void window_find(struct source *s) {
    struct pat_digest before = s->chain;
    uint64_t offset = s->offset;
    for (s->slots = 0; s->slots < s->window_max && s->size - offset >= PAT_BLOCK_HEADER_BYTES; s->slots++) {
        unsigned char header[PAT_BLOCK_HEADER_BYTES];
        size_t got;
        if (s->file->ops->file_read_at(s->file, offset, header, sizeof header, &got, NULL) != PAT_OK) return;
        const uint32_t payload = pat_get_u32(header + 4);
        if (got != sizeof header || pat_get_u32(header) != PAT_BLOCK_MAGIC || payload == 0) return;
        if (payload > PAT_BLOCK_PAYLOAD_BYTES || payload > s->size - offset - sizeof header) return;
        s->slot[s->slots] = (struct slot){.offset = offset, .before = before, .after = pat_get_digest(header + 16)};
        before = s->slot[s->slots].after;
        offset += sizeof header + payload;
    }
}

static void copy_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    const struct source *s = context;
    const uint32_t first = part * COPIES_PART;
    for (uint32_t i = first; i < s->copies && i < first + COPIES_PART; i++) {
        memcpy(s->copy[i].to, s->copy[i].from, s->copy[i].bytes);
    }
}

static void copies_do(struct source *s) {
    pat_spread_run(s->spread, copy_part, s, (s->copies + COPIES_PART - 1) / COPIES_PART);
    s->copies = 0;
}

/* The next block, checked. */
static enum pat_status block_next(struct source *s) {
    if (s->next_slot == s->slots) {
        copies_do(s);
        s->next_slot = s->slots = 0;
        if (s->window_max > 1) window_find(s);
        pat_spread_run(s->spread, slot_part, s, s->slots);
    }
    s->block = slot_bytes(s, s->next_slot);
    if (s->next_slot == s->slots) return block_check(s);
    const struct slot *slot = &s->slot[s->next_slot++];
    if (!slot->checked) return block_check(s);
    block_take(s, slot->after);
    return PAT_OK;
}

/* Where the bytes read last came from, for messages. */
static uint64_t block_offset(const struct source *s) {
    return s->offset - s->length - PAT_BLOCK_HEADER_BYTES;
}

static enum pat_status section_next(struct source *s) {
    if (s->used != s->length) return fail(s, block_offset(s), "its section is longer than its content");
    return block_next(s);
}

static enum pat_status section_begin(struct source *s, enum pat_section section) {
    PAT_TRY(section_next(s));
    return s->section == section ? PAT_OK : fail(s, block_offset(s), "belongs to another section");
}

/* The next bytes of the section, at most `bytes`, in one piece. */
static enum pat_status get_piece(struct source *s, size_t bytes, const unsigned char **from, size_t *here) {
    if (s->used == s->length) {
        uint32_t section = s->section;
        PAT_TRY(block_next(s));
        if (s->section != section) return fail(s, block_offset(s), "the section before it ends too early");
    }
    size_t room = s->length - s->used;
    *here = bytes < room ? bytes : room;
    *from = s->block + PAT_BLOCK_HEADER_BYTES + s->used;
    s->used += (uint32_t)*here;
    return PAT_OK;
}

static enum pat_status get(struct source *s, void *out, size_t bytes) {
    unsigned char *to = out;
    for (size_t here = 0; bytes > 0; to += here, bytes -= here) {
        const unsigned char *from = NULL;
        PAT_TRY(get_piece(s, bytes, &from, &here));
        memcpy(to, from, here);
    }
    return PAT_OK;
}

/* The same, but `to` may be filled later: by copies_do. */
static enum pat_status get_later(struct source *s, unsigned char *to, size_t bytes) {
    if (s->copy == NULL) return get(s, to, bytes);
    for (size_t here = 0; bytes > 0; to += here, bytes -= here) {
        const unsigned char *from = NULL;
        PAT_TRY(get_piece(s, bytes, &from, &here));
        if (s->copies == COPIES_MAX) copies_do(s);
        s->copy[s->copies++] = (struct copy){to, from, here};
    }
    return PAT_OK;
}

/* Counts are held against this before memory is asked for. */
static uint64_t bytes_left(const struct source *s) {
    return (uint64_t)(s->length - s->used) + (s->size - s->offset);
}

static enum pat_status senseless(const struct source *s) {
    return fail(s, block_offset(s), "its content makes no sense, although its checksum holds");
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

/* Room for one block is needed, which is not larger than its file; more of them, and copies that wait, are for speed.
 */
static enum pat_status source_window(struct source *s) {
    const uint64_t blocks = s->size / SLOT_BYTES + 1;
    s->window_max = blocks < WINDOW_BLOCKS ? (uint32_t)blocks : WINDOW_BLOCKS;
    if (s->spread == NULL) s->window_max = 1;
    if (s->window_max > 1) {
        s->window = pat_mem_alloc_big(PAT_MEM_SNAPSHOT, s->window_max * SLOT_BYTES);
        s->copy = pat_mem_alloc(PAT_MEM_SNAPSHOT, COPIES_MAX * sizeof *s->copy);
    }
    if (s->window == NULL) {
        s->window_max = 1;
        s->window = pat_mem_alloc(PAT_MEM_SNAPSHOT, s->size < SLOT_BYTES ? (size_t)s->size : SLOT_BYTES);
    }
    if (s->window == NULL) return pat_error_set(s->error, PAT_ERR_NO_MEMORY, "%s: no memory to read it", s->name);
    s->block = s->window;
    return PAT_OK;
}

static enum pat_status source_start(struct source *s, const struct pat_generation_entry *entry) {
    struct pat_file_header header = {.id = entry->id, .number = entry->number, .lsn = entry->lsn};
    PAT_TRY(pat_file__header_check(s->file, PAT_FILE_SNAPSHOT, &header, s->error));
    PAT_TRY(s->file->ops->file_size(s->file, &s->size, s->error));
    if (s->size != entry->bytes) {
        return pat_error_set_at(s->error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)s->size,
                                "%s: has %" PRIu64 " bytes, the manifest says %" PRIu64, s->name, s->size,
                                entry->bytes);
    }
    s->offset = PAT_FILE_HEADER_BYTES;
    s->chain = pat_file__chain(PAT_FILE_SNAPSHOT, &header);
    return source_window(s);
}

static enum pat_status source_end(const struct source *s, const struct pat_generation_entry *entry) {
    if (s->offset != s->size || s->section != PAT_SECTION_FOOTER)
        return fail(s, s->offset, "the file does not end with its footer");
    if (pat_digest_equal(s->chain, entry->chain)) return PAT_OK;
    return fail(s, block_offset(s), "is not the footer that the manifest speaks of");
}

static enum pat_status with_source(struct source *s, const struct pat_generation_entry *entry, void *context,
                                   enum pat_status (*use)(struct source *s, void *context)) {
    pat_file__name(PAT_FILE_SNAPSHOT, entry->number, s->name);
    enum pat_status status = s->fs->ops->file_open(s->fs, &s->file, s->name, PAT_FILE_READ, s->error);
    if (status == PAT_ERR_NOT_FOUND) {
        return pat_error_set_at(s->error, PAT_ERR_CORRUPT, s->name, -1, -1, "%s: is missing", s->name);
    }
    PAT_TRY(status);
    status = source_start(s, entry);
    if (status == PAT_OK) status = use(s, context);
    if (status == PAT_OK) status = source_end(s, entry);
    pat_mem_free(PAT_MEM_SNAPSHOT, s->copy);
    pat_mem_free(PAT_MEM_SNAPSHOT, s->window);
    s->file->ops->file_close(&s->file);
    return status;
}

static enum pat_status verify_blocks(struct source *s, void *context) {
    uint64_t *blocks = context;
    while (s->offset < s->size) {
        PAT_TRY(block_next(s));
        ++*blocks;
    }
    return PAT_OK;
}

enum pat_status pat_snapshot__verify(struct pat_fs *fs, const struct pat_generation_entry *entry,
                                     const struct pat_spread *spread, uint64_t *blocks, struct pat_error *error) {
    struct source source = {.fs = fs, .spread = spread, .error = error};
    return with_source(&source, entry, blocks, verify_blocks);
}

/* ---- sections --------------------------------------------------------------------------------------------------- */

struct load {
    const struct pat_settings *settings;
    const struct pat_generation_entry *entry;
    struct pat_store *store;
    unsigned char *scratch; /* one chunk or heap segment */
    size_t scratch_bytes;
    struct pat_totals totals; /* as the footer has them */
};

static enum pat_status get_settings(struct source *s, struct load *load) {
    struct pat_settings settings;
    pat_lsn lsn;
    PAT_TRY(section_begin(s, PAT_SECTION_SETTINGS));
    PAT_TRY(get(s, settings.zone, sizeof settings.zone));
    PAT_TRY(get(s, settings.base_currency, sizeof settings.base_currency));
    PAT_TRY(get(s, &lsn, sizeof lsn));
    if (memcmp(settings.zone, load->settings->zone, sizeof settings.zone) != 0 ||
        memcmp(settings.base_currency, load->settings->base_currency, sizeof settings.base_currency) != 0 ||
        lsn != load->entry->lsn) {
        return fail(s, block_offset(s), "belongs to a directory with other settings");
    }
    load->store->lsn = lsn;
    return PAT_OK;
}

static enum pat_status get_heap(struct source *s, struct load *load) {
    const uint64_t segment_bytes = (uint64_t)1 << PAT_HEAP_SEGMENT_SHIFT;
    uint64_t end;
    PAT_TRY(section_begin(s, PAT_SECTION_HEAP));
    PAT_TRY(get(s, &end, sizeof end));
    if (end > bytes_left(s) || end > PAT_HEAP_SEGMENTS_MAX * segment_bytes) return senseless(s);
    for (uint64_t at = 0; at < end; at += segment_bytes) {
        uint32_t here = end - at < segment_bytes ? (uint32_t)(end - at) : (uint32_t)segment_bytes;
        PAT_TRY(get(s, load->scratch, here));
        pat_heap_restore(&load->store->heap, load->scratch, here);
    }
    return PAT_OK;
}

/* What a TABLE section begins with. */
struct table_head {
    uint32_t id, rows, own_columns, attributes, shift, dicts;
};

static enum pat_status get_attribute(struct source *s, struct load *load, enum pat_table_id id) {
    struct pat_attribute attribute = {.table = id};
    uint8_t type, length;
    char word[UINT8_MAX];
    bool known;
    PAT_TRY(get(s, &type, sizeof type));
    PAT_TRY(get(s, &length, sizeof length));
    PAT_TRY(get(s, word, length));
    attribute.type = (enum pat_type)type;
    if (pat_attribute_type_name(attribute.type) == NULL ||
        !pat_attribute_set_name(&attribute, (struct pat_text){word, length}) ||
        pat_store_judge_attribute(load->store, &attribute, &known, NULL) != PAT_OK || known) {
        return senseless(s);
    }
    pat_store_add_attribute(load->store, &attribute);
    return PAT_OK;
}

static enum pat_status get_dict(struct source *s, struct load *load, const struct table_head *head,
                                struct pat_table *table) {
    uint32_t column, count;
    PAT_TRY(get(s, &column, sizeof column));
    PAT_TRY(get(s, &count, sizeof count));
    /* A table may have got columns of its own since. */
    if (column >= head->own_columns + head->attributes) return senseless(s);
    if (column >= head->own_columns) column += table->schema->own_columns - head->own_columns;
    if (table->dict[column] == NULL || table->dict[column]->count != 0 ||
        (unsigned)table->schema->field[column].dict_as != column || count > bytes_left(s) / sizeof(uint64_t)) {
        return senseless(s);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t place;
        PAT_TRY(get(s, &place, sizeof place));
        if (!pat_heap_holds(&load->store->heap, place)) return senseless(s);
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

static enum pat_status get_chunk(struct source *s, struct load *load, struct pat_column *column, uint32_t rows) {
    uint8_t width;
    int64_t base;
    PAT_TRY(get(s, &width, sizeof width));
    PAT_TRY(get(s, &base, sizeof base));
    if (width > PAT_WIDTH_PACKED || (width & (width - 1)) != 0) return senseless(s);
    const size_t bytes = pat_chunk_bytes(width, base, rows);
    if ((bytes > load->scratch_bytes && width != PAT_WIDTH_PACKED) || bytes > bytes_left(s)) return senseless(s);
    if (chunk_is_safe(width, base)) {
        unsigned char *data = pat_column_restore_open(column, width, base, rows);
        return data != NULL ? get_later(s, data, bytes) : senseless(s);
    }
    PAT_TRY(get(s, load->scratch, bytes));
    if (!chunk_holds(width, base, rows, load->scratch)) return senseless(s);
    return pat_column_restore(column, width, base, rows, load->scratch) ? PAT_OK : senseless(s);
}

/* `stored`: false for a column that was added after the snapshot was written; it is null everywhere. */
static enum pat_status get_column(struct source *s, struct load *load, struct pat_column *column, pat_row rows,
                                  bool stored) {
    uint32_t chunk_rows = 1u << column->shift;
    for (uint64_t first = 0; first < rows; first += chunk_rows) {
        uint32_t here = rows - first < chunk_rows ? (uint32_t)(rows - first) : chunk_rows;
        if (stored) {
            PAT_TRY(get_chunk(s, load, column, here));
        } else if (!pat_column_restore(column, 0, PAT_NULL, here, NULL)) {
            return senseless(s);
        }
    }
    return PAT_OK;
}

static enum pat_status get_table(struct source *s, struct load *load, uint32_t id) {
    struct pat_table *table = &load->store->table[id];
    struct table_head head;
    PAT_TRY(section_begin(s, PAT_SECTION_TABLE));
    PAT_TRY(get(s, &head, sizeof head));
    if (head.id != id || head.own_columns > table->schema->own_columns || head.attributes > PAT_ATTRIBUTES_MAX) {
        return senseless(s);
    }
    const uint32_t columns = head.own_columns + head.attributes;
    if (head.shift != table->column[0].shift)
        return fail(s, block_offset(s), "was written with chunks of another size");
    /* Nine bytes for each chunk of each column are the least. */
    uint64_t chunks = (((uint64_t)head.rows + (1u << head.shift) - 1) >> head.shift) * columns;
    if (head.rows > PAT_TABLE_ROWS_MAX || chunks > bytes_left(s) / 9 || (head.rows > 0 && head.own_columns == 0) ||
        head.dicts > columns) {
        return senseless(s);
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
static enum pat_status get_run(struct source *s, uint64_t bytes, unsigned char **out) {
    if (bytes > bytes_left(s)) return senseless(s);
    *out = pat_mem_alloc(PAT_MEM_SNAPSHOT, (size_t)bytes);
    if (*out == NULL)
        return pat_error_set(s->error, PAT_ERR_NO_MEMORY, "%s: no memory to read %" PRIu64 " bytes", s->name, bytes);
    enum pat_status status = get(s, *out, (size_t)bytes);
    if (status != PAT_OK) pat_mem_free(PAT_MEM_SNAPSHOT, *out);
    return status;
}

static enum pat_status get_producers(struct source *s, struct load *load) {
    uint64_t bytes;
    unsigned char *run;
    PAT_TRY(section_begin(s, PAT_SECTION_PRODUCERS));
    PAT_TRY(get(s, &bytes, sizeof bytes));
    PAT_TRY(get_run(s, bytes, &run));
    struct pat_reader reader = {.at = run, .end = run + bytes};
    enum pat_status status = pat_producers_read(&load->store->producers, &reader);
    if (status == PAT_ERR_CORRUPT || (status == PAT_OK && pat_reader_left(&reader) != 0)) status = senseless(s);
    pat_mem_free(PAT_MEM_SNAPSHOT, run);
    return status;
}

static enum pat_status get_map(struct source *s, struct load *load) {
    uint32_t bytes;
    unsigned char *run;
    PAT_TRY(get(s, &bytes, sizeof bytes));
    PAT_TRY(get_run(s, bytes, &run));
    struct pat_rfm_map map;
    struct pat_reader reader = {.at = run, .end = run + bytes};
    enum pat_status status = pat_codec__map_read(&map, &reader);
    pat_mem_free(PAT_MEM_SNAPSHOT, run);
    if (status != PAT_OK || pat_store_save_map(load->store, &map, NULL) != PAT_OK) return senseless(s);
    return PAT_OK;
}

static enum pat_status get_maps(struct source *s, struct load *load) {
    uint32_t count;
    PAT_TRY(section_begin(s, PAT_SECTION_MAPS));
    PAT_TRY(get(s, &count, sizeof count));
    if (count > PAT_RFM_MAPS_MAX) return senseless(s);
    for (uint32_t i = 0; i < count; i++) PAT_TRY(get_map(s, load));
    return PAT_OK;
}

/* A fit, or without one the terms. */
static enum pat_status get_coded(struct source *s, struct pat_clv_fit *fit, struct pat_clv_use *use) {
    uint32_t bytes;
    unsigned char *run;
    PAT_TRY(get(s, &bytes, sizeof bytes));
    PAT_TRY(get_run(s, bytes, &run));
    struct pat_reader reader = {.at = run, .end = run + bytes};
    enum pat_status status = fit != NULL ? pat_codec__fit_read(fit, &reader) : pat_codec__use_read(use, &reader);
    if (status == PAT_OK && pat_reader_left(&reader) != 0) status = PAT_ERR_CORRUPT;
    pat_mem_free(PAT_MEM_SNAPSHOT, run);
    return status == PAT_OK ? PAT_OK : senseless(s);
}

static enum pat_status get_fits(struct source *s, struct load *load) {
    struct pat_clv_fit fit;
    struct pat_clv_use use;
    uint32_t count;
    uint8_t used;
    PAT_TRY(get(s, &count, sizeof count));
    if (count > PAT_FITS_MAX) return senseless(s);
    for (uint32_t i = 0; i < count; i++) {
        PAT_TRY(get_coded(s, &fit, NULL));
        if (pat_store_save_fit(load->store, &fit, PAT_CLV_ADOPT_NO, NULL) != PAT_OK) return senseless(s);
    }
    PAT_TRY(get(s, &used, sizeof used));
    if (used > 1) return senseless(s);
    if (used != 0) PAT_TRY(get_coded(s, &fit, NULL));
    PAT_TRY(get_coded(s, NULL, &use));
    pat_store_restore_use(load->store, used != 0 ? &fit : NULL, &use);
    return PAT_OK;
}

/* The section that has just begun. */
static enum pat_status get_footer(struct source *s, struct load *load) {
    if (s->section != PAT_SECTION_FOOTER) return fail(s, block_offset(s), "belongs to another section");
    const unsigned char *payload = s->block + PAT_BLOCK_HEADER_BYTES;
    struct pat_reader reader = {.at = payload, .end = payload + s->length};
    load->totals = pat_manifest__totals_read(&reader);
    s->used = s->length;
    return reader.bad || pat_reader_left(&reader) != 0 ? senseless(s) : PAT_OK;
}

static enum pat_status get_all(struct source *s, struct load *load) {
    PAT_TRY(get_settings(s, load));
    PAT_TRY(get_heap(s, load));
    for (uint32_t t = 0; t < PAT_TABLES; t++) PAT_TRY(get_table(s, load, t));
    PAT_TRY(get_producers(s, load));
    PAT_TRY(get_maps(s, load));
    PAT_TRY(section_next(s));
    if (s->section == PAT_SECTION_FITS) {
        PAT_TRY(get_fits(s, load));
        PAT_TRY(section_next(s));
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
static enum pat_status close_chunks(struct source *s, struct load *load) {
    copies_do(s);
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        struct closing closing = {.table = &load->store->table[t]};
        const uint64_t rows = closing.table->rows, chunk_rows = (uint64_t)1 << closing.table->column[0].shift;
        pat_spread_run(s->spread, close_part, &closing, (uint32_t)((rows + chunk_rows - 1) / chunk_rows));
        if (closing.senseless) return senseless(s);
    }
    return PAT_OK;
}

static enum pat_status load_sections(struct source *s, void *context) {
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
    struct source source = {.fs = fs, .spread = spread, .error = error};
    struct load load = {.settings = settings, .entry = entry, .store = store};
    PAT_TRY(with_source(&source, entry, &load, load_sections));
    struct pat_error why = {0};
    enum pat_status status = pat_store_rebuild_begin(store, spread, &why);
    if (status != PAT_OK) {
        return pat_error_set_at(error, status, source.name, -1, -1, "%s: %s", source.name, why.message);
    }
    return totals_check(&load, spread, source.name, error);
}
