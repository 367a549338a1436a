/* Cohorts from runs: a block of customers at a time, whose entries the kernels walk. */
#include "analytics/cohort_private.h"
#include "analytics/explain_private.h"
#include "model/date.h"

#include <string.h>

/* Days that a run can name. */
#define RUN_DAYS 65536u

_Static_assert(PAT_RUN_BLOCK == PAT_BLOCK_ROWS, "a block of customers is one of the runs");

/* What a day of a run means. */
struct run_days {
    const uint64_t *bit[PAT_COHORT_WORDS_MAX]; /* [RUN_DAYS] the month's bit of that word, or none; NULL: not asked */
    const uint16_t *column;                    /* ORDERS, NET: [RUN_DAYS] the month, `months` for what counts nothing */
};

struct scan {
    struct pat_cohorts *cohorts;
    struct run_days days[PAT_RUNS_MAX];
    bool bits;             /* months are found as bits: for CUSTOMERS, and to know the first of them */
    uint32_t words;        /* of 64 months */
    uint32_t stride;       /* of a row of what follows: one more month, for what counts nothing */
    uint32_t *customers;   /* [lanes][months + 1][stride] */
    int64_t *cell;         /* [lanes][months + 1][stride]: of nets of 32 bits, of which a run has fewer than 2^32 */
    uint32_t *size;        /* [lanes][PAT_KERNEL_COPIES][months + 1] */
    struct scratch *lanes; /* [lanes] */
};

/* Of one thread. */
struct scratch {
    uint16_t row[PAT_BLOCK_ROWS];     /* the cohort of each customer of the block; `months` for none */
    uint16_t run_row[PAT_BLOCK_ROWS]; /* the same, none for those of whom runs do not tell */
    uint64_t bits[PAT_COHORT_WORDS_MAX][PAT_BLOCK_ROWS], more[PAT_BLOCK_ROWS];
};

/* ---- tables of days ---------------------------------------------------------------------------------------------- */

/* Days of month k that the run can name and that are not after D, as places from *first to *end - 1. */
static void month_range(const struct pat_cohorts *cohorts, const struct pat_fact_run *run, uint32_t k, int64_t *first,
                        int64_t *end) {
    const int32_t month = cohorts->first_month + (int32_t)k;
    const int64_t behind =
        month == cohorts->last_month ? (int64_t)cohorts->run->day + 1 : pat_month_first_day(month + 1);
    *first = pat_month_first_day(month) - (int64_t)run->day_base;
    *end = behind - run->day_base;
    if (*first < 0) *first = 0;
    if (*end > RUN_DAYS) *end = RUN_DAYS;
}

static enum pat_status make_days(struct scan *scan, const struct pat_fact_run *run, struct run_days *out) {
    struct pat_cohorts *cohorts = scan->cohorts;
    uint64_t *bit[PAT_COHORT_WORDS_MAX] = {NULL};
    uint16_t *column = NULL;
    void *memory;
    for (uint32_t word = 0; scan->bits && word < scan->words; word++) {
        PAT_TRY(pat_run__array(cohorts->run, RUN_DAYS, sizeof(uint64_t), &memory));
        out->bit[word] = bit[word] = memory;
    }
    if (cohorts->metric != PAT_COHORT_CUSTOMERS) {
        PAT_TRY(pat_run__array(cohorts->run, RUN_DAYS, sizeof(uint16_t), &memory));
        out->column = column = memory;
        for (uint32_t day = 0; day < RUN_DAYS; day++) column[day] = (uint16_t)cohorts->months;
    }
    for (uint32_t k = 0; k < cohorts->months; k++) {
        int64_t day, end;
        for (month_range(cohorts, run, k, &day, &end); day < end; day++) {
            if (scan->bits) bit[k / 64][day] = (uint64_t)1 << (k % 64);
            if (column != NULL) column[day] = (uint16_t)k;
        }
    }
    return PAT_OK;
}

