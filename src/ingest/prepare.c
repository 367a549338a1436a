#include "ingest/ingest_private.h"

#include "model/exchange.h"

#include <stdlib.h>
#include <string.h>

/* A column as it was sent, matched to its field. */
struct sent_column {
    int field;
    const struct pat_field *about;
    const char *name; /* NUL-terminated, e.g. "amount_minor" */
    bool minor;
    const struct pat_value *value;
};

struct preparation {
    const struct pat_load *load;
    const struct pat_table_schema *schema;
    const struct pat_zone *zone;
    const struct pat_hash_secret *secret;
    int64_t now_ms;
    struct pat_arena *arena;
    struct pat_error *error;
    struct pat_batch *batch;
    struct sent_column *sent; /* sorted by field number */
    uint32_t columns;
};

static enum pat_status no_memory(struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to take in the batch");
}

/* ---- which columns there are ----------------------------------------------------------------------------------------
 */

/* "amount_minor" is "amount" in minor units, and likewise for every money field. */
static int find_field(const struct pat_table_schema *schema, struct pat_text name, bool *minor) {
    static const char suffix[] = "_minor";
    size_t suffix_length = sizeof suffix - 1;
    *minor = false;
    int field = pat_schema_find(schema, name);
    if (field >= 0 || name.length <= suffix_length) return field;
    if (memcmp(name.data + name.length - suffix_length, suffix, suffix_length) != 0) return -1;
    field = pat_schema_find(schema, (struct pat_text){name.data, name.length - suffix_length});
    *minor = true;
    return field >= 0 && pat_schema_field(schema, field)->type == PAT_TYPE_MONEY ? field : -1;
}

