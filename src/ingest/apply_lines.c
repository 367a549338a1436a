/* Lines make orders: the amount of an order nobody gave an amount for is the exact sum of its lines, rounded once, and
 * a sum below zero makes it a refund of the same id. Rows are taken order by order. */
#include "ingest/ingest_private.h"

#include "base/mem.h"
#include "model/decimal.h"

#include <stdlib.h>
#include <string.h>

struct line_row {
    pat_row order;
    uint32_t row; /* of the batch */
};

static int compare_line_rows(const void *a, const void *b) {
    const struct line_row *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* The lines of one order by number, while a batch changes them. */
struct line_map {
    struct line_slot {
        int64_t number; /* PAT_NULL = empty */
        pat_row line;
        bool named; /* by this batch */
    } * slot;
    uint32_t mask;
    int64_t greatest; /* number */
};

static struct line_slot *line_map_find(const struct line_map *map, int64_t number) {
    /* Fibonacci hashing: numbers are small and dense as a rule, and whoever crafts others only slows the own order. */
    uint32_t i = (uint32_t)(((uint64_t)number * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & map->mask;
    while (map->slot[i].number != PAT_NULL && map->slot[i].number != number) i = (i + 1) & map->mask;
    return &map->slot[i];
}

static void line_map_open(struct line_map *map, const struct pat_store *store, pat_row order, uint32_t rows) {
    const struct pat_table *lines = &store->table[PAT_LINES];
    int64_t head = pat_table_get(&store->table[PAT_ORDERS], PAT_ORDER_LINE_HEAD, order);
    size_t known = 0;
    for (int64_t line = head; line != PAT_NULL; line = pat_table_get(lines, PAT_LINE_NEXT, (pat_row)line)) known++;
    uint32_t capacity = 8;
    while (capacity < (known + rows) * 2) capacity *= 2;
    map->slot = pat_mem_alloc_must(PAT_MEM_OTHER, capacity * sizeof *map->slot);
    map->mask = capacity - 1;
    map->greatest = 0;
    for (uint32_t i = 0; i < capacity; i++) map->slot[i].number = PAT_NULL;
    for (int64_t line = head; line != PAT_NULL; line = pat_table_get(lines, PAT_LINE_NEXT, (pat_row)line)) {
        int64_t number = pat_table_get(lines, PAT_LINE_NUMBER, (pat_row)line);
        *line_map_find(map, number) = (struct line_slot){number, (pat_row)line, false};
        if (number > map->greatest) map->greatest = number;
    }
}

/* One order's rows of the batch. */
struct line_group {
    struct apply *apply;
    pat_row order;
    const struct line_row *rows;
    uint32_t count;
    bool order_changed;
};

/* ---- the order's own fields, as its lines tell them
 * ----------------------------------------------------------------------- */

/* First row of the group that has a value; PAT_NULL when none has. */
static uint32_t first_with_value(const struct line_group *group, const struct pat_batch_column *column) {
    for (uint32_t i = 0; i < group->count; i++) {
        if (column->value[group->rows[i].row] != PAT_NULL) return group->rows[i].row;
    }
    return UINT32_MAX;
}

static void group_set(struct line_group *group, unsigned order_column, int64_t value) {
    struct pat_table *orders = &group->apply->store->table[PAT_ORDERS];
    if (pat_table_get(orders, order_column, group->order) == value) return;
    pat_table_set(orders, order_column, group->order, value);
    group->order_changed = true;
}

static void group_set_text(struct line_group *group, int field, unsigned order_column, bool only_if_null) {
    const struct pat_batch_column *column = pat_batch_find(group->apply->batch, field);
    if (column == NULL) return;
    const struct pat_table *orders = &group->apply->store->table[PAT_ORDERS];
    if (only_if_null && pat_table_get(orders, order_column, group->order) != PAT_NULL) return;
    uint32_t row = first_with_value(group, column);
    if (row == UINT32_MAX && group->apply->batch->append)
        return; /* lines that do not know it take nothing from the others */
    group_set(group, order_column, row == UINT32_MAX ? PAT_NULL : pat_apply__value(group->apply, column, row));
}

/* The least time of the lines, withdrawn ones included; appended lines may only make it earlier. */
static void group_set_time(struct line_group *group) {
    const struct pat_batch_column *column = pat_batch_find(group->apply->batch, PAT_LINE_OF_TIME);
    if (column == NULL) return;
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < group->count; i++) {
        int64_t time = column->value[group->rows[i].row];
        if (time < least) least = time;
    }
    int64_t known = pat_table_get(&group->apply->store->table[PAT_ORDERS], PAT_ORDER_TIME, group->order);
    if (group->apply->batch->append && known != PAT_NULL && known < least) least = known;
    group_set(group, PAT_ORDER_TIME, least);
}

/* Gives the customer the order belongs to after this batch. What an order row said stands. */
static int64_t group_tell_order(struct line_group *group) {
    struct apply *apply = group->apply;
    const struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    bool given = pat_table_get(orders, PAT_ORDER_AMOUNT_GIVEN, group->order) == 1;
    group_set_text(group, PAT_LINE_OF_COUNTRY, PAT_ORDER_COUNTRY, given);
    group_set_text(group, PAT_LINE_OF_CHANNEL, PAT_ORDER_CHANNEL, given);
    int64_t customer = pat_table_get(orders, PAT_ORDER_CUSTOMER, group->order);
    if (given) return customer;
    group_set_text(group, PAT_LINE_OF_CURRENCY, PAT_ORDER_CURRENCY, false);
    group_set_time(group);
    const struct pat_batch_column *column = pat_batch_find(apply->batch, PAT_LINE_OF_CUSTOMER);
    uint32_t row = column != NULL ? first_with_value(group, column) : UINT32_MAX;
    if (row == UINT32_MAX) return customer;
    int64_t named = pat_apply__customer(apply, pat_apply__key(column, row));
    if (named != customer) group->order_changed = true;
    return named;
}

/* ---- lines
 * ----------------------------------------------------------------------------------------------------------------- */

static bool is_line_column(int field) {
    return field < PAT_LINE_OF_CUSTOMER && field != PAT_LINE_ORDER && field != PAT_LINE_NUMBER;
}

static int64_t line_value(const struct apply *apply, const struct pat_batch_column *column, uint32_t row) {
    int64_t value = pat_apply__value(apply, column, row);
    return column->field == PAT_LINE_DELETED && value == 0 ? PAT_NULL : value;
}

static pat_row line_add(struct line_group *group, int64_t number, uint32_t row) {
    struct apply *apply = group->apply;
    int64_t values[PAT_COLUMNS_MAX];
    for (unsigned c = 0; c < apply->store->table[PAT_LINES].schema->columns; c++) values[c] = PAT_NULL;
    values[PAT_LINE_ORDER] = group->order;
    values[PAT_LINE_NUMBER] = number;
    values[PAT_LINE_PRODUCER] = pat_apply__producer(apply, PAT_LINES);
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        if (is_line_column(column->field)) values[column->field] = line_value(apply, column, row);
    }
    pat_row line = pat_table_add(apply->store, PAT_LINES, values);
    if (values[PAT_LINE_DELETED] != 1) apply->store->counts.lines++;
    pat_chain__push(&apply->store->table[PAT_ORDERS], PAT_ORDER_LINE_HEAD, group->order,
                    &apply->store->table[PAT_LINES], PAT_LINE_NEXT, line);
    return line;
}

static enum row_fate line_update(struct line_group *group, pat_row line, uint32_t row) {
    struct apply *apply = group->apply;
    struct pat_table *lines = &apply->store->table[PAT_LINES];
    bool changed = false;
    apply->store->counts.lines -= pat_table_get(lines, PAT_LINE_DELETED, line) != 1;
    for (uint32_t i = 0; i < apply->batch->columns; i++) {
        const struct pat_batch_column *column = &apply->batch->column[i];
        if (!is_line_column(column->field)) continue;
        int64_t value = line_value(apply, column, row);
        if (column->field == PAT_LINE_VERSION && value == PAT_NULL) continue;
        if (pat_table_get(lines, (unsigned)column->field, line) == value) continue;
        pat_table_set(lines, (unsigned)column->field, line, value);
        changed = true;
    }
    apply->store->counts.lines += pat_table_get(lines, PAT_LINE_DELETED, line) != 1;
    return changed ? ROW_UPDATED : ROW_DUPLICATE;
}

static enum row_fate line_apply(struct line_group *group, struct line_map *map, uint32_t row) {
    struct apply *apply = group->apply;
    const struct pat_batch_column *numbers = pat_batch_find(apply->batch, PAT_LINE_NUMBER);
    const struct pat_batch_column *version = pat_batch_find(apply->batch, PAT_LINE_VERSION);
    int64_t number = numbers != NULL ? numbers->value[row] : PAT_NULL;
    if (number == PAT_NULL) number = map->greatest + 1;
    if (number > map->greatest) map->greatest = number;
    struct line_slot *slot = line_map_find(map, number);
    if (slot->number == PAT_NULL) {
        *slot = (struct line_slot){number, line_add(group, number, row), true};
        return ROW_FRESH;
    }
    slot->named = true;
    if (pat_apply__stale(apply, version, row, &apply->store->table[PAT_LINES], PAT_LINE_VERSION, slot->line)) {
        return ROW_STALE;
    }
    return line_update(group, slot->line, row);
}

/* Lines that the batch did not name are gone: out of the chain, and withdrawn. */
static void drop_unnamed_lines(struct line_group *group, const struct line_map *map) {
    struct pat_store *store = group->apply->store;
    struct pat_table *lines = &store->table[PAT_LINES], *orders = &store->table[PAT_ORDERS];
    int64_t kept = PAT_NULL;
    int64_t line = pat_table_get(orders, PAT_ORDER_LINE_HEAD, group->order);
    while (line != PAT_NULL) {
        int64_t next = pat_table_get(lines, PAT_LINE_NEXT, (pat_row)line);
        const struct line_slot *slot = line_map_find(map, pat_table_get(lines, PAT_LINE_NUMBER, (pat_row)line));
        if (slot->named) {
            kept = line;
        } else {
            if (pat_table_get(lines, PAT_LINE_DELETED, (pat_row)line) != 1) {
                store->counts.lines--;
                group->order_changed = true;
            }
            pat_table_set(lines, PAT_LINE_DELETED, (pat_row)line, 1);
            pat_table_set(lines, PAT_LINE_NEXT, (pat_row)line, PAT_NULL);
            if (kept == PAT_NULL) {
                pat_table_set(orders, PAT_ORDER_LINE_HEAD, group->order, next);
            } else {
                pat_table_set(lines, PAT_LINE_NEXT, (pat_row)kept, next);
            }
        }
        line = next;
    }
}

/* ---- what the lines make of their order
 * ----------------------------------------------------------------------------------------- */

/* Exact sum in the order's currency. False when no line is left. A sum beyond an int64 is held at its end. */
static bool sum_lines(const struct pat_store *store, pat_row order, pat_minor *sum_minor) {
    const struct pat_table *lines = &store->table[PAT_LINES], *orders = &store->table[PAT_ORDERS];
    struct pat_decimal_sum sum;
    pat_decimal_sum_init(&sum);
    bool any = false;
    int64_t line = pat_table_get(orders, PAT_ORDER_LINE_HEAD, order);
    for (; line != PAT_NULL; line = pat_table_get(lines, PAT_LINE_NEXT, (pat_row)line)) {
        if (pat_table_get(lines, PAT_LINE_DELETED, (pat_row)line) == 1) continue;
        any = true;
        pat_decimal_sum_add_product(&sum, pat_table_get(lines, PAT_LINE_QUANTITY, (pat_row)line),
                                    pat_table_get(lines, PAT_LINE_PRICE, (pat_row)line));
    }
    unsigned digits = pat_store_currency_digits(store, PAT_ORDERS, PAT_ORDER_CURRENCY,
                                                pat_table_get(orders, PAT_ORDER_CURRENCY, order));
    if (!pat_decimal_sum_to_minor(&sum, digits, sum_minor)) {
        bool negative = (sum.limb[3] >> 63) != 0;
        *sum_minor = negative ? -INT64_MAX : INT64_MAX;
    }
    return any;
}

void pat_order__withdraw_refund(struct apply *apply, pat_row order) {
    struct pat_table *refunds = &apply->store->table[PAT_REFUNDS];
    pat_row refund = pat_table_find_id(apply->store, PAT_REFUNDS, pat_table_key(apply->store, PAT_ORDERS, order));
    if (refund == PAT_ROW_NONE || pat_table_get(refunds, PAT_REFUND_FROM_LINES, refund) != 1) return;
    pat_refund__forget(apply->store, refund);
    pat_table_set(refunds, PAT_REFUND_DELETED, refund, 1);
    pat_refund__remember(apply->store, refund);
    pat_apply__touch(apply, (pat_row)pat_table_get(refunds, PAT_REFUND_CUSTOMER, refund));
}

/* One that came as a refund row stands as it is. */
void pat_order__stand_refund(struct apply *apply, pat_row order, int64_t customer) {
    struct pat_store *store = apply->store;
    struct pat_table *refunds = &store->table[PAT_REFUNDS], *orders = &store->table[PAT_ORDERS];
    pat_minor amount = -pat_table_get(orders, PAT_ORDER_AMOUNT, order);
    struct pat_id_key key = pat_table_key(store, PAT_ORDERS, order);
    pat_row refund = pat_table_find_id(store, PAT_REFUNDS, key);
    if (refund == PAT_ROW_NONE) {
        refund = pat_table_add_id(store, PAT_REFUNDS, key);
        pat_table_set(refunds, PAT_REFUND_PRODUCER, refund, pat_apply__producer(apply, PAT_REFUNDS));
    } else if (pat_table_get(refunds, PAT_REFUND_FROM_LINES, refund) != 1) {
        return;
    } else {
        pat_refund__forget(store, refund);
    }
    struct pat_text currency =
        pat_dict_text(orders->dict[PAT_ORDER_CURRENCY], (uint32_t)pat_table_get(orders, PAT_ORDER_CURRENCY, order));
    pat_table_set(refunds, PAT_REFUND_FROM_LINES, refund, 1);
    pat_table_set(refunds, PAT_REFUND_DELETED, refund, PAT_NULL);
    pat_table_set(refunds, PAT_REFUND_TIME, refund, pat_table_get(orders, PAT_ORDER_TIME, order));
    pat_table_set(refunds, PAT_REFUND_AMOUNT, refund, amount);
    pat_table_set(refunds, PAT_REFUND_CURRENCY, refund, pat_dict_add(refunds->dict[PAT_REFUND_CURRENCY], currency));
    pat_refund__derive(store, refund);
    pat_refund__give(apply, refund, customer);
    pat_refund__remember(store, refund);
    pat_apply__touch(apply, (pat_row)customer);
}

static void group_settle_order(struct line_group *group, int64_t customer) {
    struct apply *apply = group->apply;
    struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    pat_row order = group->order;
    int64_t before = pat_table_get(orders, PAT_ORDER_STATE, order), state = PAT_ORDER_PRESENT;
    if (pat_table_get(orders, PAT_ORDER_AMOUNT_GIVEN, order) != 1) {
        pat_minor sum;
        bool any = sum_lines(apply->store, order, &sum);
        state = !any ? PAT_ORDER_AWAITED : sum < 0 ? PAT_ORDER_NEGATIVE : PAT_ORDER_PRESENT;
        pat_table_set(orders, PAT_ORDER_AMOUNT, order, sum);
        if (state == PAT_ORDER_NEGATIVE) pat_order__stand_refund(apply, order, customer);
        if (state != PAT_ORDER_NEGATIVE && before == PAT_ORDER_NEGATIVE) pat_order__withdraw_refund(apply, order);
    }
    pat_table_set(orders, PAT_ORDER_STATE, order, state);
    if (pat_table_get(orders, PAT_ORDER_PRODUCER, order) == PAT_NULL) {
        pat_table_set(orders, PAT_ORDER_PRODUCER, order, pat_apply__producer(apply, PAT_ORDERS));
    }
    pat_order__derive(apply->store, order);
    pat_order__give(apply, order, customer);
    pat_apply__touch(apply, (pat_row)customer);
    pat_order__lead_refunds(apply, order);
    if (state == PAT_ORDER_PRESENT && before != PAT_ORDER_PRESENT) apply->outcome->orders++;
    if (state == PAT_ORDER_NEGATIVE && before != PAT_ORDER_NEGATIVE) apply->outcome->refunds++;
}

/* ---- groups
 * ---------------------------------------------------------------------------------------------------------------------
 */

static int64_t group_version(const struct line_group *group) {
    const struct pat_batch_column *version = pat_batch_find(group->apply->batch, PAT_LINE_VERSION);
    int64_t greatest = PAT_NULL;
    for (uint32_t i = 0; version != NULL && i < group->count; i++) {
        int64_t value = version->value[group->rows[i].row];
        if (value > greatest) greatest = value; /* PAT_NULL is the least */
    }
    return greatest;
}

/* Appended lines without a number go behind every number there is, those of this batch included. */
static void raise_greatest(const struct line_group *group, struct line_map *map) {
    const struct pat_batch_column *numbers = pat_batch_find(group->apply->batch, PAT_LINE_NUMBER);
    for (uint32_t i = 0; numbers != NULL && i < group->count; i++) {
        int64_t number = numbers->value[group->rows[i].row];
        if (number > map->greatest) map->greatest = number; /* PAT_NULL is the least */
    }
}

static void group_apply(struct line_group *group) {
    struct apply *apply = group->apply;
    struct pat_table *orders = &apply->store->table[PAT_ORDERS];
    int64_t version = group_version(group);
    int64_t known = pat_table_get(orders, PAT_ORDER_LINES_VERSION, group->order);
    /* Replacing lines by an older picture of them would drop what is newer; appended ones are judged one by one. */
    if (!apply->batch->append && version != PAT_NULL && known != PAT_NULL && version < known) {
        for (uint32_t i = 0; i < group->count; i++) pat_apply__count(apply, ROW_STALE);
        return;
    }
    pat_order__forget(apply->store, group->order);
    int64_t customer = group_tell_order(group);
    struct line_map map;
    line_map_open(&map, apply->store, group->order, group->count);
    raise_greatest(group, &map);
    uint32_t duplicates = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        enum row_fate fate = line_apply(group, &map, group->rows[i].row);
        if (fate == ROW_DUPLICATE) {
            duplicates++;
        } else {
            pat_apply__count(apply, fate);
        }
    }
    if (!apply->batch->append) drop_unnamed_lines(group, &map);
    pat_mem_free(PAT_MEM_OTHER, map.slot);
    /* What a line says of its order is part of the line: when that changed, the line was no duplicate. */
    for (uint32_t i = 0; i < duplicates; i++)
        pat_apply__count(apply, group->order_changed ? ROW_UPDATED : ROW_DUPLICATE);
    if (version > known) pat_table_set(orders, PAT_ORDER_LINES_VERSION, group->order, version);
    group_settle_order(group, customer);
    pat_order__remember(apply->store, group->order);
}

void pat_apply__lines(struct apply *apply) {
    const struct pat_batch_column *ids = pat_batch_find(apply->batch, PAT_LINE_ORDER);
    uint32_t rows = apply->batch->rows;
    struct line_row *row = pat_mem_alloc_must(PAT_MEM_OTHER, (rows + (size_t)1) * sizeof *row);
    for (uint32_t i = 0; i < rows; i++) {
        row[i] = (struct line_row){pat_order__find_or_add(apply->store, pat_apply__key(ids, i)), i};
    }
    qsort(row, rows, sizeof *row, compare_line_rows);
    for (uint32_t start = 0, end = 0; start < rows; start = end) {
        while (end < rows && row[end].order == row[start].order) end++;
        struct line_group group = {
            .apply = apply, .order = row[start].order, .rows = row + start, .count = end - start};
        group_apply(&group);
    }
    pat_mem_free(PAT_MEM_OTHER, row);
}
