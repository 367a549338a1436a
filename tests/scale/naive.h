/* A shop answered about the plain way: every rule of money, dates and versions applied once when the rows are in, and
 * every question answered by loops over all customers and all facts.
 *
 * It is there to disagree with the server, so it shares nothing with it: no file of src, no library but libc. Where the
 * two differ, one of them is wrong. Speed matters only so far that ten thousand questions about ten million orders take
 * minutes.
 *
 *   texts.c     texts by number, ids and their order, days, decimals
 *   facts.c     rows as loaded: identities, versions, patches, rates; then worth, links, facts by customer
 *   state.c     what is true of each customer on a day, in a window; scores
 *   filter.c    fields, filters
 *   group.c     rows cut into groups, metrics over them
 *   answers.c   the questions and their answers, JSON
 *   naive.c     the commands on standard input
 */
#ifndef NAIVE_H
#define NAIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No value. */
#define UNSET INT64_MIN
/* A day that does not come. */
#define NEVER INT32_MAX
/* The day of something that has none. */
#define NO_DAY INT32_MIN

__extension__ typedef __int128 int128;

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *grown(void *memory, size_t items, size_t size);

/* ---- texts.c -------------------------------------------------------------------------------------------------------
 */

/* Equal texts have one number; numbers count up from 0. */
int32_t text_number(const char *text);
const char *text_of(int64_t number);
/* Numbers by size, then texts bytewise. */
int id_order(int64_t a, int64_t b);
int text_order(int64_t a, int64_t b);
void print_text(const char *text);

/* mantissa / 10^scale */
struct decimal {
    int128 mantissa;
    int scale;
};
struct decimal decimal_of(const char *text);
int128 power_of_ten(int exponent);
/* Halves away from zero. */
int128 divided(int128 value, int128 by);
void print_whole(int128 value);

int32_t day_of(const char *text);
void print_day(int64_t day);
void civil_of(int64_t day, int *year, int *month);
/* Months since year 0. */
int month_of(int64_t day);
/* Seconds since 1970 of "2024-05-06T07:08:09Z". */
int64_t time_of(const char *text);
/* The day of an instant where the shop is: TZ in the environment. */
int32_t local_day(int64_t seconds);
int digits_of(const char *currency);

/* ---- facts.c -------------------------------------------------------------------------------------------------------
 */

enum { COUNTRY, REGION, LANGUAGE, CURRENCY, GENDER, ACQ_CHANNEL, CREDIT, ENTITY, CUSTOMER_TEXTS };
enum { CONSENT, TAGS, CUSTOMER_SETS };
enum { ORDER_CURRENCY, ORDER_COUNTRY, ORDER_CHANNEL, ORDER_PAYMENT, ORDER_PROMOTION, ORDER_TEXTS };
enum { REFUND_CURRENCY, REFUND_KIND, REFUND_REASON, REFUND_TEXTS };

/* Everything as loaded; UNSET or -1 where there is nothing. */
struct customer {
    int32_t id;
    bool deleted;
    int64_t version, created, birth_year;
    int32_t text[CUSTOMER_TEXTS];
    uint64_t set[CUSTOMER_SETS]; /* members by number; 0 unset */
};

struct order {
    int32_t id, customer;
    bool deleted, test;
    int64_t version, time, paid, cancelled, amount;
    int32_t text[ORDER_TEXTS];
};

struct refund {
    int32_t id, customer; /* as named, -1 when not */
    int32_t order;        /* text of the order's id, -1 */
    bool deleted;
    int64_t version, time, amount;
    int32_t text[REFUND_TEXTS];
};

/* An order or a refund as questions see it. It counts on D when from <= D < until. */
struct fact {
    int32_t day;
    int32_t from, until;
    uint32_t row;  /* in orders or refunds */
    int64_t worth; /* base minor units; UNSET without a rate */
};

/* Facts of customer c: fact[first[c]] to fact[first[c + 1] - 1], by time and id. */
struct facts {
    struct fact *fact;
    uint32_t *first;
    uint32_t count;
};

