#include "persist/inspect.h"

#include "base/arena.h"
#include "base/mem.h"
#include "model/currency.h"
#include "model/decimal.h"
#include "persist/bytes_private.h"
#include "persist/codec_private.h"
#include "persist/crew_private.h"
#include "persist/file_private.h"
#include "persist/persist_private.h"
#include "persist/snapshot_private.h"

#include <inttypes.h>
#include <string.h>

/* Magic and version stand in front in every kind of file. */
#define VERSION_OFFSET 8u

struct inspector {
    struct pat_persist *persist;
    const struct pat_inspection *inspection;
    struct pat_inspected_file *file; /* being looked at */
    struct pat_inspected_money *orders, *refunds;
};

/* ---- money ------------------------------------------------------------------------------------------------------ */

static void money_clear(struct inspector *in) {
    memset(in->orders, 0, pat_currency_count * sizeof *in->orders);
    memset(in->refunds, 0, pat_currency_count * sizeof *in->refunds);
}

static void money_add(struct pat_inspected_money *money, int64_t minor) {
    money->rows++;
    if (!__builtin_add_overflow(money->amount_minor, minor, &money->amount_minor)) {
        if (money->amount_minor == PAT_NULL) money->amount_minor = -INT64_MAX;
        return;
    }
    money->amount_minor = minor > 0 ? INT64_MAX : -INT64_MAX;
}

/* ---- the contents of a snapshot --------------------------------------------------------------------------------- */

/* Columns of the two tables that have amounts. */
struct money_columns {
    unsigned amount, currency, deleted;
};
static const struct money_columns order_columns = {PAT_ORDER_AMOUNT, PAT_ORDER_CURRENCY, PAT_ORDER_DELETED};
static const struct money_columns refund_columns = {PAT_REFUND_AMOUNT, PAT_REFUND_CURRENCY, PAT_REFUND_DELETED};

/* Of each code of the currency column's dictionary, its place in pat_currencies. NULL without memory. */
static int *currency_places(const struct pat_dict *dict) {
    int *place = pat_mem_alloc(PAT_MEM_OTHER, ((size_t)dict->count + 1) * sizeof *place);
    for (uint32_t code = 0; place != NULL && code < dict->count; code++) {
        place[code] = pat_currency_find(pat_dict_text(dict, code));
    }
    return place;
}

static enum pat_status table_money(const struct pat_store *store, enum pat_table_id id,
                                   const struct money_columns *columns, struct pat_inspected_money *money) {
    const struct pat_table *table = &store->table[id];
    int *place = currency_places(table->dict[columns->currency]);
    if (place == NULL) return PAT_ERR_NO_MEMORY;
    for (pat_row row = 0; row < table->rows; row++) {
        const int64_t amount = pat_table_get(table, columns->amount, row);
        const int64_t code = pat_table_get(table, columns->currency, row);
        if (amount == PAT_NULL || code == PAT_NULL || pat_table_get(table, columns->deleted, row) == 1) continue;
        if (id == PAT_ORDERS && pat_table_get(table, PAT_ORDER_STATE, row) != PAT_ORDER_PRESENT) continue;
        if (place[code] >= 0) money_add(&money[place[code]], amount);
    }
    pat_mem_free(PAT_MEM_OTHER, place);
    return PAT_OK;
}

static enum pat_status store_look(const struct inspector *in, const struct pat_store *store) {
    for (unsigned t = 0; t < PAT_TABLES; t++) in->file->rows[t] = store->table[t].rows;
    PAT_TRY(table_money(store, PAT_ORDERS, &order_columns, in->orders));
    return table_money(store, PAT_REFUNDS, &refund_columns, in->refunds);
}

static enum pat_status snapshot_contents(const struct inspector *in, const struct pat_generation_entry *entry,
                                         const struct pat_spread *spread, struct pat_error *error) {
    const struct pat_settings *settings = &in->persist->manifest->settings;
    const struct pat_store_options options = {.base_currency = settings->base_currency,
                                              .entropy = &in->persist->options.seed,
                                              .entropy_bytes = sizeof in->persist->options.seed};
    struct pat_store *store = NULL;
    PAT_TRY(pat_store_open(&store, &options, error));
    enum pat_status status = pat_snapshot__load(in->persist->fs, settings, entry, store, spread, error);
    if (status == PAT_OK && store_look(in, store) != PAT_OK) {
        status = pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to add up %s", in->file->name);
    }
    in->file->contents = status == PAT_OK;
    pat_store_close(&store);
    return status;
}

/* ---- the contents of a journal file ----------------------------------------------------------------------------- */

static bool minor_of(const struct pat_batch_column *amount, uint32_t row, unsigned digits, int64_t *minor) {
    *minor = amount->value[row];
    return !amount->decimal || pat_decimal_to_minor_rounded(amount->value[row], digits, minor);
}

