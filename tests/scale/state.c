/* What is true of each customer on a day. */
#include "naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state now = {.day = NO_DAY};

const char *const lifecycle_name[] = {"prospect", "new", "returned", "active", "sleeping", "lost"};

static void make_room(void) {
    const size_t count = (size_t)shop.customers;
    now.live = grown(now.live, count, sizeof *now.live);
    now.orders = grown(now.orders, count, sizeof *now.orders);
    now.first = grown(now.first, count, sizeof *now.first);
    now.last = grown(now.last, count, sizeof *now.last);
    now.before_last = grown(now.before_last, count, sizeof *now.before_last);
    now.net = grown(now.net, count, sizeof *now.net);
    now.f = grown(now.f, count, sizeof *now.f);
    now.m = grown(now.m, count, sizeof *now.m);
    now.group = grown(now.group, count, sizeof *now.group);
    for (int i = 0; i < 3; i++) now.score[i] = grown(now.score[i], count, sizeof *now.score[i]);
}

bool fact_counts(const struct fact *fact, int32_t day) {
    return fact->from <= day && day < fact->until;
}

int64_t money_of_fact(const struct fact *fact) {
    return fact->worth == UNSET ? 0 : fact->worth;
}

static void customer_on(int32_t c, int32_t day) {
    now.orders[c] = 0;
    now.first[c] = now.last[c] = now.before_last[c] = NO_DAY;
    now.net[c] = 0;
    now.live[c] = !shop.customer[c].deleted && shop.birth[c] <= day;
    for (uint32_t at = shop.of_orders.first[c]; at < shop.of_orders.first[c + 1]; at++) {
        const struct fact *fact = &shop.of_orders.fact[at];
        if (!fact_counts(fact, day)) continue;
        if (now.orders[c]++ == 0) now.first[c] = fact->day;
        now.before_last[c] = now.last[c];
        now.last[c] = fact->day;
        now.net[c] += money_of_fact(fact);
    }
    for (uint32_t at = shop.of_refunds.first[c]; at < shop.of_refunds.first[c + 1]; at++) {
        if (fact_counts(&shop.of_refunds.fact[at], day)) now.net[c] -= money_of_fact(&shop.of_refunds.fact[at]);
    }
}

void state_on(int32_t day) {
    static uint64_t loaded;
    settle();
    if (now.day == day && loaded == shop.loaded) return;
    make_room();
    for (int32_t c = 0; c < shop.customers; c++) customer_on(c, day);
    now.day = day;
    loaded = shop.loaded;
}

int64_t country_of(int32_t c) {
    if (shop.customer[c].text[COUNTRY] >= 0) return shop.customer[c].text[COUNTRY];
    const uint32_t first = shop.of_orders.first[c];
    if (first == shop.of_orders.first[c + 1] || shop.of_orders.fact[first].day > now.day) return UNSET;
    const int32_t country = shop.order[shop.of_orders.fact[first].row].text[ORDER_COUNTRY];
    return country < 0 ? UNSET : country;
}

/* ---- life cycle ----------------------------------------------------------------------------------------------------
 */

/* A mean gap: so many days over so many gaps; none when there are no gaps. */
struct gap {
    int64_t country, days, gaps;
};

#define COUNTRIES_MAX 1024

static struct {
    bool by_gaps;
    int64_t cut[2];                   /* thousandths of a day, or of a gap */
    struct gap median[COUNTRIES_MAX]; /* of each country that has one */
    int medians;
    struct gap of_all;
} cycle;

/* Two gaps or more, of which one is longer than nothing. */
static bool own_gap(int32_t c, struct gap *gap) {
    if (now.orders[c] < 3 || now.last[c] == now.first[c]) return false;
    *gap = (struct gap){country_of(c), now.last[c] - now.first[c], now.orders[c] - 1};
    return true;
}

static int by_length(const void *a, const void *b) {
    const struct gap *left = a, *right = b;
    const int64_t l = left->days * right->gaps, r = right->days * left->gaps;
    return (l > r) - (l < r);
}

static int by_country(const void *a, const void *b) {
    const struct gap *left = a, *right = b;
    if (left->country != right->country) return left->country < right->country ? -1 : 1;
    return by_length(a, b);
}

