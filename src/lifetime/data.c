#include "lifetime/data_private.h"

#include "base/mem.h"
#include "base/size.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 8u
/* Slots of a set of distinct values at the start; it doubles when half full. Days of some years fit. */
#define SLOTS_MIN 4096u
#define SLOT_FREE UINT32_MAX

double pat_sum__lanes(const double *value, size_t n) {
    double lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) lane[i % LANES] += value[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

double pat_sum__pairwise(const double *value, size_t n) {
    if (n <= 2) return n == 0 ? 0 : n == 1 ? value[0] : value[0] + value[1];
    const size_t half = (n + 1) / 2;
    return pat_sum__pairwise(value, half) + pat_sum__pairwise(value + half, n - half);
}

static double *doubles_new(size_t count) {
    size_t bytes;
    return pat_size_mul(count, sizeof(double), &bytes) ? pat_mem_alloc(PAT_MEM_QUERY, bytes) : NULL;
}

static uint32_t *indexes_new(size_t count) {
    size_t bytes;
    return pat_size_mul(count, sizeof(uint32_t), &bytes) ? pat_mem_alloc(PAT_MEM_QUERY, bytes) : NULL;
}

/* An open-addressed set of doubles: slots hold positions in `value`. */
struct distinct {
    double *value;
    size_t count;
    uint32_t *slot;
    size_t slots; /* a power of two, at least twice `count` */
};

static size_t distinct_slot(const struct distinct *set, double value) {
    const double plain = value + 0.0; /* -0 and 0 are one value */
    uint64_t bits;
    memcpy(&bits, &plain, sizeof bits);
    bits ^= bits >> 32; /* whole numbers differ only in their high bits */
    bits *= UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(bits >> 32) & (set->slots - 1);
    while (set->slot[at] != SLOT_FREE && !(set->value[set->slot[at]] == plain)) at = (at + 1) & (set->slots - 1);
    return at;
}

static void distinct_free(struct distinct *set) {
    pat_mem_free(PAT_MEM_QUERY, set->value);
    pat_mem_free(PAT_MEM_QUERY, set->slot);
    *set = (struct distinct){0};
}

/* Doubles the set; it stays as it was when there is no memory. */
static enum pat_status distinct_grow(struct distinct *set) {
    struct distinct next = {.count = set->count, .slots = set->slots == 0 ? SLOTS_MIN : set->slots * 2};
    next.value = doubles_new(next.slots / 2);
    next.slot = indexes_new(next.slots);
    if (next.value == NULL || next.slot == NULL) {
        distinct_free(&next);
        return PAT_ERR_NO_MEMORY;
    }
    memset(next.slot, 0xff, next.slots * sizeof *next.slot);
    for (size_t i = 0; i < set->count; i++) {
        next.value[i] = set->value[i];
        next.slot[distinct_slot(&next, next.value[i])] = (uint32_t)i;
    }
    distinct_free(set);
    *set = next;
    return PAT_OK;
}

enum pat_status pat_distinct__find(const double *value, size_t count, size_t stride, uint32_t *index, double **out,
                                   size_t *out_count) {
    struct distinct set = {0};
    enum pat_status status = distinct_grow(&set);
    for (size_t i = 0; i < count && status == PAT_OK; i++) {
        size_t at = distinct_slot(&set, value[i * stride]);
        if (set.slot[at] == SLOT_FREE) {
            if (set.count == set.slots / 2) {
                status = distinct_grow(&set);
                if (status != PAT_OK) break;
                at = distinct_slot(&set, value[i * stride]);
            }
            set.slot[at] = (uint32_t)set.count;
            set.value[set.count++] = value[i * stride] + 0.0;
        }
        index[i] = set.slot[at];
    }
    if (status != PAT_OK) {
        distinct_free(&set);
        return status;
    }
    pat_mem_free(PAT_MEM_QUERY, set.slot);
    *out = set.value;
    *out_count = set.count;
    return PAT_OK;
}

bool pat_btyd_pattern_valid(const struct pat_btyd_pattern *pattern) {
    const double x = pattern->x, t_x = pattern->t_x, T = pattern->T;
    if (!(x >= 0) || !isfinite(x) || x != floor(x)) return false;
    if (!(t_x >= 0) || !(t_x <= T) || !isfinite(T)) return false;
    return x > 0 || t_x == 0;
}

static enum pat_status check_patterns(const struct pat_btyd_pattern *patterns, size_t count, struct pat_error *error) {
    if (count == 0) return pat_error_set(error, PAT_ERR_BAD_REQUEST, "no customers to fit");
    /* Indexes are 32 bits, and there are fewer customers than that. */
    if (count > UINT32_MAX / 2) return pat_error_set(error, PAT_ERR_TOO_LARGE, "too many patterns for one fit");
    for (size_t i = 0; i < count; i++) {
        const struct pat_btyd_pattern *p = &patterns[i];
        if (pat_btyd_pattern_valid(p) && p->weight > 0 && isfinite(p->weight)) continue;
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, NULL, (int64_t)i, -1,
                                "no customer looks like x = %g, t_x = %g, T = %g (weight %g): x is a whole number, "
                                "0 <= t_x <= T, t_x is 0 when x is 0, the weight is above 0",
                                p->x, p->t_x, p->T, p->weight);
    }
    return PAT_OK;
}

