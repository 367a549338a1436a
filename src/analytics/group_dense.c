/* Groups by place: see group_private.h. */
#include "analytics/group_private.h"

#include "model/date.h"

#include <string.h>

/* Days of a table from day to cell: more than a life's. */
#define DAYS_MAX 65536

/* Up to here cells are few enough for neighbours to meet in one, and for copies of them to stay in the first cache. */
#define COPIED_CELLS_MAX 512u

/* What 64 bits of a cell may hold before they are added to its 128, which is done for all cells at once; a block of
 * greater values than this goes there itself. */
#define ROOM          ((uint64_t)1 << 62)
#define MAGNITUDE_MAX (ROOM / PAT_BLOCK_ROWS)

/* ---- how many values a dimension has ----------------------------------------------------------------------------- */

/* Bounds of a block whose column does not say them. */
static void widen_bounds(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                         int64_t *low, int64_t *high) {
    int64_t value[PAT_BLOCK_ROWS], least = INT64_MAX, greatest = INT64_MIN;
    uint64_t all[PAT_BLOCK_WORDS] = {0};
    pat_bits__fill(all, count);
    pat_source__read(run, source, first, count, value);
    run->kernels->bounds(value, all, count, &least, &greatest);
    if (least < *low) *low = least;
    if (greatest > *high) *high = greatest;
}

bool pat_source__bounds(const struct pat_run *run, const struct pat_source *source, uint64_t rows, int64_t *low,
                        int64_t *high) {
    *low = INT64_MAX;
    *high = INT64_MIN;
    for (uint64_t first = 0; first < rows; first += PAT_BLOCK_ROWS) {
        const uint64_t left = rows - first;
        int64_t least, greatest;
        bool any_null;
        struct pat_strip strip;
        if (!pat_source__strip(run, source, (pat_row)first, &strip)) return false;
        if (!pat_strip__bounds(&strip, &least, &greatest, &any_null)) {
            widen_bounds(run, source, (pat_row)first, left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS, low,
                         high);
            continue;
        }
        if (least < *low) *low = least;
        if (greatest > *high) *high = greatest;
    }
    return true;
}

static int64_t of_day(const struct pat_dimension *dimension, int64_t day) {
    if (dimension->kind == PAT_DIMENSION_MONTH) return pat_day_to_month((pat_day)day);
    return dimension->kind == PAT_DIMENSION_YEAR ? pat_day_to_civil((pat_day)day).year : day;
}

/* The civil calendar once for each day instead of once for each row. */
static enum pat_status plan_days(struct pat_run *run, const struct pat_dimension *dimension, int64_t low, int64_t high,
                                 struct pat_dense_dimension *out) {
    void *memory;
    if (low > high) {
        out->cells = 1;
        return PAT_OK;
    }
    if ((uint64_t)high - (uint64_t)low >= DAYS_MAX) return PAT_OK;
    out->low = of_day(dimension, low);
    const int64_t cells = of_day(dimension, high) - out->low + 2;
    if (cells > PAT_DENSE_CELLS_MAX) return PAT_OK;
    PAT_TRY(pat_run__array(run, (uint64_t)(high - low) + 1, sizeof(uint16_t), &memory));
    uint16_t *const cell = memory;
    for (int64_t day = low; day <= high; day++) {
        cell[day - low] = (uint16_t)(of_day(dimension, day) - out->low + 1);
    }
    out->cells = (uint32_t)cells;
    out->of_day = cell;
    out->low_day = low;
    return PAT_OK;
}

static bool is_score(const struct pat_source *source) {
    return source->kind == PAT_SOURCE_SCORE_R || source->kind == PAT_SOURCE_SCORE_F ||
           source->kind == PAT_SOURCE_SCORE_M;
}

