#include "analytics/source_private.h"

#include "analytics/bind_private.h"
#include "analytics/explain_private.h"
#include "analytics/kept_private.h"
#include "analytics/lifecycle_private.h"
#include "analytics/lifetime_private.h"
#include "analytics/memo_private.h"
#include "analytics/rates_private.h"
#include "analytics/scores_private.h"
#include "model/currency.h"
#include "model/id.h"

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

enum pat_status pat_run__need_lifecycle(struct pat_run *run) {
    if (run->lifecycle != NULL) return PAT_OK;
    /* Facts may ask for it of customers who are not live. */
    void *all;
    PAT_TRY(pat_run__array(run, pat_bits__words(run->customers), sizeof(uint64_t), &all));
    pat_bits__fill(all, run->customers);
    return pat_lifecycle__compute(run, all);
}

/* Nobody looks into the facts but sources: what is kept will do, where it holds at D. */
static bool kept_will_do(const struct pat_run *run) {
    const enum pat_method method = run->job->request->method;
    const bool sources_only = method == PAT_METHOD_COUNT || method == PAT_METHOD_ROWS || method == PAT_METHOD_GROUP ||
                              method == PAT_METHOD_COHORT || method == PAT_METHOD_RFM_GRID ||
                              method == PAT_METHOD_RFM_GROUPS;
    return sources_only && !run->lifecycle_needed && !run->lifetime_needed;
}

/* Scores are still to come, and nobody needs the facts before them. */
static bool come_with_scores(const struct pat_run *run, unsigned facts) {
    return run->scores_needed && run->scores == NULL && run->population == NULL && !run->lifecycle_needed &&
           !run->lifetime_needed && pat_window__makes(run, facts);
}

/* *beside: facts that the pass for the scores is to make. */
static enum pat_status compute_facts(struct pat_run *run, unsigned needed, unsigned *beside) {
    *beside = 0;
    if (needed == 0 || run->facts != NULL) return PAT_OK;
    if (kept_will_do(run)) {
        if (run->kept == NULL) PAT_TRY(pat_kept__find(run));
        pat_explain__step(run, run->kept != NULL ? "kept values" : "kept values do not hold", run->customers);
        if (run->kept != NULL) return PAT_OK;
    }
    if (come_with_scores(run, needed)) {
        *beside = needed;
        return PAT_OK;
    }
    PAT_TRY(pat_facts__compute(run, needed));
    pat_explain__step(run, "facts", run->customers);
    return PAT_OK;
}

static enum pat_status compute_needed(struct pat_run *run, unsigned needed) {
    unsigned beside;
    PAT_TRY(compute_facts(run, needed, &beside));
    if (run->lifecycle_needed && run->lifecycle == NULL) {
        PAT_TRY(pat_run__need_lifecycle(run));
        pat_explain__step(run, "life cycle", run->customers);
    }
    if (run->rates_needed && run->rates == NULL) PAT_TRY(pat_rates__collect(run, PAT_DAY_MAX, &run->rates));
    if (run->lifetime_needed && run->lifetime == NULL) {
        PAT_TRY(pat_lifetime__compute(run));
        pat_explain__step(run, "lifetime value", run->customers);
    }
    if (run->scores_needed && run->scores == NULL) {
        PAT_TRY(pat_scores__compute(run, beside));
        pat_explain__step(run, "scores", run->customers);
    }
    if (run->scores_needed && run->scores_by_row && run->scores->cell == NULL) {
        PAT_TRY(pat_scores__assign(run));
        pat_explain__step(run, "scores by row", run->customers);
    }
    return PAT_OK;
}

/* What was computed for an earlier question, and what this one computes for later ones. */
static enum pat_status need_with_memo(struct pat_run *run, struct pat_memo *memo, unsigned needed) {
    if (run->facts == NULL && (memo->facts_have & needed) == needed) run->facts = memo->facts;
    needed |= memo->facts_have; /* calls that look at different facts in turn do not lose each other's */
    if (run->kept == NULL && kept_will_do(run)) run->kept = memo->kept;
    if (run->lifecycle == NULL) run->lifecycle = memo->lifecycle;
    if (run->lifetime == NULL) run->lifetime = memo->lifetime;
    if (run->scores_needed && run->scores == NULL) run->scores = memo->scores;
    struct pat_arena *const before = pat_memo__enter(run);
    const struct pat_facts *const known = run->facts;
    const enum pat_status status = compute_needed(run, needed);
    pat_memo__leave(run, before);
    PAT_TRY(status);
    if (run->facts != known) {
        memo->facts = run->facts;
        memo->facts_have = needed;
    }
    if (run->kept != NULL) memo->kept = run->kept;
    if (run->lifecycle != NULL) memo->lifecycle = run->lifecycle;
    if (run->lifetime != NULL) memo->lifetime = run->lifetime;
    if (run->scores != NULL) memo->scores = run->scores;
    return PAT_OK;
}

