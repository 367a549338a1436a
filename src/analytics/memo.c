#include "analytics/memo_private.h"

#include "base/mem.h"

enum pat_status pat_memo_open(struct pat_memo **out) {
    struct pat_memo *memo = pat_mem_alloc(PAT_MEM_QUERY, sizeof *memo);
    if (memo == NULL) return PAT_ERR_NO_MEMORY;
    *memo = (struct pat_memo){.view = NULL};
    pat_arena_init(&memo->arena, PAT_QUERY_BYTES_MAX);
    *out = memo;
    return PAT_OK;
}

void pat_memo_close(struct pat_memo **handle) {
    if (*handle == NULL) return;
    pat_arena_deinit(&(*handle)->arena);
    pat_mem_free(PAT_MEM_QUERY, *handle);
    *handle = NULL;
}

/* Predictions differ by fit and terms, and with them what filters select. */
static struct pat_text key_of(const struct pat_run *run) {
    const struct pat_clv_ask *ask = &run->job->request->clv;
    const struct pat_text question = pat_question_key(&run->job->request->question, run->arena);
    if (question.data == NULL) return question;
    return pat_arena_printf(run->arena, "%.*s\n%.*s\n%.17g %d %.17g %d %.17g", (int)question.length, question.data,
                            (int)ask->name.length, ask->name.length > 0 ? ask->name.data : "", ask->horizon_days,
                            ask->has_discount, ask->discount_annual, ask->has_margin, ask->margin);
}

enum pat_status pat_memo__begin(struct pat_run *run) {
    struct pat_memo *memo = run->job->memo;
    if (memo == NULL) return PAT_OK;
    const struct pat_text key = key_of(run);
    if (key.data == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the question");
    if (memo->view == run->view && memo->day == run->day && pat_text_equal(memo->key, key)) return PAT_OK;
    pat_arena_deinit(&memo->arena);
    *memo = (struct pat_memo){.view = run->view, .day = run->day};
    pat_arena_init(&memo->arena, PAT_QUERY_BYTES_MAX);
    memo->key = pat_arena_text(&memo->arena, key);
    if (memo->key.data != NULL) return PAT_OK;
    memo->view = NULL;
    return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the question");
}

struct pat_arena *pat_memo__enter(struct pat_run *run) {
    struct pat_arena *const before = run->arena;
    if (run->job != NULL && run->job->memo != NULL) run->arena = &run->job->memo->arena;
    return before;
}

void pat_memo__leave(struct pat_run *run, struct pat_arena *arena) {
    run->arena = arena;
}

const uint64_t *pat_memo__find(const struct pat_memo *memo, struct pat_text where) {
    for (unsigned i = 0; i < memo->filters; i++) {
        if (pat_text_equal(memo->filter[i].where, where)) return memo->filter[i].bits;
    }
    return NULL;
}

void pat_memo__keep(struct pat_memo *memo, struct pat_text where, const uint64_t *bits) {
    if (memo->filters == PAT_MEMO_FILTERS) return;
    const struct pat_text copy = pat_arena_text(&memo->arena, where);
    if (copy.data == NULL) return;
    memo->filter[memo->filters].where = copy;
    memo->filter[memo->filters++].bits = bits;
}