struct shop {
    const char *base;
    struct customer *customer;
    struct order *order;
    struct refund *refund;
    int32_t customers, orders, refunds;
    struct facts of_orders, of_refunds;
    int32_t *birth;  /* by customer: the first day anything is known of; NO_DAY when nothing is dated */
    int32_t latest;  /* newest day of an order or a refund */
    uint64_t loaded; /* counts up with every load */
};
extern struct shop shop;

/* Applies the rows of a CSV file; the header names the fields. Gives their number. */
long load_file(const char *table, const char *path);
/* Works out what follows from the rows, if they changed. */
void settle(void);
/* Worth of one unit of the currency in the base, as numerator and denominator; false without a rate up to the day. */
bool rate_on(const char *currency, int32_t day, int128 *numerator, int128 *denominator);
/* Number of a set's member, -1 when nobody has it. */
int member_known(const char *text);

/* ---- questions as they come: (name part ...) -----------------------------------------------------------------------
 */

struct node {
    const char *word; /* NULL: a list */
    bool quoted;
    const struct node *child, *next;
};
/* Takes a line apart; the result holds until the next call. */
const struct node *parse(char *line);
/* What follows `name` in the list (name ...) among the question's parts; NULL when there is no such part. */
const struct node *part(const struct node *question, const char *name);
bool is_word(const struct node *node, const char *word);

/* ---- state.c -------------------------------------------------------------------------------------------------------
 */

enum { PROSPECT, NEW, RETURNED, ACTIVE, SLEEPING, LOST };
extern const char *const lifecycle_name[];

/* Of every customer; all of it holds for one day, one window, one way to score. */
struct state {
    int32_t day;
    bool *live;
    int32_t *orders, *first, *last, *before_last; /* days; before_last: of the order before the latest */
    int64_t *net;
    int32_t *f; /* in the window */
    int64_t *m;
    uint8_t *score[3]; /* r f m; 0 outside of the population */
    uint8_t *group;
    int64_t threshold[3][4];
    int thresholds; /* how many each */
};
extern struct state now;

void state_on(int32_t day);
/* Scores by (rfm ...) of the question; window 365, quintile, everybody without one. After state_on. */
void scores_by(const struct node *question);
const char *group_name(uint8_t group);
bool fact_counts(const struct fact *fact, int32_t day);
int64_t money_of_fact(const struct fact *fact);
/* Takes (lifecycle cuts 90 365) or (lifecycle gaps 1 3) of the question; before lifecycle_of, after state_on. */
void lifecycle_by(const struct node *question);
int lifecycle_of(int32_t customer);
/* What the profile says, else where the earliest order up to the day went; UNSET. */
int64_t country_of(int32_t customer);

/* ---- filter.c ------------------------------------------------------------------------------------------------------
 */

enum table { CUSTOMERS, ORDERS, REFUNDS };
enum kind { WHOLE, MONEY, DAY, TEXT, ID, SET, FLAG };

/* One thing that can be counted: a customer, or a fact of one. */
struct row {
    int32_t customer;
    uint32_t fact; /* place in of_orders or of_refunds */
};

struct field {
    int what; /* enum in filter.c */
    enum kind kind;
    bool of_customer;
};

struct field field_named(enum table table, const char *name);
int64_t value_of(enum table table, const struct field *field, struct row row);

struct filter;
/* Takes the tree that stands there; NULL gives NULL, which lets everything through. Money without a rate sets
 * `refused`. */
const struct filter *filter_of(enum table table, const struct node *tree);
bool lets_through(const struct filter *filter, struct row row);
extern bool refused;
/* Drops all filters. */
void forget_filters(void);
/* Some field below is a score: r, f, m, rfm_group, of the row or of its customer. */
bool names_scores(const struct node *tree);

/* ---- group.c, answers.c --------------------------------------------------------------------------------------------
 */

struct rows {
    struct row *row;
    size_t count, capacity;
};
void rows_add(struct rows *rows, struct row row);

void print_value(enum kind kind, int64_t value);
/* Unset last; texts bytewise, ids as ids. */
int value_order(enum kind kind, int64_t a, int64_t b);
void sort_whole(int64_t *values, size_t count);
void print_groups(enum table table, const struct rows *rows, const struct node *question);
/* Prints the answer as one line of JSON. */
void answer(const struct node *question);

#endif
