/* Reading a journal file back, and telling a torn tail from damage. */
#include "persist/journal_private.h"

#include "base/mem.h"
#include "persist/bytes_private.h"
#include "persist/file_private.h"

#include <inttypes.h>
#include <string.h>

/* Records are read through a window of this size, or of one record when that is bigger. */
#define WINDOW_BYTES ((size_t)1 << 20)

struct scanner {
    const struct pat_journal_scan *scan;
    struct pat_journal_found *found;
    struct pat_file *file;
    char name[PAT_FILE_NAME_BYTES];
    uint64_t size; /* what there is to read */
    unsigned char *window;
    size_t window_capacity, window_bytes;
    uint64_t window_offset;
};

static enum pat_status window_grow(struct scanner *s, size_t bytes, struct pat_error *error) {
    if (bytes <= s->window_capacity) return PAT_OK;
    size_t capacity = bytes < WINDOW_BYTES ? WINDOW_BYTES : bytes;
    pat_mem_free(PAT_MEM_JOURNAL, s->window);
    s->window_bytes = s->window_capacity = 0;
    s->window = pat_mem_alloc(PAT_MEM_JOURNAL, capacity);
    if (s->window == NULL)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "%s: no memory to read %zu bytes", s->name, bytes);
    s->window_capacity = capacity;
    return PAT_OK;
}

/* Bytes of the file in memory, valid until the next call. *out is NULL when the file ends before. */
static enum pat_status peek(struct scanner *s, uint64_t offset, size_t bytes, const unsigned char **out,
                            struct pat_error *error) {
    *out = NULL;
    if (offset > s->size || bytes > s->size - offset) return PAT_OK;
    if (offset < s->window_offset || offset + bytes > s->window_offset + s->window_bytes) {
        PAT_TRY(window_grow(s, bytes, error));
        s->window_bytes = 0;
        size_t wanted = s->window_capacity < s->size - offset ? s->window_capacity : (size_t)(s->size - offset);
        PAT_TRY(s->file->ops->file_read_at(s->file, offset, s->window, wanted, &s->window_bytes, error));
        s->window_offset = offset;
        if (s->window_bytes < bytes) return PAT_OK; /* became shorter since its size was asked for */
    }
    *out = s->window + (offset - s->window_offset);
    return PAT_OK;
}

enum verdict { RECORD_GOOD, RECORD_CUT_OFF, RECORD_BAD_HEADER, RECORD_BAD_LSN, RECORD_BAD_DIGEST };

static const char *const verdict_texts[] = {
    [RECORD_GOOD] = "is good",
    [RECORD_CUT_OFF] = "the file ends inside it",
    [RECORD_BAD_HEADER] = "its header is damaged",
    [RECORD_BAD_LSN] = "another lsn stands there",
    [RECORD_BAD_DIGEST] = "checksum does not match",
};

/* Holds the record or mark at `offset` against what must follow found->end. *record: its bytes, valid until the next
 * peek. */
static enum pat_status record_judge(struct scanner *s, uint64_t offset, enum verdict *verdict,
                                    struct pat_record_header *header, const unsigned char **record,
                                    struct pat_error *error) {
    const struct pat_journal_point *end = &s->found->end;
    PAT_TRY(peek(s, offset, PAT_RECORD_HEADER_BYTES, record, error));
    *verdict = RECORD_CUT_OFF;
    if (*record == NULL) return PAT_OK;
    *verdict = RECORD_BAD_HEADER;
    if (!pat_journal__header_get(header, *record, s->scan->entry.id)) return PAT_OK;
    *verdict = RECORD_BAD_LSN;
    if (header->lsn != end->lsn + (header->payload_bytes > 0) || header->durable_lsn > end->lsn) return PAT_OK;
    *verdict = RECORD_CUT_OFF;
    PAT_TRY(peek(s, offset, PAT_RECORD_HEADER_BYTES + (size_t)header->payload_bytes, record, error));
    if (*record == NULL) return PAT_OK;
    struct pat_digest digest =
        pat_journal__digest(end->chain, *record, *record + PAT_RECORD_HEADER_BYTES, header->payload_bytes);
    *verdict = pat_digest_equal(digest, header->digest) ? RECORD_GOOD : RECORD_BAD_DIGEST;
    return PAT_OK;
}

