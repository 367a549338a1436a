#include "analytics/scores_private.h"

#include "analytics/bind_private.h"
#include "analytics/explain_private.h"
#include "analytics/known_private.h"
#include "analytics/ranks_private.h"

static unsigned levels_of(const struct pat_rfm_spec *rfm) {
    return rfm->scoring == PAT_RFM_MEAN ? 2 : 5;
}

/* ---- the population ---------------------------------------------------------------------------------------------- */

/* What the pass over the window finds out of each lane, apart from ranks. */
struct total {
    uint64_t population;
    pat_int128 of[PAT_MEASURES]; /* for the mean split */
};

struct census {
    struct pat_scores *scores; /* ->scored: who may be in it; in the end who is */
    pat_day day;
    struct pat_ranking *ranking; /* NULL unless quintiles are asked for */
    bool sums;
    struct total *of_lane;
};

/* Who has an order in the window. */
static void select_ordered(const struct pat_kernels *kernels, const struct pat_window_part *here, uint64_t *out) {
    if (here->block->narrow != NULL) {
        kernels->select_range_u16(here->block->narrow->orders, here->count, 1, UINT16_MAX, out);
    } else {
        kernels->select_range_u32(here->block->wide->orders, here->count, 1, UINT32_MAX, out);
    }
}

static void sum_measures(const struct census *census, const struct pat_window_part *here, const uint64_t *scored,
                         struct total *total) {
    for (uint32_t word = 0; word < pat_bits__words(here->count); word++) {
        for (uint64_t rest = scored[word]; rest != 0; rest &= rest - 1) {
            const uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(rest);
            for (unsigned m = 0; m < PAT_MEASURES; m++) {
                total->of[m] += pat_measure__value(here->block, (enum pat_measure)m, census->day, i);
            }
        }
    }
}

static void count_block(void *context, const struct pat_window_part *here) {
    const struct census *census = context;
    const struct pat_kernels *kernels = here->part->run->kernels;
    uint64_t *const scored = census->scores->scored + here->first / 64, ordered[PAT_WINDOW_WORDS];
    struct total *total = &census->of_lane[here->part->lane];
    const size_t words = pat_bits__words(here->count);
    select_ordered(kernels, here, ordered);
    kernels->bits_and(scored, ordered, words);
    total->population += kernels->bits_count(scored, words);
    if (census->ranking != NULL) pat_ranks__count(census->ranking, here, scored);
    if (census->sums) sum_measures(census, here, scored, total);
}

/* Live, in the population's filter, and ordered within the window; `ranking` and `total` as the scoring needs them. */
static enum pat_status find_population(struct pat_run *run, unsigned beside, struct pat_scores *scores,
                                       struct pat_ranking **ranking, struct total *total) {
    const uint64_t words = pat_bits__words(run->customers);
    void *memory;
    PAT_TRY(pat_run__array(run, words, sizeof(uint64_t), &memory));
    scores->scored = memory;
    memcpy(scores->scored, run->live, words * sizeof(uint64_t));
    PAT_TRY(pat_population__restrict(run, scores->scored));
    PAT_TRY(pat_run__array(run, pat_run__lanes(run), sizeof(struct total), &memory));
    struct census census = {scores, run->day, NULL, run->rfm->scoring == PAT_RFM_MEAN, memory};
    if (run->rfm->scoring == PAT_RFM_QUINTILE) PAT_TRY(pat_ranks__begin(run, &census.ranking));
    PAT_TRY(pat_window__open(run, beside, &scores->window));
    PAT_TRY(pat_window__each(run, scores->window, count_block, &census));
    if (beside != 0) run->facts = pat_window__beside(scores->window);
    *total = (struct total){0};
    for (unsigned lane = 0; lane < pat_run__lanes(run); lane++) {
        total->population += census.of_lane[lane].population;
        for (unsigned m = 0; m < PAT_MEASURES; m++) total->of[m] += census.of_lane[lane].of[m];
    }
    scores->population = total->population;
    *ranking = census.ranking;
    return PAT_OK;
}