static enum pat_status prepare(struct scan *scan) {
    struct pat_cohorts *cohorts = scan->cohorts;
    const struct pat_runs *runs = &cohorts->run->view->runs;
    const bool customers = cohorts->metric == PAT_COHORT_CUSTOMERS;
    const uint64_t rows = cohorts->months + 1, lanes = cohorts->lanes;
    void *memory;
    scan->words = (cohorts->months + 63) / 64;
    scan->bits = customers || cohorts->from_bits;
    scan->stride = customers ? scan->words * 64 : cohorts->months + 1;
    for (uint32_t i = 0; i < runs->count; i++) PAT_TRY(make_days(scan, runs->run[i], &scan->days[i]));
    PAT_TRY(pat_run__array(cohorts->run, lanes * rows * scan->stride, customers ? sizeof(uint32_t) : sizeof(int64_t),
                           &memory));
    if (customers) scan->customers = memory;
    if (!customers) scan->cell = memory;
    PAT_TRY(pat_run__array(cohorts->run, lanes * PAT_KERNEL_COPIES * rows, sizeof(uint32_t), &memory));
    scan->size = memory;
    PAT_TRY(pat_run__array(cohorts->run, lanes, sizeof(struct scratch), &memory));
    scan->lanes = memory;
    return PAT_OK;
}

/* ---- a block ----------------------------------------------------------------------------------------------------- */

/* Customers first .. first + count - 1. */
struct block {
    const struct pat_part *part;
    struct scratch *own;
    uint64_t first;
    uint32_t count;
};

/* Cohorts as they were read. */
static void rows_of_starts(const struct scan *scan, const struct block *block) {
    const struct pat_cohorts *cohorts = scan->cohorts;
    const int32_t *start = cohorts->start + block->first;
    const uint16_t none = (uint16_t)cohorts->months;
    for (uint32_t i = 0; i < block->count; i++) {
        block->own->row[i] = start[i] != PAT_COHORT_NO_MONTH ? (uint16_t)(start[i] - cohorts->first_month) : none;
    }
}

/* Cohorts as months say: the first one of those who are shown. */
static void rows_of_bits(const struct scan *scan, const struct block *block) {
    struct pat_cohorts *cohorts = scan->cohorts;
    struct scratch *own = block->own;
    const uint64_t *shown = cohorts->run->shown + block->first / 64;
    const uint16_t none = (uint16_t)cohorts->months;
    for (uint32_t i = 0; i < block->count; i++) {
        const uint64_t mask = 0 - (uint64_t)pat_bits__get(shown, i);
        uint32_t row = none;
        for (uint32_t word = scan->words; word-- > 0;) {
            const uint64_t bits = own->bits[word][i] & mask;
            /* With a bit that is on in any case, so that nothing need be guessed. */
            const uint32_t first = word * 64 + (uint32_t)__builtin_ctzll(bits | (uint64_t)1 << 63);
            row = bits != 0 ? first : row;
        }
        own->row[i] = (uint16_t)row;
    }
    uint64_t outside = cohorts->run->kernels->bits_count(shown, pat_bits__words(block->count));
    for (uint32_t i = 0; i < block->count; i++) outside -= own->row[i] != none;
    cohorts->outside[block->part->lane] += outside;
    for (uint32_t i = 0; cohorts->start != NULL && i < block->count; i++) {
        cohorts->start[block->first + i] =
            own->row[i] != none ? cohorts->first_month + own->row[i] : PAT_COHORT_NO_MONTH;
    }
}

/* Calls for stale customers of the block, by their place in it. */
static void each_stale(const struct scan *scan, const struct block *block,
                       void (*each)(struct scratch *own, uint32_t i, uint16_t none)) {
    const uint64_t *stale = scan->cohorts->stale + block->first / 64;
    for (uint32_t word = 0; word < pat_bits__words(block->count); word++) {
        for (uint64_t rest = stale[word]; rest != 0; rest &= rest - 1) {
            each(block->own, word * 64 + (uint32_t)__builtin_ctzll(rest), (uint16_t)scan->cohorts->months);
        }
    }
}

static void forget_bits(struct scratch *own, uint32_t i, uint16_t none) {
    (void)none;
    for (uint32_t word = 0; word < PAT_COHORT_WORDS_MAX; word++) own->bits[word][i] = 0;
}

static void forget_row(struct scratch *own, uint32_t i, uint16_t none) {
    own->run_row[i] = none;
}

static uint32_t customers_in(const struct pat_fact_run *run, const struct block *block) {
    if (block->first >= run->customers) return 0;
    const uint64_t left = run->customers - block->first;
    return left < block->count ? (uint32_t)left : block->count;
}