static void batch_money(const struct pat_batch *batch, int amount_field, int currency_field,
                        struct pat_inspected_money *money) {
    const struct pat_batch_column *amount = pat_batch_find(batch, amount_field);
    const struct pat_batch_column *currency = pat_batch_find(batch, currency_field);
    if (amount == NULL || currency == NULL) return;
    for (uint32_t row = 0; row < batch->rows; row++) {
        const int64_t code = currency->value[row];
        int64_t minor;
        if (amount->value[row] == PAT_NULL || code < 0 || code >= currency->dict_count) continue;
        const int place = pat_currency_find(currency->dict[code]);
        if (place < 0 || !minor_of(amount, row, pat_currencies[place].digits, &minor)) continue;
        money_add(&money[place], minor);
    }
}

static void entry_look(const struct inspector *in, const struct pat_entry *entry) {
    if (entry->kind != PAT_ENTRY_BATCH) return;
    const struct pat_batch *batch = entry->batch;
    in->file->rows[batch->table] += batch->rows;
    if (batch->table == PAT_ORDERS) batch_money(batch, PAT_ORDER_AMOUNT, PAT_ORDER_CURRENCY, in->orders);
    if (batch->table == PAT_REFUNDS) batch_money(batch, PAT_REFUND_AMOUNT, PAT_REFUND_CURRENCY, in->refunds);
}

static enum pat_status record_decode(struct pat_decoded *decoded, const unsigned char *payload, size_t bytes,
                                     struct pat_arena *arena, const char *file, uint64_t offset,
                                     struct pat_error *error) {
    struct pat_reader reader = {.at = payload, .end = payload + bytes};
    enum pat_status status = pat_codec__entry_read(decoded, &reader, arena);
    if (status == PAT_OK) return PAT_OK;
    return pat_error_set_at(
        error, status, file, -1, (int64_t)offset, "%s: record at offset %" PRIu64 ": %s", file, offset,
        status == PAT_ERR_NO_MEMORY ? "no memory to read it" : "its checksum holds, but its content makes no sense");
}

