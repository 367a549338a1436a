#include "lifetime/search_private.h"

#include "base/status.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define DIM PAT_OPTIMIZE_DIM_MAX

/* Logarithms of parameters stay within: e^40 squared is still far from overflow, and a likelihood that rises up to here
 * rises for ever. */
#define LOG_MAX 40.0
/* A maximum is inside only when its likelihood beats every limit's by this. What a search leaves on its way to a limit
 * is about the slope that it calls flat, far less; and no data tell models apart that are so near. */
#define LIMIT_GAP 1e-4
/* How far a limit is from where the search stopped, in logarithms: e^14 is a million. */
#define LIMIT_FAR 14.0
/* A parameter beyond e^25 or below e^-25 is at its limit, whatever rounding makes of the likelihoods out there. */
#define LIMIT_REACHED 25.0
/* A limit that explains the customers of a sample so much worse is out of question for all of them. */
#define LACK_DECISIVE 50.0
/* The end of a climb that began next to the maximum: what is left is a hundred-thousandth of a standard error. */
#define GAIN_END 1e-10
/* Slope per logarithm that counts as none, for up to ten million customers. */
#define FLAT 1e-6
/* A fit has converged when a Newton step would win less than this. */
#define GAIN_MAX 1e-6
/* ... or, where the likelihood has no peak, when no slope above this is left. */
#define SLOPE_MAX 1e-3

static double search_value(void *context, const double *at, double *gradient) {
    struct pat_search *search = context;
    double params[DIM];
    for (size_t i = 0; i < search->dim; i++) {
        gradient[i] = 0;
        if (!(fabs(at[i]) <= LOG_MAX)) return -HUGE_VAL;
        params[i] = exp(at[i]);
    }
    const struct pat_fit_options *options = search->options;
    if (!search->stopped && options != NULL && options->stop_cb != NULL) {
        search->stopped = options->stop_cb(options->context);
    }
    return search->stopped ? -HUGE_VAL : search->loglik_cb(search->context, params, gradient);
}

static struct pat_problem problem_of(struct pat_search *search) {
    return (struct pat_problem){.dim = search->dim,
                                .value_cb = search_value,
                                .context = search,
                                .flat = FLAT * fmax(1, search->customers / 1e7)};
}

static void take(const struct pat_search *search, const double *at, double loglik, struct pat_found *found) {
    for (size_t i = 0; i < search->dim; i++) found->params[i] = exp(at[i]);
    found->loglik = loglik;
}

/* A likelihood without any bound (all spend the same) takes the search to the edge of what it may try. */
static bool limit_reached(const struct pat_search *search, const struct pat_fit_limit *limit, const double *at) {
    size_t named = 0;
    while (named < search->dim && ((limit->up | limit->down) >> named & 1) == 0) named++;
    return (limit->up >> named & 1) ? at[named] >= LIMIT_REACHED : at[named] <= -LIMIT_REACHED;
}

/* Moves to a limit whose likelihood is as good as the one found. `lack` (may be NULL): of the limits in a sample. */
static void try_limits(struct pat_search *search, const struct pat_search_map *map, const struct pat_optimum *optimum,
                       const double *lack, struct pat_found *found) {
    const struct pat_fit_limit *const limits = map->limit;
    found->boundary = NULL;
    for (size_t i = 0; i < map->limit_count && found->boundary == NULL; i++) {
        double at[DIM], gradient[DIM];
        if (lack != NULL && lack[i] > PAT_SAMPLE_STEP * LACK_DECISIVE) continue;
        for (size_t k = 0; k < search->dim; k++) {
            const double far = (limits[i].up >> k & 1) ? LIMIT_FAR : (limits[i].down >> k & 1) ? -LIMIT_FAR : 0;
            at[k] = fmax(-LOG_MAX, fmin(LOG_MAX, optimum->at[k] + far));
        }
        const double loglik = search_value(search, at, gradient);
        found->evaluations++;
        found->limit_lack[i] = optimum->value - loglik;
        if (!(loglik >= optimum->value - LIMIT_GAP) && !limit_reached(search, &limits[i], optimum->at)) continue;
        found->boundary = &limits[i];
        if (loglik > found->loglik) take(search, at, loglik, found);
    }
}