/* Orders of a run that a day and four bytes do not say. */
static void add_odd_bits(const struct scan *scan, const struct block *block, const struct pat_fact_run *run,
                         uint32_t word) {
    const struct pat_cohorts *cohorts = scan->cohorts;
    const uint64_t at = block->first / PAT_RUN_BLOCK;
    const pat_day day = cohorts->run->day;
    for (uint32_t i = run->odd.block[at]; i < run->odd.block[at + 1]; i++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, i);
        if (odd.from > day || day >= odd.until || odd.orders == 0) continue;
        const int64_t month = (int64_t)pat_cohort__month(cohorts, odd.day) - cohorts->first_month;
        if (month < 0 || month / 64 != word) continue;
        block->own->bits[word][odd.customer - block->first] |= (uint64_t)1 << (month % 64);
    }
}

/* Months of one word that the run has of the block's customers, into own->bits[word]. The first run is the long one,
 * and is written instead of added. */
static void add_bits(const struct scan *scan, const struct block *block, uint32_t number, uint32_t word) {
    const struct pat_fact_run *run = scan->cohorts->run->view->runs.run[number];
    const struct pat_kernels *kernels = scan->cohorts->run->kernels;
    const uint64_t *bit = scan->days[number].bit[word];
    const uint64_t at = block->first / PAT_RUN_BLOCK;
    const uint32_t count = customers_in(run, block), dense = run->offset != NULL ? count : 0;
    uint64_t *const bits = block->own->bits[word], *const into = number == 0 ? bits : block->own->more;
    if (dense > 0) kernels->run_bits(run->offset + block->first, dense, run->day, bit, into);
    if (number == 0) memset(bits + dense, 0, (block->count - dense) * sizeof *bits);
    if (number > 0) kernels->bits_or(bits, into, dense);
    if (count == 0) return;
    for (uint32_t i = run->offset == NULL ? run->block[at] : 0; run->offset == NULL && i < run->block[at + 1]; i++)
        bits[run->customer[i] - block->first] |= bit[run->day[i]];
    add_odd_bits(scan, block, run, word);
}

/* The months of everybody in the block. */
static void find_bits(const struct scan *scan, const struct block *block) {
    const struct pat_cohorts *cohorts = scan->cohorts;
    for (uint32_t word = 0; word < scan->words; word++) {
        for (uint32_t i = 0; i < cohorts->run->view->runs.count; i++) add_bits(scan, block, i, word);
    }
    each_stale(scan, block, forget_bits);
    for (uint32_t word = 0; cohorts->late != NULL && word < scan->words; word++) {
        for (uint32_t i = 0; i < block->count; i++) {
            block->own->bits[word][i] |= cohorts->late[(block->first + i) * cohorts->late_words + word];
        }
    }
}

static void count_customers(const struct scan *scan, const struct block *block) {
    const struct pat_cohorts *cohorts = scan->cohorts;
    uint32_t *const cell = scan->customers + (size_t)block->part->lane * (cohorts->months + 1) * scan->stride;
    for (uint32_t word = 0; word < scan->words; word++) {
        const uint32_t left = cohorts->months - word * 64;
        cohorts->run->kernels->count_bits(block->own->bits[word], block->own->row, block->count, left < 64 ? left : 64,
                                          scan->stride, cell + word * 64);
    }
}

static void count_odd(const struct scan *scan, const struct block *block, const struct pat_fact_run *run) {
    struct pat_cohorts *cohorts = scan->cohorts;
    const pat_day day = cohorts->run->day;
    const uint64_t at = block->first / PAT_RUN_BLOCK;
    for (uint32_t i = run->odd.block[at]; i < run->odd.block[at + 1]; i++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, i);
        if (odd.from > day || day >= odd.until || pat_bits__get(cohorts->stale, odd.customer)) continue;
        /* Refunds matter to money only. */
        if (odd.orders == 0 && cohorts->metric != PAT_COHORT_NET) continue;
        pat_cohort__count_fact(cohorts, block->part->lane, odd.customer, odd.day, odd.net);
    }
}

