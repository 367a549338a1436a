/* The questions and their answers. */
#include "naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which rows a question is about --------------------------------------------------------------------------------
 */

void rows_add(struct rows *rows, struct row row) {
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity * 2 + 1024;
        rows->row = grown(rows->row, rows->capacity, sizeof *rows->row);
    }
    rows->row[rows->count++] = row;
}

static void pick_customers(struct rows *rows, const struct filter *where) {
    for (int32_t c = 0; c < shop.customers; c++) {
        const struct row row = {.customer = c};
        if (now.live[c] && lets_through(where, row)) rows_add(rows, row);
    }
}

/* Facts dated within the days that are there; with `counting` only those that count on the day of the question. */
static void pick_facts(struct rows *rows, const struct facts *facts, const struct filter *where, bool counting,
                       const int32_t between[2]) {
    for (int32_t c = 0; c < shop.customers; c++) {
        for (uint32_t at = facts->first[c]; at < facts->first[c + 1]; at++) {
            const struct fact *fact = &facts->fact[at];
            const struct row row = {.customer = c, .fact = at};
            if (fact->day > now.day || fact->day < between[0] || fact->day > between[1]) continue;
            if (counting && !fact_counts(fact, now.day)) continue;
            if (lets_through(where, row)) rows_add(rows, row);
        }
    }
}

static enum table table_asked(const struct node *question) {
    const struct node *from = part(question, "from");
    if (is_word(from, "orders")) return ORDERS;
    return is_word(from, "refunds") ? REFUNDS : CUSTOMERS;
}

static const struct rows *pick(enum table table, const struct node *question, bool counting) {
    static struct rows rows;
    const struct filter *where = filter_of(table, part(question, "where"));
    const struct node *ends = part(question, "between");
    int32_t between[2] = {NO_DAY, NEVER};
    for (int i = 0; i < 2 && ends != NULL; i++, ends = ends->next) {
        if (!is_word(ends, "open")) between[i] = day_of(ends->word);
    }
    rows.count = 0;
    if (table == CUSTOMERS)
        pick_customers(&rows, where);
    else
        pick_facts(&rows, table == ORDERS ? &shop.of_orders : &shop.of_refunds, where, counting, between);
    return &rows;
}

/* ---- count, group, rows --------------------------------------------------------------------------------------------
 */

static void answer_count(const struct node *question) {
    size_t live = 0;
    for (int32_t c = 0; c < shop.customers; c++) live += now.live[c];
    printf("{\"count\":%zu,\"of\":%zu}\n", pick(CUSTOMERS, question, false)->count, live);
}

static void answer_group(const struct node *question) {
    const enum table table = table_asked(question);
    print_groups(table, pick(table, question, true), question);
}

#define FIELDS_MAX 32

struct listing {
    enum table table;
    struct field field[FIELDS_MAX], by[FIELDS_MAX], id;
    bool descending[FIELDS_MAX];
    int fields, bys;
};

static int listing_order(const struct listing *listing, struct row a, struct row b) {
    for (int i = 0; i < listing->bys; i++) {
        const struct field *field = &listing->by[i];
        const int64_t left = value_of(listing->table, field, a), right = value_of(listing->table, field, b);
        const int order = value_order(field->kind, left, right);
        if (order != 0) return listing->descending[i] && left != UNSET && right != UNSET ? -order : order;
    }
    return id_order(value_of(listing->table, &listing->id, a), value_of(listing->table, &listing->id, b));
}

/* The first `limit` rows in order; the last place of `best` is for the row that falls out. */
static size_t best_rows(const struct listing *listing, const struct rows *rows, size_t limit, struct row *best) {
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        if (count == limit && listing_order(listing, rows->row[i], best[count - 1]) > 0) continue;
        size_t at = count < limit ? count++ : count - 1;
        for (; at > 0 && listing_order(listing, rows->row[i], best[at - 1]) < 0; at--) best[at] = best[at - 1];
        best[at] = rows->row[i];
    }
    return count;
}

