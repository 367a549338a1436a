#include "analytics/run_private.h"

#include "analytics/explain_private.h"
#include "analytics/facts_private.h"
#include "analytics/kept_private.h"
#include "analytics/lifetime_private.h"
#include "analytics/memo_private.h"
#include "analytics/scores_private.h"
#include "model/date.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* RULES: further behind than this the answer warns that its history ended. */
#define STALE_DAYS 7
/* Members of an answer: a customer with a common profile has a few less. */
#define MEMBERS_EXPECTED 24u

pat_day pat_analytics_day(const struct pat_job *job) {
    const struct pat_question *question = &job->request->question;
    const pat_day newest = job->view->counts.newest_fact;
    switch (question->as_of) {
    case PAT_AS_OF_DAY: return question->as_of_day;
    case PAT_AS_OF_LATEST: return newest != PAT_DAY_NONE ? newest : job->today;
    case PAT_AS_OF_NOW: break;
    }
    return job->today;
}

/* Everybody of the block is live by what its chunks say of themselves: dated up to D, known, and nobody withdrawn. */
static bool all_live(const struct pat_run *run, const struct pat_strip *created, const struct pat_strip *fact,
                     const struct pat_strip *profiled, const struct pat_strip *deleted) {
    int64_t low, high;
    bool any_null;
    if (!pat_strip__bounds(deleted, &low, &high, &any_null) || high >= 1) return false;
    if (pat_strip__bounds(fact, &low, &high, &any_null) && !any_null && high <= run->day) return true;
    if (!pat_strip__bounds(profiled, &low, &high, &any_null) || any_null || low < 1) return false;
    return pat_strip__bounds(created, &low, &high, &any_null) && !any_null && high <= run->day;
}

/* Live: known by a profile or a fact, not withdrawn, and the earliest of `created` and the first fact not after D. */
static void live_block(struct pat_run *run, pat_row first, uint32_t count) {
    const struct pat_kernels *kernels = run->kernels;
    const struct pat_column_view *column = run->view->table[PAT_CUSTOMERS].column;
    const struct pat_strip created = {.part = pat_column_view_part(&column[PAT_CUSTOMER_CREATED], first)};
    const struct pat_strip fact = {.part = pat_column_view_part(&column[PAT_CUSTOMER_FIRST_FACT], first)};
    const struct pat_strip profiled = {.part = pat_column_view_part(&column[PAT_CUSTOMER_PROFILED], first)};
    const struct pat_strip deleted = {.part = pat_column_view_part(&column[PAT_CUSTOMER_DELETED], first)};
    uint64_t *const live = run->live + first / 64;
    const size_t words = pat_bits__words(count);
    uint64_t no_fact[PAT_BLOCK_WORDS], dated[PAT_BLOCK_WORDS], other[PAT_BLOCK_WORDS];
    if (all_live(run, &created, &fact, &profiled, &deleted)) {
        pat_bits__fill(live, count);
        return;
    }
    pat_explain__part(run, &created.part, count);
    pat_explain__part(run, &fact.part, count);
    pat_explain__part(run, &profiled.part, count);
    pat_explain__part(run, &deleted.part, count);
    /* Begun, or without any date. */
    pat_strip__null(kernels, &fact, count, no_fact);
    pat_strip__null(kernels, &created, count, live);
    kernels->bits_and(live, no_fact, words);
    (void)pat_strip__range(kernels, &created, count, INT64_MIN + 1, run->day, dated);
    kernels->bits_or(live, dated, words);
    (void)pat_strip__range(kernels, &fact, count, INT64_MIN + 1, run->day, dated);
    kernels->bits_or(live, dated, words);
    /* Not those that neither a profile nor a fact names, and not the withdrawn. */
    (void)pat_strip__range(kernels, &profiled, count, 1, 1, other);
    kernels->bits_andnot(no_fact, other, words);
    kernels->bits_andnot(live, no_fact, words);
    (void)pat_strip__range(kernels, &deleted, count, 1, 1, other);
    kernels->bits_andnot(live, other, words);
}

static enum pat_status live_part(void *context, const struct pat_part *part) {
    struct pat_run *run = context;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        live_block(run, (pat_row)first, left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS);
    }
    return PAT_OK;
}

static enum pat_status compute_live(struct pat_run *run) {
    void *live;
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof *run->live, &live));
    run->live = live;
    run->shown = live;
    PAT_TRY(pat_run__spread(run, run->customers, live_part, run));
    run->live_count = run->kernels->bits_count(run->live, pat_bits__words(run->customers));
    pat_explain__step(run, "live", run->customers);
    return PAT_OK;
}

