/* group: customers or facts cut by up to four dimensions, metrics over each part, over everything, and over what
 * `limit` cut off. */
#include "analytics/explain_private.h"
#include "analytics/group_private.h"

#include "model/currency.h"

#include "analytics/scores_private.h"

#include <stdlib.h>
#include <string.h>

/* The currency of a group's money where the rows have none, or several. */
#define CURRENCY_MIXED (-1)

/* ---- binding ----------------------------------------------------------------------------------------------------- */

bool pat_measure__listed(const struct pat_measure *measure) {
    return measure->metric->kind == PAT_METRIC_PERCENTILE || measure->metric->kind == PAT_METRIC_CUSTOMERS;
}

static void bind_list(struct pat_grouping *grouping, struct pat_measure *measure) {
    for (uint32_t i = 0; i < grouping->lists; i++) {
        if (!pat_text_equal(grouping->list[i].field, measure->metric->field)) continue;
        measure->values = i;
        return;
    }
    measure->values = grouping->lists;
    grouping->list[grouping->lists++] = (struct pat_lists){.source = measure->source,
                                                           .field = measure->metric->field,
                                                           .distinct = measure->metric->kind == PAT_METRIC_CUSTOMERS};
}

static enum pat_status bind_parts(struct pat_grouping *grouping) {
    const struct pat_request *request = grouping->run->job->request;
    PAT_ASSERT(request->names_count <= PAT_GROUP_DIMENSIONS_MAX);
    PAT_ASSERT(request->metrics <= PAT_GROUP_METRICS_MAX);
    const enum pat_table_id table = grouping->of.table;
    grouping->dimensions = grouping->table.dimensions = request->names_count;
    grouping->measures = request->metrics;
    for (uint32_t i = 0; i < request->names_count; i++) {
        PAT_TRY(pat_dimension__parse(grouping->run, table, request->names[i], &grouping->dimension[i]));
    }
    for (uint32_t i = 0; i < request->metrics; i++) {
        struct pat_measure *measure = &grouping->measure[i];
        PAT_TRY(pat_measure__bind(grouping->run, table, &request->metric[i], measure));
        if (pat_measure__listed(measure)) bind_list(grouping, measure);
        grouping->own_money = grouping->own_money || pat_source__own_money(&measure->source);
    }
    if (!grouping->own_money) return PAT_OK;
    return pat_source__find(grouping->run, table, pat_text_of("currency"), -1, PAT_USE_SHOWN, &grouping->own_currency);
}

