/* The reading commands: each turns its options into parameters, asks, and prints the answer. */
#include "cli.h"
#include "render.h"

#include "base/text.h"
#include "model/limits.h"
#include "model/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A question being put together. */
struct question {
    struct pat_arena arena;
    struct pat_builder builder;
    struct pat_value params;
};

static void question_init(struct question *question) {
    pat_arena_init(&question->arena, 0);
    question->builder = (struct pat_builder){.arena = &question->arena};
    question->params = pat_build_map(&question->builder, 8);
}

static void put(struct question *question, const char *key, struct pat_value value) {
    pat_build_put(&question->builder, &question->params, key, value);
}

static void put_list(const struct pat_cli *cli, struct question *question, const char *option, const char *key) {
    const char *text = pat_cli_option(cli, option);
    if (text != NULL) put(question, key, pat_cli_list(&question->builder, text));
}

static void put_text(const struct pat_cli *cli, struct question *question, const char *option, const char *key) {
    const char *text = pat_cli_option(cli, option);
    if (text != NULL) put(question, key, pat_value_string(text));
}

static enum pat_exit put_limit(const struct pat_cli *cli, struct question *question) {
    const char *text = pat_cli_option(cli, "--limit");
    uint64_t limit;
    if (text == NULL) return PAT_EXIT_OK;
    if (!pat_cli_number(text, UINT32_MAX, &limit) || limit == 0) {
        return pat_cli_usage(cli, "--limit needs a number from 1, not '%s'", text);
    }
    put(question, "limit", pat_value_uint(limit));
    return PAT_EXIT_OK;
}

/* FILTER as the operand is --where by another name. */
static enum pat_exit put_filter_operand(const struct pat_cli *cli, struct question *question) {
    if (cli->operands == 0) return PAT_EXIT_OK;
    if (pat_cli_option(cli, "--where") != NULL) {
        return pat_cli_usage(cli, "the filter is there twice: as FILTER and as --where");
    }
    return pat_cli_put_filter(cli, &question->builder, &question->params, cli->operand[0]);
}

