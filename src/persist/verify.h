/* Every file of a directory read again while the server writes to it: the manifest, the snapshots with their control
 * totals, the journal files up to what was acknowledged when it began.
 *
 * It goes on behind what is damaged, so that each file is told. A file that is no longer named when something is wrong
 * with it was dropped meanwhile, and is nobody's damage. What is damaged is remembered by `persist`: the next snapshot
 * takes no damaged one for the older of its two generations, and is read back before it counts. */
#ifndef PAT_PERSIST_VERIFY_H
#define PAT_PERSIST_VERIFY_H

#include "persist/persist.h"

struct pat_verify;

/* Damaged files that are told one by one. */
#define PAT_FINDINGS_MAX 16u

struct pat_finding {
    char file[48];
    int64_t offset;              /* -1: none */
    pat_lsn first_lsn, last_lsn; /* batches that this file holds from there on; 0: none is lost with it */
    char message[PAT_ERROR_MESSAGE_BYTES];
};

struct pat_verified {
    pat_lsn lsn;             /* acknowledged when it began */
    uint64_t files, bytes;   /* looked at; read */
    uint64_t parts;          /* blocks, records, marks, and files that the manifest names */
    unsigned findings, kept; /* damaged files; those told here */
    struct pat_finding finding[PAT_FINDINGS_MAX];
};

/* Thread: any. Holds some hundred KiB, a snapshot's block or a journal's record. PAT_ERR_NO_MEMORY. */
enum pat_status pat_verify_open(struct pat_verify **out, struct pat_persist *persist,
                                struct pat_error *error) PAT_MUST_CHECK;
/* Reads about so many bytes more; *done when there are no more. What is damaged is no failure of this call.
 * PAT_ERR_NO_MEMORY, PAT_ERR_BUSY (no descriptors): that says nothing about a file, and it may go on later. Thread:
 * any, one at a time. */
enum pat_status pat_verify_some(struct pat_verify *verify, uint64_t bytes, bool *done,
                                struct pat_error *error) PAT_MUST_CHECK;
/* What was found so far. */
const struct pat_verified *pat_verify_found(const struct pat_verify *verify);
void pat_verify_close(struct pat_verify **verify);

/* Files found damaged that are still named. The owner's. */
unsigned pat_persist_damaged(struct pat_persist *persist);

#endif
