#include "model/schema.h"

#include "base/status.h"

#include <stddef.h>

#define UNIT_DAY     "YYYY-MM-DD, or days since 1970-01-01"
#define UNIT_TIME    "RFC 3339, or milliseconds since 1970-01-01T00:00:00Z"
#define UNIT_MONEY   "major units of the row's currency"
#define UNIT_BASE    "minor units of the base currency"
#define VERSION_TEXT "a row with a lower version than the stored one is stale and ignored"
#define DELETED_TEXT "true withdraws the row from every answer"
#define REQUIRED     true
#define OPTIONAL     false

/* name, type, required, unit, explain, dict_as */
#define FIELD(column, ...) [column] = {__VA_ARGS__, column}
/* Kept by ingest: no name, so that no load can set it. */
#define KEPT(column, type, unit, explain) [column] = {NULL, type, OPTIONAL, unit, explain, column}

static const struct pat_field customer_fields[PAT_CUSTOMER_COLUMNS] = {
    FIELD(PAT_CUSTOMER_ID, "customer", PAT_TYPE_ID, REQUIRED, NULL, "the shop's id of the customer"),
    FIELD(PAT_CUSTOMER_VERSION, "version", PAT_TYPE_INT, OPTIONAL, NULL, VERSION_TEXT),
    FIELD(PAT_CUSTOMER_DELETED, "deleted", PAT_TYPE_BOOL, OPTIONAL, NULL, DELETED_TEXT),
    FIELD(PAT_CUSTOMER_CREATED, "created", PAT_TYPE_DAY, OPTIONAL, UNIT_DAY, "day the customer signed up"),
    FIELD(PAT_CUSTOMER_COUNTRY, "country", PAT_TYPE_TEXT, OPTIONAL, NULL,
          "country; where no profile gives one, that of the earliest order"),
    FIELD(PAT_CUSTOMER_REGION, "region", PAT_TYPE_TEXT, OPTIONAL, NULL, "state, province or city"),
    FIELD(PAT_CUSTOMER_LANGUAGE, "language", PAT_TYPE_TEXT, OPTIONAL, NULL, "language the customer reads"),
    FIELD(PAT_CUSTOMER_CURRENCY, "currency", PAT_TYPE_TEXT, OPTIONAL, NULL, "ISO 4217 code the customer shops in"),
    FIELD(PAT_CUSTOMER_GENDER, "gender", PAT_TYPE_TEXT, OPTIONAL, NULL, "gender as the shop records it"),
    FIELD(PAT_CUSTOMER_BIRTH_YEAR, "birth_year", PAT_TYPE_INT, OPTIONAL, "year", "year of birth"),
    FIELD(PAT_CUSTOMER_ACQ_CHANNEL, "acq_channel", PAT_TYPE_TEXT, OPTIONAL, NULL, "channel that won the customer"),
    FIELD(PAT_CUSTOMER_CREDIT, "credit", PAT_TYPE_TEXT, OPTIONAL, NULL, "credit class"),
    FIELD(PAT_CUSTOMER_ENTITY, "entity", PAT_TYPE_TEXT, OPTIONAL, NULL, "kind of customer: person, company, ..."),
    FIELD(PAT_CUSTOMER_CONSENT, "consent", PAT_TYPE_SET, OPTIONAL, NULL, "what the customer agreed to"),
    FIELD(PAT_CUSTOMER_TAGS, "tags", PAT_TYPE_SET, OPTIONAL, NULL, "the shop's own marks"),
    KEPT(PAT_CUSTOMER_PROFILED, PAT_TYPE_BOOL, NULL, "a load of customers named it"),
    KEPT(PAT_CUSTOMER_ORDER_HEAD, PAT_TYPE_REF, NULL, "newest-chained order"),
    KEPT(PAT_CUSTOMER_REFUND_HEAD, PAT_TYPE_REF, NULL, "newest-chained refund"),
    KEPT(PAT_CUSTOMER_ORDERS_N, PAT_TYPE_INT, NULL, "eligible orders"),
    KEPT(PAT_CUSTOMER_NET, PAT_TYPE_MONEY, UNIT_BASE, "eligible orders less counting refunds"),
    KEPT(PAT_CUSTOMER_UNPRICED_N, PAT_TYPE_INT, NULL, "facts without a base value"),
    KEPT(PAT_CUSTOMER_FIRST_ORDER, PAT_TYPE_DAY, UNIT_DAY, "day of the first eligible order"),
    KEPT(PAT_CUSTOMER_LAST_ORDER, PAT_TYPE_DAY, UNIT_DAY, "day of the last eligible order"),
    KEPT(PAT_CUSTOMER_FIRST_FACT, PAT_TYPE_DAY, UNIT_DAY, "day of the earliest order or refund"),
    KEPT(PAT_CUSTOMER_SETTLED, PAT_TYPE_DAY, UNIT_DAY, "the kept aggregates hold from this day on"),
    [PAT_CUSTOMER_FACT_COUNTRY] = {NULL, PAT_TYPE_TEXT, OPTIONAL, NULL, "country of the earliest order",
                                   PAT_CUSTOMER_COUNTRY},
    KEPT(PAT_CUSTOMER_PRODUCER, PAT_TYPE_TEXT, NULL, "who sent the row first"),
};

