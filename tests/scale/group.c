/* Rows cut into groups, metrics over them. */
#include "naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values --------------------------------------------------------------------------------------------------------
 */

void print_value(enum kind kind, int64_t value) {
    if (value == UNSET)
        fputs("null", stdout);
    else if (kind == DAY)
        print_day(value);
    else if (kind == TEXT || kind == ID)
        print_text(text_of(value));
    else if (kind == FLAG)
        fputs(value != 0 ? "true" : "false", stdout);
    else
        print_whole(value);
}

int value_order(enum kind kind, int64_t a, int64_t b) {
    if (a == b) return 0;
    if (a == UNSET || b == UNSET) return a == UNSET ? 1 : -1;
    if (kind == TEXT) return text_order(a, b);
    if (kind == ID) return id_order(a, b);
    return a < b ? -1 : 1;
}

/* By bytes, the lowest first, with the sign turned so that bytes order as numbers do. */
void sort_whole(int64_t *values, size_t count) {
    static int64_t *other;
    static size_t capacity;
    if (count > capacity) other = grown(other, capacity = count, sizeof *other);
    int64_t *from = values, *to = other;
    uint64_t differ = 0;
    for (size_t i = 1; i < count; i++) differ |= (uint64_t)values[i] ^ (uint64_t)values[0];
    for (int shift = 0; shift < 64 && count > 1; shift += 8) {
        if ((differ >> shift & 0xff) == 0) continue;
        size_t place[257] = {0};
        for (size_t i = 0; i < count; i++) place[1 + (((uint64_t)from[i] ^ (uint64_t)1 << 63) >> shift & 0xff)]++;
        for (int byte = 0; byte < 256; byte++) place[byte + 1] += place[byte];
        for (size_t i = 0; i < count; i++) {
            to[place[((uint64_t)from[i] ^ (uint64_t)1 << 63) >> shift & 0xff]++] = from[i];
        }
        int64_t *const swap = from;
        from = to;
        to = swap;
    }
    if (from != values) memcpy(values, from, count * sizeof *values);
}

/* ---- dimensions ----------------------------------------------------------------------------------------------------
 */

#define DIMENSIONS_MAX 4
#define METRICS_MAX    16
#define EDGES_MAX      16

enum cut { AS_IT_IS, BY_DAY, BY_MONTH, BY_YEAR, BY_BIN };

struct dimension {
    enum cut cut;
    struct field field;
    const char *edge_text[EDGES_MAX];
    struct decimal edge[EDGES_MAX];
    int edges;
};

static struct dimension dimension_of(enum table table, const struct node *node) {
    static const char *const cuts[] = {"field", "day", "month", "year", "bin"};
    struct dimension dimension = {0};
    const struct node *at = node->child;
    while (!is_word(at, cuts[dimension.cut])) dimension.cut++;
    at = at->next;
    dimension.field = field_named(table, at->word);
    for (at = at->next; at != NULL; at = at->next) {
        dimension.edge_text[dimension.edges] = at->word;
        dimension.edge[dimension.edges++] = decimal_of(at->word);
    }
    return dimension;
}

/* How many edges are not above the value. */
static int64_t bin_of(const struct dimension *dimension, int64_t value) {
    const int digits = dimension->field.kind == MONEY ? digits_of(shop.base) : 0;
    int64_t bin = 0;
    for (int i = 0; i < dimension->edges; i++) {
        const struct decimal edge = dimension->edge[i];
        if (value * power_of_ten(edge.scale) >= edge.mantissa * power_of_ten(digits)) bin = i + 1;
    }
    return bin;
}

static int64_t cut_value(const struct dimension *dimension, int64_t value) {
    if (value == UNSET) return UNSET;
    switch (dimension->cut) {
    case BY_MONTH: return month_of(value);
    case BY_YEAR: return month_of(value) / 12;
    case BY_BIN: return bin_of(dimension, value);
    default: return value;
    }
}

static void print_bin(const struct dimension *dimension, int64_t bin) {
    const char *const *edge = dimension->edge_text;
    if (bin == 0)
        printf("\"< %s\"", edge[0]);
    else if (bin == dimension->edges)
        printf("\">= %s\"", edge[bin - 1]);
    else
        printf("\"%s to < %s\"", edge[bin - 1], edge[bin]);
}

