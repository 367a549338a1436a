#include "generate_plan.h"

#include "generate_world.h"

#include "base/buf.h"
#include "model/date.h"
#include "model/limits.h"
#include "proto/json.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Raise it when the same options would make other rows or batches than before: servers know batches by it. */
#define MAKING_VERSION "1"
/* Customers are numbered in 32 bits. */
#define CUSTOMERS_MAX UINT64_C(2000000000)
/* A second within the time span is 32 bits. */
#define DAYS_MAX 36525
/* An order has up to eight lines, and its lines stay in one batch. */
#define BATCH_ROWS_WITH_LINES 8192u
#define BATCH_ROWS_DEFAULT    16384u

const char *const pat_gen_table_names[PAT_GEN_TABLES] = {"fx", "customers", "orders", "refunds", "lines"};
static const char *const model_names[] = {"bg_nbd", "mbg_nbd", "nbd"};

const struct pat_cli_option pat_gen_options[PAT_GEN_OPTIONS] = {
    {"--customers", "N", "how many (default 100000)"},
    {"--orders", "N", "about how many in all: finds the --rate-scale for it"},
    {"--orders-per-customer", "X", "the same as a mean (default 10)"},
    {"--seed", "S", "another seed, another shop (default 1)"},
    {"--start", "DAY", "first day (default 2022-01-01)"},
    {"--end", "DAY", "last day (default 2024-12-31)"},
    {"--out", "DIR", "write DIR/customers.csv and so on; - for one table on standard output"},
    {"--tables", "NAME,...", "of customers, orders, refunds, lines, fx (default all but lines)"},
    {"--order", "time|customer",
     "orders, refunds and lines by time of arrival, as a shop's log has them (default; they pass through a temporary "
     "file, 24 bytes each), or customer by customer, which needs no such pass and is faster"},
    {"--countries", "N", "the first N of 40 (default 40)"},
    {"--currencies", "N", "the base and the first N-1 others of 12 (default 12)"},
    {"--base", "CODE", "base currency: rates are given in it, spend is drawn in it (default USD)"},
    {"--model", "NAME",
     "bg_nbd (default), mbg_nbd (some leave after the first purchase already) or nbd (nobody leaves)"},
    {"--rate-shape", "R", "purchases a week are gamma(R, ALPHA) over customers (default 0.8)"},
    {"--rate-scale", "ALPHA", "weeks; instead of --orders"},
    {"--dropout-a", "A", "after each purchase one leaves with a chance that is beta(A, B) (default 0.9)"},
    {"--dropout-b", "B", "(default 12)"},
    {"--spend-p", "P", "gamma-gamma spend, major units of the base currency (default 4)"},
    {"--spend-q", "Q", "(default 4)"},
    {"--spend-gamma", "G", "mean spend is P G / (Q - 1) (default 40)"},
    {"--seasonality", "X", "0 none, 1 as usual (default): months, weekdays, Double 11, Black Friday ..."},
    {"--growth", "P%", "more new customers each year (default 20%)"},
    {"--prospects", "P%", "customers who never bought (default 5%)"},
    {"--promotions", "P%", "orders with one, on an ordinary day (default 12%)"},
    {"--cancellations", "P%", "of orders (default 3%)"},
    {"--refunds", "P%", "orders with refunds (default 5%)"},
    {"--tests", "P%", "test orders (default 0.2%)"},
    {"--late-payments", "P%", "orders paid later than ordered (default 6%)"},
    {"--corrections", "P%",
     "orders and customers sent wrong at first and right in a second version, sometimes the second before the first; "
     "half as many orders come late (default 0)"},
    {"--rate-corrections", "P%",
     "exchange rates sent wrong at first and right at the end of all; half as many come only then, when facts are "
     "there "
     "already (default 0)"},
    {"--attributes", NULL, "customers, orders and lines with attributes of seven types (attr.NAME)"},
    {"--duties", NULL, "orders to countries with another currency than the base pay duty"},
    {"--text-ids", "P%", "customers whose ids, and whose orders' ids, are no numbers (default 0)"},
    {"--pure", NULL,
     "the models' own world, to fit them on: no seasons, prospects, promotions, cancellations, refunds, tests or late "
     "payments, and one purchase a day at the most"},
    {"--batch-rows", "N", "customers or orders in one batch (default 16384, with lines 8192)"},
    {"--threads", "N", "that make rows (default: one for each processor)"},
    {"--temp", "DIR", "where the temporary file goes (default: DIR of --out, else TMPDIR or /var/tmp)"},
    {"--producer", "NAME", "name under which batches are numbered (default: a digest of the options)"},
    {"--discard", NULL, "make every batch and drop it, to see how fast that is"},
    {"--dry-run", NULL, "print the parameters and about how many rows there would be"},
};

