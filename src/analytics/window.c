#include "analytics/window_private.h"

#include "analytics/explain_private.h"
#include "analytics/window_make_private.h"

static enum pat_status new_array(const struct pat_window *window, uint64_t count, size_t size, void *out) {
    void *memory = pat_arena_array_big(window->arena, count, size);
    if (memory == NULL) {
        return pat_error_set(window->run->error, PAT_ERR_NO_MEMORY, "no memory for the window of all customers");
    }
    memcpy(out, &memory, sizeof memory);
    return PAT_OK;
}

/* ---- setting up -------------------------------------------------------------------------------------------------- */

/* What is asked again soon: the window that ends today, or on the newest day. Whoever names a day looks around. */
static bool worth_keeping(const struct pat_run *run) {
    return run->job->request->question.as_of != PAT_AS_OF_DAY && run->job->made_window != NULL &&
           *run->job->made_window == NULL;
}

static enum pat_status read_tail(struct pat_run *run, struct pat_window *window) {
    const struct pat_view *view = run->view;
    const struct pat_window_reach behind = {
        .first = {pat_runs_orders_end(&view->runs), pat_runs_refunds_end(&view->runs)},
        .end = {view->table[PAT_ORDERS].rows, view->table[PAT_REFUNDS].rows},
        .from = PAT_DAY_MIN,
        .until = run->day};
    return pat_window__read_facts(run, &behind, &window->tail);
}

static enum pat_status find_kept(struct pat_run *run, struct pat_window *window) {
    struct pat_window_reach moved;
    window->kept = pat_window__find_kept(window);
    if (window->kept != NULL) return PAT_OK;
    window->kept = pat_window__find_near(window, &moved);
    return window->kept == NULL ? PAT_OK : pat_window__read_facts(run, &moved, &window->moved);
}

bool pat_window__makes(const struct pat_run *run, unsigned facts) {
    const unsigned priced = PAT_FACT_BIT(PAT_FACT_NET) | PAT_FACT_BIT(PAT_FACT_UNPRICED);
    return (facts & ~PAT_FACTS_LIFETIME) == 0 && ((facts & priced) == 0 || run->view->counts.unpriced == 0);
}

/* Who tells of everybody: runs, or facts made by another road. A kept window says too little of facts beside it. */
static enum pat_status find_road(struct pat_run *run, struct pat_window *window, unsigned beside) {
    uint64_t *stale;
    PAT_ASSERT(pat_window__makes(run, beside));
    PAT_TRY(pat_facts__stale(run, &stale));
    window->stale = stale;
    if (stale == NULL) {
        PAT_TRY(pat_facts__make(run, PAT_FACTS_SCORES | PAT_FACT_BIT(PAT_FACT_ORDERS) | beside, &window->facts));
        window->beside = window->facts;
        return PAT_OK;
    }
    if (beside != 0) PAT_TRY(pat_facts__arrays(run, beside, &window->beside));
    PAT_TRY(read_tail(run, window));
    if (beside == 0) PAT_TRY(find_kept(run, window));
    /* With facts beside it nothing kept is read; but what is kept need not be made again. */
    const struct pat_kept_window *const same = beside == 0 ? window->kept : pat_window__find_kept(window);
    const bool all = same != NULL && same->runs == run->view->runs.count && window->moved.start == NULL;
    if (!all && worth_keeping(run)) window->keeping = pat_window__begin_kept(window);
    if (window->keeping != NULL) *run->job->made_window = window->keeping;
    return PAT_OK;
}

/* A block has a place of its own unless it is kept as it is. */
static bool needs_room(const struct pat_window *window, uint32_t block) {
    if (window->facts != NULL || pat_window__differs(window, block)) return true;
    return window->keeping == NULL && pat_window__unchanged(window, block) == NULL;
}

static enum pat_status make_room(struct pat_run *run, struct pat_window *window) {
    void *memory;
    uint32_t rooms = 0, next = 0;
    struct pat_window_narrow *room = NULL;
    PAT_TRY(pat_run__array(run, window->blocks, sizeof *window->block, &memory));
    window->block = memory;
    PAT_TRY(pat_run__array(run, window->blocks, sizeof *window->narrow, &memory));
    window->narrow = memory;
    PAT_TRY(pat_run__array(run, pat_run__lanes(run), sizeof *window->scratch, &memory));
    window->scratch = memory;
    for (uint32_t block = 0; block < window->blocks; block++) rooms += needs_room(window, block);
    PAT_TRY(new_array(window, rooms, sizeof *room, &room));
    for (uint32_t block = 0; block < window->blocks; block++) {
        if (needs_room(window, block)) window->narrow[block] = &room[next++];
    }
    return PAT_OK;
}

