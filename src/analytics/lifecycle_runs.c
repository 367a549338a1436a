/* How many orders come close to a customer's latest one, from runs: there they lie by customer, then day, so that the
 * last entries up to D decide. What lies behind the runs and whose runs are stale is the tables' and the chains'. */
#include "analytics/lifecycle_private.h"

#include "store/run.h"

_Static_assert(PAT_PART_ROWS % PAT_RUN_BLOCK == 0, "parts of a pass are whole blocks of the runs");

static void count_dense(const struct pat_lifecycle_pass *pass, const struct pat_fact_run *run, uint64_t row) {
    const uint32_t from = run->offset[row];
    for (uint32_t at = run->offset[row + 1]; at > from && pass->late[row] < 2; at--) {
        const int64_t day = (int64_t)run->day_base + run->day[at - 1];
        if (day > pass->run->day) continue;
        if (!pat_lifecycle__count_order(pass, row, day)) return;
    }
}

/* Customers first .. end - 1 lie in one block of the runs. */
static void count_block(const struct pat_lifecycle_pass *pass, const struct pat_fact_run *run, uint64_t first,
                        uint64_t end) {
    const uint64_t block = first / PAT_RUN_BLOCK;
    if (end > run->customers) end = run->customers;
    if (first >= end) return;
    for (uint64_t row = first; run->offset != NULL && row < end; row++) {
        if (pat_bits__get(pass->asked, row)) count_dense(pass, run, row);
    }
    for (uint32_t at = run->offset == NULL ? run->block[block] : 0; run->offset == NULL && at < run->block[block + 1];
         at++) {
        const int64_t day = (int64_t)run->day_base + run->day[at];
        if (day > pass->run->day || !pat_bits__get(pass->asked, run->customer[at])) continue;
        (void)pat_lifecycle__count_order(pass, run->customer[at], day);
    }
    for (uint32_t at = run->odd.block[block]; at < run->odd.block[block + 1]; at++) {
        const struct pat_run_odd odd = pat_run_odd_at(&run->odd, at);
        const bool there = odd.from <= pass->run->day && pass->run->day < odd.until && odd.orders > 0;
        if (there && pat_bits__get(pass->asked, odd.customer)) {
            (void)pat_lifecycle__count_order(pass, odd.customer, odd.day);
        }
    }
}

static enum pat_status count_part(void *context, const struct pat_part *part) {
    const struct pat_lifecycle_pass *pass = context;
    const struct pat_runs *runs = &pass->run->view->runs;
    for (uint64_t first = part->first; first < part->end; first += PAT_RUN_BLOCK) {
        const uint64_t end = first + PAT_RUN_BLOCK < part->end ? first + PAT_RUN_BLOCK : part->end;
        for (uint32_t i = 0; i < runs->count; i++) count_block(pass, runs->run[i], first, end);
    }
    return PAT_OK;
}

enum pat_status pat_lifecycle__count_runs(struct pat_lifecycle_pass *pass) {
    return pat_run__spread(pass->run, pass->run->customers, count_part, pass);
}
