/* Values of a chunk in as few bits as they need, for chunks that are full and have not changed for a while.
 *
 *   block 0 | block 1 | ... | codes of block 0 | codes of block 1 | ... | padding
 *
 * A block is 1,024 values: a base above which its codes count, and how many bits each code has. So a column that rises
 * with its rows (times, days, rows of what came at the same time) takes what it rises by within a block. Where most
 * values are null, a map says which are not, and only those have codes. Nothing that is read here is trusted further
 * than pat_packed_check looked: codes above the block's greatest one count as that, so that bounds hold for any bytes.
 */
#ifndef PAT_STORE_PACKED_H
#define PAT_STORE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAT_PACKED_BLOCK 1024u

/* Bytes that `rows` values take at the most. */
size_t pat_packed_bytes_max(uint32_t rows);
/* Packs `rows` values into `out`, which has pat_packed_bytes_max; gives the bytes, or 0 when a block spreads over more
 * than 57 bits. Thread: any. */
size_t pat_packed_make(const int64_t *values, uint32_t rows, unsigned char *out);
/* What is there makes sense in `bytes` bytes for `rows` values; all that are not null are within *low .. *high (low >
 * high when there are none). */
bool pat_packed_check(const unsigned char *data, size_t bytes, uint32_t rows, int64_t *low, int64_t *high,
                      bool *has_null);
/* One value, and some in order. */
int64_t pat_packed_get(const unsigned char *data, uint32_t i);
void pat_packed_read(const unsigned char *data, uint32_t first, uint32_t count, int64_t *out);
/* Asks the processor for what getting value `i` reads first. */
void pat_packed_prefetch(const unsigned char *data, uint32_t i);
/* Reads that, and asks for what is read next. */
void pat_packed_prefetch_code(const unsigned char *data, uint32_t i);

#endif
