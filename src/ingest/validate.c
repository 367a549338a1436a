#include "ingest/ingest_private.h"

#include "model/currency.h"
#include "model/decimal.h"

#include <stdlib.h>
#include <string.h>

struct judgement {
    struct pat_batch *batch;
    const struct pat_store *store;
    struct pat_rejects *rejects;
};

/* ---- what a batch leans on
 * --------------------------------------------------------------------------------------------- */

static const int order_required[] = {PAT_ORDER_CUSTOMER, PAT_ORDER_TIME, PAT_ORDER_AMOUNT, PAT_ORDER_CURRENCY, -1};
static const int refund_required[] = {PAT_REFUND_TIME, PAT_REFUND_AMOUNT, PAT_REFUND_CURRENCY, -1};
static const int line_required[] = {PAT_LINE_PRODUCT, PAT_LINE_QUANTITY, PAT_LINE_PRICE, -1};
static const int fx_required[] = {PAT_FX_RATE, -1};
static const int line_order_required[] = {PAT_LINE_OF_CUSTOMER, PAT_LINE_OF_TIME, PAT_LINE_OF_CURRENCY, -1};

/* The first of these fields that the batch does not have, or -1. */
static int first_absent(const struct pat_batch *batch, const int *fields) {
    for (; *fields >= 0; fields++) {
        if (pat_batch_find(batch, *fields) == NULL) return *fields;
    }
    return -1;
}

/* A refund must name an order or a customer. */
static bool refund_names_someone(const struct pat_batch *batch, uint32_t row) {
    const struct pat_batch_column *order = pat_batch_find(batch, PAT_REFUND_ORDER);
    const struct pat_batch_column *customer = pat_batch_find(batch, PAT_REFUND_CUSTOMER);
    return (order != NULL && order->value[row] != PAT_NULL) || (customer != NULL && customer->value[row] != PAT_NULL);
}

/* True when every row could stand as a new one: then it does not matter what the store knows. */
static bool stands_alone(const struct pat_batch *batch) {
    switch (batch->table) {
    case PAT_CUSTOMERS: return true;
    case PAT_ORDERS: return first_absent(batch, order_required) < 0;
    case PAT_LINES: return first_absent(batch, line_required) < 0 && first_absent(batch, line_order_required) < 0;
    case PAT_REFUNDS:
        if (first_absent(batch, refund_required) >= 0) return false;
        for (uint32_t row = 0; row < batch->rows; row++) {
            if (!refund_names_someone(batch, row)) return false;
        }
        return true;
    case PAT_FX: return first_absent(batch, fx_required) < 0;
    case PAT_TABLES: break;
    }
    return false;
}

/* ---- rows that must be known
 * -------------------------------------------------------------------------------------------- */

static void reject_absent(const struct judgement *j, uint32_t row, int field) {
    const char *name = pat_field_get(j->batch->table, field)->name;
    pat_rejects__add(j->rejects, row, name, PAT_REJECT_MISSING, "%s is not known yet, so \"%s\" is required",
                     pat_schema[j->batch->table].singular, name);
}

/* Row of the batch's id column in the store when it is a row that was loaded, else PAT_ROW_NONE. */
static pat_row known_order(const struct judgement *j, const struct pat_batch_column *ids, uint32_t row) {
    pat_row order = pat_table_find_id(j->store, PAT_ORDERS, pat_apply__key(ids, row));
    if (order == PAT_ROW_NONE) return PAT_ROW_NONE;
    int64_t state = pat_table_get(&j->store->table[PAT_ORDERS], PAT_ORDER_STATE, order);
    return state == PAT_ORDER_AWAITED ? PAT_ROW_NONE : order;
}

static void judge_orders(const struct judgement *j) {
    int absent = first_absent(j->batch, order_required);
    if (absent < 0) return;
    const struct pat_batch_column *ids = pat_batch_find(j->batch, PAT_ORDER_ID);
    for (uint32_t row = 0; row < j->batch->rows; row++) {
        if (j->rejects->bad[row] || known_order(j, ids, row) != PAT_ROW_NONE) continue;
        reject_absent(j, row, absent);
    }
}

/* A patch that clears what a refund belongs to leaves nobody to count it for. */
static bool refund_stays_named(const struct judgement *j, uint32_t row, pat_row refund) {
    if (refund_names_someone(j->batch, row)) return true;
    const struct pat_table *refunds = &j->store->table[PAT_REFUNDS];
    bool order_cleared = pat_batch_find(j->batch, PAT_REFUND_ORDER) != NULL;
    bool customer_cleared = pat_batch_find(j->batch, PAT_REFUND_CUSTOMER) != NULL;
    bool has_order = pat_table_get(refunds, PAT_REFUND_ORDER, refund) != PAT_NULL;
    bool has_customer = pat_table_get(refunds, PAT_REFUND_CUSTOMER, refund) != PAT_NULL;
    if (has_order) return !order_cleared || (has_customer && !customer_cleared);
    return has_customer && !customer_cleared;
}