static const struct pat_field order_fields[PAT_ORDER_COLUMNS] = {
    FIELD(PAT_ORDER_ID, "order", PAT_TYPE_ID, REQUIRED, NULL, "the shop's id of the order"),
    FIELD(PAT_ORDER_VERSION, "version", PAT_TYPE_INT, OPTIONAL, NULL, VERSION_TEXT),
    FIELD(PAT_ORDER_DELETED, "deleted", PAT_TYPE_BOOL, OPTIONAL, NULL, DELETED_TEXT),
    FIELD(PAT_ORDER_CUSTOMER, "customer", PAT_TYPE_REF, REQUIRED, NULL, "who ordered"),
    FIELD(PAT_ORDER_TIME, "time", PAT_TYPE_TIME, REQUIRED, UNIT_TIME, "when it was ordered"),
    FIELD(PAT_ORDER_AMOUNT, "amount", PAT_TYPE_MONEY, REQUIRED, UNIT_MONEY,
          "charged for goods: after discount, without shipping and tax; amount_minor takes minor units"),
    FIELD(PAT_ORDER_CURRENCY, "currency", PAT_TYPE_TEXT, REQUIRED, NULL, "ISO 4217 code of the row's money"),
    FIELD(PAT_ORDER_PAID, "paid", PAT_TYPE_TIME, OPTIONAL, UNIT_TIME, "when it was paid; its time when not given"),
    FIELD(PAT_ORDER_CANCELLED, "cancelled", PAT_TYPE_DAY, OPTIONAL, UNIT_DAY, "day from which it no longer counts"),
    FIELD(PAT_ORDER_TEST, "test", PAT_TYPE_BOOL, OPTIONAL, NULL, "true: a trial order, counted nowhere"),
    FIELD(PAT_ORDER_COUNTRY, "country", PAT_TYPE_TEXT, OPTIONAL, NULL, "country the order goes to"),
    FIELD(PAT_ORDER_CHANNEL, "channel", PAT_TYPE_TEXT, OPTIONAL, NULL, "shop, marketplace or app it came through"),
    FIELD(PAT_ORDER_PAYMENT, "payment", PAT_TYPE_TEXT, OPTIONAL, NULL, "means of payment"),
    FIELD(PAT_ORDER_PROMOTION, "promotion", PAT_TYPE_TEXT, OPTIONAL, NULL, "promotion it used"),
    FIELD(PAT_ORDER_DISCOUNT, "discount", PAT_TYPE_MONEY, OPTIONAL, UNIT_MONEY, "discount already taken off amount"),
    FIELD(PAT_ORDER_SHIPPING, "shipping", PAT_TYPE_MONEY, OPTIONAL, UNIT_MONEY, "shipping charged, beside amount"),
    FIELD(PAT_ORDER_TAX, "tax", PAT_TYPE_MONEY, OPTIONAL, UNIT_MONEY, "tax charged, beside amount"),
    FIELD(PAT_ORDER_DUTY, "duty", PAT_TYPE_MONEY, OPTIONAL, UNIT_MONEY, "customs duty, beside amount"),
    FIELD(PAT_ORDER_COST, "cost", PAT_TYPE_MONEY, OPTIONAL, UNIT_MONEY, "what the order cost the shop"),
    KEPT(PAT_ORDER_STATE, PAT_TYPE_INT, NULL, "awaited, present or negative"),
    KEPT(PAT_ORDER_DAY, PAT_TYPE_DAY, UNIT_DAY, "day of its time"),
    KEPT(PAT_ORDER_PAID_DAY, PAT_TYPE_DAY, UNIT_DAY, "day of paid"),
    KEPT(PAT_ORDER_BASE, PAT_TYPE_MONEY, UNIT_BASE, "amount at the rate of its day"),
    KEPT(PAT_ORDER_NEXT, PAT_TYPE_REF, NULL, "next order of the customer's chain"),
    KEPT(PAT_ORDER_LINE_HEAD, PAT_TYPE_REF, NULL, "newest-chained line"),
    KEPT(PAT_ORDER_LINES_VERSION, PAT_TYPE_INT, NULL, "greatest version of its lines"),
    KEPT(PAT_ORDER_AMOUNT_GIVEN, PAT_TYPE_BOOL, NULL, "an order row gave the amount"),
    KEPT(PAT_ORDER_REFUND_HEAD, PAT_TYPE_REF, NULL, "newest-chained refund that names it"),
    KEPT(PAT_ORDER_PRODUCER, PAT_TYPE_TEXT, NULL, "who sent the row first"),
};

