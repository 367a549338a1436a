/* What found names need is computed once for a question, or taken from what is kept or remembered. */
#include "analytics/source_private.h"

#include "analytics/bind_private.h"
#include "analytics/explain_private.h"
#include "analytics/kept_private.h"
#include "analytics/lifecycle_private.h"
#include "analytics/lifetime_private.h"
#include "analytics/memo_private.h"
#include "analytics/rates_private.h"
#include "analytics/scores_private.h"

enum pat_status pat_run__need_lifecycle(struct pat_run *run) {
    if (run->lifecycle != NULL) return PAT_OK;
    /* Facts may ask for it of customers who are not live. */
    void *all;
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof(uint64_t), &all));
    pat_bits__fill(all, run->customers);
    return pat_lifecycle__compute(run, all);
}

/* Nobody looks into the facts but sources: what is kept will do, where it holds at D. */
static bool kept_will_do(const struct pat_run *run) {
    const enum pat_method method = run->job->request->method;
    const bool sources_only = method == PAT_METHOD_COUNT || method == PAT_METHOD_ROWS || method == PAT_METHOD_GROUP ||
                              method == PAT_METHOD_COHORT || method == PAT_METHOD_RFM_GRID ||
                              method == PAT_METHOD_RFM_GROUPS;
    return sources_only && !run->lifecycle_needed && !run->lifetime_needed;
}

/* Scores are still to come, and nobody needs the facts before them. */
static bool come_with_scores(const struct pat_run *run, unsigned facts) {
    return run->scores_needed && run->scores == NULL && run->population == NULL && !run->lifecycle_needed &&
           !run->lifetime_needed && pat_window__makes(run, facts);
}

/* *beside: facts that the pass for the scores is to make. */
static enum pat_status compute_facts(struct pat_run *run, unsigned needed, unsigned *beside) {
    *beside = 0;
    if (needed == 0 || run->facts != NULL) return PAT_OK;
    if (kept_will_do(run)) {
        if (run->kept == NULL) PAT_TRY(pat_kept__find(run));
        pat_explain__step(run, run->kept != NULL ? "kept values" : "kept values do not hold", run->customers);
        if (run->kept != NULL) return PAT_OK;
    }
    if (come_with_scores(run, needed)) {
        *beside = needed;
        return PAT_OK;
    }
    PAT_TRY(pat_facts__compute(run, needed));
    pat_explain__step(run, "facts", run->customers);
    return PAT_OK;
}

static enum pat_status compute_needed(struct pat_run *run, unsigned needed) {
    unsigned beside;
    PAT_TRY(compute_facts(run, needed, &beside));
    if (run->lifecycle_needed && run->lifecycle == NULL) {
        PAT_TRY(pat_run__need_lifecycle(run));
        pat_explain__step(run, "life cycle", run->customers);
    }
    if (run->rates_needed && run->rates == NULL) PAT_TRY(pat_rates__collect(run, PAT_DAY_MAX, &run->rates));
    if (run->lifetime_needed && run->lifetime == NULL) {
        PAT_TRY(pat_lifetime__compute(run));
        pat_explain__step(run, "lifetime value", run->customers);
    }
    if (run->scores_needed && run->scores == NULL) {
        PAT_TRY(pat_scores__compute(run, beside));
        pat_explain__step(run, "scores", run->customers);
    }
    if (run->scores_needed && run->scores_by_row && run->scores->cell == NULL) {
        PAT_TRY(pat_scores__assign(run));
        pat_explain__step(run, "scores by row", run->customers);
    }
    return PAT_OK;
}

/* What was computed for an earlier question, and what this one computes for later ones. */
static enum pat_status need_with_memo(struct pat_run *run, struct pat_memo *memo, unsigned needed) {
    if (run->facts == NULL && (memo->facts_have & needed) == needed) run->facts = memo->facts;
    needed |= memo->facts_have; /* calls that look at different facts in turn do not lose each other's */
    if (run->kept == NULL && kept_will_do(run)) run->kept = memo->kept;
    if (run->lifecycle == NULL) run->lifecycle = memo->lifecycle;
    if (run->lifetime == NULL) run->lifetime = memo->lifetime;
    if (run->scores_needed && run->scores == NULL) run->scores = memo->scores;
    struct pat_arena *const before = pat_memo__enter(run);
    const struct pat_facts *const known = run->facts;
    const enum pat_status status = compute_needed(run, needed);
    pat_memo__leave(run, before);
    PAT_TRY(status);
    if (run->facts != known) {
        memo->facts = run->facts;
        memo->facts_have = needed;
    }
    if (run->kept != NULL) memo->kept = run->kept;
    if (run->lifecycle != NULL) memo->lifecycle = run->lifecycle;
    if (run->lifetime != NULL) memo->lifetime = run->lifetime;
    if (run->scores != NULL) memo->scores = run->scores;
    return PAT_OK;
}

enum pat_status pat_run__need(struct pat_run *run) {
    /* Even where scores are known: it says what to warn of. */
    if (run->scores_needed) PAT_TRY(pat_population__bind(run));
    unsigned needed = run->facts_needed;
    if (run->lifecycle_needed) needed |= PAT_FACTS_LIFECYCLE;
    /* `unpriced` counts them, whatever the money was asked for. */
    if (run->money_for_all || run->money_of_shown) needed |= PAT_FACT_BIT(PAT_FACT_UNPRICED);
    if (run->job != NULL && run->job->memo != NULL) return need_with_memo(run, run->job->memo, needed);
    return compute_needed(run, needed);
}