enum pat_status pat_run__need(struct pat_run *run) {
    /* Even where scores are known: it says what to warn of. */
    if (run->scores_needed) PAT_TRY(pat_population__bind(run));
    unsigned needed = run->facts_needed;
    if (run->lifecycle_needed) needed |= PAT_FACTS_LIFECYCLE;
    /* `unpriced` counts them, whatever the money was asked for. */
    if (run->money_for_all || run->money_of_shown) needed |= PAT_FACT_BIT(PAT_FACT_UNPRICED);
    if (run->job != NULL && run->job->memo != NULL) return need_with_memo(run, run->job->memo, needed);
    return compute_needed(run, needed);
}

/* ---- group names ------------------------------------------------------------------------------------------------- */

enum pat_status pat_run__group_names(const struct pat_run *run, struct pat_group_names *out) {
    *out = (struct pat_group_names){.count = 8};
    if (run->rfm->scoring == PAT_RFM_MEAN) return PAT_OK;
    out->map = pat_view_map(run->view, run->rfm->map);
    if (out->map != NULL) {
        out->count = out->map->groups;
        return PAT_OK;
    }
    const struct pat_rfm_maps *maps = run->view->maps;
    const char *names[PAT_RFM_MAPS_MAX];
    for (uint32_t i = 0; i < maps->count; i++) names[i] = maps->map[i]->name;
    const int nearest = pat_text_nearest(run->rfm->map, names, maps->count);
    char shown[PAT_ERROR_FIELD_BYTES];
    (void)pat_text_printable(run->rfm->map, shown, sizeof shown);
    return pat_error_set_at(run->error, PAT_ERR_NOT_FOUND, "map", -1, -1, "no RFM map called \"%s\"%s%s%s", shown,
                            nearest >= 0 ? ", did you mean \"" : ": rfm.map.save makes one",
                            nearest >= 0 ? names[nearest] : "", nearest >= 0 ? "\"?" : "");
}

const char *pat_group__name(const struct pat_group_names *names, uint32_t group) {
    return names->map != NULL ? names->map->group[group] : pat_rfm_mean_names[group];
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static int64_t follow(const struct pat_view *view, const struct pat_source *source, int64_t row) {
    for (unsigned hop = 0; hop < source->hops && row != PAT_NULL; hop++) {
        const bool last = hop + 1 == source->hops;
        const unsigned column = last ? source->column : source->ref[hop + 1];
        row = pat_view_get(view, source->ref_table[hop], column, (pat_row)row);
    }
    return row;
}

/* A date of its own after D is not known at D. */
static void hide_future(const struct pat_run *run, const struct pat_source *source, uint32_t count, int64_t *values) {
    const int64_t end = source->type == PAT_TYPE_TIME ? run->day_end : (int64_t)run->day + 1;
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] >= end) values[i] = PAT_NULL;
    }
}

static void read_stored(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                        int64_t *out) {
    const struct pat_table_view *table = &run->view->table[source->table];
    const unsigned column = source->hops > 0 ? source->ref[0] : source->column;
    pat_explain__column(run, &table->column[column], first, count, out);
    for (uint32_t i = 0; source->hops > 0 && i < count; i++) out[i] = follow(run->view, source, out[i]);
    for (uint32_t i = 0; source->null_is_zero && i < count; i++) out[i] = out[i] == PAT_NULL ? 0 : out[i];
    if (source->dated) hide_future(run, source, count, out);
}

/* The earliest order, whose country counts, is not dated after D. Its day is not kept: the first eligible order's is,
 * and settles nearly all; the chain tells for the rest. */
static bool has_order_by(const struct pat_run *run, pat_row customer) {
    const struct pat_view *view = run->view;
    const int64_t first = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_FIRST_ORDER, customer);
    if (first != PAT_NULL && first <= run->day) return true;
    int64_t row = pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    for (; row != PAT_NULL; row = pat_view_get(view, PAT_ORDERS, PAT_ORDER_NEXT, (pat_row)row)) {
        if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, (pat_row)row) != 1 &&
            pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, (pat_row)row) == PAT_ORDER_PRESENT &&
            pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)row) <= run->day) {
            return true;
        }
    }
    return false;
}

