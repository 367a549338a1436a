/* Fields by their names: which there are, finding one, and telling of them. */
#include "analytics/source_private.h"

#include "analytics/lifecycle_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX (PAT_COLUMNS_MAX + 16u)

/* ---- which fields there are -------------------------------------------------------------------------------------- */

#define UNIT_BASE "minor units of the base currency; major units in filters"

static const struct pat_source computed[] = {
    {.name = "orders",
     .type = PAT_TYPE_INT,
     .kind = PAT_SOURCE_FACT,
     .fact = PAT_FACT_ORDERS,
     .explain = "eligible orders up to the day asked for"},
    {.name = "net",
     .type = PAT_TYPE_MONEY,
     .kind = PAT_SOURCE_FACT,
     .fact = PAT_FACT_NET,
     .base = true,
     .unit = UNIT_BASE,
     .explain = "amounts of eligible orders less refunds up to the day asked for"},
    {.name = "first_order",
     .type = PAT_TYPE_DAY,
     .kind = PAT_SOURCE_FACT,
     .fact = PAT_FACT_FIRST,
     .unit = "YYYY-MM-DD",
     .explain = "day of the first eligible order"},
    {.name = "last_order",
     .type = PAT_TYPE_DAY,
     .kind = PAT_SOURCE_FACT,
     .fact = PAT_FACT_LAST,
     .unit = "YYYY-MM-DD",
     .explain = "day of the last eligible order"},
    {.name = "recency_days",
     .type = PAT_TYPE_INT,
     .kind = PAT_SOURCE_RECENCY,
     .unit = "days",
     .explain = "days from the last eligible order to the day asked for"},
    {.name = "lifecycle",
     .type = PAT_TYPE_TEXT,
     .kind = PAT_SOURCE_LIFECYCLE,
     .explain = "prospect, new, returned, active, sleeping or lost, by the question's lifecycle cuts or gaps"},
    {.name = "p_alive",
     .type = PAT_TYPE_NUMBER,
     .kind = PAT_SOURCE_P_ALIVE,
     .explain =
         "chance that the customer has not left by the day asked for, by the fit in use; null without a purchase"},
    {.name = "expected_orders",
     .type = PAT_TYPE_NUMBER,
     .kind = PAT_SOURCE_EXPECTED,
     .unit = "purchase days",
     .explain = "expected purchase days (orders of one day count once) within the horizon of clv.use"},
    {.name = "clv",
     .type = PAT_TYPE_MONEY,
     .kind = PAT_SOURCE_CLV,
     .base = true,
     .unit = UNIT_BASE,
     .explain =
         "value within the horizon: expected purchase days, discounted at month ends, x expected spend x margin"},
    {.name = "r",
     .type = PAT_TYPE_INT,
     .kind = PAT_SOURCE_SCORE_R,
     .explain = "recency score by the question's rfm, greatest for the most recent"},
    {.name = "f",
     .type = PAT_TYPE_INT,
     .kind = PAT_SOURCE_SCORE_F,
     .explain = "frequency score: eligible orders in the window"},
    {.name = "m",
     .type = PAT_TYPE_INT,
     .kind = PAT_SOURCE_SCORE_M,
     .explain = "monetary score: their amounts less refunds dated in the window"},
    {.name = "rfm_group",
     .type = PAT_TYPE_TEXT,
     .kind = PAT_SOURCE_GROUP,
     .explain = "group of the three scores by the question's map; rfm.group is the same"},
};
#define COMPUTED (sizeof computed / sizeof *computed)

