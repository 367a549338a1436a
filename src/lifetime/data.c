#include "lifetime/data_private.h"

#include "base/mem.h"
#include "base/size.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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

static void *array_new(size_t count, size_t size) {
    size_t bytes;
    return pat_size_mul(count, size, &bytes) ? pat_mem_alloc_big(PAT_MEM_QUERY, bytes) : NULL;
}

static double *doubles_new(size_t count) {
    return array_new(count, sizeof(double));
}

static uint32_t *indexes_new(size_t count) {
    return array_new(count, sizeof(uint32_t));
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

/* ---- order ------------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b) {
    const double left = **(const double *const *)a, right = **(const double *const *)b;
    return (left > right) - (left < right);
}

enum pat_status pat_distinct__sort(double *value, size_t distinct, uint32_t *index, size_t count) {
    double **const order = array_new(distinct, sizeof *order), *const sorted = doubles_new(distinct);
    uint32_t *const rank = indexes_new(distinct);
    const bool all = order != NULL && sorted != NULL && rank != NULL;
    if (all) {
        for (size_t i = 0; i < distinct; i++) order[i] = &value[i];
        qsort(order, distinct, sizeof *order, compare_doubles);
        for (size_t i = 0; i < distinct; i++) {
            rank[order[i] - value] = (uint32_t)i;
            sorted[i] = *order[i];
        }
        memcpy(value, sorted, distinct * sizeof *value);
        for (size_t i = 0; i < count; i++) index[i] = rank[index[i]];
    }
    pat_mem_free(PAT_MEM_QUERY, order);
    pat_mem_free(PAT_MEM_QUERY, sorted);
    pat_mem_free(PAT_MEM_QUERY, rank);
    return all ? PAT_OK : PAT_ERR_NO_MEMORY;
}

enum pat_status pat_order__by_key(const uint32_t *key, size_t count, size_t keys, size_t **start, uint32_t *place) {
    size_t *const at = array_new(keys + 1, sizeof *at);
    if (at == NULL) return PAT_ERR_NO_MEMORY;
    memset(at, 0, (keys + 1) * sizeof *at);
    for (size_t i = 0; i < count; i++) at[key[i] + 1]++;
    for (size_t k = 0; k < keys; k++) at[k + 1] += at[k];
    for (size_t i = 0; i < count; i++) place[i] = (uint32_t)at[key[i]]++;
    /* Each has run to where the next one began. */
    memmove(at + 1, at, keys * sizeof *at);
    at[0] = 0;
    *start = at;
    return PAT_OK;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static enum pat_status take_patterns(struct pat_data *data, size_t count) {
    data->count = count;
    data->t_x = indexes_new(count);
    data->T = indexes_new(count);
    data->weight = doubles_new(count);
    return data->t_x == NULL || data->T == NULL || data->weight == NULL ? PAT_ERR_NO_MEMORY : PAT_OK;
}

/* t_x and T share one list of times. */
static enum pat_status find_times(struct pat_data *data, const struct pat_btyd_pattern *patterns,
                                  const uint32_t *place) {
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
        data->t_x[place[i]] = index[2 * i];
        data->T[place[i]] = index[2 * i + 1];
    }
    pat_mem_free(PAT_MEM_QUERY, both);
    pat_mem_free(PAT_MEM_QUERY, index);
    return status;
}

/* Runs of patterns, x rising, and where each pattern goes. */
static enum pat_status find_runs(struct pat_data *data, const struct pat_btyd_pattern *patterns, uint32_t *index,
                                 uint32_t *place) {
    const size_t stride = sizeof *patterns / sizeof patterns->x;
    double *x = NULL;
    size_t *start = NULL;
    PAT_TRY(pat_distinct__find(&patterns->x, data->count, stride, index, &x, &data->runs));
    enum pat_status status = pat_distinct__sort(x, data->runs, index, data->count);
    if (status == PAT_OK) status = pat_order__by_key(index, data->count, data->runs, &start, place);
    data->run = array_new(data->runs, sizeof *data->run);
    if (data->run == NULL) status = PAT_ERR_NO_MEMORY;
    for (size_t i = 0; i < data->runs && status == PAT_OK; i++) {
        data->run[i] = (struct pat_data_run){.x = x[i], .first = start[i], .end = start[i + 1]};
    }
    pat_mem_free(PAT_MEM_QUERY, x);
    pat_mem_free(PAT_MEM_QUERY, start);
    return status;
}

/* Spans of one run, in order of first appearance; `weight_of` has a zero for each time, and is left so. */
static void collect_spans(struct pat_data *data, struct pat_data_run *run, double *weight_of) {
    run->span_first = data->spans;
    for (size_t i = run->first; i < run->end; i++) {
        if (weight_of[data->T[i]] == 0) data->span_T[data->spans++] = data->T[i];
        weight_of[data->T[i]] += data->weight[i];
        run->weight += data->weight[i];
    }
    run->span_end = data->spans;
    for (size_t i = run->span_first; i < run->span_end; i++) {
        data->span_weight[i] = weight_of[data->span_T[i]];
        weight_of[data->span_T[i]] = 0;
    }
}

