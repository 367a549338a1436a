/* Rows as loaded, and what follows from them. */
#include "naive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shop shop = {.latest = NO_DAY};

/* What has this id; -1 nothing. */
struct owner {
    int32_t customer, order, refund;
};
static struct {
    struct owner *of; /* by text */
    int32_t count;
} owners;

static struct owner *owner_of(int32_t id) {
    if (id >= owners.count) {
        const int32_t count = id * 2 + 1024;
        owners.of = grown(owners.of, (size_t)count, sizeof *owners.of);
        for (int32_t at = owners.count; at < count; at++) owners.of[at] = (struct owner){-1, -1, -1};
        owners.count = count;
    }
    return &owners.of[id];
}

/* ---- sets ----------------------------------------------------------------------------------------------------------
 */

static struct {
    int32_t text[64];
    int count;
} members;

int member_known(const char *text) {
    for (int i = 0; i < members.count; i++) {
        if (strcmp(text_of(members.text[i]), text) == 0) return i;
    }
    return -1;
}

static uint64_t set_of(char *text) {
    uint64_t set = 0;
    for (char *word = strtok(text, "|"); word != NULL; word = strtok(NULL, "|")) {
        int number = member_known(word);
        if (number < 0) {
            if (members.count == 64) die("more than 64 members of sets");
            number = members.count++;
            members.text[number] = text_number(word);
        }
        set |= (uint64_t)1 << number;
    }
    return set;
}

/* ---- files ---------------------------------------------------------------------------------------------------------
 */

#define COLUMNS_MAX 64

struct file {
    FILE *in;
    char *line;
    size_t capacity;
    char *cell[COLUMNS_MAX];
    int cells;
    int column[COLUMNS_MAX]; /* by field: where it stands, -1 */
};

