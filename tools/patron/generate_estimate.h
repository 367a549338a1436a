/* How large a shop will be: from a sample of its own customers, all of them when there are few. */
#ifndef PATRON_GENERATE_ESTIMATE_H
#define PATRON_GENERATE_ESTIMATE_H

#include "generate_plan.h"
#include "generate_spill.h"
#include "generate_world.h"

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_gen_estimate {
    bool exact; /* every customer was looked at */
    uint64_t sampled;
    double buyers, repeaters, orders, refunds, lines, corrected, cancelled, events;
    double base_sum; /* of all orders, major units of the base currency */
    uint32_t bin[PAT_GEN_SPILL_BINS];
};

/* Finds the rate_scale with which orders_per_customer are to be expected, where none was given. Fails:
 * PAT_ERR_BAD_REQUEST when no rate gives so many or so few. */
enum pat_status pat_gen_calibrate(struct pat_gen_plan *plan, struct pat_gen_world *world,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Looks at about `customers` of them, spread over all. */
enum pat_status pat_gen_estimate(const struct pat_gen_world *world, uint64_t customers, struct pat_gen_estimate *out,
                                 struct pat_error *error) PAT_MUST_CHECK;

#endif
