/* Making runs: of everything, of a tail behind it, and of runs.
 *
 *   bench_runs --size full --customers 100000 --orders 1000000
 *
 * A sample is one build from a view, without publishing; what it takes at the most while it works stands beside it. */
#include "base/clock.h"
#include "base/mem.h"
#include "lib/local.h"

/* Of the orders, what the tail has: as much as the engine lets it become. */
#define TAIL_SHARE 64u
/* Stale customers that it lets be. */
#define STALE_SHARE 512u

struct peak {
    size_t bytes;
};

/* Asked between blocks of work. */
static bool note_peak(void *context) {
    struct peak *peak = context;
    const size_t bytes = pat_mem_used(PAT_MEM_RUNS);
    if (bytes > peak->bytes) peak->bytes = bytes;
    return false;
}

static void build_case(struct bench_local *local, const struct bench_options *options, const char *name,
                       pat_row orders_from, pat_row refunds_from, bool merge) {
    const size_t before = pat_mem_used(PAT_MEM_RUNS);
    const uint64_t rows = (uint64_t)(local->view->table[PAT_ORDERS].rows - orders_from) +
                          (local->view->table[PAT_REFUNDS].rows - refunds_from);
    for (unsigned i = 0; i < options->cpus; i++) {
        struct bench_samples samples = {.count = 0};
        struct peak peak = {0};
        struct pat_run_plan plan = {.view = local->view,
                                    .generation = 1,
                                    .orders_from = orders_from,
                                    .refunds_from = refunds_from,
                                    .merge = merge,
                                    .stop_cb = note_peak,
                                    .stop_context = &peak,
                                    .kernels = pat_kernels_find(options->cpu[i])};
        struct bench_case test = {.work = "", .name = name, .rows = rows, .row = "fact", .cpu = options->cpu[i]};
        while (bench_again(&samples, options)) {
            struct pat_fact_run *run = NULL;
            const uint64_t start = pat_clock_monotonic_ns();
            bench_must(pat_run_build(&run, &plan) == PAT_OK, "no run");
            bench_samples_add(&samples, pat_clock_monotonic_ns() - start);
            const char *why = NULL;
            if (samples.count == 1 && !pat_run_check(run, &why)) bench_die("%s", why);
            if (samples.count == 1) {
                bench_case_extra(&test, "bytes a fact", (double)run->bytes / (double)rows);
                bench_case_extra(&test, "odd facts", (double)run->odd.count);
            }
            pat_run_free(&run);
        }
        bench_case_extra(&test, "MiB at the most", (double)(peak.bytes - before) / 1048576.0);
        test.samples = &samples;
        bench_case_print(&test, options);
        bench_samples_free(&samples);
    }
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    struct bench_local local;
    bench_local_open(&local, &options);
    const pat_row orders = local.view->table[PAT_ORDERS].rows, refunds = local.view->table[PAT_REFUNDS].rows;
    build_case(&local, &options, "a run of everything", 0, 0, false);
    build_case(&local, &options, "a run of the last 64th", orders - orders / TAIL_SHARE, refunds - refunds / TAIL_SHARE,
               false);
    for (pat_row row = 0; row < local.view->table[PAT_CUSTOMERS].rows; row += STALE_SHARE)
        pat_store_mark_changed(local.store, row);
    pat_view_close(&local.view);
    bench_must(pat_view_open(&local.view, local.store) == PAT_OK, "no view");
    build_case(&local, &options, "a merge of everything, one customer in 512 stale", 0, 0, true);
    bench_local_close(&local);
    return 0;
}