/* Leaves out->cells 0 where there are too many values, or nobody knows how many. */
static enum pat_status plan_dimension(const struct pat_grouping *grouping, const struct pat_dimension *dimension,
                                      struct pat_dense_dimension *out) {
    const struct pat_source *source = &dimension->source;
    const bool codes = source->type == PAT_TYPE_TEXT || source->type == PAT_TYPE_SET;
    int64_t low, high;
    *out = (struct pat_dense_dimension){0};
    if (dimension->kind == PAT_DIMENSION_BIN) {
        out->cells = dimension->edges + 2;
    } else if (dimension->kind == PAT_DIMENSION_FIELD && codes) {
        const uint32_t count = pat_source__codes(grouping->run, source);
        if (count < PAT_DENSE_CELLS_MAX) out->cells = count + 1;
    } else if (dimension->kind == PAT_DIMENSION_FIELD && is_score(source)) {
        out->cells = 7; /* 0 where nobody scored, to 5 */
    } else if (source->type == PAT_TYPE_DAY || source->type == PAT_TYPE_INT || source->type == PAT_TYPE_BOOL) {
        if (!pat_source__bounds(grouping->run, source, grouping->of.rows, &low, &high)) return PAT_OK;
        if (dimension->kind != PAT_DIMENSION_FIELD) return plan_days(grouping->run, dimension, low, high, out);
        if (low > high) low = high = 0;
        if ((uint64_t)high - (uint64_t)low >= PAT_DENSE_CELLS_MAX - 2) return PAT_OK;
        out->low = low;
        out->cells = (uint32_t)(high - low) + 2;
    }
    return PAT_OK;
}

static bool adds_up(const struct pat_grouping *grouping) {
    if (grouping->own_money) return false;
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        if (measure->source.type == PAT_TYPE_DECIMAL || measure->metric->kind == PAT_METRIC_CUSTOMERS) return false;
    }
    return true;
}

static bool sums(const struct pat_measure *measure) {
    return measure->metric->kind == PAT_METRIC_SUM || measure->metric->kind == PAT_METRIC_AVG;
}

static enum pat_status make_arrays(struct pat_grouping *grouping) {
    struct pat_run *run = grouping->run;
    struct pat_dense *dense = grouping->dense;
    const uint64_t lanes = pat_run__lanes(run), cells = lanes * dense->cells;
    void *memory;
    dense->stride = dense->cells <= COPIED_CELLS_MAX ? dense->cells : 0;
    dense->copies = dense->stride > 0 ? PAT_KERNEL_COPIES : 1;
    PAT_TRY(pat_run__array(run, lanes, sizeof(struct pat_dense_block), &memory));
    dense->block = memory;
    PAT_TRY(pat_run__array(run, cells * dense->copies, sizeof(uint32_t), &memory));
    dense->count = memory;
    PAT_TRY(pat_run__array(run, cells * grouping->measures, sizeof(struct pat_gather), &memory));
    dense->gather = memory;
    PAT_TRY(pat_run__array(run, lanes * grouping->measures, sizeof(struct pat_dense_sums), &memory));
    dense->sums = memory;
    for (uint64_t i = 0; i < lanes * grouping->measures; i++) {
        if (!sums(&grouping->measure[i % grouping->measures])) continue;
        PAT_TRY(pat_run__array(run, (uint64_t)dense->cells * dense->copies, sizeof(int64_t), &memory));
        dense->sums[i].sum = memory;
        PAT_TRY(pat_run__array(run, dense->cells, sizeof(uint32_t), &memory));
        dense->sums[i].nulls = memory;
    }
    return PAT_OK;
}