/* Nearest rank: the first with half of them at or below it. */
static struct gap median_of(const struct gap *sorted, size_t count) {
    return sorted[(count + 1) / 2 - 1];
}

static void find_medians(void) {
    struct gap *gap = grown(NULL, (size_t)shop.customers + 1, sizeof *gap);
    size_t count = 0;
    for (int32_t c = 0; c < shop.customers; c++) count += now.live[c] && own_gap(c, &gap[count]);
    qsort(gap, count, sizeof *gap, by_country);
    cycle.medians = 0;
    for (size_t first = 0, end; first < count; first = end) {
        end = first;
        while (end < count && gap[end].country == gap[first].country) end++;
        if (cycle.medians == COUNTRIES_MAX) die("more than %d countries", COUNTRIES_MAX);
        cycle.median[cycle.medians++] = median_of(gap + first, end - first);
    }
    qsort(gap, count, sizeof *gap, by_length);
    cycle.of_all = count == 0 ? (struct gap){0} : median_of(gap, count);
    free(gap);
}

void lifecycle_by(const struct node *question) {
    const struct node *given = part(question, "lifecycle");
    cycle.by_gaps = is_word(given, "gaps");
    cycle.cut[0] = 90 * 1000;
    cycle.cut[1] = 365 * 1000;
    if (given != NULL) {
        const struct node *at = given->next;
        for (int i = 0; i < 2; i++, at = at->next) {
            const struct decimal number = decimal_of(at->word);
            cycle.cut[i] = (int64_t)(number.mantissa * 1000 / power_of_ten(number.scale));
        }
    }
    if (cycle.by_gaps) find_medians();
}

static struct gap gap_for(int32_t c) {
    struct gap gap;
    if (own_gap(c, &gap)) return gap;
    const int64_t country = country_of(c);
    for (int i = 0; i < cycle.medians; i++) {
        if (cycle.median[i].country == country) return cycle.median[i];
    }
    return cycle.of_all;
}

int lifecycle_of(int32_t c) {
    if (now.orders[c] == 0) return PROSPECT;
    struct gap unit = {0, 1, 1};
    int64_t cut[2] = {cycle.cut[0], cycle.cut[1]};
    if (cycle.by_gaps) {
        unit = gap_for(c);
        if (unit.gaps == 0) {
            unit = (struct gap){0, 1, 1};
            cut[0] = 90 * 1000;
            cut[1] = 365 * 1000;
        }
    }
    /* days > unit * cut, all in whole numbers */
    const int64_t recency = (int64_t)(now.day - now.last[c]) * unit.gaps * 1000;
    if (recency > unit.days * cut[0]) return recency <= unit.days * cut[1] ? SLEEPING : LOST;
    if (now.orders[c] == 1) return NEW;
    return (int64_t)(now.last[c] - now.before_last[c]) * unit.gaps * 1000 > unit.days * cut[0] ? RETURNED : ACTIVE;
}

/* ---- scores --------------------------------------------------------------------------------------------------------
 */

enum { R, F, M };
enum { MEAN_GROUPS = 100 };

static const char *const mean_name[8] = {/* r f m high: bits 4 2 1 */
                                         "general_win_back", "important_win_back", "general_keep",  "important_keep",
                                         "general_develop",  "important_develop",  "general_value", "important_value"};

static const char *const group_cells[][2] = {
    {"champions", "555 554 544 545 454 455 445"},
    {"loyal", "543 444 435 355 354 345 344 335"},
    {"potential_loyalist",
     "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323"},
    {"new", "512 511 422 421 412 411 311"},
    {"promising", "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313"},
    {"need_attention", "535 534 443 434 343 334 325 324"},
    {"about_to_sleep", "331 321 312 221 213 231 241 251"},
    {"at_risk", "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124"},
    {"cannot_lose", "155 154 144 214 215 115 114 113"},
    {"hibernating", "332 322 233 232 223 222 132 123 122 212 211"},
    {"lost", "111 112 121 131 141 151"}};