static void judge_refunds(const struct judgement *j) {
    int absent = first_absent(j->batch, refund_required);
    const struct pat_batch_column *ids = pat_batch_find(j->batch, PAT_REFUND_ID);
    for (uint32_t row = 0; row < j->batch->rows; row++) {
        if (j->rejects->bad[row]) continue;
        if (absent < 0 && refund_names_someone(j->batch, row)) continue;
        pat_row refund = pat_table_find_id(j->store, PAT_REFUNDS, pat_apply__key(ids, row));
        if (refund == PAT_ROW_NONE && absent >= 0) {
            reject_absent(j, row, absent);
        } else if (refund == PAT_ROW_NONE || !refund_stays_named(j, row, refund)) {
            pat_rejects__add(j->rejects, row, "order", PAT_REJECT_MISSING, "a refund needs its order or its customer");
        }
    }
}

/* A row of the batch and the order that it patches a line of. */
struct patched_line {
    pat_row order;
    uint32_t row;
};

static int compare_patched(const void *a, const void *b) {
    const struct patched_line *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int compare_numbers(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Numbers of an order's lines, sorted; NULL without memory. */
static int64_t *known_numbers(const struct judgement *j, pat_row order, size_t *count) {
    const struct pat_table *lines = &j->store->table[PAT_LINES];
    int64_t head = pat_table_get(&j->store->table[PAT_ORDERS], PAT_ORDER_LINE_HEAD, order);
    *count = 0;
    for (int64_t line = head; line != PAT_NULL; line = pat_table_get(lines, PAT_LINE_NEXT, (pat_row)line)) ++*count;
    int64_t *number = pat_arena_array(j->rejects->arena, *count, sizeof *number);
    if (number == NULL) return NULL;
    size_t i = 0;
    for (int64_t line = head; line != PAT_NULL; line = pat_table_get(lines, PAT_LINE_NEXT, (pat_row)line)) {
        number[i++] = pat_table_get(lines, PAT_LINE_NUMBER, (pat_row)line);
    }
    qsort(number, *count, sizeof *number, compare_numbers);
    return number;
}

/* Rows that patch lines must find them; each order's lines are looked through once, however many of them are patched.
 */
static void judge_patched_lines(const struct judgement *j, struct patched_line *patched, size_t count, int absent) {
    const struct pat_batch_column *numbers = pat_batch_find(j->batch, PAT_LINE_NUMBER);
    int64_t *known = NULL;
    size_t known_count = 0;
    qsort(patched, count, sizeof *patched, compare_patched);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || patched[i].order != patched[i - 1].order)
            known = known_numbers(j, patched[i].order, &known_count);
        if (known == NULL) {
            j->rejects->no_memory = true;
            return;
        }
        const int64_t *number = &numbers->value[patched[i].row];
        if (bsearch(number, known, known_count, sizeof *known, compare_numbers) == NULL)
            reject_absent(j, patched[i].row, absent);
    }
}

static void judge_lines(const struct judgement *j) {
    int absent = first_absent(j->batch, line_required), order_absent = first_absent(j->batch, line_order_required);
    if (absent < 0 && order_absent < 0) return;
    const struct pat_batch_column *ids = pat_batch_find(j->batch, PAT_LINE_ORDER);
    const bool numbered = pat_batch_find(j->batch, PAT_LINE_NUMBER) != NULL;
    struct patched_line *patched = pat_arena_array(j->rejects->arena, j->batch->rows, sizeof *patched);
    size_t count = 0;
    if (patched == NULL) {
        j->rejects->no_memory = true;
        return;
    }
    for (uint32_t row = 0; row < j->batch->rows; row++) {
        if (j->rejects->bad[row]) continue;
        pat_row order = known_order(j, ids, row);
        if (order == PAT_ROW_NONE && order_absent >= 0) {
            const char *name = pat_field_get(PAT_LINES, order_absent)->name;
            pat_rejects__add(j->rejects, row, name, PAT_REJECT_MISSING,
                             "the order is not known yet, so \"%s\" is required", name);
        } else if (absent >= 0 && (order == PAT_ROW_NONE || !numbered)) {
            reject_absent(j, row, absent);
        } else if (absent >= 0) {
            patched[count++] = (struct patched_line){order, row};
        }
    }
    judge_patched_lines(j, patched, count, absent);
}

