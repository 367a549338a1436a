/* The facts of one customer or order as maps, newest first. */
#include "analytics/answers_private.h"

#include <stdlib.h>

/* Rows of one table with what orders them; grown by doubling in the arena. */
struct list {
    struct pat_run *run;
    struct entry {
        int64_t time;
        struct pat_id_key id;
        pat_row row;
    } * entry;
    uint32_t count, capacity;
};

static enum pat_status list_add(struct list *list, pat_row row, int64_t time, struct pat_id_key id) {
    if (list->count == list->capacity) {
        const uint32_t capacity = list->capacity == 0 ? 32 : list->capacity * 2;
        void *memory;
        PAT_TRY(pat_run__array(list->run, capacity, sizeof *list->entry, &memory));
        struct entry *grown = memory;
        for (uint32_t i = 0; i < list->count; i++) grown[i] = list->entry[i];
        list->entry = grown;
        list->capacity = capacity;
    }
    list->entry[list->count++] = (struct entry){time, id, row};
    return PAT_OK;
}

static int newest_first(const void *a, const void *b) {
    const struct entry *left = a, *right = b;
    if (left->time != right->time) return left->time > right->time ? -1 : 1;
    const int order = pat_id__compare(left->id, right->id);
    return order != 0 ? order : (left->row > right->row) - (left->row < right->row);
}

static uint32_t list_finish(struct list *list) {
    const uint32_t asked = list->run->job->request->limit;
    const uint32_t limit = asked > 0 ? asked : PAT_ROWS_LIMIT_DEFAULT;
    if (list->count > 0) qsort(list->entry, list->count, sizeof *list->entry, newest_first);
    return list->count < limit ? list->count : limit;
}

/* Puts the value of a row into `map` if it is set; money under NAME_minor. */
static void put_source(struct pat_run *run, struct pat_source source, pat_row row, struct pat_value *map) {
    source.minor = source.type == PAT_TYPE_MONEY;
    const int64_t value = pat_source__get(run, &source, row);
    if (value == PAT_NULL || (source.null_is_zero && value == 0)) return;
    const struct pat_value shown = pat_source__value(run, &source, row, value);
    if (!source.minor) {
        pat_build_put(&run->builder, map, source.name, shown);
        return;
    }
    const struct pat_text key = pat_arena_printf(run->arena, "%s_minor", source.name);
    if (key.data == NULL) run->builder.failed = true;
    pat_build_put_text_key(&run->builder, map, key, shown);
}

static void put_columns(struct pat_run *run, enum pat_table_id table, pat_row row, const unsigned *column,
                        unsigned count, struct pat_value *map) {
    for (unsigned i = 0; i < count; i++) put_source(run, pat_source__of_column(table, column[i]), row, map);
}

void pat_fact__put_attributes(struct pat_run *run, enum pat_table_id table, pat_row row, struct pat_value *map) {
    struct pat_source source;
    for (unsigned i = 0; pat_source__of_attribute(run, table, i, &source); i++) put_source(run, source, row, map);
}

static void put_money(struct pat_run *run, enum pat_table_id table, pat_row row, int64_t base, struct pat_value *map) {
    pat_build_put(&run->builder, map, "digits", pat_value_int(pat_row__digits(run->view, table, row)));
    pat_build_put(&run->builder, map, "net_minor", pat_run__minor_or_nil(base));
    if (base == PAT_NULL) run->unpriced++;
}

struct pat_value pat_fact__order(struct pat_run *run, pat_row row, bool with_customer) {
    static const unsigned columns[] = {PAT_ORDER_CUSTOMER, PAT_ORDER_TIME,      PAT_ORDER_AMOUNT,    PAT_ORDER_CURRENCY,
                                       PAT_ORDER_PAID,     PAT_ORDER_CANCELLED, PAT_ORDER_TEST,      PAT_ORDER_COUNTRY,
                                       PAT_ORDER_CHANNEL,  PAT_ORDER_PAYMENT,   PAT_ORDER_PROMOTION, PAT_ORDER_DISCOUNT,
                                       PAT_ORDER_SHIPPING, PAT_ORDER_TAX,       PAT_ORDER_DUTY,      PAT_ORDER_COST};
    const unsigned skip = with_customer ? 0 : 1;
    struct pat_value map = pat_build_map(&run->builder, 12);
    const int64_t id = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_ID, row);
    pat_build_put(&run->builder, &map, "order", pat_id__value(run, id));
    put_columns(run, PAT_ORDERS, row, columns + skip, sizeof columns / sizeof *columns - skip, &map);
    pat_fact__put_attributes(run, PAT_ORDERS, row, &map);
    put_money(run, PAT_ORDERS, row, pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_BASE, row), &map);
    pat_build_put(&run->builder, &map, "eligible", pat_value_bool(pat_order__eligible(run->view, row, run->day)));
    return map;
}

static struct pat_value refund_map(struct pat_run *run, pat_row row) {
    static const unsigned columns[] = {PAT_REFUND_ORDER,    PAT_REFUND_TIME, PAT_REFUND_AMOUNT,
                                       PAT_REFUND_CURRENCY, PAT_REFUND_KIND, PAT_REFUND_REASON};
    struct pat_value map = pat_build_map(&run->builder, 10);
    const int64_t id = pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_ID, row);
    pat_build_put(&run->builder, &map, "refund", pat_id__value(run, id));
    put_columns(run, PAT_REFUNDS, row, columns, sizeof columns / sizeof *columns, &map);
    pat_fact__put_attributes(run, PAT_REFUNDS, row, &map);
    put_money(run, PAT_REFUNDS, row, pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_BASE, row), &map);
    pat_build_put(&run->builder, &map, "counts", pat_value_bool(pat_refund__counts(run->view, row, run->day)));
    return map;
}

