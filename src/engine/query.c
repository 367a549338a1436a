/* The read road: questions pinned to a version, and answers made on workers. */
#include "engine/engine_private.h"

#include "analytics/analytics.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "model/id.h"

#define NS_PER_MS UINT64_C(1000000)
/* Ids lead to rows through the index, which only this thread may use; rows behind the view's count are not in it yet.
 */
static pat_row row_of_key(const struct pat_engine *engine, enum pat_table_id table, struct pat_id_key key,
                          const struct pat_view *view) {
    const pat_row row = pat_table_find_id(engine->store, table, key);
    return row != PAT_ROW_NONE && row < view->table[table].rows ? row : PAT_ROW_NONE;
}

static pat_row row_of_id(const struct pat_engine *engine, const struct pat_request *request,
                         const struct pat_view *view) {
    enum pat_table_id table = PAT_CUSTOMERS;
    if (request->method == PAT_METHOD_ORDER) {
        table = PAT_ORDERS;
    } else if (request->method != PAT_METHOD_CUSTOMER && request->method != PAT_METHOD_CLV_PREDICT) {
        return PAT_ROW_NONE;
    }
    if (request->id.length == 0) return PAT_ROW_NONE;
    const struct pat_id_key key = {.number = pat_id_number(request->id), .text = request->id};
    return row_of_key(engine, table, key, view);
}

/* Sixteen at a time, so that their misses pass side by side. */
static void find_look_rows(const struct pat_engine *engine, struct pat_inquiry *inquiry) {
    struct pat_id_key key[PAT_LOOK_AHEAD_MAX];
    const struct pat_view *const view = inquiry->pinned->view;
    for (unsigned first = 0; first < inquiry->looks; first += PAT_LOOK_AHEAD_MAX) {
        struct pat_look_up *const look = inquiry->look + first;
        const unsigned left = inquiry->looks - first, count = left < PAT_LOOK_AHEAD_MAX ? left : PAT_LOOK_AHEAD_MAX;
        for (unsigned i = 0; i < count; i++) {
            key[i] = (struct pat_id_key){.number = look[i].number, .text = look[i].text};
            pat_table_prefetch_id(engine->store, PAT_CUSTOMERS, key[i]);
        }
        for (unsigned i = 0; i < count; i++) look[i].row = row_of_key(engine, PAT_CUSTOMERS, key[i], view);
    }
}

/* A question for one order, or a batch with one. */
static bool wants_order(const struct pat_request *request) {
    if (request->method == PAT_METHOD_ORDER) return true;
    for (uint32_t i = 0; i < request->calls; i++) {
        if (request->call[i].error == NULL && request->call[i].request->method == PAT_METHOD_ORDER) return true;
    }
    return false;
}

