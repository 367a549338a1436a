/* What journal and snapshot files have in common: their names and the 64 bytes they start with.
 *
 *   0 magic  8 version  12 header bytes  16 file id  32 number  40 lsn  48 digest of the 48 bytes before
 *
 * The id is new for every file. Everything behind the header is chained to it, so that a part of another file, even of
 * one with the same name and number, is never taken for a part of this one. */
#ifndef PAT_PERSIST_FILE_PRIVATE_H
#define PAT_PERSIST_FILE_PRIVATE_H

#include "base/fs.h"
#include "base/hash.h"
#include "base/status.h"
#include "model/types.h"

#include <stdint.h>

#define PAT_FILE_HEADER_BYTES 64u
/* Raised when a reader of the version before would misread a file. Readers take the oldest that they know to the one
 * that is written, and refuse all others. Journals: 2 had records without rows, and no room behind them. */
#define PAT_JOURNAL_VERSION        3u
#define PAT_JOURNAL_VERSION_OLDEST 2u
#define PAT_SNAPSHOT_VERSION       2u
#define PAT_FILE_NAME_BYTES        32u

enum pat_file_kind { PAT_FILE_JOURNAL, PAT_FILE_SNAPSHOT };

struct pat_file_header {
    struct pat_digest id;
    uint64_t number;
    pat_lsn lsn;      /* journal: first; snapshot: of its view */
    uint32_t version; /* 0: the one that is written */
};

/* "journal-00000007.pj", "snapshot-00000002.ps". */
void pat_file__name(enum pat_file_kind kind, uint64_t number, char out[PAT_FILE_NAME_BYTES]);
/* The kind and number of a name that pat_file__name could have given. */
bool pat_file__name_parse(const char *name, enum pat_file_kind *kind, uint64_t *number);

void pat_file__header_write(enum pat_file_kind kind, const struct pat_file_header *header,
                            unsigned char out[PAT_FILE_HEADER_BYTES]);
/* What a header names, true or not. */
struct pat_digest pat_file__id(const unsigned char header[PAT_FILE_HEADER_BYTES]);
pat_lsn pat_file__lsn(const unsigned char header[PAT_FILE_HEADER_BYTES]);
uint32_t pat_file__version(const unsigned char header[PAT_FILE_HEADER_BYTES]);
/* Where the chain of a file with this header starts. */
struct pat_digest pat_file__chain(enum pat_file_kind kind, const struct pat_file_header *header);
/* Reads the header of an open file and holds it against the one expected, whose version becomes that of the file.
 * Fails: PAT_ERR_CORRUPT naming file and offset; a version that is not known; what reading gives. */
enum pat_status pat_file__header_check(struct pat_file *file, enum pat_file_kind kind, struct pat_file_header *expected,
                                       struct pat_error *error) PAT_MUST_CHECK;
/* pat_fs_ops' file_forget, where there is one. */
static inline void pat_file__forget(struct pat_file *file, uint64_t offset, uint64_t bytes) {
    if (file->ops->file_forget != NULL) file->ops->file_forget(file, offset, bytes);
}

#endif
