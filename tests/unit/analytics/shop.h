/* A small store filled by hand, and questions to it as text: JSON with single quotes in, the same out. */
#ifndef PAT_TESTS_ANALYTICS_SHOP_H
#define PAT_TESTS_ANALYTICS_SHOP_H

#include "../model/notation.h"

#include "analytics/analytics.h"
#include "model/date.h"
#include "model/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct shop {
    struct pat_store *store;
    struct pat_zone *zone;
    pat_day today;
    size_t memory; /* in use before */
    const char *kernels;
    char text[65536]; /* of the last answer */
    struct pat_arena arena;
    struct pat_clv_fit fit; /* of the last clv.fit */
    struct pat_error error;
    struct pat_known *known; /* of the store as it is, or NULL */
    bool keeps;              /* windows, from one question to the next */
    struct pat_kept_window *kept[PAT_KEPT_WINDOWS], *spare;
    enum pat_status (*stop_cb)(void *context);
    void *stop_context;
    const struct pat_spread *spread;
    uint64_t (*clock_cb)(void);
};

static inline pat_day day_of(const char *text) {
    pat_day day;
    assert_true(pat_day_parse(pat_text_of(text), &day));
    return day;
}

static inline void shop_open(struct shop *shop) {
    memset(shop, 0, sizeof *shop);
    shop->memory = pat_mem_used_total();
    const struct pat_store_options options = {.base_currency = "GBP", .entropy = "shop", .entropy_bytes = 4};
    struct pat_store_options with_zone = options;
    assert_int_equal(PAT_OK, pat_zone_open(&shop->zone, "UTC", NULL));
    with_zone.zone = shop->zone;
    assert_int_equal(PAT_OK, pat_store_open(&shop->store, &with_zone, NULL));
    shop->today = day_of("2024-12-31");
    shop->kernels = "auto";
    pat_arena_init(&shop->arena, 0);
}

static inline void shop_close(struct shop *shop) {
    pat_arena_deinit(&shop->arena);
    pat_store_close(&shop->store);
    pat_zone_close(&shop->zone);
    assert_int_equal(shop->memory, pat_mem_used_total());
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static inline struct pat_id_key key_of(const char *id) {
    return (struct pat_id_key){.number = pat_id_number(pat_text_of(id)), .text = pat_text_of(id)};
}

static inline pat_row shop_row(struct shop *shop, enum pat_table_id table, const char *id) {
    const pat_row row = pat_table_find_id(shop->store, table, key_of(id));
    return row != PAT_ROW_NONE ? row : pat_table_add_id(shop->store, table, key_of(id));
}

static inline void shop_set(struct shop *shop, enum pat_table_id table, pat_row row, unsigned column, int64_t value) {
    pat_table_set(&shop->store->table[table], column, row, value);
}

static inline int64_t shop_get(struct shop *shop, enum pat_table_id table, pat_row row, unsigned column) {
    return pat_table_get(&shop->store->table[table], column, row);
}

static inline void shop_text(struct shop *shop, enum pat_table_id table, pat_row row, unsigned column,
                             const char *text) {
    shop_set(shop, table, row, column, pat_dict_add(shop->store->table[table].dict[column], pat_text_of(text)));
}

/* A profile; country and created may be NULL. */
static inline pat_row shop_customer(struct shop *shop, const char *id, const char *country, const char *created) {
    const pat_row row = shop_row(shop, PAT_CUSTOMERS, id);
    shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_PROFILED, 1);
    if (country != NULL) shop_text(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_COUNTRY, country);
    if (created != NULL) shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_CREATED, day_of(created));
    return row;
}