static void print_cut(const struct dimension *dimension, int64_t value) {
    if (value == UNSET)
        fputs("null", stdout);
    else if (dimension->cut == BY_MONTH)
        printf("\"%04d-%02d\"", (int)(value / 12), (int)(value % 12) + 1);
    else if (dimension->cut == BY_YEAR)
        printf("\"%04d\"", (int)value);
    else if (dimension->cut == BY_BIN)
        print_bin(dimension, value);
    else
        print_value(dimension->field.kind, value);
}

/* ---- groups by key -------------------------------------------------------------------------------------------------
 */

struct groups {
    int64_t (*key)[DIMENSIONS_MAX];
    uint32_t count, capacity;
    uint32_t *slot; /* number + 1; 0 empty */
    uint32_t slots;
};
static struct groups groups;

static uint32_t slot_of(const int64_t key[DIMENSIONS_MAX]) {
    uint64_t hash = 0;
    for (int i = 0; i < DIMENSIONS_MAX; i++) hash = (hash ^ (uint64_t)key[i]) * 0x9e3779b97f4a7c15u + (hash >> 29);
    uint32_t at = (uint32_t)(hash >> 32) & (groups.slots - 1);
    while (groups.slot[at] != 0 && memcmp(groups.key[groups.slot[at] - 1], key, sizeof *groups.key) != 0) {
        at = (at + 1) & (groups.slots - 1);
    }
    return at;
}

static void make_room(void) {
    groups.capacity = groups.capacity == 0 ? 1024 : groups.capacity * 2;
    groups.slots = groups.capacity * 2;
    groups.key = grown(groups.key, groups.capacity, sizeof *groups.key);
    groups.slot = grown(groups.slot, groups.slots, sizeof *groups.slot);
    memset(groups.slot, 0, groups.slots * sizeof *groups.slot);
    for (uint32_t group = 0; group < groups.count; group++) groups.slot[slot_of(groups.key[group])] = group + 1;
}

static uint32_t group_with(const int64_t key[DIMENSIONS_MAX]) {
    if (groups.count == groups.capacity) make_room();
    const uint32_t at = slot_of(key);
    if (groups.slot[at] != 0) return groups.slot[at] - 1;
    memcpy(groups.key[groups.count], key, sizeof *groups.key);
    groups.slot[at] = ++groups.count;
    return groups.count - 1;
}

/* ---- metrics -------------------------------------------------------------------------------------------------------
 */

enum measure { COUNT, PEOPLE, SUM, AVG, MIN, MAX, PERCENTILE };

struct metric {
    enum measure measure;
    struct decimal percent;
    struct field field;
};

struct outcome {
    bool null;
    int128 whole;
    uint64_t share; /* above 0: whole / share */
};

static struct metric metric_of(enum table table, const struct node *node) {
    static const char *const measures[] = {"count", "customers", "sum", "avg", "min", "max", "p"};
    struct metric metric = {0};
    const struct node *at = node->child;
    while (!is_word(at, measures[metric.measure])) metric.measure++;
    at = at->next;
    if (metric.measure == PERCENTILE) {
        metric.percent = decimal_of(at->word);
        at = at->next;
    }
    if (metric.measure > PEOPLE) metric.field = field_named(table, at->word);
    return metric;
}

/* Rows whose group is NO_GROUP are left out. */
#define NO_GROUP UINT32_MAX

static void gather(enum table table, const struct metric *metric, const struct rows *rows, const uint32_t *group_of,
                   uint32_t count, struct outcome *outcome) {
    uint64_t *values = grown(NULL, count, sizeof *values);
    int32_t *latest = grown(NULL, count, sizeof *latest);
    for (uint32_t group = 0; group < count; group++) {
        outcome[group] = (struct outcome){0};
        values[group] = 0;
        latest[group] = -1;
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (group_of[i] == NO_GROUP) continue;
        struct outcome *to = &outcome[group_of[i]];
        if (metric->measure == COUNT) to->whole++;
        if (metric->measure == PEOPLE && latest[group_of[i]] != rows->row[i].customer) to->whole++;
        latest[group_of[i]] = rows->row[i].customer;
        if (metric->measure <= PEOPLE) continue;
        const int64_t value = value_of(table, &metric->field, rows->row[i]);
        if (value == UNSET) continue;
        const bool first = values[group_of[i]]++ == 0;
        if (metric->measure == MIN && (first || value < to->whole)) to->whole = value;
        if (metric->measure == MAX && (first || value > to->whole)) to->whole = value;
        if (metric->measure == SUM || metric->measure == AVG) to->whole += value;
    }
    for (uint32_t group = 0; group < count && metric->measure > SUM; group++) {
        outcome[group].null = values[group] == 0;
        if (metric->measure != AVG || outcome[group].null) continue;
        if (metric->field.kind == MONEY)
            outcome[group].whole = divided(outcome[group].whole, values[group]);
        else
            outcome[group].share = values[group];
    }
    free(values);
    free(latest);
}

