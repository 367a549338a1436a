/* Fields and filters. */
#include "naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool refused;

/* ---- fields --------------------------------------------------------------------------------------------------------
 */

enum what {
    THE_CUSTOMER,
    CREATED,
    BIRTH_YEAR,
    PROFILE_TEXT,                                /* and the following CUSTOMER_TEXTS */
    PROFILE_SET = PROFILE_TEXT + CUSTOMER_TEXTS, /* and the following CUSTOMER_SETS */
    ORDER_COUNT = PROFILE_SET + CUSTOMER_SETS,
    NET,
    FIRST_ORDER,
    LAST_ORDER,
    RECENCY,
    SCORE_R,
    SCORE_F,
    SCORE_M,
    GROUP,
    LIFECYCLE,
    THE_ORDER,
    THE_REFUND,
    FACT_DAY,
    FACT_NET,
    FACT_AMOUNT,
    CANCELLED,
    TEST,
    FACT_TEXT /* and the texts of an order or a refund */
};

struct named {
    const char *name;
    int what;
    enum kind kind;
};

static const struct named of_customers[] = {{"customer", THE_CUSTOMER, ID},
                                            {"created", CREATED, DAY},
                                            {"birth_year", BIRTH_YEAR, WHOLE},
                                            {"country", PROFILE_TEXT + COUNTRY, TEXT},
                                            {"region", PROFILE_TEXT + REGION, TEXT},
                                            {"language", PROFILE_TEXT + LANGUAGE, TEXT},
                                            {"currency", PROFILE_TEXT + CURRENCY, TEXT},
                                            {"gender", PROFILE_TEXT + GENDER, TEXT},
                                            {"acq_channel", PROFILE_TEXT + ACQ_CHANNEL, TEXT},
                                            {"credit", PROFILE_TEXT + CREDIT, TEXT},
                                            {"entity", PROFILE_TEXT + ENTITY, TEXT},
                                            {"consent", PROFILE_SET + CONSENT, SET},
                                            {"tags", PROFILE_SET + TAGS, SET},
                                            {"orders", ORDER_COUNT, WHOLE},
                                            {"net", NET, MONEY},
                                            {"first_order", FIRST_ORDER, DAY},
                                            {"last_order", LAST_ORDER, DAY},
                                            {"recency_days", RECENCY, WHOLE},
                                            {"r", SCORE_R, WHOLE},
                                            {"f", SCORE_F, WHOLE},
                                            {"m", SCORE_M, WHOLE},
                                            {"rfm_group", GROUP, TEXT},
                                            {"lifecycle", LIFECYCLE, TEXT},
                                            {NULL, 0, WHOLE}};

static const struct named of_orders[] = {{"order", THE_ORDER, ID},
                                         {"customer", THE_CUSTOMER, ID},
                                         {"day", FACT_DAY, DAY},
                                         {"time", FACT_DAY, DAY}, /* as month(time) has it */
                                         {"net", FACT_NET, MONEY},
                                         {"amount_minor", FACT_AMOUNT, WHOLE},
                                         {"cancelled", CANCELLED, DAY},
                                         {"test", TEST, FLAG},
                                         {"currency", FACT_TEXT + ORDER_CURRENCY, TEXT},
                                         {"country", FACT_TEXT + ORDER_COUNTRY, TEXT},
                                         {"channel", FACT_TEXT + ORDER_CHANNEL, TEXT},
                                         {"payment", FACT_TEXT + ORDER_PAYMENT, TEXT},
                                         {"promotion", FACT_TEXT + ORDER_PROMOTION, TEXT},
                                         {NULL, 0, WHOLE}};

static const struct named of_refunds[] = {{"refund", THE_REFUND, ID},
                                          {"order", THE_ORDER, ID},
                                          {"customer", THE_CUSTOMER, ID},
                                          {"day", FACT_DAY, DAY},
                                          {"time", FACT_DAY, DAY},
                                          {"net", FACT_NET, MONEY},
                                          {"amount_minor", FACT_AMOUNT, WHOLE},
                                          {"currency", FACT_TEXT + REFUND_CURRENCY, TEXT},
                                          {"kind", FACT_TEXT + REFUND_KIND, TEXT},
                                          {"reason", FACT_TEXT + REFUND_REASON, TEXT},
                                          {NULL, 0, WHOLE}};

