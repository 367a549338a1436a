#include "persist/journal_private.h"

#include "persist/codec_private.h"
#include "persist/file_private.h"

/* Offsets are those of the header of journal_private.h; digest and check end it in each version. What is written anew
 * goes in steps that fit a cache. */
#define ROWS_OFFSET        24u
#define DIGEST_FROM_END    24u
#define CHECK_FROM_END     8u
#define REWRITE_STEP_BYTES ((size_t)1 << 20)
/* Of zeros in one write. */
#define ZERO_STEP_BYTES ((size_t)64 << 10)

/* ---- headers ---------------------------------------------------------------------------------------------------- */

void pat_journal__header_put(unsigned char *at, uint32_t payload_bytes, pat_lsn lsn, pat_lsn durable_lsn,
                             uint64_t rows) {
    pat_put_u32(at, PAT_RECORD_MAGIC);
    pat_put_u32(at + 4, payload_bytes);
    pat_put_u64(at + 8, lsn);
    pat_put_u64(at + 16, durable_lsn);
    pat_put_u64(at + ROWS_OFFSET, rows);
}

struct pat_digest pat_journal__digest(struct pat_digest chain, const unsigned char *header, size_t header_bytes,
                                      const unsigned char *payload, size_t payload_bytes) {
    return pat_digest_chain(pat_digest_chain(chain, header, header_bytes - DIGEST_FROM_END), payload, payload_bytes);
}

static uint64_t header_check(const unsigned char *at, size_t header_bytes, struct pat_digest id) {
    return pat_digest_chain(id, at, header_bytes - CHECK_FROM_END).low;
}

static struct pat_digest seal(unsigned char *record, size_t header_bytes, struct pat_digest id,
                              struct pat_digest chain) {
    struct pat_digest digest =
        pat_journal__digest(chain, record, header_bytes, record + header_bytes, pat_get_u32(record + 4));
    pat_put_digest(record + header_bytes - DIGEST_FROM_END, digest);
    pat_put_u64(record + header_bytes - CHECK_FROM_END, header_check(record, header_bytes, id));
    return digest;
}

struct pat_digest pat_journal__seal(unsigned char *record, struct pat_digest id, struct pat_digest chain) {
    return seal(record, PAT_RECORD_HEADER_BYTES, id, chain);
}

bool pat_journal__header_get(struct pat_record_header *out, const unsigned char *at, struct pat_digest id,
                             uint32_t version) {
    const size_t bytes = pat_journal__header_bytes(version);
    if (!pat_journal__is_magic(at)) return false;
    if (pat_get_u64(at + bytes - CHECK_FROM_END) != header_check(at, bytes, id)) return false;
    *out = (struct pat_record_header){
        .header_bytes = (uint32_t)bytes,
        .payload_bytes = pat_get_u32(at + 4),
        .lsn = pat_get_u64(at + 8),
        .durable_lsn = pat_get_u64(at + 16),
        .rows = bytes > PAT_RECORD_HEADER_BYTES_V2 ? pat_get_u64(at + ROWS_OFFSET) : PAT_ROWS_UNKNOWN,
        .digest = pat_get_digest(at + bytes - DIGEST_FROM_END),
    };
    return out->payload_bytes % 8 == 0;
}

bool pat_journal__was_mark(const unsigned char *at, const struct pat_journal_point *point, struct pat_digest id,
                           uint32_t version) {
    unsigned char mark[PAT_RECORD_HEADER_BYTES];
    const size_t bytes = pat_journal__header_bytes(version);
    pat_journal__header_put(mark, 0, point->lsn, point->lsn, point->rows);
    (void)seal(mark, bytes, id, point->chain);
    for (size_t word = bytes - DIGEST_FROM_END; word < bytes; word += 8) {
        if (pat_get_u64(at + word) == pat_get_u64(mark + word)) return true;
    }
    return false;
}

/* ---- a group in memory ------------------------------------------------------------------------------------------ */

static enum pat_status group_add(struct pat_buf *group, const struct pat_entry *entry,
                                 const struct pat_kernels *kernels) {
    static const unsigned char zeros[PAT_RECORD_HEADER_BYTES];
    size_t start = group->length;
    PAT_TRY(pat_buf_append(group, zeros, sizeof zeros));
    PAT_TRY(pat_codec__entry_write(entry, kernels, group));
    PAT_TRY(pat_buf_append(group, zeros, (8 - group->length % 8) % 8));
    size_t payload_bytes = group->length - start - PAT_RECORD_HEADER_BYTES;
    PAT_ASSERT(payload_bytes > 0 && payload_bytes <= UINT32_MAX); /* limits.h bounds a batch far below */
    /* Its own rows alone: they are added up when the group is written. */
    const uint64_t rows = entry->kind == PAT_ENTRY_BATCH ? entry->batch->rows : 0;
    pat_journal__header_put(group->data + start, (uint32_t)payload_bytes, entry->lsn, 0, rows);
    return PAT_OK;
}

