/* control: what was loaded, as the source can count it: every row that was not withdrawn, whether it counts for
 * anything or not, with the money that came with it. */
#include "analytics/group_private.h"

#include "base/hash.h"
#include "model/currency.h"
#include "model/date.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned producer_column[] = {[PAT_CUSTOMERS] = PAT_CUSTOMER_PRODUCER,
                                           [PAT_ORDERS] = PAT_ORDER_PRODUCER,
                                           [PAT_LINES] = PAT_LINE_PRODUCER,
                                           [PAT_REFUNDS] = PAT_REFUND_PRODUCER};

/* Key of a group: what `by` says, and the currency. */
enum { KEY_BY, KEY_CURRENCY, KEYS };

struct tally {
    uint64_t rows;
    pat_int128 amount;
    int64_t first, last; /* PAT_NULL before the first row that has a time */
    pat_uint128 digest;  /* sum of the ids' digests, so that their order does not matter */
};

struct control {
    struct pat_run *run;
    enum pat_table_id table;
    enum pat_control_by by;
    pat_day first, last;
    bool bounded;           /* by days: rows without one are left out */
    struct pat_source time; /* of customers the day they were created */
    struct pat_source day;
    struct pat_source currency, amount;
    struct pat_groups groups;
    uint32_t capacity;
    struct tally *tally; /* [capacity] */
};

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static bool stored(const struct control *control, pat_row row) {
    const struct pat_view *view = control->run->view;
    switch (control->table) {
    case PAT_CUSTOMERS:
        return pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_PROFILED, row) == 1 &&
               pat_view_get(view, PAT_CUSTOMERS, PAT_CUSTOMER_DELETED, row) != 1;
    case PAT_ORDERS:
        return pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, row) == PAT_ORDER_PRESENT &&
               pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, row) != 1;
    case PAT_LINES: return pat_view_get(view, PAT_LINES, PAT_LINE_DELETED, row) != 1;
    default: return pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DELETED, row) != 1;
    }
}

/* The digest of a row's identity: its id; of a line that of the order, U+001F and its number. */
static pat_uint128 digest_of(const struct control *control, pat_row row) {
    const struct pat_view *view = control->run->view;
    char buffer[21], line[PAT_ID_BYTES_MAX + 24];
    struct pat_text id;
    if (control->table == PAT_LINES) {
        const pat_row order = (pat_row)pat_view_get(view, PAT_LINES, PAT_LINE_ORDER, row);
        const struct pat_text of = pat_view_id(view, PAT_ORDERS, order, buffer);
        const int length = snprintf(line, sizeof line, "%.*s\x1f%" PRId64, (int)of.length, of.data,
                                    pat_view_get(view, PAT_LINES, PAT_LINE_NUMBER, row));
        id = (struct pat_text){line, (size_t)length};
    } else {
        id = pat_view_id(view, control->table, row, buffer);
    }
    const struct pat_digest digest = pat_digest_of(id.data, id.length);
    return (pat_uint128)digest.high << 64 | digest.low;
}

static int64_t key_by(const struct control *control, pat_row row, int64_t day, int64_t currency) {
    switch (control->by) {
    case PAT_CONTROL_DAY: return day;
    case PAT_CONTROL_MONTH: return day == PAT_NULL ? PAT_NULL : pat_day_to_month((pat_day)day);
    case PAT_CONTROL_CURRENCY: return currency;
    case PAT_CONTROL_PRODUCER: break;
    }
    return pat_view_get(control->run->view, control->table, producer_column[control->table], row);
}

static enum pat_status find_tally(struct control *control, const int64_t *key, struct tally **out) {
    uint32_t group;
    PAT_TRY(pat_groups__find(control->run->arena, &control->groups, key, &group, control->run->error));
    if (control->groups.capacity != control->capacity) {
        void *memory;
        PAT_TRY(pat_run__array(control->run, control->groups.capacity, sizeof *control->tally, &memory));
        if (control->capacity > 0) memcpy(memory, control->tally, control->capacity * sizeof *control->tally);
        control->tally = memory;
        control->capacity = control->groups.capacity;
    }
    *out = &control->tally[group];
    if ((*out)->rows == 0) (*out)->first = (*out)->last = PAT_NULL;
    return PAT_OK;
}

static void tally_merge(struct tally *into, const struct tally *from) {
    if (into->rows == 0) into->first = into->last = PAT_NULL;
    into->rows += from->rows;
    into->amount += from->amount;
    into->digest += from->digest;
    if (from->first == PAT_NULL) return;
    if (into->first == PAT_NULL || from->first < into->first) into->first = from->first;
    if (into->last == PAT_NULL || from->last > into->last) into->last = from->last;
}

static enum pat_status add_row(struct control *control, pat_row row, int64_t day, int64_t time, int64_t currency,
                               int64_t amount) {
    const bool within = day != PAT_NULL && day >= control->first && day <= control->last;
    if (!stored(control, row) || (control->bounded && !within)) return PAT_OK;
    const int64_t key[KEYS] = {key_by(control, row, day, currency), currency};
    struct tally *tally = NULL;
    PAT_TRY(find_tally(control, key, &tally));
    const struct tally one = {.rows = 1,
                              .amount = amount == PAT_NULL ? 0 : amount,
                              .first = time,
                              .last = time,
                              .digest = digest_of(control, row)};
    tally_merge(tally, &one);
    return PAT_OK;
}

