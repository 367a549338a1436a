/* Groups by place: see group_private.h. */
#include "analytics/explain_private.h"
#include "analytics/group_private.h"

#include "model/date.h"

#include <string.h>

/* Days of a table from day to cell: more than a life's. */
#define DAYS_MAX 65536

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
    const uint64_t cells = (uint64_t)lanes * dense.cells;
    PAT_TRY(pat_run__array(run, lanes, sizeof(struct pat_dense_block), &memory));
    grouping->dense->block = memory;
    PAT_TRY(pat_run__array(run, cells, sizeof(uint64_t), &memory));
    grouping->dense->count = memory;
    PAT_TRY(pat_run__array(run, cells * grouping->measures, sizeof(struct pat_gather), &memory));
    grouping->dense->gather = memory;
    return PAT_OK;
}

/* ---- rows and their cells ---------------------------------------------------------------------------------------- */

static void list_rows(const uint64_t *bits, uint32_t count, struct pat_dense_block *out) {
    out->rows = 0;
    for (uint32_t word = 0; word < pat_bits__words(count); word++) {
        if (bits[word] == UINT64_MAX) {
            for (uint32_t i = 0; i < 64; i++) out->row[out->rows + i] = (uint16_t)(word * 64 + i);
            out->rows += 64;
            continue;
        }
        for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
            out->row[out->rows++] = (uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(rest));
        }
    }
}

/* Codes of one byte: 255, which is null, is cell 0, and so on from there. */
static bool load_codes(const struct pat_grouping *grouping, pat_row first, uint32_t count,
                       struct pat_dense_block *out) {
    const struct pat_dimension *dimension = &grouping->dimension[0];
    struct pat_strip strip;
    if (grouping->dimensions != 1 || dimension->kind != PAT_DIMENSION_FIELD) return false;
    if (dimension->source.type != PAT_TYPE_TEXT) return false;
    if (!pat_source__strip(grouping->run, &dimension->source, first, &strip)) return false;
    if (strip.part.width != 1 || strip.part.base != 0 || strip.null_is_zero) return false;
    pat_explain__part(grouping->run, &strip.part, count);
    for (uint32_t i = 0; i < count; i++) out->cell[i] = (uint8_t)(strip.part.data[i] + 1);
    return true;
}

static void add_digits(const struct pat_dense_dimension *dimension, const int64_t *value, uint32_t count,
                       uint16_t *cell) {
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t digit = value[i] == PAT_NULL ? 0 : (uint32_t)(value[i] - dimension->low) + 1;
        PAT_DEBUG_ASSERT(digit < dimension->cells);
        cell[i] = (uint16_t)(cell[i] + digit * dimension->stride);
    }
}

static void add_days(const struct pat_dense_dimension *dimension, const int64_t *day, uint32_t count, uint16_t *cell) {
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t digit = day[i] == PAT_NULL ? 0 : dimension->of_day[day[i] - dimension->low_day];
        cell[i] = (uint16_t)(cell[i] + digit * dimension->stride);
    }
}

void pat_dense__load(const struct pat_grouping *grouping, pat_row first, uint32_t count, struct pat_dense_block *out) {
    const struct pat_run *run = grouping->run;
    out->of = NULL;
    list_rows(grouping->of.bits + first / 64, count, out);
    if (out->rows == 0 || load_codes(grouping, first, count, out)) return;
    memset(out->cell, 0, count * sizeof *out->cell);
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const struct pat_dense_dimension *dimension = &grouping->dense->dimension[d];
        if (dimension->cells == 1) continue;
        pat_source__read(run, &grouping->dimension[d].source, first, count, out->value);
        if (dimension->of_day != NULL) {
            add_days(dimension, out->value, count, out->cell);
            continue;
        }
        pat_dimension__map(run, &grouping->dimension[d], count, out->value);
        add_digits(dimension, out->value, count, out->cell);
    }
}