static void note_durable(struct scanner *s, pat_lsn durable) {
    struct pat_journal_found *found = s->found;
    if (durable > found->durable) found->durable = durable;
    /* Exact with one sync per group; otherwise an earlier place, which only costs rewriting more at the next start. */
    if (durable >= found->end.lsn) found->proven_offset = found->end.offset;
}

static enum pat_status record_take(struct scanner *s, uint64_t offset, const struct pat_record_header *header,
                                   const unsigned char *record, struct pat_error *error) {
    struct pat_journal_found *found = s->found;
    note_durable(s, header->durable_lsn);
    if (header->payload_bytes > 0 && s->scan->record_cb != NULL) {
        PAT_TRY(s->scan->record_cb(s->scan->context, header->lsn, record + PAT_RECORD_HEADER_BYTES,
                                   header->payload_bytes, offset, error));
    }
    found->records++;
    found->end.offset = offset + PAT_RECORD_HEADER_BYTES + header->payload_bytes;
    if (header->payload_bytes == 0) {
        note_durable(s, header->durable_lsn); /* the mark itself needs no rewriting either */
        return PAT_OK;
    }
    found->end.lsn = header->lsn;
    found->end.chain = header->digest;
    note_durable(s, s->scan->proven);
    return PAT_OK;
}

/* Looks for headers of this file behind `offset` and raises found->durable to what they say. */
static enum pat_status proof_search(struct scanner *s, uint64_t offset, struct pat_error *error) {
    for (uint64_t at = offset + 8; at + PAT_RECORD_HEADER_BYTES <= s->size; at += 8) {
        const unsigned char *bytes;
        struct pat_record_header header;
        PAT_TRY(peek(s, at, PAT_RECORD_HEADER_BYTES, &bytes, error));
        if (bytes == NULL) return PAT_OK;
        if (!pat_journal__header_get(&header, bytes, s->scan->entry.id)) continue;
        if (header.durable_lsn > s->found->durable) s->found->durable = header.durable_lsn;
    }
    return PAT_OK;
}

static enum pat_status fail_damaged(const struct scanner *s, uint64_t offset, enum verdict verdict, pat_lsn last,
                                    struct pat_error *error) {
    pat_lsn lsn = s->found->end.lsn + 1;
    if (last > lsn) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)offset,
                                "%s: record at offset %" PRIu64 " (lsn %" PRIu64 "): %s, and lsn %" PRIu64
                                " after it was acknowledged; lsns %" PRIu64 " to %" PRIu64
                                " cannot be read; restore the directory from a backup",
                                s->name, offset, lsn, verdict_texts[verdict], last, lsn, last);
    }
    return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)offset,
                            "%s: record at offset %" PRIu64 " (lsn %" PRIu64
                            "): %s, and it was acknowledged; restore the directory from a backup",
                            s->name, offset, lsn, verdict_texts[verdict]);
}

/* True when the bad bytes at found->end are one damaged mark: what follows fits on to what stood before it, or they are
 * the last of a closed file and all its records came before. */
static enum pat_status mark_skip(struct scanner *s, uint64_t offset, bool *skipped, struct pat_error *error) {
    enum verdict verdict;
    struct pat_record_header header;
    const unsigned char *record;
    const struct pat_journal_entry *entry = &s->scan->entry;
    bool last = entry->closed && s->found->end.lsn == entry->end.lsn && s->size - offset == PAT_RECORD_HEADER_BYTES;
    PAT_TRY(record_judge(s, offset + PAT_RECORD_HEADER_BYTES, &verdict, &header, &record, error));
    *skipped = verdict == RECORD_GOOD || last;
    if (!*skipped) return PAT_OK;
    s->found->marks_damaged++;
    s->found->mark_offset = offset;
    s->found->end.offset += PAT_RECORD_HEADER_BYTES;
    return PAT_OK;
}