enum pat_status pat_dense__plan(struct pat_grouping *grouping) {
    struct pat_run *run = grouping->run;
    struct pat_dense dense = {.cells = 1};
    const unsigned lanes = pat_run__lanes(run);
    void *memory;
    bool possible;
    if (!adds_up(grouping)) return PAT_OK;
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        struct pat_dense_dimension *dimension = &dense.dimension[d];
        PAT_TRY(plan_dimension(grouping, &grouping->dimension[d], dimension));
        if (dimension->cells == 0 || (uint64_t)dimension->cells * dense.cells > PAT_DENSE_CELLS_MAX) return PAT_OK;
        dimension->stride = dense.cells;
        dense.cells *= dimension->cells;
    }
    /* A place for every combination must not cost more than the rows do. */
    if ((uint64_t)dense.cells * lanes > 1024 + grouping->of.rows) return PAT_OK;
    PAT_TRY(pat_run__array(run, 1, sizeof dense, &memory));
    grouping->dense = memory;
    *grouping->dense = dense;
    PAT_TRY(pat_histogram__plan(grouping, &possible));
    if (!possible) {
        grouping->dense = NULL;
        return PAT_OK;
    }
    return make_arrays(grouping);
}

/* ---- the pass over the rows -------------------------------------------------------------------------------------- */

static void flush(const struct pat_grouping *grouping, unsigned lane, uint32_t m) {
    const struct pat_dense *dense = grouping->dense;
    struct pat_dense_sums *sums = &dense->sums[(size_t)lane * grouping->measures + m];
    struct pat_gather *gather = dense->gather + (size_t)lane * dense->cells * grouping->measures + m;
    for (uint32_t copy = 0; copy < dense->copies; copy++) {
        int64_t *const sum = sums->sum + (size_t)copy * dense->stride;
        for (uint32_t cell = 0; cell < dense->cells; cell++) gather[(size_t)cell * grouping->measures].sum += sum[cell];
        memset(sum, 0, dense->cells * sizeof *sum);
    }
    sums->held = 0;
}

/* Values that are too great to be added in 64 bits, or that are null here and there. */
static void add_slowly(const struct pat_grouping *grouping, const struct pat_dense_block *block, unsigned lane,
                       uint32_t m) {
    const struct pat_dense *dense = grouping->dense;
    struct pat_gather *gather = dense->gather + (size_t)lane * dense->cells * grouping->measures + m;
    uint32_t *const nulls = dense->sums[(size_t)lane * grouping->measures + m].nulls;
    for (uint32_t i = 0; i < block->rows; i++) {
        const bool null = block->value[i] == PAT_NULL;
        nulls[block->cell[i]] += null;
        gather[(size_t)block->cell[i] * grouping->measures].sum += null ? 0 : block->value[i];
    }
}

static void add_sums(const struct pat_grouping *grouping, const struct pat_dense_block *block, unsigned lane,
                     uint32_t m) {
    const struct pat_dense *dense = grouping->dense;
    struct pat_dense_sums *sums = &dense->sums[(size_t)lane * grouping->measures + m];
    if (block->any_null || block->magnitude > MAGNITUDE_MAX) {
        add_slowly(grouping, block, lane, m);
        return;
    }
    const uint64_t most = block->magnitude * block->rows;
    if (most > ROOM - sums->held) flush(grouping, lane, m);
    sums->held += most;
    grouping->run->kernels->place_sum(block->cell, block->value, block->rows, dense->stride, sums->sum);
}

static void add_bounds(const struct pat_dense_block *block, struct pat_gather *gather, uint32_t measures) {
    for (uint32_t i = 0; i < block->rows; i++) {
        if (block->value[i] == PAT_NULL) continue;
        pat_gather__add(&gather[(size_t)block->cell[i] * measures], block->value[i]);
    }
}

static void gather_block(const struct pat_grouping *grouping, pat_row first, uint32_t count, unsigned lane) {
    const struct pat_dense *dense = grouping->dense;
    struct pat_dense_block *block = &dense->block[lane];
    /* Histograms know how many rows they have. */
    if (grouping->lists == 0) {
        grouping->run->kernels->place_count(block->cell, block->rows, dense->stride,
                                            dense->count + (size_t)lane * dense->cells * dense->copies);
    }
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        if (measure->metric->kind == PAT_METRIC_COUNT || pat_measure__listed(measure)) continue;
        pat_dense__read(grouping, &measure->source, first, count, block);
        if (sums(measure)) {
            add_sums(grouping, block, lane, m);
        } else {
            add_bounds(block, dense->gather + (size_t)lane * dense->cells * grouping->measures + m, grouping->measures);
        }
    }
    for (uint32_t i = 0; i < grouping->lists; i++) {
        pat_histogram__add(grouping, &grouping->list[i], first, count, block, lane);
    }
}

