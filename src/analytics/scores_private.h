/* RFM scores of the population at D (RULES.md): who is ranked, what earns which score, which group a customer is in. */
#ifndef PAT_ANALYTICS_SCORES_PRIVATE_H
#define PAT_ANALYTICS_SCORES_PRIVATE_H

#include "analytics/source_private.h"
#include "analytics/window_private.h"

/* What earns score i + 2: at least .value, or for recency at most so many days. Unset when nobody does. */
struct pat_threshold {
    bool set;
    int64_t value;
};

/* levels - 1 of each are in use. */
struct pat_thresholds {
    unsigned levels; /* 5, or 2 for the mean split: 1 low, 2 high */
    struct pat_threshold r_days[4], f_orders[4], m_minor[4];
};

struct pat_scores {
    uint64_t population;
    uint64_t *scored; /* bitmap of customers */
    uint8_t *cell;    /* by row: pat_rfm_cell, PAT_WINDOW_UNSCORED outside of the population; NULL until asked for */
    struct pat_window *window;
    struct pat_thresholds thresholds;
    struct pat_group_names names;
};

/* Who is scored, and thresholds. Needs what the population's filter asks for. `beside`: facts (bits) that come with it
 * as run->facts, for which pat_window__makes. */
enum pat_status pat_scores__compute(struct pat_run *run, unsigned beside) PAT_MUST_CHECK;
/* scores->cell, for whoever reads scores by row. */
enum pat_status pat_scores__assign(struct pat_run *run) PAT_MUST_CHECK;

/* Cells of a block of the window: what pat_kernels.window_cells gives, with customers of `shown` for shown. */
struct pat_cells {
    const struct pat_scores *scores;
    pat_day day;
    struct pat_kernel_ladder narrow;
    struct pat_ladder {
        int64_t reach[4];
        bool any[4];
    } r, f, m; /* of any value, what earns scores 2 to 5; days are negative there, so that more is better */
};
struct pat_cells pat_cells__of(const struct pat_run *run, const struct pat_scores *scores);
void pat_cells__read(const struct pat_cells *cells, const struct pat_window_part *here, const uint64_t *shown,
                     uint8_t cell[PAT_WINDOW_ROWS]);

/* The thresholds of the question's rfm at D: of the version's known ones, or worked out and kept there. The population
 * has no filter. */
enum pat_status pat_scores__thresholds(struct pat_run *run, struct pat_thresholds *out) PAT_MUST_CHECK;
/* Scores of a member of the population with these facts. */
struct pat_customer_scores {
    uint8_t r, f, m;
};
struct pat_customer_scores pat_scores__of_customer(const struct pat_run *run, const struct pat_thresholds *thresholds,
                                                   const struct pat_customer_facts *facts);
/* Scores of a cell; zeroes for PAT_WINDOW_UNSCORED. */
struct pat_customer_scores pat_scores__of_cell(unsigned cell);
/* Number of the group of these scores, of this cell. */
uint32_t pat_scores__group_of(const struct pat_group_names *names, unsigned r, unsigned f, unsigned m);
uint32_t pat_scores__group_of_cell(const struct pat_group_names *names, unsigned cell);

/* Sorts ascending; `scratch` has room for n, too. */
void pat_sort_int64(int64_t *values, int64_t *scratch, uint64_t n);
/* The same by the threads of the run, for many values. */
enum pat_status pat_run__sort(struct pat_run *run, int64_t *values, int64_t *scratch, uint64_t n) PAT_MUST_CHECK;

#endif
