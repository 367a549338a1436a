#include "generate_batch.h"

#include "generate_batch_private.h"

#include "base/mem.h"

#include <string.h>

/* Places of the columns below; both change together. */
enum { FX_DAY, FX_CURRENCY, FX_RATE, FX_VERSION, FX_COLUMNS };
enum {
    CUSTOMER_ID,
    CUSTOMER_VERSION,
    CUSTOMER_CREATED,
    CUSTOMER_COUNTRY,
    CUSTOMER_REGION,
    CUSTOMER_LANGUAGE,
    CUSTOMER_CURRENCY,
    CUSTOMER_GENDER,
    CUSTOMER_BIRTH_YEAR,
    CUSTOMER_ACQUISITION,
    CUSTOMER_CREDIT,
    CUSTOMER_ENTITY,
    CUSTOMER_CONSENT,
    CUSTOMER_TAGS,
    CUSTOMER_NEWSLETTER, /* attributes from here on */
    CUSTOMER_VISITS,
    CUSTOMER_RATING,
    CUSTOMER_CREDIT_LIMIT,
    CUSTOMER_LAST_VISIT,
    CUSTOMER_TIER,
    CUSTOMER_INTERESTS,
    CUSTOMER_COLUMNS
};
enum {
    ORDER_ID,
    ORDER_VERSION,
    ORDER_CUSTOMER,
    ORDER_TIME,
    ORDER_AMOUNT,
    ORDER_CURRENCY,
    ORDER_PAID,
    ORDER_CANCELLED,
    ORDER_TEST,
    ORDER_COUNTRY,
    ORDER_CHANNEL,
    ORDER_PAYMENT,
    ORDER_PROMOTION,
    ORDER_DISCOUNT,
    ORDER_SHIPPING,
    ORDER_TAX,
    ORDER_COST,
    ORDER_DUTY,
    ORDER_GIFT, /* attributes from here on */
    ORDER_PARCELS,
    ORDER_WEIGHT,
    ORDER_INSURED,
    ORDER_PROMISED,
    ORDER_WAREHOUSE,
    ORDER_HANDLING,
    ORDER_COLUMNS
};
enum {
    REFUND_ID,
    REFUND_ORDER,
    REFUND_TIME,
    REFUND_AMOUNT,
    REFUND_CURRENCY,
    REFUND_KIND,
    REFUND_REASON,
    REFUND_COLUMNS
};
enum {
    LINE_ORDER,
    LINE_NUMBER,
    LINE_CUSTOMER,
    LINE_TIME,
    LINE_PRODUCT,
    LINE_QUANTITY,
    LINE_PRICE,
    LINE_CURRENCY,
    LINE_COUNTRY,
    LINE_CHANNEL,
    LINE_CATEGORY,
    LINE_COST,
    LINE_ENGRAVED, /* attributes from here on */
    LINE_SHELF,
    LINE_REBATE,
    LINE_LIST_PRICE,
    LINE_BEST_BEFORE,
    LINE_SIZE,
    LINE_MATERIALS,
    LINE_COLUMNS
};

#define ID(name, letter)                                                                                               \
    { name, NULL, PAT_GEN_KIND_ID, 0, letter, PAT_GEN_ALWAYS }
