/* group: customers cut by up to four dimensions, metrics over each part, over everything, and over what `limit` cut
 * off. */
#include "analytics/group_private.h"

#include "analytics/scores_private.h"

#include <stdlib.h>
#include <string.h>

#define SLOT_EMPTY   UINT32_MAX
#define GROUPS_FIRST 64u

/* Values of one field, those of a group next to each other and sorted. */
struct lists {
    struct pat_source source;
    struct pat_text field;
    int64_t *value;
    int64_t *scratch; /* as long */
    uint64_t *start;  /* [groups + 1] */
};

struct grouping {
    struct pat_run *run;
    struct pat_dimension dimension[PAT_GROUP_DIMENSIONS_MAX];
    uint32_t dimensions;
    struct pat_measure measure[PAT_GROUP_METRICS_MAX];
    uint32_t measures;
    struct lists list[PAT_GROUP_METRICS_MAX];
    uint32_t lists;

    uint32_t groups, capacity;
    int64_t *key;              /* [groups * dimensions] */
    struct pat_gather *gather; /* [groups * measures] */
    uint32_t *slot;            /* [slots] group numbers by hash of the key */
    uint32_t slots;            /* a power of two, at least twice the capacity */
    uint32_t *group_of;        /* of the shown rows in their order; only for lists */
    uint64_t shown;
    struct pat_outcome *outcome; /* [groups * measures] */
    uint32_t *order;             /* group numbers as the answer has them */

    /* order_by: >= 0 a measure, else ~dimension. */
    int by[PAT_FIELDS_MAX];
    bool descending[PAT_FIELDS_MAX];
    uint32_t bys;
};

/* ---- binding ----------------------------------------------------------------------------------------------------- */

static void bind_list(struct grouping *grouping, struct pat_measure *measure) {
    for (uint32_t i = 0; i < grouping->lists; i++) {
        if (!pat_text_equal(grouping->list[i].field, measure->metric->field)) continue;
        measure->values = i;
        return;
    }
    measure->values = grouping->lists;
    grouping->list[grouping->lists++] = (struct lists){.source = measure->source, .field = measure->metric->field};
}

static enum pat_status bind_parts(struct grouping *grouping) {
    const struct pat_request *request = grouping->run->job->request;
    PAT_ASSERT(request->names_count <= PAT_GROUP_DIMENSIONS_MAX);
    PAT_ASSERT(request->metrics <= PAT_GROUP_METRICS_MAX);
    grouping->dimensions = request->names_count;
    grouping->measures = request->metrics;
    for (uint32_t i = 0; i < request->names_count; i++) {
        PAT_TRY(pat_dimension__parse(grouping->run, request->names[i], &grouping->dimension[i]));
    }
    for (uint32_t i = 0; i < request->metrics; i++) {
        struct pat_measure *measure = &grouping->measure[i];
        PAT_TRY(pat_measure__bind(grouping->run, &request->metric[i], measure));
        if (measure->metric->kind == PAT_METRIC_PERCENTILE) bind_list(grouping, measure);
    }
    return PAT_OK;
}