static void read_country(const struct pat_run *run, pat_row first, uint32_t count, int64_t *out) {
    const struct pat_table_view *table = &run->view->table[PAT_CUSTOMERS];
    int64_t fact[PAT_BLOCK_ROWS];
    pat_explain__column(run, &table->column[PAT_CUSTOMER_COUNTRY], first, count, out);
    pat_explain__column(run, &table->column[PAT_CUSTOMER_FACT_COUNTRY], first, count, fact);
    const bool all_dated = run->view->counts.newest_fact <= run->day;
    for (uint32_t i = 0; i < count; i++) {
        if (out[i] != PAT_NULL || fact[i] == PAT_NULL) continue;
        if (all_dated || has_order_by(run, first + i)) out[i] = fact[i];
    }
}

static int64_t score_of_cell(const struct pat_run *run, enum pat_source_kind kind, unsigned cell) {
    if (cell >= PAT_RFM_CELLS) return PAT_NULL;
    if (kind == PAT_SOURCE_GROUP) return pat_scores__group_of_cell(&run->scores->names, cell);
    const struct pat_customer_scores of = pat_scores__of_cell(cell);
    return kind == PAT_SOURCE_SCORE_R ? of.r : kind == PAT_SOURCE_SCORE_F ? of.f : of.m;
}

const uint8_t *pat_source__cells(const struct pat_run *run, const struct pat_source *source, pat_row first,
                                 int64_t value[PAT_WINDOW_CELLS]) {
    if (source->of_customer || source->kind < PAT_SOURCE_SCORE_R) return NULL;
    for (unsigned cell = 0; cell < PAT_WINDOW_CELLS; cell++) value[cell] = score_of_cell(run, source->kind, cell);
    return run->scores->cell + first;
}

static void read_scores(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                        int64_t *out) {
    int64_t value[PAT_WINDOW_CELLS];
    const uint8_t *cell = run->scores->cell + first;
    if (count < PAT_WINDOW_CELLS) {
        for (uint32_t i = 0; i < count; i++) out[i] = score_of_cell(run, source->kind, cell[i]);
        return;
    }
    (void)pat_source__cells(run, source, first, value);
    for (uint32_t i = 0; i < count; i++) out[i] = value[cell[i]];
}

/* The customers' values, one by one: facts of a block are anybody's. */
static void read_of_customer(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                             int64_t *out) {
    const struct pat_source rows = pat_source__customer_row(source->table);
    struct pat_source inner = *source;
    inner.table = PAT_CUSTOMERS;
    inner.of_customer = false;
    pat_source__read(run, &rows, first, count, out);
    for (uint32_t i = 0; i < count; i++) {
        if (out[i] != PAT_NULL) pat_source__read(run, &inner, (pat_row)out[i], 1, &out[i]);
    }
}

static void read_fact(const struct pat_run *run, enum pat_fact fact, pat_row first, uint32_t count, int64_t *out) {
    if (run->facts != NULL) {
        pat_facts__read(run->facts, fact, first, count, out);
        pat_explain__read(run, (uint64_t)count * (fact == PAT_FACT_NET ? sizeof(int64_t) : sizeof(int32_t)));
        return;
    }
    /* Blocks of others may lie across those of customers. */
    while (count > 0) {
        const uint32_t left = PAT_BLOCK_ROWS - first % PAT_BLOCK_ROWS;
        const uint32_t here = left < count ? left : count;
        pat_kept__read(run, fact, first, here, out);
        first += here;
        count -= here;
        out += here;
    }
}

/* ---- strips ------------------------------------------------------------------------------------------------------ */

static bool blank(const struct pat_column_part *part) {
    return (part->width == 0 && part->base == PAT_NULL) || (part->bounded && part->low > part->high);
}

/* The profiles' countries where all have one, or the facts' where none has. */
static bool country_strip(const struct pat_run *run, pat_row first, struct pat_strip *out) {
    const struct pat_column_view *column = run->view->table[PAT_CUSTOMERS].column;
    *out = (struct pat_strip){.part = pat_column_view_part(&column[PAT_CUSTOMER_COUNTRY], first)};
    const struct pat_strip fact = {.part = pat_column_view_part(&column[PAT_CUSTOMER_FACT_COUNTRY], first)};
    if (!out->part.has_null || blank(&fact.part)) return true;
    if (!blank(&out->part) || run->view->counts.newest_fact > run->day) return false;
    *out = fact;
    return true;
}

static struct pat_strip strip_of_values(const int64_t *values) {
    return (struct pat_strip){.part = {.data = (const void *)values, .width = sizeof *values, .has_null = true}};
}

