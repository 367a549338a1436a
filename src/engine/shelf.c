/* Windows that are kept from one question to the next, whatever the version: lent to each question when it is pinned,
 * and what it made put on the shelf when it is unpinned. So no lock is needed. */
#include "engine/engine_private.h"

#include "base/mem.h"

/* With nobody left who reads it. */
static void drop(struct shelved_window *shelved) {
    if (shelved == NULL || --shelved->users > 0) return;
    pat_kept_window_close(&shelved->window);
    pat_mem_free(PAT_MEM_VIEWS, shelved);
}

void pat_engine__lend_windows(struct pat_engine *engine, struct pat_inquiry *inquiry) {
    inquiry->loan = NULL;
    if (inquiry->at_once) return;
    struct pat_loan *loan = pat_arena_alloc(inquiry->arena, sizeof *loan);
    inquiry->loan = loan; /* without memory the question does without */
    if (loan == NULL) return;
    *loan = (struct pat_loan){.made = NULL};
    for (unsigned i = 0; i < PAT_KEPT_WINDOWS; i++) {
        struct shelved_window *shelved = engine->shelf[i];
        if (shelved == NULL) continue;
        shelved->users++;
        loan->shelved[i] = shelved;
        loan->window[i] = shelved->window;
    }
    loan->given_up = engine->given_up;
    engine->given_up = NULL;
}

/* The place for one more: that of its predecessor, an empty one, or the oldest. */
static unsigned place_for(const struct pat_engine *engine, const struct pat_kept_window *window) {
    unsigned place = 0;
    for (unsigned i = 0; i < PAT_KEPT_WINDOWS; i++) {
        const struct shelved_window *shelved = engine->shelf[i], *best = engine->shelf[place];
        if (shelved != NULL && pat_kept_window_same(shelved->window, window)) return i;
        if (best != NULL && (shelved == NULL || shelved->number < best->number)) place = i;
    }
    return place;
}

/* Many megabytes: whoever asks next gives them back to the system, on a worker. */
static void give_up(struct pat_engine *engine, struct shelved_window *shelved) {
    if (shelved != NULL && shelved->users == 1 && engine->given_up == NULL) {
        engine->given_up = shelved->window;
        shelved->window = NULL;
    }
    drop(shelved);
}

static void shelve(struct pat_engine *engine, struct pat_kept_window **made) {
    struct shelved_window *shelved =
        pat_kept_window_whole(*made) ? pat_mem_alloc(PAT_MEM_VIEWS, sizeof *shelved) : NULL;
    if (shelved == NULL) {
        pat_kept_window_close(made);
        return;
    }
    *shelved = (struct shelved_window){.window = *made, .users = 1, .number = ++engine->shelved};
    *made = NULL;
    const unsigned place = place_for(engine, shelved->window);
    give_up(engine, engine->shelf[place]);
    engine->shelf[place] = shelved;
}

void pat_engine__return_windows(struct pat_engine *engine, struct pat_inquiry *inquiry) {
    struct pat_loan *loan = inquiry->loan;
    inquiry->loan = NULL;
    if (loan == NULL) return;
    for (unsigned i = 0; i < PAT_KEPT_WINDOWS; i++) drop(loan->shelved[i]);
    pat_kept_window_close(&loan->given_up); /* when nobody answered */
    if (loan->made != NULL) shelve(engine, &loan->made);
}

void pat_engine__forget_windows(struct pat_engine *engine) {
    for (unsigned i = 0; i < PAT_KEPT_WINDOWS; i++) {
        drop(engine->shelf[i]);
        engine->shelf[i] = NULL;
    }
    pat_kept_window_close(&engine->given_up);
}