/* The smallest value with at least so many hundredths of the values at or below it. */
static struct outcome percentile(const struct metric *metric, int64_t *values, size_t count) {
    if (count == 0) return (struct outcome){.null = true};
    sort_whole(values, count);
    const int128 hundred = 100 * power_of_ten(metric->percent.scale);
    const int128 place = (metric->percent.mantissa * (int128)count + hundred - 1) / hundred;
    return (struct outcome){.whole = values[place < 1 ? 0 : place - 1]};
}

static void gather_percentile(enum table table, const struct metric *metric, const struct rows *rows,
                              const uint32_t *group_of, uint32_t count, struct outcome *outcome) {
    size_t *start = grown(NULL, (size_t)count + 2, sizeof *start);
    int64_t *value = grown(NULL, rows->count + 1, sizeof *value),
            *placed = grown(NULL, rows->count + 1, sizeof *placed);
    memset(start, 0, ((size_t)count + 2) * sizeof *start);
    size_t *next = start + 1;
    for (size_t i = 0; i < rows->count; i++) {
        value[i] = group_of[i] == NO_GROUP ? UNSET : value_of(table, &metric->field, rows->row[i]);
        if (value[i] != UNSET) next[group_of[i] + 1]++;
    }
    for (uint32_t group = 0; group < count; group++) next[group + 1] += next[group];
    for (size_t i = 0; i < rows->count; i++) {
        if (value[i] != UNSET) placed[next[group_of[i]]++] = value[i];
    }
    for (uint32_t group = 0; group < count; group++) {
        outcome[group] = percentile(metric, placed + start[group], start[group + 1] - start[group]);
    }
    free(start);
    free(value);
    free(placed);
}

/* ---- the answer ----------------------------------------------------------------------------------------------------
 */

struct grouping {
    enum table table;
    const struct rows *rows;
    struct dimension dimension[DIMENSIONS_MAX];
    int dimensions;
    struct metric metric[METRICS_MAX];
    int metrics;
    const struct node *order_by;          /* (asc|desc d|m number) ... */
    uint32_t *group_of;                   /* by row */
    struct outcome *outcome[METRICS_MAX]; /* by group */
};
static struct grouping grouping;

static void measure_all(const uint32_t *group_of, uint32_t count, struct outcome *outcome[METRICS_MAX]) {
    for (int m = 0; m < grouping.metrics; m++) {
        const struct metric *metric = &grouping.metric[m];
        outcome[m] = grown(NULL, (size_t)count + 1, sizeof **outcome);
        (metric->measure == PERCENTILE ? gather_percentile : gather)(grouping.table, metric, grouping.rows, group_of,
                                                                     count, outcome[m]);
    }
}

static int outcome_order(const struct outcome *a, const struct outcome *b) {
    const int128 left = b->share > 0 ? a->whole * (int128)b->share : a->whole;
    const int128 right = a->share > 0 ? b->whole * (int128)a->share : b->whole;
    return (left > right) - (left < right);
}

static int by_metric(uint32_t a, uint32_t b, int m, bool descending) {
    const struct outcome *left = &grouping.outcome[m][a], *right = &grouping.outcome[m][b];
    if (left->null || right->null) return (int)left->null - (int)right->null;
    const int order = outcome_order(left, right);
    return descending ? -order : order;
}

static int by_dimension(uint32_t a, uint32_t b, int d, bool descending) {
    const int64_t left = groups.key[a][d], right = groups.key[b][d];
    const enum kind kind = grouping.dimension[d].cut == AS_IT_IS ? grouping.dimension[d].field.kind : WHOLE;
    const int order = value_order(kind, left, right);
    return descending && left != UNSET && right != UNSET ? -order : order;
}

/* As asked, by default the first metric from the greatest; groups that are equal in that by their dimensions. */
static int group_order(const void *left, const void *right) {
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = 0;
    if (grouping.order_by == NULL) order = by_metric(a, b, 0, true);
    for (const struct node *at = grouping.order_by; at != NULL && order == 0; at = at->next) {
        const bool descending = is_word(at->child, "desc");
        const int number = atoi(at->child->next->next->word);
        order = (is_word(at->child->next, "m") ? by_metric : by_dimension)(a, b, number, descending);
    }
    for (int d = 0; d < grouping.dimensions && order == 0; d++) order = by_dimension(a, b, d, false);
    return order;
}

