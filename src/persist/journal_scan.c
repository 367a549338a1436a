/* Reading a journal file back, and telling a torn tail from damage. */
#include "persist/journal_private.h"

#include "base/mem.h"
#include "persist/file_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Records are read through a window of this size, or of one record when that is bigger. */
#define WINDOW_BYTES ((size_t)1 << 20)
/* When the disk cannot read all of a window it is asked for pieces of this size: no disk loses less than a sector. */
#define SECTOR_BYTES ((size_t)512)

static enum pat_status window_grow(struct pat_journal_scanner *s, size_t bytes, struct pat_error *error) {
    if (bytes <= s->window_capacity) return PAT_OK;
    const size_t usual = s->size < WINDOW_BYTES ? (size_t)s->size : WINDOW_BYTES;
    const size_t capacity = bytes < usual ? usual : bytes;
    pat_mem_free(PAT_MEM_JOURNAL, s->window);
    s->window_bytes = s->window_capacity = 0;
    s->window = pat_mem_alloc(PAT_MEM_JOURNAL, capacity);
    if (s->window == NULL)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "%s: no memory to read %zu bytes", s->name, bytes);
    s->window_capacity = capacity;
    return PAT_OK;
}

static void note_unreadable(struct pat_journal_scanner *s, uint64_t offset, size_t bytes) {
    struct pat_journal_found *found = s->found;
    if (offset < s->unreadable_end) return; /* it was asked for before */
    if (found->unreadable_bytes == 0) found->unreadable_offset = offset;
    found->unreadable_bytes += bytes;
    s->unreadable_end = offset + bytes;
}

static bool is_unreadable(const struct pat_journal_scanner *s, uint64_t offset, uint64_t bytes) {
    return s->found->unreadable_bytes > 0 && offset < s->unreadable_end && s->found->unreadable_offset < offset + bytes;
}

/* Sector by sector: what cannot be read is zeros. */
static enum pat_status window_piece_together(struct pat_journal_scanner *s, uint64_t offset, size_t wanted,
                                             struct pat_error *error) {
    for (s->window_bytes = 0; s->window_bytes < wanted;) {
        const uint64_t from = offset + s->window_bytes;
        const size_t left = wanted - s->window_bytes, sector = SECTOR_BYTES - (size_t)(from % SECTOR_BYTES);
        const size_t bytes = sector < left ? sector : left;
        unsigned char *to = s->window + s->window_bytes;
        size_t got = 0;
        const enum pat_status status = s->file->ops->file_read_at(s->file, from, to, bytes, &got, error);
        if (status == PAT_ERR_IO) {
            memset(to, 0, bytes);
            note_unreadable(s, from, bytes);
            got = bytes;
        } else if (status != PAT_OK) {
            s->window_bytes = 0;
            return status;
        }
        s->window_bytes += got;
        if (got < bytes) break;
    }
    return PAT_OK;
}

/* Bytes of the file in memory, valid until the next call. *out is NULL when the file ends before. */
static enum pat_status peek(struct pat_journal_scanner *s, uint64_t offset, size_t bytes, const unsigned char **out,
                            struct pat_error *error) {
    *out = NULL;
    if (offset > s->size || bytes > s->size - offset) return PAT_OK;
    if (offset < s->window_offset || offset + bytes > s->window_offset + s->window_bytes) {
        PAT_TRY(window_grow(s, bytes, error));
        s->window_bytes = 0;
        size_t wanted = s->window_capacity < s->size - offset ? s->window_capacity : (size_t)(s->size - offset);
        enum pat_status status =
            s->file->ops->file_read_at(s->file, offset, s->window, wanted, &s->window_bytes, error);
        if (status == PAT_ERR_IO) status = window_piece_together(s, offset, wanted, error);
        PAT_TRY(status);
        s->window_offset = offset;
        if (s->window_bytes < bytes) return PAT_OK; /* became shorter since its size was asked for */
    }
    *out = s->window + (offset - s->window_offset);
    return PAT_OK;
}

enum verdict { RECORD_GOOD, RECORD_CUT_OFF, RECORD_BAD_HEADER, RECORD_BAD_LSN, RECORD_BAD_DIGEST, RECORD_UNREADABLE };