/* Cells in place: "a ""b""" becomes a "b". */
static bool next_row(struct file *file) {
    const ssize_t length = getline(&file->line, &file->capacity, file->in);
    if (length < 0) return false;
    char *from = file->line, *to = from;
    bool quoted = false;
    file->cells = 0;
    file->cell[file->cells++] = to;
    for (; *from != '\0' && *from != '\n' && *from != '\r'; from++) {
        if (*from == '"') {
            if (quoted && from[1] == '"')
                *to++ = *from++;
            else
                quoted = !quoted;
        } else if (*from == ',' && !quoted) {
            *to++ = '\0';
            if (file->cells == COLUMNS_MAX) die("more than %d columns", COLUMNS_MAX);
            file->cell[file->cells++] = to;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return true;
}

static void open_file(struct file *file, const char *path, const char *const *fields) {
    *file = (struct file){.in = fopen(path, "r")};
    if (file->in == NULL) die("%s: %s", path, strerror(errno));
    if (!next_row(file)) die("%s is empty", path);
    for (int field = 0; field < COLUMNS_MAX; field++) file->column[field] = -1;
    for (int field = 0; fields[field] != NULL; field++) {
        for (int at = 0; at < file->cells; at++) {
            if (strcmp(file->cell[at], fields[field]) == 0) file->column[field] = at;
        }
    }
}

/* NULL when the file has no such column; the empty text is no value. */
static char *cell(const struct file *file, int field) {
    return file->column[field] < 0 ? NULL : file->cell[file->column[field]];
}

/* A row is a patch: what it has replaces what is there, and an empty cell clears it. */
static void patch_whole(const struct file *file, int field, int64_t *value) {
    const char *text = cell(file, field);
    if (text != NULL) *value = *text == '\0' ? UNSET : (int64_t)decimal_of(text).mantissa;
}

static void patch_time(const struct file *file, int field, int64_t *value) {
    const char *text = cell(file, field);
    if (text != NULL) *value = *text == '\0' ? UNSET : time_of(text);
}

static void patch_day(const struct file *file, int field, int64_t *value) {
    const char *text = cell(file, field);
    if (text != NULL) *value = *text == '\0' ? UNSET : day_of(text);
}

static void patch_flag(const struct file *file, int field, bool *value) {
    const char *text = cell(file, field);
    if (text != NULL) *value = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static void patch_text(const struct file *file, int field, int32_t *value) {
    const char *text = cell(file, field);
    if (text != NULL) *value = *text == '\0' ? -1 : text_number(text);
}

/* In the row's currency, or the one that is known. */
static void patch_amount(const struct file *file, int field, int32_t currency, int64_t *value) {
    const char *text = cell(file, field);
    if (text == NULL || *text == '\0') return;
    const struct decimal amount = decimal_of(text);
    const int128 units = amount.mantissa * power_of_ten(digits_of(text_of(currency)));
    if (units % power_of_ten(amount.scale) != 0) die("%s has more digits than %s", text, text_of(currency));
    *value = (int64_t)(units / power_of_ten(amount.scale));
}

/* A lower version than the known one is ignored; a row without one leaves it. */
static bool is_stale(const struct file *file, int field, int64_t *known) {
    int64_t version = UNSET;
    patch_whole(file, field, &version);
    if (version == UNSET) return false;
    if (*known != UNSET && version < *known) return true;
    *known = version;
    return false;
}

/* ---- tables --------------------------------------------------------------------------------------------------------
 */

/* The customer of that id, who may only be named here. */
static int32_t customer_of(int32_t id) {
    struct owner *owner = owner_of(id);
    if (owner->customer >= 0) return owner->customer;
    static int32_t capacity;
    if (shop.customers == capacity) {
        capacity = capacity * 2 + 1024;
        shop.customer = grown(shop.customer, (size_t)capacity, sizeof *shop.customer);
    }
    struct customer *customer = &shop.customer[shop.customers];
    *customer = (struct customer){.id = id, .version = UNSET, .created = UNSET, .birth_year = UNSET};
    for (int i = 0; i < CUSTOMER_TEXTS; i++) customer->text[i] = -1;
    return owner->customer = shop.customers++;
}

static void load_customer(const struct file *file) {
    enum { ROW_ID, VERSION, DELETED, CREATED, BIRTH_YEAR, CONSENTS, TAG_LIST, TEXTS };
    const int32_t number = customer_of(text_number(cell(file, ROW_ID)));
    struct customer *customer = &shop.customer[number];
    if (is_stale(file, VERSION, &customer->version)) return;
    patch_flag(file, DELETED, &customer->deleted);
    patch_day(file, CREATED, &customer->created);
    patch_whole(file, BIRTH_YEAR, &customer->birth_year);
    if (cell(file, CONSENTS) != NULL) customer->set[CONSENT] = set_of(cell(file, CONSENTS));
    if (cell(file, TAG_LIST) != NULL) customer->set[TAGS] = set_of(cell(file, TAG_LIST));
    for (int i = 0; i < CUSTOMER_TEXTS; i++) patch_text(file, TEXTS + i, &customer->text[i]);
}
static const char *const customer_fields[] = {"customer",    "version", "deleted", "created",  "birth_year", "consent",
                                              "tags",        "country", "region",  "language", "currency",   "gender",
                                              "acq_channel", "credit",  "entity",  NULL};

static struct order *order_of(int32_t id) {
    struct owner *owner = owner_of(id);
    if (owner->order >= 0) return &shop.order[owner->order];
    static int32_t capacity;
    if (shop.orders == capacity) {
        capacity = capacity * 2 + 1024;
        shop.order = grown(shop.order, (size_t)capacity, sizeof *shop.order);
    }
    owner->order = shop.orders;
    struct order *order = &shop.order[shop.orders++];
    *order = (struct order){.id = id, .customer = -1, .version = UNSET, .paid = UNSET, .cancelled = UNSET};
    for (int i = 0; i < ORDER_TEXTS; i++) order->text[i] = -1;
    return order;
}

static void load_order(const struct file *file) {
    enum { ROW_ID, VERSION, DELETED, CUSTOMER, TIME, AMOUNT, PAID, CANCELLED, TEST, TEXTS };
    struct order *order = order_of(text_number(cell(file, ROW_ID)));
    if (is_stale(file, VERSION, &order->version)) return;
    patch_flag(file, DELETED, &order->deleted);
    if (cell(file, CUSTOMER) != NULL) order->customer = customer_of(text_number(cell(file, CUSTOMER)));
    patch_time(file, TIME, &order->time);
    patch_time(file, PAID, &order->paid);
    patch_day(file, CANCELLED, &order->cancelled);
    patch_flag(file, TEST, &order->test);
    for (int i = 0; i < ORDER_TEXTS; i++) patch_text(file, TEXTS + i, &order->text[i]);
    patch_amount(file, AMOUNT, order->text[ORDER_CURRENCY], &order->amount);
}
static const char *const order_fields[] = {"order",   "version", "deleted",   "customer",  "time",
                                           "amount",  "paid",    "cancelled", "test",      "currency",
                                           "country", "channel", "payment",   "promotion", NULL};

static struct refund *refund_of(int32_t id) {
    struct owner *owner = owner_of(id);
    if (owner->refund >= 0) return &shop.refund[owner->refund];
    static int32_t capacity;
    if (shop.refunds == capacity) {
        capacity = capacity * 2 + 1024;
        shop.refund = grown(shop.refund, (size_t)capacity, sizeof *shop.refund);
    }
    owner->refund = shop.refunds;
    struct refund *refund = &shop.refund[shop.refunds++];
    *refund = (struct refund){.id = id, .customer = -1, .order = -1, .version = UNSET};
    for (int i = 0; i < REFUND_TEXTS; i++) refund->text[i] = -1;
    return refund;
}

static void load_refund(const struct file *file) {
    enum { ROW_ID, VERSION, DELETED, ORDER, CUSTOMER, TIME, AMOUNT, TEXTS };
    struct refund *refund = refund_of(text_number(cell(file, ROW_ID)));
    if (is_stale(file, VERSION, &refund->version)) return;
    patch_flag(file, DELETED, &refund->deleted);
    patch_text(file, ORDER, &refund->order);
    const char *customer = cell(file, CUSTOMER);
    if (customer != NULL) refund->customer = *customer == '\0' ? -1 : customer_of(text_number(customer));
    patch_time(file, TIME, &refund->time);
    for (int i = 0; i < REFUND_TEXTS; i++) patch_text(file, TEXTS + i, &refund->text[i]);
    patch_amount(file, AMOUNT, refund->text[REFUND_CURRENCY], &refund->amount);
}
static const char *const refund_fields[] = {"refund", "version",  "deleted", "order",  "customer", "time",
                                            "amount", "currency", "kind",    "reason", NULL};

/* ---- rates ---------------------------------------------------------------------------------------------------------
 */

/* Days for which there may be a rate, and a little after them: 1970 to 2051. */
#define RATE_DAYS      30000
#define CURRENCIES_MAX 64

struct rate {
    bool known, deleted, per_base;
    int64_t version;
    struct decimal value;
};
static struct {
    int32_t currency[CURRENCIES_MAX];
    struct rate *rate[CURRENCIES_MAX]; /* by day */
    int count;
} rates;

static struct rate *rates_of(const char *currency, bool make) {
    for (int i = 0; i < rates.count; i++) {
        if (strcmp(text_of(rates.currency[i]), currency) == 0) return rates.rate[i];
    }
    if (!make) return NULL;
    if (rates.count == CURRENCIES_MAX) die("more than %d currencies", CURRENCIES_MAX);
    rates.currency[rates.count] = text_number(currency);
    struct rate *rate = grown(NULL, RATE_DAYS, sizeof *rate);
    for (int day = 0; day < RATE_DAYS; day++) rate[day] = (struct rate){.version = UNSET};
    return rates.rate[rates.count++] = rate;
}

static void load_rate(const struct file *file) {
    enum { RATE_DAY, RATE_CURRENCY, RATE, PER, VERSION, DELETED };
    const int32_t day = day_of(cell(file, RATE_DAY));
    if (day < 0 || day >= RATE_DAYS) die("a rate of day %d", day);
    struct rate *rate = &rates_of(cell(file, RATE_CURRENCY), true)[day];
    if (is_stale(file, VERSION, &rate->version)) return;
    rate->known = true;
    patch_flag(file, DELETED, &rate->deleted);
    const char *value = cell(file, RATE), *per = cell(file, PER);
    if (value != NULL && *value != '\0') rate->value = decimal_of(value);
    if (per != NULL) rate->per_base = strcmp(per, "base") == 0;
}
static const char *const rate_fields[] = {"day", "currency", "rate", "per", "version", "deleted", NULL};

bool rate_on(const char *currency, int32_t day, int128 *numerator, int128 *denominator) {
    *numerator = *denominator = 1;
    if (strcmp(currency, shop.base) == 0) return true;
    const struct rate *rate = rates_of(currency, false);
    if (rate == NULL) return false;
    int32_t at = day < RATE_DAYS ? day : RATE_DAYS - 1;
    while (at >= 0 && (!rate[at].known || rate[at].deleted)) at--;
    if (at < 0) return false;
    const int128 unit = power_of_ten(rate[at].value.scale);
    *numerator = rate[at].per_base ? unit : rate[at].value.mantissa;
    *denominator = rate[at].per_base ? rate[at].value.mantissa : unit;
    return true;
}

/* Minor units of the base, rounded once. */
static int64_t worth_of(int64_t amount, const char *currency, int32_t day) {
    int128 numerator, denominator;
    if (!rate_on(currency, day, &numerator, &denominator)) return UNSET;
    numerator *= amount * power_of_ten(digits_of(shop.base));
    denominator *= power_of_ten(digits_of(currency));
    return (int64_t)divided(numerator, denominator);
}

/* ---- what follows --------------------------------------------------------------------------------------------------
 */

static bool order_counts(const struct order *order) {
    return !order->test && !order->deleted;
}

static struct fact fact_of_order(const struct order *order) {
    const int32_t day = local_day(order->time);
    const int32_t paid = order->paid == UNSET ? day : local_day(order->paid);
    struct fact fact = {.day = day, .from = paid > day ? paid : day, .until = NEVER};
    if (order->cancelled != UNSET) fact.until = (int32_t)order->cancelled;
    if (!order_counts(order)) fact.from = NEVER;
    fact.row = (uint32_t)(order - shop.order);
    fact.worth = worth_of(order->amount, text_of(order->text[ORDER_CURRENCY]), day);
    return fact;
}

static const struct order *order_refunded(const struct refund *refund) {
    if (refund->order < 0) return NULL;
    const int32_t number = owner_of(refund->order)->order;
    return number < 0 ? NULL : &shop.order[number];
}

/* A refund counts from its own day on, unless its order is a test, withdrawn, or cancelled by then. */
static struct fact fact_of_refund(const struct refund *refund) {
    const int32_t day = local_day(refund->time);
    struct fact fact = {.day = day, .from = day, .until = NEVER, .row = (uint32_t)(refund - shop.refund)};
    const struct order *order = order_refunded(refund);
    if (order != NULL && order->cancelled != UNSET) fact.until = (int32_t)order->cancelled;
    if (order != NULL && !order_counts(order)) fact.from = NEVER;
    fact.worth = worth_of(refund->amount, text_of(refund->text[REFUND_CURRENCY]), day);
    return fact;
}

/* Whose a row is; -1 when it is in no answer: withdrawn, or a refund that waits for its order. */
static int32_t holder_of_order(int32_t row) {
    return shop.order[row].deleted ? -1 : shop.order[row].customer;
}

static int32_t holder_of_refund(int32_t row) {
    const struct refund *refund = &shop.refund[row];
    if (refund->deleted) return -1;
    if (refund->order < 0) return refund->customer;
    const struct order *order = order_refunded(refund);
    return order == NULL ? -1 : order->customer;
}

static int by_time(const struct order *a, const struct order *b) {
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    return id_order(a->id, b->id);
}

static int order_facts(const void *a, const void *b) {
    const struct fact *left = a, *right = b;
    return by_time(&shop.order[left->row], &shop.order[right->row]);
}

/* Puts the facts of each customer beside each other. */
static void cluster(struct facts *facts, int32_t rows, int32_t (*holder)(int32_t row)) {
    facts->first = grown(facts->first, (size_t)shop.customers + 2, sizeof *facts->first);
    memset(facts->first, 0, ((size_t)shop.customers + 2) * sizeof *facts->first);
    uint32_t *next = facts->first + 1;
    for (int32_t row = 0; row < rows; row++) {
        const int32_t customer = holder(row);
        if (customer >= 0) next[customer + 1]++;
    }
    for (int32_t customer = 0; customer < shop.customers; customer++) next[customer + 1] += next[customer];
    facts->count = next[shop.customers];
    facts->fact = grown(facts->fact, facts->count, sizeof *facts->fact);
    for (int32_t row = 0; row < rows; row++) {
        const int32_t customer = holder(row);
        if (customer < 0) continue;
        struct fact *fact = &facts->fact[next[customer]++];
        *fact = holder == holder_of_order ? fact_of_order(&shop.order[row]) : fact_of_refund(&shop.refund[row]);
        if (fact->day > shop.latest) shop.latest = fact->day;
    }
}

static void sort_orders(void) {
    for (int32_t customer = 0; customer < shop.customers; customer++) {
        const uint32_t first = shop.of_orders.first[customer], end = shop.of_orders.first[customer + 1];
        bool sorted = true;
        for (uint32_t at = first + 1; at < end && sorted; at++) {
            sorted = order_facts(&shop.of_orders.fact[at - 1], &shop.of_orders.fact[at]) < 0;
        }
        if (!sorted) qsort(shop.of_orders.fact + first, end - first, sizeof(struct fact), order_facts);
    }
}

static void note_births(void) {
    shop.birth = grown(shop.birth, (size_t)shop.customers, sizeof *shop.birth);
    for (int32_t c = 0; c < shop.customers; c++) {
        int32_t birth = NEVER;
        if (shop.customer[c].created != UNSET) birth = (int32_t)shop.customer[c].created;
        for (uint32_t at = shop.of_orders.first[c]; at < shop.of_orders.first[c + 1]; at++) {
            if (shop.of_orders.fact[at].day < birth) birth = shop.of_orders.fact[at].day;
        }
        for (uint32_t at = shop.of_refunds.first[c]; at < shop.of_refunds.first[c + 1]; at++) {
            if (shop.of_refunds.fact[at].day < birth) birth = shop.of_refunds.fact[at].day;
        }
        shop.birth[c] = birth == NEVER ? NO_DAY : birth;
    }
}

/* Puts the orders themselves into the order of the facts, those in none behind them: who goes through all customers
 * then reads them one after another, not one cache miss each. */
static void file_by_customer(void) {
    struct order *filed = grown(NULL, (size_t)shop.orders + 1, sizeof *filed);
    bool *moved = grown(NULL, (size_t)shop.orders + 1, sizeof *moved);
    memset(moved, 0, (size_t)shop.orders + 1);
    uint32_t count = 0;
    for (; count < shop.of_orders.count; count++) {
        struct fact *fact = &shop.of_orders.fact[count];
        filed[count] = shop.order[fact->row];
        moved[fact->row] = true;
        fact->row = count;
    }
    for (int32_t row = 0; row < shop.orders; row++) {
        if (!moved[row]) filed[count++] = shop.order[row];
    }
    memcpy(shop.order, filed, (size_t)shop.orders * sizeof *filed);
    for (int32_t row = 0; row < shop.orders; row++) owner_of(shop.order[row].id)->order = row;
    free(filed);
    free(moved);
}

void settle(void) {
    static uint64_t settled;
    if (settled == shop.loaded) return;
    settled = shop.loaded;
    shop.latest = NO_DAY;
    cluster(&shop.of_orders, shop.orders, holder_of_order);
    cluster(&shop.of_refunds, shop.refunds, holder_of_refund);
    sort_orders();
    file_by_customer();
    note_births();
}

long load_file(const char *table, const char *path) {
    static const struct {
        const char *name;
        const char *const *fields;
        void (*load)(const struct file *file);
    } tables[] = {{"customers", customer_fields, load_customer},
                  {"orders", order_fields, load_order},
                  {"refunds", refund_fields, load_refund},
                  {"fx", rate_fields, load_rate}};
    size_t at = 0;
    while (at < sizeof tables / sizeof *tables && strcmp(tables[at].name, table) != 0) at++;
    if (at == sizeof tables / sizeof *tables) die("no table %s", table);
    struct file file;
    long rows = 0;
    open_file(&file, path, tables[at].fields);
    for (; next_row(&file); rows++) tables[at].load(&file);
    free(file.line);
    (void)fclose(file.in);
    shop.loaded++;
    return rows;
}