static enum pat_status fail_order(const struct pat_grouping *grouping, struct pat_text text) {
    const char *names[PAT_GROUP_DIMENSIONS_MAX + PAT_GROUP_METRICS_MAX];
    struct pat_arena *arena = grouping->run->arena;
    size_t count = 0;
    for (uint32_t i = 0; i < grouping->dimensions; i++)
        names[count++] = pat_arena_text(arena, grouping->dimension[i].text).data;
    for (uint32_t i = 0; i < grouping->measures; i++) {
        names[count++] = pat_arena_text(arena, grouping->measure[i].metric->text).data;
    }
    for (size_t i = 0; i < count; i++) {
        if (names[i] == NULL) return pat_error_set(grouping->run->error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    }
    const int nearest = pat_text_nearest(text, names, count);
    char shown[80];
    (void)pat_text_printable(text, shown, sizeof shown);
    return pat_error_set_at(grouping->run->error, PAT_ERR_UNKNOWN_FIELD, "order_by", -1, -1,
                            "groups are ordered by what is in \"by\" or \"metrics\", \"%s\" is in neither%s%s%s", shown,
                            nearest >= 0 ? ", did you mean \"" : "", nearest >= 0 ? names[nearest] : "",
                            nearest >= 0 ? "\"?" : "");
}

static enum pat_status bind_order(struct pat_grouping *grouping) {
    const struct pat_request *request = grouping->run->job->request;
    for (uint32_t i = 0; i < request->order_bys; i++) {
        const struct pat_text text = request->order_by[i].text;
        bool found = false;
        for (uint32_t m = 0; m < grouping->measures && !found; m++) {
            found = pat_text_equal(text, grouping->measure[m].metric->text);
            if (found) grouping->by[i] = (int)m;
        }
        for (uint32_t d = 0; d < grouping->dimensions && !found; d++) {
            found = pat_text_equal(text, grouping->dimension[d].text);
            if (found) grouping->by[i] = ~(int)d;
        }
        if (!found) return fail_order(grouping, text);
        grouping->descending[i] = request->order_by[i].descending;
    }
    grouping->bys = request->order_bys;
    if (request->order_bys > 0) return PAT_OK;
    grouping->by[0] = 0;
    grouping->descending[0] = true;
    grouping->bys = grouping->measures > 0 ? 1 : 0;
    return PAT_OK;
}

/* ---- groups by key ----------------------------------------------------------------------------------------------- */

/* Copies the old content of an array into one for `capacity` groups of `width` items. */
static enum pat_status grow_array(struct pat_grouping *grouping, uint32_t width, size_t size, void **array) {
    void *grown;
    PAT_TRY(pat_run__array(grouping->run, (uint64_t)grouping->table.capacity * width, size, &grown));
    if (grouping->capacity > 0) memcpy(grown, *array, (size_t)grouping->capacity * width * size);
    *array = grown;
    return PAT_OK;
}

enum pat_status pat_grouping__find(struct pat_grouping *grouping, const int64_t *key, uint32_t *out) {
    PAT_TRY(pat_groups__find(grouping->run->arena, &grouping->table, key, out, grouping->run->error));
    if (grouping->table.capacity == grouping->capacity) return PAT_OK;
    void *gather = grouping->gather, *currency = grouping->currency;
    PAT_TRY(grow_array(grouping, grouping->measures, sizeof *grouping->gather, &gather));
    PAT_TRY(grow_array(grouping, 1, sizeof *grouping->currency, &currency));
    grouping->gather = gather;
    grouping->currency = currency;
    grouping->capacity = grouping->table.capacity;
    return PAT_OK;
}

/* ---- everything as one group ------------------------------------------------------------------------------------- */

/* One measure over the rows of a block whose bits are on. */
static void gather_whole(const struct pat_grouping *grouping, const struct pat_measure *measure, pat_row first,
                         uint32_t count, const uint64_t *bits, struct pat_gather *into) {
    const struct pat_run *run = grouping->run;
    const struct pat_kernels *kernels = run->kernels;
    const enum pat_metric_kind kind = measure->metric->kind;
    struct pat_gather part = {.least = INT64_MAX, .greatest = INT64_MIN};
    struct pat_strip strip;
    if (kind == PAT_METRIC_COUNT) {
        into->count += kernels->bits_count(bits, pat_bits__words(count));
        return;
    }
    const bool sums = kind == PAT_METRIC_SUM || kind == PAT_METRIC_AVG;
    if (sums && pat_source__strip(run, &measure->source, first, &strip)) {
        pat_strip__sum(kernels, &strip, count, bits, &part.count, &part.sum);
        pat_explain__part(run, &strip.part, count);
        part.least = part.greatest = 0; /* nobody asks a sum for them */
    } else {
        int64_t value[PAT_BLOCK_ROWS];
        uint64_t low;
        int64_t high;
        pat_source__read(run, &measure->source, first, count, value);
        kernels->sum(value, bits, count, &part.count, &low, &high);
        kernels->bounds(value, bits, count, &part.least, &part.greatest);
        part.sum = (pat_int128)((pat_uint128)(uint64_t)high << 64 | low);
    }
    pat_gather__merge(measure, into, &part);
}

/* Decimals do not add up as integers do, money of the rows' own only within one currency, and lists have a pass of
 * their own. */
static bool adds_up(const struct pat_grouping *grouping) {
    bool plain = grouping->dimensions == 0 && !grouping->own_money && grouping->lists == 0;
    for (uint32_t m = 0; m < grouping->measures; m++) {
        plain = plain && grouping->measure[m].source.type != PAT_TYPE_DECIMAL;
    }
    return plain;
}

struct whole {
    const struct pat_grouping *grouping;
    struct pat_gather *gather; /* [threads * measures] */
};

static enum pat_status whole_part(void *context, const struct pat_part *part) {
    const struct whole *whole = context;
    const struct pat_grouping *grouping = whole->grouping;
    struct pat_gather *gather = whole->gather + (size_t)part->lane * grouping->measures;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        const uint64_t *bits = grouping->of.bits + first / 64;
        if (part->run->kernels->bits_count(bits, pat_bits__words(count)) == 0) continue;
        for (uint32_t m = 0; m < grouping->measures; m++) {
            gather_whole(grouping, &grouping->measure[m], (pat_row)first, count, bits, &gather[m]);
        }
    }
    return PAT_OK;
}