static const char *const verdict_texts[] = {
    [RECORD_GOOD] = "is good",
    [RECORD_CUT_OFF] = "the file ends inside it",
    [RECORD_BAD_HEADER] = "its header is damaged",
    [RECORD_BAD_LSN] = "another lsn stands there",
    [RECORD_BAD_DIGEST] = "checksum does not match",
    [RECORD_UNREADABLE] = "the disk cannot read it",
};

/* Holds the record or mark at `offset` against what must follow found->end. *record: its bytes, valid until the next
 * peek. */
static enum pat_status record_judge(struct pat_journal_scanner *s, uint64_t offset, enum verdict *verdict,
                                    struct pat_record_header *header, const unsigned char **record,
                                    struct pat_error *error) {
    const struct pat_journal_point *end = &s->found->end;
    PAT_TRY(peek(s, offset, s->header_bytes, record, error));
    *verdict = RECORD_CUT_OFF;
    if (*record == NULL) return PAT_OK;
    *verdict = is_unreadable(s, offset, s->header_bytes) ? RECORD_UNREADABLE : RECORD_BAD_HEADER;
    if (!pat_journal__header_get(header, *record, s->scan->entry.id, s->found->version)) return PAT_OK;
    *verdict = RECORD_BAD_LSN;
    if (header->lsn != end->lsn + (header->payload_bytes > 0) || header->durable_lsn > end->lsn) return PAT_OK;
    *verdict = RECORD_CUT_OFF;
    PAT_TRY(peek(s, offset, s->header_bytes + (size_t)header->payload_bytes, record, error));
    if (*record == NULL) return PAT_OK;
    struct pat_digest digest =
        pat_journal__digest(end->chain, *record, s->header_bytes, *record + s->header_bytes, header->payload_bytes);
    *verdict = RECORD_GOOD;
    if (pat_digest_equal(digest, header->digest)) return PAT_OK;
    const bool unreadable = is_unreadable(s, offset, s->header_bytes + (uint64_t)header->payload_bytes);
    *verdict = unreadable ? RECORD_UNREADABLE : RECORD_BAD_DIGEST;
    return PAT_OK;
}

static void note_durable(struct pat_journal_scanner *s, pat_lsn durable) {
    struct pat_journal_found *found = s->found;
    if (durable > found->durable) found->durable = durable;
    /* Exact with one sync per group; otherwise an earlier place, which only costs rewriting more at the next start. */
    if (durable >= found->end.lsn) found->proven_offset = found->end.offset;
}

static uint64_t rows_of(const struct pat_record_header *header, uint64_t otherwise) {
    return header->rows != PAT_ROWS_UNKNOWN ? header->rows : otherwise;
}

static enum pat_status record_take(struct pat_journal_scanner *s, uint64_t offset,
                                   const struct pat_record_header *header, const unsigned char *record,
                                   struct pat_error *error) {
    struct pat_journal_found *found = s->found;
    note_durable(s, header->durable_lsn);
    if (header->payload_bytes > 0 && s->scan->record_cb != NULL) {
        PAT_TRY(s->scan->record_cb(s->scan->context, header->lsn, record + s->header_bytes, header->payload_bytes,
                                   offset, error));
    }
    found->records++;
    found->end.offset = offset + s->header_bytes + header->payload_bytes;
    if (header->payload_bytes == 0) {
        note_durable(s, header->durable_lsn); /* the mark itself needs no rewriting either */
        return PAT_OK;
    }
    found->end.lsn = header->lsn;
    found->end.chain = header->digest;
    found->end.rows = rows_of(header, found->end.rows);
    note_durable(s, s->scan->proven.lsn);
    return PAT_OK;
}

/* ---- behind the last good record --------------------------------------------------------------------------------- */

/* The next header of this file at or behind *at; false when there is none. */
static enum pat_status header_find(struct pat_journal_scanner *s, uint64_t *at, struct pat_record_header *header,
                                   bool *found, struct pat_error *error) {
    *found = false;
    while (*at + s->header_bytes <= s->size) {
        const unsigned char *bytes;
        PAT_TRY(peek(s, *at, s->header_bytes, &bytes, error));
        if (bytes == NULL) return PAT_OK;
        /* All that the window holds in a plain loop: mostly this goes over megabytes of zeros. */
        const unsigned char *const last = s->window + s->window_bytes - s->header_bytes;
        for (; bytes <= last; bytes += 8, *at += 8) {
            if (!pat_journal__is_magic(bytes)) continue;
            *found = pat_journal__header_get(header, bytes, s->scan->entry.id, s->found->version);
            if (*found) return PAT_OK;
        }
    }
    return PAT_OK;
}

