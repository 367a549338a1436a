/* Tables and fields: names, types, what is required. The one list that loads, filters, answers, journal and snapshot
 * share; `schema` prints it. */
#ifndef PAT_MODEL_SCHEMA_H
#define PAT_MODEL_SCHEMA_H

#include "base/text.h"
#include "model/limits.h"
#include "model/types.h"

#include <stdbool.h>
#include <stdint.h>

enum pat_table_id { PAT_CUSTOMERS, PAT_ORDERS, PAT_LINES, PAT_REFUNDS, PAT_FX, PAT_TABLES };

/* What an int64 column value means. PAT_NULL is null in each. */
enum pat_type {
    PAT_TYPE_ID,      /* external id: >= 0 the canonical decimal itself, < 0 ~(place of its text) */
    PAT_TYPE_REF,     /* row of another table (customer, order) */
    PAT_TYPE_TEXT,    /* code in the dictionary of the column */
    PAT_TYPE_SET,     /* code in the dictionary; the entry is the sorted members joined by U+001F */
    PAT_TYPE_BOOL,    /* 0, 1 */
    PAT_TYPE_INT,     /* any but INT64_MIN */
    PAT_TYPE_DECIMAL, /* pat_decimal, see model/decimal.h */
    PAT_TYPE_MONEY,   /* minor units of the row's currency */
    PAT_TYPE_DAY,     /* days since 1970-01-01, store's zone */
    PAT_TYPE_TIME,    /* seconds since 1970-01-01T00:00:00Z */
    PAT_TYPE_NUMBER,  /* double, only computed fields; never stored in a column */
};

/* Column numbers, table by table. The order is part of the file formats: add at the end of a table's list only. */
enum pat_customer_column {
    PAT_CUSTOMER_ID,
    PAT_CUSTOMER_VERSION,
    PAT_CUSTOMER_DELETED, /* bool; null = false */
    PAT_CUSTOMER_CREATED, /* day */
    PAT_CUSTOMER_COUNTRY,
    PAT_CUSTOMER_REGION,
    PAT_CUSTOMER_LANGUAGE,
    PAT_CUSTOMER_CURRENCY,
    PAT_CUSTOMER_GENDER,
    PAT_CUSTOMER_BIRTH_YEAR,
    PAT_CUSTOMER_ACQ_CHANNEL,
    PAT_CUSTOMER_CREDIT,
    PAT_CUSTOMER_ENTITY,
    PAT_CUSTOMER_CONSENT,
    PAT_CUSTOMER_TAGS,
    PAT_CUSTOMER_LOADED_COLUMNS,                         /* below: kept by ingest, never loaded */
    PAT_CUSTOMER_PROFILED = PAT_CUSTOMER_LOADED_COLUMNS, /* bool: a load.customers row named it */
    PAT_CUSTOMER_ORDER_HEAD,  /* row of its newest-chained order, chain goes on in PAT_ORDER_NEXT */
    PAT_CUSTOMER_REFUND_HEAD, /* likewise, PAT_REFUND_NEXT */
    /* Kept aggregates: what holds at a day on which nothing dated is still to come (settled day and later). */
    PAT_CUSTOMER_ORDERS_N,    /* eligible orders; null = 0 */
    PAT_CUSTOMER_NET,         /* base minor: eligible orders less counting refunds, priced ones; null = 0 */
    PAT_CUSTOMER_UNPRICED_N,  /* eligible orders and counting refunds without a base value; null = 0 */
    PAT_CUSTOMER_FIRST_ORDER, /* day of the first eligible order */
    PAT_CUSTOMER_LAST_ORDER,
    PAT_CUSTOMER_FIRST_FACT,   /* day of the earliest order or refund that is not deleted */
    PAT_CUSTOMER_SETTLED,      /* the aggregates above hold as of this day and every later one */
    PAT_CUSTOMER_FACT_COUNTRY, /* country of its earliest order by (time, id); code in the COUNTRY dictionary */
    PAT_CUSTOMER_PRODUCER,     /* text: who sent the row first */
    PAT_CUSTOMER_COLUMNS
};