static enum pat_status walk_whole(struct pat_grouping *grouping) {
    struct pat_run *run = grouping->run;
    const unsigned lanes = pat_run__lanes(run);
    uint32_t only;
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)lanes * grouping->measures, sizeof(struct pat_gather), &memory));
    struct whole whole = {grouping, memory};
    PAT_TRY(pat_run__spread(run, grouping->of.rows, whole_part, &whole));
    PAT_TRY(pat_grouping__find(grouping, (const int64_t[]){0}, &only)); /* one row, of nobody if need be */
    for (unsigned lane = 0; lane < lanes; lane++) {
        for (uint32_t m = 0; m < grouping->measures; m++) {
            pat_gather__merge(&grouping->measure[m], &grouping->gather[m],
                              &whole.gather[(size_t)lane * grouping->measures + m]);
        }
    }
    return PAT_OK;
}

/* ---- outcomes and their order ------------------------------------------------------------------------------------ */

static struct pat_outcome list_outcome(const struct pat_measure *measure, const struct pat_lists *list,
                                       uint32_t group) {
    if (list->distinct) return (struct pat_outcome){.integer = list->customers[group]};
    return pat_measure__percentile(measure, list->value + list->start[group],
                                   list->start[group + 1] - list->start[group]);
}

static enum pat_status compute_outcomes(struct pat_grouping *grouping) {
    void *memory;
    const uint64_t count = (uint64_t)grouping->table.count * grouping->measures;
    PAT_TRY(pat_run__array(grouping->run, count, sizeof *grouping->outcome, &memory));
    grouping->outcome = memory;
    for (uint32_t group = 0; group < grouping->table.count; group++) {
        for (uint32_t m = 0; m < grouping->measures; m++) {
            const struct pat_measure *measure = &grouping->measure[m];
            const size_t at = (size_t)group * grouping->measures + m;
            const struct pat_lists *list = &grouping->list[measure->values];
            if (!pat_measure__listed(measure)) {
                grouping->outcome[at] = pat_measure__outcome(measure, &grouping->gather[at]);
            } else if (list->histogram != NULL) {
                grouping->outcome[at] = list->histogram->outcome[at];
            } else {
                grouping->outcome[at] = list_outcome(measure, list, group);
            }
        }
    }
    return PAT_OK;
}