/* Looks at all headers of this file from `offset` on, and takes what they say to be durable. */
static enum pat_status proof_search(struct pat_journal_scanner *s, uint64_t offset, struct pat_error *error) {
    struct pat_watermark before = {s->found->end.lsn, s->found->end.rows};
    s->durable = s->scan->proven;
    s->last_header_end = offset;
    for (uint64_t at = offset;; at += 8) {
        struct pat_record_header header;
        bool more;
        PAT_TRY(header_find(s, &at, &header, &more, error));
        if (!more) break;
        s->last_header_end = at + s->header_bytes;
        if (header.lsn == header.durable_lsn) before = (struct pat_watermark){header.lsn, header.rows};
        if (header.durable_lsn > s->durable.lsn) {
            s->durable = (struct pat_watermark){header.durable_lsn,
                                                header.durable_lsn == before.lsn ? before.rows : PAT_ROWS_UNKNOWN};
        }
        before = (struct pat_watermark){header.lsn, header.rows};
    }
    if (s->durable.lsn > s->found->durable) s->found->durable = s->durable.lsn;
    if (s->scan->entry.closed) s->durable = (struct pat_watermark){s->scan->entry.end.lsn, s->scan->entry.end.rows};
    return PAT_OK;
}

/* " (N rows)" between here and there, or nothing when that is not known. */
static const char *rows_text(const struct pat_journal_scanner *s, struct pat_watermark last, char out[48]) {
    const uint64_t from = s->found->end.rows;
    out[0] = '\0';
    if (last.rows == PAT_ROWS_UNKNOWN || from == PAT_ROWS_UNKNOWN || last.rows < from) return out;
    (void)snprintf(out, 48, " (%" PRIu64 " rows)", last.rows - from);
    return out;
}

static enum pat_status fail_damaged(const struct pat_journal_scanner *s, uint64_t offset, enum verdict verdict,
                                    struct pat_error *error) {
    const pat_lsn lsn = s->found->end.lsn + 1, last = s->durable.lsn;
    char rows[48];
    (void)rows_text(s, s->durable, rows);
    if (last > lsn) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)offset,
                                "%s: record at offset %" PRIu64 " (lsn %" PRIu64 "): %s, and lsn %" PRIu64
                                " after it was acknowledged; lsns %" PRIu64 " to %" PRIu64
                                "%s cannot be read; restore the directory from a backup, or see --salvage",
                                s->name, offset, lsn, verdict_texts[verdict], last, lsn, last, rows);
    }
    return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)offset,
                            "%s: record at offset %" PRIu64 " (lsn %" PRIu64
                            "): %s, and it was acknowledged%s; restore the directory from a backup, or see --salvage",
                            s->name, offset, lsn, verdict_texts[verdict], rows);
}

static enum pat_status fail_unreadable(const struct pat_journal_scanner *s, uint64_t offset, struct pat_error *error) {
    return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)offset,
                            "%s: the disk cannot read %" PRIu64 " bytes from offset %" PRIu64 " on, where lsn %" PRIu64
                            " and those after it stand if there are any: whether they were "
                            "acknowledged is not known; restore the directory from a backup, or see --salvage",
                            s->name, s->found->unreadable_bytes, s->found->unreadable_offset, s->found->end.lsn + 1);
}

/* What is behind the last record is known to be nothing but room: no record can stand behind bytes that were read and
 * are no beginning of one. */
static enum pat_status is_room(struct pat_journal_scanner *s, uint64_t offset, enum verdict verdict, bool *out,
                               struct pat_error *error) {
    const unsigned char *bytes;
    *out = verdict == RECORD_BAD_HEADER;
    if (!*out) return PAT_OK;
    PAT_TRY(peek(s, offset, s->header_bytes, &bytes, error));
    *out = bytes == NULL || !pat_journal__is_magic(bytes);
    return PAT_OK;
}

