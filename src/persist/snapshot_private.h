/* Snapshot files: one view, in blocks.
 *
 *   file    header of 64 bytes (file_private.h; lsn = the view's), then blocks without gaps, the last one a FOOTER
 *   block   0 magic  4 payload bytes (at most 1 MiB)  8 section  12 sequence  16 digest  32 payload
 *
 * digest: of the block's first 16 bytes and payload, chained to that of the block before (the first one to the file's
 * header), so that a missing, swapped or foreign block is noticed; the digest of the last block stands in the manifest.
 * A section is a stream of bytes over any number of blocks; it starts with a block of its own:
 *
 *   SETTINGS   zone, base currency, lsn
 *   HEAP       u64 bytes, the bytes as far as the view saw them
 *   TABLE      u32 table, rows, columns of its own, attributes, chunk shift, dictionaries; each attribute: u8 type, u8
 * length and the name without prefix; each dictionary: u32 column (attributes behind its own), count, u64 places; each
 * column, each chunk: u8 width, i64 base, rows * width bytes as they are in memory; packed ones (store/packed.h): 16,
 * bytes, those PRODUCERS  u64 bytes, pat_producers_write's MAPS       u32 count, each u32 bytes and the map (all but
 * the built-in one) FITS       u32 count, each u32 bytes and the fit; u8 and the fit in use, if any; its terms. Absent
 * in files from before there were any FOOTER     control totals */
#ifndef PAT_PERSIST_SNAPSHOT_PRIVATE_H
#define PAT_PERSIST_SNAPSHOT_PRIVATE_H

#include "base/buf.h"
#include "base/fs.h"
#include "base/spread.h"
#include "base/status.h"
#include "persist/manifest_private.h"
#include "store/store.h"

#include <stdint.h>

#define PAT_BLOCK_HEADER_BYTES  32u
#define PAT_BLOCK_PAYLOAD_BYTES (1u << 20)
#define PAT_BLOCK_BYTES         (PAT_BLOCK_HEADER_BYTES + PAT_BLOCK_PAYLOAD_BYTES)
#define PAT_BLOCK_MAGIC         0x4b425450u /* "PTBK" */

enum pat_section {
    PAT_SECTION_SETTINGS = 1,
    PAT_SECTION_HEAP,
    PAT_SECTION_TABLE,
    PAT_SECTION_PRODUCERS,
    PAT_SECTION_MAPS,
    PAT_SECTION_FOOTER,
    PAT_SECTION_FITS,
};

/* Bytes that are written at a time: past the system's cache a disk wants some megabytes (measured: 0.84 GB/s by one,
 * 1.6 GB/s by four). */
#define PAT_SNAPSHOT_PIECE_BYTES ((uint32_t)4 << 20)
_Static_assert(PAT_SNAPSHOT_PIECE_BYTES % PAT_FILE_PIECE_ALIGN == 0, "pieces go past the cache");

/* How a snapshot is written. */
struct pat_snapshot_way {
    bool read_soon;         /* through the system's cache, where it stays; otherwise past it */
    bool alone;             /* one thread does all that happens to the disk */
    uint32_t piece_bytes;   /* PAT_SNAPSHOT_PIECE_BYTES, or less where a test wants many */
    uint64_t journal_bytes; /* of a journal file: by this the room is measured that must be left */
};

/* Writes `view` to the tmp file of generation entry->number, syncs it, gives it its name and syncs the directory.
 * Number, id and lsn of `entry` are given, bytes, chain and totals come back. On failure nothing with the final name
 * stays; PAT_ERR_NO_SPACE comes before the disk is full. */
enum pat_status pat_snapshot__write(struct pat_fs *fs, const struct pat_settings *settings, const struct pat_view *view,
                                    const struct pat_buf *producers, const struct pat_snapshot_way *way,
                                    struct pat_generation_entry *entry, struct pat_error *error) PAT_MUST_CHECK;

/* Reads a snapshot from end to end without looking into its sections: length, every digest, the last one as the
 * manifest has it. *blocks counts up. `spread` (may be NULL) lends threads. Fails: PAT_ERR_CORRUPT naming file and
 * offset, PAT_ERR_NO_MEMORY, what reading gives. */
enum pat_status pat_snapshot__verify(struct pat_fs *fs, const struct pat_generation_entry *entry,
                                     const struct pat_spread *spread, uint64_t *blocks,
                                     struct pat_error *error) PAT_MUST_CHECK;
/* The same in pieces, from the disk where it can be, and with the control totals of the file held against those of the
 * manifest. */
struct pat_snapshot_check;
enum pat_status pat_snapshot__check_open(struct pat_snapshot_check **out, struct pat_fs *fs,
                                         const struct pat_generation_entry *entry,
                                         struct pat_error *error) PAT_MUST_CHECK;
/* Reads about so many bytes more, some blocks; *read and *blocks count up. */
enum pat_status pat_snapshot__check_some(struct pat_snapshot_check *check, uint64_t bytes, uint64_t *read,
                                         uint64_t *blocks, bool *done, struct pat_error *error) PAT_MUST_CHECK;
void pat_snapshot__check_close(struct pat_snapshot_check **check);
/* Brings the empty `store` to what the snapshot holds and compares control totals; it is unsettled then. After a
 * failure the store is good for nothing but clearing and closing. `spread` (may be NULL) lends threads. */
enum pat_status pat_snapshot__load(struct pat_fs *fs, const struct pat_settings *settings,
                                   const struct pat_generation_entry *entry, struct pat_store *store,
                                   const struct pat_spread *spread, struct pat_error *error) PAT_MUST_CHECK;

/* For less, pat_mem_copy_far's call is not worth it: where pages are at hand, it is slower than a copy. */
#define PAT_SNAPSHOT_FAR_BYTES ((size_t)16 << 10)
/* Long chunks are copied to `near`, which has so many bytes, before they are added up. */
size_t pat_snapshot__near_bytes(void);
struct pat_totals pat_snapshot__totals_of_view(const struct pat_view *view, struct pat_chunk *near);
struct pat_totals pat_snapshot__totals_of_store(const struct pat_store *store, const struct pat_spread *spread);

#endif