/* An order at noon, in GBP. */
static inline pat_row shop_order(struct shop *shop, const char *id, const char *customer, pat_day day, int64_t minor) {
    const pat_row owner = shop_row(shop, PAT_CUSTOMERS, customer);
    const pat_row row = shop_row(shop, PAT_ORDERS, id);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_STATE, PAT_ORDER_PRESENT);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_CUSTOMER, owner);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_TIME, (int64_t)day * 86400 + 43200);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_DAY, day);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_AMOUNT, minor);
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_BASE, minor);
    shop_text(shop, PAT_ORDERS, row, PAT_ORDER_CURRENCY, "GBP");
    shop_set(shop, PAT_ORDERS, row, PAT_ORDER_NEXT, shop_get(shop, PAT_CUSTOMERS, owner, PAT_CUSTOMER_ORDER_HEAD));
    shop_set(shop, PAT_CUSTOMERS, owner, PAT_CUSTOMER_ORDER_HEAD, row);
    return row;
}

/* A refund of `order` (or, when NULL, just of the customer). */
static inline pat_row shop_refund(struct shop *shop, const char *id, const char *customer, const char *order,
                                  pat_day day, int64_t minor) {
    const pat_row owner = shop_row(shop, PAT_CUSTOMERS, customer);
    const pat_row row = shop_row(shop, PAT_REFUNDS, id);
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_CUSTOMER, owner);
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_TIME, (int64_t)day * 86400 + 43200);
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_DAY, day);
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_AMOUNT, minor);
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_BASE, minor);
    shop_text(shop, PAT_REFUNDS, row, PAT_REFUND_CURRENCY, "GBP");
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_NEXT, shop_get(shop, PAT_CUSTOMERS, owner, PAT_CUSTOMER_REFUND_HEAD));
    shop_set(shop, PAT_CUSTOMERS, owner, PAT_CUSTOMER_REFUND_HEAD, row);
    if (order == NULL) return row;
    const pat_row of = shop_row(shop, PAT_ORDERS, order);
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_ORDER, of);
    shop_set(shop, PAT_REFUNDS, row, PAT_REFUND_ORDER_NEXT, shop_get(shop, PAT_ORDERS, of, PAT_ORDER_REFUND_HEAD));
    shop_set(shop, PAT_ORDERS, of, PAT_ORDER_REFUND_HEAD, row);
    return row;
}

static inline pat_row shop_line(struct shop *shop, const char *order, int64_t number, const char *product,
                                int64_t quantity) {
    int64_t values[PAT_COLUMNS_MAX];
    for (unsigned c = 0; c < PAT_COLUMNS_MAX; c++) values[c] = PAT_NULL;
    const pat_row of = shop_row(shop, PAT_ORDERS, order);
    pat_decimal decimal;
    values[PAT_LINE_ORDER] = of;
    values[PAT_LINE_NUMBER] = number;
    assert_true(pat_decimal_make(quantity, 0, &decimal));
    values[PAT_LINE_QUANTITY] = decimal;
    assert_true(pat_decimal_make(250, 2, &decimal));
    values[PAT_LINE_PRICE] = decimal;
    values[PAT_LINE_PRODUCT] = pat_dict_add(shop->store->table[PAT_LINES].dict[PAT_LINE_PRODUCT], pat_text_of(product));
    values[PAT_LINE_NEXT] = shop_get(shop, PAT_ORDERS, of, PAT_ORDER_LINE_HEAD);
    const pat_row row = pat_table_add(shop->store, PAT_LINES, values);
    shop_set(shop, PAT_ORDERS, of, PAT_ORDER_LINE_HEAD, row);
    return row;
}

/* ---- kept aggregates, as ingest would leave them ----------------------------------------------------------------- */

static inline void shop_raise(struct shop *shop, pat_row row, unsigned column, int64_t value) {
    const int64_t old = shop_get(shop, PAT_CUSTOMERS, row, column);
    if (value != PAT_NULL && (old == PAT_NULL || value > old)) shop_set(shop, PAT_CUSTOMERS, row, column, value);
}

static inline void shop_lower(struct shop *shop, pat_row row, unsigned column, int64_t value) {
    const int64_t old = shop_get(shop, PAT_CUSTOMERS, row, column);
    if (old == PAT_NULL || value < old) shop_set(shop, PAT_CUSTOMERS, row, column, value);
}

