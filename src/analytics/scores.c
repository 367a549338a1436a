#include "analytics/scores_private.h"

#include "analytics/bind_private.h"
#include "analytics/known_private.h"
#include "analytics/ranks_private.h"

static unsigned levels_of(const struct pat_rfm_spec *rfm) {
    return rfm->scoring == PAT_RFM_MEAN ? 2 : 5;
}

static enum pat_status population_part(void *context, const struct pat_part *part) {
    struct pat_scores *scores = context;
    const struct pat_run *run = part->run;
    const size_t n = part->end - part->first, words = pat_bits__words(n);
    uint64_t *const scored = scores->scored + part->first / 64;
    run->kernels->select_range_u32(run->facts->window_orders + part->first, n, 1, UINT32_MAX, scored);
    run->kernels->bits_and(scored, run->live + part->first / 64, words);
    return PAT_OK;
}

/* Live, ordered within the window, and in the population's filter. */
static enum pat_status find_population(struct pat_run *run, struct pat_scores *scores) {
    const uint64_t words = pat_bits__words(run->customers);
    void *bits;
    PAT_TRY(pat_run__array(run, words, sizeof(uint64_t), &bits));
    scores->scored = bits;
    PAT_TRY(pat_run__spread(run, run->customers, population_part, scores));
    PAT_TRY(pat_population__restrict(run, scores->scored));
    scores->population = run->kernels->bits_count(scores->scored, words);
    return PAT_OK;
}

/* ---- thresholds -------------------------------------------------------------------------------------------------- */

/* score = 1 + floor(5 * worse / n), worse = how many are strictly below. Score i + 2 takes worse >= ceil((i + 1) * n /
 * 5) = k, so the k-th smallest must be below it: the threshold is the next greater value. */
static enum pat_status quintiles(struct pat_run *run, struct pat_scores *scores,
                                 struct pat_threshold out[PAT_MEASURES][4]) {
    uint64_t rank[PAT_RANKS];
    struct pat_rank found[PAT_MEASURES][PAT_RANKS];
    if (scores->population == 0) return PAT_OK;
    for (unsigned i = 0; i < PAT_RANKS; i++) rank[i] = ((i + 1) * scores->population + 4) / 5;
    PAT_TRY(pat_ranks__find(run, scores->scored, rank, found));
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

struct sums {
    const struct pat_scores *scores;
    pat_int128 (*of_lane)[PAT_MEASURES];
};

static enum pat_status sum_part(void *context, const struct pat_part *part) {
    const struct sums *sums = context;
    for (uint64_t word = part->first / 64; word < pat_bits__words(part->end); word++) {
        for (uint64_t rest = sums->scores->scored[word]; rest != 0; rest &= rest - 1) {
            const uint64_t row = word * 64 + (uint64_t)__builtin_ctzll(rest);
            for (unsigned m = 0; m < PAT_MEASURES; m++) {
                sums->of_lane[part->lane][m] += pat_measure__value(part->run->facts, (enum pat_measure)m, row);
            }
        }
    }
    return PAT_OK;
}

/* value * n >= sum, as the least such integer. */
static enum pat_status means(struct pat_run *run, struct pat_scores *scores,
                             struct pat_threshold out[PAT_MEASURES][4]) {
    pat_int128 of_lane[PAT_SPREAD_LANES_MAX][PAT_MEASURES] = {{0}};
    struct sums sums = {scores, of_lane};
    const int64_t n = (int64_t)scores->population;
    if (n == 0) return PAT_OK;
    PAT_TRY(pat_run__spread(run, run->customers, sum_part, &sums));
    for (unsigned m = 0; m < PAT_MEASURES; m++) {
        pat_int128 sum = 0;
        for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) sum += of_lane[lane][m];
        pat_int128 least = sum / n;
        if (least * n < sum) least++;
        out[m][0] = (struct pat_threshold){true, (int64_t)least};
    }
    return PAT_OK;
}