static int compare_by(const struct pat_grouping *grouping, uint32_t i, uint32_t a, uint32_t b) {
    const bool descending = grouping->descending[i];
    if (grouping->by[i] < 0) {
        const uint32_t d = (uint32_t)~grouping->by[i];
        const int64_t left = grouping->table.key[(size_t)a * grouping->dimensions + d];
        const int64_t right = grouping->table.key[(size_t)b * grouping->dimensions + d];
        const int order = pat_dimension__compare(grouping->run, &grouping->dimension[d], left, right);
        return descending && left != PAT_NULL && right != PAT_NULL ? -order : order;
    }
    const struct pat_outcome *left = &grouping->outcome[(size_t)a * grouping->measures + (uint32_t)grouping->by[i]];
    const struct pat_outcome *right = &grouping->outcome[(size_t)b * grouping->measures + (uint32_t)grouping->by[i]];
    if (left->null || right->null) return (int)left->null - (int)right->null;
    const int order = pat_outcome__compare(left, right);
    return descending ? -order : order;
}

static int compare_groups(const void *a, const void *b, void *context) {
    const struct pat_grouping *grouping = context;
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    for (uint32_t i = 0; i < grouping->bys; i++) {
        const int order = compare_by(grouping, i, left, right);
        if (order != 0) return order;
    }
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const int order = pat_dimension__compare(grouping->run, &grouping->dimension[d],
                                                 grouping->table.key[(size_t)left * grouping->dimensions + d],
                                                 grouping->table.key[(size_t)right * grouping->dimensions + d]);
        if (order != 0) return order;
    }
    return 0;
}

static enum pat_status sort_groups(struct pat_grouping *grouping) {
    void *memory;
    PAT_TRY(pat_run__array(grouping->run, grouping->table.count, sizeof *grouping->order, &memory));
    grouping->order = memory;
    for (uint32_t i = 0; i < grouping->table.count; i++) grouping->order[i] = i;
    if (grouping->table.count > 1)
        qsort_r(grouping->order, grouping->table.count, sizeof *grouping->order, compare_groups, grouping);
    return PAT_OK;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* Digits of the money of a group; `currency` as in grouping->currency. */
static unsigned currency_digits(const struct pat_grouping *grouping, int64_t currency) {
    if (!grouping->own_money || currency <= 0) return 0;
    const int found = pat_currency_find(pat_source__text(grouping->run, &grouping->own_currency, currency - 1));
    return found < 0 ? 2 : pat_currencies[found].digits;
}

static enum pat_status push_outcome(struct pat_grouping *grouping, uint32_t m, const struct pat_outcome *outcome,
                                    int64_t currency, struct pat_value *row) {
    struct pat_value value = pat_value_nil();
    const struct pat_measure *measure = &grouping->measure[m];
    const bool mixed = currency == CURRENCY_MIXED && pat_source__own_money(&measure->source);
    if (!mixed) {
        PAT_TRY(pat_outcome__value(grouping->run, measure, outcome, currency_digits(grouping, currency), &value));
    }
    pat_build_push(&grouping->run->builder, row, value);
    return PAT_OK;
}

static enum pat_status build_row(struct pat_grouping *grouping, uint32_t group, struct pat_value *rows) {
    struct pat_run *run = grouping->run;
    struct pat_value row = pat_build_array(&run->builder, grouping->dimensions + grouping->measures);
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const int64_t key = grouping->table.key[(size_t)group * grouping->dimensions + d];
        pat_build_push(&run->builder, &row, pat_dimension__value(run, &grouping->dimension[d], key));
    }
    for (uint32_t m = 0; m < grouping->measures; m++) {
        PAT_TRY(push_outcome(grouping, m, &grouping->outcome[(size_t)group * grouping->measures + m],
                             grouping->currency[group], &row));
    }
    pat_build_push(&run->builder, rows, row);
    return PAT_OK;
}

static struct pat_outcome customers_from(const struct pat_grouping *grouping, const struct pat_lists *list,
                                         uint32_t first) {
    uint64_t customers = 0;
    for (uint32_t i = first; i < grouping->table.count; i++) {
        customers += pat_lists__mark(list, list->seen, grouping->order[i]);
    }
    for (uint32_t i = first; i < grouping->table.count; i++) pat_lists__unmark(list, list->seen, grouping->order[i]);
    return (struct pat_outcome){.integer = customers};
}