enum pat_order_column {
    PAT_ORDER_ID,
    PAT_ORDER_VERSION,
    PAT_ORDER_DELETED,
    PAT_ORDER_CUSTOMER, /* ref */
    PAT_ORDER_TIME,
    PAT_ORDER_AMOUNT, /* minor of CURRENCY; given, or the lines' sum */
    PAT_ORDER_CURRENCY,
    PAT_ORDER_PAID,      /* time; null = its time */
    PAT_ORDER_CANCELLED, /* day */
    PAT_ORDER_TEST,      /* bool; null = false */
    PAT_ORDER_COUNTRY,
    PAT_ORDER_CHANNEL,
    PAT_ORDER_PAYMENT,
    PAT_ORDER_PROMOTION,
    PAT_ORDER_DISCOUNT, /* money like AMOUNT, as the next four */
    PAT_ORDER_SHIPPING,
    PAT_ORDER_TAX,
    PAT_ORDER_DUTY,
    PAT_ORDER_COST,
    PAT_ORDER_LOADED_COLUMNS,
    PAT_ORDER_STATE = PAT_ORDER_LOADED_COLUMNS, /* enum pat_order_state */
    PAT_ORDER_DAY,                              /* of TIME in the store's zone */
    PAT_ORDER_PAID_DAY,                         /* null = DAY */
    PAT_ORDER_BASE,                             /* AMOUNT in base minor, converted at DAY; null = unpriced */
    PAT_ORDER_NEXT,                             /* row of the customer's next chained order; null = end */
    PAT_ORDER_LINE_HEAD,                        /* row of its newest-chained line, chain goes on in PAT_LINE_NEXT */
    PAT_ORDER_LINES_VERSION,                    /* greatest version its lines were loaded with */
    PAT_ORDER_AMOUNT_GIVEN, /* bool: an order row gave the amount, lines do not change it; null = false */
    PAT_ORDER_REFUND_HEAD,  /* row of the newest-chained refund that names this order, on in PAT_REFUND_ORDER_NEXT */
    PAT_ORDER_PRODUCER,     /* text: who sent the row first */
    PAT_ORDER_COLUMNS
};

/* An order row exists as soon as anything names its id. */
enum pat_order_state {
    PAT_ORDER_AWAITED, /* only refunds named it: in no answer; they wait */
    PAT_ORDER_PRESENT,
    PAT_ORDER_NEGATIVE, /* its lines sum below zero: the refund of the same id stands for it, it is in no answer */
};

enum pat_line_column {
    PAT_LINE_ORDER, /* ref; with LINE the identity */
    PAT_LINE_NUMBER,
    PAT_LINE_VERSION,
    PAT_LINE_DELETED,
    PAT_LINE_PRODUCT,  /* text: products are a dictionary until they are a table */
    PAT_LINE_QUANTITY, /* decimal */
    PAT_LINE_PRICE,    /* decimal, per unit, in the order's currency */
    PAT_LINE_CATEGORY,
    PAT_LINE_COST, /* money of the order's currency, of the whole line */
    PAT_LINE_LOADED_COLUMNS,
    PAT_LINE_NEXT = PAT_LINE_LOADED_COLUMNS,
    PAT_LINE_PRODUCER, /* text: who sent the row first */
    PAT_LINE_COLUMNS
};

enum pat_refund_column {
    PAT_REFUND_ID,
    PAT_REFUND_VERSION,
    PAT_REFUND_DELETED,
    PAT_REFUND_ORDER,    /* ref, may be null */
    PAT_REFUND_CUSTOMER, /* ref: the order's customer where there is an order, else the one given; null while it waits
                          */
    PAT_REFUND_TIME,
    PAT_REFUND_AMOUNT, /* minor, above zero */
    PAT_REFUND_CURRENCY,
    PAT_REFUND_KIND,
    PAT_REFUND_REASON,
    PAT_REFUND_LOADED_COLUMNS,
    PAT_REFUND_DAY = PAT_REFUND_LOADED_COLUMNS,
    PAT_REFUND_BASE,
    PAT_REFUND_NEXT,       /* next refund of the same customer */
    PAT_REFUND_ORDER_NEXT, /* next refund of the same order */
    PAT_REFUND_FROM_LINES, /* bool: made of an order's negative lines */
    PAT_REFUND_PRODUCER,   /* text: who sent the row first */
    PAT_REFUND_COLUMNS
};

/* Exchange rates. No id: DAY and CURRENCY together identify a row. */
enum pat_fx_column {
    PAT_FX_DAY,
    PAT_FX_VERSION,
    PAT_FX_DELETED,
    PAT_FX_CURRENCY,
    PAT_FX_RATE, /* decimal above zero */
    PAT_FX_PER,  /* "unit" or "base", never null; see model/exchange.h */
    PAT_FX_LOADED_COLUMNS,
    PAT_FX_COLUMNS = PAT_FX_LOADED_COLUMNS
};

/* Tables whose rows have an id in column 0 and are found by it; the others have an identity of several columns. */
static inline bool pat_table_has_id(enum pat_table_id table) {
    return table != PAT_LINES && table != PAT_FX;
}

/* Widest table, for arrays indexed by column: up to 48 of its own, and behind them the shop's attributes. Views hold
 * such arrays for each table, so a larger number costs a little memory for each open view and nothing else. */
#define PAT_COLUMNS_MAX (48u + PAT_ATTRIBUTES_MAX)

/* How a field is written in loads and read in answers. */
struct pat_field {
    const char *name; /* "customer"; internal columns have NULL */
    enum pat_type type;
    bool required;       /* of a new row; lines: see model/README.md */
    const char *unit;    /* for `schema`: "days", "minor units of currency", ...; NULL when plain */
    const char *explain; /* one sentence for `schema` */
    int dict_as;         /* TEXT, SET: column of the same table whose dictionary this one shares, or its own number */
};