enum pat_status pat_journal__group_add(struct pat_buf *group, const struct pat_entry *entry,
                                       const struct pat_kernels *kernels) {
    PAT_ASSERT(group->length % 8 == 0);
    size_t before = group->length;
    enum pat_status status = group_add(group, entry, kernels);
    if (status != PAT_OK) group->length = before;
    return status;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static struct pat_file_header header_of(const struct pat_journal_entry *entry) {
    return (struct pat_file_header){.id = entry->id, .number = entry->number, .lsn = entry->first_lsn};
}

/* Groups are large while loads come, and read again after a kill at the earliest. */
static void pass_cache(struct pat_file *file) {
    if (file->ops->file_pass_cache != NULL) file->ops->file_pass_cache(file);
}

/* A spare file has the room already, and a new one has to take it. */
static enum pat_status take_room(struct pat_journal *journal, bool fresh, struct pat_error *error) {
    struct pat_file *file = journal->file;
    if (fresh) PAT_TRY(file->ops->file_reserve(file, journal->entry.bytes, error));
    PAT_TRY(file->ops->file_size(file, &journal->reserved, error));
    journal->entry.bytes = journal->reserved;
    return PAT_OK;
}

static enum pat_status header_to_disk(struct pat_journal *journal, const char *spare, const char *name,
                                      struct pat_error *error) {
    unsigned char bytes[PAT_FILE_HEADER_BYTES];
    struct pat_fs *fs = journal->fs;
    const struct pat_file_header header = header_of(&journal->entry);
    pat_file__header_write(PAT_FILE_JOURNAL, &header, bytes);
    PAT_TRY(take_room(journal, spare == NULL, error));
    PAT_TRY(journal->file->ops->file_write_at(journal->file, 0, bytes, sizeof bytes, error));
    PAT_TRY(journal->file->ops->file_sync(journal->file, error));
    if (spare != NULL) PAT_TRY(fs->ops->rename(fs, spare, name, error));
    return fs->ops->sync_dir(fs, error);
}

enum pat_status pat_journal__create(struct pat_journal *journal, struct pat_fs *fs,
                                    const struct pat_journal_entry *entry, const char *spare, struct pat_error *error) {
    char name[PAT_FILE_NAME_BYTES];
    pat_file__name(PAT_FILE_JOURNAL, entry->number, name);
    const struct pat_file_header header = header_of(entry);
    *journal = (struct pat_journal){.fs = fs, .entry = *entry};
    journal->written = (struct pat_journal_point){PAT_FILE_HEADER_BYTES, entry->first_lsn - 1,
                                                  pat_file__chain(PAT_FILE_JOURNAL, &header), entry->first_rows};
    journal->synced = journal->written;
    PAT_TRY(fs->ops->file_open(fs, &journal->file, spare != NULL ? spare : name,
                               spare != NULL ? PAT_FILE_APPEND : PAT_FILE_CREATE, error));
    pass_cache(journal->file);
    const enum pat_status status = header_to_disk(journal, spare, name, error);
    if (status == PAT_OK) return PAT_OK;
    pat_journal__close(journal);
    (void)fs->ops->remove(fs, name, NULL); /* what stays is removed at the next start */
    return status;
}

static enum pat_status rewrite(struct pat_file *file, uint64_t from, uint64_t to, struct pat_error *error) {
    const size_t step_bytes = to - from < REWRITE_STEP_BYTES ? (size_t)(to - from) : REWRITE_STEP_BYTES;
    unsigned char *step = pat_mem_alloc(PAT_MEM_JOURNAL, step_bytes);
    if (step == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to write the journal's tail again");
    enum pat_status status = PAT_OK;
    while (from < to && status == PAT_OK) {
        size_t bytes = to - from < step_bytes ? (size_t)(to - from) : step_bytes, got;
        status = file->ops->file_read_at(file, from, step, bytes, &got, error);
        if (status == PAT_OK && got < bytes) {
            status = pat_error_set(error, PAT_ERR_IO, "the journal became shorter while it was read");
        }
        if (status == PAT_OK) status = file->ops->file_write_at(file, from, step, bytes, error);
        from += bytes;
    }
    pat_mem_free(PAT_MEM_JOURNAL, step);
    return status == PAT_OK ? file->ops->file_sync(file, error) : status;
}

enum pat_status pat_journal__zero(struct pat_file *file, uint64_t from, uint64_t to, struct pat_error *error) {
    static const unsigned char zeros[ZERO_STEP_BYTES];
    for (; from < to; from += sizeof zeros) {
        const size_t here = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        PAT_TRY(file->ops->file_write_at(file, from, zeros, here, error));
    }
    return PAT_OK;
}

/* A crash may have lost a mark that was not synced yet, although what was written behind it is there. */
static enum pat_status mark_again(struct pat_journal *journal, const struct pat_journal_point *at,
                                  struct pat_error *error) {
    unsigned char mark[PAT_RECORD_HEADER_BYTES];
    struct pat_file *file = journal->file;
    pat_journal__header_put(mark, 0, at->lsn, at->lsn, at->rows);
    (void)pat_journal__seal(mark, journal->entry.id, at->chain);
    PAT_TRY(file->ops->file_write_at(file, at->offset, mark, sizeof mark, error));
    return file->ops->file_sync(file, error);
}

enum pat_status pat_journal__open(struct pat_journal *journal, struct pat_fs *fs, const struct pat_journal_entry *entry,
                                  const struct pat_journal_found *found, bool killed, struct pat_error *error) {
    char name[PAT_FILE_NAME_BYTES];
    pat_file__name(PAT_FILE_JOURNAL, entry->number, name);
    *journal = (struct pat_journal){.fs = fs, .entry = *entry, .written = found->end, .synced = found->end};
    PAT_TRY(fs->ops->file_open(fs, &journal->file, name, PAT_FILE_APPEND, error));
    enum pat_status status = journal->file->ops->file_size(journal->file, &journal->reserved, error);
    /* Nothing may be found behind the end later: a record that was cut off could follow on one that is written now.
     * Zeros and not a shorter file, because the room is to stay; and after each kill, since what an earlier start wiped
     * may be zeros in the cache only. */
    if (status == PAT_OK && (killed || found->torn_bytes > 0) && found->version == PAT_JOURNAL_VERSION) {
        status = pat_journal__zero(journal->file, found->end.offset, journal->reserved, error);
    }
    if (status == PAT_OK) {
        status = found->proven_offset < found->end.offset
                     ? rewrite(journal->file, found->proven_offset, found->end.offset, error)
                     : journal->file->ops->file_sync(journal->file, error);
    }
    /* Not before: it says that what stands before it is on disk. */
    if (status == PAT_OK && found->marks_damaged > 0 && found->version == PAT_JOURNAL_VERSION) {
        status = mark_again(journal, &found->mark, error);
    }
    pass_cache(journal->file);
    if (status != PAT_OK) pat_journal__close(journal);
    return status;
}

uint64_t pat_journal__needs(const struct pat_journal *journal, size_t group_bytes) {
    return journal->written.offset + group_bytes + PAT_RECORD_HEADER_BYTES;
}

enum pat_status pat_journal__reserve(struct pat_journal *journal, uint64_t bytes, struct pat_error *error) {
    if (bytes <= journal->reserved) return PAT_OK;
    PAT_TRY(journal->file->ops->file_reserve(journal->file, bytes, error));
    journal->reserved = bytes;
    return PAT_OK;
}

/* Completes all headers; gives the point behind the group. */
static struct pat_journal_point group_seal(const struct pat_journal *journal, struct pat_buf *group) {
    struct pat_journal_point point = journal->written;
    for (size_t at = 0; at < group->length;) {
        unsigned char *record = group->data + at;
        uint32_t payload_bytes = pat_get_u32(record + 4);
        PAT_ASSERT(pat_get_u64(record + 8) == point.lsn + 1);
        point.rows += pat_get_u64(record + ROWS_OFFSET);
        pat_journal__header_put(record, payload_bytes, ++point.lsn, journal->synced.lsn, point.rows);
        point.chain = pat_journal__seal(record, journal->entry.id, point.chain);
        at += PAT_RECORD_HEADER_BYTES + payload_bytes;
    }
    point.offset += group->length;
    return point;
}

enum pat_status pat_journal__append(struct pat_journal *journal, struct pat_buf *group, struct pat_error *error) {
    struct pat_journal_point end = group_seal(journal, group);
    struct pat_file *file = journal->file;
    PAT_TRY(file->ops->file_write_at(file, journal->written.offset, group->data, group->length, error));
    journal->written = end;
    return PAT_OK;
}

enum pat_status pat_journal__sync(struct pat_journal *journal, struct pat_error *error) {
    PAT_TRY(journal->file->ops->file_sync(journal->file, error));
    journal->synced = journal->written;
    journal->mark_unsynced = false;
    return PAT_OK;
}

enum pat_status pat_journal__mark(struct pat_journal *journal, struct pat_error *error) {
    unsigned char mark[PAT_RECORD_HEADER_BYTES];
    pat_journal__header_put(mark, 0, journal->written.lsn, journal->synced.lsn, journal->written.rows);
    (void)pat_journal__seal(mark, journal->entry.id, journal->written.chain);
    PAT_TRY(journal->file->ops->file_write_at(journal->file, journal->written.offset, mark, sizeof mark, error));
    journal->written.offset += sizeof mark;
    journal->mark_unsynced = true;
    return PAT_OK;
}

void pat_journal__close(struct pat_journal *journal) {
    if (journal->file != NULL) journal->file->ops->file_close(&journal->file);
}