static enum pat_status unknown_field(const struct preparation *p, struct pat_text name) {
    char shown[64];
    const char *nearest = pat_schema_nearest(p->schema, name);
    (void)pat_text_printable(name, shown, sizeof shown);
    return pat_error_set_at(p->error, PAT_ERR_UNKNOWN_FIELD, shown, -1, -1, "load.%s has no field \"%s\"%s%s%s",
                            p->schema->name, shown, nearest != NULL ? ", did you mean \"" : "",
                            nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

/* A few, which most clients send in the same order: looked through from behind. */
static void insert_sent(struct sent_column *sent, uint32_t count, struct sent_column column) {
    for (; count > 0 && sent[count - 1].field > column.field; count--) sent[count] = sent[count - 1];
    sent[count] = column;
}

static enum pat_status match_columns(struct preparation *p) {
    const struct pat_value *columns = p->load->columns;
    p->sent = pat_arena_array(p->arena, columns->count, sizeof *p->sent);
    if (p->sent == NULL) return no_memory(p->error);
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct pat_member *member = &columns->as.members[i];
        struct sent_column sent = {.value = &member->value};
        sent.field = find_field(p->schema, member->key, &sent.minor);
        if (sent.field < 0) return unknown_field(p, member->key);
        sent.about = pat_schema_field(p->schema, sent.field);
        sent.name = pat_arena_text(p->arena, member->key).data;
        if (sent.name == NULL) return no_memory(p->error);
        insert_sent(p->sent, p->columns++, sent);
    }
    for (uint32_t i = 1; i < p->columns; i++) {
        if (p->sent[i].field != p->sent[i - 1].field) continue;
        return pat_error_set_at(p->error, PAT_ERR_BAD_REQUEST, p->sent[i].name, -1, -1,
                                "columns \"%s\" and \"%s\" say the same thing: send one of them", p->sent[i - 1].name,
                                p->sent[i].name);
    }
    return PAT_OK;
}

static bool has_field(const struct preparation *p, int field) {
    for (uint32_t i = 0; i < p->columns; i++) {
        if (p->sent[i].field == field) return true;
    }
    return false;
}

/* The first field of a row's identity that was not sent, or -1. */
static int absent_identity(const struct preparation *p) {
    if (!has_field(p, 0)) return 0;
    return p->load->table == PAT_FX && !has_field(p, PAT_FX_CURRENCY) ? (int)PAT_FX_CURRENCY : -1;
}
_Static_assert(PAT_CUSTOMER_ID == 0 && PAT_ORDER_ID == 0 && PAT_REFUND_ID == 0 && PAT_LINE_ORDER == 0 &&
                   PAT_FX_DAY == 0,
               "the first field of every table identifies its rows");

static enum pat_status measure_columns(struct preparation *p) {
    const int absent = absent_identity(p);
    if (absent >= 0) {
        const char *name = p->schema->field[absent].name;
        return pat_error_set_at(p->error, PAT_ERR_BAD_REQUEST, name, -1, -1,
                                "load.%s needs the column \"%s\": it says which row is meant", p->schema->name, name);
    }
    int64_t rows = -1;
    for (uint32_t i = 0; i < p->columns; i++) {
        const struct sent_column *sent = &p->sent[i];
        if (sent->about->type == PAT_TYPE_MONEY && !sent->minor && sent->value->type != PAT_VALUE_ARRAY) {
            return pat_error_set_at(p->error, PAT_ERR_BAD_REQUEST, sent->name, -1, -1,
                                    "column \"%s\": fixed-width money is minor units: send it as \"%s_minor\"",
                                    sent->name, sent->name);
        }
        int64_t here = pat_column__rows(sent->name, sent->about->type, sent->value, p->error);
        if (here < 0) return PAT_ERR_BAD_REQUEST;
        if (rows >= 0 && here != rows) {
            return pat_error_set_at(p->error, PAT_ERR_BAD_REQUEST, sent->name, -1, -1,
                                    "column \"%s\" has %lld rows, \"%s\" has %lld: all columns must be equally long",
                                    sent->name, (long long)here, p->sent[0].name, (long long)rows);
        }
        rows = here;
    }
    if (rows > (int64_t)PAT_BATCH_ROWS_MAX) {
        return pat_error_set(p->error, PAT_ERR_TOO_LARGE, "a batch of %lld rows: send at most %u at a time",
                             (long long)rows, PAT_BATCH_ROWS_MAX);
    }
    p->batch->rows = (uint32_t)rows;
    p->batch->rows_sent = (uint32_t)rows;
    return PAT_OK;
}

/* ---- values ---------------------------------------------------------------------------------------------------------
 */

static bool is_required(enum pat_table_id table, const struct sent_column *sent) {
    return sent->about->required ||
           (table == PAT_LINES && (sent->field == PAT_LINE_OF_CUSTOMER || sent->field == PAT_LINE_OF_TIME ||
                                   sent->field == PAT_LINE_OF_CURRENCY));
}

/* A required field may be absent from a patch, but never empty. Looked at before any value, so that a row without a
 * customer is told so whatever else is wrong with it. */
static void reject_missing(const struct preparation *p, struct pat_rejects *rejects) {
    for (uint32_t i = 0; i < p->columns; i++) {
        const struct sent_column *sent = &p->sent[i];
        if (!is_required(p->load->table, sent) || !pat_column__may_have_nil(sent->value, sent->about->type)) continue;
        for (uint32_t row = 0; row < p->batch->rows; row++) {
            if (!pat_column__is_nil(sent->value, sent->about->type, row)) continue;
            pat_rejects__add(rejects, row, sent->name, PAT_REJECT_MISSING, "%s is required and empty here", sent->name);
        }
    }
}

static bool is_dated_fact(enum pat_table_id table, int field) {
    return (table == PAT_ORDERS && field == PAT_ORDER_TIME) || (table == PAT_REFUNDS && field == PAT_REFUND_TIME) ||
           (table == PAT_LINES && field == PAT_LINE_OF_TIME);
}

static bool is_currency(enum pat_table_id table, int field) {
    return (table == PAT_CUSTOMERS && field == PAT_CUSTOMER_CURRENCY) ||
           (table == PAT_ORDERS && field == PAT_ORDER_CURRENCY) ||
           (table == PAT_REFUNDS && field == PAT_REFUND_CURRENCY) ||
           (table == PAT_LINES && field == PAT_LINE_OF_CURRENCY) || (table == PAT_FX && field == PAT_FX_CURRENCY);
}

/* From so many values on those of all columns are a block of their own, which is not cleared: all of them are written,
 * and the next batch finds its pages ready. */
#define BIG_VALUES 4096u

/* Each column's values begin on a line of their own, unless all of a few rows fit into one or two. */
static uint32_t values_apart(const struct preparation *p) {
    const uint32_t rows = p->batch->rows;
    return rows < 4 ? rows : (rows + 7) & ~UINT32_C(7);
}

static int64_t *values_take(const struct preparation *p) {
    const size_t values = (size_t)values_apart(p) * p->columns;
    return values < BIG_VALUES ? pat_arena_array(p->arena, values, sizeof(int64_t))
                               : pat_arena_array_big(p->arena, values, sizeof(int64_t));
}

static enum pat_status convert_columns(struct preparation *p, struct pat_rejects *rejects) {
    struct pat_batch *batch = p->batch;
    /* One more than was sent: lines get numbers when they have none. */
    batch->column = pat_arena_array(p->arena, p->columns + 1, sizeof *batch->column);
    int64_t *const values = values_take(p);
    if (batch->column == NULL || values == NULL) return no_memory(p->error);
    for (uint32_t i = 0; i < p->columns; i++) {
        const struct sent_column *sent = &p->sent[i];
        struct pat_convert convert = {
            .field = sent->about,
            .name = sent->name,
            .minor = sent->minor,
            .zone = p->zone,
            .kernels = p->load->kernels,
            .now_ms = p->now_ms,
            .dated_fact = is_dated_fact(batch->table, sent->field),
            .currency_field = is_currency(batch->table, sent->field),
            .identity = sent->field == 0,
            .arena = p->arena,
            .rejects = rejects,
        };
        struct pat_batch_column *column = &batch->column[batch->columns++];
        column->field = sent->field;
        column->type = sent->about->type;
        column->value = values + (size_t)i * values_apart(p);
        PAT_TRY(pat_column__convert(column, &convert, p->secret, sent->value, batch->rows, p->error));
    }
    return PAT_OK;
}

/* ---- rules for single values
 * ------------------------------------------------------------------------------------------ */

/* What a field's numbers must be, beyond their type. Sign rules work on decimals and minor units alike. */
struct sign_rule {
    enum pat_table_id table;
    int field;
    int64_t least;  /* of the sign: 1 above zero, 0 not below it */
    int64_t most;   /* of the value */
    bool zero_only; /* only zero is refused */
    enum pat_reject code;
    const char *advice;
};

static const struct sign_rule sign_rules[] = {
    {PAT_ORDERS, PAT_ORDER_AMOUNT, 0, INT64_MAX, false, PAT_REJECT_BAD_MONEY,
     "is below zero: what goes back to a buyer is a refund (load.refunds)"},
    {PAT_REFUNDS, PAT_REFUND_AMOUNT, 1, INT64_MAX, false, PAT_REJECT_BAD_MONEY,
     "must be above zero: refunds are positive"},
    {PAT_LINES, PAT_LINE_PRICE, 1, INT64_MAX, false, PAT_REJECT_BAD_MONEY,
     "must be above zero: lines that go back have a negative quantity"},
    {PAT_LINES, PAT_LINE_QUANTITY, 0, INT64_MAX, true, PAT_REJECT_BAD_VALUE, "must not be zero"},
    {PAT_LINES, PAT_LINE_NUMBER, 1, PAT_LINE_NUMBER_MAX, false, PAT_REJECT_BAD_VALUE, "must be from 1 to 2147483647"},
    {PAT_FX, PAT_FX_RATE, 1, INT64_MAX, false, PAT_REJECT_BAD_VALUE, "must be above zero"},
};

static void apply_sign_rule(const struct pat_batch *batch, const struct sign_rule *rule, struct pat_rejects *rejects) {
    const struct pat_batch_column *column = pat_batch_find(batch, rule->field);
    if (column == NULL) return;
    const char *name = pat_field_get(batch->table, rule->field)->name;
    for (uint32_t row = 0; row < batch->rows; row++) {
        int64_t value = column->value[row];
        if (rejects->bad[row] || value == PAT_NULL) continue;
        int64_t sign = (value > 0) - (value < 0); /* a packed decimal has the sign of its number */
        if (rule->zero_only ? sign != 0 : sign >= rule->least && value <= rule->most) continue;
        pat_rejects__add(rejects, row, name, rule->code, "%s %s", name, rule->advice);
    }
}

static void apply_sign_rules(const struct pat_batch *batch, struct pat_rejects *rejects) {
    for (size_t i = 0; i < sizeof sign_rules / sizeof sign_rules[0]; i++) {
        if (sign_rules[i].table == batch->table) apply_sign_rule(batch, &sign_rules[i], rejects);
    }
}

/* The one field that takes two words only. */
static void reject_other_words(const struct pat_batch *batch, struct pat_rejects *rejects) {
    const struct pat_batch_column *per = batch->table == PAT_FX ? pat_batch_find(batch, PAT_FX_PER) : NULL;
    for (uint32_t row = 0; per != NULL && row < batch->rows; row++) {
        bool per_base;
        if (rejects->bad[row] || per->value[row] == PAT_NULL) continue;
        const struct pat_text word = per->dict[per->value[row]];
        if (pat_rate_per(word, &per_base)) continue;
        char shown[32];
        pat_rejects__add(
            rejects, row, "per", PAT_REJECT_BAD_VALUE,
            "per: \"%s\" is neither \"unit\" (base currency for one unit) nor \"base\" (units for one of the base "
            "currency)",
            pat_text_printable(word, shown, sizeof shown));
    }
}

/* ---- lines, order by order
 * ----------------------------------------------------------------------------------------------------- */

struct line_place {
    int64_t order; /* word of the order column: equal for equal ids of one batch */
    uint32_t row;
};

static int compare_places(const void *a, const void *b) {
    const struct line_place *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* Lines without numbers are numbered by position within their order, rejected rows included, so that mending one bad
 * row later does not renumber its neighbours. Appended lines are numbered when they are applied. */
static int compare_numbers(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Numbers one order's lines that have none by their position. `given` is scratch for the numbers that are there: a
 * position that is another line's number would make one line of two, so it is refused. */
static void number_order(const struct line_place *place, uint32_t count, int64_t *number, int64_t *given,
                         struct pat_rejects *rejects) {
    uint32_t known = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (number[place[i].row] != PAT_NULL) given[known++] = number[place[i].row];
    }
    qsort(given, known, sizeof *given, compare_numbers);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = place[i].row;
        int64_t position = (int64_t)i + 1;
        if (number[row] != PAT_NULL) continue;
        number[row] = position;
        if (known == 0 || rejects->bad[row] ||
            bsearch(&position, given, known, sizeof *given, compare_numbers) == NULL) {
            continue;
        }
        pat_rejects__add(
            rejects, row, "line", PAT_REJECT_CONFLICT,
            "line: without a number it would be line %lld of its order, which another row is; number all lines of "
            "an order or none",
            (long long)position);
    }
}

/* Of rows that are rejected for their number the value stays empty, so that they count as a position only. */
static enum pat_status number_lines(struct preparation *p, const struct line_place *place,
                                    struct pat_rejects *rejects) {
    struct pat_batch *batch = p->batch;
    struct pat_batch_column *column = pat_batch_find(batch, PAT_LINE_NUMBER);
    int64_t *given = pat_arena_array(p->arena, batch->rows, sizeof *given);
    if (given == NULL) return no_memory(p->error);
    if (column == NULL) {
        int64_t *number = pat_arena_array(p->arena, batch->rows, sizeof *number);
        if (number == NULL) return no_memory(p->error);
        for (uint32_t row = 0; row < batch->rows; row++) number[row] = PAT_NULL;
        column = &batch->column[batch->columns++];
        *column = (struct pat_batch_column){.field = PAT_LINE_NUMBER, .type = PAT_TYPE_INT, .value = number};
    }
    for (uint32_t start = 0, end = 0; start < batch->rows; start = end) {
        while (end < batch->rows && place[end].order == place[start].order) end++;
        number_order(place + start, end - start, column->value, given, rejects);
    }
    return PAT_OK;
}

static bool lines_are_numbered(const struct pat_batch *batch) {
    const struct pat_batch_column *column = pat_batch_find(batch, PAT_LINE_NUMBER);
    if (batch->append) return true; /* behind the greatest number, when they are applied */
    for (uint32_t row = 0; column != NULL && row < batch->rows; row++) {
        if (column->value[row] == PAT_NULL) return false;
    }
    return column != NULL;
}

/* Prices are in their order's currency, and an order has one. */
static void reject_other_currencies(const struct pat_batch *batch, const struct pat_batch_column *currency,
                                    const struct line_place *place, struct pat_rejects *rejects) {
    int64_t first = PAT_NULL;
    for (uint32_t i = 0; i < batch->rows; i++) {
        if (i == 0 || place[i].order != place[i - 1].order) first = PAT_NULL;
        uint32_t row = place[i].row;
        int64_t own = currency->value[row];
        if (rejects->bad[row] || own == PAT_NULL || own == first) continue;
        if (first == PAT_NULL) {
            first = own;
            continue;
        }
        const struct pat_text was = currency->dict[first], is = currency->dict[own];
        pat_rejects__add(rejects, row, "currency", PAT_REJECT_CONFLICT,
                         "an earlier line of this order is in %.*s, this one in %.*s", (int)was.length, was.data,
                         (int)is.length, is.data);
    }
}

static enum pat_status settle_lines(struct preparation *p, struct pat_rejects *rejects) {
    struct pat_batch *batch = p->batch;
    if (batch->table != PAT_LINES) return PAT_OK;
    bool numbered = lines_are_numbered(batch);
    const struct pat_batch_column *orders = pat_batch_find(batch, PAT_LINE_ORDER);
    const struct pat_batch_column *currency = pat_batch_find(batch, PAT_LINE_OF_CURRENCY);
    bool mixed = currency != NULL && currency->dict_count > 1;
    if (numbered && !mixed) return PAT_OK;
    struct line_place *place = pat_arena_array(p->arena, batch->rows, sizeof *place);
    if (place == NULL) return no_memory(p->error);
    for (uint32_t row = 0; row < batch->rows; row++) place[row] = (struct line_place){orders->value[row], row};
    qsort(place, batch->rows, sizeof *place, compare_places);
    if (mixed) reject_other_currencies(batch, currency, place, rejects);
    return numbered ? PAT_OK : number_lines(p, place, rejects);
}

/* ---- digest
 * ----------------------------------------------------------------------------------------------------------- */

struct hasher {
    struct pat_digest digest;
    size_t used;
    unsigned char pending[4096];
};

static void hasher_flush(struct hasher *hasher) {
    hasher->digest = pat_digest_chain(hasher->digest, hasher->pending, hasher->used);
    hasher->used = 0;
}

static void hasher_add(struct hasher *hasher, const void *data, size_t bytes) {
    if (bytes > sizeof hasher->pending - hasher->used) hasher_flush(hasher);
    if (bytes > sizeof hasher->pending) {
        hasher->digest = pat_digest_chain(hasher->digest, data, bytes);
        return;
    }
    if (bytes > 0) memcpy(hasher->pending + hasher->used, data, bytes);
    hasher->used += bytes;
}

static void hasher_add_value(struct hasher *hasher, const struct pat_value *value) {
    hasher_add(hasher, &value->type, sizeof value->type);
    switch (value->type) {
    case PAT_VALUE_NIL: return;
    case PAT_VALUE_BOOL: hasher_add(hasher, &value->as.boolean, sizeof value->as.boolean); return;
    case PAT_VALUE_INT:
    case PAT_VALUE_UINT:
    case PAT_VALUE_FLOAT: hasher_add(hasher, &value->as.integer, sizeof value->as.integer); return;
    default: hasher_add(hasher, &value->count, sizeof value->count);
    }
    if (value->type == PAT_VALUE_TEXT || value->type == PAT_VALUE_BIN) {
        hasher_add(hasher, value->as.bin, value->count);
    } else if (value->type == PAT_VALUE_ARRAY) {
        for (uint32_t i = 0; i < value->count; i++) hasher_add_value(hasher, &value->as.items[i]);
    } else {
        for (uint32_t i = 0; i < value->count; i++) {
            hasher_add(hasher, value->as.members[i].key.data, value->as.members[i].key.length);
            hasher_add_value(hasher, &value->as.members[i].value);
        }
    }
}

/* Of the content: the same rows give the same digest whatever the order of columns on the wire. */
static struct pat_digest digest_of(const struct preparation *p) {
    struct hasher hasher; /* `pending` is written before it is read, and would be most of the work */
    hasher.digest = (struct pat_digest){0, 0};
    hasher.used = 0;
    unsigned char modes[] = {(unsigned char)p->load->table, p->load->append, p->load->skip_bad};
    hasher_add(&hasher, modes, sizeof modes);
    for (uint32_t i = 0; i < p->columns; i++) {
        hasher_add(&hasher, p->sent[i].name, strlen(p->sent[i].name) + 1);
        hasher_add_value(&hasher, p->sent[i].value);
    }
    hasher_flush(&hasher);
    return hasher.digest;
}

/* ---- door
 * ------------------------------------------------------------------------------------------------------------- */

enum pat_status pat_ingest_prepare(struct pat_batch **out, const struct pat_load *load, const struct pat_zone *zone,
                                   const struct pat_hash_secret *secret, int64_t now_ms, struct pat_arena *arena,
                                   struct pat_error *error) {
    struct pat_batch *batch = pat_arena_alloc(arena, sizeof *batch);
    struct pat_rejects *rejects = pat_arena_alloc(arena, sizeof *rejects);
    if (batch == NULL || rejects == NULL) return no_memory(error);
    *batch = (struct pat_batch){.table = load->table,
                                .append = load->append,
                                .now_ms = now_ms,
                                .producer = load->producer,
                                .seq = load->seq,
                                .meta = load->meta,
                                .judging = rejects};
    struct preparation p = {.load = load,
                            .schema = load->schema != NULL ? load->schema : &pat_schema[load->table],
                            .zone = zone,
                            .secret = secret,
                            .now_ms = now_ms,
                            .arena = arena,
                            .error = error,
                            .batch = batch};
    PAT_TRY(match_columns(&p));
    PAT_TRY(measure_columns(&p));
    /* A refused batch names at least one row. */
    uint32_t errors_max = load->errors_max > 0 ? load->errors_max : 1;
    if (!pat_rejects__init(rejects, arena, batch->rows, errors_max)) return no_memory(error);
    reject_missing(&p, rejects);
    PAT_TRY(convert_columns(&p, rejects));
    apply_sign_rules(batch, rejects);
    reject_other_words(batch, rejects);
    PAT_TRY(settle_lines(&p, rejects));
    if (rejects->no_memory) return no_memory(error);
    batch->digest = digest_of(&p);
    *out = batch;
    return PAT_OK;
}