/* ---- numbers --------------------------------------------------------------------------------------------------- */

struct number_option {
    const char *option, *name;
    size_t offset; /* of a double in the plan */
    double least, most;
    double initial;
    bool share;  /* "5%" or "0.05" */
    bool silent; /* not told while it is as it was before there was such an option: plans keep their digests */
};

#define NUMBER(option, name, member, ...)                                                                              \
    { option, name, offsetof(struct pat_gen_plan, member), __VA_ARGS__ }
static const struct number_option number_options[] = {
    NUMBER("--orders-per-customer", "orders_per_customer", orders_per_customer, 0.01, 5000, 0, false, false),
    NUMBER("--rate-shape", "rate_shape", rate_shape, 0.01, 1000, 0.8, false, false),
    NUMBER("--rate-scale", "rate_scale", rate_scale, 0.001, 1e6, 0, false, false),
    NUMBER("--dropout-a", "dropout_a", dropout_a, 0.01, 1000, 0.9, false, false),
    NUMBER("--dropout-b", "dropout_b", dropout_b, 0.01, 100000, 12, false, false),
    NUMBER("--spend-p", "spend_p", spend_p, 0.1, 1000, 4, false, false),
    NUMBER("--spend-q", "spend_q", spend_q, 1.01, 1000, 4, false, false),
    NUMBER("--spend-gamma", "spend_gamma", spend_gamma, 0.01, 1e6, 40, false, false),
    NUMBER("--seasonality", "seasonality", seasonality, 0, 1.5, 1, false, false),
    NUMBER("--growth", "growth", growth, -0.9, 10, 0.2, true, false),
    NUMBER("--prospects", "prospects", prospects, 0, 0.99, 0.05, true, false),
    NUMBER("--promotions", "promotions", promotions, 0, 1, 0.12, true, false),
    NUMBER("--cancellations", "cancellations", cancellations, 0, 1, 0.03, true, false),
    NUMBER("--refunds", "refunds", refunds, 0, 1, 0.05, true, false),
    NUMBER("--tests", "tests", tests, 0, 1, 0.002, true, false),
    NUMBER("--late-payments", "late_payments", late_payments, 0, 1, 0.06, true, false),
    NUMBER("--corrections", "corrections", corrections, 0, 1, 0, true, false),
    NUMBER("--rate-corrections", "rate_corrections", rate_corrections, 0, 1, 0, true, true),
    NUMBER("--text-ids", "text_ids", text_ids, 0, 1, 0, true, false),
};
#define NUMBER_OPTIONS (sizeof number_options / sizeof number_options[0])

static double *number_of(struct pat_gen_plan *plan, const struct number_option *number) {
    return (double *)((char *)plan + number->offset);
}

static enum pat_exit read_number(struct pat_gen_plan *plan, const struct pat_cli *cli,
                                 const struct number_option *number) {
    const char *text = pat_cli_option(cli, number->option);
    if (text == NULL) return PAT_EXIT_OK;
    char *end = NULL;
    double value = strtod(text, &end);
    const bool percent = number->share && end != text && strcmp(end, "%") == 0;
    if (percent) value /= 100;
    const bool whole = end != text && (*end == '\0' || percent);
    if (whole && value >= number->least && value <= number->most) {
        *number_of(plan, number) = value;
        return PAT_EXIT_OK;
    }
    if (number->share) {
        return pat_cli_usage(cli, "%s is a share from %g%% to %g%%, such as 5%%, not '%s'", number->option,
                             number->least * 100, number->most * 100, text);
    }
    return pat_cli_usage(cli, "%s is a number from %g to %g, not '%s'", number->option, number->least, number->most,
                         text);
}

static enum pat_exit read_whole(const struct pat_cli *cli, const char *option, uint64_t least, uint64_t most,
                                uint64_t *out) {
    const char *text = pat_cli_option(cli, option);
    if (text == NULL || (pat_cli_number(text, most, out) && *out >= least)) return PAT_EXIT_OK;
    return pat_cli_usage(cli, "%s is a number from %llu to %llu, not '%s'", option, (unsigned long long)least,
                         (unsigned long long)most, text);
}