static enum pat_status find_spans(struct pat_data *data) {
    double *const weight_of = doubles_new(data->time_count);
    data->span_T = indexes_new(data->count);
    data->span_weight = doubles_new(data->count);
    const bool all = weight_of != NULL && data->span_T != NULL && data->span_weight != NULL;
    for (size_t i = 0; i < data->time_count && all; i++) weight_of[i] = 0;
    for (size_t i = 0; i < data->runs && all; i++) collect_spans(data, &data->run[i], weight_of);
    pat_mem_free(PAT_MEM_QUERY, weight_of);
    return all ? PAT_OK : PAT_ERR_NO_MEMORY;
}

static enum pat_status take_tables(struct pat_data *data) {
    size_t longest = 0;
    bool all = true;
    for (size_t i = 0; i < data->runs; i++) {
        const size_t length = data->run[i].end - data->run[i].first;
        if (length > longest) longest = length;
    }
    for (size_t i = 0; i < PAT_X_COLUMNS; i++) all = (data->x_table[i] = doubles_new(data->runs)) != NULL && all;
    data->time = array_new(data->time_count, sizeof *data->time);
    data->block_sums = doubles_new(PAT_KERNEL_SUMS * pat_blocks(longest));
    data->run_sums = doubles_new(PAT_TERMS * data->runs);
    return all && data->time != NULL && data->block_sums != NULL && data->run_sums != NULL ? PAT_OK : PAT_ERR_NO_MEMORY;
}

static void add_up(struct pat_data *data) {
    for (size_t i = 0; i < data->runs; i++) {
        const struct pat_data_run *run = &data->run[i];
        for (size_t k = run->span_first; k < run->span_end; k++) {
            const double weight = data->span_weight[k];
            data->customers += weight;
            if (run->x > 0) data->repeaters += weight;
            data->x_sum += weight * run->x;
            data->T_sum += weight * data->time_value[data->span_T[k]];
        }
    }
}

static enum pat_status finish(struct pat_data *data) {
    PAT_TRY(find_spans(data));
    PAT_TRY(take_tables(data));
    add_up(data);
    return PAT_OK;
}

static enum pat_status load(struct pat_data *data, const struct pat_btyd_pattern *patterns, size_t count) {
    PAT_TRY(take_patterns(data, count));
    uint32_t *const index = indexes_new(count), *const place = indexes_new(count);
    enum pat_status status = index == NULL || place == NULL ? PAT_ERR_NO_MEMORY : PAT_OK;
    if (status == PAT_OK) status = find_runs(data, patterns, index, place);
    pat_mem_free(PAT_MEM_QUERY, index);
    if (status == PAT_OK) status = find_times(data, patterns, place);
    for (size_t i = 0; i < count && status == PAT_OK; i++) data->weight[place[i]] = patterns[i].weight;
    pat_mem_free(PAT_MEM_QUERY, place);
    return status == PAT_OK ? finish(data) : status;
}