static void answer_rows(const struct node *question) {
    struct listing listing = {.table = table_asked(question)};
    const struct rows *rows = pick(listing.table, question, false);
    static const char *const ids[] = {[CUSTOMERS] = "customer", [ORDERS] = "order", [REFUNDS] = "refund"};
    listing.id = field_named(listing.table, ids[listing.table]);
    for (const struct node *at = part(question, "fields"); at != NULL; at = at->next) {
        listing.field[listing.fields++] = field_named(listing.table, at->word);
    }
    for (const struct node *at = part(question, "order_by"); at != NULL; at = at->next) {
        listing.descending[listing.bys] = *at->word == '-';
        listing.by[listing.bys++] = field_named(listing.table, at->word + (*at->word == '-' ? 1 : 0));
    }
    const size_t limit = (size_t)atol(part(question, "limit")->word);
    struct row *best = grown(NULL, limit + 1, sizeof *best);
    const size_t count = best_rows(&listing, rows, limit, best);
    printf("{\"count\":%zu,\"rows\":[", rows->count);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "[" : ",[", stdout);
        for (int f = 0; f < listing.fields; f++) {
            if (f > 0) putchar(',');
            print_value(listing.field[f].kind, value_of(listing.table, &listing.field[f], best[i]));
        }
        putchar(']');
    }
    puts("]}");
    free(best);
}

/* ---- rfm -----------------------------------------------------------------------------------------------------------
 */

static void print_thresholds(void) {
    static const char *const names[] = {"r", "f", "m_minor"};
    fputs("\"thresholds\":{", stdout);
    for (int which = 0; which < 3; which++) {
        printf("%s\"%s\":[", which == 0 ? "" : ",", names[which]);
        for (int i = 0; i < now.thresholds; i++) {
            if (i > 0) putchar(',');
            print_value(WHOLE, now.threshold[which][i]);
        }
        putchar(']');
    }
    putchar('}');
}

struct sums {
    int64_t count, money, one_time, orders;
};

static void add(struct sums *sums, int32_t c) {
    sums->count++;
    sums->money += now.m[c];
    sums->one_time += now.orders[c] == 1;
    sums->orders += now.f[c];
}

static void print_scored(int64_t scored, const struct sums *unscored) {
    printf("\"scored\":%lld,\"unscored\":[%lld,%lld],", (long long)scored, (long long)unscored->count,
           (long long)unscored->money);
    print_thresholds();
}

static void answer_grid(const struct node *question) {
    struct sums cell[6][6][6] = {0}, unscored = {0};
    const struct rows *rows = pick(CUSTOMERS, question, false);
    for (size_t i = 0; i < rows->count; i++) {
        const int32_t c = rows->row[i].customer;
        add(now.group[c] == 0 ? &unscored : &cell[now.score[0][c]][now.score[1][c]][now.score[2][c]], c);
    }
    fputs("{\"cells\":[", stdout);
    int64_t scored = 0;
    for (int at = 0; at < 216; at++) {
        const struct sums *sums = &cell[at / 36][at / 6 % 6][at % 6];
        if (sums->count == 0) continue;
        printf("%s[%d,%d,%d,%lld,%lld]", scored == 0 ? "" : ",", at / 36, at / 6 % 6, at % 6, (long long)sums->count,
               (long long)sums->money);
        scored += sums->count;
    }
    fputs("],", stdout);
    print_scored(scored, &unscored);
    puts("}");
}

static void answer_groups(const struct node *question) {
    struct sums group[256] = {0};
    const struct rows *rows = pick(CUSTOMERS, question, false);
    for (size_t i = 0; i < rows->count; i++) add(&group[now.group[rows->row[i].customer]], rows->row[i].customer);
    fputs("{\"groups\":{", stdout);
    int64_t scored = 0;
    for (int at = 1; at < 256; at++) {
        if (group[at].count == 0) continue;
        printf("%s\"%s\":[%lld,%lld,%lld,%lld]", scored == 0 ? "" : ",", group_name((uint8_t)at),
               (long long)group[at].count, (long long)group[at].money, (long long)group[at].one_time,
               (long long)group[at].orders);
        scored += group[at].count;
    }
    fputs("},", stdout);
    print_scored(scored, &group[0]);
    puts("}");
}

/* ---- cohort --------------------------------------------------------------------------------------------------------
 */

#define MONTHS_MAX 1300

struct triangle {
    enum { PEOPLE_OF, ORDERS_OF, NET_OF } metric;
    int first, months, periods;
    int64_t size[MONTHS_MAX], outside;
    int64_t *value; /* [months * periods] */
};

static void count_cohort(struct triangle *triangle, int cohort, const struct facts *facts, int32_t c) {
    int latest = -1;
    for (uint32_t at = facts->first[c]; at < facts->first[c + 1]; at++) {
        const struct fact *fact = &facts->fact[at];
        const int month = month_of(fact->day) - triangle->first;
        if (!fact_counts(fact, now.day) || month < cohort || month - cohort >= triangle->periods) continue;
        int64_t *to = &triangle->value[(long)cohort * triangle->periods + month - cohort];
        if (triangle->metric == NET_OF)
            *to += facts == &shop.of_orders ? money_of_fact(fact) : -money_of_fact(fact);
        else if (triangle->metric == ORDERS_OF || month != latest)
            *to += 1;
        latest = month;
    }
}