static enum pat_exit read_day(const struct pat_cli *cli, const char *option, pat_day *out) {
    const char *text = pat_cli_option(cli, option);
    if (text == NULL || pat_day_parse(pat_text_of(text), out)) return PAT_EXIT_OK;
    return pat_cli_usage(cli, "%s is a day such as 2022-01-01, not '%s'", option, text);
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

static enum pat_exit read_tables(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    const char *text = pat_cli_option(cli, "--tables");
    if (text == NULL) return PAT_EXIT_OK;
    plan->tables = 0;
    for (const char *at = text;; at++) {
        const struct pat_text name = {at, strcspn(at, ",")};
        int table = 0;
        while (table < PAT_GEN_TABLES && !pat_text_is(name, pat_gen_table_names[table])) table++;
        if (table == PAT_GEN_TABLES) {
            return pat_cli_usage(cli, "--tables are some of customers,orders,refunds,lines,fx; '%.*s' is none",
                                 (int)name.length, name.data);
        }
        plan->tables |= 1u << table;
        at += name.length;
        if (*at == '\0') return PAT_EXIT_OK;
    }
}

static enum pat_exit read_model(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    const char *text = pat_cli_option(cli, "--model");
    if (text == NULL) return PAT_EXIT_OK;
    for (int model = 0; model < 3; model++) {
        if (strcmp(text, model_names[model]) != 0) continue;
        plan->model = (enum pat_gen_model)model;
        return PAT_EXIT_OK;
    }
    return pat_cli_usage(cli, "--model is bg_nbd, mbg_nbd or nbd, not '%s'", text);
}

static enum pat_exit read_base(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    const char *text = pat_cli_option(cli, "--base");
    if (text == NULL) return PAT_EXIT_OK;
    for (unsigned c = 0; c < PAT_GEN_CURRENCIES; c++) {
        if (strcmp(text, pat_gen_currency_codes[c]) != 0) continue;
        (void)snprintf(plan->base, sizeof plan->base, "%s", text);
        return PAT_EXIT_OK;
    }
    return pat_cli_usage(cli, "--base is USD, EUR, GBP, JPY, KWD, CNY, KRW, BRL, CAD, AUD, MXN or INR, not '%s'", text);
}

static enum pat_exit read_order(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    const char *text = pat_cli_option(cli, "--order");
    if (text == NULL) return PAT_EXIT_OK;
    plan->by_customer = strcmp(text, "customer") == 0;
    if (plan->by_customer || strcmp(text, "time") == 0) return PAT_EXIT_OK;
    return pat_cli_usage(cli, "--order is time or customer, not '%s'", text);
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

static void set_defaults(struct pat_gen_plan *plan) {
    *plan = (struct pat_gen_plan){
        .customers = 100000,
        .seed = 1,
        .start = pat_day_from_civil(2022, 1, 1),
        .end = pat_day_from_civil(2024, 12, 31),
        .tables = 1u << PAT_GEN_FX | 1u << PAT_GEN_CUSTOMERS | 1u << PAT_GEN_ORDERS | 1u << PAT_GEN_REFUNDS,
        .countries = PAT_GEN_COUNTRIES,
        .currencies = PAT_GEN_CURRENCIES,
        .base = "USD",
    };
    for (size_t i = 0; i < NUMBER_OPTIONS; i++) *number_of(plan, &number_options[i]) = number_options[i].initial;
}

static enum pat_exit read_whole_numbers(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    uint64_t countries = plan->countries, currencies = plan->currencies;
    enum pat_exit code = read_whole(cli, "--customers", 1, CUSTOMERS_MAX, &plan->customers);
    if (code == PAT_EXIT_OK) code = read_whole(cli, "--orders", 1, CUSTOMERS_MAX * 1000, &plan->orders);
    if (code == PAT_EXIT_OK) code = read_whole(cli, "--seed", 0, INT64_MAX, &plan->seed);
    if (code == PAT_EXIT_OK) code = read_whole(cli, "--countries", 1, PAT_GEN_COUNTRIES, &countries);
    if (code == PAT_EXIT_OK) code = read_whole(cli, "--currencies", 1, PAT_GEN_CURRENCIES, &currencies);
    plan->countries = (unsigned)countries;
    plan->currencies = (unsigned)currencies;
    return code;
}

static enum pat_exit read_batch_rows(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    const bool lines = pat_gen_wants(plan, PAT_GEN_LINES);
    uint64_t rows = lines ? BATCH_ROWS_WITH_LINES : BATCH_ROWS_DEFAULT;
    const enum pat_exit code =
        read_whole(cli, "--batch-rows", 1, lines ? BATCH_ROWS_WITH_LINES : PAT_BATCH_ROWS_MAX / 2, &rows);
    plan->batch_rows = (uint32_t)rows;
    return code;
}

static void make_pure(struct pat_gen_plan *plan) {
    plan->pure = true;
    plan->seasonality = plan->prospects = plan->promotions = plan->cancellations = 0;
    plan->refunds = plan->tests = plan->late_payments = plan->corrections = plan->rate_corrections = 0;
}

/* What contradicts itself; and how the mean number of orders is to be had. */
static enum pat_exit settle(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    if (plan->end < plan->start) return pat_cli_usage(cli, "--end is before --start");
    if (plan->end - plan->start >= DAYS_MAX) return pat_cli_usage(cli, "--start to --end is more than 100 years");
    if (plan->start < pat_day_from_civil(1900, 1, 1) || plan->end > pat_day_from_civil(2999, 12, 31)) {
        return pat_cli_usage(cli, "--start and --end are within the years 1900 to 2999");
    }
    const int given = (plan->orders > 0) + (plan->orders_per_customer > 0) + (plan->rate_scale > 0);
    if (given > 1) {
        return pat_cli_usage(cli,
                             "--orders, --orders-per-customer and --rate-scale say the same thing: give one of them");
    }
    if (plan->orders > 0) plan->orders_per_customer = (double)plan->orders / (double)plan->customers;
    if (given == 0) plan->orders_per_customer = 10;
    return PAT_EXIT_OK;
}

enum pat_exit pat_gen_plan_read(struct pat_gen_plan *plan, const struct pat_cli *cli) {
    set_defaults(plan);
    if (pat_cli_option(cli, "--pure") != NULL) make_pure(plan);
    plan->attributes = pat_cli_option(cli, "--attributes") != NULL;
    plan->duties = pat_cli_option(cli, "--duties") != NULL;
    enum pat_exit code = read_whole_numbers(plan, cli);
    for (size_t i = 0; i < NUMBER_OPTIONS && code == PAT_EXIT_OK; i++)
        code = read_number(plan, cli, &number_options[i]);
    if (code == PAT_EXIT_OK) code = read_day(cli, "--start", &plan->start);
    if (code == PAT_EXIT_OK) code = read_day(cli, "--end", &plan->end);
    if (code == PAT_EXIT_OK) code = read_tables(plan, cli);
    if (code == PAT_EXIT_OK) code = read_model(plan, cli);
    if (code == PAT_EXIT_OK) code = read_base(plan, cli);
    if (code == PAT_EXIT_OK) code = read_order(plan, cli);
    if (code == PAT_EXIT_OK) code = read_batch_rows(plan, cli);
    return code == PAT_EXIT_OK ? settle(plan, cli) : code;
}

/* ---- telling it ------------------------------------------------------------------------------------------------ */

static struct pat_value describe_tables(const struct pat_gen_plan *plan, struct pat_builder *builder) {
    struct pat_value tables = pat_build_array(builder, PAT_GEN_TABLES);
    for (int table = 0; table < PAT_GEN_TABLES; table++) {
        if (pat_gen_wants(plan, (enum pat_gen_table)table)) {
            pat_build_push(builder, &tables, pat_value_string(pat_gen_table_names[table]));
        }
    }
    return tables;
}

struct pat_value pat_gen_plan_describe(const struct pat_gen_plan *plan, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 40);
    pat_build_put(builder, &map, "seed", pat_value_uint(plan->seed));
    pat_build_put(builder, &map, "customers", pat_value_uint(plan->customers));
    pat_build_put(builder, &map, "start", pat_build_day(builder, plan->start));
    pat_build_put(builder, &map, "end", pat_build_day(builder, plan->end));
    pat_build_put(builder, &map, "tables", describe_tables(plan, builder));
    pat_build_put(builder, &map, "order", pat_value_string(plan->by_customer ? "customer" : "time"));
    pat_build_put(builder, &map, "countries", pat_value_uint(plan->countries));
    pat_build_put(builder, &map, "currencies", pat_value_uint(plan->currencies));
    pat_build_put(builder, &map, "base", pat_build_text(builder, pat_text_of(plan->base)));
    pat_build_put(builder, &map, "model", pat_value_string(model_names[plan->model]));
    for (size_t i = 0; i < NUMBER_OPTIONS; i++) {
        const double *value = (const double *)((const char *)plan + number_options[i].offset);
        if (number_options[i].silent && *value <= 0) continue;
        pat_build_put(builder, &map, number_options[i].name, pat_value_real(*value));
    }
    if (plan->attributes) pat_build_put(builder, &map, "attributes", pat_value_bool(true));
    if (plan->duties) pat_build_put(builder, &map, "duties", pat_value_bool(true));
    pat_build_put(builder, &map, "pure", pat_value_bool(plan->pure));
    pat_build_put(builder, &map, "batch_rows", pat_value_uint(plan->batch_rows));
    return map;
}

enum pat_status pat_gen_plan_digest(const struct pat_gen_plan *plan, struct pat_digest *out, struct pat_error *error) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    const struct pat_value map = pat_gen_plan_describe(plan, &builder);
    struct pat_buf text;
    pat_buf_init(&text, PAT_MEM_OTHER);
    enum pat_status status = builder.failed ? PAT_ERR_NO_MEMORY : pat_buf_printf(&text, "%s ", MAKING_VERSION);
    if (status == PAT_OK) status = pat_json_print(&text, &map, false);
    if (status == PAT_OK) *out = pat_digest_of(text.data, text.length);
    pat_buf_deinit(&text);
    pat_arena_deinit(&arena);
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "no memory");
}
