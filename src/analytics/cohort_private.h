/* Cohorts: who began in which month, and what they did in that month and each one after.
 *
 *   starts   answer_cohort.c    the month of each shown customer, where it is read from a field
 *   counts   cohort_runs.c      whole blocks of customers, as runs have them: a customer's months are bits of a word,
 * the first of them is its start, and a word is added to the row of its cohort at once cohort_facts.c     one fact
 * after the other: what lies behind the runs, whose runs are stale, and everything where there are no runs
 */
#ifndef PAT_ANALYTICS_COHORT_PRIVATE_H
#define PAT_ANALYTICS_COHORT_PRIVATE_H

#include "analytics/facts_private.h"

/* Not in any cohort. */
#define PAT_COHORT_NO_MONTH INT32_MIN

/* Months that the scan of runs takes: twenty-one years, whose tables still fit into the second cache. Longer histories
 * are counted fact by fact. */
#define PAT_COHORT_MONTHS_MAX 256u
#define PAT_COHORT_WORDS_MAX  (PAT_COHORT_MONTHS_MAX / 64u)

/* What is done with a fact. */
enum pat_cohort_pass {
    PAT_COHORT_MARK,  /* the month is noted in `late` */
    PAT_COHORT_COUNT, /* it is counted in the customer's cohort */
};

struct pat_cohorts {
    struct pat_run *run;
    enum pat_cohort_metric metric;
    bool from_bits;        /* the start is the first month with an order, and nobody has looked it up before */
    int32_t last_month;    /* of D; months are counted from 1970-01 on */
    int32_t first_month;   /* no start is before; the earliest one when all is counted */
    uint32_t months;       /* from that to D's */
    uint32_t asked;        /* periods asked for; UINT32_MAX: all */
    uint32_t width;        /* of those the ones that there are: a row of `value` */
    int32_t *start;        /* [customers] month of the start, or PAT_COHORT_NO_MONTH; NULL where nobody needs it */
    pat_day month_base;    /* days from here to D have their month in `month` */
    const int32_t *month;  /* a table, since a day's civil date is a chain of divisions */
    const uint64_t *stale; /* bitmap: runs do not tell of them; NULL: runs do not serve */

    unsigned lanes;    /* of what follows */
    uint64_t cells;    /* months * width */
    pat_int128 *value; /* [lanes][months * width] */
    uint64_t *size;    /* [lanes][months] */
    uint64_t outside[PAT_SPREAD_LANES_MAX];
    int64_t unpriced[PAT_SPREAD_LANES_MAX];

    /* Months in which they ordered, as bits by customer, set by any thread. */
    uint64_t *seen; /* CUSTOMERS, without runs: [customers * width], bit k is period k */
    uint64_t *late; /* with runs, of facts that they do not tell: [customers][words], bit k is month first_month + k;
                       NULL: there are none */
    uint32_t late_words; /* (months + 63) / 64 */
};

/* `day` is not after D. */
int32_t pat_cohort__month(const struct pat_cohorts *cohorts, int64_t day);
/* Counts one fact of a customer. Thread: any, on its lane. */
void pat_cohort__count_fact(struct pat_cohorts *cohorts, unsigned lane, uint64_t customer, int64_t day, int64_t net);
/* A pass over rows: on all threads, or on one where each thread's cells would take too much. */
enum pat_status pat_cohort__spread(struct pat_cohorts *cohorts, uint64_t rows, pat_part_rows_cb *part_cb,
                                   void *context) PAT_MUST_CHECK;

/* Facts of a table from row `first` on; with runs only of those whom they tell of. */
enum pat_status pat_cohort__walk_table(struct pat_cohorts *cohorts, enum pat_cohort_pass pass, enum pat_table_id table,
                                       pat_row first) PAT_MUST_CHECK;
/* Those of stale customers, from their chains. */
enum pat_status pat_cohort__walk_stale(struct pat_cohorts *cohorts, enum pat_cohort_pass pass) PAT_MUST_CHECK;
/* What runs hold, and for CUSTOMERS what `late` has. Sizes, and starts where they are found here. */
enum pat_status pat_cohort__count_runs(struct pat_cohorts *cohorts) PAT_MUST_CHECK;

#endif