/* Fields that facts have beside the loaded ones. */
static const struct pat_source derived[] = {
    {.name = "net",
     .type = PAT_TYPE_MONEY,
     .table = PAT_ORDERS,
     .home = PAT_ORDERS,
     .column = PAT_ORDER_BASE,
     .base = true,
     .unit = UNIT_BASE,
     .explain = "amount at the rate of its day"},
    {.name = "day",
     .type = PAT_TYPE_DAY,
     .table = PAT_ORDERS,
     .home = PAT_ORDERS,
     .column = PAT_ORDER_DAY,
     .unit = "YYYY-MM-DD",
     .explain = "day of its time"},
    {.name = "net",
     .type = PAT_TYPE_MONEY,
     .table = PAT_REFUNDS,
     .home = PAT_REFUNDS,
     .column = PAT_REFUND_BASE,
     .base = true,
     .unit = UNIT_BASE,
     .explain = "amount at the rate of its day"},
    {.name = "day",
     .type = PAT_TYPE_DAY,
     .table = PAT_REFUNDS,
     .home = PAT_REFUNDS,
     .column = PAT_REFUND_DAY,
     .unit = "YYYY-MM-DD",
     .explain = "day of its time"},
    {.name = "amount",
     .type = PAT_TYPE_MONEY,
     .kind = PAT_SOURCE_PRODUCT,
     .table = PAT_LINES,
     .home = PAT_LINES,
     .unit = "major units of the order's currency",
     .explain = "quantity x price, rounded to the currency's digits"},
    {.name = "net",
     .type = PAT_TYPE_MONEY,
     .kind = PAT_SOURCE_PRODUCT,
     .table = PAT_LINES,
     .home = PAT_LINES,
     .base = true,
     .unit = UNIT_BASE,
     .explain = "amount at the rate of the order's day"},
};
#define DERIVED (sizeof derived / sizeof *derived)

/* Fields of lines that are their order's. */
static const unsigned line_order_column[] = {PAT_ORDER_CUSTOMER, PAT_ORDER_TIME,    PAT_ORDER_DAY,
                                             PAT_ORDER_CURRENCY, PAT_ORDER_COUNTRY, PAT_ORDER_CHANNEL};
static const char *const line_order_name[] = {"customer", "time", "day", "currency", "country", "channel"};
#define LINE_ORDER (sizeof line_order_name / sizeof *line_order_name)

static bool askable(const struct pat_table_schema *schema, unsigned column) {
    const char *name = schema->field[column].name;
    /* A withdrawn row is in no answer, and versions are the loader's business. */
    return name != NULL && strcmp(name, "deleted") != 0 && strcmp(name, "version") != 0;
}

static struct pat_source source_of(const struct pat_table_schema *schema, unsigned column) {
    const struct pat_field *field = &schema->field[column];
    const enum pat_table_id table = schema->id;
    struct pat_source source = {.name = field->name,
                                .explain = field->explain,
                                .unit = field->unit,
                                .type = field->type,
                                .kind = PAT_SOURCE_STORED,
                                .table = table,
                                .home = table,
                                .column = column};
    if (field->type == PAT_TYPE_REF) {
        source.type = PAT_TYPE_ID;
        source.hops = 1;
        source.ref[0] = column;
        source.ref_table[0] = source.home = strcmp(field->name, "customer") == 0 ? PAT_CUSTOMERS : PAT_ORDERS;
        source.column = 0;
    }
    if (table == PAT_CUSTOMERS) {
        source.profile = column != PAT_CUSTOMER_ID && column != PAT_CUSTOMER_CREATED;
        if (column == PAT_CUSTOMER_COUNTRY) source.kind = PAT_SOURCE_COUNTRY;
        /* Nothing else says what currency a customer's money would be in. */
        source.base = field->type == PAT_TYPE_MONEY;
        if (source.base) source.unit = UNIT_BASE;
    }
    if (table == PAT_ORDERS) {
        source.null_is_zero = column == PAT_ORDER_TEST;
        source.dated = column == PAT_ORDER_PAID || column == PAT_ORDER_CANCELLED;
    }
    return source;
}

struct pat_source pat_source__of_column(enum pat_table_id table, unsigned column) {
    return source_of(&pat_schema[table], column);
}

static const struct pat_table_schema *schema_of(const struct pat_run *run, enum pat_table_id table) {
    return run->view->table[table].schema;
}

bool pat_source__of_attribute(const struct pat_run *run, enum pat_table_id table, unsigned place,
                              struct pat_source *out) {
    const struct pat_table_schema *schema = schema_of(run, table);
    if (schema->own_columns + place >= schema->columns) return false;
    *out = source_of(schema, schema->own_columns + place);
    return true;
}