static void print_cohorts(const struct triangle *triangle) {
    bool any = false;
    fputs("{\"cohorts\":{", stdout);
    for (int cohort = 0; cohort < triangle->months; cohort++) {
        if (triangle->size[cohort] == 0) continue;
        const int month = triangle->first + cohort;
        printf("%s\"%04d-%02d\":[%lld", any ? "," : "", month / 12, month % 12 + 1, (long long)triangle->size[cohort]);
        any = true;
        for (int period = 0; period < triangle->periods; period++) {
            if (cohort + period >= triangle->months)
                fputs(",null", stdout);
            else
                printf(",%lld", (long long)triangle->value[(long)cohort * triangle->periods + period]);
        }
        putchar(']');
    }
    printf("},\"outside\":%lld}\n", (long long)triangle->outside);
}

static void answer_cohort(const struct node *question) {
    static struct triangle triangle;
    memset(&triangle, 0, sizeof triangle);
    const struct node *metric = part(question, "metric"), *start = part(question, "start"),
                      *periods = part(question, "periods");
    const struct rows *rows = pick(CUSTOMERS, question, false);
    const struct field field = field_named(CUSTOMERS, start == NULL ? "first_order" : start->word);
    triangle.metric = is_word(metric, "orders") ? ORDERS_OF : is_word(metric, "net") ? NET_OF : PEOPLE_OF;
    const int last = month_of(now.day);
    triangle.first = last + 1;
    for (size_t i = 0; i < rows->count; i++) {
        const int64_t day = value_of(CUSTOMERS, &field, rows->row[i]);
        if (day == UNSET || day > now.day)
            triangle.outside++;
        else if (month_of(day) < triangle.first)
            triangle.first = month_of(day);
    }
    triangle.months = last + 1 - triangle.first;
    triangle.periods = periods == NULL ? triangle.months : atoi(periods->word);
    if (triangle.months > MONTHS_MAX) die("cohorts of %d months", triangle.months);
    triangle.value = grown(NULL, (size_t)triangle.months * (size_t)triangle.periods + 1, sizeof *triangle.value);
    memset(triangle.value, 0, ((size_t)triangle.months * (size_t)triangle.periods + 1) * sizeof *triangle.value);
    for (size_t i = 0; i < rows->count; i++) {
        const int32_t c = rows->row[i].customer;
        const int64_t day = value_of(CUSTOMERS, &field, rows->row[i]);
        if (day == UNSET || day > now.day) continue;
        const int cohort = month_of(day) - triangle.first;
        triangle.size[cohort]++;
        count_cohort(&triangle, cohort, &shop.of_orders, c);
        if (triangle.metric == NET_OF) count_cohort(&triangle, cohort, &shop.of_refunds, c);
    }
    print_cohorts(&triangle);
    free(triangle.value);
}

/* ---- control -------------------------------------------------------------------------------------------------------
 */

/* Rows as they were loaded, whether they count for anything or not: of one key in one currency. */
struct loaded {
    int64_t key;
    int32_t currency;
    size_t rows; /* 0: free */
    int128 amount;
};

/* Twice the days of two centuries in a dozen currencies each. */
#define LEDGER_CELLS (1u << 21)

static struct {
    struct loaded *cell;
    size_t count; /* of those in use */
} ledger;

struct control {
    bool by_day, by_month;
    int32_t first, last;
};

static int by_key(const void *a, const void *b) {
    const struct loaded *left = a, *right = b;
    if (left->key != right->key) return left->key < right->key ? -1 : 1;
    return (left->currency > right->currency) - (left->currency < right->currency);
}

static void note(const struct control *control, int32_t day, int32_t currency, int64_t amount) {
    if (day < control->first || day > control->last) return;
    const int64_t key = control->by_day ? day : control->by_month ? month_of(day) : currency;
    uint32_t at = ((uint32_t)key * 2654435761u + (uint32_t)currency * 40503u) % LEDGER_CELLS;
    while (ledger.cell[at].rows > 0 && (ledger.cell[at].key != key || ledger.cell[at].currency != currency))
        at = (at + 1) % LEDGER_CELLS;
    struct loaded *cell = &ledger.cell[at];
    if (cell->rows == 0 && ++ledger.count > LEDGER_CELLS / 2) die("more than %u keys", LEDGER_CELLS / 2);
    cell->key = key;
    cell->currency = currency;
    cell->rows++;
    cell->amount += amount;
}

