/* clv.fit: patterns out of histories, both fits, the hold-out. Reads only; the engine keeps what comes out. */
#include "analytics/answers_private.h"

#include "analytics/lifetime_private.h"
#include "analytics/scores_private.h"
#include "lifetime/fit.h"
#include "model/date.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(PAT_FIT_PARAMS_MAX == PAT_BTYD_PARAMS_MAX, "a fit has room for every model");

_Static_assert(PAT_LIFETIME_DAYS_MAX < 1 << 21, "x, t_x and T fit into one word");

/* What the customers of a part of the rows add up to, and where theirs begin among all. */
struct share {
    uint64_t customers, repeaters, spenders;
    uint64_t unpriced_customers;
    int64_t unpriced; /* facts of theirs */
    int32_t T_max;
};

struct trial {
    struct pat_run *run;
    struct pat_clv_fit *fit;
    const struct pat_btyd_model *model;
    struct pat_purchases purchases;
    struct share *share; /* of each part, then `all` */
    struct share all;
    unsigned time_bits; /* of a time in a key */
    int64_t *key;       /* of each customer with a purchase, in row order; then sorted and made distinct */
    struct pat_btyd_pattern *pattern;
    uint64_t patterns; /* key[0 .. patterns) are theirs, rising */
    struct pat_spend_pattern *spend;
    struct pat_fit_options options;
};

static bool is_customer(const struct trial *trial, uint64_t row) {
    return pat_bits__get(trial->run->shown, row) && trial->purchases.of[row].first != PAT_DAY_NONE;
}

/* Customers whose repeat days hold facts without a rate have a mean that nobody knows yet: they stay outside. */
static bool is_spender(const struct pat_history *history) {
    return history->repeats > 0 && history->unpriced == 0;
}

static enum pat_status no_memory(struct pat_run *run) {
    return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory to fit %" PRIu32 " customers", run->customers);
}

/* Written whole before it is read. */
static enum pat_status new_array(struct pat_run *run, uint64_t count, size_t size, void *out) {
    void *memory = pat_arena_array_big(run->arena, (size_t)count, size);
    if (memory == NULL) return no_memory(run);
    memcpy(out, &memory, sizeof memory);
    return PAT_OK;
}

/* ---- patterns ---------------------------------------------------------------------------------------------------- */

/* (x, t_x, T) in one word that sorts by x first, so that predictions find their rule once for each x. */
static int64_t pack(const struct trial *trial, const struct pat_history *history) {
    const int64_t x = history->repeats < PAT_LIFETIME_DAYS_MAX ? history->repeats : PAT_LIFETIME_DAYS_MAX;
    return x << 2 * trial->time_bits | (int64_t)pat_history__t_x(history) << trial->time_bits |
           pat_history__T(history, trial->run->day);
}

static enum pat_status fail_empty(struct pat_run *run) {
    char day[11];
    pat_day_print(run->day, day);
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "end", -1, -1,
                            "no customer%s has a purchase up to %s: there is nothing to fit",
                            run->shown == run->live ? "" : " that \"where\" selects", day);
}

static enum pat_status count_part(void *context, const struct pat_part *part) {
    const struct trial *trial = context;
    struct share share = {0};
    for (uint64_t row = part->first; row < part->end; row++) {
        if (!is_customer(trial, row)) continue;
        const struct pat_history *history = &trial->purchases.of[row];
        const int32_t T = pat_history__T(history, part->run->day);
        share.customers++;
        share.repeaters += history->repeats > 0;
        share.spenders += is_spender(history);
        share.unpriced_customers += history->repeats > 0 && history->unpriced > 0;
        share.unpriced += history->repeats > 0 ? history->unpriced : 0;
        share.T_max = T > share.T_max ? T : share.T_max;
    }
    trial->share[part->number] = share;
    return PAT_OK;
}

/* Adds `share` to `all`, and leaves in it where its customers and spenders begin. */
static void add_share(struct share *all, struct share *share) {
    const struct share here = *share;
    *share = *all;
    all->customers += here.customers;
    all->repeaters += here.repeaters;
    all->spenders += here.spenders;
    all->unpriced_customers += here.unpriced_customers;
    all->unpriced += here.unpriced;
    all->T_max = here.T_max > all->T_max ? here.T_max : all->T_max;
}

static enum pat_status collect_part(void *context, const struct pat_part *part) {
    const struct trial *trial = context;
    const struct share *begin = &trial->share[part->number];
    int64_t *key = trial->key + begin->customers;
    struct pat_spend_pattern *spend = trial->spend + begin->spenders;
    for (uint64_t row = part->first; row < part->end; row++) {
        if (!is_customer(trial, row)) continue;
        const struct pat_history *history = &trial->purchases.of[row];
        *key++ = pack(trial, history);
        if (!is_spender(history)) continue;
        *spend++ = (struct pat_spend_pattern){
            .x = history->repeats, .mean = pat_history__mean(part->run, history), .weight = 1};
    }
    return PAT_OK;
}