/* live_block for one. */
bool pat_run__lives(const struct pat_run *run, pat_row customer) {
    const struct pat_view *view = run->view;
    const int64_t created = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_CREATED, customer);
    const int64_t fact = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_FIRST_FACT, customer);
    if (pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_DELETED, customer) == 1) return false;
    if (fact == PAT_NULL && pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_PROFILED, customer) != 1) return false;
    if (fact == PAT_NULL && created == PAT_NULL) return true;
    return (created != PAT_NULL && created <= run->day) || (fact != PAT_NULL && fact <= run->day);
}

enum pat_status pat_run__find_live(struct pat_run *run) {
    struct pat_memo *memo = run->job->memo;
    if (run->live != NULL) return PAT_OK;
    if (run->job->at_once) return PAT_ERR_MORE;
    if (memo == NULL) return compute_live(run);
    if (memo->live == NULL) {
        struct pat_arena *const before = pat_memo__enter(run);
        const enum pat_status status = compute_live(run);
        pat_memo__leave(run, before);
        PAT_TRY(status);
        memo->live = run->live;
        memo->live_count = run->live_count;
    }
    run->live = memo->live;
    run->shown = memo->live;
    run->live_count = memo->live_count;
    return PAT_OK;
}

static bool of_one_row(enum pat_method method) {
    return method == PAT_METHOD_CUSTOMER || method == PAT_METHOD_ORDER || method == PAT_METHOD_CLV_PREDICT;
}

struct pat_value pat_run__new_result(struct pat_run *run) {
    return pat_build_map(&run->builder, MEMBERS_EXPECTED);
}

enum pat_status pat_run__begin(struct pat_run *run, const struct pat_job *job, struct pat_error *error) {
    *run = (struct pat_run){
        .job = job,
        .view = job->view,
        .kernels = job->kernels,
        .arena = job->arena,
        .error = error,
        .builder = {.arena = job->arena},
        .rfm = &job->request->question.rfm,
        .day = pat_analytics_day(job),
        .customers = job->view->table[PAT_CUSTOMERS].rows,
    };
    run->day_end = pat_zone_day_start(run->view->zone, run->day + 1);
    run->as_of = pat_build_day(&run->builder, run->day);
    run->result = pat_run__new_result(run);
    PAT_TRY(pat_memo__begin(run));
    pat_explain__begin(run);
    return of_one_row(job->request->method) ? PAT_OK : pat_run__find_live(run);
}

static pat_day day_from(const struct pat_run *run, const struct pat_day_param *param, pat_day absent) {
    if (!param->given) return absent;
    const int64_t day = param->relative ? (int64_t)run->day + param->days : param->days;
    return day < PAT_DAY_MIN ? PAT_DAY_MIN : day > PAT_DAY_MAX ? PAT_DAY_MAX : (pat_day)day;
}

void pat_run__days(const struct pat_run *run, const struct pat_day_param param[2], pat_day open_first,
                   pat_day open_last, pat_day *first, pat_day *last) {
    *first = day_from(run, &param[0], open_first);
    *last = day_from(run, &param[1], open_last);
}

/* Unpriced facts behind the money of the answer. */
static enum pat_status put_unpriced(struct pat_run *run) {
    const bool lifetime = run->money_for_all || run->money_of_shown;
    int64_t unpriced = run->unpriced;
    if (lifetime && run->facts == NULL) {
        unpriced += pat_kept__unpriced(run, run->money_for_all || run->money_of_window ? run->live : run->shown);
    } else if (lifetime) {
        PAT_ASSERT((run->facts->have & PAT_FACT_BIT(PAT_FACT_UNPRICED)) != 0);
        const uint32_t *counts = run->facts->unpriced;
        const uint64_t *rows = run->money_for_all || run->money_of_window ? run->live : run->shown;
        for (uint64_t row = 0; counts != NULL && row < run->customers; row++) {
            if (pat_bits__get(rows, row)) unpriced += counts[row];
        }
    } else if (run->money_of_window) {
        int64_t of_window;
        PAT_TRY(pat_window__unpriced(run, run->scores->window, run->live, &of_window));
        unpriced += of_window;
    }
    if (unpriced > 0) pat_run__put(run, "unpriced", pat_value_int(unpriced));
    return PAT_OK;
}