/* The field of a line that is `column` of its order. */
static struct pat_source line_order_source(unsigned which) {
    const unsigned column = line_order_column[which];
    struct pat_source source = {0};
    if (column == PAT_ORDER_DAY) {
        source = derived[1];
    } else {
        source = pat_source__of_column(PAT_ORDERS, column);
    }
    source.name = line_order_name[which];
    source.table = PAT_LINES;
    for (unsigned hop = source.hops; hop > 0; hop--) {
        source.ref[hop] = source.ref[hop - 1];
        source.ref_table[hop] = source.ref_table[hop - 1];
    }
    source.ref[0] = PAT_LINE_ORDER;
    source.ref_table[0] = PAT_ORDERS;
    source.hops++;
    return source;
}

unsigned pat_source__names(const struct pat_run *run, enum pat_table_id table, const char **names, unsigned capacity) {
    const struct pat_table_schema *schema = schema_of(run, table);
    unsigned count = 0;
    for (unsigned c = 0; c < schema->columns && count < capacity; c++) {
        if (pat_schema_loadable(schema, c) && askable(schema, c)) names[count++] = schema->field[c].name;
    }
    for (unsigned i = 0; table == PAT_CUSTOMERS && i < COMPUTED && count < capacity; i++) {
        names[count++] = computed[i].name;
    }
    for (unsigned i = 0; i < DERIVED && count < capacity; i++) {
        if (derived[i].table == table) names[count++] = derived[i].name;
    }
    for (unsigned i = 0; table == PAT_LINES && i < LINE_ORDER && count < capacity; i++)
        names[count++] = line_order_name[i];
    return count;
}

/* ---- finding one ------------------------------------------------------------------------------------------------- */

static bool find_stored(const struct pat_run *run, enum pat_table_id table, struct pat_text name,
                        struct pat_source *out) {
    const struct pat_table_schema *schema = schema_of(run, table);
    const int field = pat_schema_find(schema, name);
    if (field < 0 || field >= (int)schema->columns || !askable(schema, (unsigned)field)) return false;
    *out = source_of(schema, (unsigned)field);
    return true;
}

static bool find_other(enum pat_table_id table, struct pat_text name, struct pat_source *out) {
    for (unsigned i = 0; table == PAT_CUSTOMERS && i < COMPUTED; i++) {
        const bool other_name = computed[i].kind == PAT_SOURCE_GROUP && pat_text_is(name, "rfm.group");
        if (!pat_text_is(name, computed[i].name) && !other_name) continue;
        *out = computed[i];
        return true;
    }
    for (unsigned i = 0; i < DERIVED; i++) {
        if (derived[i].table != table || !pat_text_is(name, derived[i].name)) continue;
        *out = derived[i];
        return true;
    }
    for (unsigned i = 0; table == PAT_LINES && i < LINE_ORDER; i++) {
        if (!pat_text_is(name, line_order_name[i])) continue;
        *out = line_order_source(i);
        return true;
    }
    return false;
}

/* "amount_minor" is the field amount, carried as minor units. */
static bool find_minor(const struct pat_run *run, enum pat_table_id table, struct pat_text name,
                       struct pat_source *out) {
    static const char suffix[] = "_minor";
    const size_t bytes = sizeof suffix - 1;
    if (name.length <= bytes || memcmp(name.data + name.length - bytes, suffix, bytes) != 0) return false;
    const struct pat_text stem = {name.data, name.length - bytes};
    if (!find_stored(run, table, stem, out) && !find_other(table, stem, out)) return false;
    out->minor = true;
    return out->type == PAT_TYPE_MONEY;
}

#define OF_CUSTOMER "customer."

/* Facts are somebody's; rates are not. */
static bool has_customer(enum pat_table_id table) {
    return table != PAT_CUSTOMERS && table != PAT_FX;
}

/* The rest of "customer.country", asked of a fact; false for anything else. */
static bool name_of_customer(enum pat_table_id table, struct pat_text name, struct pat_text *rest) {
    const size_t bytes = sizeof OF_CUSTOMER - 1;
    if (!has_customer(table) || name.length <= bytes || memcmp(name.data, OF_CUSTOMER, bytes) != 0) return false;
    *rest = (struct pat_text){name.data + bytes, name.length - bytes};
    return true;
}