static enum pat_status walk_part(void *context, const struct pat_part *part) {
    const struct pat_grouping *grouping = context;
    struct pat_dense_block *block = &grouping->dense->block[part->lane];
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        pat_dense__load(grouping, grouping->of.bits + first / 64, (pat_row)first, count, block);
        if (block->rows > 0) gather_block(grouping, (pat_row)first, count, part->lane);
    }
    return PAT_OK;
}

/* ---- from cells to groups ---------------------------------------------------------------------------------------- */

static void key_of(const struct pat_grouping *grouping, uint32_t cell, int64_t *key) {
    const struct pat_dense *dense = grouping->dense;
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const struct pat_dense_dimension *dimension = &dense->dimension[d];
        const uint32_t digit = cell / dimension->stride % dimension->cells;
        key[d] = digit == 0 ? PAT_NULL : dimension->low + (int64_t)digit - 1;
    }
}

static uint64_t rows_of(const struct pat_grouping *grouping, uint32_t cell) {
    const struct pat_dense *dense = grouping->dense;
    uint64_t rows = 0;
    if (grouping->lists > 0) return pat_histogram__rows(grouping, &grouping->list[0], cell);
    for (uint64_t copy = 0; copy < (uint64_t)pat_run__lanes(grouping->run) * dense->copies; copy++) {
        rows += dense->count[copy * dense->cells + cell];
    }
    return rows;
}

static void merge_cell(struct pat_grouping *grouping, uint32_t cell, uint64_t rows, struct pat_gather *into) {
    const struct pat_dense *dense = grouping->dense;
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        uint64_t nulls = 0;
        for (unsigned lane = 0; lane < pat_run__lanes(grouping->run); lane++) {
            const struct pat_gather *gather =
                &dense->gather[((size_t)lane * dense->cells + cell) * grouping->measures + m];
            if (!sums(measure)) {
                pat_gather__merge(measure, &into[m], gather);
                continue;
            }
            into[m].sum += gather->sum;
            nulls += dense->sums[(size_t)lane * grouping->measures + m].nulls[cell];
        }
        if (sums(measure)) into[m].count = rows - nulls;
        if (measure->metric->kind == PAT_METRIC_COUNT) into[m].count = rows;
    }
}

static void flush_all(const struct pat_grouping *grouping) {
    for (unsigned lane = 0; lane < pat_run__lanes(grouping->run); lane++) {
        for (uint32_t m = 0; m < grouping->measures; m++) {
            if (sums(&grouping->measure[m])) flush(grouping, lane, m);
        }
    }
}

enum pat_status pat_dense__walk(struct pat_grouping *grouping) {
    struct pat_dense *dense = grouping->dense;
    void *memory;
    PAT_TRY(pat_run__spread(grouping->run, grouping->of.rows, walk_part, grouping));
    flush_all(grouping);
    PAT_TRY(pat_run__array(grouping->run, dense->cells, sizeof(uint32_t), &memory));
    dense->cell_of = memory;
    for (uint32_t cell = 0; cell < dense->cells; cell++) {
        int64_t key[PAT_GROUP_DIMENSIONS_MAX] = {0};
        uint32_t group;
        const uint64_t rows = rows_of(grouping, cell);
        if (rows == 0) continue;
        key_of(grouping, cell, key);
        PAT_TRY(pat_grouping__find(grouping, key, &group));
        dense->cell_of[group] = cell;
        merge_cell(grouping, cell, rows, grouping->gather + (size_t)group * grouping->measures);
    }
    return PAT_OK;
}
