/* A batch as load.TABLE takes it. */
#include "generate_batch.h"
#include "generate_batch_private.h"

#include "model/decimal.h"
#include "model/id.h"

#include <string.h>

static struct pat_value bin_of(const void *data, size_t bytes) {
    return (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)bytes, .as.bin = data};
}

/* Fixed-width values lie in memory as the wire has them: this is a little-endian house (base/buf.h). */
static struct pat_value bin_with_nulls(struct pat_builder *builder, const struct pat_gen_batch *batch,
                                       const struct pat_gen_column *column, const void *data, size_t width) {
    const struct pat_value bin = bin_of(data, batch->rows * width);
    if (!column->any_null) return bin;
    struct pat_value map = pat_build_map(builder, 2);
    pat_build_put(builder, &map, "bin", bin);
    pat_build_put(builder, &map, "nulls", bin_of(column->nulls, ((size_t)batch->rows + 7) / 8));
    return map;
}

static struct pat_value codes_of(struct pat_builder *builder, const struct pat_gen_batch *batch,
                                 const struct pat_gen_column *column, const struct pat_gen_column_kind *kind) {
    const struct pat_gen_world *world = batch->world;
    const size_t width = kind->kind == PAT_GEN_KIND_CODE16 ? 2 : 1;
    struct pat_value map = pat_build_map(builder, 2);
    const struct pat_value dict = {
        .type = PAT_VALUE_ARRAY, .count = world->names[kind->list], .as.items = world->dict[kind->list]};
    pat_build_put(builder, &map, "dict", dict);
    pat_build_put(builder, &map, "codes", bin_of(column->at.any, batch->rows * width));
    return map;
}

/* Milliseconds stand beside the seconds: a batch may be prepared again. */
static struct pat_value times_of(struct pat_builder *builder, const struct pat_gen_batch *batch,
                                 const struct pat_gen_column *column) {
    int64_t *ms = pat_arena_array(builder->arena, batch->rows, sizeof *ms);
    if (ms == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    for (uint32_t row = 0; row < batch->rows; row++) ms[row] = column->at.wide[row] * 1000;
    return bin_with_nulls(builder, batch, column, ms, sizeof *ms);
}

/* A row each, where the wire has no form of fixed width: texts among ids, prices, rates. */
static struct pat_value items_of(struct pat_builder *builder, const struct pat_gen_batch *batch) {
    struct pat_value array = {.type = PAT_VALUE_ARRAY, .count = batch->rows};
    array.as.items = pat_arena_array(builder->arena, batch->rows, sizeof *array.as.items);
    if (array.as.items == NULL) builder->failed = true;
    return array;
}

static struct pat_value ids_of(struct pat_builder *builder, const struct pat_gen_batch *batch,
                               const struct pat_gen_column *column, char letter) {
    if (!column->any_text_id) return bin_of(column->at.any, (size_t)batch->rows * 8);
    const struct pat_value array = items_of(builder, batch);
    char *text = pat_arena_array(builder->arena, batch->rows, 24);
    if (text == NULL) builder->failed = true;
    for (uint32_t row = 0; !builder->failed && row < batch->rows; row++, text += 24) {
        const int64_t number = column->at.wide[row] & INT64_MAX;
        array.as.items[row] = pat_value_int(number);
        if (column->at.wide[row] >= 0) continue;
        text[0] = letter;
        const size_t length = 1 + pat_id_print(number, text + 1);
        array.as.items[row] = pat_value_text((struct pat_text){text, length});
    }
    return array;
}

/* The quotient is the number nearest to the decimal, so its shortest form is the decimal. */
static struct pat_value prices_of(struct pat_builder *builder, const struct pat_gen_batch *batch,
                                  const struct pat_gen_column *column) {
    static const double unit[] = {1, 10, 100, 1000, 10000};
    const uint8_t *currency = batch->column[pat_gen_columns[batch->table].currency].at.code8;
    const struct pat_value array = items_of(builder, batch);
    for (uint32_t row = 0; !builder->failed && row < batch->rows; row++) {
        const unsigned digits = batch->world->currency[currency[row]].digits;
        array.as.items[row] = pat_value_real((double)column->at.wide[row] / unit[digits]);
    }
    return array;
}

/* The nearest double, as for prices. */
static struct pat_value tenths_of(struct pat_builder *builder, const struct pat_gen_batch *batch,
                                  const struct pat_gen_column *column) {
    const struct pat_value array = items_of(builder, batch);
    for (uint32_t row = 0; !builder->failed && row < batch->rows; row++) {
        const bool null = column->any_null && (column->nulls[row / 8] >> (row % 8) & 1) != 0;
        array.as.items[row] = null ? pat_value_nil() : pat_value_real((double)column->at.wide[row] / 10);
    }
    return array;
}

static struct pat_value rates_of(struct pat_builder *builder, const struct pat_gen_batch *batch,
                                 const struct pat_gen_column *column) {
    const struct pat_value array = items_of(builder, batch);
    for (uint32_t row = 0; !builder->failed && row < batch->rows; row++) {
        char text[24];
        pat_decimal_print(column->at.wide[row], text);
        array.as.items[row] = pat_build_text(builder, pat_text_of(text));
    }
    return array;
}

static struct pat_value column_value(struct pat_builder *builder, const struct pat_gen_batch *batch, unsigned place) {
    const struct pat_gen_column_kind *kind = &pat_gen_columns[batch->table].column[place];
    const struct pat_gen_column *column = &batch->column[place];
    switch (kind->kind) {
    case PAT_GEN_KIND_ID: return ids_of(builder, batch, column, kind->letter);
    case PAT_GEN_KIND_TIME: return times_of(builder, batch, column);
    case PAT_GEN_KIND_DAY: return bin_with_nulls(builder, batch, column, column->at.any, 4);
    case PAT_GEN_KIND_TENTHS: return tenths_of(builder, batch, column);
    case PAT_GEN_KIND_INT:
    case PAT_GEN_KIND_BOOL:
    case PAT_GEN_KIND_BASE:
    case PAT_GEN_KIND_MONEY: return bin_with_nulls(builder, batch, column, column->at.any, 8);
    case PAT_GEN_KIND_PRICE: return prices_of(builder, batch, column);
    case PAT_GEN_KIND_RATE: return rates_of(builder, batch, column);
    case PAT_GEN_KIND_CODE8:
    case PAT_GEN_KIND_CODE16: break;
    }
    return codes_of(builder, batch, column, kind);
}

enum pat_status pat_gen_batch_values(struct pat_gen_batch *batch) {
    struct pat_builder builder = {.arena = &batch->arena};
    const struct pat_gen_columns *columns = &pat_gen_columns[batch->table];
    batch->columns = pat_build_map(&builder, columns->count);
    for (unsigned c = 0; c < columns->count; c++) {
        const struct pat_gen_column_kind *kind = &columns->column[c];
        /* A column of nothing but nulls says nothing: whatever is right in the end was never wrong there. */
        if (!pat_gen_column_used(batch->world, kind) || !batch->column[c].any_value) continue;
        const char *name = kind->wire_name != NULL ? kind->wire_name : kind->name;
        pat_build_put(&builder, &batch->columns, name, column_value(&builder, batch, c));
    }
    return builder.failed ? PAT_ERR_NO_MEMORY : PAT_OK;
}
