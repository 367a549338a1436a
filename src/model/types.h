/* The words of the house as C types. */
#ifndef PAT_MODEL_TYPES_H
#define PAT_MODEL_TYPES_H

#include <stdint.h>

typedef int32_t pat_day;   /* days since 1970-01-01 in the store's zone */
typedef int64_t pat_minor; /* money in minor units of its currency */
typedef uint32_t pat_row;  /* dense row of a table; never reused */
typedef uint64_t pat_lsn;  /* number of a batch in the journal; 0 = before the first */

/* Sums of money on their way to an int64. ISO C has no such type; gcc and clang do on every 64-bit machine. */
__extension__ typedef __int128 pat_int128;
__extension__ typedef unsigned __int128 pat_uint128;

/* The null of every column value. All columns hold int64 values; see model/schema.h for what they mean by type. */
#define PAT_NULL     INT64_MIN
#define PAT_ROW_NONE UINT32_MAX
#define PAT_DAY_NONE INT32_MIN

/* Days that the system accepts: 0001-01-01 to 9999-12-31, so that every date prints as YYYY-MM-DD. */
#define PAT_DAY_MIN (-719162)
#define PAT_DAY_MAX 2932896

#endif
