#include "persist/file_private.h"

#include "persist/bytes_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_OFFSET 8u
#define ID_OFFSET      16u
#define LSN_OFFSET     40u
#define DIGEST_OFFSET  48u

static const struct {
    char magic[9];
    const char *prefix, *suffix;
    uint32_t version_oldest, version;
} kinds[] = {
    [PAT_FILE_JOURNAL] = {"PATJRNL\n", "journal-", ".pj", PAT_JOURNAL_VERSION_OLDEST, PAT_JOURNAL_VERSION},
    [PAT_FILE_SNAPSHOT] = {"PATSNAP\n", "snapshot-", ".ps", PAT_SNAPSHOT_VERSION, PAT_SNAPSHOT_VERSION},
};

void pat_file__name(enum pat_file_kind kind, uint64_t number, char out[PAT_FILE_NAME_BYTES]) {
    int length =
        snprintf(out, PAT_FILE_NAME_BYTES, "%s%08" PRIu64 "%s", kinds[kind].prefix, number, kinds[kind].suffix);
    PAT_ASSERT(length > 0 && (unsigned)length < PAT_FILE_NAME_BYTES);
}

bool pat_file__name_parse(const char *name, enum pat_file_kind *kind, uint64_t *number) {
    for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        size_t prefix = strlen(kinds[k].prefix);
        if (strncmp(name, kinds[k].prefix, prefix) != 0) continue;
        char again[PAT_FILE_NAME_BYTES];
        *kind = (enum pat_file_kind)k;
        *number = strtoull(name + prefix, NULL, 10);
        if (*number > UINT32_MAX) return false;
        pat_file__name(*kind, *number, again);
        return strcmp(name, again) == 0;
    }
    return false;
}

void pat_file__header_write(enum pat_file_kind kind, const struct pat_file_header *header,
                            unsigned char out[PAT_FILE_HEADER_BYTES]) {
    memcpy(out, kinds[kind].magic, 8);
    pat_put_u32(out + VERSION_OFFSET, header->version != 0 ? header->version : kinds[kind].version);
    pat_put_u32(out + 12, PAT_FILE_HEADER_BYTES);
    pat_put_digest(out + ID_OFFSET, header->id);
    pat_put_u64(out + 32, header->number);
    pat_put_u64(out + LSN_OFFSET, header->lsn);
    pat_put_digest(out + DIGEST_OFFSET, pat_digest_of(out, DIGEST_OFFSET));
}

struct pat_digest pat_file__chain(enum pat_file_kind kind, const struct pat_file_header *header) {
    unsigned char bytes[PAT_FILE_HEADER_BYTES];
    pat_file__header_write(kind, header, bytes);
    return pat_digest_chain(header->id, bytes, sizeof bytes);
}

struct pat_digest pat_file__id(const unsigned char header[PAT_FILE_HEADER_BYTES]) {
    return pat_get_digest(header + ID_OFFSET);
}

pat_lsn pat_file__lsn(const unsigned char header[PAT_FILE_HEADER_BYTES]) {
    return pat_get_u64(header + LSN_OFFSET);
}

uint32_t pat_file__version(const unsigned char header[PAT_FILE_HEADER_BYTES]) {
    return pat_get_u32(header + VERSION_OFFSET);
}

enum pat_status pat_file__header_check(struct pat_file *file, enum pat_file_kind kind, struct pat_file_header *expected,
                                       struct pat_error *error) {
    char name[PAT_FILE_NAME_BYTES];
    pat_file__name(kind, expected->number, name);
    unsigned char bytes[PAT_FILE_HEADER_BYTES], wanted[PAT_FILE_HEADER_BYTES];
    size_t got;
    PAT_TRY(file->ops->file_read_at(file, 0, bytes, sizeof bytes, &got, error));
    if (got < sizeof bytes) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, name, -1, 0, "%s: ends at offset %zu, inside its header", name,
                                got);
    }
    if (!pat_digest_equal(pat_get_digest(bytes + DIGEST_OFFSET), pat_digest_of(bytes, DIGEST_OFFSET))) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, name, -1, 0,
                                "%s: checksum of the header at offset 0 does not match", name);
    }
    const uint32_t version = pat_file__version(bytes);
    if (memcmp(bytes, kinds[kind].magic, 8) == 0 &&
        (version < kinds[kind].version_oldest || version > kinds[kind].version)) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, name, -1, 8,
                                "%s: has format version %u, this program reads %u to %u", name, version,
                                kinds[kind].version_oldest, kinds[kind].version);
    }
    expected->version = version;
    pat_file__header_write(kind, expected, wanted);
    if (memcmp(bytes, wanted, sizeof bytes) != 0) {
        return pat_error_set_at(error, PAT_ERR_CORRUPT, name, -1, 0,
                                "%s: is not the file the manifest speaks of (it says number %" PRIu64 ", lsn %" PRIu64
                                "): swapped, or of another time",
                                name, pat_get_u64(bytes + 32), pat_get_u64(bytes + 40));
    }
    return PAT_OK;
}