/* ---- thresholds -------------------------------------------------------------------------------------------------- */

/* score = 1 + floor(5 * worse / n), worse = how many are strictly below. Score i + 2 takes worse >= ceil((i + 1) * n /
 * 5) = k, so the k-th smallest must be below it: the threshold is the next greater value. */
static enum pat_status quintiles(struct pat_run *run, struct pat_scores *scores, struct pat_ranking *ranking,
                                 struct pat_threshold out[PAT_MEASURES][4]) {
    uint64_t rank[PAT_RANKS];
    struct pat_rank found[PAT_MEASURES][PAT_RANKS];
    if (scores->population == 0) return PAT_OK;
    for (unsigned i = 0; i < PAT_RANKS; i++) rank[i] = ((i + 1) * scores->population + 4) / 5;
    PAT_TRY(pat_ranks__find(run, ranking, scores, rank, found));
    for (unsigned m = 0; m < PAT_MEASURES; m++) {
        for (unsigned i = 0; i < 4; i++) out[m][i] = (struct pat_threshold){found[m][i].any_above, found[m][i].above};
        /* Ties can lead over a score: what earns the next one, too, does not earn this one. */
        for (unsigned i = 0; i < 3; i++) {
            const bool same = out[m][i + 1].set && out[m][i + 1].value == out[m][i].value;
            out[m][i].set = out[m][i].set && !same;
        }
    }
    return PAT_OK;
}

/* value * n >= sum, as the least such integer. */
static void means(const struct total *total, struct pat_threshold out[PAT_MEASURES][4]) {
    const int64_t n = (int64_t)total->population;
    if (n == 0) return;
    for (unsigned m = 0; m < PAT_MEASURES; m++) {
        pat_int128 least = total->of[m] / n;
        if (least * n < total->of[m]) least++;
        out[m][0] = (struct pat_threshold){true, (int64_t)least};
    }
}

static void put_thresholds(const struct pat_run *run, struct pat_threshold out[PAT_MEASURES][4],
                           struct pat_thresholds *thresholds) {
    for (unsigned i = 0; i < 4; i++) {
        /* From the last day to days since; one that nobody earns has no day. */
        const struct pat_threshold last = out[PAT_MEASURE_R][i];
        thresholds->r_days[i] = (struct pat_threshold){last.set, last.set ? run->day - last.value : 0};
        thresholds->f_orders[i] = out[PAT_MEASURE_F][i];
        thresholds->m_minor[i] = out[PAT_MEASURE_M][i];
    }
}

static void take_cuts(const struct pat_rfm_spec *spec, struct pat_thresholds *out) {
    for (unsigned i = 0; i < 4; i++) {
        out->r_days[i] = (struct pat_threshold){true, spec->cut_r[i]};
        out->f_orders[i] = (struct pat_threshold){true, spec->cut_f[i]};
        out->m_minor[i] = (struct pat_threshold){true, spec->cut_m[i]};
    }
}

/* Thresholds get better with their index, so the best one reached decides. */
static uint8_t score_of(const struct pat_threshold *thresholds, unsigned levels, int64_t value, bool less_is_better) {
    uint8_t score = 1;
    for (unsigned i = 0; i + 1 < levels; i++) {
        if (!thresholds[i].set) continue;
        if (less_is_better ? value <= thresholds[i].value : value >= thresholds[i].value) score = (uint8_t)(i + 2);
    }
    return score;
}

/* The same without a branch for each: thresholds as values that all have, the unset ones out of reach of the others.
 */
static struct pat_ladder ladder_of(const struct pat_threshold *thresholds, unsigned levels) {
    struct pat_ladder ladder = {{0}, {false}};
    int64_t least = INT64_MAX;
    bool any = false;
    for (unsigned i = 4; i-- > 0;) {
        const bool set = i + 1 < levels && thresholds[i].set;
        if (set) least = thresholds[i].value < least || !any ? thresholds[i].value : least;
        any = any || set;
        ladder.reach[i] = least;
        ladder.any[i] = any;
    }
    return ladder;
}

