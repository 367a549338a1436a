/* A snapshot read as what it is made of: blocks, each checked before anything is taken from it, and sections as streams
 * of bytes over them. Inside the persist room only. */
#ifndef PAT_PERSIST_BLOCKS_PRIVATE_H
#define PAT_PERSIST_BLOCKS_PRIVATE_H

#include "persist/file_private.h"
#include "persist/snapshot_private.h"

#include <stdbool.h>

/* Blocks that are read and checked together, by as many threads as there are. */
#define PAT_BLOCKS_WINDOW 16u

/* A block of the window: what its header says, not yet to be believed. */
struct pat_block_slot {
    uint64_t offset;
    struct pat_digest before; /* digest of the block before */
    struct pat_digest after;  /* its own, when it was checked */
    bool checked;             /* it is in memory, and good */
};

/* A piece of a chunk that waits to be copied out of the window. */
struct pat_block_copy {
    unsigned char *to;
    const unsigned char *from;
    size_t bytes;
};

struct pat_blocks {
    struct pat_fs *fs;
    const struct pat_spread *spread; /* NULL: one block at a time, and nothing waits */
    struct pat_file *file;
    char name[PAT_FILE_NAME_BYTES];
    uint64_t size, offset; /* offset: of the next block */
    struct pat_digest chain;
    uint32_t sequence;
    uint32_t section;      /* of the block in memory */
    uint32_t used, length; /* of its payload */
    unsigned char *block;  /* in `window` */
    struct pat_error *error;

    unsigned char *window;
    uint32_t window_max; /* blocks that it has room for */
    uint32_t slots, next_slot;
    struct pat_block_slot slot[PAT_BLOCKS_WINDOW];
    struct pat_block_copy *copy; /* NULL: nothing waits */
    uint32_t copies;
};

/* Opens the file of `entry`, calls `use`, and holds the end of what that read against the entry. Of `blocks` fs, spread
 * and error are set. */
enum pat_status pat_blocks__with(struct pat_blocks *blocks, const struct pat_generation_entry *entry, void *context,
                                 enum pat_status (*use)(struct pat_blocks *blocks, void *context)) PAT_MUST_CHECK;
/* The next section, which must be read to its end before. */
enum pat_status pat_blocks__section_next(struct pat_blocks *blocks) PAT_MUST_CHECK;
enum pat_status pat_blocks__section_begin(struct pat_blocks *blocks, enum pat_section section) PAT_MUST_CHECK;
/* The next bytes of the section. */
enum pat_status pat_blocks__get(struct pat_blocks *blocks, void *out, size_t bytes) PAT_MUST_CHECK;
/* The same, but `to` may be filled later: by pat_blocks__copy. */
enum pat_status pat_blocks__get_later(struct pat_blocks *blocks, unsigned char *to, size_t bytes) PAT_MUST_CHECK;
void pat_blocks__copy(struct pat_blocks *blocks);
/* Counts are held against this before memory is asked for. */
uint64_t pat_blocks__left(const struct pat_blocks *blocks);
/* Where the bytes read last came from, for messages. */
uint64_t pat_blocks__offset(const struct pat_blocks *blocks);
/* PAT_ERR_CORRUPT naming file and offset. */
enum pat_status pat_blocks__fail(const struct pat_blocks *blocks, uint64_t offset, const char *why);
enum pat_status pat_blocks__senseless(const struct pat_blocks *blocks);

#endif
