/* The read road: pins, and answers made on workers. */
#include "engine/engine_private.h"

#include "analytics/analytics.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/id.h"

#define NS_PER_MS UINT64_C(1000000)
/* From this many open versions on, questions share the newest one even when the store has moved on: each open version may cost
 * copies of what is being loaded. */
#define VIEWS_BEFORE_SHARING (PAT_VIEWS_MAX / 2)

/* ---- pins ------------------------------------------------------------------------------------------------------------------ */

static bool pinned_serves(const struct pat_engine *engine, const struct pat_pinned *pinned, pat_lsn min_lsn) {
    if (pinned == NULL || pinned->view->lsn < min_lsn) return false;
    return pinned->view->lsn == engine->store->lsn || engine->store->pins.open_count >= VIEWS_BEFORE_SHARING;
}

static enum pat_status pin_newest(struct pat_engine *engine, pat_lsn min_lsn, struct pat_pinned **out,
                                  struct pat_error *error) {
    if (pinned_serves(engine, engine->pinned, min_lsn)) {
        *out = engine->pinned;
        return PAT_OK;
    }
    struct pat_pinned *pinned = pat_mem_alloc(PAT_MEM_VIEWS, sizeof *pinned);
    if (pinned == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for another view");
    enum pat_status status = pat_view_open(&pinned->view, engine->store);
    if (status != PAT_OK) {
        pat_mem_free(PAT_MEM_VIEWS, pinned);
        return pat_error_set(error, status, status == PAT_ERR_BUSY ? "%u versions are being read; try again" :
                             "no memory for another view; %u may be open", PAT_VIEWS_MAX);
    }
    pinned->next = engine->pinned;
    engine->pinned = pinned;
    *out = pinned;
    return PAT_OK;
}

static void unpin(struct pat_engine *engine, struct pat_pinned *pinned) {
    if (--pinned->readers > 0) return;
    struct pat_pinned **link = &engine->pinned;
    while (*link != pinned) link = &(*link)->next;
    *link = pinned->next;
    pat_view_close(&pinned->view);
    pat_mem_free(PAT_MEM_VIEWS, pinned);
}

/* Ids lead to rows through the index, which only this thread may use; rows behind the view's count are not in it yet. */
static pat_row row_of_id(const struct pat_engine *engine, const struct pat_request *request, const struct pat_view *view) {
    enum pat_table_id table = PAT_CUSTOMERS;
    if (request->method == PAT_METHOD_ORDER) {
        table = PAT_ORDERS;
    } else if (request->method != PAT_METHOD_CUSTOMER) {
        return PAT_ROW_NONE;
    }
    struct pat_id_key key = {.number = pat_id_number(request->id), .text = request->id};
    pat_row row = pat_table_find_id(engine->store, table, key);
    return row != PAT_ROW_NONE && row < view->table[table].rows ? row : PAT_ROW_NONE;
}

enum pat_status pat_engine_pin(struct pat_engine *engine, struct pat_inquiry *inquiry, struct pat_error *error) {
    const struct pat_question *question = &inquiry->request->question;
    if (inquiry->started_ns == 0) inquiry->started_ns = pat_clock_monotonic_ns();
    if (question->min_lsn > engine->store->lsn) return PAT_ERR_MORE;
    PAT_TRY(pin_newest(engine, question->min_lsn, &inquiry->pinned, error));
    inquiry->pinned->readers++;
    inquiry->row = row_of_id(engine, inquiry->request, inquiry->pinned->view);
    inquiry->today = pat_zone_day_at(engine->zone, pat_clock_wall_ms() / 1000);
    return PAT_OK;
}

void pat_engine_unpin(struct pat_engine *engine, struct pat_inquiry *inquiry) {
    if (inquiry->pinned == NULL) return;
    unpin(engine, inquiry->pinned);
    inquiry->pinned = NULL;
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------- */

/* Asked by analytics between blocks of work. */
static enum pat_status inquiry_stop(void *context) {
    const struct pat_inquiry *inquiry = context;
    if (inquiry->cancelled != NULL && __atomic_load_n(inquiry->cancelled, __ATOMIC_RELAXED)) return PAT_ERR_CANCELLED;
    uint32_t deadline_ms = inquiry->request->question.deadline_ms;
    if (deadline_ms == 0) return PAT_OK;
    uint64_t passed_ns = pat_clock_monotonic_ns() - inquiry->started_ns;
    return passed_ns > deadline_ms * NS_PER_MS ? PAT_ERR_DEADLINE : PAT_OK;
}

/* What the files on disk say belongs to `verify` beside what the columns say. */
static enum pat_status verify_files(struct pat_engine *engine, struct pat_builder *builder, struct pat_value *result) {
    struct pat_error error;
    uint64_t blocks = 0;
    enum pat_status status = pat_persist_verify(engine->persist, &blocks, &error);
    struct pat_value check = pat_build_map(builder, 4);
    pat_build_put(builder, &check, "name", pat_value_string("files"));
    pat_build_put(builder, &check, "ok", pat_value_bool(status == PAT_OK));
    pat_build_put(builder, &check, "rows", pat_value_uint(blocks));
    if (status != PAT_OK) pat_build_put(builder, &check, "detail", pat_build_text(builder, pat_text_of(error.message)));
    for (uint32_t i = 0; i < result->count; i++) {
        struct pat_member *member = &result->as.members[i];
        if (pat_text_is(member->key, "checks")) pat_build_push(builder, &member->value, check);
        if (pat_text_is(member->key, "ok") && status != PAT_OK) member->value = pat_value_bool(false);
    }
    return builder->failed ? PAT_ERR_NO_MEMORY : PAT_OK;
}

/* The asker has the answer already: the same version, and as far as he says so the same day. */
static bool unchanged(const struct pat_engine *engine, const struct pat_job *job) {
    const struct pat_unless *unless = &job->request->question.unless;
    return unless->given && unless->epoch == engine->settings.epoch && unless->lsn == job->view->lsn &&
           (!unless->as_of_given || unless->as_of == pat_analytics_day(job));
}

static enum pat_status run_job(const struct pat_engine *engine, const struct pat_job *job, struct pat_value *result,
                               struct pat_error *error) {
    if (!unchanged(engine, job)) return pat_analytics_run(job, result, error);
    struct pat_builder builder = {.arena = job->arena};
    *result = pat_build_map(&builder, 5);
    pat_build_put(&builder, result, "unchanged", pat_value_bool(true));
    pat_build_put(&builder, result, "as_of", pat_build_day(&builder, pat_analytics_day(job)));
    return builder.failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}

enum pat_status pat_engine_answer(struct pat_engine *engine, const struct pat_inquiry *inquiry, struct pat_value *result,
                                  struct pat_error *error) {
    struct pat_inquiry *asked = (struct pat_inquiry *)(uintptr_t)inquiry; /* a context for inquiry_stop, which only reads */
    struct pat_job job = {.view = inquiry->pinned->view,
                          .request = inquiry->request,
                          .kernels = engine->kernels,
                          .arena = inquiry->arena,
                          .today = inquiry->today,
                          .row = inquiry->row,
                          .stop_cb = inquiry_stop,
                          .stop_context = asked};
    enum pat_status status = run_job(engine, &job, result, error);
    if (status == PAT_ERR_CANCELLED) return pat_error_set(error, status, "cancelled");
    if (status == PAT_ERR_DEADLINE) {
        return pat_error_set(error, status, "not done after %u ms", inquiry->request->question.deadline_ms);
    }
    if (status != PAT_OK) return status;
    struct pat_builder builder = {.arena = inquiry->arena};
    if (inquiry->request->method == PAT_METHOD_VERIFY) PAT_TRY(verify_files(engine, &builder, result));
    uint64_t passed_ns = pat_clock_monotonic_ns() - inquiry->started_ns;
    pat_build_put(&builder, result, "lsn", pat_value_uint(job.view->lsn));
    pat_build_put(&builder, result, "epoch", pat_value_uint(engine->settings.epoch));
    pat_build_put(&builder, result, "ms", pat_value_real((double)(passed_ns / 1000) / 1000.0));
    return builder.failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}