static enum pat_status collect(struct trial *trial) {
    struct pat_run *run = trial->run;
    const uint32_t parts = pat_run__parts(run->customers);
    PAT_TRY(new_array(run, parts, sizeof *trial->share, &trial->share));
    PAT_TRY(pat_run__spread(run, run->customers, count_part, trial));
    for (uint32_t i = 0; i < parts; i++) add_share(&trial->all, &trial->share[i]);
    if (trial->all.customers == 0) return fail_empty(run);
    while (trial->all.T_max >> trial->time_bits != 0) trial->time_bits++;
    PAT_TRY(new_array(run, trial->all.customers, sizeof *trial->key, &trial->key));
    PAT_TRY(new_array(run, trial->all.spenders, sizeof *trial->spend, &trial->spend));
    return pat_run__spread(run, run->customers, collect_part, trial);
}

static enum pat_status make_patterns(struct trial *trial) {
    const uint64_t customers = trial->all.customers;
    const int64_t mask = ((int64_t)1 << trial->time_bits) - 1;
    const double unit = trial->fit->unit_days;
    int64_t *scratch = NULL;
    PAT_TRY(new_array(trial->run, customers, sizeof *scratch, &scratch));
    PAT_TRY(pat_run__sort(trial->run, trial->key, scratch, customers));
    for (uint64_t i = 0; i < customers; i++) trial->patterns += i == 0 || trial->key[i] != trial->key[i - 1];
    PAT_TRY(new_array(trial->run, trial->patterns, sizeof *trial->pattern, &trial->pattern));
    uint64_t at = 0;
    for (uint64_t i = 0; i < customers; i++) {
        const int64_t key = trial->key[i];
        if (at > 0 && key == trial->key[at - 1]) {
            trial->pattern[at - 1].weight++;
            continue;
        }
        trial->pattern[at] = (struct pat_btyd_pattern){.x = (double)(key >> 2 * trial->time_bits),
                                                       .t_x = (double)(key >> trial->time_bits & mask) / unit,
                                                       .T = (double)(key & mask) / unit,
                                                       .weight = 1};
        trial->key[at++] = key;
    }
    return PAT_OK;
}

/* ---- fits -------------------------------------------------------------------------------------------------------- */

static bool stop(void *context) {
    return pat_run__stop(context) != PAT_OK;
}

/* A fit that was stopped says so in its own words; the run knows why. */
static enum pat_status stopped_or(struct pat_run *run, enum pat_status status) {
    return status == PAT_ERR_CANCELLED ? pat_run__stop(run) : status;
}

static void note_boundary(const struct pat_fit_limit *limit, struct pat_clv_boundary *out) {
    if (limit == NULL) return;
    (void)snprintf(out->parameter, sizeof out->parameter, "%s", limit->parameter);
    (void)snprintf(out->direction, sizeof out->direction, "%s", limit->direction);
    (void)snprintf(out->meaning, sizeof out->meaning, "%s", limit->meaning);
}

static enum pat_status fit_purchases(struct trial *trial) {
    struct pat_clv_fit *fit = trial->fit;
    struct pat_btyd_fit found;
    PAT_TRY(stopped_or(trial->run, pat_btyd_fit(&found, trial->model, trial->pattern, trial->patterns, &trial->options,
                                                trial->run->error)));
    fit->params_count = (unsigned)trial->model->param_count;
    for (unsigned i = 0; i < fit->params_count; i++) {
        (void)snprintf(fit->param_name[i], sizeof fit->param_name[i], "%s", trial->model->param_names[i]);
        fit->params[i] = found.params[i];
        fit->se[i] = found.se[i];
    }
    fit->customers = found.customers;
    fit->repeaters = found.repeaters;
    fit->loglik = found.loglik;
    fit->nbd_loglik = found.nbd_loglik;
    fit->iterations = found.iterations;
    fit->converged = found.converged;
    note_boundary(found.boundary, &fit->boundary);
    return PAT_OK;
}

static enum pat_status fit_spend(struct trial *trial) {
    struct pat_clv_spend *spend = &trial->fit->spend;
    struct pat_spend_fit found;
    PAT_TRY(stopped_or(trial->run, pat_spend_fit(&found, trial->spend, (size_t)trial->all.spenders, &trial->options,
                                                 trial->run->error)));
    spend->unpriced = (double)trial->all.unpriced_customers;
    trial->run->unpriced += trial->all.unpriced;
    spend->p = found.params.p;
    spend->q = found.params.q;
    spend->v = found.params.v;
    spend->se_p = found.se.p;
    spend->se_q = found.se.q;
    spend->se_v = found.se.v;
    spend->loglik = found.loglik;
    spend->customers = found.customers;
    spend->left_out = (double)trial->all.customers - found.customers;
    spend->correlation = found.correlation;
    spend->converged = found.converged;
    spend->mean_infinite = found.mean_infinite;
    note_boundary(found.boundary, &spend->boundary);
    return PAT_OK;
}

/* ---- hold-out ---------------------------------------------------------------------------------------------------- */