bool pat_source__strip(const struct pat_run *run, const struct pat_source *source, pat_row first,
                       struct pat_strip *out) {
    if (source->of_customer) return false;
    switch (source->kind) {
    case PAT_SOURCE_STORED:
        if (source->hops > 0 || source->dated) return false;
        *out = (struct pat_strip){
            .part = pat_column_view_part(&run->view->table[source->table].column[source->column], first),
            .null_is_zero = source->null_is_zero};
        return true;
    case PAT_SOURCE_COUNTRY: return country_strip(run, first, out);
    case PAT_SOURCE_FACT:
        if (run->facts == NULL) return pat_kept__strip(run, source->fact, first, out);
        *out = (struct pat_strip){.part = {.width = 0}};
        return pat_facts__strip(run->facts, source->fact, first, &out->part);
    case PAT_SOURCE_P_ALIVE: *out = strip_of_values(run->lifetime->p_alive + first); return true;
    case PAT_SOURCE_EXPECTED: *out = strip_of_values(run->lifetime->expected + first); return true;
    case PAT_SOURCE_CLV: *out = strip_of_values(run->lifetime->clv + first); return true;
    case PAT_SOURCE_RECENCY:
        if (run->facts != NULL || !pat_kept__strip(run, PAT_FACT_LAST, first, out)) return false;
        out->mirrored = true;
        out->from = run->day;
        return true;
    default: return false;
    }
}

void pat_source__read(const struct pat_run *run, const struct pat_source *source, pat_row first, uint32_t count,
                      int64_t *out) {
    if (source->of_customer) {
        read_of_customer(run, source, first, count, out);
        return;
    }
    switch (source->kind) {
    case PAT_SOURCE_ROW:
        for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)first + i;
        return;
    case PAT_SOURCE_PRODUCT: pat_source__read_products(run, source, first, count, out); return;
    case PAT_SOURCE_LIFECYCLE:
        for (uint32_t i = 0; i < count; i++) out[i] = run->lifecycle[first + i];
        return;
    case PAT_SOURCE_STORED: read_stored(run, source, first, count, out); return;
    case PAT_SOURCE_COUNTRY: read_country(run, first, count, out); return;
    case PAT_SOURCE_FACT: read_fact(run, source->fact, first, count, out); return;
    case PAT_SOURCE_RECENCY:
        read_fact(run, PAT_FACT_LAST, first, count, out);
        for (uint32_t i = 0; i < count; i++) out[i] = out[i] == PAT_NULL ? PAT_NULL : run->day - out[i];
        return;
    case PAT_SOURCE_P_ALIVE: memcpy(out, run->lifetime->p_alive + first, count * sizeof *out); return;
    case PAT_SOURCE_EXPECTED: memcpy(out, run->lifetime->expected + first, count * sizeof *out); return;
    case PAT_SOURCE_CLV: memcpy(out, run->lifetime->clv + first, count * sizeof *out); return;
    case PAT_SOURCE_SCORE_R:
    case PAT_SOURCE_SCORE_F:
    case PAT_SOURCE_SCORE_M:
    case PAT_SOURCE_GROUP: read_scores(run, source, first, count, out); return;
    }
}

int64_t pat_source__get(const struct pat_run *run, const struct pat_source *source, pat_row row) {
    int64_t value;
    const bool plain = run->bytes_read == NULL && source->kind == PAT_SOURCE_STORED && !source->of_customer &&
                       source->hops == 0 && !source->null_is_zero && !source->dated;
    if (plain) return pat_view_get(run->view, source->table, source->column, row);
    pat_source__read(run, source, row, 1, &value);
    return value;
}

uint32_t pat_source__codes(const struct pat_run *run, const struct pat_source *source) {
    struct pat_group_names names;
    if (source->kind == PAT_SOURCE_LIFECYCLE) return PAT_LIFECYCLES;
    if (source->kind != PAT_SOURCE_GROUP) return run->view->table[source->home].dict_count[source->column];
    return pat_run__group_names(run, &names) == PAT_OK ? names.count : 0;
}

struct pat_text pat_source__text(const struct pat_run *run, const struct pat_source *source, int64_t code) {
    struct pat_group_names names;
    if (source->kind == PAT_SOURCE_LIFECYCLE) return pat_text_of(pat_lifecycle_names[code]);
    if (source->kind != PAT_SOURCE_GROUP) return pat_view_dict_text(run->view, source->home, source->column, code);
    if (pat_run__group_names(run, &names) != PAT_OK) return (struct pat_text){"", 0};
    return pat_text_of(pat_group__name(&names, (uint32_t)code));
}