static void print_key(const struct node *by, int64_t key) {
    if (is_word(by, "day"))
        print_day(key);
    else if (is_word(by, "month"))
        printf("\"%04d-%02d\"", (int)(key / 12), (int)(key % 12) + 1);
    else
        print_text(text_of(key));
}

/* What there is of one key, from `at` on: its rows, and sums by currency. Gives the place behind it; *all counts the
 * rows. */
static size_t print_key_rows(size_t at, size_t *all) {
    const int64_t key = ledger.cell[at].key;
    size_t end = at, rows = 0;
    for (; end < ledger.count && ledger.cell[end].key == key; end++) rows += ledger.cell[end].rows;
    printf(":[%zu,{", rows);
    for (size_t from = at; at < end; at++) {
        if (at > from) putchar(',');
        print_text(text_of(ledger.cell[at].currency));
        putchar(':');
        print_whole(ledger.cell[at].amount);
    }
    fputs("}]", stdout);
    *all += rows;
    return end;
}

/* Those in use to the front, in order. */
static void sort_ledger(void) {
    size_t count = 0;
    for (size_t at = 0; at < LEDGER_CELLS; at++) {
        if (ledger.cell[at].rows > 0) ledger.cell[count++] = ledger.cell[at];
    }
    qsort(ledger.cell, count, sizeof *ledger.cell, by_key);
}

static void answer_control(const struct node *question) {
    const bool orders = table_asked(question) == ORDERS;
    const struct node *by = part(question, "by"), *ends = part(question, "between");
    const struct control control = {.by_day = is_word(by, "day"),
                                    .by_month = is_word(by, "month"),
                                    .first = ends != NULL ? day_of(ends->word) : INT32_MIN,
                                    .last = ends != NULL ? day_of(ends->next->word) : INT32_MAX};
    ledger.cell = grown(ledger.cell, LEDGER_CELLS, sizeof *ledger.cell);
    memset(ledger.cell, 0, LEDGER_CELLS * sizeof *ledger.cell);
    ledger.count = 0;
    for (int32_t i = 0; orders && i < shop.orders; i++) {
        const struct order *order = &shop.order[i];
        if (!order->deleted) note(&control, local_day(order->time), order->text[ORDER_CURRENCY], order->amount);
    }
    for (int32_t i = 0; !orders && i < shop.refunds; i++) {
        const struct refund *refund = &shop.refund[i];
        if (!refund->deleted) note(&control, local_day(refund->time), refund->text[REFUND_CURRENCY], refund->amount);
    }
    sort_ledger();
    size_t all = 0;
    fputs("{\"groups\":{", stdout);
    for (size_t at = 0; at < ledger.count;) {
        if (at > 0) putchar(',');
        print_key(by, ledger.cell[at].key);
        at = print_key_rows(at, &all);
    }
    printf("},\"rows\":%zu}\n", all);
}

/* ---- the question --------------------------------------------------------------------------------------------------
 */

static bool needs_scores(const struct node *question) {
    static const char *const parts[] = {"where", "by", "metrics", "fields", "order_by"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (names_scores(part(question, parts[i]))) return true;
    }
    return false;
}

void answer(const struct node *question) {
    static const struct {
        const char *name;
        void (*answer)(const struct node *question);
        bool scores;
    } methods[] = {{"count", answer_count, false},      {"group", answer_group, false},
                   {"rows", answer_rows, false},        {"rfm.grid", answer_grid, true},
                   {"rfm.groups", answer_groups, true}, {"cohort", answer_cohort, false},
                   {"control", answer_control, false}};
    size_t at = 0;
    while (at < sizeof methods / sizeof *methods && !is_word(question, methods[at].name)) at++;
    if (at == sizeof methods / sizeof *methods) die("no method %s", question->word);
    settle();
    const struct node *day = part(question, "as_of");
    state_on(is_word(day, "latest") ? shop.latest : day_of(day->word));
    lifecycle_by(question);
    forget_filters();
    (void)filter_of(table_asked(question), part(question, "where"));
    if (refused) {
        puts("{\"error\":\"BAD_REQUEST\"}");
        return;
    }
    if (methods[at].scores || needs_scores(question)) scores_by(question);
    methods[at].answer(question);
}