static inline unsigned climb(const struct pat_ladder *ladder, int64_t value) {
    unsigned steps = 0;
    for (unsigned i = 0; i < 4; i++) steps += (unsigned)(value >= ladder->reach[i]) & (unsigned)ladder->any[i];
    return steps;
}

static uint16_t within_u16(int64_t value) {
    return (uint16_t)(value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value);
}

/* The same for values of two and four bytes of a population: at least one order, and a last day. */
static struct pat_kernel_ladder narrow_of(const struct pat_cells *cells) {
    struct pat_kernel_ladder narrow = {.first = 0};
    for (unsigned i = 0; i < 4; i++) {
        const int64_t m = cells->m.reach[i];
        narrow.age_below[i] = cells->r.any[i] ? within_u16(1 - cells->r.reach[i]) : 0;
        narrow.orders_above[i] = cells->f.any[i] ? within_u16(cells->f.reach[i] - 1) : UINT16_MAX;
        narrow.net_above[i] = INT32_MAX; /* nobody */
        if (cells->m.any[i] && m <= INT32_MIN) narrow.first++;
        if (cells->m.any[i] && m > INT32_MIN && m <= INT32_MAX) narrow.net_above[i] = (int32_t)(m - 1);
    }
    return narrow;
}

struct pat_cells pat_cells__of(const struct pat_run *run, const struct pat_scores *scores) {
    const struct pat_thresholds *thresholds = &scores->thresholds;
    struct pat_threshold since[4];
    for (unsigned i = 0; i < 4; i++) {
        since[i] = (struct pat_threshold){thresholds->r_days[i].set, -thresholds->r_days[i].value};
    }
    struct pat_cells cells = {.scores = scores,
                              .day = run->day,
                              .r = ladder_of(since, thresholds->levels),
                              .f = ladder_of(thresholds->f_orders, thresholds->levels),
                              .m = ladder_of(thresholds->m_minor, thresholds->levels)};
    cells.narrow = narrow_of(&cells);
    return cells;
}

static void read_wide(const struct pat_cells *cells, const struct pat_window_part *here, const uint64_t *scored,
                      const uint64_t *shown, uint8_t *cell) {
    const struct pat_window_wide *wide = here->block->wide;
    for (uint32_t i = 0; i < here->count; i++) {
        cell[i] = pat_bits__get(shown, i) ? PAT_WINDOW_UNSCORED : PAT_WINDOW_UNSEEN;
        if (!pat_bits__get(shown, i) || !pat_bits__get(scored, i)) continue;
        cell[i] = (uint8_t)(25 * climb(&cells->r, (int64_t)wide->last[i] - cells->day) +
                            5 * climb(&cells->f, wide->orders[i]) + climb(&cells->m, wide->net[i]));
    }
}

void pat_cells__read(const struct pat_cells *cells, const struct pat_window_part *here, const uint64_t *shown,
                     uint8_t cell[PAT_WINDOW_ROWS]) {
    const uint64_t *scored = cells->scores->scored + here->first / 64;
    const struct pat_window_narrow *narrow = here->block->narrow;
    if (narrow == NULL) {
        read_wide(cells, here, scored, shown, cell);
        return;
    }
    here->part->run->kernels->window_cells(narrow->orders, narrow->net, narrow->age, here->count, &cells->narrow,
                                           scored, shown, cell);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

enum pat_status pat_scores__compute(struct pat_run *run, unsigned beside) {
    struct pat_threshold found[PAT_MEASURES][4] = {{{false, 0}}};
    struct pat_ranking *ranking;
    struct total total;
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof *run->scores, &memory));
    struct pat_scores *scores = memory;
    scores->thresholds.levels = levels_of(run->rfm);
    PAT_TRY(pat_run__group_names(run, &scores->names));
    PAT_TRY(find_population(run, beside, scores, &ranking, &total));
    pat_explain__step(run, beside != 0 ? "window and facts" : "window", run->customers);
    switch (run->rfm->scoring) {
    case PAT_RFM_CUTS: take_cuts(run->rfm, &scores->thresholds); break;
    case PAT_RFM_MEAN:
        means(&total, found);
        put_thresholds(run, found, &scores->thresholds);
        break;
    case PAT_RFM_QUINTILE:
        PAT_TRY(quintiles(run, scores, ranking, found));
        put_thresholds(run, found, &scores->thresholds);
        break;
    }
    run->scores = scores;
    return PAT_OK;
}

