/* Versions that questions read: when one is made, who shares it, how long it stays open.
 *
 * When nothing is being loaded, each question reads the newest state. While batches come a version costs folding the
 * orders that wait (a step a turn, so that the loop never waits for all of them) and copies of what changes while it is
 * open; then questions share the one that rests, for as long as making versions would take more than its share. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ingest/ingest.h"

/* From this many open versions on, questions share the newest one even when the store has moved on: each open version
 * may cost copies of what is being loaded. */
#define VIEWS_BEFORE_SHARING (PAT_VIEWS_MAX / 2)
/* While batches come, so many times what the last version took passes before the next is made: a fifth of the loop's
 * time goes to versions at the most, but this is the longest wait (a second one while somebody ranks everybody of it).
 */
#define VERSION_WAIT_SHARE  4u
#define VERSION_WAIT_NS_MAX UINT64_C(1000000000)
/* And a look-up nothing that was opened longer ago, however long ranking everybody takes. */
#define BEFORE_NS_MAX UINT64_C(4000000000)
/* A version that nobody has asked for since is closed before the store changes: it would only cost copies. */
#define ASKED_NS UINT64_C(200000000)
/* Waiting orders that are folded at once; more take steps. Some two milliseconds. */
#define FOLD_AT_ONCE 16384u

/* ---- findings ---------------------------------------------------------------------------------------------------- */

void pat_engine__drop_findings(struct pat_findings **handle) {
    struct pat_findings *findings = *handle;
    *handle = NULL;
    if (findings == NULL || --findings->users > 0) return;
    pat_known_close(&findings->known);
    pat_mem_free(PAT_MEM_VIEWS, findings);
}