/* True when the bad bytes at found->end are one damaged mark: what follows fits on to what stood before it, or they are
 * the last of a closed file and all its records came before, or enough of it is left to know it by. */
static enum pat_status mark_skip(struct pat_journal_scanner *s, uint64_t offset, bool *skipped,
                                 struct pat_error *error) {
    enum verdict verdict;
    struct pat_record_header header;
    const unsigned char *record;
    const struct pat_journal_entry *entry = &s->scan->entry;
    bool last = entry->closed && s->found->end.lsn == entry->end.lsn && s->size - offset == s->header_bytes;
    PAT_TRY(peek(s, offset, s->header_bytes, &record, error));
    last |= record != NULL && pat_journal__was_mark(record, &s->found->end, entry->id, s->found->version);
    PAT_TRY(record_judge(s, offset + s->header_bytes, &verdict, &header, &record, error));
    *skipped = verdict == RECORD_GOOD || last;
    if (!*skipped) return PAT_OK;
    s->found->marks_damaged++;
    s->found->mark = s->found->end;
    s->found->end.offset += s->header_bytes;
    return PAT_OK;
}

static void tell_loss(struct pat_journal_scanner *s, uint64_t offset, struct pat_watermark last) {
    struct pat_journal_point *end = &s->found->end;
    if (last.lsn <= end->lsn) return;
    const bool counted = last.rows != PAT_ROWS_UNKNOWN && end->rows != PAT_ROWS_UNKNOWN && last.rows >= end->rows;
    const struct pat_journal_loss loss = {.name = s->name,
                                          .offset = offset,
                                          .first = end->lsn + 1,
                                          .last = last.lsn,
                                          .rows = counted ? last.rows - end->rows : PAT_ROWS_UNKNOWN};
    s->scan->loss_cb(s->scan->context, &loss);
    end->lsn = last.lsn;
    end->rows = last.rows;
}

/* Records from scan->lsn_end on belong to nobody: the file that came after has others of these lsns. */
static bool counts(const struct pat_journal_scanner *s, pat_lsn lsn) {
    return s->scan->lsn_end == 0 || lsn < s->scan->lsn_end;
}

/* Goes on behind damage: with the record whose header says what the next one is chained to. What that record holds
 * cannot be checked, so it is lost, too. */
static enum pat_status salvage(struct pat_journal_scanner *s, bool *goes_on, struct pat_error *error) {
    struct pat_journal_point *end = &s->found->end;
    const uint64_t offset = end->offset;
    struct pat_record_header header;
    uint64_t at = offset;
    for (*goes_on = true; *goes_on; at += 8) {
        PAT_TRY(header_find(s, &at, &header, goes_on, error));
        if (*goes_on && header.payload_bytes > 0 && header.lsn > end->lsn) break;
    }
    *goes_on = *goes_on && counts(s, header.lsn);
    if (!*goes_on) {
        s->found->end_unknown = true;
        tell_loss(s, offset, s->durable);
        return PAT_OK;
    }
    tell_loss(s, offset, (struct pat_watermark){header.lsn, header.rows});
    end->chain = header.digest;
    end->offset = at + s->header_bytes + header.payload_bytes;
    return PAT_OK;
}

/* Something at found->end is not the record that belongs there: a damaged mark, the room behind the last record, a torn
 * tail, or damage. */
static enum pat_status trouble(struct pat_journal_scanner *s, enum verdict verdict, bool *goes_on,
                               struct pat_error *error) {
    const uint64_t offset = s->found->end.offset;
    bool room;
    *goes_on = false;
    PAT_TRY(mark_skip(s, offset, goes_on, error));
    if (*goes_on) return PAT_OK;
    const bool no_header = verdict == RECORD_BAD_HEADER || verdict == RECORD_UNREADABLE;
    if (s->scan->quick && no_header && s->found->end.lsn == s->scan->proven.lsn) return PAT_OK;
    PAT_TRY(proof_search(s, offset, error));
    /* A torn write leaves no good header with a wrong number in the right place. */
    if (s->durable.lsn > s->found->end.lsn || verdict == RECORD_BAD_LSN) {
        return s->scan->loss_cb != NULL ? salvage(s, goes_on, error) : fail_damaged(s, offset, verdict, error);
    }
    PAT_TRY(is_room(s, offset, verdict, &room, error));
    if (is_unreadable(s, offset, s->size - offset) && !room) {
        s->found->end_unknown = true;
        return s->scan->loss_cb != NULL ? PAT_OK : fail_unreadable(s, offset, error);
    }
    s->found->torn_bytes = (s->found->version == 2 ? s->size : s->last_header_end) - offset;
    s->found->end_unknown |= s->found->torn_bytes > 0;
    return PAT_OK;
}