/* 1 + place in the list above, or MEAN_GROUPS + place among the means; 0 is nobody. */
const char *group_name(uint8_t group) {
    return group >= MEAN_GROUPS ? mean_name[group - MEAN_GROUPS] : group_cells[group - 1][0];
}

static uint8_t group_of_cell(int r, int f, int m) {
    static uint8_t of[6][6][6];
    static bool filled;
    for (uint8_t group = 0; !filled && group < sizeof group_cells / sizeof *group_cells; group++) {
        for (const char *at = group_cells[group][1]; at[0] != '\0'; at += at[3] == '\0' ? 3 : 4) {
            of[at[0] - '0'][at[1] - '0'][at[2] - '0'] = (uint8_t)(group + 1);
        }
    }
    filled = true;
    return of[r][f][m];
}

/* Greater is better: recency turned around. */
static int64_t measure_of(int32_t c, int which) {
    if (which == R) return (int64_t)now.last[c] - now.day;
    return which == F ? now.f[c] : now.m[c];
}

static void window_sums(int32_t first) {
    for (int32_t c = 0; c < shop.customers; c++) {
        now.f[c] = 0;
        now.m[c] = 0;
        for (uint32_t at = shop.of_orders.first[c]; at < shop.of_orders.first[c + 1]; at++) {
            const struct fact *fact = &shop.of_orders.fact[at];
            if (fact->day < first || !fact_counts(fact, now.day)) continue;
            now.f[c]++;
            now.m[c] += money_of_fact(fact);
        }
        for (uint32_t at = shop.of_refunds.first[c]; at < shop.of_refunds.first[c + 1]; at++) {
            const struct fact *fact = &shop.of_refunds.fact[at];
            if (fact->day >= first && fact_counts(fact, now.day)) now.m[c] -= money_of_fact(fact);
        }
    }
}

/* The least measure that earns each score from 2 on: a score is one more than the fifths of the population that are
 * strictly worse. UNSET where nobody earns it. */
static void quintile_cuts(const int64_t *sorted, size_t count, int64_t cut[4]) {
    for (int i = 0; i < 4; i++) cut[i] = UNSET;
    int reached = 1;
    for (size_t worse = 0; worse < count; worse++) {
        if (worse > 0 && sorted[worse] == sorted[worse - 1]) continue;
        const int score = 1 + (int)(5 * worse / count);
        for (; reached < score; reached++) cut[reached - 1] = sorted[worse];
    }
}

/* What the grid shows: null for a score that nobody has. */
static void tell_thresholds(int which, const int64_t cut[4]) {
    for (int i = 0; i < 4; i++) {
        now.threshold[which][i] = UNSET;
        if (cut[i] == UNSET || (i < 3 && cut[i + 1] == cut[i])) continue;
        now.threshold[which][i] = which == R ? -cut[i] : cut[i];
    }
}

static uint8_t score_of(int64_t measure, const int64_t cut[4]) {
    uint8_t score = 1;
    for (int i = 0; i < 4; i++) {
        if (cut[i] != UNSET && measure >= cut[i]) score = (uint8_t)(i + 2);
    }
    return score;
}

struct population {
    int32_t *customer;
    size_t count;
    int64_t *sorted;
};

static void score_quintiles(const struct population *of) {
    for (int which = R; which <= M; which++) {
        int64_t cut[4];
        for (size_t i = 0; i < of->count; i++) of->sorted[i] = measure_of(of->customer[i], which);
        sort_whole(of->sorted, of->count);
        quintile_cuts(of->sorted, of->count, cut);
        tell_thresholds(which, cut);
        for (size_t i = 0; i < of->count; i++) {
            const int32_t c = of->customer[i];
            now.score[which][c] = score_of(measure_of(c, which), cut);
        }
    }
}

static void score_cuts(const struct population *of, const struct node *cuts) {
    static const char *const names[] = {"r", "f", "m_minor"};
    for (int which = R; which <= M; which++) {
        const struct node *given = cuts;
        while (!is_word(given->child, names[which])) given = given->next;
        given = given->child->next;
        int64_t cut[4];
        for (int i = 0; i < 4; i++, given = given->next) {
            now.threshold[which][i] = atoll(given->word);
            cut[i] = which == R ? -now.threshold[which][i] : now.threshold[which][i];
        }
        for (size_t i = 0; i < of->count; i++) {
            const int32_t c = of->customer[i];
            now.score[which][c] = score_of(measure_of(c, which), cut);
        }
    }
}

