/* Cursors: versions that stay pinned between the pages of `rows`. */
#include "engine/engine_private.h"

#include "base/clock.h"

#include <inttypes.h>

#define NS_PER_MS UINT64_C(1000000)

static bool expired(uint64_t since_ns, uint64_t now_ns) {
    return now_ns - since_ns > PAT_CURSOR_MS * NS_PER_MS;
}

static struct held_version *find_held(struct pat_engine *engine, uint64_t number) {
    for (unsigned i = 0; i < engine->held_count; i++) {
        if (engine->held[i].pinned->number == number) return &engine->held[i];
    }
    return NULL;
}

static enum pat_status fail_expired(struct pat_error *error) {
    return pat_error_set_at(
        error, PAT_ERR_EXPIRED, "cursor", -1, -1,
        "the cursor has expired: it is good for %u minutes, for as long as the server runs, and while "
        "not too many others are in use; ask for the first page again",
        PAT_CURSOR_MS / 60000);
}

enum pat_status pat_engine__resume(struct pat_engine *engine, const struct pat_request *request,
                                   struct pat_arena *arena, struct pat_pinned **out, struct pat_error *error) {
    const struct pat_cursor *cursor = &request->cursor;
    const uint64_t now_ns = pat_clock_monotonic_ns(), issued_ns = cursor->issued_ms * NS_PER_MS;
    uint64_t asked;
    if (pat_request_fingerprint(request, arena, &asked) != PAT_OK) {
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the question");
    }
    if (asked != cursor->asked) {
        return pat_error_set_at(
            error, PAT_ERR_BAD_REQUEST, "cursor", -1, -1,
            "the cursor belongs to another question: send it with the parameters of its first page; only "
            "limit may change");
    }
    struct held_version *held = cursor->process == engine->process ? find_held(engine, cursor->pin) : NULL;
    if (held == NULL || issued_ns > now_ns || expired(issued_ns, now_ns)) return fail_expired(error);
    if (request->question.min_lsn > held->pinned->view->lsn) {
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "min_lsn", -1, -1,
                                "the cursor stays on lsn %" PRIu64 ", which is before min_lsn",
                                held->pinned->view->lsn);
    }
    held->used_ns = now_ns;
    held->continued = true;
    *out = held->pinned;
    return PAT_OK;
}

static void give_up(struct pat_engine *engine, unsigned i) {
    struct pat_pinned *pinned = engine->held[i].pinned;
    engine->held[i] = engine->held[--engine->held_count];
    pat_engine__unpin(engine, pinned);
}

/* First pages that nobody came back for go before those that somebody reads on, else the one unused for longest. */
static unsigned least_wanted(const struct pat_engine *engine) {
    unsigned worst = 0;
    for (unsigned i = 1; i < engine->held_count; i++) {
        const struct held_version *a = &engine->held[i], *b = &engine->held[worst];
        if (a->continued != b->continued ? b->continued : a->used_ns < b->used_ns) worst = i;
    }
    return worst;
}

void pat_engine__hold(struct pat_engine *engine, struct pat_pinned *pinned) {
    struct held_version *held = find_held(engine, pinned->number);
    if (held == NULL) {
        if (engine->held_count == PAT_CURSOR_VERSIONS_MAX) give_up(engine, least_wanted(engine));
        held = &engine->held[engine->held_count++];
        *held = (struct held_version){.pinned = pinned};
        pinned->readers++;
    }
    held->used_ns = pat_clock_monotonic_ns();
}

void pat_engine__release_held(struct pat_engine *engine, bool all) {
    if (all) { /* they cost memory, too */
        pat_engine__forget_answers(engine);
        pat_engine__forget_windows(engine);
    }
    const uint64_t now_ns = engine->held_count > 0 ? pat_clock_monotonic_ns() : 0;
    for (unsigned i = engine->held_count; i-- > 0;) {
        if (all || expired(engine->held[i].used_ns, now_ns)) give_up(engine, i);
    }
}

enum pat_status pat_engine__put_cursor(const struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                       const struct pat_request *request, pat_row last, struct pat_builder *builder,
                                       struct pat_value *result, struct pat_error *error) {
    struct pat_cursor cursor = {.process = engine->process,
                                .pin = inquiry->pinned->number,
                                .issued_ms = pat_clock_monotonic_ns() / NS_PER_MS,
                                .today = inquiry->today,
                                .row = last};
    char text[PAT_CURSOR_TEXT_BYTES];
    if (pat_request_fingerprint(request, builder->arena, &cursor.asked) != PAT_OK) {
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    }
    pat_cursor_print(&cursor, text);
    pat_build_put(builder, result, "cursor", pat_build_text(builder, pat_text_of(text)));
    inquiry->paging->given = true;
    return PAT_OK;
}