static enum pat_status scan_records(struct pat_journal_scanner *s, uint64_t until, struct pat_error *error) {
    while (s->goes_on && s->found->end.offset < until) {
        enum verdict verdict;
        struct pat_record_header header;
        const unsigned char *record;
        uint64_t offset = s->found->end.offset;
        PAT_TRY(record_judge(s, offset, &verdict, &header, &record, error));
        if (verdict == RECORD_GOOD && !counts(s, header.lsn)) {
            s->goes_on = false;
        } else if (verdict == RECORD_GOOD) {
            PAT_TRY(record_take(s, offset, &header, record, error));
        } else {
            bool goes_on;
            PAT_TRY(trouble(s, verdict, &goes_on, error)); /* what failed may be asked again */
            s->goes_on = goes_on;
        }
        s->goes_on &= s->found->end.offset < s->size;
    }
    return PAT_OK;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* What was read must reach as far as is known to have been acknowledged. */
static enum pat_status end_check(struct pat_journal_scanner *s, struct pat_error *error) {
    const struct pat_journal_entry *entry = &s->scan->entry;
    const struct pat_journal_point *end = &s->found->end;
    const struct pat_watermark last =
        entry->closed ? (struct pat_watermark){entry->end.lsn, entry->end.rows} : s->scan->proven;
    if (end->lsn < last.lsn) {
        if (s->scan->loss_cb != NULL) {
            tell_loss(s, end->offset, last);
            return PAT_OK;
        }
        char rows[48];
        return pat_error_set_at(
            error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)end->offset,
            "%s: ends at offset %" PRIu64 " with lsn %" PRIu64 ", but lsn %" PRIu64 " was acknowledged: lsns %" PRIu64
            " to %" PRIu64 "%s are missing; restore the directory from a backup, or see --salvage",
            s->name, end->offset, end->lsn, last.lsn, end->lsn + 1, last.lsn, rows_text(s, last, rows));
    }
    if (entry->closed && !pat_digest_equal(end->chain, entry->end.chain) && s->scan->loss_cb == NULL) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)end->offset,
                                "%s: its records do not end as the manifest says (offset %" PRIu64 ", lsn %" PRIu64
                                "): rolled back, or of another time; restore the directory from a backup",
                                s->name, entry->end.offset, entry->end.lsn);
    }
    return PAT_OK;
}

static enum pat_status check_length(struct pat_journal_scanner *s, struct pat_error *error) {
    const struct pat_journal_entry *entry = &s->scan->entry;
    if (s->size >= entry->bytes) return PAT_OK;
    s->found->end_unknown = true;
    if (s->scan->loss_cb != NULL) return PAT_OK;
    return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)s->size,
                            "%s: ends at offset %" PRIu64 ", but it was made with %" PRIu64
                            " bytes: it was cut; it holds the batches from lsn %" PRIu64
                            " on; restore the directory from a backup, or see --salvage",
                            s->name, s->size, entry->bytes, entry->first_lsn);
}

static enum pat_status fail_file(const struct pat_journal_scanner *s, int64_t offset, const char *why,
                                 struct pat_error *error) {
    return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, offset,
                            "%s: %s; it holds the batches from lsn %" PRIu64
                            " on; restore the directory from a backup, or see --salvage",
                            s->name, why, s->scan->entry.first_lsn);
}