enum pat_status pat_data__init(struct pat_data *data, const struct pat_btyd_pattern *patterns, size_t count,
                               const struct pat_fit_options *options, struct pat_error *error) {
    PAT_TRY(check_patterns(patterns, count, error));
    const bool kernels = options != NULL && options->kernels != NULL;
    *data = (struct pat_data){.kernels = kernels ? options->kernels : &pat_kernels_scalar,
                              .spread = options == NULL ? NULL : options->spread};
    const enum pat_status status = load(data, patterns, count);
    if (status == PAT_OK) return PAT_OK;
    pat_data__deinit(data);
    return pat_error_set(error, status, "no memory to fit %zu patterns", count);
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* Patterns of `run` whose customers are among every step-th; *before counts customers so far. */
static void sample_run(struct pat_data *out, const struct pat_data *data, const struct pat_data_run *run, double step,
                       double *before) {
    struct pat_data_run *const into = &out->run[out->runs];
    *into = (struct pat_data_run){.x = run->x, .first = out->count};
    for (size_t i = run->first; i < run->end; i++) {
        const double after = *before + data->weight[i], taken = floor(after / step) - floor(*before / step);
        *before = after;
        if (!(taken > 0)) continue;
        out->t_x[out->count] = data->t_x[i];
        out->T[out->count] = data->T[i];
        out->weight[out->count++] = taken * step;
    }
    into->end = out->count;
    if (into->end > into->first) out->runs++;
}

static enum pat_status sample(struct pat_data *out, const struct pat_data *data, double step) {
    const size_t most = (size_t)fmin((double)data->count, data->customers / step + 1);
    double before = 0;
    PAT_TRY(take_patterns(out, most));
    out->run = array_new(data->runs, sizeof *out->run);
    out->time_value = doubles_new(data->time_count);
    if (out->run == NULL || out->time_value == NULL) return PAT_ERR_NO_MEMORY;
    out->time_count = data->time_count;
    memcpy(out->time_value, data->time_value, data->time_count * sizeof *out->time_value);
    out->count = 0;
    for (size_t i = 0; i < data->runs; i++) sample_run(out, data, &data->run[i], step, &before);
    return finish(out);
}

enum pat_status pat_data__sample(struct pat_data *out, const struct pat_data *data, double step) {
    *out = (struct pat_data){.kernels = data->kernels, .spread = data->spread};
    const enum pat_status status = sample(out, data, step);
    if (status != PAT_OK) pat_data__deinit(out);
    return status;
}

void pat_data__deinit(struct pat_data *data) {
    pat_mem_free(PAT_MEM_QUERY, data->t_x);
    pat_mem_free(PAT_MEM_QUERY, data->T);
    pat_mem_free(PAT_MEM_QUERY, data->weight);
    pat_mem_free(PAT_MEM_QUERY, data->run);
    pat_mem_free(PAT_MEM_QUERY, data->span_T);
    pat_mem_free(PAT_MEM_QUERY, data->span_weight);
    pat_mem_free(PAT_MEM_QUERY, data->time_value);
    pat_mem_free(PAT_MEM_QUERY, data->time);
    for (size_t i = 0; i < PAT_X_COLUMNS; i++) pat_mem_free(PAT_MEM_QUERY, data->x_table[i]);
    pat_mem_free(PAT_MEM_QUERY, data->block_sums);
    pat_mem_free(PAT_MEM_QUERY, data->run_sums);
    *data = (struct pat_data){0};
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

void pat_data__span_sums(struct pat_data *data, const struct pat_data_run *run, double out[2]) {
    const size_t blocks = pat_blocks(run->span_end - run->span_first);
    double term[2][PAT_BLOCK];
    for (size_t block = 0; block < blocks; block++) {
        const size_t first = run->span_first + block * PAT_BLOCK, left = run->span_end - first;
        const size_t n = left < PAT_BLOCK ? left : PAT_BLOCK;
        for (size_t i = 0; i < n; i++) {
            const double weight = data->span_weight[first + i], *time = data->time[data->span_T[first + i]];
            term[0][i] = weight * time[0];
            term[1][i] = weight * time[1];
        }
        for (size_t k = 0; k < 2; k++) data->block_sums[k * blocks + block] = pat_sum__lanes(term[k], n);
    }
    for (size_t k = 0; k < 2; k++) out[k] = pat_sum__pairwise(data->block_sums + k * blocks, blocks);
}

struct odds_of {
    const struct pat_data *data;
    struct pat_kernel_odds odds;
};

static void odds_of_block(const void *context, size_t first, size_t n, double sums[PAT_KERNEL_SUMS]) {
    const struct odds_of *of = context;
    const struct pat_data *data = of->data;
    data->kernels->odds_sums(data->T + first, data->t_x + first, data->weight + first, n, &of->odds, sums);
}

void pat_data__odds_sums(struct pat_data *data, const struct pat_data_run *run, double shift, double scale,
                         double out[PAT_KERNEL_SUMS]) {
    const struct odds_of of = {data, {.time = (const double(*)[2])data->time, .shift = shift, .scale = scale}};
    pat_blocks__sum(data->spread, run->first, run->end, odds_of_block, &of, data->block_sums, out);
}

/* ---- blocks by several threads ----------------------------------------------------------------------------------- */

struct blocks {
    size_t first, end, count;
    pat_block_sums_cb *sums_cb;
    const void *context;
    double *sums; /* [PAT_KERNEL_SUMS][count] */
};

static void sum_part(void *context, uint32_t part, unsigned lane) {
    const struct blocks *blocks = context;
    const size_t begin = (size_t)part * PAT_PART_BLOCKS, left = blocks->count - begin;
    const size_t end = begin + (left < PAT_PART_BLOCKS ? left : PAT_PART_BLOCKS);
    (void)lane;
    for (size_t block = begin; block < end; block++) {
        const size_t first = blocks->first + block * PAT_BLOCK, rest = blocks->end - first;
        double sums[PAT_KERNEL_SUMS];
        blocks->sums_cb(blocks->context, first, rest < PAT_BLOCK ? rest : PAT_BLOCK, sums);
        for (size_t k = 0; k < PAT_KERNEL_SUMS; k++) blocks->sums[k * blocks->count + block] = sums[k];
    }
}

void pat_blocks__sum(const struct pat_spread *spread, size_t first, size_t end, pat_block_sums_cb *sums_cb,
                     const void *context, double *scratch, double out[PAT_KERNEL_SUMS]) {
    const size_t count = pat_blocks(end - first);
    struct blocks blocks = {first, end, count, sums_cb, context, scratch};
    pat_spread_run(count >= 2 * PAT_PART_BLOCKS ? spread : NULL, sum_part, &blocks,
                   (uint32_t)((count + PAT_PART_BLOCKS - 1) / PAT_PART_BLOCKS));
    for (size_t k = 0; k < PAT_KERNEL_SUMS; k++) out[k] = pat_sum__pairwise(scratch + k * count, count);
}
