#include "lib/local.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "proto/json.h"

/* As the targets are stated. */
#define WORKERS 2u

/* ---- filling ------------------------------------------------------------------------------------------------------
 */

static void load(struct bench_local *local, enum pat_table_id table, const struct pat_value *columns, uint32_t rows) {
    const uint64_t seq = local->store->lsn + 1;
    const struct pat_load sent = {
        .table = table, .producer = PAT_TEXT("bench"), .seq = seq, .errors_max = 1, .columns = columns};
    struct pat_arena arena;
    struct pat_error error;
    struct pat_batch *batch;
    struct pat_batch_outcome outcome;
    pat_arena_init(&arena, 0);
    const uint64_t start = pat_clock_monotonic_ns();
    if (pat_ingest_prepare(&batch, &sent, local->zone, &local->store->secret, BENCH_NOW_MS, &arena, &error) != PAT_OK ||
        pat_ingest_validate(batch, &sent, local->store, true, &error) != PAT_OK) {
        bench_die("a batch is refused: %s", error.message);
    }
    pat_ingest_apply(local->store, batch, seq, &outcome);
    if (table == PAT_ORDERS) local->fill_ns += pat_clock_monotonic_ns() - start;
    bench_equal("new rows of a batch", outcome.fresh, rows);
    pat_arena_deinit(&arena);
}

static void fill_customers(struct bench_local *local, uint64_t first, uint32_t rows) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    const struct pat_value columns = bench_columns_customers(&local->shop, first, rows, &arena, NULL);
    load(local, PAT_CUSTOMERS, &columns, rows);
    pat_arena_deinit(&arena);
}

static void fill_orders(struct bench_local *local, uint64_t first, uint32_t rows) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    uint32_t refunds;
    const struct pat_value orders = bench_columns_orders(&local->shop, first, rows, &arena, NULL);
    const struct pat_value columns = bench_columns_refunds(&local->shop, first, rows, &arena, &refunds, NULL);
    load(local, PAT_ORDERS, &orders, rows);
    if (refunds > 0) load(local, PAT_REFUNDS, &columns, refunds);
    pat_arena_deinit(&arena);
}

static void fill(struct bench_local *local, uint64_t total, void (*part_cb)(struct bench_local *, uint64_t, uint32_t)) {
    for (uint64_t first = 0; first < total; first += PAT_BATCH_ROWS_MAX) {
        part_cb(local, first, total - first < PAT_BATCH_ROWS_MAX ? (uint32_t)(total - first) : PAT_BATCH_ROWS_MAX);
    }
}

void bench_local_append(struct bench_local *local, uint64_t order, uint32_t customer, pat_minor amount) {
    const struct {
        const char *name;
        struct pat_value value;
    } field[] = {
        {"order", pat_value_uint(order)},
        {"customer", pat_value_uint(customer)},
        {"time", pat_value_int((int64_t)BENCH_LAST_DAY * 86400000)},
        {"amount_minor", pat_value_int(amount)},
        {"currency", pat_value_string("USD")},
    };
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value columns = pat_build_map(&builder, 5);
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        struct pat_value column = pat_build_array(&builder, 1);
        pat_build_push(&builder, &column, field[i].value);
        pat_build_put(&builder, &columns, field[i].name, column);
    }
    bench_must(!builder.failed, "no memory for an order");
    pat_view_close(&local->view);
    load(local, PAT_ORDERS, &columns, 1);
    bench_must(pat_view_open(&local->view, local->store) == PAT_OK, "no view");
    pat_arena_deinit(&arena);
}

/* One run of everything, as a server has it some time after a load. */
static void make_run(struct bench_local *local) {
    const size_t before = pat_mem_used(PAT_MEM_RUNS);
    const uint64_t start = pat_clock_monotonic_ns();
    struct pat_run_plan plan = {.generation = pat_store_begin_run(local->store), .kernels = pat_kernels_find("auto")};
    struct pat_view *view = NULL;
    struct pat_fact_run *run = NULL;
    bench_must(pat_view_open(&view, local->store) == PAT_OK, "no view");
    plan.view = view;
    bench_must(pat_run_build(&run, &plan) == PAT_OK, "no run");
    pat_view_close(&view);
    pat_store_add_run(local->store, &run);
    local->run_ns = pat_clock_monotonic_ns() - start;
    local->run_bytes = pat_mem_used(PAT_MEM_RUNS) - before;
}