static void put_day(struct pat_run *run) {
    pat_run__put(run, "as_of", run->as_of);
    const pat_day newest = run->view->counts.newest_fact;
    const enum pat_method method = run->job->request->method;
    const bool dated = method != PAT_METHOD_VERIFY && method != PAT_METHOD_ORDER && method != PAT_METHOD_CONTROL &&
                       method != PAT_METHOD_CLV_FITS; /* the others hold at any day */
    const bool now = run->job->request->question.as_of == PAT_AS_OF_NOW;
    if (!dated || !now || newest == PAT_DAY_NONE || (int64_t)newest >= (int64_t)run->day - STALE_DAYS) return;
    char text[11];
    pat_day_print(newest, text);
    pat_run__put(run, "newest_fact", pat_build_day(&run->builder, newest));
    pat_run__warn(run,
                  "the newest order or refund is of %s, %" PRId64
                  " days before the day asked for: as_of \"latest\" ends "
                  "there",
                  text, (int64_t)run->day - newest);
}

enum pat_status pat_run__finish(struct pat_run *run, struct pat_value *result) {
    put_day(run);
    if (run->lifetime_needed && run->lifetime != NULL) pat_outlook__tell(run, &run->lifetime->outlook);
    PAT_TRY(put_unpriced(run));
    pat_explain__step(run, "finish", 0);
    pat_explain__finish(run);
    if (run->undated.type == PAT_VALUE_ARRAY) pat_run__put(run, "undated", run->undated);
    if (run->warnings.type == PAT_VALUE_ARRAY) pat_run__put(run, "warnings", run->warnings);
    if (run->builder.failed) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    *result = run->result;
    return PAT_OK;
}

enum pat_status pat_run__stopped(const struct pat_run *run, struct pat_error *error) {
    if (run->job == NULL || run->job->stop_cb == NULL) return PAT_OK;
    const enum pat_status status = run->job->stop_cb(run->job->stop_context);
    if (status == PAT_OK) return PAT_OK;
    return pat_error_set(error, status,
                         status == PAT_ERR_DEADLINE ? "the deadline passed before the answer was ready"
                                                    : "the question was cancelled");
}

enum pat_status pat_run__stop(const struct pat_run *run) {
    return pat_run__stopped(run, run->error);
}

static enum pat_status scratch_given(struct pat_run *run, uint64_t count, const void *memory) {
    if (memory != NULL) return PAT_OK;
    return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the scratch of this question (%" PRIu64 " rows)",
                         count);
}

enum pat_status pat_run__array(struct pat_run *run, uint64_t count, size_t size, void **out) {
    *out = pat_arena_array(run->arena, (size_t)count, size);
    return scratch_given(run, count, *out);
}

enum pat_status pat_run__array_big(struct pat_run *run, uint64_t count, size_t size, void **out) {
    *out = pat_arena_array_big(run->arena, (size_t)count, size);
    return scratch_given(run, count, *out);
}

void pat_bits__fill(uint64_t *bits, uint64_t n) {
    for (uint64_t i = 0; i < n / 64; i++) bits[i] = UINT64_MAX;
    if (n % 64 != 0) bits[n / 64] = ((uint64_t)1 << (n % 64)) - 1;
}

void pat_run__warn(struct pat_run *run, const char *format, ...) {
    if (run->warnings.type == PAT_VALUE_NIL) run->warnings = pat_build_array(&run->builder, 4);
    if (run->builder.failed || run->warnings.count >= PAT_WARNINGS_MAX) return;
    char text[PAT_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pat_build_push(&run->builder, &run->warnings, pat_build_text(&run->builder, pat_text_of(text)));
}

void pat_run__note_undated(struct pat_run *run, const char *field) {
    if (run->job == NULL || run->day == run->job->today) return;
    if (run->undated.type == PAT_VALUE_NIL) run->undated = pat_build_array(&run->builder, 4);
    for (uint32_t i = 0; i < run->undated.count; i++) {
        if (pat_value_is_text(&run->undated.as.items[i], field)) return;
    }
    pat_build_push(&run->builder, &run->undated, pat_value_string(field));
}

void pat_run__put_currency(struct pat_run *run, struct pat_value *map) {
    pat_build_put(&run->builder, map, "currency", pat_value_string(run->view->base_currency));
    pat_build_put(&run->builder, map, "digits", pat_value_int(run->view->base_digits));
}

struct pat_value pat_run__time(struct pat_run *run, int64_t seconds) {
    if (seconds == PAT_NULL) return pat_value_nil();
    char text[26];
    pat_stamp_print(seconds, pat_zone_offset_at(run->view->zone, seconds), text);
    return pat_build_text(&run->builder, pat_text_of(text));
}

struct pat_value pat_run__minor_or_nil(int64_t value) {
    return value == PAT_NULL ? pat_value_nil() : pat_value_int(value);
}

bool pat_wide__fits(pat_int128 value) {
    return value > INT64_MIN && value <= INT64_MAX;
}