#define PLAIN(name, kind)                                                                                              \
    { name, NULL, PAT_GEN_KIND_##kind, 0, 0, PAT_GEN_ALWAYS }
#define VERSION(when)                                                                                                  \
    { "version", NULL, PAT_GEN_KIND_INT, 0, 0, PAT_GEN_WITH_##when }
#define MONEY(name)                                                                                                    \
    { name, name "_minor", PAT_GEN_KIND_MONEY, 0, 0, PAT_GEN_ALWAYS }
#define CODE(name, list)                                                                                               \
    { name, NULL, PAT_GEN_KIND_CODE8, PAT_GEN_LIST_##list, 0, PAT_GEN_ALWAYS }
#define CODE16(name, list)                                                                                             \
    { name, NULL, PAT_GEN_KIND_CODE16, PAT_GEN_LIST_##list, 0, PAT_GEN_ALWAYS }

#define ATTRIBUTE(name, kind)                                                                                          \
    { "attr." name, NULL, PAT_GEN_KIND_##kind, 0, 0, PAT_GEN_WITH_ATTRIBUTES }
#define ATTRIBUTE_MONEY(name, kind)                                                                                    \
    { "attr." name, "attr." name "_minor", PAT_GEN_KIND_##kind, 0, 0, PAT_GEN_WITH_ATTRIBUTES }
#define ATTRIBUTE_CODE(name, list)                                                                                     \
    { "attr." name, NULL, PAT_GEN_KIND_CODE8, PAT_GEN_LIST_##list, 0, PAT_GEN_WITH_ATTRIBUTES }

static const struct pat_gen_column_kind fx_columns[FX_COLUMNS] = {
    [FX_DAY] = PLAIN("day", DAY),
    [FX_CURRENCY] = CODE("currency", CURRENCY),
    [FX_RATE] = PLAIN("rate", RATE),
    [FX_VERSION] = VERSION(RATE_CORRECTIONS),
};
static const struct pat_gen_column_kind customer_columns[CUSTOMER_COLUMNS] = {
    [CUSTOMER_ID] = ID("customer", 'C'),
    [CUSTOMER_VERSION] = VERSION(CORRECTIONS),
    [CUSTOMER_CREATED] = PLAIN("created", DAY),
    [CUSTOMER_COUNTRY] = CODE("country", COUNTRY),
    [CUSTOMER_REGION] = CODE("region", REGION),
    [CUSTOMER_LANGUAGE] = CODE("language", LANGUAGE),
    [CUSTOMER_CURRENCY] = CODE("currency", CURRENCY),
    [CUSTOMER_GENDER] = CODE("gender", GENDER),
    [CUSTOMER_BIRTH_YEAR] = PLAIN("birth_year", INT),
    [CUSTOMER_ACQUISITION] = CODE("acq_channel", ACQUISITION),
    [CUSTOMER_CREDIT] = CODE("credit", CREDIT),
    [CUSTOMER_ENTITY] = CODE("entity", ENTITY),
    [CUSTOMER_CONSENT] = CODE("consent", CONSENT),
    [CUSTOMER_TAGS] = CODE("tags", TAGS),
    [CUSTOMER_NEWSLETTER] = ATTRIBUTE("newsletter", BOOL),
    [CUSTOMER_VISITS] = ATTRIBUTE("visits", INT),
    [CUSTOMER_RATING] = ATTRIBUTE("rating", TENTHS),
    [CUSTOMER_CREDIT_LIMIT] = ATTRIBUTE_MONEY("credit_limit", BASE),
    [CUSTOMER_LAST_VISIT] = ATTRIBUTE("last_visit", DAY),
    [CUSTOMER_TIER] = ATTRIBUTE_CODE("tier", TIER),
    [CUSTOMER_INTERESTS] = ATTRIBUTE_CODE("interests", INTERESTS),
};
static const struct pat_gen_column_kind order_columns[ORDER_COLUMNS] = {
    [ORDER_ID] = ID("order", 'W'),
    [ORDER_VERSION] = VERSION(CORRECTIONS),
    [ORDER_CUSTOMER] = ID("customer", 'C'),
    [ORDER_TIME] = PLAIN("time", TIME),
    [ORDER_AMOUNT] = MONEY("amount"),
    [ORDER_CURRENCY] = CODE("currency", CURRENCY),
    [ORDER_PAID] = PLAIN("paid", TIME),
    [ORDER_CANCELLED] = PLAIN("cancelled", DAY),
    [ORDER_TEST] = PLAIN("test", INT),
    [ORDER_COUNTRY] = CODE("country", COUNTRY),
    [ORDER_CHANNEL] = CODE("channel", CHANNEL),
    [ORDER_PAYMENT] = CODE("payment", PAYMENT),
    [ORDER_PROMOTION] = CODE("promotion", PROMOTION),
    [ORDER_DISCOUNT] = MONEY("discount"),
    [ORDER_SHIPPING] = MONEY("shipping"),
    [ORDER_TAX] = MONEY("tax"),
    [ORDER_COST] = MONEY("cost"),
    [ORDER_DUTY] = {"duty", "duty_minor", PAT_GEN_KIND_MONEY, 0, 0, PAT_GEN_WITH_DUTIES},
    [ORDER_GIFT] = ATTRIBUTE("gift", BOOL),
    [ORDER_PARCELS] = ATTRIBUTE("parcels", INT),
    [ORDER_WEIGHT] = ATTRIBUTE("weight", TENTHS),
    [ORDER_INSURED] = ATTRIBUTE_MONEY("insured", MONEY),
    [ORDER_PROMISED] = ATTRIBUTE("promised", DAY),
    [ORDER_WAREHOUSE] = ATTRIBUTE_CODE("warehouse", WAREHOUSE),
    [ORDER_HANDLING] = ATTRIBUTE_CODE("handling", HANDLING),
};
static const struct pat_gen_column_kind refund_columns[REFUND_COLUMNS] = {
    [REFUND_ID] = ID("refund", 'R'),
    [REFUND_ORDER] = ID("order", 'W'),
    [REFUND_TIME] = PLAIN("time", TIME),
    [REFUND_AMOUNT] = MONEY("amount"),
    [REFUND_CURRENCY] = CODE("currency", CURRENCY),
    [REFUND_KIND] = CODE("kind", KIND),
    [REFUND_REASON] = CODE("reason", REASON),
};
static const struct pat_gen_column_kind line_columns[LINE_COLUMNS] = {
    [LINE_ORDER] = ID("order", 'W'),
    [LINE_NUMBER] = PLAIN("line", INT),
    [LINE_CUSTOMER] = ID("customer", 'C'),
    [LINE_TIME] = PLAIN("time", TIME),
    [LINE_PRODUCT] = CODE16("product", PRODUCT),
    [LINE_QUANTITY] = PLAIN("quantity", INT),
    [LINE_PRICE] = PLAIN("price", PRICE),
    [LINE_CURRENCY] = CODE("currency", CURRENCY),
    [LINE_COUNTRY] = CODE("country", COUNTRY),
    [LINE_CHANNEL] = CODE("channel", CHANNEL),
    [LINE_CATEGORY] = CODE("category", CATEGORY),
    [LINE_COST] = MONEY("cost"),
    [LINE_ENGRAVED] = ATTRIBUTE("engraved", BOOL),
    [LINE_SHELF] = ATTRIBUTE("shelf", INT),
    [LINE_REBATE] = ATTRIBUTE("rebate", TENTHS),
    [LINE_LIST_PRICE] = ATTRIBUTE_MONEY("list_price", MONEY),
    [LINE_BEST_BEFORE] = ATTRIBUTE("best_before", DAY),
    [LINE_SIZE] = ATTRIBUTE_CODE("size", SIZE),
    [LINE_MATERIALS] = ATTRIBUTE_CODE("materials", MATERIALS),
};

_Static_assert((int)ORDER_COLUMNS <= (int)PAT_GEN_COLUMNS_MAX && (int)CUSTOMER_COLUMNS <= (int)PAT_GEN_COLUMNS_MAX &&
                   (int)LINE_COLUMNS <= (int)PAT_GEN_COLUMNS_MAX,
               "batches have room for them");

const struct pat_gen_columns pat_gen_columns[PAT_GEN_TABLES] = {
    [PAT_GEN_FX] = {fx_columns, FX_COLUMNS, FX_CURRENCY, FX_COLUMNS, 0},
    [PAT_GEN_CUSTOMERS] = {customer_columns, CUSTOMER_COLUMNS, CUSTOMER_CURRENCY, CUSTOMER_NEWSLETTER,
                           PAT_GEN_STREAM_CUSTOMER_ATTRIBUTES},
    [PAT_GEN_ORDERS] = {order_columns, ORDER_COLUMNS, ORDER_CURRENCY, ORDER_GIFT, PAT_GEN_STREAM_ORDER_ATTRIBUTES},
    [PAT_GEN_REFUNDS] = {refund_columns, REFUND_COLUMNS, REFUND_CURRENCY, REFUND_COLUMNS, 0},
    [PAT_GEN_LINES] = {line_columns, LINE_COLUMNS, LINE_CURRENCY, LINE_ENGRAVED, PAT_GEN_STREAM_LINE_ATTRIBUTES},
};

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static size_t width_of(enum pat_gen_kind kind) {
    switch (kind) {
    case PAT_GEN_KIND_DAY: return 4;
    case PAT_GEN_KIND_CODE8: return 1;
    case PAT_GEN_KIND_CODE16: return 2;
    case PAT_GEN_KIND_ID:
    case PAT_GEN_KIND_TIME:
    case PAT_GEN_KIND_INT:
    case PAT_GEN_KIND_MONEY:
    case PAT_GEN_KIND_PRICE:
    case PAT_GEN_KIND_RATE:
    case PAT_GEN_KIND_BOOL:
    case PAT_GEN_KIND_TENTHS:
    case PAT_GEN_KIND_BASE: break;
    }
    return 8;
}

static uint32_t capacity_of(const struct pat_gen_plan *plan, enum pat_gen_table table) {
    switch (table) {
    case PAT_GEN_CUSTOMERS: return plan->batch_rows * 2; /* wrong ones and right ones */
    case PAT_GEN_LINES: return plan->batch_rows * PAT_GEN_LINES_MAX;
    case PAT_GEN_FX:
    case PAT_GEN_ORDERS:
    case PAT_GEN_REFUNDS:
    case PAT_GEN_TABLES: break;
    }
    return plan->batch_rows;
}

static size_t null_bytes(const struct pat_gen_batch *batch) {
    return ((size_t)batch->capacity + 7) / 8;
}

struct pat_gen_batch *pat_gen_batch_new(const struct pat_gen_world *world, enum pat_gen_table table) {
    struct pat_gen_batch *batch = pat_mem_alloc(PAT_MEM_OTHER, sizeof *batch);
    if (batch == NULL) return NULL;
    batch->table = table;
    batch->world = world;
    batch->capacity = capacity_of(world->plan, table);
    pat_arena_init(&batch->memory, 0);
    pat_arena_init(&batch->arena, 0);
    pat_buf_init(&batch->text, PAT_MEM_OTHER);
    const struct pat_gen_columns *columns = &pat_gen_columns[table];
    for (unsigned c = 0; c < columns->count; c++) {
        const enum pat_gen_kind kind = columns->column[c].kind;
        struct pat_gen_column *column = &batch->column[c];
        /* Versions are put whether or not somebody looks at them; the rest only where the plan has it. */
        const bool versions = columns->column[c].when == PAT_GEN_WITH_CORRECTIONS;
        if (!versions && !pat_gen_column_used(world, &columns->column[c])) continue;
        column->at.any = pat_arena_array(&batch->memory, batch->capacity, width_of(kind));
        column->nulls = pat_arena_alloc(&batch->memory, null_bytes(batch));
        if (column->at.any != NULL && column->nulls != NULL) continue;
        pat_gen_batch_free(batch);
        return NULL;
    }
    return batch;
}

void pat_gen_batch_free(struct pat_gen_batch *batch) {
    if (batch == NULL) return;
    pat_arena_deinit(&batch->memory);
    pat_arena_deinit(&batch->arena);
    pat_buf_deinit(&batch->text);
    pat_mem_free(PAT_MEM_OTHER, batch);
}

void pat_gen_batch_clear(struct pat_gen_batch *batch) {
    for (unsigned c = 0; c < pat_gen_columns[batch->table].count; c++) {
        struct pat_gen_column *column = &batch->column[c];
        if (column->any_null) memset(column->nulls, 0, null_bytes(batch));
        column->any_null = column->any_value = column->any_text_id = false;
    }
    pat_arena_deinit(&batch->arena);
    pat_buf_clear(&batch->text);
    batch->rows = 0;
    batch->tries = 0;
    batch->next = NULL;
}

/* ---- cells ----------------------------------------------------------------------------------------------------- */

static inline void put(struct pat_gen_batch *batch, unsigned column, int64_t value) {
    batch->column[column].at.wide[batch->rows] = value;
    batch->column[column].any_value = true;
}

static inline void put_null(struct pat_gen_column *column, uint32_t row) {
    column->nulls[row / 8] |= (unsigned char)(1u << (row % 8));
    column->any_null = true;
}

static inline void put_maybe(struct pat_gen_batch *batch, unsigned column, int64_t value) {
    struct pat_gen_column *at = &batch->column[column];
    at->at.wide[batch->rows] = value == PAT_NULL ? 0 : value;
    if (value == PAT_NULL) {
        put_null(at, batch->rows);
    } else {
        at->any_value = true;
    }
}

static inline void put_day(struct pat_gen_batch *batch, unsigned column, int64_t value) {
    struct pat_gen_column *at = &batch->column[column];
    at->at.day[batch->rows] = value == PAT_NULL ? 0 : (int32_t)value;
    if (value == PAT_NULL) {
        put_null(at, batch->rows);
    } else {
        at->any_value = true;
    }
}

static inline void put_id(struct pat_gen_batch *batch, unsigned column, uint64_t id) {
    put(batch, column, (int64_t)id);
    if (id >= PAT_GEN_TEXT_ID) batch->column[column].any_text_id = true;
}

static inline void put_code(struct pat_gen_batch *batch, unsigned column, uint8_t code) {
    batch->column[column].at.code8[batch->rows] = code;
    batch->column[column].any_value = true;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

void pat_gen_batch_add_fx(struct pat_gen_batch *batch, uint32_t day, unsigned currency, int64_t decimal,
                          int64_t version) {
    put_day(batch, FX_DAY, batch->world->plan->start + (int64_t)day);
    put_code(batch, FX_CURRENCY, (uint8_t)currency);
    put(batch, FX_RATE, decimal);
    if (batch->world->plan->rate_corrections > 0) put(batch, FX_VERSION, version);
    batch->rows++;
}

void pat_gen_batch_add_customer(struct pat_gen_batch *batch, const struct pat_gen_profile *profile, int64_t version) {
    put_id(batch, CUSTOMER_ID, profile->id);
    put(batch, CUSTOMER_VERSION, version);
    put_day(batch, CUSTOMER_CREATED, profile->created);
    put_code(batch, CUSTOMER_COUNTRY, profile->country);
    put_code(batch, CUSTOMER_REGION, profile->region);
    put_code(batch, CUSTOMER_LANGUAGE, profile->country);
    put_code(batch, CUSTOMER_CURRENCY, profile->currency);
    put_code(batch, CUSTOMER_GENDER, profile->gender);
    put_maybe(batch, CUSTOMER_BIRTH_YEAR, profile->birth_year);
    put_code(batch, CUSTOMER_ACQUISITION, profile->acquisition);
    put_code(batch, CUSTOMER_CREDIT, profile->credit);
    put_code(batch, CUSTOMER_ENTITY, profile->entity);
    put_code(batch, CUSTOMER_CONSENT, profile->consent);
    put_code(batch, CUSTOMER_TAGS, profile->tags);
    if (batch->world->plan->attributes) pat_gen_batch__add_attributes(batch, profile->id & ~PAT_GEN_TEXT_ID);
    batch->rows++;
}

void pat_gen_batch_add_order(struct pat_gen_batch *batch, const struct pat_gen_order *order) {
    put_id(batch, ORDER_ID, order->id);
    put(batch, ORDER_VERSION, order->version);
    put_id(batch, ORDER_CUSTOMER, order->customer);
    put(batch, ORDER_TIME, order->time);
    put(batch, ORDER_AMOUNT, order->amount);
    put_code(batch, ORDER_CURRENCY, order->currency);
    put_maybe(batch, ORDER_PAID, order->paid);
    put_day(batch, ORDER_CANCELLED, order->cancelled);
    put_maybe(batch, ORDER_TEST, order->test ? 1 : PAT_NULL);
    put_code(batch, ORDER_COUNTRY, order->country);
    put_code(batch, ORDER_CHANNEL, order->channel);
    put_code(batch, ORDER_PAYMENT, order->payment);
    put_code(batch, ORDER_PROMOTION, order->promotion);
    put_maybe(batch, ORDER_DISCOUNT, order->discount);
    put(batch, ORDER_SHIPPING, order->shipping);
    put(batch, ORDER_TAX, order->tax);
    put(batch, ORDER_COST, order->cost);
    if (batch->world->plan->duties) put_maybe(batch, ORDER_DUTY, order->duty);
    if (batch->world->plan->attributes) pat_gen_batch__add_attributes(batch, order->id & ~PAT_GEN_TEXT_ID);
    batch->rows++;
}

void pat_gen_batch_add_refund(struct pat_gen_batch *batch, const struct pat_gen_order *order, unsigned which) {
    const struct pat_gen_refund *refund = &order->refund[which];
    const uint64_t mark = order->id & PAT_GEN_TEXT_ID;
    put_id(batch, REFUND_ID, ((order->id & ~PAT_GEN_TEXT_ID) * 10 + which + 1) | mark);
    put_id(batch, REFUND_ORDER, order->id);
    put(batch, REFUND_TIME, refund->time);
    put(batch, REFUND_AMOUNT, refund->amount);
    put_code(batch, REFUND_CURRENCY, order->currency);
    put_code(batch, REFUND_KIND, refund->kind);
    put_code(batch, REFUND_REASON, refund->reason);
    batch->rows++;
}

void pat_gen_batch_add_line(struct pat_gen_batch *batch, const struct pat_gen_order *order,
                            const struct pat_gen_line *line, unsigned number) {
    put_id(batch, LINE_ORDER, order->id);
    put(batch, LINE_NUMBER, number);
    put_id(batch, LINE_CUSTOMER, order->customer);
    put(batch, LINE_TIME, order->time);
    batch->column[LINE_PRODUCT].at.code16[batch->rows] = line->product;
    batch->column[LINE_PRODUCT].any_value = true;
    put(batch, LINE_QUANTITY, line->quantity);
    put(batch, LINE_PRICE, line->price);
    put_code(batch, LINE_CURRENCY, order->currency);
    put_code(batch, LINE_COUNTRY, order->country);
    put_code(batch, LINE_CHANNEL, order->channel);
    put_code(batch, LINE_CATEGORY, line->category);
    put(batch, LINE_COST, line->cost);
    if (batch->world->plan->attributes) {
        pat_gen_batch__add_attributes(batch, (order->id & ~PAT_GEN_TEXT_ID) * (PAT_GEN_LINES_MAX + 1) + number);
    }
    batch->rows++;
}