void bench_local_open(struct bench_local *out, const struct bench_options *options) {
    *out = (struct bench_local){.shop = {options->seed, options->customers, options->orders}};
    const size_t before = pat_mem_used_total();
    bench_must(pat_zone_open(&out->zone, "UTC", NULL) == PAT_OK, "no time zone");
    const struct pat_store_options store = {
        .zone = out->zone, .base_currency = "USD", .entropy = "bench", .entropy_bytes = 5};
    bench_must(pat_store_open(&out->store, &store, NULL) == PAT_OK, "no store");
    fill(out, out->shop.customers, fill_customers);
    fill(out, out->shop.orders, fill_orders);
    out->store_bytes = pat_mem_used_total() - before;
    make_run(out);
    out->crew = bench_crew_open(options->workers != 0 ? options->workers : WORKERS);
    bench_must(pat_view_open(&out->view, out->store) == PAT_OK, "no view");
}

void bench_local_close(struct bench_local *local) {
    bench_crew_close(local->crew);
    pat_kept_window_close(&local->kept);
    pat_view_close(&local->view);
    pat_store_close(&local->store);
    pat_zone_close(&local->zone);
}

/* ---- asking -------------------------------------------------------------------------------------------------------
 */

void bench_question_open(struct bench_question *out, const char *method, const char *params) {
    *out = (struct bench_question){.request = {.method = PAT_METHOD_PING}};
    pat_arena_init(&out->arena, 0);
    struct pat_error error;
    struct pat_value *tree = pat_arena_alloc(&out->arena, sizeof *tree);
    const struct pat_method_info *info = pat_method_find(pat_text_of(method));
    bench_must(tree != NULL && info != NULL, "no such method");
    if (pat_json_parse(tree, pat_text_of(params), &out->arena, &error) != PAT_OK ||
        pat_request_parse(&out->request, info, tree, &out->arena, &error) != PAT_OK) {
        bench_die("%s %s: %s", method, params, error.message);
    }
}

void bench_question_close(struct bench_question *question) {
    pat_arena_deinit(&question->arena);
}

static struct pat_value ask(const struct bench_local *local, const struct bench_question *question,
                            const struct pat_kernels *kernels, struct pat_arena *arena,
                            const struct pat_kept_window *const *kept, struct pat_kept_window **made) {
    const struct pat_job job = {.view = local->view,
                                .request = &question->request,
                                .kernels = kernels,
                                .arena = arena,
                                .today = BENCH_LAST_DAY,
                                .row = PAT_ROW_NONE,
                                .kept_window = kept,
                                .made_window = made,
                                .spread = bench_crew_spread(local->crew)};
    struct pat_value result;
    struct pat_error error;
    if (pat_analytics_run(&job, &result, &error) != PAT_OK) bench_die("%s", error.message);
    return result;
}

struct pat_value bench_ask(const struct bench_local *local, const struct bench_question *question,
                           const struct pat_kernels *kernels, struct pat_arena *arena) {
    return ask(local, question, kernels, arena, NULL, NULL);
}

struct pat_value bench_ask_again(struct bench_local *local, const struct bench_question *question,
                                 const struct pat_kernels *kernels, struct pat_arena *arena) {
    const struct pat_kept_window *const kept[PAT_KEPT_WINDOWS] = {local->kept};
    struct pat_kept_window *made = NULL;
    const struct pat_value answer = ask(local, question, kernels, arena, kept, &made);
    if (made == NULL) return answer;
    pat_kept_window_close(&local->kept);
    local->kept = made;
    return answer;
}

void bench_local_case(const struct bench_local *local, const struct bench_options *options, struct bench_case *test,
                      const char *method, const char *params,
                      void (*check_cb)(const struct pat_value *answer, const void *context), const void *context) {
    struct bench_question question;
    bench_question_open(&question, method, params);
    uint64_t hash_first = 0;
    for (unsigned i = 0; i < options->cpus; i++) {
        struct bench_samples samples = {.count = 0};
        while (bench_again(&samples, options)) {
            struct pat_arena arena;
            pat_arena_init(&arena, 0);
            const uint64_t start = pat_clock_monotonic_ns();
            const struct pat_value answer = bench_ask(local, &question, pat_kernels_find(options->cpu[i]), &arena);
            const uint64_t answered = pat_clock_monotonic_ns();
            if (samples.count == 0) {
                check_cb(&answer, context);
                test->hash = bench_hash(&answer);
            }
            const uint64_t checked = pat_clock_monotonic_ns();
            pat_arena_deinit(&arena); /* giving scratch back is a part of answering */
            bench_samples_add(&samples, answered - start + (pat_clock_monotonic_ns() - checked));
        }
        if (i == 0) hash_first = test->hash;
        if (test->hash != hash_first)
            bench_die("%s: %s answers otherwise than %s", test->name, options->cpu[i], options->cpu[0]);
        test->cpu = options->cpu[i];
        test->samples = &samples;
        bench_case_print(test, options);
        bench_samples_free(&samples);
    }
    bench_question_close(&question);
}
