/* Windows kept from one question to the next. Runs never change, so what they say of a day and a window holds until
 * other runs take their place; facts behind them and customers that changed are told anew each time, as without it. */
#include "analytics/window_make_private.h"
#include "base/mem.h"

/* Of the memory budget, what stays free beside it: it is a convenience. */
#define FREE_SHARE 16u
/* Rows that are read for the difference of two windows, at the most one for so many customers: each costs as much as
 * the run's entries of two or three customers. */
#define NEAR_SHARE 4u

/* Of the same day and these runs, whatever it begins on. */
static bool holds(const struct pat_kept_window *kept, const struct pat_window *window) {
    const struct pat_runs *runs = &window->view->runs;
    if (kept == NULL || kept->day != window->day || kept->runs > runs->count) return false;
    for (uint32_t i = 0; i < kept->runs; i++) {
        if (kept->generation[i] != runs->run[i]->generation) return false;
    }
    return true;
}

const struct pat_kept_window *pat_window__find_kept(const struct pat_window *window) {
    const struct pat_kept_window *const *kept = window->run->job->kept_window;
    const struct pat_kept_window *best = NULL;
    for (unsigned i = 0; kept != NULL && i < PAT_KEPT_WINDOWS; i++) {
        if (!holds(kept[i], window) || kept[i]->from != window->from) continue;
        if (best == NULL || kept[i]->runs > best->runs) best = kept[i];
    }
    return best;
}

/* Days that one of both windows has, of rows that the kept one has read in runs. */
static struct pat_window_reach difference(const struct pat_kept_window *kept, const struct pat_window *window) {
    const struct pat_fact_run *last = window->view->runs.run[kept->runs - 1];
    const bool longer = kept->from < window->from;
    return (struct pat_window_reach){.end = {last->orders_to, last->refunds_to},
                                     .from = longer ? kept->from : window->from,
                                     .until = (longer ? window->from : kept->from) - 1};
}

const struct pat_kept_window *pat_window__find_near(const struct pat_window *window, struct pat_window_reach *out) {
    const struct pat_kept_window *const *kept = window->run->job->kept_window;
    const struct pat_kept_window *best = NULL;
    uint64_t least = window->run->customers / NEAR_SHARE + 1;
    for (unsigned i = 0; kept != NULL && i < PAT_KEPT_WINDOWS; i++) {
        if (!holds(kept[i], window) || kept[i]->runs == 0) continue;
        const struct pat_window_reach reach = difference(kept[i], window);
        const uint64_t rows = pat_window__rows_of(window->view, &reach);
        if (rows >= least) continue;
        least = rows;
        best = kept[i];
        *out = reach;
    }
    return best;
}

static struct pat_kept_window *new_kept(uint32_t blocks) {
    const size_t bytes = blocks * (sizeof(struct pat_window_narrow) + sizeof(bool));
    if (!pat_mem_would_fit(bytes + pat_mem_budget() / FREE_SHARE)) return NULL;
    struct pat_kept_window *kept = pat_mem_alloc(PAT_MEM_VIEWS, sizeof *kept);
    if (kept == NULL) return NULL;
    *kept = (struct pat_kept_window){.blocks = blocks};
    kept->there = pat_mem_alloc(PAT_MEM_VIEWS, blocks * sizeof *kept->there);
    kept->narrow = pat_mem_alloc_big(PAT_MEM_VIEWS, blocks * sizeof *kept->narrow);
    if (kept->there == NULL || kept->narrow == NULL) pat_kept_window_close(&kept);
    return kept;
}

/* The spare one: fresh pages for ten million customers take as long as all the rest of making it of another. */
static struct pat_kept_window *take_spare(const struct pat_window *window) {
    struct pat_kept_window **const spare = window->run->job->spare_window;
    if (spare == NULL || *spare == NULL || (*spare)->blocks != window->blocks) return NULL;
    struct pat_kept_window *const kept = *spare;
    *spare = NULL;
    memset(kept->there, 0, kept->blocks * sizeof *kept->there);
    return kept;
}

struct pat_kept_window *pat_window__begin_kept(const struct pat_window *window) {
    const struct pat_runs *runs = &window->view->runs;
    struct pat_kept_window *kept = take_spare(window);
    if (kept == NULL) kept = new_kept(window->blocks);
    if (kept == NULL) return NULL;
    kept->whole = false;
    kept->day = window->day;
    kept->from = window->from;
    kept->runs = runs->count;
    for (uint32_t i = 0; i < runs->count; i++) kept->generation[i] = runs->run[i]->generation;
    return kept;
}

void pat_kept_window_close(struct pat_kept_window **handle) {
    if (*handle == NULL) return;
    pat_mem_free(PAT_MEM_VIEWS, (*handle)->there);
    pat_mem_free(PAT_MEM_VIEWS, (*handle)->narrow);
    pat_mem_free(PAT_MEM_VIEWS, *handle);
    *handle = NULL;
}

bool pat_kept_window_same(const struct pat_kept_window *a, const struct pat_kept_window *b) {
    return a->day == b->day && a->from == b->from;
}

bool pat_kept_window_whole(const struct pat_kept_window *window) {
    return window->whole;
}