static enum pat_status find_thresholds(struct pat_run *run, struct pat_scores *scores) {
    struct pat_thresholds *const thresholds = &scores->thresholds;
    struct pat_threshold out[PAT_MEASURES][4] = {{{false, 0}}};
    PAT_TRY(run->rfm->scoring == PAT_RFM_MEAN ? means(run, scores, out) : quintiles(run, scores, out));
    for (unsigned i = 0; i < 4; i++) {
        /* From the last day to days since; one that nobody earns has no day. */
        const struct pat_threshold last = out[PAT_MEASURE_R][i];
        thresholds->r_days[i] = (struct pat_threshold){last.set, last.set ? run->day - last.value : 0};
        thresholds->f_orders[i] = out[PAT_MEASURE_F][i];
        thresholds->m_minor[i] = out[PAT_MEASURE_M][i];
    }
    return PAT_OK;
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
 * `reach[i]` earns score i + 2 and all below it. */
struct ladder {
    int64_t reach[4];
    bool any[4];
};

static struct ladder ladder_of(const struct pat_threshold *thresholds, unsigned levels) {
    struct ladder ladder = {{0}, {false}};
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

static inline uint8_t climb(const struct ladder *ladder, int64_t value) {
    unsigned score = 1;
    for (unsigned i = 0; i < 4; i++) score += (unsigned)(value >= ladder->reach[i]) & (unsigned)ladder->any[i];
    return (uint8_t)score;
}

struct assignment {
    struct pat_scores *scores;
    struct ladder r, f, m;
};

static enum pat_status assign_part(void *context, const struct pat_part *part) {
    const struct assignment *assignment = context;
    const struct pat_scores *scores = assignment->scores;
    const struct pat_facts *facts = part->run->facts;
    for (uint64_t word = part->first / 64; word < pat_bits__words(part->end); word++) {
        for (uint64_t rest = scores->scored[word]; rest != 0; rest &= rest - 1) {
            const uint64_t row = word * 64 + (uint64_t)__builtin_ctzll(rest);
            /* Days are negative here: more is better, as for the others. */
            scores->r[row] = climb(&assignment->r, (int64_t)facts->last[row] - part->run->day);
            scores->f[row] = climb(&assignment->f, facts->window_orders[row]);
            scores->m[row] = climb(&assignment->m, facts->window_net[row]);
        }
    }
    return PAT_OK;
}

static enum pat_status assign(struct pat_run *run, struct pat_scores *scores) {
    const struct pat_thresholds *thresholds = &scores->thresholds;
    struct pat_threshold since[4];
    for (unsigned i = 0; i < 4; i++) {
        since[i] = (struct pat_threshold){thresholds->r_days[i].set, -thresholds->r_days[i].value};
    }
    struct assignment assignment = {.scores = scores,
                                    .r = ladder_of(since, thresholds->levels),
                                    .f = ladder_of(thresholds->f_orders, thresholds->levels),
                                    .m = ladder_of(thresholds->m_minor, thresholds->levels)};
    return pat_run__spread(run, run->customers, assign_part, &assignment);
}

enum pat_status pat_scores__compute(struct pat_run *run) {
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof *run->scores, &memory));
    struct pat_scores *scores = memory;
    scores->thresholds.levels = levels_of(run->rfm);
    PAT_TRY(pat_run__group_names(run, &scores->names));
    PAT_TRY(find_population(run, scores));
    uint8_t **const score[] = {&scores->r, &scores->f, &scores->m};
    for (unsigned i = 0; i < 3; i++) {
        PAT_TRY(pat_run__array(run, run->customers, sizeof(uint8_t), &memory));
        *score[i] = memory;
    }
    if (run->rfm->scoring == PAT_RFM_CUTS) {
        take_cuts(run->rfm, &scores->thresholds);
    } else {
        PAT_TRY(find_thresholds(run, scores));
    }
    PAT_TRY(assign(run, scores));
    run->scores = scores;
    return PAT_OK;
}

uint32_t pat_scores__group_of(const struct pat_group_names *names, unsigned r, unsigned f, unsigned m) {
    if (names->map == NULL) return (r - 1) * 4 + (f - 1) * 2 + (m - 1);
    return names->map->of_cell[pat_rfm_cell(r, f, m)];
}

int64_t pat_scores__group(const struct pat_scores *scores, pat_row row) {
    if (scores->r[row] == 0) return PAT_NULL;
    return pat_scores__group_of(&scores->names, scores->r[row], scores->f[row], scores->m[row]);
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