/* Rows of the ids that a batch asks for. */
static enum pat_status find_call_rows(const struct pat_engine *engine, struct pat_inquiry *inquiry,
                                      struct pat_error *error) {
    const struct pat_request *request = inquiry->request;
    pat_row *row = pat_arena_array(inquiry->arena, request->calls, sizeof *row);
    if (row == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the batch");
    for (uint32_t i = 0; i < request->calls; i++) {
        row[i] = request->call[i].error == NULL ? row_of_id(engine, request->call[i].request, inquiry->pinned->view)
                                                : PAT_ROW_NONE;
    }
    inquiry->call_row = row;
    return PAT_OK;
}

static enum pat_status prepare_paging(struct pat_inquiry *inquiry, struct pat_error *error) {
    inquiry->paging = pat_arena_alloc(inquiry->arena, sizeof *inquiry->paging);
    if (inquiry->paging == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the question");
    return PAT_OK;
}

/* All but the version. */
static enum pat_status pin(struct pat_engine *engine, struct pat_inquiry *inquiry, struct pat_pinned *pinned,
                           struct pat_error *error) {
    const struct pat_request *request = inquiry->request;
    const bool batch = request->method == PAT_METHOD_BATCH;
    pinned->readers++;
    if (inquiry->ranks) pinned->rankers++;
    inquiry->pinned = pinned;
    inquiry->lsn = pinned->view->lsn;
    inquiry->row = row_of_id(engine, request, pinned->view);
    find_look_rows(engine, inquiry);
    inquiry->recall = NULL;
    if (request->method == PAT_METHOD_BACKUP_READ) {
        const enum pat_status found = pat_engine__backup_find(engine, &request->backup, &inquiry->backup, error);
        if (found != PAT_OK) pat_engine_unpin(engine, inquiry);
        return found;
    }
    pat_engine__recall(engine, inquiry);
    pat_engine__lend_windows(engine, inquiry);
    if (!batch) return PAT_OK;
    const enum pat_status status = find_call_rows(engine, inquiry, error);
    if (status != PAT_OK) pat_engine_unpin(engine, inquiry);
    return status;
}

enum pat_status pat_engine_pin(struct pat_engine *engine, struct pat_inquiry *inquiry, struct pat_error *error) {
    const struct pat_request *request = inquiry->request;
    const bool batch = request->method == PAT_METHOD_BATCH;
    struct pat_pinned *pinned = NULL;
    inquiry->loading |= engine->queued > 0;
    if (inquiry->started_ns == 0) inquiry->started_ns = pat_clock_monotonic_ns();
    if (engine->damage.status != PAT_OK) {
        if (error != NULL) *error = engine->damage;
        return engine->damage.status;
    }
    if (engine->store->unsettled && wants_order(request)) return PAT_ERR_MORE;
    if (!request->cursor_given && request->question.min_lsn > engine->store->lsn) return PAT_ERR_MORE;
    if (request->method == PAT_METHOD_ROWS || batch) PAT_TRY(prepare_paging(inquiry, error));
    if (request->method == PAT_METHOD_VERIFY) PAT_TRY(pat_engine__early_prepare(inquiry, error));
    inquiry->today = pat_zone_day_at(engine->zone, pat_clock_wall_ms() / 1000);
    if (request->cursor_given) {
        PAT_TRY(pat_engine__resume(engine, request, inquiry->arena, &pinned, error));
        inquiry->today = request->cursor.today;
    } else {
        PAT_TRY(pat_engine__version(engine, inquiry, &pinned, error));
    }
    return pin(engine, inquiry, pinned, error);
}

bool pat_engine_pin_ranked(struct pat_engine *engine, struct pat_inquiry *inquiry) {
    struct pat_pinned *pinned = pat_engine__version_before(engine, inquiry);
    if (pinned == NULL) return false;
    inquiry->today = pat_zone_day_at(engine->zone, pat_clock_wall_ms() / 1000);
    return pin(engine, inquiry, pinned, NULL) == PAT_OK;
}

void pat_engine_unpin(struct pat_engine *engine, struct pat_inquiry *inquiry) {
    pat_engine__early_release(engine);
    if (inquiry->pinned == NULL) return;
    if (inquiry->backup != NULL) pat_engine__backup_leave(inquiry->backup);
    inquiry->backup = NULL;
    if (inquiry->paging != NULL && inquiry->paging->given) pat_engine__hold(engine, inquiry->pinned);
    pat_engine__remember(engine, inquiry);
    pat_engine__return_windows(engine, inquiry);
    if (inquiry->at_once) pat_engine__rest(engine, inquiry->pinned);
    if (inquiry->ranks) pat_engine__ranked(engine, inquiry->pinned);
    pat_engine__unpin(engine, inquiry->pinned);
    inquiry->pinned = NULL;
}

/* ---- answers
 * ----------------------------------------------------------------------------------------------------------------- */

/* What stops an answer: its asker, its deadline, and in a batch that of the one call. */
struct watch {
    const struct pat_inquiry *inquiry;
    const struct pat_request *request;
    uint64_t started_ns; /* of the call */
};

static bool overdue(uint64_t started_ns, uint32_t deadline_ms) {
    return deadline_ms != 0 && pat_clock_monotonic_ns() - started_ns > deadline_ms * NS_PER_MS;
}

/* Asked by analytics between pieces of work, by any of the threads at it. */
static enum pat_status watch_stop(void *context) {
    const struct watch *watch = context;
    const struct pat_inquiry *inquiry = watch->inquiry;
    if (inquiry->cancelled != NULL && __atomic_load_n(inquiry->cancelled, __ATOMIC_RELAXED)) return PAT_ERR_CANCELLED;
    if (overdue(inquiry->started_ns, inquiry->request->question.deadline_ms)) return PAT_ERR_DEADLINE;
    return overdue(watch->started_ns, watch->request->question.deadline_ms) ? PAT_ERR_DEADLINE : PAT_OK;
}

/* The asker has the answer already: the same version, and as far as he says so the same day. */
static bool unchanged(const struct pat_engine *engine, const struct pat_job *job) {
    const struct pat_unless *unless = &job->request->question.unless;
    return unless->given && unless->epoch == engine->settings.epoch && unless->lsn == job->view->lsn &&
           (!unless->as_of_given || unless->as_of == pat_analytics_day(job));
}

/* Worked out, or known. */
static enum pat_status find_answer(const struct pat_job *job, struct pat_recall *recall, struct pat_value *result,
                                   struct pat_error *error) {
    if (recall != NULL && recall->known) {
        *result = recall->answer;
        if (job->last != NULL) *job->last = recall->last;
        return PAT_OK;
    }
    PAT_TRY(pat_analytics_run(job, result, error));
    if (recall == NULL) return PAT_OK;
    recall->answer = *result;
    recall->last = job->last != NULL ? *job->last : PAT_ROW_NONE;
    recall->fresh = true;
    return PAT_OK;
}

static enum pat_status run_job(const struct pat_engine *engine, const struct pat_job *job, struct pat_recall *recall,
                               struct pat_value *result, struct pat_error *error) {
    if (!unchanged(engine, job)) return find_answer(job, recall, result, error);
    struct pat_builder builder = {.arena = job->arena};
    *result = pat_build_map(&builder, 5);
    pat_build_put(&builder, result, "unchanged", pat_value_bool(true));
    pat_build_put(&builder, result, "as_of", pat_build_day(&builder, pat_analytics_day(job)));
    return builder.failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}

static void put_version(const struct pat_engine *engine, pat_lsn lsn, uint64_t passed_ns, struct pat_builder *builder,
                        struct pat_value *result) {
    pat_build_put(builder, result, "lsn", pat_value_uint(lsn));
    pat_build_put(builder, result, "epoch", pat_value_uint(engine->settings.epoch));
    pat_build_put(builder, result, "ms", pat_value_real((double)(passed_ns / 1000) / 1000.0));
    pat_engine__put_degraded(engine, builder, result);
}

/* What stopped it is said in the same words wherever it was noticed. */
static enum pat_status fail_stopped(enum pat_status status, const struct pat_request *request,
                                    struct pat_error *error) {
    if (status == PAT_ERR_CANCELLED) return pat_error_set(error, status, "cancelled");
    if (status != PAT_ERR_DEADLINE) return status;
    return pat_error_set(error, status, "not done after %u ms", request->question.deadline_ms);
}

static struct pat_job job_of(const struct pat_engine *engine, const struct pat_inquiry *inquiry,
                             const struct pat_request *request, struct watch *watch, struct pat_arena *arena) {
    const struct pat_findings *const findings = inquiry->pinned->findings;
    struct pat_loan *const loan = inquiry->loan;
    return (struct pat_job){.view = inquiry->pinned->view,
                            .request = request,
                            .kernels = engine->kernels,
                            .arena = arena,
                            .today = inquiry->today,
                            .known = findings != NULL ? findings->known : NULL,
                            .kept_window = loan != NULL ? loan->window : NULL,
                            .made_window = loan != NULL ? &loan->made : NULL,
                            .spare_window = loan != NULL ? &loan->given_up : NULL,
                            .at_once = inquiry->at_once,
                            .row = PAT_ROW_NONE,
                            .clock_cb = pat_clock_monotonic_ns,
                            .stop_cb = watch_stop,
                            .stop_context = watch,
                            .spread = inquiry->spread};
}

/* One question, by itself or in a batch: the whole answer in `arena`. */
static enum pat_status answer_one(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                  const struct pat_request *request, pat_row row, struct pat_memo *memo,
                                  struct pat_arena *arena, struct pat_value *result, struct pat_error *error) {
    struct watch watch = {.inquiry = inquiry,
                          .request = request,
                          .started_ns = request == inquiry->request ? inquiry->started_ns : pat_clock_monotonic_ns()};
    const pat_lsn lsn = inquiry->pinned->view->lsn;
    pat_row last = PAT_ROW_NONE;
    struct pat_job job = job_of(engine, inquiry, request, &watch, arena);
    job.memo = memo;
    job.continues = request->cursor_given;
    job.after = request->cursor.row;
    job.last = request->method == PAT_METHOD_ROWS ? &last : NULL;
    job.fit = request == inquiry->request ? inquiry->fit : NULL;
    job.row = row;
    struct pat_recall *const recall = request == inquiry->request ? inquiry->recall : NULL;
    enum pat_status status = run_job(engine, &job, recall, result, error);
    if (status != PAT_OK) return fail_stopped(status, request, error);
    struct pat_builder builder = {.arena = arena};
    if (request->method == PAT_METHOD_VERIFY) {
        pat_engine__early_give(engine, inquiry);
        status = pat_engine__verify_files(engine, watch_stop, &watch, &builder, result, error);
    }
    if (status != PAT_OK) return fail_stopped(status, request, error);
    if (last != PAT_ROW_NONE) {
        PAT_TRY(pat_engine__put_cursor(engine, inquiry, request, last, &builder, result, error));
    }
    put_version(engine, lsn, pat_clock_monotonic_ns() - watch.started_ns, &builder, result);
    return builder.failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}

/* ---- batches
 * ----------------------------------------------------------------------------------------------------------------- */

static struct pat_value error_value(struct pat_builder *builder, const struct pat_error *error) {
    char text[PAT_ERROR_MESSAGE_BYTES];
    struct pat_value map = pat_build_map(builder, 4), outer = pat_build_map(builder, 1);
    pat_build_put(builder, &map, "code", pat_value_string(pat_status_code(error->status)));
    (void)pat_text_printable(pat_text_of(error->message), text, sizeof text);
    pat_build_put(builder, &map, "message", pat_build_text(builder, pat_text_of(text)));
    (void)pat_text_printable(pat_text_of(error->field), text, PAT_ERROR_FIELD_BYTES);
    if (text[0] != '\0') pat_build_put(builder, &map, "field", pat_build_text(builder, pat_text_of(text)));
    if (error->offset >= 0) pat_build_put(builder, &map, "offset", pat_value_int(error->offset));
    pat_build_put(builder, &outer, "error", map);
    return outer;
}

/* Scratch of a call is given back before the next one; only its answer stays. Fails when the whole batch must end. */
static enum pat_status answer_call(struct pat_engine *engine, const struct pat_inquiry *inquiry, uint32_t i,
                                   struct pat_memo *memo, struct pat_builder *builder, struct pat_value *answers,
                                   struct pat_error *error) {
    const struct pat_batch_call *call = &inquiry->request->call[i];
    if (call->error != NULL) {
        pat_build_push(builder, answers, error_value(builder, call->error));
        return PAT_OK;
    }
    struct pat_arena arena;
    struct pat_value result;
    struct pat_error own = {0};
    pat_arena_init(&arena, PAT_QUERY_BYTES_MAX);
    const enum pat_status status =
        answer_one(engine, inquiry, call->request, inquiry->call_row[i], memo, &arena, &result, &own);
    const bool whole =
        status == PAT_ERR_CANCELLED ||
        (status == PAT_ERR_DEADLINE && overdue(inquiry->started_ns, inquiry->request->question.deadline_ms));
    if (!whole) {
        pat_build_push(builder, answers,
                       status == PAT_OK ? pat_build_copy(builder, &result) : error_value(builder, &own));
    }
    pat_arena_deinit(&arena);
    if (whole && error != NULL) *error = own;
    return whole ? status : PAT_OK;
}

static enum pat_status answer_batch(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                    struct pat_value *result, struct pat_error *error) {
    const struct pat_request *request = inquiry->request;
    struct pat_builder builder = {.arena = inquiry->arena};
    const struct pat_unless *unless = &request->question.unless;
    *result = pat_build_map(&builder, 4);
    if (unless->given && unless->epoch == engine->settings.epoch && unless->lsn == inquiry->pinned->view->lsn &&
        (!unless->as_of_given || unless->as_of == inquiry->today)) {
        pat_build_put(&builder, result, "unchanged", pat_value_bool(true));
    } else {
        struct pat_memo *memo = NULL;
        if (pat_memo_open(&memo) != PAT_OK) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the batch");
        struct pat_value answers = pat_build_array(&builder, request->calls);
        enum pat_status status = PAT_OK;
        for (uint32_t i = 0; i < request->calls && status == PAT_OK; i++) {
            status = answer_call(engine, inquiry, i, memo, &builder, &answers, error);
        }
        pat_memo_close(&memo);
        if (status == PAT_ERR_DEADLINE) {
            return pat_error_set(error, status, "not done after %u ms", request->question.deadline_ms);
        }
        if (status != PAT_OK) return status;
        pat_build_put(&builder, result, "answers", answers);
    }
    put_version(engine, inquiry->pinned->view->lsn, pat_clock_monotonic_ns() - inquiry->started_ns, &builder, result);
    return builder.failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}

/* Many megabytes, given back by a worker; but a question that makes a window may take them for it first. */
static void free_given_up(const struct pat_inquiry *inquiry) {
    if (inquiry->loan != NULL) pat_kept_window_close(&inquiry->loan->given_up);
}

static bool makes_window(const struct pat_request *request) {
    return request->method == PAT_METHOD_RFM_GRID || request->method == PAT_METHOD_RFM_GROUPS;
}

enum pat_status pat_engine_answer(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                  struct pat_value *result, struct pat_error *error) {
    if (!makes_window(inquiry->request)) free_given_up(inquiry);
    if (inquiry->backup != NULL) {
        struct pat_builder builder = {.arena = inquiry->arena};
        return pat_engine__backup_read(inquiry->backup, &inquiry->request->backup, &builder, result, error);
    }
    if (inquiry->request->method == PAT_METHOD_BATCH) return answer_batch(engine, inquiry, result, error);
    const enum pat_status status =
        answer_one(engine, inquiry, inquiry->request, inquiry->row, NULL, inquiry->arena, result, error);
    if (makes_window(inquiry->request)) free_given_up(inquiry); /* verify has given its version back by now */
    return status;
}

/* ---- several look-ups -------------------------------------------------------------------------------------------- */

bool pat_engine_looks_up(const struct pat_request *request) {
    const struct pat_question *const question = &request->question;
    return request->method == PAT_METHOD_CUSTOMER && !request->with_orders && !request->with_refunds &&
           !request->with_lines && !question->explain_plan && question->min_lsn == 0 && question->deadline_ms == 0 &&
           !question->unless.given && question->rfm.population == NULL && question->lifecycle_gap_milli[0] == 0;
}

/* Each takes about a microsecond, and the clock a part of that. */
#define LOOKS_PER_CLOCK 8u

struct looking {
    const struct pat_engine *engine;
    const struct pat_inquiry *inquiry;
    uint64_t passed_ns;
    pat_engine_looked_up_cb *looked_up_cb;
    void *context;
};

static void looked_up(void *context, unsigned which, struct pat_value *result, struct pat_builder *builder,
                      const struct pat_error *error) {
    struct looking *const looking = context;
    if (which % LOOKS_PER_CLOCK == 0) looking->passed_ns = pat_clock_monotonic_ns() - looking->inquiry->started_ns;
    if (result == NULL) {
        looking->looked_up_cb(looking->context, which, NULL, error);
        return;
    }
    put_version(looking->engine, looking->inquiry->lsn, looking->passed_ns, builder, result);
    struct pat_error no_memory;
    if (builder->failed) (void)pat_error_set(&no_memory, PAT_ERR_NO_MEMORY, "no memory for the answer");
    looking->looked_up_cb(looking->context, which, builder->failed ? NULL : result, &no_memory);
}

enum pat_status pat_engine_look_up(struct pat_engine *engine, const struct pat_inquiry *inquiry,
                                   pat_engine_looked_up_cb *looked_up_cb, void *context, struct pat_error *error) {
    struct watch watch = {.inquiry = inquiry, .request = inquiry->request, .started_ns = inquiry->started_ns};
    struct looking looking = {engine, inquiry, 0, looked_up_cb, context};
    PAT_ASSERT(pat_engine_looks_up(inquiry->request));
    free_given_up(inquiry);
    const struct pat_job job = job_of(engine, inquiry, inquiry->request, &watch, inquiry->arena);
    const enum pat_status status =
        pat_analytics_look_up(&job, inquiry->look, inquiry->looks, looked_up, &looking, error);
    return status == PAT_OK ? PAT_OK : fail_stopped(status, inquiry->request, error);
}