/* Those of `lsn`, which is the store's, with one user more. NULL without memory: look-ups do without, then. */
static struct pat_findings *take_findings(struct pat_engine *engine, pat_lsn lsn) {
    if (engine->findings != NULL && engine->findings->lsn != lsn) pat_engine__drop_findings(&engine->findings);
    if (engine->findings == NULL) {
        struct pat_findings *fresh = pat_mem_alloc(PAT_MEM_VIEWS, sizeof *fresh);
        if (fresh == NULL) return NULL;
        *fresh = (struct pat_findings){.lsn = lsn, .users = 1};
        if (pat_known_open(&fresh->known) != PAT_OK) {
            pat_mem_free(PAT_MEM_VIEWS, fresh);
            return NULL;
        }
        engine->findings = fresh;
    }
    engine->findings->users++;
    return engine->findings;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

enum pat_status pat_engine__view_open(struct pat_engine *engine, struct pat_view **out) {
    pat_ingest_settle(engine->store, engine->spread);
    return pat_view_open(out, engine->store);
}

/* The next version, for what the newest took. */
static void put_off(struct pat_versions *versions, uint64_t took_ns) {
    const uint64_t wait_ns = took_ns * VERSION_WAIT_SHARE;
    versions->next_ns = versions->opened_ns + (wait_ns < VERSION_WAIT_NS_MAX ? wait_ns : VERSION_WAIT_NS_MAX);
}

static enum pat_status version_open(struct pat_engine *engine, struct pat_pinned **out) {
    const uint64_t start_ns = pat_clock_monotonic_ns();
    struct pat_pinned *pinned = pat_mem_alloc(PAT_MEM_VIEWS, sizeof *pinned);
    if (pinned == NULL) return PAT_ERR_NO_MEMORY;
    const enum pat_status status = pat_engine__view_open(engine, &pinned->view);
    if (status != PAT_OK) {
        pat_mem_free(PAT_MEM_VIEWS, pinned);
        return status;
    }
    pinned->findings = take_findings(engine, pinned->view->lsn);
    pinned->number = ++engine->pinned_next;
    pinned->next = engine->pinned;
    engine->pinned = pinned;
    struct pat_versions *versions = &engine->versions;
    const uint64_t now_ns = pat_clock_monotonic_ns();
    versions->opened_ns = pinned->opened_ns = now_ns;
    put_off(versions, versions->spent_ns + now_ns - start_ns);
    versions->spent_ns = 0;
    versions->wanted = false;
    *out = pinned;
    return PAT_OK;
}

void pat_engine__unpin(struct pat_engine *engine, struct pat_pinned *pinned) {
    if (--pinned->readers > 0) return;
    struct pat_pinned **link = &engine->pinned;
    while (*link != pinned) link = &(*link)->next;
    *link = pinned->next;
    pat_engine__drop_findings(&pinned->findings);
    pat_view_close(&pinned->view);
    pat_mem_free(PAT_MEM_VIEWS, pinned);
}

/* ---- the one that rests ------------------------------------------------------------------------------------------ */

/* The store has not moved on. */
static bool is_newest(const struct pat_engine *engine, const struct pat_pinned *pinned) {
    return pinned->view->lsn == engine->store->lsn && pinned->view->runs.generation == engine->store->runs.generation;
}

static void give_up(struct pat_engine *engine, struct pat_pinned **kept) {
    struct pat_pinned *pinned = *kept;
    *kept = NULL;
    if (pinned != NULL) pat_engine__unpin(engine, pinned);
}

void pat_engine__end_rest(struct pat_engine *engine) {
    give_up(engine, &engine->versions.resting);
    give_up(engine, &engine->versions.before);
}

void pat_engine__rest(struct pat_engine *engine, struct pat_pinned *pinned) {
    if (pinned == engine->versions.resting || !is_newest(engine, pinned)) return;
    pat_engine__end_rest(engine);
    engine->versions.resting = pinned;
    pinned->readers++;
}

bool pat_engine__is_asked(const struct pat_engine *engine) {
    return pat_clock_monotonic_ns() < engine->versions.asked_until_ns;
}

void pat_engine__store_changes(struct pat_engine *engine) {
    if (engine->versions.resting != NULL && !pat_engine__is_asked(engine)) pat_engine__end_rest(engine);
}

void pat_engine__ranked(struct pat_engine *engine, struct pat_pinned *pinned) {
    pinned->rankers--;
    if (pinned->ranked || pinned->findings == NULL || !pat_known_any(pinned->findings->known)) return;
    pinned->ranked = true;
    if (pinned == engine->versions.resting)
        put_off(&engine->versions, pat_clock_monotonic_ns() - engine->versions.opened_ns);
}

const struct pat_spread *pat_engine__crew(const struct pat_engine *engine) {
    return pat_engine__is_asked(engine) ? NULL : engine->spread;
}

/* ---- while batches come ------------------------------------------------------------------------------------------ */

static void want_version(struct pat_engine *engine) {
    if (engine->versions.wanted) return;
    engine->versions.wanted = true;
    pat_engine__wake(engine);
}

bool pat_engine__is_settled(struct pat_engine *engine) {
    if (engine->store->fold == NULL && engine->store->orders_waiting <= FOLD_AT_ONCE) return true;
    want_version(engine);
    return false;
}

bool pat_engine__fold_some(struct pat_engine *engine) {
    const uint64_t start_ns = pat_clock_monotonic_ns();
    const bool more = pat_ingest_settle_some(engine->store, pat_engine__crew(engine));
    if (engine->versions.wanted) engine->versions.spent_ns += pat_clock_monotonic_ns() - start_ns;
    return more;
}

void pat_engine__publish(struct pat_engine *engine) {
    struct pat_pinned *pinned;
    engine->versions.wanted = false;
    if (version_open(engine, &pinned) != PAT_OK) return; /* who asks next is told */
    pinned->readers = 1;
    if (engine->versions.resting != NULL && engine->versions.resting->ranked) {
        give_up(engine, &engine->versions.before);
        engine->versions.before = engine->versions.resting;
    } else {
        give_up(engine, &engine->versions.resting);
    }
    engine->versions.resting = pinned;
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

/* What it asked for, and what its asker was told of. */
static pat_lsn least_lsn(const struct pat_inquiry *inquiry) {
    const pat_lsn asked = inquiry->request->question.min_lsn;
    return asked > inquiry->seen_lsn ? asked : inquiry->seen_lsn;
}

struct pat_pinned *pat_engine__version_before(const struct pat_engine *engine, const struct pat_inquiry *inquiry) {
    const struct pat_versions *versions = &engine->versions;
    struct pat_pinned *before = versions->before;
    if (before == NULL || versions->resting == NULL || versions->resting->rankers == 0) return NULL;
    if (!inquiry->loading || before->view->lsn < least_lsn(inquiry)) return NULL;
    return pat_clock_monotonic_ns() - before->opened_ns <= BEFORE_NS_MAX ? before : NULL;
}

enum pat_status pat_engine__version(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                    struct pat_pinned **out, struct pat_error *error) {
    struct pat_versions *versions = &engine->versions;
    const pat_lsn least = least_lsn(inquiry);
    struct pat_pinned *newest = engine->pinned, *resting = NULL;
    engine->asked = true;
    if (newest != NULL && newest->view->lsn >= least &&
        (is_newest(engine, newest) || engine->store->pins.open_count >= VIEWS_BEFORE_SHARING)) {
        *out = newest;
        return PAT_OK;
    }
    /* While nothing comes, nobody is told less than what is there. */
    if (inquiry->loading) {
        if (versions->resting != NULL && versions->resting->view->lsn >= least) resting = versions->resting;
        const uint64_t now_ns = pat_clock_monotonic_ns();
        const uint64_t ranked_ns = versions->next_ns + VERSION_WAIT_NS_MAX;
        versions->asked_until_ns = now_ns + ASKED_NS;
        if (resting != NULL && now_ns < (resting->rankers > 0 ? ranked_ns : versions->next_ns)) {
            *out = resting;
            return PAT_OK;
        }
    }
    if (inquiry->patient && !pat_engine__is_settled(engine)) {
        *out = resting; /* until there is another */
        return resting != NULL ? PAT_OK : PAT_ERR_MORE;
    }
    const enum pat_status status = version_open(engine, out);
    /* None older stays behind it. */
    if (status == PAT_OK && (inquiry->loading || versions->resting != NULL)) pat_engine__rest(engine, *out);
    if (status == PAT_OK) return PAT_OK;
    return pat_error_set(error, status,
                         status == PAT_ERR_BUSY ? "%u versions are being read; try again"
                                                : "no memory for another view; %u may be open",
                         PAT_VIEWS_MAX);
}