static enum pat_status fail_order(const struct grouping *grouping, struct pat_text text) {
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

static enum pat_status bind_order(struct grouping *grouping) {
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

static uint64_t hash_key(const struct grouping *grouping, const int64_t *key) {
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        hash = (hash ^ (uint64_t)key[d]) * UINT64_C(0xbf58476d1ce4e5b9);
        hash ^= hash >> 29;
    }
    return hash;
}

static void place_group(struct grouping *grouping, uint32_t group) {
    const uint32_t mask = grouping->slots - 1;
    uint32_t at = (uint32_t)hash_key(grouping, grouping->key + (size_t)group * grouping->dimensions) & mask;
    while (grouping->slot[at] != SLOT_EMPTY) at = (at + 1) & mask;
    grouping->slot[at] = group;
}

/* Copies the old content of an array into one for `capacity` groups of `width` items. */
static enum pat_status grow_array(struct grouping *grouping, uint32_t capacity, uint32_t width, size_t size,
                                  void **array) {
    void *grown;
    PAT_TRY(pat_run__array(grouping->run, (uint64_t)capacity * width, size, &grown));
    if (grouping->groups > 0) memcpy(grown, *array, (size_t)grouping->groups * width * size);
    *array = grown;
    return PAT_OK;
}

static enum pat_status grow_groups(struct grouping *grouping) {
    if (grouping->groups >= PAT_GROUPS_MAX) {
        return pat_error_set(grouping->run->error, PAT_ERR_TOO_LARGE,
                             "more than %u groups: use fewer or coarser dimensions", PAT_GROUPS_MAX);
    }
    const uint32_t capacity = grouping->capacity == 0 ? GROUPS_FIRST : grouping->capacity * 2;
    void *key = grouping->key, *gather = grouping->gather, *slot;
    PAT_TRY(grow_array(grouping, capacity, grouping->dimensions, sizeof *grouping->key, &key));
    PAT_TRY(grow_array(grouping, capacity, grouping->measures, sizeof *grouping->gather, &gather));
    PAT_TRY(pat_run__array(grouping->run, (uint64_t)capacity * 2, sizeof *grouping->slot, &slot));
    grouping->key = key;
    grouping->gather = gather;
    grouping->slot = slot;
    grouping->slots = capacity * 2;
    grouping->capacity = capacity;
    memset(slot, 0xff, (size_t)grouping->slots * sizeof *grouping->slot);
    for (uint32_t group = 0; group < grouping->groups; group++) place_group(grouping, group);
    return PAT_OK;
}

static enum pat_status find_group(struct grouping *grouping, const int64_t *key, uint32_t *out) {
    if (grouping->groups == grouping->capacity) PAT_TRY(grow_groups(grouping));
    const size_t bytes = grouping->dimensions * sizeof *key;
    const uint32_t mask = grouping->slots - 1;
    uint32_t at = (uint32_t)hash_key(grouping, key) & mask;
    for (; grouping->slot[at] != SLOT_EMPTY; at = (at + 1) & mask) {
        *out = grouping->slot[at];
        if (memcmp(grouping->key + (size_t)*out * grouping->dimensions, key, bytes) == 0) return PAT_OK;
    }
    *out = grouping->groups++;
    memcpy(grouping->key + (size_t)*out * grouping->dimensions, key, bytes);
    grouping->slot[at] = *out;
    return PAT_OK;
}

/* ---- the pass over customers ------------------------------------------------------------------------------------- */

/* One block's scratch. */
struct block {
    pat_row first;
    uint32_t count;
    uint32_t rows;                  /* shown ones */
    uint16_t row[PAT_BLOCK_ROWS];   /* their places in the block */
    uint32_t group[PAT_BLOCK_ROWS]; /* [rows] */
    int64_t value[PAT_BLOCK_ROWS];
    int64_t key[PAT_GROUP_DIMENSIONS_MAX][PAT_BLOCK_ROWS];
};

static enum pat_status group_block(struct grouping *grouping, struct block *block) {
    struct pat_run *run = grouping->run;
    block->rows = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        if (pat_bits__get(run->shown, block->first + i)) block->row[block->rows++] = (uint16_t)i;
    }
    if (block->rows == 0) return PAT_OK;
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        pat_source__read(run, &grouping->dimension[d].source, block->first, block->count, block->key[d]);
        pat_dimension__map(&grouping->dimension[d], block->count, block->key[d]);
    }
    for (uint32_t i = 0; i < block->rows; i++) {
        int64_t key[PAT_GROUP_DIMENSIONS_MAX] = {0};
        for (uint32_t d = 0; d < grouping->dimensions; d++) key[d] = block->key[d][block->row[i]];
        PAT_TRY(find_group(grouping, key, &block->group[i]));
    }
    return PAT_OK;
}

static void gather_block(struct grouping *grouping, struct block *block) {
    for (uint32_t m = 0; m < grouping->measures && block->rows > 0; m++) {
        const enum pat_metric_kind kind = grouping->measure[m].metric->kind;
        if (kind == PAT_METRIC_PERCENTILE) continue;
        struct pat_gather *const gather = grouping->gather + m;
        if (kind == PAT_METRIC_COUNT) {
            for (uint32_t i = 0; i < block->rows; i++) gather[(size_t)block->group[i] * grouping->measures].count++;
            continue;
        }
        pat_source__read(grouping->run, &grouping->measure[m].source, block->first, block->count, block->value);
        for (uint32_t i = 0; i < block->rows; i++) {
            const int64_t value = block->value[block->row[i]];
            if (value != PAT_NULL) pat_gather__add(&gather[(size_t)block->group[i] * grouping->measures], value);
        }
    }
}

static enum pat_status walk_customers(struct grouping *grouping) {
    struct pat_run *run = grouping->run;
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof(struct block), &memory));
    struct block *block = memory;
    if (grouping->lists > 0) {
        const uint64_t shown = run->kernels->bits_count(run->shown, pat_bits__words(run->customers));
        PAT_TRY(pat_run__array(run, shown, sizeof *grouping->group_of, &memory));
        grouping->group_of = memory;
    }
    for (uint64_t first = 0; first < run->customers; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        const uint64_t left = run->customers - first;
        block->first = (pat_row)first;
        block->count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        PAT_TRY(group_block(grouping, block));
        gather_block(grouping, block);
        if (grouping->lists > 0) {
            memcpy(grouping->group_of + grouping->shown, block->group, block->rows * sizeof *block->group);
        }
        grouping->shown += block->rows;
    }
    return PAT_OK;
}