static enum pat_status record_look(void *context, pat_lsn lsn, const unsigned char *payload, size_t bytes,
                                   uint64_t offset, struct pat_error *error) {
    struct inspector *in = context;
    struct pat_decoded decoded;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    enum pat_status status = record_decode(&decoded, payload, bytes, &arena, in->file->name, offset, error);
    if (status == PAT_OK) {
        decoded.entry.lsn = lsn;
        in->file->last_lsn = lsn;
        entry_look(in, &decoded.entry);
        const struct pat_inspected_record record = {
            in->file->name, offset, bytes + pat_journal__header_bytes(in->file->version), &decoded.entry};
        if (in->inspection->record_cb != NULL) {
            status = in->inspection->record_cb(in->inspection->context, &record, error);
        }
    }
    pat_arena_deinit(&arena);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* Size and version of the file, whatever else is in it. */
static void file_begin(struct inspector *in, struct pat_inspected_file *file, enum pat_inspected_kind kind,
                       const char *name) {
    struct pat_fs *fs = in->persist->fs;
    struct pat_file *open;
    unsigned char head[VERSION_OFFSET + 4];
    size_t got;
    *file = (struct pat_inspected_file){.kind = kind, .first_lsn = 1, .orders = in->orders, .refunds = in->refunds};
    (void)pat_text_printable(pat_text_of(name), file->name, sizeof file->name);
    in->file = file;
    money_clear(in);
    if (fs->ops->file_open(fs, &open, name, PAT_FILE_READ, NULL) != PAT_OK) return;
    (void)!open->ops->file_size(open, &file->bytes, NULL);
    if (kind != PAT_INSPECTED_STRANGE && open->ops->file_read_at(open, 0, head, sizeof head, &got, NULL) == PAT_OK &&
        got == sizeof head) {
        file->version = pat_get_u32(head + VERSION_OFFSET);
    }
    open->ops->file_close(&open);
}

static void file_end(const struct inspector *in) {
    in->inspection->file_cb(in->inspection->context, in->file);
}

static void look_at_manifest(struct inspector *in) {
    const struct pat_manifest *manifest = in->persist->manifest;
    struct pat_inspected_file file;
    file_begin(in, &file, PAT_INSPECTED_MANIFEST, PAT_MANIFEST_NAME);
    file.parts = manifest->generations + manifest->journals;
    file_end(in);
}

static enum pat_status look_at_snapshot(struct inspector *in, const struct pat_generation_entry *entry,
                                        const struct pat_spread *spread, struct pat_error *error) {
    char name[PAT_FILE_NAME_BYTES];
    struct pat_inspected_file file;
    pat_file__name(PAT_FILE_SNAPSHOT, entry->number, name);
    file_begin(in, &file, PAT_INSPECTED_SNAPSHOT, name);
    file.last_lsn = entry->lsn;
    file.status = pat_snapshot__verify(in->persist->fs, entry, spread, &file.parts, &file.error);
    if (file.status == PAT_OK && in->inspection->contents) {
        file.status = snapshot_contents(in, entry, spread, &file.error);
    }
    if (pat_fs_is_later(file.status)) return pat_error_set(error, file.status, "%s", file.error.message);
    if (file.status != PAT_OK) {
        file.lost_first = 1;
        file.lost_last = entry->lsn;
        for (unsigned t = 0; t < PAT_TABLES; t++) file.lost_rows += (int64_t)entry->totals.rows[t];
    }
    file_end(in);
    return PAT_OK;
}

static void note_mark(struct pat_inspected_file *file, const struct pat_journal_found *found) {
    file->status =
        pat_error_set_at(&file->error, PAT_ERR_CORRUPT, file->name, -1, (int64_t)found->mark.offset,
                         "%s: damaged mark at offset %" PRIu64
                         "; no batch is lost: the power failed while it was written, or the disk changes what it holds",
                         file->name, found->mark.offset);
}

static void note_lost(struct pat_inspected_file *file, const struct pat_journal_entry *entry, pat_lsn proven) {
    const pat_lsn last = entry->closed ? entry->end.lsn : proven;
    file->lost_first = file->last_lsn + 1;
    file->lost_last = last > file->last_lsn ? last : file->lost_first;
    file->lost_rows = -1;
}

static enum pat_status look_at_journal(struct inspector *in, const struct pat_journal_entry *entry,
                                       struct pat_error *error) {
    char name[PAT_FILE_NAME_BYTES];
    struct pat_inspected_file file;
    struct pat_journal_found found;
    struct pat_error why = {0};
    const struct pat_watermark proven = pat_manifest__proven(in->persist->manifest);
    pat_file__name(PAT_FILE_JOURNAL, entry->number, name);
    file_begin(in, &file, PAT_INSPECTED_JOURNAL, name);
    file.first_lsn = entry->first_lsn;
    file.last_lsn = entry->first_lsn - 1;
    file.contents = true;
    const struct pat_journal_scan scan = {.fs = in->persist->fs,
                                          .entry = *entry,
                                          .bytes_max = UINT64_MAX,
                                          .proven = proven,
                                          .record_cb = record_look,
                                          .context = in};
    file.status = pat_journal__scan(&scan, &found, &why);
    file.parts = found.records;
    file.used_bytes = found.end.offset;
    file.torn_bytes = found.torn_bytes;
    if (file.status != PAT_OK && file.status != PAT_ERR_CORRUPT) {
        return pat_error_set_at(error, file.status, why.field, -1, why.offset, "%s", why.message);
    }
    file.error = why;
    if (file.status != PAT_OK) note_lost(&file, entry, proven.lsn);
    if (file.status == PAT_OK && found.marks_damaged > 0) note_mark(&file, &found);
    file_end(in);
    return PAT_OK;
}

/* ---- the directory ---------------------------------------------------------------------------------------------- */

static bool is_named(const struct pat_manifest *manifest, const char *name) {
    enum pat_file_kind kind;
    uint64_t number;
    if (!pat_file__name_parse(name, &kind, &number)) return strcmp(name, PAT_MANIFEST_NAME) == 0;
    return pat_manifest__names(manifest, kind, number);
}

static void look_at_other(void *context, const char *name) {
    struct inspector *in = context;
    struct pat_inspected_file file;
    if (is_named(in->persist->manifest, name) || pat_space__is_own(name)) return;
    file_begin(in, &file, PAT_INSPECTED_STRANGE, name);
    file_end(in);
}

static enum pat_status look_at_all(struct inspector *in, const struct pat_spread *spread, struct pat_error *error) {
    const struct pat_manifest *manifest = in->persist->manifest;
    look_at_manifest(in);
    for (uint32_t i = 0; i < manifest->generations; i++) {
        PAT_TRY(look_at_snapshot(in, &manifest->generation[i], spread, error));
    }
    for (uint32_t i = 0; i < manifest->journals; i++) PAT_TRY(look_at_journal(in, &manifest->journal[i], error));
    return in->persist->fs->ops->list(in->persist->fs, in, error, look_at_other);
}

enum pat_status pat_persist_inspect(struct pat_persist *persist, const struct pat_inspection *inspection,
                                    struct pat_error *error) {
    PAT_ASSERT(!persist->started);
    struct inspector in = {.persist = persist, .inspection = inspection};
    const size_t bytes = pat_currency_count * sizeof *in.orders;
    in.orders = pat_mem_alloc(PAT_MEM_OTHER, 2 * bytes);
    if (in.orders == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to inspect the directory");
    in.refunds = in.orders + pat_currency_count;
    struct pat_crew *crew = pat_crew__open();
    const enum pat_status status = look_at_all(&in, pat_crew__spread(crew), error);
    pat_crew__close(crew);
    pat_mem_free(PAT_MEM_OTHER, in.orders);
    return status;
}

struct pat_persist_state pat_persist_state(const struct pat_persist *persist) {
    return (struct pat_persist_state){persist->manifest->clean, persist->manifest->sync};
}
