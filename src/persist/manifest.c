#include "persist/manifest_private.h"

#include "base/buf.h"
#include "base/mem.h"
#include "persist/bytes_private.h"
#include "persist/file_private.h"

#include <string.h>

#define MAGIC          "PATMNFT\n"
#define TMP_NAME       PAT_MANIFEST_NAME ".tmp"
#define VERSION_OFFSET 8u
#define DIGEST_OFFSET  16u
#define CONTENT_OFFSET 32u
/* Every list full is well below this; more is no manifest. */
#define BYTES_MAX      ((size_t)1 << 20)
#define ZONE_BYTES     64u
#define CURRENCY_BYTES 4u

_Static_assert(sizeof((struct pat_settings){0}.zone) == ZONE_BYTES, "part of the format");
_Static_assert(sizeof((struct pat_settings){0}.base_currency) == CURRENCY_BYTES, "part of the format");

/* ---- totals ----------------------------------------------------------------------------------------------------- */

enum pat_status pat_manifest__totals_write(const struct pat_totals *totals, struct pat_buf *out) {
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        PAT_TRY(pat_buf_append_u64(out, totals->rows[t]));
        PAT_TRY(pat_buf_append_u64(out, totals->money[t]));
    }
    const struct pat_counts *counts = &totals->counts;
    PAT_TRY(pat_buf_append_u64(out, counts->customers));
    PAT_TRY(pat_buf_append_u64(out, counts->orders));
    PAT_TRY(pat_buf_append_u64(out, counts->lines));
    PAT_TRY(pat_buf_append_u64(out, counts->refunds));
    PAT_TRY(pat_buf_append_u64(out, counts->pending_refunds));
    PAT_TRY(pat_buf_append_u64(out, counts->unpriced));
    PAT_TRY(pat_buf_append_u64(out, counts->fx));
    return pat_buf_append_u32(out, (uint32_t)counts->newest_fact);
}

struct pat_totals pat_manifest__totals_read(struct pat_reader *reader) {
    struct pat_totals totals = {0};
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        totals.rows[t] = pat_read_u64(reader);
        totals.money[t] = pat_read_u64(reader);
    }
    totals.counts.customers = pat_read_u64(reader);
    totals.counts.orders = pat_read_u64(reader);
    totals.counts.lines = pat_read_u64(reader);
    totals.counts.refunds = pat_read_u64(reader);
    totals.counts.pending_refunds = pat_read_u64(reader);
    totals.counts.unpriced = pat_read_u64(reader);
    totals.counts.fx = pat_read_u64(reader);
    totals.counts.newest_fact = (pat_day)pat_read_u32(reader);
    return totals;
}

bool pat_manifest__totals_equal(const struct pat_totals *a, const struct pat_totals *b) {
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        if (a->rows[t] != b->rows[t] || a->money[t] != b->money[t]) return false;
    }
    const struct pat_counts *x = &a->counts, *y = &b->counts;
    return x->customers == y->customers && x->orders == y->orders && x->lines == y->lines && x->refunds == y->refunds &&
           x->pending_refunds == y->pending_refunds && x->unpriced == y->unpriced && x->fx == y->fx &&
           x->newest_fact == y->newest_fact;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static enum pat_status digest_write(struct pat_buf *out, struct pat_digest digest) {
    PAT_TRY(pat_buf_append_u64(out, digest.low));
    return pat_buf_append_u64(out, digest.high);
}

static enum pat_status generation_write(struct pat_buf *out, const struct pat_generation_entry *entry) {
    PAT_TRY(pat_buf_append_u64(out, entry->number));
    PAT_TRY(pat_buf_append_u64(out, entry->lsn));
    PAT_TRY(pat_buf_append_u64(out, entry->bytes));
    PAT_TRY(pat_buf_append_u64(out, (uint64_t)entry->saved_ms));
    PAT_TRY(digest_write(out, entry->id));
    PAT_TRY(digest_write(out, entry->chain));
    PAT_TRY(pat_manifest__totals_write(&entry->totals, out));
    return pat_buf_append_u64(out, entry->journal_rows);
}