static void judge_fx(const struct judgement *j) {
    const int absent = first_absent(j->batch, fx_required);
    const struct pat_batch_column *days = pat_batch_find(j->batch, PAT_FX_DAY);
    const struct pat_batch_column *currencies = pat_batch_find(j->batch, PAT_FX_CURRENCY);
    for (uint32_t row = 0; row < j->batch->rows; row++) {
        if (j->rejects->bad[row]) continue;
        const struct pat_text currency = currencies->dict[currencies->value[row]];
        const int place = pat_currency_find(currency);
        if (pat_text_is(currency, j->store->base_currency)) {
            pat_rejects__add(j->rejects, row, "currency", PAT_REJECT_CONFLICT,
                             "currency: %s is the base currency, its rate is always 1", j->store->base_currency);
        } else if (absent >= 0 && pat_rates_find(&j->store->rates, place, (pat_day)days->value[row]) == PAT_ROW_NONE) {
            reject_absent(j, row, absent);
        }
    }
}

/* ---- money: decimals become minor units
 * ---------------------------------------------------------------------------------- */

struct money_context {
    int currency_field;       /* of the batch */
    unsigned stored_currency; /* column of `stored_table` */
    enum pat_table_id stored_table;
};

static struct money_context money_context_of(enum pat_table_id table) {
    switch (table) {
    case PAT_ORDERS: return (struct money_context){PAT_ORDER_CURRENCY, PAT_ORDER_CURRENCY, PAT_ORDERS};
    case PAT_REFUNDS: return (struct money_context){PAT_REFUND_CURRENCY, PAT_REFUND_CURRENCY, PAT_REFUNDS};
    case PAT_FX: return (struct money_context){PAT_FX_CURRENCY, PAT_FX_CURRENCY, PAT_FX};
    default: return (struct money_context){PAT_LINE_OF_CURRENCY, PAT_ORDER_CURRENCY, PAT_ORDERS};
    }
}

/* Index into pat_currencies of the row's currency: its own, else the stored one; -1 when neither is there. What
 * customers have is in the base currency. */
static int currency_of_row(const struct judgement *j, const struct money_context *money, uint32_t row) {
    if (j->batch->table == PAT_CUSTOMERS) return pat_currency_find(pat_text_of(j->store->base_currency));
    const struct pat_batch_column *own = pat_batch_find(j->batch, money->currency_field);
    if (own != NULL) return own->value[row] == PAT_NULL ? -1 : pat_currency_find(own->dict[own->value[row]]);
    const struct pat_batch_column *ids = pat_batch_find(j->batch, 0);
    pat_row stored = pat_table_find_id(j->store, money->stored_table, pat_apply__key(ids, row));
    if (stored == PAT_ROW_NONE) return -1;
    const struct pat_table *table = &j->store->table[money->stored_table];
    int64_t code = pat_table_get(table, money->stored_currency, stored);
    return code == PAT_NULL ? -1
                            : pat_currency_find(pat_dict_text(table->dict[money->stored_currency], (uint32_t)code));
}

static void reject_money(const struct judgement *j, uint32_t row, const char *name, pat_decimal decimal, int currency) {
    const struct pat_currency *about = &pat_currencies[currency];
    char shown[24];
    pat_decimal_print(decimal, shown);
    pat_minor rounded;
    if (pat_decimal_to_minor(decimal, about->digits, &rounded) ||
        !pat_decimal_to_minor_rounded(decimal, about->digits, &rounded)) {
        pat_rejects__add(j->rejects, row, name, PAT_REJECT_BAD_MONEY, "%s: %s %s is more than one amount can be", name,
                         shown, about->code);
        return;
    }
    pat_rejects__add(j->rejects, row, name, PAT_REJECT_BAD_MONEY,
                     "%s: %s does not fit %s, which has %u digits: round it, or name the currency that was meant", name,
                     shown, about->code, about->digits);
}

static bool money_fits(pat_minor minor) {
    return minor >= -PAT_MONEY_MINOR_MAX && minor <= PAT_MONEY_MINOR_MAX;
}

static void settle_money(const struct judgement *j, const struct money_context *money,
                         struct pat_batch_column *column) {
    const char *name = pat_schema_field(j->store->table[j->batch->table].schema, column->field)->name;
    for (uint32_t row = 0; row < j->batch->rows; row++) {
        if (j->rejects->bad[row] || column->value[row] == PAT_NULL) continue;
        int currency = currency_of_row(j, money, row);
        if (currency < 0) {
            pat_rejects__add(j->rejects, row, "currency", PAT_REJECT_MISSING, "currency is required beside %s", name);
            continue;
        }
        pat_decimal decimal = column->value[row];
        pat_minor minor;
        if (pat_decimal_to_minor(decimal, pat_currencies[currency].digits, &minor) && money_fits(minor)) {
            column->value[row] = minor;
            continue;
        }
        column->value[row] = PAT_NULL;
        reject_money(j, row, name, decimal, currency);
    }
    column->decimal = false;
}

/* Money of the row's currency that is somewhere in the table and that the batch leaves as it is: column numbers, their
 * count. */
