/* What both parts of a recount share. Inside the analytics room only. */
#ifndef PAT_ANALYTICS_RECOUNT_PRIVATE_H
#define PAT_ANALYTICS_RECOUNT_PRIVATE_H

#include "analytics/rates_private.h"
#include "analytics/recount.h"
#include "analytics/run_private.h"

struct pat_run pat_recount__run(const struct pat_job *job, struct pat_error *error);
void pat_recount__hold(struct pat_recount_check *check, pat_row row, int64_t kept, int64_t counted);

#endif
