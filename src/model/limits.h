/* Every limit in one place, with its reason. */
#ifndef PAT_MODEL_LIMITS_H
#define PAT_MODEL_LIMITS_H

#include <stdint.h>

/* RULES: ids are 1 to 64 bytes. */
#define PAT_ID_BYTES_MAX 64u
/* A journal file has so much room at first and grows by it: some seconds of small batches, a fortieth of a second of
 * bulk. Zeros for it take as long to write. */
#define PAT_JOURNAL_FILE_BYTES (16u << 20)
/* Values of dictionary columns (country, channel, ...): names, not prose. The length fits one byte of the heap. */
#define PAT_DICT_TEXT_BYTES_MAX 255u
/* One amount of money, in minor units: ten trillion of a currency with two digits. Sums of nine thousand such fit an
 * int64. */
#define PAT_MONEY_MINOR_MAX INT64_C(1000000000000000)
/* Numbers of lines within an order: appended ones go on from the greatest and must not run over. */
#define PAT_LINE_NUMBER_MAX INT32_MAX
/* RULES: meta of a batch. */
#define PAT_META_BYTES_MAX 256u
/* One frame: a batch of 64 Ki orders as MessagePack objects is 5 MB, as bin 3 MB. Bounds what one client can pin. */
#define PAT_FRAME_BYTES_MAX (64u << 20)
/* Objects in one frame: 20 columns of 64 Ki rows, and the 16 bytes of a value keep all of them under 64 MB. */
#define PAT_FRAME_OBJECTS_MAX (2u << 20)
#define PAT_FRAME_DEPTH_MAX   16u
/* Rows of one batch: bounds the time the loop spends on one apply (about 20 ms) and the journal record. */
#define PAT_BATCH_ROWS_MAX    65536u
#define PAT_BATCH_COLUMNS_MAX 128u
/* API: attributes that a shop may add to one table, and the bytes of a name ("vip" of attr.vip). */
#define PAT_ATTRIBUTES_MAX           64u
#define PAT_ATTRIBUTE_NAME_BYTES_MAX 63u
/* Errors reported back of one batch unless `errors` asks for another number. */
#define PAT_BATCH_ERRORS_DEFAULT 100u
/* RULES: answers kept per producer for a repeated (producer, seq). */
#define PAT_PRODUCER_ANSWERS 1024u
/* Producers known at once: each is a name, an interval list and its answers; about 100 MB at the most. */
#define PAT_PRODUCERS_MAX      65536u
#define PAT_PRODUCER_BYTES_MAX 128u
/* Filters: deep enough for any builder, shallow enough for recursion on a worker's stack. */
#define PAT_FILTER_DEPTH_MAX 64u
#define PAT_FILTER_BYTES_MAX 65536u
#define PAT_FILTER_NODES_MAX 16384u
/* Values for :name; each is looked for by going through them, for each of the nodes above. */
#define PAT_FILTER_ARGS_MAX 256u
/* Relative days reach from any accepted day to any other, and adding one to a day fits 32 bits. */
#define PAT_FILTER_DAYS_MAX      3652058
#define PAT_GROUP_DIMENSIONS_MAX 4u
#define PAT_GROUP_METRICS_MAX    32u
/* Groups of one answer before `limit`: the hash table of groups stays in a request's arena. */
#define PAT_GROUPS_MAX         1048576u
#define PAT_FIELDS_MAX         64u
#define PAT_ROWS_LIMIT_DEFAULT 100u
#define PAT_ROWS_LIMIT_MAX     10000u
/* A day: a question that runs longer has lost its asker. */
#define PAT_DEADLINE_MS_MAX 86400000u
/* Questions of one batch: a page full of charts, several times over. */
#define PAT_BATCH_CALLS_MAX 64u
/* RULES: a cursor is good for ten minutes. */
#define PAT_CURSOR_MS 600000u
/* Versions that cursors keep: each may cost copies of what is loaded meanwhile, so few; the least recently used ones
 * go. */
#define PAT_CURSOR_VERSIONS_MAX 16u
/* A piece of a backup: a client that asks for four at a time stays below a connection's high water. */
#define PAT_BACKUP_PIECE_BYTES_MAX (1u << 20)
/* Backups being read at once, each with a descriptor and maybe a snapshot that would be gone already; and how long one
 * is kept of which nothing is read. */
#define PAT_BACKUPS_MAX 4u
#define PAT_BACKUP_MS   60000u
/* Months of a cohort: a hundred years, as windows. */
#define PAT_COHORT_PERIODS_MAX 1200u
/* RULES: the cuts of the life cycle where a question gives none. */
#define PAT_LIFECYCLE_ACTIVE_DAYS   90
#define PAT_LIFECYCLE_SLEEPING_DAYS 365
/* Mean gaps that a cut of the life cycle may be: whoever writes more means days. */
#define PAT_LIFECYCLE_GAPS_MAX 1000u
/* Windows and horizons: 100 years. */
#define PAT_DURATION_DAYS_MAX 36525
/* Scratch of one query: two 8-byte arrays over ten million customers and room to spare. */
#define PAT_QUERY_BYTES_MAX ((size_t)2 << 30)
/* A fact may be this many days ahead of the clock (RULES). */
#define PAT_FUTURE_DAYS_MAX 1
/* Rows of one table: PAT_ROW_NONE is taken, and chain columns are 32 bits wide. */
#define PAT_TABLE_ROWS_MAX 4294967294u
/* Rates further apart than this are warned of: monthly ones are at most 31 days apart, and one that is missing shows.
 */
#define PAT_FX_GAP_DAYS        45
#define PAT_MAP_NAME_BYTES_MAX 64u
#define PAT_RFM_MAPS_MAX       256u
/* Fits of lifetime value: two kilobytes each, copied as a list when one is saved. */
#define PAT_FITS_MAX           256u
#define PAT_FIT_NAME_BYTES_MAX 64u
/* No model in the literature that we know of has more parameters without covariates. */
#define PAT_FIT_PARAMS_MAX 5u
/* Bars of a histogram: more than a screen has columns. */
#define PAT_CLV_BINS_MAX     1000u
#define PAT_CLV_BINS_DEFAULT 20u
/* Groups of one RFM map: one per cell at the most. */
#define PAT_RFM_GROUPS_MAX 125u

_Static_assert(PAT_BATCH_ROWS_MAX < PAT_FRAME_OBJECTS_MAX, "a batch of one column must fit a frame");
_Static_assert(PAT_ID_BYTES_MAX <= PAT_DICT_TEXT_BYTES_MAX, "ids share the text heap");

#endif