/* Asks and prints; takes the question's memory back in any case. `code` is what building it came to. */
static enum pat_exit question_finish(const struct pat_cli *cli, struct question *question, enum pat_exit code,
                                     const char *method) {
    struct pat_value answer;
    if (code == PAT_EXIT_OK && question->builder.failed) {
        struct pat_error error;
        (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for the question");
        code = pat_cli_fail(&error);
    }
    if (code == PAT_EXIT_OK) code = pat_cli_ask(cli, method, &question->params, &question->arena, &answer);
    if (code == PAT_EXIT_OK) code = pat_render_answer(cli, &question->arena, &answer);
    pat_arena_deinit(&question->arena);
    return code;
}

/* ---- count ---------------------------------------------------------------------------------------------------- */

static enum pat_exit run_count(const struct pat_cli *cli) {
    struct question question;
    question_init(&question);
    enum pat_exit code = put_filter_operand(cli, &question);
    if (code == PAT_EXIT_OK) code = pat_cli_put_reading(cli, &question.builder, &question.params);
    return question_finish(cli, &question, code, "count");
}

const struct pat_cli_command pat_command_count = {
    .room = PAT_CLI_QUESTIONS,
    .name = "count",
    .operands = "[FILTER]",
    .operands_max = 1,
    .summary = "How many customers a filter selects, and of how many",
    .example = "patron count \"orders >= 2 AND net > 1000 AND last_order < -90d\"",
    .reads = true,
    .run = run_count,
};

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static const struct pat_cli_option rows_options[] = {
    {"--fields", "a,b", "columns to show (default: customer,country,orders, net,first_order,last_order)"},
    {"--order-by", "-net,customer", "sort; a '-' in front turns it round"},
    {"--limit", "N", "at most so many rows"},
    {"--all", NULL, "every row, page by page, all of one moment; --format csv needs no memory for them"},
    {"--cursor", "TEXT", "go on where the page with this cursor ended, with the same options"},
    {"--from", "TABLE", "customers (default), orders, refunds, lines or fx"},
};

static const char *default_fields(const char *from) {
    if (from == NULL || strcmp(from, "customers") == 0) return "customer,country,orders,net,first_order,last_order";
    if (strcmp(from, "orders") == 0) return "order,customer,time,amount,currency,country";
    if (strcmp(from, "refunds") == 0) return "refund,order,customer,time,amount,currency";
    if (strcmp(from, "fx") == 0) return "day,currency,rate,per";
    return "order,line,product,quantity,price";
}

static enum pat_exit run_rows(const struct pat_cli *cli) {
    struct question question;
    question_init(&question);
    const char *fields = pat_cli_option(cli, "--fields");
    if (fields == NULL) fields = default_fields(pat_cli_option(cli, "--from"));
    put(&question, "fields", pat_cli_list(&question.builder, fields));
    put_text(cli, &question, "--from", "from");
    put_list(cli, &question, "--order-by", "order_by");
    put_text(cli, &question, "--cursor", "cursor");
    const bool all = pat_cli_option(cli, "--all") != NULL;
    enum pat_exit code = put_limit(cli, &question);
    if (all && (pat_cli_option(cli, "--limit") != NULL || pat_cli_option(cli, "--cursor") != NULL)) {
        code = pat_cli_usage(cli, "--all goes with neither --limit nor --cursor");
    }
    if (code == PAT_EXIT_OK) code = put_filter_operand(cli, &question);
    if (code == PAT_EXIT_OK) code = pat_cli_put_reading(cli, &question.builder, &question.params);
    if (!all || code != PAT_EXIT_OK) return question_finish(cli, &question, code, "rows");
    code = pat_cli_rows_all(cli, &question.builder, &question.params);
    pat_arena_deinit(&question.arena);
    return code;
}

const struct pat_cli_command pat_command_rows = {
    .room = PAT_CLI_QUESTIONS,
    .name = "rows",
    .operands = "[FILTER]",
    .operands_max = 1,
    .summary = "Customers, orders, ... that a filter selects",
    .example = "patron rows \"rfm_group = at_risk\" --as-of latest --order-by -net --limit 20",
    .reads = true,
    .option = rows_options,
    .options = sizeof rows_options / sizeof rows_options[0],
    .run = run_rows,
};

/* ---- group ---------------------------------------------------------------------------------------------------- */

static const struct pat_cli_option group_options[] = {
    {"--by", "country,rfm_group", "up to four dimensions; none gives one row"},
    {"--metrics", "\"count,sum(net)\"", "what to compute: count, sum avg min max p50 p99.9 of a field (default count)"},
    {"--order-by", "-count", "sort by a dimension or a metric; a '-' in front turns it round"},
    {"--limit", "N", "at most so many groups; the others are summed up as (rest)"},
    {"--from", "TABLE",
     "customers (default), orders, refunds or lines; a customer's own fields are then customer.country and so on"},
    {"--between", "FIRST,LAST",
     "days of those, both included; -29d,0d are the 30 days up to the day asked for, an empty end is open"},
};

/* "2010-12-01,2010-12-31", "-29d,0d", ",2010-12-31". */
static enum pat_exit put_between(const struct pat_cli *cli, struct question *question) {
    const char *text = pat_cli_option(cli, "--between");
    if (text == NULL) return PAT_EXIT_OK;
    const char *comma = strchr(text, ',');
    if (comma == NULL || strchr(comma + 1, ',') != NULL) {
        return pat_cli_usage(cli, "--between is FIRST,LAST: two days, not '%s'", text);
    }
    const struct pat_text day[2] = {{text, (size_t)(comma - text)}, pat_text_of(comma + 1)};
    struct pat_value between = pat_build_array(&question->builder, 2);
    for (unsigned i = 0; i < 2; i++) {
        pat_build_push(&question->builder, &between, day[i].length > 0 ? pat_value_text(day[i]) : pat_value_nil());
    }
    put(question, "between", between);
    return PAT_EXIT_OK;
}

static enum pat_exit run_group(const struct pat_cli *cli) {
    struct question question;
    question_init(&question);
    const char *by = pat_cli_option(cli, "--by");
    put(&question, "by", pat_cli_list(&question.builder, by != NULL ? by : ""));
    const char *metrics = pat_cli_option(cli, "--metrics");
    put(&question, "metrics", pat_cli_list(&question.builder, metrics != NULL ? metrics : "count"));
    put_list(cli, &question, "--order-by", "order_by");
    put_text(cli, &question, "--from", "from");
    enum pat_exit code = put_between(cli, &question);
    if (code == PAT_EXIT_OK) code = put_limit(cli, &question);
    if (code == PAT_EXIT_OK) code = pat_cli_put_reading(cli, &question.builder, &question.params);
    return question_finish(cli, &question, code, "group");
}

const struct pat_cli_command pat_command_group = {
    .room = PAT_CLI_QUESTIONS,
    .name = "group",
    .operands = "",
    .summary = "Counts, sums and percentiles by up to four dimensions",
    .example = "patron group --by country --metrics \"count,sum(net)\" --order-by \"-sum(net)\" --limit 9\n"
               "  patron group --from orders --by country --metrics \"sum(net)\" --between -29d,0d",
    .reads = true,
    .option = group_options,
    .options = sizeof group_options / sizeof group_options[0],
    .run = run_group,
};

/* ---- customer, order ------------------------------------------------------------------------------------------ */

static enum pat_exit run_lookup(const struct pat_cli *cli, const char *noun) {
    struct question question;
    question_init(&question);
    put(&question, noun, pat_value_string(cli->operand[0]));
    put_list(cli, &question, "--with", "with");
    enum pat_exit code = put_limit(cli, &question);
    if (code == PAT_EXIT_OK) code = pat_cli_put_reading(cli, &question.builder, &question.params);
    return question_finish(cli, &question, code, noun);
}

static enum pat_exit run_customer(const struct pat_cli *cli) {
    return run_lookup(cli, "customer");
}

static enum pat_exit run_order(const struct pat_cli *cli) {
    return run_lookup(cli, "order");
}

static const struct pat_cli_option customer_options[] = {
    {"--with", "orders,refunds,lines", "facts to show as well"},
    {"--limit", "N", "at most so many facts of each kind"},
};

const struct pat_cli_command pat_command_customer = {
    .room = PAT_CLI_QUESTIONS,
    .name = "customer",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "One customer: profile, figures, and its facts",
    .example = "patron customer 13085 --with orders,refunds",
    .reads = true,
    .option = customer_options,
    .options = sizeof customer_options / sizeof customer_options[0],
    .run = run_customer,
};

static const struct pat_cli_option order_options[] = {
    {"--with", "refunds,lines", "facts to show as well"},
};

const struct pat_cli_command pat_command_order = {
    .room = PAT_CLI_QUESTIONS,
    .name = "order",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "One order with its lines and refunds",
    .example = "patron order 489434 --with lines",
    .reads = true,
    .option = order_options,
    .options = sizeof order_options / sizeof order_options[0],
    .run = run_order,
};