static void print_outcomes(uint32_t group, struct outcome *const outcome[METRICS_MAX], const char *before) {
    for (int m = 0; m < grouping.metrics; m++) {
        const struct outcome *of = &outcome[m][group];
        fputs(m == 0 ? before : ",", stdout);
        if (of->null) {
            fputs("null", stdout);
        } else if (of->share > 0) {
            fputs("{\"sum\":", stdout);
            print_whole(of->whole);
            printf(",\"n\":%llu}", (unsigned long long)of->share);
        } else if (grouping.metric[m].measure >= MIN && grouping.metric[m].field.kind == DAY) {
            print_day((int64_t)of->whole);
        } else {
            print_whole(of->whole);
        }
    }
}

static void find_groups(void) {
    if (grouping.dimensions == 0) (void)group_with((const int64_t[DIMENSIONS_MAX]){0});
    for (size_t i = 0; i < grouping.rows->count; i++) {
        int64_t key[DIMENSIONS_MAX] = {0};
        for (int d = 0; d < grouping.dimensions; d++) {
            const struct dimension *dimension = &grouping.dimension[d];
            key[d] = cut_value(dimension, value_of(grouping.table, &dimension->field, grouping.rows->row[i]));
        }
        grouping.group_of[i] = group_with(key);
    }
}

/* Metrics of all rows whose groups stand from `from` on in the order, taken together. */
static void print_together(const char *name, const uint32_t *order, uint32_t from) {
    bool *with = grown(NULL, (size_t)groups.count + 1, sizeof *with);
    uint32_t *group_of = grown(NULL, grouping.rows->count + 1, sizeof *group_of);
    struct outcome *outcome[METRICS_MAX];
    for (uint32_t i = 0; i < groups.count; i++) with[order[i]] = i >= from;
    for (size_t i = 0; i < grouping.rows->count; i++) group_of[i] = with[grouping.group_of[i]] ? 0 : NO_GROUP;
    measure_all(group_of, 1, outcome);
    printf(",\"%s\":[", name);
    print_outcomes(0, outcome, "");
    putchar(']');
    for (int m = 0; m < grouping.metrics; m++) free(outcome[m]);
    free(with);
    free(group_of);
}

static void print_rows(const uint32_t *order, uint32_t count) {
    printf("{\"groups\":%u,\"rows\":[", groups.count);
    for (uint32_t i = 0; i < count; i++) {
        fputs(i == 0 ? "[" : ",[", stdout);
        for (int d = 0; d < grouping.dimensions; d++) {
            if (d > 0) putchar(',');
            print_cut(&grouping.dimension[d], groups.key[order[i]][d]);
        }
        print_outcomes(order[i], grouping.outcome, grouping.dimensions > 0 ? "," : "");
        putchar(']');
    }
    putchar(']');
}

void print_groups(enum table table, const struct rows *rows, const struct node *question) {
    grouping = (struct grouping){.table = table, .rows = rows, .order_by = part(question, "order_by")};
    groups.count = 0;
    if (groups.slots > 0) memset(groups.slot, 0, groups.slots * sizeof *groups.slot);
    for (const struct node *at = part(question, "by"); at != NULL; at = at->next) {
        grouping.dimension[grouping.dimensions++] = dimension_of(table, at);
    }
    for (const struct node *at = part(question, "metrics"); at != NULL; at = at->next) {
        grouping.metric[grouping.metrics++] = metric_of(table, at);
    }
    grouping.group_of = grown(NULL, rows->count + 1, sizeof *grouping.group_of);
    find_groups();
    measure_all(grouping.group_of, groups.count, grouping.outcome);
    uint32_t *order = grown(NULL, (size_t)groups.count + 1, sizeof *order);
    for (uint32_t group = 0; group < groups.count; group++) order[group] = group;
    qsort(order, groups.count, sizeof *order, group_order);
    const uint32_t limit = (uint32_t)atol(part(question, "limit")->word);
    print_rows(order, groups.count < limit ? groups.count : limit);
    print_together("total", order, 0);
    if (groups.count > limit) print_together("rest", order, limit);
    puts("}");
    for (int m = 0; m < grouping.metrics; m++) free(grouping.outcome[m]);
    free(grouping.group_of);
    free(order);
}