struct assignment {
    struct pat_cells cells;
    const uint64_t *everybody;
    uint8_t *cell;
};

static void assign_block(void *context, const struct pat_window_part *here) {
    const struct assignment *assignment = context;
    pat_cells__read(&assignment->cells, here, assignment->everybody, assignment->cell + here->first);
}

enum pat_status pat_scores__assign(struct pat_run *run) {
    struct pat_scores *scores = run->scores;
    uint64_t everybody[PAT_WINDOW_WORDS];
    void *cell;
    if (scores->cell != NULL) return PAT_OK;
    PAT_TRY(pat_run__array(run, run->customers, sizeof(uint8_t), &cell));
    pat_bits__fill(everybody, PAT_WINDOW_ROWS);
    struct assignment assignment = {pat_cells__of(run, scores), everybody, cell};
    PAT_TRY(pat_window__each(run, scores->window, assign_block, &assignment));
    scores->cell = cell;
    return PAT_OK;
}

uint32_t pat_scores__group_of(const struct pat_group_names *names, unsigned r, unsigned f, unsigned m) {
    if (names->map == NULL) return (r - 1) * 4 + (f - 1) * 2 + (m - 1);
    return names->map->of_cell[pat_rfm_cell(r, f, m)];
}

uint32_t pat_scores__group_of_cell(const struct pat_group_names *names, unsigned cell) {
    const struct pat_customer_scores scores = pat_scores__of_cell(cell);
    return pat_scores__group_of(names, scores.r, scores.f, scores.m);
}

struct pat_customer_scores pat_scores__of_cell(unsigned cell) {
    if (cell >= PAT_RFM_CELLS) return (struct pat_customer_scores){0, 0, 0};
    return (struct pat_customer_scores){(uint8_t)(cell / 25 + 1), (uint8_t)(cell / 5 % 5 + 1), (uint8_t)(cell % 5 + 1)};
}

/* ---- one customer ------------------------------------------------------------------------------------------------ */

static enum pat_status work_out(struct pat_run *run, struct pat_thresholds *out) {
    run->scores_needed = true;
    PAT_TRY(pat_run__find_live(run));
    PAT_TRY(pat_run__need(run));
    *out = run->scores->thresholds;
    return PAT_OK;
}

enum pat_status pat_scores__thresholds(struct pat_run *run, struct pat_thresholds *out) {
    struct pat_known *const known = run->job->known;
    PAT_ASSERT(run->rfm->population == NULL);
    *out = (struct pat_thresholds){.levels = levels_of(run->rfm)};
    if (run->rfm->scoring == PAT_RFM_CUTS) {
        take_cuts(run->rfm, out);
        return PAT_OK;
    }
    if (known == NULL) return work_out(run, out);
    const struct pat_text key = pat_question_key(&run->job->request->question, run->arena);
    if (key.data == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the question");
    const struct pat_thresholds *found = pat_known__find(known, run->day, key);
    if (found != NULL) {
        *out = *found;
        return PAT_OK;
    }
    PAT_TRY(work_out(run, out));
    pat_known__keep(known, run->day, key, out);
    return PAT_OK;
}

struct pat_customer_scores pat_scores__of_customer(const struct pat_run *run, const struct pat_thresholds *thresholds,
                                                   const struct pat_customer_facts *facts) {
    const int64_t *value = facts->value;
    return (struct pat_customer_scores){
        .r = score_of(thresholds->r_days, thresholds->levels, run->day - value[PAT_FACT_LAST], true),
        .f = score_of(thresholds->f_orders, thresholds->levels, value[PAT_FACT_WINDOW_ORDERS], false),
        .m = score_of(thresholds->m_minor, thresholds->levels, value[PAT_FACT_WINDOW_NET], false),
    };
}
