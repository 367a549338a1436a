/* Patterns as a fit reads them over and over: sorted by x, so that whatever depends on x is a number for a whole run of
 * them; times as indexes of distinct ones, so that an evaluation takes a logarithm for each day only; and for each
 * pattern, where customers may leave at all, one exp and one log1p.
 *
 *   runs       by distinct x, rising      patterns first .. end: t_x, T, weight
 *                                         spans span_first .. span_end: distinct T, weight of all patterns with it
 *   x tables   [runs], columns that a model fills for given parameters
 *   times      [times], pairs likewise
 *
 * What the plain NBD asks of a pattern is x and T alone, and there are few spans: its part costs next to nothing.
 *
 * Sums: blocks of PAT_BLOCK, each in eight lanes (lane i takes i, i + 8, ...), lanes, blocks and then runs added
 * pairwise. A vector unit or a thread per run gives the same bits. */
#ifndef PAT_LIFETIME_DATA_PRIVATE_H
#define PAT_LIFETIME_DATA_PRIVATE_H

#include "base/spread.h"
#include "base/status.h"
#include "kernel/kernel.h"
#include "lifetime/btyd.h"
#include "lifetime/fit.h"

#include <stddef.h>
#include <stdint.h>

/* Many vectors, and few partial sums. */
#define PAT_BLOCK 512u
/* Blocks that a thread takes at a time, some thirty microseconds; fewer than twice as many are not shared, since waking
 * a thread takes about ten. */
#define PAT_PART_BLOCKS 16u
/* One likelihood, and a derivative for each parameter. */
#define PAT_TERMS (1u + PAT_BTYD_PARAMS_MAX)
/* Columns that a model can tabulate by x. */
#define PAT_X_COLUMNS 6u
/* Sums that kernels give of a block. */
#define PAT_KERNEL_SUMS 4u

struct pat_data_run {
    double x;
    double weight; /* of all its patterns */
    size_t first, end;
    size_t span_first, span_end;
};

struct pat_data {
    const struct pat_kernels *kernels;
    const struct pat_spread *spread; /* may be NULL */
    size_t count;                    /* patterns */
    uint32_t *t_x, *T;
    double *weight;
    size_t runs;
    struct pat_data_run *run;
    size_t spans;
    uint32_t *span_T;
    double *span_weight;
    size_t time_count;
    double *time_value; /* distinct, in order of first appearance */
    double (*time)[2];  /* what a model makes of them */
    double *x_table[PAT_X_COLUMNS];
    double *block_sums; /* [PAT_KERNEL_SUMS][blocks of the longest run] */
    double *run_sums;   /* [PAT_TERMS][runs] */
    double customers, repeaters;
    double x_sum, T_sum; /* weighted */
};

/* Owns memory on PAT_OK only. Fails: PAT_ERR_BAD_REQUEST (error->row), PAT_ERR_NO_MEMORY. */
enum pat_status pat_data__init(struct pat_data *data, const struct pat_btyd_pattern *patterns, size_t count,
                               const struct pat_fit_options *options, struct pat_error *error) PAT_MUST_CHECK;
/* Every `step`-th customer of `data` in the order of its patterns, each with weight `step`. PAT_ERR_NO_MEMORY. */
enum pat_status pat_data__sample(struct pat_data *out, const struct pat_data *data, double step) PAT_MUST_CHECK;
void pat_data__deinit(struct pat_data *data);

/* Weighted sums of time[T][0] and time[T][1] over the spans of a run. */
void pat_data__span_sums(struct pat_data *data, const struct pat_data_run *run, double out[2]);
/* kernels->odds_sums over the patterns of a run, its blocks added pairwise. */
void pat_data__odds_sums(struct pat_data *data, const struct pat_data_run *run, double shift, double scale,
                         double out[PAT_KERNEL_SUMS]);

/* Distinct values of `count` numbers: index[i] says which. *out holds *out_count of them in order of first appearance;
 * the caller frees it (PAT_MEM_QUERY). */
enum pat_status pat_distinct__find(const double *value, size_t count, size_t stride, uint32_t *index, double **out,
                                   size_t *out_count) PAT_MUST_CHECK;

/* Items by their key < keys, in the order they have: *start (the caller's to free, PAT_MEM_QUERY) holds where each key
 * begins and the end; place[i] says where item i goes. */
enum pat_status pat_order__by_key(const uint32_t *key, size_t count, size_t keys, size_t **start,
                                  uint32_t *place) PAT_MUST_CHECK;
/* Renumbers distinct values so that they rise: sorts `value` and changes each index with it. */
enum pat_status pat_distinct__sort(double *value, size_t distinct, uint32_t *index, size_t count) PAT_MUST_CHECK;

/* Sums of a block of patterns, the PAT_KERNEL_SUMS of some kernel. */
typedef void pat_block_sums_cb(const void *context, size_t first, size_t n, double sums[PAT_KERNEL_SUMS]);
/* The same of patterns first .. end: blocks by the threads that there are, then added pairwise; `scratch` has room for
 * the sums of every block. Same bits whoever did which block. */
void pat_blocks__sum(const struct pat_spread *spread, size_t first, size_t end, pat_block_sums_cb *sums_cb,
                     const void *context, double *scratch, double out[PAT_KERNEL_SUMS]);

/* Sum of n <= PAT_BLOCK numbers in eight lanes. */
double pat_sum__lanes(const double *value, size_t n);
/* Sum of n numbers by halves, as for the blocks of a whole. */
double pat_sum__pairwise(const double *value, size_t n);

static inline size_t pat_blocks(size_t count) {
    return (count + PAT_BLOCK - 1) / PAT_BLOCK;
}

#endif
