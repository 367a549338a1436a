/* Entries of the journal as bytes: as narrow as each column allows, with nothing that depends on when or where it is
 * read.
 *
 *   entry   u8 kind, then
 *   batch   u8 table, u8 append, u32 rows, rows sent, rejected, i64 now_ms, u64 seq, digest, producer, meta,
 *           u32 columns, each column, row errors and reject counts (pat_batch_errors_write)
 *   column  u8 field (128 + its place, then u8 type: an attribute), u8 decimal, u8 width 0 1 2 4 8, i64 base,
 *           u32 dict count, dict texts, rows values of `width`
 *           width 0: every row is base; 1 2 4: base + value, all ones = null; 8: the value
 *   attribute  u8 table, u8 type, name without prefix
 *   fit     u8 when it is taken into use, then the fit: texts, u32s and bits of doubles in the order of codec_fit.c
 *   use     name, horizon, discount, margin
 *   map     name, u32 groups, group names, a byte per cell
 *   text    length in 7-bit groups, low first, then the bytes
 *
 * Which row was which when it was sent is not kept: row errors name rows as sent already. */
#ifndef PAT_PERSIST_CODEC_PRIVATE_H
#define PAT_PERSIST_CODEC_PRIVATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "persist/persist.h"

/* Appends to `out`. Fails: PAT_ERR_NO_MEMORY, `out` may then hold a part. */
enum pat_status pat_codec__entry_write(const struct pat_entry *entry, const struct pat_kernels *kernels,
                                       struct pat_buf *out) PAT_MUST_CHECK;

struct pat_decoded {
    struct pat_entry entry; /* points at one of those below; lsn is the caller's to set */
    struct pat_batch batch; /* texts borrowed from the bytes read, arrays from the arena */
    struct pat_rfm_map map;
    struct pat_attribute attribute;
    struct pat_fit_change change;
    struct pat_clv_fit fit;
};

/* Reads one entry that must fill `reader` to its end. Fails: PAT_ERR_CORRUPT, PAT_ERR_NO_MEMORY. */
enum pat_status pat_codec__entry_read(struct pat_decoded *out, struct pat_reader *reader,
                                      struct pat_arena *arena) PAT_MUST_CHECK;

enum pat_status pat_codec__map_write(const struct pat_rfm_map *map, struct pat_buf *out) PAT_MUST_CHECK;
enum pat_status pat_codec__map_read(struct pat_rfm_map *map, struct pat_reader *reader) PAT_MUST_CHECK;

/* codec_fit.c */
enum pat_status pat_codec__fit_write(const struct pat_clv_fit *fit, struct pat_buf *out) PAT_MUST_CHECK;
enum pat_status pat_codec__fit_read(struct pat_clv_fit *fit, struct pat_reader *reader) PAT_MUST_CHECK;
enum pat_status pat_codec__use_write(const struct pat_clv_use *use, struct pat_buf *out) PAT_MUST_CHECK;
enum pat_status pat_codec__use_read(struct pat_clv_use *use, struct pat_reader *reader) PAT_MUST_CHECK;
enum pat_status pat_codec__change_write(const struct pat_entry *entry, struct pat_buf *out) PAT_MUST_CHECK;
/* Into out->change, which points at out->fit for a FIT. */
enum pat_status pat_codec__change_read(struct pat_decoded *out, struct pat_reader *reader) PAT_MUST_CHECK;

#endif