static bool find_plain(const struct pat_run *run, enum pat_table_id table, struct pat_text name,
                       struct pat_source *out) {
    return find_stored(run, table, name, out) || find_other(table, name, out) || find_minor(run, table, name, out);
}

static enum pat_status fail_unknown(const struct pat_run *run, enum pat_table_id table, struct pat_text name,
                                    int64_t offset) {
    const char *names[NAMES_MAX];
    struct pat_text plain = name;
    struct pat_source source;
    const bool of_customer = name_of_customer(table, name, &plain);
    const enum pat_table_id home = of_customer ? PAT_CUSTOMERS : table;
    const unsigned count = pat_source__names(run, home, names, NAMES_MAX);
    const int nearest = pat_text_nearest(plain, names, count);
    const char *prefix = of_customer ? OF_CUSTOMER : "";
    char shown[PAT_ERROR_FIELD_BYTES], where[32] = "", hint[PAT_ERROR_FIELD_BYTES + 32];
    (void)pat_text_printable(name, shown, sizeof shown);
    if (offset >= 0) (void)snprintf(where, sizeof where, " at offset %" PRId64, offset);
    if (has_customer(table) && find_plain(run, PAT_CUSTOMERS, name, &source)) {
        (void)snprintf(hint, sizeof hint, " of %s, did you mean \"" OF_CUSTOMER "%s\"?", pat_schema[table].name,
                       source.name);
    } else if (nearest >= 0) {
        (void)snprintf(hint, sizeof hint, ", did you mean \"%s%s\"?", prefix, names[nearest]);
    } else if (plain.length > 5 && memcmp(plain.data, "attr.", 5) == 0) {
        (void)snprintf(hint, sizeof hint, ": %s have no such attribute, schema.add makes it", pat_schema[home].name);
    } else {
        (void)snprintf(hint, sizeof hint, ": schema lists the fields of %s", pat_schema[home].name);
    }
    return pat_error_set_at(run->error, PAT_ERR_UNKNOWN_FIELD, shown, -1, offset, "unknown field \"%s\"%s%s", shown,
                            where, hint);
}

static void note_use(struct pat_run *run, const struct pat_source *source, enum pat_source_use use) {
    const bool score = source->kind >= PAT_SOURCE_SCORE_R;
    if (score) run->scores_needed = run->scores_by_row = run->money_of_window = true;
    if (source->kind == PAT_SOURCE_PRODUCT && source->base) run->rates_needed = true;
    if (source->kind == PAT_SOURCE_LIFECYCLE) {
        run->lifecycle_needed = true;
        pat_lifecycle__note(run);
    }
    if (source->kind >= PAT_SOURCE_P_ALIVE && source->kind <= PAT_SOURCE_CLV) run->lifetime_needed = true;
    if (source->kind == PAT_SOURCE_CLV) run->facts_needed |= PAT_FACT_BIT(PAT_FACT_UNPRICED); /* what has no rate */
    if (source->kind == PAT_SOURCE_FACT) run->facts_needed |= PAT_FACT_BIT(source->fact);
    if (source->kind == PAT_SOURCE_RECENCY) run->facts_needed |= PAT_FACT_BIT(PAT_FACT_LAST);
    if (pat_source__row_money(source) && use != PAT_USE_SHOWN) run->money_of_facts = true;
    if (source->table != PAT_CUSTOMERS) return;
    if (use == PAT_USE_FILTER && source->profile) pat_run__note_undated(run, source->name);
    /* Money that was loaded into profiles is converted from nothing. */
    if (source->type != PAT_TYPE_MONEY || !source->base || source->kind == PAT_SOURCE_STORED) return;
    if (use == PAT_USE_SHOWN) run->money_of_shown = true;
    if (use != PAT_USE_SHOWN) run->money_for_all = true;
}