/* ---- values for percentiles -------------------------------------------------------------------------------------- */

/* Calls for every shown, set value of the list with its group; counts into start (pass 0) or places into value (pass
 * 1). */
static enum pat_status walk_list(struct grouping *grouping, struct lists *list, bool place, uint64_t *next) {
    struct pat_run *run = grouping->run;
    int64_t value[PAT_BLOCK_ROWS];
    uint64_t at = 0;
    for (uint64_t first = 0; first < run->customers; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(run));
        const uint64_t left = run->customers - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        pat_source__read(run, &list->source, (pat_row)first, count, value);
        for (uint32_t i = 0; i < count; i++) {
            if (!pat_bits__get(run->shown, first + i)) continue;
            const uint32_t group = grouping->group_of[at++];
            if (value[i] == PAT_NULL) continue;
            if (place) list->value[next[group]] = value[i];
            next[group]++;
        }
    }
    return PAT_OK;
}

static enum pat_status build_list(struct grouping *grouping, struct lists *list) {
    struct pat_run *run = grouping->run;
    void *start, *next, *value, *scratch;
    PAT_TRY(pat_run__array(run, (uint64_t)grouping->groups + 1, sizeof(uint64_t), &start));
    PAT_TRY(pat_run__array(run, grouping->groups, sizeof(uint64_t), &next));
    PAT_TRY(walk_list(grouping, list, false, next));
    list->start = start;
    for (uint32_t group = 0; group < grouping->groups; group++) {
        list->start[group + 1] = list->start[group] + ((uint64_t *)next)[group];
        ((uint64_t *)next)[group] = list->start[group];
    }
    const uint64_t total = list->start[grouping->groups];
    PAT_TRY(pat_run__array(run, total, sizeof(int64_t), &value));
    PAT_TRY(pat_run__array(run, total, sizeof(int64_t), &scratch));
    list->value = value;
    list->scratch = scratch;
    PAT_TRY(walk_list(grouping, list, true, next));
    for (uint32_t group = 0; group < grouping->groups; group++) {
        pat_sort_int64(list->value + list->start[group], list->scratch, list->start[group + 1] - list->start[group]);
    }
    return PAT_OK;
}

/* ---- outcomes and their order ------------------------------------------------------------------------------------ */

static enum pat_status compute_outcomes(struct grouping *grouping) {
    void *memory;
    const uint64_t count = (uint64_t)grouping->groups * grouping->measures;
    PAT_TRY(pat_run__array(grouping->run, count, sizeof *grouping->outcome, &memory));
    grouping->outcome = memory;
    for (uint32_t group = 0; group < grouping->groups; group++) {
        for (uint32_t m = 0; m < grouping->measures; m++) {
            const struct pat_measure *measure = &grouping->measure[m];
            const size_t at = (size_t)group * grouping->measures + m;
            if (measure->metric->kind != PAT_METRIC_PERCENTILE) {
                grouping->outcome[at] = pat_measure__outcome(measure, &grouping->gather[at]);
                continue;
            }
            const struct lists *list = &grouping->list[measure->values];
            grouping->outcome[at] = pat_measure__percentile(measure, list->value + list->start[group],
                                                            list->start[group + 1] - list->start[group]);
        }
    }
    return PAT_OK;
}

static int compare_by(const struct grouping *grouping, uint32_t i, uint32_t a, uint32_t b) {
    const bool descending = grouping->descending[i];
    if (grouping->by[i] < 0) {
        const uint32_t d = (uint32_t)~grouping->by[i];
        const int64_t left = grouping->key[(size_t)a * grouping->dimensions + d];
        const int64_t right = grouping->key[(size_t)b * grouping->dimensions + d];
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
    const struct grouping *grouping = context;
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    for (uint32_t i = 0; i < grouping->bys; i++) {
        const int order = compare_by(grouping, i, left, right);
        if (order != 0) return order;
    }
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const int order = pat_dimension__compare(grouping->run, &grouping->dimension[d],
                                                 grouping->key[(size_t)left * grouping->dimensions + d],
                                                 grouping->key[(size_t)right * grouping->dimensions + d]);
        if (order != 0) return order;
    }
    return 0;
}