static struct pat_outcome histogram_from(struct pat_grouping *grouping, uint32_t m, struct pat_lists *list,
                                         uint32_t first) {
    if (first == 0) return list->histogram->total[m];
    if (list->histogram->rest == NULL && pat_histogram__rest(grouping, list, first) != PAT_OK) {
        grouping->run->builder.failed = true;
        return (struct pat_outcome){.null = true};
    }
    return list->histogram->rest[m];
}

static struct pat_outcome percentile_from(struct pat_grouping *grouping, const struct pat_measure *measure,
                                          const struct pat_lists *list, uint32_t first) {
    /* The lists are done with by now but for this: gathering and sorting may destroy the scratch, not the values. */
    int64_t *const half = list->scratch;
    uint64_t n = 0;
    for (uint32_t i = first; i < grouping->table.count; i++) {
        const uint32_t group = grouping->order[i];
        const uint64_t count = list->start[group + 1] - list->start[group];
        memcpy(half + n, list->value + list->start[group], count * sizeof *half);
        n += count;
    }
    void *memory;
    if (pat_run__array(grouping->run, n, sizeof *half, &memory) != PAT_OK) {
        grouping->run->builder.failed = true;
        return (struct pat_outcome){.null = true};
    }
    pat_measure__sort(&list->source, half, memory, n);
    return pat_measure__percentile(measure, half, n);
}

/* The metric over the groups order[first..], as if they were one. */
static struct pat_outcome outcome_from(struct pat_grouping *grouping, uint32_t m, uint32_t first) {
    const struct pat_measure *measure = &grouping->measure[m];
    if (pat_measure__listed(measure)) {
        struct pat_lists *list = &grouping->list[measure->values];
        if (list->histogram != NULL) return histogram_from(grouping, m, list, first);
        return list->distinct ? customers_from(grouping, list, first) : percentile_from(grouping, measure, list, first);
    }
    struct pat_gather all = {0};
    for (uint32_t i = first; i < grouping->table.count; i++) {
        pat_gather__merge(measure, &all, &grouping->gather[(size_t)grouping->order[i] * grouping->measures + m]);
    }
    return pat_measure__outcome(measure, &all);
}

static int64_t currency_from(const struct pat_grouping *grouping, uint32_t first) {
    int64_t currency = 0;
    for (uint32_t i = first; i < grouping->table.count; i++) {
        const int64_t own = grouping->currency[grouping->order[i]];
        if (own != 0 && currency != 0 && own != currency) return CURRENCY_MIXED;
        if (own != 0) currency = own;
    }
    return currency;
}

static enum pat_status put_whole(struct pat_grouping *grouping, const char *key, uint32_t first) {
    struct pat_run *run = grouping->run;
    struct pat_value row = pat_build_array(&run->builder, grouping->dimensions + grouping->measures);
    for (uint32_t d = 0; d < grouping->dimensions; d++) pat_build_push(&run->builder, &row, pat_value_nil());
    const int64_t currency = currency_from(grouping, first);
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_outcome outcome = outcome_from(grouping, m, first);
        PAT_TRY(push_outcome(grouping, m, &outcome, currency, &row));
    }
    pat_run__put(run, key, row);
    return PAT_OK;
}

static void put_columns(struct pat_grouping *grouping) {
    struct pat_builder *builder = &grouping->run->builder;
    struct pat_value columns = pat_build_array(builder, grouping->dimensions + grouping->measures);
    struct pat_value money = pat_build_array(builder, 4);
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const struct pat_dimension *dimension = &grouping->dimension[d];
        const struct pat_value name = pat_build_text(builder, dimension->text);
        pat_build_push(builder, &columns, name);
        if (dimension->kind == PAT_DIMENSION_FIELD && dimension->source.base) pat_build_push(builder, &money, name);
    }
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        const struct pat_value name = pat_build_text(builder, measure->metric->text);
        pat_build_push(builder, &columns, name);
        if (measure->source.base && measure->metric->kind != PAT_METRIC_CUSTOMERS)
            pat_build_push(builder, &money, name);
    }
    pat_run__put(grouping->run, "columns", columns);
    if (money.count > 0) pat_run__put(grouping->run, "money", pat_run__money(grouping->run, money));
}