void pat_dense__read(const struct pat_grouping *grouping, const struct pat_source *source, pat_row first,
                     uint32_t count, struct pat_dense_block *block) {
    /* Sources of one field are copies of each other. */
    if (block->of != NULL && memcmp(block->of, source, sizeof *source) == 0) return;
    pat_source__read(grouping->run, source, first, count, block->value);
    block->of = source;
}

/* ---- the pass over the rows -------------------------------------------------------------------------------------- */

/* Sums need no bounds, and bounds no sums. */
static void gather_sums(const struct pat_dense_block *block, struct pat_gather *gather, uint32_t measures) {
    for (uint32_t i = 0; i < block->rows; i++) {
        const uint32_t row = block->row[i];
        if (block->value[row] == PAT_NULL) continue;
        struct pat_gather *const to = &gather[(size_t)block->cell[row] * measures];
        to->count++;
        to->sum += block->value[row];
    }
}

static void gather_bounds(const struct pat_dense_block *block, struct pat_gather *gather, uint32_t measures) {
    for (uint32_t i = 0; i < block->rows; i++) {
        const uint32_t row = block->row[i];
        if (block->value[row] == PAT_NULL) continue;
        pat_gather__add(&gather[(size_t)block->cell[row] * measures], block->value[row]);
    }
}

static void gather_block(const struct pat_grouping *grouping, pat_row first, uint32_t count, unsigned lane) {
    const struct pat_dense *dense = grouping->dense;
    struct pat_dense_block *block = &dense->block[lane];
    uint64_t *const rows = dense->count + (size_t)lane * dense->cells;
    for (uint32_t i = 0; i < block->rows; i++) rows[block->cell[block->row[i]]]++;
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        const enum pat_metric_kind kind = measure->metric->kind;
        struct pat_gather *const gather = dense->gather + (size_t)lane * dense->cells * grouping->measures + m;
        if (kind == PAT_METRIC_COUNT || pat_measure__listed(measure)) continue;
        pat_dense__read(grouping, &measure->source, first, count, block);
        if (kind == PAT_METRIC_SUM || kind == PAT_METRIC_AVG) {
            gather_sums(block, gather, grouping->measures);
        } else {
            gather_bounds(block, gather, grouping->measures);
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
        pat_dense__load(grouping, (pat_row)first, count, block);
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

static void merge_cell(struct pat_grouping *grouping, uint32_t cell, uint64_t rows, struct pat_gather *into) {
    const struct pat_dense *dense = grouping->dense;
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        for (unsigned lane = 0; lane < pat_run__lanes(grouping->run); lane++) {
            const size_t at = ((size_t)lane * dense->cells + cell) * grouping->measures + m;
            pat_gather__merge(measure, &into[m], &dense->gather[at]);
        }
        if (measure->metric->kind == PAT_METRIC_COUNT) into[m].count = rows;
    }
}

enum pat_status pat_dense__walk(struct pat_grouping *grouping) {
    struct pat_dense *dense = grouping->dense;
    void *memory;
    PAT_TRY(pat_run__spread(grouping->run, grouping->of.rows, walk_part, grouping));
    PAT_TRY(pat_run__array(grouping->run, dense->cells, sizeof(uint32_t), &memory));
    dense->cell_of = memory;
    for (uint32_t cell = 0; cell < dense->cells; cell++) {
        int64_t key[PAT_GROUP_DIMENSIONS_MAX] = {0};
        uint64_t rows = 0;
        uint32_t group;
        for (unsigned lane = 0; lane < pat_run__lanes(grouping->run); lane++) {
            rows += dense->count[(size_t)lane * dense->cells + cell];
        }
        if (rows == 0) continue;
        key_of(grouping, cell, key);
        PAT_TRY(pat_grouping__find(grouping, key, &group));
        dense->cell_of[group] = cell;
        merge_cell(grouping, cell, rows, grouping->gather + (size_t)group * grouping->measures);
    }
    return PAT_OK;
}
