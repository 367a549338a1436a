#include "lifetime/sheet.h"

#include "base/mem.h"
#include "base/size.h"
#include "base/status.h"
#include "lifetime/model_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Slots at the start; they double when half are taken. Three years of customers who bought up to three times fit. */
#define SLOTS_MIN 8192u
#define SLOT_FREE UINT32_MAX

static void *array_new(size_t count, size_t size) {
    size_t bytes;
    return pat_size_mul(count, size, &bytes) ? pat_mem_alloc(PAT_MEM_QUERY, bytes) : NULL;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static inline size_t slot_of(const struct pat_sheet *sheet, uint64_t key) {
    const uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9e3779b97f4a7c15); /* x and T are small */
    size_t at = (size_t)(mixed >> 32) & (sheet->slots - 1);
    while (sheet->slot[at] != SLOT_FREE && sheet->cell[sheet->slot[at]].key != key) at = (at + 1) & (sheet->slots - 1);
    return at;
}

static void enter_all(struct pat_sheet *sheet) {
    memset(sheet->slot, 0xff, sheet->slots * sizeof *sheet->slot);
    for (size_t i = 0; i < sheet->count; i++) sheet->slot[slot_of(sheet, sheet->cell[i].key)] = (uint32_t)i;
}

/* Doubles the room; the sheet stays as it was when there is no memory. */
static enum pat_status grow(struct pat_sheet *sheet) {
    const size_t slots = sheet->slots == 0 ? SLOTS_MIN : sheet->slots * 2;
    uint32_t *const slot = array_new(slots, sizeof *slot);
    struct pat_sheet_cell *const cell = array_new(slots / 2, sizeof *cell);
    if (slot == NULL || cell == NULL) {
        pat_mem_free(PAT_MEM_QUERY, slot);
        pat_mem_free(PAT_MEM_QUERY, cell);
        return PAT_ERR_NO_MEMORY;
    }
    if (sheet->count > 0) memcpy(cell, sheet->cell, sheet->count * sizeof *cell);
    pat_mem_free(PAT_MEM_QUERY, sheet->slot);
    pat_mem_free(PAT_MEM_QUERY, sheet->cell);
    sheet->slot = slot;
    sheet->cell = cell;
    sheet->slots = slots;
    enter_all(sheet);
    return PAT_OK;
}

enum pat_status pat_sheet_init(struct pat_sheet *sheet, const struct pat_sheet_ask *ask) {
    PAT_ASSERT(pat_btyd_params_valid(ask->model, ask->params));
    *sheet = (struct pat_sheet){.model = ask->model, .terms = *ask->terms, .kernels = ask->kernels};
    memcpy(sheet->params, ask->params, ask->model->param_count * sizeof *sheet->params);
    return grow(sheet);
}

void pat_sheet_deinit(struct pat_sheet *sheet) {
    pat_mem_free(PAT_MEM_QUERY, sheet->slot);
    pat_mem_free(PAT_MEM_QUERY, sheet->cell);
    pat_mem_free(PAT_MEM_QUERY, sheet->log_time);
    *sheet = (struct pat_sheet){0};
}

enum pat_status pat_sheet_note(struct pat_sheet *sheet, uint32_t x, uint32_t T) {
    const uint64_t key = (uint64_t)x << 32 | T;
    size_t at = slot_of(sheet, key);
    if (sheet->slot[at] != SLOT_FREE) return PAT_OK;
    if (sheet->count == sheet->slots / 2) {
        PAT_TRY(grow(sheet));
        at = slot_of(sheet, key);
    }
    sheet->cell[sheet->count] = (struct pat_sheet_cell){.key = key};
    sheet->slot[at] = (uint32_t)sheet->count++;
    if (T > sheet->days_max) sheet->days_max = T;
    return PAT_OK;
}

static int compare_cells(const void *a, const void *b) {
    const uint64_t left = ((const struct pat_sheet_cell *)a)->key, right = ((const struct pat_sheet_cell *)b)->key;
    return (left > right) - (left < right);
}

/* By x, then T, so that rules are made once for each x. */
enum pat_status pat_sheet_close_up(struct pat_sheet *sheet) {
    qsort(sheet->cell, sheet->count, sizeof *sheet->cell, compare_cells);
    enter_all(sheet);
    sheet->log_time = array_new((size_t)sheet->days_max + 1, sizeof *sheet->log_time);
    if (sheet->log_time == NULL) return PAT_ERR_NO_MEMORY;
    for (size_t day = 0; day <= sheet->days_max; day++) {
        sheet->log_time[day] = sheet->model->ops->log_time(sheet->params, (double)day / sheet->terms.unit_days);
    }
    return PAT_OK;
}

/* ---- what is to come --------------------------------------------------------------------------------------------- */

void pat_sheet_lane_init(struct pat_sheet_lane *lane) {
    lane->x = lane->long_x = -1;
    lane->long_count = 0;
}

void pat_sheet_fill(struct pat_sheet *sheet, struct pat_sheet_lane *lane, size_t first, size_t end) {
    const struct pat_slices slices = pat_slices__of(&sheet->terms);
    for (size_t i = first; i < end; i++) {
        struct pat_sheet_cell *const cell = &sheet->cell[i];
        const double x = (double)(cell->key >> 32), T = (double)(cell->key & UINT32_MAX) / sheet->terms.unit_days;
        const struct pat_btyd_pattern of = {.x = x, .T = T};
        double sum[2] = {0, 0};
        cell->odds = sheet->model->ops->log_odds(sheet->model, sheet->params, x);
        if (slices.to > 0) sheet->model->ops->ahead(sheet, lane, &of, &slices, sum);
        cell->expected = sum[0];
        cell->discounted = sum[1];
    }
}

/* ---- customers --------------------------------------------------------------------------------------------------- */

void pat_sheet_score(const struct pat_sheet *sheet, size_t n, const uint32_t *x, const uint32_t *t_x, const uint32_t *T,
                     double *p_alive, double *expected, double *discounted) {
    uint32_t cell[PAT_SHEET_BLOCK];
    PAT_DEBUG_ASSERT(n <= PAT_SHEET_BLOCK);
    for (size_t i = 0; i < n; i++) {
        cell[i] = sheet->slot[slot_of(sheet, (uint64_t)x[i] << 32 | T[i])];
        const double gap = sheet->log_time[T[i]] - sheet->log_time[t_x[i]];
        p_alive[i] = -(sheet->cell[cell[i]].odds + (sheet->params[0] + x[i]) * gap);
    }
    sheet->kernels->share(p_alive, n, p_alive);
    for (size_t i = 0; i < n; i++) {
        expected[i] = p_alive[i] * sheet->cell[cell[i]].expected;
        discounted[i] = p_alive[i] * sheet->cell[cell[i]].discounted;
    }
}
