/* Answers of clv.* as people read them. */
#ifndef PATRON_CLV_H
#define PATRON_CLV_H

#include "cli.h"

/* One fit: parameters with their errors, likelihood, hold-out. */
void pat_clv_print_fit(struct pat_arena *arena, const struct pat_value *answer);
/* The fits, one a row, and the terms in use. */
void pat_clv_print_fits(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer);
/* Histogram as bars, deciles, Gini. As CSV the histogram alone. */
void pat_clv_print_dist(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer);

#endif