static inline void shop_add(struct shop *shop, pat_row row, unsigned column, int64_t value) {
    const int64_t old = shop_get(shop, PAT_CUSTOMERS, row, column);
    /* Wraps: what no int64 holds is for the test to set. */
    const uint64_t sum = (uint64_t)(old == PAT_NULL ? 0 : old) + (uint64_t)value;
    shop_set(shop, PAT_CUSTOMERS, row, column, (int64_t)sum);
}

static inline void shop_money(struct shop *shop, pat_row row, int64_t base, int sign) {
    shop_add(shop, row, base == PAT_NULL ? PAT_CUSTOMER_UNPRICED_N : PAT_CUSTOMER_NET,
             base == PAT_NULL ? 1 : sign * base);
}

static inline void shop_keep_order(struct shop *shop, pat_row order, int64_t *earliest) {
    if (shop_get(shop, PAT_ORDERS, order, PAT_ORDER_STATE) != PAT_ORDER_PRESENT) return;
    if (shop_get(shop, PAT_ORDERS, order, PAT_ORDER_DELETED) == 1) return;
    const pat_row row = (pat_row)shop_get(shop, PAT_ORDERS, order, PAT_ORDER_CUSTOMER);
    const int64_t day = shop_get(shop, PAT_ORDERS, order, PAT_ORDER_DAY);
    const int64_t cancelled = shop_get(shop, PAT_ORDERS, order, PAT_ORDER_CANCELLED);
    const int64_t time = shop_get(shop, PAT_ORDERS, order, PAT_ORDER_TIME);
    shop_lower(shop, row, PAT_CUSTOMER_FIRST_FACT, day);
    if (earliest[row] == PAT_NULL || time < earliest[row]) {
        earliest[row] = time;
        const int64_t country = shop_get(shop, PAT_ORDERS, order, PAT_ORDER_COUNTRY);
        int64_t code = PAT_NULL;
        if (country != PAT_NULL) {
            const struct pat_text text =
                pat_dict_text(shop->store->table[PAT_ORDERS].dict[PAT_ORDER_COUNTRY], (uint32_t)country);
            code = pat_dict_add(shop->store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_COUNTRY], text);
        }
        shop_set(shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_FACT_COUNTRY, code);
    }
    if (shop_get(shop, PAT_ORDERS, order, PAT_ORDER_TEST) == 1) return;
    shop_raise(shop, row, PAT_CUSTOMER_SETTLED, day);
    shop_raise(shop, row, PAT_CUSTOMER_SETTLED, shop_get(shop, PAT_ORDERS, order, PAT_ORDER_PAID_DAY));
    shop_raise(shop, row, PAT_CUSTOMER_SETTLED, cancelled);
    if (cancelled != PAT_NULL) return;
    shop_add(shop, row, PAT_CUSTOMER_ORDERS_N, 1);
    shop_lower(shop, row, PAT_CUSTOMER_FIRST_ORDER, day);
    shop_raise(shop, row, PAT_CUSTOMER_LAST_ORDER, day);
    shop_money(shop, row, shop_get(shop, PAT_ORDERS, order, PAT_ORDER_BASE), 1);
}

static inline void shop_keep_refund(struct shop *shop, pat_row refund) {
    const int64_t customer = shop_get(shop, PAT_REFUNDS, refund, PAT_REFUND_CUSTOMER);
    if (customer == PAT_NULL || shop_get(shop, PAT_REFUNDS, refund, PAT_REFUND_DELETED) == 1) return;
    const pat_row row = (pat_row)customer;
    const int64_t day = shop_get(shop, PAT_REFUNDS, refund, PAT_REFUND_DAY);
    shop_lower(shop, row, PAT_CUSTOMER_FIRST_FACT, day);
    shop_raise(shop, row, PAT_CUSTOMER_SETTLED, day);
    const int64_t order = shop_get(shop, PAT_REFUNDS, refund, PAT_REFUND_ORDER);
    if (order != PAT_NULL) {
        const pat_row of = (pat_row)order;
        if (shop_get(shop, PAT_ORDERS, of, PAT_ORDER_CANCELLED) != PAT_NULL) return;
        if (shop_get(shop, PAT_ORDERS, of, PAT_ORDER_TEST) == 1) return;
        if (shop_get(shop, PAT_ORDERS, of, PAT_ORDER_DELETED) == 1) return;
    }
    shop_money(shop, row, shop_get(shop, PAT_REFUNDS, refund, PAT_REFUND_BASE), -1);
}

