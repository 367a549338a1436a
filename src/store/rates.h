/* Exchange rates by currency and day, for finding the one that holds on a day. Derived from the fx table, whose rows
 * arrive in any order, and rebuilt at restore.
 *
 *   list[currency] ── entry[] day -> row of the table   every row, withdrawn ones too: the identity
 *                  └─ point[] day -> rate               those that hold, each until the next
 *
 * Both are sorted by day. Writer thread only; readers have the table. */
#ifndef PAT_STORE_RATES_H
#define PAT_STORE_RATES_H

#include "model/exchange.h"
#include "model/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pat_rate_entry {
    pat_day day;
    pat_row row;
};

struct pat_rate_point {
    pat_day day;
    struct pat_rate rate;
};

struct pat_rate_list {
    struct pat_rate_entry *entry;
    struct pat_rate_point *point;
    uint32_t entries, entries_capacity;
    uint32_t points, points_capacity;
};

struct pat_rates {
    struct pat_rate_list *list; /* [pat_currency_count], by place in pat_currencies */
};

void pat_rates_init(struct pat_rates *rates);
void pat_rates_deinit(struct pat_rates *rates);

/* Row of (currency, day) in the fx table, or PAT_ROW_NONE. */
pat_row pat_rates_find(const struct pat_rates *rates, int currency, pat_day day);
/* Adds entries that are not there yet; `entry` is sorted by day. Their rates do not hold before pat_rates_settle. */
void pat_rates_add(struct pat_rates *rates, int currency, const struct pat_rate_entry *entry, uint32_t count);
/* Takes the rates of `day` and later ones from the rows of the table again, after they changed there. */
struct pat_table;
void pat_rates_settle(struct pat_rates *rates, const struct pat_table *fx, int currency, pat_day day);

/* The rate that holds on `day`: the latest on or before it. False before the first one. */
bool pat_rates_at(const struct pat_rates *rates, int currency, pat_day day, struct pat_rate *out);
/* Last day that a rate of `day` can hold: the one before the next rate, PAT_DAY_MAX without any. */
pat_day pat_rates_last_day(const struct pat_rates *rates, int currency, pat_day day);

/* Bytes that adding `count` rates may take at the most. */
size_t pat_rates_growth(const struct pat_rates *rates, size_t count);

#endif