static void count_entries(const struct scan *scan, const struct block *block) {
    const struct pat_cohorts *cohorts = scan->cohorts;
    const struct pat_runs *runs = &cohorts->run->view->runs;
    const uint64_t at = block->first / PAT_RUN_BLOCK;
    int64_t *const cell = scan->cell + (size_t)block->part->lane * (cohorts->months + 1) * scan->stride;
    const uint16_t *const row = block->own->run_row;
    memcpy(block->own->run_row, block->own->row, block->count * sizeof *block->own->row);
    each_stale(scan, block, forget_row);
    for (uint32_t k = 0; k < runs->count; k++) {
        const struct pat_fact_run *run = runs->run[k];
        const int32_t *net = cohorts->metric == PAT_COHORT_NET ? run->net : NULL;
        const uint32_t count = customers_in(run, block);
        if (count == 0) continue;
        if (run->offset != NULL) {
            cohorts->run->kernels->run_cells(run->offset + block->first, row, count, run->day, net,
                                             scan->days[k].column, scan->stride, cell);
        }
        for (uint32_t i = run->offset == NULL ? run->block[at] : 0; run->offset == NULL && i < run->block[at + 1];
             i++) {
            const size_t own = row[run->customer[i] - block->first];
            cell[own * scan->stride + scan->days[k].column[run->day[i]]] += net == NULL ? 1 : net[i];
        }
        count_odd(scan, block, run);
    }
}

static bool none_shown(const struct pat_cohorts *cohorts, const struct block *block) {
    return cohorts->run->kernels->bits_count(cohorts->run->shown + block->first / 64, pat_bits__words(block->count)) ==
           0;
}

static enum pat_status scan_part(void *context, const struct pat_part *part) {
    const struct scan *scan = context;
    const struct pat_cohorts *cohorts = scan->cohorts;
    const uint32_t rows = cohorts->months + 1;
    uint32_t *const size = scan->size + (size_t)part->lane * PAT_KERNEL_COPIES * rows;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const struct block block = {.part = part,
                                    .own = &scan->lanes[part->lane],
                                    .first = first,
                                    .count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS};
        if (none_shown(cohorts, &block)) continue;
        if (scan->bits) find_bits(scan, &block);
        if (cohorts->from_bits) rows_of_bits(scan, &block);
        if (!cohorts->from_bits) rows_of_starts(scan, &block);
        cohorts->run->kernels->place_count(block.own->row, block.count, rows, size);
        if (cohorts->metric == PAT_COHORT_CUSTOMERS) count_customers(scan, &block);
        if (cohorts->metric != PAT_COHORT_CUSTOMERS) count_entries(scan, &block);
    }
    return PAT_OK;
}

/* ---- from months to periods -------------------------------------------------------------------------------------- */

static int64_t value_of(const struct scan *scan, unsigned lane, uint64_t row, uint64_t month) {
    const uint64_t at = ((uint64_t)lane * (scan->cohorts->months + 1) + row) * scan->stride + month;
    return scan->customers != NULL ? scan->customers[at] : scan->cell[at];
}

/* What a lane counted, added to its values: a month is a period of the cohort it is seen from. */
static void take_over(const struct scan *scan, unsigned lane) {
    struct pat_cohorts *cohorts = scan->cohorts;
    const uint32_t rows = cohorts->months + 1;
    for (uint32_t row = 0; row < cohorts->months; row++) {
        pat_int128 *const value = cohorts->value + lane * cohorts->cells + (uint64_t)row * cohorts->width;
        for (uint32_t period = 0; period < cohorts->width && row + period < cohorts->months; period++) {
            value[period] += value_of(scan, lane, row, row + period);
        }
        for (uint32_t copy = 0; copy < PAT_KERNEL_COPIES; copy++) {
            cohorts->size[(uint64_t)lane * cohorts->months + row] +=
                scan->size[((size_t)lane * PAT_KERNEL_COPIES + copy) * rows + row];
        }
    }
}

enum pat_status pat_cohort__count_runs(struct pat_cohorts *cohorts) {
    struct scan scan = {.cohorts = cohorts};
    const struct pat_runs *runs = &cohorts->run->view->runs;
    PAT_TRY(prepare(&scan));
    PAT_TRY(pat_cohort__spread(cohorts, cohorts->run->customers, scan_part, &scan));
    for (uint32_t i = 0; i < runs->count; i++) pat_explain__read(cohorts->run, runs->run[i]->bytes);
    for (unsigned lane = 0; lane < cohorts->lanes; lane++) take_over(&scan, lane);
    return PAT_OK;
}
