/* The way of a snapshot to the disk: pieces of the file in order, on a thread of its own, so that the next ones are
 * copied and checksummed while the disk is at work.
 *
 *   filling:  [piece] [piece] [piece] -> given -> written, and every few pieces the disk is made to keep them
 *
 * Whatever happens to the file happens in one order, with the thread or without: write, write, ..., sync, write, ...
 * Disks that say at once that they have the data do the work when they are told to sync, and take nothing else
 * meanwhile (measured: 0.08 s for the writes of 512 MiB, 0.26 s for the sync; writes beside a sync only wait). So there
 * is nothing to gain from several writes at once, but much from having the next pieces ready. Inside the persist room
 * only. */
#ifndef PAT_PERSIST_PIECES_PRIVATE_H
#define PAT_PERSIST_PIECES_PRIVATE_H

#include "base/fs.h"
#include "persist/snapshot_private.h"

struct pat_pieces;

/* Takes the pieces of `file`, which has about `bytes_about` bytes at the end: room is looked for by them,
 * and a small file is written without a thread. *piece is the first to fill: way->piece_bytes, and room for a block
 * behind. The file is the pieces' own until pat_pieces__end or pat_pieces__close.
 * Fails: PAT_ERR_NO_SPACE when the disk would be left with too little; PAT_ERR_NO_MEMORY. */
enum pat_status pat_pieces__open(struct pat_pieces **out, struct pat_fs *fs, struct pat_file *file,
                                 const struct pat_snapshot_way *way, uint64_t bytes_about, unsigned char **piece,
                                 struct pat_error *error) PAT_MUST_CHECK;
/* Gives away the first way->piece_bytes of *piece, of which `ready` are filled. *piece becomes the next one, which
 * begins with the rest. Fails: what writing and syncing this piece or one before gave, and then nothing more is done to
 * the file. */
enum pat_status pat_pieces__give(struct pat_pieces *pieces, size_t ready, unsigned char **piece,
                                 struct pat_error *error) PAT_MUST_CHECK;
/* The last `ready` bytes: everything is written, and synced, when this says so. */
enum pat_status pat_pieces__end(struct pat_pieces *pieces, size_t ready, const unsigned char *piece,
                                struct pat_error *error) PAT_MUST_CHECK;
void pat_pieces__close(struct pat_pieces **pieces);

#endif
