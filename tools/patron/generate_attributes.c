/* Attributes of customers, orders and lines: their values by chance, each a pure function of the row's number, and
 * what the server is told of them. */
#include "generate_batch.h"
#include "generate_batch_private.h"

/* Prefix "attr." of the columns' names. */
#define PREFIX_BYTES 5u
/* One in so many values is unset. */
#define UNSET 16u
/* Above what is drawn: visits and parcels, ratings and weights in tenths, amounts in halves of a major unit. */
#define NUMBERS 40u
#define TENTHS  101u
#define HALVES  1000u

/* Half a major unit, where the currency has any. */
static int64_t amount_of(uint64_t bits, unsigned digits) {
    int64_t minor = (int64_t)(bits % HALVES);
    for (unsigned d = 0; d < digits; d++) minor *= 10;
    return digits > 0 ? minor / 2 : minor;
}

static int64_t value_of(const struct pat_gen_batch *batch, const struct pat_gen_column_kind *kind, uint64_t bits) {
    const struct pat_gen_world *world = batch->world;
    const unsigned currency = pat_gen_columns[batch->table].currency;
    switch (kind->kind) {
    case PAT_GEN_KIND_BOOL: return (int64_t)(bits & 1);
    case PAT_GEN_KIND_TENTHS: return (int64_t)(bits % TENTHS);
    case PAT_GEN_KIND_BASE: return amount_of(bits, world->currency[0].digits);
    case PAT_GEN_KIND_MONEY:
        return amount_of(bits, world->currency[batch->column[currency].at.code8[batch->rows]].digits);
    case PAT_GEN_KIND_DAY: return world->plan->start + (int64_t)(bits % world->days);
    case PAT_GEN_KIND_CODE8: return (int64_t)(bits % world->names[kind->list]);
    default: return (int64_t)(bits % NUMBERS);
    }
}

static void put(struct pat_gen_column *column, enum pat_gen_kind kind, uint32_t row, int64_t value) {
    if (kind == PAT_GEN_KIND_CODE8) {
        column->at.code8[row] = (uint8_t)value;
    } else if (kind == PAT_GEN_KIND_DAY) {
        column->at.day[row] = (int32_t)value;
    } else {
        column->at.wide[row] = value;
    }
}

void pat_gen_batch__add_attributes(struct pat_gen_batch *batch, uint64_t number) {
    const struct pat_gen_columns *columns = &pat_gen_columns[batch->table];
    struct pat_random random = pat_random_of(batch->world->key[columns->draw], number);
    for (unsigned c = columns->attribute; c < columns->count; c++) {
        const struct pat_gen_column_kind *kind = &columns->column[c];
        struct pat_gen_column *column = &batch->column[c];
        const uint64_t bits = pat_random_next(&random);
        const bool unset = kind->kind != PAT_GEN_KIND_CODE8 && bits >> 32 < (UINT64_C(1) << 32) / UNSET;
        put(column, kind->kind, batch->rows, unset ? 0 : value_of(batch, kind, bits & UINT32_MAX));
        if (!unset) {
            column->any_value = true;
            continue;
        }
        column->nulls[batch->rows / 8] |= (unsigned char)(1u << (batch->rows % 8));
        column->any_null = true;
    }
}

static const char *type_of(const struct pat_gen_column_kind *kind) {
    switch (kind->kind) {
    case PAT_GEN_KIND_BOOL: return "bool";
    case PAT_GEN_KIND_TENTHS: return "decimal";
    case PAT_GEN_KIND_BASE:
    case PAT_GEN_KIND_MONEY: return "money";
    case PAT_GEN_KIND_DAY: return "date";
    case PAT_GEN_KIND_CODE8: break;
    default: return "int";
    }
    const bool set = kind->list == PAT_GEN_LIST_INTERESTS || kind->list == PAT_GEN_LIST_HANDLING ||
                     kind->list == PAT_GEN_LIST_MATERIALS;
    return set ? "set" : "enum";
}

bool pat_gen_attribute(enum pat_gen_table table, unsigned place, const char **name, const char **type) {
    const struct pat_gen_columns *columns = &pat_gen_columns[table];
    if (columns->attribute + place >= columns->count) return false;
    const struct pat_gen_column_kind *kind = &columns->column[columns->attribute + place];
    *name = kind->name + PREFIX_BYTES;
    *type = type_of(kind);
    return true;
}