/* Indexes of the best and the second best start. */
static void rank_starts(struct pat_search *search, const double (*start)[PAT_BTYD_PARAMS_MAX], size_t count,
                        double at[][DIM], size_t best[2], unsigned *evaluations) {
    double value[2] = {-HUGE_VAL, -HUGE_VAL}, gradient[DIM];
    best[0] = best[1] = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < search->dim; k++) at[i][k] = log(start[i][k]);
        const double here = search_value(search, at[i], gradient);
        (*evaluations)++;
        if (here > value[0]) {
            value[1] = value[0];
            best[1] = best[0];
            value[0] = here;
            best[0] = i;
        } else if (here > value[1]) {
            value[1] = here;
            best[1] = i;
        }
    }
}

/* Adds what `optimum` cost; takes it when it is the best so far. */
static void consider(struct pat_search *search, const struct pat_search_map *map, const struct pat_optimum *optimum,
                     const double *lack, struct pat_found *found) {
    found->iterations += optimum->iterations;
    found->evaluations += optimum->evaluations;
    if (!(optimum->value > found->loglik)) return;
    take(search, optimum->at, optimum->value, found);
    try_limits(search, map, optimum, lack, found);
    found->inside = optimum->flat && found->boundary == NULL;
}

void pat_search__climb(struct pat_search *search, const struct pat_search_map *map, struct pat_found *found) {
    const struct pat_problem problem = problem_of(search);
    double at[PAT_STARTS_MAX][DIM];
    size_t best[2];
    PAT_ASSERT(map->limit_count <= PAT_LIMITS_MAX);
    rank_starts(search, map->start, map->start_count, at, best, &found->evaluations);
    found->loglik = -HUGE_VAL;
    found->inside = false;
    for (size_t i = 0; i < 2 && !search->stopped && !found->inside; i++) {
        struct pat_optimum optimum = {.value = -HUGE_VAL};
        memcpy(optimum.at, at[best[i]], sizeof optimum.at);
        pat_optimize__maximize(&problem, &optimum, NULL);
        consider(search, map, &optimum, NULL, found);
    }
}

/* Climbs in everything from what `sample` found; false when that leads to no inner maximum. */
static bool climb_on(struct pat_search *search, struct pat_search *sample, const struct pat_search_map *map,
                     const struct pat_found *rough, struct pat_found *found) {
    const struct pat_problem part = problem_of(sample);
    struct pat_problem whole = problem_of(search);
    struct pat_optimum optimum = {.value = rough->loglik};
    double information[DIM][DIM] = {{0}}, inverse[DIM][DIM];
    for (size_t i = 0; i < search->dim; i++) optimum.at[i] = log(rough->params[i]);
    pat_optimize__information(&part, &optimum, information);
    if (!pat_optimize__invert(search->dim, information, inverse)) return false;
    whole.gain = GAIN_END;
    pat_optimize__maximize(&whole, &optimum, inverse);
    consider(search, map, &optimum, rough->limit_lack, found);
    return found->inside;
}

void pat_search__climb_sampled(struct pat_search *search, struct pat_search *sample, const struct pat_search_map *map,
                               struct pat_found *found) {
    struct pat_found rough = {.loglik = -HUGE_VAL};
    pat_search__climb(sample, map, &rough);
    *found = (struct pat_found){.loglik = -HUGE_VAL, .iterations = rough.iterations, .evaluations = rough.evaluations};
    if (sample->stopped) search->stopped = true;
    if (rough.inside && !search->stopped && climb_on(search, sample, map, &rough, found)) return;
    if (!search->stopped) pat_search__climb(search, map, found);
}

void pat_search__judge(struct pat_search *search, struct pat_found *found) {
    const struct pat_problem problem = problem_of(search);
    struct pat_optimum optimum = {.value = found->loglik};
    double information[DIM][DIM] = {{0}}, variance[DIM], gain, slope = 0;
    for (size_t i = 0; i < search->dim; i++) optimum.at[i] = log(found->params[i]);
    (void)search_value(search, optimum.at, optimum.gradient);
    pat_optimize__information(&problem, &optimum, information);
    found->evaluations += optimum.evaluations + 1;
    const unsigned lost = found->boundary == NULL ? 0 : found->boundary->lost;
    pat_optimize__variances(search->dim, information, lost, optimum.gradient, variance, &gain);
    for (size_t i = 0; i < search->dim; i++) {
        found->se[i] = found->params[i] * sqrt(variance[i]);
        slope = fmax(slope, fabs(optimum.gradient[i]));
    }
    found->converged = slope <= problem.flat || gain <= GAIN_MAX || (found->boundary != NULL && slope <= SLOPE_MAX);
}