struct field field_named(enum table table, const char *name) {
    static const char prefix[] = "customer.";
    const bool of_customer = table == CUSTOMERS || strncmp(name, prefix, sizeof prefix - 1) == 0;
    const char *plain = of_customer && table != CUSTOMERS ? name + sizeof prefix - 1 : name;
    const struct named *at = of_customer ? of_customers : table == ORDERS ? of_orders : of_refunds;
    for (; at->name != NULL; at++) {
        if (strcmp(at->name, plain) == 0) return (struct field){at->what, at->kind, of_customer};
    }
    die("no field %s", name);
}

static int64_t day_or_unset(int32_t day) {
    return day == NO_DAY ? UNSET : day;
}

static int64_t text_or_unset(int32_t text) {
    return text < 0 ? UNSET : text;
}

static int64_t number_of_name(const char *name) {
    static const char *names[64];
    static int64_t number[64];
    for (int i = 0; i < 64; i++) {
        if (names[i] == name) return number[i];
        if (names[i] != NULL) continue;
        names[i] = name;
        return number[i] = text_number(name);
    }
    die("too many names");
}

static int64_t customer_value(int what, int32_t c) {
    const struct customer *customer = &shop.customer[c];
    if (what == PROFILE_TEXT + COUNTRY) return country_of(c);
    if (what >= PROFILE_TEXT && what < PROFILE_SET) return text_or_unset(customer->text[what - PROFILE_TEXT]);
    if (what >= PROFILE_SET && what < ORDER_COUNT) {
        const uint64_t set = customer->set[what - PROFILE_SET];
        return set == 0 ? UNSET : (int64_t)set;
    }
    switch (what) {
    case THE_CUSTOMER: return customer->id;
    case CREATED: return customer->created;
    case BIRTH_YEAR: return customer->birth_year;
    case ORDER_COUNT: return now.orders[c];
    case NET: return now.net[c];
    case FIRST_ORDER: return day_or_unset(now.first[c]);
    case LAST_ORDER: return day_or_unset(now.last[c]);
    case RECENCY: return now.last[c] == NO_DAY ? UNSET : now.day - now.last[c];
    case SCORE_R:
    case SCORE_F:
    case SCORE_M: return now.score[what - SCORE_R][c] == 0 ? UNSET : now.score[what - SCORE_R][c];
    case GROUP: return now.group[c] == 0 ? UNSET : number_of_name(group_name(now.group[c]));
    case LIFECYCLE: return number_of_name(lifecycle_name[lifecycle_of(c)]);
    default: die("field %d is not a customer's", what);
    }
}

static int64_t order_value(int what, const struct fact *fact) {
    const struct order *order = &shop.order[fact->row];
    if (what >= FACT_TEXT) return text_or_unset(order->text[what - FACT_TEXT]);
    switch (what) {
    case THE_ORDER: return order->id;
    case FACT_DAY: return fact->day;
    case FACT_NET: return fact->worth;
    case FACT_AMOUNT: return order->amount;
    case TEST: return order->test;
    case CANCELLED: return order->cancelled > now.day ? UNSET : order->cancelled;
    default: die("field %d is not an order's", what);
    }
}

static int64_t refund_value(int what, const struct fact *fact) {
    const struct refund *refund = &shop.refund[fact->row];
    if (what >= FACT_TEXT) return text_or_unset(refund->text[what - FACT_TEXT]);
    switch (what) {
    case THE_REFUND: return refund->id;
    case THE_ORDER: return text_or_unset(refund->order);
    case FACT_DAY: return fact->day;
    case FACT_NET: return fact->worth;
    case FACT_AMOUNT: return refund->amount;
    default: die("field %d is not a refund's", what);
    }
}

int64_t value_of(enum table table, const struct field *field, struct row row) {
    if (field->of_customer || field->what == THE_CUSTOMER) return customer_value(field->what, row.customer);
    if (table == ORDERS) return order_value(field->what, &shop.of_orders.fact[row.fact]);
    return refund_value(field->what, &shop.of_refunds.fact[row.fact]);
}

/* ---- filters -------------------------------------------------------------------------------------------------------
 */

enum op { AND, OR, NOT, EQ, NE, LT, LE, GT, GE, IN, BETWEEN, IS_NULL, HAS };
static const char *const op_name[] = {
    "and", "or", "not", "=", "<>", "<", "<=", ">", ">=", "in", "between", "is_null", "has", NULL};

struct literal {
    int128 numerator, denominator; /* a text's number over 1 */
};

struct filter {
    enum op op;
    enum table table;
    const struct filter *part[16];
    int parts;
    struct field field;
    struct literal literal[16];
    int literals;
};

static struct filter filters[256];
static size_t filters_used;

void forget_filters(void) {
    filters_used = 0;
    refused = false;
}

