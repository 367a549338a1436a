#include "analytics/explain_private.h"

#define STEPS_EXPECTED 8u

static uint64_t now_ns(const struct pat_run *run) {
    return run->job->clock_cb != NULL ? run->job->clock_cb() : 0;
}

void pat_explain__begin(struct pat_run *run) {
    if (!run->job->request->question.explain_plan) return;
    run->bytes_read = &run->step_bytes;
    run->steps = pat_build_array(&run->builder, STEPS_EXPECTED);
    run->step_ns = now_ns(run);
}

void pat_explain__step(struct pat_run *run, const char *step, uint64_t rows) {
    if (run->bytes_read == NULL) return;
    const uint64_t ns = now_ns(run);
    struct pat_value map = pat_build_map(&run->builder, 4);
    pat_build_put(&run->builder, &map, "step", pat_value_string(step));
    pat_build_put(&run->builder, &map, "rows", pat_value_uint(rows));
    pat_build_put(&run->builder, &map, "bytes", pat_value_uint(run->step_bytes));
    pat_build_put(&run->builder, &map, "us", pat_value_real((double)(ns - run->step_ns) / 1000.0));
    pat_build_push(&run->builder, &run->steps, map);
    run->step_bytes = 0;
    run->step_ns = now_ns(run);
}

void pat_explain__finish(struct pat_run *run) {
    if (run->bytes_read != NULL) pat_run__put(run, "plan", run->steps);
}

void pat_explain__column(const struct pat_run *run, const struct pat_column_view *column, pat_row first, uint32_t count,
                         int64_t *out) {
    pat_column_view_read(column, first, count, out, run->kernels);
    if (run->bytes_read == NULL || count == 0) return;
    const struct pat_column_part part = pat_column_view_part(column, first);
    pat_explain__part(run, &part, count);
}