/* High is at or better than the mean; the threshold is the least whole number that would be. */
static void score_means(const struct population *of) {
    for (int which = R; which <= M && of->count > 0; which++) {
        const int128 count = (int128)of->count;
        int128 sum = 0;
        for (size_t i = 0; i < of->count; i++) sum += measure_of(of->customer[i], which);
        for (size_t i = 0; i < of->count; i++) {
            const int32_t c = of->customer[i];
            now.score[which][c] = measure_of(c, which) * count >= sum ? 2 : 1;
        }
        int128 least = sum / count;
        if (least * count < sum) least++;
        now.threshold[which][0] = which == R ? -(int64_t)least : (int64_t)least;
    }
}

static struct population population_of(const struct node *tree) {
    static struct population of;
    const struct filter *filter = filter_of(CUSTOMERS, tree);
    of.customer = grown(of.customer, (size_t)shop.customers, sizeof *of.customer);
    of.sorted = grown(of.sorted, (size_t)shop.customers, sizeof *of.sorted);
    of.count = 0;
    for (int32_t c = 0; c < shop.customers; c++) {
        for (int which = R; which <= M; which++) now.score[which][c] = 0;
        now.group[c] = 0;
        if (!now.live[c] || now.f[c] == 0 || !lets_through(filter, (struct row){.customer = c})) continue;
        of.customer[of.count++] = c;
    }
    return of;
}

static int32_t window_first(const struct node *spec) {
    const struct node *window = part(spec, "window");
    if (window == NULL) return now.day - 364;
    const int32_t days = atoi(window->word);
    return days == 0 ? NO_DAY : now.day - days + 1;
}

/* A list that stands for (rfm ...) itself, so that part() finds what is in it. */
static const struct node *spec_of(const struct node *question) {
    for (const struct node *at = question; at != NULL; at = at->next) {
        if (at->word == NULL && is_word(at->child, "rfm")) return at->child;
    }
    return NULL;
}

/* The words of a list one after the other. */
static void spell(const struct node *node, char *text, size_t bytes) {
    for (; node != NULL; node = node->next) {
        const size_t used = strlen(text);
        if (used + 2 >= bytes) die("a long way to score");
        (void)snprintf(text + used, bytes - used, "%s ", node->word == NULL ? "(" : node->word);
        spell(node->child, text, bytes);
    }
}

static void score_anew(const struct node *spec) {
    const struct node *cuts = part(spec, "cuts");
    window_sums(window_first(spec));
    const struct population of = population_of(part(spec, "population"));
    const bool mean = is_word(part(spec, "scoring"), "mean");
    now.thresholds = mean ? 1 : 4;
    for (int which = R; which <= M; which++) {
        for (int i = 0; i < 4; i++) now.threshold[which][i] = UNSET;
    }
    if (mean)
        score_means(&of);
    else if (cuts != NULL)
        score_cuts(&of, cuts);
    else
        score_quintiles(&of);
    for (size_t i = 0; i < of.count; i++) {
        const int32_t c = of.customer[i];
        const uint8_t r = now.score[R][c], f = now.score[F][c], m = now.score[M][c];
        now.group[c] = mean ? (uint8_t)(MEAN_GROUPS + (r - 1) * 4 + (f - 1) * 2 + (m - 1)) : group_of_cell(r, f, m);
    }
}

/* Questions come sorted by day and by how they score: what the last one had may still hold. */
void scores_by(const struct node *question) {
    static char done[8192];
    char asked[sizeof done] = "";
    const struct node *spec = spec_of(question);
    (void)snprintf(asked, sizeof asked, "%d %d %lld %lld %llu ", now.day, cycle.by_gaps, (long long)cycle.cut[0],
                   (long long)cycle.cut[1], (unsigned long long)shop.loaded);
    spell(spec, asked, sizeof asked);
    if (strcmp(asked, done) == 0) return;
    score_anew(spec);
    memcpy(done, asked, sizeof done);
}
