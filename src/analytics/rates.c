#include "analytics/rates_private.h"

#include "model/currency.h"

#include <stdlib.h>

struct pat_rate pat_rates__of_row(const struct pat_view *view, pat_row row) {
    struct pat_rate rate = {.value = pat_view_get(view, PAT_FX, PAT_FX_RATE, row)};
    const int64_t per = pat_view_get(view, PAT_FX, PAT_FX_PER, row);
    (void)pat_rate_per(pat_view_dict_text(view, PAT_FX, PAT_FX_PER, per), &rate.per_base);
    return rate;
}

static bool holds(const struct pat_view *view, pat_row row, pat_day day) {
    return pat_view_get(view, PAT_FX, PAT_FX_DELETED, row) != 1 && pat_view_get(view, PAT_FX, PAT_FX_DAY, row) <= day;
}

bool pat_rates__latest(const struct pat_view *view, struct pat_text currency, pat_day day, struct pat_rate *out) {
    const int64_t code = pat_view_dict_code(view, PAT_FX, PAT_FX_CURRENCY, currency);
    int64_t latest = PAT_NULL;
    pat_row found = PAT_ROW_NONE;
    for (pat_row row = 0; code != PAT_NULL && row < view->table[PAT_FX].rows; row++) {
        if (pat_view_get(view, PAT_FX, PAT_FX_CURRENCY, row) != code || !holds(view, row, day)) continue;
        const int64_t dated = pat_view_get(view, PAT_FX, PAT_FX_DAY, row);
        if (dated <= latest) continue;
        latest = dated;
        found = row;
    }
    if (found == PAT_ROW_NONE) return false;
    *out = pat_rates__of_row(view, found);
    return true;
}

static int compare_rates(const void *a, const void *b) {
    const struct pat_rate_row *x = a, *y = b;
    if (x->currency != y->currency) return x->currency < y->currency ? -1 : 1;
    return (x->day > y->day) - (x->day < y->day);
}

enum pat_status pat_rates__collect(struct pat_run *run, pat_day day, const struct pat_view_rates **out) {
    const struct pat_table_view *fx = &run->view->table[PAT_FX];
    void *memory;
    PAT_TRY(pat_run__array(run, fx->rows, sizeof(struct pat_rate_row), &memory));
    struct pat_rate_row *const rate = memory;
    PAT_TRY(pat_run__array(run, 1, sizeof **out, &memory));
    struct pat_view_rates *const rates = memory;
    for (pat_row row = 0; row < fx->rows; row++) {
        if (!holds(run->view, row, day)) continue;
        const int64_t code = pat_view_get(run->view, PAT_FX, PAT_FX_CURRENCY, row);
        rate[rates->count++] = (struct pat_rate_row){
            .currency = pat_currency_find(pat_view_dict_text(run->view, PAT_FX, PAT_FX_CURRENCY, code)),
            .day = (pat_day)pat_view_get(run->view, PAT_FX, PAT_FX_DAY, row),
            .row = row,
        };
    }
    if (rates->count > 0) qsort(rate, rates->count, sizeof *rate, compare_rates);
    rates->rate = rate;
    *out = rates;
    return PAT_OK;
}

int64_t pat_rates__worth(const struct pat_view *view, const struct pat_view_rates *rates, int currency, int64_t day,
                         int64_t amount) {
    const struct pat_currency *about = &pat_currencies[currency];
    if (pat_text_is(pat_text_of(about->code), view->base_currency)) return amount;
    uint32_t low = 0, high = rates->count; /* rates of lesser currencies, and of this one up to the day */
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct pat_rate_row *rate = &rates->rate[middle];
        if (rate->currency < currency || (rate->currency == currency && rate->day <= day)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || rates->rate[low - 1].currency != currency) return PAT_NULL;
    const struct pat_rate rate = pat_rates__of_row(view, rates->rate[low - 1].row);
    int64_t minor;
    return pat_rate_convert(rate, amount, about->digits, view->base_digits, &minor) ? minor : PAT_NULL;
}