static enum pat_status journal_write(struct pat_buf *out, const struct pat_journal_entry *entry) {
    PAT_TRY(pat_buf_append_u64(out, entry->number));
    PAT_TRY(digest_write(out, entry->id));
    PAT_TRY(pat_buf_append_u64(out, entry->first_lsn));
    PAT_TRY(pat_buf_append_u8(out, entry->closed));
    PAT_TRY(pat_buf_append_u64(out, entry->end.offset));
    PAT_TRY(pat_buf_append_u64(out, entry->end.lsn));
    PAT_TRY(digest_write(out, entry->end.chain));
    PAT_TRY(pat_buf_append_u64(out, entry->first_rows));
    PAT_TRY(pat_buf_append_u64(out, entry->bytes));
    return pat_buf_append_u64(out, entry->end.rows);
}

enum pat_status pat_manifest__bytes(const struct pat_manifest *manifest, struct pat_buf *out) {
    static const unsigned char zeros[CONTENT_OFFSET];
    PAT_TRY(pat_buf_append(out, zeros, sizeof zeros));
    PAT_TRY(pat_buf_append(out, manifest->settings.zone, ZONE_BYTES));
    PAT_TRY(pat_buf_append(out, manifest->settings.base_currency, CURRENCY_BYTES));
    PAT_TRY(pat_buf_append_u64(out, manifest->settings.epoch));
    PAT_TRY(pat_buf_append_u8(out, manifest->clean));
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)manifest->sync));
    PAT_TRY(pat_buf_append_u64(out, manifest->durable.lsn));
    PAT_TRY(pat_buf_append_u64(out, manifest->durable.rows));
    PAT_TRY(pat_buf_append_u64(out, manifest->next_generation));
    PAT_TRY(pat_buf_append_u64(out, manifest->next_journal));
    PAT_TRY(pat_buf_append_u32(out, manifest->generations));
    PAT_TRY(pat_buf_append_u32(out, manifest->journals));
    for (uint32_t i = 0; i < manifest->generations; i++) PAT_TRY(generation_write(out, &manifest->generation[i]));
    for (uint32_t i = 0; i < manifest->journals; i++) PAT_TRY(journal_write(out, &manifest->journal[i]));
    memcpy(out->data, MAGIC, 8);
    pat_put_u32(out->data + VERSION_OFFSET, PAT_MANIFEST_VERSION);
    pat_put_u32(out->data + 12, (uint32_t)out->length);
    pat_put_digest(out->data + DIGEST_OFFSET, pat_digest_of(out->data, out->length));
    return PAT_OK;
}

static enum pat_status tmp_write(struct pat_fs *fs, const struct pat_buf *bytes, struct pat_error *error) {
    struct pat_file *file;
    /* One that a crash left behind; if it cannot be removed, creating it anew fails and says so. */
    (void)fs->ops->remove(fs, TMP_NAME, NULL);
    PAT_TRY(fs->ops->file_open(fs, &file, TMP_NAME, PAT_FILE_CREATE, error));
    enum pat_status status = file->ops->file_write_at(file, 0, bytes->data, bytes->length, error);
    if (status == PAT_OK) status = file->ops->file_sync(file, error);
    file->ops->file_close(&file);
    return status;
}

