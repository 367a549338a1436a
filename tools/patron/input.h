/* The bytes of a file, a pipe or standard input, decompressed when they are gzip or zstd (told by their first bytes,
 * not by the name). One thread reads; position and stop may be touched from another. */
#ifndef PATRON_INPUT_H
#define PATRON_INPUT_H

#include "base/hash.h"
#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pat_input;

/* Read of a file at once: large enough that system calls do not show, small enough to stay in the cache. */
#define PAT_INPUT_BLOCK_BYTES ((size_t)1 << 18)

/* `path` "-" is standard input. `stop` ends waiting for a pipe: reads then fail with PAT_ERR_CANCELLED.
 * Fails: PAT_ERR_NOT_FOUND, PAT_ERR_IO, PAT_ERR_NO_MEMORY. */
enum pat_status pat_input_open(struct pat_input **out, const char *path, const atomic_bool *stop,
                               struct pat_error *error) PAT_MUST_CHECK;
void pat_input_close(struct pat_input **input);

/* Digest of all bytes as stored (compressed ones as they are). Call before the first read. What cannot be read twice, a
 * pipe, is copied to a temporary file first. */
enum pat_status pat_input_digest(struct pat_input *input, struct pat_digest *out,
                                 struct pat_error *error) PAT_MUST_CHECK;

/* Decompressed bytes; *got == 0 only at the end. PAT_ERR_CORRUPT for damaged or cut off compressed data. */
enum pat_status pat_input_read(struct pat_input *input, void *data, size_t capacity, size_t *got,
                               struct pat_error *error) PAT_MUST_CHECK;

/* Stored bytes read so far, and in all (0: not known). */
uint64_t pat_input_position(const struct pat_input *input);
uint64_t pat_input_size(const struct pat_input *input);

#endif