/* A table's list of columns: its own, loaded ones first, then the attributes in the order they were added. Never
 * changes: an attribute more is another schema, so that whoever reads one goes on reading it. */
struct pat_table_schema {
    enum pat_table_id id;
    const char *name;              /* "orders" */
    const char *singular;          /* "order" */
    unsigned columns;              /* all, kept ones and attributes included */
    unsigned loaded_columns;       /* the first ones: its own that loads may name */
    unsigned own_columns;          /* those behind are attributes */
    const struct pat_field *field; /* [columns] */
};

/* The tables as they are without any attribute. */
extern const struct pat_table_schema pat_schema[PAT_TABLES];

/* Loads may name it, and questions. */
static inline bool pat_schema_loadable(const struct pat_table_schema *schema, unsigned column) {
    return column < schema->loaded_columns || column >= schema->own_columns;
}

/* Fields that a load of lines takes for its order besides the line's own columns: customer, time, currency, country,
 * channel. They are numbered far behind any column so that a batch can carry them; the numbers fit the byte that the
 * journal has for a field. */
enum pat_line_order_field {
    PAT_LINE_OF_CUSTOMER = 240,
    PAT_LINE_OF_TIME,
    PAT_LINE_OF_CURRENCY,
    PAT_LINE_OF_COUNTRY,
    PAT_LINE_OF_CHANNEL,
    PAT_LINE_FIELDS
};
extern const struct pat_field pat_line_order_fields[PAT_LINE_FIELDS - PAT_LINE_OF_CUSTOMER];

/* The table called `name`, or -1. */
int pat_table_find(struct pat_text name);
/* The loadable field of a table called `name` (for lines also pat_line_order_field), or -1. "amount_minor" is no field
 * of its own: loads handle it beside "amount". */
int pat_schema_find(const struct pat_table_schema *schema, struct pat_text name);
/* Description of a field by the number pat_schema_find gave. */
const struct pat_field *pat_schema_field(const struct pat_table_schema *schema, int field);
/* Name nearest to a misspelt loadable field, or NULL. */
const char *pat_schema_nearest(const struct pat_table_schema *schema, struct pat_text name);
/* The same for tables without attributes. */
int pat_field_find(enum pat_table_id table, struct pat_text name);
const struct pat_field *pat_field_get(enum pat_table_id table, int field);
const char *pat_field_nearest(enum pat_table_id table, struct pat_text name);
const char *pat_type_name(enum pat_type type); /* "id", "text", "money", ... for `schema` */

/* ---- attributes ------------------------------------------------------------------------------------------------- */

#define PAT_ATTRIBUTE_PREFIX "attr."

/* A column that the shop added. */
struct pat_attribute {
    enum pat_table_id table;
    enum pat_type type; /* BOOL, INT, DECIMAL, MONEY, DAY, TIME, TEXT or SET */
    char name[sizeof PAT_ATTRIBUTE_PREFIX + PAT_ATTRIBUTE_NAME_BYTES_MAX]; /* with the prefix: "attr.vip" */
};

/* Sets the name to attr.WORD; false when `word` is not [a-z][a-z0-9_]{0,62}. */
bool pat_attribute_set_name(struct pat_attribute *attribute, struct pat_text word);
/* "vip" of attr.vip. */
const char *pat_attribute_word(const struct pat_attribute *attribute);
/* "bool", "int", "decimal", "money", "date", "time", "enum", "set", NULL: the types of attributes as schema.add has
 * them. */
extern const char *const pat_attribute_types[];
/* The type at a place of that list. */
enum pat_type pat_attribute_type(unsigned place);
/* Its name in that list; NULL for a type that no attribute has. */
const char *pat_attribute_type_name(enum pat_type type);

/* `schema` and one attribute more. `field` has room for schema->columns + 1 and, like `attribute` and `schema`'s own
 * names, lives as long as *out. */
void pat_schema_extend(struct pat_table_schema *out, struct pat_field *field, const struct pat_table_schema *schema,
                       const struct pat_attribute *attribute);

_Static_assert(PAT_CUSTOMER_COLUMNS + PAT_ATTRIBUTES_MAX <= PAT_COLUMNS_MAX, "arrays by column");
_Static_assert(PAT_ORDER_COLUMNS + PAT_ATTRIBUTES_MAX <= PAT_COLUMNS_MAX, "arrays by column");
_Static_assert(PAT_LINE_COLUMNS + PAT_ATTRIBUTES_MAX <= PAT_COLUMNS_MAX, "arrays by column");
_Static_assert(PAT_REFUND_COLUMNS + PAT_ATTRIBUTES_MAX <= PAT_COLUMNS_MAX, "arrays by column");
_Static_assert(PAT_COLUMNS_MAX <= PAT_LINE_OF_CUSTOMER && PAT_LINE_FIELDS <= UINT8_MAX, "numbers of fields");

#endif