static enum pat_status sort_groups(struct grouping *grouping) {
    void *memory;
    PAT_TRY(pat_run__array(grouping->run, grouping->groups, sizeof *grouping->order, &memory));
    grouping->order = memory;
    for (uint32_t i = 0; i < grouping->groups; i++) grouping->order[i] = i;
    if (grouping->groups > 1)
        qsort_r(grouping->order, grouping->groups, sizeof *grouping->order, compare_groups, grouping);
    return PAT_OK;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static enum pat_status push_outcome(struct grouping *grouping, uint32_t m, const struct pat_outcome *outcome,
                                    struct pat_value *row) {
    struct pat_value value;
    PAT_TRY(pat_outcome__value(grouping->run, &grouping->measure[m], outcome, &value));
    pat_build_push(&grouping->run->builder, row, value);
    return PAT_OK;
}

static enum pat_status build_row(struct grouping *grouping, uint32_t group, struct pat_value *rows) {
    struct pat_run *run = grouping->run;
    struct pat_value row = pat_build_array(&run->builder, grouping->dimensions + grouping->measures);
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        const int64_t key = grouping->key[(size_t)group * grouping->dimensions + d];
        pat_build_push(&run->builder, &row, pat_dimension__value(run, &grouping->dimension[d], key));
    }
    for (uint32_t m = 0; m < grouping->measures; m++) {
        PAT_TRY(push_outcome(grouping, m, &grouping->outcome[(size_t)group * grouping->measures + m], &row));
    }
    pat_build_push(&run->builder, rows, row);
    return PAT_OK;
}

/* The metric over the groups order[first..], as if they were one. */
static struct pat_outcome outcome_from(struct grouping *grouping, uint32_t m, uint32_t first) {
    const struct pat_measure *measure = &grouping->measure[m];
    if (measure->metric->kind != PAT_METRIC_PERCENTILE) {
        struct pat_gather all = {0};
        for (uint32_t i = first; i < grouping->groups; i++) {
            pat_gather__merge(&all, &grouping->gather[(size_t)grouping->order[i] * grouping->measures + m]);
        }
        return pat_measure__outcome(measure, &all);
    }
    /* The lists are done with by now but for this: gathering and sorting may destroy the scratch, not the values. */
    const struct lists *list = &grouping->list[measure->values];
    int64_t *const half = list->scratch;
    uint64_t n = 0;
    for (uint32_t i = first; i < grouping->groups; i++) {
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
    pat_sort_int64(half, memory, n);
    return pat_measure__percentile(measure, half, n);
}

static enum pat_status put_whole(struct grouping *grouping, const char *key, uint32_t first) {
    struct pat_run *run = grouping->run;
    struct pat_value row = pat_build_array(&run->builder, grouping->dimensions + grouping->measures);
    for (uint32_t d = 0; d < grouping->dimensions; d++) pat_build_push(&run->builder, &row, pat_value_nil());
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_outcome outcome = outcome_from(grouping, m, first);
        PAT_TRY(push_outcome(grouping, m, &outcome, &row));
    }
    pat_run__put(run, key, row);
    return PAT_OK;
}

static void put_columns(struct grouping *grouping) {
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
        if (measure->source.base) pat_build_push(builder, &money, name);
    }
    pat_run__put(grouping->run, "columns", columns);
    if (money.count > 0) pat_run__put(grouping->run, "money", pat_run__money(grouping->run, money));
}

enum pat_status pat_answer__group(struct pat_run *run) {
    const struct pat_request *request = run->job->request;
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof(struct grouping), &memory));
    struct grouping *grouping = memory;
    grouping->run = run;
    PAT_TRY(bind_parts(grouping));
    PAT_TRY(bind_order(grouping));
    PAT_TRY(pat_run__where(run));
    PAT_TRY(walk_customers(grouping));
    uint32_t only;
    if (grouping->dimensions == 0) PAT_TRY(find_group(grouping, (const int64_t[]){0}, &only)); /* one row of nobody */
    for (uint32_t i = 0; i < grouping->lists; i++) PAT_TRY(build_list(grouping, &grouping->list[i]));
    PAT_TRY(compute_outcomes(grouping));
    PAT_TRY(sort_groups(grouping));
    const bool cut = request->limit > 0 && request->limit < grouping->groups;
    const uint32_t count = cut ? request->limit : grouping->groups;
    struct pat_value rows = pat_build_array(&run->builder, count);
    for (uint32_t i = 0; i < count; i++) PAT_TRY(build_row(grouping, grouping->order[i], &rows));
    put_columns(grouping);
    pat_run__put(run, "rows", rows);
    pat_run__put(run, "groups", pat_value_uint(grouping->groups));
    if (cut) PAT_TRY(put_whole(grouping, "rest", count));
    return put_whole(grouping, "total", 0);
}
