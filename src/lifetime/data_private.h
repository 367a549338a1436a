/* Patterns as a fit reads them over and over: distinct values are found once, so that each evaluation takes a logarithm
 * per distinct day and a log Gamma per distinct x, and per pattern no more than one exp and one log1p.
 *
 *   patterns   x, t_x, T as indexes of distinct values, and a weight
 *   x values   [count.x] with table columns that a model fills for given parameters
 *   times      [count.times], likewise
 *
 * Sums: blocks of PAT_BLOCK patterns, each in eight lanes (lane i takes i, i + 8, ...), lanes and then blocks added
 * pairwise. A vector unit or a thread per block gives the same bits. */
#ifndef PAT_LIFETIME_DATA_PRIVATE_H
#define PAT_LIFETIME_DATA_PRIVATE_H

#include "base/status.h"
#include "lifetime/btyd.h"

#include <stddef.h>
#include <stdint.h>

/* Terms of a block (a likelihood and its gradient) fit a core's first cache; 512 is many vectors and few partial sums.
 */
#define PAT_BLOCK 512u
/* One likelihood, and a derivative for each parameter. */
#define PAT_TERMS (1u + PAT_BTYD_PARAMS_MAX)
/* Columns that a model can tabulate by x and by time. */
#define PAT_X_COLUMNS    6u
#define PAT_TIME_COLUMNS 2u

struct pat_data {
    size_t count; /* patterns */
    uint32_t *x, *t_x, *T;
    double *weight;
    size_t x_count, time_count;
    double *x_value, *time_value; /* distinct, in order of first appearance */
    double *x_table[PAT_X_COLUMNS];
    double *time_table[PAT_TIME_COLUMNS];
    double *block_sums; /* [PAT_TERMS][blocks] */
    double customers, repeaters;
    double x_sum, T_sum; /* weighted */
};

/* Owns memory on PAT_OK only. Fails: PAT_ERR_BAD_REQUEST (error->row), PAT_ERR_NO_MEMORY. */
enum pat_status pat_data__init(struct pat_data *data, const struct pat_btyd_pattern *patterns, size_t count,
                               struct pat_error *error) PAT_MUST_CHECK;
void pat_data__deinit(struct pat_data *data);

/* Distinct values of `count` numbers: index[i] says which. *out holds *out_count of them in order of first appearance;
 * the caller frees it (PAT_MEM_QUERY). */
enum pat_status pat_distinct__find(const double *value, size_t count, size_t stride, uint32_t *index, double **out,
                                   size_t *out_count) PAT_MUST_CHECK;

/* Sum of n <= PAT_BLOCK numbers in eight lanes. */
double pat_sum__lanes(const double *value, size_t n);
/* Sum of n numbers by halves, as for the blocks of a whole. */
double pat_sum__pairwise(const double *value, size_t n);

static inline size_t pat_blocks(size_t count) {
    return (count + PAT_BLOCK - 1) / PAT_BLOCK;
}

#endif
