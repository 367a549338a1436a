/* Blocks of rows that are grouped by place: which are shown, their cells, their values. */
#include "analytics/explain_private.h"
#include "analytics/group_private.h"

#include <string.h>

/* Where at most one row in so many is shown, rows are looked at one by one instead of by block. */
#define FEW_SHARE 16u

static void list_rows(const uint64_t *bits, uint32_t count, struct pat_dense_block *out) {
    uint32_t rows = 0;
    for (uint32_t word = 0; word < pat_bits__words(count); word++) {
        if (bits[word] == UINT64_MAX) {
            for (uint32_t i = 0; i < 64; i++) out->row[rows + i] = (uint16_t)(word * 64 + i);
            rows += 64;
            continue;
        }
        for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
            out->row[rows++] = (uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(rest));
        }
    }
}

static bool few(const struct pat_dense_block *block, uint32_t count) {
    return block->rows <= count / FEW_SHARE;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

/* Codes of one byte: 255, which is null, is cell 0, and so on from there. */
static bool load_codes(const struct pat_grouping *grouping, pat_row first, uint32_t count,
                       struct pat_dense_block *out) {
    const struct pat_dimension *dimension = &grouping->dimension[0];
    struct pat_strip strip;
    if (grouping->dimensions != 1 || dimension->kind != PAT_DIMENSION_FIELD) return false;
    if (dimension->source.type != PAT_TYPE_TEXT) return false;
    if (!pat_source__strip(grouping->run, &dimension->source, first, &strip)) return false;
    if (strip.part.width != 1 || strip.part.base != 0 || strip.null_is_zero) return false;
    pat_explain__part(grouping->run, &strip.part, few(out, count) ? out->rows : count);
    const unsigned char *code = strip.part.data;
    if (out->whole) {
        for (uint32_t i = 0; i < count; i++) out->cell[i] = (uint8_t)(code[i] + 1);
    } else {
        for (uint32_t i = 0; i < out->rows; i++) out->cell[i] = (uint8_t)(code[out->row[i]] + 1);
    }
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

/* Values of the shown rows. */
static void read_shown(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                       struct pat_dense_block *block) {
    struct pat_strip strip;
    if (!block->whole && few(block, count) && pat_source__strip(run, source, first, &strip)) {
        pat_strip__gather(&strip, block->row, block->rows, block->value);
        pat_explain__part(run, &strip.part, block->rows);
        return;
    }
    pat_source__read(run, source, first, count, block->value);
    /* A row's place among the shown is never behind its place in the block. */
    for (uint32_t i = 0; !block->whole && i < block->rows; i++) block->value[i] = block->value[block->row[i]];
}

void pat_dense__load(const struct pat_grouping *grouping, const uint64_t *bits, pat_row first, uint32_t count,
                     struct pat_dense_block *out) {
    const struct pat_run *run = grouping->run;
    out->of = NULL;
    out->rows = (uint32_t)run->kernels->bits_count(bits, pat_bits__words(count));
    out->whole = out->rows == count;
    if (out->rows == 0) return;
    if (!out->whole) list_rows(bits, count, out);
    if (load_codes(grouping, first, count, out)) return;
    memset(out->cell, 0, out->rows * sizeof *out->cell);
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const struct pat_dense_dimension *dimension = &grouping->dense->dimension[d];
        if (dimension->cells == 1) continue;
        read_shown(run, &grouping->dimension[d].source, first, count, out);
        if (dimension->of_day != NULL) {
            add_days(dimension, out->value, out->rows, out->cell);
            continue;
        }
        pat_dimension__map(run, &grouping->dimension[d], out->rows, out->value);
        add_digits(dimension, out->value, out->rows, out->cell);
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static uint64_t distance(int64_t value) {
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* Sets what is known of the values: of the chunk, or of the values themselves. */
static void measure_values(const struct pat_run *run, const struct pat_source *source, pat_row first,
                           struct pat_dense_block *block) {
    int64_t low = 0, high = 0;
    struct pat_strip strip;
    uint64_t bits[PAT_BLOCK_WORDS];
    if (!pat_source__strip(run, source, first, &strip) || !pat_strip__bounds(&strip, &low, &high, &block->any_null)) {
        run->kernels->select_null(block->value, block->rows, bits);
        block->any_null = run->kernels->bits_count(bits, pat_bits__words(block->rows)) > 0;
        memset(bits, 0, sizeof bits);
        pat_bits__fill(bits, block->rows);
        run->kernels->bounds(block->value, bits, block->rows, &low, &high);
    }
    const uint64_t least = distance(low), greatest = distance(high);
    block->magnitude = least > greatest ? least : greatest;
}

void pat_dense__read(const struct pat_grouping *grouping, const struct pat_source *source, pat_row first,
                     uint32_t count, struct pat_dense_block *block) {
    /* Sources of one field are copies of each other. */
    if (block->of != NULL && memcmp(block->of, source, sizeof *source) == 0) return;
    read_shown(grouping->run, source, first, count, block);
    measure_values(grouping->run, source, first, block);
    block->of = source;
}
