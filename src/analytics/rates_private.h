/* Exchange rates as a view holds them: rows of the fx table in any order. */
#ifndef PAT_ANALYTICS_RATES_PRIVATE_H
#define PAT_ANALYTICS_RATES_PRIVATE_H

#include "analytics/run_private.h"
#include "model/exchange.h"

struct pat_rate_row {
    int currency; /* place in pat_currencies */
    pat_day day;
    pat_row row;
};

/* Sorted by currency, then day. */
struct pat_view_rates {
    uint32_t count;
    const struct pat_rate_row *rate;
};

/* The rates up to `day` that are not withdrawn. */
enum pat_status pat_rates__collect(struct pat_run *run, pat_day day, const struct pat_view_rates **out) PAT_MUST_CHECK;
/* `amount` of a currency in base minor at the rate of `day`; PAT_NULL without one, or when 64 bits do not hold it. */
int64_t pat_rates__worth(const struct pat_view *view, const struct pat_view_rates *rates, int currency, int64_t day,
                         int64_t amount);
/* The latest rate of a currency on or before `day`, looked for row by row; false when there is none. */
bool pat_rates__latest(const struct pat_view *view, struct pat_text currency, pat_day day, struct pat_rate *out);
/* What a row says. */
struct pat_rate pat_rates__of_row(const struct pat_view *view, pat_row row);

#endif
