/* Journal files. First byte even: the rest is what follows a good file header, of the oldest version when the byte's
 * second bit is set. Odd: the rest is cut into payloads (u16
 * length, bytes) that are sealed as records in order, so that the entry decoder behind the checksums is reached. */
#include "../unit/persist/sim_disk.h"
#include "base/arena.h"
#include "base/buf.h"
#include "persist/codec_private.h"
#include "persist/file_private.h"
#include "persist/journal_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pat_journal_entry entry = {.number = 1, .id = {11, 22}, .first_lsn = 1};

/* Reads each entry, and writes it again: what was accepted must come out as the same bytes' worth of meaning. */
static enum pat_status each_record(void *context, pat_lsn lsn, const unsigned char *payload, size_t bytes,
                                   uint64_t offset, struct pat_error *error) {
    (void)context, (void)lsn, (void)offset, (void)error;
    struct pat_arena arena;
    struct pat_decoded decoded;
    struct pat_buf again;
    struct pat_reader reader = {.at = payload, .end = payload + bytes};
    pat_arena_init(&arena, (size_t)256 << 20);
    pat_buf_init(&again, PAT_MEM_OTHER);
    if (pat_codec__entry_read(&decoded, &reader, &arena) == PAT_OK) {
        PAT_ASSERT(pat_codec__entry_write(&decoded.entry, NULL, &again) == PAT_OK);
    }
    pat_buf_deinit(&again);
    pat_arena_deinit(&arena);
    return PAT_OK;
}

static void add_record(struct pat_buf *file, const uint8_t *payload, uint32_t bytes, pat_lsn lsn,
                       struct pat_digest *chain) {
    static const unsigned char zeros[PAT_RECORD_HEADER_BYTES];
    uint32_t padded = (bytes + 7) & ~7u;
    size_t at = file->length;
    PAT_ASSERT(pat_buf_append(file, zeros, sizeof zeros) == PAT_OK);
    PAT_ASSERT(pat_buf_append(file, payload, bytes) == PAT_OK);
    PAT_ASSERT(pat_buf_append(file, zeros, padded - bytes) == PAT_OK);
    pat_journal__header_put(file->data + at, padded, lsn, lsn - 1, lsn * 2);
    *chain = pat_journal__seal(file->data + at, entry.id, *chain);
}

static void add_records(struct pat_buf *file, const uint8_t *data, size_t size, struct pat_digest chain) {
    pat_lsn lsn = 1;
    while (size > 2) {
        uint32_t bytes = (uint32_t)data[0] | (uint32_t)data[1] << 8;
        data += 2;
        size -= 2;
        if (bytes > size) bytes = (uint32_t)size;
        if (bytes > 0) add_record(file, data, bytes, lsn++, &chain);
        data += bytes;
        size -= bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct pat_buf file;
    unsigned char head[PAT_FILE_HEADER_BYTES];
    struct pat_file_header header = {.id = entry.id, .number = entry.number, .lsn = entry.first_lsn};
    if (data[0] % 4 == 2) header.version = PAT_JOURNAL_VERSION_OLDEST;
    pat_buf_init(&file, PAT_MEM_OTHER);
    pat_file__header_write(PAT_FILE_JOURNAL, &header, head);
    PAT_ASSERT(pat_buf_append(&file, head, sizeof head) == PAT_OK);
    if (data[0] % 2 == 0) {
        PAT_ASSERT(pat_buf_append(&file, data + 1, size - 1) == PAT_OK);
    } else {
        add_records(&file, data + 1, size - 1, pat_file__chain(PAT_FILE_JOURNAL, &header));
    }
    struct sim_disk disk;
    struct pat_file *out;
    struct pat_journal_found found;
    sim_init(&disk);
    PAT_ASSERT(sim_file_open(&disk.base, &out, "journal-00000001.pj", PAT_FILE_CREATE, NULL) == PAT_OK);
    PAT_ASSERT(sim_file_write_at(out, 0, file.data, file.length, NULL) == PAT_OK);
    sim_file_close(&out);
    struct pat_journal_scan scan = {
        .fs = &disk.base, .entry = entry, .bytes_max = UINT64_MAX, .record_cb = each_record};
    enum pat_status status = pat_journal__scan(&scan, &found, NULL);
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_CORRUPT || status == PAT_ERR_NO_MEMORY);
    if (status == PAT_OK) PAT_ASSERT(found.end.offset + found.torn_bytes <= file.length);
    sim_deinit(&disk);
    pat_buf_deinit(&file);
    return 0;
}