static const struct pat_field line_fields[PAT_LINE_COLUMNS] = {
    FIELD(PAT_LINE_ORDER, "order", PAT_TYPE_REF, REQUIRED, NULL, "the order it belongs to"),
    FIELD(PAT_LINE_NUMBER, "line", PAT_TYPE_INT, OPTIONAL, NULL, "its number in the order; by position when not given"),
    FIELD(PAT_LINE_VERSION, "version", PAT_TYPE_INT, OPTIONAL, NULL, VERSION_TEXT),
    FIELD(PAT_LINE_DELETED, "deleted", PAT_TYPE_BOOL, OPTIONAL, NULL, DELETED_TEXT),
    FIELD(PAT_LINE_PRODUCT, "product", PAT_TYPE_TEXT, REQUIRED, NULL, "the shop's id of the product"),
    FIELD(PAT_LINE_QUANTITY, "quantity", PAT_TYPE_DECIMAL, REQUIRED, NULL, "how many; below zero for goods sent back"),
    FIELD(PAT_LINE_PRICE, "price", PAT_TYPE_DECIMAL, REQUIRED, "major units of the order's currency", "price of one"),
    FIELD(PAT_LINE_CATEGORY, "category", PAT_TYPE_TEXT, OPTIONAL, NULL, "category of the product"),
    FIELD(PAT_LINE_COST, "cost", PAT_TYPE_MONEY, OPTIONAL, "major units of the order's currency",
          "what the whole line cost the shop"),
    KEPT(PAT_LINE_NEXT, PAT_TYPE_REF, NULL, "next line of the order's chain"),
    KEPT(PAT_LINE_PRODUCER, PAT_TYPE_TEXT, NULL, "who sent the row first"),
};