enum pat_status pat_source__find(struct pat_run *run, enum pat_table_id table, struct pat_text name, int64_t offset,
                                 enum pat_source_use use, struct pat_source *out) {
    struct pat_text plain = name;
    const bool of_customer = name_of_customer(table, name, &plain);
    if (!find_plain(run, of_customer ? PAT_CUSTOMERS : table, plain, out)) {
        return fail_unknown(run, table, name, offset);
    }
    if (out->kind == PAT_SOURCE_GROUP) {
        struct pat_group_names names;
        PAT_TRY(pat_run__group_names(run, &names));
    }
    if (of_customer) {
        out->name = pat_arena_text(run->arena, name).data;
        if (out->name == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the question");
    }
    note_use(run, out, use);
    out->of_customer = of_customer;
    out->table = table;
    return PAT_OK;
}

struct pat_source pat_source__net(enum pat_table_id table) {
    struct pat_source source = {0};
    PAT_ASSERT(table != PAT_CUSTOMERS);
    const bool found = find_other(table, pat_text_of("net"), &source);
    PAT_ASSERT(found);
    return source;
}

struct pat_source pat_source__customer_row(enum pat_table_id table) {
    static const unsigned column[PAT_TABLES] = {
        [PAT_ORDERS] = PAT_ORDER_CUSTOMER, [PAT_LINES] = PAT_LINE_ORDER, [PAT_REFUNDS] = PAT_REFUND_CUSTOMER};
    PAT_ASSERT(table != PAT_FX);
    struct pat_source source = {.name = "customers", .type = PAT_TYPE_INT, .table = table, .home = table};
    source.kind = table == PAT_CUSTOMERS ? PAT_SOURCE_ROW : PAT_SOURCE_STORED;
    source.column = column[table];
    if (table != PAT_LINES) return source;
    source.hops = 1;
    source.ref[0] = PAT_LINE_ORDER;
    source.ref_table[0] = source.home = PAT_ORDERS;
    source.column = PAT_ORDER_CUSTOMER;
    return source;
}

/* ---- schema ------------------------------------------------------------------------------------------------------ */

static struct pat_value lifecycle_values(struct pat_builder *builder) {
    struct pat_value values = pat_build_array(builder, PAT_LIFECYCLES);
    for (unsigned i = 0; i < PAT_LIFECYCLES; i++) {
        pat_build_push(builder, &values, pat_value_string(pat_lifecycle_names[i]));
    }
    return values;
}

static struct pat_value describe(struct pat_builder *builder, const struct pat_source *source) {
    struct pat_value field = pat_build_map(builder, 5);
    pat_build_put(builder, &field, "name", pat_value_string(source->name));
    pat_build_put(builder, &field, "type", pat_value_string(pat_type_name(source->type)));
    if (source->unit != NULL) pat_build_put(builder, &field, "unit", pat_value_string(source->unit));
    pat_build_put(builder, &field, "explain", pat_value_string(source->explain));
    if (source->kind == PAT_SOURCE_LIFECYCLE) pat_build_put(builder, &field, "values", lifecycle_values(builder));
    return field;
}

void pat_analytics_describe(struct pat_builder *builder, struct pat_value *fields) {
    for (unsigned i = 0; i < COMPUTED; i++) pat_build_push(builder, fields, describe(builder, &computed[i]));
}

struct pat_value pat_analytics_describe_facts(struct pat_builder *builder) {
    static const enum pat_table_id tables[] = {PAT_ORDERS, PAT_LINES, PAT_REFUNDS};
    struct pat_value map = pat_build_map(builder, 4);
    for (unsigned t = 0; t < sizeof tables / sizeof *tables; t++) {
        struct pat_value fields = pat_build_array(builder, 4);
        for (unsigned i = 0; i < DERIVED; i++) {
            if (derived[i].table == tables[t]) pat_build_push(builder, &fields, describe(builder, &derived[i]));
        }
        for (unsigned i = 0; tables[t] == PAT_LINES && i < LINE_ORDER; i++) {
            const struct pat_source of_order = line_order_source(i);
            if (line_order_column[i] == PAT_ORDER_DAY) pat_build_push(builder, &fields, describe(builder, &of_order));
        }
        pat_build_put(builder, &map, pat_schema[tables[t]].name, fields);
    }
    pat_build_put(builder, &map, "of_customer",
                  pat_value_string("every field of customers, as " OF_CUSTOMER "NAME: " OF_CUSTOMER
                                   "country, " OF_CUSTOMER "lifecycle"));
    return map;
}
