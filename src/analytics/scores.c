#include "analytics/scores_private.h"

#include "analytics/bind_private.h"
#include "analytics/known_private.h"

/* What R, F and M are counted up from; for R the last day, so that more is better in all three. */
enum measure { MEASURE_R, MEASURE_F, MEASURE_M, MEASURES };

static const enum pat_fact measure_fact[MEASURES] = {PAT_FACT_LAST, PAT_FACT_WINDOW_ORDERS, PAT_FACT_WINDOW_NET};

static unsigned levels_of(const struct pat_rfm_spec *rfm) {
    return rfm->scoring == PAT_RFM_MEAN ? 2 : 5;
}

/* Live, ordered within the window, and in the population's filter. */
static enum pat_status find_population(struct pat_run *run, struct pat_scores *scores) {
    const uint64_t words = pat_bits__words(run->customers);
    void *bits;
    PAT_TRY(pat_run__array(run, words, sizeof(uint64_t), &bits));
    scores->scored = bits;
    const uint32_t *orders = run->facts->window_orders;
    for (uint64_t word = 0; word < words; word++) {
        for (uint64_t rest = run->live[word]; rest != 0; rest &= rest - 1) {
            const uint64_t row = word * 64 + (uint64_t)__builtin_ctzll(rest);
            if (orders[row] >= 1) pat_bits__set(scores->scored, row);
        }
    }
    PAT_TRY(pat_population__restrict(run, scores->scored));
    scores->population = run->kernels->bits_count(scores->scored, words);
    return PAT_OK;
}

/* Values of the population, more is better. */
static void collect(const struct pat_run *run, const struct pat_scores *scores, enum measure measure, int64_t *out) {
    uint64_t at = 0;
    for (uint64_t word = 0; word < pat_bits__words(run->customers); word++) {
        for (uint64_t rest = scores->scored[word]; rest != 0; rest &= rest - 1) {
            const uint64_t row = word * 64 + (uint64_t)__builtin_ctzll(rest);
            out[at++] = pat_facts__get(run->facts, measure_fact[measure], row);
        }
    }
}

/* score = 1 + floor(5 * worse / n), worse = how many are strictly below. Score i + 2 takes worse >= ceil((i + 1) * n /
 * 5) = k, so the k-th smallest must be below it: the threshold is the next greater value. */
static void quintile(const int64_t *sorted, uint64_t n, struct pat_threshold out[4]) {
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t k = ((i + 1) * n + 4) / 5;
        out[i].set = false;
        if (n == 0) continue;
        uint64_t low = k, high = n; /* first index above sorted[k - 1] */
        while (low < high) {
            const uint64_t middle = low + (high - low) / 2;
            if (sorted[middle] > sorted[k - 1]) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if (low < n) out[i] = (struct pat_threshold){true, sorted[low]};
    }
    /* Ties can lead over a score: what earns the next one, too, does not earn this one. */
    for (unsigned i = 0; i < 3; i++) out[i].set = out[i].set && !(out[i + 1].set && out[i + 1].value == out[i].value);
}

/* value * n >= sum, as the least such integer. */
static struct pat_threshold mean(const int64_t *values, uint64_t n) {
    if (n == 0) return (struct pat_threshold){false, 0};
    pat_int128 sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += values[i];
    pat_int128 least = sum / (int64_t)n;
    if (least * (int64_t)n < sum) least++;
    return (struct pat_threshold){true, (int64_t)least};
}

static enum pat_status find_thresholds(struct pat_run *run, struct pat_scores *scores) {
    struct pat_thresholds *const thresholds = &scores->thresholds;
    struct pat_threshold *const out[MEASURES] = {thresholds->r_days, thresholds->f_orders, thresholds->m_minor};
    void *values, *scratch;
    PAT_TRY(pat_run__array(run, scores->population, sizeof(int64_t), &values));
    PAT_TRY(pat_run__array(run, scores->population, sizeof(int64_t), &scratch));
    for (unsigned measure = 0; measure < MEASURES; measure++) {
        PAT_TRY(pat_run__stop(run));
        collect(run, scores, (enum measure)measure, values);
        if (run->rfm->scoring == PAT_RFM_MEAN) {
            out[measure][0] = mean(values, scores->population);
        } else {
            pat_sort_int64(values, scratch, scores->population);
            quintile(values, scores->population, out[measure]);
        }
    }
    /* From the last day to days since. */
    for (unsigned i = 0; i < 4; i++) thresholds->r_days[i].value = run->day - thresholds->r_days[i].value;
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

static void assign(const struct pat_run *run, struct pat_scores *scores) {
    const struct pat_facts *facts = run->facts;
    const struct pat_thresholds *thresholds = &scores->thresholds;
    for (uint64_t word = 0; word < pat_bits__words(run->customers); word++) {
        for (uint64_t rest = scores->scored[word]; rest != 0; rest &= rest - 1) {
            const uint64_t row = word * 64 + (uint64_t)__builtin_ctzll(rest);
            const int64_t days = (int64_t)run->day - facts->last[row];
            scores->r[row] = score_of(thresholds->r_days, thresholds->levels, days, true);
            scores->f[row] = score_of(thresholds->f_orders, thresholds->levels, facts->window_orders[row], false);
            scores->m[row] = score_of(thresholds->m_minor, thresholds->levels, facts->window_net[row], false);
        }
    }
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
    assign(run, scores);
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