static const struct pat_field refund_fields[PAT_REFUND_COLUMNS] = {
    FIELD(PAT_REFUND_ID, "refund", PAT_TYPE_ID, REQUIRED, NULL, "the shop's id of the refund"),
    FIELD(PAT_REFUND_VERSION, "version", PAT_TYPE_INT, OPTIONAL, NULL, VERSION_TEXT),
    FIELD(PAT_REFUND_DELETED, "deleted", PAT_TYPE_BOOL, OPTIONAL, NULL, DELETED_TEXT),
    FIELD(PAT_REFUND_ORDER, "order", PAT_TYPE_REF, OPTIONAL, NULL, "the order refunded; this or customer is needed"),
    FIELD(PAT_REFUND_CUSTOMER, "customer", PAT_TYPE_REF, OPTIONAL, NULL, "who got it, where no order is named"),
    FIELD(PAT_REFUND_TIME, "time", PAT_TYPE_TIME, REQUIRED, UNIT_TIME, "when it was given back"),
    FIELD(PAT_REFUND_AMOUNT, "amount", PAT_TYPE_MONEY, REQUIRED, UNIT_MONEY,
          "given back, above zero; amount_minor takes minor units"),
    FIELD(PAT_REFUND_CURRENCY, "currency", PAT_TYPE_TEXT, REQUIRED, NULL, "ISO 4217 code of the row's money"),
    FIELD(PAT_REFUND_KIND, "kind", PAT_TYPE_TEXT, OPTIONAL, NULL, "return, allowance, chargeback, ..."),
    FIELD(PAT_REFUND_REASON, "reason", PAT_TYPE_TEXT, OPTIONAL, NULL, "why"),
    KEPT(PAT_REFUND_DAY, PAT_TYPE_DAY, UNIT_DAY, "day of its time"),
    KEPT(PAT_REFUND_BASE, PAT_TYPE_MONEY, UNIT_BASE, "amount at the rate of its day"),
    KEPT(PAT_REFUND_NEXT, PAT_TYPE_REF, NULL, "next refund of the customer's chain"),
    KEPT(PAT_REFUND_ORDER_NEXT, PAT_TYPE_REF, NULL, "next refund of the order's chain"),
    KEPT(PAT_REFUND_FROM_LINES, PAT_TYPE_BOOL, NULL, "made of an order's negative lines"),
    KEPT(PAT_REFUND_PRODUCER, PAT_TYPE_TEXT, NULL, "who sent the row first"),
};

static const struct pat_field fx_fields[PAT_FX_COLUMNS] = {
    FIELD(PAT_FX_DAY, "day", PAT_TYPE_DAY, REQUIRED, UNIT_DAY, "first day the rate holds, until the next one"),
    FIELD(PAT_FX_VERSION, "version", PAT_TYPE_INT, OPTIONAL, NULL, VERSION_TEXT),
    FIELD(PAT_FX_DELETED, "deleted", PAT_TYPE_BOOL, OPTIONAL, NULL,
          "true withdraws the rate; the one before it holds on"),
    FIELD(PAT_FX_CURRENCY, "currency", PAT_TYPE_TEXT, REQUIRED, NULL, "ISO 4217 code; any but the base currency"),
    FIELD(PAT_FX_RATE, "rate", PAT_TYPE_DECIMAL, REQUIRED, NULL,
          "base currency for one unit, above zero; with per \"base\" units for one of the base currency"),
    FIELD(PAT_FX_PER, "per", PAT_TYPE_TEXT, OPTIONAL, NULL,
          "\"unit\" (when not given) or \"base\": what the rate is for"),
};

const struct pat_field pat_line_order_fields[PAT_LINE_FIELDS - PAT_LINE_OF_CUSTOMER] = {
    {"customer", PAT_TYPE_REF, OPTIONAL, NULL, "who ordered; needed when the order is not known", PAT_LINE_OF_CUSTOMER},
    {"time", PAT_TYPE_TIME, OPTIONAL, UNIT_TIME, "when it was ordered; needed when the order is not known",
     PAT_LINE_OF_TIME},
    {"currency", PAT_TYPE_TEXT, OPTIONAL, NULL, "ISO 4217 code of the prices; needed when the order is not known",
     PAT_LINE_OF_CURRENCY},
    {"country", PAT_TYPE_TEXT, OPTIONAL, NULL, "country the order goes to", PAT_LINE_OF_COUNTRY},
    {"channel", PAT_TYPE_TEXT, OPTIONAL, NULL, "shop, marketplace or app it came through", PAT_LINE_OF_CHANNEL},
};