static inline void shop_keep(struct shop *shop) {
    static int64_t earliest[100000];
    const struct pat_table *table = shop->store->table;
    for (pat_row row = 0; row < table[PAT_CUSTOMERS].rows; row++) {
        earliest[row] = PAT_NULL;
        for (unsigned column = PAT_CUSTOMER_ORDERS_N; column < PAT_CUSTOMER_COLUMNS; column++) {
            shop_set(shop, PAT_CUSTOMERS, row, column, PAT_NULL);
        }
    }
    for (pat_row row = 0; row < table[PAT_ORDERS].rows; row++) shop_keep_order(shop, row, earliest);
    for (pat_row row = 0; row < table[PAT_REFUNDS].rows; row++) shop_keep_refund(shop, row);
    pat_store_recount(shop->store, &shop->store->counts, NULL);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Puts what no run has yet into one more, or everything into a new one. */
static inline void shop_run(struct shop *shop, bool everything) {
    const struct pat_runs *runs = &shop->store->runs;
    struct pat_run_plan plan = {.generation = pat_store_begin_run(shop->store),
                                .orders_from = everything ? 0 : pat_runs_orders_end(runs),
                                .refunds_from = everything ? 0 : pat_runs_refunds_end(runs),
                                .kernels = &pat_kernels_scalar};
    struct pat_view *view;
    struct pat_fact_run *run;
    assert_int_equal(PAT_OK, pat_view_open(&view, shop->store));
    plan.view = view;
    assert_int_equal(PAT_OK, pat_run_build(&run, &plan));
    pat_store_add_run(shop->store, &run);
    pat_view_close(&view);
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

struct printer {
    char *out;
    size_t capacity, used;
};

static inline void print(struct printer *printer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void print(struct printer *printer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(printer->out + printer->used, printer->capacity - printer->used, format, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < printer->capacity - printer->used);
    printer->used += (size_t)length;
}

static inline void print_value(struct printer *printer, const struct pat_value *value) {
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_NIL: print(printer, "null"); return;
    case PAT_VALUE_BOOL: print(printer, value->as.boolean ? "true" : "false"); return;
    case PAT_VALUE_INT: print(printer, "%lld", (long long)value->as.integer); return;
    case PAT_VALUE_UINT: print(printer, "%llu", (unsigned long long)value->as.uinteger); return;
    case PAT_VALUE_FLOAT: print(printer, "%.6g", value->as.real); return;
    case PAT_VALUE_TEXT: print(printer, "'%.*s'", (int)value->count, value->as.text); return;
    case PAT_VALUE_BIN: print(printer, "bin"); return;
    case PAT_VALUE_ARRAY:
        print(printer, "[");
        for (uint32_t i = 0; i < value->count; i++) {
            if (i > 0) print(printer, ",");
            print_value(printer, &value->as.items[i]);
        }
        print(printer, "]");
        return;
    case PAT_VALUE_MAP:
        print(printer, "{");
        for (uint32_t i = 0; i < value->count; i++) {
            const struct pat_text key = value->as.members[i].key;
            print(printer, "%s%.*s:", i > 0 ? "," : "", (int)key.length, key.data);
            print_value(printer, &value->as.members[i].value);
        }
        print(printer, "}");
        return;
    }
}

/* Parameters; inside of strings ` stands for '. */
static inline const struct pat_value *shop_params(struct pat_arena *arena, const char *params) {
    char *copy = pat_arena_alloc(arena, strlen(params) + 1);
    assert_non_null(copy);
    memcpy(copy, params, strlen(params) + 1);
    const struct pat_value *value = notation(arena, copy);
    for (char *at = copy; *at != '\0'; at++) *at = *at == '`' ? '\'' : *at; /* the strings borrow from the copy */
    return value;
}

static inline void shop_forget(struct shop *shop) {
    for (unsigned i = 0; i < PAT_KEPT_WINDOWS; i++) pat_kept_window_close(&shop->kept[i]);
    pat_kept_window_close(&shop->spare);
}

/* In place of its predecessor, else of the one that was kept last. */
static inline void shop_shelve(struct shop *shop, struct pat_kept_window *made) {
    unsigned place = 0;
    while (place + 1 < PAT_KEPT_WINDOWS && shop->kept[place] != NULL &&
           !pat_kept_window_same(shop->kept[place], made)) {
        place++;
    }
    pat_kept_window_close(&shop->spare);
    shop->spare = shop->kept[place];
    shop->kept[place] = made;
}

/* Asks and prints the whole answer, or "CODE: message". */
static inline const char *ask(struct shop *shop, const char *method, const char *params) {
    pat_arena_deinit(&shop->arena);
    pat_arena_init(&shop->arena, 0);
    struct pat_request request;
    struct pat_kept_window *made = NULL;
    struct pat_value result = pat_value_nil();
    struct pat_view *view;
    const struct pat_method_info *info = pat_method_find(pat_text_of(method));
    assert_non_null(info);
    enum pat_status status =
        pat_request_parse(&request, info, shop_params(&shop->arena, params), &shop->arena, &shop->error);
    assert_int_equal(PAT_OK, pat_view_open(&view, shop->store));
    if (status == PAT_OK) {
        struct pat_job job = {.view = view,
                              .request = &request,
                              .kernels = pat_kernels_find(shop->kernels),
                              .arena = &shop->arena,
                              .today = shop->today,
                              .fit = &shop->fit,
                              .known = shop->known,
                              .kept_window = shop->keeps ? (const struct pat_kept_window *const *)shop->kept : NULL,
                              .made_window = shop->keeps ? &made : NULL,
                              .spare_window = shop->keeps ? &shop->spare : NULL,
                              .row = PAT_ROW_NONE,
                              .clock_cb = shop->clock_cb,
                              .stop_cb = shop->stop_cb,
                              .stop_context = shop->stop_context,
                              .spread = shop->spread};
        const struct pat_id_key key = {.number = pat_id_number(request.id), .text = request.id};
        if (request.method == PAT_METHOD_CUSTOMER || (request.method == PAT_METHOD_CLV_PREDICT && key.text.length > 0))
            job.row = pat_table_find_id(shop->store, PAT_CUSTOMERS, key);
        if (request.method == PAT_METHOD_ORDER) job.row = pat_table_find_id(shop->store, PAT_ORDERS, key);
        status = pat_analytics_run(&job, &result, &shop->error);
    }
    pat_view_close(&view);
    if (made != NULL) shop_shelve(shop, made);
    struct printer printer = {shop->text, sizeof shop->text, 0};
    if (status != PAT_OK) {
        assert_int_equal(status, shop->error.status);
        print(&printer, "%s: %s", pat_status_code(status), shop->error.message);
    } else {
        print_value(&printer, &result);
    }
    return shop->text;
}

/* Part of an answer: the value of `key` at the top. */
static inline const char *ask_part(struct shop *shop, const char *method, const char *params, const char *key) {
    const char *text = ask(shop, method, params);
    char find[64];
    (void)snprintf(find, sizeof find, "%s:", key);
    int depth = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (depth != 1 || (at[0] != '{' && at[0] != ',') || strncmp(at + 1, find, strlen(find)) != 0) continue;
        char *start = shop->text + (at + 1 - text) + strlen(find);
        int inner = 0;
        bool quoted = false;
        char *end = start;
        for (; *end != '\0'; end++) {
            if (*end == '\'') quoted = !quoted;
            if (quoted) continue;
            if (inner == 0 && (*end == ',' || *end == '}')) break;
            if (*end == '{' || *end == '[') inner++;
            if (*end == '}' || *end == ']') inner--;
        }
        *end = '\0';
        return start;
    }
    return text; /* the whole, so that the failed comparison shows it */
}

#endif
