#include "store/rates.h"

#include "base/mem.h"
#include "base/status.h"
#include "model/currency.h"
#include "store/store.h"

#include <string.h>

/* A year of monthly rates, before the first doubling. */
#define CAPACITY_FIRST 16u

void pat_rates_init(struct pat_rates *rates) {
    rates->list = pat_mem_alloc_must(PAT_MEM_FX, pat_currency_count * sizeof *rates->list);
}

void pat_rates_deinit(struct pat_rates *rates) {
    for (size_t c = 0; c < pat_currency_count; c++) {
        pat_mem_free(PAT_MEM_FX, rates->list[c].entry);
        pat_mem_free(PAT_MEM_FX, rates->list[c].point);
    }
    pat_mem_free(PAT_MEM_FX, rates->list);
}

/* Room for `wanted` items, those there are kept. */
static void *grown(void *items, size_t size, uint32_t count, uint32_t wanted, uint32_t *capacity) {
    if (wanted <= *capacity) return items;
    uint32_t bigger = *capacity == 0 ? CAPACITY_FIRST : *capacity;
    while (bigger < wanted) bigger *= 2;
    void *fresh = pat_mem_alloc_must(PAT_MEM_FX, bigger * size);
    if (count > 0) memcpy(fresh, items, count * size);
    pat_mem_free(PAT_MEM_FX, items);
    *capacity = bigger;
    return fresh;
}

/* Entries before `day`. */
static uint32_t entries_before(const struct pat_rate_list *list, pat_day day) {
    uint32_t low = 0, high = list->entries;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (list->entry[middle].day < day) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Points on or before `day`. */
static uint32_t points_up_to(const struct pat_rate_list *list, pat_day day) {
    uint32_t low = 0, high = list->points;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (list->point[middle].day <= day) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

pat_row pat_rates_find(const struct pat_rates *rates, int currency, pat_day day) {
    const struct pat_rate_list *list = &rates->list[currency];
    const uint32_t at = entries_before(list, day);
    return at < list->entries && list->entry[at].day == day ? list->entry[at].row : PAT_ROW_NONE;
}

void pat_rates_add(struct pat_rates *rates, int currency, const struct pat_rate_entry *entry, uint32_t count) {
    struct pat_rate_list *list = &rates->list[currency];
    list->entry =
        grown(list->entry, sizeof *list->entry, list->entries, list->entries + count, &list->entries_capacity);
    /* Merged from the end, so that what is before the first new one stays where it is. */
    uint32_t old = list->entries, to = old + count;
    list->entries = to;
    while (count > 0) {
        const bool keep = old > 0 && list->entry[old - 1].day > entry[count - 1].day;
        list->entry[--to] = keep ? list->entry[--old] : entry[--count];
    }
}

void pat_rates_settle(struct pat_rates *rates, const struct pat_table *fx, int currency, pat_day day) {
    struct pat_rate_list *list = &rates->list[currency];
    list->points = points_up_to(list, day - 1);
    list->point = grown(list->point, sizeof *list->point, list->points, list->entries, &list->points_capacity);
    for (uint32_t at = entries_before(list, day); at < list->entries; at++) {
        const pat_row row = list->entry[at].row;
        if (pat_table_get(fx, PAT_FX_DELETED, row) == 1) continue;
        struct pat_rate rate = {.value = pat_table_get(fx, PAT_FX_RATE, row)};
        const bool known = pat_rate_per(
            pat_dict_text(fx->dict[PAT_FX_PER], (uint32_t)pat_table_get(fx, PAT_FX_PER, row)), &rate.per_base);
        PAT_ASSERT(known); /* ingest and restore let nothing else in */
        list->point[list->points++] = (struct pat_rate_point){list->entry[at].day, rate};
    }
}

bool pat_rates_at(const struct pat_rates *rates, int currency, pat_day day, struct pat_rate *out) {
    const struct pat_rate_list *list = &rates->list[currency];
    const uint32_t at = points_up_to(list, day);
    if (at == 0) return false;
    *out = list->point[at - 1].rate;
    return true;
}

pat_day pat_rates_last_day(const struct pat_rates *rates, int currency, pat_day day) {
    const struct pat_rate_list *list = &rates->list[currency];
    const uint32_t at = points_up_to(list, day);
    return at < list->points ? list->point[at].day - 1 : PAT_DAY_MAX;
}

size_t pat_rates_growth(const struct pat_rates *rates, size_t count) {
    const size_t pair = sizeof(struct pat_rate_entry) + sizeof(struct pat_rate_point);
    size_t bytes = 0;
    /* Arrays double, and the old one goes when the new one is there. */
    for (size_t c = 0; c < pat_currency_count; c++) {
        const struct pat_rate_list *list = &rates->list[c];
        if (list->entries + count > list->entries_capacity) bytes += (size_t)list->entries * 2 * pair;
    }
    const size_t currencies = count < pat_currency_count ? count : pat_currency_count;
    return bytes + count * 2 * pair + currencies * CAPACITY_FIRST * pair;
}