/* Rows without a base value, where the answer has base money of theirs. */
static enum pat_status count_unpriced(struct pat_grouping *grouping) {
    const struct pat_source *net = NULL;
    if (grouping->of.unpriced_told) return PAT_OK;
    for (uint32_t m = 0; m < grouping->measures; m++) {
        if (pat_source__row_money(&grouping->measure[m].source)) net = &grouping->measure[m].source;
    }
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        if (pat_source__row_money(&grouping->dimension[d].source)) net = &grouping->dimension[d].source;
    }
    return net == NULL ? PAT_OK : pat_select__count_unpriced(grouping->run, &grouping->of, net);
}

static enum pat_status put_answer(struct pat_grouping *grouping) {
    struct pat_run *run = grouping->run;
    const uint32_t limit = run->job->request->limit;
    const bool cut = limit > 0 && limit < grouping->table.count;
    const uint32_t count = cut ? limit : grouping->table.count;
    struct pat_value rows = pat_build_array(&run->builder, count);
    for (uint32_t i = 0; i < count; i++) PAT_TRY(build_row(grouping, grouping->order[i], &rows));
    put_columns(grouping);
    pat_run__put(run, "rows", rows);
    pat_run__put(run, "groups", pat_value_uint(grouping->table.count));
    if (cut) PAT_TRY(put_whole(grouping, "rest", count));
    return put_whole(grouping, "total", 0);
}

/* From the selected rows to the groups with all that outcomes are made of. */
static enum pat_status walk(struct pat_grouping *grouping) {
    if (adds_up(grouping)) {
        PAT_TRY(walk_whole(grouping));
        pat_explain__step(grouping->run, "sum", grouping->of.rows);
        return PAT_OK;
    }
    PAT_TRY(pat_dense__plan(grouping));
    PAT_TRY(grouping->dense != NULL ? pat_dense__walk(grouping) : pat_keys__walk(grouping));
    pat_explain__step(grouping->run, grouping->dense != NULL ? "group by place" : "group by key", grouping->of.rows);
    uint32_t only;
    if (grouping->dimensions == 0) {
        PAT_TRY(pat_grouping__find(grouping, (const int64_t[]){0}, &only)); /* one row of nobody */
    }
    for (uint32_t i = 0; i < grouping->lists; i++) {
        struct pat_lists *list = &grouping->list[i];
        PAT_TRY(list->histogram != NULL ? pat_histogram__resolve(grouping, list) : pat_lists__build(grouping, list));
        pat_explain__step(grouping->run, list->histogram != NULL ? "ranks by histogram" : "lists by group",
                          grouping->of.rows);
    }
    return PAT_OK;
}

enum pat_status pat_answer__group(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof(struct pat_grouping), &memory));
    struct pat_grouping *grouping = memory;
    grouping->run = run;
    grouping->of = (struct pat_selection){.table = request->from, .kind = PAT_SELECT_COUNTING};
    pat_run__days(run, request->between, PAT_DAY_MIN, run->day, &grouping->of.first, &grouping->of.last);
    if (grouping->of.last > run->day) grouping->of.last = run->day;
    PAT_TRY(bind_parts(grouping));
    PAT_TRY(bind_order(grouping));
    PAT_TRY(pat_select__where(run, &grouping->of));
    PAT_TRY(walk(grouping));
    PAT_TRY(compute_outcomes(grouping));
    PAT_TRY(sort_groups(grouping));
    PAT_TRY(count_unpriced(grouping));
    return put_answer(grouping);
}