struct pat_id_key pat_id__key(const struct pat_view *view, int64_t word) {
    if (word >= 0) return (struct pat_id_key){.number = word};
    return (struct pat_id_key){.number = -1, .text = pat_heap_get(view->heap, (uint64_t)~word)};
}

int pat_id__compare(struct pat_id_key a, struct pat_id_key b) {
    if (a.number >= 0 && b.number >= 0) return (a.number > b.number) - (a.number < b.number);
    if (a.number >= 0 || b.number >= 0) return a.number >= 0 ? -1 : 1;
    return pat_text_compare(a.text, b.text);
}

int pat_source__compare(const struct pat_run *run, const struct pat_source *source, int64_t a, int64_t b) {
    switch (source->type) {
    case PAT_TYPE_ID: return a == b ? 0 : pat_id__compare(pat_id__key(run->view, a), pat_id__key(run->view, b));
    case PAT_TYPE_TEXT:
    case PAT_TYPE_SET:
        if (a == b) return 0;
        return pat_text_compare(pat_source__text(run, source, a), pat_source__text(run, source, b));
    case PAT_TYPE_DECIMAL: return pat_decimal_compare(a, b);
    default: return (a > b) - (a < b);
    }
}

struct pat_value pat_id__value(struct pat_run *run, int64_t word) {
    if (word == PAT_NULL) return pat_value_nil();
    if (word < 0) return pat_value_text(pat_heap_get(run->view->heap, (uint64_t)~word));
    char text[21];
    const size_t length = pat_id_print(word, text);
    return pat_build_text(&run->builder, (struct pat_text){text, length});
}

/* Members of a set entry, U+001F between them. */
static struct pat_value set_value(struct pat_run *run, struct pat_text entry) {
    struct pat_value list = pat_build_array(&run->builder, 4);
    while (entry.length > 0) {
        const char *end = memchr(entry.data, '\x1f', entry.length);
        const size_t length = end != NULL ? (size_t)(end - entry.data) : entry.length;
        pat_build_push(&run->builder, &list, pat_value_text((struct pat_text){entry.data, length}));
        if (end == NULL) break;
        entry = (struct pat_text){end + 1, entry.length - length - 1};
    }
    return list;
}

unsigned pat_row__digits(const struct pat_view *view, enum pat_table_id table, pat_row row) {
    static const unsigned column[PAT_TABLES] = {[PAT_ORDERS] = PAT_ORDER_CURRENCY,
                                                [PAT_LINES] = PAT_LINE_ORDER,
                                                [PAT_REFUNDS] = PAT_REFUND_CURRENCY,
                                                [PAT_FX] = PAT_FX_CURRENCY};
    PAT_ASSERT(table != PAT_CUSTOMERS);
    if (table == PAT_LINES) {
        return pat_row__digits(view, PAT_ORDERS, (pat_row)pat_view_get(view, PAT_LINES, PAT_LINE_ORDER, row));
    }
    const int64_t code = pat_view_get(view, table, column[table], row);
    const int currency =
        code == PAT_NULL ? -1 : pat_currency_find(pat_view_dict_text(view, table, column[table], code));
    return currency < 0 ? 2 : pat_currencies[currency].digits;
}

static struct pat_value money_value(struct pat_run *run, const struct pat_source *source, pat_row row, int64_t value) {
    if (source->base || source->minor) return pat_value_int(value);
    char text[24];
    pat_minor_print(value, pat_row__digits(run->view, source->table, row), text);
    return pat_build_text(&run->builder, pat_text_of(text));
}

struct pat_value pat_source__value(struct pat_run *run, const struct pat_source *source, pat_row row, int64_t value) {
    if (value == PAT_NULL) return pat_value_nil();
    switch (source->type) {
    case PAT_TYPE_ID:
    case PAT_TYPE_REF: return pat_id__value(run, value);
    case PAT_TYPE_TEXT: return pat_value_text(pat_source__text(run, source, value));
    case PAT_TYPE_SET: return set_value(run, pat_source__text(run, source, value));
    case PAT_TYPE_BOOL: return pat_value_bool(value == 1);
    case PAT_TYPE_MONEY: return money_value(run, source, row, value);
    case PAT_TYPE_DAY: return pat_build_day(&run->builder, value);
    case PAT_TYPE_TIME: return pat_run__time(run, value);
    case PAT_TYPE_DECIMAL: {
        char text[24];
        pat_decimal_print(value, text);
        return pat_build_text(&run->builder, pat_text_of(text));
    }
    case PAT_TYPE_NUMBER: return pat_value_real((double)value / PAT_NUMBER_UNIT);
    case PAT_TYPE_INT: break;
    }
    return pat_value_int(value);
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