#define TABLE(id, name, singular, prefix, fields)                                                                      \
    [id] = {id, name, singular, prefix##_COLUMNS, prefix##_LOADED_COLUMNS, prefix##_COLUMNS, fields}

const struct pat_table_schema pat_schema[PAT_TABLES] = {
    TABLE(PAT_CUSTOMERS, "customers", "customer", PAT_CUSTOMER, customer_fields),
    TABLE(PAT_ORDERS, "orders", "order", PAT_ORDER, order_fields),
    TABLE(PAT_LINES, "lines", "line", PAT_LINE, line_fields),
    TABLE(PAT_REFUNDS, "refunds", "refund", PAT_REFUND, refund_fields),
    TABLE(PAT_FX, "fx", "rate", PAT_FX, fx_fields),
};

int pat_table_find(struct pat_text name) {
    for (int table = 0; table < PAT_TABLES; table++) {
        if (pat_text_is(name, pat_schema[table].name)) return table;
    }
    return -1;
}

int pat_schema_find(const struct pat_table_schema *schema, struct pat_text name) {
    for (unsigned column = 0; column < schema->columns; column++) {
        if (pat_schema_loadable(schema, column) && pat_text_is(name, schema->field[column].name)) return (int)column;
    }
    for (int field = PAT_LINE_OF_CUSTOMER; schema->id == PAT_LINES && field < PAT_LINE_FIELDS; field++) {
        if (pat_text_is(name, pat_schema_field(schema, field)->name)) return field;
    }
    return -1;
}

const struct pat_field *pat_schema_field(const struct pat_table_schema *schema, int field) {
    PAT_ASSERT(field >= 0);
    if (schema->id == PAT_LINES && field >= PAT_LINE_OF_CUSTOMER) {
        PAT_ASSERT(field < PAT_LINE_FIELDS);
        return &pat_line_order_fields[field - PAT_LINE_OF_CUSTOMER];
    }
    PAT_ASSERT((unsigned)field < schema->columns);
    return &schema->field[field];
}

const char *pat_schema_nearest(const struct pat_table_schema *schema, struct pat_text name) {
    const char *names[PAT_COLUMNS_MAX + PAT_LINE_FIELDS - PAT_LINE_OF_CUSTOMER];
    size_t count = 0;
    for (unsigned column = 0; column < schema->columns; column++) {
        if (pat_schema_loadable(schema, column)) names[count++] = schema->field[column].name;
    }
    for (int field = PAT_LINE_OF_CUSTOMER; schema->id == PAT_LINES && field < PAT_LINE_FIELDS; field++) {
        names[count++] = pat_schema_field(schema, field)->name;
    }
    const int nearest = pat_text_nearest(name, names, count);
    return nearest >= 0 ? names[nearest] : NULL;
}

int pat_field_find(enum pat_table_id table, struct pat_text name) {
    return pat_schema_find(&pat_schema[table], name);
}

const struct pat_field *pat_field_get(enum pat_table_id table, int field) {
    return pat_schema_field(&pat_schema[table], field);
}

const char *pat_field_nearest(enum pat_table_id table, struct pat_text name) {
    return pat_schema_nearest(&pat_schema[table], name);
}

const char *pat_type_name(enum pat_type type) {
    switch (type) {
    /* A row of another table is written and read as that row's id. */
    case PAT_TYPE_ID:
    case PAT_TYPE_REF: return "id";
    case PAT_TYPE_TEXT: return "text";
    case PAT_TYPE_SET: return "set";
    case PAT_TYPE_BOOL: return "bool";
    case PAT_TYPE_INT: return "int";
    case PAT_TYPE_DECIMAL: return "decimal";
    case PAT_TYPE_MONEY: return "money";
    case PAT_TYPE_DAY: return "day";
    case PAT_TYPE_TIME: return "time";
    case PAT_TYPE_NUMBER: return "number";
    }
    return "";
}
