#include "analytics/analytics.h"

#include "analytics/answers_private.h"

enum pat_status pat_run__total(struct pat_run *run, const char *what, pat_int128 total, struct pat_value *out) {
    if (!pat_wide__fits(total)) {
        return pat_error_set_at(run->error, PAT_ERR_TOO_LARGE, what, -1, -1, "%s does not fit 64 bits", what);
    }
    *out = pat_value_int((int64_t)total);
    return PAT_OK;
}

struct pat_value pat_run__money(struct pat_run *run, struct pat_value columns) {
    struct pat_value money = pat_build_map(&run->builder, 3);
    pat_run__put_currency(run, &money);
    pat_build_put(&run->builder, &money, "columns", columns);
    return money;
}

enum pat_status pat_answer__count(struct pat_run *run) {
    PAT_TRY(pat_run__where(run));
    const uint64_t count = run->kernels->bits_count(run->shown, pat_bits__words(run->customers));
    pat_run__put(run, "count", pat_value_uint(count));
    pat_run__put(run, "of", pat_value_uint(run->live_count));
    return PAT_OK;
}

static enum pat_status answer(struct pat_run *run) {
    switch (run->job->request->method) {
    case PAT_METHOD_COUNT: return pat_answer__count(run);
    case PAT_METHOD_ROWS: return pat_answer__rows(run);
    case PAT_METHOD_GROUP: return pat_answer__group(run);
    case PAT_METHOD_COHORT: return pat_answer__cohort(run);
    case PAT_METHOD_CONTROL: return pat_answer__control(run);
    case PAT_METHOD_RFM_GRID: return pat_answer__rfm_grid(run);
    case PAT_METHOD_RFM_GROUPS: return pat_answer__rfm_groups(run);
    case PAT_METHOD_CLV_FIT: return pat_answer__clv_fit(run);
    case PAT_METHOD_CLV_FITS: return pat_answer__clv_fits(run);
    case PAT_METHOD_CLV_PREDICT: return pat_answer__clv_predict(run);
    case PAT_METHOD_CLV_TOP: return pat_answer__rows(run); /* the request says which */
    case PAT_METHOD_CLV_DIST: return pat_answer__clv_dist(run);
    case PAT_METHOD_CUSTOMER: return pat_answer__customer(run);
    case PAT_METHOD_ORDER: return pat_answer__order(run);
    case PAT_METHOD_FX: return pat_answer__fx(run);
    case PAT_METHOD_VERIFY: return pat_answer__verify(run);
    default: break;
    }
    return pat_error_set(run->error, PAT_ERR_INTERNAL, "a method of another road came to analytics");
}

enum pat_status pat_analytics_run(const struct pat_job *job, struct pat_value *result, struct pat_error *error) {
    struct pat_run run;
    PAT_TRY(pat_run__begin(&run, job, error));
    PAT_TRY(answer(&run));
    return pat_run__finish(&run, result);
}