static unsigned money_that_stays(const struct judgement *j, const struct pat_table *table,
                                 unsigned column[PAT_COLUMNS_MAX]) {
    unsigned count = 0;
    for (unsigned c = 0; c < table->schema->columns; c++) {
        if (table->schema->field[c].type != PAT_TYPE_MONEY || !pat_schema_loadable(table->schema, c)) continue;
        if (pat_batch_find(j->batch, (int)c) == NULL && !pat_column_is_blank(&table->column[c])) column[count++] = c;
    }
    return count;
}

static void reject_currency(const struct judgement *j, uint32_t row, const char *name, unsigned before,
                            unsigned after) {
    pat_rejects__add(j->rejects, row, "currency", PAT_REJECT_CONFLICT,
                     "the new currency has %u digits, the old one %u: send the %s with it", after, before, name);
}

/* A currency that changes its digits under an amount that stays would change the amount a hundredfold. */
static void judge_currency_change(const struct judgement *j, const struct money_context *money) {
    const struct pat_batch_column *own = pat_batch_find(j->batch, money->currency_field);
    if ((j->batch->table != PAT_ORDERS && j->batch->table != PAT_REFUNDS) || own == NULL) return;
    const struct pat_table *table = &j->store->table[money->stored_table];
    unsigned column[PAT_COLUMNS_MAX];
    const unsigned columns = money_that_stays(j, table, column);
    for (uint32_t row = 0; columns > 0 && row < j->batch->rows; row++) {
        if (j->rejects->bad[row] || own->value[row] == PAT_NULL) continue;
        pat_row stored =
            pat_table_find_id(j->store, money->stored_table, pat_apply__key(pat_batch_find(j->batch, 0), row));
        if (stored == PAT_ROW_NONE) continue;
        int64_t code = pat_table_get(table, money->stored_currency, stored);
        if (code == PAT_NULL) continue;
        unsigned before = pat_store_currency_digits(j->store, money->stored_table, money->stored_currency, code);
        unsigned after = pat_currencies[pat_currency_find(own->dict[own->value[row]])].digits;
        for (unsigned i = 0; before != after && i < columns; i++) {
            if (pat_table_get(table, column[i], stored) == PAT_NULL) continue;
            reject_currency(j, row, table->schema->field[column[i]].name, before, after);
            break;
        }
    }
}

static void judge_money(const struct judgement *j) {
    struct money_context money = money_context_of(j->batch->table);
    judge_currency_change(j, &money);
    for (uint32_t i = 0; i < j->batch->columns; i++) {
        if (j->batch->column[i].decimal) settle_money(j, &money, &j->batch->column[i]);
    }
}

/* ---- the verdict
 * ---------------------------------------------------------------------------------------------------------- */

static int compare_errors(const void *a, const void *b) {
    uint32_t x = ((const struct pat_row_error *)a)->row, y = ((const struct pat_row_error *)b)->row;
    return (x > y) - (x < y);
}

static void drop_bad_rows(struct pat_batch *batch, const struct pat_rejects *rejects) {
    for (uint32_t i = 0; i < batch->columns && rejects->rejected > 0; i++) {
        int64_t *value = batch->column[i].value;
        uint32_t kept = 0;
        for (uint32_t row = 0; row < batch->rows_sent; row++) {
            if (!rejects->bad[row]) value[kept++] = value[row];
        }
    }
    batch->rows = batch->rows_sent - rejects->rejected;
}

enum pat_status pat_ingest_validate(struct pat_batch *batch, const struct pat_load *load, const struct pat_store *store,
                                    bool alone, struct pat_error *error) {
    struct judgement j = {batch, store, batch->judging};
    if (!alone && !stands_alone(batch)) return PAT_ERR_MORE;
    if (batch->table == PAT_ORDERS) judge_orders(&j);
    if (batch->table == PAT_REFUNDS) judge_refunds(&j);
    if (batch->table == PAT_LINES) judge_lines(&j);
    if (batch->table == PAT_FX) judge_fx(&j);
    judge_money(&j);
    struct pat_rejects *rejects = batch->judging;
    if (rejects->no_memory) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to judge the batch");
    qsort(rejects->error, rejects->errors, sizeof *rejects->error, compare_errors);
    if (rejects->rejected > 0 && !load->skip_bad) {
        const struct pat_row_error *first = &rejects->error[0];
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, first->field, first->row, -1,
                                "row %u: %s (%u of %u rows are bad; nothing was taken)", first->row,
                                first->message.data, rejects->rejected, batch->rows_sent);
    }
    drop_bad_rows(batch, rejects);
    batch->rejected = rejects->rejected;
    batch->error = rejects->error;
    batch->errors = rejects->errors < load->errors_max ? rejects->errors : load->errors_max;
    batch->reject = rejects->reason;
    batch->rejects = rejects->reasons;
    batch->judging = NULL;
    return PAT_OK;
}