static enum pat_status walk_rows(struct control *control) {
    struct pat_run *run = control->run;
    const pat_row rows = run->view->table[control->table].rows;
    int64_t day[PAT_BLOCK_ROWS], time[PAT_BLOCK_ROWS], currency[PAT_BLOCK_ROWS], amount[PAT_BLOCK_ROWS];
    for (uint64_t first = 0; first < rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        const uint64_t left = rows - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        pat_source__read(run, &control->day, (pat_row)first, count, day);
        pat_source__read(run, &control->time, (pat_row)first, count, time);
        for (uint32_t i = 0; i < count; i++) currency[i] = amount[i] = PAT_NULL;
        if (control->table != PAT_CUSTOMERS) {
            pat_source__read(run, &control->currency, (pat_row)first, count, currency);
            pat_source__read(run, &control->amount, (pat_row)first, count, amount);
        }
        for (uint32_t i = 0; i < count; i++) {
            PAT_TRY(add_row(control, (pat_row)(first + i), day[i], time[i], currency[i], amount[i]));
        }
    }
    return PAT_OK;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static struct pat_text currency_text(const struct control *control, int64_t code) {
    return pat_source__text(control->run, &control->currency, code);
}

static struct pat_text producer_text(const struct control *control, int64_t code) {
    return pat_view_dict_text(control->run->view, control->table, producer_column[control->table], code);
}

static int compare_by(const struct control *control, int64_t a, int64_t b) {
    if (a == b) return 0;
    if (a == PAT_NULL || b == PAT_NULL) return a == PAT_NULL ? 1 : -1;
    if (control->by == PAT_CONTROL_CURRENCY)
        return pat_text_compare(currency_text(control, a), currency_text(control, b));
    if (control->by != PAT_CONTROL_PRODUCER) return a < b ? -1 : 1;
    return pat_text_compare(producer_text(control, a), producer_text(control, b));
}

static const int64_t *key_of(const struct control *control, uint32_t group) {
    return control->groups.key + (size_t)group * KEYS;
}

static int compare_groups(const void *a, const void *b, void *context) {
    const struct control *control = context;
    const int64_t *left = key_of(control, *(const uint32_t *)a), *right = key_of(control, *(const uint32_t *)b);
    const int order = compare_by(control, left[KEY_BY], right[KEY_BY]);
    if (order != 0 || left[KEY_CURRENCY] == right[KEY_CURRENCY]) return order;
    if (left[KEY_CURRENCY] == PAT_NULL || right[KEY_CURRENCY] == PAT_NULL)
        return left[KEY_CURRENCY] == PAT_NULL ? 1 : -1;
    return pat_text_compare(currency_text(control, left[KEY_CURRENCY]), currency_text(control, right[KEY_CURRENCY]));
}

static struct pat_value by_value(struct control *control, int64_t key) {
    struct pat_run *run = control->run;
    if (key == PAT_NULL) return pat_value_nil();
    switch (control->by) {
    case PAT_CONTROL_DAY: return pat_build_day(&run->builder, key);
    case PAT_CONTROL_MONTH: {
        const struct pat_civil first = pat_day_to_civil(pat_month_first_day((int32_t)key));
        return pat_build_printf(&run->builder, "%04d-%02d", first.year, first.month);
    }
    case PAT_CONTROL_CURRENCY: return pat_value_text(currency_text(control, key));
    case PAT_CONTROL_PRODUCER: break;
    }
    return pat_value_text(producer_text(control, key));
}

static struct pat_value time_value(struct control *control, int64_t time) {
    if (control->table == PAT_CUSTOMERS) return pat_build_day(&control->run->builder, time);
    return pat_run__time(control->run, time);
}

/* rows, amount_minor by currency, first, last, digest: of the groups order[from .. to), which differ in currency. */
static enum pat_status put_tally(struct control *control, const uint32_t *order, uint32_t from, uint32_t to,
                                 struct pat_value *map) {
    struct pat_builder *builder = &control->run->builder;
    struct tally all = {0};
    struct pat_value amounts = pat_build_map(builder, to - from);
    for (uint32_t i = from; i < to; i++) {
        const struct tally *tally = &control->tally[order[i]];
        const int64_t currency = key_of(control, order[i])[KEY_CURRENCY];
        tally_merge(&all, tally);
        if (currency == PAT_NULL) continue;
        struct pat_value amount;
        PAT_TRY(pat_run__total(control->run, "amount_minor", tally->amount, &amount));
        pat_build_put_text_key(builder, &amounts, currency_text(control, currency), amount);
    }
    pat_build_put(builder, map, "rows", pat_value_uint(all.rows));
    if (control->table != PAT_CUSTOMERS) pat_build_put(builder, map, "amount_minor", amounts);
    pat_build_put(builder, map, "first", all.rows > 0 ? time_value(control, all.first) : pat_value_nil());
    pat_build_put(builder, map, "last", all.rows > 0 ? time_value(control, all.last) : pat_value_nil());
    pat_build_put(
        builder, map, "digest",
        pat_build_printf(builder, "%016" PRIx64 "%016" PRIx64, (uint64_t)(all.digest >> 64), (uint64_t)all.digest));
    return PAT_OK;
}

/* All currencies' groups brought together: one for each currency. */
static enum pat_status put_total(struct control *control) {
    struct control whole = *control;
    whole.by = PAT_CONTROL_CURRENCY;
    whole.groups = (struct pat_groups){.dimensions = KEYS};
    whole.capacity = 0;
    whole.tally = NULL;
    for (uint32_t group = 0; group < control->groups.count; group++) {
        const int64_t currency = key_of(control, group)[KEY_CURRENCY];
        struct tally *tally = NULL;
        PAT_TRY(find_tally(&whole, (const int64_t[KEYS]){currency, currency}, &tally));
        tally_merge(tally, &control->tally[group]);
    }
    void *memory;
    PAT_TRY(pat_run__array(control->run, whole.groups.count, sizeof(uint32_t), &memory));
    uint32_t *order = memory;
    for (uint32_t i = 0; i < whole.groups.count; i++) order[i] = i;
    if (whole.groups.count > 1) qsort_r(order, whole.groups.count, sizeof *order, compare_groups, &whole);
    struct pat_value total = pat_build_map(&control->run->builder, 5);
    PAT_TRY(put_tally(&whole, order, 0, whole.groups.count, &total));
    struct pat_value digits = pat_build_map(&control->run->builder, whole.groups.count);
    for (uint32_t i = 0; i < whole.groups.count; i++) {
        const int64_t code = key_of(&whole, order[i])[KEY_CURRENCY];
        if (code == PAT_NULL) continue;
        const int found = pat_currency_find(currency_text(control, code));
        pat_build_put_text_key(&control->run->builder, &digits, currency_text(control, code),
                               pat_value_int(found < 0 ? 2 : pat_currencies[found].digits));
    }
    pat_run__put(control->run, "total", total);
    if (control->table != PAT_CUSTOMERS) pat_run__put(control->run, "digits", digits);
    return PAT_OK;
}

static enum pat_status put_groups(struct control *control) {
    static const char *const names[] = {[PAT_CONTROL_DAY] = "day",
                                        [PAT_CONTROL_MONTH] = "month",
                                        [PAT_CONTROL_CURRENCY] = "currency",
                                        [PAT_CONTROL_PRODUCER] = "producer"};
    struct pat_run *run = control->run;
    void *memory;
    PAT_TRY(pat_run__array(run, control->groups.count, sizeof(uint32_t), &memory));
    uint32_t *order = memory;
    for (uint32_t i = 0; i < control->groups.count; i++) order[i] = i;
    if (control->groups.count > 1) qsort_r(order, control->groups.count, sizeof *order, compare_groups, control);
    struct pat_value groups = pat_build_array(&run->builder, 16);
    for (uint32_t from = 0, to = 0; from < control->groups.count; from = to) {
        const int64_t key = key_of(control, order[from])[KEY_BY];
        while (to < control->groups.count && key_of(control, order[to])[KEY_BY] == key) to++;
        struct pat_value group = pat_build_map(&run->builder, 6);
        pat_build_put(&run->builder, &group, names[control->by], by_value(control, key));
        PAT_TRY(put_tally(control, order, from, to, &group));
        pat_build_push(&run->builder, &groups, group);
    }
    pat_run__put(run, "table", pat_value_string(pat_schema[control->table].name));
    pat_run__put(run, "by", pat_value_string(names[control->by]));
    pat_run__put(run, "groups", groups);
    return put_total(control);
}

static enum pat_status bind(struct control *control) {
    struct pat_run *run = control->run;
    const bool customers = control->table == PAT_CUSTOMERS;
    PAT_TRY(pat_source__find(run, control->table, pat_text_of(customers ? "created" : "day"), -1, PAT_USE_SHOWN,
                             &control->day));
    PAT_TRY(pat_source__find(run, control->table, pat_text_of(customers ? "created" : "time"), -1, PAT_USE_SHOWN,
                             &control->time));
    if (customers) return PAT_OK;
    PAT_TRY(pat_source__find(run, control->table, pat_text_of("currency"), -1, PAT_USE_SHOWN, &control->currency));
    return pat_source__find(run, control->table, pat_text_of("amount"), -1, PAT_USE_SHOWN, &control->amount);
}

enum pat_status pat_answer__control(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    struct control control = {.run = run,
                              .table = request->from,
                              .by = request->control_by,
                              .bounded = request->between[0].given || request->between[1].given,
                              .groups = {.dimensions = KEYS}};
    pat_run__days(run, request->between, PAT_DAY_MIN, PAT_DAY_MAX, &control.first, &control.last);
    PAT_TRY(bind(&control));
    PAT_TRY(walk_rows(&control));
    return put_groups(&control);
}
