/* Several customers under one question: what it takes to answer it at all is found once, and each answer is made, given
 * and forgotten before the next. */
#include "analytics/answers_private.h"

#include "model/id.h"

/* Customers whose lines are asked for together. */
#define AHEAD 16u

static void ask_ahead(const struct pat_view *view, const struct pat_look_up *look, unsigned count) {
    pat_row row[AHEAD];
    for (unsigned i = 0; i < count; i++) row[i] = look[i].row;
    pat_analytics_ahead(view, row, count);
}

static enum pat_status fail_unknown(struct pat_run *run, const struct pat_look_up *look) {
    char digits[21];
    if (look->number < 0) return pat_run__not_found(run, "customer", look->text);
    return pat_run__not_found(run, "customer", (struct pat_text){digits, pat_id_print(look->number, digits)});
}

/* `known`: whether there is the map that is asked for. A customer that is not there is told so first. */
static enum pat_status answer(struct pat_run *run, const struct pat_look_up *look, enum pat_status known,
                              const struct pat_customer_terms *terms, struct pat_value *result) {
    run->result = pat_run__new_result(run);
    if (!pat_customer__there(run, look->row)) return fail_unknown(run, look);
    PAT_TRY(known);
    PAT_TRY(pat_customer__tell(run, look->row, terms));
    return pat_run__finish(run, result);
}

enum pat_status pat_analytics_look_up(const struct pat_job *job, const struct pat_look_up *look, unsigned count,
                                      pat_looked_up_cb *looked_up_cb, void *context, struct pat_error *error) {
    struct pat_run common;
    struct pat_customer_terms terms;
    struct pat_error why = {0};
    PAT_ASSERT(job->request->question.rfm.population == NULL);
    PAT_TRY(pat_run__begin(&common, job, error));
    common.error = &why;
    const enum pat_status known = pat_customer__terms(&common, &terms);
    if (common.builder.failed) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the question");
    if (known != PAT_OK && known != PAT_ERR_NOT_FOUND) {
        if (error != NULL) *error = why;
        return known;
    }
    struct pat_arena arena;
    pat_arena_init(&arena, PAT_QUERY_BYTES_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (i % AHEAD == 0) ask_ahead(job->view, look + i, count - i < AHEAD ? count - i : AHEAD);
        struct pat_run run = common;
        struct pat_error own = why;
        struct pat_value result;
        run.arena = run.builder.arena = &arena;
        run.error = &own;
        const bool answered = answer(&run, &look[i], known, &terms, &result) == PAT_OK;
        looked_up_cb(context, i, answered ? &result : NULL, &run.builder, &own);
        pat_arena_reset(&arena);
    }
    pat_arena_deinit(&arena);
    return PAT_OK;
}