/* t_x and T share one list of times: patterns hold them side by side, so pairs are read with the stride of a pattern.
 */
static enum pat_status find_times(struct pat_data *data, const struct pat_btyd_pattern *patterns) {
    double *both = doubles_new(2 * data->count);
    uint32_t *index = indexes_new(2 * data->count);
    enum pat_status status = both == NULL || index == NULL ? PAT_ERR_NO_MEMORY : PAT_OK;
    for (size_t i = 0; i < data->count && status == PAT_OK; i++) {
        both[2 * i] = patterns[i].t_x;
        both[2 * i + 1] = patterns[i].T;
    }
    if (status == PAT_OK) {
        status = pat_distinct__find(both, 2 * data->count, 1, index, &data->time_value, &data->time_count);
    }
    for (size_t i = 0; i < data->count && status == PAT_OK; i++) {
        data->t_x[i] = index[2 * i];
        data->T[i] = index[2 * i + 1];
    }
    pat_mem_free(PAT_MEM_QUERY, both);
    pat_mem_free(PAT_MEM_QUERY, index);
    return status;
}

static enum pat_status take_tables(struct pat_data *data) {
    bool all = true;
    for (size_t i = 0; i < PAT_X_COLUMNS; i++) all = (data->x_table[i] = doubles_new(data->x_count)) != NULL && all;
    for (size_t i = 0; i < PAT_TIME_COLUMNS; i++) {
        all = (data->time_table[i] = doubles_new(data->time_count)) != NULL && all;
    }
    data->block_sums = doubles_new(PAT_TERMS * pat_blocks(data->count));
    return all && data->block_sums != NULL ? PAT_OK : PAT_ERR_NO_MEMORY;
}

static void add_up(struct pat_data *data, const struct pat_btyd_pattern *patterns) {
    for (size_t i = 0; i < data->count; i++) {
        const double weight = patterns[i].weight;
        data->weight[i] = weight;
        data->customers += weight;
        if (patterns[i].x > 0) data->repeaters += weight;
        data->x_sum += weight * patterns[i].x;
        data->T_sum += weight * patterns[i].T;
    }
}

static enum pat_status load(struct pat_data *data, const struct pat_btyd_pattern *patterns) {
    data->x = indexes_new(data->count);
    data->t_x = indexes_new(data->count);
    data->T = indexes_new(data->count);
    data->weight = doubles_new(data->count);
    if (data->x == NULL || data->t_x == NULL || data->T == NULL || data->weight == NULL) return PAT_ERR_NO_MEMORY;
    const size_t stride = sizeof *patterns / sizeof patterns->x;
    PAT_TRY(pat_distinct__find(&patterns->x, data->count, stride, data->x, &data->x_value, &data->x_count));
    PAT_TRY(find_times(data, patterns));
    PAT_TRY(take_tables(data));
    add_up(data, patterns);
    return PAT_OK;
}

enum pat_status pat_data__init(struct pat_data *data, const struct pat_btyd_pattern *patterns, size_t count,
                               struct pat_error *error) {
    PAT_TRY(check_patterns(patterns, count, error));
    *data = (struct pat_data){.count = count};
    const enum pat_status status = load(data, patterns);
    if (status == PAT_OK) return PAT_OK;
    pat_data__deinit(data);
    return pat_error_set(error, status, "no memory to fit %zu patterns", count);
}

void pat_data__deinit(struct pat_data *data) {
    pat_mem_free(PAT_MEM_QUERY, data->x);
    pat_mem_free(PAT_MEM_QUERY, data->t_x);
    pat_mem_free(PAT_MEM_QUERY, data->T);
    pat_mem_free(PAT_MEM_QUERY, data->weight);
    pat_mem_free(PAT_MEM_QUERY, data->x_value);
    pat_mem_free(PAT_MEM_QUERY, data->time_value);
    for (size_t i = 0; i < PAT_X_COLUMNS; i++) pat_mem_free(PAT_MEM_QUERY, data->x_table[i]);
    for (size_t i = 0; i < PAT_TIME_COLUMNS; i++) pat_mem_free(PAT_MEM_QUERY, data->time_table[i]);
    pat_mem_free(PAT_MEM_QUERY, data->block_sums);
    *data = (struct pat_data){0};
}