static enum pat_status scan_begin(struct pat_journal_scanner *s, struct pat_error *error) {
    const struct pat_journal_entry *entry = &s->scan->entry;
    struct pat_file_header header = {.id = entry->id, .number = entry->number, .lsn = entry->first_lsn};
    enum pat_status status = pat_file__header_check(s->file, PAT_FILE_JOURNAL, &header, error);
    if (status == PAT_ERR_IO) status = fail_file(s, 0, "the disk cannot read its header at offset 0", error);
    /* Each record is bound to the file's id, whatever its header says. */
    if (status == PAT_ERR_CORRUPT && s->scan->loss_cb != NULL) {
        s->found->end_unknown = true;
        status = PAT_OK;
    }
    PAT_TRY(status);
    if (header.version != PAT_JOURNAL_VERSION_OLDEST) header.version = PAT_JOURNAL_VERSION;
    PAT_TRY(s->file->ops->file_size(s->file, &s->size, error));
    PAT_TRY(check_length(s, error));
    uint64_t limit = entry->closed ? entry->end.offset : s->scan->bytes_max;
    if (s->size > limit) s->size = limit;
    s->header_bytes = pat_journal__header_bytes(header.version);
    s->found->version = header.version;
    s->found->end = (struct pat_journal_point){PAT_FILE_HEADER_BYTES, entry->first_lsn - 1,
                                               pat_file__chain(PAT_FILE_JOURNAL, &header), entry->first_rows};
    s->found->durable = entry->first_lsn - 1;
    s->found->proven_offset = PAT_FILE_HEADER_BYTES;
    s->goes_on = s->found->end.offset < s->size;
    return PAT_OK;
}

enum pat_status pat_journal__scan_open(struct pat_journal_scanner *s, const struct pat_journal_scan *scan,
                                       struct pat_journal_found *found, struct pat_error *error) {
    *s = (struct pat_journal_scanner){.scan = scan, .found = found};
    *found = (struct pat_journal_found){0};
    pat_file__name(PAT_FILE_JOURNAL, scan->entry.number, s->name);
    enum pat_status status = scan->fs->ops->file_open(scan->fs, &s->file, s->name, PAT_FILE_READ, error);
    if (status == PAT_ERR_NOT_FOUND) return fail_file(s, -1, "is missing", error);
    if (status == PAT_ERR_IO) return fail_file(s, -1, "cannot be opened", error);
    PAT_TRY(status);
    status = scan_begin(s, error);
    if (status != PAT_OK) pat_journal__scan_close(s);
    return status;
}

enum pat_status pat_journal__scan_some(struct pat_journal_scanner *s, uint64_t until, bool *done,
                                       struct pat_error *error) {
    PAT_TRY(scan_records(s, until, error));
    *done = !s->goes_on;
    return *done ? end_check(s, error) : PAT_OK;
}

void pat_journal__scan_close(struct pat_journal_scanner *s) {
    pat_mem_free(PAT_MEM_JOURNAL, s->window);
    s->file->ops->file_close(&s->file);
}

enum pat_status pat_journal__scan(const struct pat_journal_scan *scan, struct pat_journal_found *found,
                                  struct pat_error *error) {
    struct pat_journal_scanner s;
    bool done;
    PAT_TRY(pat_journal__scan_open(&s, scan, found, error));
    const enum pat_status status = pat_journal__scan_some(&s, UINT64_MAX, &done, error);
    pat_journal__scan_close(&s);
    return status;
}

enum pat_status pat_journal__holds_records(struct pat_file *file, bool *out, struct pat_error *error) {
    unsigned char head[PAT_FILE_HEADER_BYTES];
    struct pat_journal_found found = {0};
    struct pat_journal_scan scan = {0};
    struct pat_journal_scanner s = {.scan = &scan, .found = &found, .file = file, .name = "journal"};
    struct pat_record_header header;
    uint64_t at = PAT_FILE_HEADER_BYTES;
    size_t got;
    *out = false;
    PAT_TRY(file->ops->file_size(file, &s.size, error));
    PAT_TRY(file->ops->file_read_at(file, 0, head, sizeof head, &got, error));
    if (got < sizeof head) return PAT_OK;
    scan.entry.id = pat_file__id(head);
    found.version = pat_file__version(head);
    s.header_bytes = pat_journal__header_bytes(found.version);
    const enum pat_status status = header_find(&s, &at, &header, out, error);
    pat_mem_free(PAT_MEM_JOURNAL, s.window);
    if (status != PAT_OK || *out || found.unreadable_bytes == 0) return status;
    return pat_error_set(error, PAT_ERR_IO, "the disk cannot read all of it");
}