static uint64_t find_key(const struct trial *trial, int64_t key) {
    uint64_t low = 0, high = trial->patterns - 1;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (trial->key[middle] < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum pat_status expect(struct trial *trial, double time, double **out) {
    struct pat_scorer scorer;
    PAT_TRY(new_array(trial->run, trial->patterns, sizeof **out, out));
    pat_scorer_init(&scorer, trial->model, trial->fit->params);
    for (uint64_t i = 0; i < trial->patterns; i++) {
        if (i % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(trial->run));
        (*out)[i] = pat_scorer_expected(&scorer, &trial->pattern[i], 0, time);
    }
    return PAT_OK;
}

static enum pat_status hold_out(struct trial *trial, pat_day end) {
    struct pat_run *run = trial->run;
    struct pat_clv_holdout *out = &trial->fit->holdout;
    struct pat_purchases later;
    double *expected = NULL, off = 0, square = 0;
    PAT_TRY(expect(trial, (double)((int64_t)end - run->day) / trial->fit->unit_days, &expected));
    PAT_TRY(pat_purchases__collect(run, run->day, end, false, &later));
    *out = (struct pat_clv_holdout){.end = end, .customers = (double)trial->all.customers};
    for (uint64_t row = 0; row < run->customers; row++) {
        if (!is_customer(trial, row)) continue;
        const double actual = later.of[row].first == PAT_DAY_NONE ? 0 : later.of[row].repeats + 1.0;
        const double of_model = expected[find_key(trial, pack(trial, &trial->purchases.of[row]))];
        out->actual += actual;
        out->expected += of_model;
        off += fabs(actual - of_model);
        square += (actual - of_model) * (actual - of_model);
    }
    out->mae = off / out->customers;
    out->rmse = sqrt(square / out->customers);
    return PAT_OK;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

enum pat_status pat_model__find(const struct pat_run *run, struct pat_text name, const struct pat_btyd_model **out) {
    const char *names[16];
    char list[160], shown[PAT_FIT_WORD_BYTES];
    size_t count = 0, used = 0;
    for (; count < pat_btyd_model_count && count < sizeof names / sizeof *names; count++) {
        names[count] = pat_btyd_models[count].name;
        if (pat_text_is(name, names[count])) {
            *out = &pat_btyd_models[count];
            return PAT_OK;
        }
        if (used < sizeof list) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", names[count]);
        }
    }
    const int nearest = pat_text_nearest(name, names, count);
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "model", -1, -1, "no model \"%s\"%s%s%s; there are %s",
                            pat_text_printable(name, shown, sizeof shown), nearest >= 0 ? ", did you mean \"" : "",
                            nearest >= 0 ? names[nearest] : "", nearest >= 0 ? "\"?" : "", list);
}

static void warn_holdout(struct pat_run *run, const struct pat_clv_fit *fit) {
    const pat_day newest = run->view->counts.newest_fact;
    if (fit->holdout.end == PAT_DAY_NONE || newest == PAT_DAY_NONE || newest >= fit->holdout.end) return;
    char day[11];
    pat_day_print(newest, day);
    pat_run__warn(run, "the newest order or refund is of %s: the hold-out counts empty days behind it", day);
}

static enum pat_status check_holdout(struct pat_run *run, pat_day end) {
    char day[11];
    if (end == PAT_DAY_NONE || end > run->day) return PAT_OK;
    pat_day_print(run->day, day);
    return pat_error_set_at(run->error, PAT_ERR_BAD_REQUEST, "holdout_end", -1, -1,
                            "it must be after \"end\", which is %s: give an earlier \"end\" to hold out what follows",
                            day);
}

static void name_fit(struct trial *trial, const struct pat_clv_ask *ask) {
    struct pat_clv_fit *fit = trial->fit;
    *fit = (struct pat_clv_fit){.unit_days = ask->unit_days,
                                .end = trial->run->day,
                                .data_lsn = trial->run->view->lsn,
                                .holdout = {.end = PAT_DAY_NONE}};
    memcpy(fit->name, ask->name.data, ask->name.length);
    (void)snprintf(fit->model, sizeof fit->model, "%s", trial->model->name);
}

enum pat_status pat_answer__clv_fit(struct pat_run *run) {
    const struct pat_clv_ask *ask = &run->job->request->clv;
    struct trial trial = {
        .run = run,
        .fit = run->job->fit,
        .options = {.kernels = run->kernels, .stop_cb = stop, .context = run, .spread = run->job->spread}};
    PAT_TRY(pat_model__find(run, ask->model, &trial.model));
    PAT_TRY(check_holdout(run, ask->holdout_end));
    name_fit(&trial, ask);
    PAT_TRY(pat_run__where(run));
    PAT_TRY(pat_purchases__collect(run, PAT_DAY_NONE, run->day, true, &trial.purchases));
    PAT_TRY(collect(&trial));
    PAT_TRY(make_patterns(&trial));
    PAT_TRY(fit_purchases(&trial));
    PAT_TRY(fit_spend(&trial));
    if (ask->holdout_end != PAT_DAY_NONE) PAT_TRY(hold_out(&trial, ask->holdout_end));
    pat_fit__put(run, trial.fit, &run->result);
    pat_fit__warn(run, trial.fit);
    warn_holdout(run, trial.fit);
    return PAT_OK;
}