enum pat_status pat_window__open(struct pat_run *run, unsigned beside, struct pat_window **out) {
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof **out, &memory));
    struct pat_window *window = memory;
    window->run = run;
    window->arena = run->arena;
    window->view = run->view;
    window->day = run->day;
    window->from = pat_run__window_start(run);
    window->blocks = (uint32_t)(((uint64_t)run->customers + PAT_WINDOW_ROWS - 1) / PAT_WINDOW_ROWS);
    PAT_TRY(find_road(run, window, beside));
    PAT_TRY(make_room(run, window));
    *out = window;
    return PAT_OK;
}

struct pat_facts *pat_window__beside(const struct pat_window *window) {
    PAT_ASSERT(window->made);
    return window->beside;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

struct visit {
    struct pat_window *window;
    pat_window_block_cb *block_cb;
    void *context;
};

static enum pat_status visit_part(void *context, const struct pat_part *part) {
    const struct visit *visit = context;
    struct pat_window *window = visit->window;
    for (uint64_t first = part->first; first < part->end; first += PAT_WINDOW_ROWS) {
        const uint32_t number = (uint32_t)(first / PAT_WINDOW_ROWS);
        struct pat_window_block block = window->block[number];
        if (block.narrow == NULL && block.wide == NULL) {
            block = pat_window__make(window, number, &window->scratch[part->lane]);
        }
        const struct pat_window_part here = {.part = part,
                                             .block = &block,
                                             .first = first,
                                             .count = pat_window__count(window, number),
                                             .last = part->end - first <= PAT_WINDOW_ROWS};
        visit->block_cb(visit->context, &here);
    }
    return PAT_OK;
}

/* Blocks that the first pass made for nobody else are wide: the second one puts them down. */
static enum pat_status make_wide_room(struct pat_window *window) {
    uint32_t missing = 0, next = 0;
    struct pat_window_wide *room = NULL;
    if (window->wide != NULL) return PAT_OK;
    for (uint32_t block = 0; block < window->blocks; block++) {
        missing += window->block[block].narrow == NULL;
    }
    if (missing == 0) return PAT_OK;
    PAT_TRY(new_array(window, missing, sizeof *room, &room));
    PAT_TRY(new_array(window, window->blocks, sizeof *window->wide, &window->wide));
    for (uint32_t block = 0; block < window->blocks; block++) {
        window->wide[block] = window->block[block].narrow == NULL ? &room[next++] : NULL;
    }
    return PAT_OK;
}

enum pat_status pat_window__each(struct pat_run *run, struct pat_window *window, pat_window_block_cb *block_cb,
                                 void *context) {
    struct visit visit = {window, block_cb, context};
    window->run = run;
    if (window->made) PAT_TRY(make_wide_room(window));
    PAT_TRY(pat_run__spread(run, run->customers, visit_part, &visit));
    window->made = true;
    if (window->keeping != NULL) window->keeping->whole = true;
    return PAT_OK;
}

/* ---- facts without a price --------------------------------------------------------------------------------------- */

struct counting {
    const uint64_t *customers;
    int64_t of_lane[PAT_SPREAD_LANES_MAX];
};

static void count_unpriced(void *context, const struct pat_window_part *here) {
    struct counting *counting = context;
    if (here->block->wide == NULL) return;
    for (uint32_t i = 0; i < here->count; i++) {
        if (!pat_bits__get(counting->customers, here->first + i)) continue;
        counting->of_lane[here->part->lane] += here->block->wide->unpriced[i];
    }
}

enum pat_status pat_window__unpriced(struct pat_run *run, struct pat_window *window, const uint64_t *customers,
                                     int64_t *out) {
    struct counting counting = {.customers = customers};
    *out = 0;
    if (run->view->counts.unpriced == 0) return PAT_OK;
    PAT_TRY(pat_window__each(run, window, count_unpriced, &counting));
    for (unsigned lane = 0; lane < PAT_SPREAD_LANES_MAX; lane++) *out += counting.of_lane[lane];
    return PAT_OK;
}
