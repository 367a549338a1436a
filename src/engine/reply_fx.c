/* What the answer to a load of exchange rates warns of: days without a rate around those that it brought. The same gaps
 * are in `fx`, which looks at all there are, and at facts. */
#include "engine/engine_private.h"

#include "model/currency.h"
#include "model/date.h"
#include "model/limits.h"

#include <inttypes.h>

/* A file of yearly rates has a gap a row; the first ones say what is wrong with it. */
#define GAPS_TOLD 20u

/* Days that a batch has of one currency; first > last: none. */
struct days {
    pat_day first, last;
};

static struct days *days_of(const struct pat_batch *batch, struct pat_arena *arena) {
    const struct pat_batch_column *day = pat_batch_find(batch, PAT_FX_DAY);
    const struct pat_batch_column *currency = pat_batch_find(batch, PAT_FX_CURRENCY);
    if (day == NULL || currency == NULL) return NULL;
    struct days *days = pat_arena_array(arena, pat_currency_count, sizeof *days);
    if (days == NULL) return NULL;
    for (size_t c = 0; c < pat_currency_count; c++) days[c] = (struct days){PAT_DAY_MAX, PAT_DAY_MIN};
    for (uint32_t row = 0; row < batch->rows; row++) {
        struct days *of = &days[pat_currency_find(currency->dict[currency->value[row]])];
        const pat_day at = (pat_day)day->value[row];
        if (at < of->first) of->first = at;
        if (at > of->last) of->last = at;
    }
    return days;
}

/* The first point on or after `day`. */
static uint32_t point_from(const struct pat_rate_list *list, pat_day day) {
    uint32_t low = 0, high = list->points;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (list->point[middle].day < day) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void tell_gap(struct pat_builder *builder, struct pat_value *warnings, const char *code, pat_day from,
                     pat_day to) {
    char first[11], last[11];
    pat_day_print(from, first);
    pat_day_print(to, last);
    const struct pat_text text = pat_arena_printf(builder->arena, "%s: no rate between %s and %s (%" PRId32 " days)",
                                                  code, first, last, to - from);
    pat_build_push(builder, warnings, pat_build_text(builder, text));
}

/* Gaps that begin or end within the days, or lie around them. */
static uint32_t tell_gaps(const struct pat_rate_list *list, const char *code, struct days days,
                          struct pat_builder *builder, struct pat_value *warnings, uint32_t told) {
    const uint32_t from = point_from(list, days.first);
    for (uint32_t i = from > 0 ? from : 1; i < list->points && list->point[i - 1].day <= days.last; i++) {
        if (list->point[i].day - list->point[i - 1].day <= PAT_FX_GAP_DAYS) continue;
        if (told++ < GAPS_TOLD) tell_gap(builder, warnings, code, list->point[i - 1].day, list->point[i].day);
    }
    return told;
}

void pat_engine__warn_of_gaps(const struct pat_engine *engine, const struct pat_batch *batch,
                              struct pat_builder *builder, struct pat_value *answer) {
    const struct days *days = days_of(batch, builder->arena);
    if (days == NULL) return;
    struct pat_value warnings = pat_build_array(builder, 4);
    uint32_t told = 0;
    for (size_t c = 0; c < pat_currency_count; c++) {
        if (days[c].first > days[c].last) continue;
        const struct pat_rate_list *list = &engine->store->rates.list[c];
        told = tell_gaps(list, pat_currencies[c].code, days[c], builder, &warnings, told);
    }
    if (told > GAPS_TOLD) {
        const struct pat_text more =
            pat_arena_printf(builder->arena, "%" PRIu32 " more gaps, see fx", told - GAPS_TOLD);
        pat_build_push(builder, &warnings, pat_build_text(builder, more));
    }
    if (told > 0) pat_build_put(builder, answer, "warnings", warnings);
}