/* Whether the old or the new one is in force after a failure decides if the journal may go on. */
enum pat_status pat_manifest__write(const struct pat_manifest *manifest, struct pat_fs *fs, bool *replaced,
                                    struct pat_error *error) {
    struct pat_buf bytes;
    pat_buf_init(&bytes, PAT_MEM_OTHER);
    *replaced = false;
    enum pat_status status = pat_manifest__bytes(manifest, &bytes);
    if (status != PAT_OK) {
        (void)pat_error_set(error, status, "no memory to write the manifest");
        goto done;
    }
    status = tmp_write(fs, &bytes, error);
    if (status != PAT_OK) goto done;
    *replaced = true;
    status = fs->ops->rename(fs, TMP_NAME, PAT_MANIFEST_NAME, error);
    if (status == PAT_OK) status = fs->ops->sync_dir(fs, error);
done:
    pat_buf_deinit(&bytes);
    return status;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static struct pat_digest digest_read(struct pat_reader *reader) {
    uint64_t low = pat_read_u64(reader);
    return (struct pat_digest){low, pat_read_u64(reader)};
}

static void generation_read(struct pat_generation_entry *entry, struct pat_reader *reader, uint32_t version) {
    *entry = (struct pat_generation_entry){.number = pat_read_u64(reader)};
    entry->lsn = pat_read_u64(reader);
    entry->bytes = pat_read_u64(reader);
    entry->saved_ms = (int64_t)pat_read_u64(reader);
    entry->id = digest_read(reader);
    entry->chain = digest_read(reader);
    entry->totals = pat_manifest__totals_read(reader);
    entry->journal_rows = version >= 3 ? pat_read_u64(reader) : PAT_ROWS_UNKNOWN;
}

static void journal_read(struct pat_journal_entry *entry, struct pat_reader *reader, uint32_t version) {
    *entry = (struct pat_journal_entry){.number = pat_read_u64(reader)};
    entry->id = digest_read(reader);
    entry->first_lsn = pat_read_u64(reader);
    entry->closed = pat_read_u8(reader) != 0;
    entry->end.offset = pat_read_u64(reader);
    entry->end.lsn = pat_read_u64(reader);
    entry->end.chain = digest_read(reader);
    entry->first_rows = version >= 3 ? pat_read_u64(reader) : PAT_ROWS_UNKNOWN;
    entry->bytes = version >= 3 ? pat_read_u64(reader) : 0;
    entry->end.rows = version >= 3 ? pat_read_u64(reader) : PAT_ROWS_UNKNOWN;
}

static bool settings_read(struct pat_settings *settings, struct pat_reader *reader) {
    const unsigned char *zone = pat_read_bytes(reader, ZONE_BYTES);
    const unsigned char *currency = pat_read_bytes(reader, CURRENCY_BYTES);
    settings->epoch = pat_read_u64(reader);
    if (reader->bad) return false;
    memcpy(settings->zone, zone, ZONE_BYTES);
    memcpy(settings->base_currency, currency, CURRENCY_BYTES);
    return settings->zone[ZONE_BYTES - 1] == '\0' && settings->base_currency[CURRENCY_BYTES - 1] == '\0';
}

static bool content_read(struct pat_manifest *out, struct pat_reader *reader, uint32_t version) {
    if (!settings_read(&out->settings, reader)) return false;
    out->clean = pat_read_u8(reader) != 0;
    uint8_t sync = pat_read_u8(reader);
    out->sync = (enum pat_sync)sync;
    out->durable.lsn = pat_read_u64(reader);
    out->durable.rows = version >= 3 ? pat_read_u64(reader) : PAT_ROWS_UNKNOWN;
    out->next_generation = pat_read_u64(reader);
    out->next_journal = pat_read_u64(reader);
    out->generations = pat_read_u32(reader);
    out->journals = pat_read_u32(reader);
    if (reader->bad || sync > PAT_SYNC_NEVER || out->generations > PAT_MANIFEST_GENERATIONS_MAX ||
        out->journals > PAT_MANIFEST_JOURNALS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < out->generations; i++) generation_read(&out->generation[i], reader, version);
    for (uint32_t i = 0; i < out->journals; i++) journal_read(&out->journal[i], reader, version);
    return !reader->bad && pat_reader_left(reader) == 0;
}

/* Files link up: numbers rise, each journal starts where the one before ended. */
static bool lists_hold(const struct pat_manifest *manifest) {
    if (manifest->generations > 0 && manifest->journals == 0) return false;
    for (uint32_t i = 0; i < manifest->generations; i++) {
        const struct pat_generation_entry *entry = &manifest->generation[i];
        if (entry->number >= manifest->next_generation) return false;
        if (i > 0 && (entry->number >= entry[-1].number || entry->lsn > entry[-1].lsn)) return false;
    }
    for (uint32_t i = 0; i < manifest->journals; i++) {
        const struct pat_journal_entry *entry = &manifest->journal[i];
        if (entry->number >= manifest->next_journal || entry->first_lsn == 0) return false;
        if (entry->closed != (i + 1 < manifest->journals)) return false;
        if (entry->closed && entry->end.lsn + 1 < entry->first_lsn) return false;
        if (i > 0 && (entry->number <= entry[-1].number || entry->first_lsn != entry[-1].end.lsn + 1)) return false;
    }
    return true;
}

struct pat_watermark pat_manifest__proven(const struct pat_manifest *manifest) {
    struct pat_watermark proven = manifest->durable;
    for (uint32_t i = 0; i < manifest->generations; i++) {
        const struct pat_generation_entry *entry = &manifest->generation[i];
        if (entry->lsn > proven.lsn) proven = (struct pat_watermark){entry->lsn, entry->journal_rows};
    }
    return proven;
}

bool pat_manifest__names(const struct pat_manifest *manifest, enum pat_file_kind kind, uint64_t number) {
    for (uint32_t i = 0; kind == PAT_FILE_SNAPSHOT && i < manifest->generations; i++) {
        if (manifest->generation[i].number == number) return true;
    }
    for (uint32_t i = 0; kind == PAT_FILE_JOURNAL && i < manifest->journals; i++) {
        if (manifest->journal[i].number == number) return true;
    }
    return false;
}

static enum pat_status fail_manifest(struct pat_error *error, int64_t offset, const char *why) {
    return pat_error_set_at(
        error, PAT_ERR_CORRUPT, PAT_MANIFEST_NAME, -1, offset,
        PAT_MANIFEST_NAME ": %s (offset %lld); it says which files hold the data, so none of them is read; restore the "
                          "directory from a backup",
        why, (long long)offset);
}

static enum pat_status manifest_decode(struct pat_manifest *out, unsigned char *bytes, size_t count,
                                       struct pat_error *error) {
    if (count < CONTENT_OFFSET) return fail_manifest(error, (int64_t)count, "ends inside its header");
    struct pat_digest stored = pat_get_digest(bytes + DIGEST_OFFSET);
    memset(bytes + DIGEST_OFFSET, 0, CONTENT_OFFSET - DIGEST_OFFSET);
    if (!pat_digest_equal(stored, pat_digest_of(bytes, count))) {
        return fail_manifest(error, DIGEST_OFFSET, "its checksum does not match");
    }
    if (memcmp(bytes, MAGIC, 8) != 0) return fail_manifest(error, 0, "is not a manifest");
    const uint32_t version = pat_get_u32(bytes + VERSION_OFFSET);
    if (version < PAT_MANIFEST_VERSION_OLDEST || version > PAT_MANIFEST_VERSION)
        return fail_manifest(error, VERSION_OFFSET, "has a format version this program does not know");
    struct pat_reader reader = {.at = bytes + CONTENT_OFFSET, .end = bytes + count};
    if (!content_read(out, &reader, version) || !lists_hold(out)) {
        return fail_manifest(error, (int64_t)(reader.at - bytes), "its content makes no sense");
    }
    return PAT_OK;
}

enum pat_status pat_manifest__read(struct pat_manifest *out, struct pat_fs *fs, struct pat_error *error) {
    unsigned char *bytes;
    size_t count;
    *out = (struct pat_manifest){0};
    enum pat_status status = pat_fs_read_all(fs, PAT_MANIFEST_NAME, BYTES_MAX, &bytes, &count, error);
    if (status == PAT_ERR_TOO_LARGE)
        return fail_manifest(error, (int64_t)BYTES_MAX, "is longer than a manifest can be");
    if (status == PAT_ERR_IO) return fail_manifest(error, 0, "cannot be read");
    PAT_TRY(status);
    status = manifest_decode(out, bytes, count, error);
    pat_mem_free(PAT_MEM_OTHER, bytes);
    return status;
}