static struct pat_value line_map(struct pat_run *run, pat_row row) {
    static const unsigned columns[] = {PAT_LINE_ORDER, PAT_LINE_NUMBER,   PAT_LINE_PRODUCT, PAT_LINE_QUANTITY,
                                       PAT_LINE_PRICE, PAT_LINE_CATEGORY, PAT_LINE_COST};
    struct pat_value map = pat_build_map(&run->builder, 8);
    put_columns(run, PAT_LINES, row, columns, sizeof columns / sizeof *columns, &map);
    pat_fact__put_attributes(run, PAT_LINES, row, &map);
    return map;
}

static struct pat_id_key key_of(const struct pat_run *run, enum pat_table_id table, pat_row row) {
    return pat_id__key(run->view, pat_view_get(run->view, table, 0, row));
}

static enum pat_status collect_orders(struct list *list, pat_row customer) {
    struct pat_run *run = list->run;
    int64_t row = pat_view_get(run->view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (!pat_order__known(run, (pat_row)row)) continue;
        const int64_t time = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_TIME, (pat_row)row);
        PAT_TRY(list_add(list, (pat_row)row, time, key_of(run, PAT_ORDERS, (pat_row)row)));
    }
    return PAT_OK;
}

enum pat_status pat_facts__orders_of(struct pat_run *run, pat_row customer, struct pat_value *out) {
    struct list list = {.run = run};
    PAT_TRY(collect_orders(&list, customer));
    const uint32_t count = list_finish(&list);
    *out = pat_build_array(&run->builder, count);
    for (uint32_t i = 0; i < count; i++) {
        pat_build_push(&run->builder, out, pat_fact__order(run, list.entry[i].row, false));
    }
    return PAT_OK;
}

/* Refunds of a chain that are dated up to D. */
static enum pat_status refunds_of_chain(struct pat_run *run, int64_t head, unsigned next, struct pat_value *out) {
    struct list list = {.run = run};
    for (int64_t row = head; row != PAT_NULL; row = pat_view_get(run->view, PAT_REFUNDS, next, (pat_row)row)) {
        const pat_row refund = (pat_row)row;
        const int64_t day = pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_DAY, refund);
        if (pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_DELETED, refund) == 1 || day > run->day) continue;
        const int64_t time = pat_view_get(run->view, PAT_REFUNDS, PAT_REFUND_TIME, refund);
        PAT_TRY(list_add(&list, refund, time, key_of(run, PAT_REFUNDS, refund)));
    }
    const uint32_t count = list_finish(&list);
    *out = pat_build_array(&run->builder, count);
    for (uint32_t i = 0; i < count; i++) pat_build_push(&run->builder, out, refund_map(run, list.entry[i].row));
    return PAT_OK;
}

enum pat_status pat_facts__refunds_of(struct pat_run *run, pat_row customer, struct pat_value *out) {
    const int64_t head = pat_view_get(run->view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    return refunds_of_chain(run, head, PAT_REFUND_NEXT, out);
}

enum pat_status pat_facts__refunds_of_order(struct pat_run *run, pat_row order, struct pat_value *out) {
    const int64_t head = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_REFUND_HEAD, order);
    return refunds_of_chain(run, head, PAT_REFUND_ORDER_NEXT, out);
}

/* Lines sort by their order's time, then order, then number: the number stands in for an id behind those of the order.
 */
static enum pat_status collect_lines(struct list *lines, pat_row order) {
    struct pat_run *run = lines->run;
    struct list own = {.run = run};
    int64_t row = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_LINE_HEAD, order);
    for (; row != PAT_NULL; row = pat_view_get(run->view, PAT_LINES, PAT_LINE_NEXT, (pat_row)row)) {
        if (pat_view_get(run->view, PAT_LINES, PAT_LINE_DELETED, (pat_row)row) == 1) continue;
        const int64_t number = pat_view_get(run->view, PAT_LINES, PAT_LINE_NUMBER, (pat_row)row);
        PAT_TRY(list_add(&own, (pat_row)row, 0, (struct pat_id_key){.number = number < 0 ? 0 : number}));
    }
    if (own.count > 0) qsort(own.entry, own.count, sizeof *own.entry, newest_first);
    for (uint32_t i = 0; i < own.count; i++) {
        PAT_TRY(list_add(lines, own.entry[i].row, 0, (struct pat_id_key){.number = lines->count}));
    }
    return PAT_OK;
}

static void put_lines(struct list *lines, struct pat_value *out) {
    const uint32_t count = list_finish(lines);
    *out = pat_build_array(&lines->run->builder, count);
    for (uint32_t i = 0; i < count; i++) {
        pat_build_push(&lines->run->builder, out, line_map(lines->run, lines->entry[i].row));
    }
}

enum pat_status pat_facts__lines_of_order(struct pat_run *run, pat_row order, struct pat_value *out) {
    struct list lines = {.run = run};
    PAT_TRY(collect_lines(&lines, order));
    put_lines(&lines, out);
    return PAT_OK;
}

enum pat_status pat_facts__lines_of(struct pat_run *run, pat_row customer, struct pat_value *out) {
    struct list orders = {.run = run}, lines = {.run = run};
    PAT_TRY(collect_orders(&orders, customer));
    if (orders.count > 0) qsort(orders.entry, orders.count, sizeof *orders.entry, newest_first);
    for (uint32_t i = 0; i < orders.count; i++) PAT_TRY(collect_lines(&lines, orders.entry[i].row));
    put_lines(&lines, out);
    return PAT_OK;
}