/* Something at found->end is not the record that belongs there: a damaged mark, a torn tail, or damage. */
static enum pat_status trouble(struct scanner *s, enum verdict verdict, bool *goes_on, struct pat_error *error) {
    uint64_t offset = s->found->end.offset;
    *goes_on = false;
    PAT_TRY(mark_skip(s, offset, goes_on, error));
    if (*goes_on) return PAT_OK;
    PAT_TRY(proof_search(s, offset, error));
    pat_lsn last = s->found->durable > s->scan->proven ? s->found->durable : s->scan->proven;
    if (s->scan->entry.closed) last = s->scan->entry.end.lsn;
    /* A torn write leaves no good header with a wrong number in the right place. */
    if (last > s->found->end.lsn || verdict == RECORD_BAD_LSN) return fail_damaged(s, offset, verdict, last, error);
    s->found->torn_bytes = s->size - offset;
    return PAT_OK;
}

static enum pat_status scan_records(struct scanner *s, struct pat_error *error) {
    for (bool goes_on = true; goes_on && s->found->end.offset < s->size;) {
        enum verdict verdict;
        struct pat_record_header header;
        const unsigned char *record;
        uint64_t offset = s->found->end.offset;
        PAT_TRY(record_judge(s, offset, &verdict, &header, &record, error));
        if (verdict == RECORD_GOOD) {
            PAT_TRY(record_take(s, offset, &header, record, error));
        } else {
            PAT_TRY(trouble(s, verdict, &goes_on, error));
        }
    }
    return PAT_OK;
}

/* What was read must reach as far as is known to have been acknowledged. */
static enum pat_status end_check(const struct scanner *s, struct pat_error *error) {
    const struct pat_journal_entry *entry = &s->scan->entry;
    const struct pat_journal_point *end = &s->found->end;
    pat_lsn last = entry->closed ? entry->end.lsn : s->scan->proven;
    if (end->lsn < last) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)end->offset,
                                "%s: ends at offset %" PRIu64 " with lsn %" PRIu64 ", but lsn %" PRIu64
                                " was acknowledged: lsns %" PRIu64 " to %" PRIu64
                                " are missing; restore the directory from a backup",
                                s->name, end->offset, end->lsn, last, end->lsn + 1, last);
    }
    if (entry->closed && !pat_digest_equal(end->chain, entry->end.chain)) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)end->offset,
                                "%s: its records do not end as the manifest says (offset %" PRIu64 ", lsn %" PRIu64
                                "): rolled back, or of another time; restore the directory from a backup",
                                s->name, entry->end.offset, entry->end.lsn);
    }
    return PAT_OK;
}

static enum pat_status scan_open_file(struct scanner *s, struct pat_error *error) {
    const struct pat_journal_entry *entry = &s->scan->entry;
    struct pat_file_header header = {.id = entry->id, .number = entry->number, .lsn = entry->first_lsn};
    PAT_TRY(pat_file__header_check(s->file, PAT_FILE_JOURNAL, &header, error));
    PAT_TRY(s->file->ops->file_size(s->file, &s->size, error));
    uint64_t limit = entry->closed ? entry->end.offset : s->scan->bytes_max;
    if (s->size > limit) s->size = limit;
    s->found->end = (struct pat_journal_point){PAT_FILE_HEADER_BYTES, entry->first_lsn - 1,
                                               pat_file__chain(PAT_FILE_JOURNAL, &header)};
    s->found->durable = entry->first_lsn - 1;
    s->found->proven_offset = PAT_FILE_HEADER_BYTES;
    PAT_TRY(scan_records(s, error));
    return end_check(s, error);
}

enum pat_status pat_journal__scan(const struct pat_journal_scan *scan, struct pat_journal_found *found,
                                  struct pat_error *error) {
    struct scanner s = {.scan = scan, .found = found};
    *found = (struct pat_journal_found){0};
    pat_file__name(PAT_FILE_JOURNAL, scan->entry.number, s.name);
    enum pat_status status = scan->fs->ops->file_open(scan->fs, &s.file, s.name, PAT_FILE_READ, error);
    if (status == PAT_ERR_NOT_FOUND) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, s.name, -1, -1,
                                "%s: is missing; it holds the batches from lsn %" PRIu64
                                " on; restore the directory from a backup",
                                s.name, scan->entry.first_lsn);
    }
    PAT_TRY(status);
    status = scan_open_file(&s, error);
    pat_mem_free(PAT_MEM_JOURNAL, s.window);
    s.file->ops->file_close(&s.file);
    return status;
}
