/* What a fit says of a whole base, customer by customer.
 *
 * Given that a customer is alive, what is to come depends on (x, T) alone, and days make few of those: of ten million
 * customers some ten thousand. A sheet has a cell for each, worked out once; what is left for a customer are two
 * logarithms out of a table of days and one exp.
 *
 *   pat_sheet_note     each (x, T) of the base            one thread
 *   pat_sheet_close_up                                    one thread
 *   pat_sheet_fill     cells first .. end - 1             any threads, cells of their own, a lane each
 *   pat_sheet_score    customers                          any threads
 *
 * Values are those of pat_scorer to 1e-12 relative or better; which thread did what does not matter to a bit. */
#ifndef PAT_LIFETIME_SHEET_H
#define PAT_LIFETIME_SHEET_H

#include "kernel/kernel.h"
#include "lifetime/predict.h"

#include <stddef.h>
#include <stdint.h>

/* Customers of one call of pat_sheet_score. */
#define PAT_SHEET_BLOCK 512u
/* Nodes of the longer rule, for horizons that are long against alpha + T. */
#define PAT_SHEET_NODES 1024u

struct pat_sheet_ask {
    const struct pat_btyd_model *model;
    const double *params; /* valid ones; copied */
    const struct pat_clv_terms *terms;
    const struct pat_kernels *kernels;
};

struct pat_sheet_cell {
    uint64_t key; /* x << 32 | T in days */
    double odds;  /* logarithm of those to have left, for somebody who has just bought */
    /* Purchases within the horizon, given alive; and the same, each discounted from the end of its month. */
    double expected, discounted;
};

struct pat_sheet {
    const struct pat_btyd_model *model;
    double params[PAT_BTYD_PARAMS_MAX];
    struct pat_clv_terms terms;
    const struct pat_kernels *kernels;
    size_t count, slots; /* slots: a power of two, at least twice `count` */
    uint32_t *slot;      /* hash table of positions in `cell` */
    struct pat_sheet_cell *cell;
    uint32_t days_max;
    double *log_time; /* [days_max + 1] log(1 + t / alpha) */
};

/* What a thread that fills cells keeps from one to the next: rules of the x it had last, -1: none yet. Plain memory. */
struct pat_sheet_lane {
    double x, long_x;
    size_t long_count;
    double node[PAT_SCORER_NODES], share[PAT_SCORER_NODES];
    double long_node[PAT_SHEET_NODES], long_share[PAT_SHEET_NODES];
};

/* Allocates: 80 bytes a cell, 8 a day (PAT_MEM_QUERY), until pat_sheet_deinit, which takes a zeroed sheet, too. */
enum pat_status pat_sheet_init(struct pat_sheet *sheet, const struct pat_sheet_ask *ask) PAT_MUST_CHECK;
void pat_sheet_deinit(struct pat_sheet *sheet);

/* There is a customer with x repeat purchases whose first one was T days ago. PAT_ERR_NO_MEMORY. */
enum pat_status pat_sheet_note(struct pat_sheet *sheet, uint32_t x, uint32_t T) PAT_MUST_CHECK;
/* All are noted. PAT_ERR_NO_MEMORY. */
enum pat_status pat_sheet_close_up(struct pat_sheet *sheet) PAT_MUST_CHECK;

void pat_sheet_lane_init(struct pat_sheet_lane *lane);
void pat_sheet_fill(struct pat_sheet *sheet, struct pat_sheet_lane *lane, size_t first, size_t end);

/* Of n <= PAT_SHEET_BLOCK customers, times in days, each with a cell: the chance to be alive, purchases within the
 * horizon, and the same discounted, whether alive or not. */
void pat_sheet_score(const struct pat_sheet *sheet, size_t n, const uint32_t *x, const uint32_t *t_x, const uint32_t *T,
                     double *p_alive, double *expected, double *discounted);

#endif