/* Money of another currency is worth what the latest rate up to the day makes of it, rounded once. */
static struct literal money_of(const struct node *amount, const char *currency) {
    const struct decimal number = decimal_of(amount->word);
    struct literal literal = {number.mantissa * power_of_ten(digits_of(shop.base)), power_of_ten(number.scale)};
    int128 numerator, denominator;
    if (!rate_on(currency, now.day, &numerator, &denominator)) {
        refused = true;
        return literal;
    }
    if (strcmp(currency, shop.base) == 0) return literal;
    return (struct literal){divided(literal.numerator * numerator, literal.denominator * denominator), 1};
}

static struct literal literal_of(enum kind kind, const struct node *node) {
    if (node->word == NULL) {
        const struct node *rest = node->child->next;
        if (is_word(node->child, "days")) return (struct literal){now.day + atoll(rest->word), 1};
        return money_of(rest, rest->next->word);
    }
    switch (kind) {
    case DAY: return (struct literal){day_of(node->word), 1};
    case TEXT:
    case ID: return (struct literal){text_number(node->word), 1};
    case SET: return (struct literal){member_known(node->word), 1};
    case FLAG: return (struct literal){is_word(node, "true") ? 1 : 0, 1};
    case MONEY: return money_of(node, shop.base);
    default: break;
    }
    const struct decimal number = decimal_of(node->word);
    return (struct literal){number.mantissa, power_of_ten(number.scale)};
}

const struct filter *filter_of(enum table table, const struct node *tree) {
    if (tree == NULL) return NULL;
    if (filters_used == sizeof filters / sizeof *filters) die("a filter of too many parts");
    struct filter *filter = &filters[filters_used++];
    *filter = (struct filter){.table = table};
    const struct node *at = tree->child;
    int op = 0;
    while (op_name[op] != NULL && !is_word(at, op_name[op])) op++;
    if (op_name[op] == NULL) die("no operator %s", at->word);
    filter->op = (enum op)op;
    at = at->next;
    if (filter->op <= NOT) {
        for (; at != NULL; at = at->next) filter->part[filter->parts++] = filter_of(table, at);
        return filter;
    }
    filter->field = field_named(table, at->word);
    at = at->next;
    if (filter->op == IN) at = at->child;
    for (; at != NULL; at = at->next) filter->literal[filter->literals++] = literal_of(filter->field.kind, at);
    return filter;
}

static int against(int64_t value, const struct literal *literal) {
    const int128 left = value * literal->denominator, right = literal->numerator;
    return (left > right) - (left < right);
}

static bool holds(const struct filter *filter, int64_t value) {
    const int order = filter->literals > 0 && filter->op != HAS ? against(value, &filter->literal[0]) : 0;
    switch (filter->op) {
    case EQ: return order == 0;
    case NE: return order != 0;
    case LT: return order < 0;
    case LE: return order <= 0;
    case GT: return order > 0;
    case GE: return order >= 0;
    case BETWEEN: return order >= 0 && against(value, &filter->literal[1]) <= 0;
    case IN:
        for (int i = 0; i < filter->literals; i++) {
            if (against(value, &filter->literal[i]) == 0) return true;
        }
        return false;
    case HAS: {
        const int member = (int)filter->literal[0].numerator;
        return member >= 0 && ((uint64_t)value >> member & 1) != 0;
    }
    default: die("operator %d has no value", filter->op);
    }
}

/* Two-valued: what is not set compares false, and NOT is everything else. */
bool lets_through(const struct filter *filter, struct row row) {
    if (filter == NULL) return true;
    if (filter->op == NOT) return !lets_through(filter->part[0], row);
    if (filter->op <= OR) {
        for (int i = 0; i < filter->parts; i++) {
            if (lets_through(filter->part[i], row) == (filter->op == OR)) return filter->op == OR;
        }
        return filter->op == AND;
    }
    const int64_t value = value_of(filter->table, &filter->field, row);
    if (filter->op == IS_NULL) return value == UNSET;
    return value != UNSET && holds(filter, value);
}

bool names_scores(const struct node *tree) {
    for (; tree != NULL; tree = tree->next) {
        const char *word = tree->word == NULL ? "" : tree->word;
        if (strncmp(word, "customer.", 9) == 0) word += 9;
        if (strcmp(word, "r") == 0 || strcmp(word, "f") == 0 || strcmp(word, "m") == 0) return true;
        if (strcmp(word, "rfm_group") == 0 || names_scores(tree->child)) return true;
    }
    return false;
}
